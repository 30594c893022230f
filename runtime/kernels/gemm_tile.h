/*
 * gemm_tile.h - the inside of gemm.c: `rows` rows of A against `panels` packed panels of `vectors` vectors each, for
 * one block of k. All sums of a tile stay in registers; a row's element is broadcast and multiplied with a line of B.
 *
 * Sums start at zero again after SUM_STEPS steps, and what they were is set aside; those of a block are added to C,
 * which holds those of the blocks before. So their error grows with SUM_STEPS and the number of such parts, not with k.
 *
 * The tiles are one body, inlined with constant sizes: its arrays become registers only then.
 */
#ifndef SN_RUNTIME_KERNELS_GEMM_TILE_H
#define SN_RUNTIME_KERNELS_GEMM_TILE_H

#include "runtime/kernels/gemm.h"
#include "runtime/kernels/simd.h"
#include <stdbool.h>

#define TILE_SUMS (TILE_ROWS * TILE_VECTORS)
#define SUM_STEPS 512
#define FEW_ROWS  3 /* that many are multiplied with several panels at once */

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
    float *aside;     /* room for TILE_SUMS vectors */
    const char *next; /* what to prefetch meanwhile: a line for each step of k, next_step bytes apart */
    size_t next_step;
} tile_args;

KERNEL_INLINE vf load_columns(const float *p, bool whole, size_t columns)
{
    return whole ? vf_load(p) : vf_load_part(p, columns);
}

/* What is left to do with the sums of the vector of columns that begins at `at`; `columns` of them exist. */
KERNEL_INLINE void finish_columns(const size_t rows, const size_t at, const bool whole, const size_t columns,
                                  const tile_args *t, vf *sums)
{
    float *c = t->c + at;
    if (!t->first) {
        UNROLL
        for (size_t i = 0; i < rows; i++) sums[i] += load_columns(c + i * t->c_row, whole, columns);
    }
    if (t->last && t->scale) {
        vf scale = load_columns(t->scale + at, whole, columns);
        UNROLL
        for (size_t i = 0; i < rows; i++) sums[i] *= scale;
    }
    if (t->last && t->bias) {
        vf bias = load_columns(t->bias + at, whole, columns);
        UNROLL
        for (size_t i = 0; i < rows; i++) sums[i] += bias;
    }
    if (t->last && t->residual) {
        const float *residual = t->residual + at;
        UNROLL
        for (size_t i = 0; i < rows; i++) {
            sums[i] += load_columns(residual + i * t->residual_row, whole, columns);
        }
    }
    if (t->last && t->clamp) {
        vf lo = vf_splat(t->lo), hi = vf_splat(t->hi);
        UNROLL
        for (size_t i = 0; i < rows; i++) sums[i] = vf_clamp(sums[i], lo, hi);
    }
    UNROLL
    for (size_t i = 0; i < rows; i++) {
        if (whole) {
            vf_store(c + i * t->c_row, sums[i]);
        } else {
            vf_store_part(c + i * t->c_row, sums[i], columns);
        }
    }
}

/* One step of k: all of a line of B at hand, the rows one after the other. */
KERNEL_INLINE void multiply_lines_first(const size_t rows, const size_t vectors, const float *const *a, size_t k,
                                        const float *b, vf *sums)
{
    const vf first = vf_load(b), second = vectors > 1 ? vf_load(b + VL) : first;
    UNROLL
    for (size_t i = 0; i < rows; i++) {
        vf x = vf_splat(a[i][k]), *sum = sums + i * vectors;
        sum[0] = vf_fma(x, first, sum[0]);
        if (vectors > 1) sum[1] = vf_fma(x, second, sum[1]);
    }
}

/* The same for few rows and long lines: their roles change. */
KERNEL_INLINE void multiply_rows_first(const size_t rows, const size_t panels, const size_t vectors,
                                       const float *const *a, size_t k, const float *b, size_t b_panel, vf *sums)
{
    vf x[FEW_ROWS];
    UNROLL
    for (size_t i = 0; i < rows; i++) x[i] = vf_splat(a[i][k]);
    UNROLL
    for (size_t v = 0; v < panels * vectors; v++) {
        vf line = vf_load(b + v / vectors * b_panel + v % vectors * VL);
        UNROLL
        for (size_t i = 0; i < rows; i++) {
            vf *sum = &sums[i * panels * vectors + v];
            *sum = vf_fma(x[i], line, *sum);
        }
    }
}

/* The sums of some steps join those before them, and begin anew. */
KERNEL_INLINE void set_aside(const size_t n, vf *sums, float *aside, bool first)
{
    UNROLL_LONG
    for (size_t i = 0; i < n; i++) {
        vf_store(aside + i * VL, first ? sums[i] : vf_load(aside + i * VL) + sums[i]);
        sums[i] = (vf){0};
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
    size_t steps = 0, parts = 0; /* since sums were set aside, how often they were */
    for (size_t tap = 0; tap < t->taps; tap++) {
        const float *a[TILE_ROWS];
        UNROLL
        for (size_t i = 0; i < rows; i++) a[i] = t->a[tap * rows + i];
        for (size_t k = 0, end; k < channels; k = end) {
            end = channels - k > SUM_STEPS ? k + SUM_STEPS : channels;
            if (steps + (end - k) > SUM_STEPS) {
                set_aside(rows * width, sums, t->aside, parts++ == 0);
                steps = 0;
            }
            steps += end - k;
            for (size_t i = k; i < end; i++) {
                if (panels == 1) {
                    prefetch_l2(next);
                    multiply_lines_first(rows, vectors, a, i, b, sums);
                } else {
                    multiply_rows_first(rows, panels, vectors, a, i, b, b_panel, sums);
                }
                b += vectors * VL;
                next += t->next_step;
            }
        }
    }
    if (parts > 0) {
        UNROLL_LONG
        for (size_t i = 0; i < rows * width; i++) sums[i] += vf_load(t->aside + i * VL);
    }
    const bool whole = t->columns == width * VL;
    UNROLL
    for (size_t v = 0; v < width; v++) {
        vf column[TILE_ROWS]; /* of its own: clang stores all of an array in the loop above when its address is passed
                               */
        UNROLL
        for (size_t i = 0; i < rows; i++) column[i] = sums[i * width + v];
        if (v + 1 < width || whole) {
            finish_columns(rows, v * VL, true, VL, t, column);
        } else {
            finish_columns(rows, v * VL, false, t->columns - v * VL, t, column);
        }
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
