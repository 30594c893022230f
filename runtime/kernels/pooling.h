/* pooling.h */
#ifndef SN_RUNTIME_KERNELS_POOLING_H
#define SN_RUNTIME_KERNELS_POOLING_H

#include "runtime/kernels/window.h"

typedef struct sn_pooling_kernels {
    size_t unused;
} sn_pooling_kernels;

#endif
