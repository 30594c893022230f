/*
 * Convolutions over channels-last images, as products whose rows are read through the window (kernels/gemm.h). A 1x1
 * convolution with stride 1 and no padding is a plain product.
 */
#include "runtime/conv.h"
#include "runtime/product.h"

typedef struct conv_state {
    sn_product_plan product;
    sn_image_window window;
    sn_pack_form form;
    const float *packed; /* NULL: the weights are packed by each run, into scratch */
    bool has_bias, residual;
} conv_state;

/* [M, C / group, taps...]: per group a product with kc = C / group channels for each tap. */
static bool conv_weights(const void *params, const sn_shape *weight, sn_pack_form *form)
{
    const sn_conv_params *p = params;
    if (weight->rank < 3 || weight->rank > 2 + SN_WINDOW_AXES || p->group < 1 || weight->dims[0] % p->group != 0)
        return false;
    size_t channels = (size_t)weight->dims[1], n = (size_t)(weight->dims[0] / p->group);
    size_t taps = (size_t)sn_shape_product(weight, 2, weight->rank);
    *form = (sn_pack_form){.kind = SN_PACK_GEMM,
                           .groups = (size_t)p->group,
                           .group_pitch = (ptrdiff_t)(n * channels * taps),
                           .source = {.taps = taps,
                                      .kc = channels,
                                      .n = n,
                                      .tap_pitch = 1,
                                      .channel_pitch = (ptrdiff_t)taps,
                                      .column_pitch = (ptrdiff_t)(channels * taps)}};
    return true;
}

static bool conv_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    sn_conv_sizes sizes;
    if (!sn_conv_site(site, &sizes)) return false;
    layouts->in[0] = layouts->out = SN_LAYOUT_CHANNELS_LAST;
    return true;
}

static bool is_plain_product(const sn_image_window *w)
{
    for (int i = 0; i < SN_WINDOW_AXES; i++) {
        if (w->kernel[i] != 1 || w->stride[i] != 1 || w->pad[i] != 0 || w->in[i] != w->out[i]) return false;
    }
    return true;
}

static sinter_status list_groups(conv_state *s, const sn_impl_site *site, sinter_error *err)
{
    size_t groups = s->form.groups, n = s->form.source.n, kc = s->form.source.kc;
    sn_product_item *items = SN_ARENA_ARRAY(site->arena, sn_product_item, groups);
    if (!items) return sn_no_memory(err, "preparing a convolution");
    for (size_t g = 0; g < groups; g++) {
        items[g] = (sn_product_item){
            .a = g * kc, .b = g * sn_pack_group(site->kernels, &s->form), .c = g * n, .column = g * n};
    }
    s->product.items = items;
    s->product.n_items = groups;
    return SINTER_OK;
}

static sinter_status conv_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    conv_state *s = SN_ARENA_NEW(site->arena, conv_state);
    sn_conv_sizes sizes;
    if (!s || !sn_conv_site(site, &sizes)) return sn_no_memory(err, "preparing a convolution");
    size_t in = (size_t)sizes.in_channels, out = (size_t)sizes.out_channels;
    s->window = sn_conv_window(&sizes, in);
    (void)conv_weights(site->params, sn_site_in(site, 1), &s->form);
    s->product.kernels = site->kernels;
    sn_gemm *g = &s->product.gemm;
    *g = (sn_gemm){.m = (size_t)sizes.batch * sn_conv_positions(&s->window),
                   .n = s->form.source.n,
                   .taps = s->form.source.taps,
                   .kc = s->form.source.kc,
                   .a_row = in,
                   .c_row = out};
    g->epilogue.activation = site->fusion.activation;
    s->residual = site->fusion.residual;
    if (s->residual) g->epilogue.residual_row = out;
    s->has_bias = sn_site_has(site, 2);
    if (!is_plain_product(&s->window)) g->window = &s->window;
    if (!sn_conv_zeros(&s->window, g->kc, site->arena)) return sn_no_memory(err, "preparing a convolution");
    SN_TRY(list_groups(s, site, err));
    *scratch_size = 0;
    size_t floats = sn_pack_floats(site->kernels, &s->form);
    if (floats == SIZE_MAX)
        return sn_fail(err, SINTER_TOO_LARGE, "packing the weights of a convolution: they are too large");
    if (site->in[1].constant) {
        s->packed = sn_packs_direct(site->packs, site->in_id[1], &s->form, site->in[1].constant, site->pool);
        if (!s->packed) return sn_no_memory(err, "packing the weights");
    } else {
        *scratch_size = floats * sizeof(float);
    }
    sn_product_split(&s->product, site->threads);
    *state = s;
    return SINTER_OK;
}

static void conv_run(const sn_impl_run *r)
{
    const conv_state *s = r->state;
    const float *b = s->packed;
    if (!b) {
        sn_pack(s->product.kernels, &s->form, r->in[1], r->scratch, r->pool);
        b = r->scratch;
    }
    sn_epilogue e = {.bias = s->has_bias ? r->in[2] : NULL, .residual = s->residual ? r->in[r->n_in] : NULL};
    sn_product_run(&s->product, r->in[0], b, r->out[0], &e, r->pool);
}

const sn_impl sn_impls_conv[] = {
    {"", "Conv", "conv", true, conv_accepts, conv_prepare, conv_run, conv_weights},
};
const size_t sn_impls_conv_count = sizeof sn_impls_conv / sizeof *sn_impls_conv;
