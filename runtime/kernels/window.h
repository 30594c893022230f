/*
 * window.h - a window that slides over images whose channels lie next to each other (NHWC, NDHWC, NWC): what
 * convolution and pooling kernels read. Axes are depth, height, width; missing leading ones have the size 1.
 */
#ifndef SN_RUNTIME_KERNELS_WINDOW_H
#define SN_RUNTIME_KERNELS_WINDOW_H

#include <stddef.h>

#define SN_WINDOW_AXES 3

/* Tap t of output position o on an axis reads input position o * stride + t * dilation - pad, when that lies in [0,
 * in). */
typedef struct sn_image_window {
    ptrdiff_t in[SN_WINDOW_AXES], out[SN_WINDOW_AXES], kernel[SN_WINDOW_AXES];
    ptrdiff_t stride[SN_WINDOW_AXES], dilation[SN_WINDOW_AXES];
    ptrdiff_t pad[SN_WINDOW_AXES];   /* at the beginning; negative: cropped */
    ptrdiff_t pitch[SN_WINDOW_AXES]; /* floats from one input position to the next on this axis; pitch[2] >= channels */
    ptrdiff_t image;                 /* floats from one image of the batch to the next */
    const float *zeros;              /* as many zeros as there are channels: what taps outside of the image read */
} sn_image_window;

#endif
