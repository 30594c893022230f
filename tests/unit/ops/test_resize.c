/* Resize and Upsample: versions, policies, integer types, refusals, inferred shapes. */
#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "known.h"
#include "one_node.h"

#include <math.h>

static sinter_value *float_list(const float *v, size_t n)
{
    return tensor(SINTER_FLOAT, 1, (int64_t[]){(int64_t)n}, v);
}

/* Resize-19 of a row by a scale. */
static sinter_value *resize(sinter_value *row, float scale, const char *mode, const char *coordinates)
{
    sn_model *m;
    sn_node_id n = one_node(&m, 19, "Resize", 3, 1u << 1, 1);
    assert_true(sn_set_attr_string(m, n, "mode", sn_str_of(mode)));
    assert_true(sn_set_attr_string(m, n, "coordinate_transformation_mode", sn_str_of(coordinates)));
    sinter_value *in[] = {row, NULL, float_list(&scale, 1)}, *out = NULL;
    evaluate_well(m, n, in, &out);
    return out;
}

static void test_rows(void **state)
{
    (void)state;
    assert_values(resize(counting(SINTER_FLOAT, DIMS(2)), 2, "linear", "half_pixel"), 1, 1.25, 1.75, 2);
    assert_values(resize(counting(SINTER_FLOAT, DIMS(2)), 2, "linear", "asymmetric"), 1, 1.5, 2, 2);
    assert_values(resize(counting(SINTER_DOUBLE, DIMS(2)), 1.5f, "linear", "align_corners"), 1, 1.5, 2);
    assert_values(resize(counting(SINTER_FLOAT16, DIMS(3)), 1, "cubic", "half_pixel"), 1, 2, 3);
    assert_values(resize(counting(SINTER_INT8, DIMS(2)), 2, "nearest", "asymmetric"), 1, 1, 2, 2);
    assert_values(resize(numbers(SINTER_UINT8, DIMS(2), NUMBERS(0, 200)), 2, "linear", "half_pixel"), 0, 50, 150, 200);
}

/* A cubic overshoots at an edge: 8-bit results stay in range. */
static void test_integers_saturate(void **state)
{
    (void)state;
    sinter_value *out = resize(numbers(SINTER_UINT8, DIMS(4), NUMBERS(0, 0, 255, 255)), 2, "cubic", "half_pixel");
    const uint8_t *v = out->data;
    for (size_t i = 1; i < out->count; i++) assert_true(i <= 3 ? v[i] < 100 : v[i] > 150);
    sinter_value_release(out);
}

/* 10 * 0.7f is 6.99999988 in double, but 7 is meant. */
static void test_output_size_is_what_float_gives(void **state)
{
    (void)state;
    sinter_value *out = resize(counting(SINTER_FLOAT, DIMS(10)), 0.7f, "nearest", "half_pixel");
    assert_int_equal(out->count, 7);
    sinter_value_release(out);
}

static void test_before_opset_11(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 10, "Resize", 2, 0, 1);
    assert_true(sn_set_attr_string(m, n, "mode", SN_STR("linear")));
    sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(2)), float_list(FLOATS(2), 1)}, *out = NULL;
    evaluate_well(m, n, in, &out);
    assert_values(out, 1, 1.5, 2, 2);

    static const float scales[] = {1, 2};
    n = one_node(&m, 7, "Upsample", 1, 0, 1);
    const sn_attr a = {.name = SN_STR("scales"),
                       .type = SN_ATTR_FLOATS,
                       .ref_attr_name = SN_STR(""),
                       .doc_string = SN_STR(""),
                       .extra = SN_STR(""),
                       .count = 2,
                       .floats = scales};
    assert_true(sn_set_attr(m, n, &a));
    sinter_value *row = counting(SINTER_FLOAT, DIMS(1, 2));
    evaluate_well(m, n, &row, &out);
    assert_values(out, 1, 1, 2, 2);
}

