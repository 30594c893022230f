/*
 * Numbers as JSON text (RFC 8259), both ways, without the locale. Reading is where a request spends its time (150,528
 * numbers for one 224x224 image), so the common case avoids strtod: significant digits that fit 53 bits, with a power
 * of ten of at most 22, are exact in double arithmetic (Clinger 1990, "How to read floating point numbers accurately").
 */
#ifndef SN_SERVER_JSON_NUMBER_H
#define SN_SERVER_JSON_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The end of the JSON number that starts at p, or NULL when there is none. */
const char *sn_json_number_end(const char *p, const char *end);

/* The value of the JSON number [p, end), correctly rounded. Overflow gives an infinity. */
double sn_json_number_double(const char *p, const char *end);

/* The same as an exact integer: false when it has a fraction or an exponent that leaves one, or is outside of 64 bits.
 * *negative tells the sign, *magnitude the absolute value. "1e3" and "2.0" are integers. */
bool sn_json_number_integer(const char *p, const char *end, bool *negative, uint64_t *magnitude);

#define SN_JSON_NUMBER_MAX 32 /* bytes that the writers below need at most */

/* The shortest text that reads back as the same float or double; "null" for what JSON cannot say. Returns its length.
 */
size_t sn_json_write_float(char *out, float value);
size_t sn_json_write_double(char *out, double value);
size_t sn_json_write_int64(char *out, int64_t value);
size_t sn_json_write_uint64(char *out, uint64_t value);

#endif
