/* Element-wise operators of the runtime against the reference of every operator: see compare_sessions.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/runtime/impl_cases.h"

/* ---------------------------------------------------------------------------------------------------- broadcasting */

typedef struct binary_model {
    const char *op_type;
    int64_t image[4]; /* of the convolution's result */
    int rank;         /* of the other operand */
    int64_t other[5];
    int place;        /* of the other operand: a constant, an input, computed by a node, another convolution's result */
    bool other_first; /* operand 0 is the other one */
} binary_model;

enum { AS_CONSTANT, AS_INPUT, AS_VALUE, AS_CONV, PLACES };

/* All positive, so that Div and Pow are tame. */
static sn_model *build_binary(const void *context)
{
    const binary_model *x = context;
    sn_model *m = new_model(16);
    int64_t channels = x->image[1];
    sn_value_id v = batch_input(m, "positive_x", x->image, 4), other;
    sn_value_id w = positive_constant(m, INTS(channels, channels, 1, 1), 1 / (float)channels);
    if (x->place == AS_CONSTANT) {
        other = positive_constant(m, x->other, (size_t)x->rank, 1);
    } else {
        other = batch_input(m, "positive_other", x->other, (size_t)x->rank);
    }
    if (x->place == AS_VALUE) other = op(m, "Abs", IDS(other));
    if (x->place == AS_CONV) {
        int64_t n = x->other[1];
        other = op(m, "Conv", IDS(other, positive_constant(m, INTS(n, n, 1, 1), 1 / (float)n)));
    }
    v = op(m, "Conv", IDS(v, w));
    output(m, x->other_first ? op(m, x->op_type, IDS(other, v)) : op(m, x->op_type, IDS(v, other)));
    return m;
}

static const struct {
    int rank;
    int64_t other[5]; /* 'N', 'C', 'H' and 'W' stand for the image's, 'B' for the batch symbol */
} patterns[] = {
    {0, {0}},
    {1, {1}},
    {1, {'W'}},
    {2, {'H', 'W'}},
    {2, {'H', 1}},
    {2, {1, 'W'}},
    {2, {1, 1}},
    {3, {'C', 1, 1}},
    {3, {'C', 'H', 'W'}},
    {3, {'C', 1, 'W'}},
    {3, {'C', 'H', 1}},
    {3, {1, 'H', 'W'}},
    {4, {1, 'C', 1, 1}},
    {4, {1, 'C', 'H', 'W'}},
    {4, {1, 'C', 'H', 1}},
    {4, {1, 1, 'H', 'W'}},
    {4, {1, 1, 1, 'W'}},
    {4, {1, 1, 1, 1}},
    {4, {N_ROWS, 'C', 1, 1}},
    {4, {N_ROWS, 1, 'H', 'W'}},
    {4, {N_ROWS, 1, 'H', 1}},
    {4, {N_ROWS, 1, 1, 1}},
    {4, {N_ROWS, 'C', 'H', 1}},
    {4, {N_ROWS, 'C', 1, 'W'}},
    {4, {N_ROWS, 'C', 'H', 'W'}},
    {5, {2, 1, 'C', 'H', 'W'}}, /* the image is broadcast itself */
};

static void check_binary(const char *op_type, const int64_t *image, size_t pattern, int place, bool other_first)
{
    binary_model x = {op_type, .rank = patterns[pattern].rank, .place = place, .other_first = other_first};
    memcpy(x.image, image, sizeof x.image);
    for (int i = 0; i < x.rank; i++) {
        int64_t d = patterns[pattern].other[i];
        x.other[i] = d == 'C' ? image[1] : d == 'H' ? image[2] : d == 'W' ? image[3] : d;
    }
    bool batched = x.rank > 0 && x.other[0] == N_ROWS;
    if (x.rank == 5) x.image[0] = 2;
    if (place == AS_CONV && (x.rank < 4 || x.rank > 4)) return;
    if (place == AS_CONSTANT && batched) return;
    if (strcmp(op_type, "PRelu") == 0 && (other_first || x.rank == 5)) return;
    snprintf(label, sizeof label, "%s of %lldx%lldx%lld, pattern %zu, place %d, other first %d", op_type,
             (long long)image[1], (long long)image[2], (long long)image[3], pattern, place, other_first);
    check_model(build_binary, &x, NULL);
}

