/*
 * The walk. It is driven by the message descriptors that protoc-c generates from proto/onnx.proto, so the schema is
 * written down once. It checks every length, the wire type of every known field, the nesting depth and that no string
 * holds a NUL, and it writes the slim copy: canonical tags and lengths, tensor payloads left out, repeated numbers that
 * were written one by one packed into one run (protobuf-c spends 40 bytes on each field it meets).
 *
 * A message's length in the slim copy is known only when it ends, so it is a varint padded to five bytes.
 */
#include "parser/wire.h"

#include "base/alloc.h"
#include "parser/limits.h"
#include "proto/onnx.pb-c.h"

enum { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_LENGTH = 2, WIRE_32BIT = 5 };

#define LENGTH_SIZE     5           /* of a padded length */
#define REFERENCE_FIELD 0x1fffffffu /* the largest field number there is */

typedef struct walk {
    sn_wire *wire;
    sinter_error *err;
} walk;

/* One field as it lies in the file. */
typedef struct field {
    uint32_t number;
    uint32_t wire_type;
    size_t start;                          /* of the tag */
    size_t content, end;                   /* without tag and length */
    const ProtobufCFieldDescriptor *known; /* NULL: not in the schema */
} field;

size_t sn_varint_read(const uint8_t *bytes, size_t size, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size && i < SN_VARINT_SIZE; ++i) {
        value |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
        if (bytes[i] < 0x80) {
            *out = value;
            return i + 1;
        }
    }
    return 0;
}

size_t sn_varint_write(uint8_t *bytes, uint64_t value)
{
    size_t n = 0;
    for (; value >= 0x80; value >>= 7) bytes[n++] = (uint8_t)(value | 0x80);
    bytes[n++] = (uint8_t)value;
    return n;
}

/* ---------------------------------------------------------------------------------------------------- the slim copy */

static void put(sn_text *t, const void *bytes, size_t n)
{
    sn_text_append_bytes(t, bytes, n);
}

static void put_varint(sn_text *t, uint64_t value)
{
    uint8_t bytes[SN_VARINT_SIZE];
    put(t, bytes, sn_varint_write(bytes, value));
}

static void put_tag(sn_text *t, uint32_t number, uint32_t wire_type)
{
    put_varint(t, (uint64_t)number << 3 | wire_type);
}

static size_t begin_length(sn_text *t)
{
    static const uint8_t zeros[LENGTH_SIZE];
    put(t, zeros, sizeof zeros);
    return t->n;
}

/* Fills in the padded length of what follows `begin`. */
static void end_length(sn_text *t, size_t begin)
{
    if (t->failed) return;
    size_t length = t->n - begin;
    for (size_t i = 0; i < LENGTH_SIZE; ++i, length >>= 7)
        t->p[begin - LENGTH_SIZE + i] = (char)((length & 0x7f) | (i + 1 < LENGTH_SIZE ? 0x80 : 0));
}

