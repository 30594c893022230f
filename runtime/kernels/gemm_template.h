/*
 * gemm_template.h - matrix products, compiled once per instruction set (see isa_*.c).
 *
 * One register tile, TILE_ROWS x TILE_COLUMNS, walks over k: a row's element is broadcast and multiplied with a line of
 * B. A is read where it is (its rows are contiguous in k; packing it gains next to nothing); B is copied into a panel
 * of TILE_COLUMNS columns, K_BLOCK deep, which stays in the first cache while all rows pass over it. Where B comes from
 * is the business of a source: a matrix, or the columns of a convolution, which never exist as a whole.
 *
 * Every sum runs over k in order, in K_BLOCK steps, whatever the rectangle: see kernels.h.
 */
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/simd.h"
#include <math.h>

#define K_BLOCK 256 /* a panel of 32 columns is 32 KiB */
#define N_BLOCK 256 /* columns that pass over the same K_BLOCK of A while that is in the second-level cache */

static inline size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

typedef struct tile_args {
    size_t k;
    const float *a;
    size_t a_row;
    const float *b;
    size_t b_row;
    float *c;
    size_t c_row;
    const float *bias; /* one per row, or NULL */
    float lo, hi;
    bool load;   /* c holds the sum of the k before these */
    bool finish; /* the last k are in: apply bias and clamp */
} tile_args;

KERNEL_INLINE void tile(const int rows, const int vectors, const tile_args *t)
{
    vf acc[TILE_ROWS][TILE_VECTORS];
    const float *a[TILE_ROWS];
    UNROLL
    for (int i = 0; i < rows; i++) {
        a[i] = t->a + (size_t)i * t->a_row;
        UNROLL
        for (int v = 0; v < vectors; v++) {
            acc[i][v] = t->load ? vf_load(t->c + (size_t)i * t->c_row + v * VL) : (vf){0};
        }
    }
    const float *b = t->b;
    for (size_t k = 0; k < t->k; k++, b += t->b_row) {
        vf line[TILE_VECTORS];
        UNROLL
        for (int v = 0; v < vectors; v++) line[v] = vf_load(b + v * VL);
        UNROLL
        for (int i = 0; i < rows; i++) {
            vf x = vf_splat(a[i][k]);
            UNROLL
            for (int v = 0; v < vectors; v++) acc[i][v] = vf_fma(x, line[v], acc[i][v]);
        }
    }
    if (t->finish) {
        vf lo = vf_splat(t->lo), hi = vf_splat(t->hi);
        UNROLL
        for (int i = 0; i < rows; i++) {
            vf bias = vf_splat(t->bias ? t->bias[i] : 0.0f);
            UNROLL
            for (int v = 0; v < vectors; v++) {
                vf x = t->bias ? acc[i][v] + bias : acc[i][v];
                acc[i][v] = vf_clamp(x, lo, hi);
            }
        }
    }
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int v = 0; v < vectors; v++) vf_store(t->c + (size_t)i * t->c_row + v * VL, acc[i][v]);
    }
}

#define TILE_SIZES(X) X(1) X(2) X(3) X(4) X(5) X(6)
#if TILE_ROWS > 6
#define TILE_SIZES_12(X) X(7) X(8) X(9) X(10) X(11) X(12)
#else
#define TILE_SIZES_12(X)
#endif
#if TILE_ROWS > 12
#define TILE_SIZES_14(X) X(13) X(14)
#else
#define TILE_SIZES_14(X)
#endif

#define TILE_FUNCTION(rows)                                                                                            \
    static void tile_##rows##_1(const tile_args *t)                                                                    \
    {                                                                                                                  \
        tile(rows, 1, t);                                                                                              \
    }                                                                                                                  \
    static void tile_##rows##_2(const tile_args *t)                                                                    \
    {                                                                                                                  \
        tile(rows, 2, t);                                                                                              \
    }
TILE_SIZES(TILE_FUNCTION)
TILE_SIZES_12(TILE_FUNCTION)
TILE_SIZES_14(TILE_FUNCTION)

#define TILE_ROW(rows) {tile_##rows##_1, tile_##rows##_2},
static void (*const tiles[TILE_ROWS][TILE_VECTORS])(const tile_args *) = {TILE_SIZES(TILE_ROW) TILE_SIZES_12(TILE_ROW)
                                                                              TILE_SIZES_14(TILE_ROW)};

