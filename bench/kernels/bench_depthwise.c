/* Depthwise layers of MobileNetV2 and V3, EfficientNet-B0, ConvNeXt-T and a Conformer, with bias and Relu6. */
#include "bench/kernels/bench.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct layer {
    const char *network;
    ptrdiff_t channels, height, width, kernel_height, kernel, stride, dilation;
} layer;

static const layer layers[] = {
    {"mobilenet_v2", 32, 112, 112, 3, 3, 1, 1},   {"mobilenet_v2", 96, 112, 112, 3, 3, 2, 1},
    {"mobilenet_v2", 144, 56, 56, 3, 3, 1, 1},    {"mobilenet_v2", 144, 56, 56, 3, 3, 2, 1},
    {"mobilenet_v2", 192, 28, 28, 3, 3, 1, 1},    {"mobilenet_v2", 192, 28, 28, 3, 3, 2, 1},
    {"mobilenet_v2", 384, 14, 14, 3, 3, 1, 1},    {"mobilenet_v2", 576, 14, 14, 3, 3, 1, 1},
    {"mobilenet_v2", 576, 14, 14, 3, 3, 2, 1},    {"mobilenet_v2", 960, 7, 7, 3, 3, 1, 1},
    {"efficientnet_b0", 144, 56, 56, 5, 5, 2, 1}, {"efficientnet_b0", 240, 28, 28, 5, 5, 1, 1},
    {"efficientnet_b0", 240, 28, 28, 3, 3, 2, 1}, {"efficientnet_b0", 480, 14, 14, 5, 5, 1, 1},
    {"efficientnet_b0", 672, 14, 14, 5, 5, 1, 1}, {"efficientnet_b0", 672, 14, 14, 5, 5, 2, 1},
    {"efficientnet_b0", 1152, 7, 7, 5, 5, 1, 1},  {"efficientnet_b0", 1152, 7, 7, 3, 3, 1, 1},
    {"mobilenet_v3", 72, 28, 28, 5, 5, 1, 1},     {"mobilenet_v3", 200, 14, 14, 3, 3, 1, 1},
    {"convnext_t", 96, 56, 56, 7, 7, 1, 1},       {"convnext_t", 192, 28, 28, 7, 7, 1, 1},
    {"convnext_t", 384, 14, 14, 7, 7, 1, 1},      {"convnext_t", 768, 7, 7, 7, 7, 1, 1},
    {"dilated", 256, 28, 28, 3, 3, 1, 2},         {"conformer", 512, 1, 400, 1, 31, 1, 1},
};

typedef struct call {
    const sn_depthwise_kernels *kernels;
    sn_depthwise d;
    size_t rows;
} call;

static void run_call(void *context)
{
    const call *c = context;
    c->kernels->run(&c->d, 0, c->rows);
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
    char name[96];
    snprintf(name, sizeof name, "%s %td x %td x %td, %td x %td s%td d%td", l->network, l->height, l->width, l->channels,
             l->kernel_height, l->kernel, l->stride, l->dilation);
    if (!bench_wants(b, "depthwise", name)) return;
    const sn_image_window w = window_of(l);
    const size_t channels = (size_t)l->channels, outputs = (size_t)(w.out[1] * w.out[2]) * channels;
    const size_t inputs = (size_t)w.image, taps = (size_t)(l->kernel_height * l->kernel);
    float *x = bench_floats(inputs), *weights = bench_floats(taps * channels), *bias = bench_floats(channels);
    float *y = bench_floats(outputs);
    call c = {.kernels = b->kernels->depthwise,
              .d = {.window = &w,
                    .channels = channels,
                    .x = x,
                    .weights = weights,
                    .y = y,
                    .y_pitch = channels,
                    .epilogue = {.bias = bias, .activation = {SN_ACT_CLAMP, 0, 6}}},
              .rows = (size_t)w.out[1]};
    bench_row(b, "depthwise", name, run_call, &c, 2.0 * (double)(outputs * taps), 4.0 * (double)(inputs + outputs));
    free(y);
    free(bias);
    free(weights);
    free(x);
}

void bench_depthwise(const bench *b)
{
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) bench_layer(b, &layers[i]);
}
