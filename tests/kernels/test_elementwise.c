/* Element-wise functions against their formulas in double or C's own, in every pattern of operands, for every
 * instruction set. How exact the elementary functions are for every float is bench_vector_math's to say. */
#include "tests/kernels/kernel_test.h"

/* Within `ulp` units in the last place; infinities and zeros exactly, with their signs. */
static bool near(float got, double expected, double ulp)
{
    float rounded = (float)expected;
    if (same_float(got, rounded)) return true;
    if (isnan(got) || isnan(rounded) || expected == 0) return false;
    if (got == 0 && !signbit(got) != !signbit(expected)) return false;               /* underflow */
    if (isinf(got) || isinf(rounded)) return fabs((double)got - expected) < 0x1p105; /* at the verge of overflow */
    int exponent;
    frexp(expected, &exponent);
    return fabs((double)got - expected) <= ulp * ldexp(1, exponent - 24 < -149 ? -149 : exponent - 24);
}

static const float special[] = {2.0f,     3.0f,      0.0f, -0.0f,      1.0f,        -1.0f,       0.5f,  -0.5f,
                                1.5f,     -1.5f,     2.5f, -2.5f,      1e-40f,      -1e-40f,     3e38f, -3e38f,
                                INFINITY, -INFINITY, NAN,  8388607.5f, 16777216.0f, -8388607.5f, 0.3f,  -0.3f,
                                88.8f,    -103.9f,   1e6f, -3e7f,      1e-20f,      20.0f,       -20.0f};
#define N_SPECIAL (sizeof special / sizeof *special)

/* The special values first, then a few of every magnitude. */
static float *values(size_t n, uint32_t seed)
{
    float *x = random_floats(n, seed);
    for (size_t i = 0; i < n; i++) {
        x[i] = i < N_SPECIAL ? special[i] : i % 4 == 0 ? ldexpf(x[i], (int)(i % 80) - 40) : 10 * x[i];
    }
    return x;
}

/* ---------------------------------------------------------------------------------------------------- unary */

static double reciprocal(double x)
{
    return 1 / x;
}
static double negative(double x)
{
    return -x;
}
static double sign(double x)
{
    return x > 0 ? 1 : x < 0 ? -1 : x;
}
static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}
static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}
static double softsign(double x)
{
    return x / (1 + fabs(x));
}
static double mish(double x)
{
    return x * tanh(softplus(x));
}

static const struct {
    double (*exact)(double);
    double ulp;
} unary[SN_EW_UNARY_COUNT] = {
    [SN_EW_ABS] = {fabs, 0},
    [SN_EW_CEIL] = {ceil, 0},
    [SN_EW_COS] = {cos, 2},
    [SN_EW_ERF] = {erf, 2},
    [SN_EW_EXP] = {exp, 2},
    [SN_EW_EXPM1] = {expm1, 2},
    [SN_EW_FLOOR] = {floor, 0},
    [SN_EW_LOG] = {log, 2},
    [SN_EW_MISH] = {mish, 5},
    [SN_EW_NEG] = {negative, 0},
    [SN_EW_RECIPROCAL] = {reciprocal, 0.5},
    [SN_EW_ROUND] = {rint, 0},
    [SN_EW_SIGMOID] = {sigmoid, 2},
    [SN_EW_SIGN] = {sign, 0},
    [SN_EW_SIN] = {sin, 2},
    [SN_EW_SOFTPLUS] = {softplus, 3},
    [SN_EW_SOFTSIGN] = {softsign, 1.5},
    [SN_EW_SQRT] = {sqrt, 0.5},
    [SN_EW_TANH] = {tanh, 2},
};

static void check_unary(const sn_kernels *k)
{
    enum { N = 4001 };
    float *x = values(N, 1), *y = poisoned_floats(N);
    for (int f = 0; f < SN_EW_UNARY_COUNT; f++) {
        k->elementwise->unary[f](x, y, N);
        for (size_t i = 0; i < N; i++) {
            /* Mish multiplies what may be a denormal, with few digits. */
            bool tiny = f == SN_EW_MISH && x[i] < -80 && fabsf(y[i]) < 1e-33f;
            if (!tiny && !near(y[i], unary[f].exact((double)x[i]), unary[f].ulp)) {
                fail_msg("%s: unary %d of %.9g is %.9g, expected %.9g", k->isa, f, (double)x[i], (double)y[i],
                         unary[f].exact((double)x[i]));
            }
        }
    }
    free(x);
    free(y);
}

