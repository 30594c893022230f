/*
 * sinter.h - the public interface of Sinter, an ONNX model optimizer and CPU inference engine.
 *
 * The life of a model:   load -> (optimize -> save) -> session -> run, run, run ...
 *
 * Conventions
 *   - A function that can meet bad input returns a sinter_status. On failure it also fills the caller-owned
 *     sinter_error (which may be NULL) with a text that names the node, tensor, file or field, what was expected and
 *     what was found. Outputs are written only on success.
 *   - `const T *` arguments are borrowed for the call. Ownership is stated where it moves. A *_free or
 *     *_release function accepts NULL.
 *   - Options structs start with their size: initialise them with the matching SINTER_..._INIT macro. A NULL options
 *     pointer means all defaults.
 *   - Threads: a sinter_session and a sinter_pool may be used by many threads at once. Every other object belongs to
 *     one thread at a time; a sinter_value that nobody writes to may be read by many.
 *   - Strings are UTF-8, NUL-terminated, and borrowed from the object they were read from.
 */
#ifndef SINTER_H
#define SINTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SINTER_API   __attribute__((visibility("default")))
#define SINTER_CHECK __attribute__((warn_unused_result))
#else
#define SINTER_API
#define SINTER_CHECK
#endif

/* ------------------------------------------------------------------------------------------------ status, error */

/* One row per status: enum name, text name, process exit code, HTTP status code. */
#define SINTER_STATUS_MAP(X)                                                                                           \
    X(OK, "ok", 0, 200)                             /* success */                                                      \
    X(FAILED, "failed", 1, 500)                     /* an internal error, or a comparison that did not hold */         \
    X(INVALID_ARGUMENT, "invalid argument", 2, 400) /* the caller's options or arguments */                            \
    X(INVALID_MODEL, "invalid model", 3, 422)       /* the model file is missing, broken or against the standard */    \
    X(UNSUPPORTED, "unsupported", 3, 501)           /* the model is valid, but needs something Sinter lacks */         \
    X(INVALID_INPUT, "invalid input", 4, 400)       /* a tensor, file or request does not fit the model */             \
    X(NOT_FOUND, "not found", 4, 404)               /* no such input file, model, version or route */                  \
    X(TOO_LARGE, "too large", 4, 413)               /* a named limit was exceeded */                                   \
    X(CANCELLED, "cancelled", 5, 504)               /* the caller's cancel flag was seen */                            \
    X(BUSY, "busy", 5, 503)                         /* a queue is full or a port is taken: try again */                \
    X(NO_MEMORY, "out of memory", 5, 503)                                                                              \
    X(IO, "i/o error", 5, 500) /* disk or socket trouble: try again */

typedef enum sinter_status {
#define SINTER_STATUS_ENUM(name, text, exit_code, http_code) SINTER_##name,
    SINTER_STATUS_MAP(SINTER_STATUS_ENUM)
#undef SINTER_STATUS_ENUM
} sinter_status;

#define SINTER_ERROR_TEXT_SIZE 1024

/* Caller-owned; never allocated. `text` is always NUL-terminated, long names in it are shortened. */
typedef struct sinter_error {
    sinter_status code;
    char text[SINTER_ERROR_TEXT_SIZE];
} sinter_error;

SINTER_API const char *sinter_status_name(sinter_status status);
SINTER_API int sinter_status_exit_code(sinter_status status);
SINTER_API int sinter_status_http_code(sinter_status status);

/* "0.1.0"; static storage. */
SINTER_API const char *sinter_version(void);

/* ------------------------------------------------------------------------------------------------ element types */

