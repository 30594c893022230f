/*
 * kernels.h - pure functions on pointers and sizes, compiled once per instruction set and chosen from a table.
 *
 * A kernel computes a rectangle of its result, so that callers may split the work any way they like: an element's value
 * never depends on the rectangle it was computed in, hence not on the number of threads. It also does not depend on how
 * many rows (batch) there are. Kernels allocate nothing; scratch is the caller's.
 */
#ifndef SN_RUNTIME_KERNELS_KERNELS_H
#define SN_RUNTIME_KERNELS_KERNELS_H

#include "runtime/kernels/activation.h"
#include "runtime/kernels/elementwise.h"
#include "runtime/kernels/gemm.h"
#include "runtime/kernels/grouped.h"
#include "runtime/kernels/layout.h"
#include "runtime/kernels/norm.h"
#include "runtime/kernels/planar.h"
#include "runtime/kernels/pooling.h"
#include "runtime/kernels/winograd.h"

/* Each family is a source of this folder, and a type sn_<family>_kernels in a header. */
#define SN_KERNEL_FAMILIES(X)                                                                                          \
    X(activation) X(depthwise) X(elementwise) X(gemm) X(grouped) X(layout) X(norm) X(planar) X(pooling) X(winograd)

typedef struct sn_kernels {
    const char *isa;
#define SN_KERNEL_FAMILY(family) const sn_##family##_kernels *family;
    SN_KERNEL_FAMILIES(SN_KERNEL_FAMILY)
#undef SN_KERNEL_FAMILY
} sn_kernels;

/* The family for groups of n channels. */
static inline const sn_grouped_kernels *sn_kernels_for_groups(const sn_kernels *k, size_t n)
{
    return n == 1 ? k->depthwise : k->grouped;
}

/* The best table that this CPU and its system can run. SINTER_ISA=baseline|avx2|avx512 asks for a lesser one. */
const sn_kernels *sn_kernels_get(void);
/* One by name, for tests; NULL when it is not built or cannot run here. */
const sn_kernels *sn_kernels_named(const char *isa);

#endif
