/* Packed weights: see packs.h. */
#include "runtime/packs.h"

#include "base/alloc.h"
#include "base/size.h"
#include "graph/edit.h"
#include "runtime/impl.h"
#include "runtime/phases.h"
#include <pthread.h>

#define LEAST_BYTES ((size_t)1024) /* below, keeping the original costs nothing */
_Static_assert(LEAST_BYTES / sizeof(float) > SN_MAX_KNOWN, "inference reads the elements of small constants");
#define PIECE_BYTES ((size_t)8 << 20) /* of the original, between giving back pages */
#define MOST_SPARE  ((size_t)4 << 20) /* floats of a block beyond what was asked for */

typedef struct pack {
    sn_value_id value;
    sn_pack_form form;
    sn_pack_maker maker; /* NULL: the direct one */
    float *data;
} pack;

/* Packs lie side by side in a few large blocks, which huge pages suit. */
typedef struct block {
    struct block *next;
    float *data;
    size_t used, floats;
} block;

struct sn_packs {
    const sn_kernels *kernels;
    const sn_model *m;
    sn_packs *behind;     /* whose packs are looked for first, or NULL */
    pthread_mutex_t lock; /* guards what follows */
    pack *items;
    size_t count, capacity;
    block *blocks;     /* packs are taken from the first one */
    size_t all_floats; /* of the blocks */
    bool *hollow;      /* by value id; set at creation only */
};

/* ---------------------------------------------------------------------------------------------------- packing */

size_t sn_pack_group(const sn_kernels *k, const sn_pack_form *form)
{
    const sn_gemm_source *s = &form->source;
    return sn_align_up(k->gemm->packed_size(s->taps * s->kc, s->n), SN_ALIGNMENT / sizeof(float));
}

size_t sn_pack_floats(const sn_kernels *k, const sn_pack_form *form)
{
    const sn_gemm_source *s = &form->source;
    size_t most, rounded = s->n + k->gemm->nr;
    if (rounded < s->n || !sn_size_mul(s->taps, s->kc, &most) || !sn_size_mul(most, rounded, &most)) return SIZE_MAX;
    if (!sn_size_add(most, SN_ALIGNMENT, &most) || !sn_size_mul(most, form->groups, &most)) return SIZE_MAX;
    if (most > SN_MAX_TENSOR_BYTES / sizeof(float)) return SIZE_MAX;
    if (form->kind == SN_PACK_GROUPED)
        return sn_kernels_for_groups(k, s->n)->packed_size(form->groups * s->n, s->n, s->taps);
    return form->groups * sn_pack_group(k, form);
}

typedef struct packing {
    const sn_kernels *kernels;
    const sn_pack_form *form;
    const float *from;
    float *to;
    size_t panels; /* of a group */
    size_t first;  /* unit that the range starts from */
} packing;

static size_t panels_of(const sn_kernels *k, const sn_pack_form *form)
{
    return sn_divide_up(form->source.n, k->gemm->nr);
}

static void pack_panels(void *context, size_t begin, size_t end, int worker)
{
    const packing *x = context;
    (void)worker;
    for (size_t i = begin + x->first; i < end + x->first; i++) {
        size_t group = i / x->panels, panel = i % x->panels;
        sn_gemm_source s = x->form->source;
        s.b = x->from + (ptrdiff_t)group * x->form->group_pitch;
        x->kernels->gemm->pack(&s, x->to + group * sn_pack_group(x->kernels, x->form), panel, panel + 1);
    }
}

void sn_pack(const sn_kernels *k, const sn_pack_form *form, const float *from, float *to, sinter_pool *pool)
{
    if (form->kind == SN_PACK_GROUPED) {
        const size_t n = form->source.n;
        sn_kernels_for_groups(k, n)->pack(from, form->groups * n, n, form->source.taps, to);
        return;
    }
    if (form->kind == SN_PACK_PHASES) {
        sn_phases_pack(k, form, from, to, pool);
        return;
    }
    packing x = {.kernels = k, .form = form, .from = from, .to = to, .panels = panels_of(k, form)};
    sn_parallel_for(pool, form->groups * x.panels, 1, pack_panels, &x);
}

