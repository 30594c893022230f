/*
 * Typed access to tensor elements for the reference operators.
 *
 * Arithmetic is written for float, double and the native integers only. Every other type takes part through a chunk: a
 * few hundred elements are widened into a buffer on the stack, the native loop runs on it, and the result is narrowed
 * again. So 16-bit floats are computed in float and rounded once per operator, and one loop per compute type serves a
 * family.
 */
#ifndef SN_OPS_TYPED_H
#define SN_OPS_TYPED_H

#include "base/dtype.h"

#define SN_CHUNK 256 /* elements: a buffer or three of doubles stay in the first-level cache */

/* Says that a loop's iterations do not depend on each other even if output and input are the same array. */
#if defined(__clang__)
#define SN_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define SN_INDEPENDENT _Pragma("GCC ivdep")
#endif

static inline bool sn_dtype_is_float16(sinter_dtype d)
{
    return d == SINTER_FLOAT16 || d == SINTER_BFLOAT16;
}
static inline bool sn_dtype_is_float(sinter_dtype d)
{
    return sn_dtypes[d].klass == SN_CLASS_FLOAT;
}
static inline bool sn_dtype_is_unsigned(sinter_dtype d)
{
    return sn_dtypes[d].klass == SN_CLASS_UNSIGNED;
}
static inline bool sn_dtype_is_integer(sinter_dtype d)
{
    return sn_dtypes[d].klass == SN_CLASS_SIGNED || sn_dtypes[d].klass == SN_CLASS_UNSIGNED;
}

static inline const void *sn_at(const void *base, size_t i, size_t element)
{
    return (const char *)base + i * element;
}
static inline void *sn_at_mutable(void *base, size_t i, size_t element)
{
    return (char *)base + i * element;
}

/* n elements of any numeric or bool type, widened. */
void sn_load_floats(sinter_dtype dtype, const void *src, size_t n, float *dst);
void sn_load_doubles(sinter_dtype dtype, const void *src, size_t n, double *dst);
/* Integers and bool. A uint64 keeps its bits. */
void sn_load_int64s(sinter_dtype dtype, const void *src, size_t n, int64_t *dst);

/* The way back. Floating-point to integer truncates; what does not fit wraps in types of up to 16 bits and saturates in
 * wider ones (what numpy and ONNX Runtime do on x86 where they agree), NaN becomes 0. Bool is "not equal to 0". 8-bit
 * floats saturate. */
void sn_store_floats(sinter_dtype dtype, const float *src, size_t n, void *dst);
void sn_store_doubles(sinter_dtype dtype, const double *src, size_t n, void *dst);
/* Integers wrap. `bits_are_unsigned`: the elements are uint64 (matters for floating-point types). */
void sn_store_int64s(sinter_dtype dtype, const int64_t *src, bool bits_are_unsigned, size_t n, void *dst);

/* Converts n elements between any two numeric or bool types with the rules above. The arrays must not overlap. */
void sn_convert(sinter_dtype to, void *dst, sinter_dtype from, const void *src, size_t n);

/* Smallest and largest value of an integer type or bool; of uint64 the bits. */
int64_t sn_dtype_min(sinter_dtype dtype);
int64_t sn_dtype_max(sinter_dtype dtype);

#endif
