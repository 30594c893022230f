/* Constant, ConstantOfShape, Identity and Dropout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tests/unit/ops/build_model.h"

static sn_node_id constant_node(sn_model *m)
{
    return node(m, "Constant", NULL, 0, IDS(value(m, "c")));
}

static void sparse_attr(sn_model *m, sn_node_id n, sinter_value *values, sinter_value *indices, const sn_shape *dims)
{
    sn_sparse *s = SN_ARENA_NEW(&m->arena, sn_sparse);
    assert_non_null(s);
    *s = (sn_sparse){.values = values, .indices = indices, .dims = *dims, .extra = SN_STR("")};
    sn_attr a = {.name = SN_STR("sparse_value"),
                 .type = SN_ATTR_SPARSE_TENSOR,
                 .ref_attr_name = SN_STR(""),
                 .doc_string = SN_STR(""),
                 .extra = SN_STR(""),
                 .count = 1,
                 .sparse = s};
    assert_true(sn_set_attr(m, n, &a));
}

static void test_constant_tensor_is_a_constant_fact(void **state)
{
    (void)state;
    sn_model *m = new_model(13);
    sn_node_id n = constant_node(m);
    tensor_attr(m, n, "value", int_list(INTS(7, -8)));
    inferred r = infer(m);
    assert_int_equal(r.status, SINTER_OK);
    const sn_fact *f = &r.facts.values[m->nodes[n].out[0]];
    assert_non_null(f->constant);
    assert_int_equal(f->known[1], -8);
    assert_dims(*f, 2);
    free_inferred(&r);
    sinter_value *out;
    assert_int_equal(evaluate(m, n, NULL, &out, NULL), SINTER_OK);
    assert_int_equal(sn_tensor_int(out, 0), 7);
    sinter_value_release(out);
    sn_model_destroy(m);
}

static void test_constant_numbers_and_strings(void **state)
{
    (void)state;
    sinter_value *out;
    sn_model *m = new_model(13);
    sn_node_id n = constant_node(m);
    assert_true(sn_set_attr_ints(m, n, "value_ints", INTS(1, 2, 3)));
    assert_int_equal(evaluate(m, n, NULL, &out, NULL), SINTER_OK);
    assert_int_equal(out->dtype, SINTER_INT64);
    assert_int_equal(out->shape.rank, 1);
    assert_int_equal(sn_tensor_int(out, 2), 3);
    sinter_value_release(out);

    sn_remove_attr(m, n, "value_ints");
    assert_true(sn_set_attr_float(m, n, "value_float", 2.5f));
    assert_int_equal(evaluate(m, n, NULL, &out, NULL), SINTER_OK);
    assert_int_equal(out->shape.rank, 0);
    assert_true(*(const float *)out->data == 2.5f);
    sinter_value_release(out);

    sn_remove_attr(m, n, "value_float");
    assert_true(sn_set_attr_string(m, n, "value_string", SN_STR("word")));
    assert_int_equal(evaluate(m, n, NULL, &out, NULL), SINTER_OK);
    sn_model_destroy(m); /* the result owns its characters */
    const sinter_string *s = out->data;
    assert_int_equal(s->size, 4);
    assert_memory_equal(s->data, "word", 4);
    sinter_value_release(out);
}

static void test_constant_must_hold_exactly_one_value(void **state)
{
    (void)state;
    sinter_value *out;
    sinter_error err;
    sn_model *m = new_model(13);
    sn_node_id n = constant_node(m);
    assert_int_equal(evaluate(m, n, NULL, &out, &err), SINTER_INVALID_MODEL);
    assert_true(sn_set_attr_int(m, n, "value_int", 1));
    assert_true(sn_set_attr_float(m, n, "value_float", 1));
    assert_int_equal(evaluate(m, n, NULL, &out, &err), SINTER_INVALID_MODEL);
    assert_non_null(strstr(err.text, "only one"));
    sn_remove_attr(m, n, "value_int");
    sn_remove_attr(m, n, "value_float");
    assert_true(sn_set_attr_int(m, n, "value", 1));
    assert_int_equal(evaluate(m, n, NULL, &out, &err), SINTER_INVALID_MODEL);
    sn_model_destroy(m);
}

