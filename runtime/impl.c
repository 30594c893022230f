/* The implementation table. */
#include "runtime/impl.h"

static const sn_impl impls[] = {
#define SN_IMPL(domain, op_type, name, function)                                                                       \
    {domain, op_type, name, sn_##function##_impl_accepts, sn_##function##_impl_prepare, sn_##function##_impl_run},
#include "runtime/impls.def"
#undef SN_IMPL
};

const sn_impl *sn_impl_find(const sn_impl_site *site)
{
    for (size_t i = 0; i < sizeof impls / sizeof *impls; i++) {
        if (strcmp(impls[i].op_type, site->op->name) != 0 || strcmp(impls[i].domain, site->op->domain) != 0) continue;
        if (impls[i].accepts(site)) return &impls[i];
    }
    return NULL;
}
