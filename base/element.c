/*
 * Single elements of any numeric type, widened to double or int64 and back. Payloads that were cut out of a file may be
 * misaligned, hence the memcpy.
 */
#include "base/dtype.h"

#include <math.h>

#define DEFINE_READ(name, type)                                                                                        \
    static type name(const void *data, size_t i)                                                                       \
    {                                                                                                                  \
        type v;                                                                                                        \
        memcpy(&v, (const char *)data + i * sizeof v, sizeof v);                                                       \
        return v;                                                                                                      \
    }
DEFINE_READ(read_u8, uint8_t)
DEFINE_READ(read_u16, uint16_t)
DEFINE_READ(read_u32, uint32_t)
DEFINE_READ(read_u64, uint64_t)
DEFINE_READ(read_i8, int8_t)
DEFINE_READ(read_i16, int16_t)
DEFINE_READ(read_i32, int32_t)
DEFINE_READ(read_i64, int64_t)
DEFINE_READ(read_f32, float)
DEFINE_READ(read_f64, double)
#undef DEFINE_READ

/* Copies the low bytes of an element's representation to where it belongs. */
#define WRITE(type, value)                                                                                             \
    do {                                                                                                               \
        type written_ = (type)(value);                                                                                 \
        memcpy((char *)data + i * sizeof written_, &written_, sizeof written_);                                        \
    } while (0)

/* What an integer type holds. UINT64's upper half does not fit: its callers treat it apart. */
static void integer_range(sinter_dtype dtype, int64_t *low, int64_t *high)
{
    int bits = sn_dtypes[dtype].bits;
    if (sn_dtypes[dtype].klass == SN_CLASS_SIGNED) {
        *high = INT64_MAX >> (64 - bits);
        *low = -*high - 1;
    } else {
        *low = 0;
        *high = bits >= 63 ? INT64_MAX : (INT64_C(1) << bits) - 1;
    }
}

double sn_load_double(sinter_dtype dtype, const void *data, size_t i)
{
    switch (dtype) {
    case SINTER_FLOAT: return (double)read_f32(data, i);
    case SINTER_DOUBLE: return read_f64(data, i);
    case SINTER_FLOAT16: return (double)sn_half_to_float(read_u16(data, i));
    case SINTER_BFLOAT16: return (double)sn_bfloat16_to_float(read_u16(data, i));
    case SINTER_FLOAT8E4M3FN:
    case SINTER_FLOAT8E4M3FNUZ:
    case SINTER_FLOAT8E5M2:
    case SINTER_FLOAT8E5M2FNUZ:
    case SINTER_FLOAT4E2M1:
    case SINTER_FLOAT8E8M0: return (double)sn_small_float_to_float(dtype, read_u8(data, i));
    case SINTER_COMPLEX64: return (double)read_f32(data, 2 * i);
    case SINTER_COMPLEX128: return read_f64(data, 2 * i);
    case SINTER_UINT64: return (double)read_u64(data, i);
    default: return (double)sn_load_int64(dtype, data, i);
    }
}

static int64_t double_to_int64(double value)
{
    if (isnan(value)) return 0;
    value = nearbyint(value);
    if (value >= 0x1p63) return INT64_MAX;
    return value < -0x1p63 ? INT64_MIN : (int64_t)value;
}

int64_t sn_load_int64(sinter_dtype dtype, const void *data, size_t i)
{
    switch (dtype) {
    case SINTER_INT64: return read_i64(data, i);
    case SINTER_INT32: return read_i32(data, i);
    case SINTER_INT16: return read_i16(data, i);
    case SINTER_INT8:
    case SINTER_INT4:
    case SINTER_INT2: return read_i8(data, i);
    case SINTER_BOOL: return read_u8(data, i) != 0;
    case SINTER_UINT8:
    case SINTER_UINT4:
    case SINTER_UINT2: return read_u8(data, i);
    case SINTER_UINT16: return read_u16(data, i);
    case SINTER_UINT32: return read_u32(data, i);
    case SINTER_UINT64: return read_u64(data, i) > INT64_MAX ? INT64_MAX : (int64_t)read_u64(data, i);
    case SINTER_UNDEFINED:
    case SINTER_STRING:
    case SINTER_DTYPE_COUNT: return 0;
    default: return double_to_int64(sn_load_double(dtype, data, i));
    }
}

void sn_store_int64(sinter_dtype dtype, void *data, size_t i, int64_t value)
{
    if (!sn_dtype_valid(dtype)) return;
    sn_dtype_class klass = sn_dtypes[dtype].klass;
    if (klass == SN_CLASS_BOOL) {
        WRITE(uint8_t, value != 0);
    } else if (klass == SN_CLASS_SIGNED || klass == SN_CLASS_UNSIGNED) {
        int64_t low, high;
        integer_range(dtype, &low, &high);
        value = value < low ? low : value > high ? high : value;
        switch (sn_dtypes[dtype].size) { /* two's complement: the low bytes are right for both signs */
        case 1: WRITE(uint8_t, value); break;
        case 2: WRITE(uint16_t, value); break;
        case 4: WRITE(uint32_t, value); break;
        default: WRITE(uint64_t, value); break;
        }
    } else if (dtype == SINTER_FLOAT) {
        WRITE(float, value); /* not through double: rounded once */
    } else {
        sn_store_double(dtype, data, i, (double)value);
    }
}

void sn_store_double(sinter_dtype dtype, void *data, size_t i, double value)
{
    switch (dtype) {
    case SINTER_FLOAT: WRITE(float, value); break;
    case SINTER_DOUBLE: WRITE(double, value); break;
    case SINTER_FLOAT16: WRITE(uint16_t, sn_double_to_half(value)); break;
    case SINTER_BFLOAT16: WRITE(uint16_t, sn_double_to_bfloat16(value)); break;
    case SINTER_FLOAT8E4M3FN:
    case SINTER_FLOAT8E4M3FNUZ:
    case SINTER_FLOAT8E5M2:
    case SINTER_FLOAT8E5M2FNUZ:
    case SINTER_FLOAT4E2M1:
    case SINTER_FLOAT8E8M0: WRITE(uint8_t, sn_float_to_small_float(dtype, (float)value, true)); break;
    case SINTER_COMPLEX64: {
        float pair[2] = {(float)value, 0};
        memcpy((char *)data + i * sizeof pair, pair, sizeof pair);
        break;
    }
    case SINTER_COMPLEX128: {
        double pair[2] = {value, 0};
        memcpy((char *)data + i * sizeof pair, pair, sizeof pair);
        break;
    }
    case SINTER_BOOL: WRITE(uint8_t, value != 0); break;
    case SINTER_UINT64:
        if (value >= 0x1p63) {
            double rounded = nearbyint(value);
            WRITE(uint64_t, rounded >= 0x1p64 ? UINT64_MAX : (uint64_t)rounded);
            break;
        }
        sn_store_int64(dtype, data, i, double_to_int64(value));
        break;
    case SINTER_UNDEFINED:
    case SINTER_STRING:
    case SINTER_DTYPE_COUNT: break;
    default: sn_store_int64(dtype, data, i, double_to_int64(value)); break;
    }
}
