/* Softmax, normalizations and reductions of the runtime against the reference of every operator: see
 * compare_sessions.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/runtime/impl_cases.h"

/* ---------------------------------------------------------------------------------------------------- softmax */

typedef struct axis_model {
    const char *op_type;
    int64_t opset, axis;
    bool no_axis, behind_conv;
    int rank;
    int64_t dims[4];
} axis_model;

static sn_model *build_softmax(const void *context)
{
    const axis_model *x = context;
    sn_model *m = new_model(x->opset);
    sn_value_id v = batch_input(m, "x", x->dims, (size_t)x->rank);
    if (x->behind_conv) v = pointwise(m, v, x->dims[1], x->dims[1], x->rank - 2);
    v = op(m, x->op_type, IDS(v));
    if (!x->no_axis) attr_int(m, "axis", x->axis);
    output(m, v);
    return m;
}

static void test_softmax(void **state)
{
    (void)state;
    static const char *const ops[] = {"Softmax", "LogSoftmax"};
    static const struct {
        int rank;
        int64_t dims[4];
    } shapes[] = {{1, {37}}, {2, {4, 1000}}, {3, {2, 7, 19}}, {4, {2, 20, 5, 3}}, {4, {2, 64, 16, 16}}};
    for (size_t i = 0; i < 2 * 2 * COUNT(shapes) * 2; i++) {
        size_t k = i / 8;
        int rank = shapes[k].rank;
        if (i & 4 && rank < 3) continue;
        for (int64_t axis = -rank; axis <= rank; axis++) {
            axis_model x = {ops[i & 1], i & 2 ? 13 : 11, axis, axis == rank, i & 4, rank, {0}};
            memcpy(x.dims, shapes[k].dims, sizeof x.dims);
            if (rank == 1 && x.no_axis && x.opset == 11) continue; /* its default axis, 1, is outside */
            snprintf(label, sizeof label, "%s-%lld of shape %zu, axis %lld, behind Conv %d", x.op_type,
                     (long long)x.opset, k, (long long)axis, x.behind_conv);
            check_model(build_softmax, &x, runs_as("%s%s=softmax", x.behind_conv ? "Conv=conv " : "", x.op_type));
        }
    }
    axis_model rows = {"Softmax", 13, -1, false, false, 2, {N_ROWS, 1000}};
    snprintf(label, sizeof label, "Softmax of rows");
    check_model(build_softmax, &rows, NULL);
}

/* ---------------------------------------------------------------------------------------------------- normalizations
 */

typedef struct norm_model {
    const char *op_type;
    int64_t opset, axis, groups;
    bool no_bias, behind_conv;
    float epsilon;
    int rank;
    int64_t dims[5];
    bool per_row; /* parameters that vary from row to row, and are as many as a row has elements */
} norm_model;

static const char *name_of(const norm_model *x)
{
    if (x->per_row) return "reference";
    if (strcmp(x->op_type, "LayerNormalization") == 0) return "layer-norm";
    return strcmp(x->op_type, "RMSNormalization") == 0 ? "rms-norm" : "group-norm";
}

static bool over_rows(const norm_model *x)
{
    return x->axis != 0;
}

static sn_model *build_norm(const void *context)
{
    const norm_model *x = context;
    sn_model *m = new_model(x->opset);
    sn_value_id v = batch_input(m, "x", x->dims, (size_t)x->rank), scale, bias;
    if (x->behind_conv) v = pointwise(m, v, x->dims[1], x->dims[1], x->rank - 2);
    if (x->per_row) {
        scale = constant(m, INTS(x->dims[1], 1), 1);
        bias = constant(m, INTS(x->dims[1], 1), 1);
    } else if (over_rows(x)) {
        int first = (int)(x->axis < 0 ? x->axis + x->rank : x->axis);
        scale = constant(m, x->dims + first, (size_t)(x->rank - first), 1);
        bias = constant(m, x->dims + first, (size_t)(x->rank - first), 1);
    } else {
        const int64_t *n = x->groups > 0 && x->opset < 21 ? &x->groups : &x->dims[1];
        scale = constant(m, n, 1, 1);
        bias = constant(m, n, 1, 1);
    }
    v = x->no_bias ? op(m, x->op_type, IDS(v, scale)) : op(m, x->op_type, IDS(v, scale, bias));
    if (x->axis != 0) attr_int(m, "axis", x->axis);
    if (x->groups > 0) attr_int(m, "num_groups", x->groups);
    if (x->epsilon > 0) attr_float(m, "epsilon", x->epsilon);
    output(m, v);
    return m;
}

