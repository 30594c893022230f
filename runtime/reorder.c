/* Reordering between plain and channels-last: per image the transposition of a [channels x positions] matrix. */
#include "runtime/reorder.h"

typedef struct reorder_state {
    const sn_kernels *kernels;
    size_t images, channels, positions;
} reorder_state;

void *sn_reorder_prepare(const sn_kernels *kernels, const sn_shape *shape, sn_arena *arena)
{
    reorder_state *s = SN_ARENA_NEW(arena, reorder_state);
    if (!s) return NULL;
    *s = (reorder_state){.kernels = kernels,
                         .images = (size_t)shape->dims[0],
                         .channels = (size_t)shape->dims[1],
                         .positions = (size_t)sn_shape_product(shape, 2, shape->rank)};
    return s;
}

static void transpose(const float *from, float *to, size_t rows, size_t columns)
{
    for (size_t j = 0; j < columns; j += 16)
        for (size_t i = 0; i < rows; i++)
            for (size_t k = j; k < columns && k < j + 16; k++) to[k * rows + i] = from[i * columns + k];
}

static void to_channels_last(void *context, size_t begin, size_t end, int worker)
{
    const sn_impl_run *r = context;
    const reorder_state *s = r->state;
    (void)worker;
    for (size_t n = begin; n < end; n++) {
        size_t at = n * s->channels * s->positions;
        transpose((const float *)r->in[0] + at, (float *)r->out[0] + at, s->channels, s->positions);
    }
}

static void to_plain(void *context, size_t begin, size_t end, int worker)
{
    const sn_impl_run *r = context;
    const reorder_state *s = r->state;
    (void)worker;
    for (size_t n = begin; n < end; n++) {
        size_t at = n * s->channels * s->positions;
        transpose((const float *)r->in[0] + at, (float *)r->out[0] + at, s->positions, s->channels);
    }
}

static void run_to_channels_last(const sn_impl_run *r)
{
    const reorder_state *s = r->state;
    sn_parallel_for(r->pool, s->images, 1, to_channels_last, (void *)r);
}

static void run_to_plain(const sn_impl_run *r)
{
    const reorder_state *s = r->state;
    sn_parallel_for(r->pool, s->images, 1, to_plain, (void *)r);
}

static const sn_impl impls[] = {
    [SN_LAYOUT_PLAIN] = {.name = "reorder", .run = run_to_plain},
    [SN_LAYOUT_CHANNELS_LAST] = {.name = "reorder", .run = run_to_channels_last},
};

const sn_impl *sn_reorder_impl(sn_layout to)
{
    return &impls[to];
}
