/*
 * The proof that optimizing changed nothing that counts: the model as it was and the model as it will be saved run on
 * the same inputs, without further optimization, and their outputs are compared.
 */
#ifndef SN_CLI_VERIFY_H
#define SN_CLI_VERIFY_H

#include "cli/options.h"

typedef struct sn_verify_row {
    char name[128];
    double rtol, atol;
    sinter_difference difference;
} sn_verify_row;

typedef struct sn_verification {
    sn_verify_row *rows; /* one per output; sn_verification_free */
    size_t n_rows;
    bool passed;
} sn_verification;

typedef struct sn_verify_arguments {
    const char *path;    /* of the model as it was */
    sinter_model *after; /* the optimized one; taken */
    sinter_bn_stats bn_stats;
    const sn_list *inputs; /* -i; what is missing is random */
    const sn_shape_list *shapes;
} sn_verify_arguments;

/* OK also when the outputs differ: see out->passed. */
SINTER_CHECK sinter_status sn_verify_optimized(const sn_verify_arguments *a, sn_verification *out, sinter_error *err);
void sn_verification_free(sn_verification *v);

#endif
