/*
 * Softmax, LogSoftmax and Hardmax.
 *
 * A line of elements along the axis is gathered into a buffer of float or double, worked on there and scattered back,
 * so that every axis, every type and in-place memory take one path. Sums are accumulated in double; the maximum is
 * subtracted first.
 *
 * Up to opset 12 the input is seen as a matrix: dimensions before `axis` (default 1) are rows, all others together are
 * the line. From 13 on the line is the one dimension `axis` (default -1).
 */
#include "ops/op.h"
#include "ops/typed.h"

#include <math.h>

typedef enum softmax_kind { SOFTMAX, LOG_SOFTMAX, HARDMAX } softmax_kind;

typedef struct softmax_params {
    int64_t axis;
    bool coerced;
} softmax_params;

static sinter_status prepare_softmax(sn_prepare *p, void *params)
{
    softmax_params *s = params;
    s->coerced = p->version < 13;
    return sn_attr_int(p, "axis", s->coerced ? 1 : -1, &s->axis);
}

/* A coerced axis may also be the rank: every line is one element. */
static bool resolve_axis(const softmax_params *p, int rank, int *axis)
{
    if (p->coerced && p->axis == rank) {
        *axis = rank;
        return true;
    }
    return sn_axis_normalize(p->axis, rank, axis);
}

static sinter_status infer_softmax(sn_infer *x)
{
    const softmax_params *p = x->params;
    int rank = sn_infer_shape(x, 0)->rank, axis;
    if (rank > 0 && !resolve_axis(p, rank, &axis))
        return sn_infer_fail(x, "axis %lld is outside the input's rank %d", (long long)p->axis, rank);
    return sn_infer_same(x);
}

#define DEFINE_LINE(suffix, type, exponential)                                                                         \
    static void softmax_##suffix(type *v, size_t n, type top)                                                          \
    {                                                                                                                  \
        double sum = 0;                                                                                                \
        for (size_t i = 0; i < n; i++) {                                                                               \
            v[i] = exponential(v[i] - top);                                                                            \
            sum += (double)v[i];                                                                                       \
        }                                                                                                              \
        const type scale = (type)(1 / sum);                                                                            \
        for (size_t i = 0; i < n; i++) v[i] *= scale;                                                                  \
    }                                                                                                                  \
    static void log_softmax_##suffix(type *v, size_t n, type top)                                                      \
    {                                                                                                                  \
        double sum = 0;                                                                                                \
        for (size_t i = 0; i < n; i++) sum += (double)exponential(v[i] - top);                                         \
        const type shift = (type)log(sum);                                                                             \
        for (size_t i = 0; i < n; i++) v[i] = v[i] - top - shift;                                                      \
    }                                                                                                                  \
    static void line_##suffix(softmax_kind kind, type *v, size_t n)                                                    \
    {                                                                                                                  \
        size_t at = 0;                                                                                                 \
        for (size_t i = 1; i < n; i++)                                                                                 \
            if (v[i] > v[at]) at = i;                                                                                  \
        if (kind == SOFTMAX) {                                                                                         \
            softmax_##suffix(v, n, v[at]);                                                                             \
        } else if (kind == LOG_SOFTMAX) {                                                                              \
            log_softmax_##suffix(v, n, v[at]);                                                                         \
        } else {                                                                                                       \
            for (size_t i = 0; i < n; i++) v[i] = i == at;                                                             \
        }                                                                                                              \
    }
DEFINE_LINE(f32, float, expf)
DEFINE_LINE(f64, double, exp)

/* n elements that lie `step` apart. */
static void gather_line(sinter_dtype dtype, const void *src, size_t step, size_t n, void *line)
{
    size_t element = sn_dtypes[dtype].size;
    if (dtype == SINTER_DOUBLE) {
        for (size_t i = 0; i < n; i++) ((double *)line)[i] = ((const double *)src)[i * step];
    } else if (dtype == SINTER_FLOAT) {
        for (size_t i = 0; i < n; i++) ((float *)line)[i] = ((const float *)src)[i * step];
    } else if (step == 1) {
        sn_load_floats(dtype, src, n, line);
    } else {
        for (size_t i = 0; i < n; i++) sn_load_floats(dtype, sn_at(src, i * step, element), 1, (float *)line + i);
    }
}

static void scatter_line(sinter_dtype dtype, void *dst, size_t step, size_t n, const void *line)
{
    size_t element = sn_dtypes[dtype].size;
    if (dtype == SINTER_DOUBLE) {
        for (size_t i = 0; i < n; i++) ((double *)dst)[i * step] = ((const double *)line)[i];
    } else if (dtype == SINTER_FLOAT) {
        for (size_t i = 0; i < n; i++) ((float *)dst)[i * step] = ((const float *)line)[i];
    } else if (step == 1) {
        sn_store_floats(dtype, line, n, dst);
    } else {
        for (size_t i = 0; i < n; i++)
            sn_store_floats(dtype, (const float *)line + i, 1, sn_at_mutable(dst, i * step, element));
    }
}

static sinter_status eval_softmax(sn_eval *x)
{
    const softmax_params *p = x->params;
    const sinter_value *in = x->in[0];
    const sn_shape *shape = &in->shape;
    sinter_value *out;
    int axis = 0;
    if (shape->rank > 0 && !resolve_axis(p, shape->rank, &axis))
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "axis %lld is outside the input's rank %d", (long long)p->axis,
                            shape->rank);
    SN_TRY(sn_eval_output(x, 0, in->dtype, shape, &out));
    if (in->count == 0) return SINTER_OK;
    int line_end = p->coerced || shape->rank == 0 ? shape->rank : axis + 1;
    size_t outer = (size_t)sn_shape_product(shape, 0, axis), n = (size_t)sn_shape_product(shape, axis, line_end);
    size_t inner = (size_t)sn_shape_product(shape, line_end, shape->rank);
    size_t wide = in->dtype == SINTER_DOUBLE ? sizeof(double) : sizeof(float), element = sn_dtypes[in->dtype].size;
    void *line = sn_eval_scratch(x, n * wide);
    if (!line) return sn_no_memory(x->err, "evaluating Softmax");
    for (size_t o = 0; o < outer; o++) {
        if (sn_eval_cancelled(x)) return sn_eval_fail(x, SINTER_CANCELLED, "cancelled");
        for (size_t i = 0; i < inner; i++) {
            size_t at = o * n * inner + i;
            gather_line(in->dtype, sn_at(in->data, at, element), inner, n, line);
            if (in->dtype == SINTER_DOUBLE)
                line_f64((softmax_kind)x->op->variant, line, n);
            else
                line_f32((softmax_kind)x->op->variant, line, n);
            scatter_line(in->dtype, sn_at_mutable(out->data, at, element), inner, n, line);
        }
    }
    return SINTER_OK;
}

#define SOFTMAX_ROW(name, since, kind)                                                                                 \
    {                                                                                                                  \
        "", name, since, "input:T -> output:T; T=@float", 0, kind, sizeof(softmax_params), prepare_softmax,            \
            infer_softmax, eval_softmax                                                                                \
    }

const sn_op sn_ops_softmax[] = {
    SOFTMAX_ROW("Softmax", 1, SOFTMAX),
    SOFTMAX_ROW("LogSoftmax", 1, LOG_SOFTMAX),
    SOFTMAX_ROW("Hardmax", 1, HARDMAX),
    {0},
};
