/*
 * layout.c - see layout.h.
 *
 * A matrix is transposed in tiles of TILE x TILE, which are the units of work, and those in blocks of VL x VL, which
 * registers transpose. Along a tile's rows whole cache lines are read, along its columns whole ones are written.
 *
 * A tile with its target would fit the first cache, if that were not divided into sets: lines that lie apart by a
 * multiple of ALIAS_FLOATS are all in one, which holds a dozen. Writing suffers most, as lines are fetched for stores
 * that still wait in the queue, and lost before their turn. So, where that is the pitch of the target, no more than 8
 * of its rows are written at a time. Otherwise, where a vector is a piece of a line, tiles go through a buffer: each
 * line of the source is read, and each of the target written, once and whole.
 *
 * A target that is larger than what the last cache would keep of it is written past the caches, in whole lines: these
 * are not fetched first, which would be half as much again to move.
 */
#include "runtime/kernels/isa.h"
#include "runtime/kernels/kernels.h"

#define TILE          64 /* a multiple of every VL */
#define ALIAS_FLOATS  1024
#define STREAM_FLOATS 2097152 /* of a target from which on it is written past the caches */

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---------------------------------------------------------------------------------------------------- rows */

#define CALL_PAYS 256 /* elements from which on libc's routines are as fast */

static void copy_row(const float *x, float *y, size_t n)
{
    if (n >= CALL_PAYS) {
        memcpy(y, x, n * sizeof *y);
        return;
    }
    size_t i = 0;
    for (; i + VL <= n; i += VL) vf_store(y + i, vf_load(x + i));
    if (i < n) vf_store_part(y + i, vf_load_part(x + i, n - i), n - i);
}

static void zero_row(float *y, size_t n)
{
    if (n >= CALL_PAYS) {
        memset(y, 0, n * sizeof *y);
        return;
    }
    size_t i = 0;
    for (; i + VL <= n; i += VL) vf_store(y + i, (vf){0});
    if (i < n) vf_store_part(y + i, (vf){0}, n - i);
}

static void copy(const sn_copy *c, size_t row0, size_t row1)
{
    for (size_t i = row0; i < row1; i++) copy_row(c->x + i * c->x_row, c->y + i * c->y_row, c->columns);
}

/* ---------------------------------------------------------------------------------------------------- transpose */

KERNEL_INLINE void transpose_block(const bool stream, const float *x, size_t x_row, float *y, size_t y_row)
{
    vf r[VL];
    UNROLL
    for (size_t i = 0; i < VL; i++) r[i] = vf_load(x + i * x_row);
    vf_transpose(r);
    UNROLL
    for (size_t j = 0; j < VL; j++) {
        if (stream)
            vf_stream(y + j * y_row, r[j]);
        else
            vf_store(y + j * y_row, r[j]);
    }
}

/* The same for a block of which only so many rows and columns exist. */
static void transpose_part(const float *x, size_t x_row, float *y, size_t y_row, size_t rows, size_t columns)
{
    vf r[VL];
    UNROLL
    for (size_t i = 0; i < VL; i++) r[i] = i < rows ? vf_load_part(x + i * x_row, columns) : (vf){0};
    vf_transpose(r);
    UNROLL
    for (size_t j = 0; j < VL; j++) {
        if (j < columns) vf_store_part(y + j * y_row, r[j], rows);
    }
}

static void transpose_matrix(const float *x, size_t x_row, float *y, size_t y_row, size_t rows, size_t columns)
{
    for (size_t j = 0; j < columns; j += VL) {
        for (size_t i = 0; i < rows; i += VL) {
            const float *from = x + i * x_row + j;
            float *to = y + j * y_row + i;
            if (rows - i >= VL && columns - j >= VL)
                transpose_block(false, from, x_row, to, y_row);
            else
                transpose_part(from, x_row, to, y_row, min_size(rows - i, VL), min_size(columns - j, VL));
        }
    }
}

static bool streams(const sn_transpose *t)
{
    const bool lines = ((uintptr_t)t->y | t->y_row * sizeof *t->y | t->y_batch * sizeof *t->y) % CACHE_LINE == 0;
    return VF_STREAMS && lines && t->batch * t->rows * t->columns >= STREAM_FLOATS;
}

static bool aliases(size_t pitch)
{
    return pitch % ALIAS_FLOATS == 0;
}

#if VL == 16
/* The rows and columns of a tile that are left beside its first ones. */
static void transpose_rest(const float *x, size_t x_row, float *y, size_t y_row, size_t rows, size_t columns,
                           size_t done_rows, size_t done_columns)
{
    transpose_matrix(x + done_columns, x_row, y + done_columns * y_row, y_row, done_rows, columns - done_columns);
    transpose_matrix(x + done_rows * x_row, x_row, y + done_rows, y_row, rows - done_rows, columns);
}

