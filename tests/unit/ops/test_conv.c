/* Conv and ConvTranspose beyond the conformance suite: groups, symbolic shapes, hostile attributes, empty tensors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "one_node.h"
#include "ops/conv.h"

static void test_grouped_conv(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *out;
    sn_node_id n = one_node(&m, 11, "Conv", 3, 0, 1);
    assert_true(sn_set_attr_int(m, n, "group", 2));
    sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(1, 2, 3)),
                          numbers(SINTER_FLOAT, DIMS(4, 1, 2), NUMBERS(1, 0, 0, 1, 1, 1, -1, 1)),
                          numbers(SINTER_FLOAT, DIMS(4), NUMBERS(0, 0, 10, 20))};
    evaluate_well(m, n, in, &out);
    assert_values(out, 1, 2, 2, 3, 19, 21, 21, 21);
}

/* W is [C, M/group, k]: output channel g * (M/group) + m takes W[c of group g, m]. */
static void test_grouped_conv_transpose(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *out;
    sn_node_id n = one_node(&m, 11, "ConvTranspose", 3, 0, 1);
    assert_true(sn_set_attr_int(m, n, "group", 2));
    assert_true(sn_set_attr_ints(m, n, "strides", INTS(2)));
    sinter_value *in[] = {numbers(SINTER_FLOAT, DIMS(1, 2, 2), NUMBERS(1, 2, 3, 4)),
                          numbers(SINTER_FLOAT, DIMS(2, 2, 1), NUMBERS(10, 20, 30, 40)),
                          numbers(SINTER_FLOAT, DIMS(4), NUMBERS(1, 2, 3, 4))};
    evaluate_well(m, n, in, &out);
    assert_values(out, 11, 1, 21, 22, 2, 42, 93, 3, 123, 124, 4, 164);
}

static void transposed(sn_model *m, sn_node_id n, sinter_value **out)
{
    sinter_value *in[] = {numbers(SINTER_DOUBLE, DIMS(1, 1, 2), NUMBERS(1, 10)),
                          numbers(SINTER_DOUBLE, DIMS(1, 1, 3), NUMBERS(1, 2, 3))};
    evaluate_well(m, n, in, out);
}

/* Of the full output 1 2 13 20 30 (stride 2), output_shape asks for four elements: the odd padding goes to the front,
 * but to the end with SAME_UPPER; and for more than there are: the rest is empty. */
static void test_output_shape_sets_padding(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *out;
    sn_node_id n = one_node(&m, 11, "ConvTranspose", 2, 0, 1);
    assert_true(sn_set_attr_ints(m, n, "strides", INTS(2)));
    assert_true(sn_set_attr_ints(m, n, "output_shape", INTS(4)));
    transposed(m, n, &out);
    assert_values(out, 2, 13, 20, 30);

    n = one_node(&m, 11, "ConvTranspose", 2, 0, 1);
    assert_true(sn_set_attr_ints(m, n, "strides", INTS(2)));
    assert_true(sn_set_attr_string(m, n, "auto_pad", SN_STR("SAME_UPPER")));
    transposed(m, n, &out);
    assert_values(out, 1, 2, 13, 20);

    n = one_node(&m, 11, "ConvTranspose", 2, 0, 1);
    assert_true(sn_set_attr_ints(m, n, "strides", INTS(2)));
    assert_true(sn_set_attr_ints(m, n, "output_shape", INTS(7)));
    transposed(m, n, &out);
    assert_values(out, 1, 2, 13, 20, 30, 0, 0);
}

/* 16-bit floats are summed in float and rounded once: 256 + 1 + 1 is 258 in bfloat16, but 256 + 1 would round to 256.
 */
static void test_bfloat16_is_rounded_once(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *out;
    sn_node_id n = one_node(&m, 22, "Conv", 2, 0, 1);
    sinter_value *in[] = {numbers(SINTER_BFLOAT16, DIMS(1, 3, 1), NUMBERS(256, 1, 1)),
                          numbers(SINTER_BFLOAT16, DIMS(1, 3, 1), NUMBERS(1, 1, 1))};
    evaluate_well(m, n, in, &out);
    assert_int_equal(out->dtype, SINTER_BFLOAT16);
    assert_values(out, 258);
}

