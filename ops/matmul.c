/* Gemm and MatMul: products of matrices, of floats and of wrapping integers. */
#include "ops/matmul.h"

#include "ops/widen.h"
#include <inttypes.h>
#include <math.h>

/* Two's complement integers multiply and add the same whether signed or not. */
static const struct product_type {
    sinter_dtype wide;
    sn_product_fn *product;
} product_types[] = {
    {SINTER_FLOAT, sn_product_float},   {SINTER_DOUBLE, sn_product_double}, {SINTER_INT32, sn_product_uint32},
    {SINTER_UINT32, sn_product_uint32}, {SINTER_INT64, sn_product_uint64},  {SINTER_UINT64, sn_product_uint64},
};

static sn_product_fn *product_of(sinter_dtype dtype)
{
    sinter_dtype wide = sn_wide_dtype(dtype);
    for (size_t i = 0; i < sizeof product_types / sizeof product_types[0]; i++)
        if (product_types[i].wide == wide) return product_types[i].product;
    return NULL;
}

static sinter_status no_product(sn_eval *x, sinter_dtype dtype)
{
    return sn_eval_fail(x, SINTER_UNSUPPORTED, "no matrix product of %s", sinter_dtype_name(dtype));
}

/* A few rows at a time, so that a cancelled run ends soon. */
static sinter_status multiply(sn_eval *x, sn_product_fn *product, const sn_product *all, size_t element, const void *a,
                              const void *b, void *y, void *row)
{
    enum { ROWS = 64 };
    for (int64_t i = 0; i < all->m; i += ROWS) {
        if (sn_eval_cancelled(x)) return sn_eval_fail(x, SINTER_CANCELLED, "cancelled");
        sn_product some = *all;
        some.m = all->m - i < ROWS ? all->m - i : ROWS;
        product(&some, (const char *)a + (size_t)(i * all->a_row) * element, b,
                (char *)y + (size_t)(i * all->n) * element, row);
    }
    return SINTER_OK;
}

static bool differ(int64_t a, int64_t b)
{
    return sn_dim_is_number(a) && sn_dim_is_number(b) && a != b;
}

/* The same size, stated twice: a number says more than a symbol or nothing. */
static int64_t either(int64_t a, int64_t b)
{
    return sn_dim_is_number(a) ? a : b;
}

/* ---------------------------------------------------------------------------------------------------- Gemm */

static sinter_status gemm_prepare(sn_prepare *p, void *params)
{
    sn_gemm_params *g = params;
    SN_TRY(sn_attr_float(p, "alpha", 1, &g->alpha));
    SN_TRY(sn_attr_float(p, "beta", 1, &g->beta));
    SN_TRY(sn_attr_bool(p, "transA", false, &g->trans_a));
    return sn_attr_bool(p, "transB", false, &g->trans_b);
}

sinter_status sn_gemm_geometry(const sn_gemm_params *p, const sn_shape *a, const sn_shape *b, sn_gemm_sizes *out,
                               sinter_error *err)
{
    char text[2][SN_SHAPE_TEXT];
    if (a->rank != 2 || b->rank != 2)
        return sn_fail(err, SINTER_INVALID_INPUT, "A of shape %s and B of shape %s, expected two matrices",
                       sn_shape_text(a, NULL, text[0], sizeof text[0]),
                       sn_shape_text(b, NULL, text[1], sizeof text[1]));
    int64_t a_k = a->dims[!p->trans_a], b_k = b->dims[p->trans_b];
    if (differ(a_k, b_k))
        return sn_fail(err, SINTER_INVALID_INPUT,
                       "A of shape %s%s does not fit B of shape %s%s: %" PRId64 " columns, expected %" PRId64,
                       sn_shape_text(a, NULL, text[0], sizeof text[0]), p->trans_a ? " (transposed)" : "",
                       sn_shape_text(b, NULL, text[1], sizeof text[1]), p->trans_b ? " (transposed)" : "", a_k, b_k);
    *out = (sn_gemm_sizes){.m = a->dims[p->trans_a], .n = b->dims[!p->trans_b], .k = either(a_k, b_k)};
    return SINTER_OK;
}

