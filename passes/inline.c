/*
 * Pattern: a node that calls one of the model's own functions.
 * Rewrite: the function's body takes its place, parameters replaced by the call's inputs, attribute references by the
 * call's attributes or the function's defaults, names made unique; then functions that nothing calls any more are
 * removed. Exact: it is what the standard says a call means. Refuses a function whose body needs another version of an
 * operator set than the model imports: its nodes would change their meaning. Recursion is illegal; expansion is
 * bounded.
 */
#include "base/alloc.h"
#include "base/size.h"
#include "passes/clone.h"
#include "passes/list.h"

#define MAX_CALL_DEPTH    100     /* functions calling functions */
#define MAX_INLINED_NODES 1000000 /* in all: functions that call each other twice grow exponentially */

enum state { UNKNOWN, VISITING, DONE };

typedef struct function_info {
    enum state state;
    bool inlinable;
    size_t size; /* nodes of the body with everything in it expanded, plus one per output */
} function_info;

typedef struct inliner {
    sn_cloner cloner;
    function_info *info; /* by function index */
    sn_map by_name;      /* op_type -> first function of that name; next_same links the others */
    uint32_t *next_same;
    int depth;
} inliner;

/* ---------------------------------------------------------------------------------------------------- finding */

static bool same_domain(sn_str a, sn_str b)
{
    return sn_str_eq(a, b) || (sn_domain_is_onnx(a) && sn_domain_is_onnx(b));
}

static uint32_t find_function(const inliner *in, const sn_node *n)
{
    const sn_model *m = in->cloner.x->model;
    uint32_t i = sn_map_get(&in->by_name, n->op_type);
    for (; i != SN_MAP_NONE; i = in->next_same[i]) {
        const sn_function *f = &m->functions[i];
        if (!f->dead && same_domain(f->domain, n->domain) && sn_str_eq(f->overload, n->overload)) return i;
    }
    return SN_NONE;
}