static void test_binary(void **state)
{
    (void)state;
    static const char *const ops[] = {"Add", "Sub", "Mul", "Div", "Min", "Max", "Pow", "PRelu"};
    static const int64_t images[][4] = {{N_ROWS, 20, 6, 5}, {N_ROWS, 4, 4, 4},  {N_ROWS, 1, 6, 5}, {N_ROWS, 9, 1, 1},
                                        {N_ROWS, 17, 6, 1}, {N_ROWS, 16, 1, 7}, {1, 8, 3, 5}};
    for (size_t image = 0; image < COUNT(images); image++) {
        for (size_t i = 0; i < COUNT(patterns) * PLACES * 2; i++) {
            check_binary("Sub", images[image], i / 2 / PLACES, (int)(i / 2 % PLACES), i % 2);
        }
    }
    for (size_t k = 0; k < COUNT(ops); k++) {
        for (size_t i = 0; i < COUNT(patterns) * 2; i++) check_binary(ops[k], images[0], i / 2, AS_VALUE, i % 2);
    }
    check_binary("Mul", (int64_t[]){N_ROWS, 64, 28, 28}, 12, AS_CONSTANT, false);
    check_binary("Mul", (int64_t[]){N_ROWS, 64, 28, 28}, 18, AS_VALUE, false);
    check_binary("Mul", (int64_t[]){N_ROWS, 64, 28, 28}, 24, AS_CONV, false);
}

/* ---------------------------------------------------------------------------------------------------- Where */

typedef struct where_model {
    const int64_t *shape[3]; /* of the condition and both operands: up to 4 dimensions, then 0 */
    bool conv;               /* operand 1 lies channels last */
} where_model;

static size_t rank_of(const int64_t *shape)
{
    size_t rank = 0;
    while (rank < 4 && shape[rank] != 0) rank++;
    return rank;
}

static sn_model *build_where(const void *context)
{
    const where_model *x = context;
    sn_model *m = new_model(16);
    static const char *const names[3] = {"condition", "a", "b"};
    sn_value_id v[3];
    for (int i = 0; i < 3; i++) v[i] = batch_input(m, names[i], x->shape[i], rank_of(x->shape[i]));
    if (x->conv) v[1] = pointwise(m, v[1], x->shape[1][1], x->shape[1][1], 2);
    sn_value_id zero = sn_add_initializer(m, 0, SN_STR("zero"), tensor(SINTER_FLOAT, 0, NULL, &(float){0}));
    v[0] = op(m, "Greater", IDS(v[0], zero));
    output(m, op(m, "Where", v, 3));
    return m;
}

static void test_where(void **state)
{
    (void)state;
    static const int64_t shapes[][4] = {{N_ROWS, 18, 7, 5}, {N_ROWS, 1, 7, 5}, {18, 1, 1, 0},      {7, 5, 0},
                                        {1, 5, 0},          {7, 1, 0},         {N_ROWS, 18, 1, 5}, {0}};
    for (size_t i = 0; i < COUNT(shapes) * COUNT(shapes) * 3; i++) {
        const int64_t *other = shapes[i / 3 % COUNT(shapes)], *third = shapes[i / 3 / COUNT(shapes)];
        where_model x = {.conv = false};
        for (size_t k = 0; k < 3; k++) x.shape[(i + k) % 3] = k == 0 ? shapes[0] : k == 1 ? other : third;
        x.conv = x.shape[1] == shapes[0] && i % 2;
        snprintf(label, sizeof label, "Where number %zu", i);
        check_model(build_where, &x, NULL);
    }
    where_model x = {{shapes[0], shapes[0], shapes[2]}, true};
    snprintf(label, sizeof label, "Where after a convolution");
    check_model(build_where, &x, "Conv=conv Greater=reference Where=where");
}

/* ---------------------------------------------------------------------------------------------------- one operand */

typedef struct unary_case {
    const char *op_type, *impl;
    bool positive;
    const char *attr; /* of floats */
    float value;
} unary_case;

typedef struct unary_model {
    const unary_case *c;
    int place; /* of the operand */
} unary_model;

enum { OF_INPUT, OF_CONV, OF_CONV_AND_OUTPUT, OF_MATMUL, OPERANDS };

static sn_model *build_unary(const void *context)
{
    const unary_model *x = context;
    sn_model *m = new_model(20);
    const char *name = x->c->positive ? "positive_x" : "x";
    sn_value_id v;
    if (x->place == OF_MATMUL) {
        v = batch_input(m, name, INTS(N_ROWS, 5, 16));
        v = op(m, "MatMul", IDS(v, positive_constant(m, INTS(16, 19), 0.1f)));
    } else {
        v = batch_input(m, name, INTS(N_ROWS, 16, 7, 9));
    }
    if (x->place == OF_CONV || x->place == OF_CONV_AND_OUTPUT) {
        sn_value_id w =
            x->c->positive ? positive_constant(m, INTS(19, 16, 1, 1), 0.1f) : constant(m, INTS(19, 16, 1, 1), 0.25f);
        v = op(m, "Conv", IDS(v, w));
    }
    if (x->place == OF_CONV_AND_OUTPUT) output(m, v);
    v = op(m, x->c->op_type, IDS(v));
    if (x->c->attr && x->c->attr[0] == '=') attr_string(m, "approximate", x->c->attr + 1);
    if (x->c->attr && x->c->attr[0] != '=') attr_float(m, x->c->attr, x->c->value);
    output(m, v);
    return m;
}

