/* Short ways to build graphs in tests. Each asserts that memory lasts. Include after cmocka.h. */
#ifndef SN_TESTS_UNIT_GRAPH_BUILD_H
#define SN_TESTS_UNIT_GRAPH_BUILD_H

#include "graph/dump.h"
#include "graph/edit.h"
#include "graph/verify.h"
#include <stdio.h>
#include <stdlib.h>

static inline sn_type float_type(int rank, const int64_t *dims)
{
    return (sn_type){.kind = SINTER_KIND_TENSOR, .dtype = SINTER_FLOAT, .shape = sn_shape_of(rank, dims)};
}

static inline sn_value_id value(sn_model *m, sn_graph_id graph, const char *name)
{
    sn_type type = float_type(1, (int64_t[]){2});
    sn_value_id id = sn_add_value(m, graph, sn_str_of(name), &type);
    assert_int_not_equal(id, SN_NONE);
    return id;
}

static inline sn_value_id input(sn_model *m, sn_graph_id graph, const char *name)
{
    sn_value_id id = value(m, graph, name);
    assert_true(sn_add_input(m, graph, id));
    return id;
}

static inline sinter_value *floats(int64_t n)
{
    sinter_value *v;
    assert_int_equal(sinter_tensor_create(SINTER_FLOAT, 1, &n, &v, NULL), SINTER_OK);
    for (int64_t i = 0; i < n; ++i) ((float *)v->data)[i] = (float)i + 0.5f;
    return v;
}

static inline sn_value_id initializer(sn_model *m, sn_graph_id graph, const char *name)
{
    sn_value_id id = value(m, graph, name);
    assert_true(sn_set_initializer(m, id, floats(2)));
    return id;
}

/* A node at the end of the graph with up to two inputs and one new output of that name. */
static inline sn_value_id apply(sn_model *m, sn_graph_id graph, const char *op, sn_value_id a, sn_value_id b,
                                const char *name)
{
    sn_value_id in[2] = {a, b}, out = value(m, graph, name);
    size_t n_in = a == SN_NONE ? 0 : b == SN_NONE ? 1 : 2;
    assert_int_not_equal(sn_add_node(m, graph, SIZE_MAX, sn_str_of(op), SN_STR(""), SN_STR(""), in, n_in, &out, 1),
                         SN_NONE);
    return out;
}

/* A subgraph of the node, held by an attribute of that name. */
static inline sn_graph_id subgraph(sn_model *m, sn_node_id node, const char *attr)
{
    sn_graph_id graph = sn_add_graph(m, node);
    assert_int_not_equal(graph, SN_NONE);
    sn_attr a = {.name = sn_str_of(attr), .type = SN_ATTR_GRAPH, .count = 1, .graph = graph};
    assert_true(sn_set_attr(m, node, &a));
    return graph;
}

static inline sn_node_id producer(const sn_model *m, sn_value_id id)
{
    return m->values[id].producer;
}

static inline void assert_valid(const sn_model *m)
{
    sinter_error err = {.text = ""};
    if (sn_verify(m, &err) != SINTER_OK) fail_msg("%s", err.text);
}

static inline void assert_dump(const sn_model *m, const char *expected)
{
    sn_text t = {0};
    sn_dump(m, &t);
    assert_false(t.failed);
    assert_string_equal(t.p, expected);
    sn_text_free(&t);
}

#endif
