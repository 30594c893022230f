/*
 * planar.c - see planar.h for the formula.
 *
 * The rows of the image under a strip of output rows are copied with zeros around them, so that no tap needs to know of
 * borders: for each channel and tap, an output reads what lies at a fixed offset from where its first tap reads. A tile
 * is a few output channels times a few vectors of positions, each in some row of the strip; its sums stay in registers
 * while one weight after the other is broadcast and multiplied with the positions that it meets. The last vector of a
 * row may reach beyond it; what it reads there is never stored.
 */
#include "runtime/kernels/isa.h"
#include "runtime/kernels/kernels.h"
#include <stdbool.h>

extern const sn_activation_kernels SN_FOR_ISA(sn_activation);

#define STRIP_FLOATS ((size_t)16 << 10) /* of a copy: beside weights and outputs it stays in the second cache */

/* X(channels, vectors) of the widest tile for that many channels. */
#if TILE_ROWS >= 12
#define TILES(X)      X(1, 8) X(2, 8) X(3, 6) X(4, 6) X(5, 4) X(6, 4) X(7, 3) X(8, 3)
#define MOST_CHANNELS 8
#else
#define TILES(X)      X(1, 6) X(2, 4) X(3, 3) X(4, 2) X(5, 2) X(6, 2)
#define MOST_CHANNELS 6
#endif
#define MOST_VECTORS 8

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}
static size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* ---------------------------------------------------------------------------------------------------- tiles */

typedef struct tile_args {
    const float *x[MOST_VECTORS]; /* where the vectors' positions have their first tap */
    size_t at[MOST_VECTORS];      /* of the vectors, in a channel of the output */
    size_t n[MOST_VECTORS];       /* positions of the vectors that exist */
    const ptrdiff_t *offsets;
    size_t k;
    const float *weights; /* [k][channels] */
    float *y;
    size_t y_channel; /* floats from one channel to the next, of the residual too */
    const float *bias, *residual;
    bool clamp;
    float lo, hi;
} tile_args;

/* What is left to do with the sums of vector v. */
KERNEL_INLINE void finish(const tile_args *t, const size_t channels, const size_t v, vf *sums)
{
    const size_t n = t->n[v];
    if (t->bias) {
        UNROLL
        for (size_t i = 0; i < channels; i++) sums[i] += vf_splat(t->bias[i]);
    }
    if (t->residual) {
        const float *residual = t->residual + t->at[v];
        UNROLL
        for (size_t i = 0; i < channels; i++, residual += t->y_channel) sums[i] += vf_load_some(residual, n);
    }
    if (t->clamp) {
        const vf lo = vf_splat(t->lo), hi = vf_splat(t->hi);
        UNROLL
        for (size_t i = 0; i < channels; i++) sums[i] = vf_clamp(sums[i], lo, hi);
    }
    float *y = t->y + t->at[v];
    UNROLL
    for (size_t i = 0; i < channels; i++, y += t->y_channel) vf_store_some(y, sums[i], n);
}

KERNEL_INLINE void tile(const tile_args *t, const size_t channels, const size_t vectors)
{
    vf sums[MOST_CHANNELS * MOST_VECTORS];
    const float *x[MOST_VECTORS];
    UNROLL
    for (size_t v = 0; v < vectors; v++) {
        x[v] = t->x[v];
        UNROLL
        for (size_t i = 0; i < channels; i++) sums[v * channels + i] = (vf){0};
    }
    const float *weights = t->weights;
    const ptrdiff_t *offset = t->offsets, *end = offset + t->k;
    for (; offset < end; offset++, weights += channels) {
        const ptrdiff_t from = *offset;
        vf in[MOST_VECTORS];
        UNROLL
        for (size_t v = 0; v < vectors; v++) in[v] = vf_load(x[v] + from);
        UNROLL
        for (size_t i = 0; i < channels; i++) {
            const vf w = vf_splat(weights[i]);
            UNROLL
            for (size_t v = 0; v < vectors; v++) sums[v * channels + i] = vf_fma(in[v], w, sums[v * channels + i]);
        }
    }
    UNROLL
    for (size_t v = 0; v < vectors; v++) {
        vf column[MOST_CHANNELS]; /* of its own, as in gemm_tile.h */
        UNROLL
        for (size_t i = 0; i < channels; i++) column[i] = sums[v * channels + i];
        finish(t, channels, v, column);
    }
}

