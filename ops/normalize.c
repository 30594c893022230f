/*
 * InstanceNormalization, LayerNormalization, GroupNormalization: a row of elements is brought to mean 0 and variance 1,
 * then scaled and shifted; RMSNormalization: divided by its root mean square, then scaled. They differ in what a row is
 * and in how scale and bias spread over it. Rows are converted to double and rounded back once, so one path serves all
 * types.
 */
#include "ops/normalize.h"

#include "ops/widen.h"
#include <inttypes.h>
#include <math.h>

/* Normalizes in place; gives the mean and 1 / sqrt(variance + epsilon). */
static void standardize(double *row, size_t n, double epsilon, double *mean, double *inverse)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += row[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        row[i] -= *mean;
        squares += row[i] * row[i];
    }
    *inverse = 1 / sqrt(squares / (double)n + epsilon);
    for (size_t i = 0; i < n; i++) row[i] *= *inverse;
}

/* The same without a mean: rows keep theirs. */
static void divide_by_root_mean_square(double *row, size_t n, double epsilon, double *mean, double *inverse)
{
    double squares = 0;
    for (size_t i = 0; i < n; i++) squares += row[i] * row[i];
    *mean = 0;
    *inverse = 1 / sqrt(squares / (double)n + epsilon);
    for (size_t i = 0; i < n; i++) row[i] *= *inverse;
}

static sinter_status vector_expected(sn_eval *x, size_t input, const char *name, int64_t count)
{
    char text[SN_SHAPE_TEXT];
    const sn_shape *s = &x->in[input]->shape;
    if (s->rank == 1 && s->dims[0] == count) return SINTER_OK;
    return sn_eval_fail(x, SINTER_INVALID_INPUT, "%s has shape %s, expected [%" PRId64 "]", name,
                        sn_shape_text(s, NULL, text, sizeof text), count);
}

static sinter_status infer_vector(sn_infer *x, size_t input, const char *name, int64_t count)
{
    char text[SN_SHAPE_TEXT];
    const sn_shape *s = sn_infer_shape(x, input);
    if (s->rank < 0) return SINTER_OK;
    bool differs = s->rank != 1 || (sn_dim_is_number(s->dims[0]) && sn_dim_is_number(count) && s->dims[0] != count);
    if (!differs) return SINTER_OK;
    return sn_infer_fail(x, "%s has shape %s, expected [%" PRId64 "]", name, sn_shape_text(s, NULL, text, sizeof text),
                         sn_dim_is_number(count) ? count : -1);
}

/* ---------------------------------------------------------------------------------- InstanceNormalization,
 * GroupNormalization */

static sinter_status instance_prepare(sn_prepare *p, void *params)
{
    sn_instance_norm_params *n = params;
    return sn_attr_float(p, "epsilon", 1e-5f, &n->epsilon);
}

static sinter_status group_prepare(sn_prepare *p, void *params)
{
    sn_group_norm_params *n = params;
    n->per_group = p->op->since < 21;
    SN_TRY(sn_attr_float(p, "epsilon", 1e-5f, &n->epsilon));
    SN_TRY(sn_attr_int(p, "num_groups", 0, &n->groups));
    if (n->groups < 1)
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'num_groups': %" PRId64 ", expected at least 1",
                               n->groups);
    return SINTER_OK;
}

static sinter_status infer_channels(sn_infer *x, int64_t groups, bool per_group)
{
    const sn_shape *in = sn_infer_shape(x, 0);
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), in);
    if (in->rank < 0) return SINTER_OK;
    if (in->rank < 2) return sn_infer_fail(x, "input of rank %d, expected at least 2", in->rank);
    if (groups && sn_dim_is_number(in->dims[1]) && in->dims[1] % groups != 0)
        return sn_infer_fail(x, "attribute 'num_groups': %" PRId64 " does not divide %" PRId64 " channels", groups,
                             in->dims[1]);
    SN_TRY(infer_vector(x, 1, "scale", per_group ? groups : in->dims[1]));
    return infer_vector(x, 2, "bias", per_group ? groups : in->dims[1]);
}

