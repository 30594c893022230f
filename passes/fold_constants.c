/*
 * Pattern: a node all of whose inputs are constants, or whose result is known although its inputs are not (Shape of a
 * value whose shape is known); a Constant node; an If with a constant condition. Rewrite: the result becomes an
 * initializer; so does a Constant node's tensor, which leaves one kind of constant for all later passes; of the If the
 * branch that is taken moves into the graph around it. Exact: results come from the operators' reference functions.
 * Refuses random operators and loops, results that would make the file much larger or take long to compute,
 * DequantizeLinear (weights stay small), and graph outputs (a node must give them).
 */
#include "base/alloc.h"
#include "base/size.h"
#include "ops/interpreter.h"
#include "passes/flops.h"
#include "passes/inline_if.h"
#include "passes/list.h"

/* A result may be as large as the constants it makes superfluous (a transposed weight matrix), and by this much larger:
 * enough for masks and position tables, not for a ConstantOfShape that stands for a gigabyte of zeros. */
#define MAX_GROWTH_PER_RESULT ((size_t)1 << 20)
#define MAX_GROWTH_IN_ALL     ((size_t)16 << 20)
/* Beyond this a copy of a weight costs more memory than a transposition at session creation is worth avoiding. */
#define MAX_RESULT_BYTES ((size_t)512 << 20)
/* Reference functions are slow, some 1e8 operations in a second. */
#define MAX_FLOPS 5e7
/* Inputs of operators whose result size depends on their elements. */
#define MAX_DATA_DEPENDENT_BYTES ((size_t)64 << 10)

#define MAX_SLOTS 64 /* inputs or outputs of a node that is folded */

typedef struct folder {
    sn_pass_context *x;
    sn_cloner cloner;
    size_t growth; /* bytes added so far by results larger than what they replaced */
} folder;

static bool named(const sn_node *n, const char *const *names)
{
    for (; *names; names++)
        if (sn_node_is(n, *names)) return true;
    return false;
}

/* ---------------------------------------------------------------------------------------------------- putting results
 */

static bool outputs_are_replaceable(const sn_model *m, const sn_node *n)
{
    if (n->n_out > MAX_SLOTS) return false;
    for (size_t i = 0; i < n->n_out; i++)
        if (n->out[i] != SN_NONE && sn_is_graph_output(m, n->out[i])) return false;
    return true;
}

/* Makes the tensor (whose reference it takes over) the value of a node's output. */
static sinter_status replace_output(sn_pass_context *x, sn_value_id old, sinter_value *tensor, sn_value_id *fresh)
{
    sn_model *m = x->model;
    *fresh = sn_pass_add_initializer(x, m->values[old].graph, m->values[old].name, tensor);
    if (*fresh == SN_NONE || !sn_replace_uses(m, old, *fresh)) return sn_pass_no_memory(x);
    return SINTER_OK;
}

/* results[i] may be NULL for outputs that nobody reads; takes over all references. */
static sinter_status replace_node(sn_pass_context *x, sn_node_id node, sinter_value **results)
{
    sn_model *m = x->model;
    sn_value_id old[MAX_SLOTS], fresh[MAX_SLOTS], inputs[MAX_SLOTS];
    size_t n_out = m->nodes[node].n_out, n_in = m->nodes[node].n_in;
    sinter_status status = SINTER_OK;
    for (size_t i = 0; i < n_out; i++) {
        fresh[i] = SN_NONE;
        old[i] = m->nodes[node].out[i];
        if (status == SINTER_OK && results[i] && sn_output_is_used(m, &m->nodes[node], i))
            status = replace_output(x, old[i], results[i], &fresh[i]);
        else
            sinter_value_release(results[i]);
    }
    if (status != SINTER_OK) return status;

    if (n_in > 0) memcpy(inputs, m->nodes[node].in, n_in * sizeof *inputs);
    sn_remove_node(m, node);
    for (size_t i = 0; i < n_out; i++)
        if (fresh[i] != SN_NONE) sn_take_name(m, fresh[i], old[i]);
    for (size_t i = 0; i < n_in; i++) sn_drop_if_unused(m, inputs[i]);
    x->changes++;
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- evaluating */

/* Bytes of constants that go when the node goes. */
static size_t replaced_bytes(const sn_model *m, const sn_node *n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n->n_in; i++) {
        if (n->in[i] == SN_NONE || m->values[n->in[i]].n_uses != 1) continue;
        const sinter_value *k = sn_constant(m, n->in[i]);
        if (k) sum += k->size;
    }
    return sum;
}

