/* Which values and nodes of the main graph somebody needs, and when each value is read for the last time. What a body
 * reads, the node that owns the body reads. */
#include "runtime/plan.h"

typedef struct marker {
    const sn_model *m;
    sn_liveness *live;
    uint32_t position;
} marker;

static void read_value(marker *x, sn_value_id id)
{
    if (id == SN_NONE) return;
    x->live->needed[id] = true;
    if (x->position > x->live->last[id]) x->live->last[id] = x->position;
}

bool sn_for_each_body(const sn_node *node, bool (*visit)(void *context, sn_graph_id body), void *context)
{
    for (size_t i = 0; i < node->n_attrs; i++) {
        const sn_attr *a = &node->attrs[i];
        if (a->type == SN_ATTR_GRAPH && a->ref_attr_name.n == 0 && !visit(context, a->graph)) return false;
        for (size_t k = 0; a->type == SN_ATTR_GRAPHS && k < a->count; k++) {
            if (!visit(context, a->graphs[k])) return false;
        }
    }
    return true;
}

static bool read_body(void *context, sn_graph_id body);

static void read_node(marker *x, sn_node_id id)
{
    const sn_node *node = &x->m->nodes[id];
    for (size_t i = 0; i < node->n_in; i++) read_value(x, node->in[i]);
    sn_for_each_body(node, read_body, x);
}

static bool read_body(void *context, sn_graph_id body)
{
    marker *x = context;
    const sn_graph *g = &x->m->graphs[body];
    for (size_t i = 0; i < g->nodes.count; i++) read_node(x, g->nodes.items[i]);
    for (size_t i = 0; i < g->outputs.count; i++) read_value(x, g->outputs.items[i]);
    return true;
}

static bool makes_needed(const sn_liveness *live, const sn_plan_value *values, const sn_node *node)
{
    for (size_t i = 0; i < node->n_out; i++) {
        sn_value_id id = node->out[i];
        if (id != SN_NONE && live->needed[id] && values[id].place != SN_PLACE_CONSTANT) return true;
    }
    return false;
}

sinter_status sn_liveness_find(const sn_model *m, const sn_plan_value *values, sn_arena *arena, sn_liveness *out,
                               sinter_error *err)
{
    *out = (sn_liveness){.needed = SN_ARENA_ARRAY(arena, bool, m->n_values),
                         .node_needed = SN_ARENA_ARRAY(arena, bool, m->n_nodes),
                         .last = SN_ARENA_ARRAY(arena, uint32_t, m->n_values),
                         .is_output = SN_ARENA_ARRAY(arena, bool, m->n_values)};
    if (!out->needed || !out->node_needed || !out->last || !out->is_output) return sn_no_memory(err, "planning a run");
    const sn_graph *g = &m->graphs[0];
    marker x = {.m = m, .live = out, .position = (uint32_t)g->nodes.count};
    for (size_t i = 0; i < g->outputs.count; i++) {
        read_value(&x, g->outputs.items[i]);
        out->is_output[g->outputs.items[i]] = true;
    }
    for (size_t i = g->nodes.count; i-- > 0;) {
        sn_node_id id = g->nodes.items[i];
        if (!makes_needed(out, values, &m->nodes[id])) continue;
        out->node_needed[id] = true;
        x.position = (uint32_t)i;
        read_node(&x, id);
    }
    return SINTER_OK;
}
