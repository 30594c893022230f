/*
 * norm.h - what needs a sum or a maximum over an axis: softmax, the normalizations, reductions.
 *
 * Sums are taken in an order that depends on the axis's length alone: in vector lanes within blocks that stay in the
 * first cache, then from block to block in double. So their error does not grow with the length, and a row or a column
 * has the same result wherever it is computed. Means and variances come from two passes over a block; blocks are joined
 * by Chan, Golub and LeVeque's formula, which does not cancel.
 * What a block adds up is float, and overflows where floats do: squared deviations from about 1e18 on.
 *
 * "Rows" lie next to each other, and are normalized or reduced each by itself; "columns" are the elements i, i + pitch,
 * i + 2 * pitch, ...: the channels of an NHWC image, or softmax over an axis that is not the last.
 */
#ifndef SN_RUNTIME_KERNELS_NORM_H
#define SN_RUNTIME_KERNELS_NORM_H

#include "runtime/kernels/elementwise.h"
#include <stddef.h>

/* y = (x - mean) * inverse * scale + bias with inverse = 1 / sqrt(variance + epsilon), row by row; RMSNorm: the mean is
 * taken as 0, the variance is the mean of the squares. */
typedef struct sn_row_norm {
    const float *x;
    float *y; /* may be x */
    size_t n; /* elements of a row */
    float epsilon;
    const float *scale, *bias;     /* n each, or NULL: 1, 0 */
    float *mean_out, *inverse_out; /* one per row, or NULL */
} sn_row_norm;

typedef enum sn_reduction {
    SN_REDUCE_SUM,
    SN_REDUCE_MEAN,
    SN_REDUCE_SQUARES, /* sum of x^2 */
    SN_REDUCE_ABS,     /* sum of |x| */
    SN_REDUCE_PRODUCT,
    SN_REDUCE_MAX, /* NaN wins */
    SN_REDUCE_MIN, /* likewise */
    SN_REDUCTION_COUNT
} sn_reduction;

typedef struct sn_norm_kernels {
    /* exp(x - max) / sum, or x - max - log(sum), of every row; y may be x. */
    void (*softmax)(const float *x, float *y, size_t rows, size_t n);
    void (*log_softmax)(const float *x, float *y, size_t rows, size_t n);
    /* The same of each of `columns` columns of n elements. */
    void (*softmax_columns)(const float *x, float *y, size_t n, size_t columns, size_t pitch);
    void (*log_softmax_columns)(const float *x, float *y, size_t n, size_t columns, size_t pitch);

    /* Rows [row0, row1). */
    void (*layer_norm)(const sn_row_norm *p, size_t row0, size_t row1);
    void (*rms_norm)(const sn_row_norm *p, size_t row0, size_t row1);

    /* Mean and variance (the mean of the squared deviations) of n elements: an instance or group of an NCHW image. */
    void (*moments)(const float *x, size_t n, float *mean, float *variance);
    /* The same of every column of n elements. */
    void (*column_moments)(const float *x, size_t n, size_t columns, size_t pitch, float *mean, float *variance);
    /* Those of `groups` groups of adjacent columns, from the columns' own; the results may take their place. */
    void (*join_moments)(const float *mean, const float *variance, size_t columns, size_t groups, float *group_mean,
                         float *group_variance);
    /* y = (x - mean) * scale + bias; mean, scale and bias have the same step. */
    void (*normalize)(sn_ew_operand x, sn_ew_operand mean, sn_ew_operand scale, sn_ew_operand bias, sn_ew_result y);

    /* y[o][i] of all x[o][0 ... n - 1][i]; inner = 1 is the last axis. */
    void (*reduce[SN_REDUCTION_COUNT])(const float *x, float *y, size_t outer, size_t n, size_t inner);
} sn_norm_kernels;

#endif
