/*
 * Resize and its predecessor Upsample.
 *
 * Interpolation is separable: each axis that changes is one pass over the data with the weights that resize_axis.c
 * made, in float (double for double and integers). Nearest moves elements by size along index maps and so takes any
 * type. Before opset 11 coordinates are "asymmetric" and only scales are given.
 */
#include "ops/resize.h"

#include "base/size.h"
#include "ops/movement.h"
#include "ops/typed.h"
#include <math.h>

typedef enum aspect_policy { STRETCH, NOT_LARGER, NOT_SMALLER } aspect_policy;

typedef struct resize_params {
    sn_resize_method method;
    float extrapolation;
    int policy;
    const int64_t *axes; /* NULL: all */
    size_t n_axes;
    const float *scales; /* the attribute of Upsample-7 */
    size_t n_scales;
} resize_params;

enum { SCALES_ATTRIBUTE, SCALES_SECOND, ROI_SCALES_SIZES }; /* variants: where the inputs are */

static size_t scales_slot(const sn_op *op)
{
    return op->variant == SCALES_SECOND ? 1 : 2;
}
static bool takes_sizes(const sn_op *op)
{
    return op->variant == ROI_SCALES_SIZES;
}

/* ---------------------------------------------------------------------------------------------------- prepare */

static sinter_status prepare_resize(sn_prepare *p, void *params)
{
    static const char *const modes[] = {"nearest", "linear", "cubic", NULL};
    static const char *const coordinates[] = {
        "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
        "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize", NULL};
    static const char *const roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL};
    static const char *const policies[] = {"stretch", "not_larger", "not_smaller", NULL};
    resize_params *r = params;
    sn_resize_method *m = &r->method;
    SN_TRY(sn_attr_choice(p, "mode", modes, SN_RESIZE_NEAREST, &m->mode));
    if (!takes_sizes(p->op)) {
        m->coordinates = SN_RESIZE_ASYMMETRIC;
        m->rounding = SN_RESIZE_SIMPLE;
        if (p->op->variant == SCALES_ATTRIBUTE) return sn_attr_floats(p, "scales", &r->scales, &r->n_scales);
        return SINTER_OK;
    }
    float cubic_a;
    SN_TRY(sn_attr_choice(p, "coordinate_transformation_mode", coordinates, SN_RESIZE_HALF_PIXEL, &m->coordinates));
    SN_TRY(sn_attr_choice(p, "nearest_mode", roundings, SN_RESIZE_ROUND_PREFER_FLOOR, &m->rounding));
    SN_TRY(sn_attr_choice(p, "keep_aspect_ratio_policy", policies, STRETCH, &r->policy));
    SN_TRY(sn_attr_float(p, "cubic_coeff_a", -0.75f, &cubic_a));
    m->cubic_a = (double)cubic_a;
    SN_TRY(sn_attr_bool(p, "antialias", false, &m->antialias));
    SN_TRY(sn_attr_bool(p, "exclude_outside", false, &m->exclude_outside));
    SN_TRY(sn_attr_float(p, "extrapolation_value", 0, &r->extrapolation));
    return sn_attr_ints(p, "axes", &r->axes, &r->n_axes);
}

/* ---------------------------------------------------------------------------------------------------- geometry */

/* The axes that scales, sizes and roi speak of, in their order; false when one is wrong or the rank is unknown. */
static bool resolve_axes(const resize_params *p, int rank, int *axes, size_t *n)
{
    uint32_t seen = 0;
    *n = p->axes ? p->n_axes : (size_t)rank;
    if (rank < 0 || *n > (size_t)rank) return false;
    for (size_t i = 0; i < *n; i++) {
        axes[i] = (int)i;
        if (p->axes && !sn_axis_normalize(p->axes[i], rank, &axes[i])) return false;
        if (seen >> axes[i] & 1) return false;
        seen |= UINT32_C(1) << axes[i];
    }
    return true;
}

