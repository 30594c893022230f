/* From messages to a graph: scopes, order, and every contradiction that a graph can hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph/graph.h"
#include "proto_builder.h"
#include <stdio.h>
#include <time.h>

static sinter_model *load_ok(message m)
{
    sinter_model *model = NULL;
    sinter_error err = {0};
    if (load(&m, &model, &err) != SINTER_OK) fail_msg("%s", err.text);
    sn_text_free(&m);
    return model;
}

/* A model of these nodes ("Op inputs outputs") between input x and output y. */
static message graph_of(const char *const *nodes, size_t n)
{
    message g = {0};
    for (size_t i = 0; i < n; ++i) {
        char op[64], in[64], out[64];
        assert_int_equal(sscanf(nodes[i], "%63s %63s %63s", op, in, out), 3);
        add_child(&g, 1, make_node(op, in, out));
    }
    add_text(&g, 2, "g");
    add_child(&g, 11, make_info("x", 2));
    add_child(&g, 12, make_info("y", 2));
    return g;
}
#define GRAPH(...) graph_of((const char *const[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))
#define MODEL(...) make_model(GRAPH(__VA_ARGS__))

static message float_tensor(const char *name, int64_t n)
{
    message t = make_tensor(name, SINTER_FLOAT, 1, &n);
    float *zeros = calloc((size_t)n, sizeof *zeros);
    add_bytes(&t, 9, zeros, (size_t)n * sizeof *zeros);
    free(zeros);
    return t;
}

static void test_names(void **state)
{
    (void)state;
    expect_failure(MODEL("Add x,nothing y"), SINTER_INVALID_MODEL,
                   "node 'y' (Add): input 1, 'nothing', is not defined");
    expect_failure(MODEL("Relu x y", "Relu x y"), SINTER_INVALID_MODEL, "'y' is defined twice");
    expect_failure(MODEL("Relu x x", "Relu x y"), SINTER_INVALID_MODEL, "node 'x' (Relu): 'x' is defined twice");
    expect_failure(MODEL("Split x y,y"), SINTER_INVALID_MODEL, "'y' is defined twice");
    expect_failure(MODEL("Relu x z"), SINTER_INVALID_MODEL, "output 'y' is not defined");
    expect_failure(MODEL("Relu b a", "Relu a b", "Relu a y"), SINTER_INVALID_MODEL, "cycle");

    message g = GRAPH("Relu x y");
    add_child(&g, 11, make_info("x", 2));
    expect_failure(make_model(g), SINTER_INVALID_MODEL, "'x' is defined twice");
    g = GRAPH("Relu x y");
    add_child(&g, 12, make_info("y", 2));
    expect_failure(make_model(g), SINTER_INVALID_MODEL, "output 'y' is listed twice");
    g = GRAPH("Relu x y");
    add_child(&g, 11, make_info("", 2));
    expect_failure(make_model(g), SINTER_INVALID_MODEL, "no name");
    g = GRAPH("Relu x y");
    add_child(&g, 5, float_tensor("w", 2));
    add_child(&g, 5, float_tensor("w", 2));
    expect_failure(make_model(g), SINTER_INVALID_MODEL, "initializer 'w' is defined twice");
    g = GRAPH("Relu x y", "Relu x w");
    add_child(&g, 5, float_tensor("w", 2));
    expect_failure(make_model(g), SINTER_INVALID_MODEL, "'w' is defined twice");
    g = GRAPH("Relu x y");
    add_child(&g, 1, (message){0});
    expect_failure(make_model(g), SINTER_INVALID_MODEL, "has no op_type");
}

static void test_header(void **state)
{
    (void)state;
    message m = {0};
    add_int(&m, 1, 8);
    expect_failure(m, SINTER_INVALID_MODEL, "no graph");
    m = (message){0};
    add_int(&m, 1, 0);
    add_child(&m, 7, GRAPH("Relu x y"));
    expect_failure(m, SINTER_INVALID_MODEL, "ir_version");
    m = (message){0};
    add_int(&m, 1, 8);
    add_child(&m, 7, GRAPH("Relu x y"));
    expect_failure(m, SINTER_INVALID_MODEL, "opset_import is missing");
    m = (message){0};
    add_int(&m, 1, 1); /* IR 1 has no operator sets */
    add_child(&m, 7, GRAPH("Relu x y"));
    sinter_model *model = load_ok(m);
    assert_int_equal(sn_opset_version(&model->m, 0, SN_STR("")), 1);
    sinter_model_free(model);
    m = MODEL("Relu x y");
    add_int(&m, 1, 99); /* newer than anything known: the last ir_version counts */
    model = load_ok(m);
    assert_int_equal(model->m.ir_version, 99);
    sinter_model_free(model);
}

