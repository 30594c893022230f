/*
 * Building and changing. What can fail for lack of memory is done first, so that a failing call leaves the model as it
 * was, or with an unused value more.
 */
#include "graph/edit.h"

#include "base/alloc.h"
#include "graph/internal.h"

/* ---------------------------------------------------------------------------------------------------- id lists */

bool sn_ids_push(sn_ids *ids, uint32_t id)
{
    if (!SN_GROW(ids->items, ids->capacity, ids->count)) return false;
    ids->items[ids->count++] = id;
    return true;
}

bool sn_ids_insert(sn_ids *ids, size_t at, uint32_t id)
{
    if (at >= ids->count) return sn_ids_push(ids, id);
    if (!SN_GROW(ids->items, ids->capacity, ids->count)) return false;
    memmove(ids->items + at + 1, ids->items + at, (ids->count - at) * sizeof *ids->items);
    ids->items[at] = id;
    ++ids->count;
    return true;
}

size_t sn_ids_find(const sn_ids *ids, uint32_t id)
{
    for (size_t i = 0; i < ids->count; ++i)
        if (ids->items[i] == id) return i;
    return SIZE_MAX;
}

void sn_ids_remove(sn_ids *ids, uint32_t id)
{
    size_t at = sn_ids_find(ids, id);
    if (at == SIZE_MAX) return;
    --ids->count;
    memmove(ids->items + at, ids->items + at + 1, (ids->count - at) * sizeof *ids->items);
}

/* ---------------------------------------------------------------------------------------------------- uses */

bool sn_add_use(sn_model *m, sn_value_id value, sn_use use)
{
    if (value == SN_NONE) return true;
    sn_value *v = &m->values[value];
    if (!SN_GROW(v->uses, v->uses_capacity, v->n_uses)) return false;
    v->uses[v->n_uses++] = use;
    return true;
}

static bool same_use(sn_use a, sn_use b)
{
    return a.node == b.node && a.graph == b.graph && a.slot == b.slot;
}

/* Searches from both ends: passes that remove much go along the graph, in one direction or the other. */
void sn_remove_use(sn_model *m, sn_value_id value, sn_use use)
{
    if (value == SN_NONE) return;
    sn_value *v = &m->values[value];
    size_t low = 0, high = v->n_uses;
    for (; low < high && !same_use(v->uses[low], use) && !same_use(v->uses[high - 1], use); ++low) --high;
    if (low >= high) return;
    v->uses[same_use(v->uses[low], use) ? low : high - 1] = v->uses[v->n_uses - 1];
    --v->n_uses;
}

static sn_use use_by_node(const sn_model *m, sn_node_id node, size_t slot)
{
    return (sn_use){.node = node, .graph = m->nodes[node].graph, .slot = (uint32_t)slot};
}

/* ---------------------------------------------------------------------------------------------------- names */

bool sn_note_name(sn_model *m, sn_str name)
{
    return !m->names_filled || name.n == 0 || sn_map_put(&m->names, name, 0);
}

static bool fill_names(sn_model *m)
{
    if (m->names_filled) return true;
    m->names_filled = true;
    bool ok = true;
    for (size_t i = 0; ok && i < m->n_values; ++i) ok = sn_note_name(m, m->values[i].name);
    for (size_t i = 0; ok && i < m->n_nodes; ++i) ok = sn_note_name(m, m->nodes[i].name);
    if (!ok) {
        sn_map_free(&m->names);
        m->names_filled = false;
    }
    return ok;
}

sn_str sn_unique_name(sn_model *m, sn_str hint)
{
    static const sn_str nothing = {NULL, 0};
    if (!fill_names(m)) return nothing;
    if (hint.n == 0) hint = SN_STR("value");
    sn_str name = sn_arena_str(&m->arena, hint);
    while (name.p && sn_map_get(&m->names, name) != SN_MAP_NONE)
        name = sn_arena_printf(&m->arena, "%.*s_%llu", SN_STR_ARG(hint), (unsigned long long)++m->name_counter);
    return name.p && sn_note_name(m, name) ? name : nothing;
}

