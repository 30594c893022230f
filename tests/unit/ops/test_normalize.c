/* Normalizations beyond the conformance suite: every version of BatchNormalization, group norms, broadcasting scales.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "one_node.h"
#include "ops/normalize.h"
#include <math.h>

enum { X, SCALE, BIAS, MEAN, VARIANCE };

/* Two samples of two channels of two elements; epsilon is chosen so that variances are round. */
static void bn_inputs(sinter_dtype dtype, sinter_value **in)
{
    in[X] = numbers(dtype, DIMS(2, 2, 2), NUMBERS(1, 2, 10, 20, 3, 4, 30, 40));
    in[SCALE] = numbers(dtype, DIMS(2), NUMBERS(2, 1));
    in[BIAS] = numbers(dtype, DIMS(2), NUMBERS(0, 5));
    in[MEAN] = numbers(dtype, DIMS(2), NUMBERS(1, 10));
    in[VARIANCE] = numbers(dtype, DIMS(2), NUMBERS(3, 24));
}

static sn_node_id bn_node(sn_model **m, int64_t opset, size_t n_out)
{
    sn_node_id n = one_node(m, opset, "BatchNormalization", 5, 0, n_out);
    assert_true(sn_set_attr_float(*m, n, "epsilon", 1));
    assert_true(sn_set_attr_float(*m, n, "momentum", 0.75f));
    return n;
}

#define INFERENCE 0, 1, 5, 7, 2, 3, 9, 11

