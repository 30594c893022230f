/* isa.h - how one source becomes one family of kernels per instruction set: the build compiles every file of this
 * folder but kernels.c once for each, with SN_ISA set to its name, and each file ends with its table,
 * SN_FOR_ISA(sn_<family>). */
#ifndef SN_RUNTIME_KERNELS_ISA_H
#define SN_RUNTIME_KERNELS_ISA_H

#include "runtime/kernels/simd.h"

#ifndef SN_ISA
#error "the build sets SN_ISA to baseline, avx2 or avx512"
#endif

#define SN_FOR_ISA__(name, isa) name##_##isa
#define SN_FOR_ISA_(name, isa)  SN_FOR_ISA__(name, isa)
/* name_avx512, name_avx2 or name_baseline: for everything that is not static. */
#define SN_FOR_ISA(name) SN_FOR_ISA_(name, SN_ISA)

#endif
