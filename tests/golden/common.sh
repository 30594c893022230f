# What the tests of models that PyTorch exported share.
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"

# expect_pytorch FOLDER COUNT: the outputs of the COUNT models in FOLDER equal PyTorch's with passes off, on, and optimized,
# saved and reloaded, by reference and by kernels, with 1 and 2 threads.
expect_pytorch() {
    local folder=$1 count=$2 mode threads
    for mode in --optimize=off --optimize=on "--optimize=on --save-reload" --reference; do
        for threads in 1 2; do
            # shellcheck disable=SC2086
            "$SINTER" test --bn-stats=eval --rtol 1e-4 --atol 1e-5 --threads $threads $mode "$folder"/*/ >"$work/log" || {
                cat "$work/log"
                fail "$mode, $threads threads"
            }
            tail -1 "$work/log" | grep -q "^$count passed, 0 failed" || fail "$mode: $(tail -1 "$work/log")"
        done
    done
}

# optimize FOLDER: its model, with a report in $work/report.json, proved to compute the same.
optimize() {
    "$SINTER" optimize "$1/model.onnx" -o "$work/out.onnx" --report "$work/report.json" --verify >"$work/log" ||
        fail "optimize $(basename "$1"): $(cat "$work/log")"
}