static void test_empty_tensors(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *out;
    sn_node_id n = one_node(&m, 11, "Conv", 2, 0, 1);
    sinter_value *no_batch[] = {counting(SINTER_FLOAT, DIMS(0, 2, 5, 5)), counting(SINTER_FLOAT, DIMS(3, 2, 3, 3))};
    evaluate_well(m, n, no_batch, &out);
    assert_int_equal(out->shape.dims[0], 0);
    assert_int_equal(out->shape.dims[2], 3);
    sinter_value_release(out);

    /* Without channels only the bias remains. */
    n = one_node(&m, 11, "Conv", 3, 0, 1);
    sinter_value *no_channels[] = {counting(SINTER_FLOAT, DIMS(1, 0, SN_WINDOW_LIMIT)),
                                   counting(SINTER_FLOAT, DIMS(2, 0, SN_WINDOW_LIMIT)),
                                   numbers(SINTER_FLOAT, DIMS(2), NUMBERS(5, 6))};
    evaluate_well(m, n, no_channels, &out);
    assert_values(out, 5, 6);
}

/* ---------------------------------------------------------------------------------------------------- inference */

typedef struct shape_case {
    const char *op;
    int64_t x[4], w[4]; /* 0 stands for the symbol, -1 for unknown */
    int64_t strides, pads;
    const char *auto_pad;
    int64_t expected[4];
} shape_case;

enum { SYMBOL = 0, UNKNOWN = -1 };

static int64_t dim_of(int64_t d)
{
    return d == SYMBOL ? SN_DIM_SYMBOL(0) : d == UNKNOWN ? SN_DIM_UNKNOWN : d;
}

static void test_symbolic_shapes(void **state)
{
    (void)state;
    static const shape_case cases[] = {
        {"Conv", {SYMBOL, 3, 10, 11}, {8, 3, 3, 3}, 1, 0, "NOTSET", {SYMBOL, 8, 8, 9}},
        {"Conv", {SYMBOL, 3, 10, 11}, {8, 3, 3, 3}, 2, 1, "NOTSET", {SYMBOL, 8, 5, 6}},
        {"Conv", {2, 3, SYMBOL, 11}, {8, 3, 3, 3}, 1, 1, "NOTSET", {2, 8, SYMBOL, 11}},
        {"Conv", {2, 3, SYMBOL, 11}, {8, 3, 3, 3}, 1, 0, "NOTSET", {2, 8, UNKNOWN, 9}},
        {"Conv", {2, 3, SYMBOL, 11}, {8, 3, 3, 3}, 2, 1, "NOTSET", {2, 8, UNKNOWN, 6}},
        {"Conv", {2, 3, SYMBOL, 11}, {8, 3, UNKNOWN, 3}, 1, 0, "SAME_LOWER", {2, 8, SYMBOL, 11}},
        {"Conv", {2, UNKNOWN, 10, 10}, {UNKNOWN, UNKNOWN, 3, UNKNOWN}, 1, 0, "NOTSET", {2, UNKNOWN, 8, UNKNOWN}},
        {"ConvTranspose", {SYMBOL, 3, 4, 5}, {3, 8, 2, 2}, 2, 0, "NOTSET", {SYMBOL, 8, 8, 10}},
        {"ConvTranspose", {2, 3, SYMBOL, 5}, {3, 8, 3, 3}, 1, 1, "NOTSET", {2, 8, SYMBOL, 5}},
        {"ConvTranspose", {2, 3, SYMBOL, 5}, {3, 8, 2, 2}, 2, 0, "NOTSET", {2, 8, UNKNOWN, 10}},
        {"ConvTranspose", {2, 3, UNKNOWN, 5}, {3, UNKNOWN, 3, 3}, 2, 0, "SAME_UPPER", {2, UNKNOWN, UNKNOWN, 10}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const shape_case *c = &cases[i];
        sn_model *m = new_model(11);
        assert_int_equal(sn_symbol(m, SN_STR("batch")), 0);
        int64_t x[4], w[4];
        for (int d = 0; d < 4; d++) x[d] = dim_of(c->x[d]), w[d] = dim_of(c->w[d]);
        sn_value_id in[] = {input(m, "x", SINTER_FLOAT, x, 4), input(m, "w", SINTER_FLOAT, w, 4)};
        sn_value_id out = value(m, "y");
        sn_node_id n = node(m, c->op, in, 2, &out, 1);
        assert_true(sn_set_attr_ints(m, n, "strides", INTS(c->strides, c->strides)));
        if (c->pads) assert_true(sn_set_attr_ints(m, n, "pads", INTS(c->pads, c->pads, c->pads, c->pads)));
        assert_true(sn_set_attr_string(m, n, "auto_pad", sn_str_of(c->auto_pad)));
        inferred r = infer(m);
        if (r.status != SINTER_OK) fail_msg("case %zu: %s", i, r.err.text);
        const sn_fact *y = &r.facts.values[out];
        assert_int_equal(y->type.dtype, SINTER_FLOAT);
        assert_int_equal(y->type.shape.rank, 4);
        for (int d = 0; d < 4; d++)
            if (y->type.shape.dims[d] != dim_of(c->expected[d])) fail_msg("case %zu: axis %d", i, d);
        free_inferred(&r);
        sn_model_destroy(m);
    }
}

static void test_inference_finds_contradictions(void **state)
{
    (void)state;
    static const struct {
        const char *op;
        int64_t x[3], w[3], bias, group;
        const char *word;
    } cases[] = {
        {"Conv", {1, 4, 9}, {8, 3, 3}, 8, 1, "4 channels, expected 3"},
        {"Conv", {1, 6, 9}, {7, 3, 3}, 7, 2, "group: 2 does not divide the weight's 7"},
        {"Conv", {1, 3, 9}, {8, 3, 3}, 7, 1, "bias"},
        {"Conv", {1, 3, 2}, {8, 3, 3}, 8, 1, "kernel_shape: a window of 3"},
        {"Conv", {1, 3, 9}, {8, 3, 0}, 8, 1, "kernel of 0"},
        {"Conv", {1, 3, INT64_MAX}, {8, 3, 3}, 8, 1, "input of 9223372036854775807"},
        {"Conv", {1, 3, 9}, {8, INT64_MAX, 3}, 8, 2, "channels"},
        {"ConvTranspose", {1, 4, 9}, {3, 8, 3}, 8, 1, "4 channels, expected the weight's 3"},
        {"ConvTranspose", {1, 3, 9}, {3, 8, 3}, 8, 2, "group: 2 does not divide the 3"},
        {"ConvTranspose", {1, 4, 9}, {4, INT64_MAX / 2, 3}, 8, 4, "group: 4 groups of"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_model *m = new_model(11);
        sn_value_id in[] = {input(m, "x", SINTER_FLOAT, cases[i].x, 3), input(m, "w", SINTER_FLOAT, cases[i].w, 3),
                            input(m, "b", SINTER_FLOAT, &cases[i].bias, 1)};
        sn_value_id out = value(m, "y");
        sn_node_id n = node(m, cases[i].op, in, 3, &out, 1);
        assert_true(sn_set_attr_int(m, n, "group", cases[i].group));
        infer_badly(m, cases[i].word);
        sn_model_destroy(m);
    }
}

/* ---------------------------------------------------------------------------------------------------- hostile
 * attributes */

static void refused(const char *op, const char *attribute, const int64_t *values, size_t n_values)
{
    sn_model *m;
    sn_node_id n = one_node(&m, 11, op, 2, 0, 1);
    assert_true(sn_set_attr_ints(m, n, attribute, values, n_values));
    sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(1, 1, 4, 4)), counting(SINTER_FLOAT, DIMS(1, 1, 2, 2))};
    evaluate_badly(m, n, in, SINTER_INVALID_MODEL, attribute);
}

