/*
 * Packed weights: the model's own tensor is let go when all its readers want the same pack ("hollow"), comes back
 * exactly where a step needs it plain, and lack of memory at any point is a clean error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/runtime/impl_cases.h"

#include "runtime/session.h"
#include "tests/unit/temporary.h"
#include <pthread.h>
#include <unistd.h>

/* ---------------------------------------------------------------------------------------------------- weights */

typedef struct weight_case {
    const char *op_type, *impl; /* how it runs when shapes are known */
    int rank_x, rank_w;
    int64_t x[5], w[5];
    int64_t group;
    bool pad, trans_b;
    int64_t stride[3], dilation[3]; /* 0: not stated */
} weight_case;

static const weight_case weight_cases[] = {
    {"Conv", "winograd-4x4", 4, 4, .x = {N_ROWS, 18, 14, 15}, .w = {21, 18, 3, 3}, .pad = true},
    {"Conv", "winograd-2x2", 4, 4, .x = {N_ROWS, 16, 7, 7}, .w = {16, 16, 3, 3}, .pad = true},
    {"Conv", "conv", 4, 4, .x = {N_ROWS, 20, 5, 4}, .w = {33, 20, 1, 1}},
    {"Conv", "conv", 3, 3, .x = {N_ROWS, 20, 11}, .w = {17, 20, 4}},
    {"Conv", "conv", 5, 5, .x = {N_ROWS, 16, 3, 4, 5}, .w = {7, 16, 2, 2, 2}},
    {"Conv", "conv", 4, 4, .x = {N_ROWS, 12, 7, 8}, .w = {24, 4, 3, 3}, .group = 3, .pad = true},
    {"Conv", "conv-few-channels", 4, 4, .x = {N_ROWS, 3, 12, 8}, .w = {19, 3, 5, 5}},
    {"Conv", "depthwise", 4, 4, .x = {N_ROWS, 33, 7, 8}, .w = {33, 1, 3, 3}, .group = 33, .pad = true},
    {"Conv", "depthwise", 3, 3, .x = {N_ROWS, 100, 9}, .w = {100, 1, 3}, .group = 100},
    {"ConvTranspose", "conv-transpose", 4, 4, .x = {N_ROWS, 20, 5, 4}, .w = {20, 33, 4, 3}, .stride = {2, 2}},
    {"ConvTranspose", "conv-transpose", 4, 4, .x = {N_ROWS, 12, 5, 4}, .w = {12, 9, 3, 3}, .group = 3, .pad = true},
    {"ConvTranspose", "conv-transpose", 3, 3, .x = {N_ROWS, 20, 7}, .w = {20, 17, 5}, .stride = {4}, .dilation = {6}},
    {"ConvTranspose", "conv-transpose", 5, 5, .x = {N_ROWS, 8, 3, 4, 5}, .w = {8, 3, 2, 5, 3}, .group = 2,
     .stride = {3, 2, 1}, .dilation = {1, 1, 2}},
    {"Conv", "grouped", 4, 4, .x = {N_ROWS, 40, 7, 8}, .w = {40, 8, 3, 3}, .group = 5, .pad = true},
    {"Conv", "grouped", 3, 3, .x = {N_ROWS, 90, 9}, .w = {90, 2, 5}, .group = 45},
    {"Gemm", "gemm", 2, 2, .x = {N_ROWS, 19}, .w = {19, 37}},
    {"Gemm", "gemm", 2, 2, .x = {N_ROWS, 19}, .w = {37, 19}, .trans_b = true},
    {"MatMul", "matmul", 3, 2, .x = {N_ROWS, 5, 19}, .w = {19, 37}},
    {"MatMul", "matmul", 3, 3, .x = {5, 5, 19}, .w = {5, 19, 37}},
    {"MatMul", "matmul", 4, 4, .x = {N_ROWS, 3, 5, 19}, .w = {1, 3, 19, 7}},
};

static void set_attributes(sn_model *m, const weight_case *c)
{
    if (c->pad) attr_ints(m, "pads", INTS(1, 1, 1, 1));
    if (c->group > 0) attr_int(m, "group", c->group);
    if (c->trans_b) attr_int(m, "transB", 1);
    if (c->stride[0] > 0) attr_ints(m, "strides", c->stride, (size_t)c->rank_w - 2);
    if (c->dilation[0] > 0) attr_ints(m, "dilations", c->dilation, (size_t)c->rank_w - 2);
}

