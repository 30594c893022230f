/*
 * Folding: every pattern as a small model, run by the reference interpreter before and after. Outputs must agree, and
 * the number of BatchNormalizations that go, the operator they go into and the nodes that are left must be as expected.
 */
#include "tests/passes/model_kit.h"

typedef struct fold_case {
    const char *name;
    void (*build)(sn_model *m);
    int opset;
    size_t folded;
    const char *into_op; /* of the first row */
    size_t nodes_left;
} fold_case;

static sn_node_id linear(sn_model *m, const char *op, const char *in, const char *out, const char *weight_dims,
                         const char *bias_dims)
{
    char w[64], b[64], inputs[256];
    snprintf(w, sizeof w, "%s_w", out);
    snprintf(b, sizeof b, "%s_bias", out);
    kit_init(m, w, weight_dims);
    if (bias_dims) kit_init(m, b, bias_dims);
    snprintf(inputs, sizeof inputs, "%s,%s%s%s", in, w, bias_dims ? "," : "", bias_dims ? b : "");
    return kit_node(m, op, inputs, out);
}

static void conv_same_upper(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,3,7,7");
    sn_node_id conv = linear(m, "Conv", "x", "c", "6,3,3,3", NULL);
    assert_true(sn_set_attr_string(m, conv, "auto_pad", SN_STR("SAME_UPPER")));
    kit_bn(m, "c", "y", 6);
    kit_output(m, "y");
}

static void conv_grouped(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,4,5,5");
    sn_node_id conv = linear(m, "Conv", "x", "c", "6,2,3,3", "6");
    assert_true(sn_set_attr_int(m, conv, "group", 2));
    kit_bn(m, "c", "y", 6);
    kit_output(m, "y");
}

static void conv_depthwise_1d(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,4,9");
    sn_node_id conv = linear(m, "Conv", "x", "c", "8,1,3", NULL);
    assert_true(sn_set_attr_int(m, conv, "group", 4));
    kit_bn(m, "c", "y", 8);
    kit_output(m, "y");
}

static void conv_3d(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,2,4,4,4");
    linear(m, "Conv", "x", "c", "3,2,2,2,2", "3");
    kit_bn(m, "c", "y", 3);
    kit_output(m, "y");
}

static void conv_transpose_grouped(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,4,4,4");
    sn_node_id conv = linear(m, "ConvTranspose", "x", "c", "4,3,3,3", "6");
    assert_true(sn_set_attr_int(m, conv, "group", 2));
    kit_ints(m, conv, "strides", 2, (int64_t[]){2, 2});
    kit_ints(m, conv, "output_padding", 2, (int64_t[]){1, 1});
    kit_bn(m, "c", "y", 6);
    kit_output(m, "y");
}

static void chain_add_bn(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,3,5,5");
    linear(m, "Conv", "x", "c", "4,3,3,3", NULL);
    kit_init(m, "k", "1,4,1,1");
    kit_node(m, "Add", "k,c", "a");
    kit_bn(m, "a", "y", 4);
    kit_output(m, "y");
}

static void chain_mul_sub_div(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,3,5,5");
    linear(m, "Conv", "x", "c", "4,3,3,3", "4");
    kit_init(m, "k", "4,1,1");
    kit_init_of(m, "d", SINTER_FLOAT, "", 0.5, 2.0);
    kit_node(m, "Mul", "c,k", "p");
    kit_node(m, "Sub", "k,p", "q");
    kit_node(m, "Div", "q,d", "y");
    kit_output(m, "y");
}

static void bn_after_bn(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,3,5,5");
    linear(m, "Conv", "x", "c", "4,3,1,1", NULL);
    kit_bn(m, "c", "b", 4);
    kit_bn(m, "b", "y", 4);
    kit_output(m, "y");
}

static void gemm_options(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "5,3");
    sn_node_id gemm = linear(m, "Gemm", "x", "c", "4,5", "3,1");
    assert_true(sn_set_attr_int(m, gemm, "transA", 1) && sn_set_attr_int(m, gemm, "transB", 1));
    assert_true(sn_set_attr_float(m, gemm, "alpha", 0.5F) && sn_set_attr_float(m, gemm, "beta", 2.0F));
    kit_bn(m, "c", "y", 4);
    kit_output(m, "y");
}

