/* Layouts and fusion of the runtime against the reference of every operator: see compare_sessions.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/runtime/impl_cases.h"

/* Convolution kinds as parts of chains. */
typedef enum conv_kind { WINOGRAD, DIRECT, FEW, DEPTHWISE, GROUPED, CONV_KINDS } conv_kind;
static const char *const conv_impls[] = {"winograd-4x4", "conv", "conv-few-channels", "depthwise", "grouped"};
static const int64_t conv_channels[] = {18, 20, 4, 19, 12};
static conv_kind kind; /* of the chain's convolutions; channels in and out are the same */

/* [N, C, 14, 15], and what keeps that. */
static sn_value_id image_input(sn_model *m, const char *name)
{
    return batch_input(m, name, INTS(N_ROWS, conv_channels[kind], 14, 15));
}

static sn_value_id conv_with(sn_model *m, sn_value_id x, sn_value_id w, bool bias)
{
    int64_t c = conv_channels[kind];
    sn_value_id y = bias ? op(m, "Conv", IDS(x, w, constant(m, &c, 1, 1))) : op(m, "Conv", IDS(x, w));
    if (kind != DIRECT) attr_ints(m, "pads", INTS(1, 1, 1, 1));
    if (kind == DEPTHWISE) attr_int(m, "group", c);
    if (kind == GROUPED) attr_int(m, "group", 3);
    return y;
}

static sn_value_id conv_weight(sn_model *m)
{
    int64_t c = conv_channels[kind], each = kind == DEPTHWISE ? 1 : kind == GROUPED ? c / 3 : c;
    int64_t k = kind == DIRECT ? 1 : 3;
    return constant(m, INTS(c, each, k, k), 1 / sqrtf((float)(each * k * k)));
}

static sn_value_id conv(sn_model *m, sn_value_id x)
{
    return conv_with(m, x, conv_weight(m), true);
}

static sn_model *residual_before(const void *activation)
{
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), r = conv(m, x);
    sn_value_id y = op(m, "Add", IDS(conv(m, op(m, "Neg", IDS(r))), r));
    output(m, activation ? op(m, activation, IDS(y)) : y);
    return m;
}

/* The residual comes first in the addition, and from an input. */
static sn_model *residual_input(const void *activation)
{
    sn_model *m = new_model(20);
    sn_value_id r = image_input(m, "r"), y = op(m, "Add", IDS(r, conv(m, image_input(m, "x"))));
    output(m, activation ? op(m, activation, IDS(y)) : y);
    return m;
}

/* What is added is computed later, so that another convolution takes the addition. */
static sn_model *residual_after(const void *activation)
{
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), first = conv(m, x), second = conv(m, x);
    sn_value_id y = op(m, "Add", IDS(first, second));
    output(m, op(m, activation, IDS(y)));
    return m;
}

/* Computed later by a node that cannot fuse: the addition stays, with what follows it. */
static sn_model *residual_too_late(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), y = conv(m, x), r = op(m, "Neg", IDS(x));
    output(m, op(m, "Relu", IDS(op(m, "Add", IDS(y, r)))));
    return m;
}

static sn_model *residual_is_output(const void *activation)
{
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), r = conv(m, x), y = op(m, "Add", IDS(conv(m, r), r));
    output(m, r);
    output(m, op(m, activation, IDS(y)));
    return m;
}

static sn_model *middle_is_output(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), c = conv(m, x), sum = op(m, "Add", IDS(c, x));
    output(m, sum);
    output(m, op(m, "Relu", IDS(sum)));
    return m;
}

static sn_model *conv_is_output(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), c = conv(m, x), sum = op(m, "Add", IDS(c, x));
    output(m, op(m, "Relu", IDS(sum)));
    output(m, c);
    return m;
}

/* The sum of a convolution and itself is no residual. */
static sn_model *twice(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id c = conv(m, image_input(m, "x"));
    output(m, op(m, "Relu", IDS(op(m, "Add", IDS(c, c)))));
    return m;
}

