/*
 * Convolutions over channels-last images, as products whose rows are read through the window (kernels/gemm.h). Two
 * rows: the general one, and one for images of few channels, the first layers of networks.
 */
#include "runtime/conv.h"
#include "runtime/product.h"

#include "base/size.h"

/* ---------------------------------------------------------------------------------------------------- as a product */

typedef struct conv_state {
    sn_weight_stream stream; /* first: sn_impl.streams */
    sn_product_plan product;
    sn_image_window window;
    sn_pack_form form;
    const float *packed;   /* NULL: the weights are packed by each run, into scratch */
    size_t weights_floats; /* of scratch, for that */
    bool has_bias, residual;
} conv_state;

bool sn_conv_weights(const void *params, const sn_shape *weight, sn_pack_form *form)
{
    const sn_conv_params *p = params;
    if (weight->rank < 3 || weight->rank > 2 + SN_WINDOW_AXES) return false;
    if (p->group < 1 || weight->dims[0] % p->group != 0) return false;
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

static sinter_status settle_weights(conv_state *s, const sn_impl_site *site, sinter_error *err)
{
    size_t floats = sn_pack_floats(site->kernels, &s->form);
    if (floats == SIZE_MAX)
        return sn_fail(err, SINTER_TOO_LARGE, "packing the weights of a convolution: they are too large");
    if (!sn_site_weights(site)) {
        s->weights_floats = sn_aligned_floats(floats);
        return SINTER_OK;
    }
    s->packed = sn_packs_direct(site->packs, site->in_id[1], &s->form, sn_site_weights(site), site->pool);
    s->stream = (sn_weight_stream){.weights = s->packed, .floats = floats};
    return s->packed ? SINTER_OK : sn_no_memory(err, "packing the weights");
}

/* All but what A is. */
static sinter_status prepare_product(conv_state *s, const sn_impl_site *site, const sn_conv_sizes *sizes,
                                     sinter_error *err)
{
    (void)sn_conv_weights(site->params, sn_site_in(site, 1), &s->form);
    s->product.kernels = site->kernels;
    sn_gemm *g = &s->product.gemm;
    *g = (sn_gemm){.m = (size_t)sizes->batch * sn_conv_positions(&s->window),
                   .n = s->form.source.n,
                   .taps = s->form.source.taps,
                   .kc = s->form.source.kc,
                   .a_row = (size_t)sizes->in_channels,
                   .c_row = (size_t)sizes->out_channels};
    g->epilogue.activation = site->fusion.activation;
    s->residual = site->fusion.residual;
    if (s->residual) g->epilogue.residual_row = g->c_row;
    s->has_bias = sn_site_has(site, 2);
    SN_TRY(list_groups(s, site, err));
    SN_TRY(settle_weights(s, site, err));
    sn_product_split(&s->product, site->threads);
    return SINTER_OK;
}

static void run_product(const conv_state *s, const sn_impl_run *r, const float *a, float *scratch)
{
    const float *b = s->packed;
    if (!b) {
        sn_pack(s->product.kernels, &s->form, r->in[1], scratch, r->pool);
        b = scratch;
    }
    sn_epilogue e = {.bias = s->has_bias ? r->in[2] : NULL, .residual = s->residual ? r->in[r->n_in] : NULL};
    sn_product_run(&s->product, a, b, r->out[0], &e, &s->stream, r->pool);
}

/* ---------------------------------------------------------------------------------------------------- in general */

static bool conv_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    sn_conv_sizes sizes;
    if (!sn_conv_site(site, &sizes)) return false;
    layouts->in[0] = layouts->out = SN_LAYOUT_CHANNELS_LAST;
    return true;
}

/* A 1x1 convolution with stride 1 and no padding is a product of matrices. */
static bool is_plain_product(const sn_image_window *w)
{
    for (int i = 0; i < SN_WINDOW_AXES; i++) {
        if (w->kernel[i] != 1 || w->stride[i] != 1 || w->pad[i] != 0 || w->in[i] != w->out[i]) return false;
    }
    return true;
}

static sinter_status conv_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    conv_state *s = SN_ARENA_NEW(site->arena, conv_state);
    sn_conv_sizes sizes;
    if (!s || !sn_conv_site(site, &sizes)) return sn_no_memory(err, "preparing a convolution");
    s->window = sn_conv_window(&sizes, (size_t)sizes.in_channels);
    SN_TRY(prepare_product(s, site, &sizes, err));
    if (!is_plain_product(&s->window)) s->product.gemm.window = &s->window;
    if (!sn_conv_zeros(&s->window, s->product.gemm.kc, site->arena))
        return sn_no_memory(err, "preparing a convolution");
    *state = s;
    *scratch_size = s->weights_floats * sizeof(float);
    return SINTER_OK;
}

static void conv_run(const sn_impl_run *r)
{
    run_product(r->state, r, r->in[0], r->scratch);
}

/* ---------------------------------------------------------------------------------------------------- few channels */

/*
 * With 3 channels a tap is too short for the product's inner loop. In a copy of the image with its padding, a row of
 * taps is one run of kernel * channels elements; the packed weights already are in that order. The copy reads plain
 * images too, so that the input of a network need not be reordered.
 */
#define FEW_CHANNELS     16
#define LEAST_COPY       65536 /* floats that the copy may always have; beyond, its padding must not dwarf the image */
#define MOST_COPY_FACTOR 8

typedef struct few_channels_state {
    conv_state conv; /* first: its stream is the step's */
    sn_padded_copy copy;
    size_t rows, grain, copy_floats;
} few_channels_state;

