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
/* A NaN in x passes through. */
KERNEL_INLINE vf vf_clamp(vf x, vf lo, vf hi)
{
    x = vf_select(x < lo, lo, x);
    return vf_select(x > hi, hi, x);
}
/* The first n < VL elements, zeros behind. */
KERNEL_INLINE vf vf_load_part(const float *p, size_t n)
{
    vf v = {0};
    memcpy(&v, p, n * sizeof(float));
    return v;
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

#endif
