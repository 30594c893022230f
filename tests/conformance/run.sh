#!/usr/bin/env bash
# Runs the ONNX standard's own cases with the given `sinter test` options: every case in pass.txt must pass, and a case that
# passes must be in pass.txt (promote it with tests/conformance/promote.sh). All in one process, so that leaks are found, and
# because processes are slow under sanitizers; a crash leaves cases of pass.txt without a result.
source "$(dirname "$0")/../common.sh"
need conformance/node.tar.xz
here=$SINTER_SOURCE_DIR/tests/conformance
cases=$SINTER_BUILD_DIR/conformance
mkdir -p "$cases"
(
    flock 9
    if [ ! -e "$cases/.unpacked" ]; then
        for archive in node simple; do tar -C "$cases" -xJf "$SINTER_TEST_DATA/conformance/$archive.tar.xz"; done
        touch "$cases/.unpacked"
    fi
) 9>"$cases/.lock"
"$SINTER" test --in-process "$cases"/node/*/ "$cases"/simple/*/ --list "$here/pass.txt" --skip-list "$here/skip.txt" "$@" >"$work/log" || {
    grep -vE '^(PASS|SKIP)' "$work/log" | tail -200
    exit 1
}
tail -1 "$work/log"
! grep '^[0-9]* newly passing' "$work/log" || fail "run tests/conformance/promote.sh"
