/* Lone values in protobuf files: TensorProto, SequenceProto, OptionalProto and MapProto, as test data has them. */
#include "base/alloc.h"
#include "parser/export.h"
#include "parser/import.h"

static sinter_status read_sequence(sn_import *x, const Onnx__SequenceProto *proto, sinter_value **out);
static sinter_status read_map(sn_import *x, const Onnx__MapProto *proto, sinter_value **out);
static sinter_status read_optional(sn_import *x, const Onnx__OptionalProto *proto, sinter_value **out);

static sinter_status read_message(sn_import *x, const ProtobufCMessage *proto, sinter_value **out)
{
    const ProtobufCMessageDescriptor *d = proto->descriptor;
    if (d == &onnx__tensor_proto__descriptor) return sn_import_tensor(x, (const Onnx__TensorProto *)proto, out);
    if (d == &onnx__sequence_proto__descriptor) return read_sequence(x, (const Onnx__SequenceProto *)proto, out);
    if (d == &onnx__map_proto__descriptor) return read_map(x, (const Onnx__MapProto *)proto, out);
    if (d == &onnx__optional_proto__descriptor) return read_optional(x, (const Onnx__OptionalProto *)proto, out);
    return sn_fail(x->err, SINTER_UNSUPPORTED, "sparse tensors are not supported as values");
}

/* Messages of any type as the items of a container. */
static sinter_status read_items(sn_import *x, sinter_kind kind, ProtobufCMessage *const *protos, size_t n,
                                sinter_value **out)
{
    sinter_value **items = sn_calloc(n, sizeof *items);
    if (!items) return sn_no_memory(x->err, "reading a value");
    sinter_status status = SINTER_OK;
    for (size_t i = 0; i < n && status == SINTER_OK; ++i) status = read_message(x, protos[i], &items[i]);
    if (status == SINTER_OK) status = sinter_container_create(kind, items, n, out, x->err);
    for (size_t i = 0; i < n; ++i) sinter_value_release(items[i]);
    sn_free(items);
    return status;
}

static sinter_status read_sequence(sn_import *x, const Onnx__SequenceProto *proto, sinter_value **out)
{
    const struct {
        void *protos;
        size_t n;
    } lists[] = {
        [ONNX__SEQUENCE_PROTO__DATA_TYPE__UNDEFINED] = {NULL, 0},
        [ONNX__SEQUENCE_PROTO__DATA_TYPE__TENSOR] = {proto->tensor_values, proto->n_tensor_values},
        [ONNX__SEQUENCE_PROTO__DATA_TYPE__SPARSE_TENSOR] = {proto->sparse_tensor_values, proto->n_sparse_tensor_values},
        [ONNX__SEQUENCE_PROTO__DATA_TYPE__SEQUENCE] = {proto->sequence_values, proto->n_sequence_values},
        [ONNX__SEQUENCE_PROTO__DATA_TYPE__MAP] = {proto->map_values, proto->n_map_values},
        [ONNX__SEQUENCE_PROTO__DATA_TYPE__OPTIONAL] = {proto->optional_values, proto->n_optional_values},
    };
    int type = proto->elem_type;
    if (type < 0 || type >= (int)(sizeof lists / sizeof *lists))
        return sn_fail(x->err, SINTER_INVALID_INPUT, "SequenceProto: elem_type %d, expected 0 to 5", type);
    return read_items(x, SINTER_KIND_SEQUENCE, lists[type].protos, lists[type].n, out);
}

static sinter_status read_optional(sn_import *x, const Onnx__OptionalProto *proto, sinter_value **out)
{
    void *const values[] = {
        [ONNX__OPTIONAL_PROTO__DATA_TYPE__UNDEFINED] = NULL,
        [ONNX__OPTIONAL_PROTO__DATA_TYPE__TENSOR] = proto->tensor_value,
        [ONNX__OPTIONAL_PROTO__DATA_TYPE__SPARSE_TENSOR] = proto->sparse_tensor_value,
        [ONNX__OPTIONAL_PROTO__DATA_TYPE__SEQUENCE] = proto->sequence_value,
        [ONNX__OPTIONAL_PROTO__DATA_TYPE__MAP] = proto->map_value,
        [ONNX__OPTIONAL_PROTO__DATA_TYPE__OPTIONAL] = proto->optional_value,
    };
    int type = proto->elem_type;
    if (type < 0 || type >= (int)(sizeof values / sizeof *values))
        return sn_fail(x->err, SINTER_INVALID_INPUT, "OptionalProto: elem_type %d, expected 0 to 5", type);
    ProtobufCMessage *item = values[type];
    return read_items(x, SINTER_KIND_OPTIONAL, &item, item ? 1 : 0, out);
}

