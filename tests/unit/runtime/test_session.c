/* Sessions: right answers, several shapes, many threads, shared memory, control flow, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "graph/edit.h"
#include "io/npy.h"
#include <math.h>
#include <pthread.h>
#include <sinter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sinter_error err;
#define OK(call)                                                                                                       \
    do {                                                                                                               \
        if ((call) != SINTER_OK) fail_msg("%s: %s", #call, err.text);                                                  \
    } while (0)

/* ---------------------------------------------------------------------------------------------------- models */

static sn_type tensor_type(sn_model *m, sinter_dtype dtype, int rank, const int64_t *dims)
{
    sn_type t = {.kind = SINTER_KIND_TENSOR, .dtype = dtype, .shape = {.rank = rank}};
    for (int i = 0; i < rank; i++) t.shape.dims[i] = dims[i] >= 0 ? dims[i] : SN_DIM_SYMBOL(sn_symbol(m, SN_STR("N")));
    return t;
}

static sn_model *new_model(int64_t opset)
{
    sn_model *m = sn_model_create();
    assert_non_null(m);
    m->ir_version = 8;
    m->opsets = SN_ARENA_ARRAY(&m->arena, sn_opset, 1);
    m->n_opsets = 1;
    m->opsets[0] = (sn_opset){.domain = SN_STR(""), .version = opset};
    return m;
}

static sn_value_id add_input(sn_model *m, const char *name, sinter_dtype dtype, int rank, const int64_t *dims)
{
    sn_type t = tensor_type(m, dtype, rank, dims);
    sn_value_id v = sn_add_value(m, 0, sn_str_of(name), &t);
    assert_true(v != SN_NONE && sn_add_input(m, 0, v));
    return v;
}

static sn_value_id add_op(sn_model *m, sn_graph_id graph, const char *op, const char *out, sn_value_id a, sn_value_id b)
{
    sn_type unknown = SN_TYPE_UNKNOWN;
    sn_value_id y = sn_add_value(m, graph, sn_str_of(out), &unknown), in[] = {a, b};
    size_t n_in = b != SN_NONE ? 2 : a != SN_NONE ? 1 : 0;
    sn_node_id n = sn_add_node(m, graph, SIZE_MAX, sn_str_of(op), SN_STR(""), sn_str_of(out), in, n_in, &y, 1);
    assert_true(n != SN_NONE);
    return y;
}

static sn_value_id add_floats(sn_model *m, const char *name, int rank, const int64_t *dims, const float *values)
{
    sinter_value *t;
    OK(sinter_tensor_create(SINTER_FLOAT, rank, dims, &t, &err));
    memcpy(sinter_tensor_mutable_data(t), values, sinter_tensor_size(t));
    return sn_add_initializer(m, 0, sn_str_of(name), t);
}

static sinter_session *make_session(sn_model *m, const sinter_session_options *o)
{
    sinter_model *model = (sinter_model *)m;
    sinter_session *s = NULL;
    OK(sinter_session_create(&model, o, &s, NULL, &err));
    assert_null(model);
    return s;
}

static sinter_value *floats(int rank, const int64_t *dims, float first)
{
    sinter_value *t;
    OK(sinter_tensor_create(SINTER_FLOAT, rank, dims, &t, &err));
    float *p = sinter_tensor_mutable_data(t);
    for (size_t i = 0; i < sinter_tensor_count(t); i++) p[i] = first + (float)i;
    return t;
}

static const float *data(const sinter_value *v)
{
    return sinter_tensor_data(v);
}

/* ---------------------------------------------------------------------------------------------------- digits */

static const char *source_path(const char *name)
{
    static char path[1024];
    const char *root = getenv("SINTER_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/%s", root ? root : ".", name);
    return path;
}

static sinter_session *digits(const sinter_session_options *o)
{
    sinter_model *model = NULL;
    sinter_session *s = NULL;
    OK(sinter_model_load(source_path("examples/digits/digits.onnx"), NULL, &model, &err));
    OK(sinter_session_create(&model, o, &s, NULL, &err));
    return s;
}

static sinter_value *load_npy(const char *name)
{
    sinter_value *v = NULL;
    OK(sn_npy_load(source_path(name), &v, &err));
    return v;
}

/* Rows [from, from + n) of the example's inputs. */
static sinter_value *rows_of(const sinter_value *all, int64_t from, int64_t n)
{
    int64_t dims[SINTER_MAX_RANK];
    int rank = sinter_tensor_rank(all);
    memcpy(dims, sinter_tensor_dims(all), (size_t)rank * sizeof *dims);
    size_t row = sinter_tensor_size(all) / (size_t)dims[0];
    dims[0] = n;
    sinter_value *v;
    OK(sinter_tensor_wrap(sinter_tensor_dtype(all), rank, dims,
                          (const char *)sinter_tensor_data(all) + (size_t)from * row, (size_t)n * row, &v, &err));
    return v;
}

