/* Transpose, Concat, Split, Gather, Slice and Pad: every size of element, empty parts, bad arguments, known elements.
 */
#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "known.h"
#include "one_node.h"

static const sinter_dtype by_size[] = {SINTER_UINT8, SINTER_INT16, SINTER_FLOAT, SINTER_INT64, SINTER_COMPLEX128};
enum { SIZES = sizeof by_size / sizeof *by_size };

/* Element i of a tensor that holds an index in its first bytes. */
static unsigned label(const sinter_value *v, size_t i)
{
    return ((const unsigned char *)v->data)[i * sinter_dtype_size(v->dtype)];
}

static sinter_value *labelled(sinter_dtype dtype, int rank, const int64_t *dims)
{
    sinter_value *t;
    assert_int_equal(sinter_tensor_create(dtype, rank, dims, &t, NULL), SINTER_OK);
    for (size_t i = 0; i < t->count; i++)
        ((unsigned char *)t->data)[i * sinter_dtype_size(dtype)] = (unsigned char)(i % 251);
    return t;
}

/* ---------------------------------------------------------------------------------------------------- Transpose */

static void check_transpose(sinter_dtype dtype, const int64_t *dims, const int64_t *perm)
{
    sn_model *m;
    sn_node_id n = one_node(&m, 13, "Transpose", 1, 0, 1);
    assert_true(sn_set_attr_ints(m, n, "perm", perm, 3));
    sinter_value *in = labelled(dtype, 3, dims), *out = NULL;
    evaluate_well(m, n, &in, &out);
    int64_t strides[3] = {dims[1] * dims[2], dims[2], 1};
    size_t at = 0;
    for (int64_t i = 0; i < dims[perm[0]]; i++)
        for (int64_t j = 0; j < dims[perm[1]]; j++)
            for (int64_t k = 0; k < dims[perm[2]]; k++) {
                int64_t from = i * strides[perm[0]] + j * strides[perm[1]] + k * strides[perm[2]];
                assert_int_equal(label(out, at++), from % 251);
            }
    sinter_value_release(out);
}

static void test_transpose(void **state)
{
    (void)state;
    const int64_t perms[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    const int64_t shapes[3][3] = {{2, 3, 4}, {17, 33, 5}, {1, 40, 19}};
    for (size_t p = 0; p < 6; p++)
        for (size_t s = 0; s < 3; s++)
            for (size_t d = 0; d < SIZES; d++) check_transpose(by_size[d], shapes[s], perms[p]);
}

static void test_transpose_refuses(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 13, "Transpose", 1, 0, 1);
    assert_true(sn_set_attr_ints(m, n, "perm", INTS(0, 0)));
    sinter_value *in = counting(SINTER_FLOAT, DIMS(2, 2));
    evaluate_badly(m, n, &in, SINTER_INVALID_MODEL, "not a permutation");
    n = one_node(&m, 13, "Transpose", 1, 0, 1);
    assert_true(sn_set_attr_ints(m, n, "perm", INTS(1, 0)));
    in = counting(SINTER_FLOAT, DIMS(2));
    evaluate_badly(m, n, &in, SINTER_INVALID_INPUT, "rank 1");
}

/* ---------------------------------------------------------------------------------------------------- Concat, Split */

static void test_concat_and_split_are_inverse(void **state)
{
    (void)state;
    for (size_t d = 0; d < SIZES; d++)
        for (int axis = 0; axis < 3; axis++) {
            int64_t dims[3] = {3, 4, 5}, sizes[3] = {1, 0, dims[axis] - 1};
            sn_model *m;
            sn_node_id n = one_node(&m, 13, "Split", 2, 0, 3);
            assert_true(sn_set_attr_int(m, n, "axis", axis - 3));
            sinter_value *whole = labelled(by_size[d], 3, dims), *parts[3] = {NULL}, *out = NULL;
            evaluate_well(m, n, (sinter_value *[]){whole, int_list(sizes, 3)}, parts);
            for (int i = 0; i < 3; i++) assert_int_equal(parts[i]->shape.dims[axis], sizes[i]);
            n = one_node(&m, 13, "Concat", 3, 0, 1);
            assert_true(sn_set_attr_int(m, n, "axis", axis));
            evaluate_well(m, n, parts, &out);
            for (size_t i = 0; i < out->count; i++) assert_int_equal(label(out, i), i % 251);
            sinter_value_release(out);
        }
}

static void test_concat_refuses(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 13, "Concat", 2, 0, 1);
    assert_true(sn_set_attr_int(m, n, "axis", 0));
    sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(1, 2)), counting(SINTER_FLOAT, DIMS(1, 3))};
    evaluate_badly(m, n, in, SINTER_INVALID_INPUT, "1x3");
    n = one_node(&m, 13, "Concat", 1, 0, 1);
    sinter_value *alone = counting(SINTER_FLOAT, DIMS(1));
    evaluate_badly(m, n, &alone, SINTER_INVALID_MODEL, "'axis' is missing");
}