static const norm_model norms[] = {
    {"LayerNormalization", 17, -1, .rank = 2, .dims = {N_ROWS, 77}},
    {"LayerNormalization", 17, -1, .rank = 3, .dims = {N_ROWS, 5, 64}},
    {"LayerNormalization", 17, -1, .no_bias = true, .rank = 3, .dims = {N_ROWS, 5, 64}, .epsilon = 0.1f},
    {"LayerNormalization", 17, 1, .rank = 3, .dims = {N_ROWS, 50, 33}},
    {"LayerNormalization", 17, -3, .behind_conv = true, .rank = 4, .dims = {N_ROWS, 8, 5, 4}},
    {"LayerNormalization", 17, -1, .behind_conv = true, .rank = 4, .dims = {N_ROWS, 8, 5, 4}},
    {"LayerNormalization", 17, -1, .rank = 2, .dims = {N_ROWS, 1}},
    {"RMSNormalization", 23, -1, .no_bias = true, .rank = 2, .dims = {N_ROWS, 77}},
    {"RMSNormalization", 23, 1, .no_bias = true, .rank = 3, .dims = {N_ROWS, 50, 33}, .epsilon = 0.1f},
    {"RMSNormalization", 23, -1, .no_bias = true, .behind_conv = true, .rank = 4, .dims = {N_ROWS, 8, 5, 4}},
    {"LayerNormalization", 17, -1, .per_row = true, .rank = 3, .dims = {N_ROWS, 5, 5}},
    {"RMSNormalization", 23, -1, .no_bias = true, .per_row = true, .rank = 3, .dims = {N_ROWS, 5, 5}},
    {"InstanceNormalization", 6, .rank = 3, .dims = {N_ROWS, 5, 11}},
    {"InstanceNormalization", 6, .rank = 4, .dims = {N_ROWS, 9, 7, 6}, .epsilon = 0.1f},
    {"InstanceNormalization", 6, .rank = 4, .dims = {N_ROWS, 33, 28, 28}},
    {"InstanceNormalization", 6, .rank = 5, .dims = {N_ROWS, 4, 3, 4, 5}},
    {"InstanceNormalization", 6, .rank = 4, .dims = {N_ROWS, 1, 7, 6}},
    {"InstanceNormalization", 6, .rank = 4, .dims = {N_ROWS, 6, 1, 1}},
    {"GroupNormalization", 18, .groups = 4, .rank = 4, .dims = {N_ROWS, 16, 7, 6}},
    {"GroupNormalization", 18, .groups = 1, .rank = 4, .dims = {N_ROWS, 16, 7, 6}},
    {"GroupNormalization", 18, .groups = 18, .rank = 3, .dims = {N_ROWS, 18, 9}},
    {"GroupNormalization", 21, .groups = 4, .rank = 4, .dims = {N_ROWS, 16, 7, 6}, .epsilon = 0.1f},
    {"GroupNormalization", 21, .groups = 3, .rank = 4, .dims = {N_ROWS, 33, 28, 28}},
    {"GroupNormalization", 21, .groups = 2, .rank = 5, .dims = {N_ROWS, 4, 3, 4, 5}},
};

static void test_norms(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(norms) * 2; i++) {
        norm_model x = norms[i / 2];
        if (i % 2 && (over_rows(&x) || x.behind_conv)) continue;
        x.behind_conv = x.behind_conv || i % 2;
        snprintf(label, sizeof label, "%s %zu, behind Conv %d", x.op_type, i / 2, x.behind_conv);
        check_model(build_norm, &x, runs_as("%s%s=%s", x.behind_conv ? "Conv=conv " : "", x.op_type, name_of(&x)));
    }
}

