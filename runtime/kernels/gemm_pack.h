/*
 * gemm_pack.h - the inside of gemm.c: B to panels and back.
 *
 * Weights arrive in any order. [N][K] of PyTorch's Linear and [out][in][taps] of its convolutions have each column's
 * elements in one stretch: squares of them are transposed in registers, and stored line by line wherever the lines
 * belong. Other orders are copied in blocks of so few taps and channels that the block's part of the panel stays in the
 * first cache.
 */
#ifndef SN_RUNTIME_KERNELS_GEMM_PACK_H
#define SN_RUNTIME_KERNELS_GEMM_PACK_H

#include "runtime/kernels/gemm.h"
#include "runtime/kernels/simd.h"
#include <stdbool.h>

#define PACK_TAPS  16
#define PACK_LINES 128 /* taps x channels of a block: 16 KiB of a panel of 32 columns */

static inline size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t ceil_div(size_t a, size_t b)
{
    return a / b + (a % b != 0);
}

/* Columns of the panel, of which there are n from its first on. */
static inline size_t panel_width(size_t n)
{
    return n > TILE_COLUMNS / 2 ? TILE_COLUMNS : TILE_COLUMNS / 2;
}

static size_t packed_size(size_t k, size_t n)
{
    size_t rest = n % TILE_COLUMNS;
    return k * (n - rest + (rest > 0 ? panel_width(rest) : 0));
}

/* Where the copies go: both directions share their loops. */
typedef enum pack_direction { TO_PANELS, FROM_PANELS } pack_direction;

/* The taps [tap0, tap1) x channels [channel0, channel1) of one panel with `columns` columns. */
typedef struct pack_block {
    size_t tap0, tap1, channel0, channel1, column0, columns, width;
} pack_block;

KERNEL_INLINE void copy_block(const pack_direction direction, const bool neighbours, const sn_gemm_source *s,
                              const pack_block *x, const float *from, float *to)
{
    const size_t columns = x->columns, outer = neighbours ? 1 : columns, inner = neighbours ? columns : 1;
    for (size_t column = 0; column < outer; column++) {
        for (size_t tap = x->tap0; tap < x->tap1; tap++) {
            ptrdiff_t source = (ptrdiff_t)tap * s->tap_pitch + (ptrdiff_t)x->channel0 * s->channel_pitch +
                               (ptrdiff_t)(x->column0 + column) * s->column_pitch;
            size_t line = (tap * s->kc + x->channel0) * x->width + column;
            for (size_t channel = x->channel0; channel < x->channel1; channel++) {
                for (size_t i = 0; i < inner; i++) {
                    if (direction == TO_PANELS) to[line + i] = from[source + (ptrdiff_t)i];
                    if (direction == FROM_PANELS) to[source + (ptrdiff_t)i] = from[line + i];
                }
                source += s->channel_pitch;
                line += x->width;
            }
        }
    }
}

static void fill_up(const sn_gemm_source *s, const pack_block *x, float *panel)
{
    for (size_t line = 0; line < s->taps * s->kc; line++) {
        for (size_t i = x->columns; i < x->width; i++) panel[line * x->width + i] = 0;
    }
}

KERNEL_INLINE void copy_panel(const pack_direction direction, const sn_gemm_source *s, size_t panel, const float *from,
                              float *to)
{
    size_t column0 = panel * TILE_COLUMNS;
    pack_block x = {
        .column0 = column0, .columns = least(s->n - column0, TILE_COLUMNS), .width = panel_width(s->n - column0)};
    for (x.tap0 = 0; x.tap0 < s->taps; x.tap0 = x.tap1) {
        x.tap1 = least(x.tap0 + PACK_TAPS, s->taps);
        size_t channels = PACK_LINES / (x.tap1 - x.tap0);
        for (x.channel0 = 0; x.channel0 < s->kc; x.channel0 = x.channel1) {
            x.channel1 = least(x.channel0 + channels, s->kc);
            if (s->column_pitch == 1) {
                copy_block(direction, true, s, &x, from, to);
            } else {
                copy_block(direction, false, s, &x, from, to);
            }
        }
    }
    if (direction == TO_PANELS && x.columns < x.width) fill_up(s, &x, to);
}

