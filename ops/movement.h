/*
 * Moving elements without looking at them: by size (1, 2, 4, 8 or 16 bytes; an element of a string tensor is its
 * 16-byte sinter_string). Transpose, Concat, Split and Slice are one strided copy each; Pad and nearest Resize are a
 * gather along per-axis index maps.
 */
#ifndef SN_OPS_MOVEMENT_H
#define SN_OPS_MOVEMENT_H

#include "base/shape.h"

/* A rectangle of elements in two arrays. Strides are in elements; source strides may be negative or 0. */
typedef struct sn_copy {
    int rank;
    size_t dims[SN_MAX_RANK];
    ptrdiff_t dst[SN_MAX_RANK], src[SN_MAX_RANK];
} sn_copy;

/* dst and src point to the rectangle's first element; they must not overlap. Changes *c. */
void sn_copy_run(sn_copy *c, size_t element, void *dst, const void *src);

/* Row-major strides of a static shape. */
void sn_row_major_strides(const sn_shape *shape, ptrdiff_t *strides);

/* Copies n elements that lie `step` elements apart in src to consecutive ones, or fills them with one value (step 0).
 */
void sn_copy_elements(size_t element, void *dst, const void *src, ptrdiff_t step, size_t n);

/* out[i0, i1, ...] = in[maps[0][i0], maps[1][i1], ...], or *fill where any map says -1. The ranks are equal. */
void sn_gather_maps(const sn_shape *in, const sn_shape *out, const int64_t *const *maps, size_t element, void *dst,
                    const void *src, const void *fill);

#endif
