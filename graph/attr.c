/* Setting and removing the attributes of nodes. */
#include "graph/internal.h"

static sn_attr *find_attr(sn_node *n, sn_str name)
{
    for (size_t i = 0; i < n->n_attrs; ++i)
        if (sn_str_eq(n->attrs[i].name, name)) return &n->attrs[i];
    return NULL;
}

static bool holds_graph(const sn_attr *attr, sn_graph_id graph)
{
    const sn_graph_id *graphs = NULL;
    size_t count = attr ? sn_attr_graphs(attr, &graphs) : 0;
    for (size_t i = 0; i < count; ++i)
        if (graphs[i] == graph) return true;
    return false;
}

/* Gives up what `old` holds, except subgraphs that its successor (or NULL) holds too. */
static void drop_attr(sn_model *m, sn_attr *old, const sn_attr *successor)
{
    const sn_graph_id *graphs = NULL;
    size_t count = sn_attr_graphs(old, &graphs);
    for (size_t i = 0; i < count; ++i)
        if (!holds_graph(successor, graphs[i])) sn_kill_graph(m, graphs[i]);
    sn_release_attr(old);
}

static bool reserve_attr(sn_model *m, sn_node *n)
{
    if (n->n_attrs < n->attrs_capacity) return true;
    size_t capacity = n->n_attrs < 4 ? 4 : n->n_attrs * 2;
    sn_attr *attrs = SN_ARENA_ARRAY(&m->arena, sn_attr, capacity);
    if (!attrs) return false;
    if (n->n_attrs) memcpy(attrs, n->attrs, n->n_attrs * sizeof *attrs);
    n->attrs = attrs;
    n->attrs_capacity = capacity;
    return true;
}

static sn_str or_empty(sn_str s)
{
    return s.p ? s : SN_STR("");
}

bool sn_set_attr(sn_model *m, sn_node_id node, const sn_attr *attr)
{
    sn_node *n = &m->nodes[node];
    sn_attr *old = find_attr(n, attr->name);
    sn_attr copy = *attr;
    copy.name = sn_arena_str(&m->arena, attr->name);
    if (!copy.name.p || (!old && !reserve_attr(m, n))) {
        sn_release_attr(&copy);
        return false;
    }
    copy.ref_attr_name = or_empty(copy.ref_attr_name);
    copy.doc_string = or_empty(copy.doc_string);
    copy.extra = or_empty(copy.extra);
    if (old) drop_attr(m, old, &copy);
    *(old ? old : &n->attrs[n->n_attrs++]) = copy;
    return true;
}

void sn_remove_attr(sn_model *m, sn_node_id node, const char *name)
{
    sn_node *n = &m->nodes[node];
    sn_attr *a = find_attr(n, sn_str_of(name));
    if (!a) return;
    drop_attr(m, a, NULL);
    size_t index = (size_t)(a - n->attrs);
    --n->n_attrs;
    memmove(a, a + 1, (n->n_attrs - index) * sizeof *a);
}

bool sn_set_attr_int(sn_model *m, sn_node_id node, const char *name, int64_t value)
{
    return sn_set_attr(m, node, &(sn_attr){.name = sn_str_of(name), .type = SN_ATTR_INT, .count = 1, .i = value});
}

bool sn_set_attr_float(sn_model *m, sn_node_id node, const char *name, float value)
{
    return sn_set_attr(m, node, &(sn_attr){.name = sn_str_of(name), .type = SN_ATTR_FLOAT, .count = 1, .f = value});
}

bool sn_set_attr_ints(sn_model *m, sn_node_id node, const char *name, const int64_t *values, size_t count)
{
    const int64_t *copy = sn_arena_copy(&m->arena, values, count * sizeof *values);
    sn_attr attr = {.name = sn_str_of(name), .type = SN_ATTR_INTS, .count = count, .ints = copy};
    return copy && sn_set_attr(m, node, &attr);
}

bool sn_set_attr_string(sn_model *m, sn_node_id node, const char *name, sn_str value)
{
    sn_attr attr = {.name = sn_str_of(name), .type = SN_ATTR_STRING, .count = 1, .s = sn_arena_str(&m->arena, value)};
    return attr.s.p && sn_set_attr(m, node, &attr);
}
