/*
 * pooling.c - see pooling.h for the formulas.
 *
 * An output position takes a group of channels at a time: GROUP vectors of results stay in registers while the taps
 * pass, each of which is read where it lies. Which taps are inside is the same for all channels, so borders need no
 * test further in. Next to the memory that it reads, pooling computes nothing.
 */
#include "runtime/kernels/isa.h"
#include "runtime/kernels/kernels.h"
#include <math.h>

#define GROUP    4
#define SUM_SPAN 64 /* positions that a global average adds up before it adds them to the others: for precision */

typedef enum reduction { MAX, SUM } reduction;

/* ---------------------------------------------------------------------------------------------------- vectors */

KERNEL_INLINE vf lowest(const reduction op)
{
    return op == MAX ? vf_splat(-INFINITY) : (vf){0};
}

KERNEL_INLINE vf combine(vf a, vf b, const reduction op)
{
    return op == MAX ? vf_max_or_nan(a, b) : a + b;
}

/* Combines acc with `count` positions from x on. `vectors` of n channels each; n < VL only with a single vector. */
KERNEL_INLINE void reduce_span(const float *x, ptrdiff_t pitch, ptrdiff_t count, size_t n, vf *acc, const int vectors,
                               const reduction op)
{
    for (ptrdiff_t i = 0; i < count; i++) {
        UNROLL
        for (int v = 0; v < vectors; v++) acc[v] = combine(acc[v], vf_load_some(x + i * pitch + v * VL, n), op);
    }
}

/* The same into a sum of its own first. */
KERNEL_INLINE void add_span(const float *x, ptrdiff_t pitch, ptrdiff_t count, size_t n, vf *acc, const int vectors,
                            const reduction op)
{
    vf span[GROUP];
    UNROLL
    for (int v = 0; v < vectors; v++) span[v] = lowest(op);
    reduce_span(x, pitch, count, n, span, vectors, op);
    UNROLL
    for (int v = 0; v < vectors; v++) acc[v] = combine(acc[v], span[v], op);
}

KERNEL_INLINE void finish(float *y, vf *acc, float divisor, size_t n, const int vectors, const reduction op)
{
    const vf d = vf_splat(divisor);
    UNROLL
    for (int v = 0; v < vectors; v++) vf_store_some(y + v * VL, op == SUM ? acc[v] / d : acc[v], n);
}

/* Channels [c, end) in groups of vectors: step(c, n, vectors). */
#define FOR_CHANNEL_GROUPS(c, end, step)                                                                               \
    for (; end - c >= GROUP * VL; c += GROUP * VL) step(c, VL, GROUP);                                                 \
    for (; c < end; c += VL) step(c, end - c < VL ? end - c : VL, 1)

/* ---------------------------------------------------------------------------------------------------- windows */

/* The taps of one output position. */
typedef struct position {
    const float *x; /* the first tap inside of the image, channel 0 */
    ptrdiff_t step[SN_WINDOW_AXES], taps[SN_WINDOW_AXES];
    float *y;
    float divisor;
} position;

KERNEL_INLINE void pool_vectors(const position *p, size_t c, size_t n, const int vectors, const reduction op)
{
    vf acc[GROUP];
    UNROLL
    for (int v = 0; v < vectors; v++) acc[v] = lowest(op);
    for (ptrdiff_t z = 0; z < p->taps[0]; z++) {
        for (ptrdiff_t y = 0; y < p->taps[1]; y++) {
            const float *row = p->x + z * p->step[0] + y * p->step[1] + c;
            if (op == MAX)
                reduce_span(row, p->step[2], p->taps[2], n, acc, vectors, op);
            else
                add_span(row, p->step[2], p->taps[2], n, acc, vectors, op);
        }
    }
    finish(p->y + c, acc, p->divisor, n, vectors, op);
}

KERNEL_INLINE void pool_position(const position *p, size_t channels, const reduction op)
{
    size_t c = 0;
#define STEP(at, n, vectors) pool_vectors(p, at, n, vectors, op)
    FOR_CHANNEL_GROUPS(c, channels, STEP);
#undef STEP
}

