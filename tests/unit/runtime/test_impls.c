/* Implementations, layouts and fusion of the runtime against the reference of every operator: see compare_sessions.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/runtime/compare_sessions.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define IMPLS(...)   (snprintf(impls, sizeof impls, __VA_ARGS__), impls)
static char impls[256];

/* ---------------------------------------------------------------------------------------------------- Conv */

typedef struct conv_case {
    const char *impl;       /* of constant weights; Winograd's are transformed once, so computed ones take "conv" */
    int64_t in, out, group; /* channels */
    int64_t size[3];        /* as many axes as are set */
    int64_t kernel[3];
    int64_t stride[3], dilation[3]; /* 0: not stated */
    int64_t pads[6];                /* begins of all axes, then ends */
    const char *auto_pad;
    bool no_bias;
    bool inside; /* not an output of the model, which few channels would be computed plain for: test_impl_planar.c */
} conv_case;

typedef struct conv_model {
    const conv_case *c;
    bool computed;
} conv_model;

static int axes_of(const int64_t size[3])
{
    return size[2] > 0 ? 3 : size[1] > 0 ? 2 : 1;
}

static void window_attrs(sn_model *m, int axes, const int64_t *kernel, const int64_t *stride, const int64_t *dilation,
                         const int64_t *pads, const char *auto_pad)
{
    attr_ints(m, "kernel_shape", kernel, (size_t)axes);
    if (stride[0] > 0) attr_ints(m, "strides", stride, (size_t)axes);
    if (dilation[0] > 0) attr_ints(m, "dilations", dilation, (size_t)axes);
    if (auto_pad) {
        attr_string(m, "auto_pad", auto_pad);
    } else {
        attr_ints(m, "pads", pads, 2 * (size_t)axes);
    }
}

static sn_model *build_conv(const void *context)
{
    const conv_model *x = context;
    const conv_case *c = x->c;
    int axes = axes_of(c->size);
    int64_t group = c->group > 0 ? c->group : 1, image[5] = {N_ROWS, c->in}, weight[5] = {c->out, c->in / group};
    float fan_in = (float)(c->in / group);
    for (int i = 0; i < axes; i++) {
        image[2 + i] = c->size[i];
        weight[2 + i] = c->kernel[i];
        fan_in *= (float)c->kernel[i];
    }
    sn_model *m = new_model(13);
    size_t rank = (size_t)axes + 2;
    sn_value_id x_id = batch_input(m, "x", image, rank), w, y;
    if (x->computed) {
        w = batch_input(m, "w", weight, rank);
        w = op(m, "Mul", IDS(w, positive_constant(m, NULL, 0, 1 / sqrtf(fan_in))));
    } else {
        w = constant(m, weight, rank, 1 / sqrtf(fan_in));
    }
    if (c->no_bias) {
        y = op(m, "Conv", IDS(x_id, w));
    } else {
        y = op(m, "Conv", IDS(x_id, w, constant(m, &c->out, 1, 1)));
    }
    attr_int(m, "group", group);
    window_attrs(m, axes, c->kernel, c->stride, c->dilation, c->pads, c->auto_pad);
    output(m, c->inside ? op(m, "Neg", IDS(y)) : y);
    return m;
}

#define SAME_3x3 .kernel = {3, 3}, .pads = {1, 1, 1, 1}

static const conv_case conv_cases[] = {
    /* Winograd: 2x2 tiles on 7x7, 4x4 from 14x14 on; channels that fill vectors and that do not */
    {"winograd", 16, 16, .size = {7, 7}, SAME_3x3},
    {"winograd", 24, 40, .size = {14, 14}, SAME_3x3},
    {"winograd", 17, 33, .size = {15, 15}, SAME_3x3},
    {"winograd", 32, 40, .size = {28, 28}, SAME_3x3, .no_bias = true},
    {"winograd", 16, 19, .size = {9, 30}, SAME_3x3},
    {"winograd", 16, 16, .size = {17, 18}, .kernel = {3, 3}},
    {"winograd", 20, 16, .size = {14, 16}, .kernel = {3, 3}, .pads = {0, 2, 1, 0}},
    {"winograd", 16, 70, .size = {14, 14}, .kernel = {3, 3}, .auto_pad = "SAME_UPPER"},
    {"winograd", 48, 130, .size = {7, 8}, SAME_3x3},
    /* what Winograd refuses: too few tiles, channels, or another window */
    {"conv", 16, 16, .size = {6, 6}, SAME_3x3},
    {"conv", 16, 15, .size = {14, 14}, SAME_3x3, .inside = true},
    {"conv", 16, 16, .size = {15, 14}, SAME_3x3, .stride = {2, 2}},
    {"conv", 16, 16, .size = {15, 14}, SAME_3x3, .dilation = {2, 1}},
    {"conv", 32, 32, 2, .size = {14, 14}, SAME_3x3},
    /* few channels */
    {"conv-few-channels", 3, 16, .size = {33, 30}, .kernel = {7, 7}, .stride = {2, 2}, .pads = {3, 3, 3, 3}},
    {"conv-few-channels", 1, 6, .size = {12, 12}, .kernel = {5, 5}, .inside = true},
    {"conv-few-channels", 15, 17, .size = {14, 14}, SAME_3x3, .inside = true},
    {"conv-few-channels", 3, 5, .size = {9, 11}, .kernel = {4, 2}, .stride = {3, 2}, .pads = {0, 1, 2, 3}},
    {"conv-few-channels", 4, 8, .size = {11, 9}, .kernel = {3, 3}, .dilation = {3, 1}, .pads = {2, 0, 1, 1},
     .inside = true},
    {"conv-few-channels", 2, 3, .size = {23}, .kernel = {5}, .pads = {2, 1}, .inside = true},
    {"conv-few-channels", 3, 4, .size = {5, 6, 7}, .kernel = {2, 3, 3}, .pads = {1, 0, 1, 0, 1, 2}, .inside = true},
    {"conv-few-channels", 3, 8, .size = {13, 13}, .kernel = {2, 2}, .stride = {5, 4}, .auto_pad = "SAME_LOWER"},
    {"conv-few-channels", 3, 8, .size = {64, 64}, .kernel = {3, 3}, .pads = {1, 1, 1, 1}, .inside = true},
    {"conv", 3, 8, .size = {9, 9}, .kernel = {3, 1}, .pads = {1, 0, 1, 0}, .inside = true},
    {"conv", 3, 8, .size = {9, 9}, .kernel = {3, 3}, .dilation = {1, 2}},
    /* in general: plain products, strides, sizes around the register tiles, rows that are split over threads */
    {"conv", 16, 24, .size = {31}, .kernel = {5}, .pads = {2, 2}},
    {"conv", 40, 7, .size = {30}, .kernel = {1}, .inside = true},
    {"conv", 16, 5, .size = {29}, .kernel = {4}, .stride = {3}, .dilation = {2}, .pads = {5, 0}},
    {"conv", 8, 16, .size = {10, 9}, .kernel = {1, 1}},
    {"conv", 64, 130, .size = {28, 28}, .kernel = {1, 1}},
    {"conv", 20, 1, .size = {5, 5}, .kernel = {1, 1}, .no_bias = true, .inside = true},
    {"conv", 20, 12, .size = {9, 8}, .kernel = {1, 1}, .stride = {2, 2}},
    {"conv", 20, 12, .size = {5, 6}, .kernel = {1, 1}, .pads = {1, 0, 2, 1}},
    {"conv", 20, 33, .size = {12, 13}, .kernel = {5, 3}, .stride = {2, 1}, .pads = {2, 1, 0, 3}},
    {"conv", 16, 16, .size = {2, 2}, .kernel = {5, 5}, .pads = {2, 2, 2, 2}},
    {"conv", 16, 16, .size = {1, 1}, SAME_3x3},
    {"conv", 16, 16, .size = {3, 3}, .kernel = {3, 3}},
    {"conv", 24, 10, .size = {7, 8}, .kernel = {1, 1}, .stride = {3, 3}, .auto_pad = "SAME_UPPER"},
    {"conv", 24, 10, .size = {8, 8}, .kernel = {1, 2}, .stride = {3, 5}, .auto_pad = "SAME_LOWER"},
    {"conv", 17, 18, .size = {4, 5, 6}, .kernel = {3, 2, 3}, .stride = {1, 2, 1}, .pads = {1, 0, 1, 1, 1, 0}},
    {"conv", 16, 16, .size = {3, 4, 5}, .kernel = {1, 1, 1}},
    /* groups */
    {"conv", 8, 12, 4, .size = {9, 9}, SAME_3x3},
    {"conv", 6, 4, 2, .size = {10, 7}, .kernel = {2, 3}, .stride = {2, 1}},
    {"conv", 64, 64, 2, .size = {15, 15}, SAME_3x3},
    {"conv", 12, 24, 12, .size = {8, 8}, SAME_3x3},
    {"conv", 9, 27, 9, .size = {21}, .kernel = {3}, .pads = {1, 1}},
    {"conv", 4, 4, 2, .size = {3, 4, 5}, .kernel = {2, 2, 2}},
    /* depthwise */
    {"depthwise", 8, 8, 8, .size = {14, 14}, SAME_3x3},
    {"depthwise", 33, 33, 33, .size = {15, 13}, SAME_3x3, .stride = {2, 2}},
    {"depthwise", 64, 64, 64, .size = {28, 28}, .kernel = {5, 5}, .pads = {2, 2, 2, 2}},
    {"depthwise", 17, 17, 17, .size = {9, 12}, .kernel = {3, 3}, .dilation = {2, 3}, .pads = {1, 2, 3, 0}},
    {"depthwise", 2, 2, 2, .size = {5, 5}, .kernel = {1, 1}, .no_bias = true},
    {"depthwise", 16, 16, 16, .size = {2, 2}, .kernel = {5, 5}, .pads = {3, 2, 2, 3}},
    {"depthwise", 20, 20, 20, .size = {40}, .kernel = {7}, .stride = {2}, .pads = {3, 3}},
    {"depthwise", 9, 9, 9, .size = {4, 5, 6}, .kernel = {3, 3, 3}, .pads = {1, 1, 1, 1, 1, 1}},
    {"depthwise", 8, 8, 8, .size = {11, 11}, .kernel = {1, 1}, .stride = {4, 4}, .auto_pad = "SAME_UPPER"},
};

