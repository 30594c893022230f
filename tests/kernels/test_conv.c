/* Convolution, depthwise convolution and max pooling against loops in double, for every instruction set. */
#include "tests/kernels/kernel_test.h"

typedef struct conv_case {
    size_t m, channels;
    size_t in[3]; /* extents of the padded source */
    size_t kernel[3], stride[3], dilation[3];
    bool bias;
    float lo, hi;
} conv_case;

#define WIDE -INFINITY, INFINITY
static const conv_case cases[] = {
    {1, 1, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, false, WIDE},
    {16, 3, {1, 9, 9}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, true, WIDE},
    {5, 7, {1, 15, 13}, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, true, 0, INFINITY},
    {9, 4, {1, 20, 37}, {1, 5, 3}, {1, 1, 3}, {1, 2, 2}, false, -0.5f, 0.5f},
    {30, 64, {1, 7, 7}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, true, WIDE},
    {2, 40, {1, 1, 300}, {1, 1, 7}, {1, 1, 1}, {1, 1, 1}, true, WIDE},
    {3, 2, {5, 6, 7}, {2, 3, 3}, {1, 1, 1}, {2, 1, 1}, true, WIDE},
    {17, 33, {1, 10, 40}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, false, 0, 6},
};
#define N_CASES (sizeof cases / sizeof *cases)

static size_t out_extent(const conv_case *c, int d)
{
    return (c->in[d] - (c->kernel[d] - 1) * c->dilation[d] - 1) / c->stride[d] + 1;
}

static size_t plane_of(const conv_case *c)
{
    return c->in[0] * c->in[1] * c->in[2];
}

static size_t fill_geometry(const conv_case *c, size_t out[3], size_t step[3], size_t *offsets)
{
    size_t t = 0;
    for (int d = 0; d < 3; d++) out[d] = out_extent(c, d);
    step[0] = c->stride[0] * c->in[1] * c->in[2];
    step[1] = c->stride[1] * c->in[2];
    step[2] = c->stride[2];
    for (size_t z = 0; z < c->kernel[0]; z++) {
        for (size_t y = 0; y < c->kernel[1]; y++) {
            for (size_t x = 0; x < c->kernel[2]; x++) {
                offsets[t++] = (z * c->dilation[0] * c->in[1] + y * c->dilation[1]) * c->in[2] + x * c->dilation[2];
            }
        }
    }
    return t;
}

static double clamped(double v, const conv_case *c)
{
    return v < c->lo ? c->lo : v > c->hi ? c->hi : v;
}

/* The sum under the kernel at a position, and in *magnitude that of the absolute values. */
static double sum_at(const conv_case *c, const float *source, const float *weights, size_t channels, size_t base,
                     const size_t *offsets, size_t taps, double *magnitude)
{
    double sum = 0;
    for (size_t i = 0; i < channels; i++) {
        for (size_t t = 0; t < taps; t++) {
            double v = (double)weights[i * taps + t] * source[i * plane_of(c) + base + offsets[t]];
            sum += v;
            *magnitude += fabs(v);
        }
    }
    return sum;
}

static void check_conv(const sn_kernels *k, const conv_case *c, size_t slack)
{
    size_t offsets[64];
    sn_conv p = {.m = c->m, .plane = plane_of(c), .tap_offset = offsets, .lo = c->lo, .hi = c->hi};
    p.taps = fill_geometry(c, p.out, p.step, offsets);
    p.k = c->channels * p.taps;
    p.readable = c->channels * p.plane + slack;
    size_t n = p.out[0] * p.out[1] * p.out[2];
    float *source = random_floats(p.readable, 5), *weights = random_floats(c->m * p.k, 6);
    float *bias = c->bias ? random_floats(c->m, 7) : NULL, *scratch = scratch_of(k);
    p.source = source;
    p.weights = weights;
    p.bias = bias;
    p.target = poisoned_floats(c->m * n);
    k->conv(&p, 0, c->m, 0, n, scratch);
    for (size_t m = 0; m < c->m; m++) {
        for (size_t i = 0; i < n; i++) {
            size_t x = i % p.out[2], y = i / p.out[2] % p.out[1], z = i / p.out[2] / p.out[1];
            double magnitude = bias ? fabs((double)bias[m]) : 0;
            double sum = sum_at(c, source, weights + m * p.k, c->channels,
                                z * p.step[0] + y * p.step[1] + x * p.step[2], offsets, p.taps, &magnitude);
            check_close(p.target[m * n + i], clamped(sum + (bias ? bias[m] : 0), c), magnitude, k->isa, m * n + i);
        }
    }
    float *whole = p.target;
    p.target = poisoned_floats(c->m * n);
    k->conv(&p, 0, c->m / 2, 0, n, scratch);
    k->conv(&p, c->m / 2, c->m, 0, n / 3, scratch);
    k->conv(&p, c->m / 2, c->m, n / 3, n, scratch);
    assert_memory_equal(whole, p.target, c->m * n * sizeof *whole);
    free(whole);
    free(p.target);
    free(scratch);
    free(bias);
    free(weights);
    free(source);
}

static void check_convs(const sn_kernels *k)
{
    for (size_t i = 0; i < N_CASES; i++) {
        check_conv(k, &cases[i], 0);
        check_conv(k, &cases[i], 40);
    }
}

