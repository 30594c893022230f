/* Pooling against loops in double, for every instruction set. */
#include "tests/kernels/window_test.h"

typedef struct pooling_case {
    size_t images, channels, pitch, y_pitch; /* of a position */
    ptrdiff_t in[3], kernel[3], stride[3], dilation[3], pad[3], pad_end[3];
    bool ceil_mode;
} pooling_case;

static const pooling_case cases[] = {
    {1, 64, 64, 64, {1, 23, 24}, {1, 3, 3}, {1, 2, 2}, ONES, {0, 1, 1}, {0, 1, 1}, false},
    {2, 70, 80, 75, {1, 9, 8}, {1, 2, 2}, {1, 2, 2}, ONES, NONE, NONE, false},
    {1, 5, 5, 5, {1, 9, 8}, {1, 2, 3}, {1, 2, 3}, ONES, NONE, NONE, true},
    {1, 17, 17, 17, {1, 10, 11}, {1, 3, 3}, {1, 3, 3}, {1, 2, 2}, {0, 1, 2}, {0, 1, 0}, true},
    {1, 16, 16, 16, {1, 7, 7}, {1, 7, 7}, ONES, ONES, NONE, NONE, false},
    {1, 33, 33, 33, {1, 8, 8}, {1, 3, 3}, ONES, ONES, {0, 1, 1}, {0, 1, 1}, false},
    {1, 12, 12, 12, {1, 1, 50}, {1, 1, 4}, {1, 1, 3}, ONES, {0, 0, 2}, {0, 0, 1}, true},
    {2, 19, 19, 19, {5, 4, 6}, {3, 2, 3}, {2, 1, 2}, ONES, {1, 1, 0}, {1, 0, 1}, false},
    {1, 16, 16, 16, {1, 2, 2}, {1, 2, 2}, ONES, {1, 3, 5}, {0, 4, 6}, {0, 4, 6}, false}, /* windows of padding */
    {1, 16, 16, 16, {1, 9, 9}, {1, 3, 3}, {1, 2, 2}, ONES, {0, -2, 1}, {0, 1, -2}, false},
    {1, 1, 1, 1, {1, 1, 1}, {1, 1, 1}, ONES, ONES, NONE, NONE, false},
    {1, 3, 3, 3, {1, 0, 9}, {1, 3, 3}, ONES, ONES, {0, 2, 1}, {0, 2, 1}, false},
    {1, 3, 3, 3, {1, 9, 2}, {1, 3, 3}, ONES, ONES, {0, 1, 0}, {0, 1, 0}, false},
    {1, 0, 0, 0, {1, 3, 3}, {1, 2, 2}, ONES, ONES, NONE, NONE, false},
    {0, 3, 3, 3, {1, 3, 3}, {1, 2, 2}, ONES, ONES, NONE, NONE, false},
};
#define N_CASES (sizeof cases / sizeof *cases)

typedef struct pooled {
    double max, sum, magnitude;
    size_t inside, padded; /* taps in the image, and in the padded one */
} pooled;

static pooled pool_at(const sn_pooling *p, const pooling_case *k, size_t m, size_t c)
{
    const sn_image_window *w = p->window;
    pooled r = {.max = -INFINITY};
    const float *image = p->x + (ptrdiff_t)(m / product(w->out)) * w->image + c;
    for (size_t t = 0; t < product(w->kernel); t++) {
        ptrdiff_t at;
        r.padded += tap_is_inside(w, k->pad_end, m, t, &at);
        if (!tap_is_inside(w, NULL, m, t, &at)) continue;
        double v = (double)image[at];
        r.inside++;
        r.sum += v;
        r.magnitude += fabs(v);
        r.max = isnan(r.max) || isnan(v) ? NAN : fmax(r.max, v);
    }
    return r;
}

typedef enum { MAXIMUM, AVERAGE, AVERAGE_PADDED, VARIANTS } variant;

static void run(const sn_kernels *k, const sn_pooling *p, variant v, size_t row0, size_t row1)
{
    (v == MAXIMUM ? k->pooling->max : k->pooling->average)(p, row0, row1);
}

