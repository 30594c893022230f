/* normalize.h - parameters of the normalizations, for the passes that fold them and the runtime that fuses them. */
#ifndef SN_OPS_NORMALIZE_H
#define SN_OPS_NORMALIZE_H

#include "ops/op.h"

typedef struct sn_bn_params {
    float epsilon, momentum;
    /* Statistics of the batch itself, and running ones updated by them: training_mode since opset 14, more than one
     * output in 7 to 13, is_test = 0 before. Otherwise the mean and variance given as inputs. */
    bool training;
    bool spatial; /* false (before opset 9): one statistic per element of a sample instead of one per channel */
} sn_bn_params;

typedef struct sn_layer_norm_params {
    int64_t axis;
    float epsilon;
    sinter_dtype stash_type; /* of the outputs Mean and InvStdDev */
} sn_layer_norm_params;      /* and of RMSNormalization, without those outputs */

typedef struct sn_group_norm_params {
    int64_t groups;
    float epsilon;
    bool per_group; /* version 18: scale and bias have an element per group instead of one per channel */
} sn_group_norm_params;

typedef struct sn_instance_norm_params {
    float epsilon;
} sn_instance_norm_params;

#endif
