/* Convolutions from plain to plain against the reference of the operator, and where others are taken instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/runtime/impl_cases.h"

typedef struct planar_case {
    const char *impl;
    int64_t in, out; /* channels */
    int64_t size[3]; /* as many axes as are set */
    int64_t kernel[3];
    int64_t stride[3], dilation[3]; /* 0: not stated */
    int64_t pads[6];                /* begins of all axes, then ends */
    bool no_bias;
} planar_case;

typedef struct planar_model {
    const planar_case *c;
    bool computed; /* the weights */
    bool residual;
    const char *activation;
} planar_model;

static sn_value_id image_input(sn_model *m, const char *name, int64_t channels, const int64_t *size, size_t axes)
{
    int64_t dims[5] = {N_ROWS, channels};
    for (size_t i = 0; i < axes; i++) dims[2 + i] = size[i];
    return batch_input(m, name, dims, 2 + axes);
}

static void output_sizes(const planar_case *c, size_t axes, int64_t *sizes)
{
    for (size_t i = 0; i < axes; i++) {
        const int64_t stride = c->stride[i] > 0 ? c->stride[i] : 1, dilation = c->dilation[i] > 0 ? c->dilation[i] : 1;
        const int64_t padded = c->size[i] + c->pads[i] + c->pads[axes + i];
        sizes[i] = (padded - (c->kernel[i] - 1) * dilation - 1) / stride + 1;
    }
}

static sn_model *build(const void *context)
{
    const planar_model *x = context;
    const planar_case *c = x->c;
    const size_t axes = c->size[2] > 0 ? 3 : c->size[1] > 0 ? 2 : 1;
    int64_t weight[5] = {c->out, c->in}, sizes[3];
    float fan_in = (float)c->in;
    for (size_t i = 0; i < axes; i++) {
        weight[2 + i] = c->kernel[i];
        fan_in *= (float)c->kernel[i];
    }
    sn_model *m = new_model(20);
    sn_value_id image = image_input(m, "x", c->in, c->size, axes), w, y;
    if (x->computed) {
        w = batch_input(m, "w", weight, 2 + axes);
        w = op(m, "Mul", IDS(w, positive_constant(m, NULL, 0, 1 / sqrtf(fan_in))));
    } else {
        w = constant(m, weight, 2 + axes, 1 / sqrtf(fan_in));
    }
    y = c->no_bias ? op(m, "Conv", IDS(image, w)) : op(m, "Conv", IDS(image, w, constant(m, &c->out, 1, 1)));
    attr_ints(m, "kernel_shape", c->kernel, axes);
    if (c->stride[0] > 0) attr_ints(m, "strides", c->stride, axes);
    if (c->dilation[0] > 0) attr_ints(m, "dilations", c->dilation, axes);
    attr_ints(m, "pads", c->pads, 2 * axes);
    if (x->residual) {
        output_sizes(c, axes, sizes);
        y = op(m, "Add", IDS(y, image_input(m, "r", c->out, sizes, axes)));
    }
    output(m, x->activation ? op(m, x->activation, IDS(y)) : y);
    return m;
}

#define SAME_3x3 .kernel = {3, 3}, .pads = {1, 1, 1, 1}

static const planar_case cases[] = {
    {"conv-planar", 3, 16, .size = {32, 32}, SAME_3x3},
    {"conv-planar", 1, 8, .size = {28, 28}, .kernel = {5, 5}, .pads = {2, 2, 2, 2}},
    {"conv-planar", 15, 17, .size = {14, 30}, SAME_3x3},
    {"conv-planar", 64, 3, .size = {20, 33}, SAME_3x3, .no_bias = true},
    {"conv-planar", 2, 64, .size = {17, 45}, .kernel = {3, 2}},
    {"conv-planar", 4, 8, .size = {11, 19}, .kernel = {3, 3}, .dilation = {3, 2}, .pads = {2, 0, 1, 1}},
    {"conv-planar", 3, 5, .size = {19, 31}, .kernel = {4, 2}, .stride = {3, 1}, .pads = {0, 1, 2, 3}},
    {"conv-planar", 8, 16, .size = {30, 29}, .kernel = {1, 1}},
    {"conv-planar", 2, 3, .size = {123}, .kernel = {5}, .pads = {2, 1}},
    {"conv-planar", 3, 4, .size = {5, 6, 17}, .kernel = {2, 3, 3}, .pads = {1, 0, 1, 0, 1, 2}},
    {"conv-planar", 3, 4, .size = {5, 6, 17}, .kernel = {2, 3, 3}, .stride = {2, 2, 1}, .dilation = {2, 1, 3},
     .pads = {3}},
    /* more than one strip and thread */
    {"conv-planar", 3, 8, .size = {120, 100}, SAME_3x3},
    /* a stride along the width, half empty vectors, many channels, long sums, wide rows */
    {"conv-few-channels", 3, 16, .size = {33, 30}, .kernel = {3, 3}, .stride = {1, 2}},
    {"conv-few-channels", 3, 16, .size = {8, 8}, SAME_3x3},
    {"winograd-4x4", 16, 16, .size = {32, 32}, SAME_3x3},
    {"conv", 16, 16, .size = {16, 16}, .kernel = {1, 1}},
    {"conv", 120, 8, .size = {16, 16}, SAME_3x3},
    {"conv-few-channels", 15, 3, .size = {3, 12000}, SAME_3x3},
};

