/* isa_template.h - one table of kernels, named sn_kernels_<SN_ISA>: included once by each isa_*.c, which is compiled
 * for it. */
#include "runtime/kernels/gemm_template.h"

#include "runtime/kernels/conv_template.h"
#include "runtime/kernels/elementwise_template.h"

#define TABLE_NAME_(isa) sn_kernels_##isa
#define TABLE_NAME(isa)  TABLE_NAME_(isa)
#define TEXT_(x)         #x
#define TEXT(x)          TEXT_(x)

#define FAMILY_NAME__(family, isa) sn_##family##_##isa
#define FAMILY_NAME_(family, isa)  FAMILY_NAME__(family, isa)
#define FAMILY_EXTERN(family)      extern const sn_##family##_kernels FAMILY_NAME_(family, SN_ISA);
#define FAMILY_POINTER(family)     .family = &FAMILY_NAME_(family, SN_ISA),
SN_KERNEL_FAMILIES(FAMILY_EXTERN)
extern const sn_kernels TABLE_NAME(SN_ISA);
const sn_kernels TABLE_NAME(SN_ISA) = {
    .isa = TEXT(SN_ISA),
    SN_KERNEL_FAMILIES(FAMILY_POINTER).rows = TILE_ROWS,
    .columns = TILE_COLUMNS,
    .scratch = K_BLOCK * TILE_COLUMNS + VL, /* copies of whole vectors may run over the end of the panel */
    .matmul = matmul,
    .matmul_transposed = matmul_transposed,
    .conv = conv,
    .depthwise_plane = depthwise,
    .max_pool = max_pool,
    .clamp = clamp,
    .add = add,
    .mul = mul,
    .affine = affine,
    .sum = sum,
};
