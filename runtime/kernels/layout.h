/* layout.h */
#ifndef SN_RUNTIME_KERNELS_LAYOUT_H
#define SN_RUNTIME_KERNELS_LAYOUT_H

#include "runtime/kernels/window.h"

typedef struct sn_layout_kernels {
    size_t unused;
} sn_layout_kernels;

#endif
