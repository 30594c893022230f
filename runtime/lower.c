/*
 * From one step per node to what runs: implementations are chosen, what they can do in one go is fused, and reorderings
 * are put in where layouts differ.
 *
 * A value of the model always stands for its plain form, so that references, bodies, callers and outputs need not know
 * of layouts. An implementation that gives another layout writes to a value of the plan's own; the plain one is made
 * from it when somebody wants it, and not at all otherwise. Where both layouts are the same bytes (no spatial extent,
 * or one channel) there is just the plain value.
 */
#include "runtime/fusion.h"
#include "runtime/reorder.h"
#include "runtime/session.h"

typedef struct lowering {
    sn_plan_builder *b;
    sn_step *steps; /* what runs, so far */
    size_t n_steps;
    sn_plan_value *values; /* of the plan, with room for versions in other layouts */
    bool *ready;           /* by value id of the model: exists before the step under consideration, in some layout */
    bool *plain;           /* the same, in plain layout */
    sn_value_id *last;     /* the version with channels last, or SN_NONE */
    bool *absorbed;        /* by node id */
} lowering;

static sinter_status no_memory(const lowering *x)
{
    return sn_no_memory(x->b->err, "planning a run");
}

/* ---------------------------------------------------------------------------------------------------- layouts */

static bool has_channels(const sn_plan_value *v)
{
    return v->is_static && v->shape.rank >= 3 && v->dtype == SINTER_FLOAT;
}

/* Are both layouts of the value the same bytes? */
static bool layouts_agree(const sn_plan_value *v)
{
    return !has_channels(v) || v->shape.dims[1] == 1 || sn_shape_product(&v->shape, 2, v->shape.rank) == 1;
}

static sn_layout layout_of(const lowering *x, sn_value_id id)
{
    return id != SN_NONE && x->last[id] != SN_NONE ? SN_LAYOUT_CHANNELS_LAST : SN_LAYOUT_PLAIN;
}

/* A version of the value with channels last. */
static sn_value_id new_version(lowering *x, sn_value_id id)
{
    sn_plan *p = x->b->plan;
    sn_value_id version = (sn_value_id)p->n_values++;
    x->values[version] = x->values[id];
    x->values[version].place = SN_PLACE_ARENA;
    x->values[version].constant = NULL;
    x->last[id] = version;
    return version;
}

/* A step of the planner's own: `to` is `from` in the other layout. */
static sinter_status emit_reorder(lowering *x, sn_node_id wanted_by, sn_value_id from, sn_value_id to, sn_layout layout)
{
    sn_arena *arena = &x->b->plan->arena;
    sn_value_id *ids = SN_ARENA_ARRAY(arena, sn_value_id, 2);
    bool *wanted = SN_ARENA_NEW(arena, bool);
    if (!ids || !wanted) return no_memory(x);
    ids[0] = from;
    ids[1] = to;
    *wanted = true;
    sn_step *step = &x->steps[x->n_steps++];
    *step = (sn_step){.node = wanted_by,
                      .in = ids,
                      .n_in = 1,
                      .n_node_in = 1,
                      .out = ids + 1,
                      .n_out = 1,
                      .planned = true,
                      .wanted = wanted};
    step->impl = sn_reorder_impl(layout);
    step->impl_state = sn_reorder_prepare(x->b->s->kernels, &x->values[from].shape, arena);
    return step->impl_state ? SINTER_OK : no_memory(x);
}

static sn_place plain_place(const lowering *x, sn_value_id id)
{
    return x->b->live.is_output[id] ? SN_PLACE_OUTPUT : SN_PLACE_ARENA;
}

/* The value's version in a layout, made if there is none yet. */
static sinter_status ensure(lowering *x, sn_node_id wanted_by, sn_value_id id, sn_layout layout, sn_value_id *version)
{
    *version = id;
    if (id == SN_NONE || id >= x->b->m->n_values || layouts_agree(&x->values[id])) return SINTER_OK;
    if (layout == SN_LAYOUT_CHANNELS_LAST) {
        *version = x->last[id] != SN_NONE ? x->last[id] : new_version(x, id);
        if (x->ready[*version]) return SINTER_OK;
        x->ready[*version] = true;
        return emit_reorder(x, wanted_by, id, *version, layout);
    }
    if (x->plain[id] || x->last[id] == SN_NONE) return SINTER_OK;
    x->plain[id] = true;
    x->values[id].place = plain_place(x, id);
    return emit_reorder(x, wanted_by, x->last[id], id, layout);
}

