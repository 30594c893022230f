/*
 * Measuring implementations: see tune.h.
 *
 * Candidates take turns, so that a slow phase of the machine meets all of them, and the least time of each counts: what
 * disturbs a trial only ever makes it longer. In a network the other steps' weights pass through the caches in
 * between, so each trial begins with a sweep through as much memory; without it, candidates whose weights are large
 * look better than they are.
 */
#include "runtime/tune.h"

#include "base/alloc.h"
#include "base/size.h"
#include <pthread.h>
#include <time.h>

#define MOST_CANDIDATES 8
#define LEAST_ROUNDS    2        /* however long they take: a single trial may meet a bad moment */
#define MOST_ROUNDS     7        /* also in the shortest time */
#define BUDGET_NS       20000000 /* of the trials of a node */
#define SHORT_NS        100000   /* see time_of */
#define LEAST_NS        5000     /* what takes less is not worth it, nor measured well */
#define TIE_PERCENT     3        /* what gains less stays with the rules */
#define MOST_CHOICES    4096     /* then the rules decide, so that neither memory nor time is without bounds */
#define MOST_SWEEP      ((size_t)16 << 20) /* bytes: about what the last cache has for a core */
#define SWEEP_GRAIN     1024               /* lines */
#define LINE_FLOATS     (SN_ALIGNMENT / sizeof(float))
#define RANDOM_FLOATS   4096 /* then they repeat */

typedef struct made_choice {
    sn_node_id node;
    const sn_shape *in; /* of the node's inputs, without the batch */
    size_t n_in;
    const sn_impl *impl;
} made_choice;

struct sn_tuner {
    pthread_mutex_t lock; /* guards what follows, and is held to measure: two at once would disturb each other */
    sn_arena arena;
    made_choice *choices;
    size_t count, capacity;
};

sn_tuner *sn_tuner_create(void)
{
    sn_tuner *t = sn_calloc(1, sizeof *t);
    if (t) pthread_mutex_init(&t->lock, NULL);
    return t;
}

void sn_tuner_free(sn_tuner *t)
{
    if (!t) return;
    sn_arena_free(&t->arena);
    sn_free(t->choices);
    pthread_mutex_destroy(&t->lock);
    sn_free(t);
}

/* ---------------------------------------------------------------------------------------------------- time */

static uint64_t real_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t (*now)(void) = real_clock; /* written by tests only */

void sn_tuner_set_clock(uint64_t (*clock)(void))
{
    now = clock ? clock : real_clock;
}

/* ---------------------------------------------------------------------------------------------------- what is made
 * once
 */

/* The first dimension of the first input is the batch: rows of a product, images of a convolution. */
static sn_shape key_shape(const sn_impl_site *site, size_t i)
{
    if (!site->in[i].present) return SN_SHAPE_UNKNOWN;
    sn_shape shape = *sn_site_in(site, i);
    if (i == 0 && shape.rank > 0) shape.dims[0] = 0;
    return shape;
}

static bool is_choice_for(const made_choice *c, const sn_impl_site *site)
{
    if (c->node != site->node || c->n_in != site->n_in) return false;
    for (size_t i = 0; i < site->n_in; i++) {
        sn_shape shape = key_shape(site, i);
        if (shape.rank != c->in[i].rank) return false;
        for (int k = 0; k < shape.rank; k++) {
            if (shape.dims[k] != c->in[i].dims[k]) return false;
        }
    }
    return true;
}

static const sn_impl *recall(const sn_tuner *t, const sn_impl_site *site)
{
    for (size_t i = 0; i < t->count; i++) {
        if (is_choice_for(&t->choices[i], site)) return t->choices[i].impl;
    }
    return NULL;
}

