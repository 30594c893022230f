/* Coordinates and weights of one axis of a Resize, as the ONNX standard defines them; all in double. */
#include "ops/resize.h"

#include "base/size.h"
#include <math.h>

/* Where output position k lies in the input. */
static double source_coordinate(const sn_resize_method *m, const sn_resize_axis *a, int64_t k)
{
    double position = (double)k, in = (double)a->in, out = (double)a->out, stretched = a->scale * in;
    switch (m->coordinates) {
    case SN_RESIZE_HALF_PIXEL_SYMMETRIC: {
        /* The output's length was rounded: keep the centres of both together. */
        double offset = in / 2 * (1 - out / stretched);
        return offset + (position + 0.5) / a->scale - 0.5;
    }
    case SN_RESIZE_PYTORCH_HALF_PIXEL: return a->out > 1 ? (position + 0.5) / a->scale - 0.5 : 0;
    case SN_RESIZE_ALIGN_CORNERS: return stretched == 1 || a->out == 1 ? 0 : position * (in - 1) / (stretched - 1);
    case SN_RESIZE_ASYMMETRIC: return position / a->scale;
    case SN_RESIZE_TF_HALF_PIXEL_FOR_NN: return (position + 0.5) / a->scale;
    case SN_RESIZE_TF_CROP_AND_RESIZE:
        if (a->out == 1) return 0.5 * (a->roi_start + a->roi_end) * (in - 1);
        return a->roi_start * (in - 1) + position * (a->roi_end - a->roi_start) * (in - 1) / (out - 1);
    default: return (position + 0.5) / a->scale - 0.5;
    }
}

static bool is_outside(const sn_resize_method *m, const sn_resize_axis *a, double v)
{
    return m->coordinates == SN_RESIZE_TF_CROP_AND_RESIZE && !(v >= 0 && v <= (double)(a->in - 1));
}

/* Coordinates of a hostile scale or region may be anything, NaN included. */
static double bounded(const sn_resize_axis *a, double v)
{
    double limit = (double)a->in + 1;
    return v > limit ? limit : v > -limit ? v : -limit;
}

static int64_t clamp_index(int64_t i, int64_t n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* ---------------------------------------------------------------------------------------------------- nearest */

static int64_t round_coordinate(const sn_resize_method *m, const sn_resize_axis *a, double v)
{
    switch (m->rounding) {
    case SN_RESIZE_ROUND_PREFER_CEIL: return (int64_t)floor(v + 0.5);
    case SN_RESIZE_FLOOR: return (int64_t)floor(v);
    case SN_RESIZE_CEIL: return (int64_t)ceil(v);
    case SN_RESIZE_SIMPLE: return (int64_t)(a->scale < 1 ? ceil(v) : floor(v));
    default: return (int64_t)ceil(v - 0.5);
    }
}

sinter_status sn_resize_make_map(sn_eval *x, const sn_resize_method *m, const sn_resize_axis *a, int64_t **out)
{
    size_t size;
    if (!sn_size_mul((size_t)a->out, sizeof **out, &size)) size = SIZE_MAX;
    int64_t *map = sn_eval_scratch(x, size);
    if (!map) return sn_no_memory(x->err, "resizing");
    for (int64_t k = 0; k < a->out; k++) {
        double v = source_coordinate(m, a, k);
        map[k] = is_outside(m, a, v) ? -1 : clamp_index(round_coordinate(m, a, bounded(a, v)), a->in);
    }
    *out = map;
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- weights */

/* The interpolating kernels as functions of the distance. */
static double linear_weight(double distance)
{
    double d = fabs(distance);
    return d < 1 ? 1 - d : 0;
}

static double cubic_weight(double distance, double a)
{
    double d = fabs(distance);
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    return 0;
}

/* Half the kernel's width in input elements: wider when shrinking with antialias. */
static double kernel_scale(const sn_resize_method *m, const sn_resize_axis *a)
{
    return m->antialias && a->scale < 1 ? a->scale : 1;
}

static int64_t count_taps(const sn_resize_method *m, const sn_resize_axis *a)
{
    double support = m->mode == SN_RESIZE_CUBIC ? 2 : 1;
    int64_t first = (int64_t)floor(-support / kernel_scale(m, a)) + 1;
    return 2 - 2 * first;
}

static void normalize(double *weights, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += weights[i];
    for (size_t i = 0; sum != 0 && i < n; i++) weights[i] /= sum;
}

static void fill_position(const sn_resize_method *m, const sn_resize_axis *a, double v, size_t n, int64_t *at,
                          double *weights)
{
    double left = ceil(v) - 1, scale = kernel_scale(m, a); /* the element left of v: v - left is in (0, 1] */
    int64_t first = (int64_t)left + 1 - (int64_t)(n / 2);
    for (size_t t = 0; t < n; t++) {
        int64_t i = first + (int64_t)t;
        double distance = ((double)i - v) * scale;
        weights[t] = m->mode == SN_RESIZE_CUBIC ? cubic_weight(distance, m->cubic_a) : linear_weight(distance);
        if (m->exclude_outside && (i < 0 || i >= a->in)) weights[t] = 0;
        at[t] = clamp_index(i, a->in);
    }
    if (m->exclude_outside || scale < 1) normalize(weights, n);
}

sinter_status sn_resize_make_taps(sn_eval *x, const sn_resize_method *m, const sn_resize_axis *a, sn_resize_taps *out)
{
    size_t count, size;
    /* A scale too small for the extents (they may come from `sizes` or be clipped) gives no more taps than make sense.
     */
    double widest = 4 * (double)a->in + 8;
    if (kernel_scale(m, a) * widest < 1)
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "a scale of %g is too small for a dimension of %lld", a->scale,
                            (long long)a->in);
    out->taps = (size_t)count_taps(m, a);
    if (!sn_size_mul((size_t)a->out, out->taps, &count) || !sn_size_mul(count, sizeof(double), &size)) size = SIZE_MAX;
    out->at = sn_eval_scratch(x, size);
    out->weights = sn_eval_scratch(x, size);
    if (!out->at || !out->weights) return sn_no_memory(x->err, "resizing");
    for (int64_t k = 0; k < a->out; k++) {
        double v = source_coordinate(m, a, k);
        size_t at = (size_t)k * out->taps;
        fill_position(m, a, bounded(a, v), out->taps, out->at + at, out->weights + at);
        if (is_outside(m, a, v)) out->at[at] = -1;
    }
    return SINTER_OK;
}
