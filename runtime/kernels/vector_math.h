/*
 * vector_math.h - the elementary functions on vectors of floats, each within 2 ulp of the true value for every float
 * (bench_vector_math tries them all). Denormal arguments and results count like any others, zeros keep their signs,
 * NaN gives NaN, and the limits at infinity are the mathematical ones.
 *
 * The polynomials are minimax fits for relative error of the function, with coefficients rounded to float one after the
 * other, lowest first. Nothing here relies on fused multiply-adds: where a product's error would show, the constant is
 * split so that the product is exact, or doubles are used.
 */
#ifndef SN_RUNTIME_KERNELS_VECTOR_MATH_H
#define SN_RUNTIME_KERNELS_VECTOR_MATH_H

#include "runtime/kernels/simd.h"
#include <math.h>

/* c[0] + c[1] x + ... + c[n - 1] x^(n - 1), by Horner's rule. */
#define VF_POLYNOMIAL(x, ...)                                                                                          \
    vf_horner(x, (const float[]){__VA_ARGS__}, (int)(sizeof((const float[]){__VA_ARGS__}) / sizeof(float)))
KERNEL_INLINE vf vf_horner(vf x, const float *c, int n)
{
    vf y = vf_splat(c[n - 1]);
    UNROLL
    for (int i = n - 2; i >= 0; i--) y = vf_fma(y, x, vf_splat(c[i]));
    return y;
}
#define VD_POLYNOMIAL(x, ...)                                                                                          \
    vd_horner(x, (const double[]){__VA_ARGS__}, (int)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double)))
KERNEL_INLINE vd vd_horner(vd x, const double *c, int n)
{
    vd y = x * c[n - 1] + c[n - 2];
    UNROLL
    for (int i = n - 3; i >= 0; i--) y = y * x + c[i];
    return y;
}

KERNEL_INLINE vd vd_select(vq mask, vd yes, vd no)
{
    return (vd)(((vq)yes & mask) | ((vq)no & ~mask));
}

/* Adding and taking away 1.5 * 2^23 rounds to a whole number. */
#define ROUNDER 0x1.8p23f

/* ln 2 in two parts: the product of the first one with a whole number below 2^9 is exact. */
#define LN2_HIGH 0x1.62e4p-1f
#define LN2_LOW  0x1.7f7d1cp-20f

/* x = n ln 2 + r with |r| <= ln(2) / 2, for |x| < 128. */
KERNEL_INLINE vf vf_reduce_ln2(vf x, vf *n)
{
    *n = vf_fma(x, vf_splat(0x1.715476p0f), vf_splat(ROUNDER)) - ROUNDER;
    return vf_fma(*n, vf_splat(-LN2_LOW), vf_fma(*n, vf_splat(-LN2_HIGH), x));
}

/* e^x = 2^n (1 + r + r^2 q(r)). Beyond the clamp the result is 0 or infinity all the same. */
KERNEL_INLINE vf vf_exp(vf x)
{
    vf n, r = vf_reduce_ln2(vf_clamp(x, vf_splat(-104), vf_splat(89)), &n);
    vf q = VF_POLYNOMIAL(r, 0.49999994f, 0.166665226f, 0.0416682288f, 0.00836818293f, 0.00138200691f);
    return vf_ldexp(vf_fma(r * r, q, r) + 1.0f, n);
}

/*
 * e^x - 1 = 2^n r + (2^n - 1) + 2^n r^2 q(r). The first sum would cancel half of its digits near n = 1, so that its
 * rounding error is carried along; r itself is rounded, which is made good as well. All is computed halved, as 2^128 is
 * no float.
 */
KERNEL_INLINE vf vf_expm1(vf x)
{
    vf clamped = vf_clamp(x, vf_splat(-18), vf_splat(89)), n;
    vf_reduce_ln2(clamped, &n);
    vf rough = vf_fma(n, vf_splat(-LN2_HIGH), clamped), low = n * -LN2_LOW;
    vf r = rough + low, lost = (rough - r) + low;
    vf q = VF_POLYNOMIAL(r, 0.49999997f, 0.16666545f, 0.0416674614f, 0.00836643204f, 0.00138684351f);
    vf scale = vf_ldexp(vf_splat(0.5f), n), whole = scale - 0.5f;
    vf head = whole + scale * r, tail = scale * r - (head - whole);
    vf y = head + (scale * vf_fma(r * r, q, lost) + tail);
    return vf_if_less(vf_abs(x), vf_splat(0x1p-26f), x, y + y);
}

