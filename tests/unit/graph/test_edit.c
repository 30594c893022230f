#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "build.h"

static void ids_are_a_list(void **state)
{
    (void)state;
    sn_ids ids = {0};
    for (uint32_t i = 0; i < 20; ++i) assert_true(sn_ids_push(&ids, i));
    assert_true(sn_ids_insert(&ids, 0, 100));
    assert_true(sn_ids_insert(&ids, 5, 101));
    assert_true(sn_ids_insert(&ids, SIZE_MAX, 102));
    assert_int_equal(ids.items[0], 100);
    assert_int_equal(ids.items[5], 101);
    assert_int_equal(ids.items[22], 102);
    sn_ids_remove(&ids, 101);
    assert_int_equal(ids.items[5], 4);
    assert_int_equal(sn_ids_find(&ids, 102), 21);
    assert_int_equal(sn_ids_find(&ids, 999), SIZE_MAX);
    sn_ids_remove(&ids, 999);
    assert_int_equal(ids.count, 22);
    free(ids.items);
}

static void nodes_and_uses_agree(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sn_value_id x = input(m, 0, "x"), w = initializer(m, 0, "w");
    sn_value_id y = apply(m, 0, "Add", x, w, "y"), z = apply(m, 0, "Mul", y, y, "z");
    assert_true(sn_add_output(m, 0, z));
    assert_valid(m);
    assert_int_equal(m->values[y].n_uses, 2);
    assert_int_equal(sn_only_consumer(m, y), SN_NONE);
    assert_int_equal(sn_only_consumer(m, x), producer(m, y));
    assert_int_equal(sn_only_consumer(m, z), SN_NONE); /* the graph returns it */

    assert_true(sn_set_input(m, producer(m, z), 1, w));
    assert_int_equal(sn_only_consumer(m, y), producer(m, z));
    assert_int_equal(m->values[w].n_uses, 2);
    assert_true(sn_set_input(m, producer(m, z), 4, x));
    assert_int_equal(m->nodes[producer(m, z)].n_in, 5);
    assert_int_equal(m->nodes[producer(m, z)].in[3], SN_NONE);
    assert_valid(m);
    sn_truncate_inputs(m, producer(m, z), 1);
    assert_int_equal(m->values[w].n_uses, 1);
    assert_valid(m);

    sn_value_id out = value(m, 0, "first");
    sn_node_id first = sn_add_node(m, 0, 0, SN_STR("Neg"), SN_STR(""), SN_STR("n"), &x, 1, &out, 1);
    assert_int_equal(sn_node_position(m, first), 0);
    assert_int_equal(sn_node_position(m, producer(m, z)), 2);
    assert_valid(m);
    sn_model_destroy(m);
}

static void a_value_has_one_producer(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sn_value_id x = input(m, 0, "x"), y = apply(m, 0, "Neg", x, SN_NONE, "y"), w = initializer(m, 0, "w");
    sn_value_id z = value(m, 0, "z"), twice[] = {z, z};
    sn_str op = SN_STR("Neg"), none = SN_STR("");
    assert_int_equal(sn_add_node(m, 0, SIZE_MAX, op, none, none, &x, 1, &y, 1), SN_NONE);
    assert_int_equal(sn_add_node(m, 0, SIZE_MAX, op, none, none, &x, 1, &x, 1), SN_NONE);
    assert_int_equal(sn_add_node(m, 0, SIZE_MAX, op, none, none, &x, 1, &w, 1), SN_NONE);
    assert_int_equal(sn_add_node(m, 0, SIZE_MAX, op, none, none, &x, 1, twice, 2), SN_NONE);
    assert_false(sn_set_initializer(m, y, floats(2)));
    assert_int_equal(m->graphs[0].nodes.count, 1);
    assert_int_equal(m->values[x].n_uses, 1);
    assert_int_equal(m->values[z].producer, SN_NONE);
    assert_valid(m);
    sn_model_destroy(m);
}

static void removing_a_node_removes_what_it_held(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sn_value_id c = input(m, 0, "c"), x = input(m, 0, "x"), y = apply(m, 0, "Neg", x, SN_NONE, "y");
    sn_value_id r = apply(m, 0, "If", c, SN_NONE, "r");
    sn_node_id node = producer(m, r);
    sn_graph_id then = subgraph(m, node, "then_branch"), otherwise = subgraph(m, node, "else_branch");
    sn_value_id inner = initializer(m, then, "inner"), t = apply(m, then, "Add", y, inner, "t");
    assert_true(sn_add_output(m, then, t));
    sn_value_id nested = apply(m, otherwise, "If", c, SN_NONE, "nested");
    sn_graph_id deep = subgraph(m, producer(m, nested), "then_branch");
    assert_true(sn_add_output(m, deep, y)); /* a capture that is returned as it is */
    assert_true(sn_add_output(m, otherwise, nested));
    assert_valid(m);
    assert_int_equal(m->values[y].n_uses, 2);

    sn_remove_node(m, producer(m, y)); /* is read: stays */
    assert_false(m->nodes[producer(m, y)].dead);
    sn_remove_node(m, node);
    assert_true(m->nodes[node].dead && m->graphs[then].dead && m->graphs[deep].dead && m->values[t].dead);
    assert_true(m->values[inner].dead && !m->values[inner].constant);
    assert_int_equal(m->values[y].n_uses, 0);
    assert_int_equal(m->values[c].n_uses, 0);
    assert_valid(m);
    sn_remove_node(m, producer(m, y));
    sn_remove_input(m, 0, x);
    assert_true(m->values[x].dead);
    assert_int_equal(m->graphs[0].inputs.count, 1);
    assert_valid(m);
    sn_model_destroy(m);
}

