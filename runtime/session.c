/* Making a session out of a model: weights, passes, operators, metadata. */
#include "runtime/state.h"

#include "base/alloc.h"
#include "passes/pass.h"

#define DEFAULT_PLANS 8

static sinter_status read_options(const sinter_session_options *given, sinter_session_options *o, sinter_error *err)
{
    *o = (sinter_session_options)SINTER_SESSION_OPTIONS_INIT;
    if (!given) return SINTER_OK;
    if (given->size < sizeof given->size) {
        return sn_fail(err, SINTER_INVALID_ARGUMENT,
                       "sinter_session_options: size is %zu; use SINTER_SESSION_OPTIONS_INIT", given->size);
    }
    memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    o->size = sizeof *o;
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- passes */

static size_t count_nodes(const sn_model *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_nodes; i++) n += !m->nodes[i].dead;
    return n;
}

static sinter_status optimize(sinter_model *model, const sinter_session_options *o, sinter_report **report,
                              sinter_error *err)
{
    if (o->no_optimize) return sinter_model_apply_bn_stats(model, o->bn_stats, report, err);
    sinter_optimize_options passes = SINTER_OPTIMIZE_OPTIONS_INIT;
    passes.bn_stats = o->bn_stats;
    SN_TRY(sinter_model_optimize(model, &passes, report, err));
    sinter_status status = sn_run_passes(&model->m, SN_STAGE_LOWERING, &passes, *report, err);
    (*report)->nodes_after = count_nodes(&model->m);
    return status;
}

/* ---------------------------------------------------------------------------------------------------- operators */

typedef struct support_check {
    const sn_session *s;
    sinter_error *err;
    sinter_status status;
} support_check;

static bool graph_is_supported(void *context, sn_graph_id graph)
{
    support_check *x = context;
    const sn_ids *nodes = &x->s->m->graphs[graph].nodes;
    for (size_t i = 0; i < nodes->count; i++) {
        const sn_op *op = x->s->prepared.nodes[nodes->items[i]].op;
        if (!op || !op->eval) {
            x->status = sn_unsupported(x->s->m, nodes->items[i], x->err);
            return false;
        }
        if (!sn_for_each_body(&x->s->m->nodes[nodes->items[i]], graph_is_supported, x)) return false;
    }
    return true;
}

static sinter_status prepare_operators(sn_session *s, sinter_error *err)
{
    SN_TRY(sn_prepare_model(s->m, &s->prepared, err));
    support_check x = {.s = s, .err = err, .status = SINTER_OK};
    graph_is_supported(&x, 0);
    return x.status;
}

/* ---------------------------------------------------------------------------------------------------- metadata */

/* Inputs in the public order: required ones first. */
static sinter_status list_inputs(sn_session *s, const sinter_model *model, sinter_error *err)
{
    const sn_ids *ids = &s->m->graphs[0].inputs;
    size_t n = sinter_model_input_count(model);
    s->inputs = sn_calloc(n, sizeof *s->inputs);
    if (!s->inputs) return sn_no_memory(err, "making a session");
    for (int optional = 0; optional < 2; optional++) {
        for (size_t i = 0; i < ids->count && s->n_inputs < n; i++) {
            sn_value_id id = ids->items[i];
            if (sn_constant(s->m, id) || sn_is_overridable(s->m, id) != optional) continue;
            s->inputs[s->n_inputs++] = (sn_session_input){.value = id, .position = i, .io = sn_describe_io(s->m, id)};
        }
    }
    return sn_link_symbols(s, err);
}

static sinter_status list_outputs(sn_session *s, const sinter_model *model, sinter_error *err)
{
    s->n_outputs = sinter_model_output_count(model);
    s->outputs = sn_calloc(s->n_outputs, sizeof *s->outputs);
    if (!s->outputs) return sn_no_memory(err, "making a session");
    for (size_t i = 0; i < s->n_outputs; i++) s->outputs[i] = sinter_model_output(model, i);
    return SINTER_OK;
}

