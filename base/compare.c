/* How two values differ. Everything that tests, verifies or checks a result goes through this one function. */
#include "base/value.h"

#include <math.h>
#include <stdio.h>

#define MAX_NESTING 64

typedef struct comparison {
    sinter_difference *d;
    double rtol, atol;
    size_t path[MAX_NESTING]; /* item indices that lead to the tensor at hand */
    int depth;
} comparison;

/* Where we are, for messages: "item 2: item 0: " */
static size_t write_path(const comparison *c, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < c->depth && used < size; ++i)
        used += (size_t)snprintf(text + used, size - used, "item %zu: ", c->path[i]);
    return used < size ? used : size - 1;
}

__attribute__((format(printf, 2, 3))) static void not_comparable(comparison *c, const char *format, ...)
{
    if (!c->d->comparable) return;
    c->d->comparable = false;
    size_t used = write_path(c, c->d->text, sizeof c->d->text);
    va_list args;
    va_start(args, format);
    vsnprintf(c->d->text + used, sizeof c->d->text - used, format, args);
    va_end(args);
}

/* "element [1, 0, 3]: " behind the path; returns where the values go. */
static size_t write_place(const comparison *c, const sinter_value *t, size_t index)
{
    char *text = c->d->text;
    size_t size = sizeof c->d->text, used = write_path(c, text, size);
    int64_t place[SN_MAX_RANK];
    for (int i = t->shape.rank; i-- > 0;) {
        place[i] = (int64_t)(index % (size_t)t->shape.dims[i]);
        index /= (size_t)t->shape.dims[i];
    }
    for (int i = 0; i < t->shape.rank && used < size; ++i)
        used += (size_t)snprintf(text + used, size - used, "%s%lld%s", i ? ", " : "element [", (long long)place[i],
                                 i == t->shape.rank - 1 ? "]: " : "");
    return used < size ? used : size - 1;
}

/* Counts a mismatch; the first one gets the text. */
__attribute__((format(printf, 4, 5))) static void mismatch(comparison *c, const sinter_value *t, size_t index,
                                                           const char *format, ...)
{
    if (c->d->mismatches++ > 0) return;
    size_t used = write_place(c, t, index);
    va_list args;
    va_start(args, format);
    vsnprintf(c->d->text + used, sizeof c->d->text - used, format, args);
    va_end(args);
}

static void measure(comparison *c, double difference, double b)
{
    if (difference > c->d->max_abs) c->d->max_abs = difference;
    if (b != 0 && difference / fabs(b) > c->d->max_rel) c->d->max_rel = difference / fabs(b);
}

static bool reals_agree(comparison *c, double a, double b)
{
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    if (isinf(a) || isinf(b)) return a == b;
    double difference = fabs(a - b);
    measure(c, difference, b);
    return difference <= c->atol + c->rtol * fabs(b);
}

static void compare_floats(comparison *c, const sinter_value *a, const sinter_value *b)
{
    for (size_t i = 0; i < a->count; ++i) {
        double x = sn_load_double(a->dtype, a->data, i), y = sn_load_double(b->dtype, b->data, i);
        if (!reals_agree(c, x, y)) mismatch(c, a, i, "%.9g against %.9g", x, y);
    }
}

static void compare_complex(comparison *c, const sinter_value *a, const sinter_value *b)
{
    sinter_dtype part = a->dtype == SINTER_COMPLEX64 ? SINTER_FLOAT : SINTER_DOUBLE;
    for (size_t i = 0; i < a->count; ++i) {
        double x[2], y[2];
        bool agree = true;
        for (size_t k = 0; k < 2; ++k) {
            x[k] = sn_load_double(part, a->data, 2 * i + k);
            y[k] = sn_load_double(part, b->data, 2 * i + k);
            agree &= reals_agree(c, x[k], y[k]);
        }
        if (!agree) mismatch(c, a, i, "%.9g%+.9gi against %.9g%+.9gi", x[0], x[1], y[0], y[1]);
    }
}

