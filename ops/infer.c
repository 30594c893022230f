/*
 * Inference over a whole model: one walk through the nodes in order, each node's infer function fed with the facts of
 * its inputs. Facts are indexed by value id, so a body sees what is known of the outer values it captures without
 * further ado.
 *
 * Bodies are inferred when their control-flow operator asks for it (it knows the facts of the body's inputs). A body
 * that no operator asked for - the operator is not implemented, or can tell that the body never runs - is inferred
 * afterwards for what passes may gain from it; since it may never run with these inputs, a contradiction inside it is
 * then no error.
 */
#include "ops/infer.h"
#include "ops/infer_util.h"

#include "base/alloc.h"

enum {
    MAX_DEPTH = 64, /* of nested bodies; the parser allows no more */
    FEW_SLOTS = 8   /* most nodes' inputs and outputs: kept on the stack */
};

typedef struct infer_driver {
    const sn_model *m;
    const sn_prepared_model *p;
    bool trust_declared;
    bool *visited; /* graphs whose inference was asked for */
    sn_facts *facts;
    sinter_error *err;
    int depth;
} infer_driver;

static sinter_status infer_graph(infer_driver *d, sn_graph_id graph);

/* ---------------------------------------------------------------------------------------------------- declarations */

/* A declared dimension that is neither a size nor a symbol says nothing. */
static sn_type sanitized(const sn_type *declared)
{
    sn_type t = *declared;
    for (int i = 0; i < t.shape.rank; i++) {
        int64_t dim = t.shape.dims[i];
        if (sn_dim_is_number(dim) && dim < 0) t.shape.dims[i] = SN_DIM_UNKNOWN;
    }
    return t;
}

/* Fills what is unknown. A declaration that contradicts what was inferred is stale, and says nothing. */
static void merge_declared(sn_type *t, const sn_type *declaration)
{
    sn_type declared = sanitized(declaration);
    if (declared.kind == SINTER_KIND_UNKNOWN) return;
    if (t->kind == SINTER_KIND_UNKNOWN) {
        *t = declared;
        return;
    }
    if (t->kind != declared.kind) return;
    if (t->dtype == SINTER_UNDEFINED) t->dtype = declared.dtype;
    if (declared.dtype != SINTER_UNDEFINED && declared.dtype != t->dtype) return;
    if (!t->elem) t->elem = declared.elem;
    if (t->shape.rank < 0) t->shape = declared.shape;
    if (t->shape.rank != declared.shape.rank) return;
    for (int i = 0; i < t->shape.rank; i++) {
        if (t->shape.dims[i] == SN_DIM_UNKNOWN) t->shape.dims[i] = declared.shape.dims[i];
    }
}

static void set_shape(sn_type *t, const sn_shape *shape)
{
    if (!shape || shape->rank < 0) return;
    if (t->kind == SINTER_KIND_UNKNOWN) t->kind = SINTER_KIND_TENSOR;
    if (t->kind == SINTER_KIND_TENSOR) t->shape = *shape;
}

/* Inputs of the main graph. Those that are constants are overwritten by infer_initializers. */
static void infer_inputs(infer_driver *d, const sn_shape *shapes)
{
    const sn_ids *inputs = &d->m->graphs[0].inputs;
    for (size_t i = 0; i < inputs->count; i++) {
        sn_value_id id = inputs->items[i];
        const sn_value *v = &d->m->values[id];
        sn_fact *f = &d->facts->values[id];
        f->type = sanitized(&v->type);
        set_shape(&f->type, shapes ? &shapes[i] : NULL);
        if (v->constant && v->constant->kind == SINTER_KIND_TENSOR) {
            sn_type of_default = SN_TYPE_UNKNOWN;
            of_default.kind = SINTER_KIND_TENSOR;
            of_default.dtype = v->constant->dtype;
            of_default.shape = v->constant->shape;
            merge_declared(&f->type, &of_default);
        }
    }
}

