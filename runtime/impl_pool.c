/*
 * Poolings over channels-last images (kernels/pooling.h), split over output rows; global ones over channels, since the
 * sum of a channel must not depend on the split.
 */
#include "ops/window.h"
#include "runtime/conv.h"

typedef struct pool_state {
    const sn_kernels *kernels;
    sn_image_window window;
    sn_pooling pooling;
    sn_global_pooling global;
    size_t rows, grain;
} pool_state;

typedef struct pool_call {
    const sn_kernels *kernels;
    sn_pooling pooling;
    sn_global_pooling global;
} pool_call;

static bool are_images(const sn_impl_site *site)
{
    const sn_shape *x = sn_site_in(site, 0);
    bool indices = site->n_out > 1 && site->out[1].present;
    return !indices && sn_fact_is_float(&site->in[0]) && sn_fact_is_float(&site->out[0]) && x->rank >= 3 &&
           x->rank <= 2 + SN_WINDOW_AXES && x->dims[1] > 0; /* without channels nothing bounds the positions */
}

/* The window's attributes, read again from the node: what the operator keeps of them is its own. */
static bool read_window(const sn_impl_site *site, sn_conv_sizes *sizes, bool *count_include_pad)
{
    sn_prepare p = {.model = site->model,
                    .node = &site->model->nodes[site->node],
                    .op = site->op,
                    .version = site->version,
                    .n_in = site->n_in,
                    .n_out = site->n_out,
                    .arena = site->arena};
    const sn_shape *x = sn_site_in(site, 0);
    sn_window window = {0};
    bool ceil_mode;
    if (sn_window_prepare(&p, &window) != SINTER_OK || sn_attr_bool(&p, "ceil_mode", false, &ceil_mode) != SINTER_OK)
        return false;
    if (sn_attr_bool(&p, "count_include_pad", false, count_include_pad) != SINTER_OK) return false;
    *sizes = (sn_conv_sizes){
        .rank = x->rank - 2, .batch = x->dims[0], .group = 1, .in_channels = x->dims[1], .out_channels = x->dims[1]};
    for (int i = 0; i < sizes->rank; i++) {
        if (sn_window_slide(&window, i, x->dims[i + 2], window.kernel[i], ceil_mode, &sizes->axis[i], NULL) !=
            SINTER_OK)
            return false;
    }
    return true;
}

static bool window_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    sn_conv_sizes sizes;
    bool count_include_pad;
    if (!are_images(site) || !read_window(site, &sizes, &count_include_pad)) return false;
    layouts->in[0] = layouts->out = SN_LAYOUT_CHANNELS_LAST;
    return true;
}

static size_t grain_for(size_t unit_work)
{
    return 1 + SN_GRAIN / (unit_work > 0 ? unit_work : 1);
}

static sinter_status window_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    pool_state *s = SN_ARENA_NEW(site->arena, pool_state);
    sn_conv_sizes sizes;
    if (!s || !read_window(site, &sizes, &s->pooling.count_include_pad))
        return sn_no_memory(err, "preparing a pooling");
    size_t channels = (size_t)sizes.in_channels;
    s->kernels = site->kernels;
    s->window = sn_conv_window(&sizes, channels);
    if (!sn_conv_zeros(&s->window, channels, site->arena)) return sn_no_memory(err, "preparing a pooling");
    s->pooling.window = &s->window;
    s->pooling.channels = s->pooling.y_pitch = channels;
    for (int i = 0; i < sizes.rank; i++) s->pooling.pad_end[SN_WINDOW_AXES - sizes.rank + i] = sizes.axis[i].pad_end;
    s->rows = (size_t)(sizes.batch * s->window.out[0] * s->window.out[1]);
    s->grain = grain_for((size_t)s->window.out[2] * channels);
    *state = s;
    *scratch_size = 0;
    return SINTER_OK;
}

