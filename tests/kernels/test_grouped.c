/* Convolution in small groups, of one channel too, against loops in double, for every instruction set. */
#include "tests/kernels/window_test.h"

typedef struct grouped_case {
    size_t images, channels, group, pitch, y_pitch; /* pitches: of a position */
    ptrdiff_t in[3], kernel[3], stride[3], dilation[3], pad[3], pad_end[3];
    bool bias, residual;
    sn_activation activation;
} grouped_case;

#define CLAMP(low, high)                                                                                               \
    {                                                                                                                  \
        SN_ACT_CLAMP, low, high                                                                                        \
    }
static const grouped_case cases[] = {
    /* one channel */
    {1, 1, 1, 1, 1, {1, 1, 1}, {1, 1, 1}, ONES, ONES, NONE, NONE, false, false, {0}},
    {2, 16, 1, 16, 16, {1, 9, 9}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, false, CLAMP(0, 6)},
    {1, 37, 1, 40, 50, {1, 7, 30}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, true, CLAMP(-0.5f, 0.5f)},
    {2, 37, 1, 40, 50, {1, 7, 9}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, true, {SN_ACT_SIGMOID, 0, 0}},
    {1, 16, 1, 16, 16, {1, 7, 9}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, true, {SN_ACT_SIGMOID, 0, 0}},
    {1, 19, 1, 19, 19, {1, 14, 15}, {1, 3, 3}, {1, 2, 2}, ONES, {0, 1, 1}, {0, 1, 1}, true, false, {0}},
    {1, 24, 1, 24, 24, {1, 14, 15}, {1, 3, 3}, {1, 2, 2}, ONES, NONE, {0, 1, 1}, false, true, {0}},
    {3, 20, 1, 24, 20, {1, 7, 7}, {1, 5, 5}, ONES, ONES, {0, 2, 2}, {0, 2, 2}, true, false, CLAMP(0, INFINITY)},
    {1, 33, 1, 33, 35, {1, 14, 29}, {1, 5, 5}, {1, 2, 2}, ONES, {0, 2, 2}, {0, 2, 2}, true, true, {0}},
    {1, 17, 1, 17, 17, {1, 8, 23}, {1, 7, 7}, ONES, ONES, {0, 3, 3}, {0, 3, 3}, true, false, {0}},
    {1, 16, 1, 16, 16, {1, 20, 20}, {1, 7, 7}, {1, 2, 2}, ONES, {0, 3, 3}, {0, 3, 3}, true, false, {0}},
    {1, 8, 1, 8, 8, {1, 10, 10}, {1, 3, 3}, ONES, {1, 2, 2}, {0, 2, 2}, {0, 2, 2}, true, false, {0}},
    {1, 5, 1, 5, 5, {1, 12, 12}, {1, 4, 2}, {1, 3, 1}, {1, 1, 3}, {0, 1, 1}, {0, 2, 0}, true, true, CLAMP(0, 1)},
    {1, 21, 1, 21, 21, {1, 1, 40}, {1, 1, 31}, ONES, ONES, {0, 0, 15}, {0, 0, 15}, true, false, {0}},
    {2, 18, 1, 18, 18, {1, 1, 40}, {1, 1, 5}, ONES, ONES, {0, 0, 2}, {0, 0, 2}, true, false, {0}},
    {2, 18, 1, 20, 18, {1, 1, 40}, {1, 1, 5}, {1, 1, 3}, ONES, {0, 0, 2}, {0, 0, 2}, true, false, {0}},
    {1, 9, 1, 9, 9, {1, 40, 1}, {1, 5, 1}, ONES, ONES, {0, 2, 0}, {0, 2, 0}, false, false, {0}},
    {2, 12, 1, 12, 12, {5, 6, 7}, {3, 3, 3}, ONES, ONES, {1, 1, 1}, {1, 1, 1}, true, true, {0}},
    {1, 12, 1, 12, 12, {7, 6, 9}, {2, 1, 5}, {2, 1, 1}, {3, 1, 1}, {1, 0, 2}, {1, 0, 2}, true, false, {0}},
    /* cropped, and padded so much that windows lie outside */
    {1, 16, 1, 16, 16, {1, 9, 12}, {1, 3, 3}, ONES, ONES, {0, -2, -1}, {0, 1, -3}, true, false, {0}},
    {1, 16, 1, 16, 16, {1, 2, 2}, {1, 3, 3}, {1, 2, 2}, ONES, {0, 6, 7}, {0, 6, 5}, true, false, {0}},
    {1, 16, 1, 16, 16, {1, 2, 2}, {1, 2, 4}, {1, 1, 1}, {1, 2, 5}, {0, 6, 17}, {0, 6, 15}, true, false, {0}},
    /* nothing */
    {0, 16, 1, 16, 16, {1, 9, 9}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, false, {0}},
    {1, 0, 1, 0, 0, {1, 9, 9}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, false, {0}},
    {1, 4, 1, 4, 4, {1, 0, 9}, {1, 3, 3}, ONES, ONES, {0, 2, 1}, {0, 2, 1}, true, false, {0}},
    {1, 4, 1, 4, 4, {1, 9, 2}, {1, 3, 3}, ONES, ONES, {0, 1, 0}, {0, 1, 0}, true, false, {0}},
    /* several */
    {1, 2, 2, 2, 2, {1, 1, 1}, {1, 1, 1}, ONES, ONES, NONE, NONE, false, false, {0}},
    {2, 16, 4, 16, 16, {1, 9, 9}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, false, CLAMP(0, 6)},
    {1, 40, 4, 43, 50, {1, 7, 30}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, true, CLAMP(-0.5f, 0.5f)},
    {2, 40, 4, 43, 50, {1, 7, 9}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, true, {SN_ACT_SIGMOID, 0, 0}},
    {1, 24, 8, 24, 24, {1, 7, 9}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, true, {SN_ACT_SIGMOID, 0, 0}},
    {1, 56, 8, 56, 56, {1, 14, 15}, {1, 3, 3}, {1, 2, 2}, ONES, {0, 1, 1}, {0, 1, 1}, true, false, {0}},
    {1, 22, 2, 22, 24, {1, 14, 15}, {1, 3, 3}, {1, 2, 2}, ONES, NONE, {0, 1, 1}, false, true, {0}},
    {3, 32, 8, 32, 32, {1, 7, 7}, {1, 5, 5}, ONES, ONES, {0, 2, 2}, {0, 2, 2}, true, false, CLAMP(0, INFINITY)},
    {1, 8, 8, 8, 8, {1, 10, 10}, {1, 3, 3}, ONES, {1, 2, 2}, {0, 2, 2}, {0, 2, 2}, true, false, {0}},
    {1, 36, 4, 36, 36, {1, 12, 12}, {1, 4, 2}, {1, 3, 1}, {1, 1, 3}, {0, 1, 1}, {0, 2, 0}, true, true, CLAMP(0, 1)},
    {1, 24, 8, 24, 24, {1, 1, 40}, {1, 1, 31}, ONES, ONES, {0, 0, 15}, {0, 0, 15}, true, false, {0}},
    {2, 18, 2, 20, 18, {1, 1, 40}, {1, 1, 5}, {1, 1, 3}, ONES, {0, 0, 2}, {0, 0, 2}, true, false, {0}},
    {1, 12, 4, 12, 12, {1, 40, 1}, {1, 5, 1}, ONES, ONES, {0, 2, 0}, {0, 2, 0}, false, false, {0}},
    {2, 12, 2, 12, 12, {5, 6, 7}, {3, 3, 3}, ONES, ONES, {1, 1, 1}, {1, 1, 1}, true, true, {0}},
    {1, 24, 8, 24, 24, {7, 6, 9}, {2, 1, 5}, {2, 1, 1}, {3, 1, 1}, {1, 0, 2}, {1, 0, 2}, true, false, {0}},
    /* cropped, and padded so much that windows lie outside */
    {1, 16, 4, 16, 16, {1, 9, 12}, {1, 3, 3}, ONES, ONES, {0, -2, -1}, {0, 1, -3}, true, false, {0}},
    {1, 16, 8, 16, 16, {1, 2, 2}, {1, 3, 3}, {1, 2, 2}, ONES, {0, 6, 7}, {0, 6, 5}, true, false, {0}},
    {1, 16, 2, 16, 16, {1, 2, 2}, {1, 2, 4}, {1, 1, 1}, {1, 2, 5}, {0, 6, 17}, {0, 6, 15}, true, false, {0}},
    /* nothing */
    {0, 16, 4, 16, 16, {1, 9, 9}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, false, {0}},
    {1, 0, 4, 0, 0, {1, 9, 9}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, true, false, {0}},
    {1, 4, 4, 4, 4, {1, 0, 9}, {1, 3, 3}, ONES, ONES, {0, 2, 1}, {0, 2, 1}, true, false, {0}},
    {1, 4, 4, 4, 4, {1, 9, 2}, {1, 3, 3}, ONES, ONES, {0, 1, 0}, {0, 1, 0}, true, false, {0}},
};