/* The lines that the elements of a column in one stretch belong to: taps of a channel first, or channels of a tap. */
typedef struct line_order {
    size_t inner, step, back; /* lines from one to the next, and after `inner` of them */
} line_order;

static bool columns_are_dense(const sn_gemm_source *s, line_order *order)
{
    const size_t taps = s->taps, kc = s->kc;
    if (s->channel_pitch == 1 && (taps == 1 || s->tap_pitch == (ptrdiff_t)kc)) {
        *order = (line_order){.inner = taps * kc, .step = 1};
        return true;
    }
    *order = (line_order){.inner = taps, .step = kc, .back = taps * kc - 1};
    return s->tap_pitch == 1 && s->channel_pitch == (ptrdiff_t)taps;
}

/* VL elements from k on of the VL columns from `from` on, of which `columns` exist, to their lines. */
static void transpose_square(const float *from, ptrdiff_t pitch, size_t columns, size_t elements, const size_t *lines,
                             float *to)
{
    vf x[VL];
    UNROLL
    for (size_t i = 0; i < VL; i++) {
        const float *column = from + (ptrdiff_t)i * pitch;
        x[i] = (vf){0};
        if (i < columns) x[i] = elements == VL ? vf_load(column) : vf_load_part(column, elements);
    }
    vf_transpose(x);
    UNROLL
    for (size_t i = 0; i < VL; i++) {
        if (i < elements) vf_store(to + lines[i], x[i]);
    }
}

static void pack_dense_panel(const sn_gemm_source *s, const line_order *order, size_t panel, float *to)
{
    const size_t k = s->taps * s->kc, columns = least(s->n - panel * TILE_COLUMNS, TILE_COLUMNS),
                 width = panel_width(columns);
    const float *from = s->b + (ptrdiff_t)(panel * TILE_COLUMNS) * s->column_pitch;
    size_t line = 0, inner = 0;
    for (size_t done = 0; done < k; done += VL) {
        size_t lines[VL] = {0}, elements = least(k - done, VL);
        for (size_t i = 0; i < elements; i++) {
            lines[i] = line * width;
            line += order->step;
            if (++inner == order->inner) {
                inner = 0;
                line -= order->back;
            }
        }
        for (size_t column = 0; column < width; column += VL) {
            size_t exist = columns > column ? least(columns - column, VL) : 0;
            transpose_square(from + (ptrdiff_t)column * s->column_pitch + done, s->column_pitch, exist, elements, lines,
                             to + column);
        }
    }
}

/* Floats from the beginning of a pack to the first line of the source in a panel. */
static size_t panel_at(const sn_gemm_source *s, size_t panel)
{
    const size_t lines = s->lines > 0 ? s->lines : s->taps * s->kc, column = panel * TILE_COLUMNS;
    return column * lines + s->line * panel_width(s->n - column);
}

static void pack(const sn_gemm_source *s, float *packed, size_t panel0, size_t panel1)
{
    line_order order;
    bool dense = columns_are_dense(s, &order);
    for (size_t panel = panel0; panel < panel1; panel++) {
        float *to = packed + panel_at(s, panel);
        if (dense) {
            pack_dense_panel(s, &order, panel, to);
        } else {
            copy_panel(TO_PANELS, s, panel, s->b, to);
        }
    }
}

static void unpack(const sn_gemm_source *s, const float *packed, float *b)
{
    for (size_t panel = 0; panel < ceil_div(s->n, TILE_COLUMNS); panel++) {
        copy_panel(FROM_PANELS, s, panel, packed + panel_at(s, panel), b);
    }
}

#endif
