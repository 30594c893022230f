/* See movement.h. memcpy of a constant size compiles to one move, and is free of aliasing and alignment rules. */
#include "ops/movement.h"

#define TILE 16 /* elements per side: 16 rows of one cache line each, for 4-byte elements */

#define BY_SIZE(X)                                                                                                     \
    switch (element) {                                                                                                 \
    case 1: X(1); break;                                                                                               \
    case 2: X(2); break;                                                                                               \
    case 4: X(4); break;                                                                                               \
    case 8: X(8); break;                                                                                               \
    default: X(16);                                                                                                    \
    }

void sn_row_major_strides(const sn_shape *shape, ptrdiff_t *strides)
{
    ptrdiff_t stride = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= (ptrdiff_t)shape->dims[i];
    }
}

void sn_copy_elements(size_t element, void *dst, const void *src, ptrdiff_t step, size_t n)
{
    char *d = dst;
    const char *s = src;
    if (step == 1) {
        memcpy(d, s, n * element);
        return;
    }
#define COPY(size)                                                                                                     \
    for (size_t i = 0; i < n; i++) memcpy(d + i * (size), s + (ptrdiff_t)i * step * (size), (size))
    BY_SIZE(COPY)
#undef COPY
}

static void remove_dim(sn_copy *c, int at)
{
    c->rank--;
    for (int i = at; i < c->rank; i++) {
        c->dims[i] = c->dims[i + 1];
        c->dst[i] = c->dst[i + 1];
        c->src[i] = c->src[i + 1];
    }
}

static void swap_dims(sn_copy *c, int a, int b)
{
    sn_copy t = *c;
    c->dims[a] = t.dims[b], c->dst[a] = t.dst[b], c->src[a] = t.src[b];
    c->dims[b] = t.dims[a], c->dst[b] = t.dst[a], c->src[b] = t.src[a];
}

/* False when there is nothing to copy. */
static bool merge_dims(sn_copy *c)
{
    for (int i = c->rank - 1; i >= 0; i--) {
        if (c->dims[i] == 0) return false;
        if (c->dims[i] == 1) remove_dim(c, i);
    }
    for (int i = c->rank - 2; i >= 0; i--) {
        ptrdiff_t inner = (ptrdiff_t)c->dims[i + 1];
        if (c->dst[i] != c->dst[i + 1] * inner || c->src[i] != c->src[i + 1] * inner) continue;
        c->dims[i + 1] *= c->dims[i];
        remove_dim(c, i);
    }
    if (c->rank == 0) *c = (sn_copy){.rank = 1, .dims = {1}, .dst = {1}, .src = {1}};
    return true;
}

/* dst[i][j] = src[j][i] in small squares, so that neither side strides through memory. */
static void transpose_plane(size_t element, char *dst, const char *src, size_t rows, size_t columns, ptrdiff_t dst_row,
                            ptrdiff_t src_column)
{
#define SQUARE(size)                                                                                                   \
    for (size_t i = 0; i < height; i++)                                                                                \
        for (size_t j = 0; j < width; j++)                                                                             \
    memcpy(d + ((ptrdiff_t)i * dst_row + (ptrdiff_t)j) * (size),                                                       \
           s + ((ptrdiff_t)j * src_column + (ptrdiff_t)i) * (size), (size))
    for (size_t top = 0; top < rows; top += TILE) {
        for (size_t left = 0; left < columns; left += TILE) {
            size_t height = rows - top < TILE ? rows - top : TILE;
            size_t width = columns - left < TILE ? columns - left : TILE;
            char *d = dst + ((ptrdiff_t)top * dst_row + (ptrdiff_t)left) * (ptrdiff_t)element;
            const char *s = src + ((ptrdiff_t)left * src_column + (ptrdiff_t)top) * (ptrdiff_t)element;
            BY_SIZE(SQUARE)
        }
    }
#undef SQUARE
}

/* Copies the innermost `inner` dimensions at the given place. */
static void copy_inner(const sn_copy *c, int inner, size_t element, char *dst, const char *src)
{
    int last = c->rank - 1;
    if (inner == 2) {
        transpose_plane(element, dst, src, c->dims[last - 1], c->dims[last], c->dst[last - 1], c->src[last]);
    } else if (c->dst[last] == 1) {
        sn_copy_elements(element, dst, src, c->src[last], c->dims[last]);
    } else {
        for (size_t i = 0; i < c->dims[last]; i++)
            memcpy(dst + (ptrdiff_t)i * c->dst[last] * (ptrdiff_t)element,
                   src + (ptrdiff_t)i * c->src[last] * (ptrdiff_t)element, element);
    }
}

