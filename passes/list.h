/* The run functions of all passes, for the list in list.c. What each does is said in its own file. */
#ifndef SN_PASSES_LIST_H
#define SN_PASSES_LIST_H

#include "passes/pass.h"

sinter_status sn_pass_inline_functions(sn_pass_context *x);
sinter_status sn_pass_freeze_inputs(sn_pass_context *x);
sinter_status sn_pass_bn_stats(sn_pass_context *x);
sinter_status sn_pass_fold_constants(sn_pass_context *x);
sinter_status sn_pass_remove_identities(sn_pass_context *x);
sinter_status sn_pass_fold_bn_backward(sn_pass_context *x);
sinter_status sn_pass_fold_bn_forward(sn_pass_context *x);
sinter_status sn_pass_remove_dead(sn_pass_context *x);
sinter_status sn_pass_lower_bn(sn_pass_context *x);

#endif
