/*
 * Pattern: a BatchNormalization or Dropout that was exported in training mode.
 * Rewrite (policy eval): to inference form: the BatchNormalization uses the running statistics that the file holds, the
 * Dropout becomes an identity: what model.eval() does, and what whoever serves a model wants. Not exact by the ONNX
 * standard, which asks for batch statistics: therefore always reported, and off under policy keep. Refuses: mean or
 * variance that are computed in the graph (track_running_stats=False: batch statistics are the model's meaning) or that
 * callers may override; statistics outputs or a mask that somebody reads; a Dropout whose training_mode is fed.
 */
#include "passes/bn.h"
#include "passes/list.h"

#define MAX_STATISTIC_NODES 256 /* that compute a mean or variance from constants */

typedef struct tally {
    size_t rewritten;
    size_t untrained; /* of those: all means 0, all variances 1 */
} tally;

/* Exporters that share equal initializers leave Identity nodes in front of them. */
static sn_value_id behind_identities(const sn_model *m, sn_value_id v)
{
    for (int i = 0; i < 64 && v != SN_NONE; i++) {
        sn_node_id p = m->values[v].producer;
        if (p == SN_NONE || !sn_node_is(&m->nodes[p], "Identity")) break;
        v = sn_node_in(&m->nodes[p], 0);
    }
    return v;
}

static const sinter_value *statistic(const sn_model *m, sn_node_id node, size_t slot)
{
    sn_value_id v = behind_identities(m, sn_node_in(&m->nodes[node], slot));
    return v == SN_NONE ? NULL : sn_constant(m, v);
}

static bool is_deterministic(const sn_node *n)
{
    static const char *const random[] = {"RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli",
                                         "Dropout"};
    if (!sn_domain_is_onnx(n->domain) || n->n_in == 0) return false;
    for (size_t i = 0; i < sizeof random / sizeof *random; i++)
        if (sn_node_is(n, random[i])) return false;
    for (size_t i = 0; i < n->n_attrs; i++)
        if (n->attrs[i].type == SN_ATTR_GRAPH || n->attrs[i].type == SN_ATTR_GRAPHS) return false;
    return true;
}

/* Is the value a constant, or computed from nothing but constants and shapes? Then it is no statistic of a batch, and
 * folding constants may make it one of them: the decision must not depend on whether that has happened yet. The budget
 * bounds the nodes that are looked at. */
static bool is_fixed(const sn_model *m, sn_value_id v, int *budget)
{
    if (v == SN_NONE) return false;
    if (sn_constant(m, v)) return true;
    sn_node_id p = m->values[v].producer;
    if (p == SN_NONE || --*budget < 0) return false;
    const sn_node *n = &m->nodes[p];
    if (sn_node_is(n, "Shape") || sn_node_is(n, "Size")) return true;
    if (!is_deterministic(n)) return false;
    for (size_t i = 0; i < n->n_in; i++)
        if (n->in[i] != SN_NONE && !is_fixed(m, n->in[i], budget)) return false;
    return true;
}

static bool all_equal(const sinter_value *v, double expected)
{
    if (!v) return false;
    for (size_t i = 0; i < v->count; i++)
        if (sn_load_double(v->dtype, v->data, i) != expected) return false;
    return true;
}

/* Why the stored statistics cannot be used; NULL when they can. */
static const char *cannot_use_stored(const sn_model *m, sn_node_id node)
{
    for (size_t slot = SN_BN_MEAN; slot <= SN_BN_VAR; slot++) {
        int budget = MAX_STATISTIC_NODES;
        if (is_fixed(m, sn_node_in(&m->nodes[node], slot), &budget)) continue;
        sn_value_id v = behind_identities(m, sn_node_in(&m->nodes[node], slot));
        if (v != SN_NONE && sn_is_overridable(m, v))
            return "training-mode export: its statistics are also model inputs, which callers may override "
                   "(--freeze-inputs makes them constants); batch statistics kept";
        return "training-mode export: mean and variance are computed in the graph, so batch statistics are the model's "
               "meaning";
    }
    if (sn_bn_statistics_are_read(m, node))
        return "training-mode export: its statistics outputs are read; batch statistics kept";
    return NULL;
}

