/* ConvTranspose: the gradient of Conv with respect to its input. */
#include "ops/conv.h"

#include <inttypes.h>

static sinter_status prepare(sn_prepare *p, void *params)
{
    sn_conv_params *c = params;
    const int64_t *padding, *shape;
    SN_TRY(sn_conv_prepare(p, params));
    SN_TRY(sn_window_ints(p, "output_padding", 0, 1, &c->window.rank, &padding));
    SN_TRY(sn_window_ints(p, "output_shape", 1, 1, &c->window.rank, &shape));
    c->has_output_shape = shape != NULL;
    for (int i = 0; i < c->window.rank; i++) {
        c->output_padding[i] = padding ? padding[i] : 0;
        c->output_shape[i] = shape ? shape[i] : 0;
    }
    return SINTER_OK;
}

/* The output's size is asked for, and the padding follows from it. Where no padding is enough (`total` < 0) the output
 * ends in elements that no input reaches. */
static void pad_to_output(sn_auto_pad auto_pad, int64_t full, sn_window_axis *a)
{
    int64_t total = full - a->out;
    if (total < 0) total = 0;
    a->pad_begin = auto_pad == SN_PAD_SAME_UPPER ? total / 2 : total - total / 2;
    a->pad_end = total - a->pad_begin;
}

static void transpose_unknown(const sn_conv_params *p, int i, sn_window_axis *a)
{
    bool same = p->window.auto_pad == SN_PAD_SAME_UPPER || p->window.auto_pad == SN_PAD_SAME_LOWER;
    bool keeps =
        same || (sn_dim_is_number(a->kernel) &&
                 a->pad_begin + a->pad_end == sn_window_extent(a->kernel, a->dilation) - 1 + p->output_padding[i]);
    if (p->has_output_shape)
        a->out = p->output_shape[i];
    else
        a->out = a->stride == 1 && keeps ? a->in : SN_DIM_UNKNOWN;
    if (p->has_output_shape || same) a->pad_begin = a->pad_end = SN_DIM_UNKNOWN;
}

static sinter_status transpose_axis(const sn_conv_params *p, int i, int64_t in, int64_t kernel, sn_window_axis *a,
                                    sinter_error *err)
{
    const sn_window *w = &p->window;
    bool explicit = w->auto_pad == SN_PAD_EXPLICIT;
    *a = (sn_window_axis){.in = in,
                          .kernel = kernel,
                          .stride = w->stride[i],
                          .dilation = w->dilation[i],
                          .pad_begin = explicit ? w->pad_begin[i] : 0,
                          .pad_end = explicit ? w->pad_end[i] : 0};
    SN_TRY(sn_window_check_size("input", i, in, err));
    SN_TRY(sn_window_check_size("kernel", i, kernel, err));
    if (!sn_dim_is_number(in) || !sn_dim_is_number(kernel)) {
        transpose_unknown(p, i, a);
        return SINTER_OK;
    }
    int64_t full = (in - 1) * a->stride + sn_window_extent(kernel, a->dilation) + p->output_padding[i];
    bool same = w->auto_pad == SN_PAD_SAME_UPPER || w->auto_pad == SN_PAD_SAME_LOWER;
    if (p->has_output_shape || same) {
        a->out = p->has_output_shape ? p->output_shape[i] : in * a->stride;
        pad_to_output(w->auto_pad, full, a);
        return SINTER_OK;
    }
    a->out = full - a->pad_begin - a->pad_end;
    if (a->out < 1)
        return sn_fail(err, SINTER_INVALID_MODEL,
                       "pads: %" PRId64 " and %" PRId64 " on spatial axis %d leave nothing of the %" PRId64
                       " output elements",
                       a->pad_begin, a->pad_end, i, full);
    return SINTER_OK;
}

sinter_status sn_conv_transpose_geometry(const sn_conv_params *p, const sn_shape *x, const sn_shape *w,
                                         sn_conv_sizes *out, sinter_error *err)
{
    SN_TRY(sn_conv_check_weight(p, x, w, err));
    int64_t channels = x->dims[1], per_group = w->dims[1];
    if (sn_dim_is_number(channels) && sn_dim_is_number(w->dims[0]) && channels != w->dims[0])
        return sn_fail(err, SINTER_INVALID_INPUT, "input has %" PRId64 " channels, expected the weight's %" PRId64,
                       channels, w->dims[0]);
    if (sn_dim_is_number(w->dims[0])) channels = w->dims[0];
    if (sn_dim_is_number(channels) && channels % p->group != 0)
        return sn_fail(err, SINTER_INVALID_MODEL, "group: %" PRId64 " does not divide the %" PRId64 " input channels",
                       p->group, channels);
    out->rank = x->rank - 2;
    out->batch = x->dims[0];
    out->group = p->group;
    out->in_channels = channels;
    out->out_channels = SN_DIM_UNKNOWN;
    if (sn_dim_is_number(per_group) && __builtin_mul_overflow(per_group, p->group, &out->out_channels))
        return sn_fail(err, SINTER_INVALID_MODEL,
                       "group: %" PRId64 " groups of %" PRId64 " output channels are too many", p->group, per_group);
    for (int i = 0; i < out->rank; i++) {
        int64_t kernel = p->window.has_kernel ? p->window.kernel[i] : w->dims[i + 2];
        SN_TRY(transpose_axis(p, i, x->dims[i + 2], kernel, &out->axis[i], err));
    }
    return SINTER_OK;
}

static sinter_status infer(sn_infer *x)
{
    return sn_conv_infer(x, sn_conv_transpose_geometry);
}

static sinter_status eval(sn_eval *x)
{
    return sn_conv_eval(x, sn_conv_transpose_geometry, sn_conv_transpose_loops_float, sn_conv_transpose_loops_double);
}

#define CONV_TRANSPOSE(version, types)                                                                                 \
    {                                                                                                                  \
        "", "ConvTranspose", version, "X:T, W:T, B:T? -> Y:T; T=" types, 0, 0, sizeof(sn_conv_params), prepare, infer, \
            eval                                                                                                       \
    }

const sn_op sn_ops_conv_transpose[] = {
    CONV_TRANSPOSE(1, "float16|float|double"),
    CONV_TRANSPOSE(11, "float16|float|double"),
    CONV_TRANSPOSE(22, "@float"),
    {0},
};
