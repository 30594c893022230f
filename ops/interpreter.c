/*
 * The reference interpreter: one node, on heap memory, by its reference function. A control-flow node's bodies are run
 * node by node; since bodies form a tree and a node runs one of them at a time, one table indexed by value id holds
 * whatever is alive in all of them, and a nested body finds the outer body's values where it expects them.
 */
#include "ops/interpreter.h"

#include "base/alloc.h"
#include "base/size.h"

enum { MAX_DEPTH = 64 };

/* More for one output is a model gone wrong, not a constant worth folding. */
#define MAX_OUTPUT_BYTES ((size_t)1 << 31)

#define NEVER UINT32_MAX /* last reader of a value that its graph returns */

typedef struct interpreter {
    const sn_model *m;
    const sn_prepared_model *p;
    size_t max_output;
    uint64_t random;
    sinter_error *err;
    int depth;
    /* Made at the first call of a body: */
    sinter_value **values; /* owned references, by value id */
    uint32_t *last_reader; /* by value id: position in its graph's node list of the last node that needs it */
    uint32_t *position;    /* by node id: in its graph's node list */
    bool *analysed;        /* by graph id: last_reader and position are set for its values and nodes */
} interpreter;

typedef struct scratch_block {
    struct scratch_block *next;
} scratch_block;

/* One node being evaluated: sn_eval.runner. */
typedef struct activation {
    interpreter *it;
    sinter_value **outs;
    scratch_block *scratch;
} activation;

static sinter_status evaluate(interpreter *it, sn_node_id id, const sinter_value *const *in, sinter_value **outs);

/* ---------------------------------------------------------------------------------------------------- services */

static sinter_status service_output(sn_eval *x, size_t i, sinter_dtype dtype, const sn_shape *shape, sinter_value **out)
{
    activation *a = x->runner;
    size_t count, size;
    SN_TRY(sn_tensor_extent(dtype, shape, &count, &size, x->err));
    if (size > a->it->max_output) {
        return sn_eval_fail(x, SINTER_TOO_LARGE, "output %zu of %zu bytes, limit %zu", i, size, a->it->max_output);
    }
    sinter_value *v;
    SN_TRY(sn_tensor_create(dtype, shape, &v, x->err));
    sinter_value_release(a->outs[i]);
    a->outs[i] = v;
    *out = v;
    return SINTER_OK;
}

static sinter_status service_give(sn_eval *x, size_t i, sinter_value *value)
{
    activation *a = x->runner;
    sinter_value_release(a->outs[i]);
    a->outs[i] = value;
    return SINTER_OK;
}

static void *service_scratch(sn_eval *x, size_t size)
{
    activation *a = x->runner;
    size_t total;
    if (!sn_size_add(size, SN_ALIGNMENT, &total)) return NULL;
    char *memory = sn_malloc_aligned(total);
    if (!memory) return NULL;
    scratch_block *block = (scratch_block *)memory;
    block->next = a->scratch;
    a->scratch = block;
    return memory + SN_ALIGNMENT;
}

static void release_scratch(activation *a)
{
    while (a->scratch) {
        scratch_block *next = a->scratch->next;
        sn_free(a->scratch);
        a->scratch = next;
    }
}

/* ---------------------------------------------------------------------------------------------------- liveness */

static bool make_tables(interpreter *it)
{
    if (it->values) return true;
    it->values = sn_calloc(it->m->n_values, sizeof *it->values);
    it->last_reader = sn_calloc(it->m->n_values, sizeof *it->last_reader);
    it->position = sn_calloc(it->m->n_nodes, sizeof *it->position);
    it->analysed = sn_calloc(it->m->n_graphs, sizeof *it->analysed);
    return it->values && it->last_reader && it->position && it->analysed;
}

static void free_tables(interpreter *it)
{
    for (size_t i = 0; it->values && i < it->m->n_values; i++) sinter_value_release(it->values[i]);
    sn_free(it->values);
    sn_free(it->last_reader);
    sn_free(it->position);
    sn_free(it->analysed);
}

/* Position in graph `home` of the node that makes the use: the reader itself, or the node whose bodies it is in. */
static uint32_t reader_position(const interpreter *it, const sn_use *use, sn_graph_id home)
{
    sn_node_id node = use->node;
    sn_graph_id graph = node == SN_NONE ? use->graph : it->m->nodes[node].graph;
    if (node == SN_NONE && graph == home) return NEVER;
    while (graph != home && graph != SN_NONE) {
        node = it->m->graphs[graph].owner;
        graph = it->m->graphs[graph].parent;
    }
    return node == SN_NONE ? NEVER : it->position[node];
}

static void analyse_value(interpreter *it, sn_value_id id, uint32_t born, sn_graph_id home)
{
    if (id == SN_NONE) return;
    uint32_t last = born;
    const sn_value *v = &it->m->values[id];
    for (size_t i = 0; i < v->n_uses; i++) {
        uint32_t reader = reader_position(it, &v->uses[i], home);
        if (reader > last) last = reader;
    }
    it->last_reader[id] = last;
}

