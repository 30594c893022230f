/* Building a plan: see plan.h. */
#include "runtime/by_image.h"

#include "base/alloc.h"
#include "base/size.h"

typedef sn_plan_builder builder;

/* ---------------------------------------------------------------------------------------------------- constants */

/* The value of a fact that is known whole: a constant, or integers that inference computed. NULL when it is not one. */
static sinter_status fact_value(builder *b, sn_value_id id, sinter_value **out)
{
    const sn_fact *f = &b->facts.values[id];
    *out = NULL;
    if (f->constant) {
        if (f->constant == sn_constant(b->m, id)) {
            *out = sinter_value_retain((sinter_value *)f->constant);
            return SINTER_OK;
        }
        return sn_value_copy(f->constant, out, b->err);
    }
    bool integer = f->type.dtype == SINTER_INT64 || f->type.dtype == SINTER_INT32;
    size_t count;
    if (!f->known || f->type.kind != SINTER_KIND_TENSOR || !integer) return SINTER_OK;
    if (!sn_shape_count(&f->type.shape, &count) || count != f->n_known) return SINTER_OK;
    for (size_t i = 0; i < count; i++) {
        if (!sn_dim_is_number(f->known[i])) return SINTER_OK;
    }
    SN_TRY(sn_tensor_create(f->type.dtype, &f->type.shape, out, b->err));
    for (size_t i = 0; i < count; i++) sn_store_int64(f->type.dtype, (*out)->data, i, f->known[i]);
    return SINTER_OK;
}

static sinter_status place_constant(builder *b, sn_value_id id)
{
    sn_plan_value *v = &b->plan->values[id];
    if (v->place == SN_PLACE_CONSTANT) return SINTER_OK;
    sinter_value *constant;
    SN_TRY(fact_value(b, id, &constant));
    if (!constant) return SINTER_OK;
    v->place = SN_PLACE_CONSTANT;
    v->constant = constant;
    return SINTER_OK;
}

/* All initializers and Constant nodes, bodies' ones included. */
static void place_model_constants(builder *b)
{
    for (sn_value_id id = 0; id < b->m->n_values; id++) {
        if (b->m->values[id].dead) continue;
        const sinter_value *constant = sn_constant(b->m, id);
        if (!constant) continue;
        b->plan->values[id].place = SN_PLACE_CONSTANT;
        b->plan->values[id].constant = sinter_value_retain((sinter_value *)constant);
    }
}

/* ---------------------------------------------------------------------------------------------------- values */

/* What inference knows for certain. */
static sinter_status note_fact(builder *b, sn_value_id id)
{
    const sn_fact *f = &b->facts.values[id];
    sn_plan_value *v = &b->plan->values[id];
    if (f->type.kind != SINTER_KIND_TENSOR || f->type.dtype == SINTER_UNDEFINED) return SINTER_OK;
    if (!sn_shape_is_static(&f->type.shape)) return SINTER_OK;
    size_t count;
    v->dtype = f->type.dtype;
    v->shape = f->type.shape;
    SN_TRY(sn_tensor_extent(v->dtype, &v->shape, &count, &v->size, b->err));
    v->is_static = true;
    return SINTER_OK;
}

static bool is_wanted(const builder *b, sn_value_id id)
{
    return id != SN_NONE && b->live.needed[id] && b->plan->values[id].place != SN_PLACE_CONSTANT;
}

/* Strings own their characters one by one: they never lie in an arena. */
static bool can_be_planned(const builder *b, const sn_step *step)
{
    const sn_node *node = &b->m->nodes[step->node];
    if (step->prepared->op->flags & SN_OP_CONTROL) return false;
    for (size_t i = 0; i < node->n_out; i++) {
        if (!step->wanted[i]) continue;
        const sn_plan_value *v = &b->plan->values[node->out[i]];
        if (!v->is_static || v->dtype == SINTER_STRING) return false;
    }
    return true;
}

