/*
 * bench_vector_math [--isa NAME] [--only FUNCTION] [--step N]: how far the elementary functions of the kernels are from
 * the true values, and how fast they are.
 *
 * A function of one argument is tried for every float there is (or every Nth), against the C library in double; pow for
 * a grid of bases and exponents and for the special values that C lists. An error is given in units in the last place
 * of the true value; a NaN for a number or the reverse, or a wrong sign of zero, counts as infinite. The program fails
 * when any error is above 2 ulp.
 */
#include "runtime/kernels/kernels.h"

#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHUNK   4096
#define THREADS 2
#define ALLOWED 2.0

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

typedef struct function {
    const char *name;
    sn_ew_unary kind;
    double (*exact)(double);
    float low, high; /* arguments to take the time on */
} function;

static const function functions[] = {
    {"exp", SN_EW_EXP, exp, -10, 10},    {"expm1", SN_EW_EXPM1, expm1, -5, 5},
    {"log", SN_EW_LOG, log, 0.01f, 100}, {"tanh", SN_EW_TANH, tanh, -3, 3},
    {"erf", SN_EW_ERF, erf, -3, 3},      {"sigmoid", SN_EW_SIGMOID, sigmoid, -10, 10},
    {"sin", SN_EW_SIN, sin, -10, 10},    {"cos", SN_EW_COS, cos, -10, 10},
};

static const char *const isas[] = {"baseline", "avx2", "avx512"};
#define N_ISAS (sizeof isas / sizeof *isas)

typedef struct worst {
    double ulp;
    float x, y, got; /* y: the exponent of pow */
    double exact;
} worst;

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double ulp_error(float got, double exact)
{
    float rounded = (float)exact;
    if (isnan(exact) || isnan(got)) return isnan(exact) && isnan(got) ? 0 : INFINITY;
    if (got == rounded) return got == 0 && signbit(got) != signbit(rounded) ? INFINITY : 0;
    if (isinf(got)) return rounded == copysignf(0x1.fffffep127f, got) ? 1 : INFINITY;
    int exponent;
    frexp(exact, &exponent);
    double ulp = ldexp(1, exponent - 24 < -149 ? -149 : exponent - 24);
    return fabs((double)got - exact) / ulp;
}

