/* Softmax and the reductions: old and new axis rules, empty sets, extremes, exact integers. */
#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "known.h"
#include "one_node.h"

#include <math.h>

static sinter_value *softmax(const char *op, int64_t opset, const int64_t *axis, sinter_value *in)
{
    sn_model *m;
    sn_node_id n = one_node(&m, opset, op, 1, 0, 1);
    if (axis) assert_true(sn_set_attr_int(m, n, "axis", *axis));
    sinter_value *out = NULL;
    evaluate_well(m, n, &in, &out);
    return out;
}

static void test_softmax_axes(void **state)
{
    (void)state;
    const double zeros[8] = {0};
    /* The last axis from 13 on; all axes from 1 on together before. */
    assert_values(softmax("Softmax", 13, NULL, numbers(SINTER_FLOAT, DIMS(2, 2, 2), zeros)), .5, .5, .5, .5, .5, .5, .5,
                  .5);
    assert_values(softmax("Softmax", 11, NULL, numbers(SINTER_FLOAT, DIMS(2, 2, 2), zeros)), .25, .25, .25, .25, .25,
                  .25, .25, .25);
    assert_values(softmax("Softmax", 13, (int64_t[]){0}, numbers(SINTER_BFLOAT16, DIMS(2, 1), NUMBERS(7, 7))), .5, .5);
    assert_values(softmax("Softmax", 13, (int64_t[]){0}, numbers(SINTER_DOUBLE, 0, NULL, NUMBERS(3))), 1);
    assert_values(softmax("Hardmax", 13, (int64_t[]){0}, numbers(SINTER_FLOAT, DIMS(2, 2), NUMBERS(1, 5, 2, 5))), 0, 1,
                  1, 0);
}

static void test_softmax_of_extremes(void **state)
{
    (void)state;
    assert_values(softmax("Softmax", 13, NULL, numbers(SINTER_FLOAT, DIMS(3), NUMBERS(1e30, -1e30, 1e30))), .5, 0, .5);
    assert_values(softmax("LogSoftmax", 13, NULL, numbers(SINTER_FLOAT, DIMS(2), NUMBERS(0, -1000))), 0, -1000);
    sinter_value *out = softmax("Softmax", 13, NULL, tensor(SINTER_FLOAT, DIMS(4, 0), NULL));
    assert_int_equal(out->count, 0);
    sinter_value_release(out);
}

static void test_softmax_axis_out_of_range(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 13, "Softmax", 1, 0, 1);
    assert_true(sn_set_attr_int(m, n, "axis", 2));
    sinter_value *in = counting(SINTER_FLOAT, DIMS(2, 2));
    evaluate_badly(m, n, &in, SINTER_INVALID_INPUT, "axis 2");
}

/* ---------------------------------------------------------------------------------------------------- reductions */

/* keepdims = 0. Axes are an input in opset 18. */
static sinter_value *reduce(const char *op, sinter_value *in, const int64_t *axes, size_t n_axes)
{
    sn_model *m;
    sn_node_id n = one_node(&m, 18, op, 2, 0, 1);
    assert_true(sn_set_attr_int(m, n, "keepdims", 0));
    sinter_value *ins[] = {in, int_list(axes, n_axes)}, *out = NULL;
    evaluate_well(m, n, ins, &out);
    return out;
}

static void test_every_set_of_axes(void **state)
{
    (void)state;
    const int64_t d[] = {2, 3, 4, 5};
    for (unsigned mask = 1; mask < 16; mask++) {
        int64_t axes[4];
        size_t n_axes = 0;
        double expected[120] = {0};
        size_t n = 1;
        for (int i = 0; i < 4; i++) {
            if (mask >> i & 1)
                axes[n_axes++] = i;
            else
                n *= (size_t)d[i];
        }
        for (size_t at = 0; at < 120; at++) {
            size_t rest = at, index[4], to = 0;
            for (int i = 3; i >= 0; i--) index[i] = rest % (size_t)d[i], rest /= (size_t)d[i];
            for (int i = 0; i < 4; i++)
                if (!(mask >> i & 1)) to = to * (size_t)d[i] + index[i];
            expected[to] += (double)(at + 1);
        }
        assert_elements(reduce("ReduceSum", counting(SINTER_FLOAT, 4, d), axes, n_axes), n, expected);
        assert_elements(reduce("ReduceSum", counting(SINTER_INT64, 4, d), axes, n_axes), n, expected);
    }
}

static void test_runs_longer_than_a_chunk(void **state)
{
    (void)state;
    assert_values(reduce("ReduceSum", counting(SINTER_INT32, DIMS(2, 1001)), INTS(1)), 501501, 1503502);
    assert_values(reduce("ReduceMax", counting(SINTER_FLOAT, DIMS(2, 1001)), INTS(1)), 1001, 2002);
    sinter_value *out = reduce("ReduceMin", counting(SINTER_FLOAT, DIMS(2, 1001)), INTS(0));
    for (size_t i = 0; i < 1001; i++) assert_true(((float *)out->data)[i] == (float)(i + 1));
    sinter_value_release(out);
}

