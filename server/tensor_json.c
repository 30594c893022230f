#include "server/tensor_json.h"

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/value.h"
#include "io/utf8.h"
#include "server/json_number.h"

#include <math.h>
#include <stdio.h>

/* ------------------------------------------------------------------------------------------------ reading */

/* Where elements go, and what to call them when they do not fit. */
typedef struct sink {
    const sn_json_document *document;
    sinter_value *tensor;
    sinter_string *strings; /* the elements of a string tensor, which is made when all are known */
    const char *name;
    size_t at, end, first;
    sinter_error *err;
} sink;

static sinter_status misfit(const sink *s, const char *expected, sn_str found)
{
    return sn_fail(s->err, SINTER_INVALID_INPUT, "input '%s': element %zu of the data is %.*s, expected %s", s->name,
                   s->at - s->first, SN_STR_ARG(found), expected);
}

static bool fits(sinter_dtype dtype, bool negative, uint64_t magnitude)
{
    unsigned bits = sn_dtypes[dtype].bits;
    if (sn_dtypes[dtype].klass == SN_CLASS_UNSIGNED)
        return (!negative || magnitude == 0) && (bits == 64 || magnitude < (UINT64_C(1) << bits));
    uint64_t half = UINT64_C(1) << (bits - 1);
    return negative ? magnitude <= half : magnitude < half;
}

static sinter_status put_integer(const sink *s, sn_str text)
{
    sinter_dtype dtype = s->tensor->dtype;
    bool negative;
    uint64_t magnitude;
    if (!sn_json_number_integer(text.p, text.p + text.n, &negative, &magnitude) || !fits(dtype, negative, magnitude)) {
        char expected[40];
        snprintf(expected, sizeof expected, "a number of type %s", sn_dtypes[dtype].name);
        return misfit(s, expected, text);
    }
    uint64_t bits = negative ? 0 - magnitude : magnitude;
    if (dtype == SINTER_UINT64) {
        memcpy((char *)s->tensor->data + s->at * sizeof bits, &bits, sizeof bits);
    } else {
        int64_t value;
        memcpy(&value, &bits, sizeof value);
        sn_store_int64(dtype, s->tensor->data, s->at, value);
    }
    return SINTER_OK;
}

static sinter_status put_float(const sink *s, sn_str text)
{
    double value = sn_json_number_double(text.p, text.p + text.n);
    if (s->tensor->dtype == SINTER_FLOAT) {
        float single = (float)value;
        if (isinf(single)) return misfit(s, "a finite number of type float", text);
        ((float *)s->tensor->data)[s->at] = single;
        return SINTER_OK;
    }
    sn_store_double(s->tensor->dtype, s->tensor->data, s->at, value);
    if (!isfinite(sn_load_double(s->tensor->dtype, s->tensor->data, s->at))) {
        char expected[48];
        snprintf(expected, sizeof expected, "a finite number of type %s", sn_dtypes[s->tensor->dtype].name);
        return misfit(s, expected, text);
    }
    return SINTER_OK;
}

static const char *expected_element(const sink *s)
{
    switch (sn_dtypes[s->tensor->dtype].klass) {
    case SN_CLASS_STRING: return "a string";
    case SN_CLASS_BOOL: return "true, false, 0 or 1";
    default: return "a number";
    }
}

static sinter_status put_bool(const sink *s, sn_json_token token, sn_str text)
{
    bool value = token == SN_JSON_TRUE;
    if (token == SN_JSON_NUMBER) {
        if (text.n != 1 || (*text.p != '0' && *text.p != '1')) return misfit(s, expected_element(s), text);
        value = *text.p == '1';
    }
    ((uint8_t *)s->tensor->data)[s->at] = value;
    return SINTER_OK;
}

static sinter_status check_room(const sink *s)
{
    if (s->at < s->end) return SINTER_OK;
    return sn_fail(s->err, SINTER_INVALID_INPUT, "input '%s': the data has more than the %zu elements of its shape",
                   s->name, s->end - s->first);
}

static sinter_status put(sink *s, sn_json_token token, sn_str text)
{
    SN_TRY(check_room(s));
    sn_dtype_class klass = sn_dtypes[s->tensor->dtype].klass;
    sinter_status status;
    if (s->tensor->dtype == SINTER_STRING) return misfit(s, expected_element(s), text);
    if (klass == SN_CLASS_BOOL && token != SN_JSON_NULL) {
        status = put_bool(s, token, text);
    } else if (token != SN_JSON_NUMBER) {
        status = misfit(s, expected_element(s), text);
    } else {
        status = klass == SN_CLASS_FLOAT ? put_float(s, text) : put_integer(s, text);
    }
    s->at++;
    return status;
}

