/* Softmax and normalizations against sums in double, for every instruction set. */
#include "tests/kernels/kernel_test.h"
#include <float.h>

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

/* What spreads over all that it is added to. */
static const float special[] = {NAN, INFINITY, -INFINITY};
#define N_SPECIAL (sizeof special / sizeof *special)

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

/* A line with NaN or +infinity, or with nothing but -infinity, is NaN whole; its neighbours are as without it. */
static void check_special_line(const sn_kernels *k, const lines *l, bool columns, size_t line, float value, size_t from)
{
    size_t size = size_of(l);
    float *x = line_values(size, 0, 1, 2), *special_x = copy_of(x, size);
    for (size_t i = 0; i < (value < 0 ? l->n : 1); i++) special_x[at(l, line, (from + i) % l->n)] = value;
    for (int logarithm = 0; logarithm < 2; logarithm++) {
        float *plain = poisoned_floats(size), *y = poisoned_floats(size);
        run_softmax(k, l, columns, logarithm, x, plain);
        run_softmax(k, l, columns, logarithm, special_x, y);
        for (size_t r = 0; r < l->count; r++) {
            for (size_t i = 0; i < l->n; i++) {
                size_t j = at(l, r, i);
                assert_true(r == line ? isnan(y[j]) : isfinite(y[j]) && same_float(y[j], plain[j]));
            }
        }
        free(plain);
        free(y);
    }
    free(x);
    free(special_x);
}

/* All but one element of a line are -infinity: that one has all of the sum. */
static void check_lone_element(const sn_kernels *k, const lines *l, bool columns, size_t line, size_t i)
{
    float *x = line_values(size_of(l), 0, 1, 2);
    for (size_t j = 0; j < l->n; j++) x[at(l, line, j)] = j == i ? -3 : -INFINITY;
    for (int logarithm = 0; logarithm < 2; logarithm++) {
        float *y = poisoned_floats(size_of(l));
        run_softmax(k, l, columns, logarithm, x, y);
        check_softmax_line(l, line, x, y, logarithm, k->isa);
        free(y);
    }
    free(x);
}

/* In whole vectors of columns and in partial ones; at the ends of rows and between them. */
static void check_softmax_special(const sn_kernels *k)
{
    static const size_t shapes[][3] = {{4, 35, 2}, {133, 40, 2}, {133, 40, 130}, {133, 40, 132}}; /* lines, n, which */
    for (int c = 0; c < 2 * (int)(sizeof shapes / sizeof *shapes); c++) {
        size_t count = shapes[c / 2][0], n = shapes[c / 2][1], line = shapes[c / 2][2];
        bool columns = c % 2;
        const lines l = {count, n, columns ? 1 : n, columns ? count : 1};
        const size_t places[] = {0, n / 2, n - 1};
        for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
            for (size_t s = 0; s < N_SPECIAL; s++) check_special_line(k, &l, columns, line, special[s], places[p]);
            check_lone_element(k, &l, columns, line, places[p]);
        }
    }
}

/* Differences that overflow to -infinity, which is what their logarithms round to; terms that underflow; denormals. */
static void check_softmax_extremes(const sn_kernels *k)
{
    static const float extremes[][5] = {{FLT_MAX, -FLT_MAX, 3e38f, 0, 1e-40f},
                                        {-FLT_MAX, -3e38f, -FLT_MAX, -3e38f, -3.2e38f},
                                        {FLT_MAX, FLT_MAX, FLT_MAX, FLT_MAX, FLT_MAX},
                                        {1e-40f, -1e-40f, FLT_TRUE_MIN, -FLT_MIN, 0},
                                        {0, -87.5f, -103, -104.5f, -FLT_MAX}};
    static const lines shapes[] = {{3, 67, 67, 1}, {133, 66, 1, 133}};
    for (size_t c = 0; c < 4 * sizeof extremes / sizeof *extremes; c++) {
        const lines *l = &shapes[c % 2];
        float *x = poisoned_floats(size_of(l)), *y = poisoned_floats(size_of(l));
        for (size_t i = 0; i < size_of(l); i++) x[i] = extremes[c / 4][i % 5];
        run_softmax(k, l, l->line == 1, c & 2, x, y);
        for (size_t line = 0; line < l->count; line++) check_softmax_line(l, line, x, y, c & 2, k->isa);
        free(x);
        free(y);
    }
}

/* ---------------------------------------------------------------------------------------------------- row norms */

