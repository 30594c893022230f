/*
 * simd.h - the one place with conditionals on the instruction set: the widest float vector of the ISA that this file is
 * compiled for, and how many of them make the register tile. Everything else is GCC vector arithmetic, which clang
 * shares.
 */
#ifndef SN_RUNTIME_KERNELS_SIMD_H
#define SN_RUNTIME_KERNELS_SIMD_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* VL: floats in a vector. TILE_ROWS x TILE_VECTORS accumulators stay in registers. */
#if defined(__AVX512F__)
#define VL        16
#define TILE_ROWS 14
#elif defined(__AVX2__) && defined(__FMA__)
#define VL        8
#define TILE_ROWS 6
#elif defined(__aarch64__)
#define VL        4
#define TILE_ROWS 12
#else
#define VL        4
#define TILE_ROWS 6
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

/* Every lane of the mask is all ones or zeros. */
KERNEL_INLINE vf vf_select(vi mask, vf yes, vf no)
{
#if defined(__AVX2__) && defined(__FMA__) && !defined(__AVX512F__)
    return (vf)_mm256_blendv_ps((__m256)no, (__m256)yes, (__m256)mask);
#else
    return (vf)(((vi)yes & mask) | ((vi)no & ~mask));
#endif
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
/* Asks for the line of p in the second-level cache; p need not be valid. */
KERNEL_INLINE void prefetch_l2(const void *p)
{
    __builtin_prefetch(p, 0, 2);
}

/* ---------------------------------------------------------------------------------------- for functions of a vector */

typedef uint32_t vu __attribute__((vector_size(VL * 4)));
typedef double vd __attribute__((vector_size(VL * 4)));
typedef uint64_t vq __attribute__((vector_size(VL * 4)));

/* As on x86: the second operand when either is NaN or both are zeros. On NEON a NaN in either one comes out. */
KERNEL_INLINE vf vf_min(vf a, vf b)
{
#if defined(__AVX512F__)
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__) && defined(__FMA__)
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__aarch64__)
    return (vf)vminq_f32((float32x4_t)a, (float32x4_t)b);
#elif defined(__SSE2__)
    return (vf)_mm_min_ps((__m128)a, (__m128)b);
#else
    return vf_select(a < b, a, b);
#endif
}
KERNEL_INLINE vf vf_max(vf a, vf b)
{
#if defined(__AVX512F__)
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__) && defined(__FMA__)
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__aarch64__)
    return (vf)vmaxq_f32((float32x4_t)a, (float32x4_t)b);
#elif defined(__SSE2__)
    return (vf)_mm_max_ps((__m128)a, (__m128)b);
#else
    return vf_select(a > b, a, b);
#endif
}

/* a < b ? yes : no; GCC does not find AVX-512's blend behind vf_select(a < b, ...). */
KERNEL_INLINE vf vf_if_less(vf a, vf b, vf yes, vf no)
{
#if defined(__AVX512F__)
    return (vf)_mm512_mask_blend_ps(_mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ), (__m512)no, (__m512)yes);
#else
    return vf_select(a < b, yes, no);
#endif
}

KERNEL_INLINE vf vf_abs(vf x)
{
    return (vf)((vi)x & 0x7fffffff);
}
/* |x| with the sign of s. */
KERNEL_INLINE vf vf_copysign(vf x, vf s)
{
    return (vf)(((vi)x & 0x7fffffff) | ((vi)s & (int32_t)0x80000000));
}
KERNEL_INLINE vf vf_sqrt(vf x)
{
#if defined(__AVX512F__)
    return (vf)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__) && defined(__FMA__)
    return (vf)_mm256_sqrt_ps((__m256)x);
#elif defined(__aarch64__)
    return (vf)vsqrtq_f32((float32x4_t)x);
#elif defined(__SSE2__)
    return (vf)_mm_sqrt_ps((__m128)x);
#else
    return (vf){sqrtf(x[0]), sqrtf(x[1]), sqrtf(x[2]), sqrtf(x[3])};
#endif
}

/* To whole numbers, halves to even. Adding 2^23 leaves no bits for a fraction; a sum's sign of zero is not the
 * operand's. */
