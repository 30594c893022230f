/*
 * Slice: attributes up to opset 9, inputs from 10 on (with steps, which may be negative). Starts and ends count from
 * the end when negative and are clamped, so that INT64_MAX and INT64_MIN mean "as far as it goes".
 */
#include "ops/movement.h"
#include "ops/op.h"
#include "ops/typed.h"

typedef struct slice_params {
    const int64_t *starts, *ends, *axes;
    size_t n_starts, n_ends, n_axes;
} slice_params;

static sinter_status prepare_slice(sn_prepare *p, void *params)
{
    slice_params *s = params;
    SN_TRY(sn_attr_ints(p, "starts", &s->starts, &s->n_starts));
    SN_TRY(sn_attr_ints(p, "ends", &s->ends, &s->n_ends));
    SN_TRY(sn_attr_ints(p, "axes", &s->axes, &s->n_axes));
    if (s->n_starts != s->n_ends || (s->axes && s->n_axes != s->n_starts))
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attributes 'starts', 'ends' and 'axes' differ in length");
    return SINTER_OK;
}

/* The lists of one node, wherever they come from. */
typedef struct bounds {
    const int64_t *starts, *ends;
    const int64_t *axes;  /* NULL: 0, 1, 2 ... */
    const int64_t *steps; /* NULL: all 1 */
    size_t n;
} bounds;

typedef struct range {
    int64_t start, step;
    int64_t count;
} range;

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* step is not 0. */
static range resolve_range(int64_t dim, int64_t start, int64_t end, int64_t step)
{
    if (step == INT64_MIN) step = -INT64_MAX; /* as good, and can be negated */
    if (start < 0) start += dim;
    if (end < 0) end += dim;
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? dim : dim - 1;
    start = clamp(start, step > 0 ? 0 : (dim > 0 ? 0 : -1), high);
    end = clamp(end, low, high);
    int64_t distance = step > 0 ? end - start : start - end, size = step > 0 ? step : -step;
    int64_t count = distance > 0 ? (distance - 1) / size + 1 : 0;
    return (range){.start = start, .step = count > 1 ? step : 1, .count = count};
}

/* ---------------------------------------------------------------------------------------------------- infer */

/* False when a list is given that is not known. */
static bool infer_bounds(sn_infer *x, bounds *b, size_t lengths[4])
{
    const slice_params *p = x->params;
    if (x->op->since < 10) {
        *b = (bounds){p->starts, p->ends, p->axes, NULL, p->n_starts};
        for (size_t i = 0; i < 4; i++) lengths[i] = b->n;
        return true;
    }
    const int64_t **lists[] = {&b->starts, &b->ends, &b->axes, &b->steps};
    *b = (bounds){0};
    for (size_t i = 0; i < 4; i++)
        if (sn_infer_has(x, i + 1) && !sn_infer_numbers(x, i + 1, lists[i], &lengths[i])) return false;
    b->n = lengths[0];
    for (size_t i = 2; i < 4; i++)
        if (!*lists[i]) lengths[i] = b->n;
    return true;
}

/* A whole symbolic dimension stays itself; any other part of one is unknown. */
static int64_t sliced_dim(int64_t dim, int64_t start, int64_t end, int64_t step)
{
    if (sn_dim_is_number(dim)) return resolve_range(dim, start, end, step).count;
    bool whole = (step == 1 && start == 0 && end >= INT32_MAX) || (step == -1 && start == -1 && end <= INT32_MIN);
    return whole ? dim : SN_DIM_UNKNOWN;
}

static void infer_elements(sn_infer *x, const bounds *b)
{
    const sn_fact *in = &x->in[0];
    if (!in->known || in->n_known > SN_MAX_KNOWN || b->n > 1) return;
    int64_t known[SN_MAX_KNOWN], dim = (int64_t)in->n_known;
    range r = b->n == 0 ? (range){0, 1, dim} : resolve_range(dim, b->starts[0], b->ends[0], b->steps ? b->steps[0] : 1);
    for (int64_t i = 0; i < r.count; i++) known[i] = in->known[r.start + i * r.step];
    sn_infer_known(x, 0, known, (size_t)r.count);
}

/* Without knowing how much is cut, only the dimensions that are not cut stay: all others than the axes, if these are
 * known. */
static void forget_sliced_dims(sn_infer *x, sn_shape *out)
{
    const int64_t *axes;
    size_t n;
    bool have = sn_infer_has(x, 3) && sn_infer_numbers(x, 3, &axes, &n);
    for (int i = 0; !have && i < out->rank; i++) out->dims[i] = SN_DIM_UNKNOWN;
    for (size_t i = 0; have && i < n; i++) {
        int axis;
        if (sn_axis_normalize(axes[i], out->rank, &axis)) out->dims[axis] = SN_DIM_UNKNOWN;
    }
}

