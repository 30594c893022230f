#!/usr/bin/env bash
# sinter run: inputs and outputs in files, batches of any number of rows.
. "$(dirname "$0")/lib.sh"
cd "$work"

help_lists run --input --output --batch-size
seven=$digits/images/digit_7.npy

# A summary, and its best column: the digit.
for digit in 0 7 9; do
    expect 0 run "$model" -i image="$digits/images/digit_$digit.npy"
    has "$out" "logits: float 1x10" "largest in column $digit"
done
expect 0 run "$model" -i "$seven" --optimize=off --threads 1
has "$out" "largest in column 7"

# The input options.
usage_error run -- "expected MODEL.onnx"
usage_error run "$model" -- "input 'image' is missing"
usage_error run "$model" -i picture="$seven" -- "'image'"
usage_error run "$model" -i image= -- "no file name"
usage_error run "$model" -i "$seven" -i image="$seven" -- "given twice"
expect 4 run "$model" -i absent.npy
has "$err" "sinter run: " absent.npy
expect 4 run "$model" -i "$digits/README.md"
has "$err" README.md "expected .npy or .pb"
expect 4 run "$model" -i "$digits/labels.npy"
has "$err" image
head -c 1000 "$seven" >short.npy
expect 4 run "$model" -i short.npy
has "$err" short.npy 3136
echo "no array" >text.npy
expect 4 run "$model" -i text.npy
has "$err" text.npy "not a .npy file"

# Outputs in files: the folder is made, the same numbers from a .npy and a .pb.
expect 0 run "$model" -i "$seven" -o one
[ "$(ls one)" = logits.npy ] || fail "outputs: $(ls one)"
[ "$(npy_shape one/logits.npy)" = "(1, 10)" ] || fail "shape: $(npy_shape one/logits.npy)"
tail -c 3136 "$seven" | float_pb "$image_pb" seven.pb
expect 0 run "$model" -i image=seven.pb -o pb
same one/logits.npy pb/logits.npy
echo >file
usage_error run "$model" -i "$seven" -o file -- "-o file"
usage_error run "$model" -i "$seven" -o no/such/folder -- "-o no/such/folder"

# Any number of rows, in any batches, gives the rows of one run.
expect 0 run "$model" -i "$digits/inputs.npy" -o whole --batch-size 100
[ "$(npy_shape whole/logits.npy)" = "(100, 10)" ] || fail "shape: $(npy_shape whole/logits.npy)"
for size in 1 7 32 99 1000; do
    expect 0 run "$model" -i "$digits/inputs.npy" -o "by$size" --batch-size $size
    same whole/logits.npy "by$size/logits.npy"
    [ -z "$err" ] || fail "progress where there is no terminal: $err"
done
expect 0 run "$model" -i "$digits/inputs.npy" -o default
same whole/logits.npy default/logits.npy
expect 0 run "$model" -i "$digits/inputs.npy" --batch-size 30
has "$out" "logits: float 100x10"
usage_error run "$model" -i "$seven" --batch-size 0 -- "--batch-size: '0' is not a whole number from 1"

# A model with a fixed first dimension: batches of that size, the last one filled up and cut.
expect 0 optimize "$model" -o fixed.onnx --shape image=4x1x28x28
for rows in 1 4 11; do
    digit_rows $rows rows.npy
    expect 0 run "$model" -i rows.npy -o "free$rows" --batch-size 1000
    expect 0 run fixed.onnx -i rows.npy -o "fixed$rows"
    [ "$(npy_shape fixed$rows/logits.npy)" = "($rows, 10)" ] || fail "shape: $(npy_shape fixed$rows/logits.npy)"
    same "free$rows/logits.npy" "fixed$rows/logits.npy"
done
digit_rows 1 row.npy
expect 0 run fixed.onnx -i row.npy
has "$out" "logits: float 1x10"
[ "$(grep -o 'column.*' <<<"$out" | wc -w)" = 2 ] || fail "padding is shown: $out"
usage_error run fixed.onnx -i rows.npy --batch-size 3 -- "takes exactly 4 rows"
digit_rows 0 none.npy
expect 4 run fixed.onnx -i none.npy

# A file that is shorter than its header says is refused before anything is written.
head -c 100128 "$digits/inputs.npy" >cut.npy
expect 4 run "$model" -i cut.npy -o cut --batch-size 7
absent cut/logits.npy