static void test_batch_norm_in_every_version(void **state)
{
    (void)state;
    static const struct {
        int64_t opset, is_test, training_mode; /* -1: no such attribute */
        bool training;
    } cases[] = {
        {1, 1, -1, false},  {1, 0, -1, true},    {5, 1, -1, false},  {6, 1, -1, false},   {6, -1, -1, true},
        {7, -1, -1, false}, {8, -1, -1, false},  {9, -1, -1, false}, {13, -1, -1, false}, {14, -1, 0, false},
        {14, -1, 1, true},  {15, -1, -1, false}, {15, -1, 1, true},  {22, -1, 1, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_model *m;
        sinter_value *in[5], *out;
        sn_node_id n = bn_node(&m, cases[i].opset, 1);
        bn_inputs(SINTER_FLOAT, in);
        if (cases[i].opset < 6) assert_true(sn_set_attr_ints(m, n, "consumed_inputs", INTS(0, 0, 0, 1, 1)));
        if (cases[i].is_test >= 0) assert_true(sn_set_attr_int(m, n, "is_test", cases[i].is_test));
        if (cases[i].training_mode >= 0) assert_true(sn_set_attr_int(m, n, "training_mode", cases[i].training_mode));
        evaluate_well(m, n, in, &out);
        if (cases[i].training) {
            /* Means 2.5 and 25, variances 1.25 and 125. */
            assert_elements(out, 8,
                            NUMBERS(-2, -2.0 / 3, 5 - 15 / 11.224972, 5 - 5 / 11.224972, 2.0 / 3, 2, 5 + 5 / 11.224972,
                                    5 + 15 / 11.224972));
        } else {
            assert_values(out, INFERENCE);
        }
    }
}

/* Running statistics are momentum * old + (1 - momentum) * batch; before opset 14 the batch's own follow. */
static void test_training_outputs(void **state)
{
    (void)state;
    static const int64_t opsets[] = {6, 7, 9, 14, 15};
    for (size_t i = 0; i < sizeof opsets / sizeof *opsets; i++) {
        sn_model *m;
        sinter_value *in[5], *outs[5] = {NULL};
        size_t n_out = opsets[i] < 14 ? 5 : 3;
        sn_node_id n = bn_node(&m, opsets[i], n_out);
        bn_inputs(SINTER_DOUBLE, in);
        if (opsets[i] >= 14) assert_true(sn_set_attr_int(m, n, "training_mode", 1));
        evaluate_well(m, n, in, outs);
        sinter_value_release(outs[0]);
        assert_values(outs[1], 0.75 * 1 + 0.25 * 2.5, 0.75 * 10 + 0.25 * 25);
        assert_values(outs[2], 0.75 * 3 + 0.25 * 1.25, 0.75 * 24 + 0.25 * 125);
        if (n_out < 5) continue;
        assert_values(outs[3], 2.5, 25);
        assert_values(outs[4], 1.25, 125);
    }
}

/* Other outputs that a node names in inference mode repeat what went in. */
static void test_inference_keeps_statistics(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *in[5], *outs[3];
    sn_node_id n = bn_node(&m, 15, 3);
    bn_inputs(SINTER_FLOAT, in);
    evaluate_well(m, n, in, outs);
    assert_values(outs[0], INFERENCE);
    assert_values(outs[1], 1, 10);
    assert_values(outs[2], 3, 24);
}

static void test_statistics_of_another_type(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *in[5], *outs[2];
    sn_node_id n = bn_node(&m, 15, 2);
    bn_inputs(SINTER_FLOAT16, in);
    for (int i = MEAN; i <= VARIANCE; i++) {
        sinter_value_release(in[i]);
        in[i] = numbers(SINTER_DOUBLE, DIMS(2), i == MEAN ? NUMBERS(1, 10) : NUMBERS(3, 24));
    }
    evaluate_well(m, n, in, outs);
    assert_int_equal(outs[0]->dtype, SINTER_FLOAT16);
    assert_int_equal(outs[1]->dtype, SINTER_DOUBLE);
    assert_values(outs[0], INFERENCE);
    assert_values(outs[1], 1, 10);
}

/* spatial = 0: statistics per element of a sample. */
static void test_per_activation(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *out;
    sn_node_id n = bn_node(&m, 7, 1);
    assert_true(sn_set_attr_int(m, n, "spatial", 0));
    sinter_value *in[] = {
        numbers(SINTER_FLOAT, DIMS(2, 1, 2), NUMBERS(1, 2, 3, 4)), numbers(SINTER_FLOAT, DIMS(1, 2), NUMBERS(2, 1)),
        numbers(SINTER_FLOAT, DIMS(1, 2), NUMBERS(0, 5)), numbers(SINTER_FLOAT, DIMS(1, 2), NUMBERS(1, 2)),
        numbers(SINTER_FLOAT, DIMS(1, 2), NUMBERS(3, 0))};
    evaluate_well(m, n, in, &out);
    assert_values(out, 0, 5, 2, 7);
}

static void test_batch_norm_of_a_vector_and_of_nothing(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *out;
    sn_node_id n = bn_node(&m, 15, 1);
    sinter_value *vector[] = {counting(SINTER_FLOAT, DIMS(3)), counting(SINTER_FLOAT, DIMS(1)),
                              counting(SINTER_FLOAT, DIMS(1)), counting(SINTER_FLOAT, DIMS(1)),
                              numbers(SINTER_FLOAT, DIMS(1), NUMBERS(3))};
    evaluate_well(m, n, vector, &out);
    assert_values(out, 1, 1.5, 2);

    n = bn_node(&m, 15, 1);
    sinter_value *nothing[5];
    bn_inputs(SINTER_FLOAT, nothing);
    sinter_value_release(nothing[X]);
    nothing[X] = counting(SINTER_FLOAT, DIMS(0, 2, 7));
    evaluate_well(m, n, nothing, &out);
    assert_int_equal(out->count, 0);
    sinter_value_release(out);
}

static void test_batch_norm_shapes(void **state)
{
    (void)state;
    sn_model *m = new_model(15);
    const int64_t N = SN_DIM_SYMBOL(sn_symbol(m, SN_STR("batch")));
    sn_value_id in[5] = {input(m, "x", SINTER_FLOAT16, INTS(N, 6, SN_DIM_UNKNOWN))}, out[3];
    for (int i = 1; i < 5; i++) in[i] = input(m, (const char[]){'a' + (char)i, 0}, SINTER_FLOAT, INTS(6));
    for (int i = 0; i < 3; i++) out[i] = value(m, (const char[]){'p' + (char)i, 0});
    sn_node_id n = node(m, "BatchNormalization", in, 5, out, 3);
    assert_true(sn_set_attr_int(m, n, "training_mode", 1));
    inferred r = infer(m);
    if (r.status != SINTER_OK) fail_msg("%s", r.err.text);
    assert_int_equal(r.facts.values[out[0]].type.dtype, SINTER_FLOAT16);
    assert_dims(r.facts.values[out[0]], N, 6, SN_DIM_UNKNOWN);
    assert_int_equal(r.facts.values[out[2]].type.dtype, SINTER_FLOAT);
    assert_dims(r.facts.values[out[2]], 6);
    free_inferred(&r);
    m->values[in[MEAN]].type.shape.dims[0] = 5;
    infer_badly(m, "mean has shape 5, expected 6");
    sn_model_destroy(m);

    n = bn_node(&m, 15, 1);
    sinter_value *values[5];
    bn_inputs(SINTER_FLOAT, values);
    sinter_value_release(values[VARIANCE]);
    values[VARIANCE] = counting(SINTER_FLOAT, DIMS(3));
    evaluate_badly(m, n, values, SINTER_INVALID_INPUT, "var has shape 3, expected 2");
}

/* Two groups of two channels, each group -1 and 1 after normalization with epsilon 0. */
static void test_group_norm_scales_groups_or_channels(void **state)
{
    (void)state;
    for (int version = 18; version <= 21; version += 3) {
        sn_model *m;
        sinter_value *out;
        sn_node_id n = one_node(&m, version, "GroupNormalization", 3, 0, 1);
        assert_true(sn_set_attr_int(m, n, "num_groups", 2));
        assert_true(sn_set_attr_float(m, n, "epsilon", 0));
        sinter_value *in[] = {numbers(SINTER_DOUBLE, DIMS(1, 4, 1), NUMBERS(1, 3, 10, 30)),
                              counting(SINTER_DOUBLE, DIMS(version == 18 ? 2 : 4)),
                              counting(SINTER_DOUBLE, DIMS(version == 18 ? 2 : 4))};
        evaluate_well(m, n, in, &out);
        if (version == 18)
            assert_values(out, 0, 2, 0, 4);
        else
            assert_values(out, 0, 4, 0, 8);
    }
}

static void test_group_norm_attributes(void **state)
{
    (void)state;
    static const struct {
        int64_t groups;
        sinter_status status;
    } cases[] = {{0, SINTER_INVALID_MODEL},
                 {-2, SINTER_INVALID_MODEL},
                 {3, SINTER_INVALID_INPUT},
                 {INT64_MAX, SINTER_INVALID_INPUT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_model *m;
        sn_node_id n = one_node(&m, 21, "GroupNormalization", 3, 0, 1);
        assert_true(sn_set_attr_int(m, n, "num_groups", cases[i].groups));
        sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(1, 4, 1)), counting(SINTER_FLOAT, DIMS(4)),
                              counting(SINTER_FLOAT, DIMS(4))};
        evaluate_badly(m, n, in, cases[i].status, "num_groups");
    }
}

