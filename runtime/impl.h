/*
 * impl.h - how an operator is made fast. The implementation table (impls.def) is tried best first when a plan is built;
 * the reference of ops/ is the implicit last entry, and the oracle that every implementation is tested against.
 *
 * To add one: a file in runtime/ (over kernels in runtime/kernels/), one row in impls.def, its test.
 */
#ifndef SN_RUNTIME_IMPL_H
#define SN_RUNTIME_IMPL_H

#include "ops/infer.h"
#include "runtime/kernels/kernels.h"
#include "runtime/pool.h"

/* How the elements of a value lie in memory. Belongs to the plan's value, never to the graph. */
typedef enum sn_layout {
    SN_LAYOUT_PLAIN /* dense, row-major, as in ONNX */
} sn_layout;

/* A node as a plan sees it: concrete facts of inputs and outputs, all shapes static, every output wanted by somebody.
 */
typedef struct sn_impl_site {
    const sn_model *model;
    sn_node_id node;
    const sn_op *op;
    const void *params; /* of op->prepare */
    size_t n_in, n_out;
    const sn_fact *in;
    const sn_fact *out;
    const sn_layout *in_layout;
    int threads; /* of the pool: for splits and scratch, never for the choice of algorithm */
    const sn_kernels *kernels;
    sn_arena *arena; /* lives as long as the plan */
} sn_impl_site;

/* What run gets: raw pointers, everything else was settled in prepare. */
typedef struct sn_impl_run {
    const void *state;     /* what prepare returned */
    const void *const *in; /* n_in; NULL: left out */
    size_t n_in;
    void *const *out;
    void *scratch;     /* scratch_size bytes, SN_ALIGNMENT-aligned */
    sinter_pool *pool; /* NULL: serial */
} sn_impl_run;

typedef struct sn_impl {
    const char *domain, *op_type;
    const char *name; /* as shown by `bench` */
    bool (*accepts)(const sn_impl_site *site);
    /* Returns the state in *state (from site->arena) and the scratch bytes that run needs. */
    sinter_status (*prepare)(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err);
    void (*run)(const sn_impl_run *r);
} sn_impl;

/* The first row that accepts, or NULL: use the reference. */
const sn_impl *sn_impl_find(const sn_impl_site *site);

/* For `accepts`: are these inputs (or outputs) present float tensors? */
static inline bool sn_fact_is_float(const sn_fact *f)
{
    return f->present && f->type.kind == SINTER_KIND_TENSOR && f->type.dtype == SINTER_FLOAT;
}
static inline bool sn_site_has(const sn_impl_site *site, size_t i)
{
    return i < site->n_in && site->in[i].present;
}

/* The functions of the rows in impls.def. */
#define SN_IMPL(domain, op_type, name, function)                                                                       \
    bool sn_##function##_impl_accepts(const sn_impl_site *site);                                                       \
    sinter_status sn_##function##_impl_prepare(const sn_impl_site *site, void **state, size_t *scratch_size,           \
                                               sinter_error *err);                                                     \
    void sn_##function##_impl_run(const sn_impl_run *r);
#include "runtime/impls.def"
#undef SN_IMPL

#endif
