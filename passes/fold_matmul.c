/*
 * Pattern: MatMul of data and a constant (on either side), with a chain on the columns (rows, when the constant is on
 * the left) of its output; or a chain on the contraction axis of the data, then MatMul. Rewrite: the constant is scaled
 * along that axis; what remains to be added is put into one Add after the MatMul: the one that is there already if it
 * comes next, else a new one. Exact up to one rounding of each constant. Refuses when the output's rank is unknown, or
 * when the shift of a forward fold would differ between the matrices of a batched constant.
 */
#include "passes/fold.h"

typedef struct matmul {
    const sinter_value *w;
    size_t slot; /* of the constant: 1 right, 0 left */
    size_t batch, rows, columns;
    int rank; /* of the output */
} matmul;

static sinter_status refuse(sn_fold *f, const char *text)
{
    return sn_fail(f->why, SINTER_UNSUPPORTED, "%s %s", sn_pass_label(f->x, f->linear), text);
}

static sinter_status read_matmul(sn_fold *f, size_t slot, matmul *m)
{
    const sn_node *n = &f->x->model->nodes[f->linear];
    m->slot = slot;
    SN_TRY(sn_fold_constant(f, slot, "weight", &m->w));
    const sn_shape *s = &m->w->shape, *data = sn_pass_shape(f->x, n->in[1 - slot]);
    if (s->rank < 2 || m->w->count == 0) return refuse(f, "has a weight that is not a matrix");
    if (data->rank < (slot == 1 ? 1 : 2)) return refuse(f, "has an input of unknown or too small rank");
    m->rows = (size_t)s->dims[s->rank - 2];
    m->columns = (size_t)s->dims[s->rank - 1];
    m->batch = m->w->count / m->rows / m->columns;
    /* A vector times a matrix has no row axis in its output. */
    m->rank = data->rank == 1 ? s->rank - 1 : (data->rank > s->rank ? data->rank : s->rank);
    return SINTER_OK;
}

/* The weight's axis that becomes a channel axis of the output, or the one that is summed over. */
static sn_weight_view view_of(const matmul *m, bool by_column)
{
    return by_column ? (sn_weight_view){1, m->batch * m->rows, m->columns, 1}
                     : (sn_weight_view){1, m->batch, m->rows, m->columns};
}

/* The shift as a tensor that broadcasts against the output: [N], or [M, 1] when the constant is on the left. */
static sinter_status shift_tensor(sn_fold *f, const matmul *m, const double *shift, size_t n, sinter_value **out)
{
    int64_t dims[2] = {(int64_t)n, 1};
    sn_shape shape = sn_shape_of(m->slot == 1 ? 1 : 2, dims);
    return sn_weights_store(m->w->dtype, &shape, shift, "shift", out, f->why);
}

/* The node that adds the shift to a value that does not exist yet: the MatMul's output under a new name. */
static sinter_status make_add(sn_fold *f, sinter_value *shift, sn_value_id *product, sn_node_id *add)
{
    sn_model *m = f->x->model;
    sn_graph_id graph = m->nodes[f->linear].graph;
    sn_str label = sn_node_label(m, f->linear);
    sn_value_id y = m->nodes[f->linear].out[0];
    sn_str bias_hint = sn_arena_printf(&f->chain->arena, "%.*s.bias", SN_STR_ARG(label));
    sn_str add_hint = sn_arena_printf(&f->chain->arena, "%.*s.add", SN_STR_ARG(label));
    if (!bias_hint.p || !add_hint.p) {
        sinter_value_release(shift);
        return sn_pass_no_memory(f->x);
    }
    sn_value_id constant = sn_pass_add_initializer(f->x, graph, bias_hint, shift);
    sn_str value_name = sn_unique_name(m, m->values[y].name), add_name = sn_unique_name(m, add_hint);
    if (constant == SN_NONE || !value_name.p || !add_name.p) return sn_pass_no_memory(f->x);

    sn_type type = m->values[y].type;
    *product = sn_add_value(m, graph, value_name, &type);
    if (*product == SN_NONE) return sn_pass_no_memory(f->x);
    sn_value_id in[2] = {SN_NONE, constant}, out[1] = {SN_NONE};
    size_t position = sn_node_position(m, f->linear) + 1;
    *add = sn_add_node(m, graph, position, SN_STR("Add"), SN_STR(""), add_name, in, 2, out, 1);
    return *add == SN_NONE ? sn_pass_no_memory(f->x) : SINTER_OK;
}

/* y = MatMul(...) becomes product = MatMul(...), y = Add(product, shift): y keeps its name and its readers. */
static sinter_status insert_add(sn_fold *f, sinter_value *shift)
{
    sn_model *m = f->x->model;
    sn_value_id product = SN_NONE, y = m->nodes[f->linear].out[0];
    sn_node_id add = SN_NONE;
    SN_TRY(make_add(f, shift, &product, &add));
    bool legacy = sn_node_version(m, add) < 7;
    if ((legacy && !sn_set_attr_int(m, add, "broadcast", 1)) || !sn_reserve_uses(m, product, 1)) {
        sn_remove_node(m, add);
        return sn_pass_no_memory(f->x);
    }
    /* Nothing from here on can fail: room was made, and the slots exist. */
    bool ok =
        sn_move_output(m, y, add, 0) && sn_move_output(m, product, f->linear, 0) && sn_set_input(m, add, 0, product);
    return ok ? SINTER_OK : sn_pass_no_memory(f->x);
}

