/*
 * One model, several sessions: with kernels on one and two threads, and with the reference of every operator, which is
 * the oracle. What holds for every model is checked for every model:
 *
 * - kernels agree with the reference within 1e-4 * |b| + 1e-5: both compute in float, in another order of summation and
 *   with other approximations of exp and the like, and inputs and weights are scaled so that results are about 1. A sum
 *   of some hundred such products is off by less than 1e-5 then, Winograd's transforms included, while a wrong element,
 *   tap or channel is off by more than 1e-2;
 * - the number of threads changes no bit;
 * - a row of a batch is to the last bit what the row gives alone;
 * - a batch of no rows gives no rows.
 */
#ifndef SN_TEST_COMPARE_SESSIONS_H
#define SN_TEST_COMPARE_SESSIONS_H

#include "base/alloc.h"
#include "tests/unit/ops/build_model.h"
#include <math.h>
#include <sinter.h>
#include <stdio.h>
#include <string.h>

#define RTOL    1e-4
#define ATOL    1e-5
#define BATCH   3
#define MOST_IO 8
#define N_ROWS  (-1) /* a dimension: the batch */

#define COUNT(array) (sizeof(array) / sizeof *(array))

static sinter_error err;
static char label[512]; /* of the model under test, for messages */
#define OK(call)                                                                                                       \
    do {                                                                                                               \
        if ((call) != SINTER_OK) fail_msg("%s: %s: %s", label, #call, err.text);                                       \
    } while (0)

/* ---------------------------------------------------------------------------------------------------- models */

static inline sn_value_id batch_input(sn_model *m, const char *name, const int64_t *dims, size_t rank)
{
    sn_type t = tensor_type(SINTER_FLOAT, (int)rank, dims);
    for (size_t i = 0; i < rank; i++) {
        if (dims[i] == N_ROWS) t.shape.dims[i] = SN_DIM_SYMBOL(sn_symbol(m, SN_STR("N")));
    }
    sn_value_id v = sn_add_value(m, 0, sn_str_of(name), &t);
    assert_true(v != SN_NONE && sn_add_input(m, 0, v));
    return v;
}

/* The next of a sequence of numbers in [-1, 1]. */
static inline float next_number(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(*seed >> 8) / (float)(1 << 23) - 1;
}

static inline sinter_value *numbers(const int64_t *dims, size_t rank, uint32_t seed, float scale, bool positive)
{
    sinter_value *t = tensor(SINTER_FLOAT, (int)rank, dims, NULL);
    float *p = sinter_tensor_mutable_data(t);
    for (size_t i = 0; i < sinter_tensor_count(t); i++) {
        float x = next_number(&seed);
        p[i] = scale * (positive ? fabsf(x) + 0.2f : x);
    }
    return t;
}

/* A constant whose elements are of the order of `scale`. */
static inline sn_value_id constant(sn_model *m, const int64_t *dims, size_t rank, float scale)
{
    static const char name[] = "constant";
    return sn_add_initializer(m, 0, SN_STR(name), numbers(dims, rank, (uint32_t)m->n_values * 7919u, scale, false));
}

static inline sn_value_id positive_constant(sn_model *m, const int64_t *dims, size_t rank, float scale)
{
    return sn_add_initializer(m, 0, SN_STR("constant"),
                              numbers(dims, rank, (uint32_t)m->n_values * 7919u, scale, true));
}

/* A node with one output, which is returned; its attributes go to last_node. */
static sn_node_id last_node;
static inline sn_value_id op_in(sn_model *m, sn_graph_id g, const char *op, const sn_value_id *in, size_t n_in)
{
    char name[64];
    snprintf(name, sizeof name, "%s_%zu", op, m->n_nodes);
    sn_value_id out = value_in(m, g, name);
    last_node = node_in(m, g, op, in, n_in, &out, 1);
    return out;
}

static inline sn_value_id op(sn_model *m, const char *type, const sn_value_id *in, size_t n_in)
{
    return op_in(m, 0, type, in, n_in);
}

static inline void attr_ints(sn_model *m, const char *name, const int64_t *values, size_t n)
{
    assert_true(sn_set_attr_ints(m, last_node, name, values, n));
}
static inline void attr_int(sn_model *m, const char *name, int64_t value)
{
    assert_true(sn_set_attr_int(m, last_node, name, value));
}
static inline void attr_float(sn_model *m, const char *name, float value)
{
    assert_true(sn_set_attr_float(m, last_node, name, value));
}
static inline void attr_string(sn_model *m, const char *name, const char *value)
{
    assert_true(sn_set_attr_string(m, last_node, name, sn_str_of(value)));
}
static inline void output(sn_model *m, sn_value_id v)
{
    assert_true(sn_add_output(m, 0, v));
}

/* A 1x1 convolution with constant weights, so that what it gives lies with channels last. */
static inline sn_value_id pointwise(sn_model *m, sn_value_id x, int64_t in, int64_t out, int spatial)
{
    int64_t dims[5] = {out, in, 1, 1, 1};
    sn_value_id w = constant(m, dims, (size_t)spatial + 2, 1 / sqrtf((float)in));
    return op(m, "Conv", IDS(x, w));
}

/* ---------------------------------------------------------------------------------------------------- sessions */

typedef sn_model *(*model_builder)(const void *context);

static sinter_pool *two_threads;

static inline int make_pool(void **state)
{
    (void)state;
    return sinter_pool_create(2, &two_threads, &err) == SINTER_OK ? 0 : -1;
}
static inline int free_pool(void **state)
{
    (void)state;
    sinter_pool_free(two_threads);
    return 0;
}

static inline sinter_session *open_session(sn_model *m, bool reference, int threads, bool optimized)
{
    sinter_session_options o = SINTER_SESSION_OPTIONS_INIT;
    sinter_model *model = (sinter_model *)m;
    sinter_session *s = NULL;
    o.pool = threads > 1 ? two_threads : NULL;
    o.reference = reference;
    o.no_optimize = !optimized;
    o.profile = true;
    OK(sinter_session_create(&model, &o, &s, NULL, &err));
    return s;
}

typedef struct values {
    sinter_value *v[MOST_IO];
    size_t n;
} values;

static inline void release(values *x)
{
    for (size_t i = 0; i < x->n; i++) sinter_value_release(x->v[i]);
    *x = (values){.n = 0};
}

/* An int64 input is the shape of the input before it. */
static inline sinter_value *shape_value(const sinter_value *v)
{
    return int_list(sinter_tensor_dims(v), (size_t)sinter_tensor_rank(v));
}

/* Floats are positive when the input's name begins with "positive", a bool is true when it begins with "yes". */
static inline values make_inputs(const sinter_session *s, int64_t rows)
{
    values in = {.n = sinter_session_input_count(s)};
    for (size_t i = 0; i < in.n; i++) {
        sinter_io io = sinter_session_input(s, i);
        for (int k = 0; k < io.rank; k++) {
            if (io.dims[k] < 0) io.dims[k] = rows;
        }
        if (io.dtype == SINTER_BOOL) {
            in.v[i] = tensor(SINTER_BOOL, 0, NULL, &(uint8_t){strncmp(io.name, "yes", 3) == 0});
        } else if (io.dtype == SINTER_INT64) {
            in.v[i] = shape_value(in.v[i - 1]);
        } else {
            bool positive = strncmp(io.name, "positive", 8) == 0;
            in.v[i] = numbers(io.dims, (size_t)io.rank, (uint32_t)(i + 1) * 104729u, 1, positive);
        }
    }
    return in;
}

static inline values run(sinter_session *s, const values *in)
{
    values out = {.n = sinter_session_output_count(s)};
    OK(sinter_session_run(s, (const sinter_value *const *)in->v, out.v, NULL, NULL, &err));
    return out;
}

/* Row `row` of what has as many rows as the batch; else the whole. */
static inline sinter_value *row_of(const sinter_value *all, int64_t row)
{
    int64_t dims[SINTER_MAX_RANK];
    int rank = sinter_tensor_rank(all);
    memcpy(dims, sinter_tensor_dims(all), (size_t)rank * sizeof *dims);
    size_t size = sinter_tensor_size(all) / BATCH;
    dims[0] = 1;
    sinter_value *v;
    OK(sinter_tensor_wrap(sinter_tensor_dtype(all), rank, dims,
                          (const char *)sinter_tensor_data(all) + (size_t)row * size, size, &v, &err));
    return v;
}

static inline bool has_rows(const sinter_io *io)
{
    return io->rank > 0 && io->dims[0] < 0;
}

static inline void expect_close(const char *what, const values *found, const values *expected)
{
    assert_int_equal(found->n, expected->n);
    for (size_t i = 0; i < found->n; i++) {
        sinter_difference d = sinter_value_compare(found->v[i], expected->v[i], RTOL, ATOL);
        if (!d.comparable || d.mismatches > 0)
            fail_msg("%s: %s: output %zu: %zu of %zu: %s", label, what, i, d.mismatches, d.count, d.text);
    }
}

static inline void expect_same_bits(const char *what, const sinter_value *found, const void *expected, size_t size)
{
    if (sinter_tensor_size(found) != size) fail_msg("%s: %s: has another size", label, what);
    if (memcmp(sinter_tensor_data(found), expected, size) != 0) fail_msg("%s: %s: other bits", label, what);
}

/* ---------------------------------------------------------------------------------------------------- profiles */

/* "Conv=winograd Add=binary": what has a row, in order. */
static inline void expect_impls(const sinter_session *s, const char *expected)
{
    sinter_profile_row rows[64];
    char text[1024] = "";
    size_t n = sinter_session_profile(s, rows, 64), used = 0;
    assert_in_range(n, 0, 64);
    for (size_t i = 0; i < n; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s=%s", i > 0 ? " " : "", rows[i].op_type,
                                 rows[i].impl);
    }
    if (strcmp(text, expected) != 0) fail_msg("%s: ran as '%s', expected '%s'", label, text, expected);
}

