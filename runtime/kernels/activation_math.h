/* activation_math.h - the formulas of activation.h on a vector; `kind` is a constant where this is inlined. */
#ifndef SN_RUNTIME_KERNELS_ACTIVATION_MATH_H
#define SN_RUNTIME_KERNELS_ACTIVATION_MATH_H

#include "runtime/kernels/activation.h"
#include "runtime/kernels/vector_math.h"

/* x / 2 * (1 + erf(x / sqrt 2)) = x * (erfc(|z|) / 2 or 1 - that), which keeps the digits of large negative x. */
KERNEL_INLINE vf vf_gelu(vf x)
{
    vf upper = vf_erfc_positive(vf_abs(x) * 0.707106781f) * 0.5f;
    return x * vf_if_less(x, vf_splat(0), upper, 1.0f - upper);
}

/* (1 + tanh(z)) / 2 is sigmoid(2 z). */
KERNEL_INLINE vf vf_gelu_tanh(vf x)
{
    vf z = x + x * x * x * 0.044715f;
    return x * vf_sigmoid(z * 1.59576912f);
}

KERNEL_INLINE vf vf_activate(sn_activation_kind kind, vf x, vf alpha, vf beta)
{
    const vf zero = vf_splat(0), one = vf_splat(1);
    switch (kind) {
    case SN_ACT_CLAMP: return vf_clamp(x, alpha, beta);
    case SN_ACT_LEAKY_RELU: return vf_if_less(x, zero, x * alpha, x);
    case SN_ACT_ELU: return vf_if_less(x, zero, vf_expm1(x) * alpha, x);
    case SN_ACT_SIGMOID: return vf_sigmoid(x);
    case SN_ACT_HARD_SIGMOID: return vf_clamp(x * alpha + beta, zero, one);
    case SN_ACT_SILU: return x * vf_sigmoid(x * alpha);
    case SN_ACT_HARD_SWISH: return x * vf_clamp(x * (1.0f / 6) + 0.5f, zero, one);
    case SN_ACT_TANH: return vf_tanh(x);
    case SN_ACT_GELU: return vf_gelu(x);
    case SN_ACT_GELU_TANH: return vf_gelu_tanh(x);
    case SN_ACT_NONE:
    case SN_ACT_COUNT: break;
    }
    return x;
}

/* X(name, kind) for everything that has a formula. */
#define SN_ACTIVATIONS(X)                                                                                              \
    X(clamp, SN_ACT_CLAMP)                                                                                             \
    X(leaky_relu, SN_ACT_LEAKY_RELU)                                                                                   \
    X(elu, SN_ACT_ELU)                                                                                                 \
    X(sigmoid, SN_ACT_SIGMOID)                                                                                         \
    X(hard_sigmoid, SN_ACT_HARD_SIGMOID)                                                                               \
    X(silu, SN_ACT_SILU)                                                                                               \
    X(hard_swish, SN_ACT_HARD_SWISH)                                                                                   \
    X(tanh, SN_ACT_TANH)                                                                                               \
    X(gelu, SN_ACT_GELU)                                                                                               \
    X(gelu_tanh, SN_ACT_GELU_TANH)

#endif