static void gemm_matrix_c(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "3,5");
    sn_node_id gemm = linear(m, "Gemm", "x", "c", "5,4", "3,4");
    assert_true(sn_set_attr_float(m, gemm, "beta", 3.0F));
    kit_bn(m, "c", "y", 4);
    kit_output(m, "y");
}

static void gemm_scalar_c(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,5");
    linear(m, "Gemm", "x", "c", "5,4", "");
    kit_bn(m, "c", "y", 4);
    kit_output(m, "y");
}

static void gemm_no_c(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,5");
    linear(m, "Gemm", "x", "c", "5,4", NULL);
    kit_bn(m, "c", "y", 4);
    kit_output(m, "y");
}

static void matmul_2d(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,5");
    linear(m, "MatMul", "x", "c", "5,4", NULL);
    kit_bn(m, "c", "y", 4);
    kit_output(m, "y");
}

static void matmul_left_batched(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,5,6");
    kit_init(m, "w", "4,5");
    kit_node(m, "MatMul", "w,x", "c");
    kit_bn(m, "c", "y", 4);
    kit_output(m, "y");
}

static void matmul_add_transpose(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,6,5");
    linear(m, "MatMul", "x", "c", "5,4", NULL);
    kit_init(m, "k", "4");
    kit_node(m, "Add", "c,k", "a");
    kit_ints(m, kit_node(m, "Transpose", "a", "t"), "perm", 3, (int64_t[]){0, 2, 1});
    kit_bn(m, "t", "y", 4);
    kit_output(m, "y");
}

static void matmul_reshape_rows(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,6,5");
    linear(m, "MatMul", "x", "c", "5,4", NULL);
    kit_int64s(m, "shape", "2", (int64_t[]){-1, 4});
    kit_node(m, "Reshape", "c,shape", "r");
    kit_bn(m, "r", "y", 4);
    kit_output(m, "y");
}

/* The generator of a GAN: one column per pixel, a channel is a block of columns. */
static void gemm_to_image(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,5");
    linear(m, "Gemm", "x", "c", "5,24", "24");
    kit_int64s(m, "shape", "4", (int64_t[]){-1, 4, 2, 3});
    kit_node(m, "Reshape", "c,shape", "r");
    kit_bn(m, "r", "y", 4);
    kit_output(m, "y");
}

static void matmul_unsqueeze(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,5");
    linear(m, "MatMul", "x", "c", "5,4", NULL);
    kit_int64s(m, "axes", "1", (int64_t[]){-1});
    kit_node(m, "Unsqueeze", "c,axes", "u");
    kit_bn(m, "u", "b", 4);
    kit_int64s(m, "axes2", "1", (int64_t[]){2});
    kit_node(m, "Squeeze", "b,axes2", "y");
    kit_output(m, "y");
}

static void forward_conv(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,4,5,5");
    kit_bn(m, "x", "b", 4);
    sn_node_id conv = linear(m, "Conv", "b", "y", "6,2,3,3", NULL);
    assert_true(sn_set_attr_int(m, conv, "group", 2));
    kit_output(m, "y");
}

static void forward_padded_without_shift(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,2,5,5");
    kit_init(m, "s", "2");
    kit_init_of(m, "zero", SINTER_FLOAT, "2", 0.0, 0.0);
    kit_init_of(m, "v", SINTER_FLOAT, "2", 0.5, 2.0);
    kit_node(m, "BatchNormalization", "x,s,zero,zero,v", "b");
    sn_node_id conv = linear(m, "Conv", "b", "y", "3,2,3,3", "3");
    kit_ints(m, conv, "pads", 4, (int64_t[]){1, 1, 1, 1});
    kit_output(m, "y");
}

static void forward_flatten_gemm(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,4,2,3");
    kit_bn(m, "x", "b", 4);
    kit_node(m, "Flatten", "b", "f");
    sn_node_id gemm = linear(m, "Gemm", "f", "y", "5,24", "5");
    assert_true(sn_set_attr_int(m, gemm, "transB", 1) && sn_set_attr_float(m, gemm, "alpha", 0.25F));
    kit_output(m, "y");
}

static void forward_matmul(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,4");
    kit_bn(m, "x", "b", 4);
    linear(m, "MatMul", "b", "y", "4,3", NULL);
    kit_output(m, "y");
}

static void forward_matmul_left(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,4,5");
    kit_bn(m, "x", "b", 4);
    kit_init(m, "w", "3,4");
    kit_node(m, "MatMul", "w,b", "y");
    kit_output(m, "y");
}

