/*
 * graph.h - the data types of a model. Read this file first.
 *
 * A model owns one table of values (edges), one of nodes and one of graphs. A graph is a list of node ids plus its
 * inputs and outputs: the main graph, the body of an If, Loop or Scan, or the body of a local function. Everything
 * refers to everything by index, so that tables may grow and dumps are stable; and since a subgraph's nodes use the
 * same value table, an outer-scope capture is an ordinary use of a value: no pass can drop or fold what an If body
 * needs.
 *
 * Names are unique within a graph, not within the model (both branches of an If may call a value "x"): identity is the
 * id. Shapes and axes are logical, as in ONNX (NCHW). Node op_type, domain and attributes are kept whether or not
 * anything here knows the operator. Fields that nothing interprets travel as serialized protobuf bytes (sn_extra).
 *
 * All structure and all strings live in the model's arena; payloads are refcounted (sinter_value). Only graph/edit.h
 * changes a model once it is built.
 */
#ifndef SN_GRAPH_GRAPH_H
#define SN_GRAPH_GRAPH_H

#include "base/arena.h"
#include "base/map.h"
#include "base/shape.h"
#include "base/value.h"

typedef uint32_t sn_value_id, sn_node_id, sn_graph_id;
#define SN_NONE UINT32_MAX

/* Serialized protobuf fields (tag, payload, tag, payload ...) that belong to a message and are written back verbatim.
 */
typedef sn_str sn_extra;

typedef struct sn_string_pair { /* StringStringEntryProto */
    sn_str key, value;
} sn_string_pair;

typedef struct sn_pairs {
    sn_string_pair *items;
    size_t count;
} sn_pairs;

/* A growing list of ids (heap). */
typedef struct sn_ids {
    uint32_t *items;
    size_t count, capacity;
} sn_ids;

/* A type is a tree. The zeroed struct is a tensor of undefined type: set kind and shape explicitly. */
typedef struct sn_type {
    sinter_kind kind;              /* SINTER_KIND_UNKNOWN: not stated */
    sinter_dtype dtype;            /* tensor, sparse: element; map: key; UNDEFINED when not stated */
    sn_shape shape;                /* tensor, sparse; rank -1 when not stated */
    const struct sn_type *elem;    /* sequence, optional: element; map: value; may be NULL when not stated */
    sn_str denotation;             /* TypeProto.denotation */
    const sn_str *dim_denotations; /* shape.rank entries, or NULL */
    sn_str opaque_domain, opaque_name;
    sn_extra extra;
} sn_type;

#define SN_TYPE_UNKNOWN ((sn_type){.kind = SINTER_KIND_UNKNOWN, .shape = {.rank = -1}})

/* A node reads or a graph returns a value. */
typedef struct sn_use {
    sn_node_id node; /* SN_NONE: an output of graph `graph` */
    sn_graph_id graph;
    uint32_t slot; /* index among the node's inputs or the graph's outputs */
} sn_use;

/* What TensorProto holds beside the tensor itself. NULL pointer where there is nothing of it. */
typedef struct sn_tensor_info {
    sn_str name; /* of a tensor inside an attribute */
    sn_str doc_string;
    sn_pairs metadata;
    sn_extra extra;
} sn_tensor_info;

/* SparseTensorProto: values[nnz], indices[nnz] (linear) or [nnz, rank], int64; dims of the dense tensor. */
typedef struct sn_sparse {
    sinter_value *values, *indices;
    const sn_tensor_info *values_info, *indices_info; /* values' name is the initializer's name */
    sn_shape dims;
    sn_extra extra;
} sn_sparse;

/* An edge: a graph input, an initializer, or the output of one node. */
typedef struct sn_value {
    sn_str name;
    sn_type type;
    sn_graph_id graph;   /* the graph in whose scope the name is */
    sn_node_id producer; /* SN_NONE for inputs and initializers */
    uint32_t producer_slot;
    bool is_input;                     /* listed among the graph's inputs */
    bool is_declared;                  /* a ValueInfoProto was present (value_info, input or output): written back */
    sinter_value *constant;            /* an initializer's tensor (owned reference), else NULL */
    sn_sparse *sparse;                 /* or a sparse initializer, else NULL */
    const sn_tensor_info *tensor_info; /* of an initializer */
    sn_str doc_string;                 /* of the ValueInfoProto */
    sn_pairs metadata;
    sn_extra extra;
    sn_use *uses; /* every reader, in no particular order; kept up to date by graph/edit.h */
    size_t n_uses, uses_capacity;
    bool dead;
} sn_value;

/* AttributeProto.AttributeType's numbers. */
typedef enum sn_attr_type {
    SN_ATTR_UNDEFINED = 0,
    SN_ATTR_FLOAT = 1,
    SN_ATTR_INT = 2,
    SN_ATTR_STRING = 3,
    SN_ATTR_TENSOR = 4,
    SN_ATTR_GRAPH = 5,
    SN_ATTR_FLOATS = 6,
    SN_ATTR_INTS = 7,
    SN_ATTR_STRINGS = 8,
    SN_ATTR_TENSORS = 9,
    SN_ATTR_GRAPHS = 10,
    SN_ATTR_SPARSE_TENSOR = 11,
    SN_ATTR_SPARSE_TENSORS = 12,
    SN_ATTR_TYPE_PROTO = 13,
    SN_ATTR_TYPE_PROTOS = 14
} sn_attr_type;

