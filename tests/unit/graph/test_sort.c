#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "build.h"
#include <string.h>

static void sorted_nodes_do_not_move(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sn_value_id x = input(m, 0, "x"), last = x;
    sn_value_id side[50];
    for (int i = 0; i < 50; ++i) {
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        side[i] = apply(m, 0, "Neg", x, SN_NONE, name);
        snprintf(name, sizeof name, "m%d", i);
        last = apply(m, 0, "Add", last, side[i / 2], name);
    }
    assert_int_equal(sn_sort_nodes(m, NULL), SINTER_OK);
    for (uint32_t i = 0; i < 100; ++i) assert_int_equal(m->graphs[0].nodes.items[i], i);
    sn_model_destroy(m);
}

static void readers_come_after_what_they_read(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sn_value_id x = input(m, 0, "x"), a = value(m, 0, "a"), b = value(m, 0, "b");
    sn_value_id y = apply(m, 0, "Add", a, b, "y"), other = apply(m, 0, "Neg", x, SN_NONE, "other");
    sn_str op = SN_STR("Neg"), none = SN_STR("");
    sn_node_id node_b = sn_add_node(m, 0, SIZE_MAX, op, none, none, &a, 1, &b, 1);
    sn_node_id node_a = sn_add_node(m, 0, SIZE_MAX, op, none, none, &x, 1, &a, 1);
    sinter_error err;
    assert_int_equal(sn_verify(m, &err), SINTER_INVALID_MODEL);
    assert_int_equal(sn_sort_nodes(m, &err), SINTER_OK);
    const uint32_t expected[] = {producer(m, other), node_a, node_b, producer(m, y)};
    assert_memory_equal(m->graphs[0].nodes.items, expected, sizeof expected);
    assert_valid(m);
    sn_model_destroy(m);
}

static void captures_count(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sn_value_id c = input(m, 0, "c"), late = value(m, 0, "late"), later = value(m, 0, "later");
    sn_value_id r = apply(m, 0, "If", c, SN_NONE, "r");
    sn_graph_id body = subgraph(m, producer(m, r), "then_branch");
    sn_value_id inner = apply(m, body, "If", c, SN_NONE, "inner");
    sn_graph_id deep = subgraph(m, producer(m, inner), "then_branch");
    sn_value_id t = apply(m, deep, "Neg", late, SN_NONE, "t");
    assert_true(sn_add_output(m, deep, t));
    assert_true(sn_add_output(m, body, later));
    sn_str op = SN_STR("Neg"), none = SN_STR("");
    sn_node_id first = sn_add_node(m, 0, SIZE_MAX, op, none, none, &late, 1, &later, 1);
    sn_node_id second = sn_add_node(m, 0, SIZE_MAX, op, none, none, &c, 1, &late, 1);
    assert_int_equal(sn_sort_nodes(m, NULL), SINTER_OK);
    const uint32_t expected[] = {second, first, producer(m, r)};
    assert_memory_equal(m->graphs[0].nodes.items, expected, sizeof expected);
    assert_valid(m);
    sn_model_destroy(m);
}

static void a_cycle_is_named(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sinter_error err;
    sn_value_id x = input(m, 0, "x"), a = value(m, 0, "a");
    sn_value_id after = apply(m, 0, "Neg", a, SN_NONE, "after"); /* waits for the cycle, is not on it */
    sn_value_id b = apply(m, 0, "Add", x, a, "b"), end = apply(m, 0, "Neg", after, SN_NONE, "end");
    sn_node_id closing = sn_add_node(m, 0, SIZE_MAX, SN_STR("Mul"), SN_STR(""), SN_STR(""), &b, 1, &a, 1);
    assert_true(sn_add_output(m, 0, end));
    assert_int_equal(sn_sort_nodes(m, &err), SINTER_INVALID_MODEL);
    assert_true(strstr(err.text, "'a'") || strstr(err.text, "'b'"));
    assert_int_equal(sn_verify(m, &err), SINTER_INVALID_MODEL);
    assert_true(sn_set_input(m, closing, 0, x));
    assert_int_equal(sn_sort_nodes(m, &err), SINTER_OK);
    assert_valid(m);
    sn_model_destroy(m);
}

static void a_subgraph_cannot_read_its_own_node(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sinter_error err;
    sn_value_id c = input(m, 0, "c"), r = apply(m, 0, "If", c, SN_NONE, "r");
    sn_graph_id body = subgraph(m, producer(m, r), "then_branch");
    (void)apply(m, body, "Neg", r, SN_NONE, "t");
    assert_int_equal(sn_sort_nodes(m, &err), SINTER_INVALID_MODEL);
    assert_int_equal(sn_verify(m, &err), SINTER_INVALID_MODEL);
    sn_model_destroy(m);
}

/* Quadratic behaviour anywhere would make this take minutes. */
static void a_hundred_thousand_nodes(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    sn_model *m = sn_model_create();
    sn_value_id x = input(m, 0, "x"), *v = calloc(COUNT, sizeof *v);
    for (int i = 0; i < COUNT; ++i) {
        char name[16];
        snprintf(name, sizeof name, "v%d", i);
        v[i] = value(m, 0, name);
    }
    for (int i = COUNT; i-- > 0;) { /* in the wrong order, and all read x */
        sn_value_id in[] = {i ? v[i - 1] : x, x};
        assert_int_not_equal(sn_add_node(m, 0, SIZE_MAX, SN_STR("Add"), SN_STR(""), SN_STR(""), in, 2, &v[i], 1),
                             SN_NONE);
    }
    assert_true(sn_add_output(m, 0, v[COUNT - 1]));
    assert_int_equal(sn_sort_nodes(m, NULL), SINTER_OK);
    assert_valid(m);
    assert_int_equal(sn_sort_nodes(m, NULL), SINTER_OK);
    for (int i = 0; i < 2000; ++i) assert_non_null(sn_unique_name(m, SN_STR("v1")).p);
    free(v);
    sn_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorted_nodes_do_not_move),
        cmocka_unit_test(readers_come_after_what_they_read),
        cmocka_unit_test(captures_count),
        cmocka_unit_test(a_cycle_is_named),
        cmocka_unit_test(a_subgraph_cannot_read_its_own_node),
        cmocka_unit_test(a_hundred_thousand_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
