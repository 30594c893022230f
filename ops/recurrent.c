/*
 * RNN, GRU and LSTM: attributes, shapes, and the walk over directions, batch and time. The cells are in cells.c.
 *
 * layout 0: X [steps, batch, input], Y [steps, directions, batch, hidden], states [directions, batch, hidden];
 * layout 1: X [batch, steps, input], Y [batch, steps, directions, hidden], states [batch, directions, hidden].
 */
#include "ops/recurrent.h"

#include "ops/widen.h"
#include <inttypes.h>
#include <math.h>

enum { X, W, R, BIAS, LENGTHS, INITIAL_H, INITIAL_C, PEEPHOLE, N_INPUTS }; /* inputs; the last two of LSTM only */
enum { Y, Y_H, Y_C, N_OUTPUTS };

#define MAX_HIDDEN (INT64_C(1) << 30) /* so that a few times it cannot overflow */

static const struct cell_row {
    int gates, n_activations;
    const char *activations[SN_MAX_CELL_ACTIVATIONS];
} cells[] = {
    [SN_CELL_RNN] = {1, 1, {"Tanh"}},
    [SN_CELL_GRU] = {3, 2, {"Sigmoid", "Tanh"}},
    [SN_CELL_LSTM] = {4, 3, {"Sigmoid", "Tanh", "Tanh"}},
};

static sinter_status prepare(sn_prepare *p, void *params)
{
    static const char *const words[] = {"forward", "reverse", "bidirectional", NULL};
    const struct cell_row *cell = &cells[p->op->variant];
    sn_recurrent_params *r = params;
    int direction;
    float clip;
    int64_t layout;
    SN_TRY(sn_attr_choice(p, "direction", words, 0, &direction));
    r->directions = direction == 2 ? 2 : 1;
    r->reverse_first = direction == 1;
    SN_TRY(sn_attr_int(p, "hidden_size", 0, &r->hidden));
    if (r->hidden < 0 || r->hidden > MAX_HIDDEN || (r->hidden == 0 && sn_attr_present(p, "hidden_size")))
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'hidden_size': %" PRId64 ", expected 1 to %" PRId64,
                               r->hidden, MAX_HIDDEN);
    SN_TRY(sn_attr_int(p, "layout", 0, &layout));
    if (layout != 0 && layout != 1)
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'layout': %" PRId64 ", expected 0 or 1", layout);
    r->batch_first = layout == 1;
    SN_TRY(sn_attr_float(p, "clip", INFINITY, &clip));
    if (!(clip >= 0))
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute 'clip': %g, expected at least 0", (double)clip);
    r->clip = clip == 0 ? (double)INFINITY : (double)clip; /* exporters write 0 for no clipping */
    SN_TRY(sn_attr_bool(p, "input_forget", false, &r->input_forget));
    SN_TRY(sn_attr_bool(p, "linear_before_reset", false, &r->linear_before_reset));
    return sn_activations_prepare(p, cell->activations, cell->n_activations, r);
}

/* ---------------------------------------------------------------------------------------------------- shapes */

static int64_t times(int64_t n, int64_t size)
{
    return sn_dim_is_number(size) ? n * size : SN_DIM_UNKNOWN;
}

static sinter_status expect(const char *name, const sn_shape *found, int rank, const int64_t *dims, sinter_error *err)
{
    if (found->rank < 0) return SINTER_OK; /* absent or unknown */
    bool fits = found->rank == rank;
    for (int i = 0; fits && i < rank; i++)
        fits = !sn_dim_is_number(found->dims[i]) || !sn_dim_is_number(dims[i]) || found->dims[i] == dims[i];
    if (fits) return SINTER_OK;
    char text[2][SN_SHAPE_TEXT];
    sn_shape expected = sn_shape_of(rank, dims);
    return sn_fail(err, SINTER_INVALID_INPUT, "%s has shape %s, expected %s", name,
                   sn_shape_text(found, NULL, text[0], sizeof text[0]),
                   sn_shape_text(&expected, NULL, text[1], sizeof text[1]));
}

