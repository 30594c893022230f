/* Refusals: what must not be folded stays, and the report says why in these words. */
#include "tests/passes/model_kit.h"

static void conv(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,3,6,6");
    kit_init(m, "w", "4,3,3,3");
    kit_node(m, "Conv", "x,w", "c");
}

static void set_constant(sn_model *m, const char *name, size_t i, double value)
{
    sn_value_id v = kit_find(m, 0, name);
    sn_store_double(m->values[v].constant->dtype, m->values[v].constant->data, i, value);
}

static void shared_output(sn_model *m)
{
    conv(m);
    kit_bn(m, "c", "b", 4);
    kit_node(m, "Add", "b,c", "y");
    kit_output(m, "y");
}

static void conv_is_output(sn_model *m)
{
    conv(m);
    kit_bn(m, "c", "y", 4);
    kit_output(m, "y");
    kit_output(m, "c");
}

static void weight_computed(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,3,6,6");
    kit_input(m, "w", SINTER_FLOAT, "4,3,3,3");
    kit_node(m, "Conv", "x,w", "c");
    kit_bn(m, "c", "y", 4);
    kit_output(m, "y");
}

static void weight_overridable(sn_model *m)
{
    conv(m);
    assert_true(sn_add_input(m, 0, kit_find(m, 0, "w")));
    kit_bn(m, "c", "y", 4);
    kit_output(m, "y");
}

static void mean_overridable(sn_model *m)
{
    conv(m);
    kit_bn(m, "c", "y", 4);
    assert_true(sn_add_input(m, 0, kit_find(m, 0, "y_m")));
    kit_output(m, "y");
}

static void negative_variance(sn_model *m)
{
    conv(m);
    kit_bn(m, "c", "y", 4);
    set_constant(m, "y_v", 2, -0.25);
    kit_output(m, "y");
}

static void nan_mean(sn_model *m)
{
    conv(m);
    kit_bn(m, "c", "y", 4);
    set_constant(m, "y_m", 1, NAN);
    kit_output(m, "y");
}

static void zero_variance(sn_model *m)
{
    conv(m);
    sn_node_id bn = kit_bn(m, "c", "y", 4);
    assert_true(sn_set_attr_float(m, bn, "epsilon", 0.0F));
    set_constant(m, "y_v", 3, 0.0);
    kit_output(m, "y");
}

static void overflow(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT16, "N,3,6,6");
    kit_init_of(m, "w", SINTER_FLOAT16, "4,3,3,3", 100.0, 200.0);
    kit_node(m, "Conv", "x,w", "c");
    kit_bn(m, "c", "y", 4);
    set_constant(m, "y_s", 1, 1e6);
    kit_output(m, "y");
}

static void not_spatial(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "2,3,1,1");
    kit_init(m, "w", "4,3,1,1");
    kit_node(m, "Conv", "x,w", "c");
    const char *names[] = {"s", "b", "mean", "v"};
    for (int i = 0; i < 4; i++) kit_init_of(m, names[i], SINTER_FLOAT, "4,1,1", 0.5, 1.0);
    assert_true(sn_set_attr_int(m, kit_node(m, "BatchNormalization", "c,s,b,mean,v", "y"), "spatial", 0));
    kit_output(m, "y");
}

static void gemm_c_computed(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "2,3");
    kit_input(m, "k", SINTER_FLOAT, "4");
    kit_init(m, "w", "3,4");
    kit_node(m, "Gemm", "x,w,k", "c");
    kit_bn(m, "c", "y", 4);
    kit_output(m, "y");
}

static void wrong_axis(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "2,4,3");
    kit_init(m, "w", "3,5");
    kit_node(m, "MatMul", "x,w", "c");
    kit_bn(m, "c", "y", 4);
    kit_output(m, "y");
}

static void broken_by_reshape(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "2,6,3");
    kit_init(m, "w", "3,4");
    kit_node(m, "MatMul", "x,w", "c");
    kit_int64s(m, "shape", "2", (int64_t[]){4, 12});
    kit_node(m, "Reshape", "c,shape", "r");
    kit_bn(m, "r", "y", 12);
    kit_output(m, "y");
}

