/*
 * Transposed convolutions as products: one for each phase of the output (runtime/phases.h), an ordinary convolution
 * with stride 1 whose output positions are every stride-th of the output. Nothing is computed that is not wanted, and
 * nothing is added up in memory.
 */
#include "runtime/conv.h"
#include "runtime/phases.h"
#include "runtime/product.h"

#include "base/size.h"

#define MOST_PRODUCTS 65536 /* phases x groups: beyond, the lists would dwarf the images */

/* The output positions of one remainder on an axis, and the taps that reach them. */
typedef struct axis_phase {
    size_t class, taps;
    ptrdiff_t pad, out; /* of its window */
} axis_phase;

typedef struct axis_phases {
    size_t n; /* remainders that occur */
    axis_phase *of;
    ptrdiff_t spread; /* input positions from one tap to the next */
} axis_phases;

typedef struct phase {
    sn_product_plan product;
    sn_image_window window;
    size_t b, c; /* floats before its weights, its first output position */
} phase;

typedef struct conv_transpose_state {
    sn_weight_stream stream; /* first: sn_impl.streams */
    sn_pack_form form;
    const sn_kernels *kernels;
    const float *packed; /* NULL: the weights are packed by each run, into scratch */
    sn_gemm_lines lines;
    phase *phases; /* those with output positions */
    size_t n_phases;
    bool has_bias, residual;
} conv_transpose_state;

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* [C, M / group, taps...]: per group and class of taps a product with kc = C / group channels for each tap. */
static bool conv_transpose_weights(const void *params, const sn_shape *weight, sn_pack_form *form)
{
    const sn_conv_params *p = params;
    if (weight->rank < 3 || weight->rank > 2 + SN_WINDOW_AXES) return false;
    if (p->group < 1 || weight->dims[0] % p->group != 0) return false;
    size_t channels = (size_t)(weight->dims[0] / p->group), n = (size_t)weight->dims[1];
    size_t taps = (size_t)sn_shape_product(weight, 2, weight->rank);
    if (taps == 0) return false;
    *form = (sn_pack_form){.kind = SN_PACK_PHASES,
                           .groups = (size_t)p->group,
                           .group_pitch = (ptrdiff_t)(channels * n * taps),
                           .source = {.taps = taps,
                                      .kc = channels,
                                      .n = n,
                                      .tap_pitch = 1,
                                      .channel_pitch = (ptrdiff_t)(n * taps),
                                      .column_pitch = (ptrdiff_t)taps}};
    for (int axis = 0; axis < SN_WINDOW_AXES; axis++) {
        int i = axis - (SN_WINDOW_AXES + 2 - weight->rank);
        form->kernel[axis] = i < 0 ? 1 : (size_t)weight->dims[2 + i];
        form->step[axis] =
            i < 0 ? 1 : (size_t)(p->window.stride[i] / common_divisor(p->window.stride[i], p->window.dilation[i]));
    }
    return true;
}

/* The axes as the attributes have them: `in` is that of the input, `out` that of the output. */
static bool site_window(const sn_impl_site *site, sn_conv_sizes *sizes, sn_image_window *w)
{
    if (!sn_conv_transpose_site(site, sizes)) return false;
    *w = sn_conv_window(sizes, (size_t)sizes->in_channels);
    return true;
}

static size_t count_remainders(const sn_image_window *w, int axis)
{
    return (size_t)(w->stride[axis] < w->out[axis] ? w->stride[axis] : w->out[axis]);
}

static bool conv_transpose_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    sn_conv_sizes sizes;
    sn_image_window w;
    sn_pack_form form;
    if (!site_window(site, &sizes, &w) || !conv_transpose_weights(site->params, sn_site_in(site, 1), &form))
        return false;
    if (form.source.kc == 0 || form.source.n == 0) return false; /* then nothing bounds the taps */
    size_t products = form.groups;
    for (int axis = 0; axis < SN_WINDOW_AXES; axis++) {
        if (!sn_size_mul(products, count_remainders(&w, axis), &products) || products > MOST_PRODUCTS) return false;
    }
    layouts->in[0] = layouts->out = SN_LAYOUT_CHANNELS_LAST;
    return true;
}

