/* Shape, Size, Reshape, Flatten, Squeeze, Unsqueeze, Expand: evaluated, and Reshape's arithmetic on symbols. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ops/reshape.h"
#include "tests/unit/ops/build_model.h"

#define U SN_DIM_UNKNOWN
#define N SN_DIM_SYMBOL(0)
#define M SN_DIM_SYMBOL(1)

/* Runs op(x[, list]) where x counts 0, 1, 2, ... in float. An attribute of ints or one int may be given. */
typedef struct op_case {
    const char *op;
    int64_t opset;
    sn_shape in;
    const int64_t *list; /* second input; NULL: none */
    size_t n_list;
    const char *attr;
    const int64_t *attr_values; /* n_attr of them; SIZE_MAX: a single int */
    size_t n_attr;
} op_case;

#define NO_LIST NULL, 0
#define NO_ATTR NULL, NULL, 0

static sinter_value *iota(const sn_shape *shape)
{
    sinter_value *t;
    assert_int_equal(sinter_tensor_create(SINTER_FLOAT, shape->rank, shape->dims, &t, NULL), SINTER_OK);
    float *data = sinter_tensor_mutable_data(t);
    for (size_t i = 0; i < t->count; i++) data[i] = (float)i;
    return t;
}

static sinter_status run(const op_case *c, sinter_value **out, sinter_error *err)
{
    sn_model *m = new_model(c->opset);
    sn_value_id x = input(m, "x", SINTER_FLOAT, NULL, 0), list = input(m, "list", SINTER_INT64, NULL, 0);
    sn_value_id y = value(m, "y");
    sn_node_id n = node(m, c->op, (sn_value_id[]){x, list}, c->list ? 2 : 1, IDS(y));
    if (c->attr && c->n_attr == SIZE_MAX) {
        assert_true(sn_set_attr_int(m, n, c->attr, *c->attr_values));
    } else if (c->attr) {
        assert_true(sn_set_attr_ints(m, n, c->attr, c->attr_values, c->n_attr));
    }
    sinter_value *in[] = {iota(&c->in), c->list ? int_list(c->list, c->n_list) : NULL};
    sinter_status status = evaluate(m, n, in, out, err);
    sn_model_destroy(m);
    return status;
}

#define SHAPE(...)                                                                                                     \
    {                                                                                                                  \
        .rank = sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dims = { __VA_ARGS__ }                      \
    }

#define assert_shape(v, ...)                                                                                           \
    do {                                                                                                               \
        const sn_shape expected_ = SHAPE(__VA_ARGS__);                                                                 \
        assert_true(sn_shape_eq(&(v)->shape, &expected_));                                                             \
    } while (0)

