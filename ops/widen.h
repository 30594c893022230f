/*
 * widen.h - operators that compute in a few types whatever the tensor's: 16-bit floats become float once, when a tensor
 * is loaded, and are rounded once, when the result is stored.
 */
#ifndef SN_OPS_WIDEN_H
#define SN_OPS_WIDEN_H

#include "ops/op.h"
#include "ops/typed.h"

/* FLOAT for float16 and bfloat16, else the type itself. */
sinter_dtype sn_wide_dtype(sinter_dtype dtype);
/* The elements of `v` in its wide type: its own memory, or a converted copy in scratch. NULL stays NULL. */
SINTER_CHECK sinter_status sn_widen(sn_eval *x, const sinter_value *v, const void **out);

/* An output that is computed in the wide type of its dtype. */
typedef struct sn_wide_output {
    sinter_value *value;
    void *data; /* value's memory, or scratch */
} sn_wide_output;

SINTER_CHECK sinter_status sn_wide_output_open(sn_eval *x, size_t i, sinter_dtype dtype, const sn_shape *shape,
                                               sn_wide_output *out);
void sn_wide_output_close(const sn_wide_output *out); /* rounds what was computed into the value */

/* Elements [offset, offset + n) of a numeric tensor as doubles, and back, rounded once. */
static inline void sn_read_row(const sinter_value *v, size_t offset, size_t n, double *out)
{
    sn_load_doubles(v->dtype, sn_at(v->data, offset, sinter_dtype_size(v->dtype)), n, out);
}
static inline void sn_write_row(sinter_value *v, size_t offset, size_t n, const double *in)
{
    sn_store_doubles(v->dtype, in, n, sn_at_mutable(v->data, offset, sinter_dtype_size(v->dtype)));
}

/* n doubles of scratch; SINTER_NO_MEMORY, with a text, when there are none. */
SINTER_CHECK sinter_status sn_scratch_doubles(sn_eval *x, size_t n, double **out);
/* The same, holding all elements of `v`. NULL stays NULL. */
SINTER_CHECK sinter_status sn_scratch_load(sn_eval *x, const sinter_value *v, double **out);
/* n elements of `size` bytes. */
SINTER_CHECK sinter_status sn_scratch_array(sn_eval *x, size_t n, size_t size, void **out);

#endif
