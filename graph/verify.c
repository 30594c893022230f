/*
 * Three walks: over the graphs (lists, ownership, names), over the nodes (links to values and subgraphs), over the
 * values (uses, order, types). Each is linear: what must agree in both directions is counted from one side and ticked
 * off from the other.
 */
#include "graph/verify.h"

#include "base/alloc.h"
#include "graph/internal.h"
#include <stdio.h>

#define MAX_NESTING 1000 /* of graphs; also ends the walk up a circle of parents */

typedef struct verifier {
    const sn_model *m;
    sinter_error *err;
    uint32_t *position;    /* per node: index in its graph's list; SN_NONE: not met yet */
    uint32_t *reads;       /* per value: node inputs and graph outputs that name it */
    uint32_t *first_read;  /* per node: number of its first input among all reads; per graph, behind them: of its first
                              output */
    uint8_t *ticked;       /* per read: a use stands for it */
    uint8_t *listed;       /* per value: LISTED_ bits */
    uint32_t *graph_owned; /* per graph: attributes that hold it */
} verifier;

enum { LISTED_INPUT = 1, LISTED_INITIALIZER = 2 };

static sinter_status fail(verifier *x, const char *format, ...) __attribute__((format(printf, 2, 3)));

static sinter_status fail(verifier *x, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return sn_fail(x->err, SINTER_INVALID_MODEL, "%s", text);
}

static sinter_status fail_node(verifier *x, sn_node_id node, const char *what)
{
    sn_str label = sn_node_label(x->m, node), op = x->m->nodes[node].op_type;
    return fail(x, "node '%.*s' (%.*s): %s", SN_STR_ARG(label), SN_STR_ARG(op), what);
}

static sinter_status fail_value(verifier *x, const sn_value *v, const char *what)
{
    return fail(x, "value '%.*s': %s", SN_STR_ARG(v->name), what);
}

static bool alive(const verifier *x, sn_value_id value)
{
    return value < x->m->n_values && !x->m->values[value].dead;
}

static bool graph_alive(const verifier *x, sn_graph_id graph)
{
    return graph < x->m->n_graphs && !x->m->graphs[graph].dead;
}

/* ---------------------------------------------------------------------------------------------------- graphs */

static sinter_status check_parents(verifier *x, sn_graph_id graph)
{
    const sn_model *m = x->m;
    for (int depth = 0; graph != SN_NONE; ++depth) {
        if (depth == MAX_NESTING) return fail(x, "graphs are nested more than %d levels deep", MAX_NESTING);
        const sn_graph *g = &m->graphs[graph];
        bool owned = g->owner != SN_NONE;
        if (owned && (g->owner >= m->n_nodes || m->nodes[g->owner].dead || m->nodes[g->owner].graph != g->parent))
            return fail(x, "graph '%.*s': its owner does not belong to the graph around it", SN_STR_ARG(g->name));
        if ((!owned && g->parent != SN_NONE) || (owned && !graph_alive(x, g->parent)))
            return fail(x, "graph '%.*s': the graph around it is missing", SN_STR_ARG(g->name));
        graph = g->parent;
    }
    return SINTER_OK;
}

/* Checks that a listed value is alive, in this graph, and listed once; then marks it. */
static sinter_status mark_listed(verifier *x, sn_graph_id graph, sn_value_id value, uint8_t bit, const char *list)
{
    if (!alive(x, value))
        return fail(x, "graph '%.*s': a missing value is among its %s", SN_STR_ARG(x->m->graphs[graph].name), list);
    const sn_value *v = &x->m->values[value];
    if (v->graph != graph) return fail(x, "value '%.*s' is among the %s of another graph", SN_STR_ARG(v->name), list);
    if (x->listed[value] & bit) return fail(x, "value '%.*s' is twice among the %s", SN_STR_ARG(v->name), list);
    if (v->producer != SN_NONE)
        return fail(x, "value '%.*s' is among the %s, but a node computes it", SN_STR_ARG(v->name), list);
    x->listed[value] |= bit;
    return SINTER_OK;
}