static void test_hostile_attributes(void **state)
{
    (void)state;
    static const char *const ops[] = {"Conv", "ConvTranspose"};
    static const char *const positive[] = {"kernel_shape", "strides", "dilations"};
    for (size_t o = 0; o < 2; o++) {
        for (size_t i = 0; i < 3; i++) {
            refused(ops[o], positive[i], INTS(1, 0));
            refused(ops[o], positive[i], INTS(-1, 1));
            refused(ops[o], positive[i], INTS(INT64_MIN, 1));
            refused(ops[o], positive[i], INTS(INT64_MAX, 1));
            refused(ops[o], positive[i], INTS(SN_WINDOW_LIMIT + 1, 1));
        }
        refused(ops[o], "kernel_shape", INTS(2, 3));
        refused(ops[o], "pads", INTS(0, 0, 0));
        refused(ops[o], "pads", INTS(0, 0, -1, 0));
        refused(ops[o], "pads", INTS(INT64_MAX, 0, 0, 0));
        refused(ops[o], "strides", (const int64_t[SN_MAX_SPATIAL + 1]){1}, SN_MAX_SPATIAL + 1);
    }
    refused("ConvTranspose", "output_padding", INTS(-1, 0));
    refused("ConvTranspose", "output_shape", INTS(0, 1));
    refused("ConvTranspose", "output_shape", INTS(INT64_MAX, 1));
    refused("ConvTranspose", "pads", INTS(9, 9, 9, 9));
}

static void test_hostile_groups(void **state)
{
    (void)state;
    static const struct {
        int64_t group;
        sinter_status status;
    } cases[] = {{0, SINTER_INVALID_MODEL},
                 {-1, SINTER_INVALID_MODEL},
                 {INT64_MIN, SINTER_INVALID_MODEL},
                 {INT64_MAX, SINTER_INVALID_INPUT},
                 {2, SINTER_INVALID_INPUT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_model *m;
        sn_node_id n = one_node(&m, 11, "Conv", 2, 0, 1);
        assert_true(sn_set_attr_int(m, n, "group", cases[i].group));
        sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(1, 3, 4)), counting(SINTER_FLOAT, DIMS(3, 3, 2))};
        evaluate_badly(m, n, in, cases[i].status, "group");
    }
}

