/* RNN, GRU and LSTM beyond the conformance suite: attributes worked out by hand, sequence lengths, layouts, shapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "one_node.h"
#include "ops/recurrent.h"
#include <math.h>

static void strings_attr(sn_model *m, sn_node_id n, const char *name, const sn_str *strings, size_t count)
{
    sn_attr a = {.name = sn_str_of(name),
                 .type = SN_ATTR_STRINGS,
                 .ref_attr_name = SN_STR(""),
                 .doc_string = SN_STR(""),
                 .extra = SN_STR(""),
                 .count = count,
                 .strings = strings};
    assert_true(sn_set_attr(m, n, &a));
}

static void floats_attr(sn_model *m, sn_node_id n, const char *name, const float *floats, size_t count)
{
    sn_attr a = {.name = sn_str_of(name),
                 .type = SN_ATTR_FLOATS,
                 .ref_attr_name = SN_STR(""),
                 .doc_string = SN_STR(""),
                 .extra = SN_STR(""),
                 .count = count,
                 .floats = floats};
    assert_true(sn_set_attr(m, n, &a));
}

static const sn_str linear[] = {{"Affine", 6}, {"affine", 6}, {"AFFINE", 6}};

/* h = x + 10 * h, so that the digits of h are the inputs in the order in which they were seen. */
static sn_node_id recorder(sn_model **m, unsigned absent, size_t n_in, size_t n_out, const char *direction)
{
    sn_node_id n = one_node(m, 14, "RNN", n_in, absent, n_out);
    assert_true(sn_set_attr_string(*m, n, "direction", sn_str_of(direction)));
    strings_attr(*m, n, "activations", linear, strcmp(direction, "bidirectional") == 0 ? 2 : 1);
    return n;
}

static void test_directions_and_lengths(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *outs[2];
    sn_node_id n = recorder(&m, 1 << 3, 5, 2, "bidirectional");
    /* Three steps of two sequences: 1 2 3, and 4 5 of which only the first is meant. */
    sinter_value *in[] = {numbers(SINTER_DOUBLE, DIMS(3, 2, 1), NUMBERS(1, 4, 2, 5, 3, 6)),
                          numbers(SINTER_DOUBLE, DIMS(2, 1, 1), NUMBERS(1, 1)),
                          numbers(SINTER_DOUBLE, DIMS(2, 1, 1), NUMBERS(10, 10)), NULL,
                          tensor(SINTER_INT32, DIMS(2), (const int32_t[]){3, 2})};
    evaluate_well(m, n, in, outs);
    /* [step][direction][sequence] */
    assert_values(outs[0], 1, 4, 321, 54, 12, 45, 32, 5, 123, 0, 3, 0);
    assert_values(outs[1], 123, 45, 321, 54);
}

static void test_reverse_batch_first_with_initial_state(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *outs[2];
    sn_node_id n = recorder(&m, 3 << 3, 6, 2, "reverse");
    assert_true(sn_set_attr_int(m, n, "layout", 1));
    sinter_value *in[] = {numbers(SINTER_FLOAT, DIMS(2, 2, 1), NUMBERS(1, 2, 3, 4)),
                          numbers(SINTER_FLOAT, DIMS(1, 1, 1), NUMBERS(1)),
                          numbers(SINTER_FLOAT, DIMS(1, 1, 1), NUMBERS(10)),
                          NULL,
                          NULL,
                          numbers(SINTER_FLOAT, DIMS(2, 1, 1), NUMBERS(7, 8))};
    evaluate_well(m, n, in, outs);
    assert_int_equal(outs[0]->shape.dims[0], 2);
    assert_values(outs[0], 721, 72, 843, 84);
    assert_values(outs[1], 721, 843);
}

static void test_only_the_last_state(void **state)
{
    (void)state;
    sn_model *m = new_model(14);
    sn_value_id in[3] = {value(m, "x"), value(m, "w"), value(m, "r")}, out[] = {SN_NONE, value(m, "h")};
    sn_node_id n = node(m, "RNN", in, 3, out, 2);
    strings_attr(m, n, "activations", linear, 1);
    sinter_value *outs[2] = {NULL}, *values[] = {numbers(SINTER_BFLOAT16, DIMS(2, 1, 1), NUMBERS(1, 2)),
                                                 numbers(SINTER_BFLOAT16, DIMS(1, 1, 1), NUMBERS(1)),
                                                 numbers(SINTER_BFLOAT16, DIMS(1, 1, 1), NUMBERS(10))};
    m->opsets[0].version = 22;
    evaluate_well(m, n, values, outs);
    assert_int_equal(outs[1]->dtype, SINTER_BFLOAT16);
    assert_null(outs[0]);
    assert_values(outs[1], 12);
}

