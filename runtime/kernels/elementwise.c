/*
 * elementwise.c - y[i] = f(x[i]), f(a[i], b[i]), a[i] * scale[c] + shift[c], c[i] ? a[i] : b[i].
 *
 * One loop per function and per pattern of steps, made from the same bodies: the function and the steps are constants
 * where the bodies are inlined. A row's last, partial vector is computed by the same vector arithmetic as the others,
 * so that an element's bits do not depend on where it lies. Out of cache all this runs at the memory's speed, and in
 * cache the processor overlaps the iterations by itself.
 */
#include "runtime/kernels/activation_math.h"
#include "runtime/kernels/isa.h"
#include "runtime/kernels/kernels.h"

/* ---------------------------------------------------------------------------------------------------- unary */

/* X(name, enumerator, expression in the vector x) */
#define UNARY(X)                                                                                                       \
    X(abs, SN_EW_ABS, vf_abs(x))                                                                                       \
    X(ceil, SN_EW_CEIL, vf_ceil(x))                                                                                    \
    X(cos, SN_EW_COS, vf_cos(x))                                                                                       \
    X(erf, SN_EW_ERF, vf_erf(x))                                                                                       \
    X(exp, SN_EW_EXP, vf_exp(x))                                                                                       \
    X(expm1, SN_EW_EXPM1, vf_expm1(x))                                                                                 \
    X(floor, SN_EW_FLOOR, vf_floor(x))                                                                                 \
    X(log, SN_EW_LOG, vf_log(x))                                                                                       \
    X(mish, SN_EW_MISH, mish(x))                                                                                       \
    X(neg, SN_EW_NEG, -x)                                                                                              \
    X(reciprocal, SN_EW_RECIPROCAL, 1.0f / x)                                                                          \
    X(round, SN_EW_ROUND, vf_round(x))                                                                                 \
    X(sigmoid, SN_EW_SIGMOID, vf_sigmoid(x))                                                                           \
    X(sign, SN_EW_SIGN, sign(x))                                                                                       \
    X(sin, SN_EW_SIN, vf_sin(x))                                                                                       \
    X(softplus, SN_EW_SOFTPLUS, softplus(x))                                                                           \
    X(softsign, SN_EW_SOFTSIGN, x / (vf_abs(x) + 1.0f))                                                                \
    X(sqrt, SN_EW_SQRT, vf_sqrt(x))                                                                                    \
    X(tanh, SN_EW_TANH, vf_tanh(x))

/* ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), which does not overflow. */
KERNEL_INLINE vf softplus(vf x)
{
    return vf_max(x, vf_splat(0)) + vf_log1p_unit(vf_exp(-vf_abs(x)));
}

/* x tanh(ln(1 + e^x)) = x n / (n + 2) with n = e^x (e^x + 2); for positive x both are divided by e^2x. */
KERNEL_INLINE vf mish(vf x)
{
    vi negative = x < 0.0f;
    vf e = vf_exp(-vf_abs(x));
    vf n = vf_select(negative, e * (e + 2.0f), e + e + 1.0f);
    return x * (n / (n + vf_select(negative, vf_splat(2), (e + e) * e)));
}

KERNEL_INLINE vf sign(vf x)
{
    return vf_select((x < 0.0f) | (x > 0.0f), vf_copysign(vf_splat(1), x), x);
}

