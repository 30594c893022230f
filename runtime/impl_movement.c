/*
 * Transpose, Concat and Split of elements of 4 bytes: strided copies (kernels/layout.h), one for each part of what is
 * joined or cut, in the layouts that the values lie in already.
 */
#include "ops/layout.h"
#include "runtime/impl.h"

typedef struct part {
    sn_permutation move; /* without x and y */
    size_t offset;       /* elements, from the whole's first one to the part's */
    size_t first_unit;   /* among the step's */
} part;

typedef struct movement_state {
    const sn_kernels *kernels;
    bool cuts; /* part i goes from the whole to output i; else from input i to the whole */
    size_t n_parts, units, grain;
    part *parts;
} movement_state;

/* ---------------------------------------------------------------------------------------------------- layouts */

static bool has_words(const sn_fact *f)
{
    return f->present && f->type.kind == SINTER_KIND_TENSOR && sn_dtypes[f->type.dtype].size == 4 &&
           f->type.shape.rank <= SN_PERMUTE_AXES;
}

static bool transpose_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    layouts->in[0] = site->in_layout[0];
    return has_words(&site->in[0]);
}

/* Channels last when half of what is joined lies so, whatever the batch. */
static bool concat_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    size_t all = 0, last = 0;
    for (size_t i = 0; i < site->n_in; i++) {
        if (!has_words(&site->in[i])) return false;
        size_t count = (size_t)sn_shape_product(sn_site_in(site, i), 1, sn_site_in(site, i)->rank);
        all += count;
        if (site->in_layout[i] == SN_LAYOUT_CHANNELS_LAST) last += count;
    }
    layouts->out = last > 0 && last >= all - last ? SN_LAYOUT_CHANNELS_LAST : SN_LAYOUT_PLAIN;
    for (size_t i = 0; i < site->n_in; i++) layouts->in[i] = layouts->out;
    return true;
}

static bool split_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    layouts->in[0] = layouts->out = site->in_layout[0];
    return has_words(&site->in[0]);
}

/* ---------------------------------------------------------------------------------------------------- preparing */

static movement_state *new_state(const sn_impl_site *site, size_t n_parts)
{
    movement_state *s = SN_ARENA_NEW(site->arena, movement_state);
    if (!s) return NULL;
    s->kernels = site->kernels;
    s->n_parts = n_parts;
    s->parts = SN_ARENA_ARRAY(site->arena, part, n_parts);
    return s->parts ? s : NULL;
}

/* A part of the given shape goes to where it lies by strides y from where it lies by strides x, both by its axes. */
static void add_part(movement_state *s, size_t i, const sn_shape *shape, sn_layout layout, const size_t *x,
                     const size_t *y)
{
    part *p = &s->parts[i];
    sn_permutation *m = &p->move;
    m->axes = (size_t)shape->rank;
    for (int k = 0; k < shape->rank; k++) { /* the axes of y as they lie in memory: neighbours may merge */
        int axis = sn_layout_axis(layout, shape->rank, k);
        m->extent[k] = (size_t)shape->dims[axis];
        m->x_stride[k] = (ptrdiff_t)x[axis];
        m->y_stride[k] = (ptrdiff_t)y[axis];
    }
    s->kernels->layout->merge_axes(m);
    p->first_unit = s->units;
    s->units += s->kernels->layout->permute_units(m);
}

static void settle_grain(movement_state *s, const sn_shape *whole)
{
    size_t elements;
    if (sn_shape_count(whole, &elements)) s->grain = 1 + s->units * SN_GRAIN / (elements + 1);
}

static sinter_status transpose_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    movement_state *s = new_state(site, 1);
    if (!s) return sn_no_memory(err, "preparing a step");
    size_t own[SN_MAX_RANK], x[SN_MAX_RANK], y[SN_MAX_RANK];
    const sn_shape *out = sn_site_out(site);
    sn_layout_strides(sn_site_in(site, 0), site->in_layout[0], own);
    sn_layout_strides(out, SN_LAYOUT_PLAIN, y);
    for (int i = 0; i < out->rank; i++) x[i] = own[sn_transpose_source(site->params, out->rank, i)];
    add_part(s, 0, out, SN_LAYOUT_PLAIN, x, y);
    settle_grain(s, out);
    *state = s;
    *scratch_size = 0;
    return SINTER_OK;
}