static sinter_status check_slim(walk *w)
{
    const sn_wire *wire = w->wire;
    if (wire->slim.failed || wire->loose.failed) return sn_no_memory(w->err, "reading a model");
    if (wire->slim.n > SN_MAX_STRUCTURE_BYTES)
        return sn_fail(w->err, SINTER_TOO_LARGE, "the model without its tensors has more than %zu bytes",
                       SN_MAX_STRUCTURE_BYTES);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- fields */

static sinter_status fail_at(walk *w, const ProtobufCMessageDescriptor *d, const field *f, const char *what)
{
    return sn_fail(w->err, SINTER_INVALID_MODEL, "byte %zu: field %u%s%s%s of %s: %s", f->start, f->number,
                   f->known ? " (" : "", f->known ? f->known->name : "", f->known ? ")" : "", d->short_name, what);
}

/* Where a field's content ends; 0 when it does not fit before `end`. */
static size_t content_end(const uint8_t *bytes, field *f, size_t end)
{
    uint64_t value;
    size_t left = end - f->content, n = 0;
    switch (f->wire_type) {
    case WIRE_VARINT: n = sn_varint_read(bytes + f->content, left, &value); break;
    case WIRE_64BIT: n = 8; break;
    case WIRE_32BIT: n = 4; break;
    case WIRE_LENGTH:
        n = sn_varint_read(bytes + f->content, left, &value);
        if (n == 0 || value > left - n) return 0;
        f->content += n;
        return f->content + (size_t)value;
    }
    return n == 0 || n > left ? 0 : f->content + n;
}

static sinter_status read_field(walk *w, const ProtobufCMessageDescriptor *d, size_t at, size_t end, field *f)
{
    const uint8_t *bytes = w->wire->bytes;
    uint64_t tag;
    size_t n = sn_varint_read(bytes + at, end - at, &tag);
    *f = (field){.start = at, .content = at + n};
    if (n == 0 || tag > UINT32_MAX || tag >> 3 == 0)
        return sn_fail(w->err, SINTER_INVALID_MODEL,
                       "byte %zu: no field of %s begins here: this is not ONNX, or damaged", at, d->short_name);
    f->number = (uint32_t)(tag >> 3);
    f->wire_type = (uint32_t)(tag & 7);
    f->known = protobuf_c_message_descriptor_get_field(d, f->number);
    if (f->wire_type == 3 || f->wire_type == 4 || f->wire_type > 5)
        return fail_at(w, d, f, "a wire type that ONNX does not use");
    f->end = content_end(bytes, f, end);
    if (f->end == 0) return fail_at(w, d, f, "runs beyond the end of the message: the file is cut off or damaged");
    return SINTER_OK;
}

static uint32_t scalar_wire_type(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_FLOAT: return WIRE_32BIT;
    case PROTOBUF_C_TYPE_DOUBLE: return WIRE_64BIT;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE: return WIRE_LENGTH;
    default: return WIRE_VARINT;
    }
}

static bool is_repeated_number(const ProtobufCFieldDescriptor *known)
{
    return known->label == PROTOBUF_C_LABEL_REPEATED && scalar_wire_type(known->type) != WIRE_LENGTH;
}

static bool is_payload(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *known)
{
    if (d != &onnx__tensor_proto__descriptor || strcmp(known->name, "dims") == 0) return false;
    return is_repeated_number(known) || strcmp(known->name, "raw_data") == 0;
}

/* Appends the elements of a run of equal fields that begins with *f; *f becomes the last of them. */
static sinter_status gather_run(walk *w, const ProtobufCMessageDescriptor *d, field *f, size_t end, sn_text *to)
{
    for (;;) {
        put(to, w->wire->bytes + f->content, f->end - f->content);
        field next;
        if (f->end == end) return SINTER_OK;
        SN_TRY(read_field(w, d, f->end, end, &next));
        if (next.number != f->number || next.wire_type != f->wire_type) return SINTER_OK;
        *f = next;
    }
}

static sinter_status add_span(walk *w, sn_wire_span span)
{
    sn_wire *wire = w->wire;
    if (span.size == 0) return SINTER_OK;
    if (!SN_GROW(wire->spans, wire->spans_capacity, wire->n_spans)) return sn_no_memory(w->err, "reading a model");
    wire->spans[wire->n_spans++] = span;
    return SINTER_OK;
}

static sinter_status take_payload(walk *w, const ProtobufCMessageDescriptor *d, field *f, size_t end)
{
    if (f->wire_type == WIRE_LENGTH)
        return add_span(w, (sn_wire_span){f->number, false, f->content, f->end - f->content});
    size_t start = w->wire->loose.n;
    SN_TRY(gather_run(w, d, f, end, &w->wire->loose));
    return add_span(w, (sn_wire_span){f->number, true, start, w->wire->loose.n - start});
}

static sinter_status pack_run(walk *w, const ProtobufCMessageDescriptor *d, field *f, size_t end)
{
    sn_text *slim = &w->wire->slim;
    put_tag(slim, f->number, WIRE_LENGTH);
    size_t begin = begin_length(slim);
    SN_TRY(gather_run(w, d, f, end, slim));
    end_length(slim, begin);
    return SINTER_OK;
}

