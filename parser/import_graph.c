/*
 * GraphProto and FunctionProto. A graph's names are all defined before its nodes are read, so the nodes may come in any
 * order: sn_sort_nodes puts them right afterwards, or names the cycle.
 */
#include "parser/import.h"

#include "base/alloc.h"
#include "parser/limits.h"

/* ---------------------------------------------------------------------------------------------------- values */

static sinter_status check_budget(sn_import *x)
{
    const sn_model *m = x->m;
    size_t limit = SN_MODEL_FLOOR + SN_MODEL_FACTOR * x->wire->structure;
    size_t used = m->arena.total + m->n_values * sizeof *m->values + m->n_nodes * sizeof *m->nodes;
    if (used <= limit) return SINTER_OK;
    return sn_fail(x->err, SINTER_TOO_LARGE,
                   "%zu bytes of structure need more than %zu bytes of memory: too many tiny nodes and names",
                   x->wire->structure, limit);
}

static sinter_status define(sn_import *x, sn_scope *scope, const char *text, const sn_type *type, sn_value_id *out)
{
    sn_str name = sn_str_of(text);
    if (name.n == 0) return sn_fail(x->err, SINTER_INVALID_MODEL, "an input or initializer has no name");
    if (sn_map_get(&scope->names, name) != SN_MAP_NONE)
        return sn_fail(x->err, SINTER_INVALID_MODEL, "'%.200s' is defined twice", text);
    SN_TRY(check_budget(x));
    sn_value_id id = sn_add_value(x->m, scope->graph, name, type);
    if (id == SN_NONE || !sn_map_put(&scope->names, x->m->values[id].name, id)) return sn_import_no_memory(x);
    *out = id;
    return SINTER_OK;
}

/* Takes over what a ValueInfoProto says about a value that exists. */
static sinter_status describe(sn_import *x, sn_value_id id, const Onnx__ValueInfoProto *proto)
{
    sn_value info = {.type = SN_TYPE_UNKNOWN};
    sinter_status status = SINTER_OK;
    info.type = x->m->values[id].type;
    if (proto->type) status = sn_import_type(x, proto->type, &info.type);
    if (status != SINTER_OK) return sn_context(x->err, status, "type of '%.200s'", proto->name);
    SN_TRY(sn_import_str(x, proto->doc_string, &info.doc_string));
    SN_TRY(sn_import_pairs(x, proto->metadata_props, proto->n_metadata_props, &info.metadata));
    SN_TRY(sn_import_extra(x, &proto->base, &info.extra));
    sn_value *v = &x->m->values[id];
    v->type = info.type;
    v->doc_string = info.doc_string;
    v->metadata = info.metadata;
    v->extra = info.extra;
    v->is_declared = true;
    return SINTER_OK;
}

static sinter_status import_inputs(sn_import *x, sn_scope *scope, Onnx__ValueInfoProto *const *protos, size_t n)
{
    for (size_t i = 0; i < n; ++i) {
        sn_value_id id;
        SN_TRY(define(x, scope, protos[i]->name, &SN_TYPE_UNKNOWN, &id));
        SN_TRY(describe(x, id, protos[i]));
        if (!sn_add_input(x->m, scope->graph, id)) return sn_import_no_memory(x);
    }
    return SINTER_OK;
}

/* Types of values between nodes. What is said of a name that this graph does not define is dropped. */
static sinter_status import_value_infos(sn_import *x, const sn_scope *scope, Onnx__ValueInfoProto *const *protos,
                                        size_t n)
{
    for (size_t i = 0; i < n; ++i) {
        sn_value_id id = sn_map_get(&scope->names, sn_str_of(protos[i]->name));
        if (id != SN_MAP_NONE && !x->m->values[id].is_declared) SN_TRY(describe(x, id, protos[i]));
    }
    return SINTER_OK;
}

static sinter_status add_output(sn_import *x, const sn_scope *scope, const char *name, sn_value_id *out)
{
    sn_value_id id = sn_scope_find(scope, sn_str_of(name));
    if (id == SN_NONE)
        return sn_fail(x->err, SINTER_INVALID_MODEL, "output '%.200s' is not defined by any node, input or initializer",
                       name ? name : "");
    if (!sn_add_output(x->m, scope->graph, id)) return sn_import_no_memory(x);
    *out = id;
    return SINTER_OK;
}

