/* What a step can do beside its own node: finding the nodes that follow it and only it. */
#ifndef SN_RUNTIME_FUSION_H
#define SN_RUNTIME_FUSION_H

#include "runtime/plan.h"

#define SN_MAX_FUSED 3 /* nodes behind the first: an addition and up to two of an activation */

typedef struct sn_fused {
    sn_fusion fusion;
    sn_value_id residual; /* SN_NONE: none */
    sn_value_id out;      /* of the last node */
    sn_node_id nodes[SN_MAX_FUSED];
    size_t n_nodes;
} sn_fused;

/* Follows output 0 of the node. `ready` says by value id what is computed before it. */
sn_fused sn_fusion_find(const sn_plan_builder *b, sn_node_id node, const bool *ready);

/* An element-wise node as an activation of its input 0. */
bool sn_activation_read(const sn_plan_builder *b, sn_node_id node, sn_activation *out);

#endif
