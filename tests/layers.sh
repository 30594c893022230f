#!/usr/bin/env bash
# Includes follow the data: fails on an #include that the table in docs/architecture.md does not allow.
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A allowed=(
    [base]="base"
    [graph]="base graph"
    [parser]="base proto graph parser"
    [ops]="base graph ops"
    [passes]="base graph ops passes"
    [runtime]="base graph ops passes runtime"
    [runtime/kernels]="runtime/kernels"
    [io]="base proto io"
    [server]="base io server"
    [jobs]="base io jobs"
    [cli]="base io server jobs cli"
)

failures=0
while IFS=: read -r file line include; do
    folder=$(dirname "$file")
    target=$(sed -E 's/.*"([^"]+)".*/\1/' <<<"$include")
    target_folder=$(dirname "$target")
    case " ${allowed[$folder]:-} " in
        *" $target_folder "*) ;;
        *)
            # The runtime may call its own kernels; a bare name is a file of the same folder.
            [ "$target_folder" = . ] && continue
            [ "$folder" = runtime ] && [ "$target_folder" = runtime/kernels ] && continue
            echo "$file:$line: $folder/ must not include $target"
            failures=$((failures + 1))
            ;;
    esac
done < <(grep -rnE '^#include "' --include='*.[ch]' --include='*.def' base graph parser ops passes runtime io server jobs cli)

if grep -rnE '#include <sinter.h>' --include='*.[ch]' runtime/kernels; then
    echo "runtime/kernels must not include sinter.h"
    failures=$((failures + 1))
fi
[ "$failures" -eq 0 ] && echo "includes follow the data"
exit "$((failures > 0))"
