/* Convolutions of few channels over plain images, with bias and Relu: first and last layers, and small models. */
#include "bench/kernels/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct layer {
    const char *what;
    ptrdiff_t in, out, height, width, kernel_height, kernel;
} layer;

static const layer layers[] = {
    {"small cnn", 3, 16, 32, 32, 3, 3}, {"mnist", 1, 8, 28, 28, 5, 5},
    {"mnist", 8, 16, 14, 14, 5, 5},     {"small map", 4, 16, 7, 7, 3, 3},
    {"denoiser", 1, 32, 64, 64, 3, 3},  {"super-resolution", 3, 32, 224, 224, 5, 5},
    {"to pixels", 32, 3, 64, 64, 3, 3}, {"to a mask", 16, 1, 128, 128, 3, 3},
    {"pointwise", 8, 16, 32, 32, 1, 1}, {"signal", 2, 32, 1, 1000, 1, 9},
};

typedef struct call {
    const sn_planar_kernels *kernels;
    sn_planar p;
    size_t rows;
    float *scratch;
} call;

static void run_call(void *context)
{
    const call *c = context;
    c->kernels->run(&c->p, 0, c->rows, c->scratch);
}

static void bench_layer(const bench *b, const layer *l)
{
    char name[96];
    snprintf(name, sizeof name, "%s %td x %td, %td to %td, %td x %td", l->what, l->height, l->width, l->in, l->out,
             l->kernel_height, l->kernel);
    if (!bench_wants(b, "planar", name)) return;
    const sn_image_window w = {.in = {1, l->height, l->width},
                               .out = {1, l->height, l->width},
                               .kernel = {1, l->kernel_height, l->kernel},
                               .stride = {1, 1, 1},
                               .dilation = {1, 1, 1},
                               .pad = {0, l->kernel_height / 2, l->kernel / 2},
                               .pitch = {l->height * l->width, l->width, 1},
                               .image = l->height * l->width};
    const size_t positions = (size_t)w.image, in = (size_t)l->in, out = (size_t)l->out;
    const size_t k = in * (size_t)(l->kernel_height * l->kernel);
    float *x = bench_floats(in * positions), *weights = bench_floats(out * k), *packed = bench_floats(out * k);
    float *y = bench_floats(out * positions), *bias = bench_floats(out);
    ptrdiff_t *offsets = malloc(k * sizeof *offsets);
    if (!offsets) exit(5);
    call c = {.kernels = b->kernels->planar,
              .p = {.window = &w,
                    .in = in,
                    .out = out,
                    .x = x,
                    .weights = packed,
                    .y = y,
                    .bias = bias,
                    .activation = {SN_ACT_CLAMP, 0, INFINITY}},
              .rows = (size_t)l->height};
    c.kernels->settle(&c.p, offsets);
    c.kernels->pack(weights, out, k, packed);
    c.scratch = bench_floats(c.p.copy.floats);
    bench_row(b, "planar", name, run_call, &c, 2.0 * (double)(out * positions * k),
              4.0 * (double)((in + out) * positions));
    sn_free(c.scratch);
    sn_free(offsets);
    sn_free(bias);
    sn_free(y);
    sn_free(packed);
    sn_free(weights);
    sn_free(x);
}

void bench_planar(const bench *b)
{
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) bench_layer(b, &layers[i]);
}
