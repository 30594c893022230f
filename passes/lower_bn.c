/*
 * Pattern: an inference BatchNormalization that no linear operator could absorb.
 * Rewrite: sinter::ChannelAffine(X, scale, shift): one multiply-add per element, which the runtime fuses with the
 * activation that follows. Exact up to rounding: scale and shift are computed in double and kept in float (double for
 * double data), also for 16-bit data. Refuses what folding refuses: parameters that are not constant or not fit.
 */
#include "passes/bn.h"
#include "passes/list.h"
#include "passes/weights.h"

static sinter_status make_vector(sn_pass_context *x, sn_node_id node, const char *what, sinter_dtype dtype,
                                 const double *values, size_t n, sn_value_id *out)
{
    sn_model *m = x->model;
    int64_t dim = (int64_t)n;
    sn_shape shape = sn_shape_of(1, &dim);
    sinter_value *tensor = NULL;
    SN_TRY(sn_weights_store(dtype, &shape, values, what, &tensor, NULL));
    sn_str hint = sn_arena_printf(&m->arena, "%.*s.%s", SN_STR_ARG(sn_node_label(m, node)), what);
    if (!hint.p) {
        sinter_value_release(tensor);
        return sn_pass_no_memory(x);
    }
    *out = sn_pass_add_initializer(x, m->nodes[node].graph, hint, tensor);
    return *out == SN_NONE ? sn_pass_no_memory(x) : SINTER_OK;
}

static sinter_status rewrite(sn_pass_context *x, sn_node_id node, sn_value_id scale, sn_value_id shift)
{
    sn_model *m = x->model;
    sn_value_id old[4];
    for (size_t i = 0; i < 4; i++) old[i] = sn_node_in(&m->nodes[node], i + 1);
    if (!sn_import_opset(m, SN_STR("sinter"), 1) || !sn_set_input(m, node, 1, scale) ||
        !sn_set_input(m, node, 2, shift))
        return sn_pass_no_memory(x);
    sn_truncate_inputs(m, node, 3);
    sn_truncate_outputs(m, node, 1);
    while (m->nodes[node].n_attrs > 0) sn_remove_attr(m, node, m->nodes[node].attrs[0].name.p);
    sn_rename_op(m, node, SN_STR("ChannelAffine"), SN_STR("sinter"));
    for (size_t i = 0; i < 4; i++) sn_drop_if_unused(m, old[i]);
    x->changes++;
    return SINTER_OK;
}

static sinter_status lower(sn_pass_context *x, sn_node_id node, sn_arena *a)
{
    sn_model *m = x->model;
    double *scale, *shift;
    size_t n;
    sinter_error why = {0};
    sinter_status status = sn_bn_read(m, node, a, &scale, &shift, &n, &why);
    if (status == SINTER_NO_MEMORY) return sn_pass_no_memory(x);
    if (status != SINTER_OK)
        return sn_report_kept(x->report, node, SN_REASON_UNFIT, "%s", why.text) ? SINTER_OK : sn_pass_no_memory(x);

    sinter_dtype dtype = sn_pass_dtype(x, m->nodes[node].in[0]) == SINTER_DOUBLE ? SINTER_DOUBLE : SINTER_FLOAT;
    sn_value_id values[2];
    status = make_vector(x, node, "scale", dtype, scale, n, &values[0]);
    if (status == SINTER_OK) status = make_vector(x, node, "shift", dtype, shift, n, &values[1]);
    if (status == SINTER_UNSUPPORTED) return SINTER_OK; /* beyond float: it runs as it is */
    SN_TRY(status);
    SN_TRY(rewrite(x, node, values[0], values[1]));
    return sn_report_lowered(x->report, node) ? SINTER_OK : sn_pass_no_memory(x);
}

sinter_status sn_pass_lower_bn(sn_pass_context *x)
{
    sn_ids nodes;
    SN_TRY(sn_pass_nodes(x, &nodes));
    sinter_status status = SINTER_OK;
    for (size_t i = 0; i < nodes.count && status == SINTER_OK; i++) {
        sn_node_id node = nodes.items[i];
        if (x->model->nodes[node].dead || !sn_node_is(&x->model->nodes[node], "BatchNormalization")) continue;
        sn_arena arena = {0};
        status = lower(x, node, &arena);
        sn_arena_free(&arena);
    }
    sn_ids_release(&nodes);
    return status;
}
