/* fold-constants, remove-identities, remove-dead, freeze-inputs: dumps before and after. */
#include "tests/passes/model_kit.h"

static sinter_report *only(sn_model *m, const char *pass)
{
    sinter_optimize_options o = SINTER_OPTIMIZE_OPTIONS_INIT;
    o.only = &pass;
    o.n_only = 1;
    return kit_optimize_same(m, &o, 1e-6);
}

static void test_constant_chain(void **state)
{
    (void)state;
    sn_model *m = kit_model(13);
    kit_input(m, "x", SINTER_FLOAT, "N,4,3");
    kit_init(m, "w", "2,3");
    kit_ints(m, kit_node(m, "Transpose", "w", "wt"), "perm", 2, (int64_t[]){1, 0});
    kit_node(m, "Neg", "wt", "v");
    kit_node(m, "MatMul", "x,v", "y");
    kit_output(m, "y");
    kit_free(NULL, only(m, "fold-constants"));
    kit_assert_dump(m, "graph \n"
                       "  input x: float[Nx4x3]\n"
                       "  init v: float[3x2]\n"
                       "  y = MatMul(x, v)\n"
                       "  output y: ?\n");
    kit_free(m, NULL);
}

static void test_shape_of_known(void **state)
{
    (void)state;
    sn_model *m = kit_model(13);
    kit_input(m, "x", SINTER_FLOAT, "2,3,4");
    kit_input(m, "free", SINTER_FLOAT, "N,3");
    kit_node(m, "Shape", "x", "s");
    kit_node(m, "Shape", "free", "t");
    kit_int64s(m, "i", "1", (int64_t[]){1});
    kit_node(m, "Gather", "s,i", "y");
    kit_node(m, "Add", "t,i", "z");
    kit_node(m, "Add", "y,i", "out");
    kit_output(m, "out");
    kit_output(m, "z");
    kit_free(NULL, only(m, "fold-constants"));
    assert_int_equal(kit_count(m, "Shape"), 1); /* of `free`: not all of it is known */
    assert_int_equal(kit_count(m, "Gather"), 0);
    kit_free(m, NULL);
}

static void test_not_folded(void **state)
{
    (void)state;
    sn_model *m = kit_model(13);
    kit_input(m, "x", SINTER_FLOAT, "1");
    kit_int64s(m, "big", "2", (int64_t[]){4096, 4096}); /* 64 MB of zeros from 16 bytes */
    kit_node(m, "ConstantOfShape", "big", "zeros");
    kit_node(m, "ReduceMax", "zeros", "top");
    kit_init(m, "like", "3");
    kit_node(m, "RandomNormalLike", "like", "random");
    kit_node(m, "Mul", "random,x", "y");
    kit_node(m, "Add", "top,x", "z");
    kit_output(m, "y");
    kit_output(m, "z");
    const char *pass = "fold-constants";
    sinter_optimize_options o = SINTER_OPTIMIZE_OPTIONS_INIT;
    o.only = &pass;
    o.n_only = 1;
    kit_free(NULL, kit_optimize(m, &o));
    assert_int_equal(kit_count(m, "ConstantOfShape"), 1);
    assert_int_equal(kit_count(m, "RandomNormalLike"), 1);
    kit_free(m, NULL);
}

static sn_graph_id branch(sn_model *m, sn_node_id node, const char *attr, const char *op)
{
    sn_graph_id g = sn_add_graph(m, node);
    assert_int_not_equal(g, SN_NONE);
    char inner[32], out[32];
    snprintf(inner, sizeof inner, "%s_in", op);
    snprintf(out, sizeof out, "%s_out", op);
    sn_value_id v = sn_add_value(m, g, sn_str_of(inner), NULL), o = sn_add_value(m, g, sn_str_of(out), NULL);
    assert_true(v != SN_NONE && o != SN_NONE);
    kit_node_in(m, g, op, "x", inner);
    kit_node_in(m, g, "Neg", inner, out);
    assert_true(sn_add_output(m, g, o));
    sn_attr a = {.name = sn_str_of(attr), .type = SN_ATTR_GRAPH, .count = 1, .graph = g};
    assert_true(sn_set_attr(m, node, &a));
    return g;
}

static void test_if_is_decided(void **state)
{
    (void)state;
    for (int condition = 0; condition < 2; condition++) {
        sn_model *m = kit_model(13);
        kit_input(m, "x", SINTER_FLOAT, "N,4");
        kit_init_of(m, "cond", SINTER_BOOL, "", condition, condition);
        sn_node_id node = kit_node(m, "If", "cond", "v");
        branch(m, node, "then_branch", "Sin");
        branch(m, node, "else_branch", "Cos");
        kit_node(m, "Exp", "v", "y");
        kit_output(m, "y");
        kit_free(NULL, kit_optimize(m, NULL));
        kit_assert_dump(m, condition ? "graph \n"
                                       "  input x: float[Nx4]\n"
                                       "  Sin_in_2 = Sin(x)\n"
                                       "  v = Neg(Sin_in_2)\n"
                                       "  y = Exp(v)\n"
                                       "  output y: ?\n"
                                     : "graph \n"
                                       "  input x: float[Nx4]\n"
                                       "  Cos_in_2 = Cos(x)\n"
                                       "  v = Neg(Cos_in_2)\n"
                                       "  y = Exp(v)\n"
                                       "  output y: ?\n");
        kit_free(m, NULL);
    }
}