/* ---------------------------------------------------------------------------------------------------- references */

typedef struct plain_reads {
    lowering *x;
    sn_node_id node;
    sinter_status status;
} plain_reads;

static void make_plain(void *context, sn_value_id id)
{
    plain_reads *r = context;
    sn_value_id same;
    if (r->status == SINTER_OK) r->status = ensure(r->x, r->node, id, SN_LAYOUT_PLAIN, &same);
}

/* A weight that was packed away comes back for this plan. */
static sinter_status restore_weight(lowering *x, sn_value_id id)
{
    const sn_session *s = x->b->s;
    if (id == SN_NONE || !sn_packs_is_hollow(s->packs, id)) return SINTER_OK;
    sn_plan_value *v = &x->values[id];
    if (v->constant != x->b->m->values[id].constant) return SINTER_OK;
    sinter_value *tensor;
    SN_TRY(sn_packs_restore(s->packs, id, &tensor, x->b->err));
    sinter_value_release(v->constant);
    v->constant = tensor;
    return SINTER_OK;
}

static sinter_status emit_reference(lowering *x, const sn_step *draft)
{
    const sn_node *node = &x->b->m->nodes[draft->node];
    plain_reads r = {.x = x, .node = draft->node, .status = SINTER_OK};
    sn_for_each_read(x->b->m, node->in, node->n_in, node, make_plain, &r);
    SN_TRY(r.status);
    for (size_t i = 0; i < node->n_in; i++) SN_TRY(restore_weight(x, node->in[i]));
    x->steps[x->n_steps++] = *draft;
    for (size_t i = 0; i < node->n_out; i++) {
        if (node->out[i] == SN_NONE) continue;
        x->ready[node->out[i]] = true;
        x->plain[node->out[i]] = true;
    }
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- implementations
 */

static bool all_static(const sn_fact *facts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const sn_fact *f = &facts[i];
        if (!f->present) continue;
        if (f->type.kind != SINTER_KIND_TENSOR || f->type.dtype == SINTER_UNDEFINED) return false;
        if (!sn_shape_is_static(&f->type.shape)) return false;
    }
    return true;
}

static sn_fact *gather_facts(lowering *x, const sn_value_id *ids, size_t n)
{
    sn_fact *facts = SN_ARENA_ARRAY(&x->b->facts.arena, sn_fact, n);
    for (size_t i = 0; facts && i < n; i++) {
        if (ids[i] == SN_NONE) continue;
        facts[i] = x->b->facts.values[ids[i]];
        facts[i].present = true;
    }
    return facts;
}

static bool wants_all(const sn_step *step, const sn_node *node)
{
    for (size_t i = 0; i < node->n_out; i++) {
        if (node->out[i] != SN_NONE && !step->wanted[i]) return false;
    }
    return true;
}

/* What the planner found out about a step that an implementation takes. */
typedef struct choice {
    sn_impl_site site;
    sn_impl_layouts layouts;
    sn_fused fused;
    const sn_impl *impl;
} choice;

static sn_fused not_fused(const sn_node *node)
{
    return (sn_fused){.residual = SN_NONE, .bias = SN_NONE, .out = node->n_out > 0 ? node->out[0] : SN_NONE};
}