typedef struct sn_attr {
    sn_str name;
    sn_attr_type type;
    sn_str ref_attr_name; /* inside a function body: the function's attribute that this one stands for; else "" */
    sn_str doc_string;
    sn_extra extra;
    size_t count; /* of the array kinds; 1 for the single ones */
    union {
        float f;
        int64_t i;
        sn_str s;
        sinter_value *tensor; /* owned reference */
        sn_graph_id graph;
        const float *floats;
        const int64_t *ints;
        const sn_str *strings;
        sinter_value **tensors; /* owned references */
        const sn_graph_id *graphs;
        sn_sparse *sparse;    /* count of them */
        const sn_type *types; /* count of them */
    };
    const sn_tensor_info *const *tensor_infos; /* for tensor(s): `count` entries, entries may be NULL; or NULL */
} sn_attr;

typedef struct sn_node {
    sn_str name, op_type, domain, overload, doc_string; /* domain as written: "" and "ai.onnx" mean the same */
    sn_graph_id graph;
    sn_value_id *in; /* SN_NONE: an optional input that is left out */
    size_t n_in;
    sn_value_id *out; /* SN_NONE: an optional output that is left out */
    size_t n_out;
    sn_attr *attrs;
    size_t n_attrs, attrs_capacity;
    sn_pairs metadata;
    sn_extra extra;
    bool dead;
} sn_node;

typedef struct sn_graph {
    sn_str name, doc_string;
    sn_node_id owner;       /* the node whose attribute this body is; SN_NONE for main graph and function bodies */
    sn_graph_id parent;     /* the graph that `owner` is in; SN_NONE likewise */
    sn_ids nodes;           /* in topological order */
    sn_ids inputs, outputs; /* value ids; an initializer listed as input (see sn_value.is_input) is among inputs */
    sn_ids initializers;    /* value ids whose constant or sparse is set, in file order */
    sn_pairs metadata;
    sn_extra extra; /* quantization_annotation and unknown fields */
    bool dead;
} sn_graph;

typedef struct sn_opset {
    sn_str domain;
    int64_t version;
    sn_extra extra;
} sn_opset;

typedef struct sn_function {
    sn_str name, domain, overload, doc_string;
    sn_graph_id body;         /* its inputs and outputs are the function's */
    const sn_str *attributes; /* required attribute names */
    size_t n_attributes;
    sn_attr *defaults; /* attributes with default values */
    size_t n_defaults;
    sn_opset *opsets;
    size_t n_opsets;
    sn_pairs metadata;
    sn_extra extra;
    bool dead;
} sn_function;

typedef struct sn_model {
    sn_arena arena;
    sn_value *values;
    size_t n_values, values_capacity;
    sn_node *nodes;
    size_t n_nodes, nodes_capacity;
    sn_graph *graphs; /* graphs[0] is the main graph */
    size_t n_graphs, graphs_capacity;
    sn_function *functions; /* in the arena */
    size_t n_functions;
    sn_str *symbols; /* names of symbolic dimensions, indexed by sn_dim_symbol_index */
    size_t n_symbols, symbols_capacity;
    sn_map symbol_ids;

    int64_t ir_version;
    sn_opset *opsets; /* in the arena */
    size_t n_opsets;
    sn_str producer_name, producer_version, domain, doc_string;
    int64_t model_version;
    sn_pairs metadata;
    sn_extra extra;        /* training_info, configuration and unknown fields */
    sn_str folder;         /* where the file lay; "" when loaded from memory */
    bool defer_removal;    /* between sn_defer_removal and sn_sweep: lists may hold what is dead */
    uint64_t name_counter; /* for sn_unique_name */
    sn_map names;          /* every name that was ever in use; filled by the first sn_unique_name */
    bool names_filled;
} sn_model;

struct sinter_model { /* the public handle is the model itself */
    sn_model m;
};

static inline bool sn_domain_is_onnx(sn_str domain)
{
    return domain.n == 0 || sn_str_is(domain, "ai.onnx");
}

/* Opset version that the model (or the function whose body the graph is in) imports for a domain; -1 when it does not.
 */
int64_t sn_opset_version(const sn_model *m, sn_graph_id graph, sn_str domain);

/* The attribute called `name`, or NULL. */
const sn_attr *sn_node_attr(const sn_node *n, const char *name);

/* How to call a node in a message: its name, or else its first output's name. */
sn_str sn_node_label(const sn_model *m, sn_node_id node);

/* A value that can never change: an initializer that callers may not override (not an input, or IR < 4), or the output
 * of a Constant node with a dense tensor. NULL when it is not one. */
const sinter_value *sn_constant(const sn_model *m, sn_value_id value);
/* An initializer that is also an input of the main graph in IR >= 4: a default that a caller may override. */
bool sn_is_overridable(const sn_model *m, sn_value_id value);

/* The only reader of a value, as a node; SN_NONE when there are none or several, or when a graph returns it. */
sn_node_id sn_only_consumer(const sn_model *m, sn_value_id value);

/* The innermost function body or main graph that `graph` is nested in. */
sn_graph_id sn_root_graph(const sn_model *m, sn_graph_id graph);

/* Is `op_type` of the ai.onnx domain? */
bool sn_node_is(const sn_node *n, const char *op_type);

/* An input or output of the main graph as the public interface shows it; sinter_model_input finds it by index, in
 * linear time. */
sinter_io sn_describe_io(const sn_model *m, sn_value_id value);

#endif