static sinter_status put_slice(sink *s, sn_str slice)
{
    sn_json_cursor cursor = sn_json_cursor_of(slice);
    sn_str text = {"", 0};
    for (sn_json_token token; (token = sn_json_next(&cursor, &text)) != SN_JSON_END;) {
        if (token != SN_JSON_OPEN && token != SN_JSON_CLOSE) SN_TRY(put(s, token, text));
    }
    return SINTER_OK;
}

static sinter_status put_string(sink *s, const cJSON *item)
{
    SN_TRY(check_room(s));
    if (!s->strings) return misfit(s, expected_element(s), SN_STR("a string"));
    s->strings[s->at++] = (sinter_string){item->valuestring, strlen(item->valuestring)};
    return SINTER_OK;
}

/* Takes the elements of nested arrays. Depth is bounded by the document's. */
static sinter_status put_item(sink *s, const cJSON *item)
{
    sn_str slice;
    if (sn_json_slice(s->document, item, &slice)) return put_slice(s, slice);
    if (cJSON_IsString(item)) return put_string(s, item);
    if (cJSON_IsTrue(item)) return put(s, SN_JSON_TRUE, SN_STR("true"));
    if (cJSON_IsFalse(item)) return put(s, SN_JSON_FALSE, SN_STR("false"));
    if (cJSON_IsNull(item)) return put(s, SN_JSON_NULL, SN_STR("null"));
    if (cJSON_IsObject(item)) return misfit(s, expected_element(s), SN_STR("an object"));
    for (const cJSON *child = item->child; child; child = child->next) SN_TRY(put_item(s, child));
    return SINTER_OK;
}

static sinter_status check_full(const sink *s)
{
    if (s->at == s->end) return SINTER_OK;
    return sn_fail(s->err, SINTER_INVALID_INPUT, "input '%s': the data has %zu elements, its shape needs %zu", s->name,
                   s->at - s->first, s->end - s->first);
}

sinter_status sn_tensor_fill_json(const sn_json_document *d, const cJSON *data, const char *name, sinter_value *tensor,
                                  size_t at, size_t n, sinter_error *err)
{
    sink s = {.document = d, .tensor = tensor, .name = name, .at = at, .first = at, .end = at + n, .err = err};
    SN_TRY(put_item(&s, data));
    return check_full(&s);
}

static sinter_status strings_from_json(const sn_json_document *d, const cJSON *data, const char *name, int rank,
                                       const int64_t *dims, size_t count, sinter_value **out, sinter_error *err)
{
    sinter_string *strings = sn_calloc(count, sizeof *strings);
    if (!strings) return sn_no_memory(err, "reading a request");
    sinter_value header = {.dtype = SINTER_STRING};
    sink s = {.document = d, .tensor = &header, .strings = strings, .name = name, .end = count, .err = err};
    sinter_status status = put_item(&s, data);
    if (status == SINTER_OK) status = check_full(&s);
    if (status == SINTER_OK) status = sinter_tensor_create_strings(rank, dims, strings, out, err);
    sn_free(strings);
    return status;
}

/* A shape is a few bytes; memory is taken only for elements that may be there: a number and its comma each take a byte.
 */
static sinter_status check_count(const sn_json_document *d, const cJSON *data, const char *name, sinter_dtype dtype,
                                 const sn_shape *shape, size_t *count, sinter_error *err)
{
    size_t size;
    sn_str slice;
    if (sn_tensor_extent(dtype, shape, count, &size, err) != SINTER_OK)
        return sn_context(err, SINTER_INVALID_INPUT, "input '%s'", name);
    if (*count <= (sn_json_slice(d, data, &slice) ? slice.n / 2 + 1 : SN_JSON_MAX_TOKENS)) return SINTER_OK;
    return sn_fail(err, SINTER_INVALID_INPUT, "input '%s': the data has fewer than the %zu elements of its shape", name,
                   *count);
}

sinter_status sn_tensor_from_json(const sn_json_document *d, const cJSON *data, const char *name, sinter_dtype dtype,
                                  int rank, const int64_t *dims, sinter_value **out, sinter_error *err)
{
    sn_shape shape = sn_shape_of(rank, dims);
    size_t count;
    SN_TRY(check_count(d, data, name, dtype, &shape, &count, err));
    if (dtype == SINTER_STRING) return strings_from_json(d, data, name, rank, dims, count, out, err);
    sinter_value *tensor;
    SN_TRY(sinter_tensor_create(dtype, rank, dims, &tensor, err));
    sinter_status status = sn_tensor_fill_json(d, data, name, tensor, 0, count, err);
    if (status != SINTER_OK) {
        sinter_value_release(tensor);
        return status;
    }
    *out = tensor;
    return SINTER_OK;
}

