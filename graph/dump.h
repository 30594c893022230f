/* Readable text of a model in a stable order: what people see and what pass tests compare. */
#ifndef SN_GRAPH_DUMP_H
#define SN_GRAPH_DUMP_H

#include "graph/graph.h"

/* One line per input, initializer, node and output; subgraphs indented below their node:
 *   graph main_graph
 *     input x: float[Nx3x32x32]
 *     init conv.weight: float[16x3x3x3]
 *     y = Conv(x, conv.weight) kernel_shape=[3, 3] pads=[1, 1, 1, 1]
 *     output y: float[Nx16x32x32]
 */
void sn_dump(const sn_model *m, sn_text *out);
/* "float[Nx3x32x32]", "seq(float[?])" */
void sn_dump_type(const sn_model *m, const sn_type *t, sn_text *out);

#endif
