/*
 * Element-wise steps: activations, functions of one operand, of two with broadcasting, and Where.
 *
 * Operands and result are seen as axes with strides, in the order in which the result lies in memory. Neighbouring axes
 * that every operand runs through as one are merged; the last two that are left make the rectangle that a kernel call
 * does (kernels/elementwise.h), the others are looped over. In either layout a channel's vector is just another pattern
 * of strides.
 */
#include "runtime/fusion.h"
#include "runtime/impl.h"

#include <math.h>

#define MAX_OPERANDS 3
#define MAX_AXES     SN_MAX_RANK
#define CHUNK        4096 /* elements of a rectangle: what follows finds them in the first cache */

typedef struct axes {
    int count;
    size_t extent[MAX_AXES];
    size_t stride[MAX_OPERANDS][MAX_AXES]; /* floats; 0 along broadcast axes */
} axes;

typedef struct elementwise_state {
    const sn_kernels *kernels;
    size_t n_operands;
    axes axes;                /* merged; the result is dense in their order */
    size_t rows, n;           /* rows of all outer axes together; elements of the last one */
    int function;             /* of the kind that the row is */
    sn_activation activation; /* what an activation computes; ChannelAffine: a clamp that its kernel does */
    sn_fusion fusion;         /* what follows */
} elementwise_state;

/* ---------------------------------------------------------------------------------------------------- axes */

/* The operand's strides along the result's axes, numpy broadcasting: its axes are the last ones. */
static void set_operand(axes *a, size_t operand, const sn_shape *shape, const sn_shape *out, sn_layout in_layout,
                        sn_layout layout)
{
    size_t own[MAX_AXES];
    sn_layout_strides(shape, in_layout, own);
    for (int i = 0; i < out->rank; i++) {
        int axis = sn_layout_axis(layout, out->rank, i), k = axis - (out->rank - shape->rank);
        a->stride[operand][i] = k >= 0 && shape->dims[k] != 1 ? own[k] : 0;
    }
}

static bool can_merge(const axes *a, size_t n_operands, int outer, int inner)
{
    for (size_t k = 0; k < n_operands; k++) {
        if (a->stride[k][outer] != a->stride[k][inner] * a->extent[inner]) return false;
    }
    return true;
}

static void drop_axis(axes *a, size_t n_operands, int axis)
{
    a->count--;
    for (int i = axis; i < a->count; i++) {
        a->extent[i] = a->extent[i + 1];
        for (size_t k = 0; k < n_operands; k++) a->stride[k][i] = a->stride[k][i + 1];
    }
}

static void merge_axes(axes *a, size_t n_operands)
{
    for (int i = a->count - 1; i >= 0; i--) {
        if (a->extent[i] == 1 && a->count > 1) drop_axis(a, n_operands, i);
    }
    for (int i = a->count - 2; i >= 0; i--) {
        if (!can_merge(a, n_operands, i, i + 1)) continue;
        a->extent[i + 1] *= a->extent[i];
        drop_axis(a, n_operands, i);
    }
}

static void set_result(elementwise_state *s, const sn_shape *out, sn_layout layout)
{
    axes *a = &s->axes;
    a->count = out->rank;
    for (int i = 0; i < out->rank; i++) a->extent[i] = (size_t)out->dims[sn_layout_axis(layout, out->rank, i)];
    if (a->count == 0) a->extent[a->count++] = 1;
}

static void settle_axes(elementwise_state *s)
{
    axes *a = &s->axes;
    merge_axes(a, s->n_operands);
    s->n = a->extent[a->count - 1];
    s->rows = 1;
    for (int i = 0; i < a->count - 1; i++) s->rows *= a->extent[i];
}

/* ---------------------------------------------------------------------------------------------------- running */

typedef struct elementwise_call {
    const elementwise_state *s;
    const void *const *in;
    const float *residual;
    float *out;
} elementwise_call;

/* An operand within a rectangle: its first element, counted from the tensor's, and its strides. */
typedef struct operand {
    size_t at, row, step;
} operand;

/* Where each operand is at that row of all outer axes. */
static void locate_row(const elementwise_call *x, size_t row, operand o[MAX_OPERANDS])
{
    const axes *a = &x->s->axes;
    for (int i = a->count - 2; i >= 0; i--) {
        size_t index = row % a->extent[i];
        row /= a->extent[i];
        for (size_t k = 0; k < x->s->n_operands; k++) o[k].at += index * a->stride[k][i];
    }
}

