/*
 * The 3x3 layers with stride 1 of ResNet-18/50 and VGG-16, with bias and Relu: direct, and by Winograd with tiles of
 * 2x2 and 4x4 in both modes. FLOPs are those of direct convolution.
 */
#include "bench/kernels/bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct layer {
    const char *network;
    size_t images, size, channels;
} layer;

static const layer layers[] = {
    {"resnet", 1, 56, 64}, {"resnet", 1, 28, 128}, {"resnet", 1, 14, 256}, {"resnet", 1, 7, 512},
    {"vgg", 1, 224, 64},   {"vgg", 1, 112, 128},   {"vgg", 1, 56, 256},    {"vgg", 1, 28, 512},
    {"vgg", 1, 14, 512},   {"resnet", 8, 56, 64},  {"resnet", 8, 28, 128}, {"resnet", 8, 14, 256},
    {"resnet", 8, 7, 512},
};

typedef struct call {
    const sn_kernels *kernels;
    sn_winograd w;
    size_t tiles, panels;
    float *v, *scratch;
} call;

static void run_direct(void *context)
{
    const call *c = context;
    c->kernels->gemm->run(&c->w.conv, 0, c->w.conv.m, 0, c->panels);
}

static void run_tiles(void *context)
{
    const call *c = context;
    c->kernels->winograd->run_tiles(&c->w, 0, c->tiles, c->scratch);
}

static void run_panels(void *context)
{
    const call *c = context;
    c->kernels->winograd->input(&c->w, c->v, 0, c->tiles);
    c->kernels->winograd->run_panels(&c->w, c->v, 0, c->panels, c->scratch);
}

static sn_image_window window_of(const layer *l, const float *zeros)
{
    const ptrdiff_t size = (ptrdiff_t)l->size, pitch = (ptrdiff_t)l->channels;
    return (sn_image_window){.in = {1, size, size},
                             .out = {1, size, size},
                             .kernel = {1, 3, 3},
                             .stride = {1, 1, 1},
                             .dilation = {1, 1, 1},
                             .pad = {0, 1, 1},
                             .pitch = {pitch * size * size, pitch * size, pitch},
                             .image = pitch * size * size,
                             .zeros = zeros};
}

static void bench_way(const bench *b, const layer *l, const char *way, void (*run)(void *context), call *c)
{
    char name[96];
    snprintf(name, sizeof name, "%s %zu x %zu x %zu x %zu, %s", l->network, l->images, l->size, l->size, l->channels,
             way);
    if (!bench_wants(b, "winograd", name)) return;
    const double flops = 2.0 * 9 * (double)(l->images * l->size * l->size * l->channels * l->channels);
    bench_row(b, "winograd", name, run, c, flops, 0);
}

static void bench_side(const bench *b, const layer *l, call *c, const float *packed)
{
    const sn_winograd_kernels *k = b->kernels->winograd;
    float *u = bench_floats(k->weights_size(&c->w));
    const size_t by_tiles = k->tiles_scratch(&c->w), by_panels = k->panels_scratch(&c->w);
    c->v = bench_floats(k->input_size(&c->w));
    c->scratch = bench_floats(by_tiles > by_panels ? by_tiles : by_panels);
    c->tiles = k->tiles(&c->w);
    k->weights(&c->w, packed, u, 0, c->panels);
    c->w.conv.b = u;
    bench_way(b, l, c->w.side == 4 ? "F4 by tiles" : "F2 by tiles", run_tiles, c);
    bench_way(b, l, c->w.side == 4 ? "F4 by panels" : "F2 by panels", run_panels, c);
    sn_free(c->scratch);
    sn_free(c->v);
    sn_free(u);
}

static void bench_layer(const bench *b, const layer *l)
{
    const size_t pixels = l->images * l->size * l->size, channels = l->channels;
    float *x = bench_floats(pixels * channels), *y = bench_floats(pixels * channels), *zeros = bench_floats(channels);
    float *bias = bench_floats(channels), *kernel = bench_floats(9 * channels * channels);
    float *packed = bench_floats(b->kernels->gemm->packed_size(9 * channels, channels));
    memset(zeros, 0, channels * sizeof *zeros);
    const sn_image_window window = window_of(l, zeros);
    const sn_gemm_source source = {.b = kernel,
                                   .taps = 9,
                                   .kc = channels,
                                   .n = channels,
                                   .tap_pitch = (ptrdiff_t)(channels * channels),
                                   .channel_pitch = (ptrdiff_t)channels,
                                   .column_pitch = 1};
    call c = {.kernels = b->kernels,
              .panels = (channels + b->kernels->gemm->nr - 1) / b->kernels->gemm->nr,
              .w.conv = {.m = pixels,
                         .n = channels,
                         .taps = 9,
                         .kc = channels,
                         .a = x,
                         .window = &window,
                         .b = packed,
                         .c = y,
                         .c_row = channels,
                         .epilogue = {.bias = bias, .activation = {SN_ACT_CLAMP, 0, INFINITY}}}};
    b->kernels->gemm->pack(&source, packed, 0, c.panels);
    bench_way(b, l, "direct", run_direct, &c);
    for (c.w.side = 2; c.w.side <= 4; c.w.side += 2) bench_side(b, l, &c, packed);
    float *all[] = {x, y, zeros, bias, kernel, packed};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) sn_free(all[i]);
}

void bench_winograd(const bench *b)
{
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) bench_layer(b, &layers[i]);
}
