/*
 * Taking the weights out of the model's file. A session outlives the file: it may be replaced or truncated, and a
 * mapping of it would then kill the process. Payloads are copied piece by piece and each piece's pages are given back
 * at once, so that the weights are in memory about once, never twice.
 */
#include "runtime/session.h"

#include "base/size.h"
#include "graph/edit.h"

#define PIECE ((size_t)4 << 20)

static bool is_aligned(const sinter_value *v)
{
    size_t size = sinter_dtype_size(v->dtype);
    return size < 2 || (uintptr_t)v->data % (size < 8 ? size : 8) == 0;
}

/* Strings' characters are not payloads that the parser leaves in the file. */
static bool must_move(const sinter_value *v)
{
    if (v->kind != SINTER_KIND_TENSOR || !v->block || v->dtype == SINTER_STRING) return false;
    return sn_block_is_file(v->block) || !is_aligned(v);
}

static void copy_and_discard(const sinter_value *v, char *target)
{
    for (size_t done = 0; done < v->size; done += PIECE) {
        size_t n = v->size - done < PIECE ? v->size - done : PIECE;
        memcpy(target + done, (const char *)v->data + done, n);
        sn_value_discard(v, done, n);
    }
}

static sinter_status moved(const sinter_value *v, sinter_value **out, sinter_error *err)
{
    sn_block *block = sn_block_create(v->size, false);
    if (!block) return sn_no_memory(err, "taking the weights out of the model's file");
    copy_and_discard(v, sn_block_data(block));
    sinter_status status = sn_tensor_from_block(v->dtype, &v->shape, block, sn_block_data(block), out, err);
    sn_block_release(block);
    return status;
}

/* ---------------------------------------------------------------------------------------------------- sparse */

/* Linear position of entry `i` in the dense tensor; false when it lies outside. */
static bool dense_position(const sn_sparse *s, size_t i, size_t count, size_t *out)
{
    const sinter_value *indices = s->indices;
    if (indices->shape.rank == 1) {
        int64_t at = sn_tensor_int(indices, i);
        *out = (size_t)at;
        return at >= 0 && (uint64_t)at < count;
    }
    size_t at = 0, rank = (size_t)s->dims.rank;
    for (size_t k = 0; k < rank; k++) {
        int64_t index = sn_tensor_int(indices, i * rank + k);
        if (index < 0 || index >= s->dims.dims[k]) return false;
        at = at * (size_t)s->dims.dims[k] + (size_t)index;
    }
    *out = at;
    return true;
}

static bool is_well_formed(const sn_sparse *s)
{
    if (!s->values || !s->indices || s->values->kind != SINTER_KIND_TENSOR || s->values->dtype == SINTER_STRING)
        return false;
    if (s->indices->dtype != SINTER_INT64 || s->indices->shape.rank < 1 || s->indices->shape.rank > 2) return false;
    size_t per_entry = s->indices->shape.rank == 1 ? 1 : (size_t)s->dims.rank, expected;
    return sn_size_mul(s->values->count, per_entry, &expected) && s->indices->count == expected;
}

static sinter_status densify(const sn_model *m, sn_value_id id, sinter_value **out, sinter_error *err)
{
    const sn_sparse *s = m->values[id].sparse;
    sn_str name = m->values[id].name;
    if (!is_well_formed(s)) {
        return sn_fail(err, SINTER_INVALID_MODEL, "sparse initializer '%.*s': values and indices do not fit",
                       SN_STR_ARG(name));
    }
    size_t count, size, element = sinter_dtype_size(s->values->dtype);
    SN_TRY(sn_tensor_extent(s->values->dtype, &s->dims, &count, &size, err));
    SN_TRY(sn_tensor_create(s->values->dtype, &s->dims, out, err));
    memset((*out)->data, 0, size);
    for (size_t i = 0; i < s->values->count; i++) {
        size_t at;
        if (!dense_position(s, i, count, &at)) {
            sinter_value_release(*out);
            return sn_fail(err, SINTER_INVALID_MODEL, "sparse initializer '%.*s': index %zu lies outside of the tensor",
                           SN_STR_ARG(name), i);
        }
        memcpy((char *)(*out)->data + at * element, (const char *)s->values->data + i * element, element);
    }
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- the model */

static sinter_status materialize_value(sn_model *m, sn_value_id id, sinter_error *err)
{
    const sn_value *v = &m->values[id];
    sinter_value *tensor;
    if (v->constant && must_move(v->constant)) {
        SN_TRY(moved(v->constant, &tensor, err));
        sn_replace_initializer(m, id, tensor);
    } else if (v->sparse) {
        SN_TRY(densify(m, id, &tensor, err));
        if (!sn_set_initializer(m, id, tensor)) return sn_no_memory(err, "making sparse initializers dense");
    }
    return SINTER_OK;
}

static sinter_status materialize_in_place(sinter_value **tensor, sinter_error *err)
{
    if (!*tensor || !must_move(*tensor)) return SINTER_OK;
    sinter_value *copy;
    SN_TRY(moved(*tensor, &copy, err));
    sinter_value_release(*tensor);
    *tensor = copy;
    return SINTER_OK;
}

static sinter_status materialize_attr(sn_attr *a, sinter_error *err)
{
    if (a->type == SN_ATTR_TENSOR) SN_TRY(materialize_in_place(&a->tensor, err));
    for (size_t i = 0; a->type == SN_ATTR_TENSORS && i < a->count; i++) {
        SN_TRY(materialize_in_place(&a->tensors[i], err));
    }
    bool sparse = a->type == SN_ATTR_SPARSE_TENSOR || a->type == SN_ATTR_SPARSE_TENSORS;
    for (size_t i = 0; sparse && i < a->count; i++) {
        SN_TRY(materialize_in_place(&a->sparse[i].values, err));
        SN_TRY(materialize_in_place(&a->sparse[i].indices, err));
    }
    return SINTER_OK;
}

sinter_status sn_materialize_attributes(sn_model *m, sinter_error *err)
{
    for (sn_node_id id = 0; id < m->n_nodes; id++) {
        const sn_node *node = &m->nodes[id];
        for (size_t i = 0; !node->dead && i < node->n_attrs; i++) SN_TRY(materialize_attr(&node->attrs[i], err));
    }
    return SINTER_OK;
}

sinter_status sn_materialize_initializers(sn_model *m, sinter_error *err)
{
    for (sn_value_id id = 0; id < m->n_values; id++) {
        if (!m->values[id].dead) SN_TRY(materialize_value(m, id, err));
    }
    return SINTER_OK;
}
