/* The reference interpreter: bodies, captures, ownership of results, lack of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tests/unit/ops/build_model.h"

/* y = If(cond) { Identity(Identity(c)) } else { If(cond) {...} else { Reshape(c, [1, -1]) } }; c is an initializer */
typedef struct if_model {
    sn_model *m;
    sn_node_id node;
    sn_value_id y;
} if_model;

static void one_node_branch(sn_model *m, sn_graph_id g, const char *op, const sn_value_id *in, size_t n_in)
{
    sn_value_id out = value_in(m, g, "result");
    (void)node_in(m, g, op, in, n_in, IDS(out));
    assert_true(sn_add_output(m, g, out));
}

static if_model nested_if(sn_value_id (*captured)(sn_model *m))
{
    if_model t = {.m = new_model(13)};
    sn_model *m = t.m;
    sn_value_id c = captured(m), cond = input(m, "cond", SINTER_BOOL, NULL, 0);
    t.y = value(m, "y");
    t.node = node(m, "If", IDS(cond), IDS(t.y));
    sn_graph_id yes = body(m, t.node, "then_branch"), no = body(m, t.node, "else_branch");
    sn_value_id middle = value_in(m, yes, "middle");
    (void)node_in(m, yes, "Identity", IDS(c), IDS(middle));
    one_node_branch(m, yes, "Identity", IDS(middle));

    /* The inner condition comes from the outer body; the inner branch reads outer values. */
    sn_value_id always = initializer_in(m, no, "always", tensor(SINTER_BOOL, 0, NULL, &(uint8_t){1}));
    sn_value_id copy = value_in(m, no, "copy"), target = value_in(m, no, "target"), z = value_in(m, no, "z");
    (void)node_in(m, no, "Identity", IDS(c), IDS(copy));
    sn_node_id list = node_in(m, no, "Constant", NULL, 0, IDS(target));
    assert_true(sn_set_attr_ints(m, list, "value_ints", INTS(1, -1)));
    sn_node_id inner = node_in(m, no, "If", IDS(always), IDS(z));
    sn_graph_id inner_yes = body(m, inner, "then_branch"), inner_no = body(m, inner, "else_branch");
    one_node_branch(m, inner_yes, "Reshape", IDS(copy, target));
    one_node_branch(m, inner_no, "Identity", IDS(copy));
    assert_true(sn_add_output(m, no, z));
    return t;
}

static sn_value_id constant_list(sn_model *m)
{
    return initializer(m, "c", int_list(INTS(4, 5, 6)));
}

static sn_value_id graph_input(sn_model *m)
{
    return input(m, "c", SINTER_INT64, INTS(3));
}

static sinter_status run_if(if_model *t, bool condition, sinter_value **out, sinter_error *err)
{
    sinter_value *cond = tensor(SINTER_BOOL, 0, NULL, &(uint8_t){condition});
    return evaluate(t->m, t->node, &cond, out, err);
}

static void test_if_runs_one_branch(void **state)
{
    (void)state;
    if_model t = nested_if(constant_list);
    sinter_value *out;
    sinter_error err;
    assert_int_equal(run_if(&t, true, &out, &err), SINTER_OK);
    assert_int_equal(out->shape.rank, 1);
    assert_int_equal(sn_tensor_int(out, 2), 6);
    sinter_value_release(out);
    if (run_if(&t, false, &out, &err) != SINTER_OK) fail_msg("%s", err.text);
    assert_int_equal(out->shape.rank, 2);
    assert_int_equal(out->shape.dims[1], 3);
    assert_int_equal(sn_tensor_int(out, 0), 4);
    sinter_value_release(out);
    sn_model_destroy(t.m);
}

static void test_a_captured_variable_is_refused(void **state)
{
    (void)state;
    if_model t = nested_if(graph_input);
    sinter_value *out = NULL;
    sinter_error err;
    assert_int_equal(run_if(&t, false, &out, &err), SINTER_UNSUPPORTED);
    assert_non_null(strstr(err.text, "reads 'c'"));
    assert_null(out);
    sn_model_destroy(t.m);
}

static void test_if_needs_one_condition(void **state)
{
    (void)state;
    if_model t = nested_if(constant_list);
    sinter_value *out, *cond = tensor(SINTER_BOOL, 1, (int64_t[]){2}, (uint8_t[]){1, 1});
    sinter_error err;
    assert_int_equal(evaluate(t.m, t.node, &cond, &out, &err), SINTER_INVALID_INPUT);
    cond = tensor(SINTER_FLOAT, 0, NULL, &(float){1});
    assert_int_equal(evaluate(t.m, t.node, &cond, &out, &err), SINTER_INVALID_INPUT);
    assert_non_null(strstr(err.text, "input 'cond' is float, expected bool"));
    sn_model_destroy(t.m);
}