/* A tile of which only the first `columns` exist in C: computed beside it. */
static void edge_tile(const tile_args *t, size_t rows, size_t columns)
{
    float buffer[TILE_ROWS * TILE_COLUMNS];
    tile_args inner = *t;
    inner.c = buffer;
    inner.c_row = TILE_COLUMNS;
    if (t->load) {
        for (size_t i = 0; i < rows; i++) {
            memcpy(buffer + i * TILE_COLUMNS, t->c + i * t->c_row, columns * sizeof(float));
            memset(buffer + i * TILE_COLUMNS + columns, 0, (TILE_COLUMNS - columns) * sizeof(float));
        }
    }
    tiles[rows - 1][columns > VL](&inner);
    for (size_t i = 0; i < rows; i++) {
        memcpy(t->c + i * t->c_row, buffer + i * TILE_COLUMNS, columns * sizeof(float));
    }
}

/* All of `rows` against one panel. Rows are dealt evenly to the tiles: 16 rows are 8 + 8, not 14 + 2. */
static void panel_rows(const tile_args *t, size_t rows, size_t columns)
{
    size_t n_tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
    tile_args step = *t;
    for (size_t i = 0, row = 0; i < n_tiles; i++) {
        size_t count = rows / n_tiles + (i < rows % n_tiles);
        step.a = t->a + row * t->a_row;
        step.c = t->c + row * t->c_row;
        step.bias = t->bias ? t->bias + row : NULL;
        if (columns == TILE_COLUMNS) {
            tiles[count - 1][TILE_VECTORS - 1](&step);
        } else {
            edge_tile(&step, count, columns);
        }
        row += count;
    }
}

/* Gives B's rows [k0, k0 + k) of `columns` <= TILE_COLUMNS columns from n on as a panel [k][TILE_COLUMNS]. */
typedef void (*panel_source)(const void *context, size_t k0, size_t k, size_t n, size_t columns, float *panel);

typedef struct product {
    size_t k;
    const float *a;
    size_t a_row;
    float *c;
    size_t c_row;
    const float *bias;
    float lo, hi;
    panel_source source;
    const void *context;
} product;

static void product_run(const product *p, size_t m0, size_t m1, size_t n0, size_t n1, float *scratch)
{
    if (m0 >= m1) return;
    size_t n_steps = p->k > 0 ? (p->k + K_BLOCK - 1) / K_BLOCK : 1; /* k == 0: bias and clamp of an empty sum */
    for (size_t n = n0; n < n1; n += N_BLOCK) {
        size_t columns = smaller(N_BLOCK, n1 - n);
        for (size_t step = 0; step < n_steps; step++) {
            size_t k0 = step * K_BLOCK, k = smaller(K_BLOCK, p->k - k0);
            for (size_t j = 0; j < columns; j += TILE_COLUMNS) {
                p->source(p->context, k0, k, n + j, smaller(TILE_COLUMNS, columns - j), scratch);
                tile_args t = {.k = k,
                               .a = p->a + m0 * p->a_row + k0,
                               .a_row = p->a_row,
                               .b = scratch,
                               .b_row = TILE_COLUMNS,
                               .c = p->c + m0 * p->c_row + n + j,
                               .c_row = p->c_row,
                               .bias = p->bias ? p->bias + m0 : NULL,
                               .lo = p->lo,
                               .hi = p->hi,
                               .load = step > 0,
                               .finish = step + 1 == n_steps};
                panel_rows(&t, m1 - m0, smaller(TILE_COLUMNS, columns - j));
            }
        }
    }
}

/* ------------------------------------------------------------------------------------------------ B is a matrix */

static void matrix_panel(const void *context, size_t k0, size_t k, size_t n, size_t columns, float *panel)
{
    const sn_matmul *p = context;
    const float *b = p->b + k0 * p->b_row + n;
    if (columns == TILE_COLUMNS) {
        for (size_t i = 0; i < k; i++, b += p->b_row, panel += TILE_COLUMNS) {
            UNROLL
            for (int v = 0; v < TILE_VECTORS; v++) vf_store(panel + v * VL, vf_load(b + v * VL));
        }
        return;
    }
    for (size_t i = 0; i < k; i++, b += p->b_row, panel += TILE_COLUMNS) {
        memcpy(panel, b, columns * sizeof(float));
        memset(panel + columns, 0, (TILE_COLUMNS - columns) * sizeof(float));
    }
}

/* With few rows each element of B is used a few times only: reading it in memory order beats packing. The sums are
 * those of the tile: the same operations in the same order. */
#define STREAM_ROWS    3
#define STREAM_COLUMNS 1024

static void stream_row(const sn_matmul *p, size_t m, size_t n0, size_t n)
{
    const float *a = p->a + m * p->a_row;
    float *c = p->c + m * p->c_row + n0;
    memset(c, 0, n * sizeof(float));
    size_t whole = n / VL * VL, rest = n - whole;
    for (size_t k = 0; k < p->k; k++) {
        const float *b = p->b + k * p->b_row + n0;
        vf x = vf_splat(a[k]);
        for (size_t j = 0; j < whole; j += VL) vf_store(c + j, vf_fma(x, vf_load(b + j), vf_load(c + j)));
        if (rest > 0) {
            vf sum = vf_fma(x, vf_load_part(b + whole, rest), vf_load_part(c + whole, rest));
            memcpy(c + whole, &sum, rest * sizeof(float));
        }
    }
}