static void padded_forward(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,3,6,6");
    kit_bn(m, "x", "b", 3);
    kit_init(m, "w", "4,3,3,3");
    sn_node_id node = kit_node(m, "Conv", "b,w", "y");
    kit_ints(m, node, "pads", 4, (int64_t[]){0, 1, 0, 0});
    kit_output(m, "y");
}

static void padded_by_auto_pad(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,3,6,6");
    kit_bn(m, "x", "b", 3);
    kit_init(m, "w", "4,3,3,3");
    assert_true(sn_set_attr_string(m, kit_node(m, "Conv", "b,w", "y"), "auto_pad", SN_STR("SAME_LOWER")));
    kit_output(m, "y");
}

static void bn_read_twice(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,3,6,6");
    kit_bn(m, "x", "b", 3);
    kit_init(m, "w", "4,3,1,1");
    kit_node(m, "Conv", "b,w", "y");
    kit_node(m, "Relu", "b", "z");
    kit_output(m, "y");
    kit_output(m, "z");
}

static void forward_conv_transpose(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,3,6,6");
    kit_bn(m, "x", "b", 3);
    kit_init(m, "w", "3,4,3,3");
    kit_node(m, "ConvTranspose", "b,w", "y");
    kit_output(m, "y");
}

static void alone(sn_model *m)
{
    kit_input(m, "x", SINTER_FLOAT, "N,3,6,6");
    kit_node(m, "Relu", "x", "r");
    kit_bn(m, "r", "b", 3);
    kit_node(m, "Sigmoid", "b", "y");
    kit_output(m, "y");
}

typedef struct refusal {
    const char *name;
    void (*build)(sn_model *m);
    int opset;
    const char *reason;
    bool runs;
} refusal;

static const refusal refusals[] = {
    {"output read elsewhere", shared_output, 13, "the output of Conv 'op_c' is also read by Add 'op_y'", true},
    {"output of the graph", conv_is_output, 13, "the output of Conv 'op_c' is also an output of the graph", true},
    {"weight computed", weight_computed, 13, "the weight of Conv 'op_c' is not a constant", true},
    {"weight overridable", weight_overridable, 13,
     "the weight of Conv 'op_c' is also a model input, which callers may override (--freeze-inputs makes it a "
     "constant)",
     true},
    {"mean overridable", mean_overridable, 13,
     "its mean 'y_m' is also a model input, which callers may override (--freeze-inputs makes it a constant)", true},
    {"negative variance", negative_variance, 13, "its variance of channel 2 is negative (-0.25)", false},
    {"NaN", nan_mean, 13, "its mean of channel 1 is NaN", false},
    {"zero variance", zero_variance, 13, "its variance plus epsilon of channel 3 is 0, not positive", false},
    {"overflow", overflow, 15, "the folded bias of channel 1 is not finite in float16", false},
    {"not spatial", not_spatial, 8, "spatial=0: it has statistics per element, not per channel", true},
    {"C computed", gemm_c_computed, 13, "the bias of Gemm 'op_c' is not a constant", true},
    {"wrong axis", wrong_axis, 13,
     "the channels of BatchNormalization 'op_y' are not the output channels of MatMul 'op_c'", true},
    {"broken by Reshape", broken_by_reshape, 13,
     "the shapes do not prove that channels stay channels through Reshape 'op_r'", true},
    {"padding", padded_forward, 13, "Conv 'op_y' after it pads with zeros, which the shift would not reach", true},
    {"auto_pad", padded_by_auto_pad, 13, "Conv 'op_y' after it pads with zeros, which the shift would not reach", true},
    {"read twice", bn_read_twice, 13, "the output of BatchNormalization 'op_b' is also read by Relu 'op_z'", true},
    {"ConvTranspose after", forward_conv_transpose, 13,
     "ConvTranspose 'op_y' after it does not add the same at its borders as in its middle", true},
    {"alone", alone, 13,
     "no linear operator next to it: its input comes from Relu 'op_r', its output goes to Sigmoid 'op_y'", true},
};

