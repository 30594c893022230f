#include "base/str.h"

#include "base/alloc.h"
#include "base/size.h"
#include <stdarg.h>
#include <stdio.h>

/* Makes room for n more bytes and the NUL. */
static bool reserve(sn_text *t, size_t n)
{
    size_t needed;
    if (t->failed) return false;
    if (!sn_size_add(t->n, n, &needed) || !sn_size_add(needed, 1, &needed)) return !(t->failed = true);
    if (needed <= t->capacity) return true;
    size_t capacity = needed <= SIZE_MAX / 2 ? needed * 2 : needed;
    if (capacity < 256) capacity = 256;
    char *p = sn_realloc(t->p, capacity);
    if (!p) return !(t->failed = true);
    t->p = p;
    t->capacity = capacity;
    return true;
}

void sn_text_append_bytes(sn_text *t, const char *bytes, size_t n)
{
    if (!reserve(t, n)) return;
    if (n) memcpy(t->p + t->n, bytes, n);
    t->n += n;
    t->p[t->n] = '\0';
}

void sn_text_append(sn_text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) {
        t->failed = true;
    } else if (reserve(t, (size_t)n)) {
        vsnprintf(t->p + t->n, (size_t)n + 1, format, again);
        t->n += (size_t)n;
    }
    va_end(again);
}

void sn_text_free(sn_text *t)
{
    sn_free(t->p);
    *t = (sn_text){0};
}
