/* Calls of the model's own functions. */
#include "tests/passes/model_kit.h"

/* A function with an empty body, domain "my". */
static sn_graph_id add_function(sn_model *m, size_t index, const char *name, int64_t opset)
{
    if (!m->functions) {
        m->functions = SN_ARENA_ARRAY(&m->arena, sn_function, 8);
        sn_opset *o = SN_ARENA_ARRAY(&m->arena, sn_opset, 2);
        assert_true(m->functions && o);
        o[0] = m->opsets[0];
        o[1] = (sn_opset){SN_STR("my"), 1, {"", 0}};
        m->opsets = o;
        m->n_opsets = 2;
    }
    sn_opset *o = SN_ARENA_ARRAY(&m->arena, sn_opset, 2);
    assert_non_null(o);
    o[0] = (sn_opset){SN_STR(""), opset, {"", 0}};
    o[1] = (sn_opset){SN_STR("my"), 1, {"", 0}};
    sn_graph_id body = sn_add_graph(m, SN_NONE);
    assert_int_not_equal(body, SN_NONE);
    m->functions[index] = (sn_function){.name = sn_arena_str(&m->arena, sn_str_of(name)),
                                        .domain = SN_STR("my"),
                                        .overload = SN_STR(""),
                                        .doc_string = SN_STR(""),
                                        .body = body,
                                        .opsets = o,
                                        .n_opsets = 2,
                                        .extra = SN_STR("")};
    m->n_functions = index + 1;
    return body;
}

static void parameter(sn_model *m, sn_graph_id body, const char *name)
{
    assert_true(sn_add_input(m, body, kit_value(m, body, name)));
}

static void result(sn_model *m, sn_graph_id body, const char *name)
{
    assert_true(sn_add_output(m, body, kit_value(m, body, name)));
}

static sn_node_id call(sn_model *m, sn_graph_id graph, const char *function, const char *in, const char *out)
{
    sn_node_id node = kit_node_in(m, graph, function, in, out);
    sn_rename_op(m, node, sn_str_of(function), SN_STR("my"));
    return node;
}

/* leaky(a; slope = 0.25) = LeakyRelu(a, alpha = slope) + a */
static void add_leaky(sn_model *m, size_t index, int64_t opset)
{
    sn_graph_id body = add_function(m, index, "leaky", opset);
    parameter(m, body, "a");
    sn_node_id node = kit_node_in(m, body, "LeakyRelu", "a", "b");
    sn_attr alpha = {.name = SN_STR("alpha"), .type = SN_ATTR_FLOAT, .ref_attr_name = SN_STR("slope"), .count = 1};
    assert_true(sn_set_attr(m, node, &alpha));
    kit_node_in(m, body, "Add", "b,a", "c");
    result(m, body, "c");
    sn_attr *defaults = SN_ARENA_NEW(&m->arena, sn_attr);
    assert_non_null(defaults);
    *defaults = (sn_attr){.name = SN_STR("slope"),
                          .type = SN_ATTR_FLOAT,
                          .ref_attr_name = SN_STR(""),
                          .doc_string = SN_STR(""),
                          .extra = SN_STR(""),
                          .count = 1,
                          .f = 0.25F};
    m->functions[index].defaults = defaults;
    m->functions[index].n_defaults = 1;
}

static void test_inline(void **state)
{
    (void)state;
    sn_model *m = kit_model(13);
    add_leaky(m, 0, 13);
    kit_input(m, "x", SINTER_FLOAT, "N");
    call(m, 0, "leaky", "x", "u");
    assert_true(sn_set_attr_float(m, call(m, 0, "leaky", "u", "y"), "slope", 0.5F));
    kit_output(m, "y");
    sinter_report *r = kit_optimize(m, NULL);
    kit_assert_dump(m, "graph \n"
                       "  input x: float[N]\n"
                       "  op_u/b = LeakyRelu(x) alpha=0.25\n"
                       "  u = Add(op_u/b, x)\n"
                       "  op_y/b = LeakyRelu(u) alpha=0.5\n"
                       "  y = Add(op_y/b, u)\n"
                       "  output y: ?\n");
    assert_true(m->functions[0].dead);
    kit_free(m, r);
}

static void test_nested(void **state)
{
    (void)state;
    sn_model *m = kit_model(13);
    add_leaky(m, 0, 13);
    sn_graph_id body = add_function(m, 1, "twice", 13);
    parameter(m, body, "p");
    sn_node_id inner = call(m, body, "leaky", "p", "q");
    sn_attr slope = {.name = SN_STR("slope"), .type = SN_ATTR_FLOAT, .ref_attr_name = SN_STR("outer"), .count = 1};
    assert_true(sn_set_attr(m, inner, &slope));
    call(m, body, "leaky", "q", "r");
    result(m, body, "r");
    result(m, body, "p"); /* a parameter handed through */
    kit_input(m, "x", SINTER_FLOAT, "N");
    assert_true(sn_set_attr_float(m, call(m, 0, "twice", "x", "y,z"), "outer", 0.75F));
    kit_output(m, "y");
    kit_output(m, "z");
    const char *pass = "inline-functions";
    sinter_optimize_options o = SINTER_OPTIMIZE_OPTIONS_INIT;
    o.only = &pass;
    o.n_only = 1;
    kit_free(NULL, kit_optimize(m, &o));
    kit_assert_dump(m, "graph \n"
                       "  input x: float[N]\n"
                       "  op_q/b = LeakyRelu(x) alpha=0.75\n"
                       "  op_y/q = Add(op_q/b, x)\n"
                       "  op_r/b = LeakyRelu(op_y/q) alpha=0.25\n"
                       "  y = Add(op_r/b, op_y/q)\n"
                       "  z = Identity(x)\n"
                       "  output y: ?\n"
                       "  output z: ?\n");
    kit_free(m, NULL);
}

