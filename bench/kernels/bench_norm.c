/*
 * The softmaxes and normalizations of ViT-B/16, of a diffusion network's GroupNorm and of reductions over images. GB/s
 * count what is read and written once, however many passes are made over it.
 */
#include "bench/kernels/bench.h"
#include <stdio.h>

typedef struct norm_call {
    const sn_norm_kernels *kernels;
    const float *x;
    float *y, *mean, *variance;
    size_t rows, n;
    sn_row_norm row_norm;
    sn_reduction reduction;
} norm_call;

static void run_softmax(void *context)
{
    const norm_call *c = context;
    c->kernels->softmax(c->x, c->y, c->rows, c->n);
}
static void run_log_softmax(void *context)
{
    const norm_call *c = context;
    c->kernels->log_softmax(c->x, c->y, c->rows, c->n);
}
/* The n elements of a column are n rows of an image of `rows` pixels. */
static void run_softmax_columns(void *context)
{
    const norm_call *c = context;
    c->kernels->softmax_columns(c->x, c->y, c->n, c->rows, c->rows);
}
static void run_layer_norm(void *context)
{
    const norm_call *c = context;
    c->kernels->layer_norm(&c->row_norm, 0, c->rows);
}
static void run_rms_norm(void *context)
{
    const norm_call *c = context;
    c->kernels->rms_norm(&c->row_norm, 0, c->rows);
}
/* rows = pixels, n = channels, 32 groups. */
static void run_group_norm_nhwc(void *context)
{
    const norm_call *c = context;
    c->kernels->column_moments(c->x, c->rows, c->n, c->n, c->mean, c->variance);
    c->kernels->join_moments(c->mean, c->variance, c->n, 32, c->mean, c->variance);
    c->kernels->normalize((sn_ew_operand){c->x, c->n, 1}, (sn_ew_operand){c->mean, 0, 1},
                          (sn_ew_operand){c->mean, 0, 1}, (sn_ew_operand){c->mean, 0, 1},
                          (sn_ew_result){c->y, c->n, c->rows, c->n});
}
/* rows = groups, n = channels of a group times pixels. */
static void run_group_norm_nchw(void *context)
{
    const norm_call *c = context;
    for (size_t r = 0; r < c->rows; r++) c->kernels->moments(c->x + r * c->n, c->n, &c->mean[r], &c->variance[r]);
    c->kernels->normalize((sn_ew_operand){c->x, c->n, 1}, (sn_ew_operand){c->mean, 1, 0},
                          (sn_ew_operand){c->mean, 1, 0}, (sn_ew_operand){c->mean, 1, 0},
                          (sn_ew_result){c->y, c->n, c->rows, c->n});
}
static void run_reduce_rows(void *context)
{
    const norm_call *c = context;
    c->kernels->reduce[c->reduction](c->x, c->y, c->rows, c->n, 1);
}
static void run_reduce_columns(void *context)
{
    const norm_call *c = context;
    c->kernels->reduce[c->reduction](c->x, c->y, 1, c->rows, c->n);
}

static const struct {
    const char *name;
    void (*run)(void *context);
    size_t rows, n;
    sn_reduction reduction;
    int tensors; /* read and written */
} rows[] = {
    {"softmax 12x197 of 197", run_softmax, 2364, 197, SN_REDUCE_SUM, 2},
    {"softmax 1 of 50257", run_softmax, 1, 50257, SN_REDUCE_SUM, 2},
    {"log softmax 64 of 1000", run_log_softmax, 64, 1000, SN_REDUCE_SUM, 2},
    {"softmax over 21 channels, 64x64 nchw", run_softmax_columns, 4096, 21, SN_REDUCE_SUM, 2},
    {"layer norm 197x768", run_layer_norm, 197, 768, SN_REDUCE_SUM, 2},
    {"rms norm 197x768", run_rms_norm, 197, 768, SN_REDUCE_SUM, 2},
    {"group norm 64x64x320 nhwc", run_group_norm_nhwc, 4096, 320, SN_REDUCE_SUM, 2},
    {"group norm 64x64x320 nchw", run_group_norm_nchw, 32, 40960, SN_REDUCE_SUM, 2},
    {"mean of 2048 planes of 7x7", run_reduce_rows, 2048, 49, SN_REDUCE_MEAN, 1},
    {"mean of 7x7x2048 over pixels", run_reduce_columns, 49, 2048, SN_REDUCE_MEAN, 1},
    {"max of 7x7x2048 over pixels", run_reduce_columns, 49, 2048, SN_REDUCE_MAX, 1},
    {"sum of 1000000", run_reduce_rows, 1, 1000000, SN_REDUCE_SUM, 1},
    {"max of 1000000", run_reduce_rows, 1, 1000000, SN_REDUCE_MAX, 1},
};

void bench_norm(const bench *b)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!bench_wants(b, "norm", rows[i].name)) continue;
        size_t n = rows[i].n, size = rows[i].rows * n;
        float *x = bench_floats(size), *y = bench_floats(size), *scale = bench_floats(n), *bias = bench_floats(n);
        float *mean = bench_floats(n + rows[i].rows), *variance = bench_floats(n + rows[i].rows);
        norm_call c = {b->kernels->norm,
                       x,
                       y,
                       mean,
                       variance,
                       rows[i].rows,
                       n,
                       {.x = x, .y = y, .n = n, .epsilon = 1e-5f, .scale = scale, .bias = bias},
                       rows[i].reduction};
        bench_row(b, "norm", rows[i].name, rows[i].run, &c, 0, 4.0 * (double)rows[i].tensors * (double)size);
        sn_free(x);
        sn_free(y);
        sn_free(scale);
        sn_free(bias);
        sn_free(mean);
        sn_free(variance);
    }
}
