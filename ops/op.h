/*
 * op.h - the operator contract: what an operator means. One row per operator and version range; everything that uses
 * operators (shape inference, constant folding, sessions, inspection, the conformance suite) goes through these four
 * functions.
 *
 *   prepare   attributes are read and checked once, into a params struct
 *   infer     output types, shapes and (for small integer tensors) values, as far as they follow from the inputs'
 *   eval      plain C; the reference that every fast kernel is compared with
 *
 * To add an operator: write or extend its family file (rows at the end, as one sn_op array), and add its conformance
 * cases. A new family file is one more line in families.def.
 *
 * Threads: prepare writes only its own params; infer and eval must not write to params or to anything static.
 */
#ifndef SN_OPS_OP_H
#define SN_OPS_OP_H

#include "graph/graph.h"

typedef struct sn_op sn_op;
typedef struct sn_prepare sn_prepare;
typedef struct sn_infer sn_infer;
typedef struct sn_eval sn_eval;

enum {
    SN_OP_VIEW = 1 << 0,    /* output 0 holds the bytes of input 0 in the same order (Reshape, Identity): a plan may let
                               them share memory; eval copies only when the pointers differ (sn_eval_copy) */
    SN_OP_INPLACE = 1 << 1, /* element-wise: output 0 may overwrite an input of the same type and shape whose value is
                               not needed later; eval reads element i of that input before it writes element i */
    SN_OP_RANDOM = 1 << 2,  /* draws random numbers: never folded */
    SN_OP_CONTROL = 1 << 3, /* runs subgraphs */
    SN_OP_SHAPE_ONLY = 1 << 4 /* reads only the shapes of its inputs, never their elements (Shape, Size) */
};

/*
 * The signature names inputs and outputs and says which types they take, as ONNX's own tables do:
 *     "X:T, W:T, B:T? -> Y:T; T=@float"
 *     "data:T, indices:I, axes:int64? -> out:T; T=@all, I=int32|int64"
 *     "inputs:T... -> concat:T; T=@all"            one or more, all of one type
 *     "inputs:any... -> outputs:any..."            each of any type (control flow)
 * `?` optional, `...` the last one repeats (1 or more for inputs and outputs; `...?` for 0 or more). A type is an ONNX
 * dtype name, a variable, `seq(V)`, `optional(V)` or `any`. A variable is bound to a |-separated list of dtype names
 * and classes:
 *     @float   float16 bfloat16 float double        @int   int8..int64, uint8..uint64
 *     @num     @int and @float                       @all   everything but the 8-bit floats and 4-, 2-bit types
 *     @float8  the five 8-bit floats                 @int4  uint4 int4      @int2  uint2 int2     @every  all 26
 * The variable stands for one type in the whole node. Checked before prepare, with a message that names the parameter.
 */
struct sn_op {
    const char *domain; /* "" is ai.onnx */
    const char *name;
    int since; /* first opset version with this row; it holds until the next row of the same name */
    const char *signature;
    uint32_t flags;
    int variant; /* the family's own: which of its operators this row is */
    size_t params_size;
    sinter_status (*prepare)(sn_prepare *p, void *params); /* NULL: nothing to read. params is zeroed */
    sinter_status (*infer)(sn_infer *x);
    sinter_status (*eval)(sn_eval *x);
};

/* ---------------------------------------------------------------------------------------------------- prepare */

struct sn_prepare {
    const sn_model *model;
    const sn_node *node;
    const sn_op *op;
    int version;        /* the opset version the node lives in (>= op->since) */
    size_t n_in, n_out; /* as written in the node, absent ones included */
    sn_arena *arena;    /* for arrays in params; lives as long as params */
    sinter_error *err;
};

/* Attribute readers: the default when absent; INVALID_MODEL, naming node and attribute, when the type is wrong. */
SINTER_CHECK sinter_status sn_attr_int(sn_prepare *p, const char *name, int64_t otherwise, int64_t *out);
SINTER_CHECK sinter_status sn_attr_bool(sn_prepare *p, const char *name, bool otherwise, bool *out);
SINTER_CHECK sinter_status sn_attr_float(sn_prepare *p, const char *name, float otherwise, float *out);
SINTER_CHECK sinter_status sn_attr_string(sn_prepare *p, const char *name, const char *otherwise, sn_str *out);
/* Borrowed from the model. *out is NULL and *count 0 when absent. */
SINTER_CHECK sinter_status sn_attr_ints(sn_prepare *p, const char *name, const int64_t **out, size_t *count);
SINTER_CHECK sinter_status sn_attr_floats(sn_prepare *p, const char *name, const float **out, size_t *count);
SINTER_CHECK sinter_status sn_attr_strings(sn_prepare *p, const char *name, const sn_str **out, size_t *count);
SINTER_CHECK sinter_status sn_attr_tensor(sn_prepare *p, const char *name, const sinter_value **out);
SINTER_CHECK sinter_status sn_attr_graph(sn_prepare *p, const char *name, sn_graph_id *out); /* required */
/* Index into the NULL-terminated list of allowed words; the message lists them. */
SINTER_CHECK sinter_status sn_attr_choice(sn_prepare *p, const char *name, const char *const *words, int otherwise,
                                          int *out);
