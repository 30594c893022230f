/* Shape inference over a whole model: used by passes (symbolic), by inspection and by plans (concrete shapes). */
#ifndef SN_OPS_INFER_H
#define SN_OPS_INFER_H

#include "ops/op.h"

/* All nodes of a model with rows and params; indexed by node id. Zeroed struct: empty. */
typedef struct sn_prepared_model {
    sn_prepared *nodes;
    size_t n_nodes;
    sn_arena arena;
} sn_prepared_model;

SINTER_CHECK sinter_status sn_prepare_model(const sn_model *m, sn_prepared_model *out, sinter_error *err);
void sn_prepared_model_free(sn_prepared_model *p);

/* Facts of all values; indexed by value id. Zeroed struct: empty. */
typedef struct sn_facts {
    sn_fact *values;
    size_t n_values;
    sn_arena arena;
    sinter_value **computed; /* owned: small constants that inference worked out; facts point to them */
    size_t n_computed, computed_capacity;
} sn_facts;

/* Infers the main graph and all bodies in node order. Graph inputs take their declared types, except where `shapes`
 * (indexed like the main graph's inputs; may be NULL; an entry of rank -1 means "as declared") gives a shape. What a
 * node's infer leaves unknown is filled from declared value_info when its dtype and rank do not contradict it and
 * `trust_declared` is set (plans do not trust). Nodes without a row yield declared or unknown facts. */
SINTER_CHECK sinter_status sn_infer_model(const sn_model *m, const sn_prepared_model *p, const sn_shape *shapes,
                                          bool trust_declared, sn_facts *out, sinter_error *err);
void sn_facts_free(sn_facts *f);

#endif
