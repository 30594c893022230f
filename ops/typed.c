/* Widening and narrowing of element arrays; see typed.h. */
#include "ops/typed.h"

#include <math.h>

#define TWO_TO_63 9223372036854775808.0
#define TWO_TO_64 18446744073709551616.0

/* X(dtype, C type) of the types that C converts by itself. */
#define NATIVE_INTEGERS(X)                                                                                             \
    X(SINTER_INT8, int8_t)                                                                                             \
    X(SINTER_UINT8, uint8_t)                                                                                           \
    X(SINTER_INT16, int16_t)                                                                                           \
    X(SINTER_UINT16, uint16_t)                                                                                         \
    X(SINTER_INT32, int32_t)                                                                                           \
    X(SINTER_UINT32, uint32_t)                                                                                         \
    X(SINTER_INT64, int64_t)                                                                                           \
    X(SINTER_UINT64, uint64_t)                                                                                         \
    X(SINTER_BOOL, uint8_t)                                                                                            \
    X(SINTER_INT4, int8_t)                                                                                             \
    X(SINTER_UINT4, uint8_t)                                                                                           \
    X(SINTER_INT2, int8_t)                                                                                             \
    X(SINTER_UINT2, uint8_t)
#define NATIVE_FLOATS(X)                                                                                               \
    X(SINTER_FLOAT, float)                                                                                             \
    X(SINTER_DOUBLE, double)

#define LOAD_CASE(dtype_, type)                                                                                        \
    case dtype_: {                                                                                                     \
        const type *s = src;                                                                                           \
        for (size_t i = 0; i < n; i++) dst[i] = (LOADED)s[i];                                                          \
        break;                                                                                                         \
    }
#define LOAD_FLOAT16_CASES                                                                                             \
    case SINTER_FLOAT16: {                                                                                             \
        const uint16_t *s = src;                                                                                       \
        for (size_t i = 0; i < n; i++) dst[i] = (LOADED)sn_half_to_float(s[i]);                                        \
        break;                                                                                                         \
    }                                                                                                                  \
    case SINTER_BFLOAT16: {                                                                                            \
        const uint16_t *s = src;                                                                                       \
        for (size_t i = 0; i < n; i++) dst[i] = (LOADED)sn_bfloat16_to_float(s[i]);                                    \
        break;                                                                                                         \
    }                                                                                                                  \
    default: {                                                                                                         \
        const uint8_t *s = src;                                                                                        \
        for (size_t i = 0; i < n; i++) dst[i] = (LOADED)sn_small_float_to_float(dtype, s[i]);                          \
        break;                                                                                                         \
    }

void sn_load_floats(sinter_dtype dtype, const void *src, size_t n, float *dst)
{
#define LOADED float
    switch (dtype) {
        NATIVE_INTEGERS(LOAD_CASE)
        NATIVE_FLOATS(LOAD_CASE)
        LOAD_FLOAT16_CASES
    }
#undef LOADED
}

void sn_load_doubles(sinter_dtype dtype, const void *src, size_t n, double *dst)
{
#define LOADED double
    switch (dtype) {
        NATIVE_INTEGERS(LOAD_CASE)
        NATIVE_FLOATS(LOAD_CASE)
        LOAD_FLOAT16_CASES
    }
#undef LOADED
}

void sn_load_int64s(sinter_dtype dtype, const void *src, size_t n, int64_t *dst)
{
#define LOADED int64_t
    switch (dtype) {
        NATIVE_INTEGERS(LOAD_CASE)
    default: memset(dst, 0, n * sizeof *dst);
    }
#undef LOADED
}

int64_t sn_dtype_min(sinter_dtype dtype)
{
    if (sn_dtypes[dtype].klass != SN_CLASS_SIGNED) return 0;
    return (int64_t)(~UINT64_C(0) << (sn_dtypes[dtype].bits - 1));
}

int64_t sn_dtype_max(sinter_dtype dtype)
{
    if (dtype == SINTER_BOOL) return 1;
    unsigned bits = sn_dtypes[dtype].bits - (sn_dtypes[dtype].klass == SN_CLASS_SIGNED ? 1u : 0u);
    return (int64_t)(~UINT64_C(0) >> (64 - bits));
}

