#!/usr/bin/env bash
# Load on the served digits model with wrk: rate, latency, errors, and whether memory grows.
#   bench/serve.sh [SECONDS]           default 60; needs wrk
# Memory is read after the first 10 seconds and at the end. Afterwards the idle server's CPU time is measured over 5 seconds.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
sinter=${SINTER:-$here/build/release/sinter}
seconds=${1:-60}
work=$(mktemp -d)
"$sinter" serve "$here/examples/digits/digits.onnx" --port 0 >"$work/announce" &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$work"' EXIT
until grep -q http "$work/announce"; do kill -0 $server; sleep 0.1; done
url=$(grep -o 'http://[^ ]*' "$work/announce")

cat >"$work/post.lua" <<LUA
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = io.open("$here/examples/digits/images/digit_7.json", "rb")
wrk.body = file:read("*a")
local bad = 0
function response(status, headers, body)
    if status ~= 200 or not body:find('"name":"logits"', 1, true) then wrk.thread:set("bad", (wrk.thread:get("bad") or 0) + 1) end
end
local threads = {}
function setup(thread) table.insert(threads, thread) end
function done(summary)
    local wrong = 0
    for _, thread in ipairs(threads) do wrong = wrong + (thread:get("bad") or 0) end
    local e = summary.errors
    io.write(string.format("requests %d, wrong answers %d, socket errors %d, timeouts %d\n", summary.requests, wrong,
        e.connect + e.read + e.write, e.timeout))
end
LUA
rss() { awk '/VmRSS/ { print $2 }' /proc/$server/status; }
cpu() { awk '{ print $14 + $15 }' /proc/$server/stat; }

wrk -t 1 -c 16 -d "${seconds}s" --latency -s "$work/post.lua" "$url/v2/models/digits/infer" >"$work/wrk" &
load=$!
sleep 10
early=$(rss)
wait $load
late=$(rss)
grep -E 'requests |Requests/sec|50%|99%|Non-2xx' "$work/wrk"
echo "resident after 10 s: $early kB, at the end: $late kB"
sleep 1
before=$(cpu)
sleep 5
echo "idle CPU over 5 s: $(($(cpu) - before)) ticks of $(getconf CLK_TCK) a second"
