#include "passes/flops.h"
#include "passes/rewrite.h"

#define UNKNOWN (-1.0)

typedef struct query {
    const sn_model *m;
    const sn_facts *f;
    const sn_node *n;
} query;

typedef double count(const query *q, double parameter);

static const sn_shape *shape_of(const query *q, sn_value_id v)
{
    static const sn_shape unknown = {.rank = -1};
    if (v == SN_NONE) return &unknown;
    const sinter_value *k = sn_constant(q->m, v);
    if (k) return &k->shape;
    const sn_type *t = v < q->f->n_values ? &q->f->values[v].type : &q->m->values[v].type;
    return t->kind == SINTER_KIND_TENSOR ? &t->shape : &unknown;
}

static double dim(const sn_shape *s, int axis)
{
    if (axis < 0 || axis >= s->rank) return UNKNOWN;
    return sn_dim_is_number(s->dims[axis]) ? (double)s->dims[axis] : 1.0;
}

static double elements(const sn_shape *s)
{
    if (s->rank < 0) return UNKNOWN;
    double n = 1.0;
    for (int i = 0; i < s->rank; i++) n *= dim(s, i);
    return n;
}

static const sn_shape *in_shape(const query *q, size_t i)
{
    return shape_of(q, sn_node_in(q->n, i));
}

static const sn_shape *out_shape(const query *q)
{
    return shape_of(q, sn_node_out(q->n, 0));
}

static double product(double a, double b)
{
    return a < 0.0 || b < 0.0 ? UNKNOWN : a * b;
}

static double count_none(const query *q, double parameter)
{
    (void)q, (void)parameter;
    return 0.0;
}

static double count_output(const query *q, double per_element)
{
    double n = elements(out_shape(q));
    return n < 0.0 ? UNKNOWN : n * per_element;
}

static double count_input(const query *q, double per_element)
{
    double n = elements(in_shape(q, 0));
    return n < 0.0 ? UNKNOWN : n * per_element;
}

/* Every output element is a dot product with one filter; the weight is [M, C/group, k...]. `slot`: of the weight. */
static double count_conv(const query *q, double slot)
{
    const sn_shape *w = in_shape(q, (size_t)slot);
    double m = dim(w, 0), all = elements(w);
    if (m <= 0.0 || all < 0.0) return UNKNOWN;
    return product(elements(out_shape(q)), 2.0 * all / m);
}

/* Every input element is spread over M/group filters; the weight is [C, M/group, k...]. */
static double count_conv_transpose(const query *q, double parameter)
{
    (void)parameter;
    const sn_shape *w = in_shape(q, 1);
    double c = dim(w, 0), all = elements(w);
    if (c <= 0.0 || all < 0.0) return UNKNOWN;
    return product(elements(in_shape(q, 0)), 2.0 * all / c);
}

static double count_gemm(const query *q, double parameter)
{
    (void)parameter;
    double k = dim(in_shape(q, 0), sn_node_int(q->n, "transA", 0) ? 0 : 1);
    return product(elements(out_shape(q)), k < 0.0 ? UNKNOWN : 2.0 * k);
}

static double count_matmul(const query *q, double parameter)
{
    (void)parameter;
    const sn_shape *a = in_shape(q, 0);
    double k = dim(a, a->rank - 1);
    return product(elements(out_shape(q)), k < 0.0 ? UNKNOWN : 2.0 * k);
}

/* X [seq, batch, input], W [directions, gates * hidden, input], R [directions, gates * hidden, hidden]. */
static double count_recurrent(const query *q, double parameter)
{
    (void)parameter;
    const sn_shape *x = in_shape(q, 0);
    double steps = product(dim(x, 0), dim(x, 1));
    double weights = elements(in_shape(q, 1)), recurrent = elements(in_shape(q, 2));
    if (weights < 0.0 || recurrent < 0.0) return UNKNOWN;
    return product(steps, 2.0 * (weights + recurrent));
}

static double count_pool(const query *q, double parameter)
{
    (void)parameter;
    size_t n;
    const int64_t *kernel = sn_node_ints(q->n, "kernel_shape", &n);
    double window = 1.0;
    for (size_t i = 0; i < n; i++) window *= (double)kernel[i];
    return count_output(q, window);
}

