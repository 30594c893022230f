#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/shape.h"

#define SHAPE(...) sn_shape_of((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

static void dims_are_told_apart(void **state)
{
    (void)state;
    assert_false(sn_dim_is_number(SN_DIM_UNKNOWN));
    assert_false(sn_dim_is_symbol(SN_DIM_UNKNOWN));
    assert_true(sn_dim_is_symbol(SN_DIM_SYMBOL(0)));
    assert_true(sn_dim_is_symbol(SN_DIM_SYMBOL(UINT32_MAX)));
    assert_int_equal(sn_dim_symbol_index(SN_DIM_SYMBOL(41)), 41);
    assert_true(sn_dim_is_number(-1));
    assert_true(sn_dim_is_number(SN_DIM_SYMBOL(UINT32_MAX) + 1));
}

static void counting_is_checked(void **state)
{
    (void)state;
    size_t n = 77;
    sn_shape s = SHAPE(2, 3, 4);
    assert_true(sn_shape_count(&s, &n));
    assert_int_equal(n, 24);
    s = sn_shape_of(0, NULL);
    assert_true(sn_shape_count(&s, &n));
    assert_int_equal(n, 1);
    s = SHAPE(5, 0, 7);
    assert_true(sn_shape_count(&s, &n));
    assert_int_equal(n, 0);
    n = 77;
    s = SHAPE(2, -1);
    assert_false(sn_shape_count(&s, &n));
    s = SHAPE(2, SN_DIM_UNKNOWN);
    assert_false(sn_shape_count(&s, &n));
    s = SHAPE(INT64_MAX, INT64_MAX);
    assert_false(sn_shape_count(&s, &n));
    s = SHAPE(0, INT64_MAX, INT64_MAX); /* empty, but its strides would overflow */
    assert_false(sn_shape_count(&s, &n));
    s = SN_SHAPE_UNKNOWN;
    assert_false(sn_shape_count(&s, &n));
    assert_int_equal(n, 77);
    s = sn_shape_of(SN_MAX_RANK + 1, (int64_t[SN_MAX_RANK + 1]){0});
    assert_int_equal(s.rank, -1);
}

static void equality_needs_knowledge(void **state)
{
    (void)state;
    sn_shape a = SHAPE(2, SN_DIM_SYMBOL(1)), b = SHAPE(2, SN_DIM_SYMBOL(1)), c = SHAPE(2, SN_DIM_SYMBOL(2));
    sn_shape u = SHAPE(2, SN_DIM_UNKNOWN), r = SN_SHAPE_UNKNOWN, scalar = sn_shape_of(0, NULL);
    assert_true(sn_shape_eq(&a, &b));
    assert_false(sn_shape_eq(&a, &c));
    assert_false(sn_shape_eq(&u, &u));
    assert_false(sn_shape_eq(&r, &r));
    assert_true(sn_shape_eq(&scalar, &scalar));
}

static void broadcasting_follows_numpy(void **state)
{
    (void)state;
    sn_shape a = SHAPE(2, 1, 5), b = SHAPE(3, 1), expected = SHAPE(2, 3, 5), out;
    assert_true(sn_shape_broadcast(&a, &b, &out));
    assert_true(sn_shape_eq(&out, &expected));
    a = SHAPE(0);
    b = SHAPE(4, 1);
    expected = SHAPE(4, 0);
    assert_true(sn_shape_broadcast(&a, &b, &out));
    assert_true(sn_shape_eq(&out, &expected));
    a = SHAPE(2);
    b = SHAPE(3);
    assert_false(sn_shape_broadcast(&a, &b, &out));
}

static void texts(void **state)
{
    (void)state;
    char t[SN_SHAPE_TEXT], small[6];
    const sn_str symbols[] = {SN_STR("batch")};
    sn_shape s = SHAPE(SN_DIM_SYMBOL(0), 3, SN_DIM_UNKNOWN);
    assert_string_equal(sn_shape_text(&s, symbols, t, sizeof t), "batchx3x?");
    assert_string_equal(sn_shape_text(&s, NULL, t, sizeof t), "?x3x?");
    assert_string_equal(sn_shape_text(&s, symbols, small, sizeof small), "batch");
    s = SN_SHAPE_UNKNOWN;
    assert_string_equal(sn_shape_text(&s, NULL, t, sizeof t), "?");
    s = sn_shape_of(0, NULL);
    assert_string_equal(sn_shape_text(&s, NULL, t, sizeof t), "scalar");
}

static void axes(void **state)
{
    (void)state;
    int axis = 9;
    assert_true(sn_axis_normalize(-1, 4, &axis));
    assert_int_equal(axis, 3);
    assert_true(sn_axis_normalize(0, 4, &axis));
    assert_int_equal(axis, 0);
    assert_false(sn_axis_normalize(4, 4, &axis));
    assert_false(sn_axis_normalize(-5, 4, &axis));
    assert_false(sn_axis_normalize(INT64_MIN, 4, &axis));
    assert_false(sn_axis_normalize(0, 0, &axis));
    sn_shape s = SHAPE(2, 3, 4);
    assert_int_equal(sn_shape_product(&s, 1, 3), 12);
    assert_int_equal(sn_shape_product(&s, 1, 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dims_are_told_apart),
        cmocka_unit_test(counting_is_checked),
        cmocka_unit_test(equality_needs_knowledge),
        cmocka_unit_test(broadcasting_follows_numpy),
        cmocka_unit_test(texts),
        cmocka_unit_test(axes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
