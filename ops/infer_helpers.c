/* What infer functions lean on: reading facts of inputs, setting facts of outputs, symbolic broadcasting. */
#include "ops/infer_util.h"

#include <stdio.h>

int sn_infer_error(sn_infer *x, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sn_str label = SN_STR("");
    if (x->model && x->node) label = sn_node_label(x->model, (sn_node_id)(x->node - x->model->nodes));
    return sn_error_set(x->err, SINTER_INVALID_MODEL, "node '%.*s' (%s): %s", SN_STR_ARG(label),
                        x->op ? x->op->name : "?", text);
}

/* ---------------------------------------------------------------------------------------------------- facts */

sn_fact sn_fact_unknown(void)
{
    return (sn_fact){.type = SN_TYPE_UNKNOWN, .present = true};
}

sinter_status sn_fact_of_constant(const sinter_value *constant, sn_arena *arena, sn_fact *out, sinter_error *err)
{
    *out = sn_fact_unknown();
    out->constant = constant;
    out->type.kind = constant->kind;
    if (constant->kind != SINTER_KIND_TENSOR) return SINTER_OK;
    out->type.dtype = constant->dtype;
    out->type.shape = constant->shape;
    /* Booleans as 0 and 1: conditions of If and Where. */
    const uint32_t small = SN_DTYPE_BIT(SINTER_INT64) | SN_DTYPE_BIT(SINTER_INT32) | SN_DTYPE_BIT(SINTER_BOOL);
    if (!(small & SN_DTYPE_BIT(constant->dtype)) || constant->shape.rank > 1 || constant->count > SN_MAX_KNOWN)
        return SINTER_OK;
    int64_t *known = SN_ARENA_ARRAY(arena, int64_t, constant->count);
    if (!known) return sn_no_memory(err, "inferring shapes");
    for (size_t i = 0; i < constant->count; i++) {
        int64_t n = sn_tensor_int(constant, i);
        /* Numbers at the very bottom of the range ("as far back as possible" in a Slice) are what symbols are encoded
         * as. They stay readable through `constant`. */
        known[i] = sn_dim_is_number(n) ? n : SN_DIM_UNKNOWN;
    }
    out->known = known;
    out->n_known = constant->count;
    return SINTER_OK;
}

static bool same_elem_type(const sn_type *a, const sn_type *b)
{
    return a == b || (a && b && a->kind == b->kind && a->dtype == b->dtype && a->kind == SINTER_KIND_TENSOR &&
                      sn_shape_eq(&a->shape, &b->shape));
}

static void merge_known(sn_fact *out, const sn_fact *a, const sn_fact *b, sn_arena *arena)
{
    if (!a->known || !b->known || a->n_known != b->n_known) return;
    int64_t *known = SN_ARENA_ARRAY(arena, int64_t, a->n_known);
    if (!known) return; /* knowing less is always right */
    for (size_t i = 0; i < a->n_known; i++) known[i] = a->known[i] == b->known[i] ? a->known[i] : SN_DIM_UNKNOWN;
    out->known = known;
    out->n_known = a->n_known;
}

sn_fact sn_fact_merge(const sn_fact *a, const sn_fact *b, sn_arena *arena)
{
    sn_fact out = sn_fact_unknown();
    if (a->type.kind != b->type.kind) return out;
    out.type.kind = a->type.kind;
    if (a->type.dtype == b->type.dtype) out.type.dtype = a->type.dtype;
    if (same_elem_type(a->type.elem, b->type.elem)) out.type.elem = a->type.elem;
    if (a->type.shape.rank == b->type.shape.rank) {
        out.type.shape = a->type.shape;
        for (int d = 0; d < out.type.shape.rank; d++) {
            if (a->type.shape.dims[d] != b->type.shape.dims[d]) out.type.shape.dims[d] = SN_DIM_UNKNOWN;
        }
    }
    if (a->constant && a->constant == b->constant) out.constant = a->constant;
    merge_known(&out, a, b, arena);
    return out;
}

/* ---------------------------------------------------------------------------------------------------- inputs */

static const sn_shape unknown_shape = {.rank = -1};

bool sn_infer_has(const sn_infer *x, size_t i)
{
    return i < x->n_in && x->in[i].present;
}

const sn_shape *sn_infer_shape(const sn_infer *x, size_t i)
{
    return sn_infer_has(x, i) && x->in[i].type.kind == SINTER_KIND_TENSOR ? &x->in[i].type.shape : &unknown_shape;
}

sinter_dtype sn_infer_dtype(const sn_infer *x, size_t i)
{
    return sn_infer_has(x, i) && x->in[i].type.kind == SINTER_KIND_TENSOR ? x->in[i].type.dtype : SINTER_UNDEFINED;
}

