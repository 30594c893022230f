/* Pooling beyond the conformance suite: ceil_mode and padding rules, indices, small integers, hostile attributes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "one_node.h"
#include "ops/window.h"
#include <math.h>

static sn_node_id pool(sn_model **m, const char *op, int64_t opset, size_t n_out, int64_t kernel, int64_t stride)
{
    sn_node_id n = one_node(m, opset, op, 1, 0, n_out);
    assert_true(sn_set_attr_ints(*m, n, "kernel_shape", INTS(kernel)));
    assert_true(sn_set_attr_ints(*m, n, "strides", INTS(stride)));
    return n;
}

/* Kernel 3, stride 3 over 1..7 with padding: ceil_mode adds a window for what is left over, unless it would start in
 * the padding behind the input. */
static void test_ceil_mode(void **state)
{
    (void)state;
    static const struct {
        int64_t begin, end;
        size_t n;
        double maximum[4], average[4], padded[4]; /* the last with count_include_pad */
    } cases[] = {
        {0, 0, 3, {3, 6, 7}, {2, 5, 7}, {2, 5, 7}},
        {0, 1, 3, {3, 6, 7}, {2, 5, 7}, {2, 5, 3.5}},
        {1, 0, 3, {2, 5, 7}, {1.5, 4, 6.5}, {1, 4, 6.5}},
        {2, 2, 3, {1, 4, 7}, {1, 3, 6}, {1.0 / 3, 3, 6}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int kind = 0; kind < 3; kind++) {
            sn_model *m;
            sinter_value *out, *in[] = {counting(SINTER_FLOAT, DIMS(1, 1, 7))};
            sn_node_id n = pool(&m, kind ? "AveragePool" : "MaxPool", 11, 1, 3, 3);
            assert_true(sn_set_attr_ints(m, n, "pads", INTS(cases[i].begin, cases[i].end)));
            assert_true(sn_set_attr_int(m, n, "ceil_mode", 1));
            if (kind == 2) assert_true(sn_set_attr_int(m, n, "count_include_pad", 1));
            evaluate_well(m, n, in, &out);
            assert_elements(out, cases[i].n,
                            kind == 0   ? cases[i].maximum
                            : kind == 1 ? cases[i].average
                                        : cases[i].padded);
        }
}

/* Equal maxima: the first in row-major order, on every axis; indices count over the whole tensor. */
static void test_indices(void **state)
{
    (void)state;
    for (int64_t order = 0; order <= 1; order++) {
        sn_model *m;
        sn_node_id n = one_node(&m, 12, "MaxPool", 1, 0, 2);
        assert_true(sn_set_attr_ints(m, n, "kernel_shape", INTS(2, 2)));
        assert_true(sn_set_attr_int(m, n, "storage_order", order));
        sinter_value *outs[2], *in[] = {numbers(SINTER_INT8, DIMS(1, 2, 2, 3),
                                                NUMBERS(-5, 7, 7, 7, 1, 7, -128, -128, -128, -128, -128, -9))};
        evaluate_well(m, n, in, outs);
        assert_int_equal(outs[0]->dtype, SINTER_INT8);
        assert_values(outs[0], 7, 7, -128, -9);
        if (order == 0)
            assert_values(outs[1], 1, 1, 6, 11);
        else
            assert_values(outs[1], 2, 2, 6, 11);
    }
}

static void test_nan_and_infinity(void **state)
{
    (void)state;
    for (size_t n_out = 1; n_out <= 2; n_out++) {
        sn_model *m;
        sinter_value *outs[2],
            *in[] = {numbers(SINTER_DOUBLE, DIMS(1, 1, 6), NUMBERS(-INFINITY, -INFINITY, 1, NAN, 2, 3))};
        sn_node_id n = pool(&m, "MaxPool", 12, n_out, 2, 2);
        evaluate_well(m, n, in, outs);
        const double *y = outs[0]->data;
        assert_true(y[0] == -(double)INFINITY && y[1] != y[1] && y[2] == 3);
        if (n_out == 2) assert_values(outs[1], 0, 3, 5);
        sinter_value_release(outs[0]);
    }
}

/* A window of nothing but padding: no element wins, and no index is wild. */
static void test_window_of_padding(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *outs[2], *in[] = {counting(SINTER_INT8, DIMS(1, 1, 2))};
    sn_node_id n = pool(&m, "MaxPool", 12, 2, 2, 2);
    assert_true(sn_set_attr_ints(m, n, "pads", INTS(2, 2)));
    evaluate_well(m, n, in, outs);
    assert_values(outs[0], -128, 2, -128);
    assert_values(outs[1], 0, 1, 0);
}

static void test_lp_pools(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *out, *in[] = {numbers(SINTER_FLOAT, DIMS(1, 1, 4), NUMBERS(3, -4, 1, -2))};
    sn_node_id n = pool(&m, "LpPool", 11, 1, 2, 2);
    evaluate_well(m, n, in, &out);
    assert_values(out, 5, sqrt(5));

    n = one_node(&m, 2, "GlobalLpPool", 1, 0, 1);
    assert_true(sn_set_attr_int(m, n, "p", 3));
    sinter_value *global[] = {numbers(SINTER_FLOAT, DIMS(1, 1, 2, 2), NUMBERS(1, -2, 1, -2))};
    evaluate_well(m, n, global, &out);
    assert_values(out, pow(18, 1.0 / 3));

    n = one_node(&m, 1, "GlobalLpPool", 1, 0, 1);
    assert_true(sn_set_attr_float(m, n, "p", 0));
    sinter_value *power[] = {counting(SINTER_FLOAT, DIMS(1, 1, 2))};
    evaluate_badly(m, n, power, SINTER_INVALID_MODEL, "'p'");
}

static void test_symbolic_shapes(void **state)
{
    (void)state;
    sn_model *m = new_model(12);
    const int64_t N = SN_DIM_SYMBOL(sn_symbol(m, SN_STR("batch"))), U = SN_DIM_UNKNOWN;
    sn_value_id in = input(m, "x", SINTER_UINT8, INTS(N, 3, N, 9, U)), out[] = {value(m, "y"), value(m, "i")};
    sn_node_id n = node(m, "MaxPool", &in, 1, out, 2);
    assert_true(sn_set_attr_ints(m, n, "kernel_shape", INTS(3, 2, 2)));
    assert_true(sn_set_attr_ints(m, n, "strides", INTS(1, 2, 2)));
    assert_true(sn_set_attr_ints(m, n, "pads", INTS(1, 0, 0, 1, 0, 0)));
    assert_true(sn_set_attr_int(m, n, "ceil_mode", 1));
    sn_value_id x = input(m, "z", SINTER_FLOAT, INTS(N, 3, U)), pooled = value(m, "g");
    node(m, "GlobalAveragePool", &x, 1, &pooled, 1);
    inferred r = infer(m);
    if (r.status != SINTER_OK) fail_msg("%s", r.err.text);
    assert_int_equal(r.facts.values[out[0]].type.dtype, SINTER_UINT8);
    assert_int_equal(r.facts.values[out[1]].type.dtype, SINTER_INT64);
    assert_dims(r.facts.values[out[0]], N, 3, N, 5, U);
    assert_dims(r.facts.values[out[1]], N, 3, N, 5, U);
    assert_dims(r.facts.values[pooled], N, 3, 1);
    free_inferred(&r);
    sn_model_destroy(m);
}

static void refused(const char *attribute, const int64_t *values, size_t count, sinter_status status)
{
    static const char *const ops[] = {"MaxPool", "AveragePool", "LpPool"};
    for (size_t i = 0; i < 3; i++) {
        sn_model *m;
        sn_node_id n = one_node(&m, 22, ops[i], 1, 0, 1);
        assert_true(sn_set_attr_ints(m, n, "kernel_shape", INTS(2, 2)));
        assert_true(sn_set_attr_ints(m, n, attribute, values, count));
        sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(1, 1, 4, 4))};
        evaluate_badly(m, n, in, status, attribute);
    }
}

