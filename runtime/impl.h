/*
 * impl.h - how an operator is made fast. The implementation table (impls.def) is tried best first when a plan is built;
 * the reference of ops/ is the implicit last entry, and the oracle that every implementation is tested against.
 *
 * To add one: a row, sn_impl_<name>, in a file of runtime/ (over kernels in runtime/kernels/), its line in impls.def,
 * and its test.
 */
#ifndef SN_RUNTIME_IMPL_H
#define SN_RUNTIME_IMPL_H

#include "ops/infer.h"
#include "runtime/kernels/kernels.h"
#include "runtime/packs.h"
#include "runtime/pool.h"

/* How the elements of a value lie in memory. Belongs to the plan's value, never to the graph. */
typedef enum sn_layout {
    SN_LAYOUT_PLAIN,        /* dense, row-major, as in ONNX */
    SN_LAYOUT_CHANNELS_LAST /* of [N, C, D1, ..., Dn]: dense as [N, D1, ..., Dn, C] */
} sn_layout;

/* Axis number i, from the outermost on, of a value in memory. */
int sn_layout_axis(sn_layout layout, int rank, int i);
/* Elements from one index to the next on each axis of a value; its shape is static. */
void sn_layout_strides(const sn_shape *shape, sn_layout layout, size_t stride[SN_MAX_RANK]);

/* Following nodes that the step does in one go: y = activation(result + bias + residual). What there is of the two are
 * inputs behind those of the node: first the residual, then the bias. */
typedef struct sn_fusion {
    bool residual; /* of the output's shape and layout */
    bool bias;     /* one value a column: MatMul only */
    sn_activation activation;
} sn_fusion;

/* A node as a plan sees it: concrete facts of inputs and outputs, all shapes static, every output wanted by somebody.
 */
typedef struct sn_impl_site {
    const sn_model *model;
    sn_node_id node;
    const sn_op *op;
    int version;        /* the opset version that the node lives in */
    const void *params; /* of op->prepare */
    size_t n_in, n_out;
    const sn_value_id *in_id;
    const sn_fact *in;
    const sn_fact *out;
    const sn_layout *in_layout; /* in which each input exists already; another costs a reordering */
    sn_fusion fusion;           /* for rows that can fuse */
    bool plain_out;             /* the output becomes one of the model, as it is or by steps that may be fused: it is
                                 * wanted plain */
    bool no_winograd;           /* as in sinter_session_options */
    int threads;                /* of the pool: for splits and scratch, never for the choice of algorithm */
    const sn_kernels *kernels;
    sn_packs *packs;
    sinter_pool *pool; /* to pack with */
    sn_arena *arena;   /* lives as long as the plan */
} sn_impl_site;

/* The layouts that an implementation reads and gives; preset to plain. The planner reorders what lies otherwise. */
typedef struct sn_impl_layouts {
    sn_layout *in; /* n_in entries; a residual lies as the output does */
    sn_layout out; /* of all outputs */
} sn_impl_layouts;

/* What run gets: raw pointers, everything else was settled in prepare. */
typedef struct sn_impl_run {
    const void *state; /* what prepare returned */
    const void *const
        *in; /* n_in, then the residual if there is one; NULL: left out. A constant that was packed: not to be read */
    size_t n_in; /* of the node */
    void *const *out;
    void *scratch;       /* SN_ALIGNMENT-aligned */
    size_t scratch_size; /* what prepare asked for or more: the same for all steps of a plan */
    sinter_pool *pool;   /* NULL: serial */
} sn_impl_run;

/* The weights that a step reads once, and those that come next: asked for while the step computes, they are in cache
 * when their step begins. The planner fills in what comes next, the step before that does the asking. */
typedef struct sn_weight_stream {
    const float *weights; /* NULL: there are none yet */
    size_t floats;
    const float *next;
    size_t next_floats;
} sn_weight_stream;

typedef struct sn_impl {
    const char *domain, *op_type;
    const char *name; /* as shown by `bench` */
    bool fuses;       /* takes any sn_fusion */
    bool by_image;    /* output i along dimension 0 follows from i of the inputs that are no constants */
    bool streams;     /* its state begins with an sn_weight_stream */
    /* Can it do this? */
    bool (*accepts)(const sn_impl_site *site, sn_impl_layouts *layouts);
    /* Is it, of what it accepts, expected to be the fastest that no row before it is? NULL: always. */
    bool (*prefers)(const sn_impl_site *site);
    /* Returns the state in *state (from site->arena) and the scratch bytes that run needs. */
    sinter_status (*prepare)(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err);
    void (*run)(const sn_impl_run *r);
    /* How the constant input 1 is packed, when that follows from its shape and the attributes alone: the session then
     * packs it once for all plans and lets the original go. False: not packed. NULL: this row packs nothing. */
    bool (*weights)(const void *params, const sn_shape *weight, sn_pack_form *form);
} sn_impl;

/* The first row that accepts and prefers, or NULL: use the reference. */
const sn_impl *sn_impl_find(const sn_impl_site *site, sn_impl_layouts *layouts);
/* The first row behind `row` (NULL: of all) that accepts. */
const sn_impl *sn_impl_next(const sn_impl *row, const sn_impl_site *site, sn_impl_layouts *layouts);
/* row->accepts, with the layouts preset. */
bool sn_impl_accepts(const sn_impl *row, const sn_impl_site *site, sn_impl_layouts *layouts);
/* May steps of this operator fuse with what follows? */
bool sn_impl_fuses(const sn_op *op);
/* The form of the first row of the operator that packs this weight. */
bool sn_impl_weights(const sn_op *op, const void *params, const sn_shape *weight, sn_pack_form *form);

/* The rows. */
#define SN_IMPL(row) extern const sn_impl sn_impl_##row;
#include "runtime/impls.def"
#undef SN_IMPL

/* For `accepts`: are these inputs (or outputs) present float tensors? */
static inline bool sn_fact_is_float(const sn_fact *f)
{
    return f->present && f->type.kind == SINTER_KIND_TENSOR && f->type.dtype == SINTER_FLOAT;
}
static inline bool sn_site_has(const sn_impl_site *site, size_t i)
{
    return i < site->n_in && site->in[i].present;
}
static inline const sn_shape *sn_site_in(const sn_impl_site *site, size_t i)
{
    return &site->in[i].type.shape;
}
/* The weights, input 1, when they are a constant of the model, so that all plans can share their pack; else NULL. What
 * inference knows from the shapes of one plan may be something else in the next. */
static inline const sinter_value *sn_site_weights(const sn_impl_site *site)
{
    const sinter_value *known = site->in[1].constant;
    return known && known == sn_constant(site->model, site->in_id[1]) ? known : NULL;
}
static inline const sn_shape *sn_site_out(const sn_impl_site *site)
{
    return &site->out[0].type.shape;
}
static inline size_t sn_divide_up(size_t n, size_t d)
{
    return (n + d - 1) / d;
}
static inline size_t sn_round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

/* Work below which waking other threads costs more than it gains. */
#define SN_SERIAL_FLOPS 100000 /* multiply-adds */
#define SN_GRAIN        8192   /* elements of a memory-bound step */

#endif
