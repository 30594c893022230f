/*
 * One table says everything about the element types, a second one describes the small floating-point formats; encoding
 * and decoding follow the rows. Encoding starts from a double and rounds once, in integers.
 */
#include "base/dtype.h"

#include <math.h>

const sn_dtype_info sn_dtypes[SINTER_DTYPE_COUNT] = {
    [SINTER_UNDEFINED] = {"undefined", NULL, NULL, 0, 0, SN_CLASS_NONE},
    [SINTER_FLOAT] = {"float", "FP32", "f4", 4, 32, SN_CLASS_FLOAT},
    [SINTER_UINT8] = {"uint8", "UINT8", "u1", 1, 8, SN_CLASS_UNSIGNED},
    [SINTER_INT8] = {"int8", "INT8", "i1", 1, 8, SN_CLASS_SIGNED},
    [SINTER_UINT16] = {"uint16", "UINT16", "u2", 2, 16, SN_CLASS_UNSIGNED},
    [SINTER_INT16] = {"int16", "INT16", "i2", 2, 16, SN_CLASS_SIGNED},
    [SINTER_INT32] = {"int32", "INT32", "i4", 4, 32, SN_CLASS_SIGNED},
    [SINTER_INT64] = {"int64", "INT64", "i8", 8, 64, SN_CLASS_SIGNED},
    [SINTER_STRING] = {"string", "BYTES", NULL, sizeof(sinter_string), 0, SN_CLASS_STRING},
    [SINTER_BOOL] = {"bool", "BOOL", "b1", 1, 8, SN_CLASS_BOOL},
    [SINTER_FLOAT16] = {"float16", "FP16", "f2", 2, 16, SN_CLASS_FLOAT},
    [SINTER_DOUBLE] = {"double", "FP64", "f8", 8, 64, SN_CLASS_FLOAT},
    [SINTER_UINT32] = {"uint32", "UINT32", "u4", 4, 32, SN_CLASS_UNSIGNED},
    [SINTER_UINT64] = {"uint64", "UINT64", "u8", 8, 64, SN_CLASS_UNSIGNED},
    [SINTER_COMPLEX64] = {"complex64", NULL, "c8", 8, 64, SN_CLASS_COMPLEX},
    [SINTER_COMPLEX128] = {"complex128", NULL, "c16", 16, 128, SN_CLASS_COMPLEX},
    [SINTER_BFLOAT16] = {"bfloat16", "BF16", NULL, 2, 16, SN_CLASS_FLOAT},
    [SINTER_FLOAT8E4M3FN] = {"float8e4m3fn", NULL, NULL, 1, 8, SN_CLASS_FLOAT},
    [SINTER_FLOAT8E4M3FNUZ] = {"float8e4m3fnuz", NULL, NULL, 1, 8, SN_CLASS_FLOAT},
    [SINTER_FLOAT8E5M2] = {"float8e5m2", NULL, NULL, 1, 8, SN_CLASS_FLOAT},
    [SINTER_FLOAT8E5M2FNUZ] = {"float8e5m2fnuz", NULL, NULL, 1, 8, SN_CLASS_FLOAT},
    [SINTER_UINT4] = {"uint4", NULL, NULL, 1, 4, SN_CLASS_UNSIGNED},
    [SINTER_INT4] = {"int4", NULL, NULL, 1, 4, SN_CLASS_SIGNED},
    [SINTER_FLOAT4E2M1] = {"float4e2m1", NULL, NULL, 1, 4, SN_CLASS_FLOAT},
    [SINTER_FLOAT8E8M0] = {"float8e8m0", NULL, NULL, 1, 8, SN_CLASS_FLOAT},
    [SINTER_UINT2] = {"uint2", NULL, NULL, 1, 2, SN_CLASS_UNSIGNED},
    [SINTER_INT2] = {"int2", NULL, NULL, 1, 2, SN_CLASS_SIGNED},
};

static const sn_dtype_info *info_of(sinter_dtype dtype)
{
    return &sn_dtypes[sn_dtype_valid(dtype) ? dtype : 0];
}

const char *sinter_dtype_name(sinter_dtype dtype)
{
    return info_of(dtype)->name;
}

size_t sinter_dtype_size(sinter_dtype dtype)
{
    return info_of(dtype)->size;
}

static bool matches(const char *candidate, sn_str name)
{
    return candidate && sn_str_is(name, candidate);
}

