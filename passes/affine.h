/*
 * Affine links and chains: the mechanism behind all folding of BatchNormalization.
 *
 * A link is a node that computes y = scale[c] * x + shift[c] of one data input, c being the channel at some place: an
 * inference BatchNormalization, or Mul, Add, Sub, Div with a constant that varies along at most one axis. A chain is
 * links and layout operators in a row, each read by the next one only. All of it composes into one scale and shift per
 * channel, which a linear operator at the end of the chain can absorb. Computed in double; rounded once, when the
 * absorbed weights are stored.
 *
 * In this code a refusal is a status, with its reason as the text:
 *   NOT_FOUND      there is no linear operator at the end of the chain, or nothing to gain
 *   UNSUPPORTED    there is one, but folding into it would be wrong or cannot be proven right
 *   INVALID_MODEL  the link itself is unfit
 * Only NO_MEMORY leaves the pass as an error.
 */
#ifndef SN_PASSES_AFFINE_H
#define SN_PASSES_AFFINE_H

#include "passes/place.h"

#define SN_MAX_CHAIN_LINKS 16
#define SN_MAX_CHAIN_NODES 64
#define SN_MAX_CHANNELS    ((size_t)1 << 22) /* more is not a channel axis but a whole tensor */

typedef struct sn_link {
    sn_node_id node;
    sn_value_id data, out;
    sn_place place;        /* in `data` and `out`; moved along as the walk passes layout nodes */
    double *scale, *shift; /* place.count entries, in the chain's arena */
} sn_link;

typedef struct sn_chain {
    sn_link
        links[SN_MAX_CHAIN_LINKS]; /* in the order in which they are met, starting with the node the walk began at */
    size_t n_links;
    sn_node_id layout;  /* the first layout node passed, or SN_NONE */
    sn_node_id linear;  /* the linear operator that ends the chain */
    size_t linear_slot; /* its input that the chain feeds (forward only) */
    bool backward;      /* the linear operator comes before the links */
    bool has_bn;
    sn_arena arena;
} sn_chain;

/* INVALID_MODEL when the node is not a link, or an unfit one. */
SINTER_CHECK sinter_status sn_link_read(const sn_pass_context *x, sn_node_id node, sn_arena *a, sn_link *out,
                                        sinter_error *why);
/* Could the node be a link, going by its operator? */
bool sn_may_be_link(const sn_node *n);
bool sn_is_linear(const sn_node *n);

/* Walk from a link to the linear operator before or after it. On any status the chain must be freed. */
SINTER_CHECK sinter_status sn_chain_backward(sn_pass_context *x, sn_node_id start, sn_chain *c, sinter_error *why);
SINTER_CHECK sinter_status sn_chain_forward(sn_pass_context *x, sn_node_id start, sn_chain *c, sinter_error *why);
void sn_chain_free(sn_chain *c);

/* The composed affine of the whole chain for each of `size` indices along `axis` of the tensor at the linear operator.
 * UNSUPPORTED when a link's channels are not along that axis. Arrays in the chain's arena. */
SINTER_CHECK sinter_status sn_chain_compose(sn_pass_context *x, sn_chain *c, int axis, size_t size, double **scale,
                                            double **shift, sinter_error *why);

#endif
