#include "io/npy_text.h"
#include "base/alloc.h"
#include "base/size.h"
#include "io/utf8.h"
#include <stdio.h>
#include <string.h>

/* UTF-8 of one U field; SIZE_MAX when it holds something that is no code point. `out` has as many bytes as the field.
 */
static size_t decode_unicode(const char *field, size_t item, char *out)
{
    size_t n = 0, characters = item / 4;
    uint32_t code;
    for (; characters > 0; characters--) {
        memcpy(&code, field + (characters - 1) * 4, 4);
        if (code != 0) break;
    }
    for (size_t i = 0; i < characters; i++) {
        memcpy(&code, field + i * 4, 4);
        char bytes[4];
        size_t length = sn_utf8_encode(code, bytes);
        if (length == 0) return SIZE_MAX;
        memcpy(out + n, bytes, length);
        n += length;
    }
    return n;
}

static size_t decode_bytes(const char *field, size_t item, char *out)
{
    while (item > 0 && field[item - 1] == '\0') item--;
    if (item > 0) memcpy(out, field, item);
    return item;
}

sinter_status sn_npy_decode_text(const sn_npy_header *h, const char *fields, size_t count, int rank,
                                 const int64_t *dims, sinter_value **out, sinter_error *err)
{
    size_t bytes, table;
    if (!sn_size_mul(count, h->item, &bytes) || !sn_size_mul(count, sizeof(sinter_string), &table)) {
        return sn_fail(err, SINTER_TOO_LARGE, "%zu strings of %zu bytes", count, h->item);
    }
    char *characters = sn_malloc(bytes);
    sinter_string *strings = sn_malloc(table);
    sinter_status status = SINTER_OK;
    if (!characters || !strings) status = sn_no_memory(err, "reading strings");
    char *next = characters;
    for (size_t i = 0; i < count && status == SINTER_OK; i++) {
        const char *field = fields + i * h->item;
        bool unicode = h->coding == SN_NPY_UNICODE;
        size_t n = unicode ? decode_unicode(field, h->item, next) : decode_bytes(field, h->item, next);
        if (n == SIZE_MAX) {
            status = sn_fail(err, SINTER_INVALID_INPUT, "string %zu holds a number that is no Unicode character", i);
            break;
        }
        strings[i] = (sinter_string){next, n};
        next += n;
    }
    if (status == SINTER_OK) status = sinter_tensor_create_strings(rank, dims, strings, out, err);
    sn_free(strings);
    sn_free(characters);
    return status;
}

/* Code points in a string; SIZE_MAX when it is not UTF-8. */
static size_t count_characters(sinter_string s)
{
    size_t n = 0;
    uint32_t code;
    for (size_t i = 0, length; i < s.size; i += length, n++) {
        length = sn_utf8_decode(s.data + i, s.size - i, &code);
        if (length == 0) return SIZE_MAX;
    }
    return n;
}

void sn_npy_field_widen(sn_npy_field *f, const sinter_value *strings)
{
    const sinter_string *s = sinter_tensor_data(strings);
    size_t count = sinter_tensor_count(strings);
    for (size_t i = 0; i < count; i++) {
        if (s[i].size > f->bytes) f->bytes = s[i].size;
        size_t characters = f->unicode ? count_characters(s[i]) : SIZE_MAX;
        if (characters == SIZE_MAX)
            f->unicode = false;
        else if (characters > f->characters)
            f->characters = characters;
    }
}

void sn_npy_field_descr(const sn_npy_field *f, char out[32])
{
    snprintf(out, 32, "%s%zu", f->unicode ? "<U" : "|S", f->unicode ? f->characters : f->bytes);
}

static void encode_unicode(sinter_string s, char *field)
{
    for (size_t i = 0, length; i < s.size; i += length, field += 4) {
        uint32_t code;
        length = sn_utf8_decode(s.data + i, s.size - i, &code);
        memcpy(field, &code, 4);
    }
}

sinter_status sn_npy_write_text(sn_file_writer *w, const sn_npy_field *f, const sinter_value *strings,
                                sinter_error *err)
{
    size_t item = f->bytes;
    if (f->unicode && !sn_size_mul(f->characters, 4, &item)) return sn_fail(err, SINTER_TOO_LARGE, "a string");
    char *field = sn_malloc(item);
    if (!field) return sn_no_memory(err, "writing strings");
    const sinter_string *s = sinter_tensor_data(strings);
    size_t count = sinter_tensor_count(strings);
    sinter_status status = SINTER_OK;
    for (size_t i = 0; i < count && status == SINTER_OK; i++) {
        memset(field, 0, item);
        if (f->unicode)
            encode_unicode(s[i], field);
        else if (s[i].size)
            memcpy(field, s[i].data, s[i].size);
        status = sn_file_write(w, field, item, err);
    }
    sn_free(field);
    return status;
}
