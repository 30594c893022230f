#include "runtime/kernels/isa.h"
#include "runtime/kernels/kernels.h"

extern const sn_layout_kernels SN_FOR_ISA(sn_layout);
const sn_layout_kernels SN_FOR_ISA(sn_layout) = {0};
