/*
 * plan.h - how a model runs for one set of input shapes. Shape inference with the concrete shapes says for each node
 * whether the shapes of its outputs are known (a planned step: its outputs have a place in the run state's arena, it
 * allocates nothing) or only found when it runs (a dynamic step: its outputs are heap tensors). A plan is immutable and
 * shared by runs.
 */
#ifndef SN_RUNTIME_PLAN_H
#define SN_RUNTIME_PLAN_H

#include "runtime/impl.h"
#include <stdatomic.h>

typedef struct sinter_session sn_session;

/* Where a value is while the model runs. */
typedef enum sn_place {
    SN_PLACE_NONE,     /* nobody needs it */
    SN_PLACE_INPUT,    /* the caller's tensor */
    SN_PLACE_CONSTANT, /* the model's tensor, or one that the plan holds */
    SN_PLACE_ARENA,    /* at an offset of the arena */
    SN_PLACE_OUTPUT,   /* a heap tensor made when the run starts, handed to the caller at its end */
    SN_PLACE_DYNAMIC   /* a heap value made by its step */
} sn_place;

typedef struct sn_plan_value {
    sn_place place;
    bool is_static; /* dtype and shape below are what the value will have */
    sinter_dtype dtype;
    sn_shape shape;
    size_t size;            /* bytes; ARENA, OUTPUT */
    size_t offset;          /* ARENA */
    uint32_t header;        /* ARENA: which of the run state's headers */
    sinter_value *constant; /* CONSTANT: a reference of the plan's own */
} sn_plan_value;

typedef struct sn_step {
    sn_node_id node;
    uint32_t position; /* of the node in its graph */
    const sn_prepared *prepared;
    bool planned;
    bool check_types;    /* the types of its inputs are known only now */
    const bool *wanted;  /* per output */
    const sn_impl *impl; /* NULL: the reference */
    void *impl_state;
    const sn_value_id *dying; /* heap values that nothing reads after this step */
    size_t n_dying;
} sn_step;

/* The steps of the main graph or of a body, and the heap values that they make. */
typedef struct sn_program {
    sn_step *steps;
    size_t n_steps;
    const sn_value_id *heap;
    size_t n_heap;
} sn_program;

typedef struct sn_plan {
    atomic_uint references;
    uint64_t serial;       /* which plan a run state was last bound to */
    uint64_t last_use;     /* of the session's clock; guarded by the session's lock */
    sn_shape *shapes;      /* of the session's inputs; rank -1: not a tensor */
    sn_plan_value *values; /* by value id */
    sn_program *programs;  /* by graph id */
    size_t n_values, n_graphs;
    size_t n_headers;
    size_t arena_size;     /* bytes of values, after sharing */
    size_t unplanned_size; /* the same without sharing */
    size_t scratch_size;   /* of implementations */
    sn_arena arena;
} sn_plan;

/* Builds the plan for input shapes (entries of the session's inputs). Needs no lock. The result has one reference. */
SINTER_CHECK sinter_status sn_plan_build(const sn_session *s, const sn_shape *shapes, sn_plan **out, sinter_error *err);
sn_plan *sn_plan_retain(sn_plan *p);
void sn_plan_release(sn_plan *p);

/* ---------------------------------------------------------------------------------------------------- liveness */

/* What a plan must know of the main graph before it can place anything. */
typedef struct sn_liveness {
    bool *needed;      /* by value id: a graph output, or read by a node that is needed */
    bool *node_needed; /* by node id; main graph */
    uint32_t *last;    /* by value id: position in the main graph of the last node that reads it, itself or in a body */
    bool *is_output;   /* by value id: of the main graph */
} sn_liveness;

/* Values that are placed as constants already need nobody to compute them. All arrays are in the arena. */
SINTER_CHECK sinter_status sn_liveness_find(const sn_model *m, const sn_plan_value *values, sn_arena *arena,
                                            sn_liveness *out, sinter_error *err);

/* Calls visit for every body among the node's attributes, until it returns false. */
bool sn_for_each_body(const sn_node *node, bool (*visit)(void *context, sn_graph_id body), void *context);

/* ---------------------------------------------------------------------------------------------------- memory */

/* A piece of memory that is in use during steps [first, last]. */
typedef struct sn_interval {
    uint32_t first, last;
    size_t size;
    size_t offset; /* the result */
} sn_interval;

/* Gives each interval an offset such that no two that are in use at the same step overlap; *total is the end of the
 * highest. Sizes are rounded up to SN_ALIGNMENT. False when memory is out or the sum overflows. */
bool sn_assign_offsets(sn_interval *intervals, size_t n, size_t *total);

/* Decides which ARENA values share memory, gives all of them offsets and headers, and fills the sizes of the plan. */
SINTER_CHECK sinter_status sn_plan_memory(sn_plan *p, const sn_model *m, const sn_liveness *live, sinter_error *err);

#endif
