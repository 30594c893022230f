/*
 * kernels.h - pure functions on pointers and sizes, compiled once per instruction set and chosen from a table.
 *
 * A kernel computes a rectangle of its result, so that callers may split the work any way they like: an element's value
 * never depends on the rectangle it was computed in, hence not on the number of threads. It also does not depend on how
 * many rows (batch) there are. Kernels allocate nothing; scratch is the caller's.
 */
#ifndef SN_RUNTIME_KERNELS_KERNELS_H
#define SN_RUNTIME_KERNELS_KERNELS_H

#include "runtime/kernels/activation.h"
#include "runtime/kernels/depthwise.h"
#include "runtime/kernels/elementwise.h"
#include "runtime/kernels/gemm.h"
#include "runtime/kernels/layout.h"
#include "runtime/kernels/norm.h"
#include "runtime/kernels/pooling.h"
#include "runtime/kernels/winograd.h"
#include <stdbool.h>
#include <stddef.h>

/* Each family is a header of this folder with the type sn_<family>_kernels, and a source. */
#define SN_KERNEL_FAMILIES(X) X(activation) X(depthwise) X(elementwise) X(gemm) X(layout) X(norm) X(pooling) X(winograd)

/* C = A * B for row-major A[m x k]; `b_row` elements lie between rows of B[k x n], which are contiguous. */
typedef struct sn_matmul {
    size_t m, n, k;
    const float *a;
    size_t a_row;
    const float *b;
    size_t b_row;
    float *c;
    size_t c_row;
} sn_matmul;

#define SN_CONV_DIMS 3 /* depth, height, width; missing leading ones are 1 */

/* One image and group of a convolution, as the product W[m x k] * columns[k x n]: m output channels, n output
 * positions, k = channels * taps. The source already has its padding, so that each tap is one addition away. */
typedef struct sn_conv {
    size_t m, k;
    const float *weights; /* [m][channels][taps] */
    const float *bias;    /* m entries, or NULL */
    const float *source;  /* [channels][plane] */
    size_t plane;         /* elements of one padded channel */
    size_t taps;
    const size_t *tap_offset;  /* of each tap from an output position's base */
    size_t out[SN_CONV_DIMS];  /* output extents */
    size_t step[SN_CONV_DIMS]; /* elements between the bases of neighbouring output positions */
    size_t readable;           /* elements that may be read from `source` */
    float *target;             /* [m][out] */
    float lo, hi;              /* clamp of the result: -INFINITY, INFINITY for none */
} sn_conv;

/* One channel of a depthwise convolution. */
typedef struct sn_depthwise_plane {
    const float *source;  /* padded plane */
    size_t readable;      /* elements that may be read from there */
    const float *weights; /* taps */
    float bias;
    size_t taps;
    const size_t *tap_offset;
    size_t out[SN_CONV_DIMS];
    size_t step[SN_CONV_DIMS];
    float *target;
    float lo, hi;
} sn_depthwise_plane;

/* One channel of a max pooling: taps outside of the image are left out, so the source is not padded. */
typedef struct sn_max_pool {
    const float *source;
    size_t height, width;
    size_t kernel[2], stride[2], dilation[2];
    size_t pad[2]; /* at the beginning */
    size_t out[2];
    float *target;
} sn_max_pool;

typedef struct sn_kernels {
    const char *isa;
#define SN_KERNEL_FAMILY(family) const sn_##family##_kernels *family;
    SN_KERNEL_FAMILIES(SN_KERNEL_FAMILY)
#undef SN_KERNEL_FAMILY

    size_t rows, columns; /* of the register tile: good units to split by */
    size_t scratch;       /* floats that one call of matmul or conv needs */

    /* Rows [m0, m1), columns [n0, n1). */
    void (*matmul)(const sn_matmul *p, size_t m0, size_t m1, size_t n0, size_t n1, float *scratch);
    /* The same with B[n x k], whose rows are what A's rows are multiplied with. Needs no scratch. */
    void (*matmul_transposed)(const sn_matmul *p, size_t m0, size_t m1, size_t n0, size_t n1);
    /* Output channels [m0, m1), output positions [n0, n1). */
    void (*conv)(const sn_conv *p, size_t m0, size_t m1, size_t n0, size_t n1, float *scratch);
    void (*depthwise_plane)(const sn_depthwise_plane *p);
    void (*max_pool)(const sn_max_pool *p);

    /* Element-wise on n elements; y may be x (and a, b). NaN stays NaN. */
    void (*clamp)(const float *x, float *y, size_t n, float lo, float hi);
    void (*add)(const float *a, const float *b, float *y, size_t n);
    void (*mul)(const float *a, const float *b, float *y, size_t n);
    /* y = clamp(x * scale + shift) */
    void (*affine)(const float *x, float *y, size_t n, float scale, float shift, float lo, float hi);
    /* The sum of n elements, in an order that depends on n only. */
    float (*sum)(const float *x, size_t n);
} sn_kernels;

/* The best table that this CPU and its system can run. SINTER_ISA=baseline|avx2|avx512 asks for a lesser one. */
const sn_kernels *sn_kernels_get(void);
/* One by name, for tests; NULL when it is not built or cannot run here. */
const sn_kernels *sn_kernels_named(const char *isa);

#endif