/* C is broadcast to [m, n], never the other way round. */
static bool addend_fits(const sn_shape *c, const sn_gemm_sizes *s)
{
    const int64_t target[2] = {s->m, s->n};
    if (c->rank > 2) return false;
    for (int i = 0; i < c->rank; i++) {
        int64_t d = c->dims[i], t = target[i + 2 - c->rank];
        if (sn_dim_is_number(d) && d != 1 && differ(d, t)) return false;
    }
    return true;
}

static sinter_status gemm_infer(sn_infer *x)
{
    const sn_shape *a = sn_infer_shape(x, 0), *b = sn_infer_shape(x, 1), *c = sn_infer_shape(x, 2);
    sn_shape out = {.rank = 2, .dims = {SN_DIM_UNKNOWN, SN_DIM_UNKNOWN}};
    if (a->rank >= 0 && b->rank >= 0) {
        sn_gemm_sizes s;
        sinter_error why;
        char text[SN_SHAPE_TEXT];
        if (sn_gemm_geometry(x->params, a, b, &s, &why) != SINTER_OK) return sn_infer_fail(x, "%s", why.text);
        out.dims[0] = s.m;
        out.dims[1] = s.n;
        if (c->rank >= 0 && !addend_fits(c, &s))
            return sn_infer_fail(x, "C of shape %s cannot be broadcast to the product's shape",
                                 sn_shape_text(c, NULL, text, sizeof text));
    }
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), &out);
    return SINTER_OK;
}

/* Y = alpha * Y + beta * C, in the product's type. Elements of C repeat by zero strides. */
#define FINISH(name, T)                                                                                                \
    static void name(const sn_gemm_sizes *s, T alpha, T beta, const T *c, int64_t c_row, int64_t c_col, T *y)          \
    {                                                                                                                  \
        for (int64_t i = 0; i < s->m; i++, y += s->n) {                                                                \
            if (alpha != 1)                                                                                            \
                for (int64_t j = 0; j < s->n; j++) y[j] *= alpha;                                                      \
            if (c)                                                                                                     \
                for (int64_t j = 0; j < s->n; j++) y[j] += beta * c[i * c_row + j * c_col];                            \
        }                                                                                                              \
    }
FINISH(finish_float, float)
FINISH(finish_double, double)
FINISH(finish_uint32, uint32_t)
FINISH(finish_uint64, uint64_t)

static bool is_whole(float f)
{
    return fabsf(f) < 2147483648.0f && truncf(f) == f;
}

static sinter_status gemm_finish(sn_eval *x, const sn_gemm_sizes *s, const sn_wide_output *y)
{
    const sn_gemm_params *p = x->params;
    const sinter_value *addend = sn_eval_has(x, 2) ? x->in[2] : NULL;
    const void *c;
    int64_t row = 0, col = 0;
    SN_TRY(sn_widen(x, addend, &c));
    if (addend) {
        const sn_shape *shape = &addend->shape;
        if (shape->rank >= 1 && shape->dims[shape->rank - 1] != 1) col = 1;
        if (shape->rank == 2 && shape->dims[0] != 1) row = shape->dims[1];
    }
    switch (sn_wide_dtype(y->value->dtype)) {
    case SINTER_FLOAT: finish_float(s, p->alpha, p->beta, c, row, col, y->data); return SINTER_OK;
    case SINTER_DOUBLE: finish_double(s, p->alpha, p->beta, c, row, col, y->data); return SINTER_OK;
    default: break;
    }
    /* Whole factors are exact in wrapping arithmetic; what others should mean for integers, ONNX does not say. */
    if (!is_whole(p->alpha) || !is_whole(p->beta))
        return sn_eval_fail(x, SINTER_UNSUPPORTED, "attributes 'alpha' %g and 'beta' %g with %s tensors",
                            (double)p->alpha, (double)p->beta, sinter_dtype_name(y->value->dtype));
    int64_t alpha = (int64_t)p->alpha, beta = (int64_t)p->beta;
    if (y->value->dtype == SINTER_INT32 || y->value->dtype == SINTER_UINT32)
        finish_uint32(s, (uint32_t)alpha, (uint32_t)beta, c, row, col, y->data);
    else
        finish_uint64(s, (uint64_t)alpha, (uint64_t)beta, c, row, col, y->data);
    return SINTER_OK;
}

