/*
 * Convolutions of 1 to 3 spatial axes. Both implementations pad a whole image first (unless nothing needs padding) and
 * then split the work into rectangles of output channels and positions, or into channels for depthwise ones.
 */
#include "ops/conv.h"
#include "runtime/impl.h"

#include "base/alloc.h"
#include "base/size.h"
#include <math.h>

#define SLACK       32    /* floats behind the padded image that whole vectors may read */
#define SERIAL_WORK 65536 /* multiply-adds below which waking others costs more than it gains */
#define POSITIONS   256   /* per unit of work: see N_BLOCK in the kernels */

typedef struct conv_state {
    const sn_kernels *kernels;
    size_t batch, group;
    size_t channels;         /* input channels of one group */
    size_t in[SN_CONV_DIMS]; /* extents of an input channel */
    size_t plane;            /* of a channel as the kernel sees it */
    size_t extent[SN_CONV_DIMS];
    int64_t pad[SN_CONV_DIMS]; /* at the beginning; negative: cropped */
    bool padded;               /* the kernel reads a padded copy */
    sn_conv conv;              /* of every image and group: pointers are set when run */
    size_t positions;
    size_t m_step, n_step; /* of a unit of work */
    size_t m_units, n_units;
} conv_state;

/* ---------------------------------------------------------------------------------------------------- geometry */

static const sn_window_axis unit_axis = {.in = 1, .out = 1, .kernel = 1, .stride = 1, .dilation = 1};

/* The axes as depth, height, width. */
static void spread_axes(const sn_conv_sizes *sizes, sn_window_axis axis[SN_CONV_DIMS])
{
    for (int d = 0; d < SN_CONV_DIMS; d++) {
        int i = d - (SN_CONV_DIMS - sizes->rank);
        axis[d] = i < 0 ? unit_axis : sizes->axis[i];
    }
}

/* How far the taps of all positions reach. */
static int64_t reach(const sn_window_axis *a)
{
    return (a->out - 1) * a->stride + sn_window_extent(a->kernel, a->dilation);
}

static bool site_sizes(const sn_impl_site *site, sn_conv_sizes *sizes)
{
    const sn_shape *x = &site->in[0].type.shape, *w = &site->in[1].type.shape;
    if (x->rank < 3 || x->rank > 2 + SN_CONV_DIMS) return false;
    return sn_conv_geometry(site->params, x, w, sizes, NULL) == SINTER_OK;
}

/* Empty tensors are left to the reference, and so are windows whose padding would dwarf the tensors. */
static bool sizes_are_sane(const sn_impl_site *site, const sn_conv_sizes *sizes)
{
    size_t in, weights, out, padded = (size_t)sizes->in_channels;
    if (!sn_shape_count(&site->in[0].type.shape, &in) || !sn_shape_count(&site->in[1].type.shape, &weights))
        return false;
    if (!sn_shape_count(&site->out[0].type.shape, &out) || in == 0 || weights == 0 || out == 0) return false;
    for (int i = 0; i < sizes->rank; i++) {
        if (!sn_size_mul(padded, (size_t)reach(&sizes->axis[i]), &padded)) return false;
    }
    return padded <= 8 * (in / (size_t)sizes->batch) + 65536;
}

static bool conv_accepts(const sn_impl_site *site, bool depthwise)
{
    if (!sn_fact_is_float(&site->in[0]) || !sn_fact_is_float(&site->in[1]) || !sn_fact_is_float(&site->out[0]))
        return false;
    if (sn_site_has(site, 2) && !sn_fact_is_float(&site->in[2])) return false;
    sn_conv_sizes sizes;
    if (!site_sizes(site, &sizes) || !sizes_are_sane(site, &sizes)) return false;
    return depthwise == (sizes.group > 1 && sizes.in_channels == sizes.group);
}

bool sn_conv_impl_accepts(const sn_impl_site *site)
{
    return conv_accepts(site, false);
}
bool sn_depthwise_impl_accepts(const sn_impl_site *site)
{
    return conv_accepts(site, true);
}

/* ---------------------------------------------------------------------------------------------------- prepare */

static void set_extents(conv_state *s, const sn_window_axis axis[SN_CONV_DIMS])
{
    for (int d = 0; d < SN_CONV_DIMS; d++) {
        s->in[d] = (size_t)axis[d].in;
        s->pad[d] = axis[d].pad_begin;
        s->conv.out[d] = (size_t)axis[d].out;
        s->padded = s->padded || axis[d].pad_begin != 0 || reach(&axis[d]) > axis[d].in;
    }
    for (int d = 0; d < SN_CONV_DIMS; d++) s->extent[d] = s->padded ? (size_t)reach(&axis[d]) : s->in[d];
    size_t line = s->extent[2], layer = s->extent[1] * line;
    s->plane = s->extent[0] * layer;
    s->conv.plane = s->plane;
    s->conv.step[0] = (size_t)axis[0].stride * layer;
    s->conv.step[1] = (size_t)axis[1].stride * line;
    s->conv.step[2] = (size_t)axis[2].stride;
    s->positions = s->conv.out[0] * s->conv.out[1] * s->conv.out[2];
}