static void test_order(void **state)
{
    (void)state;
    sinter_model *model = load_ok(MODEL("Relu b y", "Abs a b", "Neg x a"));
    const sn_graph *g = &model->m.graphs[0];
    const char *expected[] = {"Neg", "Abs", "Relu"};
    for (size_t i = 0; i < 3; ++i) assert_true(sn_str_is(model->m.nodes[g->nodes.items[i]].op_type, expected[i]));
    sinter_model_free(model);
}

/* A node with a body that reads `captured`, in a graph whose nodes are given. */
static message with_body(const char *captured, const char *body_output)
{
    message body = {0}, attr = {0}, node = make_node("If", "x", "y"), g = {0};
    add_child(&body, 1, make_node("Relu", captured, "inner"));
    add_child(&body, 12, make_info(body_output, -1));
    add_text(&attr, 1, "then_branch");
    add_child(&attr, 6, body);
    add_int(&attr, 20, 5);
    add_child(&node, 5, attr);
    add_child(&g, 1, node);
    add_child(&g, 1, make_node("Neg", "x", "outer")); /* after its reader */
    add_child(&g, 11, make_info("x", 2));
    add_child(&g, 12, make_info("y", 2));
    return make_model(g);
}

static void test_scopes(void **state)
{
    (void)state;
    sinter_model *model = load_ok(with_body("outer", "inner"));
    const sn_model *m = &model->m;
    assert_int_equal(m->n_graphs, 2);
    assert_true(sn_str_is(m->nodes[m->graphs[0].nodes.items[0]].op_type, "Neg"));
    assert_true(sn_str_is(m->values[m->nodes[m->graphs[1].nodes.items[0]].in[0]].name, "outer"));
    sinter_model_free(model);
    expect_failure(with_body("elsewhere", "inner"), SINTER_INVALID_MODEL,
                   "attribute 'then_branch': graph '': node 'inner' (Relu): input 0, 'elsewhere'");
    expect_failure(with_body("outer", "elsewhere"), SINTER_INVALID_MODEL, "output 'elsewhere'");
}

static void test_inner_names_stay_inside(void **state)
{
    (void)state;
    message body = {0}, attr = {0}, node = make_node("If", "x", "z"), g = {0};
    add_child(&body, 1, make_node("Relu", "x", "inner"));
    add_child(&body, 12, make_info("inner", -1));
    add_text(&attr, 1, "then_branch");
    add_child(&attr, 6, body);
    add_int(&attr, 20, 5);
    add_child(&node, 5, attr);
    add_child(&g, 1, node);
    add_child(&g, 1, make_node("Relu", "inner", "y"));
    add_child(&g, 11, make_info("x", 2));
    add_child(&g, 12, make_info("y", 2));
    expect_failure(make_model(g), SINTER_INVALID_MODEL, "input 0, 'inner'");
}

static message with_attr(message attr)
{
    message node = make_node("Dummy", "x", "y"), g = {0};
    add_child(&node, 5, attr);
    add_text(&node, 7, "test");
    add_child(&g, 1, node);
    add_child(&g, 11, make_info("x", 2));
    add_child(&g, 12, make_info("y", 2));
    return make_model(g);
}

static message named_attr(const char *name, int64_t type)
{
    message a = {0};
    if (name) add_text(&a, 1, name);
    if (type) add_int(&a, 20, type);
    return a;
}

static void test_attributes(void **state)
{
    (void)state;
    expect_failure(with_attr(named_attr(NULL, 2)), SINTER_INVALID_MODEL, "an attribute has no name");
    expect_failure(with_attr(named_attr("a", 15)), SINTER_INVALID_MODEL, "attribute 'a': type 15");
    expect_failure(with_attr(named_attr("a", -1)), SINTER_INVALID_MODEL, "attribute 'a': type -1");
    expect_failure(with_attr(named_attr("a", 4)), SINTER_INVALID_MODEL, "TENSOR, but there is none");
    expect_failure(with_attr(named_attr("a", 5)), SINTER_INVALID_MODEL, "GRAPH, but there is none");
    expect_failure(with_attr(named_attr("a", 11)), SINTER_INVALID_MODEL, "SPARSE_TENSOR, but there is none");
    expect_failure(with_attr(named_attr("a", 13)), SINTER_INVALID_MODEL, "TYPE_PROTO, but there is none");
    expect_failure(with_attr(named_attr("a", 0)), SINTER_INVALID_MODEL, "neither a type nor a value");
    message reference = named_attr("a", 2);
    add_text(&reference, 21, "b");
    expect_failure(with_attr(reference), SINTER_INVALID_MODEL, "is not in one");

    sinter_model *model = load_ok(with_attr(named_attr("zero", 2)));
    const sn_attr *a = sn_node_attr(&model->m.nodes[0], "zero");
    assert_int_equal(a->type, SN_ATTR_INT);
    assert_int_equal(a->i, 0);
    sinter_model_free(model);

    message untyped = named_attr("old", 0);
    add_float(&untyped, 7, 1.5f);
    add_float(&untyped, 7, 2.5f);
    model = load_ok(with_attr(untyped));
    a = sn_node_attr(&model->m.nodes[0], "old");
    assert_int_equal(a->type, SN_ATTR_FLOATS);
    assert_int_equal(a->count, 2);
    assert_true(a->floats[1] == 2.5f);
    sinter_model_free(model);
}

