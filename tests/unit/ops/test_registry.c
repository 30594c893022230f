/* The registry: look-up by version, and what every row must satisfy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ops/signature.h"

static const sn_op *find(const char *name, int64_t version)
{
    return sn_op_find(SN_STR(""), sn_str_of(name), version);
}

static void test_find_takes_the_newest_row_that_is_not_newer(void **state)
{
    (void)state;
    assert_int_equal(find("Reshape", 1)->since, 1);
    assert_int_equal(find("Reshape", 4)->since, 1);
    assert_int_equal(find("Reshape", 5)->since, 5);
    assert_int_equal(find("Reshape", 999)->since, 5);
    assert_int_equal(find("Squeeze", 12)->since, 1);
    assert_int_equal(find("Squeeze", 13)->since, 13);
    assert_int_equal(find("Dropout", 11)->since, 10);
}

static void test_find_refuses_what_is_not_there(void **state)
{
    (void)state;
    assert_null(find("Reshape", 0));
    assert_null(find("Expand", 7));
    assert_null(find("Reshap", 13));
    assert_null(find("Reshapes", 13));
    assert_null(find("", 13));
    assert_null(find("zzz", 13));
    assert_null(sn_op_find(SN_STR("com.example"), SN_STR("Reshape"), 13));
}

static void test_ai_onnx_is_the_default_domain(void **state)
{
    (void)state;
    assert_ptr_equal(sn_op_find(SN_STR("ai.onnx"), SN_STR("Shape"), 13), find("Shape", 13));
    assert_non_null(find("Shape", 13));
}

static void test_every_row_is_well_formed(void **state)
{
    (void)state;
    assert_true(sn_op_count() > 10);
    assert_true(sn_op_count() < 2000);
    assert_null(sn_op_at(sn_op_count()));
    for (size_t i = 0; i < sn_op_count(); i++) {
        const sn_op *op = sn_op_at(i);
        sn_signature s;
        if (!sn_signature_parse(op->signature, &s))
            fail_msg("%s-%d: signature '%s'", op->name, op->since, op->signature);
        if (op->since < 1 || s.out.count == 0) fail_msg("%s-%d: row is incomplete", op->name, op->since);
        if (op->prepare && op->params_size == 0) fail_msg("%s-%d: prepare without params", op->name, op->since);
        if ((op->flags & SN_OP_VIEW) && s.in.count == 0) fail_msg("%s-%d: a view of nothing", op->name, op->since);
    }
}

static void test_rows_are_unique_and_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sn_op_count(); i++) {
        const sn_op *op = sn_op_at(i);
        const sn_op *found = sn_op_find(sn_str_of(op->domain), sn_str_of(op->name), op->since);
        if (found != op) fail_msg("%s-%d: two rows, or not found", op->name, op->since);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_takes_the_newest_row_that_is_not_newer),
        cmocka_unit_test(test_find_refuses_what_is_not_there),
        cmocka_unit_test(test_ai_onnx_is_the_default_domain),
        cmocka_unit_test(test_every_row_is_well_formed),
        cmocka_unit_test(test_rows_are_unique_and_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
