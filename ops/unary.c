/*
 * Element-wise operators of one input.
 *
 * A table row per operator holds its float and double loops, generated from one expression (tgmath picks expf or exp),
 * and, where integers need exact treatment, a 64-bit integer loop. 16-bit floats run the float loop chunk by chunk;
 * integers without a loop of their own (Erf, Shrink) go through double. Comparisons are written so that NaN passes
 * through.
 *
 * A row starts at the oldest version whose meaning is the same, and takes the types of the newest.
 */
#include "ops/op.h"
#include "ops/typed.h"

#include <math.h>
#include <tgmath.h>

typedef struct unary_params {
    float a, b;
} unary_params;

/* X(name, expression in x of type `real`, with parameters a and b). */
/* clang-format off */
#define FLOAT_LOOPS(X)                                                                                                 \
    X(relu, x < 0 ? 0 : x)                                                                                             \
    X(leaky_relu, x < 0 ? a * x : x)                                                                                   \
    X(sigmoid, 1 / (1 + exp(-x)))                                                                                      \
    X(tanh, tanh(x))                                                                                                   \
    X(clip, LIMIT(x, a, b))                                                                                            \
    X(hard_sigmoid, LIMIT(a * x + b, 0, 1))                                                                            \
    X(hard_swish, x * LIMIT(x / 6 + (real)0.5, 0, 1))                                                                  \
    X(elu, x < 0 ? a * expm1(x) : x)                                                                                   \
    X(selu, x > 0 ? b * x : b * (a * expm1(x)))                                                                        \
    X(celu, x < 0 ? a * expm1(x / a) : x)                                                                              \
    X(thresholded_relu, x > a ? x : 0)                                                                                 \
    X(shrink, x < -a ? x + b : x > a ? x - b : 0)                                                                      \
    X(gelu, (real)0.5 * x * erfc(-x * (real)0.70710678118654752440))                                                   \
    X(gelu_tanh, (real)0.5 * x * (1 + tanh((real)0.79788456080286535588 * (x + (real)0.044715 * x * x * x))))          \
    X(softplus, x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)))                                                            \
    X(softsign, x / (1 + fabs(x)))                                                                                     \
    X(mish, x * tanh(x > 0 ? x + log1p(exp(-x)) : log1p(exp(x))))                                                      \
    X(swish, x / (1 + exp(-a * x)))                                                                                    \
    X(erf, erf(x))                                                                                                     \
    X(sqrt, sqrt(x))                                                                                                   \
    X(reciprocal, 1 / x)                                                                                               \
    X(neg, -x)                                                                                                         \
    X(abs, fabs(x))                                                                                                    \
    X(sign, x > 0 ? 1 : x < 0 ? -1 : x)                                                                                \
    X(exp, exp(x))                                                                                                     \
    X(log, log(x))                                                                                                     \
    X(floor, floor(x))                                                                                                 \
    X(ceil, ceil(x))                                                                                                   \
    X(round, rint(x))                                                                                                  \
    X(sin, sin(x))                                                                                                     \
    X(cos, cos(x))                                                                                                     \
    X(tan, tan(x))                                                                                                     \
    X(asin, asin(x))                                                                                                   \
    X(acos, acos(x))                                                                                                   \
    X(atan, atan(x))                                                                                                   \
    X(sinh, sinh(x))                                                                                                   \
    X(cosh, cosh(x))                                                                                                   \
    X(asinh, asinh(x))                                                                                                 \
    X(acosh, acosh(x))                                                                                                 \
    X(atanh, atanh(x))
/* clang-format on */

/* The upper limit wins when the limits contradict each other, as in numpy. */
#define LIMIT(v, low, high) ((v) < (low) ? ((low) > (high) ? (high) : (low)) : (v) > (high) ? (high) : (v))

