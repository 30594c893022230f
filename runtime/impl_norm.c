/*
 * LayerNormalization and RMSNormalization over rows; InstanceNormalization and GroupNormalization in either layout, in
 * two phases: the moments of every (image, group), then y = (x - mean) * scale + bias with what the moments make of the
 * parameters.
 */
#include "ops/normalize.h"
#include "runtime/impl.h"

#include <math.h>

/* ---------------------------------------------------------------------------------------------------- rows */

typedef struct layer_state {
    void (*normalize)(const sn_row_norm *p, size_t row0, size_t row1);
    sn_row_norm norm;
    size_t rows;
    bool has_bias;
} layer_state;

static bool has_elements(const sn_fact *f, size_t n)
{
    size_t count;
    return sn_fact_is_float(f) && sn_shape_count(&f->type.shape, &count) && count == n;
}

static bool other_output(const sn_impl_site *site, size_t i)
{
    return i < site->n_out && site->out[i].present;
}

static bool read_rows(const sn_impl_site *site, layer_state *s, int *axis)
{
    const sn_layer_norm_params *p = site->params;
    const sn_shape *x = sn_site_in(site, 0);
    if (!sn_axis_normalize(p->axis, x->rank, axis)) return false;
    s->rows = (size_t)sn_shape_product(x, 0, *axis);
    s->norm = (sn_row_norm){.n = (size_t)sn_shape_product(x, *axis, x->rank), .epsilon = p->epsilon};
    return s->rows > 0 && s->norm.n > 0;
}

/* Parameters may also differ from row to row, or be the same along a part of one. */
static bool is_one_row(const sn_impl_site *site, size_t input, int axis)
{
    const sn_shape *x = sn_site_in(site, 0), *own = sn_site_in(site, input);
    if (!has_elements(&site->in[input], (size_t)sn_shape_product(x, axis, x->rank))) return false;
    for (int i = 0; i < own->rank; i++) {
        int at = x->rank - own->rank + i;
        if (own->dims[i] != (at < axis ? 1 : x->dims[at])) return false;
    }
    return true;
}

static bool layer_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    layer_state s;
    int axis;
    (void)layouts;
    if (!sn_fact_is_float(&site->in[0]) || !sn_fact_is_float(&site->out[0]) || !read_rows(site, &s, &axis))
        return false;
    if (other_output(site, 1) || other_output(site, 2) || !is_one_row(site, 1, axis)) return false;
    return !sn_site_has(site, 2) || is_one_row(site, 2, axis);
}

static sinter_status rows_prepare(const sn_impl_site *site,
                                  void (*normalize)(const sn_row_norm *p, size_t row0, size_t row1), void **state,
                                  size_t *scratch_size, sinter_error *err)
{
    layer_state *s = SN_ARENA_NEW(site->arena, layer_state);
    int axis;
    if (!s || !read_rows(site, s, &axis)) return sn_no_memory(err, "preparing a normalization");
    s->normalize = normalize;
    s->has_bias = sn_site_has(site, 2);
    *state = s;
    *scratch_size = 0;
    return SINTER_OK;
}

static sinter_status layer_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    return rows_prepare(site, site->kernels->norm->layer_norm, state, scratch_size, err);
}

static sinter_status rms_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    return rows_prepare(site, site->kernels->norm->rms_norm, state, scratch_size, err);
}

static void layer_rows(void *context, size_t begin, size_t end, int worker)
{
    const sn_impl_run *r = context;
    const layer_state *s = r->state;
    sn_row_norm p = s->norm;
    (void)worker;
    p.x = r->in[0];
    p.y = r->out[0];
    p.scale = r->in[1];
    p.bias = s->has_bias ? r->in[2] : NULL;
    s->normalize(&p, begin, end);
}

static void layer_run(const sn_impl_run *r)
{
    const layer_state *s = r->state;
    sn_parallel_for(r->pool, s->rows, 1 + SN_GRAIN / s->norm.n, layer_rows, (void *)r);
}

/* ---------------------------------------------------------------------------------------------------- groups of
 * channels */

typedef struct group_state {
    const sn_kernels *kernels;
    size_t images, channels, positions, groups;
    float epsilon;
    bool per_group; /* scale and bias */
    bool channels_last;
} group_state;

/* Vectors over (image, channel), in scratch. */
typedef struct group_call {
    const group_state *s;
    const sn_impl_run *r;
    float *mean, *variance, *scale, *bias;
} group_call;

static bool channels_accept(const sn_impl_site *site, sn_impl_layouts *layouts, size_t parameters)
{
    size_t count;
    const sn_shape *x = sn_site_in(site, 0);
    if (!sn_fact_is_float(&site->in[0]) || !sn_fact_is_float(&site->out[0]) || x->rank < 3) return false;
    if (!sn_shape_count(x, &count) || count == 0) return false;
    layouts->in[0] = layouts->out = site->in_layout[0];
    return has_elements(&site->in[1], parameters) && has_elements(&site->in[2], parameters);
}

static bool instance_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    return channels_accept(site, layouts, sn_site_in(site, 0)->rank > 1 ? (size_t)sn_site_in(site, 0)->dims[1] : 0);
}

static bool group_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    const sn_group_norm_params *p = site->params;
    const sn_shape *x = sn_site_in(site, 0);
    if (x->rank < 3 || p->groups < 1 || x->dims[1] % p->groups != 0) return false;
    return channels_accept(site, layouts, (size_t)(p->per_group ? p->groups : x->dims[1]));
}