static void test_sparse_constants_are_densified(void **state)
{
    (void)state;
    const float values[] = {5, 6};
    const sn_shape dims = {.rank = 2, .dims = {2, 3}};
    const int64_t good[] = {0, 1, 1, 2}, outside[] = {0, 1, 2, 0};
    for (int bad = 0; bad < 2; bad++) {
        sn_model *m = new_model(13);
        sn_node_id n = constant_node(m);
        sparse_attr(m, n, tensor(SINTER_FLOAT, 1, (int64_t[]){2}, values),
                    tensor(SINTER_INT64, 2, (int64_t[]){2, 2}, bad ? outside : good), &dims);
        sinter_value *out;
        assert_int_equal(evaluate(m, n, NULL, &out, NULL), bad ? SINTER_INVALID_MODEL : SINTER_OK);
        if (!bad) {
            const float expected[] = {0, 5, 0, 0, 0, 6};
            assert_memory_equal(out->data, expected, sizeof expected);
            sinter_value_release(out);
        }
        sn_model_destroy(m);
    }
    sn_model *m = new_model(13);
    sn_node_id n = constant_node(m);
    sparse_attr(m, n, tensor(SINTER_FLOAT, 1, (int64_t[]){2}, values), int_list(INTS(4, 6)), &dims);
    sinter_value *out;
    assert_int_equal(evaluate(m, n, NULL, &out, NULL), SINTER_INVALID_MODEL);
    sn_model_destroy(m);

    m = new_model(13);
    n = constant_node(m);
    sparse_attr(m, n, tensor(SINTER_FLOAT, 1, (int64_t[]){2}, values), int_list(INTS(4)), &dims);
    assert_int_equal(evaluate(m, n, NULL, &out, NULL), SINTER_INVALID_MODEL);
    sn_model_destroy(m);
}

static void test_sparse_strings_are_empty_elsewhere(void **state)
{
    (void)state;
    const sn_shape dims = {.rank = 1, .dims = {3}};
    sinter_value *text, *out;
    assert_int_equal(sinter_tensor_create_strings(1, (int64_t[]){1}, &(sinter_string){"word", 4}, &text, NULL),
                     SINTER_OK);
    sn_model *m = new_model(13);
    sn_node_id n = constant_node(m);
    sparse_attr(m, n, text, int_list(INTS(1)), &dims);
    assert_int_equal(evaluate(m, n, NULL, &out, NULL), SINTER_OK);
    const sinter_string *s = out->data;
    assert_int_equal(out->dtype, SINTER_STRING);
    assert_int_equal(s[0].size + s[2].size, 0);
    assert_int_equal(s[1].size, 4);
    assert_memory_equal(s[1].data, "word", 4);
    sinter_value_release(out);
    sn_model_destroy(m);
}

/* ---------------------------------------------------------------------------------------------------- ConstantOfShape
 */

static void test_constant_of_shape(void **state)
{
    (void)state;
    sinter_value *out, *in;
    sinter_error err;
    sn_model *m = new_model(13);
    sn_value_id list = input(m, "list", SINTER_INT64, INTS(2)), y = value(m, "y");
    sn_node_id n = node(m, "ConstantOfShape", IDS(list), IDS(y));
    in = int_list(INTS(2, 2));
    assert_int_equal(evaluate(m, n, &in, &out, &err), SINTER_OK);
    assert_int_equal(out->dtype, SINTER_FLOAT);
    const float zeros[4] = {0};
    assert_memory_equal(out->data, zeros, sizeof zeros);
    sinter_value_release(out);

    tensor_attr(m, n, "value", tensor(SINTER_INT32, 1, (int64_t[]){1}, &(int32_t){-3}));
    in = int_list(INTS(3));
    assert_int_equal(evaluate(m, n, &in, &out, &err), SINTER_OK);
    for (size_t i = 0; i < 3; i++) assert_int_equal(sn_tensor_int(out, i), -3);
    sinter_value_release(out);
    in = int_list(NULL, 0);
    assert_int_equal(evaluate(m, n, &in, &out, &err), SINTER_OK);
    assert_int_equal(out->count, 1);
    sinter_value_release(out);

    in = int_list(INTS(-1));
    assert_int_equal(evaluate(m, n, &in, &out, &err), SINTER_INVALID_INPUT);
    in = int_list(INTS(INT64_MAX, INT64_MAX, 8));
    assert_int_equal(evaluate(m, n, &in, &out, &err), SINTER_TOO_LARGE);
    tensor_attr(m, n, "value", int_list(INTS(1, 2)));
    in = int_list(INTS(1));
    assert_int_equal(evaluate(m, n, &in, &out, &err), SINTER_INVALID_MODEL);
    sn_model_destroy(m);
}

static void test_constant_of_shape_is_known(void **state)
{
    (void)state;
    sn_model *m = new_model(13);
    sn_value_id list = initializer(m, "list", int_list(INTS(3))), y = value(m, "y");
    sn_node_id n = node(m, "ConstantOfShape", IDS(list), IDS(y));
    tensor_attr(m, n, "value", int_list(INTS(9)));
    inferred r = infer(m);
    assert_int_equal(r.status, SINTER_OK);
    assert_int_equal(r.facts.values[y].n_known, 3);
    assert_int_equal(r.facts.values[y].known[2], 9);
    free_inferred(&r);
    sn_model_destroy(m);
}

/* ---------------------------------------------------------------------------------------------------- Dropout */

