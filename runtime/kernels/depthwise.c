/*
 * depthwise.c - groups of one channel: see grouped.h for the formula.
 *
 * A tile is up to MAX_WIDTH neighbouring outputs of a row, times one vector of channels. Its sums stay in registers
 * while the rows of the kernel pass: for each, the row's weights are loaded once, and every input position once, which
 * then serves all outputs that it is under. This needs kernel width, stride and tile width at compile time: there is a
 * body for each combination that networks use, and a general one that loads an input per multiplication.
 *
 * Borders: kernel rows outside of the image are not visited. A tile with columns outside has a body of its own, which
 * asks for each input column whether it is inside, once for all outputs under it; so a border tile does less work than
 * an inner one, not more, and a map of 7 x 7 under a kernel of 5 x 5 is as fast as any.
 *
 * The last, partial vector of channels goes through the border's body where masks have registers of their own. Where
 * they would take one from the sums, the general body does it, which keeps no weights.
 *
 * All channels of a tile come before the next tile. Blocks of channels, whose rows under the kernel would stay in the
 * first cache, are slower: short runs of channels cost more than reading those rows from the second one again.
 */
#include "runtime/kernels/grouped_rows.h"

#define MAX_WIDTH  7 /* divides the maps of most networks: 112, 56, 28, 14, 7 */
#define MAX_KERNEL 7 /* of the bodies below */

#if VL == 16
#define MASKS_ARE_FREE true
#else
#define MASKS_ARE_FREE false
#endif

/* ---------------------------------------------------------------------------------------------------- one vector */

/* Adds one row of the kernel, whose first tap is x[at]. Output i takes input j with weight j - i * stride. */
KERNEL_INLINE void add_row(const tile *t, const float *x, ptrdiff_t at, const float *weights, size_t n, vf *acc,
                           const int kernel, const int stride, const int width, const bool border)
{
    vf w[MAX_KERNEL];
    UNROLL
    for (int k = 0; k < kernel; k++, weights += t->tap_weights) w[k] = vf_load_some(weights, n);
    UNROLL_LONG
    for (int j = 0; j < (width - 1) * stride + kernel; j++, at += t->pitch) {
        if (border && (size_t)(t->column + j) >= (size_t)t->columns) continue;
        const vf in = vf_load_some(x + at, n);
        UNROLL
        for (int i = 0; i < width; i++) {
            if (j >= i * stride && j - i * stride < kernel) acc[i] = vf_fma(in, w[j - i * stride], acc[i]);
        }
    }
}

/* The same for any kernel. */
KERNEL_INLINE void add_any_row(const tile *t, const float *x, ptrdiff_t at, const float *weights, size_t n, vf *acc,
                               const int width, const bool border)
{
    ptrdiff_t column = t->column;
    for (ptrdiff_t k = 0; k < t->kernel; k++) {
        const vf w = vf_load_some(weights, n);
        ptrdiff_t from = at;
        UNROLL
        for (int i = 0; i < width; i++, from += t->stride * t->pitch) {
            if (border && (size_t)(column + i * t->stride) >= (size_t)t->columns) continue;
            acc[i] = vf_fma(vf_load_some(x + from, n), w, acc[i]);
        }
        weights += t->tap_weights;
        column += t->dilation;
        at += t->dilation * t->pitch;
    }
}

/* Other activations: finish_row. */
KERNEL_INLINE void finish(const tile *t, size_t c, size_t n, vf *acc, const int width)
{
    const sn_epilogue *e = &t->epilogue;
    if (e->residual) {
        const float *residual = e->residual + c;
        UNROLL
        for (int i = 0; i < width; i++, residual += e->residual_row) acc[i] += vf_load_some(residual, n);
    }
    if (e->activation.kind == SN_ACT_CLAMP) {
        const vf low = vf_splat(e->activation.alpha), high = vf_splat(e->activation.beta);
        UNROLL
        for (int i = 0; i < width; i++) acc[i] = vf_clamp(acc[i], low, high);
    }
    float *y = t->y + c;
    UNROLL
    for (int i = 0; i < width; i++, y += t->y_pitch) vf_store_some(y, acc[i], n);
}

/* Channels [c, c + n). A kernel width of 0 means any. */
KERNEL_INLINE void vector(const tile *t, size_t c, size_t n, const int kernel, const int stride, const int width,
                          const bool border)
{
    const float *x = t->x + c, *weights = t->weights + c, *bias = t->epilogue.bias;
    ptrdiff_t at = t->first;
    vf acc[MAX_WIDTH];
    acc[0] = bias ? vf_load_some(bias + c, n) : (vf){0};
    UNROLL
    for (int i = 1; i < width; i++) acc[i] = acc[0];
    for (ptrdiff_t z = t->rows[0]; z > 0; z--) {
        const float *w = weights;
        ptrdiff_t from = at;
        for (ptrdiff_t y = t->rows[1]; y > 0; y--) {
            if (kernel > 0)
                add_row(t, x, from, w, n, acc, kernel, stride, width, border);
            else
                add_any_row(t, x, from, w, n, acc, width, border);
            from += t->step[1];
            w += t->weight_step[1];
        }
        at += t->step[0];
        weights += t->weight_step[0];
    }
    finish(t, c, n, acc, width);
}

/* Whether the body for this kernel can run a partial vector. */
KERNEL_INLINE bool takes_part(const int kernel)
{
    return MASKS_ARE_FREE || kernel == 0;
}