static sn_value_id weight_of(sn_model *m, const weight_case *c)
{
    return constant(m, c->w, (size_t)c->rank_w, 0.2f);
}

static sn_value_id apply(sn_model *m, const weight_case *c, sn_value_id x, sn_value_id w)
{
    sn_value_id y = op(m, c->op_type, IDS(x, w));
    set_attributes(m, c);
    return y;
}

/* x as a value whose shape is known only when the model runs. */
static sn_value_id dynamic(sn_model *m, sn_value_id x, int rank)
{
    sn_type t = tensor_type(SINTER_INT64, 1, (int64_t[]){rank});
    sn_value_id shape = sn_add_value(m, 0, SN_STR("shape"), &t);
    assert_true(shape != SN_NONE && sn_add_input(m, 0, shape));
    return op(m, "Reshape", IDS(x, shape));
}

/* The value that is packed: the only large constant. */
static sn_value_id packed_value(const sn_model *m)
{
    for (sn_value_id id = 0; id < m->n_values; id++) {
        const sinter_value *v = m->values[id].constant;
        if (v && v->size >= 1024) return id;
    }
    return SN_NONE;
}

static sn_model *known_shape(const void *context)
{
    const weight_case *c = context;
    sn_model *m = new_model(13);
    sn_value_id x = batch_input(m, "x", c->x, (size_t)c->rank_x);
    output(m, apply(m, c, x, weight_of(m, c)));
    return m;
}

static sn_model *unknown_shape(const void *context)
{
    const weight_case *c = context;
    sn_model *m = new_model(13);
    sn_value_id x = dynamic(m, batch_input(m, "x", c->x, (size_t)c->rank_x), c->rank_x);
    output(m, apply(m, c, x, weight_of(m, c)));
    return m;
}

/* One step reads the pack, the other one the plain tensor that came back. */
static sn_model *both(const void *context)
{
    const weight_case *c = context;
    sn_model *m = new_model(13);
    sn_value_id x = batch_input(m, "x", c->x, (size_t)c->rank_x), w = weight_of(m, c);
    sn_value_id again = dynamic(m, x, c->rank_x);
    output(m, apply(m, c, x, w));
    output(m, apply(m, c, again, w));
    output(m, apply(m, c, op(m, "Neg", IDS(x)), w));
    return m;
}

/* Branches of different shapes: what follows the If cannot be planned. */
static sn_model *behind_if(const char *condition, const weight_case *c)
{
    sn_model *m = new_model(13);
    sn_type boolean = tensor_type(SINTER_BOOL, 0, NULL);
    sn_value_id x = batch_input(m, "x", c->x, (size_t)c->rank_x), w = weight_of(m, c);
    sn_value_id cond = sn_add_value(m, 0, sn_str_of(condition), &boolean);
    assert_true(cond != SN_NONE && sn_add_input(m, 0, cond));
    sn_value_id y = op(m, "If", IDS(cond));
    sn_node_id owner = last_node;
    sn_graph_id yes = body(m, owner, "then_branch"), no = body(m, owner, "else_branch");
    sn_value_id longer = op_in(m, no, "Concat", IDS(x, x));
    attr_int(m, "axis", 0);
    assert_true(sn_add_output(m, yes, op_in(m, yes, "Abs", IDS(x))));
    assert_true(sn_add_output(m, no, longer));
    output(m, apply(m, c, y, w));
    return m;
}

static sn_model *behind_if_yes(const void *c)
{
    return behind_if("yes", c);
}

static sn_model *behind_if_no(const void *c)
{
    return behind_if("no", c);
}

/* ---------------------------------------------------------------------------------------------------- restoring */

static void expect_hollow(model_builder build, const void *context, bool expected)
{
    for (int threads = 1; threads <= 2; threads++) {
        sn_model *m = build(context);
        sn_value_id w = packed_value(m);
        sinter_value *original = sinter_value_retain(m->values[w].constant), *restored;
        sinter_session *s = open_session(m, false, threads, false);
        if (sn_packs_is_hollow(s->packs, w) != expected) fail_msg("%s: hollow: %d", label, !expected);
        if (expected) {
            assert_ptr_not_equal(s->m->values[w].constant->data, original->data);
            OK(sn_packs_restore(s->packs, w, &restored, &err));
            expect_same_bits("restored weights", restored, original->data, original->size);
            sinter_value_release(restored);
        }
        sinter_value_release(original);
        sinter_session_free(s);
    }
}

