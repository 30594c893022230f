/* The inference driver and its helpers: facts of inputs, constants, bodies, declarations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "ops/infer_util.h"
#include "tests/unit/ops/build_model.h"

#define U SN_DIM_UNKNOWN
#define N SN_DIM_SYMBOL(0)
#define M SN_DIM_SYMBOL(1)

static void test_broadcast(void **state)
{
    (void)state;
    sn_shape a = {.rank = 5, .dims = {N, N, 1, U, 4}}, b = {.rank = 5, .dims = {N, 1, M, 7, M}}, out;
    assert_true(sn_infer_broadcast(&a, &b, &out));
    sn_shape expected = {.rank = 5, .dims = {N, N, M, 7, 4}};
    assert_true(sn_shape_eq(&out, &expected));

    sn_shape c = {.rank = 1, .dims = {M}}, d = {.rank = 2, .dims = {3, N}};
    assert_true(sn_infer_broadcast(&c, &d, &out));
    assert_int_equal(out.rank, 2);
    assert_int_equal(out.dims[0], 3);
    assert_true(out.dims[1] == U);

    sn_shape three = {.rank = 1, .dims = {3}}, four = {.rank = 1, .dims = {4}}, unknown = SN_SHAPE_UNKNOWN;
    assert_false(sn_infer_broadcast(&three, &four, &out));
    assert_true(sn_infer_broadcast(&three, &unknown, &out));
    assert_int_equal(out.rank, -1);
}

static void test_product(void **state)
{
    (void)state;
    assert_int_equal(sn_dims_product(INTS(2, 3, 4)), 24);
    assert_true(sn_dims_product(INTS(1, N, 1)) == N);
    assert_true(sn_dims_product(INTS(2, N)) == U);
    assert_true(sn_dims_product(INTS(N, M)) == U);
    assert_int_equal(sn_dims_product(INTS(N, 0, U)), 0);
    assert_true(sn_dims_product(INTS(INT64_MAX, 2)) == U);
    assert_int_equal(sn_dims_product(NULL, 0), 1);
}

static void test_shape_flows_through_known_elements(void **state)
{
    (void)state;
    sn_model *m = new_model(15);
    uint32_t batch = sn_symbol(m, SN_STR("batch"));
    int64_t n = SN_DIM_SYMBOL(batch);
    sn_value_id x = input(m, "x", SINTER_FLOAT, INTS(n, 3, 4));
    sn_value_id s = value(m, "s"), id = value(m, "id"), y = value(m, "y"), z = value(m, "z");
    sn_node_id shape = node(m, "Shape", IDS(x), IDS(s));
    assert_true(sn_set_attr_int(m, shape, "end", -1));
    (void)node(m, "Identity", IDS(s), IDS(id));
    (void)node(m, "ConstantOfShape", IDS(id), IDS(y));
    (void)node(m, "Reshape", IDS(x, id), IDS(z));
    inferred r = infer(m);
    assert_int_equal(r.status, SINTER_INVALID_MODEL); /* 4 elements per row do not go into [batch, 3] */
    assert_non_null(strstr(r.err.text, "(Reshape)"));
    free_inferred(&r);

    sn_model_destroy(m);
    m = new_model(15);
    n = SN_DIM_SYMBOL(sn_symbol(m, SN_STR("batch")));
    x = input(m, "x", SINTER_FLOAT, INTS(n, 3, 4));
    s = value(m, "s"), y = value(m, "y");
    shape = node(m, "Shape", IDS(x), IDS(s));
    assert_true(sn_set_attr_int(m, shape, "start", -3));
    assert_true(sn_set_attr_int(m, shape, "end", 2));
    (void)node(m, "ConstantOfShape", IDS(s), IDS(y));
    r = infer(m);
    assert_int_equal(r.status, SINTER_OK);
    assert_int_equal(r.facts.values[s].n_known, 2);
    assert_true(r.facts.values[s].known[0] == n);
    assert_int_equal(r.facts.values[s].known[1], 3);
    assert_dims(r.facts.values[y], n, 3);
    assert_int_equal(r.facts.values[y].type.dtype, SINTER_FLOAT);
    free_inferred(&r);

    sn_shape concrete = {.rank = 3, .dims = {5, 3, 4}};
    r = infer_with(m, &concrete, false);
    assert_int_equal(r.status, SINTER_OK);
    assert_dims(r.facts.values[y], 5, 3);
    free_inferred(&r);
    sn_model_destroy(m);
}