sinter_dtype sn_dtype_from_name(sn_str name)
{
    for (int i = 1; i < SINTER_DTYPE_COUNT; ++i)
        if (matches(sn_dtypes[i].name, name)) return (sinter_dtype)i;
    return SINTER_UNDEFINED;
}

sinter_dtype sn_dtype_from_oip(sn_str name)
{
    for (int i = 1; i < SINTER_DTYPE_COUNT; ++i)
        if (matches(sn_dtypes[i].oip, name)) return (sinter_dtype)i;
    return SINTER_UNDEFINED;
}

sinter_dtype sn_dtype_from_npy(sn_str name)
{
    for (int i = 1; i < SINTER_DTYPE_COUNT; ++i)
        if (matches(sn_dtypes[i].npy, name)) return (sinter_dtype)i;
    return SINTER_UNDEFINED;
}

/* ---------------------------------------------------------------------------------------------------- small floats */

typedef struct float_format {
    int mantissa_bits;
    int bias;
    uint16_t sign;     /* the sign bit */
    uint16_t max;      /* largest finite magnitude */
    uint16_t infinity; /* 0: has none */
    uint16_t nan;
    bool nan_unsigned; /* NaN is encoded as `nan` whatever its sign */
    bool negative_zero;
} float_format;

static const float_format half_format = {10, 15, 0x8000, 0x7BFF, 0x7C00, 0x7E00, false, true};
static const float_format bfloat16_format = {7, 127, 0x8000, 0x7F7F, 0x7F80, 0x7FC0, false, true};

static const float_format *small_format(sinter_dtype dtype)
{
    static const float_format e4m3fn = {3, 7, 0x80, 0x7E, 0, 0x7F, false, true};
    static const float_format e4m3fnuz = {3, 8, 0x80, 0x7F, 0, 0x80, true, false};
    static const float_format e5m2 = {2, 15, 0x80, 0x7B, 0x7C, 0x7E, false, true};
    static const float_format e5m2fnuz = {2, 16, 0x80, 0x7F, 0, 0x80, true, false};
    static const float_format e2m1 = {1, 1, 0x8, 0x7, 0, 0x8, true, true}; /* NaN becomes -0, as in ONNX's test data */
    switch (dtype) {
    case SINTER_FLOAT8E4M3FN: return &e4m3fn;
    case SINTER_FLOAT8E4M3FNUZ: return &e4m3fnuz;
    case SINTER_FLOAT8E5M2: return &e5m2;
    case SINTER_FLOAT8E5M2FNUZ: return &e5m2fnuz;
    case SINTER_FLOAT4E2M1: return &e2m1;
    default: return NULL;
    }
}

static uint64_t double_bits(double d)
{
    uint64_t u;
    memcpy(&u, &d, sizeof u);
    return u;
}

/* u / 2^shift, to nearest even. */
static uint64_t shift_right_rounded(uint64_t u, int shift)
{
    if (shift > 63) return 0;
    uint64_t half = UINT64_C(1) << (shift - 1), rest = u & ((half << 1) - 1), result = u >> shift;
    return result + (rest > half || (rest == half && (result & 1)));
}

/* Magnitude of a finite d > 0 in the format's code, rounded; may exceed f->max, exponents beyond the format included.
 */
static uint64_t encode_magnitude(const float_format *f, uint64_t bits)
{
    int exponent = (int)(bits >> 52 & 0x7FF) - 1023;
    if (exponent == -1023) return 0; /* a subnormal double is below half of any format's smallest number */
    uint64_t mantissa = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    int biased = exponent + f->bias;
    if (biased > 0xFFF) biased = 0xFFF;
    int shift = 52 - f->mantissa_bits;
    if (biased < 1) return shift_right_rounded(mantissa, shift + 1 - biased); /* subnormal in the format */
    /* The hidden bit adds one to the exponent field; a carry out of the mantissa does so too, as it must. */
    return ((uint64_t)(biased - 1) << f->mantissa_bits) + shift_right_rounded(mantissa, shift);
}

static uint16_t overflowed(const float_format *f, bool saturate, uint16_t sign)
{
    if (saturate) return f->max | sign;
    if (f->infinity) return f->infinity | sign;
    return f->nan_unsigned ? f->nan : f->nan | sign;
}

