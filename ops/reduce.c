/*
 * Reductions: the sum, mean, maximum and so on over some axes.
 *
 * Adjacent axes that are both kept or both reduced are merged, and the kept ones are walked outside the reduced ones.
 * If the innermost axis is kept, a block of outputs is accumulated side by side; else a run is reduced to one output.
 * Elements are widened chunk by chunk: to double, or to 64-bit integers where integers must stay exact (sums wrap as in
 * numpy).
 *
 * Axes are an attribute at first, an input from opset 13 (ReduceSum) or 18 (the others).
 */
#include "ops/movement.h"
#include "ops/op.h"
#include "ops/typed.h"

#include <math.h>

typedef enum reduce_kind { SUM, MEAN, MAX, MIN, PROD, L1, L2, LOG_SUM, LOG_SUM_EXP, SUM_SQUARE } reduce_kind;

typedef struct reduce_params {
    bool axes_input;
    bool keepdims;
    bool noop_with_empty_axes;
    const int64_t *axes; /* of the attribute */
    size_t n_axes;
} reduce_params;

static sinter_status prepare_reduce(sn_prepare *p, void *params)
{
    reduce_params *r = params;
    r->axes_input = p->version >= (p->op->variant == SUM ? 13 : 18);
    SN_TRY(sn_attr_bool(p, "keepdims", true, &r->keepdims));
    if (!r->axes_input) return sn_attr_ints(p, "axes", &r->axes, &r->n_axes);
    return sn_attr_bool(p, "noop_with_empty_axes", false, &r->noop_with_empty_axes);
}

/* ---------------------------------------------------------------------------------------------------- axes and shape
 */

/* Which dimensions are reduced, and the output's shape. *bad is the offending axis on failure. */
static bool reduce_shape(const reduce_params *p, const int64_t *axes, size_t n_axes, const sn_shape *in, bool *reduced,
                         sn_shape *out, int64_t *bad)
{
    bool all = n_axes == 0 && !p->noop_with_empty_axes;
    for (int i = 0; i < in->rank; i++) reduced[i] = all;
    for (size_t i = 0; i < n_axes; i++) {
        int axis;
        *bad = axes[i];
        if (!sn_axis_normalize(axes[i], in->rank, &axis)) return false;
        reduced[axis] = true;
    }
    *out = (sn_shape){.rank = 0};
    for (int i = 0; i < in->rank; i++) {
        if (!reduced[i])
            out->dims[out->rank++] = in->dims[i];
        else if (p->keepdims)
            out->dims[out->rank++] = 1;
    }
    return true;
}

/* Nothing but the rank, and that only with keepdims, follows when the axes are not known. */
static void infer_without_axes(sn_infer *x, const reduce_params *p)
{
    sn_shape out = SN_SHAPE_UNKNOWN;
    if (p->keepdims) {
        out.rank = sn_infer_shape(x, 0)->rank;
        for (int i = 0; i < out.rank; i++) out.dims[i] = SN_DIM_UNKNOWN;
    }
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), &out);
}

/* The number of elements of a shape that was computed in the graph. */
static void infer_product(sn_infer *x)
{
    const int64_t *v;
    size_t n;
    if (x->op->variant != PROD || sn_infer_dtype(x, 0) != SINTER_INT64) return;
    if (sn_infer_shape(x, 0)->rank != 1 || !sn_infer_numbers(x, 0, &v, &n)) return;
    int64_t product = 1;
    for (size_t i = 0; i < n; i++)
        if (__builtin_mul_overflow(product, v[i], &product)) return;
    if (sn_dim_is_number(product)) sn_infer_known(x, 0, &product, 1);
}

