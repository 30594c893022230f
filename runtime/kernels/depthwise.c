/*
 * depthwise.c - see depthwise.h for the formula.
 *
 * A tile is up to MAX_WIDTH neighbouring outputs of a row, times one vector of channels. Its sums stay in registers
 * while the rows of the kernel pass: for each, the row's weights are loaded once, and every input position once, which
 * then serves all outputs that it is under. This needs kernel width, stride and tile width at compile time: there is a
 * body for each combination that networks use, and a general one that loads an input per multiplication.
 *
 * Borders: kernel rows outside of the image are not visited. A tile with columns outside has a body of its own, which
 * asks for each input column whether it is inside, once for all outputs under it; so a border tile does less work than
 * an inner one, not more, and a map of 7 x 7 under a kernel of 5 x 5 is as fast as any. The same body reads the last,
 * partial vector of channels.
 *
 * Channels go in blocks, outside of the loop over rows: a block of the rows under the kernel stays in the first cache,
 * from where the next rows read it again.
 */
#include "runtime/kernels/isa.h"
#include "runtime/kernels/kernels.h"

extern const sn_activation_kernels SN_FOR_ISA(sn_activation);

#define MAX_WIDTH   7 /* divides the maps of most networks: 112, 56, 28, 14, 7 */
#define BLOCK_BYTES (24 << 10)

typedef struct tile {
    const sn_depthwise *d;
    const float *x;               /* the image */
    const float *weights;         /* from here on everything is at channel 0 */
    ptrdiff_t first;              /* of the first tap, from x; it may lie outside */
    ptrdiff_t step[2];            /* from a kernel row to the next: depth, height */
    ptrdiff_t weight_step[2];     /* the same in the weights */
    sn_taps rows[2];              /* kernel rows inside of the image: depth, height */
    ptrdiff_t column;             /* input column of the first tap */
    size_t m;                     /* the first output position */
    size_t channel, channels_end; /* what to compute */
} tile;

/* ---------------------------------------------------------------------------------------------------- one vector */

KERNEL_INLINE void start(const tile *t, size_t c, size_t n, vf *acc, const int width)
{
    const float *bias = t->d->epilogue.bias;
    vf first = bias ? vf_load_some(bias + c, n) : (vf){0};
    UNROLL
    for (int i = 0; i < width; i++) acc[i] = first;
}

/* Other activations need more registers than the sums leave: finish_row applies them. */
KERNEL_INLINE void finish(const tile *t, size_t c, size_t n, vf *acc, const int width)
{
    const sn_epilogue *e = &t->d->epilogue;
    if (e->residual) {
        const float *residual = e->residual + t->m * e->residual_row + c;
        UNROLL
        for (int i = 0; i < width; i++) acc[i] += vf_load_some(residual + (size_t)i * e->residual_row, n);
    }
    if (e->activation.kind == SN_ACT_CLAMP) {
        const vf low = vf_splat(e->activation.alpha), high = vf_splat(e->activation.beta);
        UNROLL
        for (int i = 0; i < width; i++) acc[i] = vf_clamp(acc[i], low, high);
    }
    float *y = t->d->y + t->m * t->d->y_pitch + c;
    UNROLL
    for (int i = 0; i < width; i++) vf_store_some(y + (size_t)i * t->d->y_pitch, acc[i], n);
}

/* Adds one row of the kernel. Output i takes input j with weight j - i * stride. */
KERNEL_INLINE void add_row(const tile *t, ptrdiff_t first, const float *weights, size_t c, size_t n, vf *acc,
                           const int kernel, const int stride, const int width, const bool border)
{
    const ptrdiff_t pitch = t->d->window->pitch[2], columns = t->d->window->in[2];
    vf w[8];
    UNROLL
    for (int k = 0; k < kernel; k++) w[k] = vf_load_some(weights + (size_t)k * t->d->channels + c, n);
    UNROLL_LONG
    for (int j = 0; j < (width - 1) * stride + kernel; j++) {
        if (border && (size_t)(t->column + j) >= (size_t)columns) continue;
        vf x = vf_load_some(t->x + (first + j * pitch + (ptrdiff_t)c), n);
        UNROLL
        for (int i = 0; i < width; i++) {
            if (j >= i * stride && j - i * stride < kernel) acc[i] = vf_fma(x, w[j - i * stride], acc[i]);
        }
    }
}

