/* Transpose, Concat and Split: each one strided copy per tensor (ops/movement.h). */
#include "ops/layout.h"
#include "ops/movement.h"
#include "ops/op.h"

/* ---------------------------------------------------------------------------------------------------- Transpose */

static sinter_status prepare_transpose(sn_prepare *p, void *params)
{
    sn_transpose_params *t = params;
    SN_TRY(sn_attr_ints(p, "perm", &t->perm, &t->n_perm));
    uint32_t seen = 0;
    for (size_t i = 0; i < t->n_perm; i++) {
        int64_t d = t->perm[i];
        if (t->n_perm > SN_MAX_RANK || d < 0 || d >= (int64_t)t->n_perm || (seen >> d & 1))
            return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'perm' is not a permutation (entry %zu is %lld)",
                                   i, (long long)d);
        seen |= UINT32_C(1) << d;
    }
    return SINTER_OK;
}

static void permuted_shape(const sn_transpose_params *p, const sn_shape *in, sn_shape *out)
{
    out->rank = in->rank;
    for (int i = 0; i < in->rank; i++) out->dims[i] = in->dims[sn_transpose_source(p, in->rank, i)];
}

static sinter_status infer_transpose(sn_infer *x)
{
    const sn_transpose_params *p = x->params;
    const sn_shape *in = sn_infer_shape(x, 0);
    sn_shape out = SN_SHAPE_UNKNOWN;
    if (in->rank >= 0) {
        if (p->perm && (int)p->n_perm != in->rank)
            return sn_infer_fail(x, "attribute 'perm' has %zu entries for an input of rank %d", p->n_perm, in->rank);
        permuted_shape(p, in, &out);
    } else if (p->perm) {
        out.rank = (int32_t)p->n_perm;
        for (size_t i = 0; i < p->n_perm; i++) out.dims[i] = SN_DIM_UNKNOWN;
    }
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), &out);
    return SINTER_OK;
}

static sinter_status eval_transpose(sn_eval *x)
{
    const sn_transpose_params *p = x->params;
    const sinter_value *in = x->in[0];
    int rank = in->shape.rank;
    if (p->perm && (int)p->n_perm != rank)
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "attribute 'perm' has %zu entries for an input of rank %d",
                            p->n_perm, rank);
    sn_shape shape;
    permuted_shape(p, &in->shape, &shape);
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, in->dtype, &shape, &out));
    ptrdiff_t strides[SN_MAX_RANK];
    sn_row_major_strides(&in->shape, strides);
    sn_copy c = {.rank = rank};
    sn_row_major_strides(&shape, c.dst);
    for (int i = 0; i < rank; i++) {
        c.dims[i] = (size_t)shape.dims[i];
        c.src[i] = strides[sn_transpose_source(p, rank, i)];
    }
    sn_copy_run(&c, sn_dtypes[in->dtype].size, out->data, in->data);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- along an axis */

/* Copies `extent` slices along an axis between a part and the whole that it lies in at slice `at`. */
static void copy_slices(const sn_shape *whole, int axis, size_t element, bool into_whole, void *dst, const void *src,
                        size_t at, size_t extent)
{
    size_t outer = (size_t)sn_shape_product(whole, 0, axis);
    size_t inner = (size_t)sn_shape_product(whole, axis + 1, whole->rank), span = (size_t)whole->dims[axis];
    ptrdiff_t whole_row = (ptrdiff_t)(span * inner), part_row = (ptrdiff_t)(extent * inner);
    sn_copy c = {.rank = 2, .dims = {outer, extent * inner}, .dst = {part_row, 1}, .src = {whole_row, 1}};
    size_t offset = at * inner * element;
    if (into_whole) {
        c.dst[0] = whole_row;
        c.src[0] = part_row;
        sn_copy_run(&c, element, (char *)dst + offset, src);
    } else {
        sn_copy_run(&c, element, dst, (const char *)src + offset);
    }
}

/* ---------------------------------------------------------------------------------------------------- Concat */