/* One LSTM step with all gates linear (Affine passes its input on): i = 2 + p_i c, f = 3, candidate = 5, o = 7 + p_o C.
 */
static double lstm_step(int64_t input_forget, float clip)
{
    sn_model *m;
    sinter_value *outs[3];
    sn_node_id n = one_node(&m, 7, "LSTM", 8, 1 << 4, 3);
    strings_attr(m, n, "activations", linear, 3);
    if (input_forget) assert_true(sn_set_attr_int(m, n, "input_forget", input_forget));
    if (clip > 0) assert_true(sn_set_attr_float(m, n, "clip", clip));
    sinter_value *in[] = {numbers(SINTER_DOUBLE, DIMS(1, 1, 1), NUMBERS(1)),
                          numbers(SINTER_DOUBLE, DIMS(1, 4, 1), NUMBERS(1, 6, 2, 4)),
                          numbers(SINTER_DOUBLE, DIMS(1, 4, 1), NUMBERS(0, 0, 0, 0)),
                          numbers(SINTER_DOUBLE, DIMS(1, 8), NUMBERS(1, 1, 0, 0, 0, 0, 1, 1)),
                          NULL,
                          numbers(SINTER_DOUBLE, DIMS(1, 1, 1), NUMBERS(9)),
                          numbers(SINTER_DOUBLE, DIMS(1, 1, 1), NUMBERS(10)),
                          numbers(SINTER_DOUBLE, DIMS(1, 3), NUMBERS(0.1, 0.5, 0))};
    evaluate_well(m, n, in, outs);
    double h = sn_load_double(outs[1]->dtype, outs[1]->data, 0), c = sn_load_double(outs[2]->dtype, outs[2]->data, 0);
    double i = fmin(2 + 0.1 * 10, clip), f = input_forget ? 1 - i : fmin(3, clip), g = fmin(5, clip);
    assert_true(fabs(c - (f * 10 + i * g)) < 1e-9);
    for (int k = 0; k < 3; k++) sinter_value_release(outs[k]);
    return h;
}

static void test_lstm_attributes(void **state)
{
    (void)state;
    /* C = 3 * 10 + 3 * 5 = 45; h = (7 + 0.5 * 45) * 45. */
    assert_true(fabs(lstm_step(0, INFINITY) - 29.5 * 45) < 1e-9);
    /* Coupled: f = 1 - 3, C = -20 + 15 = -5; h = (7 - 2.5) * -5. */
    assert_true(fabs(lstm_step(1, INFINITY) - 4.5 * -5) < 1e-9);
    /* Inputs of all activations are clipped, that of h(C) too: C = 20 + 4. */
    assert_true(fabs(lstm_step(0, 2) - 2 * 2) < 1e-9);
}

/* z = 0.5, r = 2, candidate = x + r * (10 h + 3) or x + 10 * (r h) + 3. */
static void test_gru_linear_before_reset(void **state)
{
    (void)state;
    for (int64_t linear_first = 0; linear_first <= 1; linear_first++) {
        sn_model *m;
        sinter_value *outs[2];
        sn_node_id n = one_node(&m, 14, "GRU", 6, 1 << 4, 2);
        strings_attr(m, n, "activations", linear, 2);
        assert_true(sn_set_attr_int(m, n, "linear_before_reset", linear_first));
        sinter_value *in[] = {numbers(SINTER_FLOAT, DIMS(1, 1, 1), NUMBERS(1)),
                              numbers(SINTER_FLOAT, DIMS(1, 3, 1), NUMBERS(0, 0, 1)),
                              numbers(SINTER_FLOAT, DIMS(1, 3, 1), NUMBERS(0, 0, 10)),
                              numbers(SINTER_FLOAT, DIMS(1, 6), NUMBERS(0.5, 2, 0, 0, 0, 3)),
                              NULL,
                              numbers(SINTER_FLOAT, DIMS(1, 1, 1), NUMBERS(4))};
        evaluate_well(m, n, in, outs);
        double candidate = linear_first ? 1 + 2 * 43 : 1 + 80 + 3;
        assert_values(outs[0], 0.5 * candidate + 0.5 * 4);
        sinter_value_release(outs[1]);
    }
}

