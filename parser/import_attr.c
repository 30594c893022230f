/*
 * AttributeProto. One row per attribute type: how to tell it in files of IR 1, which do not say the type, and how to
 * read it. proto3 writers leave out a 0 or an empty string, so a missing scalar is its default; a missing message is an
 * error.
 */
#include "parser/import.h"

#include "parser/limits.h"

/* Where an attribute is. */
typedef struct place {
    sn_node_id node; /* SN_NONE: a function's default */
    const sn_scope *scope;
} place;

typedef sinter_status reader(sn_import *x, const Onnx__AttributeProto *proto, const place *at, sn_attr *out);

static sinter_status fail_missing(sn_import *x, const char *what)
{
    return sn_fail(x->err, SINTER_INVALID_MODEL, "its type says %s, but there is none", what);
}

/* ---------------------------------------------------------------------------------------------------- plain content */

static sinter_status read_float(sn_import *x, const Onnx__AttributeProto *proto, const place *at, sn_attr *out)
{
    (void)x;
    (void)at;
    out->f = proto->f;
    return SINTER_OK;
}

static sinter_status read_int(sn_import *x, const Onnx__AttributeProto *proto, const place *at, sn_attr *out)
{
    (void)x;
    (void)at;
    out->i = proto->i;
    return SINTER_OK;
}

static sinter_status read_string(sn_import *x, const Onnx__AttributeProto *proto, const place *at, sn_attr *out)
{
    (void)at;
    return sn_import_bytes(x, proto->s, &out->s);
}

static sinter_status read_floats(sn_import *x, const Onnx__AttributeProto *proto, const place *at, sn_attr *out)
{
    (void)at;
    out->count = proto->n_floats;
    out->floats = sn_arena_copy(&x->m->arena, proto->floats, proto->n_floats * sizeof *proto->floats);
    return out->floats ? SINTER_OK : sn_import_no_memory(x);
}

static sinter_status read_ints(sn_import *x, const Onnx__AttributeProto *proto, const place *at, sn_attr *out)
{
    (void)at;
    out->count = proto->n_ints;
    out->ints = sn_arena_copy(&x->m->arena, proto->ints, proto->n_ints * sizeof *proto->ints);
    return out->ints ? SINTER_OK : sn_import_no_memory(x);
}

