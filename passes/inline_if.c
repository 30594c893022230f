#include "passes/inline_if.h"
#include "base/alloc.h"

bool sn_if_is_decided(const sn_model *m, sn_node_id node)
{
    const sn_node *n = &m->nodes[node];
    sn_value_id condition = sn_node_in(n, 0);
    if (!sn_node_is(n, "If") || condition == SN_NONE) return false;
    const sinter_value *k = sn_constant(m, condition);
    return k && k->dtype == SINTER_BOOL && k->count == 1;
}

/* New nodes were appended to the list, from `first` on: moves them in front of position `at`, keeping their order. */
static bool move_tail(sn_ids *nodes, size_t first, size_t at)
{
    size_t n = nodes->count - first;
    if (n == 0) return true;
    uint32_t *tail = sn_malloc(n * sizeof *tail);
    if (!tail) return false;
    memcpy(tail, nodes->items + first, n * sizeof *tail);
    memmove(nodes->items + at + n, nodes->items + at, (first - at) * sizeof *tail);
    memcpy(nodes->items + at, tail, n * sizeof *tail);
    sn_free(tail);
    return true;
}

static sinter_status expand_branch(sn_cloner *c, sn_node_id node, sn_graph_id branch, const sn_value_id *outputs,
                                   size_t n)
{
    sn_model *m = c->x->model;
    sn_graph_id graph = m->nodes[node].graph;
    size_t at = sn_node_position(m, node), first = m->graphs[graph].nodes.count;
    sn_clone_aim(c, branch, outputs, n);
    SN_TRY(sn_clone_nodes(c, branch, graph));
    SN_TRY(sn_clone_finish(c, branch, outputs, n, graph));
    return move_tail(&m->graphs[graph].nodes, first, at) ? SINTER_OK : sn_pass_no_memory(c->x);
}

sinter_status sn_inline_if(sn_cloner *c, sn_node_id node)
{
    sn_model *m = c->x->model;
    sn_value_id condition = m->nodes[node].in[0];
    const sinter_value *k = sn_constant(m, condition);
    const sn_attr *a = sn_node_attr(&m->nodes[node], sn_tensor_int(k, 0) ? "then_branch" : "else_branch");
    size_t n = m->nodes[node].n_out;
    if (!a || a->type != SN_ATTR_GRAPH || m->graphs[a->graph].outputs.count != n ||
        m->graphs[a->graph].inputs.count != 0)
        return SINTER_OK; /* the verifier and whoever runs it will say more */
    for (size_t i = 0; i < m->graphs[a->graph].initializers.count; i++)
        if (m->values[m->graphs[a->graph].initializers.items[i]].sparse) return SINTER_OK;

    SN_TRY(sn_cloner_prepare(c));
    sn_value_id *outputs = sn_malloc((n + 1) * sizeof *outputs);
    if (!outputs) return sn_pass_no_memory(c->x);
    if (n > 0) memcpy(outputs, m->nodes[node].out, n * sizeof *outputs);
    sinter_status status = expand_branch(c, node, a->graph, outputs, n);
    sn_free(outputs);
    if (status != SINTER_OK) return status;
    sn_remove_node(m, node);
    sn_drop_if_unused(m, condition);
    c->x->changes++;
    return SINTER_OK;
}
