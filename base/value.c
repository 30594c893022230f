#include "base/value.h"

#include "base/alloc.h"
#include "base/size.h"

#define MAX_NESTING 64 /* of containers: what the parser lets in, and more than any operator makes */

/* What data points to when a caller's empty tensor comes without memory. */
static const _Alignas(SN_ALIGNMENT) char no_elements[SN_ALIGNMENT];

/* ---------------------------------------------------------------------------------------------------- tensors */

sinter_status sn_tensor_extent(sinter_dtype dtype, const sn_shape *shape, size_t *count, size_t *size,
                               sinter_error *err)
{
    char text[SN_SHAPE_TEXT];
    if (!sn_dtype_valid(dtype)) return sn_fail(err, SINTER_INVALID_ARGUMENT, "element type %d is unknown", (int)dtype);
    if (!sn_shape_is_static(shape))
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "a tensor needs a shape of numbers, found %s",
                       sn_shape_text(shape, NULL, text, sizeof text));
    for (int i = 0; i < shape->rank; ++i)
        if (shape->dims[i] < 0)
            return sn_fail(err, SINTER_INVALID_ARGUMENT, "dimension %d is negative: %lld", i,
                           (long long)shape->dims[i]);
    size_t n, bytes;
    if (!sn_shape_count(shape, &n) || !sn_size_mul(n, sn_dtypes[dtype].size, &bytes) || bytes > SN_MAX_TENSOR_BYTES)
        return sn_fail(err, SINTER_TOO_LARGE, "a tensor %s[%s] exceeds the limit of %zu bytes", sn_dtypes[dtype].name,
                       sn_shape_text(shape, NULL, text, sizeof text), SN_MAX_TENSOR_BYTES);
    *count = n;
    *size = bytes;
    return SINTER_OK;
}

static void init_tensor(sinter_value *v, sinter_dtype dtype, const sn_shape *shape, size_t count, size_t size,
                        void *data)
{
    memset(v, 0, sizeof *v);
    atomic_init(&v->references, 1);
    v->kind = SINTER_KIND_TENSOR;
    v->dtype = dtype;
    v->shape = *shape;
    v->count = count;
    v->size = size;
    v->data = data ? data : (void *)(uintptr_t)no_elements;
}

static sinter_status new_tensor(sinter_dtype dtype, const sn_shape *shape, void *data, sinter_value **out,
                                sinter_error *err)
{
    size_t count, size;
    SN_TRY(sn_tensor_extent(dtype, shape, &count, &size, err));
    sinter_value *v = sn_malloc(sizeof *v);
    if (!v) return sn_no_memory(err, "creating a tensor");
    init_tensor(v, dtype, shape, count, size, data);
    *out = v;
    return SINTER_OK;
}

static sinter_status create_tensor(sinter_dtype dtype, const sn_shape *shape, bool zero, sinter_value **out,
                                   sinter_error *err)
{
    sinter_value *v;
    SN_TRY(new_tensor(dtype, shape, NULL, &v, err));
    v->block = sn_block_create(v->size, zero || dtype == SINTER_STRING);
    if (!v->block) {
        char text[SN_SHAPE_TEXT];
        sinter_value_release(v);
        return sn_fail(err, SINTER_NO_MEMORY, "out of memory while creating a tensor %s[%s]", sn_dtypes[dtype].name,
                       sn_shape_text(shape, NULL, text, sizeof text));
    }
    v->data = sn_block_data(v->block);
    *out = v;
    return SINTER_OK;
}

sinter_status sn_tensor_create(sinter_dtype dtype, const sn_shape *shape, sinter_value **out, sinter_error *err)
{
    return create_tensor(dtype, shape, false, out, err);
}

sinter_status sn_tensor_from_block(sinter_dtype dtype, const sn_shape *shape, sn_block *block, void *data,
                                   sinter_value **out, sinter_error *err)
{
    SN_TRY(new_tensor(dtype, shape, data, out, err));
    (*out)->block = sn_block_retain(block);
    return SINTER_OK;
}

void sn_value_discard(const sinter_value *v, size_t offset, size_t size)
{
    if (!v->block || atomic_load(&v->references) != 1) return;
    sn_block_discard(v->block, (size_t)((const char *)v->data - (const char *)sn_block_data(v->block)) + offset, size);
}

sinter_status sn_tensor_borrow(sinter_dtype dtype, const sn_shape *shape, void *data, sinter_value **out,
                               sinter_error *err)
{
    return new_tensor(dtype, shape, data, out, err);
}

void sn_tensor_init_borrowed(sinter_value *v, sinter_dtype dtype, const sn_shape *shape, void *data)
{
    size_t count = 0;
    (void)sn_shape_count(shape, &count);
    init_tensor(v, dtype, shape, count, count * sn_dtypes[dtype].size, data);
}

