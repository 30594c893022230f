/*
 * Pattern: a node that gives its first input back unchanged: Identity, Dropout in inference form, Cast to the type it
 * has, Transpose that moves nothing, Reshape and its kin to the shape it has, Pad by nothing, Slice of everything,
 * Concat or Sum of one, Tile once, Mul or Div by one; and Transpose of a Transpose. Rewrite: readers of the output read
 * the input; of two Transposes the second reads what the first reads, with both moves in one. Exact, element by
 * element. Refuses where shapes do not prove it, and where a graph output would lose its name (an input that is also an
 * output needs its Identity).
 */
#include "passes/list.h"
#include "passes/rewrite.h"

typedef bool is_identity(const sn_pass_context *x, sn_node_id node);

static const sn_node *at(const sn_pass_context *x, sn_node_id node)
{
    return &x->model->nodes[node];
}

static bool always(const sn_pass_context *x, sn_node_id node)
{
    (void)x, (void)node;
    return true;
}

static bool has_one_input(const sn_pass_context *x, sn_node_id node)
{
    return at(x, node)->n_in == 1;
}

static bool has_one_output(const sn_pass_context *x, sn_node_id node)
{
    return at(x, node)->n_out == 1;
}

static bool is_inference_dropout(const sn_pass_context *x, sn_node_id node)
{
    const sn_node *n = at(x, node);
    int64_t version = sn_node_version(x->model, node);
    if (version < 7) return sn_node_int(n, "is_test", 0) != 0;
    sn_value_id mode = sn_node_in(n, 2);
    if (version < 12 || mode == SN_NONE) return true;
    const sinter_value *k = sn_constant(x->model, mode);
    return k && k->dtype == SINTER_BOOL && k->count == 1 && sn_tensor_int(k, 0) == 0;
}

static bool keeps_type(const sn_pass_context *x, sn_node_id node)
{
    sinter_dtype from = sn_pass_dtype(x, at(x, node)->in[0]);
    return from != SINTER_UNDEFINED && from == sn_pass_dtype(x, at(x, node)->out[0]);
}

static bool moves_nothing(const sn_pass_context *x, sn_node_id node)
{
    size_t n;
    const int64_t *perm = sn_node_ints(at(x, node), "perm", &n);
    if (!perm) {
        int rank = sn_pass_shape(x, at(x, node)->in[0])->rank;
        return rank == 0 || rank == 1;
    }
    for (size_t i = 0; i < n; i++)
        if (perm[i] != (int64_t)i) return false;
    return true;
}

/* A reshape keeps the number of elements: so one dimension may be unknown, when the others agree and none is 0. */
static bool reshapes_to_same(const sn_pass_context *x, sn_node_id node)
{
    const sn_shape *in = sn_pass_shape(x, at(x, node)->in[0]), *out = sn_pass_shape(x, at(x, node)->out[0]);
    if (in->rank < 0 || in->rank != out->rank) return false;
    int open = 0;
    bool zero = false;
    for (int i = 0; i < in->rank; i++) {
        if (!sn_dim_is_number(in->dims[i]) || !sn_dim_is_number(out->dims[i]))
            open++;
        else if (in->dims[i] != out->dims[i])
            return false;
        else
            zero |= in->dims[i] == 0;
    }
    return open == 0 || (open == 1 && !zero);
}

static bool same_static_shape(const sn_pass_context *x, sn_node_id node)
{
    const sn_shape *in = sn_pass_shape(x, at(x, node)->in[0]), *out = sn_pass_shape(x, at(x, node)->out[0]);
    return sn_shape_is_static(in) && sn_shape_eq(in, out);
}

static bool all_numbers_are(const int64_t *values, size_t n, int64_t expected)
{
    for (size_t i = 0; i < n; i++)
        if (values[i] != expected) return false;
    return true;
}

static bool pads_nothing(const sn_pass_context *x, sn_node_id node)
{
    int64_t numbers[SN_MAX_KNOWN];
    size_t n;
    const int64_t *pads = sn_node_ints(at(x, node), "pads", &n);
    if (!pads) pads = sn_node_ints(at(x, node), "paddings", &n);
    if (!pads && sn_node_version(x->model, node) >= 11 && sn_pass_numbers(x, sn_node_in(at(x, node), 1), numbers, &n))
        pads = numbers;
    return pads && all_numbers_are(pads, n, 0);
}

/* With positive steps, a slice as long as its input is its input. */
static bool slices_everything(const sn_pass_context *x, sn_node_id node)
{
    int64_t steps[SN_MAX_KNOWN];
    size_t n = 0;
    if (!same_static_shape(x, node)) return false;
    sn_value_id v = sn_node_in(at(x, node), 4);
    if (v != SN_NONE && !sn_pass_numbers(x, v, steps, &n)) return false;
    for (size_t i = 0; i < n; i++)
        if (steps[i] < 1) return false;
    return true;
}

static bool tiles_once(const sn_pass_context *x, sn_node_id node)
{
    int64_t repeats[SN_MAX_KNOWN];
    size_t n;
    return sn_node_version(x->model, node) >= 6 && sn_pass_numbers(x, sn_node_in(at(x, node), 1), repeats, &n) &&
           all_numbers_are(repeats, n, 1);
}