static bool set_taps(conv_state *s, const sn_window_axis axis[SN_CONV_DIMS], sn_arena *arena)
{
    size_t taps = (size_t)(axis[0].kernel * axis[1].kernel * axis[2].kernel), t = 0;
    size_t *offsets = SN_ARENA_ARRAY(arena, size_t, taps);
    if (!offsets) return false;
    for (int64_t z = 0; z < axis[0].kernel; z++) {
        for (int64_t y = 0; y < axis[1].kernel; y++) {
            for (int64_t x = 0; x < axis[2].kernel; x++) {
                size_t row = (size_t)(z * axis[0].dilation) * s->extent[1] + (size_t)(y * axis[1].dilation);
                offsets[t++] = row * s->extent[2] + (size_t)(x * axis[2].dilation);
            }
        }
    }
    s->conv.taps = taps;
    s->conv.tap_offset = offsets;
    return true;
}

static size_t round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

/* Positions are dealt evenly in pieces of about POSITIONS. When that gives too few pieces, output channels are split,
 * too: each piece then gathers the same columns again, which is little beside the product. */
static void set_units(conv_state *s, int threads)
{
    size_t wanted = (size_t)threads, n_units = (s->positions + POSITIONS - 1) / POSITIONS;
    if (n_units > 1) n_units = round_up(n_units, wanted);
    s->n_step = round_up((s->positions + n_units - 1) / n_units, s->kernels->columns);
    s->n_units = (s->positions + s->n_step - 1) / s->n_step;
    size_t have = s->n_units * s->group;
    size_t m_units = have >= wanted ? 1 : (wanted + have - 1) / have;
    s->m_step = round_up((s->conv.m + m_units - 1) / m_units, 2);
    s->m_units = (s->conv.m + s->m_step - 1) / s->m_step;
}

static size_t padded_floats(const conv_state *s)
{
    return s->padded ? round_up(s->group * s->channels * s->plane + SLACK, SN_ALIGNMENT / sizeof(float)) : 0;
}

static sinter_status make_state(const sn_impl_site *site, conv_state **out, sinter_error *err)
{
    sn_conv_sizes sizes;
    sn_window_axis axis[SN_CONV_DIMS];
    conv_state *s = SN_ARENA_NEW(site->arena, conv_state);
    if (!s) return sn_no_memory(err, "preparing a convolution");
    SN_TRY(sn_conv_geometry(site->params, &site->in[0].type.shape, &site->in[1].type.shape, &sizes, err));
    spread_axes(&sizes, axis);
    s->kernels = site->kernels;
    s->batch = (size_t)sizes.batch;
    s->group = (size_t)sizes.group;
    s->channels = (size_t)(sizes.in_channels / sizes.group);
    s->conv.m = (size_t)(sizes.out_channels / sizes.group);
    s->conv.lo = -INFINITY;
    s->conv.hi = INFINITY;
    set_extents(s, axis);
    if (!set_taps(s, axis, site->arena)) return sn_no_memory(err, "preparing a convolution");
    s->conv.k = s->channels * s->conv.taps;
    set_units(s, site->threads);
    *out = s;
    return SINTER_OK;
}

