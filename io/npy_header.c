/*
 * The header of a .npy file: a magic, a version, a length, and a Python dict literal with three keys. The parser reads
 * just that grammar (any order of keys, both quotes, Python 2's long integers) and nothing else of Python.
 */
#include "base/dtype.h"
#include "base/size.h"
#include "io/npy.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#define MAGIC      "\x93NUMPY"
#define MAGIC_SIZE 6

#define MAX_EMPTY_STRINGS 65536

typedef struct cursor {
    const char *p, *end;
    sinter_error *err;
} cursor;

static void skip_space(cursor *c)
{
    while (c->p < c->end && isspace((unsigned char)*c->p)) c->p++;
}

/* The next character that is not white space; '\0' at the end. */
static char peek(cursor *c)
{
    skip_space(c);
    return c->p < c->end ? *c->p : '\0';
}

static bool accept(cursor *c, char wanted)
{
    if (peek(c) != wanted) return false;
    c->p++;
    return true;
}

static sinter_status expect(cursor *c, char wanted, const char *where)
{
    if (accept(c, wanted)) return SINTER_OK;
    return sn_fail(c->err, SINTER_INVALID_INPUT, "npy header: expected '%c' in %s", wanted, where);
}

static sinter_status parse_quoted(cursor *c, sn_str *out)
{
    char quote = peek(c);
    if (quote != '\'' && quote != '"') {
        return sn_fail(c->err, SINTER_INVALID_INPUT, "npy header: expected a quoted string");
    }
    const char *start = c->p + 1;
    const char *stop = memchr(start, quote, (size_t)(c->end - start));
    if (!stop) return sn_fail(c->err, SINTER_INVALID_INPUT, "npy header: a quoted string does not end");
    *out = (sn_str){start, (size_t)(stop - start)};
    c->p = stop + 1;
    return SINTER_OK;
}

static bool accept_word(cursor *c, const char *word)
{
    size_t n = strlen(word);
    skip_space(c);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0) return false;
    c->p += n;
    return true;
}

