/*
 * activation.c - y = f(y) on rows of a matrix, in place, for the formulas of activation.h: what a product's or
 * convolution's kernel calls on a rectangle that it has just written.
 *
 * One loop per kind, so that the choice is made once per call; every element goes through the same vector arithmetic,
 * those of a row's last, partial vector included.
 */
#include "runtime/kernels/activation_math.h"
#include "runtime/kernels/isa.h"
#include "runtime/kernels/kernels.h"

KERNEL_INLINE void apply_to_row(sn_activation_kind kind, vf alpha, vf beta, float *x, size_t n)
{
    size_t i = 0;
    for (; i + VL <= n; i += VL) vf_store(x + i, vf_activate(kind, vf_load(x + i), alpha, beta));
    if (i < n) vf_store_part(x + i, vf_activate(kind, vf_load_part(x + i, n - i), alpha, beta), n - i);
}

KERNEL_INLINE void apply_to_rows(sn_activation_kind kind, const sn_activation *a, float *x, size_t rows, size_t columns,
                                 size_t row_pitch)
{
    const vf alpha = vf_splat(a->alpha), beta = vf_splat(a->beta);
    if (row_pitch == columns) { /* one long row has one partial vector */
        columns *= rows;
        rows = rows > 0;
    }
    for (size_t r = 0; r < rows; r++) apply_to_row(kind, alpha, beta, x + r * row_pitch, columns);
}

#define DEFINE_APPLY(name, kind)                                                                                       \
    static void apply_##name(const sn_activation *a, float *x, size_t rows, size_t columns, size_t row_pitch)          \
    {                                                                                                                  \
        apply_to_rows(kind, a, x, rows, columns, row_pitch);                                                           \
    }
SN_ACTIVATIONS(DEFINE_APPLY)

static void apply(const sn_activation *a, float *x, size_t rows, size_t columns, size_t row_pitch)
{
    static void (*const kinds[SN_ACT_COUNT])(const sn_activation *, float *, size_t, size_t, size_t) = {
#define APPLY_ROW(name, kind) [kind] = apply_##name,
        SN_ACTIVATIONS(APPLY_ROW)
#undef APPLY_ROW
    };
    kinds[a->kind](a, x, rows, columns, row_pitch);
}

extern const sn_activation_kernels SN_FOR_ISA(sn_activation);
const sn_activation_kernels SN_FOR_ISA(sn_activation) = {.apply = apply};
