/*
 * Gemm and MatMul. The work is split into rectangles of the output. A transposed B needs no packing at all: PyTorch's
 * Linear is stored that way.
 */
#include "ops/matmul.h"
#include "runtime/impl.h"

#define SERIAL_WORK 65536 /* multiply-adds below which waking others costs more than it gains */
#define N_UNIT      256   /* columns of a unit of work */

typedef struct product_state {
    const sn_kernels *kernels;
    size_t m, n, k;
    size_t batch;
    const size_t *a_offset, *b_offset; /* of each product of the batch */
    bool transpose_a, transpose_b;
    /* Gemm: Y = alpha * AB + beta * C */
    float alpha, beta;
    bool has_c;
    size_t c_row, c_col;
    size_t m_step, n_step, m_units, n_units;
} product_state;

static size_t round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

static size_t divide_up(size_t n, size_t d)
{
    return (n + d - 1) / d;
}

/* With a transposed B the kernel walks over all rows of A for each few of B: columns are split as finely as threads ask
 * for. */
static void set_units(product_state *s, int threads)
{
    if (s->m == 0 || s->n == 0 || s->batch == 0) return; /* nothing to compute takes no units */
    size_t wanted = (size_t)threads;
    size_t n_units = s->transpose_b ? wanted * 2 : divide_up(s->n, N_UNIT);
    s->n_step = round_up(divide_up(s->n, n_units), s->transpose_b ? 4 : s->kernels->columns);
    s->n_units = divide_up(s->n, s->n_step);
    size_t have = s->n_units * s->batch;
    s->m_step = round_up(divide_up(s->m, divide_up(wanted, have)), 4);
    s->m_units = divide_up(s->m, s->m_step);
}

static bool all_float(const sn_impl_site *site)
{
    size_t count;
    for (size_t i = 0; i < site->n_in; i++) {
        if (!site->in[i].present) continue;
        if (!sn_fact_is_float(&site->in[i])) return false;
        if (!sn_shape_count(&site->in[i].type.shape, &count) || count == 0) return false;
    }
    return sn_fact_is_float(&site->out[0]) && sn_shape_count(&site->out[0].type.shape, &count) && count > 0;
}

/* ---------------------------------------------------------------------------------------------------- run */

typedef struct product_call {
    const product_state *s;
    const float *a, *b, *c;
    float *y;
    float *scratch;
} product_call;

/* Y = alpha * Y + beta * C on a rectangle. */
static void finish(const product_call *x, size_t m0, size_t m1, size_t n0, size_t n1)
{
    const product_state *s = x->s;
    for (size_t i = m0; i < m1; i++) {
        float *y = x->y + i * s->n;
        const float *c = x->c ? x->c + i * s->c_row : NULL;
        if (s->alpha != 1) {
            for (size_t j = n0; j < n1; j++) y[j] *= s->alpha;
        }
        if (!c) continue;
        if (s->beta == 1 && s->c_col == 1) {
            for (size_t j = n0; j < n1; j++) y[j] += c[j];
        } else {
            for (size_t j = n0; j < n1; j++) y[j] += s->beta * c[j * s->c_col];
        }
    }
}

static void product_units(void *context, size_t begin, size_t end, int worker)
{
    const product_call *x = context;
    const product_state *s = x->s;
    for (size_t i = begin; i < end; i++) {
        size_t n = i % s->n_units, m = i / s->n_units % s->m_units, batch = i / s->n_units / s->m_units;
        sn_matmul p = {.m = s->m,
                       .n = s->n,
                       .k = s->k,
                       .a = x->a + (s->a_offset ? s->a_offset[batch] : 0),
                       .a_row = s->k,
                       .b = x->b + (s->b_offset ? s->b_offset[batch] : 0),
                       .b_row = s->transpose_b ? s->k : s->n,
                       .c = x->y + batch * s->m * s->n,
                       .c_row = s->n};
        size_t m0 = m * s->m_step, n0 = n * s->n_step;
        size_t m1 = m0 + s->m_step < s->m ? m0 + s->m_step : s->m, n1 = n0 + s->n_step < s->n ? n0 + s->n_step : s->n;
        if (s->transpose_b) {
            s->kernels->matmul_transposed(&p, m0, m1, n0, n1);
        } else {
            s->kernels->matmul(&p, m0, m1, n0, n1, x->scratch + (size_t)worker * round_up(s->kernels->scratch, 16));
        }
        if (s->alpha != 1 || x->c) finish(x, m0, m1, n0, n1);
    }
}

static void run(const product_call *x, sinter_pool *pool)
{
    const product_state *s = x->s;
    bool serial = s->batch * s->m * s->n * s->k < SERIAL_WORK;
    sn_parallel_for(serial ? NULL : pool, s->batch * s->m_units * s->n_units, 1, product_units, (void *)x);
}

static size_t transposed_floats(const product_state *s)
{
    return s->transpose_a ? round_up(s->m * s->k, 16) : 0;
}

