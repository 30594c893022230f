/*
 * Running steps: implementations get raw pointers; references get the services below, through which a planned step
 * finds its outputs in the arena and a dynamic one makes heap values.
 */
#include "runtime/state.h"

#include "base/size.h"
#include <time.h>

/* What the services know about the eval that calls them. */
typedef struct activation {
    sn_state *s;
    const sn_step *step;
} activation;

static const sn_node *node_of(const activation *a)
{
    return &a->s->session->m->nodes[a->step->node];
}

/* ---------------------------------------------------------------------------------------------------- outputs */

static sinter_status check_promise(sn_eval *x, size_t i, const sn_plan_value *v, sinter_dtype dtype,
                                   const sn_shape *shape)
{
    if (!v->is_static || (v->dtype == dtype && sn_shape_eq(&v->shape, shape))) return SINTER_OK;
    char found[SN_SHAPE_TEXT], expected[SN_SHAPE_TEXT];
    return sn_eval_fail(x, SINTER_FAILED, "output %zu is %s[%s], but shape inference expected %s[%s]", i,
                        sinter_dtype_name(dtype), sn_shape_text(shape, NULL, found, sizeof found),
                        sinter_dtype_name(v->dtype), sn_shape_text(&v->shape, NULL, expected, sizeof expected));
}

static sinter_status service_output(sn_eval *x, size_t i, sinter_dtype dtype, const sn_shape *shape, sinter_value **out)
{
    activation *a = x->runner;
    sn_value_id id = node_of(a)->out[i];
    const sn_plan_value *v = &a->s->plan->values[id];
    SN_TRY(check_promise(x, i, v, dtype, shape));
    if (v->place != SN_PLACE_DYNAMIC) {
        *out = a->s->values[id];
        return SINTER_OK;
    }
    sinter_value *value;
    SN_TRY(sn_tensor_create(dtype, shape, &value, x->err));
    sn_state_own(a->s, id, value);
    *out = value;
    return SINTER_OK;
}

static sinter_status service_give(sn_eval *x, size_t i, sinter_value *value)
{
    activation *a = x->runner;
    sn_value_id id = node_of(a)->out[i];
    const sn_plan_value *v = &a->s->plan->values[id];
    sinter_status status = SINTER_OK;
    if (value->kind == SINTER_KIND_TENSOR) {
        status = check_promise(x, i, v, value->dtype, &value->shape);
    } else if (v->is_static) {
        status = sn_eval_fail(x, SINTER_FAILED, "output %zu is not a tensor, but shape inference expected one", i);
    }
    if (status == SINTER_OK && v->place == SN_PLACE_DYNAMIC) {
        sn_state_own(a->s, id, value);
        return SINTER_OK;
    }
    if (status == SINTER_OK && value->data != a->s->values[id]->data) {
        status = sn_tensor_copy_into(a->s->values[id], value, x->err);
    }
    sinter_value_release(value);
    return status;
}

static void *service_scratch(sn_eval *x, size_t size)
{
    return sn_scratch_take(((activation *)x->runner)->s, size);
}

/* ---------------------------------------------------------------------------------------------------- bodies */

/* A reference to what the body returned, for the operator to keep: memory of the arena is copied. */
static sinter_status take_result(sn_eval *x, sn_state *s, sn_value_id id, sinter_value **out)
{
    sinter_value *v = s->values[id];
    if (!v) {
        return sn_eval_fail(x, SINTER_INVALID_MODEL, "its body did not compute output '%.*s'",
                            SN_STR_ARG(s->session->m->values[id].name));
    }
    if (sn_state_is_header(s, v)) return sn_value_copy(v, out, x->err);
    *out = sinter_value_retain(v);
    return SINTER_OK;
}

static sinter_status take_results(sn_eval *x, sn_state *s, const sn_graph *g, sinter_value **outs, size_t n_out)
{
    for (size_t i = 0; i < n_out; i++) {
        sinter_status status = take_result(x, s, g->outputs.items[i], &outs[i]);
        if (status == SINTER_OK) continue;
        while (i-- > 0) sinter_value_release(outs[i]);
        return status;
    }
    return SINTER_OK;
}

static sinter_status drop_body_values(sn_state *s, const sn_program *program)
{
    sinter_status status = SINTER_OK;
    for (size_t i = 0; i < program->n_heap; i++) {
        sinter_status dropped = sn_state_drop(s, program->heap[i]);
        if (dropped != SINTER_OK) status = dropped;
    }
    return status;
}

