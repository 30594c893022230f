/* Convolutions of the runtime against the reference of every operator: see compare_sessions.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/runtime/impl_cases.h"

typedef struct conv_case {
    const char *impl;       /* of constant weights; Winograd's are transformed once, so computed ones take "conv" */
    int64_t in, out, group; /* channels */
    int64_t size[3];        /* as many axes as are set */
    int64_t kernel[3];
    int64_t stride[3], dilation[3]; /* 0: not stated */
    int64_t pads[6];                /* begins of all axes, then ends */
    const char *auto_pad;
    bool no_bias;
    bool inside; /* not an output of the model, which few channels would be computed plain for: test_impl_planar.c */
} conv_case;

typedef struct conv_model {
    const conv_case *c;
    bool computed;
} conv_model;

static sn_model *build_conv(const void *context)
{
    const conv_model *x = context;
    const conv_case *c = x->c;
    int axes = axes_of(c->size);
    int64_t group = c->group > 0 ? c->group : 1, image[5] = {N_ROWS, c->in}, weight[5] = {c->out, c->in / group};
    float fan_in = (float)(c->in / group);
    for (int i = 0; i < axes; i++) {
        image[2 + i] = c->size[i];
        weight[2 + i] = c->kernel[i];
        fan_in *= (float)c->kernel[i];
    }
    sn_model *m = new_model(13);
    size_t rank = (size_t)axes + 2;
    sn_value_id x_id = batch_input(m, "x", image, rank), w, y;
    if (x->computed) {
        w = batch_input(m, "w", weight, rank);
        w = op(m, "Mul", IDS(w, positive_constant(m, NULL, 0, 1 / sqrtf(fan_in))));
    } else {
        w = constant(m, weight, rank, 1 / sqrtf(fan_in));
    }
    if (c->no_bias) {
        y = op(m, "Conv", IDS(x_id, w));
    } else {
        y = op(m, "Conv", IDS(x_id, w, constant(m, &c->out, 1, 1)));
    }
    attr_int(m, "group", group);
    window_attrs(m, axes, c->kernel, c->stride, c->dilation, c->pads, c->auto_pad);
    output(m, c->inside ? op(m, "Neg", IDS(y)) : y);
    return m;
}

#define SAME_3x3 .kernel = {3, 3}, .pads = {1, 1, 1, 1}

