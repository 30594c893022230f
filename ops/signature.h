/* Operator signatures (see op.h for the notation), taken apart. */
#ifndef SN_OPS_SIGNATURE_H
#define SN_OPS_SIGNATURE_H

#include "ops/op.h"

enum { SN_MAX_PARAMS = 16, SN_MAX_TYPE_VARIABLES = 8 };

typedef enum sn_param_form { SN_PARAM_TENSOR, SN_PARAM_SEQUENCE, SN_PARAM_OPTIONAL, SN_PARAM_ANY } sn_param_form;

typedef struct sn_param {
    sn_str name;
    sn_param_form form;
    int variable;    /* index into the signature's variables, or -1: the types below stand for this parameter alone */
    uint32_t dtypes; /* SN_DTYPE_BITs of the tensor, or of the container's elements */
    bool optional;   /* may be left out; of the repeated one: may occur no times */
    bool variadic;   /* the last one, which repeats */
} sn_param;

typedef struct sn_type_variable {
    sn_str name;
    uint32_t dtypes;
} sn_type_variable;

typedef struct sn_params {
    sn_param items[SN_MAX_PARAMS];
    size_t count;
    size_t min; /* entries that a node must at least have */
    size_t max; /* SIZE_MAX when the last one repeats */
} sn_params;

typedef struct sn_signature {
    sn_params in, out;
    sn_type_variable variables[SN_MAX_TYPE_VARIABLES];
    size_t n_variables;
} sn_signature;

/* False when the text is not a signature: a mistake in a registry row, which the tests look for. The result borrows
 * from the text. Cheap enough to be done at each use, which spares a table that would have to be built at start-up. */
bool sn_signature_parse(const char *text, sn_signature *out);

/* The parameter that input (or output) `index` belongs to; NULL when there are not so many. */
const sn_param *sn_params_at(const sn_params *params, size_t index);

/* INVALID_MODEL when the node has too few or too many inputs or outputs, or leaves a required one out. */
SINTER_CHECK sinter_status sn_check_arity(const sn_model *m, const sn_node *node, const sn_op *op, sinter_error *err);

#endif
