#!/usr/bin/env bash
# clang-format and clang-tidy over the whole tree. Needs a configured build/clang (scripts/test.sh --all makes one).
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t files < <(git ls-files '*.c' '*.h')
clang-format --dry-run -Werror "${files[@]}"
echo "clang-format: ${#files[@]} files"
mapfile -t sources < <(git ls-files '*.c' | grep -v '^tests/')
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p build/clang
echo "clang-tidy: ${#sources[@]} files"
