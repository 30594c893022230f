/*
 * The walk over the protobuf wire format that comes before protobuf-c, which by itself recurses without limit, cuts
 * strings at a NUL and copies every payload.
 *
 * The result is a slim copy without tensor payloads, safe for protobuf-c. Every TensorProto in it begins with a field
 * of our own, its number among `payloads`; since the walk puts it first, it is always the first unknown field that
 * protobuf-c reports for a tensor, and nothing in a file can pass for it.
 */
#ifndef SN_PARSER_WIRE_H
#define SN_PARSER_WIRE_H

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"
#include <protobuf-c/protobuf-c.h>

/* Consecutive bytes of one payload field of one tensor. */
typedef struct sn_wire_span {
    uint32_t field; /* number in TensorProto: raw_data, float_data ... */
    bool loose;     /* in sn_wire.loose: elements that were written one by one; else in the file */
    size_t offset, size;
} sn_wire_span;

/* The non-empty spans of one TensorProto, in the file's order. */
typedef struct sn_wire_payload {
    size_t first, count; /* in sn_wire.spans */
} sn_wire_payload;

typedef struct sn_wire {
    const uint8_t *bytes; /* the file; borrowed */
    size_t size;
    sn_text slim, loose;
    sn_wire_span *spans;
    size_t n_spans, spans_capacity;
    sn_wire_payload *payloads;
    size_t n_payloads, payloads_capacity;
    size_t structure;      /* bytes of the file that are no payloads */
    sn_arena unpacked;     /* what protobuf-c made of `slim` */
    size_t budget;         /* of `unpacked` */
    sinter_status failure; /* of the allocator, which can tell protobuf-c only that it failed */
} sn_wire;

/* Walks over `bytes`, which hold one message of type `root`, and unpacks the slim copy. *message lives in *wire, which
 * the caller frees with sn_wire_free, also after a failure. */
SINTER_CHECK sinter_status sn_wire_read(sn_wire *wire, const void *bytes, size_t size,
                                        const ProtobufCMessageDescriptor *root, ProtobufCMessage **message,
                                        sinter_error *err);
void sn_wire_free(sn_wire *wire);

/* The spans of an unpacked TensorProto. */
const sn_wire_span *sn_wire_spans(const sn_wire *wire, const ProtobufCMessage *tensor, size_t *count);
static inline const uint8_t *sn_wire_span_bytes(const sn_wire *wire, const sn_wire_span *span)
{
    return (span->loose ? (const uint8_t *)wire->loose.p : wire->bytes) + span->offset;
}

/* Reads a varint from at most `size` bytes; returns the bytes used, 0 when it does not end in time. */
size_t sn_varint_read(const uint8_t *bytes, size_t size, uint64_t *out);
#define SN_VARINT_SIZE 10
size_t sn_varint_write(uint8_t *bytes, uint64_t value);

/* The unknown fields of a message as wire bytes (without the walk's own); .p is NULL when memory is out. */
sn_str sn_wire_extra(sn_arena *arena, const ProtobufCMessage *message);

#endif