static void test_initializers_are_constants_unless_overridable(void **state)
{
    (void)state;
    for (int64_t ir = 3; ir <= 8; ir += 5) {
        sn_model *m = new_model(13);
        m->ir_version = ir;
        sn_value_id c = initializer(m, "c", int_list(INTS(2, 3)));
        sn_value_id listed = initializer(m, "listed", int_list(INTS(4)));
        assert_true(sn_add_input(m, 0, listed));
        inferred r = infer(m);
        assert_int_equal(r.status, SINTER_OK);
        assert_non_null(r.facts.values[c].constant);
        assert_int_equal(r.facts.values[c].known[1], 3);
        assert_dims(r.facts.values[listed], 1);
        assert_int_equal(r.facts.values[listed].type.dtype, SINTER_INT64);
        assert_int_equal(r.facts.values[listed].constant != NULL, ir < 4);
        assert_int_equal(r.facts.values[listed].known != NULL, ir < 4);
        free_inferred(&r);
        sn_model_destroy(m);
    }
}

static void test_numbers_that_look_like_symbols_stay_numbers(void **state)
{
    (void)state;
    sinter_value *t = int_list(INTS(INT64_MIN + 1, 7));
    sn_arena arena = {.chunks = NULL};
    sn_fact f;
    assert_int_equal(sn_fact_of_constant(t, &arena, &f, NULL), SINTER_OK);
    assert_true(f.known[0] == SN_DIM_UNKNOWN);
    sn_infer x = {.n_in = 1, .in = &f, .arena = &arena};
    const int64_t *numbers;
    size_t n;
    assert_true(sn_infer_numbers(&x, 0, &numbers, &n));
    assert_int_equal(n, 2);
    assert_true(numbers[0] == INT64_MIN + 1);
    f.constant = NULL;
    assert_false(sn_infer_numbers(&x, 0, &numbers, &n));
    sn_arena_free(&arena);
    sinter_value_release(t);
}

static void test_declarations_fill_only_what_is_unknown(void **state)
{
    (void)state;
    sn_model *m = new_model(13);
    sn_value_id x = input(m, "x", SINTER_FLOAT, INTS(U, 3));
    sn_type declared = tensor_type(SINTER_FLOAT, 2, (int64_t[]){8, 99});
    sn_value_id y = sn_add_value(m, 0, SN_STR("y"), &declared);
    sn_value_id z = sn_add_value(m, 0, SN_STR("z"), &declared);
    (void)node(m, "Identity", IDS(x), IDS(y));
    (void)node(m, "NoSuchOperator", IDS(x), IDS(z));
    inferred r = infer_with(m, NULL, true);
    assert_int_equal(r.status, SINTER_OK);
    assert_dims(r.facts.values[y], 8, 3);
    assert_dims(r.facts.values[z], 8, 99);
    free_inferred(&r);
    r = infer_with(m, NULL, false);
    assert_dims(r.facts.values[y], U, 3);
    assert_int_equal(r.facts.values[z].type.kind, SINTER_KIND_UNKNOWN);
    free_inferred(&r);

    m->values[y].type.dtype = SINTER_DOUBLE; /* stale: says nothing at all */
    r = infer_with(m, NULL, true);
    assert_dims(r.facts.values[y], U, 3);
    assert_int_equal(r.facts.values[y].type.dtype, SINTER_FLOAT);
    free_inferred(&r);
    sn_model_destroy(m);
}

