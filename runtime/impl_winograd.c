/*
 * 3x3 convolutions by Winograd's minimal filtering (kernels/winograd.h), a row for each size of tiles. Whether, and
 * with which tiles, follows from sizes without the batch and from nothing else, so that a batched answer is the single
 * one.
 */
#include "runtime/conv.h"
#include "runtime/product.h"

#include "base/alloc.h"

#define LEAST_CHANNELS 16 /* fewer make the transforms cost more than the products save */
/* Tiles of an image: with fewer, the weights are read for too little. Few tiles of F(4x4) are enough where its weights,
 * which are more than twice as large as those of F(2x2), stay in the last cache. */
#define LEAST_TILES      16
#define MANY_TILES       32
#define FEW_TILES_MATRIX ((int64_t)256 * 512) /* channels in * out */

#define FLAG_FLOATS (SN_ALIGNMENT / sizeof(float))
#define BLOCK_TILES 24 /* make up for reading the weights once */

typedef struct winograd_state {
    sn_weight_stream stream; /* first: sn_impl.streams */
    sn_winograd winograd;
    sn_image_window window;
    const sn_kernels *kernels;
    const float *u;
    bool has_bias, residual;
    bool by_tiles, own_v;
    size_t tiles, tile_step, panels, panel_step;
    size_t shared_floats, v_floats; /* of scratch: V, when all share it; what a worker has before its products */
} winograd_state;

static size_t tiles_of(const sn_conv_sizes *sizes, int64_t side)
{
    return (size_t)(sn_div_ceil(sizes->axis[0].out, side) * sn_div_ceil(sizes->axis[1].out, side));
}

static bool winograd_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    sn_conv_sizes sizes;
    if (site->no_winograd || !sn_conv_site(site, &sizes) || sizes.rank != 2 || sizes.group != 1 ||
        !sn_site_weights(site))
        return false;
    for (int i = 0; i < 2; i++) {
        const sn_window_axis *a = &sizes.axis[i];
        if (a->kernel != 3 || a->stride != 1 || a->dilation != 1) return false;
    }
    layouts->in[0] = layouts->out = SN_LAYOUT_CHANNELS_LAST;
    return true;
}

static bool enough_channels(const sn_conv_sizes *sizes)
{
    return sizes->in_channels >= LEAST_CHANNELS && sizes->out_channels >= LEAST_CHANNELS;
}

/* F(4x4) halves the multiplications of F(2x2), but wastes more at the borders of small maps. */
static bool winograd_prefers_4(const sn_impl_site *site)
{
    sn_conv_sizes sizes;
    if (!sn_conv_site(site, &sizes) || !enough_channels(&sizes)) return false;
    size_t least = sizes.in_channels * sizes.out_channels <= FEW_TILES_MATRIX ? LEAST_TILES : MANY_TILES;
    return tiles_of(&sizes, 4) >= least;
}

static bool winograd_prefers_2(const sn_impl_site *site)
{
    sn_conv_sizes sizes;
    return sn_conv_site(site, &sizes) && enough_channels(&sizes) && tiles_of(&sizes, 2) >= LEAST_TILES;
}

typedef struct weights_call {
    const winograd_state *s;
    const float *direct;
    float *u;
    sinter_pool *pool;
} weights_call;

static void transform_panels(void *context, size_t begin, size_t end, int worker)
{
    const weights_call *x = context;
    (void)worker;
    x->s->kernels->winograd->weights(&x->s->winograd, x->direct, x->u, begin, end);
}

static void make_u(void *context, const float *direct, float *u)
{
    weights_call *x = context;
    x->direct = direct;
    x->u = u;
    sn_parallel_for(x->pool, x->s->panels, 1, transform_panels, x);
}

/* One name a side: packs are told apart by who makes them. */
static void make_u_2(void *context, const float *direct, float *u)
{
    make_u(context, direct, u);
}
static void make_u_4(void *context, const float *direct, float *u)
{
    make_u(context, direct, u);
}

