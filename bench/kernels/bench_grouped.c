/* Layers in small groups, with bias and Relu6: depthwise ones of MobileNetV2 and V3, EfficientNet-B0, ConvNeXt-T and a
 * Conformer, and those of ResNeXt-50 32x4d and RegNetX-200MF. */
#include "bench/kernels/bench.h"

#include <stdio.h>

typedef struct layer {
    const char *network;
    ptrdiff_t channels, group, height, width, kernel_height, kernel, stride, dilation;
} layer;

static const layer layers[] = {
    {"mobilenet_v2", 32, 1, 112, 112, 3, 3, 1, 1},   {"mobilenet_v2", 96, 1, 112, 112, 3, 3, 2, 1},
    {"mobilenet_v2", 144, 1, 56, 56, 3, 3, 1, 1},    {"mobilenet_v2", 144, 1, 56, 56, 3, 3, 2, 1},
    {"mobilenet_v2", 192, 1, 28, 28, 3, 3, 1, 1},    {"mobilenet_v2", 192, 1, 28, 28, 3, 3, 2, 1},
    {"mobilenet_v2", 384, 1, 14, 14, 3, 3, 1, 1},    {"mobilenet_v2", 576, 1, 14, 14, 3, 3, 1, 1},
    {"mobilenet_v2", 576, 1, 14, 14, 3, 3, 2, 1},    {"mobilenet_v2", 960, 1, 7, 7, 3, 3, 1, 1},
    {"efficientnet_b0", 144, 1, 56, 56, 5, 5, 2, 1}, {"efficientnet_b0", 240, 1, 28, 28, 5, 5, 1, 1},
    {"efficientnet_b0", 240, 1, 28, 28, 3, 3, 2, 1}, {"efficientnet_b0", 480, 1, 14, 14, 5, 5, 1, 1},
    {"efficientnet_b0", 672, 1, 14, 14, 5, 5, 1, 1}, {"efficientnet_b0", 672, 1, 14, 14, 5, 5, 2, 1},
    {"efficientnet_b0", 1152, 1, 7, 7, 5, 5, 1, 1},  {"efficientnet_b0", 1152, 1, 7, 7, 3, 3, 1, 1},
    {"mobilenet_v3", 72, 1, 28, 28, 5, 5, 1, 1},     {"mobilenet_v3", 200, 1, 14, 14, 3, 3, 1, 1},
    {"convnext_t", 96, 1, 56, 56, 7, 7, 1, 1},       {"convnext_t", 192, 1, 28, 28, 7, 7, 1, 1},
    {"convnext_t", 384, 1, 14, 14, 7, 7, 1, 1},      {"convnext_t", 768, 1, 7, 7, 7, 7, 1, 1},
    {"resnext50_32x4d", 128, 4, 56, 56, 3, 3, 1, 1}, {"resnext50_32x4d", 256, 8, 56, 56, 3, 3, 2, 1},
    {"resnext50_32x4d", 256, 8, 28, 28, 3, 3, 1, 1}, {"regnet_x_200mf", 24, 8, 112, 112, 3, 3, 2, 1},
    {"regnet_x_200mf", 56, 8, 56, 56, 3, 3, 2, 1},   {"regnet_x_200mf", 152, 8, 14, 14, 3, 3, 1, 1},
    {"regnet_x_200mf", 368, 8, 7, 7, 3, 3, 1, 1},    {"pairs", 64, 2, 56, 56, 3, 3, 1, 1},
    {"dilated", 256, 1, 28, 28, 3, 3, 1, 2},         {"conformer", 512, 1, 1, 400, 1, 31, 1, 1},
};

typedef struct call {
    const sn_grouped_kernels *kernels;
    sn_grouped grouped;
    size_t rows;
} call;

static void run_call(void *context)
{
    const call *c = context;
    c->kernels->run(&c->grouped, 0, c->rows);
}

static sn_image_window window_of(const layer *l)
{
    const ptrdiff_t reach = (l->kernel - 1) * l->dilation, high_reach = (l->kernel_height - 1) * l->dilation;
    const ptrdiff_t pitch = l->channels;
    return (sn_image_window){.in = {1, l->height, l->width},
                             .out = {1, (l->height - 1) / l->stride + 1, (l->width - 1) / l->stride + 1},
                             .kernel = {1, l->kernel_height, l->kernel},
                             .stride = {1, l->stride, l->stride},
                             .dilation = {1, l->dilation, l->dilation},
                             .pad = {0, high_reach / 2, reach / 2},
                             .pitch = {pitch * l->width * l->height, pitch * l->width, pitch},
                             .image = pitch * l->width * l->height};
}

static void bench_layer(const bench *b, const layer *l)
{
    const char *family = l->group == 1 ? "depthwise" : "grouped";
    char name[96];
    snprintf(name, sizeof name, "%s %td x %td x %td by %td, %td x %td s%td d%td", l->network, l->height, l->width,
             l->channels, l->group, l->kernel_height, l->kernel, l->stride, l->dilation);
    if (!bench_wants(b, family, name)) return;
    const sn_image_window w = window_of(l);
    const sn_grouped_kernels *kernels = sn_kernels_for_groups(b->kernels, (size_t)l->group);
    const size_t channels = (size_t)l->channels, group = (size_t)l->group;
    const size_t outputs = (size_t)(w.out[1] * w.out[2]) * channels, inputs = (size_t)w.image;
    const size_t taps = (size_t)(l->kernel_height * l->kernel), packed = kernels->packed_size(channels, group, taps);
    float *x = bench_floats(inputs), *weights = bench_floats(packed), *bias = bench_floats(channels);
    float *y = bench_floats(outputs);
    call c = {.kernels = kernels,
              .grouped = {.window = &w,
                          .channels = channels,
                          .group = group,
                          .x = x,
                          .weights = weights,
                          .y = y,
                          .y_pitch = channels,
                          .epilogue = {.bias = bias, .activation = {SN_ACT_CLAMP, 0, 6}}},
              .rows = (size_t)w.out[1]};
    bench_row(b, family, name, run_call, &c, 2.0 * (double)(outputs * group * taps),
              4.0 * (double)(inputs + outputs + packed));
    sn_free(y);
    sn_free(bias);
    sn_free(weights);
    sn_free(x);
}

void bench_grouped(const bench *b)
{
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) bench_layer(b, &layers[i]);
}
