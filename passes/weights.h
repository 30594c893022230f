/* Arithmetic on the constants of linear operators: computed in double, rounded once to the constant's own type. */
#ifndef SN_PASSES_WEIGHTS_H
#define SN_PASSES_WEIGHTS_H

#include "base/value.h"

/*
 * Any weight seen as [groups][outer][channels][inner], where element (g, o, c, i) belongs to channel g * channels + c:
 *   Conv, by output channel            1, 1, M, C/group * k        by input channel    group, M/group, C/group, k
 *   ConvTranspose, by output channel   group, C/group, M/group, k
 *   a matrix [R][S], by row            1, 1, R, S                  by column           1, R, S, 1
 */
typedef struct sn_weight_view {
    size_t groups, outer, channels, inner;
} sn_weight_view;

/* A new tensor: each element times its channel's scale. UNSUPPORTED when a result is not finite in the weight's type.
 */
SINTER_CHECK sinter_status sn_weights_scale(const sinter_value *w, const sn_weight_view *view, const double *scale,
                                            sinter_value **out, sinter_error *why);

/* What a shift on the input side adds to each output: sums[g * outer + o] = sum over c, i of w * shift[channel].
 * With by_inner (groups and outer must be 1): sums[i] = sum over c. */
void sn_weights_project(const sinter_value *w, const sn_weight_view *view, const double *shift, bool by_inner,
                        double *sums);

/* A new tensor of the given values. UNSUPPORTED, naming `what`, when one is not finite in the type. */
SINTER_CHECK sinter_status sn_weights_store(sinter_dtype dtype, const sn_shape *shape, const double *values,
                                            const char *what, sinter_value **out, sinter_error *why);

#endif
