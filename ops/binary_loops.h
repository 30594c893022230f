/* The inner loops of the element-wise operators of two inputs: one per operator and compute type. */
#ifndef SN_OPS_BINARY_LOOPS_H
#define SN_OPS_BINARY_LOOPS_H

#include "base/dtype.h"

typedef enum sn_binary_kind {
    SN_BINARY_ADD,
    SN_BINARY_SUB,
    SN_BINARY_MUL,
    SN_BINARY_DIV,
    SN_BINARY_POW,
    SN_BINARY_MOD,  /* sign of the divisor, as Python */
    SN_BINARY_FMOD, /* sign of the dividend, as C */
    SN_BINARY_MIN,
    SN_BINARY_MAX,
    SN_BINARY_PRELU,
    SN_BINARY_BIT_AND, /* on bool, whose values are 0 and 1, also the logical And, Or, Xor */
    SN_BINARY_BIT_OR,
    SN_BINARY_BIT_XOR,
    SN_BINARY_SHIFT_LEFT,
    SN_BINARY_SHIFT_RIGHT,
    SN_BINARY_EQUAL, /* from here on the result is bool */
    SN_BINARY_LESS,
    SN_BINARY_LESS_OR_EQUAL,
    SN_BINARY_KIND_COUNT
} sn_binary_kind;

/* n results. Each operand advances by its step, 1 or 0 elements. `out` may be an operand that advances. */
typedef void (*sn_binary_loop)(const void *a, const void *b, void *out, size_t n, size_t step_a, size_t step_b);

/* NULL where the operator has no loop for elements of `dtype`. 16-bit floats have none: they are computed in float.
 * Integer division expects divisors other than 0. */
sn_binary_loop sn_binary_loop_for(sn_binary_kind kind, sinter_dtype dtype);

#endif
