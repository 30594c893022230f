#!/usr/bin/env bash
# The models of the BatchNorm tutorial as PyTorch exports them: outputs equal PyTorch's with passes off, on, and optimized,
# saved and reloaded, with 1 and 2 threads; and every BatchNormalization ends as expected_bn.tsv says.
source "$(dirname "$0")/../common.sh"
need models/seed
seed=$SINTER_TEST_DATA/models/seed

for mode in --optimize=off --optimize=on "--optimize=on --save-reload" --reference; do
    for threads in 1 2; do
        # shellcheck disable=SC2086
        "$SINTER" test --bn-stats=eval --rtol 1e-4 --atol 1e-5 --threads $threads $mode "$seed"/*/ >"$work/log" || {
            cat "$work/log"
            fail "$mode, $threads threads"
        }
        tail -1 "$work/log" | grep -q '^25 passed, 0 failed' || fail "$mode: $(tail -1 "$work/log")"
    done
done

while IFS=$'\t' read -r name nodes folded into kept _; do
    [ "$name" = case ] && continue
    "$SINTER" optimize "$seed/$name/model.onnx" -o "$work/out.onnx" --report "$work/report.json" --verify >"$work/log" ||
        fail "optimize $name: $(cat "$work/log")"
    found=$(python3 - "$work/report.json" <<'PY'
import json, sys
rows = json.load(open(sys.argv[1]))["bn"]
folded = [r["into_op"] for r in rows if r["verdict"] == "folded"]
print(len(rows), len(folded), ",".join(folded) or "-", sum(r["verdict"] == "kept" for r in rows), sep="\t")
PY
    )
    [ "$found" = "$nodes"$'\t'"$folded"$'\t'"$into"$'\t'"$kept" ] || fail "$name: expected $nodes/$folded/$into/$kept, found $found"
done <"$seed/expected_bn.tsv"
echo "25 seed models: outputs and verdicts as expected"
