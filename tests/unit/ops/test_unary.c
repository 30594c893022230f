/* Element-wise operators of one input: odd sizes, NaN, integers at their limits, limits of Clip. */
#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "one_node.h"

#include <math.h>

static sinter_value *run(const char *op, int64_t opset, sinter_value *in)
{
    sn_model *m;
    sn_node_id n = one_node(&m, opset, op, 1, 0, 1);
    sinter_value *out = NULL;
    evaluate_well(m, n, &in, &out);
    return out;
}

static void test_values(void **state)
{
    (void)state;
    const double x[] = {-3, -0.5, 0, 0.5, 3};
    const struct {
        const char *op;
        int64_t opset;
        double expected[5];
    } cases[] = {
        {"Relu", 13, {0, 0, 0, 0.5, 3}},
        {"LeakyRelu", 13, {-0.03, -0.005, 0, 0.5, 3}},
        {"HardSigmoid", 13, {0, 0.4, 0.5, 0.6, 1}},
        {"HardSwish", 14, {0, -0.208333333, 0, 0.291666667, 3}},
        {"Elu", 13, {-0.950212932, -0.39346934, 0, 0.5, 3}},
        {"Celu", 13, {-0.950212932, -0.39346934, 0, 0.5, 3}},
        {"Gelu", 20, {-0.00404969, -0.15426877, 0, 0.34573123, 2.99595031}},
        {"Round", 11, {-3, 0, 0, 0, 3}},
        {"Sign", 13, {-1, -1, 0, 1, 1}},
        {"Softsign", 13, {-0.75, -1.0 / 3, 0, 1.0 / 3, 0.75}},
        {"ThresholdedRelu", 10, {0, 0, 0, 0, 3}},
        {"Shrink", 9, {-3, 0, 0, 0, 3}},
        {"Neg", 13, {3, 0.5, 0, -0.5, -3}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int wide = 0; wide < 2; wide++) {
            sinter_dtype dtype = wide ? SINTER_DOUBLE : SINTER_FLOAT;
            if (wide && strcmp(cases[i].op, "Celu") == 0) continue;
            assert_elements(run(cases[i].op, cases[i].opset, numbers(dtype, DIMS(5), x)), 5, cases[i].expected);
        }
}

/* More than one chunk, and not a multiple of it. */
static void test_float16_in_chunks(void **state)
{
    (void)state;
    enum { COUNT = 3 * 256 + 17 };
    for (int bf = 0; bf < 2; bf++) {
        sinter_dtype dtype = bf ? SINTER_BFLOAT16 : SINTER_FLOAT16;
        sinter_value *in = tensor(dtype, DIMS(COUNT), (uint16_t[COUNT]){0});
        for (size_t i = 0; i < COUNT; i++) sn_store_double(dtype, in->data, i, (double)(i % 100) - 50);
        sinter_value *out = run("Relu", 14, in);
        for (size_t i = 0; i < COUNT; i++) {
            double x = (double)(i % 100) - 50;
            assert_true(sn_load_double(dtype, out->data, i) == (x < 0 ? 0 : x));
        }
        sinter_value_release(out);
    }
}

static void test_nan_passes_through(void **state)
{
    (void)state;
    const char *const ops[] = {"Relu", "LeakyRelu", "HardSigmoid", "HardSwish", "Elu", "Sign", "Gelu", "Sigmoid"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        sinter_value *out = run(ops[i], 20, tensor(SINTER_FLOAT, DIMS(1), FLOATS(NAN)));
        float v = *(const float *)out->data;
        if (v == v) fail_msg("%s of NaN is %g", ops[i], (double)v);
        sinter_value_release(out);
    }
}

static void test_extremes_stay_finite(void **state)
{
    (void)state;
    assert_values(run("Sigmoid", 13, tensor(SINTER_FLOAT, DIMS(2), FLOATS(-1000, 1000))), 0, 1);
    assert_values(run("Softplus", 13, tensor(SINTER_FLOAT, DIMS(2), FLOATS(-1000, 1000))), 0, 1000);
    assert_values(run("Mish", 18, tensor(SINTER_FLOAT, DIMS(2), FLOATS(-1000, 1000))), 0, 1000);
}

static void test_integers_wrap_at_their_limits(void **state)
{
    (void)state;
    sinter_value *out = run("Neg", 13, tensor(SINTER_INT64, DIMS(2), (int64_t[]){INT64_MIN, 5}));
    assert_true(((int64_t *)out->data)[0] == INT64_MIN);
    assert_true(((int64_t *)out->data)[1] == -5);
    sinter_value_release(out);
    out = run("Abs", 13, tensor(SINTER_INT8, DIMS(2), (int8_t[]){-128, -7}));
    assert_int_equal(((int8_t *)out->data)[0], -128);
    assert_int_equal(((int8_t *)out->data)[1], 7);
    sinter_value_release(out);
    out = run("Sign", 13, tensor(SINTER_UINT64, DIMS(2), (uint64_t[]){UINT64_MAX, 0}));
    assert_true(((uint64_t *)out->data)[0] == 1 && ((uint64_t *)out->data)[1] == 0);
    sinter_value_release(out);
}

static void test_empty(void **state)
{
    (void)state;
    sinter_value *out = run("Exp", 13, tensor(SINTER_FLOAT, DIMS(3, 0), NULL));
    assert_int_equal(out->count, 0);
    assert_int_equal(out->shape.dims[0], 3);
    sinter_value_release(out);
}

static void test_clip_limits(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *out = NULL;
    sn_node_id n = one_node(&m, 13, "Clip", 3, 1u << 1, 1);
    sinter_value *max_only[] = {tensor(SINTER_UINT64, DIMS(3), (uint64_t[]){1, 9, UINT64_MAX}), NULL,
                                tensor(SINTER_UINT64, 0, NULL, (uint64_t[]){7})};
    evaluate_well(m, n, max_only, &out);
    assert_values(out, 1, 7, 7);

    n = one_node(&m, 6, "Clip", 1, 0, 1);
    assert_true(sn_set_attr_float(m, n, "min", -1));
    sinter_value *attribute[] = {tensor(SINTER_FLOAT, DIMS(3), FLOATS(-5, 0, 1e30f))};
    evaluate_well(m, n, attribute, &out);
    assert_true(((float *)out->data)[0] == -1 && ((float *)out->data)[2] == 1e30f);
    sinter_value_release(out);

    n = one_node(&m, 13, "Clip", 2, 0, 1);
    sinter_value *vector[] = {tensor(SINTER_FLOAT, DIMS(1), FLOATS(1)), tensor(SINTER_FLOAT, DIMS(2), FLOATS(1, 2))};
    evaluate_badly(m, n, vector, SINTER_INVALID_INPUT, "expected a scalar");
}

static void test_is_inf_by_sign(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 10, "IsInf", 1, 0, 1);
    assert_true(sn_set_attr_int(m, n, "detect_negative", 0));
    sinter_value *in = tensor(SINTER_FLOAT, DIMS(4), FLOATS(INFINITY, -INFINITY, NAN, 1)), *out = NULL;
    evaluate_well(m, n, &in, &out);
    assert_int_equal(out->dtype, SINTER_BOOL);
    assert_values(out, 1, 0, 0, 0);
    assert_values(run("IsNaN", 13, tensor(SINTER_FLOAT, DIMS(2), FLOATS(NAN, 1))), 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_float16_in_chunks),
        cmocka_unit_test(test_nan_passes_through),
        cmocka_unit_test(test_extremes_stay_finite),
        cmocka_unit_test(test_integers_wrap_at_their_limits),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_clip_limits),
        cmocka_unit_test(test_is_inf_by_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
