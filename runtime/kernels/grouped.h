/*
 * grouped.h - convolution in groups of few channels, as many out as in, over channels-last images:
 *
 *     y[o][c] = activation(bias[c] + sum over taps t and i < n of x[position(o, t)][c - c % n + i] * w[c][i][t]
 *                          + residual[o][c])
 *
 * for every output position o, where n is the group's channels: 1 (depthwise.c), or 2, 4 or 8 (grouped.c). Taps outside
 * of the image are left out. The order of a sum depends on n and the kernel alone, not on where o lies.
 */
#ifndef SN_RUNTIME_KERNELS_GROUPED_H
#define SN_RUNTIME_KERNELS_GROUPED_H

#include "runtime/kernels/activation.h"
#include "runtime/kernels/window.h"

#define SN_GROUPED_MOST 8 /* channels of a group: larger ones fill the columns of a product */

typedef struct sn_grouped {
    const sn_image_window *window;
    size_t channels, group; /* in all, a multiple of the group's */
    const float *x;         /* of the first image */
    const float *weights;   /* packed */
    float *y;               /* output position m (image, depth, height, width) at y[m * y_pitch] */
    size_t y_pitch;
    sn_epilogue epilogue; /* its rows are output positions; without `scale`, which belongs into the weights */
} sn_grouped;

typedef struct sn_grouped_kernels {
    size_t (*packed_size)(size_t channels, size_t group, size_t taps);
    /* ONNX weights [channels][group][taps] to what `run` reads, and back. */
    void (*pack)(const float *weights, size_t channels, size_t group, size_t taps, float *packed);
    void (*unpack)(const float *packed, size_t channels, size_t group, size_t taps, float *weights);
    /* Output rows [row0, row1); image i, depth d, height h is row (i * out[0] + d) * out[1] + h. */
    void (*run)(const sn_grouped *g, size_t row0, size_t row1);
} sn_grouped_kernels;

typedef sn_grouped_kernels sn_depthwise_kernels; /* for groups of one channel */

#endif