bool sn_attr_present(const sn_prepare *p, const char *name);

/* Fails with "node 'NAME' (OP): " in front: for prepare, infer and eval. Macros, as sn_fail is. */
#define sn_prepare_fail(p, code, ...) sn_status_after(sn_prepare_error((p), (code), __VA_ARGS__), (code))
#define sn_infer_fail(x, ...)         sn_status_after(sn_infer_error((x), __VA_ARGS__), SINTER_INVALID_MODEL)
#define sn_eval_fail(x, code, ...)    sn_status_after(sn_eval_error((x), (code), __VA_ARGS__), (code))
int sn_prepare_error(sn_prepare *p, sinter_status code, const char *format, ...) __attribute__((format(printf, 3, 4)));
int sn_infer_error(sn_infer *x, const char *format, ...) __attribute__((format(printf, 2, 3)));
int sn_eval_error(sn_eval *x, sinter_status code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---------------------------------------------------------------------------------------------------- infer */

/* What is known about a value before it is computed. */
typedef struct sn_fact {
    sn_type type;                 /* kind UNKNOWN, dtype UNDEFINED, rank -1 and unknown dims where nothing is known */
    const sinter_value *constant; /* the whole value, when it is known; else NULL */
    /* Elements of a small integer tensor (rank 0 or 1): numbers, symbols or SN_DIM_UNKNOWN, encoded like dims
     * (base/shape.h). n_known elements; NULL when nothing is known. An int32, int64 or bool constant of rank 0 or 1 and
     * at most SN_MAX_KNOWN elements is always also here. */
    const int64_t *known;
    size_t n_known;
    bool present; /* false: an optional input that is left out */
} sn_fact;

#define SN_MAX_KNOWN 64 /* elements: enough for any shape, slice or pad list */

struct sn_infer {
    const sn_op *op;
    const void *params;
    int version;
    size_t n_in, n_out;
    const sn_fact *in;
    sn_fact *out;    /* preset: unknown everything */
    sn_arena *arena; /* for `known` arrays and nested types; lives as long as the facts */
    sinter_error *err;
    const sn_model *model;
    const sn_node *node;
    /* Control flow: infers a body from facts of its inputs; fills facts of its outputs. */
    sinter_status (*infer_body)(sn_infer *x, sn_graph_id body, const sn_fact *in, size_t n_in, sn_fact *out,
                                size_t n_out);
    void *driver;
};

/* An infer function reports what it can and leaves the rest unknown; it fails (INVALID_MODEL through sn_infer_fail)
 * only when the inputs contradict the operator. Never guess: a wrong fact breaks plans and folding. */

/* Sets output i to a tensor of dtype and shape. Ignored when the node has no such output. */
void sn_infer_tensor(sn_infer *x, size_t i, sinter_dtype dtype, const sn_shape *shape);
/* Rank and shape of input i; rank -1 when absent or unknown. */
const sn_shape *sn_infer_shape(const sn_infer *x, size_t i);
sinter_dtype sn_infer_dtype(const sn_infer *x, size_t i);
bool sn_infer_has(const sn_infer *x, size_t i); /* input i is present */
/* Records the elements of output i (copied); n at most SN_MAX_KNOWN, else ignored. */
void sn_infer_known(sn_infer *x, size_t i, const int64_t *elements, size_t n);
/* All elements of integer input i as plain numbers: true and *out, *n set (borrowed) when every one is known. */
bool sn_infer_numbers(const sn_infer *x, size_t i, const int64_t **out, size_t *n);
/* Broadcasts shapes that may have unknown or symbolic dims (two equal symbols stay, a symbol against 1 stays, a symbol
 * against a number n > 1 becomes n, two different symbols become unknown). False when two numbers clash. */
bool sn_infer_broadcast(const sn_shape *a, const sn_shape *b, sn_shape *out);

/* Ready-made infer functions. */
sinter_status sn_infer_same(sn_infer *x);          /* output 0 has the type and shape of input 0 */
sinter_status sn_infer_broadcast_all(sn_infer *x); /* output 0: type of input 0, all inputs broadcast */

/* ---------------------------------------------------------------------------------------------------- eval */

/* What eval needs from whoever runs it: the reference interpreter or a session. */
typedef struct sn_eval_services {
    /* Memory for output i of the given type: the plan's, or new. *out is what eval writes to. */
    sinter_status (*output)(sn_eval *x, size_t i, sinter_dtype dtype, const sn_shape *shape, sinter_value **out);
    /* Gives a finished value (any kind, or a shared tensor) as output i: takes over the reference. */
    sinter_status (*give)(sn_eval *x, size_t i, sinter_value *value);
    /* Memory until eval returns, SN_ALIGNMENT-aligned, not zeroed; NULL when out. */
    void *(*scratch)(sn_eval *x, size_t size);
    /* Runs a body. outs[i] receives a new reference each. */
    sinter_status (*call)(sn_eval *x, sn_graph_id body, const sinter_value *const *ins, size_t n_in,
                          sinter_value **outs, size_t n_out);
} sn_eval_services;

struct sn_eval {
    const sn_op *op;
    const void *params;
    int version;
    size_t n_in, n_out;
    const sinter_value *const *in; /* NULL: left out */
    const bool *out_wanted;        /* n_out entries; false: the node does not name this output */
    sinter_error *err;
    const sn_model *model; /* for messages only: may be NULL */
    sn_node_id node;
    const sn_eval_services *services;
    void *runner;       /* of the services */
    uint64_t *random;   /* state of the run's generator: sn_random_* advance it */
    const bool *cancel; /* may be NULL; long loops check sn_eval_cancelled */
};

/* Shorthands over the services. An output that the node does not name is given scratch memory, so that eval need not
 * care. */
SINTER_CHECK sinter_status sn_eval_output(sn_eval *x, size_t i, sinter_dtype dtype, const sn_shape *shape,
                                          sinter_value **out);
SINTER_CHECK sinter_status sn_eval_give(sn_eval *x, size_t i, sinter_value *value);
void *sn_eval_scratch(sn_eval *x, size_t size); /* NULL when out of memory or when size overflowed (SIZE_MAX) */
bool sn_eval_cancelled(const sn_eval *x);
/* Output i = the elements of `src` under another shape of as many elements (views, Identity, Dropout). */
SINTER_CHECK sinter_status sn_eval_copy(sn_eval *x, size_t i, const sinter_value *src, const sn_shape *shape);
/* Copies n elements of a type by size; strings' characters stay where they are (pointers are copied). */
static inline bool sn_eval_has(const sn_eval *x, size_t i)
{
    return i < x->n_in && x->in[i];
}

uint64_t sn_random_u64(uint64_t *state);   /* splitmix64 */
double sn_random_uniform(uint64_t *state); /* [0, 1) */
double sn_random_normal(uint64_t *state);  /* mean 0, variance 1 */

/* String tensors: elements of an output may point at the characters of an input's elements: whoever runs keeps inputs'
 * characters alive as long as outputs (services), and copies at the boundary. */

/* ---------------------------------------------------------------------------------------------------- registry */

/* The row for an operator in an opset version, or NULL. */
const sn_op *sn_op_find(sn_str domain, sn_str name, int64_t version);
/* All rows, for documentation and tests. */
size_t sn_op_count(void);
const sn_op *sn_op_at(size_t index);

/* A node with its row and params. */
typedef struct sn_prepared {
    const sn_op *op; /* NULL: no such operator here (see sn_unsupported) */
    void *params;
    int version;
} sn_prepared;

/* Finds the row, checks the input count against the signature and runs prepare. An unknown operator is not an error: op
 * stays NULL. */
SINTER_CHECK sinter_status sn_prepare_node(const sn_model *m, sn_node_id node, sn_arena *arena, sn_prepared *out,
                                           sinter_error *err);
/* The error for a node that has no row: UNSUPPORTED, naming operator, domain, opset and node. */
sinter_status sn_unsupported(const sn_model *m, sn_node_id node, sinter_error *err);

/* Checks known input types against the signature. */
SINTER_CHECK sinter_status sn_check_types(const sn_model *m, const sn_node *node, const sn_op *op, const sn_fact *in,
                                          size_t n_in, sinter_error *err);
/* The same for values, by eval's callers, on inputs whose types were not known before. */
SINTER_CHECK sinter_status sn_check_values(const sn_eval *x);

#endif
