/*
 * The products of real networks: the convolutions of ResNet-50 and VGG-16, the pointwise ones of MobileNetV2, the
 * matrices of ViT-B/16, and fully connected layers of one image, which read weights from memory and nothing else.
 */
#include "bench/kernels/bench.h"
#include <stdio.h>

typedef struct product_call {
    const sn_gemm_kernels *kernels;
    sn_gemm gemm;
    size_t panels, copies, copy, size; /* several copies of B take turns, so that they are not in the caches */
    const float *b;
} product_call;

static void run_product(void *context)
{
    product_call *c = context;
    c->gemm.b = c->b + c->copy * c->size;
    c->copy = (c->copy + 1) % c->copies;
    c->gemm.next = c->b + c->copy * c->size;
    c->kernels->run(&c->gemm, 0, c->gemm.m, 0, c->panels);
}

static void bench_product(const bench *b, const char *name, sn_gemm g, size_t a_size, size_t copies)
{
    const sn_gemm_kernels *kernels = b->kernels->gemm;
    size_t k = g.taps * g.kc, size = kernels->packed_size(k, g.n);
    float *a = bench_floats(a_size), *weights = bench_floats(size * copies), *c = bench_floats(g.m * g.n),
          *bias = bench_floats(g.n);
    g.a = a;
    g.c = c;
    g.c_row = g.n;
    g.next_size = size;
    g.epilogue.bias = bias;
    g.epilogue.activation = (sn_activation){SN_ACT_CLAMP, 0, 6};
    product_call call = {kernels, g, (g.n + kernels->nr - 1) / kernels->nr, copies, 0, size, weights};
    bench_row(b, "gemm", name, run_product, &call, 2.0 * (double)(g.m * g.n * k),
              copies > 1 ? 4.0 * (double)(g.n * k) : 0);
    sn_free(a);
    sn_free(weights);
    sn_free(c);
    sn_free(bias);
}

typedef struct matrix_shape {
    const char *network;
    size_t m, n, k, copies;
} matrix_shape;

static const matrix_shape matrices[] = {
    {"resnet50 1x1", 3136, 64, 64, 1},
    {"resnet50 1x1", 3136, 256, 64, 1},
    {"resnet50 1x1", 3136, 64, 256, 1},
    {"resnet50 1x1", 3136, 128, 256, 1},
    {"resnet50 1x1", 784, 512, 128, 1},
    {"resnet50 1x1", 784, 128, 512, 1},
    {"resnet50 1x1", 784, 256, 512, 1},
    {"resnet50 1x1", 196, 1024, 256, 1},
    {"resnet50 1x1", 196, 256, 1024, 1},
    {"resnet50 1x1", 196, 512, 1024, 1},
    {"resnet50 1x1", 49, 2048, 512, 1},
    {"resnet50 1x1", 49, 512, 2048, 1},
    {"mobilenet 1x1", 12544, 16, 32, 1},
    {"mobilenet 1x1", 12544, 96, 16, 1},
    {"mobilenet 1x1", 3136, 24, 96, 1},
    {"mobilenet 1x1", 3136, 144, 24, 1},
    {"mobilenet 1x1", 784, 32, 144, 1},
    {"mobilenet 1x1", 784, 192, 32, 1},
    {"mobilenet 1x1", 196, 64, 192, 1},
    {"mobilenet 1x1", 196, 384, 64, 1},
    {"mobilenet 1x1", 196, 96, 384, 1},
    {"mobilenet 1x1", 196, 576, 96, 1},
    {"mobilenet 1x1", 49, 160, 576, 1},
    {"mobilenet 1x1", 49, 960, 160, 1},
    {"mobilenet 1x1", 49, 320, 960, 1},
    {"mobilenet 1x1", 49, 1280, 320, 1},
    {"vit", 197, 768, 768, 1},
    {"vit", 197, 2304, 768, 1},
    {"vit", 197, 3072, 768, 1},
    {"vit", 197, 768, 3072, 1},
    {"vit", 196, 768, 3072, 1},
    {"vit heads", 197, 197, 64, 1},
    {"square", 1024, 1024, 1024, 1},
    {"fc", 1, 1000, 2048, 8},
    {"fc", 2, 1000, 2048, 8},
    {"fc", 3, 1000, 2048, 8},
    {"fc", 4, 1000, 2048, 8},
    {"fc", 1, 1000, 1280, 1},
    {"fc", 1, 4096, 4096, 2},
};

static void bench_matrix(const bench *b, const matrix_shape *x)
{
    char name[64];
    snprintf(name, sizeof name, "%s %zux%zux%zu", x->network, x->m, x->n, x->k);
    if (!bench_wants(b, "gemm", name)) return;
    sn_gemm g = {.m = x->m, .n = x->n, .taps = 1, .kc = x->k, .a_row = x->k};
    bench_product(b, name, g, x->m * x->k, x->copies);
}

