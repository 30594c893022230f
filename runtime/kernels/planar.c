/*
 * planar.c - see planar.h for the formula.
 *
 * The rows of the image under a strip of output rows are copied with zeros around them, so that no tap needs to know of
 * borders: an output row is then, for each channel and tap, the row of the copy that begins at a fixed offset from its
 * own place. A tile is a few output channels times a few vectors of positions; its sums stay in registers while a
 * weight after the other is broadcast and multiplied with the positions that it meets. Vectors may reach beyond a row;
 * what they read there is never stored.
 *
 * Rows that do not fill their vectors would waste much of narrow images. There the copy has a plane for every tap along
 * the width, shifted by it and as wide as the output: then all rows of the output are one.
 */
#include "runtime/kernels/isa.h"
#include "runtime/kernels/kernels.h"

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
    const float *x; /* of the first position */
    const ptrdiff_t *offsets;
    size_t k;
    const float *weights; /* [k][channels] */
    float *y;
    size_t y_channel; /* floats from one channel to the next, of the residual too */
    size_t columns;   /* positions that exist: only the last vector may be cut */
    const float *bias, *residual;
    bool clamp;
    float lo, hi;
} tile_args;

/* What is left to do with the sums of the vector of positions that begins at `at`; `columns` of them exist. */
KERNEL_INLINE void finish(const tile_args *t, const size_t channels, const size_t at, const bool whole,
                          const size_t columns, vf *sums)
{
    if (t->bias) {
        UNROLL
        for (size_t i = 0; i < channels; i++) sums[i] += vf_splat(t->bias[i]);
    }
    if (t->residual) {
        const float *residual = t->residual + at;
        UNROLL
        for (size_t i = 0; i < channels; i++, residual += t->y_channel) {
            sums[i] += whole ? vf_load(residual) : vf_load_part(residual, columns);
        }
    }
    if (t->clamp) {
        const vf lo = vf_splat(t->lo), hi = vf_splat(t->hi);
        UNROLL
        for (size_t i = 0; i < channels; i++) sums[i] = vf_clamp(sums[i], lo, hi);
    }
    float *y = t->y + at;
    UNROLL
    for (size_t i = 0; i < channels; i++, y += t->y_channel) {
        if (whole) {
            vf_store(y, sums[i]);
        } else {
            vf_store_part(y, sums[i], columns);
        }
    }
}