static const conv_case conv_cases[] = {
    /* Winograd: 2x2 tiles on 7x7, 4x4 from 14x14 on; channels that fill vectors and that do not */
    {"winograd-2x2", 16, 16, .size = {7, 7}, SAME_3x3},
    {"winograd-4x4", 24, 40, .size = {14, 14}, SAME_3x3},
    {"winograd-4x4", 17, 33, .size = {15, 15}, SAME_3x3},
    {"winograd-4x4", 32, 40, .size = {28, 28}, SAME_3x3, .no_bias = true},
    {"winograd-4x4", 16, 19, .size = {9, 30}, SAME_3x3},
    {"winograd-4x4", 16, 16, .size = {17, 18}, .kernel = {3, 3}},
    {"winograd-4x4", 20, 16, .size = {14, 16}, .kernel = {3, 3}, .pads = {0, 2, 1, 0}},
    {"winograd-4x4", 16, 70, .size = {14, 14}, .kernel = {3, 3}, .auto_pad = "SAME_UPPER"},
    {"winograd-2x2", 48, 130, .size = {7, 8}, SAME_3x3},
    /* what Winograd refuses: too few tiles, channels, or another window */
    {"conv", 16, 16, .size = {6, 6}, SAME_3x3},
    {"conv", 16, 15, .size = {14, 14}, SAME_3x3, .inside = true},
    {"conv", 16, 16, .size = {15, 14}, SAME_3x3, .stride = {2, 2}},
    {"conv", 16, 16, .size = {15, 14}, SAME_3x3, .dilation = {2, 1}},
    {"conv", 32, 32, 2, .size = {14, 14}, SAME_3x3},
    /* few channels */
    {"conv-few-channels", 3, 16, .size = {33, 30}, .kernel = {7, 7}, .stride = {2, 2}, .pads = {3, 3, 3, 3}},
    {"conv-few-channels", 1, 6, .size = {12, 12}, .kernel = {5, 5}, .inside = true},
    {"conv-few-channels", 15, 17, .size = {14, 14}, SAME_3x3, .inside = true},
    {"conv-few-channels", 3, 5, .size = {9, 11}, .kernel = {4, 2}, .stride = {3, 2}, .pads = {0, 1, 2, 3}},
    {"conv-few-channels", 4, 8, .size = {11, 9}, .kernel = {3, 3}, .dilation = {3, 1}, .pads = {2, 0, 1, 1},
     .inside = true},
    {"conv-few-channels", 2, 3, .size = {23}, .kernel = {5}, .pads = {2, 1}, .inside = true},
    {"conv-few-channels", 3, 4, .size = {5, 6, 7}, .kernel = {2, 3, 3}, .pads = {1, 0, 1, 0, 1, 2}, .inside = true},
    {"conv-few-channels", 3, 8, .size = {13, 13}, .kernel = {2, 2}, .stride = {5, 4}, .auto_pad = "SAME_LOWER"},
    {"conv-few-channels", 3, 8, .size = {64, 64}, .kernel = {3, 3}, .pads = {1, 1, 1, 1}, .inside = true},
    {"conv", 3, 8, .size = {9, 9}, .kernel = {3, 1}, .pads = {1, 0, 1, 0}, .inside = true},
    {"conv", 3, 8, .size = {9, 9}, .kernel = {3, 3}, .dilation = {1, 2}},
    /* in general: plain products, strides, sizes around the register tiles, rows that are split over threads */
    {"conv", 16, 24, .size = {31}, .kernel = {5}, .pads = {2, 2}},
    {"conv", 40, 7, .size = {30}, .kernel = {1}, .inside = true},
    {"conv", 16, 5, .size = {29}, .kernel = {4}, .stride = {3}, .dilation = {2}, .pads = {5, 0}},
    {"conv", 8, 16, .size = {10, 9}, .kernel = {1, 1}},
    {"conv", 64, 130, .size = {28, 28}, .kernel = {1, 1}},
    {"conv", 20, 1, .size = {5, 5}, .kernel = {1, 1}, .no_bias = true, .inside = true},
    {"conv", 20, 12, .size = {9, 8}, .kernel = {1, 1}, .stride = {2, 2}},
    {"conv", 20, 12, .size = {5, 6}, .kernel = {1, 1}, .pads = {1, 0, 2, 1}},
    {"conv", 20, 33, .size = {12, 13}, .kernel = {5, 3}, .stride = {2, 1}, .pads = {2, 1, 0, 3}},
    {"conv", 16, 16, .size = {2, 2}, .kernel = {5, 5}, .pads = {2, 2, 2, 2}},
    {"conv", 16, 16, .size = {1, 1}, SAME_3x3},
    {"conv", 16, 16, .size = {3, 3}, .kernel = {3, 3}},
    {"conv", 24, 10, .size = {7, 8}, .kernel = {1, 1}, .stride = {3, 3}, .auto_pad = "SAME_UPPER"},
    {"conv", 24, 10, .size = {8, 8}, .kernel = {1, 2}, .stride = {3, 5}, .auto_pad = "SAME_LOWER"},
    {"conv", 17, 18, .size = {4, 5, 6}, .kernel = {3, 2, 3}, .stride = {1, 2, 1}, .pads = {1, 0, 1, 1, 1, 0}},
    {"conv", 16, 16, .size = {3, 4, 5}, .kernel = {1, 1, 1}},
    /* groups */
    {"conv", 8, 12, 4, .size = {9, 9}, SAME_3x3},
    {"conv", 6, 4, 2, .size = {10, 7}, .kernel = {2, 3}, .stride = {2, 1}},
    {"conv", 64, 64, 2, .size = {15, 15}, SAME_3x3},
    {"conv", 12, 24, 12, .size = {8, 8}, SAME_3x3},
    {"conv", 9, 27, 9, .size = {21}, .kernel = {3}, .pads = {1, 1}},
    {"conv", 32, 32, 2, .size = {5, 6}, SAME_3x3},
    {"grouped", 4, 4, 2, .size = {3, 4, 5}, .kernel = {2, 2, 2}},
    {"grouped", 128, 128, 32, .size = {14, 15}, SAME_3x3},
    {"grouped", 40, 40, 5, .size = {13, 28}, SAME_3x3, .stride = {2, 2}},
    {"grouped", 24, 24, 6, .size = {9, 12}, .kernel = {3, 2}, .dilation = {2, 3}, .pads = {1, 2, 3, 0}},
    {"grouped", 16, 16, 8, .size = {8, 8}, .kernel = {1, 1}, .no_bias = true},
    {"grouped", 48, 48, 6, .size = {30}, .kernel = {5}, .stride = {3}, .pads = {2, 1}},
    /* depthwise */
    {"depthwise", 8, 8, 8, .size = {14, 14}, SAME_3x3},
    {"depthwise", 33, 33, 33, .size = {15, 13}, SAME_3x3, .stride = {2, 2}},
    {"depthwise", 64, 64, 64, .size = {28, 28}, .kernel = {5, 5}, .pads = {2, 2, 2, 2}},
    {"depthwise", 17, 17, 17, .size = {9, 12}, .kernel = {3, 3}, .dilation = {2, 3}, .pads = {1, 2, 3, 0}},
    {"depthwise", 2, 2, 2, .size = {5, 5}, .kernel = {1, 1}, .no_bias = true},
    {"depthwise", 16, 16, 16, .size = {2, 2}, .kernel = {5, 5}, .pads = {3, 2, 2, 3}},
    {"depthwise", 20, 20, 20, .size = {40}, .kernel = {7}, .stride = {2}, .pads = {3, 3}},
    {"depthwise", 9, 9, 9, .size = {4, 5, 6}, .kernel = {3, 3, 3}, .pads = {1, 1, 1, 1, 1, 1}},
    {"depthwise", 8, 8, 8, .size = {11, 11}, .kernel = {1, 1}, .stride = {4, 4}, .auto_pad = "SAME_UPPER"},
};

