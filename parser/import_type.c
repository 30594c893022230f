/* TypeProto: a tree whose depth the wire walk has bounded. */
#include "parser/import.h"

static sinter_status import_dtype(sn_import *x, const char *field, int32_t number, sinter_dtype *out)
{
    if (number < 0 || number >= SINTER_DTYPE_COUNT)
        return sn_fail(x->err, SINTER_INVALID_MODEL, "%s %d, expected a TensorProto.DataType from 0 to %d", field,
                       (int)number, SINTER_DTYPE_COUNT - 1);
    *out = (sinter_dtype)number;
    return SINTER_OK;
}

static sinter_status import_dim(sn_import *x, const Onnx__TensorShapeProto__Dimension *proto, size_t i, int64_t *out)
{
    *out = SN_DIM_UNKNOWN;
    if (proto->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE) {
        /* -1 is how several exporters say "unknown". */
        if (proto->dim_value < -1)
            return sn_fail(x->err, SINTER_INVALID_MODEL, "dimension %zu is negative: %lld", i,
                           (long long)proto->dim_value);
        if (proto->dim_value >= 0) *out = proto->dim_value;
    } else if (proto->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM && proto->dim_param[0]) {
        uint32_t symbol = sn_symbol(x->m, sn_str_of(proto->dim_param));
        if (symbol == UINT32_MAX) return sn_import_no_memory(x);
        *out = SN_DIM_SYMBOL(symbol);
    }
    return SINTER_OK;
}

static sinter_status import_denotations(sn_import *x, const Onnx__TensorShapeProto *proto, const sn_str **out)
{
    bool any = false;
    for (size_t i = 0; i < proto->n_dim; ++i) any |= proto->dim[i]->denotation && proto->dim[i]->denotation[0];
    if (!any) return SINTER_OK;
    sn_str *names = SN_ARENA_ARRAY(&x->m->arena, sn_str, proto->n_dim);
    if (!names) return sn_import_no_memory(x);
    for (size_t i = 0; i < proto->n_dim; ++i) SN_TRY(sn_import_str(x, proto->dim[i]->denotation, &names[i]));
    *out = names;
    return SINTER_OK;
}

static sinter_status import_shape(sn_import *x, const Onnx__TensorShapeProto *proto, sn_type *out)
{
    out->shape = SN_SHAPE_UNKNOWN;
    if (!proto) return SINTER_OK;
    if (proto->n_dim > SN_MAX_RANK)
        return sn_fail(x->err, SINTER_UNSUPPORTED, "%zu dimensions, the limit is %d", proto->n_dim, SN_MAX_RANK);
    for (size_t i = 0; i < proto->n_dim; ++i) SN_TRY(import_dim(x, proto->dim[i], i, &out->shape.dims[i]));
    out->shape.rank = (int32_t)proto->n_dim;
    return import_denotations(x, proto, &out->dim_denotations);
}

static sinter_status import_elem(sn_import *x, const Onnx__TypeProto *proto, const sn_type **out)
{
    if (!proto) return SINTER_OK;
    sn_type *elem = SN_ARENA_NEW(&x->m->arena, sn_type);
    if (!elem) return sn_import_no_memory(x);
    *out = elem;
    return sn_import_type(x, proto, elem);
}

static sinter_status import_tensor_type(sn_import *x, const Onnx__TypeProto *proto, sn_type *out)
{
    out->kind = SINTER_KIND_TENSOR;
    SN_TRY(import_dtype(x, "elem_type", proto->tensor_type->elem_type, &out->dtype));
    return import_shape(x, proto->tensor_type->shape, out);
}

static sinter_status import_sparse_type(sn_import *x, const Onnx__TypeProto *proto, sn_type *out)
{
    out->kind = SINTER_KIND_SPARSE;
    SN_TRY(import_dtype(x, "elem_type", proto->sparse_tensor_type->elem_type, &out->dtype));
    return import_shape(x, proto->sparse_tensor_type->shape, out);
}

static sinter_status import_sequence_type(sn_import *x, const Onnx__TypeProto *proto, sn_type *out)
{
    out->kind = SINTER_KIND_SEQUENCE;
    return import_elem(x, proto->sequence_type->elem_type, &out->elem);
}

static sinter_status import_optional_type(sn_import *x, const Onnx__TypeProto *proto, sn_type *out)
{
    out->kind = SINTER_KIND_OPTIONAL;
    return import_elem(x, proto->optional_type->elem_type, &out->elem);
}

static sinter_status import_map_type(sn_import *x, const Onnx__TypeProto *proto, sn_type *out)
{
    out->kind = SINTER_KIND_MAP;
    SN_TRY(import_dtype(x, "key_type", proto->map_type->key_type, &out->dtype));
    return import_elem(x, proto->map_type->value_type, &out->elem);
}

static sinter_status import_opaque_type(sn_import *x, const Onnx__TypeProto *proto, sn_type *out)
{
    out->kind = SINTER_KIND_OPAQUE;
    SN_TRY(sn_import_str(x, proto->opaque_type->domain, &out->opaque_domain));
    return sn_import_str(x, proto->opaque_type->name, &out->opaque_name);
}

static sinter_status import_unknown_type(sn_import *x, const Onnx__TypeProto *proto, sn_type *out)
{
    (void)x;
    (void)proto;
    (void)out;
    return SINTER_OK;
}

/* Indexed by the number of the field that is set. */
static sinter_status (*const importers[])(sn_import *x, const Onnx__TypeProto *proto, sn_type *out) = {
    [ONNX__TYPE_PROTO__VALUE__NOT_SET] = import_unknown_type,
    [ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE] = import_tensor_type,
    [ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE] = import_sequence_type,
    [ONNX__TYPE_PROTO__VALUE_MAP_TYPE] = import_map_type,
    [ONNX__TYPE_PROTO__VALUE_OPAQUE_TYPE] = import_opaque_type,
    [ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE] = import_sparse_type,
    [ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE] = import_optional_type,
};

sinter_status sn_import_type(sn_import *x, const Onnx__TypeProto *proto, sn_type *out)
{
    *out = SN_TYPE_UNKNOWN;
    out->opaque_domain = out->opaque_name = SN_STR("");
    SN_TRY(sn_import_str(x, proto->denotation, &out->denotation));
    SN_TRY(sn_import_extra(x, &proto->base, &out->extra));
    return importers[proto->value_case](x, proto, out);
}
