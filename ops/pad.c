/*
 * Pad. Every mode becomes one index map per axis (which element of the input an output position shows, or -1 for the
 * constant), and the copy is one gather along those maps. Negative pads cut. Pads are an attribute up to opset 10, an
 * input from 11 on.
 */
#include "ops/movement.h"
#include "ops/op.h"
#include "ops/typed.h"

typedef enum pad_mode { CONSTANT, REFLECT, EDGE, WRAP } pad_mode;

typedef struct pad_params {
    int mode;
    float value;         /* up to opset 10 */
    const int64_t *pads; /* up to opset 10 */
    size_t n_pads;
} pad_params;

static sinter_status prepare_pad(sn_prepare *p, void *params)
{
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap", NULL};
    pad_params *q = params;
    SN_TRY(sn_attr_choice(p, "mode", modes, CONSTANT, &q->mode));
    if (p->version >= 11) return SINTER_OK;
    SN_TRY(sn_attr_float(p, "value", 0, &q->value));
    const char *name = p->version < 2 ? "paddings" : "pads";
    if (!sn_attr_present(p, name)) return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute '%s' is missing", name);
    return sn_attr_ints(p, name, &q->pads, &q->n_pads);
}

/* Begins and ends by dimension. */
typedef struct margins {
    int64_t begin[SN_MAX_RANK], end[SN_MAX_RANK];
} margins;

/* What is wrong, or NULL. axes NULL: all dimensions in order. */
static const char *resolve_margins(int rank, const int64_t *pads, size_t n_pads, const int64_t *axes, size_t n_axes,
                                   margins *out)
{
    size_t n = axes ? n_axes : (size_t)rank;
    bool seen[SN_MAX_RANK] = {false};
    *out = (margins){0};
    if (n > SN_MAX_RANK || n_pads != 2 * n) return "pads has not two entries per padded axis";
    for (size_t i = 0; i < n; i++) {
        int axis = (int)i;
        if (axes && (!sn_axis_normalize(axes[i], rank, &axis) || seen[axis]))
            return "an axis is outside the input's rank or comes twice";
        seen[axis] = true;
        out->begin[axis] = pads[i];
        out->end[axis] = pads[n + i];
    }
    return NULL;
}

static bool padded_dim(int64_t dim, int64_t begin, int64_t end, int64_t *out)
{
    return !__builtin_add_overflow(dim, begin, out) && !__builtin_add_overflow(*out, end, out) && *out >= 0;
}

/* ---------------------------------------------------------------------------------------------------- infer */

static sinter_status infer_pad(sn_infer *x)
{
    const pad_params *p = x->params;
    sn_shape out = *sn_infer_shape(x, 0);
    const int64_t *pads = p->pads, *axes = NULL;
    size_t n_pads = p->n_pads, n_axes = 0;
    bool have = pads || sn_infer_numbers(x, 1, &pads, &n_pads);
    if (sn_infer_has(x, 3)) have = have && sn_infer_numbers(x, 3, &axes, &n_axes);
    have = have && out.rank >= 0;
    margins m;
    if (have) {
        const char *wrong = resolve_margins(out.rank, pads, n_pads, axes, n_axes, &m);
        if (wrong) return sn_infer_fail(x, "%s (input rank %d, %zu pads)", wrong, out.rank, n_pads);
    }
    for (int i = 0; i < out.rank; i++) {
        bool unchanged = have && m.begin[i] == 0 && m.end[i] == 0;
        if (unchanged) continue;
        int64_t dim = SN_DIM_UNKNOWN;
        if (have && sn_dim_is_number(out.dims[i]) && !padded_dim(out.dims[i], m.begin[i], m.end[i], &dim))
            return sn_infer_fail(x, "dimension %d is %lld, and pads %lld and %lld make it negative or too large", i,
                                 (long long)out.dims[i], (long long)m.begin[i], (long long)m.end[i]);
        out.dims[i] = dim;
    }
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), &out);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- eval */

/* i modulo n, in [0, n). */
static int64_t modulo(int64_t i, int64_t n)
{
    int64_t r = i % n;
    return r < 0 ? r + n : r;
}

/* The input element that position i, counted from the input's first element, shows. n is not 0 outside the constant
 * mode. */
static int64_t map_position(pad_mode mode, int64_t i, int64_t n)
{
    if (i >= 0 && i < n) return i;
    switch (mode) {
    case EDGE: return i < 0 ? 0 : n - 1;
    case WRAP: return modulo(i, n);
    case REFLECT: { /* the edge element itself is not repeated */
        if (n == 1) return 0;
        int64_t m = modulo(i, 2 * (n - 1));
        return m < n ? m : 2 * (n - 1) - m;
    }
    default: return -1;
    }
}

