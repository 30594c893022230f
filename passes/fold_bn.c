/*
 * Pattern: a chain of affine links (affine.h) next to a linear operator.
 * Rewrite: the linear operator absorbs the whole chain (fold_conv.c, fold_gemm.c, fold_matmul.c say how); the links go,
 * layout operators between stay. fold-bn-backward takes any chain *after* a linear operator; fold-bn-forward takes
 * chains that start with a BatchNormalization and end *at* a linear operator. Exact up to one rounding of each
 * constant. Refuses, and says so in the report, whenever a value of the chain is read elsewhere, a constant may change,
 * channels cannot be proven to stay channels, or a folded constant would not be finite.
 */
#include "base/alloc.h"
#include "passes/bn.h"
#include "passes/fold.h"
#include "passes/list.h"
#include <stdio.h>

typedef sinter_status absorber(sn_fold *f);

static const struct {
    const char *op_type;
    absorber *output, *input; /* of a chain on its output, on its input; NULL: cannot */
} absorbers[] = {
    {"Conv", sn_conv_absorb_output, sn_conv_absorb_input},
    {"ConvTranspose", sn_conv_transpose_absorb_output, NULL},
    {"Gemm", sn_gemm_absorb_output, sn_gemm_absorb_input},
    {"MatMul", sn_matmul_absorb_output, sn_matmul_absorb_input},
};

static absorber *find_absorber(const sn_node *n, bool backward)
{
    for (size_t i = 0; i < sizeof absorbers / sizeof *absorbers; i++)
        if (sn_node_is(n, absorbers[i].op_type)) return backward ? absorbers[i].output : absorbers[i].input;
    return NULL;
}

/* At most this many readers a value of the chain can get when links go. */
static size_t readers_in_all(const sn_model *m, const sn_chain *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_links; i++) n += m->values[c->links[i].out].n_uses;
    return n;
}

static sinter_status absorb(sn_pass_context *x, sn_fold *f)
{
    absorber *run = find_absorber(&x->model->nodes[f->linear], f->chain->backward);
    if (!run)
        return sn_fail(f->why, SINTER_UNSUPPORTED, "%s after it does not add the same at its borders as in its middle",
                       sn_pass_label(x, f->linear));
    for (size_t i = 0; i < f->chain->n_links; i++) {
        const sn_link *l = &f->chain->links[i];
        if (!sn_can_replace_uses(x->model, l->out, l->data))
            return sn_fail(f->why, SINTER_UNSUPPORTED,
                           "removing it would lose or hide the name '%.*s', which others need",
                           SN_STR_ARG(x->model->values[l->out].name));
        /* Once the weights have changed, removing the links must not fail. */
        if (!sn_reserve_uses(x->model, l->data, readers_in_all(x->model, f->chain))) return sn_pass_no_memory(x);
    }
    return run(f);
}

/* "; together with Add 'a' and 2 more", "; through Transpose 't'" */
static void describe(sn_pass_context *x, const sn_chain *c, const sn_link *row, char *text, size_t size)
{
    const sn_link *other = NULL;
    size_t others = 0;
    for (size_t i = 0; i < c->n_links; i++)
        if (&c->links[i] != row && others++ == 0) other = &c->links[i];
    char together[300] = "";
    if (other && others == 1)
        snprintf(together, sizeof together, ", together with %s", sn_pass_label(x, other->node));
    else if (other)
        snprintf(together, sizeof together, ", together with %s and %zu more", sn_pass_label(x, other->node),
                 others - 1);
    const char *through = c->layout == SN_NONE ? "" : sn_pass_label(x, c->layout);
    snprintf(text, size, "%s%s%s", *through ? ", through " : "", through, together);
}

static sinter_status report_folded(sn_pass_context *x, const sn_chain *c)
{
    for (size_t i = 0; i < c->n_links; i++) {
        if (!sn_report_bn_of(x->report, c->links[i].node)) continue;
        char details[700];
        describe(x, c, &c->links[i], details, sizeof details);
        if (!sn_report_folded(x->report, x->model, c->links[i].node, c->linear,
                              "scale and shift are absorbed by the weights of the %.*s %s it%s",
                              SN_STR_ARG(x->model->nodes[c->linear].op_type), c->backward ? "before" : "after",
                              details))
            return sn_pass_no_memory(x);
    }
    return SINTER_OK;
}

/* From the linear operator outwards, so that a graph output's name travels inwards one step at a time. */
static sinter_status remove_links(sn_pass_context *x, const sn_chain *c, sn_node_id keep)
{
    for (size_t i = 0; i < c->n_links; i++) {
        const sn_link *l = &c->links[c->backward ? c->n_links - 1 - i : i];
        if (l->node == keep) continue;
        /* Read anew: an inner link that is gone has handed on its own data. */
        const sn_node *n = &x->model->nodes[l->node];
        sn_value_id data = sn_constant(x->model, n->in[0]) ? n->in[1] : n->in[0];
        if (!sn_bypass_node(x->model, l->node, data)) return sn_pass_no_memory(x);
    }
    return SINTER_OK;
}