static uint16_t encode(const float_format *f, double d, bool saturate)
{
    uint64_t bits = double_bits(d), magnitude_bits = bits & (UINT64_MAX >> 1);
    uint16_t sign = bits >> 63 ? f->sign : 0;
    if (isnan(d)) return f->nan_unsigned ? f->nan : f->nan | sign;
    if (isinf(d)) return overflowed(f, saturate, sign);
    uint64_t magnitude = encode_magnitude(f, magnitude_bits);
    if (magnitude > f->max) return overflowed(f, saturate, sign);
    if (magnitude == 0 && !f->negative_zero) return 0;
    return (uint16_t)(magnitude | sign);
}

uint16_t sn_double_to_half(double d)
{
    return encode(&half_format, d, false);
}

uint16_t sn_double_to_bfloat16(double d)
{
    return encode(&bfloat16_format, d, false);
}

static uint32_t float_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

uint16_t sn_float_to_bfloat16(float f)
{
    uint32_t u = float_bits(f);
    if ((u & 0x7FFFFFFF) > 0x7F800000) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7FFF + (u >> 16 & 1)) >> 16);
}

uint16_t sn_float_to_half(float f)
{
    uint32_t u = float_bits(f), sign = u >> 16 & 0x8000;
    u &= 0x7FFFFFFF;
    if (u > 0x7F800000) return (uint16_t)(sign | 0x7E00 | (u >> 13 & 0x3FF));
    if (u >= 0x47800000) return (uint16_t)(sign | 0x7C00); /* 65536 and more */
    /* Below 2^-14: adding 0.5 puts the result's last place at 2^-24, the unit of a subnormal half. */
    if (u < 0x38800000) return (uint16_t)(sign | (float_bits(float_of_bits(u) + 0.5f) - 0x3F000000));
    u += 0xC8000FFF + (u >> 13 & 1); /* the exponent's bias changes by 112; rounds half to even */
    return (uint16_t)(sign | u >> 13);
}

float sn_half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7FFF;
    if (rest >= 0x7C00) return float_of_bits(sign | 0x7F800000 | (rest & 0x3FF) << 13);
    if (rest >= 0x400) return float_of_bits(sign | ((rest << 13) + (UINT32_C(112) << 23)));
    float magnitude = (float)rest * 0x1p-24f;
    return sign ? -magnitude : magnitude;
}

/* E8M0 is a bare power of two: 2^(bits - 127), or NaN. */
static float decode_e8m0(uint8_t bits)
{
    return bits == 0xFF ? NAN : ldexpf(1.0f, bits - 127);
}

/* Rounds away from zero, the default of Cast: a scale must not become smaller than what it was made for. */
static uint8_t encode_e8m0(float f, bool saturate)
{
    if (isnan(f) || f < 0) return 0xFF;
    if (isinf(f)) return saturate ? 0xFE : 0xFF;
    if (f == 0) return 0;
    int exponent;
    float fraction = frexpf(f, &exponent); /* in [0.5, 1) */
    int code = exponent + 127 - (fraction == 0.5f);
    if (code > 0xFE) return saturate ? 0xFE : 0xFF;
    return code < 0 ? 0 : (uint8_t)code;
}

float sn_small_float_to_float(sinter_dtype dtype, uint8_t bits)
{
    if (dtype == SINTER_FLOAT8E8M0) return decode_e8m0(bits);
    const float_format *f = small_format(dtype);
    if (!f) return 0;
    bool has_nan = dtype != SINTER_FLOAT4E2M1;
    uint32_t magnitude = bits & (uint32_t)(f->sign - 1);
    if (has_nan && (f->nan_unsigned ? bits == f->nan : magnitude > (f->infinity ? f->infinity : f->max))) return NAN;
    int exponent = (int)(magnitude >> f->mantissa_bits);
    uint32_t mantissa = magnitude & ((UINT32_C(1) << f->mantissa_bits) - 1);
    if (exponent) mantissa |= UINT32_C(1) << f->mantissa_bits;
    float value = ldexpf((float)mantissa, (exponent ? exponent : 1) - f->bias - f->mantissa_bits);
    if (f->infinity && magnitude == f->infinity) value = INFINITY;
    return bits & f->sign ? -value : value;
}

uint8_t sn_float_to_small_float(sinter_dtype dtype, float f, bool saturate)
{
    if (dtype == SINTER_FLOAT8E8M0) return encode_e8m0(f, saturate);
    const float_format *format = small_format(dtype);
    return format ? (uint8_t)encode(format, (double)f, saturate || dtype == SINTER_FLOAT4E2M1) : 0;
}
