/* Splitting products: see product.h. */
#include "runtime/product.h"

#define UNITS_PER_THREAD 4   /* so that who is done early can help */
#define WORTH_FEWER      16  /* of the load: what is gained must be more to make fewer units */
#define LEAST_UNITS      2   /* for each thread, where more would cost */
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

size_t sn_balanced_step(size_t n, size_t least, size_t items, size_t threads)
{
    size_t best = smaller(at_least_one(least), at_least_one(n)), best_load = SIZE_MAX;
    if (threads <= 1) return at_least_one(n);
    for (size_t units = UNITS_PER_THREAD; units > 0; units--) {
        size_t step = sn_divide_up(n, sn_divide_up(threads * units, items));
        if (step < at_least_one(least)) continue;
        size_t load = sn_divide_up(items * sn_divide_up(n, step), threads) * step;
        if (load < best_load - best_load / WORTH_FEWER) {
            best = step;
            best_load = load;
        }
    }
    return best;
}

/* The step for what is cut only because the other cuts make too few units. */
static size_t extra_step(size_t n, size_t units, size_t threads)
{
    size_t parts = sn_divide_up(threads * LEAST_UNITS, at_least_one(units));
    return at_least_one(sn_divide_up(n, parts));
}

void sn_product_split(sn_product_plan *p, int threads)
{
    const sn_gemm *g = &p->gemm;
    const sn_gemm_kernels *k = p->kernels->gemm;
    size_t items = at_least_one(p->n_items), panels = sn_divide_up(g->n, k->nr);
    double work = (double)g->m * (double)g->n * (double)(g->taps * g->kc) * (double)p->n_items;
    p->serial = threads <= 1 || work < SN_SERIAL_FLOPS;
    p->by_rows = g->m >= MANY_ROWS;
    p->m_step = at_least_one(g->m);
    p->panel_step = at_least_one(panels);
    if (!p->serial && p->by_rows) {
        p->m_step = sn_balanced_step(g->m, TILES_PER_UNIT * k->mr, items, (size_t)threads);
        p->panel_step = extra_step(panels, items * sn_divide_up(g->m, p->m_step), (size_t)threads);
    } else if (!p->serial) {
        p->panel_step = sn_balanced_step(panels, 1, items, (size_t)threads);
        p->m_step = extra_step(g->m, items * sn_divide_up(panels, p->panel_step), (size_t)threads);
    }
    p->m_units = sn_divide_up(g->m, p->m_step);
    p->panel_units = sn_divide_up(panels, p->panel_step);
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
        size_t item = i / (p->m_units * p->panel_units), unit = i % (p->m_units * p->panel_units);
        size_t m = p->by_rows ? unit / p->panel_units : unit % p->m_units;
        size_t panel = p->by_rows ? unit % p->panel_units : unit / p->m_units;
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
