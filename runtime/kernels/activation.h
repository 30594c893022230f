/*
 * activation.h - functions of one float that are applied to what another kernel computed while it is still in cache.
 * The formulas are those of the ONNX operators of the same name.
 */
#ifndef SN_RUNTIME_KERNELS_ACTIVATION_H
#define SN_RUNTIME_KERNELS_ACTIVATION_H

#include <stddef.h>

typedef enum sn_activation_kind {
    SN_ACT_NONE,
    SN_ACT_CLAMP,        /* min(max(x, alpha), beta): Relu is (0, INFINITY); NaN stays NaN */
    SN_ACT_LEAKY_RELU,   /* x < 0 ? alpha * x : x */
    SN_ACT_ELU,          /* x < 0 ? alpha * (exp(x) - 1) : x */
    SN_ACT_SIGMOID,      /* 1 / (1 + exp(-x)) */
    SN_ACT_HARD_SIGMOID, /* max(0, min(1, alpha * x + beta)) */
    SN_ACT_SILU,         /* x * sigmoid(alpha * x): x * sigmoid(x) is alpha = 1 */
    SN_ACT_HARD_SWISH,   /* x * max(0, min(1, x / 6 + 0.5)) */
    SN_ACT_TANH,
    SN_ACT_GELU,      /* 0.5 * x * (1 + erf(x / sqrt(2))) */
    SN_ACT_GELU_TANH, /* 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) */
    SN_ACT_COUNT
} sn_activation_kind;

typedef struct sn_activation {
    sn_activation_kind kind;
    float alpha, beta;
} sn_activation;

/* What happens to the elements of a product's row before they are stored: y = activation(x * scale + bias + residual).
 */
typedef struct sn_epilogue {
    const float *scale;    /* one per column, or NULL: 1 */
    const float *bias;     /* one per column, or NULL: 0 */
    const float *residual; /* element (row, column) at residual[row * residual_row + column], or NULL: 0 */
    size_t residual_row;
    sn_activation activation;
} sn_epilogue;

typedef struct sn_activation_kernels {
    /* In place on `rows` rows of `columns` elements, the rows row_pitch elements apart. Not for SN_ACT_NONE. */
    void (*apply)(const sn_activation *a, float *x, size_t rows, size_t columns, size_t row_pitch);
} sn_activation_kernels;

#endif