static sinter_status build_map(sn_eval *x, pad_mode mode, int64_t in, int64_t begin, int64_t out, const int64_t **map)
{
    if (mode != CONSTANT && in == 0 && out > 0)
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "an empty dimension can only be padded with a constant");
    int64_t *m = sn_eval_scratch(x, (size_t)out * sizeof *m);
    if (!m) return sn_no_memory(x->err, "evaluating Pad");
    for (int64_t i = 0; i < out; i++) m[i] = map_position(mode, i - begin, in);
    *map = m;
    return SINTER_OK;
}

static sinter_status read_integers(sn_eval *x, size_t i, const int64_t **out, size_t *n)
{
    const sinter_value *v = x->in[i];
    int64_t *list = sn_eval_scratch(x, v->count * sizeof *list);
    if (!list) return sn_no_memory(x->err, "evaluating Pad");
    sn_load_int64s(v->dtype, v->data, v->count, list);
    *out = list;
    *n = v->count;
    return SINTER_OK;
}

static sinter_status eval_margins(sn_eval *x, const sn_shape *in, margins *m, sn_shape *out)
{
    const pad_params *p = x->params;
    const int64_t *pads = p->pads, *axes = NULL;
    size_t n_pads = p->n_pads, n_axes = 0;
    if (x->op->since >= 11) SN_TRY(read_integers(x, 1, &pads, &n_pads));
    if (sn_eval_has(x, 3)) SN_TRY(read_integers(x, 3, &axes, &n_axes));
    const char *wrong = resolve_margins(in->rank, pads, n_pads, axes, n_axes, m);
    if (wrong) return sn_eval_fail(x, SINTER_INVALID_INPUT, "%s (input rank %d, %zu pads)", wrong, in->rank, n_pads);
    *out = *in;
    for (int i = 0; i < in->rank; i++)
        if (!padded_dim(in->dims[i], m->begin[i], m->end[i], &out->dims[i]))
            return sn_eval_fail(x, SINTER_INVALID_INPUT,
                                "dimension %d is %lld, and pads %lld and %lld make it negative or too large", i,
                                (long long)in->dims[i], (long long)m->begin[i], (long long)m->end[i]);
    return SINTER_OK;
}

typedef union element { /* room for one of any type */
    unsigned char bytes[16];
    sinter_string string;
} element;

static sinter_status fill_value(sn_eval *x, sinter_dtype dtype, element *fill)
{
    const pad_params *p = x->params;
    memset(fill, 0, sizeof *fill);
    if (dtype == SINTER_STRING) fill->string = (sinter_string){"", 0};
    if (x->op->since < 11) {
        sn_store_floats(dtype, &p->value, 1, fill);
    } else if (sn_eval_has(x, 2)) {
        if (x->in[2]->count != 1)
            return sn_eval_fail(x, SINTER_INVALID_INPUT, "constant_value has %zu elements, expected one",
                                x->in[2]->count);
        memcpy(fill, x->in[2]->data, sn_dtypes[dtype].size);
    }
    return SINTER_OK;
}

static sinter_status eval_pad(sn_eval *x)
{
    const pad_params *p = x->params;
    const sinter_value *in = x->in[0];
    margins m;
    sn_shape shape;
    element fill;
    const int64_t *maps[SN_MAX_RANK];
    sinter_value *out;
    SN_TRY(eval_margins(x, &in->shape, &m, &shape));
    SN_TRY(fill_value(x, in->dtype, &fill));
    SN_TRY(sn_eval_output(x, 0, in->dtype, &shape, &out));
    if (out->count == 0) return SINTER_OK;
    for (int i = 0; i < shape.rank; i++)
        SN_TRY(build_map(x, (pad_mode)p->mode, in->shape.dims[i], m.begin[i], shape.dims[i], &maps[i]));
    sn_gather_maps(&in->shape, &shape, maps, sn_dtypes[in->dtype].size, out->data, in->data, &fill);
    return SINTER_OK;
}

const sn_op sn_ops_pad[] = {
    {"", "Pad", 1, "data:T -> output:T; T=@float", 0, 0, sizeof(pad_params), prepare_pad, infer_pad, eval_pad},
    {"", "Pad", 11, "data:T, pads:int64, constant_value:T? -> output:T; T=@all", 0, 0, sizeof(pad_params), prepare_pad,
     infer_pad, eval_pad},
    {"", "Pad", 18, "data:T, pads:int64, constant_value:T?, axes:I? -> output:T; T=@every, I=int32|int64", 0, 0,
     sizeof(pad_params), prepare_pad, infer_pad, eval_pad},
    {0},
};