KERNEL_INLINE vf vf_round(vf x)
{
#if defined(__AVX512F__)
    return (vf)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__) && defined(__FMA__)
    return (vf)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__aarch64__)
    return (vf)vrndnq_f32((float32x4_t)x);
#else
    vf rounded = (vf_abs(x) + 0x1p23f) - 0x1p23f;
    return vf_select(vf_abs(x) < 0x1p23f, vf_copysign(rounded, x), x);
#endif
}
KERNEL_INLINE vf vf_floor(vf x)
{
#if defined(__AVX512F__)
    return (vf)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__) && defined(__FMA__)
    return (vf)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
#elif defined(__aarch64__)
    return (vf)vrndmq_f32((float32x4_t)x);
#else
    vf rounded = vf_round(x);
    return vf_copysign(vf_select(rounded > x, rounded - 1.0f, rounded), x);
#endif
}
KERNEL_INLINE vf vf_ceil(vf x)
{
    return -vf_floor(-x);
}

/* x * 2^n for whole n in [-252, 254], rounded once. */
KERNEL_INLINE vf vf_ldexp(vf x, vf n)
{
#if defined(__AVX512F__)
    return (vf)_mm512_scalef_ps((__m512)x, (__m512)n);
#else
    /* In two steps, as 2^n may be beyond what a float holds. The low bits of n + 1.5 * 2^23 are those of n. */
    vi whole = (vi)((vu)(n + 0x1.8p23f) - 0x4b400000u), half = whole >> 1;
    vu first = ((vu)half + 127) << 23, second = ((vu)whole - (vu)half + 127) << 23;
    return x * (vf)first * (vf)second;
#endif
}

/* Whether any bit of a mask is set. */
KERNEL_INLINE int vi_any(vi mask)
{
#if defined(__AVX512F__)
    return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask) != 0;
#elif defined(__AVX2__) && defined(__FMA__)
    return !_mm256_testz_si256((__m256i)mask, (__m256i)mask);
#else
    vq m = (vq)mask;
    return (m[0] | m[1]) != 0;
#endif
}

/* The halves of x as doubles, and back. */
KERNEL_INLINE vd vd_low(vf x)
{
#if VL == 16
    return __builtin_convertvector(__builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7), vd);
#elif VL == 8
    return __builtin_convertvector(__builtin_shufflevector(x, x, 0, 1, 2, 3), vd);
#else
    return __builtin_convertvector(__builtin_shufflevector(x, x, 0, 1), vd);
#endif
}
KERNEL_INLINE vd vd_high(vf x)
{
#if VL == 16
    return __builtin_convertvector(__builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15), vd);
#elif VL == 8
    return __builtin_convertvector(__builtin_shufflevector(x, x, 4, 5, 6, 7), vd);
#else
    return __builtin_convertvector(__builtin_shufflevector(x, x, 2, 3), vd);
#endif
}
KERNEL_INLINE vf vf_from_halves(vd low, vd high)
{
    typedef float half __attribute__((vector_size(VL * 2)));
    half a = __builtin_convertvector(low, half), b = __builtin_convertvector(high, half);
#if VL == 16
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#elif VL == 8
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
#else
    return __builtin_shufflevector(a, b, 0, 1, 2, 3);
#endif
}

/* ---------------------------------------------------------------------------------------- images and layouts */

/* Stores past the caches, to addresses that vectors divide, a cache line's vectors one after the other; others see them
 * after vf_stream_end. VF_STREAMS: that there is such a thing. */
