/*
 * gemm_tile.h - the inside of gemm.c: `rows` rows of A against `panels` packed panels of `vectors` vectors each, for
 * one block of k. All sums of a tile stay in registers; a row's element is broadcast and multiplied with a line of B.
 *
 * The block's sums start at zero and are added to C, which holds those of the blocks before: the sums' error grows with
 * the depth of a block and the number of blocks, not with k.
 *
 * The tiles are one body, inlined with constant sizes: its arrays become registers only then.
 */
#ifndef SN_RUNTIME_KERNELS_GEMM_TILE_H
#define SN_RUNTIME_KERNELS_GEMM_TILE_H

#include "runtime/kernels/gemm.h"
#include "runtime/kernels/simd.h"
#include <stdbool.h>

#define TILE_SUMS (TILE_ROWS * TILE_VECTORS)

typedef struct tile_args {
    const float *const *a; /* [taps][rows]: where each row reads its channels */
    size_t taps, channels;
    const float *b;
    size_t b_panel; /* floats from one panel to the next */
    float *c;
    size_t c_row;
    size_t columns; /* of the tile that exist: only the last vector may be cut */
    bool first, last;
    bool clamp;
    float lo, hi;
    const float *scale, *bias, *residual; /* those of the tile's first column and row, or NULL */
    size_t residual_row;
    const char *next; /* what to prefetch meanwhile: a line for each step of k, next_step bytes apart */
    size_t next_step;
} tile_args;

KERNEL_INLINE vf load_columns(const float *p, bool whole, size_t columns)
{
    return whole ? vf_load(p) : vf_load_part(p, columns);
}

/* What is left to do with the sums of one vector of columns; `columns` of them exist. */
KERNEL_INLINE void finish_columns(const size_t rows, const size_t stride, const bool whole, const size_t columns,
                                  const size_t at, const tile_args *t, vf *sums)
{
    float *c = t->c + at;
    if (!t->first) {
        UNROLL
        for (size_t i = 0; i < rows; i++) sums[i * stride] += load_columns(c + i * t->c_row, whole, columns);
    }
    if (t->last && t->scale) {
        vf scale = load_columns(t->scale + at, whole, columns);
        UNROLL
        for (size_t i = 0; i < rows; i++) sums[i * stride] *= scale;
    }
    if (t->last && t->bias) {
        vf bias = load_columns(t->bias + at, whole, columns);
        UNROLL
        for (size_t i = 0; i < rows; i++) sums[i * stride] += bias;
    }
    if (t->last && t->residual) {
        const float *residual = t->residual + at;
        UNROLL
        for (size_t i = 0; i < rows; i++) {
            sums[i * stride] += load_columns(residual + i * t->residual_row, whole, columns);
        }
    }
    if (t->last && t->clamp) {
        vf lo = vf_splat(t->lo), hi = vf_splat(t->hi);
        UNROLL
        for (size_t i = 0; i < rows; i++) sums[i * stride] = vf_clamp(sums[i * stride], lo, hi);
    }
    UNROLL
    for (size_t i = 0; i < rows; i++) {
        if (whole) {
            vf_store(c + i * t->c_row, sums[i * stride]);
        } else {
            vf_store_part(c + i * t->c_row, sums[i * stride], columns);
        }
    }
}

KERNEL_INLINE void tile(const size_t rows, const size_t panels, const size_t vectors, const tile_args *t)
{
    const size_t width = panels * vectors; /* vectors of a row */
    vf sums[TILE_SUMS];
    UNROLL
    for (size_t i = 0; i < rows; i++) {
        UNROLL
        for (size_t v = 0; v < width; v++) sums[i * width + v] = (vf){0};
    }
    const float *b = t->b;
    const size_t b_panel = t->b_panel, channels = t->channels;
    const char *next = t->next;
    for (size_t tap = 0; tap < t->taps; tap++) {
        const float *a[TILE_ROWS];
        UNROLL
        for (size_t i = 0; i < rows; i++) a[i] = t->a[tap * rows + i];
        for (size_t k = 0; k < channels; k++) {
            vf line[TILE_SUMS];
            UNROLL
            for (size_t p = 0; p < panels; p++) {
                UNROLL
                for (size_t v = 0; v < vectors; v++) line[p * vectors + v] = vf_load(b + p * b_panel + v * VL);
            }
            if (panels == 1) prefetch_l2(next);
            UNROLL
            for (size_t i = 0; i < rows; i++) {
                vf x = vf_splat(a[i][k]);
                UNROLL
                for (size_t v = 0; v < width; v++) sums[i * width + v] = vf_fma(x, line[v], sums[i * width + v]);
            }
            b += vectors * VL;
            next += t->next_step;
        }
    }
    const bool whole = t->columns == width * VL;
    UNROLL
    for (size_t v = 0; v + 1 < width; v++) finish_columns(rows, width, true, VL, v * VL, t, sums + v);
    const size_t last = width - 1;
    if (whole) {
        finish_columns(rows, width, true, VL, last * VL, t, sums + last);
    } else {
        finish_columns(rows, width, false, t->columns - last * VL, last * VL, t, sums + last);
    }
}

typedef void tile_function(const tile_args *t);

/* X(rows, panels): of the tiles with several panels, for so few rows that one panel's sums would wait for each other.
 */
#if TILE_ROWS >= 12
#define FEW_ROWS_TILES(X) X(1, 4) X(2, 4) X(3, 4)
#else
#define FEW_ROWS_TILES(X) X(1, 4) X(2, 3) X(3, 2)
#endif
#define FEW_ROWS 3

#define TILE_HEIGHTS_6(X) X(1) X(2) X(3) X(4) X(5) X(6)
#if TILE_ROWS == 6
#define TILE_HEIGHTS(X) TILE_HEIGHTS_6(X)
#elif TILE_ROWS == 12
#define TILE_HEIGHTS(X) TILE_HEIGHTS_6(X) X(7) X(8) X(9) X(10) X(11) X(12)
#elif TILE_ROWS == 14
#define TILE_HEIGHTS(X) TILE_HEIGHTS_6(X) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#endif

#define TILE_FUNCTIONS(rows)                                                                                           \
    static void tile_##rows##_half(const tile_args *t)                                                                 \
    {                                                                                                                  \
        tile(rows, 1, TILE_VECTORS / 2, t);                                                                            \
    }                                                                                                                  \
    static void tile_##rows##_whole(const tile_args *t)                                                                \
    {                                                                                                                  \
        tile(rows, 1, TILE_VECTORS, t);                                                                                \
    }
TILE_HEIGHTS(TILE_FUNCTIONS)

#define FEW_ROWS_FUNCTION(rows, panels)                                                                                \
    static void tile_##rows##_panels(const tile_args *t)                                                               \
    {                                                                                                                  \
        tile(rows, panels, TILE_VECTORS, t);                                                                           \
    }
FEW_ROWS_TILES(FEW_ROWS_FUNCTION)

#define TILE_PAIR(rows) {tile_##rows##_half, tile_##rows##_whole},
/* [rows - 1][the panel is whole] */
static tile_function *const tiles[TILE_ROWS][2] = {TILE_HEIGHTS(TILE_PAIR)};

#define FEW_ROWS_ENTRY(rows, panels) {tile_##rows##_panels, panels},
/* [rows - 1] */
static const struct {
    tile_function *run;
    size_t panels;
} few_rows_tiles[FEW_ROWS] = {FEW_ROWS_TILES(FEW_ROWS_ENTRY)};

#endif