static void exact_moments(const lines *l, size_t line, const float *x, double *mean, double *variance)
{
    *mean = *variance = 0;
    for (size_t i = 0; i < l->n; i++) *mean += (double)x[at(l, line, i)] / (double)l->n;
    for (size_t i = 0; i < l->n; i++) {
        double d = (double)x[at(l, line, i)] - *mean;
        *variance += d * d / (double)l->n;
    }
}

/* The moments that a row is normalized with. */
static void norm_moments(const sn_row_norm *p, bool rms, size_t r, double *mean, double *variance)
{
    const lines l = {r + 1, p->n, p->n, 1};
    if (!rms) {
        exact_moments(&l, r, p->x, mean, variance);
        return;
    }
    *mean = *variance = 0;
    for (size_t i = 0; i < p->n; i++) {
        double x = (double)p->x[at(&l, r, i)];
        *variance += x * x / (double)p->n;
    }
}

static void check_normalized_row(const sn_row_norm *p, bool rms, size_t r, const char *what)
{
    double m, v;
    norm_moments(p, rms, r, &m, &v);
    double f = 1 / sqrt(v + (double)p->epsilon);
    /* A mean that is rounded to float shifts all elements. */
    double shift = 1.2e-7 * fabs(m) * f;
    check_near(p->inverse_out[r], f, 3e-7 * f + shift * f, what, r);
    for (size_t i = 0; i < p->n; i++) {
        double s = p->scale ? (double)p->scale[i] : 1, b = p->bias ? (double)p->bias[i] : 0;
        double z = ((double)p->x[r * p->n + i] - m) * f * s;
        check_near(p->y[r * p->n + i], z + b, 6e-7 * (fabs(z) + fabs(b)) + shift, what, r * p->n + i);
    }
}

static void run_row_norm(const sn_kernels *k, bool rms, const sn_row_norm *p, size_t row0, size_t row1)
{
    (rms ? k->norm->rms_norm : k->norm->layer_norm)(p, row0, row1);
}

typedef struct row_norm_case {
    bool rms, scale, bias;
    float center, width; /* of the values */
} row_norm_case;

static void check_row_norm(const sn_kernels *k, const lines *l, const row_norm_case *c)
{
    size_t size = size_of(l);
    float *x = line_values(size, c->center, c->width, 3), *y = poisoned_floats(size);
    float *scale = random_floats(l->n, 4), *bias = random_floats(l->n, 5);
    float *mean = poisoned_floats(l->count), *inverse = poisoned_floats(l->count);
    sn_row_norm p = {.x = x, .y = y, .n = l->n, .epsilon = 1e-5f, .mean_out = mean, .inverse_out = inverse};
    if (c->scale) p.scale = scale;
    if (c->bias) p.bias = bias;
    run_row_norm(k, c->rms, &p, 0, l->count);
    for (size_t r = 0; r < l->count; r++) {
        double m, v;
        norm_moments(&p, c->rms, r, &m, &v);
        check_near(mean[r], m, 1e-7 * (fabs(m) + sqrt(v)), k->isa, r);
        check_normalized_row(&p, c->rms, r, k->isa);
    }
    p.y = x;
    p.mean_out = p.inverse_out = NULL;
    run_row_norm(k, c->rms, &p, l->count / 2, l->count);
    run_row_norm(k, c->rms, &p, 0, l->count / 2);
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
        for (int c = 0; c < 16; c++) {
            const row_norm_case norm = {c & 1, c & 2, c & 4, c & 8 ? 1000 : 0.5f, 2};
            check_row_norm(k, &row_lines[i], &norm);
        }
    }
}

/* Squares near the ends of what a float holds; longer rows of such numbers may overflow, as their sums are floats. */
static void check_row_norm_extremes(const sn_kernels *k)
{
    static const float widths[] = {1e18f, 1e-20f};
    static const lines l = {3, 67, 67, 1};
    for (int c = 0; c < 8; c++) {
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            const row_norm_case norm = {c & 1, c & 2, c & 4, widths[w] / 4, widths[w]};
            check_row_norm(k, &l, &norm);
        }
    }
}

