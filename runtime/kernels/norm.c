/*
 * norm.c - softmax, normalizations and reductions. See norm.h for the formulas and the order of sums.
 *
 * Along rows a vector holds neighbours of one sum, which are folded at a block's end. Along columns a vector holds as
 * many sums, and COLUMN_VECTORS of them are carried side by side, so that whole cache lines are read of every row.
 */
#include "runtime/kernels/isa.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/vector_math.h"

#define BLOCK          2048 /* elements of a row */
#define BLOCK_ROWS     64   /* of columns */
#define COLUMN_VECTORS 4
#define LANES_PER_STEP (4 * VL) /* independent sums along a row, which hide the addition's latency */

KERNEL_INLINE float fold_sum(vf v)
{
    if (VL >= 16) v = v + vf_across(v, 8);
    if (VL >= 8) v = v + vf_across(v, 4);
    v = v + vf_across(v, 2);
    return (v + vf_across(v, 1))[0];
}
KERNEL_INLINE float fold_max(vf v)
{
    if (VL >= 16) v = vf_max(v, vf_across(v, 8));
    if (VL >= 8) v = vf_max(v, vf_across(v, 4));
    v = vf_max(v, vf_across(v, 2));
    return vf_max(v, vf_across(v, 1))[0];
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---------------------------------------------------------------------------------------------------- sums of rows */

typedef enum term { TERM_VALUE, TERM_ABS, TERM_SQUARE } term;

KERNEL_INLINE vf term_of(term t, vf x)
{
    switch (t) {
    case TERM_VALUE: return x;
    case TERM_ABS: return vf_abs(x);
    case TERM_SQUARE: return x * x;
    }
    return x;
}

KERNEL_INLINE float sum_block(term t, const float *x, size_t n)
{
    vf s0 = {0}, s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + LANES_PER_STEP <= n; i += LANES_PER_STEP) {
        s0 += term_of(t, vf_load(x + i));
        s1 += term_of(t, vf_load(x + i + VL));
        s2 += term_of(t, vf_load(x + i + 2 * VL));
        s3 += term_of(t, vf_load(x + i + 3 * VL));
    }
    for (; i + VL <= n; i += VL) s0 += term_of(t, vf_load(x + i));
    if (i < n) s1 += term_of(t, vf_load_part(x + i, n - i));
    return fold_sum((s0 + s1) + (s2 + s3));
}

KERNEL_INLINE double sum_row(term t, const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i += BLOCK) sum += (double)sum_block(t, x + i, least(BLOCK, n - i));
    return sum;
}

/* ---------------------------------------------------------------------------------------------------- softmax */

static float max_of_row(const float *x, size_t n)
{
    const vf none = vf_splat(-INFINITY);
    vf m0 = none, m1 = none;
    size_t i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL) {
        m0 = vf_max(vf_load(x + i), m0);
        m1 = vf_max(vf_load(x + i + VL), m1);
    }
    for (; i + VL <= n; i += VL) m0 = vf_max(vf_load(x + i), m0);
    if (i < n) m1 = vf_max(vf_first(vf_load_part(x + i, n - i), n - i, none), m1);
    return fold_max(vf_max(m0, m1));
}

/* The sum of exp(x - max), whose terms are kept in y when that is asked for. */
KERNEL_INLINE float exponentials_block(const float *x, float *y, size_t n, vf max)
{
    const vf zero = vf_splat(0);
    vf sum = zero;
    size_t i = 0;
    for (; i + VL <= n; i += VL) {
        vf e = vf_exp(vf_load(x + i) - max);
        if (y) vf_store(y + i, e);
        sum += e;
    }
    if (i < n) {
        vf e = vf_exp(vf_load_part(x + i, n - i) - max);
        if (y) vf_store_part(y + i, e, n - i);
        sum += vf_first(e, n - i, zero);
    }
    return fold_sum(sum);
}

static void softmax_row(const float *x, float *y, size_t n)
{
    const vf max = vf_splat(max_of_row(x, n));
    double sum = 0;
    for (size_t i = 0; i < n; i += BLOCK) {
        sum += (double)exponentials_block(x + i, y + i, least(BLOCK, n - i), max);
    }
    const vf inverse = vf_splat((float)(1 / sum));
    size_t i = 0;
    for (; i + VL <= n; i += VL) vf_store(y + i, vf_load(y + i) * inverse);
    if (i < n) vf_store_part(y + i, vf_load_part(y + i, n - i) * inverse, n - i);
}