static void test_split_uneven(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 18, "Split", 1, 0, 3);
    assert_true(sn_set_attr_int(m, n, "num_outputs", 3));
    sinter_value *in = counting(SINTER_FLOAT, DIMS(7)), *out[3] = {NULL};
    evaluate_well(m, n, &in, out);
    assert_values(out[0], 1, 2, 3);
    assert_values(out[1], 4, 5, 6);
    assert_values(out[2], 7);

    n = one_node(&m, 13, "Split", 1, 0, 3);
    in = counting(SINTER_FLOAT, DIMS(7));
    evaluate_badly(m, n, &in, SINTER_INVALID_INPUT, "does not divide");

    const int64_t bad[][2] = {{3, 3}, {8, -1}, {INT64_MAX, INT64_MAX}};
    for (size_t i = 0; i < 3; i++) {
        n = one_node(&m, 13, "Split", 2, 0, 2);
        sinter_value *ins[] = {counting(SINTER_FLOAT, DIMS(7)), int_list(bad[i], 2)};
        evaluate_badly(m, n, ins, SINTER_INVALID_INPUT, "split size");
    }
}

/* ---------------------------------------------------------------------------------------------------- Gather */

static void test_gather(void **state)
{
    (void)state;
    for (size_t d = 0; d < SIZES; d++) {
        sn_model *m;
        sn_node_id n = one_node(&m, 13, "Gather", 2, 0, 1);
        assert_true(sn_set_attr_int(m, n, "axis", 1));
        sinter_value *in[] = {labelled(by_size[d], DIMS(2, 3, 2)), int_list(INTS(-1, 0))}, *out = NULL;
        evaluate_well(m, n, in, &out);
        const unsigned expected[] = {4, 5, 0, 1, 10, 11, 6, 7};
        assert_int_equal(out->count, 8);
        for (size_t i = 0; i < 8; i++) assert_int_equal(label(out, i), expected[i]);
        sinter_value_release(out);
    }
}

static void test_gather_out_of_range(void **state)
{
    (void)state;
    const int64_t bad[] = {3, -4, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        sn_model *m;
        sn_node_id n = one_node(&m, 13, "Gather", 2, 0, 1);
        sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(3, 2)), int_list(&bad[i], 1)};
        evaluate_badly(m, n, in, SINTER_INVALID_INPUT, "outside [-3, 2]");
    }
    sn_model *m; /* nothing to pick from, nothing picked */
    sn_node_id n = one_node(&m, 13, "Gather", 2, 0, 1);
    sinter_value *in[] = {tensor(SINTER_FLOAT, DIMS(0, 2), NULL), int_list(NULL, 0)}, *out = NULL;
    evaluate_well(m, n, in, &out);
    assert_int_equal(out->count, 0);
    sinter_value_release(out);
}

/* ---------------------------------------------------------------------------------------------------- Slice */

static sinter_value *slice(int64_t length, int64_t start, int64_t end, int64_t step)
{
    sn_model *m;
    sn_node_id n = one_node(&m, 13, "Slice", 5, 0, 1);
    sinter_value *in[] = {counting(SINTER_FLOAT, 1, &length), int_list(&start, 1), int_list(&end, 1),
                          int_list(INTS(-1)), int_list(&step, 1)};
    sinter_value *out = NULL;
    evaluate_well(m, n, in, &out);
    return out;
}

static void test_slice_bounds(void **state)
{
    (void)state;
    assert_values(slice(5, 1, 4, 2), 2, 4);
    assert_values(slice(5, -1, INT64_MIN, -1), 5, 4, 3, 2, 1);
    assert_values(slice(5, INT64_MAX, INT64_MIN, -2), 5, 3, 1);
    assert_values(slice(5, INT64_MIN, INT64_MAX, INT64_MAX), 1);
    assert_values(slice(5, INT64_MAX, INT64_MIN, INT64_MIN), 5);
    assert_elements(slice(5, 3, 3, 1), 0, NULL);
    assert_elements(slice(0, INT64_MAX, INT64_MIN, -1), 0, NULL);
}