static void test_string_results_own_their_characters(void **state)
{
    (void)state;
    sn_model *m = new_model(13);
    sn_value_id x = input(m, "x", SINTER_STRING, INTS(2)), y = value(m, "y");
    sn_node_id n = node(m, "Identity", IDS(x), IDS(y));
    sinter_value *in, *out;
    const sinter_string words[] = {{"one", 3}, {"", 0}};
    assert_int_equal(sinter_tensor_create_strings(1, (int64_t[]){2}, words, &in, NULL), SINTER_OK);
    assert_int_equal(evaluate(m, n, &in, &out, NULL), SINTER_OK); /* releases the input */
    const sinter_string *s = out->data;
    assert_memory_equal(s[0].data, "one", 3);
    assert_int_equal(s[1].size, 0);
    sinter_value_release(out);
    sn_model_destroy(m);
}

static void test_identity_of_a_sequence(void **state)
{
    (void)state;
    sn_model *m = new_model(16);
    sn_value_id x = input(m, "x", SINTER_FLOAT, INTS(2)), y = value(m, "y");
    sn_node_id n = node(m, "Identity", IDS(x), IDS(y));
    sinter_value *item = int_list(INTS(1)), *in, *out;
    assert_int_equal(sinter_container_create(SINTER_KIND_SEQUENCE, &item, 1, &in, NULL), SINTER_OK);
    sinter_value_release(item);
    assert_int_equal(evaluate(m, n, &in, &out, NULL), SINTER_OK);
    assert_int_equal(out->kind, SINTER_KIND_SEQUENCE);
    assert_int_equal(out->n_items, 1);
    sinter_value_release(out);
    sn_model_destroy(m);
}

static void test_unnamed_outputs_are_left_out(void **state)
{
    (void)state;
    sn_model *m = new_model(13);
    sn_value_id x = input(m, "x", SINTER_FLOAT, INTS(2)), y = value(m, "y");
    sn_node_id n = node(m, "Dropout", IDS(x), IDS(y, SN_NONE));
    sinter_value *in = tensor(SINTER_FLOAT, 1, (int64_t[]){2}, (float[]){1, 2}), *outs[2];
    assert_int_equal(evaluate(m, n, &in, outs, NULL), SINTER_OK);
    assert_non_null(outs[0]);
    assert_null(outs[1]);
    sinter_value_release(outs[0]);
    sn_model_destroy(m);
}

static void test_an_unknown_operator_is_named(void **state)
{
    (void)state;
    sn_model *m = new_model(13);
    sn_value_id x = input(m, "x", SINTER_FLOAT, INTS(2)), y = value(m, "y");
    sn_node_id n = node(m, "NoSuchOperator", IDS(x), IDS(y));
    sinter_value *in = NULL, *out;
    sinter_error err;
    assert_int_equal(evaluate(m, n, &in, &out, &err), SINTER_UNSUPPORTED);
    assert_non_null(strstr(err.text, "operator NoSuchOperator of domain 'ai.onnx', opset 13"));
    sn_model_destroy(m);
}

static void test_out_of_memory_is_clean(void **state)
{
    (void)state;
    if_model t = nested_if(constant_list);
    for (int branch = 0; branch < 2; branch++) {
        bool done = false;
        for (long n = 0; !done && n < 1000; n++) {
            sinter_value *cond = tensor(SINTER_BOOL, 0, NULL, &(uint8_t){branch != 0}), *out = NULL;
            sn_alloc_fail_after(n);
            sinter_status status = evaluate(t.m, t.node, &cond, &out, NULL);
            sn_alloc_fail_after(-1);
            done = status == SINTER_OK;
            if (!done) assert_int_equal(status, SINTER_NO_MEMORY);
            if (!done) assert_null(out);
            sinter_value_release(out);
        }
        assert_true(done);
    }
    sn_model_destroy(t.m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_if_runs_one_branch),           cmocka_unit_test(test_a_captured_variable_is_refused),
        cmocka_unit_test(test_if_needs_one_condition),       cmocka_unit_test(test_string_results_own_their_characters),
        cmocka_unit_test(test_identity_of_a_sequence),       cmocka_unit_test(test_unnamed_outputs_are_left_out),
        cmocka_unit_test(test_an_unknown_operator_is_named), cmocka_unit_test(test_out_of_memory_is_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