/* The sum for one output, and in *magnitude that of the absolute values. The weights are not packed. */
static double sum_at(const sn_grouped *d, const float *weights, size_t m, size_t c, double *magnitude)
{
    const sn_image_window *w = d->window;
    double sum = d->epilogue.bias ? (double)d->epilogue.bias[c] : 0;
    const size_t first = c - c % d->group;
    const float *image = d->x + (ptrdiff_t)(m / product(w->out)) * w->image + first;
    *magnitude = fabs(sum);
    for (size_t t = 0; t < product(w->kernel); t++) {
        ptrdiff_t at;
        if (!tap_is_inside(w, NULL, m, t, &at)) continue;
        for (size_t i = 0; i < d->group; i++) {
            double v = (double)image[at + (ptrdiff_t)i] * (double)weights[(c * d->group + i) * product(w->kernel) + t];
            sum += v;
            *magnitude += fabs(v);
        }
    }
    if (d->epilogue.residual) {
        double r = (double)d->epilogue.residual[m * d->epilogue.residual_row + c];
        sum += r;
        *magnitude += fabs(r);
    }
    return sum;
}

static void check_outputs(const sn_kernels *k, const sn_grouped *d, const float *weights, size_t positions)
{
    for (size_t m = 0; m < positions; m++) {
        for (size_t c = 0; c < d->channels; c++) {
            double magnitude, sum = sum_at(d, weights, m, c, &magnitude);
            check_result(d->y[m * d->y_pitch + c], activated(sum, &d->epilogue.activation), magnitude, k->isa,
                         m * d->channels + c);
        }
    }
    check_gaps(d->y, positions, d->channels, d->y_pitch);
}

