/*
 * Gemm and MatMul on packed weights. A constant B is packed once per session; one that is computed is packed by each
 * run. Gemm's C is a bias when it has one row, and else what an addition behind the product would be.
 */
#include "ops/matmul.h"
#include "runtime/product.h"

#include "base/size.h"

typedef struct matmul_state {
    sn_weight_stream stream; /* first: sn_impl.streams */
    sn_product_plan product;
    sn_pack_form form;
    const float *packed; /* NULL: B is packed by each run, into scratch */
    const float *scale, *bias;
    bool has_c, c_is_bias;
    bool fused_residual, fused_bias;
    bool transpose_a;
    size_t a_floats, b_floats; /* of scratch */
} matmul_state;

static bool is_floats(const sn_impl_site *site, size_t i)
{
    return !sn_site_has(site, i) || sn_fact_is_float(&site->in[i]);
}

static bool all_floats(const sn_impl_site *site)
{
    return is_floats(site, 0) && is_floats(site, 1) && is_floats(site, 2) && sn_fact_is_float(&site->out[0]);
}

/* Sets what the run reads of B, and the scratch that it needs. */
static sinter_status settle_weights(matmul_state *s, const sn_impl_site *site, size_t *scratch_size, sinter_error *err)
{
    size_t floats = sn_pack_floats(site->kernels, &s->form);
    if (floats == SIZE_MAX) return sn_fail(err, SINTER_TOO_LARGE, "packing a matrix: it is too large");
    if (sn_site_weights(site)) {
        s->packed = sn_packs_direct(site->packs, site->in_id[1], &s->form, sn_site_weights(site), site->pool);
        if (!s->packed) return sn_no_memory(err, "packing the weights");
        s->stream = (sn_weight_stream){.weights = s->packed, .floats = floats};
    } else {
        s->b_floats = sn_aligned_floats(floats);
    }
    s->a_floats = s->transpose_a ? sn_aligned_floats(s->product.gemm.m * s->product.gemm.kc) : 0;
    *scratch_size = (s->a_floats + s->b_floats) * sizeof(float);
    sn_product_split(&s->product, site->threads);
    return SINTER_OK;
}

/* A of [k][m] to [m][k]. */
static void transpose_a(const matmul_state *s, const float *a, float *to)
{
    const sn_layout_kernels *k = s->product.kernels->layout;
    size_t m = s->product.gemm.m, kc = s->product.gemm.kc;
    sn_transpose t = {.batch = 1, .rows = kc, .columns = m, .x = a, .x_row = m, .y = to, .y_row = kc};
    k->transpose(&t, 0, k->transpose_units(&t));
}

static void matmul_run(const sn_impl_run *r)
{
    const matmul_state *s = r->state;
    const float *a = r->in[0], *b = s->packed;
    float *scratch = r->scratch;
    if (s->transpose_a) {
        transpose_a(s, a, scratch);
        a = scratch;
    }
    if (!b) {
        sn_pack(s->product.kernels, &s->form, r->in[1], scratch + s->a_floats, s->product.serial ? NULL : r->pool);
        b = scratch + s->a_floats;
    }
    sn_epilogue e = {.scale = s->scale, .bias = s->bias};
    if (s->has_c && s->c_is_bias && !s->bias) e.bias = r->in[2];
    if (s->has_c && !s->c_is_bias) e.residual = r->in[2];
    if (s->fused_residual) e.residual = r->in[r->n_in];
    if (s->fused_bias) e.bias = r->in[r->n_in + s->fused_residual];
    sn_product_run(&s->product, a, b, r->out[0], &e, &s->stream, r->pool);
}

/* ---------------------------------------------------------------------------------------------------- Gemm */

static sn_pack_form gemm_form(bool trans_b, size_t n, size_t k)
{
    return (sn_pack_form){.kind = SN_PACK_GEMM,
                          .groups = 1,
                          .source = {.taps = 1,
                                     .kc = k,
                                     .n = n,
                                     .channel_pitch = trans_b ? 1 : (ptrdiff_t)n,
                                     .column_pitch = trans_b ? (ptrdiff_t)k : 1}};
}

