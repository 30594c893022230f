/* Element-wise steps and poolings that are worth splitting: memory-bound, so one thread cannot use all of the memory's
 * speed. */
#include "ops/window.h"
#include "runtime/impl.h"

#include <math.h>

#define GRAIN 16384 /* elements: 64 KiB */

typedef struct elementwise_state {
    const sn_kernels *kernels;
    size_t count;
} elementwise_state;

typedef struct elementwise_call {
    const elementwise_state *s;
    const sn_impl_run *r;
} elementwise_call;

static bool same_shapes(const sn_impl_site *site)
{
    for (size_t i = 0; i < site->n_in; i++) {
        if (!sn_fact_is_float(&site->in[i])) return false;
        if (!sn_shape_eq(&site->in[i].type.shape, &site->out[0].type.shape)) return false;
    }
    return sn_fact_is_float(&site->out[0]);
}

static sinter_status prepare(const sn_impl_site *site, void **state, sinter_error *err)
{
    elementwise_state *s = SN_ARENA_NEW(site->arena, elementwise_state);
    if (!s || !sn_shape_count(&site->out[0].type.shape, &s->count)) return sn_no_memory(err, "preparing a step");
    s->kernels = site->kernels;
    *state = s;
    return SINTER_OK;
}

static void run(const sn_impl_run *r, sn_parallel_body body)
{
    elementwise_call x = {.s = r->state, .r = r};
    sn_parallel_for(r->pool, x.s->count, GRAIN, body, &x);
}

/* ---------------------------------------------------------------------------------------------------- Relu, Add, Mul
 */

static void relu_range(void *context, size_t begin, size_t end, int worker)
{
    const elementwise_call *x = context;
    (void)worker;
    x->s->kernels->clamp((const float *)x->r->in[0] + begin, (float *)x->r->out[0] + begin, end - begin, 0, INFINITY);
}

static void add_range(void *context, size_t begin, size_t end, int worker)
{
    const elementwise_call *x = context;
    (void)worker;
    x->s->kernels->add((const float *)x->r->in[0] + begin, (const float *)x->r->in[1] + begin,
                       (float *)x->r->out[0] + begin, end - begin);
}

static void mul_range(void *context, size_t begin, size_t end, int worker)
{
    const elementwise_call *x = context;
    (void)worker;
    x->s->kernels->mul((const float *)x->r->in[0] + begin, (const float *)x->r->in[1] + begin,
                       (float *)x->r->out[0] + begin, end - begin);
}

#define ELEMENTWISE(name)                                                                                              \
    static bool name##_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)                                     \
    {                                                                                                                  \
        (void)layouts;                                                                                                 \
        return same_shapes(site);                                                                                      \
    }                                                                                                                  \
    static sinter_status name##_prepare(const sn_impl_site *site, void **state, size_t *scratch_size,                  \
                                        sinter_error *err)                                                             \
    {                                                                                                                  \
        *scratch_size = 0;                                                                                             \
        return prepare(site, state, err);                                                                              \
    }                                                                                                                  \
    static void name##_run(const sn_impl_run *r)                                                                       \
    {                                                                                                                  \
        run(r, name##_range);                                                                                          \
    }
ELEMENTWISE(relu)
ELEMENTWISE(add)
ELEMENTWISE(mul)

/* ---------------------------------------------------------------------------------------------------- Clip */

typedef struct clip_state {
    elementwise_state base;
    float lo, hi;
} clip_state;

/* A bound that is left out, or a constant scalar. */
static bool read_bound(const sn_impl_site *site, size_t i, float *bound)
{
    if (!sn_site_has(site, i)) return true;
    const sinter_value *v = site->in[i].constant;
    if (!v || v->kind != SINTER_KIND_TENSOR || v->dtype != SINTER_FLOAT || v->count != 1) return false;
    memcpy(bound, v->data, sizeof *bound);
    return true;
}

static bool read_bounds(const sn_impl_site *site, float *lo, float *hi)
{
    *lo = -INFINITY;
    *hi = INFINITY;
    return read_bound(site, 1, lo) && read_bound(site, 2, hi);
}

static bool clip_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    (void)layouts;
    float lo, hi;
    bool bounds_are_inputs = site->op->since >= 11;
    return bounds_are_inputs && sn_fact_is_float(&site->in[0]) && read_bounds(site, &lo, &hi);
}