/* The numbers are those of ONNX TensorProto.DataType. */
typedef enum sinter_dtype {
    SINTER_UNDEFINED = 0,
    SINTER_FLOAT = 1,
    SINTER_UINT8 = 2,
    SINTER_INT8 = 3,
    SINTER_UINT16 = 4,
    SINTER_INT16 = 5,
    SINTER_INT32 = 6,
    SINTER_INT64 = 7,
    SINTER_STRING = 8,
    SINTER_BOOL = 9,
    SINTER_FLOAT16 = 10,
    SINTER_DOUBLE = 11,
    SINTER_UINT32 = 12,
    SINTER_UINT64 = 13,
    SINTER_COMPLEX64 = 14,
    SINTER_COMPLEX128 = 15,
    SINTER_BFLOAT16 = 16,
    SINTER_FLOAT8E4M3FN = 17,
    SINTER_FLOAT8E4M3FNUZ = 18,
    SINTER_FLOAT8E5M2 = 19,
    SINTER_FLOAT8E5M2FNUZ = 20,
    SINTER_UINT4 = 21,
    SINTER_INT4 = 22,
    SINTER_FLOAT4E2M1 = 23,
    SINTER_FLOAT8E8M0 = 24,
    SINTER_UINT2 = 25,
    SINTER_INT2 = 26,
    SINTER_DTYPE_COUNT
} sinter_dtype;

/* ONNX's lower-case name ("float", "int64", "float8e4m3fn", ...); "undefined" for anything else. */
SINTER_API const char *sinter_dtype_name(sinter_dtype dtype);

/* Bytes of one element in memory. 4- and 2-bit types take one byte each (sign-extended for the signed ones): they are
 * packed only in files. A string element is a sinter_string. 0 for SINTER_UNDEFINED. */
SINTER_API size_t sinter_dtype_size(sinter_dtype dtype);

/* ------------------------------------------------------------------------------------------------ values */

#define SINTER_MAX_RANK 16

/* One element of a string tensor: `size` bytes at `data`, not NUL-terminated, owned by the value that holds it. */
typedef struct sinter_string {
    const char *data;
    size_t size;
} sinter_string;

typedef enum sinter_kind {
    SINTER_KIND_TENSOR,   /* a dense tensor, row-major, innermost dimension last */
    SINTER_KIND_SEQUENCE, /* items: any number of values */
    SINTER_KIND_OPTIONAL, /* items: none or one value */
    SINTER_KIND_MAP,      /* items: two, a 1-D tensor of keys and a sequence or 1-D tensor of as many values */
    SINTER_KIND_SPARSE,   /* type descriptions only: there are no sparse run-time values */
    SINTER_KIND_OPAQUE,   /* type descriptions only */
    SINTER_KIND_UNKNOWN   /* type descriptions only: the model does not say */
} sinter_kind;

/* What flows between operators, and in and out of a session. Reference-counted, the count is thread-safe. */
typedef struct sinter_value sinter_value;

/* A new dense tensor of `rank` dimensions `dims` with its own memory, 64-byte aligned, zeroed.
 * Errors: INVALID_ARGUMENT for a bad type, rank or negative dimension; TOO_LARGE when the size overflows; NO_MEMORY. */
SINTER_API SINTER_CHECK sinter_status sinter_tensor_create(sinter_dtype dtype, int rank, const int64_t *dims,
                                                           sinter_value **out, sinter_error *err);

/* A tensor over the caller's memory, which must stay valid and unchanged until the value is released.
 * `size` is in bytes and must be exactly what dtype and dims need, else INVALID_ARGUMENT. */
SINTER_API SINTER_CHECK sinter_status sinter_tensor_wrap(sinter_dtype dtype, int rank, const int64_t *dims,
                                                         const void *data, size_t size, sinter_value **out,
                                                         sinter_error *err);

/* A string tensor; the characters are copied. `strings` holds as many entries as the dims multiply to. */
SINTER_API SINTER_CHECK sinter_status sinter_tensor_create_strings(int rank, const int64_t *dims,
                                                                   const sinter_string *strings, sinter_value **out,
                                                                   sinter_error *err);

/* A sequence, optional or map of `count` items; every item gains a reference. */
SINTER_API SINTER_CHECK sinter_status sinter_container_create(sinter_kind kind, sinter_value *const *items,
                                                              size_t count, sinter_value **out, sinter_error *err);

SINTER_API sinter_value *sinter_value_retain(sinter_value *value);
SINTER_API void sinter_value_release(sinter_value *value);