/* The Add that reads the MatMul's output itself, if the chain has one: it can hold the shift. */
static const sn_link *adjacent_add(const sn_fold *f)
{
    const sn_model *m = f->x->model;
    if (!f->chain->backward) return NULL;
    const sn_link *l = &f->chain->links[f->chain->n_links - 1];
    return sn_node_is(&m->nodes[l->node], "Add") && l->data == m->nodes[f->linear].out[0] ? l : NULL;
}

/* Takes over the reference. */
static sinter_status store_shift(sn_fold *f, sinter_value *shift)
{
    if (!shift) return SINTER_OK;
    const sn_link *add = adjacent_add(f);
    if (!add) return insert_add(f, shift);
    sn_constant_edit edit;
    size_t slot = f->x->model->nodes[add->node].in[0] == add->data ? 1 : 0;
    SN_TRY(sn_fold_prepare(f, add->node, slot, shift, "bias", &edit));
    sn_fold_apply(f, &edit);
    f->keep = add->node;
    return SINTER_OK;
}

static sinter_status absorb(sn_fold *f, const matmul *m, const sn_weight_view *view, const double *scale,
                            sinter_value *shift)
{
    sinter_value *w = NULL;
    sn_constant_edit edit = {.fresh = SN_NONE};
    sinter_status status = SINTER_OK;
    if (!sn_all_equal(scale, view->channels, 1.0)) status = sn_weights_scale(m->w, view, scale, &w, f->why);
    if (status == SINTER_OK) status = sn_fold_prepare(f, f->linear, m->slot, w, "weight", &edit);
    if (status != SINTER_OK) {
        sinter_value_release(shift);
        return status;
    }
    status = store_shift(f, shift);
    if (status != SINTER_OK) {
        sn_fold_cancel(&edit);
        return status;
    }
    sn_fold_apply(f, &edit);
    return SINTER_OK;
}

sinter_status sn_matmul_absorb_output(sn_fold *f)
{
    const sn_node *n = &f->x->model->nodes[f->linear];
    matmul m;
    SN_TRY(read_matmul(f, sn_constant(f->x->model, n->in[1]) || !sn_constant(f->x->model, n->in[0]), &m));
    bool right = m.slot == 1;
    size_t channels = right ? m.columns : m.rows;
    double *scale, *shift;
    SN_TRY(sn_chain_compose(f->x, f->chain, m.rank - (right ? 1 : 2), channels, &scale, &shift, f->why));

    bool scales = !sn_all_equal(scale, channels, 1.0), shifts = !sn_all_equal(shift, channels, 0.0);
    if (!scales && f->chain->n_links == 1 && !f->chain->has_bn)
        return sn_fail(f->why, SINTER_NOT_FOUND, "one Add after a MatMul is as good as it gets");
    if (shifts && !right && sn_node_version(f->x->model, f->linear) < 7)
        return refuse(f, "has its weight on the left, whose shift the broadcasting of this opset cannot add");
    sinter_value *tensor = NULL;
    if (shifts) SN_TRY(shift_tensor(f, &m, shift, channels, &tensor));
    sn_weight_view view = view_of(&m, right);
    return absorb(f, &m, &view, scale, tensor);
}

sinter_status sn_matmul_absorb_input(sn_fold *f)
{
    matmul m;
    SN_TRY(read_matmul(f, 1 - f->chain->linear_slot, &m));
    bool right = m.slot == 1;
    size_t k = right ? m.rows : m.columns, outputs = right ? m.columns : m.rows;
    const sn_node *n = &f->x->model->nodes[f->linear];
    int data_rank = sn_pass_shape(f->x, n->in[1 - m.slot])->rank;
    double *scale, *shift;
    SN_TRY(sn_chain_compose(f->x, f->chain, data_rank - (right ? 1 : 2), k, &scale, &shift, f->why));

    sn_weight_view view = view_of(&m, !right);
    sinter_value *tensor = NULL;
    if (!sn_all_equal(shift, k, 0.0)) {
        if (m.batch != 1) return refuse(f, "has a weight per batch entry, so that the shift is no single vector");
        if (!right && sn_node_version(f->x->model, f->linear) < 7)
            return refuse(f, "has its weight on the left, whose shift the broadcasting of this opset cannot add");
        double *sums = SN_ARENA_ARRAY(&f->chain->arena, double, outputs);
        if (!sums) return sn_pass_no_memory(f->x);
        sn_weights_project(m.w, &view, shift, right, sums);
        SN_TRY(shift_tensor(f, &m, sums, outputs, &tensor));
    }
    return absorb(f, &m, &view, scale, tensor);
}