/* Operand number k as floats. */
static sn_ew_operand floats(const elementwise_call *x, const operand *o, size_t k)
{
    return (sn_ew_operand){(const float *)x->in[k] + o[k].at, o[k].row, o[k].step};
}

typedef void (*rectangle_function)(const elementwise_call *x, const operand *o, const sn_ew_result *y);

static void do_rectangle(const elementwise_call *x, const operand *o, const sn_ew_result *y, rectangle_function f)
{
    const sn_kernels *k = x->s->kernels;
    f(x, o, y);
    if (x->residual) {
        const sn_ew_operand sum = {y->data, y->row, 1}, residual = {x->residual + (y->data - x->out), y->row, 1};
        k->elementwise->binary[SN_EW_ADD](sum, residual, *y);
    }
    if (x->s->fusion.activation.kind != SN_ACT_NONE)
        k->activation->apply(&x->s->fusion.activation, y->data, y->rows, y->n, y->row);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Rows [begin, end), rectangle by rectangle. */
static void run_rows(const elementwise_call *x, size_t begin, size_t end, rectangle_function f)
{
    const elementwise_state *s = x->s;
    const axes *a = &s->axes;
    const size_t block = a->count >= 2 ? a->extent[a->count - 2] : 1, most = 1 + CHUNK / (s->n + 1);
    for (size_t row = begin; row < end;) {
        const size_t rows = least(least(block - row % block, end - row), most);
        operand o[MAX_OPERANDS] = {{0}};
        for (size_t k = 0; k < s->n_operands; k++) {
            o[k].row = a->count >= 2 ? a->stride[k][a->count - 2] : 0;
            o[k].step = a->stride[k][a->count - 1];
        }
        locate_row(x, row, o);
        sn_ew_result y = {.data = x->out + row * s->n, .row = s->n, .rows = rows, .n = s->n};
        do_rectangle(x, o, &y, f);
        row += rows;
    }
}

/* Elements [begin, end) of the only row. */
static void run_elements(const elementwise_call *x, size_t begin, size_t end, rectangle_function f)
{
    for (size_t at = begin, n; at < end; at += n) {
        operand o[MAX_OPERANDS] = {{0}};
        for (size_t k = 0; k < x->s->n_operands; k++) {
            size_t step = x->s->axes.stride[k][x->s->axes.count - 1];
            o[k] = (operand){at * step, 0, step};
        }
        n = least(end - at, CHUNK);
        sn_ew_result y = {.data = x->out + at, .row = n, .rows = 1, .n = n};
        do_rectangle(x, o, &y, f);
    }
}

static void run_part(const elementwise_call *x, size_t begin, size_t end, rectangle_function f)
{
    if (x->s->rows == 1) {
        run_elements(x, begin, end, f);
    } else {
        run_rows(x, begin, end, f);
    }
}

static void run(const sn_impl_run *r, sn_parallel_body body)
{
    elementwise_call x = {.s = r->state, .in = r->in, .out = r->out[0]};
    if (x.s->fusion.residual) x.residual = r->in[r->n_in];
    bool one_row = x.s->rows == 1;
    size_t grain = one_row ? SN_GRAIN : 1 + SN_GRAIN / (x.s->n + 1);
    sn_parallel_for(r->pool, one_row ? x.s->n : x.s->rows, grain, body, &x);
}

/* ---------------------------------------------------------------------------------------------------- activations */

/* The result lies as input 0 does. */
static bool follow_input(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    layouts->in[0] = layouts->out = site->in_layout[0];
    return sn_fact_is_float(&site->in[0]) && sn_fact_is_float(&site->out[0]);
}

static bool activation_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    sn_activation a;
    return follow_input(site, layouts) && sn_activation_read(&site->model->nodes[site->node], site->in, site->n_in, &a);
}

/* All elements in a row, whatever the layout. */
static elementwise_state *one_operand(const sn_impl_site *site)
{
    elementwise_state *s = SN_ARENA_NEW(site->arena, elementwise_state);
    size_t count;
    if (!s || !sn_shape_count(sn_site_out(site), &count)) return NULL;
    s->kernels = site->kernels;
    s->n_operands = 1;
    s->axes = (axes){.count = 1, .extent = {count}, .stride = {{1}}};
    s->rows = 1;
    s->n = count;
    return s;
}

static sinter_status activation_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    elementwise_state *s = one_operand(site);
    if (!s) return sn_no_memory(err, "preparing a step");
    (void)sn_activation_read(&site->model->nodes[site->node], site->in, site->n_in, &s->activation);
    *state = s;
    *scratch_size = 0;
    return SINTER_OK;
}

