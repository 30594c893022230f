/*
 * Pattern: Conv or ConvTranspose with constant weights, then a chain on the output channels; or a chain on the input
 * channels, then Conv. Rewrite: y = s * (W x + b) + t becomes (s W) x + (s b + t); and W (s x + t) + b becomes (W s) x
 * + (b + sum of W t). Exact up to one rounding of each weight. Forward with any t != 0 only where nothing is padded:
 * the zeros that padding adds would have become 0, not t.
 */
#include "passes/fold.h"

typedef struct conv {
    const sinter_value *weight, *bias; /* bias NULL: none */
    size_t groups, kernel;             /* kernel: elements of one filter plane */
    size_t dim0, dim1;                 /* of the weight */
} conv;

static sinter_status refuse(sn_fold *f, const char *text)
{
    return sn_fail(f->why, SINTER_UNSUPPORTED, "%s %s", sn_pass_label(f->x, f->linear), text);
}

static sinter_status read_conv(sn_fold *f, conv *c)
{
    const sn_node *n = &f->x->model->nodes[f->linear];
    SN_TRY(sn_fold_constant(f, 1, "weight", &c->weight));
    c->bias = NULL;
    if (sn_node_in(n, 2) != SN_NONE) SN_TRY(sn_fold_constant(f, 2, "bias", &c->bias));
    int64_t group = sn_node_int(n, "group", 1);
    const sn_shape *s = &c->weight->shape;
    if (s->rank < 2 || group < 1 || c->weight->count == 0) return refuse(f, "has a weight of an impossible shape");
    c->groups = (size_t)group;
    c->dim0 = (size_t)s->dims[0];
    c->dim1 = (size_t)s->dims[1];
    if (c->dim0 % c->groups != 0) return refuse(f, "has channels that are no multiple of its groups");
    c->kernel = c->weight->count / c->dim0 / c->dim1;
    return SINTER_OK;
}

/* bias' = bias * scale + shift; NULL when nothing changes. */
static sinter_status fold_bias(sn_fold *f, const conv *c, size_t channels, const double *scale, double *shift,
                               sinter_value **out)
{
    if (c->bias && c->bias->count != channels) return refuse(f, "has a bias of the wrong length");
    *out = NULL;
    if (!c->bias && sn_all_equal(shift, channels, 0.0)) return SINTER_OK;
    for (size_t i = 0; c->bias && i < channels; i++)
        shift[i] += sn_load_double(c->bias->dtype, c->bias->data, i) * (scale ? scale[i] : 1.0);
    int64_t dim = (int64_t)channels;
    sn_shape shape = sn_shape_of(1, &dim);
    return sn_weights_store(c->bias ? c->bias->dtype : c->weight->dtype, &shape, shift, "bias", out, f->why);
}

static sinter_status absorb(sn_fold *f, const conv *c, const sn_weight_view *view, const double *scale, size_t n_scales,
                            sinter_value *bias)
{
    sinter_value *weight = NULL;
    if (!sn_all_equal(scale, n_scales, 1.0)) {
        sinter_status status = sn_weights_scale(c->weight, view, scale, &weight, f->why);
        if (status != SINTER_OK) {
            sinter_value_release(bias);
            return status;
        }
    }
    return sn_fold_commit(f, weight, bias);
}

static sinter_status absorb_output(sn_fold *f, const conv *c, const sn_weight_view *view)
{
    double *scale, *shift;
    size_t channels = view->groups * view->channels;
    SN_TRY(sn_chain_compose(f->x, f->chain, 1, channels, &scale, &shift, f->why));
    sinter_value *bias;
    SN_TRY(fold_bias(f, c, channels, scale, shift, &bias));
    return absorb(f, c, view, scale, channels, bias);
}

sinter_status sn_conv_absorb_output(sn_fold *f)
{
    conv c;
    SN_TRY(read_conv(f, &c));
    return absorb_output(f, &c, &(sn_weight_view){1, 1, c.dim0, c.weight->count / c.dim0});
}

/* The weight is [C, M/group, k...]: output channel g * M/group + m belongs to row block g. */
sinter_status sn_conv_transpose_absorb_output(sn_fold *f)
{
    conv c;
    SN_TRY(read_conv(f, &c));
    return absorb_output(f, &c, &(sn_weight_view){c.groups, c.dim0 / c.groups, c.dim1, c.kernel});
}

static bool pads_anything(const sn_node *n, const conv *c)
{
    if (sn_node_attr_is(n, "auto_pad", "VALID")) return false;
    /* A filter of one element needs no padding for an output of ceil(size / stride). */
    if (sn_node_attr_is(n, "auto_pad", "SAME_UPPER") || sn_node_attr_is(n, "auto_pad", "SAME_LOWER"))
        return c->kernel != 1;
    size_t count;
    const int64_t *pads = sn_node_ints(n, "pads", &count);
    for (size_t i = 0; i < count; i++)
        if (pads[i] != 0) return true;
    return false;
}

sinter_status sn_conv_absorb_input(sn_fold *f)
{
    conv c;
    if (f->chain->linear_slot != 0) return refuse(f, "reads it as a weight");
    SN_TRY(read_conv(f, &c));
    size_t channels = c.groups * c.dim1, outputs = c.dim0;
    double *scale, *shift;
    SN_TRY(sn_chain_compose(f->x, f->chain, 1, channels, &scale, &shift, f->why));
    bool shifts = !sn_all_equal(shift, channels, 0.0);
    if (shifts && pads_anything(&f->x->model->nodes[f->linear], &c))
        return refuse(f, "after it pads with zeros, which the shift would not reach");

    sn_weight_view view = {c.groups, c.dim0 / c.groups, c.dim1, c.kernel};
    sinter_value *bias = NULL;
    if (shifts) {
        double *sums = SN_ARENA_ARRAY(&f->chain->arena, double, outputs);
        if (!sums) return sn_pass_no_memory(f->x);
        sn_weights_project(c.weight, &view, shift, false, sums);
        SN_TRY(fold_bias(f, &c, outputs, NULL, sums, &bias));
    }
    return absorb(f, &c, &view, scale, channels, bias);
}
