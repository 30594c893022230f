/* Transposed convolutions, phase by phase, against the reference: see compare_sessions.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/runtime/impl_cases.h"

typedef struct conv_case {
    int64_t in, out, group; /* channels; group 0: one */
    int64_t size[3];        /* as many axes as are set */
    int64_t kernel[3];
    int64_t stride[3], dilation[3], output_padding[3], output_shape[3]; /* first one 0: not stated */
    int64_t pads[6];                                                    /* begins of all axes, then ends */
    const char *auto_pad;
    bool no_bias, residual;
    const char *activation;
} conv_case;

typedef struct conv_model {
    const conv_case *c;
    bool computed; /* weights that are no constant */
} conv_model;

static void set_attributes(sn_model *m, const conv_case *c, size_t axes)
{
    attr_ints(m, "kernel_shape", c->kernel, axes);
    if (c->group > 0) attr_int(m, "group", c->group);
    if (c->stride[0] > 0) attr_ints(m, "strides", c->stride, axes);
    if (c->dilation[0] > 0) attr_ints(m, "dilations", c->dilation, axes);
    if (c->output_padding[0] > 0) attr_ints(m, "output_padding", c->output_padding, axes);
    if (c->output_shape[0] > 0) attr_ints(m, "output_shape", c->output_shape, axes);
    if (c->auto_pad) attr_string(m, "auto_pad", c->auto_pad);
    if (!c->auto_pad && c->output_shape[0] == 0) attr_ints(m, "pads", c->pads, 2 * axes);
}

static sn_value_id weights(sn_model *m, const conv_model *x, const int64_t *dims, size_t rank, float scale)
{
    if (!x->computed) return constant(m, dims, rank, scale);
    return op(m, "Mul", IDS(batch_input(m, "w", dims, rank), positive_constant(m, NULL, 0, scale)));
}

static sn_model *build(const void *context)
{
    const conv_model *x = context;
    const conv_case *c = x->c;
    size_t axes = (size_t)axes_of(c->size);
    int64_t group = c->group > 0 ? c->group : 1, out = c->out, image[5] = {N_ROWS, c->in},
            weight[5] = {c->in, c->out / group};
    float fan_in = (float)(c->in / group);
    for (size_t i = 0; i < axes; i++) {
        image[2 + i] = c->size[i];
        weight[2 + i] = c->kernel[i];
        fan_in *= (float)c->kernel[i];
    }
    sn_model *m = new_model(13);
    sn_value_id x_id = batch_input(m, "x", image, axes + 2);
    sn_value_id w = weights(m, x, weight, axes + 2, 1 / sqrtf(fan_in)), y;
    if (c->no_bias) {
        y = op(m, "ConvTranspose", IDS(x_id, w));
    } else {
        y = op(m, "ConvTranspose", IDS(x_id, w, constant(m, &out, 1, 1)));
    }
    set_attributes(m, c, axes);
    if (c->residual) { /* of the same shape: what the same weights make of another input */
        sn_value_id other = op(m, "ConvTranspose", IDS(op(m, "Neg", IDS(x_id)), w));
        set_attributes(m, c, axes);
        y = op(m, "Add", IDS(other, y));
    }
    if (c->activation) y = op(m, c->activation, IDS(y));
    output(m, y);
    return m;
}