/* Arrays of strings: the first child of each level gives its length, the others must agree. */
static int strings_shape(const cJSON *data, int64_t *dims)
{
    int rank = 0;
    for (; cJSON_IsArray(data) && rank < SN_MAX_RANK; data = data->child) dims[rank++] = cJSON_GetArraySize(data);
    return rank;
}

static bool has_shape(const cJSON *data, int rank, const int64_t *dims)
{
    if (rank == 0 || !cJSON_IsArray(data)) return (rank == 0) == !cJSON_IsArray(data);
    if (cJSON_GetArraySize(data) != *dims) return false;
    for (const cJSON *child = data->child; child; child = child->next) {
        if (!has_shape(child, rank - 1, dims + 1)) return false;
    }
    return true;
}

sinter_status sn_json_data_shape(const sn_json_document *d, const cJSON *data, const char *name, int *rank,
                                 int64_t *dims, sinter_error *err)
{
    sn_str slice;
    bool rectangular;
    if (sn_json_slice(d, data, &slice)) {
        rectangular = sn_json_slice_shape(slice, SN_MAX_RANK, rank, dims);
    } else {
        *rank = strings_shape(data, dims);
        rectangular = has_shape(data, *rank, dims);
    }
    if (rectangular) return SINTER_OK;
    return sn_fail(err, SINTER_INVALID_INPUT,
                   "input '%s': the nested data is not rectangular, or has more than %d levels", name, SN_MAX_RANK);
}

/* ------------------------------------------------------------------------------------------------ writing */

void sn_json_write_string(const char *bytes, size_t n, sn_text *out)
{
    sn_text_append_bytes(out, "\"", 1);
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)bytes[i];
        uint32_t code;
        size_t length = sn_utf8_decode(bytes + i, n - i, &code);
        if (length == 0) {
            sn_text_append(out, "\xEF\xBF\xBD");
            i++;
            continue;
        }
        if (c == '"' || c == '\\') {
            sn_text_append(out, "\\%c", c);
        } else if (c < 0x20) {
            sn_text_append(out, "\\u%04x", c);
        } else {
            sn_text_append_bytes(out, bytes + i, length);
        }
        i += length;
    }
    sn_text_append_bytes(out, "\"", 1);
}

static size_t write_number(char *out, const sinter_value *t, size_t i)
{
    switch (sn_dtypes[t->dtype].klass) {
    case SN_CLASS_SIGNED: return sn_json_write_int64(out, sn_load_int64(t->dtype, t->data, i));
    case SN_CLASS_UNSIGNED:
        if (t->dtype == SINTER_UINT64) return sn_json_write_uint64(out, ((const uint64_t *)t->data)[i]);
        return sn_json_write_int64(out, sn_load_int64(t->dtype, t->data, i));
    case SN_CLASS_FLOAT:
        if (t->dtype == SINTER_DOUBLE) return sn_json_write_double(out, ((const double *)t->data)[i]);
        return sn_json_write_float(out, (float)sn_load_double(t->dtype, t->data, i));
    case SN_CLASS_BOOL: {
        bool value = ((const uint8_t *)t->data)[i];
        memcpy(out, value ? "true" : "false", value ? 4 : 5);
        return value ? 4 : 5;
    }
    default: memcpy(out, "null", 4); return 4;
    }
}

void sn_tensor_write_flat(const sinter_value *t, size_t from, size_t n, sn_text *out)
{
    char number[SN_JSON_NUMBER_MAX + 1];
    for (size_t i = from; i < from + n; i++) {
        if (i > from) sn_text_append_bytes(out, ",", 1);
        if (t->dtype == SINTER_STRING) {
            const sinter_string *s = (const sinter_string *)t->data + i;
            sn_json_write_string(s->data, s->size, out);
        } else {
            sn_text_append_bytes(out, number, write_number(number, t, i));
        }
    }
}

void sn_tensor_write_nested(const sinter_value *t, int axis, size_t from, sn_text *out)
{
    if (axis == t->shape.rank) {
        sn_tensor_write_flat(t, from, 1, out);
        return;
    }
    size_t n = (size_t)t->shape.dims[axis];
    sn_text_append_bytes(out, "[", 1);
    if (axis + 1 == t->shape.rank) {
        sn_tensor_write_flat(t, from, n, out);
    } else {
        size_t stride = (size_t)sn_shape_product(&t->shape, axis + 1, t->shape.rank);
        for (size_t i = 0; i < n; i++) {
            if (i) sn_text_append_bytes(out, ",", 1);
            sn_tensor_write_nested(t, axis + 1, from + i * stride, out);
        }
    }
    sn_text_append_bytes(out, "]", 1);
}
