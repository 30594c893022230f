/*
 * Shapes. A dimension is a number >= 0, unknown, or a symbol of the model ("batch"). The same encoding serves the
 * elements of known integer tensors during shape inference (ops/op.h), where -1 is an ordinary value: so unknown and
 * symbols sit at the very bottom of the int64 range.
 */
#ifndef SN_BASE_SHAPE_H
#define SN_BASE_SHAPE_H

#include "base/status.h"
#include "base/str.h"
#include <sinter.h>

#define SN_MAX_RANK          SINTER_MAX_RANK
#define SN_DIM_UNKNOWN       INT64_MIN
#define SN_DIM_SYMBOL(index) (INT64_MIN + 1 + (int64_t)(index)) /* index: uint32_t into the model's symbols */

static inline bool sn_dim_is_symbol(int64_t d)
{
    return d > INT64_MIN && d <= INT64_MIN + 1 + (int64_t)UINT32_MAX;
}
static inline uint32_t sn_dim_symbol_index(int64_t d)
{
    return (uint32_t)(d - (INT64_MIN + 1));
}
/* A plain number (of a dimension or of a known element, which may be negative)? */
static inline bool sn_dim_is_number(int64_t d)
{
    return d > INT64_MIN + 1 + (int64_t)UINT32_MAX;
}

typedef struct sn_shape {
    int32_t rank; /* -1: unknown */
    int64_t dims[SN_MAX_RANK];
} sn_shape;

#define SN_SHAPE_UNKNOWN ((sn_shape){.rank = -1})

sn_shape sn_shape_of(int rank, const int64_t *dims);
bool sn_shape_is_static(const sn_shape *s);             /* rank and every dimension are numbers */
bool sn_shape_eq(const sn_shape *a, const sn_shape *b); /* the same, symbols by identity, unknown != unknown */
/* Number of elements; false when not static, negative, or too large. */
bool sn_shape_count(const sn_shape *s, size_t *count);
/* For shapes known to be static and checked: the product of dims [from, to). */
int64_t sn_shape_product(const sn_shape *s, int from, int to);
/* numpy broadcasting of static shapes (ONNX docs/Broadcasting.md); false when they do not fit. */
bool sn_shape_broadcast(const sn_shape *a, const sn_shape *b, sn_shape *out);
/* "2x3x?"; "scalar" for rank 0, "?" for unknown rank. Symbols print as their name if `symbols` is given, else "?".
 * Writes at most `size` bytes and returns `buffer`. */
const char *sn_shape_text(const sn_shape *s, const sn_str *symbols, char *buffer, size_t size);
/* Room for any shape's text of ordinary symbol names. */
#define SN_SHAPE_TEXT 256

/* Maps axis in [-rank, rank) to [0, rank); false when outside. */
bool sn_axis_normalize(int64_t axis, int rank, int *out);

#endif