/* x = 2^k (1 + f) with f in [-1/3, 1/3]; ln(1 + f) = f - f^2 / 2 + f^3 p(f). */
KERNEL_INLINE vf vf_log(vf x)
{
    vi denormal = x < 0x1p-126f;
    vf normal = vf_if_less(x, vf_splat(0x1p-126f), x * 0x1p23f, x);
    vi k = (vi)((vu)normal - 0x3f2aaaabu) >> 23;
    vf f = (vf)((vu)normal - ((vu)k << 23)) - 1.0f;
    vf e = __builtin_convertvector(k + (denormal & -23), vf);
    vf s = f * f;
    vf p = VF_POLYNOMIAL(f, 0.333332151f, -0.249998048f, 0.200104386f, -0.166802064f, 0.140054747f, -0.121877834f,
                         0.139859751f, -0.12877509f);
    vf y = vf_fma(e, vf_splat(LN2_LOW), s * f * p);
    y = vf_fma(e, vf_splat(LN2_HIGH), f + vf_fma(s, vf_splat(-0.5f), y));
    y = vf_if_less(x, vf_splat(INFINITY), y, x); /* NaN, too */
    y = vf_if_less(x, vf_splat(0), vf_splat(NAN), y);
    return vf_select(x == 0.0f, vf_splat(-INFINITY), y);
}

/* ln(1 + x) for x in [0, 1] or NaN: what 1 + x lost is put back to first order. */
KERNEL_INLINE vf vf_log1p_unit(vf x)
{
    vf u = x + 1.0f;
    return vf_log(u) + (x - (u - 1.0f)) / u;
}

/* A polynomial while it is the smaller half of the range; 1 - 2 / (e^2x + 1) where that does not cancel. */
KERNEL_INLINE vf vf_tanh(vf x)
{
    vf a = vf_abs(x), s = a * a;
    vf p = VF_POLYNOMIAL(s, -0.333333164f, 0.133325458f, -0.053847868f, 0.0210527256f, -0.00624668645f);
    vf small = vf_fma(a * s, p, a), large = 1.0f - 2.0f / (vf_exp(a + a) + 1.0f);
    return vf_copysign(vf_if_less(a, vf_splat(0.55f), small, large), x);
}

/* With e = exp(-|x|), which does not overflow: 1 / (1 + e) = 1 - q or e / (1 + e) = e - e q, where q = e / (1 + e). So
 * the errors of the sum and the quotient count by a factor of e only. */
KERNEL_INLINE vf vf_sigmoid(vf x)
{
    vf e = vf_exp(-vf_abs(x)), q = e / (e + 1.0f);
    vf w = vf_if_less(x, vf_splat(0), e, vf_splat(1));
    return vf_fma(-q, w, w);
}

/* 1 - erf(x) for x >= 0, as e^(-x^2) times a polynomial without constant term in 1 / (1 + 0.38 x). The rounding of x^2
 * shows only where the result is small: a few ulp there. */
KERNEL_INLINE vf vf_erfc_positive(vf x)
{
    vf u = 1.0f / vf_fma(x, vf_splat(0.38f), vf_splat(1));
    vf p = VF_POLYNOMIAL(u, 0.214411214f, 0.213915393f, 0.203932866f, 0.138553292f, 0.230240762f, -0.161757544f,
                         0.364111841f, -0.262397915f, 0.0589901097f);
    return vf_exp(-x * x) * (u * p);
}

KERNEL_INLINE vf vf_erf(vf x)
{
    vf a = vf_abs(x);
    vf p = VF_POLYNOMIAL(a * a, 0.128379166f, -0.37612626f, 0.112835787f, -0.0268533472f, 0.0051871622f,
                         -0.00079978531f, 7.80690316e-05f);
    return vf_copysign(vf_if_less(a, vf_splat(1), vf_fma(a, p, a), 1.0f - vf_erfc_positive(a)), x);
}

/* ---------------------------------------------------------------------------------------------------- sin, cos */

/* Below this, whole quarter turns times the first part of pi / 2 are exact in double. */
#define QUARTERS_LIMIT 0x1p20f

KERNEL_INLINE vd vd_reduce_quarters(vd x, vd *n)
{
    *n = (x * 0x1.45f306dc9c883p-1 + 0x1.8p52) - 0x1.8p52;
    return (x - *n * 0x1.921fb544p+0) - *n * 0x1.0b4611a626331p-34;
}

/* sin(x + quarters pi / 2). The remainder is computed in double: floats come as near to a multiple of pi / 2 as 2^-30,
 * and what is left then must have all its digits. */
