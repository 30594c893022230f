/*
 * Where a channel index lives in a tensor, and how it moves through operators that only rearrange elements.
 *
 * At a place {axis, inner, count} the channel of an element is (index along axis / inner) % count: a plain channel axis
 * has inner 1 and count C; after Flatten of [N, C, H, W] it is {1, H*W, C}: a block of columns.
 */
#ifndef SN_PASSES_PLACE_H
#define SN_PASSES_PLACE_H

#include "passes/rewrite.h"

#define SN_PLACE_UNIFORM (-1) /* one channel: every element, whatever the shape */

typedef struct sn_place {
    int axis;
    int64_t inner, count;
} sn_place;

/* An operator whose output 0 holds the elements of input 0 in another arrangement or under another shape. */
bool sn_is_layout(const sn_node *n);

/* Turns a place in the layout node's output into the place in its input (upward), or the reverse. False when shapes do
 * not prove that the channel stays an index of one axis: *place is then unchanged. */
bool sn_place_upward(const sn_pass_context *x, sn_node_id node, sn_place *place);
bool sn_place_downward(const sn_pass_context *x, sn_node_id node, sn_place *place);

/* Is the place on `axis`, of `size` elements, and does it divide them evenly? */
bool sn_place_fits(const sn_place *place, int axis, int64_t size);
static inline size_t sn_place_channel(const sn_place *p, size_t index)
{
    return (size_t)((int64_t)index / p->inner % p->count);
}

#endif
