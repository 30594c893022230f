#include "io/utf8.h"

/* One row per length of a sequence: what the first byte looks like, and the smallest code point that needs it. */
typedef struct utf8_form {
    unsigned char mask, lead;
    uint32_t smallest;
} utf8_form;

static const utf8_form forms[] = {{0x80, 0x00, 0}, {0xE0, 0xC0, 0x80}, {0xF0, 0xE0, 0x800}, {0xF8, 0xF0, 0x10000}};

static int is_scalar(uint32_t code)
{
    return code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
}

size_t sn_utf8_decode(const char *p, size_t n, uint32_t *code)
{
    if (n == 0) return 0;
    unsigned char first = (unsigned char)p[0];
    for (size_t length = 1; length <= 4 && length <= n; length++) {
        const utf8_form *form = &forms[length - 1];
        if ((first & form->mask) != form->lead) continue;
        uint32_t c = first & (unsigned char)~form->mask;
        for (size_t i = 1; i < length; i++) {
            unsigned char byte = (unsigned char)p[i];
            if ((byte & 0xC0) != 0x80) return 0;
            c = c << 6 | (byte & 0x3F);
        }
        if (c < form->smallest || !is_scalar(c)) return 0;
        *code = c;
        return length;
    }
    return 0;
}

size_t sn_utf8_encode(uint32_t code, char out[4])
{
    if (!is_scalar(code)) return 0;
    size_t length = 1;
    while (length < 4 && code >= forms[length].smallest) length++;
    for (size_t i = length - 1; i > 0; i--, code >>= 6) out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(forms[length - 1].lead | code);
    return length;
}
