#!/usr/bin/env bash
# Adds every case that passes now, in the reference run, to pass.txt. The list only grows.
#   SINTER=build/release/sinter SINTER_SOURCE_DIR=. tests/conformance/promote.sh
source "$(dirname "$0")/../common.sh"
need conformance/node.tar.xz
list=$SINTER_SOURCE_DIR/tests/conformance/pass.txt
for archive in node simple; do tar -C "$work" -xJf "$SINTER_TEST_DATA/conformance/$archive.tar.xz"; done
before=$(wc -l <"$list")
# Failures are expected here: only the passes count.
"$SINTER" test "$work"/node/*/ "$work"/simple/*/ --skip-list "$SINTER_SOURCE_DIR/tests/conformance/skip.txt" \
    --optimize=off --threads 1 --reference >"$work/log" || true
sed -n 's/^PASS \([^: ]*\).*/\1/p' "$work/log" | LC_ALL=C sort -u - "$list" >"$work/new"
cp "$work/new" "$list"
echo "pass.txt: $before cases before, $(wc -l <"$list") now"
