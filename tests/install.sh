#!/usr/bin/env bash
# What `cmake --install` gives is enough for somebody else's program: header, libraries, pkg-config file.
source "$(dirname "$0")/common.sh"
read -ra cc <<<"${SINTER_CC:-cc}"
read -ra emulator <<<"${SINTER_EMULATOR:-}"
run() { "${emulator[@]}" "$@"; }

cmake --install "$SINTER_BUILD_DIR" --prefix "$work/prefix" >/dev/null
run "$work/prefix/bin/sinter" --version
export PKG_CONFIG_PATH LD_LIBRARY_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name sinter.pc)")
LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH")
[ "$(pkg-config --modversion sinter)" = "$(run "$SINTER" --version | cut -d' ' -f2)" ] || fail "versions differ"
# shellcheck disable=SC2046
"${cc[@]}" -std=c17 -Wall -Wextra -Werror "$SINTER_SOURCE_DIR/examples/library/predict.c" -o "$work/shared" \
    $(pkg-config --cflags --libs sinter)
# shellcheck disable=SC2046
"${cc[@]}" -std=c17 "$SINTER_SOURCE_DIR/examples/library/predict.c" -o "$work/static" $(pkg-config --cflags sinter) \
    "$LD_LIBRARY_PATH/libsinter.a" $(pkg-config --libs --static sinter | sed 's/-lsinter//')
for program in shared static; do
    run "$work/$program" "$SINTER_SOURCE_DIR/examples/digits/digits.onnx" | tee "$work/$program.txt"
    grep -q '^logits: largest element' "$work/$program.txt" || fail "$program"
done
cmp "$work/shared.txt" "$work/static.txt"
! run "$work/shared" "$work/none.onnx" 2>"$work/error" || fail "a missing file must fail"
grep -q "cannot open" "$work/error"