static sinter_status instance_infer(sn_infer *x)
{
    return infer_channels(x, 0, false);
}

static sinter_status group_infer(sn_infer *x)
{
    const sn_group_norm_params *p = x->params;
    return infer_channels(x, p->groups, p->per_group);
}

/* Rows are groups of channels; an instance norm is one with a channel per group. */
static sinter_status eval_groups(sn_eval *x, int64_t groups, bool per_group, double epsilon)
{
    const sinter_value *in = x->in[0];
    const sn_shape *shape = &in->shape;
    if (shape->rank < 2)
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "input of rank %d, expected at least 2", shape->rank);
    int64_t channels = shape->dims[1];
    if (groups == 0) groups = channels;
    if (groups != 0 && channels % groups != 0)
        return sn_eval_fail(x, SINTER_INVALID_INPUT,
                            "attribute 'num_groups': %" PRId64 " does not divide %" PRId64 " channels", groups,
                            channels);
    SN_TRY(vector_expected(x, 1, "scale", per_group ? groups : channels));
    SN_TRY(vector_expected(x, 2, "bias", per_group ? groups : channels));

    sinter_value *out;
    double *scale, *bias, *row;
    SN_TRY(sn_eval_output(x, 0, in->dtype, shape, &out));
    if (groups == 0 || in->count == 0) return SINTER_OK; /* no channels, or nothing in them */
    SN_TRY(sn_scratch_load(x, x->in[1], &scale));
    SN_TRY(sn_scratch_load(x, x->in[2], &bias));
    size_t plane = (size_t)sn_shape_product(shape, 2, shape->rank);
    size_t members = (size_t)(channels / groups), n = members * plane, rows = in->count / n;
    SN_TRY(sn_scratch_doubles(x, n, &row));
    for (size_t r = 0; r < rows; r++) {
        double mean, inverse;
        if (sn_eval_cancelled(x)) return sn_eval_fail(x, SINTER_CANCELLED, "cancelled");
        sn_read_row(in, r * n, n, row);
        standardize(row, n, epsilon, &mean, &inverse);
        size_t group = r % (size_t)groups;
        for (size_t c = 0; c < members; c++) {
            size_t k = per_group ? group : group * members + c;
            double *channel = row + c * plane;
            for (size_t i = 0; i < plane; i++) channel[i] = channel[i] * scale[k] + bias[k];
        }
        sn_write_row(out, r * n, n, row);
    }
    return SINTER_OK;
}

static sinter_status instance_eval(sn_eval *x)
{
    const sn_instance_norm_params *p = x->params;
    return eval_groups(x, 0, false, (double)p->epsilon);
}

static sinter_status group_eval(sn_eval *x)
{
    const sn_group_norm_params *p = x->params;
    return eval_groups(x, p->groups, p->per_group, (double)p->epsilon);
}

/* ----------------------------------------------------------------------------------------------------
 * LayerNormalization, RMSNormalization */

static sinter_status layer_prepare(sn_prepare *p, void *params)
{
    sn_layer_norm_params *n = params;
    int64_t stash;
    SN_TRY(sn_attr_int(p, "axis", -1, &n->axis));
    SN_TRY(sn_attr_float(p, "epsilon", 1e-5f, &n->epsilon));
    SN_TRY(sn_attr_int(p, "stash_type", SINTER_FLOAT, &stash));
    if (stash != SINTER_FLOAT && stash != SINTER_BFLOAT16)
        return sn_prepare_fail(p, SINTER_INVALID_MODEL,
                               "attribute 'stash_type': %" PRId64 ", expected %d (float) or %d (bfloat16)", stash,
                               SINTER_FLOAT, SINTER_BFLOAT16);
    n->stash_type = (sinter_dtype)stash;
    return SINTER_OK;
}

static sn_shape reduced_shape(const sn_shape *in, int axis)
{
    sn_shape reduced = *in;
    for (int i = axis; i < reduced.rank; i++) reduced.dims[i] = 1;
    return reduced;
}

