/*
 * Element-wise functions on arrays within the first cache, within the last one and beyond all. GB/s count every operand
 * and the result once; beyond the caches the bandwidth is the limit, within them it is arithmetic.
 */
#include "bench/kernels/bench.h"
#include <math.h>
#include <stdio.h>

typedef struct map_call {
    const sn_elementwise_kernels *kernels;
    int kind;
    sn_activation activation;
    sn_ew_operand a, b, c;
    sn_ew_result y;
} map_call;

static void run_unary(void *context)
{
    const map_call *c = context;
    c->kernels->unary[c->kind](c->a.data, c->y.data, c->y.rows * c->y.n);
}
static void run_activate(void *context)
{
    const map_call *c = context;
    c->kernels->activate[c->kind](&c->activation, c->a.data, c->y.data, c->y.rows * c->y.n);
}
static void run_binary(void *context)
{
    const map_call *c = context;
    c->kernels->binary[c->kind](c->a, c->b, c->y);
}
static void run_affine(void *context)
{
    const map_call *c = context;
    c->kernels->affine(c->a, c->b, c->c, 0, 6, c->y);
}

typedef struct map_row {
    const char *name;
    void (*run)(void *context);
    int kind;
    int operands; /* large ones */
} map_row;

static const map_row flat_rows[] = {
    {"relu", run_activate, SN_ACT_CLAMP, 1},    {"silu", run_activate, SN_ACT_SILU, 1},
    {"gelu", run_activate, SN_ACT_GELU, 1},     {"gelu tanh", run_activate, SN_ACT_GELU_TANH, 1},
    {"elu", run_activate, SN_ACT_ELU, 1},       {"hard swish", run_activate, SN_ACT_HARD_SWISH, 1},
    {"exp", run_unary, SN_EW_EXP, 1},           {"log", run_unary, SN_EW_LOG, 1},
    {"sqrt", run_unary, SN_EW_SQRT, 1},         {"erf", run_unary, SN_EW_ERF, 1},
    {"tanh", run_unary, SN_EW_TANH, 1},         {"sigmoid", run_unary, SN_EW_SIGMOID, 1},
    {"sin", run_unary, SN_EW_SIN, 1},           {"mish", run_unary, SN_EW_MISH, 1},
    {"softplus", run_unary, SN_EW_SOFTPLUS, 1}, {"add", run_binary, SN_EW_ADD, 2},
    {"mul", run_binary, SN_EW_MUL, 2},          {"div", run_binary, SN_EW_DIV, 2},
    {"max", run_binary, SN_EW_MAX, 2},          {"pow", run_binary, SN_EW_POW, 2},
    {"affine nhwc", run_affine, 0, 1},          {"affine nchw", run_affine, 0, 1},
};

static void bench_map(const bench *b, const map_row *row, const char *where, size_t rows, size_t n)
{
    char name[64];
    snprintf(name, sizeof name, "%s, %s", row->name, where);
    if (!bench_wants(b, "elementwise", name)) return;
    size_t size = rows * n;
    float *x = bench_floats(size), *z = bench_floats(size), *y = bench_floats(size);
    for (size_t i = 0; i < size; i++) z[i] = z[i] * 2 + 2.01f; /* a divisor, an exponent */
    const float *positive = row->run == run_unary && (row->kind == SN_EW_LOG || row->kind == SN_EW_SQRT) ? z : x;
    map_call c = {b->kernels->elementwise, row->kind, {SN_ACT_CLAMP, 0, INFINITY},
                  {positive, n, 1},        {z, n, 1}, {z, n, 1},
                  {y, n, rows, n}};
    if (row->kind == SN_ACT_SILU && row->run == run_activate) c.activation.alpha = 1;
    if (row->run == run_affine) {
        sn_ew_operand channel = {z, row->name[8] == 'h' ? 0 : 1, row->name[8] == 'h' ? 1 : 0};
        c.b = c.c = channel;
    }
    bench_row(b, "elementwise", name, row->run, &c, 0, (double)(row->operands + 1) * 4 * (double)size);
    sn_free(x);
    sn_free(y);
    sn_free(z);
}

void bench_elementwise(const bench *b)
{
    for (size_t i = 0; i < sizeof flat_rows / sizeof *flat_rows; i++) {
        bench_map(b, &flat_rows[i], "8 KB", 8, 256);
        bench_map(b, &flat_rows[i], "3 MB (56x56x256)", 3136, 256);
        bench_map(b, &flat_rows[i], "64 MB", 1 << 16, 256);
    }
}