static sinter_status winograd_weights(winograd_state *s, const sn_impl_site *site, sinter_error *err)
{
    sn_pack_form form;
    (void)sn_conv_weights(site->params, sn_site_in(site, 1), &form);
    const float *direct = sn_packs_direct(site->packs, site->in_id[1], &form, sn_site_weights(site), site->pool);
    if (!direct) return sn_no_memory(err, "packing the weights");
    weights_call x = {.s = s, .pool = site->pool};
    s->u = sn_packs_derived(site->packs, site->in_id[1], direct, s->kernels->winograd->weights_size(&s->winograd),
                            s->winograd.side == 2 ? make_u_2 : make_u_4, &x);
    s->stream = (sn_weight_stream){.weights = s->u, .floats = s->kernels->winograd->weights_size(&s->winograd)};
    return s->u ? SINTER_OK : sn_no_memory(err, "transforming the weights");
}

/* By tiles reads all weights for each block of tiles, by panels all inputs for each panel: what there is more of is
 * read once. By panels, each of several threads transforms all inputs for itself, as the transform is small beside the
 * products of one panel, and less than what it costs to fetch the others' parts from their caches. */
static void winograd_split(winograd_state *s, size_t out, size_t threads)
{
    s->tiles = s->kernels->winograd->tiles(&s->winograd);
    s->by_tiles = out < 2 * s->tiles;
    s->own_v = !s->by_tiles && threads > 1 && threads <= s->panels;
    s->tile_step = sn_balanced_step(s->tiles, s->by_tiles ? BLOCK_TILES : 1, 1, threads);
    s->panel_step = sn_balanced_step(s->panels, 1, 1, threads);
}

static sinter_status winograd_prepare(const sn_impl_site *site, size_t side, void **state, size_t *scratch_size,
                                      sinter_error *err)
{
    winograd_state *s = SN_ARENA_NEW(site->arena, winograd_state);
    sn_conv_sizes sizes;
    if (!s || !sn_conv_site(site, &sizes)) return sn_no_memory(err, "preparing a convolution");
    size_t in = (size_t)sizes.in_channels, out = (size_t)sizes.out_channels;
    s->kernels = site->kernels;
    s->window = sn_conv_window(&sizes, in);
    s->winograd.side = side;
    sn_gemm *g = &s->winograd.conv;
    *g = (sn_gemm){.m = (size_t)sizes.batch * sn_conv_positions(&s->window),
                   .n = out,
                   .taps = 9,
                   .kc = in,
                   .a_row = in,
                   .c_row = out};
    g->window = &s->window;
    g->epilogue.activation = site->fusion.activation;
    s->residual = site->fusion.residual;
    if (s->residual) g->epilogue.residual_row = out;
    s->has_bias = sn_site_has(site, 2);
    s->panels = sn_divide_up(out, site->kernels->gemm->nr);
    SN_TRY(winograd_weights(s, site, err));
    winograd_split(s, out, (size_t)site->threads);
    const sn_winograd_kernels *k = site->kernels->winograd;
    size_t v = sn_aligned_floats(k->input_size(&s->winograd));
    size_t products = s->by_tiles ? k->tiles_scratch(&s->winograd) : k->panels_scratch(&s->winograd);
    s->shared_floats = s->by_tiles || s->own_v ? 0 : v;
    s->v_floats = s->own_v ? FLAG_FLOATS + v : 0;
    size_t worker = s->v_floats + sn_aligned_floats(products);
    *scratch_size = (s->shared_floats + worker * (size_t)site->threads) * sizeof(float);
    *state = s;
    return SINTER_OK;
}

static sinter_status winograd_prepare_4(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    return winograd_prepare(site, 4, state, scratch_size, err);
}
static sinter_status winograd_prepare_2(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    return winograd_prepare(site, 2, state, scratch_size, err);
}

/* A worker's part of the scratch: whether its V is filled, when it has its own; V; products. All steps of a plan deal
 * scratch to workers alike: to write where another core wrote last costs more than the arithmetic. */
typedef struct winograd_call {
    const winograd_state *s;
    sn_winograd w;
    float *v, *workers;
    size_t worker_floats;
} winograd_call;

