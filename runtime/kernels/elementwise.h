/* elementwise.h */
#ifndef SN_RUNTIME_KERNELS_ELEMENTWISE_H
#define SN_RUNTIME_KERNELS_ELEMENTWISE_H

#include "runtime/kernels/window.h"

typedef struct sn_elementwise_kernels {
    size_t unused;
} sn_elementwise_kernels;

#endif