KERNEL_INLINE vf vf_sin_quarters(vf x, int quarters)
{
    vd n_low, n_high, low = vd_reduce_quarters(vd_low(x), &n_low), high = vd_reduce_quarters(vd_high(x), &n_high);
    vf r = vf_from_halves(low, high), s = r * r;
    vi q = (vi)((vu)(vf_from_halves(n_low, n_high) + ROUNDER) + (uint32_t)quarters);
    vf sine = vf_fma(r * s, VF_POLYNOMIAL(s, -0.166666552f, 0.00833218917f, -0.00019518286f), r);
    vf cosine = vf_fma(s * s, VF_POLYNOMIAL(s, 0.0416666456f, -0.00138873106f, 2.44325638e-05f), 1.0f - s * 0.5f);
    vf y = vf_select((q & 1) == 0, vf_copysign(sine, r), cosine);
    return (vf)((vu)y ^ ((vu)(q & 2) << 30));
}

/* Lane by lane, for arguments too large for the quick reduction. */
static __attribute__((noinline, cold, unused)) void sin_lanes(float *x)
{
    for (int i = 0; i < VL; i++) x[i] = sinf(x[i]);
}
static __attribute__((noinline, cold, unused)) void cos_lanes(float *x)
{
    for (int i = 0; i < VL; i++) x[i] = cosf(x[i]);
}
KERNEL_INLINE vf vf_large_lanes(vf x, vf y, void (*function)(float *x))
{
    vi large = ~(vf_abs(x) < QUARTERS_LIMIT); /* NaN, too */
    if (__builtin_expect(vi_any(large), 0)) {
        float lanes[VL];
        vf_store(lanes, x);
        function(lanes);
        y = vf_select(large, vf_load(lanes), y);
    }
    return y;
}
KERNEL_INLINE vf vf_sin(vf x)
{
    return vf_large_lanes(x, vf_sin_quarters(x, 0), sin_lanes);
}
KERNEL_INLINE vf vf_cos(vf x)
{
    return vf_large_lanes(x, vf_sin_quarters(x, 1), cos_lanes);
}

/* ---------------------------------------------------------------------------------------------------- pow */

/* Of positive numbers; 0 and infinity have their limits. x = 2^k m with m about 1, log2(m) = 2 atanh(s) / ln 2. */
KERNEL_INLINE vd vd_log2(vd x)
{
    vq biased = ((vq)x + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu)) >> 52; /* k + 1023 */
    vd k = (vd)(biased | 0x4330000000000000u) - (0x1p52 + 1023);
    vd m = (vd)((vq)x - ((biased - 1023) << 52));
    vd s = (m - 1.0) / (m + 1.0);
    vd y = k + s * VD_POLYNOMIAL(s * s, 2.8853900817778499, 0.96179669411349122, 0.57707794230912524,
                                 0.41220925864438657, 0.31990542370490016, 0.28290423485262611);
    y = vd_select((vq)(x == 0.0), (vd){0} - (double)INFINITY, y);
    return vd_select((vq)(x == (double)INFINITY), x, y);
}

KERNEL_INLINE vd vd_exp2(vd x)
{
    const vd most = (vd){0} + 200.0;
    x = vd_select((vq)(x > most), most, x);
    x = vd_select((vq)(x < -most), -most, x);
    vd rounder = x + 0x1.8p52, f = x - (rounder - 0x1.8p52);
    vd p = VD_POLYNOMIAL(f, 0.999999999961379, 0.69314718072979831, 0.24022651201148348, 0.055504103503600632,
                         0.0096180268490448258, 0.0013333924042078632, 0.00015469421864722525, 1.5201812196670044e-05);
    return p * (vd)(((vq)rounder + 1023) << 52);
}

/* |x|^y for x not 1 in magnitude, in double: y log2(x) needs more digits than a float has. */
KERNEL_INLINE vf vf_pow_magnitude(vf x, vf y)
{
    vd low = vd_exp2(vd_low(y) * vd_log2(vd_low(x))), high = vd_exp2(vd_high(y) * vd_log2(vd_high(x)));
    return vf_from_halves(low, high);
}

/* As C's pow: x^0 and 1^y are 1 even for NaN, negative x have powers only for whole y. */
KERNEL_INLINE vf vf_pow(vf x, vf y)
{
    vf a = vf_abs(x), ay = vf_abs(y);
    vf power = vf_select(a == 1.0f, vf_splat(1), vf_pow_magnitude(a, y));
    vi whole = (vf_round(y) == y) | (ay == INFINITY);
    vf half = y * 0.5f;
    vi odd = whole & (vf_round(half) != half) & (ay < 0x1p24f);
    power = vf_select((x < 0.0f) & (a < INFINITY) & ~whole, vf_splat(NAN), power);
    power = (vf)((vi)power ^ ((vi)x & odd & (int32_t)0x80000000));
    power = vf_select((x != x) | (y != y), x + y, power);
    return vf_select((x == 1.0f) | (y == 0.0f), vf_splat(1), power);
}

#endif
