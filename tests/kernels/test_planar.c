/* Convolution of few channels over plain images against loops in double, for every instruction set. */
#include "tests/kernels/window_test.h"

typedef struct planar_case {
    size_t images, in_channels, out_channels;
    ptrdiff_t in[3], kernel[3], stride[3], dilation[3], pad[3], pad_end[3];
    bool bias, residual;
    sn_activation activation;
} planar_case;

#define RELU                                                                                                           \
    {                                                                                                                  \
        SN_ACT_CLAMP, 0, INFINITY                                                                                      \
    }
static const planar_case cases[] = {
    {1, 1, 1, {1, 1, 1}, {1, 1, 1}, ONES, ONES, NONE, NONE, false, false, {0}},
    {2, 3, 16, {1, 32, 32}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, false, RELU},
    {1, 3, 5, {1, 9, 30}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, true, {SN_ACT_CLAMP, -0.5f, 0.5f}},
    {3, 4, 7, {1, 7, 7}, {1, 5, 5}, ONES, ONES, {0, 2, 2}, {0, 2, 2}, true, false, RELU},
    {1, 1, 6, {1, 28, 28}, {1, 5, 5}, ONES, ONES, NONE, NONE, true, false, {0}},
    {1, 2, 9, {1, 14, 15}, {1, 3, 3}, {1, 2, 1}, ONES, {0, 1, 1}, {0, 1, 1}, false, true, {0}},
    {1, 2, 3, {1, 20, 19}, {1, 2, 4}, {1, 5, 1}, {1, 3, 2}, {0, 1, 3}, {0, 2, 0}, true, true, {0}},
    {2, 8, 12, {1, 6, 17}, {1, 1, 1}, ONES, ONES, NONE, NONE, true, true, {0}},
    {2, 2, 4, {1, 1, 100}, {1, 1, 9}, ONES, {1, 1, 2}, {0, 0, 8}, {0, 0, 8}, true, false, {0}},
    {1, 2, 3, {1, 40, 1}, {1, 5, 1}, ONES, ONES, {0, 2, 0}, {0, 2, 0}, false, false, {0}},
    {2, 2, 5, {5, 6, 7}, {3, 3, 3}, ONES, ONES, {1, 1, 1}, {1, 1, 1}, true, true, {0}},
    {1, 3, 2, {7, 6, 9}, {2, 1, 5}, {2, 1, 1}, {3, 1, 1}, {1, 0, 2}, {1, 0, 2}, true, false, {0}},
    /* more than one strip of rows */
    {1, 4, 3, {1, 40, 200}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, true, RELU},
    {1, 2, 2, {2, 50, 300}, {1, 2, 3}, {1, 2, 1}, ONES, {0, 1, 1}, {0, 1, 1}, true, false, {0}},
    {1, 1, 2, {1, 3, 17000}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, false, {0}},
    /* cropped, and padded so much that windows lie outside */
    {1, 3, 4, {1, 9, 12}, {1, 3, 3}, ONES, ONES, {0, -2, -1}, {0, 1, -3}, true, false, {0}},
    {1, 3, 4, {1, 2, 2}, {1, 3, 3}, {1, 2, 1}, ONES, {0, 6, 7}, {0, 6, 5}, true, false, {0}},
    {1, 2, 8, {1, 2, 2}, {1, 2, 4}, ONES, {1, 2, 5}, {0, 6, 17}, {0, 6, 15}, true, false, {0}},
    {1, 2, 2, {2, 3, 20}, {2, 1, 1}, ONES, ONES, {4, 0, 20}, {3, 0, 20}, true, false, {0}},
    /* nothing */
    {0, 3, 4, {1, 9, 9}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, false, {0}},
    {1, 3, 0, {1, 9, 9}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, false, {0}},
    {1, 0, 3, {1, 9, 9}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, false, {0}},
    {1, 2, 3, {1, 0, 9}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, false, {0}},
    {1, 2, 3, {1, 9, 0}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, false, {0}},
};
#define N_CASES (sizeof cases / sizeof *cases)

