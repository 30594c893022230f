/* Moving elements, bit for bit, for every instruction set. */
#include "tests/kernels/kernel_test.h"

#include "base/alloc.h"

/* Any bits, signalling NaNs among them, in memory of exactly that size. */
static float *random_bits(size_t n, uint32_t seed)
{
    float *p = poisoned_floats(n);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = next_random(&seed) << 16 ^ next_random(&seed);
        if (i % 11 == 0) bits = 0x7f800001u + (bits & 0xffff);
        memcpy(&p[i], &bits, sizeof bits);
    }
    return p;
}

static void check_same(const float *got, const float *expected, const char *what, size_t at)
{
    if (memcmp(got, expected, sizeof *got) != 0) fail_msg("%s: element %zu differs", what, at);
}

/* Elements that lie between the pieces of a target keep the value that poisoned_floats gave them. */
static void check_gap(const float *got)
{
    float poison = NAN;
    check_same(got, &poison, "gap", 0);
}

/* ---------------------------------------------------------------------------------------------------- transpose */

static size_t span(size_t rows, size_t columns, size_t pitch)
{
    return rows > 0 && columns > 0 ? (rows - 1) * pitch + columns : 0;
}

/* Memory that begins with a cache line, as tensors do; malloc's large pieces never do. */
static float *poisoned_lines(size_t n)
{
    void *p = NULL;
    assert_int_equal(posix_memalign(&p, SN_ALIGNMENT, n > 0 ? n * sizeof(float) : 1), 0);
    for (size_t i = 0; i < n; i++) ((float *)p)[i] = NAN;
    return p;
}

/* To lines as a whole, and unit by unit to memory that is less aligned. */
static void check_transpose(const sn_kernels *k, size_t batch, size_t rows, size_t columns, size_t gap)
{
    sn_transpose t = {.batch = batch, .rows = rows, .columns = columns, .x_row = columns + gap, .y_row = rows + gap};
    t.x_batch = span(rows, columns, t.x_row) + gap;
    t.y_batch = span(columns, rows, t.y_row) + (batch > 1 ? gap / 2 : gap);
    const size_t y_size = span(batch, span(columns, rows, t.y_row), t.y_batch);
    float *x = random_bits(span(batch, span(rows, columns, t.x_row), t.x_batch), 1);
    float *y = poisoned_lines(y_size), *pieces = poisoned_floats(y_size);
    t.x = x;
    t.y = y;
    const size_t units = k->layout->transpose_units(&t);
    k->layout->transpose(&t, 0, units);
    for (size_t b = 0; b < batch; b++) {
        for (size_t j = 0; j < columns; j++) {
            for (size_t i = 0; i < rows; i++) {
                check_same(&y[b * t.y_batch + j * t.y_row + i], &x[b * t.x_batch + i * t.x_row + j], k->isa, j);
            }
            for (size_t i = rows; rows > 0 && i < t.y_row && j + 1 < columns; i++)
                check_gap(&y[b * t.y_batch + j * t.y_row + i]);
        }
    }
    t.y = pieces;
    for (size_t unit = units; unit > 0; unit--) k->layout->transpose(&t, unit - 1, unit);
    assert_memory_equal(y, pieces, y_size * sizeof *y);
    free(pieces);
    free(y);
    free(x);
}

static void check_transposes(const sn_kernels *k)
{
    static const size_t sizes[] = {0, 1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 33, 64, 67, 130};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            check_transpose(k, 1, sizes[i], sizes[j], 0);
            check_transpose(k, 2, sizes[i], sizes[j], 3);
        }
    }
    check_transpose(k, 2, 3, 3000, 0);
    check_transpose(k, 1, 3, 3000, 1);
    check_transpose(k, 1, 3000, 3, 0);
    check_transpose(k, 0, 5, 5, 0);
    /* Pitches of 4 KB: of the target, of the source, of both. */
    check_transpose(k, 1, 1000, 85, 24);
    check_transpose(k, 1, 85, 1000, 24);
    check_transpose(k, 2, 85, 85, 1024 - 85);
    /* Large: written past the caches where rows and images begin with lines. */
    check_transpose(k, 1, 1990, 1060, 10);
    check_transpose(k, 1, 1999, 1060, 10);
    check_transpose(k, 2, 1030, 1060, 10);
}