static float *worker_part(const winograd_call *x, int worker)
{
    return x->workers + (size_t)worker * x->worker_floats;
}

static size_t end_of(size_t begin, size_t step, size_t n)
{
    return begin + step < n ? begin + step : n;
}

static void tile_units(void *context, size_t begin, size_t end, int worker)
{
    const winograd_call *x = context;
    for (size_t i = begin; i < end; i++) {
        size_t tile = i * x->s->tile_step;
        x->s->kernels->winograd->run_tiles(&x->w, tile, end_of(tile, x->s->tile_step, x->s->tiles),
                                           worker_part(x, worker));
    }
}

static void input_units(void *context, size_t begin, size_t end, int worker)
{
    const winograd_call *x = context;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        size_t tile = i * x->s->tile_step;
        x->s->kernels->winograd->input(&x->w, x->v, tile, end_of(tile, x->s->tile_step, x->s->tiles));
    }
}

/* The worker's own V, filled when it first wants it. */
static const float *own_v(const winograd_call *x, int worker)
{
    float *part = worker_part(x, worker), *v = part + FLAG_FLOATS;
    if (part[0] == 0) x->s->kernels->winograd->input(&x->w, v, 0, x->s->tiles);
    part[0] = 1;
    return v;
}

static void panel_units(void *context, size_t begin, size_t end, int worker)
{
    const winograd_call *x = context;
    const float *v = x->s->own_v ? own_v(x, worker) : x->v;
    for (size_t i = begin; i < end; i++) {
        size_t panel = i * x->s->panel_step;
        x->s->kernels->winograd->run_panels(&x->w, v, panel, end_of(panel, x->s->panel_step, x->s->panels),
                                            worker_part(x, worker) + x->s->v_floats);
    }
}

static void winograd_run(const sn_impl_run *r)
{
    const winograd_state *s = r->state;
    size_t threads = (size_t)sn_pool_width(r->pool);
    winograd_call x = {.s = s, .w = s->winograd, .v = r->scratch};
    x.workers = x.v + s->shared_floats;
    x.worker_floats = (r->scratch_size / sizeof(float) - s->shared_floats) / threads / FLAG_FLOATS * FLAG_FLOATS;
    x.w.conv.a = r->in[0];
    x.w.conv.b = s->u;
    x.w.conv.c = r->out[0];
    size_t panel_units_count = sn_divide_up(s->panels, s->panel_step);
    size_t tile_units_count = sn_divide_up(s->tiles, s->tile_step);
    x.w.conv.next = s->stream.next;
    x.w.conv.next_size = s->stream.next_floats / (s->by_tiles ? tile_units_count : panel_units_count);
    x.w.conv.epilogue.bias = s->has_bias ? r->in[2] : NULL;
    x.w.conv.epilogue.residual = s->residual ? r->in[r->n_in] : NULL;
    if (s->by_tiles) {
        sn_parallel_for(r->pool, tile_units_count, 1, tile_units, &x);
        return;
    }
    if (s->own_v) {
        for (size_t i = 0; i < threads; i++) *worker_part(&x, (int)i) = 0;
    } else {
        sn_parallel_for(r->pool, tile_units_count, 1, input_units, &x);
    }
    sn_parallel_for(r->pool, panel_units_count, 1, panel_units, &x);
}

const sn_impl sn_impl_winograd_4_conv = {.domain = "",
                                         .op_type = "Conv",
                                         .name = "winograd-4x4",
                                         .fuses = true,
                                         .by_image = true,
                                         .streams = true,
                                         .accepts = winograd_accepts,
                                         .prefers = winograd_prefers_4,
                                         .prepare = winograd_prepare_4,
                                         .run = winograd_run};
const sn_impl sn_impl_winograd_2_conv = {.domain = "",
                                         .op_type = "Conv",
                                         .name = "winograd-2x2",
                                         .fuses = true,
                                         .by_image = true,
                                         .streams = true,
                                         .accepts = winograd_accepts,
                                         .prefers = winograd_prefers_2,
                                         .prepare = winograd_prepare_2,
                                         .run = winograd_run};