#define DEFINE_LOOP(name, type, expression)                                                                            \
    static void name(const type *in, type *out, size_t n, double a_wide, double b_wide)                                \
    {                                                                                                                  \
        typedef type real;                                                                                             \
        const real a = (real)a_wide, b = (real)b_wide;                                                                 \
        (void)a, (void)b;                                                                                              \
        SN_INDEPENDENT                                                                                                 \
        for (size_t i = 0; i < n; i++) {                                                                               \
            const real x = in[i];                                                                                      \
            out[i] = (real)(expression);                                                                               \
        }                                                                                                              \
    }
#define DEFINE_FLOAT_LOOPS(name, expression)                                                                           \
    DEFINE_LOOP(name##_f32, float, expression)                                                                         \
    DEFINE_LOOP(name##_f64, double, expression)
FLOAT_LOOPS(DEFINE_FLOAT_LOOPS)

/* Integers, widened to 64 bits; of uint64 the bits. Only what wraps or depends on the sign needs care. */
static void relu_int(int64_t *v, size_t n, bool is_unsigned)
{
    for (size_t i = 0; i < n; i++) v[i] = !is_unsigned && v[i] < 0 ? 0 : v[i];
}
static void neg_int(int64_t *v, size_t n, bool is_unsigned)
{
    (void)is_unsigned;
    for (size_t i = 0; i < n; i++) v[i] = (int64_t)(0 - (uint64_t)v[i]);
}
static void abs_int(int64_t *v, size_t n, bool is_unsigned)
{
    for (size_t i = 0; i < n; i++) v[i] = !is_unsigned && v[i] < 0 ? (int64_t)(0 - (uint64_t)v[i]) : v[i];
}
static void sign_int(int64_t *v, size_t n, bool is_unsigned)
{
    for (size_t i = 0; i < n; i++) v[i] = is_unsigned ? v[i] != 0 : (v[i] > 0) - (v[i] < 0);
}
static void not_int(int64_t *v, size_t n, bool is_unsigned)
{
    (void)is_unsigned;
    for (size_t i = 0; i < n; i++) v[i] = ~v[i];
}
static void not_bool(int64_t *v, size_t n, bool is_unsigned)
{
    (void)is_unsigned;
    for (size_t i = 0; i < n; i++) v[i] = !v[i];
}

typedef struct unary_kind {
    void (*f32)(const float *in, float *out, size_t n, double a, double b);
    void (*f64)(const double *in, double *out, size_t n, double a, double b);
    void (*integer)(int64_t *v, size_t n, bool is_unsigned);
    const char *a_name, *b_name; /* attributes; NULL: none */
    float a, b;                  /* their defaults */
} unary_kind;

enum {
#define KIND_ENUM(name, expression) KIND_##name,
    FLOAT_LOOPS(KIND_ENUM)
#undef KIND_ENUM
        KIND_not,
    KIND_bitwise_not
};

static const unary_kind kinds[] = {
#define KIND(name)           [KIND_##name] = {.f32 = name##_f32, .f64 = name##_f64}
#define KIND_WITH(name, ...) [KIND_##name] = {.f32 = name##_f32, .f64 = name##_f64, __VA_ARGS__}
    KIND_WITH(relu, .integer = relu_int),
    KIND_WITH(leaky_relu, .a_name = "alpha", .a = 0.01f),
    KIND(sigmoid),
    KIND(tanh),
    KIND_WITH(clip, .a_name = "min", .b_name = "max", .a = -INFINITY, .b = INFINITY),
    KIND_WITH(hard_sigmoid, .a_name = "alpha", .b_name = "beta", .a = 0.2f, .b = 0.5f),
    KIND(hard_swish),
    KIND_WITH(elu, .a_name = "alpha", .a = 1),
    KIND_WITH(selu, .a_name = "alpha", .b_name = "gamma", .a = 1.67326319217681884765625f,
              .b = 1.05070102214813232421875f),
    KIND_WITH(celu, .a_name = "alpha", .a = 1),
    KIND_WITH(thresholded_relu, .a_name = "alpha", .a = 1),
    KIND_WITH(shrink, .a_name = "lambd", .b_name = "bias", .a = 0.5f, .b = 0),
    KIND(gelu),
    KIND(gelu_tanh),
    KIND(softplus),
    KIND(softsign),
    KIND(mish),
    KIND_WITH(swish, .a_name = "alpha", .a = 1),
    KIND(erf),
    KIND(sqrt),
    KIND(reciprocal),
    KIND_WITH(neg, .integer = neg_int),
    KIND_WITH(abs, .integer = abs_int),
    KIND_WITH(sign, .integer = sign_int),
    KIND(exp),
    KIND(log),
    KIND(floor),
    KIND(ceil),
    KIND(round),
    KIND(sin),
    KIND(cos),
    KIND(tan),
    KIND(asin),
    KIND(acos),
    KIND(atan),
    KIND(sinh),
    KIND(cosh),
    KIND(asinh),
    KIND(acosh),
    KIND(atanh),
    [KIND_not] = {.integer = not_bool},
    [KIND_bitwise_not] = {.integer = not_int},
#undef KIND
#undef KIND_WITH
};

/* ---------------------------------------------------------------------------------------------------- evaluation */

/* A chunk of a type that has no loop of its own. */
static void run_chunk(const unary_kind *kind, sinter_dtype dtype, const void *in, void *out, size_t n, double a,
                      double b)
{
    union {
        float f[SN_CHUNK];
        double d[SN_CHUNK];
        int64_t i[SN_CHUNK];
    } v;
    if (sn_dtype_is_float16(dtype)) {
        sn_load_floats(dtype, in, n, v.f);
        kind->f32(v.f, v.f, n, a, b);
        sn_store_floats(dtype, v.f, n, out);
    } else if (kind->integer) {
        sn_load_int64s(dtype, in, n, v.i);
        kind->integer(v.i, n, sn_dtype_is_unsigned(dtype));
        sn_store_int64s(dtype, v.i, false, n, out);
    } else {
        sn_load_doubles(dtype, in, n, v.d);
        kind->f64(v.d, v.d, n, a, b);
        sn_store_doubles(dtype, v.d, n, out);
    }
}

static void run(const unary_kind *kind, sinter_dtype dtype, const void *in, void *out, size_t n, double a, double b)
{
    if (dtype == SINTER_FLOAT) {
        kind->f32(in, out, n, a, b);
    } else if (dtype == SINTER_DOUBLE) {
        kind->f64(in, out, n, a, b);
    } else {
        size_t element = sn_dtypes[dtype].size;
        for (size_t done = 0; done < n; done += SN_CHUNK) {
            size_t m = n - done < SN_CHUNK ? n - done : SN_CHUNK;
            run_chunk(kind, dtype, sn_at(in, done, element), sn_at_mutable(out, done, element), m, a, b);
        }
    }
}

static sinter_status prepare_unary(sn_prepare *p, void *params)
{
    unary_params *u = params;
    const unary_kind *kind = &kinds[p->op->variant];
    if (kind->a_name) SN_TRY(sn_attr_float(p, kind->a_name, kind->a, &u->a));
    if (kind->b_name) SN_TRY(sn_attr_float(p, kind->b_name, kind->b, &u->b));
    return SINTER_OK;
}

static sinter_status eval_unary(sn_eval *x)
{
    const sinter_value *in = x->in[0];
    const unary_params *u = x->params;
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, in->dtype, &in->shape, &out));
    run(&kinds[x->op->variant], in->dtype, in->data, out->data, in->count, (double)u->a, (double)u->b);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- Gelu */

typedef struct gelu_params {
    int approximate;
} gelu_params;

static sinter_status prepare_gelu(sn_prepare *p, void *params)
{
    static const char *const words[] = {"none", "tanh", NULL};
    return sn_attr_choice(p, "approximate", words, 0, &((gelu_params *)params)->approximate);
}

static sinter_status eval_gelu(sn_eval *x)
{
    const sinter_value *in = x->in[0];
    const gelu_params *g = x->params;
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, in->dtype, &in->shape, &out));
    run(&kinds[g->approximate ? KIND_gelu_tanh : KIND_gelu], in->dtype, in->data, out->data, in->count, 0, 0);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- Clip with inputs
 */