/* In float, as ONNX Runtime does it: 10 times 0.7f is 7, not 6.99999988. False when the result makes no sense. */
static bool scaled_dim(int64_t dim, float scale, int64_t *out)
{
    float v = floorf((float)dim * scale);
    if (!(scale > 0) || !isfinite(scale) || !(v < 0x1p62f)) return false;
    *out = scale == 1 ? dim : (int64_t)v;
    return true;
}

/* One scale for all axes, so that the picture keeps its proportions. */
static double common_scale(aspect_policy policy, const double *scales, const int *axes, size_t n)
{
    double common = scales[axes[0]];
    for (size_t i = 1; i < n; i++) {
        double scale = scales[axes[i]];
        if (policy == NOT_LARGER ? scale < common : scale > common) common = scale;
    }
    return common;
}

/* Fills dims and scales of the axes from sizes; what is wrong, or NULL. */
static const char *apply_sizes(const resize_params *p, const sn_shape *in, const int *axes, size_t n,
                               const int64_t *sizes, size_t n_sizes, sn_shape *out, double *scales)
{
    if (n_sizes != n) return "sizes has not one entry per axis";
    for (size_t i = 0; i < n; i++) {
        int64_t dim = in->dims[axes[i]];
        if (sizes[i] < 0 || sizes[i] > INT64_MAX / 2) return "a size is negative or too large";
        out->dims[axes[i]] = sizes[i];
        scales[axes[i]] = dim > 0 ? (double)sizes[i] / (double)dim : 1;
    }
    if (p->policy == STRETCH || n == 0) return NULL;
    double common = common_scale((aspect_policy)p->policy, scales, axes, n);
    for (size_t i = 0; i < n; i++) {
        double v = floor(common * (double)in->dims[axes[i]] + 0.5);
        if (!(v < 0x1p62)) return "a size is too large";
        out->dims[axes[i]] = (int64_t)v;
        scales[axes[i]] = common;
    }
    return NULL;
}

static const char *apply_scales(const sn_shape *in, const int *axes, size_t n, const float *given, size_t n_given,
                                sn_shape *out, double *scales)
{
    if (n_given != n) return "scales has not one entry per axis";
    for (size_t i = 0; i < n; i++) {
        int64_t dim = in->dims[axes[i]];
        int64_t *to = &out->dims[axes[i]];
        scales[axes[i]] = (double)given[i];
        if (!sn_dim_is_number(dim))
            *to = given[i] == 1 ? dim : SN_DIM_UNKNOWN;
        else if (!scaled_dim(dim, given[i], to))
            return "a scale is not positive or too large";
    }
    return NULL;
}

/* ---------------------------------------------------------------------------------------------------- infer */

/* The scales when they are constant: of the attribute or of the input; NULL otherwise. */
static const float *constant_scales(const sn_infer *x, size_t *n)
{
    const resize_params *p = x->params;
    size_t slot = scales_slot(x->op);
    *n = p->n_scales;
    if (x->op->variant == SCALES_ATTRIBUTE) return p->scales;
    const sinter_value *v = sn_infer_has(x, slot) ? x->in[slot].constant : NULL;
    if (!v || v->dtype != SINTER_FLOAT || v->count == 0) return NULL;
    *n = v->count;
    return v->data;
}

/* Sizes whose elements may be symbols: each is the dimension, unless the aspect ratio is kept. */
static void apply_symbolic_sizes(const resize_params *p, const sn_fact *sizes, const int *axes, size_t n, sn_shape *out)
{
    for (size_t i = 0; i < n; i++) {
        bool have = sizes->known && sizes->n_known == n && p->policy == STRETCH;
        int64_t dim = have ? sizes->known[i] : SN_DIM_UNKNOWN;
        out->dims[axes[i]] = sn_dim_is_number(dim) && dim < 0 ? SN_DIM_UNKNOWN : dim;
    }
}