static sinter_status rewrite_bn(sn_pass_context *x, sn_node_id node, tally *t)
{
    sn_model *m = x->model;
    const char *refusal = x->bn_stats == SINTER_BN_STATS_KEEP
                              ? "training-mode export: batch statistics kept (--bn-stats=keep)"
                              : cannot_use_stored(m, node);
    if (refusal) {
        const sn_bn_record *record = sn_report_bn_of(x->report, node);
        if (record && record->reason.n == 0 &&
            !sn_report_add_note(x->report, "%s: %s", sn_pass_label(x, node), refusal))
            return sn_pass_no_memory(x);
        return sn_report_kept(x->report, node, SN_REASON_POLICY, "%s", refusal) ? SINTER_OK : sn_pass_no_memory(x);
    }

    t->rewritten++;
    t->untrained += all_equal(statistic(m, node, SN_BN_MEAN), 0.0) && all_equal(statistic(m, node, SN_BN_VAR), 1.0);
    if (!sn_bn_make_inference(m, node) ||
        !sn_report_bn_note(x->report, node, "exported in training mode, rewritten to its running statistics") ||
        !sn_report_add_note(
            x->report, "%s was exported in training mode: rewritten to its running statistics, as model.eval() does",
            sn_pass_label(x, node)))
        return sn_pass_no_memory(x);
    x->changes++;
    return SINTER_OK;
}

static bool constant_true(const sn_model *m, sn_value_id v)
{
    v = behind_identities(m, v);
    const sinter_value *k = v == SN_NONE ? NULL : sn_constant(m, v);
    return k && k->dtype == SINTER_BOOL && k->count == 1 && sn_tensor_int(k, 0) != 0;
}

static bool dropout_is_training(const sn_model *m, sn_node_id node)
{
    const sn_node *n = &m->nodes[node];
    int64_t version = sn_node_version(m, node);
    if (version >= 12) return constant_true(m, sn_node_in(n, 2));
    return version < 7 && sn_node_int(n, "is_test", 0) == 0;
}

static sinter_status rewrite_dropout(sn_pass_context *x, sn_node_id node)
{
    sn_model *m = x->model;
    if (x->bn_stats == SINTER_BN_STATS_KEEP || sn_output_is_used(m, &m->nodes[node], 1)) return SINTER_OK;
    if (sn_node_version(m, node) >= 12) {
        sn_value_id mode = m->nodes[node].in[2];
        sn_truncate_inputs(m, node, 2);
        sn_drop_if_unused(m, mode);
    } else if (!sn_set_attr_int(m, node, "is_test", 1)) {
        return sn_pass_no_memory(x);
    }
    if (!sn_report_add_note(x->report,
                            "%s was exported in training mode: treated as the identity, as model.eval() does",
                            sn_pass_label(x, node)))
        return sn_pass_no_memory(x);
    x->changes++;
    return SINTER_OK;
}

static sinter_status rewrite_nodes(sn_pass_context *x, const sn_ids *nodes, tally *t)
{
    for (size_t i = 0; i < nodes->count; i++) {
        sn_node_id node = nodes->items[i];
        const sn_node *n = &x->model->nodes[node];
        if (n->dead) continue;
        if (sn_node_is(n, "BatchNormalization") && sn_bn_is_training(x->model, node))
            SN_TRY(rewrite_bn(x, node, t));
        else if (sn_node_is(n, "Dropout") && dropout_is_training(x->model, node))
            SN_TRY(rewrite_dropout(x, node));
    }
    return SINTER_OK;
}

sinter_status sn_pass_bn_stats(sn_pass_context *x)
{
    sn_ids nodes;
    SN_TRY(sn_pass_nodes(x, &nodes));
    tally t = {0};
    sinter_status status = rewrite_nodes(x, &nodes, &t);
    sn_ids_release(&nodes);
    SN_TRY(status);
    if (t.rewritten > 0 && t.untrained == t.rewritten &&
        !sn_report_add_note(x->report,
                            "all running means are 0 and all running variances are 1: the model was probably never "
                            "trained, or its statistics were not tracked"))
        return sn_pass_no_memory(x);
    return SINTER_OK;
}