static sinter_status infer_slice(sn_infer *x)
{
    sn_shape out = *sn_infer_shape(x, 0);
    int rank = out.rank;
    bounds b;
    size_t lengths[4] = {0};
    bool have = infer_bounds(x, &b, lengths);
    if (!have) forget_sliced_dims(x, &out);
    for (size_t i = 1; have && i < 4; i++)
        if (lengths[i] != b.n) return sn_infer_fail(x, "starts, ends, axes and steps differ in length");
    bool seen[SN_MAX_RANK] = {false};
    for (size_t i = 0; have && rank >= 0 && i < b.n; i++) {
        int64_t step = b.steps ? b.steps[i] : 1;
        int axis;
        if (!sn_axis_normalize(b.axes ? b.axes[i] : (int64_t)i, rank, &axis) || seen[axis])
            return sn_infer_fail(x, "axis %lld is outside the input's rank %d or comes twice",
                                 (long long)(b.axes ? b.axes[i] : (int64_t)i), rank);
        if (step == 0) return sn_infer_fail(x, "the step along axis %d is 0", axis);
        seen[axis] = true;
        out.dims[axis] = sliced_dim(out.dims[axis], b.starts[i], b.ends[i], step);
    }
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), &out);
    if (have && rank == 1) infer_elements(x, &b);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- eval */

/* Input i as int64, or *out stays NULL when it is left out. */
static sinter_status read_list(sn_eval *x, size_t i, size_t expected, const int64_t **out)
{
    if (!sn_eval_has(x, i)) return SINTER_OK;
    const sinter_value *v = x->in[i];
    if (v->count != expected)
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "input %zu has %zu elements, starts has %zu", i, v->count,
                            expected);
    int64_t *list = sn_eval_scratch(x, expected * sizeof *list);
    if (!list) return sn_no_memory(x->err, "evaluating Slice");
    sn_load_int64s(v->dtype, v->data, expected, list);
    *out = list;
    return SINTER_OK;
}

static sinter_status eval_bounds(sn_eval *x, bounds *b)
{
    const slice_params *p = x->params;
    if (x->op->since < 10) {
        *b = (bounds){p->starts, p->ends, p->axes, NULL, p->n_starts};
        return SINTER_OK;
    }
    *b = (bounds){.n = x->in[1]->count};
    SN_TRY(read_list(x, 1, b->n, &b->starts));
    SN_TRY(read_list(x, 2, b->n, &b->ends));
    SN_TRY(read_list(x, 3, b->n, &b->axes));
    return read_list(x, 4, b->n, &b->steps);
}

static sinter_status resolve_ranges(sn_eval *x, const sn_shape *in, const bounds *b, range *ranges)
{
    bool seen[SN_MAX_RANK] = {false};
    for (int i = 0; i < in->rank; i++) ranges[i] = (range){0, 1, in->dims[i]};
    for (size_t i = 0; i < b->n; i++) {
        int64_t step = b->steps ? b->steps[i] : 1, given = b->axes ? b->axes[i] : (int64_t)i;
        int axis;
        if (!sn_axis_normalize(given, in->rank, &axis) || seen[axis])
            return sn_eval_fail(x, SINTER_INVALID_INPUT, "axis %lld is outside the input's rank %d or comes twice",
                                (long long)given, in->rank);
        if (step == 0) return sn_eval_fail(x, SINTER_INVALID_INPUT, "the step along axis %d is 0", axis);
        seen[axis] = true;
        ranges[axis] = resolve_range(in->dims[axis], b->starts[i], b->ends[i], step);
    }
    return SINTER_OK;
}

static sinter_status eval_slice(sn_eval *x)
{
    const sinter_value *in = x->in[0];
    bounds b;
    range ranges[SN_MAX_RANK];
    SN_TRY(eval_bounds(x, &b));
    SN_TRY(resolve_ranges(x, &in->shape, &b, ranges));
    sn_shape shape = in->shape;
    for (int i = 0; i < shape.rank; i++) shape.dims[i] = ranges[i].count;
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, in->dtype, &shape, &out));
    if (out->count == 0) return SINTER_OK;
    ptrdiff_t strides[SN_MAX_RANK], offset = 0;
    sn_row_major_strides(&in->shape, strides);
    sn_copy c = {.rank = shape.rank};
    sn_row_major_strides(&shape, c.dst);
    for (int i = 0; i < shape.rank; i++) {
        c.dims[i] = (size_t)ranges[i].count;
        c.src[i] = strides[i] * (ptrdiff_t)ranges[i].step;
        offset += strides[i] * (ptrdiff_t)ranges[i].start;
    }
    size_t element = sn_dtypes[in->dtype].size;
    sn_copy_run(&c, element, out->data, sn_at(in->data, (size_t)offset, element));
    return SINTER_OK;
}

const sn_op sn_ops_slice[] = {
    {"", "Slice", 1, "data:T -> output:T; T=@all", 0, 0, sizeof(slice_params), prepare_slice, infer_slice, eval_slice},
    {"", "Slice", 10, "data:T, starts:I, ends:I, axes:I?, steps:I? -> output:T; T=@all, I=int32|int64", 0, 0,
     sizeof(slice_params), NULL, infer_slice, eval_slice},
    {0},
};
