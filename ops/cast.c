/*
 * Cast and CastLike. Numbers go through sn_convert; strings, and the options that only 8-bit floats have (no
 * saturation, the rounding of float8e8m0), are handled here.
 *
 * Numbers are written as ONNX Runtime does (INF, -INF, NaN), but with as few digits as bring back the same value. Text
 * that is not a number is an error, as it is there.
 */
#include "base/size.h"
#include "ops/op.h"
#include "ops/typed.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef enum e8m0_rounding { ROUND_UP, ROUND_DOWN, ROUND_NEAREST } e8m0_rounding;

typedef struct cast_params {
    sinter_dtype to; /* UNDEFINED: that of the second input */
    bool saturate;
    int rounding;
} cast_params;

enum { CAST, CAST_LIKE };

static sinter_status prepare_cast(sn_prepare *p, void *params)
{
    static const char *const roundings[] = {"up", "down", "nearest", NULL};
    cast_params *c = params;
    SN_TRY(sn_attr_bool(p, "saturate", true, &c->saturate));
    SN_TRY(sn_attr_choice(p, "round_mode", roundings, ROUND_UP, &c->rounding));
    if (p->op->variant == CAST_LIKE) return SINTER_OK;
    int64_t to;
    if (!sn_attr_present(p, "to")) return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'to' is missing");
    SN_TRY(sn_attr_int(p, "to", 0, &to));
    if (!sn_dtype_valid(to) || sn_dtypes[to].klass == SN_CLASS_COMPLEX)
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'to' is %lld, which is no type to cast to",
                               (long long)to);
    c->to = (sinter_dtype)to;
    return SINTER_OK;
}

/* Before opset 6 the type's name was the attribute. */
static sinter_status prepare_cast_by_name(sn_prepare *p, void *params)
{
    cast_params *c = params;
    sn_str name;
    char lower[16] = "";
    SN_TRY(sn_attr_string(p, "to", "", &name));
    for (size_t i = 0; i < name.n && i + 1 < sizeof lower; i++)
        lower[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] - 'A' + 'a' : name.p[i]);
    c->to = sn_dtype_from_name(sn_str_of(lower));
    c->saturate = true;
    if (c->to == SINTER_UNDEFINED || sn_dtypes[c->to].klass == SN_CLASS_COMPLEX)
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'to' is '%.*s', which is no type to cast to",
                               SN_STR_ARG(name));
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- infer */

/* Known elements of the input are int32 or int64; they stay known as far as the new type holds them. */
static void infer_elements(sn_infer *x, sinter_dtype to)
{
    const sn_fact *in = &x->in[0];
    if (!in->known || in->n_known > SN_MAX_KNOWN || (to != SINTER_INT64 && to != SINTER_INT32)) return;
    if (sn_infer_dtype(x, 0) != SINTER_INT64 && sn_infer_dtype(x, 0) != SINTER_INT32) return;
    int64_t known[SN_MAX_KNOWN];
    for (size_t i = 0; i < in->n_known; i++) {
        int64_t v = in->known[i];
        bool fits = to == SINTER_INT64 || !sn_dim_is_number(v) || (v >= INT32_MIN && v <= INT32_MAX);
        known[i] = fits ? v : SN_DIM_UNKNOWN;
    }
    sn_infer_known(x, 0, known, in->n_known);
}