static sinter_status remember(sn_tuner *t, const sn_impl_site *site, const sn_impl *impl, sinter_error *err)
{
    sn_shape *in = SN_ARENA_ARRAY(&t->arena, sn_shape, site->n_in);
    if (!in || !SN_GROW(t->choices, t->capacity, t->count)) return sn_no_memory(err, "tuning");
    for (size_t i = 0; i < site->n_in; i++) in[i] = key_shape(site, i);
    t->choices[t->count++] = (made_choice){.node = site->node, .in = in, .n_in = site->n_in, .impl = impl};
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- candidates */

typedef struct candidate {
    const sn_impl *impl;
    void *state;
    uint64_t least; /* nanoseconds */
} candidate;

typedef struct trials {
    sn_impl_site site; /* the node's, but nothing that is made for it outlives the trials */
    candidate candidates[MOST_CANDIDATES];
    size_t n, rules; /* which one the rules chose */
    sn_arena arena;
    sn_packs *packs;
    sn_impl_run run; /* but for the state */
    float *memory;   /* swept, then inputs, outputs and scratch */
    size_t floats;
    size_t swept; /* floats */
} trials;

static bool same_layouts(const sn_impl_layouts *a, const sn_impl_layouts *b, size_t n_in)
{
    bool same = a->out == b->out;
    for (size_t i = 0; same && i < n_in; i++) same = a->in[i] == b->in[i];
    return same;
}

/* Constant weights may be packed already, in the one form that the session keeps. */
static bool reads_session_form(const sn_impl_site *site, const sn_impl *row)
{
    sn_pack_form own, kept;
    if (!row->weights || site->n_in < 2 || !sn_site_weights(site)) return true;
    const sn_shape *weight = sn_site_in(site, 1);
    return row->weights(site->params, weight, &own) && sn_impl_weights(site->op, site->params, weight, &kept) &&
           sn_pack_form_eq(&own, &kept);
}

/* `rivals`: how many rows accept the site at all. */
static bool list_candidates(trials *t, const sn_impl *rules, const sn_impl_layouts *wanted, size_t *rivals)
{
    size_t n_in = t->site.n_in;
    sn_impl_layouts layouts = {.in = SN_ARENA_ARRAY(&t->arena, sn_layout, n_in)};
    if (!layouts.in) return false;
    *rivals = 0;
    for (const sn_impl *row = NULL; (row = sn_impl_next(row, &t->site, &layouts));) {
        ++*rivals;
        if (t->n == MOST_CANDIDATES || !same_layouts(&layouts, wanted, n_in)) continue;
        if (row != rules && !reads_session_form(&t->site, row)) continue;
        if (row == rules) t->rules = t->n;
        t->candidates[t->n++] = (candidate){.impl = row, .least = UINT64_MAX};
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------------- memory */

/* A tensor for the trials: where in their memory, in floats; constants need none. */
static bool reserve(const sn_fact *f, size_t *at, size_t *total)
{
    size_t count;
    *at = *total;
    return sn_fact_is_float(f) && sn_shape_count(&f->type.shape, &count) && count > 0 &&
           sn_size_add(*total, sn_align_up(count, LINE_FLOATS), total);
}

/* Where inputs, what is fused and outputs are to lie, from *total on; false when there is nothing to compute, or not
 * from floats. */
static bool lay_out(const sn_impl_site *site, size_t *at, size_t *total)
{
    size_t used = 0;
    for (size_t i = 0; i < site->n_in; i++, used++) {
        if (site->in[i].present && !site->in[i].constant && !reserve(&site->in[i], &at[used], total)) return false;
    }
    /* A residual is of the output's size, and a bias smaller. */
    for (int i = 0; i < site->fusion.residual + site->fusion.bias; i++) {
        if (!reserve(&site->out[0], &at[used++], total)) return false;
    }
    for (size_t i = 0; i < site->n_out; i++, used++) {
        if (site->out[i].present && !reserve(&site->out[i], &at[used], total)) return false;
    }
    return true;
}

static void set_pointers(trials *t, const size_t *at, const void **in, void **out)
{
    const sn_impl_site *site = &t->site;
    size_t n_fused = (size_t)site->fusion.residual + site->fusion.bias, used = 0;
    for (size_t i = 0; i < site->n_in; i++, used++) {
        const sn_fact *f = &site->in[i];
        if (f->present) in[i] = f->constant ? f->constant->data : t->memory + at[used];
    }
    for (size_t i = 0; i < n_fused; i++, used++) in[site->n_in + i] = t->memory + at[used];
    for (size_t i = 0; i < site->n_out; i++, used++) {
        if (site->out[i].present) out[i] = t->memory + at[used];
    }
    t->run.in = in;
    t->run.n_in = site->n_in;
    t->run.out = out;
    t->run.pool = site->pool;
}

/* Numbers in [-1, 1]. Touches all memory, so that the first trial does not pay for it. */
static void fill(float *p, size_t n)
{
    uint32_t seed = 1;
    for (size_t i = 0; i < n && i < RANDOM_FLOATS; i++) {
        seed = seed * 1664525u + 1013904223u;
        p[i] = (float)(seed >> 8) / (float)(1 << 23) - 1;
    }
    for (size_t i = RANDOM_FLOATS; i < n; i += RANDOM_FLOATS) {
        memcpy(p + i, p, (n - i < RANDOM_FLOATS ? n - i : RANDOM_FLOATS) * sizeof *p);
    }
}

/* False in *possible: see lay_out. */
static sinter_status make_memory(trials *t, size_t scratch, bool *possible, sinter_error *err)
{
    const sn_impl_site *site = &t->site;
    size_t n = site->n_in + 2 + site->n_out, floats, bytes;
    size_t *at = SN_ARENA_ARRAY(&t->arena, size_t, n);
    const void **in = SN_ARENA_ARRAY(&t->arena, const void *, site->n_in + 2);
    void **out = SN_ARENA_ARRAY(&t->arena, void *, site->n_out);
    if (!at || !in || !out) return sn_no_memory(err, "tuning");
    floats = t->swept;
    *possible = lay_out(site, at, &floats);
    if (!*possible) return SINTER_OK;
    size_t scratch_at = floats;
    if (!sn_size_add(floats, sn_align_up(scratch, SN_ALIGNMENT) / sizeof(float), &floats) ||
        !sn_size_mul(floats, sizeof(float), &bytes))
        return sn_no_memory(err, "tuning");
    t->memory = sn_malloc_aligned(bytes);
    if (!t->memory) return sn_no_memory(err, "tuning");
    t->floats = floats;
    fill(t->memory, floats);
    t->run.scratch = t->memory + scratch_at;
    t->run.scratch_size = scratch;
    set_pointers(t, at, in, out);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- trials */

static void sweep_lines(void *context, size_t begin, size_t end, int worker)
{
    const float *p = context;
    float sum = 0;
    (void)worker;
    for (size_t i = begin; i < end; i++) sum += p[i * LINE_FLOATS];
    volatile float kept = sum;
    (void)kept;
}

static void sweep(const trials *t, size_t from, size_t to)
{
    sn_parallel_for(t->site.pool, (to - from) / LINE_FLOATS, SWEEP_GRAIN, sweep_lines, t->memory + from);
}

/* The step before leaves its output, and what it worked on, in the caches. Steps that are short meet code that the
 * processor knows from their like, not from their rivals: hence a run that is not timed. */
static uint64_t time_of(const trials *t, const candidate *c)
{
    sn_impl_run run = t->run;
    run.state = c->state;
    if (c->least < SHORT_NS) c->impl->run(&run);
    sweep(t, 0, t->swept);
    sweep(t, t->swept, t->floats);
    uint64_t start = now();
    c->impl->run(&run);
    return now() - start;
}

static void try_in_turns(trials *t)
{
    uint64_t spent = 0;
    sn_pool_enter(t->site.pool);
    for (int round = 0; round < LEAST_ROUNDS || (round < MOST_ROUNDS && spent < BUDGET_NS); round++) {
        for (size_t i = 0; i < t->n; i++) {
            uint64_t time = time_of(t, &t->candidates[i]);
            if (time < t->candidates[i].least) t->candidates[i].least = time;
            spent += time;
        }
        if (t->candidates[t->rules].least < LEAST_NS) break;
    }
    sn_pool_leave(t->site.pool);
}

static const sn_impl *fastest(const trials *t)
{
    const candidate *best = &t->candidates[t->rules];
    uint64_t limit = best->least < LEAST_NS ? 0 : best->least - best->least * TIE_PERCENT / 100;
    for (size_t i = 0; i < t->n; i++) {
        if (t->candidates[i].least >= limit) continue;
        best = &t->candidates[i];
        limit = best->least;
    }
    return best->impl;
}

/* What accepts the site runs on memory that is made for this. */
static sinter_status measure(trials *t, const sn_impl **impl, sinter_error *err)
{
    size_t scratch = 0;
    bool possible;
    size_t packs = sn_packs_bytes(t->site.packs);
    t->swept = (packs < MOST_SWEEP ? packs : MOST_SWEEP) / SN_ALIGNMENT * LINE_FLOATS;
    t->packs = sn_packs_in_front(t->site.packs);
    if (!t->packs) return sn_no_memory(err, "tuning");
    t->site.packs = t->packs;
    for (size_t i = 0; i < t->n; i++) {
        candidate *c = &t->candidates[i];
        size_t size = 0;
        SN_TRY(c->impl->prepare(&t->site, &c->state, &size, err));
        if (size > scratch) scratch = size;
    }
    SN_TRY(make_memory(t, scratch, &possible, err));
    if (!possible) return SINTER_OK;
    try_in_turns(t);
    *impl = fastest(t);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- the choice */

static bool is_empty(const sn_impl_site *site)
{
    size_t count;
    return !sn_shape_count(sn_site_out(site), &count) || count == 0;
}

/* Under the lock. */
static sinter_status choose(sn_tuner *tuner, trials *t, const sn_impl **impl, const sn_impl_layouts *layouts,
                            sinter_error *err)
{
    size_t rivals;
    if (!list_candidates(t, *impl, layouts, &rivals)) return sn_no_memory(err, "tuning");
    if (rivals < 2) return SINTER_OK;
    if (t->n > 1) SN_TRY(measure(t, impl, err));
    return remember(tuner, &t->site, *impl, err);
}

sinter_status sn_tuner_choose(sn_tuner *tuner, const sn_impl_site *site, const sn_impl **impl, sn_impl_layouts *layouts,
                              sinter_error *err)
{
    if (is_empty(site)) return SINTER_OK;
    trials t = {.site = *site};
    t.site.arena = &t.arena;
    const sn_impl *chosen = *impl;
    sinter_status status = SINTER_OK;
    pthread_mutex_lock(&tuner->lock);
    const sn_impl *known = recall(tuner, site);
    if (known) {
        chosen = known;
    } else if (tuner->count < MOST_CHOICES) {
        status = choose(tuner, &t, &chosen, layouts, err);
    }
    pthread_mutex_unlock(&tuner->lock);
    sn_packs_free(t.packs);
    sn_free(t.memory);
    sn_arena_free(&t.arena);
    if (status != SINTER_OK || chosen == *impl) return status;
    /* In another plan, an input may lie otherwise than where the choice was made. */
    if (sn_impl_accepts(chosen, site, layouts)) {
        *impl = chosen;
    } else {
        (void)sn_impl_accepts(*impl, site, layouts);
    }
    return SINTER_OK;
}