/* A body may return the same value twice; callers of a model could not tell two outputs of one name apart. */
static sinter_status check_second_output(sn_import *x, const sn_scope *scope, const char *name, sn_map *seen)
{
    if (scope->graph != 0) return SINTER_OK;
    if (sn_map_get(seen, sn_str_of(name)) != SN_MAP_NONE)
        return sn_fail(x->err, SINTER_INVALID_MODEL, "output '%.200s' is listed twice", name);
    return sn_map_put(seen, sn_str_of(name), 0) ? SINTER_OK : sn_import_no_memory(x);
}

static sinter_status import_outputs(sn_import *x, const sn_scope *scope, Onnx__ValueInfoProto *const *protos, size_t n)
{
    sn_map seen = {0};
    sinter_status status = SINTER_OK;
    for (size_t i = 0; i < n && status == SINTER_OK; ++i) {
        sn_value_id id = SN_NONE;
        status = check_second_output(x, scope, protos[i]->name, &seen);
        if (status == SINTER_OK) status = add_output(x, scope, protos[i]->name, &id);
        if (status == SINTER_OK && !x->m->values[id].is_declared && x->m->values[id].graph == scope->graph)
            status = describe(x, id, protos[i]);
    }
    sn_map_free(&seen);
    return status;
}

/* ---------------------------------------------------------------------------------------------------- initializers */

/* The value that an initializer belongs to: an input of that name, or a new one. */
static sinter_status find_target(sn_import *x, sn_scope *scope, const char *name, const sn_type *type, sn_value_id *out)
{
    sn_value_id id = sn_map_get(&scope->names, sn_str_of(name));
    if (id == SN_MAP_NONE) return define(x, scope, name, type, out);
    const sn_value *v = &x->m->values[id];
    if (v->constant || v->sparse)
        return sn_fail(x->err, SINTER_INVALID_MODEL, "initializer '%.200s' is defined twice", name);
    *out = id;
    return SINTER_OK;
}

static sinter_status import_initializer(sn_import *x, sn_scope *scope, const Onnx__TensorProto *proto)
{
    sinter_value *constant;
    const sn_tensor_info *info;
    sn_value_id id;
    SN_TRY(sn_import_tensor_info(x, proto, false, &info));
    SN_TRY(sn_import_tensor(x, proto, &constant));
    sn_type type = SN_TYPE_UNKNOWN;
    type.kind = SINTER_KIND_TENSOR;
    type.dtype = constant->dtype;
    type.shape = constant->shape;
    sinter_status status = find_target(x, scope, proto->name, &type, &id);
    if (status != SINTER_OK) {
        sinter_value_release(constant);
        return status;
    }
    if (!sn_set_initializer(x->m, id, constant)) return sn_import_no_memory(x);
    x->m->values[id].tensor_info = info;
    return SINTER_OK;
}

static sinter_status attach_sparse(sn_import *x, sn_scope *scope, const char *name, const sn_sparse *sparse)
{
    sn_type type = SN_TYPE_UNKNOWN;
    sn_value_id id;
    type.kind = SINTER_KIND_SPARSE;
    type.dtype = sparse->values->dtype;
    type.shape = sparse->dims;
    SN_TRY(find_target(x, scope, name, &type, &id));
    sn_sparse *copy = sn_arena_copy(&x->m->arena, sparse, sizeof *sparse);
    if (!copy || !sn_ids_push(&x->m->graphs[scope->graph].initializers, id)) return sn_import_no_memory(x);
    x->m->values[id].sparse = copy;
    return SINTER_OK;
}

static sinter_status import_sparse_initializer(sn_import *x, sn_scope *scope, const Onnx__SparseTensorProto *proto)
{
    sn_sparse sparse;
    sinter_status status = sn_import_sparse(x, proto, &sparse);
    if (status == SINTER_OK) status = attach_sparse(x, scope, proto->values->name, &sparse);
    if (status != SINTER_OK) sn_sparse_release(&sparse);
    return status;
}

/* ---------------------------------------------------------------------------------------------------- nodes */

/* How to call a node that has no name: by its operator and first output. */
static sinter_status node_context(sn_import *x, sinter_status status, const Onnx__NodeProto *proto)
{
    const char *name = proto->name && proto->name[0] ? proto->name : proto->n_output ? proto->output[0] : "";
    return sn_context(x->err, status, "node '%.200s' (%.100s)", name, proto->op_type ? proto->op_type : "");
}