static void test_conv(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(conv_cases); i++) {
        for (int computed = 0; computed < 2; computed++) {
            const conv_case *c = &conv_cases[i];
            const char *impl = computed && strcmp(c->impl, "winograd") == 0 ? "conv" : c->impl;
            snprintf(label, sizeof label, "Conv %zu (%s, %s weights)", i, c->impl, computed ? "computed" : "constant");
            check_model(build_conv, &(conv_model){c, computed},
                        IMPLS("%sConv=%s%s", computed ? "Mul=binary " : "", impl, c->inside ? " Neg=unary" : ""));
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- Gemm */

typedef enum c_kind { C_NONE, C_SCALAR, C_ONE, C_ONE_ONE, C_COLUMNS, C_ROW, C_COLUMN, C_FULL, C_KINDS } c_kind;

typedef struct gemm_model {
    int64_t m, n, k;
    bool trans_a, trans_b, constant_b, constant_c;
    float alpha, beta;
    c_kind c;
} gemm_model;

static sn_model *build_gemm(const void *context)
{
    const gemm_model *x = context;
    sn_model *m = new_model(13);
    int64_t a[] = {x->m, x->k}, at[] = {x->k, x->m}, b[] = {x->k, x->n}, bt[] = {x->n, x->k};
    const int64_t c[][2] = {[C_SCALAR] = {0},    [C_ONE] = {1},          [C_ONE_ONE] = {1, 1},   [C_COLUMNS] = {x->n},
                            [C_ROW] = {1, x->n}, [C_COLUMN] = {x->m, 1}, [C_FULL] = {x->m, x->n}};
    static const size_t ranks[] = {
        [C_SCALAR] = 0, [C_ONE] = 1, [C_ONE_ONE] = 2, [C_COLUMNS] = 1, [C_ROW] = 2, [C_COLUMN] = 2, [C_FULL] = 2};
    sn_value_id a_id = batch_input(m, "a", x->trans_a ? at : a, 2);
    sn_value_id b_id =
        x->constant_b ? constant(m, x->trans_b ? bt : b, 2, 0.5f) : batch_input(m, "b", x->trans_b ? bt : b, 2);
    sn_value_id y;
    if (x->c == C_NONE) {
        y = op(m, "Gemm", IDS(a_id, b_id));
    } else {
        sn_value_id c_id =
            x->constant_c ? constant(m, c[x->c], ranks[x->c], 1) : batch_input(m, "c", c[x->c], ranks[x->c]);
        y = op(m, "Gemm", IDS(a_id, b_id, c_id));
    }
    attr_int(m, "transA", x->trans_a);
    attr_int(m, "transB", x->trans_b);
    attr_float(m, "alpha", x->alpha);
    attr_float(m, "beta", x->beta);
    output(m, y);
    return m;
}

/* Does the kernel add this C? What it cannot is left to the reference. */
static bool c_is_added(const gemm_model *x)
{
    int64_t rows = x->c == C_COLUMN || x->c == C_FULL ? x->m : 1;
    int64_t columns = x->c == C_COLUMNS || x->c == C_ROW || x->c == C_FULL ? x->n : 1;
    if (x->c == C_NONE) return true;
    if (rows == 1 && x->constant_c) return true;
    return columns == x->n && x->beta == 1;
}

static void check_gemm(const gemm_model *x)
{
    snprintf(label, sizeof label, "Gemm %lldx%lldx%lld transA %d transB %d alpha %g beta %g C %d, constant B %d C %d",
             (long long)x->m, (long long)x->n, (long long)x->k, x->trans_a, x->trans_b, (double)x->alpha,
             (double)x->beta, (int)x->c, x->constant_b, x->constant_c);
    check_model(build_gemm, x, c_is_added(x) ? "Gemm=gemm" : "Gemm=reference");
}

static void test_gemm(void **state)
{
    (void)state;
    static const int64_t sizes[][3] = {{1, 1, 1}, {5, 7, 9}, {1, 40, 33}, {37, 70, 45}};
    static const float factors[][2] = {{1, 1}, {0.5f, 1}, {1, 2}, {0.25f, -1}, {2, 0}};
    for (size_t i = 0; i < COUNT(sizes) * COUNT(factors) * C_KINDS * 16; i++) {
        const int64_t *size = sizes[i / 16 / C_KINDS / COUNT(factors)];
        const float *factor = factors[i / 16 / C_KINDS % COUNT(factors)];
        gemm_model x = {.m = size[0],
                        .n = size[1],
                        .k = size[2],
                        .trans_a = i & 1,
                        .trans_b = i & 2,
                        .constant_b = i & 4,
                        .constant_c = i & 8,
                        .alpha = factor[0],
                        .beta = factor[1],
                        .c = (c_kind)(i / 16 % C_KINDS)};
        if (x.c != C_NONE || !x.constant_c) check_gemm(&x);
    }
}

/* Rows that come and go, large enough to be split, and nothing to add up. */
static void test_gemm_rows(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        gemm_model x = {.m = N_ROWS, .n = 10, .k = 33, .trans_b = i & 1, .constant_b = i & 2, .alpha = 1, .beta = 1};
        x.c = i & 4 ? C_COLUMNS : C_NONE;
        x.constant_c = true;
        check_gemm(&x);
        x.n = 1000;
        x.k = 130;
        check_gemm(&x);
        x.m = 250;
        check_gemm(&x);
        x.k = 0;
        check_gemm(&x);
    }
}

/* ---------------------------------------------------------------------------------------------------- MatMul */

typedef struct matmul_case {
    const char *impl;
    int rank_a, rank_b;
    int64_t a[5], b[5];
} matmul_case;

typedef struct matmul_model {
    const matmul_case *c;
    bool constant_b;
} matmul_model;

static sn_model *build_matmul(const void *context)
{
    const matmul_model *x = context;
    const matmul_case *c = x->c;
    sn_model *m = new_model(13);
    sn_value_id a = batch_input(m, "a", c->a, (size_t)c->rank_a);
    sn_value_id b =
        x->constant_b ? constant(m, c->b, (size_t)c->rank_b, 0.5f) : batch_input(m, "b", c->b, (size_t)c->rank_b);
    output(m, op(m, "MatMul", IDS(a, b)));
    return m;
}

static const matmul_case matmul_cases[] = {
    {"matmul", 2, 2, {N_ROWS, 9}, {9, 7}},
    {"matmul", 2, 2, {N_ROWS, 130}, {130, 1000}},
    {"matmul", 2, 2, {300, 40}, {40, 65}},
    {"matmul", 2, 2, {N_ROWS, 33}, {33, 1}},
    {"matmul", 2, 2, {N_ROWS, 1}, {1, 40}},
    {"matmul", 2, 2, {1, 1}, {1, 1}},
    {"matmul", 2, 2, {N_ROWS, 0}, {0, 5}},
    {"matmul", 2, 2, {N_ROWS, 5}, {5, 0}},
    {"matmul", 3, 2, {N_ROWS, 5, 9}, {9, 17}},
    {"matmul", 4, 2, {N_ROWS, 2, 50, 40}, {40, 33}},
    {"matmul", 3, 3, {N_ROWS, 5, 9}, {1, 9, 17}},
    {"matmul", 3, 3, {4, 5, 9}, {4, 9, 17}},
    {"matmul", 3, 3, {1, 5, 9}, {4, 9, 17}},
    {"matmul", 3, 3, {4, 1, 9}, {4, 9, 1}},
    {"matmul", 2, 3, {5, 9}, {4, 9, 17}},
    {"matmul", 4, 3, {N_ROWS, 1, 5, 9}, {4, 9, 17}},
    {"matmul", 4, 3, {N_ROWS, 4, 5, 9}, {4, 9, 17}},
    {"matmul", 4, 4, {N_ROWS, 3, 5, 9}, {1, 3, 9, 17}},
    {"matmul", 4, 4, {2, 1, 5, 9}, {1, 3, 9, 17}},
    {"matmul", 4, 4, {1, 3, 5, 9}, {2, 1, 9, 17}},
    {"matmul", 5, 4, {2, 1, 3, 5, 4}, {4, 1, 4, 6}},
    {"matmul", 3, 3, {12, 64, 32}, {12, 32, 64}},
    {"matmul", 3, 3, {0, 5, 9}, {0, 9, 17}},
    {"matmul", 3, 3, {2, 5, 0}, {2, 0, 7}},
    /* vectors are left to the reference */
    {"reference", 1, 2, {9}, {9, 300}},
    {"reference", 2, 1, {N_ROWS, 300}, {300}},
    {"reference", 1, 1, {9}, {9}},
    {"reference", 1, 3, {9}, {4, 9, 17}},
    {"reference", 3, 1, {4, 5, 300}, {300}},
};

/* The batch of both operands. */
static const matmul_case both_cases[] = {
    {"matmul", 3, 3, {N_ROWS, 5, 9}, {N_ROWS, 9, 17}},
    {"matmul", 4, 4, {N_ROWS, 3, 5, 9}, {N_ROWS, 1, 9, 17}},
};

static void check_matmul(const matmul_case *c, bool constant_b)
{
    snprintf(label, sizeof label, "MatMul %d-D by %d-D, %lld, %lld, %lld... with %s B", c->rank_a, c->rank_b,
             (long long)c->a[0], (long long)c->a[1], (long long)c->a[2], constant_b ? "constant" : "computed");
    check_model(build_matmul, &(matmul_model){c, constant_b}, IMPLS("MatMul=%s", c->impl));
}

static void test_matmul(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * COUNT(matmul_cases); i++) check_matmul(&matmul_cases[i / 2], i % 2);
    for (size_t i = 0; i < COUNT(both_cases); i++) check_matmul(&both_cases[i], false);
}