static void test_other_version_is_kept(void **state)
{
    (void)state;
    sn_model *m = kit_model(13);
    add_leaky(m, 0, 6);
    kit_input(m, "x", SINTER_FLOAT, "N");
    call(m, 0, "leaky", "x", "y");
    kit_output(m, "y");
    sinter_report *r = kit_optimize(m, NULL);
    assert_int_equal(kit_count(m, "leaky"), 1);
    assert_false(m->functions[0].dead);
    assert_int_equal(sinter_report_note_count(r), 1);
    assert_non_null(strstr(sinter_report_note(r, 0), "function 'leaky' was not inlined"));
    kit_free(m, r);
}

static void test_recursion(void **state)
{
    (void)state;
    sn_model *m = kit_model(13);
    sn_graph_id body = add_function(m, 0, "self", 13);
    parameter(m, body, "a");
    call(m, body, "self", "a", "b");
    result(m, body, "b");
    kit_input(m, "x", SINTER_FLOAT, "N");
    call(m, 0, "self", "x", "y");
    kit_output(m, "y");
    sinter_error err = {0};
    assert_int_equal(sinter_model_optimize((sinter_model *)m, NULL, NULL, &err), SINTER_INVALID_MODEL);
    assert_string_equal(err.text, "function 'self' calls itself");
    kit_free(m, NULL);
}

/* Each function calls the one before 16 times: 16^6 nodes. */
static void test_explosion(void **state)
{
    (void)state;
    sn_model *m = kit_model(13);
    char name[16], callee[32], in[16], out[16];
    for (size_t f = 0; f < 6; f++) {
        snprintf(name, sizeof name, "f%zu", f);
        snprintf(callee, sizeof callee, "f%zu", f - 1);
        sn_graph_id body = add_function(m, f, name, 13);
        parameter(m, body, "v0");
        for (int i = 0; i < 16; i++) {
            snprintf(in, sizeof in, "v%d", i);
            snprintf(out, sizeof out, "v%d", i + 1);
            if (f == 0)
                kit_node_in(m, body, "Neg", in, out);
            else
                call(m, body, callee, in, out);
        }
        result(m, body, "v16");
    }
    kit_input(m, "x", SINTER_FLOAT, "N");
    call(m, 0, "f5", "x", "y");
    kit_output(m, "y");
    sinter_error err = {0};
    assert_int_equal(sinter_model_optimize((sinter_model *)m, NULL, NULL, &err), SINTER_TOO_LARGE);
    kit_verify(m);
    kit_free(m, NULL);
}

static void test_unused_is_removed(void **state)
{
    (void)state;
    sn_model *m = kit_model(13);
    add_leaky(m, 0, 13);
    kit_input(m, "x", SINTER_FLOAT, "N");
    kit_node(m, "Neg", "x", "y");
    kit_output(m, "y");
    kit_free(NULL, kit_optimize(m, NULL));
    assert_true(m->functions[0].dead);
    kit_free(m, NULL);
}

/* A BatchNormalization whose statistics are the function's parameters: known only once it is inlined. */
static void test_batch_norm_in_function(void **state)
{
    (void)state;
    sn_model *m = kit_model(15);
    sn_graph_id body = add_function(m, 0, "norm", 15);
    const char *names[] = {"a", "s", "b", "mean", "var"};
    for (int i = 0; i < 5; i++) parameter(m, body, names[i]);
    sn_node_id bn = kit_node_in(m, body, "BatchNormalization", "a,s,b,mean,var", "o,om,ov");
    assert_true(sn_set_attr_int(m, bn, "training_mode", 1));
    result(m, body, "o");
    kit_input(m, "x", SINTER_FLOAT, "N,3,6,6");
    kit_init(m, "w", "4,3,3,3");
    kit_node(m, "Conv", "x,w", "c");
    for (int i = 1; i < 5; i++) {
        char init[16];
        snprintf(init, sizeof init, "k_%s", names[i]);
        kit_init_of(m, init, SINTER_FLOAT, "4", 0.5, 1.5);
    }
    call(m, 0, "norm", "c,k_s,k_b,k_mean,k_var", "y");
    kit_output(m, "y");
    sinter_report *r = NULL;
    sinter_error err = {0};
    if (sinter_model_apply_bn_stats((sinter_model *)m, SINTER_BN_STATS_EVAL, &r, &err)) fail_msg("%s", err.text);
    assert_int_equal(sinter_report_bn_count(r), 1);
    assert_string_equal(sinter_report_bn(r, 0).reason,
                        "exported in training mode, rewritten to its running statistics");
    sinter_report_free(r);
    r = kit_optimize(m, NULL);
    assert_int_equal(kit_count(m, NULL), 1);
    kit_free(m, r);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (long n = 0;; n++) {
        sn_model *m = kit_model(13);
        add_leaky(m, 0, 13);
        kit_input(m, "x", SINTER_FLOAT, "N");
        call(m, 0, "leaky", "x", "u");
        call(m, 0, "leaky", "u", "y");
        kit_output(m, "y");
        sn_alloc_fail_after(n);
        sinter_status status = sinter_model_optimize((sinter_model *)m, NULL, NULL, NULL);
        sn_alloc_fail_after(-1);
        if (status != SINTER_OK) assert_int_equal(status, SINTER_NO_MEMORY);
        kit_verify(m);
        kit_free(m, NULL);
        if (status == SINTER_OK) break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inline),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_other_version_is_kept),
        cmocka_unit_test(test_recursion),
        cmocka_unit_test(test_explosion),
        cmocka_unit_test(test_unused_is_removed),
        cmocka_unit_test(test_batch_norm_in_function),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("inline", tests, NULL, NULL);
}
