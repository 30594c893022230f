/* Winograd convolution against direct sums in double, for every instruction set, both tile sizes and both modes. */
#include "tests/kernels/kernel_test.h"

typedef struct layer {
    size_t images, channels, outputs, height, width;
    ptrdiff_t top, left, bottom, right; /* pads; negative: cropped */
} layer;

static const layer layers[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 1},      {1, 3, 5, 3, 3, 0, 0, 0, 0},    {2, 16, 32, 8, 8, 1, 1, 1, 1},
    {1, 17, 33, 9, 7, 1, 1, 1, 1},    {3, 5, 16, 6, 11, 0, 2, 1, 0},  {2, 40, 47, 5, 13, 2, 2, 2, 2},
    {1, 64, 64, 14, 14, 1, 1, 1, 1},  {1, 4, 3, 30, 2, 1, 1, 1, 1},   {5, 8, 65, 7, 7, 1, 1, 1, 1},
    {2, 19, 10, 12, 9, -1, 1, 1, -2}, {1, 2, 130, 5, 5, 6, 7, 3, 9},  {1, 512, 40, 7, 7, 1, 1, 1, 1},
    {0, 4, 4, 6, 6, 1, 1, 1, 1},      {1, 0, 4, 6, 6, 1, 1, 1, 1},    {1, 4, 0, 6, 6, 1, 1, 1, 1},
    {1, 4, 4, 2, 6, 0, 1, 0, 1},      {1, 1024, 8, 4, 5, 1, 1, 1, 1}, {1, 1020, 8, 4, 5, 1, 1, 1, 1},
    {1, 2048, 16, 7, 7, 1, 1, 1, 1},  {1, 33, 31, 40, 37, 1, 1, 1, 1}};

/* A layer with its data, all in memory of exactly the size that the kernel may touch, and odd distances in it. */
typedef struct problem {
    const sn_kernels *k;
    layer l;
    size_t out_height, out_width, pixels;
    size_t x_size, y_size;
    sn_image_window window;
    float *x, *kernel, *packed, *u, *bias, *scale, *residual;
    sn_winograd w;
} problem;

static sn_gemm_source source_of(const problem *p)
{
    /* kernel: [output][channel][tap] */
    return (sn_gemm_source){.b = p->kernel,
                            .taps = 9,
                            .kc = p->l.channels,
                            .n = p->l.outputs,
                            .tap_pitch = 1,
                            .channel_pitch = 9,
                            .column_pitch = (ptrdiff_t)(9 * p->l.channels)};
}

static size_t panels_of(const problem *p)
{
    return (p->l.outputs + p->k->gemm->nr - 1) / p->k->gemm->nr;
}

/* U in two calls. */
static float *transform_weights(const problem *p)
{
    float *u = poisoned_floats(p->k->winograd->weights_size(&p->w));
    size_t panels = panels_of(p);
    p->k->winograd->weights(&p->w, p->packed, u, panels / 2, panels);
    p->k->winograd->weights(&p->w, p->packed, u, 0, panels / 2);
    return u;
}

static problem make_problem(const sn_kernels *k, const layer *l, size_t side)
{
    problem p = {.k = k, .l = *l};
    ptrdiff_t height = (ptrdiff_t)l->height + l->top + l->bottom - 2,
              width = (ptrdiff_t)l->width + l->left + l->right - 2;
    p.out_height = height > 0 ? (size_t)height : 0;
    p.out_width = width > 0 ? (size_t)width : 0;
    p.pixels = l->images * p.out_height * p.out_width;
    const ptrdiff_t pitch = (ptrdiff_t)l->channels + 1, line = pitch * (ptrdiff_t)l->width + 3;
    const ptrdiff_t image = line * (ptrdiff_t)l->height + 5;
    size_t unused = 5 + 3 + 1; /* behind the last channel of the last pixel */
    p.x_size = l->images * l->channels > 0 ? l->images * (size_t)image - unused : 0;
    p.y_size = p.pixels * l->outputs > 0 ? (p.pixels - 1) * (l->outputs + 2) + l->outputs : 0;
    p.x = random_floats(p.x_size, 1);
    p.kernel = random_floats(l->outputs * l->channels * 9, 2);
    p.bias = random_floats(l->outputs, 3);
    p.scale = random_floats(l->outputs, 4);
    p.residual = random_floats(p.pixels * l->outputs, 5);
    p.window = (sn_image_window){.in = {1, (ptrdiff_t)l->height, (ptrdiff_t)l->width},
                                 .out = {1, (ptrdiff_t)p.out_height, (ptrdiff_t)p.out_width},
                                 .kernel = {1, 3, 3},
                                 .stride = {1, 1, 1},
                                 .dilation = {1, 1, 1},
                                 .pad = {0, l->top, l->left},
                                 .pitch = {image, line, pitch},
                                 .image = image};
    p.w = (sn_winograd){.side = side,
                        .conv = {.m = p.pixels,
                                 .n = l->outputs,
                                 .taps = 9,
                                 .kc = l->channels,
                                 .a = p.x,
                                 .c_row = l->outputs + 2,
                                 .epilogue = {.residual_row = l->outputs}}};
    p.packed = poisoned_floats(k->gemm->packed_size(9 * l->channels, l->outputs));
    sn_gemm_source s = source_of(&p);
    k->gemm->pack(&s, p.packed, 0, panels_of(&p));
    p.u = transform_weights(&p);
    p.w.conv.b = p.u;
    return p;
}

