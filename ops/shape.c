/*
 * Operators about shapes: Shape, Size, Reshape, Flatten, Squeeze, Unsqueeze, Expand. What a target shape works out to
 * is computed by one function each, on dims that may be symbols or unknown: infer calls it with what is known, eval
 * with numbers.
 */
#include "ops/infer_util.h"
#include "ops/movement.h"
#include "ops/reshape.h"

#include <stdio.h>

/* ---------------------------------------------------------------------------------------------------- axes, targets */

/* The integer list that several of these operators take: an attribute at first, an input since opset 13 (Reshape: 5).
 */
typedef struct list_params {
    bool is_input;
    bool allow_zero;       /* Reshape */
    const int64_t *values; /* the attribute */
    size_t count;
    bool present;
} list_params;

static sinter_status prepare_list_attr(sn_prepare *p, const char *name, list_params *q)
{
    q->present = sn_attr_present(p, name);
    return sn_attr_ints(p, name, &q->values, &q->count);
}

/* Elements may be symbols or unknown; false when not even the number of them is known. */
static bool infer_list(const sn_infer *x, const list_params *q, const int64_t **values, size_t *n)
{
    if (!q->is_input) {
        *values = q->values;
        *n = q->count;
        return true;
    }
    if (sn_infer_numbers(x, 1, values, n)) return true;
    *values = x->in[1].known;
    *n = x->in[1].n_known;
    return *values != NULL;
}

/* The same when all elements must be numbers. */
static bool infer_axes(const sn_infer *x, const list_params *q, const int64_t **axes, size_t *n)
{
    return q->is_input ? sn_infer_numbers(x, 1, axes, n) : infer_list(x, q, axes, n);
}

/* Number of elements of a list input whose elements are not known; -1 when that is not known either. */
static int64_t infer_list_length(const sn_infer *x)
{
    const sn_shape *s = sn_infer_shape(x, 1);
    return s->rank == 1 && sn_dim_is_number(s->dims[0]) ? s->dims[0] : -1;
}

static sinter_status eval_list(sn_eval *x, const list_params *q, int64_t *buffer, const int64_t **values, size_t *n)
{
    if (!q->is_input) {
        *values = q->values;
        *n = q->count;
        return SINTER_OK;
    }
    const sinter_value *v = x->in[1];
    if (v->shape.rank > 1 || v->count > SN_MAX_RANK) {
        return sn_eval_fail(x, SINTER_INVALID_INPUT,
                            "input 1 of rank %d with %zu elements, expected a list of at most %d", v->shape.rank,
                            v->count, SN_MAX_RANK);
    }
    for (size_t i = 0; i < v->count; i++) buffer[i] = sn_tensor_int(v, i);
    *values = buffer;
    *n = v->count;
    return SINTER_OK;
}

static sn_shape unknown_dims(int64_t rank)
{
    if (rank < 0 || rank > SN_MAX_RANK) return SN_SHAPE_UNKNOWN;
    sn_shape s = {.rank = (int32_t)rank};
    for (int i = 0; i < s.rank; i++) s.dims[i] = SN_DIM_UNKNOWN;
    return s;
}

/* Working out an output shape is a function of its own for each operator; on contradiction it writes why and returns
 * false. */
enum { WHY = SN_RESHAPE_WHY };

static bool refuse(char *why, const char *text)
{
    snprintf(why, WHY, "%s", text);
    return false;
}

/* Marks the listed axes of a rank; false when one is out of range or there twice. */
static bool mark_axes(const int64_t *axes, size_t n, int rank, bool *marked, char *why)
{
    for (size_t i = 0; i < n; i++) {
        int axis;
        if (!sn_axis_normalize(axes[i], rank, &axis)) {
            snprintf(why, WHY, "axis %lld, expected one in [-%d, %d)", (long long)axes[i], rank, rank);
            return false;
        }
        if (marked[axis]) {
            snprintf(why, WHY, "axis %d is listed twice", axis);
            return false;
        }
        marked[axis] = true;
    }
    return true;
}

