/*
 * BatchNormalization in all its versions. A tensor is [outer, channels, inner]; rows are converted to double,
 * normalized and rounded back once, whatever the type.
 *
 * Before opset 14 training mode writes up to four more outputs: the updated running mean and variance, and the batch's
 * own
 * ("saved"); since then only the first two. The variance is that of the population. In inference mode nothing changes
 * the statistics, so those outputs, should a node name them, repeat the inputs.
 */
#include "ops/normalize.h"

#include "ops/widen.h"
#include <inttypes.h>
#include <math.h>

enum { X, SCALE, BIAS, MEAN, VARIANCE, N_INPUTS }; /* inputs */

static size_t named_outputs(const sn_node *n)
{
    size_t count = 0;
    for (size_t i = 0; i < n->n_out; i++) count += n->out[i] != SN_NONE;
    return count;
}

static sinter_status prepare(sn_prepare *p, void *params)
{
    sn_bn_params *b = params;
    SN_TRY(sn_attr_float(p, "epsilon", 1e-5f, &b->epsilon));
    SN_TRY(sn_attr_float(p, "momentum", 0.9f, &b->momentum));
    b->spatial = true;
    if (p->op->since < 9) SN_TRY(sn_attr_bool(p, "spatial", true, &b->spatial));
    if (p->op->since >= 14) return sn_attr_bool(p, "training_mode", false, &b->training);
    if (p->op->since >= 7) {
        b->training = named_outputs(p->node) > 1;
        return SINTER_OK;
    }
    bool is_test;
    SN_TRY(sn_attr_bool(p, "is_test", false, &is_test));
    b->training = !is_test;
    return SINTER_OK;
}

/* The shape that scale, bias, mean and variance have for an input of known rank. */
static sn_shape statistics_shape(const sn_bn_params *p, const sn_shape *x)
{
    if (!p->spatial) return sn_shape_of(x->rank > 0 ? x->rank - 1 : 0, x->dims + 1);
    int64_t channels = x->rank >= 2 ? x->dims[1] : 1; /* [N] alone has one channel */
    return sn_shape_of(1, &channels);
}

static bool shapes_agree(const sn_shape *a, const sn_shape *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (sn_dim_is_number(a->dims[i]) && sn_dim_is_number(b->dims[i]) && a->dims[i] != b->dims[i]) return false;
    return true;
}

static const char *const input_names[] = {"X", "scale", "B", "mean", "var"};

static sinter_status infer(sn_infer *x)
{
    const sn_shape *in = sn_infer_shape(x, X);
    sn_shape statistics = SN_SHAPE_UNKNOWN;
    sn_infer_tensor(x, 0, sn_infer_dtype(x, X), in);
    if (in->rank >= 0) {
        statistics = statistics_shape(x->params, in);
        for (size_t i = SCALE; i < N_INPUTS; i++) {
            const sn_shape *s = sn_infer_shape(x, i);
            char found[SN_SHAPE_TEXT], expected[SN_SHAPE_TEXT];
            if (s->rank >= 0 && !shapes_agree(s, &statistics))
                return sn_infer_fail(x, "%s has shape %s, expected %s", input_names[i],
                                     sn_shape_text(s, NULL, found, sizeof found),
                                     sn_shape_text(&statistics, NULL, expected, sizeof expected));
        }
    }
    for (size_t i = 1; i < x->n_out; i++) sn_infer_tensor(x, i, sn_infer_dtype(x, MEAN), &statistics);
    return SINTER_OK;
}

/* Rows of `row` elements; element j of row r belongs to channel r % channels when rows are planes of one channel, or to
 * channel j when a row is a whole sample. Keeping rows long keeps conversion cheap. */
typedef struct layout {
    size_t rows, row, channels;
    bool samples; /* rows are samples */
} layout;

static layout layout_of(const sn_bn_params *p, const sinter_value *in, size_t channels)
{
    const sn_shape *x = &in->shape;
    if (in->count == 0) return (layout){.channels = channels}; /* no memory bounds the sizes: do not multiply them */
    size_t batch = x->rank > 0 ? (size_t)x->dims[0] : 1;
    size_t sample = x->rank > 1 ? (size_t)sn_shape_product(x, 1, x->rank) : 1;
    size_t inner = sample / channels;
    if (!p->spatial || inner == 1) return (layout){batch, sample, channels, true};
    return (layout){batch * channels, inner, channels, false};
}

static void add_row(const double *row, size_t n, double *sums, size_t step)
{
    for (size_t j = 0; j < n; j++) sums[j * step] += row[j];
}

static void add_squares(const double *row, size_t n, const double *means, double *sums, size_t step)
{
    for (size_t j = 0; j < n; j++) {
        double d = row[j] - means[j * step];
        sums[j * step] += d * d;
    }
}

static void batch_statistics(const sinter_value *in, const layout *l, double *row, double *mean, double *variance)
{
    size_t step = l->samples ? 1 : 0;
    double per_channel = (double)l->rows * (double)l->row / (double)l->channels;
    for (size_t c = 0; c < l->channels; c++) mean[c] = variance[c] = 0;
    for (size_t r = 0; r < l->rows; r++) {
        sn_read_row(in, r * l->row, l->row, row);
        add_row(row, l->row, mean + (l->samples ? 0 : r % l->channels), step);
    }
    for (size_t c = 0; c < l->channels; c++) mean[c] /= per_channel;
    for (size_t r = 0; r < l->rows; r++) {
        size_t c = l->samples ? 0 : r % l->channels;
        sn_read_row(in, r * l->row, l->row, row);
        add_squares(row, l->row, mean + c, variance + c, step);
    }
    for (size_t c = 0; c < l->channels; c++) variance[c] /= per_channel;
}