static void check_digits(sinter_session *s, const sinter_value *inputs, const sinter_value *logits, int64_t from,
                         int64_t n)
{
    sinter_error mine;
    sinter_value *in = rows_of(inputs, from, n), *expected = rows_of(logits, from, n), *out = NULL;
    const sinter_value *ins[] = {in};
    assert_int_equal(sinter_session_run(s, ins, &out, NULL, NULL, &mine), SINTER_OK);
    sinter_difference d = sinter_value_compare(out, expected, 1e-4, 1e-5);
    if (!d.comparable || d.mismatches > 0) fail_msg("%lld rows from %lld: %s", (long long)n, (long long)from, d.text);
    sinter_value_release(out);
    sinter_value_release(in);
    sinter_value_release(expected);
}

static void test_digits(void **state)
{
    (void)state;
    sinter_value *inputs = load_npy("examples/digits/inputs.npy"), *logits = load_npy("examples/digits/logits.npy");
    sinter_pool *pool;
    OK(sinter_pool_create(3, &pool, &err));
    for (int variant = 0; variant < 6; variant++) {
        sinter_session_options o = SINTER_SESSION_OPTIONS_INIT;
        o.pool = variant & 1 ? pool : NULL;
        o.no_optimize = variant >= 2;
        o.reference = variant >= 4;
        o.max_plans = 2;
        sinter_session *s = digits(&o);
        for (int64_t n = 1; n <= 5; n++) check_digits(s, inputs, logits, n, n); /* more shapes than plans are kept */
        check_digits(s, inputs, logits, 0, 1);
        size_t planned, unplanned;
        sinter_session_memory(s, &planned, &unplanned);
        assert_true(planned > 0 && planned < unplanned);
        sinter_session_free(s);
    }
    sinter_pool_free(pool);
    sinter_value_release(inputs);
    sinter_value_release(logits);
}

/* A row's answer does not depend on the batch it is in, nor on the number of threads: to the last bit. */
static void test_batch_and_threads_change_nothing(void **state)
{
    (void)state;
    sinter_value *inputs = load_npy("examples/digits/inputs.npy"), *first = NULL;
    for (int threads = 1; threads <= 4; threads++) {
        sinter_pool *pool;
        sinter_session_options o = SINTER_SESSION_OPTIONS_INIT;
        OK(sinter_pool_create(threads, &pool, &err));
        o.pool = pool;
        sinter_session *s = digits(&o);
        for (int64_t n = 1; n <= 16; n *= 4) {
            sinter_value *in = rows_of(inputs, 0, n), *out = NULL;
            const sinter_value *ins[] = {in};
            OK(sinter_session_run(s, ins, &out, NULL, NULL, &err));
            if (!first) {
                first = out;
            } else {
                assert_memory_equal(sinter_tensor_data(first), sinter_tensor_data(out), sinter_tensor_size(first));
                sinter_value_release(out);
            }
            sinter_value_release(in);
        }
        sinter_session_free(s);
        sinter_pool_free(pool);
    }
    sinter_value_release(first);
    sinter_value_release(inputs);
}

typedef struct client {
    sinter_session *s;
    const sinter_value *inputs, *logits;
    int number;
} client;

static void *client_main(void *argument)
{
    const client *c = argument;
    for (int i = 0; i < 25; i++) check_digits(c->s, c->inputs, c->logits, c->number, 1 + (c->number + i) % 5);
    return NULL;
}

static void test_many_threads(void **state)
{
    (void)state;
    sinter_value *inputs = load_npy("examples/digits/inputs.npy"), *logits = load_npy("examples/digits/logits.npy");
    sinter_pool *pool;
    sinter_session_options o = SINTER_SESSION_OPTIONS_INIT;
    OK(sinter_pool_create(2, &pool, &err));
    o.pool = pool;
    o.max_plans = 3;
    o.profile = true;
    sinter_session *s = digits(&o);
    client clients[6];
    pthread_t threads[6];
    for (int i = 0; i < 6; i++) {
        clients[i] = (client){s, inputs, logits, i};
        assert_int_equal(pthread_create(&threads[i], NULL, client_main, &clients[i]), 0);
    }
    for (int i = 0; i < 6; i++) pthread_join(threads[i], NULL);
    sinter_profile_row rows[64];
    size_t n = sinter_session_profile(s, rows, 64);
    assert_in_range(n, 1, 64);
    for (size_t i = 0; i < n; i++) assert_int_equal(rows[i].calls, 6 * 25);
    sinter_session_free(s);
    sinter_pool_free(pool);
    sinter_value_release(inputs);
    sinter_value_release(logits);
}