static bool second_is_one(const sn_pass_context *x, sn_node_id node)
{
    sn_value_id v = sn_node_in(at(x, node), 1);
    const sinter_value *k = v == SN_NONE ? NULL : sn_constant(x->model, v);
    if (!k || k->count != 1 || k->shape.rank > sn_pass_shape(x, at(x, node)->in[0])->rank) return false;
    sn_dtype_class klass = sn_dtypes[k->dtype].klass;
    if (klass != SN_CLASS_FLOAT && klass != SN_CLASS_SIGNED && klass != SN_CLASS_UNSIGNED) return false;
    return sn_load_double(k->dtype, k->data, 0) == 1.0;
}

static const struct {
    const char *op_type;
    is_identity *test;
} table[] = {
    {"Identity", always},
    {"Dropout", is_inference_dropout},
    {"Cast", keeps_type},
    {"CastLike", keeps_type},
    {"Transpose", moves_nothing},
    {"Reshape", reshapes_to_same},
    {"Flatten", reshapes_to_same},
    {"Squeeze", reshapes_to_same},
    {"Unsqueeze", reshapes_to_same},
    {"Expand", same_static_shape},
    {"Pad", pads_nothing},
    {"Slice", slices_everything},
    {"Concat", has_one_input},
    {"Sum", has_one_input},
    {"Mean", has_one_input},
    {"Max", has_one_input},
    {"Min", has_one_input},
    {"Split", has_one_output},
    {"Tile", tiles_once},
    {"Mul", second_is_one},
    {"Div", second_is_one},
};

static bool gives_input_back(const sn_pass_context *x, sn_node_id node)
{
    const sn_node *n = at(x, node);
    if (n->n_in == 0 || n->in[0] == SN_NONE || n->n_out == 0 || n->out[0] == SN_NONE) return false;
    for (size_t i = 1; i < n->n_out; i++)
        if (sn_output_is_used(x->model, n, i)) return false;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (sn_node_is(n, table[i].op_type)) return table[i].test(x, node);
    return false;
}

static sinter_status remove_identity(sn_pass_context *x, sn_node_id node)
{
    sn_model *m = x->model;
    const sn_node *n = &m->nodes[node];
    if (!sn_can_replace_uses(m, n->out[0], n->in[0])) return SINTER_OK;
    if (!sn_bypass_node(m, node, n->in[0])) return sn_pass_no_memory(x);
    x->changes++;
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- transposes */

static sn_node_id transpose_before(const sn_model *m, const sn_node *n)
{
    if (!sn_node_is(n, "Transpose") || n->n_in == 0 || n->in[0] == SN_NONE) return SN_NONE;
    sn_node_id p = m->values[n->in[0]].producer;
    if (p == SN_NONE || !sn_node_is(&m->nodes[p], "Transpose") || m->nodes[p].graph != n->graph) return SN_NONE;
    return m->nodes[p].n_in > 0 && m->nodes[p].in[0] != SN_NONE ? p : SN_NONE;
}

/* The first one goes with remove-dead, unless others read it: then both stay one Transpose deep. */
static sinter_status merge_transposes(sn_pass_context *x, sn_node_id node)
{
    sn_model *m = x->model;
    sn_node_id first = transpose_before(m, &m->nodes[node]);
    if (first == SN_NONE) return SINTER_OK;
    size_t n1, n2;
    const int64_t *perm1 = sn_node_ints(&m->nodes[first], "perm", &n1),
                  *perm2 = sn_node_ints(&m->nodes[node], "perm", &n2);
    if (!perm1 || !perm2 || n1 != n2 || n1 > SN_MAX_RANK) return SINTER_OK;
    int64_t both[SN_MAX_RANK];
    for (size_t i = 0; i < n1; i++) {
        if (perm2[i] < 0 || (size_t)perm2[i] >= n1) return SINTER_OK;
        both[i] = perm1[perm2[i]];
    }
    sn_value_id middle = m->nodes[node].in[0];
    if (!sn_set_attr_ints(m, node, "perm", both, n1) || !sn_set_input(m, node, 0, m->nodes[first].in[0]))
        return sn_pass_no_memory(x);
    if (m->values[middle].n_uses == 0) sn_remove_node(m, first);
    x->changes++;
    return SINTER_OK;
}

static sinter_status visit(sn_pass_context *x, sn_node_id node)
{
    if (x->model->nodes[node].dead) return SINTER_OK;
    SN_TRY(merge_transposes(x, node));
    return gives_input_back(x, node) ? remove_identity(x, node) : SINTER_OK;
}

sinter_status sn_pass_remove_identities(sn_pass_context *x)
{
    sn_ids nodes;
    SN_TRY(sn_pass_nodes(x, &nodes));
    sinter_status status = SINTER_OK;
    for (size_t i = 0; i < nodes.count && status == SINTER_OK; i++) status = visit(x, nodes.items[i]);
    sn_ids_release(&nodes);
    return status;
}