static void compare_integers(comparison *c, const sinter_value *a, const sinter_value *b)
{
    for (size_t i = 0; i < a->count; ++i) {
        int64_t x = sn_load_int64(a->dtype, a->data, i), y = sn_load_int64(b->dtype, b->data, i);
        if (x == y) continue;
        measure(c, fabs((double)x - (double)y), (double)y);
        mismatch(c, a, i, "%lld against %lld", (long long)x, (long long)y);
    }
}

static void compare_uint64(comparison *c, const sinter_value *a, const sinter_value *b)
{
    for (size_t i = 0; i < a->count; ++i) {
        uint64_t x, y;
        memcpy(&x, (const char *)a->data + i * sizeof x, sizeof x);
        memcpy(&y, (const char *)b->data + i * sizeof y, sizeof y);
        if (x == y) continue;
        measure(c, (double)(x > y ? x - y : y - x), (double)y);
        mismatch(c, a, i, "%llu against %llu", (unsigned long long)x, (unsigned long long)y);
    }
}

static void compare_strings(comparison *c, const sinter_value *a, const sinter_value *b)
{
    const sinter_string *x = a->data, *y = b->data;
    for (size_t i = 0; i < a->count; ++i)
        if (x[i].size != y[i].size || (x[i].size && memcmp(x[i].data, y[i].data, x[i].size) != 0))
            mismatch(c, a, i, "\"%.*s\" against \"%.*s\"", (int)(x[i].size > 60 ? 60 : x[i].size), x[i].data,
                     (int)(y[i].size > 60 ? 60 : y[i].size), y[i].data);
}

static void compare_tensors(comparison *c, const sinter_value *a, const sinter_value *b)
{
    if (a->dtype != b->dtype) {
        not_comparable(c, "type %s against %s", sinter_dtype_name(a->dtype), sinter_dtype_name(b->dtype));
        return;
    }
    if (!sn_shape_eq(&a->shape, &b->shape)) {
        char x[100], y[100];
        not_comparable(c, "shape %s against %s", sn_shape_text(&a->shape, NULL, x, sizeof x),
                       sn_shape_text(&b->shape, NULL, y, sizeof y));
        return;
    }
    static void (*const by_class[])(comparison *, const sinter_value *, const sinter_value *) = {
        [SN_CLASS_FLOAT] = compare_floats,      [SN_CLASS_SIGNED] = compare_integers,
        [SN_CLASS_UNSIGNED] = compare_integers, [SN_CLASS_BOOL] = compare_integers,
        [SN_CLASS_STRING] = compare_strings,    [SN_CLASS_COMPLEX] = compare_complex,
    };
    c->d->count += a->count;
    if (a->dtype == SINTER_UINT64)
        compare_uint64(c, a, b);
    else
        by_class[sn_dtypes[a->dtype].klass](c, a, b);
}

static void compare_values(comparison *c, const sinter_value *a, const sinter_value *b)
{
    static const char *const kinds[] = {"tensor", "sequence", "optional", "map", "sparse tensor", "opaque", "unknown"};
    if (a->kind != b->kind) {
        not_comparable(c, "%s against %s", kinds[a->kind], kinds[b->kind]);
    } else if (a->kind == SINTER_KIND_TENSOR) {
        compare_tensors(c, a, b);
    } else if (a->n_items != b->n_items) {
        not_comparable(c, "%s of %zu against %zu items", kinds[a->kind], a->n_items, b->n_items);
    } else if (c->depth == MAX_NESTING) {
        not_comparable(c, "nested too deeply");
    } else {
        for (size_t i = 0; i < a->n_items && c->d->comparable; ++i) {
            c->path[c->depth++] = i;
            compare_values(c, a->items[i], b->items[i]);
            --c->depth;
        }
    }
}

sinter_difference sinter_value_compare(const sinter_value *a, const sinter_value *b, double rtol, double atol)
{
    sinter_difference d = {.comparable = true};
    comparison c = {.d = &d, .rtol = rtol, .atol = atol};
    compare_values(&c, a, b);
    return d;
}