static sinter_status gemm_eval(sn_eval *x)
{
    const sn_gemm_params *p = x->params;
    const sinter_value *a = x->in[0], *b = x->in[1];
    sn_gemm_sizes s;
    sinter_error why;
    char text[SN_SHAPE_TEXT];
    if (sn_gemm_geometry(p, &a->shape, &b->shape, &s, &why) != SINTER_OK)
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "%s", why.text);
    if (sn_eval_has(x, 2) && !addend_fits(&x->in[2]->shape, &s))
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "C of shape %s cannot be broadcast to [%" PRId64 ", %" PRId64 "]",
                            sn_shape_text(&x->in[2]->shape, NULL, text, sizeof text), s.m, s.n);
    sn_product_fn *product = product_of(a->dtype);
    if (!product) return no_product(x, a->dtype);

    const sn_shape shape = {.rank = 2, .dims = {s.m, s.n}};
    const void *wide_a, *wide_b;
    void *row;
    sn_wide_output y;
    SN_TRY(sn_wide_output_open(x, 0, a->dtype, &shape, &y));
    if (y.value->count == 0) return SINTER_OK;
    SN_TRY(sn_widen(x, a, &wide_a));
    SN_TRY(sn_widen(x, b, &wide_b));
    SN_TRY(sn_scratch_array(x, p->trans_a ? (size_t)s.k : 0, sizeof(double), &row));
    const sn_product call = {.m = s.m,
                             .n = s.n,
                             .k = s.k,
                             .a_row = p->trans_a ? 1 : s.k,
                             .a_col = p->trans_a ? s.m : 1,
                             .b_row = p->trans_b ? 1 : s.n,
                             .b_col = p->trans_b ? s.k : 1};
    SN_TRY(multiply(x, product, &call, sinter_dtype_size(sn_wide_dtype(a->dtype)), wide_a, wide_b, y.data, row));
    SN_TRY(gemm_finish(x, &s, &y));
    sn_wide_output_close(&y);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- MatMul */

sinter_status sn_matmul_geometry(const sn_shape *a, const sn_shape *b, sn_matmul_sizes *out, sinter_error *err)
{
    char text[2][SN_SHAPE_TEXT];
    const char *a_text = sn_shape_text(a, NULL, text[0], sizeof text[0]);
    const char *b_text = sn_shape_text(b, NULL, text[1], sizeof text[1]);
    if (a->rank < 1 || b->rank < 1)
        return sn_fail(err, SINTER_INVALID_INPUT, "shapes %s and %s, expected at least one axis each", a_text, b_text);
    bool a_vector = a->rank == 1, b_vector = b->rank == 1;
    int64_t a_k = a->dims[a->rank - 1], b_k = b->dims[b_vector ? 0 : b->rank - 2];
    if (differ(a_k, b_k))
        return sn_fail(err, SINTER_INVALID_INPUT,
                       "shapes %s and %s do not fit: %" PRId64 " columns, expected as many as the %" PRId64 " rows",
                       a_text, b_text, a_k, b_k);
    *out = (sn_matmul_sizes){
        .m = a_vector ? 1 : a->dims[a->rank - 2], .n = b_vector ? 1 : b->dims[b->rank - 1], .k = either(a_k, b_k)};
    sn_shape a_batch = sn_shape_of(a_vector ? 0 : a->rank - 2, a->dims);
    sn_shape b_batch = sn_shape_of(b_vector ? 0 : b->rank - 2, b->dims);
    if (!sn_infer_broadcast(&a_batch, &b_batch, &out->batch))
        return sn_fail(err, SINTER_INVALID_INPUT, "the batch axes of shapes %s and %s cannot be broadcast", a_text,
                       b_text);
    out->output = out->batch;
    if (!a_vector) out->output.dims[out->output.rank++] = out->m;
    if (!b_vector) out->output.dims[out->output.rank++] = out->n;
    return SINTER_OK;
}

