/* Element-wise operators of two inputs: broadcasting, integer traps, mixed Pow, legacy axes, known elements. */
#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "known.h"
#include "one_node.h"

#include <math.h>

static sinter_value *run(const char *op, int64_t opset, sinter_value *a, sinter_value *b)
{
    sn_model *m;
    sn_node_id n = one_node(&m, opset, op, 2, 0, 1);
    sinter_value *in[] = {a, b}, *out = NULL;
    evaluate_well(m, n, in, &out);
    return out;
}

/* Every pair of shapes whose dimensions are 1 or full, against the definition of broadcasting. */
static void test_broadcasting(void **state)
{
    (void)state;
    const int64_t full[] = {2, 3, 5};
    for (unsigned mask = 0; mask < 64; mask++) {
        int64_t da[3], db[3];
        for (int i = 0; i < 3; i++) {
            da[i] = mask >> i & 1 ? full[i] : 1;
            db[i] = mask >> (i + 3) & 1 ? full[i] : 1;
        }
        sinter_value *out = run("Sub", 13, counting(SINTER_FLOAT, 3, da), counting(SINTER_FLOAT, 3, db));
        const int64_t *d = out->shape.dims;
        for (int64_t i = 0, at = 0; i < d[0]; i++)
            for (int64_t j = 0; j < d[1]; j++)
                for (int64_t k = 0; k < d[2]; k++, at++) {
                    int64_t a = ((i % da[0]) * da[1] + j % da[1]) * da[2] + k % da[2] + 1;
                    int64_t b = ((i % db[0]) * db[1] + j % db[1]) * db[2] + k % db[2] + 1;
                    assert_true(((float *)out->data)[at] == (float)(a - b));
                }
        sinter_value_release(out);
    }
}

static void test_shapes_that_do_not_fit(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 13, "Add", 2, 0, 1);
    sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(2, 3)), counting(SINTER_FLOAT, DIMS(2))};
    evaluate_badly(m, n, in, SINTER_INVALID_INPUT, "2x3 and 2 do not broadcast");
}

static void test_empty_operands(void **state)
{
    (void)state;
    sinter_value *out = run("Add", 13, tensor(SINTER_FLOAT, DIMS(0, 3), NULL), counting(SINTER_FLOAT, DIMS(1, 3)));
    assert_int_equal(out->count, 0);
    assert_int_equal(out->shape.dims[1], 3);
    sinter_value_release(out);
}

static void test_integers_do_not_trap(void **state)
{
    (void)state;
    sn_model *m;
    const char *const ops[] = {"Div", "Mod"};
    for (size_t i = 0; i < 2; i++) {
        sn_node_id n = one_node(&m, 14, ops[i], 2, 0, 1);
        sinter_value *in[] = {counting(SINTER_INT8, DIMS(3)), tensor(SINTER_INT8, DIMS(3), (int8_t[]){1, 0, 1})};
        evaluate_badly(m, n, in, SINTER_INVALID_INPUT, "division by zero (element 1");
    }
    sinter_value *out = run("Div", 14, tensor(SINTER_INT32, DIMS(2), (int32_t[]){INT32_MIN, -7}),
                            tensor(SINTER_INT32, DIMS(2), (int32_t[]){-1, 2}));
    assert_int_equal(((int32_t *)out->data)[0], INT32_MIN);
    assert_int_equal(((int32_t *)out->data)[1], -3);
    sinter_value_release(out);
    out = run("Mod", 14, tensor(SINTER_INT64, DIMS(2), (int64_t[]){INT64_MIN, -7}),
              tensor(SINTER_INT64, DIMS(2), (int64_t[]){-1, 3}));
    assert_values(out, 0, 2);
    out = run("Mul", 14, tensor(SINTER_UINT16, DIMS(1), (uint16_t[]){65535}),
              tensor(SINTER_UINT16, DIMS(1), (uint16_t[]){65535}));
    assert_values(out, 1);
    out = run("Add", 14, tensor(SINTER_INT64, DIMS(1), (int64_t[]){INT64_MAX}),
              tensor(SINTER_INT64, DIMS(1), (int64_t[]){1}));
    assert_true(*(int64_t *)out->data == INT64_MIN);
    sinter_value_release(out);
    out = run("Div", 14, tensor(SINTER_FLOAT, DIMS(1), FLOATS(1)), tensor(SINTER_FLOAT, DIMS(1), FLOATS(0)));
    assert_true(isinf(*(float *)out->data));
    sinter_value_release(out);
}