static void test_conv(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(conv_cases); i++) {
        for (int computed = 0; computed < 2; computed++) {
            const conv_case *c = &conv_cases[i];
            const char *impl = computed && strncmp(c->impl, "winograd", 8) == 0 ? "conv" : c->impl;
            snprintf(label, sizeof label, "Conv %zu (%s, %s weights)", i, c->impl, computed ? "computed" : "constant");
            check_model(build_conv, &(conv_model){c, computed},
                        runs_as("%sConv=%s%s", computed ? "Mul=binary " : "", impl, c->inside ? " Neg=unary" : ""));
        }
    }
}

/* Without channels nothing bounds the kernel, and what must be padded for it. */
static sn_model *no_channels(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(13);
    sn_value_id x = batch_input(m, "x", INTS(1, 0, 1, 1, 1)), w = constant(m, INTS(1, 0, 524288, 524288, 2), 1);
    sn_value_id y = op(m, "Conv", IDS(x, w, constant(m, INTS(1), 1)));
    attr_ints(m, "pads", INTS(262144, 262144, 1, 262143, 262143, 0));
    output(m, op(m, "Neg", IDS(y)));
    return m;
}

/* Many images of no channels. */
static sn_model *no_images(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(13);
    output(m, op(m, "MaxPool", IDS(batch_input(m, "x", INTS((int64_t)1 << 39, 0, 1, 1)))));
    attr_ints(m, "kernel_shape", INTS(1, 1));
    return m;
}

static void test_no_channels(void **state)
{
    (void)state;
    snprintf(label, sizeof label, "Conv without channels");
    check_model(no_channels, NULL, "Conv=conv Neg=unary");
    snprintf(label, sizeof label, "MaxPool without channels");
    check_model(no_images, NULL, "MaxPool=reference");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_no_channels),
    };
    return cmocka_run_group_tests(tests, make_pool, free_pool);
}
