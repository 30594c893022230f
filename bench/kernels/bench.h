/* What the benchmarks of the kernel families share: timing, memory, and rows of output. */
#ifndef SN_BENCH_KERNELS_BENCH_H
#define SN_BENCH_KERNELS_BENCH_H

#include "runtime/kernels/kernels.h"
#include <stdint.h>

typedef struct bench {
    const sn_kernels *kernels;
    double peak;      /* GFLOP/s that one core reaches with multiply-adds on registers, measured in this run */
    double bandwidth; /* GB/s that one core reads and writes beyond its caches, measured in this run */
    const char *only; /* print rows whose name contains this, or NULL */
} bench;

/* The median of several samples, in seconds per call. */
double bench_seconds(void (*call)(void *context), void *context);

/* False when the row was not asked for (--only): skip the work. */
bool bench_wants(const bench *b, const char *family, const char *name);
/* One row: GFLOP/s and share of the peak when flops > 0, GB/s and share of the bandwidth when bytes > 0. */
void bench_row(const bench *b, const char *family, const char *name, double seconds, double flops, double bytes);

/* n floats in [-1, 1), aligned to 64 bytes; ends the program when memory is out. */
float *bench_floats(size_t n);

/* The families' programs, listed in main.c. */
void bench_elementwise(const bench *b);
void bench_gemm(const bench *b);
void bench_depthwise(const bench *b);
void bench_pooling(const bench *b);
void bench_layout(const bench *b);
void bench_winograd(const bench *b);
void bench_norm(const bench *b);
void bench_planar(const bench *b);

#endif
