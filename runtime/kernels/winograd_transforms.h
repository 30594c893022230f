/*
 * winograd_transforms.h - the inside of winograd.c: B^T d B and A^T M A for one vector of channels.
 *
 * F(2, 3) evaluates its polynomials at 0, 1, -1, infinity:
 *
 *         1  0 -1  0           1    0    0
 *   B^T = 0  1  1  0     G = 1/2  1/2  1/2     A^T = 1 1  1 0
 *         0 -1  1  0         1/2 -1/2  1/2           0 1 -1 1
 *         0 -1  0  1           0    0    1
 *
 * F(4, 3) at 0, p, -p, q, -q, infinity with p = 3/4 and q = 3/2. Their powers are short binary fractions and stay near
 * 1, which makes a third of the error of the usual 1 and 2 (Barabasz and others 2020, on the choice of points):
 *
 *         p2q2     0   -p2-q2      0  1  0         1/N0    0     0
 *            0 -p q2      -q2      p  1  0         1/Np  p/Np p2/Np           1 1  1  1  1 0
 *   B^T =    0  p q2      -q2     -p  1  0     G = 1/Np -p/Np p2/Np     A^T = 0 p -p  q -q 0
 *            0 -q p2      -p2      q  1  0         1/Nq  q/Nq q2/Nq           0 p2 p2 q2 q2 0
 *            0  q p2      -p2     -q  1  0         1/Nq -q/Nq q2/Nq           0 p3 -p3 q3 -q3 1
 *            0  p2q2        0 -p2-q2  0  1            0    0     1
 *
 *   N0 = p2 q2, Np = 2 p2 (p2 - q2), Nq = 2 q2 (q2 - p2)
 *
 * In two dimensions, the rows that share their sums, those of p and -p, are made together from whole columns, and then
 * transformed along the row while they are in registers: with two rows of six there are enough of them on every
 * machine.
 */
#ifndef SN_RUNTIME_KERNELS_WINOGRAD_TRANSFORMS_H
#define SN_RUNTIME_KERNELS_WINOGRAD_TRANSFORMS_H

#include "runtime/kernels/simd.h"
#include <stddef.h>

#define MAX_SIDE   4
#define MAX_INPUTS (MAX_SIDE + 2)
#define MAX_POINTS (MAX_INPUTS * MAX_INPUTS)

#define P  0.75
#define P2 (P * P)
#define P3 (P * P * P)
#define Q  1.5
#define Q2 (Q * Q)
#define Q3 (Q * Q * Q)

