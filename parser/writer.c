#include "parser/writer.h"

#include "base/alloc.h"
#include "parser/wire.h"

enum { WIRE_VARINT = 0, WIRE_LENGTH = 2, WIRE_32BIT = 5 };

void sn_writer_measure(sn_writer *w, sinter_error *err)
{
    w->measuring = true;
    w->total = 0;
    w->n_lengths = 0;
    w->status = SINTER_OK;
    w->err = err;
}

void sn_writer_start(sn_writer *w, sn_sink *sink, void *context)
{
    w->measuring = false;
    w->total = 0;
    w->next_length = 0;
    w->sink = sink;
    w->context = context;
    w->buffered = 0;
}

void sn_writer_free(sn_writer *w)
{
    sn_free(w->lengths);
    w->lengths = NULL;
    w->n_lengths = w->lengths_capacity = 0;
}

static void flush(sn_writer *w)
{
    if (w->status == SINTER_OK && w->buffered > 0) w->status = w->sink(w->context, w->buffer, w->buffered, w->err);
    w->buffered = 0;
}

sinter_status sn_writer_finish(sn_writer *w)
{
    if (!w->measuring) flush(w);
    return w->status;
}

void sn_put_raw(sn_writer *w, const void *bytes, size_t size)
{
    w->total += size;
    if (w->measuring || w->status != SINTER_OK || size == 0) return;
    if (size > SN_WRITER_BUFFER - w->buffered) flush(w);
    if (size > SN_WRITER_BUFFER) {
        if (w->status == SINTER_OK) w->status = w->sink(w->context, bytes, size, w->err);
        return;
    }
    memcpy(w->buffer + w->buffered, bytes, size);
    w->buffered += size;
}

static void put_varint(sn_writer *w, uint64_t value)
{
    uint8_t bytes[SN_VARINT_SIZE];
    sn_put_raw(w, bytes, sn_varint_write(bytes, value));
}

static void put_tag(sn_writer *w, uint32_t field, uint32_t wire_type)
{
    put_varint(w, (uint64_t)field << 3 | wire_type);
}

void sn_put_int(sn_writer *w, uint32_t field, int64_t value)
{
    put_tag(w, field, WIRE_VARINT);
    put_varint(w, (uint64_t)value);
}

void sn_put_float(sn_writer *w, uint32_t field, float value)
{
    put_tag(w, field, WIRE_32BIT);
    sn_put_raw(w, &value, sizeof value);
}

void sn_put_bytes_head(sn_writer *w, uint32_t field, uint64_t size)
{
    put_tag(w, field, WIRE_LENGTH);
    put_varint(w, size);
}

void sn_put_bytes(sn_writer *w, uint32_t field, const void *bytes, size_t size)
{
    sn_put_bytes_head(w, field, size);
    sn_put_raw(w, bytes, size);
}

void sn_put_text(sn_writer *w, uint32_t field, sn_str text)
{
    if (text.n > 0) sn_put_bytes(w, field, text.p, text.n);
}

void sn_put_wire(sn_writer *w, sn_str fields)
{
    sn_put_raw(w, fields.p, fields.n);
}

static size_t note_length(sn_writer *w)
{
    if (!SN_GROW(w->lengths, w->lengths_capacity, w->n_lengths)) {
        if (w->status == SINTER_OK) w->status = sn_no_memory(w->err, "writing a model");
        return 0;
    }
    w->lengths[w->n_lengths] = 0;
    return w->n_lengths++;
}

sn_mark sn_put_begin(sn_writer *w, uint32_t field)
{
    sn_mark mark = {0};
    put_tag(w, field, WIRE_LENGTH);
    if (w->measuring)
        mark.index = note_length(w);
    else
        put_varint(w, w->next_length < w->n_lengths ? w->lengths[w->next_length++] : 0);
    mark.start = w->total;
    return mark;
}

void sn_put_end(sn_writer *w, sn_mark mark)
{
    if (!w->measuring || w->status != SINTER_OK) return;
    uint64_t length = w->total - mark.start;
    w->lengths[mark.index] = length;
    put_varint(w, length);
}
