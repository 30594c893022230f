/*
 * Pattern: a node none of whose outputs is read, an initializer that nothing reads.
 * Rewrite: removed.
 * Exact: ONNX operators have no effects beside their outputs. Refuses: an initializer that callers may override (IR >=
 * 4) is part of the model's interface and stays; so do functions' bodies, which belong to whoever calls them.
 */
#include "passes/list.h"
#include "passes/rewrite.h"

static bool node_is_dead(const sn_model *m, sn_node_id node)
{
    const sn_node *n = &m->nodes[node];
    if (n->dead) return false;
    for (size_t i = 0; i < n->n_out; i++)
        if (sn_output_is_used(m, n, i)) return false;
    return true;
}

sinter_status sn_pass_remove_dead(sn_pass_context *x)
{
    sn_model *m = x->model;
    sn_ids nodes;
    SN_TRY(sn_pass_nodes(x, &nodes));
    /* Backwards, bodies before the graphs around them: a chain of dead nodes goes in one sweep. */
    for (size_t i = nodes.count; i-- > 0;) {
        if (!node_is_dead(m, nodes.items[i])) continue;
        sn_remove_node(m, nodes.items[i]);
        x->changes++;
    }
    sn_ids_release(&nodes);

    for (sn_graph_id g = 0; g < m->n_graphs; g++) {
        if (m->graphs[g].dead) continue;
        for (size_t i = m->graphs[g].initializers.count; i-- > 0;) {
            sn_value_id v = m->graphs[g].initializers.items[i];
            if (m->values[v].dead || m->values[v].n_uses > 0 || sn_is_overridable(m, v)) continue;
            sn_remove_initializer(m, v);
            x->changes++;
        }
    }
    return SINTER_OK;
}