static void test_views_keep_the_elements(void **state)
{
    (void)state;
    const struct {
        op_case c;
        sn_shape out;
    } cases[] = {
        {{"Reshape", 13, SHAPE(2, 3, 4), INTS(4, -1), NO_ATTR}, SHAPE(4, 6)},
        {{"Reshape", 13, SHAPE(2, 3, 4), INTS(0, 0, 2, -1), NO_ATTR}, SHAPE(2, 3, 2, 2)},
        {{"Reshape", 13, SHAPE(0, 3, 4), INTS(0, -1), NO_ATTR}, SHAPE(0, 12)},
        {{"Reshape", 14, SHAPE(0, 3), INTS(3, 0), "allowzero", (int64_t[]){1}, SIZE_MAX}, SHAPE(3, 0)},
        {{"Reshape", 4, SHAPE(2, 3), NO_LIST, "shape", INTS(3, -1)}, SHAPE(3, 2)},
        {{"Flatten", 13, SHAPE(2, 3, 4), NO_LIST, "axis", (int64_t[]){-1}, SIZE_MAX}, SHAPE(6, 4)},
        {{"Flatten", 13, SHAPE(2, 3, 4), NO_LIST, "axis", (int64_t[]){0}, SIZE_MAX}, SHAPE(1, 24)},
        {{"Flatten", 9, SHAPE(2, 3, 4), NO_LIST, NO_ATTR}, SHAPE(2, 12)},
        {{"Squeeze", 13, SHAPE(1, 3, 1), INTS(-1), NO_ATTR}, SHAPE(1, 3)},
        {{"Squeeze", 13, SHAPE(1, 3, 1), NO_LIST, NO_ATTR}, SHAPE(3)},
        {{"Squeeze", 11, SHAPE(1, 3, 1), NO_LIST, "axes", INTS(0, 2)}, SHAPE(3)},
        {{"Unsqueeze", 13, SHAPE(3), INTS(-1, 0), NO_ATTR}, SHAPE(1, 3, 1)},
        {{"Unsqueeze", 11, SHAPE(3), NO_LIST, "axes", INTS(1)}, SHAPE(3, 1)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sinter_value *out;
        sinter_error err;
        if (run(&cases[i].c, &out, &err) != SINTER_OK) fail_msg("case %zu: %s", i, err.text);
        if (!sn_shape_eq(&out->shape, &cases[i].out)) fail_msg("case %zu: wrong shape", i);
        for (size_t k = 0; k < out->count; k++) assert_true(((const float *)out->data)[k] == (float)k);
        sinter_value_release(out);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    const struct {
        op_case c;
        const char *text;
    } cases[] = {
        {{"Reshape", 13, SHAPE(2, 3), INTS(4, -1), NO_ATTR}, "not a multiple"},
        {{"Reshape", 13, SHAPE(2, 3), INTS(4, 2), NO_ATTR}, "another number of elements"},
        {{"Reshape", 13, SHAPE(2, 3), INTS(-1, -1), NO_ATTR}, "more than one -1"},
        {{"Reshape", 13, SHAPE(2, 3), INTS(-2, 3), NO_ATTR}, "below -1"},
        {{"Reshape", 13, SHAPE(2, 3), INTS(2, 3, 0), NO_ATTR}, "no input dimension"},
        {{"Reshape", 13, SHAPE(2, 3), INTS(INT64_MAX, INT64_MAX), NO_ATTR}, "too large"},
        {{"Reshape", 14, SHAPE(0, 3), INTS(0, -1), "allowzero", (int64_t[]){1}, SIZE_MAX}, "ambiguous"},
        {{"Reshape", 4, SHAPE(2, 3), NO_LIST, NO_ATTR}, "attribute 'shape' is missing"},
        {{"Reshape", 13, SHAPE(1), INTS(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), NO_ATTR}, "at most 16"},
        {{"Flatten", 13, SHAPE(2, 3), NO_LIST, "axis", (int64_t[]){3}, SIZE_MAX}, "axis 3"},
        {{"Flatten", 13, SHAPE(2, 3), NO_LIST, "axis", (int64_t[]){INT64_MIN}, SIZE_MAX}, "axis -9223372036854775808"},
        {{"Squeeze", 13, SHAPE(2, 1), INTS(0), NO_ATTR}, "axis 0 is of size 2"},
        {{"Squeeze", 13, SHAPE(1, 1), INTS(0, -2), NO_ATTR}, "listed twice"},
        {{"Squeeze", 13, SHAPE(1, 1), INTS(2), NO_ATTR}, "axis 2"},
        {{"Unsqueeze", 13, SHAPE(2), INTS(0, 0), NO_ATTR}, "listed twice"},
        {{"Unsqueeze", 11, SHAPE(2), NO_LIST, NO_ATTR}, "attribute 'axes' is missing"},
        {{"Expand", 13, SHAPE(2, 3), INTS(2, 2), NO_ATTR}, "does not broadcast"},
        {{"Expand", 13, SHAPE(2, 3), INTS(-1, 3), NO_ATTR}, "negative"},
        {{"Expand", 13, SHAPE(1), INTS(INT64_MAX, INT64_MAX), NO_ATTR}, "output 0"},
        {{"Expand", 13, SHAPE(1), INTS((int64_t)1 << 33), NO_ATTR}, "limit"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sinter_value *out;
        sinter_error err;
        if (run(&cases[i].c, &out, &err) == SINTER_OK) fail_msg("case %zu: not refused", i);
        if (!strstr(err.text, cases[i].text)) fail_msg("case %zu: %s", i, err.text);
    }
}

static void test_shape_and_size(void **state)
{
    (void)state;
    sinter_value *out;
    sinter_error err;
    op_case shape = {"Shape", 15, SHAPE(2, 3, 4), NO_LIST, "start", (int64_t[]){-2}, SIZE_MAX};
    assert_int_equal(run(&shape, &out, &err), SINTER_OK);
    assert_shape(out, 2);
    assert_int_equal(sn_tensor_int(out, 0), 3);
    assert_int_equal(sn_tensor_int(out, 1), 4);
    sinter_value_release(out);

    op_case beyond = {"Shape", 15, SHAPE(2, 3, 4), NO_LIST, "start", (int64_t[]){9}, SIZE_MAX};
    assert_int_equal(run(&beyond, &out, &err), SINTER_OK);
    assert_shape(out, 0);
    sinter_value_release(out);

    op_case size = {"Size", 13, SHAPE(2, 3, 4), NO_LIST, NO_ATTR};
    assert_int_equal(run(&size, &out, &err), SINTER_OK);
    assert_int_equal(out->shape.rank, 0);
    assert_int_equal(sn_tensor_int(out, 0), 24);
    sinter_value_release(out);
}

static void test_expand_repeats(void **state)
{
    (void)state;
    sinter_value *out;
    sinter_error err;
    op_case c = {"Expand", 13, SHAPE(3, 1), INTS(2, 1, 2), NO_ATTR};
    assert_int_equal(run(&c, &out, &err), SINTER_OK);
    assert_shape(out, 2, 3, 2);
    for (int i = 0; i < 12; i++) assert_true(((const float *)out->data)[i] == (float)(i / 2 % 3));
    sinter_value_release(out);

    op_case smaller = {"Expand", 13, SHAPE(3, 2), INTS(1), NO_ATTR};
    assert_int_equal(run(&smaller, &out, &err), SINTER_OK);
    assert_shape(out, 3, 2);
    for (int i = 0; i < 6; i++) assert_true(((const float *)out->data)[i] == (float)i);
    sinter_value_release(out);

    op_case empty = {"Expand", 13, SHAPE(3, 1), INTS(3, 0), NO_ATTR};
    assert_int_equal(run(&empty, &out, &err), SINTER_OK);
    assert_shape(out, 3, 0);
    sinter_value_release(out);
}

static void test_reshape_with_symbols(void **state)
{
    (void)state;
    const struct {
        sn_shape in;
        int64_t target[4];
        size_t n;
        sn_shape out;
    } cases[] = {
        {SHAPE(N, 3, 4), {N, -1}, 2, SHAPE(N, 12)},      {SHAPE(N, 3, 4), {0, -1}, 2, SHAPE(N, 12)},
        {SHAPE(N, 3, 4), {-1, 12}, 2, SHAPE(N, 12)},     {SHAPE(N, 3, 4), {-1, 6}, 2, SHAPE(U, 6)},
        {SHAPE(N, M, 4), {N, 2, -1}, 3, SHAPE(N, 2, U)}, {SHAPE(N, M, 4), {M, 4, -1}, 3, SHAPE(M, 4, N)},
        {SHAPE(U, 3, 4), {0, -1}, 2, SHAPE(U, 12)},      {SHAPE(U, 3, 4), {U, -1}, 2, SHAPE(U, U)},
        {SHAPE(2, 3, 4), {U, 6}, 2, SHAPE(4, 6)},        {SHAPE(N, 3, 4), {2, -1}, 2, SHAPE(2, U)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_shape out;
        char why[SN_RESHAPE_WHY];
        if (!sn_reshape(&cases[i].in, cases[i].target, cases[i].n, false, &out, why)) fail_msg("case %zu: %s", i, why);
        assert_int_equal(out.rank, cases[i].out.rank);
        for (int d = 0; d < out.rank; d++) {
            if (out.dims[d] != cases[i].out.dims[d]) fail_msg("case %zu: dimension %d", i, d);
        }
    }
    sn_shape out, unknown = SN_SHAPE_UNKNOWN;
    char why[SN_RESHAPE_WHY];
    assert_true(sn_reshape(&unknown, INTS(0, -1, 5), false, &out, why));
    assert_int_equal(out.rank, 3);
    assert_true(out.dims[0] == U && out.dims[1] == U && out.dims[2] == 5);
}

/* op(x, list) with nothing known of the list but its length. */
static int inferred_rank(const char *op, int64_t length)
{
    sn_model *m = new_model(13);
    sn_value_id x = input(m, "x", SINTER_FLOAT, INTS(1, 2, 3)), y = value(m, "y");
    sn_value_id list = input(m, "list", SINTER_INT64, &length, 1);
    (void)node(m, op, IDS(x, list), IDS(y));
    inferred r = infer(m);
    assert_int_equal(r.status, SINTER_OK);
    assert_int_equal(r.facts.values[y].type.dtype, SINTER_FLOAT);
    int rank = r.facts.values[y].type.shape.rank;
    free_inferred(&r);
    sn_model_destroy(m);
    return rank;
}

static void test_rank_follows_from_the_length_of_the_list(void **state)
{
    (void)state;
    assert_int_equal(inferred_rank("Reshape", 2), 2);
    assert_int_equal(inferred_rank("Reshape", SN_DIM_UNKNOWN), -1);
    assert_int_equal(inferred_rank("Squeeze", 1), 2);
    assert_int_equal(inferred_rank("Squeeze", 9), -1);
    assert_int_equal(inferred_rank("Unsqueeze", 2), 5);
    assert_int_equal(inferred_rank("Unsqueeze", INT64_MAX), -1);
    assert_int_equal(inferred_rank("Expand", 2), 3);
    assert_int_equal(inferred_rank("Expand", 5), 5);
    assert_int_equal(inferred_rank("Reshape", INT64_MAX), -1);
}

static void test_views_hand_known_elements_on(void **state)
{
    (void)state;
    sn_model *m = new_model(13);
    sn_value_id x = input(m, "x", SINTER_FLOAT, INTS(5, U)), s = value(m, "s"), u = value(m, "u"), v = value(m, "v");
    sn_value_id minus_one = initializer(m, "minus_one", int_list(INTS(-1))),
                zero = initializer(m, "zero", int_list(INTS(0)));
    (void)node(m, "Shape", IDS(x), IDS(s));
    (void)node(m, "Unsqueeze", IDS(s, zero), IDS(u)); /* rank 2: knows nothing */
    (void)node(m, "Reshape", IDS(s, minus_one), IDS(v));
    inferred r = infer(m);
    assert_int_equal(r.status, SINTER_OK);
    assert_null(r.facts.values[u].known);
    assert_dims(r.facts.values[u], 1, 2);
    assert_int_equal(r.facts.values[v].n_known, 2);
    assert_int_equal(r.facts.values[v].known[0], 5);
    assert_true(r.facts.values[v].known[1] == U);
    free_inferred(&r);
    sn_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views_keep_the_elements),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_shape_and_size),
        cmocka_unit_test(test_expand_repeats),
        cmocka_unit_test(test_reshape_with_symbols),
        cmocka_unit_test(test_rank_follows_from_the_length_of_the_list),
        cmocka_unit_test(test_views_hand_known_elements_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