static void shared_weight(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,3,5,5");
    kit_init(m, "w", "4,3,3,3");
    kit_init(m, "k", "4");
    kit_node(m, "Conv", "x,w,k", "c0");
    kit_node(m, "Conv", "x,w,k", "c1");
    kit_node(m, "Conv", "x,w,k", "y1");
    kit_bn(m, "c0", "b0", 4);
    kit_bn(m, "c1", "b1", 4);
    kit_node(m, "Sub", "b0,b1", "y0");
    kit_output(m, "y0");
    kit_output(m, "y1");
}

/* Float16 data with float32 statistics, as opset 15 allows. */
static void half_weights(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT16, "N,3,5,5");
    kit_init_of(m, "w", SINTER_FLOAT16, "4,3,1,1", -1.0, 1.0);
    kit_node(m, "Conv", "x,w", "c");
    kit_bn(m, "c", "y", 4);
    kit_output(m, "y");
}

static const fold_case cases[] = {
    {"conv, auto_pad", conv_same_upper, 13, 1, "Conv", 1},
    {"conv, grouped", conv_grouped, 13, 1, "Conv", 1},
    {"conv, depthwise, 1-D", conv_depthwise_1d, 9, 1, "Conv", 1},
    {"conv, 3-D", conv_3d, 13, 1, "Conv", 1},
    {"conv_transpose, grouped", conv_transpose_grouped, 13, 1, "ConvTranspose", 1},
    {"conv, add, bn", chain_add_bn, 13, 1, "Conv", 1},
    {"conv, mul, sub, div", chain_mul_sub_div, 13, 0, NULL, 1},
    {"bn after bn", bn_after_bn, 13, 2, "Conv", 1},
    {"gemm, all attributes, C [M,1]", gemm_options, 13, 1, "Gemm", 1},
    {"gemm, C [M,N]", gemm_matrix_c, 13, 1, "Gemm", 1},
    {"gemm, scalar C", gemm_scalar_c, 13, 1, "Gemm", 1},
    {"gemm, no C", gemm_no_c, 13, 1, "Gemm", 1},
    {"matmul, 2-D", matmul_2d, 13, 1, "MatMul", 2},
    {"matmul, weight left", matmul_left_batched, 13, 1, "MatMul", 2},
    {"matmul, add, transpose", matmul_add_transpose, 13, 1, "MatMul", 3},
    {"matmul, reshape", matmul_reshape_rows, 13, 1, "MatMul", 3},
    {"gemm, reshape to image", gemm_to_image, 13, 1, "Gemm", 2},
    {"matmul, unsqueeze", matmul_unsqueeze, 13, 1, "MatMul", 4},
    {"forward, grouped conv", forward_conv, 13, 1, "Conv", 1},
    {"forward, padded, no shift", forward_padded_without_shift, 13, 1, "Conv", 1},
    {"forward, flatten, gemm", forward_flatten_gemm, 13, 1, "Gemm", 2},
    {"forward, matmul", forward_matmul, 13, 1, "MatMul", 2},
    {"forward, matmul, weight left", forward_matmul_left, 13, 1, "MatMul", 2},
    {"shared weights", shared_weight, 13, 2, "Conv", 4},
    {"float16 weights, float statistics", half_weights, 15, 1, "Conv", 1},
};

static void test_fold(void **state)
{
    const fold_case *c = *state;
    sn_model *m = kit_model(c->opset);
    c->build(m);
    bool half = m->values[m->graphs[0].inputs.items[0]].type.dtype == SINTER_FLOAT16;
    sinter_report *r = kit_optimize_same(m, NULL, half ? 2e-2 : 1e-4);
    size_t folded = 0;
    for (size_t i = 0; i < sinter_report_bn_count(r); i++) {
        sinter_bn_row row = sinter_report_bn(r, i);
        if (row.verdict != SINTER_BN_FOLDED) fail_msg("%s is kept: %s", row.name, row.reason);
        assert_string_equal(row.into_op, c->into_op);
        folded++;
    }
    assert_int_equal(folded, c->folded);
    assert_int_equal(kit_count(m, "BatchNormalization"), 0);
    assert_int_equal(kit_count(m, NULL), c->nodes_left);
    assert_int_equal(sinter_report_nodes_after(r), c->nodes_left);
    kit_free(m, r);
}