/* 2 when the innermost dimension of the destination and that of the source differ (moved to be the last two), else 1.
 */
static int choose_inner(sn_copy *c)
{
    int last = c->rank - 1;
    if (c->dst[last] != 1 || c->src[last] == 1) return 1;
    for (int i = last - 1; i >= 0; i--) {
        if (c->src[i] != 1 || c->dims[i] < 4) continue;
        for (int k = i; k + 1 < last; k++) swap_dims(c, k, k + 1);
        return 2;
    }
    return 1;
}

void sn_copy_run(sn_copy *c, size_t element, void *dst, const void *src)
{
    if (!merge_dims(c)) return;
    int outer = c->rank - choose_inner(c), inner = c->rank - outer;
    size_t index[SN_MAX_RANK] = {0};
    ptrdiff_t size = (ptrdiff_t)element;
    char *d = dst;
    const char *s = src;
    for (;;) {
        copy_inner(c, inner, element, d, s);
        int i = outer - 1;
        for (; i >= 0; i--) {
            d += c->dst[i] * size;
            s += c->src[i] * size;
            if (++index[i] < c->dims[i]) break;
            d -= c->dst[i] * (ptrdiff_t)c->dims[i] * size;
            s -= c->src[i] * (ptrdiff_t)c->dims[i] * size;
            index[i] = 0;
        }
        if (i < 0) return;
    }
}

/* The longest stretch of a map that is consecutive in the source: copied as a block. */
typedef struct stretch {
    size_t from, to;
} stretch;

static stretch longest_stretch(const int64_t *map, size_t n)
{
    stretch best = {0, 0};
    for (size_t i = 0; i < n;) {
        size_t from = i++;
        if (map[from] < 0) continue;
        while (i < n && map[i] == map[i - 1] + 1) i++;
        if (i - from > best.to - best.from) best = (stretch){from, i};
    }
    return best;
}

static void gather_row(const int64_t *map, size_t n, stretch block, size_t element, char *dst, const char *src,
                       const char *fill)
{
#define ELEMENTS(size)                                                                                                 \
    for (size_t i = 0; i < n; i++) {                                                                                   \
        if (i == block.from) i = block.to;                                                                             \
        if (i >= n) break;                                                                                             \
        memcpy(dst + i * (size), map[i] < 0 ? fill : src + map[i] * (size), (size));                                   \
    }
    size_t length = block.to - block.from;
    if (length < 4)
        block = (stretch){n, n};
    else
        memcpy(dst + block.from * element, src + (size_t)map[block.from] * element, length * element);
    BY_SIZE(ELEMENTS)
#undef ELEMENTS
}

void sn_gather_maps(const sn_shape *in, const sn_shape *out, const int64_t *const *maps, size_t element, void *dst,
                    const void *src, const void *fill)
{
    if (out->rank == 0) {
        memcpy(dst, src, element);
        return;
    }
    int last = out->rank - 1;
    size_t n = (size_t)out->dims[last], rows = 1, index[SN_MAX_RANK] = {0};
    for (int i = 0; i < last; i++) rows *= (size_t)out->dims[i];
    if (n == 0) return;
    ptrdiff_t strides[SN_MAX_RANK] = {0};
    sn_row_major_strides(in, strides);
    stretch block = longest_stretch(maps[last], n);
    char *d = dst;
    for (size_t row = 0; row < rows; row++, d += n * element) {
        ptrdiff_t offset = 0;
        bool filled = false;
        for (int i = 0; i < last; i++) {
            int64_t at = maps[i][index[i]];
            filled |= at < 0;
            offset += (ptrdiff_t)at * strides[i];
        }
        if (filled)
            sn_copy_elements(element, d, fill, 0, n);
        else
            gather_row(maps[last], n, block, element, d, (const char *)src + offset * (ptrdiff_t)element, fill);
        for (int i = last - 1; i >= 0 && ++index[i] == (size_t)out->dims[i]; i--) index[i] = 0;
    }
}