/* ---------------------------------------------------------------------------------------------------- checks */

/* Rows alone give what they give together. */
static inline void check_rows(sinter_session *s, const values *in, const values *all)
{
    for (int64_t row = 0; row < BATCH; row++) {
        values one = {.n = in->n};
        for (size_t i = 0; i < in->n; i++) {
            sinter_io io = sinter_session_input(s, i);
            if (io.dtype == SINTER_INT64) {
                one.v[i] = shape_value(one.v[i - 1]);
            } else {
                one.v[i] = has_rows(&io) ? row_of(in->v[i], row) : sinter_value_retain(in->v[i]);
            }
        }
        values out = run(s, &one);
        for (size_t i = 0; i < out.n; i++) {
            size_t size = sinter_tensor_size(all->v[i]), at = 0;
            if (sinter_tensor_size(out.v[i]) != size) { /* else what does not depend on the batch */
                size /= BATCH;
                at = (size_t)row * size;
            }
            expect_same_bits("a row alone", out.v[i], (const char *)sinter_tensor_data(all->v[i]) + at, size);
        }
        release(&one);
        release(&out);
    }
}

/* Each output when nobody wants the others. */
static inline void check_single_outputs(sinter_session *s, const values *in, const values *all)
{
    for (size_t i = 0; all->n > 1 && i < all->n; i++) {
        bool wanted[MOST_IO] = {false};
        values out = {.n = all->n};
        wanted[i] = true;
        OK(sinter_session_run(s, (const sinter_value *const *)in->v, out.v, wanted, NULL, &err));
        for (size_t k = 0; k < out.n; k++) assert_true((out.v[k] != NULL) == (k == i));
        expect_same_bits("one output", out.v[i], sinter_tensor_data(all->v[i]), sinter_tensor_size(all->v[i]));
        release(&out);
    }
}

