/* The kernels for AVX2 with FMA; the build compiles this file with those switched on. */
#if defined(__x86_64__)
#if !defined(__AVX2__) || !defined(__FMA__)
#error "compile this file with -mavx2 -mfma"
#endif
#include "runtime/kernels/isa_template.h"
#else
typedef int sn_not_empty;
#endif
