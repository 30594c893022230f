#include "passes/clone.h"
#include "base/alloc.h"

#define MAX_NAME_PART 64 /* bytes of each part of a combined name, so that deep nesting cannot blow names up */

sinter_status sn_cloner_prepare(sn_cloner *c)
{
    size_t n = c->x->model->n_values;
    sn_value_id *values = sn_realloc(c->values, (n + 1) * sizeof *values);
    if (values) c->values = values;
    sn_value_id *targets = sn_realloc(c->targets, (n + 1) * sizeof *targets);
    if (targets) c->targets = targets;
    if (!values || !targets) return sn_pass_no_memory(c->x);
    for (size_t i = c->n_values; i < n; i++) {
        values[i] = (sn_value_id)i;
        targets[i] = SN_NONE;
    }
    c->n_values = n;
    return SINTER_OK;
}

void sn_cloner_free(sn_cloner *c)
{
    sn_free(c->values);
    sn_free(c->targets);
}

sn_value_id sn_cloned(const sn_cloner *c, sn_value_id value)
{
    return value < c->n_values ? c->values[value] : value;
}

/* ---------------------------------------------------------------------------------------------------- names */

/* At most MAX_NAME_PART bytes, not cutting a UTF-8 sequence. */
static sn_str shortened(sn_str s)
{
    if (s.n <= MAX_NAME_PART) return s;
    size_t n = MAX_NAME_PART;
    while (n > 0 && ((unsigned char)s.p[n] & 0xC0) == 0x80) n--;
    return (sn_str){s.p, n};
}

static sn_str new_name(sn_cloner *c, sn_str name)
{
    sn_model *m = c->x->model;
    sn_str prefix = shortened(c->prefix), rest = shortened(name);
    if (prefix.n == 0) return sn_unique_name(m, name);
    sn_str combined = sn_arena_printf(&m->arena, "%.*s/%.*s", (int)prefix.n, prefix.p, (int)rest.n, rest.p);
    return combined.p ? sn_unique_name(m, combined) : combined;
}

/* ---------------------------------------------------------------------------------------------------- values */

sn_value_id sn_clone_value(sn_cloner *c, sn_value_id value, sn_graph_id into)
{
    if (c->targets[value] != SN_NONE) return c->values[value] = c->targets[value];
    sn_model *m = c->x->model;
    sn_str name = new_name(c, m->values[value].name);
    if (!name.p) return SN_NONE;
    sn_type type = m->values[value].type;
    sn_value_id copy = sn_add_value(m, into, name, &type);
    if (copy != SN_NONE) c->values[value] = copy;
    return copy;
}

