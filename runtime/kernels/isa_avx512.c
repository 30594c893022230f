/* The kernels for AVX-512; the build compiles this file with it switched on. */
#if defined(__x86_64__)
#if !defined(__AVX512F__)
#error "compile this file with -mavx512f -mavx512vl -mavx512bw -mavx512dq -mfma"
#endif
#include "runtime/kernels/isa_template.h"
#else
typedef int sn_not_empty;
#endif