/* Results whose shape depends on elements are at most as large as a small multiple of the input. */
static bool shrinks(const sn_model *m, const sn_node *n)
{
    static const char *const names[] = {"NonZero", "Unique", "Compress", NULL};
    const sinter_value *k = n->n_in > 0 && n->in[0] != SN_NONE ? sn_constant(m, n->in[0]) : NULL;
    return k && k->size <= MAX_DATA_DEPENDENT_BYTES && named(n, names);
}

static bool result_bytes(const sn_pass_context *x, const sn_node *n, size_t *out)
{
    *out = 0;
    for (size_t i = 0; i < n->n_out; i++) {
        if (n->out[i] == SN_NONE) continue;
        size_t count, size;
        const sn_type *t = &sn_pass_fact(x, n->out[i])->type;
        if (t->kind != SINTER_KIND_TENSOR || !sn_dtype_valid(t->dtype) || !sn_shape_count(&t->shape, &count) ||
            !sn_size_mul(count, sinter_dtype_size(t->dtype), &size) || !sn_size_add(*out, size, out))
            return false;
    }
    return true;
}

static bool is_affordable(const folder *f, sn_node_id node, size_t *growth)
{
    const sn_pass_context *x = f->x;
    const sn_node *n = &x->model->nodes[node];
    *growth = 0;
    double flops = sn_node_flops(x->model, x->facts, node);
    size_t bytes, replaced = replaced_bytes(x->model, n);
    if (!result_bytes(x, n, &bytes)) return shrinks(x->model, n);
    if (bytes > MAX_RESULT_BYTES || flops > MAX_FLOPS) return false;
    if (bytes > replaced) *growth = bytes - replaced;
    return *growth <= MAX_GROWTH_PER_RESULT && f->growth + *growth <= MAX_GROWTH_IN_ALL;
}

static bool may_evaluate(const folder *f, sn_node_id node)
{
    static const char *const never[] = {"Identity", "DequantizeLinear", NULL};
    const sn_pass_context *x = f->x;
    const sn_node *n = &x->model->nodes[node];
    if (node >= x->prepared->n_nodes || n->n_in > MAX_SLOTS) return false;
    const sn_op *op = x->prepared->nodes[node].op;
    return op && op->eval && !(op->flags & (SN_OP_RANDOM | SN_OP_CONTROL)) && !named(n, never);
}

static bool constant_inputs(const sn_model *m, const sn_node *n, const sinter_value *in[MAX_SLOTS])
{
    for (size_t i = 0; i < n->n_in; i++) {
        in[i] = n->in[i] == SN_NONE ? NULL : sn_constant(m, n->in[i]);
        if (n->in[i] != SN_NONE && !in[i]) return false;
    }
    return true;
}

static bool all_tensors(const sinter_value *const *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (values[i] && values[i]->kind != SINTER_KIND_TENSOR) return false;
    return true;
}

/* Elements of a string result may point at the characters of an input, which is about to go. */
static sinter_status own_strings(const sn_pass_context *x, sinter_value **values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!values[i] || values[i]->dtype != SINTER_STRING) continue;
        sinter_value *copy = NULL;
        if (sn_value_copy(values[i], &copy, NULL) != SINTER_OK) return sn_pass_no_memory(x);
        sinter_value_release(values[i]);
        values[i] = copy;
    }
    return SINTER_OK;
}

static sinter_status evaluate(folder *f, sn_node_id node, const sinter_value *const *in, size_t growth)
{
    sn_pass_context *x = f->x;
    size_t n_out = x->model->nodes[node].n_out;
    sinter_value *results[MAX_SLOTS] = {0};
    sinter_error ignored = {0}; /* what cannot be computed now is left to whoever runs the model */
    sinter_status status = sn_evaluate_node(x->model, x->prepared, node, in, results, &ignored);
    if (status != SINTER_OK) return status == SINTER_NO_MEMORY ? sn_pass_no_memory(x) : SINTER_OK;
    bool tensors = all_tensors((const sinter_value *const *)results, n_out);
    if (tensors) status = own_strings(x, results, n_out);
    if (tensors && status == SINTER_OK) {
        f->growth += growth;
        return replace_node(x, node, results);
    }
    for (size_t i = 0; i < n_out; i++) sinter_value_release(results[i]);
    return status == SINTER_NO_MEMORY ? sn_pass_no_memory(x) : SINTER_OK;
}

