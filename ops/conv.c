/* Conv, and what it shares with ConvTranspose: attributes, inference and evaluation around a geometry function. */
#include "ops/conv.h"

#include "ops/widen.h"
#include <inttypes.h>

sinter_status sn_conv_prepare(sn_prepare *p, void *params)
{
    sn_conv_params *c = params;
    SN_TRY(sn_window_prepare(p, &c->window));
    SN_TRY(sn_attr_int(p, "group", 1, &c->group));
    if (c->group < 1)
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'group': %" PRId64 ", expected at least 1",
                               c->group);
    return SINTER_OK;
}

sinter_status sn_conv_check_weight(const sn_conv_params *p, const sn_shape *x, const sn_shape *w, sinter_error *err)
{
    char text[SN_SHAPE_TEXT];
    SN_TRY(sn_window_check_rank(&p->window, x->rank - 2, err));
    if (w->rank != x->rank)
        return sn_fail(err, SINTER_INVALID_INPUT, "weight of shape %s has rank %d, expected the input's rank %d",
                       sn_shape_text(w, NULL, text, sizeof text), w->rank, x->rank);
    for (int i = 0; p->window.has_kernel && i < x->rank - 2; i++)
        if (sn_dim_is_number(w->dims[i + 2]) && w->dims[i + 2] != p->window.kernel[i])
            return sn_fail(err, SINTER_INVALID_MODEL,
                           "kernel_shape: %" PRId64 " on spatial axis %d, but the weight's shape is %s",
                           p->window.kernel[i], i, sn_shape_text(w, NULL, text, sizeof text));
    return SINTER_OK;
}

/* The kernel's size: stated twice, and one of them may be unknown. */
static int64_t kernel_size(const sn_conv_params *p, const sn_shape *w, int i)
{
    return p->window.has_kernel ? p->window.kernel[i] : w->dims[i + 2];
}

sinter_status sn_conv_geometry(const sn_conv_params *p, const sn_shape *x, const sn_shape *w, sn_conv_sizes *out,
                               sinter_error *err)
{
    SN_TRY(sn_conv_check_weight(p, x, w, err));
    int64_t channels = x->dims[1], per_group = w->dims[1], total;
    if (sn_dim_is_number(per_group)) {
        bool fits = !__builtin_mul_overflow(per_group, p->group, &total);
        if (!fits || (sn_dim_is_number(channels) && channels != total))
            return sn_fail(err, SINTER_INVALID_INPUT,
                           "input has %" PRId64 " channels, expected %" PRId64 " (%" PRId64
                           " of the weight times group %" PRId64 ")",
                           sn_dim_is_number(channels) ? channels : -1, fits ? total : INT64_MAX, per_group, p->group);
        channels = total;
    }
    if (sn_dim_is_number(w->dims[0]) && w->dims[0] % p->group != 0)
        return sn_fail(err, SINTER_INVALID_MODEL,
                       "group: %" PRId64 " does not divide the weight's %" PRId64 " output channels", p->group,
                       w->dims[0]);
    out->rank = x->rank - 2;
    out->batch = x->dims[0];
    out->group = p->group;
    out->in_channels = channels;
    out->out_channels = w->dims[0];
    for (int i = 0; i < out->rank; i++)
        SN_TRY(sn_window_slide(&p->window, i, x->dims[i + 2], kernel_size(p, w, i), false, &out->axis[i], err));
    return SINTER_OK;
}

sn_shape sn_conv_output_shape(const sn_conv_sizes *s)
{
    sn_shape shape = {.rank = s->rank + 2, .dims = {s->batch, s->out_channels}};
    for (int i = 0; i < s->rank; i++) shape.dims[i + 2] = s->axis[i].out;
    return shape;
}

/* A bias has one element per output channel. */
static bool bias_fits(const sn_shape *bias, int64_t channels)
{
    return bias->rank == 1 &&
           (!sn_dim_is_number(bias->dims[0]) || !sn_dim_is_number(channels) || bias->dims[0] == channels);
}

sinter_status sn_conv_infer(sn_infer *x, sn_conv_geometry_fn *geometry)
{
    const sn_shape *in = sn_infer_shape(x, 0), *weight = sn_infer_shape(x, 1), *bias = sn_infer_shape(x, 2);
    sn_shape out = SN_SHAPE_UNKNOWN;
    if (in->rank >= 0 && weight->rank >= 0) {
        sn_conv_sizes sizes;
        sinter_error why;
        if (geometry(x->params, in, weight, &sizes, &why) != SINTER_OK) return sn_infer_fail(x, "%s", why.text);
        char text[SN_SHAPE_TEXT];
        if (bias->rank >= 0 && !bias_fits(bias, sizes.out_channels))
            return sn_infer_fail(x, "bias of shape %s, expected [%" PRId64 "]",
                                 sn_shape_text(bias, NULL, text, sizeof text), sizes.out_channels);
        out = sn_conv_output_shape(&sizes);
    }
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), &out);
    return SINTER_OK;
}

sinter_status sn_conv_eval(sn_eval *x, sn_conv_geometry_fn *geometry, sn_conv_loops_fn *loops_float,
                           sn_conv_loops_fn *loops_double)
{
    const sinter_value *bias = sn_eval_has(x, 2) ? x->in[2] : NULL;
    sn_conv_sizes sizes;
    sinter_error why;
    char text[SN_SHAPE_TEXT];
    sinter_status status = geometry(x->params, &x->in[0]->shape, &x->in[1]->shape, &sizes, &why);
    if (status != SINTER_OK) return sn_eval_fail(x, status, "%s", why.text);
    if (bias && !bias_fits(&bias->shape, sizes.out_channels))
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "bias of shape %s, expected [%" PRId64 "]",
                            sn_shape_text(&bias->shape, NULL, text, sizeof text), sizes.out_channels);

    sn_shape shape = sn_conv_output_shape(&sizes);
    sn_wide_output out;
    const void *in, *weight, *b;
    SN_TRY(sn_wide_output_open(x, 0, x->in[0]->dtype, &shape, &out));
    if (out.value->count == 0) return SINTER_OK;
    SN_TRY(sn_widen(x, x->in[0], &in));
    SN_TRY(sn_widen(x, x->in[1], &weight));
    SN_TRY(sn_widen(x, bias, &b));
    sn_conv_loops_fn *loops = x->in[0]->dtype == SINTER_DOUBLE ? loops_double : loops_float;
    SN_TRY(loops(x, &sizes, in, weight, b, out.data));
    sn_wide_output_close(&out);
    return SINTER_OK;
}

static sinter_status infer(sn_infer *x)
{
    return sn_conv_infer(x, sn_conv_geometry);
}

static sinter_status eval(sn_eval *x)
{
    return sn_conv_eval(x, sn_conv_geometry, sn_conv_loops_float, sn_conv_loops_double);
}

#define CONV(version, types)                                                                                           \
    {                                                                                                                  \
        "", "Conv", version, "X:T, W:T, B:T? -> Y:T; T=" types, 0, 0, sizeof(sn_conv_params), sn_conv_prepare, infer,  \
            eval                                                                                                       \
    }

const sn_op sn_ops_conv[] = {
    CONV(1, "float16|float|double"),
    CONV(11, "float16|float|double"),
    CONV(22, "@float"),
    {0},
};