static sinter_status matmul_infer(sn_infer *x)
{
    const sn_shape *a = sn_infer_shape(x, 0), *b = sn_infer_shape(x, 1);
    sn_matmul_sizes s = {.output = SN_SHAPE_UNKNOWN};
    sinter_error why;
    if (a->rank >= 0 && b->rank >= 0 && sn_matmul_geometry(a, b, &s, &why) != SINTER_OK)
        return sn_infer_fail(x, "%s", why.text);
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), &s.output);
    return SINTER_OK;
}

/* Which matrix of `shape` belongs to matrix `index` of the broadcast batch: axes of size 1 repeat. */
static int64_t matrix_of(const sn_shape *shape, const sn_shape *batch, int64_t index)
{
    int64_t matrix = 0, stride = 1;
    for (int i = batch->rank - 1, own = shape->rank - 3; own >= 0; i--, own--) {
        if (shape->dims[own] != 1) matrix += index % batch->dims[i] * stride;
        stride *= shape->dims[own];
        index /= batch->dims[i];
    }
    return matrix;
}

static sinter_status matmul_eval(sn_eval *x)
{
    const sinter_value *a = x->in[0], *b = x->in[1];
    sn_matmul_sizes s;
    sinter_error why;
    if (sn_matmul_geometry(&a->shape, &b->shape, &s, &why) != SINTER_OK)
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "%s", why.text);
    sn_product_fn *product = product_of(a->dtype);
    if (!product) return no_product(x, a->dtype);

    sn_wide_output y;
    const void *wide_a, *wide_b;
    SN_TRY(sn_wide_output_open(x, 0, a->dtype, &s.output, &y));
    if (y.value->count == 0) return SINTER_OK;
    if (s.k == 0) { /* sums of nothing; and no memory bounds the batch's other sizes */
        memset(y.value->data, 0, y.value->size);
        return SINTER_OK;
    }
    SN_TRY(sn_widen(x, a, &wide_a));
    SN_TRY(sn_widen(x, b, &wide_b));
    const size_t size = sinter_dtype_size(sn_wide_dtype(a->dtype));
    const sn_product call = {.m = s.m, .n = s.n, .k = s.k, .a_row = s.k, .a_col = 1, .b_row = s.n, .b_col = 1};
    const int64_t matrices = sn_shape_product(&s.batch, 0, s.batch.rank);
    for (int64_t i = 0; i < matrices; i++) {
        const char *from_a = (const char *)wide_a + (size_t)(matrix_of(&a->shape, &s.batch, i) * s.m * s.k) * size;
        const char *from_b = (const char *)wide_b + (size_t)(matrix_of(&b->shape, &s.batch, i) * s.k * s.n) * size;
        char *to = (char *)y.data + (size_t)(i * s.m * s.n) * size;
        SN_TRY(multiply(x, product, &call, size, from_a, from_b, to, NULL));
    }
    sn_wide_output_close(&y);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- rows */

#define FLOATS   "float16|float|double"
#define INTEGERS "|int32|int64|uint32|uint64"

#define GEMM(version, c, types)                                                                                        \
    {                                                                                                                  \
        "", "Gemm", version, "A:T, B:T, C:T" c " -> Y:T; T=" types, 0, 0, sizeof(sn_gemm_params), gemm_prepare,        \
            gemm_infer, gemm_eval                                                                                      \
    }
#define MATMUL(version, types)                                                                                         \
    {                                                                                                                  \
        "", "MatMul", version, "A:T, B:T -> Y:T; T=" types, 0, 0, 0, NULL, matmul_infer, matmul_eval                   \
    }

const sn_op sn_ops_matmul[] = {
    GEMM(1, "", FLOATS),
    GEMM(6, "", FLOATS),
    GEMM(7, "", FLOATS),
    GEMM(9, "", FLOATS INTEGERS),
    GEMM(11, "?", FLOATS INTEGERS),
    GEMM(13, "?", "@float" INTEGERS),
    MATMUL(1, FLOATS),
    MATMUL(9, FLOATS INTEGERS),
    MATMUL(13, "@float" INTEGERS),
    {0},
};
