/* TensorProto and SparseTensorProto: where the elements are, and whether they are as many as the dimensions say. */
#include "parser/import.h"

#include "base/alloc.h"
#include "base/size.h"
#include "parser/tensor_data.h"

static sinter_status import_dims(sn_import *x, const int64_t *dims, size_t n, sn_shape *out)
{
    if (n > SN_MAX_RANK) return sn_fail(x->err, SINTER_UNSUPPORTED, "%zu dimensions, the limit is %d", n, SN_MAX_RANK);
    for (size_t i = 0; i < n; ++i)
        if (dims[i] < 0)
            return sn_fail(x->err, SINTER_INVALID_MODEL, "dimension %zu is negative: %lld", i, (long long)dims[i]);
    *out = sn_shape_of((int)n, dims);
    return SINTER_OK;
}

static sinter_status check_header(sn_import *x, const Onnx__TensorProto *proto)
{
    if (!sn_dtype_valid(proto->data_type))
        return sn_fail(x->err, SINTER_INVALID_MODEL, "data_type %d, expected a TensorProto.DataType from 1 to %d",
                       (int)proto->data_type, SINTER_DTYPE_COUNT - 1);
    if (proto->segment)
        return sn_fail(x->err, SINTER_INVALID_MODEL, "is only a segment of a tensor, expected a whole one");
    int location = (int)proto->data_location;
    if (location != ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT &&
        location != ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        return sn_fail(x->err, SINTER_INVALID_MODEL, "data_location %d, expected 0 or 1", location);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- external data */

static sinter_status parse_size(sn_import *x, const char *key, const char *text, size_t *out)
{
    size_t value = 0;
    for (const char *p = text; *p; ++p)
        if (*p < '0' || *p > '9' || !sn_size_mul(value, 10, &value) || !sn_size_add(value, (size_t)(*p - '0'), &value))
            return sn_fail(x->err, SINTER_INVALID_MODEL, "external data: %s '%.40s', expected a number of bytes", key,
                           text);
    *out = value;
    return SINTER_OK;
}

/* *length is SIZE_MAX when the file does not say. */
static sinter_status read_location(sn_import *x, const Onnx__TensorProto *proto, const char **location, size_t *offset,
                                   size_t *length)
{
    *location = "";
    *offset = 0;
    *length = SIZE_MAX;
    for (size_t i = 0; i < proto->n_external_data; ++i) {
        sn_str key = sn_str_of(proto->external_data[i]->key);
        const char *value = proto->external_data[i]->value ? proto->external_data[i]->value : "";
        if (sn_str_is(key, "location"))
            *location = value;
        else if (sn_str_is(key, "offset"))
            SN_TRY(parse_size(x, "offset", value, offset));
        else if (sn_str_is(key, "length"))
            SN_TRY(parse_size(x, "length", value, length));
    }
    return SINTER_OK;
}

static sinter_status import_external(sn_import *x, const Onnx__TensorProto *proto, const sn_tensor_spec *spec,
                                     sinter_value **out)
{
    const char *location;
    size_t offset, length, n_spans;
    sn_block *file = NULL;
    if (spec->dtype == SINTER_STRING) return sn_fail(x->err, SINTER_INVALID_MODEL, "strings cannot be external data");
    sn_wire_spans(x->wire, &proto->base, &n_spans);
    if (n_spans) return sn_fail(x->err, SINTER_INVALID_MODEL, "has elements both in the model and in external data");
    SN_TRY(read_location(x, proto, &location, &offset, &length));
    SN_TRY(sn_external_open(&x->external, location, &file, x->err));
    size_t size = sn_block_size(file);
    if (length == SIZE_MAX) length = spec->stored;
    if (offset > size || length > size - offset)
        return sn_fail(x->err, SINTER_INVALID_MODEL, "external data: %zu bytes at %zu, but '%s' has %zu bytes", length,
                       offset, location, size);
    sn_raw raw = {(const uint8_t *)sn_block_data(file) + offset, length, location, file, offset};
    return sn_tensor_from_raw(spec, &raw, out, x->err);
}

/* ---------------------------------------------------------------------------------------------------- tensors */

static sinter_status import_strings(sn_import *x, const Onnx__TensorProto *proto, const sn_tensor_spec *spec,
                                    sinter_value **out)
{
    if (proto->n_string_data != spec->count)
        return sn_fail(x->err, SINTER_INVALID_MODEL, "its dimensions ask for %zu strings, found %zu in string_data",
                       spec->count, proto->n_string_data);
    sinter_string *strings = sn_calloc(spec->count ? spec->count : 1, sizeof *strings);
    if (!strings) return sn_no_memory(x->err, "reading a tensor");
    for (size_t i = 0; i < spec->count; ++i)
        strings[i] = (sinter_string){(const char *)proto->string_data[i].data, proto->string_data[i].len};
    sinter_status status = sinter_tensor_create_strings(spec->shape.rank, spec->shape.dims, strings, out, x->err);
    sn_free(strings);
    return status;
}

static sinter_status import_content(sn_import *x, const Onnx__TensorProto *proto, sinter_value **out)
{
    sn_shape shape;
    sn_tensor_spec spec;
    SN_TRY(check_header(x, proto));
    SN_TRY(import_dims(x, proto->dims, proto->n_dims, &shape));
    SN_TRY(sn_tensor_spec_init(&spec, (sinter_dtype)proto->data_type, &shape, x->err));
    if (proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        return import_external(x, proto, &spec, out);
    if (spec.dtype == SINTER_STRING) return import_strings(x, proto, &spec, out);
    size_t n;
    const sn_wire_span *spans = sn_wire_spans(x->wire, &proto->base, &n);
    return sn_tensor_from_spans(&spec, x->wire, spans, n, x->file, out, x->err);
}

sinter_status sn_import_tensor(sn_import *x, const Onnx__TensorProto *proto, sinter_value **out)
{
    sinter_status status = import_content(x, proto, out);
    if (status == SINTER_OK) return SINTER_OK;
    return sn_context(x->err, status, "tensor '%.200s'", proto->name ? proto->name : "");
}

sinter_status sn_import_tensor_info(sn_import *x, const Onnx__TensorProto *proto, bool with_name,
                                    const sn_tensor_info **out)
{
    sn_tensor_info info = {.name = SN_STR("")};
    *out = NULL;
    if (with_name) SN_TRY(sn_import_str(x, proto->name, &info.name));
    SN_TRY(sn_import_str(x, proto->doc_string, &info.doc_string));
    SN_TRY(sn_import_pairs(x, proto->metadata_props, proto->n_metadata_props, &info.metadata));
    SN_TRY(sn_import_extra(x, &proto->base, &info.extra));
    if (info.name.n + info.doc_string.n + info.metadata.count + info.extra.n == 0) return SINTER_OK;
    *out = sn_arena_copy(&x->m->arena, &info, sizeof info);
    return *out ? SINTER_OK : sn_import_no_memory(x);
}

/* ---------------------------------------------------------------------------------------------------- sparse tensors
 */

/* Whoever makes a sparse tensor dense writes where the indices say. */
static sinter_status check_indices(sn_import *x, const sn_sparse *s)
{
    const sn_shape *shape = &s->indices->shape;
    size_t nnz = s->values->count, total;
    if (!sn_shape_count(&s->dims, &total))
        return sn_fail(x->err, SINTER_TOO_LARGE, "the dense tensor would be too large");
    bool linear = shape->rank == 1, valid = s->indices->dtype == SINTER_INT64 && s->values->shape.rank == 1;
    valid = valid && (linear || (shape->rank == 2 && shape->dims[1] == s->dims.rank));
    if (!valid || (size_t)shape->dims[0] != nnz)
        return sn_fail(x->err, SINTER_INVALID_MODEL, "expected values [n] and int64 indices [n] or [n, rank]");
    const int64_t *indices = s->indices->data;
    for (size_t i = 0; i < s->indices->count; ++i) {
        int64_t limit = linear ? (int64_t)total : s->dims.dims[i % (size_t)s->dims.rank];
        if (indices[i] < 0 || indices[i] >= limit)
            return sn_fail(x->err, SINTER_INVALID_MODEL, "index %lld at %zu, expected 0 to %lld", (long long)indices[i],
                           i, (long long)limit - 1);
    }
    return SINTER_OK;
}

sinter_status sn_import_sparse(sn_import *x, const Onnx__SparseTensorProto *proto, sn_sparse *out)
{
    *out = (sn_sparse){.extra = SN_STR("")};
    if (!proto->values || !proto->indices)
        return sn_fail(x->err, SINTER_INVALID_MODEL, "a sparse tensor needs values and indices");
    const char *name = proto->values->name ? proto->values->name : "";
    sinter_status status = import_dims(x, proto->dims, proto->n_dims, &out->dims);
    if (status != SINTER_OK) return sn_context(x->err, status, "sparse tensor '%.200s'", name);
    SN_TRY(sn_import_tensor(x, proto->values, &out->values));
    SN_TRY(sn_import_tensor(x, proto->indices, &out->indices));
    SN_TRY(sn_import_tensor_info(x, proto->values, true, &out->values_info));
    SN_TRY(sn_import_tensor_info(x, proto->indices, true, &out->indices_info));
    SN_TRY(sn_import_extra(x, &proto->base, &out->extra));
    status = check_indices(x, out);
    return status == SINTER_OK ? SINTER_OK : sn_context(x->err, status, "sparse tensor '%.200s'", name);
}

void sn_sparse_release(sn_sparse *sparse)
{
    sinter_value_release(sparse->values);
    sinter_value_release(sparse->indices);
    sparse->values = sparse->indices = NULL;
}