static void log_softmax_row(const float *x, float *y, size_t n)
{
    const vf max = vf_splat(max_of_row(x, n));
    double sum = 0;
    for (size_t i = 0; i < n; i += BLOCK) {
        sum += (double)exponentials_block(x + i, NULL, least(BLOCK, n - i), max);
    }
    const vf log_sum = vf_splat((float)log(sum));
    size_t i = 0;
    for (; i + VL <= n; i += VL) vf_store(y + i, (vf_load(x + i) - max) - log_sum);
    if (i < n) vf_store_part(y + i, (vf_load_part(x + i, n - i) - max) - log_sum, n - i);
}

static void softmax(const float *x, float *y, size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++) softmax_row(x + r * n, y + r * n, n);
}

static void log_softmax(const float *x, float *y, size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++) log_softmax_row(x + r * n, y + r * n, n);
}

/* ---------------------------------------------------------------------------------------------------- columns */

/* `vectors` vectors of columns, or the first `part` columns of one vector when that is not 0. */
KERNEL_INLINE vf load_column(const float *p, size_t part)
{
    return part ? vf_load_part(p, part) : vf_load(p);
}
KERNEL_INLINE void store_column(float *p, vf v, size_t part)
{
    if (part) {
        vf_store_part(p, v, part);
    } else {
        vf_store(p, v);
    }
}

/* body(first column, vectors, part) with constant `vectors` for all columns. */
#define FOR_COLUMNS(columns, body)                                                                                     \
    do {                                                                                                               \
        size_t column_ = 0;                                                                                            \
        for (; column_ + COLUMN_VECTORS * VL <= (columns); column_ += COLUMN_VECTORS * VL)                             \
            body(column_, COLUMN_VECTORS, 0);                                                                          \
        for (; column_ + VL <= (columns); column_ += VL) body(column_, 1, 0);                                          \
        if (column_ < (columns)) body(column_, 1, (columns)-column_);                                                  \
    } while (0)

KERNEL_INLINE void softmax_strip(bool logarithm, const float *x, float *y, size_t n, size_t pitch, int vectors,
                                 size_t part)
{
    vf max[COLUMN_VECTORS], sum[COLUMN_VECTORS], rest[COLUMN_VECTORS];
    UNROLL
    for (int v = 0; v < vectors; v++) {
        max[v] = vf_splat(-INFINITY);
        sum[v] = rest[v] = vf_splat(0);
    }
    for (size_t i = 0; i < n; i++) {
        UNROLL
        for (int v = 0; v < vectors; v++) max[v] = vf_max(load_column(x + i * pitch + v * VL, part), max[v]);
    }
    for (size_t i = 0; i < n; i++) {
        UNROLL
        for (int v = 0; v < vectors; v++) {
            vf e = vf_exp(load_column(x + i * pitch + v * VL, part) - max[v]);
            if (!logarithm) store_column(y + i * pitch + v * VL, e, part);
            /* What an addition loses is added to the next term (Kahan), instead of blocks. */
            vf addend = e + rest[v], total = sum[v] + addend;
            rest[v] = addend - (total - sum[v]);
            sum[v] = total;
        }
    }
    UNROLL
    for (int v = 0; v < vectors; v++) sum[v] = logarithm ? vf_log(sum[v]) : 1.0f / sum[v];
    for (size_t i = 0; i < n; i++) {
        UNROLL
        for (int v = 0; v < vectors; v++) {
            const float *from = (logarithm ? x : y) + i * pitch + v * VL;
            vf e = load_column(from, part);
            store_column(y + i * pitch + v * VL, logarithm ? (e - max[v]) - sum[v] : e * sum[v], part);
        }
    }
}

static void softmax_columns(const float *x, float *y, size_t n, size_t columns, size_t pitch)
{
#define STRIP(c, vectors, part) softmax_strip(false, x + (c), y + (c), n, pitch, vectors, part)
    FOR_COLUMNS(columns, STRIP);
#undef STRIP
}