static bool index_functions(inliner *in)
{
    const sn_model *m = in->cloner.x->model;
    in->info = sn_calloc(m->n_functions, sizeof *in->info);
    in->next_same = sn_calloc(m->n_functions, sizeof *in->next_same);
    if (!in->info || !in->next_same) return false;
    for (size_t i = m->n_functions; i-- > 0;) {
        in->next_same[i] = sn_map_get(&in->by_name, m->functions[i].name);
        if (!sn_map_put(&in->by_name, m->functions[i].name, (uint32_t)i)) return false;
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------------- analysis */

static sinter_status analyse(inliner *in, uint32_t index);

static size_t attr_bodies(const sn_attr *a, const sn_graph_id **bodies)
{
    bool one = a->type == SN_ATTR_GRAPH, many = a->type == SN_ATTR_GRAPHS;
    *bodies = one ? &a->graph : a->graphs;
    return a->ref_attr_name.n > 0 || (!one && !many) ? 0 : (one ? 1 : a->count);
}

static int64_t imported_version(const sn_function *f, sn_str domain)
{
    for (size_t i = 0; i < f->n_opsets; i++)
        if (same_domain(f->opsets[i].domain, domain)) return f->opsets[i].version;
    return -1;
}

/* May a node of the function's body mean the same in the model? Domains that the model lacks are added to its imports.
 */
static bool fits_model(inliner *in, const sn_function *f, const sn_node *n)
{
    sn_model *m = in->cloner.x->model;
    int64_t here = sn_opset_version(m, 0, n->domain), there = imported_version(f, n->domain);
    if (there < 0) return true;
    if (here < 0) return sn_import_opset(m, n->domain, there);
    return here == there;
}

static sinter_status analyse_node(inliner *in, uint32_t index, sn_node_id node, size_t *size)
{
    const sn_model *m = in->cloner.x->model;
    uint32_t callee = find_function(in, &m->nodes[node]);
    size_t grows = 1;
    if (callee != SN_NONE) {
        SN_TRY(analyse(in, callee));
        if (in->info[callee].inlinable) grows = in->info[callee].size;
    } else if (!fits_model(in, &m->functions[index], &m->nodes[node])) {
        in->info[index].inlinable = false;
    }
    if (!sn_size_add(*size, grows, size) || *size > MAX_INLINED_NODES) *size = MAX_INLINED_NODES + 1;
    return SINTER_OK;
}

/* Recursion into bodies goes as deep as graphs are nested, which the parser limits. */
static sinter_status analyse_graph(inliner *in, uint32_t index, sn_graph_id graph, size_t *size)
{
    const sn_model *m = in->cloner.x->model;
    for (size_t i = 0; i < m->graphs[graph].nodes.count; i++) {
        sn_node_id node = m->graphs[graph].nodes.items[i];
        SN_TRY(analyse_node(in, index, node, size));
        for (size_t a = 0; a < m->nodes[node].n_attrs; a++) {
            const sn_graph_id *bodies;
            size_t n = attr_bodies(&m->nodes[node].attrs[a], &bodies);
            for (size_t k = 0; k < n; k++) SN_TRY(analyse_graph(in, index, bodies[k], size));
        }
    }
    return SINTER_OK;
}

static sinter_status analyse(inliner *in, uint32_t index)
{
    const sn_pass_context *x = in->cloner.x;
    const sn_function *f = &x->model->functions[index];
    function_info *info = &in->info[index];
    if (info->state == DONE) return SINTER_OK;
    if (info->state == VISITING)
        return sn_fail(x->err, SINTER_INVALID_MODEL, "function '%.*s' calls itself", SN_STR_ARG(f->name));
    if (in->depth >= MAX_CALL_DEPTH)
        return sn_fail(x->err, SINTER_TOO_LARGE, "function '%.*s' is nested more than %d calls deep",
                       SN_STR_ARG(f->name), MAX_CALL_DEPTH);
    info->state = VISITING;
    info->inlinable = true;
    size_t size = x->model->graphs[f->body].outputs.count + 1;
    in->depth++;
    SN_TRY(analyse_graph(in, index, f->body, &size));
    in->depth--;
    info->size = size;
    info->state = DONE;
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- expanding */

static sinter_status bind_inputs(sn_cloner *c, const sn_function *f, sn_node_id call)
{
    const sn_model *m = c->x->model;
    const sn_ids *parameters = &m->graphs[f->body].inputs;
    if (m->nodes[call].n_in > parameters->count || m->nodes[call].n_out > m->graphs[f->body].outputs.count)
        return sn_fail(c->x->err, SINTER_INVALID_MODEL,
                       "node '%.*s': %zu inputs and %zu outputs, but function '%.*s' has %zu and %zu",
                       SN_STR_ARG(sn_node_label(m, call)), m->nodes[call].n_in, m->nodes[call].n_out,
                       SN_STR_ARG(f->name), parameters->count, m->graphs[f->body].outputs.count);
    for (size_t i = 0; i < parameters->count; i++) {
        sn_value_id given = sn_node_in(&m->nodes[call], i);
        c->values[parameters->items[i]] = given == SN_NONE ? SN_NONE : sn_cloned(c, given);
    }
    return SINTER_OK;
}

static sinter_status expand_call(sn_cloner *c, const sn_function *f, sn_node_id call, sn_graph_id into,
                                 const sn_value_id *outputs, size_t n_outputs)
{
    SN_TRY(bind_inputs(c, f, call));
    sn_call_frame frame = {.function = f, .call = call, .caller = c->frame};
    sn_str outer = c->prefix;
    c->prefix = sn_node_label(c->x->model, call);
    c->frame = &frame;
    sn_clone_aim(c, f->body, outputs, n_outputs);
    sinter_status status = sn_clone_nodes(c, f->body, into);
    c->frame = frame.caller;
    c->prefix = outer;
    return status == SINTER_OK ? sn_clone_finish(c, f->body, outputs, n_outputs, into) : status;
}

/* A node of a body that is a call itself. */
static sinter_status expand_nested(sn_cloner *c, sn_node_id node, sn_graph_id into, bool *done)
{
    const sn_model *m = c->x->model;
    inliner *in = c->user;
    uint32_t index = find_function(in, &m->nodes[node]);
    *done = index != SN_NONE && in->info[index].inlinable;
    if (!*done) return SINTER_OK;

    size_t n = m->nodes[node].n_out;
    sn_value_id *outputs = sn_malloc((n + 1) * sizeof *outputs);
    if (!outputs) return sn_pass_no_memory(c->x);
    sinter_status status = SINTER_OK;
    for (size_t i = 0; i < n && status == SINTER_OK; i++) {
        sn_value_id v = m->nodes[node].out[i];
        outputs[i] = v == SN_NONE ? SN_NONE : sn_clone_value(c, v, into);
        if (v != SN_NONE && outputs[i] == SN_NONE) status = sn_pass_no_memory(c->x);
    }
    if (status == SINTER_OK) status = expand_call(c, &m->functions[index], node, into, outputs, n);
    sn_free(outputs);
    return status;
}

static sinter_status expand_top(inliner *in, uint32_t index, sn_node_id call)
{
    sn_cloner *c = &in->cloner;
    sn_model *m = c->x->model;
    size_t n = m->nodes[call].n_out;
    sn_value_id *outputs = sn_malloc((n + 1) * sizeof *outputs);
    if (!outputs) return sn_pass_no_memory(c->x);
    if (n > 0) memcpy(outputs, m->nodes[call].out, n * sizeof *outputs);
    sinter_status status = expand_call(c, &m->functions[index], call, m->nodes[call].graph, outputs, n);
    sn_free(outputs);
    if (status != SINTER_OK) return status;
    sn_remove_node(m, call);
    c->x->changes++;
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- graphs */

static uint32_t inlinable_call(const inliner *in, sn_node_id node)
{
    uint32_t index = find_function(in, &in->cloner.x->model->nodes[node]);
    return index != SN_NONE && in->info[index].inlinable ? index : SN_NONE;
}

static sinter_status measure_graph(inliner *in, const sn_ids *nodes, size_t *total)
{
    const sn_pass_context *x = in->cloner.x;
    for (size_t i = 0; i < nodes->count; i++) {
        uint32_t index = find_function(in, &x->model->nodes[nodes->items[i]]);
        if (index == SN_NONE) continue;
        SN_TRY(analyse(in, index));
        if (!in->info[index].inlinable) continue;
        *total += in->info[index].size;
        if (*total > MAX_INLINED_NODES)
            return sn_fail(x->err, SINTER_TOO_LARGE, "inlining functions gives more than %d nodes", MAX_INLINED_NODES);
    }
    return SINTER_OK;
}

/* The node list is made anew: bodies are appended where their calls were, so that the order stays topological and the
 * cost linear. Room for everything is reserved first: whatever fails on the way, the remaining nodes can be put back.
 */
static sinter_status inline_graph(inliner *in, sn_graph_id graph)
{
    sn_model *m = in->cloner.x->model;
    size_t growth = 0;
    SN_TRY(measure_graph(in, &m->graphs[graph].nodes, &growth));
    if (growth == 0) return SINTER_OK;

    sn_ids old = m->graphs[graph].nodes;
    size_t capacity = old.count + growth;
    uint32_t *items = sn_malloc(capacity * sizeof *items);
    if (!items) return sn_pass_no_memory(in->cloner.x);
    m->graphs[graph].nodes = (sn_ids){.items = items, .capacity = capacity};

    sinter_status status = SINTER_OK;
    for (size_t i = 0; i < old.count; i++) {
        uint32_t index = status == SINTER_OK ? inlinable_call(in, old.items[i]) : SN_NONE;
        if (index != SN_NONE) status = expand_top(in, index, old.items[i]);
        if (!m->nodes[old.items[i]].dead && !sn_ids_push(&m->graphs[graph].nodes, old.items[i]))
            status = sn_pass_no_memory(in->cloner.x);
    }
    sn_free(old.items);
    return status;
}

static sinter_status inline_all(inliner *in)
{
    sn_model *m = in->cloner.x->model;
    if (!index_functions(in)) return sn_pass_no_memory(in->cloner.x);
    SN_TRY(sn_cloner_prepare(&in->cloner));
    size_t n_graphs = m->n_graphs; /* copies of bodies need no visit: calls in them were expanded on the way */
    for (sn_graph_id g = 0; g < n_graphs; g++)
        if (!m->graphs[g].dead && sn_root_graph(m, g) == 0) SN_TRY(inline_graph(in, g));
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- removing */

/* Puts every function that the graph calls and that was not met before into the queue. */
static bool mark_called(const inliner *in, sn_graph_id graph, bool *called, sn_ids *queue)
{
    const sn_model *m = in->cloner.x->model;
    for (size_t i = 0; i < m->graphs[graph].nodes.count; i++) {
        const sn_node *n = &m->nodes[m->graphs[graph].nodes.items[i]];
        uint32_t index = find_function(in, n);
        if (index != SN_NONE && !called[index]) {
            called[index] = true;
            if (!sn_ids_push(queue, index)) return false;
        }
        for (size_t a = 0; a < n->n_attrs; a++) {
            const sn_graph_id *bodies;
            size_t count = attr_bodies(&n->attrs[a], &bodies);
            for (size_t k = 0; k < count; k++)
                if (!mark_called(in, bodies[k], called, queue)) return false;
        }
    }
    return true;
}

static sinter_status remove_uncalled(inliner *in)
{
    sn_model *m = in->cloner.x->model;
    sn_ids queue = {0};
    bool *called = sn_calloc(m->n_functions + 1, sizeof *called);
    bool ok = called && mark_called(in, 0, called, &queue);
    for (size_t next = 0; ok && next < queue.count; next++)
        ok = mark_called(in, m->functions[queue.items[next]].body, called, &queue);
    for (size_t i = 0; ok && i < m->n_functions; i++) {
        if (m->functions[i].dead || called[i]) continue;
        sn_remove_function(m, i);
        in->cloner.x->changes++;
    }
    sn_ids_release(&queue);
    sn_free(called);
    return ok ? SINTER_OK : sn_pass_no_memory(in->cloner.x);
}

static sinter_status report_refused(const inliner *in)
{
    const sn_pass_context *x = in->cloner.x;
    for (size_t i = 0; i < x->model->n_functions; i++)
        if (in->info[i].state == DONE && !in->info[i].inlinable &&
            !sn_report_add_note(x->report,
                                "function '%.*s' was not inlined: it imports other operator set versions than the "
                                "model",
                                SN_STR_ARG(x->model->functions[i].name)))
            return sn_pass_no_memory(x);
    return SINTER_OK;
}

sinter_status sn_pass_inline_functions(sn_pass_context *x)
{
    bool any = false;
    for (size_t i = 0; i < x->model->n_functions; i++) any |= !x->model->functions[i].dead;
    if (!any) return SINTER_OK;

    inliner in = {.cloner = {.x = x, .prefix = SN_STR(""), .expand = expand_nested}};
    in.cloner.user = &in;
    sinter_status status = inline_all(&in);
    if (status == SINTER_OK) status = remove_uncalled(&in);
    if (status == SINTER_OK) status = report_refused(&in);
    sn_cloner_free(&in.cloner);
    sn_map_free(&in.by_name);
    sn_free(in.info);
    sn_free(in.next_same);
    return status;
}