static sinter_status infer_reduce(sn_infer *x)
{
    const reduce_params *p = x->params;
    const sn_shape *in = sn_infer_shape(x, 0);
    const int64_t *axes = p->axes;
    size_t n_axes = p->n_axes;
    bool reduced[SN_MAX_RANK];
    sn_shape out;
    int64_t bad = 0;
    bool given = p->axes_input && sn_infer_has(x, 1);
    if (in->rank < 0 || (given && !sn_infer_numbers(x, 1, &axes, &n_axes))) {
        infer_without_axes(x, p);
        return SINTER_OK;
    }
    if (!reduce_shape(p, axes, n_axes, in, reduced, &out, &bad))
        return sn_infer_fail(x, "axis %lld is outside the input's rank %d", (long long)bad, in->rank);
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), &out);
    if (in->rank == 1 && reduced[0]) infer_product(x);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- accumulating */

/* How the elements are accumulated: what the kinds have in common. */
typedef enum step_kind { STEP_SUM, STEP_ABS, STEP_SQUARE, STEP_PROD, STEP_MAX, STEP_MIN } step_kind;

static const step_kind steps[] = {
    [SUM] = STEP_SUM, [MEAN] = STEP_SUM,  [MAX] = STEP_MAX,     [MIN] = STEP_MIN,         [PROD] = STEP_PROD,
    [L1] = STEP_ABS,  [L2] = STEP_SQUARE, [LOG_SUM] = STEP_SUM, [LOG_SUM_EXP] = STEP_SUM, [SUM_SQUARE] = STEP_SQUARE,
};

/* acc[i] takes up v[i]. */
static void add_doubles(step_kind step, double *acc, const double *v, size_t n)
{
    switch (step) {
    case STEP_SUM:
        for (size_t i = 0; i < n; i++) acc[i] += v[i];
        break;
    case STEP_ABS:
        for (size_t i = 0; i < n; i++) acc[i] += fabs(v[i]);
        break;
    case STEP_SQUARE:
        for (size_t i = 0; i < n; i++) acc[i] += v[i] * v[i];
        break;
    case STEP_PROD:
        for (size_t i = 0; i < n; i++) acc[i] *= v[i];
        break;
    case STEP_MAX: /* NaN wins, as in numpy */
        for (size_t i = 0; i < n; i++) acc[i] = v[i] > acc[i] || v[i] != v[i] ? v[i] : acc[i];
        break;
    case STEP_MIN:
        for (size_t i = 0; i < n; i++) acc[i] = v[i] < acc[i] || v[i] != v[i] ? v[i] : acc[i];
        break;
    }
}

static void add_integers(step_kind step, uint64_t *acc, const uint64_t *v, bool is_unsigned, size_t n)
{
    const uint64_t flip = is_unsigned ? 0 : UINT64_C(1) << 63; /* makes signed order the order of unsigned numbers */
    switch (step) {
    case STEP_ABS:
        for (size_t i = 0; i < n; i++) acc[i] += !is_unsigned && v[i] >> 63 ? 0 - v[i] : v[i];
        break;
    case STEP_SQUARE:
        for (size_t i = 0; i < n; i++) acc[i] += v[i] * v[i];
        break;
    case STEP_PROD:
        for (size_t i = 0; i < n; i++) acc[i] *= v[i];
        break;
    case STEP_MAX:
        for (size_t i = 0; i < n; i++) acc[i] = (v[i] ^ flip) > (acc[i] ^ flip) ? v[i] : acc[i];
        break;
    case STEP_MIN:
        for (size_t i = 0; i < n; i++) acc[i] = (v[i] ^ flip) < (acc[i] ^ flip) ? v[i] : acc[i];
        break;
    default:
        for (size_t i = 0; i < n; i++) acc[i] += v[i];
    }
}

typedef union lanes { /* accumulators, or elements, one per lane */
    double d[SN_CHUNK];
    uint64_t i[SN_CHUNK];
    int64_t s[SN_CHUNK];
} lanes;

typedef struct reduction {
    reduce_kind kind;
    sinter_dtype dtype;
    bool exact; /* integers in 64 bits, else double */
    size_t element;
    size_t reduced_count;
    int kept_rank, reduced_rank;
    size_t kept[SN_MAX_RANK], reduced[SN_MAX_RANK]; /* dimensions, outermost first */
    ptrdiff_t kept_stride[SN_MAX_RANK], reduced_stride[SN_MAX_RANK];
} reduction;