KERNEL_INLINE void tile(const tile_args *t, const size_t channels, const size_t vectors)
{
    vf sums[MOST_CHANNELS * MOST_VECTORS];
    UNROLL
    for (size_t v = 0; v < vectors; v++) {
        UNROLL
        for (size_t i = 0; i < channels; i++) sums[v * channels + i] = (vf){0};
    }
    const float *x = t->x, *weights = t->weights;
    const ptrdiff_t *offset = t->offsets, *end = offset + t->k;
    for (; offset < end; offset++, weights += channels) {
        const float *from = x + *offset;
        vf in[MOST_VECTORS];
        UNROLL
        for (size_t v = 0; v < vectors; v++) in[v] = vf_load(from + v * VL);
        UNROLL
        for (size_t i = 0; i < channels; i++) {
            const vf w = vf_splat(weights[i]);
            UNROLL
            for (size_t v = 0; v < vectors; v++) sums[v * channels + i] = vf_fma(in[v], w, sums[v * channels + i]);
        }
    }
    const bool whole = t->columns == vectors * VL;
    UNROLL
    for (size_t v = 0; v < vectors; v++) {
        vf column[MOST_CHANNELS]; /* of its own, as in gemm_tile.h */
        UNROLL
        for (size_t i = 0; i < channels; i++) column[i] = sums[v * channels + i];
        if (v + 1 < vectors || whole) {
            finish(t, channels, v * VL, true, VL, column);
        } else {
            finish(t, channels, v * VL, false, t->columns - v * VL, column);
        }
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

/* `length` positions that lie next to each other in the copy and in the output. */
static void run_positions(tile_args t, size_t channels, size_t length)
{
    const tile_body *body = bodies[channels - 1];
    for (size_t left = ceil_div(length, VL); left > 0;) {
        while (body->vectors > left) body++;
        t.columns = least(length, body->vectors * VL);
        body->run(&t);
        left -= body->vectors;
        length -= t.columns;
        t.x += t.columns;
        t.y += t.columns;
        if (t.residual) t.residual += t.columns;
    }
}

/* ---------------------------------------------------------------------------------------------------- the copy */

/* Rows of the image under so many output rows. */
static size_t rows_under(const sn_image_window *w, size_t rows)
{
    return (rows - 1) * (size_t)w->stride[1] + (size_t)((w->kernel[1] - 1) * w->dilation[1]) + 1;
}

/* Do shifted planes cost less than the lanes that rows leave empty? Copying a vector takes about as long as two
 * multiplications. */
static bool shifting_pays(const sn_planar *p)
{
    const sn_image_window *w = p->window;
    if (w->stride[1] != 1) return false;
    const size_t width = (size_t)w->out[2], height = (size_t)w->out[1], sums = p->out * (size_t)w->kernel[1];
    const size_t joined = ceil_div(width * height, VL), apart = ceil_div(width, VL) * height;
    return joined * (sums + 2 * (size_t)(w->kernel[2] - 1)) < apart * sums;
}

static void settle(sn_planar *p, ptrdiff_t *offsets)
{
    const sn_image_window *w = p->window;
    const size_t height = (size_t)w->out[1], width_taps = (size_t)w->kernel[2];
    sn_planar_copy *c = &p->copy;
    c->shifted = shifting_pays(p);
    c->pitch = (size_t)w->out[2] + (c->shifted ? 0 : (width_taps - 1) * (size_t)w->dilation[2]);
    const size_t shifts = c->shifted ? width_taps : 1, planes = p->in * (size_t)w->kernel[0] * shifts;
    size_t strips = 1;
    while (strips < height && planes * c->pitch * rows_under(w, ceil_div(height, strips)) > STRIP_FLOATS) strips++;
    c->strip = height > 0 ? ceil_div(height, strips) : 1;
    c->rows = rows_under(w, c->strip);
    c->floats = planes * c->pitch * c->rows + VL;

    const ptrdiff_t plane = (ptrdiff_t)(c->pitch * c->rows);
    p->offsets = offsets;
    for (size_t slice = 0; slice < p->in * (size_t)w->kernel[0]; slice++) {
        for (ptrdiff_t h = 0; h < w->kernel[1]; h++) {
            const ptrdiff_t row = (ptrdiff_t)(slice * shifts) * plane + h * w->dilation[1] * (ptrdiff_t)c->pitch;
            for (ptrdiff_t t = 0; t < w->kernel[2]; t++) *offsets++ = row + t * (c->shifted ? plane : w->dilation[2]);
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

/* All shifts of one slice of the image. */
static void copy_slice(const sn_planar *p, const float *x, ptrdiff_t first_row, sn_taps rows, float *y)
{
    const sn_image_window *w = p->window;
    const sn_planar_copy *c = &p->copy;
    const ptrdiff_t shifts = c->shifted ? w->kernel[2] : 1;
    for (ptrdiff_t s = 0; s < shifts; s++, y += c->rows * c->pitch) {
        const ptrdiff_t first = s * w->dilation[2] - w->pad[2];
        const sn_taps columns = inside(first, c->pitch, w->in[2]);
        if (columns.begin == columns.end || rows.begin == rows.end) continue;
        copy_rows(x + (first_row + rows.begin) * w->pitch[1] + first + columns.begin, (size_t)w->pitch[1],
                  y + (size_t)rows.begin * c->pitch + columns.begin, c->pitch, (size_t)(rows.end - rows.begin),
                  (size_t)(columns.end - columns.begin));
    }
}

typedef struct strip {
    size_t image;
    ptrdiff_t depth, height; /* of the first output row */
    size_t rows;             /* of the output */
} strip;

static void make_copy(const sn_planar *p, const strip *s, float *copy)
{
    const sn_image_window *w = p->window;
    const ptrdiff_t first_row = sn_window_position(w, 1, s->height, 0), shifts = p->copy.shifted ? w->kernel[2] : 1;
    const sn_taps rows = inside(first_row, rows_under(w, s->rows), w->in[1]);
    const float *x = p->x + (ptrdiff_t)(s->image * p->in) * w->image;
    memset(copy, 0, p->copy.floats * sizeof *copy);
    for (size_t c = 0; c < p->in; c++, x += w->image) {
        for (ptrdiff_t t = 0; t < w->kernel[0]; t++, copy += (size_t)shifts * p->copy.rows * p->copy.pitch) {
            const ptrdiff_t depth = sn_window_position(w, 0, s->depth, t);
            if (depth >= 0 && depth < w->in[0]) copy_slice(p, x + depth * w->pitch[0], first_row, rows, copy);
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- strips */

static size_t block_end(size_t out, size_t begin)
{
    const size_t left = out - begin;
    return begin + ceil_div(left, ceil_div(left, MOST_CHANNELS));
}

static void run_strip(const sn_planar *p, const strip *s, float *copy)
{
    const sn_image_window *w = p->window;
    const size_t width = (size_t)w->out[2], positions = s->rows * width;
    const size_t channel = (size_t)(w->out[0] * w->out[1]) * width,
                 k = p->in * (size_t)(w->kernel[0] * w->kernel[1] * w->kernel[2]);
    const size_t first = (size_t)(s->depth * w->out[1] + s->height) * width;
    const size_t length = p->copy.shifted ? positions : width, step = (size_t)w->stride[1] * p->copy.pitch;
    const sn_activation *a = &p->activation;
    make_copy(p, s, copy);
    for (size_t m = 0, end; m < p->out; m = end) {
        end = block_end(p->out, m);
        const size_t at = (s->image * p->out + m) * channel + first;
        for (size_t done = 0, i = 0; done < positions; done += length, i++) {
            const tile_args t = {.x = copy + i * step,
                                 .offsets = p->offsets,
                                 .k = k,
                                 .weights = p->weights + m * k,
                                 .y = p->y + at + done,
                                 .y_channel = channel,
                                 .bias = p->bias ? p->bias + m : NULL,
                                 .residual = p->residual ? p->residual + at + done : NULL,
                                 .clamp = a->kind == SN_ACT_CLAMP,
                                 .lo = a->alpha,
                                 .hi = a->beta};
            run_positions(t, end - m, length);
        }
        if (a->kind != SN_ACT_NONE && a->kind != SN_ACT_CLAMP)
            SN_FOR_ISA(sn_activation).apply(a, p->y + at, end - m, positions, channel);
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