static bool copy_of(const sn_conv_sizes *sizes, sn_padded_copy *copy)
{
    sn_image_window w = sn_conv_window(sizes, (size_t)sizes->in_channels);
    *copy = (sn_padded_copy){.images = (size_t)sizes->batch, .channels = (size_t)sizes->in_channels};
    size_t floats = copy->channels, image = copy->channels;
    for (int i = 0; i < SN_WINDOW_AXES; i++) {
        ptrdiff_t reach = (w.out[i] - 1) * w.stride[i] + (w.kernel[i] - 1) * w.dilation[i] + 1;
        ptrdiff_t after = reach - w.in[i] - w.pad[i];
        if (w.pad[i] < 0 || w.pad[i] > INT32_MAX || after > INT32_MAX) return false;
        copy->in[i] = (size_t)w.in[i];
        copy->before[i] = (size_t)w.pad[i];
        copy->after[i] = after > 0 ? (size_t)after : 0;
        if (!sn_size_mul(floats, copy->before[i] + copy->in[i] + copy->after[i], &floats)) return false;
        image *= copy->in[i];
    }
    return floats <= MOST_COPY_FACTOR * image + LEAST_COPY;
}

static bool few_channels_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    sn_conv_sizes sizes;
    sn_padded_copy copy;
    if (!sn_conv_site(site, &sizes) || sizes.group != 1) return false;
    if (sizes.in_channels < 1 || sizes.in_channels >= FEW_CHANNELS) return false; /* none: nothing bounds the rows */
    const sn_window_axis *last = &sizes.axis[sizes.rank - 1];
    if (last->kernel < 2 || last->dilation != 1 || !copy_of(&sizes, &copy)) return false;
    layouts->in[0] = site->in_layout[0];
    layouts->out = SN_LAYOUT_CHANNELS_LAST;
    return true;
}

static void set_source(sn_padded_copy *c, sn_layout layout)
{
    bool last = layout == SN_LAYOUT_CHANNELS_LAST;
    size_t pitch = last ? c->channels : 1;
    for (int i = SN_WINDOW_AXES - 1; i >= 0; i--) {
        c->x_axis[i] = pitch;
        pitch *= c->in[i];
    }
    c->x_channel = last ? 1 : pitch;
    c->x_image = last ? pitch : pitch * c->channels;
}

/* The window over the copy: rows of taps instead of taps, and nothing outside. */
static void set_window(sn_image_window *w, const sn_padded_copy *c)
{
    ptrdiff_t pitch = (ptrdiff_t)c->channels;
    for (int i = SN_WINDOW_AXES - 1; i >= 0; i--) {
        w->in[i] = (ptrdiff_t)(c->before[i] + c->in[i] + c->after[i]);
        w->pad[i] = 0;
        w->pitch[i] = pitch;
        pitch *= w->in[i];
    }
    w->kernel[SN_WINDOW_AXES - 1] = 1;
    w->image = pitch;
}

static sinter_status few_channels_prepare(const sn_impl_site *site, void **state, size_t *scratch_size,
                                          sinter_error *err)
{
    few_channels_state *s = SN_ARENA_NEW(site->arena, few_channels_state);
    sn_conv_sizes sizes;
    if (!s || !sn_conv_site(site, &sizes) || !copy_of(&sizes, &s->copy))
        return sn_no_memory(err, "preparing a convolution");
    conv_state *conv = &s->conv;
    set_source(&s->copy, site->in_layout[0]);
    conv->window = sn_conv_window(&sizes, s->copy.channels);
    size_t kernel = (size_t)conv->window.kernel[SN_WINDOW_AXES - 1];
    set_window(&conv->window, &s->copy);
    SN_TRY(prepare_product(conv, site, &sizes, err));
    conv->product.gemm.window = &conv->window;
    conv->product.gemm.taps /= kernel;
    conv->product.gemm.kc *= kernel;
    if (!sn_conv_zeros(&conv->window, conv->product.gemm.kc, site->arena))
        return sn_no_memory(err, "preparing a convolution");
    s->rows = s->copy.images * (size_t)(conv->window.in[0] * conv->window.in[1]);
    s->grain = 1 + SN_GRAIN / ((size_t)conv->window.pitch[1] + 1);
    s->copy_floats = sn_aligned_floats(s->copy.images * (size_t)conv->window.image);
    *state = s;
    *scratch_size = (s->copy_floats + conv->weights_floats) * sizeof(float);
    return SINTER_OK;
}

typedef struct copy_call {
    const sn_kernels *kernels;
    sn_padded_copy copy;
} copy_call;

static void copy_rows(void *context, size_t begin, size_t end, int worker)
{
    const copy_call *x = context;
    (void)worker;
    x->kernels->layout->padded_copy(&x->copy, begin, end);
}

static void few_channels_run(const sn_impl_run *r)
{
    const few_channels_state *s = r->state;
    copy_call x = {.kernels = s->conv.product.kernels, .copy = s->copy};
    x.copy.x = r->in[0];
    x.copy.y = r->scratch;
    sn_parallel_for(r->pool, s->rows, s->grain, copy_rows, &x);
    run_product(&s->conv, r, r->scratch, (float *)r->scratch + s->copy_floats);
}

const sn_impl sn_impl_few_channels_conv = {.domain = "",
                                           .op_type = "Conv",
                                           .name = "conv-few-channels",
                                           .fuses = true,
                                           .by_image = true,
                                           .streams = true,
                                           .accepts = few_channels_accepts,
                                           .prepare = few_channels_prepare,
                                           .run = few_channels_run};
const sn_impl sn_impl_direct_conv = {.domain = "",
                                     .op_type = "Conv",
                                     .name = "conv",
                                     .fuses = true,
                                     .by_image = true,
                                     .streams = true,
                                     .accepts = conv_accepts,
                                     .prepare = conv_prepare,
                                     .run = conv_run,
                                     .weights = sn_conv_weights};