static sinter_status infer_initializers(infer_driver *d, sn_graph_id graph)
{
    const sn_ids *ids = &d->m->graphs[graph].initializers;
    for (size_t i = 0; i < ids->count; i++) {
        sn_value_id id = ids->items[i];
        const sn_value *v = &d->m->values[id];
        sn_fact *f = &d->facts->values[id];
        const sinter_value *constant = sn_constant(d->m, id);
        if (constant) {
            SN_TRY(sn_fact_of_constant(constant, &d->facts->arena, f, d->err));
        } else if (v->sparse) {
            f->type.kind = SINTER_KIND_TENSOR;
            f->type.dtype = v->sparse->values ? v->sparse->values->dtype : SINTER_UNDEFINED;
            f->type.shape = v->sparse->dims;
        }
    }
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- bodies */

/* Calls `visit` for every body among the node's attributes. */
static sinter_status for_each_body(infer_driver *d, const sn_node *node,
                                   sinter_status (*visit)(infer_driver *d, sn_graph_id body))
{
    for (size_t i = 0; i < node->n_attrs; i++) {
        const sn_attr *a = &node->attrs[i];
        if (a->type == SN_ATTR_GRAPH && a->ref_attr_name.n == 0) SN_TRY(visit(d, a->graph));
        for (size_t k = 0; a->type == SN_ATTR_GRAPHS && k < a->count; k++) SN_TRY(visit(d, a->graphs[k]));
    }
    return SINTER_OK;
}

/* Forgets what an earlier inference of the body left behind. */
static sinter_status forget(infer_driver *d, sn_graph_id body)
{
    const sn_graph *g = &d->m->graphs[body];
    d->visited[body] = false;
    for (size_t i = 0; i < g->inputs.count; i++) d->facts->values[g->inputs.items[i]] = sn_fact_unknown();
    for (size_t i = 0; i < g->nodes.count; i++) {
        const sn_node *node = &d->m->nodes[g->nodes.items[i]];
        for (size_t k = 0; k < node->n_out; k++) {
            if (node->out[k] != SN_NONE) d->facts->values[node->out[k]] = sn_fact_unknown();
        }
        SN_TRY(for_each_body(d, node, forget));
    }
    return SINTER_OK;
}

static sinter_status enter_body(infer_driver *d, sn_graph_id body, const sn_fact *in, size_t n_in)
{
    const sn_graph *g = &d->m->graphs[body];
    SN_TRY(forget(d, body));
    d->visited[body] = true;
    for (size_t i = 0; i < g->inputs.count; i++) {
        sn_value_id id = g->inputs.items[i];
        sn_fact *f = &d->facts->values[id];
        if (i < n_in) *f = in[i];
        f->present = true;
        if (d->trust_declared) merge_declared(&f->type, &d->m->values[id].type);
    }
    if (d->depth >= MAX_DEPTH) {
        return sn_fail(d->err, SINTER_INVALID_MODEL, "graph '%.*s': bodies are nested deeper than %d",
                       SN_STR_ARG(g->name), MAX_DEPTH);
    }
    d->depth++;
    sinter_status status = infer_graph(d, body);
    d->depth--;
    return status;
}

/* sn_infer.infer_body */
static sinter_status infer_body(sn_infer *x, sn_graph_id body, const sn_fact *in, size_t n_in, sn_fact *out,
                                size_t n_out)
{
    infer_driver *d = x->driver;
    sinter_error *outer = d->err;
    d->err = x->err;
    sinter_status status = enter_body(d, body, in, n_in);
    if (status != SINTER_OK) (void)forget(d, body);
    d->err = outer;
    const sn_ids *results = &d->m->graphs[body].outputs;
    for (size_t i = 0; i < n_out; i++) {
        bool usable = status == SINTER_OK && i < results->count;
        out[i] = usable ? d->facts->values[results->items[i]] : sn_fact_unknown();
    }
    return status;
}

static sinter_status infer_unvisited(infer_driver *d, sn_graph_id body)
{
    if (d->visited[body]) return SINTER_OK;
    sinter_error *outer = d->err, why;
    d->err = &why;
    sinter_status status = enter_body(d, body, NULL, 0);
    if (status != SINTER_OK) (void)forget(d, body);
    d->visited[body] = true;
    d->err = outer;
    return status == SINTER_NO_MEMORY ? sn_no_memory(d->err, "inferring shapes") : SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- nodes */

static sinter_status run_infer(infer_driver *d, sn_node_id id, const sn_fact *in, sn_fact *out)
{
    const sn_node *node = &d->m->nodes[id];
    const sn_prepared *p = &d->p->nodes[id];
    SN_TRY(sn_check_types(d->m, node, p->op, in, node->n_in, d->err));
    if (!p->op->infer) return SINTER_OK;
    sn_infer x = {.op = p->op,
                  .params = p->params,
                  .version = p->version,
                  .n_in = node->n_in,
                  .n_out = node->n_out,
                  .in = in,
                  .out = out,
                  .arena = &d->facts->arena,
                  .err = d->err,
                  .model = d->m,
                  .node = node,
                  .infer_body = infer_body,
                  .driver = d};
    return p->op->infer(&x);
}

static void gather_inputs(const infer_driver *d, const sn_node *node, sn_fact *in)
{
    for (size_t i = 0; i < node->n_in; i++) {
        if (node->in[i] == SN_NONE) {
            in[i] = (sn_fact){.type = SN_TYPE_UNKNOWN};
        } else {
            in[i] = d->facts->values[node->in[i]];
        }
    }
}

static void store_outputs(infer_driver *d, const sn_node *node, sn_fact *out)
{
    for (size_t i = 0; i < node->n_out; i++) {
        sn_value_id id = node->out[i];
        if (id == SN_NONE) continue;
        if (d->trust_declared) merge_declared(&out[i].type, &d->m->values[id].type);
        d->facts->values[id] = out[i];
    }
}

static sinter_status infer_node_in(infer_driver *d, sn_node_id id, sn_fact *in, sn_fact *out)
{
    const sn_node *node = &d->m->nodes[id];
    gather_inputs(d, node, in);
    for (size_t i = 0; i < node->n_out; i++) out[i] = sn_fact_unknown();
    bool known = id < d->p->n_nodes && d->p->nodes[id].op;
    if (known) {
        SN_TRY(run_infer(d, id, in, out));
        sn_infer_by_evaluation(d->m, d->p, id, in, out, d->facts);
    }
    store_outputs(d, node, out);
    return for_each_body(d, node, infer_unvisited);
}

static sinter_status infer_node(infer_driver *d, sn_node_id id)
{
    const sn_node *node = &d->m->nodes[id];
    sn_fact few[2 * FEW_SLOTS];
    if (node->n_in <= FEW_SLOTS && node->n_out <= FEW_SLOTS) return infer_node_in(d, id, few, few + FEW_SLOTS);
    sn_fact *many = sn_calloc(node->n_in + node->n_out, sizeof *many);
    if (!many) return sn_no_memory(d->err, "inferring shapes");
    sinter_status status = infer_node_in(d, id, many, many + node->n_in);
    sn_free(many);
    return status;
}

static sinter_status infer_graph(infer_driver *d, sn_graph_id graph)
{
    SN_TRY(infer_initializers(d, graph));
    const sn_ids *nodes = &d->m->graphs[graph].nodes;
    for (size_t i = 0; i < nodes->count; i++) SN_TRY(infer_node(d, nodes->items[i]));
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- model */

sinter_status sn_infer_model(const sn_model *m, const sn_prepared_model *p, const sn_shape *shapes, bool trust_declared,
                             sn_facts *out, sinter_error *err)
{
    sn_facts facts = {.n_values = m->n_values};
    facts.values = sn_arena_calloc(&facts.arena, m->n_values, sizeof *facts.values);
    bool *visited = sn_calloc(m->n_graphs, sizeof *visited);
    if (!facts.values || !visited) {
        sn_free(visited);
        sn_facts_free(&facts);
        return sn_no_memory(err, "inferring shapes");
    }
    for (size_t i = 0; i < m->n_values; i++) facts.values[i] = sn_fact_unknown();
    infer_driver d = {
        .m = m, .p = p, .trust_declared = trust_declared, .visited = visited, .facts = &facts, .err = err};
    infer_inputs(&d, shapes);
    sinter_status status = infer_graph(&d, 0);
    sn_free(visited);
    if (status != SINTER_OK) {
        sn_facts_free(&facts);
        return status;
    }
    *out = facts;
    return SINTER_OK;
}

void sn_facts_free(sn_facts *f)
{
    for (size_t i = 0; i < f->n_computed; i++) sinter_value_release(f->computed[i]);
    sn_free(f->computed);
    sn_arena_free(&f->arena);
    *f = (sn_facts){.values = NULL};
}
