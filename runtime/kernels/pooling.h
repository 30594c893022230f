/*
 * pooling.h - maximum and average under a window, over channels-last images.
 *
 * Only taps inside of the image count. The maximum is NaN when one of them is, and -Inf when there is none. The average
 * divides their sum by their number, or, with count_include_pad, by the number of taps that lie inside of the padded
 * image: what a last window reaches beyond that (ceil_mode) never counts (ONNX AveragePool-19).
 *
 * Sums run over rows of the window, and then over its rows: in an order that depends on the window and the position
 * alone.
 */
#ifndef SN_RUNTIME_KERNELS_POOLING_H
#define SN_RUNTIME_KERNELS_POOLING_H

#include "runtime/kernels/window.h"
#include <stdbool.h>

typedef struct sn_pooling {
    const sn_image_window *window;
    ptrdiff_t pad_end[SN_WINDOW_AXES]; /* only read with count_include_pad */
    bool count_include_pad;
    size_t channels;
    const float *x; /* of the first image */
    float *y;       /* output position m (image, depth, height, width) at y[m * y_pitch] */
    size_t y_pitch;
} sn_pooling;

/* Every position of an image at once. */
typedef struct sn_global_pooling {
    size_t images, positions, channels;
    const float *x;
    size_t x_pitch, x_image; /* from one position, and one image, to the next */
    float *y;
    size_t y_image;
} sn_global_pooling;

typedef struct sn_pooling_kernels {
    /* Output rows [row0, row1); image i, depth d, height h is row (i * out[0] + d) * out[1] + h. */
    void (*max)(const sn_pooling *p, size_t row0, size_t row1);
    void (*average)(const sn_pooling *p, size_t row0, size_t row1);
    /* Channels [channel0, channel1) of every image. */
    void (*global_max)(const sn_global_pooling *p, size_t channel0, size_t channel1);
    void (*global_average)(const sn_global_pooling *p, size_t channel0, size_t channel1);
} sn_pooling_kernels;

#endif