/* ---------------------------------------------------------------------------------------------------- small models */

static const int64_t batch_by_3[] = {-1, 3};

/* y = (relu(x) + x) * x, z = relu(x): x is read late, and an output is read by other steps. */
static sn_model *shared_model(void)
{
    sn_model *m = new_model(13);
    sn_value_id x = add_input(m, "x", SINTER_FLOAT, 2, batch_by_3);
    sn_value_id z = add_op(m, 0, "Relu", "z", x, SN_NONE);
    sn_value_id a = add_op(m, 0, "Add", "a", z, x);
    sn_value_id b = add_op(m, 0, "Neg", "b", a, SN_NONE);
    sn_value_id c = add_op(m, 0, "Neg", "c", b, SN_NONE);
    sn_value_id y = add_op(m, 0, "Mul", "y", c, x);
    assert_true(sn_add_output(m, 0, y) && sn_add_output(m, 0, z) && sn_add_output(m, 0, x));
    return m;
}

static void test_shared_values(void **state)
{
    (void)state;
    for (int reference = 0; reference < 2; reference++) {
        sinter_session_options o = SINTER_SESSION_OPTIONS_INIT;
        o.reference = reference;
        sinter_session *s = make_session(shared_model(), &o);
        int64_t dims[] = {4, 3};
        sinter_value *x = floats(2, dims, -5), *outs[3];
        const sinter_value *ins[] = {x};
        OK(sinter_session_run(s, ins, outs, NULL, NULL, &err));
        for (size_t i = 0; i < 12; i++) {
            float v = (float)i - 5, r = v > 0 ? v : 0;
            assert_true(data(outs[0])[i] == (r + v) * v);
            assert_true(data(outs[1])[i] == r);
            assert_true(data(outs[2])[i] == v);
        }
        assert_ptr_not_equal(data(outs[2]), data(x)); /* the caller owns what it gets */
        for (int i = 0; i < 3; i++) sinter_value_release(outs[i]);
        bool wanted[] = {false, true, false};
        OK(sinter_session_run(s, ins, outs, wanted, NULL, &err));
        assert_null(outs[0]);
        assert_non_null(outs[1]);
        assert_null(outs[2]);
        sinter_value_release(outs[1]);
        sinter_value_release(x);
        sinter_session_free(s);
    }
}

/* A branch of If returns an outer value that lies in the arena, the other one computes. */
static sn_model *branching_model(void)
{
    sn_model *m = new_model(13);
    sn_value_id x = add_input(m, "x", SINTER_FLOAT, 2, batch_by_3);
    sn_value_id cond = add_input(m, "cond", SINTER_BOOL, 0, NULL);
    sn_value_id a = add_op(m, 0, "Neg", "a", x, SN_NONE);
    sn_value_id y = add_op(m, 0, "If", "y", cond, SN_NONE);
    sn_node_id node = m->values[y].producer;
    sn_graph_id yes = sn_add_graph(m, node), no = sn_add_graph(m, node);
    sn_value_id yes_out = add_op(m, yes, "Identity", "yes_out", a, SN_NONE);
    sn_value_id no_out = add_op(m, no, "Add", "no_out", a, a);
    assert_true(sn_add_output(m, yes, yes_out) && sn_add_output(m, no, no_out));
    sn_attr branches[] = {{.name = SN_STR("then_branch"), .type = SN_ATTR_GRAPH, .count = 1, .graph = yes},
                          {.name = SN_STR("else_branch"), .type = SN_ATTR_GRAPH, .count = 1, .graph = no}};
    assert_true(sn_set_attr(m, node, &branches[0]) && sn_set_attr(m, node, &branches[1]));
    sn_value_id z = add_op(m, 0, "Neg", "z", y, SN_NONE);
    assert_true(sn_add_output(m, 0, z) && sn_add_output(m, 0, y));
    return m;
}

