/* Small models for tests, built in a line each. Failures of the builder are failures of the test. */
#ifndef SN_TEST_BUILD_MODEL_H
#define SN_TEST_BUILD_MODEL_H

#include "graph/edit.h"
#include "ops/infer.h"
#include "ops/interpreter.h"

#define IDS(...)  (const sn_value_id[]){__VA_ARGS__}, sizeof((const sn_value_id[]){__VA_ARGS__}) / sizeof(sn_value_id)
#define INTS(...) (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)

static inline sn_model *new_model(int64_t opset)
{
    sn_model *m = sn_model_create();
    assert_non_null(m);
    m->ir_version = 8;
    m->opsets = SN_ARENA_NEW(&m->arena, sn_opset);
    assert_non_null(m->opsets);
    m->opsets[0] = (sn_opset){.domain = SN_STR(""), .version = opset, .extra = SN_STR("")};
    m->n_opsets = 1;
    return m;
}

static inline sn_type tensor_type(sinter_dtype dtype, int rank, const int64_t *dims)
{
    sn_type t = {.kind = SINTER_KIND_TENSOR, .dtype = dtype, .shape = {.rank = rank}};
    for (int i = 0; i < rank; i++) t.shape.dims[i] = dims[i];
    return t;
}

/* A value of graph g without a declared type. */
static inline sn_value_id value_in(sn_model *m, sn_graph_id g, const char *name)
{
    sn_type unknown = SN_TYPE_UNKNOWN;
    sn_value_id v = sn_add_value(m, g, sn_str_of(name), &unknown);
    assert_int_not_equal(v, SN_NONE);
    return v;
}

static inline sn_value_id value(sn_model *m, const char *name)
{
    return value_in(m, 0, name);
}

static inline sn_value_id input(sn_model *m, const char *name, sinter_dtype dtype, const int64_t *dims, size_t rank)
{
    sn_type t = tensor_type(dtype, (int)rank, dims);
    sn_value_id v = sn_add_value(m, 0, sn_str_of(name), &t);
    assert_int_not_equal(v, SN_NONE);
    assert_true(sn_add_input(m, 0, v));
    return v;
}

static inline sinter_value *tensor(sinter_dtype dtype, int rank, const int64_t *dims, const void *data)
{
    sinter_value *t;
    assert_int_equal(sinter_tensor_create(dtype, rank, dims, &t, NULL), SINTER_OK);
    if (data) memcpy(sinter_tensor_mutable_data(t), data, sinter_tensor_size(t));
    return t;
}

static inline sinter_value *int_list(const int64_t *values, size_t n)
{
    return tensor(SINTER_INT64, 1, (int64_t[]){(int64_t)n}, values);
}

static inline sn_value_id initializer_in(sn_model *m, sn_graph_id g, const char *name, sinter_value *t)
{
    sn_value_id v = value_in(m, g, name);
    assert_true(sn_set_initializer(m, v, t));
    return v;
}

static inline sn_value_id initializer(sn_model *m, const char *name, sinter_value *t)
{
    return initializer_in(m, 0, name, t);
}

static inline sn_node_id node_in(sn_model *m, sn_graph_id g, const char *op, const sn_value_id *in, size_t n_in,
                                 const sn_value_id *out, size_t n_out)
{
    sn_node_id n = sn_add_node(m, g, SIZE_MAX, sn_str_of(op), SN_STR(""), SN_STR("n"), in, n_in, out, n_out);
    assert_int_not_equal(n, SN_NONE);
    return n;
}

static inline sn_node_id node(sn_model *m, const char *op, const sn_value_id *in, size_t n_in, const sn_value_id *out,
                              size_t n_out)
{
    return node_in(m, 0, op, in, n_in, out, n_out);
}

/* A body of `owner`, hung on it as attribute `name`. */
static inline sn_graph_id body(sn_model *m, sn_node_id owner, const char *name)
{
    sn_graph_id g = sn_add_graph(m, owner);
    assert_int_not_equal(g, SN_NONE);
    sn_attr a = {.name = sn_str_of(name),
                 .type = SN_ATTR_GRAPH,
                 .ref_attr_name = SN_STR(""),
                 .doc_string = SN_STR(""),
                 .extra = SN_STR(""),
                 .count = 1,
                 .graph = g};
    assert_true(sn_set_attr(m, owner, &a));
    return g;
}

static inline void tensor_attr(sn_model *m, sn_node_id owner, const char *name, sinter_value *t)
{
    sn_attr a = {.name = sn_str_of(name),
                 .type = SN_ATTR_TENSOR,
                 .ref_attr_name = SN_STR(""),
                 .doc_string = SN_STR(""),
                 .extra = SN_STR(""),
                 .count = 1,
                 .tensor = t};
    assert_true(sn_set_attr(m, owner, &a));
}

/* Prepares and infers; the facts of one value. Asks the caller for both so that they can be freed. */
typedef struct inferred {
    sn_prepared_model prepared;
    sn_facts facts;
    sinter_status status;
    sinter_error err;
} inferred;

static inline inferred infer_with(const sn_model *m, const sn_shape *shapes, bool trust_declared)
{
    inferred r = {.status = SINTER_OK};
    r.status = sn_prepare_model(m, &r.prepared, &r.err);
    if (r.status == SINTER_OK) r.status = sn_infer_model(m, &r.prepared, shapes, trust_declared, &r.facts, &r.err);
    return r;
}

static inline inferred infer(const sn_model *m)
{
    return infer_with(m, NULL, false);
}

static inline void free_inferred(inferred *r)
{
    sn_facts_free(&r->facts);
    sn_prepared_model_free(&r->prepared);
}

#define assert_dims(fact, ...)                                                                                         \
    do {                                                                                                               \
        const int64_t expected_[] = {__VA_ARGS__};                                                                     \
        const sn_shape *shape_ = &(fact).type.shape;                                                                   \
        assert_int_equal(shape_->rank, sizeof expected_ / sizeof *expected_);                                          \
        for (int d_ = 0; d_ < shape_->rank; d_++) assert_int_equal(shape_->dims[d_], expected_[d_]);                   \
    } while (0)

/* The model's only node on the given inputs (owned by the call, may be NULL for left-out ones). */
static inline sinter_status evaluate(sn_model *m, sn_node_id n, sinter_value **in, sinter_value **outs,
                                     sinter_error *err)
{
    sn_prepared_model prepared = {.nodes = NULL};
    sinter_status status = sn_prepare_model(m, &prepared, err);
    if (status == SINTER_OK) {
        status = sn_evaluate_node(m, &prepared, n, (const sinter_value *const *)in, outs, err);
        sn_prepared_model_free(&prepared);
    }
    for (size_t i = 0; i < m->nodes[n].n_in; i++) sinter_value_release(in[i]);
    return status;
}

#endif
