/* How much arithmetic a node is: for inspection, and as a bound on what is worth computing in advance. */
#ifndef SN_PASSES_FLOPS_H
#define SN_PASSES_FLOPS_H

#include "ops/infer.h"

/* Multiply and add counted as two; symbolic and unknown dimensions taken as 1. -1 when a rank it needs is unknown.
 * Nodes that only move or describe data are 0, and so are control-flow nodes: their bodies' nodes count for themselves.
 */
double sn_node_flops(const sn_model *m, const sn_facts *f, sn_node_id node);

#endif