/* ---------------------------------------------------------------------------------------------------- copies */

static void check_copies(const sn_kernels *k)
{
    for (size_t columns = 0; columns < 600; columns = columns < 40 ? columns + 1 : 3 * columns) {
        sn_copy c = {.rows = 5, .columns = columns, .x_row = columns + 2, .y_row = columns + 7};
        float *x = random_bits(span(5, columns, c.x_row), 1), *y = poisoned_floats(span(5, columns, c.y_row));
        c.x = x;
        c.y = y;
        k->layout->copy(&c, 0, 2);
        k->layout->copy(&c, 2, 5);
        for (size_t i = 0; i < 5; i++) {
            for (size_t j = 0; j < columns; j++) check_same(&y[i * c.y_row + j], &x[i * c.x_row + j], k->isa, j);
            for (size_t j = columns; columns > 0 && i < 4 && j < c.y_row; j++) check_gap(&y[i * c.y_row + j]);
        }
        free(y);
        free(x);
    }
}

typedef struct padded_case {
    size_t images, channels, in[3], before[3], after[3];
} padded_case;

/* `gap`: elements between neighbouring positions (channels-last) or rows (channels-first) of x. */
static void check_padded(const sn_kernels *k, const padded_case *c, bool channels_last, size_t gap)
{
    sn_padded_copy p = {.images = c->images, .channels = c->channels};
    const size_t pixel = channels_last ? c->channels + gap : 1, width = c->in[2] + (channels_last ? 0 : gap);
    const size_t x_axis[] = {c->in[1] * width * pixel, width * pixel, pixel};
    size_t extent[3], y_size = c->images * c->channels;
    for (int a = 0; a < 3; a++) {
        p.in[a] = c->in[a];
        p.before[a] = c->before[a];
        p.after[a] = c->after[a];
        p.x_axis[a] = x_axis[a];
        extent[a] = c->before[a] + c->in[a] + c->after[a];
        y_size *= extent[a];
    }
    p.x_channel = channels_last ? 1 : c->in[0] * x_axis[0];
    p.x_image = channels_last ? c->in[0] * x_axis[0] : c->channels * p.x_channel;
    const size_t all = c->images * p.x_image;
    float *x = random_bits(all > gap ? all - gap : 0, 1), *y = poisoned_floats(y_size);
    const float zero = 0;
    p.x = x;
    p.y = y;
    const size_t rows = c->images * extent[0] * extent[1];
    k->layout->padded_copy(&p, rows / 2, rows);
    k->layout->padded_copy(&p, 0, rows / 2);
    for (size_t i = 0; i < y_size; i++) {
        size_t rest = i / c->channels, at[3], from = i % c->channels * p.x_channel;
        bool inside = true;
        for (int a = 2; a >= 0; a--) {
            at[a] = rest % extent[a] - c->before[a];
            rest /= extent[a];
            inside = inside && at[a] < c->in[a];
            from += at[a] * p.x_axis[a];
        }
        check_same(&y[i], inside ? &x[from + rest * p.x_image] : &zero, k->isa, i);
    }
    free(y);
    free(x);
}