uint32_t sn_symbol(sn_model *m, sn_str name)
{
    uint32_t id = sn_map_get(&m->symbol_ids, name);
    if (id != SN_MAP_NONE) return id;
    if (m->n_symbols >= UINT32_MAX || !SN_GROW(m->symbols, m->symbols_capacity, m->n_symbols)) return UINT32_MAX;
    sn_str copy = sn_arena_str(&m->arena, name);
    id = (uint32_t)m->n_symbols;
    if (!copy.p || !sn_map_put(&m->symbol_ids, copy, id)) return UINT32_MAX;
    m->symbols[m->n_symbols++] = copy;
    return id;
}

/* ---------------------------------------------------------------------------------------------------- graphs, values
 */

sn_graph_id sn_add_graph(sn_model *m, sn_node_id owner)
{
    if (m->n_graphs >= SN_NONE || !SN_GROW(m->graphs, m->graphs_capacity, m->n_graphs)) return SN_NONE;
    m->graphs[m->n_graphs] = (sn_graph){
        .name = SN_STR(""),
        .doc_string = SN_STR(""),
        .extra = SN_STR(""),
        .owner = owner,
        .parent = owner == SN_NONE ? SN_NONE : m->nodes[owner].graph,
    };
    return (sn_graph_id)m->n_graphs++;
}

sn_value_id sn_add_value(sn_model *m, sn_graph_id graph, sn_str name, const sn_type *type)
{
    if (m->n_values >= SN_NONE || !SN_GROW(m->values, m->values_capacity, m->n_values)) return SN_NONE;
    sn_str copy = sn_arena_str(&m->arena, name);
    if (!copy.p || !sn_note_name(m, copy)) return SN_NONE;
    m->values[m->n_values] = (sn_value){
        .name = copy,
        .type = type ? *type : SN_TYPE_UNKNOWN,
        .graph = graph,
        .producer = SN_NONE,
        .doc_string = SN_STR(""),
        .extra = SN_STR(""),
    };
    return (sn_value_id)m->n_values++;
}

bool sn_add_input(sn_model *m, sn_graph_id graph, sn_value_id value)
{
    if (!sn_ids_push(&m->graphs[graph].inputs, value)) return false;
    m->values[value].is_input = true;
    return true;
}

bool sn_add_output(sn_model *m, sn_graph_id graph, sn_value_id value)
{
    sn_ids *outputs = &m->graphs[graph].outputs;
    if (!sn_ids_push(outputs, value)) return false;
    sn_use use = {.node = SN_NONE, .graph = graph, .slot = (uint32_t)(outputs->count - 1)};
    if (sn_add_use(m, value, use)) return true;
    --outputs->count;
    return false;
}

void sn_remove_input(sn_model *m, sn_graph_id graph, sn_value_id value)
{
    sn_value *v = &m->values[value];
    sn_ids_remove(&m->graphs[graph].inputs, value);
    v->is_input = false;
    if (v->n_uses == 0 && !v->constant && !v->sparse) sn_kill_value(m, value);
}

/* ---------------------------------------------------------------------------------------------------- initializers */

static void put_constant(sn_value *v, sinter_value *constant)
{
    sinter_value_release(v->constant);
    v->constant = constant;
    if (v->sparse) {
        sinter_value_release(v->sparse->values);
        sinter_value_release(v->sparse->indices);
        v->sparse = NULL;
    }
}

static void take_type(sn_value *v, const sinter_value *constant)
{
    v->type.kind = SINTER_KIND_TENSOR;
    v->type.dtype = constant->dtype;
    v->type.shape = constant->shape;
    v->type.elem = NULL;
    v->type.dim_denotations = NULL;
}

bool sn_set_initializer(sn_model *m, sn_value_id value, sinter_value *constant)
{
    sn_value *v = &m->values[value];
    bool listed = v->constant || v->sparse;
    if (v->producer != SN_NONE || (!listed && !sn_ids_push(&m->graphs[v->graph].initializers, value))) {
        sinter_value_release(constant);
        return false;
    }
    put_constant(v, constant);
    if (v->type.kind == SINTER_KIND_UNKNOWN || v->type.dtype == SINTER_UNDEFINED) take_type(v, constant);
    return true;
}

