/*
 * Pattern: Gemm with a constant B, then a chain on the columns of its output; or a chain on the contraction axis of A,
 * then Gemm. Rewrite: Y = alpha * A' B' + beta * C. A chain after it scales the N axis of B, and C becomes beta * C * s
 * + t with beta = 1. A chain before it scales the K axis of B, and C becomes beta * C + alpha * (t B'). Exact up to one
 * rounding of each constant. Refuses when C is not a constant.
 */
#include "base/size.h"
#include "passes/fold.h"

#define MAX_BIAS_ELEMENTS ((size_t)1 << 24) /* of a C that must be expanded from [M, 1] to [M, N] */

typedef struct gemm {
    const sinter_value *b, *c; /* c NULL: none */
    bool trans_a, trans_b;
    size_t k, n;
    double alpha, beta;
    int64_t version;
} gemm;

static sinter_status refuse(sn_fold *f, const char *text)
{
    return sn_fail(f->why, SINTER_UNSUPPORTED, "%s %s", sn_pass_label(f->x, f->linear), text);
}

static sinter_status read_gemm(sn_fold *f, gemm *g)
{
    const sn_node *node = &f->x->model->nodes[f->linear];
    SN_TRY(sn_fold_constant(f, 1, "weight", &g->b));
    g->c = NULL;
    if (sn_node_in(node, 2) != SN_NONE) SN_TRY(sn_fold_constant(f, 2, "bias", &g->c));
    if (g->b->shape.rank != 2 || g->b->count == 0 || (g->c && (g->c->shape.rank > 2 || g->c->count == 0)))
        return refuse(f, "has constants of an impossible shape");
    g->trans_a = sn_node_int(node, "transA", 0) != 0;
    g->trans_b = sn_node_int(node, "transB", 0) != 0;
    g->k = (size_t)g->b->shape.dims[g->trans_b ? 1 : 0];
    g->n = (size_t)g->b->shape.dims[g->trans_b ? 0 : 1];
    g->alpha = sn_node_float(node, "alpha", 1.0F);
    g->beta = sn_node_float(node, "beta", 1.0F);
    g->version = sn_node_version(f->x->model, f->linear);
    return SINTER_OK;
}

/* beta * C * scale + shift per column; scale NULL: 1. Its shape is C's own, widened to N columns. */
static sinter_status fold_c(sn_fold *f, const gemm *g, const double *scale, const double *shift, sinter_value **out)
{
    *out = NULL;
    if (!g->c && sn_all_equal(shift, g->n, 0.0)) return SINTER_OK;
    const sn_shape *old = g->c ? &g->c->shape : NULL;
    size_t rows = old && old->rank == 2 ? (size_t)old->dims[0] : 1;
    size_t columns = old && old->rank > 0 ? (size_t)old->dims[old->rank - 1] : 1;
    size_t cells;
    if (columns != 1 && columns != g->n) return refuse(f, "has a C that does not fit its output");
    if (!sn_size_mul(rows, g->n, &cells) || cells > MAX_BIAS_ELEMENTS) return refuse(f, "has a C too large to fold");

    double *values = SN_ARENA_ARRAY(&f->chain->arena, double, cells);
    if (!values) return sn_pass_no_memory(f->x);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < g->n; i++) {
            double c = g->c ? g->beta * sn_load_double(g->c->dtype, g->c->data, r * columns + i % columns) : 0.0;
            values[r * g->n + i] = c * (scale ? scale[i] : 1.0) + shift[i];
        }
    int64_t dims[2] = {(int64_t)rows, (int64_t)g->n};
    bool matrix = old && old->rank == 2;
    sn_shape shape = matrix ? sn_shape_of(2, dims) : sn_shape_of(1, &dims[1]);
    return sn_weights_store(g->c ? g->c->dtype : g->b->dtype, &shape, values, "bias", out, f->why);
}

static sinter_status absorb(sn_fold *f, const gemm *g, const sn_weight_view *view, const double *scale, sinter_value *c)
{
    sinter_value *b = NULL;
    sinter_status status = SINTER_OK;
    if (!sn_all_equal(scale, view->channels, 1.0)) status = sn_weights_scale(g->b, view, scale, &b, f->why);
    if (status == SINTER_OK && c && g->version < 7 && !sn_set_attr_int(f->x->model, f->linear, "broadcast", 1))
        status = sn_pass_no_memory(f->x);
    if (status != SINTER_OK) {
        sinter_value_release(b);
        sinter_value_release(c);
        return status;
    }
    bool has_c = c != NULL;
    SN_TRY(sn_fold_commit(f, b, c));
    if (has_c) sn_remove_attr(f->x->model, f->linear, "beta");
    return SINTER_OK;
}

sinter_status sn_gemm_absorb_output(sn_fold *f)
{
    gemm g;
    SN_TRY(read_gemm(f, &g));
    double *scale, *shift;
    SN_TRY(sn_chain_compose(f->x, f->chain, 1, g.n, &scale, &shift, f->why));
    sinter_value *c;
    SN_TRY(fold_c(f, &g, scale, shift, &c));
    sn_weight_view by_row = {1, 1, g.n, g.k}, by_column = {1, g.k, g.n, 1};
    return absorb(f, &g, g.trans_b ? &by_row : &by_column, scale, c);
}

sinter_status sn_gemm_absorb_input(sn_fold *f)
{
    gemm g;
    if (f->chain->linear_slot != 0) return refuse(f, "reads it as B or C, not as A");
    SN_TRY(read_gemm(f, &g));
    double *scale, *shift;
    SN_TRY(sn_chain_compose(f->x, f->chain, g.trans_a ? 0 : 1, g.k, &scale, &shift, f->why));
    sn_weight_view by_row = {1, 1, g.k, g.n}, by_column = {1, g.n, g.k, 1};
    const sn_weight_view *view = g.trans_b ? &by_column : &by_row;

    sinter_value *c = NULL;
    if (!sn_all_equal(shift, g.k, 0.0)) {
        double *sums = SN_ARENA_ARRAY(&f->chain->arena, double, g.n);
        if (!sums) return sn_pass_no_memory(f->x);
        sn_weights_project(g.b, view, shift, !g.trans_b, sums);
        for (size_t i = 0; i < g.n; i++) sums[i] *= g.alpha;
        SN_TRY(fold_c(f, &g, NULL, sums, &c));
    }
    return absorb(f, &g, view, scale, c);
}
