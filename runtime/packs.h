/*
 * packs.h - the weights of a session in the form that kernels read. What is packed depends on the weight alone, not on
 * a plan's shapes, so that all plans of a session share it.
 *
 * The direct pack is the master copy: it is made when the session is created, the model's own tensor is then let go
 * ("hollow"), and other forms (Winograd) are derived from it when a plan first wants them. Should a plan need the plain
 * tensor after all - a step whose shapes are known only when it runs is done by the reference - it is unpacked again,
 * exactly.
 *
 * Thread-safe: plans are built on several threads at once.
 */
#ifndef SN_RUNTIME_PACKS_H
#define SN_RUNTIME_PACKS_H

#include "graph/graph.h"
#include "ops/infer.h"
#include "runtime/kernels/kernels.h"
#include "runtime/pool.h"

typedef enum sn_pack_kind {
    SN_PACK_GEMM,    /* `groups` matrices for sn_gemm_kernels, one after the other */
    SN_PACK_PHASES,  /* likewise, for each phase of a transposed convolution: runtime/phases.h */
    SN_PACK_GROUPED, /* for sn_grouped_kernels */
} sn_pack_kind;

/* How a tensor becomes a pack: element (group, tap, channel, column) is at the sum of index times pitch. */
typedef struct sn_pack_form {
    sn_pack_kind kind;
    size_t groups;
    ptrdiff_t group_pitch;
    sn_gemm_source source;                               /* of one group; b is not set */
    size_t kernel[SN_WINDOW_AXES], step[SN_WINDOW_AXES]; /* SN_PACK_PHASES */
} sn_pack_form;

bool sn_pack_form_eq(const sn_pack_form *a, const sn_pack_form *b);

typedef struct sn_packs sn_packs;

/* Packs every constant of the main graph whose readers all want the same form of it, and hollows it. */
SINTER_CHECK sinter_status sn_packs_create(sn_model *m, const sn_prepared_model *prepared, const sn_kernels *kernels,
                                           sinter_pool *pool, sn_packs **out, sinter_error *err);
void sn_packs_free(sn_packs *p);
/* An empty table in front of p: it gives the packs that p has, and keeps those that p lacks for itself, until it is
 * freed. For packs of which it is not known yet whether they will be used. NULL when memory is out. */
sn_packs *sn_packs_in_front(sn_packs *p);

/* The direct pack of a constant, made now if the session did not. NULL when memory is out. */
const float *sn_packs_direct(sn_packs *p, sn_value_id id, const sn_pack_form *form, const sinter_value *constant,
                             sinter_pool *pool);
/* A pack of `floats` floats that make(context, direct pack, memory) derives from the direct one, once per kind `make`.
 */
typedef void (*sn_pack_maker)(void *context, const float *direct, float *out);
const float *sn_packs_derived(sn_packs *p, sn_value_id id, const float *direct, size_t floats, sn_pack_maker make,
                              void *context);

/* Of all packs. */
size_t sn_packs_bytes(sn_packs *p);

/* Was the tensor let go? */
bool sn_packs_is_hollow(const sn_packs *p, sn_value_id id);
/* A plain tensor with the elements of a hollow one: a new reference. */
SINTER_CHECK sinter_status sn_packs_restore(sn_packs *p, sn_value_id id, sinter_value **out, sinter_error *err);

/* Packs into caller's memory of sn_pack_floats floats: for weights that are computed at run time. */
size_t sn_pack_floats(const sn_kernels *k, const sn_pack_form *form); /* SIZE_MAX when it overflows */
void sn_pack(const sn_kernels *k, const sn_pack_form *form, const float *from, float *to, sinter_pool *pool);
/* Floats between the packs of two groups. */
size_t sn_pack_group(const sn_kernels *k, const sn_pack_form *form);

#endif