static void test_shared_weight_gets_copies(void **state)
{
    (void)state;
    sn_model *m = kit_model(13);
    shared_weight(m);
    kit_free(NULL, kit_optimize(m, NULL));
    /* The Conv without a BatchNormalization still reads the original. */
    const sinter_value *w = sn_constant(m, kit_find(m, 0, "w"));
    assert_non_null(w);
    assert_int_equal(m->graphs[0].initializers.count, 6);
    kit_free(m, NULL);
}

static void test_dump(void **state)
{
    (void)state;
    sn_model *m = kit_model(13);
    matmul_2d(m);
    kit_assert_dump(m, "graph \n"
                       "  input x: float[Nx5]\n"
                       "  init c_w: float[5x4]\n"
                       "  init y_s: float[4]\n"
                       "  init y_b: float[4]\n"
                       "  init y_m: float[4]\n"
                       "  init y_v: float[4]\n"
                       "  c = MatMul(x, c_w)\n"
                       "  y = BatchNormalization(c, y_s, y_b, y_m, y_v)\n"
                       "  output y: ?\n");
    kit_free(NULL, kit_optimize(m, NULL));
    kit_assert_dump(m, "graph \n"
                       "  input x: float[Nx5]\n"
                       "  init c_w: float[5x4]\n"
                       "  init op_c.bias: float[4]\n"
                       "  c_1 = MatMul(x, c_w)\n"
                       "  y = Add(c_1, op_c.bias)\n"
                       "  output y: ?\n");
    kit_free(m, NULL);
}

/* A second run has nothing left to do. */
static void test_idempotent(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_model *m = kit_model(cases[i].opset);
        cases[i].build(m);
        kit_free(NULL, kit_optimize(m, NULL));
        sinter_report *again = kit_optimize(m, NULL);
        for (size_t p = 0; p < sinter_report_pass_count(again); p++)
            assert_int_equal(sinter_report_pass(again, p).changes, 0);
        kit_free(m, again);
    }
}

/* Whatever allocation fails: a clean error, no leak, and a model that still computes the same. */
static void fail_at(const fold_case *c, long n, bool *done)
{
    sn_model *m = kit_model(c->opset);
    c->build(m);
    sinter_value *x = kit_random_input(m, m->graphs[0].inputs.items[0], 1), *before[4] = {0}, *after[4] = {0};
    sinter_error err = {0};
    sinter_report *r = NULL;
    assert_int_equal(kit_run_model(m, &x, 1, before, &err), SINTER_OK);
    sn_alloc_fail_after(n);
    sinter_status status = sinter_model_optimize((sinter_model *)m, NULL, &r, &err);
    sn_alloc_fail_after(-1);
    if (status != SINTER_OK) assert_int_equal(status, SINTER_NO_MEMORY);
    kit_verify(m);
    if (kit_run_model(m, &x, 1, after, &err) != SINTER_OK) fail_msg("%s", err.text);
    for (size_t i = 0; i < m->graphs[0].outputs.count; i++) {
        sinter_difference d = sinter_value_compare(after[i], before[i], 1e-4, 1e-5);
        if (!d.comparable || d.mismatches) fail_msg("allocation %ld: %s", n, d.text);
        sinter_value_release(before[i]);
        sinter_value_release(after[i]);
    }
    sinter_value_release(x);
    kit_free(m, r);
    *done = status == SINTER_OK;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i + 1 < sizeof cases / sizeof *cases; i++) { /* the last one is of float16 */
        bool done = false;
        for (long n = 0; !done; n++) fail_at(&cases[i], n, &done);
    }
}

int main(void)
{
    enum { N = sizeof cases / sizeof *cases };
    struct CMUnitTest tests[N + 4];
    for (size_t i = 0; i < N; i++)
        tests[i] = (struct CMUnitTest){cases[i].name, test_fold, NULL, NULL, (void *)(uintptr_t)&cases[i]};
    tests[N] = (struct CMUnitTest)cmocka_unit_test(test_shared_weight_gets_copies);
    tests[N + 1] = (struct CMUnitTest)cmocka_unit_test(test_dump);
    tests[N + 2] = (struct CMUnitTest)cmocka_unit_test(test_idempotent);
    tests[N + 3] = (struct CMUnitTest)cmocka_unit_test(test_out_of_memory);
    return cmocka_run_group_tests_name("fold", tests, NULL, NULL);
}
