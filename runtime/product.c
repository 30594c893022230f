/* Splitting products: see product.h. */
#include "runtime/product.h"

#define UNITS_PER_THREAD 4   /* so that who is done early can help */
#define TILES_PER_UNIT   4   /* of rows: a panel of weights is read once for so many */
#define MANY_ROWS        196 /* from here on rows are split, below columns: 7x7 maps and fully connected layers */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t at_least_one(size_t n)
{
    return n > 0 ? n : 1;
}

/* In how many parts rows or panels are cut. Where cutting one of them is not enough for all threads, both are. */
static void count_parts(size_t tiles, size_t panels, size_t m, size_t threads, size_t items, size_t *m_parts,
                        size_t *panel_parts)
{
    size_t wanted = sn_divide_up(threads * UNITS_PER_THREAD, items);
    *m_parts = *panel_parts = 1;
    if (m >= MANY_ROWS) {
        *m_parts = smaller(wanted, sn_divide_up(tiles, TILES_PER_UNIT));
        if (*m_parts * items < threads)
            *panel_parts = smaller(panels, sn_divide_up(threads, at_least_one(*m_parts * items)));
    } else {
        *panel_parts = smaller(wanted, panels);
        if (*panel_parts * items < threads)
            *m_parts = smaller(tiles, sn_divide_up(threads, at_least_one(*panel_parts * items)));
    }
}

void sn_product_split(sn_product_plan *p, int threads)
{
    const sn_gemm *g = &p->gemm;
    const sn_gemm_kernels *k = p->kernels->gemm;
    size_t items = at_least_one(p->n_items), m_parts = 1, panel_parts = 1;
    size_t tiles = at_least_one(sn_divide_up(g->m, k->mr)), panels = at_least_one(sn_divide_up(g->n, k->nr));
    double work = (double)g->m * (double)g->n * (double)(g->taps * g->kc) * (double)p->n_items;
    p->serial = threads <= 1 || work < SN_SERIAL_FLOPS;
    if (!p->serial) count_parts(tiles, panels, g->m, (size_t)threads, items, &m_parts, &panel_parts);
    p->m_step = sn_divide_up(tiles, at_least_one(m_parts)) * k->mr;
    p->m_units = sn_divide_up(g->m, p->m_step);
    p->panel_step = sn_divide_up(panels, at_least_one(panel_parts));
    p->panel_units = sn_divide_up(sn_divide_up(g->n, k->nr), p->panel_step);
}

typedef struct call {
    const sn_product_plan *p;
    const float *a, *b;
    float *c;
    const sn_epilogue *epilogue;
    const sn_weight_stream *stream;
} call;

static const float *offset(const float *p, size_t n)
{
    return p ? p + n : NULL;
}

static void run_units(void *context, size_t begin, size_t end, int worker)
{
    const call *x = context;
    const sn_product_plan *p = x->p;
    (void)worker;
    size_t panels = sn_divide_up(p->gemm.n, p->kernels->gemm->nr), units = p->n_items * p->m_units * p->panel_units;
    for (size_t i = begin; i < end; i++) {
        size_t m = i % p->m_units, panel = i / p->m_units % p->panel_units, item = i / p->m_units / p->panel_units;
        const sn_product_item *at = &p->items[item];
        sn_gemm g = p->gemm;
        g.a = x->a + at->a;
        g.b = x->b + at->b;
        g.c = x->c + at->c;
        g.epilogue.scale = offset(x->epilogue->scale, at->column);
        g.epilogue.bias = offset(x->epilogue->bias, at->column);
        g.epilogue.residual = offset(x->epilogue->residual, at->c); /* lies as C does */
        g.next_size = x->stream->next_floats / units;
        g.next = offset(x->stream->next, i * g.next_size);
        size_t m0 = m * p->m_step, p0 = panel * p->panel_step;
        p->kernels->gemm->run(&g, m0, smaller(m0 + p->m_step, g.m), p0, smaller(p0 + p->panel_step, panels));
    }
}

void sn_product_run(const sn_product_plan *p, const float *a, const float *b, float *c, const sn_epilogue *epilogue,
                    const sn_weight_stream *stream, sinter_pool *pool)
{
    call x = {.p = p, .a = a, .b = b, .c = c, .epilogue = epilogue, .stream = stream};
    sn_parallel_for(p->serial ? NULL : pool, p->n_items * p->m_units * p->panel_units, 1, run_units, &x);
}
