/* Gemm and MatMul beyond the conformance suite: integers, broadcasting of C, symbolic shapes, contradictions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "one_node.h"
#include "ops/matmul.h"

static void test_gemm_broadcasts_c(void **state)
{
    (void)state;
    static const struct {
        int rank;
        int64_t dims[2];
        double expected[6]; /* of [1, 2]' * [1, 1, 1] + 10 * C, C counting from 1 */
    } cases[] = {
        {0, {0}, {11, 11, 11, 12, 12, 12}},    {1, {1}, {11, 11, 11, 12, 12, 12}},
        {1, {3}, {11, 21, 31, 12, 22, 32}},    {2, {2, 1}, {11, 11, 11, 22, 22, 22}},
        {2, {1, 3}, {11, 21, 31, 12, 22, 32}}, {2, {2, 3}, {11, 21, 31, 42, 52, 62}},
        {2, {1, 1}, {11, 11, 11, 12, 12, 12}},
    };
    static const sinter_dtype dtypes[] = {SINTER_FLOAT, SINTER_DOUBLE, SINTER_FLOAT16, SINTER_INT32, SINTER_UINT64};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t t = 0; t < sizeof dtypes / sizeof *dtypes; t++) {
            sn_model *m;
            sinter_value *out;
            sn_node_id n = one_node(&m, 13, "Gemm", 3, 0, 1);
            assert_true(sn_set_attr_float(m, n, "beta", 10));
            assert_true(sn_set_attr_int(m, n, "transA", 1));
            sinter_value *in[] = {counting(dtypes[t], DIMS(1, 2)), numbers(dtypes[t], DIMS(1, 3), NUMBERS(1, 1, 1)),
                                  counting(dtypes[t], cases[i].rank, cases[i].dims)};
            evaluate_well(m, n, in, &out);
            assert_int_equal(out->dtype, dtypes[t]);
            assert_elements(out, 6, cases[i].expected);
        }
}

static void test_integers_wrap_around(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *out;
    sn_node_id n = one_node(&m, 9, "MatMul", 2, 0, 1);
    sinter_value *in[] = {tensor(SINTER_INT32, DIMS(1, 2), (const int32_t[]){INT32_MAX, -3}),
                          tensor(SINTER_INT32, DIMS(2, 1), (const int32_t[]){2, 5})};
    evaluate_well(m, n, in, &out);
    assert_int_equal(((const int32_t *)out->data)[0], -17);
    sinter_value_release(out);

    n = one_node(&m, 13, "Gemm", 2, 0, 1);
    assert_true(sn_set_attr_float(m, n, "alpha", 0.5f));
    sinter_value *halves[] = {counting(SINTER_INT64, DIMS(1, 1)), counting(SINTER_INT64, DIMS(1, 1))};
    evaluate_badly(m, n, halves, SINTER_UNSUPPORTED, "alpha");
}

static void test_matmul_broadcasts_batches(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *out;
    sn_node_id n = one_node(&m, 13, "MatMul", 2, 0, 1);
    sinter_value *in[] = {counting(SINTER_DOUBLE, DIMS(2, 1, 1, 2)), counting(SINTER_DOUBLE, DIMS(3, 2, 1))};
    evaluate_well(m, n, in, &out);
    assert_int_equal(out->shape.rank, 4);
    assert_values(out, 5, 11, 17, 11, 25, 39);
}

static void test_sums_of_nothing(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *out;
    sn_node_id n = one_node(&m, 13, "MatMul", 2, 0, 1);
    sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(2, 2, 0)), counting(SINTER_FLOAT, DIMS(0, 1))};
    evaluate_well(m, n, in, &out);
    assert_values(out, 0, 0, 0, 0);
    n = one_node(&m, 13, "Gemm", 3, 0, 1);
    sinter_value *gemm[] = {counting(SINTER_FLOAT, DIMS(2, 0)), counting(SINTER_FLOAT, DIMS(0, 1)),
                            counting(SINTER_FLOAT, DIMS(2, 1))};
    evaluate_well(m, n, gemm, &out);
    assert_values(out, 1, 2);
}

/* Long enough for all partial sums, and an odd rest. */
static void test_dot_products(void **state)
{
    (void)state;
    double a[27], b[27], sum = 0;
    float fa[27], fb[27];
    for (int i = 0; i < 27; i++) {
        fa[i] = (float)(a[i] = i + 1);
        fb[i] = (float)(b[i] = 2 * i - 5);
        sum += a[i] * b[i];
    }
    assert_true(sn_dot_double(a, b, 27) == sum);
    assert_true(sn_dot_float(fa, fb, 27) == (float)sum);
    assert_true(sn_dot_double(a, b, 0) == 0);
}

