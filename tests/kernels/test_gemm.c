/*
 * The product against sums in double, for every instruction set: matrices and convolutions with sizes around the edges
 * of tiles and blocks, packing from any order, epilogues, and that neither the split of the work nor the batch shows in
 * a single bit. All memory is exactly as large as it must be, and A and C lie in the middle of a cache line.
 */
#include "tests/kernels/kernel_test.h"

static const sn_gemm_kernels *gemm;

static size_t panels_of(size_t n)
{
    return (n + gemm->nr - 1) / gemm->nr;
}

/* B as a matrix [k][n], packed. */
static float *packed_matrix(const float *b, size_t k, size_t n)
{
    sn_gemm_source s = {.b = b, .taps = 1, .kc = k, .n = n, .channel_pitch = (ptrdiff_t)n, .column_pitch = 1};
    float *packed = poisoned_floats(gemm->packed_size(k, n));
    gemm->pack(&s, packed, 0, panels_of(n));
    return packed;
}

typedef struct tensors {
    float *a, *b, *packed, *scale, *bias, *residual, *zeros;
} tensors;

static void free_tensors(tensors *t)
{
    float *all[] = {t->a, t->b, t->packed, t->scale, t->bias, t->residual, t->zeros};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* The A that row m multiplies channel c of a tap with. */
static double element_of_a(const sn_gemm *g, size_t m, size_t tap, size_t c)
{
    const sn_image_window *w = g->window;
    if (!w) return g->a[m * g->a_row + c];
    ptrdiff_t rest = (ptrdiff_t)m, tap_rest = (ptrdiff_t)tap, offset = 0;
    for (int axis = SN_WINDOW_AXES - 1; axis >= 0; axis--) {
        ptrdiff_t o = rest % w->out[axis], t = tap_rest % w->kernel[axis];
        ptrdiff_t at = o * w->stride[axis] + t * w->dilation[axis] - w->pad[axis];
        if (at < 0 || at >= w->in[axis]) return 0;
        offset += at * w->pitch[axis];
        rest /= w->out[axis];
        tap_rest /= w->kernel[axis];
    }
    return g->a[rest * w->image + offset + (ptrdiff_t)c];
}

/* Every `step`-th element of C. */
static void check_product(const sn_gemm *g, const float *b, size_t step, const char *what)
{
    const sn_epilogue *e = &g->epilogue;
    for (size_t at = 0; at < g->m * g->n; at += step) {
        size_t i = at / g->n, j = at % g->n;
        double sum = 0, magnitude = 0;
        for (size_t k = 0; k < g->taps * g->kc; k++) {
            double x = element_of_a(g, i, k / g->kc, k % g->kc) * b[k * g->n + j];
            sum += x;
            magnitude += fabs(x);
        }
        double scale = e->scale ? e->scale[j] : 1, bias = e->bias ? e->bias[j] : 0,
               residual = e->residual ? e->residual[i * e->residual_row + j] : 0;
        double y = sum * scale + bias + residual;
        if (e->activation.kind == SN_ACT_CLAMP && !isnan(y)) y = fmin(fmax(y, e->activation.alpha), e->activation.beta);
        check_result(g->c[i * g->c_row + j], y, magnitude * fabs(scale) + fabs(bias) + fabs(residual), what, at);
    }
}

/* The rectangles that two cuts leave, into a fresh C whose rows are c_row apart. */
static float *run_cut(sn_gemm g, size_t m_cut, size_t panel_cut)
{
    size_t rows[] = {0, m_cut, g.m}, panels[] = {0, panel_cut, panels_of(g.n)};
    g.c = poisoned_floats(g.m * g.c_row);
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) gemm->run(&g, rows[i], rows[i + 1], panels[j], panels[j + 1]);
    }
    return g.c;
}

static void check_same_values(const float *got, const float *expected, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!same_float(got[i], expected[i])) {
            fail_msg("element %zu is %.9g in a cut, %.9g in the whole", i, (double)got[i], (double)expected[i]);
        }
    }
}