static void attributes_are_set_replaced_and_removed(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sn_value_id y = apply(m, 0, "Op", SN_NONE, SN_NONE, "y");
    sn_node_id n = producer(m, y);
    for (int i = 0; i < 50; ++i) {
        char name[16];
        snprintf(name, sizeof name, "a%d", i);
        assert_true(sn_set_attr_int(m, n, name, i));
    }
    assert_int_equal(m->nodes[n].n_attrs, 50);
    assert_true(sn_set_attr_ints(m, n, "a7", (int64_t[]){1, 2, 3}, 3));
    assert_true(sn_set_attr_string(m, n, "a8", SN_STR("text")));
    assert_true(sn_set_attr_float(m, n, "a9", 0.25f));
    assert_int_equal(m->nodes[n].n_attrs, 50);
    const sn_attr *a = sn_node_attr(&m->nodes[n], "a7");
    assert_int_equal(a->type, SN_ATTR_INTS);
    assert_int_equal(a->ints[2], 3);
    assert_string_equal(sn_node_attr(&m->nodes[n], "a8")->s.p, "text");
    assert_true(sn_node_attr(&m->nodes[n], "a9")->f == 0.25f);
    sn_remove_attr(m, n, "a7");
    sn_remove_attr(m, n, "missing");
    assert_null(sn_node_attr(&m->nodes[n], "a7"));
    assert_string_equal(m->nodes[n].attrs[7].name.p, "a8"); /* the order stays */
    assert_int_equal(m->nodes[n].n_attrs, 49);

    sinter_value *tensor = floats(3);
    sn_attr holder = {
        .name = SN_STR("value"), .type = SN_ATTR_TENSOR, .count = 1, .tensor = sinter_value_retain(tensor)};
    assert_true(sn_set_attr(m, n, &holder));
    assert_int_equal(atomic_load(&tensor->references), 2);
    assert_true(sn_set_attr_int(m, n, "value", 1)); /* the tensor is given up */
    assert_int_equal(atomic_load(&tensor->references), 1);
    sinter_value_release(tensor);

    sn_graph_id body = subgraph(m, n, "body");
    sn_attr again = {.name = SN_STR("body"), .type = SN_ATTR_GRAPH, .count = 1, .graph = body};
    assert_true(sn_set_attr(m, n, &again)); /* the same graph survives */
    assert_false(m->graphs[body].dead);
    sn_remove_attr(m, n, "body");
    assert_true(m->graphs[body].dead);
    assert_valid(m);
    sn_model_destroy(m);
}

static void initializers_come_and_go(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sn_value_id a = sn_add_initializer(m, 0, SN_STR("w"), floats(2));
    sn_value_id b = sn_add_initializer(m, 0, SN_STR("w"), floats(3));
    assert_string_equal(m->values[a].name.p, "w");
    assert_string_equal(m->values[b].name.p, "w_1");
    assert_int_equal(m->values[b].type.shape.dims[0], 3);
    assert_ptr_equal(sn_constant(m, a), m->values[a].constant);
    sn_replace_initializer(m, a, floats(7));
    assert_int_equal(m->values[a].type.shape.dims[0], 7);
    assert_int_equal(m->graphs[0].initializers.count, 2);
    assert_valid(m);
    sn_value_id y = apply(m, 0, "Neg", a, SN_NONE, "y");
    sn_remove_initializer(m, a); /* is read: stays */
    assert_false(m->values[a].dead);
    sn_remove_node(m, producer(m, y));
    sn_remove_initializer(m, a);
    sn_remove_initializer(m, b);
    assert_true(m->values[a].dead);
    assert_int_equal(m->graphs[0].initializers.count, 0);
    assert_valid(m);
    sn_model_destroy(m);
}

static void what_is_constant_depends_on_the_ir_version(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sn_value_id w = initializer(m, 0, "w"), x = input(m, 0, "x");
    assert_true(sn_add_input(m, 0, w));
    m->ir_version = 3;
    assert_non_null(sn_constant(m, w));
    assert_false(sn_is_overridable(m, w));
    m->ir_version = 4;
    assert_null(sn_constant(m, w));
    assert_true(sn_is_overridable(m, w));
    sn_remove_input(m, 0, w); /* frozen */
    assert_non_null(sn_constant(m, w));
    assert_null(sn_constant(m, x));
    assert_null(sn_constant(m, SN_NONE));
    sn_value_id c = apply(m, 0, "Constant", SN_NONE, SN_NONE, "c");
    assert_null(sn_constant(m, c));
    sn_attr a = {.name = SN_STR("value"), .type = SN_ATTR_TENSOR, .count = 1, .tensor = floats(2)};
    assert_true(sn_set_attr(m, producer(m, c), &a));
    assert_ptr_equal(sn_constant(m, c), a.tensor);
    assert_valid(m);
    sn_model_destroy(m);
}

