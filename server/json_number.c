#include "server/json_number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

const char *sn_json_number_end(const char *p, const char *end)
{
    if (p < end && *p == '-') p++;
    if (p == end || !is_digit(*p)) return NULL;
    if (*p == '0') {
        p++;
    } else {
        while (p < end && is_digit(*p)) p++;
    }
    if (p < end && *p == '.') {
        p++;
        if (p == end || !is_digit(*p)) return NULL;
        while (p < end && is_digit(*p)) p++;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        if (p == end || !is_digit(*p)) return NULL;
        while (p < end && is_digit(*p)) p++;
    }
    return p;
}

/* A number taken apart: value = (negative ? -1 : 1) * mantissa * 10^exponent, exact unless digits were dropped. */
typedef struct decimal {
    bool negative;
    bool full;      /* the mantissa takes no further digit */
    bool truncated; /* and one of those that it did not take is not 0 */
    uint64_t mantissa;
    int64_t exponent;
} decimal;

/* Keeps sums from overflowing; a body has fewer digits than this, so that no mantissa brings such a number back. */
#define EXPONENT_LIMIT (INT64_C(1) << 40)

/* What follows the mantissa: "e-12", or nothing. */
static int64_t read_exponent(const char *p, const char *end)
{
    if (p == end) return 0;
    p++;
    bool minus = *p == '-';
    if (*p == '-' || *p == '+') p++;
    int64_t e = 0;
    for (; p < end; p++) {
        if (e < EXPONENT_LIMIT) e = e * 10 + (*p - '0');
    }
    return minus ? -e : e;
}

static void take_digit(decimal *d, char c, bool after_point)
{
    uint64_t longer;
    d->full = d->full || __builtin_mul_overflow(d->mantissa, UINT64_C(10), &longer) ||
              __builtin_add_overflow(longer, (uint64_t)(c - '0'), &longer);
    if (!d->full) {
        d->mantissa = longer;
        if (after_point) d->exponent--;
    } else {
        if (c != '0') d->truncated = true;
        if (!after_point) d->exponent++;
    }
}

static decimal take_apart(const char *p, const char *end)
{
    decimal d = {0};
    if (p < end && *p == '-') {
        d.negative = true;
        p++;
    }
    for (; p < end && is_digit(*p); p++) take_digit(&d, *p, false);
    if (p < end && *p == '.') {
        for (p++; p < end && is_digit(*p); p++) take_digit(&d, *p, true);
    }
    d.exponent += read_exponent(p, end);
    return d;
}

static const double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                       1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* strtod reads the decimal point of the locale, which a program that links us may have changed: hence the exponent
 * form, which has no point, for what fits in the mantissa; digits beyond that are passed on as an integer with an
 * exponent. */
static double slow_double(const char *p, const char *end, const decimal *d)
{
    char small[64];
    if (!d->truncated) {
        snprintf(small, sizeof small, "%s%llue%lld", d->negative ? "-" : "", (unsigned long long)d->mantissa,
                 (long long)d->exponent);
        return strtod(small, NULL);
    }
    /* 800 digits decide every double; a digit 1 stands for all that follow. */
    char text[840];
    size_t n = 0;
    int64_t exponent = 0;
    bool point = false, significant = false, dropped = false;
    if (d->negative) text[n++] = '-', p++;
    for (; p < end && (is_digit(*p) || *p == '.'); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        significant |= *p != '0';
        if (n < 800) {
            if (significant) text[n++] = *p;
            if (point) exponent--;
        } else {
            dropped |= *p != '0';
            if (!point) exponent++;
        }
    }
    if (dropped) {
        text[n++] = '1';
        exponent--;
    }
    /* Not d->exponent: that has what the digits of the mantissa shifted, too. */
    snprintf(text + n, sizeof text - n, "e%lld", (long long)exponent + (long long)read_exponent(p, end));
    return strtod(text, NULL);
}

#define MAX_DIVISION 19 /* 10^19 < 2^64 */

/* mantissa / 10^k in integers: 63 or 64 bits of the quotient and a bit that stands for the remainder are more than
 * enough to round once. What a float prints as when it is taken for a double has 16 or 17 digits and comes here. */
static double divide(uint64_t mantissa, int k)
{
    uint64_t divisor = 1;
    for (int i = 0; i < k; i++) divisor *= 10;
    int up = __builtin_clzll(mantissa), down = __builtin_clzll(divisor);
    divisor <<= down;
    unsigned __int128 dividend = (unsigned __int128)(mantissa << up) << 63;
    uint64_t quotient = (uint64_t)(dividend / divisor);
    bool inexact = dividend % divisor != 0;
    return ldexp((double)(quotient | inexact), down - up - 63);
}

double sn_json_number_double(const char *p, const char *end)
{
    decimal d = take_apart(p, end);
    if (!d.truncated && d.mantissa <= (UINT64_C(1) << 53) && d.exponent >= -22 && d.exponent <= 22) {
        double value = (double)d.mantissa;
        value = d.exponent < 0 ? value / powers_of_ten[-d.exponent] : value * powers_of_ten[d.exponent];
        return d.negative ? -value : value;
    }
    if (!d.truncated && d.mantissa && d.exponent <= 0 && d.exponent >= -MAX_DIVISION) {
        double value = divide(d.mantissa, (int)-d.exponent);
        return d.negative ? -value : value;
    }
    return slow_double(p, end, &d);
}

