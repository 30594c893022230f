/*
 * Generated from one expression per operator. Each loop exists in three shapes (both operands advance, only the first,
 * only the second), so that the compiler sees constant steps and vectorises. Integers compute in an unsigned type at
 * least 32 bits wide: overflow wraps, and 16-bit products do not overflow int.
 */
#include "ops/binary_loops.h"

#include "ops/typed.h"
#include <math.h>

/* expression in x and y; `wide` is the unsigned type to compute in. */
#define DEFINE_LOOP(name, type, wide_type, result, expression)                                                         \
    static void name(const void *pa, const void *pb, void *po, size_t n, size_t step_a, size_t step_b)                 \
    {                                                                                                                  \
        typedef type value;                                                                                            \
        typedef wide_type wide;                                                                                        \
        const value *a = pa, *b = pb;                                                                                  \
        result *out = po;                                                                                              \
        if (step_a && step_b) {                                                                                        \
            SN_INDEPENDENT                                                                                             \
            for (size_t i = 0; i < n; i++) {                                                                           \
                const value x = a[i], y = b[i];                                                                        \
                out[i] = (result)(expression);                                                                         \
            }                                                                                                          \
        } else if (step_a) {                                                                                           \
            const value y = b[0];                                                                                      \
            SN_INDEPENDENT                                                                                             \
            for (size_t i = 0; i < n; i++) {                                                                           \
                const value x = a[i];                                                                                  \
                out[i] = (result)(expression);                                                                         \
            }                                                                                                          \
        } else {                                                                                                       \
            const value x = a[0];                                                                                      \
            SN_INDEPENDENT                                                                                             \
            for (size_t i = 0; i < n; i++) {                                                                           \
                const value y = b[i * step_b];                                                                         \
                out[i] = (result)(expression);                                                                         \
            }                                                                                                          \
        }                                                                                                              \
        (void)sizeof(wide);                                                                                            \
    }

/* X(suffix, dtype, type, wide type) */
#define SIGNED_TYPES(X, ...)                                                                                           \
    X(i8, SINTER_INT8, int8_t, uint32_t, __VA_ARGS__)                                                                  \
    X(i16, SINTER_INT16, int16_t, uint32_t, __VA_ARGS__)                                                               \
    X(i32, SINTER_INT32, int32_t, uint32_t, __VA_ARGS__)                                                               \
    X(i64, SINTER_INT64, int64_t, uint64_t, __VA_ARGS__)
#define UNSIGNED_TYPES(X, ...)                                                                                         \
    X(u8, SINTER_UINT8, uint8_t, uint32_t, __VA_ARGS__)                                                                \
    X(u16, SINTER_UINT16, uint16_t, uint32_t, __VA_ARGS__)                                                             \
    X(u32, SINTER_UINT32, uint32_t, uint32_t, __VA_ARGS__)                                                             \
    X(u64, SINTER_UINT64, uint64_t, uint64_t, __VA_ARGS__)
#define FLOAT_TYPES(X, ...)                                                                                            \
    X(f32, SINTER_FLOAT, float, float, __VA_ARGS__)                                                                    \
    X(f64, SINTER_DOUBLE, double, double, __VA_ARGS__)

