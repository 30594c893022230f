/*
 * bench_kernels [--isa NAME] [--only TEXT]: GFLOP/s and GB/s of every kernel for the layer shapes of real networks, on
 * one core, beside what that core can do.
 *
 * A machine's speed changes within seconds, by its neighbours and its frequency. So the peak is measured before and
 * after every sample of a kernel, the sample's share is that of the larger one, and a row shows the median share. Time
 * is the thread's own, and a sample during which another one got this core is taken again: the caches are not what they
 * were.
 */
#include "bench/kernels/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define SAMPLES        15
#define SAMPLE_SECONDS 0.002
#define TRIES          10
#define PEAK_FLOPS     2e7 /* of a measurement of the peak: 0.1 ms and more */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *samples)
{
    qsort(samples, SAMPLES, sizeof *samples, compare_doubles);
    return samples[SAMPLES / 2];
}

static double seconds_of(void (*call)(void *context), void *context, size_t calls)
{
    double start = now();
    for (size_t i = 0; i < calls; i++) call(context);
    return now() - start;
}

/* FLOP/s of the best of a few runs: the first one also wakes the units. */
static double measure_peak(const bench_peak *peak)
{
    const size_t steps = (size_t)(PEAK_FLOPS / peak->flops);
    double best = 0;
    for (int i = 0; i < 3; i++) {
        double start = now();
        peak->run(steps);
        double rate = (double)steps * peak->flops / (now() - start);
        best = rate > best ? rate : best;
    }
    return best;
}

typedef struct measurement {
    double seconds;    /* per call */
    double peak_flops; /* that the peak would have done in that time */
} measurement;

/* How often the system has taken the core away. */
static long count_preemptions(void)
{
    struct rusage usage = {0};
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nivcsw;
}

static measurement measure_once(const bench *b, void (*call)(void *context), void *context, size_t calls)
{
    measurement m = {0};
    for (int i = 0; i < TRIES; i++) {
        long preemptions = count_preemptions();
        double before = measure_peak(b->peak);
        call(context); /* what it keeps in the caches */
        m.seconds = seconds_of(call, context, calls) / (double)calls;
        double after = measure_peak(b->peak);
        m.peak_flops = m.seconds * (after > before ? after : before);
        if (count_preemptions() == preemptions) break;
    }
    return m;
}

/* The medians of several samples. */
static measurement measure(const bench *b, void (*call)(void *context), void *context)
{
    double seconds[SAMPLES], peak_flops[SAMPLES];
    size_t calls = 1;
    while (seconds_of(call, context, calls) < SAMPLE_SECONDS / 2) calls *= 2;
    for (int s = 0; s < SAMPLES; s++) {
        measurement m = measure_once(b, call, context, calls);
        seconds[s] = m.seconds;
        peak_flops[s] = m.peak_flops;
    }
    return (measurement){median(seconds), median(peak_flops)};
}

bool bench_wants(const bench *b, const char *family, const char *name)
{
    return !b->only || strstr(name, b->only) || strstr(family, b->only);
}

void bench_row(const bench *b, const char *family, const char *name, void (*call)(void *context), void *context,
               double flops, double bytes)
{
    measurement m = measure(b, call, context);
    double rate = flops / m.seconds * 1e-9, bandwidth = bytes / m.seconds * 1e-9;
    printf("%-8s  %-12s %-40s %10.1f us", b->kernels->isa, family, name, m.seconds * 1e6);
    if (flops > 0) printf("  %7.1f GFLOP/s %5.1f%%", rate, 100 * flops / m.peak_flops);
    if (bytes > 0) printf("  %6.1f GB/s %5.1f%%", bandwidth, 100 * bandwidth / b->bandwidth);
    printf("\n");
    fflush(stdout);
}

float *bench_floats(size_t n)
{
    float *p = sn_malloc_aligned(n * sizeof *p + SN_ALIGNMENT);
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
    double samples[SAMPLES];
    run_copy(&call);
    for (int s = 0; s < SAMPLES; s++) samples[s] = seconds_of(run_copy, &call, 1);
    sn_free(from);
    sn_free(to);
    return 2 * (double)call.bytes / median(samples) * 1e-9;
}

extern const bench_peak bench_peak_baseline;
#if defined(__x86_64__)
extern const bench_peak bench_peak_avx2, bench_peak_avx512;
#endif

static const struct {
    const char *isa;
    const bench_peak *peak;
} peaks[] = {
    {"baseline", &bench_peak_baseline},
#if defined(__x86_64__)
    {"avx2", &bench_peak_avx2},
    {"avx512", &bench_peak_avx512},
#endif
};

static const bench_peak *peak_of(const sn_kernels *k)
{
    size_t i = 0;
    while (strcmp(peaks[i].isa, k->isa) != 0) i++;
    return peaks[i].peak;
}

/* ---------------------------------------------------------------------------------------------------- main */

static void (*const families[])(const bench *) = {bench_gemm,   bench_winograd,    bench_grouped, bench_pooling,
                                                  bench_layout, bench_elementwise, bench_norm,    bench_planar};

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
    b.peak = peak_of(b.kernels);
    b.bandwidth = measure_bandwidth();
    printf("%s: peak %.1f GFLOP/s, memory %.1f GB/s (copy), one core\n", b.kernels->isa, measure_peak(b.peak) * 1e-9,
           b.bandwidth);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) families[i](&b);
    return 0;
}
