#!/usr/bin/env bash
# The program as a whole: its first word, exit codes, and what every command has in common.
. "$(dirname "$0")/lib.sh"

expect 2
has "$err" "Usage: sinter COMMAND" optimize inspect run test bench serve
expect 0 --help
has "$out" "Usage: sinter COMMAND"
expect 0 help
has "$out" "Usage: sinter COMMAND"
expect 0 --version
[[ $out =~ ^sinter\ [0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "version: $out"

expect 2 optimise
has "$err" "sinter: unknown command 'optimise'" "did you mean 'optimize'?" "Try 'sinter --help'."
expect 2 help nonsense
has "$err" "unknown command 'nonsense'"
lacks "$err" "did you mean"

for command in optimize inspect run test bench serve; do
    help_lists $command --help
    usage_error $command --nonsense -- "sinter $command: unknown option '--nonsense'"
    usage_error $command -z -- "sinter $command: unknown option '-z'"
done
for command in run test bench serve; do
    help_lists $command --optimize --bn-stats --threads --tune --winograd
    usage_error $command x --threads -- "option --threads: expected a value"
    usage_error $command x --threads --optimize=on -- "option --threads: expected a value"
    usage_error $command x --threads=-1 -- "'-1' is not a whole number from 0 to 1024"
    usage_error $command x --optimize=maybe -- "'maybe' is not one of on|off"
    usage_error $command x --thread=2 -- "unknown option '--thread'; did you mean --threads?"
done

# A model that is missing or broken is 3, whoever meets it.
head -c 1000 "$model" >"$work/cut.onnx"
: >"$work/empty.onnx"
for file in "$work/absent.onnx" "$work/cut.onnx" "$work/empty.onnx" "$work"; do
    for command in inspect run bench; do
        expect 3 $command "$file"
        has "$err" "sinter $command: "
    done
    expect 3 optimize "$file" -o "$work/out.onnx"
    absent "$work/out.onnx"
done
expect 3 inspect "$work/absent.onnx"
has "$err" "$work/absent.onnx"

# Output that cannot be written is not success.
code=0
"$SINTER" inspect "$model" >/dev/full 2>"$work/stderr" || code=$?
[ "$code" = 5 ] || fail "a full disk gave exit code $code"
