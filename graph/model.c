#include "graph/internal.h"

#include "base/alloc.h"

#define DEFAULT_IR_VERSION 8 /* of a model that was not loaded: read by everything since 2021 */

static sn_model *init_model(sn_model *m)
{
    m->ir_version = DEFAULT_IR_VERSION;
    if (sn_add_graph(m, SN_NONE) == SN_NONE) return NULL;
    m->producer_name = m->producer_version = m->domain = m->doc_string = m->folder = SN_STR("");
    m->extra = SN_STR("");
    return m;
}

sn_model *sn_model_create(void)
{
    sinter_model *handle = sn_calloc(1, sizeof *handle);
    if (!handle) return NULL;
    sn_model *m = init_model(&handle->m);
    if (!m) sn_model_destroy(&handle->m);
    return m;
}

static void free_ids(sn_ids *ids)
{
    sn_free(ids->items);
    *ids = (sn_ids){0};
}

void sn_model_destroy(sn_model *m)
{
    if (!m) return;
    for (size_t i = 0; i < m->n_values; ++i) sn_free_value(&m->values[i]);
    for (size_t i = 0; i < m->n_nodes; ++i)
        for (size_t k = 0; k < m->nodes[i].n_attrs; ++k) sn_release_attr(&m->nodes[i].attrs[k]);
    for (size_t i = 0; i < m->n_functions; ++i)
        for (size_t k = 0; k < m->functions[i].n_defaults; ++k) sn_release_attr(&m->functions[i].defaults[k]);
    for (size_t i = 0; i < m->n_graphs; ++i) {
        free_ids(&m->graphs[i].nodes);
        free_ids(&m->graphs[i].inputs);
        free_ids(&m->graphs[i].outputs);
        free_ids(&m->graphs[i].initializers);
    }
    sn_free(m->values);
    sn_free(m->nodes);
    sn_free(m->graphs);
    sn_free(m->symbols);
    sn_map_free(&m->symbol_ids);
    sn_map_free(&m->names);
    sn_arena_free(&m->arena);
    sn_free(m); /* the first member of its handle */
}

void sinter_model_free(sinter_model *model)
{
    if (model) sn_model_destroy(&model->m);
}

/* ---------------------------------------------------------------------------------------------------- queries */

sn_graph_id sn_root_graph(const sn_model *m, sn_graph_id graph)
{
    while (m->graphs[graph].parent != SN_NONE) graph = m->graphs[graph].parent;
    return graph;
}

static int64_t find_opset(const sn_opset *opsets, size_t count, sn_str domain)
{
    for (size_t i = 0; i < count; ++i) {
        bool same =
            sn_domain_is_onnx(domain) ? sn_domain_is_onnx(opsets[i].domain) : sn_str_eq(opsets[i].domain, domain);
        if (same) return opsets[i].version;
    }
    return -1;
}

int64_t sn_opset_version(const sn_model *m, sn_graph_id graph, sn_str domain)
{
    sn_graph_id root = sn_root_graph(m, graph);
    for (size_t i = 0; root != 0 && i < m->n_functions; ++i) {
        const sn_function *f = &m->functions[i];
        if (f->body == root) return find_opset(f->opsets, f->n_opsets, domain);
    }
    return find_opset(m->opsets, m->n_opsets, domain);
}

const sn_attr *sn_node_attr(const sn_node *n, const char *name)
{
    for (size_t i = 0; i < n->n_attrs; ++i)
        if (sn_str_is(n->attrs[i].name, name)) return &n->attrs[i];
    return NULL;
}

bool sn_node_is(const sn_node *n, const char *op_type)
{
    return sn_domain_is_onnx(n->domain) && sn_str_is(n->op_type, op_type);
}

sn_str sn_node_label(const sn_model *m, sn_node_id node)
{
    const sn_node *n = &m->nodes[node];
    if (n->name.n > 0) return n->name;
    for (size_t i = 0; i < n->n_out; ++i)
        if (n->out[i] < m->n_values) return m->values[n->out[i]].name; /* the verifier asks about broken nodes too */
    return n->op_type;
}

static const sinter_value *constant_node_value(const sn_node *n)
{
    if (!sn_node_is(n, "Constant")) return NULL;
    const sn_attr *a = sn_node_attr(n, "value");
    return a && a->type == SN_ATTR_TENSOR && a->ref_attr_name.n == 0 ? a->tensor : NULL;
}

const sinter_value *sn_constant(const sn_model *m, sn_value_id value)
{
    if (value == SN_NONE) return NULL;
    const sn_value *v = &m->values[value];
    if (v->producer != SN_NONE) return constant_node_value(&m->nodes[v->producer]);
    return v->is_input && m->ir_version >= 4 ? NULL : v->constant;
}

bool sn_is_overridable(const sn_model *m, sn_value_id value)
{
    const sn_value *v = &m->values[value];
    return v->graph == 0 && v->is_input && (v->constant || v->sparse) && m->ir_version >= 4;
}

sn_node_id sn_only_consumer(const sn_model *m, sn_value_id value)
{
    const sn_value *v = &m->values[value];
    return v->n_uses == 1 ? v->uses[0].node : SN_NONE;
}

sn_node_id sn_owner_within(const sn_model *m, sn_graph_id scope, sn_graph_id graph, bool *visible)
{
    sn_node_id owner = SN_NONE;
    while (graph != scope && graph != SN_NONE) {
        owner = m->graphs[graph].owner;
        graph = m->graphs[graph].parent;
    }
    *visible = graph == scope;
    return *visible ? owner : SN_NONE;
}