/* A residual of one element per channel is none. */
static sn_model *channel_added(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), c = conv(m, x);
    output(m, op(m, "Relu", IDS(op(m, "Add", IDS(c, op(m, "GlobalAveragePool", IDS(x)))))));
    return m;
}

static sn_model *silu(const void *mul_first)
{
    sn_model *m = new_model(20);
    sn_value_id c = conv(m, image_input(m, "x")), s = op(m, "Sigmoid", IDS(c));
    output(m, conv(m, mul_first ? op(m, "Mul", IDS(c, s)) : op(m, "Mul", IDS(s, c))));
    return m;
}

static sn_model *silu_with_residual(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), c = op(m, "Add", IDS(conv(m, x), x));
    output(m, op(m, "Mul", IDS(c, op(m, "Sigmoid", IDS(c)))));
    return m;
}

static sn_model *silu_seen(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id c = conv(m, image_input(m, "x")), s = op(m, "Sigmoid", IDS(c));
    output(m, op(m, "Mul", IDS(c, s)));
    output(m, s);
    return m;
}

static sn_model *silu_of_output(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id c = conv(m, image_input(m, "x"));
    output(m, op(m, "Mul", IDS(c, op(m, "Sigmoid", IDS(c)))));
    output(m, c);
    return m;
}

/* sigmoid(c) * x is not SiLU. */
static sn_model *gate(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), c = conv(m, x);
    output(m, op(m, "Mul", IDS(op(m, "Sigmoid", IDS(c)), x)));
    return m;
}

/* Squeeze and excitation: broadcasting, with a residual and an activation behind it. */
static sn_model *gated_residual(const void *activation)
{
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), c = conv(m, x);
    sn_value_id y = op(m, "Add", IDS(op(m, "Mul", IDS(c, op(m, "GlobalAveragePool", IDS(c)))), x));
    output(m, op(m, activation, IDS(y)));
    return m;
}

static sn_model *sum_of_three(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), c = conv(m, x), r = op(m, "Neg", IDS(x));
    sn_value_id y = op(m, "Add", IDS(op(m, "Add", IDS(c, r)), x));
    output(m, op(m, "Mul", IDS(y, op(m, "Sigmoid", IDS(y)))));
    return m;
}

static sn_model *flatten_gemm(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id c = op(m, "Flatten", IDS(op(m, "Relu", IDS(conv(m, image_input(m, "x"))))));
    sn_value_id w = constant(m, INTS(conv_channels[kind] * 14 * 15, 10), 0.02f);
    output(m, op(m, "Gemm", IDS(c, w, constant(m, INTS(10), 1))));
    return m;
}

static sn_model *reshape_chain(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id c = conv(m, image_input(m, "x")), shape = op(m, "Shape", IDS(c));
    sn_value_id target = sn_add_initializer(m, 0, SN_STR("shape"), int_list(INTS(0, -1)));
    sn_value_id flat = op(m, "Reshape", IDS(c, target));
    output(m, op(m, "Reshape", IDS(op(m, "Neg", IDS(flat)), shape)));
    return m;
}

static sn_model *shared_weight(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id w = conv_weight(m), c = conv_with(m, image_input(m, "x"), w, true);
    output(m, conv_with(m, op(m, "Relu", IDS(c)), w, false));
    return m;
}

/* On maps of two sizes, which Winograd does with tiles of two sizes. */
static sn_model *shared_by_sizes(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id w = conv_weight(m), c = conv_with(m, image_input(m, "x"), w, false);
    sn_value_id half = op(m, "MaxPool", IDS(c));
    attr_ints(m, "kernel_shape", INTS(2, 2));
    attr_ints(m, "strides", INTS(2, 2));
    output(m, conv_with(m, half, w, true));
    return m;
}