/* ---------------------------------------------------------------------------------------------------- reductions */

typedef struct reduce_model {
    const char *op_type;
    int64_t opset;
    bool keep_dims, behind_conv;
    unsigned axes; /* a set; none: all, unless noop */
    bool noop;
    int64_t dims[4];
} reduce_model;

static sn_model *build_reduce(const void *context)
{
    const reduce_model *x = context;
    sn_model *m = new_model(x->opset);
    sn_value_id v = batch_input(m, "x", x->dims, 4);
    int64_t axes[4];
    size_t n = 0;
    for (int i = 0; i < 4; i++) {
        if (x->axes >> i & 1) axes[n++] = i % 2 ? i - 4 : i;
    }
    if (x->behind_conv) v = pointwise(m, v, x->dims[1], x->dims[1], 2);
    bool as_input = x->opset >= (strcmp(x->op_type, "ReduceSum") == 0 ? 13 : 18);
    if (as_input && n > 0) {
        v = op(m, x->op_type, IDS(v, sn_add_initializer(m, 0, SN_STR("axes"), int_list(axes, n))));
    } else {
        v = op(m, x->op_type, IDS(v));
        if (n > 0) attr_ints(m, "axes", axes, n);
    }
    attr_int(m, "keepdims", x->keep_dims);
    if (x->noop) attr_int(m, "noop_with_empty_axes", 1);
    output(m, v);
    return m;
}

/* Are the axes of the set neighbours, or all? */
static bool is_range(unsigned axes)
{
    while (axes > 0 && axes % 2 == 0) axes /= 2;
    return (axes & (axes + 1)) == 0;
}

static void test_reduce(void **state)
{
    (void)state;
    static const char *const ops[] = {"ReduceSum",  "ReduceMean", "ReduceSumSquare", "ReduceL1",
                                      "ReduceProd", "ReduceMax",  "ReduceMin"};
    for (size_t i = 0; i < COUNT(ops) * 16 * 8; i++) {
        reduce_model x = {ops[i / 128], i & 1 ? 18 : 11, i & 2, i & 4, (unsigned)(i / 8 % 16), false, {3, 20, 5, 4}};
        bool kernel = is_range(x.axes);
        snprintf(label, sizeof label, "%s-%lld keepdims %d axes %u behind Conv %d", x.op_type, (long long)x.opset,
                 x.keep_dims, x.axes, x.behind_conv);
        check_model(build_reduce, &x,
                    runs_as("%s%s=%s", x.behind_conv ? "Conv=conv " : "", x.op_type, kernel ? "reduce" : "reference"));
    }
}

/* Rows, sizes that are split, and no axes that mean none. */
static void test_reduce_more(void **state)
{
    (void)state;
    static const reduce_model more[] = {
        {"ReduceMean", 13, true, true, 12, false, {N_ROWS, 64, 28, 28}},
        {"ReduceMean", 13, false, true, 12, false, {N_ROWS, 20, 7, 7}},
        {"ReduceMean", 13, false, false, 12, false, {N_ROWS, 20, 7, 7}},
        {"ReduceMax", 13, false, true, 2, false, {N_ROWS, 64, 28, 28}},
        {"ReduceSum", 13, false, true, 8, false, {N_ROWS, 1, 28, 28}},
        {"ReduceSum", 13, true, true, 0, true, {N_ROWS, 4, 5, 6}},
        {"ReduceMax", 18, true, true, 0, true, {N_ROWS, 4, 5, 6}},
    };
    for (size_t i = 0; i < COUNT(more); i++) {
        snprintf(label, sizeof label, "reduction %zu", i);
        check_model(build_reduce, &more[i], NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_norms),
        cmocka_unit_test(test_reduce),
        cmocka_unit_test(test_reduce_more),
    };
    return cmocka_run_group_tests(tests, make_pool, free_pool);
}