static void transpose_half_block(const float *x, size_t x_row, float *y, size_t y_row)
{
    vf r[VL / 2];
    UNROLL
    for (size_t i = 0; i < VL / 2; i++) r[i] = vf_load_halves(x + i * x_row, x + (i + VL / 2) * x_row);
    vf_transpose_halves(r);
    UNROLL
    for (size_t j = 0; j < VL / 2; j++) vf_store(y + j * y_row, r[j]);
}

/* 8 rows of y at a time. */
static void transpose_half_blocks(const float *x, size_t x_row, float *y, size_t y_row, size_t rows, size_t columns)
{
    const size_t whole_rows = rows / VL * VL, whole_columns = columns / (VL / 2) * (VL / 2);
    for (size_t j = 0; j < whole_columns; j += VL / 2) {
        for (size_t i = 0; i < whole_rows; i += VL) {
            transpose_half_block(x + i * x_row + j, x_row, y + j * y_row + i, y_row);
        }
    }
    transpose_rest(x, x_row, y, y_row, rows, columns, whole_rows, whole_columns);
}

/* Half blocks read each line of x twice, between which it is lost when those alias, too. */
static void transpose_tile(const float *x, size_t x_row, float *y, size_t y_row, size_t rows, size_t columns)
{
    if (aliases(y_row) && !aliases(x_row))
        transpose_half_blocks(x, x_row, y, y_row, rows, columns);
    else
        transpose_matrix(x, x_row, y, y_row, rows, columns);
}

/* A vector is a line: no buffer is needed. */
static void stream_tile(const float *x, size_t x_row, float *y, size_t y_row, size_t rows, size_t columns)
{
    const size_t whole_rows = rows / VL * VL, whole_columns = columns / VL * VL;
    for (size_t j = 0; j < whole_columns; j += VL) {
        for (size_t i = 0; i < whole_rows; i += VL) {
            transpose_block(true, x + i * x_row + j, x_row, y + j * y_row + i, y_row);
        }
    }
    transpose_rest(x, x_row, y, y_row, rows, columns, whole_rows, whole_columns);
}
#else
/* Blocks one beside the other, to rows of TILE floats. */
static void transpose_to_buffer(const float *x, size_t x_row, float *buffer, size_t rows, size_t columns)
{
    for (size_t i = 0; i < rows; i += VL)
        transpose_matrix(x + i * x_row, x_row, buffer + i, TILE, min_size(rows - i, VL), columns);
}

static void transpose_tile(const float *x, size_t x_row, float *y, size_t y_row, size_t rows, size_t columns)
{
    if (aliases(y_row)) {
        transpose_matrix(x, x_row, y, y_row, rows, columns);
        return;
    }
    float buffer[TILE * TILE] __attribute__((aligned(sizeof(vf))));
    transpose_to_buffer(x, x_row, buffer, rows, columns);
    copy(&(sn_copy){columns, rows, buffer, TILE, y, y_row}, 0, columns);
}

static void stream_tile(const float *x, size_t x_row, float *y, size_t y_row, size_t rows, size_t columns)
{
    float buffer[TILE * TILE] __attribute__((aligned(sizeof(vf))));
    transpose_to_buffer(x, x_row, buffer, rows, columns);
    for (size_t j = 0; j < columns; j++) {
        size_t i = 0;
        for (; i + VL <= rows; i += VL) vf_stream(y + j * y_row + i, vf_load(buffer + j * TILE + i));
        if (i < rows) vf_store_part(y + j * y_row + i, vf_load_part(buffer + j * TILE + i, rows - i), rows - i);
    }
}
#endif

/* F(k, e) for every element e of a vector, as a list. */
#if VL == 16
#define EACH(F, k)                                                                                                     \
    F(k, 0), F(k, 1), F(k, 2), F(k, 3), F(k, 4), F(k, 5), F(k, 6), F(k, 7), F(k, 8), F(k, 9), F(k, 10), F(k, 11),      \
        F(k, 12), F(k, 13), F(k, 14), F(k, 15)
#elif VL == 8
#define EACH(F, k) F(k, 0), F(k, 1), F(k, 2), F(k, 3), F(k, 4), F(k, 5), F(k, 6), F(k, 7)
#else
#define EACH(F, k) F(k, 0), F(k, 1), F(k, 2), F(k, 3)
#endif

/* Element q = k * VL + e of a0 b0 c0 a1 b1 c1 ... is number q / 3 of vector q % 3: taken first from a and b, then,
 * where it is c's turn, from c. */