static void test_small_known_nodes_are_evaluated(void **state)
{
    (void)state;
    sn_model *m = new_model(13);
    sn_value_id list = initializer(m, "list", int_list(INTS(2, 3))), zero = initializer(m, "zero", int_list(INTS(0)));
    sn_value_id matrix = value(m, "matrix"), vector = value(m, "vector"), scale = value(m, "scale");
    (void)node(m, "Unsqueeze", IDS(list, zero), IDS(matrix)); /* rank 2: beyond what `known` can hold */
    (void)node(m, "Squeeze", IDS(matrix, zero), IDS(vector));
    sn_node_id constant = node(m, "Constant", NULL, 0, IDS(scale));
    assert_true(sn_set_attr_float(m, constant, "value_float", 0.5f));
    inferred r = infer(m);
    assert_int_equal(r.status, SINTER_OK);
    assert_non_null(r.facts.values[matrix].constant);
    assert_dims(r.facts.values[vector], 2);
    assert_int_equal(r.facts.values[vector].known[1], 3);
    assert_non_null(r.facts.values[scale].constant);
    assert_true(*(const float *)r.facts.values[scale].constant->data == 0.5f);
    free_inferred(&r);
    sn_model_destroy(m);
}

static void test_large_or_variable_nodes_are_not_evaluated(void **state)
{
    (void)state;
    sn_model *m = new_model(13);
    sn_value_id one = initializer(m, "one", int_list(INTS(1))), size = initializer(m, "size", int_list(INTS(65)));
    sn_value_id large = value(m, "large"), x = input(m, "x", SINTER_INT64, INTS(1)), y = value(m, "y");
    (void)node(m, "Expand", IDS(one, size), IDS(large));
    (void)node(m, "Expand", IDS(x, one), IDS(y));
    inferred r = infer(m);
    assert_int_equal(r.status, SINTER_OK);
    assert_null(r.facts.values[large].constant);
    assert_null(r.facts.values[y].constant);
    assert_null(r.facts.values[y].known);
    assert_dims(r.facts.values[large], 65);
    free_inferred(&r);
    sn_model_destroy(m);
}

static void test_contradicting_types_name_the_node(void **state)
{
    (void)state;
    sn_model *m = new_model(13);
    sn_value_id x = input(m, "x", SINTER_FLOAT, INTS(2)), y = value(m, "y");
    (void)node(m, "Reshape", IDS(x, x), IDS(y));
    inferred r = infer(m);
    assert_int_equal(r.status, SINTER_INVALID_MODEL);
    assert_non_null(strstr(r.err.text, "node 'n' (Reshape): input 'shape' is float, expected int64"));
    free_inferred(&r);
    sn_model_destroy(m);
}

static void test_local_functions_hide_operators(void **state)
{
    (void)state;
    sn_model *m = new_model(13);
    sn_value_id x = input(m, "x", SINTER_FLOAT, INTS(2)), y = value(m, "y");
    sn_node_id n = node(m, "Identity", IDS(x), IDS(y));
    sn_function f = {.name = SN_STR("Identity"), .domain = SN_STR("ai.onnx"), .overload = SN_STR("")};
    m->functions = &f;
    m->n_functions = 1;
    inferred r = infer(m);
    assert_int_equal(r.status, SINTER_OK);
    assert_null(r.prepared.nodes[n].op);
    assert_int_equal(r.facts.values[y].type.kind, SINTER_KIND_UNKNOWN);
    sinter_error err;
    assert_int_equal(sn_unsupported(m, n, &err), SINTER_UNSUPPORTED);
    assert_non_null(strstr(err.text, "Identity"));
    free_inferred(&r);
    m->functions = NULL;
    m->n_functions = 0;
    sn_model_destroy(m);
}

/* ---------------------------------------------------------------------------------------------------- If */

/* out = If(cond) {Squeeze(x, axis 0)} else {Identity(x)}, as PyTorch exports squeeze(0). */
typedef struct squeeze_model {
    sn_model *m;
    sn_value_id x, cond, out, then_out, else_out;
} squeeze_model;