static void test_empty_sets(void **state)
{
    (void)state;
    const struct {
        const char *op;
        double expected;
    } cases[] = {{"ReduceSum", 0}, {"ReduceProd", 1}, {"ReduceL1", 0}, {"ReduceSumSquare", 0}, {"ReduceL2", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_elements(reduce(cases[i].op, tensor(SINTER_FLOAT, DIMS(1, 0), NULL), INTS(1)), 1, &cases[i].expected);
    sinter_value *out = reduce("ReduceMax", tensor(SINTER_FLOAT, DIMS(1, 0), NULL), INTS(1));
    assert_true(*(float *)out->data == -INFINITY);
    sinter_value_release(out);
    assert_values(reduce("ReduceMin", tensor(SINTER_INT8, DIMS(1, 0), NULL), INTS(1)), 127);
    assert_values(reduce("ReduceMax", tensor(SINTER_BOOL, DIMS(1, 0), NULL), INTS(1)), 0);
    assert_values(reduce("ReduceMean", tensor(SINTER_INT32, DIMS(1, 0), NULL), INTS(1)), 0);
}

static void test_integers_stay_exact(void **state)
{
    (void)state;
    const int64_t big = INT64_C(9007199254740993); /* 2^53 + 1 is no double */
    sinter_value *out = reduce("ReduceSum", tensor(SINTER_INT64, DIMS(2), (int64_t[]){big, 2}), INTS(0));
    assert_true(*(int64_t *)out->data == big + 2);
    sinter_value_release(out);
    out = reduce("ReduceMax", tensor(SINTER_UINT64, DIMS(2), (uint64_t[]){1, UINT64_MAX}), INTS(0));
    assert_true(*(uint64_t *)out->data == UINT64_MAX);
    sinter_value_release(out);
    out = reduce("ReduceMin", tensor(SINTER_INT64, DIMS(2), (int64_t[]){1, INT64_MIN}), INTS(0));
    assert_true(*(int64_t *)out->data == INT64_MIN);
    sinter_value_release(out);
    assert_values(reduce("ReduceMean", tensor(SINTER_INT32, DIMS(2), (int32_t[]){-3, 0}), INTS(0)), -1);
    assert_values(reduce("ReduceL1", tensor(SINTER_INT32, DIMS(2), (int32_t[]){-3, 4}), INTS(0)), 7);
    assert_values(reduce("ReduceL2", tensor(SINTER_INT32, DIMS(2), (int32_t[]){-3, 4}), INTS(0)), 5);
}

static void test_log_sum_exp_does_not_overflow(void **state)
{
    (void)state;
    assert_values(reduce("ReduceLogSumExp", numbers(SINTER_DOUBLE, DIMS(2), NUMBERS(1000, 1000)), INTS(0)),
                  1000.69314718);
    assert_values(reduce("ReduceLogSumExp", numbers(SINTER_DOUBLE, DIMS(2, 2), NUMBERS(-900, 5, -900, 5)), INTS(0)),
                  -899.30685282, 5.69314718);
    sinter_value *out = reduce("ReduceLogSumExp", tensor(SINTER_FLOAT, DIMS(2), FLOATS(-INFINITY, -INFINITY)), INTS(0));
    assert_true(*(float *)out->data == -INFINITY);
    sinter_value_release(out);
}

static void test_empty_axes(void **state)
{
    (void)state;
    for (int noop = 0; noop < 2; noop++) {
        sn_model *m;
        sn_node_id n = one_node(&m, 18, "ReduceSumSquare", 2, 0, 1);
        assert_true(sn_set_attr_int(m, n, "noop_with_empty_axes", noop));
        sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(1, 2)), int_list(NULL, 0)}, *out = NULL;
        evaluate_well(m, n, in, &out);
        if (noop)
            assert_values(out, 1, 4);
        else
            assert_values(out, 5);
    }
}

static void test_bad_axes(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 18, "ReduceMean", 2, 0, 1);
    sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(2)), int_list(INTS(INT64_MIN))};
    evaluate_badly(m, n, in, SINTER_INVALID_INPUT, "axis");
}

static void test_inferred(void **state)
{
    (void)state;
    sn_model *m = new_model(13);
    sn_symbol(m, SN_STR("N"));
    sn_value_id x = input(m, "x", SINTER_FLOAT, INTS(N_SYMBOL, 3, 8)), y = value(m, "y");
    sn_node_id n = node(m, "ReduceMean", IDS(x), IDS(y));
    assert_true(sn_set_attr_ints(m, n, "axes", INTS(-1, 1)));
    check_dims(m, y, N_SYMBOL, 1, 1);

    m = new_model(18); /* axes that are not known: the rank at most */
    sn_symbol(m, SN_STR("N"));
    x = input(m, "x", SINTER_FLOAT, INTS(N_SYMBOL, 3)), y = value(m, "y");
    sn_value_id axes = input(m, "axes", SINTER_INT64, INTS(1));
    node(m, "ReduceMean", IDS(x, axes), IDS(y));
    check_dims(m, y, UNKNOWN, UNKNOWN);

    m = new_model(17);
    sn_value_id list = int_constant(m, "list", INTS(3, 8));
    y = value(m, "y");
    n = node(m, "ReduceProd", IDS(list), IDS(y));
    assert_true(sn_set_attr_int(m, n, "keepdims", 0));
    check_known(m, y, INTS(24));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softmax_axes),
        cmocka_unit_test(test_softmax_of_extremes),
        cmocka_unit_test(test_softmax_axis_out_of_range),
        cmocka_unit_test(test_every_set_of_axes),
        cmocka_unit_test(test_runs_longer_than_a_chunk),
        cmocka_unit_test(test_empty_sets),
        cmocka_unit_test(test_integers_stay_exact),
        cmocka_unit_test(test_log_sum_exp_does_not_overflow),
        cmocka_unit_test(test_empty_axes),
        cmocka_unit_test(test_bad_axes),
        cmocka_unit_test(test_inferred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
