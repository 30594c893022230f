/* What a Reshape's target comes to: see Reshape in the ONNX operator specification. */
#ifndef SN_OPS_RESHAPE_H
#define SN_OPS_RESHAPE_H

#include "base/shape.h"

enum { SN_RESHAPE_WHY = 200 }; /* room for the reason of a refusal */

/* `in` may be of unknown rank; elements of the target and dims of `in` may be symbols or unknown. False, with the
 * reason in `why`, when they contradict each other. A dimension that cannot be told stays unknown: with nothing but
 * numbers that is a -1 beside a 0. */
bool sn_reshape(const sn_shape *in, const int64_t *target, size_t n, bool allow_zero, sn_shape *out, char *why);

#endif