/* Unpacking gives the very bits, from every form. */
static void test_restored_exactly(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(weight_cases); i++) {
        const weight_case *c = &weight_cases[i];
        snprintf(label, sizeof label, "%s %zu (%s)", c->op_type, i, c->impl);
        expect_hollow(known_shape, c, true);
        expect_hollow(unknown_shape, c, true);
        expect_hollow(both, c, true);
    }
}

static void test_dynamic_steps(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(weight_cases); i++) {
        const weight_case *c = &weight_cases[i];
        snprintf(label, sizeof label, "%s %zu (%s)", c->op_type, i, c->impl);
        check_model(known_shape, c, runs_as("%s=%s", c->op_type, c->impl));
        check_model(unknown_shape, c, runs_as("Reshape=reference %s=reference", c->op_type));
        check_model(both, c,
                    runs_as("Reshape=reference %s=%s %s=reference Neg=unary %s=%s", c->op_type, c->impl, c->op_type,
                            c->op_type, c->impl));
        if (c->x[0] != N_ROWS) continue;
        check_model(behind_if_yes, c, runs_as("If=reference Abs=reference %s=reference", c->op_type));
        expect_hollow(behind_if_yes, c, true);
    }
}

/* The longer branch: six rows of three. */
static void test_longer_branch(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(weight_cases); i++) {
        const weight_case *c = &weight_cases[i];
        if (c->x[0] != N_ROWS || (c->rank_w > 2 && strcmp(c->op_type, "MatMul") == 0)) continue;
        snprintf(label, sizeof label, "longer branch of %s %zu", c->op_type, i);
        sinter_session *s = open_session(behind_if_no(c), false, 2, false);
        sinter_session *reference = open_session(behind_if_no(c), true, 1, false);
        values in = make_inputs(s, BATCH), out = run(s, &in), expected = run(reference, &in);
        assert_int_equal(sinter_tensor_dims(out.v[0])[0], 2 * BATCH);
        expect_close("kernels", &out, &expected);
        release(&in);
        release(&out);
        release(&expected);
        sinter_session_free(s);
        sinter_session_free(reference);
    }
}

/* ---------------------------------------------------------------------------------------------------- kept */

static sn_model *read_by_other(const void *context)
{
    const weight_case *c = context;
    sn_model *m = known_shape(c);
    output(m, op(m, "Neg", IDS(packed_value(m))));
    return m;
}

static sn_model *returned(const void *context)
{
    sn_model *m = known_shape(context);
    output(m, packed_value(m));
    return m;
}

/* Also as the operand that is not packed. */
static sn_model *other_slot(const void *context)
{
    const weight_case *c = context;
    sn_model *m = known_shape(c);
    output(m, op(m, "MatMul", IDS(packed_value(m), constant(m, INTS(c->w[c->rank_w - 1], 2), 1))));
    return m;
}

static sn_model *read_by_body(const void *context)
{
    sn_model *m = known_shape(context);
    sn_value_id w = packed_value(m);
    sn_type boolean = tensor_type(SINTER_BOOL, 0, NULL);
    sn_value_id cond = sn_add_value(m, 0, SN_STR("yes"), &boolean);
    assert_true(cond != SN_NONE && sn_add_input(m, 0, cond));
    sn_value_id y = op(m, "If", IDS(cond));
    sn_node_id owner = last_node;
    sn_graph_id yes = body(m, owner, "then_branch"), no = body(m, owner, "else_branch");
    assert_true(sn_add_output(m, yes, op_in(m, yes, "Neg", IDS(w))));
    assert_true(sn_add_output(m, no, op_in(m, no, "Abs", IDS(w))));
    output(m, y);
    return m;
}

/* One wants its rows as columns, the other one does not. */
static sn_model *two_forms(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(13);
    sn_value_id x = batch_input(m, "x", INTS(N_ROWS, 24)), w = constant(m, INTS(24, 24), 0.2f);
    output(m, op(m, "Gemm", IDS(x, w)));
    output(m, op(m, "Gemm", IDS(x, w)));
    attr_int(m, "transB", 1);
    output(m, op(m, "MatMul", IDS(x, w)));
    return m;
}