#define DEFINE_UNARY(name, enumerator, expression)                                                                     \
    KERNEL_INLINE vf vector_##name(vf x)                                                                               \
    {                                                                                                                  \
        return expression;                                                                                             \
    }                                                                                                                  \
    static void unary_##name(const float *x, float *y, size_t n)                                                       \
    {                                                                                                                  \
        size_t i = 0;                                                                                                  \
        for (; i + VL <= n; i += VL) vf_store(y + i, vector_##name(vf_load(x + i)));                                   \
        if (i < n) vf_store_part(y + i, vector_##name(vf_load_part(x + i, n - i)), n - i);                             \
    }
UNARY(DEFINE_UNARY)

KERNEL_INLINE void activate(sn_activation_kind kind, const sn_activation *f, const float *x, float *y, size_t n)
{
    const vf alpha = vf_splat(f->alpha), beta = vf_splat(f->beta);
    size_t i = 0;
    for (; i + VL <= n; i += VL) vf_store(y + i, vf_activate(kind, vf_load(x + i), alpha, beta));
    if (i < n) vf_store_part(y + i, vf_activate(kind, vf_load_part(x + i, n - i), alpha, beta), n - i);
}

#define DEFINE_ACTIVATE(name, kind)                                                                                    \
    static void activate_##name(const sn_activation *f, const float *x, float *y, size_t n)                            \
    {                                                                                                                  \
        activate(kind, f, x, y, n);                                                                                    \
    }
SN_ACTIVATIONS(DEFINE_ACTIVATE)

/* ---------------------------------------------------------------------------------------------------- rectangles */

/* What the loops need to know of an operand, whatever its elements are. */
typedef struct pattern {
    size_t row, step;
} pattern;

/* Whether the rows of an operand follow each other like the elements of one row. */
static bool is_flat(pattern p, size_t n)
{
    return p.row == p.step * n;
}

/* A rectangle is one row, when its rows follow each other or are single elements. Short rows would be all tails. */
static void flatten(sn_ew_result *y, pattern *const *operands, size_t count)
{
    bool flat = y->row == y->n, column = y->n == 1 && y->row == 1;
    for (size_t i = 0; i < count; i++) {
        flat = flat && is_flat(*operands[i], y->n);
        column = column && operands[i]->row <= 1;
    }
    if (!flat && !column) return;
    for (size_t i = 0; i < count && !flat; i++) operands[i]->step = operands[i]->row;
    y->n *= y->rows;
    y->rows = y->rows > 0;
}

/* Elements i, i + 1, ... of a row; `part` of them, or all of a vector when that is 0. */
KERNEL_INLINE vf load(const float *row, size_t step, size_t i, size_t part)
{
    if (!step) return vf_splat(row[0]);
    return part ? vf_load_part(row + i, part) : vf_load(row + i);
}
KERNEL_INLINE void store(float *row, size_t i, size_t part, vf v)
{
    if (part) {
        vf_store_part(row + i, v, part);
    } else {
        vf_store(row + i, v);
    }
}

/* ---------------------------------------------------------------------------------------------------- binary */

/* Common exponents have a shorter way, which must give the same bits wherever the exponent comes from. */
KERNEL_INLINE vf square_root_power(vf a)
{
    return vf_select(a == -INFINITY, vf_splat(INFINITY), vf_sqrt(a + 0.0f));
}
KERNEL_INLINE vf power(vf a, vf b)
{
    vf y = vf_pow(a, b);
    y = vf_select(b == 2.0f, a * a, y);
    y = vf_select(b == 0.5f, square_root_power(a), y);
    y = vf_select(b == 3.0f, a * a * a, y);
    return vf_select(b == -1.0f, 1.0f / a, y);
}

KERNEL_INLINE vf combine(sn_ew_binary kind, vf a, vf b)
{
    switch (kind) {
    case SN_EW_ADD: return a + b;
    case SN_EW_SUB: return a - b;
    case SN_EW_MUL: return a * b;
    case SN_EW_DIV: return a / b;
    case SN_EW_MIN: return vf_select(a != a, a, vf_min(a, b));
    case SN_EW_MAX: return vf_select(a != a, a, vf_max(a, b));
    case SN_EW_POW: return power(a, b);
    case SN_EW_PRELU: return vf_if_less(a, vf_splat(0), a * b, a);
    case SN_EW_BINARY_COUNT: break;
    }
    return a;
}

KERNEL_INLINE void binary_row(sn_ew_binary kind, const float *a, size_t a_step, const float *b, size_t b_step, float *y,
                              size_t n)
{
    const vf a0 = vf_splat(a[0]), b0 = vf_splat(b[0]);
    size_t i = 0;
    for (; i + VL <= n; i += VL) {
        vf_store(y + i, combine(kind, a_step ? vf_load(a + i) : a0, b_step ? vf_load(b + i) : b0));
    }
    if (i < n) {
        vf last = combine(kind, a_step ? vf_load_part(a + i, n - i) : a0, b_step ? vf_load_part(b + i, n - i) : b0);
        vf_store_part(y + i, last, n - i);
    }
}

/* a^b for one b, if it is one of the exponents that power() treats apart. */
#define POWER_ROW(expression)                                                                                          \
    do {                                                                                                               \
        size_t i = 0;                                                                                                  \
        for (; i + VL <= n; i += VL) {                                                                                 \
            const vf x = vf_load(a + i);                                                                               \
            vf_store(y + i, expression);                                                                               \
        }                                                                                                              \
        if (i < n) {                                                                                                   \
            const vf x = vf_load_part(a + i, n - i);                                                                   \
            vf_store_part(y + i, expression, n - i);                                                                   \
        }                                                                                                              \
    } while (0)
static bool common_power_row(const float *a, float b, float *y, size_t n)
{
    if (b == 2.0f) {
        POWER_ROW(x * x);
    } else if (b == 3.0f) {
        POWER_ROW(x * x * x);
    } else if (b == 0.5f) {
        POWER_ROW(square_root_power(x));
    } else if (b == -1.0f) {
        POWER_ROW(1.0f / x);
    } else {
        return false;
    }
    return true;
}

KERNEL_INLINE void binary(sn_ew_binary kind, sn_ew_operand a, sn_ew_operand b, sn_ew_result y)
{
    pattern pa = {a.row, a.step}, pb = {b.row, b.step};
    flatten(&y, (pattern *const[]){&pa, &pb}, 2);
    if (y.n == 0) return;
    for (size_t r = 0; r < y.rows; r++) {
        const float *ra = a.data + r * pa.row, *rb = b.data + r * pb.row;
        float *ry = y.data + r * y.row;
        if (pa.step && pb.step) {
            binary_row(kind, ra, 1, rb, 1, ry, y.n);
        } else if (pb.step) {
            binary_row(kind, ra, 0, rb, 1, ry, y.n);
        } else if (kind == SN_EW_POW && pa.step && common_power_row(ra, rb[0], ry, y.n)) {
            continue;
        } else if (pa.step) {
            binary_row(kind, ra, 1, rb, 0, ry, y.n);
        } else {
            binary_row(kind, ra, 0, rb, 0, ry, y.n);
        }
    }
}

/* X(name, enumerator) */
#define BINARY(X)                                                                                                      \
    X(add, SN_EW_ADD)                                                                                                  \
    X(sub, SN_EW_SUB)                                                                                                  \
    X(mul, SN_EW_MUL)                                                                                                  \
    X(div, SN_EW_DIV)                                                                                                  \
    X(min, SN_EW_MIN)                                                                                                  \
    X(max, SN_EW_MAX)                                                                                                  \
    X(pow, SN_EW_POW)                                                                                                  \
    X(prelu, SN_EW_PRELU)

#define DEFINE_BINARY(name, enumerator)                                                                                \
    static void binary_##name(sn_ew_operand a, sn_ew_operand b, sn_ew_result y)                                        \
    {                                                                                                                  \
        binary(enumerator, a, b, y);                                                                                   \
    }
BINARY(DEFINE_BINARY)

/* ---------------------------------------------------------------------------------------------------- affine */

typedef struct affine_row {
    const float *x, *scale, *shift;
    float *y;
} affine_row;

KERNEL_INLINE void affine_step(const affine_row *w, size_t x_step, size_t step, vf lo, vf hi, size_t i, size_t part)
{
    vf scale = load(w->scale, step, i, part), shift = load(w->shift, step, i, part);
    store(w->y, i, part, vf_clamp(vf_fma(load(w->x, x_step, i, part), scale, shift), lo, hi));
}

KERNEL_INLINE void affine_loop(const affine_row *w, size_t x_step, size_t step, vf lo, vf hi, size_t n)
{
    size_t i = 0;
    for (; i + VL <= n; i += VL) affine_step(w, x_step, step, lo, hi, i, 0);
    if (i < n) affine_step(w, x_step, step, lo, hi, i, n - i);
}

static void affine(sn_ew_operand x, sn_ew_operand scale, sn_ew_operand shift, float lo, float hi, sn_ew_result y)
{
    pattern px = {x.row, x.step}, pm = {scale.row, scale.step}, pa = {shift.row, shift.step};
    flatten(&y, (pattern *const[]){&px, &pm, &pa}, 3);
    if (y.n == 0) return;
    for (size_t r = 0; r < y.rows; r++) {
        const affine_row w = {x.data + r * px.row, scale.data + r * pm.row, shift.data + r * pa.row,
                              y.data + r * y.row};
        if (px.step && pm.step) {
            affine_loop(&w, 1, 1, vf_splat(lo), vf_splat(hi), y.n);
        } else if (px.step) {
            affine_loop(&w, 1, 0, vf_splat(lo), vf_splat(hi), y.n);
        } else {
            affine_loop(&w, 0, pm.step, vf_splat(lo), vf_splat(hi), y.n);
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- where */

typedef uint8_t bytes __attribute__((vector_size(VL)));

KERNEL_INLINE void where_row(const uint8_t *c, const float *a, size_t a_step, const float *b, size_t b_step, float *y,
                             size_t n)
{
    size_t i = 0;
    for (; i + VL <= n; i += VL) {
        bytes condition;
        memcpy(&condition, c + i, VL);
        vi mask = __builtin_convertvector(condition, vi) != 0;
        vf_store(y + i, vf_select(mask, load(a, a_step, i, 0), load(b, b_step, i, 0)));
    }
    for (; i < n; i++) y[i] = c[i] ? a[i * a_step] : b[i * b_step];
}

static void copy_row(const float *from, size_t step, float *to, size_t n)
{
    if (step) {
        memmove(to, from, n * sizeof *to);
    } else {
        for (size_t i = 0; i < n; i++) to[i] = from[0];
    }
}

static void where(sn_ew_condition c, sn_ew_operand a, sn_ew_operand b, sn_ew_result y)
{
    pattern pc = {c.row, c.step}, pa = {a.row, a.step}, pb = {b.row, b.step};
    flatten(&y, (pattern *const[]){&pc, &pa, &pb}, 3);
    if (y.n == 0) return;
    for (size_t r = 0; r < y.rows; r++) {
        const uint8_t *rc = c.data + r * pc.row;
        const float *ra = a.data + r * pa.row, *rb = b.data + r * pb.row;
        float *ry = y.data + r * y.row;
        if (!pc.step) {
            copy_row(rc[0] ? ra : rb, rc[0] ? pa.step : pb.step, ry, y.n);
        } else if (pa.step && pb.step) {
            where_row(rc, ra, 1, rb, 1, ry, y.n);
        } else if (pa.step) {
            where_row(rc, ra, 1, rb, 0, ry, y.n);
        } else {
            where_row(rc, ra, 0, rb, pb.step, ry, y.n);
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- the table */

#define UNARY_ENTRY(name, enumerator, expression) [enumerator] = unary_##name,
#define BINARY_ENTRY(name, enumerator)            [enumerator] = binary_##name,
#define ACTIVATE_ENTRY(name, kind)                [kind] = activate_##name,

extern const sn_elementwise_kernels SN_FOR_ISA(sn_elementwise);
const sn_elementwise_kernels SN_FOR_ISA(sn_elementwise) = {
    .unary = {UNARY(UNARY_ENTRY)},
    .activate = {SN_ACTIVATIONS(ACTIVATE_ENTRY)},
    .binary = {BINARY(BINARY_ENTRY)},
    .affine = affine,
    .where = where,
};
