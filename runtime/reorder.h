/* The planner's own step: a value in another layout. */
#ifndef SN_RUNTIME_REORDER_H
#define SN_RUNTIME_REORDER_H

#include "runtime/impl.h"

/* To the given layout, from the other one. */
const sn_impl *sn_reorder_impl(sn_layout to);
/* The state for a value of that shape (rank >= 3, floats); NULL when memory is out. */
void *sn_reorder_prepare(const sn_kernels *kernels, const sn_shape *shape, sn_arena *arena);

#endif
