/* Absorbing a composed chain into a linear operator: one row per operator, one file per family. */
#ifndef SN_PASSES_FOLD_H
#define SN_PASSES_FOLD_H

#include "passes/affine.h"
#include "passes/weights.h"

typedef struct sn_fold {
    sn_pass_context *x;
    sn_chain *chain;
    sn_node_id linear;
    sinter_error *why;
    sn_node_id keep; /* out: a link that now holds the shift and stays (the Add after a MatMul); SN_NONE: none */
} sn_fold;

/* Checks everything, then edits the linear operator so that it computes the chain too. Statuses as in affine.h; on a refusal nothing has
 * changed. The caller removes the links. */
sinter_status sn_conv_absorb_output(sn_fold *f);
sinter_status sn_conv_absorb_input(sn_fold *f);
sinter_status sn_conv_transpose_absorb_output(sn_fold *f);
sinter_status sn_gemm_absorb_output(sn_fold *f);
sinter_status sn_gemm_absorb_input(sn_fold *f);
sinter_status sn_matmul_absorb_output(sn_fold *f);
sinter_status sn_matmul_absorb_input(sn_fold *f);

/* ---------------------------------------------------------------------------------------------------- for those files */

/* The constant at an input of the linear operator; UNSUPPORTED with the reason when it is none. */
SINTER_CHECK sinter_status sn_fold_constant(sn_fold *f, size_t slot, const char *what, const sinter_value **out);

bool sn_all_equal(const double *values, size_t n, double expected);

/* New constants for inputs 1 (weight) and 2 (bias) of the linear operator. Takes over both references, each may be NULL: unchanged. An
 * initializer that others read too is left to them: the operator gets a copy of its own under a new name. */
SINTER_CHECK sinter_status sn_fold_commit(sn_fold *f, size_t weight_slot, sinter_value *weight, sinter_value *bias,
                                          const char *bias_name);

/* After a Mul, Add, ... was chosen to hold a constant: lets `node` read it in place of its constant operand. */
SINTER_CHECK sinter_status sn_fold_set_constant(sn_fold *f, sn_node_id node, size_t slot, sinter_value *constant,
                                                const char *name);

#endif