/* Checks g, all of it and in several cuts; g->c is not used. */
static void check_cuts(const sn_gemm *g, const float *b, size_t step, const char *what)
{
    size_t panels = panels_of(g->n);
    const size_t cuts[][2] = {{1, 0}, {g->m / 3, panels / 2}, {g->m / 2, 1}, {g->m - g->m / 7, panels - panels / 4}};
    sn_gemm whole = *g;
    whole.c = run_cut(*g, g->m, panels);
    check_product(&whole, b, step, what);
    for (size_t i = 0; i < g->m; i++) { /* what lies between the rows is not touched */
        for (size_t j = g->n; j < g->c_row; j++) assert_true(isnan(whole.c[i * g->c_row + j]));
    }
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        if (cuts[i][0] > g->m || cuts[i][1] > panels) continue;
        float *cut = run_cut(*g, cuts[i][0], cuts[i][1]);
        check_same_values(cut, whole.c, g->m * g->c_row);
        free(cut);
    }
    free(whole.c);
}

/* ---------------------------------------------------------------------------------------------------- matrices */

typedef struct matrix_case {
    size_t m, n, k;
} matrix_case;

static const matrix_case matrices[] = {
    {1, 1, 1},     {1, 5, 3},      {3, 7, 9},       {2, 1000, 33},  {4, 32, 16},   {14, 32, 256},  {15, 33, 257},
    {16, 31, 512}, {29, 65, 1},    {5, 300, 40},    {33, 49, 513},  {7, 17, 0},    {1, 2050, 70},  {0, 4, 4},
    {4, 0, 4},     {13, 15, 600},  {1, 130, 2048},  {2, 130, 1024}, {3, 131, 385}, {49, 96, 1024}, {23, 24, 768},
    {70, 8, 384},  {197, 37, 100}, {12, 520, 1153}, {6, 16, 2},     {1, 3, 0},     {18, 4, 37},
};

enum { SCALE = 1, BIAS = 2, RESIDUAL = 4, CLAMP = 8, ALL = 15 };

static void set_epilogue(sn_gemm *g, tensors *t, unsigned which, size_t n, value_kind data)
{
    t->scale = random_floats(n, 4);
    t->bias = random_floats(n, 5);
    t->residual = random_floats(g->m * (n + 3), 6);
    make_weights(t->scale, n, data);
    make_values(t->bias, n, data);
    make_values(t->residual, g->m * (n + 3), data);
    if (which & SCALE) g->epilogue.scale = t->scale;
    if (which & BIAS) g->epilogue.bias = t->bias;
    if (which & RESIDUAL) g->epilogue.residual = t->residual;
    g->epilogue.residual_row = n + 3;
    if (which & CLAMP) g->epilogue.activation = (sn_activation){SN_ACT_CLAMP, -0.25f, 0.75f};
}

static void check_matrix_of(value_kind data, const matrix_case *x, unsigned epilogue, size_t more)
{
    tensors t = {.a = random_floats(1 + x->m * (x->k + more), 1), .b = random_floats(x->k * x->n, 2)};
    make_values(t.a, 1 + x->m * (x->k + more), data);
    make_weights(t.b, x->k * x->n, data);
    t.packed = packed_matrix(t.b, x->k, x->n);
    sn_gemm g = {.m = x->m, .n = x->n, .taps = 1, .kc = x->k, .a = t.a + 1, .a_row = x->k + more, .b = t.packed};
    g.c_row = x->n + more;
    set_epilogue(&g, &t, epilogue, x->n, data);
    check_cuts(&g, t.b, 1, "matrix");
    free_tensors(&t);
}

static void check_matrix(const matrix_case *x, unsigned epilogue, size_t more)
{
    check_matrix_of(DATA_RANDOM, x, epilogue, more);
}

static void check_matrices(const sn_kernels *k)
{
    gemm = k->gemm;
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
        check_matrix(&matrices[i], (unsigned)i % (ALL + 1), i % 3);
        check_matrix(&matrices[i], ALL, 0);
    }
    for (unsigned epilogue = 0; epilogue <= ALL; epilogue++) {
        check_matrix(&(matrix_case){17, 45, 391}, epilogue, 5);
        check_matrix(&(matrix_case){3, 77, 20}, epilogue, 0);
    }
}

/* Few and many rows, one block of k and several. Rows and columns without anything special stay finite: most are. */
static void check_data(const sn_kernels *k)
{
    static const matrix_case few[] = {{2, 45, 30}, {16, 45, 30}, {2, 45, 1100}, {16, 45, 1100}, {1, 200, 3}};
    gemm = k->gemm;
    for (size_t i = 0; i < sizeof few / sizeof *few; i++) {
        for (value_kind data = DATA_SPECIAL; data < VALUE_KINDS; data++) {
            check_matrix_of(data, &few[i], 0, 11);
            check_matrix_of(data, &few[i], ALL & ~CLAMP, 0);
            check_matrix_of(data, &few[i], ALL, 1);
        }
    }
}

