/*
 * Checked size arithmetic and the named limits. Every size that comes from a file or from the network goes through
 * these; each returns false, leaving *out alone, when the result does not fit.
 */
#ifndef SN_BASE_SIZE_H
#define SN_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SN_MAX_TENSOR_BYTES ((size_t)1 << 40) /* more is a hostile or broken size, not a tensor */

static inline bool sn_size_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool sn_size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline size_t sn_align_up(size_t n, size_t alignment)
{
    return (n + alignment - 1) & ~(alignment - 1);
}

#endif
