#!/usr/bin/env bash
# The CIFAR-10 tutorial model on 1,000 real images: the same class as PyTorch on every one, before and after folding.
source "$(dirname "$0")/../common.sh"
need models/cifar10
data=$SINTER_TEST_DATA/models/cifar10
"$SINTER" optimize "$data/cifar10.onnx" -o "$work/folded.onnx" --verify >/dev/null || fail "optimize"
for model in "$data/cifar10.onnx --optimize=off" "$data/cifar10.onnx --optimize=on" "$work/folded.onnx --optimize=off"; do
    # shellcheck disable=SC2086
    "$SINTER" run $model -i "$data/inputs.npy" -o "$work/out" --batch-size 64
    python3 "$SINTER_SOURCE_DIR/tests/golden/compare_argmax.py" "$work/out"/*.npy "$data/logits.npy" "$data/labels.npy"
    rm -r "$work/out"
done
