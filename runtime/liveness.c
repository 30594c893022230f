/* Which values and nodes of the main graph somebody needs. What a body reads, the node that owns the body reads. */
#include "runtime/plan.h"

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

typedef struct reader {
    const sn_model *m;
    void (*visit)(void *context, sn_value_id id);
    void *context;
} reader;

static bool read_body(void *context, sn_graph_id body)
{
    reader *x = context;
    const sn_graph *g = &x->m->graphs[body];
    for (size_t i = 0; i < g->nodes.count; i++) {
        const sn_node *node = &x->m->nodes[g->nodes.items[i]];
        sn_for_each_read(x->m, node->in, node->n_in, node, x->visit, x->context);
    }
    for (size_t i = 0; i < g->outputs.count; i++) x->visit(x->context, g->outputs.items[i]);
    return true;
}

void sn_for_each_read(const sn_model *m, const sn_value_id *in, size_t n_in, const sn_node *bodies_of,
                      void (*visit)(void *context, sn_value_id id), void *context)
{
    reader x = {m, visit, context};
    for (size_t i = 0; i < n_in; i++) {
        if (in[i] != SN_NONE) visit(context, in[i]);
    }
    sn_for_each_body(bodies_of, read_body, &x);
}

static void mark_needed(void *context, sn_value_id id)
{
    ((sn_liveness *)context)->needed[id] = true;
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
                         .is_output = SN_ARENA_ARRAY(arena, bool, m->n_values)};
    if (!out->needed || !out->node_needed || !out->is_output) return sn_no_memory(err, "planning a run");
    const sn_graph *g = &m->graphs[0];
    for (size_t i = 0; i < g->outputs.count; i++) {
        out->needed[g->outputs.items[i]] = true;
        out->is_output[g->outputs.items[i]] = true;
    }
    for (size_t i = g->nodes.count; i-- > 0;) {
        sn_node_id id = g->nodes.items[i];
        const sn_node *node = &m->nodes[id];
        if (!makes_needed(out, values, node)) continue;
        out->node_needed[id] = true;
        sn_for_each_read(m, node->in, node->n_in, node, mark_needed, out);
    }
    return SINTER_OK;
}
