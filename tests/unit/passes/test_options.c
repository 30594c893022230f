/* sinter_model_optimize: options, the list of passes, fixed shapes; and inspection. */
#include "tests/passes/model_kit.h"

static sn_model *small_model(void)
{
    sn_model *m = kit_model(13);
    kit_input(m, "x", SINTER_FLOAT, "N,3,8,8");
    kit_init(m, "w", "4,3,3,3");
    kit_node(m, "Conv", "x,w", "c");
    kit_bn(m, "c", "y", 4);
    kit_output(m, "y");
    sn_value_id y = kit_find(m, 0, "y");
    m->values[y].type = (sn_type){.kind = SINTER_KIND_TENSOR, .dtype = SINTER_FLOAT, .shape = kit_shape(m, "N,4,6,6")};
    m->values[y].is_declared = true;
    return m;
}

static sinter_status optimize(sn_model *m, const sinter_optimize_options *o, sinter_error *err)
{
    return sinter_model_optimize((sinter_model *)m, o, NULL, err);
}

static void test_pass_list(void **state)
{
    (void)state;
    assert_int_equal(sinter_pass_count(), 8);
    assert_string_equal(sinter_pass(0).name, "inline-functions");
    assert_string_equal(sinter_pass(7).name, "remove-dead");
    assert_string_equal(sinter_pass(8).name, "");
    for (size_t i = 0; i < sinter_pass_count(); i++) assert_true(strlen(sinter_pass(i).description) > 10);
}

static void test_only_and_skip(void **state)
{
    (void)state;
    const char *name = "fold-bn-backward";
    for (int skip = 0; skip < 2; skip++) {
        sn_model *m = small_model();
        sinter_optimize_options o = SINTER_OPTIMIZE_OPTIONS_INIT;
        if (skip) {
            o.skip = &name;
            o.n_skip = 1;
        } else {
            o.only = &name;
            o.n_only = 1;
        }
        sinter_report *r = kit_optimize(m, &o);
        assert_int_equal(kit_count(m, "BatchNormalization"), skip ? 1 : 0);
        assert_int_equal(sinter_report_pass_count(r), skip ? 7 : 1);
        kit_free(m, r);
    }
}

static void test_unknown_pass(void **state)
{
    (void)state;
    sn_model *m = small_model();
    const char *name = "fold-everything";
    sinter_optimize_options o = SINTER_OPTIMIZE_OPTIONS_INIT;
    o.skip = &name;
    o.n_skip = 1;
    sinter_error err = {0};
    assert_int_equal(optimize(m, &o, &err), SINTER_INVALID_ARGUMENT);
    assert_string_equal(err.text,
                        "there is no pass 'fold-everything'; the passes are inline-functions, freeze-inputs, bn-stats, "
                        "fold-constants, remove-identities, fold-bn-backward, fold-bn-forward, remove-dead");
    o.size = 0;
    assert_int_equal(optimize(m, &o, &err), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sinter_model_optimize(NULL, NULL, NULL, &err), SINTER_INVALID_ARGUMENT);
    kit_free(m, NULL);
}

static void test_shapes(void **state)
{
    (void)state;
    sn_model *m = small_model();
    sinter_shape shape = {"x", 4, {5, 3, 8, 8}};
    sinter_optimize_options o = SINTER_OPTIMIZE_OPTIONS_INIT;
    o.shapes = &shape;
    o.n_shapes = 1;
    sinter_report *r = kit_optimize(m, &o);
    assert_int_equal(m->values[m->graphs[0].inputs.items[0]].type.shape.dims[0], 5);
    assert_int_equal(m->values[m->graphs[0].outputs.items[0]].type.shape.dims[0], 5);
    assert_string_equal(sinter_report_bn(r, 0).shape, "5x4x6x6");
    kit_free(m, r);
}

static void test_bad_shapes(void **state)
{
    (void)state;
    static const struct {
        sinter_shape shape;
        const char *text;
    } cases[] = {
        {{"z", 4, {1, 3, 8, 8}}, "the model has no input 'z'; its inputs are 'x'"},
        {{"x", 3, {1, 3, 8}}, "shape of input 'x': 3 dimensions given, the model has 4"},
        {{"x", 4, {1, 4, 8, 8}}, "shape of input 'x': dimension 1 is 4, the model has 3"},
        {{"x", 4, {-1, 3, 8, 8}}, "shape of input 'x': dimension 0 is -1, expected 0 or more"},
        {{"x", 17, {0}}, "shape of input 'x': rank 17, expected 0 to 16"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_model *m = small_model();
        sinter_optimize_options o = SINTER_OPTIMIZE_OPTIONS_INIT;
        o.shapes = &cases[i].shape;
        o.n_shapes = 1;
        sinter_error err = {0};
        assert_int_equal(optimize(m, &o, &err), SINTER_INVALID_ARGUMENT);
        assert_string_equal(err.text, cases[i].text);
        kit_free(m, NULL);
    }
}

static void test_empty_report(void **state)
{
    (void)state;
    assert_int_equal(sinter_report_bn_count(NULL), 0);
    assert_string_equal(sinter_report_bn(NULL, 0).reason, "");
    assert_string_equal(sinter_report_note(NULL, 3), "");
    assert_string_equal(sinter_bn_verdict_name(SINTER_BN_LOWERED), "lowered");
    sinter_report_free(NULL);
}

static void test_inspect(void **state)
{
    (void)state;
    sn_model *m = small_model();
    kit_node(m, "Relu", "y", "z");
    sinter_inspection *i = NULL;
    sinter_error err = {0};
    if (sinter_model_inspect((sinter_model *)m, NULL, 0, &i, &err)) fail_msg("%s", err.text);
    assert_int_equal(i->n_nodes, 3);
    assert_int_equal(i->n_ops, 3);
    assert_int_equal(i->parameters, 4 * 27 + 16);
    assert_int_equal(i->parameter_bytes, 4 * (4 * 27 + 16));
    /* Conv: 4x6x6 dot products of 27; BatchNormalization: 2 and Relu: 1 per element */
    assert_true(fabs(i->flops - (144.0 * 54 + 144 * 3)) < 0.5);
    assert_int_equal(i->n_bns, 1);
    assert_string_equal(i->bns[0].shape, "Nx4x6x6");
    assert_string_equal(i->bns[0].producer_op, "Conv");
    assert_string_equal(i->bns[0].consumer_op, "Relu");
    assert_int_equal(i->bns[0].channels, 4);
    assert_false(i->bns[0].training_mode);
    sinter_inspection_free(i);

    sinter_shape shape = {"x", 4, {10, 3, 8, 8}};
    assert_int_equal(sinter_model_inspect((sinter_model *)m, &shape, 1, &i, &err), SINTER_OK);
    assert_true(fabs(i->flops - 10 * (144.0 * 54 + 144 * 3)) < 0.5);
    sinter_inspection_free(i);
    sinter_inspection_free(NULL);
    kit_free(m, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pass_list), cmocka_unit_test(test_only_and_skip), cmocka_unit_test(test_unknown_pass),
        cmocka_unit_test(test_shapes),    cmocka_unit_test(test_bad_shapes),    cmocka_unit_test(test_empty_report),
        cmocka_unit_test(test_inspect),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