/* Output 0 of a view: the shape, and what is known of the elements. */
static void infer_view(sn_infer *x, const sn_shape *shape)
{
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), shape);
    sn_infer_keep_known(x);
}

/* ---------------------------------------------------------------------------------------------------- Shape, Size */

typedef struct shape_params {
    int64_t start, end;
} shape_params;

static sinter_status prepare_shape(sn_prepare *p, void *params)
{
    shape_params *q = params;
    SN_TRY(sn_attr_int(p, "start", 0, &q->start));
    return sn_attr_int(p, "end", SN_MAX_RANK, &q->end);
}

static int clamp_axis(int64_t axis, int rank)
{
    if (axis < 0) axis = axis < -rank ? 0 : axis + rank;
    return axis > rank ? rank : (int)axis;
}

/* The range of dims that the node asks for; a start beyond the end is an empty one. */
static void shape_range(const shape_params *q, int rank, int *from, int *count)
{
    *from = clamp_axis(q->start, rank);
    int to = clamp_axis(q->end, rank);
    *count = to > *from ? to - *from : 0;
}

static sinter_status infer_shape_op(sn_infer *x)
{
    const sn_shape *s = sn_infer_shape(x, 0);
    sn_shape out = {.rank = 1, .dims = {SN_DIM_UNKNOWN}};
    if (s->rank >= 0) {
        int from, count;
        shape_range(x->params, s->rank, &from, &count);
        out.dims[0] = count;
        sn_infer_known(x, 0, s->dims + from, (size_t)count);
    }
    sn_infer_tensor(x, 0, SINTER_INT64, &out);
    return SINTER_OK;
}

static sinter_status eval_shape_op(sn_eval *x)
{
    const sn_shape *s = &x->in[0]->shape;
    int from, count;
    shape_range(x->params, s->rank, &from, &count);
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, SINTER_INT64, &(sn_shape){.rank = 1, .dims = {count}}, &out));
    memcpy(out->data, s->dims + from, (size_t)count * sizeof *s->dims);
    return SINTER_OK;
}

static sinter_status infer_size(sn_infer *x)
{
    const sn_shape *s = sn_infer_shape(x, 0);
    sn_infer_tensor(x, 0, SINTER_INT64, &(sn_shape){.rank = 0});
    if (s->rank < 0) return SINTER_OK;
    int64_t size = sn_dims_product(s->dims, s->rank);
    sn_infer_known(x, 0, &size, 1);
    return SINTER_OK;
}

static sinter_status eval_size(sn_eval *x)
{
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, SINTER_INT64, &(sn_shape){.rank = 0}, &out));
    *(int64_t *)out->data = (int64_t)x->in[0]->count;
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- Reshape */

static sinter_status prepare_reshape(sn_prepare *p, void *params)
{
    list_params *q = params;
    q->is_input = p->op->since >= 5;
    SN_TRY(sn_attr_bool(p, "allowzero", false, &q->allow_zero));
    if (q->is_input) return SINTER_OK;
    SN_TRY(prepare_list_attr(p, "shape", q));
    return q->present ? SINTER_OK : sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'shape' is missing");
}

static sinter_status infer_reshape(sn_infer *x)
{
    const list_params *q = x->params;
    const int64_t *target;
    size_t n;
    sn_shape out;
    char why[WHY];
    if (!infer_list(x, q, &target, &n)) {
        out = unknown_dims(infer_list_length(x));
    } else if (!sn_reshape(sn_infer_shape(x, 0), target, n, q->allow_zero, &out, why)) {
        char in[SN_SHAPE_TEXT];
        return sn_infer_fail(x, "input of shape %s: %s",
                             sn_shape_text(sn_infer_shape(x, 0), x->model->symbols, in, sizeof in), why);
    }
    infer_view(x, &out);
    return SINTER_OK;
}

