#!/usr/bin/env bash
# sinter serve: its arguments, a start and an end. What it answers is tested in tests/http.
. "$(dirname "$0")/lib.sh"

help_lists serve --model-repository --name --port --host --queue-size --max-body --drain-timeout
usage_error serve -- "either MODEL.onnx or --model-repository"
usage_error serve "$model" --model-repository "$digits" -- "either MODEL.onnx or --model-repository"
usage_error serve --model-repository "$digits" --name x -- "--name is for a single model"
usage_error serve "$model" --port 65536 -- "'65536' is not a whole number from 0 to 65535"
usage_error serve "$model" --host nowhere --port 0 -- nowhere
expect 3 serve "$work/absent.onnx" --port 0
has "$err" absent.onnx

# It says where it listens, and ends in order.
"$SINTER" serve "$model" --port 0 >"$work/announced" 2>"$work/stderr" &
server=$!
for _ in {1..100}; do
    [ -s "$work/announced" ] && break
    kill -0 $server 2>/dev/null || break
    sleep 0.1
done
announced=$(<"$work/announced")
has "$announced" 127.0.0.1:
port=$(sed -nE 's/.*127\.0\.0\.1:([0-9]+).*/\1/p' <<<"$announced")

# A port that is taken is a reason to try again later.
expect 5 serve "$model" --port "$port"
has "$err" "$port"

kill -TERM $server
code=0
wait $server || code=$?
[ "$code" = 0 ] || fail "exit code $code after SIGTERM: $(<"$work/stderr")"
