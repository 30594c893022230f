/*
 * The two walks that find a chain. When something on the way forbids folding, the walk goes on without hope, only to
 * learn whether there is a linear operator at the end: "the Conv output is also read by node 'add1'" is worth more to
 * the reader of the report than "no linear operator".
 */
#include "passes/affine.h"

#define MAX_READERS 64 /* looked at, of a value that is shared and so refuses anyway */

static const char *const linear_ops[] = {"Conv", "ConvTranspose", "Gemm", "MatMul"};

bool sn_is_linear(const sn_node *n)
{
    for (size_t i = 0; i < sizeof linear_ops / sizeof *linear_ops; i++)
        if (sn_node_is(n, linear_ops[i])) return n->n_in >= 2 && n->n_out >= 1 && n->out[0] != SN_NONE;
    return false;
}

typedef struct walk {
    sn_pass_context *x;
    sn_chain *chain;
    sinter_error blocked; /* the first thing that forbids folding; code OK while there is none */
} walk;

static void block(walk *w, const char *text)
{
    if (w->blocked.code == SINTER_OK) (void)sn_fail(&w->blocked, SINTER_UNSUPPORTED, "%s", text);
}

static sinter_status start(walk *w, sn_node_id node, sinter_error *why)
{
    sn_chain *c = w->chain;
    c->layout = c->linear = SN_NONE;
    SN_TRY(sn_link_read(w->x, node, &c->arena, &c->links[0], why));
    c->n_links = 1;
    c->has_bn = sn_node_is(&w->x->model->nodes[node], "BatchNormalization");
    return SINTER_OK;
}

/* Adds a link to the chain. NOT_FOUND when the node is none. */
static sinter_status add_link(walk *w, sn_node_id node, sn_value_id other_end)
{
    sn_chain *c = w->chain;
    sinter_error unfit = {0};
    sn_link link;
    if (c->n_links == SN_MAX_CHAIN_LINKS) return SINTER_NOT_FOUND;
    sinter_status status = sn_link_read(w->x, node, &c->arena, &link, &unfit);
    if (status == SINTER_NO_MEMORY) return sn_pass_no_memory(w->x);
    if (status != SINTER_OK || (c->backward ? link.out : link.data) != other_end) return SINTER_NOT_FOUND;
    c->links[c->n_links++] = link;
    c->has_bn |= sn_node_is(&w->x->model->nodes[node], "BatchNormalization");
    return SINTER_OK;
}

static void pass_layout(walk *w, sn_node_id node)
{
    sn_chain *c = w->chain;
    if (c->layout == SN_NONE) c->layout = node;
    for (size_t i = 0; i < c->n_links; i++) {
        bool ok = c->backward ? sn_place_upward(w->x, node, &c->links[i].place)
                              : sn_place_downward(w->x, node, &c->links[i].place);
        if (ok) continue;
        const char *label = sn_pass_label(w->x, node);
        sn_str text =
            sn_arena_printf(&c->arena, "the shapes do not prove that channels stay channels through %s", label);
        block(w, text.p ? text.p : "channels cannot be traced");
        return;
    }
}

/* "node 'a'", or "3 nodes": who reads the value beside `reader`. */
static void block_shared(walk *w, sn_value_id value, sn_node_id producer, sn_node_id reader)
{
    const sn_model *m = w->x->model;
    const sn_value *v = &m->values[value];
    sn_node_id other = SN_NONE;
    size_t others = 0;
    bool returned = false;
    for (size_t i = 0; i < v->n_uses && others < 2; i++) {
        if (v->uses[i].node == SN_NONE) {
            returned = true;
        } else if (v->uses[i].node != reader) {
            other = v->uses[i].node;
            others++;
        }
    }
    if (others == 2) others = v->n_uses - 1; /* not looked at one by one: there may be very many */
    sn_arena *a = &w->chain->arena;
    const char *what = producer == SN_NONE ? "its input" : sn_pass_label(w->x, producer);
    sn_str text;
    if (others == 1)
        text = sn_arena_printf(a, "the output of %s is also read by %s", what, sn_pass_label(w->x, other));
    else if (others > 1)
        text = sn_arena_printf(a, "the output of %s has %zu other readers", what, others);
    else if (returned)
        text = sn_arena_printf(a, "the output of %s is also an output of the graph", what);
    else
        text = sn_arena_printf(a, "the output of %s is read more than once by %s", what, sn_pass_label(w->x, reader));
    block(w, text.p ? text.p : "an output is shared");
}

static sinter_status finish(walk *w, sn_node_id linear, sinter_error *why)
{
    w->chain->linear = linear;
    if (w->blocked.code == SINTER_OK) return SINTER_OK;
    return sn_fail(why, w->blocked.code, "%s", w->blocked.text);
}

