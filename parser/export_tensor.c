/* TensorProto, SparseTensorProto and TypeProto. */
#include "parser/export.h"

#include "base/size.h"
#include "parser/tensor_data.h"
#include <inttypes.h>
#include <stdio.h>

#define EXTERNAL_MINIMUM   1024 /* smaller tensors stay in the model */
#define EXTERNAL_ALIGNMENT 4096 /* of offsets: each tensor can be mapped by itself */
#define PACK_CHUNK         4096 /* elements */

/* ---------------------------------------------------------------------------------------------------- elements */

/* Emits elements in raw form to a sink or, when that is NULL, to the writer. */
static void emit(sn_export *x, sn_sink *sink, const void *bytes, size_t size)
{
    if (!sink)
        sn_put_raw(&x->w, bytes, size);
    else if (x->w.status == SINTER_OK)
        x->w.status = sink(x->data_context, bytes, size, x->w.err);
}

static void emit_elements(sn_export *x, sn_sink *sink, const sinter_value *t)
{
    if (sn_dtypes[t->dtype].bits >= 8) {
        emit(x, sink, t->data, t->size);
        return;
    }
    const uint8_t *elements = t->data;
    uint8_t packed[PACK_CHUNK];
    for (size_t i = 0; i < t->count; i += PACK_CHUNK) {
        size_t n = t->count - i < PACK_CHUNK ? t->count - i : PACK_CHUNK;
        emit(x, sink, packed, sn_tensor_pack(t->dtype, elements + i, n, packed));
    }
}

static void put_pair(sn_export *x, uint32_t field, const char *key, const char *value)
{
    sn_mark mark = sn_put_begin(&x->w, field);
    sn_put_text(&x->w, 1, sn_str_of(key));
    sn_put_text(&x->w, 2, sn_str_of(value));
    sn_put_end(&x->w, mark);
}

static void put_number(sn_export *x, const char *key, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    put_pair(x, 13, key, text);
}

static void put_external(sn_export *x, const sinter_value *t)
{
    static const uint8_t padding[EXTERNAL_ALIGNMENT];
    size_t size = sn_tensor_stored_size(t->dtype, t->count);
    uint64_t offset = sn_align_up(x->data_size, EXTERNAL_ALIGNMENT);
    put_pair(x, 13, "location", x->data_name);
    put_number(x, "offset", offset);
    put_number(x, "length", size);
    sn_put_int(&x->w, 14, 1);
    if (!x->w.measuring) {
        emit(x, x->data_sink, padding, (size_t)(offset - x->data_size));
        emit_elements(x, x->data_sink, t);
    }
    x->data_size = offset + size;
}

static void put_strings(sn_export *x, const sinter_value *t)
{
    const sinter_string *strings = t->data;
    for (size_t i = 0; i < t->count; ++i) sn_put_bytes(&x->w, 6, strings[i].data, strings[i].size);
}

static bool goes_outside(const sn_export *x, const sinter_value *t)
{
    return x->data_name && t->dtype != SINTER_STRING && sn_tensor_stored_size(t->dtype, t->count) >= EXTERNAL_MINIMUM;
}

void sn_export_tensor(sn_export *x, const sinter_value *t, sn_str name, const sn_tensor_info *info)
{
    sn_writer *w = &x->w;
    bool outside = goes_outside(x, t);
    for (int i = 0; i < t->shape.rank; ++i) sn_put_int(w, 1, t->shape.dims[i]);
    sn_put_int(w, 2, t->dtype);
    if (t->dtype == SINTER_STRING) put_strings(x, t);
    sn_put_text(w, 8, name);
    if (t->dtype != SINTER_STRING && !outside) {
        sn_put_bytes_head(w, 9, sn_tensor_stored_size(t->dtype, t->count));
        emit_elements(x, NULL, t);
    }
    if (info) sn_put_text(w, 12, info->doc_string);
    if (outside) put_external(x, t);
    if (info) {
        sn_export_pairs(x, 16, &info->metadata);
        sn_put_wire(w, info->extra);
    }
}

