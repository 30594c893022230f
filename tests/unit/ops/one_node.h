/* Models of a single node, and what their evaluation gives. */
#ifndef SN_TEST_ONE_NODE_H
#define SN_TEST_ONE_NODE_H

#include "base/alloc.h"
#include "build_model.h"

#define MAX_VALUES 8
#define FLOATS(...)                                                                                                    \
    (const float[])                                                                                                    \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

/* A node with inputs of undeclared type (bit i of `absent`: input i is left out) and n_out outputs. */
static inline sn_node_id one_node(sn_model **m, int64_t opset, const char *op, size_t n_in, unsigned absent,
                                  size_t n_out)
{
    sn_value_id in[MAX_VALUES], out[MAX_VALUES];
    *m = new_model(opset);
    for (size_t i = 0; i < n_in; i++)
        in[i] = absent >> i & 1 ? SN_NONE : value(*m, (const char[]){'i', '0' + (char)i, 0});
    for (size_t i = 0; i < n_out; i++) out[i] = value(*m, (const char[]){'o', '0' + (char)i, 0});
    return node(*m, op, in, n_in, out, n_out);
}

/* Evaluates and checks that it works; releases inputs and model. */
static inline void evaluate_well(sn_model *m, sn_node_id n, sinter_value **in, sinter_value **outs)
{
    sinter_error err = {.text = ""};
    if (evaluate(m, n, in, outs, &err) != SINTER_OK) fail_msg("%s", err.text);
    sn_model_destroy(m);
}

/* Evaluates and checks that it fails with `status` and a text that contains `word`. */
static inline void evaluate_badly(sn_model *m, sn_node_id n, sinter_value **in, sinter_status status, const char *word)
{
    sinter_value *outs[MAX_VALUES] = {NULL};
    sinter_error err = {.text = ""};
    sinter_status found = evaluate(m, n, in, outs, &err);
    if (found != status || !strstr(err.text, word))
        fail_msg("status %s and text '%s', expected %s and '%s'", sinter_status_name(found), err.text,
                 sinter_status_name(status), word);
    for (size_t i = 0; i < MAX_VALUES; i++) assert_null(outs[i]);
    sn_model_destroy(m);
}

/* The same for inference, which does not free the model. */
static inline void infer_badly(const sn_model *m, const char *word)
{
    inferred r = infer(m);
    if (r.status != SINTER_INVALID_MODEL || !strstr(r.err.text, word))
        fail_msg("status %s and text '%s', expected invalid model and '%s'", sinter_status_name(r.status), r.err.text,
                 word);
    free_inferred(&r);
}

/* Checks elements within 1e-5 and releases the tensor. */
static inline void assert_elements(sinter_value *t, size_t n, const double *expected)
{
    assert_non_null(t);
    assert_int_equal(t->count, n);
    for (size_t i = 0; i < n; i++) {
        double found = sn_load_double(t->dtype, t->data, i);
        double off = found > expected[i] ? found - expected[i] : expected[i] - found;
        if (!(off <= 1e-5)) fail_msg("element %zu is %g, expected %g", i, found, expected[i]);
    }
    sinter_value_release(t);
}
#define assert_values(t, ...)                                                                                          \
    assert_elements((t), sizeof((const double[]){__VA_ARGS__}) / sizeof(double), (const double[]){__VA_ARGS__})

/* A tensor of any numeric type from doubles. */
static inline sinter_value *numbers(sinter_dtype dtype, int rank, const int64_t *dims, const double *values)
{
    sinter_value *t;
    assert_int_equal(sinter_tensor_create(dtype, rank, dims, &t, NULL), SINTER_OK);
    for (size_t i = 0; i < t->count; i++) sn_store_double(dtype, t->data, i, values[i]);
    return t;
}
#define DIMS(...)                                                                                                      \
    (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[])                                 \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
#define NUMBERS(...)                                                                                                   \
    (const double[])                                                                                                   \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

/* A tensor that counts 1, 2, 3, ... */
static inline sinter_value *counting(sinter_dtype dtype, int rank, const int64_t *dims)
{
    sinter_value *t;
    assert_int_equal(sinter_tensor_create(dtype, rank, dims, &t, NULL), SINTER_OK);
    for (size_t i = 0; i < t->count; i++) sn_store_double(dtype, t->data, i, (double)(i + 1));
    return t;
}

/* Lets the first, second, ... allocation of an evaluation fail: a clean NO_MEMORY each time, until none is left to
 * fail. Leaks show under the address sanitizer. The inputs and the model are released. */
static inline void evaluate_without_memory(sn_model *m, sn_node_id n, sinter_value **in, size_t n_in)
{
    sn_prepared_model prepared = {.nodes = NULL};
    assert_int_equal(sn_prepare_model(m, &prepared, NULL), SINTER_OK);
    sinter_status status = SINTER_NO_MEMORY;
    long failing = 0;
    for (; status != SINTER_OK && failing < 1000; failing++) {
        sinter_value *outs[MAX_VALUES] = {NULL};
        sinter_error err;
        sn_alloc_fail_after(failing);
        status = sn_evaluate_node(m, &prepared, n, (const sinter_value *const *)in, outs, &err);
        sn_alloc_fail_after(-1);
        if (status != SINTER_OK && status != SINTER_NO_MEMORY) fail_msg("%s", err.text);
        for (size_t i = 0; i < MAX_VALUES; i++) sinter_value_release(outs[i]);
    }
    assert_int_equal(status, SINTER_OK);
    assert_true(failing > 2);
    for (size_t i = 0; i < n_in; i++) sinter_value_release(in[i]);
    sn_prepared_model_free(&prepared);
    sn_model_destroy(m);
}

#endif
