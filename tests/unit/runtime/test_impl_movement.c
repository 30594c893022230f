/* Transpose, Concat and Split of the runtime against their references: see compare_sessions.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/runtime/impl_cases.h"

/* An image, plain or, as a convolution gives it, channels last. */
static sn_value_id image(sn_model *m, const char *name, const int64_t *dims, size_t rank, bool channels_last)
{
    sn_value_id v = batch_input(m, name, dims, rank);
    return channels_last ? pointwise(m, v, dims[1], dims[1], 2) : v;
}

/* ---------------------------------------------------------------------------------------------------- Transpose */

typedef struct transpose_model {
    int64_t perm[4];
    bool channels_last, words; /* of integers instead of floats */
} transpose_model;

static sn_model *build_transpose(const void *context)
{
    const transpose_model *x = context;
    sn_model *m = new_model(17);
    sn_value_id v = image(m, "x", INTS(N_ROWS, 24, 7, 9), x->channels_last);
    if (x->words) {
        v = op(m, "Cast", IDS(v));
        attr_int(m, "to", SINTER_INT32);
    }
    v = op(m, "Transpose", IDS(v));
    attr_ints(m, "perm", x->perm, 4);
    if (x->words) {
        v = op(m, "Cast", IDS(v));
        attr_int(m, "to", SINTER_FLOAT);
    }
    output(m, v);
    return m;
}

static void test_transpose(void **state)
{
    (void)state;
    for (int i = 0; i < 4 * 4 * 4 * 4 * 3; i++) {
        transpose_model x = {{i / 3 % 4, i / 12 % 4, i / 48 % 4, i / 192}, i % 3 == 1, i % 3 == 2};
        int seen = 0;
        for (int k = 0; k < 4; k++) seen |= 1 << x.perm[k];
        if (seen != 15 || x.perm[0] != 0) continue; /* rows of the batch stay in front */
        snprintf(label, sizeof label, "Transpose number %d", i);
        check_model(build_transpose, &x,
                    runs_as("%sTranspose=transpose%s",
                            x.channels_last ? "Conv=conv "
                            : x.words       ? "Cast=reference "
                                            : "",
                            x.words ? " Cast=reference" : ""));
    }
}

static sn_model *build_reversal(const void *context)
{
    const int *rank = context;
    sn_model *m = new_model(17);
    int64_t dims[SINTER_MAX_RANK];
    for (int i = 0; i < *rank; i++) dims[i] = i == 1 ? 5 : 2;
    output(m, op(m, "Transpose", IDS(batch_input(m, "x", dims, (size_t)*rank))));
    return m;
}

/* Without `perm`; an axis more than the kernels take is left to the reference. */
static void test_reversal(void **state)
{
    (void)state;
    for (int rank = 1; rank <= 9; rank++) {
        snprintf(label, sizeof label, "Transpose of rank %d", rank);
        check_model(build_reversal, &rank, rank <= 8 ? "Transpose=transpose" : "Transpose=reference");
    }
}

/* ---------------------------------------------------------------------------------------------------- Concat */

#define MOST_PARTS 3

typedef struct concat_model {
    int axis;
    int64_t extent[MOST_PARTS]; /* along the axis; 0: no more parts, -1: a part without elements */
    bool channels_last[MOST_PARTS], then_conv;
} concat_model;

static sn_model *build_concat(const void *context)
{
    const concat_model *x = context;
    static const char *const names[MOST_PARTS] = {"a", "b", "c"};
    sn_model *m = new_model(17);
    sn_value_id parts[MOST_PARTS];
    size_t n = 0;
    int64_t channels = 6, sum = 0;
    for (; n < MOST_PARTS && x->extent[n] != 0; n++) {
        int64_t dims[4] = {N_ROWS, channels, 5, 4};
        dims[x->axis] = x->extent[n] < 0 ? 0 : x->extent[n];
        sum += dims[x->axis];
        parts[n] = image(m, names[n], dims, 4, x->channels_last[n]);
    }
    sn_value_id v = op(m, "Concat", parts, n);
    attr_int(m, "axis", x->axis - (n == 2 ? 4 : 0));
    if (x->then_conv) v = pointwise(m, v, x->axis == 1 ? sum : channels, 5, 2);
    output(m, v);
    return m;
}