/* ---------------------------------------------------------------------------------------------------- pools */

typedef struct pool_case {
    int64_t channels, size[3], kernel[3], stride[3], dilation[3], pads[6];
    bool ceil_mode;
    const char *auto_pad;
} pool_case;

typedef struct pool_model {
    const char *op_type;
    const pool_case *c;
    bool count_include_pad, behind_conv, global;
} pool_model;

static sn_model *build_pool(const void *context)
{
    const pool_model *x = context;
    const pool_case *c = x->c;
    int axes = axes_of(c->size);
    int64_t image[5] = {N_ROWS, c->channels, c->size[0], c->size[1], c->size[2]};
    sn_model *m = new_model(19);
    sn_value_id v = batch_input(m, "x", image, (size_t)axes + 2);
    if (x->behind_conv) v = pointwise(m, v, c->channels, c->channels, axes);
    v = op(m, x->op_type, IDS(v));
    if (!x->global) {
        window_attrs(m, axes, c->kernel, c->stride, c->dilation, c->pads, c->auto_pad);
        attr_int(m, "ceil_mode", c->ceil_mode);
        if (strcmp(x->op_type, "AveragePool") == 0) attr_int(m, "count_include_pad", x->count_include_pad);
    }
    output(m, v);
    return m;
}

static const pool_case pool_cases[] = {
    {16, {14, 14}, {2, 2}, .stride = {2, 2}},
    {7, {15, 13}, {3, 3}, {2, 2}, .pads = {1, 1, 1, 1}},
    {7, {15, 13}, {3, 3}, {2, 2}, .pads = {1, 1, 1, 1}, .ceil_mode = true},
    {33, {10, 11}, {3, 2}, {3, 2}, .pads = {0, 1, 2, 0}, .ceil_mode = true},
    {8, {6, 6}, {3, 3}, {4, 4}, .ceil_mode = true},
    {5, {9, 9}, {2, 3}, .dilation = {3, 2}},
    {5, {9, 9}, {2, 3}, {2, 2}, {3, 2}, .pads = {1, 2, 2, 1}, .ceil_mode = true},
    {20, {12, 9}, {3, 3}, {2, 2}, .auto_pad = "SAME_UPPER"},
    {20, {12, 9}, {2, 2}, {3, 3}, .auto_pad = "SAME_LOWER"},
    {1, {5, 5}, .kernel = {2, 2}},
    {19, {1, 1}, .kernel = {1, 1}},
    {64, {28, 28}, {3, 3}, .pads = {1, 1, 1, 1}},
    {6, {31}, {4}, {3}, .pads = {1, 2}},
    {6, {31}, {4}, {3}, .pads = {3, 3}, .ceil_mode = true},
    {3, {5, 6, 7}, {2, 3, 2}, {2, 1, 2}, .pads = {1, 1, 0, 0, 1, 1}},
    {3, {5, 6, 7}, {2, 2, 3}, {2, 2, 2}, .pads = {1, 1, 1, 1, 1, 1}, .ceil_mode = true},
};

static void test_pools(void **state)
{
    (void)state;
    static const struct {
        const char *op_type, *impl;
        bool count_include_pad, global;
    } ops[] = {{"MaxPool", "max-pool", false, false},
               {"AveragePool", "average-pool", false, false},
               {"AveragePool", "average-pool", true, false},
               {"GlobalMaxPool", "global-max", false, true},
               {"GlobalAveragePool", "global-average", false, true}};
    for (size_t i = 0; i < COUNT(pool_cases) * COUNT(ops) * 2; i++) {
        size_t k = i / 2 % COUNT(ops), c = i / 2 / COUNT(ops);
        pool_model x = {ops[k].op_type, &pool_cases[c], ops[k].count_include_pad, i % 2, ops[k].global};
        snprintf(label, sizeof label, "%s %zu, include pad %d, behind Conv %d", x.op_type, c, x.count_include_pad,
                 x.behind_conv);
        check_model(build_pool, &x, IMPLS("%s%s=%s", x.behind_conv ? "Conv=conv " : "", x.op_type, ops[k].impl));
    }
}

/* ---------------------------------------------------------------------------------------------------- broadcasting */

typedef struct binary_model {
    const char *op_type;
    int64_t image[4]; /* of the convolution's result */
    int rank;         /* of the other operand */
    int64_t other[5];
    int place;        /* of the other operand: a constant, an input, computed by a node, another convolution's result */
    bool other_first; /* operand 0 is the other one */
} binary_model;

enum { AS_CONSTANT, AS_INPUT, AS_VALUE, AS_CONV, PLACES };

