#include "runtime/kernels/isa.h"
#include "runtime/kernels/kernels.h"

extern const sn_winograd_kernels SN_FOR_ISA(sn_winograd);
const sn_winograd_kernels SN_FOR_ISA(sn_winograd) = {0};
