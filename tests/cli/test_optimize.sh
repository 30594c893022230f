#!/usr/bin/env bash
# sinter optimize: what it prints, what it writes, and that it writes nothing when it may not.
. "$(dirname "$0")/lib.sh"
cd "$work"

help_lists optimize --output --verify --report --bn-stats --freeze-inputs --only --skip --list-passes --shape --input
usage_error optimize -- "expected a model"
usage_error optimize "$model" -- "expected -o OUT.onnx"
usage_error optimize "$model" -o -- "option --output: expected a value (OUT.onnx)"
usage_error optimize "$model" other.onnx -o out.onnx -- "unexpected argument 'other.onnx'"
usage_error optimize "$model" -o out.onnx -i image=x.npy -- "-i is for --verify"
usage_error optimize "$model" -o out.onnx --bn-stats=sometimes -- "'sometimes' is not one of eval|keep"
usage_error optimize "$model" -o out.onnx --only no-such-pass -- no-such-pass
usage_error optimize "$model" -o out.onnx --skip fold-bn-backward,no-such-pass -- no-such-pass
usage_error optimize "$model" -o out.onnx --shape image -- "NAME=1x3x224x224"
usage_error optimize "$model" -o out.onnx --shape nothing=1x2 -- nothing
absent out.onnx

expect 0 optimize --list-passes
has "$out" fold-bn-backward

# Every BatchNormalization of the digits folds; the outputs stay what they were.
expect 0 optimize "$model" -o out.onnx --verify --report report.json
has "$out" "Nodes: " "BatchNormalization: 4, 4 folded" "/norm1/BatchNormalization" "/conv1/Conv (Conv)" \
    "/linear4/Gemm (Gemm)" "Verification: passed" logits
expect 0 inspect out.onnx
lacks "$out" BatchNormalization
report=$(tr -d '\t\n ' <report.json)
has "$report" "\"model\":\"$model\"" '"output":"out.onnx"' '"written":true' '"nodes":{"before":17,"after":' \
    '"name":"/norm4/BatchNormalization"' '"verdict":"folded"' '"into":"/linear4/Gemm"' '"into_op":"Gemm"' '"reason":"' \
    '"passes":[{"name":"' '"changes":4' '"notes":[' '"verify":{"passed":true' '"max_abs":' '"max_rel":'

# Without --verify there is none, and the file is the same each time.
expect 0 optimize "$model" -o again.onnx --report report.json
lacks "$out" Verification
lacks "$(<report.json)" '"verify"'
same out.onnx again.onnx

# The model itself may be the target.
cp "$model" inplace.onnx
expect 0 optimize inplace.onnx -o inplace.onnx --verify
same out.onnx inplace.onnx
[ "$(ls | grep -c inplace)" = 1 ] || fail "temporary files were left: $(ls)"

# --skip and --only, repeated and comma-separated.
expect 0 optimize "$model" -o skipped.onnx --skip fold-bn-backward --skip=fold-bn-forward,fold-constants
has "$out" "4 kept"
expect 0 inspect skipped.onnx
has "$out" BatchNormalization
expect 0 optimize "$model" -o only.onnx --only=fold-bn-backward --verify
has "$out" "4 folded" "Verification: passed"

# A given input: the answer of the model on a real digit; one that does not fit is the input's fault.
expect 0 optimize "$model" -o given.onnx --verify -i image="$digits/inputs.npy"
has "$out" "Verification: passed" 1000
rm -f given.onnx
expect 4 optimize "$model" -o given.onnx --verify -i image="$digits/labels.npy"
has "$err" "sinter optimize: --verify: " image
expect 4 optimize "$model" -o given.onnx --verify -i image=absent.npy
has "$err" absent.npy
absent given.onnx

# Before folding something overflows, afterwards nothing does: verification fails, nothing is written, and the file that was
# there stays.
python3 "$SINTER_SOURCE_DIR/tests/cli/overflow_model.py" overflow.onnx huge.npy
echo old >failed.onnx
expect 1 optimize overflow.onnx -o failed.onnx --verify -i huge.npy --report report.json
has "$out" "Verification: FAILED"
has "$err" "'failed.onnx' was not written"
has "$(tr -d '\t\n ' <report.json)" '"written":false' '"passed":false'
[ "$(<failed.onnx)" = old ] || fail "failed.onnx was replaced"

# A fixed shape is in the written model.
expect 0 optimize "$model" -o fixed.onnx --shape image=4x1x28x28 --verify
expect 0 inspect fixed.onnx
has "$out" 4x1x28x28 4x10

# A target that cannot be written.
code=0
"$SINTER" optimize "$model" -o no/such/folder/out.onnx 2>stderr >/dev/null || code=$?
[ "$code" != 0 ] || fail "writing into a missing folder succeeded"
has "$(<stderr)" no/such/folder