/* The largest attributes that are let through: the arithmetic behind must hold, and say that nothing fits or that the
 * output would be too large. */
static void test_largest_attributes(void **state)
{
    (void)state;
    const int64_t big = SN_WINDOW_LIMIT;
    sn_model *m;
    sinter_value *out;
    sn_node_id n = one_node(&m, 11, "Conv", 2, 0, 1);
    assert_true(sn_set_attr_ints(m, n, "dilations", INTS(big)));
    sinter_value *dilated[] = {counting(SINTER_FLOAT, DIMS(1, 1, 4)), counting(SINTER_FLOAT, DIMS(1, 1, 2))};
    evaluate_badly(m, n, dilated, SINTER_INVALID_INPUT, "dilation 1073741824");

    n = one_node(&m, 11, "Conv", 2, 0, 1);
    assert_true(sn_set_attr_ints(m, n, "strides", INTS(big)));
    assert_true(sn_set_attr_ints(m, n, "dilations", INTS(big)));
    assert_true(sn_set_attr_ints(m, n, "pads", INTS(big, big)));
    sinter_value *padded[] = {numbers(SINTER_FLOAT, DIMS(1, 1, 1), NUMBERS(7)),
                              numbers(SINTER_FLOAT, DIMS(1, 1, 2), NUMBERS(1, 10))};
    evaluate_well(m, n, padded, &out);
    assert_values(out, 70, 7);

    n = one_node(&m, 11, "ConvTranspose", 2, 0, 1);
    assert_true(sn_set_attr_ints(m, n, "strides", INTS(big)));
    assert_true(sn_set_attr_ints(m, n, "dilations", INTS(big)));
    sinter_value *spread[] = {counting(SINTER_FLOAT, DIMS(1, 1, 600)), counting(SINTER_FLOAT, DIMS(1, 1, 600))};
    evaluate_badly(m, n, spread, SINTER_TOO_LARGE, "output");
}

static void test_mismatched_inputs(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 11, "Conv", 2, 0, 1);
    sinter_value *channels[] = {counting(SINTER_FLOAT, DIMS(1, 3, 4)), counting(SINTER_FLOAT, DIMS(2, 2, 2))};
    evaluate_badly(m, n, channels, SINTER_INVALID_INPUT, "3 channels, expected 2");
    n = one_node(&m, 11, "Conv", 2, 0, 1);
    sinter_value *ranks[] = {counting(SINTER_FLOAT, DIMS(1, 2, 4, 4)), counting(SINTER_FLOAT, DIMS(2, 2, 2))};
    evaluate_badly(m, n, ranks, SINTER_INVALID_INPUT, "rank 3, expected the input's rank 4");
    n = one_node(&m, 11, "Conv", 2, 0, 1);
    sinter_value *no_space[] = {counting(SINTER_FLOAT, DIMS(1, 2)), counting(SINTER_FLOAT, DIMS(2, 2))};
    evaluate_badly(m, n, no_space, SINTER_INVALID_INPUT, "rank 2");
    n = one_node(&m, 11, "Conv", 3, 0, 1);
    sinter_value *bias[] = {counting(SINTER_FLOAT, DIMS(1, 2, 4)), counting(SINTER_FLOAT, DIMS(2, 2, 2)),
                            counting(SINTER_FLOAT, DIMS(3))};
    evaluate_badly(m, n, bias, SINTER_INVALID_INPUT, "bias");
}

static void test_out_of_memory(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 11, "ConvTranspose", 3, 0, 1);
    sinter_value *in[] = {counting(SINTER_FLOAT16, DIMS(1, 2, 4)), counting(SINTER_FLOAT16, DIMS(2, 2, 2)),
                          counting(SINTER_FLOAT16, DIMS(2))};
    evaluate_without_memory(m, n, in, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grouped_conv),
        cmocka_unit_test(test_grouped_conv_transpose),
        cmocka_unit_test(test_output_shape_sets_padding),
        cmocka_unit_test(test_bfloat16_is_rounded_once),
        cmocka_unit_test(test_empty_tensors),
        cmocka_unit_test(test_symbolic_shapes),
        cmocka_unit_test(test_inference_finds_contradictions),
        cmocka_unit_test(test_hostile_attributes),
        cmocka_unit_test(test_hostile_groups),
        cmocka_unit_test(test_largest_attributes),
        cmocka_unit_test(test_mismatched_inputs),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