static void free_problem(problem *p)
{
    float *all[] = {p->x, p->kernel, p->packed, p->u, p->bias, p->scale, p->residual};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* By tiles, in parts that end at `cut` and everywhere. */
static float *by_tiles(problem *p, size_t cut)
{
    const sn_winograd_kernels *k = p->k->winograd;
    p->w.conv.window = &p->window;
    float *y = p->w.conv.c = poisoned_floats(p->y_size), *scratch = poisoned_floats(k->tiles_scratch(&p->w));
    size_t tiles = k->tiles(&p->w);
    k->run_tiles(&p->w, cut, tiles, scratch);
    k->run_tiles(&p->w, 0, cut, scratch);
    free(scratch);
    return y;
}

/* By panels, V in parts that end at tile `cut`, the rest in parts that end at panel `panel_cut`. */
static float *by_panels(problem *p, size_t cut, size_t panel_cut)
{
    const sn_winograd_kernels *k = p->k->winograd;
    p->w.conv.window = &p->window;
    float *y = p->w.conv.c = poisoned_floats(p->y_size), *scratch = poisoned_floats(k->panels_scratch(&p->w));
    float *v = poisoned_floats(k->input_size(&p->w));
    k->input(&p->w, v, cut, k->tiles(&p->w));
    k->input(&p->w, v, 0, cut);
    k->run_panels(&p->w, v, panel_cut, panels_of(p), scratch);
    k->run_panels(&p->w, v, 0, panel_cut, scratch);
    free(v);
    free(scratch);
    return y;
}

static double direct(const problem *p, size_t pixel, size_t output)
{
    const size_t channels = p->l.channels;
    size_t image = pixel / (p->out_height * p->out_width), x = pixel % p->out_width;
    size_t y = pixel / p->out_width % p->out_height;
    double sum = 0;
    for (ptrdiff_t tap = 0; tap < 9; tap++) {
        ptrdiff_t iy = (ptrdiff_t)y + tap / 3 - p->l.top, ix = (ptrdiff_t)x + tap % 3 - p->l.left;
        if (iy < 0 || iy >= p->window.in[1] || ix < 0 || ix >= p->window.in[2]) continue;
        const float *in = p->x + (ptrdiff_t)image * p->window.image + iy * p->window.pitch[1] + ix * p->window.pitch[2];
        for (size_t c = 0; c < channels; c++) {
            sum += (double)in[c] * p->kernel[(output * channels + c) * 9 + (size_t)tap];
        }
    }
    return sum;
}

static double finish(const problem *p, double x, size_t pixel, size_t output)
{
    const sn_epilogue *e = &p->w.conv.epilogue;
    if (e->scale) x *= e->scale[output];
    if (e->bias) x += e->bias[output];
    if (e->residual) x += e->residual[pixel * e->residual_row + output];
    if (e->activation.kind == SN_ACT_CLAMP) x = fmin(fmax(x, e->activation.alpha), e->activation.beta);
    if (e->activation.kind == SN_ACT_LEAKY_RELU && x < 0) x *= e->activation.alpha;
    return x;
}

/* The largest error, as a part of the largest sum; also that nothing is written between the rows. */
static double error_of(const problem *p, const float *y)
{
    double error = 0, largest = 1e-30;
    const size_t row = p->w.conv.c_row, pixels = p->y_size > 0 ? p->pixels : 0;
    for (size_t pixel = 0; pixel < pixels; pixel++) {
        for (size_t i = 0; i < p->l.outputs; i++) {
            double sum = direct(p, pixel, i), difference = fabs(y[pixel * row + i] - finish(p, sum, pixel, i));
            if (!(difference <= error)) error = difference; /* also when it is NaN */
            if (isnan(difference)) return NAN;
            largest = fmax(largest, fabs(sum));
        }
        for (size_t i = p->l.outputs; i < row && pixel + 1 < pixels; i++) assert_true(isnan(y[pixel * row + i]));
    }
    /* What the epilogue adds has errors of its own. */
    return error / fmax(largest, 1);
}

/* winograd.h's bounds. */
static double bound_of(const problem *p)
{
    return p->w.side == 4 ? 5e-6 : 1e-6;
}

static void check_values(problem *p, const char *what)
{
    float *y = by_tiles(p, 0);
    double error = error_of(p, y);
    if (!(error <= bound_of(p))) {
        fail_msg("%s, %s: F(%zu): error %.3g for %zu x %zu x %zu to %zu", p->k->isa, what, p->w.side, error,
                 p->l.height, p->l.width, p->l.channels, p->l.outputs);
    }
    /* However it is computed, every element is the same to the last bit. */
    size_t tiles = p->k->winograd->tiles(&p->w), panels = panels_of(p);
    float *others[] = {by_tiles(p, tiles / 2), by_tiles(p, tiles / 3), by_panels(p, 0, 0),
                       by_panels(p, tiles / 3, panels / 2), by_panels(p, tiles / 2, panels)};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        for (size_t j = 0; j < p->pixels; j++) {
            const size_t at = j * p->w.conv.c_row;
            assert_memory_equal(y + at, others[i] + at, p->l.outputs * sizeof *y);
        }
        free(others[i]);
    }
    free(y);
}