static sinter_status infer_resize(sn_infer *x)
{
    const resize_params *p = x->params;
    sn_shape out = *sn_infer_shape(x, 0);
    int axes[SN_MAX_RANK];
    double scales[SN_MAX_RANK];
    size_t n, n_given;
    const char *wrong = NULL;
    if (out.rank >= 0) {
        if (!resolve_axes(p, out.rank, axes, &n))
            return sn_infer_fail(x, "attribute 'axes' does not fit an input of rank %d", out.rank);
        const sn_shape in = out;
        const int64_t *numbers;
        const float *given = constant_scales(x, &n_given);
        const sn_fact *sizes = takes_sizes(x->op) && sn_infer_has(x, 3) ? &x->in[3] : NULL;
        bool empty_sizes = sizes && sizes->known && sizes->n_known == 0;
        if (sizes && !empty_sizes && sn_shape_is_static(&in) && sn_infer_numbers(x, 3, &numbers, &n_given))
            wrong = apply_sizes(p, &in, axes, n, numbers, n_given, &out, scales);
        else if (sizes && !empty_sizes)
            apply_symbolic_sizes(p, sizes, axes, n, &out);
        else if (given)
            wrong = apply_scales(&in, axes, n, given, n_given, &out, scales);
        else
            apply_symbolic_sizes(p, &(sn_fact){.known = NULL}, axes, n, &out);
    }
    if (wrong) return sn_infer_fail(x, "%s", wrong);
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), &out);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- eval */

static sinter_status read_roi(sn_eval *x, const int *axes, size_t n, sn_resize_axis *geometry)
{
    const sinter_value *roi = sn_eval_has(x, 1) ? x->in[1] : NULL;
    double v[2 * SN_MAX_RANK];
    if (!roi || roi->count != 2 * n)
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "roi has %zu elements, expected %zu", roi ? roi->count : 0, 2 * n);
    sn_load_doubles(roi->dtype, roi->data, 2 * n, v);
    for (size_t i = 0; i < n; i++) {
        geometry[axes[i]].roi_start = v[i];
        geometry[axes[i]].roi_end = v[n + i];
    }
    return SINTER_OK;
}

static bool has_elements(const sn_eval *x, size_t i)
{
    return sn_eval_has(x, i) && x->in[i]->count > 0;
}

static sinter_status resolve_geometry(sn_eval *x, const sn_shape *in, sn_resize_axis *geometry, sn_shape *out)
{
    const resize_params *p = x->params;
    int axes[SN_MAX_RANK];
    double scales[SN_MAX_RANK];
    size_t n, slot = scales_slot(x->op);
    const char *wrong;
    if (!resolve_axes(p, in->rank, axes, &n))
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "attribute 'axes' does not fit an input of rank %d", in->rank);
    *out = *in;
    for (int i = 0; i < in->rank; i++) scales[i] = 1;
    if (x->op->variant == SCALES_ATTRIBUTE)
        wrong = apply_scales(in, axes, n, p->scales, p->n_scales, out, scales);
    else if (takes_sizes(x->op) && has_elements(x, 3))
        wrong = apply_sizes(p, in, axes, n, x->in[3]->data, x->in[3]->count, out, scales);
    else if (has_elements(x, slot))
        wrong = apply_scales(in, axes, n, x->in[slot]->data, x->in[slot]->count, out, scales);
    else
        wrong = "neither scales nor sizes are given";
    if (wrong) return sn_eval_fail(x, SINTER_INVALID_INPUT, "%s (input rank %d, %zu axes)", wrong, in->rank, n);
    for (int i = 0; i < in->rank; i++) geometry[i] = (sn_resize_axis){in->dims[i], out->dims[i], scales[i], 0, 1};
    return p->method.coordinates == SN_RESIZE_TF_CROP_AND_RESIZE ? read_roi(x, axes, n, geometry) : SINTER_OK;
}

static sinter_status eval_nearest(sn_eval *x, const sn_resize_axis *geometry, sinter_value *out)
{
    const resize_params *p = x->params;
    const sinter_value *in = x->in[0];
    const int64_t *maps[SN_MAX_RANK];
    union {
        unsigned char bytes[16];
        sinter_string string;
    } fill = {.bytes = {0}};
    for (int i = 0; i < out->shape.rank; i++) {
        int64_t *map;
        SN_TRY(sn_resize_make_map(x, &p->method, &geometry[i], &map));
        maps[i] = map;
    }
    if (in->dtype == SINTER_STRING)
        fill.string = (sinter_string){"", 0};
    else if (sn_dtypes[in->dtype].klass != SN_CLASS_COMPLEX)
        sn_store_floats(in->dtype, &p->extrapolation, 1, &fill);
    sn_gather_maps(&in->shape, &out->shape, maps, sn_dtypes[in->dtype].size, out->data, in->data, &fill);
    return SINTER_OK;
}

