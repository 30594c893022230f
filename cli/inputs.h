/* The inputs of a session: those given as `-i NAME=FILE`, and made-up ones for measuring and comparing. */
#ifndef SN_CLI_INPUTS_H
#define SN_CLI_INPUTS_H

#include "cli/options.h"

/* Matches `-i` arguments with the session's inputs: paths[i] is the file of input i (borrowed from `arguments`), or
 * NULL. A model with one required input takes a FILE without NAME. INVALID_ARGUMENT. */
SINTER_CHECK sinter_status sn_inputs_match(const sn_list *arguments, const sinter_session *session, const char **paths,
                                           sinter_error *err);

typedef struct sn_fill {
    const sn_shape_list *shapes; /* of --shape */
    int64_t rows;                /* stands for a symbolic first dimension that nothing else decides */
    int64_t other;               /* for any other symbolic dimension; 0: an error that asks for --shape */
} sn_fill;

/* Fills values[i] of every required input that has none with random numbers, the same ones in every process. Symbols
 * that other inputs share get one size. INVALID_ARGUMENT when the shape is not known, UNSUPPORTED for what cannot be
 * made up. */
SINTER_CHECK sinter_status sn_inputs_fill(const sn_fill *fill, const sinter_session *session, sinter_value **values,
                                          sinter_error *err);

/* Checks that every --shape names an input. */
SINTER_CHECK sinter_status sn_inputs_check_shapes(const sn_shape_list *shapes, const sinter_session *session,
                                                  sinter_error *err);

/* An array of `count` values or none, and its release; NULL-safe. */
sinter_value **sn_values_create(size_t count);
void sn_values_release(sinter_value **values, size_t count); /* the values, leaving NULLs */
void sn_values_free(sinter_value **values, size_t count);    /* and the array */

#endif
