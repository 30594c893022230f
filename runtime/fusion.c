/* Fusing: see fusion.h. Only values that nobody else sees may vanish: with one reader, and not returned by a graph. */
#include "runtime/fusion.h"

#include "runtime/session.h"
#include <math.h>

/* ---------------------------------------------------------------------------------------------------- activations */

static float attr_float(const sn_node *node, const char *name, float otherwise)
{
    const sn_attr *a = sn_node_attr(node, name);
    return a && a->type == SN_ATTR_FLOAT ? a->f : otherwise;
}

/* A bound of Clip: an attribute before opset 11, then an optional input, which must be constant. */
static bool clip_bound(const sn_node *node, const char *name, const sn_fact *in, float *bound)
{
    *bound = attr_float(node, name, *bound);
    if (!in || !in->present) return true;
    const sinter_value *v = in->constant;
    if (!v || v->kind != SINTER_KIND_TENSOR || v->dtype != SINTER_FLOAT || v->count != 1) return false;
    memcpy(bound, v->data, sizeof *bound);
    return true;
}

static bool read_clip(const sn_node *node, const sn_fact *in, size_t n_in, sn_activation *a)
{
    *a = (sn_activation){SN_ACT_CLAMP, -INFINITY, INFINITY};
    return clip_bound(node, "min", n_in > 1 ? &in[1] : NULL, &a->alpha) &&
           clip_bound(node, "max", n_in > 2 ? &in[2] : NULL, &a->beta) && a->alpha <= a->beta;
}

static bool read_gelu(const sn_node *node, const sn_fact *in, size_t n_in, sn_activation *a)
{
    (void)in, (void)n_in;
    const sn_attr *form = sn_node_attr(node, "approximate");
    bool tanh_form = form && form->type == SN_ATTR_STRING && sn_str_is(form->s, "tanh");
    *a = (sn_activation){.kind = tanh_form ? SN_ACT_GELU_TANH : SN_ACT_GELU};
    return true;
}

static bool read_hard_sigmoid(const sn_node *node, const sn_fact *in, size_t n_in, sn_activation *a)
{
    (void)in, (void)n_in;
    *a = (sn_activation){SN_ACT_HARD_SIGMOID, attr_float(node, "alpha", 0.2f), attr_float(node, "beta", 0.5f)};
    return true;
}

/* Operators whose only parameter, if any, is the attribute alpha. */
static const struct {
    const char *op_type;
    sn_activation activation; /* alpha: the default */
    bool (*read)(const sn_node *node, const sn_fact *in, size_t n_in, sn_activation *a);
} activations[] = {
    {"Relu", {SN_ACT_CLAMP, 0, INFINITY}, NULL},
    {"Clip", {.kind = SN_ACT_CLAMP}, read_clip},
    {"LeakyRelu", {SN_ACT_LEAKY_RELU, 0.01f, 0}, NULL},
    {"Elu", {SN_ACT_ELU, 1, 0}, NULL},
    {"Sigmoid", {.kind = SN_ACT_SIGMOID}, NULL},
    {"HardSigmoid", {.kind = SN_ACT_HARD_SIGMOID}, read_hard_sigmoid},
    {"HardSwish", {.kind = SN_ACT_HARD_SWISH}, NULL},
    {"Tanh", {.kind = SN_ACT_TANH}, NULL},
    {"Gelu", {.kind = SN_ACT_GELU}, read_gelu},
};

bool sn_activation_read(const sn_node *node, const sn_fact *in, size_t n_in, sn_activation *out)
{
    if (n_in == 0 || !in[0].present || in[0].type.dtype != SINTER_FLOAT) return false;
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        if (!sn_node_is(node, activations[i].op_type)) continue;
        *out = activations[i].activation;
        if (activations[i].read) return activations[i].read(node, in, n_in, out);
        out->alpha = attr_float(node, "alpha", out->alpha);
        return true;
    }
    return false;
}

/* ---------------------------------------------------------------------------------------------------- chains */

static bool same_type(const sn_plan_builder *b, sn_value_id x, sn_value_id y)
{
    const sn_plan_value *v = &b->plan->values[x], *w = &b->plan->values[y];
    return v->is_static && w->is_static && v->dtype == w->dtype && sn_shape_eq(&v->shape, &w->shape);
}

/* May the node be done by the step that makes `from`? It is planned, and its one output is `from`'s size and type. */
static bool can_absorb(const sn_plan_builder *b, sn_node_id id, sn_value_id from)
{
    if (id == SN_NONE || b->m->nodes[id].graph != 0 || !b->live.node_needed[id]) return false;
    const sn_node *node = &b->m->nodes[id];
    return node->n_out == 1 && node->out[0] != SN_NONE && b->plan->values[node->out[0]].place != SN_PLACE_CONSTANT &&
           same_type(b, from, node->out[0]);
}

static void absorb(sn_fused *f, const sn_plan_builder *b, sn_node_id node)
{
    f->nodes[f->n_nodes++] = node;
    f->out = b->m->nodes[node].out[0];
}

/* out + residual, where the residual is computed before. */
static bool absorb_addition(sn_fused *f, const sn_plan_builder *b, const bool *ready)
{
    sn_node_id id = sn_only_consumer(b->m, f->out);
    if (!can_absorb(b, id, f->out) || !sn_node_is(&b->m->nodes[id], "Add")) return false;
    const sn_node *node = &b->m->nodes[id];
    sn_value_id other = node->in[0] == f->out ? node->in[1] : node->in[0];
    if (other == f->out || other == SN_NONE || !ready[other] || !same_type(b, other, f->out)) return false;
    f->residual = other;
    f->fusion.residual = true;
    absorb(f, b, id);
    return true;
}