static void matmul(const sn_matmul *p, size_t m0, size_t m1, size_t n0, size_t n1, float *scratch)
{
    if (p->m <= STREAM_ROWS) {
        for (size_t n = n0; n < n1; n += STREAM_COLUMNS) {
            for (size_t m = m0; m < m1; m++) stream_row(p, m, n, smaller(STREAM_COLUMNS, n1 - n));
        }
        return;
    }
    product x = {.k = p->k,
                 .a = p->a,
                 .a_row = p->a_row,
                 .c = p->c,
                 .c_row = p->c_row,
                 .lo = -INFINITY,
                 .hi = INFINITY,
                 .source = matrix_panel,
                 .context = p};
    product_run(&x, m0, m1, n0, n1, scratch);
}

/* ------------------------------------------------------------------------------------------------ B is transposed */

/* Both operands are contiguous in k: vectors of partial sums along k need no packing at all. The order of a sum depends
 * on k only. */
KERNEL_INLINE void dot_tile(const int rows_a, const int rows_b, const sn_matmul *p, size_t m, size_t n)
{
    const float *a = p->a + m * p->a_row, *b = p->b + n * p->b_row;
    vf acc[DOT_A][DOT_B];
    UNROLL
    for (int i = 0; i < rows_a; i++) {
        UNROLL
        for (int j = 0; j < rows_b; j++) acc[i][j] = (vf){0};
    }
    size_t whole = p->k / VL * VL, rest = p->k - whole;
    for (size_t k = 0; k < whole; k += VL) {
        vf y[DOT_B];
        UNROLL
        for (int j = 0; j < rows_b; j++) y[j] = vf_load(b + (size_t)j * p->b_row + k);
        UNROLL
        for (int i = 0; i < rows_a; i++) {
            vf x = vf_load(a + (size_t)i * p->a_row + k);
            UNROLL
            for (int j = 0; j < rows_b; j++) acc[i][j] = vf_fma(x, y[j], acc[i][j]);
        }
    }
    if (rest > 0) {
        UNROLL
        for (int i = 0; i < rows_a; i++) {
            vf x = vf_load_part(a + (size_t)i * p->a_row + whole, rest);
            UNROLL
            for (int j = 0; j < rows_b; j++) {
                acc[i][j] = vf_fma(x, vf_load_part(b + (size_t)j * p->b_row + whole, rest), acc[i][j]);
            }
        }
    }
    UNROLL
    for (int i = 0; i < rows_a; i++) {
        UNROLL
        for (int j = 0; j < rows_b; j++) p->c[(m + (size_t)i) * p->c_row + n + (size_t)j] = vf_sum(acc[i][j]);
    }
}

#define DOT_FUNCTIONS(rows_a)                                                                                          \
    static void dot_##rows_a##_1(const sn_matmul *p, size_t m, size_t n)                                               \
    {                                                                                                                  \
        dot_tile(rows_a, 1, p, m, n);                                                                                  \
    }                                                                                                                  \
    static void dot_##rows_a##_2(const sn_matmul *p, size_t m, size_t n)                                               \
    {                                                                                                                  \
        dot_tile(rows_a, 2, p, m, n);                                                                                  \
    }                                                                                                                  \
    static void dot_##rows_a##_3(const sn_matmul *p, size_t m, size_t n)                                               \
    {                                                                                                                  \
        dot_tile(rows_a, 3, p, m, n);                                                                                  \
    }                                                                                                                  \
    static void dot_##rows_a##_4(const sn_matmul *p, size_t m, size_t n)                                               \
    {                                                                                                                  \
        dot_tile(rows_a, 4, p, m, n);                                                                                  \
    }
#define DOT_ROW(rows_a) {dot_##rows_a##_1, dot_##rows_a##_2, dot_##rows_a##_3, dot_##rows_a##_4},
#if DOT_A > 3
#define DOT_SIZES(X) X(1) X(2) X(3) X(4)
#else
#define DOT_SIZES(X) X(1) X(2) X(3)
#endif
DOT_SIZES(DOT_FUNCTIONS)
static void (*const dots[DOT_A][DOT_B])(const sn_matmul *, size_t, size_t) = {DOT_SIZES(DOT_ROW)};

static void matmul_transposed(const sn_matmul *p, size_t m0, size_t m1, size_t n0, size_t n1)
{
    for (size_t n = n0; n < n1; n += DOT_B) {
        size_t rows_b = smaller(DOT_B, n1 - n);
        for (size_t m = m0; m < m1; m += DOT_A) dots[smaller(DOT_A, m1 - m) - 1][rows_b - 1](p, m, n);
    }
}
