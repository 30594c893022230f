#include "runtime/kernels/isa.h"
#include "runtime/kernels/kernels.h"

extern const sn_pooling_kernels SN_FOR_ISA(sn_pooling);
const sn_pooling_kernels SN_FOR_ISA(sn_pooling) = {0};
