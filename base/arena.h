/*
 * A bump allocator: many small allocations, one free. A model, a session and a request each own one.
 * Not thread-safe. Memory comes back when the arena is freed or reset, never before.
 */
#ifndef SN_BASE_ARENA_H
#define SN_BASE_ARENA_H

#include "base/str.h"
#include <stdarg.h>

typedef struct sn_arena_chunk sn_arena_chunk;
typedef struct sn_arena {
    sn_arena_chunk *chunks; /* newest first */
    char *next, *end;       /* the free part of the newest chunk */
    size_t total;           /* bytes taken from the heap */
} sn_arena;

/* A zeroed struct is an empty arena. */
void sn_arena_free(sn_arena *a); /* leaves an empty arena */

/* Zeroed, aligned to 16; NULL when memory is out. Size 0 gives a valid pointer. */
void *sn_arena_alloc(sn_arena *a, size_t size);
void *sn_arena_calloc(sn_arena *a, size_t count, size_t size); /* checks the product */
#define SN_ARENA_NEW(a, type)          ((type *)sn_arena_alloc((a), sizeof(type)))
#define SN_ARENA_ARRAY(a, type, count) ((type *)sn_arena_calloc((a), (count), sizeof(type)))

/* Copies; the result is NUL-terminated. .p is NULL when memory is out. */
sn_str sn_arena_str(sn_arena *a, sn_str s);
sn_str sn_arena_bytes(sn_arena *a, const void *bytes, size_t n);
sn_str sn_arena_printf(sn_arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
void *sn_arena_copy(sn_arena *a, const void *bytes, size_t n);

#endif
