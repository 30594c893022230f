/*
 * state.h - what one run needs: memory for the planned values, a table of all values, scratch. Borrowed from the
 * session for the run, bound to the plan, and kept for the next one, so that a run of planned steps allocates only its
 * outputs.
 *
 * The table is indexed by value id, bodies' values included: bodies cannot be entered recursively, so one frame is
 * enough.
 */
#ifndef SN_RUNTIME_STATE_H
#define SN_RUNTIME_STATE_H

#include "runtime/session.h"

/* Scratch is a stack of chunks: marks and releases nest like calls do. */
typedef struct sn_scratch_chunk {
    struct sn_scratch_chunk *below;
    size_t size, used;
    char *data;
} sn_scratch_chunk;

typedef struct sn_scratch_mark {
    sn_scratch_chunk *chunk;
    size_t used;
} sn_scratch_mark;

struct sn_state {
    sn_state *next; /* in the session's list of idle states */
    sn_session *session;
    sn_plan *plan;  /* during a run */
    uint64_t bound; /* serial of the plan that values and headers are set up for; 0: none */
    char *memory;   /* arena, then scratch of implementations */
    size_t memory_size;
    void *impl_scratch;
    sinter_value *headers; /* of ARENA values */
    size_t headers_capacity;
    sinter_value **values;     /* by value id; NULL: not there (yet) */
    bool *owned;               /* values[i] is a reference that belongs to the state */
    size_t n_values;           /* room for */
    sn_scratch_chunk *scratch; /* topmost */
    size_t scratch_peak;       /* bytes that one chunk would have needed to do for all */
    sinter_value **buried;     /* values whose characters others may point at: released at the end of the run */
    size_t n_buried, buried_capacity;
    sn_state *of_image; /* runs the stage of plans that have one */
    uint64_t random;
    const bool *cancel;
    sinter_error *err;
};

/* An idle state of the session, best one that was last bound to the plan; NULL when there is none. Under the session's
 * lock. */
sn_state *sn_state_take_idle(sn_session *session, const sn_plan *plan);
/* Binds `idle` (taken over; NULL: a new one) to the plan. */
SINTER_CHECK sinter_status sn_state_begin(sn_session *session, sn_state *idle, sn_plan *plan, sn_state **out,
                                          sinter_error *err);
/* Releases everything that the run made and gives the state back. */
void sn_state_end(sn_session *session, sn_state *s);
void sn_state_free(sn_state *s);

void *sn_scratch_take(sn_state *s, size_t size); /* SN_ALIGNMENT-aligned; NULL when memory is out */
sn_scratch_mark sn_scratch_get_mark(const sn_state *s);
void sn_scratch_release(sn_state *s, sn_scratch_mark mark);

/* A state bound to the stage of the state's plan, which the state keeps; to be released after the stage. */
SINTER_CHECK sinter_status sn_state_for_images(sn_state *s, sn_state **out);
void sn_state_release_images(sn_state *s);

/* Puts a value into the table; takes over the reference. */
void sn_state_own(sn_state *s, sn_value_id id, sinter_value *value);
void sn_state_borrow_value(sn_state *s, sn_value_id id, const sinter_value *value);
/* Takes a heap value out of the table, when nothing will read it any more. */
SINTER_CHECK sinter_status sn_state_drop(sn_state *s, sn_value_id id);

/* Is the value one of the arena's headers, which must not be retained? */
bool sn_state_is_header(const sn_state *s, const sinter_value *value);

/* steps.c: the steps of the main graph or a body, in order. */
SINTER_CHECK sinter_status sn_run_program(sn_state *s, const sn_program *program);

#endif