static sinter_status infer_cast(sn_infer *x)
{
    const cast_params *p = x->params;
    sinter_dtype to = x->op->variant == CAST_LIKE ? sn_infer_dtype(x, 1) : p->to;
    sn_infer_tensor(x, 0, to, sn_infer_shape(x, 0));
    infer_elements(x, to);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- 8-bit floats */

/* float8e8m0 holds powers of two only: 2^(bits - 127), and 255 for NaN. */
static uint8_t float_to_e8m0(float f, e8m0_rounding rounding, bool saturate)
{
    if (f != f || f < 0) return 0xFF;
    if (isinf(f)) return saturate ? 0xFE : 0xFF;
    if (f == 0) return 0;
    int exponent;
    float fraction = frexpf(f, &exponent); /* in [0.5, 1) */
    exponent -= 1;
    if (rounding == ROUND_UP && fraction > 0.5f) exponent++;
    if (rounding == ROUND_NEAREST && fraction >= 0.75f) exponent++;
    if (exponent < -127) return 0;
    if (exponent > 127) return saturate ? 0xFE : 0xFF;
    return (uint8_t)(exponent + 127);
}

static void cast_to_small_float(const cast_params *p, sinter_dtype to, uint8_t *dst, const sinter_value *src)
{
    float v[SN_CHUNK];
    size_t element = sn_dtypes[src->dtype].size;
    for (size_t done = 0; done < src->count; done += SN_CHUNK) {
        size_t n = src->count - done < SN_CHUNK ? src->count - done : SN_CHUNK;
        sn_convert(SINTER_FLOAT, v, src->dtype, sn_at(src->data, done, element), n);
        for (size_t i = 0; i < n; i++)
            dst[done + i] = to == SINTER_FLOAT8E8M0 ? float_to_e8m0(v[i], (e8m0_rounding)p->rounding, p->saturate)
                                                    : sn_float_to_small_float(to, v[i], p->saturate);
    }
}

/* ---------------------------------------------------------------------------------------------------- from strings */

#define NUMBER_TEXT 64 /* longer texts are no numbers that matter */

/* NUL-terminates; false when the string is too long or empty. */
static bool copy_text(const sinter_string *s, char *text)
{
    if (s->size == 0 || s->size >= NUMBER_TEXT) return false;
    memcpy(text, s->data, s->size);
    text[s->size] = '\0';
    return true;
}

/* The whole text, or nothing: a NUL in the middle does not end it. */
static bool parse_integer(const char *text, size_t size, sinter_dtype to, int64_t *out)
{
    char *end;
    errno = 0;
    if (to == SINTER_UINT64)
        *out = (int64_t)strtoull(text, &end, 10);
    else
        *out = strtoll(text, &end, 10);
    if (end == text + size && errno == 0) return true;
    double d = strtod(text, &end);
    if (end != text + size) return false;
    sn_store_doubles(to == SINTER_UINT64 ? to : SINTER_INT64, &d, 1, out);
    return true;
}

static sinter_status parse_string(sn_eval *x, const sinter_string *s, sinter_dtype to, void *dst)
{
    char text[NUMBER_TEXT], *end = text;
    bool ok = copy_text(s, text);
    if (ok && (sn_dtype_is_integer(to) || to == SINTER_BOOL)) {
        int64_t v;
        ok = parse_integer(text, s->size, to, &v);
        if (ok) sn_store_int64s(to, &v, to == SINTER_UINT64, 1, dst);
    } else if (ok && to == SINTER_FLOAT) {
        float v = strtof(text, &end);
        ok = end == text + s->size;
        if (ok) sn_store_floats(to, &v, 1, dst);
    } else if (ok) {
        double v = strtod(text, &end);
        ok = end == text + s->size;
        if (ok) sn_store_doubles(to, &v, 1, dst);
    }
    if (ok) return SINTER_OK;
    return sn_eval_fail(x, SINTER_INVALID_INPUT, "'%.*s' is not a number", (int)(s->size > 60 ? 60 : s->size),
                        s->size ? s->data : "");
}

static sinter_status cast_from_strings(sn_eval *x, const sinter_value *in, sinter_value *out)
{
    const sinter_string *s = in->data;
    size_t element = sn_dtypes[out->dtype].size;
    for (size_t i = 0; i < in->count; i++)
        SN_TRY(parse_string(x, &s[i], out->dtype, sn_at_mutable(out->data, i, element)));
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- to strings */

#define FORMATTED 32 /* "-1.7976931348623157e+308" and a NUL */

static void format_float(double v, bool single, char *text)
{
    if (v != v || isinf(v)) {
        snprintf(text, FORMATTED, "%s", v != v ? "NaN" : v > 0 ? "INF" : "-INF");
        return;
    }
    for (int digits = single ? 6 : 15; digits <= 17; digits++) {
        snprintf(text, FORMATTED, "%.*g", digits, v);
        if (single ? strtof(text, NULL) == (float)v : strtod(text, NULL) == v) return;
    }
}

static void format_element(const sinter_value *in, size_t i, char *text)
{
    const void *at = sn_at(in->data, i, sn_dtypes[in->dtype].size);
    if (sn_dtype_is_float(in->dtype)) {
        double v;
        sn_load_doubles(in->dtype, at, 1, &v);
        format_float(v, in->dtype != SINTER_DOUBLE, text);
        return;
    }
    int64_t v;
    sn_load_int64s(in->dtype, at, 1, &v);
    if (in->dtype == SINTER_UINT64)
        snprintf(text, FORMATTED, "%llu", (unsigned long long)v);
    else if (in->dtype == SINTER_BOOL)
        snprintf(text, FORMATTED, "%s", v ? "True" : "False");
    else
        snprintf(text, FORMATTED, "%lld", (long long)v);
}

/* A new value, because its characters need an owner. */
static sinter_status cast_to_strings(sn_eval *x, const sinter_value *in)
{
    size_t size;
    if (!sn_size_mul(in->count, sizeof(sinter_string) + FORMATTED, &size)) size = SIZE_MAX;
    sinter_string *strings = sn_eval_scratch(x, size);
    if (!strings) return sn_no_memory(x->err, "casting to strings");
    char *text = (char *)(strings + in->count);
    for (size_t i = 0; i < in->count; i++, text += FORMATTED) {
        format_element(in, i, text);
        strings[i] = (sinter_string){text, strlen(text)};
    }
    sinter_value *out;
    SN_TRY(sinter_tensor_create_strings(in->shape.rank, in->shape.dims, strings, &out, x->err));
    return sn_eval_give(x, 0, out);
}

/* ---------------------------------------------------------------------------------------------------- eval */

static sinter_status eval_cast(sn_eval *x)
{
    const cast_params *p = x->params;
    const sinter_value *in = x->in[0];
    sinter_dtype to = x->op->variant == CAST_LIKE ? x->in[1]->dtype : p->to;
    if (to == in->dtype) return sn_eval_copy(x, 0, in, &in->shape);
    if (to == SINTER_STRING) return cast_to_strings(x, in);
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, to, &in->shape, &out));
    if (in->dtype == SINTER_STRING) return cast_from_strings(x, in, out);
    bool small_float = sn_dtype_is_float(to) && sn_dtypes[to].size == 1;
    if (small_float)
        cast_to_small_float(p, to, out->data, in);
    else
        sn_convert(to, out->data, in->dtype, in->data, in->count);
    return SINTER_OK;
}

#define CASTABLE "@float|@int|@float8|@int4|@int2|float4e2m1|bool|string"

const sn_op sn_ops_cast[] = {
    {"", "Cast", 1, "input:T1 -> output:T2; T1=" CASTABLE ", T2=" CASTABLE, 0, CAST, sizeof(cast_params),
     prepare_cast_by_name, infer_cast, eval_cast},
    {"", "Cast", 6, "input:T1 -> output:T2; T1=" CASTABLE ", T2=" CASTABLE, 0, CAST, sizeof(cast_params), prepare_cast,
     infer_cast, eval_cast},
    {"", "CastLike", 15, "input:T1, target_type:T2 -> output:T2; T1=" CASTABLE ", T2=" CASTABLE, 0, CAST_LIKE,
     sizeof(cast_params), prepare_cast, infer_cast, eval_cast},
    {0},
};
