/* The policy for models that were exported in training mode. */
#include "tests/passes/model_kit.h"

/* Conv, BatchNormalization in training mode with all outputs of its version, Relu. */
static sn_model *training_model(int opset)
{
    sn_model *m = kit_model(opset);
    kit_input(m, "x", SINTER_FLOAT, "N,3,6,6");
    kit_init(m, "w", "4,3,3,3");
    kit_node(m, "Conv", "x,w", "c");
    const char *names[] = {"s", "b", "mean", "var"};
    for (int i = 0; i < 4; i++) kit_init_of(m, names[i], SINTER_FLOAT, "4", 0.5, 1.5);
    bool new_form = opset >= 14;
    sn_node_id bn = kit_node(m, "BatchNormalization", "c,s,b,mean,var",
                             new_form ? "n,out_mean,out_var" : (opset >= 7 ? "n,om,ov,sm,sv" : "n"));
    if (new_form) assert_true(sn_set_attr_int(m, bn, "training_mode", 1));
    if (opset < 7) kit_ints(m, bn, "consumed_inputs", 5, (int64_t[]){0, 0, 0, 1, 1});
    kit_node(m, "Relu", "n", "y");
    kit_output(m, "y");
    return m;
}

static void test_eval(void **state)
{
    (void)state;
    const int opsets[] = {5, 8, 12, 15};
    for (size_t i = 0; i < 4; i++) {
        sn_model *m = training_model(opsets[i]);
        sinter_report *r = kit_optimize(m, NULL);
        sinter_bn_row row = sinter_report_bn(r, 0);
        assert_int_equal(row.verdict, SINTER_BN_FOLDED);
        assert_string_equal(row.reason,
                            "exported in training mode, rewritten to its running statistics; scale and shift are "
                            "absorbed by the weights of the Conv before it");
        assert_int_equal(sinter_report_note_count(r), 1);
        kit_free(m, r);
    }
}

static void test_keep(void **state)
{
    (void)state;
    const int opsets[] = {8, 12, 15};
    for (size_t i = 0; i < 3; i++) {
        sn_model *m = training_model(opsets[i]);
        sinter_optimize_options o = SINTER_OPTIMIZE_OPTIONS_INIT;
        o.bn_stats = SINTER_BN_STATS_KEEP;
        sinter_report *r = kit_optimize_same(m, &o, 1e-6);
        assert_int_equal(sinter_report_bn(r, 0).verdict, SINTER_BN_KEPT);
        assert_string_equal(sinter_report_bn(r, 0).reason,
                            "training-mode export: batch statistics kept (--bn-stats=keep)");
        assert_int_equal(sinter_report_note_count(r), 1);
        kit_free(m, r);
    }
}

static void test_policy_alone(void **state)
{
    (void)state;
    sn_model *m = training_model(15);
    sinter_report *r = NULL;
    assert_int_equal(sinter_model_apply_bn_stats((sinter_model *)m, SINTER_BN_STATS_EVAL, &r, NULL), SINTER_OK);
    assert_int_equal(kit_count(m, "BatchNormalization"), 1);
    assert_int_equal(sinter_report_bn(r, 0).verdict, SINTER_BN_KEPT);
    assert_string_equal(sinter_report_bn(r, 0).reason,
                        "exported in training mode, rewritten to its running statistics");
    kit_free(m, r);
}

static void test_computed_statistics(void **state)
{
    (void)state;
    sn_model *m = training_model(15);
    sn_value_id v = kit_input(m, "batch_mean", SINTER_FLOAT, "4");
    sn_node_id bn = m->values[kit_find(m, 0, "n")].producer;
    assert_true(sn_set_input(m, bn, 3, v));
    sinter_report *r = kit_optimize_same(m, NULL, 1e-6);
    assert_string_equal(sinter_report_bn(r, 0).reason, "training-mode export: mean and variance are computed in the "
                                                       "graph, so batch statistics are the model's meaning");
    kit_free(m, r);
}

static void test_statistics_are_read(void **state)
{
    (void)state;
    sn_model *m = training_model(15);
    kit_output(m, "out_mean");
    sinter_report *r = kit_optimize_same(m, NULL, 1e-6);
    assert_string_equal(sinter_report_bn(r, 0).reason,
                        "training-mode export: its statistics outputs are read; batch statistics kept");
    kit_free(m, r);
}

static void test_statistics_behind_identity(void **state)
{
    (void)state;
    sn_model *m = kit_model(15);
    kit_input(m, "x", SINTER_FLOAT, "N,4,6");
    const char *names[] = {"s", "b", "mean", "var"};
    for (int i = 0; i < 4; i++) kit_init_of(m, names[i], SINTER_FLOAT, "4", 0.5, 1.5);
    kit_node(m, "Identity", "mean", "mean2");
    sn_node_id bn = kit_node(m, "BatchNormalization", "x,s,b,mean2,var", "y,om,ov");
    assert_true(sn_set_attr_int(m, bn, "training_mode", 1));
    kit_output(m, "y");
    sinter_report *r = kit_optimize(m, NULL);
    assert_int_equal(sinter_report_note_count(r), 1);
    assert_non_null(strstr(sinter_report_note(r, 0), "rewritten to its running statistics"));
    assert_int_equal(kit_count(m, "Identity"), 0);
    kit_free(m, r);
}