#define FROM_AB(k, e) (((k)*VL + (e)) / 3 + (((k)*VL + (e)) % 3 == 1 ? VL : 0))
#define FROM_C(k, e)  (((k)*VL + (e)) % 3 == 2 ? VL + ((k)*VL + (e)) / 3 : (e))
#define INTERLEAVED(a, b, c, k)                                                                                        \
    __builtin_shufflevector(__builtin_shufflevector(a, b, EACH(FROM_AB, k)), c, EACH(FROM_C, k))

/* Three rows to triples without gaps: an image of three channels, for which blocks would be nearly empty. */
static void transpose_three_rows(const float *x, size_t x_row, float *y, size_t columns)
{
    size_t j = 0;
    for (; j + VL <= columns; j += VL) {
        vf a = vf_load(x + j), b = vf_load(x + x_row + j), c = vf_load(x + 2 * x_row + j);
        vf_store(y + 3 * j, INTERLEAVED(a, b, c, 0));
        vf_store(y + 3 * j + VL, INTERLEAVED(a, b, c, 1));
        vf_store(y + 3 * j + 2 * VL, INTERLEAVED(a, b, c, 2));
    }
    transpose_matrix(x + j, x_row, y + 3 * j, 3, 3, columns - j);
}

static void transpose_any(const float *x, size_t x_row, float *y, size_t y_row, size_t rows, size_t columns)
{
    if (rows == 3 && y_row == 3)
        transpose_three_rows(x, x_row, y, columns);
    else
        transpose_matrix(x, x_row, y, y_row, rows, columns);
}

static size_t tiles_of(size_t n)
{
    return (n + TILE - 1) / TILE;
}

/* A matrix of few rows has longer tiles. */
static size_t tile_columns(const sn_transpose *t)
{
    return t->rows < VL ? TILE * VL : TILE;
}

static size_t transpose_units(const sn_transpose *t)
{
    const size_t columns = tile_columns(t);
    return t->batch * tiles_of(t->rows) * ((t->columns + columns - 1) / columns);
}

/* Tiles below each other, which continue the same rows of y, are neighbours. */
static void transpose(const sn_transpose *t, size_t unit0, size_t unit1)
{
    const bool stream = streams(t);
    const size_t width = tile_columns(t), down = tiles_of(t->rows), across = (t->columns + width - 1) / width;
    for (size_t unit = unit0; unit < unit1; unit++) {
        const size_t i = unit % down * TILE, j = unit / down % across * width, b = unit / down / across;
        const float *x = t->x + b * t->x_batch + i * t->x_row + j;
        float *y = t->y + b * t->y_batch + j * t->y_row + i;
        const size_t rows = min_size(t->rows - i, TILE), columns = min_size(t->columns - j, width);
        if (stream && t->rows >= VL)
            stream_tile(x, t->x_row, y, t->y_row, rows, columns);
        else if (t->rows >= VL && columns >= VL)
            transpose_tile(x, t->x_row, y, t->y_row, rows, columns);
        else
            transpose_any(x, t->x_row, y, t->y_row, rows, columns);
    }
    if (stream) vf_stream_end();
}

/* ---------------------------------------------------------------------------------------------------- padding */

static void padded_row(const sn_padded_copy *p, const float *x, float *y)
{
    const size_t channels = p->channels, inner = p->in[2] * channels;
    zero_row(y, p->before[2] * channels);
    y += p->before[2] * channels;
    const bool last = p->x_channel == 1;
    if (last ? p->x_axis[2] == channels : channels == 1)
        copy_row(x, y, inner);
    else if (last)
        copy(&(sn_copy){p->in[2], channels, x, p->x_axis[2], y, channels}, 0, p->in[2]);
    else
        transpose_any(x, p->x_channel, y, channels, channels, p->in[2]);
    zero_row(y + inner, p->after[2] * channels);
}

static void padded_copy(const sn_padded_copy *p, size_t row0, size_t row1)
{
    size_t extent[SN_WINDOW_AXES];
    for (int a = 0; a < SN_WINDOW_AXES; a++) extent[a] = p->before[a] + p->in[a] + p->after[a];
    const size_t length = extent[2] * p->channels;
    for (size_t row = row0; row < row1; row++) {
        const size_t height = row % extent[1] - p->before[1], depth = row / extent[1] % extent[0] - p->before[0];
        const size_t image = row / extent[1] / extent[0];
        float *y = p->y + row * length;
        if (height < p->in[1] && depth < p->in[0]) /* before the image they are huge */
            padded_row(p, p->x + image * p->x_image + depth * p->x_axis[0] + height * p->x_axis[1], y);
        else
            zero_row(y, length);
    }
}

/* ---------------------------------------------------------------------------------------------------- any permutation
 */