static sinter_status check_lists(verifier *x, sn_graph_id graph)
{
    const sn_graph *g = &x->m->graphs[graph];
    for (size_t i = 0; i < g->inputs.count; ++i)
        SN_TRY(mark_listed(x, graph, g->inputs.items[i], LISTED_INPUT, "inputs"));
    for (size_t i = 0; i < g->initializers.count; ++i)
        SN_TRY(mark_listed(x, graph, g->initializers.items[i], LISTED_INITIALIZER, "initializers"));
    for (size_t i = 0; i < g->outputs.count; ++i) {
        if (!alive(x, g->outputs.items[i]))
            return fail(x, "graph '%.*s': output %zu is missing", SN_STR_ARG(g->name), i);
        ++x->reads[g->outputs.items[i]];
    }
    for (size_t i = 0; i < g->nodes.count; ++i) {
        sn_node_id node = g->nodes.items[i];
        if (node >= x->m->n_nodes || x->m->nodes[node].dead)
            return fail(x, "graph '%.*s': node %zu is missing", SN_STR_ARG(g->name), i);
        if (x->m->nodes[node].graph != graph) return fail_node(x, node, "is in the list of another graph");
        if (x->position[node] != SN_NONE) return fail_node(x, node, "is twice in its graph");
        x->position[node] = (uint32_t)i;
    }
    return SINTER_OK;
}

static sinter_status add_name(verifier *x, sn_map *names, sn_graph_id graph, sn_value_id value)
{
    const sn_value *v = &x->m->values[value];
    sn_str in = x->m->graphs[graph].name;
    if (v->name.n == 0) return fail(x, "graph '%.*s': a value has no name", SN_STR_ARG(in));
    if (sn_map_get(names, v->name) != SN_MAP_NONE)
        return fail(x, "graph '%.*s': the name '%.*s' is defined twice", SN_STR_ARG(in), SN_STR_ARG(v->name));
    return sn_map_put(names, v->name, value) ? SINTER_OK : sn_no_memory(x->err, "verifying a model");
}

static sinter_status collect_names(verifier *x, sn_map *names, sn_graph_id graph)
{
    const sn_model *m = x->m;
    const sn_graph *g = &m->graphs[graph];
    for (size_t i = 0; i < g->inputs.count; ++i) SN_TRY(add_name(x, names, graph, g->inputs.items[i]));
    for (size_t i = 0; i < g->initializers.count; ++i) {
        sn_value_id value = g->initializers.items[i];
        if (!m->values[value].is_input) SN_TRY(add_name(x, names, graph, value));
    }
    for (size_t i = 0; i < g->nodes.count; ++i) {
        const sn_node *n = &m->nodes[g->nodes.items[i]];
        for (size_t k = 0; k < n->n_out; ++k)
            if (alive(x, n->out[k])) SN_TRY(add_name(x, names, graph, n->out[k]));
    }
    return SINTER_OK;
}

static sinter_status check_names(verifier *x, sn_graph_id graph)
{
    sn_map names = {0};
    sinter_status status = collect_names(x, &names, graph);
    sn_map_free(&names);
    return status;
}

/* ---------------------------------------------------------------------------------------------------- nodes */

static sinter_status check_subgraphs(verifier *x, sn_node_id node)
{
    const sn_node *n = &x->m->nodes[node];
    for (size_t i = 0; i < n->n_attrs; ++i) {
        const sn_graph_id *graphs = NULL;
        size_t count = sn_attr_graphs(&n->attrs[i], &graphs);
        for (size_t k = 0; k < count; ++k) {
            if (!graph_alive(x, graphs[k])) return fail_node(x, node, "a subgraph is missing");
            if (x->m->graphs[graphs[k]].owner != node) return fail_node(x, node, "a subgraph belongs to another node");
            if (x->graph_owned[graphs[k]]++) return fail_node(x, node, "two attributes hold the same subgraph");
        }
    }
    return SINTER_OK;
}

static sinter_status check_node(verifier *x, sn_node_id node)
{
    const sn_model *m = x->m;
    const sn_node *n = &m->nodes[node];
    if (x->position[node] == SN_NONE) return fail_node(x, node, "is in no graph's list");
    for (size_t i = 0; i < n->n_in; ++i) {
        if (n->in[i] == SN_NONE) continue;
        if (!alive(x, n->in[i])) return fail_node(x, node, "an input is missing");
        ++x->reads[n->in[i]];
    }
    for (size_t i = 0; i < n->n_out; ++i) {
        if (n->out[i] == SN_NONE) continue;
        if (!alive(x, n->out[i])) return fail_node(x, node, "an output is missing");
        const sn_value *v = &m->values[n->out[i]];
        if (v->producer != node || v->producer_slot != i) return fail_node(x, node, "an output names another producer");
        if (v->graph != n->graph) return fail_node(x, node, "an output is in the scope of another graph");
    }
    return check_subgraphs(x, node);
}

