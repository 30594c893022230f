/*
 * sn_str: a borrowed string with a length. Every sn_str that lives in an arena is also NUL-terminated there, so that
 * .p can be handed to printf; use SN_STR_ARG with "%.*s" where that is not certain.
 */
#ifndef SN_BASE_STR_H
#define SN_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct sn_str {
    const char *p; /* never NULL once initialised: "" for the empty string */
    size_t n;
} sn_str;

#define SN_STR(literal) ((sn_str){(literal), sizeof(literal) - 1})
#define SN_STR_ARG(s)   (int)((s).n > 200 ? 200 : (s).n), (s).p

static inline sn_str sn_str_of(const char *s)
{
    return s ? (sn_str){s, strlen(s)} : (sn_str){"", 0};
}
static inline bool sn_str_eq(sn_str a, sn_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool sn_str_is(sn_str a, const char *b)
{
    return sn_str_eq(a, sn_str_of(b));
}

/* A growing text on the heap. On lack of memory it turns `failed` and ignores what follows: check once, at the end. */
typedef struct sn_text {
    char *p; /* NUL-terminated; NULL while empty */
    size_t n;
    size_t capacity;
    bool failed;
} sn_text;

void sn_text_append(sn_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sn_text_append_bytes(sn_text *t, const char *bytes, size_t n);
void sn_text_free(sn_text *t);

#endif
