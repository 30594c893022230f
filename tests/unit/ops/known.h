/* Checks of what inference knows of small integer tensors. The model under test reads `shape_of`: the Shape of an input
 * [N, 3, 8] whose first dimension is the symbol N. */
#ifndef SN_TEST_KNOWN_H
#define SN_TEST_KNOWN_H

#include "build_model.h"

#define N_SYMBOL SN_DIM_SYMBOL(0)
#define UNKNOWN  SN_DIM_UNKNOWN

static inline sn_value_id shape_of_input(sn_model *m)
{
    sn_symbol(m, SN_STR("N"));
    sn_value_id x = input(m, "x", SINTER_FLOAT, INTS(N_SYMBOL, 3, 8)), shape = value(m, "shape");
    node(m, "Shape", IDS(x), IDS(shape));
    return shape;
}

static inline sn_value_id int_constant(sn_model *m, const char *name, const int64_t *values, size_t n)
{
    return initializer(m, name, int_list(values, n));
}

static inline sn_value_id scalar_constant(sn_model *m, const char *name, int64_t v)
{
    return initializer(m, name, tensor(SINTER_INT64, 0, NULL, &v));
}

/* Infers, compares what is known of v with n elements (NULL: nothing), and releases the model. */
static inline void check_known(sn_model *m, sn_value_id v, const int64_t *expected, size_t n)
{
    inferred r = infer(m);
    if (r.status != SINTER_OK) fail_msg("%s", r.err.text);
    const sn_fact *f = &r.facts.values[v];
    if (!expected)
        assert_null(f->known);
    else
        assert_non_null(f->known);
    for (size_t i = 0; expected && i < n; i++) {
        assert_int_equal(f->n_known, n);
        if (f->known[i] != expected[i])
            fail_msg("element %zu is %lld, expected %lld", i, (long long)f->known[i], (long long)expected[i]);
    }
    free_inferred(&r);
    sn_model_destroy(m);
}

/* The same for the shape of v. */
#define check_dims(m, v, ...)                                                                                          \
    do {                                                                                                               \
        inferred r_ = infer(m);                                                                                        \
        if (r_.status != SINTER_OK) fail_msg("%s", r_.err.text);                                                       \
        assert_dims(r_.facts.values[v], __VA_ARGS__);                                                                  \
        free_inferred(&r_);                                                                                            \
        sn_model_destroy(m);                                                                                           \
    } while (0)

#endif
