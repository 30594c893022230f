/* Softmax, normalizations and reductions against sums in double, for every instruction set. */
#include "tests/kernels/kernel_test.h"

static bool same_float(float a, float b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

static void check_near(float got, double expected, double bound, const char *what, size_t at)
{
    if (same_float(got, (float)expected)) return;
    if (!(fabs((double)got - expected) <= bound)) {
        fail_msg("%s: element %zu is %.9g, expected %.9g within %.3g", what, at, (double)got, expected, bound);
    }
}

/* Element i of line `line`: rows lie one after the other (pitch 1), columns side by side. */
typedef struct lines {
    size_t count, n, line, pitch;
} lines;

static const lines row_lines[] = {{1, 1, 1, 1},     {3, 2, 2, 1},       {5, 17, 17, 1},     {2, 64, 64, 1},
                                  {7, 197, 197, 1}, {2, 1000, 1000, 1}, {1, 5003, 5003, 1}, {0, 4, 4, 1}};
static const lines column_lines[] = {{1, 1, 1, 1},     {3, 2, 1, 3},    {64, 17, 1, 64}, {70, 5, 1, 75},
                                     {19, 200, 1, 19}, {5, 3001, 1, 5}, {0, 4, 1, 0},    {133, 65, 1, 140}};
#define N_ROW_LINES    (sizeof row_lines / sizeof *row_lines)
#define N_COLUMN_LINES (sizeof column_lines / sizeof *column_lines)

static size_t size_of(const lines *l)
{
    return l->count > 0 ? (l->count - 1) * l->line + (l->n - 1) * l->pitch + 1 : 0;
}
static size_t at(const lines *l, size_t line, size_t i)
{
    return line * l->line + i * l->pitch;
}

/* Values of a line around `center`. */
static float *line_values(size_t n, float center, float width, uint32_t seed)
{
    float *x = random_floats(n, seed);
    for (size_t i = 0; i < n; i++) x[i] = center + width * x[i];
    return x;
}

/* ---------------------------------------------------------------------------------------------------- softmax */

static void check_softmax_line(const lines *l, size_t line, const float *x, const float *y, bool logarithm,
                               const char *what)
{
    float max = -INFINITY; /* in double, gcc 12 does not survive this loop on aarch64 */
    double sum = 0;
    for (size_t i = 0; i < l->n; i++) max = fmaxf(max, x[at(l, line, i)]);
    for (size_t i = 0; i < l->n; i++) sum += exp((double)x[at(l, line, i)] - (double)max);
    for (size_t i = 0; i < l->n; i++) {
        double z = (double)x[at(l, line, i)] - (double)max;
        double expected = logarithm ? z - log(sum) : exp(z) / sum;
        double bound = logarithm ? 2e-7 * (fabs(expected) + 1) : expected * (4e-7 + 1.2e-7 * fabs(z)) + 1e-44;
        check_near(y[at(l, line, i)], expected, bound, what, i);
    }
}

static void run_softmax(const sn_kernels *k, const lines *l, bool columns, bool logarithm, const float *x, float *y)
{
    const sn_norm_kernels *norm = k->norm;
    if (columns) {
        (logarithm ? norm->log_softmax_columns : norm->softmax_columns)(x, y, l->n, l->count, l->pitch);
    } else {
        (logarithm ? norm->log_softmax : norm->softmax)(x, y, l->count, l->n);
    }
}

static void check_softmax_lines(const sn_kernels *k, const lines *l, bool columns, bool logarithm)
{
    size_t size = size_of(l);
    float *x = line_values(size, 3, 30, 1), *y = poisoned_floats(size);
    if (size > 4) x[size / 2] = -INFINITY;
    run_softmax(k, l, columns, logarithm, x, y);
    for (size_t line = 0; line < l->count; line++) check_softmax_line(l, line, x, y, logarithm, k->isa);
    /* Each line by itself, in place. */
    for (size_t line = 0; line < l->count; line++) {
        lines one = *l;
        one.count = 1;
        run_softmax(k, &one, columns, logarithm, x + line * l->line, x + line * l->line);
        for (size_t i = 0; i < l->n; i++) assert_true(same_float(x[at(l, line, i)], y[at(l, line, i)]));
    }
    free(x);
    free(y);
}

static void check_softmax(const sn_kernels *k)
{
    for (int logarithm = 0; logarithm < 2; logarithm++) {
        for (size_t i = 0; i < N_ROW_LINES; i++) check_softmax_lines(k, &row_lines[i], false, logarithm);
        for (size_t i = 0; i < N_COLUMN_LINES; i++) check_softmax_lines(k, &column_lines[i], true, logarithm);
    }
}

/* A line with NaN or +infinity, or with nothing but -infinity, is NaN whole; its neighbours are not. */
static void check_softmax_special(const sn_kernels *k)
{
    enum { ROWS = 4, N = 35 };
    static const float special[] = {NAN, INFINITY, -INFINITY};
    for (int columns = 0; columns < 2; columns++) {
        for (int s = 0; s < 3; s++) {
            const lines l = {ROWS, N, columns ? 1 : N, columns ? ROWS : 1};
            float *x = line_values(ROWS * N, 0, 1, 2);
            for (size_t i = 0; i < (special[s] < 0 ? N : 1); i++) x[at(&l, 2, N - 1 - i)] = special[s];
            for (int logarithm = 0; logarithm < 2; logarithm++) {
                float *y = poisoned_floats(ROWS * N);
                run_softmax(k, &l, columns, logarithm, x, y);
                for (size_t i = 0; i < N; i++) {
                    assert_true(isnan(y[at(&l, 2, i)]));
                    assert_false(isnan(y[at(&l, 1, i)]));
                }
                free(y);
            }
            free(x);
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- row norms */

static void check_row_norm(const sn_kernels *k, const lines *l, bool rms, bool parameters, float center)
{
    size_t size = size_of(l);
    const double epsilon = (double)1e-5f;
    float *x = line_values(size, center, 2, 3), *y = poisoned_floats(size);
    float *scale = random_floats(l->n, 4), *bias = random_floats(l->n, 5);
    float *mean = poisoned_floats(l->count), *inverse = poisoned_floats(l->count);
    sn_row_norm p = {.x = x, .y = y, .n = l->n, .epsilon = 1e-5f, .mean_out = mean, .inverse_out = inverse};
    if (parameters) {
        p.scale = scale;
        p.bias = bias;
    }
    void (*run)(const sn_row_norm *, size_t, size_t) = rms ? k->norm->rms_norm : k->norm->layer_norm;
    run(&p, 0, l->count);
    for (size_t r = 0; r < l->count; r++) {
        double m = 0, v = 0;
        for (size_t i = 0; i < l->n && !rms; i++) m += (double)x[at(l, r, i)] / (double)l->n;
        for (size_t i = 0; i < l->n; i++) v += ((double)x[at(l, r, i)] - m) * ((double)x[at(l, r, i)] - m);
        double f = 1 / sqrt(v / (double)l->n + epsilon);
        check_near(mean[r], m, 1e-7 * fabs(m) + 1e-7, k->isa, r);
        /* A mean that is rounded to float shifts all elements. */
        double shift = 1.2e-7 * fabs(m) * f;
        check_near(inverse[r], f, 3e-7 * f + shift * f, k->isa, r);
        for (size_t i = 0; i < l->n; i++) {
            double s = parameters ? (double)scale[i] : 1, b = parameters ? (double)bias[i] : 0;
            double z = ((double)x[at(l, r, i)] - m) * f * s;
            check_near(y[at(l, r, i)], z + b, 6e-7 * (fabs(z) + fabs(b)) + shift, k->isa, at(l, r, i));
        }
    }
    p.y = x;
    p.mean_out = p.inverse_out = NULL;
    run(&p, l->count / 2, l->count);
    run(&p, 0, l->count / 2);
    for (size_t i = 0; i < size; i++) assert_true(same_float(x[i], y[i]));
    free(x);
    free(y);
    free(scale);
    free(bias);
    free(mean);
    free(inverse);
}

static void check_row_norms(const sn_kernels *k)
{
    for (size_t i = 0; i < N_ROW_LINES; i++) {
        for (int c = 0; c < 8; c++) check_row_norm(k, &row_lines[i], c & 1, c & 2, c & 4 ? 1000 : 0.5f);
    }
}

/* ---------------------------------------------------------------------------------------------------- moments */

static void exact_moments(const lines *l, size_t line, const float *x, double *mean, double *variance)
{
    *mean = *variance = 0;
    for (size_t i = 0; i < l->n; i++) *mean += (double)x[at(l, line, i)] / (double)l->n;
    for (size_t i = 0; i < l->n; i++) {
        double d = (double)x[at(l, line, i)] - *mean;
        *variance += d * d / (double)l->n;
    }
}

/* Even where the mean is a thousand times the deviation, the variance keeps its digits. */
static void check_moments_of(const sn_kernels *k, const lines *l, bool columns, float center)
{
    size_t size = size_of(l);
    float *x = line_values(size, center, 1, 6);
    float *mean = poisoned_floats(l->count), *variance = poisoned_floats(l->count);
    if (columns) {
        k->norm->column_moments(x, l->n, l->count, l->pitch, mean, variance);
    } else {
        for (size_t r = 0; r < l->count; r++) k->norm->moments(x + r * l->line, l->n, &mean[r], &variance[r]);
    }
    for (size_t line = 0; line < l->count; line++) {
        double m, v;
        exact_moments(l, line, x, &m, &v);
        check_near(mean[line], m, 3e-7 * (fabs(m) + 1), k->isa, line);
        check_near(variance[line], v, 2e-6 * v + 1e-12 * m * m, k->isa, line);
        if (!columns) continue;
        float one_mean, one_variance; /* a column by itself */
        k->norm->column_moments(x + line, l->n, 1, l->pitch, &one_mean, &one_variance);
        assert_true(same_float(one_mean, mean[line]) && same_float(one_variance, variance[line]));
    }
    free(x);
    free(mean);
    free(variance);
}

static void check_moments(const sn_kernels *k)
{
    for (int far = 0; far < 2; far++) {
        for (size_t i = 0; i < N_ROW_LINES; i++) check_moments_of(k, &row_lines[i], false, far ? 1000 : 0);
        for (size_t i = 0; i < N_COLUMN_LINES; i++) check_moments_of(k, &column_lines[i], true, far ? 1000 : 0);
    }
}

/* Groups of channels of an NHWC image, and the normalization that follows, against the same in double. */
static void check_groups(const sn_kernels *k)
{
    enum { PIXELS = 150, CHANNELS = 24, GROUPS = 4, MEMBERS = CHANNELS / GROUPS };
    float *x = line_values(PIXELS * CHANNELS, 10, 1, 7), *y = poisoned_floats(PIXELS * CHANNELS);
    float mean[CHANNELS], variance[CHANNELS], group_mean[GROUPS], group_variance[GROUPS];
    float shift[CHANNELS], scale[CHANNELS], bias[CHANNELS];
    for (size_t i = 0; i < PIXELS * CHANNELS; i++) x[i] += (float)(i % CHANNELS);
    k->norm->column_moments(x, PIXELS, CHANNELS, CHANNELS, mean, variance);
    k->norm->join_moments(mean, variance, CHANNELS, GROUPS, group_mean, group_variance);
    for (size_t c = 0; c < CHANNELS; c++) {
        shift[c] = group_mean[c / MEMBERS];
        scale[c] = 1 / sqrtf(group_variance[c / MEMBERS]) * (float)(c + 1);
        bias[c] = (float)c;
    }
    k->norm->normalize((sn_ew_operand){x, CHANNELS, 1}, (sn_ew_operand){shift, 0, 1}, (sn_ew_operand){scale, 0, 1},
                       (sn_ew_operand){bias, 0, 1}, (sn_ew_result){y, CHANNELS, PIXELS, CHANNELS});
    for (size_t g = 0; g < GROUPS; g++) {
        double m = 0, v = 0, n = PIXELS * MEMBERS;
        for (size_t i = 0; i < PIXELS * MEMBERS; i++)
            m += (double)x[i / MEMBERS * CHANNELS + g * MEMBERS + i % MEMBERS];
        m /= n;
        for (size_t i = 0; i < PIXELS * MEMBERS; i++) {
            double d = (double)x[i / MEMBERS * CHANNELS + g * MEMBERS + i % MEMBERS] - m;
            v += d * d / n;
        }
        for (size_t i = 0; i < PIXELS * MEMBERS; i++) {
            size_t c = g * MEMBERS + i % MEMBERS, j = i / MEMBERS * CHANNELS + c;
            double z = ((double)x[j] - m) / sqrt(v) * (double)(c + 1);
            check_near(y[j], z + (double)c, 2e-6 * (fabs(z) + (double)c + 1), k->isa, j);
        }
    }
    /* Per row: an NCHW image. */
    k->norm->normalize((sn_ew_operand){x, PIXELS, 1}, (sn_ew_operand){shift, 1, 0}, (sn_ew_operand){scale, 1, 0},
                       (sn_ew_operand){bias, 1, 0}, (sn_ew_result){x, PIXELS, CHANNELS, 0});
    k->norm->normalize((sn_ew_operand){x, PIXELS, 1}, (sn_ew_operand){shift, 1, 0}, (sn_ew_operand){scale, 1, 0},
                       (sn_ew_operand){bias, 1, 0}, (sn_ew_result){y, PIXELS, CHANNELS, PIXELS});
    for (size_t j = 0; j < PIXELS * CHANNELS; j++) {
        size_t c = j / PIXELS;
        double z = ((double)x[j] - (double)shift[c]) * (double)scale[c];
        check_near(y[j], z + (double)bias[c], 3e-7 * (fabs(z) + (double)bias[c]), k->isa, j);
    }
    free(x);
    free(y);
}

/* ---------------------------------------------------------------------------------------------------- reductions */

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

static void check_reduction(const sn_kernels *k, int kind, size_t outer, size_t n, size_t inner, float poison)
{
    float *x = random_floats(outer * n * inner, 8), *y = poisoned_floats(outer * inner);
    for (size_t i = 0; i < outer * n * inner && kind == SN_REDUCE_PRODUCT; i++) x[i] = 1 + x[i] / 8;
    if (poison != 0 && outer * n * inner > 0) x[outer * n * inner / 2] = poison;
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
    free(x);
    free(y);
}

static void check_reductions(const sn_kernels *k)
{
    static const size_t shapes[][3] = {{1, 1, 1}, {3, 5, 1}, {2, 64, 1},  {5, 197, 1}, {1, 5003, 1},
                                       {3, 0, 1}, {2, 7, 3}, {1, 49, 64}, {3, 9, 100}, {2, 300, 5},
                                       {0, 3, 3}, {2, 0, 5}, {2, 4, 133}, {1, 33, 1},  {1, 31, 16}};
    for (int kind = 0; kind < SN_REDUCTION_COUNT; kind++) {
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            check_reduction(k, kind, shapes[s][0], shapes[s][1], shapes[s][2], 0);
            check_reduction(k, kind, shapes[s][0], shapes[s][1], shapes[s][2], NAN);
            check_reduction(k, kind, shapes[s][0], shapes[s][1], shapes[s][2], -INFINITY);
        }
    }
}

EACH_ISA(softmax)
EACH_ISA(softmax_special)
EACH_ISA(row_norms)
EACH_ISA(moments)
EACH_ISA(groups)
EACH_ISA(reductions)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softmax), cmocka_unit_test(test_softmax_special), cmocka_unit_test(test_row_norms),
        cmocka_unit_test(test_moments), cmocka_unit_test(test_groups),          cmocka_unit_test(test_reductions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
