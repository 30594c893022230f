/* Reading a BatchNormalization, in every opset version. */
#ifndef SN_PASSES_BN_H
#define SN_PASSES_BN_H

#include "passes/rewrite.h"

enum { SN_BN_X, SN_BN_SCALE, SN_BN_SHIFT, SN_BN_MEAN, SN_BN_VAR, SN_BN_INPUTS };
extern const char *const sn_bn_input_names[SN_BN_INPUTS]; /* "scale", "bias", ... */

/* Does the file ask for batch statistics? opset >= 14: training_mode; 7 to 13: more than one output; before: is_test =
 * 0. */
bool sn_bn_is_training(const sn_model *m, sn_node_id node);
/* Rewrites it to inference form. Its further outputs must be unread. False when memory is out. */
bool sn_bn_make_inference(sn_model *m, sn_node_id node);
/* Is any output but the first read? */
bool sn_bn_statistics_are_read(const sn_model *m, sn_node_id node);

/*
 * y = scale[c] * x + shift[c] of an inference BatchNormalization, in double:
 *   scale = gamma / sqrt(var + epsilon),  shift = beta - mean * scale
 * Arrays of *channels entries in the arena. Fails with INVALID_MODEL when its parameters forbid it (not constant, of
 * different lengths, not finite, negative variance, training mode, spatial = 0): the text, without the node's name, is
 * for the report.
 */
SINTER_CHECK sinter_status sn_bn_read(const sn_model *m, sn_node_id node, sn_arena *a, double **scale, double **shift,
                                      size_t *channels, sinter_error *why);

#endif