sn_value_id sn_add_initializer(sn_model *m, sn_graph_id graph, sn_str hint, sinter_value *constant)
{
    sn_str name = sn_unique_name(m, hint);
    sn_value_id value = name.p ? sn_add_value(m, graph, name, NULL) : SN_NONE;
    if (value == SN_NONE) {
        sinter_value_release(constant);
        return SN_NONE;
    }
    return sn_set_initializer(m, value, constant) ? value : SN_NONE;
}

void sn_replace_initializer(sn_model *m, sn_value_id value, sinter_value *constant)
{
    put_constant(&m->values[value], constant);
    take_type(&m->values[value], constant);
}

void sn_remove_initializer(sn_model *m, sn_value_id value)
{
    sn_value *v = &m->values[value];
    if (v->n_uses > 0) return;
    if (!m->defer_removal) sn_ids_remove(&m->graphs[v->graph].initializers, value);
    if (v->is_input) sn_ids_remove(&m->graphs[v->graph].inputs, value);
    sn_kill_value(m, value);
}

/* ---------------------------------------------------------------------------------------------------- nodes */

static bool outputs_are_free(const sn_model *m, sn_graph_id graph, const sn_value_id *out, size_t n_out)
{
    for (size_t i = 0; i < n_out; ++i) {
        if (out[i] == SN_NONE) continue;
        const sn_value *v = &m->values[out[i]];
        if (v->graph != graph || v->producer != SN_NONE || v->is_input || v->constant || v->sparse) return false;
    }
    return true;
}

static bool copy_node_lists(sn_model *m, sn_node *n, const sn_value_id *in, const sn_value_id *out)
{
    sn_arena *a = &m->arena;
    n->op_type = sn_arena_str(a, n->op_type);
    n->domain = sn_arena_str(a, n->domain);
    n->name = sn_arena_str(a, n->name);
    n->in = sn_arena_copy(a, in, n->n_in * sizeof *in);
    n->out = sn_arena_copy(a, out, n->n_out * sizeof *out);
    return n->op_type.p && n->domain.p && n->name.p && n->in && n->out && sn_note_name(m, n->name);
}

/* All or none: on failure the uses that were added are taken back. */
static bool add_input_uses(sn_model *m, sn_node_id node)
{
    const sn_node *n = &m->nodes[node];
    for (size_t i = 0; i < n->n_in; ++i) {
        if (sn_add_use(m, n->in[i], use_by_node(m, node, i))) continue;
        while (i-- > 0) sn_remove_use(m, n->in[i], use_by_node(m, node, i));
        return false;
    }
    return true;
}

/* Makes the node the producer of its outputs; false when one is listed twice. */
static bool claim_outputs(sn_model *m, sn_node_id node)
{
    const sn_node *n = &m->nodes[node];
    for (size_t i = 0; i < n->n_out; ++i) {
        if (n->out[i] == SN_NONE) continue;
        sn_value *v = &m->values[n->out[i]];
        if (v->producer != SN_NONE) {
            while (i-- > 0)
                if (n->out[i] != SN_NONE) m->values[n->out[i]].producer = SN_NONE;
            return false;
        }
        v->producer = node;
        v->producer_slot = (uint32_t)i;
    }
    return true;
}