static void copy_field(walk *w, const field *f)
{
    sn_text *slim = &w->wire->slim;
    put_tag(slim, f->number, f->wire_type);
    if (f->wire_type == WIRE_LENGTH) put_varint(slim, f->end - f->content);
    put(slim, w->wire->bytes + f->content, f->end - f->content);
}

/* ---------------------------------------------------------------------------------------------------- messages */

static sinter_status walk_message(walk *w, const ProtobufCMessageDescriptor *d, size_t at, size_t end, int depth);

static sinter_status walk_nested(walk *w, const ProtobufCMessageDescriptor *d, const field *f, int depth)
{
    sn_text *slim = &w->wire->slim;
    if (depth == SN_MAX_MESSAGE_DEPTH) return fail_at(w, d, f, "messages are nested too deeply (the limit is 64)");
    put_tag(slim, f->number, WIRE_LENGTH);
    size_t begin = begin_length(slim);
    SN_TRY(walk_message(w, f->known->descriptor, f->content, f->end, depth + 1));
    end_length(slim, begin);
    return check_slim(w);
}

static sinter_status walk_field(walk *w, const ProtobufCMessageDescriptor *d, field *f, size_t end, int depth)
{
    const ProtobufCFieldDescriptor *known = f->known;
    if (!known) {
        copy_field(w, f);
        return SINTER_OK;
    }
    uint32_t expected = scalar_wire_type(known->type);
    bool packed = is_repeated_number(known) && f->wire_type == WIRE_LENGTH;
    if (f->wire_type != expected && !packed) return fail_at(w, d, f, "has the wire type of another kind of field");
    if (is_payload(d, known)) return take_payload(w, d, f, end);
    if (known->type == PROTOBUF_C_TYPE_MESSAGE) return walk_nested(w, d, f, depth);
    if (is_repeated_number(known) && !packed) return pack_run(w, d, f, end);
    if (known->type == PROTOBUF_C_TYPE_STRING && memchr(w->wire->bytes + f->content, 0, f->end - f->content))
        return fail_at(w, d, f, "a string holds a NUL character");
    copy_field(w, f);
    return SINTER_OK;
}

/* Gives a TensorProto its number. The spans that follow are its own: no TensorProto is inside another. */
static sinter_status begin_tensor(walk *w)
{
    sn_wire *wire = w->wire;
    if (!SN_GROW(wire->payloads, wire->payloads_capacity, wire->n_payloads))
        return sn_no_memory(w->err, "reading a model");
    put_tag(&wire->slim, REFERENCE_FIELD, WIRE_VARINT);
    put_varint(&wire->slim, wire->n_payloads);
    wire->payloads[wire->n_payloads++] = (sn_wire_payload){.first = wire->n_spans};
    return SINTER_OK;
}

/* Protobuf merges a message that comes twice; nobody writes that, and it is where a reader's time and memory explode.
 */
static bool is_second(const ProtobufCMessageDescriptor *d, const field *f, uint64_t *seen)
{
    if (!f->known || f->known->label == PROTOBUF_C_LABEL_REPEATED || scalar_wire_type(f->known->type) != WIRE_LENGTH)
        return false;
    uint64_t bit = UINT64_C(1) << (f->known - d->fields);
    bool second = *seen & bit;
    *seen |= bit;
    return second;
}

static sinter_status walk_message(walk *w, const ProtobufCMessageDescriptor *d, size_t at, size_t end, int depth)
{
    bool is_tensor = d == &onnx__tensor_proto__descriptor;
    size_t payload = w->wire->n_payloads;
    uint64_t seen = 0;
    if (is_tensor) SN_TRY(begin_tensor(w));
    while (at < end) {
        field f;
        SN_TRY(read_field(w, d, at, end, &f));
        if (is_second(d, &f, &seen)) return fail_at(w, d, &f, "is given twice");
        SN_TRY(walk_field(w, d, &f, end, depth));
        at = f.end;
    }
    if (is_tensor) w->wire->payloads[payload].count = w->wire->n_spans - w->wire->payloads[payload].first;
    return check_slim(w);
}

/* ---------------------------------------------------------------------------------------------------- unpacking */