static sinter_status shape_from_caller(int rank, const int64_t *dims, sn_shape *shape, sinter_error *err)
{
    if (rank < 0 || rank > SN_MAX_RANK)
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "rank %d is outside 0..%d", rank, SN_MAX_RANK);
    if (rank > 0 && !dims) return sn_fail(err, SINTER_INVALID_ARGUMENT, "rank %d, but no dimensions", rank);
    for (int i = 0; i < rank; ++i)
        if (dims[i] < 0)
            return sn_fail(err, SINTER_INVALID_ARGUMENT, "dimension %d is negative: %lld", i, (long long)dims[i]);
    *shape = sn_shape_of(rank, dims);
    return SINTER_OK;
}

sinter_status sinter_tensor_create(sinter_dtype dtype, int rank, const int64_t *dims, sinter_value **out,
                                   sinter_error *err)
{
    sn_shape shape;
    SN_TRY(shape_from_caller(rank, dims, &shape, err));
    return create_tensor(dtype, &shape, true, out, err);
}

sinter_status sinter_tensor_wrap(sinter_dtype dtype, int rank, const int64_t *dims, const void *data, size_t size,
                                 sinter_value **out, sinter_error *err)
{
    sn_shape shape;
    size_t count, needed;
    SN_TRY(shape_from_caller(rank, dims, &shape, err));
    SN_TRY(sn_tensor_extent(dtype, &shape, &count, &needed, err));
    if (size != needed || (size > 0 && !data)) {
        char text[SN_SHAPE_TEXT];
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "a tensor %s[%s] needs %zu bytes, found %zu",
                       sn_dtypes[dtype].name, sn_shape_text(&shape, NULL, text, sizeof text), needed, data ? size : 0);
    }
    return new_tensor(dtype, &shape, (void *)(uintptr_t)data, out, err);
}

/* ---------------------------------------------------------------------------------------------------- strings */

/* Copies the strings with all their characters in one new block. */
static sinter_status copy_strings(sinter_string *to, const sinter_string *from, size_t count, sn_block **characters,
                                  sinter_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < count; ++i)
        if (!sn_size_add(total, from[i].size, &total) || total > SN_MAX_TENSOR_BYTES)
            return sn_fail(err, SINTER_TOO_LARGE, "the strings of a tensor exceed the limit of %zu bytes",
                           SN_MAX_TENSOR_BYTES);
    sn_block *block = sn_block_create(total, false);
    if (!block) return sn_no_memory(err, "copying strings");
    char *p = sn_block_data(block);
    for (size_t i = 0; i < count; ++i) {
        size_t size = from[i].size;
        if (size) memcpy(p, from[i].data, size);
        to[i] = (sinter_string){p, size};
        p += size;
    }
    *characters = block;
    return SINTER_OK;
}

sinter_status sn_tensor_copy_into(sinter_value *dst, const sinter_value *src, sinter_error *err)
{
    if (dst->dtype != SINTER_STRING) {
        if (src->size) memmove(dst->data, src->data, src->size);
        return SINTER_OK;
    }
    sn_block *characters;
    SN_TRY(copy_strings(dst->data, src->data, src->count, &characters, err));
    sn_block_release(dst->strings);
    dst->strings = characters;
    return SINTER_OK;
}

sinter_status sinter_tensor_create_strings(int rank, const int64_t *dims, const sinter_string *strings,
                                           sinter_value **out, sinter_error *err)
{
    sinter_value *v;
    SN_TRY(sinter_tensor_create(SINTER_STRING, rank, dims, &v, err));
    sinter_status status = SINTER_OK;
    if (v->count > 0 && !strings)
        status = sn_fail(err, SINTER_INVALID_ARGUMENT, "%zu strings expected, found none", v->count);
    for (size_t i = 0; status == SINTER_OK && i < v->count; ++i)
        if (strings[i].size > 0 && !strings[i].data)
            status = sn_fail(err, SINTER_INVALID_ARGUMENT, "string %zu has a size but no characters", i);
    if (status == SINTER_OK) status = copy_strings(v->data, strings, v->count, &v->strings, err);
    if (status != SINTER_OK) {
        sinter_value_release(v);
        return status;
    }
    *out = v;
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- containers */

static bool is_vector(const sinter_value *v)
{
    return v->kind == SINTER_KIND_TENSOR && v->shape.rank == 1;
}

static sinter_status check_map(sinter_value *const *items, size_t count, sinter_error *err)
{
    if (count != 2) return sn_fail(err, SINTER_INVALID_ARGUMENT, "a map has keys and values, found %zu items", count);
    const sinter_value *keys = items[0], *values = items[1];
    if (!is_vector(keys)) return sn_fail(err, SINTER_INVALID_ARGUMENT, "the keys of a map must be a 1-D tensor");
    if (!is_vector(values) && values->kind != SINTER_KIND_SEQUENCE)
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "the values of a map must be a 1-D tensor or a sequence");
    size_t n_values = values->kind == SINTER_KIND_TENSOR ? values->count : values->n_items;
    if (n_values != keys->count)
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "a map has %zu keys and %zu values", keys->count, n_values);
    return SINTER_OK;
}

