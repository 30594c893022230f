/*
 * MaxPool, AveragePool, LpPool and their global forms, for any number of spatial axes.
 *
 * All three are separable: maximum, sum, and the number of elements that a sum covers can be taken along one axis after
 * the other. So a plane (one channel of one image) is read as double and reduced axis by axis, the last one first; only
 * taps that meet the input are visited, so the cost is bounded by the tensors whatever the attributes say. For
 * MaxPool's Indices the position of each maximum travels along; taking the first of equals on every axis gives the
 * first in row-major order.
 */
#include "base/size.h"
#include "ops/widen.h"
#include "ops/window.h"

#include <inttypes.h>
#include <math.h>

enum { MAX, AVERAGE, LP }; /* sn_op.variant */

typedef struct pool_params {
    sn_window window;
    bool ceil_mode;
    bool column_major;      /* MaxPool: storage_order of Indices */
    bool count_include_pad; /* AveragePool */
    double p;               /* LpPool */
} pool_params;

static sinter_status read_p(sn_prepare *p, double *out)
{
    float f = 2;
    int64_t i = 2;
    if (p->op->since == 1)
        SN_TRY(sn_attr_float(p, "p", 2, &f)); /* an integer since version 2 */
    else
        SN_TRY(sn_attr_int(p, "p", 2, &i));
    *out = p->op->since == 1 ? (double)f : (double)i;
    if (!(*out > 0)) return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'p': %g, expected more than 0", *out);
    return SINTER_OK;
}

static sinter_status pool_prepare(sn_prepare *p, void *params)
{
    pool_params *pool = params;
    int64_t order;
    SN_TRY(sn_window_prepare(p, &pool->window));
    if (!pool->window.has_kernel)
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'kernel_shape' is missing");
    SN_TRY(sn_attr_bool(p, "ceil_mode", false, &pool->ceil_mode));
    SN_TRY(sn_attr_bool(p, "count_include_pad", false, &pool->count_include_pad));
    SN_TRY(sn_attr_int(p, "storage_order", 0, &order));
    if (order != 0 && order != 1)
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'storage_order': %" PRId64 ", expected 0 or 1",
                               order);
    pool->column_major = order == 1;
    return p->op->variant == LP ? read_p(p, &pool->p) : SINTER_OK;
}

static sinter_status global_prepare(sn_prepare *p, void *params)
{
    pool_params *pool = params;
    return p->op->variant == LP ? read_p(p, &pool->p) : SINTER_OK;
}

/* Fills `axis` for each spatial axis, and the output's shape. */
static sinter_status geometry(const pool_params *p, const sn_shape *x, sn_window_axis *axis, sn_shape *out,
                              sinter_error *err)
{
    SN_TRY(sn_window_check_rank(&p->window, x->rank - 2, err));
    *out = *x;
    for (int i = 0; i < x->rank - 2; i++) {
        SN_TRY(sn_window_slide(&p->window, i, x->dims[i + 2], p->window.kernel[i], p->ceil_mode, &axis[i], err));
        out->dims[i + 2] = axis[i].out;
    }
    return SINTER_OK;
}

static sinter_status pool_infer(sn_infer *x)
{
    const sn_shape *in = sn_infer_shape(x, 0);
    sn_shape out = SN_SHAPE_UNKNOWN;
    sn_window_axis axis[SN_MAX_SPATIAL];
    sinter_error why;
    if (in->rank >= 0 && geometry(x->params, in, axis, &out, &why) != SINTER_OK)
        return sn_infer_fail(x, "%s", why.text);
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), &out);
    sn_infer_tensor(x, 1, SINTER_INT64, &out);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- one axis */

/* A plane during its reduction: [outer, in, inner] becomes [outer, out, inner]. */
typedef struct pass {
    const sn_window_axis *axis;
    size_t outer, inner;
    double lowest; /* maximum of nothing */
} pass;

typedef struct taps { /* of one output: input positions first, first + dilation, ...; `count` of them */
    int64_t first, count;
} taps;

/* The taps of output o that fall in [lo, hi) of the input's axis. */
static taps taps_within(const sn_window_axis *a, int64_t o, int64_t lo, int64_t hi)
{
    int64_t start = o * a->stride - a->pad_begin;
    int64_t skip = start < lo ? sn_div_ceil(lo - start, a->dilation) : 0;
    int64_t end = sn_div_ceil(hi - start, a->dilation);
    if (end > a->kernel) end = a->kernel;
    return (taps){start + skip * a->dilation, end > skip ? end - skip : 0};
}

