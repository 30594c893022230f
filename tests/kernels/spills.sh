#!/usr/bin/env bash
# spills.sh BUILD_DIR: fails when an innermost loop of the kernels passes vectors from one step to another through the
# stack. They rely on the compiler for it: an unrolling it does not do, or one register too many, costs up to two thirds
# of the speed, and no result shows it.
#
# Loops are the spans of backward jumps; an innermost one contains no other jump backwards. In those with arithmetic, a
# stack slot is spilled when it is both written and read: constants that are only read are as good there as anywhere, and
# gcc writes what nobody reads. The register tiles of gemm and planar have no need of either: they may not store a vector
# or touch one on the stack at all.
set -euo pipefail
build=$1
command -v objdump >/dev/null || exit 77
[ -d "$build/CMakeFiles/sinter_kernels_avx2.dir" ] || { echo "SKIPPED: not an x86 build"; exit 77; }

# Family, instruction set, function, slots: more values than registers, whatever the compiler does. The others have none.
allowed='
winograd    avx2    run_block            18 # 36 points of a tile
winograd    avx2    transform_block       6
winograd    avx512  run_block             3
elementwise avx2    binary_pow           24 # halves in double, and their constants
elementwise avx512  binary_pow           10
norm        avx2    softmax               1 # an exponential beside sums
norm        avx2    log_softmax           1
norm        avx2    softmax_columns       5 # several side by side
norm        avx2    log_softmax_columns   5
'

read -r -d '' find_spills <<'AWK' || true
BEGIN {
    n = split(allowed, line, "\n");
    for (i = 1; i <= n; i++) {
        split(line[i], word, " ");
        if (word[1] == family && word[2] == isa) most["<" word[3] ">:"] = word[4];
    }
}
function start(name) { n = 0; function_name = name; frame = 0 }
# The stack slot that an instruction with a vector touches, or "".
function slot_of(instruction) {
    if (instruction !~ /[zy]mm/ || !match(instruction, /-?(0x[0-9a-f]+)?\(%r(sp|bp)[^)]*\)/)) return "";
    if (!frame && instruction ~ /\(%rbp/) return "";
    return substr(instruction, RSTART, RLENGTH);
}
function is_innermost(from, to,    j) {
    for (j = from; j < to; j++) {
        if ((j in target) && (target[j] in at) && at[target[j]] >= from && at[target[j]] <= j) return 0;
    }
    return 1;
}
function computes(from, to,    j) {
    for (j = from; j < to; j++) {
        if (text[j] ~ (strict ? "vfn?madd" : "^v(fn?m|add|sub|mul|max|min).*[zy]mm")) return 1;
    }
    return 0;
}
function check_tile(from, to,    j) {
    for (j = from; j <= to; j++) {
        if (slot_of(text[j]) != "" || text[j] ~ /^vmov[a-z0-9]* +%[zy]mm[0-9]+,[^%]*\(/) {
            print "spilled in " function_name " " text[j];
            spills++;
        }
    }
}
function check_loop(from, to,    j, slot, both) {
    delete written; delete seen;
    both = 0;
    for (j = from; j <= to; j++) {
        slot = slot_of(text[j]);
        if (slot != "" && text[j] ~ /\)(\{%k[0-7]\})?$/) written[slot] = 1;
        else if (slot != "") seen[slot] = 1;
    }
    for (slot in written) both += slot in seen;
    if (both > most[function_name] + 0) {
        print "spilled in " function_name " " both " vectors of a loop of " to - from + 1 " instructions";
        spills += both;
    }
}
function finish(    i) {
    for (i = 1; i <= n; i++) {
        if (!(i in target) || !(target[i] in at) || at[target[i]] > i) continue;
        if (!computes(at[target[i]], i) || !is_innermost(at[target[i]], i)) continue;
        loops++;
        if (strict) check_tile(at[target[i]], i); else check_loop(at[target[i]], i);
    }
    delete at; delete text; delete target;
}
/^[0-9a-f]+ <.*>:$/ { finish(); start($2); next }
/^ *[0-9a-f]+:\t/ {
    split($0, part, "\t");
    address = part[1]; gsub(/[ :]/, "", address);
    n++; at[address] = n; text[n] = part[2]; sub(/ +$/, "", text[n]);
    if (part[2] ~ /^mov +%rsp,%rbp/) frame = 1;
    if (part[2] ~ /^j/) { split(part[2], word, " +"); target[n] = word[2] }
}
END {
    finish();
    print isa " " family ": " loops + 0 " loops, " spills + 0 " spills";
    exit loops == 0 || spills > 0;
}
AWK

failures=0
for isa in avx2 avx512; do
    for family in gemm planar winograd depthwise elementwise activation norm pooling; do
        object=$build/CMakeFiles/sinter_kernels_$isa.dir/runtime/kernels/$family.c.o
        objdump -d --no-show-raw-insn "$object" |
            awk -v family=$family -v isa=$isa -v allowed="$allowed" -v strict=$([[ $family = gemm || $family = planar ]] && echo 1 || echo 0) \
                "$find_spills" || failures=$((failures + 1))
    done
done
[ "$failures" = 0 ]