static bool types_are_known(const builder *b, const sn_node *node)
{
    for (size_t i = 0; i < node->n_in; i++) {
        if (node->in[i] == SN_NONE) continue;
        const sn_type *t = &b->facts.values[node->in[i]].type;
        if (t->kind != SINTER_KIND_TENSOR || t->dtype == SINTER_UNDEFINED) return false;
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------------- steps */

static sinter_status init_step(builder *b, sn_step *step, sn_node_id id, uint32_t position, bool *wanted)
{
    const sn_prepared *prepared = &b->s->prepared.nodes[id];
    if (!prepared->op) return sn_unsupported(b->m, id, b->err);
    const sn_node *node = &b->m->nodes[id];
    *step = (sn_step){.node = id,
                      .position = position,
                      .prepared = prepared,
                      .in = node->in,
                      .n_in = node->n_in,
                      .n_node_in = node->n_in,
                      .out = node->out,
                      .n_out = node->n_out,
                      .flags = prepared->op->flags,
                      .wanted = wanted};
    return SINTER_OK;
}

static sinter_status place_outputs(builder *b, sn_step *step)
{
    const sn_node *node = &b->m->nodes[step->node];
    step->planned = can_be_planned(b, step);
    step->check_types = !types_are_known(b, node);
    for (size_t i = 0; i < node->n_out; i++) {
        if (!step->wanted[i]) continue;
        sn_place place = !step->planned                    ? SN_PLACE_DYNAMIC
                         : b->live.is_output[node->out[i]] ? SN_PLACE_OUTPUT
                                                           : SN_PLACE_ARENA;
        b->plan->values[node->out[i]].place = place;
    }
    return SINTER_OK;
}

/* Marks what the node gives that somebody needs and that is not known already. Nothing: no step. */
static sinter_status find_wanted(builder *b, sn_node_id id, bool **wanted, bool *any)
{
    const sn_node *node = &b->m->nodes[id];
    *any = false;
    *wanted = SN_ARENA_ARRAY(&b->plan->arena, bool, node->n_out);
    if (!*wanted) return sn_no_memory(b->err, "planning a run");
    for (size_t i = 0; i < node->n_out; i++) {
        if (node->out[i] == SN_NONE) continue;
        (*wanted)[i] = is_wanted(b, node->out[i]);
        *any = *any || (*wanted)[i];
    }
    return SINTER_OK;
}

/* First, since nobody needs what only known values were computed from. */
static sinter_status note_facts(builder *b)
{
    const sn_ids *nodes = &b->m->graphs[0].nodes;
    for (sn_value_id id = 0; id < b->m->n_values; id++) {
        sn_place place = b->plan->values[id].place;
        if (place == SN_PLACE_INPUT || place == SN_PLACE_CONSTANT) SN_TRY(note_fact(b, id));
    }
    for (size_t i = 0; i < nodes->count; i++) {
        const sn_node *node = &b->m->nodes[nodes->items[i]];
        const sn_op *op = b->s->prepared.nodes[nodes->items[i]].op;
        for (size_t k = 0; k < node->n_out; k++) {
            if (node->out[k] == SN_NONE) continue;
            SN_TRY(note_fact(b, node->out[k]));
            if (op && !(op->flags & SN_OP_RANDOM)) SN_TRY(place_constant(b, node->out[k]));
        }
    }
    return SINTER_OK;
}

static sinter_status plan_main(builder *b)
{
    const sn_graph *g = &b->m->graphs[0];
    sn_program *program = &b->plan->programs[0];
    program->steps = SN_ARENA_ARRAY(&b->plan->arena, sn_step, g->nodes.count);
    if (!program->steps) return sn_no_memory(b->err, "planning a run");
    for (size_t i = 0; i < g->nodes.count; i++) {
        sn_node_id id = g->nodes.items[i];
        bool *wanted, any;
        if (!b->live.node_needed[id]) continue;
        SN_TRY(find_wanted(b, id, &wanted, &any));
        if (!any) continue;
        sn_step *step = &program->steps[program->n_steps];
        SN_TRY(init_step(b, step, id, (uint32_t)i, wanted));
        SN_TRY(place_outputs(b, step));
        program->n_steps++;
    }
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- bodies */

static bool plan_body(void *context, sn_graph_id body);

/* Everything in a body is dynamic: it may run many times with other shapes each time. */
static sinter_status plan_body_nodes(builder *b, const sn_graph *g, sn_program *program)
{
    program->steps = SN_ARENA_ARRAY(&b->plan->arena, sn_step, g->nodes.count);
    if (!program->steps) return sn_no_memory(b->err, "planning a run");
    for (size_t i = 0; i < g->nodes.count; i++) {
        sn_node_id id = g->nodes.items[i];
        const sn_node *node = &b->m->nodes[id];
        bool *wanted = SN_ARENA_ARRAY(&b->plan->arena, bool, node->n_out), any = false;
        if (!wanted) return sn_no_memory(b->err, "planning a run");
        for (size_t k = 0; k < node->n_out; k++) {
            wanted[k] = is_wanted(b, node->out[k]);
            if (wanted[k]) b->plan->values[node->out[k]].place = SN_PLACE_DYNAMIC;
            any = any || wanted[k];
        }
        if (!any) continue;
        sn_step *step = &program->steps[program->n_steps];
        SN_TRY(init_step(b, step, id, (uint32_t)i, wanted));
        step->check_types = true;
        program->n_steps++;
        if (!sn_for_each_body(node, plan_body, b)) return b->status;
    }
    return SINTER_OK;
}

static bool plan_body(void *context, sn_graph_id body)
{
    builder *b = context;
    const sn_graph *g = &b->m->graphs[body];
    for (size_t i = 0; i < g->inputs.count; i++) {
        sn_plan_value *v = &b->plan->values[g->inputs.items[i]];
        if (v->place != SN_PLACE_CONSTANT) v->place = SN_PLACE_DYNAMIC;
    }
    b->status = plan_body_nodes(b, g, &b->plan->programs[body]);
    return b->status == SINTER_OK;
}

static sinter_status plan_bodies(builder *b)
{
    const sn_program *program = &b->plan->programs[0];
    for (size_t i = 0; i < program->n_steps; i++) {
        if (!sn_for_each_body(&b->m->nodes[program->steps[i].node], plan_body, b)) return b->status;
    }
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- heap values */

static bool is_heap(const builder *b, sn_value_id id)
{
    if (id == SN_NONE) return false;
    sn_place place = b->plan->values[id].place;
    return place == SN_PLACE_DYNAMIC || place == SN_PLACE_OUTPUT;
}

/* The values that a graph's own steps (and callers, as inputs) put on the heap. */
static sinter_status list_heap(builder *b, sn_graph_id graph)
{
    const sn_graph *g = &b->m->graphs[graph];
    sn_program *program = &b->plan->programs[graph];
    size_t n = graph == 0 ? 0 : g->inputs.count;
    for (size_t i = 0; i < program->n_steps; i++) n += program->steps[i].n_out;
    sn_value_id *heap = SN_ARENA_ARRAY(&b->plan->arena, sn_value_id, n);
    if (!heap) return sn_no_memory(b->err, "planning a run");
    program->heap = heap;
    for (size_t i = 0; graph != 0 && i < g->inputs.count; i++) {
        if (is_heap(b, g->inputs.items[i])) heap[program->n_heap++] = g->inputs.items[i];
    }
    for (size_t i = 0; i < program->n_steps; i++) {
        const sn_step *step = &program->steps[i];
        for (size_t k = 0; k < step->n_out; k++) {
            if (step->wanted[k] && is_heap(b, step->out[k])) heap[program->n_heap++] = step->out[k];
        }
    }
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- ends of lives */

typedef struct last_reads {
    uint32_t *last;
    uint32_t position;
} last_reads;

static void note_read(void *context, sn_value_id id)
{
    last_reads *x = context;
    x->last[id] = x->position;
}

/* By value id of the plan: the step of the main program that reads it last; behind the last one for graph outputs. */
static sinter_status find_last(builder *b, uint32_t **last)
{
    const sn_program *program = &b->plan->programs[0];
    last_reads x = {.last = SN_ARENA_ARRAY(&b->facts.arena, uint32_t, b->plan->n_values)};
    if (!x.last) return sn_no_memory(b->err, "planning a run");
    for (; x.position < program->n_steps; x.position++) {
        sn_step *step = &program->steps[x.position];
        step->position = x.position;
        for (size_t i = 0; i < step->n_out; i++) {
            if (step->out[i] != SN_NONE) note_read(&x, step->out[i]);
        }
        sn_for_each_read(b->m, step->in, step->n_in, &b->m->nodes[step->node], note_read, &x);
    }
    const sn_ids *outputs = &b->m->graphs[0].outputs;
    for (size_t i = 0; i < outputs->count; i++) note_read(&x, outputs->items[i]);
    *last = x.last;
    return SINTER_OK;
}

/* For each step of the main program, the dynamic values that die there; graph outputs never do. */
static sinter_status list_dying(builder *b, const uint32_t *last)
{
    sn_program *program = &b->plan->programs[0];
    uint32_t *counts = SN_ARENA_ARRAY(&b->facts.arena, uint32_t, program->n_steps + 1);
    sn_value_id *ids = SN_ARENA_ARRAY(&b->plan->arena, sn_value_id, program->n_heap);
    if (!counts || !ids) return sn_no_memory(b->err, "planning a run");
    for (size_t i = 0; i < program->n_heap; i++) counts[last[program->heap[i]]]++;
    size_t next = 0;
    for (size_t i = 0; i < program->n_steps; i++) {
        program->steps[i].dying = ids + next;
        next += counts[i];
    }
    for (size_t i = 0; i < program->n_heap; i++) {
        sn_value_id id = program->heap[i];
        if (last[id] == program->n_steps || b->live.is_output[id]) continue;
        sn_step *step = &program->steps[last[id]];
        ((sn_value_id *)step->dying)[step->n_dying++] = id;
    }
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- the whole */

static sinter_status infer(builder *b, const sn_shape *shapes)
{
    const sn_ids *inputs = &b->m->graphs[0].inputs;
    sn_shape *of_graph = sn_calloc(inputs->count, sizeof *of_graph);
    if (!of_graph) return sn_no_memory(b->err, "planning a run");
    for (size_t i = 0; i < inputs->count; i++) of_graph[i] = SN_SHAPE_UNKNOWN;
    for (size_t i = 0; i < b->s->n_inputs; i++) of_graph[b->s->inputs[i].position] = shapes[i];
    sinter_status status = sn_infer_model(b->m, &b->s->prepared, of_graph, false, &b->facts, b->err);
    sn_free(of_graph);
    /* The model was fine when the session was made: what does not fit is the input. */
    if (status == SINTER_INVALID_MODEL) status = SINTER_INVALID_INPUT;
    return status == SINTER_INVALID_INPUT ? sn_context(b->err, status, "planning a run with the inputs' shapes")
                                          : status;
}

/* Up to the steps that will run. */
static sinter_status find_steps(builder *b, const sn_shape *shapes)
{
    sn_plan *p = b->plan;
    p->shapes = sn_arena_copy(&p->arena, shapes, b->s->n_inputs * sizeof *shapes);
    p->values = SN_ARENA_ARRAY(&p->arena, sn_plan_value, b->m->n_values);
    p->programs = SN_ARENA_ARRAY(&p->arena, sn_program, b->m->n_graphs);
    if (!p->shapes || !p->values || !p->programs) return sn_no_memory(b->err, "planning a run");
    p->n_values = b->m->n_values;
    p->n_graphs = b->m->n_graphs;
    SN_TRY(infer(b, shapes));
    place_model_constants(b);
    for (size_t i = 0; i < b->s->n_inputs; i++) p->values[b->s->inputs[i].value].place = SN_PLACE_INPUT;
    SN_TRY(note_facts(b));
    SN_TRY(sn_liveness_find(b->m, p->values, &b->facts.arena, &b->live, b->err));
    SN_TRY(plan_main(b));
    SN_TRY(plan_bodies(b));
    return sn_plan_lower(b);
}

/* Where the values of the steps are, and how long. */
static sinter_status place_values(builder *b)
{
    sn_plan *p = b->plan;
    uint32_t *last;
    SN_TRY(find_last(b, &last));
    for (sn_graph_id g = 0; g < p->n_graphs; g++) SN_TRY(list_heap(b, g));
    SN_TRY(list_dying(b, last));
    return sn_plan_memory(p, last, b->err);
}

static sinter_status begin(builder *b, const sn_session *s, sinter_error *err)
{
    *b = (builder){.s = s, .m = s->m, .err = err};
    b->plan = sn_calloc(1, sizeof *b->plan);
    if (!b->plan) return sn_no_memory(err, "planning a run");
    atomic_init(&b->plan->references, 1);
    b->plan->serial = atomic_fetch_add(&((sn_session *)s)->next_serial, 1) + 1;
    return SINTER_OK;
}

/* Takes out the plan, or releases it after a failure. */
static sinter_status end(builder *b, sinter_status status, sn_plan **out)
{
    sn_facts_free(&b->facts);
    if (status != SINTER_OK) sn_plan_release(b->plan);
    if (status == SINTER_OK) *out = b->plan;
    return status;
}

static sinter_status cut_stage(builder *b, builder *image, const sn_shape *shapes, int64_t images)
{
    sn_shape *one = sn_arena_copy(&b->facts.arena, shapes, b->s->n_inputs * sizeof *shapes);
    if (!one) return sn_no_memory(b->err, "planning a run");
    for (size_t i = 0; i < b->s->n_inputs; i++) one[i].dims[0] = 1;
    sinter_status status = find_steps(image, one);
    /* A model that takes no single image is none of the batch's trouble. */
    if (status != SINTER_OK) return status == SINTER_NO_MEMORY ? status : SINTER_OK;
    size_t length = sn_stage_length(b, image, images);
    if (length == 0) return SINTER_OK;
    SN_TRY(sn_stage_cut(b, image, length, images));
    return place_values(image);
}

/* Gives the plan of a batch its stage, when there is one that pays. */
static sinter_status plan_stage(builder *b, const sn_shape *shapes)
{
    int64_t images = sn_batch_of(b->s, shapes);
    if (images < 2 || b->s->reference) return SINTER_OK;
    builder image;
    sinter_error ignored;
    if (begin(&image, b->s, &ignored) != SINTER_OK) return sn_no_memory(b->err, "planning a run");
    sinter_status status = cut_stage(b, &image, shapes, images);
    sn_plan *plan; /* the stage's, which belongs to the batch's, or nobody's */
    (void)end(&image, b->plan->stage.plan ? SINTER_OK : SINTER_FAILED, &plan);
    return status == SINTER_OK ? status : sn_no_memory(b->err, "planning a run");
}

sinter_status sn_plan_build(const sn_session *s, const sn_shape *shapes, sn_plan **out, sinter_error *err)
{
    builder b;
    SN_TRY(begin(&b, s, err));
    sinter_status status = find_steps(&b, shapes);
    if (status == SINTER_OK) status = plan_stage(&b, shapes);
    if (status == SINTER_OK) status = place_values(&b);
    return end(&b, status, out);
}

sn_plan *sn_plan_retain(sn_plan *p)
{
    atomic_fetch_add_explicit(&p->references, 1, memory_order_relaxed);
    return p;
}

void sn_plan_release(sn_plan *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->references, 1, memory_order_acq_rel) != 1) return;
    for (size_t i = 0; p->values && i < p->n_values; i++) sinter_value_release(p->values[i].constant);
    sn_plan_release(p->stage.plan);
    sn_arena_free(&p->arena);
    sn_free(p);
}
