/* recurrent.h - parameters and sizes of RNN, GRU and LSTM, and the activation functions that they may name. */
#ifndef SN_OPS_RECURRENT_H
#define SN_OPS_RECURRENT_H

#include "ops/op.h"

typedef double sn_activation_fn(double x, double alpha, double beta);

typedef struct sn_activation {
    sn_activation_fn *f;
    double alpha, beta;
} sn_activation;

typedef enum sn_cell_kind { SN_CELL_RNN, SN_CELL_GRU, SN_CELL_LSTM } sn_cell_kind; /* sn_op.variant */

#define SN_MAX_CELL_ACTIVATIONS 3

typedef struct sn_recurrent_params {
    int64_t hidden;     /* 0: not stated, R says it */
    int directions;     /* 2: forward, then reverse */
    bool reverse_first; /* the only direction is reverse */
    bool batch_first;   /* layout 1 */
    bool input_forget, linear_before_reset;
    double clip; /* INFINITY: none */
    sn_activation activations[2][SN_MAX_CELL_ACTIVATIONS];
} sn_recurrent_params;

typedef struct sn_recurrent_sizes {
    int64_t steps, batch, input, hidden; /* unknown or symbols where facts do not say */
    int directions, gates;
} sn_recurrent_sizes;

/* Reads activations, activation_alpha and activation_beta: `per_direction` functions for each direction, `defaults`
 * names those of one. */
SINTER_CHECK sinter_status sn_activations_prepare(sn_prepare *p, const char *const *defaults, int per_direction,
                                                  sn_recurrent_params *params);

/* One direction of one layer: where its weights are. Arrays are float or double; those that may be NULL say so. */
typedef struct sn_cell {
    const sn_recurrent_params *params;
    const sn_activation *activations;
    int64_t input, hidden;
    int gates;
    const void *weight, *recurrence;
    const void *bias;     /* of both, one after the other; NULL: zeros */
    const void *peephole; /* NULL: none */
    void *scratch;        /* sn_cell_scratch elements */
} sn_cell;

static inline size_t sn_cell_scratch(int gates, int64_t hidden)
{
    return (size_t)(gates + 1) * (size_t)hidden;
}

/* Advances hidden state h and (LSTM) cell state c by one input vector. */
typedef void sn_cell_step_fn(const sn_cell *cell, const void *input, void *h, void *c);
/* [kind][is double] */
extern sn_cell_step_fn *const sn_cell_steps[3][2];

#endif
