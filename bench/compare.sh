#!/usr/bin/env bash
# Sinter beside ONNX Runtime: time per run, load time, memory, agreement of the outputs.
#   bench/compare.sh [--threads N] [--batch N] [--runs N] [MODEL...]     default: resnet18 resnet50 vgg16_bn mobilenet_v2
#   bench/compare.sh --small                                             the smallest seed models, in a tight loop
#   bench/compare.sh [--small] --summary N                               no run: medians of the last N runs of each case
# MODEL is a name that torchvision has, or FILE.onnx with FILE.npy beside it. Prints a Markdown table and appends to
# build/bench/compare.tsv. Needs node, the npm registry (once), and python3-torchvision to export models (once).
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
cmake --preset release >/dev/null
cmake --build --preset release -j "$(nproc)" --target bench_worker >build/bench.log || { cat build/bench.log >&2; exit 1; }
modules=build/peer
mkdir -p "$modules"
[ -d "$modules/node_modules/onnxruntime-node" ] ||
    ONNXRUNTIME_NODE_INSTALL=skip npm install --prefix "$modules" --ignore-scripts --no-audit --no-fund --silent onnxruntime-node
cd "$OLDPWD"
exec python3 "$here/bench/compare/compare.py" "$@"
