/*
 * depthwise.h - convolution of every channel with a filter of its own, over channels-last images:
 *
 *     y[o][c] = activation(bias[c] + sum over taps t of x[position(o, t)][c] * w[t][c] + residual[o][c])
 *
 * for every output position o. Taps outside of the image are left out. The sum runs over the taps in their order
 * (depth, height, width: the last one fastest), from the bias on, wherever o lies: it depends on nothing else.
 */
#ifndef SN_RUNTIME_KERNELS_DEPTHWISE_H
#define SN_RUNTIME_KERNELS_DEPTHWISE_H

#include "runtime/kernels/activation.h"
#include "runtime/kernels/window.h"

typedef struct sn_depthwise {
    const sn_image_window *window;
    size_t channels;
    const float *x;       /* of the first image */
    const float *weights; /* packed */
    float *y;             /* output position m (image, depth, height, width) at y[m * y_pitch] */
    size_t y_pitch;
    sn_epilogue epilogue; /* its rows are output positions; without `scale`, which belongs into the weights */
} sn_depthwise;

typedef struct sn_depthwise_kernels {
    /* ONNX weights [channels][1][taps] to [taps][channels], and back. */
    void (*pack)(const float *weights, size_t channels, size_t taps, float *packed);
    void (*unpack)(const float *packed, size_t channels, size_t taps, float *weights);
    /* Output rows [row0, row1); image i, depth d, height h is row (i * out[0] + d) * out[1] + h. */
    void (*run)(const sn_depthwise *d, size_t row0, size_t row1);
} sn_depthwise_kernels;

#endif