static void test_hostile_attributes(void **state)
{
    (void)state;
    static const char *const positive[] = {"kernel_shape", "strides", "dilations"};
    for (size_t i = 0; i < 3; i++) {
        refused(positive[i], INTS(0, 1), SINTER_INVALID_MODEL);
        refused(positive[i], INTS(1, -1), SINTER_INVALID_MODEL);
        refused(positive[i], INTS(INT64_MIN, INT64_MAX), SINTER_INVALID_MODEL);
    }
    refused("kernel_shape", INTS(2, 2, 2), SINTER_INVALID_INPUT);
    refused("kernel_shape", INTS(5, 2), SINTER_INVALID_INPUT);
    refused("strides", INTS(2), SINTER_INVALID_MODEL);
    refused("pads", INTS(1, 1), SINTER_INVALID_MODEL);
    refused("pads", INTS(-1, 0, 0, 0), SINTER_INVALID_MODEL);
    sn_model *m;
    sn_node_id n = one_node(&m, 12, "MaxPool", 1, 0, 1);
    sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(1, 1, 4))};
    evaluate_badly(m, n, in, SINTER_INVALID_MODEL, "kernel_shape");
}

/* The largest attributes: the work is bounded by the tensors, not by a kernel that lies in the padding. */
static void test_largest_attributes(void **state)
{
    (void)state;
    const int64_t big = SN_WINDOW_LIMIT;
    sn_model *m;
    sn_node_id n = one_node(&m, 19, "AveragePool", 1, 0, 1);
    assert_true(sn_set_attr_ints(m, n, "kernel_shape", INTS(big, big, big)));
    assert_true(sn_set_attr_ints(m, n, "strides", INTS(big, big, big)));
    assert_true(sn_set_attr_ints(m, n, "pads", INTS(big, big, big, big, big, big)));
    sinter_value *out, *in[] = {numbers(SINTER_DOUBLE, DIMS(1, 1, 1, 1, 1), NUMBERS(7))};
    evaluate_well(m, n, in, &out);
    assert_int_equal(out->count, 8);
    for (size_t i = 0; i < 7; i++) assert_true(isnan(((const double *)out->data)[i]));
    assert_true(((const double *)out->data)[7] == 7);
    sinter_value_release(out);

    n = pool(&m, "MaxPool", 12, 1, 2, 1);
    assert_true(sn_set_attr_ints(m, n, "dilations", INTS(big)));
    sinter_value *dilated[] = {counting(SINTER_FLOAT, DIMS(1, 1, 4))};
    evaluate_badly(m, n, dilated, SINTER_INVALID_INPUT, "dilation 1073741824");
}