SINTER_API sinter_kind sinter_value_kind(const sinter_value *value);
SINTER_API sinter_dtype sinter_tensor_dtype(const sinter_value *tensor);
SINTER_API int sinter_tensor_rank(const sinter_value *tensor);
SINTER_API const int64_t *sinter_tensor_dims(const sinter_value *tensor);
/* Number of elements (1 for a scalar) and bytes. */
SINTER_API size_t sinter_tensor_count(const sinter_value *tensor);
SINTER_API size_t sinter_tensor_size(const sinter_value *tensor);
SINTER_API const void *sinter_tensor_data(const sinter_value *tensor);
/* Only for a tensor that the caller created and nobody else reads. */
SINTER_API void *sinter_tensor_mutable_data(sinter_value *tensor);
SINTER_API size_t sinter_container_count(const sinter_value *value);
SINTER_API const sinter_value *sinter_container_item(const sinter_value *value, size_t index);

/* Reads a serialized ONNX TensorProto, SequenceProto or OptionalProto (chosen by `kind`), as found in *.pb files of the
 * ONNX backend tests. INVALID_INPUT when the bytes are not one. External data is refused. */
SINTER_API SINTER_CHECK sinter_status sinter_value_from_proto(sinter_kind kind, const void *bytes, size_t size,
                                                              sinter_value **out, sinter_error *err);

/* Serializes a tensor as a TensorProto called `name` (may be NULL). *bytes is malloc'ed; the caller frees it. */
SINTER_API SINTER_CHECK sinter_status sinter_tensor_to_proto(const sinter_value *tensor, const char *name, void **bytes,
                                                             size_t *size, sinter_error *err);

/* How two values differ, element by element, as |a-b| against atol + rtol*|b|; NaN equals NaN, Inf equals the same Inf.
 * Integers, booleans and strings are compared exactly. */
typedef struct sinter_difference {
    bool comparable;   /* same kind, type and shape; else `text` says what differs */
    size_t count;      /* elements compared */
    size_t mismatches; /* elements outside the tolerance */
    double max_abs;    /* largest |a-b| over finite elements */
    double max_rel;    /* largest |a-b| / |b| over finite elements with b != 0 */
    char text[256];    /* the first mismatch, or what is not comparable; "" when all agree */
} sinter_difference;

SINTER_API sinter_difference sinter_value_compare(const sinter_value *a, const sinter_value *b, double rtol,
                                                  double atol);

/* ------------------------------------------------------------------------------------------------ model */

typedef struct sinter_model sinter_model;

typedef struct sinter_load_options {
    size_t size;
    bool read_file; /* read() the file instead of mapping it: for servers, whose files may be overwritten */
} sinter_load_options;
#define SINTER_LOAD_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(sinter_load_options), false                                                                             \
    }

/* Loads an ONNX file of any IR version. External data is looked for in the file's own folder only.
 * Errors: INVALID_MODEL (missing file included), TOO_LARGE, NO_MEMORY. */
SINTER_API SINTER_CHECK sinter_status sinter_model_load(const char *path, const sinter_load_options *options,
                                                        sinter_model **out, sinter_error *err);

/* The same from memory, which is borrowed for the call only. `folder` is where external data is looked for; NULL
 * refuses models that have any. */
SINTER_API SINTER_CHECK sinter_status sinter_model_load_memory(const void *bytes, size_t size, const char *folder,
                                                               sinter_model **out, sinter_error *err);

/* Writes the model as ONNX: to a temporary file that is renamed over `path`. The same model gives the same bytes. Above
 * 2 GB tensors go to `path`.data. Errors: IO, UNSUPPORTED when the model holds internal operators. */
SINTER_API SINTER_CHECK sinter_status sinter_model_save(const sinter_model *model, const char *path, sinter_error *err);

/* The same into memory: *bytes is malloc'ed, the caller frees it. TOO_LARGE above 2 GB. */
SINTER_API SINTER_CHECK sinter_status sinter_model_save_memory(const sinter_model *model, void **bytes, size_t *size,
                                                               sinter_error *err);

/* Checks the graph's invariants and that every known operator's attributes and types are legal. */
SINTER_API SINTER_CHECK sinter_status sinter_model_verify(const sinter_model *model, sinter_error *err);

SINTER_API void sinter_model_free(sinter_model *model);