/* Through tap `class` + i * step, position q of remainder r reads q + (r + pad - class * d) / s - i * spread. */
static bool list_axis(const sn_image_window *w, const sn_pack_form *form, int axis, sn_arena *arena, axis_phases *p)
{
    const ptrdiff_t stride = w->stride[axis], dilation = w->dilation[axis], pad = w->pad[axis];
    const size_t kernel = form->kernel[axis], step = form->step[axis];
    p->n = count_remainders(w, axis);
    p->of = SN_ARENA_ARRAY(arena, axis_phase, p->n);
    p->spread = dilation / (stride / (ptrdiff_t)step);
    if (!p->of) return false;
    for (size_t r = 0; r < p->n; r++) p->of[r].out = (w->out[axis] - (ptrdiff_t)r + stride - 1) / stride;
    for (size_t class = 0; class < step && class < kernel; class ++) {
        ptrdiff_t first = (ptrdiff_t) class * dilation - pad, q = sn_div_floor(first, stride), r = first - q * stride;
        if ((size_t)r >= p->n) continue;
        axis_phase *x = &p->of[r];
        x->class = class;
        x->taps = sn_phase_taps(kernel, step, class);
        x->pad = q + (ptrdiff_t)(x->taps - 1) * p->spread;
    }
    return true;
}

static bool rows_are_even(const sn_image_window *w, const sn_gemm_lines *lines, size_t c_row)
{
    return lines->height == (size_t)w->out[2] * c_row && lines->depth == (size_t)w->out[1] * lines->height &&
           lines->image == (size_t)w->out[0] * lines->depth;
}

static bool list_groups(phase *x, const sn_impl_site *site, const sn_pack_form *form, size_t group_floats)
{
    sn_product_item *items = SN_ARENA_ARRAY(site->arena, sn_product_item, form->groups);
    for (size_t g = 0; items && g < form->groups; g++) {
        items[g] = (sn_product_item){
            .a = g * form->source.kc, .b = g * group_floats, .c = g * form->source.n, .column = g * form->source.n};
    }
    x->product.items = items;
    x->product.n_items = form->groups;
    return items != NULL;
}

/* The product of the phase with these remainders; w is the window of the whole. */
static bool add_phase(conv_transpose_state *s, const sn_impl_site *site, const sn_conv_sizes *sizes,
                      const sn_image_window *w, const axis_phases *axes, const size_t remainder[SN_WINDOW_AXES])
{
    phase *x = &s->phases[s->n_phases++];
    size_t class[SN_WINDOW_AXES], taps = 1;
    x->window = *w;
    for (int axis = 0; axis < SN_WINDOW_AXES; axis++) {
        const axis_phase *p = &axes[axis].of[remainder[axis]];
        class[axis] = p->class;
        taps *= p->taps;
        x->window.kernel[axis] = (ptrdiff_t)p->taps;
        x->window.out[axis] = p->out;
        x->window.pad[axis] = p->pad;
        x->window.stride[axis] = 1;
        x->window.dilation[axis] = axes[axis].spread;
        x->c = x->c * (size_t)w->out[axis] + remainder[axis];
    }
    const size_t m = (size_t)sizes->out_channels;
    x->c *= m;
    x->b = sn_phase_at(site->kernels, &s->form, class);
    x->product.kernels = site->kernels;
    sn_gemm *g = &x->product.gemm;
    *g = (sn_gemm){.m = (size_t)sizes->batch * sn_conv_positions(&x->window),
                   .n = s->form.source.n,
                   .taps = taps,
                   .kc = s->form.source.kc,
                   .window = &x->window,
                   .c_row = (size_t)w->stride[2] * m};
    if (!rows_are_even(&x->window, &s->lines, g->c_row)) g->lines = &s->lines;
    g->epilogue.activation = site->fusion.activation;
    if (s->residual) g->epilogue.residual_row = g->c_row;
    if (!list_groups(x, site, &s->form, sn_phase_group(site->kernels, &s->form, class))) return false;
    sn_product_split(&x->product, site->threads);
    return true;
}

