/*
 * Elements of tensors. Raw bytes and packed float and double fields are what memory holds already, so a large payload
 * stays in the file if its address suits the type; protobuf does not align anything, so that about three of four floats
 * have to be copied. A copy gives the file's pages back as it goes: the weights are in memory once, not twice.
 */
#include "parser/tensor_data.h"

#include "base/alloc.h"
#include "base/size.h"
#include "parser/limits.h"
#include "proto/onnx.pb-c.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ONNX payloads are little-endian and are used in place");

#define COPY_CHUNK ((size_t)1 << 20)

enum { FLOAT_DATA = 4, INT32_DATA = 5, INT64_DATA = 7, RAW_DATA = 9, DOUBLE_DATA = 10, UINT64_DATA = 11 };

/* Which typed field a type's elements are in; where none is named it is int32_data. */
static const uint32_t typed_fields[SINTER_DTYPE_COUNT] = {
    [SINTER_FLOAT] = FLOAT_DATA,       [SINTER_COMPLEX64] = FLOAT_DATA, [SINTER_DOUBLE] = DOUBLE_DATA,
    [SINTER_COMPLEX128] = DOUBLE_DATA, [SINTER_INT64] = INT64_DATA,     [SINTER_UINT32] = UINT64_DATA,
    [SINTER_UINT64] = UINT64_DATA,
};

static uint32_t typed_field(sinter_dtype dtype)
{
    return typed_fields[dtype] ? typed_fields[dtype] : INT32_DATA;
}

static const char *field_name(uint32_t number)
{
    return protobuf_c_message_descriptor_get_field(&onnx__tensor_proto__descriptor, number)->name;
}

/* 4- and 2-bit types. Strings have no bits at all. */
static bool is_packed(sinter_dtype dtype)
{
    return sn_dtypes[dtype].bits > 0 && sn_dtypes[dtype].bits < 8;
}

size_t sn_tensor_stored_size(sinter_dtype dtype, size_t count)
{
    if (!is_packed(dtype)) return count * sn_dtypes[dtype].size;
    size_t per_byte = 8u / sn_dtypes[dtype].bits;
    return count / per_byte + (count % per_byte != 0);
}

sinter_status sn_tensor_spec_init(sn_tensor_spec *spec, sinter_dtype dtype, const sn_shape *shape, sinter_error *err)
{
    size_t size;
    *spec = (sn_tensor_spec){.dtype = dtype, .shape = *shape};
    SN_TRY(sn_tensor_extent(dtype, shape, &spec->count, &size, err));
    spec->stored = sn_tensor_stored_size(dtype, spec->count);
    return SINTER_OK;
}

static sinter_status fail_size(const sn_tensor_spec *spec, const char *unit, size_t expected, size_t found,
                               const char *where, sinter_error *err)
{
    char text[SN_SHAPE_TEXT];
    return sn_fail(err, SINTER_INVALID_MODEL, "%s[%s] takes %zu %s, found %zu in %s", sn_dtypes[spec->dtype].name,
                   sn_shape_text(&spec->shape, NULL, text, sizeof text), expected, unit, found, where);
}

/* ---------------------------------------------------------------------------------------------------- packed types */

/* 4- and 2-bit elements, first in the low bits, to one byte each, signed ones sign-extended. */
static void unpack(sinter_dtype dtype, const uint8_t *packed, size_t count, uint8_t *out)
{
    unsigned bits = sn_dtypes[dtype].bits, per_byte = 8 / bits, mask = (1u << bits) - 1;
    unsigned sign = sn_dtypes[dtype].klass == SN_CLASS_SIGNED ? 1u << (bits - 1) : 0;
    for (size_t i = 0; i < count; ++i) {
        unsigned element = packed[i / per_byte] >> (i % per_byte * bits) & mask;
        out[i] = (uint8_t)((element ^ sign) - sign);
    }
}

size_t sn_tensor_pack(sinter_dtype dtype, const uint8_t *elements, size_t n, uint8_t *out)
{
    unsigned bits = sn_dtypes[dtype].bits, per_byte = 8 / bits, mask = (1u << bits) - 1;
    size_t size = sn_tensor_stored_size(dtype, n);
    memset(out, 0, size);
    for (size_t i = 0; i < n; ++i) out[i / per_byte] |= (uint8_t)((elements[i] & mask) << (i % per_byte * bits));
    return size;
}

