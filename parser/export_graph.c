/* AttributeProto, NodeProto, GraphProto and FunctionProto. */
#include "parser/export.h"

/* ---------------------------------------------------------------------------------------------------- attributes */

static void put_tensor(sn_export *x, uint32_t field, const sn_attr *a, size_t i, const sinter_value *tensor)
{
    const sn_tensor_info *info = a->tensor_infos ? a->tensor_infos[i] : NULL;
    sn_mark mark = sn_put_begin(&x->w, field);
    sn_export_tensor(x, tensor, info ? info->name : SN_STR(""), info);
    sn_put_end(&x->w, mark);
}

static void put_graph(sn_export *x, uint32_t field, sn_graph_id graph)
{
    sn_mark mark = sn_put_begin(&x->w, field);
    sn_export_graph(x, graph);
    sn_put_end(&x->w, mark);
}

static void put_element(sn_export *x, uint32_t field, const sn_attr *a, size_t i)
{
    sn_writer *w = &x->w;
    sn_mark mark;
    switch (a->type) {
    case SN_ATTR_FLOAT: sn_put_float(w, field, a->f); break;
    case SN_ATTR_INT: sn_put_int(w, field, a->i); break;
    case SN_ATTR_STRING: sn_put_bytes(w, field, a->s.p, a->s.n); break;
    case SN_ATTR_TENSOR: put_tensor(x, field, a, 0, a->tensor); break;
    case SN_ATTR_GRAPH: put_graph(x, field, a->graph); break;
    case SN_ATTR_FLOATS: sn_put_float(w, field, a->floats[i]); break;
    case SN_ATTR_INTS: sn_put_int(w, field, a->ints[i]); break;
    case SN_ATTR_STRINGS: sn_put_bytes(w, field, a->strings[i].p, a->strings[i].n); break;
    case SN_ATTR_TENSORS: put_tensor(x, field, a, i, a->tensors[i]); break;
    case SN_ATTR_GRAPHS: put_graph(x, field, a->graphs[i]); break;
    case SN_ATTR_SPARSE_TENSOR:
    case SN_ATTR_SPARSE_TENSORS:
        mark = sn_put_begin(w, field);
        sn_export_sparse(x, &a->sparse[i]);
        sn_put_end(w, mark);
        break;
    case SN_ATTR_TYPE_PROTO:
    case SN_ATTR_TYPE_PROTOS:
        mark = sn_put_begin(w, field);
        sn_export_type(x, &a->types[i]);
        sn_put_end(w, mark);
        break;
    case SN_ATTR_UNDEFINED: break;
    }
}

/* The field of AttributeProto that holds the content. */
static const uint32_t content_fields[] = {
    [SN_ATTR_UNDEFINED] = 0,    [SN_ATTR_FLOAT] = 2,          [SN_ATTR_INT] = 3,
    [SN_ATTR_STRING] = 4,       [SN_ATTR_TENSOR] = 5,         [SN_ATTR_GRAPH] = 6,
    [SN_ATTR_FLOATS] = 7,       [SN_ATTR_INTS] = 8,           [SN_ATTR_STRINGS] = 9,
    [SN_ATTR_TENSORS] = 10,     [SN_ATTR_GRAPHS] = 11,        [SN_ATTR_TYPE_PROTO] = 14,
    [SN_ATTR_TYPE_PROTOS] = 15, [SN_ATTR_SPARSE_TENSOR] = 22, [SN_ATTR_SPARSE_TENSORS] = 23,
};

/* Writes the content if its field lies in [from, to): doc_string, type and ref_attr_name have numbers in between. */
static void put_content(sn_export *x, const sn_attr *a, uint32_t from, uint32_t to)
{
    uint32_t field = content_fields[a->type];
    if (a->ref_attr_name.n > 0 || field < from || field >= to) return;
    for (size_t i = 0; i < a->count; ++i) put_element(x, field, a, i);
}

void sn_export_attr(sn_export *x, const sn_attr *a)
{
    sn_writer *w = &x->w;
    sn_put_text(w, 1, a->name);
    put_content(x, a, 2, 13);
    sn_put_text(w, 13, a->doc_string);
    put_content(x, a, 14, 20);
    if (a->type != SN_ATTR_UNDEFINED) sn_put_int(w, 20, a->type);
    sn_put_text(w, 21, a->ref_attr_name);
    put_content(x, a, 22, 24);
    sn_put_wire(w, a->extra);
}

/* ---------------------------------------------------------------------------------------------------- nodes */

static void put_names(sn_export *x, uint32_t field, const sn_value_id *ids, size_t n)
{
    for (size_t i = 0; i < n; ++i) {
        sn_str name = ids[i] == SN_NONE ? SN_STR("") : x->m->values[ids[i]].name;
        sn_put_bytes(&x->w, field, name.p, name.n);
    }
}

static void put_node(sn_export *x, uint32_t field, sn_node_id id)
{
    const sn_node *n = &x->m->nodes[id];
    sn_writer *w = &x->w;
    sn_mark mark = sn_put_begin(w, field);
    put_names(x, 1, n->in, n->n_in);
    put_names(x, 2, n->out, n->n_out);
    sn_put_text(w, 3, n->name);
    sn_put_text(w, 4, n->op_type);
    for (size_t i = 0; i < n->n_attrs; ++i) {
        sn_mark attr = sn_put_begin(w, 5);
        sn_export_attr(x, &n->attrs[i]);
        sn_put_end(w, attr);
    }
    sn_put_text(w, 6, n->doc_string);
    sn_put_text(w, 7, n->domain);
    sn_put_text(w, 8, n->overload);
    sn_export_pairs(x, 9, &n->metadata);
    sn_put_wire(w, n->extra);
    sn_put_end(w, mark);
}

