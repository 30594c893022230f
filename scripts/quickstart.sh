#!/usr/bin/env bash
# From nothing to a prediction on Debian 12: installs packages, builds, folds the BatchNormalization of a real PyTorch
# model, serves it, and sends it the image of a handwritten digit.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/packages.sh
digit=${1:-7} # which of examples/digits/images to send

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }

step "1. Install and build"
install_packages build
command -v curl >/dev/null || { packages_curl=(curl) && install_packages curl; }
cmake --preset release -DSINTER_TESTS=OFF -B build/quickstart >/dev/null
cmake --build build/quickstart -j "$(nproc)" >/dev/null
sinter=build/quickstart/sinter
"$sinter" --version

step "2. Optimize: fold BatchNormalization into Conv and Gemm, and prove that the outputs did not change"
"$sinter" optimize examples/digits/digits.onnx -o build/quickstart/digits.onnx --verify

step "3. Serve"
announce=$(mktemp)
"$sinter" serve build/quickstart/digits.onnx --port 0 >"$announce" &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -f "$announce"' EXIT
for _ in $(seq 100); do
    url=$(grep -o 'http://[^ ]*' "$announce" || true)
    [ -n "$url" ] && break
    kill -0 $server || exit 1
    sleep 0.1
done
cat "$announce"

step "4. Predict: examples/digits/images/digit_$digit.png"
curl -sS --fail-with-body "$url/v2/models/digits/infer" -H 'Content-Type: application/json' \
    -d @examples/digits/images/digit_"$digit".json >build/quickstart/response.json
cat build/quickstart/response.json
echo
# The class is the index of the largest logit.
sed -E 's/.*"data":\[([^]]*)\].*/\1/' build/quickstart/response.json |
    awk -F, '{ best = 1; for (i = 2; i <= NF; i++) if ($i > $best) best = i; print "The image shows a " best - 1 "." }'
