#!/usr/bin/env bash
# spills.sh BUILD_DIR: fails when an innermost loop with multiply-adds of the register tiles keeps a vector in memory.
# The tiles rely on the compiler for it: one unrolling it does not do costs two thirds of the speed, and no result shows it.
set -euo pipefail
build=$1
command -v objdump >/dev/null || exit 77

# Loops are the spans of backward jumps; an innermost one contains no other jump backwards. It may neither store a vector
# nor touch one on the stack.
read -r -d '' find_spills <<'AWK' || true
function start(name) { n = 0; function_name = name; frame = 0 }
function finish(    i, j, from, fmas, inner) {
    for (i = 1; i <= n; i++) {
        if (!(i in target) || !(target[i] in at) || at[target[i]] > i) continue;
        from = at[target[i]]; fmas = 0; inner = 1;
        for (j = from; j < i; j++) {
            if (text[j] ~ /vfn?madd/) fmas++;
            if ((j in target) && (target[j] in at) && at[target[j]] >= from && at[target[j]] <= j) inner = 0;
        }
        if (fmas == 0 || !inner) continue;
        loops++;
        for (j = from; j <= i; j++) {
            stack = text[j] ~ /[zy]mm/ && (text[j] ~ /\(%rsp/ || (frame && text[j] ~ /\(%rbp/));
            stored = text[j] ~ /^vmov[a-z0-9]* +%[zy]mm[0-9]+,[^%]*\(/;
            if (stack || stored) {
                print "spilled in " function_name ": " text[j];
                spills++;
            }
        }
    }
    delete at; delete text; delete target;
}
/^[0-9a-f]+ <.*>:$/ { finish(); start($2); next }
/^ *[0-9a-f]+:\t/ {
    split($0, part, "\t");
    address = part[1]; gsub(/[ :]/, "", address);
    n++; at[address] = n; text[n] = part[2];
    if (part[2] ~ /^mov +%rsp,%rbp/) frame = 1;
    if (part[2] ~ /^j/) { split(part[2], word, " +"); target[n] = word[2] }
}
END {
    finish();
    print loops + 0 " loops, " spills + 0 " spills";
    exit loops == 0 || spills > 0;
}
AWK

failures=0
for isa in avx2 avx512; do
    for family in gemm planar; do
        object=$build/CMakeFiles/sinter_kernels_$isa.dir/runtime/kernels/$family.c.o
        [ -e "$object" ] || continue # not an x86 build
        echo "$family, $isa:"
        objdump -d --no-show-raw-insn "$object" | awk "$find_spills" || failures=$((failures + 1))
    done
done
[ "$failures" = 0 ]
