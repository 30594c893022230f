/* UTF-8, strictly: overlong forms, surrogates and code points above U+10FFFF are invalid. */
#ifndef SN_IO_UTF8_H
#define SN_IO_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Reads one code point from the first bytes of p[0..n) and returns how many bytes it took; 0 when they are not UTF-8.
 */
size_t sn_utf8_decode(const char *p, size_t n, uint32_t *code);

/* Writes `code` and returns how many bytes it took; 0 when it is not a code point of UTF-8. */
size_t sn_utf8_encode(uint32_t code, char out[4]);

#endif
