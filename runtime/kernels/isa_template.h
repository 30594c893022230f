/* isa_template.h - one table of kernels, named sn_kernels_<SN_ISA>: included once by each isa_*.c, which is compiled
 * for it. */
#include "runtime/kernels/gemm_template.h"

#include "runtime/kernels/conv_template.h"
#include "runtime/kernels/elementwise_template.h"

#define TABLE_NAME_(isa) sn_kernels_##isa
#define TABLE_NAME(isa)  TABLE_NAME_(isa)
#define TEXT_(x)         #x
#define TEXT(x)          TEXT_(x)

extern const sn_kernels TABLE_NAME(SN_ISA);
const sn_kernels TABLE_NAME(SN_ISA) = {
    .isa = TEXT(SN_ISA),
    .rows = TILE_ROWS,
    .columns = TILE_COLUMNS,
    .scratch = K_BLOCK * TILE_COLUMNS + VL, /* copies of whole vectors may run over the end of the panel */
    .matmul = matmul,
    .matmul_transposed = matmul_transposed,
    .conv = conv,
    .depthwise = depthwise,
    .max_pool = max_pool,
    .clamp = clamp,
    .add = add,
    .mul = mul,
    .affine = affine,
    .sum = sum,
};