/* ---------------------------------------------------------------------------------------------------- raw form */

static bool is_aligned(const sn_tensor_spec *spec, const uint8_t *bytes)
{
    size_t alignment = sn_dtypes[spec->dtype].size < 8 ? sn_dtypes[spec->dtype].size : 8;
    return (uintptr_t)bytes % alignment == 0;
}

/* A byte that is neither 0 nor 1 is true all the same; everything downstream relies on 0 and 1. */
static bool needs_normalizing(const sn_tensor_spec *spec, const sn_raw *raw)
{
    if (spec->dtype != SINTER_BOOL) return false;
    for (size_t i = 0; i < raw->size; ++i)
        if (raw->bytes[i] > 1) return true;
    return false;
}

static sinter_status slice_raw(const sn_tensor_spec *spec, const sn_raw *raw, sinter_value **out, sinter_error *err)
{
    sn_block *slice = sn_block_slice(raw->file, raw->offset, raw->size);
    if (!slice) return sn_no_memory(err, "reading a tensor");
    sinter_status status = sn_tensor_from_block(spec->dtype, &spec->shape, slice, sn_block_data(slice), out, err);
    sn_block_release(slice);
    return status;
}

static void copy_elements(const sn_tensor_spec *spec, const uint8_t *from, size_t size, uint8_t *to)
{
    if (is_packed(spec->dtype)) {
        unpack(spec->dtype, from, spec->count, to);
    } else if (spec->dtype == SINTER_BOOL) {
        for (size_t i = 0; i < size; ++i) to[i] = from[i] != 0;
    } else {
        memcpy(to, from, size);
    }
}

/* Copies a large payload piece by piece and gives back the file's pages behind it. */
static void move_elements(const sn_raw *raw, uint8_t *to)
{
    sn_block *slice = sn_block_slice(raw->file, raw->offset, raw->size);
    for (size_t done = 0; done < raw->size;) {
        size_t n = raw->size - done < COPY_CHUNK ? raw->size - done : COPY_CHUNK;
        memcpy(to + done, raw->bytes + done, n);
        if (slice) sn_block_discard(slice, done, n);
        done += n;
    }
    sn_block_release(slice);
}

sinter_status sn_tensor_from_raw(const sn_tensor_spec *spec, const sn_raw *raw, sinter_value **out, sinter_error *err)
{
    if (raw->size != spec->stored) return fail_size(spec, "bytes", spec->stored, raw->size, raw->where, err);
    bool large = raw->file && raw->size > SN_SMALL_PAYLOAD;
    bool plain = !is_packed(spec->dtype) && !needs_normalizing(spec, raw);
    if (large && plain && is_aligned(spec, raw->bytes)) return slice_raw(spec, raw, out, err);
    SN_TRY(sn_tensor_create(spec->dtype, &spec->shape, out, err));
    if (raw->size == 0) return SINTER_OK;
    if (large && plain)
        move_elements(raw, (*out)->data);
    else
        copy_elements(spec, raw->bytes, raw->size, (*out)->data);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- typed fields */

static size_t count_varints(const sn_wire *wire, const sn_wire_span *spans, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; ++i) {
        const uint8_t *p = sn_wire_span_bytes(wire, &spans[i]);
        for (size_t k = 0; k < spans[i].size; ++k) count += p[k] < 0x80;
    }
    return count;
}

/* A value may be given as the signed or the unsigned number of its bits: writers differ. */
static bool fits(uint64_t value, size_t width)
{
    if (width == 8) return true;
    int64_t v = (int64_t)value, half = INT64_C(1) << (8 * width - 1);
    return v >= -half && v < 2 * half;
}

static sinter_status decode_span(const uint8_t *p, size_t size, size_t width, bool is_bool, uint8_t **to,
                                 sinter_error *err)
{
    for (size_t at = 0; at < size;) {
        uint64_t value;
        size_t n = sn_varint_read(p + at, size - at, &value);
        if (n == 0) return sn_fail(err, SINTER_INVALID_MODEL, "a number in its data is cut off");
        if (is_bool) value = value != 0;
        if (!fits(value, width))
            return sn_fail(err, SINTER_INVALID_MODEL, "the number %lld in its data does not fit into %zu bits",
                           (long long)value, 8 * width);
        memcpy(*to, &value, width);
        *to += width;
        at += n;
    }
    return SINTER_OK;
}

