#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "build.h"

/* Does a little of everything; false as soon as something fails. The model must then still be valid. */
static bool build(sn_model *m, sinter_error *err)
{
    sn_type type = float_type(1, (int64_t[]){2});
    sn_str none = SN_STR("");
    sn_value_id x = sn_add_value(m, 0, SN_STR("x"), &type), y = sn_add_value(m, 0, SN_STR("y"), &type);
    if (x == SN_NONE || y == SN_NONE || !sn_add_input(m, 0, x)) return false;
    sinter_value *tensor;
    if (sinter_tensor_create(SINTER_FLOAT, 1, (int64_t[]){2}, &tensor, err) != SINTER_OK) return false;
    sn_value_id w = sn_add_initializer(m, 0, SN_STR("w"), tensor);
    if (w == SN_NONE) return false;
    sn_value_id in[] = {x, w};
    sn_node_id n = sn_add_node(m, 0, SIZE_MAX, SN_STR("Add"), none, SN_STR("add"), in, 2, &y, 1);
    if (n == SN_NONE || !sn_add_output(m, 0, y)) return false;
    if (!sn_set_attr_ints(m, n, "a", (int64_t[]){1}, 1) || !sn_set_attr_string(m, n, "b", SN_STR("c"))) return false;
    for (size_t i = 2; i < 12; ++i)
        if (!sn_set_input(m, n, i, w)) return false;
    sn_graph_id body = sn_add_graph(m, n);
    sn_attr graph = {.name = SN_STR("body"), .type = SN_ATTR_GRAPH, .count = 1, .graph = body};
    if (body == SN_NONE) return false;
    if (!sn_set_attr(m, n, &graph)) {
        m->graphs[body].dead = true;
        return false;
    }
    sn_value_id t = sn_add_value(m, body, SN_STR("t"), &type), z = sn_add_value(m, 0, SN_STR("z"), &type);
    if (t == SN_NONE || z == SN_NONE) return false;
    if (sn_add_node(m, body, 0, SN_STR("Neg"), none, none, &x, 1, &t, 1) == SN_NONE) return false;
    if (sn_add_node(m, 0, 0, SN_STR("Neg"), none, none, &x, 1, &z, 1) == SN_NONE) return false;
    if (sn_symbol(m, SN_STR("N")) == UINT32_MAX || !sn_replace_uses(m, w, z) || !sn_replace_uses(m, y, z)) return false;
    return sn_sort_nodes(m, err) == SINTER_OK && sn_verify(m, err) == SINTER_OK;
}

static void every_failing_allocation_leaves_a_valid_model(void **state)
{
    (void)state;
    bool done = false;
    long n = 0;
    for (; !done; ++n) {
        sinter_error err = {.code = SINTER_NO_MEMORY};
        sn_alloc_fail_after(n);
        sn_model *m = sn_model_create();
        done = m && build(m, &err);
        sn_alloc_fail_after(-1);
        if (!m) continue;
        if (!done) assert_int_equal(err.code, SINTER_NO_MEMORY);
        assert_valid(m);
        sn_model_destroy(m);
    }
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_failing_allocation_leaves_a_valid_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
