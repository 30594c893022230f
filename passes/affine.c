#include "passes/affine.h"
#include "passes/bn.h"
#include <math.h>

/* ---------------------------------------------------------------------------------------------------- links */

/* One element of the constant as scale and shift; false when the operator is not affine in its data. */
typedef bool link_function(double k, bool constant_first, double *scale, double *shift);

static bool link_mul(double k, bool constant_first, double *scale, double *shift)
{
    (void)constant_first;
    *scale = k;
    *shift = 0.0;
    return true;
}

static bool link_add(double k, bool constant_first, double *scale, double *shift)
{
    (void)constant_first;
    *scale = 1.0;
    *shift = k;
    return true;
}

static bool link_sub(double k, bool constant_first, double *scale, double *shift)
{
    *scale = constant_first ? -1.0 : 1.0;
    *shift = constant_first ? k : -k;
    return true;
}

static bool link_div(double k, bool constant_first, double *scale, double *shift)
{
    *scale = 1.0 / k;
    *shift = 0.0;
    return !constant_first;
}

static const struct {
    const char *op_type;
    link_function *function;
} binary_links[] = {{"Mul", link_mul}, {"Add", link_add}, {"Sub", link_sub}, {"Div", link_div}};

static link_function *find_binary(const sn_node *n)
{
    for (size_t i = 0; i < sizeof binary_links / sizeof *binary_links; i++)
        if (sn_node_is(n, binary_links[i].op_type)) return binary_links[i].function;
    return NULL;
}

bool sn_may_be_link(const sn_node *n)
{
    return n->n_in >= 2 && n->n_out >= 1 && n->out[0] != SN_NONE && n->in[0] != SN_NONE && n->in[1] != SN_NONE &&
           (sn_node_is(n, "BatchNormalization") || find_binary(n));
}

/* Which axis of the data the constant varies along. Before opset 7 broadcasting was asked for by attributes. */
static bool constant_place(const sn_pass_context *x, sn_node_id node, const sinter_value *k, const sn_shape *data,
                           sn_place *out)
{
    const sn_node *n = &x->model->nodes[node];
    int offset = data->rank - k->shape.rank;
    *out = (sn_place){SN_PLACE_UNIFORM, 1, 1};
    if (k->shape.rank == 0 && sn_node_version(x->model, node) >= 7) return true; /* fits data of any rank */
    if (data->rank < 0 || offset < 0) return false;
    if (sn_node_version(x->model, node) < 7 && !sn_shape_eq(data, &k->shape)) {
        int64_t axis = sn_node_int(n, "axis", offset);
        if (sn_node_int(n, "broadcast", 0) == 0 || axis < 0 || axis > offset) return false;
        offset = (int)axis;
    }
    for (int i = 0; i < k->shape.rank; i++) {
        if (k->shape.dims[i] == 1) continue;
        if (out->axis != SN_PLACE_UNIFORM || data->dims[offset + i] != k->shape.dims[i]) return false;
        *out = (sn_place){offset + i, 1, k->shape.dims[i]};
    }
    return true;
}

static bool read_constant_link(const sinter_value *k, bool first, link_function *function, sn_link *out)
{
    for (size_t i = 0; i < k->count; i++)
        if (!function(sn_load_double(k->dtype, k->data, i), first, &out->scale[i], &out->shift[i]) ||
            !isfinite(out->scale[i]) || !isfinite(out->shift[i]))
            return false;
    return true;
}