static void sum_axis(const pass *s, const double *restrict from, double *restrict to)
{
    const sn_window_axis *a = s->axis;
    for (size_t outer = 0; outer < s->outer; outer++, from += (size_t)a->in * s->inner)
        for (int64_t o = 0; o < a->out; o++, to += s->inner) {
            taps t = taps_within(a, o, 0, a->in);
            for (size_t i = 0; i < s->inner; i++) to[i] = 0;
            for (int64_t k = 0; k < t.count; k++) {
                const double *row = from + (size_t)(t.first + k * a->dilation) * s->inner;
                for (size_t i = 0; i < s->inner; i++) to[i] += row[i];
            }
        }
}

/* NaN wins over every number. */
static void max_axis(const pass *s, const double *restrict from, double *restrict to)
{
    const sn_window_axis *a = s->axis;
    for (size_t outer = 0; outer < s->outer; outer++, from += (size_t)a->in * s->inner)
        for (int64_t o = 0; o < a->out; o++, to += s->inner) {
            taps t = taps_within(a, o, 0, a->in);
            for (size_t i = 0; i < s->inner; i++) to[i] = s->lowest;
            for (int64_t k = 0; k < t.count; k++) {
                const double *row = from + (size_t)(t.first + k * a->dilation) * s->inner;
                for (size_t i = 0; i < s->inner; i++) to[i] = row[i] > to[i] || row[i] != row[i] ? row[i] : to[i];
            }
        }
}

/* The same with the position of each maximum (0 for a window of padding alone). */
static void max_axis_indices(const pass *s, const double *from, const int64_t *positions, double *to, int64_t *found)
{
    const sn_window_axis *a = s->axis;
    size_t in_size = (size_t)a->in * s->inner;
    for (size_t outer = 0; outer < s->outer; outer++, from += in_size, positions += in_size)
        for (int64_t o = 0; o < a->out; o++, to += s->inner, found += s->inner) {
            taps t = taps_within(a, o, 0, a->in);
            for (size_t i = 0; i < s->inner; i++) {
                to[i] = s->lowest;
                found[i] = 0;
                for (int64_t k = 0; k < t.count; k++) {
                    size_t at = (size_t)(t.first + k * a->dilation) * s->inner + i;
                    if (k > 0 && !(from[at] > to[i]) && (from[at] == from[at] || to[i] != to[i])) continue;
                    to[i] = from[at];
                    found[i] = positions[at];
                }
            }
        }
}

/* ---------------------------------------------------------------------------------------------------- planes */

/* A window over a plane, and memory for its reduction: the largest intermediate size, twice. */
typedef struct plane_pool {
    int rank;
    double lowest; /* maximum of a window of padding alone */
    sn_window_axis axis[SN_MAX_SPATIAL];
    size_t in_size, out_size;
    double *values[2];
    int64_t *positions[2]; /* NULL: no indices */
    double *divisors;      /* AveragePool: of each output */
} plane_pool;

static pass pass_of(const plane_pool *p, int axis)
{
    pass s = {.axis = &p->axis[axis], .outer = 1, .inner = 1, .lowest = p->lowest};
    for (int i = 0; i < axis; i++) s.outer *= (size_t)p->axis[i].in;
    for (int i = axis + 1; i < p->rank; i++) s.inner *= (size_t)p->axis[i].out;
    return s;
}

static bool largest_size(const plane_pool *p, size_t *out)
{
    *out = p->in_size;
    for (int axis = p->rank - 1; axis >= 0; axis--) {
        size_t size = 1;
        for (int i = 0; i < p->rank; i++)
            if (!sn_size_mul(size, (size_t)(i < axis ? p->axis[i].in : p->axis[i].out), &size)) return false;
        if (size > *out) *out = size;
    }
    return true;
}

static sinter_status plane_pool_open(sn_eval *x, bool indices, plane_pool *p)
{
    size_t size;
    p->in_size = p->out_size = 1;
    for (int i = 0; i < p->rank; i++) {
        p->in_size *= (size_t)p->axis[i].in;
        p->out_size *= (size_t)p->axis[i].out;
    }
    if (!largest_size(p, &size)) size = SIZE_MAX;
    for (int i = 0; i < 2; i++) {
        double *values;
        void *positions = NULL;
        SN_TRY(sn_scratch_doubles(x, size, &values));
        if (indices) SN_TRY(sn_scratch_array(x, size, sizeof(int64_t), &positions));
        p->values[i] = values;
        p->positions[i] = positions;
    }
    p->divisors = NULL;
    return SINTER_OK;
}

/* Reduces values[0] (and positions[0]); returns which of the two buffers holds the result. */
static int reduce(const plane_pool *p, bool maximum)
{
    int from = 0;
    for (int axis = p->rank - 1; axis >= 0; axis--, from = !from) {
        pass s = pass_of(p, axis);
        if (!maximum)
            sum_axis(&s, p->values[from], p->values[!from]);
        else if (p->positions[0])
            max_axis_indices(&s, p->values[from], p->positions[from], p->values[!from], p->positions[!from]);
        else
            max_axis(&s, p->values[from], p->values[!from]);
    }
    return from;
}

