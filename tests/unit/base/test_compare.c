#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/value.h"
#include <math.h>
#include <string.h>

static sinter_value *tensor(sinter_dtype dtype, const double *numbers, int64_t rows, int64_t columns)
{
    sinter_value *v;
    assert_int_equal(sinter_tensor_create(dtype, 2, (int64_t[]){rows, columns}, &v, NULL), SINTER_OK);
    for (size_t i = 0; i < v->count; ++i) sn_store_double(dtype, v->data, i, numbers[i]);
    return v;
}

static sinter_difference compare(sinter_value *a, sinter_value *b, double rtol, double atol)
{
    sinter_difference d = sinter_value_compare(a, b, rtol, atol);
    sinter_value_release(a);
    sinter_value_release(b);
    return d;
}

static void tolerance_is_absolute_plus_relative(void **state)
{
    (void)state;
    const double a[] = {1, 2, 3, 1000}, b[] = {1.05, 2, 3.25, 1050};
    sinter_difference d = compare(tensor(SINTER_DOUBLE, a, 2, 2), tensor(SINTER_DOUBLE, b, 2, 2), 0.05, 0.05);
    assert_true(d.comparable);
    assert_int_equal(d.count, 4);
    assert_int_equal(d.mismatches, 1);
    assert_string_equal(d.text, "element [1, 0]: 3 against 3.25");
    assert_true(d.max_abs == 50);
    assert_true(fabs(d.max_rel - 0.25 / 3.25) < 1e-12);
    d = compare(tensor(SINTER_DOUBLE, b, 2, 2), tensor(SINTER_DOUBLE, b, 2, 2), 0, 0);
    assert_int_equal(d.mismatches, 0);
    assert_string_equal(d.text, "");
}

static void special_values(void **state)
{
    (void)state;
    const double a[] = {NAN, INFINITY, -INFINITY, INFINITY, NAN, 1};
    const double b[] = {NAN, INFINITY, -INFINITY, -INFINITY, 1, INFINITY};
    sinter_difference d = compare(tensor(SINTER_FLOAT, a, 1, 6), tensor(SINTER_FLOAT, b, 1, 6), 1e9, 1e9);
    assert_int_equal(d.mismatches, 3);
    assert_string_equal(d.text, "element [0, 3]: inf against -inf");
    assert_true(d.max_abs == 0);
}

static void small_floats_are_widened(void **state)
{
    (void)state;
    const double a[] = {1}, b[] = {1.125};
    static const sinter_dtype types[] = {SINTER_FLOAT16, SINTER_BFLOAT16, SINTER_FLOAT8E4M3FN};
    for (size_t i = 0; i < 3; ++i) {
        sinter_difference d = compare(tensor(types[i], a, 1, 1), tensor(types[i], b, 1, 1), 0, 0.125);
        assert_int_equal(d.mismatches, 0);
        d = compare(tensor(types[i], a, 1, 1), tensor(types[i], b, 1, 1), 0, 0.12);
        assert_int_equal(d.mismatches, 1);
        assert_true(d.max_abs == 0.125);
    }
}

static void integers_are_exact(void **state)
{
    (void)state;
    sinter_value *a, *b;
    int64_t x[] = {INT64_MAX, 1}, y[] = {INT64_MAX - 1, 1};
    assert_int_equal(sinter_tensor_wrap(SINTER_INT64, 1, (int64_t[]){2}, x, 16, &a, NULL), SINTER_OK);
    assert_int_equal(sinter_tensor_wrap(SINTER_INT64, 1, (int64_t[]){2}, y, 16, &b, NULL), SINTER_OK);
    sinter_difference d = compare(a, b, 1, 1);
    assert_int_equal(d.mismatches, 1);
    assert_string_equal(d.text, "element [0]: 9223372036854775807 against 9223372036854775806");
    assert_int_equal(sinter_tensor_wrap(SINTER_UINT64, 1, (int64_t[]){2}, (uint64_t[]){UINT64_MAX, 1}, 16, &a, NULL),
                     0);
    assert_int_equal(
        sinter_tensor_wrap(SINTER_UINT64, 1, (int64_t[]){2}, (uint64_t[]){UINT64_MAX - 1, 1}, 16, &b, NULL), 0);
    d = compare(a, b, 1, 1);
    assert_int_equal(d.mismatches, 1);
    assert_true(d.max_abs == 1);
    d = compare(tensor(SINTER_BOOL, (double[]){1}, 1, 1), tensor(SINTER_BOOL, (double[]){0}, 1, 1), 9, 9);
    assert_int_equal(d.mismatches, 1);
}