static sinter_status prepare_concat(sn_prepare *p, void *params)
{
    sn_concat_params *c = params;
    if (p->version >= 4 && !sn_attr_present(p, "axis"))
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'axis' is missing");
    return sn_attr_int(p, "axis", 1, &c->axis);
}

/* Takes one more input's dimension outside the axis into account; false when two numbers differ. */
static bool merge_dim(int64_t *dim, int64_t other)
{
    if (*dim == other) return true;
    if (sn_dim_is_number(*dim) && sn_dim_is_number(other)) return false;
    if (!sn_dim_is_number(*dim)) *dim = other;
    return true;
}

/* The sum of two dimensions: a symbol survives only beside 0. */
static int64_t add_dims(int64_t a, int64_t b)
{
    if (a == 0) return b;
    if (b == 0) return a;
    int64_t sum;
    if (!sn_dim_is_number(a) || !sn_dim_is_number(b) || __builtin_add_overflow(a, b, &sum)) return SN_DIM_UNKNOWN;
    return sum;
}

static void infer_concat_elements(sn_infer *x)
{
    int64_t known[SN_MAX_KNOWN];
    size_t n = 0;
    bool any = false;
    for (size_t i = 0; i < x->n_in; i++) {
        const sn_shape *s = sn_infer_shape(x, i);
        size_t length;
        if (s->rank != 1 || !sn_shape_count(s, &length) || length > SN_MAX_KNOWN - n) return;
        const sn_fact *f = &x->in[i];
        bool have = f->known && f->n_known == length;
        any |= have;
        for (size_t k = 0; k < length; k++) known[n++] = have ? f->known[k] : SN_DIM_UNKNOWN;
    }
    if (any) sn_infer_known(x, 0, known, n);
}

static sinter_status infer_concat(sn_infer *x)
{
    const sn_concat_params *p = x->params;
    sn_shape out = SN_SHAPE_UNKNOWN;
    sinter_dtype dtype = SINTER_UNDEFINED;
    bool complete = true; /* every rank is known: the sum along the axis is known */
    int axis = 0;
    for (size_t i = 0; i < x->n_in; i++) {
        const sn_shape *s = sn_infer_shape(x, i);
        if (dtype == SINTER_UNDEFINED) dtype = sn_infer_dtype(x, i);
        if (s->rank < 0) {
            complete = false;
            continue;
        }
        if (!sn_axis_normalize(p->axis, s->rank, &axis))
            return sn_infer_fail(x, "axis %lld is outside the rank %d of input %zu", (long long)p->axis, s->rank, i);
        if (out.rank < 0) {
            out = *s;
            continue;
        }
        if (out.rank != s->rank)
            return sn_infer_fail(x, "input %zu has rank %d, the ones before have %d", i, s->rank, out.rank);
        for (int d = 0; d < s->rank; d++) {
            if (d == axis)
                out.dims[d] = add_dims(out.dims[d], s->dims[d]);
            else if (!merge_dim(&out.dims[d], s->dims[d]))
                return sn_infer_fail(x, "input %zu has %lld at dimension %d, the ones before have %lld", i,
                                     (long long)s->dims[d], d, (long long)out.dims[d]);
        }
    }
    if (out.rank >= 0 && !complete) out.dims[axis] = SN_DIM_UNKNOWN;
    sn_infer_tensor(x, 0, dtype, &out);
    if (dtype == SINTER_INT64 || dtype == SINTER_INT32) infer_concat_elements(x);
    return SINTER_OK;
}