/* ---------------------------------------------------------------------------------------------------- values */

static bool says_something(const sn_type *t)
{
    return t->kind != SINTER_KIND_UNKNOWN || t->denotation.n > 0 || t->extra.n > 0;
}

static void put_value_info(sn_export *x, uint32_t field, sn_value_id id)
{
    const sn_value *v = &x->m->values[id];
    sn_mark mark = sn_put_begin(&x->w, field);
    sn_put_text(&x->w, 1, v->name);
    if (says_something(&v->type)) {
        sn_mark type = sn_put_begin(&x->w, 2);
        sn_export_type(x, &v->type);
        sn_put_end(&x->w, type);
    }
    sn_put_text(&x->w, 3, v->doc_string);
    sn_export_pairs(x, 4, &v->metadata);
    sn_put_wire(&x->w, v->extra);
    sn_put_end(&x->w, mark);
}

static bool is_output(const sn_value *v)
{
    for (size_t i = 0; i < v->n_uses; ++i)
        if (v->uses[i].node == SN_NONE && v->uses[i].graph == v->graph) return true;
    return false;
}

/* Inputs and outputs of a graph carry their type themselves; those of a function do not. */
static void put_described(sn_export *x, uint32_t field, const sn_value_id *ids, size_t n, bool everything)
{
    for (size_t i = 0; i < n; ++i) {
        if (ids[i] == SN_NONE) continue;
        const sn_value *v = &x->m->values[ids[i]];
        if (v->is_declared && (everything || (!v->is_input && !is_output(v)))) put_value_info(x, field, ids[i]);
    }
}

static void put_value_infos(sn_export *x, uint32_t field, const sn_graph *g, bool is_function)
{
    if (is_function) put_described(x, field, g->inputs.items, g->inputs.count, true);
    put_described(x, field, g->initializers.items, g->initializers.count, is_function);
    for (size_t i = 0; i < g->nodes.count; ++i) {
        const sn_node *n = &x->m->nodes[g->nodes.items[i]];
        put_described(x, field, n->out, n->n_out, is_function);
    }
}

/* ---------------------------------------------------------------------------------------------------- graphs */

static void put_initializers(sn_export *x, const sn_graph *g)
{
    for (size_t i = 0; i < g->initializers.count; ++i) {
        const sn_value *v = &x->m->values[g->initializers.items[i]];
        if (!v->constant) continue;
        sn_mark mark = sn_put_begin(&x->w, 5);
        sn_export_tensor(x, v->constant, v->name, v->tensor_info);
        sn_put_end(&x->w, mark);
    }
}

static void put_sparse_initializers(sn_export *x, const sn_graph *g)
{
    for (size_t i = 0; i < g->initializers.count; ++i) {
        const sn_value *v = &x->m->values[g->initializers.items[i]];
        if (!v->sparse) continue;
        sn_mark mark = sn_put_begin(&x->w, 15);
        sn_export_sparse(x, v->sparse);
        sn_put_end(&x->w, mark);
    }
}

void sn_export_graph(sn_export *x, sn_graph_id id)
{
    const sn_graph *g = &x->m->graphs[id];
    sn_writer *w = &x->w;
    for (size_t i = 0; i < g->nodes.count; ++i) put_node(x, 1, g->nodes.items[i]);
    sn_put_text(w, 2, g->name);
    put_initializers(x, g);
    sn_put_text(w, 10, g->doc_string);
    for (size_t i = 0; i < g->inputs.count; ++i) put_value_info(x, 11, g->inputs.items[i]);
    for (size_t i = 0; i < g->outputs.count; ++i) put_value_info(x, 12, g->outputs.items[i]);
    put_value_infos(x, 13, g, false);
    put_sparse_initializers(x, g);
    sn_export_pairs(x, 16, &g->metadata);
    sn_put_wire(w, g->extra);
}

void sn_export_function(sn_export *x, const sn_function *f)
{
    const sn_graph *body = &x->m->graphs[f->body];
    sn_writer *w = &x->w;
    sn_put_text(w, 1, f->name);
    put_names(x, 4, body->inputs.items, body->inputs.count);
    put_names(x, 5, body->outputs.items, body->outputs.count);
    for (size_t i = 0; i < f->n_attributes; ++i) sn_put_bytes(w, 6, f->attributes[i].p, f->attributes[i].n);
    for (size_t i = 0; i < body->nodes.count; ++i) put_node(x, 7, body->nodes.items[i]);
    sn_put_text(w, 8, f->doc_string);
    sn_export_opsets(x, 9, f->opsets, f->n_opsets);
    sn_put_text(w, 10, f->domain);
    for (size_t i = 0; i < f->n_defaults; ++i) {
        sn_mark mark = sn_put_begin(w, 11);
        sn_export_attr(x, &f->defaults[i]);
        sn_put_end(w, mark);
    }
    put_value_infos(x, 12, body, true);
    sn_put_text(w, 13, f->overload);
    sn_export_pairs(x, 14, &f->metadata);
    sn_put_wire(w, f->extra);
}
