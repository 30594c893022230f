#!/usr/bin/env bash
# The project's own PyTorch exports (make_models.py): outputs equal PyTorch's with passes off, on, optimized-saved-reloaded,
# by reference and by kernels, with 1 and 2 threads; and folding finds what expected_bn.tsv says.
source "$(dirname "$0")/../common.sh"
models=$SINTER_SOURCE_DIR/tests/golden/models
count=$(find "$models" -name model.onnx | wc -l)
for mode in --optimize=off --optimize=on "--optimize=on --save-reload" --reference; do
    for threads in 1 2; do
        # shellcheck disable=SC2086
        "$SINTER" test --bn-stats=eval --rtol 1e-4 --atol 1e-5 --threads $threads $mode "$models"/*/ >"$work/log" || {
            cat "$work/log"
            fail "$mode, $threads threads"
        }
        tail -1 "$work/log" | grep -q "^$count passed, 0 failed" || fail "$mode: $(tail -1 "$work/log")"
    done
done
while IFS=$'\t' read -r name folded kept; do
    "$SINTER" optimize "$models/$name/model.onnx" -o "$work/out.onnx" --report "$work/report.json" --verify >"$work/log" ||
        fail "optimize $name: $(cat "$work/log")"
    found=$(python3 -c 'import json, sys
rows = json.load(open(sys.argv[1]))["bn"]
print(*(sum(r["verdict"] == v for r in rows) for v in ("folded", "kept")), sep="\t")' "$work/report.json")
    [ "$found" = "$folded"$'\t'"$kept" ] || fail "$name: expected $folded folded and $kept kept, found $found"
done <"$SINTER_SOURCE_DIR/tests/golden/expected_bn.tsv"
echo "$count models as PyTorch computed them"
