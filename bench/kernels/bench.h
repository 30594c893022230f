/* What the benchmarks of the kernel families share: timing, memory, and rows of output. */
#ifndef SN_BENCH_KERNELS_BENCH_H
#define SN_BENCH_KERNELS_BENCH_H

#include "base/alloc.h"
#include "runtime/kernels/kernels.h"
#include <stdint.h>

/* Multiply-adds on registers, of one instruction set (peak.c). */
typedef struct bench_peak {
    float (*run)(size_t steps);
    double flops; /* of a step */
} bench_peak;

typedef struct bench {
    const sn_kernels *kernels;
    const bench_peak *peak;
    double bandwidth; /* GB/s that one core reads and writes beyond its caches, measured in this run */
    const char *only; /* print rows whose name contains this, or NULL */
} bench;

/* False when the row was not asked for (--only): skip the work. */
bool bench_wants(const bench *b, const char *family, const char *name);
/* Measures the call and prints a row: GFLOP/s and share of the peak when the call does flops > 0, GB/s and share of the
 * bandwidth when it moves bytes > 0. */
void bench_row(const bench *b, const char *family, const char *name, void (*call)(void *context), void *context,
               double flops, double bytes);

/* n floats in [-1, 1), in memory like that of a session, for sn_free; ends the program when memory is out. */
float *bench_floats(size_t n);

/* The families' programs, listed in main.c. */
void bench_elementwise(const bench *b);
void bench_gemm(const bench *b);
void bench_grouped(const bench *b);
void bench_pooling(const bench *b);
void bench_layout(const bench *b);
void bench_winograd(const bench *b);
void bench_norm(const bench *b);
void bench_planar(const bench *b);

#endif