/* Every height of a tile, every width of the last panel. */
static void check_edges(const sn_kernels *k)
{
    gemm = k->gemm;
    for (size_t m = 1; m <= 2 * gemm->mr + 1; m++) check_matrix(&(matrix_case){m, gemm->nr + 3, 5}, ALL, 1);
    for (size_t n = 1; n <= 2 * gemm->nr + 1; n++) check_matrix(&(matrix_case){gemm->mr, n, 5}, ALL, 0);
    for (size_t n = 1; n <= 5 * gemm->nr + 1; n += 3) check_matrix(&(matrix_case){1 + n % 3, n, 390}, ALL, 0);
}

/* Row i of a product of many rows is what it is alone: a batched answer equals the single one. */
static void check_batch(const sn_kernels *k)
{
    enum { M = 37, N = 165, K = 1031 };
    gemm = k->gemm;
    float *a = random_floats(M * K, 3), *b = random_floats(K * N, 4), *packed = packed_matrix(b, K, N);
    sn_gemm g = {.m = M, .n = N, .taps = 1, .kc = K, .a = a, .a_row = K, .b = packed, .c_row = N};
    float *all = run_cut(g, M, panels_of(N));
    for (size_t rows = 1; rows <= 5; rows++) {
        for (size_t i = 0; i + rows <= M; i++) {
            sn_gemm some = g;
            some.m = rows;
            some.a = a + i * K;
            float *c = run_cut(some, rows, panels_of(N));
            assert_memory_equal(c, all + i * N, rows * N * sizeof *c);
            free(c);
        }
    }
    free(a);
    free(b);
    free(packed);
    free(all);
}

/* ---------------------------------------------------------------------------------------------------- windows */

typedef struct window_case {
    size_t batch, kc, n;
    sn_image_window w; /* pitch[2]: floats beyond the channels; pitch[0], pitch[1]: beyond the row, the plane */
} window_case;

static const window_case windows[] = {
    /* 1x1, 3x3, strides, 5x5, 7x7 */
    {1, 64, 33, {{1, 5, 6}, {1, 5, 6}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}, 0, NULL}},
    {2, 16, 32, {{1, 9, 8}, {1, 9, 8}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 0, 0}, 0, NULL}},
    {1, 500, 17, {{1, 7, 7}, {1, 7, 7}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 0, 0}, 0, NULL}},
    {3, 7, 20, {{1, 11, 10}, {1, 6, 5}, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 3, 2}, 5, NULL}},
    {1, 130, 40, {{1, 6, 9}, {1, 6, 9}, {1, 5, 5}, {1, 1, 1}, {1, 1, 1}, {0, 2, 2}, {0, 0, 0}, 0, NULL}},
    {1, 3, 64, {{1, 20, 20}, {1, 10, 10}, {1, 7, 7}, {1, 2, 2}, {1, 1, 1}, {0, 3, 3}, {0, 0, 0}, 0, NULL}},
    {2, 1, 5, {{1, 17, 19}, {1, 17, 19}, {1, 11, 13}, {1, 1, 1}, {1, 1, 1}, {0, 5, 6}, {0, 0, 0}, 0, NULL}},
    /* dilated, cropped, 1-D, 3-D, an image smaller than the window, all of it padding */
    {1, 24, 48, {{1, 12, 12}, {1, 12, 12}, {1, 3, 3}, {1, 1, 1}, {1, 2, 3}, {0, 2, 3}, {0, 0, 1}, 0, NULL}},
    {1, 9, 11, {{1, 12, 13}, {1, 3, 4}, {1, 2, 3}, {1, 3, 2}, {1, 1, 1}, {0, -2, -3}, {0, 0, 0}, 0, NULL}},
    {2, 40, 9, {{1, 1, 50}, {1, 1, 24}, {1, 1, 5}, {1, 1, 2}, {1, 1, 1}, {0, 0, 1}, {0, 0, 0}, 7, NULL}},
    {2, 13, 21, {{5, 4, 6}, {3, 4, 3}, {3, 3, 3}, {2, 1, 2}, {1, 1, 1}, {1, 1, 1}, {2, 1, 3}, 4, NULL}},
    {1, 10, 12, {{1, 2, 2}, {1, 2, 2}, {1, 7, 7}, {1, 1, 1}, {1, 1, 1}, {0, 3, 3}, {0, 0, 0}, 0, NULL}},
    {1, 6, 6, {{1, 3, 3}, {1, 9, 9}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 3, 3}, {0, 0, 0}, 0, NULL}},
    {1, 20, 30, {{0, 0, 0}, {1, 2, 3}, {1, 2, 2}, {1, 1, 1}, {1, 1, 1}, {1, 2, 3}, {0, 0, 0}, 0, NULL}},
    /* rows that are 4096 bytes apart; no channels */
    {1, 1024, 70, {{1, 6, 5}, {1, 6, 5}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}, 0, NULL}},
    {1, 512, 70, {{1, 9, 9}, {1, 5, 5}, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 0, 0}, 0, NULL}},
    /* several pieces of each tap */
    {1, 1100, 9, {{1, 3, 4}, {1, 3, 4}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 0, 0}, 0, NULL}},
    {1, 0, 8, {{1, 4, 4}, {1, 4, 4}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 0, 0}, 0, NULL}},
};