static void log_softmax_columns(const float *x, float *y, size_t n, size_t columns, size_t pitch)
{
#define STRIP(c, vectors, part) softmax_strip(true, x + (c), y + (c), n, pitch, vectors, part)
    FOR_COLUMNS(columns, STRIP);
#undef STRIP
}

/* ---------------------------------------------------------------------------------------------------- moments */

/* Mean and sum of squared deviations of `count` elements. */
typedef struct spread {
    double count, mean, squares;
} spread;

/* The sums of the distances from `center` and of their squares. */
static void deviations(const float *x, size_t n, float center, double *sum, double *squares)
{
    const vf c = vf_splat(center), zero = vf_splat(0);
    vf s0 = zero, s1 = zero, q0 = zero, q1 = zero;
    size_t i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL) {
        vf d0 = vf_load(x + i) - c, d1 = vf_load(x + i + VL) - c;
        s0 += d0;
        s1 += d1;
        q0 += d0 * d0;
        q1 += d1 * d1;
    }
    for (; i < n; i += VL) {
        size_t part = least(VL, n - i);
        vf d = vf_first(vf_load_part(x + i, part) - c, part, zero);
        s0 += d;
        q0 += d * d;
    }
    *sum = (double)fold_sum(s0 + s1);
    *squares = (double)fold_sum(q0 + q1);
}

/* The first pass finds the mean as well as float sums can, the second one what that missed. */
static spread spread_of_block(const float *x, size_t n)
{
    double count = (double)n, sum, squares;
    float center = (float)((double)sum_block(TERM_VALUE, x, n) / count);
    deviations(x, n, center, &sum, &squares);
    squares -= sum * sum / count;
    return (spread){count, (double)center + sum / count, squares < 0 ? 0 : squares};
}

static spread join(spread a, spread b)
{
    double delta = b.mean - a.mean, count = a.count + b.count, share = b.count / count;
    return (spread){count, a.mean + delta * share, a.squares + b.squares + delta * delta * a.count * share};
}

static spread spread_of(const float *x, size_t n)
{
    if (n == 0) return (spread){0, 0, 0};
    spread s = spread_of_block(x, least(BLOCK, n));
    for (size_t i = BLOCK; i < n; i += BLOCK) s = join(s, spread_of_block(x + i, least(BLOCK, n - i)));
    return s;
}

static void moments(const float *x, size_t n, float *mean, float *variance)
{
    spread s = spread_of(x, n);
    *mean = (float)s.mean;
    *variance = (float)(s.squares / s.count);
}

/* Of columns, side by side; the mean is base + offset, as a float for both would have too few digits to tell the means
 * of blocks apart. */
typedef struct column_spread {
    vf base[COLUMN_VECTORS], offset[COLUMN_VECTORS], squares[COLUMN_VECTORS];
} column_spread;

/* The mean of a block's columns as well as float sums can find it. */
KERNEL_INLINE void column_centers(const float *x, size_t n, size_t pitch, int vectors, size_t part, vf *center)
{
    UNROLL
    for (int v = 0; v < vectors; v++) center[v] = vf_splat(0);
    for (size_t i = 0; i < n; i++) {
        UNROLL
        for (int v = 0; v < vectors; v++) center[v] += load_column(x + i * pitch + v * VL, part);
    }
    UNROLL
    for (int v = 0; v < vectors; v++) center[v] *= 1 / (float)n;
}

/* Relative to s->base, or to the block's own centers when it is the first block. */
KERNEL_INLINE void column_block(const float *x, size_t n, size_t pitch, int vectors, size_t part, bool first,
                                column_spread *s)
{
    const float share = 1 / (float)n;
    vf center[COLUMN_VECTORS], sum[COLUMN_VECTORS];
    column_centers(x, n, pitch, vectors, part, center);
    UNROLL
    for (int v = 0; v < vectors; v++) sum[v] = s->squares[v] = vf_splat(0);
    for (size_t i = 0; i < n; i++) {
        UNROLL
        for (int v = 0; v < vectors; v++) {
            vf d = load_column(x + i * pitch + v * VL, part) - center[v];
            sum[v] += d;
            s->squares[v] += d * d;
        }
    }
    UNROLL
    for (int v = 0; v < vectors; v++) {
        if (first) s->base[v] = center[v];
        s->offset[v] = (center[v] - s->base[v]) + sum[v] * share;
        s->squares[v] = vf_max(vf_splat(0), s->squares[v] - sum[v] * sum[v] * share); /* NaN stays */
    }
}

