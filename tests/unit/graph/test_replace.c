#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "build.h"

static void readers_move_to_the_new_value(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sn_value_id c = input(m, 0, "c"), x = input(m, 0, "x"), y = apply(m, 0, "Identity", x, SN_NONE, "y");
    sn_value_id z = apply(m, 0, "Add", y, y, "z"), r = apply(m, 0, "If", c, SN_NONE, "r");
    sn_graph_id body = subgraph(m, producer(m, r), "then_branch");
    sn_value_id t = apply(m, body, "Neg", y, SN_NONE, "t");
    assert_true(sn_add_output(m, body, t));
    assert_true(sn_add_output(m, body, y));
    assert_true(sn_add_output(m, 0, z));
    assert_true(sn_replace_uses(m, y, x));
    assert_int_equal(m->values[y].n_uses, 0);
    assert_int_equal(m->values[x].n_uses, 5);
    assert_int_equal(m->nodes[producer(m, t)].in[0], x);
    assert_int_equal(m->graphs[body].outputs.items[1], x);
    assert_valid(m);
    assert_true(sn_replace_uses(m, x, x));
    sn_model_destroy(m);
}

static void an_output_keeps_its_name(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sn_value_id x = input(m, 0, "x"), y = apply(m, 0, "Conv", x, SN_NONE, "y");
    sn_value_id z = apply(m, 0, "Identity", y, SN_NONE, "result");
    m->values[z].doc_string = SN_STR("what it is");
    m->values[z].is_declared = true;
    assert_true(sn_add_output(m, 0, z));
    assert_true(sn_replace_uses(m, z, y));
    sn_remove_node(m, producer(m, z));
    assert_int_equal(m->graphs[0].outputs.items[0], y);
    assert_string_equal(m->values[y].name.p, "result");
    assert_string_equal(m->values[y].doc_string.p, "what it is");
    assert_true(m->values[y].is_declared);
    assert_valid(m);
    sn_model_destroy(m);
}

static void outputs_that_cannot_keep_their_name_are_refused(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sn_value_id x = input(m, 0, "x"), w = initializer(m, 0, "w");
    sn_value_id y = apply(m, 0, "Neg", x, SN_NONE, "y"), z = apply(m, 0, "Identity", y, SN_NONE, "z");
    assert_true(sn_add_output(m, 0, z));
    assert_true(sn_add_output(m, 0, y));
    assert_true(sn_add_output(m, 0, x));
    assert_false(sn_replace_uses(m, z, x)); /* an input has a name of its own */
    assert_false(sn_replace_uses(m, z, w));
    assert_false(sn_replace_uses(m, z, y)); /* y is an output too */
    assert_false(sn_replace_uses(m, x, z)); /* x is known to callers twice: as input and as output */
    assert_string_equal(m->values[x].name.p, "x");
    assert_int_equal(m->graphs[0].outputs.items[0], z);
    assert_valid(m);
    sn_model_destroy(m);
}

static void a_name_in_between_is_respected(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sn_value_id c = input(m, 0, "c"), x = input(m, 0, "x"), y = apply(m, 0, "Identity", x, SN_NONE, "y");
    sn_value_id r = apply(m, 0, "If", c, SN_NONE, "r");
    sn_graph_id body = subgraph(m, producer(m, r), "then_branch");
    sn_value_id own = apply(m, body, "Neg", y, SN_NONE, "x"); /* hides the outer x from here on */
    assert_true(sn_add_output(m, body, own));
    (void)apply(m, 0, "Neg", y, SN_NONE, "outside");
    assert_false(sn_can_replace_uses(m, y, x));
    assert_false(sn_replace_uses(m, y, x));
    assert_false(sn_replace_uses(m, y, own)); /* not visible to readers of y outside */
    m->values[own].name = SN_STR("own");
    assert_true(sn_replace_uses(m, y, x));
    assert_valid(m);
    sn_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_move_to_the_new_value),
        cmocka_unit_test(an_output_keeps_its_name),
        cmocka_unit_test(outputs_that_cannot_keep_their_name_are_refused),
        cmocka_unit_test(a_name_in_between_is_respected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
