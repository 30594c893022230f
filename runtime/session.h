/* Inside view of a session: what its files share. */
#ifndef SN_RUNTIME_SESSION_H
#define SN_RUNTIME_SESSION_H

#include "runtime/plan.h"
#include "runtime/tune.h"
#include <pthread.h>

typedef struct sn_state sn_state;

typedef struct sn_session_input {
    sn_value_id value;
    size_t position; /* among the main graph's inputs */
    sinter_io io;
    /* Where the symbol of each dimension appears first, as an index into `inputs` and an axis there; SN_NONE: here, or
     * no symbol. */
    uint32_t first_input[SN_MAX_RANK];
    uint8_t first_axis[SN_MAX_RANK];
} sn_session_input;

typedef struct sn_profile_entry { /* of a node */
    atomic_uint_least64_t calls, nanoseconds;
    _Atomic(const char *) impl;
} sn_profile_entry;

struct sinter_session {
    sinter_model *model; /* NULL until creation has succeeded: failing leaves it with the caller */
    const sn_model *m;
    sn_prepared_model prepared;
    sinter_pool *pool;
    const sn_kernels *kernels;
    sn_packs *packs; /* NULL for a reference session */
    sn_tuner *tuner; /* NULL: what impls.def says is believed */
    bool reference, no_winograd;
    bool uses_up_model; /* from the moment on when weights are let go */
    sn_session_input *inputs;
    size_t n_inputs;
    sinter_io *outputs; /* as many as the main graph has */
    size_t n_outputs;
    sn_profile_entry *profile; /* by node id, or NULL */

    pthread_mutex_t lock; /* guards what follows */
    sn_plan **plans;      /* max_plans slots */
    size_t n_plans, max_plans;
    uint64_t clock;        /* of plans' last_use */
    sn_state *idle_states; /* a list */
    size_t n_idle_states, max_idle_states;
    atomic_uint_least64_t next_serial;
};

/* weights.c: take payloads out of the model's mapped files. Attributes first: prepared operators point to their
 * tensors. Sparse initializers become dense. */
SINTER_CHECK sinter_status sn_materialize_attributes(sn_model *m, sinter_error *err);
SINTER_CHECK sinter_status sn_materialize_initializers(sn_model *m, sinter_error *err);

/* plan_cache.c: a run state bound to the plan for these inputs. The caller releases state->plan after sn_state_end. */
SINTER_CHECK sinter_status sn_session_begin(sn_session *s, const sinter_value *const *inputs, sn_state **out,
                                            sinter_error *err);

/* inputs.c: finds where each symbolic dimension of the inputs appears first. */
SINTER_CHECK sinter_status sn_link_symbols(sn_session *s, sinter_error *err);
/* inputs.c: checks the inputs, each by itself and all of them together. */
SINTER_CHECK sinter_status sn_check_inputs(const sn_session *s, const sinter_value *const *inputs, sinter_error *err);

#endif
