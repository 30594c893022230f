/* sinter_session_run: check the inputs, borrow a run state, run the steps, hand out the outputs. */
#include "runtime/by_image.h"

static sinter_status read_options(const sinter_run_options *given, sinter_run_options *o, sinter_error *err)
{
    *o = (sinter_run_options)SINTER_RUN_OPTIONS_INIT;
    if (!given) return SINTER_OK;
    if (given->size < sizeof given->size) {
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "sinter_run_options: size is %zu; use SINTER_RUN_OPTIONS_INIT",
                       given->size);
    }
    memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    o->size = sizeof *o;
    return SINTER_OK;
}

/* Overridable initializers that the caller left out take the model's default. */
static void set_inputs(sn_state *s, const sinter_value *const *inputs)
{
    const sn_session *session = s->session;
    for (size_t i = 0; i < session->n_inputs; i++) {
        sn_value_id id = session->inputs[i].value;
        sn_state_borrow_value(s, id, inputs[i] ? inputs[i] : session->m->values[id].constant);
    }
}

/* The tensors that planned steps write graph outputs to. */
static sinter_status make_outputs(sn_state *s)
{
    const sn_ids *outputs = &s->session->m->graphs[0].outputs;
    for (size_t i = 0; i < outputs->count; i++) {
        sn_value_id id = outputs->items[i];
        const sn_plan_value *v = &s->plan->values[id];
        if (v->place != SN_PLACE_OUTPUT || s->owned[id]) continue;
        sinter_value *tensor;
        SN_TRY(sn_tensor_create(v->dtype, &v->shape, &tensor, s->err));
        sn_state_own(s, id, tensor);
    }
    return SINTER_OK;
}

/* Nobody else refers to the value or its bytes. */
static bool is_private(const sinter_value *v)
{
    return v->kind == SINTER_KIND_TENSOR && v->dtype != SINTER_STRING && v->block && sn_block_is_writable(v->block) &&
           atomic_load_explicit(&v->references, memory_order_acquire) == 1;
}

/* Hands the value over, or a copy when the model, the caller's inputs or another output share it. */
static sinter_status take_output(sn_state *s, sn_value_id id, sinter_value **out)
{
    sinter_value *v = s->values[id];
    if (!v) {
        return sn_fail(s->err, SINTER_FAILED, "output '%.*s' was not computed",
                       SN_STR_ARG(s->session->m->values[id].name));
    }
    if (!s->owned[id] || !is_private(v)) return sn_value_copy(v, out, s->err);
    s->owned[id] = false;
    *out = v;
    return SINTER_OK;
}

static sinter_status take_outputs(sn_state *s, sinter_value **outputs, const bool *wanted)
{
    const sn_ids *ids = &s->session->m->graphs[0].outputs;
    for (size_t i = 0; i < ids->count; i++) {
        if (!wanted || wanted[i]) SN_TRY(take_output(s, ids->items[i], &outputs[i]));
    }
    return SINTER_OK;
}

static sinter_status run(sn_state *s, const sinter_value *const *inputs, sinter_value **outputs, const bool *wanted,
                         const sinter_run_options *options)
{
    s->random = options->seed;
    s->cancel = options->cancel;
    set_inputs(s, inputs);
    SN_TRY(make_outputs(s));
    sn_pool_enter(s->session->pool);
    sinter_status status = s->plan->stage.plan ? sn_stage_run(s) : SINTER_OK;
    if (status == SINTER_OK) status = sn_run_program(s, &s->plan->programs[0]);
    sn_pool_leave(s->session->pool);
    return status == SINTER_OK ? take_outputs(s, outputs, wanted) : status;
}

sinter_status sinter_session_run(sinter_session *session, const sinter_value *const *inputs, sinter_value **outputs,
                                 const bool *wanted, const sinter_run_options *options, sinter_error *err)
{
    for (size_t i = 0; i < session->n_outputs; i++) outputs[i] = NULL;
    sinter_run_options o;
    SN_TRY(read_options(options, &o, err));
    SN_TRY(sn_check_inputs(session, inputs, err));
    sn_state *state;
    SN_TRY(sn_session_begin(session, inputs, &state, err));
    sn_plan *plan = state->plan;
    sinter_status status = run(state, inputs, outputs, wanted, &o);
    sn_state_end(session, state);
    sn_plan_release(plan);
    for (size_t i = 0; status != SINTER_OK && i < session->n_outputs; i++) {
        sinter_value_release(outputs[i]);
        outputs[i] = NULL;
    }
    return status;
}
