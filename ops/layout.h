/* layout.h - Transpose, Concat and Split: parameters, read by the references here and by the runtime. */
#ifndef SN_OPS_LAYOUT_H
#define SN_OPS_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sn_transpose_params {
    const int64_t *perm; /* NULL: reverse all dimensions */
    size_t n_perm;
} sn_transpose_params;

/* Where output dimension i comes from. */
static inline int sn_transpose_source(const sn_transpose_params *p, int rank, int i)
{
    return p->perm ? (int)p->perm[i] : rank - 1 - i;
}

typedef struct sn_concat_params {
    int64_t axis; /* negative: from the end */
} sn_concat_params;

typedef struct sn_split_params {
    int64_t axis;         /* negative: from the end */
    const int64_t *sizes; /* attribute `split`, up to opset 12 */
    size_t n_sizes;
    bool uneven; /* opset 18: the last part may be smaller */
} sn_split_params;

#endif
