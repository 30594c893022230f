/*
 * Inference by evaluation. Exporters compute shapes with whatever operators they like - comparisons, Where, roundings
 * in floating point - and an infer function for each that also carries values would double many families. But once
 * everything that goes into such a node is known, its reference function gives the answer. Only symbols need the infer
 * functions' own arithmetic.
 *
 * Never fails: what cannot be evaluated, for whatever reason, stays as unknown as it was.
 */
#include "ops/infer_util.h"
#include "ops/interpreter.h"

#include "base/alloc.h"

enum {
    MAX_SLOTS = 16,
    MAX_BYTES = 16 * SN_MAX_KNOWN /* of an output: SN_MAX_KNOWN of the largest elements */
};

static bool all_numbers(const sn_fact *f)
{
    if (!f->known) return false;
    for (size_t i = 0; i < f->n_known; i++) {
        if (!sn_dim_is_number(f->known[i])) return false;
    }
    return true;
}

static bool is_small_constant(const sn_fact *f)
{
    const sinter_value *v = f->constant;
    return v && v->kind == SINTER_KIND_TENSOR && v->dtype != SINTER_STRING && v->count <= SN_MAX_KNOWN;
}

static bool has_numbers(const sn_fact *f)
{
    const uint32_t integers = SN_DTYPE_BIT(SINTER_INT64) | SN_DTYPE_BIT(SINTER_INT32) | SN_DTYPE_BIT(SINTER_BOOL);
    size_t count;
    return f->type.kind == SINTER_KIND_TENSOR && (integers & SN_DTYPE_BIT(f->type.dtype)) &&
           sn_shape_count(&f->type.shape, &count) && count == f->n_known && all_numbers(f);
}

/* A new reference; NULL when memory is out. */
static sinter_value *value_of(const sn_fact *f)
{
    if (is_small_constant(f)) return sinter_value_retain((sinter_value *)f->constant);
    sinter_value *v;
    if (sn_tensor_create(f->type.dtype, &f->type.shape, &v, NULL) != SINTER_OK) return NULL;
    for (size_t i = 0; i < f->n_known; i++) sn_store_int64(v->dtype, v->data, i, f->known[i]);
    return v;
}

static bool inputs_are_known(const sn_fact *in, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (in[i].present && !is_small_constant(&in[i]) && !has_numbers(&in[i])) return false;
    }
    return true;
}

/* Is there an output that is not known and may be small? */
static bool has_open_output(const sn_node *node, const sn_fact *out)
{
    for (size_t i = 0; i < node->n_out; i++) {
        const sn_type *t = &out[i].type;
        size_t count;
        if (node->out[i] == SN_NONE || out[i].constant || all_numbers(&out[i])) continue;
        if (sn_shape_count(&t->shape, &count) && count > SN_MAX_KNOWN) continue;
        if (t->kind == SINTER_KIND_UNKNOWN || (t->kind == SINTER_KIND_TENSOR && t->dtype != SINTER_STRING)) return true;
    }
    return false;
}

/* Makes the value a fact, which `facts` keeps alive. Takes over the reference. */
static void record(sn_fact *out, sinter_value *value, sn_facts *facts)
{
    bool usable = value->kind == SINTER_KIND_TENSOR && value->dtype != SINTER_STRING && value->count <= SN_MAX_KNOWN;
    sn_fact f;
    if (!usable || sn_fact_of_constant(value, &facts->arena, &f, NULL) != SINTER_OK ||
        !SN_GROW(facts->computed, facts->computed_capacity, facts->n_computed)) {
        sinter_value_release(value);
        return;
    }
    facts->computed[facts->n_computed++] = value;
    *out = f;
}

void sn_infer_by_evaluation(const sn_model *m, const sn_prepared_model *p, sn_node_id id, const sn_fact *in,
                            sn_fact *out, sn_facts *facts)
{
    const sn_node *node = &m->nodes[id];
    const sn_op *op = p->nodes[id].op;
    if (!op->eval || (op->flags & (SN_OP_RANDOM | SN_OP_CONTROL)) || node->n_in > MAX_SLOTS ||
        node->n_out > MAX_SLOTS || !inputs_are_known(in, node->n_in) || !has_open_output(node, out)) {
        return;
    }
    sinter_value *ins[MAX_SLOTS] = {NULL}, *outs[MAX_SLOTS] = {NULL};
    bool complete = true;
    for (size_t i = 0; i < node->n_in; i++) {
        if (!in[i].present) continue;
        ins[i] = value_of(&in[i]);
        complete = complete && ins[i];
    }
    bool done = complete &&
                sn_evaluate_node_within(m, p, id, MAX_BYTES, (const sinter_value *const *)ins, outs, NULL) == SINTER_OK;
    for (size_t i = 0; i < node->n_out; i++) {
        if (done && outs[i]) record(&out[i], outs[i], facts);
    }
    for (size_t i = 0; i < node->n_in; i++) sinter_value_release(ins[i]);
}