static int64_t truncate_to_int64(double v)
{
    if (v >= TWO_TO_63) return INT64_MAX;
    if (v < -TWO_TO_63) return INT64_MIN;
    return v == v ? (int64_t)v : 0;
}

static uint64_t truncate_to_uint64(double v)
{
    if (v >= TWO_TO_64) return UINT64_MAX;
    return v > 0 ? (uint64_t)v : 0;
}

/* One value as the 64 bits that sn_store_int64s takes for this integer type. */
static int64_t double_to_integer(sinter_dtype dtype, double v)
{
    if (dtype == SINTER_UINT64) return (int64_t)truncate_to_uint64(v);
    int64_t i = truncate_to_int64(v);
    if (sn_dtypes[dtype].bits < 32) return i;
    int64_t low = sn_dtype_min(dtype), high = sn_dtype_max(dtype);
    return i < low ? low : i > high ? high : i;
}

static int8_t sign_extend(int64_t v, unsigned bits)
{
    unsigned low = (unsigned)v & ((1u << bits) - 1), sign = 1u << (bits - 1);
    return (int8_t)((int)(low ^ sign) - (int)sign);
}

#define STORE_CASE(dtype_, type)                                                                                       \
    case dtype_: {                                                                                                     \
        type *d = dst;                                                                                                 \
        for (size_t i = 0; i < n; i++) d[i] = (type)src[i];                                                            \
        break;                                                                                                         \
    }

/* Floating-point types from 64-bit integers; int64 and uint64 differ only in how the bits are read. */
#define STORE_WIDE(read)                                                                                               \
    switch (dtype) {                                                                                                   \
    case SINTER_FLOAT:                                                                                                 \
        for (size_t i = 0; i < n; i++) ((float *)dst)[i] = (float)(read);                                              \
        break;                                                                                                         \
    case SINTER_DOUBLE:                                                                                                \
        for (size_t i = 0; i < n; i++) ((double *)dst)[i] = (double)(read);                                            \
        break;                                                                                                         \
    case SINTER_FLOAT16:                                                                                               \
        for (size_t i = 0; i < n; i++) ((uint16_t *)dst)[i] = sn_double_to_half((double)(read));                       \
        break;                                                                                                         \
    case SINTER_BFLOAT16:                                                                                              \
        for (size_t i = 0; i < n; i++) ((uint16_t *)dst)[i] = sn_double_to_bfloat16((double)(read));                   \
        break;                                                                                                         \
    default:                                                                                                           \
        for (size_t i = 0; i < n; i++) ((uint8_t *)dst)[i] = sn_float_to_small_float(dtype, (float)(read), true);      \
        break;                                                                                                         \
    }

static void store_int64s_as_floats(sinter_dtype dtype, const int64_t *src, bool bits_are_unsigned, size_t n, void *dst)
{
    if (bits_are_unsigned)
        STORE_WIDE((uint64_t)src[i])
    else
        STORE_WIDE(src[i])
}

void sn_store_int64s(sinter_dtype dtype, const int64_t *src, bool bits_are_unsigned, size_t n, void *dst)
{
    switch (dtype) {
        STORE_CASE(SINTER_INT8, int8_t)
        STORE_CASE(SINTER_UINT8, uint8_t)
        STORE_CASE(SINTER_INT16, int16_t)
        STORE_CASE(SINTER_UINT16, uint16_t)
        STORE_CASE(SINTER_INT32, int32_t)
        STORE_CASE(SINTER_UINT32, uint32_t)
        STORE_CASE(SINTER_INT64, int64_t)
        STORE_CASE(SINTER_UINT64, uint64_t)
    case SINTER_BOOL:
        for (size_t i = 0; i < n; i++) ((uint8_t *)dst)[i] = src[i] != 0;
        break;
    case SINTER_INT4:
    case SINTER_INT2:
        for (size_t i = 0; i < n; i++) ((int8_t *)dst)[i] = sign_extend(src[i], sn_dtypes[dtype].bits);
        break;
    case SINTER_UINT4:
    case SINTER_UINT2:
        for (size_t i = 0; i < n; i++) ((uint8_t *)dst)[i] = (uint8_t)(src[i] & ((1 << sn_dtypes[dtype].bits) - 1));
        break;
    default: store_int64s_as_floats(dtype, src, bits_are_unsigned, n, dst);
    }
}

