#include "runtime/kernels/isa.h"
#include "runtime/kernels/kernels.h"

extern const sn_activation_kernels SN_FOR_ISA(sn_activation);
const sn_activation_kernels SN_FOR_ISA(sn_activation) = {0};