/* Every function on one value, with its constants taken in order by those that have any. */
static void test_activations(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double x, expected;
        float alpha, beta; /* 0: the default */
    } cases[] = {
        {"relu", -2, 0, 0, 0},
        {"Tanh", 1, 0.76159416, 0, 0},
        {"Sigmoid", 1, 0.73105858, 0, 0},
        {"Affine", 3, 3, 0, 0},
        {"Affine", 3, 7, 2, 1},
        {"LeakyRelu", -2, -0.02, 0, 0},
        {"LeakyRelu", -2, -1, 0.5f, 0},
        {"ThresholdedRelu", 0.5, 0, 0, 0},
        {"ThresholdedRelu", 2, 2, 0, 0},
        {"ScaledTanh", 1, 0.76159416, 0, 0},
        {"ScaledTanh", 0.5, 1.52318831, 2, 2},
        {"HardSigmoid", 1, 0.7, 0, 0},
        {"HardSigmoid", 9, 1, 0, 0},
        {"Elu", -1, -0.63212056, 0, 0},
        {"Softsign", -3, -0.75, 0, 0},
        {"Softplus", 0, 0.69314718, 0, 0},
        {"Softplus", 1000, 1000, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_model *m;
        sinter_value *out;
        sn_node_id n = one_node(&m, 14, "RNN", 3, 0, 1);
        strings_attr(m, n, "activations", &(sn_str){cases[i].name, strlen(cases[i].name)}, 1);
        if (cases[i].alpha != 0) floats_attr(m, n, "activation_alpha", &cases[i].alpha, 1);
        if (cases[i].beta != 0) floats_attr(m, n, "activation_beta", &cases[i].beta, 1);
        sinter_value *in[] = {numbers(SINTER_DOUBLE, DIMS(1, 1, 1), &cases[i].x),
                              counting(SINTER_DOUBLE, DIMS(1, 1, 1)), counting(SINTER_DOUBLE, DIMS(1, 1, 1))};
        evaluate_well(m, n, in, &out);
        assert_elements(out, 1, &cases[i].expected);
    }
}

static void test_symbolic_shapes(void **state)
{
    (void)state;
    for (int64_t layout = 0; layout <= 1; layout++) {
        sn_model *m = new_model(14);
        const int64_t N = SN_DIM_SYMBOL(sn_symbol(m, SN_STR("batch"))), U = SN_DIM_UNKNOWN;
        sn_value_id in[] = {
            input(m, "x", SINTER_FLOAT, layout ? (const int64_t[]){N, U, 5} : (const int64_t[]){U, N, 5}, 3),
            value(m, "w"), input(m, "r", SINTER_FLOAT, INTS(2, 28, 7))};
        sn_value_id out[] = {value(m, "y"), value(m, "h"), value(m, "c")};
        sn_node_id n = node(m, "LSTM", in, 3, out, 3);
        assert_true(sn_set_attr_string(m, n, "direction", SN_STR("bidirectional")));
        assert_true(sn_set_attr_int(m, n, "layout", layout));
        inferred r = infer(m);
        if (r.status != SINTER_OK) fail_msg("%s", r.err.text);
        if (layout) {
            assert_dims(r.facts.values[out[0]], N, U, 2, 7);
            assert_dims(r.facts.values[out[2]], N, 2, 7);
        } else {
            assert_dims(r.facts.values[out[0]], U, 2, N, 7);
            assert_dims(r.facts.values[out[2]], 2, N, 7);
        }
        free_inferred(&r);
        sn_model_destroy(m);
    }
}

static void refused_int(const char *attribute, int64_t setting)
{
    sn_model *m;
    sn_node_id n = one_node(&m, 14, "GRU", 3, 0, 1);
    assert_true(sn_set_attr_int(m, n, attribute, setting));
    sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(1, 1, 1)), counting(SINTER_FLOAT, DIMS(1, 3, 1)),
                          counting(SINTER_FLOAT, DIMS(1, 3, 1))};
    evaluate_badly(m, n, in, SINTER_INVALID_MODEL, attribute);
}

static void test_hostile_attributes(void **state)
{
    (void)state;
    refused_int("hidden_size", 0);
    refused_int("hidden_size", -1);
    refused_int("hidden_size", INT64_MAX);
    refused_int("layout", 2);
    static const sn_str unknown[] = {{"Sigmoid", 7}, {"Swish", 5}};
    for (size_t count = 1; count <= 2; count++) {
        sn_model *m;
        sn_node_id n = one_node(&m, 14, "GRU", 3, 0, 1);
        strings_attr(m, n, "activations", unknown, count);
        sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(1, 1, 1)), counting(SINTER_FLOAT, DIMS(1, 3, 1)),
                              counting(SINTER_FLOAT, DIMS(1, 3, 1))};
        evaluate_badly(m, n, in, SINTER_INVALID_MODEL, "activations");
    }
    sn_model *m;
    sn_node_id n = one_node(&m, 14, "GRU", 3, 0, 1);
    assert_true(sn_set_attr_float(m, n, "clip", -1));
    sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(1, 1, 1)), counting(SINTER_FLOAT, DIMS(1, 3, 1)),
                          counting(SINTER_FLOAT, DIMS(1, 3, 1))};
    evaluate_badly(m, n, in, SINTER_INVALID_MODEL, "clip");
}