static void analyse(interpreter *it, sn_graph_id graph)
{
    if (it->analysed[graph]) return;
    it->analysed[graph] = true;
    const sn_graph *g = &it->m->graphs[graph];
    for (size_t i = 0; i < g->nodes.count; i++) it->position[g->nodes.items[i]] = (uint32_t)i;
    for (size_t i = 0; i < g->inputs.count; i++) analyse_value(it, g->inputs.items[i], 0, graph);
    for (size_t i = 0; i < g->nodes.count; i++) {
        const sn_node *node = &it->m->nodes[g->nodes.items[i]];
        for (size_t k = 0; k < node->n_out; k++) analyse_value(it, node->out[k], (uint32_t)i, graph);
    }
}

static void drop(interpreter *it, sn_value_id id)
{
    sinter_value_release(it->values[id]);
    it->values[id] = NULL;
}

static void keep(interpreter *it, sn_value_id id, sinter_value *value)
{
    sinter_value_release(it->values[id]);
    it->values[id] = value;
}

static void drop_all_of(interpreter *it, sn_graph_id graph)
{
    const sn_graph *g = &it->m->graphs[graph];
    for (size_t i = 0; i < g->inputs.count; i++) drop(it, g->inputs.items[i]);
    for (size_t i = 0; i < g->nodes.count; i++) {
        const sn_node *node = &it->m->nodes[g->nodes.items[i]];
        for (size_t k = 0; k < node->n_out; k++) {
            if (node->out[k] != SN_NONE) drop(it, node->out[k]);
        }
    }
}

/* What the node was the last to read, and what it made for nobody, dies after it. What only its own bodies read lives
 * on until the graph ends: not worth a search at every node. */
static void drop_dead(interpreter *it, const sn_graph *g, uint32_t position)
{
    const sn_node *node = &it->m->nodes[g->nodes.items[position]];
    sn_graph_id home = node->graph;
    for (size_t i = 0; i < node->n_in; i++) {
        sn_value_id id = node->in[i];
        if (id != SN_NONE && it->m->values[id].graph == home && it->last_reader[id] <= position) drop(it, id);
    }
    for (size_t i = 0; i < node->n_out; i++) {
        sn_value_id id = node->out[i];
        if (id != SN_NONE && it->last_reader[id] <= position) drop(it, id);
    }
}

/* ---------------------------------------------------------------------------------------------------- bodies */

/* What a body's node reads: of a body that is running, or a constant of the model. */
static sinter_status lookup(interpreter *it, sn_value_id id, sn_node_id reader, const sinter_value **out)
{
    *out = it->values[id] ? it->values[id] : sn_constant(it->m, id);
    if (*out) return SINTER_OK;
    sn_str label = reader == SN_NONE ? SN_STR("(output of a body)") : sn_node_label(it->m, reader);
    return sn_fail(it->err, SINTER_UNSUPPORTED, "node '%.*s': reads '%.*s', which is not known before the model runs",
                   SN_STR_ARG(label), SN_STR_ARG(it->m->values[id].name));
}

static sinter_status run_body_node(interpreter *it, sn_node_id id)
{
    const sn_node *node = &it->m->nodes[id];
    sinter_value **outs = sn_calloc(node->n_out, sizeof *outs);
    const sinter_value **in = sn_calloc(node->n_in, sizeof *in);
    sinter_status status = outs && in ? SINTER_OK : sn_no_memory(it->err, "evaluating a body");
    for (size_t i = 0; status == SINTER_OK && i < node->n_in; i++) {
        if (node->in[i] != SN_NONE) status = lookup(it, node->in[i], id, &in[i]);
    }
    if (status == SINTER_OK) status = evaluate(it, id, in, outs);
    for (size_t i = 0; status == SINTER_OK && i < node->n_out; i++) {
        if (node->out[i] != SN_NONE) keep(it, node->out[i], outs[i]);
    }
    sn_free(in);
    sn_free(outs);
    return status;
}

static sinter_status take_outputs(interpreter *it, const sn_graph *g, sinter_value **outs, size_t n_out)
{
    for (size_t i = 0; i < n_out; i++) {
        const sinter_value *v = NULL;
        sinter_status status = SINTER_OK;
        if (i < g->outputs.count) {
            status = lookup(it, g->outputs.items[i], SN_NONE, &v);
        } else {
            status = sn_fail(it->err, SINTER_INVALID_MODEL, "graph '%.*s': %zu outputs, expected at least %zu",
                             SN_STR_ARG(g->name), g->outputs.count, n_out);
        }
        if (status != SINTER_OK) {
            while (i-- > 0) sinter_value_release(outs[i]);
            return status;
        }
        outs[i] = sinter_value_retain((sinter_value *)v);
    }
    return SINTER_OK;
}

