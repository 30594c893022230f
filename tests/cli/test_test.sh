#!/usr/bin/env bash
# sinter test: verdicts, lists, tolerances, and cases that must not hurt the others.
. "$(dirname "$0")/lib.sh"
cd "$work"

help_lists test --rtol --atol --list --skip-list --reference --save-reload --timeout
usage_error test -- "expected DIR..."
usage_error test x --rtol -1 -- "'-1' is not a number >= 0"

# make_case NAME MODEL: a folder whose expected output is what the model gives.
make_case() {
    mkdir -p "$1/test_data_set_0"
    cp "$2" "$1/model.onnx"
    tail -c 3136 "$digits/images/digit_7.npy" | float_pb "$image_pb" "$1/test_data_set_0/input_0.pb"
    tail -c 40 seven/logits.npy | float_pb "$logits_pb" "$1/test_data_set_0/output_0.pb"
}
expect 0 run "$model" -i "$digits/images/digit_7.npy" -o seven --optimize=off
make_case good "$model"
make_case wrong "$model"
head -c 40 /dev/zero | float_pb "$logits_pb" wrong/test_data_set_0/output_0.pb
make_case broken "$digits/README.md"
make_case inputless "$model"
rm inputless/test_data_set_0/input_0.pb
mkdir empty modelonly
cp "$model" modelonly/model.onnx

tolerance="--rtol 1e-3 --atol 1e-4"
expect 0 test good/ $tolerance
has "$out" "PASS good" "1 passed, 0 failed, 0 skipped"
for mode in --reference --save-reload --in-process --optimize=off --bn-stats=eval --tune --winograd=off "--threads 1"; do
    expect 0 test good $tolerance $mode
    has "$out" "PASS good"
done

expect 1 test good wrong broken inputless empty modelonly absent $tolerance
has "$out" "PASS good" "FAIL wrong: output 'logits': 10 of 10 elements differ, max abs" "FAIL broken: invalid model" \
    "FAIL inputless: " "no input_0.pb for input 'image'" "SKIP empty: " "no model.onnx" "SKIP modelonly: " \
    "no test_data_set" "SKIP absent: " "1 passed, 3 failed, 3 skipped"

# The tolerance decides.
expect 0 test wrong --atol 1000
expect 1 test wrong --atol 1

# A second data set that fails is named.
cp -r good two
cp -r wrong/test_data_set_0 two/test_data_set_1
expect 1 test two $tolerance
has "$out" "FAIL two: test_data_set_1: output 'logits'"

# A model without its final ZipMap is preferred, aloud.
cp -r broken zipmap
cp "$model" zipmap/model_nozipmap.onnx
expect 0 test zipmap $tolerance
has "$out" "PASS zipmap: with model_nozipmap.onnx"

# A list decides the exit code, asks to promote what newly passes, and misses what was not run.
printf '# must pass\ngood # today\n\n' >list
expect 0 test good wrong zipmap $tolerance --list list
has "$out" "FAIL wrong" "NEW  zipmap" "1 newly passing"
echo "# nothing must pass" >nothing
expect 0 test wrong $tolerance --list nothing
has "$out" "FAIL wrong" "0 passed, 1 failed"
printf 'good\nwrong\n' >list
expect 1 test good wrong $tolerance --list list
has "$err" "1 of the cases in 'list' did not pass"
printf 'good\nelsewhere\n' >list
expect 1 test good $tolerance --list list
has "$out" "FAIL elsewhere: in 'list', but no such folder was given"
printf 'wrong  needs another digit # really\n' >skips
expect 0 test good wrong $tolerance --skip-list skips
has "$out" "SKIP wrong: needs another digit" "1 passed, 0 failed, 1 skipped"
expect 4 test good --list no-such-list
has "$err" no-such-list
