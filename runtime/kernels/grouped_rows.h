/*
 * grouped_rows.h - what depthwise.c and grouped.c share: an output row is cut into tiles of neighbouring outputs, which
 * begin where the row does and advance over it.
 */
#ifndef SN_RUNTIME_KERNELS_GROUPED_ROWS_H
#define SN_RUNTIME_KERNELS_GROUPED_ROWS_H

#include "runtime/kernels/isa.h"
#include "runtime/kernels/kernels.h"

extern const sn_activation_kernels SN_FOR_ISA(sn_activation);

/* All that a body reads: compilers keep what an inner loop needs in registers, and the rest where it is. */
typedef struct tile {
    const float *x;             /* the image, at the tile's first channel */
    ptrdiff_t first;            /* of the first tap of the first output, from x; may lie outside */
    ptrdiff_t step[2], rows[2]; /* from a kernel row to the next, and how many are inside: depth, height */
    const float *weights;       /* of the first row inside */
    ptrdiff_t weight_step[2];   /* as `step` */
    size_t tap_weights;         /* from one tap's weights to the next */
    ptrdiff_t column, columns;  /* input column of the first tap, and how many there are */
    ptrdiff_t pitch, kernel, stride, dilation;
    ptrdiff_t outputs; /* that are left in the row */
    float *y;          /* the first output */
    size_t y_pitch;
    sn_epilogue epilogue;                /* its residual is that of the first output */
    size_t channels_begin, channels_end; /* depthwise.c: what to compute; all pointers are at channel 0 */
    size_t group, lane, lanes; /* grouped.c: channels of a group, the first one's place in its block, how many */
} tile;

typedef void tile_fn(const tile *);

/* The first tile of output row `row`, at channel 0, whose taps have tap_weights weights each. */
KERNEL_INLINE tile tile_of_row(const sn_grouped *g, size_t row, size_t tap_weights)
{
    const sn_image_window *w = g->window;
    const ptrdiff_t height = (ptrdiff_t)(row % (size_t)w->out[1]);
    const ptrdiff_t depth = (ptrdiff_t)(row / (size_t)w->out[1] % (size_t)w->out[0]);
    const size_t image = row / (size_t)w->out[1] / (size_t)w->out[0], m = row * (size_t)w->out[2];
    const ptrdiff_t row_weights = w->kernel[2] * (ptrdiff_t)tap_weights;
    const sn_taps z = sn_window_taps(w, 0, depth), y = sn_window_taps(w, 1, height);
    tile t = {.x = g->x + (ptrdiff_t)image * w->image,
              .first = sn_window_position(w, 0, depth, z.begin) * w->pitch[0] +
                       sn_window_position(w, 1, height, y.begin) * w->pitch[1] - w->pad[2] * w->pitch[2],
              .step = {w->dilation[0] * w->pitch[0], w->dilation[1] * w->pitch[1]},
              .rows = {z.end - z.begin, y.end - y.begin},
              .weights = g->weights + (z.begin * w->kernel[1] + y.begin) * row_weights,
              .weight_step = {w->kernel[1] * row_weights, row_weights},
              .tap_weights = tap_weights,
              .column = -w->pad[2],
              .columns = w->in[2],
              .pitch = w->pitch[2],
              .kernel = w->kernel[2],
              .stride = w->stride[2],
              .dilation = w->dilation[2],
              .outputs = w->out[2],
              .y = g->y + m * g->y_pitch,
              .y_pitch = g->y_pitch,
              .epilogue = g->epilogue};
    if (t.epilogue.residual) t.epilogue.residual += m * t.epilogue.residual_row;
    return t;
}

/* To the next tile, `width` outputs further. */
KERNEL_INLINE void advance(tile *t, ptrdiff_t width)
{
    t->first += width * t->stride * t->pitch;
    t->column += width * t->stride;
    t->outputs -= width;
    t->y += (size_t)width * t->y_pitch;
    if (t->epilogue.residual) t->epilogue.residual += (size_t)width * t->epilogue.residual_row;
}

/* Whether all columns under a tile's outputs lie in the image. */
KERNEL_INLINE bool columns_are_inside(const tile *t, ptrdiff_t width)
{
    return t->column >= 0 && t->column + (width - 1) * t->stride + (t->kernel - 1) * t->dilation < t->columns;
}

/* Activations but clamps need more registers than the sums leave: they pass over the finished row. */
KERNEL_INLINE void finish_row(const sn_grouped *g, float *y)
{
    const sn_activation *a = &g->epilogue.activation;
    if (a->kind == SN_ACT_NONE || a->kind == SN_ACT_CLAMP) return;
    SN_FOR_ISA(sn_activation).apply(a, y, (size_t)g->window->out[2], g->channels, g->y_pitch);
}

#endif
