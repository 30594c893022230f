/* What the kernel tests share: the tables of every instruction set that runs here, numbers, and comparison. */
#ifndef SN_TESTS_KERNEL_TEST_H
#define SN_TESTS_KERNEL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/kernels/kernels.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const isas[] = {"baseline", "avx2", "avx512"};

/* Calls test(kernels) for every table that this machine runs; the baseline is always among them. */
static inline void for_each_isa(void (*test)(const sn_kernels *k))
{
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        const sn_kernels *k = sn_kernels_named(isas[i]);
        if (k) test(k);
        if (!k) print_message("skipped: %s does not run here\n", isas[i]);
    }
}

/* test_<name>, which calls check_<name> for every table. */
#define EACH_ISA(name)                                                                                                 \
    static void test_##name(void **state)                                                                              \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        for_each_isa(check_##name);                                                                                    \
    }

static inline uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* n floats in [-1, 1), in memory of exactly that size, so that sanitizers see every read beyond it. */
static inline float *random_floats(size_t n, uint32_t seed)
{
    float *p = malloc(n > 0 ? n * sizeof *p : 1);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++) p[i] = (float)next_random(&seed) / (float)(1 << 23) - 1.0f;
    return p;
}

static inline float *poisoned_floats(size_t n)
{
    float *p = malloc(n > 0 ? n * sizeof *p : 1);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++) p[i] = NAN;
    return p;
}

/* What kernels are given: values around 1; some of them NaN and infinite; multiples of the smallest denormal, whose
 * sums are exact with weights that are small integers; values near the largest. */
typedef enum value_kind { DATA_RANDOM, DATA_SPECIAL, DATA_TINY, DATA_LARGE, VALUE_KINDS } value_kind;

static inline void make_values(float *x, size_t n, value_kind kind)
{
    for (size_t i = 0; i < n; i++) {
        if (kind == DATA_TINY) x[i] = rintf(8 * x[i]) * 0x1p-149f;
        if (kind == DATA_LARGE) x[i] *= 0x1p110f;
        if (kind == DATA_SPECIAL && i % 41 == 0) x[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
    }
}

static inline void make_weights(float *weights, size_t n, value_kind kind)
{
    for (size_t i = 0; i < n; i++) {
        if (kind == DATA_TINY) weights[i] = rintf(8 * weights[i]);
        if (kind == DATA_SPECIAL && i % 297 == 0) weights[i] = -INFINITY;
    }
}

static inline float *copy_of(const float *x, size_t n)
{
    float *copy = poisoned_floats(n);
    memcpy(copy, x, n * sizeof *x);
    return copy;
}

/* The same bits, or both NaN: its sign and payload are left open. */
static inline bool same_float(float a, float b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

static inline void check_near(float got, double expected, double bound, const char *what, size_t at)
{
    if (same_float(got, (float)expected)) return;
    /* A bound that is made from an infinity would let everything pass. */
    if (!isfinite(expected) || !(fabs((double)got - expected) <= bound)) {
        fail_msg("%s: element %zu is %.9g, expected %.9g within %.3g", what, at, (double)got, expected, bound);
    }
}

/* `magnitude`: the sum of the absolute values of what was added up. */
static inline void check_close(float got, double expected, double magnitude, const char *what, size_t at)
{
    double bound = 1e-6 * (magnitude + fabs(expected)) + 0x1p-149;
    if (!(fabs((double)got - expected) <= bound)) {
        fail_msg("%s: element %zu is %.9g, expected %.9g within %.3g", what, at, (double)got, expected, bound);
    }
}

/* The same for sums that may not be finite: then the result, however it was clamped, is exact. */
static inline void check_result(float got, double expected, double magnitude, const char *what, size_t at)
{
    if (isfinite(expected) && isfinite(magnitude)) {
        check_close(got, expected, magnitude, what, at);
    } else if (isnan(expected) ? !isnan(got) : (double)got != expected) {
        fail_msg("%s: element %zu is %.9g, expected %.9g", what, at, (double)got, expected);
    }
}

#endif
