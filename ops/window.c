/* Sliding windows: reading the attributes, and the arithmetic of sizes and padding. */
#include "ops/window.h"

#include <inttypes.h>

sinter_status sn_window_ints(sn_prepare *p, const char *name, int64_t least, int per_axis, int *rank,
                             const int64_t **values)
{
    size_t count;
    SN_TRY(sn_attr_ints(p, name, values, &count));
    if (count == 0) {
        *values = NULL; /* an empty list says no more than an absent one */
        return SINTER_OK;
    }
    if (*rank == 0 && count % (size_t)per_axis == 0 && count / (size_t)per_axis <= SN_MAX_SPATIAL)
        *rank = (int)count / per_axis;
    if (count != (size_t)*rank * (size_t)per_axis)
        return sn_prepare_fail(p, SINTER_INVALID_MODEL,
                               "attribute '%s': %zu values, expected %d for each of the %d spatial axes", name, count,
                               per_axis, *rank);
    for (size_t i = 0; i < count; i++)
        if ((*values)[i] < least || (*values)[i] > SN_WINDOW_LIMIT)
            return sn_prepare_fail(p, SINTER_INVALID_MODEL,
                                   "attribute '%s': value %" PRId64 " at index %zu, expected %" PRId64 " to %" PRId64,
                                   name, (*values)[i], i, least, SN_WINDOW_LIMIT);
    return SINTER_OK;
}

static void fill(int64_t *to, const int64_t *from, int rank, int64_t otherwise)
{
    for (int i = 0; i < SN_MAX_SPATIAL; i++) to[i] = from && i < rank ? from[i] : otherwise;
}

sinter_status sn_window_prepare(sn_prepare *p, sn_window *w)
{
    static const char *const words[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL};
    const int64_t *kernel, *strides, *dilations, *pads;
    int auto_pad;

    w->rank = 0;
    SN_TRY(sn_attr_choice(p, "auto_pad", words, SN_PAD_EXPLICIT, &auto_pad));
    SN_TRY(sn_window_ints(p, "kernel_shape", 1, 1, &w->rank, &kernel));
    SN_TRY(sn_window_ints(p, "strides", 1, 1, &w->rank, &strides));
    SN_TRY(sn_window_ints(p, "dilations", 1, 1, &w->rank, &dilations));
    SN_TRY(sn_window_ints(p, "pads", 0, 2, &w->rank, &pads));
    w->auto_pad = (sn_auto_pad)auto_pad;
    w->has_kernel = kernel != NULL;
    fill(w->kernel, kernel, w->rank, 1);
    fill(w->stride, strides, w->rank, 1);
    fill(w->dilation, dilations, w->rank, 1);
    fill(w->pad_begin, pads, w->rank, 0);
    fill(w->pad_end, pads ? pads + w->rank : NULL, w->rank, 0);
    return SINTER_OK;
}

sinter_status sn_window_check_rank(const sn_window *w, int spatial, sinter_error *err)
{
    if (spatial < 1)
        return sn_fail(err, SINTER_INVALID_INPUT, "input of rank %d, expected at least 3: batch, channels, space",
                       spatial + 2);
    if (w->rank != 0 && w->rank != spatial)
        return sn_fail(err, SINTER_INVALID_INPUT,
                       "input of rank %d, but kernel_shape, strides, dilations or pads describe %d spatial axes",
                       spatial + 2, w->rank);
    return SINTER_OK;
}

sinter_status sn_window_check_size(const char *what, int axis, int64_t size, sinter_error *err)
{
    if (sn_dim_is_number(size) && (size < 1 || size > SN_WINDOW_LIMIT))
        return sn_fail(err, SINTER_INVALID_INPUT, "%s of %" PRId64 " on spatial axis %d, expected 1 to %" PRId64, what,
                       size, axis, SN_WINDOW_LIMIT);
    return SINTER_OK;
}

/* SAME: ceil(in / stride) windows, and as much padding as they need, the odd one at the end (UPPER) or the beginning.
 */
static void slide_same(sn_auto_pad auto_pad, int64_t extent, sn_window_axis *a)
{
    a->out = sn_div_ceil(a->in, a->stride);
    int64_t total = (a->out - 1) * a->stride + extent - a->in;
    if (total < 0) total = 0;
    a->pad_begin = auto_pad == SN_PAD_SAME_UPPER ? total / 2 : total - total / 2;
    a->pad_end = total - a->pad_begin;
}

static sinter_status slide_padded(int axis, int64_t extent, bool ceil_mode, sn_window_axis *a, sinter_error *err)
{
    int64_t room = a->in + a->pad_begin + a->pad_end - extent;
    if (room < 0)
        return sn_fail(err, SINTER_INVALID_INPUT,
                       "kernel_shape: a window of %" PRId64 " elements (kernel %" PRId64 ", dilation %" PRId64
                       ") on spatial axis %d does not fit the input of %" PRId64 " with pads %" PRId64 " and %" PRId64,
                       extent, a->kernel, a->dilation, axis, a->in, a->pad_begin, a->pad_end);
    a->out = (ceil_mode ? sn_div_ceil(room, a->stride) : room / a->stride) + 1;
    if (ceil_mode && (a->out - 1) * a->stride >= a->in + a->pad_begin) a->out--;
    return SINTER_OK;
}

/* Without numbers a symbol still passes through a window that keeps the size: stride 1, and as much padding as it
 * takes. */
static void slide_unknown(sn_auto_pad auto_pad, sn_window_axis *a)
{
    bool same = auto_pad == SN_PAD_SAME_UPPER || auto_pad == SN_PAD_SAME_LOWER;
    bool keeps = same || (sn_dim_is_number(a->kernel) &&
                          a->pad_begin + a->pad_end == sn_window_extent(a->kernel, a->dilation) - 1);
    a->out = a->stride == 1 && keeps ? a->in : SN_DIM_UNKNOWN;
    if (same) a->pad_begin = a->pad_end = SN_DIM_UNKNOWN;
}

sinter_status sn_window_slide(const sn_window *w, int i, int64_t in, int64_t kernel, bool ceil_mode,
                              sn_window_axis *out, sinter_error *err)
{
    bool explicit = w->auto_pad == SN_PAD_EXPLICIT;
    *out = (sn_window_axis){.in = in,
                            .kernel = kernel,
                            .stride = w->stride[i],
                            .dilation = w->dilation[i],
                            .pad_begin = explicit ? w->pad_begin[i] : 0,
                            .pad_end = explicit ? w->pad_end[i] : 0};
    SN_TRY(sn_window_check_size("input", i, in, err));
    SN_TRY(sn_window_check_size("kernel", i, kernel, err));
    if (!sn_dim_is_number(in) || !sn_dim_is_number(kernel)) {
        slide_unknown(w->auto_pad, out);
        return SINTER_OK;
    }
    int64_t extent = sn_window_extent(kernel, out->dilation);
    if (w->auto_pad == SN_PAD_SAME_UPPER || w->auto_pad == SN_PAD_SAME_LOWER) {
        slide_same(w->auto_pad, extent, out);
        return SINTER_OK;
    }
    return slide_padded(i, extent, ceil_mode, out, err);
}