/* Scale and bias are broadcast to the input, never the other way round. */
static bool parameter_fits(const sn_shape *parameter, const sn_shape *in)
{
    if (parameter->rank > in->rank) return false;
    for (int i = 0; i < parameter->rank; i++) {
        int64_t d = parameter->dims[i], t = in->dims[in->rank - parameter->rank + i];
        if (d != 1 && d != t && sn_dim_is_number(d) && sn_dim_is_number(t)) return false;
    }
    return true;
}

/* Checks axis, scale and bias (of LayerNormalization), and gives the shape with an element for each row. */
static sinter_status infer_rows(sn_infer *x, sn_shape *reduced)
{
    const sn_layer_norm_params *p = x->params;
    const sn_shape *in = sn_infer_shape(x, 0);
    *reduced = SN_SHAPE_UNKNOWN;
    if (in->rank < 0) return SINTER_OK;
    int axis;
    if (!sn_axis_normalize(p->axis, in->rank, &axis))
        return sn_infer_fail(x, "attribute 'axis': %" PRId64 " for an input of rank %d", p->axis, in->rank);
    *reduced = reduced_shape(in, axis);
    for (size_t i = 1; i < x->n_in; i++) {
        const sn_shape *s = sn_infer_shape(x, i);
        char text[2][SN_SHAPE_TEXT];
        if (s->rank >= 0 && !parameter_fits(s, in))
            return sn_infer_fail(x, "%s of shape %s cannot be broadcast to the input's shape %s",
                                 i == 1 ? "scale" : "bias", sn_shape_text(s, NULL, text[0], sizeof text[0]),
                                 sn_shape_text(in, NULL, text[1], sizeof text[1]));
    }
    return SINTER_OK;
}

static sinter_status layer_infer(sn_infer *x)
{
    const sn_layer_norm_params *p = x->params;
    sn_shape reduced;
    SN_TRY(infer_rows(x, &reduced));
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), sn_infer_shape(x, 0));
    sn_infer_tensor(x, 1, p->stash_type, &reduced);
    sn_infer_tensor(x, 2, p->stash_type, &reduced);
    return SINTER_OK;
}

/* The output has the scale's type. */
static sinter_status rms_infer(sn_infer *x)
{
    sn_shape reduced;
    SN_TRY(infer_rows(x, &reduced));
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 1), sn_infer_shape(x, 0));
    return SINTER_OK;
}

/* Scale or bias spread out to whole rows: `step` doubles further is the next row's (0: the same for all rows). */
typedef struct spread {
    double *values;
    size_t step;
} spread;

static sinter_status spread_parameter(sn_eval *x, size_t input, int axis, spread *out)
{
    const sinter_value *v = x->in[input];
    const sn_shape *in = &x->in[0]->shape, *own = &v->shape;
    char text[2][SN_SHAPE_TEXT];
    if (!parameter_fits(own, in))
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "%s of shape %s cannot be broadcast to the input's shape %s",
                            input == 1 ? "scale" : "bias", sn_shape_text(own, NULL, text[0], sizeof text[0]),
                            sn_shape_text(in, NULL, text[1], sizeof text[1]));
    double *values;
    SN_TRY(sn_scratch_load(x, v, &values));
    int first = in->rank - own->rank; /* the input's axis that the parameter's axis 0 lies under */
    bool varies = false;
    for (int i = first; i < axis; i++) varies |= own->dims[i - first] != 1;
    int from = varies ? 0 : axis;
    size_t n = (size_t)sn_shape_product(in, from, in->rank);
    out->step = varies ? (size_t)sn_shape_product(in, axis, in->rank) : 0;
    if (n == v->count) {
        out->values = values;
        return SINTER_OK;
    }
    SN_TRY(sn_scratch_doubles(x, n, &out->values));
    for (size_t i = 0; i < n; i++) {
        size_t rest = i, source = 0, stride = 1;
        for (int a = in->rank - 1; a >= from && a >= first; a--) {
            size_t size = (size_t)in->dims[a], own_size = (size_t)own->dims[a - first];
            if (own_size != 1) source += rest % size * stride;
            stride *= own_size;
            rest /= size;
        }
        out->values[i] = values[source];
    }
    return SINTER_OK;
}