/* Keys are integers of any width, or strings. */
static sinter_status read_keys(sn_import *x, const Onnx__MapProto *proto, sinter_value **out)
{
    if (proto->key_type == SINTER_STRING) {
        sinter_string *strings = sn_calloc(proto->n_string_keys, sizeof *strings);
        if (!strings) return sn_no_memory(x->err, "reading a value");
        for (size_t i = 0; i < proto->n_string_keys; ++i)
            strings[i] = (sinter_string){(const char *)proto->string_keys[i].data, proto->string_keys[i].len};
        int64_t count = (int64_t)proto->n_string_keys;
        sinter_status status = sinter_tensor_create_strings(1, &count, strings, out, x->err);
        sn_free(strings);
        return status;
    }
    sn_dtype_class klass = sn_dtype_valid(proto->key_type) ? sn_dtypes[proto->key_type].klass : SN_CLASS_NONE;
    if (klass != SN_CLASS_SIGNED && klass != SN_CLASS_UNSIGNED)
        return sn_fail(x->err, SINTER_INVALID_INPUT, "MapProto: key_type %d, expected an integer type or string",
                       (int)proto->key_type);
    int64_t count = (int64_t)proto->n_keys;
    SN_TRY(sinter_tensor_create((sinter_dtype)proto->key_type, 1, &count, out, x->err));
    for (size_t i = 0; i < proto->n_keys; ++i)
        sn_store_int64((sinter_dtype)proto->key_type, (*out)->data, i, proto->keys[i]);
    return SINTER_OK;
}

static sinter_status read_map(sn_import *x, const Onnx__MapProto *proto, sinter_value **out)
{
    sinter_value *items[2] = {NULL, NULL};
    if (!proto->values) return sn_fail(x->err, SINTER_INVALID_INPUT, "MapProto has no values");
    sinter_status status = read_keys(x, proto, &items[0]);
    if (status == SINTER_OK) status = read_sequence(x, proto->values, &items[1]);
    if (status == SINTER_OK) status = sinter_container_create(SINTER_KIND_MAP, items, 2, out, x->err);
    sinter_value_release(items[0]);
    sinter_value_release(items[1]);
    return status;
}

static const ProtobufCMessageDescriptor *descriptor_of(sinter_kind kind)
{
    switch (kind) {
    case SINTER_KIND_TENSOR: return &onnx__tensor_proto__descriptor;
    case SINTER_KIND_SEQUENCE: return &onnx__sequence_proto__descriptor;
    case SINTER_KIND_OPTIONAL: return &onnx__optional_proto__descriptor;
    case SINTER_KIND_MAP: return &onnx__map_proto__descriptor;
    default: return NULL;
    }
}

/* The same code reads models, whose faults have another name. */
static sinter_status as_input_error(sinter_status status, sinter_error *err)
{
    if (status != SINTER_INVALID_MODEL && status != SINTER_INVALID_ARGUMENT) return status;
    if (err) err->code = SINTER_INVALID_INPUT;
    return SINTER_INVALID_INPUT;
}

sinter_status sinter_value_from_proto(sinter_kind kind, const void *bytes, size_t size, sinter_value **out,
                                      sinter_error *err)
{
    sn_wire wire;
    ProtobufCMessage *message = NULL;
    sn_import x = {.wire = &wire, .err = err};
    const ProtobufCMessageDescriptor *root = descriptor_of(kind);
    if (!root) return sn_fail(err, SINTER_INVALID_ARGUMENT, "there is no protobuf message for kind %d", (int)kind);
    sinter_value *value = NULL;
    sinter_status status = sn_wire_read(&wire, bytes, size, root, &message, err);
    if (status == SINTER_OK) status = read_message(&x, message, &value);
    sn_wire_free(&wire);
    if (status != SINTER_OK) return as_input_error(status, err);
    *out = value;
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- writing */

typedef struct tensor_export {
    sn_export x; /* first: put_tensor gets its address */
    const sinter_value *tensor;
    sn_str name;
} tensor_export;

static void put_tensor(sn_export *x)
{
    const tensor_export *t = (const tensor_export *)x;
    sn_export_tensor(x, t->tensor, t->name, NULL);
}

sinter_status sinter_tensor_to_proto(const sinter_value *tensor, const char *name, void **bytes, size_t *size,
                                     sinter_error *err)
{
    if (tensor->kind != SINTER_KIND_TENSOR)
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "only a tensor can be written as a TensorProto");
    tensor_export *t = sn_calloc(1, sizeof *t);
    if (!t) return sn_no_memory(err, "writing a tensor");
    t->tensor = tensor;
    t->name = sn_str_of(name);
    sinter_status status = sn_export_to_memory(&t->x, put_tensor, bytes, size, err);
    sn_writer_free(&t->x.w);
    sn_free(t);
    return status;
}