#define TILE_FUNCTIONS(channels, vectors)                                                                              \
    static void tile_##channels##_wide(const tile_args *t)                                                             \
    {                                                                                                                  \
        tile(t, channels, vectors);                                                                                    \
    }                                                                                                                  \
    static void tile_##channels##_two(const tile_args *t)                                                              \
    {                                                                                                                  \
        tile(t, channels, 2);                                                                                          \
    }                                                                                                                  \
    static void tile_##channels##_one(const tile_args *t)                                                              \
    {                                                                                                                  \
        tile(t, channels, 1);                                                                                          \
    }
TILES(TILE_FUNCTIONS)

typedef struct tile_body {
    void (*run)(const tile_args *t);
    size_t vectors;
} tile_body;

#define TILE_BODIES(channels, vectors)                                                                                 \
    {{tile_##channels##_wide, vectors}, {tile_##channels##_two, 2}, {tile_##channels##_one, 1}},
/* [channels - 1], the widest first */
static const tile_body bodies[MOST_CHANNELS][3] = {TILES(TILE_BODIES)};

/* ---------------------------------------------------------------------------------------------------- the copy */

/* Rows of the image under so many output rows. */
static size_t rows_under(const sn_image_window *w, size_t rows)
{
    return (rows - 1) * (size_t)w->stride[1] + (size_t)((w->kernel[1] - 1) * w->dilation[1]) + 1;
}

static void settle(sn_planar *p, ptrdiff_t *offsets)
{
    const sn_image_window *w = p->window;
    const size_t height = (size_t)w->out[1], planes = p->in * (size_t)w->kernel[0];
    sn_planar_copy *c = &p->copy;
    c->pitch = (size_t)(w->out[2] + (w->kernel[2] - 1) * w->dilation[2]);
    const size_t fit = STRIP_FLOATS / (planes * c->pitch + 1), reach = rows_under(w, 1);
    const size_t most = fit > reach ? (fit - reach) / (size_t)w->stride[1] + 1 : 1;
    c->strip = height > 0 ? ceil_div(height, ceil_div(height, most)) : 1;
    c->rows = rows_under(w, c->strip);
    c->plane = c->pitch * c->rows;
    c->floats = planes * c->plane + VL;

    p->offsets = offsets;
    for (size_t plane = 0; plane < planes; plane++) {
        for (ptrdiff_t h = 0; h < w->kernel[1]; h++) {
            const ptrdiff_t row = (ptrdiff_t)(plane * c->plane) + h * w->dilation[1] * (ptrdiff_t)c->pitch;
            for (ptrdiff_t t = 0; t < w->kernel[2]; t++) *offsets++ = row + t * w->dilation[2];
        }
    }
}

/* A row's last vector is filled up with zeros: what they overwrite is zero, or written later. */
static void copy_rows(const float *x, size_t x_row, float *y, size_t y_row, size_t rows, size_t columns)
{
    const size_t whole = columns / VL * VL, part = columns - whole;
    for (; rows > 0; rows--, x += x_row, y += y_row) {
        for (size_t i = 0; i < whole; i += VL) vf_store(y + i, vf_load(x + i));
        if (part > 0) vf_store(y + whole, vf_load_part(x + whole, part));
    }
}

/* The part [begin, end) of a copy's axis that lies inside of the image, when the copy begins at the image's `first`. */
static sn_taps inside(ptrdiff_t first, size_t extent, ptrdiff_t in)
{
    const ptrdiff_t begin = first < 0 ? -first : 0,
                    end = (ptrdiff_t)extent < in - first ? (ptrdiff_t)extent : in - first;
    return (sn_taps){begin, end > begin ? end : begin};
}

typedef struct strip {
    size_t image;
    ptrdiff_t depth, height; /* of the first output row */
    size_t rows;             /* of the output */
} strip;

static void make_copy(const sn_planar *p, const strip *s, float *copy)
{
    const sn_image_window *w = p->window;
    const size_t pitch = p->copy.pitch;
    const ptrdiff_t height = sn_window_position(w, 1, s->height, 0);
    const sn_taps rows = inside(height, rows_under(w, s->rows), w->in[1]),
                  columns = inside(-w->pad[2], pitch, w->in[2]);
    const float *x = p->x + (ptrdiff_t)(s->image * p->in) * w->image;
    memset(copy, 0, p->copy.floats * sizeof *copy);
    if (columns.begin == columns.end || rows.begin == rows.end) return;
    const ptrdiff_t from = (height + rows.begin) * w->pitch[1] + columns.begin - w->pad[2];
    copy += (size_t)rows.begin * pitch + (size_t)columns.begin;
    for (size_t c = 0; c < p->in; c++, x += w->image) {
        for (ptrdiff_t t = 0; t < w->kernel[0]; t++, copy += p->copy.plane) {
            const ptrdiff_t depth = sn_window_position(w, 0, s->depth, t);
            if (depth < 0 || depth >= w->in[0]) continue;
            copy_rows(x + depth * w->pitch[0] + from, (size_t)w->pitch[1], copy, pitch, (size_t)(rows.end - rows.begin),
                      (size_t)(columns.end - columns.begin));
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- strips */

/* Where the next vector of a strip is. */
typedef struct place {
    const float *x; /* of its row */
    size_t x_row, width;
    size_t at, column; /* in a channel of the output, in its row */
} place;

static void list_vectors(tile_args *t, size_t vectors, place *next)
{
    for (size_t v = 0; v < vectors; v++) {
        t->x[v] = next->x + next->column;
        t->at[v] = next->at;
        t->n[v] = least(next->width - next->column, VL);
        next->at += t->n[v];
        next->column += VL;
        if (next->column < next->width) continue;
        next->column = 0;
        next->x += next->x_row;
    }
}

static size_t block_end(size_t out, size_t begin)
{
    const size_t left = out - begin;
    return begin + ceil_div(left, ceil_div(left, MOST_CHANNELS));
}

static void run_strip(const sn_planar *p, const strip *s, float *copy)
{
    const sn_image_window *w = p->window;
    const size_t width = (size_t)w->out[2], channel = (size_t)(w->out[0] * w->out[1]) * width;
    const size_t first = (size_t)(s->depth * w->out[1] + s->height) * width;
    const sn_activation *a = &p->activation;
    tile_args t = {.offsets = p->offsets,
                   .k = p->in * (size_t)(w->kernel[0] * w->kernel[1] * w->kernel[2]),
                   .y_channel = channel,
                   .clamp = a->kind == SN_ACT_CLAMP,
                   .lo = a->alpha,
                   .hi = a->beta};
    make_copy(p, s, copy);
    for (size_t m = 0, end; m < p->out; m = end) {
        end = block_end(p->out, m);
        const size_t block = (s->image * p->out + m) * channel;
        t.weights = p->weights + m * t.k;
        t.y = p->y + block;
        t.bias = p->bias ? p->bias + m : NULL;
        t.residual = p->residual ? p->residual + block : NULL;
        place next = {.x = copy, .x_row = (size_t)w->stride[1] * p->copy.pitch, .width = width, .at = first};
        const tile_body *body = bodies[end - m - 1];
        for (size_t left = s->rows * ceil_div(width, VL); left > 0; left -= body->vectors) {
            while (body->vectors > left) body++;
            list_vectors(&t, body->vectors, &next);
            body->run(&t);
        }
        if (a->kind != SN_ACT_NONE && a->kind != SN_ACT_CLAMP)
            SN_FOR_ISA(sn_activation).apply(a, t.y + first, end - m, s->rows * width, channel);
    }
}

static void run(const sn_planar *p, size_t row0, size_t row1, float *scratch)
{
    const sn_image_window *w = p->window;
    const size_t height = (size_t)w->out[1], depth = (size_t)w->out[0];
    if (w->out[2] == 0) return;
    for (size_t row = row0; row < row1;) {
        const size_t at = row % height, plane = row / height;
        const strip s = {.image = plane / depth,
                         .depth = (ptrdiff_t)(plane % depth),
                         .height = (ptrdiff_t)at,
                         .rows = least(least(p->copy.strip, height - at), row1 - row)};
        run_strip(p, &s, scratch);
        row += s.rows;
    }
}

static void pack(const float *weights, size_t out, size_t k, float *packed)
{
    for (size_t m = 0, end; m < out; m = end) {
        end = block_end(out, m);
        for (size_t i = 0; i < k; i++) {
            for (size_t c = m; c < end; c++) *packed++ = weights[c * k + i];
        }
    }
}

extern const sn_planar_kernels SN_FOR_ISA(sn_planar);
const sn_planar_kernels SN_FOR_ISA(sn_planar) = {.settle = settle, .pack = pack, .run = run};
