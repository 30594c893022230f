/*
 * Walking two or three arrays under numpy broadcasting. Dimensions that every operand walks alike are merged first, so
 * that what remains is a short odometer around long inner runs, in which each operand either advances by one element or
 * stays.
 */
#ifndef SN_OPS_BROADCAST_H
#define SN_OPS_BROADCAST_H

#include "ops/op.h"

#define SN_BROADCAST_MAX 3

typedef struct sn_broadcast {
    int rank; /* merged; at least 1 */
    int operands;
    size_t dims[SN_MAX_RANK];                      /* of the output */
    size_t strides[SN_BROADCAST_MAX][SN_MAX_RANK]; /* in elements; 0: repeated. Innermost: 0 or 1 */
    size_t run;                                    /* elements of an inner run */
    size_t index[SN_MAX_RANK];
    size_t out; /* element offsets of the current run */
    size_t in[SN_BROADCAST_MAX];
    size_t left; /* runs not yet visited, the current one included */
} sn_broadcast;

/* All shapes are static and every in[i] broadcasts to `out`. Stands on the first run; left == 0 when there is nothing.
 */
void sn_broadcast_begin(sn_broadcast *b, const sn_shape *out, const sn_shape *const *in, int operands);
void sn_broadcast_next(sn_broadcast *b);
static inline size_t sn_broadcast_step(const sn_broadcast *b, int operand)
{
    return b->strides[operand][b->rank - 1];
}

/* The shape of several present inputs broadcast together; fails naming both shapes. */
SINTER_CHECK sinter_status sn_eval_broadcast_shape(sn_eval *x, const sn_shape *const *in, size_t n, sn_shape *out);

#endif
