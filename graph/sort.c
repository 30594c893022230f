/*
 * Topological order, by Kahn's algorithm. A node depends on what its subgraphs capture as well: every use of a value,
 * however deep inside, counts for the node of the value's own graph in which it happens. Of the nodes that are ready
 * the one that came first is taken, so what is in order stays where it is.
 */
#include "graph/internal.h"

#include "base/alloc.h"

typedef struct sorter {
    const sn_model *m;
    uint32_t *pending;  /* per node: uses of values that are not yet computed */
    uint32_t *position; /* per node: index in its graph's list as it was */
    uint32_t *heap;     /* ready nodes' positions, smallest first */
    size_t n_heap;
    sn_node_id *order;
} sorter;

/* The node of `v`'s graph that a use makes depend on v's producer; SN_NONE when it is that graph's output, or nonsense.
 */
static sn_node_id dependent(const sn_model *m, const sn_value *v, const sn_use *u)
{
    if (u->graph == v->graph) return u->node;
    bool visible;
    return sn_owner_within(m, v->graph, u->graph, &visible);
}

static void heap_push(sorter *s, uint32_t position)
{
    size_t i = s->n_heap++;
    for (; i > 0 && s->heap[(i - 1) / 2] > position; i = (i - 1) / 2) s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = position;
}

static uint32_t heap_pop(sorter *s)
{
    uint32_t top = s->heap[0], last = s->heap[--s->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < s->n_heap; i = child) {
        if (child + 1 < s->n_heap && s->heap[child + 1] < s->heap[child]) ++child;
        if (s->heap[child] >= last) break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = last;
    return top;
}

static void count_dependencies(sorter *s)
{
    const sn_model *m = s->m;
    for (size_t i = 0; i < m->n_values; ++i) {
        const sn_value *v = &m->values[i];
        if (v->dead || v->producer == SN_NONE) continue;
        for (size_t k = 0; k < v->n_uses; ++k) {
            sn_node_id d = dependent(m, v, &v->uses[k]);
            if (d != SN_NONE) ++s->pending[d];
        }
    }
}

/* The node is done: what waited only for it becomes ready. */
static void release_dependents(sorter *s, const sn_node *n)
{
    for (size_t i = 0; i < n->n_out; ++i) {
        if (n->out[i] == SN_NONE) continue;
        const sn_value *v = &s->m->values[n->out[i]];
        for (size_t k = 0; k < v->n_uses; ++k) {
            sn_node_id d = dependent(s->m, v, &v->uses[k]);
            if (d != SN_NONE && --s->pending[d] == 0) heap_push(s, s->position[d]);
        }
    }
}

/* From any node that could not be ordered, stepping back to one that it waits for leads onto a cycle. */
static sinter_status fail_with_cycle(sorter *s, const sn_ids *nodes, sinter_error *err)
{
    const sn_model *m = s->m;
    sn_node_id *before = s->order; /* no longer needed: per position, a node that the node there waits for */
    sn_node_id node = SN_NONE;
    for (size_t i = 0; i < nodes->count; ++i) {
        sn_node_id p = nodes->items[i];
        if (s->pending[p] == 0) continue;
        node = p;
        for (size_t o = 0; o < m->nodes[p].n_out; ++o) {
            if (m->nodes[p].out[o] == SN_NONE) continue;
            const sn_value *v = &m->values[m->nodes[p].out[o]];
            for (size_t k = 0; k < v->n_uses; ++k) {
                sn_node_id d = dependent(m, v, &v->uses[k]);
                if (d != SN_NONE) before[s->position[d]] = p;
            }
        }
    }
    for (size_t i = 0; i < nodes->count; ++i) node = before[s->position[node]];
    sn_str label = sn_node_label(m, node), op = m->nodes[node].op_type;
    return sn_fail(err, SINTER_INVALID_MODEL, "node '%.*s' (%.*s) depends on its own output: the graph has a cycle",
                   SN_STR_ARG(label), SN_STR_ARG(op));
}

static sinter_status sort_graph(sorter *s, sn_ids *nodes, sinter_error *err)
{
    s->n_heap = 0;
    for (size_t i = 0; i < nodes->count; ++i) s->position[nodes->items[i]] = (uint32_t)i;
    for (size_t i = 0; i < nodes->count; ++i)
        if (s->pending[nodes->items[i]] == 0) heap_push(s, (uint32_t)i);
    size_t done = 0;
    while (s->n_heap > 0) {
        sn_node_id node = nodes->items[heap_pop(s)];
        s->order[done++] = node;
        release_dependents(s, &s->m->nodes[node]);
    }
    if (done < nodes->count) return fail_with_cycle(s, nodes, err);
    if (done > 0) memcpy(nodes->items, s->order, done * sizeof *s->order);
    return SINTER_OK;
}

sinter_status sn_sort_nodes(sn_model *m, sinter_error *err)
{
    if (m->n_nodes == 0) return SINTER_OK;
    uint32_t *memory = sn_calloc(m->n_nodes, 4 * sizeof *memory);
    if (!memory) return sn_no_memory(err, "sorting nodes");
    sorter s = {.m = m,
                .pending = memory,
                .position = memory + m->n_nodes,
                .heap = memory + 2 * m->n_nodes,
                .order = memory + 3 * m->n_nodes};
    count_dependencies(&s);
    sinter_status status = SINTER_OK;
    for (size_t i = 0; status == SINTER_OK && i < m->n_graphs; ++i)
        if (!m->graphs[i].dead) status = sort_graph(&s, &m->graphs[i].nodes, err);
    sn_free(memory);
    return status;
}