static void test_nan_in_min_and_max(void **state)
{
    (void)state;
    const char *const ops[] = {"Min", "Max"};
    for (size_t i = 0; i < 2; i++) {
        sinter_value *out = run(ops[i], 13, tensor(SINTER_FLOAT, DIMS(2), FLOATS(NAN, 1)),
                                tensor(SINTER_FLOAT, DIMS(2), FLOATS(1, NAN)));
        const float *v = out->data;
        assert_true(v[0] != v[0] && v[1] != v[1]);
        sinter_value_release(out);
    }
}

static void test_pow(void **state)
{
    (void)state;
    assert_values(
        run("Pow", 15, numbers(SINTER_FLOAT, DIMS(3), NUMBERS(-3, 4, 0)), numbers(SINTER_INT64, 0, NULL, NUMBERS(2))),
        9, 16, 0);
    assert_values(
        run("Pow", 15, numbers(SINTER_FLOAT, DIMS(2), NUMBERS(9, 0.25)), numbers(SINTER_FLOAT, 0, NULL, NUMBERS(0.5))),
        3, 0.5);
    assert_values(run("Pow", 15, numbers(SINTER_INT32, DIMS(4), NUMBERS(2, -1, 1, 7)),
                      numbers(SINTER_INT64, 0, NULL, NUMBERS(-3))),
                  0, -1, 1, 0);
    assert_values(run("Pow", 15, numbers(SINTER_INT64, DIMS(2), NUMBERS(2, 9)),
                      numbers(SINTER_FLOAT, DIMS(2), NUMBERS(0.5, 0.5))),
                  1, 3);
    assert_values(run("Pow", 15, numbers(SINTER_FLOAT16, DIMS(2), NUMBERS(2, 3)),
                      numbers(SINTER_BFLOAT16, DIMS(2), NUMBERS(3, 2))),
                  8, 9);
}

static void test_strings_compare(void **state)
{
    (void)state;
    const sinter_string a[] = {{"cat", 3}, {"", 0}, {"dog", 3}}, b[] = {{"cat", 3}};
    sinter_value *va, *vb;
    assert_int_equal(sinter_tensor_create_strings(DIMS(3), a, &va, NULL), SINTER_OK);
    assert_int_equal(sinter_tensor_create_strings(DIMS(1), b, &vb, NULL), SINTER_OK);
    assert_values(run("Equal", 19, va, vb), 1, 0, 0);
}

static void test_legacy_axis(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 6, "Add", 2, 0, 1);
    assert_true(sn_set_attr_int(m, n, "broadcast", 1));
    assert_true(sn_set_attr_int(m, n, "axis", 0));
    sinter_value *in[] = {numbers(SINTER_FLOAT, DIMS(2, 2), NUMBERS(0, 0, 0, 0)),
                          numbers(SINTER_FLOAT, DIMS(2), NUMBERS(1, 2))};
    sinter_value *out = NULL;
    evaluate_well(m, n, in, &out);
    assert_values(out, 1, 1, 2, 2);

    assert_values(run("PRelu", 6, numbers(SINTER_FLOAT, DIMS(1, 2, 2), NUMBERS(-1, -1, -1, 1)),
                      numbers(SINTER_FLOAT, DIMS(2), NUMBERS(2, 3))),
                  -2, -2, -3, 1);
}

static void test_prelu_does_not_widen_x(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 16, "PRelu", 2, 0, 1);
    sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(1, 2)), counting(SINTER_FLOAT, DIMS(3, 2))};
    evaluate_badly(m, n, in, SINTER_INVALID_INPUT, "slope of shape 3x2");
}