static const conv_case cases[] = {
    /* two axes; kernels as large as the stride, larger, smaller; sizes that the stride divides and that it does not */
    {16, 24, .size = {5, 6}, .kernel = {4, 4}, .stride = {2, 2}, .pads = {1, 1, 1, 1}},
    {16, 24, .size = {5, 6}, .kernel = {2, 2}, .stride = {2, 2}},
    {40, 33, .size = {7, 15}, .kernel = {3, 3}, .stride = {2, 2}, .pads = {1, 1, 1, 1}, .output_padding = {1, 1}},
    {17, 5, .size = {4, 7}, .kernel = {3, 3}, .stride = {2, 2}},
    {17, 70, .size = {4, 20}, .kernel = {5, 2}, .stride = {3, 1}, .pads = {2, 0, 1, 1}},
    {8, 9, .size = {6, 5}, .kernel = {1, 2}, .stride = {3, 3}},
    {8, 9, .size = {6, 5}, .kernel = {1, 1}, .stride = {2, 2}, .output_padding = {1, 1}, .no_bias = true},
    {20, 12, .size = {9, 8}, .kernel = {3, 3}, .pads = {1, 1, 1, 1}},
    {20, 12, .size = {9, 8}, .kernel = {1, 1}},
    {64, 40, .size = {1, 1}, .kernel = {4, 4}},
    {3, 3, .size = {2, 2}, .kernel = {7, 7}, .stride = {2, 3}, .pads = {3, 3, 3, 3}},
    {2, 4, .size = {3, 3}, .kernel = {16, 16}, .stride = {8, 8}, .pads = {4, 4, 4, 4}},
    {130, 140, .size = {6, 6}, .kernel = {4, 4}, .stride = {2, 2}, .pads = {1, 1, 1, 1}},
    {32, 32, .size = {30, 29}, .kernel = {2, 2}, .stride = {2, 2}},
    /* more strides than output positions; an output that only a corner of the kernel reaches */
    {5, 6, .size = {1, 2}, .kernel = {3, 3}, .stride = {7, 5}},
    {5, 6, .size = {2, 3}, .kernel = {3, 2}, .stride = {4, 4}, .pads = {2, 3, 3, 1}},
    /* dilation: prime to the stride, a multiple, with a common divisor */
    {9, 10, .size = {5, 7}, .kernel = {3, 3}, .dilation = {2, 3}, .pads = {2, 1, 0, 3}},
    {9, 10, .size = {5, 7}, .kernel = {3, 3}, .stride = {2, 3}, .dilation = {3, 2}, .pads = {1, 2, 3, 0}},
    {9, 10, .size = {5, 7}, .kernel = {3, 4}, .stride = {2, 3}, .dilation = {4, 3}, .pads = {1, 2, 3, 0}},
    {9, 10, .size = {5, 7}, .kernel = {5, 4}, .stride = {6, 4}, .dilation = {4, 6}, .pads = {1, 2, 3, 0}},
    /* sizes by other means */
    {6, 7, .size = {5, 4}, .kernel = {3, 3}, .stride = {2, 3}, .auto_pad = "SAME_UPPER"},
    {6, 7, .size = {5, 4}, .kernel = {4, 5}, .stride = {2, 2}, .auto_pad = "SAME_LOWER"},
    {6, 7, .size = {5, 4}, .kernel = {2, 2}, .stride = {3, 3}, .auto_pad = "SAME_UPPER"},
    {6, 7, .size = {5, 4}, .kernel = {3, 3}, .stride = {2, 2}, .auto_pad = "VALID"},
    {6, 7, .size = {5, 4}, .kernel = {3, 3}, .stride = {3, 2}, .output_shape = {10, 8}},
    {6, 7, .size = {5, 4}, .kernel = {3, 3}, .stride = {3, 2}, .output_shape = {20, 13}},
    /* one axis, three axes */
    {16, 20, .size = {19}, .kernel = {4}, .stride = {2}, .pads = {1, 1}},
    {16, 20, .size = {13}, .kernel = {5}, .stride = {3}, .pads = {0, 2}},
    {16, 20, .size = {50}, .kernel = {3}, .dilation = {2}},
    {12, 6, .size = {3, 4, 5}, .kernel = {2, 2, 2}, .stride = {2, 2, 2}},
    {12, 6, .size = {3, 4, 5}, .kernel = {3, 2, 4}, .stride = {2, 1, 3}, .pads = {1, 0, 1, 1, 1, 0}},
    {12, 6, .size = {2, 3, 4}, .kernel = {3, 3, 3}, .stride = {1, 2, 2}, .output_padding = {1, 1, 1}},
    /* groups */
    {12, 8, 4, .size = {6, 5}, .kernel = {4, 4}, .stride = {2, 2}, .pads = {1, 1, 1, 1}},
    {6, 9, 3, .size = {6, 5}, .kernel = {3, 2}, .stride = {2, 3}},
    {7, 7, 7, .size = {4, 6}, .kernel = {4, 4}, .stride = {2, 2}, .pads = {1, 1, 1, 1}},
    {80, 130, 2, .size = {8, 9}, .kernel = {3, 3}, .stride = {2, 2}, .pads = {1, 1, 1, 1}},
    /* fused */
    {16, 24, .size = {5, 6}, .kernel = {4, 4}, .stride = {2, 2}, .pads = {1, 1, 1, 1}, .activation = "Relu"},
    {16, 24, .size = {5, 6}, .kernel = {3, 3}, .stride = {2, 2}, .activation = "Sigmoid", .no_bias = true},
    {16, 24, .size = {5, 6}, .kernel = {1, 1}, .stride = {2, 2}, .activation = "Tanh"},
    {12, 8, 2, .size = {6, 5}, .kernel = {4, 4}, .stride = {2, 2}, .residual = true, .activation = "LeakyRelu"},
    {12, 8, .size = {13}, .kernel = {3}, .stride = {2}, .residual = true},
    {12, 6, .size = {3, 4, 5}, .kernel = {2, 3, 2}, .stride = {2, 2, 2}, .residual = true, .activation = "Relu"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int computed = 0; computed < 2; computed++) {
            const conv_case *c = &cases[i];
            snprintf(label, sizeof label, "ConvTranspose %zu (%s weights)", i, computed ? "computed" : "constant");
            check_model(build, &(conv_model){c, computed},
                        c->residual ? NULL : runs_as("%sConvTranspose=conv-transpose", computed ? "Mul=binary " : ""));
        }
    }
}