static sinter_status read_binary(const sn_pass_context *x, sn_node_id node, sn_arena *a, sn_link *out,
                                 sinter_error *why)
{
    const sn_model *m = x->model;
    const sn_node *n = &m->nodes[node];
    bool legacy = sn_node_version(m, node) < 7;
    bool first = !sn_constant(m, n->in[1]) && !legacy;
    out->data = n->in[first ? 1 : 0];
    const sinter_value *k = sn_constant(m, n->in[first ? 0 : 1]);
    if (!k || sn_constant(m, out->data) || !sn_dtype_is_real(k->dtype) || k->count == 0 || k->count > SN_MAX_CHANNELS ||
        !constant_place(x, node, k, sn_pass_shape(x, out->data), &out->place))
        return sn_fail(why, SINTER_INVALID_MODEL, "it does not add or multiply by a constant per channel");
    out->scale = SN_ARENA_ARRAY(a, double, k->count);
    out->shift = SN_ARENA_ARRAY(a, double, k->count);
    if (!out->scale || !out->shift) return sn_pass_no_memory(x);
    if (!read_constant_link(k, first, find_binary(n), out))
        return sn_fail(why, SINTER_INVALID_MODEL, "it is not affine, or its constant is not finite");
    return SINTER_OK;
}

static sinter_status read_bn(const sn_pass_context *x, sn_node_id node, sn_arena *a, sn_link *out, sinter_error *why)
{
    size_t channels = 0;
    SN_TRY(sn_bn_read(x->model, node, a, &out->scale, &out->shift, &channels, why));
    const sn_shape *shape = sn_pass_shape(x, out->data);
    if (channels == 0 || channels > SN_MAX_CHANNELS)
        return sn_fail(why, SINTER_INVALID_MODEL, "it has %zu channels", channels);
    if (shape->rank >= 0 && shape->rank < 2)
        return sn_fail(why, SINTER_INVALID_MODEL, "its input has no channel axis (rank %d)", (int)shape->rank);
    if (shape->rank >= 2 && sn_dim_is_number(shape->dims[1]) && shape->dims[1] != (int64_t)channels)
        return sn_fail(why, SINTER_INVALID_MODEL, "it has %zu channels, but its input has %lld", channels,
                       (long long)shape->dims[1]);
    out->place = (sn_place){1, 1, (int64_t)channels};
    return SINTER_OK;
}

sinter_status sn_link_read(const sn_pass_context *x, sn_node_id node, sn_arena *a, sn_link *out, sinter_error *why)
{
    const sn_node *n = &x->model->nodes[node];
    if (!sn_may_be_link(n)) return sn_fail(why, SINTER_INVALID_MODEL, "it is not affine");
    *out = (sn_link){.node = node, .data = n->in[0], .out = n->out[0]};
    return sn_node_is(n, "BatchNormalization") ? read_bn(x, node, a, out, why) : read_binary(x, node, a, out, why);
}

/* ---------------------------------------------------------------------------------------------------- composing */

sinter_status sn_chain_compose(sn_pass_context *x, sn_chain *c, int axis, size_t size, double **scale, double **shift,
                               sinter_error *why)
{
    *scale = SN_ARENA_ARRAY(&c->arena, double, size);
    *shift = SN_ARENA_ARRAY(&c->arena, double, size);
    if (!*scale || !*shift) return sn_pass_no_memory(x);
    for (size_t i = 0; i < size; i++) (*scale)[i] = 1.0;

    for (size_t k = 0; k < c->n_links; k++) {
        /* In the order of computation: a backward walk met the links last one first. */
        const sn_link *l = &c->links[c->backward ? c->n_links - 1 - k : k];
        if (!sn_place_fits(&l->place, axis, (int64_t)size))
            return sn_fail(why, SINTER_UNSUPPORTED, "the channels of %s are not the %s channels of %s",
                           sn_pass_label(x, l->node), c->backward ? "output" : "input", sn_pass_label(x, c->linear));
        for (size_t i = 0; i < size; i++) {
            size_t channel = sn_place_channel(&l->place, i);
            (*scale)[i] *= l->scale[channel];
            (*shift)[i] = (*shift)[i] * l->scale[channel] + l->shift[channel];
        }
    }
    return SINTER_OK;
}

void sn_chain_free(sn_chain *c)
{
    sn_arena_free(&c->arena);
}
