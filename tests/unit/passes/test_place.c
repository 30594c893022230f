/* Tracing a channel through layout operators: what is proven and what is not. */
#include "passes/place.h"
#include "tests/passes/model_kit.h"

typedef struct rig {
    sn_model *m;
    sn_prepared_model prepared;
    sn_facts facts;
    sn_pass_context x;
    sn_node_id node;
} rig;

/* y = op(x) with x of the given shape; the second input, if any, is int64. */
static rig make(const char *op, const char *dims, const int64_t *numbers, size_t n, const int64_t *perm, size_t n_perm)
{
    rig r = {.m = kit_model(13)};
    kit_input(r.m, "x", SINTER_FLOAT, dims);
    char count[8];
    snprintf(count, sizeof count, "%zu", n);
    if (numbers) kit_int64s(r.m, "k", count, numbers);
    r.node = kit_node(r.m, op, numbers ? "x,k" : "x", "y");
    if (perm) kit_ints(r.m, r.node, "perm", n_perm, perm);
    sinter_error err = {0};
    if (sn_prepare_model(r.m, &r.prepared, &err) || sn_infer_model(r.m, &r.prepared, NULL, true, &r.facts, &err))
        fail_msg("%s", err.text);
    return r;
}

static bool trace(rig *r, bool upward, sn_place *place)
{
    sn_pass_context x = {.model = r->m, .prepared = &r->prepared, .facts = &r->facts};
    bool ok = upward ? sn_place_upward(&x, r->node, place) : sn_place_downward(&x, r->node, place);
    sn_facts_free(&r->facts);
    sn_prepared_model_free(&r->prepared);
    sn_model_destroy(r->m);
    return ok;
}

static void expect(rig r, bool upward, sn_place from, sn_place to)
{
    assert_true(trace(&r, upward, &from));
    assert_int_equal(from.axis, to.axis);
    assert_int_equal(from.inner, to.inner);
    assert_int_equal(from.count, to.count);
}

static void expect_refusal(rig r, bool upward, sn_place from)
{
    sn_place place = from;
    assert_false(trace(&r, upward, &place));
    assert_memory_equal(&place, &from, sizeof place);
}

#define AXES(...) (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)
#define PLACE(...)                                                                                                     \
    (sn_place)                                                                                                         \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

static void test_transpose(void **state)
{
    (void)state;
    expect(make("Transpose", "N,3,4", NULL, 0, AXES(0, 2, 1)), true, PLACE(1, 1, 4), PLACE(2, 1, 4));
    expect(make("Transpose", "2,3,4", NULL, 0, AXES(2, 0, 1)), true, PLACE(0, 1, 4), PLACE(2, 1, 4));
    expect(make("Transpose", "2,3,4", NULL, 0, AXES(2, 0, 1)), false, PLACE(2, 1, 4), PLACE(0, 1, 4));
    expect(make("Transpose", "2,3,4", NULL, 0, NULL, 0), true, PLACE(0, 1, 4), PLACE(2, 1, 4));
}

static void test_reshape(void **state)
{
    (void)state;
    expect(make("Reshape", "N,6,5", AXES(-1, 5), NULL, 0), true, PLACE(1, 1, 5), PLACE(2, 1, 5));
    expect(make("Reshape", "2,24", AXES(2, 4, 2, 3), NULL, 0), true, PLACE(1, 1, 4), PLACE(1, 6, 4));
    expect(make("Reshape", "N,24", AXES(-1, 4, 2, 3), NULL, 0), true, PLACE(1, 1, 4), PLACE(1, 6, 4));
    expect(make("Reshape", "N,4,2,3", AXES(-1, 24), NULL, 0), false, PLACE(1, 1, 4), PLACE(1, 6, 4));
    expect(make("Reshape", "N,3,H,W", AXES(0, 3, -1), NULL, 0), true, PLACE(1, 1, 3), PLACE(1, 1, 3));
    expect(make("Reshape", "4,6", AXES(2, 2, 6), NULL, 0), true, PLACE(2, 1, 6), PLACE(1, 1, 6));
    expect_refusal(make("Reshape", "2,6,4", AXES(4, 12), NULL, 0), true, PLACE(1, 1, 12));
    expect_refusal(make("Reshape", "N,24", AXES(-1, 12), NULL, 0), false, PLACE(1, 1, 24));
    expect_refusal(make("Reshape", "N,H,4", AXES(0, 4, -1), NULL, 0), true, PLACE(1, 1, 4));
}

static void test_squeeze(void **state)
{
    (void)state;
    expect(make("Unsqueeze", "N,4", AXES(-1), NULL, 0), true, PLACE(1, 1, 4), PLACE(1, 1, 4));
    expect(make("Unsqueeze", "N,4", AXES(0, 2), NULL, 0), true, PLACE(3, 1, 4), PLACE(1, 1, 4));
    expect(make("Unsqueeze", "N,4", AXES(0, 2), NULL, 0), false, PLACE(1, 1, 4), PLACE(3, 1, 4));
    expect(make("Squeeze", "N,1,4", AXES(1), NULL, 0), true, PLACE(1, 1, 4), PLACE(2, 1, 4));
    expect_refusal(make("Unsqueeze", "N,4", AXES(1), NULL, 0), true, PLACE(1, 1, 1));
}

static void test_uniform_goes_anywhere(void **state)
{
    (void)state;
    expect(make("Reshape", "2,6,4", AXES(4, 12), NULL, 0), true, PLACE(SN_PLACE_UNIFORM, 1, 1),
           PLACE(SN_PLACE_UNIFORM, 1, 1));
    assert_true(sn_place_fits(&PLACE(SN_PLACE_UNIFORM, 1, 1), 3, 7));
    assert_true(sn_place_fits(&PLACE(1, 6, 4), 1, 24));
    assert_false(sn_place_fits(&PLACE(1, 6, 4), 1, 25));
    assert_false(sn_place_fits(&PLACE(1, 1, 4), 2, 4));
    assert_int_equal(sn_place_channel(&PLACE(1, 6, 4), 13), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transpose),
        cmocka_unit_test(test_reshape),
        cmocka_unit_test(test_squeeze),
        cmocka_unit_test(test_uniform_goes_anywhere),
    };
    return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