/* All positive, so that Div and Pow are tame. */
static sn_model *build_binary(const void *context)
{
    const binary_model *x = context;
    sn_model *m = new_model(16);
    int64_t channels = x->image[1];
    sn_value_id v = batch_input(m, "positive_x", x->image, 4), other;
    sn_value_id w = positive_constant(m, INTS(channels, channels, 1, 1), 1 / (float)channels);
    if (x->place == AS_CONSTANT) {
        other = positive_constant(m, x->other, (size_t)x->rank, 1);
    } else {
        other = batch_input(m, "positive_other", x->other, (size_t)x->rank);
    }
    if (x->place == AS_VALUE) other = op(m, "Abs", IDS(other));
    if (x->place == AS_CONV) {
        int64_t n = x->other[1];
        other = op(m, "Conv", IDS(other, positive_constant(m, INTS(n, n, 1, 1), 1 / (float)n)));
    }
    v = op(m, "Conv", IDS(v, w));
    output(m, x->other_first ? op(m, x->op_type, IDS(other, v)) : op(m, x->op_type, IDS(v, other)));
    return m;
}

static const struct {
    int rank;
    int64_t other[5]; /* 'N', 'C', 'H' and 'W' stand for the image's, 'B' for the batch symbol */
} patterns[] = {
    {0, {0}},
    {1, {1}},
    {1, {'W'}},
    {2, {'H', 'W'}},
    {2, {'H', 1}},
    {2, {1, 'W'}},
    {2, {1, 1}},
    {3, {'C', 1, 1}},
    {3, {'C', 'H', 'W'}},
    {3, {'C', 1, 'W'}},
    {3, {'C', 'H', 1}},
    {3, {1, 'H', 'W'}},
    {4, {1, 'C', 1, 1}},
    {4, {1, 'C', 'H', 'W'}},
    {4, {1, 'C', 'H', 1}},
    {4, {1, 1, 'H', 'W'}},
    {4, {1, 1, 1, 'W'}},
    {4, {1, 1, 1, 1}},
    {4, {N_ROWS, 'C', 1, 1}},
    {4, {N_ROWS, 1, 'H', 'W'}},
    {4, {N_ROWS, 1, 'H', 1}},
    {4, {N_ROWS, 1, 1, 1}},
    {4, {N_ROWS, 'C', 'H', 1}},
    {4, {N_ROWS, 'C', 1, 'W'}},
    {4, {N_ROWS, 'C', 'H', 'W'}},
    {5, {2, 1, 'C', 'H', 'W'}}, /* the image is broadcast itself */
};

static void check_binary(const char *op_type, const int64_t *image, size_t pattern, int place, bool other_first)
{
    binary_model x = {op_type, .rank = patterns[pattern].rank, .place = place, .other_first = other_first};
    memcpy(x.image, image, sizeof x.image);
    for (int i = 0; i < x.rank; i++) {
        int64_t d = patterns[pattern].other[i];
        x.other[i] = d == 'C' ? image[1] : d == 'H' ? image[2] : d == 'W' ? image[3] : d;
    }
    bool batched = x.rank > 0 && x.other[0] == N_ROWS;
    if (x.rank == 5) x.image[0] = 2;
    if (place == AS_CONV && (x.rank < 4 || x.rank > 4)) return;
    if (place == AS_CONSTANT && batched) return;
    if (strcmp(op_type, "PRelu") == 0 && (other_first || x.rank == 5)) return;
    snprintf(label, sizeof label, "%s of %lldx%lldx%lld, pattern %zu, place %d, other first %d", op_type,
             (long long)image[1], (long long)image[2], (long long)image[3], pattern, place, other_first);
    check_model(build_binary, &x, NULL);
}

static void test_binary(void **state)
{
    (void)state;
    static const char *const ops[] = {"Add", "Sub", "Mul", "Div", "Min", "Max", "Pow", "PRelu"};
    static const int64_t images[][4] = {{N_ROWS, 20, 6, 5}, {N_ROWS, 4, 4, 4},  {N_ROWS, 1, 6, 5}, {N_ROWS, 9, 1, 1},
                                        {N_ROWS, 17, 6, 1}, {N_ROWS, 16, 1, 7}, {1, 8, 3, 5}};
    for (size_t image = 0; image < COUNT(images); image++) {
        for (size_t i = 0; i < COUNT(patterns) * PLACES * 2; i++) {
            check_binary("Sub", images[image], i / 2 / PLACES, (int)(i / 2 % PLACES), i % 2);
        }
    }
    for (size_t k = 0; k < COUNT(ops); k++) {
        for (size_t i = 0; i < COUNT(patterns) * 2; i++) check_binary(ops[k], images[0], i / 2, AS_VALUE, i % 2);
    }
    check_binary("Mul", (int64_t[]){N_ROWS, 64, 28, 28}, 12, AS_CONSTANT, false);
    check_binary("Mul", (int64_t[]){N_ROWS, 64, 28, 28}, 18, AS_VALUE, false);
    check_binary("Mul", (int64_t[]){N_ROWS, 64, 28, 28}, 24, AS_CONV, false);
}

/* ---------------------------------------------------------------------------------------------------- one operand */

typedef struct unary_case {
    const char *op_type, *impl;
    bool positive;
    const char *attr; /* of floats */
    float value;
} unary_case;

typedef struct unary_model {
    const unary_case *c;
    int place; /* of the operand */
} unary_model;

enum { OF_INPUT, OF_CONV, OF_CONV_AND_OUTPUT, OF_MATMUL, OPERANDS };

static sn_model *build_unary(const void *context)
{
    const unary_model *x = context;
    sn_model *m = new_model(20);
    const char *name = x->c->positive ? "positive_x" : "x";
    sn_value_id v;
    if (x->place == OF_MATMUL) {
        v = batch_input(m, name, INTS(N_ROWS, 5, 16));
        v = op(m, "MatMul", IDS(v, positive_constant(m, INTS(16, 19), 0.1f)));
    } else {
        v = batch_input(m, name, INTS(N_ROWS, 16, 7, 9));
    }
    if (x->place == OF_CONV || x->place == OF_CONV_AND_OUTPUT) {
        sn_value_id w =
            x->c->positive ? positive_constant(m, INTS(19, 16, 1, 1), 0.1f) : constant(m, INTS(19, 16, 1, 1), 0.25f);
        v = op(m, "Conv", IDS(v, w));
    }
    if (x->place == OF_CONV_AND_OUTPUT) output(m, v);
    v = op(m, x->c->op_type, IDS(v));
    if (x->c->attr && x->c->attr[0] == '=') attr_string(m, "approximate", x->c->attr + 1);
    if (x->c->attr && x->c->attr[0] != '=') attr_float(m, x->c->attr, x->c->value);
    output(m, v);
    return m;
}

static const unary_case unary_cases[] = {
    {"Relu", .impl = "activation"},
    {"LeakyRelu", .impl = "activation"},
    {"LeakyRelu", "activation", false, "alpha", 0.3f},
    {"Elu", .impl = "activation"},
    {"Elu", "activation", false, "alpha", 0.7f},
    {"Sigmoid", .impl = "activation"},
    {"HardSigmoid", .impl = "activation"},
    {"HardSigmoid", "activation", false, "alpha", 0.7f},
    {"HardSigmoid", "activation", false, "beta", 0.1f},
    {"HardSwish", .impl = "activation"},
    {"Tanh", .impl = "activation"},
    {"Gelu", .impl = "activation"},
    {"Gelu", "activation", false, "=tanh", 0},
    {"Gelu", "activation", false, "=none", 0},
    {"Clip", .impl = "activation"},
    {"Abs", .impl = "unary"},
    {"Ceil", .impl = "unary"},
    {"Cos", .impl = "unary"},
    {"Erf", .impl = "unary"},
    {"Exp", .impl = "unary"},
    {"Floor", .impl = "unary"},
    {"Log", "unary", .positive = true},
    {"Mish", .impl = "unary"},
    {"Neg", .impl = "unary"},
    {"Reciprocal", "unary", .positive = true},
    {"Round", .impl = "unary"},
    {"Sign", .impl = "unary"},
    {"Sin", .impl = "unary"},
    {"Softplus", .impl = "unary"},
    {"Softsign", .impl = "unary"},
    {"Sqrt", "unary", .positive = true},
    {"Atan", .impl = "reference"},
    {"Selu", .impl = "reference"},
};