/* The parts follow each other along an axis of the whole; `cut` from it, or joined to it. */
static sinter_status prepare_parts(const sn_impl_site *site, bool cut, int64_t along, sn_layout layout, void **state,
                                   sinter_error *err)
{
    const sn_shape *whole = cut ? sn_site_in(site, 0) : sn_site_out(site);
    const sn_fact *parts = cut ? site->out : site->in;
    movement_state *s = new_state(site, cut ? site->n_out : site->n_in);
    if (!s) return sn_no_memory(err, "preparing a step");
    size_t in_whole[SN_MAX_RANK], own[SN_MAX_RANK], at = 0;
    int axis = 0;
    (void)sn_axis_normalize(along, whole->rank, &axis);
    sn_layout_strides(whole, layout, in_whole);
    s->cuts = cut;
    for (size_t i = 0; i < s->n_parts; i++) {
        const sn_shape *shape = &parts[i].type.shape;
        sn_layout_strides(shape, layout, own);
        s->parts[i].offset = at * in_whole[axis];
        add_part(s, i, shape, layout, cut ? in_whole : own, cut ? own : in_whole);
        at += (size_t)shape->dims[axis];
    }
    settle_grain(s, whole);
    *state = s;
    return SINTER_OK;
}

static sinter_status concat_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    const sn_concat_params *p = site->params;
    sn_layout *in = SN_ARENA_ARRAY(site->arena, sn_layout, site->n_in);
    sn_impl_layouts layouts = {.in = in};
    if (!in) return sn_no_memory(err, "preparing a step");
    (void)concat_accepts(site, &layouts);
    *scratch_size = 0;
    return prepare_parts(site, false, p->axis, layouts.out, state, err);
}

static sinter_status split_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    const sn_split_params *p = site->params;
    *scratch_size = 0;
    return prepare_parts(site, true, p->axis, site->in_layout[0], state, err);
}

/* ---------------------------------------------------------------------------------------------------- running */

typedef struct movement_call {
    const movement_state *s;
    const sn_impl_run *r;
} movement_call;

static void move_part(const movement_call *x, size_t i, size_t begin, size_t end)
{
    const movement_state *s = x->s;
    const part *p = &s->parts[i];
    sn_permutation m = p->move;
    m.x = s->cuts ? (const float *)x->r->in[0] + p->offset : x->r->in[i];
    m.y = s->cuts ? x->r->out[i] : (float *)x->r->out[0] + p->offset;
    s->kernels->layout->permute(&m, begin, end);
}

static void move_units(void *context, size_t begin, size_t end, int worker)
{
    const movement_call *x = context;
    const movement_state *s = x->s;
    (void)worker;
    for (size_t i = 0; i < s->n_parts; i++) {
        const size_t first = s->parts[i].first_unit,
                     behind = i + 1 < s->n_parts ? s->parts[i + 1].first_unit : s->units;
        const size_t from = begin > first ? begin : first, to = end < behind ? end : behind;
        if (from < to) move_part(x, i, from - first, to - first);
    }
}

static void run(const sn_impl_run *r)
{
    movement_call x = {.s = r->state, .r = r};
    sn_parallel_for(r->pool, x.s->units, x.s->grain, move_units, &x);
}

#define MOVEMENT(row, operator)                                                                                        \
    const sn_impl sn_impl_##row = {.domain = "",                                                                       \
                                   .op_type = operator,                                                                \
                                   .name = #row,                                                                       \
                                   .accepts = row##_accepts,                                                           \
                                   .prepare = row##_prepare,                                                           \
                                   .run = run};
MOVEMENT(transpose, "Transpose")
MOVEMENT(concat, "Concat")
MOVEMENT(split, "Split")