/* y = scale * x + shift, a scale and a shift for each channel. */
static void apply(const sinter_value *in, const layout *l, const double *scale, const double *shift, double *row,
                  sinter_value *out)
{
    for (size_t r = 0; r < l->rows; r++) {
        sn_read_row(in, r * l->row, l->row, row);
        if (l->samples) {
            for (size_t j = 0; j < l->row; j++) row[j] = row[j] * scale[j] + shift[j];
        } else {
            double s = scale[r % l->channels], t = shift[r % l->channels];
            for (size_t j = 0; j < l->row; j++) row[j] = row[j] * s + t;
        }
        sn_write_row(out, r * l->row, l->row, row);
    }
}

static sinter_status write_statistics(sn_eval *x, size_t output, const double *values)
{
    if (output >= x->n_out || !x->out_wanted[output]) return SINTER_OK;
    sinter_value *out;
    SN_TRY(sn_eval_output(x, output, x->in[MEAN]->dtype, &x->in[MEAN]->shape, &out));
    sn_write_row(out, 0, out->count, values);
    return SINTER_OK;
}

static sinter_status write_all_statistics(sn_eval *x, const double *mean, const double *variance,
                                          const double *batch_mean, const double *batch_variance)
{
    const double *const values[] = {mean, variance, batch_mean, batch_variance};
    for (size_t i = 0; i < 4; i++) SN_TRY(write_statistics(x, i + 1, values[i]));
    return SINTER_OK;
}

static sinter_status check_statistics(sn_eval *x, const sn_bn_params *p)
{
    sn_shape expected = statistics_shape(p, &x->in[X]->shape);
    for (size_t i = SCALE; i < N_INPUTS; i++) {
        char text[2][SN_SHAPE_TEXT];
        if (!sn_shape_eq(&x->in[i]->shape, &expected))
            return sn_eval_fail(x, SINTER_INVALID_INPUT, "%s has shape %s, expected %s", input_names[i],
                                sn_shape_text(&x->in[i]->shape, NULL, text[0], sizeof text[0]),
                                sn_shape_text(&expected, NULL, text[1], sizeof text[1]));
    }
    return SINTER_OK;
}

static sinter_status eval(sn_eval *x)
{
    const sn_bn_params *p = x->params;
    const sinter_value *in = x->in[X];
    double *scale, *shift, *mean, *variance, *row, *batch_mean, *batch_variance;
    sinter_value *out;
    SN_TRY(check_statistics(x, p));
    size_t channels = x->in[SCALE]->count;
    layout l = layout_of(p, in, channels);
    SN_TRY(sn_eval_output(x, 0, in->dtype, &in->shape, &out));
    SN_TRY(sn_scratch_load(x, x->in[SCALE], &scale));
    SN_TRY(sn_scratch_load(x, x->in[BIAS], &shift));
    SN_TRY(sn_scratch_load(x, x->in[MEAN], &mean));
    SN_TRY(sn_scratch_load(x, x->in[VARIANCE], &variance));
    SN_TRY(sn_scratch_doubles(x, l.row, &row));
    batch_mean = mean;
    batch_variance = variance;
    if (p->training) {
        SN_TRY(sn_scratch_doubles(x, channels, &batch_mean));
        SN_TRY(sn_scratch_doubles(x, channels, &batch_variance));
        batch_statistics(in, &l, row, batch_mean, batch_variance);
        const double keep = p->momentum;
        for (size_t c = 0; c < channels; c++) {
            mean[c] = mean[c] * keep + batch_mean[c] * (1 - keep);
            variance[c] = variance[c] * keep + batch_variance[c] * (1 - keep);
        }
    }
    SN_TRY(write_all_statistics(x, mean, variance, batch_mean, batch_variance));
    for (size_t c = 0; c < channels; c++) {
        scale[c] /= sqrt(batch_variance[c] + (double)p->epsilon);
        shift[c] -= batch_mean[c] * scale[c];
    }
    apply(in, &l, scale, shift, row, out);
    return SINTER_OK;
}

#define BN(version, signature)                                                                                         \
    {                                                                                                                  \
        "", "BatchNormalization", version, signature, 0, 0, sizeof(sn_bn_params), prepare, infer, eval                 \
    }
#define BEFORE_14                                                                                                      \
    "X:T, scale:T, B:T, mean:T, var:T -> Y:T, mean:T?, var:T?, saved_mean:T?, saved_var:T?; T=float16|float|double"

const sn_op sn_ops_batch_norm[] = {
    BN(1, BEFORE_14),
    BN(6, BEFORE_14),
    BN(7, BEFORE_14),
    BN(9, BEFORE_14),
    BN(14, "X:T, scale:T, B:T, input_mean:U, input_var:U -> Y:T, running_mean:U?, running_var:U?; T=@float, U=@float"),
    BN(15, "X:T, scale:T1, B:T1, input_mean:T2, input_var:T2 -> Y:T, running_mean:T2?, running_var:T2?;"
           " T=@float, T1=@float, T2=@float"),
    {0},
};
