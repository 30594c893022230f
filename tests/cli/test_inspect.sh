#!/usr/bin/env bash
# sinter inspect: facts about a model, for people and as JSON.
. "$(dirname "$0")/lib.sh"

help_lists inspect --json --shape
usage_error inspect -- "expected MODEL.onnx"

expect 0 inspect "$model"
has "$out" "opset ai.onnx 16" "producer pytorch" "Inputs:" image batchx1x28x28 "Outputs:" logits batchx10 \
    "Operators:" Conv "BatchNormalization:" "/norm4/BatchNormalization" Gemm inference
lacks "$out" "not supported"
[ -z "$err" ] || fail "inspect wrote to stderr: $err"

expect 0 inspect "$model" --json
json=$(tr -d '\t\n ' <<<"$out")
has "$json" '"ir_version":' '"opsets":[{"domain":"ai.onnx","version":16}]' '"producer_name":"pytorch"' \
    '"inputs":[{"name":"image","kind":"tensor","type":"float","shape":["batch",1,28,28],"optional":false}]' \
    '"outputs":[{"name":"logits"' '{"domain":"ai.onnx","name":"Conv","count":3,"supported":true}' \
    '"producer":"Conv","consumer":"Relu","training_mode":false' '"parameters":' '"nodes":17'

# A shape makes the FLOPs those of that shape: ten times the rows, ten times the work.
flops() { sed -nE 's/.*"flops":([0-9.e+]+).*/\1/p' <<<"$(tr -d '\t\n ' <<<"$out")"; }
expect 0 inspect "$model" --json --shape image=1x1x28x28
one=$(flops)
expect 0 inspect "$model" --json --shape image=10x1x28x28
ten=$(flops)
[ -n "$one" ] && [ "$ten" = $((one * 10)) ] || fail "FLOPs: $one for one row, $ten for ten"
usage_error inspect "$model" --shape nothing=1 -- nothing