static void test_unary(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(unary_cases) * OPERANDS; i++) {
        const unary_case *c = &unary_cases[i / OPERANDS];
        int place = (int)(i % OPERANDS);
        bool fused = (place == OF_CONV || place == OF_MATMUL) && strcmp(c->impl, "activation") == 0;
        const char *first = place == OF_INPUT ? "" : place == OF_MATMUL ? "MatMul=matmul" : "Conv=conv";
        snprintf(label, sizeof label, "%s %zu of operand %d", c->op_type, i / OPERANDS, place);
        check_model(build_unary, &(unary_model){c, place},
                    fused ? IMPLS("%s", first) : IMPLS("%s%s%s=%s", first, *first ? " " : "", c->op_type, c->impl));
    }
}

typedef struct clip_model {
    int64_t opset;
    int min, max; /* 0: none, 1: constant, 2: an input */
    float bounds[2];
} clip_model;

static sn_model *build_clip(const void *context)
{
    const clip_model *x = context;
    sn_model *m = new_model(x->opset);
    sn_value_id v = pointwise(m, batch_input(m, "x", INTS(N_ROWS, 16, 5, 4)), 16, 8, 2), bound[2] = {SN_NONE, SN_NONE};
    int kinds[] = {x->min, x->max};
    for (int i = 0; x->opset >= 11 && i < 2; i++) {
        if (kinds[i] == 1) {
            bound[i] = sn_add_initializer(m, 0, SN_STR("bound"), tensor(SINTER_FLOAT, 0, NULL, &x->bounds[i]));
        } else if (kinds[i] == 2) {
            bound[i] = batch_input(m, i ? "positive_max" : "positive_min", NULL, 0);
        }
    }
    if (x->opset >= 11) {
        v = op(m, "Clip", IDS(v, bound[0], bound[1]));
    } else {
        v = op(m, "Clip", IDS(v));
        if (x->min) attr_float(m, "min", x->bounds[0]);
        if (x->max) attr_float(m, "max", x->bounds[1]);
    }
    output(m, v);
    return m;
}

static void test_clip(void **state)
{
    (void)state;
    static const float bounds[][2] = {{0, 0.5f}, {-0.25f, 0.25f}, {0.5f, -0.5f}};
    for (int i = 0; i < 27; i++) {
        clip_model x = {13, i % 3, i / 3 % 3, {bounds[i / 9][0], bounds[i / 9][1]}};
        bool crossed = x.min == 1 && x.max == 1 && x.bounds[0] > x.bounds[1];
        bool fused = x.min < 2 && x.max < 2 && !crossed;
        snprintf(label, sizeof label, "Clip with bounds %d", i);
        check_model(build_clip, &x, fused ? "Conv=conv" : "Conv=conv Clip=reference");
        x.opset = 10;
        x.min = x.min > 0;
        x.max = x.max > 0;
        crossed = x.min && x.max && x.bounds[0] > x.bounds[1];
        check_model(build_clip, &x, crossed ? "Conv=conv Clip=reference" : "Conv=conv");
    }
}

/* ---------------------------------------------------------------------------------------------------- softmax */

typedef struct axis_model {
    const char *op_type;
    int64_t opset, axis;
    bool no_axis, behind_conv;
    int rank;
    int64_t dims[4];
} axis_model;

static sn_model *build_softmax(const void *context)
{
    const axis_model *x = context;
    sn_model *m = new_model(x->opset);
    sn_value_id v = batch_input(m, "x", x->dims, (size_t)x->rank);
    if (x->behind_conv) v = pointwise(m, v, x->dims[1], x->dims[1], x->rank - 2);
    v = op(m, x->op_type, IDS(v));
    if (!x->no_axis) attr_int(m, "axis", x->axis);
    output(m, v);
    return m;
}

static void test_softmax(void **state)
{
    (void)state;
    static const char *const ops[] = {"Softmax", "LogSoftmax"};
    static const struct {
        int rank;
        int64_t dims[4];
    } shapes[] = {{1, {37}}, {2, {4, 1000}}, {3, {2, 7, 19}}, {4, {2, 20, 5, 3}}, {4, {2, 64, 16, 16}}};
    for (size_t i = 0; i < 2 * 2 * COUNT(shapes) * 2; i++) {
        size_t k = i / 8;
        int rank = shapes[k].rank;
        if (i & 4 && rank < 3) continue;
        for (int64_t axis = -rank; axis <= rank; axis++) {
            axis_model x = {ops[i & 1], i & 2 ? 13 : 11, axis, axis == rank, i & 4, rank, {0}};
            memcpy(x.dims, shapes[k].dims, sizeof x.dims);
            if (rank == 1 && x.no_axis && x.opset == 11) continue; /* its default axis, 1, is outside */
            snprintf(label, sizeof label, "%s-%lld of shape %zu, axis %lld, behind Conv %d", x.op_type,
                     (long long)x.opset, k, (long long)axis, x.behind_conv);
            check_model(build_softmax, &x, IMPLS("%s%s=softmax", x.behind_conv ? "Conv=conv " : "", x.op_type));
        }
    }
    axis_model rows = {"Softmax", 13, -1, false, false, 2, {N_ROWS, 1000}};
    snprintf(label, sizeof label, "Softmax of rows");
    check_model(build_softmax, &rows, NULL);
}

/* ---------------------------------------------------------------------------------------------------- normalizations
 */

typedef struct norm_model {
    const char *op_type;
    int64_t opset, axis, groups;
    bool no_bias, behind_conv;
    float epsilon;
    int rank;
    int64_t dims[5];
} norm_model;

static sn_model *build_norm(const void *context)
{
    const norm_model *x = context;
    sn_model *m = new_model(x->opset);
    sn_value_id v = batch_input(m, "x", x->dims, (size_t)x->rank), scale, bias;
    if (x->behind_conv) v = pointwise(m, v, x->dims[1], x->dims[1], x->rank - 2);
    if (strcmp(x->op_type, "LayerNormalization") == 0) {
        int first = (int)(x->axis < 0 ? x->axis + x->rank : x->axis);
        scale = constant(m, x->dims + first, (size_t)(x->rank - first), 1);
        bias = constant(m, x->dims + first, (size_t)(x->rank - first), 1);
    } else {
        const int64_t *n = x->groups > 0 && x->opset < 21 ? &x->groups : &x->dims[1];
        scale = constant(m, n, 1, 1);
        bias = constant(m, n, 1, 1);
    }
    v = x->no_bias ? op(m, x->op_type, IDS(v, scale)) : op(m, x->op_type, IDS(v, scale, bias));
    if (x->axis != 0) attr_int(m, "axis", x->axis);
    if (x->groups > 0) attr_int(m, "num_groups", x->groups);
    if (x->epsilon > 0) attr_float(m, "epsilon", x->epsilon);
    output(m, v);
    return m;
}

static const norm_model norms[] = {
    {"LayerNormalization", 17, -1, .rank = 2, .dims = {N_ROWS, 77}},
    {"LayerNormalization", 17, -1, .rank = 3, .dims = {N_ROWS, 5, 64}},
    {"LayerNormalization", 17, -1, .no_bias = true, .rank = 3, .dims = {N_ROWS, 5, 64}, .epsilon = 0.1f},
    {"LayerNormalization", 17, 1, .rank = 3, .dims = {N_ROWS, 50, 33}},
    {"LayerNormalization", 17, -3, .behind_conv = true, .rank = 4, .dims = {N_ROWS, 8, 5, 4}},
    {"LayerNormalization", 17, -1, .behind_conv = true, .rank = 4, .dims = {N_ROWS, 8, 5, 4}},
    {"LayerNormalization", 17, -1, .rank = 2, .dims = {N_ROWS, 1}},
    {"InstanceNormalization", 6, .rank = 3, .dims = {N_ROWS, 5, 11}},
    {"InstanceNormalization", 6, .rank = 4, .dims = {N_ROWS, 9, 7, 6}, .epsilon = 0.1f},
    {"InstanceNormalization", 6, .rank = 4, .dims = {N_ROWS, 33, 28, 28}},
    {"InstanceNormalization", 6, .rank = 5, .dims = {N_ROWS, 4, 3, 4, 5}},
    {"InstanceNormalization", 6, .rank = 4, .dims = {N_ROWS, 1, 7, 6}},
    {"InstanceNormalization", 6, .rank = 4, .dims = {N_ROWS, 6, 1, 1}},
    {"GroupNormalization", 18, .groups = 4, .rank = 4, .dims = {N_ROWS, 16, 7, 6}},
    {"GroupNormalization", 18, .groups = 1, .rank = 4, .dims = {N_ROWS, 16, 7, 6}},
    {"GroupNormalization", 18, .groups = 18, .rank = 3, .dims = {N_ROWS, 18, 9}},
    {"GroupNormalization", 21, .groups = 4, .rank = 4, .dims = {N_ROWS, 16, 7, 6}, .epsilon = 0.1f},
    {"GroupNormalization", 21, .groups = 3, .rank = 4, .dims = {N_ROWS, 33, 28, 28}},
    {"GroupNormalization", 21, .groups = 2, .rank = 5, .dims = {N_ROWS, 4, 3, 4, 5}},
};

