/*
 * grouped.c - groups of 2, 4 and 8 channels: see grouped.h for the formula.
 *
 * A vector holds the channels of several groups, or half of one. Each input channel c is needed by the outputs c ^ j,
 * j < n, of its group, as n is a power of two. So there is a sum for each j, to which the inputs are added as they lie
 * in memory, multiplied with their weights for output c ^ j; only when all taps are done, sum j is exchanged across its
 * lanes by the distance j, and the sums are added up. No lane is multiplied in vain, and nothing of another group comes
 * near an output: an infinity there stays there.
 *
 * Where a group is wider than a vector, the upper bit of j says which vector the inputs come from, the lower ones which
 * lane.
 *
 * Weights are packed [block][tap][j][lane], where a block is as many channels as the widest vector has, whatever the
 * instruction set, and lane is the input channel.
 *
 * A tile is some neighbouring outputs of a row, times one vector of channels. At borders another body asks for each
 * output and tap whether it is inside; it also does what is left of a row, and the last, partial vector of channels.
 */
#include "runtime/kernels/grouped_rows.h"

#define BLOCK 16                         /* channels: the widest vector */
#define SUMS  (TILE_ROWS >= 12 ? 16 : 8) /* of a tile, for 32 vector registers and for 16 */

/* ---------------------------------------------------------------------------------------------------- one vector */

/* Adds one row of the kernel, whose first tap is x[at]. acc[i * n + j] is sum j of output i. */
KERNEL_INLINE void add_row(const tile *t, const float *x, ptrdiff_t at, const float *weights, vf *acc, const int n,
                           const int width, const bool border)
{
    ptrdiff_t column = t->column;
    for (ptrdiff_t k = 0; k < t->kernel; k++) {
        ptrdiff_t from = at;
        UNROLL
        for (int i = 0; i < width; i++, from += t->stride * t->pitch) {
            if (border && (i >= t->outputs || (size_t)(column + i * t->stride) >= (size_t)t->columns)) continue;
            const vf in = border ? vf_load_some(x + from, t->lanes) : vf_load(x + from);
            UNROLL
            for (int j = 0; j < n; j++) {
                acc[i * n + j] = vf_fma(in, vf_load(weights + j * BLOCK), acc[i * n + j]);
            }
        }
        weights += t->tap_weights;
        column += t->dilation;
        at += t->dilation * t->pitch;
    }
}

/* Halves the sums: of two that are `distance` apart, the second one belongs so many lanes further. */
KERNEL_INLINE void add_pairs(vf *sums, const int n, const int distance)
{
    UNROLL
    for (int j = 0; j + distance < n; j += 2 * distance) sums[j] += vf_across(sums[j + distance], distance);
}

/* Sum j of an output belongs j lanes further. */
KERNEL_INLINE vf add_across(vf *sums, const int n)
{
    add_pairs(sums, n, 1);
    add_pairs(sums, n, 2);
    add_pairs(sums, n, 4);
    return sums[0];
}

/* Other activations: finish_row. */
KERNEL_INLINE void finish(const tile *t, vf *acc, const int n, const int width, const bool border)
{
    const sn_epilogue *e = &t->epilogue;
    const size_t lanes = border ? t->lanes : VL;
    const vf bias = e->bias ? vf_load_some(e->bias, lanes) : (vf){0};
    UNROLL
    for (int i = 0; i < width; i++) {
        if (border && i >= t->outputs) break;
        vf y = add_across(acc + i * n, n) + bias;
        if (e->residual) y += vf_load_some(e->residual + (size_t)i * e->residual_row, lanes);
        if (e->activation.kind == SN_ACT_CLAMP)
            y = vf_clamp(y, vf_splat(e->activation.alpha), vf_splat(e->activation.beta));
        vf_store_some(t->y + (size_t)i * t->y_pitch, y, lanes);
    }
}

/* n: of a group's channels those in one vector. */
KERNEL_INLINE void run_tile(const tile *t, const int n, const bool border)
{
    const int width = SUMS / n;
    vf acc[SUMS];
    UNROLL
    for (int i = 0; i < width * n; i++) acc[i] = (vf){0};
    for (size_t j = 0; j < t->group; j += (size_t)n) { /* the vector of the group that is j from this one */
        const size_t lane = t->lane ^ (n < VL ? 0 : j);
        const ptrdiff_t first = t->first + (ptrdiff_t)lane - (ptrdiff_t)t->lane;
        const float *weights = t->weights + j * BLOCK + lane;
        for (ptrdiff_t z = 0; z < t->rows[0]; z++) {
            for (ptrdiff_t y = 0; y < t->rows[1]; y++) {
                add_row(t, t->x, first + z * t->step[0] + y * t->step[1],
                        weights + z * t->weight_step[0] + y * t->weight_step[1], acc, n, width, border);
            }
        }
    }
    finish(t, acc, n, width, border);
}

