/* Shapes that a caller fixes for inputs, by name. */
#ifndef SN_PASSES_SHAPES_H
#define SN_PASSES_SHAPES_H

#include "graph/graph.h"
#include "ops/infer.h"

/* Looks each one up among the main graph's inputs. *out: one entry per input of the main graph, rank -1 where nothing
 * was given; the caller's to sn_free. INVALID_ARGUMENT for an unknown name, or a rank or dimension that contradicts the
 * declaration. */
SINTER_CHECK sinter_status sn_shapes_resolve(const sn_model *m, const sinter_shape *shapes, size_t n, sn_shape **out,
                                             sinter_error *err);
/* Writes them into the inputs' declared types. */
void sn_shapes_apply(sn_model *m, const sn_shape *shapes);
/* After sn_shapes_apply: gives declared types (of outputs and of values in between) the numbers that now follow for
 * what they left symbolic. */
void sn_shapes_refine_declared(sn_model *m, const sn_facts *f);

#endif