static sinter_value *ones(size_t n)
{
    sinter_value *t;
    assert_int_equal(sinter_tensor_create(SINTER_FLOAT, 1, (int64_t[]){(int64_t)n}, &t, NULL), SINTER_OK);
    for (size_t i = 0; i < n; i++) ((float *)t->data)[i] = 1.0f;
    return t;
}

static void test_dropout_passes_its_input_on(void **state)
{
    (void)state;
    for (int64_t opset = 7; opset <= 13; opset += 3) {
        sn_model *m = new_model(opset);
        sn_value_id x = input(m, "x", SINTER_FLOAT, INTS(4)), y = value(m, "y"), mask = value(m, "mask");
        sn_node_id n = node(m, "Dropout", IDS(x), IDS(y, mask));
        sinter_value *in = ones(4), *outs[2];
        assert_int_equal(evaluate(m, n, &in, outs, NULL), SINTER_OK);
        assert_int_equal(outs[1]->dtype, opset < 10 ? SINTER_FLOAT : SINTER_BOOL);
        for (size_t i = 0; i < 4; i++) {
            assert_true(((const float *)outs[0]->data)[i] == 1.0f);
            assert_true(sn_load_double(outs[1]->dtype, outs[1]->data, i) == 1.0);
        }
        sinter_value_release(outs[0]);
        sinter_value_release(outs[1]);
        sn_model_destroy(m);
    }
}

static void test_dropout_in_training(void **state)
{
    (void)state;
    enum { COUNT = 4000 };
    sn_model *m = new_model(13);
    sn_value_id x = input(m, "x", SINTER_FLOAT, INTS(COUNT)), y = value(m, "y"), mask = value(m, "mask");
    sn_value_id ratio = input(m, "ratio", SINTER_FLOAT, NULL, 0), training = input(m, "training", SINTER_BOOL, NULL, 0);
    sn_node_id n = node(m, "Dropout", IDS(x, ratio, training), IDS(y, mask));
    assert_true(sn_set_attr_int(m, n, "seed", 5));
    sinter_value *first[2], *second[2];
    for (int turn = 0; turn < 2; turn++) {
        sinter_value *in[] = {ones(COUNT), tensor(SINTER_FLOAT, 0, NULL, &(float){0.75f}),
                              tensor(SINTER_BOOL, 0, NULL, &(uint8_t){1})};
        assert_int_equal(evaluate(m, n, in, turn ? second : first, NULL), SINTER_OK);
    }
    size_t kept = 0;
    for (size_t i = 0; i < COUNT; i++) {
        bool k = ((const uint8_t *)first[1]->data)[i];
        kept += k;
        assert_true(((const float *)first[0]->data)[i] == (k ? 4.0f : 0.0f));
    }
    assert_in_range(kept, COUNT / 4 - 150, COUNT / 4 + 150);
    assert_memory_equal(first[0]->data, second[0]->data, first[0]->size); /* the seed decides */
    for (int i = 0; i < 2; i++) {
        sinter_value_release(first[i]);
        sinter_value_release(second[i]);
    }
    sinter_value *in[] = {ones(COUNT), tensor(SINTER_FLOAT, 0, NULL, &(float){1.5f}),
                          tensor(SINTER_BOOL, 0, NULL, &(uint8_t){1})};
    assert_int_equal(evaluate(m, n, in, first, NULL), SINTER_INVALID_INPUT);
    sn_model_destroy(m);
}

/* ---------------------------------------------------------------------------------------------------- random */

static void test_random_numbers(void **state)
{
    (void)state;
    uint64_t a = 1, b = 1;
    assert_true(sn_random_u64(&a) == sn_random_u64(&b));
    double sum = 0, normal = 0, square = 0;
    for (int i = 0; i < 20000; i++) {
        double u = sn_random_uniform(&a), g = sn_random_normal(&a);
        assert_true(u >= 0 && u < 1);
        sum += u;
        normal += g;
        square += g * g;
    }
    assert_true(sum / 20000 > 0.49 && sum / 20000 < 0.51);
    assert_true(normal / 20000 > -0.03 && normal / 20000 < 0.03);
    assert_true(square / 20000 > 0.96 && square / 20000 < 1.04);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant_tensor_is_a_constant_fact),
        cmocka_unit_test(test_constant_numbers_and_strings),
        cmocka_unit_test(test_constant_must_hold_exactly_one_value),
        cmocka_unit_test(test_sparse_constants_are_densified),
        cmocka_unit_test(test_sparse_strings_are_empty_elsewhere),
        cmocka_unit_test(test_constant_of_shape),
        cmocka_unit_test(test_constant_of_shape_is_known),
        cmocka_unit_test(test_dropout_passes_its_input_on),
        cmocka_unit_test(test_dropout_in_training),
        cmocka_unit_test(test_random_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
