/*
 * The reference convolutions, for any number of spatial axes.
 *
 * A kernel tap is the outermost loop: what it connects (which elements of the dense side, where on the strided side) is
 * the same for every image and channel, so it is worked out once, with padding clipped away; what remains inside are
 * rows of multiply-adds that the compiler vectorises. Adjacent axes that a tap covers without a gap are merged into one
 * long row, which turns a 1x1 convolution into whole-plane operations.
 */
#include "ops/conv.h"

typedef struct tap_axis {
    int64_t count;      /* elements that the tap connects along this axis */
    int64_t dense_step; /* from one to the next */
    int64_t strided_step;
} tap_axis;

typedef struct tap {
    int rank;
    int64_t dense_start, strided_start;
    tap_axis axis[SN_MAX_SPATIAL];
} tap;

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static void merge_axes(tap *t)
{
    int last = 0;
    for (int i = 1; i < t->rank; i++) {
        tap_axis *outer = &t->axis[last], inner = t->axis[i];
        if (outer->dense_step == inner.count * inner.dense_step &&
            outer->strided_step == inner.count * inner.strided_step)
            *outer = (tap_axis){outer->count * inner.count, inner.dense_step, inner.strided_step};
        else
            t->axis[++last] = inner;
    }
    t->rank = last + 1;
}

/* Tap number `index` (row-major in the kernel); false when it meets nothing but padding. */
static bool tap_at(const sn_conv_sizes *s, bool transposed, int64_t index, tap *t)
{
    int64_t dense_stride = 1, strided_stride = 1;
    *t = (tap){.rank = s->rank};
    for (int i = s->rank - 1; i >= 0; i--) {
        const sn_window_axis *a = &s->axis[i];
        int64_t dense = transposed ? a->in : a->out, strided = transposed ? a->out : a->in;
        int64_t offset = index % a->kernel * a->dilation - a->pad_begin;
        int64_t first = clamp(sn_div_ceil(-offset, a->stride), 0, dense);
        int64_t end = clamp(sn_div_ceil(strided - offset, a->stride), 0, dense);
        if (first >= end) return false;
        t->axis[i] = (tap_axis){end - first, dense_stride, a->stride * strided_stride};
        t->dense_start += first * dense_stride;
        t->strided_start += (first * a->stride + offset) * strided_stride;
        dense_stride *= dense;
        strided_stride *= strided;
        index /= a->kernel;
    }
    merge_axes(t);
    return true;
}

static int64_t plane_of_output(const sn_conv_sizes *s)
{
    int64_t plane = 1;
    for (int i = 0; i < s->rank; i++) plane *= s->axis[i].out;
    return plane;
}

typedef struct counts {
    int64_t taps, in_plane, out_plane;
    int64_t in_channels, out_channels; /* of one group */
    int64_t weight_in, weight_out;     /* from the weight of one input or output channel to the next */
} counts;

static counts count_all(const sn_conv_sizes *s, bool transposed)
{
    counts c = {1, 1, plane_of_output(s), s->in_channels / s->group, s->out_channels / s->group, 0, 0};
    for (int i = 0; i < s->rank; i++) {
        c.taps *= s->axis[i].kernel;
        c.in_plane *= s->axis[i].in;
    }
    c.weight_in = transposed ? c.out_channels * c.taps : c.taps;
    c.weight_out = transposed ? c.taps : c.in_channels * c.taps;
    return c;
}

#define REAL        float
#define TYPED(name) name##_float
#include "ops/conv_loops.inc"
#undef REAL
#undef TYPED

#define REAL        double
#define TYPED(name) name##_double
#include "ops/conv_loops.inc"
#undef REAL
#undef TYPED
