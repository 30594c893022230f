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

/* A value of the model, in plain layout; or, behind those, a version of one in another layout that only this plan has.
 */
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
    sn_node_id node;   /* the first of those it does; of a reordering: the node that wanted it */
    uint32_t position; /* in its program */
    const sn_prepared *prepared;
    const sn_value_id *in, *out; /* values of the plan; SN_NONE: left out. For references those of the node */
    size_t n_in, n_out;
    size_t n_node_in; /* those of the node; behind them there may be a residual */
    uint32_t flags;   /* SN_OP_VIEW, SN_OP_INPLACE: may outputs share memory with inputs? */
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

/* The first steps of a plan for a batch, image by image (by_image.h). */
typedef struct sn_image_stage {
    struct sn_plan *plan; /* for one image, of these steps alone; NULL: there is no stage */
    size_t images;
    const sn_value_id *crossing; /* what it leaves for the steps behind it; the same ids in both plans */
    size_t n_crossing;
} sn_image_stage;

typedef struct sn_plan {
    atomic_uint references;
    uint64_t serial;       /* which plan a run state was last bound to */
    uint64_t last_use;     /* of the session's clock; guarded by the session's lock */
    sn_shape *shapes;      /* of the session's inputs; rank -1: not a tensor */
    sn_plan_value *values; /* by value id; at least as many as the model has */
    sn_program *programs;  /* by graph id */
    size_t n_values, n_graphs;
    size_t n_headers;
    size_t arena_size;     /* bytes of values, after sharing */
    size_t unplanned_size; /* the same without sharing */
    size_t scratch_size;   /* of implementations */
    sn_image_stage stage;  /* runs before the steps of the main graph */
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
    bool *is_output;   /* by value id: of the main graph */
} sn_liveness;

/* Values that are placed as constants already need nobody to compute them. All arrays are in the arena. */
SINTER_CHECK sinter_status sn_liveness_find(const sn_model *m, const sn_plan_value *values, sn_arena *arena,
                                            sn_liveness *out, sinter_error *err);

/* Calls visit(context, value) for everything that a step or node reads, what its bodies read of values outside included
 * (and of their own, which does no harm). */
void sn_for_each_read(const sn_model *m, const sn_value_id *in, size_t n_in, const sn_node *bodies_of,
                      void (*visit)(void *context, sn_value_id id), void *context);

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

/* Decides which ARENA values share memory, gives all of them offsets and headers, and fills the sizes of the plan.
 * `last` says for each value which step of the main program reads it last; graph outputs are read behind the last step.
 */
SINTER_CHECK sinter_status sn_plan_memory(sn_plan *p, const uint32_t *last, sinter_error *err);

/* ---------------------------------------------------------------------------------------------------- building */

typedef struct sn_plan_builder {
    const sn_session *s;
    const sn_model *m;
    sn_plan *plan;
    sn_facts facts;
    sn_liveness live;
    sinter_error *err;
    sinter_status status; /* of visitors that can only say stop */
} sn_plan_builder;

/* lower.c: from one step per node to what runs: implementations are chosen, what they can do in one go is fused, and
 * reorderings are put in where layouts differ. */
SINTER_CHECK sinter_status sn_plan_lower(sn_plan_builder *b);

#endif