/* Most errors are seen at a glance to be no new worst one: a unit in the last place is at least 2^-24 of the value. */
static void note(worst *w, float x, float y, float got, double exact)
{
    if (fabs((double)got - exact) <= w->ulp * 0x1p-24 * fabs(exact) && got != 0) return;
    double ulp = ulp_error(got, exact);
    if (ulp > w->ulp) *w = (worst){ulp, x, y, got, exact};
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double nanoseconds(const sn_kernels *k, const function *f)
{
    enum { RUNS = 200, SAMPLES = 15 };
    float x[CHUNK], y[CHUNK];
    double best = INFINITY;
    for (size_t i = 0; i < CHUNK; i++) x[i] = f->low + (f->high - f->low) * (float)(i * 2654435761u % CHUNK) / CHUNK;
    for (int s = 0; s < SAMPLES; s++) {
        double start = now();
        for (int i = 0; i < RUNS; i++) k->elementwise->unary[f->kind](x, y, CHUNK);
        double spent = (now() - start) / (RUNS * (double)CHUNK) * 1e9;
        best = spent < best ? spent : best;
    }
    return best;
}

static bool report(const char *isa, const char *name, const worst *w, double ns)
{
    printf("%-8s  %-8s  %5.2f ulp at %.9g", isa, name, w->ulp, (double)w->x);
    if (strcmp(name, "pow") == 0) printf(" ^ %.9g", (double)w->y);
    printf(": %.9g for %.17g", (double)w->got, w->exact);
    if (ns > 0) printf("  %.3f ns/element", ns);
    printf("\n");
    fflush(stdout);
    return w->ulp <= ALLOWED;
}

/* The floats whose bits are first * CHUNK * step and so on, as threads share them. */
typedef struct share {
    const sn_kernels *const *kernels;
    const function *function;
    uint64_t step, first, threads;
    worst worst_of[N_ISAS];
} share;

static void *check_share(void *context)
{
    share *s = context;
    float x[CHUNK], y[CHUNK];
    double exact[CHUNK];
    for (uint64_t chunk = s->first; chunk * CHUNK * s->step < UINT64_C(1) << 32; chunk += s->threads) {
        size_t n = 0;
        for (uint64_t bits = chunk * CHUNK * s->step; n < CHUNK && bits < UINT64_C(1) << 32; bits += s->step) {
            x[n++] = float_of((uint32_t)bits);
        }
        for (size_t i = 0; i < n; i++) exact[i] = s->function->exact((double)x[i]);
        for (size_t k = 0; k < N_ISAS; k++) {
            if (!s->kernels[k]) continue;
            s->kernels[k]->elementwise->unary[s->function->kind](x, y, n);
            for (size_t i = 0; i < n; i++) note(&s->worst_of[k], x[i], 0, y[i], exact[i]);
        }
    }
    return NULL;
}

static bool check_function(const sn_kernels *const *kernels, const function *f, uint64_t step)
{
    pthread_t threads[THREADS];
    share shares[THREADS];
    for (size_t t = 0; t < THREADS; t++) {
        shares[t] = (share){.kernels = kernels, .function = f, .step = step, .first = t, .threads = THREADS};
        if (pthread_create(&threads[t], NULL, check_share, &shares[t]) != 0) {
            fprintf(stderr, "bench_vector_math: cannot start a thread\n");
            exit(5);
        }
    }
    for (size_t t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
    bool good = true;
    for (size_t k = 0; k < N_ISAS; k++) {
        if (!kernels[k]) continue;
        worst *w = &shares[0].worst_of[k];
        for (size_t t = 1; t < THREADS; t++) {
            if (shares[t].worst_of[k].ulp > w->ulp) *w = shares[t].worst_of[k];
        }
        good &= report(isas[k], f->name, w, nanoseconds(kernels[k], f));
    }
    return good;
}

/* ---------------------------------------------------------------------------------------------------- pow */

static void try_power(const sn_kernels *const *kernels, worst *worst_of, const float *x, float exponent, size_t n)
{
    static float y[CHUNK], exponents[CHUNK];
    for (size_t i = 0; i < n; i++) exponents[i] = exponent;
    for (size_t k = 0; k < N_ISAS; k++) {
        if (!kernels[k]) continue;
        kernels[k]->elementwise->binary[SN_EW_POW]((sn_ew_operand){x, n, 1}, (sn_ew_operand){exponents, n, 1},
                                                   (sn_ew_result){y, n, 1, n});
        for (size_t i = 0; i < n; i++) note(&worst_of[k], x[i], exponent, y[i], pow((double)x[i], (double)exponent));
    }
}

static bool check_pow(const sn_kernels *const *kernels)
{
    static const float special[] = {0.0f, 1.0f,  2.0f,  3.0f,   0.5f,       1.5f,       1e-40f,         INFINITY,
                                    NAN,  1e38f, 1e-3f, 127.5f, 16777216.f, 8388607.5f, 0x1.fffffep23f, 0x1.000002p0f};
    static float x[CHUNK];
    worst worst_of[N_ISAS] = {{0}};
    size_t n = 0;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        x[n++] = special[i];
        x[n++] = -special[i];
    }
    for (size_t i = 0; i < n; i++) try_power(kernels, worst_of, x, x[i], n);
    uint32_t state = 1;
    for (int round = 0; round < 20000; round++) {
        state = state * 1664525u + 1013904223u;
        float base = float_of(state);
        /* Bases near one base, exponents for which the power is mostly within range. */
        for (size_t i = 0; i < 256; i++) x[i] = float_of(state + (uint32_t)(i * i * 97));
        double range = 110 / (fabs(log2(fabs((double)base))) + 1e-6);
        state = state * 1664525u + 1013904223u;
        double unit = (double)state / 0x1p31 - 1;
        float exponent = (float)(unit * (isfinite(range) ? range : 1) * 1.4);
        try_power(kernels, worst_of, x, round % 3 == 0 ? rintf(exponent) : exponent, 256);
    }
    bool good = true;
    for (size_t k = 0; k < N_ISAS; k++) {
        if (!kernels[k]) continue;
        double best = INFINITY;
        for (size_t i = 0; i < CHUNK; i++) x[i] = 0.01f + (float)i / 100;
        static float y[CHUNK];
        for (int s = 0; s < 15; s++) {
            double start = now();
            for (int i = 0; i < 20; i++) {
                kernels[k]->elementwise->binary[SN_EW_POW]((sn_ew_operand){x, CHUNK, 1}, (sn_ew_operand){x, 0, 0},
                                                           (sn_ew_result){y, CHUNK, 1, CHUNK});
            }
            double spent = (now() - start) / (20 * (double)CHUNK) * 1e9;
            best = spent < best ? spent : best;
        }
        good &= report(isas[k], "pow", &worst_of[k], best);
    }
    return good;
}

int main(int argc, char **argv)
{
    const char *isa = NULL, *only = NULL;
    unsigned long step = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--isa") == 0) isa = argv[i + 1];
        if (strcmp(argv[i], "--only") == 0) only = argv[i + 1];
        if (strcmp(argv[i], "--step") == 0) step = strtoul(argv[i + 1], NULL, 10);
    }
    if (argc % 2 == 0 || step == 0) {
        fprintf(stderr, "usage: bench_vector_math [--isa baseline|avx2|avx512] [--only FUNCTION] [--step N]\n");
        return 2;
    }
    const sn_kernels *kernels[N_ISAS] = {NULL};
    for (size_t k = 0; k < N_ISAS; k++)
        kernels[k] = isa && strcmp(isa, isas[k]) != 0 ? NULL : sn_kernels_named(isas[k]);
    bool good = true;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (!only || strcmp(only, functions[i].name) == 0) good &= check_function(kernels, &functions[i], step);
    }
    if (!only || strcmp(only, "pow") == 0) good &= check_pow(kernels);
    return good ? 0 : 1;
}