/* The same for any kernel: the width is that of the window. */
KERNEL_INLINE void add_any_row(const tile *t, ptrdiff_t first, const float *weights, size_t c, size_t n, vf *acc,
                               const int width, const bool border)
{
    const sn_image_window *window = t->d->window;
    const ptrdiff_t pitch = window->pitch[2], stride = window->stride[2];
    for (ptrdiff_t k = 0; k < window->kernel[2]; k++) {
        const vf w = vf_load_some(weights + (size_t)k * t->d->channels + c, n);
        const ptrdiff_t column = t->column + k * window->dilation[2], at = first + k * window->dilation[2] * pitch;
        UNROLL
        for (int i = 0; i < width; i++) {
            if (border && (size_t)(column + i * stride) >= (size_t)window->in[2]) continue;
            acc[i] = vf_fma(vf_load_some(t->x + (at + i * stride * pitch + (ptrdiff_t)c), n), w, acc[i]);
        }
    }
}

/* Channels [c, c + n). A kernel width of 0 means any. */
KERNEL_INLINE void vector(const tile *t, size_t c, size_t n, const int kernel, const int stride, const int width,
                          const bool border)
{
    vf acc[MAX_WIDTH];
    start(t, c, n, acc, width);
    for (ptrdiff_t z = t->rows[0].begin; z < t->rows[0].end; z++) {
        for (ptrdiff_t y = t->rows[1].begin; y < t->rows[1].end; y++) {
            const ptrdiff_t first = t->first + z * t->step[0] + y * t->step[1];
            const float *weights = t->weights + z * t->weight_step[0] + y * t->weight_step[1];
            if (kernel > 0)
                add_row(t, first, weights, c, n, acc, kernel, stride, width, border);
            else
                add_any_row(t, first, weights, c, n, acc, width, border);
        }
    }
    finish(t, c, n, acc, width);
}

KERNEL_INLINE void border_tile(const tile *t, const int kernel, const int stride, const int width)
{
    for (size_t c = t->channel; c < t->channels_end; c += VL) {
        const size_t left = t->channels_end - c;
        vector(t, c, left < VL ? left : VL, kernel, stride, width, true);
    }
}

KERNEL_INLINE void inner_tile(const tile *t, const int kernel, const int stride, const int width)
{
    for (size_t c = t->channel; c < t->channels_end; c += VL) vector(t, c, VL, kernel, stride, width, false);
}

/* ---------------------------------------------------------------------------------------------------- bodies */

typedef void tile_fn(const tile *);

typedef struct tile_bodies {
    ptrdiff_t kernel, stride;                      /* 0: any */
    tile_fn *inner[MAX_WIDTH], *border[MAX_WIDTH]; /* of widths from 1 on */
} tile_bodies;

