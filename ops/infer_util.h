/* Inference helpers beyond the operator contract (op.h), shared by the driver and the families. */
#ifndef SN_OPS_INFER_UTIL_H
#define SN_OPS_INFER_UTIL_H

#include "ops/infer.h"

/* Present, and nothing known. */
sn_fact sn_fact_unknown(void);
/* Everything about a constant; its small integers become `known` too. Borrows the constant. */
SINTER_CHECK sinter_status sn_fact_of_constant(const sinter_value *constant, sn_arena *arena, sn_fact *out,
                                               sinter_error *err);
/* What holds whichever of the two a value turns out to be. */
sn_fact sn_fact_merge(const sn_fact *a, const sn_fact *b, sn_arena *arena);

/* Works out a node by evaluating it, when its inputs are small and wholly known and its infer function left outputs
 * open. */
void sn_infer_by_evaluation(const sn_model *m, const sn_prepared_model *p, sn_node_id node, const sn_fact *in,
                            sn_fact *out, sn_facts *facts);

/* Output 0 holds the elements of input 0 in the same order: hands over what is known of them if the output, whose shape
 * was set before, is of rank 0 or 1. */
void sn_infer_keep_known(sn_infer *x);

/* The product of n dims: a number, a symbol when everything else is 1, or SN_DIM_UNKNOWN. */
int64_t sn_dims_product(const int64_t *dims, int n);

#endif