/* How many elements each average divides by: the product over the axes. With count_include_pad those in the padding
 * that `pads` asks for count too, but not what ceil_mode reaches beyond it. */
static sinter_status count_divisors(sn_eval *x, plane_pool *p, bool include_pad)
{
    SN_TRY(sn_scratch_doubles(x, p->out_size, &p->divisors));
    for (size_t i = 0; i < p->out_size; i++) {
        size_t rest = i;
        p->divisors[i] = 1;
        for (int axis = p->rank - 1; axis >= 0; axis--) {
            const sn_window_axis *a = &p->axis[axis];
            int64_t o = (int64_t)(rest % (size_t)a->out);
            rest /= (size_t)a->out;
            taps t = include_pad ? taps_within(a, o, -a->pad_begin, a->in + a->pad_end) : taps_within(a, o, 0, a->in);
            p->divisors[i] *= (double)t.count;
        }
    }
    return SINTER_OK;
}

static void start_positions(const plane_pool *p)
{
    for (size_t i = 0; p->positions[0] && i < p->in_size; i++) p->positions[0][i] = (int64_t)i;
}

/* Position in a plane whose first spatial axis runs fastest, from the row-major one. */
static int64_t column_major(const plane_pool *p, int64_t position)
{
    int64_t index[SN_MAX_SPATIAL], out = 0;
    for (int i = p->rank - 1; i >= 0; i--) {
        index[i] = position % p->axis[i].in;
        position /= p->axis[i].in;
    }
    for (int i = p->rank - 1; i >= 0; i--) out = out * p->axis[i].in + index[i];
    return out;
}

static void before(int variant, double power, double *v, size_t n)
{
    if (variant != LP) return;
    if (power == 2)
        for (size_t i = 0; i < n; i++) v[i] *= v[i];
    else
        for (size_t i = 0; i < n; i++) v[i] = pow(fabs(v[i]), power);
}

static void after(int variant, double power, const double *divisors, double *v, size_t n)
{
    if (variant == AVERAGE)
        for (size_t i = 0; i < n; i++) v[i] /= divisors[i];
    if (variant == LP)
        for (size_t i = 0; i < n; i++) v[i] = power == 2 ? sqrt(v[i]) : pow(v[i], 1 / power);
}

static sinter_status pool_planes(sn_eval *x, const pool_params *params, plane_pool *p, sinter_value *out,
                                 sinter_value *indices)
{
    const sinter_value *in = x->in[0];
    const size_t planes = out->count / p->out_size;
    for (size_t plane = 0; plane < planes; plane++) {
        if (sn_eval_cancelled(x)) return sn_eval_fail(x, SINTER_CANCELLED, "cancelled");
        sn_read_row(in, plane * p->in_size, p->in_size, p->values[0]);
        before(x->op->variant, params->p, p->values[0], p->in_size);
        start_positions(p);
        int at = reduce(p, x->op->variant == MAX);
        after(x->op->variant, params->p, p->divisors, p->values[at], p->out_size);
        sn_write_row(out, plane * p->out_size, p->out_size, p->values[at]);
        if (!indices) continue;
        int64_t *to = (int64_t *)indices->data + plane * p->out_size;
        for (size_t i = 0; i < p->out_size; i++) {
            int64_t position = p->positions[at][i];
            to[i] = (int64_t)(plane * p->in_size) + (params->column_major ? column_major(p, position) : position);
        }
    }
    return SINTER_OK;
}

static sinter_status pool_eval(sn_eval *x)
{
    const pool_params *params = x->params;
    const sinter_value *in = x->in[0];
    plane_pool p = {.rank = in->shape.rank - 2,
                    .lowest = sn_dtype_is_float(in->dtype) ? -INFINITY : (double)sn_dtype_min(in->dtype)};
    sn_shape shape;
    sinter_error why;
    sinter_value *out, *indices = NULL;
    sinter_status status = geometry(params, &in->shape, p.axis, &shape, &why);
    if (status != SINTER_OK) return sn_eval_fail(x, status, "%s", why.text);
    SN_TRY(sn_eval_output(x, 0, in->dtype, &shape, &out));
    if (x->n_out > 1 && x->out_wanted[1]) SN_TRY(sn_eval_output(x, 1, SINTER_INT64, &shape, &indices));
    if (out->count == 0) return SINTER_OK;
    SN_TRY(plane_pool_open(x, indices != NULL, &p));
    if (x->op->variant == AVERAGE) SN_TRY(count_divisors(x, &p, params->count_include_pad));
    return pool_planes(x, params, &p, out, indices);
}

