/*
 * gemm_rows.h - the inside of gemm.c: the blocks of k, and where the rows of A read theirs.
 *
 * A block is some whole taps, or a piece of one when a tap has many channels. The cut depends on taps and channels
 * alone, as does, with it, the order of every sum.
 */
#ifndef SN_RUNTIME_KERNELS_GEMM_ROWS_H
#define SN_RUNTIME_KERNELS_GEMM_ROWS_H

#include "runtime/kernels/gemm.h"
#include <stdbool.h>

#define K_BLOCK    1024 /* most steps of k in a block */
#define BLOCK_TAPS 64   /* most taps in a block */

typedef struct k_block {
    size_t tap, taps;         /* the first, how many */
    size_t channel, channels; /* likewise, of each tap */
} k_block;

/* Where part i begins when n things are dealt evenly to `parts`. */
static inline size_t part_start(size_t n, size_t parts, size_t i)
{
    size_t more = n % parts;
    return n / parts * i + (i < more ? i : more);
}

/* At least one: without any k there is still the epilogue. */
static size_t count_k_blocks(const sn_gemm *g)
{
    if (g->taps == 0 || g->kc == 0) return 1;
    if (g->kc > K_BLOCK) return g->taps * ((g->kc + K_BLOCK - 1) / K_BLOCK);
    size_t taps = K_BLOCK / g->kc < BLOCK_TAPS ? K_BLOCK / g->kc : BLOCK_TAPS;
    return (g->taps + taps - 1) / taps;
}

static k_block k_block_at(const sn_gemm *g, size_t blocks, size_t i)
{
    if (g->taps == 0 || g->kc == 0) return (k_block){0};
    if (blocks <= g->taps) {
        size_t tap = part_start(g->taps, blocks, i);
        return (k_block){.tap = tap, .taps = part_start(g->taps, blocks, i + 1) - tap, .channels = g->kc};
    }
    size_t pieces = blocks / g->taps, piece = i % pieces, channel = part_start(g->kc, pieces, piece);
    return (k_block){
        .tap = i / pieces, .taps = 1, .channel = channel, .channels = part_start(g->kc, pieces, piece + 1) - channel};
}

/* A tap as seen from where its window begins. */
typedef struct window_tap {
    ptrdiff_t at[SN_WINDOW_AXES];
    ptrdiff_t offset; /* floats */
} window_tap;

static void locate_taps(const sn_image_window *w, const k_block *block, window_tap *taps)
{
    for (size_t t = 0; t < block->taps; t++) {
        ptrdiff_t index = (ptrdiff_t)(block->tap + t);
        taps[t].offset = 0;
        for (int axis = SN_WINDOW_AXES - 1; axis >= 0; axis--) {
            taps[t].at[axis] = index % w->kernel[axis] * w->dilation[axis];
            taps[t].offset += taps[t].at[axis] * w->pitch[axis];
            index /= w->kernel[axis];
        }
    }
}

/* An output position, and the image it is in. */
typedef struct window_position {
    ptrdiff_t image, at[SN_WINDOW_AXES];
} window_position;

static window_position position_of_row(const sn_image_window *w, size_t row)
{
    window_position p;
    ptrdiff_t index = (ptrdiff_t)row;
    for (int axis = SN_WINDOW_AXES - 1; axis >= 0; axis--) {
        p.at[axis] = 0;
        if (w->out[axis] == 1) continue; /* divisions take their time */
        p.at[axis] = index % w->out[axis];
        index /= w->out[axis];
    }
    p.image = index;
    return p;
}

/* `count` positions on; they do not go beyond the end of the line. */
static void advance(const sn_image_window *w, window_position *p, size_t count)
{
    p->at[SN_WINDOW_AXES - 1] += (ptrdiff_t)count;
    for (int axis = SN_WINDOW_AXES - 1; axis > 0 && p->at[axis] == w->out[axis]; axis--) {
        p->at[axis] = 0;
        p->at[axis - 1]++;
    }
    if (p->at[0] == w->out[0]) {
        p->at[0] = 0;
        p->image++;
    }
}

/* Where the window of an output position begins, on each axis and in floats. */
static ptrdiff_t window_start(const sn_gemm *g, const k_block *block, const window_position *p,
                              ptrdiff_t start[SN_WINDOW_AXES])
{
    const sn_image_window *w = g->window;
    ptrdiff_t offset = p->image * w->image + (ptrdiff_t)block->channel;
    for (int axis = 0; axis < SN_WINDOW_AXES; axis++) {
        start[axis] = p->at[axis] * w->stride[axis] - w->pad[axis];
        offset += start[axis] * w->pitch[axis];
    }
    return offset;
}

/* How many of `count` positions of a line, the first of which begins at `start`, are inside of the image with all taps:
 * all up to the first that is not. */
static size_t count_inside(const sn_image_window *w, const ptrdiff_t start[SN_WINDOW_AXES], size_t count)
{
    const int last = SN_WINDOW_AXES - 1;
    ptrdiff_t room = 0; /* on the last axis, behind the first position's window */
    for (int axis = 0; axis <= last; axis++) {
        room = w->in[axis] - 1 - (w->kernel[axis] - 1) * w->dilation[axis] - start[axis];
        if (start[axis] < 0 || room < 0) return 0;
    }
    size_t inside = (size_t)(w->stride[last] == 1 ? room : room / w->stride[last]) + 1;
    return inside < count ? inside : count;
}

/* a[t * rows] for each tap t of the block: where the row at an output position reads it. */
static void locate_row(const sn_gemm *g, const k_block *block, const window_tap *taps,
                       const ptrdiff_t start[SN_WINDOW_AXES], ptrdiff_t offset, size_t rows, const float **a)
{
    const sn_image_window *w = g->window;
    for (size_t t = 0; t < block->taps; t++) {
        bool exists = true;
        for (int axis = 0; axis < SN_WINDOW_AXES; axis++) {
            ptrdiff_t at = start[axis] + taps[t].at[axis];
            exists = exists && at >= 0 && at < w->in[axis];
        }
        a[t * rows] = exists ? g->a + (offset + taps[t].offset) : w->zeros + block->channel;
    }
}

/* The table a[tap of the block][row of the tile] for the rows [row, row + rows). */
static void locate_rows(const sn_gemm *g, const k_block *block, const window_tap *taps, size_t row, size_t rows,
                        const float **a)
{
    if (!g->window) {
        for (size_t i = 0; i < rows; i++) a[i] = g->a + (row + i) * g->a_row + block->channel;
        return;
    }
    const sn_image_window *w = g->window;
    const ptrdiff_t step = w->stride[SN_WINDOW_AXES - 1] * w->pitch[SN_WINDOW_AXES - 1];
    window_position p = position_of_row(w, row);
    for (size_t i = 0, n; i < rows; i += n, advance(w, &p, n)) {
        ptrdiff_t start[SN_WINDOW_AXES], offset = window_start(g, block, &p, start);
        size_t line = (size_t)(w->out[SN_WINDOW_AXES - 1] - p.at[SN_WINDOW_AXES - 1]);
        n = count_inside(w, start, line < rows - i ? line : rows - i);
        for (size_t t = 0; n > 0 && t < block->taps; t++) {
            const float *x = g->a + (offset + taps[t].offset);
            for (size_t k = 0; k < n; k++) a[t * rows + i + k] = x + (ptrdiff_t)k * step;
        }
        if (n > 0) continue;
        locate_row(g, block, taps, start, offset, rows, a + i);
        n = 1;
    }
}

#endif
