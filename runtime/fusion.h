/* What a step can do beside its own node: finding the nodes that follow it and only it. */
#ifndef SN_RUNTIME_FUSION_H
#define SN_RUNTIME_FUSION_H

#include "runtime/plan.h"

#define SN_MAX_FUSED 4 /* nodes behind the first: two additions and up to two of an activation */

typedef struct sn_fused {
    sn_fusion fusion;
    sn_value_id residual, bias; /* SN_NONE: none */
    sn_value_id out;            /* of the last node */
    sn_node_id nodes[SN_MAX_FUSED];
    size_t n_nodes;
} sn_fused;

/* Follows output 0 of the node. `ready` says by value id what is computed before it. */
sn_fused sn_fusion_find(const sn_plan_builder *b, sn_node_id node, const bool *ready);

/* Is the value, or what additions and activations that follow nothing else make of it, an output of the model? Whether
 * these are fused depends on sizes, the batch among them; this does not. */
bool sn_fusion_reaches_output(const sn_plan_builder *b, sn_value_id v);

/* A node as an activation of its input 0, given the facts of its inputs. */
bool sn_activation_read(const sn_node *node, const sn_fact *in, size_t n_in, sn_activation *out);

#endif