/* The sum for output `at` of y, and in *magnitude that of the absolute values. The weights are not packed. */
static double sum_at(const sn_planar *p, const float *weights, size_t at, double *magnitude)
{
    const sn_image_window *w = p->window;
    const size_t taps = product(w->kernel), positions = product(w->out), m = at / positions % p->out;
    double sum = p->bias ? (double)p->bias[m] : 0;
    *magnitude = fabs(sum);
    for (size_t i = 0; i < p->in * taps; i++) {
        ptrdiff_t from;
        const bool inside = tap_is_inside(w, NULL, at % positions, i % taps, &from);
        const float *plane = p->x + (ptrdiff_t)(at / positions / p->out * p->in + i / taps) * w->image;
        /* A zero of the padding times an infinite weight is no number either. */
        const double v = (inside ? (double)plane[from] : 0) * (double)weights[m * p->in * taps + i];
        sum += v;
        *magnitude += fabs(v);
    }
    if (p->residual) {
        sum += (double)p->residual[at];
        *magnitude += fabs((double)p->residual[at]);
    }
    return sum;
}

static void check_outputs(const sn_kernels *k, const sn_planar *p, const float *weights, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        double magnitude, expected = activated(sum_at(p, weights, i, &magnitude), &p->activation);
        check_result(p->y[i], expected, magnitude, k->isa, i);
    }
}

/* Rows one by one, and several, give the same bits. */
static void check_splits(const sn_kernels *k, const sn_planar *whole, size_t rows, size_t size, float *scratch)
{
    sn_planar p = *whole;
    for (size_t step = 1; step < rows; step = 2 * step + 1) {
        p.y = poisoned_floats(size);
        for (size_t row = 0; row < rows; row += step) {
            k->planar->run(&p, row, row + step < rows ? row + step : rows, scratch);
        }
        assert_memory_equal(p.y, whole->y, size * sizeof *p.y);
        free(p.y);
    }
}

static void check_case(const sn_kernels *k, const planar_case *c, value_kind data)
{
    const sn_image_window w = WINDOW_OF(c, false, 1);
    const size_t terms = c->in_channels * product(w.kernel), n_weights = c->out_channels * terms;
    const size_t in_size = c->images * c->in_channels * product(c->in);
    const size_t out_size = c->images * c->out_channels * product(w.out);
    const size_t rows = c->images * (size_t)(w.out[0] * w.out[1]);
    float *x = random_floats(in_size, 1), *weights = random_floats(n_weights, 2), *packed = poisoned_floats(n_weights);
    float *bias = c->bias ? random_floats(c->out_channels, 3) : NULL;
    float *residual = c->residual ? random_floats(out_size, 4) : NULL;
    ptrdiff_t *offsets = malloc((terms + 1) * sizeof *offsets);
    assert_non_null(offsets);
    make_values(x, in_size, data);
    make_weights(weights, n_weights, data);
    if (bias && data != DATA_SPECIAL) make_values(bias, c->out_channels, data);
    if (residual) make_values(residual, out_size, data);
    sn_planar p = {.window = &w,
                   .in = c->in_channels,
                   .out = c->out_channels,
                   .x = x,
                   .weights = packed,
                   .y = poisoned_floats(out_size),
                   .bias = bias,
                   .residual = residual,
                   .activation = c->activation};
    k->planar->settle(&p, offsets);
    k->planar->pack(weights, c->out_channels, terms, packed);
    float *scratch = poisoned_floats(p.copy.floats);
    k->planar->run(&p, 0, rows, scratch);
    check_outputs(k, &p, weights, out_size);
    check_splits(k, &p, rows, out_size, scratch);
    free(scratch);
    free(offsets);
    free(p.y);
    free(residual);
    free(bias);
    free(packed);
    free(weights);
    free(x);
}

static void check_cases(const sn_kernels *k)
{
    for (size_t i = 0; i < N_CASES; i++) {
        for (value_kind data = 0; data < VALUE_KINDS; data++) check_case(k, &cases[i], data);
    }
}

/* Every number of channels, and maps of every width and of few and many vectors, so that each tile occurs. */
static void check_tiles(const sn_kernels *k)
{
    for (size_t channels = 1; channels <= 18; channels++) {
        for (ptrdiff_t width = 1; width <= 70; width += width < 34 ? 1 : 9) {
            const planar_case c = {.images = 1,
                                   .in_channels = 2,
                                   .out_channels = channels,
                                   .in = {1, 1 + width % 4, width},
                                   .kernel = {1, 2, 3},
                                   .stride = ONES,
                                   .dilation = ONES,
                                   .pad = {0, 1, 1},
                                   .pad_end = {0, 1, 1},
                                   .bias = true,
                                   .residual = width % 2,
                                   .activation = {width % 3 ? SN_ACT_SIGMOID : SN_ACT_NONE, 0, 0}};
            check_case(k, &c, DATA_RANDOM);
        }
    }
}

EACH_ISA(cases)
EACH_ISA(tiles)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_tiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
