/*
 * simd.h - the one place with conditionals on the instruction set: the widest float vector of the ISA that this file is
 * compiled for, and how many of them make the register tile. Everything else is GCC vector arithmetic, which clang
 * shares.
 */
#ifndef SN_RUNTIME_KERNELS_SIMD_H
#define SN_RUNTIME_KERNELS_SIMD_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* VL: floats in a vector. TILE_ROWS x TILE_VECTORS accumulators stay in registers; DOT_A x DOT_B likewise. */
#if defined(__AVX512F__)
#define VL        16
#define TILE_ROWS 14
#define DOT_A     4
#define DOT_B     4
#elif defined(__AVX2__) && defined(__FMA__)
#define VL        8
#define TILE_ROWS 6
#define DOT_A     3
#define DOT_B     4
#elif defined(__aarch64__)
#define VL        4
#define TILE_ROWS 12
#define DOT_A     4
#define DOT_B     4
#else
#define VL        4
#define TILE_ROWS 6
#define DOT_A     3
#define DOT_B     4
#endif
#define TILE_VECTORS 2
#define TILE_COLUMNS (TILE_VECTORS * VL)

typedef float vf __attribute__((vector_size(VL * 4)));
typedef int32_t vi __attribute__((vector_size(VL * 4)));
typedef float vf_unaligned __attribute__((vector_size(VL * 4), aligned(4), may_alias));

#define KERNEL_INLINE static inline __attribute__((always_inline))

/* Accumulator arrays become registers only when their loops are unrolled whole, which GCC does not do by itself at -O2.
 */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

KERNEL_INLINE vf vf_load(const float *p)
{
    return *(const vf_unaligned *)p;
}
KERNEL_INLINE void vf_store(float *p, vf v)
{
    *(vf_unaligned *)p = v;
}

#if defined(__AVX512F__)
KERNEL_INLINE vf vf_splat(float x)
{
    return (vf)_mm512_set1_ps(x);
}
KERNEL_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
#elif defined(__AVX2__) && defined(__FMA__)
KERNEL_INLINE vf vf_splat(float x)
{
    return (vf)_mm256_set1_ps(x);
}
KERNEL_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
#elif defined(__aarch64__)
KERNEL_INLINE vf vf_splat(float x)
{
    return (vf)vdupq_n_f32(x);
}
KERNEL_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
#else
KERNEL_INLINE vf vf_splat(float x)
{
    return (vf){x, x, x, x};
}
KERNEL_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return a * b + c;
}
#endif

KERNEL_INLINE vf vf_select(vi mask, vf yes, vf no)
{
    return (vf)(((vi)yes & mask) | ((vi)no & ~mask));
}
/* Elements 0, 2, 4, ... of the 2 VL that a and b hold. */
KERNEL_INLINE vf vf_even(vf a, vf b)
{
#if VL == 16
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
#elif VL == 8
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
#else
    return __builtin_shufflevector(a, b, 0, 2, 4, 6);
#endif
}
/* Pairwise, always in the same order. */
KERNEL_INLINE float vf_sum(vf v)
{
    float s[VL];
    memcpy(s, &v, sizeof v);
    for (int w = VL / 2; w > 0; w /= 2) {
        for (int i = 0; i < w; i++) s[i] += s[i + w];
    }
    return s[0];
}

/* ---------------------------------------------------------------------------------------- clamps, parts of vectors */

/* A NaN in x passes through: x86 gives the second operand when either is one, and NEON gives the NaN. */
KERNEL_INLINE vf vf_clamp(vf x, vf lo, vf hi)
{
#if defined(__AVX512F__)
    return (vf)_mm512_min_ps((__m512)hi, _mm512_max_ps((__m512)lo, (__m512)x));
#elif defined(__AVX2__) && defined(__FMA__)
    return (vf)_mm256_min_ps((__m256)hi, _mm256_max_ps((__m256)lo, (__m256)x));
#elif defined(__aarch64__)
    return (vf)vminq_f32((float32x4_t)hi, vmaxq_f32((float32x4_t)lo, (float32x4_t)x));
#else
    x = vf_select(x < lo, lo, x);
    return vf_select(x > hi, hi, x);
#endif
}

#if defined(__AVX2__) && defined(__FMA__) && !defined(__AVX512F__)
KERNEL_INLINE __m256i vf_first_lanes(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#endif

/* The first n <= VL elements, zeros behind. Memory behind them is not touched; the same holds for vf_store_part. */
KERNEL_INLINE vf vf_load_part(const float *p, size_t n)
{
#if defined(__AVX512F__)
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(__AVX2__) && defined(__FMA__)
    return (vf)_mm256_maskload_ps(p, vf_first_lanes(n));
#else
    vf v = {0};
    UNROLL
    for (size_t i = 0; i < VL; i++) {
        if (i < n) v[i] = p[i];
    }
    return v;
#endif
}
KERNEL_INLINE void vf_store_part(float *p, vf v, size_t n)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif defined(__AVX2__) && defined(__FMA__)
    _mm256_maskstore_ps(p, vf_first_lanes(n), (__m256)v);
#else
    UNROLL
    for (size_t i = 0; i < VL; i++) {
        if (i < n) p[i] = v[i];
    }
#endif
}

/* a0 b0 a1 b1 ...: of the lower halves of a and b, and of the upper ones. */
KERNEL_INLINE vf vf_interleave_lower(vf a, vf b)
{
#if VL == 16
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
#elif VL == 8
    return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
#else
    return __builtin_shufflevector(a, b, 0, 4, 1, 5);
#endif
}
KERNEL_INLINE vf vf_interleave_upper(vf a, vf b)
{
#if VL == 16
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#elif VL == 8
    return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#else
    return __builtin_shufflevector(a, b, 2, 6, 3, 7);
#endif
}
/* Element j of rows[i] becomes element i of rows[j]: each round interleaves the first half of the rows with the second.
 */
KERNEL_INLINE void vf_transpose(vf rows[VL])
{
    UNROLL
    for (int round = 1; round < VL; round *= 2) {
        vf next[VL];
        UNROLL
        for (int i = 0; i < VL / 2; i++) {
            next[2 * i] = vf_interleave_lower(rows[i], rows[i + VL / 2]);
            next[2 * i + 1] = vf_interleave_upper(rows[i], rows[i + VL / 2]);
        }
        UNROLL
        for (int i = 0; i < VL; i++) rows[i] = next[i];
    }
}

/* Asks for the line of p in the second-level cache; p need not be valid. */
KERNEL_INLINE void prefetch_l2(const void *p)
{
    __builtin_prefetch(p, 0, 2);
}

#endif