static void test_norms(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(norms) * 2; i++) {
        norm_model x = norms[i / 2];
        bool layer = strcmp(x.op_type, "LayerNormalization") == 0;
        if (i % 2 && (layer || x.behind_conv)) continue;
        x.behind_conv = x.behind_conv || i % 2;
        snprintf(label, sizeof label, "%s %zu, behind Conv %d", x.op_type, i / 2, x.behind_conv);
        check_model(
            build_norm, &x,
            IMPLS("%s%s=%s", x.behind_conv ? "Conv=conv " : "", x.op_type, layer ? "layer-norm" : "group-norm"));
    }
}

/* ---------------------------------------------------------------------------------------------------- reductions */

typedef struct reduce_model {
    const char *op_type;
    int64_t opset;
    bool keep_dims, behind_conv;
    unsigned axes; /* a set; none: all, unless noop */
    bool noop;
    int64_t dims[4];
} reduce_model;

static sn_model *build_reduce(const void *context)
{
    const reduce_model *x = context;
    sn_model *m = new_model(x->opset);
    sn_value_id v = batch_input(m, "x", x->dims, 4);
    int64_t axes[4];
    size_t n = 0;
    for (int i = 0; i < 4; i++) {
        if (x->axes >> i & 1) axes[n++] = i % 2 ? i - 4 : i;
    }
    if (x->behind_conv) v = pointwise(m, v, x->dims[1], x->dims[1], 2);
    bool as_input = x->opset >= (strcmp(x->op_type, "ReduceSum") == 0 ? 13 : 18);
    if (as_input && n > 0) {
        v = op(m, x->op_type, IDS(v, sn_add_initializer(m, 0, SN_STR("axes"), int_list(axes, n))));
    } else {
        v = op(m, x->op_type, IDS(v));
        if (n > 0) attr_ints(m, "axes", axes, n);
    }
    attr_int(m, "keepdims", x->keep_dims);
    if (x->noop) attr_int(m, "noop_with_empty_axes", 1);
    output(m, v);
    return m;
}

/* Are the axes of the set neighbours, or all? */
static bool is_range(unsigned axes)
{
    while (axes > 0 && axes % 2 == 0) axes /= 2;
    return (axes & (axes + 1)) == 0;
}

static void test_reduce(void **state)
{
    (void)state;
    static const char *const ops[] = {"ReduceSum",  "ReduceMean", "ReduceSumSquare", "ReduceL1",
                                      "ReduceProd", "ReduceMax",  "ReduceMin"};
    for (size_t i = 0; i < COUNT(ops) * 16 * 8; i++) {
        reduce_model x = {ops[i / 128], i & 1 ? 18 : 11, i & 2, i & 4, (unsigned)(i / 8 % 16), false, {3, 20, 5, 4}};
        bool kernel = is_range(x.axes);
        snprintf(label, sizeof label, "%s-%lld keepdims %d axes %u behind Conv %d", x.op_type, (long long)x.opset,
                 x.keep_dims, x.axes, x.behind_conv);
        check_model(build_reduce, &x,
                    IMPLS("%s%s=%s", x.behind_conv ? "Conv=conv " : "", x.op_type, kernel ? "reduce" : "reference"));
    }
}

/* Rows, sizes that are split, and no axes that mean none. */
static void test_reduce_more(void **state)
{
    (void)state;
    static const reduce_model more[] = {
        {"ReduceMean", 13, true, true, 12, false, {N_ROWS, 64, 28, 28}},
        {"ReduceMean", 13, false, true, 12, false, {N_ROWS, 20, 7, 7}},
        {"ReduceMean", 13, false, false, 12, false, {N_ROWS, 20, 7, 7}},
        {"ReduceMax", 13, false, true, 2, false, {N_ROWS, 64, 28, 28}},
        {"ReduceSum", 13, false, true, 8, false, {N_ROWS, 1, 28, 28}},
        {"ReduceSum", 13, true, true, 0, true, {N_ROWS, 4, 5, 6}},
        {"ReduceMax", 18, true, true, 0, true, {N_ROWS, 4, 5, 6}},
    };
    for (size_t i = 0; i < COUNT(more); i++) {
        snprintf(label, sizeof label, "reduction %zu", i);
        check_model(build_reduce, &more[i], NULL);
    }
}

/* ---------------------------------------------------------------------------------------------------- chains */

/* Convolution kinds as parts of chains. */
typedef enum conv_kind { WINOGRAD, DIRECT, FEW, DEPTHWISE, GROUPED, CONV_KINDS } conv_kind;
static const char *const conv_impls[] = {"winograd", "conv", "conv-few-channels", "depthwise", "conv"};
static const int64_t conv_channels[] = {18, 20, 4, 19, 12};
static conv_kind kind; /* of the chain's convolutions; channels in and out are the same */

/* [N, C, 14, 15], and what keeps that. */
static sn_value_id image_input(sn_model *m, const char *name)
{
    return batch_input(m, name, INTS(N_ROWS, conv_channels[kind], 14, 15));
}

static sn_value_id conv_with(sn_model *m, sn_value_id x, sn_value_id w, bool bias)
{
    int64_t c = conv_channels[kind];
    sn_value_id y = bias ? op(m, "Conv", IDS(x, w, constant(m, &c, 1, 1))) : op(m, "Conv", IDS(x, w));
    if (kind != DIRECT) attr_ints(m, "pads", INTS(1, 1, 1, 1));
    if (kind == DEPTHWISE) attr_int(m, "group", c);
    if (kind == GROUPED) attr_int(m, "group", 3);
    return y;
}

static sn_value_id conv_weight(sn_model *m)
{
    int64_t c = conv_channels[kind], each = kind == DEPTHWISE ? 1 : kind == GROUPED ? c / 3 : c;
    int64_t k = kind == DIRECT ? 1 : 3;
    return constant(m, INTS(c, each, k, k), 1 / sqrtf((float)(each * k * k)));
}

static sn_value_id conv(sn_model *m, sn_value_id x)
{
    return conv_with(m, x, conv_weight(m), true);
}

static sn_model *residual_before(const void *activation)
{
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), r = conv(m, x);
    sn_value_id y = op(m, "Add", IDS(conv(m, op(m, "Neg", IDS(r))), r));
    output(m, activation ? op(m, activation, IDS(y)) : y);
    return m;
}

/* The residual comes first in the addition, and from an input. */
static sn_model *residual_input(const void *activation)
{
    sn_model *m = new_model(20);
    sn_value_id r = image_input(m, "r"), y = op(m, "Add", IDS(r, conv(m, image_input(m, "x"))));
    output(m, activation ? op(m, activation, IDS(y)) : y);
    return m;
}

/* What is added is computed later, so that another convolution takes the addition. */
static sn_model *residual_after(const void *activation)
{
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), first = conv(m, x), second = conv(m, x);
    sn_value_id y = op(m, "Add", IDS(first, second));
    output(m, op(m, activation, IDS(y)));
    return m;
}

/* Computed later by a node that cannot fuse: the addition stays. */
static sn_model *residual_too_late(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), y = conv(m, x), r = op(m, "Neg", IDS(x));
    output(m, op(m, "Relu", IDS(op(m, "Add", IDS(y, r)))));
    return m;
}

static sn_model *residual_is_output(const void *activation)
{
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), r = conv(m, x), y = op(m, "Add", IDS(conv(m, r), r));
    output(m, r);
    output(m, op(m, activation, IDS(y)));
    return m;
}

