/* Pools of the runtime against the reference of every operator: see compare_sessions.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/runtime/impl_cases.h"

typedef struct pool_case {
    int64_t channels, size[3], kernel[3], stride[3], dilation[3], pads[6];
    bool ceil_mode;
    const char *auto_pad;
} pool_case;

typedef struct pool_model {
    const char *op_type;
    const pool_case *c;
    bool count_include_pad, behind_conv, global;
} pool_model;

static sn_model *build_pool(const void *context)
{
    const pool_model *x = context;
    const pool_case *c = x->c;
    int axes = axes_of(c->size);
    int64_t image[5] = {N_ROWS, c->channels, c->size[0], c->size[1], c->size[2]};
    sn_model *m = new_model(19);
    sn_value_id v = batch_input(m, "x", image, (size_t)axes + 2);
    if (x->behind_conv) v = pointwise(m, v, c->channels, c->channels, axes);
    v = op(m, x->op_type, IDS(v));
    if (!x->global) {
        window_attrs(m, axes, c->kernel, c->stride, c->dilation, c->pads, c->auto_pad);
        attr_int(m, "ceil_mode", c->ceil_mode);
        if (strcmp(x->op_type, "AveragePool") == 0) attr_int(m, "count_include_pad", x->count_include_pad);
    }
    output(m, v);
    return m;
}

static const pool_case pool_cases[] = {
    {16, {14, 14}, {2, 2}, .stride = {2, 2}},
    {7, {15, 13}, {3, 3}, {2, 2}, .pads = {1, 1, 1, 1}},
    {7, {15, 13}, {3, 3}, {2, 2}, .pads = {1, 1, 1, 1}, .ceil_mode = true},
    {33, {10, 11}, {3, 2}, {3, 2}, .pads = {0, 1, 2, 0}, .ceil_mode = true},
    {8, {6, 6}, {3, 3}, {4, 4}, .ceil_mode = true},
    {5, {9, 9}, {2, 3}, .dilation = {3, 2}},
    {5, {9, 9}, {2, 3}, {2, 2}, {3, 2}, .pads = {1, 2, 2, 1}, .ceil_mode = true},
    {20, {12, 9}, {3, 3}, {2, 2}, .auto_pad = "SAME_UPPER"},
    {20, {12, 9}, {2, 2}, {3, 3}, .auto_pad = "SAME_LOWER"},
    {1, {5, 5}, .kernel = {2, 2}},
    {19, {1, 1}, .kernel = {1, 1}},
    {64, {28, 28}, {3, 3}, .pads = {1, 1, 1, 1}},
    {6, {31}, {4}, {3}, .pads = {1, 2}},
    {6, {31}, {4}, {3}, .pads = {3, 3}, .ceil_mode = true},
    {3, {5, 6, 7}, {2, 3, 2}, {2, 1, 2}, .pads = {1, 1, 0, 0, 1, 1}},
    {3, {5, 6, 7}, {2, 2, 3}, {2, 2, 2}, .pads = {1, 1, 1, 1, 1, 1}, .ceil_mode = true},
};

static void test_pools(void **state)
{
    (void)state;
    static const struct {
        const char *op_type, *impl;
        bool count_include_pad, global;
    } ops[] = {{"MaxPool", "max-pool", false, false},
               {"AveragePool", "average-pool", false, false},
               {"AveragePool", "average-pool", true, false},
               {"GlobalMaxPool", "global-max", false, true},
               {"GlobalAveragePool", "global-average", false, true}};
    for (size_t i = 0; i < COUNT(pool_cases) * COUNT(ops) * 2; i++) {
        size_t k = i / 2 % COUNT(ops), c = i / 2 / COUNT(ops);
        pool_model x = {ops[k].op_type, &pool_cases[c], ops[k].count_include_pad, i % 2, ops[k].global};
        snprintf(label, sizeof label, "%s %zu, include pad %d, behind Conv %d", x.op_type, c, x.count_include_pad,
                 x.behind_conv);
        check_model(build_pool, &x, runs_as("%s%s=%s", x.behind_conv ? "Conv=conv " : "", x.op_type, ops[k].impl));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pools),
    };
    return cmocka_run_group_tests(tests, make_pool, free_pool);
}
