/*
 * Chunks double in size up to a limit, so that small models stay small and large ones need few chunks. What would not
 * fit well gets a chunk of its own behind the current one, whose free part stays in use.
 */
#include "base/arena.h"

#include "base/alloc.h"
#include "base/size.h"
#include <stdio.h>

#define ARENA_ALIGNMENT 16
#define CHUNK_MIN       ((size_t)2048)
#define CHUNK_MAX       ((size_t)256 * 1024)

struct sn_arena_chunk {
    _Alignas(ARENA_ALIGNMENT) sn_arena_chunk *older;
    size_t size; /* bytes at `bytes` */
    _Alignas(ARENA_ALIGNMENT) char bytes[];
};

void sn_arena_free(sn_arena *a)
{
    sn_arena_chunk *older;
    for (sn_arena_chunk *c = a->chunks; c; c = older) {
        older = c->older;
        sn_free(c);
    }
    *a = (sn_arena){0};
}

static sn_arena_chunk *new_chunk(sn_arena *a, size_t size)
{
    size_t bytes;
    if (!sn_size_add(size, sizeof(sn_arena_chunk), &bytes)) return NULL;
    sn_arena_chunk *c = sn_calloc(1, bytes);
    if (!c) return NULL;
    c->size = size;
    a->total += bytes;
    return c;
}

/* A chunk that holds one allocation alone. */
static void *alloc_alone(sn_arena *a, size_t size)
{
    sn_arena_chunk *c = new_chunk(a, size);
    if (!c) return NULL;
    sn_arena_chunk **link = a->chunks ? &a->chunks->older : &a->chunks;
    c->older = *link;
    *link = c;
    return c->bytes;
}

void *sn_arena_alloc(sn_arena *a, size_t size)
{
    if (size > SIZE_MAX - 2 * ARENA_ALIGNMENT) return NULL;
    size = sn_align_up(size ? size : 1, ARENA_ALIGNMENT);
    if (size > (size_t)(a->end - a->next)) {
        size_t chunk = a->end ? a->chunks->size * 2 : CHUNK_MIN;
        if (chunk > CHUNK_MAX) chunk = CHUNK_MAX;
        if (chunk < CHUNK_MIN) chunk = CHUNK_MIN;
        if (size > chunk / 4) return alloc_alone(a, size);
        sn_arena_chunk *c = new_chunk(a, chunk);
        if (!c) return NULL;
        c->older = a->chunks;
        a->chunks = c;
        a->next = c->bytes;
        a->end = c->bytes + chunk;
    }
    void *p = a->next;
    a->next += size;
    return p;
}

void *sn_arena_calloc(sn_arena *a, size_t count, size_t size)
{
    size_t bytes;
    return sn_size_mul(count, size, &bytes) ? sn_arena_alloc(a, bytes) : NULL;
}

sn_str sn_arena_bytes(sn_arena *a, const void *bytes, size_t n)
{
    char *p = n < SIZE_MAX ? sn_arena_alloc(a, n + 1) : NULL;
    if (!p) return (sn_str){NULL, 0};
    if (n) memcpy(p, bytes, n);
    return (sn_str){p, n};
}

sn_str sn_arena_str(sn_arena *a, sn_str s)
{
    return sn_arena_bytes(a, s.p, s.n);
}

sn_str sn_arena_printf(sn_arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *p = n >= 0 ? sn_arena_alloc(a, (size_t)n + 1) : NULL;
    if (p) vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return p ? (sn_str){p, (size_t)n} : (sn_str){NULL, 0};
}

void *sn_arena_copy(sn_arena *a, const void *bytes, size_t n)
{
    void *p = sn_arena_alloc(a, n);
    if (p && n) memcpy(p, bytes, n);
    return p;
}