static void test_refusal(void **state)
{
    const refusal *c = *state;
    sn_model *m = kit_model(c->opset);
    c->build(m);
    sinter_report *r = c->runs ? kit_optimize_same(m, NULL, 1e-5) : kit_optimize(m, NULL);
    assert_int_equal(sinter_report_bn_count(r), 1);
    sinter_bn_row row = sinter_report_bn(r, 0);
    assert_string_equal(row.reason, c->reason);
    assert_int_equal(row.verdict, SINTER_BN_KEPT);
    assert_string_equal(row.into, "");
    assert_int_equal(kit_count(m, "BatchNormalization"), 1);
    kit_free(m, r);
}

static void test_freezing_allows(void **state)
{
    (void)state;
    void (*const builds[])(sn_model *) = {weight_overridable, mean_overridable};
    for (size_t i = 0; i < 2; i++) {
        sn_model *m = kit_model(13);
        builds[i](m);
        sinter_optimize_options o = SINTER_OPTIMIZE_OPTIONS_INIT;
        o.freeze_inputs = true;
        sinter_report *r = kit_optimize_same(m, &o, 1e-4);
        assert_int_equal(sinter_report_bn(r, 0).verdict, SINTER_BN_FOLDED);
        assert_int_equal(m->graphs[0].inputs.count, 1);
        kit_free(m, r);
    }
}

/* Before IR 4 the listing says nothing: constants all the same, and the folded model is IR 4. */
static void test_old_ir(void **state)
{
    (void)state;
    sn_model *m = kit_model(8);
    m->ir_version = 3;
    weight_overridable(m);
    sinter_report *r = kit_optimize_same(m, NULL, 1e-4);
    assert_int_equal(sinter_report_bn(r, 0).verdict, SINTER_BN_FOLDED);
    assert_int_equal(m->ir_version, 4);
    assert_int_equal(m->graphs[0].inputs.count, 1);
    kit_free(m, r);
}

/* What the session does with the rest. */
static void test_lowering(void **state)
{
    (void)state;
    sn_model *m = kit_model(13);
    alone(m);
    sinter_error err = {0};
    sinter_report *r = sn_report_create();
    assert_non_null(r);
    sinter_value *x = kit_random_input(m, kit_find(m, 0, "x"), 1), *before, *after;
    assert_int_equal(kit_run_model(m, &x, 1, &before, &err), SINTER_OK);
    assert_int_equal(sn_run_passes(m, SN_STAGE_PORTABLE, NULL, r, &err), SINTER_OK);
    assert_int_equal(sn_run_passes(m, SN_STAGE_LOWERING, NULL, r, &err), SINTER_OK);
    kit_verify(m);
    assert_int_equal(kit_count(m, "ChannelAffine"), 1);
    sinter_bn_row row = sinter_report_bn(r, 0);
    assert_int_equal(row.verdict, SINTER_BN_LOWERED);
    assert_string_equal(row.reason,
                        "no linear operator next to it: its input comes from Relu 'op_r', its output goes to "
                        "Sigmoid 'op_y'; it runs as one multiply-add per element");
    if (kit_run_model(m, &x, 1, &after, &err) != SINTER_OK) fail_msg("%s", err.text);
    sinter_difference d = sinter_value_compare(after, before, 1e-5, 1e-6);
    assert_true(d.comparable && d.mismatches == 0);
    sinter_value_release(x);
    sinter_value_release(before);
    sinter_value_release(after);
    kit_free(m, r);
}

int main(void)
{
    enum { N = sizeof refusals / sizeof *refusals };
    struct CMUnitTest tests[N + 3];
    for (size_t i = 0; i < N; i++)
        tests[i] = (struct CMUnitTest){refusals[i].name, test_refusal, NULL, NULL, (void *)(uintptr_t)&refusals[i]};
    tests[N] = (struct CMUnitTest)cmocka_unit_test(test_freezing_allows);
    tests[N + 1] = (struct CMUnitTest)cmocka_unit_test(test_old_ir);
    tests[N + 2] = (struct CMUnitTest)cmocka_unit_test(test_lowering);
    return cmocka_run_group_tests_name("refuse", tests, NULL, NULL);
}
