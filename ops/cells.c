/*
 * One time step of each recurrent cell, once per element type.
 *
 * A step works on vectors of one sequence: sequences of a batch may differ in length and, in the reverse direction, in
 * where they begin, and the cost is in reading the weights anyway.
 */
#include "ops/matmul.h"
#include "ops/recurrent.h"

#define REAL        float
#define TYPED(name) name##_float
#include "ops/cells.inc"
#undef REAL
#undef TYPED

#define REAL        double
#define TYPED(name) name##_double
#include "ops/cells.inc"
#undef REAL
#undef TYPED

sn_cell_step_fn *const sn_cell_steps[3][2] = {
    [SN_CELL_RNN] = {rnn_float, rnn_double},
    [SN_CELL_GRU] = {gru_float, gru_double},
    [SN_CELL_LSTM] = {lstm_float, lstm_double},
};