static sn_model *weight_read_elsewhere(const void *as_output)
{
    sn_model *m = new_model(20);
    sn_value_id w = conv_weight(m), c = conv_with(m, image_input(m, "x"), w, true);
    output(m, c);
    output(m, as_output ? w : op(m, "Neg", IDS(w)));
    return m;
}

/* Between convolutions everything lies with channels last, and ends in a plain operator and as an output. */
static sn_model *both_layouts(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id c = conv(m, image_input(m, "x")), t = op(m, "Transpose", IDS(c)), d, u;
    attr_ints(m, "perm", INTS(0, 2, 3, 1));
    d = conv(m, c);
    u = op(m, "Transpose", IDS(op(m, "Tanh", IDS(d))));
    attr_ints(m, "perm", INTS(0, 2, 3, 1));
    output(m, op(m, "Sub", IDS(u, t)));
    output(m, d);
    return m;
}

/* A plain value and one with channels last meet in every order. */
static sn_model *mixed_layouts(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), plain = op(m, "Neg", IDS(op(m, "Softmax", IDS(x)))), c = conv(m, x);
    sn_value_id a = op(m, "Sub", IDS(plain, c)), b = op(m, "Mul", IDS(a, plain)), d = op(m, "Max", IDS(plain, b));
    output(m, op(m, "Softmax", IDS(d)));
    output(m, op(m, "MaxPool", IDS(d)));
    attr_ints(m, "kernel_shape", INTS(2, 2));
    return m;
}

/* A body reads what lies with channels last outside; it computes a convolution itself. */
static sn_model *captured(const void *branch)
{
    sn_model *m = new_model(20);
    sn_value_id x = image_input(m, "x"), c = op(m, "Relu", IDS(conv(m, x))), w = conv_weight(m), outs[2];
    sn_type boolean = tensor_type(SINTER_BOOL, 0, NULL);
    sn_value_id cond = sn_add_value(m, 0, sn_str_of(branch), &boolean);
    assert_true(cond != SN_NONE && sn_add_input(m, 0, cond));
    sn_value_id y = op(m, "If", IDS(cond));
    sn_node_id owner = last_node;
    static const char *const branches[] = {"then_branch", "else_branch"};
    for (int i = 0; i < 2; i++) {
        sn_graph_id g = body(m, owner, branches[i]);
        if (i == 0) {
            outs[i] = op_in(m, g, "Neg", IDS(c));
        } else {
            outs[i] = op_in(m, g, "Conv", IDS(c, w));
            if (kind != DIRECT) attr_ints(m, "pads", INTS(1, 1, 1, 1));
            if (kind == DEPTHWISE) attr_int(m, "group", conv_channels[kind]);
            if (kind == GROUPED) attr_int(m, "group", 3);
        }
        assert_true(sn_add_output(m, g, outs[i]));
    }
    output(m, conv_with(m, y, w, true));
    output(m, op(m, "Add", IDS(conv(m, c), y)));
    return m;
}

/* In the optimized model the BatchNormalization becomes a ChannelAffine. */
static sn_model *batch_norm(const void *activation)
{
    sn_model *m = new_model(15);
    int64_t c = conv_channels[kind];
    sn_value_id x = op(m, "Relu", IDS(conv(m, image_input(m, "x"))));
    sn_value_id y =
        op(m, "BatchNormalization",
           IDS(x, constant(m, &c, 1, 1), constant(m, &c, 1, 1), constant(m, &c, 1, 1), positive_constant(m, &c, 1, 1)));
    output(m, op(m, activation, IDS(y)));
    return m;
}

/* "%" stands for the convolution's implementation; "#" for that of one from plain to plain, "&" for that on
 * maps of half the size. */