static sinter_status check_limit(sn_eval *x, size_t i)
{
    if (!sn_eval_has(x, i) || x->in[i]->count == 1) return SINTER_OK;
    char text[SN_SHAPE_TEXT];
    return sn_eval_fail(x, SINTER_INVALID_INPUT, "input '%s' has shape %s, expected a scalar", i == 1 ? "min" : "max",
                        sn_shape_text(&x->in[i]->shape, NULL, text, sizeof text));
}

static double float_limit(const sn_eval *x, size_t i, double otherwise)
{
    return sn_eval_has(x, i) ? sn_load_double(x->in[i]->dtype, x->in[i]->data, 0) : otherwise;
}

static int64_t integer_limit(const sn_eval *x, size_t i, int64_t otherwise)
{
    int64_t limit = otherwise;
    if (sn_eval_has(x, i)) sn_load_int64s(x->in[i]->dtype, x->in[i]->data, 1, &limit);
    return limit;
}

static void clip_integers(const sn_eval *x, const sinter_value *in, sinter_value *out)
{
    int64_t low = integer_limit(x, 1, sn_dtype_min(in->dtype)), high = integer_limit(x, 2, sn_dtype_max(in->dtype));
    size_t element = sn_dtypes[in->dtype].size;
    int64_t v[SN_CHUNK];
    for (size_t done = 0; done < in->count; done += SN_CHUNK) {
        size_t n = in->count - done < SN_CHUNK ? in->count - done : SN_CHUNK;
        sn_load_int64s(in->dtype, sn_at(in->data, done, element), n, v);
        if (in->dtype == SINTER_UINT64)
            for (size_t i = 0; i < n; i++) v[i] = (int64_t)LIMIT((uint64_t)v[i], (uint64_t)low, (uint64_t)high);
        else
            for (size_t i = 0; i < n; i++) v[i] = LIMIT(v[i], low, high);
        sn_store_int64s(in->dtype, v, false, n, sn_at_mutable(out->data, done, element));
    }
}

