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

/* The taps of an output position that lie inside of the image are [begin, end) on every axis. */
typedef struct sn_taps {
    ptrdiff_t begin, end;
} sn_taps;

static inline ptrdiff_t sn_window_position(const sn_image_window *w, int axis, ptrdiff_t out, ptrdiff_t tap)
{
    return out * w->stride[axis] + tap * w->dilation[axis] - w->pad[axis];
}

/* The taps of output position `out` that read a position in [low, high). */
static inline sn_taps sn_window_taps_within(const sn_image_window *w, int axis, ptrdiff_t out, ptrdiff_t low,
                                            ptrdiff_t high)
{
    const ptrdiff_t first = sn_window_position(w, axis, out, 0), dilation = w->dilation[axis];
    ptrdiff_t before = first < low ? low - first : 0, until = high > first ? high - first : 0;
    if (dilation != 1) { /* a division takes as long as a few taps */
        before = (before + dilation - 1) / dilation;
        until = (until + dilation - 1) / dilation;
    }
    if (until > w->kernel[axis]) until = w->kernel[axis];
    return (sn_taps){before < until ? before : until, until};
}

static inline sn_taps sn_window_taps(const sn_image_window *w, int axis, ptrdiff_t out)
{
    return sn_window_taps_within(w, axis, out, 0, w->in[axis]);
}

#endif