#define SAME(suffix, dtype, type, wide_type, name, expression)                                                         \
    DEFINE_LOOP(name##_##suffix, type, wide_type, type, expression)
#define TO_BOOL(suffix, dtype, type, wide_type, name, expression)                                                      \
    DEFINE_LOOP(name##_##suffix, type, wide_type, uint8_t, expression)

/* The formatter takes products for declarations. */
/* clang-format off */

/* Wrapping arithmetic and bit operations are the same for signed and unsigned: only the unsigned loops exist. */
UNSIGNED_TYPES(SAME, add, (wide)x + (wide)y)
UNSIGNED_TYPES(SAME, sub, (wide)x - (wide)y)
UNSIGNED_TYPES(SAME, mul, (wide)x * (wide)y)
UNSIGNED_TYPES(SAME, bit_and, x & y)
UNSIGNED_TYPES(SAME, bit_or, x | y)
UNSIGNED_TYPES(SAME, bit_xor, x ^ y)
UNSIGNED_TYPES(SAME, shift_left, y < 8 * sizeof(value) ? (wide)x << y : 0)
UNSIGNED_TYPES(SAME, shift_right, y < 8 * sizeof(value) ? x >> y : 0)
UNSIGNED_TYPES(TO_BOOL, equal, x == y)

/* The smallest number divided by -1 wraps to itself instead of trapping. */
SIGNED_TYPES(SAME, div, y == -1 ? (value)(0 - (wide)x) : (value)(x / y))
SIGNED_TYPES(SAME, fmod, y == -1 ? 0 : x % y)
SIGNED_TYPES(SAME, mod, y == -1 ? 0 : x % y != 0 && (x % y < 0) != (y < 0) ? x % y + y : x % y)
SIGNED_TYPES(SAME, min, x < y ? x : y)
SIGNED_TYPES(SAME, max, x > y ? x : y)
SIGNED_TYPES(SAME, prelu, x < 0 ? (value)((wide)x * (wide)y) : x)
SIGNED_TYPES(TO_BOOL, less, x < y)
SIGNED_TYPES(TO_BOOL, less_or_equal, x <= y)
UNSIGNED_TYPES(SAME, div, x / y)
UNSIGNED_TYPES(SAME, mod, x % y)
UNSIGNED_TYPES(SAME, min, x < y ? x : y)
UNSIGNED_TYPES(SAME, max, x > y ? x : y)
UNSIGNED_TYPES(SAME, prelu, ((void)y, x))
UNSIGNED_TYPES(TO_BOOL, less, x < y)
UNSIGNED_TYPES(TO_BOOL, less_or_equal, x <= y)

/* NaN in either operand wins min and max, as in numpy. */
FLOAT_TYPES(SAME, add, x + y)
FLOAT_TYPES(SAME, sub, x - y)
FLOAT_TYPES(SAME, mul, x * y)
FLOAT_TYPES(SAME, div, x / y)
FLOAT_TYPES(SAME, min, x < y || x != x ? x : y)
FLOAT_TYPES(SAME, max, x > y || x != x ? x : y)
FLOAT_TYPES(SAME, prelu, x < 0 ? x * y : x)
FLOAT_TYPES(TO_BOOL, equal, x == y)
FLOAT_TYPES(TO_BOOL, less, x < y)
FLOAT_TYPES(TO_BOOL, less_or_equal, x <= y)
/* clang-format on */

static inline double python_modulo(double x, double y)
{
    double r = fmod(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
DEFINE_LOOP(fmod_f32, float, float, float, fmodf(x, y))
DEFINE_LOOP(fmod_f64, double, double, double, fmod(x, y))
DEFINE_LOOP(mod_f32, float, float, float, python_modulo((double)x, (double)y))
DEFINE_LOOP(mod_f64, double, double, double, python_modulo(x, y))

/* A negative exponent leaves a fraction, of which an integer keeps nothing unless the base is 1 or -1. */
static int64_t integer_power(int64_t base, int64_t exponent)
{
    if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
    uint64_t result = 1, square = (uint64_t)base;
    for (; exponent > 0; exponent >>= 1, square *= square)
        if (exponent & 1) result *= square;
    return (int64_t)result;
}
DEFINE_LOOP(pow_i64, int64_t, uint64_t, int64_t, integer_power(x, y))
DEFINE_LOOP(general_pow_f32, float, float, float, powf(x, y))
DEFINE_LOOP(general_pow_f64, double, double, double, pow(x, y))

/* Squares, roots and the like come as constants, and are exact this way too. */
#define DEFINE_POW(suffix, type, root)                                                                                 \
    static void pow_##suffix(const void *pa, const void *pb, void *po, size_t n, size_t step_a, size_t step_b)         \
    {                                                                                                                  \
        const type *a = pa, y = step_b ? 0 : *(const type *)pb;                                                        \
        type *out = po;                                                                                                \
        if (step_a && y == 2) {                                                                                        \
            SN_INDEPENDENT                                                                                             \
            for (size_t i = 0; i < n; i++) out[i] = a[i] * a[i];                                                       \
        } else if (step_a && y == (type)0.5) {                                                                         \
            for (size_t i = 0; i < n; i++) out[i] = a[i] == -(type)INFINITY ? (type)INFINITY : root(a[i] + 0);         \
        } else if (step_a && y == -1) {                                                                                \
            SN_INDEPENDENT                                                                                             \
            for (size_t i = 0; i < n; i++) out[i] = 1 / a[i];                                                          \
        } else {                                                                                                       \
            general_pow_##suffix(pa, pb, po, n, step_a, step_b);                                                       \
        }                                                                                                              \
    }
DEFINE_POW(f32, float, sqrtf)
DEFINE_POW(f64, double, sqrt)

static inline bool string_equal(sinter_string a, sinter_string b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
DEFINE_LOOP(equal_string, sinter_string, uint8_t, uint8_t, string_equal(x, y))

#define ROW(suffix, dtype, type, wide_type, name) [dtype] = name##_##suffix,
#define AS_UNSIGNED(name)                                                                                              \
    [SINTER_INT8] = name##_u8, [SINTER_INT16] = name##_u16, [SINTER_INT32] = name##_u32, [SINTER_INT64] = name##_u64,  \
    UNSIGNED_TYPES(ROW, name)
#define INTEGERS(name) SIGNED_TYPES(ROW, name) UNSIGNED_TYPES(ROW, name)
#define FLOATS(name)   FLOAT_TYPES(ROW, name)

static const sn_binary_loop loops[SN_BINARY_KIND_COUNT][SINTER_DTYPE_COUNT] = {
    [SN_BINARY_ADD] = {AS_UNSIGNED(add) FLOATS(add)},
    [SN_BINARY_SUB] = {AS_UNSIGNED(sub) FLOATS(sub)},
    [SN_BINARY_MUL] = {AS_UNSIGNED(mul) FLOATS(mul)},
    [SN_BINARY_DIV] = {INTEGERS(div) FLOATS(div)},
    [SN_BINARY_POW] = {[SINTER_INT64] = pow_i64, FLOATS(pow)},
    [SN_BINARY_MOD] = {INTEGERS(mod) FLOATS(mod)},
    [SN_BINARY_FMOD] = {SIGNED_TYPES(ROW, fmod) UNSIGNED_TYPES(ROW, mod) FLOATS(fmod)},
    [SN_BINARY_MIN] = {INTEGERS(min) FLOATS(min)},
    [SN_BINARY_MAX] = {INTEGERS(max) FLOATS(max)},
    [SN_BINARY_PRELU] = {INTEGERS(prelu) FLOATS(prelu)},
    [SN_BINARY_BIT_AND] = {AS_UNSIGNED(bit_and)[SINTER_BOOL] = bit_and_u8},
    [SN_BINARY_BIT_OR] = {AS_UNSIGNED(bit_or)[SINTER_BOOL] = bit_or_u8},
    [SN_BINARY_BIT_XOR] = {AS_UNSIGNED(bit_xor)[SINTER_BOOL] = bit_xor_u8},
    [SN_BINARY_SHIFT_LEFT] = {UNSIGNED_TYPES(ROW, shift_left)},
    [SN_BINARY_SHIFT_RIGHT] = {UNSIGNED_TYPES(ROW, shift_right)},
    [SN_BINARY_EQUAL] = {AS_UNSIGNED(equal) FLOATS(equal)[SINTER_BOOL] = equal_u8, [SINTER_STRING] = equal_string},
    [SN_BINARY_LESS] = {INTEGERS(less) FLOATS(less)},
    [SN_BINARY_LESS_OR_EQUAL] = {INTEGERS(less_or_equal) FLOATS(less_or_equal)},
};

sn_binary_loop sn_binary_loop_for(sn_binary_kind kind, sinter_dtype dtype)
{
    return loops[kind][dtype];
}
