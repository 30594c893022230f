/* The session's plans, a few of them, least recently used ones given up first; and the way into a run: one lock for
 * both the plan and an idle run state. */
#include "runtime/state.h"

#include "base/alloc.h"

static bool same_shape(const sn_shape *planned, const sinter_value *v)
{
    if (!v || v->kind != SINTER_KIND_TENSOR) return planned->rank == -1;
    if (planned->rank != v->shape.rank) return false;
    for (int i = 0; i < planned->rank; i++) {
        if (planned->dims[i] != v->shape.dims[i]) return false;
    }
    return true;
}

/* The tensor that input i will be: the caller's, or the model's default. */
static const sinter_value *effective(const sn_session *s, const sinter_value *const *inputs, size_t i)
{
    return inputs[i] ? inputs[i] : s->m->values[s->inputs[i].value].constant;
}

static sn_plan *find(sn_session *s, const sinter_value *const *inputs)
{
    for (size_t p = 0; p < s->n_plans; p++) {
        bool same = true;
        for (size_t i = 0; same && i < s->n_inputs; i++) {
            same = same_shape(&s->plans[p]->shapes[i], effective(s, inputs, i));
        }
        if (!same) continue;
        s->plans[p]->last_use = ++s->clock;
        return sn_plan_retain(s->plans[p]);
    }
    return NULL;
}

/* Takes over one reference. The evicted plan lives on until the runs that use it end. */
static void insert(sn_session *s, sn_plan *plan)
{
    plan->last_use = ++s->clock;
    if (s->n_plans < s->max_plans) {
        s->plans[s->n_plans++] = plan;
        return;
    }
    size_t oldest = 0;
    for (size_t p = 1; p < s->n_plans; p++) {
        if (s->plans[p]->last_use < s->plans[oldest]->last_use) oldest = p;
    }
    sn_plan_release(s->plans[oldest]);
    s->plans[oldest] = plan;
}

/* Outside of the lock: other shapes run on meanwhile. Another thread may do the same at the same time; the first one's
 * stays. */
static sinter_status build(sn_session *s, const sinter_value *const *inputs, sn_plan **out, sinter_error *err)
{
    sn_shape *shapes = sn_calloc(s->n_inputs, sizeof *shapes);
    if (!shapes) return sn_no_memory(err, "planning a run");
    for (size_t i = 0; i < s->n_inputs; i++) {
        const sinter_value *v = effective(s, inputs, i);
        shapes[i] = v && v->kind == SINTER_KIND_TENSOR ? v->shape : SN_SHAPE_UNKNOWN;
    }
    sn_plan *plan = NULL;
    sinter_status status = sn_plan_build(s, shapes, &plan, err);
    sn_free(shapes);
    if (status != SINTER_OK) return status;
    pthread_mutex_lock(&s->lock);
    *out = find(s, inputs);
    if (!*out) {
        insert(s, plan);
        *out = sn_plan_retain(plan);
        plan = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    sn_plan_release(plan);
    return SINTER_OK;
}

sinter_status sn_session_begin(sn_session *s, const sinter_value *const *inputs, sn_state **out, sinter_error *err)
{
    pthread_mutex_lock(&s->lock);
    sn_plan *plan = find(s, inputs);
    sn_state *idle = plan ? sn_state_take_idle(s, plan) : NULL;
    pthread_mutex_unlock(&s->lock);
    if (!plan) {
        SN_TRY(build(s, inputs, &plan, err));
        pthread_mutex_lock(&s->lock);
        idle = sn_state_take_idle(s, plan);
        pthread_mutex_unlock(&s->lock);
    }
    sinter_status status = sn_state_begin(s, idle, plan, out, err);
    if (status != SINTER_OK) sn_plan_release(plan);
    return status;
}