#define CACHE_LINE 64
#if defined(__AVX512F__)
#define VF_STREAMS 1
KERNEL_INLINE void vf_stream(float *p, vf v)
{
    _mm512_stream_ps(p, (__m512)v);
}
#elif defined(__AVX2__) && defined(__FMA__)
#define VF_STREAMS 1
KERNEL_INLINE void vf_stream(float *p, vf v)
{
    _mm256_stream_ps(p, (__m256)v);
}
#elif defined(__SSE2__)
#define VF_STREAMS 1
KERNEL_INLINE void vf_stream(float *p, vf v)
{
    _mm_stream_ps(p, (__m128)v);
}
#else
#define VF_STREAMS 0
KERNEL_INLINE void vf_stream(float *p, vf v)
{
    vf_store(p, v);
}
#endif
KERNEL_INLINE void vf_stream_end(void)
{
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

/* For loops that may be longer than UNROLL's 16. */
#if defined(__clang__)
#define UNROLL_LONG _Pragma("clang loop unroll(full)")
#else
#define UNROLL_LONG _Pragma("GCC unroll 64")
#endif

/* vf_load_part and vf_store_part for loops over channels, where n is VL all the time but the last: a branch is cheaper
 * than what AVX2 and the baseline make of a mask. */
KERNEL_INLINE vf vf_load_some(const float *p, size_t n)
{
    return VL < 16 && n == VL ? vf_load(p) : vf_load_part(p, n);
}
KERNEL_INLINE void vf_store_some(float *p, vf v, size_t n)
{
    if (VL < 16 && n == VL)
        vf_store(p, v);
    else
        vf_store_part(p, v, n);
}

/* b > a || b is NaN ? b : a: the maximum, in which NaN wins over every number. x86 gives the second operand when one is
 * NaN. */
KERNEL_INLINE vf vf_max_or_nan(vf a, vf b)
{
#if defined(__AVX512F__)
    __mmask16 is_number = _mm512_cmp_ps_mask((__m512)b, (__m512)b, _CMP_ORD_Q);
    return (vf)_mm512_mask_max_ps((__m512)b, is_number, (__m512)b, (__m512)a);
#elif defined(__AVX2__) && defined(__FMA__)
    __m256 is_nan = _mm256_cmp_ps((__m256)b, (__m256)b, _CMP_UNORD_Q);
    return (vf)_mm256_blendv_ps(_mm256_max_ps((__m256)b, (__m256)a), (__m256)b, is_nan);
#else
    return vf_select((b > a) | (b != b), b, a);
#endif
}

/* Four elements for every group of four: i < 4 is a's, else b's. Then whole groups, numbered likewise. */
#define VF_OF_GROUP(i, g) ((i) % 4 + 4 * (g) + (i) / 4 * VL)
#if VL == 16
#define VF_SHUFFLE_4(a, b, i, j, k, l)                                                                                 \
    __builtin_shufflevector(a, b, VF_OF_GROUP(i, 0), VF_OF_GROUP(j, 0), VF_OF_GROUP(k, 0), VF_OF_GROUP(l, 0),          \
                            VF_OF_GROUP(i, 1), VF_OF_GROUP(j, 1), VF_OF_GROUP(k, 1), VF_OF_GROUP(l, 1),                \
                            VF_OF_GROUP(i, 2), VF_OF_GROUP(j, 2), VF_OF_GROUP(k, 2), VF_OF_GROUP(l, 2),                \
                            VF_OF_GROUP(i, 3), VF_OF_GROUP(j, 3), VF_OF_GROUP(k, 3), VF_OF_GROUP(l, 3))
#define VF_GROUP(g)                   4 * (g), 4 * (g) + 1, 4 * (g) + 2, 4 * (g) + 3
#define VF_GROUPS_4(a, b, g, h, i, j) __builtin_shufflevector(a, b, VF_GROUP(g), VF_GROUP(h), VF_GROUP(i), VF_GROUP(j))
#elif VL == 8
#define VF_SHUFFLE_4(a, b, i, j, k, l)                                                                                 \
    __builtin_shufflevector(a, b, VF_OF_GROUP(i, 0), VF_OF_GROUP(j, 0), VF_OF_GROUP(k, 0), VF_OF_GROUP(l, 0),          \
                            VF_OF_GROUP(i, 1), VF_OF_GROUP(j, 1), VF_OF_GROUP(k, 1), VF_OF_GROUP(l, 1))
#else
#define VF_SHUFFLE_4(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#endif

/* The first step of transposes: 4 x 4 elements within groups of four, of four vectors each. */
KERNEL_INLINE void vf_transpose_fours(vf *r, const int vectors)
{
    UNROLL
    for (int i = 0; i < vectors; i += 4) {
        vf ac_low = VF_SHUFFLE_4(r[i], r[i + 2], 0, 4, 1, 5), ac_high = VF_SHUFFLE_4(r[i], r[i + 2], 2, 6, 3, 7);
        vf bd_low = VF_SHUFFLE_4(r[i + 1], r[i + 3], 0, 4, 1, 5);
        vf bd_high = VF_SHUFFLE_4(r[i + 1], r[i + 3], 2, 6, 3, 7);
        r[i] = VF_SHUFFLE_4(ac_low, bd_low, 0, 4, 1, 5);
        r[i + 1] = VF_SHUFFLE_4(ac_low, bd_low, 2, 6, 3, 7);
        r[i + 2] = VF_SHUFFLE_4(ac_high, bd_high, 0, 4, 1, 5);
        r[i + 3] = VF_SHUFFLE_4(ac_high, bd_high, 2, 6, 3, 7);
    }
}

/* r[i][j] becomes r[j][i]: 4 x 4 within groups of four, then the groups. */
KERNEL_INLINE void vf_transpose(vf r[VL])
{
    vf_transpose_fours(r, VL);
#if VL == 16
    UNROLL
    for (int i = 0; i < 4; i++) {
        vf even_low = VF_GROUPS_4(r[i], r[i + 4], 0, 2, 4, 6), odd_low = VF_GROUPS_4(r[i], r[i + 4], 1, 3, 5, 7);
        vf even_high = VF_GROUPS_4(r[i + 8], r[i + 12], 0, 2, 4, 6);
        vf odd_high = VF_GROUPS_4(r[i + 8], r[i + 12], 1, 3, 5, 7);
        r[i] = VF_GROUPS_4(even_low, even_high, 0, 2, 4, 6);
        r[i + 8] = VF_GROUPS_4(even_low, even_high, 1, 3, 5, 7);
        r[i + 4] = VF_GROUPS_4(odd_low, odd_high, 0, 2, 4, 6);
        r[i + 12] = VF_GROUPS_4(odd_low, odd_high, 1, 3, 5, 7);
    }
#elif VL == 8
    UNROLL
    for (int i = 0; i < 4; i++) {
        vf first = __builtin_shufflevector(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        r[i + 4] = __builtin_shufflevector(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
        r[i] = first;
    }
#endif
}

#if VL == 16
KERNEL_INLINE vf vf_load_halves(const float *low, const float *high)
{
    return (vf)_mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(low)), _mm256_loadu_ps(high), 1);
}

/* Vector i of 8 is row i and row i + 8, of 8 columns; then it is column i, of 16 rows. */
KERNEL_INLINE void vf_transpose_halves(vf r[VL / 2])
{
    vf_transpose_fours(r, VL / 2);
    UNROLL
    for (int i = 0; i < 4; i++) {
        vf first = VF_GROUPS_4(r[i], r[i + 4], 0, 4, 2, 6);
        r[i + 4] = VF_GROUPS_4(r[i], r[i + 4], 1, 5, 3, 7);
        r[i] = first;
    }
}
#endif

/* Lane i of the result is lane i ^ distance of v; distance is a constant power of two. Folding with the distances VL /
 * 2,
 * ..., 2, 1 combines all lanes, always in the same order. */
KERNEL_INLINE vf vf_across(vf v, int distance)
{
#if VL == 16
    if (distance == 8) return __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    if (distance == 4) return __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    if (distance == 2) return __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    return __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
#elif VL == 8
    if (distance == 4) return __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
    if (distance == 2) return __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
    return __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
#else
    if (distance == 2) return __builtin_shufflevector(v, v, 2, 3, 0, 1);
    return __builtin_shufflevector(v, v, 1, 0, 3, 2);
#endif
}
/* v with `other` in lanes n, n + 1, ... */
KERNEL_INLINE vf vf_first(vf v, size_t n, vf other)
{
#if VL == 16
    const vi lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif VL == 8
    const vi lane = {0, 1, 2, 3, 4, 5, 6, 7};
#else
    const vi lane = {0, 1, 2, 3};
#endif
    return vf_select(lane < (int32_t)n, v, other);
}

#endif