static sinter_status concat_shape(sn_eval *x, int *axis, sn_shape *out)
{
    const sn_concat_params *p = x->params;
    *out = x->in[0]->shape;
    if (!sn_axis_normalize(p->axis, out->rank, axis))
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "axis %lld is outside the rank %d of the inputs",
                            (long long)p->axis, out->rank);
    for (size_t i = 1; i < x->n_in; i++) {
        sn_shape other = x->in[i]->shape;
        int64_t extent = other.rank == out->rank ? other.dims[*axis] : 0;
        if (other.rank == out->rank) other.dims[*axis] = out->dims[*axis];
        if (!sn_shape_eq(&other, out)) {
            char a[SN_SHAPE_TEXT], b[SN_SHAPE_TEXT];
            return sn_eval_fail(x, SINTER_INVALID_INPUT, "input %zu has shape %s, which does not fit %s along axis %d",
                                i, sn_shape_text(&x->in[i]->shape, NULL, a, sizeof a),
                                sn_shape_text(&x->in[0]->shape, NULL, b, sizeof b), *axis);
        }
        if (__builtin_add_overflow(out->dims[*axis], extent, &out->dims[*axis]))
            return sn_eval_fail(x, SINTER_TOO_LARGE, "the inputs are too long together");
    }
    return SINTER_OK;
}

static sinter_status eval_concat(sn_eval *x)
{
    int axis;
    sn_shape shape;
    SN_TRY(concat_shape(x, &axis, &shape));
    sinter_value *out;
    sinter_dtype dtype = x->in[0]->dtype;
    SN_TRY(sn_eval_output(x, 0, dtype, &shape, &out));
    size_t at = 0;
    for (size_t i = 0; i < x->n_in; i++) {
        size_t extent = (size_t)x->in[i]->shape.dims[axis];
        if (x->in[i]->count > 0)
            copy_slices(&shape, axis, sn_dtypes[dtype].size, true, out->data, x->in[i]->data, at, extent);
        at += extent;
    }
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- Split */

static sinter_status prepare_split(sn_prepare *p, void *params)
{
    sn_split_params *s = params;
    SN_TRY(sn_attr_int(p, "axis", 0, &s->axis));
    if (p->version < 13) return sn_attr_ints(p, "split", &s->sizes, &s->n_sizes);
    if (p->version < 18) return SINTER_OK;
    s->uneven = true;
    int64_t parts;
    SN_TRY(sn_attr_int(p, "num_outputs", (int64_t)p->node->n_out, &parts));
    if (parts != (int64_t)p->node->n_out)
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'num_outputs' is %lld, but the node has %zu outputs",
                               (long long)parts, p->node->n_out);
    return SINTER_OK;
}

/* Extent of part i of n along a dimension of which no sizes are given; -1 when it does not divide. */
static int64_t equal_part(const sn_split_params *p, int64_t dim, size_t i, size_t n)
{
    int64_t parts = (int64_t)n;
    if (dim % parts == 0) return dim / parts;
    if (!p->uneven) return -1;
    int64_t size = dim / parts + 1, left = dim - size * (int64_t)i;
    return left < 0 ? 0 : left < size ? left : size;
}

/* The given sizes must be as many as outputs, none negative, and add up. `dim` may be unknown. NULL when they are fine.
 */
static const char *check_sizes(const int64_t *sizes, size_t n_sizes, size_t n_out, int64_t dim)
{
    if (n_sizes != n_out) return "the split sizes are not as many as the outputs";
    int64_t sum = 0;
    for (size_t i = 0; i < n_sizes; i++)
        if (sizes[i] < 0 || __builtin_add_overflow(sum, sizes[i], &sum)) return "a split size is negative or too large";
    return sn_dim_is_number(dim) && sum != dim ? "the split sizes do not add up to the dimension" : NULL;
}

/* The part's elements are known when those of a 1-D input are. */
static void infer_part(sn_infer *x, size_t i, const sn_shape *shape, int64_t at)
{
    const sn_fact *in = &x->in[0];
    if (shape->rank != 1 || !in->known || at < 0 || !sn_dim_is_number(shape->dims[0])) return;
    size_t from = (size_t)at, n = (size_t)shape->dims[0];
    if (from <= in->n_known && n <= in->n_known - from) sn_infer_known(x, i, in->known + from, n);
}