static sinter_status eval_clip(sn_eval *x)
{
    const sinter_value *in = x->in[0];
    SN_TRY(check_limit(x, 1));
    SN_TRY(check_limit(x, 2));
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, in->dtype, &in->shape, &out));
    if (sn_dtype_is_float(in->dtype))
        run(&kinds[KIND_clip], in->dtype, in->data, out->data, in->count, float_limit(x, 1, -(double)INFINITY),
            float_limit(x, 2, (double)INFINITY));
    else
        clip_integers(x, in, out);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- IsNaN, IsInf */

typedef struct class_params { /* which values give true */
    bool nan, negative, positive;
} class_params;

static sinter_status prepare_is_nan(sn_prepare *p, void *params)
{
    (void)p;
    *(class_params *)params = (class_params){.nan = true};
    return SINTER_OK;
}

static sinter_status prepare_is_inf(sn_prepare *p, void *params)
{
    class_params *c = params;
    SN_TRY(sn_attr_bool(p, "detect_negative", true, &c->negative));
    return sn_attr_bool(p, "detect_positive", true, &c->positive);
}

static sinter_status infer_classify(sn_infer *x)
{
    sn_infer_tensor(x, 0, SINTER_BOOL, sn_infer_shape(x, 0));
    return SINTER_OK;
}