static void check_window(const window_case *x, unsigned epilogue, value_kind data)
{
    sn_image_window w = x->w;
    w.pitch[2] += (ptrdiff_t)x->kc;
    w.pitch[1] += w.in[2] * w.pitch[2];
    w.pitch[0] += w.in[1] * w.pitch[1];
    w.image += w.in[0] * w.pitch[0];
    size_t taps = (size_t)(w.kernel[0] * w.kernel[1] * w.kernel[2]), k = taps * x->kc;
    size_t readable = x->batch * (size_t)w.image;
    if (readable > 0) { /* up to the last channel of the last pixel */
        readable = (x->batch - 1) * (size_t)w.image + x->kc;
        for (int axis = 0; axis < SN_WINDOW_AXES; axis++) readable += (size_t)((w.in[axis] - 1) * w.pitch[axis]);
    }
    tensors t = {.a = random_floats(readable, 1), .b = random_floats(k * x->n, 2), .zeros = poisoned_floats(x->kc)};
    if (x->kc > 0) memset(t.zeros, 0, x->kc * sizeof *t.zeros);
    w.zeros = t.zeros;
    make_values(t.a, readable, data);
    make_weights(t.b, k * x->n, data);
    t.packed = packed_matrix(t.b, k, x->n);
    sn_gemm g = {.n = x->n, .taps = taps, .kc = x->kc, .a = t.a, .window = &w, .b = t.packed, .c_row = x->n};
    g.m = x->batch * (size_t)(w.out[0] * w.out[1] * w.out[2]);
    set_epilogue(&g, &t, epilogue, x->n, data);
    check_cuts(&g, t.b, 3, "window");
    free_tensors(&t);
}

static void check_windows(const sn_kernels *k)
{
    gemm = k->gemm;
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        check_window(&windows[i], 0, DATA_RANDOM);
        check_window(&windows[i], ALL, DATA_RANDOM);
        for (value_kind data = DATA_SPECIAL; data < VALUE_KINDS; data++) check_window(&windows[i], RESIDUAL, data);
    }
}

/* ---------------------------------------------------------------------------------------------------- lines of C */

static size_t line_at(const sn_gemm *g, size_t row)
{
    const ptrdiff_t *out = g->window->out;
    size_t w = row % (size_t)out[2], line = row / (size_t)out[2];
    size_t h = line % (size_t)out[1], plane = line / (size_t)out[1];
    return plane / (size_t)out[0] * g->lines->image + plane % (size_t)out[0] * g->lines->depth + h * g->lines->height +
           w * g->c_row;
}

