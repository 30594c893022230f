#include "passes/bn.h"
#include <math.h>

const char *const sn_bn_input_names[SN_BN_INPUTS] = {"input", "scale", "bias", "mean", "variance"};

bool sn_bn_is_training(const sn_model *m, sn_node_id node)
{
    const sn_node *n = &m->nodes[node];
    int64_t version = sn_node_version(m, node);
    if (version >= 14) return sn_node_int(n, "training_mode", 0) != 0;
    if (version >= 7) {
        for (size_t i = 1; i < n->n_out; i++)
            if (n->out[i] != SN_NONE) return true;
        return false;
    }
    return sn_node_int(n, "is_test", 0) == 0;
}

bool sn_bn_make_inference(sn_model *m, sn_node_id node)
{
    int64_t version = sn_node_version(m, node);
    if (version >= 14 && !sn_set_attr_int(m, node, "training_mode", 0)) return false;
    if (version < 7 && !sn_set_attr_int(m, node, "is_test", 1)) return false;
    sn_truncate_outputs(m, node, 1);
    return true;
}

bool sn_bn_statistics_are_read(const sn_model *m, sn_node_id node)
{
    const sn_node *n = &m->nodes[node];
    for (size_t i = 1; i < n->n_out; i++)
        if (sn_output_is_used(m, n, i)) return true;
    return false;
}

static sinter_status read_inputs(const sn_model *m, const sn_node *n, const sinter_value *in[SN_BN_INPUTS],
                                 sinter_error *why)
{
    for (size_t i = SN_BN_SCALE; i < SN_BN_INPUTS; i++) {
        sn_value_id v = sn_node_in(n, i);
        in[i] = v == SN_NONE ? NULL : sn_constant(m, v);
        if (!in[i] && v != SN_NONE && sn_is_overridable(m, v))
            return sn_fail(
                why, SINTER_INVALID_MODEL,
                "its %s '%.*s' is also a model input, which callers may override (--freeze-inputs makes it a "
                "constant)",
                sn_bn_input_names[i], SN_STR_ARG(m->values[v].name));
        if (!in[i]) return sn_fail(why, SINTER_INVALID_MODEL, "its %s is not a constant", sn_bn_input_names[i]);
        if (!sn_dtype_is_real(in[i]->dtype))
            return sn_fail(why, SINTER_INVALID_MODEL, "its %s is of type %s", sn_bn_input_names[i],
                           sinter_dtype_name(in[i]->dtype));
        if (in[i]->count != in[SN_BN_SCALE]->count)
            return sn_fail(why, SINTER_INVALID_MODEL, "its scale has %zu elements, but its %s has %zu",
                           in[SN_BN_SCALE]->count, sn_bn_input_names[i], in[i]->count);
    }
    return SINTER_OK;
}

static sinter_status read_channel(const sinter_value *const in[SN_BN_INPUTS], size_t c, double epsilon, double *scale,
                                  double *shift, sinter_error *why)
{
    double v[SN_BN_INPUTS] = {0};
    for (size_t i = SN_BN_SCALE; i < SN_BN_INPUTS; i++) {
        v[i] = sn_load_double(in[i]->dtype, in[i]->data, c);
        if (!isfinite(v[i]))
            return sn_fail(why, SINTER_INVALID_MODEL, "its %s of channel %zu is %s", sn_bn_input_names[i], c,
                           isnan(v[i]) ? "NaN" : "infinite");
    }
    if (v[SN_BN_VAR] < 0.0)
        return sn_fail(why, SINTER_INVALID_MODEL, "its variance of channel %zu is negative (%g)", c, v[SN_BN_VAR]);
    double sum = v[SN_BN_VAR] + epsilon;
    if (!(sum > 0.0))
        return sn_fail(why, SINTER_INVALID_MODEL, "its variance plus epsilon of channel %zu is %g, not positive", c,
                       sum);
    *scale = v[SN_BN_SCALE] / sqrt(sum);
    *shift = v[SN_BN_SHIFT] - v[SN_BN_MEAN] * *scale;
    if (!isfinite(*scale) || !isfinite(*shift))
        return sn_fail(why, SINTER_INVALID_MODEL, "its scale or shift of channel %zu is not finite", c);
    return SINTER_OK;
}

sinter_status sn_bn_read(const sn_model *m, sn_node_id node, sn_arena *a, double **scale, double **shift,
                         size_t *channels, sinter_error *why)
{
    const sn_node *n = &m->nodes[node];
    if (sn_bn_is_training(m, node))
        return sn_fail(why, SINTER_INVALID_MODEL, "it is in training mode: it uses the statistics of the batch");
    if (sn_bn_statistics_are_read(m, node))
        return sn_fail(why, SINTER_INVALID_MODEL, "its statistics outputs are read");
    if (sn_node_version(m, node) < 9 && sn_node_int(n, "spatial", 1) == 0)
        return sn_fail(why, SINTER_INVALID_MODEL, "spatial=0: it has statistics per element, not per channel");

    const sinter_value *in[SN_BN_INPUTS] = {0};
    SN_TRY(read_inputs(m, n, in, why));
    size_t count = in[SN_BN_SCALE]->count;
    *scale = SN_ARENA_ARRAY(a, double, count);
    *shift = SN_ARENA_ARRAY(a, double, count);
    if (!*scale || !*shift) return sn_no_memory(why, "reading a BatchNormalization");
    double epsilon = sn_node_float(n, "epsilon", 1e-5F);
    for (size_t c = 0; c < count; c++) SN_TRY(read_channel(in, c, epsilon, &(*scale)[c], &(*shift)[c], why));
    *channels = count;
    return SINTER_OK;
}