/* The equation may contract anything: the product of all inputs' sizes is an upper bound. */
static double count_all_pairs(const query *q, double parameter)
{
    (void)parameter;
    double n = 2.0;
    for (size_t i = 0; i < q->n->n_in; i++) n = product(n, elements(in_shape(q, i)));
    return n;
}

static const struct {
    const char *op_type;
    count *count;
    double parameter;
} table[] = {
    {"Conv", count_conv, 1},
    {"ConvInteger", count_conv, 1},
    {"QLinearConv", count_conv, 3},
    {"DeformConv", count_conv, 1},
    {"ConvTranspose", count_conv_transpose, 0},
    {"Gemm", count_gemm, 0},
    {"MatMul", count_matmul, 0},
    {"MatMulInteger", count_matmul, 0},
    {"QLinearMatMul", count_matmul, 0},
    {"Einsum", count_all_pairs, 0},
    {"Det", count_all_pairs, 0},
    {"LSTM", count_recurrent, 0},
    {"GRU", count_recurrent, 0},
    {"RNN", count_recurrent, 0},
    {"MaxPool", count_pool, 0},
    {"AveragePool", count_pool, 0},
    {"LpPool", count_pool, 0},
    {"GlobalAveragePool", count_input, 1},
    {"GlobalMaxPool", count_input, 1},
    {"ReduceMean", count_input, 1},
    {"ReduceSum", count_input, 1},
    {"ReduceMax", count_input, 1},
    {"ReduceMin", count_input, 1},
    {"ReduceProd", count_input, 1},
    {"ReduceL1", count_input, 2},
    {"ReduceL2", count_input, 2},
    {"ReduceLogSum", count_input, 1},
    {"ReduceLogSumExp", count_input, 2},
    {"ReduceSumSquare", count_input, 2},
    {"ArgMax", count_input, 1},
    {"ArgMin", count_input, 1},
    {"BatchNormalization", count_output, 2},
    {"InstanceNormalization", count_output, 8},
    {"GroupNormalization", count_output, 8},
    {"LayerNormalization", count_output, 8},
    {"Softmax", count_output, 5},
    {"LogSoftmax", count_output, 5},
    {"Resize", count_output, 11},
    {"Upsample", count_output, 11},
    {"TopK", count_input, 10},
    {"CumSum", count_output, 1},
    {"Constant", count_none, 0},
    {"ConstantOfShape", count_none, 0},
    {"Identity", count_none, 0},
    {"Shape", count_none, 0},
    {"Size", count_none, 0},
    {"Reshape", count_none, 0},
    {"Flatten", count_none, 0},
    {"Squeeze", count_none, 0},
    {"Unsqueeze", count_none, 0},
    {"Transpose", count_none, 0},
    {"Concat", count_none, 0},
    {"Split", count_none, 0},
    {"Slice", count_none, 0},
    {"Gather", count_none, 0},
    {"GatherElements", count_none, 0},
    {"GatherND", count_none, 0},
    {"Expand", count_none, 0},
    {"Tile", count_none, 0},
    {"Pad", count_none, 0},
    {"Cast", count_none, 0},
    {"Dropout", count_none, 0},
    {"DepthToSpace", count_none, 0},
    {"SpaceToDepth", count_none, 0},
    {"NonZero", count_none, 0},
    {"Range", count_none, 0},
    {"If", count_none, 0},
    {"Loop", count_none, 0},
    {"Scan", count_none, 0},
    {"SequenceConstruct", count_none, 0},
    {"SequenceEmpty", count_none, 0},
    {"SequenceInsert", count_none, 0},
    {"SequenceErase", count_none, 0},
    {"SequenceAt", count_none, 0},
    {"SequenceLength", count_none, 0},
    {"SplitToSequence", count_none, 0},
    {"ConcatFromSequence", count_none, 0},
    {"Optional", count_none, 0},
    {"OptionalHasElement", count_none, 0},
    {"OptionalGetElement", count_none, 0},
};

double sn_node_flops(const sn_model *m, const sn_facts *f, sn_node_id node)
{
    query q = {m, f, &m->nodes[node]};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (sn_node_is(q.n, table[i].op_type)) return table[i].count(&q, table[i].parameter);
    return count_output(&q, 1.0);
}