static void start(const reduction *r, step_kind step, lanes *acc, size_t n)
{
    if (r->exact) {
        int64_t first = step == STEP_PROD  ? 1
                        : step == STEP_MAX ? sn_dtype_min(r->dtype)
                        : step == STEP_MIN ? sn_dtype_max(r->dtype)
                                           : 0;
        for (size_t i = 0; i < n; i++) acc->s[i] = first;
        return;
    }
    double first = step == STEP_PROD  ? 1
                   : step == STEP_MAX ? -(double)INFINITY
                   : step == STEP_MIN ? (double)INFINITY
                                      : 0;
    for (size_t i = 0; i < n; i++) acc->d[i] = first;
}

/* With `top`, what is taken up are the elements' exponentials, relative to it. */
static void take(const reduction *r, step_kind step, lanes *acc, const void *src, const lanes *top, size_t n)
{
    lanes v;
    if (r->exact) {
        sn_load_int64s(r->dtype, src, n, v.s);
        add_integers(step, acc->i, v.i, r->dtype == SINTER_UINT64, n);
    } else {
        sn_load_doubles(r->dtype, src, n, v.d);
        for (size_t i = 0; top && i < n; i++) v.d[i] = exp(v.d[i] - top->d[i]);
        add_doubles(step, acc->d, v.d, n);
    }
}

/* Adds the lanes up to the first one. They hold partial results already: squares are not squared again. */
static void fold(const reduction *r, step_kind step, lanes *acc, size_t n)
{
    step_kind merge = step == STEP_PROD || step == STEP_MAX || step == STEP_MIN ? step : STEP_SUM;
    for (; n > 1; n = (n + 1) / 2) {
        size_t half = n / 2, rest = (n + 1) / 2;
        if (r->exact)
            add_integers(merge, acc->i, acc->i + rest, r->dtype == SINTER_UINT64, half);
        else
            add_doubles(merge, acc->d, acc->d + rest, half);
    }
}

/* ---------------------------------------------------------------------------------------------------- walking */

/* Advances an odometer over the outer `rank` dimensions; false at the end. */
static bool advance(int rank, const size_t *dims, const ptrdiff_t *strides, size_t *index, ptrdiff_t *offset)
{
    for (int i = rank - 1; i >= 0; i--) {
        *offset += strides[i];
        if (++index[i] < dims[i]) return true;
        *offset -= strides[i] * (ptrdiff_t)dims[i];
        index[i] = 0;
    }
    return false;
}

/* A run of consecutive elements into lanes: many elements share a lane, so that the additions are independent. */
static void take_run(const reduction *r, step_kind step, lanes *acc, const char *src, const lanes *top, size_t n)
{
    for (size_t done = 0; done < n; done += SN_CHUNK) {
        size_t m = n - done < SN_CHUNK ? n - done : SN_CHUNK;
        take(r, step, acc, src + done * r->element, top, m);
    }
}

/* One pass over everything that is reduced into the outputs that start at src. If the innermost dimension is kept, n
 * neighbouring outputs, a lane each; else one output, whose lanes are folded. */
static void pass(const reduction *r, step_kind step, const char *src, bool side_by_side, size_t n, const lanes *top,
                 lanes *acc)
{
    int outer = side_by_side ? r->reduced_rank : r->reduced_rank - 1;
    size_t run = side_by_side ? n : r->reduced[outer], width = run < SN_CHUNK ? run : SN_CHUNK;
    size_t index[SN_MAX_RANK] = {0};
    ptrdiff_t offset = 0;
    start(r, step, acc, width > 0 ? width : 1);
    if (r->reduced_count == 0) return;
    do {
        take_run(r, step, acc, src + offset * (ptrdiff_t)r->element, top, run);
    } while (advance(outer, r->reduced, r->reduced_stride, index, &offset));
    if (!side_by_side) fold(r, step, acc, width);
}

