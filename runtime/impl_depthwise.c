/* Depthwise convolutions: one filter a channel, over channels-last images (kernels/depthwise.h). */
#include "runtime/conv.h"

typedef struct depthwise_state {
    sn_depthwise depthwise;
    sn_image_window window;
    sn_pack_form form;
    const sn_kernels *kernels;
    const float *packed; /* NULL: the weights are packed by each run, into scratch */
    bool has_bias, residual;
    size_t rows, grain;
} depthwise_state;

/* [C, 1, taps...] to [taps][C]. */
static bool depthwise_weights(const void *params, const sn_shape *weight, sn_pack_form *form)
{
    const sn_conv_params *p = params;
    if (weight->rank < 3 || weight->rank > 2 + SN_WINDOW_AXES) return false;
    if (p->group < 2 || weight->dims[0] != p->group || weight->dims[1] != 1) return false;
    size_t taps = (size_t)sn_shape_product(weight, 2, weight->rank);
    *form = (sn_pack_form){
        .kind = SN_PACK_DEPTHWISE,
        .groups = 1,
        .source = {.taps = taps, .kc = 1, .n = (size_t)p->group, .tap_pitch = 1, .column_pitch = (ptrdiff_t)taps}};
    return true;
}

static bool depthwise_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    sn_conv_sizes sizes;
    sn_pack_form form;
    if (!sn_conv_site(site, &sizes) || !depthwise_weights(site->params, sn_site_in(site, 1), &form)) return false;
    layouts->in[0] = layouts->out = SN_LAYOUT_CHANNELS_LAST;
    return true;
}

static sinter_status depthwise_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    depthwise_state *s = SN_ARENA_NEW(site->arena, depthwise_state);
    sn_conv_sizes sizes;
    if (!s || !sn_conv_site(site, &sizes)) return sn_no_memory(err, "preparing a convolution");
    size_t channels = (size_t)sizes.in_channels;
    s->kernels = site->kernels;
    s->window = sn_conv_window(&sizes, channels);
    (void)depthwise_weights(site->params, sn_site_in(site, 1), &s->form);
    if (!sn_conv_zeros(&s->window, channels, site->arena)) return sn_no_memory(err, "preparing a convolution");
    s->depthwise = (sn_depthwise){.window = &s->window, .channels = channels, .y_pitch = channels};
    s->depthwise.epilogue.activation = site->fusion.activation;
    s->residual = site->fusion.residual;
    if (s->residual) s->depthwise.epilogue.residual_row = channels;
    s->has_bias = sn_site_has(site, 2);
    s->rows = (size_t)(sizes.batch * s->window.out[0] * s->window.out[1]);
    size_t row_work = (size_t)s->window.out[2] * channels * s->form.source.taps;
    s->grain = 1 + SN_SERIAL_FLOPS / 8 / (row_work > 0 ? row_work : 1);
    *scratch_size = 0;
    if (sn_site_weights(site)) {
        s->packed = sn_packs_direct(site->packs, site->in_id[1], &s->form, sn_site_weights(site), site->pool);
        if (!s->packed) return sn_no_memory(err, "packing the weights");
    } else {
        *scratch_size = sn_pack_floats(site->kernels, &s->form) * sizeof(float);
    }
    *state = s;
    return SINTER_OK;
}

static void depthwise_rows(void *context, size_t begin, size_t end, int worker)
{
    const sn_depthwise *d = ((const void *const *)context)[0];
    const sn_kernels *k = ((const void *const *)context)[1];
    (void)worker;
    k->depthwise->run(d, begin, end);
}

static void depthwise_run(const sn_impl_run *r)
{
    const depthwise_state *s = r->state;
    sn_depthwise d = s->depthwise;
    d.x = r->in[0];
    d.y = r->out[0];
    d.weights = s->packed;
    if (!d.weights) {
        sn_pack(s->kernels, &s->form, r->in[1], r->scratch, NULL);
        d.weights = r->scratch;
    }
    d.epilogue.bias = s->has_bias ? r->in[2] : NULL;
    d.epilogue.residual = s->residual ? r->in[r->n_in] : NULL;
    const void *context[] = {&d, s->kernels};
    sn_parallel_for(r->pool, s->rows, s->grain, depthwise_rows, context);
}

const sn_impl sn_impl_depthwise_conv = {.domain = "",
                                        .op_type = "Conv",
                                        .name = "depthwise",
                                        .fuses = true,
                                        .by_image = true,
                                        .accepts = depthwise_accepts,
                                        .prepare = depthwise_prepare,
                                        .run = depthwise_run,
                                        .weights = depthwise_weights};