static sn_model *middle_is_output(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), c = conv(m, x), sum = op(m, "Add", IDS(c, x));
    output(m, sum);
    output(m, op(m, "Relu", IDS(sum)));
    return m;
}

static sn_model *conv_is_output(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), c = conv(m, x), sum = op(m, "Add", IDS(c, x));
    output(m, op(m, "Relu", IDS(sum)));
    output(m, c);
    return m;
}

/* The sum of a convolution and itself is no residual. */
static sn_model *twice(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id c = conv(m, image_input(m, "x"));
    output(m, op(m, "Relu", IDS(op(m, "Add", IDS(c, c)))));
    return m;
}

/* A residual of one element per channel is none. */
static sn_model *channel_added(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), c = conv(m, x);
    output(m, op(m, "Relu", IDS(op(m, "Add", IDS(c, op(m, "GlobalAveragePool", IDS(x)))))));
    return m;
}

static sn_model *silu(const void *mul_first)
{
    sn_model *m = new_model(20);
    sn_value_id c = conv(m, image_input(m, "x")), s = op(m, "Sigmoid", IDS(c));
    output(m, conv(m, mul_first ? op(m, "Mul", IDS(c, s)) : op(m, "Mul", IDS(s, c))));
    return m;
}

static sn_model *silu_with_residual(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), c = op(m, "Add", IDS(conv(m, x), x));
    output(m, op(m, "Mul", IDS(c, op(m, "Sigmoid", IDS(c)))));
    return m;
}

static sn_model *silu_seen(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id c = conv(m, image_input(m, "x")), s = op(m, "Sigmoid", IDS(c));
    output(m, op(m, "Mul", IDS(c, s)));
    output(m, s);
    return m;
}

static sn_model *silu_of_output(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id c = conv(m, image_input(m, "x"));
    output(m, op(m, "Mul", IDS(c, op(m, "Sigmoid", IDS(c)))));
    output(m, c);
    return m;
}

/* sigmoid(c) * x is not SiLU. */
static sn_model *gate(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), c = conv(m, x);
    output(m, op(m, "Mul", IDS(op(m, "Sigmoid", IDS(c)), x)));
    return m;
}

static sn_model *flatten_gemm(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id c = op(m, "Flatten", IDS(op(m, "Relu", IDS(conv(m, image_input(m, "x"))))));
    sn_value_id w = constant(m, INTS(conv_channels[kind] * 14 * 15, 10), 0.02f);
    output(m, op(m, "Gemm", IDS(c, w, constant(m, INTS(10), 1))));
    return m;
}

static sn_model *reshape_chain(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id c = conv(m, image_input(m, "x")), shape = op(m, "Shape", IDS(c));
    sn_value_id target = sn_add_initializer(m, 0, SN_STR("shape"), int_list(INTS(0, -1)));
    sn_value_id flat = op(m, "Reshape", IDS(c, target));
    output(m, op(m, "Reshape", IDS(op(m, "Neg", IDS(flat)), shape)));
    return m;
}

static sn_model *shared_weight(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id w = conv_weight(m), c = conv_with(m, image_input(m, "x"), w, true);
    output(m, conv_with(m, op(m, "Relu", IDS(c)), w, false));
    return m;
}

/* On maps of two sizes, which Winograd does with tiles of two sizes. */
static sn_model *shared_by_sizes(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id w = conv_weight(m), c = conv_with(m, image_input(m, "x"), w, false);
    sn_value_id half = op(m, "MaxPool", IDS(c));
    attr_ints(m, "kernel_shape", INTS(2, 2));
    attr_ints(m, "strides", INTS(2, 2));
    output(m, conv_with(m, half, w, true));
    return m;
}

static sn_model *weight_read_elsewhere(const void *as_output)
{
    sn_model *m = new_model(20);
    sn_value_id w = conv_weight(m), c = conv_with(m, image_input(m, "x"), w, true);
    output(m, c);
    output(m, as_output ? w : op(m, "Neg", IDS(w)));
    return m;
}

/* Between convolutions everything lies with channels last, and ends in a plain operator and as an output. */
static sn_model *both_layouts(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id c = conv(m, image_input(m, "x")), t = op(m, "Transpose", IDS(c)), d, u;
    attr_ints(m, "perm", INTS(0, 2, 3, 1));
    d = conv(m, c);
    u = op(m, "Transpose", IDS(op(m, "Tanh", IDS(d))));
    attr_ints(m, "perm", INTS(0, 2, 3, 1));
    output(m, op(m, "Sub", IDS(u, t)));
    output(m, d);
    return m;
}

/* A plain value and one with channels last meet in every order. */
static sn_model *mixed_layouts(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), plain = op(m, "Neg", IDS(op(m, "Softmax", IDS(x)))), c = conv(m, x);
    sn_value_id a = op(m, "Sub", IDS(plain, c)), b = op(m, "Mul", IDS(a, plain)), d = op(m, "Max", IDS(plain, b));
    output(m, op(m, "Softmax", IDS(d)));
    output(m, op(m, "MaxPool", IDS(d)));
    attr_ints(m, "kernel_shape", INTS(2, 2));
    return m;
}

/* A body reads what lies with channels last outside; it computes a convolution itself. */
static sn_model *captured(const void *branch)
{
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), c = op(m, "Relu", IDS(conv(m, x))), w = conv_weight(m), outs[2];
    sn_type boolean = tensor_type(SINTER_BOOL, 0, NULL);
    sn_value_id cond = sn_add_value(m, 0, sn_str_of(branch), &boolean);
    assert_true(cond != SN_NONE && sn_add_input(m, 0, cond));
    sn_value_id y = op(m, "If", IDS(cond));
    sn_node_id owner = last_node;
    static const char *const branches[] = {"then_branch", "else_branch"};
    for (int i = 0; i < 2; i++) {
        sn_graph_id g = body(m, owner, branches[i]);
        if (i == 0) {
            outs[i] = op_in(m, g, "Neg", IDS(c));
        } else {
            outs[i] = op_in(m, g, "Conv", IDS(c, w));
            if (kind != DIRECT) attr_ints(m, "pads", INTS(1, 1, 1, 1));
            if (kind == DEPTHWISE) attr_int(m, "group", conv_channels[kind]);
            if (kind == GROUPED) attr_int(m, "group", 3);
        }
        assert_true(sn_add_output(m, g, outs[i]));
    }
    output(m, conv_with(m, y, w, true));
    output(m, op(m, "Add", IDS(conv(m, c), y)));
    return m;
}

/* In the optimized model the BatchNormalization becomes a ChannelAffine. */
static sn_model *batch_norm(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(15);
    int64_t c = conv_channels[kind];
    sn_value_id x = op(m, "Relu", IDS(conv(m, image_input(m, "x"))));
    sn_value_id y =
        op(m, "BatchNormalization",
           IDS(x, constant(m, &c, 1, 1), constant(m, &c, 1, 1), constant(m, &c, 1, 1), positive_constant(m, &c, 1, 1)));
    output(m, op(m, "Tanh", IDS(y)));
    return m;
}

/* "%" stands for the convolution's implementation; "#" for that of one from plain to plain. */
static const struct {
    model_builder build;
    const void *context;
    const char *impls;
} chains[] = {
    {residual_before, "Relu", "Conv=% Neg=unary Conv=%"},
    {residual_before, "Gelu", "Conv=% Neg=unary Conv=%"},
    {residual_before, NULL, "Conv=% Neg=unary Conv=%"},
    {residual_input, "Relu", "Conv=#"},
    {residual_input, "Sigmoid", "Conv=#"},
    {residual_input, NULL, "Conv=#"},
    {residual_after, "Relu", "Conv=% Conv=#"},
    {residual_too_late, NULL, "Conv=% Neg=unary Add=binary Relu=activation"},
    {residual_is_output, "Relu", "Conv=# Conv=#"},
    {residual_is_output, "HardSwish", "Conv=# Conv=#"},
    {middle_is_output, NULL, "Conv=# Relu=activation"},
    {conv_is_output, NULL, "Conv=# Add=binary Relu=activation"},
    {twice, NULL, "Conv=% Add=binary Relu=activation"},
    {channel_added, NULL, "Conv=% GlobalAveragePool=global-average Add=binary Relu=activation"},
    {silu, "", "Conv=% Conv=%"},
    {silu, NULL, "Conv=% Conv=%"},
    {silu_with_residual, NULL, "Conv=#"},
    {silu_seen, NULL, "Conv=% Sigmoid=activation Mul=binary"},
    {silu_of_output, NULL, "Conv=# Sigmoid=activation Mul=binary"},
    {gate, NULL, "Conv=% Mul=binary"},
    {flatten_gemm, NULL, "Conv=% Flatten=reference Gemm=gemm"},
    {reshape_chain, NULL, "Conv=% Reshape=reference Neg=unary Reshape=reference"},
    {shared_weight, NULL, "Conv=% Conv=%"},
    {shared_by_sizes, NULL, "Conv=% MaxPool=max-pool Conv=%"},
    {weight_read_elsewhere, NULL, NULL},
    {weight_read_elsewhere, "", "Conv=#"},
    {both_layouts, NULL, NULL},
    {mixed_layouts, NULL, NULL},
    {captured, "yes", NULL},
    {captured, "no", NULL},
    {batch_norm, NULL, NULL},
};

