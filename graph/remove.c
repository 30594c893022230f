/*
 * Taking things out. The dead stay in their tables, so that ids remain valid; what they held is given back. Recursion
 * goes as deep as graphs are nested, which the parser limits.
 */
#include "base/alloc.h"
#include "graph/internal.h"

static void release_sparse(const sn_sparse *s)
{
    sinter_value_release(s->values);
    sinter_value_release(s->indices);
}

void sn_free_value(sn_value *v)
{
    sinter_value_release(v->constant);
    v->constant = NULL;
    if (v->sparse) release_sparse(v->sparse);
    v->sparse = NULL;
    sn_free(v->uses);
    v->uses = NULL;
    v->n_uses = v->uses_capacity = 0;
}

void sn_kill_value(sn_model *m, sn_value_id value)
{
    sn_value *v = &m->values[value];
    sn_free_value(v);
    v->producer = SN_NONE;
    v->is_input = false;
    v->dead = true;
}

void sn_release_attr(sn_attr *attr)
{
    switch (attr->type) {
    case SN_ATTR_TENSOR: sinter_value_release(attr->tensor); break;
    case SN_ATTR_TENSORS:
        for (size_t i = 0; i < attr->count; ++i) sinter_value_release(attr->tensors[i]);
        break;
    case SN_ATTR_SPARSE_TENSOR:
    case SN_ATTR_SPARSE_TENSORS:
        for (size_t i = 0; attr->sparse && i < attr->count; ++i) release_sparse(&attr->sparse[i]);
        break;
    default: break;
    }
}

size_t sn_attr_graphs(const sn_attr *attr, const sn_graph_id **graphs)
{
    if (attr->ref_attr_name.n > 0) return 0;
    if (attr->type == SN_ATTR_GRAPH) {
        *graphs = &attr->graph;
        return 1;
    }
    if (attr->type != SN_ATTR_GRAPHS) return 0;
    *graphs = attr->graphs;
    return attr->count;
}

void sn_kill_graph(sn_model *m, sn_graph_id graph)
{
    sn_graph *g = &m->graphs[graph];
    if (g->dead) return;
    g->dead = true;
    for (size_t i = 0; i < g->outputs.count; ++i)
        sn_remove_use(m, g->outputs.items[i], (sn_use){.node = SN_NONE, .graph = graph, .slot = (uint32_t)i});
    /* Readers before what they read. */
    for (size_t i = g->nodes.count; i-- > 0;) sn_kill_node(m, g->nodes.items[i]);
    for (size_t i = 0; i < g->inputs.count; ++i) sn_kill_value(m, g->inputs.items[i]);
    for (size_t i = 0; i < g->initializers.count; ++i) sn_kill_value(m, g->initializers.items[i]);
    g->nodes.count = g->inputs.count = g->outputs.count = g->initializers.count = 0;
}

void sn_kill_node(sn_model *m, sn_node_id node)
{
    sn_node *n = &m->nodes[node];
    n->dead = true;
    for (size_t i = 0; i < n->n_attrs; ++i) {
        const sn_graph_id *graphs = NULL;
        size_t count = sn_attr_graphs(&n->attrs[i], &graphs);
        for (size_t k = 0; k < count; ++k) sn_kill_graph(m, graphs[k]);
        sn_release_attr(&n->attrs[i]);
    }
    n->n_attrs = 0;
    sn_truncate_inputs(m, node, 0);
    for (size_t i = 0; i < n->n_out; ++i)
        if (n->out[i] != SN_NONE) sn_kill_value(m, n->out[i]);
    n->n_out = 0;
}

void sn_remove_node(sn_model *m, sn_node_id node)
{
    const sn_node *n = &m->nodes[node];
    for (size_t i = 0; i < n->n_out; ++i)
        if (n->out[i] != SN_NONE && m->values[n->out[i]].n_uses > 0) return;
    if (!m->defer_removal) sn_ids_remove(&m->graphs[n->graph].nodes, node);
    sn_kill_node(m, node);
}

void sn_remove_function(sn_model *m, size_t index)
{
    sn_function *f = &m->functions[index];
    for (size_t i = 0; i < f->n_defaults; ++i) sn_release_attr(&f->defaults[i]);
    f->n_defaults = 0;
    sn_kill_graph(m, f->body);
    f->dead = true;
}

void sn_defer_removal(sn_model *m)
{
    m->defer_removal = true;
}

void sn_sweep(sn_model *m)
{
    m->defer_removal = false;
    for (size_t g = 0; g < m->n_graphs; ++g) {
        sn_ids *nodes = &m->graphs[g].nodes, *initializers = &m->graphs[g].initializers;
        size_t kept = 0;
        for (size_t i = 0; i < nodes->count; ++i)
            if (!m->nodes[nodes->items[i]].dead) nodes->items[kept++] = nodes->items[i];
        nodes->count = kept;
        kept = 0;
        for (size_t i = 0; i < initializers->count; ++i)
            if (!m->values[initializers->items[i]].dead) initializers->items[kept++] = initializers->items[i];
        initializers->count = kept;
    }
}

size_t sn_unlist_initializers(sn_model *m)
{
    sn_ids *inputs = &m->graphs[0].inputs;
    size_t kept = 0, count = inputs->count;
    for (size_t i = 0; i < count; ++i) {
        sn_value *v = &m->values[inputs->items[i]];
        v->is_input = !v->constant && !v->sparse;
        if (v->is_input) inputs->items[kept++] = inputs->items[i];
    }
    inputs->count = kept;
    return count - kept;
}