static void test_second_attribute(void **state)
{
    (void)state;
    message node = make_node("Dummy", "x", "y"), g = {0};
    add_child(&node, 5, named_attr("a", 2));
    add_child(&node, 5, named_attr("a", 2));
    add_child(&g, 1, node);
    add_child(&g, 11, make_info("x", 2));
    expect_failure(make_model(g), SINTER_INVALID_MODEL, "attribute 'a' is given twice");
}

static void test_types(void **state)
{
    (void)state;
    message g = GRAPH("Relu x y"), info = {0}, type = {0}, tensor = {0}, shape = {0};
    const char *symbols[] = {"N", "", "N"};
    for (int i = 0; i < 3; ++i) {
        message dim = {0};
        add_text(&dim, 2, symbols[i]);
        add_child(&shape, 1, dim);
    }
    message minus = {0};
    add_int(&minus, 1, -1);
    add_child(&shape, 1, minus);
    add_int(&tensor, 1, SINTER_FLOAT16);
    add_child(&tensor, 2, shape);
    add_child(&type, 1, tensor);
    add_text(&info, 1, "z");
    add_child(&info, 2, type);
    add_child(&g, 11, info);
    sinter_model *model = load_ok(make_model(g));
    const sn_type *t = &model->m.values[model->m.graphs[0].inputs.items[1]].type;
    assert_int_equal(t->dtype, SINTER_FLOAT16);
    assert_int_equal(t->shape.rank, 4);
    assert_true(sn_dim_is_symbol(t->shape.dims[0]));
    assert_true(t->shape.dims[0] == t->shape.dims[2]);
    assert_true(t->shape.dims[1] == SN_DIM_UNKNOWN && t->shape.dims[3] == SN_DIM_UNKNOWN);
    sinter_model_free(model);

    message bad = GRAPH("Relu x y");
    add_child(&bad, 11, make_info("z", 17));
    expect_failure(make_model(bad), SINTER_UNSUPPORTED, "type of 'z': 17 dimensions");
}

static message sparse(const int64_t *indices, int64_t n, int64_t dim)
{
    message s = {0}, t = make_tensor("i", SINTER_INT64, 1, &n);
    add_bytes(&t, 9, indices, (size_t)n * sizeof *indices);
    add_child(&s, 1, float_tensor("w", n));
    add_child(&s, 2, t);
    add_int(&s, 3, dim);
    return s;
}

static void test_sparse(void **state)
{
    (void)state;
    const int64_t indices[] = {0, 5};
    message g = GRAPH("Relu x y");
    add_child(&g, 15, sparse(indices, 2, 6));
    sinter_model *model = load_ok(make_model(g));
    const sn_value *v = &model->m.values[model->m.graphs[0].initializers.items[0]];
    assert_true(sn_str_is(v->name, "w"));
    assert_int_equal(v->sparse->values->count, 2);
    sinter_model_free(model);
    g = GRAPH("Relu x y");
    add_child(&g, 15, sparse(indices, 2, 5));
    expect_failure(make_model(g), SINTER_INVALID_MODEL, "sparse tensor 'w': index 5 at 1, expected 0 to 4");
    g = GRAPH("Relu x y");
    add_child(&g, 15, (message){0});
    expect_failure(make_model(g), SINTER_INVALID_MODEL, "values and indices");
}

/* Time must grow with the number of nodes, not with its square. */
static void test_many_nodes(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    message g = {0};
    char in[32] = "x", out[32];
    for (int i = 0; i < COUNT; ++i) {
        snprintf(out, sizeof out, i + 1 == COUNT ? "y" : "v%d", i);
        add_child(&g, 1, make_node("Relu", in, out));
        memcpy(in, out, sizeof in);
    }
    add_child(&g, 11, make_info("x", 2));
    add_child(&g, 12, make_info("y", 2));
    clock_t start = clock();
    sinter_model *model = load_ok(make_model(g));
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    assert_int_equal(model->m.graphs[0].nodes.count, COUNT);
    sinter_model_free(model);
    if (seconds > 20) fail_msg("loading %d nodes took %.1f s", COUNT, seconds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_inner_names_stay_inside),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_second_attribute),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_many_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