/* ---------------------------------------------------------------------------------------------------- bodies */

#define BODY(n)                                                                                                        \
    static void inner_##n(const tile *t)                                                                               \
    {                                                                                                                  \
        run_tile(t, n, false);                                                                                         \
    }                                                                                                                  \
    static void border_##n(const tile *t)                                                                              \
    {                                                                                                                  \
        run_tile(t, n, true);                                                                                          \
    }
#define PAIR(n)                                                                                                        \
    {                                                                                                                  \
        n, inner_##n, border_##n                                                                                       \
    }

BODY(2)
BODY(4)
#if VL >= 8
BODY(8)
#endif

static const struct tile_bodies {
    size_t n;
    tile_fn *inner, *border;
} bodies[] = {
#if VL >= 8
    PAIR(8),
#endif
    PAIR(4), PAIR(2)};

/* The widest that a group fills. */
static const struct tile_bodies *bodies_for(size_t group)
{
    const struct tile_bodies *b = bodies;
    while (b->n > group) b++;
    return b;
}

/* ---------------------------------------------------------------------------------------------------- rows */

/* From channel 0 of a row to channel c. */
static void go_to_channel(tile *t, const sn_grouped *g, size_t c)
{
    const sn_image_window *w = g->window;
    const size_t taps = (size_t)(w->kernel[0] * w->kernel[1] * w->kernel[2]);
    t->x += c;
    t->y += c;
    t->weights += c / BLOCK * t->tap_weights * taps;
    t->group = g->group;
    t->lane = c % BLOCK;
    t->lanes = g->channels - c < VL ? g->channels - c : VL;
    if (t->epilogue.bias) t->epilogue.bias += c;
    if (t->epilogue.residual) t->epilogue.residual += c;
}

static bool is_inside(const tile *t, ptrdiff_t width)
{
    return t->lanes == VL && width <= t->outputs && columns_are_inside(t, width);
}

static void run_vector(const struct tile_bodies *b, tile t)
{
    const ptrdiff_t width = SUMS / (ptrdiff_t)b->n;
    while (t.outputs > 0) {
        (is_inside(&t, width) ? b->inner : b->border)(&t);
        advance(&t, width);
    }
}

static void run(const sn_grouped *g, size_t row0, size_t row1)
{
    const struct tile_bodies *b = bodies_for(g->group);
    for (size_t row = row0; row < row1; row++) {
        const tile first = tile_of_row(g, row, g->group * BLOCK);
        for (size_t c = 0; c < g->channels; c += VL) {
            tile t = first;
            go_to_channel(&t, g, c);
            run_vector(b, t);
        }
        finish_row(g, first.y);
    }
}

/* ---------------------------------------------------------------------------------------------------- weights */

static size_t packed_size(size_t channels, size_t group, size_t taps)
{
    return (channels + BLOCK - 1) / BLOCK * BLOCK * group * taps;
}

/* Where the weight of input c for output c ^ j is in a pack. */
static size_t place_of(size_t c, size_t j, size_t tap, size_t group, size_t taps)
{
    return ((c / BLOCK * taps + tap) * group + j) * BLOCK + c % BLOCK;
}

static void pack(const float *weights, size_t channels, size_t group, size_t taps, float *packed)
{
    const size_t all = packed_size(channels, group, taps);
    for (size_t i = 0; i < all; i++) packed[i] = 0;
    for (size_t out = 0; out < channels; out++) {
        for (size_t i = 0; i < group; i++) {
            for (size_t tap = 0; tap < taps; tap++) {
                packed[place_of(out - out % group + i, i ^ (out % group), tap, group, taps)] =
                    weights[(out * group + i) * taps + tap];
            }
        }
    }
}

static void unpack(const float *packed, size_t channels, size_t group, size_t taps, float *weights)
{
    for (size_t out = 0; out < channels; out++) {
        for (size_t i = 0; i < group; i++) {
            for (size_t tap = 0; tap < taps; tap++) {
                weights[(out * group + i) * taps + tap] =
                    packed[place_of(out - out % group + i, i ^ (out % group), tap, group, taps)];
            }
        }
    }
}

extern const sn_grouped_kernels SN_FOR_ISA(sn_grouped);
const sn_grouped_kernels SN_FOR_ISA(sn_grouped) = {
    .packed_size = packed_size, .pack = pack, .unpack = unpack, .run = run};