KERNEL_INLINE void column_moments_strip(const float *x, size_t n, size_t pitch, float *mean, float *variance,
                                        int vectors, size_t part)
{
    column_spread all, block;
    column_block(x, least(BLOCK_ROWS, n), pitch, vectors, part, true, &all);
    UNROLL
    for (int v = 0; v < vectors; v++) block.base[v] = all.base[v];
    for (size_t i = BLOCK_ROWS; i < n; i += BLOCK_ROWS) {
        size_t rows = least(BLOCK_ROWS, n - i);
        column_block(x + i * pitch, rows, pitch, vectors, part, false, &block);
        const float share = (float)((double)rows / (double)(i + rows));
        UNROLL
        for (int v = 0; v < vectors; v++) {
            vf delta = block.offset[v] - all.offset[v];
            all.offset[v] += delta * share;
            all.squares[v] += block.squares[v] + delta * delta * ((float)i * share);
        }
    }
    UNROLL
    for (int v = 0; v < vectors; v++) {
        store_column(mean + v * VL, all.base[v] + all.offset[v], part);
        store_column(variance + v * VL, all.squares[v] / (float)n, part);
    }
}

static void column_moments(const float *x, size_t n, size_t columns, size_t pitch, float *mean, float *variance)
{
#define STRIP(c, vectors, part) column_moments_strip(x + (c), n, pitch, mean + (c), variance + (c), vectors, part)
    FOR_COLUMNS(columns, STRIP);
#undef STRIP
}

static void join_moments(const float *mean, const float *variance, size_t columns, size_t groups, float *group_mean,
                         float *group_variance)
{
    const size_t members = groups > 0 ? columns / groups : 0;
    for (size_t g = 0; g < groups; g++) {
        const float *m = mean + g * members, *v = variance + g * members;
        spread s = {1, (double)m[0], (double)v[0]};
        for (size_t c = 1; c < members; c++) s = join(s, (spread){1, (double)m[c], (double)v[c]});
        group_mean[g] = (float)s.mean;
        group_variance[g] = (float)(s.squares / s.count);
    }
}

/* ---------------------------------------------------------------------------------------------------- normalizing */

typedef struct normalize_row_of {
    const float *x, *mean, *scale, *bias;
    float *y;
} normalize_row_of;

KERNEL_INLINE vf parameter(const float *p, size_t step, size_t i, size_t part)
{
    return step ? load_column(p + i, part) : vf_splat(p[0]);
}

KERNEL_INLINE void normalize_vector(const normalize_row_of *w, size_t step, size_t i, size_t part)
{
    vf d = load_column(w->x + i, part) - parameter(w->mean, step, i, part);
    vf y = vf_fma(d, parameter(w->scale, step, i, part), parameter(w->bias, step, i, part));
    store_column(w->y + i, y, part);
}

KERNEL_INLINE void normalize_loop(const normalize_row_of *w, size_t step, size_t n)
{
    size_t i = 0;
    for (; i + VL <= n; i += VL) normalize_vector(w, step, i, 0);
    if (i < n) normalize_vector(w, step, i, n - i);
}

static void normalize(sn_ew_operand x, sn_ew_operand mean, sn_ew_operand scale, sn_ew_operand bias, sn_ew_result y)
{
    if (y.n == 0) return;
    for (size_t r = 0; r < y.rows; r++) {
        const normalize_row_of w = {x.data + r * x.row, mean.data + r * mean.row, scale.data + r * scale.row,
                                    bias.data + r * bias.row, y.data + r * y.row};
        if (mean.step) {
            normalize_loop(&w, 1, y.n);
        } else {
            normalize_loop(&w, 0, y.n);
        }
    }
}