static void complex_numbers_by_component(void **state)
{
    (void)state;
    sinter_value *a, *b;
    float x[] = {1, 2, 3, 4}, y[] = {1, 2, 3, 5};
    assert_int_equal(sinter_tensor_wrap(SINTER_COMPLEX64, 1, (int64_t[]){2}, x, 16, &a, NULL), SINTER_OK);
    assert_int_equal(sinter_tensor_wrap(SINTER_COMPLEX64, 1, (int64_t[]){2}, y, 16, &b, NULL), SINTER_OK);
    sinter_difference d = compare(a, b, 0, 0.5);
    assert_int_equal(d.mismatches, 1);
    assert_string_equal(d.text, "element [1]: 3+4i against 3+5i");
}

static sinter_value *strings(const char *first, const char *second)
{
    sinter_value *v;
    sinter_string s[] = {{first, strlen(first)}, {second, strlen(second)}};
    assert_int_equal(sinter_tensor_create_strings(1, (int64_t[]){2}, s, &v, NULL), SINTER_OK);
    return v;
}

static void strings_are_exact(void **state)
{
    (void)state;
    sinter_difference d = compare(strings("a", ""), strings("a", ""), 0, 0);
    assert_int_equal(d.mismatches, 0);
    d = compare(strings("a", "b"), strings("a", "bb"), 9, 9);
    assert_int_equal(d.mismatches, 1);
    assert_string_equal(d.text, "element [1]: \"b\" against \"bb\"");
}

static void what_differs_in_kind_is_not_comparable(void **state)
{
    (void)state;
    const double n[] = {1, 2, 3, 4};
    sinter_difference d = compare(tensor(SINTER_FLOAT, n, 2, 2), tensor(SINTER_DOUBLE, n, 2, 2), 0, 0);
    assert_false(d.comparable);
    assert_string_equal(d.text, "type float against double");
    d = compare(tensor(SINTER_FLOAT, n, 2, 2), tensor(SINTER_FLOAT, n, 1, 4), 0, 0);
    assert_false(d.comparable);
    assert_string_equal(d.text, "shape 2x2 against 1x4");
    sinter_value *empty;
    assert_int_equal(sinter_container_create(SINTER_KIND_OPTIONAL, NULL, 0, &empty, NULL), SINTER_OK);
    d = compare(empty, tensor(SINTER_FLOAT, n, 1, 4), 0, 0);
    assert_false(d.comparable);
    assert_string_equal(d.text, "optional against tensor");
}

static sinter_value *sequence(sinter_value *a, sinter_value *b)
{
    sinter_value *v;
    assert_int_equal(sinter_container_create(SINTER_KIND_SEQUENCE, (sinter_value *[]){a, b}, 2, &v, NULL), SINTER_OK);
    sinter_value_release(a);
    sinter_value_release(b);
    return v;
}

static void containers_item_by_item(void **state)
{
    (void)state;
    const double n[] = {1, 2}, m[] = {1, 5};
    sinter_difference d = compare(
        sequence(tensor(SINTER_FLOAT, n, 1, 2), sequence(strings("a", "b"), tensor(SINTER_FLOAT, n, 1, 2))),
        sequence(tensor(SINTER_FLOAT, n, 1, 2), sequence(strings("a", "b"), tensor(SINTER_FLOAT, m, 1, 2))), 0, 0);
    assert_true(d.comparable);
    assert_int_equal(d.count, 6);
    assert_int_equal(d.mismatches, 1);
    assert_string_equal(d.text, "item 1: item 1: element [0, 1]: 2 against 5");
    d = compare(sequence(tensor(SINTER_FLOAT, n, 1, 2), tensor(SINTER_FLOAT, n, 1, 2)),
                sequence(tensor(SINTER_FLOAT, m, 1, 2), tensor(SINTER_FLOAT, n, 2, 1)), 0, 0);
    assert_false(d.comparable);
    assert_string_equal(d.text, "item 1: shape 1x2 against 2x1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tolerance_is_absolute_plus_relative),
        cmocka_unit_test(special_values),
        cmocka_unit_test(small_floats_are_widened),
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(complex_numbers_by_component),
        cmocka_unit_test(strings_are_exact),
        cmocka_unit_test(what_differs_in_kind_is_not_comparable),
        cmocka_unit_test(containers_item_by_item),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