static group_state *new_state(const sn_impl_site *site, size_t *scratch_size)
{
    const sn_shape *x = sn_site_in(site, 0);
    group_state *s = SN_ARENA_NEW(site->arena, group_state);
    if (!s) return NULL;
    *s = (group_state){.kernels = site->kernels,
                       .images = (size_t)x->dims[0],
                       .channels = (size_t)x->dims[1],
                       .positions = (size_t)sn_shape_product(x, 2, x->rank),
                       .channels_last = site->in_layout[0] == SN_LAYOUT_CHANNELS_LAST};
    *scratch_size = 4 * sn_round_up(s->images * s->channels, 16) * sizeof(float);
    return s;
}

static sinter_status instance_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    group_state *s = new_state(site, scratch_size);
    if (!s) return sn_no_memory(err, "preparing a normalization");
    s->groups = s->channels;
    s->epsilon = ((const sn_instance_norm_params *)site->params)->epsilon;
    *state = s;
    return SINTER_OK;
}

static sinter_status group_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    const sn_group_norm_params *p = site->params;
    group_state *s = new_state(site, scratch_size);
    if (!s) return sn_no_memory(err, "preparing a normalization");
    s->groups = (size_t)p->groups;
    s->epsilon = p->epsilon;
    s->per_group = p->per_group;
    *state = s;
    return SINTER_OK;
}

/* The moments of image `n`, one for each of its channels, those of a group alike. */
static void find_moments(const group_call *x, size_t n)
{
    const group_state *s = x->s;
    const sn_norm_kernels *k = s->kernels->norm;
    const float *image = (const float *)x->r->in[0] + n * s->channels * s->positions;
    float *mean = x->mean + n * s->channels, *variance = x->variance + n * s->channels;
    size_t width = s->channels / s->groups;
    if (s->channels_last) {
        k->column_moments(image, s->positions, s->channels, s->channels, mean, variance);
        k->join_moments(mean, variance, s->channels, s->groups, mean, variance);
    } else {
        for (size_t g = 0; g < s->groups; g++) {
            k->moments(image + g * width * s->positions, width * s->positions, &mean[g], &variance[g]);
        }
    }
    for (size_t c = s->channels; c-- > 0;) { /* backwards: the groups' own are in front */
        mean[c] = mean[c / width];
        variance[c] = variance[c / width];
    }
}

static void images_moments(void *context, size_t begin, size_t end, int worker)
{
    const group_call *x = context;
    const group_state *s = x->s;
    const float *scale = x->r->in[1], *bias = x->r->in[2];
    size_t width = s->per_group ? s->channels / s->groups : 1;
    (void)worker;
    for (size_t n = begin; n < end; n++) {
        find_moments(x, n);
        for (size_t c = 0, at = n * s->channels; c < s->channels; c++, at++) {
            x->scale[at] = scale[c / width] / sqrtf(x->variance[at] + s->epsilon);
            x->bias[at] = bias[c / width];
        }
    }
}

/* Rows of the result: positions with channels last, channels else; of all images. */
static void normalize_rows(void *context, size_t begin, size_t end, int worker)
{
    const group_call *x = context;
    const group_state *s = x->s;
    size_t n = s->channels_last ? s->channels : s->positions, per_image = s->channels_last ? s->positions : s->channels;
    size_t row = s->channels_last ? 0 : 1, step = s->channels_last ? 1 : 0;
    (void)worker;
    for (size_t at = begin; at < end;) {
        size_t image = at / per_image, left = (image + 1) * per_image - at, rows = left < end - at ? left : end - at;
        size_t first = image * s->channels + (s->channels_last ? 0 : at % per_image);
        sn_ew_operand in = {(const float *)x->r->in[0] + at * n, n, 1};
        sn_ew_result y = {(float *)x->r->out[0] + at * n, n, rows, n};
        s->kernels->norm->normalize(in, (sn_ew_operand){x->mean + first, row, step},
                                    (sn_ew_operand){x->scale + first, row, step},
                                    (sn_ew_operand){x->bias + first, row, step}, y);
        at += rows;
    }
}

static void group_run(const sn_impl_run *r)
{
    const group_state *s = r->state;
    size_t vector = sn_round_up(s->images * s->channels, 16);
    float *scratch = r->scratch;
    group_call x = {.s = s,
                    .r = r,
                    .mean = scratch,
                    .variance = scratch + vector,
                    .scale = scratch + 2 * vector,
                    .bias = scratch + 3 * vector};
    size_t image = s->channels * s->positions, rows = s->images * (s->channels_last ? s->positions : s->channels);
    sn_parallel_for(r->pool, s->images, 1 + SN_GRAIN / image, images_moments, &x);
    sn_parallel_for(r->pool, rows, 1 + SN_GRAIN * rows / (s->images * image), normalize_rows, &x);
}

const sn_impl sn_impl_layer_norm = {.domain = "",
                                    .op_type = "LayerNormalization",
                                    .name = "layer-norm",
                                    .accepts = layer_accepts,
                                    .prepare = layer_prepare,
                                    .run = layer_run};
const sn_impl sn_impl_rms_norm = {.domain = "",
                                  .op_type = "RMSNormalization",
                                  .name = "rms-norm",
                                  .accepts = layer_accepts,
                                  .prepare = rms_prepare,
                                  .run = layer_run};
const sn_impl sn_impl_instance_norm = {.domain = "",
                                       .op_type = "InstanceNormalization",
                                       .name = "group-norm",
                                       .by_image = true,
                                       .accepts = instance_accepts,
                                       .prepare = instance_prepare,
                                       .run = group_run};
const sn_impl sn_impl_group_norm = {.domain = "",
                                    .op_type = "GroupNormalization",
                                    .name = "group-norm",
                                    .by_image = true,
                                    .accepts = group_accepts,
                                    .prepare = group_prepare,
                                    .run = group_run};