static ptrdiff_t count(sn_taps t)
{
    return t.end - t.begin;
}

/* How many taps of output `out` the average counts on this axis. */
static ptrdiff_t counted(const sn_pooling *p, int axis, ptrdiff_t out)
{
    const sn_image_window *w = p->window;
    if (!p->count_include_pad) return count(sn_window_taps(w, axis, out));
    return count(sn_window_taps_within(w, axis, out, -w->pad[axis], w->in[axis] + p->pad_end[axis]));
}

/* Narrows `at` to output `out` on one axis; without taps inside x stays where it is, and is not read. */
KERNEL_INLINE void place(position *at, int axis, ptrdiff_t out, bool counts, const sn_pooling *p)
{
    const sn_image_window *w = p->window;
    const sn_taps t = sn_window_taps(w, axis, out);
    at->taps[axis] = count(t);
    at->step[axis] = w->dilation[axis] * w->pitch[axis];
    if (count(t) > 0) at->x += sn_window_position(w, axis, out, t.begin) * w->pitch[axis];
    if (counts) at->divisor *= (float)counted(p, axis, out);
}

KERNEL_INLINE void pool_rows(const sn_pooling *p, size_t row0, size_t row1, const reduction op)
{
    const sn_image_window *w = p->window;
    for (size_t row = row0; row < row1; row++) {
        const size_t height = row % (size_t)w->out[1], rest = row / (size_t)w->out[1];
        position start = {.x = p->x + (ptrdiff_t)(rest / (size_t)w->out[0]) * w->image, .divisor = 1};
        place(&start, 0, (ptrdiff_t)(rest % (size_t)w->out[0]), op == SUM, p);
        place(&start, 1, (ptrdiff_t)height, op == SUM, p);
        for (ptrdiff_t o = 0; o < w->out[2]; o++) {
            position at = start;
            at.y = p->y + (row * (size_t)w->out[2] + (size_t)o) * p->y_pitch;
            place(&at, 2, o, op == SUM, p);
            pool_position(&at, p->channels, op);
        }
    }
}

static void max_rows(const sn_pooling *p, size_t row0, size_t row1)
{
    pool_rows(p, row0, row1, MAX);
}

static void average_rows(const sn_pooling *p, size_t row0, size_t row1)
{
    pool_rows(p, row0, row1, SUM);
}

/* ---------------------------------------------------------------------------------------------------- whole images */

KERNEL_INLINE void global_vectors(const sn_global_pooling *p, size_t image, size_t c, size_t n, const int vectors,
                                  const reduction op)
{
    const float *x = p->x + image * p->x_image + c;
    vf acc[GROUP];
    UNROLL
    for (int v = 0; v < vectors; v++) acc[v] = lowest(op);
    for (size_t i = 0; i < p->positions; i += SUM_SPAN) {
        const size_t left = p->positions - i, span = left < SUM_SPAN ? left : SUM_SPAN;
        add_span(x + i * p->x_pitch, (ptrdiff_t)p->x_pitch, (ptrdiff_t)span, n, acc, vectors, op);
    }
    finish(p->y + image * p->y_image + c, acc, (float)p->positions, n, vectors, op);
}

KERNEL_INLINE void global_pool(const sn_global_pooling *p, size_t channel0, size_t channel1, const reduction op)
{
    for (size_t image = 0; image < p->images; image++) {
        size_t c = channel0;
#define STEP(at, n, vectors) global_vectors(p, image, at, n, vectors, op)
        FOR_CHANNEL_GROUPS(c, channel1, STEP);
#undef STEP
    }
}

static void global_max(const sn_global_pooling *p, size_t channel0, size_t channel1)
{
    global_pool(p, channel0, channel1, MAX);
}

static void global_average(const sn_global_pooling *p, size_t channel0, size_t channel1)
{
    global_pool(p, channel0, channel1, SUM);
}

extern const sn_pooling_kernels SN_FOR_ISA(sn_pooling);
const sn_pooling_kernels SN_FOR_ISA(sn_pooling) = {
    .max = max_rows, .average = average_rows, .global_max = global_max, .global_average = global_average};
