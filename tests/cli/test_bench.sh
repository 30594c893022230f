#!/usr/bin/env bash
# sinter bench: that the numbers are there and mean what they say.
. "$(dirname "$0")/lib.sh"

help_lists bench --batch-size --shape --iterations --warmup --json
usage_error bench -- "expected MODEL.onnx"
usage_error bench "$model" --iterations 0 -- "--iterations: '0' is not a whole number from 1"
usage_error bench "$model" --shape nothing=1x2 -- "nothing"

expect 0 bench "$model" --iterations 5 --warmup 1 --threads 1
has "$out" "5 runs, batch 1, 1 thread" "p50" "p99" "runs/s" "MB planned" "operator" Conv

expect 0 bench "$model" --iterations 4 --batch-size 3 --json
json=$(tr -d '\t\n ' <<<"$out")
has "$json" '"runs":4' '"batch_size":3' '"latency_ms":{"min":' '"p50":' '"p90":' '"p99":' '"max":' \
    '"runs_per_second":' '"rows_per_second":' '"memory_planned":' '"memory_unplanned":' '"steps":[{"name":' '"calls":4'

# Measured or not, a convolution has an implementation that computes convolutions.
expect 0 bench "$model" --iterations 2 --tune
[[ $out =~ Conv\ +(conv|winograd) ]] || fail "tuned: $out"

expect 0 bench "$model" --iterations 2 --winograd off
has "$out" "Conv      conv "
lacks "$out" winograd

expect 0 bench "$model" --iterations 2 --shape image=6x1x28x28
has "$out" "2 runs, batch 6"
expect 4 bench "$model" --iterations 2 --shape image=6x1x28
has "$err" image