static void layer_norm(const char *attribute, int64_t setting, sinter_value *scale, sinter_status status,
                       const char *word)
{
    sn_model *m;
    sn_node_id n = one_node(&m, 17, "LayerNormalization", 2, 0, 1);
    assert_true(sn_set_attr_int(m, n, attribute, setting));
    sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(2, 3)), scale};
    evaluate_badly(m, n, in, status, word);
}

static void test_layer_norm(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *outs[3];
    sn_node_id n = one_node(&m, 17, "LayerNormalization", 2, 0, 3);
    assert_true(sn_set_attr_float(m, n, "epsilon", 0));
    assert_true(sn_set_attr_int(m, n, "stash_type", SINTER_BFLOAT16));
    /* The scale varies along an axis that is not normalized. */
    sinter_value *in[] = {numbers(SINTER_DOUBLE, DIMS(2, 2), NUMBERS(1, 3, 10, 30)),
                          numbers(SINTER_DOUBLE, DIMS(2, 1), NUMBERS(1, 5))};
    evaluate_well(m, n, in, outs);
    assert_values(outs[0], -1, 1, -5, 5);
    assert_int_equal(outs[1]->dtype, SINTER_BFLOAT16);
    assert_values(outs[1], 2, 20);
    assert_int_equal(outs[2]->shape.dims[1], 1);
    assert_elements(outs[2], 2, NUMBERS(1, 0.10009765625)); /* 0.1 in bfloat16 */

    layer_norm("axis", 2, counting(SINTER_FLOAT, DIMS(3)), SINTER_INVALID_INPUT, "axis");
    layer_norm("axis", INT64_MIN, counting(SINTER_FLOAT, DIMS(3)), SINTER_INVALID_INPUT, "axis");
    layer_norm("stash_type", 7, counting(SINTER_FLOAT, DIMS(3)), SINTER_INVALID_MODEL, "stash_type");
    layer_norm("axis", 1, counting(SINTER_FLOAT, DIMS(2)), SINTER_INVALID_INPUT, "scale of shape 2");
    layer_norm("axis", 1, counting(SINTER_FLOAT, DIMS(1, 1, 3)), SINTER_INVALID_INPUT, "scale of shape 1x1x3");
}

