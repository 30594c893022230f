/* Signatures: the notation, arity, and the type check with its messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ops/signature.h"
#include "tests/unit/ops/build_model.h"

static sn_signature parsed(const char *text)
{
    sn_signature s;
    if (!sn_signature_parse(text, &s)) fail_msg("not parsed: %s", text);
    return s;
}

static void test_parses_parameters(void **state)
{
    (void)state;
    sn_signature s = parsed("X:T, W:T, B:T?, axes:int32|int64? -> Y:T, M:bool?; T=@float");
    assert_int_equal(s.in.count, 4);
    assert_int_equal(s.in.min, 2);
    assert_int_equal(s.in.max, 4);
    assert_int_equal(s.out.count, 2);
    assert_int_equal(s.out.min, 1);
    assert_true(sn_str_is(s.in.items[1].name, "W"));
    assert_true(s.in.items[2].optional);
    assert_int_equal(s.in.items[0].variable, 0);
    assert_int_equal(s.in.items[3].variable, -1);
    assert_int_equal(s.in.items[3].dtypes, SN_DTYPE_BIT(SINTER_INT32) | SN_DTYPE_BIT(SINTER_INT64));
    assert_int_equal(s.in.items[0].dtypes, SN_DTYPE_BIT(SINTER_FLOAT) | SN_DTYPE_BIT(SINTER_DOUBLE) |
                                               SN_DTYPE_BIT(SINTER_FLOAT16) | SN_DTYPE_BIT(SINTER_BFLOAT16));
}

static void test_parses_repetition_and_containers(void **state)
{
    (void)state;
    sn_signature s = parsed("s:seq(T), o:optional(any), rest:T...? -> out:any...; T=@every");
    assert_int_equal(s.in.items[0].form, SN_PARAM_SEQUENCE);
    assert_int_equal(s.in.items[0].variable, 0);
    assert_int_equal(s.in.items[1].form, SN_PARAM_OPTIONAL);
    assert_true(s.in.items[2].variadic && s.in.items[2].optional);
    assert_int_equal(s.in.min, 2);
    assert_true(s.in.max == SIZE_MAX);
    assert_int_equal(s.out.items[0].form, SN_PARAM_ANY);
    assert_ptr_equal(sn_params_at(&s.in, 99), &s.in.items[2]);
    assert_int_equal(__builtin_popcount(s.in.items[0].dtypes), SINTER_DTYPE_COUNT - 1);

    sn_signature none = parsed("-> Y:T; T=float");
    assert_int_equal(none.in.count, 0);
    assert_int_equal(none.in.max, 0);
    assert_null(sn_params_at(&none.in, 0));
}

static void test_refuses_broken_notation(void **state)
{
    (void)state;
    static const char *const broken[] = {"",
                                         "X:T",
                                         "X:T -> Y:T",
                                         "X -> Y:float",
                                         "X: -> Y:",
                                         "X:a|b -> Y:float",
                                         "X:T... , Z:T -> Y:T; T=float",
                                         "X:float -> Y:float; T=",
                                         "X:float -> Y:float rest",
                                         "X:seq(float -> Y:float"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        sn_signature s;
        if (sn_signature_parse(broken[i], &s)) fail_msg("parsed: %s", broken[i]);
    }
}

/* ---------------------------------------------------------------------------------------------------- arity */

static sinter_status prepare_one(const char *op, size_t n_in, size_t n_out, sinter_error *err)
{
    sn_model *m = new_model(17);
    sn_value_id in[8], out[8];
    for (size_t i = 0; i < n_in; i++) in[i] = input(m, (char[]){'i', (char)('0' + i), 0}, SINTER_FLOAT, INTS(2, 3));
    for (size_t i = 0; i < n_out; i++) out[i] = value(m, (char[]){'o', (char)('0' + i), 0});
    (void)node(m, op, in, n_in, out, n_out);
    sn_prepared_model p = {.nodes = NULL};
    sinter_status status = sn_prepare_model(m, &p, err);
    sn_prepared_model_free(&p);
    sn_model_destroy(m);
    return status;
}