static void test_variadic(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 13, "Mean", 3, 0, 1);
    sinter_value *in[] = {numbers(SINTER_FLOAT16, 0, NULL, NUMBERS(3)), numbers(SINTER_FLOAT16, DIMS(1), NUMBERS(6)),
                          numbers(SINTER_FLOAT16, DIMS(2, 1), NUMBERS(0, 9))};
    sinter_value *out = NULL;
    evaluate_well(m, n, in, &out);
    assert_int_equal(out->shape.rank, 2);
    assert_values(out, 3, 6);
}

static void test_where_broadcasts_three_ways(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 16, "Where", 3, 0, 1);
    sinter_value *in[] = {tensor(SINTER_BOOL, DIMS(2, 1), (uint8_t[]){1, 0}), counting(SINTER_INT16, DIMS(3)),
                          numbers(SINTER_INT16, 0, NULL, NUMBERS(-1))};
    sinter_value *out = NULL;
    evaluate_well(m, n, in, &out);
    assert_values(out, 1, 2, 3, -1, -1, -1);
}

static void test_known_elements(void **state)
{
    (void)state;
    const struct {
        const char *op;
        int64_t by, expected[3];
    } cases[] = {
        {"Add", 0, {N_SYMBOL, 3, 8}}, {"Add", 2, {UNKNOWN, 5, 10}}, {"Sub", 1, {UNKNOWN, 2, 7}},
        {"Mul", 1, {N_SYMBOL, 3, 8}}, {"Mul", 0, {0, 0, 0}},        {"Mul", INT64_MAX, {UNKNOWN, UNKNOWN, UNKNOWN}},
        {"Div", 1, {N_SYMBOL, 3, 8}}, {"Div", 2, {UNKNOWN, 1, 4}},  {"Div", 0, {UNKNOWN, UNKNOWN, UNKNOWN}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_model *m = new_model(17);
        sn_value_id shape = shape_of_input(m), by = scalar_constant(m, "by", cases[i].by), y = value(m, "y");
        node(m, cases[i].op, IDS(shape, by), IDS(y));
        check_known(m, y, cases[i].expected, 3);
    }
    sn_model *m = new_model(17);
    sn_value_id shape = shape_of_input(m), y = value(m, "y");
    sn_value_id which = initializer(m, "which", tensor(SINTER_BOOL, DIMS(3), (uint8_t[]){1, 0, 1}));
    sn_value_id other = scalar_constant(m, "other", -1);
    node(m, "Where", IDS(which, shape, other), IDS(y));
    check_known(m, y, INTS(N_SYMBOL, -1, 8));

    m = new_model(17); /* a comparison is no small integer tensor */
    shape = shape_of_input(m), other = scalar_constant(m, "other", 3), y = value(m, "y");
    node(m, "Equal", IDS(shape, other), IDS(y));
    check_known(m, y, NULL, 0);
}

static void test_inferred_shapes(void **state)
{
    (void)state;
    sn_model *m = new_model(17);
    sn_symbol(m, SN_STR("N"));
    sn_value_id a = input(m, "a", SINTER_FLOAT, INTS(N_SYMBOL, 1, 4)), b = input(m, "b", SINTER_FLOAT, INTS(3, 1));
    sn_value_id y = value(m, "y");
    node(m, "Less", IDS(a, b), IDS(y));
    check_dims(m, y, N_SYMBOL, 3, 4);

    m = new_model(17);
    a = input(m, "a", SINTER_FLOAT, INTS(2)), b = input(m, "b", SINTER_FLOAT, INTS(3)), y = value(m, "y");
    node(m, "Add", IDS(a, b), IDS(y));
    infer_badly(m, "2 and 3 do not broadcast");
    sn_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broadcasting),
        cmocka_unit_test(test_shapes_that_do_not_fit),
        cmocka_unit_test(test_empty_operands),
        cmocka_unit_test(test_integers_do_not_trap),
        cmocka_unit_test(test_nan_in_min_and_max),
        cmocka_unit_test(test_pow),
        cmocka_unit_test(test_strings_compare),
        cmocka_unit_test(test_legacy_axis),
        cmocka_unit_test(test_prelu_does_not_widen_x),
        cmocka_unit_test(test_variadic),
        cmocka_unit_test(test_where_broadcasts_three_ways),
        cmocka_unit_test(test_known_elements),
        cmocka_unit_test(test_inferred_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