static sinter_status read_strings(sn_import *x, const Onnx__AttributeProto *proto, const place *at, sn_attr *out)
{
    (void)at;
    sn_str *strings = SN_ARENA_ARRAY(&x->m->arena, sn_str, proto->n_strings);
    if (!strings) return sn_import_no_memory(x);
    for (size_t i = 0; i < proto->n_strings; ++i) SN_TRY(sn_import_bytes(x, proto->strings[i], &strings[i]));
    out->count = proto->n_strings;
    out->strings = strings;
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- tensors */

static sinter_status read_infos(sn_import *x, Onnx__TensorProto *const *protos, size_t n, sn_attr *out)
{
    const sn_tensor_info **infos = SN_ARENA_ARRAY(&x->m->arena, const sn_tensor_info *, n);
    bool any = false;
    if (!infos) return sn_import_no_memory(x);
    for (size_t i = 0; i < n; ++i) {
        SN_TRY(sn_import_tensor_info(x, protos[i], true, &infos[i]));
        any |= infos[i] != NULL;
    }
    out->tensor_infos = any ? infos : NULL;
    return SINTER_OK;
}

static sinter_status read_tensor(sn_import *x, const Onnx__AttributeProto *proto, const place *at, sn_attr *out)
{
    (void)at;
    out->tensor = NULL;
    if (!proto->t) return fail_missing(x, "TENSOR");
    SN_TRY(sn_import_tensor(x, proto->t, &out->tensor));
    return read_infos(x, &proto->t, 1, out);
}

static sinter_status read_tensors(sn_import *x, const Onnx__AttributeProto *proto, const place *at, sn_attr *out)
{
    (void)at;
    out->tensors = SN_ARENA_ARRAY(&x->m->arena, sinter_value *, proto->n_tensors);
    if (!out->tensors) return sn_import_no_memory(x);
    out->count = proto->n_tensors;
    for (size_t i = 0; i < proto->n_tensors; ++i) SN_TRY(sn_import_tensor(x, proto->tensors[i], &out->tensors[i]));
    return read_infos(x, proto->tensors, proto->n_tensors, out);
}

static sinter_status read_sparses(sn_import *x, Onnx__SparseTensorProto *const *protos, size_t n, sn_attr *out)
{
    out->count = n;
    out->sparse = SN_ARENA_ARRAY(&x->m->arena, sn_sparse, n);
    if (!out->sparse) return sn_import_no_memory(x);
    for (size_t i = 0; i < n; ++i) SN_TRY(sn_import_sparse(x, protos[i], &out->sparse[i]));
    return SINTER_OK;
}

static sinter_status read_sparse_tensor(sn_import *x, const Onnx__AttributeProto *proto, const place *at, sn_attr *out)
{
    (void)at;
    if (!proto->sparse_tensor) return fail_missing(x, "SPARSE_TENSOR");
    return read_sparses(x, &proto->sparse_tensor, 1, out);
}

static sinter_status read_sparse_tensors(sn_import *x, const Onnx__AttributeProto *proto, const place *at, sn_attr *out)
{
    (void)at;
    return read_sparses(x, proto->sparse_tensors, proto->n_sparse_tensors, out);
}

/* ---------------------------------------------------------------------------------------------------- types, graphs */

static sinter_status read_types(sn_import *x, Onnx__TypeProto *const *protos, size_t n, sn_attr *out)
{
    sn_type *types = SN_ARENA_ARRAY(&x->m->arena, sn_type, n);
    if (!types) return sn_import_no_memory(x);
    for (size_t i = 0; i < n; ++i) SN_TRY(sn_import_type(x, protos[i], &types[i]));
    out->count = n;
    out->types = types;
    return SINTER_OK;
}

static sinter_status read_type(sn_import *x, const Onnx__AttributeProto *proto, const place *at, sn_attr *out)
{
    (void)at;
    if (!proto->tp) return fail_missing(x, "TYPE_PROTO");
    return read_types(x, &proto->tp, 1, out);
}

static sinter_status read_type_protos(sn_import *x, const Onnx__AttributeProto *proto, const place *at, sn_attr *out)
{
    (void)at;
    return read_types(x, proto->type_protos, proto->n_type_protos, out);
}

static sinter_status import_body(sn_import *x, const Onnx__GraphProto *proto, const place *at, sn_graph_id *out)
{
    sn_graph_id graph = sn_add_graph(x->m, at->node);
    if (graph == SN_NONE) return sn_import_no_memory(x);
    *out = graph;
    return sn_import_graph(x, proto, graph, at->scope);
}

static sinter_status read_graph(sn_import *x, const Onnx__AttributeProto *proto, const place *at, sn_attr *out)
{
    if (!proto->g) return fail_missing(x, "GRAPH");
    return import_body(x, proto->g, at, &out->graph);
}

static sinter_status read_graphs(sn_import *x, const Onnx__AttributeProto *proto, const place *at, sn_attr *out)
{
    sn_graph_id *graphs = SN_ARENA_ARRAY(&x->m->arena, sn_graph_id, proto->n_graphs);
    if (!graphs) return sn_import_no_memory(x);
    for (size_t i = 0; i < proto->n_graphs; ++i) SN_TRY(import_body(x, proto->graphs[i], at, &graphs[i]));
    out->count = proto->n_graphs;
    out->graphs = graphs;
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- attributes */

static reader *const readers[] = {
    [SN_ATTR_FLOAT] = read_float,
    [SN_ATTR_INT] = read_int,
    [SN_ATTR_STRING] = read_string,
    [SN_ATTR_TENSOR] = read_tensor,
    [SN_ATTR_GRAPH] = read_graph,
    [SN_ATTR_FLOATS] = read_floats,
    [SN_ATTR_INTS] = read_ints,
    [SN_ATTR_STRINGS] = read_strings,
    [SN_ATTR_TENSORS] = read_tensors,
    [SN_ATTR_GRAPHS] = read_graphs,
    [SN_ATTR_SPARSE_TENSOR] = read_sparse_tensor,
    [SN_ATTR_SPARSE_TENSORS] = read_sparse_tensors,
    [SN_ATTR_TYPE_PROTO] = read_type,
    [SN_ATTR_TYPE_PROTOS] = read_type_protos,
};
#define READER_COUNT (sizeof readers / sizeof *readers)

/* IR 1: the type is that of the field that is there. */
static sn_attr_type guess_type(const Onnx__AttributeProto *proto)
{
    const struct {
        bool present;
        sn_attr_type type;
    } rows[] = {
        {proto->has_f, SN_ATTR_FLOAT},
        {proto->has_i, SN_ATTR_INT},
        {proto->has_s, SN_ATTR_STRING},
        {proto->t, SN_ATTR_TENSOR},
        {proto->g, SN_ATTR_GRAPH},
        {proto->sparse_tensor, SN_ATTR_SPARSE_TENSOR},
        {proto->tp, SN_ATTR_TYPE_PROTO},
        {proto->n_floats, SN_ATTR_FLOATS},
        {proto->n_ints, SN_ATTR_INTS},
        {proto->n_strings, SN_ATTR_STRINGS},
        {proto->n_tensors, SN_ATTR_TENSORS},
        {proto->n_graphs, SN_ATTR_GRAPHS},
        {proto->n_sparse_tensors, SN_ATTR_SPARSE_TENSORS},
        {proto->n_type_protos, SN_ATTR_TYPE_PROTOS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i)
        if (rows[i].present) return rows[i].type;
    return SN_ATTR_UNDEFINED;
}

static void release_content(sn_attr *attr)
{
    if (attr->ref_attr_name.n) return;
    bool is_sparse = attr->type == SN_ATTR_SPARSE_TENSOR || attr->type == SN_ATTR_SPARSE_TENSORS;
    if (attr->type == SN_ATTR_TENSOR) sinter_value_release(attr->tensor);
    for (size_t i = 0; attr->type == SN_ATTR_TENSORS && attr->tensors && i < attr->count; ++i)
        sinter_value_release(attr->tensors[i]);
    for (size_t i = 0; is_sparse && attr->sparse && i < attr->count; ++i) sn_sparse_release(&attr->sparse[i]);
}

static sinter_status read_content(sn_import *x, const Onnx__AttributeProto *proto, const place *at, sn_attr *out)
{
    out->count = 1;
    if (out->ref_attr_name.n) {
        if (!x->in_function)
            return sn_fail(x->err, SINTER_INVALID_MODEL, "refers to attribute '%.*s' of a function, but is not in one",
                           SN_STR_ARG(out->ref_attr_name));
        out->count = 0;
        return SINTER_OK;
    }
    if (out->type == SN_ATTR_UNDEFINED) return sn_fail(x->err, SINTER_INVALID_MODEL, "has neither a type nor a value");
    return readers[out->type](x, proto, at, out);
}

static sinter_status import_named(sn_import *x, const Onnx__AttributeProto *proto, const place *at, sn_attr *out)
{
    int type = (int)proto->type;
    if (type < 0 || type >= (int)READER_COUNT)
        return sn_fail(x->err, SINTER_INVALID_MODEL, "type %d, expected 0 to %zu", type, READER_COUNT - 1);
    out->type = type == SN_ATTR_UNDEFINED ? guess_type(proto) : (sn_attr_type)type;
    SN_TRY(sn_import_str(x, proto->ref_attr_name, &out->ref_attr_name));
    SN_TRY(sn_import_str(x, proto->doc_string, &out->doc_string));
    SN_TRY(sn_import_extra(x, &proto->base, &out->extra));
    return read_content(x, proto, at, out);
}

/* *out holds references only after success; its name is borrowed from the message. */
static sinter_status import_attr(sn_import *x, const Onnx__AttributeProto *proto, const place *at, sn_attr *out)
{
    *out = (sn_attr){.name = sn_str_of(proto->name), .ref_attr_name = SN_STR("")};
    if (out->name.n == 0) return sn_fail(x->err, SINTER_INVALID_MODEL, "an attribute has no name");
    sinter_status status = import_named(x, proto, at, out);
    if (status == SINTER_OK) return SINTER_OK;
    release_content(out);
    return sn_context(x->err, status, "attribute '%.*s'", SN_STR_ARG(out->name));
}

sinter_status sn_import_attrs(sn_import *x, Onnx__AttributeProto *const *protos, size_t n, sn_node_id node,
                              const sn_scope *scope)
{
    place at = {node, scope};
    if (n > SN_MAX_NODE_ATTRIBUTES)
        return sn_fail(x->err, SINTER_TOO_LARGE, "%zu attributes, the limit is %d", n, SN_MAX_NODE_ATTRIBUTES);
    for (size_t i = 0; i < n; ++i) {
        sn_attr attr;
        if (protos[i]->name && sn_node_attr(&x->m->nodes[node], protos[i]->name))
            return sn_fail(x->err, SINTER_INVALID_MODEL, "attribute '%.200s' is given twice", protos[i]->name);
        SN_TRY(import_attr(x, protos[i], &at, &attr));
        if (!sn_set_attr(x->m, node, &attr)) return sn_import_no_memory(x);
    }
    return SINTER_OK;
}

sinter_status sn_import_default(sn_import *x, const Onnx__AttributeProto *proto, sn_attr *out)
{
    place at = {SN_NONE, NULL};
    sinter_status status = import_attr(x, proto, &at, out);
    if (status != SINTER_OK) return status;
    status = sn_import_str(x, proto->name, &out->name);
    if (status != SINTER_OK) release_content(out);
    return status;
}
