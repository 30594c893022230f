/* Softmax and LogSoftmax over one axis, or over all from one axis on, in plain layout. */
#include "runtime/impl.h"

typedef struct softmax_state {
    const sn_kernels *kernels;
    size_t outer, n, inner; /* lines of n elements, `inner` apart */
    bool log;
} softmax_state;

/* Up to opset 12 the line is everything from `axis` on. */
static bool read_lines(const sn_impl_site *site, softmax_state *s)
{
    const sn_shape *x = sn_site_in(site, 0);
    const sn_attr *a = sn_node_attr(&site->model->nodes[site->node], "axis");
    bool coerced = site->version < 13;
    int64_t given = a && a->type == SN_ATTR_INT ? a->i : coerced ? 1 : -1;
    int axis;
    if (x->rank == 0 || !sn_axis_normalize(given, x->rank, &axis)) return false;
    int end = coerced ? x->rank : axis + 1;
    s->outer = (size_t)sn_shape_product(x, 0, axis);
    s->n = (size_t)sn_shape_product(x, axis, end);
    s->inner = (size_t)sn_shape_product(x, end, x->rank);
    return s->outer > 0 && s->n > 0 && s->inner > 0;
}

static bool softmax_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    softmax_state s;
    (void)layouts;
    return sn_fact_is_float(&site->in[0]) && sn_fact_is_float(&site->out[0]) && read_lines(site, &s);
}

static sinter_status softmax_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    softmax_state *s = SN_ARENA_NEW(site->arena, softmax_state);
    if (!s || !read_lines(site, s)) return sn_no_memory(err, "preparing a softmax");
    s->kernels = site->kernels;
    s->log = strcmp(site->op->name, "LogSoftmax") == 0;
    *state = s;
    *scratch_size = 0;
    return SINTER_OK;
}

/* A range of outer: rows when the elements of a line are neighbours, else blocks of columns. */
static void softmax_range(void *context, size_t begin, size_t end, int worker)
{
    const sn_impl_run *r = context;
    const softmax_state *s = r->state;
    const sn_norm_kernels *k = s->kernels->norm;
    size_t block = s->n * s->inner;
    const float *x = r->in[0];
    float *y = r->out[0];
    (void)worker;
    if (s->inner == 1) {
        (s->log ? k->log_softmax : k->softmax)(x + begin * s->n, y + begin * s->n, end - begin, s->n);
        return;
    }
    for (size_t i = begin; i < end; i++) {
        (s->log ? k->log_softmax_columns : k->softmax_columns)(x + i * block, y + i * block, s->n, s->inner, s->inner);
    }
}

static void softmax_run(const sn_impl_run *r)
{
    const softmax_state *s = r->state;
    sn_parallel_for(r->pool, s->outer, 1 + SN_GRAIN / 4 / (s->n * s->inner), softmax_range, (void *)r);
}

const sn_impl sn_impl_softmax = {.domain = "",
                                 .op_type = "Softmax",
                                 .name = "softmax",
                                 .accepts = softmax_accepts,
                                 .prepare = softmax_prepare,
                                 .run = softmax_run};
const sn_impl sn_impl_log_softmax = {.domain = "",
                                     .op_type = "LogSoftmax",
                                     .name = "softmax",
                                     .accepts = softmax_accepts,
                                     .prepare = softmax_prepare,
                                     .run = softmax_run};