static void test_slice_refuses(void **state)
{
    (void)state;
    const struct {
        int64_t axes[2], steps[2];
        const char *word;
    } cases[] = {{{0, 0}, {1, 1}, "twice"}, {{0, 2}, {1, 1}, "outside"}, {{0, 1}, {1, 0}, "is 0"}};
    for (size_t i = 0; i < 3; i++) {
        sn_model *m;
        sn_node_id n = one_node(&m, 13, "Slice", 5, 0, 1);
        sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(2, 2)), int_list(INTS(0, 0)), int_list(INTS(1, 1)),
                              int_list(cases[i].axes, 2), int_list(cases[i].steps, 2)};
        evaluate_badly(m, n, in, SINTER_INVALID_INPUT, cases[i].word);
    }
    sn_model *m;
    sn_node_id n = one_node(&m, 13, "Slice", 3, 0, 1);
    sinter_value *in[] = {counting(SINTER_FLOAT, DIMS(2)), int_list(INTS(0)), int_list(INTS(1, 1))};
    evaluate_badly(m, n, in, SINTER_INVALID_INPUT, "2 elements");
}

static void test_slice_by_attributes(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 9, "Slice", 1, 0, 1);
    assert_true(sn_set_attr_ints(m, n, "starts", INTS(0, -2)));
    assert_true(sn_set_attr_ints(m, n, "ends", INTS(1, INT64_MAX)));
    sinter_value *in = counting(SINTER_FLOAT, DIMS(2, 3)), *out = NULL;
    evaluate_well(m, n, &in, &out);
    assert_values(out, 2, 3);
}

/* ---------------------------------------------------------------------------------------------------- Pad */

static sinter_value *pad(const char *mode, int64_t length, int64_t begin, int64_t end)
{
    sn_model *m;
    sn_node_id n = one_node(&m, 19, "Pad", 2, 0, 1);
    assert_true(sn_set_attr_string(m, n, "mode", sn_str_of(mode)));
    sinter_value *in[] = {counting(SINTER_FLOAT, 1, &length), int_list(INTS(begin, end))}, *out = NULL;
    evaluate_well(m, n, in, &out);
    return out;
}

static void test_pad_modes(void **state)
{
    (void)state;
    assert_values(pad("constant", 3, 2, 1), 0, 0, 1, 2, 3, 0);
    assert_values(pad("edge", 3, 2, 1), 1, 1, 1, 2, 3, 3);
    assert_values(pad("reflect", 3, 5, 4), 2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3);
    assert_values(pad("wrap", 3, 4, 4), 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1);
    assert_values(pad("reflect", 1, 1, 1), 1, 1, 1);
    assert_values(pad("constant", 5, -1, -2), 2, 3);
    assert_values(pad("edge", 5, -1, 1), 2, 3, 4, 5, 5);
    assert_values(pad("constant", 0, 1, 1), 0, 0);
}

static void test_pad_refuses(void **state)
{
    (void)state;
    const struct {
        const char *mode, *word;
        int64_t length, pads[2];
    } cases[] = {
        {"constant", "negative or too large", 2, {-2, -1}},
        {"constant", "negative or too large", 2, {INT64_MAX, 1}},
        {"edge", "only be padded with a constant", 0, {1, 0}},
    };
    for (size_t i = 0; i < 3; i++) {
        sn_model *m;
        sn_node_id n = one_node(&m, 19, "Pad", 2, 0, 1);
        assert_true(sn_set_attr_string(m, n, "mode", sn_str_of(cases[i].mode)));
        sinter_value *in[] = {counting(SINTER_FLOAT, 1, &cases[i].length), int_list(cases[i].pads, 2)};
        evaluate_badly(m, n, in, SINTER_INVALID_INPUT, cases[i].word);
    }
    sn_model *m;
    sn_node_id n = one_node(&m, 19, "Pad", 2, 0, 1);
    sinter_value *huge[] = {counting(SINTER_FLOAT, DIMS(1)), int_list(INTS(INT64_C(1) << 50, 0))};
    evaluate_badly(m, n, huge, SINTER_TOO_LARGE, "");
    n = one_node(&m, 19, "Pad", 2, 0, 1);
    sinter_value *odd[] = {counting(SINTER_FLOAT, DIMS(1)), int_list(INTS(1, 1, 1))};
    evaluate_badly(m, n, odd, SINTER_INVALID_INPUT, "two entries per padded axis");
}

static void test_pad_strings(void **state)
{
    (void)state;
    sn_model *m;
    sn_node_id n = one_node(&m, 13, "Pad", 2, 0, 1);
    sinter_value *in[2], *out = NULL;
    assert_int_equal(sinter_tensor_create_strings(DIMS(1), &(sinter_string){"ab", 2}, &in[0], NULL), SINTER_OK);
    in[1] = int_list(INTS(1, 0));
    sinter_value *keep = sinter_value_retain(in[0]); /* its characters */
    evaluate_well(m, n, in, &out);
    const sinter_string *s = out->data;
    assert_int_equal(s[0].size, 0);
    assert_true(s[1].size == 2 && memcmp(s[1].data, "ab", 2) == 0);
    sinter_value_release(out);
    sinter_value_release(keep);
}