static const char *insert_impl(const char *text)
{
    size_t used = 0;
    for (; *text; text++) {
        if (*text == '%' || *text == '#') {
            const char *impl = *text == '#' && kind == FEW ? "conv-planar" : conv_impls[kind];
            used += (size_t)snprintf(impls + used, sizeof impls - used, "%s", impl);
        } else {
            impls[used++] = *text;
        }
    }
    impls[used] = '\0';
    return impls;
}

static void test_chains(void **state)
{
    (void)state;
    for (int k = 0; k < CONV_KINDS; k++) {
        kind = (conv_kind)k;
        for (size_t i = 0; i < COUNT(chains); i++) {
            snprintf(label, sizeof label, "chain %zu of %s %d", i, conv_impls[kind], k);
            check_model(chains[i].build, chains[i].context, chains[i].impls ? insert_impl(chains[i].impls) : NULL);
        }
    }
}

/* The lowering stage makes ChannelAffine, which runs in either layout. */
static void test_channel_affine(void **state)
{
    (void)state;
    kind = DIRECT;
    snprintf(label, sizeof label, "BatchNormalization");
    sinter_session *s = open_session(batch_norm(NULL), false, 2, true);
    values in = make_inputs(s, BATCH), out = run(s, &in);
    expect_impls(s, "Conv=conv ChannelAffine=channel-affine Tanh=activation");
    release(&out);
    release(&in);
    sinter_session_free(s);
}

/* ---------------------------------------------------------------------------------------------------- products' chains
 */

typedef struct linear_model {
    int rank;
    int64_t bias_rank; /* leading ones in front of the columns; 0: no bias */
    bool bias_first, residual, gemm, full_c;
    const char *activation;
} linear_model;

static sn_model *build_linear(const void *context)
{
    const linear_model *x = context;
    sn_model *m = new_model(20);
    int64_t in[] = {x->full_c ? 6 : N_ROWS, 7, 24}, out[] = {in[0], 7, 33}, bias[] = {1, 1, 33};
    if (x->rank == 2) in[1] = 24, out[1] = 33;
    sn_value_id a = batch_input(m, "a", in, (size_t)x->rank), w = constant(m, INTS(24, 33), 0.3f), y;
    if (x->gemm && x->full_c) {
        y = op(m, "Gemm", IDS(a, w, constant(m, out, 2, 1)));
    } else if (x->gemm) {
        y = op(m, "Gemm", IDS(a, w, constant(m, INTS(33), 1)));
    } else {
        y = op(m, "MatMul", IDS(a, w));
    }
    if (x->bias_rank > 0) {
        sn_value_id b = constant(m, bias + 3 - x->bias_rank, (size_t)x->bias_rank, 1);
        y = x->bias_first ? op(m, "Add", IDS(b, y)) : op(m, "Add", IDS(y, b));
    }
    if (x->residual) y = op(m, "Add", IDS(y, batch_input(m, "r", out, (size_t)x->rank)));
    if (x->activation) y = op(m, x->activation, IDS(y));
    output(m, y);
    return m;
}

static void test_linear(void **state)
{
    (void)state;
    static const struct {
        linear_model x;
        const char *impls;
    } cases[] = {
        {{3, 1, .activation = "Gelu"}, "MatMul=matmul"},
        {{3, 1, .bias_first = true, .activation = "Gelu"}, "MatMul=matmul"},
        {{3, 3, .residual = true, .activation = "Relu"}, "MatMul=matmul"},
        {{3, 2, .residual = true}, "MatMul=matmul"},
        {{3, 0, .residual = true, .activation = "Tanh"}, "MatMul=matmul"},
        {{2, 1, .residual = true, .activation = "LeakyRelu"}, "MatMul=matmul"},
        {{2, .bias_rank = 2}, "MatMul=matmul"},
        {{2, .bias_rank = 3}, "MatMul=matmul Add=binary"}, /* the bias adds an axis */
        {{2, 0, .activation = "Elu"}, "MatMul=matmul"},
        {{2, 0, .gemm = true, .activation = "Sigmoid"}, "Gemm=gemm"},
        {{2, 0, .gemm = true, .residual = true, .activation = "Clip"}, "Gemm=gemm"},
        {{2, 1, .gemm = true, .activation = "Clip"}, "Gemm=gemm Add=binary Clip=activation"},
        {{2, 0, .gemm = true, .full_c = true, .activation = "Relu"}, "Gemm=gemm"},
        {{2, 0, .gemm = true, .full_c = true, .residual = true, .activation = "Relu"},
         "Gemm=gemm Add=binary Relu=activation"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        snprintf(label, sizeof label, "linear layer %zu", i);
        check_model(build_linear, &cases[i].x, cases[i].impls);
    }
}

/* y = x W + r where r is what the memory of x could be reused for, and the other way round. */
static sn_model *attention(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id x = batch_input(m, "x", INTS(N_ROWS, 12, 32)), w[3], heads[3];
    for (int i = 0; i < 3; i++) {
        w[i] = op(m, "MatMul", IDS(x, constant(m, INTS(32, 32), 0.2f)));
        sn_value_id shape = sn_add_initializer(m, 0, SN_STR("shape"), int_list(INTS(0, 12, 4, 8)));
        heads[i] = op(m, "Transpose", IDS(op(m, "Reshape", IDS(w[i], shape))));
        attr_ints(m, "perm", INTS(0, 2, 1, 3));
    }
    sn_value_id keys = op(m, "Transpose", IDS(heads[1]));
    attr_ints(m, "perm", INTS(0, 1, 3, 2));
    sn_value_id weights = op(m, "Softmax", IDS(op(m, "MatMul", IDS(heads[0], keys))));
    sn_value_id y = op(m, "Transpose", IDS(op(m, "MatMul", IDS(weights, heads[2]))));
    attr_ints(m, "perm", INTS(0, 2, 1, 3));
    sn_value_id shape = sn_add_initializer(m, 0, SN_STR("shape"), int_list(INTS(0, 12, 32)));
    y = op(m, "MatMul", IDS(op(m, "Reshape", IDS(y, shape)), constant(m, INTS(32, 32), 0.2f)));
    y = op(m, "Add", IDS(x, op(m, "Add", IDS(y, constant(m, INTS(32), 1)))));
    output(m, op(m, "LayerNormalization", IDS(y, constant(m, INTS(32), 1))));
    return m;
}

static void test_attention(void **state)
{
    (void)state;
    snprintf(label, sizeof label, "attention");
    check_model(attention, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),      cmocka_unit_test(test_gemm),           cmocka_unit_test(test_gemm_rows),
        cmocka_unit_test(test_matmul),    cmocka_unit_test(test_pools),          cmocka_unit_test(test_binary),
        cmocka_unit_test(test_unary),     cmocka_unit_test(test_clip),           cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_norms),     cmocka_unit_test(test_reduce),         cmocka_unit_test(test_reduce_more),
        cmocka_unit_test(test_chains),    cmocka_unit_test(test_channel_affine), cmocka_unit_test(test_linear),
        cmocka_unit_test(test_attention),
    };
    return cmocka_run_group_tests(tests, make_pool, free_pool);
}
