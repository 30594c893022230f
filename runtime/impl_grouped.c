/* Convolutions in groups of few channels, as many out as in, over channels-last images (kernels/grouped.h). */
#include "runtime/conv.h"

typedef struct grouped_state {
    sn_grouped grouped; /* weights: NULL when each run packs them, into scratch */
    sn_image_window window;
    sn_pack_form form;
    const sn_kernels *kernels;
    bool has_bias, residual;
    size_t rows, grain;
} grouped_state;

/* [C, n, taps...] in groups of n channels, where n is a power of two. */
static bool small_groups(const void *params, const sn_shape *weight, sn_pack_form *form)
{
    const sn_conv_params *p = params;
    if (weight->rank < 3 || weight->rank > 2 + SN_WINDOW_AXES || p->group < 2) return false;
    const int64_t n = weight->dims[1];
    if (n < 1 || n > SN_GROUPED_MOST || (n & (n - 1)) != 0 || weight->dims[0] % p->group != 0 ||
        weight->dims[0] / p->group != n)
        return false;
    size_t taps = (size_t)sn_shape_product(weight, 2, weight->rank), channels = (size_t)n;
    *form = (sn_pack_form){.kind = SN_PACK_GROUPED,
                           .groups = (size_t)p->group,
                           .group_pitch = (ptrdiff_t)(channels * channels * taps),
                           .source = {.taps = taps,
                                      .kc = channels,
                                      .n = channels,
                                      .tap_pitch = 1,
                                      .channel_pitch = (ptrdiff_t)taps,
                                      .column_pitch = (ptrdiff_t)(channels * taps)}};
    return true;
}

static bool depthwise_weights(const void *params, const sn_shape *weight, sn_pack_form *form)
{
    return small_groups(params, weight, form) && form->source.n == 1;
}

static bool grouped_weights(const void *params, const sn_shape *weight, sn_pack_form *form)
{
    return small_groups(params, weight, form) && form->source.n > 1;
}

static bool channels_last(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    sn_conv_sizes sizes;
    layouts->in[0] = layouts->out = SN_LAYOUT_CHANNELS_LAST;
    return sn_conv_site(site, &sizes);
}

static bool depthwise_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    sn_pack_form form;
    return channels_last(site, layouts) && depthwise_weights(site->params, sn_site_in(site, 1), &form);
}

static bool grouped_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    sn_pack_form form;
    return channels_last(site, layouts) && grouped_weights(site->params, sn_site_in(site, 1), &form);
}

static sinter_status settle_weights(grouped_state *s, const sn_impl_site *site, size_t *scratch_size, sinter_error *err)
{
    const size_t floats = sn_pack_floats(site->kernels, &s->form);
    if (floats == SIZE_MAX)
        return sn_fail(err, SINTER_TOO_LARGE, "packing the weights of a convolution: they are too large");
    if (!sn_site_weights(site)) {
        *scratch_size = floats * sizeof(float);
        return SINTER_OK;
    }
    s->grouped.weights = sn_packs_direct(site->packs, site->in_id[1], &s->form, sn_site_weights(site), site->pool);
    return s->grouped.weights ? SINTER_OK : sn_no_memory(err, "packing the weights");
}

static sinter_status prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    grouped_state *s = SN_ARENA_NEW(site->arena, grouped_state);
    sn_conv_sizes sizes;
    if (!s || !sn_conv_site(site, &sizes)) return sn_no_memory(err, "preparing a convolution");
    (void)small_groups(site->params, sn_site_in(site, 1), &s->form);
    const size_t channels = (size_t)sizes.in_channels;
    s->kernels = site->kernels;
    s->window = sn_conv_window(&sizes, channels);
    s->grouped =
        (sn_grouped){.window = &s->window, .channels = channels, .group = s->form.source.n, .y_pitch = channels};
    s->grouped.epilogue.activation = site->fusion.activation;
    s->residual = site->fusion.residual;
    if (s->residual) s->grouped.epilogue.residual_row = channels;
    s->has_bias = sn_site_has(site, 2);
    s->rows = (size_t)(sizes.batch * s->window.out[0] * s->window.out[1]);
    /* What a range costs is moving its values, however wide the groups are. */
    const size_t row_work = (size_t)s->window.out[2] * channels * s->form.source.taps;
    s->grain = 1 + SN_SERIAL_FLOPS / 8 / (row_work > 0 ? row_work : 1);
    *scratch_size = 0;
    SN_TRY(settle_weights(s, site, scratch_size, err));
    *state = s;
    return SINTER_OK;
}

typedef struct grouped_call {
    const sn_grouped_kernels *kernels;
    sn_grouped grouped;
} grouped_call;

static void run_rows(void *context, size_t begin, size_t end, int worker)
{
    const grouped_call *x = context;
    (void)worker;
    x->kernels->run(&x->grouped, begin, end);
}

static void run(const sn_impl_run *r)
{
    const grouped_state *s = r->state;
    grouped_call x = {.kernels = sn_kernels_for_groups(s->kernels, s->grouped.group), .grouped = s->grouped};
    x.grouped.x = r->in[0];
    x.grouped.y = r->out[0];
    if (!x.grouped.weights) {
        sn_pack(s->kernels, &s->form, r->in[1], r->scratch, NULL);
        x.grouped.weights = r->scratch;
    }
    x.grouped.epilogue.bias = s->has_bias ? r->in[2] : NULL;
    x.grouped.epilogue.residual = s->residual ? r->in[r->n_in] : NULL;
    sn_parallel_for(r->pool, s->rows, s->grain, run_rows, &x);
}

#define GROUPED(kind)                                                                                                  \
    const sn_impl sn_impl_##kind##_conv = {.domain = "",                                                               \
                                           .op_type = "Conv",                                                          \
                                           .name = #kind,                                                              \
                                           .fuses = true,                                                              \
                                           .by_image = true,                                                           \
                                           .accepts = kind##_accepts,                                                  \
                                           .prepare = prepare,                                                         \
                                           .run = run,                                                                 \
                                           .weights = kind##_weights};
GROUPED(depthwise)
GROUPED(grouped)