static void test_arity(void **state)
{
    (void)state;
    sinter_error err;
    assert_int_equal(prepare_one("Identity", 1, 1, &err), SINTER_OK);
    assert_int_equal(prepare_one("Identity", 0, 1, &err), SINTER_INVALID_MODEL);
    assert_non_null(strstr(err.text, "input 'input' is missing"));
    assert_int_equal(prepare_one("Identity", 2, 1, &err), SINTER_INVALID_MODEL);
    assert_non_null(strstr(err.text, "2 inputs"));
    assert_int_equal(prepare_one("Identity", 1, 2, &err), SINTER_INVALID_MODEL);
    assert_int_equal(prepare_one("Identity", 1, 0, &err), SINTER_INVALID_MODEL);
    assert_int_equal(prepare_one("Dropout", 1, 1, &err), SINTER_OK);
    assert_int_equal(prepare_one("Dropout", 1, 2, &err), SINTER_OK);
    assert_int_equal(prepare_one("NoSuchOperator", 5, 0, &err), SINTER_OK);
}

/* ---------------------------------------------------------------------------------------------------- types */

static const sn_op pair = {
    .domain = "", .name = "Pair", .since = 1, .signature = "A:T, B:T, n:int64? -> C:T; T=@float", .params_size = 0};

static sn_fact fact_of(sinter_dtype dtype)
{
    return (sn_fact){.type = {.kind = SINTER_KIND_TENSOR, .dtype = dtype, .shape = {.rank = -1}}, .present = true};
}

static sinter_status check(sn_fact a, sn_fact b, sn_fact n, sinter_error *err)
{
    sn_model *m = new_model(17);
    sn_value_id x = input(m, "x", SINTER_FLOAT, INTS(1)), y = value(m, "y");
    sn_node_id id = node(m, "Pair", IDS(x, x), IDS(y));
    sinter_status status = sn_check_types(m, &m->nodes[id], &pair, (sn_fact[]){a, b, n}, 3, err);
    sn_model_destroy(m);
    return status;
}

static void test_types(void **state)
{
    (void)state;
    sinter_error err;
    sn_fact absent = {.present = false}, unknown = {.type = SN_TYPE_UNKNOWN, .present = true};
    sn_fact f32 = fact_of(SINTER_FLOAT), f64 = fact_of(SINTER_DOUBLE), i64 = fact_of(SINTER_INT64);
    assert_int_equal(check(f32, f32, i64, &err), SINTER_OK);
    assert_int_equal(check(f32, unknown, absent, &err), SINTER_OK);
    assert_int_equal(check(fact_of(SINTER_UNDEFINED), f64, absent, &err), SINTER_OK);

    assert_int_equal(check(f32, f64, absent, &err), SINTER_INVALID_MODEL);
    assert_non_null(strstr(err.text, "node 'n' (Pair): input 'B' is double, expected float like input 'A'"));
    assert_int_equal(check(i64, i64, absent, &err), SINTER_INVALID_MODEL);
    assert_non_null(strstr(err.text, "input 'A' is int64, expected float|float16|double|bfloat16"));
    sn_fact sequence = {.type = {.kind = SINTER_KIND_SEQUENCE, .shape = {.rank = -1}}, .present = true};
    assert_int_equal(check(f32, sequence, absent, &err), SINTER_INVALID_MODEL);
    assert_non_null(strstr(err.text, "input 'B' is a sequence, expected a tensor"));
}

static void test_values(void **state)
{
    (void)state;
    sinter_error err;
    sinter_value *f = tensor(SINTER_FLOAT, 0, NULL, &(float){1}), *i = tensor(SINTER_INT32, 0, NULL, &(int32_t){1});
    const sinter_value *in[] = {f, f, NULL};
    sn_eval x = {.op = &pair, .n_in = 3, .in = in, .err = &err};
    assert_int_equal(sn_check_values(&x), SINTER_OK);
    in[1] = i;
    assert_int_equal(sn_check_values(&x), SINTER_INVALID_INPUT);
    in[1] = NULL;
    assert_int_equal(sn_check_values(&x), SINTER_INVALID_INPUT);
    assert_non_null(strstr(err.text, "input 'B' is missing"));
    sn_op repeated = pair;
    repeated.signature = "in:T... -> out:T; T=@float";
    x.op = &repeated;
    assert_int_equal(sn_check_values(&x), SINTER_INVALID_INPUT); /* the second of three is left out */
    x.n_in = 1;
    assert_int_equal(sn_check_values(&x), SINTER_OK);
    sinter_value_release(f);
    sinter_value_release(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parses_parameters),
        cmocka_unit_test(test_parses_repetition_and_containers),
        cmocka_unit_test(test_refuses_broken_notation),
        cmocka_unit_test(test_arity),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