static sinter_status eval_classify(sn_eval *x)
{
    const sinter_value *in = x->in[0];
    const class_params *c = x->params;
    sinter_value *result;
    SN_TRY(sn_eval_output(x, 0, SINTER_BOOL, &in->shape, &result));
    uint8_t *out = result->data;
    double v[SN_CHUNK];
    for (size_t done = 0; done < in->count; done += SN_CHUNK) {
        size_t n = in->count - done < SN_CHUNK ? in->count - done : SN_CHUNK;
        sn_load_doubles(in->dtype, sn_at(in->data, done, sn_dtypes[in->dtype].size), n, v);
        for (size_t i = 0; i < n; i++)
            out[done + i] = (c->nan && v[i] != v[i]) || (c->negative && v[i] == -(double)INFINITY) ||
                            (c->positive && v[i] == (double)INFINITY);
    }
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- rows */

#define SIGNED "int8|int16|int32|int64"
#define UNARY(name, since, types, kind)                                                                                \
    {                                                                                                                  \
        "", name, since, "X:T -> Y:T; T=" types, SN_OP_INPLACE, KIND_##kind, sizeof(unary_params), prepare_unary,      \
            sn_infer_same, eval_unary                                                                                  \
    }

const sn_op sn_ops_unary[] = {
    UNARY("Relu", 1, "@float|" SIGNED, relu),
    UNARY("LeakyRelu", 1, "@float", leaky_relu),
    UNARY("Sigmoid", 1, "@float", sigmoid),
    UNARY("Tanh", 1, "@float", tanh),
    UNARY("Clip", 1, "@float", clip),
    {"", "Clip", 11, "input:T, min:T?, max:T? -> output:T; T=@num", SN_OP_INPLACE, 0, 0, NULL, sn_infer_same,
     eval_clip},
    UNARY("HardSigmoid", 1, "@float", hard_sigmoid),
    UNARY("HardSwish", 14, "@float", hard_swish),
    UNARY("Elu", 1, "@float", elu),
    {"", "Gelu", 20, "X:T -> Y:T; T=@float", SN_OP_INPLACE, 0, sizeof(gelu_params), prepare_gelu, sn_infer_same,
     eval_gelu},
    UNARY("Erf", 9, "@num", erf),
    UNARY("Sqrt", 1, "@float", sqrt),
    UNARY("Not", 1, "bool", not ),
    UNARY("BitwiseNot", 18, "@int", bitwise_not),
    UNARY("Neg", 1, "@float|" SIGNED, neg),
    UNARY("Abs", 1, "@num", abs),
    UNARY("Sign", 9, "@num", sign),
    UNARY("Reciprocal", 1, "@float", reciprocal),
    UNARY("Exp", 1, "@float", exp),
    UNARY("Log", 1, "@float", log),
    UNARY("Floor", 1, "@float", floor),
    UNARY("Ceil", 1, "@float", ceil),
    UNARY("Round", 11, "@float", round),
    UNARY("Softplus", 1, "@float", softplus),
    UNARY("Softsign", 1, "@float", softsign),
    UNARY("Selu", 6, "@float", selu),
    UNARY("Celu", 12, "@float", celu),
    UNARY("ThresholdedRelu", 10, "@float", thresholded_relu),
    UNARY("Shrink", 9, "@num", shrink),
    UNARY("Mish", 18, "@float", mish),
    UNARY("Swish", 24, "@float", swish),
    UNARY("Sin", 7, "@float", sin),
    UNARY("Cos", 7, "@float", cos),
    UNARY("Tan", 7, "@float", tan),
    UNARY("Asin", 7, "@float", asin),
    UNARY("Acos", 7, "@float", acos),
    UNARY("Atan", 7, "@float", atan),
    UNARY("Sinh", 9, "@float", sinh),
    UNARY("Cosh", 9, "@float", cosh),
    UNARY("Asinh", 9, "@float", asinh),
    UNARY("Acosh", 9, "@float", acosh),
    UNARY("Atanh", 9, "@float", atanh),
    {"", "IsNaN", 9, "X:T -> Y:bool; T=@float|@float8", 0, 0, sizeof(class_params), prepare_is_nan, infer_classify,
     eval_classify},
    {"", "IsInf", 10, "X:T -> Y:bool; T=@float|@float8", 0, 0, sizeof(class_params), prepare_is_inf, infer_classify,
     eval_classify},
    {0},
};