/* The caller may give another one. */
static sn_model *overridable(const void *context)
{
    sn_model *m = known_shape(context);
    assert_true(sn_add_input(m, 0, packed_value(m)));
    return m;
}

/* The weight of a Constant node is packed, but nothing lets the node's attribute go. */
static sn_model *constant_node(const void *context)
{
    const weight_case *c = context;
    sn_model *m = new_model(13);
    sn_value_id x = batch_input(m, "x", c->x, (size_t)c->rank_x), w = op(m, "Constant", NULL, 0);
    tensor_attr(m, last_node, "value", numbers(c->w, (size_t)c->rank_w, 7, 0.2f, false));
    sn_value_id again = dynamic(m, x, c->rank_x);
    output(m, apply(m, c, x, w));
    output(m, apply(m, c, again, w));
    output(m, w);
    return m;
}

static void test_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(weight_cases); i++) {
        const weight_case *c = &weight_cases[i];
        static const model_builder builders[] = {read_by_other, returned, other_slot, read_by_body};
        for (size_t k = 0; k < COUNT(builders); k++) {
            snprintf(label, sizeof label, "%s %zu, kept for %zu", c->op_type, i, k);
            expect_hollow(builders[k], c, false);
            check_model(builders[k], c, NULL);
        }
        snprintf(label, sizeof label, "%s %zu, overridable", c->op_type, i);
        expect_hollow(overridable, c, false);
        check_model(overridable, c, NULL);
        snprintf(label, sizeof label, "%s %zu, weight of a Constant", c->op_type, i);
        check_model(constant_node, c, NULL);
    }
    snprintf(label, sizeof label, "two forms");
    expect_hollow(two_forms, NULL, false);
    check_model(two_forms, NULL, "Gemm=gemm Gemm=gemm MatMul=matmul");
}

/* ---------------------------------------------------------------------------------------------------- per plan */

/* Weights that inference knows, but that are others for each shape of the input: no pack may outlive the plan. */
static sn_model *weight_from_shape(const void *op_type)
{
    sn_model *m = new_model(13);
    sn_value_id x = batch_input(m, "x", INTS(N_ROWS, 5)), a, w = op(m, "Cast", IDS(op(m, "Shape", IDS(x))));
    attr_int(m, "to", SINTER_FLOAT);
    bool conv = strcmp(op_type, "Conv") == 0, depthwise = strcmp(op_type, "depthwise") == 0;
    if (conv || depthwise) {
        a = batch_input(m, "a", INTS(4, 2, 6));
        w = op(m, "Reshape",
               IDS(w, initializer(m, "to", int_list(depthwise ? (int64_t[]){2, 1, 1} : (int64_t[]){1, 2, 1}, 3))));
        output(m, op(m, "Conv", IDS(a, w)));
        if (depthwise) attr_int(m, "group", 2);
    } else {
        a = batch_input(m, "a", INTS(4, 2));
        w = op(m, "Reshape", IDS(w, initializer(m, "to", int_list(INTS(2, 1)))));
        output(m, op(m, op_type, IDS(a, w)));
    }
    return m;
}

static void test_weights_of_a_plan(void **state)
{
    (void)state;
    static const char *const ops[] = {"MatMul", "Gemm", "Conv", "depthwise"};
    for (size_t i = 0; i < COUNT(ops); i++) {
        snprintf(label, sizeof label, "%s with a weight from a shape", ops[i]);
        sinter_session *s = open_session(weight_from_shape(ops[i]), false, 1, false);
        sinter_session *reference = open_session(weight_from_shape(ops[i]), true, 1, false);
        for (int64_t rows = 1; rows <= 3; rows++) {
            values in = make_inputs(s, rows), out = run(s, &in), expected = run(reference, &in);
            expect_close("kernels", &out, &expected);
            release(&in);
            release(&out);
            release(&expected);
        }
        sinter_session_free(s);
        sinter_session_free(reference);
    }
}

/* ---------------------------------------------------------------------------------------------------- many at once */