/* The order of nodes decides which of two sums takes up the other one: one addition vanishes in any case. */
static void test_residual_is_fused(void **state)
{
    (void)state;
    static const conv_case c = {
        12, 8, .size = {6, 5}, .kernel = {4, 4}, .stride = {2, 2}, .residual = true, .activation = "Relu"};
    snprintf(label, sizeof label, "ConvTranspose + residual");
    check_model(build, &(conv_model){&c, false}, "ConvTranspose=conv-transpose Neg=unary ConvTranspose=conv-transpose");
}

/* An input that is no number reaches the outputs whose window it is in, and no other one. */
static void test_not_a_number(void **state)
{
    (void)state;
    static const conv_case c = {
        2, 3, .size = {4, 5}, .kernel = {3, 3}, .stride = {2, 2}, .pads = {1, 1, 1, 1}, .output_padding = {1, 1}};
    sinter_session *s = open_session(build(&(conv_model){&c, false}), false, 1, false);
    values in = make_inputs(s, 1);
    ((float *)sinter_tensor_mutable_data(in.v[0]))[2 * 5 + 1] = NAN;
    values out = run(s, &in);
    const float *y = sinter_tensor_data(out.v[0]);
    for (int64_t i = 0; i < 3 * 8 * 10; i++) {
        int64_t h = i / 10 % 8, w = i % 10;
        bool reached = h >= 2 * 2 - 1 && h <= 2 * 2 + 1 && w >= 2 * 1 - 1 && w <= 2 * 1 + 1;
        if (isnan(y[i]) != reached) fail_msg("output %lld is %g", (long long)i, (double)y[i]);
    }
    release(&in);
    release(&out);
    sinter_session_free(s);
}

/* Beyond the limit of products the reference does it. */
static void test_too_many_phases(void **state)
{
    (void)state;
    static const conv_case c = {2, 2, .size = {2, 2}, .kernel = {1, 1}, .stride = {300, 300}};
    snprintf(label, sizeof label, "ConvTranspose with many phases");
    check_model(build, &(conv_model){&c, false}, "ConvTranspose=reference");
}

/* Without channels nothing bounds the kernel: its taps must not be walked over. */
static sn_model *no_channels(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(13);
    sn_value_id x = batch_input(m, "x", INTS(1, 0, 1, 1)), w = constant(m, INTS(0, 1, 1048576, 524288), 1);
    output(m, op(m, "ConvTranspose", IDS(x, w, constant(m, INTS(1), 1))));
    attr_ints(m, "pads", INTS(524288, 262144, 524287, 262143));
    return m;
}

static void test_no_channels(void **state)
{
    (void)state;
    snprintf(label, sizeof label, "ConvTranspose without channels");
    check_model(no_channels, NULL, "ConvTranspose=reference");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),        cmocka_unit_test(test_residual_is_fused),
        cmocka_unit_test(test_not_a_number), cmocka_unit_test(test_too_many_phases),
        cmocka_unit_test(test_no_channels),
    };
    return cmocka_run_group_tests(tests, make_pool, free_pool);
}
