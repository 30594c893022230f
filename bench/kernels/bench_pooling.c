/* Poolings of ResNet-50, VGG-16, Inception v3 and DenseNet-121. */
#include "bench/kernels/bench.h"

#include <stdio.h>

typedef struct layer {
    const char *network;
    bool average;
    ptrdiff_t channels, size, kernel, stride, pad;
} layer;

static const layer layers[] = {
    {"resnet50", false, 64, 112, 3, 2, 1},    {"vgg16", false, 64, 224, 2, 2, 0},
    {"vgg16", false, 512, 28, 2, 2, 0},       {"inception_v3", false, 288, 35, 3, 2, 0},
    {"inception_v3", true, 288, 35, 3, 1, 1}, {"densenet121", true, 128, 56, 2, 2, 0},
};

static const struct {
    const char *network;
    size_t positions, channels;
} global_layers[] = {{"resnet50", 7 * 7, 2048}, {"mobilenet_v2", 7 * 7, 1280}, {"efficientnet_b0", 56 * 56, 144}};

typedef struct call {
    const sn_pooling_kernels *kernels;
    bool average;
    sn_pooling p;
    size_t rows;
    sn_global_pooling global;
} call;

static void run_call(void *context)
{
    const call *c = context;
    (c->average ? c->kernels->average : c->kernels->max)(&c->p, 0, c->rows);
}

static void run_global(void *context)
{
    const call *c = context;
    c->kernels->global_average(&c->global, 0, c->global.channels);
}

static void bench_layer(const bench *b, const layer *l)
{
    char name[96];
    snprintf(name, sizeof name, "%s %td x %td x %td, %s %td s%td", l->network, l->size, l->size, l->channels,
             l->average ? "average" : "max", l->kernel, l->stride);
    if (!bench_wants(b, "pooling", name)) return;
    const ptrdiff_t out = (l->size + 2 * l->pad - l->kernel) / l->stride + 1;
    const sn_image_window w = {.in = {1, l->size, l->size},
                               .out = {1, out, out},
                               .kernel = {1, l->kernel, l->kernel},
                               .stride = {1, l->stride, l->stride},
                               .dilation = {1, 1, 1},
                               .pad = {0, l->pad, l->pad},
                               .pitch = {l->size * l->size * l->channels, l->size * l->channels, l->channels},
                               .image = l->size * l->size * l->channels};
    const size_t inputs = (size_t)w.image, outputs = (size_t)(out * out * l->channels);
    float *x = bench_floats(inputs), *y = bench_floats(outputs);
    call c = {.kernels = b->kernels->pooling,
              .average = l->average,
              .p = {.window = &w, .channels = (size_t)l->channels, .x = x, .y = y, .y_pitch = (size_t)l->channels},
              .rows = (size_t)out};
    bench_row(b, "pooling", name, run_call, &c, 0, 4.0 * (double)(inputs + outputs));
    sn_free(y);
    sn_free(x);
}

static void bench_global(const bench *b, const char *network, size_t positions, size_t channels)
{
    char name[96];
    snprintf(name, sizeof name, "%s %zu x %zu, global average", network, positions, channels);
    if (!bench_wants(b, "pooling", name)) return;
    float *x = bench_floats(positions * channels), *y = bench_floats(channels);
    call c = {.kernels = b->kernels->pooling,
              .global = {1, positions, channels, x, channels, positions * channels, y, channels}};
    bench_row(b, "pooling", name, run_global, &c, 0, 4.0 * (double)((positions + 1) * channels));
    sn_free(y);
    sn_free(x);
}

void bench_pooling(const bench *b)
{
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) bench_layer(b, &layers[i]);
    for (size_t i = 0; i < sizeof global_layers / sizeof *global_layers; i++) {
        bench_global(b, global_layers[i].network, global_layers[i].positions, global_layers[i].channels);
    }
}