static void activate(const elementwise_call *x, const operand *o, const sn_ew_result *y)
{
    const sn_activation *a = &x->s->activation;
    x->s->kernels->elementwise->activate[a->kind](a, floats(x, o, 0).data, y->data, y->n);
}

static void activation_part(void *context, size_t begin, size_t end, int worker)
{
    (void)worker;
    run_part(context, begin, end, activate);
}

static void activation_run(const sn_impl_run *r)
{
    run(r, activation_part);
}

#define ACTIVATION(row, operator)                                                                                      \
    const sn_impl sn_impl_##row = {.domain = "",                                                                       \
                                   .op_type = operator,                                                                \
                                   .name = "activation",                                                               \
                                   .by_image = true,                                                                   \
                                   .accepts = activation_accepts,                                                      \
                                   .prepare = activation_prepare,                                                      \
                                   .run = activation_run};
ACTIVATION(relu, "Relu")
ACTIVATION(clip, "Clip")
ACTIVATION(leaky_relu, "LeakyRelu")
ACTIVATION(elu, "Elu")
ACTIVATION(sigmoid, "Sigmoid")
ACTIVATION(hard_sigmoid, "HardSigmoid")
ACTIVATION(hard_swish, "HardSwish")
ACTIVATION(tanh, "Tanh")
ACTIVATION(gelu, "Gelu")

/* ---------------------------------------------------------------------------------------------------- one operand */

static const struct {
    const char *op_type;
    sn_ew_unary function;
} unary_functions[] = {
    {"Abs", SN_EW_ABS},           {"Ceil", SN_EW_CEIL},
    {"Cos", SN_EW_COS},           {"Erf", SN_EW_ERF},
    {"Exp", SN_EW_EXP},           {"Floor", SN_EW_FLOOR},
    {"Log", SN_EW_LOG},           {"Mish", SN_EW_MISH},
    {"Neg", SN_EW_NEG},           {"Reciprocal", SN_EW_RECIPROCAL},
    {"Round", SN_EW_ROUND},       {"Sign", SN_EW_SIGN},
    {"Sin", SN_EW_SIN},           {"Softplus", SN_EW_SOFTPLUS},
    {"Softsign", SN_EW_SOFTSIGN}, {"Sqrt", SN_EW_SQRT},
};

static bool unary_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    return site->n_in == 1 && follow_input(site, layouts);
}

static sinter_status unary_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    elementwise_state *s = one_operand(site);
    if (!s) return sn_no_memory(err, "preparing a step");
    for (size_t i = 0; i < sizeof unary_functions / sizeof *unary_functions; i++) {
        if (strcmp(unary_functions[i].op_type, site->op->name) == 0) s->function = (int)unary_functions[i].function;
    }
    *state = s;
    *scratch_size = 0;
    return SINTER_OK;
}

static void apply_unary(const elementwise_call *x, const operand *o, const sn_ew_result *y)
{
    x->s->kernels->elementwise->unary[x->s->function](floats(x, o, 0).data, y->data, y->n);
}

static void unary_part(void *context, size_t begin, size_t end, int worker)
{
    (void)worker;
    run_part(context, begin, end, apply_unary);
}

static void unary_run(const sn_impl_run *r)
{
    run(r, unary_part);
}

#define UNARY(row, operator)                                                                                           \
    const sn_impl sn_impl_##row = {.domain = "",                                                                       \
                                   .op_type = operator,                                                                \
                                   .name = "unary",                                                                    \
                                   .by_image = true,                                                                   \
                                   .accepts = unary_accepts,                                                           \
                                   .prepare = unary_prepare,                                                           \
                                   .run = unary_run};
UNARY(abs, "Abs")
UNARY(ceil, "Ceil")
UNARY(cos, "Cos")
UNARY(erf, "Erf")
UNARY(exp, "Exp")
UNARY(floor, "Floor")
UNARY(log, "Log")
UNARY(mish, "Mish")
UNARY(neg, "Neg")
UNARY(reciprocal, "Reciprocal")
UNARY(round, "Round")
UNARY(sign, "Sign")
UNARY(sin, "Sin")
UNARY(softplus, "Softplus")
UNARY(softsign, "Softsign")
UNARY(sqrt, "Sqrt")

/* ---------------------------------------------------------------------------------------------------- two operands */