/* With gaps between lines, planes and images C is what it is without, and the gaps are left alone. */
static void check_lines_of(const window_case *x, const sn_activation *activation)
{
    sn_image_window w = x->w;
    w.pitch[2] += (ptrdiff_t)x->kc;
    w.pitch[1] += w.in[2] * w.pitch[2];
    w.pitch[0] += w.in[1] * w.pitch[1];
    w.image += w.in[0] * w.pitch[0];
    size_t taps = (size_t)(w.kernel[0] * w.kernel[1] * w.kernel[2]), k = taps * x->kc, n = x->n;
    tensors t = {.a = random_floats(x->batch * (size_t)w.image, 1), .b = random_floats(k * n, 2)};
    w.zeros = t.zeros = calloc(x->kc + 1, sizeof *t.zeros);
    t.packed = packed_matrix(t.b, k, n);
    t.bias = random_floats(n, 3);
    sn_gemm g = {.n = n, .taps = taps, .kc = x->kc, .a = t.a, .window = &w, .b = t.packed, .c_row = n + 2};
    g.m = x->batch * (size_t)(w.out[0] * w.out[1] * w.out[2]);
    sn_gemm_lines lines = {.height = (size_t)w.out[2] * g.c_row + 5};
    lines.depth = (size_t)w.out[1] * lines.height + 7;
    lines.image = (size_t)w.out[0] * lines.depth + 3;
    sn_gemm dense = g;
    g.lines = &lines;
    size_t size = line_at(&g, g.m - 1) + n;
    t.residual = random_floats(size, 4);
    g.epilogue =
        (sn_epilogue){.bias = t.bias, .residual = t.residual, .residual_row = g.c_row, .activation = *activation};
    float *residual = poisoned_floats(g.m * n), *expected = poisoned_floats(size);
    for (size_t i = 0; i < g.m; i++) memcpy(residual + i * n, t.residual + line_at(&g, i), n * sizeof *residual);
    dense.epilogue = g.epilogue;
    dense.epilogue.residual = residual;
    dense.epilogue.residual_row = n;
    dense.c = run_cut(dense, g.m, panels_of(n));
    for (size_t i = 0; i < g.m; i++) {
        memcpy(expected + line_at(&g, i), dense.c + i * dense.c_row, n * sizeof *expected);
    }
    for (size_t cut = 0; cut <= g.m; cut += 1 + g.m / 5) {
        g.c = poisoned_floats(size);
        gemm->run(&g, 0, cut, 0, panels_of(n));
        gemm->run(&g, cut, g.m, 0, panels_of(n) / 2);
        gemm->run(&g, cut, g.m, panels_of(n) / 2, panels_of(n));
        assert_memory_equal(g.c, expected, size * sizeof *expected);
        free(g.c);
    }
    free(dense.c);
    free(residual);
    free(expected);
    free_tensors(&t);
}

static void check_lines(const sn_kernels *k)
{
    gemm = k->gemm;
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        check_lines_of(&windows[i], &(sn_activation){SN_ACT_CLAMP, -0.25f, 0.75f});
        check_lines_of(&windows[i], &(sn_activation){SN_ACT_LEAKY_RELU, 0.5f, 0});
    }
}

/* ---------------------------------------------------------------------------------------------------- epilogues */