static size_t scratch_bytes(const product_state *s, int threads)
{
    return (transposed_floats(s) + (size_t)threads * round_up(s->kernels->scratch, 16)) * sizeof(float);
}

/* ---------------------------------------------------------------------------------------------------- Gemm */

bool sn_gemm_impl_accepts(const sn_impl_site *site)
{
    return all_float(site) && (!sn_site_has(site, 2) || site->in[2].type.shape.rank <= 2);
}

/* C broadcasts to [m, n]. */
static void set_c(product_state *s, const sn_shape *c)
{
    int64_t rows = c->rank == 2 ? c->dims[0] : 1, columns = c->rank > 0 ? c->dims[c->rank - 1] : 1;
    s->has_c = true;
    s->c_row = rows > 1 ? (size_t)columns : 0;
    s->c_col = columns > 1 ? 1 : 0;
}

sinter_status sn_gemm_impl_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    const sn_gemm_params *params = site->params;
    product_state *s = SN_ARENA_NEW(site->arena, product_state);
    if (!s) return sn_no_memory(err, "preparing a matrix product");
    sn_gemm_sizes sizes;
    SN_TRY(sn_gemm_geometry(params, &site->in[0].type.shape, &site->in[1].type.shape, &sizes, err));
    *s = (product_state){.kernels = site->kernels,
                         .m = (size_t)sizes.m,
                         .n = (size_t)sizes.n,
                         .k = (size_t)sizes.k,
                         .batch = 1,
                         .transpose_a = params->trans_a,
                         .transpose_b = params->trans_b,
                         .alpha = params->alpha,
                         .beta = params->beta};
    if (sn_site_has(site, 2)) set_c(s, &site->in[2].type.shape);
    set_units(s, site->threads);
    *state = s;
    *scratch_size = scratch_bytes(s, site->threads);
    return SINTER_OK;
}

static void transpose(const float *a, size_t rows, size_t columns, float *out)
{
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++) out[j * rows + i] = a[i * columns + j];
    }
}

void sn_gemm_impl_run(const sn_impl_run *r)
{
    const product_state *s = r->state;
    product_call x = {.s = s,
                      .a = r->in[0],
                      .b = r->in[1],
                      .c = s->has_c ? r->in[2] : NULL,
                      .y = r->out[0],
                      .scratch = (float *)r->scratch + transposed_floats(s)};
    if (s->transpose_a) {
        transpose(r->in[0], s->k, s->m, r->scratch);
        x.a = r->scratch;
    }
    run(&x, r->pool);
}

/* ---------------------------------------------------------------------------------------------------- MatMul */

bool sn_matmul_impl_accepts(const sn_impl_site *site)
{
    return all_float(site);
}

/* Where each matrix of the broadcast batch begins in an operand of shape `s`. */
static const size_t *batch_offsets(const sn_shape *s, const sn_shape *batch, size_t count, size_t matrix,
                                   sn_arena *arena)
{
    size_t *offsets = SN_ARENA_ARRAY(arena, size_t, count);
    int own = s->rank - 2;
    for (size_t i = 0; offsets && i < count; i++) {
        size_t rest = i, stride = matrix;
        for (int d = batch->rank - 1, k = own - 1; k >= 0; d--, k--) {
            size_t index = rest % (size_t)batch->dims[d];
            rest /= (size_t)batch->dims[d];
            if (s->dims[k] > 1) offsets[i] += index * stride;
            stride *= (size_t)s->dims[k];
        }
    }
    return offsets;
}

sinter_status sn_matmul_impl_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    const sn_shape *a = &site->in[0].type.shape, *b = &site->in[1].type.shape;
    product_state *s = SN_ARENA_NEW(site->arena, product_state);
    if (!s) return sn_no_memory(err, "preparing a matrix product");
    sn_matmul_sizes sizes;
    SN_TRY(sn_matmul_geometry(a, b, &sizes, err));
    *s = (product_state){.kernels = site->kernels,
                         .m = (size_t)sizes.m,
                         .n = (size_t)sizes.n,
                         .k = (size_t)sizes.k,
                         .batch = (size_t)sn_shape_product(&sizes.batch, 0, sizes.batch.rank),
                         .alpha = 1};
    if (b->rank <= 2) { /* one matrix for all: the batch is more rows */
        s->m *= s->batch;
        s->batch = 1;
    } else {
        s->a_offset = batch_offsets(a, &sizes.batch, s->batch, s->m * s->k, site->arena);
        s->b_offset = batch_offsets(b, &sizes.batch, s->batch, s->k * s->n, site->arena);
        if (!s->a_offset || !s->b_offset) return sn_no_memory(err, "preparing a matrix product");
    }
    set_units(s, site->threads);
    *state = s;
    *scratch_size = scratch_bytes(s, site->threads);
    return SINTER_OK;
}

void sn_matmul_impl_run(const sn_impl_run *r)
{
    const product_state *s = r->state;
    product_call x = {.s = s, .a = r->in[0], .b = r->in[1], .y = r->out[0], .scratch = r->scratch};
    run(&x, r->pool);
}