/* An input or output as the model declares it. Pointers are borrowed from the model or session. */
typedef struct sinter_io {
    const char *name;
    sinter_kind kind;
    sinter_dtype dtype;                   /* of a tensor, or of the innermost element of a container */
    int rank;                             /* -1: unknown */
    int64_t dims[SINTER_MAX_RANK];        /* -1: symbolic or unknown */
    const char *symbols[SINTER_MAX_RANK]; /* the name of a symbolic dimension, or NULL */
    bool optional;                        /* an input that may be left out (has a default) */
} sinter_io;

/* Required inputs first as declared; initializers that are listed as inputs only because IR < 4 demands it are not
 * inputs here. */
SINTER_API size_t sinter_model_input_count(const sinter_model *model);
SINTER_API size_t sinter_model_output_count(const sinter_model *model);
SINTER_API sinter_io sinter_model_input(const sinter_model *model, size_t index);
SINTER_API sinter_io sinter_model_output(const sinter_model *model, size_t index);

/* A readable dump of the whole graph in a stable order, for people and tests; malloc'ed, the caller frees it. */
SINTER_API SINTER_CHECK sinter_status sinter_model_dump(const sinter_model *model, char **text, sinter_error *err);

/* ------------------------------------------------------------------------------------------------ optimize */

/* What to do with a BatchNormalization that was exported in training mode. */
typedef enum sinter_bn_stats {
    SINTER_BN_STATS_EVAL, /* use the stored running statistics where they are constants, as model.eval() does */
    SINTER_BN_STATS_KEEP  /* honour the file: batch statistics, as the ONNX standard says */
} sinter_bn_stats;

/* A concrete shape for an input, as in --shape NAME=1x3x224x224. */
typedef struct sinter_shape {
    const char *name;
    int rank;
    int64_t dims[SINTER_MAX_RANK];
} sinter_shape;

typedef struct sinter_optimize_options {
    size_t size;
    sinter_bn_stats bn_stats;
    bool freeze_inputs;      /* IR >= 4 initializers that are also inputs become constants */
    const char *const *only; /* if not NULL: run just these passes; n_only names */
    size_t n_only;
    const char *const *skip; /* do not run these; n_skip names */
    size_t n_skip;
    const sinter_shape *shapes; /* fixes input shapes; n_shapes entries */
    size_t n_shapes;
} sinter_optimize_options;
#define SINTER_OPTIMIZE_OPTIONS_INIT                                                                                   \
    {                                                                                                                  \
        .size = sizeof(sinter_optimize_options)                                                                        \
    }

typedef enum sinter_bn_verdict {
    SINTER_BN_FOLDED,  /* absorbed by the operator named in `into` */
    SINTER_BN_LOWERED, /* stays as one per-channel multiply-add */
    SINTER_BN_KEPT     /* left as it was */
} sinter_bn_verdict;

typedef struct sinter_bn_row {
    const char *name;  /* the node's name, or its output's when it has none */
    const char *shape; /* of its output, e.g. "Nx64x56x56" */
    sinter_bn_verdict verdict;
    const char *into;    /* name of the node that absorbed it; "" unless folded */
    const char *into_op; /* and its operator, e.g. "Conv" */
    const char *reason;  /* one sentence: how, or why not */
} sinter_bn_row;

typedef struct sinter_pass_row {
    const char *name;
    const char *description;
    size_t changes; /* rewrites made */
} sinter_pass_row;

/* What optimizing did. Owned by the caller. */
typedef struct sinter_report sinter_report;
SINTER_API size_t sinter_report_bn_count(const sinter_report *report);
SINTER_API sinter_bn_row sinter_report_bn(const sinter_report *report, size_t index);
SINTER_API size_t sinter_report_pass_count(const sinter_report *report);
SINTER_API sinter_pass_row sinter_report_pass(const sinter_report *report, size_t index);
/* Rewrites that change what the file said (training mode to running statistics), and doubts about the model. */
SINTER_API size_t sinter_report_note_count(const sinter_report *report);
SINTER_API const char *sinter_report_note(const sinter_report *report, size_t index);
SINTER_API size_t sinter_report_nodes_before(const sinter_report *report);
SINTER_API size_t sinter_report_nodes_after(const sinter_report *report);
SINTER_API void sinter_report_free(sinter_report *report);
SINTER_API const char *sinter_bn_verdict_name(sinter_bn_verdict verdict);

