/*
 * Pattern: an initializer that is also listed among the main graph's inputs.
 * Rewrite: it is no longer listed, and so becomes a constant that later passes may fold.
 * Exact: before IR 4 every initializer *must* be listed, so that listing it says nothing: such models become IR 4. From
 * IR 4 on the listing makes it a default that a caller may override; giving that up needs the user's word
 * (--freeze-inputs).
 */
#include "passes/list.h"
#include "passes/rewrite.h"

#define IR_WITH_UNLISTED_INITIALIZERS 4

sinter_status sn_pass_freeze_inputs(sn_pass_context *x)
{
    sn_model *m = x->model;
    bool old = m->ir_version < IR_WITH_UNLISTED_INITIALIZERS;
    if (!old && !x->freeze_inputs) return SINTER_OK;

    x->changes = sn_unlist_initializers(m);
    if (old && x->changes > 0) {
        /* Operator set imports came with IR 3; without one a model means version 1. */
        if (!sn_import_opset(m, SN_STR(""), 1)) return sn_pass_no_memory(x);
        m->ir_version = IR_WITH_UNLISTED_INITIALIZERS;
    }
    return SINTER_OK;
}
