/* Cast: values outside the target's range, strings both ways, float8e8m0, known elements. */
#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "known.h"
#include "one_node.h"

#include <math.h>

static sinter_value *cast(sinter_value *in, sinter_dtype to)
{
    sn_model *m;
    sn_node_id n = one_node(&m, 25, "Cast", 1, 0, 1);
    assert_true(sn_set_attr_int(m, n, "to", to));
    sinter_value *out = NULL;
    evaluate_well(m, n, &in, &out);
    assert_int_equal(out->dtype, to);
    return out;
}

static void test_floats_to_integers(void **state)
{
    (void)state;
    const float x[] = {NAN, 1e30f, -1e30f, 2.9f, -2.9f};
    sinter_value *out = cast(tensor(SINTER_FLOAT, DIMS(5), x), SINTER_INT32);
    assert_values(out, 0, INT32_MAX, INT32_MIN, 2, -2);
    out = cast(tensor(SINTER_FLOAT, DIMS(5), x), SINTER_INT64);
    const int64_t *v = out->data;
    assert_true(v[0] == 0 && v[1] == INT64_MAX && v[2] == INT64_MIN);
    sinter_value_release(out);
    out = cast(tensor(SINTER_DOUBLE, DIMS(2), (double[]){1e30, -5}), SINTER_UINT64);
    assert_true(((uint64_t *)out->data)[0] == UINT64_MAX && ((uint64_t *)out->data)[1] == 0);
    sinter_value_release(out);
    assert_values(cast(tensor(SINTER_FLOAT, DIMS(2), FLOATS(300, -1)), SINTER_UINT8), 44, 255);
    assert_values(cast(tensor(SINTER_FLOAT, DIMS(3), FLOATS(NAN, 0, -0.1f)), SINTER_BOOL), 1, 0, 1);
    assert_values(cast(tensor(SINTER_FLOAT16, DIMS(1), (uint16_t[]){0x7C00}), SINTER_INT16), -1);
}

static void test_integers_keep_their_value(void **state)
{
    (void)state;
    sinter_value *out = cast(tensor(SINTER_INT64, DIMS(1), (int64_t[]){16777217}), SINTER_FLOAT);
    assert_true(*(float *)out->data == 16777216);
    sinter_value_release(out);
    out = cast(tensor(SINTER_UINT64, DIMS(1), (uint64_t[]){UINT64_MAX}), SINTER_DOUBLE);
    assert_true(*(double *)out->data == 18446744073709551616.0);
    sinter_value_release(out);
    assert_values(cast(tensor(SINTER_INT32, DIMS(3), (int32_t[]){9, -9, 7}), SINTER_INT4), -7, 7, 7);
    assert_values(cast(tensor(SINTER_INT32, DIMS(2), (int32_t[]){5, -1}), SINTER_UINT2), 1, 3);
    assert_values(cast(tensor(SINTER_BOOL, DIMS(2), (uint8_t[]){1, 0}), SINTER_FLOAT16), 1, 0);
}

/* 2^-25 times 1 + 2^-30 lies just above half of the smallest float16: through float it would be rounded twice, to 0. */
static void test_doubles_are_rounded_once(void **state)
{
    (void)state;
    sinter_value *out = cast(tensor(SINTER_DOUBLE, DIMS(1), (double[]){0x1.00000004p-25}), SINTER_FLOAT16);
    assert_int_equal(*(uint16_t *)out->data, 1);
    sinter_value_release(out);
}

static void test_strings(void **state)
{
    (void)state;
    const double values[] = {0.1, -2.5, 1e30, 100};
    const char *const texts[] = {"0.1", "-2.5", "1e+30", "100"};
    sinter_value *out = cast(numbers(SINTER_DOUBLE, DIMS(4), values), SINTER_STRING);
    const sinter_string *s = out->data;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(s[i].size, strlen(texts[i]));
        assert_memory_equal(s[i].data, texts[i], s[i].size);
    }
    assert_values(cast(out, SINTER_DOUBLE), 0.1, -2.5, 1e30, 100);

    out = cast(tensor(SINTER_FLOAT, DIMS(3), FLOATS(0.1f, INFINITY, -INFINITY)), SINTER_STRING);
    s = out->data;
    assert_true(s[0].size == 3 && memcmp(s[0].data, "0.1", 3) == 0);
    assert_true(s[1].size == 3 && memcmp(s[1].data, "INF", 3) == 0);
    assert_true(s[2].size == 4 && memcmp(s[2].data, "-INF", 4) == 0);
    out = cast(out, SINTER_FLOAT);
    assert_true(isinf(((float *)out->data)[1]) && ((float *)out->data)[2] == -INFINITY);
    sinter_value_release(out);

    const sinter_string integers[] = {{"9007199254740993", 16}, {"-7", 2}, {"100.5", 5}};
    sinter_value *in;
    assert_int_equal(sinter_tensor_create_strings(DIMS(3), integers, &in, NULL), SINTER_OK);
    out = cast(in, SINTER_INT64);
    const int64_t *v = out->data;
    assert_true(v[0] == INT64_C(9007199254740993) && v[1] == -7 && v[2] == 100);
    sinter_value_release(out);
}

