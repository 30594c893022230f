#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "build.h"
#include <string.h>

/* A valid model, which each test breaks in one place:
 *   x, w -> a = Add(x, w) -> r = If(x) {then: t = Neg(a)} -> output r */
typedef struct sample {
    sn_model *m;
    sn_value_id x, w, a, r, t;
    sn_graph_id body;
} sample;

static int make_sample(void **state)
{
    static sample s;
    s.m = sn_model_create();
    s.x = input(s.m, 0, "x");
    s.w = initializer(s.m, 0, "w");
    s.a = apply(s.m, 0, "Add", s.x, s.w, "a");
    s.r = apply(s.m, 0, "If", s.x, SN_NONE, "r");
    s.body = subgraph(s.m, producer(s.m, s.r), "then_branch");
    s.t = apply(s.m, s.body, "Neg", s.a, SN_NONE, "t");
    if (!sn_add_output(s.m, s.body, s.t) || !sn_add_output(s.m, 0, s.r)) return -1;
    assert_valid(s.m);
    *state = &s;
    return 0;
}

static int free_sample(void **state)
{
    sn_model_destroy(((sample *)*state)->m);
    return 0;
}

static void assert_broken(const sn_model *m, const char *says)
{
    sinter_error err;
    assert_int_equal(sn_verify(m, &err), SINTER_INVALID_MODEL);
    if (!strstr(err.text, says)) fail_msg("'%s' does not say '%s'", err.text, says);
    assert_int_equal(sn_verify(m, NULL), SINTER_INVALID_MODEL);
}

static void lost_use(void **state)
{
    sample *s = *state;
    --s->m->values[s->a].n_uses;
    assert_broken(s->m, "'a'");
}

static void doubled_use(void **state)
{
    sample *s = *state;
    assert_true(sn_add_output(s->m, 0, s->a));
    s->m->values[s->a].uses[1] = s->m->values[s->a].uses[0];
    assert_broken(s->m, "twice");
}

static void wrong_use(void **state)
{
    sample *s = *state;
    s->m->values[s->a].uses[0].slot = 7;
    assert_broken(s->m, "'a'");
}

static void wild_ids(void **state)
{
    sample *s = *state;
    sn_node *n = &s->m->nodes[producer(s->m, s->a)];
    n->in[0] = 4711;
    assert_broken(s->m, "'a'");
    n->in[0] = s->x;
    n->out[0] = 4711;
    assert_broken(s->m, "Add");
    n->out[0] = s->a;
    s->m->graphs[0].nodes.items[1] = 4711;
    assert_broken(s->m, "node 1 is missing");
    s->m->graphs[0].nodes.items[1] = producer(s->m, s->a);
    assert_broken(s->m, "twice");
    s->m->graphs[0].nodes.items[1] = producer(s->m, s->r);
    s->m->graphs[0].outputs.items[0] = 4711;
    assert_broken(s->m, "output 0");
    s->m->graphs[0].outputs.items[0] = s->r;
    assert_valid(s->m);
}

static void dead_things(void **state)
{
    sample *s = *state;
    s->m->values[s->w].dead = true;
    assert_broken(s->m, "initializers");
    s->m->values[s->w].dead = false;
    s->m->nodes[producer(s->m, s->a)].dead = true;
    assert_broken(s->m, "missing");
    s->m->nodes[producer(s->m, s->a)].dead = false;
    s->m->graphs[s->body].dead = true;
    assert_broken(s->m, "subgraph");
    s->m->graphs[s->body].dead = false;
}

static void wrong_producer(void **state)
{
    sample *s = *state;
    s->m->values[s->a].producer = producer(s->m, s->r);
    assert_broken(s->m, "another producer");
}

static void names_twice(void **state)
{
    sample *s = *state;
    s->m->values[s->t].name = SN_STR("a"); /* another graph: allowed */
    assert_valid(s->m);
    s->m->values[s->w].name = SN_STR("x");
    assert_broken(s->m, "'x' is defined twice");
    s->m->values[s->w].name = SN_STR("");
    assert_broken(s->m, "no name");
}

static void wrong_order(void **state)
{
    sample *s = *state;
    uint32_t *nodes = s->m->graphs[0].nodes.items, first = nodes[0];
    nodes[0] = nodes[1];
    nodes[1] = first;
    assert_broken(s->m, "reads 'a', which is computed later"); /* through the subgraph */
}

static void invisible_values(void **state)
{
    sample *s = *state;
    (void)apply(s->m, 0, "Neg", s->t, SN_NONE, "z");
    assert_broken(s->m, "not visible");
}

static void undefined_values(void **state)
{
    sample *s = *state;
    sn_value_id nothing = value(s->m, 0, "nothing");
    assert_valid(s->m); /* nobody reads it */
    (void)apply(s->m, 0, "Neg", nothing, SN_NONE, "z");
    assert_broken(s->m, "'nothing', which nothing defines");
}

static void wrong_types(void **state)
{
    sample *s = *state;
    sn_type *t = &s->m->values[s->w].type;
    t->shape.dims[0] = 3;
    assert_broken(s->m, "'w' is declared float[3], but holds float[2]");
    t->shape.dims[0] = SN_DIM_SYMBOL(0);
    assert_valid(s->m);
    t->shape.rank = -1;
    assert_valid(s->m);
    t->dtype = SINTER_INT64;
    assert_broken(s->m, "int64");
}

static void wrong_lists(void **state)
{
    sample *s = *state;
    s->m->values[s->x].is_input = false;
    assert_broken(s->m, "'x'");
    s->m->values[s->x].is_input = true;
    s->m->graphs[0].initializers.count = 0;
    assert_broken(s->m, "'w'");
    s->m->graphs[0].initializers.count = 1;
    s->m->graphs[0].inputs.items[0] = s->a;
    assert_broken(s->m, "a node computes it");
}

static void wrong_nesting(void **state)
{
    sample *s = *state;
    s->m->graphs[s->body].parent = s->body;
    assert_broken(s->m, "graph");
    s->m->graphs[s->body].parent = 0;
    s->m->graphs[s->body].owner = producer(s->m, s->a);
    assert_broken(s->m, "belongs to another node");
    s->m->graphs[s->body].owner = producer(s->m, s->r);
    s->m->nodes[producer(s->m, s->r)].n_attrs = 0;
    assert_broken(s->m, "does not hold it");
    s->m->nodes[producer(s->m, s->r)].n_attrs = 1;
}

static void node_of_no_list(void **state)
{
    sample *s = *state;
    sn_value_id z = apply(s->m, 0, "Neg", s->x, SN_NONE, "z");
    sn_ids_remove(&s->m->graphs[0].nodes, producer(s->m, z));
    assert_broken(s->m, "in no graph's list");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_sample, free_sample)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lost_use),       TEST(doubled_use), TEST(wrong_use),     TEST(wild_ids),         TEST(dead_things),
        TEST(wrong_producer), TEST(names_twice), TEST(wrong_order),   TEST(invisible_values), TEST(undefined_values),
        TEST(wrong_types),    TEST(wrong_lists), TEST(wrong_nesting), TEST(node_of_no_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