/* ---------------------------------------------------------------------------------------------------- values */

/* A use must name a place that really reads the value, and each place only once. */
static sinter_status tick_use(verifier *x, sn_value_id value, const sn_use *u)
{
    const sn_model *m = x->m;
    const sn_value *v = &m->values[value];
    size_t read;
    if (u->node == SN_NONE) {
        if (!graph_alive(x, u->graph) || u->slot >= m->graphs[u->graph].outputs.count ||
            m->graphs[u->graph].outputs.items[u->slot] != value)
            return fail_value(x, v, "a use names a graph output that is not it");
        read = x->first_read[m->n_nodes + u->graph] + (size_t)u->slot;
    } else {
        if (u->node >= m->n_nodes || m->nodes[u->node].dead || m->nodes[u->node].graph != u->graph ||
            u->slot >= m->nodes[u->node].n_in || m->nodes[u->node].in[u->slot] != value)
            return fail_value(x, v, "a use names a node input that is not it");
        read = x->first_read[u->node] + (size_t)u->slot;
    }
    if (x->ticked[read]) return fail_value(x, v, "a use is recorded twice");
    x->ticked[read] = 1;
    return SINTER_OK;
}

static sinter_status fail_order(verifier *x, const sn_value *v, const sn_use *u, const char *what)
{
    if (u->node == SN_NONE)
        return fail(x, "graph '%.*s' returns '%.*s', which %s", SN_STR_ARG(x->m->graphs[u->graph].name),
                    SN_STR_ARG(v->name), what);
    sn_str label = sn_node_label(x->m, u->node), op = x->m->nodes[u->node].op_type;
    return fail(x, "node '%.*s' (%.*s) reads '%.*s', which %s", SN_STR_ARG(label), SN_STR_ARG(op), SN_STR_ARG(v->name),
                what);
}

/* Order also rules out cycles: nothing can come before itself. */
static sinter_status check_order(verifier *x, const sn_value *v, const sn_use *u)
{
    bool visible;
    sn_node_id reader = sn_owner_within(x->m, v->graph, u->graph, &visible);
    if (!visible) return fail_order(x, v, u, "is not visible there");
    if (u->graph == v->graph) reader = u->node;
    if (v->producer != SN_NONE && reader != SN_NONE && x->position[reader] <= x->position[v->producer])
        return fail_order(x, v, u, "is computed later, or by itself");
    return SINTER_OK;
}

static sinter_status check_initializer_type(verifier *x, const sn_value *v)
{
    const sn_type *t = &v->type;
    sinter_dtype dtype = v->constant ? v->constant->dtype : v->sparse->values ? v->sparse->values->dtype : t->dtype;
    const sn_shape *shape = v->constant ? &v->constant->shape : &v->sparse->dims;
    if (t->kind == SINTER_KIND_UNKNOWN) return SINTER_OK;
    if (t->kind != SINTER_KIND_TENSOR && t->kind != SINTER_KIND_SPARSE)
        return fail_value(x, v, "is an initializer, but its type is no tensor");
    bool agree =
        (t->dtype == SINTER_UNDEFINED || t->dtype == dtype) && (t->shape.rank < 0 || t->shape.rank == shape->rank);
    for (int i = 0; agree && i < t->shape.rank; ++i)
        agree = !sn_dim_is_number(t->shape.dims[i]) || t->shape.dims[i] == shape->dims[i];
    if (agree) return SINTER_OK;
    char declared[SN_SHAPE_TEXT], found[SN_SHAPE_TEXT];
    return fail(x, "initializer '%.*s' is declared %s[%s], but holds %s[%s]", SN_STR_ARG(v->name),
                sinter_dtype_name(t->dtype), sn_shape_text(&t->shape, NULL, declared, sizeof declared),
                sinter_dtype_name(dtype), sn_shape_text(shape, NULL, found, sizeof found));
}