static sinter_status eval_reshape(sn_eval *x)
{
    const list_params *q = x->params;
    int64_t buffer[SN_MAX_RANK];
    const int64_t *target;
    size_t n;
    SN_TRY(eval_list(x, q, buffer, &target, &n));
    sn_shape out;
    char why[WHY], in[SN_SHAPE_TEXT];
    bool fits = sn_reshape(&x->in[0]->shape, target, n, q->allow_zero, &out, why);
    if (fits && !sn_shape_is_static(&out)) fits = refuse(why, "a -1 in the target shape is ambiguous beside a 0");
    if (!fits) {
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "input of shape %s: %s",
                            sn_shape_text(&x->in[0]->shape, NULL, in, sizeof in), why);
    }
    return sn_eval_copy(x, 0, x->in[0], &out);
}

/* ---------------------------------------------------------------------------------------------------- Flatten */

typedef struct flatten_params {
    int64_t axis;
} flatten_params;

static sinter_status prepare_flatten(sn_prepare *p, void *params)
{
    return sn_attr_int(p, "axis", 1, &((flatten_params *)params)->axis);
}

static bool flatten(const sn_shape *in, int64_t axis, sn_shape *out, char *why)
{
    *out = unknown_dims(2);
    if (in->rank < 0) return true;
    if (axis < -in->rank || axis > in->rank) {
        snprintf(why, WHY, "axis %lld, expected one in [-%d, %d]", (long long)axis, in->rank, in->rank);
        return false;
    }
    int at = (int)(axis < 0 ? axis + in->rank : axis);
    out->dims[0] = sn_dims_product(in->dims, at);
    out->dims[1] = sn_dims_product(in->dims + at, in->rank - at);
    return true;
}

static sinter_status infer_flatten(sn_infer *x)
{
    const flatten_params *q = x->params;
    sn_shape out;
    char why[WHY];
    if (!flatten(sn_infer_shape(x, 0), q->axis, &out, why)) return sn_infer_fail(x, "%s", why);
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), &out);
    return SINTER_OK;
}

static sinter_status eval_flatten(sn_eval *x)
{
    const flatten_params *q = x->params;
    sn_shape out;
    char why[WHY];
    if (!flatten(&x->in[0]->shape, q->axis, &out, why)) return sn_eval_fail(x, SINTER_INVALID_INPUT, "%s", why);
    return sn_eval_copy(x, 0, x->in[0], &out);
}

/* ---------------------------------------------------------------------------------------------------- Squeeze */

static sinter_status prepare_squeeze(sn_prepare *p, void *params)
{
    list_params *q = params;
    q->is_input = p->op->since >= 13;
    if (q->is_input) {
        q->present = p->n_in > 1 && p->node->in[1] != SN_NONE;
        return SINTER_OK;
    }
    return prepare_list_attr(p, "axes", q);
}

/* Without axes every dimension of 1 goes. */
static bool squeeze(const sn_shape *in, bool has_axes, const int64_t *axes, size_t n, sn_shape *out, char *why)
{
    *out = SN_SHAPE_UNKNOWN;
    if (in->rank < 0) return true;
    bool gone[SN_MAX_RANK] = {false};
    if (has_axes && !mark_axes(axes, n, in->rank, gone, why)) return false;
    sn_shape s = {.rank = 0};
    for (int i = 0; i < in->rank; i++) {
        int64_t dim = in->dims[i];
        if (gone[i] && sn_dim_is_number(dim) && dim != 1) {
            snprintf(why, WHY, "axis %d is of size %lld, expected 1", i, (long long)dim);
            return false;
        }
        if (!has_axes && !sn_dim_is_number(dim)) return true; /* it may be 1 */
        if (!has_axes) gone[i] = dim == 1;
        if (!gone[i]) s.dims[s.rank++] = dim;
    }
    *out = s;
    return true;
}

static sinter_status infer_squeeze(sn_infer *x)
{
    const list_params *q = x->params;
    const sn_shape *in = sn_infer_shape(x, 0);
    const int64_t *axes = NULL;
    size_t n = 0;
    sn_shape out;
    char why[WHY];
    if (q->present && !infer_axes(x, q, &axes, &n)) {
        int64_t length = infer_list_length(x);
        out = in->rank >= 0 && length >= 0 ? unknown_dims(in->rank - length) : SN_SHAPE_UNKNOWN;
    } else if (!squeeze(in, q->present, axes, n, &out, why)) {
        return sn_infer_fail(x, "%s", why);
    }
    infer_view(x, &out);
    return SINTER_OK;
}