static const unary_case unary_cases[] = {
    {"Relu", .impl = "activation"},
    {"LeakyRelu", .impl = "activation"},
    {"LeakyRelu", "activation", false, "alpha", 0.3f},
    {"Elu", .impl = "activation"},
    {"Elu", "activation", false, "alpha", 0.7f},
    {"Sigmoid", .impl = "activation"},
    {"HardSigmoid", .impl = "activation"},
    {"HardSigmoid", "activation", false, "alpha", 0.7f},
    {"HardSigmoid", "activation", false, "beta", 0.1f},
    {"HardSwish", .impl = "activation"},
    {"Tanh", .impl = "activation"},
    {"Gelu", .impl = "activation"},
    {"Gelu", "activation", false, "=tanh", 0},
    {"Gelu", "activation", false, "=none", 0},
    {"Clip", .impl = "activation"},
    {"Abs", .impl = "unary"},
    {"Ceil", .impl = "unary"},
    {"Cos", .impl = "unary"},
    {"Erf", .impl = "unary"},
    {"Exp", .impl = "unary"},
    {"Floor", .impl = "unary"},
    {"Log", "unary", .positive = true},
    {"Mish", .impl = "unary"},
    {"Neg", .impl = "unary"},
    {"Reciprocal", "unary", .positive = true},
    {"Round", .impl = "unary"},
    {"Sign", .impl = "unary"},
    {"Sin", .impl = "unary"},
    {"Softplus", .impl = "unary"},
    {"Softsign", .impl = "unary"},
    {"Sqrt", "unary", .positive = true},
    {"Atan", .impl = "reference"},
    {"Selu", .impl = "reference"},
};

static void test_unary(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(unary_cases) * OPERANDS; i++) {
        const unary_case *c = &unary_cases[i / OPERANDS];
        int place = (int)(i % OPERANDS);
        bool fused = (place == OF_CONV || place == OF_MATMUL) && strcmp(c->impl, "activation") == 0;
        const char *first = place == OF_INPUT ? "" : place == OF_MATMUL ? "MatMul=matmul" : "Conv=conv";
        snprintf(label, sizeof label, "%s %zu of operand %d", c->op_type, i / OPERANDS, place);
        check_model(build_unary, &(unary_model){c, place},
                    fused ? runs_as("%s", first) : runs_as("%s%s%s=%s", first, *first ? " " : "", c->op_type, c->impl));
    }
}

typedef struct clip_model {
    int64_t opset;
    int min, max; /* 0: none, 1: constant, 2: an input */
    float bounds[2];
} clip_model;

static sn_model *build_clip(const void *context)
{
    const clip_model *x = context;
    sn_model *m = new_model(x->opset);
    sn_value_id v = pointwise(m, batch_input(m, "x", INTS(N_ROWS, 16, 5, 4)), 16, 8, 2), bound[2] = {SN_NONE, SN_NONE};
    int kinds[] = {x->min, x->max};
    for (int i = 0; x->opset >= 11 && i < 2; i++) {
        if (kinds[i] == 1) {
            bound[i] = sn_add_initializer(m, 0, SN_STR("bound"), tensor(SINTER_FLOAT, 0, NULL, &x->bounds[i]));
        } else if (kinds[i] == 2) {
            bound[i] = batch_input(m, i ? "positive_max" : "positive_min", NULL, 0);
        }
    }
    if (x->opset >= 11) {
        v = op(m, "Clip", IDS(v, bound[0], bound[1]));
    } else {
        v = op(m, "Clip", IDS(v));
        if (x->min) attr_float(m, "min", x->bounds[0]);
        if (x->max) attr_float(m, "max", x->bounds[1]);
    }
    output(m, v);
    return m;
}

static void test_clip(void **state)
{
    (void)state;
    static const float bounds[][2] = {{0, 0.5f}, {-0.25f, 0.25f}, {0.5f, -0.5f}};
    for (int i = 0; i < 27; i++) {
        clip_model x = {13, i % 3, i / 3 % 3, {bounds[i / 9][0], bounds[i / 9][1]}};
        bool crossed = x.min == 1 && x.max == 1 && x.bounds[0] > x.bounds[1];
        bool fused = x.min < 2 && x.max < 2 && !crossed;
        snprintf(label, sizeof label, "Clip with bounds %d", i);
        check_model(build_clip, &x, fused ? "Conv=conv" : "Conv=conv Clip=reference");
        x.opset = 10;
        x.min = x.min > 0;
        x.max = x.max > 0;
        crossed = x.min && x.max && x.bounds[0] > x.bounds[1];
        check_model(build_clip, &x, crossed ? "Conv=conv Clip=reference" : "Conv=conv");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_where),
        cmocka_unit_test(test_unary),
        cmocka_unit_test(test_clip),
    };
    return cmocka_run_group_tests(tests, make_pool, free_pool);
}