/* One value makes its row what the formula makes of it, and no other. */
static void check_special_row(const sn_kernels *k, bool rms, float value, size_t place)
{
    enum { ROWS = 5, N = 67, ROW = 2 };
    float *x = line_values((size_t)ROWS * N, 0.5f, 2, 9), *scale = random_floats(N, 4), *bias = random_floats(N, 5);
    float *plain = poisoned_floats((size_t)ROWS * N), *y = poisoned_floats((size_t)ROWS * N);
    float mean[ROWS], inverse[ROWS];
    sn_row_norm p = {x, plain, N, 1e-5f, scale, bias, mean, inverse};
    run_row_norm(k, rms, &p, 0, ROWS);
    x[ROW * N + place] = value;
    p.y = y;
    run_row_norm(k, rms, &p, 0, ROWS);
    check_normalized_row(&p, rms, ROW, k->isa);
    assert_true(rms ? mean[ROW] == 0 : !isfinite(mean[ROW]));
    for (size_t i = 0; i < (size_t)ROWS * N; i++) {
        if (i / N == ROW) {
            assert_true(rms || isnan(y[i]));
        } else {
            assert_true(isfinite(y[i]) && same_float(y[i], plain[i]));
        }
    }
    free(x);
    free(scale);
    free(bias);
    free(plain);
    free(y);
}

static void check_row_norm_special(const sn_kernels *k)
{
    static const size_t places[] = {0, 33, 66};
    for (int rms = 0; rms < 2; rms++) {
        for (size_t s = 0; s < N_SPECIAL * 3; s++) check_special_row(k, rms, special[s / 3], places[s % 3]);
    }
}

/* ---------------------------------------------------------------------------------------------------- moments */

/* Even where the mean is a thousand times the deviation, the variance keeps its digits. It is never negative, even if
 * the squares of the mean's own errors are too small for a float. */
static void check_moments_of(const sn_kernels *k, const lines *l, bool columns, float center, float width)
{
    size_t size = size_of(l);
    float *x = line_values(size, center, width, 6);
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
        assert_false(signbit(variance[line]));
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
    static const float values[][2] = {{0, 1}, {1000, 1}, {0.1f, 0}, {-1000.1f, 0}, {3.1e-16f, 0}}; /* center, width */
    for (size_t c = 0; c < sizeof values / sizeof *values; c++) {
        float center = values[c][0], width = values[c][1];
        for (size_t i = 0; i < N_ROW_LINES; i++) check_moments_of(k, &row_lines[i], false, center, width);
        for (size_t i = 0; i < N_COLUMN_LINES; i++) check_moments_of(k, &column_lines[i], true, center, width);
    }
}

/* In the first block or in the last one. */
static void check_moments_special(const sn_kernels *k)
{
    static const size_t sizes[] = {67, 5003};
    for (size_t c = 0; c < 2 * N_SPECIAL; c++) {
        size_t n = sizes[c % 2];
        const size_t places[] = {0, n / 2, n - 1};
        for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
            float *x = line_values(n, 0.5f, 2, 9), mean = 0, variance = 0;
            x[places[p]] = special[c / 2];
            k->norm->moments(x, n, &mean, &variance);
            assert_true(!isfinite(mean) && isnan(variance));
            free(x);
        }
    }
}

static void check_special_columns(const sn_kernels *k, size_t rows, float value, size_t row)
{
    enum { COLUMNS = 133 };
    float *x = line_values(rows * COLUMNS, 0.5f, 2, 9);
    float plain_mean[COLUMNS], plain_variance[COLUMNS], mean[COLUMNS], variance[COLUMNS];
    k->norm->column_moments(x, rows, COLUMNS, COLUMNS, plain_mean, plain_variance);
    x[row * COLUMNS + 3] = x[row * COLUMNS + 130] = x[row * COLUMNS + 132] = value;
    k->norm->column_moments(x, rows, COLUMNS, COLUMNS, mean, variance);
    for (size_t c = 0; c < COLUMNS; c++) {
        if (c == 3 || c == 130 || c == 132) {
            assert_true(!isfinite(mean[c]) && isnan(variance[c]));
        } else {
            assert_true(isfinite(mean[c]) && same_float(mean[c], plain_mean[c]));
            assert_true(isfinite(variance[c]) && same_float(variance[c], plain_variance[c]));
        }
    }
    free(x);
}

/* In one block or in several. */
static void check_column_moments_special(const sn_kernels *k)
{
    static const size_t sizes[] = {40, 65, 200};
    for (size_t c = 0; c < N_SPECIAL * 3; c++) {
        size_t n = sizes[c % 3];
        const size_t places[] = {0, n / 2, n - 1};
        for (int p = 0; p < 3; p++) check_special_columns(k, n, special[c / 3], places[p]);
    }
}