static sinter_status choose(lowering *x, const sn_step *draft, choice *c)
{
    sn_plan_builder *b = x->b;
    const sn_node *node = &b->m->nodes[draft->node];
    *c = (choice){.fused = not_fused(node)};
    if (b->s->reference || !draft->planned || draft->check_types || !wants_all(draft, node)) return SINTER_OK;
    sn_layout *now = SN_ARENA_ARRAY(&b->facts.arena, sn_layout, node->n_in);
    c->layouts.in = SN_ARENA_ARRAY(&b->facts.arena, sn_layout, node->n_in);
    sn_fact *in = gather_facts(x, node->in, node->n_in), *out = gather_facts(x, node->out, node->n_out);
    if (!now || !c->layouts.in || !in || !out) return no_memory(x);
    if (!all_static(in, node->n_in) || !all_static(out, node->n_out)) return SINTER_OK;
    for (size_t i = 0; i < node->n_in; i++) now[i] = layout_of(x, node->in[i]);
    const bool plain_out = sn_fusion_reaches_output(b, c->fused.out);
    if (sn_impl_fuses(draft->prepared->op)) c->fused = sn_fusion_find(b, draft->node, x->ready);
    c->site = (sn_impl_site){.model = b->m,
                             .node = draft->node,
                             .op = draft->prepared->op,
                             .version = draft->prepared->version,
                             .params = draft->prepared->params,
                             .n_in = node->n_in,
                             .n_out = node->n_out,
                             .in_id = node->in,
                             .in = in,
                             .out = out,
                             .in_layout = now,
                             .fusion = c->fused.fusion,
                             .plain_out = plain_out,
                             .no_winograd = b->s->no_winograd,
                             .threads = sn_pool_width(b->s->pool),
                             .kernels = b->s->kernels,
                             .packs = b->s->packs,
                             .pool = b->s->pool,
                             .arena = &b->plan->arena};
    c->impl = sn_impl_find(&c->site, &c->layouts);
    if (!c->impl && c->fused.n_nodes > 0) { /* a node that nobody does with what follows may still be done alone */
        c->fused = not_fused(node);
        c->site.fusion = c->fused.fusion;
        c->impl = sn_impl_find(&c->site, &c->layouts);
    }
    if (!c->impl || !b->s->tuner) return SINTER_OK;
    return sn_tuner_choose(b->s->tuner, &c->site, &c->impl, &c->layouts, b->err);
}

/* Inputs in the layouts that the implementation reads, then those of what is fused. */
static sinter_status bring_inputs(lowering *x, const choice *c, sn_step *step)
{
    const sn_node *node = &x->b->m->nodes[step->node];
    const sn_fused *f = &c->fused;
    sn_value_id *ids = SN_ARENA_ARRAY(&x->b->plan->arena, sn_value_id, node->n_in + 2);
    if (!ids) return no_memory(x);
    size_t n = node->n_in;
    for (size_t i = 0; i < n; i++) SN_TRY(ensure(x, step->node, node->in[i], c->layouts.in[i], &ids[i]));
    if (f->residual != SN_NONE) SN_TRY(ensure(x, step->node, f->residual, c->layouts.out, &ids[n++]));
    if (f->bias != SN_NONE) ids[n++] = f->bias;
    step->in = ids;
    step->n_in = n;
    return SINTER_OK;
}

static sinter_status give_outputs(lowering *x, const choice *c, sn_step *step)
{
    sn_plan_builder *b = x->b;
    const sn_node *node = &b->m->nodes[step->node];
    sn_value_id *ids = SN_ARENA_ARRAY(&b->plan->arena, sn_value_id, node->n_out);
    if (!ids) return no_memory(x);
    for (size_t i = 0; i < node->n_out; i++) {
        sn_value_id id = i == 0 ? c->fused.out : node->out[i];
        ids[i] = id;
        if (id == SN_NONE) continue;
        x->ready[id] = true;
        if (c->layouts.out == SN_LAYOUT_PLAIN || layouts_agree(&x->values[id])) {
            x->plain[id] = true;
            continue;
        }
        x->values[id].place = SN_PLACE_NONE; /* until somebody wants it */
        ids[i] = new_version(x, id);
        x->ready[ids[i]] = true;
    }
    step->out = ids;
    return SINTER_OK;
}

/* The nodes that vanish into the step, and the values between them. */
static void absorb(lowering *x, const choice *c)
{
    const sn_model *m = x->b->m;
    if (c->fused.n_nodes == 0) return;
    x->values[m->nodes[c->site.node].out[0]].place = SN_PLACE_NONE;
    for (size_t i = 0; i < c->fused.n_nodes; i++) {
        x->absorbed[c->fused.nodes[i]] = true;
        sn_value_id id = m->nodes[c->fused.nodes[i]].out[0];
        if (id != c->fused.out) x->values[id].place = SN_PLACE_NONE;
    }
}

