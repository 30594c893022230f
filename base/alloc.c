#include "base/alloc.h"

#include "base/size.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

/* Allocations that may still succeed; negative: no limit. Written by tests only. */
static atomic_long allowance = -1;

static bool allowed(void)
{
    long left = atomic_load_explicit(&allowance, memory_order_relaxed);
    while (left > 0) {
        if (atomic_compare_exchange_weak_explicit(&allowance, &left, left - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    }
    return left < 0;
}

void sn_alloc_fail_after(long n)
{
    atomic_store(&allowance, n);
}

/* No size beyond the limit reaches the system: it could only be the product of a hostile file. */
static bool permitted(size_t size)
{
    return size <= SN_MAX_TENSOR_BYTES && allowed();
}

void *sn_malloc(size_t size)
{
    return permitted(size) ? malloc(size ? size : 1) : NULL;
}

void *sn_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (count == 0 || size == 0) count = size = 1;
    return sn_size_mul(count, size, &bytes) && permitted(bytes) ? calloc(count, size) : NULL;
}

void *sn_realloc(void *p, size_t size)
{
    return permitted(size) ? realloc(p, size ? size : 1) : NULL;
}

/* Asks for huge pages where whole ones are used: the kernels walk through more memory than the processor remembers the
 * small pages of, and to touch half a million small pages first takes longer than to load a model. */
static void *malloc_huge(size_t size)
{
    void *p;
    if (posix_memalign(&p, HUGE_PAGE, size) != 0) return NULL;
#ifdef MADV_HUGEPAGE
    madvise(p, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
    return p;
}

void *sn_malloc_aligned(size_t size)
{
    if (!permitted(size)) return NULL;
    size_t rounded = sn_align_up(size ? size : 1, SN_ALIGNMENT);
    return size >= HUGE_PAGE ? malloc_huge(rounded) : aligned_alloc(SN_ALIGNMENT, rounded);
}

char *sn_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = sn_malloc(n);
    return copy ? memcpy(copy, s, n) : NULL;
}

void sn_free(void *p)
{
    free(p);
}

int sn_grow(void **array, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity) return true;
    size_t wanted, bytes;
    if (!sn_size_mul(*capacity, 2, &wanted)) return false;
    if (wanted < 8) wanted = 8;
    if (!sn_size_mul(wanted, size, &bytes)) return false;
    void *grown = sn_realloc(*array, bytes);
    if (!grown) return false;
    *array = grown;
    *capacity = wanted;
    return true;
}