typedef void normalize_row(double *row, size_t n, double epsilon, double *mean, double *inverse);

static sinter_status eval_rows(sn_eval *x, normalize_row *normalize, sinter_dtype dtype)
{
    const sn_layer_norm_params *p = x->params;
    const sinter_value *in = x->in[0];
    int axis;
    if (!sn_axis_normalize(p->axis, in->shape.rank, &axis))
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "attribute 'axis': %" PRId64 " for an input of rank %d", p->axis,
                            in->shape.rank);
    sn_shape reduced = reduced_shape(&in->shape, axis);
    sinter_value *out, *means, *inverses;
    SN_TRY(sn_eval_output(x, 0, dtype, &in->shape, &out));
    SN_TRY(sn_eval_output(x, 1, p->stash_type, &reduced, &means));
    SN_TRY(sn_eval_output(x, 2, p->stash_type, &reduced, &inverses));
    spread scale, bias = {NULL, 0};
    double *row;
    if (in->count == 0) {
        memset(means->data, 0, means->size);
        memset(inverses->data, 0, inverses->size);
        return SINTER_OK;
    }
    SN_TRY(spread_parameter(x, 1, axis, &scale));
    if (sn_eval_has(x, 2)) SN_TRY(spread_parameter(x, 2, axis, &bias));
    size_t n = (size_t)sn_shape_product(&in->shape, axis, in->shape.rank), rows = in->count / n;
    SN_TRY(sn_scratch_doubles(x, n, &row));
    for (size_t r = 0; r < rows; r++) {
        double mean, inverse;
        if (sn_eval_cancelled(x)) return sn_eval_fail(x, SINTER_CANCELLED, "cancelled");
        sn_read_row(in, r * n, n, row);
        normalize(row, n, (double)p->epsilon, &mean, &inverse);
        const double *s = scale.values + r * scale.step;
        for (size_t i = 0; i < n; i++) row[i] *= s[i];
        if (bias.values) {
            const double *b = bias.values + r * bias.step;
            for (size_t i = 0; i < n; i++) row[i] += b[i];
        }
        sn_write_row(out, r * n, n, row);
        sn_store_double(means->dtype, means->data, r, mean);
        sn_store_double(inverses->dtype, inverses->data, r, inverse);
    }
    return SINTER_OK;
}

static sinter_status layer_eval(sn_eval *x)
{
    return eval_rows(x, standardize, x->in[0]->dtype);
}

static sinter_status rms_eval(sn_eval *x)
{
    return eval_rows(x, divide_by_root_mean_square, x->in[1]->dtype);
}

/* ---------------------------------------------------------------------------------------------------- rows */

#define INSTANCE(version, types)                                                                                       \
    {                                                                                                                  \
        "", "InstanceNormalization", version, "input:T, scale:T, B:T -> output:T; T=" types, 0, 0,                     \
            sizeof(sn_instance_norm_params), instance_prepare, instance_infer, instance_eval                           \
    }
#define GROUP(version)                                                                                                 \
    {                                                                                                                  \
        "", "GroupNormalization", version, "X:T, scale:T, bias:T -> Y:T; T=@float", 0, 0,                              \
            sizeof(sn_group_norm_params), group_prepare, group_infer, group_eval                                       \
    }

const sn_op sn_ops_normalize[] = {
    INSTANCE(1, "float16|float|double"),
    INSTANCE(6, "float16|float|double"),
    INSTANCE(22, "@float"),
    {"", "LayerNormalization", 17, "X:T, Scale:T, B:T? -> Y:T, Mean:U?, InvStdDev:U?; T=@float, U=float|bfloat16", 0, 0,
     sizeof(sn_layer_norm_params), layer_prepare, layer_infer, layer_eval},
    {"", "RMSNormalization", 23, "X:T, scale:V -> Y:V; T=@float, V=@float", 0, 0, sizeof(sn_layer_norm_params),
     layer_prepare, rms_infer, rms_eval},
    GROUP(18),
    GROUP(21),
    {0},
};