/* Packs panel by panel and gives back the pages that are done with, when the panels' sources follow each other. */
static void pack_and_discard(const sn_kernels *k, const sn_pack_form *form, const sinter_value *v, float *to,
                             sinter_pool *pool)
{
    const sn_gemm_source *s = &form->source;
    size_t column = (size_t)s->column_pitch * sizeof(float);
    bool ordered = form->kind == SN_PACK_GEMM && form->groups == 1 && v->block && s->column_pitch > 0 &&
                   (size_t)s->column_pitch == s->taps * s->kc;
    if (!ordered) {
        sn_pack(k, form, v->data, to, pool);
        return;
    }
    size_t panels = panels_of(k, form), bytes = column * k->gemm->nr, step = 1 + PIECE_BYTES / (bytes > 0 ? bytes : 1);
    for (size_t first = 0; first < panels; first += step) {
        size_t n = panels - first < step ? panels - first : step;
        packing x = {.kernels = k, .form = form, .from = v->data, .to = to, .panels = panels, .first = first};
        sn_parallel_for(pool, n, 1, pack_panels, &x);
        if (first + n < panels) sn_value_discard(v, first * bytes, n * bytes);
    }
}

/* ---------------------------------------------------------------------------------------------------- the table */

bool sn_pack_form_eq(const sn_pack_form *a, const sn_pack_form *b)
{
    const sn_gemm_source *s = &a->source, *t = &b->source;
    return a->kind == b->kind && a->groups == b->groups && a->group_pitch == b->group_pitch && s->taps == t->taps &&
           s->kc == t->kc && s->n == t->n && s->tap_pitch == t->tap_pitch && s->channel_pitch == t->channel_pitch &&
           s->column_pitch == t->column_pitch && memcmp(a->kernel, b->kernel, sizeof a->kernel) == 0 &&
           memcmp(a->step, b->step, sizeof a->step) == 0;
}

/* Under the lock, or before others know of p. */
static const pack *find(const sn_packs *p, sn_value_id id, const sn_pack_form *form, sn_pack_maker maker)
{
    for (size_t i = 0; i < p->count; i++) {
        const pack *k = &p->items[i];
        if (k->value == id && k->maker == maker && (!form || sn_pack_form_eq(&k->form, form))) return k;
    }
    return NULL;
}

/* Blocks grow with what there is. What is never used is never touched, so that it costs addresses only. */
static bool add_block(sn_packs *p, size_t floats)
{
    size_t more = p->all_floats < MOST_SPARE ? p->all_floats : MOST_SPARE;
    if (floats > SN_MAX_TENSOR_BYTES / sizeof(float) - more) return false;
    block *b = sn_calloc(1, sizeof *b);
    float *data = b ? sn_malloc_aligned((floats + more) * sizeof(float)) : NULL;
    if (!data) {
        sn_free(b);
        return false;
    }
    *b = (block){.next = p->blocks, .data = data, .floats = floats + more};
    p->blocks = b;
    p->all_floats += b->floats;
    return true;
}

static float *new_floats(sn_packs *p, size_t floats)
{
    if (floats > SN_MAX_TENSOR_BYTES / sizeof(float)) return NULL;
    size_t aligned = sn_align_up(floats, SN_ALIGNMENT / sizeof(float));
    if (!p->blocks || aligned > p->blocks->floats - p->blocks->used) {
        if (!add_block(p, aligned)) return NULL;
    }
    float *data = p->blocks->data + p->blocks->used;
    p->blocks->used += aligned;
    return data;
}

static bool insert(sn_packs *p, const pack *k)
{
    if (!SN_GROW(p->items, p->capacity, p->count)) return false;
    p->items[p->count++] = *k;
    return true;
}

static const float *find_behind(const sn_packs *p, sn_value_id id, const sn_pack_form *form, sn_pack_maker maker)
{
    if (!p->behind) return NULL;
    pthread_mutex_lock(&p->behind->lock);
    const pack *found = find(p->behind, id, form, maker);
    const float *data = found ? found->data : NULL;
    pthread_mutex_unlock(&p->behind->lock);
    return data;
}