/* Before opset 7 attributes say which axes of the first operand the second one lies along. */
static bool is_legacy(const sn_node *node)
{
    return sn_node_attr(node, "axis") || sn_node_attr(node, "broadcast");
}

/* out + one constant for each column of a product of matrices: how a Linear layer on more than two axes is exported. */
static bool absorb_bias(sn_fused *f, const sn_plan_builder *b)
{
    sn_node_id id = sn_only_consumer(b->m, f->out);
    if (!can_absorb(b, id, f->out) || !sn_node_is(&b->m->nodes[id], "Add")) return false;
    const sn_node *node = &b->m->nodes[id];
    sn_value_id other = node->in[0] == f->out ? node->in[1] : node->in[0];
    if (other == SN_NONE || b->plan->values[other].place != SN_PLACE_CONSTANT || is_legacy(node)) return false;
    const sinter_value *v = b->plan->values[other].constant;
    const sn_shape *out = &b->plan->values[f->out].shape;
    int rank = v->kind == SINTER_KIND_TENSOR ? v->shape.rank : 0;
    if (rank < 1 || v->dtype != SINTER_FLOAT || v->shape.dims[rank - 1] != out->dims[out->rank - 1] ||
        v->count != (size_t)v->shape.dims[rank - 1])
        return false;
    f->bias = other;
    f->fusion.bias = true;
    absorb(f, b, id);
    return true;
}

/* x * sigmoid(x), as exporters write SiLU: two readers, and the second reads the first. Gives the product. */
static sn_node_id find_silu(const sn_model *m, sn_value_id x, sn_node_id *sigmoid)
{
    const sn_value *v = &m->values[x];
    if (v->n_uses != 2 || v->uses[0].node == SN_NONE || v->uses[1].node == SN_NONE) return SN_NONE;
    int first = sn_node_is(&m->nodes[v->uses[0].node], "Sigmoid") ? 0 : 1;
    *sigmoid = v->uses[first].node;
    sn_node_id product = v->uses[1 - first].node;
    if (!sn_node_is(&m->nodes[*sigmoid], "Sigmoid") || !sn_node_is(&m->nodes[product], "Mul")) return SN_NONE;
    if (m->nodes[*sigmoid].n_out != 1 || m->nodes[product].n_out != 1) return SN_NONE;
    return sn_only_consumer(m, m->nodes[*sigmoid].out[0]) == product ? product : SN_NONE;
}

static bool absorb_silu(sn_fused *f, const sn_plan_builder *b)
{
    sn_node_id sigmoid, product = find_silu(b->m, f->out, &sigmoid);
    if (product == SN_NONE || !can_absorb(b, sigmoid, f->out) || !can_absorb(b, product, f->out)) return false;
    f->nodes[f->n_nodes++] = sigmoid;
    absorb(f, b, product);
    f->fusion.activation = (sn_activation){SN_ACT_SILU, 1, 0};
    return true;
}

static bool absorb_activation(sn_fused *f, const sn_plan_builder *b)
{
    sn_node_id id = sn_only_consumer(b->m, f->out);
    sn_activation activation;
    if (!can_absorb(b, id, f->out)) return false;
    const sn_node *node = &b->m->nodes[id];
    sn_fact in[3] = {0}; /* as many as the activation with most inputs has: Clip */
    for (size_t i = 0; i < node->n_in && i < 3; i++) {
        if (node->in[i] == SN_NONE) continue;
        in[i] = b->facts.values[node->in[i]];
        in[i].present = true;
    }
    if (node->n_in > 3 || node->in[0] != f->out || !sn_activation_read(node, in, node->n_in, &activation)) return false;
    f->fusion.activation = activation;
    absorb(f, b, id);
    return true;
}

sn_fused sn_fusion_find(const sn_plan_builder *b, sn_node_id node, const bool *ready)
{
    sn_fused f = {.residual = SN_NONE, .bias = SN_NONE, .out = b->m->nodes[node].out[0]};
    if (sn_node_is(&b->m->nodes[node], "MatMul")) absorb_bias(&f, b);
    absorb_addition(&f, b, ready);
    if (!absorb_silu(&f, b)) absorb_activation(&f, b);
    return f;
}

static bool may_be_fused(const sn_node *node)
{
    bool fused = sn_node_is(node, "Add");
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        fused |= sn_node_is(node, activations[i].op_type);
    }
    return fused && node->n_out == 1 && node->out[0] != SN_NONE;
}

bool sn_fusion_reaches_output(const sn_plan_builder *b, sn_value_id v)
{
    for (int i = 0; i <= SN_MAX_FUSED && v != SN_NONE; i++) {
        if (b->live.is_output[v]) return true;
        sn_node_id sigmoid, next = sn_only_consumer(b->m, v);
        if (next == SN_NONE) {
            next = find_silu(b->m, v, &sigmoid);
        } else if (!may_be_fused(&b->m->nodes[next])) {
            return false;
        }
        if (next == SN_NONE) return false;
        v = b->m->nodes[next].out[0];
    }
    return false;
}
