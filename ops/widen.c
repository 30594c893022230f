/* Whole-tensor conversions between storage types and the types that operators compute in. */
#include "ops/widen.h"

#include "base/size.h"

sinter_dtype sn_wide_dtype(sinter_dtype dtype)
{
    return sn_dtype_is_float16(dtype) ? SINTER_FLOAT : dtype;
}

sinter_status sn_scratch_array(sn_eval *x, size_t n, size_t size, void **out)
{
    size_t bytes;
    if (!sn_size_mul(n, size, &bytes)) bytes = SIZE_MAX;
    *out = sn_eval_scratch(x, bytes);
    if (!*out) return sn_eval_fail(x, SINTER_NO_MEMORY, "out of memory: %zu elements of scratch", n);
    return SINTER_OK;
}

sinter_status sn_scratch_doubles(sn_eval *x, size_t n, double **out)
{
    void *p;
    SN_TRY(sn_scratch_array(x, n, sizeof(double), &p));
    *out = p;
    return SINTER_OK;
}

sinter_status sn_scratch_load(sn_eval *x, const sinter_value *v, double **out)
{
    *out = NULL;
    if (!v) return SINTER_OK;
    SN_TRY(sn_scratch_doubles(x, v->count, out));
    sn_read_row(v, 0, v->count, *out);
    return SINTER_OK;
}

sinter_status sn_widen(sn_eval *x, const sinter_value *v, const void **out)
{
    *out = v ? v->data : NULL;
    if (!v || sn_wide_dtype(v->dtype) == v->dtype) return SINTER_OK;
    void *copy;
    SN_TRY(sn_scratch_array(x, v->count, sizeof(float), &copy));
    sn_load_floats(v->dtype, v->data, v->count, copy);
    *out = copy;
    return SINTER_OK;
}

sinter_status sn_wide_output_open(sn_eval *x, size_t i, sinter_dtype dtype, const sn_shape *shape, sn_wide_output *out)
{
    SN_TRY(sn_eval_output(x, i, dtype, shape, &out->value));
    out->data = out->value->data;
    if (sn_wide_dtype(dtype) == dtype) return SINTER_OK;
    return sn_scratch_array(x, out->value->count, sizeof(float), &out->data);
}

void sn_wide_output_close(const sn_wide_output *out)
{
    sinter_value *v = out->value;
    if (out->data != v->data) sn_store_floats(v->dtype, out->data, v->count, v->data);
}
