/* Gemm and MatMul, and what fuses with them, of the runtime against the reference of every operator: see
 * compare_sessions.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/runtime/impl_cases.h"

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
    check_model(build_matmul, &(matmul_model){c, constant_b}, runs_as("MatMul=%s", c->impl));
}

static void test_matmul(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * COUNT(matmul_cases); i++) check_matmul(&matmul_cases[i / 2], i % 2);
    for (size_t i = 0; i < COUNT(both_cases); i++) check_matmul(&both_cases[i], false);
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
        {{2, 1, .gemm = true, .activation = "Clip"}, "Gemm=gemm Add=binary"},
        {{2, 0, .gemm = true, .full_c = true, .activation = "Relu"}, "Gemm=gemm"},
        {{2, 0, .gemm = true, .full_c = true, .residual = true, .activation = "Relu"}, "Gemm=gemm Add=binary"},
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

/* Before opset 7 a bias may lie along any axis; here along the rows, of which there are as many as columns. */
static sn_model *legacy_bias(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(6);
    sn_value_id y = op(m, "MatMul", IDS(batch_input(m, "x", INTS(4, 4)), constant(m, INTS(4, 4), 0.5f)));
    y = op(m, "Add", IDS(y, constant(m, INTS(4), 1)));
    attr_int(m, "broadcast", 1);
    attr_int(m, "axis", 0);
    output(m, y);
    return m;
}

static void test_legacy_bias(void **state)
{
    (void)state;
    snprintf(label, sizeof label, "a bias along an axis");
    check_model(legacy_bias, NULL, "MatMul=matmul Add=reference");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemm),   cmocka_unit_test(test_gemm_rows), cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_linear), cmocka_unit_test(test_attention), cmocka_unit_test(test_legacy_bias),
    };
    return cmocka_run_group_tests(tests, make_pool, free_pool);
}
