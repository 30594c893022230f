/* Serialized ONNX values in files: the input_0.pb and output_0.pb of the ONNX backend tests. */
#ifndef SN_IO_PB_H
#define SN_IO_PB_H

#include "base/status.h"

#define SN_PB_LIMIT ((size_t)1 << 31) /* protobuf's own */

/* `kind` says what the file holds: a TensorProto, SequenceProto or OptionalProto. Errors name the file. */
SINTER_CHECK sinter_status sn_pb_load(const char *path, sinter_kind kind, sinter_value **out, sinter_error *err);
SINTER_CHECK sinter_status sn_pb_save(const char *path, const char *name, const sinter_value *tensor,
                                      sinter_error *err);

#endif
