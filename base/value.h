/*
 * sinter_value: what flows between operators at run time. (The *edges* of a graph are sn_value, in graph/graph.h.)
 *
 * A tensor's bytes are in `block` (refcounted, possibly shared or read-only), or are borrowed (block == NULL): memory
 * of a run's arena, or of the caller. Element i of a string tensor is a sinter_string whose characters belong to the
 * same block, or to `strings`.
 */
#ifndef SN_BASE_VALUE_H
#define SN_BASE_VALUE_H

#include "base/block.h"
#include "base/dtype.h"
#include "base/shape.h"
#include <stdatomic.h>

struct sinter_value {
    atomic_uint references;
    sinter_kind kind;
    /* SINTER_KIND_TENSOR */
    sinter_dtype dtype;
    sn_shape shape;    /* always static */
    size_t count;      /* elements */
    size_t size;       /* bytes in memory */
    void *data;        /* never NULL, also when size is 0 */
    sn_block *block;   /* owner of data, or NULL: borrowed */
    sn_block *strings; /* owner of the characters of a string tensor, when they are not in `block`; may be NULL */
    /* containers: an owned array of owned references */
    sinter_value **items;
    size_t n_items;
};

/* A tensor of own, uninitialised (zeroed for strings) memory. */
SINTER_CHECK sinter_status sn_tensor_create(sinter_dtype dtype, const sn_shape *shape, sinter_value **out,
                                            sinter_error *err);
/* A tensor over `block` (gains a reference) starting at `data` inside it. The sizes were checked by the caller. */
SINTER_CHECK sinter_status sn_tensor_from_block(sinter_dtype dtype, const sn_shape *shape, sn_block *block, void *data,
                                                sinter_value **out, sinter_error *err);
/* Says that nobody will read `size` bytes of the tensor from `offset` on again. As sn_block_discard, it does nothing
 * when others hold what it is about: here also the tensor itself. */
void sn_value_discard(const sinter_value *v, size_t offset, size_t size);
/* A tensor header over borrowed memory. */
SINTER_CHECK sinter_status sn_tensor_borrow(sinter_dtype dtype, const sn_shape *shape, void *data, sinter_value **out,
                                            sinter_error *err);
/* Fills a caller-owned header instead of allocating one: for run states, whose headers live in arrays. Not to be
 * retained beyond the memory's life. count and size are computed; the shape must be static and checked. */
void sn_tensor_init_borrowed(sinter_value *v, sinter_dtype dtype, const sn_shape *shape, void *data);

/* count and bytes of a static shape; TOO_LARGE beyond SN_MAX_TENSOR_BYTES, INVALID_ARGUMENT for negative dims. */
SINTER_CHECK sinter_status sn_tensor_extent(sinter_dtype dtype, const sn_shape *shape, size_t *count, size_t *size,
                                            sinter_error *err);

/* A deep copy that owns everything (also the characters of strings). */
SINTER_CHECK sinter_status sn_value_copy(const sinter_value *v, sinter_value **out, sinter_error *err);
/* Copies elements, strings' characters included, into dst, which has the same dtype and count. For strings dst gains
 * its own `strings` block. */
SINTER_CHECK sinter_status sn_tensor_copy_into(sinter_value *dst, const sinter_value *src, sinter_error *err);

/* An integer tensor (int32 or int64, any shape) as int64; NULL-safe readers for small tensors. */
static inline int64_t sn_tensor_int(const sinter_value *v, size_t i)
{
    return sn_load_int64(v->dtype, v->data, i);
}

#endif