static void max_rows(void *context, size_t begin, size_t end, int worker)
{
    const pool_call *x = context;
    (void)worker;
    x->kernels->pooling->max(&x->pooling, begin, end);
}

static void average_rows(void *context, size_t begin, size_t end, int worker)
{
    const pool_call *x = context;
    (void)worker;
    x->kernels->pooling->average(&x->pooling, begin, end);
}

static void window_run(const sn_impl_run *r, sn_parallel_body body)
{
    const pool_state *s = r->state;
    pool_call x = {.kernels = s->kernels, .pooling = s->pooling};
    x.pooling.x = r->in[0];
    x.pooling.y = r->out[0];
    sn_parallel_for(r->pool, s->rows, s->grain, body, &x);
}

static void max_run(const sn_impl_run *r)
{
    window_run(r, max_rows);
}

static void average_run(const sn_impl_run *r)
{
    window_run(r, average_rows);
}

/* ---------------------------------------------------------------------------------------------------- global */

static bool global_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    if (!are_images(site)) return false;
    layouts->in[0] = layouts->out = SN_LAYOUT_CHANNELS_LAST;
    return true;
}

static sinter_status global_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    const sn_shape *x = sn_site_in(site, 0);
    pool_state *s = SN_ARENA_NEW(site->arena, pool_state);
    if (!s) return sn_no_memory(err, "preparing a pooling");
    s->kernels = site->kernels;
    size_t channels = (size_t)x->dims[1], positions = (size_t)sn_shape_product(x, 2, x->rank);
    s->global = (sn_global_pooling){.images = (size_t)x->dims[0],
                                    .positions = positions,
                                    .channels = channels,
                                    .x_pitch = channels,
                                    .x_image = channels * positions,
                                    .y_image = channels};
    s->grain = sn_round_up(grain_for(s->global.images * positions), 16);
    *state = s;
    *scratch_size = 0;
    return SINTER_OK;
}

static void global_max_channels(void *context, size_t begin, size_t end, int worker)
{
    const pool_call *x = context;
    (void)worker;
    x->kernels->pooling->global_max(&x->global, begin, end);
}

static void global_average_channels(void *context, size_t begin, size_t end, int worker)
{
    const pool_call *x = context;
    (void)worker;
    x->kernels->pooling->global_average(&x->global, begin, end);
}

static void global_run(const sn_impl_run *r, sn_parallel_body body)
{
    const pool_state *s = r->state;
    pool_call x = {.kernels = s->kernels, .global = s->global};
    x.global.x = r->in[0];
    x.global.y = r->out[0];
    sn_parallel_for(r->pool, s->global.channels, s->grain, body, &x);
}

static void global_max_run(const sn_impl_run *r)
{
    global_run(r, global_max_channels);
}

static void global_average_run(const sn_impl_run *r)
{
    global_run(r, global_average_channels);
}

const sn_impl sn_impl_max_pool = {.domain = "",
                                  .op_type = "MaxPool",
                                  .name = "max-pool",
                                  .by_image = true,
                                  .accepts = window_accepts,
                                  .prepare = window_prepare,
                                  .run = max_run};
const sn_impl sn_impl_average_pool = {.domain = "",
                                      .op_type = "AveragePool",
                                      .name = "average-pool",
                                      .by_image = true,
                                      .accepts = window_accepts,
                                      .prepare = window_prepare,
                                      .run = average_run};
const sn_impl sn_impl_global_max_pool = {.domain = "",
                                         .op_type = "GlobalMaxPool",
                                         .name = "global-max",
                                         .by_image = true,
                                         .accepts = global_accepts,
                                         .prepare = global_prepare,
                                         .run = global_max_run};
const sn_impl sn_impl_global_average_pool = {.domain = "",
                                             .op_type = "GlobalAveragePool",
                                             .name = "global-average",
                                             .by_image = true,
                                             .accepts = global_accepts,
                                             .prepare = global_prepare,
                                             .run = global_average_run};
