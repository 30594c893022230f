/* Run states: see state.h. */
#include "runtime/state.h"

#include "base/alloc.h"
#include "base/size.h"

#define FIRST_CHUNK ((size_t)16 << 10)

/* ---------------------------------------------------------------------------------------------------- scratch */

static bool push_chunk(sn_state *s, size_t size)
{
    sn_scratch_chunk *chunk = sn_calloc(1, sizeof *chunk);
    char *data = sn_malloc_aligned(size);
    if (!chunk || !data) {
        sn_free(chunk);
        sn_free(data);
        return false;
    }
    *chunk = (sn_scratch_chunk){.below = s->scratch, .size = size, .data = data};
    s->scratch = chunk;
    size_t total = 0;
    for (const sn_scratch_chunk *c = chunk; c; c = c->below) total += c->used;
    if (total + size > s->scratch_peak) s->scratch_peak = total + size;
    return true;
}

static void pop_chunk(sn_state *s)
{
    sn_scratch_chunk *chunk = s->scratch;
    s->scratch = chunk->below;
    sn_free(chunk->data);
    sn_free(chunk);
}

void *sn_scratch_take(sn_state *s, size_t size)
{
    if (size > SN_MAX_TENSOR_BYTES) return NULL;
    size = sn_align_up(size > 0 ? size : 1, SN_ALIGNMENT);
    sn_scratch_chunk *top = s->scratch;
    if (!top || top->size - top->used < size) {
        size_t least = top ? top->size * 2 : FIRST_CHUNK;
        if (least > SN_MAX_TENSOR_BYTES) least = SN_MAX_TENSOR_BYTES;
        /* Doubling is for many small pieces; beside a huge chunk it could fail where the piece itself fits. */
        if (!push_chunk(s, size > least ? size : least) && !push_chunk(s, size)) return NULL;
        top = s->scratch;
    }
    void *p = top->data + top->used;
    top->used += size;
    return p;
}

sn_scratch_mark sn_scratch_get_mark(const sn_state *s)
{
    return (sn_scratch_mark){s->scratch, s->scratch ? s->scratch->used : 0};
}

void sn_scratch_release(sn_state *s, sn_scratch_mark mark)
{
    while (s->scratch && s->scratch != mark.chunk && s->scratch->below) pop_chunk(s);
    if (s->scratch) s->scratch->used = s->scratch == mark.chunk ? mark.used : 0;
}

/* After a run that needed several chunks: one as large as them all, so that the next run allocates none. */
static void settle_scratch(sn_state *s)
{
    sn_scratch_release(s, (sn_scratch_mark){NULL, 0});
    if (s->scratch && s->scratch_peak > s->scratch->size && push_chunk(s, s->scratch_peak)) {
        sn_scratch_chunk *small = s->scratch->below;
        s->scratch->below = NULL;
        sn_free(small->data);
        sn_free(small);
    }
}

/* ---------------------------------------------------------------------------------------------------- values */

bool sn_state_is_header(const sn_state *s, const sinter_value *value)
{
    uintptr_t p = (uintptr_t)value, begin = (uintptr_t)s->headers;
    return begin && p >= begin && p < begin + s->headers_capacity * sizeof *s->headers;
}

/* Strings of a later value may point at this one's characters. */
static bool holds_strings(const sinter_value *v)
{
    if (v->kind == SINTER_KIND_TENSOR) return v->dtype == SINTER_STRING;
    for (size_t i = 0; i < v->n_items; i++) {
        if (holds_strings(v->items[i])) return true;
    }
    return false;
}

void sn_state_own(sn_state *s, sn_value_id id, sinter_value *value)
{
    if (s->owned[id]) sinter_value_release(s->values[id]);
    s->values[id] = value;
    s->owned[id] = true;
}

void sn_state_borrow_value(sn_state *s, sn_value_id id, const sinter_value *value)
{
    if (s->owned[id]) sinter_value_release(s->values[id]);
    s->values[id] = (sinter_value *)value;
    s->owned[id] = false;
}

sinter_status sn_state_drop(sn_state *s, sn_value_id id)
{
    sinter_value *v = s->values[id];
    if (s->owned[id] && holds_strings(v)) {
        if (!SN_GROW(s->buried, s->buried_capacity, s->n_buried)) return sn_no_memory(s->err, "running the model");
        s->buried[s->n_buried++] = v;
    } else if (s->owned[id]) {
        sinter_value_release(v);
    }
    s->values[id] = NULL;
    s->owned[id] = false;
    return SINTER_OK;
}

static void release_heap(sn_state *s, const sn_program *program)
{
    for (size_t i = 0; i < program->n_heap; i++) {
        sn_value_id id = program->heap[i];
        if (s->owned[id]) sinter_value_release(s->values[id]);
        s->values[id] = NULL;
        s->owned[id] = false;
    }
}

/* Releases everything that the run made. */
static void clear(sn_state *s)
{
    for (size_t g = 0; s->plan && g < s->plan->n_graphs; g++) release_heap(s, &s->plan->programs[g]);
    while (s->n_buried > 0) sinter_value_release(s->buried[--s->n_buried]);
    for (size_t i = 0; i < s->session->n_inputs; i++) sn_state_borrow_value(s, s->session->inputs[i].value, NULL);
    settle_scratch(s);
    s->plan = NULL;
    s->cancel = NULL;
    s->err = NULL;
}

