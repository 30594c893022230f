/* The activations against their formulas in double, for every instruction set. */
#include "tests/kernels/kernel_test.h"

/* min and max as ONNX has them: the upper limit wins, NaN passes. */
static double limit(double x, double lo, double hi)
{
    x = x < lo ? lo : x;
    return x > hi ? hi : x;
}

static double sigmoid(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

static double expected_of(const sn_activation *a, double x)
{
    double alpha = (double)a->alpha, beta = (double)a->beta;
    switch (a->kind) {
    case SN_ACT_CLAMP: return limit(x, alpha, beta);
    case SN_ACT_LEAKY_RELU: return x < 0 ? alpha * x : x;
    case SN_ACT_ELU: return x < 0 ? alpha * expm1(x) : x;
    case SN_ACT_SIGMOID: return sigmoid(x);
    case SN_ACT_HARD_SIGMOID: return limit(alpha * x + beta, 0, 1);
    case SN_ACT_SILU: return x * sigmoid(alpha * x);
    case SN_ACT_HARD_SWISH: return x * limit(x / 6 + 0.5, 0, 1);
    case SN_ACT_TANH: return tanh(x);
    case SN_ACT_GELU: return 0.5 * x * erfc(-x / sqrt(2));
    case SN_ACT_GELU_TANH: return x * sigmoid(2 * sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x));
    case SN_ACT_NONE:
    case SN_ACT_COUNT: break;
    }
    return x;
}

static const sn_activation activations[] = {
    {SN_ACT_CLAMP, 0, INFINITY},   {SN_ACT_CLAMP, -0.5f, 6},
    {SN_ACT_CLAMP, 2, 1}, /* contradictory: the upper limit wins */
    {SN_ACT_LEAKY_RELU, 0.01f, 0}, {SN_ACT_ELU, 1.5f, 0},
    {SN_ACT_SIGMOID, 0, 0},        {SN_ACT_HARD_SIGMOID, 0.2f, 0.5f},
    {SN_ACT_SILU, 1, 0},           {SN_ACT_SILU, 1.702f, 0},
    {SN_ACT_HARD_SWISH, 0, 0},     {SN_ACT_TANH, 0, 0},
    {SN_ACT_GELU, 0, 0},           {SN_ACT_GELU_TANH, 0, 0},
};
#define N_ACTIVATIONS (sizeof activations / sizeof *activations)

/* The sum before the limits 0 and 1 may cancel, so that its error has no relation to it; beyond the limits it is gone.
 */
static double sum_error(double sum)
{
    return fabs(sum - 0.5) <= 0.5 + 1e-7 ? 1e-7 : 0;
}

/* x times a function of e^exponent: where the exponent is large, its rounding is a larger share of a tiny result. Where
 * the function is a denormal, its last bit counts x times; for x below -104 it is 0. */
static double exponential_error(double expected, double exponent, double x)
{
    double units = fabs(x) < 104 ? fabs(x) : 104;
    return fabs(expected) * (4e-7 + (x < 0 ? 3e-7 * fabs(exponent) : 0)) + 3e-45 * (1 + units);
}

static double bound_of(const sn_activation *a, double x, double expected)
{
    double alpha = (double)a->alpha, beta = (double)a->beta, relative = 4e-7 * fabs(expected) + 3e-45;
    switch (a->kind) {
    case SN_ACT_CLAMP:
    case SN_ACT_LEAKY_RELU: return 0;
    case SN_ACT_HARD_SIGMOID: return relative + sum_error(alpha * x + beta);
    case SN_ACT_HARD_SWISH: return relative + fabs(x) * sum_error(x / 6 + 0.5);
    case SN_ACT_SILU: return exponential_error(expected, alpha == 1 ? 0 : alpha * x, x);
    case SN_ACT_GELU: return exponential_error(expected, x * x / 2, x);
    case SN_ACT_GELU_TANH: return exponential_error(expected, 1.6 * (x + 0.044715 * x * x * x), x);
    default: return relative;
    }
}

/* A clamp may give either zero. */
static bool same_zero(const sn_activation *a, float got, double expected)
{
    return a->kind == SN_ACT_CLAMP || got != 0 || !signbit(got) == !signbit(expected);
}

static void check_value(const sn_kernels *k, const sn_activation *a, float x, float got)
{
    double expected = expected_of(a, (double)x);
    bool both_nan = isnan(expected) && isnan(got);
    bool same = got == (float)expected; /* infinities; what is exact */
    bool close = isfinite(expected) && fabs((double)got - expected) <= bound_of(a, (double)x, expected);
    if (!both_nan && !((same || close) && same_zero(a, got, expected))) {
        fail_msg("%s: activation %d of %.9g is %.9g, expected %.9g", k->isa, (int)a->kind, (double)x, (double)got,
                 expected);
    }
}

/* From -20 to 20, and the special ones. */
static void fill(float *x, size_t n, uint32_t seed)
{
    static const float special[] = {0.0f,   -0.0f,  INFINITY, -INFINITY, NAN,      1e-40f, -1e-40f, 3e38f,
                                    -3e38f, 88.8f,  -88.8f,   -104,      -17.33f,  1e-10f, -1e-10f, 5.5f,
                                    -5.5f,  -13.0f, 0.55f,    -0.55f,    1.41421f, -1e20f};
    for (size_t i = 0; i < n; i++) {
        float random = (float)next_random(&seed) / (float)(1 << 23) - 1.0f;
        x[i] = i < sizeof special / sizeof *special ? special[i] : 20 * random;
    }
}

static void check_values(const sn_kernels *k)
{
    enum { N = 20011 };
    float *x = poisoned_floats(N), *y = poisoned_floats(N);
    fill(x, N, 3);
    for (size_t i = 0; i < N_ACTIVATIONS; i++) {
        memcpy(y, x, N * sizeof *y);
        k->activation->apply(&activations[i], y, 1, N, N);
        for (size_t j = 0; j < N; j++) check_value(k, &activations[i], x[j], y[j]);
    }
    free(x);
    free(y);
}

/* Rows with a pitch: nothing beside them changes, and an element is the same wherever it lies in a vector. */
static void check_rows(const sn_kernels *k)
{
    static const size_t shapes[][3] = {{1, 1, 1}, {3, 5, 5}, {4, 16, 16}, {2, 33, 40}, {5, 31, 37},
                                       {0, 4, 4}, {4, 0, 0}, {3, 0, 2},   {1, 47, 50}, {7, 3, 8}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        size_t rows = shapes[s][0], columns = shapes[s][1], pitch = shapes[s][2];
        size_t n = rows > 0 ? (rows - 1) * pitch + columns : 0;
        float *x = poisoned_floats(n), *y = poisoned_floats(n);
        for (size_t i = 0; i < N_ACTIVATIONS; i++) {
            fill(x, n, (uint32_t)i);
            memcpy(y, x, n * sizeof *x);
            k->activation->apply(&activations[i], y, rows, columns, pitch);
            for (size_t j = 0; j < n; j++) {
                float one = x[j];
                if (j % pitch < columns) k->activation->apply(&activations[i], &one, 1, 1, 1);
                if (!isnan(one) || !isnan(y[j])) assert_memory_equal(&one, &y[j], sizeof one); /* a NaN has no sign */
            }
        }
        free(x);
        free(y);
    }
}

EACH_ISA(values)
EACH_ISA(rows)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