static void test_branches(void **state)
{
    (void)state;
    sinter_session *s = make_session(branching_model(), NULL);
    int64_t dims[] = {2, 3};
    sinter_value *x = floats(2, dims, 1), *cond, *outs[2];
    OK(sinter_tensor_create(SINTER_BOOL, 0, NULL, &cond, &err));
    for (int yes = 0; yes < 2; yes++) {
        *(uint8_t *)sinter_tensor_mutable_data(cond) = (uint8_t)yes;
        const sinter_value *ins[] = {x, cond};
        OK(sinter_session_run(s, ins, outs, NULL, NULL, &err));
        for (size_t i = 0; i < 6; i++) {
            float expected = (float)(i + 1) * (yes ? 1 : 2);
            assert_true(data(outs[0])[i] == expected);
            assert_true(data(outs[1])[i] == -expected);
        }
        sinter_value_release(outs[0]);
        sinter_value_release(outs[1]);
    }
    sinter_value_release(x);
    sinter_value_release(cond);
    sinter_session_free(s);
}

/* A shape that comes in as data: the step and those after it are dynamic. */
static void test_dynamic_shape(void **state)
{
    (void)state;
    static const int64_t two[] = {2};
    sn_model *m = new_model(13);
    sn_value_id x = add_input(m, "x", SINTER_FLOAT, 2, batch_by_3), shape = add_input(m, "shape", SINTER_INT64, 1, two);
    sn_value_id a = add_op(m, 0, "Neg", "a", x, SN_NONE), b = add_op(m, 0, "Reshape", "b", a, shape);
    sn_value_id y = add_op(m, 0, "Neg", "y", b, SN_NONE);
    assert_true(sn_add_output(m, 0, y) && sn_add_output(m, 0, b));
    sinter_session *s = make_session(m, NULL);
    int64_t dims[] = {4, 3};
    for (int64_t rows = 1; rows <= 4; rows++) {
        int64_t target[] = {rows, 12 / rows};
        sinter_value *v = floats(2, dims, 1), *t, *outs[2];
        OK(sinter_tensor_wrap(SINTER_INT64, 1, two, target, sizeof target, &t, &err));
        const sinter_value *ins[] = {v, t};
        OK(sinter_session_run(s, ins, outs, NULL, NULL, &err));
        for (int k = 0; k < 2; k++) {
            assert_memory_equal(sinter_tensor_dims(outs[k]), target, sizeof target);
            for (size_t i = 0; i < 12; i++) assert_true(data(outs[k])[i] == (float)(i + 1) * (k ? -1 : 1));
            sinter_value_release(outs[k]);
        }
        sinter_value_release(v);
        sinter_value_release(t);
    }
    sinter_session_free(s);
}

static void test_overridable_default(void **state)
{
    (void)state;
    static const int64_t three[] = {3};
    static const float values[] = {10, 20, 30};
    sn_model *m = new_model(13);
    sn_value_id x = add_input(m, "x", SINTER_FLOAT, 2, batch_by_3);
    sn_value_id b = add_floats(m, "b", 1, three, values);
    assert_true(sn_add_input(m, 0, b));
    assert_true(sn_add_output(m, 0, add_op(m, 0, "Add", "y", x, b)));
    sinter_session *s = make_session(m, NULL);
    assert_int_equal(sinter_session_input_count(s), 2);
    assert_true(sinter_session_input(s, 1).optional);
    int64_t dims[] = {1, 3};
    sinter_value *v = floats(2, dims, 1), *other = floats(1, three, 100), *out;
    const sinter_value *ins[] = {v, NULL};
    OK(sinter_session_run(s, ins, &out, NULL, NULL, &err));
    assert_true(data(out)[2] == 33);
    sinter_value_release(out);
    ins[1] = other;
    OK(sinter_session_run(s, ins, &out, NULL, NULL, &err));
    assert_true(data(out)[2] == 105);
    sinter_value_release(out);
    sinter_value_release(v);
    sinter_value_release(other);
    sinter_session_free(s);
}

/* ---------------------------------------------------------------------------------------------------- refusals */

static void expect_refused(sinter_session *s, const sinter_value *const *ins, const char *text)
{
    sinter_value *outs[3] = {(sinter_value *)ins, NULL, NULL};
    assert_int_equal(sinter_session_run(s, ins, outs, NULL, NULL, &err), SINTER_INVALID_INPUT);
    if (!strstr(err.text, text)) fail_msg("'%s' does not say '%s'", err.text, text);
    for (int i = 0; i < 3; i++) assert_null(outs[i]);
}

static void test_bad_inputs(void **state)
{
    (void)state;
    sinter_session *s = make_session(shared_model(), NULL);
    int64_t wrong[] = {2, 4}, flat[] = {3};
    const sinter_value *ins[] = {NULL};
    expect_refused(s, ins, "input 'x' is missing");
    sinter_value *v = floats(2, wrong, 0);
    ins[0] = v;
    expect_refused(s, ins, "input 'x': expected float[Nx3], got float[2x4]");
    sinter_value_release(v);
    v = floats(1, flat, 0);
    ins[0] = v;
    expect_refused(s, ins, "got float[3]");
    sinter_value_release(v);
    OK(sinter_tensor_create(SINTER_INT64, 1, flat, &v, &err));
    ins[0] = v;
    expect_refused(s, ins, "got int64[3]");
    sinter_value_release(v);
    assert_int_equal(sinter_session_check_input(s, 7, NULL, &err), SINTER_INVALID_ARGUMENT);
    sinter_session_free(s);
}