/* `to` has room for as many numbers of `width` bytes as count_varints found. */
static sinter_status decode_varints(const sn_tensor_spec *spec, const sn_wire *wire, const sn_wire_span *spans,
                                    size_t n, uint8_t *to, sinter_error *err)
{
    for (size_t i = 0; i < n; ++i)
        SN_TRY(decode_span(sn_wire_span_bytes(wire, &spans[i]), spans[i].size, sn_dtypes[spec->dtype].size,
                           spec->dtype == SINTER_BOOL, &to, err));
    return SINTER_OK;
}

/* int32_data holds packed types byte by byte, several elements each. */
static sinter_status decode_packed(const sn_tensor_spec *spec, const sn_wire *wire, const sn_wire_span *spans, size_t n,
                                   uint8_t *to, sinter_error *err)
{
    uint8_t *packed = sn_malloc(spec->stored);
    if (!packed) return sn_no_memory(err, "reading a tensor");
    sinter_status status = decode_varints(spec, wire, spans, n, packed, err);
    if (status == SINTER_OK) unpack(spec->dtype, packed, spec->count, to);
    sn_free(packed);
    return status;
}

static sinter_status from_varints(const sn_tensor_spec *spec, const sn_wire *wire, const sn_wire_span *spans, size_t n,
                                  sinter_value **out, sinter_error *err)
{
    bool packed = is_packed(spec->dtype);
    size_t expected = packed ? spec->stored : spec->count, found = count_varints(wire, spans, n);
    if (found != expected) return fail_size(spec, "numbers", expected, found, field_name(spans[0].field), err);
    sinter_value *v;
    SN_TRY(sn_tensor_create(spec->dtype, &spec->shape, &v, err));
    sinter_status status = (packed ? decode_packed : decode_varints)(spec, wire, spans, n, v->data, err);
    if (status != SINTER_OK) {
        sinter_value_release(v);
        return status;
    }
    *out = v;
    return SINTER_OK;
}

/* Float and double fields in several runs: legal, and as rare as it is useless. */
static sinter_status from_runs(const sn_tensor_spec *spec, const sn_wire *wire, const sn_wire_span *spans, size_t n,
                               sinter_value **out, sinter_error *err)
{
    size_t size = 0;
    for (size_t i = 0; i < n; ++i) size += spans[i].size;
    if (size != spec->stored) return fail_size(spec, "bytes", spec->stored, size, field_name(spans[0].field), err);
    SN_TRY(sn_tensor_create(spec->dtype, &spec->shape, out, err));
    uint8_t *to = (*out)->data;
    for (size_t i = 0; i < n; ++i) {
        memcpy(to, sn_wire_span_bytes(wire, &spans[i]), spans[i].size);
        to += spans[i].size;
    }
    return SINTER_OK;
}

sinter_status sn_tensor_from_spans(const sn_tensor_spec *spec, const sn_wire *wire, const sn_wire_span *spans, size_t n,
                                   sn_block *file, sinter_value **out, sinter_error *err)
{
    uint32_t field = n ? spans[0].field : RAW_DATA;
    for (size_t i = 1; i < n; ++i)
        if (spans[i].field != field)
            return sn_fail(err, SINTER_INVALID_MODEL, "has elements both in %s and in %s", field_name(field),
                           field_name(spans[i].field));
    if (field != RAW_DATA && field != typed_field(spec->dtype))
        return sn_fail(err, SINTER_INVALID_MODEL, "%s elements are expected in raw_data or %s, found %s",
                       sn_dtypes[spec->dtype].name, field_name(typed_field(spec->dtype)), field_name(field));
    if (field != RAW_DATA && field != FLOAT_DATA && field != DOUBLE_DATA)
        return from_varints(spec, wire, spans, n, out, err);
    if (n > 1) return from_runs(spec, wire, spans, n, out, err);
    sn_raw raw = {.where = field_name(field)};
    if (n) {
        raw.bytes = sn_wire_span_bytes(wire, spans);
        raw.size = spans->size;
        raw.file = spans->loose ? NULL : file;
        raw.offset = spans->offset;
    }
    return sn_tensor_from_raw(spec, &raw, out, err);
}