static bool clone_initializers(sn_cloner *c, sn_graph_id from, sn_graph_id into)
{
    sn_model *m = c->x->model;
    for (size_t i = 0; i < m->graphs[from].initializers.count; i++) {
        sn_value_id v = m->graphs[from].initializers.items[i];
        if (m->values[v].dead) continue;
        if (!m->values[v].constant) return false;
        sn_str name = new_name(c, m->values[v].name);
        if (!name.p) return false;
        sn_value_id copy = sn_pass_add_initializer(c->x, into, name, sinter_value_retain(m->values[v].constant));
        if (copy == SN_NONE) return false;
        c->values[v] = copy;
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------------- attributes */

static sinter_status clone_body(sn_cloner *c, sn_graph_id from, sn_node_id owner, sn_graph_id *out);

static const sn_attr *find_attr(const sn_attr *attrs, size_t n, sn_str name)
{
    for (size_t i = 0; i < n; i++)
        if (sn_str_eq(attrs[i].name, name)) return &attrs[i];
    return NULL;
}

/* What an attribute that refers to one of the function stands for, and the frame it was written in; NULL: it is left
 * out. The call's own attribute may refer to one of the function that the call is in, and so on outwards. */
static const sn_attr *resolve(const sn_cloner *c, const sn_attr *a, const sn_call_frame **frame)
{
    *frame = c->frame;
    while (a && a->ref_attr_name.n > 0 && *frame) {
        const sn_node *call = &c->x->model->nodes[(*frame)->call];
        const sn_attr *given = find_attr(call->attrs, call->n_attrs, a->ref_attr_name);
        if (!given) return find_attr((*frame)->function->defaults, (*frame)->function->n_defaults, a->ref_attr_name);
        a = given;
        *frame = (*frame)->caller;
    }
    return a;
}

static sinter_status clone_attr_graphs(sn_cloner *c, sn_attr *a, sn_node_id owner)
{
    if (a->type == SN_ATTR_GRAPH) return clone_body(c, a->graph, owner, &a->graph);
    sn_graph_id *copies = SN_ARENA_ARRAY(&c->x->model->arena, sn_graph_id, a->count);
    if (!copies) return sn_pass_no_memory(c->x);
    for (size_t i = 0; i < a->count; i++) SN_TRY(clone_body(c, a->graphs[i], owner, &copies[i]));
    a->graphs = copies;
    return SINTER_OK;
}

static sn_sparse *clone_sparse(sn_model *m, const sn_sparse *s, size_t n)
{
    sn_sparse *copies = sn_arena_copy(&m->arena, s, n * sizeof *s);
    for (size_t i = 0; copies && i < n; i++) {
        sinter_value_retain(copies[i].values);
        sinter_value_retain(copies[i].indices);
    }
    return copies;
}

/* Payloads are shared: attributes are never edited in place. */
static bool retain_payload(sn_model *m, sn_attr *a)
{
    switch (a->type) {
    case SN_ATTR_TENSOR: sinter_value_retain(a->tensor); return true;
    case SN_ATTR_TENSORS:
        a->tensors = sn_arena_copy(&m->arena, a->tensors, a->count * sizeof(sinter_value *));
        for (size_t i = 0; a->tensors && i < a->count; i++) sinter_value_retain(a->tensors[i]);
        return a->tensors != NULL;
    case SN_ATTR_SPARSE_TENSOR:
    case SN_ATTR_SPARSE_TENSORS: a->sparse = clone_sparse(m, a->sparse, a->count); return a->sparse != NULL;
    default: return true;
    }
}

static sinter_status clone_attr(sn_cloner *c, const sn_attr *written, sn_node_id node)
{
    const sn_call_frame *frame, *here = c->frame;
    const sn_attr *source = resolve(c, written, &frame);
    if (!source) return SINTER_OK;
    sn_attr copy = *source;
    copy.name = written->name;
    bool graphs = copy.type == SN_ATTR_GRAPH || copy.type == SN_ATTR_GRAPHS;
    if (graphs && copy.ref_attr_name.n == 0) {
        c->frame = frame;
        sinter_status status = clone_attr_graphs(c, &copy, node);
        c->frame = here;
        SN_TRY(status);
    } else if (!retain_payload(c->x->model, &copy)) {
        return sn_pass_no_memory(c->x);
    }
    return sn_set_attr(c->x->model, node, &copy) ? SINTER_OK : sn_pass_no_memory(c->x);
}

/* ---------------------------------------------------------------------------------------------------- nodes */

static sinter_status clone_attrs(sn_cloner *c, sn_node_id from, sn_node_id to)
{
    for (size_t i = 0; i < c->x->model->nodes[from].n_attrs; i++) {
        sn_attr written = c->x->model->nodes[from].attrs[i];
        SN_TRY(clone_attr(c, &written, to));
    }
    return SINTER_OK;
}

/* The node with its inputs mapped and no outputs yet: targets must be moved, not claimed. */
static sn_node_id clone_shell(sn_cloner *c, sn_node_id node, sn_graph_id into, const sn_value_id *in,
                              const sn_value_id *none)
{
    sn_model *m = c->x->model;
    sn_node n = m->nodes[node];
    sn_str name = n.name.n > 0 ? new_name(c, n.name) : SN_STR("");
    if (!name.p) return SN_NONE;
    sn_node_id copy = sn_add_node(m, into, SIZE_MAX, n.op_type, n.domain, name, in, n.n_in, none, n.n_out);
    if (copy == SN_NONE) return SN_NONE;
    m->nodes[copy].overload = n.overload;
    m->nodes[copy].doc_string = n.doc_string;
    m->nodes[copy].metadata = n.metadata;
    m->nodes[copy].extra = n.extra;
    return copy;
}

static sinter_status clone_outputs(sn_cloner *c, sn_node_id from, sn_node_id to, sn_graph_id into)
{
    sn_model *m = c->x->model;
    for (size_t i = 0; i < m->nodes[from].n_out; i++) {
        sn_value_id out = m->nodes[from].out[i];
        if (out == SN_NONE) continue;
        sn_value_id copy = sn_clone_value(c, out, into);
        if (copy == SN_NONE || !sn_move_output(m, copy, to, i)) return sn_pass_no_memory(c->x);
    }
    return SINTER_OK;
}

static sinter_status clone_node(sn_cloner *c, sn_node_id node, sn_graph_id into)
{
    sn_model *m = c->x->model;
    size_t n_in = m->nodes[node].n_in, n_out = m->nodes[node].n_out;
    sn_value_id *ids = sn_malloc((n_in + n_out + 1) * sizeof *ids);
    if (!ids) return sn_pass_no_memory(c->x);
    for (size_t i = 0; i < n_in; i++) {
        sn_value_id v = m->nodes[node].in[i];
        ids[i] = v == SN_NONE ? SN_NONE : sn_cloned(c, v);
    }
    for (size_t i = 0; i < n_out; i++) ids[n_in + i] = SN_NONE;
    sn_node_id copy = clone_shell(c, node, into, ids, ids + n_in);
    sn_free(ids);
    if (copy == SN_NONE) return sn_pass_no_memory(c->x);
    if (!sn_report_follow(c->x->report, m, node, copy)) return sn_pass_no_memory(c->x);
    SN_TRY(clone_attrs(c, node, copy));
    return clone_outputs(c, node, copy, into);
}

sinter_status sn_clone_nodes(sn_cloner *c, sn_graph_id from, sn_graph_id into)
{
    sn_model *m = c->x->model;
    if (!clone_initializers(c, from, into)) return sn_pass_no_memory(c->x);
    for (size_t i = 0; i < m->graphs[from].nodes.count; i++) {
        sn_node_id node = m->graphs[from].nodes.items[i];
        bool done = m->nodes[node].dead;
        if (!done && c->expand) SN_TRY(c->expand(c, node, into, &done));
        if (!done) SN_TRY(clone_node(c, node, into));
    }
    return SINTER_OK;
}

static sinter_status clone_interface(sn_cloner *c, sn_graph_id from, sn_graph_id into)
{
    sn_model *m = c->x->model;
    for (size_t i = 0; i < m->graphs[from].inputs.count; i++) {
        sn_value_id v = m->graphs[from].inputs.items[i];
        if (m->values[v].constant) continue; /* copied with the initializers, as a plain one */
        sn_value_id copy = sn_clone_value(c, v, into);
        if (copy == SN_NONE || !sn_add_input(m, into, copy)) return sn_pass_no_memory(c->x);
        m->values[copy].is_declared = true;
    }
    return SINTER_OK;
}

static sinter_status clone_body(sn_cloner *c, sn_graph_id from, sn_node_id owner, sn_graph_id *out)
{
    sn_model *m = c->x->model;
    sn_graph_id copy = sn_add_graph(m, owner);
    if (copy == SN_NONE) return sn_pass_no_memory(c->x);
    m->graphs[copy].name = m->graphs[from].name;
    m->graphs[copy].doc_string = m->graphs[from].doc_string;
    m->graphs[copy].metadata = m->graphs[from].metadata;
    SN_TRY(clone_interface(c, from, copy));
    SN_TRY(sn_clone_nodes(c, from, copy));
    for (size_t i = 0; i < m->graphs[from].outputs.count; i++) {
        sn_value_id v = sn_cloned(c, m->graphs[from].outputs.items[i]);
        if (v == SN_NONE || !sn_add_output(m, copy, v)) return sn_pass_no_memory(c->x);
        m->values[v].is_declared |= m->values[v].graph == copy;
    }
    *out = copy;
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- outputs */

void sn_clone_aim(sn_cloner *c, sn_graph_id from, const sn_value_id *values, size_t n)
{
    const sn_model *m = c->x->model;
    const sn_ids *outputs = &m->graphs[from].outputs;
    for (size_t i = 0; i < outputs->count && i < n; i++) {
        sn_value_id v = outputs->items[i];
        /* Parameters, captured values and values returned twice cannot *be* the target: they are copied at the end. */
        if (values[i] != SN_NONE && v < c->n_values && m->values[v].graph == from && m->values[v].producer != SN_NONE &&
            c->targets[v] == SN_NONE)
            c->targets[v] = values[i];
    }
}

static sinter_status give_identity(sn_cloner *c, sn_value_id from, sn_value_id to, sn_graph_id into)
{
    sn_model *m = c->x->model;
    sn_value_id none = SN_NONE;
    if (from == SN_NONE)
        return sn_fail(c->x->err, SINTER_INVALID_MODEL, "'%.*s' is given an input that its caller leaves out",
                       SN_STR_ARG(m->values[to].name));
    sn_node_id node = sn_add_node(m, into, SIZE_MAX, SN_STR("Identity"), SN_STR(""), SN_STR(""), &from, 1, &none, 1);
    return node != SN_NONE && sn_move_output(m, to, node, 0) ? SINTER_OK : sn_pass_no_memory(c->x);
}

sinter_status sn_clone_finish(sn_cloner *c, sn_graph_id from, const sn_value_id *values, size_t n, sn_graph_id into)
{
    sn_model *m = c->x->model;
    for (size_t i = 0; i < n; i++) {
        if (values[i] == SN_NONE) continue;
        sn_value_id v = m->graphs[from].outputs.items[i];
        sn_value_id copy = sn_cloned(c, v);
        if (copy != values[i]) SN_TRY(give_identity(c, copy, values[i], into));
    }
    for (size_t i = 0; i < m->graphs[from].outputs.count; i++) {
        sn_value_id v = m->graphs[from].outputs.items[i];
        if (v < c->n_values) c->targets[v] = SN_NONE;
    }
    return SINTER_OK;
}
