#!/usr/bin/env bash
# The digits example against PyTorch's logits: before folding, after folding, and in uneven batches.
source "$(dirname "$0")/../common.sh"
data=$SINTER_SOURCE_DIR/examples/digits
"$SINTER" optimize "$data/digits.onnx" -o "$work/folded.onnx" --verify >"$work/log" || fail "$(cat "$work/log")"
for arguments in "$data/digits.onnx --optimize=off" "$data/digits.onnx --batch-size 7" "$work/folded.onnx --threads 1"; do
    # shellcheck disable=SC2086
    "$SINTER" run $arguments -i "$data/inputs.npy" -o "$work/out"
    python3 "$SINTER_SOURCE_DIR/tests/golden/compare_argmax.py" "$work/out/logits.npy" "$data/logits.npy" "$data/labels.npy"
    rm -r "$work/out"
done
