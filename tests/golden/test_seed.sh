#!/usr/bin/env bash
# The models of the BatchNorm tutorial as PyTorch exports them: outputs equal PyTorch's, and every BatchNormalization ends as
# expected_bn.tsv says.
source "$(dirname "$0")/common.sh"
need models/seed
seed=$SINTER_TEST_DATA/models/seed

expect_pytorch "$seed" 25

while IFS=$'\t' read -r name nodes folded into kept _; do
    [ "$name" = case ] && continue
    optimize "$seed/$name"
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
