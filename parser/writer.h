/*
 * Writing the protobuf wire format without ever holding it in memory. A message's length comes before its content, so
 * everything is written twice by the same code: the first time only sizes are summed up and the length of every message
 * is noted; the second time the bytes go out, payloads straight from where they lie.
 *
 * Errors stick: after the first one calls do nothing. Check `status` at the end.
 */
#ifndef SN_PARSER_WRITER_H
#define SN_PARSER_WRITER_H

#include "base/status.h"
#include "base/str.h"

/* Where the bytes go. */
typedef sinter_status sn_sink(void *context, const void *bytes, size_t size, sinter_error *err);

#define SN_WRITER_BUFFER 16384

typedef struct sn_writer {
    bool measuring;
    uint64_t total;    /* bytes so far */
    uint64_t *lengths; /* of the messages, in order of their beginnings */
    size_t n_lengths, lengths_capacity, next_length;
    sn_sink *sink;
    void *context;
    sinter_status status;
    sinter_error *err;
    size_t buffered;
    uint8_t buffer[SN_WRITER_BUFFER];
} sn_writer;

/* A message that is being written. */
typedef struct sn_mark {
    size_t index;
    uint64_t start;
} sn_mark;

/* First measure, then write to a sink; the same calls must follow both. */
void sn_writer_measure(sn_writer *w, sinter_error *err);
void sn_writer_start(sn_writer *w, sn_sink *sink, void *context);
/* Sends what is still buffered; returns the status of the whole. */
SINTER_CHECK sinter_status sn_writer_finish(sn_writer *w);
void sn_writer_free(sn_writer *w);

void sn_put_int(sn_writer *w, uint32_t field, int64_t value);
void sn_put_float(sn_writer *w, uint32_t field, float value);
void sn_put_bytes(sn_writer *w, uint32_t field, const void *bytes, size_t size);
void sn_put_text(sn_writer *w, uint32_t field, sn_str text); /* nothing when empty */
void sn_put_wire(sn_writer *w, sn_str fields);               /* serialized fields, verbatim */
sn_mark sn_put_begin(sn_writer *w, uint32_t field);
void sn_put_end(sn_writer *w, sn_mark mark);

/* A bytes field in pieces: its head, then exactly `size` bytes. */
void sn_put_bytes_head(sn_writer *w, uint32_t field, uint64_t size);
void sn_put_raw(sn_writer *w, const void *bytes, size_t size);

#endif
