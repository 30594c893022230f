/*
 * bench_kernels [--isa NAME] [--only TEXT]: GFLOP/s and GB/s of every kernel for the layer shapes of real networks, on
 * one core, beside the peak and the bandwidth that this run measured. Machines are noisy: compare shares of the peak,
 * and run it twice.
 */
#include "bench/kernels/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SAMPLES        15
#define SAMPLE_SECONDS 0.004

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_seconds(void (*call)(void *context), void *context)
{
    double samples[SAMPLES];
    size_t calls = 1;
    for (double spent = 0; spent < SAMPLE_SECONDS; calls *= spent < SAMPLE_SECONDS / 2 ? 2 : 1) {
        double start = now();
        for (size_t i = 0; i < calls; i++) call(context);
        spent = now() - start;
        if (spent >= SAMPLE_SECONDS / 2) break;
    }
    for (int s = 0; s < SAMPLES; s++) {
        double start = now();
        for (size_t i = 0; i < calls; i++) call(context);
        samples[s] = (now() - start) / (double)calls;
    }
    qsort(samples, SAMPLES, sizeof *samples, compare_doubles);
    return samples[SAMPLES / 2];
}

bool bench_wants(const bench *b, const char *family, const char *name)
{
    return !b->only || strstr(name, b->only) || strstr(family, b->only);
}

void bench_row(const bench *b, const char *family, const char *name, double seconds, double flops, double bytes)
{
    printf("%-8s  %-12s %-40s %10.1f us", b->kernels->isa, family, name, seconds * 1e6);
    if (flops > 0) printf("  %7.1f GFLOP/s %5.1f%%", flops / seconds * 1e-9, 100 * flops / seconds * 1e-9 / b->peak);
    if (bytes > 0) printf("  %6.1f GB/s %5.1f%%", bytes / seconds * 1e-9, 100 * bytes / seconds * 1e-9 / b->bandwidth);
    printf("\n");
    fflush(stdout);
}

float *bench_floats(size_t n)
{
    float *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64 + 64);
    if (!p) {
        fprintf(stderr, "bench_kernels: out of memory\n");
        exit(5);
    }
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        p[i] = (float)(state >> 8) / (float)(1 << 23) - 1.0f;
    }
    return p;
}

/* ---------------------------------------------------------------------------------------------------- the machine */

typedef struct peak_call {
    const sn_kernels *kernels;
    sn_gemm gemm;
} peak_call;

/* The register tile on data in the first cache is the practical peak of multiply-adds. */
static void run_peak(void *context)
{
    const peak_call *c = context;
    c->kernels->gemm->run(&c->gemm, 0, c->gemm.m, 0, 1);
}

static double measure_peak(const sn_kernels *k)
{
    enum { K = 256 };
    float *a = bench_floats(k->gemm->mr * K), *b = bench_floats(k->gemm->nr * K),
          *c = bench_floats(k->gemm->mr * k->gemm->nr);
    peak_call call = {.kernels = k,
                      .gemm = {.m = k->gemm->mr,
                               .n = k->gemm->nr,
                               .taps = 1,
                               .kc = K,
                               .a = a,
                               .a_row = K,
                               .b = b,
                               .c = c,
                               .c_row = k->gemm->nr}};
    double best = 0;
    for (int i = 0; i < 3; i++) {
        double rate = 2.0 * K * (double)(k->gemm->mr * k->gemm->nr) / bench_seconds(run_peak, &call) * 1e-9;
        best = rate > best ? rate : best;
    }
    free(a);
    free(b);
    free(c);
    return best;
}

typedef struct copy_call {
    const float *from;
    float *to;
    size_t bytes;
} copy_call;

static void run_copy(void *context)
{
    const copy_call *c = context;
    memcpy(c->to, c->from, c->bytes);
}

static double measure_bandwidth(void)
{
    size_t n = (size_t)32 << 20;
    float *from = bench_floats(n), *to = bench_floats(n);
    copy_call call = {from, to, n * sizeof *from};
    double seconds = bench_seconds(run_copy, &call);
    free(from);
    free(to);
    return 2 * (double)call.bytes / seconds * 1e-9;
}

/* ---------------------------------------------------------------------------------------------------- main */

static void (*const families[])(const bench *) = {bench_gemm,   bench_winograd,    bench_depthwise, bench_pooling,
                                                  bench_layout, bench_elementwise, bench_norm,      bench_planar};

int main(int argc, char **argv)
{
    bench b = {.kernels = sn_kernels_get()};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--isa") == 0 && i + 1 < argc) {
            b.kernels = sn_kernels_named(argv[++i]);
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            b.only = argv[++i];
        } else {
            fprintf(stderr, "usage: bench_kernels [--isa baseline|avx2|avx512] [--only TEXT]\n");
            return 2;
        }
    }
    if (!b.kernels) {
        fprintf(stderr, "bench_kernels: this machine does not run that instruction set\n");
        return 2;
    }
    b.peak = measure_peak(b.kernels);
    b.bandwidth = measure_bandwidth();
    printf("%s: peak %.1f GFLOP/s, memory %.1f GB/s (copy), one core\n", b.kernels->isa, b.peak, b.bandwidth);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) families[i](&b);
    return 0;
}