static sinter_status service_call(sn_eval *x, sn_graph_id body, const sinter_value *const *ins, size_t n_in,
                                  sinter_value **outs, size_t n_out)
{
    activation *a = x->runner;
    sn_state *s = a->s;
    const sn_graph *g = &s->session->m->graphs[body];
    const sn_program *program = &s->plan->programs[body];
    if (n_in > g->inputs.count || n_out > g->outputs.count) {
        return sn_eval_fail(x, SINTER_INVALID_MODEL, "its body has %zu inputs and %zu outputs, expected %zu and %zu",
                            g->inputs.count, g->outputs.count, n_in, n_out);
    }
    for (size_t i = 0; i < n_in; i++) {
        sn_value_id id = g->inputs.items[i];
        if (s->plan->values[id].place == SN_PLACE_DYNAMIC) sn_state_borrow_value(s, id, ins[i]);
    }
    sinter_status status = sn_run_program(s, program);
    if (status == SINTER_OK) status = take_results(x, s, g, outs, n_out);
    sinter_status dropped = drop_body_values(s, program);
    if (status == SINTER_OK && dropped != SINTER_OK) {
        for (size_t i = 0; i < n_out; i++) sinter_value_release(outs[i]);
        status = dropped;
    }
    return status;
}

static const sn_eval_services services = {
    .output = service_output, .give = service_give, .scratch = service_scratch, .call = service_call};

/* ---------------------------------------------------------------------------------------------------- steps */

static sinter_status check_outputs(sn_eval *x, const sn_state *s, const sn_step *step)
{
    const sn_node *node = &s->session->m->nodes[step->node];
    for (size_t i = 0; i < x->n_out; i++) {
        if (step->wanted[i] && !s->values[node->out[i]]) {
            return sn_eval_fail(x, SINTER_FAILED, "its evaluation did not give output %zu", i);
        }
    }
    return SINTER_OK;
}

static sinter_status run_reference(sn_state *s, const sn_step *step)
{
    const sn_node *node = &s->session->m->nodes[step->node];
    const sinter_value **in = sn_scratch_take(s, node->n_in * sizeof *in);
    if (!in) return sn_no_memory(s->err, "running the model");
    for (size_t i = 0; i < node->n_in; i++) in[i] = node->in[i] == SN_NONE ? NULL : s->values[node->in[i]];
    activation a = {.s = s, .step = step};
    sn_eval x = {.op = step->prepared->op,
                 .params = step->prepared->params,
                 .version = step->prepared->version,
                 .n_in = node->n_in,
                 .n_out = node->n_out,
                 .in = in,
                 .out_wanted = step->wanted,
                 .err = s->err,
                 .model = s->session->m,
                 .node = step->node,
                 .services = &services,
                 .runner = &a,
                 .random = &s->random,
                 .cancel = s->cancel};
    if (step->check_types) SN_TRY(sn_check_values(&x));
    SN_TRY(step->prepared->op->eval(&x));
    return step->planned ? SINTER_OK : check_outputs(&x, s, step);
}

static sinter_status run_impl(sn_state *s, const sn_step *step)
{
    const void **in = sn_scratch_take(s, (step->n_in + step->n_out) * sizeof *in);
    if (!in) return sn_no_memory(s->err, "running the model");
    void **out = (void **)(in + step->n_in);
    for (size_t i = 0; i < step->n_in; i++) in[i] = step->in[i] == SN_NONE ? NULL : s->values[step->in[i]]->data;
    for (size_t i = 0; i < step->n_out; i++) out[i] = step->out[i] == SN_NONE ? NULL : s->values[step->out[i]]->data;
    sn_impl_run run = {.state = step->impl_state,
                       .in = in,
                       .n_in = step->n_node_in,
                       .out = out,
                       .scratch = s->impl_scratch,
                       .scratch_size = s->plan->scratch_size,
                       .pool = s->session->pool};
    step->impl->run(&run);
    return SINTER_OK;
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The time of a reordering is that of the node which wanted it. */
static void add_profile(sn_profile_entry *entry, const sn_step *step, uint64_t nanoseconds)
{
    atomic_fetch_add_explicit(&entry->nanoseconds, nanoseconds, memory_order_relaxed);
    if (!step->prepared) return;
    atomic_store_explicit(&entry->impl, step->impl ? step->impl->name : "reference", memory_order_relaxed);
    atomic_fetch_add_explicit(&entry->calls, 1, memory_order_relaxed);
}

static sinter_status run_step(sn_state *s, const sn_step *step)
{
    sn_profile_entry *profile = s->session->profile;
    uint64_t start = profile ? now() : 0;
    sn_scratch_mark mark = sn_scratch_get_mark(s);
    sinter_status status = step->impl ? run_impl(s, step) : run_reference(s, step);
    sn_scratch_release(s, mark);
    if (profile) add_profile(&profile[step->node], step, now() - start);
    for (size_t i = 0; status == SINTER_OK && i < step->n_dying; i++) status = sn_state_drop(s, step->dying[i]);
    return status;
}

sinter_status sn_run_program(sn_state *s, const sn_program *program)
{
    for (size_t i = 0; i < program->n_steps; i++) {
        /* Another thread sets the flag. */
        if (s->cancel && __atomic_load_n(s->cancel, __ATOMIC_RELAXED)) {
            return sn_fail(s->err, SINTER_CANCELLED, "the run was cancelled before node '%.*s'",
                           SN_STR_ARG(sn_node_label(s->session->m, program->steps[i].node)));
        }
        SN_TRY(run_step(s, &program->steps[i]));
    }
    return SINTER_OK;
}
