#include "runtime/kernels/isa.h"
#include "runtime/kernels/kernels.h"

extern const sn_gemm_kernels SN_FOR_ISA(sn_gemm);
const sn_gemm_kernels SN_FOR_ISA(sn_gemm) = {0};