/* A constant's elements exactly as they are: borrowed when their type and place in memory allow it. */
static bool constant_numbers(const sn_infer *x, const sinter_value *v, const int64_t **out, size_t *n)
{
    if (v->kind != SINTER_KIND_TENSOR || v->dtype != SINTER_INT64) return false;
    if ((uintptr_t)v->data % _Alignof(int64_t) == 0) {
        *out = v->data;
    } else {
        const int64_t *copy = sn_arena_copy(x->arena, v->data, v->size);
        if (!copy) return false;
        *out = copy;
    }
    *n = v->count;
    return true;
}

bool sn_infer_numbers(const sn_infer *x, size_t i, const int64_t **out, size_t *n)
{
    if (!sn_infer_has(x, i)) return false;
    const sn_fact *f = &x->in[i];
    if (f->constant && constant_numbers(x, f->constant, out, n)) return true;
    if (!f->known) return false;
    for (size_t k = 0; k < f->n_known; k++) {
        if (!sn_dim_is_number(f->known[k])) return false;
    }
    *out = f->known;
    *n = f->n_known;
    return true;
}

/* ---------------------------------------------------------------------------------------------------- outputs */

void sn_infer_tensor(sn_infer *x, size_t i, sinter_dtype dtype, const sn_shape *shape)
{
    if (i >= x->n_out) return;
    sn_type *t = &x->out[i].type;
    t->kind = SINTER_KIND_TENSOR;
    t->dtype = dtype;
    t->shape = *shape;
}

void sn_infer_known(sn_infer *x, size_t i, const int64_t *elements, size_t n)
{
    if (i >= x->n_out || n > SN_MAX_KNOWN) return;
    int64_t *copy = sn_arena_copy(x->arena, elements, n * sizeof *elements);
    if (!copy) return; /* knowing less is always right */
    x->out[i].known = copy;
    x->out[i].n_known = n;
}

void sn_infer_keep_known(sn_infer *x)
{
    if (!sn_infer_has(x, 0) || x->n_out == 0 || !x->in[0].known || x->out[0].type.shape.rank > 1) return;
    x->out[0].known = x->in[0].known;
    x->out[0].n_known = x->in[0].n_known;
}

/* ---------------------------------------------------------------------------------------------------- dimensions */

static bool broadcast_dim(int64_t a, int64_t b, int64_t *out)
{
    if (a == b || b == 1) {
        *out = a;
    } else if (a == 1) {
        *out = b;
    } else if (sn_dim_is_number(a) && sn_dim_is_number(b)) {
        return false;
    } else { /* beside a number the other one must turn out to be as large, or 1 */
        *out = sn_dim_is_number(a) ? a : sn_dim_is_number(b) ? b : SN_DIM_UNKNOWN;
    }
    return true;
}

bool sn_infer_broadcast(const sn_shape *a, const sn_shape *b, sn_shape *out)
{
    if (a->rank < 0 || b->rank < 0) {
        *out = SN_SHAPE_UNKNOWN;
        return true;
    }
    sn_shape r = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int d = 0; d < r.rank; d++) {
        int da = d - (r.rank - a->rank), db = d - (r.rank - b->rank);
        if (!broadcast_dim(da < 0 ? 1 : a->dims[da], db < 0 ? 1 : b->dims[db], &r.dims[d])) return false;
    }
    *out = r;
    return true;
}

int64_t sn_dims_product(const int64_t *dims, int n)
{
    int64_t number = 1, other = 1;
    for (int d = 0; d < n; d++) {
        if (dims[d] == 0) return 0;
        if (sn_dim_is_number(dims[d])) {
            if (__builtin_mul_overflow(number, dims[d], &number)) return SN_DIM_UNKNOWN;
        } else {
            other = other == 1 ? dims[d] : SN_DIM_UNKNOWN;
        }
    }
    if (other == 1) return sn_dim_is_number(number) ? number : SN_DIM_UNKNOWN;
    return number == 1 ? other : SN_DIM_UNKNOWN;
}

/* ---------------------------------------------------------------------------------------------------- ready-made */

sinter_status sn_infer_same(sn_infer *x)
{
    if (x->n_out > 0 && sn_infer_has(x, 0)) x->out[0].type = x->in[0].type;
    return SINTER_OK;
}

static sinter_status broadcast_clash(sn_infer *x, size_t i, const sn_shape *so_far)
{
    char a[SN_SHAPE_TEXT], b[SN_SHAPE_TEXT];
    return sn_infer_fail(x, "input %zu of shape %s does not broadcast with %s", i,
                         sn_shape_text(sn_infer_shape(x, i), x->model ? x->model->symbols : NULL, a, sizeof a),
                         sn_shape_text(so_far, x->model ? x->model->symbols : NULL, b, sizeof b));
}

sinter_status sn_infer_broadcast_all(sn_infer *x)
{
    sn_shape shape = *sn_infer_shape(x, 0);
    for (size_t i = 1; i < x->n_in; i++) {
        if (!sn_infer_has(x, i)) continue;
        if (!sn_infer_broadcast(&shape, sn_infer_shape(x, i), &shape)) return broadcast_clash(x, i, &shape);
    }
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 0), &shape);
    return SINTER_OK;
}