/* The weights have changed: the links must go even when there is no memory to report it. */
static sinter_status finish(sn_pass_context *x, const sn_chain *c, sn_node_id keep)
{
    x->changes++;
    sinter_status reported = report_folded(x, c);
    sinter_status removed = remove_links(x, c, keep);
    return removed != SINTER_OK ? removed : reported;
}

/* One try to fold the chain that starts at `node`. A refusal is put into *why and is not an error. */
static sinter_status try_fold(sn_pass_context *x, sn_node_id node, bool backward, sinter_error *why)
{
    sn_chain *c = sn_calloc(1, sizeof *c);
    if (!c) return sn_pass_no_memory(x);
    sinter_status status = backward ? sn_chain_backward(x, node, c, why) : sn_chain_forward(x, node, c, why);
    if (status == SINTER_OK) {
        sn_fold f = {.x = x, .chain = c, .linear = c->linear, .why = why, .keep = SN_NONE};
        status = absorb(x, &f);
        if (status == SINTER_OK) status = finish(x, c, f.keep);
    }
    why->code = status;
    sn_chain_free(c);
    sn_free(c);
    return status == SINTER_NO_MEMORY ? sn_pass_no_memory(x) : SINTER_OK;
}

static enum sn_reason weight_of(sinter_status refusal)
{
    return refusal == SINTER_INVALID_MODEL ? SN_REASON_UNFIT : SN_REASON_NEIGHBOUR;
}

/* "no linear operator next to it" names both neighbours. */
static sinter_status report_alone(sn_pass_context *x, sn_node_id node, const sinter_error *why)
{
    const sn_value *y = &x->model->values[x->model->nodes[node].out[0]];
    sn_node_id reader = y->n_uses > 0 ? y->uses[0].node : SN_NONE;
    const char *next = reader == SN_NONE ? "the graph's output" : sn_pass_label(x, reader);
    const char *input = strncmp(why->text, "its input", 9) == 0 ? why->text : "";
    bool ok =
        sn_report_kept(x->report, node, SN_REASON_ALONE, "no linear operator next to it: %s%sits output goes to %s",
                       input, *input ? ", " : "", next);
    return ok ? SINTER_OK : sn_pass_no_memory(x);
}

static sinter_status report_refusal(sn_pass_context *x, sn_node_id node, const sinter_error *why)
{
    if (why->code == SINTER_OK || !sn_report_bn_of(x->report, node)) return SINTER_OK;
    if (why->code == SINTER_NOT_FOUND) return report_alone(x, node, why);
    return sn_report_kept(x->report, node, weight_of(why->code), "%s", why->text) ? SINTER_OK : sn_pass_no_memory(x);
}

/* Last node first: so a walk begins at the last link of its chain and takes all of it. */
static sinter_status fold_backward(sn_pass_context *x, const sn_ids *nodes)
{
    for (size_t i = nodes->count; i-- > 0;) {
        sn_node_id node = nodes->items[i];
        if (x->model->nodes[node].dead || !sn_may_be_link(&x->model->nodes[node])) continue;
        sinter_error why = {0};
        SN_TRY(try_fold(x, node, true, &why));
        SN_TRY(report_refusal(x, node, &why));
    }
    return SINTER_OK;
}

static sinter_status fold_forward(sn_pass_context *x, const sn_ids *nodes)
{
    for (size_t i = 0; i < nodes->count; i++) {
        sn_node_id node = nodes->items[i];
        const sn_node *n = &x->model->nodes[node];
        if (n->dead || !sn_node_is(n, "BatchNormalization") || !sn_may_be_link(n)) continue;
        sinter_error why = {0};
        SN_TRY(try_fold(x, node, false, &why));
        SN_TRY(report_refusal(x, node, &why));
    }
    return SINTER_OK;
}

sinter_status sn_pass_fold_bn_backward(sn_pass_context *x)
{
    sn_ids nodes;
    SN_TRY(sn_pass_nodes(x, &nodes));
    sinter_status status = fold_backward(x, &nodes);
    sn_ids_release(&nodes);
    return status;
}

sinter_status sn_pass_fold_bn_forward(sn_pass_context *x)
{
    sn_ids nodes;
    SN_TRY(sn_pass_nodes(x, &nodes));
    sinter_status status = fold_forward(x, &nodes);
    sn_ids_release(&nodes);
    return status;
}