/* A BatchNormalization in the branch that is taken keeps its row; the one in the other branch is not needed. */
static void test_batch_norm_in_branch(void **state)
{
    (void)state;
    sn_model *m = kit_model(13);
    kit_input(m, "x", SINTER_FLOAT, "N,4,3");
    kit_init_of(m, "cond", SINTER_BOOL, "", 1.0, 1.0);
    kit_init(m, "w", "4,4,1");
    const char *names[] = {"s", "b", "mean", "var"};
    for (int i = 0; i < 4; i++) kit_init_of(m, names[i], SINTER_FLOAT, "4", 0.5, 1.5);
    kit_node(m, "Conv", "x,w", "c");
    sn_node_id node = kit_node(m, "If", "cond", "y");
    kit_output(m, "y");
    const char *attrs[] = {"then_branch", "else_branch"}, *outputs[] = {"then_y", "else_y"};
    for (int i = 0; i < 2; i++) {
        sn_graph_id g = sn_add_graph(m, node);
        kit_node_in(m, g, "BatchNormalization", "c,s,b,mean,var", outputs[i]);
        assert_true(sn_add_output(m, g, kit_find(m, g, outputs[i])));
        sn_attr a = {.name = sn_str_of(attrs[i]), .type = SN_ATTR_GRAPH, .count = 1, .graph = g};
        assert_true(sn_set_attr(m, node, &a));
    }
    sinter_report *r = kit_optimize(m, NULL);
    assert_int_equal(sinter_report_bn_count(r), 2);
    assert_string_equal(sinter_report_bn(r, 0).name, "op_then_y");
    assert_string_equal(sinter_report_bn(r, 0).into, "op_c");
    assert_string_equal(sinter_report_bn(r, 1).into, "");
    assert_int_equal(kit_count(m, "BatchNormalization"), 0);
    kit_free(m, r);
}

static void test_identities(void **state)
{
    (void)state;
    sn_model *m = kit_model(13);
    kit_input(m, "x", SINTER_FLOAT, "N,4,3");
    kit_node(m, "Relu", "x", "a");
    kit_node(m, "Identity", "a", "b");
    kit_node(m, "Dropout", "b", "c");
    assert_true(sn_set_attr_int(m, kit_node(m, "Cast", "c", "d"), "to", SINTER_FLOAT));
    kit_ints(m, kit_node(m, "Transpose", "d", "e"), "perm", 3, (int64_t[]){1, 0, 2});
    kit_ints(m, kit_node(m, "Transpose", "e", "f"), "perm", 3, (int64_t[]){1, 0, 2});
    kit_int64s(m, "shape", "3", (int64_t[]){-1, 4, 3});
    kit_node(m, "Reshape", "f,shape", "g");
    kit_int64s(m, "pads", "6", (int64_t[]){0, 0, 0, 0, 0, 0});
    kit_node(m, "Pad", "g,pads", "h");
    assert_true(sn_set_attr_int(m, kit_node(m, "Concat", "h", "i"), "axis", 1));
    kit_init_of(m, "one", SINTER_FLOAT, "1", 1.0, 1.0);
    kit_node(m, "Mul", "i,one", "j");
    kit_node(m, "Sum", "j", "y");
    kit_output(m, "y");
    kit_free(NULL, only(m, "remove-identities"));
    kit_assert_dump(m, "graph \n"
                       "  input x: float[Nx4x3]\n"
                       "  y = Relu(x)\n"
                       "  output y: ?\n");
    kit_free(m, NULL);
}

static void test_not_identities(void **state)
{
    (void)state;
    sn_model *m = kit_model(13);
    kit_input(m, "x", SINTER_FLOAT, "N,4");
    kit_node(m, "Identity", "x", "y0"); /* an input cannot take an output's name */
    kit_int64s(m, "shape", "2", (int64_t[]){4, -1});
    kit_node(m, "Reshape", "x,shape", "y1");
    kit_int64s(m, "from", "1", (int64_t[]){3});
    kit_int64s(m, "to", "1", (int64_t[]){INT64_MIN});
    kit_int64s(m, "axes", "1", (int64_t[]){1});
    kit_int64s(m, "steps", "1", (int64_t[]){-1});
    kit_node(m, "Slice", "x,from,to,axes,steps", "y2"); /* the same shape, but backwards */
    kit_init_of(m, "one", SINTER_FLOAT, "1,1,1", 1.0, 1.0);
    kit_node(m, "Mul", "x,one", "y3"); /* adds a dimension */
    for (int i = 0; i < 4; i++) kit_output(m, (const char *[]){"y0", "y1", "y2", "y3"}[i]);
    kit_free(NULL, only(m, "remove-identities"));
    assert_int_equal(kit_count(m, NULL), 4);
    kit_free(m, NULL);
}

static void test_dead(void **state)
{
    (void)state;
    sn_model *m = kit_model(13);
    kit_input(m, "x", SINTER_FLOAT, "N");
    kit_init(m, "unused", "2");
    kit_init(m, "k", "1");
    kit_node(m, "Add", "x,k", "a");
    kit_node(m, "Neg", "a", "b");
    kit_node(m, "Exp", "x", "y");
    kit_output(m, "y");
    sinter_report *r = only(m, "remove-dead");
    kit_assert_dump(m, "graph \n"
                       "  input x: float[N]\n"
                       "  y = Exp(x)\n"
                       "  output y: ?\n");
    assert_int_equal(sinter_report_pass(r, 0).changes, 4);
    kit_free(m, r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant_chain), cmocka_unit_test(test_shape_of_known),
        cmocka_unit_test(test_not_folded),     cmocka_unit_test(test_if_is_decided),
        cmocka_unit_test(test_identities),     cmocka_unit_test(test_not_identities),
        cmocka_unit_test(test_dead),           cmocka_unit_test(test_batch_norm_in_branch),
    };
    return cmocka_run_group_tests_name("cleanup", tests, NULL, NULL);
}