/* Sizes from the inputs' shapes (rank -1: absent or unknown), which must agree. */
static sinter_status geometry(const sn_recurrent_params *p, int gates, const sn_shape *const *in,
                              sn_recurrent_sizes *out, sinter_error *err)
{
    sn_recurrent_sizes s = {.directions = p->directions, .gates = gates};
    s.steps = s.batch = s.input = s.hidden = SN_DIM_UNKNOWN;
    SN_TRY(expect("X", in[X], 3, (int64_t[]){SN_DIM_UNKNOWN, SN_DIM_UNKNOWN, SN_DIM_UNKNOWN}, err));
    if (in[X]->rank == 3) {
        s.steps = in[X]->dims[p->batch_first];
        s.batch = in[X]->dims[!p->batch_first];
        s.input = in[X]->dims[2];
    }
    if (s.input == 0) return sn_fail(err, SINTER_INVALID_INPUT, "X has an input size of 0, expected at least 1");
    s.hidden = p->hidden ? p->hidden : in[R]->rank == 3 ? in[R]->dims[2] : SN_DIM_UNKNOWN;
    if (sn_dim_is_number(s.hidden) && (s.hidden < 1 || s.hidden > MAX_HIDDEN))
        return sn_fail(err, SINTER_INVALID_INPUT, "hidden size %" PRId64 " of R, expected 1 to %" PRId64, s.hidden,
                       MAX_HIDDEN);
    const int64_t d = s.directions, h = s.hidden;
    const int64_t state[3] = {p->batch_first ? s.batch : d, p->batch_first ? d : s.batch, h};
    SN_TRY(expect("W", in[W], 3, (int64_t[]){d, times(gates, h), s.input}, err));
    SN_TRY(expect("R", in[R], 3, (int64_t[]){d, times(gates, h), h}, err));
    SN_TRY(expect("B", in[BIAS], 2, (int64_t[]){d, times(2 * gates, h)}, err));
    SN_TRY(expect("sequence_lens", in[LENGTHS], 1, &s.batch, err));
    SN_TRY(expect("initial_h", in[INITIAL_H], 3, state, err));
    SN_TRY(expect("initial_c", in[INITIAL_C], 3, state, err));
    SN_TRY(expect("P", in[PEEPHOLE], 2, (int64_t[]){d, times(3, h)}, err));
    *out = s;
    return SINTER_OK;
}

static sn_shape output_shape(const sn_recurrent_params *p, const sn_recurrent_sizes *s, int output)
{
    if (output == Y)
        return p->batch_first ? sn_shape_of(4, (int64_t[]){s->batch, s->steps, s->directions, s->hidden})
                              : sn_shape_of(4, (int64_t[]){s->steps, s->directions, s->batch, s->hidden});
    return p->batch_first ? sn_shape_of(3, (int64_t[]){s->batch, s->directions, s->hidden})
                          : sn_shape_of(3, (int64_t[]){s->directions, s->batch, s->hidden});
}