static void check_case(size_t i, planar_model x)
{
    const planar_case *c = &cases[i];
    const bool winograd = strncmp(c->impl, "winograd", 8) == 0;
    x.c = c;
    snprintf(label, sizeof label, "case %zu%s%s, %s", i, x.computed ? ", computed weights" : "",
             x.residual ? ", residual" : "", x.activation ? x.activation : "no activation");
    check_model(build, &x,
                runs_as("%sConv=%s", x.computed ? "Mul=binary " : "", x.computed && winograd ? "conv" : c->impl));
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_case(i, (planar_model){.activation = "Relu"});
        check_case(i, (planar_model){.computed = true});
    }
}

static void test_fusion(void **state)
{
    (void)state;
    static const char *const activations[] = {NULL, "Relu", "Sigmoid", "HardSwish", "Tanh"};
    for (size_t i = 0; i < COUNT(activations); i++) {
        check_case(0, (planar_model){.residual = true, .activation = activations[i]});
        check_case(9, (planar_model){.residual = true, .activation = activations[i]});
    }
}

/* A network of two: what lies with channels last is read so, and what a node reads need not be plain. */
static sn_model *network(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    const int64_t size[] = {20, 24};
    sn_value_id x = image_input(m, "x", 3, size, 2), w = constant(m, INTS(3, 3, 3, 3), 0.2f);
    sn_value_id y = op(m, "Relu", IDS(op(m, "Conv", IDS(x, w))));
    output(m, op(m, "Conv", IDS(y, w)));
    return m;
}

/* One weight, above what is packed when the session is created, for two maps: of which the narrow one is not planar. */
static sn_model *shared_weight(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    const int64_t size[] = {20, 24}, small[] = {6, 6};
    sn_value_id w = constant(m, INTS(16, 3, 3, 3), 0.2f);
    output(m, op(m, "Conv", IDS(image_input(m, "x", 3, size, 2), w)));
    output(m, op(m, "Conv", IDS(image_input(m, "z", 3, small, 2), w)));
    return m;
}

/* 3 x 3, to a map of the same size. */
static sn_value_id same_conv(sn_model *m, sn_value_id x, sn_value_id w)
{
    sn_value_id y = op(m, "Conv", IDS(x, w));
    attr_ints(m, "pads", INTS(1, 1, 1, 1));
    return y;
}

/* A map that is added has the shape of a single image: what is fused and how values lie must not decide. */
static sn_model *added_map(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    const int64_t size[] = {16, 16};
    sn_value_id y = same_conv(m, image_input(m, "x", 3, size, 2), constant(m, INTS(3, 3, 3, 3), 0.2f));
    output(m, op(m, "Add", IDS(y, constant(m, INTS(1, 3, 16, 16), 1))));
    return m;
}

static sn_model *added_image(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(20);
    const int64_t size[] = {8, 16};
    sn_value_id x = image_input(m, "x", 4, size, 2), w = constant(m, INTS(4, 4, 3, 3), 0.2f);
    sn_value_id t = same_conv(m, batch_input(m, "r", INTS(1, 4, 8, 16)), w);
    output(m, same_conv(m, op(m, "Add", IDS(t, x)), w));
    return m;
}

/* Two images, which lie plain, join those of the batch, which do not. */
static sn_model *joined_images(void)
{
    sn_model *m = new_model(20);
    const int64_t size[] = {8, 16};
    sn_value_id w = constant(m, INTS(4, 4, 3, 3), 0.2f), t = same_conv(m, image_input(m, "x", 4, size, 2), w);
    sn_value_id y = op(m, "Concat", IDS(t, batch_input(m, "r", INTS(2, 4, 8, 16))));
    attr_int(m, "axis", 0);
    output(m, same_conv(m, y, w));
    return m;
}

static void check_joined_images(int64_t rows)
{
    snprintf(label, sizeof label, "images joined to %d", (int)rows);
    sinter_session *s = open_session(joined_images(), false, 1, false);
    values in = make_inputs(s, rows), out = run(s, &in);
    expect_impls(s, "Conv=conv-few-channels Concat=concat Conv=conv-few-channels");
    release(&out);
    release(&in);
    sinter_session_free(s);
}

static void test_batch_decides_nothing(void **state)
{
    (void)state;
    check_joined_images(1);
    check_joined_images(BATCH);
    snprintf(label, sizeof label, "an added map");
    check_model(added_map, NULL, "Conv=conv-planar Add=binary");
    snprintf(label, sizeof label, "an added image");
    check_model(added_image, NULL, "Conv=conv-few-channels Add=binary Conv=conv-few-channels");
}

static void test_layouts(void **state)
{
    (void)state;
    snprintf(label, sizeof label, "a network");
    check_model(network, NULL, "Conv=conv-few-channels Conv=conv-few-channels");
    snprintf(label, sizeof label, "a shared weight");
    check_model(shared_weight, NULL, "Conv=conv-planar Conv=conv-few-channels");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_fusion),
        cmocka_unit_test(test_batch_decides_nothing),
        cmocka_unit_test(test_layouts),
    };
    return cmocka_run_group_tests(tests, make_pool, free_pool);
}