static sinter_status run_body(interpreter *it, sn_graph_id body, const sinter_value *const *ins, size_t n_in,
                              sinter_value **outs, size_t n_out)
{
    const sn_graph *g = &it->m->graphs[body];
    analyse(it, body);
    for (size_t i = 0; i < n_in && i < g->inputs.count; i++) {
        if (ins[i]) keep(it, g->inputs.items[i], sinter_value_retain((sinter_value *)ins[i]));
    }
    sinter_status status = SINTER_OK;
    for (size_t i = 0; status == SINTER_OK && i < g->nodes.count; i++) {
        status = run_body_node(it, g->nodes.items[i]);
        if (status == SINTER_OK) drop_dead(it, g, (uint32_t)i);
    }
    if (status == SINTER_OK) status = take_outputs(it, g, outs, n_out);
    drop_all_of(it, body);
    return status;
}

static sinter_status service_call(sn_eval *x, sn_graph_id body, const sinter_value *const *ins, size_t n_in,
                                  sinter_value **outs, size_t n_out)
{
    interpreter *it = ((activation *)x->runner)->it;
    if (!make_tables(it)) return sn_no_memory(it->err, "evaluating a body");
    if (it->depth >= MAX_DEPTH)
        return sn_eval_fail(x, SINTER_INVALID_MODEL, "bodies are nested deeper than %d", MAX_DEPTH);
    it->depth++;
    sinter_status status = run_body(it, body, ins, n_in, outs, n_out);
    it->depth--;
    return status;
}

/* ---------------------------------------------------------------------------------------------------- nodes */

static const sn_eval_services services = {
    .output = service_output, .give = service_give, .scratch = service_scratch, .call = service_call};

static bool has_strings(const sinter_value *v)
{
    if (v->kind == SINTER_KIND_TENSOR) return v->dtype == SINTER_STRING;
    for (size_t i = 0; i < v->n_items; i++) {
        if (has_strings(v->items[i])) return true;
    }
    return false;
}

/* Elements of a string output may point into an input's characters, which may die before it. */
static sinter_status own_strings(interpreter *it, sinter_value **out)
{
    sinter_value *v = *out;
    if (!v || !has_strings(v)) return SINTER_OK;
    SN_TRY(sn_value_copy(v, out, it->err));
    sinter_value_release(v);
    return SINTER_OK;
}

static sinter_status finish_outputs(interpreter *it, sn_eval *x, sinter_value **outs)
{
    for (size_t i = 0; i < x->n_out; i++) {
        if (x->out_wanted[i] && !outs[i]) {
            return sn_eval_fail(x, SINTER_FAILED, "its evaluation did not give output %zu", i);
        }
        SN_TRY(own_strings(it, &outs[i]));
    }
    return SINTER_OK;
}

static sinter_status run_eval(interpreter *it, sn_node_id id, const sinter_value *const *in, const bool *wanted,
                              sinter_value **outs)
{
    const sn_node *node = &it->m->nodes[id];
    const sn_prepared *p = &it->p->nodes[id];
    activation a = {.it = it, .outs = outs};
    sn_eval x = {.op = p->op,
                 .params = p->params,
                 .version = p->version,
                 .n_in = node->n_in,
                 .n_out = node->n_out,
                 .in = in,
                 .out_wanted = wanted,
                 .err = it->err,
                 .model = it->m,
                 .node = id,
                 .services = &services,
                 .runner = &a,
                 .random = &it->random};
    sinter_status status = sn_check_values(&x);
    if (status == SINTER_OK) status = p->op->eval(&x);
    release_scratch(&a);
    if (status == SINTER_OK) status = finish_outputs(it, &x, outs);
    return status;
}

static sinter_status evaluate(interpreter *it, sn_node_id id, const sinter_value *const *in, sinter_value **outs)
{
    const sn_node *node = &it->m->nodes[id];
    for (size_t i = 0; i < node->n_out; i++) outs[i] = NULL;
    if (id >= it->p->n_nodes || !it->p->nodes[id].op || !it->p->nodes[id].op->eval) {
        return sn_unsupported(it->m, id, it->err);
    }
    bool *wanted = sn_calloc(node->n_out, sizeof *wanted);
    if (!wanted) return sn_no_memory(it->err, "evaluating a node");
    for (size_t i = 0; i < node->n_out; i++) wanted[i] = node->out[i] != SN_NONE;
    sinter_status status = run_eval(it, id, in, wanted, outs);
    sn_free(wanted);
    for (size_t i = 0; status != SINTER_OK && i < node->n_out; i++) {
        sinter_value_release(outs[i]);
        outs[i] = NULL;
    }
    return status;
}

sinter_status sn_evaluate_node_within(const sn_model *m, const sn_prepared_model *p, sn_node_id node,
                                      size_t max_output_bytes, const sinter_value *const *in, sinter_value **outs,
                                      sinter_error *err)
{
    interpreter it = {.m = m, .p = p, .max_output = max_output_bytes, .err = err};
    sinter_status status = evaluate(&it, node, in, outs);
    free_tables(&it);
    return status;
}

sinter_status sn_evaluate_node(const sn_model *m, const sn_prepared_model *p, sn_node_id node,
                               const sinter_value *const *in, sinter_value **outs, sinter_error *err)
{
    return sn_evaluate_node_within(m, p, node, MAX_OUTPUT_BYTES, in, outs, err);
}
