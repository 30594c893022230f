/*
 * elementwise.h - functions of one, two or three elements, element by element.
 *
 * Results may take the place of any operand that is as large as they are. What broadcasting leaves after merging axes
 * is a rectangle of rows of n elements, of which each operand has all elements, a row, a column or one: see
 * sn_ew_operand. More axes than that are the caller's loop. The formulas are those of the ONNX operators of the same
 * name; every element's value depends on its operands only.
 */
#ifndef SN_RUNTIME_KERNELS_ELEMENTWISE_H
#define SN_RUNTIME_KERNELS_ELEMENTWISE_H

#include "runtime/kernels/activation.h"
#include <stddef.h>
#include <stdint.h>

typedef enum sn_ew_unary {
    SN_EW_ABS,
    SN_EW_CEIL,
    SN_EW_COS,
    SN_EW_ERF,
    SN_EW_EXP,
    SN_EW_EXPM1, /* exp(x) - 1 without cancellation */
    SN_EW_FLOOR,
    SN_EW_LOG,
    SN_EW_MISH,
    SN_EW_NEG,
    SN_EW_RECIPROCAL,
    SN_EW_ROUND, /* halves to even */
    SN_EW_SIGMOID,
    SN_EW_SIGN, /* zeros stay, and NaN */
    SN_EW_SIN,
    SN_EW_SOFTPLUS,
    SN_EW_SOFTSIGN,
    SN_EW_SQRT,
    SN_EW_TANH,
    SN_EW_UNARY_COUNT
} sn_ew_unary;

typedef enum sn_ew_binary {
    SN_EW_ADD,
    SN_EW_SUB,
    SN_EW_MUL,
    SN_EW_DIV,
    SN_EW_MIN, /* NaN in either operand wins */
    SN_EW_MAX, /* likewise */
    SN_EW_POW,
    SN_EW_PRELU, /* a < 0 ? a * b : a */
    SN_EW_BINARY_COUNT
} sn_ew_binary;

/* Element (r, i) is data[r * row + i * step]; step is 0 or 1. In a rectangle of rows x n:
 *   every element              row = n (or more), step = 1
 *   one per row (NCHW channel) row = 1,           step = 0
 *   one per column (NHWC)      row = 0,           step = 1
 *   one for all                row = 0,           step = 0 */
typedef struct sn_ew_operand {
    const float *data;
    size_t row, step;
} sn_ew_operand;

/* Bytes: anything but 0 is true. */
typedef struct sn_ew_condition {
    const uint8_t *data;
    size_t row, step;
} sn_ew_condition;

/* The result: element (r, i) at data[r * row + i], row >= n. */
typedef struct sn_ew_result {
    float *data;
    size_t row;
    size_t rows, n;
} sn_ew_result;

typedef struct sn_elementwise_kernels {
    void (*unary[SN_EW_UNARY_COUNT])(const float *x, float *y, size_t n);
    /* y = f(x); NULL for SN_ACT_NONE. */
    void (*activate[SN_ACT_COUNT])(const sn_activation *f, const float *x, float *y, size_t n);
    void (*binary[SN_EW_BINARY_COUNT])(sn_ew_operand a, sn_ew_operand b, sn_ew_result y);
    /* y = clamp(x * scale + shift, lo, hi); scale and shift have the same step. */
    void (*affine)(sn_ew_operand x, sn_ew_operand scale, sn_ew_operand shift, float lo, float hi, sn_ew_result y);
    /* y = c ? a : b */
    void (*where)(sn_ew_condition c, sn_ew_operand a, sn_ew_operand b, sn_ew_result y);
} sn_elementwise_kernels;

#endif
