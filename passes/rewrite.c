#include "passes/rewrite.h"
#include "base/alloc.h"

static const sn_attr *attr_of_type(const sn_node *n, const char *name, sn_attr_type type)
{
    const sn_attr *a = sn_node_attr(n, name);
    return a && a->type == type && a->ref_attr_name.n == 0 ? a : NULL;
}

int64_t sn_node_int(const sn_node *n, const char *name, int64_t otherwise)
{
    const sn_attr *a = attr_of_type(n, name, SN_ATTR_INT);
    return a ? a->i : otherwise;
}

float sn_node_float(const sn_node *n, const char *name, float otherwise)
{
    const sn_attr *a = attr_of_type(n, name, SN_ATTR_FLOAT);
    return a ? a->f : otherwise;
}

const int64_t *sn_node_ints(const sn_node *n, const char *name, size_t *count)
{
    const sn_attr *a = attr_of_type(n, name, SN_ATTR_INTS);
    *count = a ? a->count : 0;
    return a ? a->ints : NULL;
}

bool sn_node_attr_is(const sn_node *n, const char *name, const char *word)
{
    const sn_attr *a = attr_of_type(n, name, SN_ATTR_STRING);
    return a && sn_str_is(a->s, word);
}

int64_t sn_node_version(const sn_model *m, sn_node_id node)
{
    const sn_node *n = &m->nodes[node];
    return sn_opset_version(m, n->graph, n->domain);
}

sn_value_id sn_node_in(const sn_node *n, size_t slot)
{
    return slot < n->n_in ? n->in[slot] : SN_NONE;
}

sn_value_id sn_node_out(const sn_node *n, size_t slot)
{
    return slot < n->n_out ? n->out[slot] : SN_NONE;
}

bool sn_output_is_used(const sn_model *m, const sn_node *n, size_t slot)
{
    sn_value_id v = sn_node_out(n, slot);
    return v != SN_NONE && m->values[v].n_uses > 0;
}

bool sn_is_graph_output(const sn_model *m, sn_value_id value)
{
    const sn_value *v = &m->values[value];
    for (size_t i = 0; i < v->n_uses; i++)
        if (v->uses[i].node == SN_NONE) return true;
    return false;
}

const sn_fact *sn_pass_fact(const sn_pass_context *x, sn_value_id value)
{
    static const sn_fact nothing = {.type = {.kind = SINTER_KIND_UNKNOWN, .shape = {.rank = -1}}, .present = true};
    return x->facts && value < x->facts->n_values ? &x->facts->values[value] : &nothing;
}

sinter_dtype sn_pass_dtype(const sn_pass_context *x, sn_value_id value)
{
    const sinter_value *k = sn_constant(x->model, value);
    if (k) return k->dtype;
    const sn_type *t = &sn_pass_fact(x, value)->type;
    return t->kind == SINTER_KIND_TENSOR ? t->dtype : SINTER_UNDEFINED;
}

const sn_shape *sn_pass_shape(const sn_pass_context *x, sn_value_id value)
{
    static const sn_shape unknown = {.rank = -1};
    const sinter_value *k = sn_constant(x->model, value);
    if (k) return &k->shape;
    const sn_type *t = &sn_pass_fact(x, value)->type;
    return t->kind == SINTER_KIND_TENSOR ? &t->shape : &unknown;
}

bool sn_pass_numbers(const sn_pass_context *x, sn_value_id value, int64_t out[SN_MAX_KNOWN], size_t *n)
{
    if (value == SN_NONE) return false;
    const sinter_value *k = sn_constant(x->model, value);
    if (k) {
        sn_dtype_class klass = sn_dtypes[k->dtype].klass;
        if (k->count > SN_MAX_KNOWN || (klass != SN_CLASS_SIGNED && klass != SN_CLASS_UNSIGNED)) return false;
        for (size_t i = 0; i < k->count; i++) out[i] = sn_tensor_int(k, i);
        *n = k->count;
        return true;
    }
    const sn_fact *f = sn_pass_fact(x, value);
    if (!f->known || f->n_known > SN_MAX_KNOWN) return false;
    for (size_t i = 0; i < f->n_known; i++) {
        if (!sn_dim_is_number(f->known[i])) return false;
        out[i] = f->known[i];
    }
    *n = f->n_known;
    return true;
}