/* The mean of 49 and 1 is 25; the output has the scale's type. */
static void test_rms_norm(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *outs[1];
    sn_node_id n = one_node(&m, 23, "RMSNormalization", 2, 0, 1);
    assert_true(sn_set_attr_float(m, n, "epsilon", 0.5f));
    sinter_value *in[] = {numbers(SINTER_FLOAT, DIMS(2, 2), NUMBERS(0, 0, 7, 1)),
                          numbers(SINTER_DOUBLE, DIMS(2), NUMBERS(5, -10))};
    evaluate_well(m, n, in, outs);
    assert_int_equal(outs[0]->dtype, SINTER_DOUBLE);
    assert_elements(outs[0], 4, NUMBERS(0, 0, 35 / sqrt(25.5), -10 / sqrt(25.5)));

    n = one_node(&m, 23, "RMSNormalization", 2, 0, 1);
    sinter_value *bad[] = {counting(SINTER_FLOAT, DIMS(2, 3)), counting(SINTER_FLOAT, DIMS(2))};
    evaluate_badly(m, n, bad, SINTER_INVALID_INPUT, "scale of shape 2");
    n = one_node(&m, 23, "RMSNormalization", 2, 0, 1);
    assert_true(sn_set_attr_int(m, n, "axis", 2));
    sinter_value *deep[] = {counting(SINTER_FLOAT, DIMS(2, 3)), counting(SINTER_FLOAT, DIMS(3))};
    evaluate_badly(m, n, deep, SINTER_INVALID_INPUT, "axis");
}

static void test_instance_norm_checks_vectors(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 6, "InstanceNormalization", 3, 0, 1);
    sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(1, 4, 3)), counting(SINTER_FLOAT, DIMS(4)),
                          counting(SINTER_FLOAT, DIMS(3))};
    evaluate_badly(m, n, in, SINTER_INVALID_INPUT, "bias has shape 3, expected [4]");
}

static void test_out_of_memory(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *in[5];
    sn_node_id n = bn_node(&m, 9, 5);
    bn_inputs(SINTER_FLOAT, in);
    evaluate_without_memory(m, n, in, 5);
    n = one_node(&m, 17, "LayerNormalization", 3, 0, 3);
    sinter_value *layer[] = {counting(SINTER_FLOAT, DIMS(2, 3)), counting(SINTER_FLOAT, DIMS(1)),
                             counting(SINTER_FLOAT, DIMS(3))};
    evaluate_without_memory(m, n, layer, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_norm_in_every_version),
        cmocka_unit_test(test_training_outputs),
        cmocka_unit_test(test_inference_keeps_statistics),
        cmocka_unit_test(test_statistics_of_another_type),
        cmocka_unit_test(test_per_activation),
        cmocka_unit_test(test_batch_norm_of_a_vector_and_of_nothing),
        cmocka_unit_test(test_batch_norm_shapes),
        cmocka_unit_test(test_group_norm_scales_groups_or_channels),
        cmocka_unit_test(test_group_norm_attributes),
        cmocka_unit_test(test_layer_norm),
        cmocka_unit_test(test_rms_norm),
        cmocka_unit_test(test_instance_norm_checks_vectors),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