static const struct {
    model_builder build;
    const void *context;
    const char *impls;
} chains[] = {
    {residual_before, "Relu", "Conv=% Neg=unary Conv=%"},
    {residual_before, "Gelu", "Conv=% Neg=unary Conv=%"},
    {residual_before, NULL, "Conv=% Neg=unary Conv=%"},
    {residual_input, "Relu", "Conv=#"},
    {residual_input, "Sigmoid", "Conv=#"},
    {residual_input, NULL, "Conv=#"},
    {residual_after, "Relu", "Conv=# Conv=#"},
    {residual_too_late, NULL, "Conv=# Neg=unary Add=binary"},
    {residual_is_output, "Relu", "Conv=# Conv=#"},
    {residual_is_output, "HardSwish", "Conv=# Conv=#"},
    {middle_is_output, NULL, "Conv=# Relu=activation"},
    {conv_is_output, NULL, "Conv=# Add=binary"},
    {twice, NULL, "Conv=% Add=binary"},
    {channel_added, NULL, "Conv=# GlobalAveragePool=global-average Add=binary"},
    {silu, "", "Conv=% Conv=%"},
    {silu, NULL, "Conv=% Conv=%"},
    {silu_with_residual, NULL, "Conv=#"},
    {silu_seen, NULL, "Conv=% Sigmoid=activation Mul=binary"},
    {silu_of_output, NULL, "Conv=# Sigmoid=activation Mul=binary"},
    {gate, NULL, "Conv=% Mul=binary"},
    {gated_residual, "Relu", "Conv=% GlobalAveragePool=global-average Mul=binary"},
    {gated_residual, "Gelu", "Conv=% GlobalAveragePool=global-average Mul=binary"},
    {sum_of_three, NULL, "Conv=# Neg=unary Add=binary"},
    {flatten_gemm, NULL, "Conv=% Flatten=reference Gemm=gemm"},
    {reshape_chain, NULL, "Conv=% Reshape=reference Neg=unary Reshape=reference"},
    {shared_weight, NULL, "Conv=% Conv=%"},
    {shared_by_sizes, NULL, "Conv=% MaxPool=max-pool Conv=&"},
    {weight_read_elsewhere, NULL, NULL},
    {weight_read_elsewhere, "", "Conv=#"},
    {both_layouts, NULL, NULL},
    {mixed_layouts, NULL, NULL},
    {captured, "yes", NULL},
    {captured, "no", NULL},
    {batch_norm, "Relu", NULL},
    {batch_norm, "Tanh", NULL},
};

static const char *insert_impl(const char *text)
{
    static char impls[256];
    size_t used = 0;
    for (; *text; text++) {
        if (*text == '%' || *text == '#' || *text == '&') {
            const char *impl = conv_impls[kind];
            if (*text == '#' && kind == FEW) impl = "conv-planar";
            if (*text == '&' && kind == WINOGRAD) impl = "winograd-2x2";
            used += (size_t)snprintf(impls + used, sizeof impls - used, "%s", impl);
        } else {
            impls[used++] = *text;
        }
    }
    impls[used] = '\0';
    return impls;
}

static void test_chains(void **state)
{
    (void)state;
    for (int k = 0; k < CONV_KINDS; k++) {
        kind = (conv_kind)k;
        for (size_t i = 0; i < COUNT(chains); i++) {
            snprintf(label, sizeof label, "chain %zu of %s %d", i, conv_impls[kind], k);
            check_model(chains[i].build, chains[i].context, chains[i].impls ? insert_impl(chains[i].impls) : NULL);
        }
    }
}

/* The lowering stage makes ChannelAffine, which runs in either layout and takes what follows. */
static void test_channel_affine(void **state)
{
    (void)state;
    static const char *const activations[] = {"Relu", "Tanh"};
    kind = DIRECT;
    for (size_t i = 0; i < COUNT(activations); i++) {
        snprintf(label, sizeof label, "BatchNormalization and %s", activations[i]);
        sinter_session *s = open_session(batch_norm(activations[i]), false, 2, true);
        values in = make_inputs(s, BATCH), out = run(s, &in);
        expect_impls(s, "Conv=conv ChannelAffine=channel-affine");
        release(&out);
        release(&in);
        sinter_session_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_channel_affine),
    };
    return cmocka_run_group_tests(tests, make_pool, free_pool);
}