static sinter_status check_items(sinter_kind kind, sinter_value *const *items, size_t count, sinter_error *err)
{
    if (kind != SINTER_KIND_SEQUENCE && kind != SINTER_KIND_OPTIONAL && kind != SINTER_KIND_MAP)
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "kind %d is not a container", (int)kind);
    for (size_t i = 0; i < count; ++i)
        if (!items || !items[i]) return sn_fail(err, SINTER_INVALID_ARGUMENT, "item %zu of %zu is missing", i, count);
    if (kind == SINTER_KIND_OPTIONAL && count > 1)
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "an optional holds one value at most, found %zu", count);
    return kind == SINTER_KIND_MAP ? check_map(items, count, err) : SINTER_OK;
}

/* A container with room for `count` items and none in it yet. */
static sinter_value *new_container(sinter_kind kind, size_t count)
{
    sinter_value *v = sn_calloc(1, sizeof *v);
    if (!v) return NULL;
    atomic_init(&v->references, 1);
    v->kind = kind;
    if (count > 0) {
        v->items = sn_calloc(count, sizeof *v->items);
        if (!v->items) {
            sn_free(v);
            return NULL;
        }
    }
    return v;
}

sinter_status sinter_container_create(sinter_kind kind, sinter_value *const *items, size_t count, sinter_value **out,
                                      sinter_error *err)
{
    SN_TRY(check_items(kind, items, count, err));
    sinter_value *v = new_container(kind, count);
    if (!v) return sn_no_memory(err, "creating a container");
    for (; v->n_items < count; ++v->n_items) v->items[v->n_items] = sinter_value_retain(items[v->n_items]);
    *out = v;
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- life */

sinter_value *sinter_value_retain(sinter_value *value)
{
    if (value) atomic_fetch_add_explicit(&value->references, 1, memory_order_relaxed);
    return value;
}

static bool drop_reference(sinter_value *v)
{
    return v && atomic_fetch_sub_explicit(&v->references, 1, memory_order_acq_rel) == 1;
}

/* Frees a tree without recursion: `data`, which a dying value no longer needs, links a value to the one it was in. */
void sinter_value_release(sinter_value *value)
{
    if (!drop_reference(value)) return;
    value->data = NULL;
    while (value) {
        if (value->n_items > 0) {
            sinter_value *item = value->items[--value->n_items];
            if (!drop_reference(item)) continue;
            item->data = value;
            value = item;
        } else {
            sinter_value *holder = value->data;
            sn_block_release(value->block);
            sn_block_release(value->strings);
            sn_free(value->items);
            sn_free(value);
            value = holder;
        }
    }
}

static sinter_status copy_value(const sinter_value *v, int depth, sinter_value **out, sinter_error *err);

static sinter_status copy_container(const sinter_value *v, int depth, sinter_value **out, sinter_error *err)
{
    if (depth >= MAX_NESTING)
        return sn_fail(err, SINTER_TOO_LARGE, "a value is nested more than %d levels deep", MAX_NESTING);
    sinter_value *copy = new_container(v->kind, v->n_items);
    if (!copy) return sn_no_memory(err, "copying a container");
    for (; copy->n_items < v->n_items; ++copy->n_items) {
        sinter_status status = copy_value(v->items[copy->n_items], depth + 1, &copy->items[copy->n_items], err);
        if (status != SINTER_OK) {
            sinter_value_release(copy);
            return status;
        }
    }
    *out = copy;
    return SINTER_OK;
}

static sinter_status copy_tensor(const sinter_value *v, sinter_value **out, sinter_error *err)
{
    sinter_value *copy;
    SN_TRY(sn_tensor_create(v->dtype, &v->shape, &copy, err));
    sinter_status status = sn_tensor_copy_into(copy, v, err);
    if (status != SINTER_OK) {
        sinter_value_release(copy);
        return status;
    }
    *out = copy;
    return SINTER_OK;
}

static sinter_status copy_value(const sinter_value *v, int depth, sinter_value **out, sinter_error *err)
{
    return v->kind == SINTER_KIND_TENSOR ? copy_tensor(v, out, err) : copy_container(v, depth, out, err);
}

sinter_status sn_value_copy(const sinter_value *v, sinter_value **out, sinter_error *err)
{
    return copy_value(v, 0, out, err);
}

/* ---------------------------------------------------------------------------------------------------- readers */

sinter_kind sinter_value_kind(const sinter_value *value)
{
    return value->kind;
}

sinter_dtype sinter_tensor_dtype(const sinter_value *tensor)
{
    return tensor->dtype;
}

int sinter_tensor_rank(const sinter_value *tensor)
{
    return tensor->shape.rank;
}

const int64_t *sinter_tensor_dims(const sinter_value *tensor)
{
    return tensor->shape.dims;
}

size_t sinter_tensor_count(const sinter_value *tensor)
{
    return tensor->count;
}

size_t sinter_tensor_size(const sinter_value *tensor)
{
    return tensor->size;
}

const void *sinter_tensor_data(const sinter_value *tensor)
{
    return tensor->data;
}

void *sinter_tensor_mutable_data(sinter_value *tensor)
{
    return tensor->data;
}

size_t sinter_container_count(const sinter_value *value)
{
    return value->n_items;
}

const sinter_value *sinter_container_item(const sinter_value *value, size_t index)
{
    return index < value->n_items ? value->items[index] : NULL;
}