static void check_layers(const sn_kernels *k)
{
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        for (size_t side = 2; side <= 4; side += 2) {
            problem p = make_problem(k, &layers[i], side);
            check_values(&p, "plain");
            p.w.conv.next = p.u; /* what is asked for meanwhile changes nothing */
            p.w.conv.next_size = k->winograd->weights_size(&p.w);
            p.w.conv.epilogue.bias = p.bias;
            p.w.conv.epilogue.activation = (sn_activation){SN_ACT_CLAMP, 0, INFINITY};
            check_values(&p, "bias and relu");
            p.w.conv.epilogue.scale = p.scale;
            p.w.conv.epilogue.residual = p.residual;
            p.w.conv.epilogue.activation = (sn_activation){SN_ACT_CLAMP, -0.5f, 0.75f};
            check_values(&p, "scale, bias, residual and clamp");
            p.w.conv.epilogue.activation = (sn_activation){SN_ACT_LEAKY_RELU, 0.25f, 0};
            check_values(&p, "leaky relu");
            free_problem(&p);
        }
    }
}

EACH_ISA(layers)

/* An image's outputs are the same alone and in a batch. */
static void check_batch(const sn_kernels *k)
{
    static const layer batch = {4, 35, 50, 13, 10, 1, 1, 1, 1};
    for (size_t side = 2; side <= 4; side += 2) {
        problem p = make_problem(k, &batch, side);
        float *whole = by_tiles(&p, 0);
        const size_t pixels = p.out_height * p.out_width, row = p.w.conv.c_row;
        p.pixels = p.w.conv.m = pixels;
        p.y_size = (pixels - 1) * row + batch.outputs;
        for (size_t image = 0; image < batch.images; image++) {
            p.w.conv.a = p.x + (ptrdiff_t)image * p.window.image;
            float *y = image % 2 == 0 ? by_tiles(&p, 1) : by_panels(&p, 1, 1);
            for (size_t j = 0; j < pixels; j++) {
                assert_memory_equal(y + j * row, whole + (image * pixels + j) * row, batch.outputs * sizeof *y);
            }
            free(y);
        }
        free(whole);
        free_problem(&p);
    }
}