static sinter_status infer_split(sn_infer *x)
{
    const sn_split_params *p = x->params;
    sn_shape shape = *sn_infer_shape(x, 0);
    const int64_t *sizes = p->sizes;
    size_t n_sizes = p->n_sizes;
    int axis = 0;
    bool given = sn_infer_has(x, 1), have = given ? sn_infer_numbers(x, 1, &sizes, &n_sizes) : n_sizes > 0;
    if (shape.rank >= 0 && !sn_axis_normalize(p->axis, shape.rank, &axis))
        return sn_infer_fail(x, "axis %lld is outside the input's rank %d", (long long)p->axis, shape.rank);
    int64_t dim = shape.rank >= 0 ? shape.dims[axis] : SN_DIM_UNKNOWN, at = 0;
    const char *wrong = have ? check_sizes(sizes, n_sizes, x->n_out, dim) : NULL;
    if (wrong) return sn_infer_fail(x, "%s (axis %d)", wrong, axis);
    for (size_t i = 0; i < x->n_out; i++) {
        int64_t extent = SN_DIM_UNKNOWN;
        if (have)
            extent = sizes[i];
        else if (!given && sn_dim_is_number(dim))
            extent = equal_part(p, dim, i, x->n_out);
        if (extent == -1) return sn_infer_fail(x, "%lld does not divide into %zu parts", (long long)dim, x->n_out);
        if (shape.rank >= 0) shape.dims[axis] = extent;
        sn_infer_tensor(x, i, sn_infer_dtype(x, 0), &shape);
        infer_part(x, i, &shape, at);
        at = extent < 0 || at < 0 ? -1 : at + extent;
    }
    return SINTER_OK;
}

static sinter_status eval_split(sn_eval *x)
{
    const sn_split_params *p = x->params;
    const sinter_value *in = x->in[0];
    const int64_t *sizes = p->sizes;
    size_t n_sizes = p->n_sizes, at = 0;
    int axis;
    if (!sn_axis_normalize(p->axis, in->shape.rank, &axis))
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "axis %lld is outside the input's rank %d", (long long)p->axis,
                            in->shape.rank);
    if (sn_eval_has(x, 1)) {
        sizes = x->in[1]->data;
        n_sizes = x->in[1]->count;
    }
    int64_t dim = in->shape.dims[axis];
    const char *wrong = n_sizes > 0 ? check_sizes(sizes, n_sizes, x->n_out, dim) : NULL;
    if (wrong) return sn_eval_fail(x, SINTER_INVALID_INPUT, "%s (axis %d, %lld)", wrong, axis, (long long)dim);
    for (size_t i = 0; i < x->n_out; i++) {
        int64_t extent = n_sizes > 0 ? sizes[i] : equal_part(p, dim, i, x->n_out);
        if (extent < 0)
            return sn_eval_fail(x, SINTER_INVALID_INPUT, "dimension %d is %lld, which does not divide into %zu parts",
                                axis, (long long)dim, x->n_out);
        sn_shape shape = in->shape;
        shape.dims[axis] = extent;
        sinter_value *out;
        SN_TRY(sn_eval_output(x, i, in->dtype, &shape, &out));
        if (out->count > 0)
            copy_slices(&in->shape, axis, sn_dtypes[in->dtype].size, false, out->data, in->data, at, (size_t)extent);
        at += (size_t)extent;
    }
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- rows */

const sn_op sn_ops_layout[] = {
    {"", "Transpose", 1, "data:T -> transposed:T; T=@every", 0, 0, sizeof(sn_transpose_params), prepare_transpose,
     infer_transpose, eval_transpose},
    {"", "Concat", 1, "inputs:T... -> concat:T; T=@all", 0, 0, sizeof(sn_concat_params), prepare_concat, infer_concat,
     eval_concat},
    {"", "Split", 2, "input:T -> outputs:T...; T=@all", 0, 0, sizeof(sn_split_params), prepare_split, infer_split,
     eval_split},
    {"", "Split", 13, "input:T, split:int64? -> outputs:T...; T=@all", 0, 0, sizeof(sn_split_params), prepare_split,
     infer_split, eval_split},
    {0},
};
