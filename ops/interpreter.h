/* Evaluates nodes by their reference functions, on heap memory: for constant folding and as the oracle. */
#ifndef SN_OPS_INTERPRETER_H
#define SN_OPS_INTERPRETER_H

#include "ops/infer.h"

/* Evaluates one node. in[i] NULL: left out. outs[n_out] receives new references (NULL for outputs the node does not
 * name). Bodies see only constants of the model and their own inputs: UNSUPPORTED when a body captures anything else.
 */
SINTER_CHECK sinter_status sn_evaluate_node(const sn_model *m, const sn_prepared_model *p, sn_node_id node,
                                            const sinter_value *const *in, sinter_value **outs, sinter_error *err);

/* The same with a limit for each output: TOO_LARGE beyond. */
SINTER_CHECK sinter_status sn_evaluate_node_within(const sn_model *m, const sn_prepared_model *p, sn_node_id node,
                                                   size_t max_output_bytes, const sinter_value *const *in,
                                                   sinter_value **outs, sinter_error *err);

#endif