static void test_mismatched_inputs(void **state)
{
    (void)state;
    static const struct {
        size_t input;
        int rank;
        int64_t dims[3];
        const char *word;
    } cases[] = {
        {0, 2, {2, 3}, "X has shape 2x3"},
        {0, 3, {2, 1, 0}, "input size of 0"},
        {1, 3, {1, 8, 4}, "W has shape 1x8x4, expected 1x8x3"},
        {1, 3, {2, 8, 3}, "W has shape 2x8x3"},
        {2, 3, {1, 8, 0}, "hidden size 0"},
        {2, 3, {1, 9, 2}, "R has shape 1x9x2, expected 1x8x2"},
        {3, 2, {1, 8}, "B has shape 1x8, expected 1x16"},
        {4, 1, {2}, "sequence_lens has shape 2, expected 1"},
        {5, 3, {1, 1, 3}, "initial_h has shape 1x1x3, expected 1x1x2"},
        {6, 3, {1, 2, 2}, "initial_c"},
        {7, 2, {1, 8}, "P has shape 1x8, expected 1x6"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_model *m;
        sn_node_id n = one_node(&m, 14, "LSTM", 8, 0, 1);
        sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(2, 1, 3)), counting(SINTER_FLOAT, DIMS(1, 8, 3)),
                              counting(SINTER_FLOAT, DIMS(1, 8, 2)), counting(SINTER_FLOAT, DIMS(1, 16)),
                              counting(SINTER_INT32, DIMS(1)),       counting(SINTER_FLOAT, DIMS(1, 1, 2)),
                              counting(SINTER_FLOAT, DIMS(1, 1, 2)), counting(SINTER_FLOAT, DIMS(1, 6))};
        sinter_dtype dtype = in[cases[i].input]->dtype;
        sinter_value_release(in[cases[i].input]);
        in[cases[i].input] = counting(dtype, cases[i].rank, cases[i].dims);
        evaluate_badly(m, n, in, SINTER_INVALID_INPUT, cases[i].word);
    }
    static const int32_t lengths[] = {-1, 3, INT32_MIN};
    for (size_t i = 0; i < 3; i++) {
        sn_model *m;
        sn_node_id n = recorder(&m, 1 << 3, 5, 1, "reverse");
        sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(2, 1, 1)), counting(SINTER_FLOAT, DIMS(1, 1, 1)),
                              counting(SINTER_FLOAT, DIMS(1, 1, 1)), NULL, tensor(SINTER_INT32, DIMS(1), &lengths[i])};
        evaluate_badly(m, n, in, SINTER_INVALID_INPUT, "sequence_lens");
    }
}

/* No steps: the states pass through. */
static void test_empty_sequence(void **state)
{
    (void)state;
    sn_model *m;
    sinter_value *outs[2];
    sn_node_id n = recorder(&m, 3 << 3, 6, 2, "forward");
    sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(0, 1, 1)),
                          counting(SINTER_FLOAT, DIMS(1, 1, 1)),
                          counting(SINTER_FLOAT, DIMS(1, 1, 1)),
                          NULL,
                          NULL,
                          numbers(SINTER_FLOAT, DIMS(1, 1, 1), NUMBERS(6))};
    evaluate_well(m, n, in, outs);
    assert_int_equal(outs[0]->count, 0);
    sinter_value_release(outs[0]);
    assert_values(outs[1], 6);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 14, "LSTM", 4, 0, 3);
    sinter_value *in[] = {counting(SINTER_FLOAT16, DIMS(2, 1, 3)), counting(SINTER_FLOAT16, DIMS(1, 8, 3)),
                          counting(SINTER_FLOAT16, DIMS(1, 8, 2)), counting(SINTER_FLOAT16, DIMS(1, 16))};
    evaluate_without_memory(m, n, in, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directions_and_lengths),  cmocka_unit_test(test_reverse_batch_first_with_initial_state),
        cmocka_unit_test(test_only_the_last_state),     cmocka_unit_test(test_lstm_attributes),
        cmocka_unit_test(test_gru_linear_before_reset), cmocka_unit_test(test_activations),
        cmocka_unit_test(test_symbolic_shapes),         cmocka_unit_test(test_hostile_attributes),
        cmocka_unit_test(test_mismatched_inputs),       cmocka_unit_test(test_empty_sequence),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
