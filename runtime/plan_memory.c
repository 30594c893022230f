/*
 * The memory plan. Values that live at different times share bytes: intervals are placed largest first, each into the
 * smallest gap between those placed before that overlap it in time (Pisarchyk and Lee, "Efficient Memory Management for
 * Deep Neural Net Inference": greedy by size).
 *
 * Before that, values are merged into buffers: a view is its input under another shape, and an element-wise step may
 * write over an input that dies there.
 */
#include "runtime/plan.h"

#include "base/alloc.h"
#include "base/size.h"
#include <stdlib.h>

/* ---------------------------------------------------------------------------------------------------- offsets */

static int by_size(const void *a, const void *b)
{
    const sn_interval *x = *(sn_interval *const *)a, *y = *(sn_interval *const *)b;
    if (x->size != y->size) return x->size < y->size ? 1 : -1;
    return x < y ? -1 : x > y;
}

static bool overlap_in_time(const sn_interval *a, const sn_interval *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* `placed` is sorted by offset. */
static size_t best_gap(const sn_interval *x, sn_interval *const *placed, size_t n)
{
    size_t end = 0, best = SIZE_MAX, best_size = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        if (!overlap_in_time(x, placed[i])) continue;
        if (placed[i]->offset >= end) {
            size_t gap = placed[i]->offset - end;
            if (gap >= x->size && gap < best_size) {
                best = end;
                best_size = gap;
            }
        }
        size_t after = placed[i]->offset + placed[i]->size;
        end = after > end ? after : end;
    }
    return best != SIZE_MAX ? best : end;
}

static void insert_by_offset(sn_interval **placed, size_t n, sn_interval *x)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (placed[middle]->offset <= x->offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    memmove(placed + low + 1, placed + low, (n - low) * sizeof *placed);
    placed[low] = x;
}

bool sn_assign_offsets(sn_interval *intervals, size_t n, size_t *total)
{
    sn_interval **order = sn_calloc(n, sizeof *order), **placed = sn_calloc(n, sizeof *placed);
    size_t sum = 0, end = 0;
    bool ok = order && placed;
    for (size_t i = 0; ok && i < n; i++) {
        sn_interval *x = &intervals[i];
        ok = x->size <= SN_MAX_TENSOR_BYTES;
        if (ok) x->size = sn_align_up(x->size, SN_ALIGNMENT);
        ok = ok && sn_size_add(sum, x->size, &sum); /* then no offset overflows */
        order[i] = x;
    }
    if (ok) qsort(order, n, sizeof *order, by_size);
    for (size_t i = 0; ok && i < n; i++) {
        order[i]->offset = order[i]->size > 0 ? best_gap(order[i], placed, i) : 0;
        insert_by_offset(placed, i, order[i]);
        if (order[i]->offset + order[i]->size > end) end = order[i]->offset + order[i]->size;
    }
    if (ok) *total = end;
    sn_free(order);
    sn_free(placed);
    return ok;
}

/* ---------------------------------------------------------------------------------------------------- buffers */

typedef struct buffers {
    sn_plan *plan;
    const uint32_t *last;
    uint32_t *of_value; /* the buffer of an ARENA value */
    sn_interval *items;
    size_t count;
} buffers;

static bool in_arena(const buffers *b, sn_value_id id)
{
    return id != SN_NONE && b->plan->values[id].place == SN_PLACE_ARENA;
}

static void join(buffers *b, sn_value_id id, uint32_t buffer)
{
    b->of_value[id] = buffer;
    if (b->last[id] > b->items[buffer].last) b->items[buffer].last = b->last[id];
}

/* A buffer that output 0 of the step may write over, because all that is in it dies there; SN_NONE when there is none.
 * Another input of the step in the same buffer must be read at the same element. */
