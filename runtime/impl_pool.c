/* Poolings over channels of [N, C, H, W], each channel by itself. */
#include "ops/window.h"
#include "runtime/impl.h"

#define GRAIN 16384 /* input elements that are worth another thread */

typedef struct pool_state {
    const sn_kernels *kernels;
    size_t planes;
    size_t in, out; /* elements of a plane */
    sn_max_pool max;
} pool_state;

typedef struct pool_call {
    const pool_state *s;
    const float *x;
    float *y;
} pool_call;

static size_t grain_of(const pool_state *s)
{
    return 1 + GRAIN / s->in;
}

static bool pool_shapes(const sn_impl_site *site)
{
    size_t count;
    if (!sn_fact_is_float(&site->in[0]) || !sn_fact_is_float(&site->out[0])) return false;
    if (!sn_shape_count(&site->in[0].type.shape, &count) || count == 0) return false;
    return sn_shape_count(&site->out[0].type.shape, &count) && count > 0;
}

static sinter_status prepare_pool(const sn_impl_site *site, pool_state **out, sinter_error *err)
{
    const sn_shape *x = &site->in[0].type.shape, *y = &site->out[0].type.shape;
    pool_state *s = SN_ARENA_NEW(site->arena, pool_state);
    if (!s) return sn_no_memory(err, "preparing a pooling");
    s->kernels = site->kernels;
    s->planes = (size_t)(x->dims[0] * x->dims[1]);
    s->in = (size_t)sn_shape_product(x, 2, x->rank);
    s->out = (size_t)sn_shape_product(y, 2, y->rank);
    *out = s;
    return SINTER_OK;
}

/* The window's attributes, read again from the node: what the operator keeps of them is its own. */
static bool read_window(const sn_impl_site *site, sn_window *window, bool *ceil_mode, sinter_error *err)
{
    sn_prepare p = {.model = site->model,
                    .node = &site->model->nodes[site->node],
                    .op = site->op,
                    .version = site->op->since,
                    .n_in = site->n_in,
                    .n_out = site->n_out,
                    .arena = site->arena,
                    .err = err};
    return sn_window_prepare(&p, window) == SINTER_OK && sn_attr_bool(&p, "ceil_mode", false, ceil_mode) == SINTER_OK;
}

static bool slide(const sn_impl_site *site, sn_window_axis axis[2])
{
    sn_window window = {0};
    bool ceil_mode;
    if (!read_window(site, &window, &ceil_mode, NULL)) return false;
    for (int i = 0; i < 2; i++) {
        int64_t in = site->in[0].type.shape.dims[i + 2];
        if (sn_window_slide(&window, i, in, window.kernel[i], ceil_mode, &axis[i], NULL) != SINTER_OK) return false;
        if (axis[i].pad_begin < 0 || axis[i].out != site->out[0].type.shape.dims[i + 2]) return false;
    }
    return true;
}

static bool max_pool_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    (void)layouts;
    sn_window_axis axis[2];
    bool indices = site->n_out > 1 && site->out[1].present;
    return !indices && pool_shapes(site) && site->in[0].type.shape.rank == 4 && slide(site, axis);
}

static sinter_status max_pool_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    pool_state *s = NULL;
    sn_window_axis axis[2];
    SN_TRY(prepare_pool(site, &s, err));
    if (!slide(site, axis)) return sn_no_memory(err, "preparing a pooling");
    s->max.height = (size_t)axis[0].in;
    s->max.width = (size_t)axis[1].in;
    for (int i = 0; i < 2; i++) {
        s->max.kernel[i] = (size_t)axis[i].kernel;
        s->max.stride[i] = (size_t)axis[i].stride;
        s->max.dilation[i] = (size_t)axis[i].dilation;
        s->max.pad[i] = (size_t)axis[i].pad_begin;
        s->max.out[i] = (size_t)axis[i].out;
    }
    *state = s;
    *scratch_size = 0;
    return SINTER_OK;
}

static void max_pool_planes(void *context, size_t begin, size_t end, int worker)
{
    const pool_call *x = context;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        sn_max_pool p = x->s->max;
        p.source = x->x + i * x->s->in;
        p.target = x->y + i * x->s->out;
        x->s->kernels->max_pool(&p);
    }
}

static void max_pool_run(const sn_impl_run *r)
{
    pool_call x = {.s = r->state, .x = r->in[0], .y = r->out[0]};
    sn_parallel_for(r->pool, x.s->planes, grain_of(x.s), max_pool_planes, &x);
}

static bool global_average_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    (void)layouts;
    return pool_shapes(site) && site->in[0].type.shape.rank > 2;
}

static sinter_status global_average_prepare(const sn_impl_site *site, void **state, size_t *scratch_size,
                                            sinter_error *err)
{
    pool_state *s = NULL;
    SN_TRY(prepare_pool(site, &s, err));
    *state = s;
    *scratch_size = 0;
    return SINTER_OK;
}

static void average_planes(void *context, size_t begin, size_t end, int worker)
{
    const pool_call *x = context;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        x->y[i] = x->s->kernels->sum(x->x + i * x->s->in, x->s->in) / (float)x->s->in;
    }
}

static void global_average_run(const sn_impl_run *r)
{
    pool_call x = {.s = r->state, .x = r->in[0], .y = r->out[0]};
    sn_parallel_for(r->pool, x.s->planes, grain_of(x.s), average_planes, &x);
}

const sn_impl sn_impls_pool[] = {
    {.domain = "",
     .op_type = "MaxPool",
     .name = "max-pool",
     .accepts = max_pool_accepts,
     .prepare = max_pool_prepare,
     .run = max_pool_run},
    {.domain = "",
     .op_type = "GlobalAveragePool",
     .name = "global-average",
     .accepts = global_average_accepts,
     .prepare = global_average_prepare,
     .run = global_average_run},
};
const size_t sn_impls_pool_count = sizeof sn_impls_pool / sizeof *sn_impls_pool;
