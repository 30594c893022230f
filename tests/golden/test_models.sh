#!/usr/bin/env bash
# The project's own PyTorch exports (make_models.py): outputs equal PyTorch's, and folding finds what expected_bn.tsv says.
source "$(dirname "$0")/common.sh"
models=$SINTER_SOURCE_DIR/tests/golden/models
count=$(find "$models" -name model.onnx | wc -l)
expect_pytorch "$models" "$count"
while IFS=$'\t' read -r name folded kept; do
    optimize "$models/$name"
    found=$(python3 -c 'import json, sys
rows = json.load(open(sys.argv[1]))["bn"]
print(*(sum(r["verdict"] == v for r in rows) for v in ("folded", "kept")), sep="\t")' "$work/report.json")
    [ "$found" = "$folded"$'\t'"$kept" ] || fail "$name: expected $folded folded and $kept kept, found $found"
done <"$SINTER_SOURCE_DIR/tests/golden/expected_bn.tsv"
echo "$count models as PyTorch computed them"
