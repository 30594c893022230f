/* Between the encodings of tensor elements in files and those in memory. */
#ifndef SN_PARSER_TENSOR_DATA_H
#define SN_PARSER_TENSOR_DATA_H

#include "base/value.h"
#include "parser/wire.h"

/* A tensor whose sizes are checked. */
typedef struct sn_tensor_spec {
    sinter_dtype dtype;
    sn_shape shape;
    size_t count;  /* elements */
    size_t stored; /* bytes in raw form, 4- and 2-bit types packed */
} sn_tensor_spec;

/* Elements in raw form. */
typedef struct sn_raw {
    const uint8_t *bytes;
    size_t size;
    const char *where; /* for messages */
    sn_block *file;    /* bytes are at `offset` of this block and may stay there; NULL: they are copied */
    size_t offset;
} sn_raw;

SINTER_CHECK sinter_status sn_tensor_spec_init(sn_tensor_spec *spec, sinter_dtype dtype, const sn_shape *shape,
                                               sinter_error *err);
/* Large, well-aligned elements become a slice of raw->file, others a heap block. */
SINTER_CHECK sinter_status sn_tensor_from_raw(const sn_tensor_spec *spec, const sn_raw *raw, sinter_value **out,
                                              sinter_error *err);
/* From the payload fields of a TensorProto. `file` holds wire->bytes, or is NULL. */
SINTER_CHECK sinter_status sn_tensor_from_spans(const sn_tensor_spec *spec, const sn_wire *wire,
                                                const sn_wire_span *spans, size_t n, sn_block *file, sinter_value **out,
                                                sinter_error *err);

/* Packs elements [first, first + n) of a 4- or 2-bit type; `first` begins a byte. Returns the bytes written. */
size_t sn_tensor_pack(sinter_dtype dtype, const uint8_t *elements, size_t n, uint8_t *out);
size_t sn_tensor_stored_size(sinter_dtype dtype, size_t count);

#endif