static sinter_status try_evaluate(folder *f, sn_node_id node)
{
    const sn_model *m = f->x->model;
    const sn_node *n = &m->nodes[node];
    const sinter_value *in[MAX_SLOTS];
    size_t growth;
    if (!may_evaluate(f, node) || n->n_in == 0 || !constant_inputs(m, n, in) || !is_affordable(f, node, &growth))
        return SINTER_OK;
    return evaluate(f, node, in, growth);
}

/* ---------------------------------------------------------------------------------------------------- other patterns
 */

static sinter_status fold_constant_node(folder *f, sn_node_id node)
{
    const sn_node *n = &f->x->model->nodes[node];
    const sn_attr *value = sn_node_attr(n, "value");
    if (n->n_out != 1 || n->out[0] == SN_NONE || n->n_in > 0) return SINTER_OK;
    if (value && value->type == SN_ATTR_TENSOR && value->tensor) {
        sinter_value *tensor = sinter_value_retain(value->tensor);
        return replace_node(f->x, node, &tensor);
    }
    if (sn_node_attr(n, "sparse_value") || !may_evaluate(f, node)) return SINTER_OK;
    return evaluate(f, node, NULL, 0);
}

/* The one output as a tensor of what inference knows; *out NULL when that is not everything. */
static sinter_status known_result(const sn_pass_context *x, const sn_node *n, sinter_value **out)
{
    *out = NULL;
    const sn_fact *fact = sn_pass_fact(x, n->out[0]);
    const sn_type *t = &fact->type;
    size_t count;
    if (!fact->known || t->kind != SINTER_KIND_TENSOR || (t->dtype != SINTER_INT64 && t->dtype != SINTER_INT32) ||
        t->shape.rank > 1 || !sn_shape_count(&t->shape, &count) || count != fact->n_known)
        return SINTER_OK;
    for (size_t i = 0; i < count; i++)
        if (!sn_dim_is_number(fact->known[i])) return SINTER_OK;
    if (sn_tensor_create(t->dtype, &t->shape, out, NULL) != SINTER_OK) return sn_pass_no_memory(x);
    for (size_t i = 0; i < count; i++) sn_store_int64(t->dtype, (*out)->data, i, fact->known[i]);
    return SINTER_OK;
}

static sinter_status try_known(folder *f, sn_node_id node, bool *done)
{
    const sn_node *n = &f->x->model->nodes[node];
    sinter_value *tensor = NULL;
    if (n->n_out == 1 && n->n_in <= MAX_SLOTS && n->out[0] != SN_NONE && may_evaluate(f, node))
        SN_TRY(known_result(f->x, n, &tensor));
    *done = tensor != NULL;
    return tensor ? replace_node(f->x, node, &tensor) : SINTER_OK;
}

static sinter_status fold_node(folder *f, sn_node_id node)
{
    const sn_model *m = f->x->model;
    const sn_node *n = &m->nodes[node];
    if (n->dead) return SINTER_OK;
    if (sn_if_is_decided(m, node)) return sn_inline_if(&f->cloner, node);
    if (!outputs_are_replaceable(m, n)) return SINTER_OK;
    if (sn_node_is(n, "Constant")) return fold_constant_node(f, node);
    bool done;
    SN_TRY(try_known(f, node, &done));
    return done ? SINTER_OK : try_evaluate(f, node);
}

sinter_status sn_pass_fold_constants(sn_pass_context *x)
{
    sn_ids nodes;
    SN_TRY(sn_pass_nodes(x, &nodes));
    folder f = {.x = x, .cloner = {.x = x, .prefix = SN_STR("")}};
    sinter_status status = SINTER_OK;
    for (size_t i = 0; i < nodes.count && status == SINTER_OK; i++) status = fold_node(&f, nodes.items[i]);
    sn_cloner_free(&f.cloner);
    sn_ids_release(&nodes);
    return status;
}
