/* depthwise.h */
#ifndef SN_RUNTIME_KERNELS_DEPTHWISE_H
#define SN_RUNTIME_KERNELS_DEPTHWISE_H

#include "runtime/kernels/window.h"

typedef struct sn_depthwise_kernels {
    size_t unused;
} sn_depthwise_kernels;

#endif