static inline void check_no_rows(sinter_session *s, sinter_session *reference)
{
    values in = make_inputs(s, 0), out = run(s, &in), expected = run(reference, &in);
    expect_close("no rows", &out, &expected);
    release(&in);
    release(&out);
    release(&expected);
}

static inline bool takes_rows(const sinter_session *s)
{
    for (size_t i = 0; i < sinter_session_input_count(s); i++) {
        sinter_io io = sinter_session_input(s, i);
        if (has_rows(&io)) return true;
    }
    return false;
}

/* `impls`: how the unoptimized model runs (NULL: not asserted). */
static inline void check_model(model_builder build, const void *context, const char *impls)
{
    sinter_session *reference = open_session(build(context), true, 1, false), *first = NULL;
    values in = make_inputs(reference, BATCH), expected = run(reference, &in), bits = {.n = 0};
    for (int threads = 1; threads <= 2; threads++) {
        sinter_session *s = open_session(build(context), false, threads, false);
        values out = run(s, &in);
        expect_close("kernels", &out, &expected);
        if (impls) expect_impls(s, impls);
        for (size_t i = 0; first && i < out.n; i++) {
            expect_same_bits("two threads", out.v[i], sinter_tensor_data(bits.v[i]), sinter_tensor_size(bits.v[i]));
        }
        if (takes_rows(s)) {
            check_rows(s, &in, &out);
            check_no_rows(s, reference);
        }
        check_single_outputs(s, &in, &out);
        values again = run(s, &in); /* whatever other plans left behind */
        for (size_t i = 0; i < out.n; i++) {
            expect_same_bits("again", again.v[i], sinter_tensor_data(out.v[i]), sinter_tensor_size(out.v[i]));
        }
        release(&again);
        if (first) {
            release(&out);
            sinter_session_free(s);
        } else {
            first = s;
            bits = out;
        }
    }
    sinter_session_free(first);
    sinter_session *optimized = open_session(build(context), false, 2, true);
    values out = run(optimized, &in);
    expect_close("optimized", &out, &expected);
    release(&out);
    sinter_session_free(optimized);
    sinter_session_free(reference);
    release(&bits);
    release(&expected);
    release(&in);
}

#endif