void sn_export_sparse(sn_export *x, const sn_sparse *s)
{
    const sn_tensor_info *infos[] = {s->values_info, s->indices_info};
    const sinter_value *tensors[] = {s->values, s->indices};
    for (uint32_t i = 0; i < 2; ++i) {
        sn_mark mark = sn_put_begin(&x->w, i + 1);
        sn_export_tensor(x, tensors[i], infos[i] ? infos[i]->name : SN_STR(""), infos[i]);
        sn_put_end(&x->w, mark);
    }
    for (int i = 0; i < s->dims.rank; ++i) sn_put_int(&x->w, 3, s->dims.dims[i]);
    sn_put_wire(&x->w, s->extra);
}

/* ---------------------------------------------------------------------------------------------------- types */

static void put_dim(sn_export *x, const sn_type *type, int i)
{
    int64_t dim = type->shape.dims[i];
    sn_mark mark = sn_put_begin(&x->w, 1);
    if (sn_dim_is_number(dim))
        sn_put_int(&x->w, 1, dim);
    else if (sn_dim_is_symbol(dim))
        sn_put_text(&x->w, 2, x->m->symbols[sn_dim_symbol_index(dim)]);
    if (type->dim_denotations) sn_put_text(&x->w, 3, type->dim_denotations[i]);
    sn_put_end(&x->w, mark);
}

static void put_shaped(sn_export *x, uint32_t field, const sn_type *type)
{
    sn_mark mark = sn_put_begin(&x->w, field);
    if (type->dtype != SINTER_UNDEFINED) sn_put_int(&x->w, 1, type->dtype);
    if (type->shape.rank >= 0) {
        sn_mark shape = sn_put_begin(&x->w, 2);
        for (int i = 0; i < type->shape.rank; ++i) put_dim(x, type, i);
        sn_put_end(&x->w, shape);
    }
    sn_put_end(&x->w, mark);
}

static void put_container(sn_export *x, uint32_t field, const sn_type *type)
{
    bool is_map = type->kind == SINTER_KIND_MAP;
    sn_mark mark = sn_put_begin(&x->w, field);
    if (is_map && type->dtype != SINTER_UNDEFINED) sn_put_int(&x->w, 1, type->dtype);
    if (type->elem) {
        sn_mark elem = sn_put_begin(&x->w, is_map ? 2 : 1);
        sn_export_type(x, type->elem);
        sn_put_end(&x->w, elem);
    }
    sn_put_end(&x->w, mark);
}

static void put_opaque(sn_export *x, uint32_t field, const sn_type *type)
{
    sn_mark mark = sn_put_begin(&x->w, field);
    sn_put_text(&x->w, 1, type->opaque_domain);
    sn_put_text(&x->w, 2, type->opaque_name);
    sn_put_end(&x->w, mark);
}

static const struct {
    uint32_t field; /* in TypeProto; those above 6 come after the denotation */
    void (*put)(sn_export *x, uint32_t field, const sn_type *type);
} kinds[] = {
    [SINTER_KIND_TENSOR] = {1, put_shaped},      [SINTER_KIND_SEQUENCE] = {4, put_container},
    [SINTER_KIND_OPTIONAL] = {9, put_container}, [SINTER_KIND_MAP] = {5, put_container},
    [SINTER_KIND_SPARSE] = {8, put_shaped},      [SINTER_KIND_OPAQUE] = {7, put_opaque},
    [SINTER_KIND_UNKNOWN] = {0, NULL},
};

void sn_export_type(sn_export *x, const sn_type *type)
{
    uint32_t field = kinds[type->kind].field;
    if (field > 0 && field < 6) kinds[type->kind].put(x, field, type);
    sn_put_text(&x->w, 6, type->denotation);
    if (field > 6) kinds[type->kind].put(x, field, type);
    sn_put_wire(&x->w, type->extra);
}
