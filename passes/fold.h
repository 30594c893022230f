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

/* Checks everything, then edits the linear operator so that it computes the chain too. Statuses as in affine.h; on a
 * refusal nothing has changed. The caller removes the links. */
sinter_status sn_conv_absorb_output(sn_fold *f);
sinter_status sn_conv_absorb_input(sn_fold *f);
sinter_status sn_conv_transpose_absorb_output(sn_fold *f);
sinter_status sn_gemm_absorb_output(sn_fold *f);
sinter_status sn_gemm_absorb_input(sn_fold *f);
sinter_status sn_matmul_absorb_output(sn_fold *f);
sinter_status sn_matmul_absorb_input(sn_fold *f);

/* ---------------------------------------------------------------------------------------------------- for those files
 */

/* The constant at an input of the linear operator; UNSUPPORTED with the reason when it is none. */
SINTER_CHECK sinter_status sn_fold_constant(sn_fold *f, size_t slot, const char *what, const sinter_value **out);

bool sn_all_equal(const double *values, size_t n, double expected);

/*
 * Edits are made whole or not at all, also when memory runs out in between: first everything that can fail
 * (sn_fold_prepare, which changes nothing that a reader could see), then sn_fold_apply.
 */
typedef struct sn_constant_edit {
    sn_node_id node;
    size_t slot;
    sn_value_id old, fresh; /* fresh SN_NONE: the tensor goes in place of the old one */
    sinter_value *tensor;
} sn_constant_edit;

/* Gets ready to let input `slot` of the node read the tensor, whose reference it takes over. An initializer that others
 * read too is left to them: the node gets a new one, called after the old one, or NODE.what. A NULL tensor prepares
 * nothing. */
SINTER_CHECK sinter_status sn_fold_prepare(sn_fold *f, sn_node_id node, size_t slot, sinter_value *tensor,
                                           const char *what, sn_constant_edit *edit);
void sn_fold_apply(sn_fold *f, const sn_constant_edit *edit);
void sn_fold_cancel(const sn_constant_edit *edit);

/* Both for inputs 1 and 2 of the linear operator; either may be NULL: unchanged. Takes over both references. */
SINTER_CHECK sinter_status sn_fold_commit(sn_fold *f, sinter_value *weight, sinter_value *bias);

#endif