static void finish_doubles(const reduction *r, double *v, size_t n)
{
    double count = (double)r->reduced_count;
    for (size_t i = 0; i < n; i++) {
        if (r->kind == MEAN)
            v[i] /= count;
        else if (r->kind == L2)
            v[i] = sqrt(v[i]);
        else if (r->kind == LOG_SUM)
            v[i] = log(v[i]);
    }
}

static void finish_integers(const reduction *r, lanes *acc, size_t n)
{
    if (r->kind != MEAN) return;
    for (size_t i = 0; i < n; i++) {
        if (r->reduced_count == 0)
            acc->s[i] = 0;
        else if (r->dtype == SINTER_UINT64)
            acc->i[i] /= r->reduced_count;
        else
            acc->s[i] /= (int64_t)r->reduced_count;
    }
}

/* log(sum(exp(v))) = top + log(sum(exp(v - top))), which does not overflow. */
static void log_sum_exp(const reduction *r, const char *src, bool side_by_side, size_t n, lanes *acc)
{
    lanes top;
    double finite[SN_CHUNK];
    pass(r, STEP_MAX, src, side_by_side, n, NULL, &top);
    for (size_t i = 0; i < n; i++) finite[i] = top.d[i] = isfinite(top.d[i]) ? top.d[i] : 0;
    if (!side_by_side)
        for (size_t i = 1; i < SN_CHUNK; i++) top.d[i] = top.d[0];
    pass(r, STEP_SUM, src, side_by_side, n, &top, acc);
    for (size_t i = 0; i < n; i++) acc->d[i] = finite[i] + log(acc->d[i]);
}

/* n neighbouring outputs (n = 1 unless the innermost dimension is kept). */
static void reduce_block(const reduction *r, const char *src, bool side_by_side, size_t n, void *dst)
{
    lanes acc;
    if (r->kind == LOG_SUM_EXP) {
        log_sum_exp(r, src, side_by_side, n, &acc);
    } else {
        pass(r, steps[r->kind], src, side_by_side, n, NULL, &acc);
    }
    if (r->exact) {
        finish_integers(r, &acc, n);
        sn_store_int64s(r->dtype, acc.s, false, n, dst);
    } else {
        finish_doubles(r, acc.d, n);
        sn_store_doubles(r->dtype, acc.d, n, dst);
    }
}

static sinter_status walk(sn_eval *x, const reduction *r, const char *src, char *dst)
{
    bool side_by_side = r->kept_rank > 0 && r->kept_stride[r->kept_rank - 1] == 1;
    int outer = side_by_side ? r->kept_rank - 1 : r->kept_rank;
    size_t run = side_by_side ? r->kept[outer] : 1, index[SN_MAX_RANK] = {0};
    ptrdiff_t offset = 0;
    do {
        if (sn_eval_cancelled(x)) return sn_eval_fail(x, SINTER_CANCELLED, "cancelled");
        for (size_t done = 0; done < run; done += SN_CHUNK) {
            size_t n = run - done < SN_CHUNK ? run - done : SN_CHUNK;
            reduce_block(r, src + ((size_t)offset + done) * r->element, side_by_side, n, dst);
            dst += n * r->element;
        }
    } while (advance(outer, r->kept, r->kept_stride, index, &offset));
    return SINTER_OK;
}

/* Splits the merged dimensions into kept and reduced ones. */
static void plan(reduction *r, const sn_shape *in, const bool *reduced)
{
    ptrdiff_t strides[SN_MAX_RANK];
    sn_row_major_strides(in, strides);
    r->reduced_count = 1;
    int previous = -1; /* index of the last dimension that is not 1 */
    for (int i = 0; i < in->rank; i++) {
        size_t dim = (size_t)in->dims[i];
        if (reduced[i]) r->reduced_count *= dim;
        if (dim == 1) continue;
        size_t *dims = reduced[i] ? r->reduced : r->kept;
        ptrdiff_t *to = reduced[i] ? r->reduced_stride : r->kept_stride;
        int *rank = reduced[i] ? &r->reduced_rank : &r->kept_rank;
        if (previous >= 0 && reduced[previous] == reduced[i]) {
            dims[*rank - 1] *= dim;
            to[*rank - 1] = strides[i];
        } else {
            dims[*rank] = dim;
            to[(*rank)++] = strides[i];
        }
        previous = i;
    }
    if (r->kept_rank + r->reduced_rank == 0) { /* a single element */
        r->reduced[0] = 1;
        r->reduced_stride[r->reduced_rank++] = 1;
    }
}