/* ---------------------------------------------------------------------------------------------------- global */

static sinter_status global_infer(sn_infer *x)
{
    sn_shape out = *sn_infer_shape(x, 0);
    if (out.rank >= 0 && out.rank < 2) return sn_infer_fail(x, "input of rank %d, expected at least 2", out.rank);
    for (int i = 2; i < out.rank; i++) out.dims[i] = 1;
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), &out);
    return SINTER_OK;
}

static double pool_all(int variant, double power, double *v, size_t n)
{
    double result = variant == MAX ? -INFINITY : 0, count = (double)n;
    before(variant, power, v, n);
    if (variant == MAX)
        for (size_t i = 0; i < n; i++) result = v[i] > result || v[i] != v[i] ? v[i] : result;
    else
        for (size_t i = 0; i < n; i++) result += v[i];
    after(variant, power, &count, &result, 1);
    return result;
}

static sinter_status global_eval(sn_eval *x)
{
    const pool_params *params = x->params;
    const sinter_value *in = x->in[0];
    sn_shape shape = in->shape;
    if (shape.rank < 2)
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "input of rank %d, expected at least 2", shape.rank);
    for (int i = 2; i < shape.rank; i++) shape.dims[i] = 1;
    sinter_value *out;
    double *plane;
    SN_TRY(sn_eval_output(x, 0, in->dtype, &shape, &out));
    if (out->count == 0) return SINTER_OK;
    const size_t n = in->count / out->count;
    SN_TRY(sn_scratch_doubles(x, n, &plane));
    for (size_t i = 0; i < out->count; i++) {
        sn_read_row(in, i * n, n, plane);
        sn_store_double(out->dtype, out->data, i, pool_all(x->op->variant, params->p, plane, n));
    }
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- rows */

#define FLOATS "float16|float|double"
#define POOL(name, version, variant, signature)                                                                        \
    {                                                                                                                  \
        "", name, version, signature, 0, variant, sizeof(pool_params), pool_prepare, pool_infer, pool_eval             \
    }
#define ONE_OUTPUT(types)   "X:T -> Y:T; T=" types
#define WITH_INDICES(types) "X:T -> Y:T, Indices:int64?; T=" types
#define GLOBAL(name, version, variant, types)                                                                          \
    {                                                                                                                  \
        "", name, version, ONE_OUTPUT(types), 0, variant, sizeof(pool_params), global_prepare, global_infer,           \
            global_eval                                                                                                \
    }

const sn_op sn_ops_pool[] = {
    POOL("MaxPool", 1, MAX, ONE_OUTPUT(FLOATS)),
    POOL("MaxPool", 8, MAX, WITH_INDICES(FLOATS)),
    POOL("MaxPool", 10, MAX, WITH_INDICES(FLOATS)),
    POOL("MaxPool", 11, MAX, WITH_INDICES(FLOATS)),
    POOL("MaxPool", 12, MAX, WITH_INDICES(FLOATS "|int8|uint8")),
    POOL("MaxPool", 22, MAX, WITH_INDICES("@float|int8|uint8")),
    POOL("AveragePool", 1, AVERAGE, ONE_OUTPUT(FLOATS)),
    POOL("AveragePool", 7, AVERAGE, ONE_OUTPUT(FLOATS)),
    POOL("AveragePool", 10, AVERAGE, ONE_OUTPUT(FLOATS)),
    POOL("AveragePool", 11, AVERAGE, ONE_OUTPUT(FLOATS)),
    POOL("AveragePool", 19, AVERAGE, ONE_OUTPUT(FLOATS)),
    POOL("AveragePool", 22, AVERAGE, ONE_OUTPUT("@float")),
    POOL("LpPool", 1, LP, ONE_OUTPUT(FLOATS)),
    POOL("LpPool", 2, LP, ONE_OUTPUT(FLOATS)),
    POOL("LpPool", 11, LP, ONE_OUTPUT(FLOATS)),
    POOL("LpPool", 18, LP, ONE_OUTPUT(FLOATS)),
    POOL("LpPool", 22, LP, ONE_OUTPUT("@float")),
    GLOBAL("GlobalMaxPool", 1, MAX, FLOATS),
    GLOBAL("GlobalMaxPool", 22, MAX, "@float"),
    GLOBAL("GlobalAveragePool", 1, AVERAGE, FLOATS),
    GLOBAL("GlobalAveragePool", 22, AVERAGE, "@float"),
    GLOBAL("GlobalLpPool", 1, LP, FLOATS),
    GLOBAL("GlobalLpPool", 2, LP, FLOATS),
    GLOBAL("GlobalLpPool", 22, LP, "@float"),
    {0},
};
