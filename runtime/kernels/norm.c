#include "runtime/kernels/isa.h"
#include "runtime/kernels/kernels.h"

extern const sn_norm_kernels SN_FOR_ISA(sn_norm);
const sn_norm_kernels SN_FOR_ISA(sn_norm) = {0};
