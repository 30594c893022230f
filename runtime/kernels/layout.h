/*
 * layout.h - moves elements to where the next kernel wants them, at the speed of memory. Elements are floats, or
 * anything else of 4 bytes: bits are copied, never computed with. Pitches count elements. Source and target do not
 * overlap.
 *
 * NCHW to NHWC is the transpose of every image's matrix [channels][positions], whose y_row is the pixel pitch of the
 * target: more than `channels` when the target is a piece of a concatenation. NHWC to NCHW is the same with rows and
 * columns exchanged, and x_row the pixel pitch of the source.
 */
#ifndef SN_RUNTIME_KERNELS_LAYOUT_H
#define SN_RUNTIME_KERNELS_LAYOUT_H

#include "runtime/kernels/window.h"

/* y[b * y_batch + j * y_row + i] = x[b * x_batch + i * x_row + j] */
typedef struct sn_transpose {
    size_t batch, rows, columns; /* of x */
    const float *x;
    size_t x_batch, x_row;
    float *y;
    size_t y_batch, y_row;
} sn_transpose;

/* y[i * y_row + j] = x[i * x_row + j] */
typedef struct sn_copy {
    size_t rows, columns;
    const float *x;
    size_t x_row;
    float *y;
    size_t y_row;
} sn_copy;

/* A copy of images with zeros around each, channels-last and without gaps: [images][depth][height][width][channels]
 * with the extents before + in + after. So a row of a kernel is one run of kernel * channels elements, which is what
 * convolutions of few channels want. x is channels-last (x_channel is 1) or channels-first (x_axis[2] is 1). */
typedef struct sn_padded_copy {
    size_t images, channels;
    size_t in[SN_WINDOW_AXES], before[SN_WINDOW_AXES], after[SN_WINDOW_AXES];
    const float *x;
    size_t x_image, x_channel, x_axis[SN_WINDOW_AXES]; /* from one image, channel, position to the next */
    float *y;
} sn_padded_copy;

/* Element i of y, at the sum of i[a] * y_stride[a], is that of x at the sum of i[a] * x_stride[a]. Made for
 * permutations of axes; slices and broadcasts (a stride of 0 in x) are the same loop. */
#define SN_PERMUTE_AXES 8
typedef struct sn_permutation {
    size_t axes;
    size_t extent[SN_PERMUTE_AXES];
    ptrdiff_t x_stride[SN_PERMUTE_AXES], y_stride[SN_PERMUTE_AXES];
    const float *x;
    float *y;
} sn_permutation;

/* Work is counted in units, of which a call does [unit0, unit1). */
typedef struct sn_layout_kernels {
    size_t (*transpose_units)(const sn_transpose *t);
    void (*transpose)(const sn_transpose *t, size_t unit0, size_t unit1);
    void (*copy)(const sn_copy *c, size_t row0, size_t row1);
    /* Rows of the target: row (i * depth + d) * height + h, of padded extents. */
    void (*padded_copy)(const sn_padded_copy *p, size_t row0, size_t row1);
    /* Leaves out axes of extent 1, and joins neighbours that run through memory as one in x and y: the fewer axes, the
     * faster. For once, before permute_units and permute. */
    void (*merge_axes)(sn_permutation *p);
    size_t (*permute_units)(const sn_permutation *p);
    void (*permute)(const sn_permutation *p, size_t unit0, size_t unit1);
} sn_layout_kernels;

#endif
