/* winograd.h - 3x3 convolutions with stride 1 by Winograd's minimal filtering, F(2x2, 3x3) and F(4x4, 3x3). */
#ifndef SN_RUNTIME_KERNELS_WINOGRAD_H
#define SN_RUNTIME_KERNELS_WINOGRAD_H

#include "runtime/kernels/gemm.h"

typedef struct sn_winograd_kernels {
    size_t unused;
} sn_winograd_kernels;

#endif
