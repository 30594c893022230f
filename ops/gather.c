/* Gather: picks slices along an axis by index; negative indices count from the end. */
#include "ops/movement.h"
#include "ops/op.h"

typedef struct gather_params {
    int64_t axis;
} gather_params;

static sinter_status prepare_gather(sn_prepare *p, void *params)
{
    return sn_attr_int(p, "axis", 0, &((gather_params *)params)->axis);
}

/* data[:axis] + indices + data[axis + 1:]; false when the rank would be too large. */
static bool gathered_shape(const sn_shape *data, const sn_shape *indices, int axis, sn_shape *out)
{
    if (data->rank - 1 + indices->rank > SN_MAX_RANK) return false;
    out->rank = 0;
    for (int i = 0; i < axis; i++) out->dims[out->rank++] = data->dims[i];
    for (int i = 0; i < indices->rank; i++) out->dims[out->rank++] = indices->dims[i];
    for (int i = axis + 1; i < data->rank; i++) out->dims[out->rank++] = data->dims[i];
    return true;
}

/* Picking elements of a small integer vector, usually of a Shape. */
static void infer_elements(sn_infer *x)
{
    const sn_fact *data = &x->in[0];
    const int64_t *indices;
    size_t n;
    if (sn_infer_shape(x, 0)->rank != 1 || sn_infer_shape(x, 1)->rank > 1 || !data->known) return;
    if (!sn_infer_numbers(x, 1, &indices, &n) || n > SN_MAX_KNOWN) return;
    int64_t known[SN_MAX_KNOWN], count = (int64_t)data->n_known;
    for (size_t i = 0; i < n; i++) {
        if (indices[i] < -count || indices[i] >= count) return;
        known[i] = data->known[indices[i] < 0 ? indices[i] + count : indices[i]];
    }
    sn_infer_known(x, 0, known, n);
}

static sinter_status infer_gather(sn_infer *x)
{
    const gather_params *p = x->params;
    const sn_shape *data = sn_infer_shape(x, 0), *indices = sn_infer_shape(x, 1);
    sn_shape out = SN_SHAPE_UNKNOWN;
    int axis;
    if (data->rank >= 0 && !sn_axis_normalize(p->axis, data->rank, &axis))
        return sn_infer_fail(x, "axis %lld is outside the data's rank %d", (long long)p->axis, data->rank);
    if (data->rank >= 0 && indices->rank >= 0 && !gathered_shape(data, indices, axis, &out))
        return sn_infer_fail(x, "the output would have more than %d dimensions", SN_MAX_RANK);
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), &out);
    if (data->rank == 1 && indices->rank >= 0) infer_elements(x);
    return SINTER_OK;
}

/* Non-negative indices, or NULL with *status set. */
static size_t *read_indices(sn_eval *x, const sinter_value *indices, int64_t dim, sinter_status *status)
{
    size_t *at = sn_eval_scratch(x, indices->count * sizeof *at);
    if (!at) *status = sn_no_memory(x->err, "evaluating Gather");
    for (size_t i = 0; at && i < indices->count; i++) {
        int64_t index = sn_tensor_int(indices, i);
        if (index < -dim || index >= dim) {
            *status = sn_eval_fail(x, SINTER_INVALID_INPUT, "index %lld (element %zu) is outside [%lld, %lld]",
                                   (long long)index, i, (long long)-dim, (long long)dim - 1);
            return NULL;
        }
        at[i] = (size_t)(index < 0 ? index + dim : index);
    }
    return at;
}

static void gather_slices(const size_t *at, size_t n, size_t bytes, const char *src, char *dst)
{
    switch (bytes) { /* memcpy of a constant size is one move */
    case 4:
        for (size_t i = 0; i < n; i++) memcpy(dst + i * 4, src + at[i] * 4, 4);
        break;
    case 8:
        for (size_t i = 0; i < n; i++) memcpy(dst + i * 8, src + at[i] * 8, 8);
        break;
    default:
        for (size_t i = 0; i < n; i++) memcpy(dst + i * bytes, src + at[i] * bytes, bytes);
    }
}

static sinter_status eval_gather(sn_eval *x)
{
    const gather_params *p = x->params;
    const sinter_value *data = x->in[0], *indices = x->in[1];
    sn_shape shape;
    int axis;
    if (!sn_axis_normalize(p->axis, data->shape.rank, &axis))
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "axis %lld is outside the data's rank %d", (long long)p->axis,
                            data->shape.rank);
    if (!gathered_shape(&data->shape, &indices->shape, axis, &shape))
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "the output would have more than %d dimensions", SN_MAX_RANK);
    int64_t dim = data->shape.dims[axis];
    sinter_status status = SINTER_OK;
    const size_t *at = read_indices(x, indices, dim, &status);
    if (!at) return status;
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, data->dtype, &shape, &out));
    if (out->count == 0) return SINTER_OK;
    size_t outer = (size_t)sn_shape_product(&data->shape, 0, axis);
    size_t bytes = (size_t)sn_shape_product(&data->shape, axis + 1, data->shape.rank) * sn_dtypes[data->dtype].size;
    for (size_t i = 0; i < outer; i++)
        gather_slices(at, indices->count, bytes, (const char *)data->data + i * (size_t)dim * bytes,
                      (char *)out->data + i * indices->count * bytes);
    return SINTER_OK;
}

const sn_op sn_ops_gather[] = {
    {"", "Gather", 1, "data:T, indices:I -> output:T; T=@all, I=int32|int64", 0, 0, sizeof(gather_params),
     prepare_gather, infer_gather, eval_gather},
    {0},
};