static sinter_status make_tables(sn_session *s, const sinter_session_options *o, sinter_error *err)
{
    s->max_plans = o->max_plans > 0 ? o->max_plans : DEFAULT_PLANS;
    s->plans = sn_calloc(s->max_plans, sizeof *s->plans);
    if (o->profile) s->profile = sn_calloc(s->m->n_nodes, sizeof *s->profile);
    if (o->tune) s->tuner = sn_tuner_create();
    if (!s->plans || (o->profile && !s->profile) || (o->tune && !s->tuner))
        return sn_no_memory(err, "making a session");
    int cpus = sn_available_cpus();
    s->max_idle_states = cpus > 4 ? (size_t)cpus : 4;
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- create, free */

static sinter_status init(sn_session *s, sinter_model *model, const sinter_session_options *o, sinter_report **report,
                          sinter_error *err)
{
    s->m = &model->m;
    s->pool = o->pool;
    s->reference = o->reference;
    s->no_winograd = o->no_winograd;
    s->kernels = sn_kernels_get();
    SN_TRY(optimize(model, o, report, err));
    SN_TRY(sn_materialize_attributes(&model->m, err));
    SN_TRY(prepare_operators(s, err));
    /* Packing comes first: it reads weights where they are, in the file, and what it packed need not be copied. */
    s->uses_up_model = !s->reference;
    if (!s->reference) SN_TRY(sn_packs_create(&model->m, &s->prepared, s->kernels, s->pool, &s->packs, err));
    SN_TRY(sn_materialize_initializers(&model->m, err));
    SN_TRY(list_inputs(s, model, err));
    SN_TRY(list_outputs(s, model, err));
    return make_tables(s, o, err);
}

sinter_status sinter_session_create(sinter_model **model, const sinter_session_options *options, sinter_session **out,
                                    sinter_report **report, sinter_error *err)
{
    if (!model || !*model || !out) return sn_fail(err, SINTER_INVALID_ARGUMENT, "sinter_session_create: no model");
    sinter_session_options o;
    SN_TRY(read_options(options, &o, err));
    sn_session *s = sn_calloc(1, sizeof *s);
    if (!s) return sn_no_memory(err, "making a session");
    pthread_mutex_init(&s->lock, NULL);
    sinter_report *made = NULL;
    sinter_status status = init(s, *model, &o, &made, err);
    if (status != SINTER_OK) {
        bool used_up = s->uses_up_model;
        sinter_report_free(made);
        sinter_session_free(s);
        if (used_up) { /* what is packed cannot come back for sure: that takes the memory that there was not */
            sinter_model_free(*model);
            *model = NULL;
        }
        return status;
    }
    s->model = *model;
    *model = NULL;
    *out = s;
    if (report) {
        *report = made;
    } else {
        sinter_report_free(made);
    }
    return SINTER_OK;
}

void sinter_session_free(sinter_session *s)
{
    if (!s) return;
    while (s->idle_states) {
        sn_state *state = s->idle_states;
        s->idle_states = state->next;
        sn_state_free(state);
    }
    for (size_t i = 0; i < s->n_plans; i++) sn_plan_release(s->plans[i]);
    sn_free(s->plans);
    sn_free(s->inputs);
    sn_free(s->outputs);
    sn_free(s->profile);
    sn_packs_free(s->packs);
    sn_tuner_free(s->tuner);
    sn_prepared_model_free(&s->prepared);
    sinter_model_free(s->model);
    pthread_mutex_destroy(&s->lock);
    sn_free(s);
}

/* ---------------------------------------------------------------------------------------------------- looking at it */

static sinter_io nothing(void)
{
    return (sinter_io){.name = "", .kind = SINTER_KIND_UNKNOWN, .rank = -1};
}

size_t sinter_session_input_count(const sinter_session *session)
{
    return session->n_inputs;
}
size_t sinter_session_output_count(const sinter_session *session)
{
    return session->n_outputs;
}

sinter_io sinter_session_input(const sinter_session *session, size_t index)
{
    return index < session->n_inputs ? session->inputs[index].io : nothing();
}

sinter_io sinter_session_output(const sinter_session *session, size_t index)
{
    return index < session->n_outputs ? session->outputs[index] : nothing();
}

/* Nodes in the order in which they run; bodies' nodes after their owner. */
typedef struct profile_walk {
    const sn_session *s;
    sinter_profile_row *rows;
    size_t capacity, count;
} profile_walk;

static bool add_rows(void *context, sn_graph_id graph)
{
    profile_walk *x = context;
    const sn_ids *nodes = &x->s->m->graphs[graph].nodes;
    for (size_t i = 0; i < nodes->count; i++) {
        sn_node_id id = nodes->items[i];
        sn_profile_entry *entry = &x->s->profile[id];
        uint64_t calls = atomic_load(&entry->calls);
        if (calls > 0 && x->count++ < x->capacity) {
            x->rows[x->count - 1] = (sinter_profile_row){.name = sn_node_label(x->s->m, id).p,
                                                         .op_type = x->s->m->nodes[id].op_type.p,
                                                         .impl = atomic_load(&entry->impl),
                                                         .calls = calls,
                                                         .nanoseconds = atomic_load(&entry->nanoseconds)};
        }
        sn_for_each_body(&x->s->m->nodes[id], add_rows, x);
    }
    return true;
}

size_t sinter_session_profile(const sinter_session *session, sinter_profile_row *rows, size_t capacity)
{
    if (!session->profile) return 0;
    profile_walk x = {.s = session, .rows = rows, .capacity = rows ? capacity : 0};
    add_rows(&x, 0);
    return x.count;
}

void sinter_session_memory(const sinter_session *session, size_t *planned, size_t *unplanned)
{
    sn_session *s = (sn_session *)session; /* the lock is not part of what the session says */
    const sn_plan *latest = NULL;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_plans; i++) {
        if (!latest || s->plans[i]->last_use > latest->last_use) latest = s->plans[i];
    }
    const sn_plan *stage = latest ? latest->stage.plan : NULL;
    if (planned) *planned = (latest ? latest->arena_size : 0) + (stage ? stage->arena_size : 0);
    if (unplanned) *unplanned = (latest ? latest->unplanned_size : 0) + (stage ? stage->unplanned_size : 0);
    pthread_mutex_unlock(&s->lock);
}