static bool list_phases(conv_transpose_state *s, const sn_impl_site *site, const sn_conv_sizes *sizes,
                        const sn_image_window *w)
{
    axis_phases axes[SN_WINDOW_AXES];
    size_t n = 1;
    for (int axis = 0; axis < SN_WINDOW_AXES; axis++) {
        if (!list_axis(w, &s->form, axis, site->arena, &axes[axis])) return false;
        n *= axes[axis].n;
    }
    s->phases = SN_ARENA_ARRAY(site->arena, phase, n);
    if (!s->phases) return false;
    size_t r[SN_WINDOW_AXES];
    for (r[0] = 0; r[0] < axes[0].n; r[0]++) {
        for (r[1] = 0; r[1] < axes[1].n; r[1]++) {
            for (r[2] = 0; r[2] < axes[2].n; r[2]++) {
                if (!add_phase(s, site, sizes, w, axes, r)) return false;
            }
        }
    }
    return true;
}

static sinter_status settle_weights(conv_transpose_state *s, const sn_impl_site *site, size_t *scratch_size,
                                    sinter_error *err)
{
    size_t floats = sn_pack_floats(site->kernels, &s->form);
    if (floats == SIZE_MAX)
        return sn_fail(err, SINTER_TOO_LARGE, "packing the weights of a convolution: they are too large");
    *scratch_size = 0;
    if (!sn_site_weights(site)) {
        *scratch_size = floats * sizeof(float);
        return SINTER_OK;
    }
    s->packed = sn_packs_direct(site->packs, site->in_id[1], &s->form, sn_site_weights(site), site->pool);
    s->stream = (sn_weight_stream){.weights = s->packed, .floats = floats};
    return s->packed ? SINTER_OK : sn_no_memory(err, "packing the weights");
}

static sinter_status conv_transpose_prepare(const sn_impl_site *site, void **state, size_t *scratch_size,
                                            sinter_error *err)
{
    conv_transpose_state *s = SN_ARENA_NEW(site->arena, conv_transpose_state);
    sn_conv_sizes sizes;
    sn_image_window w;
    if (!s || !site_window(site, &sizes, &w)) return sn_no_memory(err, "preparing a convolution");
    (void)conv_transpose_weights(site->params, sn_site_in(site, 1), &s->form);
    s->kernels = site->kernels;
    s->has_bias = sn_site_has(site, 2);
    s->residual = site->fusion.residual;
    const size_t line = (size_t)(w.out[2] * sizes.out_channels);
    s->lines.height = (size_t)w.stride[1] * line;
    s->lines.depth = (size_t)(w.stride[0] * w.out[1]) * line;
    s->lines.image = (size_t)(w.out[0] * w.out[1]) * line;
    SN_TRY(settle_weights(s, site, scratch_size, err));
    if (!sn_conv_zeros(&w, s->form.source.kc, site->arena) || !list_phases(s, site, &sizes, &w))
        return sn_no_memory(err, "preparing a convolution");
    *state = s;
    return SINTER_OK;
}

static void conv_transpose_run(const sn_impl_run *r)
{
    const conv_transpose_state *s = r->state;
    const float *b = s->packed, *residual = s->residual ? r->in[r->n_in] : NULL;
    if (s->n_phases == 0) return;
    if (!b) {
        sn_pack(s->kernels, &s->form, r->in[1], r->scratch, r->pool);
        b = r->scratch;
    }
    for (size_t i = 0; i < s->n_phases; i++) {
        const phase *x = &s->phases[i];
        sn_epilogue e = {.bias = s->has_bias ? r->in[2] : NULL, .residual = residual ? residual + x->c : NULL};
        sn_weight_stream none = {0};
        const sn_weight_stream *stream = i + 1 < s->n_phases ? &none : &s->stream;
        sn_product_run(&x->product, r->in[0], b + x->b, (float *)r->out[0] + x->c, &e, stream, r->pool);
    }
}

const sn_impl sn_impl_conv_transpose = {.domain = "",
                                        .op_type = "ConvTranspose",
                                        .name = "conv-transpose",
                                        .fuses = true,
                                        .by_image = true,
                                        .streams = true,
                                        .accepts = conv_transpose_accepts,
                                        .prepare = conv_transpose_prepare,
                                        .run = conv_transpose_run,
                                        .weights = conv_transpose_weights};