static void check_padded_copies(const sn_kernels *k)
{
    static const padded_case cases[] = {
        {1, 3, {1, 9, 40}, {0, 3, 3}, {0, 3, 3}},  {2, 4, {1, 5, 33}, {0, 1, 0}, {0, 0, 2}},
        {1, 1, {1, 6, 20}, {0, 2, 2}, {0, 2, 2}},  {1, 19, {1, 3, 18}, {0, 1, 1}, {0, 1, 1}},
        {2, 3, {3, 4, 5}, {1, 2, 3}, {2, 1, 0}},   {1, 2, {1, 1, 300}, {0, 0, 15}, {0, 0, 15}},
        {1, 3, {1, 0, 5}, {0, 1, 1}, {0, 1, 1}},   {1, 0, {1, 2, 5}, {0, 1, 1}, {0, 1, 1}},
        {1, 64, {1, 4, 10}, {0, 1, 1}, {0, 1, 1}}, {0, 3, {1, 2, 5}, {0, 1, 1}, {0, 1, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t gap = 0; gap < 4; gap += 3) {
            check_padded(k, &cases[i], true, gap);
            check_padded(k, &cases[i], false, gap);
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- permutations */

static size_t count_written(const float *y, size_t n)
{
    const float poison = NAN;
    size_t written = 0;
    for (size_t i = 0; i < n; i++) written += memcmp(&y[i], &poison, sizeof poison) != 0;
    return written;
}

/* Axis a of y is axis order[a] of x, whose extents are `extent`. */
static void check_permutation(const sn_kernels *k, size_t axes, const size_t *extent, const size_t *order)
{
    sn_permutation p = {.axes = axes};
    size_t size = 1, y_stride = 1;
    ptrdiff_t x_stride[SN_PERMUTE_AXES];
    for (size_t a = axes; a-- > 0; size *= extent[a]) x_stride[a] = (ptrdiff_t)size;
    for (size_t a = axes; a-- > 0; y_stride *= p.extent[a]) {
        p.extent[a] = extent[order[a]];
        p.x_stride[a] = x_stride[order[a]];
        p.y_stride[a] = (ptrdiff_t)y_stride;
    }
    const sn_permutation plain = p;
    float *x = random_bits(size, 1), *y = poisoned_floats(size);
    p.x = x;
    p.y = y;
    k->layout->merge_axes(&p);
    assert_true(p.axes <= axes);
    const size_t units = k->layout->permute_units(&p);
    for (size_t unit = units, step; unit > 0; unit -= step) {
        step = unit % 3 + 1 < unit ? unit % 3 + 1 : unit;
        k->layout->permute(&p, unit - step, unit);
    }
    if (units > 1) { /* together two pieces write every element once */
        p.y = poisoned_floats(size);
        k->layout->permute(&p, 0, units / 2);
        size_t written = count_written(p.y, size);
        free(p.y);
        p.y = poisoned_floats(size);
        k->layout->permute(&p, units / 2, units);
        assert_int_equal(written + count_written(p.y, size), size);
        free(p.y);
    }
    for (size_t i = 0; i < size; i++) {
        size_t rest = i;
        ptrdiff_t from = 0;
        for (size_t a = axes; a-- > 0; rest /= plain.extent[a]) {
            from += (ptrdiff_t)(rest % plain.extent[a]) * plain.x_stride[a];
        }
        check_same(&y[i], &x[from], k->isa, i);
    }
    free(y);
    free(x);
}

/* Number `code` of all lists of axes; false when it names one twice. */
static bool read_order(size_t axes, size_t code, size_t *order)
{
    unsigned used = 0;
    for (size_t a = 0; a < axes; a++, code /= axes) {
        order[a] = code % axes;
        used |= 1u << order[a];
    }
    return used == (1u << axes) - 1;
}

static void check_permutations(const sn_kernels *k)
{
    static const struct {
        size_t axes, extent[SN_PERMUTE_AXES];
    } shapes[] = {{0, {0}},          {1, {70}},           {2, {40, 35}},          {3, {5, 1, 37}},
                  {3, {20, 18, 17}}, {4, {3, 20, 1, 17}}, {5, {2, 3, 18, 5, 20}}, {4, {3, 0, 4, 5}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t order[SN_PERMUTE_AXES], codes = 1;
        for (size_t a = 0; a < shapes[i].axes; a++) codes *= shapes[i].axes;
        for (size_t code = 0; code < codes; code++) {
            if (read_order(shapes[i].axes, code, order)) {
                check_permutation(k, shapes[i].axes, shapes[i].extent, order);
            }
        }
    }
}

/* A slice whose steps run backwards, of an axis that is repeated. */
static void check_strides(const sn_kernels *k)
{
    float *x = random_bits(12, 1), *y = poisoned_floats(4 * 6);
    sn_permutation p = {2, {4, 6}, {0, -2}, {6, 1}, x + 11, y};
    k->layout->merge_axes(&p);
    k->layout->permute(&p, 0, k->layout->permute_units(&p));
    for (size_t i = 0; i < 4 * 6; i++) check_same(&y[i], &x[11 - 2 * (i % 6)], k->isa, i);
    free(y);
    free(x);
}

EACH_ISA(transposes)
EACH_ISA(copies)
EACH_ISA(padded_copies)
EACH_ISA(permutations)
EACH_ISA(strides)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transposes),   cmocka_unit_test(test_copies),  cmocka_unit_test(test_padded_copies),
        cmocka_unit_test(test_permutations), cmocka_unit_test(test_strides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
