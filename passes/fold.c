#include "passes/fold.h"

sinter_status sn_fold_constant(sn_fold *f, size_t slot, const char *what, const sinter_value **out)
{
    const sn_model *m = f->x->model;
    sn_value_id v = sn_node_in(&m->nodes[f->linear], slot);
    const sinter_value *k = v == SN_NONE ? NULL : sn_constant(m, v);
    if (!k && v != SN_NONE && sn_is_overridable(m, v))
        return sn_fail(
            f->why, SINTER_UNSUPPORTED,
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

/* Gives the pages of a payload that nobody will read again back to the system: the file behind them stays mapped as
 * long as the model lives. */
static void discard_payload(const sinter_value *old)
{
    sn_value_discard(old, 0, old->size);
}

static bool may_replace_in_place(const sn_model *m, sn_node_id node, sn_value_id old)
{
    return old != SN_NONE && m->values[old].constant && m->values[old].n_uses == 1 &&
           m->values[old].graph == m->nodes[node].graph;
}

sinter_status sn_fold_prepare(sn_fold *f, sn_node_id node, size_t slot, sinter_value *tensor, const char *what,
                              sn_constant_edit *edit)
{
    sn_model *m = f->x->model;
    *edit = (sn_constant_edit){node, slot, sn_node_in(&m->nodes[node], slot), SN_NONE, tensor};
    if (!tensor || may_replace_in_place(m, node, edit->old)) return SINTER_OK;

    edit->tensor = NULL;
    sn_str hint = new_name(f, node, slot, what);
    if (!hint.p) {
        sinter_value_release(tensor);
        return sn_pass_no_memory(f->x);
    }
    edit->fresh = sn_pass_add_initializer(f->x, m->nodes[node].graph, hint, tensor);
    if (edit->fresh == SN_NONE || !sn_reserve_uses(m, edit->fresh, 1) ||
        (slot >= m->nodes[node].n_in && !sn_set_input(m, node, slot, SN_NONE)))
        return sn_pass_no_memory(f->x);
    return SINTER_OK;
}

void sn_fold_apply(sn_fold *f, const sn_constant_edit *edit)
{
    sn_model *m = f->x->model;
    if (edit->tensor) {
        discard_payload(m->values[edit->old].constant);
        sn_replace_initializer(m, edit->old, edit->tensor);
    } else if (edit->fresh != SN_NONE) {
        (void)sn_set_input(m, edit->node, edit->slot, edit->fresh); /* cannot fail: room was made */
        sn_drop_if_unused(m, edit->old);
    }
}

void sn_fold_cancel(const sn_constant_edit *edit)
{
    sinter_value_release(edit->tensor);
}

sinter_status sn_fold_commit(sn_fold *f, sinter_value *weight, sinter_value *bias)
{
    sn_constant_edit w, b;
    sinter_status status = sn_fold_prepare(f, f->linear, 1, weight, "weight", &w);
    if (status != SINTER_OK) {
        sinter_value_release(bias);
        return status;
    }
    status = sn_fold_prepare(f, f->linear, 2, bias, "bias", &b);
    if (status != SINTER_OK) {
        sn_fold_cancel(&w);
        return status;
    }
    sn_fold_apply(f, &w);
    sn_fold_apply(f, &b);
    return SINTER_OK;
}
