/* The 3x3 layers in groups of ResNeXt-50 32x4d and of RegNetX-200MF, with bias and Relu. */
#include "bench/kernels/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct layer {
    const char *network;
    ptrdiff_t channels, group, size, stride;
} layer;

static const layer layers[] = {
    {"resnext50_32x4d", 128, 4, 56, 1}, {"resnext50_32x4d", 256, 8, 56, 2},
    {"resnext50_32x4d", 256, 8, 28, 1}, {"regnet_x_200mf", 24, 8, 112, 2},
    {"regnet_x_200mf", 56, 8, 56, 2},   {"regnet_x_200mf", 152, 8, 14, 1},
    {"regnet_x_200mf", 368, 8, 7, 1},   {"pairs", 64, 2, 56, 1},
};

typedef struct call {
    const sn_grouped_kernels *kernels;
    sn_grouped g;
    size_t rows;
} call;

static void run_call(void *context)
{
    const call *c = context;
    c->kernels->run(&c->g, 0, c->rows);
}

static void bench_layer(const bench *b, const layer *l)
{
    char name[96];
    snprintf(name, sizeof name, "%s %td x %td x %td in %td, 3 x 3 s%td", l->network, l->size, l->size, l->channels,
             l->group, l->stride);
    if (!bench_wants(b, "grouped", name)) return;
    const ptrdiff_t out = (l->size - 1) / l->stride + 1, row = l->channels * l->size;
    const sn_image_window w = {.in = {1, l->size, l->size},
                               .out = {1, out, out},
                               .kernel = {1, 3, 3},
                               .stride = {1, l->stride, l->stride},
                               .dilation = {1, 1, 1},
                               .pad = {0, 1, 1},
                               .pitch = {row * l->size, row, l->channels},
                               .image = row * l->size};
    const size_t channels = (size_t)l->channels, group = (size_t)l->group, outputs = (size_t)(out * out) * channels;
    const size_t inputs = (size_t)w.image, packed = b->kernels->grouped->packed_size(channels, group, 9);
    float *x = bench_floats(inputs), *weights = bench_floats(packed), *bias = bench_floats(channels);
    float *y = bench_floats(outputs);
    call c = {.kernels = b->kernels->grouped,
              .g = {.window = &w,
                    .channels = channels,
                    .group = group,
                    .x = x,
                    .weights = weights,
                    .y = y,
                    .y_pitch = channels,
                    .epilogue = {.bias = bias, .activation = {SN_ACT_CLAMP, 0, INFINITY}}},
              .rows = (size_t)out};
    bench_row(b, "grouped", name, run_call, &c, 2.0 * (double)(outputs * group * 9),
              4.0 * (double)(inputs + outputs + packed));
    free(y);
    free(bias);
    free(weights);
    free(x);
}

void bench_grouped(const bench *b)
{
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) bench_layer(b, &layers[i]);
}