static sinter_status check_value(verifier *x, sn_value_id value)
{
    const sn_model *m = x->m;
    const sn_value *v = &m->values[value];
    bool constant = v->constant || v->sparse;
    if (v->is_input != !!(x->listed[value] & LISTED_INPUT))
        return fail_value(x, v, "is an input, but not listed as one");
    if (constant != !!(x->listed[value] & LISTED_INITIALIZER))
        return fail_value(x, v,
                          constant ? "is not listed among the initializers" : "is an initializer without a tensor");
    if (constant) SN_TRY(check_initializer_type(x, v));
    if (v->producer != SN_NONE) {
        if (v->producer >= m->n_nodes || m->nodes[v->producer].dead) return fail_value(x, v, "its producer is missing");
        const sn_node *n = &m->nodes[v->producer];
        if (v->producer_slot >= n->n_out || n->out[v->producer_slot] != value)
            return fail_value(x, v, "its producer does not name it");
    }
    if (v->n_uses != x->reads[value]) return fail_value(x, v, "its uses do not match what reads it");
    if (v->n_uses > 0 && v->producer == SN_NONE && !v->is_input && !constant)
        return fail_order(x, v, &v->uses[0], "nothing defines");
    for (size_t i = 0; i < v->n_uses; ++i) {
        SN_TRY(tick_use(x, value, &v->uses[i]));
        SN_TRY(check_order(x, v, &v->uses[i]));
    }
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- all of it */

static sinter_status check_model(verifier *x)
{
    const sn_model *m = x->m;
    for (sn_graph_id i = 0; i < m->n_graphs; ++i) {
        if (m->graphs[i].dead) continue;
        SN_TRY(check_parents(x, i));
        SN_TRY(check_lists(x, i));
        SN_TRY(check_names(x, i));
    }
    for (sn_node_id i = 0; i < m->n_nodes; ++i)
        if (!m->nodes[i].dead) SN_TRY(check_node(x, i));
    for (sn_graph_id i = 0; i < m->n_graphs; ++i)
        if (!m->graphs[i].dead && m->graphs[i].owner != SN_NONE && x->graph_owned[i] == 0)
            return fail(x, "graph '%.*s': its owner does not hold it", SN_STR_ARG(m->graphs[i].name));
    for (sn_value_id i = 0; i < m->n_values; ++i) {
        const sn_value *v = &m->values[i];
        if (v->dead) continue;
        if (graph_alive(x, v->graph))
            SN_TRY(check_value(x, i));
        else if (x->reads[i] > 0)
            return fail_value(x, v, "is read, but its graph is gone");
    }
    return SINTER_OK;
}

/* Numbers all reads; false when they are more than 32 bits can number. */
static bool number_reads(const sn_model *m, uint32_t *first_read, size_t *n_reads)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_nodes + m->n_graphs; ++i) {
        first_read[i] = (uint32_t)n;
        n += i < m->n_nodes ? m->nodes[i].n_in : m->graphs[i - m->n_nodes].outputs.count;
        if (n > UINT32_MAX) return false;
    }
    *n_reads = n;
    return true;
}

static sinter_status verify_in(verifier *x, sn_arena *arena)
{
    const sn_model *m = x->m;
    size_t n_reads;
    x->first_read = SN_ARENA_ARRAY(arena, uint32_t, m->n_nodes + m->n_graphs);
    x->position = SN_ARENA_ARRAY(arena, uint32_t, m->n_nodes);
    x->reads = SN_ARENA_ARRAY(arena, uint32_t, m->n_values);
    x->listed = SN_ARENA_ARRAY(arena, uint8_t, m->n_values);
    x->graph_owned = SN_ARENA_ARRAY(arena, uint32_t, m->n_graphs);
    if (!x->first_read || !x->position || !x->reads || !x->listed || !x->graph_owned)
        return sn_no_memory(x->err, "verifying a model");
    if (!number_reads(m, x->first_read, &n_reads)) return fail(x, "the model has too many inputs of nodes");
    x->ticked = SN_ARENA_ARRAY(arena, uint8_t, n_reads);
    if (!x->ticked) return sn_no_memory(x->err, "verifying a model");
    for (size_t i = 0; i < m->n_nodes; ++i) x->position[i] = SN_NONE;
    return check_model(x);
}

sinter_status sn_verify(const sn_model *m, sinter_error *err)
{
    verifier x = {.m = m, .err = err};
    sn_arena arena = {0};
    sinter_status status = verify_in(&x, &arena);
    sn_arena_free(&arena);
    return status;
}