static void check_outputs(const sn_kernels *k, const sn_pooling *p, const pooling_case *c, variant v, size_t positions)
{
    for (size_t m = 0; m < positions; m++) {
        for (size_t i = 0; i < p->channels; i++) {
            const pooled r = pool_at(p, c, m, i);
            const float y = p->y[m * p->y_pitch + i];
            if (v == MAXIMUM)
                assert_true(isnan(r.max) ? isnan(y) : (double)y == r.max);
            else
                check_result(y, r.sum / (double)(v == AVERAGE ? r.inside : r.padded), r.magnitude, k->isa, m);
        }
    }
    check_gaps(p->y, positions, p->channels, p->y_pitch);
}

static void check_splits(const sn_kernels *k, const sn_pooling *whole, variant v, size_t rows, size_t size)
{
    sn_pooling p = *whole;
    p.y = poisoned_floats(size);
    for (size_t row = 0; row < rows; row++) run(k, &p, v, row, row + 1);
    assert_memory_equal(p.y, whole->y, size * sizeof *p.y);
    free(p.y);
}

static void check_case(const sn_kernels *k, const pooling_case *c, variant v, value_kind data)
{
    const sn_image_window w = WINDOW_OF(c, c->ceil_mode, c->pitch);
    const size_t positions = c->images * product(w.out), rows = c->images * (size_t)(w.out[0] * w.out[1]);
    const size_t in_size = extent(c->images * product(c->in), c->channels, c->pitch);
    const size_t out_size = extent(positions, c->channels, c->y_pitch);
    float *x = random_floats(in_size, 1);
    make_values(x, in_size, data);
    sn_pooling p = {.window = &w,
                    .count_include_pad = v == AVERAGE_PADDED,
                    .pad_end = {c->pad_end[0], c->pad_end[1], c->pad_end[2]},
                    .channels = c->channels,
                    .x = x,
                    .y = poisoned_floats(out_size),
                    .y_pitch = c->y_pitch};
    run(k, &p, v, 0, rows);
    check_outputs(k, &p, c, v, positions);
    check_splits(k, &p, v, rows, out_size);
    free(p.y);
    free(x);
}

static void check_windows(const sn_kernels *k)
{
    for (size_t i = 0; i < N_CASES; i++) {
        for (variant v = 0; v < VARIANTS; v++) {
            for (value_kind data = 0; data < VALUE_KINDS; data++) check_case(k, &cases[i], v, data);
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- whole images */

static void check_global(const sn_kernels *k, size_t images, size_t positions, size_t channels, value_kind data)
{
    const size_t pitch = channels + 3, image = positions * pitch, size = extent(images * positions, channels, pitch);
    float *x = random_floats(size, 1), *max = poisoned_floats(images * channels);
    float *average = poisoned_floats(images * channels), *piece = poisoned_floats(images * channels);
    make_values(x, size, data);
    sn_global_pooling p = {images, positions, channels, x, pitch, image, max, channels};
    k->pooling->global_max(&p, 0, channels);
    p.y = average;
    k->pooling->global_average(&p, 0, channels);
    for (size_t i = 0; i < images * channels; i++) {
        double sum = 0, magnitude = 0, largest = -INFINITY;
        for (size_t j = 0; j < positions; j++) {
            double v = (double)x[i / channels * image + j * pitch + i % channels];
            sum += v;
            magnitude += fabs(v);
            largest = isnan(largest) || isnan(v) ? NAN : fmax(largest, v);
        }
        assert_true(isnan(largest) ? isnan(max[i]) : (double)max[i] == largest);
        check_result(average[i], sum / (double)positions, magnitude / (double)positions, k->isa, i);
    }
    p.y = piece;
    for (size_t c = 0; c < channels; c += 7) k->pooling->global_average(&p, c, c + 7 < channels ? c + 7 : channels);
    assert_memory_equal(piece, average, images * channels * sizeof *piece);
    free(piece);
    free(average);
    free(max);
    free(x);
}

static void check_globals(const sn_kernels *k)
{
    static const size_t sizes[][3] = {{1, 49, 128}, {2, 49, 67}, {1, 1, 1},  {3, 65, 16}, {1, 12544, 5},
                                      {1, 400, 33}, {0, 49, 16}, {2, 0, 16}, {1, 49, 0}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (value_kind data = 0; data < VALUE_KINDS; data++) {
            check_global(k, sizes[i][0], sizes[i][1], sizes[i][2], data);
        }
    }
}

EACH_ISA(windows)
EACH_ISA(globals)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_globals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