static squeeze_model squeeze_model_of(sn_value_id (*condition)(sn_model *m), const int64_t *dims, size_t rank)
{
    squeeze_model s = {.m = new_model(11)};
    s.x = input(s.m, "x", SINTER_FLOAT, dims, rank);
    s.cond = condition(s.m);
    s.out = value(s.m, "out");
    sn_node_id n = node(s.m, "If", IDS(s.cond), IDS(s.out));
    sn_graph_id then_graph = body(s.m, n, "then_branch"), else_graph = body(s.m, n, "else_branch");
    s.then_out = value_in(s.m, then_graph, "t");
    s.else_out = value_in(s.m, else_graph, "e");
    sn_node_id squeeze = node_in(s.m, then_graph, "Squeeze", IDS(s.x), IDS(s.then_out));
    assert_true(sn_set_attr_ints(s.m, squeeze, "axes", INTS(0)));
    (void)node_in(s.m, else_graph, "Identity", IDS(s.x), IDS(s.else_out));
    assert_true(sn_add_output(s.m, then_graph, s.then_out));
    assert_true(sn_add_output(s.m, else_graph, s.else_out));
    return s;
}

static sn_value_id unknown_condition(sn_model *m)
{
    return input(m, "cond", SINTER_BOOL, NULL, 0);
}

static sn_value_id true_condition(sn_model *m)
{
    return initializer(m, "cond", tensor(SINTER_BOOL, 0, NULL, &(uint8_t){1}));
}

static void test_if_merges_branches(void **state)
{
    (void)state;
    squeeze_model s = squeeze_model_of(unknown_condition, INTS(1, 3));
    inferred r = infer(s.m);
    assert_int_equal(r.status, SINTER_OK);
    assert_dims(r.facts.values[s.then_out], 3);
    assert_dims(r.facts.values[s.else_out], 1, 3);
    assert_int_equal(r.facts.values[s.out].type.dtype, SINTER_FLOAT);
    assert_int_equal(r.facts.values[s.out].type.shape.rank, -1);
    free_inferred(&r);
    sn_model_destroy(s.m);
}

static void test_if_forgives_a_branch_that_cannot_run(void **state)
{
    (void)state;
    squeeze_model s = squeeze_model_of(unknown_condition, INTS(2, 3));
    inferred r = infer(s.m);
    assert_int_equal(r.status, SINTER_OK);
    assert_dims(r.facts.values[s.out], 2, 3);
    assert_int_equal(r.facts.values[s.then_out].type.kind, SINTER_KIND_UNKNOWN);
    free_inferred(&r);
    sn_model_destroy(s.m);
}

static void test_if_follows_a_known_condition(void **state)
{
    (void)state;
    squeeze_model s = squeeze_model_of(true_condition, INTS(1, 3));
    inferred r = infer(s.m);
    assert_int_equal(r.status, SINTER_OK);
    assert_dims(r.facts.values[s.out], 3);
    assert_dims(r.facts.values[s.else_out], 1, 3); /* not taken, but inferred for passes */
    free_inferred(&r);
    sn_model_destroy(s.m);

    s = squeeze_model_of(true_condition, INTS(2, 3));
    r = infer(s.m);
    assert_int_equal(r.status, SINTER_INVALID_MODEL);
    assert_non_null(strstr(r.err.text, "axis 0 is of size 2"));
    free_inferred(&r);
    sn_model_destroy(s.m);
}

static void test_merged_facts(void **state)
{
    (void)state;
    sn_arena arena = {.chunks = NULL};
    sn_fact a = sn_fact_unknown(), b;
    a.type = tensor_type(SINTER_INT64, 1, (int64_t[]){2});
    a.known = (int64_t[]){3, N};
    a.n_known = 2;
    b = a;
    b.known = (int64_t[]){4, N};
    sn_fact c = sn_fact_merge(&a, &b, &arena);
    assert_dims(c, 2);
    assert_true(c.known[0] == U && c.known[1] == N);
    b.type.dtype = SINTER_FLOAT;
    b.type.shape.dims[0] = 5;
    c = sn_fact_merge(&a, &b, &arena);
    assert_int_equal(c.type.dtype, SINTER_UNDEFINED);
    assert_dims(c, U);
    b.type.kind = SINTER_KIND_SEQUENCE;
    assert_int_equal(sn_fact_merge(&a, &b, &arena).type.kind, SINTER_KIND_UNKNOWN);
    sn_arena_free(&arena);
}