/* [outer, in, inner] -> [outer, out, inner]. The innermost axis is summed in a register, any other row by row. */
#define DEFINE_PASS(suffix, type)                                                                                      \
    static type weigh_##suffix(const type *src, const int64_t *at, const double *weights, size_t taps)                 \
    {                                                                                                                  \
        type sum = 0;                                                                                                  \
        for (size_t t = 0; t < taps; t++) sum += (type)weights[t] * src[at[t]];                                        \
        return sum;                                                                                                    \
    }                                                                                                                  \
    static void weigh_rows_##suffix(const type *src, const int64_t *at, const double *weights, size_t taps,            \
                                    size_t inner, type *dst)                                                           \
    {                                                                                                                  \
        for (size_t i = 0; i < inner; i++) dst[i] = 0;                                                                 \
        for (size_t t = 0; t < taps; t++) {                                                                            \
            const type w = (type)weights[t], *s = src + (size_t)at[t] * inner;                                         \
            for (size_t i = 0; i < inner; i++) dst[i] += w * s[i];                                                     \
        }                                                                                                              \
    }                                                                                                                  \
    static void pass_##suffix(const type *src, type *dst, size_t outer, const sn_resize_axis *a, size_t inner,         \
                              const sn_resize_taps *taps, double outside)                                              \
    {                                                                                                                  \
        for (size_t o = 0; o < outer; o++, src += (size_t)a->in * inner) {                                             \
            for (size_t k = 0; k < (size_t)a->out; k++, dst += inner) {                                                \
                const int64_t *at = taps->at + k * taps->taps;                                                         \
                const double *weights = taps->weights + k * taps->taps;                                                \
                if (at[0] < 0)                                                                                         \
                    for (size_t i = 0; i < inner; i++) dst[i] = (type)outside;                                         \
                else if (inner == 1)                                                                                   \
                    *dst = weigh_##suffix(src, at, weights, taps->taps);                                               \
                else                                                                                                   \
                    weigh_rows_##suffix(src, at, weights, taps->taps, inner, dst);                                     \
            }                                                                                                          \
        }                                                                                                              \
    }
DEFINE_PASS(f32, float)
DEFINE_PASS(f64, double)

static bool axis_changes(const resize_params *p, const sn_resize_axis *a)
{
    bool cropped = p->method.coordinates == SN_RESIZE_TF_CROP_AND_RESIZE && (a->roi_start != 0 || a->roi_end != 1);
    return a->in != a->out || a->scale != 1 || cropped;
}

/* Interpolated values may lie outside an integer type's range: saturate. */
static void store_result(sinter_dtype dtype, sinter_dtype wide, const void *result, size_t n, void *dst)
{
    if (wide == SINTER_FLOAT || dtype == SINTER_DOUBLE) {
        sn_convert(dtype, dst, wide, result, n);
        return;
    }
    double low = (double)sn_dtype_min(dtype), v[SN_CHUNK];
    double high = dtype == SINTER_UINT64 ? 0x1p64 : (double)sn_dtype_max(dtype);
    size_t element = sn_dtypes[dtype].size;
    for (size_t done = 0; done < n; done += SN_CHUNK) {
        size_t m = n - done < SN_CHUNK ? n - done : SN_CHUNK;
        const double *r = (const double *)result + done;
        for (size_t i = 0; i < m; i++) v[i] = r[i] < low ? low : r[i] > high ? high : r[i];
        sn_store_doubles(dtype, v, m, sn_at_mutable(dst, done, element));
    }
}

