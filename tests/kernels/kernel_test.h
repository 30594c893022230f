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

/* `magnitude`: the sum of the absolute values of what was added up. */
static inline void check_close(float got, double expected, double magnitude, const char *what, size_t at)
{
    double bound = 1e-6 * (magnitude + fabs(expected)) + 1e-12;
    if (!(fabs((double)got - expected) <= bound)) {
        fail_msg("%s: element %zu is %.9g, expected %.9g within %.3g", what, at, (double)got, expected, bound);
    }
}

#endif