sn_node_id sn_add_node(sn_model *m, sn_graph_id graph, size_t position, sn_str op_type, sn_str domain, sn_str name,
                       const sn_value_id *in, size_t n_in, const sn_value_id *out, size_t n_out)
{
    if (n_in >= SN_NONE || n_out >= SN_NONE || m->n_nodes >= SN_NONE || !outputs_are_free(m, graph, out, n_out))
        return SN_NONE;
    if (!SN_GROW(m->nodes, m->nodes_capacity, m->n_nodes)) return SN_NONE;
    sn_node n = {.op_type = op_type,
                 .domain = domain,
                 .name = name,
                 .overload = SN_STR(""),
                 .doc_string = SN_STR(""),
                 .extra = SN_STR(""),
                 .graph = graph,
                 .n_in = n_in,
                 .n_out = n_out};
    if (!copy_node_lists(m, &n, in, out)) return SN_NONE;
    sn_node_id id = (sn_node_id)m->n_nodes;
    m->nodes[id] = n; /* becomes part of the table only when n_nodes is raised */
    if (!sn_ids_insert(&m->graphs[graph].nodes, position, id)) return SN_NONE;
    if (!claim_outputs(m, id)) goto unlist;
    if (!add_input_uses(m, id)) goto disown;
    ++m->n_nodes;
    return id;

disown:
    for (size_t i = 0; i < n_out; ++i)
        if (out[i] != SN_NONE) m->values[out[i]].producer = SN_NONE;
unlist:
    sn_ids_remove(&m->graphs[graph].nodes, id);
    return SN_NONE;
}

size_t sn_node_position(const sn_model *m, sn_node_id node)
{
    return sn_ids_find(&m->graphs[m->nodes[node].graph].nodes, node);
}

void sn_rename_op(sn_model *m, sn_node_id node, sn_str op_type, sn_str domain)
{
    sn_str new_type = sn_arena_str(&m->arena, op_type), new_domain = sn_arena_str(&m->arena, domain);
    if (!new_type.p || !new_domain.p) return;
    m->nodes[node].op_type = new_type;
    m->nodes[node].domain = new_domain;
}

/* Makes a node's list of inputs or outputs at least `count` long; new entries are SN_NONE. */
static bool extend_list(sn_model *m, sn_value_id **list, size_t *n, size_t count)
{
    if (count <= *n) return true;
    if (count >= SN_NONE) return false;
    sn_value_id *longer = SN_ARENA_ARRAY(&m->arena, sn_value_id, count);
    if (!longer) return false;
    if (*n) memcpy(longer, *list, *n * sizeof *longer);
    for (size_t i = *n; i < count; ++i) longer[i] = SN_NONE;
    *list = longer;
    *n = count;
    return true;
}

bool sn_set_input(sn_model *m, sn_node_id node, size_t slot, sn_value_id value)
{
    sn_node *n = &m->nodes[node];
    if (slot >= SN_NONE || !extend_list(m, &n->in, &n->n_in, slot + 1)) return false;
    if (n->in[slot] == value) return true;
    if (!sn_add_use(m, value, use_by_node(m, node, slot))) return false;
    sn_remove_use(m, n->in[slot], use_by_node(m, node, slot));
    n->in[slot] = value;
    return true;
}

void sn_truncate_inputs(sn_model *m, sn_node_id node, size_t count)
{
    sn_node *n = &m->nodes[node];
    for (; n->n_in > count; --n->n_in) sn_remove_use(m, n->in[n->n_in - 1], use_by_node(m, node, n->n_in - 1));
}

void sn_truncate_outputs(sn_model *m, sn_node_id node, size_t count)
{
    sn_node *n = &m->nodes[node];
    for (; n->n_out > count; --n->n_out) {
        sn_value_id value = n->out[n->n_out - 1];
        if (value == SN_NONE) continue;
        if (m->values[value].n_uses > 0) return;
        sn_kill_value(m, value);
    }
}

bool sn_move_output(sn_model *m, sn_value_id value, sn_node_id node, size_t slot)
{
    sn_value *v = &m->values[value];
    sn_node *n = &m->nodes[node];
    if (v->is_input || v->constant || v->sparse || v->graph != n->graph || slot >= SN_NONE) return false;
    if (v->producer == node && v->producer_slot == slot) return true;
    sn_value_id displaced = slot < n->n_out ? n->out[slot] : SN_NONE;
    if (displaced != SN_NONE && m->values[displaced].n_uses > 0) return false;
    if (!extend_list(m, &n->out, &n->n_out, slot + 1)) return false;
    if (displaced != SN_NONE) sn_kill_value(m, displaced);
    if (v->producer != SN_NONE) m->nodes[v->producer].out[v->producer_slot] = SN_NONE;
    n->out[slot] = value;
    v->producer = node;
    v->producer_slot = (uint32_t)slot;
    return true;
}