static void check_depthwise(const sn_kernels *k)
{
    for (size_t i = 0; i < 2 * N_CASES; i++) {
        const conv_case *c = &cases[i / 2];
        size_t offsets[64];
        sn_depthwise_plane p = {.tap_offset = offsets, .lo = c->lo, .hi = c->hi, .bias = 0.25f};
        p.taps = fill_geometry(c, p.out, p.step, offsets);
        size_t n = p.out[0] * p.out[1] * p.out[2];
        p.readable = plane_of(c) + i % 2 * 40;
        float *source = random_floats(p.readable, 8), *weights = random_floats(p.taps, 9);
        p.source = source;
        p.weights = weights;
        p.target = poisoned_floats(n);
        k->depthwise_plane(&p);
        for (size_t j = 0; j < n; j++) {
            size_t x = j % p.out[2], y = j / p.out[2] % p.out[1], z = j / p.out[2] / p.out[1];
            double magnitude = 0.25;
            double sum = sum_at(c, source, weights, 1, z * p.step[0] + y * p.step[1] + x * p.step[2], offsets, p.taps,
                                &magnitude);
            check_close(p.target[j], clamped(sum + 0.25, c), magnitude, k->isa, j);
        }
        free(p.target);
        free(weights);
        free(source);
    }
}

/* ---------------------------------------------------------------------------------------------------- max pooling */

static float pooled(const sn_max_pool *p, size_t oy, size_t ox)
{
    float best = -INFINITY;
    for (size_t ky = 0; ky < p->kernel[0]; ky++) {
        for (size_t kx = 0; kx < p->kernel[1]; kx++) {
            long y = (long)(oy * p->stride[0] + ky * p->dilation[0]) - (long)p->pad[0];
            long x = (long)(ox * p->stride[1] + kx * p->dilation[1]) - (long)p->pad[1];
            if (y < 0 || x < 0 || y >= (long)p->height || x >= (long)p->width) continue;
            float v = p->source[(size_t)y * p->width + (size_t)x];
            best = v > best ? v : best;
        }
    }
    return best;
}

static void check_max_pool(const sn_kernels *k)
{
    static const sn_max_pool shapes[] = {
        {NULL, 112, 112, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {56, 56}, NULL},
        {NULL, 5, 7, {2, 2}, {1, 1}, {1, 1}, {0, 0}, {4, 6}, NULL},
        {NULL, 9, 40, {3, 2}, {3, 3}, {2, 2}, {2, 1}, {3, 14}, NULL}, /* the last window reaches beyond: ceil_mode */
        {NULL, 2, 2, {5, 5}, {1, 1}, {1, 1}, {2, 2}, {2, 2}, NULL},
        {NULL, 1, 1, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {1, 1}, NULL},
        {NULL, 4, 4, {2, 2}, {1, 1}, {3, 3}, {1, 1}, {3, 3}, NULL},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        sn_max_pool p = shapes[i];
        float *source = random_floats(p.height * p.width, 10);
        p.source = source;
        p.target = poisoned_floats(p.out[0] * p.out[1]);
        k->max_pool(&p);
        for (size_t j = 0; j < p.out[0] * p.out[1]; j++) {
            assert_true(p.target[j] == pooled(&p, j / p.out[1], j % p.out[1]));
        }
        free(p.target);
        free(source);
    }
}

/* ---------------------------------------------------------------------------------------------------- element-wise */

static void check_elementwise(const sn_kernels *k)
{
    for (size_t n = 0; n < 70; n++) {
        float *a = random_floats(n, 11), *b = random_floats(n, 12), *y = poisoned_floats(n);
        double total = 0, magnitude = 0;
        if (n > 3) a[3] = NAN;
        k->clamp(a, y, n, -0.25f, 0.5f);
        for (size_t i = 0; i < n; i++) {
            assert_true(i == 3 ? isnan(y[i]) : y[i] == fminf(fmaxf(a[i], -0.25f), 0.5f));
        }
        if (n > 3) a[3] = 1;
        k->add(a, b, y, n);
        for (size_t i = 0; i < n; i++) assert_true(y[i] == a[i] + b[i]);
        k->mul(a, b, y, n);
        for (size_t i = 0; i < n; i++) assert_true(y[i] == a[i] * b[i]);
        k->affine(a, y, n, 2, 0.5f, 0, INFINITY);
        for (size_t i = 0; i < n; i++) check_close(y[i], fmax(2.0 * a[i] + 0.5, 0), 3, "affine", i);
        for (size_t i = 0; i < n; i++) {
            total += a[i];
            magnitude += fabs((double)a[i]);
        }
        check_close(k->sum(a, n), total, magnitude, "sum", n);
        free(a);
        free(b);
        free(y);
    }
}

#define EACH_ISA(name)                                                                                                 \
    static void test_##name(void **state)                                                                              \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        for_each_isa(check_##name);                                                                                    \
    }
EACH_ISA(convs)
EACH_ISA(depthwise)
EACH_ISA(max_pool)
EACH_ISA(elementwise)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convs),
        cmocka_unit_test(test_depthwise),
        cmocka_unit_test(test_max_pool),
        cmocka_unit_test(test_elementwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