/* ---------------------------------------------------------------------------------------------------- inference */

static void test_known_elements(void **state)
{
    (void)state;
    sn_model *m = new_model(17); /* shape[0:1] ++ [-1] ++ shape[[2]] */
    sn_value_id shape = shape_of_input(m), start = int_constant(m, "start", INTS(0));
    sn_value_id end = int_constant(m, "end", INTS(1)), last = int_constant(m, "last", INTS(-1));
    sn_value_id head = value(m, "head"), tail = value(m, "tail"), y = value(m, "y");
    node(m, "Slice", IDS(shape, start, end), IDS(head));
    node(m, "Gather", IDS(shape, last), IDS(tail));
    assert_true(sn_set_attr_int(m, node(m, "Concat", IDS(head, last, tail), IDS(y)), "axis", 0));
    check_known(m, y, INTS(N_SYMBOL, -1, 8));

    m = new_model(17);
    shape = shape_of_input(m);
    sn_value_id index = scalar_constant(m, "index", 0);
    y = value(m, "y");
    node(m, "Gather", IDS(shape, index), IDS(y));
    check_known(m, y, INTS(N_SYMBOL));

    m = new_model(17); /* reversed */
    shape = shape_of_input(m);
    start = int_constant(m, "start", INTS(-1)), end = int_constant(m, "end", INTS(INT64_MIN));
    sn_value_id axis = int_constant(m, "axis", INTS(0)), step = int_constant(m, "step", INTS(-1));
    y = value(m, "y");
    node(m, "Slice", IDS(shape, start, end, axis, step), IDS(y));
    check_known(m, y, INTS(8, 3, N_SYMBOL));

    m = new_model(17);
    shape = shape_of_input(m);
    sn_value_id first = value(m, "first"), rest = value(m, "rest"), sizes = int_constant(m, "sizes", INTS(1, 2));
    node(m, "Split", IDS(shape, sizes), IDS(first, rest));
    check_known(m, rest, INTS(3, 8));
}

static void test_inferred_shapes(void **state)
{
    (void)state;
    sn_model *m = new_model(17); /* a whole symbolic dimension stays, a cut one does not */
    sn_symbol(m, SN_STR("N"));
    sn_value_id x = input(m, "x", SINTER_FLOAT, INTS(N_SYMBOL, N_SYMBOL, 8)), y = value(m, "y");
    sn_value_id starts = int_constant(m, "s", INTS(0, 0, 2)), ends = int_constant(m, "e", INTS(INT64_MAX, 4, -1));
    node(m, "Slice", IDS(x, starts, ends), IDS(y));
    check_dims(m, y, N_SYMBOL, UNKNOWN, 5);

    m = new_model(17);
    sn_symbol(m, SN_STR("N"));
    x = input(m, "x", SINTER_FLOAT, INTS(N_SYMBOL, 3)), y = value(m, "y");
    sn_value_id other = input(m, "other", SINTER_FLOAT, INTS(N_SYMBOL, 4));
    assert_true(sn_set_attr_int(m, node(m, "Concat", IDS(x, other), IDS(y)), "axis", 1));
    check_dims(m, y, N_SYMBOL, 7);

    m = new_model(17);
    sn_symbol(m, SN_STR("N"));
    x = input(m, "x", SINTER_FLOAT, INTS(N_SYMBOL, 3, 5)), y = value(m, "y");
    assert_true(sn_set_attr_ints(m, node(m, "Transpose", IDS(x), IDS(y)), "perm", INTS(2, 0, 1)));
    check_dims(m, y, 5, N_SYMBOL, 3);

    m = new_model(17);
    sn_symbol(m, SN_STR("N"));
    x = input(m, "x", SINTER_FLOAT, INTS(N_SYMBOL, 3)), y = value(m, "y");
    sn_value_id pads = int_constant(m, "pads", INTS(0, 1, 0, 2));
    node(m, "Pad", IDS(x, pads), IDS(y));
    check_dims(m, y, N_SYMBOL, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transpose),
        cmocka_unit_test(test_transpose_refuses),
        cmocka_unit_test(test_concat_and_split_are_inverse),
        cmocka_unit_test(test_concat_refuses),
        cmocka_unit_test(test_split_uneven),
        cmocka_unit_test(test_gather),
        cmocka_unit_test(test_gather_out_of_range),
        cmocka_unit_test(test_slice_bounds),
        cmocka_unit_test(test_slice_refuses),
        cmocka_unit_test(test_slice_by_attributes),
        cmocka_unit_test(test_pad_modes),
        cmocka_unit_test(test_pad_refuses),
        cmocka_unit_test(test_pad_strings),
        cmocka_unit_test(test_known_elements),
        cmocka_unit_test(test_inferred_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
