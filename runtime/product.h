/*
 * product.h - what Gemm, MatMul and Conv share: products with packed weights, split over threads. The work is cut into
 * rectangles of rows and panels; how does not change any sum.
 */
#ifndef SN_RUNTIME_PRODUCT_H
#define SN_RUNTIME_PRODUCT_H

#include "runtime/impl.h"

/* Where one of several products of the same sizes begins: floats from the operands' beginnings. */
typedef struct sn_product_item {
    size_t a, b, c;
    size_t column; /* of bias and scale; the residual lies as C does */
} sn_product_item;

typedef struct sn_product_plan {
    const sn_kernels *kernels;
    sn_gemm gemm; /* sizes, window, pitches and activation; the pointers come with the run */
    const sn_product_item *items;
    size_t n_items;
    size_t m_step, m_units, panel_step, panel_units;
    bool by_rows; /* a thread's units are all panels of some rows, which it wrote itself just before; else all rows of
                   * some panels */
    bool serial;
} sn_product_plan;

/* Cuts each of `items` times n things for the threads: the step for which the busiest one has least to do, and of those
 * the one that makes most units, as somebody may be late. A step has at least `least`. */
size_t sn_balanced_step(size_t n, size_t least, size_t items, size_t threads);

/* Decides how the work is cut, once gemm and n_items are set. */
void sn_product_split(sn_product_plan *p, int threads);
/* a, b (packed), c and what of the epilogue is set are the pointers of item 0's element 0. Each unit asks for its part
 * of the stream's next weights. */
void sn_product_run(const sn_product_plan *p, const float *a, const float *b, float *c, const sn_epilogue *epilogue,
                    const sn_weight_stream *stream, sinter_pool *pool);

/* n rounded up, so that what follows it in scratch is aligned. */
static inline size_t sn_aligned_floats(size_t n)
{
    return sn_round_up(n, 16);
}

#endif
