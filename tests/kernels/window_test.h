/* What the tests of kernels with windows share: geometry, where taps read, and how an output is judged. */
#ifndef SN_TESTS_WINDOW_TEST_H
#define SN_TESTS_WINDOW_TEST_H

#include "tests/kernels/kernel_test.h"

/* For the three axes of a case. */
#define ONES                                                                                                           \
    {                                                                                                                  \
        1, 1, 1                                                                                                        \
    }
#define NONE                                                                                                           \
    {                                                                                                                  \
        0, 0, 0                                                                                                        \
    }

static inline size_t product(const ptrdiff_t *n)
{
    return (size_t)(n[0] * n[1] * n[2]);
}

/* Over images without gaps but those within a position, whose elements lie `pitch` apart from the next one's. */
static inline sn_image_window make_window(const ptrdiff_t *in, const ptrdiff_t *kernel, const ptrdiff_t *stride,
                                          const ptrdiff_t *dilation, const ptrdiff_t *pad, const ptrdiff_t *pad_end,
                                          bool ceil_mode, size_t pitch)
{
    sn_image_window w = {.image = (ptrdiff_t)(product(in) * pitch)};
    ptrdiff_t axis_pitch = (ptrdiff_t)pitch;
    for (int a = 2; a >= 0; a--) {
        const ptrdiff_t room = in[a] + pad[a] + pad_end[a] - (kernel[a] - 1) * dilation[a] - 1;
        w.in[a] = in[a];
        w.kernel[a] = kernel[a];
        w.stride[a] = stride[a];
        w.dilation[a] = dilation[a];
        w.pad[a] = pad[a];
        w.out[a] = (room + (ceil_mode ? stride[a] - 1 : 0)) / stride[a] + 1;
        w.pitch[a] = axis_pitch;
        axis_pitch *= in[a];
    }
    return w;
}
/* A table's case, whose fields have the window's names. */
#define WINDOW_OF(c, ceil_mode, pitch)                                                                                 \
    make_window((c)->in, (c)->kernel, (c)->stride, (c)->dilation, (c)->pad, (c)->pad_end, ceil_mode, pitch)

/* Elements from the first to the last of `positions` positions: nothing lies behind the last one's channels. */
static inline size_t extent(size_t positions, size_t channels, size_t pitch)
{
    return positions > 0 ? (positions - 1) * pitch + channels : 0;
}

/* Coordinates of number n among extent[0] x extent[1] x extent[2]; what is beyond begins anew. */
static inline void coordinates(size_t n, const ptrdiff_t *extent_of, ptrdiff_t *at)
{
    for (int a = 2; a >= 0; a--) {
        at[a] = (ptrdiff_t)(n % (size_t)extent_of[a]);
        n /= (size_t)extent_of[a];
    }
}

/* Whether tap t of output position m reads the image, or its padding of pad_end (NULL: none counts); the place in the
 * image goes to *at. */
static inline bool tap_is_inside(const sn_image_window *w, const ptrdiff_t *pad_end, size_t m, size_t t, ptrdiff_t *at)
{
    ptrdiff_t o[3], k[3];
    bool inside = true;
    coordinates(m, w->out, o);
    coordinates(t, w->kernel, k);
    *at = 0;
    for (int a = 0; a < 3; a++) {
        const ptrdiff_t i = o[a] * w->stride[a] + k[a] * w->dilation[a] - w->pad[a];
        inside = inside && i >= (pad_end ? -w->pad[a] : 0) && i < w->in[a] + (pad_end ? pad_end[a] : 0);
        *at += i * w->pitch[a];
    }
    return inside;
}

static inline double activated(double x, const sn_activation *a)
{
    if (a->kind == SN_ACT_SIGMOID) return 1 / (1 + exp(-x));
    if (a->kind == SN_ACT_NONE || isnan(x)) return x;
    return x < (double)a->alpha ? (double)a->alpha : x > (double)a->beta ? (double)a->beta : x;
}

/* A gap between the channels of neighbouring positions: not written. */
static inline void check_gaps(const float *y, size_t positions, size_t channels, size_t pitch)
{
    for (size_t m = 0; m + 1 < positions; m++) {
        for (size_t c = channels; c < pitch; c++) assert_true(isnan(y[m * pitch + c]));
    }
}

#endif