/* A group is NaN if one of its members is, and no other group. */
static void check_join_special(const sn_kernels *k)
{
    enum { CHANNELS = 24, GROUPS = 4, MEMBERS = CHANNELS / GROUPS };
    for (size_t c = 0; c < CHANNELS; c++) {
        float *mean = random_floats(CHANNELS, 7), *variance = line_values(CHANNELS, 2, 1, 8);
        float plain[2][GROUPS], joined[2][GROUPS];
        k->norm->join_moments(mean, variance, CHANNELS, GROUPS, plain[0], plain[1]);
        mean[c] = variance[c] = NAN;
        k->norm->join_moments(mean, variance, CHANNELS, GROUPS, joined[0], joined[1]);
        for (size_t g = 0; g < GROUPS; g++) {
            for (int i = 0; i < 2; i++) {
                assert_true(g == c / MEMBERS ? isnan(joined[i][g]) : same_float(joined[i][g], plain[i][g]));
            }
        }
        free(mean);
        free(variance);
    }
}

/* No elements: nothing is read. */
static void check_empty(const sn_kernels *k)
{
    float *none = poisoned_floats(0), mean[3] = {7, 7, 7}, inverse[3];
    const sn_row_norm p = {none, none, 0, 1e-5f, none, none, mean, inverse};
    run_row_norm(k, false, &p, 0, 3);
    assert_true(mean[0] == 0 && mean[2] == 0);
    mean[0] = 7;
    k->norm->moments(none, 0, mean, inverse);
    assert_true(mean[0] == 0);
    k->norm->column_moments(none, 0, 3, 3, mean, inverse);
    free(none);
}

/* ---------------------------------------------------------------------------------------------------- groups */

#define PIXELS        150
#define MOST_CHANNELS 35

/* An image's channels, each by itself, and what normalizes them, with one group's moments in all of its members. */
typedef struct group_norm {
    size_t channels, members;
    float shift[MOST_CHANNELS], scale[MOST_CHANNELS], bias[MOST_CHANNELS];
} group_norm;

/* The moments of groups may take the channels' place. */
static void join_groups(const sn_kernels *k, const float *x, size_t channels, size_t groups, float *mean,
                        float *variance)
{
    float group_mean[MOST_CHANNELS], group_variance[MOST_CHANNELS];
    k->norm->column_moments(x, PIXELS, channels, channels, mean, variance);
    k->norm->join_moments(mean, variance, channels, groups, group_mean, group_variance);
    if (groups == channels) assert_memory_equal(mean, group_mean, channels * sizeof *mean);
    k->norm->join_moments(mean, variance, channels, groups, mean, variance);
    assert_memory_equal(mean, group_mean, groups * sizeof *mean);
    assert_memory_equal(variance, group_variance, groups * sizeof *variance);
}

static group_norm find_group_norm(const sn_kernels *k, const float *x, size_t channels, size_t groups)
{
    group_norm f = {.channels = channels, .members = channels / groups};
    float mean[MOST_CHANNELS], variance[MOST_CHANNELS];
    join_groups(k, x, channels, groups, mean, variance);
    for (size_t c = 0; c < channels; c++) {
        f.shift[c] = mean[c / f.members];
        f.scale[c] = 1 / sqrtf(variance[c / f.members]) * (float)(c + 1);
        f.bias[c] = (float)c;
    }
    return f;
}

/* `row`, `step`: of shift, scale and bias. */
static void run_normalize(const sn_kernels *k, const float *x, const group_norm *f, size_t row, size_t step,
                          sn_ew_result y)
{
    k->norm->normalize((sn_ew_operand){x, y.row, 1}, (sn_ew_operand){f->shift, row, step},
                       (sn_ew_operand){f->scale, row, step}, (sn_ew_operand){f->bias, row, step}, y);
}

static void check_group(const group_norm *f, size_t g, const float *x, const float *y, const char *what)
{
    size_t n = PIXELS * f->members, first = g * f->members;
    double m = 0, v = 0;
    for (size_t i = 0; i < n; i++) m += (double)x[i / f->members * f->channels + first + i % f->members] / (double)n;
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i / f->members * f->channels + first + i % f->members] - m;
        v += d * d / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        size_t c = first + i % f->members, j = i / f->members * f->channels + c;
        double z = ((double)x[j] - m) / sqrt(v) * (double)(c + 1);
        check_near(y[j], z + (double)c, 2e-6 * (fabs(z) + (double)c + 1), what, j);
    }
}

