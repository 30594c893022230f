/*
 * Reductions over neighbouring axes: [outer][n][inner]. Over all spatial axes of channels-last images, too, where the
 * result has no layout any more: what exporters make of global average pooling.
 */
#include "runtime/impl.h"

typedef struct reduce_state {
    const sn_kernels *kernels;
    size_t outer, n, inner;
    sn_reduction reduction;
} reduce_state;

static const struct {
    const char *op_type;
    sn_reduction reduction;
} reductions[] = {
    {"ReduceSum", SN_REDUCE_SUM}, {"ReduceMean", SN_REDUCE_MEAN},    {"ReduceSumSquare", SN_REDUCE_SQUARES},
    {"ReduceL1", SN_REDUCE_ABS},  {"ReduceProd", SN_REDUCE_PRODUCT}, {"ReduceMax", SN_REDUCE_MAX},
    {"ReduceMin", SN_REDUCE_MIN},
};

/* An attribute, or since opset 13 or 18 an input; without any all axes. */
static bool read_axes(const sn_impl_site *site, const int64_t **axes, size_t *n)
{
    const sn_node *node = &site->model->nodes[site->node];
    const sn_attr *a = sn_node_attr(node, "axes"), *noop = sn_node_attr(node, "noop_with_empty_axes");
    *n = 0;
    if (sn_site_has(site, 1)) {
        *axes = site->in[1].known;
        *n = site->in[1].n_known;
        return *axes && *n > 0;
    }
    if (noop && noop->i != 0) return false;
    if (!a) return true;
    *axes = a->ints;
    *n = a->count;
    return a->type == SN_ATTR_INTS && *n > 0;
}

/* The range of axes that is reduced; false when there are kept ones in between. */
static bool read_range(const sn_impl_site *site, int *first, int *end)
{
    const sn_shape *x = sn_site_in(site, 0);
    const int64_t *axes = NULL;
    size_t n;
    bool reduced[SN_MAX_RANK] = {false};
    if (!read_axes(site, &axes, &n)) return false;
    for (size_t i = 0; i < n; i++) {
        int axis;
        if (!sn_axis_normalize(axes[i], x->rank, &axis)) return false;
        reduced[axis] = true;
    }
    for (*first = 0; n > 0 && *first < x->rank && !reduced[*first]; ++*first) {
    }
    for (*end = *first; *end < x->rank && (n == 0 || reduced[*end]); ++*end) {
    }
    for (int i = *end; i < x->rank; i++) {
        if (reduced[i]) return false;
    }
    return *end > *first;
}

static bool read_reduction(const sn_impl_site *site, reduce_state *s, sn_layout *layout)
{
    const sn_shape *x = sn_site_in(site, 0);
    int first, end;
    size_t count;
    if (!sn_fact_is_float(&site->in[0]) || !sn_fact_is_float(&site->out[0]) || !read_range(site, &first, &end))
        return false;
    if (!sn_shape_count(x, &count) || count == 0) return false;
    bool spatial = first == 2 && end == x->rank && site->in_layout[0] == SN_LAYOUT_CHANNELS_LAST;
    *layout = spatial ? SN_LAYOUT_CHANNELS_LAST : SN_LAYOUT_PLAIN;
    s->outer = (size_t)sn_shape_product(x, 0, spatial ? 1 : first);
    s->n = (size_t)sn_shape_product(x, first, end);
    s->inner = spatial ? (size_t)x->dims[1] : (size_t)sn_shape_product(x, end, x->rank);
    return true;
}

static bool reduce_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    reduce_state s;
    return read_reduction(site, &s, &layouts->in[0]);
}

static sinter_status reduce_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    reduce_state *s = SN_ARENA_NEW(site->arena, reduce_state);
    sn_layout layout;
    if (!s || !read_reduction(site, s, &layout)) return sn_no_memory(err, "preparing a reduction");
    s->kernels = site->kernels;
    for (size_t i = 0; i < sizeof reductions / sizeof *reductions; i++) {
        if (strcmp(reductions[i].op_type, site->op->name) == 0) s->reduction = reductions[i].reduction;
    }
    *state = s;
    *scratch_size = 0;
    return SINTER_OK;
}

static void reduce_range(void *context, size_t begin, size_t end, int worker)
{
    const sn_impl_run *r = context;
    const reduce_state *s = r->state;
    (void)worker;
    s->kernels->norm->reduce[s->reduction]((const float *)r->in[0] + begin * s->n * s->inner,
                                           (float *)r->out[0] + begin * s->inner, end - begin, s->n, s->inner);
}

static void reduce_run(const sn_impl_run *r)
{
    const reduce_state *s = r->state;
    sn_parallel_for(r->pool, s->outer, 1 + SN_GRAIN / (s->n * s->inner), reduce_range, (void *)r);
}

#define REDUCTION(row, operator)                                                                                       \
    const sn_impl sn_impl_##row = {.domain = "",                                                                       \
                                   .op_type = operator,                                                                \
                                   .name = "reduce",                                                                   \
                                   .accepts = reduce_accepts,                                                          \
                                   .prepare = reduce_prepare,                                                          \
                                   .run = reduce_run};
REDUCTION(reduce_sum, "ReduceSum")
REDUCTION(reduce_mean, "ReduceMean")
REDUCTION(reduce_sum_square, "ReduceSumSquare")
REDUCTION(reduce_l1, "ReduceL1")
REDUCTION(reduce_prod, "ReduceProd")
REDUCTION(reduce_max, "ReduceMax")
REDUCTION(reduce_min, "ReduceMin")