/* Runs the portable passes on the model, in place. *report (if report is not NULL) is the caller's to free.
 * On failure the model is still valid but may be partly optimized.
 * Errors: INVALID_ARGUMENT for an unknown pass or input name, INVALID_MODEL. */
SINTER_API SINTER_CHECK sinter_status sinter_model_optimize(sinter_model *model, const sinter_optimize_options *options,
                                                            sinter_report **report, sinter_error *err);

/* Applies only the policy for training-mode exports, as session creation does with optimization off. */
SINTER_API SINTER_CHECK sinter_status sinter_model_apply_bn_stats(sinter_model *model, sinter_bn_stats bn_stats,
                                                                  sinter_report **report, sinter_error *err);

/* The portable passes, in the order in which they run; `changes` is 0. */
SINTER_API size_t sinter_pass_count(void);
SINTER_API sinter_pass_row sinter_pass(size_t index);

/* ------------------------------------------------------------------------------------------------ inspect */

typedef struct sinter_op_count {
    const char *domain; /* "" for ai.onnx */
    const char *op_type;
    size_t count;   /* nodes in all graphs, subgraphs and functions */
    bool supported; /* Sinter can run it in the model's opset */
} sinter_op_count;

typedef struct sinter_opset {
    const char *domain;
    int64_t version;
} sinter_opset;

/* What a BatchNormalization looks like and what surrounds it. */
typedef struct sinter_bn_info {
    const char *name;
    const char *shape;
    const char *producer_op; /* of its data input; "" for a graph input */
    const char *consumer_op; /* of its output; "" for none, comma-separated for several */
    int64_t channels;        /* -1: unknown */
    double epsilon;
    bool training_mode;
} sinter_bn_info;

/* Facts about a model; arrays are borrowed from it until sinter_inspection_free. */
typedef struct sinter_inspection {
    int64_t ir_version;
    const char *producer_name;
    const char *producer_version;
    const char *graph_name;
    const sinter_opset *opsets;
    size_t n_opsets;
    const sinter_op_count *ops; /* most frequent first */
    size_t n_ops;
    const sinter_bn_info *bns;
    size_t n_bns;
    size_t n_nodes;
    size_t parameters; /* elements of all initializers and Constant nodes */
    size_t parameter_bytes;
    double flops; /* multiply and add counted as two; symbolic dims taken as 1; -1 when shapes are unknown */
} sinter_inspection;

SINTER_API SINTER_CHECK sinter_status sinter_model_inspect(const sinter_model *model, const sinter_shape *shapes,
                                                           size_t n_shapes, sinter_inspection **out, sinter_error *err);
SINTER_API void sinter_inspection_free(sinter_inspection *inspection);

/* ------------------------------------------------------------------------------------------------ pool */

/* Worker threads, shared by any number of sessions. Idle workers block: they use no CPU. Threads do not survive fork():
 * a child process makes pools of its own. */
typedef struct sinter_pool sinter_pool;

/* `threads` counts the caller's thread too; 0 asks for as many as the CPU affinity mask and the cgroup quota allow. */
SINTER_API SINTER_CHECK sinter_status sinter_pool_create(int threads, sinter_pool **out, sinter_error *err);
SINTER_API int sinter_pool_threads(const sinter_pool *pool);
/* Must not be called while a session that uses the pool is alive. */
SINTER_API void sinter_pool_free(sinter_pool *pool);

/* ------------------------------------------------------------------------------------------------ session */

/* A model made ready to run. Shared by threads. */
typedef struct sinter_session sinter_session;