static void store_doubles_as_integers(sinter_dtype dtype, const double *src, size_t n, void *dst)
{
    int64_t integers[SN_CHUNK];
    size_t element = sn_dtypes[dtype].size;
    for (size_t done = 0; done < n; done += SN_CHUNK) {
        size_t m = n - done < SN_CHUNK ? n - done : SN_CHUNK;
        for (size_t i = 0; i < m; i++) integers[i] = double_to_integer(dtype, src[done + i]);
        sn_store_int64s(dtype, integers, dtype == SINTER_UINT64, m, sn_at_mutable(dst, done, element));
    }
}

void sn_store_doubles(sinter_dtype dtype, const double *src, size_t n, void *dst)
{
    switch (dtype) {
        NATIVE_FLOATS(STORE_CASE)
    case SINTER_FLOAT16:
        for (size_t i = 0; i < n; i++) ((uint16_t *)dst)[i] = sn_double_to_half(src[i]);
        break;
    case SINTER_BFLOAT16:
        for (size_t i = 0; i < n; i++) ((uint16_t *)dst)[i] = sn_double_to_bfloat16(src[i]);
        break;
    case SINTER_BOOL:
        for (size_t i = 0; i < n; i++) ((uint8_t *)dst)[i] = src[i] != 0;
        break;
    default:
        if (!sn_dtype_is_float(dtype)) {
            store_doubles_as_integers(dtype, src, n, dst);
            break;
        }
        for (size_t i = 0; i < n; i++) ((uint8_t *)dst)[i] = sn_float_to_small_float(dtype, (float)src[i], true);
    }
}

void sn_store_floats(sinter_dtype dtype, const float *src, size_t n, void *dst)
{
    switch (dtype) {
        NATIVE_FLOATS(STORE_CASE)
    case SINTER_FLOAT16:
        for (size_t i = 0; i < n; i++) ((uint16_t *)dst)[i] = sn_float_to_half(src[i]);
        break;
    case SINTER_BFLOAT16:
        for (size_t i = 0; i < n; i++) ((uint16_t *)dst)[i] = sn_float_to_bfloat16(src[i]);
        break;
    default: {
        double wide[SN_CHUNK];
        size_t element = sn_dtypes[dtype].size;
        for (size_t done = 0; done < n; done += SN_CHUNK) {
            size_t m = n - done < SN_CHUNK ? n - done : SN_CHUNK;
            for (size_t i = 0; i < m; i++) wide[i] = (double)src[done + i];
            sn_store_doubles(dtype, wide, m, sn_at_mutable(dst, done, element));
        }
    }
    }
}

/* A chunk through the intermediate type that holds every value of the source exactly and is rounded once on the way
 * out. */
static void convert_chunk(sinter_dtype to, void *dst, sinter_dtype from, const void *src, size_t n)
{
    union {
        float f[SN_CHUNK];
        double d[SN_CHUNK];
        int64_t i[SN_CHUNK];
    } wide;
    if (!sn_dtype_is_float(from)) {
        sn_load_int64s(from, src, n, wide.i);
        sn_store_int64s(to, wide.i, from == SINTER_UINT64, n, dst);
    } else if (from == SINTER_DOUBLE) {
        sn_load_doubles(from, src, n, wide.d);
        sn_store_doubles(to, wide.d, n, dst);
    } else {
        sn_load_floats(from, src, n, wide.f);
        sn_store_floats(to, wide.f, n, dst);
    }
}

void sn_convert(sinter_dtype to, void *dst, sinter_dtype from, const void *src, size_t n)
{
    size_t to_size = sn_dtypes[to].size, from_size = sn_dtypes[from].size;
    if (to == from) {
        memcpy(dst, src, n * to_size);
        return;
    }
    for (size_t done = 0; done < n; done += SN_CHUNK) {
        size_t m = n - done < SN_CHUNK ? n - done : SN_CHUNK;
        convert_chunk(to, sn_at_mutable(dst, done, to_size), from, sn_at(src, done, from_size), m);
    }
}