static sinter_status prepare(const sn_impl_site *site, void **state, size_t *scratch_size, size_t per_worker,
                             sinter_error *err)
{
    conv_state *s = NULL;
    SN_TRY(make_state(site, &s, err));
    *state = s;
    *scratch_size = (padded_floats(s) + (size_t)site->threads * round_up(per_worker, 16)) * sizeof(float);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- padding */

/* Where a run of `size` source elements goes in an axis of `extent`. */
typedef struct placement {
    size_t from, to, count;
} placement;

static placement place(int64_t pad, size_t size, size_t extent)
{
    placement p = {.from = pad < 0 ? (size_t)-pad : 0, .to = pad > 0 ? (size_t)pad : 0};
    if (p.from < size && p.to < extent) {
        p.count = size - p.from < extent - p.to ? size - p.from : extent - p.to;
    }
    return p;
}

static void pad_channel(const conv_state *s, const float *source, float *target)
{
    placement z = place(s->pad[0], s->in[0], s->extent[0]), y = place(s->pad[1], s->in[1], s->extent[1]);
    placement x = place(s->pad[2], s->in[2], s->extent[2]);
    memset(target, 0, s->plane * sizeof *target);
    for (size_t i = 0; i < z.count; i++) {
        for (size_t k = 0; k < y.count; k++) {
            const float *from = source + ((z.from + i) * s->in[1] + y.from + k) * s->in[2] + x.from;
            memcpy(target + ((z.to + i) * s->extent[1] + y.to + k) * s->extent[2] + x.to, from, x.count * sizeof *from);
        }
    }
}

typedef struct conv_call {
    const conv_state *s;
    const float *image;  /* of the input */
    const float *source; /* what the kernel reads: the image, or its padded copy */
    size_t readable;     /* from there on */
    const float *weights, *bias;
    float *target;
    float *padded;
    float *scratch; /* of the workers */
} conv_call;

static void pad_channels(void *context, size_t begin, size_t end, int worker)
{
    const conv_call *c = context;
    (void)worker;
    size_t size = c->s->in[0] * c->s->in[1] * c->s->in[2];
    for (size_t i = begin; i < end; i++) pad_channel(c->s, c->image + i * size, c->padded + i * c->s->plane);
}

static sinter_pool *pool_for(const conv_state *s, sinter_pool *pool)
{
    return s->group * s->conv.m * s->conv.k * s->positions < SERIAL_WORK ? NULL : pool;
}

/* Image `n` of the batch: pads it and sets the pointers. */
static void begin_image(conv_call *c, const sn_impl_run *r, size_t n)
{
    const conv_state *s = c->s;
    size_t channels = s->group * s->channels, size = s->in[0] * s->in[1] * s->in[2];
    c->image = (const float *)r->in[0] + n * channels * size;
    c->target = (float *)r->out[0] + n * s->group * s->conv.m * s->positions;
    c->source = c->image;
    c->readable = (s->batch - n) * channels * size;
    if (!s->padded) return;
    sn_parallel_for(pool_for(s, r->pool), channels, 1 + 16384 / s->plane, pad_channels, c);
    c->source = c->padded;
    c->readable = channels * s->plane + SLACK;
}

static conv_call begin_call(const sn_impl_run *r)
{
    const conv_state *s = r->state;
    return (conv_call){.s = s,
                       .weights = r->in[1],
                       .bias = r->n_in > 2 ? r->in[2] : NULL,
                       .padded = r->scratch,
                       .scratch = (float *)r->scratch + padded_floats(s)};
}

/* ---------------------------------------------------------------------------------------------------- dense and
 * grouped */

static void conv_units(void *context, size_t begin, size_t end, int worker)
{
    const conv_call *c = context;
    const conv_state *s = c->s;
    for (size_t i = begin; i < end; i++) {
        size_t n = i % s->n_units, m = i / s->n_units % s->m_units, g = i / s->n_units / s->m_units;
        sn_conv p = s->conv;
        p.weights = c->weights + g * p.m * p.k;
        p.bias = c->bias ? c->bias + g * p.m : NULL;
        p.source = c->source + g * s->channels * s->plane;
        p.readable = c->readable - g * s->channels * s->plane;
        p.target = c->target + g * p.m * s->positions;
        size_t m0 = m * s->m_step, n0 = n * s->n_step;
        size_t m1 = m0 + s->m_step < p.m ? m0 + s->m_step : p.m;
        size_t n1 = n0 + s->n_step < s->positions ? n0 + s->n_step : s->positions;
        s->kernels->conv(&p, m0, m1, n0, n1, c->scratch + (size_t)worker * round_up(s->kernels->scratch, 16));
    }
}

sinter_status sn_conv_impl_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    return prepare(site, state, scratch_size, site->kernels->scratch, err);
}

void sn_conv_impl_run(const sn_impl_run *r)
{
    conv_call c = begin_call(r);
    const conv_state *s = c.s;
    for (size_t n = 0; n < s->batch; n++) {
        begin_image(&c, r, n);
        sn_parallel_for(pool_for(s, r->pool), s->group * s->m_units * s->n_units, 1, conv_units, &c);
    }
}

/* ---------------------------------------------------------------------------------------------------- depthwise */

static void depthwise_channels(void *context, size_t begin, size_t end, int worker)
{
    const conv_call *c = context;
    const conv_state *s = c->s;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        size_t channel = i / s->conv.m * s->plane;
        sn_depthwise_plane p = {.source = c->source + channel,
                          .readable = c->readable - channel,
                          .weights = c->weights + i * s->conv.taps,
                          .bias = c->bias ? c->bias[i] : 0,
                          .taps = s->conv.taps,
                          .tap_offset = s->conv.tap_offset,
                          .target = c->target + i * s->positions,
                          .lo = s->conv.lo,
                          .hi = s->conv.hi};
        memcpy(p.out, s->conv.out, sizeof p.out);
        memcpy(p.step, s->conv.step, sizeof p.step);
        s->kernels->depthwise_plane(&p);
    }
}

sinter_status sn_depthwise_impl_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    return prepare(site, state, scratch_size, 0, err);
}

void sn_depthwise_impl_run(const sn_impl_run *r)
{
    conv_call c = begin_call(r);
    const conv_state *s = c.s;
    for (size_t n = 0; n < s->batch; n++) {
        begin_image(&c, r, n);
        sn_parallel_for(pool_for(s, r->pool), s->group * s->conv.m, 1, depthwise_channels, &c);
    }
}