static void merge_axes(sn_permutation *p)
{
    size_t n = 0;
    for (size_t a = 0; a < p->axes; a++) {
        if (p->extent[a] == 1) continue;
        const ptrdiff_t extent = (ptrdiff_t)p->extent[a];
        const bool continues =
            n > 0 && p->x_stride[n - 1] == extent * p->x_stride[a] && p->y_stride[n - 1] == extent * p->y_stride[a];
        if (!continues) n++;
        p->extent[n - 1] = continues ? p->extent[n - 1] * p->extent[a] : p->extent[a];
        p->x_stride[n - 1] = p->x_stride[a];
        p->y_stride[n - 1] = p->y_stride[a];
    }
    p->axes = n;
}

/* What the innermost loops do: axes `row` and `column` (of x), of which either may be missing (-1). */
typedef struct inner_loops {
    int row, column;
    bool transposed; /* the column of x is the row of y: needs both */
} inner_loops;

/* The last axis that both step through element by element makes copies of rows; else two such axes, one of x and one
 * of y, make transposes; else elements are copied one by one. */
static inner_loops inner_loops_of(const sn_permutation *p)
{
    int x_unit = -1, y_unit = -1;
    for (int a = (int)p->axes - 1; a >= 0; a--) {
        if (p->x_stride[a] == 1 && p->y_stride[a] == 1) return (inner_loops){-1, a, false};
        if (p->x_stride[a] == 1 && x_unit < 0) x_unit = a;
        if (p->y_stride[a] == 1 && y_unit < 0) y_unit = a;
    }
    const bool both = x_unit >= 0 && y_unit >= 0 && p->x_stride[y_unit] > 0 && p->y_stride[x_unit] > 0;
    return both ? (inner_loops){y_unit, x_unit, true} : (inner_loops){-1, (int)p->axes - 1, false};
}

static sn_transpose matrix_of(const sn_permutation *p, const inner_loops *l)
{
    return (sn_transpose){.batch = 1,
                          .rows = p->extent[l->row],
                          .columns = p->extent[l->column],
                          .x_row = (size_t)p->x_stride[l->row],
                          .y_row = (size_t)p->y_stride[l->column]};
}

static size_t permute_units(const sn_permutation *p)
{
    const inner_loops l = inner_loops_of(p);
    size_t units = 1;
    for (int a = 0; a < (int)p->axes; a++) units *= a == l.row || a == l.column ? 1 : p->extent[a];
    if (l.transposed) {
        sn_transpose t = matrix_of(p, &l);
        return units * transpose_units(&t);
    }
    return l.column >= 0 && p->extent[l.column] == 0 ? 0 : units;
}

static void copy_strided(const float *x, ptrdiff_t x_stride, float *y, ptrdiff_t y_stride, size_t n)
{
    if (x_stride == 1 && y_stride == 1) {
        copy_row(x, y, n);
        return;
    }
    for (ptrdiff_t i = 0; i < (ptrdiff_t)n; i++) y[i * y_stride] = x[i * x_stride];
}

/* The offsets of iteration `index` of the axes outside of the inner loops. */
static void outer_offsets(const sn_permutation *p, const inner_loops *l, size_t index, ptrdiff_t *x, ptrdiff_t *y)
{
    *x = *y = 0;
    for (int a = (int)p->axes - 1; a >= 0; a--) {
        if (a == l->row || a == l->column) continue;
        const ptrdiff_t i = (ptrdiff_t)(index % p->extent[a]);
        index /= p->extent[a];
        *x += i * p->x_stride[a];
        *y += i * p->y_stride[a];
    }
}

static void permute(const sn_permutation *p, size_t unit0, size_t unit1)
{
    const inner_loops l = inner_loops_of(p);
    sn_transpose t = l.transposed ? matrix_of(p, &l) : (sn_transpose){0};
    const size_t inner = l.transposed ? transpose_units(&t) : 1;
    for (size_t unit = unit0, next; unit < unit1; unit = next) {
        ptrdiff_t x, y;
        outer_offsets(p, &l, unit / inner, &x, &y);
        next = min_size(unit1, (unit / inner + 1) * inner);
        if (l.transposed) {
            t.x = p->x + x;
            t.y = p->y + y;
            transpose(&t, unit % inner, unit % inner + (next - unit));
        } else if (l.column >= 0) {
            copy_strided(p->x + x, p->x_stride[l.column], p->y + y, p->y_stride[l.column], p->extent[l.column]);
        } else {
            *p->y = *p->x; /* no axes: one element */
        }
    }
}

extern const sn_layout_kernels SN_FOR_ISA(sn_layout);
const sn_layout_kernels SN_FOR_ISA(sn_layout) = {.transpose_units = transpose_units,
                                                 .transpose = transpose,
                                                 .copy = copy,
                                                 .padded_copy = padded_copy,
                                                 .merge_axes = merge_axes,
                                                 .permute_units = permute_units,
                                                 .permute = permute};