#define BODY(kernel, stride, width)                                                                                    \
    static void inner_##kernel##_##stride##_##width(const tile *t)                                                     \
    {                                                                                                                  \
        inner_tile(t, kernel, stride, width);                                                                          \
    }                                                                                                                  \
    static void border_##kernel##_##stride##_##width(const tile *t)                                                    \
    {                                                                                                                  \
        border_tile(t, kernel, stride, width);                                                                         \
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

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* So many that the rows under the kernel fit the first cache; whole vectors. */
static size_t channel_block(const sn_depthwise *d)
{
    const sn_image_window *w = d->window;
    const size_t positions = (size_t)(w->kernel[0] * w->kernel[1] * w->in[2]);
    const size_t channels = BLOCK_BYTES / sizeof(float) / (positions > 0 ? positions : 1) / VL * VL;
    return channels < 2 * VL ? 2 * VL : channels;
}

static tile tile_of_row(const sn_depthwise *d, size_t row)
{
    const sn_image_window *w = d->window;
    const ptrdiff_t height = (ptrdiff_t)(row % (size_t)w->out[1]);
    const ptrdiff_t depth = (ptrdiff_t)(row / (size_t)w->out[1] % (size_t)w->out[0]);
    const size_t image = row / (size_t)w->out[1] / (size_t)w->out[0];
    const ptrdiff_t row_weights = w->kernel[2] * (ptrdiff_t)d->channels;
    return (tile){.d = d,
                  .x = d->x + (ptrdiff_t)image * w->image,
                  .weights = d->weights,
                  .first = sn_window_position(w, 0, depth, 0) * w->pitch[0] +
                           sn_window_position(w, 1, height, 0) * w->pitch[1],
                  .step = {w->dilation[0] * w->pitch[0], w->dilation[1] * w->pitch[1]},
                  .weight_step = {w->kernel[1] * row_weights, row_weights},
                  .rows = {sn_window_taps(w, 0, depth), sn_window_taps(w, 1, height)},
                  .m = row * (size_t)w->out[2]};
}

/* The tile at columns [begin, end) of its row. */
static void run_tile(const tile_bodies *b, tile t, ptrdiff_t begin, ptrdiff_t end)
{
    const sn_image_window *w = t.d->window;
    t.column = sn_window_position(w, 2, begin, 0);
    t.first += t.column * w->pitch[2];
    t.m += (size_t)begin;
    const bool inside = t.column >= 0 && sn_window_position(w, 2, end - 1, w->kernel[2] - 1) < w->in[2];
    const size_t channels_end = t.channels_end;
    if (inside) {
        t.channels_end = t.channel + (channels_end - t.channel) / VL * VL;
        b->inner[end - begin - 1](&t);
        t.channel = t.channels_end;
        t.channels_end = channels_end;
    }
    if (t.channel < t.channels_end) b->border[end - begin - 1](&t);
}

static void finish_row(const tile *t)
{
    const sn_depthwise *d = t->d;
    const sn_activation *a = &d->epilogue.activation;
    if (a->kind == SN_ACT_NONE || a->kind == SN_ACT_CLAMP) return;
    SN_FOR_ISA(sn_activation)
        .apply(a, d->y + t->m * d->y_pitch + t->channel, (size_t)d->window->out[2], t->channels_end - t->channel,
               d->y_pitch);
}

/* The columns in tiles whose widths differ by one at most. */
static void run_row(const tile_bodies *b, const tile *t)
{
    const ptrdiff_t columns = t->d->window->out[2], tiles = (columns + MAX_WIDTH - 1) / MAX_WIDTH;
    for (ptrdiff_t i = 0; i < tiles; i++) run_tile(b, *t, columns * i / tiles, columns * (i + 1) / tiles);
    finish_row(t);
}

static void run(const sn_depthwise *d, size_t row0, size_t row1)
{
    const tile_bodies *b = bodies_for(d->window);
    const size_t block = channel_block(d);
    for (size_t channel = 0; channel < d->channels; channel += block) {
        for (size_t row = row0; row < row1; row++) {
            tile t = tile_of_row(d, row);
            t.channel = channel;
            t.channels_end = min_size(channel + block, d->channels);
            run_row(b, &t);
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- weights */

static void pack(const float *weights, size_t channels, size_t taps, float *packed)
{
    for (size_t t = 0; t < taps; t++) {
        for (size_t c = 0; c < channels; c++) packed[t * channels + c] = weights[c * taps + t];
    }
}

static void unpack(const float *packed, size_t channels, size_t taps, float *weights)
{
    pack(packed, taps, channels, weights);
}

extern const sn_depthwise_kernels SN_FOR_ISA(sn_depthwise);
const sn_depthwise_kernels SN_FOR_ISA(sn_depthwise) = {.pack = pack, .unpack = unpack, .run = run};