static sinter_status define_outputs(sn_import *x, sn_scope *scope, const Onnx__NodeProto *proto)
{
    for (size_t i = 0; i < proto->n_output; ++i) {
        sn_value_id id;
        if (proto->output[i][0] == '\0') continue;
        sinter_status status = define(x, scope, proto->output[i], &SN_TYPE_UNKNOWN, &id);
        if (status != SINTER_OK) return node_context(x, status, proto);
    }
    return SINTER_OK;
}

static sinter_status reserve_ids(sn_import *x, size_t n)
{
    if (n < x->ids_capacity) return SINTER_OK;
    size_t capacity = 2 * n + 16;
    uint32_t *ids = sn_realloc(x->ids, capacity * sizeof *ids);
    if (!ids) return sn_import_no_memory(x);
    x->ids = ids;
    x->ids_capacity = capacity;
    return SINTER_OK;
}

static sinter_status find_ids(sn_import *x, const sn_scope *scope, char *const *names, size_t n, const char *what,
                              uint32_t *ids)
{
    for (size_t i = 0; i < n; ++i) {
        ids[i] = SN_NONE;
        if (names[i][0] == '\0') continue;
        ids[i] = sn_scope_find(scope, sn_str_of(names[i]));
        if (ids[i] == SN_NONE)
            return sn_fail(x->err, SINTER_INVALID_MODEL,
                           "%s %zu, '%.200s', is not defined by any node, input or initializer", what, i, names[i]);
    }
    return SINTER_OK;
}

static sinter_status add_node(sn_import *x, const sn_scope *scope, const Onnx__NodeProto *proto, sn_node_id *out)
{
    if (!proto->op_type || proto->op_type[0] == '\0') return sn_fail(x->err, SINTER_INVALID_MODEL, "has no op_type");
    SN_TRY(check_budget(x));
    SN_TRY(reserve_ids(x, proto->n_input + proto->n_output));
    SN_TRY(find_ids(x, scope, proto->input, proto->n_input, "input", x->ids));
    SN_TRY(find_ids(x, scope, proto->output, proto->n_output, "output", x->ids + proto->n_input));
    *out = sn_add_node(x->m, scope->graph, SIZE_MAX, sn_str_of(proto->op_type), sn_str_of(proto->domain),
                       sn_str_of(proto->name), x->ids, proto->n_input, x->ids + proto->n_input, proto->n_output);
    return *out == SN_NONE ? sn_import_no_memory(x) : SINTER_OK;
}

static sinter_status import_node(sn_import *x, const sn_scope *scope, const Onnx__NodeProto *proto)
{
    sn_node_id id;
    sn_node rest = {0};
    SN_TRY(add_node(x, scope, proto, &id));
    SN_TRY(sn_import_str(x, proto->overload, &rest.overload));
    SN_TRY(sn_import_str(x, proto->doc_string, &rest.doc_string));
    SN_TRY(sn_import_pairs(x, proto->metadata_props, proto->n_metadata_props, &rest.metadata));
    SN_TRY(sn_import_extra(x, &proto->base, &rest.extra));
    sn_node *node = &x->m->nodes[id];
    node->overload = rest.overload;
    node->doc_string = rest.doc_string;
    node->metadata = rest.metadata;
    node->extra = rest.extra;
    return sn_import_attrs(x, proto->attribute, proto->n_attribute, id, scope);
}