static void outputs_move_and_are_cut(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sn_value_id x = input(m, 0, "x"), out[] = {value(m, 0, "a"), value(m, 0, "b")};
    sn_node_id old = sn_add_node(m, 0, SIZE_MAX, SN_STR("Split"), SN_STR(""), SN_STR(""), &x, 1, out, 2);
    sn_value_id y = apply(m, 0, "Neg", x, SN_NONE, "y");
    assert_true(sn_add_output(m, 0, out[1]));
    assert_true(sn_move_output(m, out[1], producer(m, y), 2));
    assert_int_equal(m->nodes[old].out[1], SN_NONE);
    assert_int_equal(m->values[out[1]].producer_slot, 2);
    assert_int_equal(m->nodes[producer(m, y)].out[1], SN_NONE);
    assert_valid(m);
    sn_truncate_outputs(m, producer(m, y), 1); /* the graph returns slot 2 */
    assert_int_equal(m->nodes[producer(m, y)].n_out, 3);
    sn_truncate_outputs(m, old, 0);
    assert_true(m->values[out[0]].dead);
    assert_int_equal(m->nodes[old].n_out, 0);
    assert_false(sn_move_output(m, x, old, 0));
    assert_false(sn_move_output(m, y, producer(m, y), 2)); /* would displace a value that is read */
    assert_valid(m);
    sn_model_destroy(m);
}

static void names_are_unique_in_the_model(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    input(m, 0, "x");
    assert_string_equal(sn_unique_name(m, SN_STR("fresh")).p, "fresh");
    assert_string_equal(sn_unique_name(m, SN_STR("fresh")).p, "fresh_1"); /* handed out means used */
    assert_string_equal(sn_unique_name(m, SN_STR("x")).p, "x_2");
    value(m, 0, "later");
    assert_string_not_equal(sn_unique_name(m, SN_STR("later")).p, "later");
    sn_value_id y = value(m, 0, "y");
    (void)sn_add_node(m, 0, SIZE_MAX, SN_STR("A"), SN_STR(""), SN_STR("node"), NULL, 0, &y, 1);
    assert_string_not_equal(sn_unique_name(m, SN_STR("node")).p, "node");
    assert_int_equal(sn_symbol(m, SN_STR("batch")), 0);
    assert_int_equal(sn_symbol(m, SN_STR("length")), 1);
    assert_int_equal(sn_symbol(m, SN_STR("batch")), 0);
    assert_string_equal(m->symbols[1].p, "length");
    sn_model_destroy(m);
}

static void opsets_belong_to_the_root(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sn_opset model_opsets[] = {{.domain = SN_STR("ai.onnx"), .version = 17}, {.domain = SN_STR("x"), .version = 2}};
    sn_opset function_opsets[] = {{.domain = SN_STR(""), .version = 11}};
    m->opsets = model_opsets;
    m->n_opsets = 2;
    sn_graph_id body = sn_add_graph(m, SN_NONE);
    sn_value_id r = apply(m, body, "If", SN_NONE, SN_NONE, "r");
    sn_graph_id inner = subgraph(m, producer(m, r), "then_branch");
    sn_function f = {.name = SN_STR("F"), .body = body, .opsets = function_opsets, .n_opsets = 1};
    m->functions = &f;
    m->n_functions = 1;
    assert_int_equal(sn_opset_version(m, 0, SN_STR("")), 17);
    assert_int_equal(sn_opset_version(m, 0, SN_STR("x")), 2);
    assert_int_equal(sn_opset_version(m, 0, SN_STR("y")), -1);
    assert_int_equal(sn_opset_version(m, inner, SN_STR("ai.onnx")), 11);
    assert_int_equal(sn_opset_version(m, inner, SN_STR("x")), -1);
    assert_int_equal(sn_root_graph(m, inner), body);
    assert_true(sn_node_is(&m->nodes[producer(m, r)], "If"));
    sn_rename_op(m, producer(m, r), SN_STR("If"), SN_STR("x"));
    assert_false(sn_node_is(&m->nodes[producer(m, r)], "If"));
    assert_string_equal(sn_node_label(m, producer(m, r)).p, "r");
    sn_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_a_list),
        cmocka_unit_test(nodes_and_uses_agree),
        cmocka_unit_test(a_value_has_one_producer),
        cmocka_unit_test(removing_a_node_removes_what_it_held),
        cmocka_unit_test(attributes_are_set_replaced_and_removed),
        cmocka_unit_test(initializers_come_and_go),
        cmocka_unit_test(what_is_constant_depends_on_the_ir_version),
        cmocka_unit_test(outputs_move_and_are_cut),
        cmocka_unit_test(names_are_unique_in_the_model),
        cmocka_unit_test(opsets_belong_to_the_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
