/*
 * The peak of one core: multiply-adds on registers and nothing else, compiled once per instruction set as the kernels
 * are. There are more independent sums than the units have in flight at once (2 units of 4 cycles: 8), so that no
 * latency shows; factor and summand stay in registers beside them.
 */
#include "bench/kernels/bench.h"
#include "runtime/kernels/isa.h"

#if VL == 16 || defined(__aarch64__)
#define SUMS 28 /* of 32 registers */
#else
#define SUMS 14 /* of 16 registers; without fused multiply-add the product takes its sum's */
#endif

/* The sums start apart and above 2, which they approach: the compiler keeps them all, and none becomes denormal. */
static float run(size_t steps)
{
    const vf factor = vf_splat(0.5f), summand = vf_splat(1);
    vf sums[SUMS];
    UNROLL_LONG
    for (int i = 0; i < SUMS; i++) sums[i] = vf_splat((float)(i + 3));
    for (size_t step = 0; step < steps; step++) {
        UNROLL_LONG
        for (int i = 0; i < SUMS; i++) sums[i] = vf_fma(sums[i], factor, summand);
    }
    vf total = sums[0];
    UNROLL_LONG
    for (int i = 1; i < SUMS; i++) total += sums[i];
    return total[0];
}

extern const bench_peak SN_FOR_ISA(bench_peak);
const bench_peak SN_FOR_ISA(bench_peak) = {.run = run, .flops = 2.0 * SUMS * VL};