static const concat_model concat_cases[] = {
    {1, {3, 8, 0}, {false, false}, false},
    {1, {3, 8, 0}, {true, true}, false},
    {1, {16, 32, 16}, {true, true, true}, true},
    {1, {16, 32, 16}, {true, false, true}, true},
    {1, {2, 32, 1}, {true, false, true}, true}, /* most of it is plain */
    {1, {1, 1, 1}, {true, true, true}, false},
    {1, {3, -1, 4}, {true, false, true}, true},
    {1, {7, 0}, {true}, true},
    {2, {3, 8, 0}, {true, true}, true},
    {2, {3, 8, 2}, {false, true, false}, false},
    {3, {3, 1, 2}, {true, true, true}, true},
    {3, {3, 1, 2}, {false, false, false}, false},
};

static void test_concat(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(concat_cases); i++) {
        snprintf(label, sizeof label, "Concat number %zu", i);
        check_model(build_concat, &concat_cases[i], NULL);
    }
}

/* What lies channels last is joined as it lies. */
static void test_concat_stays_channels_last(void **state)
{
    (void)state;
    snprintf(label, sizeof label, "Concat between convolutions");
    check_model(build_concat, &concat_cases[2], "Conv=conv Conv=conv Conv=conv Concat=concat Conv=conv");
}

static sn_model *build_batches(const void *context)
{
    (void)context;
    sn_model *m = new_model(17);
    sn_value_id a = image(m, "a", INTS(2, 6, 5, 4), true), b = image(m, "b", INTS(3, 6, 5, 4), true);
    sn_value_id v = op(m, "Concat", IDS(a, b));
    attr_int(m, "axis", 0);
    output(m, v);
    return m;
}

static void test_concat_of_batches(void **state)
{
    (void)state;
    snprintf(label, sizeof label, "Concat along the batch");
    check_model(build_batches, NULL, NULL);
}

/* ---------------------------------------------------------------------------------------------------- Split */

typedef struct split_model {
    int axis;
    int64_t sizes[2];
    bool channels_last, then_conv;
} split_model;

static sn_model *build_split(const void *context)
{
    const split_model *x = context;
    sn_model *m = new_model(17);
    int64_t dims[4] = {N_ROWS, 6, 5, 4};
    dims[x->axis] = x->sizes[0] + x->sizes[1];
    sn_value_id v = image(m, "x", dims, 4, x->channels_last), parts[2] = {value_in(m, 0, "a"), value_in(m, 0, "b")};
    sn_value_id sizes = sn_add_initializer(m, 0, SN_STR("sizes"), int_list(x->sizes, 2));
    last_node = node_in(m, 0, "Split", IDS(v, sizes), parts, 2);
    attr_int(m, "axis", x->axis);
    for (int i = 0; i < 2; i++) {
        int64_t channels = x->axis == 1 ? x->sizes[i] : 6;
        output(m, x->then_conv ? pointwise(m, parts[i], channels, 8, 2) : parts[i]);
    }
    return m;
}

static void test_split(void **state)
{
    (void)state;
    static const int64_t sizes[][2] = {{3, 5}, {1, 1}, {16, 32}, {4, 0}};
    for (int i = 0; i < 3 * 4 * 4; i++) {
        split_model x = {1 + i % 3, {sizes[i / 3 % 4][0], sizes[i / 3 % 4][1]}, i / 12 % 2, i / 24};
        if (x.then_conv && x.axis > 1 && x.sizes[1] == 0) continue; /* nothing to convolve */
        snprintf(label, sizeof label, "Split number %d", i);
        check_model(build_split, &x, NULL);
    }
    split_model x = {1, {16, 32}, true, true};
    snprintf(label, sizeof label, "Split between convolutions");
    check_model(build_split, &x, "Conv=conv Split=split Conv=conv Conv=conv");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transpose),
        cmocka_unit_test(test_reversal),
        cmocka_unit_test(test_concat),
        cmocka_unit_test(test_concat_stays_channels_last),
        cmocka_unit_test(test_concat_of_batches),
        cmocka_unit_test(test_split),
    };
    return cmocka_run_group_tests(tests, make_pool, free_pool);
}
