#include "passes/fold.h"

sinter_status sn_fold_constant(sn_fold *f, size_t slot, const char *what, const sinter_value **out)
{
    const sn_model *m = f->x->model;
    sn_value_id v = sn_node_in(&m->nodes[f->linear], slot);
    const sinter_value *k = v == SN_NONE ? NULL : sn_constant(m, v);
    if (!k && v != SN_NONE && sn_is_overridable(m, v))
        return sn_fail(f->why, SINTER_UNSUPPORTED,
                       "the %s of %s is also a model input, which callers may override (--freeze-inputs makes it a constant)",
                       what, sn_pass_label(f->x, f->linear));
    if (!k)
        return sn_fail(f->why, SINTER_UNSUPPORTED, "the %s of %s is not a constant", what,
                       sn_pass_label(f->x, f->linear));
    if (!sn_dtype_is_real(k->dtype))
        return sn_fail(f->why, SINTER_UNSUPPORTED, "the %s of %s is of type %s", what, sn_pass_label(f->x, f->linear),
                       sinter_dtype_name(k->dtype));
    *out = k;
    return SINTER_OK;
}

bool sn_all_equal(const double *values, size_t n, double expected)
{
    for (size_t i = 0; i < n; i++)
        if (values[i] != expected) return false;
    return true;
}

static sn_str new_name(sn_fold *f, sn_node_id node, size_t slot, const char *what)
{
    const sn_model *m = f->x->model;
    sn_value_id old = sn_node_in(&m->nodes[node], slot);
    if (old != SN_NONE) return m->values[old].name;
    sn_str label = sn_node_label(m, node);
    return sn_arena_printf(&f->chain->arena, "%.*s.%s", SN_STR_ARG(label), what);
}

/* Gives the pages of a payload that nobody will read again back to the system: the file behind them stays mapped as long as
 * the model lives. */
static void discard_payload(const sinter_value *old)
{
    if (old->block && atomic_load(&old->references) == 1)
        sn_block_discard(old->block, 0, sn_block_size(old->block));
}

sinter_status sn_fold_set_constant(sn_fold *f, sn_node_id node, size_t slot, sinter_value *constant, const char *name)
{
    sn_model *m = f->x->model;
    sn_value_id old = sn_node_in(&m->nodes[node], slot);
    if (old != SN_NONE && m->values[old].constant && m->values[old].n_uses == 1 &&
        m->values[old].graph == m->nodes[node].graph) {
        discard_payload(m->values[old].constant);
        sn_replace_initializer(m, old, constant);
        return SINTER_OK;
    }
    sn_str hint = new_name(f, node, slot, name);
    if (!hint.p) {
        sinter_value_release(constant);
        return sn_pass_no_memory(f->x);
    }
    sn_value_id fresh = sn_pass_add_initializer(f->x, m->nodes[node].graph, hint, constant);
    if (fresh == SN_NONE || !sn_set_input(m, node, slot, fresh)) return sn_pass_no_memory(f->x);
    sn_drop_if_unused(m, old);
    return SINTER_OK;
}

sinter_status sn_fold_commit(sn_fold *f, size_t weight_slot, sinter_value *weight, sinter_value *bias,
                             const char *bias_name)
{
    sinter_status status = SINTER_OK;
    if (bias) status = sn_fold_set_constant(f, f->linear, 2, bias, bias_name);
    if (status != SINTER_OK) {
        sinter_value_release(weight);
        return status;
    }
    return weight ? sn_fold_set_constant(f, f->linear, weight_slot, weight, "weight") : SINTER_OK;
}