/* Inner tiles only have whole vectors. */
KERNEL_INLINE void run_tile(const tile *t, const int kernel, const int stride, const int width, const bool border)
{
    const size_t end = t->channels_end;
    for (size_t c = t->channels_begin; c < end; c += VL) {
        const size_t n = border && takes_part(kernel) && end - c < VL ? end - c : VL;
        vector(t, c, n, kernel, stride, width, border);
    }
}

/* ---------------------------------------------------------------------------------------------------- bodies */

typedef struct tile_bodies {
    ptrdiff_t kernel, stride;                      /* 0: any */
    tile_fn *inner[MAX_WIDTH], *border[MAX_WIDTH]; /* of widths from 1 on */
} tile_bodies;

#define BODY(kernel, stride, width)                                                                                    \
    static void inner_##kernel##_##stride##_##width(const tile *t)                                                     \
    {                                                                                                                  \
        run_tile(t, kernel, stride, width, false);                                                                     \
    }                                                                                                                  \
    static void border_##kernel##_##stride##_##width(const tile *t)                                                    \
    {                                                                                                                  \
        run_tile(t, kernel, stride, width, true);                                                                      \
    }
#define WIDTHS(X, kernel, stride)                                                                                      \
    X(kernel, stride, 1)                                                                                               \
    X(kernel, stride, 2)                                                                                               \
    X(kernel, stride, 3) X(kernel, stride, 4) X(kernel, stride, 5) X(kernel, stride, 6) X(kernel, stride, 7)

WIDTHS(BODY, 3, 1)
WIDTHS(BODY, 3, 2)
WIDTHS(BODY, 5, 1)
WIDTHS(BODY, 5, 2)
WIDTHS(BODY, 7, 1)
WIDTHS(BODY, 7, 2)
WIDTHS(BODY, 0, 0)

#define INNER(kernel, stride, width)  inner_##kernel##_##stride##_##width,
#define BORDER(kernel, stride, width) border_##kernel##_##stride##_##width,
#define BODIES(kernel, stride)                                                                                         \
    {                                                                                                                  \
        kernel, stride, {WIDTHS(INNER, kernel, stride)},                                                               \
        {                                                                                                              \
            WIDTHS(BORDER, kernel, stride)                                                                             \
        }                                                                                                              \
    }
static const tile_bodies bodies[] = {BODIES(3, 1), BODIES(3, 2), BODIES(5, 1), BODIES(5, 2),
                                     BODIES(7, 1), BODIES(7, 2), BODIES(0, 0)}; /* any: last */

static const tile_bodies *const general = &bodies[sizeof bodies / sizeof *bodies - 1];

static const tile_bodies *bodies_for(const sn_image_window *w)
{
    const tile_bodies *b = bodies;
    while (b->kernel > 0 &&
           !(b->kernel == w->kernel[2] && b->stride == w->stride[2] && (w->dilation[2] == 1 || w->kernel[2] == 1))) {
        b++;
    }
    return b;
}

/* ---------------------------------------------------------------------------------------------------- rows */

static void run_channels(tile_fn *body, tile *t, size_t begin, size_t end)
{
    t->channels_begin = begin;
    t->channels_end = end;
    if (begin < end) body(t);
}

/* In tiles whose widths differ by one at most, the wider ones first. */
static void run_row(const tile_bodies *b, tile t)
{
    const ptrdiff_t tiles = (t.outputs + MAX_WIDTH - 1) / MAX_WIDTH, narrow = t.outputs / tiles;
    const ptrdiff_t wider = t.outputs % tiles;
    const size_t channels = t.tap_weights, whole_vectors = channels / VL * VL;
    const tile_bodies *part = takes_part((int)b->kernel) ? b : general;
    for (ptrdiff_t i = 0; i < tiles; i++) {
        const ptrdiff_t width = narrow + (i < wider);
        run_channels((columns_are_inside(&t, width) ? b->inner : b->border)[width - 1], &t, 0, whole_vectors);
        run_channels(part->border[width - 1], &t, whole_vectors, channels);
        advance(&t, width);
    }
}

static void run(const sn_grouped *d, size_t row0, size_t row1)
{
    if (d->window->out[2] == 0) return;
    const tile_bodies *b = bodies_for(d->window);
    for (size_t row = row0; row < row1; row++) {
        const tile t = tile_of_row(d, row, d->channels);
        run_row(b, t);
        finish_row(d, t.y);
    }
}

/* ---------------------------------------------------------------------------------------------------- weights */

static size_t packed_size(size_t channels, size_t group, size_t taps)
{
    return channels * group * taps;
}

static void transpose(const float *from, size_t rows, size_t columns, float *to)
{
    for (size_t c = 0; c < columns; c++) {
        for (size_t r = 0; r < rows; r++) to[c * rows + r] = from[r * columns + c];
    }
}

/* [channels][taps] to [taps][channels] */
static void pack(const float *weights, size_t channels, size_t group, size_t taps, float *packed)
{
    (void)group;
    transpose(weights, channels, taps, packed);
}

static void unpack(const float *packed, size_t channels, size_t group, size_t taps, float *weights)
{
    (void)group;
    transpose(packed, taps, channels, weights);
}

extern const sn_grouped_kernels SN_FOR_ISA(sn_depthwise);
const sn_grouped_kernels SN_FOR_ISA(sn_depthwise) = {
    .packed_size = packed_size, .pack = pack, .unpack = unpack, .run = run};