static void test_symbols_must_agree(void **state)
{
    (void)state;
    sn_model *m = new_model(13);
    sn_value_id a = add_input(m, "a", SINTER_FLOAT, 2, batch_by_3), b = add_input(m, "b", SINTER_FLOAT, 2, batch_by_3);
    assert_true(sn_add_output(m, 0, add_op(m, 0, "Add", "y", a, b)));
    sinter_session *s = make_session(m, NULL);
    int64_t two[] = {2, 3}, one[] = {1, 3};
    sinter_value *x = floats(2, two, 0), *y = floats(2, one, 0);
    const sinter_value *ins[] = {x, y};
    expect_refused(s, ins, "input 'b': dimension 0 ('N') is 1, but 2 in input 'a'");
    sinter_value_release(x);
    sinter_value_release(y);
    sinter_session_free(s);
}

static void test_cancel(void **state)
{
    (void)state;
    sinter_session *s = make_session(shared_model(), NULL);
    int64_t dims[] = {1, 3};
    sinter_value *x = floats(2, dims, 0), *outs[3];
    const sinter_value *ins[] = {x};
    bool cancel = true;
    sinter_run_options o = SINTER_RUN_OPTIONS_INIT;
    o.cancel = &cancel;
    assert_int_equal(sinter_session_run(s, ins, outs, NULL, &o, &err), SINTER_CANCELLED);
    for (int i = 0; i < 3; i++) assert_null(outs[i]);
    cancel = false;
    OK(sinter_session_run(s, ins, outs, NULL, &o, &err));
    for (int i = 0; i < 3; i++) sinter_value_release(outs[i]);
    sinter_value_release(x);
    sinter_session_free(s);
}

static void test_unsupported(void **state)
{
    (void)state;
    sn_model *m = new_model(13);
    sn_value_id x = add_input(m, "x", SINTER_FLOAT, 2, batch_by_3);
    assert_true(sn_add_output(m, 0, add_op(m, 0, "NoSuchOperator", "y", x, SN_NONE)));
    sinter_model *model = (sinter_model *)m;
    sinter_session *s = NULL;
    assert_int_equal(sinter_session_create(&model, NULL, &s, NULL, &err), SINTER_UNSUPPORTED);
    assert_non_null(strstr(err.text, "NoSuchOperator"));
    assert_non_null(model);
    assert_null(s);
    sinter_model_free(model);
}

/* ---------------------------------------------------------------------------------------------------- lack of memory
 */

/* The n-th allocation fails, for every n until all succeed: always a clean error. */
static void test_no_memory(void **state)
{
    (void)state;
    int64_t dims[] = {2, 3};
    sinter_value *x = floats(2, dims, 0), *cond;
    OK(sinter_tensor_create(SINTER_BOOL, 0, NULL, &cond, &err));
    const sinter_value *ins[] = {x, cond};
    bool done = false;
    for (long n = 0; !done && n < 5000; n++) {
        sinter_model *model = (sinter_model *)branching_model();
        sinter_session *s = NULL;
        sinter_value *outs[2] = {NULL, NULL};
        sn_alloc_fail_after(n);
        sinter_status status = sinter_session_create(&model, NULL, &s, NULL, &err);
        if (status == SINTER_OK) status = sinter_session_run(s, ins, outs, NULL, NULL, &err);
        sn_alloc_fail_after(-1);
        if (status != SINTER_OK && status != SINTER_NO_MEMORY) fail_msg("allocation %ld: %s", n, err.text);
        if (status != SINTER_OK) assert_true(!outs[0] && !outs[1]);
        done = status == SINTER_OK;
        for (int i = 0; i < 2; i++) sinter_value_release(outs[i]);
        sinter_session_free(s);
        sinter_model_free(model);
    }
    assert_true(done);
    sinter_value_release(x);
    sinter_value_release(cond);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digits),
        cmocka_unit_test(test_batch_and_threads_change_nothing),
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_shared_values),
        cmocka_unit_test(test_branches),
        cmocka_unit_test(test_dynamic_shape),
        cmocka_unit_test(test_overridable_default),
        cmocka_unit_test(test_bad_inputs),
        cmocka_unit_test(test_symbols_must_agree),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_unsupported),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