static sinter_status infer(sn_infer *x)
{
    const sn_recurrent_params *p = x->params;
    static const sn_shape absent = {.rank = -1};
    const sn_shape *in[N_INPUTS];
    sn_recurrent_sizes s;
    sinter_error why;
    for (size_t i = 0; i < N_INPUTS; i++) in[i] = i < x->n_in ? sn_infer_shape(x, i) : &absent;
    if (geometry(p, cells[x->op->variant].gates, in, &s, &why) != SINTER_OK) return sn_infer_fail(x, "%s", why.text);
    for (int i = 0; i < N_OUTPUTS; i++) {
        sn_shape shape = output_shape(p, &s, i);
        sn_infer_tensor(x, (size_t)i, sn_infer_dtype(x, X), &shape);
    }
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- eval */

typedef struct job {
    const sn_recurrent_params *params;
    sn_recurrent_sizes sizes;
    size_t element; /* bytes of a float or double */
    sn_cell_step_fn *step;
    const char *in[N_INPUTS];      /* widened; NULL: absent (LENGTHS is not here) */
    sn_wide_output out[N_OUTPUTS]; /* data NULL: not wanted */
    const sinter_value *lengths;
} job;

static const void *part(const job *j, int input, int64_t index, int64_t elements)
{
    return j->in[input] ? j->in[input] + (size_t)(index * elements) * j->element : NULL;
}

/* Index of a state vector, in elements: of initial states and of Y_h and Y_c alike. */
static size_t state_offset(const job *j, int64_t direction, int64_t b)
{
    const sn_recurrent_sizes *s = &j->sizes;
    int64_t vector = j->params->batch_first ? b * s->directions + direction : direction * s->batch + b;
    return (size_t)(vector * s->hidden) * j->element;
}

static size_t y_offset(const job *j, int64_t t, int64_t direction, int64_t b)
{
    const sn_recurrent_sizes *s = &j->sizes;
    int64_t vector = j->params->batch_first ? (b * s->steps + t) * s->directions + direction
                                            : (t * s->directions + direction) * s->batch + b;
    return (size_t)(vector * s->hidden) * j->element;
}

static size_t x_offset(const job *j, int64_t t, int64_t b)
{
    const sn_recurrent_sizes *s = &j->sizes;
    return (size_t)((j->params->batch_first ? b * s->steps + t : t * s->batch + b) * s->input) * j->element;
}

static void put(const job *j, int output, size_t offset, const void *vector)
{
    if (j->out[output].data) memcpy((char *)j->out[output].data + offset, vector, (size_t)j->sizes.hidden * j->element);
}

static void load_state(const job *j, int input, size_t offset, void *state)
{
    size_t size = (size_t)j->sizes.hidden * j->element;
    if (j->in[input])
        memcpy(state, j->in[input] + offset, size);
    else
        memset(state, 0, size);
}

/* One sequence of the batch in one direction. Steps at or beyond its length give zeros and leave the state alone. */
static sinter_status run_sequence(sn_eval *x, const job *j, const sn_cell *cell, int64_t direction, int64_t b, void *h,
                                  void *c)
{
    const bool reverse = direction == 1 || j->params->reverse_first;
    const int64_t length = j->lengths ? sn_tensor_int(j->lengths, (size_t)b) : j->sizes.steps;
    load_state(j, INITIAL_H, state_offset(j, direction, b), h);
    load_state(j, INITIAL_C, state_offset(j, direction, b), c);
    for (int64_t i = 0; i < length; i++) {
        int64_t t = reverse ? length - 1 - i : i;
        if (sn_eval_cancelled(x)) return sn_eval_fail(x, SINTER_CANCELLED, "cancelled");
        j->step(cell, j->in[X] + x_offset(j, t, b), h, c);
        put(j, Y, y_offset(j, t, direction, b), h);
    }
    memset(cell->scratch, 0, (size_t)j->sizes.hidden * j->element);
    for (int64_t t = length; t < j->sizes.steps; t++) put(j, Y, y_offset(j, t, direction, b), cell->scratch);
    put(j, Y_H, state_offset(j, direction, b), h);
    put(j, Y_C, state_offset(j, direction, b), c);
    return SINTER_OK;
}

static sinter_status run_all(sn_eval *x, const job *j)
{
    const sn_recurrent_sizes *s = &j->sizes;
    const int64_t rows = s->gates * s->hidden;
    void *h, *c, *scratch;
    SN_TRY(sn_scratch_array(x, (size_t)s->hidden, j->element, &h));
    SN_TRY(sn_scratch_array(x, (size_t)s->hidden, j->element, &c));
    SN_TRY(sn_scratch_array(x, sn_cell_scratch(s->gates, s->hidden), j->element, &scratch));
    for (int64_t d = 0; d < s->directions; d++) {
        const sn_cell cell = {.params = j->params,
                              .activations = j->params->activations[d],
                              .input = s->input,
                              .hidden = s->hidden,
                              .gates = s->gates,
                              .weight = part(j, W, d, rows * s->input),
                              .recurrence = part(j, R, d, rows * s->hidden),
                              .bias = part(j, BIAS, d, 2 * rows),
                              .peephole = part(j, PEEPHOLE, d, 3 * s->hidden),
                              .scratch = scratch};
        for (int64_t b = 0; b < s->batch; b++) SN_TRY(run_sequence(x, j, &cell, d, b, h, c));
    }
    return SINTER_OK;
}

static sinter_status check_lengths(sn_eval *x, const job *j)
{
    for (size_t i = 0; j->lengths && i < j->lengths->count; i++) {
        int64_t length = sn_tensor_int(j->lengths, i);
        if (length < 0 || length > j->sizes.steps)
            return sn_eval_fail(x, SINTER_INVALID_INPUT,
                                "sequence_lens: %" PRId64 " at index %zu, expected 0 to %" PRId64, length, i,
                                j->sizes.steps);
    }
    return SINTER_OK;
}

static sinter_status open_outputs(sn_eval *x, job *j)
{
    for (size_t i = 0; i < N_OUTPUTS && i < x->n_out; i++) {
        if (!x->out_wanted[i]) continue;
        sn_shape shape = output_shape(j->params, &j->sizes, (int)i);
        SN_TRY(sn_wide_output_open(x, i, x->in[X]->dtype, &shape, &j->out[i]));
    }
    return SINTER_OK;
}

static bool wants_elements(const job *j)
{
    for (int i = 0; i < N_OUTPUTS; i++)
        if (j->out[i].value && j->out[i].value->count > 0) return true;
    return false;
}

static sinter_status eval(sn_eval *x)
{
    static const sn_shape absent = {.rank = -1};
    const sn_shape *shapes[N_INPUTS];
    const int gates = cells[x->op->variant].gates;
    job j = {.params = x->params};
    sinter_error why;
    for (size_t i = 0; i < N_INPUTS; i++) shapes[i] = sn_eval_has(x, i) ? &x->in[i]->shape : &absent;
    sinter_status status = geometry(j.params, gates, shapes, &j.sizes, &why);
    if (status != SINTER_OK) return sn_eval_fail(x, status, "%s", why.text);
    j.lengths = sn_eval_has(x, LENGTHS) ? x->in[LENGTHS] : NULL;
    SN_TRY(check_lengths(x, &j));
    SN_TRY(open_outputs(x, &j));
    for (size_t i = 0; i < N_INPUTS; i++) {
        const void *wide = NULL;
        if (i != LENGTHS && sn_eval_has(x, i)) SN_TRY(sn_widen(x, x->in[i], &wide));
        j.in[i] = wide;
    }
    const bool is_double = x->in[X]->dtype == SINTER_DOUBLE;
    j.element = is_double ? sizeof(double) : sizeof(float);
    j.step = sn_cell_steps[x->op->variant][is_double];
    if (!wants_elements(&j)) return SINTER_OK; /* and no memory bounds the batch */
    SN_TRY(run_all(x, &j));
    for (size_t i = 0; i < N_OUTPUTS; i++)
        if (j.out[i].value) sn_wide_output_close(&j.out[i]);
    return SINTER_OK;
}

/* ---------------------------------------------------------------------------------------------------- rows */

#define COMMON "X:T, W:T, R:T, B:T?, sequence_lens:int32?, initial_h:T?"
#define FLOATS "float16|float|double"
#define RECURRENT(name, version, kind, inputs, outputs, types)                                                         \
    {                                                                                                                  \
        "", name, version, COMMON inputs " -> Y:T?, Y_h:T?" outputs "; T=" types, 0, kind,                             \
            sizeof(sn_recurrent_params), prepare, infer, eval                                                          \
    }
#define RNN(version, types)  RECURRENT("RNN", version, SN_CELL_RNN, "", "", types)
#define GRU(version, types)  RECURRENT("GRU", version, SN_CELL_GRU, "", "", types)
#define LSTM(version, types) RECURRENT("LSTM", version, SN_CELL_LSTM, ", initial_c:T?, P:T?", ", Y_c:T?", types)

const sn_op sn_ops_recurrent[] = {
    RNN(1, FLOATS),     RNN(7, FLOATS),
    RNN(14, FLOATS),    RNN(22, "@float"),
    GRU(1, FLOATS),     GRU(3, FLOATS),
    GRU(7, FLOATS),     GRU(14, FLOATS),
    GRU(22, "@float"),  LSTM(1, FLOATS),
    LSTM(7, FLOATS),    LSTM(14, FLOATS),
    LSTM(22, "@float"), {0},
};
