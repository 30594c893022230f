/*
 * Redirecting the readers of a value. Two things about names make it more than a loop. A graph output is known to
 * callers by its name, so the new value must take that name over. And a reader in a subgraph finds an outer value by
 * name: no value in between may have the same one, or the written file would mean something else.
 */
#include "graph/internal.h"

#include "base/alloc.h"

static bool is_output_of_own_graph(const sn_value *v)
{
    for (size_t i = 0; i < v->n_uses; ++i)
        if (v->uses[i].node == SN_NONE && v->uses[i].graph == v->graph) return true;
    return false;
}

static bool list_has_name(const sn_model *m, const uint32_t *ids, size_t count, sn_str name)
{
    for (size_t i = 0; i < count; ++i)
        if (ids[i] != SN_NONE && sn_str_eq(m->values[ids[i]].name, name)) return true;
    return false;
}

static bool graph_defines(const sn_model *m, sn_graph_id graph, sn_str name)
{
    const sn_graph *g = &m->graphs[graph];
    if (list_has_name(m, g->inputs.items, g->inputs.count, name)) return true;
    if (list_has_name(m, g->initializers.items, g->initializers.count, name)) return true;
    for (size_t i = 0; i < g->nodes.count; ++i) {
        const sn_node *n = &m->nodes[g->nodes.items[i]];
        if (list_has_name(m, n->out, n->n_out, name)) return true;
    }
    return false;
}

/* Would each reader of `v`, if it looked for `name` from where it is, get past all graphs up to `scope`? */
static bool readers_find(const sn_model *m, const sn_value *v, sn_graph_id scope, sn_str name)
{
    sn_graph_id known = scope; /* readers lie in few graphs, mostly next to each other in the list */
    for (size_t i = 0; i < v->n_uses; ++i) {
        sn_graph_id g = v->uses[i].graph;
        if (g == known) continue;
        known = g;
        for (; g != scope && g != SN_NONE; g = m->graphs[g].parent)
            if (graph_defines(m, g, name)) return false;
        if (g == SN_NONE) return false;
    }
    return true;
}

bool sn_can_replace_uses(const sn_model *m, sn_value_id from, sn_value_id to)
{
    const sn_value *f = &m->values[from], *t = &m->values[to];
    if (from == to) return true;
    if (!is_output_of_own_graph(f)) return readers_find(m, f, t->graph, t->name);
    if (f->is_input) return false; /* swapping names would rename the input */
    if (f->graph != t->graph || t->producer == SN_NONE || t->is_input || t->constant || t->sparse) return false;
    return !is_output_of_own_graph(t) && readers_find(m, t, t->graph, f->name);
}

/* With the name goes what was declared under it. */
static void swap_declarations(sn_value *a, sn_value *b)
{
    sn_value copy = *a;
    a->name = b->name;
    a->type = b->type;
    a->is_declared = b->is_declared;
    a->doc_string = b->doc_string;
    a->metadata = b->metadata;
    a->extra = b->extra;
    b->name = copy.name;
    b->type = copy.type;
    b->is_declared = copy.is_declared;
    b->doc_string = copy.doc_string;
    b->metadata = copy.metadata;
    b->extra = copy.extra;
}

bool sn_reserve_uses(sn_model *m, sn_value_id value, size_t more)
{
    sn_value *v = &m->values[value];
    if (more <= v->uses_capacity - v->n_uses) return true;
    size_t capacity = (v->n_uses + more) * 2;
    sn_use *uses = sn_realloc(v->uses, capacity * sizeof *uses);
    if (!uses) return false;
    v->uses = uses;
    v->uses_capacity = capacity;
    return true;
}

bool sn_replace_uses(sn_model *m, sn_value_id from, sn_value_id to)
{
    sn_value *f = &m->values[from], *t = &m->values[to];
    if (from == to) return true;
    if (!sn_can_replace_uses(m, from, to) || !sn_reserve_uses(m, to, f->n_uses)) return false;
    if (is_output_of_own_graph(f)) swap_declarations(f, t);
    for (size_t i = 0; i < f->n_uses; ++i) {
        sn_use u = f->uses[i];
        if (u.node == SN_NONE)
            m->graphs[u.graph].outputs.items[u.slot] = to;
        else
            m->nodes[u.node].in[u.slot] = to;
        t->uses[t->n_uses++] = u;
    }
    f->n_uses = 0;
    return true;
}
