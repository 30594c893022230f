/* The pipeline: one ordered list. A pass is one file and one row here. */
#include "passes/list.h"

const sn_pass sn_passes[] = {
    {"inline-functions", "replace calls of the model's own functions by their bodies", SN_STAGE_PORTABLE, false,
     sn_pass_inline_functions},
    {"freeze-inputs", "turn initializers that are listed as inputs into plain constants", SN_STAGE_PORTABLE, false,
     sn_pass_freeze_inputs},
    {"bn-stats", "apply the policy for BatchNormalization and Dropout exported in training mode", SN_STAGE_PORTABLE,
     false, sn_pass_bn_stats},
    {"fold-constants", "compute what depends on constants only, and take the constant branch of If", SN_STAGE_PORTABLE,
     true, sn_pass_fold_constants},
    {"remove-identities", "remove operators that give their input back unchanged", SN_STAGE_PORTABLE, true,
     sn_pass_remove_identities},
    {"fold-bn-backward", "fold BatchNormalization and per-channel Mul, Add, Sub, Div into the linear operator before",
     SN_STAGE_PORTABLE, true, sn_pass_fold_bn_backward},
    {"fold-bn-forward", "fold BatchNormalization into the linear operator after it", SN_STAGE_PORTABLE, true,
     sn_pass_fold_bn_forward},
    {"remove-dead", "remove nodes and initializers that nothing reads", SN_STAGE_PORTABLE, false, sn_pass_remove_dead},
    {"lower-bn", "turn each BatchNormalization that is left into one per-channel multiply-add", SN_STAGE_LOWERING, true,
     sn_pass_lower_bn},
    {0},
};

static const sn_pass *portable_pass(size_t index)
{
    for (const sn_pass *p = sn_passes; p->name; p++)
        if (p->stage == SN_STAGE_PORTABLE && index-- == 0) return p;
    return NULL;
}

size_t sinter_pass_count(void)
{
    size_t n = 0;
    while (portable_pass(n)) n++;
    return n;
}

sinter_pass_row sinter_pass(size_t index)
{
    const sn_pass *p = portable_pass(index);
    return p ? (sinter_pass_row){p->name, p->description, 0} : (sinter_pass_row){"", "", 0};
}