typedef struct conv_shape {
    const char *network;
    ptrdiff_t size, channels, n, kernel, stride; /* square; padded so that stride 1 keeps the size */
} conv_shape;

static const conv_shape convs[] = {
    {"resnet50", 56, 64, 64, 3, 1},     {"resnet50", 56, 128, 128, 3, 2},    {"resnet50", 28, 128, 128, 3, 1},
    {"resnet50", 28, 256, 256, 3, 2},   {"resnet50", 14, 256, 256, 3, 1},    {"resnet50", 14, 512, 512, 3, 2},
    {"resnet50", 7, 512, 512, 3, 1},    {"resnet50", 56, 256, 512, 1, 2},    {"resnet50", 28, 512, 1024, 1, 2},
    {"resnet50", 14, 1024, 2048, 1, 2}, {"resnet50 stem", 224, 3, 64, 7, 2}, {"vgg16", 224, 64, 64, 3, 1},
    {"vgg16", 112, 128, 128, 3, 1},     {"vgg16", 56, 256, 256, 3, 1},       {"vgg16", 28, 512, 512, 3, 1},
    {"vgg16", 14, 512, 512, 3, 1},
};

static void bench_conv(const bench *b, const conv_shape *x)
{
    char name[64];
    snprintf(name, sizeof name, "%s %tdx%td s%td %td^2 %td->%td", x->network, x->kernel, x->kernel, x->stride, x->size,
             x->channels, x->n);
    if (!bench_wants(b, "gemm", name)) return;
    ptrdiff_t out = (x->size - 1) / x->stride + 1, row = x->size * x->channels;
    float *zeros = sn_calloc((size_t)x->channels, sizeof *zeros);
    sn_image_window w = {.in = {1, x->size, x->size},
                         .out = {1, out, out},
                         .kernel = {1, x->kernel, x->kernel},
                         .stride = {1, x->stride, x->stride},
                         .dilation = {1, 1, 1},
                         .pad = {0, x->kernel / 2, x->kernel / 2},
                         .pitch = {x->size * row, row, x->channels},
                         .image = x->size * row,
                         .zeros = zeros};
    sn_gemm g = {.m = (size_t)(out * out),
                 .n = (size_t)x->n,
                 .taps = (size_t)(x->kernel * x->kernel),
                 .kc = (size_t)x->channels,
                 .window = &w};
    bench_product(b, name, g, (size_t)w.image, 1);
    sn_free(zeros);
}

typedef struct pack_call {
    const sn_gemm_kernels *kernels;
    sn_gemm_source source;
    float *packed;
} pack_call;

static void run_pack(void *context)
{
    const pack_call *c = context;
    size_t nr = c->kernels->nr;
    c->kernels->pack(&c->source, c->packed, 0, (c->source.n + nr - 1) / nr);
}

static void bench_pack(const bench *b, const char *name, sn_gemm_source s)
{
    if (!bench_wants(b, "gemm", name)) return;
    size_t elements = s.taps * s.kc * s.n;
    float *weights = bench_floats(elements), *packed = bench_floats(b->kernels->gemm->packed_size(s.taps * s.kc, s.n));
    s.b = weights;
    pack_call call = {b->kernels->gemm, s, packed};
    bench_row(b, "gemm", name, run_pack, &call, 0, 8.0 * (double)elements);
    sn_free(weights);
    sn_free(packed);
}

void bench_gemm(const bench *b)
{
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) bench_matrix(b, &matrices[i]);
    for (size_t i = 0; i < sizeof convs / sizeof *convs; i++) bench_conv(b, &convs[i]);
    bench_pack(b, "pack [K][N] 4096x4096",
               (sn_gemm_source){.taps = 1, .kc = 4096, .n = 4096, .channel_pitch = 4096, .column_pitch = 1});
    bench_pack(b, "pack [N][K] 4096x4096",
               (sn_gemm_source){.taps = 1, .kc = 4096, .n = 4096, .channel_pitch = 1, .column_pitch = 4096});
    bench_pack(b, "pack [N][K] 1000x2048",
               (sn_gemm_source){.taps = 1, .kc = 2048, .n = 1000, .channel_pitch = 1, .column_pitch = 2048});
    bench_pack(
        b, "pack OIHW 512x512x3x3",
        (sn_gemm_source){.taps = 9, .kc = 512, .n = 512, .tap_pitch = 1, .channel_pitch = 9, .column_pitch = 9 * 512});
    bench_pack(
        b, "pack OIHW 64x64x3x3",
        (sn_gemm_source){.taps = 9, .kc = 64, .n = 64, .tap_pitch = 1, .channel_pitch = 9, .column_pitch = 9 * 64});
}