/* All sizes around the vectors', anywhere in memory, in place: the same bits. */
static void check_unary_sizes(const sn_kernels *k)
{
    enum { MOST = 67 };
    for (size_t n = 0; n <= MOST; n++) {
        float *x = values(n + 1, (uint32_t)n), *y = poisoned_floats(n + 1);
        for (int f = 0; f < SN_EW_UNARY_COUNT; f++) {
            memcpy(y, x, (n + 1) * sizeof *y);
            k->elementwise->unary[f](y + 1, y + 1, n);
            assert_true(same_float(y[0], x[0]));
            for (size_t i = 1; i <= n; i++) {
                float one;
                k->elementwise->unary[f](x + i, &one, 1);
                assert_true(same_float(one, y[i]));
            }
        }
        free(x);
        free(y);
    }
}

/* The same as what activation.c makes of aligned memory, wherever this lies and in place. */
static void check_activate(const sn_kernels *k)
{
    for (int kind = SN_ACT_NONE + 1; kind < SN_ACT_COUNT; kind++) {
        for (size_t n = 0; n < 40; n += 3) {
            const sn_activation a = {(sn_activation_kind)kind, 0.3f, 0.6f};
            float *x = values(n + 1, 2), *y = poisoned_floats(n + 1), *aligned = copy_of(x + 1, n);
            k->activation->apply(&a, aligned, 1, n, n);
            k->elementwise->activate[kind](&a, x + 1, y + 1, n);
            k->elementwise->activate[kind](&a, x + 1, x + 1, n);
            assert_true(x[0] == special[0] && isnan(y[0]));
            for (size_t i = 0; i < n; i++) {
                assert_true(same_float(y[i + 1], aligned[i]) && same_float(x[i + 1], aligned[i]));
            }
            free(x);
            free(y);
            free(aligned);
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- binary */

static double combined(int kind, float a, float b)
{
    double x = (double)a, y = (double)b;
    switch (kind) {
    case SN_EW_ADD: return (double)(a + b);
    case SN_EW_SUB: return (double)(a - b);
    case SN_EW_MUL: return (double)(a * b);
    case SN_EW_DIV: return (double)(a / b);
    case SN_EW_MIN: return a < b || a != a ? x : y;
    case SN_EW_MAX: return a > b || a != a ? x : y;
    case SN_EW_POW: return pow(x, y);
    default: return a < 0 ? (double)(a * b) : x;
    }
}

static void check_pairs(const sn_kernels *k)
{
    enum { N = 293 };
    float *a = values(N, 3), *b = values(N, 4), *y = poisoned_floats(N);
    for (int kind = 0; kind < SN_EW_BINARY_COUNT; kind++) {
        for (size_t j = 0; j < N; j++) {
            k->elementwise->binary[kind]((sn_ew_operand){a, 0, 1}, (sn_ew_operand){b + j, 0, 0},
                                         (sn_ew_result){y, N, 1, N});
            for (size_t i = 0; i < N; i++) {
                double expected = combined(kind, a[i], b[j]);
                /* The minimum and maximum of two zeros may be either. */
                bool zeros = (kind == SN_EW_MIN || kind == SN_EW_MAX) && y[i] == 0 && expected == 0;
                if (!zeros && !near(y[i], expected, kind == SN_EW_POW ? 2 : 0)) {
                    fail_msg("%s: binary %d of %.9g, %.9g is %.9g, expected %.9g", k->isa, kind, (double)a[i],
                             (double)b[j], (double)y[i], expected);
                }
            }
        }
    }
    free(a);
    free(b);
    free(y);
}

/* What an operand's pattern needs of memory. */
static size_t extent(size_t row, size_t step, size_t rows, size_t n)
{
    return rows > 0 && n > 0 ? (rows - 1) * row + (n - 1) * step + 1 : 0;
}

/* Every element, one per row, one per column, one for all; and every element with a gap between rows. */
#define PATTERNS 5
static sn_ew_operand operand(const float *data, int pattern, size_t n)
{
    const size_t row[PATTERNS] = {n, 1, 0, 0, n + 3}, step[PATTERNS] = {1, 0, 1, 0, 1};
    return (sn_ew_operand){data, row[pattern], step[pattern]};
}

static float element(sn_ew_operand o, size_t r, size_t i)
{
    return o.data[r * o.row + i * o.step];
}

static const size_t shapes[][2] = {{1, 1}, {1, 40}, {5, 1}, {37, 1}, {3, 7}, {7, 16}, {4, 33}, {0, 5}, {5, 0}, {2, 67}};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

/* data of exactly the size that a pattern reads. */
static float *operand_values(int pattern, size_t rows, size_t n, uint32_t seed)
{
    sn_ew_operand o = operand(NULL, pattern, n);
    return values(extent(o.row, o.step, rows, n), seed);
}

/* Rows of a result have a gap where those of its first operand do; nothing is written there. */
static sn_ew_result gapped_result(int pattern, size_t rows, size_t n, size_t *size)
{
    size_t row = n + (pattern == 4 ? 2 : 0);
    *size = extent(row, 1, rows, n);
    return (sn_ew_result){poisoned_floats(*size), row, rows, n};
}

static void check_gaps(sn_ew_result y, size_t size)
{
    for (size_t j = 0; j < size; j++) assert_true(j % y.row < y.n || isnan(y.data[j]));
}

/* The rows of `y`, which has no gaps, are those of `expected`. */
static void check_same_rows(const float *y, sn_ew_result expected)
{
    for (size_t r = 0; r < expected.rows; r++) {
        for (size_t i = 0; i < expected.n; i++) {
            assert_true(same_float(y[r * expected.n + i], expected.data[r * expected.row + i]));
        }
    }
}

static float binary_of_one(const sn_kernels *k, int kind, float a, float b)
{
    float y;
    k->elementwise->binary[kind]((sn_ew_operand){&a, 1, 1}, (sn_ew_operand){&b, 1, 1}, (sn_ew_result){&y, 1, 1, 1});
    return y;
}

static void check_binary_in_place(const sn_kernels *k, int kind, sn_ew_operand a, sn_ew_operand b, sn_ew_result y,
                                  bool first)
{
    float *data = copy_of(first ? a.data : b.data, y.rows * y.n);
    *(first ? &a : &b) = (sn_ew_operand){data, y.n, 1};
    k->elementwise->binary[kind](a, b, (sn_ew_result){data, y.n, y.rows, y.n});
    check_same_rows(data, y);
    free(data);
}

static void check_binary_pattern(const sn_kernels *k, int kind, size_t rows, size_t n, int pa, int pb)
{
    size_t size;
    float *a = operand_values(pa, rows, n, 5), *b = operand_values(pb, rows, n, 6);
    sn_ew_operand oa = operand(a, pa, n), ob = operand(b, pb, n);
    sn_ew_result y = gapped_result(pa, rows, n, &size);
    k->elementwise->binary[kind](oa, ob, y);
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n; i++) {
            float expected = binary_of_one(k, kind, element(oa, r, i), element(ob, r, i));
            assert_true(same_float(y.data[r * y.row + i], expected));
        }
    }
    check_gaps(y, size);
    if (pa == 0) check_binary_in_place(k, kind, oa, ob, y, true);
    if (pb == 0) check_binary_in_place(k, kind, oa, ob, y, false);
    free(a);
    free(b);
    free(y.data);
}

static void check_binary_patterns(const sn_kernels *k)
{
    for (size_t s = 0; s < N_SHAPES; s++) {
        for (int kind = 0; kind < SN_EW_BINARY_COUNT; kind++) {
            for (int p = 0; p < PATTERNS * PATTERNS; p++) {
                check_binary_pattern(k, kind, shapes[s][0], shapes[s][1], p / PATTERNS, p % PATTERNS);
            }
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- affine */

typedef struct affine_operands {
    sn_ew_operand x, scale, shift;
    float lo, hi;
} affine_operands;

static void run_affine(const sn_kernels *k, const affine_operands *o, sn_ew_result y)
{
    k->elementwise->affine(o->x, o->scale, o->shift, o->lo, o->hi, y);
}

static double limited(double v, float lo, float hi)
{
    v = v < (double)lo ? (double)lo : v;
    return v > (double)hi ? (double)hi : v;
}

/* What rounding the product and the sum may make of it, within the limits. */
static bool near_affine(float got, double x, double scale, double shift, float lo, float hi)
{
    double v = x * scale + shift, error = 1.3e-7 * fabs(x * scale) + 7e-8 * fabs(v) + 3e-45;
    if (!isfinite(v)) return same_float(got, (float)limited(v, lo, hi));
    return (double)got >= limited(v - error, lo, hi) && (double)got <= limited(v + error, lo, hi);
}

static void check_affine_element(const sn_kernels *k, const affine_operands *o, size_t r, size_t i, float got)
{
    float x = element(o->x, r, i), scale = element(o->scale, r, i), shift = element(o->shift, r, i), one;
    if (!near_affine(got, (double)x, (double)scale, (double)shift, o->lo, o->hi)) {
        fail_msg("%s: affine of %.9g, %.9g, %.9g is %.9g", k->isa, (double)x, (double)scale, (double)shift,
                 (double)got);
    }
    const affine_operands single = {{&x, 1, 1}, {&scale, 1, 1}, {&shift, 1, 1}, o->lo, o->hi};
    run_affine(k, &single, (sn_ew_result){&one, 1, 1, 1});
    assert_true(same_float(one, got));
}

static void check_affine_operands(const sn_kernels *k, affine_operands o, int px, size_t rows, size_t n)
{
    size_t size;
    sn_ew_result y = gapped_result(px, rows, n, &size);
    run_affine(k, &o, y);
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n; i++) check_affine_element(k, &o, r, i, y.data[r * y.row + i]);
    }
    check_gaps(y, size);
    if (px == 0) { /* in place */
        float *data = copy_of(o.x.data, size);
        o.x.data = data;
        run_affine(k, &o, (sn_ew_result){data, n, rows, n});
        check_same_rows(data, y);
        free(data);
    }
    free(y.data);
}

static void check_affine_pattern(const sn_kernels *k, size_t rows, size_t n, int px, int ps)
{
    static const float limits[][2] = {{-0.4f, 0.7f}, {-INFINITY, INFINITY}, {0, INFINITY}};
    sn_ew_operand pattern = operand(NULL, ps, n);
    size_t parameters = extent(pattern.row, pattern.step, rows, n);
    float *x = operand_values(px, rows, n, 7);
    float *scale = random_floats(parameters, 8), *shift = random_floats(parameters, 9);
    for (size_t l = 0; l < sizeof limits / sizeof *limits; l++) {
        const affine_operands o = {operand(x, px, n), operand(scale, ps, n), operand(shift, ps, n), limits[l][0],
                                   limits[l][1]};
        check_affine_operands(k, o, px, rows, n);
    }
    free(x);
    free(scale);
    free(shift);
}

static void check_affine(const sn_kernels *k)
{
    for (size_t s = 0; s < N_SHAPES; s++) {
        for (int p = 0; p < PATTERNS * PATTERNS; p++) {
            check_affine_pattern(k, shapes[s][0], shapes[s][1], p / PATTERNS, p % PATTERNS);
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- where */

static uint8_t *random_conditions(size_t n)
{
    uint8_t *c = malloc(n > 0 ? n : 1);
    assert_non_null(c);
    uint32_t seed = 10;
    for (size_t i = 0; i < n; i++) c[i] = next_random(&seed) % 3 == 0 ? 0 : (uint8_t)(1 << i % 8);
    return c;
}

static void check_where_in_place(const sn_kernels *k, sn_ew_condition c, sn_ew_operand a, sn_ew_operand b,
                                 sn_ew_result y, bool first)
{
    float *data = copy_of(first ? a.data : b.data, y.rows * y.n);
    *(first ? &a : &b) = (sn_ew_operand){data, y.n, 1};
    k->elementwise->where(c, a, b, (sn_ew_result){data, y.n, y.rows, y.n});
    check_same_rows(data, y);
    free(data);
}

static void check_where_pattern(const sn_kernels *k, size_t rows, size_t n, int pc, int pa, int pb)
{
    sn_ew_operand pattern = operand(NULL, pc, n);
    uint8_t *data = random_conditions(extent(pattern.row, pattern.step, rows, n));
    const sn_ew_condition c = {data, pattern.row, pattern.step};
    float *a = operand_values(pa, rows, n, 11), *b = operand_values(pb, rows, n, 12);
    sn_ew_operand oa = operand(a, pa, n), ob = operand(b, pb, n);
    size_t size;
    sn_ew_result y = gapped_result(pa, rows, n, &size);
    k->elementwise->where(c, oa, ob, y);
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n; i++) {
            float expected = data[r * c.row + i * c.step] ? element(oa, r, i) : element(ob, r, i);
            assert_true(same_float(y.data[r * y.row + i], expected));
        }
    }
    check_gaps(y, size);
    if (pa == 0) check_where_in_place(k, c, oa, ob, y, true);
    if (pb == 0) check_where_in_place(k, c, oa, ob, y, false);
    free(a);
    free(b);
    free(data);
    free(y.data);
}

static void check_where(const sn_kernels *k)
{
    for (size_t s = 0; s < N_SHAPES; s++) {
        for (int p = 0; p < PATTERNS * PATTERNS * PATTERNS; p++) {
            check_where_pattern(k, shapes[s][0], shapes[s][1], p / (PATTERNS * PATTERNS), p / PATTERNS % PATTERNS,
                                p % PATTERNS);
        }
    }
}

EACH_ISA(unary)
EACH_ISA(unary_sizes)
EACH_ISA(activate)
EACH_ISA(pairs)
EACH_ISA(binary_patterns)
EACH_ISA(affine)
EACH_ISA(where)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unary), cmocka_unit_test(test_unary_sizes),     cmocka_unit_test(test_activate),
        cmocka_unit_test(test_pairs), cmocka_unit_test(test_binary_patterns), cmocka_unit_test(test_affine),
        cmocka_unit_test(test_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