/* All kinds of packs: derived ones, direct ones and one that comes back. */
static sn_model *network(const void *unused)
{
    (void)unused;
    sn_model *m = new_model(13);
    sn_value_id x = batch_input(m, "x", INTS(N_ROWS, 3, 14, 14));
    sn_value_id y = op(m, "Conv", IDS(x, constant(m, INTS(16, 3, 3, 3), 0.2f), constant(m, INTS(16), 1)));
    attr_ints(m, "pads", INTS(1, 1, 1, 1));
    y = op(m, "Relu", IDS(y));
    y = op(m, "Conv", IDS(y, constant(m, INTS(16, 16, 3, 3), 0.1f)));
    attr_ints(m, "pads", INTS(1, 1, 1, 1));
    y = op(m, "Conv", IDS(y, constant(m, INTS(16, 16, 1, 1), 0.2f)));
    y = op(m, "Conv", IDS(y, constant(m, INTS(16, 1, 5, 5), 0.2f)));
    attr_int(m, "group", 16);
    y = op(m, "Flatten", IDS(op(m, "GlobalAveragePool", IDS(y))));
    y = op(m, "Gemm", IDS(y, constant(m, INTS(16, 16), 0.2f)));
    sn_value_id w = constant(m, INTS(16, 20), 0.2f);
    output(m, op(m, "MatMul", IDS(y, w)));
    sn_type t = tensor_type(SINTER_INT64, 1, (int64_t[]){4});
    sn_value_id shape = sn_add_value(m, 0, SN_STR("shape"), &t);
    assert_true(shape != SN_NONE && sn_add_input(m, 0, shape));
    sn_value_id z = op(m, "Reshape", IDS(x, shape));
    z = op(m, "Transpose",
           IDS(op(m, "Slice",
                  IDS(z, initializer(m, "from", int_list(INTS(0))), initializer(m, "to", int_list(INTS(16))),
                      initializer(m, "axes", int_list(INTS(3)))))));
    attr_ints(m, "perm", INTS(0, 1, 3, 2));
    z = op(m, "Concat", IDS(z, z));
    attr_int(m, "axis", 2);
    z = op(m, "MatMul", IDS(op(m, "Softmax", IDS(z)), constant(m, INTS(14, 20), 0.2f)));
    output(m, z);
    return m;
}

typedef struct client {
    sinter_session *s;
    const values *in, *expected; /* by number of rows, from 1 on */
    int number;
    bool wrong;
} client;

static void *client_main(void *argument)
{
    client *c = argument;
    for (int i = 0; i < 20; i++) {
        int k = (c->number + i) % 4;
        sinter_value *out[MOST_IO] = {NULL};
        sinter_error mine;
        if (sinter_session_run(c->s, (const sinter_value *const *)c->in[k].v, out, NULL, NULL, &mine) != SINTER_OK) {
            c->wrong = true;
            break;
        }
        for (size_t o = 0; o < c->expected[k].n; o++) {
            sinter_difference d = sinter_value_compare(out[o], c->expected[k].v[o], RTOL, ATOL);
            c->wrong = c->wrong || !d.comparable || d.mismatches > 0;
            sinter_value_release(out[o]);
        }
    }
    return NULL;
}