/* One vector of y = (x - mean) * inverse * scale + bias. */
KERNEL_INLINE void row_norm_vector(const sn_row_norm *p, const float *x, float *y, vf mean, vf inverse, size_t i,
                                   size_t part)
{
    vf scale = p->scale ? load_column(p->scale + i, part) * inverse : inverse;
    vf d = load_column(x + i, part) - mean;
    store_column(y + i, p->bias ? vf_fma(d, scale, load_column(p->bias + i, part)) : d * scale, part);
}

static void row_norm(const sn_row_norm *p, size_t row, double mean, double variance)
{
    const float inverse = (float)(1 / sqrt(variance + (double)p->epsilon));
    const float *x = p->x + row * p->n;
    float *y = p->y + row * p->n;
    const vf m = vf_splat((float)mean), s = vf_splat(inverse);
    size_t i = 0;
    for (; i + VL <= p->n; i += VL) row_norm_vector(p, x, y, m, s, i, 0);
    if (i < p->n) row_norm_vector(p, x, y, m, s, i, p->n - i);
    if (p->mean_out) p->mean_out[row] = (float)mean;
    if (p->inverse_out) p->inverse_out[row] = inverse;
}

static void layer_norm(const sn_row_norm *p, size_t row0, size_t row1)
{
    for (size_t r = row0; r < row1; r++) {
        spread s = spread_of(p->x + r * p->n, p->n);
        row_norm(p, r, s.mean, s.squares / s.count);
    }
}

static void rms_norm(const sn_row_norm *p, size_t row0, size_t row1)
{
    for (size_t r = row0; r < row1; r++) {
        row_norm(p, r, 0, sum_row(TERM_SQUARE, p->x + r * p->n, p->n) / (double)p->n);
    }
}

/* ---------------------------------------------------------------------------------------------------- reductions */

/* A vector's worth of sums, products, ... that is being built up. */
typedef struct accumulator {
    vf best;      /* maximum, minimum */
    vi nan;       /* whether they have met one */
    vd low, high; /* sums and products */
} accumulator;

KERNEL_INLINE accumulator begin(sn_reduction kind)
{
    const float none = kind == SN_REDUCE_MAX ? -INFINITY : INFINITY;
    const vd neutral = (vd){0} + (kind == SN_REDUCE_PRODUCT ? 1.0 : 0.0);
    return (accumulator){.best = vf_splat(none), .low = neutral, .high = neutral};
}

KERNEL_INLINE void take(sn_reduction kind, accumulator *a, vf x)
{
    if (kind == SN_REDUCE_MAX || kind == SN_REDUCE_MIN) {
        a->best = kind == SN_REDUCE_MAX ? vf_max(x, a->best) : vf_min(x, a->best);
        a->nan |= x != x;
    } else if (kind == SN_REDUCE_PRODUCT) {
        a->low *= vd_low(x);
        a->high *= vd_high(x);
    } else {
        vf t = term_of(kind == SN_REDUCE_ABS ? TERM_ABS : kind == SN_REDUCE_SQUARES ? TERM_SQUARE : TERM_VALUE, x);
        a->low += vd_low(t);
        a->high += vd_high(t);
    }
}

KERNEL_INLINE vf end(sn_reduction kind, const accumulator *a, size_t n)
{
    if (kind == SN_REDUCE_MAX || kind == SN_REDUCE_MIN) return vf_select(a->nan, vf_splat(NAN), a->best);
    if (kind == SN_REDUCE_MEAN) return vf_from_halves(a->low / (double)n, a->high / (double)n);
    return vf_from_halves(a->low, a->high);
}

KERNEL_INLINE void reduce_strip(sn_reduction kind, const float *x, float *y, size_t n, size_t pitch, int vectors,
                                size_t part)
{
    accumulator a[COLUMN_VECTORS];
    UNROLL
    for (int v = 0; v < vectors; v++) a[v] = begin(kind);
    for (size_t i = 0; i < n; i++) {
        UNROLL
        for (int v = 0; v < vectors; v++) take(kind, &a[v], load_column(x + i * pitch + v * VL, part));
    }
    UNROLL
    for (int v = 0; v < vectors; v++) store_column(y + v * VL, end(kind, &a[v], n), part);
}