static const struct {
    const char *op_type;
    sn_ew_binary function;
} binary_functions[] = {
    {"Add", SN_EW_ADD}, {"Sub", SN_EW_SUB}, {"Mul", SN_EW_MUL}, {"Div", SN_EW_DIV},
    {"Min", SN_EW_MIN}, {"Max", SN_EW_MAX}, {"Pow", SN_EW_POW}, {"PRelu", SN_EW_PRELU},
};

/* Of the same shape but for the batch, which must not decide anything. */
static bool same_images(const sn_shape *x, const sn_shape *y)
{
    if (x->rank != y->rank) return false;
    for (int i = 1; i < x->rank; i++) {
        if (x->dims[i] != y->dims[i]) return false;
    }
    return true;
}

/* Channels last when an operand of the result's shape lies so; then whoever has as many axes comes along. */
static sn_layout layout_of_result(const sn_impl_site *site)
{
    const sn_shape *out = sn_site_out(site);
    for (size_t i = 0; i < 2; i++) {
        if (site->in_layout[i] == SN_LAYOUT_CHANNELS_LAST && same_images(sn_site_in(site, i), out))
            return SN_LAYOUT_CHANNELS_LAST;
    }
    return SN_LAYOUT_PLAIN;
}

static void choose_layouts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    layouts->out = layout_of_result(site);
    for (size_t i = 0; i < 2; i++) {
        bool as_many = sn_site_in(site, i)->rank == sn_site_out(site)->rank;
        layouts->in[i] = as_many ? layouts->out : SN_LAYOUT_PLAIN;
    }
}

static void set_axes(elementwise_state *s, const sn_impl_site *site, const sn_impl_layouts *layouts, size_t n_operands)
{
    s->n_operands = n_operands;
    set_result(s, sn_site_out(site), layouts->out);
    for (size_t i = 0; i < n_operands; i++) {
        set_operand(&s->axes, i, sn_site_in(site, i), sn_site_out(site), layouts->in[i], layouts->out);
    }
    settle_axes(s);
}

/* The kernel reads the last axis in steps of 0 or 1. */
static bool steps_fit(const elementwise_state *s)
{
    for (size_t k = 0; k < s->n_operands; k++) {
        if (s->axes.stride[k][s->axes.count - 1] > 1) return false;
    }
    return true;
}

/* Before opset 7 broadcasting was asked for by attributes. */
static bool binary_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    if (site->n_in != 2 || !sn_fact_is_float(&site->in[0]) || !sn_fact_is_float(&site->in[1])) return false;
    if (!sn_fact_is_float(&site->out[0]) || site->version < 7) return false;
    elementwise_state s = {0};
    choose_layouts(site, layouts);
    set_axes(&s, site, layouts, 2);
    if (steps_fit(&s)) return true;
    layouts->in[0] = layouts->in[1] = layouts->out = SN_LAYOUT_PLAIN;
    return true;
}

static sinter_status binary_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    elementwise_state *s = SN_ARENA_NEW(site->arena, elementwise_state);
    sn_layout in[2] = {SN_LAYOUT_PLAIN, SN_LAYOUT_PLAIN};
    sn_impl_layouts layouts = {.in = in};
    if (!s) return sn_no_memory(err, "preparing a step");
    (void)binary_accepts(site, &layouts);
    s->kernels = site->kernels;
    s->fusion = site->fusion;
    set_axes(s, site, &layouts, 2);
    for (size_t i = 0; i < sizeof binary_functions / sizeof *binary_functions; i++) {
        if (strcmp(binary_functions[i].op_type, site->op->name) == 0) s->function = (int)binary_functions[i].function;
    }
    *state = s;
    *scratch_size = 0;
    return SINTER_OK;
}

static void apply_binary(const elementwise_call *x, const operand *o, const sn_ew_result *y)
{
    x->s->kernels->elementwise->binary[x->s->function](floats(x, o, 0), floats(x, o, 1), *y);
}

static void binary_part(void *context, size_t begin, size_t end, int worker)
{
    (void)worker;
    run_part(context, begin, end, apply_binary);
}

static void binary_run(const sn_impl_run *r)
{
    run(r, binary_part);
}

#define BINARY(row, operator)                                                                                          \
    const sn_impl sn_impl_##row = {.domain = "",                                                                       \
                                   .op_type = operator,                                                                \
                                   .name = "binary",                                                                   \
                                   .fuses = true,                                                                      \
                                   .by_image = true,                                                                   \
                                   .accepts = binary_accepts,                                                          \
                                   .prepare = binary_prepare,                                                          \
                                   .run = binary_run};
