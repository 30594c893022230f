/* Where: picks elements of X or Y, by size, so that every type takes the same path. */
#include "ops/broadcast.h"
#include "ops/typed.h"

static void pick_by_size(size_t element, const uint8_t *condition, size_t step_c, const char *a, size_t step_a,
                         const char *b, size_t step_b, char *out, size_t n)
{
#define PICK(size)                                                                                                     \
    for (size_t i = 0; i < n; i++)                                                                                     \
    memcpy(out + i * (size), condition[i * step_c] ? a + i * step_a * (size) : b + i * step_b * (size), (size))
    switch (element) {
    case 1: PICK(1); break;
    case 2: PICK(2); break;
    case 4: PICK(4); break;
    case 8: PICK(8); break;
    default: PICK(16);
    }
#undef PICK
}

static void infer_elements(sn_infer *x)
{
    const sinter_value *condition = x->in[0].constant;
    const sn_fact *a = &x->in[1], *b = &x->in[2];
    const sn_shape *out = &x->out[0].type.shape;
    if (out->rank < 0 || out->rank > 1 || !condition || !a->known || !b->known) return;
    if (condition->kind != SINTER_KIND_TENSOR || condition->dtype != SINTER_BOOL) return;
    size_t n;
    if (!sn_shape_count(out, &n) || n > SN_MAX_KNOWN) return;
    const size_t counts[] = {condition->count, a->n_known, b->n_known};
    for (size_t i = 0; i < 3; i++)
        if (counts[i] != 1 && counts[i] != n) return;
    const uint8_t *c = condition->data;
    int64_t known[SN_MAX_KNOWN];
    for (size_t i = 0; i < n; i++)
        known[i] = c[counts[0] == 1 ? 0 : i] ? a->known[counts[1] == 1 ? 0 : i] : b->known[counts[2] == 1 ? 0 : i];
    sn_infer_known(x, 0, known, n);
}

static sinter_status infer_where(sn_infer *x)
{
    sn_shape shape = *sn_infer_shape(x, 0);
    for (size_t i = 1; i < 3; i++) {
        sn_shape so_far = shape;
        if (!sn_infer_broadcast(&so_far, sn_infer_shape(x, i), &shape)) {
            char a[SN_SHAPE_TEXT], b[SN_SHAPE_TEXT];
            return sn_infer_fail(x, "shapes %s and %s do not broadcast", sn_shape_text(&so_far, NULL, a, sizeof a),
                                 sn_shape_text(sn_infer_shape(x, i), NULL, b, sizeof b));
        }
    }
    sn_infer_tensor(x, 0, sn_infer_dtype(x, 1), &shape);
    if (x->n_out > 0) infer_elements(x);
    return SINTER_OK;
}

static sinter_status eval_where(sn_eval *x)
{
    const sn_shape *const shapes[] = {&x->in[0]->shape, &x->in[1]->shape, &x->in[2]->shape};
    const sinter_value *a = x->in[1], *b = x->in[2];
    sn_shape shape;
    SN_TRY(sn_eval_broadcast_shape(x, shapes, 3, &shape));
    sinter_value *out;
    SN_TRY(sn_eval_output(x, 0, a->dtype, &shape, &out));
    const uint8_t *condition = x->in[0]->data;
    size_t element = sn_dtypes[a->dtype].size;
    sn_broadcast w;
    for (sn_broadcast_begin(&w, &shape, shapes, 3); w.left; sn_broadcast_next(&w))
        pick_by_size(element, condition + w.in[0], sn_broadcast_step(&w, 0), sn_at(a->data, w.in[1], element),
                     sn_broadcast_step(&w, 1), sn_at(b->data, w.in[2], element), sn_broadcast_step(&w, 2),
                     sn_at_mutable(out->data, w.out, element), w.run);
    return SINTER_OK;
}

const sn_op sn_ops_where[] = {
    {"", "Where", 9, "condition:bool, X:T, Y:T -> output:T; T=@all", 0, 0, 0, NULL, infer_where, eval_where},
    {0},
};