static bool gemm_weights(const void *params, const sn_shape *weight, sn_pack_form *form)
{
    const sn_gemm_params *p = params;
    if (weight->rank != 2) return false;
    size_t rows = (size_t)weight->dims[0], columns = (size_t)weight->dims[1];
    *form = p->trans_b ? gemm_form(true, rows, columns) : gemm_form(false, columns, rows);
    return true;
}

/* What C is, and whether the kernel can add it. */
static bool c_fits(const sn_impl_site *site, size_t m, size_t n, bool *is_bias)
{
    const sn_gemm_params *p = site->params;
    if (!sn_site_has(site, 2)) return true;
    const sn_shape *c = sn_site_in(site, 2);
    size_t rows = c->rank == 2 ? (size_t)c->dims[0] : 1, columns = c->rank > 0 ? (size_t)c->dims[c->rank - 1] : 1;
    bool constant = site->in[2].constant;
    *is_bias = rows == 1;
    if (rows == 1) return constant || (columns == n && p->beta == 1);
    return rows == m && columns == n && p->beta == 1 && !site->fusion.residual;
}

static bool gemm_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    sn_gemm_sizes sizes;
    bool is_bias;
    (void)layouts;
    if (!all_floats(site)) return false;
    if (sn_gemm_geometry(site->params, sn_site_in(site, 0), sn_site_in(site, 1), &sizes, NULL) != SINTER_OK)
        return false;
    return c_fits(site, (size_t)sizes.m, (size_t)sizes.n, &is_bias);
}

/* n copies of a number, or beta times a constant C of one row. */
static float *filled(sn_arena *arena, size_t n, float x)
{
    float *v = SN_ARENA_ARRAY(arena, float, n);
    for (size_t i = 0; v && i < n; i++) v[i] = x;
    return v;
}

static sinter_status settle_c(matmul_state *s, const sn_impl_site *site, sinter_error *err)
{
    const sn_gemm_params *p = site->params;
    size_t n = s->product.gemm.n;
    if (p->alpha != 1) {
        s->scale = filled(site->arena, n, p->alpha);
        if (!s->scale) return sn_no_memory(err, "preparing a matrix product");
    }
    s->has_c = sn_site_has(site, 2);
    (void)c_fits(site, s->product.gemm.m, n, &s->c_is_bias);
    const sinter_value *c = s->has_c ? site->in[2].constant : NULL;
    if (!c || !s->c_is_bias || (c->count == n && p->beta == 1)) return SINTER_OK;
    float *bias = filled(site->arena, n, 0);
    if (!bias) return sn_no_memory(err, "preparing a matrix product");
    for (size_t i = 0; i < n; i++) bias[i] = p->beta * ((const float *)c->data)[c->count == 1 ? 0 : i];
    s->bias = bias;
    return SINTER_OK;
}

static const sn_product_item one_item;

static sinter_status gemm_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    const sn_gemm_params *params = site->params;
    matmul_state *s = SN_ARENA_NEW(site->arena, matmul_state);
    if (!s) return sn_no_memory(err, "preparing a matrix product");
    sn_gemm_sizes sizes;
    SN_TRY(sn_gemm_geometry(params, sn_site_in(site, 0), sn_site_in(site, 1), &sizes, err));
    size_t m = (size_t)sizes.m, n = (size_t)sizes.n, k = (size_t)sizes.k;
    s->form = gemm_form(params->trans_b, n, k);
    s->transpose_a = params->trans_a;
    s->product = (sn_product_plan){.kernels = site->kernels, .items = &one_item, .n_items = 1};
    s->product.gemm = (sn_gemm){.m = m, .n = n, .taps = 1, .kc = k, .a_row = k, .c_row = n};
    s->product.gemm.epilogue.activation = site->fusion.activation;
    SN_TRY(settle_c(s, site, err));
    s->fused_residual = site->fusion.residual;
    if (s->fused_residual || (s->has_c && !s->c_is_bias)) s->product.gemm.epilogue.residual_row = n;
    *state = s;
    return settle_weights(s, site, scratch_size, err);
}

/* ---------------------------------------------------------------------------------------------------- MatMul */