static sinter_status emit_impl(lowering *x, const sn_step *draft, choice *c)
{
    sn_step step = *draft;
    step.impl = c->impl;
    /* A product accumulates in its output before it reads the residual: they must not share memory. */
    if (c->fused.n_nodes > 0) step.flags = 0;
    absorb(x, c);
    SN_TRY(bring_inputs(x, c, &step));
    SN_TRY(give_outputs(x, c, &step));
    size_t scratch = 0;
    SN_TRY(c->impl->prepare(&c->site, &step.impl_state, &scratch, x->b->err));
    if (scratch > x->b->plan->scratch_size) x->b->plan->scratch_size = scratch;
    x->steps[x->n_steps++] = step;
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- the whole */

static sinter_status lower_step(lowering *x, const sn_step *draft)
{
    if (x->absorbed[draft->node]) return SINTER_OK;
    choice c;
    SN_TRY(choose(x, draft, &c));
    return c.impl ? emit_impl(x, draft, &c) : emit_reference(x, draft);
}

/* A value may be reordered once each way, and has one version more. */
static sinter_status make_room(lowering *x, const sn_program *drafts)
{
    sn_plan_builder *b = x->b;
    size_t n_versions = 0;
    for (sn_value_id id = 0; id < b->m->n_values; id++) n_versions += !layouts_agree(&b->plan->values[id]);
    size_t n_steps = drafts->n_steps + 2 * n_versions, n_values = b->m->n_values + n_versions;
    x->steps = SN_ARENA_ARRAY(&b->plan->arena, sn_step, n_steps);
    x->values = SN_ARENA_ARRAY(&b->plan->arena, sn_plan_value, n_values);
    x->ready = SN_ARENA_ARRAY(&b->facts.arena, bool, n_values);
    x->plain = SN_ARENA_ARRAY(&b->facts.arena, bool, n_values);
    x->last = SN_ARENA_ARRAY(&b->facts.arena, sn_value_id, n_values);
    x->absorbed = SN_ARENA_ARRAY(&b->facts.arena, bool, b->m->n_nodes);
    if (!x->steps || !x->values || !x->ready || !x->plain || !x->last || !x->absorbed) return no_memory(x);
    memcpy(x->values, b->plan->values, b->m->n_values * sizeof *x->values);
    for (size_t i = 0; i < n_values; i++) x->last[i] = SN_NONE;
    for (sn_value_id id = 0; id < b->m->n_values; id++) {
        x->ready[id] = x->plain[id] = x->values[id].place == SN_PLACE_INPUT || x->values[id].place == SN_PLACE_CONSTANT;
    }
    b->plan->values = x->values;
    return SINTER_OK;
}

/* Tells each step that reads weights what the next one will read. */
static void link_streams(sn_step *steps, size_t n)
{
    sn_weight_stream *before = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!steps[i].impl || !steps[i].impl->streams) continue;
        sn_weight_stream *stream = steps[i].impl_state;
        if (before && stream->weights) {
            before->next = stream->weights;
            before->next_floats = stream->floats;
        }
        before = stream;
    }
}

sinter_status sn_plan_lower(sn_plan_builder *b)
{
    lowering x = {.b = b};
    sn_program drafts = b->plan->programs[0];
    SN_TRY(make_room(&x, &drafts));
    for (size_t i = 0; i < drafts.n_steps; i++) SN_TRY(lower_step(&x, &drafts.steps[i]));
    const sn_ids *outputs = &b->m->graphs[0].outputs;
    for (size_t i = 0; i < outputs->count; i++) {
        sn_node_id producer = b->m->values[outputs->items[i]].producer;
        sn_value_id same;
        if (producer != SN_NONE) SN_TRY(ensure(&x, producer, outputs->items[i], SN_LAYOUT_PLAIN, &same));
    }
    link_streams(x.steps, x.n_steps);
    b->plan->programs[0].steps = x.steps;
    b->plan->programs[0].n_steps = x.n_steps;
    return SINTER_OK;
}
