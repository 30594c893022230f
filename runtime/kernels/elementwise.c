#include "runtime/kernels/isa.h"
#include "runtime/kernels/kernels.h"

extern const sn_elementwise_kernels SN_FOR_ISA(sn_elementwise);
const sn_elementwise_kernels SN_FOR_ISA(sn_elementwise) = {0};