/* *data becomes the result of one axis's pass, in scratch memory; *shape follows. */
static sinter_status run_pass(sn_eval *x, sinter_dtype wide, const sn_resize_axis *a, int axis, sn_shape *shape,
                              const void **data)
{
    const resize_params *p = x->params;
    size_t outer = (size_t)sn_shape_product(shape, 0, axis), count, size;
    size_t inner = (size_t)sn_shape_product(shape, axis + 1, shape->rank);
    sn_resize_taps taps;
    SN_TRY(sn_resize_make_taps(x, &p->method, a, &taps));
    shape->dims[axis] = a->out;
    SN_TRY(sn_tensor_extent(wide, shape, &count, &size, x->err));
    void *result = sn_eval_scratch(x, size);
    if (!result) return sn_no_memory(x->err, "resizing");
    if (wide == SINTER_FLOAT)
        pass_f32(*data, result, outer, a, inner, &taps, (double)p->extrapolation);
    else
        pass_f64(*data, result, outer, a, inner, &taps, (double)p->extrapolation);
    *data = result;
    return SINTER_OK;
}

static sinter_status eval_interpolated(sn_eval *x, const sn_resize_axis *geometry, sinter_value *out)
{
    const resize_params *p = x->params;
    const sinter_value *in = x->in[0];
    sn_dtype_class klass = sn_dtypes[in->dtype].klass;
    if (klass == SN_CLASS_STRING || klass == SN_CLASS_COMPLEX || klass == SN_CLASS_BOOL)
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "elements of type %s cannot be interpolated",
                            sinter_dtype_name(in->dtype));
    sinter_dtype wide = in->dtype == SINTER_FLOAT || sn_dtype_is_float16(in->dtype) ? SINTER_FLOAT : SINTER_DOUBLE;
    const void *data = in->data;
    sn_shape shape = in->shape;
    if (in->dtype != wide) {
        void *converted = sn_eval_scratch(x, in->count * sn_dtypes[wide].size);
        if (!converted) return sn_no_memory(x->err, "resizing");
        sn_convert(wide, converted, in->dtype, in->data, in->count);
        data = converted;
    }
    for (int i = 0; i < shape.rank; i++) {
        if (sn_eval_cancelled(x)) return sn_eval_fail(x, SINTER_CANCELLED, "cancelled");
        if (axis_changes(p, &geometry[i])) SN_TRY(run_pass(x, wide, &geometry[i], i, &shape, &data));
    }
    store_result(in->dtype, wide, data, out->count, out->data);
    return SINTER_OK;
}

static sinter_status eval_resize(sn_eval *x)
{
    const resize_params *p = x->params;
    const sinter_value *in = x->in[0];
    sn_resize_axis geometry[SN_MAX_RANK] = {0};
    sn_shape shape;
    sinter_value *out;
    SN_TRY(resolve_geometry(x, &in->shape, geometry, &shape));
    SN_TRY(sn_eval_output(x, 0, in->dtype, &shape, &out));
    if (out->count == 0) return SINTER_OK;
    if (in->count == 0) return sn_eval_fail(x, SINTER_INVALID_INPUT, "an empty tensor cannot be enlarged");
    return p->method.mode == SN_RESIZE_NEAREST ? eval_nearest(x, geometry, out) : eval_interpolated(x, geometry, out);
}

#define RESIZE(name, since, inputs, variant)                                                                           \
    {                                                                                                                  \
        "", name, since, inputs " -> Y:T; T=@all", 0, variant, sizeof(resize_params), prepare_resize, infer_resize,    \
            eval_resize                                                                                                \
    }

const sn_op sn_ops_resize[] = {
    RESIZE("Upsample", 7, "X:T", SCALES_ATTRIBUTE),
    RESIZE("Upsample", 9, "X:T, scales:float", SCALES_SECOND),
    RESIZE("Resize", 10, "X:T, scales:float", SCALES_SECOND),
    {"", "Resize", 11, "X:T, roi:R?, scales:float?, sizes:int64? -> Y:T; T=@all, R=float16|float|double", 0,
     ROI_SCALES_SIZES, sizeof(resize_params), prepare_resize, infer_resize, eval_resize},
    {0},
};
