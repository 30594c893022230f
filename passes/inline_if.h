/* Replacing an If whose condition is a constant by the branch it takes. */
#ifndef SN_PASSES_INLINE_IF_H
#define SN_PASSES_INLINE_IF_H

#include "passes/clone.h"

/* Is the node an If with a constant condition? */
bool sn_if_is_decided(const sn_model *m, sn_node_id node);
/* Moves the branch into the If's graph, at the If's place. The cloner may be used for many. */
SINTER_CHECK sinter_status sn_inline_if(sn_cloner *c, sn_node_id node);

#endif
