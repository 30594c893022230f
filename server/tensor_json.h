/* Tensors as JSON: reading data whose type and shape are known, writing flat (v2) and nested (v1) data. */
#ifndef SN_SERVER_TENSOR_JSON_H
#define SN_SERVER_TENSOR_JSON_H

#include "server/json_document.h"

/* A tensor of the given type and shape from `data`, an array of numbers (a slice) or of strings, nested or flat. `name`
 * is the input's, for messages. INVALID_INPUT when the number of elements, or one element, does not fit. */
SINTER_CHECK sinter_status sn_tensor_from_json(const sn_json_document *d, const cJSON *data, const char *name,
                                               sinter_dtype dtype, int rank, const int64_t *dims, sinter_value **out,
                                               sinter_error *err);

/* The shape of nested `data`; a bare scalar has rank 0. INVALID_INPUT when it is not rectangular. */
SINTER_CHECK sinter_status sn_json_data_shape(const sn_json_document *d, const cJSON *data, const char *name, int *rank,
                                              int64_t *dims, sinter_error *err);

/* Fills elements [at, at + n) of a tensor from the scalars of `data` in order; exactly n of them. */
SINTER_CHECK sinter_status sn_tensor_fill_json(const sn_json_document *d, const cJSON *data, const char *name,
                                               sinter_value *tensor, size_t at, size_t n, sinter_error *err);

/* Elements [from, from + n) as a flat list without brackets. What JSON cannot say (NaN, infinities) is null. */
void sn_tensor_write_flat(const sinter_value *tensor, size_t from, size_t n, sn_text *out);
/* Dimensions [axis, rank) of the tensor starting at element `from`, nested. A scalar is written bare. */
void sn_tensor_write_nested(const sinter_value *tensor, int axis, size_t from, sn_text *out);

/* A JSON string with its quotes. Bytes that are not UTF-8 are written as U+FFFD. */
void sn_json_write_string(const char *bytes, size_t n, sn_text *out);

#endif