KERNEL_INLINE float extreme_of_row(sn_reduction kind, const float *x, size_t n)
{
    accumulator a = begin(kind), b = a;
    size_t i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL) {
        take(kind, &a, vf_load(x + i));
        take(kind, &b, vf_load(x + i + VL));
    }
    for (; i + VL <= n; i += VL) take(kind, &a, vf_load(x + i));
    if (i < n) take(kind, &b, vf_first(vf_load_part(x + i, n - i), n - i, begin(kind).best));
    take(kind, &a, b.best);
    if (vi_any(a.nan | b.nan)) return NAN;
    return kind == SN_REDUCE_MAX ? fold_max(a.best) : -fold_max(-a.best);
}

static float product_of_row(const float *x, size_t n)
{
    accumulator a = begin(SN_REDUCE_PRODUCT);
    size_t i = 0;
    for (; i + VL <= n; i += VL) take(SN_REDUCE_PRODUCT, &a, vf_load(x + i));
    if (i < n) take(SN_REDUCE_PRODUCT, &a, vf_first(vf_load_part(x + i, n - i), n - i, vf_splat(1)));
    vd both = a.low * a.high;
    double product = 1;
    for (int lane = 0; lane < VL / 2; lane++) product *= both[lane];
    return (float)product;
}

KERNEL_INLINE float reduce_row(sn_reduction kind, const float *x, size_t n)
{
    switch (kind) {
    case SN_REDUCE_SUM: return (float)sum_row(TERM_VALUE, x, n);
    case SN_REDUCE_MEAN: return (float)(sum_row(TERM_VALUE, x, n) / (double)n);
    case SN_REDUCE_SQUARES: return (float)sum_row(TERM_SQUARE, x, n);
    case SN_REDUCE_ABS: return (float)sum_row(TERM_ABS, x, n);
    case SN_REDUCE_PRODUCT: return product_of_row(x, n);
    case SN_REDUCE_MAX:
    case SN_REDUCE_MIN: return extreme_of_row(kind, x, n);
    case SN_REDUCTION_COUNT: break;
    }
    return 0;
}

KERNEL_INLINE void reduce(sn_reduction kind, const float *x, float *y, size_t outer, size_t n, size_t inner)
{
    if (inner == 1) {
        for (size_t o = 0; o < outer; o++) y[o] = reduce_row(kind, x + o * n, n);
        return;
    }
    for (size_t o = 0; o < outer; o++) {
        const float *plane = x + o * n * inner;
        float *row = y + o * inner;
#define STRIP(c, vectors, part) reduce_strip(kind, plane + (c), row + (c), n, inner, vectors, part)
        FOR_COLUMNS(inner, STRIP);
#undef STRIP
    }
}

/* X(name, enumerator) */
#define REDUCTIONS(X)                                                                                                  \
    X(sum, SN_REDUCE_SUM)                                                                                              \
    X(mean, SN_REDUCE_MEAN)                                                                                            \
    X(squares, SN_REDUCE_SQUARES)                                                                                      \
    X(abs, SN_REDUCE_ABS)                                                                                              \
    X(product, SN_REDUCE_PRODUCT)                                                                                      \
    X(max, SN_REDUCE_MAX)                                                                                              \
    X(min, SN_REDUCE_MIN)

#define DEFINE_REDUCE(name, enumerator)                                                                                \
    static void reduce_##name(const float *x, float *y, size_t outer, size_t n, size_t inner)                          \
    {                                                                                                                  \
        reduce(enumerator, x, y, outer, n, inner);                                                                     \
    }
REDUCTIONS(DEFINE_REDUCE)

#define REDUCE_ENTRY(name, enumerator) [enumerator] = reduce_##name,

extern const sn_norm_kernels SN_FOR_ISA(sn_norm);
const sn_norm_kernels SN_FOR_ISA(sn_norm) = {
    .softmax = softmax,
    .log_softmax = log_softmax,
    .softmax_columns = softmax_columns,
    .log_softmax_columns = log_softmax_columns,
    .layer_norm = layer_norm,
    .rms_norm = rms_norm,
    .moments = moments,
    .column_moments = column_moments,
    .join_moments = join_moments,
    .normalize = normalize,
    .reduce = {REDUCTIONS(REDUCE_ENTRY)},
};
