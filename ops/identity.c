/* Operators that pass their input on: Identity, and Dropout, which does so except in training. */
#include "ops/op.h"

/* ---------------------------------------------------------------------------------------------------- Identity */

static sinter_status infer_identity(sn_infer *x)
{
    if (x->n_out > 0) x->out[0] = x->in[0];
    return SINTER_OK;
}

static sinter_status eval_identity(sn_eval *x)
{
    return sn_eval_copy(x, 0, x->in[0], &x->in[0]->shape);
}

/* ---------------------------------------------------------------------------------------------------- Dropout */

enum { INPUT_DATA, INPUT_RATIO, INPUT_TRAINING };

typedef struct dropout_params {
    double ratio;
    bool training;
    bool has_seed;
    uint64_t seed;
    bool has_inputs; /* since opset 12 ratio and training_mode are inputs */
    bool mask_is_bool;
} dropout_params;

static sinter_status prepare_dropout(sn_prepare *p, void *params)
{
    dropout_params *q = params;
    float ratio;
    bool is_test = true;
    int64_t seed;
    SN_TRY(sn_attr_float(p, "ratio", 0.5f, &ratio));
    if (p->op->since < 7) SN_TRY(sn_attr_bool(p, "is_test", false, &is_test));
    SN_TRY(sn_attr_int(p, "seed", 0, &seed));
    q->ratio = ratio;
    q->training = !is_test;
    q->has_seed = sn_attr_present(p, "seed");
    q->seed = (uint64_t)seed;
    q->has_inputs = p->op->since >= 12;
    q->mask_is_bool = p->op->since >= 10;
    return SINTER_OK;
}

static sinter_status infer_dropout(sn_infer *x)
{
    const dropout_params *q = x->params;
    SN_TRY(sn_infer_same(x));
    sn_infer_tensor(x, 1, q->mask_is_bool ? SINTER_BOOL : sn_infer_dtype(x, 0), sn_infer_shape(x, 0));
    return SINTER_OK;
}

static sinter_status read_scalar(sn_eval *x, size_t i, double *out)
{
    if (!sn_eval_has(x, i)) return SINTER_OK;
    if (x->in[i]->count != 1) {
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "input %zu has %zu elements, expected 1", i, x->in[i]->count);
    }
    *out = sn_load_double(x->in[i]->dtype, x->in[i]->data, 0);
    return SINTER_OK;
}

static sinter_status drop(sn_eval *x, const dropout_params *q, double ratio, sinter_value *mask)
{
    const sinter_value *in = x->in[INPUT_DATA];
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, in->dtype, &in->shape, &out));
    uint64_t own = q->seed, *state = q->has_seed ? &own : x->random;
    double scale = 1.0 / (1.0 - ratio);
    for (size_t i = 0; i < in->count; i++) {
        if (i % 65536 == 0 && sn_eval_cancelled(x)) return sn_eval_fail(x, SINTER_CANCELLED, "cancelled");
        bool kept = sn_random_uniform(state) >= ratio;
        double value = sn_load_double(in->dtype, in->data, i);
        sn_store_double(out->dtype, out->data, i, kept ? value * scale : 0.0);
        sn_store_int64(mask->dtype, mask->data, i, kept);
    }
    return SINTER_OK;
}

static sinter_status eval_dropout(sn_eval *x)
{
    const dropout_params *q = x->params;
    const sinter_value *in = x->in[INPUT_DATA];
    /* The input's default is opset 12's, not the attribute's. */
    double ratio = q->has_inputs ? 0.5 : q->ratio, training = q->training;
    if (q->has_inputs) {
        SN_TRY(read_scalar(x, INPUT_RATIO, &ratio));
        SN_TRY(read_scalar(x, INPUT_TRAINING, &training));
    }
    if (!(ratio >= 0.0 && ratio < 1.0)) {
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "ratio is %g, expected one in [0, 1)", ratio);
    }
    sinter_value *mask;
    SN_TRY(sn_eval_output(x, 1, q->mask_is_bool ? SINTER_BOOL : in->dtype, &in->shape, &mask));
    if (training != 0.0 && ratio > 0.0) return drop(x, q, ratio, mask);
    for (size_t i = 0; x->n_out > 1 && i < mask->count; i++) sn_store_int64(mask->dtype, mask->data, i, 1);
    return sn_eval_copy(x, 0, in, &in->shape);
}

#define FLOATS "@float|float8e4m3fn|float8e4m3fnuz|float8e5m2|float8e5m2fnuz"
#define DROPOUT(since, signature, flags)                                                                               \
    {                                                                                                                  \
        "", "Dropout", since, signature, flags, 0, sizeof(dropout_params), prepare_dropout, infer_dropout,             \
            eval_dropout                                                                                               \
    }

const sn_op sn_ops_identity[] = {
    {"", "Identity", 1, "input:any -> output:any", SN_OP_VIEW | SN_OP_INPLACE, 0, 0, NULL, infer_identity,
     eval_identity},
    DROPOUT(1, "data:T -> output:T, mask:T?; T=@float", SN_OP_INPLACE | SN_OP_RANDOM),
    DROPOUT(7, "data:T -> output:T, mask:T?; T=@float", SN_OP_VIEW | SN_OP_INPLACE),
    DROPOUT(10, "data:T -> output:T, mask:bool?; T=@float", SN_OP_VIEW | SN_OP_INPLACE),
    DROPOUT(12, "data:T, ratio:R?, training_mode:bool? -> output:T, mask:bool?; T=" FLOATS ", R=" FLOATS,
            SN_OP_INPLACE | SN_OP_RANDOM),
    {.name = NULL},
};