static void *budgeted_alloc(void *data, size_t size)
{
    sn_wire *wire = data;
    if (size > wire->budget || wire->unpacked.total > wire->budget - size) {
        wire->failure = SINTER_TOO_LARGE;
        return NULL;
    }
    void *p = sn_arena_alloc(&wire->unpacked, size);
    if (!p) wire->failure = SINTER_NO_MEMORY;
    return p;
}

static void free_nothing(void *data, void *pointer)
{
    (void)data;
    (void)pointer;
}

static sinter_status unpack(sn_wire *wire, const ProtobufCMessageDescriptor *root, ProtobufCMessage **message,
                            sinter_error *err)
{
    ProtobufCAllocator allocator = {budgeted_alloc, free_nothing, wire};
    wire->structure = wire->slim.n < wire->size ? wire->slim.n : wire->size; /* padding is not the file's */
    wire->budget = SN_UNPACK_FLOOR + SN_UNPACK_FACTOR * wire->structure;
    static const uint8_t nothing[1];
    const uint8_t *bytes = wire->slim.p ? (const uint8_t *)wire->slim.p : nothing;
    *message = protobuf_c_message_unpack(root, &allocator, wire->slim.n, bytes);
    if (*message) return SINTER_OK;
    if (wire->failure == SINTER_NO_MEMORY) return sn_no_memory(err, "reading a model");
    if (wire->failure == SINTER_TOO_LARGE)
        return sn_fail(
            err, SINTER_TOO_LARGE,
            "%s: unpacking its %zu bytes of structure needs more than %zu bytes of memory: too many tiny fields",
            root->short_name, wire->structure, wire->budget);
    return sn_fail(err, SINTER_INVALID_MODEL, "%s: a field cannot be decoded", root->short_name);
}

sinter_status sn_wire_read(sn_wire *wire, const void *bytes, size_t size, const ProtobufCMessageDescriptor *root,
                           ProtobufCMessage **message, sinter_error *err)
{
    *wire = (sn_wire){.bytes = bytes, .size = size};
    walk w = {wire, err};
    SN_TRY(walk_message(&w, root, 0, size, 1));
    return unpack(wire, root, message, err);
}

void sn_wire_free(sn_wire *wire)
{
    sn_text_free(&wire->slim);
    sn_text_free(&wire->loose);
    sn_free(wire->spans);
    sn_free(wire->payloads);
    sn_arena_free(&wire->unpacked);
    *wire = (sn_wire){0};
}

/* ---------------------------------------------------------------------------------------------------- afterwards */

const sn_wire_span *sn_wire_spans(const sn_wire *wire, const ProtobufCMessage *tensor, size_t *count)
{
    uint64_t index = 0;
    const ProtobufCMessageUnknownField *own = tensor->unknown_fields;
    sn_varint_read(own->data, own->len, &index);
    const sn_wire_payload *payload = &wire->payloads[index];
    *count = payload->count;
    return payload->count ? wire->spans + payload->first : NULL;
}

sn_str sn_wire_extra(sn_arena *arena, const ProtobufCMessage *message)
{
    size_t first = message->descriptor == &onnx__tensor_proto__descriptor, size = 0;
    uint8_t tag[SN_VARINT_SIZE];
    if (message->n_unknown_fields <= first) return SN_STR("");
    for (size_t i = first; i < message->n_unknown_fields; ++i) size += SN_VARINT_SIZE + message->unknown_fields[i].len;
    char *p = sn_arena_alloc(arena, size + 1);
    if (!p) return (sn_str){NULL, 0};
    size_t n = 0;
    for (size_t i = first; i < message->n_unknown_fields; ++i) {
        const ProtobufCMessageUnknownField *f = &message->unknown_fields[i];
        size_t tag_size = sn_varint_write(tag, (uint64_t)f->tag << 3 | (uint64_t)f->wire_type);
        memcpy(p + n, tag, tag_size);
        memcpy(p + n + tag_size, f->data, f->len); /* a length-prefixed field's data begins with its length */
        n += tag_size + f->len;
    }
    return (sn_str){p, n};
}
