/*
 * matmul.h - Gemm and MatMul: parameters and geometry (read by passes and by the runtime too), and the plain matrix
 * product that the recurrent operators share with them.
 */
#ifndef SN_OPS_MATMUL_H
#define SN_OPS_MATMUL_H

#include "ops/op.h"

typedef struct sn_gemm_params {
    float alpha, beta;
    bool trans_a, trans_b;
} sn_gemm_params;

/* Y[m, n] = A[m, k] * B[k, n], after transposition. From facts, sizes may be unknown or symbols. */
typedef struct sn_gemm_sizes {
    int64_t m, n, k;
} sn_gemm_sizes;

/* Both ranks must be known. */
SINTER_CHECK sinter_status sn_gemm_geometry(const sn_gemm_params *p, const sn_shape *a, const sn_shape *b,
                                            sn_gemm_sizes *out, sinter_error *err);

/* numpy.matmul: a vector on either side is a row or column that does not show in the output. */
typedef struct sn_matmul_sizes {
    int64_t m, n, k;
    sn_shape batch; /* broadcast batch axes */
    sn_shape output;
} sn_matmul_sizes;

SINTER_CHECK sinter_status sn_matmul_geometry(const sn_shape *a, const sn_shape *b, sn_matmul_sizes *out,
                                              sinter_error *err);

/* A dense product of any strides: element (i, l) of A is a[i * a_row + l * a_col], of B b[l * b_row + j * b_col]; Y is
 * [m, n] and contiguous. */
typedef struct sn_product {
    int64_t m, n, k;
    int64_t a_row, a_col, b_row, b_col;
} sn_product;

/* `row` is scratch for k elements; unused, and may be NULL, when a_col is 1. Integers wrap around. */
typedef void sn_product_fn(const sn_product *p, const void *a, const void *b, void *y, void *row);
sn_product_fn sn_product_float, sn_product_double, sn_product_uint32, sn_product_uint64;

/* Sum of a[i] * b[i], in eight partial sums so that it vectorises. */
float sn_dot_float(const float *a, const float *b, int64_t n);
double sn_dot_double(const double *a, const double *b, int64_t n);

#endif