/* Rows one by one, and batches one by one, give the same bits. */
static void check_splits(const sn_grouped_kernels *k, const sn_grouped *whole, size_t rows, size_t size)
{
    sn_grouped d = *whole;
    for (size_t step = 1; step < rows; step = 2 * step + 1) {
        d.y = poisoned_floats(size);
        for (size_t row = 0; row < rows; row += step) {
            k->run(&d, row, row + step < rows ? row + step : rows);
        }
        assert_memory_equal(d.y, whole->y, size * sizeof *d.y);
        free(d.y);
    }
}

static void check_case(const sn_kernels *k, const grouped_case *c, value_kind data)
{
    const sn_grouped_kernels *family = sn_kernels_for_groups(k, c->group);
    const sn_image_window w = WINDOW_OF(c, false, c->pitch);
    const size_t taps = product(w.kernel), positions = c->images * product(w.out);
    const size_t in_size = extent(c->images * product(c->in), c->channels, c->pitch);
    const size_t out_size = extent(positions, c->channels, c->y_pitch),
                 rows = c->images * (size_t)(w.out[0] * w.out[1]);
    const size_t weights_size = c->channels * c->group * taps;
    float *x = random_floats(in_size, 1), *weights = random_floats(weights_size, 2);
    float *packed = poisoned_floats(family->packed_size(c->channels, c->group, taps));
    float *bias = c->bias ? random_floats(c->channels, 3) : NULL;
    float *residual = c->residual ? random_floats(out_size, 4) : NULL;
    make_values(x, in_size, data);
    make_weights(weights, weights_size, data);
    if (bias && data != DATA_SPECIAL) make_values(bias, c->channels, data);
    if (residual) make_values(residual, out_size, data);
    family->pack(weights, c->channels, c->group, taps, packed);
    sn_grouped d = {.window = &w,
                    .channels = c->channels,
                    .group = c->group,
                    .x = x,
                    .weights = packed,
                    .y = poisoned_floats(out_size),
                    .y_pitch = c->y_pitch,
                    .epilogue = {NULL, bias, residual, c->y_pitch, c->activation}};
    family->run(&d, 0, rows);
    check_outputs(k, &d, weights, positions);
    check_splits(family, &d, rows, out_size);
    free(d.y);
    free(residual);
    free(bias);
    free(packed);
    free(weights);
    free(x);
}