static uint32_t dying_buffer(const buffers *b, const sn_step *step)
{
    const sn_plan_value *out = &b->plan->values[step->out[0]];
    for (size_t i = 0; i < step->n_in; i++) {
        if (!in_arena(b, step->in[i])) continue;
        uint32_t buffer = b->of_value[step->in[i]];
        bool fits = b->items[buffer].last == step->position;
        for (size_t k = 0; fits && k < step->n_in; k++) {
            if (!in_arena(b, step->in[k]) || b->of_value[step->in[k]] != buffer) continue;
            const sn_plan_value *in = &b->plan->values[step->in[k]];
            fits = in->dtype == out->dtype && sn_shape_eq(&in->shape, &out->shape);
        }
        if (fits) return buffer;
    }
    return SN_NONE;
}

static uint32_t shared_buffer(const buffers *b, const sn_step *step, size_t slot)
{
    if (slot != 0) return SN_NONE;
    if ((step->flags & SN_OP_VIEW) && step->n_in > 0 && in_arena(b, step->in[0])) {
        const sn_plan_value *in = &b->plan->values[step->in[0]], *out = &b->plan->values[step->out[0]];
        if (in->size == out->size && in->dtype == out->dtype) return b->of_value[step->in[0]];
    }
    return step->flags & SN_OP_INPLACE ? dying_buffer(b, step) : SN_NONE;
}

/* What is there before the first step. */
static void place_crossing(buffers *b)
{
    const sn_image_stage *stage = &b->plan->stage;
    for (size_t i = 0; stage->plan && i < stage->n_crossing; i++) {
        uint32_t buffer = (uint32_t)b->count++;
        b->items[buffer] = (sn_interval){0, 0, b->plan->values[stage->crossing[i]].size, 0};
        join(b, stage->crossing[i], buffer);
    }
}

static void place_outputs(buffers *b, const sn_step *step)
{
    for (size_t i = 0; i < step->n_out; i++) {
        sn_value_id id = step->out[i];
        if (!in_arena(b, id)) continue;
        uint32_t buffer = shared_buffer(b, step, i);
        if (buffer == SN_NONE) {
            buffer = (uint32_t)b->count++;
            b->items[buffer] = (sn_interval){step->position, step->position, b->plan->values[id].size, 0};
        }
        join(b, id, buffer);
    }
}

/* Offsets of the values from those of their buffers. */
static void settle(buffers *b)
{
    sn_plan *p = b->plan;
    for (sn_value_id id = 0; id < p->n_values; id++) {
        if (p->values[id].place != SN_PLACE_ARENA) continue;
        p->values[id].offset = b->items[b->of_value[id]].offset;
        p->values[id].header = (uint32_t)p->n_headers++;
    }
}

/* What the values would take if none shared memory with another; false when that overflows. */
static bool sum_sizes(sn_plan *p, size_t *count)
{
    *count = 0;
    for (sn_value_id id = 0; id < p->n_values; id++) {
        if (p->values[id].place != SN_PLACE_ARENA) continue;
        ++*count;
        size_t size = p->values[id].size;
        if (size > SN_MAX_TENSOR_BYTES) return false;
        if (!sn_size_add(p->unplanned_size, sn_align_up(size, SN_ALIGNMENT), &p->unplanned_size)) return false;
    }
    return true;
}

sinter_status sn_plan_memory(sn_plan *p, const uint32_t *last, sinter_error *err)
{
    size_t n;
    if (!sum_sizes(p, &n))
        return sn_fail(err, SINTER_TOO_LARGE, "the model's intermediate values need too much memory");
    buffers b = {.plan = p, .last = last};
    b.of_value = sn_calloc(p->n_values, sizeof *b.of_value);
    b.items = sn_calloc(n, sizeof *b.items);
    bool ok = b.of_value && b.items;
    const sn_program *main_program = &p->programs[0];
    if (ok) place_crossing(&b);
    for (size_t i = 0; ok && i < main_program->n_steps; i++) {
        if (main_program->steps[i].planned) place_outputs(&b, &main_program->steps[i]);
    }
    ok = ok && sn_assign_offsets(b.items, b.count, &p->arena_size);
    if (ok) settle(&b);
    sn_free(b.of_value);
    sn_free(b.items);
    return ok ? SINTER_OK : sn_no_memory(err, "planning memory");
}