typedef struct sinter_session_options {
    size_t size;
    sinter_pool *pool; /* borrowed; must outlive the session. NULL: runs on the calling thread alone */
    bool no_optimize;  /* run the graph as it is (the bn_stats policy still applies) */
    bool reference;    /* use the plain-C reference of every operator: slow, the oracle for everything else */
    sinter_bn_stats bn_stats;
    size_t max_plans; /* plans kept for different input shapes; 0: 8 */
    bool profile;     /* collect times per node: see sinter_session_profile */
    /* Measure which implementation of a node is the fastest here, instead of trusting rules about sizes. The first run
     * with new sizes takes longer by some runs of the measured nodes, and by preparing their weights in each form.
     * Another choice adds up in another order, so that results may differ in the last bits from those of a session that
     * is not tuned, or was tuned at another time. Within the session a choice is made once for all batch sizes: an
     * answer depends neither on its batch nor on what else is running. */
    bool tune;
    /* No convolution by Winograd's algorithm, which is faster for 3x3 kernels, but whose errors are relative to the
     * largest sums around and not to each. */
    bool no_winograd;
} sinter_session_options;
#define SINTER_SESSION_OPTIONS_INIT                                                                                    \
    {                                                                                                                  \
        .size = sizeof(sinter_session_options)                                                                         \
    }

/* Takes the model on success (*model becomes NULL). On failure the caller still owns it, unless weights had been packed
 * and let go already: then it is freed, and *model becomes NULL too. UNSUPPORTED never uses the model up.
 * The session keeps no pointer into the model's file. *report may be NULL.
 * Errors: UNSUPPORTED names the first operator that is missing; INVALID_MODEL; NO_MEMORY. */
SINTER_API SINTER_CHECK sinter_status sinter_session_create(sinter_model **model, const sinter_session_options *options,
                                                            sinter_session **out, sinter_report **report,
                                                            sinter_error *err);
/* No run may be under way. */
SINTER_API void sinter_session_free(sinter_session *session);

SINTER_API size_t sinter_session_input_count(const sinter_session *session);
SINTER_API size_t sinter_session_output_count(const sinter_session *session);
SINTER_API sinter_io sinter_session_input(const sinter_session *session, size_t index);
SINTER_API sinter_io sinter_session_output(const sinter_session *session, size_t index);

typedef struct sinter_run_options {
    size_t size;
    const bool *cancel; /* may be NULL; when another thread makes it true the run ends with CANCELLED soon after */
    uint64_t seed;      /* of operators that draw random numbers without a seed of their own */
} sinter_run_options;
#define SINTER_RUN_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        .size = sizeof(sinter_run_options)                                                                             \
    }

/* Checks `value` against what input `index` takes: INVALID_INPUT with the input's name, expected and given. */
SINTER_API SINTER_CHECK sinter_status sinter_session_check_input(const sinter_session *session, size_t index,
                                                                 const sinter_value *value, sinter_error *err);

/* Runs the model. inputs[i] belongs to input i of the session (NULL: left out, only for optional ones).
 * outputs[i] is filled for output i with a new reference that the caller releases; a NULL `wanted` means all outputs,
 * else output i is computed for the caller only where wanted[i] is true, and is NULL otherwise.
 * Thread-safe. Errors: INVALID_INPUT, NO_MEMORY, CANCELLED, UNSUPPORTED. On failure all outputs are NULL. */
SINTER_API SINTER_CHECK sinter_status sinter_session_run(sinter_session *session, const sinter_value *const *inputs,
                                                         sinter_value **outputs, const bool *wanted,
                                                         const sinter_run_options *options, sinter_error *err);

/* Time spent in one step since the session was created, summed over runs. Needs options.profile. */
typedef struct sinter_profile_row {
    const char *name; /* of the node */
    const char *op_type;
    const char *impl; /* the implementation that runs it: "reference" or a kernel's name */
    uint64_t calls;
    uint64_t nanoseconds;
} sinter_profile_row;

/* Fills at most `capacity` rows and returns how many there are. Not while a run is under way. */
SINTER_API size_t sinter_session_profile(const sinter_session *session, sinter_profile_row *rows, size_t capacity);

/* Bytes of arena that a run with the most recently used plan needs, and the sum of all values it holds: the first is
 * what the memory plan achieved, the second what it would be without reuse. */
SINTER_API void sinter_session_memory(const sinter_session *session, size_t *planned, size_t *unplanned);

#ifdef __cplusplus
}
#endif
#endif
