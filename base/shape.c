#include "base/shape.h"

#include "base/size.h"
#include <stdio.h>

sn_shape sn_shape_of(int rank, const int64_t *dims)
{
    if (rank < 0 || rank > SN_MAX_RANK) return SN_SHAPE_UNKNOWN;
    sn_shape s = {.rank = rank};
    if (rank > 0) memcpy(s.dims, dims, (size_t)rank * sizeof *dims);
    return s;
}

bool sn_shape_is_static(const sn_shape *s)
{
    if (s->rank < 0) return false;
    for (int i = 0; i < s->rank; ++i)
        if (!sn_dim_is_number(s->dims[i])) return false;
    return true;
}

bool sn_shape_eq(const sn_shape *a, const sn_shape *b)
{
    if (a->rank < 0 || a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; ++i)
        if (a->dims[i] != b->dims[i] || a->dims[i] == SN_DIM_UNKNOWN) return false;
    return true;
}

/* Also bounds the product of the dimensions that are not zero, so that strides and partial products of a shape that
 * passed never overflow. */
bool sn_shape_count(const sn_shape *s, size_t *count)
{
    size_t product = 1;
    bool empty = false;
    if (!sn_shape_is_static(s)) return false;
    for (int i = 0; i < s->rank; ++i) {
        int64_t d = s->dims[i];
        if (d < 0) return false;
        if (d == 0)
            empty = true;
        else if (!sn_size_mul(product, (size_t)d, &product) || product > SN_MAX_TENSOR_BYTES)
            return false;
    }
    *count = empty ? 0 : product;
    return true;
}

int64_t sn_shape_product(const sn_shape *s, int from, int to)
{
    int64_t product = 1;
    for (int i = from; i < to; ++i) product *= s->dims[i];
    return product;
}

bool sn_shape_broadcast(const sn_shape *a, const sn_shape *b, sn_shape *out)
{
    if (a->rank < 0 || b->rank < 0) return false;
    sn_shape result = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 1; i <= result.rank; ++i) { /* from the innermost dimension outwards */
        int64_t da = i <= a->rank ? a->dims[a->rank - i] : 1;
        int64_t db = i <= b->rank ? b->dims[b->rank - i] : 1;
        if (da != db && da != 1 && db != 1) return false;
        result.dims[result.rank - i] = da == 1 ? db : da;
    }
    *out = result;
    return true;
}

const char *sn_shape_text(const sn_shape *s, const sn_str *symbols, char *buffer, size_t size)
{
    if (size == 0) return buffer;
    if (s->rank <= 0) {
        snprintf(buffer, size, "%s", s->rank < 0 ? "?" : "scalar");
        return buffer;
    }
    size_t used = 0;
    for (int i = 0; i < s->rank && used < size; ++i) {
        const char *separator = i ? "x" : "";
        int64_t d = s->dims[i];
        int n;
        if (sn_dim_is_number(d))
            n = snprintf(buffer + used, size - used, "%s%lld", separator, (long long)d);
        else if (sn_dim_is_symbol(d) && symbols)
            n = snprintf(buffer + used, size - used, "%s%.*s", separator, SN_STR_ARG(symbols[sn_dim_symbol_index(d)]));
        else
            n = snprintf(buffer + used, size - used, "%s?", separator);
        if (n < 0) break;
        used += (size_t)n;
    }
    return buffer;
}

bool sn_axis_normalize(int64_t axis, int rank, int *out)
{
    if (axis < -(int64_t)rank || axis >= rank) return false;
    *out = (int)(axis < 0 ? axis + rank : axis);
    return true;
}