/* ---------------------------------------------------------------------------------------------------- backward */

static sinter_status no_producer(walk *w, sn_value_id value, sinter_error *why)
{
    const sn_value *v = &w->x->model->values[value];
    return sn_fail(why, SINTER_NOT_FOUND, "its input comes from %s '%.*s'",
                   v->constant ? "the constant" : "the graph input", SN_STR_ARG(v->name));
}

static sinter_status walk_backward(walk *w, sinter_error *why)
{
    const sn_model *m = w->x->model;
    sn_chain *c = w->chain;
    sn_node_id reader = c->links[0].node;
    sn_value_id value = c->links[0].data;
    for (int step = 0; step < SN_MAX_CHAIN_NODES; step++) {
        sn_node_id p = m->values[value].producer;
        if (p == SN_NONE) return no_producer(w, value, why);
        const sn_node *n = &m->nodes[p];
        if (n->graph != m->nodes[reader].graph)
            return sn_fail(why, SINTER_NOT_FOUND, "its input comes from %s of an enclosing graph",
                           sn_pass_label(w->x, p));
        if (n->out[0] != value) break;
        if (sn_only_consumer(m, value) != reader) block_shared(w, value, p, reader);
        if (sn_is_linear(n)) return finish(w, p, why);
        if (sn_is_layout(n)) {
            pass_layout(w, p);
            value = n->in[0];
        } else {
            sinter_status status = sn_may_be_link(n) ? add_link(w, p, value) : SINTER_NOT_FOUND;
            if (status == SINTER_NO_MEMORY) return status;
            if (status != SINTER_OK) break;
            value = c->links[c->n_links - 1].data;
        }
        reader = p;
    }
    return sn_fail(why, SINTER_NOT_FOUND, "its input comes from %s", sn_pass_label(w->x, m->values[value].producer));
}

sinter_status sn_chain_backward(sn_pass_context *x, sn_node_id node, sn_chain *c, sinter_error *why)
{
    *c = (sn_chain){.backward = true};
    walk w = {.x = x, .chain = c};
    SN_TRY(start(&w, node, why));
    return walk_backward(&w, why);
}

/* ---------------------------------------------------------------------------------------------------- forward */

static size_t input_slot(const sn_node *n, sn_value_id value)
{
    for (size_t i = 0; i < n->n_in; i++)
        if (n->in[i] == value) return i;
    return SIZE_MAX;
}

/* A reader of the value that matters most: a linear operator if there is one. */
static sn_node_id main_reader(const sn_model *m, sn_value_id value)
{
    const sn_value *v = &m->values[value];
    sn_node_id reader = SN_NONE;
    for (size_t i = 0; i < v->n_uses && i < MAX_READERS; i++) {
        sn_node_id node = v->uses[i].node;
        if (node == SN_NONE) continue;
        if (reader == SN_NONE || (sn_is_linear(&m->nodes[node]) && !sn_is_linear(&m->nodes[reader]))) reader = node;
    }
    return reader;
}

static sinter_status walk_forward(walk *w, sinter_error *why)
{
    const sn_model *m = w->x->model;
    sn_chain *c = w->chain;
    sn_node_id producer = c->links[0].node;
    sn_value_id value = c->links[0].out;
    for (int step = 0; step < SN_MAX_CHAIN_NODES; step++) {
        sn_node_id r = main_reader(m, value);
        if (r == SN_NONE) return sn_fail(why, SINTER_NOT_FOUND, "its output is an output of the graph");
        const sn_node *n = &m->nodes[r];
        if (sn_only_consumer(m, value) != r) block_shared(w, value, producer, r);
        if (n->graph != m->nodes[producer].graph) break;
        c->linear_slot = input_slot(n, value);
        if (sn_is_linear(n)) return finish(w, r, why);
        if (sn_is_layout(n) && c->linear_slot == 0) {
            pass_layout(w, r);
            value = n->out[0];
        } else {
            sinter_status status = sn_may_be_link(n) ? add_link(w, r, value) : SINTER_NOT_FOUND;
            if (status == SINTER_NO_MEMORY) return status;
            if (status != SINTER_OK) break;
            value = n->out[0];
        }
        producer = r;
    }
    sn_node_id r = main_reader(m, value);
    return sn_fail(why, SINTER_NOT_FOUND, "its output goes to %s", r == SN_NONE ? "nothing" : sn_pass_label(w->x, r));
}

sinter_status sn_chain_forward(sn_pass_context *x, sn_node_id node, sn_chain *c, sinter_error *why)
{
    *c = (sn_chain){0};
    walk w = {.x = x, .chain = c};
    SN_TRY(start(&w, node, why));
    return walk_forward(&w, why);
}