/* The digits of a number that must fit `limit`. */
static bool parse_digits(const char **p, const char *end, int64_t limit, int64_t *out)
{
    const char *start = *p;
    int64_t value = 0;
    for (; *p < end && isdigit((unsigned char)**p); ++*p) {
        int digit = **p - '0';
        if (value > (limit - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = value;
    return *p > start;
}

static sinter_status parse_shape(cursor *c, sn_npy_header *h)
{
    SN_TRY(expect(c, '(', "'shape'"));
    h->rank = 0;
    while (!accept(c, ')')) {
        if (h->rank == SINTER_MAX_RANK) {
            return sn_fail(c->err, SINTER_INVALID_INPUT, "npy header: more than %d dimensions", SINTER_MAX_RANK);
        }
        skip_space(c);
        if (!parse_digits(&c->p, c->end, INT64_MAX, &h->dims[h->rank])) {
            return sn_fail(c->err, SINTER_INVALID_INPUT, "npy header: dimension %d of 'shape' is not a whole number",
                           h->rank);
        }
        h->rank++;
        accept(c, 'L');
        if (!accept(c, ',') && peek(c) != ')') {
            return sn_fail(c->err, SINTER_INVALID_INPUT, "npy header: expected ',' or ')' in 'shape'");
        }
    }
    return SINTER_OK;
}

/* "<f4", "|b1", "|S12", "<U7". */
static sinter_status parse_descr(cursor *c, sn_npy_header *h)
{
    sn_str descr;
    if (peek(c) == '[') {
        return sn_fail(c->err, SINTER_INVALID_INPUT, "npy header: a structured array; expected a plain one");
    }
    SN_TRY(parse_quoted(c, &descr));
    sn_str type = descr;
    char order = '|';
    if (type.n && strchr("<>|=", type.p[0])) {
        order = type.p[0];
        type.p++;
        type.n--;
    }
    char letter = type.n ? type.p[0] : '\0';
    int64_t width = 0;
    if (letter == 'S' || letter == 'U') {
        const char *p = type.p + 1, *end = type.p + type.n;
        if (!parse_digits(&p, end, INT32_MAX, &width) || p != end) letter = '\0';
        h->coding = letter == 'U' ? SN_NPY_UNICODE : SN_NPY_BYTES;
        h->dtype = letter ? SINTER_STRING : SINTER_UNDEFINED;
        h->item = (size_t)width * (letter == 'U' ? 4 : 1);
    } else {
        h->coding = SN_NPY_NUMBERS;
        h->dtype = sn_dtype_from_npy(type);
        h->item = sinter_dtype_size(h->dtype);
    }
    if (h->dtype == SINTER_UNDEFINED || h->dtype == SINTER_DTYPE_COUNT) {
        return sn_fail(c->err, SINTER_INVALID_INPUT, "npy header: type '%.*s' has no counterpart in ONNX",
                       SN_STR_ARG(descr));
    }
    if (order == '>' && h->item > 1 && h->coding != SN_NPY_BYTES) {
        return sn_fail(c->err, SINTER_INVALID_INPUT, "npy header: type '%.*s' is big-endian; expected little-endian",
                       SN_STR_ARG(descr));
    }
    return SINTER_OK;
}

static sinter_status parse_order(cursor *c, sn_npy_header *h)
{
    h->fortran_order = accept_word(c, "True");
    if (h->fortran_order || accept_word(c, "False")) return SINTER_OK;
    return sn_fail(c->err, SINTER_INVALID_INPUT, "npy header: 'fortran_order' is neither True nor False");
}

static const struct {
    const char *name;
    sinter_status (*parse)(cursor *c, sn_npy_header *h);
} keys[] = {{"descr", parse_descr}, {"fortran_order", parse_order}, {"shape", parse_shape}};
enum { N_KEYS = sizeof keys / sizeof *keys };

static sinter_status parse_entry(cursor *c, sn_npy_header *h, bool seen[N_KEYS])
{
    sn_str key;
    SN_TRY(parse_quoted(c, &key));
    SN_TRY(expect(c, ':', "the dict"));
    for (size_t i = 0; i < N_KEYS; i++) {
        if (!sn_str_is(key, keys[i].name)) continue;
        seen[i] = true;
        return keys[i].parse(c, h);
    }
    return sn_fail(c->err, SINTER_INVALID_INPUT, "npy header: unknown key '%.*s'", SN_STR_ARG(key));
}

static sinter_status parse_dict(cursor *c, sn_npy_header *h)
{
    bool seen[N_KEYS] = {false};
    SN_TRY(expect(c, '{', "the header"));
    while (!accept(c, '}')) {
        SN_TRY(parse_entry(c, h, seen));
        if (!accept(c, ',') && peek(c) != '}') {
            return sn_fail(c->err, SINTER_INVALID_INPUT, "npy header: expected ',' or '}' in the dict");
        }
    }
    for (size_t i = 0; i < N_KEYS; i++) {
        if (!seen[i]) return sn_fail(c->err, SINTER_INVALID_INPUT, "npy header: no key '%s'", keys[i].name);
    }
    return SINTER_OK;
}

/* Elements and bytes, in the file and in memory. An array of empty strings costs nothing in a file but not in memory:
 * the memory that it may ask for is therefore limited by a number of its own. */
static sinter_status measure(sn_npy_header *h, sinter_error *err)
{
    size_t count = 1, in_memory, item = h->item ? h->item : 1;
    bool fits = true, empty = false;
    for (int i = 0; i < h->rank; i++) {
        if (h->dims[i] == 0)
            empty = true;
        else
            fits = fits && sn_size_mul(count, (size_t)h->dims[i], &count);
    }
    if (empty) {
        h->count = h->bytes = 0;
        return SINTER_OK;
    }
    fits = fits && sn_size_mul(count, item, &h->bytes) && sn_size_mul(count, sinter_dtype_size(h->dtype), &in_memory) &&
           h->bytes <= SN_MAX_TENSOR_BYTES && in_memory <= SN_MAX_TENSOR_BYTES;
    if (!fits) return sn_fail(err, SINTER_TOO_LARGE, "npy header: the array is larger than any tensor may be");
    if (h->item == 0 && count > MAX_EMPTY_STRINGS) {
        return sn_fail(err, SINTER_TOO_LARGE, "npy header: %zu strings of width 0; expected at most %d", count,
                       MAX_EMPTY_STRINGS);
    }
    h->count = count;
    h->bytes = h->item ? h->bytes : 0;
    return SINTER_OK;
}

sinter_status sn_npy_parse_header(const char *bytes, size_t size, sn_npy_header *out, sinter_error *err)
{
    const unsigned char *u = (const unsigned char *)bytes;
    if (size < MAGIC_SIZE + 4 || memcmp(bytes, MAGIC, MAGIC_SIZE) != 0) {
        return sn_fail(err, SINTER_INVALID_INPUT, "not a .npy file: it does not start with \\x93NUMPY");
    }
    unsigned major = u[6], minor = u[7];
    if (major < 1 || major > 3) {
        return sn_fail(err, SINTER_INVALID_INPUT, "npy format version %u.%u; expected 1.0 to 3.0", major, minor);
    }
    size_t preamble = major == 1 ? MAGIC_SIZE + 4 : MAGIC_SIZE + 6;
    if (size < preamble) return sn_fail(err, SINTER_INVALID_INPUT, "npy header: the file ends inside it");
    size_t length = u[8] | (size_t)u[9] << 8;
    if (major > 1) length |= (size_t)u[10] << 16 | (size_t)u[11] << 24;
    if (length > SN_NPY_HEADER_LIMIT - preamble) {
        return sn_fail(err, SINTER_TOO_LARGE, "npy header: %zu bytes; expected at most %zu", length,
                       SN_NPY_HEADER_LIMIT - preamble);
    }
    if (length > size - preamble) return sn_fail(err, SINTER_INVALID_INPUT, "npy header: the file ends inside it");

    sn_npy_header h = {.offset = preamble + length};
    cursor c = {bytes + preamble, bytes + preamble + length, err};
    SN_TRY(parse_dict(&c, &h));
    if (peek(&c) != '\0' || c.p < c.end) {
        return sn_fail(err, SINTER_INVALID_INPUT, "npy header: text after the dict");
    }
    SN_TRY(measure(&h, err));
    *out = h;
    return SINTER_OK;
}

/* The dict, with `first` in place of dims[0]; its length. */
static size_t format_dict(const char *descr, int rank, const int64_t *dims, int64_t first, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int i = 0; i < rank && n < size; i++) {
        const char *separator = i == 0 ? "" : ", ";
        n += (size_t)snprintf(out + n, size - n, "%s%" PRId64, separator, i == 0 ? first : dims[i]);
    }
    if (n < size) n += (size_t)snprintf(out + n, size - n, rank == 1 ? ",), }" : "), }");
    return n;
}

sinter_status sn_npy_format_header(const char *descr, int rank, const int64_t *dims, char out[SN_NPY_WRITTEN_LIMIT],
                                   size_t *size, sinter_error *err)
{
    enum { PREAMBLE = MAGIC_SIZE + 4, ALIGNMENT = 64 };
    char *dict = out + PREAMBLE;
    size_t room = SN_NPY_WRITTEN_LIMIT - PREAMBLE;
    size_t widest = format_dict(descr, rank, dims, INT64_MAX, dict, room);
    size_t total = sn_align_up(PREAMBLE + widest + 1, ALIGNMENT);
    if (widest >= room || total > SN_NPY_WRITTEN_LIMIT) {
        return sn_fail(err, SINTER_TOO_LARGE, "npy header of more than %d bytes", SN_NPY_WRITTEN_LIMIT);
    }
    size_t used = PREAMBLE + format_dict(descr, rank, dims, rank > 0 ? dims[0] : 0, dict, room);
    memset(out + used, ' ', total - used - 1);
    out[total - 1] = '\n';
    size_t length = total - PREAMBLE;
    memcpy(out, MAGIC "\x01\x00", MAGIC_SIZE + 2);
    out[8] = (char)(length & 0xFF);
    out[9] = (char)(length >> 8);
    *size = total;
    return SINTER_OK;
}