bool sn_json_number_integer(const char *p, const char *end, bool *negative, uint64_t *magnitude)
{
    decimal d = take_apart(p, end);
    if (d.mantissa == 0 && !d.truncated) d.exponent = 0;
    for (; d.exponent < 0 && d.mantissa % 10 == 0; d.exponent++) d.mantissa /= 10;
    if (d.exponent < 0 || d.truncated) return false;
    for (; d.exponent > 0; d.exponent--) {
        if (__builtin_mul_overflow(d.mantissa, UINT64_C(10), &d.mantissa)) return false;
    }
    *negative = d.negative;
    *magnitude = d.mantissa;
    return true;
}

/* printf's %g writes the locale's decimal point. */
static size_t finish(char *out, int n)
{
    for (int i = 0; i < n; i++) {
        if (out[i] == ',') out[i] = '.';
    }
    return (size_t)n;
}

/* mantissa * 10^exponent, mantissa not 0, as digits with a point, or with an exponent when they are far from it. */
static size_t write_decimal(char *out, bool negative, uint64_t mantissa, int exponent)
{
    for (; mantissa % 10 == 0; exponent++) mantissa /= 10;
    char digits[20];
    int n = (int)sn_json_write_uint64(digits, mantissa), point = n + exponent; /* 0.DIGITS * 10^point */
    char *p = out;
    if (negative) *p++ = '-';
    if (point < -4 || point > 16) {
        *p++ = digits[0];
        if (n > 1) *p++ = '.';
        memcpy(p, digits + 1, (size_t)n - 1);
        p += n - 1;
        *p++ = 'e';
        return (size_t)(p - out) + sn_json_write_int64(p, point - 1);
    }
    if (point <= 0) {
        memcpy(p, "0.0000", (size_t)(2 - point));
        p += 2 - point;
    }
    for (int i = 0; i < n || i < point; i++) {
        if (i == point && i > 0) *p++ = '.';
        *p++ = i < n ? digits[i] : '0';
    }
    return (size_t)(p - out);
}

#define FLOAT_DIGITS 9 /* always tell a float from its neighbours */

/* The fewest digits, six at least, that lie between the midpoints to the neighbours of `value`, by a margin above the
 * error of the two operations. Powers of ten up to 10^22 are exact. False: too close to tell, or out of range. */
static bool shortest(double value, double below, double above, uint64_t *mantissa, int *exponent)
{
    const double margin = 1e-15;
    int scale = (int)floor(ilogb(value) * 0.30102999566398120); /* log10, or one less */
    for (int digits = 6; digits <= FLOAT_DIGITS; digits++) {
        int shift = digits - 1 - scale;
        if (shift > 22 || shift < -22) return false;
        double power = powers_of_ten[shift < 0 ? -shift : shift];
        double whole = nearbyint(shift < 0 ? value / power : value * power);
        double again = shift < 0 ? whole * power : whole / power;
        if (again > below * (1 + margin) && again < above * (1 - margin)) {
            *mantissa = (uint64_t)whole;
            *exponent = -shift;
            return true;
        }
        if (again > below * (1 - margin) && again < above * (1 + margin)) return false;
    }
    return false;
}

size_t sn_json_write_float(char *out, float value)
{
    if (!isfinite(value)) return memcpy(out, "null", 4), 4;
    if (value == floorf(value) && fabsf(value) < 16777216.0F && !(value == 0 && signbit(value)))
        return sn_json_write_int64(out, (int64_t)value);
    float size = fabsf(value);
    uint64_t mantissa;
    int exponent;
    if (size != 0 && shortest(size, ((double)nextafterf(size, 0) + size) / 2,
                              ((double)nextafterf(size, INFINITY) + size) / 2, &mantissa, &exponent))
        return write_decimal(out, signbit(value), mantissa, exponent);
    int n = 0;
    for (int digits = 6; digits <= FLOAT_DIGITS; digits++) {
        n = snprintf(out, SN_JSON_NUMBER_MAX, "%.*g", digits, (double)value);
        if (strtof(out, NULL) == value) break;
    }
    return finish(out, n);
}

size_t sn_json_write_double(char *out, double value)
{
    if (!isfinite(value)) return memcpy(out, "null", 4), 4;
    int n = 0;
    for (int digits = 15; digits <= 17; digits++) {
        n = snprintf(out, SN_JSON_NUMBER_MAX, "%.*g", digits, value);
        if (strtod(out, NULL) == value) break;
    }
    return finish(out, n);
}

size_t sn_json_write_uint64(char *out, uint64_t value)
{
    char digits[20];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    for (size_t i = 0; i < n; i++) out[i] = digits[n - 1 - i];
    return n;
}

size_t sn_json_write_int64(char *out, int64_t value)
{
    if (value >= 0) return sn_json_write_uint64(out, (uint64_t)value);
    *out = '-';
    return 1 + sn_json_write_uint64(out + 1, 0 - (uint64_t)value);
}
