#!/usr/bin/env bash
# Peak memory of load + optimize + save, and of a session with one run, as multiples of the model file's size.
#   bench/memory.sh MODEL.onnx INPUT.npy        e.g. bench/export_models.py DIR vgg16_bn; bench/memory.sh DIR/vgg16_bn.*
# Needs GNU time (package time).
set -euo pipefail
sinter=${SINTER:-$(dirname "$0")/../build/release/sinter}
model=$1 input=$2
size=$(stat -c %s "$model")
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# peak LABEL COMMAND...: runs it and prints its peak resident set.
peak() {
    local label=$1 kib
    shift
    kib=$(/usr/bin/time -f %M "$@" 2>&1 >/dev/null | tail -1)
    awk -v l="$label" -v k="$kib" -v s="$size" 'BEGIN { printf "%-24s %7.1f MB  %.3f x the file\n", l, k * 1024 / 1e6, k * 1024 / s }'
}
awk -v s="$size" -v m="$(basename "$model")" 'BEGIN { printf "%-24s %7.1f MB\n", m, s / 1e6 }'
peak "optimize and save" "$sinter" optimize "$model" -o "$out/optimized.onnx"
peak "session and run" "$sinter" run "$model" -i "$input"
peak "session and run, off" "$sinter" run "$model" -i "$input" --optimize=off
