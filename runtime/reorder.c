/* Reordering between plain and channels-last: per image the transposition of a [channels x positions] matrix. */
#include "runtime/reorder.h"

typedef struct reorder_state {
    const sn_kernels *kernels;
    sn_transpose to_last, to_plain;
} reorder_state;

void *sn_reorder_prepare(const sn_kernels *kernels, const sn_shape *shape, sn_arena *arena)
{
    reorder_state *s = SN_ARENA_NEW(arena, reorder_state);
    size_t images = (size_t)shape->dims[0], channels = (size_t)shape->dims[1];
    size_t positions = (size_t)sn_shape_product(shape, 2, shape->rank), image = channels * positions;
    if (!s) return NULL;
    s->kernels = kernels;
    s->to_last = (sn_transpose){.batch = images,
                                .rows = channels,
                                .columns = positions,
                                .x_batch = image,
                                .x_row = positions,
                                .y_batch = image,
                                .y_row = channels};
    s->to_plain = (sn_transpose){.batch = images,
                                 .rows = positions,
                                 .columns = channels,
                                 .x_batch = image,
                                 .x_row = channels,
                                 .y_batch = image,
                                 .y_row = positions};
    return s;
}

typedef struct reorder_call {
    const sn_kernels *kernels;
    sn_transpose transpose;
} reorder_call;

static void transpose_units(void *context, size_t begin, size_t end, int worker)
{
    const reorder_call *x = context;
    (void)worker;
    x->kernels->layout->transpose(&x->transpose, begin, end);
}

static void run(const sn_impl_run *r, const sn_transpose *transpose)
{
    reorder_call x = {.kernels = ((const reorder_state *)r->state)->kernels, .transpose = *transpose};
    x.transpose.x = r->in[0];
    x.transpose.y = r->out[0];
    size_t units = x.kernels->layout->transpose_units(&x.transpose);
    size_t elements = x.transpose.batch * x.transpose.rows * x.transpose.columns;
    sn_parallel_for(r->pool, units, 1 + units * SN_GRAIN / (elements + 1), transpose_units, &x);
}

static void run_to_plain(const sn_impl_run *r)
{
    run(r, &((const reorder_state *)r->state)->to_plain);
}

static void run_to_channels_last(const sn_impl_run *r)
{
    run(r, &((const reorder_state *)r->state)->to_last);
}

static const sn_impl impls[] = {
    [SN_LAYOUT_PLAIN] = {.name = "reorder", .by_image = true, .run = run_to_plain},
    [SN_LAYOUT_CHANNELS_LAST] = {.name = "reorder", .by_image = true, .run = run_to_channels_last},
};

const sn_impl *sn_reorder_impl(sn_layout to)
{
    return &impls[to];
}
