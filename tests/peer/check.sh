#!/usr/bin/env bash
# What Sinter optimizes runs elsewhere: every golden, seed and CIFAR-10 model is optimized, loaded by ONNX Runtime (from npm), and
# must give PyTorch's outputs there, with ai.onnx operators only. Not part of the suite: it needs the npm registry.
#   SINTER=build/release/sinter tests/peer/check.sh
: "${SINTER_SOURCE_DIR:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${SINTER:=$SINTER_SOURCE_DIR/build/release/sinter}"
source "$SINTER_SOURCE_DIR/tests/common.sh"
modules=$SINTER_BUILD_DIR/peer
mkdir -p "$modules"
[ -d "$modules/node_modules/onnxruntime-node" ] ||
    ONNXRUNTIME_NODE_INSTALL=skip npm install --prefix "$modules" --ignore-scripts --no-audit --no-fund --silent onnxruntime-node

for model in "$SINTER_SOURCE_DIR"/tests/golden/models/*/model.onnx "$SINTER_TEST_DATA"/models/seed/*/model.onnx; do
    [ -e "$model" ] || continue
    folder=$(dirname "$model")
    case=$work/cases/$(basename "$(dirname "$folder")")-$(basename "$folder")
    mkdir -p "$case"
    cp "$folder"/test_data_set_0/*.pb "$case"
    "$SINTER" optimize "$model" -o "$case/optimized.onnx" >"$work/log" || fail "optimize $model: $(cat "$work/log")"
done
if [ -d "$SINTER_TEST_DATA/models/cifar10" ]; then
    case=$work/cases/cifar10
    mkdir -p "$case"
    "$SINTER" optimize "$SINTER_TEST_DATA/models/cifar10/cifar10.onnx" -o "$case/optimized.onnx" >/dev/null
    python3 "$SINTER_SOURCE_DIR/tests/peer/npy_to_pb.py" "$SINTER_TEST_DATA/models/cifar10/inputs.npy" "$case/input_0.pb"
    python3 "$SINTER_SOURCE_DIR/tests/peer/npy_to_pb.py" "$SINTER_TEST_DATA/models/cifar10/logits.npy" "$case/output_0.pb"
fi
NODE_PATH=$modules/node_modules node "$SINTER_SOURCE_DIR/tests/peer/onnxruntime.js" 1e-4 1e-5 "$work"/cases/*