const float *sn_packs_direct(sn_packs *p, sn_value_id id, const sn_pack_form *form, const sinter_value *constant,
                             sinter_pool *pool)
{
    const float *data = find_behind(p, id, form, NULL);
    if (data) return data;
    pthread_mutex_lock(&p->lock);
    const pack *found = find(p, id, form, NULL);
    if (found) {
        data = found->data;
    } else {
        pack made = {.value = id, .form = *form, .data = new_floats(p, sn_pack_floats(p->kernels, form))};
        if (made.data) sn_pack(p->kernels, form, constant->data, made.data, pool);
        if (made.data && insert(p, &made)) data = made.data;
    }
    pthread_mutex_unlock(&p->lock);
    return data;
}

const float *sn_packs_derived(sn_packs *p, sn_value_id id, const float *direct, size_t floats, sn_pack_maker make,
                              void *context)
{
    const float *data = find_behind(p, id, NULL, make);
    if (data) return data;
    pthread_mutex_lock(&p->lock);
    const pack *found = find(p, id, NULL, make);
    if (found) {
        data = found->data;
    } else {
        pack made = {.value = id, .maker = make, .data = new_floats(p, floats)};
        if (made.data) make(context, direct, made.data);
        if (made.data && insert(p, &made)) data = made.data;
    }
    pthread_mutex_unlock(&p->lock);
    return data;
}

size_t sn_packs_bytes(sn_packs *p)
{
    size_t floats = 0;
    pthread_mutex_lock(&p->lock);
    for (const block *b = p->blocks; b; b = b->next) floats += b->used;
    pthread_mutex_unlock(&p->lock);
    return floats * sizeof(float);
}

/* ---------------------------------------------------------------------------------------------------- hollow tensors
 */

static _Alignas(SN_ALIGNMENT) char nothing[SN_ALIGNMENT];

bool sn_packs_is_hollow(const sn_packs *p, sn_value_id id)
{
    return p && (p->behind ? p->behind : p)->hollow[id];
}

/* A tensor of the same type and shape without elements. */
static sinter_status hollow_out(sn_packs *p, sn_model *m, sn_value_id id, sinter_error *err)
{
    const sinter_value *v = m->values[id].constant;
    sinter_value *shell;
    SN_TRY(sn_tensor_borrow(v->dtype, &v->shape, nothing, &shell, err));
    p->hollow[id] = true;
    sn_replace_initializer(m, id, shell);
    return SINTER_OK;
}

static void unpack(const sn_kernels *k, const pack *source, float *to)
{
    const sn_pack_form *form = &source->form;
    const sn_gemm_source *s = &form->source;
    for (size_t g = 0; form->kind == SN_PACK_GEMM && g < form->groups; g++) {
        k->gemm->unpack(s, source->data + g * sn_pack_group(k, form), to + (ptrdiff_t)g * form->group_pitch);
    }
    if (form->kind == SN_PACK_PHASES) sn_phases_unpack(k, form, source->data, to);
    if (form->kind == SN_PACK_GROUPED)
        sn_kernels_for_groups(k, s->n)->unpack(source->data, form->groups * s->n, s->n, s->taps, to);
}