static sinter_status import_nodes(sn_import *x, const sn_scope *scope, Onnx__NodeProto *const *protos, size_t n)
{
    for (size_t i = 0; i < n; ++i) {
        sinter_status status = import_node(x, scope, protos[i]);
        if (status != SINTER_OK) return node_context(x, status, protos[i]);
    }
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- graphs */

static sinter_status import_header(sn_import *x, const Onnx__GraphProto *proto, sn_graph_id id)
{
    sn_graph rest = {0};
    SN_TRY(sn_import_str(x, proto->name, &rest.name));
    SN_TRY(sn_import_str(x, proto->doc_string, &rest.doc_string));
    SN_TRY(sn_import_pairs(x, proto->metadata_props, proto->n_metadata_props, &rest.metadata));
    SN_TRY(sn_import_extra(x, &proto->base, &rest.extra));
    sn_graph *graph = &x->m->graphs[id];
    graph->name = rest.name;
    graph->doc_string = rest.doc_string;
    graph->metadata = rest.metadata;
    graph->extra = rest.extra;
    return SINTER_OK;
}

static sinter_status import_content(sn_import *x, const Onnx__GraphProto *proto, sn_scope *scope)
{
    SN_TRY(import_header(x, proto, scope->graph));
    SN_TRY(import_inputs(x, scope, proto->input, proto->n_input));
    for (size_t i = 0; i < proto->n_initializer; ++i) SN_TRY(import_initializer(x, scope, proto->initializer[i]));
    for (size_t i = 0; i < proto->n_sparse_initializer; ++i)
        SN_TRY(import_sparse_initializer(x, scope, proto->sparse_initializer[i]));
    for (size_t i = 0; i < proto->n_node; ++i) SN_TRY(define_outputs(x, scope, proto->node[i]));
    SN_TRY(import_outputs(x, scope, proto->output, proto->n_output));
    SN_TRY(import_value_infos(x, scope, proto->value_info, proto->n_value_info));
    return import_nodes(x, scope, proto->node, proto->n_node);
}

sinter_status sn_import_graph(sn_import *x, const Onnx__GraphProto *proto, sn_graph_id graph, const sn_scope *outer)
{
    sn_scope scope = {.outer = outer, .graph = graph};
    sinter_status status = import_content(x, proto, &scope);
    sn_map_free(&scope.names);
    if (status == SINTER_OK) return SINTER_OK;
    return sn_context(x->err, status, "graph '%.200s'", proto->name ? proto->name : "");
}

/* ---------------------------------------------------------------------------------------------------- functions */

static sinter_status import_body(sn_import *x, const Onnx__FunctionProto *proto, sn_scope *scope)
{
    for (size_t i = 0; i < proto->n_input; ++i) {
        sn_value_id id;
        SN_TRY(define(x, scope, proto->input[i], &SN_TYPE_UNKNOWN, &id));
        if (!sn_add_input(x->m, scope->graph, id)) return sn_import_no_memory(x);
    }
    for (size_t i = 0; i < proto->n_node; ++i) SN_TRY(define_outputs(x, scope, proto->node[i]));
    for (size_t i = 0; i < proto->n_output; ++i) {
        sn_value_id id;
        SN_TRY(add_output(x, scope, proto->output[i], &id));
    }
    SN_TRY(import_value_infos(x, scope, proto->value_info, proto->n_value_info));
    return import_nodes(x, scope, proto->node, proto->n_node);
}

static sinter_status import_signature(sn_import *x, const Onnx__FunctionProto *proto, sn_function *out)
{
    SN_TRY(sn_import_str(x, proto->name, &out->name));
    SN_TRY(sn_import_str(x, proto->domain, &out->domain));
    SN_TRY(sn_import_str(x, proto->overload, &out->overload));
    SN_TRY(sn_import_str(x, proto->doc_string, &out->doc_string));
    SN_TRY(sn_import_pairs(x, proto->metadata_props, proto->n_metadata_props, &out->metadata));
    SN_TRY(sn_import_extra(x, &proto->base, &out->extra));
    SN_TRY(sn_import_opsets(x, proto->opset_import, proto->n_opset_import, &out->opsets));
    out->n_opsets = proto->n_opset_import;
    SN_TRY(sn_import_strs(x, proto->attribute, proto->n_attribute, &out->attributes));
    out->n_attributes = proto->n_attribute;
    out->defaults = SN_ARENA_ARRAY(&x->m->arena, sn_attr, proto->n_attribute_proto);
    if (!out->defaults) return sn_import_no_memory(x);
    for (size_t i = 0; i < proto->n_attribute_proto; ++i) {
        SN_TRY(sn_import_default(x, proto->attribute_proto[i], &out->defaults[i]));
        out->n_defaults = i + 1;
    }
    return SINTER_OK;
}

static sinter_status import_function(sn_import *x, const Onnx__FunctionProto *proto, sn_function *out)
{
    sn_scope scope = {.graph = sn_add_graph(x->m, SN_NONE)};
    if (scope.graph == SN_NONE) return sn_import_no_memory(x);
    out->body = scope.graph;
    SN_TRY(import_signature(x, proto, out));
    x->m->graphs[scope.graph].name = out->name;
    x->m->graphs[scope.graph].doc_string = x->m->graphs[scope.graph].extra = SN_STR("");
    sinter_status status = import_body(x, proto, &scope);
    sn_map_free(&scope.names);
    return status;
}

sinter_status sn_import_function(sn_import *x, const Onnx__FunctionProto *proto, sn_function *out)
{
    x->in_function = true;
    sinter_status status = import_function(x, proto, out);
    x->in_function = false;
    if (status == SINTER_OK) return SINTER_OK;
    return sn_context(x->err, status, "function '%.200s'", proto->name ? proto->name : "");
}
