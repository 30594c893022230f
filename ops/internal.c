/*
 * Internal fused operators (domain "sinter"): made by lowering passes when a session is created, never read from files
 * or written to them.
 *
 *   ChannelAffine   Y = X * scale[c] + bias[c], c the index along axis 1 (one channel for rank 0 and 1): what is left
 * of a BatchNormalization that no linear operator could absorb. scale and bias may be wider than X.
 */
#include "ops/widen.h"

enum { X, SCALE, BIAS };

static sinter_status infer(sn_infer *x)
{
    sn_infer_tensor(x, 0, sn_infer_dtype(x, X), sn_infer_shape(x, X));
    return SINTER_OK;
}

static void affine_rows(const sinter_value *in, size_t channels, size_t inner, const double *scale, const double *bias,
                        double *row, sinter_value *out)
{
    for (size_t first = 0, r = 0; first < in->count; first += inner, r++) {
        double s = scale[r % channels], b = bias[r % channels];
        sn_read_row(in, first, inner, row);
        for (size_t i = 0; i < inner; i++) row[i] = row[i] * s + b;
        sn_write_row(out, first, inner, row);
    }
}

static sinter_status eval(sn_eval *x)
{
    const sinter_value *in = x->in[X];
    const sn_shape *s = &in->shape;
    size_t channels = s->rank > 1 ? (size_t)s->dims[1] : 1;
    if (x->in[SCALE]->count != channels || x->in[BIAS]->count != channels)
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "scale and bias have %zu and %zu elements, expected %zu",
                            x->in[SCALE]->count, x->in[BIAS]->count, channels);
    double *scale, *bias, *row;
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, in->dtype, s, &out));
    if (in->count == 0) return SINTER_OK;
    size_t inner = (size_t)sn_shape_product(s, s->rank > 1 ? 2 : 0, s->rank);
    SN_TRY(sn_scratch_load(x, x->in[SCALE], &scale));
    SN_TRY(sn_scratch_load(x, x->in[BIAS], &bias));
    SN_TRY(sn_scratch_doubles(x, inner, &row));
    affine_rows(in, channels, inner, scale, bias, row, out);
    return SINTER_OK;
}

const sn_op sn_ops_internal[] = {
    {.domain = "sinter",
     .name = "ChannelAffine",
     .since = 1,
     .signature = "X:T, scale:S, bias:S -> Y:T; T=@float, S=float|double",
     .flags = SN_OP_INPLACE,
     .infer = infer,
     .eval = eval},
    {0},
};