static bool stays_exact(reduce_kind kind, sinter_dtype dtype)
{
    return !sn_dtype_is_float(dtype) && kind != L2 && kind != LOG_SUM && kind != LOG_SUM_EXP;
}

static sinter_status read_axes(sn_eval *x, const reduce_params *p, const int64_t **axes, size_t *n)
{
    *axes = p->axes;
    *n = p->n_axes;
    if (!p->axes_input || !sn_eval_has(x, 1) || x->in[1]->count == 0) return SINTER_OK;
    const sinter_value *v = x->in[1];
    int64_t *copy = sn_eval_scratch(x, v->count * sizeof *copy);
    if (!copy) return sn_no_memory(x->err, "reading axes");
    sn_load_int64s(v->dtype, v->data, v->count, copy);
    *axes = copy;
    *n = v->count;
    return SINTER_OK;
}

static sinter_status eval_reduce(sn_eval *x)
{
    const reduce_params *p = x->params;
    const sinter_value *in = x->in[0];
    const int64_t *axes;
    size_t n_axes;
    int64_t bad = 0;
    bool reduced[SN_MAX_RANK];
    sn_shape shape;
    sinter_value *out;
    SN_TRY(read_axes(x, p, &axes, &n_axes));
    if (!reduce_shape(p, axes, n_axes, &in->shape, reduced, &shape, &bad))
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "axis %lld is outside the input's rank %d", (long long)bad,
                            in->shape.rank);
    SN_TRY(sn_eval_output(x, 0, in->dtype, &shape, &out));
    if (out->count == 0) return SINTER_OK;
    reduction r = {.kind = (reduce_kind)x->op->variant, .dtype = in->dtype};
    r.element = sn_dtypes[in->dtype].size;
    r.exact = stays_exact(r.kind, in->dtype);
    plan(&r, &in->shape, reduced);
    return walk(x, &r, in->data, out->data);
}

/* ---------------------------------------------------------------------------------------------------- rows */

#define NUMBERS "@float|int32|int64|uint32|uint64"
#define REDUCE(name, since, inputs, types, kind)                                                                       \
    {                                                                                                                  \
        "", name, since, inputs " -> reduced:T; T=" types, 0, kind, sizeof(reduce_params), prepare_reduce,             \
            infer_reduce, eval_reduce                                                                                  \
    }
#define REDUCE_ROWS(name, axes_since, types, kind)                                                                     \
    REDUCE(name, 1, "data:T", types, kind), REDUCE(name, axes_since, "data:T, axes:int64?", types, kind)

const sn_op sn_ops_reduce[] = {
    REDUCE_ROWS("ReduceSum", 13, NUMBERS, SUM),
    REDUCE_ROWS("ReduceMean", 18, NUMBERS, MEAN),
    REDUCE_ROWS("ReduceMax", 18, NUMBERS "|int8|uint8|bool", MAX),
    REDUCE_ROWS("ReduceMin", 18, NUMBERS "|int8|uint8|bool", MIN),
    REDUCE_ROWS("ReduceProd", 18, NUMBERS, PROD),
    REDUCE_ROWS("ReduceL1", 18, NUMBERS, L1),
    REDUCE_ROWS("ReduceL2", 18, NUMBERS, L2),
    REDUCE_ROWS("ReduceLogSum", 18, NUMBERS, LOG_SUM),
    REDUCE_ROWS("ReduceLogSumExp", 18, NUMBERS, LOG_SUM_EXP),
    REDUCE_ROWS("ReduceSumSquare", 18, NUMBERS, SUM_SQUARE),
    {0},
};