/* NaN and infinities pass as the formula says, whatever the path: clamp(NaN) is NaN. */
static void check_special(const sn_kernels *k)
{
    enum { M = 16, N = 45, K = 400 };
    gemm = k->gemm;
    float *a = random_floats(M * K, 1), *b = random_floats(K * N, 2), *packed = packed_matrix(b, K, N), *c;
    sn_gemm g = {.m = M, .n = N, .taps = 1, .kc = K, .a = a, .a_row = K, .b = packed, .c_row = N};
    g.epilogue.activation = (sn_activation){SN_ACT_CLAMP, 0, INFINITY};
    a[3 * K + 390] = NAN;
    a[4 * K + 1] = INFINITY;
    a[5 * K + 2] = 3e38f;
    a[5 * K + 3] = 3e38f;
    c = run_cut(g, M, panels_of(N));
    for (size_t j = 0; j < N; j++) {
        assert_true(isnan(c[3 * N + j]));
        assert_true(c[4 * N + j] == (b[N + j] > 0 ? INFINITY : 0));
        const double large = 3e38 * ((double)b[2 * N + j] + (double)b[3 * N + j]); /* beside it the rest is nothing */
        check_result(c[5 * N + j], (float)fmax(large, 0), 6e38, k->isa, j);
        for (size_t i = 6; i < M; i++) assert_true(c[i * N + j] >= 0 && c[i * N + j] < INFINITY);
    }
    free(c);
    /* NaN from bias and residual; a clamp to one value. */
    float *bias = random_floats(N, 3), *residual = random_floats(M * N, 4);
    bias[44] = NAN;
    residual[7 * N + 40] = NAN;
    g.epilogue = (sn_epilogue){.bias = bias, .residual = residual, .residual_row = N};
    g.epilogue.activation = (sn_activation){SN_ACT_CLAMP, 1, 1};
    c = run_cut(g, M, panels_of(N));
    for (size_t i = 6; i < M; i++) {
        for (size_t j = 0; j < N; j++) {
            if (j == 44 || (i == 7 && j == 40))
                assert_true(isnan(c[i * N + j]));
            else
                assert_true(c[i * N + j] == 1);
        }
    }
    float *all[] = {a, b, packed, c, bias, residual};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* Other activations are exactly those of their own kernel, on the same sums. */
static void check_activations(const sn_kernels *k)
{
    enum { M = 31, N = 77, K = 777 };
    gemm = k->gemm;
    float *a = random_floats(M * K, 1), *b = random_floats(K * N, 2), *packed = packed_matrix(b, K, N);
    sn_gemm g = {.m = M, .n = N, .taps = 1, .kc = K, .a = a, .a_row = K, .b = packed, .c_row = N};
    float *sums = run_cut(g, M, panels_of(N));
    for (int kind = SN_ACT_LEAKY_RELU; kind < SN_ACT_COUNT; kind++) {
        float *expected = poisoned_floats(M * N);
        memcpy(expected, sums, M * N * sizeof *sums);
        g.epilogue.activation = (sn_activation){(sn_activation_kind)kind, 0.5f, 0.25f};
        k->activation->apply(&g.epilogue.activation, expected, M, N, N);
        float *c = run_cut(g, M / 3, panels_of(N) / 2);
        assert_memory_equal(c, expected, M * N * sizeof *c);
        free(c);
        free(expected);
    }
    free(a);
    free(b);
    free(packed);
    free(sums);
}

/* Asking for the next weights changes nothing. */
static void check_next(const sn_kernels *k)
{
    enum { M = 20, N = 70, K = 500 };
    gemm = k->gemm;
    float *a = random_floats(M * K, 1), *b = random_floats(K * N, 2), *packed = packed_matrix(b, K, N);
    float *next = random_floats(100, 3);
    sn_gemm g = {.m = M, .n = N, .taps = 1, .kc = K, .a = a, .a_row = K, .b = packed, .c_row = N};
    float *without = run_cut(g, M, panels_of(N));
    g.next = next;
    for (g.next_size = 0; g.next_size <= 100; g.next_size += 50) {
        float *with = run_cut(g, M, panels_of(N));
        assert_memory_equal(with, without, M * N * sizeof *with);
        free(with);
    }
    float *all[] = {a, b, packed, next, without};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* ---------------------------------------------------------------------------------------------------- packing */

/* The same B [taps][kc][n] in several orders: position of (tap, channel, column) by pitches. */
static void check_pack_of(size_t taps, size_t kc, size_t n)
{
    const ptrdiff_t t = (ptrdiff_t)taps, c = (ptrdiff_t)kc, o = (ptrdiff_t)n;
    const ptrdiff_t orders[][3] = {
        {c * o, o, 1},               /* [taps][in][out] */
        {1, t, c * t},               /* [out][in][taps] */
        {c, 1, c * t},               /* [out][taps][in] */
        {1, o * t, t},               /* [in][out][taps] */
        {2 * c * (o + 3), o + 3, 1}, /* with gaps */
        {3 * c, 3, 3 * c * t},
    };
    const size_t k = taps * kc, size = gemm->packed_size(k, n);
    assert_true(size <= k * panels_of(n) * gemm->nr);
    for (size_t order = 0; order < sizeof orders / sizeof *orders; order++) {
        sn_gemm_source s = {.taps = taps,
                            .kc = kc,
                            .n = n,
                            .tap_pitch = orders[order][0],
                            .channel_pitch = orders[order][1],
                            .column_pitch = orders[order][2]};
        size_t elements = 0;
        if (k * n > 0)
            elements = (size_t)((t - 1) * s.tap_pitch + (c - 1) * s.channel_pitch + (o - 1) * s.column_pitch) + 1;
        float *b = random_floats(elements, (uint32_t)(k + n)), *packed = poisoned_floats(size),
              *back = poisoned_floats(elements);
        s.b = b;
        for (size_t panel = panels_of(n); panel-- > 0;) gemm->pack(&s, packed, panel, panel + 1);
        size_t at = 0;
        for (size_t panel = 0; panel < panels_of(n); panel++) {
            size_t left = n - panel * gemm->nr, width = left <= gemm->nr / 2 ? gemm->nr / 2 : gemm->nr;
            for (size_t line = 0; line < k; line++) {
                for (size_t column = 0; column < width; column++, at++) {
                    ptrdiff_t from = (ptrdiff_t)(line / kc) * s.tap_pitch + (ptrdiff_t)(line % kc) * s.channel_pitch +
                                     (ptrdiff_t)(panel * gemm->nr + column) * s.column_pitch;
                    assert_true(packed[at] == (column < left ? b[from] : 0));
                }
            }
        }
        assert_int_equal(at, size);
        gemm->unpack(&s, packed, back);
        for (size_t i = 0; i < elements; i++) assert_true(back[i] == b[i] || (isnan(back[i]) && order >= 4));
        free(b);
        free(packed);
        free(back);
    }
}

/* One source a tap, whose lines are in another order than the taps. */
static void check_pack_by_taps(size_t taps, size_t kc, size_t n)
{
    const size_t size = gemm->packed_size(taps * kc, n);
    float *b = random_floats(taps * kc * n, 5), *all = poisoned_floats(size), *by_taps = poisoned_floats(size);
    float *back = poisoned_floats(taps * kc * n);
    sn_gemm_source s = {.b = b + (taps - 1) * kc * n,
                        .taps = taps,
                        .kc = kc,
                        .n = n,
                        .tap_pitch = -(ptrdiff_t)(kc * n),
                        .channel_pitch = (ptrdiff_t)n,
                        .column_pitch = 1};
    gemm->pack(&s, all, 0, panels_of(n));
    s.taps = 1;
    s.lines = taps * kc;
    for (size_t tap = 0; tap < taps; tap++) {
        s.b = b + tap * kc * n;
        s.line = (taps - 1 - tap) * kc;
        gemm->pack(&s, by_taps, 0, panels_of(n));
        gemm->unpack(&s, by_taps, back + tap * kc * n);
    }
    assert_memory_equal(by_taps, all, size * sizeof *all);
    assert_memory_equal(back, b, taps * kc * n * sizeof *b);
    free(b);
    free(all);
    free(by_taps);
    free(back);
}

static void check_pack(const sn_kernels *k)
{
    gemm = k->gemm;
    for (size_t n = 1; n <= 2 * gemm->nr + 1; n++) check_pack_of(9, 5, n);
    check_pack_of(1, 300, 100);
    check_pack_of(9, 130, 40);
    check_pack_of(49, 3, 64);
    check_pack_of(150, 1, 20);
    check_pack_of(1, 0, 20);
    check_pack_of(0, 7, 20);
    check_pack_of(4, 7, 0);
    for (size_t n = 1; n <= 2 * gemm->nr + 1; n++) check_pack_by_taps(3, 5, n);
}

EACH_ISA(matrices)
EACH_ISA(data)
EACH_ISA(edges)
EACH_ISA(batch)
EACH_ISA(windows)
EACH_ISA(lines)
EACH_ISA(special)
EACH_ISA(activations)
EACH_ISA(next)
EACH_ISA(pack)

static void test_choice(void **state)
{
    (void)state;
    assert_non_null(sn_kernels_named("baseline"));
    assert_null(sn_kernels_named("no such set"));
    setenv("SINTER_ISA", "baseline", 1);
    assert_string_equal(sn_kernels_get()->isa, "baseline");
    setenv("SINTER_ISA", "nonsense", 1);
    const sn_kernels *any = sn_kernels_get();
    unsetenv("SINTER_ISA");
    assert_ptr_equal(sn_kernels_get(), any);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrices),    cmocka_unit_test(test_edges), cmocka_unit_test(test_batch),
        cmocka_unit_test(test_windows),     cmocka_unit_test(test_lines), cmocka_unit_test(test_special),
        cmocka_unit_test(test_activations), cmocka_unit_test(test_next),  cmocka_unit_test(test_pack),
        cmocka_unit_test(test_choice),      cmocka_unit_test(test_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
