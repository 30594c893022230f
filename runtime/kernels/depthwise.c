#include "runtime/kernels/isa.h"
#include "runtime/kernels/kernels.h"

extern const sn_depthwise_kernels SN_FOR_ISA(sn_depthwise);
const sn_depthwise_kernels SN_FOR_ISA(sn_depthwise) = {0};