static void test_deep_nesting_is_refused_or_survived(void **state)
{
    (void)state;
    sn_model *m = new_model(13);
    sn_value_id cond = input(m, "cond", SINTER_BOOL, NULL, 0), out = value(m, "out");
    sn_node_id n = node(m, "If", IDS(cond), IDS(out));
    for (int depth = 0; depth < 200; depth++) {
        sn_graph_id then_graph = body(m, n, "then_branch"), else_graph = body(m, n, "else_branch");
        sn_value_id t = value_in(m, then_graph, "t"), e = value_in(m, else_graph, "e");
        sn_node_id inner = node_in(m, then_graph, "If", IDS(cond), IDS(t));
        (void)node_in(m, else_graph, "Identity", IDS(cond), IDS(e));
        assert_true(sn_add_output(m, then_graph, t) && sn_add_output(m, else_graph, e));
        n = inner;
    }
    sn_graph_id last = body(m, n, "then_branch"), other = body(m, n, "else_branch");
    assert_true(sn_add_output(m, last, cond) && sn_add_output(m, other, cond));
    inferred r = infer(m);
    assert_int_equal(r.status, SINTER_OK); /* what is too deep merely stays unknown */
    free_inferred(&r);
    sn_model_destroy(m);
}

static void test_out_of_memory_is_clean(void **state)
{
    (void)state;
    squeeze_model s = squeeze_model_of(unknown_condition, INTS(1, 3));
    bool done = false;
    for (long n = 0; !done && n < 1000; n++) {
        sn_alloc_fail_after(n);
        inferred r = infer(s.m);
        sn_alloc_fail_after(-1);
        done = r.status == SINTER_OK;
        if (!done) assert_int_equal(r.status, SINTER_NO_MEMORY);
        free_inferred(&r);
    }
    assert_true(done);
    sn_model_destroy(s.m);
}

static void test_public_verify(void **state)
{
    (void)state;
    squeeze_model s = squeeze_model_of(unknown_condition, INTS(1, 3));
    sinter_error err;
    assert_int_equal(sinter_model_verify((const sinter_model *)s.m, &err), SINTER_OK);
    sn_model_destroy(s.m);
    s = squeeze_model_of(true_condition, INTS(2, 3));
    assert_int_equal(sinter_model_verify((const sinter_model *)s.m, &err), SINTER_INVALID_MODEL);
    assert_int_equal(sinter_model_verify(NULL, &err), SINTER_INVALID_ARGUMENT);
    sn_model_destroy(s.m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_product),
        cmocka_unit_test(test_shape_flows_through_known_elements),
        cmocka_unit_test(test_initializers_are_constants_unless_overridable),
        cmocka_unit_test(test_numbers_that_look_like_symbols_stay_numbers),
        cmocka_unit_test(test_declarations_fill_only_what_is_unknown),
        cmocka_unit_test(test_small_known_nodes_are_evaluated),
        cmocka_unit_test(test_large_or_variable_nodes_are_not_evaluated),
        cmocka_unit_test(test_contradicting_types_name_the_node),
        cmocka_unit_test(test_local_functions_hide_operators),
        cmocka_unit_test(test_if_merges_branches),
        cmocka_unit_test(test_if_forgives_a_branch_that_cannot_run),
        cmocka_unit_test(test_if_follows_a_known_condition),
        cmocka_unit_test(test_merged_facts),
        cmocka_unit_test(test_deep_nesting_is_refused_or_survived),
        cmocka_unit_test(test_out_of_memory_is_clean),
        cmocka_unit_test(test_public_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