/* The mean comes from a shape, the variance from a constant: neither is a constant yet, neither is a statistic of the
 * batch. */
static sn_model *computed_model(void)
{
    sn_model *m = kit_model(15);
    kit_input(m, "x", SINTER_FLOAT, "N,3,6,6");
    kit_input(m, "four", SINTER_FLOAT, "4");
    kit_init(m, "w", "4,3,3,3");
    const char *names[] = {"s", "b", "half_var"};
    for (int i = 0; i < 3; i++) kit_init_of(m, names[i], SINTER_FLOAT, "4", 0.5, 1.5);
    kit_node(m, "Shape", "four", "shape");
    kit_node(m, "ConstantOfShape", "shape", "mean");
    kit_node(m, "Add", "half_var,half_var", "var");
    kit_node(m, "Conv", "x,w", "c");
    sn_node_id bn = kit_node(m, "BatchNormalization", "c,s,b,mean,var", "y");
    assert_true(sn_set_attr_int(m, bn, "training_mode", 1));
    kit_output(m, "y");
    return m;
}

/* The policy must not depend on whether constants have been folded: it is also applied alone, before models run as they
 * are. */
static void test_statistics_of_constants(void **state)
{
    (void)state;
    sn_model *m = computed_model();
    sinter_report *r = NULL;
    assert_int_equal(sinter_model_apply_bn_stats((sinter_model *)m, SINTER_BN_STATS_EVAL, &r, NULL), SINTER_OK);
    assert_string_equal(sinter_report_bn(r, 0).reason,
                        "exported in training mode, rewritten to its running statistics");
    kit_free(NULL, r);
    r = kit_optimize_same(m, NULL, 1e-4);
    assert_int_equal(sinter_report_bn(r, 0).verdict, SINTER_BN_FOLDED);
    kit_free(m, r);

    m = computed_model();
    r = kit_optimize(m, NULL);
    assert_int_equal(sinter_report_bn(r, 0).verdict, SINTER_BN_FOLDED);
    assert_int_equal(sinter_report_note_count(r), 1);
    kit_free(m, r);
}

static void test_untrained(void **state)
{
    (void)state;
    sn_model *m = training_model(15);
    sinter_value *mean = m->values[kit_find(m, 0, "mean")].constant, *var = m->values[kit_find(m, 0, "var")].constant;
    kit_fill(mean, 1, 0.0, 0.0);
    kit_fill(var, 1, 1.0, 1.0);
    sinter_report *r = kit_optimize(m, NULL);
    assert_int_equal(sinter_report_note_count(r), 2);
    assert_non_null(strstr(sinter_report_note(r, 1), "never trained"));
    kit_free(m, r);
}

static sn_model *dropout_model(bool fed, bool mask_read)
{
    sn_model *m = kit_model(13);
    kit_input(m, "x", SINTER_FLOAT, "N,4");
    kit_init_of(m, "ratio", SINTER_FLOAT, "", 0.5, 0.5);
    if (fed)
        kit_input(m, "mode", SINTER_BOOL, "");
    else
        kit_init_of(m, "mode", SINTER_BOOL, "", 1.0, 1.0);
    kit_node(m, "Relu", "x", "r");
    kit_node(m, "Dropout", "r,ratio,mode", "d,mask");
    kit_node(m, "Relu", "d", "y");
    kit_output(m, "y");
    if (mask_read) kit_output(m, "mask");
    return m;
}

static void test_dropout(void **state)
{
    (void)state;
    for (int fed = 0; fed < 2; fed++)
        for (int mask = 0; mask < 2; mask++) {
            sn_model *m = dropout_model(fed, mask);
            sinter_report *r = kit_optimize(m, NULL);
            bool gone = !fed && !mask;
            assert_int_equal(kit_count(m, "Dropout"), gone ? 0 : 1);
            assert_int_equal(sinter_report_note_count(r), gone ? 1 : 0);
            kit_free(m, r);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eval),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_policy_alone),
        cmocka_unit_test(test_computed_statistics),
        cmocka_unit_test(test_statistics_are_read),
        cmocka_unit_test(test_statistics_behind_identity),
        cmocka_unit_test(test_statistics_of_constants),
        cmocka_unit_test(test_untrained),
        cmocka_unit_test(test_dropout),
    };
    return cmocka_run_group_tests_name("bn_stats", tests, NULL, NULL);
}
