/*
 * From unpacked protobuf messages to a graph: one function per message. Everything they make is copied into the model's
 * arena, so the messages may go when they return. What goes wrong is reported by whoever knows the name of the place.
 */
#ifndef SN_PARSER_IMPORT_H
#define SN_PARSER_IMPORT_H

#include "graph/edit.h"
#include "parser/external.h"
#include "parser/wire.h"
#include "proto/onnx.pb-c.h"

typedef struct sn_import {
    sn_model *m; /* NULL while a lone value is read */
    const sn_wire *wire;
    sn_block *file; /* holds wire->bytes: large payloads become slices of it; NULL: they are copied */
    sn_external external;
    bool in_function; /* attributes may refer to the function's */
    uint32_t *ids;    /* scratch */
    size_t ids_capacity;
    sinter_error *err;
} sn_import;

/* Names of one graph. They hide those of the graphs around it. */
typedef struct sn_scope {
    const struct sn_scope *outer;
    sn_map names; /* to value ids */
    sn_graph_id graph;
} sn_scope;

SINTER_CHECK static inline sinter_status sn_import_no_memory(const sn_import *x)
{
    return sn_no_memory(x->err, "building a model");
}

/* SN_NONE when nobody defines the name. */
sn_value_id sn_scope_find(const sn_scope *scope, sn_str name);

/* import_common.c */
SINTER_CHECK sinter_status sn_import_str(sn_import *x, const char *text, sn_str *out);
SINTER_CHECK sinter_status sn_import_strs(sn_import *x, char *const *texts, size_t n, const sn_str **out);
SINTER_CHECK sinter_status sn_import_bytes(sn_import *x, ProtobufCBinaryData bytes, sn_str *out);
SINTER_CHECK sinter_status sn_import_pairs(sn_import *x, Onnx__StringStringEntryProto *const *entries, size_t n,
                                           sn_pairs *out);
SINTER_CHECK sinter_status sn_import_opsets(sn_import *x, Onnx__OperatorSetIdProto *const *entries, size_t n,
                                            sn_opset **out);
SINTER_CHECK sinter_status sn_import_extra(sn_import *x, const ProtobufCMessage *message, sn_extra *out);

/* import_type.c */
SINTER_CHECK sinter_status sn_import_type(sn_import *x, const Onnx__TypeProto *proto, sn_type *out);

/* import_tensor.c. The tensor is the caller's; *info (may be NULL as an argument) is NULL when there is nothing in it.
 */
SINTER_CHECK sinter_status sn_import_tensor(sn_import *x, const Onnx__TensorProto *proto, sinter_value **out);
SINTER_CHECK sinter_status sn_import_tensor_info(sn_import *x, const Onnx__TensorProto *proto, bool with_name,
                                                 const sn_tensor_info **out);
/* Fills *out, whose tensors are the caller's also after a failure: release them with sn_sparse_release. */
SINTER_CHECK sinter_status sn_import_sparse(sn_import *x, const Onnx__SparseTensorProto *proto, sn_sparse *out);
void sn_sparse_release(sn_sparse *sparse);

/* import_attr.c. Attributes of a node; graphs in them see `scope`. */
SINTER_CHECK sinter_status sn_import_attrs(sn_import *x, Onnx__AttributeProto *const *protos, size_t n, sn_node_id node,
                                           const sn_scope *scope);
/* A function's attribute with its default. */
SINTER_CHECK sinter_status sn_import_default(sn_import *x, const Onnx__AttributeProto *proto, sn_attr *out);

/* import_graph.c */
SINTER_CHECK sinter_status sn_import_graph(sn_import *x, const Onnx__GraphProto *proto, sn_graph_id graph,
                                           const sn_scope *outer);
SINTER_CHECK sinter_status sn_import_function(sn_import *x, const Onnx__FunctionProto *proto, sn_function *out);

/* import_model.c */
SINTER_CHECK sinter_status sn_import_model(sn_import *x, const Onnx__ModelProto *proto);

#endif