static sinter_status clip_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    clip_state *s = SN_ARENA_NEW(site->arena, clip_state);
    if (!s || !sn_shape_count(&site->out[0].type.shape, &s->base.count)) return sn_no_memory(err, "preparing a step");
    s->base.kernels = site->kernels;
    (void)read_bounds(site, &s->lo, &s->hi);
    *state = s;
    *scratch_size = 0;
    return SINTER_OK;
}

static void clip_range(void *context, size_t begin, size_t end, int worker)
{
    const elementwise_call *x = context;
    const clip_state *s = x->r->state;
    (void)worker;
    s->base.kernels->clamp((const float *)x->r->in[0] + begin, (float *)x->r->out[0] + begin, end - begin, s->lo,
                           s->hi);
}

static void clip_run(const sn_impl_run *r)
{
    run(r, clip_range);
}

/* ---------------------------------------------------------------------------------------------------- ChannelAffine */

typedef struct affine_state {
    const sn_kernels *kernels;
    size_t planes, channels, inner;
    sinter_dtype dtype; /* of scale and bias */
} affine_state;

static bool affine_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    (void)layouts;
    size_t count;
    const sn_shape *x = &site->in[0].type.shape;
    if (!sn_fact_is_float(&site->in[0]) || x->rank < 2 || !sn_shape_count(x, &count) || count == 0) return false;
    for (size_t i = 1; i < 3; i++) {
        if (!sn_shape_count(&site->in[i].type.shape, &count) || count != (size_t)x->dims[1]) return false;
        if (site->in[i].type.dtype != site->in[1].type.dtype) return false;
    }
    return site->in[1].type.dtype == SINTER_FLOAT || site->in[1].type.dtype == SINTER_DOUBLE;
}

static sinter_status affine_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    const sn_shape *x = &site->in[0].type.shape;
    affine_state *s = SN_ARENA_NEW(site->arena, affine_state);
    if (!s) return sn_no_memory(err, "preparing a step");
    *s = (affine_state){.kernels = site->kernels,
                        .planes = (size_t)(x->dims[0] * x->dims[1]),
                        .channels = (size_t)x->dims[1],
                        .inner = (size_t)sn_shape_product(x, 2, x->rank),
                        .dtype = site->in[1].type.dtype};
    *state = s;
    *scratch_size = 0;
    return SINTER_OK;
}

static void affine_planes(void *context, size_t begin, size_t end, int worker)
{
    const sn_impl_run *r = context;
    const affine_state *s = r->state;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        float scale = (float)sn_load_double(s->dtype, r->in[1], i % s->channels);
        float shift = (float)sn_load_double(s->dtype, r->in[2], i % s->channels);
        s->kernels->affine((const float *)r->in[0] + i * s->inner, (float *)r->out[0] + i * s->inner, s->inner, scale,
                           shift, -INFINITY, INFINITY);
    }
}

static void affine_run(const sn_impl_run *r)
{
    const affine_state *s = r->state;
    sn_parallel_for(r->pool, s->planes, 1 + GRAIN / s->inner, affine_planes, (void *)r);
}

const sn_impl sn_impl_relu = {"", "Relu", "clamp", false, relu_accepts, relu_prepare, relu_run, NULL};
const sn_impl sn_impl_add = {"", "Add", "add", false, add_accepts, add_prepare, add_run, NULL};
const sn_impl sn_impl_mul = {"", "Mul", "mul", false, mul_accepts, mul_prepare, mul_run, NULL};
const sn_impl sn_impl_clip = {"", "Clip", "clamp", false, clip_accepts, clip_prepare, clip_run, NULL};
const sn_impl sn_impl_channel_affine = {"sinter",       "ChannelAffine", "channel-affine", false,
                                        affine_accepts, affine_prepare,  affine_run,       NULL};
