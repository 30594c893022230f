#!/usr/bin/env bash
# Installs what is needed (Debian 12), builds, and runs all tests.
#   scripts/test.sh          gcc -Werror, the full suite, then the ASan+UBSan subset
#   scripts/test.sh --all    also clang, the full suite under ASan+UBSan and TSan, clang-tidy, clang-format, fuzzing
# Larger test data is found through SINTER_TEST_DATA (default ../shared); tests that need it say so when they skip.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/packages.sh

all=false
case "${1:-}" in
    "") ;;
    --all) all=true ;;
    *) echo "usage: scripts/test.sh [--all]" >&2; exit 2 ;;
esac

jobs=$(nproc)
install_packages build test
$all && install_packages all

# check PRESET [ctest arguments]: configures, builds and tests one preset.
check() {
    local preset=$1
    shift
    echo "== $preset"
    cmake --preset "$preset" -DSINTER_WERROR=ON >/dev/null
    cmake --build --preset "$preset" -j "$jobs" >"build/$preset/build.log" || { cat "build/$preset/build.log"; exit 1; }
    ctest --test-dir "build/$preset" --output-on-failure -j "$jobs" "$@"
}

if $all; then
    check clang
    check asan
    check tsan
    scripts/lint.sh
    scripts/fuzz.sh 60
else
    check asan -L 'unit|fuzz-replay|passes'
fi
check release