static bool matmul_weights(const void *params, const sn_shape *weight, sn_pack_form *form)
{
    (void)params;
    if (weight->rank < 2) return false;
    size_t k = (size_t)weight->dims[weight->rank - 2], n = (size_t)weight->dims[weight->rank - 1];
    *form = gemm_form(false, n, k);
    form->groups = (size_t)sn_shape_product(weight, 0, weight->rank - 2);
    form->group_pitch = form->groups > 1 ? (ptrdiff_t)(k * n) : 0;
    return true;
}

static bool matmul_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    (void)layouts;
    return all_floats(site) && sn_site_in(site, 0)->rank >= 2 && sn_site_in(site, 1)->rank >= 2;
}

/* Which matrix of an operand of shape `s` belongs to product `i` of the broadcast batch. */
static size_t operand_index(const sn_shape *s, const sn_shape *batch, size_t i)
{
    size_t index = 0, stride = 1;
    for (int d = batch->rank - 1, k = s->rank - 3; k >= 0; d--, k--) {
        size_t at = i % (size_t)batch->dims[d];
        i /= (size_t)batch->dims[d];
        if (s->dims[k] > 1) index += at * stride;
        stride *= (size_t)s->dims[k];
    }
    return index;
}

static sinter_status list_products(matmul_state *s, const sn_impl_site *site, const sn_matmul_sizes *sizes,
                                   sinter_error *err)
{
    const sn_shape *a = sn_site_in(site, 0), *b = sn_site_in(site, 1);
    const sn_gemm *g = &s->product.gemm;
    sn_product_item *items = SN_ARENA_ARRAY(site->arena, sn_product_item, s->product.n_items);
    if (!items) return sn_no_memory(err, "preparing a matrix product");
    for (size_t i = 0; i < s->product.n_items; i++) {
        items[i] = (sn_product_item){.a = operand_index(a, &sizes->batch, i) * g->m * g->kc,
                                     .b = operand_index(b, &sizes->batch, i) * sn_pack_group(site->kernels, &s->form),
                                     .c = i * g->m * g->n};
    }
    s->product.items = items;
    return SINTER_OK;
}

static sinter_status matmul_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    const sn_shape *a = sn_site_in(site, 0), *b = sn_site_in(site, 1);
    matmul_state *s = SN_ARENA_NEW(site->arena, matmul_state);
    if (!s) return sn_no_memory(err, "preparing a matrix product");
    sn_matmul_sizes sizes;
    SN_TRY(sn_matmul_geometry(a, b, &sizes, err));
    size_t m = (size_t)sizes.m, n = (size_t)sizes.n, k = (size_t)sizes.k;
    size_t batch = (size_t)sn_shape_product(&sizes.batch, 0, sizes.batch.rank);
    (void)matmul_weights(NULL, b, &s->form);
    bool one_matrix = s->form.groups == 1 && b->rank == 2; /* for all: the batch is more rows */
    s->product = (sn_product_plan){.kernels = site->kernels, .items = &one_item, .n_items = one_matrix ? 1 : batch};
    s->product.gemm = (sn_gemm){.m = one_matrix ? m * batch : m, .n = n, .taps = 1, .kc = k, .a_row = k, .c_row = n};
    s->product.gemm.epilogue.activation = site->fusion.activation;
    s->fused_bias = site->fusion.bias;
    s->fused_residual = site->fusion.residual;
    if (s->fused_residual) s->product.gemm.epilogue.residual_row = n;
    if (!one_matrix) SN_TRY(list_products(s, site, &sizes, err));
    *state = s;
    return settle_weights(s, site, scratch_size, err);
}

const sn_impl sn_impl_gemm = {.domain = "",
                              .op_type = "Gemm",
                              .name = "gemm",
                              .fuses = true,
                              .streams = true,
                              .accepts = gemm_accepts,
                              .prepare = gemm_prepare,
                              .run = matmul_run,
                              .weights = gemm_weights};
const sn_impl sn_impl_matmul = {.domain = "",
                                .op_type = "MatMul",
                                .name = "matmul",
                                .fuses = true,
                                .streams = true,
                                .accepts = matmul_accepts,
                                .prepare = matmul_prepare,
                                .run = matmul_run,
                                .weights = matmul_weights};
