/* Reductions against sums in double, for every instruction set. */
#include "tests/kernels/kernel_test.h"
#include <float.h>

/* What spreads over all that it is added to. */
static const float special[] = {NAN, INFINITY, -INFINITY};
#define N_SPECIAL (sizeof special / sizeof *special)

static double accumulated(int kind, double sum, double x)
{
    switch (kind) {
    case SN_REDUCE_SQUARES: return sum + x * x;
    case SN_REDUCE_ABS: return sum + fabs(x);
    case SN_REDUCE_PRODUCT: return sum * x;
    case SN_REDUCE_MAX: return x > sum || x != x ? x : sum;
    case SN_REDUCE_MIN: return x < sum || x != x ? x : sum;
    default: return sum + x;
    }
}

static void check_reduced(const sn_kernels *k, int kind, const size_t shape[3], const float *x)
{
    size_t outer = shape[0], n = shape[1], inner = shape[2];
    float *y = poisoned_floats(outer * inner);
    k->norm->reduce[kind](x, y, outer, n, inner);
    for (size_t o = 0; o < outer; o++) {
        for (size_t i = 0; i < inner; i++) {
            double sum = kind == SN_REDUCE_PRODUCT ? 1 : 0, magnitude = 0;
            if (kind == SN_REDUCE_MAX) sum = -(double)INFINITY;
            if (kind == SN_REDUCE_MIN) sum = (double)INFINITY;
            for (size_t j = 0; j < n; j++) {
                double v = (double)x[(o * n + j) * inner + i];
                sum = isnan(sum) ? sum : accumulated(kind, sum, v);
                magnitude += fabs(v);
            }
            if (kind == SN_REDUCE_MEAN) {
                sum /= (double)n;
                magnitude /= (double)n;
            }
            if (kind == SN_REDUCE_PRODUCT) magnitude = fabs(sum);
            bool exact = kind == SN_REDUCE_MAX || kind == SN_REDUCE_MIN;
            check_near(y[o * inner + i], sum, exact ? 0 : 3e-7 * magnitude, k->isa, o * inner + i);
        }
    }
    free(y);
}

static void check_reduction(const sn_kernels *k, int kind, const size_t shape[3], float poison)
{
    size_t size = shape[0] * shape[1] * shape[2];
    float *x = random_floats(size, 8);
    for (size_t i = 0; i < size && kind == SN_REDUCE_PRODUCT; i++) x[i] = 1 + x[i] / 8;
    if (poison != 0 && size > 0) x[size / 2] = poison;
    check_reduced(k, kind, shape, x);
    free(x);
}

/* Every element is one of four values. */
static void check_reduction_of(const sn_kernels *k, int kind, const size_t shape[3], const float values[4])
{
    size_t size = shape[0] * shape[1] * shape[2];
    float *x = poisoned_floats(size);
    uint32_t seed = 9;
    for (size_t i = 0; i < size; i++) x[i] = values[next_random(&seed) % 4];
    check_reduced(k, kind, shape, x);
    free(x);
}

static const size_t reduction_shapes[][3] = {
    {1, 1, 1},   {3, 5, 1},   {2, 64, 1}, {5, 197, 1}, {1, 5003, 1}, {3, 0, 1},  {2, 7, 3},   {1, 49, 64},
    {3, 9, 100}, {2, 300, 5}, {0, 3, 3},  {2, 0, 5},   {2, 4, 133},  {1, 33, 1}, {1, 31, 16}, {2, 3, 0}};
#define N_REDUCTION_SHAPES (sizeof reduction_shapes / sizeof *reduction_shapes)

static void check_reductions(const sn_kernels *k)
{
    for (int kind = 0; kind < SN_REDUCTION_COUNT; kind++) {
        for (size_t s = 0; s < N_REDUCTION_SHAPES; s++) {
            check_reduction(k, kind, reduction_shapes[s], 0);
            for (size_t i = 0; i < N_SPECIAL; i++) check_reduction(k, kind, reduction_shapes[s], special[i]);
        }
    }
}

/* Sums of denormals are exact; the largest numbers are for the kinds that add nothing. */
static void check_reduction_extremes(const sn_kernels *k)
{
    static const float denormals[4] = {1e-40f, -3e-41f, FLT_TRUE_MIN, -FLT_TRUE_MIN};
    static const float large[][4] = {{FLT_MAX, -FLT_MAX, 3e38f, -3e38f},
                                     {-FLT_MAX, -3e38f, -3.3e38f, -3.2e38f},
                                     {FLT_MAX, 3e38f, 3.3e38f, 3.2e38f},
                                     {FLT_MIN, -FLT_MIN, 1e-40f, -1e-40f}};
    for (size_t s = 0; s < N_REDUCTION_SHAPES; s++) {
        for (int kind = 0; kind < SN_REDUCTION_COUNT; kind++)
            check_reduction_of(k, kind, reduction_shapes[s], denormals);
        for (size_t v = 0; v < sizeof large / sizeof *large; v++) {
            check_reduction_of(k, SN_REDUCE_MAX, reduction_shapes[s], large[v]);
            check_reduction_of(k, SN_REDUCE_MIN, reduction_shapes[s], large[v]);
        }
    }
}

EACH_ISA(reductions)
EACH_ISA(reduction_extremes)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reductions),
        cmocka_unit_test(test_reduction_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
