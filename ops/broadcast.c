/* See broadcast.h. */
#include "ops/broadcast.h"

static void operand_strides(const sn_shape *out, const sn_shape *in, size_t *strides)
{
    size_t stride = 1;
    for (int i = out->rank - 1; i >= 0; i--) {
        int j = i - (out->rank - in->rank);
        int64_t dim = j >= 0 ? in->dims[j] : 1;
        strides[i] = dim == 1 ? 0 : stride;
        stride *= (size_t)dim;
    }
}

/* Outer dimension i and the one after it are one walk when every operand steps over both in equal steps. */
static bool can_merge(const sn_broadcast *b, int i, size_t inner_dim)
{
    for (int k = 0; k < b->operands; k++)
        if (b->strides[k][i] != b->strides[k][i + 1] * inner_dim) return false;
    return true;
}

static void remove_dim(sn_broadcast *b, int at)
{
    for (int i = at; i + 1 < b->rank; i++) {
        b->dims[i] = b->dims[i + 1];
        for (int k = 0; k < b->operands; k++) b->strides[k][i] = b->strides[k][i + 1];
    }
    b->rank--;
}

static void merge(sn_broadcast *b)
{
    for (int i = b->rank - 1; i >= 0; i--)
        if (b->dims[i] == 1) remove_dim(b, i);
    for (int i = b->rank - 2; i >= 0; i--) {
        if (!can_merge(b, i, b->dims[i + 1])) continue;
        b->dims[i + 1] *= b->dims[i];
        remove_dim(b, i);
    }
}

void sn_broadcast_begin(sn_broadcast *b, const sn_shape *out, const sn_shape *const *in, int operands)
{
    *b = (sn_broadcast){.rank = out->rank, .operands = operands, .left = 1};
    for (int i = 0; i < out->rank; i++) {
        b->dims[i] = (size_t)out->dims[i];
        if (b->dims[i] == 0) b->left = 0;
    }
    if (b->left == 0) return;
    for (int k = 0; k < operands; k++) operand_strides(out, in[k], b->strides[k]);
    merge(b);
    if (b->rank == 0) {
        b->rank = 1;
        b->dims[0] = 1;
        for (int k = 0; k < operands; k++) b->strides[k][0] = 0;
    }
    b->run = b->dims[b->rank - 1];
    for (int i = 0; i < b->rank - 1; i++) b->left *= b->dims[i];
}

void sn_broadcast_next(sn_broadcast *b)
{
    b->left--;
    b->out += b->run;
    for (int i = b->rank - 2; i >= 0; i--) {
        for (int k = 0; k < b->operands; k++) b->in[k] += b->strides[k][i];
        if (++b->index[i] < b->dims[i]) return;
        for (int k = 0; k < b->operands; k++) b->in[k] -= b->strides[k][i] * b->dims[i];
        b->index[i] = 0;
    }
}

sinter_status sn_eval_broadcast_shape(sn_eval *x, const sn_shape *const *in, size_t n, sn_shape *out)
{
    *out = *in[0];
    for (size_t i = 1; i < n; i++) {
        sn_shape sum;
        if (!sn_shape_broadcast(out, in[i], &sum)) {
            char a[SN_SHAPE_TEXT], b[SN_SHAPE_TEXT];
            return sn_eval_fail(x, SINTER_INVALID_INPUT, "shapes %s and %s do not broadcast",
                                sn_shape_text(out, NULL, a, sizeof a), sn_shape_text(in[i], NULL, b, sizeof b));
        }
        *out = sum;
    }
    return SINTER_OK;
}