static sinter_status eval_squeeze(sn_eval *x)
{
    const list_params *q = x->params;
    int64_t buffer[SN_MAX_RANK];
    const int64_t *axes = NULL;
    size_t n = 0;
    if (q->present) SN_TRY(eval_list(x, q, buffer, &axes, &n));
    sn_shape out;
    char why[WHY];
    if (!squeeze(&x->in[0]->shape, q->present, axes, n, &out, why)) {
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "%s", why);
    }
    return sn_eval_copy(x, 0, x->in[0], &out);
}

/* ---------------------------------------------------------------------------------------------------- Unsqueeze */

static sinter_status prepare_unsqueeze(sn_prepare *p, void *params)
{
    list_params *q = params;
    q->is_input = p->op->since >= 13;
    if (q->is_input) return SINTER_OK;
    SN_TRY(prepare_list_attr(p, "axes", q));
    return q->present ? SINTER_OK : sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'axes' is missing");
}

/* The axes count in the output. */
static bool unsqueeze(const sn_shape *in, const int64_t *axes, size_t n, sn_shape *out, char *why)
{
    *out = SN_SHAPE_UNKNOWN;
    if (in->rank < 0) return true;
    if (n > (size_t)(SN_MAX_RANK - in->rank)) return refuse(why, "the output would have too many dimensions");
    bool added[SN_MAX_RANK] = {false};
    sn_shape s = {.rank = in->rank + (int)n};
    if (!mark_axes(axes, n, s.rank, added, why)) return false;
    int from = 0;
    for (int i = 0; i < s.rank; i++) s.dims[i] = added[i] ? 1 : in->dims[from++];
    *out = s;
    return true;
}

static sinter_status infer_unsqueeze(sn_infer *x)
{
    const sn_shape *in = sn_infer_shape(x, 0);
    const int64_t *axes;
    size_t n;
    sn_shape out;
    char why[WHY];
    if (!infer_axes(x, x->params, &axes, &n)) {
        int64_t length = infer_list_length(x);
        out =
            in->rank >= 0 && length >= 0 && length <= SN_MAX_RANK ? unknown_dims(in->rank + length) : SN_SHAPE_UNKNOWN;
    } else if (!unsqueeze(in, axes, n, &out, why)) {
        return sn_infer_fail(x, "%s", why);
    }
    infer_view(x, &out);
    return SINTER_OK;
}

static sinter_status eval_unsqueeze(sn_eval *x)
{
    int64_t buffer[SN_MAX_RANK];
    const int64_t *axes;
    size_t n;
    SN_TRY(eval_list(x, x->params, buffer, &axes, &n));
    sn_shape out;
    char why[WHY];
    if (!unsqueeze(&x->in[0]->shape, axes, n, &out, why)) return sn_eval_fail(x, SINTER_INVALID_INPUT, "%s", why);
    return sn_eval_copy(x, 0, x->in[0], &out);
}

/* ---------------------------------------------------------------------------------------------------- Expand */

static bool expand(const sn_shape *in, const int64_t *target, size_t n, sn_shape *out, char *why)
{
    if (n > SN_MAX_RANK) return refuse(why, "the target shape has too many dimensions");
    sn_shape t = {.rank = (int32_t)n};
    for (size_t i = 0; i < n; i++) {
        if (sn_dim_is_number(target[i]) && target[i] < 0)
            return refuse(why, "the target shape has a negative dimension");
        t.dims[i] = target[i];
    }
    if (sn_infer_broadcast(in, &t, out)) return true;
    char a[SN_SHAPE_TEXT], b[SN_SHAPE_TEXT];
    snprintf(why, WHY, "input of shape %.70s does not broadcast with %.70s", sn_shape_text(in, NULL, a, sizeof a),
             sn_shape_text(&t, NULL, b, sizeof b));
    return false;
}