BINARY(add, "Add")
BINARY(sub, "Sub")
BINARY(mul, "Mul")
BINARY(div, "Div")
BINARY(min, "Min")
BINARY(max, "Max")
BINARY(pow, "Pow")
BINARY(prelu, "PRelu")

/* ---------------------------------------------------------------------------------------------------- Where */

/* Plain: conditions are never reordered. */
static bool where_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    (void)layouts;
    return site->in[0].present && sn_fact_is_float(&site->in[1]) && sn_fact_is_float(&site->in[2]);
}

static sinter_status where_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    elementwise_state *s = SN_ARENA_NEW(site->arena, elementwise_state);
    sn_layout in[3] = {SN_LAYOUT_PLAIN, SN_LAYOUT_PLAIN, SN_LAYOUT_PLAIN};
    if (!s) return sn_no_memory(err, "preparing a step");
    s->kernels = site->kernels;
    set_axes(s, site, &(sn_impl_layouts){.in = in, .out = SN_LAYOUT_PLAIN}, 3);
    *state = s;
    *scratch_size = 0;
    return SINTER_OK;
}

static void apply_where(const elementwise_call *x, const operand *o, const sn_ew_result *y)
{
    const sn_ew_condition c = {(const uint8_t *)x->in[0] + o[0].at, o[0].row, o[0].step};
    x->s->kernels->elementwise->where(c, floats(x, o, 1), floats(x, o, 2), *y);
}

static void where_part(void *context, size_t begin, size_t end, int worker)
{
    (void)worker;
    run_part(context, begin, end, apply_where);
}

static void where_run(const sn_impl_run *r)
{
    run(r, where_part);
}

const sn_impl sn_impl_where = {.domain = "",
                               .op_type = "Where",
                               .name = "where",
                               .by_image = true,
                               .accepts = where_accepts,
                               .prepare = where_prepare,
                               .run = where_run};

/* ---------------------------------------------------------------------------------------------------- ChannelAffine */

static bool affine_accepts(const sn_impl_site *site, sn_impl_layouts *layouts)
{
    size_t count;
    if (sn_site_in(site, 0)->rank < 2 || !follow_input(site, layouts)) return false;
    for (size_t i = 1; i < 3; i++) {
        if (!sn_fact_is_float(&site->in[i]) || !sn_shape_count(sn_site_in(site, i), &count)) return false;
        if (count != (size_t)sn_site_in(site, 0)->dims[1]) return false;
    }
    return true;
}

static sinter_status affine_prepare(const sn_impl_site *site, void **state, size_t *scratch_size, sinter_error *err)
{
    elementwise_state *s = SN_ARENA_NEW(site->arena, elementwise_state);
    const sn_shape *x = sn_site_in(site, 0);
    sn_layout layout = site->in_layout[0];
    if (!s) return sn_no_memory(err, "preparing a step");
    s->kernels = site->kernels;
    s->fusion = site->fusion;
    s->activation = (sn_activation){SN_ACT_CLAMP, -INFINITY, INFINITY};
    if (s->fusion.activation.kind == SN_ACT_CLAMP && !s->fusion.residual) {
        s->activation = s->fusion.activation;
        s->fusion.activation.kind = SN_ACT_NONE;
    }
    s->n_operands = 3;
    set_result(s, x, layout);
    set_operand(&s->axes, 0, x, x, layout, layout);
    for (int i = 0; i < x->rank; i++) {
        size_t step = sn_layout_axis(layout, x->rank, i) == 1 && x->dims[1] != 1 ? 1 : 0;
        s->axes.stride[1][i] = s->axes.stride[2][i] = step;
    }
    settle_axes(s);
    *state = s;
    *scratch_size = 0;
    return SINTER_OK;
}

static void apply_affine(const elementwise_call *x, const operand *o, const sn_ew_result *y)
{
    const sn_activation *clamp = &x->s->activation;
    x->s->kernels->elementwise->affine(floats(x, o, 0), floats(x, o, 1), floats(x, o, 2), clamp->alpha, clamp->beta,
                                       *y);
}

static void affine_part(void *context, size_t begin, size_t end, int worker)
{
    (void)worker;
    run_part(context, begin, end, apply_affine);
}

static void affine_run(const sn_impl_run *r)
{
    run(r, affine_part);
}

const sn_impl sn_impl_channel_affine = {.domain = "sinter",
                                        .op_type = "ChannelAffine",
                                        .name = "channel-affine",
                                        .fuses = true,
                                        .by_image = true,
                                        .accepts = affine_accepts,
                                        .prepare = affine_prepare,
                                        .run = affine_run};