static void test_empty_tensors(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = pool(&m, "MaxPool", 12, 2, 2, 1);
    sinter_value *outs[2], *in[] = {counting(SINTER_FLOAT, DIMS(0, 3, 4))};
    evaluate_well(m, n, in, outs);
    assert_int_equal(outs[0]->shape.dims[2], 3);
    sinter_value_release(outs[0]);
    sinter_value_release(outs[1]);
    n = pool(&m, "MaxPool", 12, 1, 2, 1);
    sinter_value *no_space[] = {counting(SINTER_FLOAT, DIMS(1, 3, 0))};
    evaluate_badly(m, n, no_space, SINTER_INVALID_INPUT, "input of 0");
}

static void test_out_of_memory(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = pool(&m, "MaxPool", 12, 2, 2, 1);
    sinter_value *in[] = {counting(SINTER_FLOAT16, DIMS(1, 1, 4))};
    evaluate_without_memory(m, n, in, 1);
    n = pool(&m, "AveragePool", 11, 1, 2, 1);
    sinter_value *average[] = {counting(SINTER_FLOAT, DIMS(1, 1, 4))};
    evaluate_without_memory(m, n, average, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ceil_mode),          cmocka_unit_test(test_indices),
        cmocka_unit_test(test_nan_and_infinity),   cmocka_unit_test(test_window_of_padding),
        cmocka_unit_test(test_lp_pools),           cmocka_unit_test(test_symbolic_shapes),
        cmocka_unit_test(test_hostile_attributes), cmocka_unit_test(test_largest_attributes),
        cmocka_unit_test(test_empty_tensors),      cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
