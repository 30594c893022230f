/*
 * The one door to malloc. Tests make the n-th allocation fail through sn_alloc_fail_after.
 * All functions return NULL on failure and never abort; sn_free(NULL) is allowed.
 */
#ifndef SN_BASE_ALLOC_H
#define SN_BASE_ALLOC_H

#include <stddef.h>

#define SN_ALIGNMENT 64 /* of tensor memory: a cache line, and the widest vector */

void *sn_malloc(size_t size); /* size 0 gives a unique pointer */
void *sn_calloc(size_t count, size_t size);
void *sn_realloc(void *p, size_t size);
void *sn_malloc_aligned(size_t size); /* SN_ALIGNMENT; release with sn_free */
char *sn_strdup(const char *s);
void sn_free(void *p);

/* For tests: the next `n` allocations succeed, the one after fails, and so do all that follow until it is called again.
 * n < 0 switches it off. */
void sn_alloc_fail_after(long n);

/* Makes room for one more element in a growing array of `size`-byte elements: doubles *capacity when count ==
 * *capacity. Returns false when memory is out (the array stays valid). Use through SN_GROW. */
int sn_grow(void **array, size_t *capacity, size_t count, size_t size);
#define SN_GROW(array, capacity, count) sn_grow((void **)&(array), &(capacity), (count), sizeof *(array))

#endif