/* G, for transforming weights in double. */
static const double weights_2[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
#define NP (2 * P2 * (P2 - Q2))
#define NQ (2 * Q2 * (Q2 - P2))
static const double weights_4[6][3] = {{1 / (P2 * Q2), 0, 0},      {1 / NP, P / NP, P2 / NP},
                                       {1 / NP, -P / NP, P2 / NP}, {1 / NQ, Q / NQ, Q2 / NQ},
                                       {1 / NQ, -Q / NQ, Q2 / NQ}, {0, 0, 1}};

#define SPLAT(x) vf_splat((float)(x))

/* ---------------------------------------------------------------------------------------------------- inputs */

/* A matrix of pixels, each a vector, with pitches in floats. */
typedef struct pixels {
    const float *x;
    ptrdiff_t row, column;
} pixels;

/* p, of which the compiler knows nothing: neighbours are found from it by an addressing mode. Otherwise all of their
 * addresses, several dozen, are computed before the loop over channels and reloaded in it. */
KERNEL_INLINE float *opaque_target(float *p)
{
    __asm__("" : "+r"(p));
    return p;
}
KERNEL_INLINE const float *opaque(const float *p)
{
    __asm__("" : "+r"(p));
    return p;
}

/* The rows of B^T of p and -p, or of q and -q, whose sums differ in signs only. */
KERNEL_INLINE void input_4_pair(vf d1, vf d2, vf d3, vf d4, vf point, vf other_squared, vf *plus, vf *minus)
{
    vf even = vf_fma(-other_squared, d2, d4), odd = vf_fma(-other_squared, d1, d3);
    *plus = vf_fma(point, odd, even);
    *minus = vf_fma(-point, odd, even);
}
/* The first row, or the last one with everything one further. */
KERNEL_INLINE vf input_4_end(vf d0, vf d2, vf d4)
{
    return vf_fma(SPLAT(P2 * Q2), d0, vf_fma(-SPLAT(P2 + Q2), d2, d4));
}

/* B^T along a row, whose six points are stored `point` floats apart; the next row's place. */
KERNEL_INLINE float *input_4_row(const vf d[6], float *v, size_t point)
{
    vf plus, minus;
    v = opaque_target(v);
    vf_store(v, input_4_end(d[0], d[2], d[4]));
    input_4_pair(d[1], d[2], d[3], d[4], SPLAT(P), SPLAT(Q2), &plus, &minus);
    vf_store(v + point, plus);
    vf_store(v + 2 * point, minus);
    input_4_pair(d[1], d[2], d[3], d[4], SPLAT(Q), SPLAT(P2), &plus, &minus);
    vf_store(v + 3 * point, plus);
    vf_store(v + 4 * point, minus);
    vf_store(v + 5 * point, input_4_end(d[1], d[3], d[5]));
    return v + 6 * point;
}

KERNEL_INLINE float *input_4_ends(const pixels *d, int last, float *v, size_t point)
{
    vf a[6];
    const float *x = d->x + last * d->row;
    UNROLL
    for (int j = 0; j < 6; j++, x += d->column) {
        x = opaque(x);
        a[j] = input_4_end(vf_load(x), vf_load(x + 2 * d->row), vf_load(x + 4 * d->row));
    }
    return input_4_row(a, v, point);
}

KERNEL_INLINE float *input_4_pairs(const pixels *d, vf abscissa, vf other_squared, float *v, size_t point)
{
    vf a[6], b[6];
    const float *x = d->x;
    UNROLL
    for (int j = 0; j < 6; j++, x += d->column) {
        x = opaque(x);
        input_4_pair(vf_load(x + d->row), vf_load(x + 2 * d->row), vf_load(x + 3 * d->row), vf_load(x + 4 * d->row),
                     abscissa, other_squared, &a[j], &b[j]);
    }
    return input_4_row(b, input_4_row(a, v, point), point);
}

KERNEL_INLINE void input_4(const pixels *d, float *v, size_t point)
{
    v = input_4_ends(d, 0, v, point);
    v = input_4_pairs(d, SPLAT(P), SPLAT(Q2), v, point);
    v = input_4_pairs(d, SPLAT(Q), SPLAT(P2), v, point);
    input_4_ends(d, 1, v, point);
}

KERNEL_INLINE float *input_2_row(const vf d[4], float *v, size_t point)
{
    v = opaque_target(v);
    vf_store(v, d[0] - d[2]);
    vf_store(v + point, d[2] + d[1]);
    vf_store(v + 2 * point, d[2] - d[1]);
    vf_store(v + 3 * point, d[3] - d[1]);
    return v + 4 * point;
}

KERNEL_INLINE void input_2(const pixels *d, float *v, size_t point)
{
    vf rows[4][4];
    const float *x = d->x;
    UNROLL
    for (int j = 0; j < 4; j++, x += d->column) {
        x = opaque(x);
        vf d0 = vf_load(x), d1 = vf_load(x + d->row), d2 = vf_load(x + 2 * d->row), d3 = vf_load(x + 3 * d->row);
        rows[0][j] = d0 - d2;
        rows[1][j] = d2 + d1;
        rows[2][j] = d2 - d1;
        rows[3][j] = d3 - d1;
    }
    UNROLL
    for (int i = 0; i < 4; i++) v = input_2_row(rows[i], v, point);
}

KERNEL_INLINE void input_tile(const size_t side, const pixels *d, float *v, size_t point)
{
    if (side == 4) {
        input_4(d, v, point);
    } else {
        input_2(d, v, point);
    }
}

/* ---------------------------------------------------------------------------------------------------- outputs */

/* A^T along a row. */
KERNEL_INLINE void output_4_row(const vf m[6], vf y[4])
{
    vf even_p = m[1] + m[2], odd_p = m[1] - m[2], even_q = m[3] + m[4], odd_q = m[3] - m[4];
    y[0] = m[0] + (even_p + even_q);
    y[1] = vf_fma(SPLAT(Q), odd_q, SPLAT(P) * odd_p);
    y[2] = vf_fma(SPLAT(Q2), even_q, SPLAT(P2) * even_p);
    y[3] = vf_fma(SPLAT(Q3), odd_q, vf_fma(SPLAT(P3), odd_p, m[5]));
}

/* Rows `odd` and odd + 2 of A^T M A, where the points of M are `point` floats apart. */
KERNEL_INLINE void output_4(const int odd, const float *m, size_t point, vf y[2][4])
{
    const size_t row = 6 * point;
    vf a[6], b[6];
    UNROLL
    for (int j = 0; j < 6; j++, m += point) {
        m = opaque(m);
        vf p = vf_load(m + row), minus_p = vf_load(m + 2 * row), q = vf_load(m + 3 * row),
           minus_q = vf_load(m + 4 * row);
        if (odd) {
            p -= minus_p;
            q -= minus_q;
            a[j] = vf_fma(SPLAT(Q), q, SPLAT(P) * p);
            b[j] = vf_fma(SPLAT(Q3), q, vf_fma(SPLAT(P3), p, vf_load(m + 5 * row)));
        } else {
            p += minus_p;
            q += minus_q;
            a[j] = vf_load(m) + (p + q);
            b[j] = vf_fma(SPLAT(Q2), q, SPLAT(P2) * p);
        }
    }
    output_4_row(a, y[0]);
    output_4_row(b, y[1]);
}

/* Both rows. */
KERNEL_INLINE void output_2(const float *m, size_t point, vf y[2][4])
{
    const size_t row = 4 * point;
    vf a[4], b[4];
    UNROLL
    for (int j = 0; j < 4; j++, m += point) {
        m = opaque(m);
        vf plus = vf_load(m + row), minus = vf_load(m + 2 * row);
        a[j] = vf_load(m) + (plus + minus);
        b[j] = vf_load(m + 3 * row) + (plus - minus);
    }
    y[0][0] = a[0] + (a[1] + a[2]);
    y[0][1] = a[3] + (a[1] - a[2]);
    y[1][0] = b[0] + (b[1] + b[2]);
    y[1][1] = b[3] + (b[1] - b[2]);
}

#endif