EACH_ISA(batch)

/* A kernel that is one tap only shifts the image: each of the nine against each border. */
static void check_shift(const sn_kernels *k)
{
    static const layer l = {1, 3, 3, 11, 10, 1, 1, 1, 1};
    for (size_t side = 2; side <= 4; side += 2) {
        for (size_t tap = 0; tap < 9; tap++) {
            problem p = make_problem(k, &l, side);
            memset(p.kernel, 0, 3 * 3 * 9 * sizeof *p.kernel);
            for (size_t c = 0; c < 3; c++) p.kernel[(c * 3 + c) * 9 + tap] = 1;
            sn_gemm_source s = source_of(&p);
            k->gemm->pack(&s, p.packed, 0, panels_of(&p));
            free(p.u);
            p.u = transform_weights(&p);
            p.w.conv.b = p.u;
            check_values(&p, "shift");
            free_problem(&p);
        }
    }
}

EACH_ISA(shift)

/* A power of two passes through all sums: large and small values lose nothing. */
static void check_scaled(const sn_kernels *k)
{
    static const layer l = {1, 20, 36, 9, 11, 1, 1, 1, 1};
    static const float factors[] = {0x1p100f, 0x1p-100f};
    for (size_t side = 2; side <= 4; side += 2) {
        for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
            problem p = make_problem(k, &l, side);
            float *y = by_tiles(&p, 0);
            for (size_t j = 0; j < p.x_size; j++) p.x[j] *= factors[i];
            float *scaled = by_tiles(&p, 0);
            for (size_t pixel = 0; pixel < p.pixels; pixel++) {
                for (size_t o = 0; o < l.outputs; o++) {
                    const size_t at = pixel * p.w.conv.c_row + o;
                    assert_true(scaled[at] == y[at] * factors[i]);
                }
            }
            free(y);
            free(scaled);
            free_problem(&p);
        }
    }
}

EACH_ISA(scaled)

/* NaN and Inf reach every output whose window has them, and only tiles that read them. */
static void check_not_finite(const sn_kernels *k)
{
    static const layer l = {1, 20, 36, 17, 15, 1, 1, 1, 1};
    static const float values[] = {NAN, INFINITY, -INFINITY};
    const ptrdiff_t row = 6, column = 9;
    for (size_t side = 2; side <= 4; side += 2) {
        for (size_t i = 0; i < 3; i++) {
            problem p = make_problem(k, &l, side);
            p.w.conv.epilogue.activation = (sn_activation){SN_ACT_CLAMP, -INFINITY, INFINITY};
            p.w.conv.epilogue.bias = p.bias;
            p.bias[35] = NAN;
            p.x[row * p.window.pitch[1] + column * p.window.pitch[2] + 19] = values[i];
            float *y = by_tiles(&p, 0), *panels = by_panels(&p, 5, 1);
            for (size_t pixel = 0; pixel < p.pixels; pixel++) {
                ptrdiff_t oy = (ptrdiff_t)(pixel / p.out_width), ox = (ptrdiff_t)(pixel % p.out_width);
                ptrdiff_t ty = oy / (ptrdiff_t)side * (ptrdiff_t)side, tx = ox / (ptrdiff_t)side * (ptrdiff_t)side;
                bool below = labs(oy - row) <= 1 && labs(ox - column) <= 1;
                bool in_tile =
                    row >= ty - 1 && row <= ty + (ptrdiff_t)side && column >= tx - 1 && column <= tx + (ptrdiff_t)side;
                for (size_t o = 0; o < l.outputs; o++) {
                    float value = y[pixel * p.w.conv.c_row + o], other = panels[pixel * p.w.conv.c_row + o];
                    assert_true(isnan(value) ? isnan(other) : value == other);
                    if (o == 35) {
                        assert_true(isnan(value));
                        continue;
                    }
                    if (below) assert_false(isfinite(value));
                    if (!in_tile) assert_true(isfinite(value));
                }
            }
            free(y);
            free(panels);
            free_problem(&p);
        }
    }
}

EACH_ISA(not_finite)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_layers), cmocka_unit_test(test_batch),
                                       cmocka_unit_test(test_shift), cmocka_unit_test(test_not_finite),
                                       cmocka_unit_test(test_scaled)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
