/*
 * window.h - what convolution and pooling share: a window that slides over the spatial axes of [N, C, D1, ..., Dn], as
 * the attributes kernel_shape, strides, dilations, pads and auto_pad describe it.
 *
 * Every attribute and every spatial size is at most SN_WINDOW_LIMIT, so that a product of two of them plus a few more
 * cannot overflow: the arithmetic behind these checks needs none of its own.
 */
#ifndef SN_OPS_WINDOW_H
#define SN_OPS_WINDOW_H

#include "ops/op.h"

#define SN_MAX_SPATIAL  (SN_MAX_RANK - 2)
#define SN_WINDOW_LIMIT (INT64_C(1) << 30)

typedef enum sn_auto_pad { SN_PAD_EXPLICIT, SN_PAD_SAME_UPPER, SN_PAD_SAME_LOWER, SN_PAD_VALID } sn_auto_pad;

/* The attributes. Axes that they do not state hold the defaults: stride 1, dilation 1, no padding. */
typedef struct sn_window {
    int rank;        /* spatial axes that the attributes state; 0: none of them does */
    bool has_kernel; /* kernel_shape is present */
    sn_auto_pad auto_pad;
    int64_t kernel[SN_MAX_SPATIAL];
    int64_t stride[SN_MAX_SPATIAL];
    int64_t dilation[SN_MAX_SPATIAL];
    int64_t pad_begin[SN_MAX_SPATIAL], pad_end[SN_MAX_SPATIAL]; /* as written: auto_pad may override them */
} sn_window;

/* One spatial axis with sizes: nothing is left to decide. Before shapes are known, `in`, `kernel`, `out` and the
 * paddings that depend on them may be unknown or symbols (base/shape.h). */
typedef struct sn_window_axis {
    int64_t in, out;
    int64_t kernel, stride, dilation;
    int64_t pad_begin, pad_end; /* a negative one crops */
} sn_window_axis;

SINTER_CHECK sinter_status sn_window_prepare(sn_prepare *p, sn_window *w);
/* Reads a list of integers in [least, SN_WINDOW_LIMIT], `per_axis` for each spatial axis, which must agree with what
 * other attributes said (*rank, set when it is 0). *values is NULL when the attribute is absent. */
SINTER_CHECK sinter_status sn_window_ints(sn_prepare *p, const char *name, int64_t least, int per_axis, int *rank,
                                          const int64_t **values);

/* Do the attributes fit a tensor of that many spatial axes? */
SINTER_CHECK sinter_status sn_window_check_rank(const sn_window *w, int spatial, sinter_error *err);
/* Fails when a known size is zero or beyond SN_WINDOW_LIMIT. */
SINTER_CHECK sinter_status sn_window_check_size(const char *what, int axis, int64_t size, sinter_error *err);

/* Sizes of axis `i` for an input of size `in` and a window of `kernel` taps. With ceil_mode the last window may reach
 * beyond the padded input, but must start inside the input or the padding before it. */
SINTER_CHECK sinter_status sn_window_slide(const sn_window *w, int i, int64_t in, int64_t kernel, bool ceil_mode,
                                           sn_window_axis *out, sinter_error *err);

/* Elements from the first to the last tap. */
static inline int64_t sn_window_extent(int64_t kernel, int64_t dilation)
{
    return (kernel - 1) * dilation + 1;
}
/* b > 0: a stride, or a size that was checked. */
static inline int64_t sn_div_floor(int64_t a, int64_t b)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): see above */
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}
static inline int64_t sn_div_ceil(int64_t a, int64_t b)
{
    return -sn_div_floor(-a, b);
}

#endif