static void check_cases(const sn_kernels *k)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (value_kind data = 0; data < VALUE_KINDS; data++) check_case(k, &cases[i], data);
    }
}

/* Without padding, a tile of every width lies inside; with padding each meets borders, on either side and on both. */
static void check_width(const sn_kernels *k, size_t group, ptrdiff_t kernel, ptrdiff_t stride, ptrdiff_t outputs)
{
    for (ptrdiff_t pad = 0; pad <= kernel / 2; pad += kernel > 1 ? kernel / 2 : 1) {
        const grouped_case c = {.images = 1,
                                .channels = 16 + group,
                                .group = group,
                                .pitch = 16 + group,
                                .y_pitch = 16 + group,
                                .in = {1, 3, (outputs - 1) * stride + kernel - 2 * pad},
                                .kernel = {1, 3, kernel},
                                .stride = {1, 1, stride},
                                .dilation = ONES,
                                .pad = {0, 1, pad},
                                .pad_end = {0, 1, pad},
                                .bias = true};
        if (c.in[2] > 0) check_case(k, &c, DATA_RANDOM);
    }
}

static void check_widths(const sn_kernels *k)
{
    for (size_t group = 1; group <= SN_GROUPED_MOST; group *= 2) {
        for (ptrdiff_t kernel = 1; kernel <= 7; kernel++) {
            for (ptrdiff_t outputs = 1; outputs <= (group == 1 ? 22 : 9); outputs++) {
                check_width(k, group, kernel, 1, outputs);
                check_width(k, group, kernel, 2, outputs);
            }
        }
    }
}

static void check_packing(const sn_kernels *k)
{
    for (size_t group = 1; group <= SN_GROUPED_MOST; group *= 2) {
        const sn_grouped_kernels *family = sn_kernels_for_groups(k, group);
        const size_t channels = 5 * group, size = channels * group * 3;
        float *weights = random_floats(size, 1), *packed = poisoned_floats(family->packed_size(channels, group, 3));
        float *back = poisoned_floats(size);
        family->pack(weights, channels, group, 3, packed);
        family->unpack(packed, channels, group, 3, back);
        assert_memory_equal(weights, back, size * sizeof *back);
        free(back);
        free(packed);
        free(weights);
    }
}

EACH_ISA(cases)
EACH_ISA(widths)
EACH_ISA(packing)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_packing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