sinter_status sn_packs_restore(sn_packs *p, sn_value_id id, sinter_value **out, sinter_error *err)
{
    if (p->behind) p = p->behind;
    const sinter_value *shell = p->m->values[id].constant;
    SN_TRY(sn_tensor_create(shell->dtype, &shell->shape, out, err));
    pthread_mutex_lock(&p->lock);
    unpack(p->kernels, find(p, id, NULL, NULL), (*out)->data);
    pthread_mutex_unlock(&p->lock);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- creation */

/* The form that all readers of a constant agree on. */
static bool common_form(const sn_model *m, const sn_prepared_model *prepared, sn_value_id id, sn_pack_form *form)
{
    const sn_value *v = &m->values[id];
    const sinter_value *c = sn_constant(m, id);
    if (v->dead || !v->constant || c != v->constant || c->kind != SINTER_KIND_TENSOR || c->dtype != SINTER_FLOAT)
        return false;
    if (c->size < LEAST_BYTES || v->n_uses == 0 || (uintptr_t)c->data % sizeof(float) != 0) return false;
    for (size_t i = 0; i < v->n_uses; i++) {
        const sn_use *use = &v->uses[i];
        sn_pack_form this_form;
        if (use->node == SN_NONE || use->slot != 1 || m->nodes[use->node].graph != 0) return false;
        const sn_prepared *node = &prepared->nodes[use->node];
        if (!node->op || !sn_impl_weights(node->op, node->params, &c->shape, &this_form)) return false;
        if (i > 0 && !sn_pack_form_eq(form, &this_form)) return false;
        *form = this_form;
    }
    return true;
}

static sinter_status pack_value(sn_packs *p, sn_model *m, sn_value_id id, const sn_pack_form *form, sinter_pool *pool,
                                sinter_error *err)
{
    pack made = {.value = id, .form = *form, .data = new_floats(p, sn_pack_floats(p->kernels, form))};
    if (!made.data) return sn_no_memory(err, "packing the weights");
    pack_and_discard(p->kernels, form, m->values[id].constant, made.data, pool);
    if (!insert(p, &made)) return sn_no_memory(err, "packing the weights");
    return hollow_out(p, m, id, err);
}

static size_t count_floats(const sn_model *m, const sn_prepared_model *prepared, const sn_kernels *kernels)
{
    size_t total = 0;
    for (sn_value_id id = 0; id < m->n_values; id++) {
        sn_pack_form form;
        if (!common_form(m, prepared, id, &form)) continue;
        size_t floats = sn_pack_floats(kernels, &form);
        if (floats == SIZE_MAX || !sn_size_add(total, floats + SN_ALIGNMENT, &total)) return SIZE_MAX;
    }
    return total;
}

static sinter_status pack_all(sn_packs *p, sn_model *m, const sn_prepared_model *prepared, sinter_pool *pool,
                              sinter_error *err)
{
    size_t floats = count_floats(m, prepared, p->kernels);
    if (floats > 0 && !add_block(p, floats)) return sn_no_memory(err, "packing the weights");
    for (sn_value_id id = 0; id < m->n_values; id++) {
        sn_pack_form form;
        if (common_form(m, prepared, id, &form)) SN_TRY(pack_value(p, m, id, &form, pool, err));
    }
    return SINTER_OK;
}

static sn_packs *new_table(const sn_model *m, const sn_kernels *kernels)
{
    sn_packs *p = sn_calloc(1, sizeof *p);
    if (!p) return NULL;
    pthread_mutex_init(&p->lock, NULL);
    p->kernels = kernels;
    p->m = m;
    return p;
}

sn_packs *sn_packs_in_front(sn_packs *p)
{
    sn_packs *front = new_table(p->m, p->kernels);
    if (front) front->behind = p;
    return front;
}

sinter_status sn_packs_create(sn_model *m, const sn_prepared_model *prepared, const sn_kernels *kernels,
                              sinter_pool *pool, sn_packs **out, sinter_error *err)
{
    sn_packs *p = new_table(m, kernels);
    if (!p) return sn_no_memory(err, "packing the weights");
    p->hollow = sn_calloc(m->n_values, sizeof *p->hollow);
    sinter_status status = p->hollow ? pack_all(p, m, prepared, pool, err) : sn_no_memory(err, "packing the weights");
    if (status != SINTER_OK) {
        sn_packs_free(p);
        return status;
    }
    *out = p;
    return SINTER_OK;
}

void sn_packs_free(sn_packs *p)
{
    if (!p) return;
    for (block *b = p->blocks, *next; b; b = next) {
        next = b->next;
        sn_free(b->data);
        sn_free(b);
    }
    sn_free(p->items);
    sn_free(p->hollow);
    pthread_mutex_destroy(&p->lock);
    sn_free(p);
}