/* With one parameter per row: an NCHW image. */
static void check_normalized_rows(const sn_kernels *k, const group_norm *f, float *x, float *y)
{
    float *before = copy_of(x, PIXELS * f->channels);
    run_normalize(k, x, f, 1, 0, (sn_ew_result){x, PIXELS, f->channels, 0});
    assert_memory_equal(x, before, PIXELS * f->channels * sizeof *x);
    run_normalize(k, x, f, 1, 0, (sn_ew_result){y, PIXELS, f->channels, PIXELS});
    for (size_t j = 0; j < PIXELS * f->channels; j++) {
        size_t c = j / PIXELS;
        double z = ((double)x[j] - (double)f->shift[c]) * (double)f->scale[c];
        check_near(y[j], z + (double)f->bias[c], 3e-7 * (fabs(z) + (double)f->bias[c]), k->isa, j);
    }
    free(before);
}

/* Groups of channels of an NHWC image, and the normalization that follows, against the same in double. */
static void check_groups(const sn_kernels *k)
{
    static const size_t shapes[][2] = {{24, 4}, {MOST_CHANNELS, 5}, {7, 7}, {13, 1}}; /* channels, groups */
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        size_t channels = shapes[s][0], groups = shapes[s][1], size = PIXELS * channels;
        float *x = line_values(size, 10, 1, 7), *y = poisoned_floats(size);
        for (size_t i = 0; i < size; i++) x[i] += (float)(i % channels);
        group_norm f = find_group_norm(k, x, channels, groups);
        run_normalize(k, x, &f, 0, 1, (sn_ew_result){y, channels, PIXELS, channels});
        for (size_t g = 0; g < groups; g++) check_group(&f, g, x, y, k->isa);
        check_normalized_rows(k, &f, x, y);
        free(x);
        free(y);
    }
}

/* An element of x or a parameter changes what it belongs to and nothing else. Operand 0 is x, the others are of one
 * element per row or per column. */
static void check_special_operand(const sn_kernels *k, bool per_row, int operand, float value, size_t place)
{
    enum { ROWS = 5, N = 67 };
    size_t row = per_row, step = !per_row, size = (size_t)ROWS * N;
    float *o[4] = {random_floats(size, 1), random_floats(N, 2), random_floats(N, 3), random_floats(N, 4)};
    float *plain = poisoned_floats(size), *y = poisoned_floats(size);
    for (int pass = 0; pass < 2; pass++) {
        if (pass) o[operand][place] = value;
        k->norm->normalize((sn_ew_operand){o[0], N, 1}, (sn_ew_operand){o[1], row, step},
                           (sn_ew_operand){o[2], row, step}, (sn_ew_operand){o[3], row, step},
                           (sn_ew_result){pass ? y : plain, N, ROWS, N});
    }
    for (size_t i = 0; i < size; i++) {
        size_t p = per_row ? i / N : i % N;
        bool hit = place == (operand == 0 ? i : p);
        double exact = ((double)o[0][i] - (double)o[1][p]) * (double)o[2][p] + (double)o[3][p];
        assert_true(same_float(y[i], hit ? (float)exact : plain[i]));
    }
    for (int i = 0; i < 4; i++) free(o[i]);
    free(plain);
    free(y);
}

static void check_normalize_special(const sn_kernels *k)
{
    static const size_t places[2][3] = {{2, 33, 66}, {0, 2, 4}}; /* of parameters per column, per row */
    for (int per_row = 0; per_row < 2; per_row++) {
        for (size_t c = 0; c < N_SPECIAL * 3 * 4; c++) {
            size_t operand = c % 4, place = places[per_row][c / 4 % 3];
            if (operand == 0) place = 2 * 67 + places[0][c / 4 % 3];
            check_special_operand(k, per_row, (int)operand, special[c / 12], place);
        }
    }
}

EACH_ISA(softmax)
EACH_ISA(softmax_special)
EACH_ISA(softmax_extremes)
EACH_ISA(row_norms)
EACH_ISA(row_norm_extremes)
EACH_ISA(row_norm_special)
EACH_ISA(moments)
EACH_ISA(moments_special)
EACH_ISA(column_moments_special)
EACH_ISA(join_special)
EACH_ISA(empty)
EACH_ISA(groups)
EACH_ISA(normalize_special)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_softmax_special),
        cmocka_unit_test(test_softmax_extremes),
        cmocka_unit_test(test_row_norms),
        cmocka_unit_test(test_row_norm_extremes),
        cmocka_unit_test(test_row_norm_special),
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_moments_special),
        cmocka_unit_test(test_column_moments_special),
        cmocka_unit_test(test_join_special),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_normalize_special),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