static void assert_inferred(const char *op, const sn_shape *a, const sn_shape *b, bool trans_b,
                            const sn_shape *expected)
{
    sn_model *m = new_model(13);
    assert_int_equal(sn_symbol(m, SN_STR("batch")), 0);
    sn_value_id in[2] = {value(m, "a"), value(m, "b")}, out = value(m, "y");
    m->values[in[0]].type = (sn_type){.kind = SINTER_KIND_TENSOR, .dtype = SINTER_FLOAT, .shape = *a};
    m->values[in[1]].type = (sn_type){.kind = SINTER_KIND_TENSOR, .dtype = SINTER_FLOAT, .shape = *b};
    assert_true(sn_add_input(m, 0, in[0]));
    assert_true(sn_add_input(m, 0, in[1]));
    sn_node_id n = node(m, op, in, 2, &out, 1);
    if (trans_b) assert_true(sn_set_attr_int(m, n, "transB", 1));
    inferred r = infer(m);
    if (r.status != SINTER_OK) fail_msg("%s", r.err.text);
    const sn_shape *found = &r.facts.values[out].type.shape;
    assert_int_equal(found->rank, expected->rank);
    for (int i = 0; i < found->rank; i++) assert_true(found->dims[i] == expected->dims[i]);
    free_inferred(&r);
    sn_model_destroy(m);
}

static void test_symbolic_shapes(void **state)
{
    (void)state;
    const int64_t N = SN_DIM_SYMBOL(0), U = SN_DIM_UNKNOWN;
#define SHAPE(...) (&(sn_shape){sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t), {__VA_ARGS__}})
    assert_inferred("Gemm", SHAPE(N, 4), SHAPE(5, 4), true, SHAPE(N, 5));
    assert_inferred("Gemm", SHAPE(N, U), SHAPE(4, U), false, SHAPE(N, U));
    assert_inferred("Gemm", &SN_SHAPE_UNKNOWN, SHAPE(4, 5), false, SHAPE(U, U));
    assert_inferred("MatMul", SHAPE(N, 7, 4), SHAPE(4, 5), false, SHAPE(N, 7, 5));
    assert_inferred("MatMul", SHAPE(N, 1, 7, 4), SHAPE(3, 4, 5), false, SHAPE(N, 3, 7, 5));
    assert_inferred("MatMul", SHAPE(4), SHAPE(N, 4, U), false, SHAPE(N, U));
    assert_inferred("MatMul", SHAPE(N, 4), SHAPE(4), false, SHAPE(N));
    assert_inferred("MatMul", SHAPE(4), SHAPE(4), false, &(sn_shape){.rank = 0});
    assert_inferred("MatMul", &SN_SHAPE_UNKNOWN, SHAPE(4, 5), false, &SN_SHAPE_UNKNOWN);
#undef SHAPE
}

static void test_contradictions(void **state)
{
    (void)state;
    static const struct {
        const char *op;
        int a_rank, b_rank;
        int64_t a[3], b[3];
        const char *word;
    } cases[] = {
        {"Gemm", 2, 2, {2, 3}, {4, 5}, "3 columns, expected 4"}, {"Gemm", 1, 2, {2}, {2, 5}, "two matrices"},
        {"MatMul", 2, 2, {2, 3}, {4, 5}, "do not fit"},          {"MatMul", 1, 1, {2}, {3}, "do not fit"},
        {"MatMul", 0, 2, {0}, {3, 3}, "at least one axis"},      {"MatMul", 3, 3, {2, 2, 2}, {3, 2, 2}, "batch axes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_model *m = new_model(13);
        sn_value_id in[] = {input(m, "a", SINTER_FLOAT, cases[i].a, (size_t)cases[i].a_rank),
                            input(m, "b", SINTER_FLOAT, cases[i].b, (size_t)cases[i].b_rank)};
        sn_value_id out = value(m, "y");
        node(m, cases[i].op, in, 2, &out, 1);
        infer_badly(m, cases[i].word);
        sn_model_destroy(m);

        sn_node_id n = one_node(&m, 13, cases[i].op, 2, 0, 1);
        sinter_value *values[] = {counting(SINTER_FLOAT, cases[i].a_rank, cases[i].a),
                                  counting(SINTER_FLOAT, cases[i].b_rank, cases[i].b)};
        evaluate_badly(m, n, values, SINTER_INVALID_INPUT, cases[i].word);
    }
    sn_model *m;
    sn_node_id n = one_node(&m, 13, "Gemm", 3, 0, 1);
    sinter_value *wide_c[] = {counting(SINTER_FLOAT, DIMS(2, 2)), counting(SINTER_FLOAT, DIMS(2, 1)),
                              counting(SINTER_FLOAT, DIMS(2, 2))};
    evaluate_badly(m, n, wide_c, SINTER_INVALID_INPUT, "C of shape 2x2");
}

static void test_out_of_memory(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 13, "Gemm", 3, 0, 1);
    assert_true(sn_set_attr_int(m, n, "transA", 1));
    sinter_value *in[] = {counting(SINTER_FLOAT16, DIMS(3, 2)), counting(SINTER_FLOAT16, DIMS(3, 2)),
                          counting(SINTER_FLOAT16, DIMS(2))};
    evaluate_without_memory(m, n, in, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemm_broadcasts_c),
        cmocka_unit_test(test_integers_wrap_around),
        cmocka_unit_test(test_matmul_broadcasts_batches),
        cmocka_unit_test(test_sums_of_nothing),
        cmocka_unit_test(test_dot_products),
        cmocka_unit_test(test_symbolic_shapes),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
