/* Changes of layout at the ends of convolutional networks and between the heads of a ViT. */
#include "bench/kernels/bench.h"

#include <stdio.h>

typedef struct call {
    const sn_layout_kernels *kernels;
    sn_transpose transpose;
    sn_padded_copy padded;
    sn_copy copy;
    sn_permutation permutation;
} call;

static void run_transpose(void *context)
{
    const call *c = context;
    c->kernels->transpose(&c->transpose, 0, c->kernels->transpose_units(&c->transpose));
}

static void run_padded(void *context)
{
    const call *c = context;
    c->kernels->padded_copy(&c->padded, 0, c->padded.before[1] + c->padded.in[1] + c->padded.after[1]);
}

static void run_copy(void *context)
{
    const call *c = context;
    c->kernels->copy(&c->copy, 0, c->copy.rows);
}

static void run_permute(void *context)
{
    const call *c = context;
    c->kernels->permute(&c->permutation, 0, c->kernels->permute_units(&c->permutation));
}

static void bench_transpose(const bench *b, const char *name, size_t batch, size_t rows, size_t columns)
{
    if (!bench_wants(b, "layout", name)) return;
    const size_t size = rows * columns;
    float *x = bench_floats(batch * size), *y = bench_floats(batch * size);
    call c = {.kernels = b->kernels->layout, .transpose = {batch, rows, columns, x, size, columns, y, size, rows}};
    bench_row(b, "layout", name, run_transpose, &c, 0, 8.0 * (double)(batch * size));
    sn_free(y);
    sn_free(x);
}

static void bench_padded(const bench *b, const char *name, size_t channels, size_t size, size_t pad, bool channels_last)
{
    if (!bench_wants(b, "layout", name)) return;
    const size_t padded = (size + 2 * pad) * (size + 2 * pad) * channels, plane = size * size;
    float *x = bench_floats(plane * channels), *y = bench_floats(padded);
    call c = {
        .kernels = b->kernels->layout,
        .padded = {.images = 1,
                   .channels = channels,
                   .in = {1, size, size},
                   .before = {0, pad, pad},
                   .after = {0, pad, pad},
                   .x = x,
                   .x_image = plane * channels,
                   .x_channel = channels_last ? 1 : plane,
                   .x_axis = {plane * channels, size * (channels_last ? channels : 1), channels_last ? channels : 1},
                   .y = y}};
    bench_row(b, "layout", name, run_padded, &c, 0, 4.0 * (double)(padded + plane * channels));
    sn_free(y);
    sn_free(x);
}

static void bench_copy(const bench *b, const char *name, size_t rows, size_t columns, size_t y_row)
{
    if (!bench_wants(b, "layout", name)) return;
    float *x = bench_floats(rows * columns), *y = bench_floats(rows * y_row);
    call c = {.kernels = b->kernels->layout, .copy = {rows, columns, x, columns, y, y_row}};
    bench_row(b, "layout", name, run_copy, &c, 0, 8.0 * (double)(rows * columns));
    sn_free(y);
    sn_free(x);
}

/* Splits rows of `heads` pieces: [rows][heads][width] to [heads][rows][width]. */
static void bench_heads(const bench *b, const char *name, size_t rows, size_t heads, size_t width)
{
    if (!bench_wants(b, "layout", name)) return;
    const size_t size = rows * heads * width;
    float *x = bench_floats(size), *y = bench_floats(size);
    call c = {.kernels = b->kernels->layout,
              .permutation = {3,
                              {heads, rows, width},
                              {(ptrdiff_t)width, (ptrdiff_t)(heads * width), 1},
                              {(ptrdiff_t)(rows * width), (ptrdiff_t)width, 1},
                              x,
                              y}};
    bench_row(b, "layout", name, run_permute, &c, 0, 8.0 * (double)size);
    sn_free(y);
    sn_free(x);
}

void bench_layout(const bench *b)
{
    bench_transpose(b, "NCHW to NHWC 224 x 224 x 3", 1, 3, 224 * 224);
    bench_transpose(b, "NCHW to NHWC 56 x 56 x 256", 1, 256, 56 * 56);
    bench_transpose(b, "NCHW to NHWC 14 x 14 x 1024", 1, 1024, 14 * 14);
    bench_transpose(b, "NHWC to NCHW 224 x 224 x 3", 1, 224 * 224, 3);
    bench_transpose(b, "NHWC to NCHW 56 x 56 x 256", 1, 56 * 56, 256);
    bench_transpose(b, "NHWC to NCHW 14 x 14 x 1024", 1, 14 * 14, 1024);
    bench_transpose(b, "vit 197 x 768 transposed", 1, 197, 768);
    bench_transpose(b, "vit 768 x 197 transposed", 1, 768, 197);
    bench_transpose(b, "vit 12 x 197 x 64 transposed", 12, 197, 64);
    bench_transpose(b, "2048 x 2048 transposed", 1, 2048, 2048);
    bench_transpose(b, "3000 x 2000 transposed", 1, 3000, 2000);
    bench_transpose(b, "1024 x 512 transposed", 1, 1024, 512);
    bench_heads(b, "vit 197 x 12 x 64 to 12 x 197 x 64", 197, 12, 64);
    bench_padded(b, "NCHW to padded NHWC 224 x 224 x 3, 3", 3, 224, 3, false);
    bench_padded(b, "NHWC to padded NHWC 224 x 224 x 3, 3", 3, 224, 3, true);
    bench_copy(b, "56 x 56 x 64 into 56 x 56 x 256", 56 * 56, 64, 256);
    bench_copy(b, "14 x 14 x 480 into 14 x 14 x 512", 14 * 14, 480, 512);
}