sinter_status sn_pass_nodes(const sn_pass_context *x, sn_ids *out)
{
    const sn_model *m = x->model;
    *out = (sn_ids){0};
    for (sn_graph_id g = 0; g < m->n_graphs; g++) {
        if (m->graphs[g].dead || sn_root_graph(m, g) != 0) continue;
        const sn_ids *nodes = &m->graphs[g].nodes;
        for (size_t i = 0; i < nodes->count; i++)
            if (!sn_ids_push(out, nodes->items[i])) {
                sn_ids_release(out);
                return sn_pass_no_memory(x);
            }
    }
    return SINTER_OK;
}

void sn_ids_release(sn_ids *ids)
{
    sn_free(ids->items);
    *ids = (sn_ids){0};
}

const char *sn_pass_label(sn_pass_context *x, sn_node_id node)
{
    const sn_node *n = &x->model->nodes[node];
    sn_str label = sn_node_label(x->model, node);
    sn_str text = sn_arena_printf(&x->report->arena, "%.*s '%.*s'", SN_STR_ARG(n->op_type), SN_STR_ARG(label));
    return text.p ? text.p : "a node";
}

sn_value_id sn_pass_add_initializer(sn_pass_context *x, sn_graph_id graph, sn_str hint, sinter_value *constant)
{
    sn_value_id v = sn_add_initializer(x->model, graph, hint, constant);
    if (v != SN_NONE && graph == 0 && x->model->ir_version < 4 && !sn_add_input(x->model, 0, v)) {
        sn_remove_initializer(x->model, v);
        return SN_NONE;
    }
    return v;
}

void sn_drop_if_unused(sn_model *m, sn_value_id value)
{
    if (value == SN_NONE || m->values[value].dead || m->values[value].n_uses > 0) return;
    const sn_value *v = &m->values[value];
    if (v->producer != SN_NONE) {
        if (sn_node_is(&m->nodes[v->producer], "Constant")) sn_remove_node(m, v->producer);
    } else if ((v->constant || v->sparse) && !sn_is_overridable(m, value)) {
        sn_remove_initializer(m, value);
    }
}

bool sn_bypass_node(sn_model *m, sn_node_id node, sn_value_id value)
{
    if (!sn_replace_uses(m, m->nodes[node].out[0], value)) return false;
    /* The node's own list is gone with it, so its constant inputs are looked at before. */
    sn_value_id inputs[8];
    size_t n = 0;
    for (size_t i = 0; i < m->nodes[node].n_in && n < sizeof inputs / sizeof *inputs; i++)
        inputs[n++] = m->nodes[node].in[i];
    sn_remove_node(m, node);
    for (size_t i = 0; i < n; i++) sn_drop_if_unused(m, inputs[i]);
    return true;
}

void sn_take_name(sn_model *m, sn_value_id fresh, sn_value_id dead)
{
    sn_str name = m->values[dead].name;
    m->values[dead].name = m->values[fresh].name;
    m->values[fresh].name = name;
}

bool sn_dtype_is_real(sinter_dtype dtype)
{
    return dtype == SINTER_FLOAT || dtype == SINTER_DOUBLE || dtype == SINTER_FLOAT16 || dtype == SINTER_BFLOAT16;
}

bool sn_import_opset(sn_model *m, sn_str domain, int64_t version)
{
    for (size_t i = 0; i < m->n_opsets; i++)
        if (sn_str_eq(m->opsets[i].domain, domain) ||
            (sn_domain_is_onnx(domain) && sn_domain_is_onnx(m->opsets[i].domain)))
            return true;
    sn_opset *grown = SN_ARENA_ARRAY(&m->arena, sn_opset, m->n_opsets + 1);
    sn_str name = sn_arena_str(&m->arena, domain);
    if (!grown || !name.p) return false;
    if (m->n_opsets > 0) memcpy(grown, m->opsets, m->n_opsets * sizeof *grown);
    grown[m->n_opsets] = (sn_opset){name, version, {"", 0}};
    m->opsets = grown;
    m->n_opsets++;
    return true;
}