static void test_outside_the_region(void **state)
{
    (void)state;
    const char *const modes[] = {"nearest", "linear"};
    for (size_t i = 0; i < 2; i++) {
        sn_model *m;
        sn_node_id n = one_node(&m, 13, "Resize", 4, 1u << 2, 1);
        assert_true(sn_set_attr_string(m, n, "mode", sn_str_of(modes[i])));
        assert_true(sn_set_attr_string(m, n, "coordinate_transformation_mode", SN_STR("tf_crop_and_resize")));
        assert_true(sn_set_attr_float(m, n, "extrapolation_value", 9));
        sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(3)), float_list(FLOATS(-0.5f, 1), 2), NULL,
                              int_list(INTS(4))};
        sinter_value *out = NULL;
        evaluate_well(m, n, in, &out);
        assert_values(out, 9, 1, 2, 3);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    const struct {
        float scale;
        const char *word;
    } cases[] = {{0, "not positive"}, {-1, "not positive"}, {NAN, "not positive"}, {INFINITY, "too large"}};
    for (size_t i = 0; i < 4; i++) {
        sn_model *m;
        sn_node_id n = one_node(&m, 13, "Resize", 3, 1u << 1, 1);
        sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(2)), NULL, float_list(&cases[i].scale, 1)};
        evaluate_badly(m, n, in, SINTER_INVALID_INPUT, cases[i].word);
    }
    sn_model *m;
    sn_node_id n = one_node(&m, 13, "Resize", 3, 1u << 1, 1);
    sinter_value *huge[] = {counting(SINTER_FLOAT, DIMS(2)), NULL, float_list(FLOATS(1e15f), 1)};
    evaluate_badly(m, n, huge, SINTER_TOO_LARGE, "");
    n = one_node(&m, 13, "Resize", 1, 0, 1);
    sinter_value *alone = counting(SINTER_FLOAT, DIMS(2));
    evaluate_badly(m, n, &alone, SINTER_INVALID_INPUT, "neither scales nor sizes");
    n = one_node(&m, 13, "Resize", 4, 3u << 1, 1);
    sinter_value *empty[] = {tensor(SINTER_FLOAT, DIMS(0), NULL), NULL, NULL, int_list(INTS(3))};
    evaluate_badly(m, n, empty, SINTER_INVALID_INPUT, "empty tensor");
    n = one_node(&m, 18, "Resize", 4, 3u << 1, 1);
    assert_true(sn_set_attr_ints(m, n, "axes", INTS(0, -1)));
    sinter_value *twice[] = {counting(SINTER_FLOAT, DIMS(2)), NULL, NULL, int_list(INTS(3, 3))};
    evaluate_badly(m, n, twice, SINTER_INVALID_INPUT, "'axes' does not fit");
}

static void test_without_memory(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 13, "Resize", 3, 1u << 1, 1);
    assert_true(sn_set_attr_string(m, n, "mode", SN_STR("cubic")));
    sinter_value *in[] = {counting(SINTER_UINT8, DIMS(2, 3)), NULL, float_list(FLOATS(2, 2), 2)};
    evaluate_without_memory(m, n, in, 3);
}

static void test_inferred_shapes(void **state)
{
    (void)state;
    sn_model *m = new_model(17);
    sn_symbol(m, SN_STR("N"));
    sn_value_id x = input(m, "x", SINTER_FLOAT, INTS(N_SYMBOL, N_SYMBOL, 5)), y = value(m, "y");
    sn_value_id scales = initializer(m, "scales", float_list(FLOATS(1, 2, 1.5f), 3));
    node(m, "Resize", IDS(x, SN_NONE, scales), IDS(y));
    check_dims(m, y, N_SYMBOL, UNKNOWN, 7);

    m = new_model(17); /* as PyTorch writes it: empty scales, and sizes that keep the batch */
    sn_value_id shape = shape_of_input(m), none = initializer(m, "none", float_list(NULL, 0));
    sn_value_id start = int_constant(m, "start", INTS(0)), end = int_constant(m, "end", INTS(2));
    sn_value_id head = value(m, "head"), tail = int_constant(m, "tail", INTS(16)), sizes = value(m, "sizes");
    y = value(m, "y");
    node(m, "Slice", IDS(shape, start, end), IDS(head));
    assert_true(sn_set_attr_int(m, node(m, "Concat", IDS(head, tail), IDS(sizes)), "axis", 0));
    node(m, "Resize", IDS(m->graphs[0].inputs.items[0], SN_NONE, none, sizes), IDS(y));
    check_dims(m, y, N_SYMBOL, 3, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_integers_saturate),
        cmocka_unit_test(test_output_size_is_what_float_gives),
        cmocka_unit_test(test_before_opset_11),
        cmocka_unit_test(test_outside_the_region),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_inferred_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
