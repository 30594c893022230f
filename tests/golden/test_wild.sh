#!/usr/bin/env bash
# Models that people published, against ONNX Runtime's stored outputs: those in wild.txt must pass, every other one must be refused
# with a message that names the missing operator.
source "$(dirname "$0")/../common.sh"
need models/wild
list=$SINTER_SOURCE_DIR/tests/golden/wild.txt
for mode in --optimize=on --optimize=off "--optimize=on --save-reload"; do
    # shellcheck disable=SC2086
    "$SINTER" test "$SINTER_TEST_DATA"/models/wild/*/ --list "$list" --rtol 1e-3 --atol 1e-4 $mode >"$work/log" ||
        { grep -v '^PASS' "$work/log"; fail "$mode"; }
    ! grep '^[0-9]* newly passing' "$work/log" || fail "add them to tests/golden/wild.txt"
    ! grep '^FAIL' "$work/log" | grep -vE 'operator [A-Za-z]+ of domain .* is not supported' || fail "$mode: not about an operator"
    tail -1 "$work/log"
done