static const list_params second_input = {.is_input = true, .present = true};

static sinter_status infer_expand(sn_infer *x)
{
    const sn_shape *in = sn_infer_shape(x, 0);
    const int64_t *target;
    size_t n;
    sn_shape out;
    char why[WHY];
    if (!infer_list(x, &second_input, &target, &n)) {
        int64_t length = infer_list_length(x);
        out = in->rank >= 0 && length >= 0 ? unknown_dims(length > in->rank ? length : in->rank) : SN_SHAPE_UNKNOWN;
    } else if (!expand(in, target, n, &out, why)) {
        return sn_infer_fail(x, "%s", why);
    }
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), &out);
    return SINTER_OK;
}

static void repeat(const sinter_value *in, sinter_value *out)
{
    ptrdiff_t in_strides[SN_MAX_RANK];
    sn_copy c = {.rank = out->shape.rank};
    sn_row_major_strides(&out->shape, c.dst);
    sn_row_major_strides(&in->shape, in_strides);
    int added = out->shape.rank - in->shape.rank;
    for (int d = 0; d < c.rank; d++) {
        bool repeated = d < added || in->shape.dims[d - added] == 1;
        c.dims[d] = (size_t)out->shape.dims[d];
        c.src[d] = repeated ? 0 : in_strides[d - added];
    }
    sn_copy_run(&c, sinter_dtype_size(in->dtype), out->data, in->data);
}

static sinter_status eval_expand(sn_eval *x)
{
    int64_t buffer[SN_MAX_RANK];
    const int64_t *target;
    size_t n;
    SN_TRY(eval_list(x, &second_input, buffer, &target, &n));
    sn_shape shape;
    char why[WHY];
    if (!expand(&x->in[0]->shape, target, n, &shape, why)) return sn_eval_fail(x, SINTER_INVALID_INPUT, "%s", why);
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, x->in[0]->dtype, &shape, &out));
    if (out->count > 0) repeat(x->in[0], out);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- rows */

#define LIST sizeof(list_params)

const sn_op sn_ops_shape[] = {
    {"", "Shape", 1, "data:T -> shape:int64; T=@every", SN_OP_SHAPE_ONLY, 0, sizeof(shape_params), prepare_shape,
     infer_shape_op, eval_shape_op},
    {"", "Size", 1, "data:T -> size:int64; T=@every", SN_OP_SHAPE_ONLY, 0, 0, NULL, infer_size, eval_size},
    {"", "Reshape", 1, "data:T -> reshaped:T; T=@every", SN_OP_VIEW, 0, LIST, prepare_reshape, infer_reshape,
     eval_reshape},
    {"", "Reshape", 5, "data:T, shape:int64 -> reshaped:T; T=@every", SN_OP_VIEW, 0, LIST, prepare_reshape,
     infer_reshape, eval_reshape},
    {"", "Flatten", 1, "input:T -> output:T; T=@every", SN_OP_VIEW, 0, sizeof(flatten_params), prepare_flatten,
     infer_flatten, eval_flatten},
    {"", "Squeeze", 1, "data:T -> squeezed:T; T=@every", SN_OP_VIEW, 0, LIST, prepare_squeeze, infer_squeeze,
     eval_squeeze},
    {"", "Squeeze", 13, "data:T, axes:int64? -> squeezed:T; T=@every", SN_OP_VIEW, 0, LIST, prepare_squeeze,
     infer_squeeze, eval_squeeze},
    {"", "Unsqueeze", 1, "data:T -> expanded:T; T=@every", SN_OP_VIEW, 0, LIST, prepare_unsqueeze, infer_unsqueeze,
     eval_unsqueeze},
    {"", "Unsqueeze", 13, "data:T, axes:int64 -> expanded:T; T=@every", SN_OP_VIEW, 0, LIST, prepare_unsqueeze,
     infer_unsqueeze, eval_unsqueeze},
    {"", "Expand", 8, "input:T, shape:int64 -> output:T; T=@all", 0, 0, 0, NULL, infer_expand, eval_expand},
    {.name = NULL},
};