/* Plans are built at the same time, and fall out of a cache that is too small. */
static void test_many_threads(void **state)
{
    (void)state;
    snprintf(label, sizeof label, "many threads");
    sinter_session *reference = open_session(network(NULL), true, 1, false), *s = NULL;
    sinter_session_options o = SINTER_SESSION_OPTIONS_INIT;
    sinter_model *model = (sinter_model *)network(NULL);
    o.pool = two_threads;
    o.no_optimize = true;
    o.max_plans = 2;
    OK(sinter_session_create(&model, &o, &s, NULL, &err));
    values in[4], expected[4];
    for (int i = 0; i < 4; i++) {
        in[i] = make_inputs(s, i + 1);
        expected[i] = run(reference, &in[i]);
    }
    client clients[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        clients[i] = (client){s, in, expected, i, false};
        assert_int_equal(pthread_create(&threads[i], NULL, client_main, &clients[i]), 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) {
        assert_false(clients[i].wrong);
        release(&in[i]);
        release(&expected[i]);
    }
    sinter_session_free(s);
    sinter_session_free(reference);
}

/* ---------------------------------------------------------------------------------------------------- files */

enum { SHARED_IN = 1024, SHARED_OUT = 4096 };

/* A weight in a file that is read into memory, whose pages are lost once they are given back. */
static sinter_value *weight_in_file(void)
{
    const int64_t dims[] = {SHARED_OUT, SHARED_IN};
    sinter_value *plain = numbers(dims, 2, 1, 0.05f, false), *v = NULL;
    size_t size = sinter_tensor_size(plain);
    char path[256];
    temporary_pattern(path, sizeof path, "weight");
    FILE *f = fdopen(mkstemp(path), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(sinter_tensor_data(plain), 1, size, f), size);
    fclose(f);
    sn_block *file = NULL;
    OK(sn_block_open(path, false, &file, &err));
    unlink(path);
    sn_block *payload = sn_block_slice(file, 0, size);
    assert_non_null(payload);
    OK(sn_tensor_from_block(SINTER_FLOAT, &plain->shape, payload, sn_block_data(payload), &v, &err));
    sn_block_release(payload);
    sn_block_release(file);
    sinter_value_release(plain);
    return v;
}

/* Two initializers that are one tensor, as inlining a function twice leaves them. */
static sn_model *shared_tensor(sinter_value *weight)
{
    sn_model *m = new_model(13);
    sn_value_id x = batch_input(m, "x", INTS(N_ROWS, SHARED_IN));
    for (int i = 0; i < 2; i++) {
        sn_value_id w = sn_add_initializer(m, 0, SN_STR("w"), sinter_value_retain(weight));
        sn_value_id y = op(m, "Gemm", IDS(x, w));
        attr_int(m, "transB", 1);
        output(m, y);
    }
    sinter_value_release(weight);
    return m;
}

static void test_shared_tensor(void **state)
{
    (void)state;
    snprintf(label, sizeof label, "a shared tensor");
    sinter_session *s = open_session(shared_tensor(weight_in_file()), false, 1, false);
    sinter_session *reference = open_session(shared_tensor(weight_in_file()), true, 1, false);
    values in = make_inputs(s, 2), out = run(s, &in), expected = run(reference, &in);
    expect_close("packed", &out, &expected);
    release(&expected);
    release(&out);
    release(&in);
    sinter_session_free(reference);
    sinter_session_free(s);
}

/* ---------------------------------------------------------------------------------------------------- lack of memory
 */

/* One session, in which allocation n fails, and which then works as if nothing had happened. Did nothing fail? */
static bool fails_cleanly(long n, bool optimized, sinter_pool *pool, const values *in, const values *expected)
{
    sinter_session_options o = SINTER_SESSION_OPTIONS_INIT;
    sinter_model *model = (sinter_model *)network(NULL);
    sinter_session *s = NULL;
    values out = {.n = expected->n};
    o.no_optimize = !optimized;
    o.pool = pool;
    sn_alloc_fail_after(n);
    sinter_status status = sinter_session_create(&model, &o, &s, NULL, &err);
    if (status == SINTER_OK)
        status = sinter_session_run(s, (const sinter_value *const *)in->v, out.v, NULL, NULL, &err);
    sn_alloc_fail_after(-1);
    if (status != SINTER_OK && status != SINTER_NO_MEMORY) fail_msg("%s: allocation %ld: %s", label, n, err.text);
    for (size_t i = 0; status != SINTER_OK && i < out.n; i++) assert_null(out.v[i]);
    /* Then whatever is left works as if nothing had happened: the session, or the model if it was not used up. */
    if (!s && model) OK(sinter_session_create(&model, &o, &s, NULL, &err));
    if (s && status != SINTER_OK)
        OK(sinter_session_run(s, (const sinter_value *const *)in->v, out.v, NULL, NULL, &err));
    if (s) {
        expect_close("after a failure", &out, expected);
        release(&out);
    }
    sinter_session_free(s);
    sinter_model_free(model);
    return status == SINTER_OK;
}

static void test_no_memory(void **state)
{
    (void)state;
    sinter_session *reference = open_session(network(NULL), true, 1, false);
    values in = make_inputs(reference, 2), expected = run(reference, &in);
    for (int variant = 0; variant < 3; variant++) {
        long n = 0;
        snprintf(label, sizeof label, "variant %d", variant);
        while (n < 20000 && !fails_cleanly(n, variant == 2, variant == 1 ? two_threads : NULL, &in, &expected)) n++;
        assert_in_range(n, 50, 19999);
    }
    release(&in);
    release(&expected);
    sinter_session_free(reference);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_restored_exactly),  cmocka_unit_test(test_dynamic_steps),
        cmocka_unit_test(test_longer_branch),     cmocka_unit_test(test_kept),
        cmocka_unit_test(test_weights_of_a_plan), cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_no_memory),         cmocka_unit_test(test_shared_tensor),
    };
    return cmocka_run_group_tests(tests, make_pool, free_pool);
}