static void test_text_that_is_no_number(void **state)
{
    (void)state;
    const sinter_string bad[] = {{"12x", 3}, {"", 0}, {"1\0002", 3}};
    for (size_t i = 0; i < 3; i++)
        for (int integer = 0; integer < 2; integer++) {
            sn_model *m;
            sn_node_id n = one_node(&m, 13, "Cast", 1, 0, 1);
            assert_true(sn_set_attr_int(m, n, "to", integer ? SINTER_INT32 : SINTER_FLOAT));
            sinter_value *in;
            assert_int_equal(sinter_tensor_create_strings(DIMS(1), &bad[i], &in, NULL), SINTER_OK);
            evaluate_badly(m, n, &in, SINTER_INVALID_INPUT, "is not a number");
        }
}

static void test_powers_of_two(void **state)
{
    (void)state;
    const char *const modes[] = {"up", "down", "nearest"};
    const uint8_t expected[3][5] = {{128, 128, 0, 254, 255}, {127, 127, 0, 254, 255}, {127, 128, 0, 254, 255}};
    for (size_t i = 0; i < 3; i++) {
        sn_model *m;
        sn_node_id n = one_node(&m, 25, "Cast", 1, 0, 1);
        assert_true(sn_set_attr_int(m, n, "to", SINTER_FLOAT8E8M0));
        assert_true(sn_set_attr_string(m, n, "round_mode", sn_str_of(modes[i])));
        sinter_value *in = tensor(SINTER_FLOAT, DIMS(5), FLOATS(1.25f, 1.5f, 0, INFINITY, -1)), *out = NULL;
        evaluate_well(m, n, &in, &out);
        assert_memory_equal(out->data, expected[i], 5);
        sinter_value_release(out);
    }
}

static void test_bad_targets(void **state)
{
    (void)state;
    const int64_t bad[] = {0, SINTER_COMPLEX64, 1000, -1};
    for (size_t i = 0; i < 4; i++) {
        sn_model *m;
        sn_node_id n = one_node(&m, 13, "Cast", 1, 0, 1);
        assert_true(sn_set_attr_int(m, n, "to", bad[i]));
        sinter_value *in = counting(SINTER_FLOAT, DIMS(1));
        evaluate_badly(m, n, &in, SINTER_INVALID_MODEL, "no type to cast to");
    }
}

static void test_without_memory(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 13, "Cast", 1, 0, 1);
    assert_true(sn_set_attr_int(m, n, "to", SINTER_STRING));
    sinter_value *in = counting(SINTER_FLOAT, DIMS(3));
    evaluate_without_memory(m, n, &in, 1);
}

static void test_known_elements(void **state)
{
    (void)state;
    sn_model *m = new_model(17);
    sn_value_id shape = shape_of_input(m), narrow = value(m, "narrow"), y = value(m, "y");
    assert_true(sn_set_attr_int(m, node(m, "Cast", IDS(shape), IDS(narrow)), "to", SINTER_INT32));
    assert_true(sn_set_attr_int(m, node(m, "Cast", IDS(narrow), IDS(y)), "to", SINTER_INT64));
    check_known(m, y, INTS(N_SYMBOL, 3, 8));

    m = new_model(17);
    sn_value_id list = int_constant(m, "list", INTS(INT64_C(1) << 40, 5));
    y = value(m, "y");
    assert_true(sn_set_attr_int(m, node(m, "Cast", IDS(list), IDS(y)), "to", SINTER_INT32));
    check_known(m, y, INTS(0, 5));

    m = new_model(17);
    shape = shape_of_input(m), y = value(m, "y");
    assert_true(sn_set_attr_int(m, node(m, "Cast", IDS(shape), IDS(y)), "to", SINTER_FLOAT));
    check_known(m, y, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floats_to_integers),
        cmocka_unit_test(test_integers_keep_their_value),
        cmocka_unit_test(test_doubles_are_rounded_once),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_text_that_is_no_number),
        cmocka_unit_test(test_powers_of_two),
        cmocka_unit_test(test_bad_targets),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_known_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
