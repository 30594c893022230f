/* Which table of kernels this machine runs. */
#include "runtime/kernels/kernels.h"
#include <stdlib.h>
#include <string.h>

#define EXTERN(family, isa)  extern const sn_##family##_kernels sn_##family##_##isa;
#define POINTER(family, isa) .family = &sn_##family##_##isa,

#define EXTERN_BASELINE(family)  EXTERN(family, baseline)
#define POINTER_BASELINE(family) POINTER(family, baseline)
SN_KERNEL_FAMILIES(EXTERN_BASELINE)
static const sn_kernels baseline = {.isa = "baseline", SN_KERNEL_FAMILIES(POINTER_BASELINE)};

#if defined(__x86_64__)
#define EXTERN_AVX2(family)    EXTERN(family, avx2)
#define POINTER_AVX2(family)   POINTER(family, avx2)
#define EXTERN_AVX512(family)  EXTERN(family, avx512)
#define POINTER_AVX512(family) POINTER(family, avx512)
SN_KERNEL_FAMILIES(EXTERN_AVX2)
SN_KERNEL_FAMILIES(EXTERN_AVX512)
static const sn_kernels avx2 = {.isa = "avx2", SN_KERNEL_FAMILIES(POINTER_AVX2)};
static const sn_kernels avx512 = {.isa = "avx512", SN_KERNEL_FAMILIES(POINTER_AVX512)};
#endif

static bool runs_always(void)
{
    return true;
}

#if defined(__x86_64__)
/* These ask the system, too, whether it saves the registers. */
static bool runs_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
static bool runs_avx512(void)
{
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}
#endif

static const struct {
    const sn_kernels *kernels;
    bool (*runs)(void);
} tables[] = {
/* best first */
#if defined(__x86_64__)
    {&avx512, runs_avx512},
    {&avx2, runs_avx2},
#endif
    {&baseline, runs_always},
};

const sn_kernels *sn_kernels_named(const char *isa)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (strcmp(tables[i].kernels->isa, isa) == 0) return tables[i].runs() ? tables[i].kernels : NULL;
    }
    return NULL;
}

const sn_kernels *sn_kernels_get(void)
{
    const char *most = getenv("SINTER_ISA");
    bool allowed = !most || !sn_kernels_named(most); /* a name that says nothing here is no limit */
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (!allowed && strcmp(tables[i].kernels->isa, most) == 0) allowed = true;
        if (allowed && tables[i].runs()) return tables[i].kernels;
    }
    return &baseline;
}