/* ---------------------------------------------------------------------------------------------------- binding */

static bool grow_table(sn_state *s, size_t n)
{
    if (n <= s->n_values) return true;
    sinter_value **values = sn_realloc(s->values, n * sizeof *values);
    if (values) s->values = values;
    bool *owned = sn_realloc(s->owned, n * sizeof *owned);
    if (owned) s->owned = owned;
    if (!values || !owned) return false;
    memset(s->values + s->n_values, 0, (n - s->n_values) * sizeof *values);
    memset(s->owned + s->n_values, 0, (n - s->n_values) * sizeof *owned);
    s->n_values = n;
    return true;
}

static bool make_room(sn_state *s, const sn_plan *plan)
{
    if (!grow_table(s, plan->n_values)) return false;
    size_t total = sn_align_up(plan->arena_size, SN_ALIGNMENT);
    if (!sn_size_add(total, plan->scratch_size, &total) || !sn_size_add(total, SN_ALIGNMENT, &total)) return false;
    if (total > s->memory_size) {
        sn_free(s->memory);
        s->memory = NULL;
        s->memory_size = 0;
        s->memory = sn_malloc_aligned(total);
        if (!s->memory) return false;
        s->memory_size = total;
    }
    if (plan->n_headers > s->headers_capacity) {
        sinter_value *headers = sn_calloc(plan->n_headers, sizeof *headers);
        if (!headers) return false;
        sn_free(s->headers);
        s->headers = headers;
        s->headers_capacity = plan->n_headers;
    }
    return true;
}

static sinter_status bind_to(sn_state *s, sn_plan *plan, sinter_error *err)
{
    s->plan = plan;
    s->err = err;
    if (s->bound == plan->serial) return SINTER_OK;
    s->bound = 0;
    if (!make_room(s, plan)) {
        return sn_fail(err, SINTER_NO_MEMORY, "out of memory: a run with these shapes needs %zu bytes",
                       plan->arena_size + plan->scratch_size);
    }
    s->impl_scratch = s->memory + sn_align_up(plan->arena_size, SN_ALIGNMENT);
    for (sn_value_id id = 0; id < plan->n_values; id++) {
        const sn_plan_value *v = &plan->values[id];
        s->values[id] = v->place == SN_PLACE_CONSTANT ? v->constant : NULL;
        if (v->place != SN_PLACE_ARENA) continue;
        s->values[id] = &s->headers[v->header];
        sn_tensor_init_borrowed(s->values[id], v->dtype, &v->shape, s->memory + v->offset);
    }
    s->bound = plan->serial;
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- pool of states
 */

static sn_state *create_state(sn_session *session)
{
    sn_state *s = sn_calloc(1, sizeof *s);
    if (!s) return NULL;
    s->session = session;
    s->n_values = session->m->n_values;
    s->values = sn_calloc(s->n_values, sizeof *s->values);
    s->owned = sn_calloc(s->n_values, sizeof *s->owned);
    if (!s->values || !s->owned) {
        sn_state_free(s);
        return NULL;
    }
    return s;
}

void sn_state_free(sn_state *s)
{
    if (!s) return;
    sn_state_free(s->of_image);
    while (s->scratch) pop_chunk(s);
    sn_free(s->buried);
    sn_free(s->values);
    sn_free(s->owned);
    sn_free(s->headers);
    sn_free(s->memory);
    sn_free(s);
}

sn_state *sn_state_take_idle(sn_session *session, const sn_plan *plan)
{
    sn_state **best = NULL;
    for (sn_state **p = &session->idle_states; *p; p = &(*p)->next) {
        if (!best || (*p)->bound == plan->serial) best = p;
        if ((*p)->bound == plan->serial) break;
    }
    if (!best) return NULL;
    sn_state *s = *best;
    *best = s->next;
    session->n_idle_states--;
    return s;
}

sinter_status sn_state_begin(sn_session *session, sn_state *idle, sn_plan *plan, sn_state **out, sinter_error *err)
{
    sn_state *s = idle ? idle : create_state(session);
    if (!s) return sn_no_memory(err, "making a run state");
    sinter_status status = bind_to(s, plan, err);
    if (status != SINTER_OK) {
        s->plan = NULL;
        sn_state_end(session, s);
        return status;
    }
    *out = s;
    return SINTER_OK;
}

sinter_status sn_state_for_images(sn_state *s, sn_state **out)
{
    if (!s->of_image) s->of_image = create_state(s->session);
    if (!s->of_image) return sn_no_memory(s->err, "making a run state");
    s->of_image->cancel = s->cancel;
    *out = s->of_image;
    return bind_to(s->of_image, s->plan->stage.plan, s->err);
}

void sn_state_release_images(sn_state *s)
{
    clear(s->of_image);
}

void sn_state_end(sn_session *session, sn_state *s)
{
    clear(s);
    pthread_mutex_lock(&session->lock);
    bool keep = session->n_idle_states < session->max_idle_states;
    if (keep) {
        s->next = session->idle_states;
        session->idle_states = s;
        session->n_idle_states++;
    }
    pthread_mutex_unlock(&session->lock);
    if (!keep) sn_state_free(s);
}
