/* The plain matrix product behind Gemm, MatMul and the recurrent operators, once per element type. */
#include "ops/matmul.h"

uint32_t sn_dot_uint32(const uint32_t *a, const uint32_t *b, int64_t n);
uint64_t sn_dot_uint64(const uint64_t *a, const uint64_t *b, int64_t n);

#define REAL        float
#define TYPED(name) name##_float
#include "ops/product.inc"
#undef REAL
#undef TYPED

#define REAL        double
#define TYPED(name) name##_double
#include "ops/product.inc"
#undef REAL
#undef TYPED

#define REAL        uint32_t
#define TYPED(name) name##_uint32
#include "ops/product.inc"
#undef REAL
#undef TYPED

#define REAL        uint64_t
#define TYPED(name) name##_uint64
#include "ops/product.inc"
#undef REAL
#undef TYPED
