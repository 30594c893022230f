/*
 * For tests of passes: building small models by names, running them with the reference interpreter, and comparing.
 * A kit stops at the first thing that goes wrong with cmocka's own failure.
 */
#ifndef SN_TESTS_PASSES_MODEL_KIT_H
#define SN_TESTS_PASSES_MODEL_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "graph/dump.h"
#include "graph/edit.h"
#include "graph/verify.h"
#include "ops/interpreter.h"
#include "passes/pass.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define KIT_UNUSED     __attribute__((unused))
#define KIT_MAX_VALUES 4096

static inline sn_model *kit_model(int64_t opset)
{
    sn_model *m = sn_model_create();
    assert_non_null(m);
    sn_opset *o = SN_ARENA_NEW(&m->arena, sn_opset);
    assert_non_null(o);
    *o = (sn_opset){SN_STR(""), opset, {"", 0}};
    m->opsets = o;
    m->n_opsets = 1;
    m->ir_version = 8;
    return m;
}

/* Dimensions are given as text: "N,3,8,8"; anything that is not a number is a symbol. "" is a scalar. */
static inline sn_shape kit_shape(sn_model *m, const char *dims)
{
    sn_shape s = {.rank = 0};
    for (const char *p = dims; *p;) {
        size_t n = strcspn(p, ",");
        char *end;
        long long d = strtoll(p, &end, 10);
        s.dims[s.rank++] = end == p + n ? d : SN_DIM_SYMBOL(sn_symbol(m, (sn_str){p, n}));
        p += n + (p[n] == ',');
    }
    return s;
}

static inline sn_value_id kit_find(const sn_model *m, sn_graph_id graph, const char *name)
{
    for (sn_value_id v = 0; v < m->n_values; v++)
        if (!m->values[v].dead && m->values[v].graph == graph && sn_str_is(m->values[v].name, name)) return v;
    return SN_NONE;
}

/* Looks outwards from a body. */
static inline sn_value_id kit_value(sn_model *m, sn_graph_id graph, const char *name)
{
    for (sn_graph_id g = graph; g != SN_NONE; g = m->graphs[g].parent) {
        sn_value_id v = kit_find(m, g, name);
        if (v != SN_NONE) return v;
    }
    sn_value_id v = sn_add_value(m, graph, sn_str_of(name), NULL);
    assert_int_not_equal(v, SN_NONE);
    return v;
}

static KIT_UNUSED sn_value_id kit_input(sn_model *m, const char *name, sinter_dtype dtype, const char *dims)
{
    sn_type t = {.kind = SINTER_KIND_TENSOR, .dtype = dtype, .shape = kit_shape(m, dims)};
    sn_value_id v = sn_add_value(m, 0, sn_str_of(name), &t);
    assert_true(v != SN_NONE && sn_add_input(m, 0, v));
    m->values[v].is_declared = true;
    return v;
}

static inline sinter_value *kit_tensor(sinter_dtype dtype, const sn_shape *shape)
{
    sinter_value *t;
    sinter_error err;
    assert_int_equal(sn_tensor_create(dtype, shape, &t, &err), SINTER_OK);
    return t;
}

/* Deterministic numbers in [low, high). */
static inline void kit_fill(sinter_value *t, uint64_t seed, double low, double high)
{
    uint64_t state = seed * 2654435761u + 12345u;
    for (size_t i = 0; i < t->count; i++)
        sn_store_double(t->dtype, t->data, i, low + (high - low) * sn_random_uniform(&state));
}

static KIT_UNUSED sn_value_id kit_init_of(sn_model *m, const char *name, sinter_dtype dtype, const char *dims,
                                          double low, double high)
{
    sn_shape s = kit_shape(m, dims);
    sinter_value *t = kit_tensor(dtype, &s);
    uint64_t seed = 0;
    for (const char *p = name; *p; p++) seed = seed * 31 + (unsigned char)*p;
    kit_fill(t, seed, low, high);
    sn_value_id v = sn_add_value(m, 0, sn_str_of(name), NULL);
    assert_true(v != SN_NONE && sn_set_initializer(m, v, t));
    return v;
}

static KIT_UNUSED sn_value_id kit_init(sn_model *m, const char *name, const char *dims)
{
    return kit_init_of(m, name, SINTER_FLOAT, dims, -1.0, 1.0);
}

static KIT_UNUSED sn_value_id kit_int64s(sn_model *m, const char *name, const char *dims, const int64_t *values)
{
    sn_shape s = kit_shape(m, dims);
    sinter_value *t = kit_tensor(SINTER_INT64, &s);
    memcpy(t->data, values, t->size);
    sn_value_id v = sn_add_value(m, 0, sn_str_of(name), NULL);
    assert_true(v != SN_NONE && sn_set_initializer(m, v, t));
    return v;
}

static inline size_t kit_ids(sn_model *m, sn_graph_id graph, const char *names, sn_value_id *out)
{
    size_t n = 0;
    for (const char *p = names; *p;) {
        size_t length = strcspn(p, ",");
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)length, p);
        out[n++] = length == 0 || strcmp(name, "-") == 0 ? SN_NONE : kit_value(m, graph, name);
        p += length + (p[length] == ',');
    }
    return n;
}

/* Inputs and outputs as comma-separated names; "-" leaves one out. The node is called as its first output with "op_" in
 * front. */
static KIT_UNUSED sn_node_id kit_node_in(sn_model *m, sn_graph_id graph, const char *op, const char *inputs,
                                         const char *outputs)
{
    sn_value_id in[16], out[16];
    size_t n_in = kit_ids(m, graph, inputs, in), n_out = kit_ids(m, graph, outputs, out);
    char name[160];
    snprintf(name, sizeof name, "op_%.*s", (int)strcspn(outputs, ","), outputs);
    sn_node_id node = sn_add_node(m, graph, SIZE_MAX, sn_str_of(op), SN_STR(""), sn_str_of(name), in, n_in, out, n_out);
    assert_int_not_equal(node, SN_NONE);
    return node;
}

static KIT_UNUSED sn_node_id kit_node(sn_model *m, const char *op, const char *inputs, const char *outputs)
{
    return kit_node_in(m, 0, op, inputs, outputs);
}

static KIT_UNUSED void kit_ints(sn_model *m, sn_node_id node, const char *name, size_t n, const int64_t *values)
{
    assert_true(sn_set_attr_ints(m, node, name, values, n));
}

static KIT_UNUSED void kit_output(sn_model *m, const char *name)
{
    sn_value_id v = kit_find(m, 0, name);
    assert_true(v != SN_NONE && sn_add_output(m, 0, v));
}

/* BatchNormalization with parameters NAME_s, NAME_b, NAME_m, NAME_v. */
static KIT_UNUSED sn_node_id kit_bn(sn_model *m, const char *input, const char *output, int channels)
{
    char text[5][96], dims[16], inputs[512];
    snprintf(dims, sizeof dims, "%d", channels);
    const char *suffixes = "sbmv";
    for (int i = 0; i < 4; i++) {
        snprintf(text[i], sizeof text[i], "%.80s_%c", output, suffixes[i]);
        kit_init_of(m, text[i], SINTER_FLOAT, dims, i == 3 ? 0.5 : -1.0, i == 3 ? 2.0 : 1.0);
    }
    snprintf(inputs, sizeof inputs, "%s,%s,%s,%s,%s", input, text[0], text[1], text[2], text[3]);
    return kit_node(m, "BatchNormalization", inputs, output);
}

/* ---------------------------------------------------------------------------------------------------- running */

typedef struct kit_run {
    const sn_model *m;
    sn_prepared_model prepared;
    sinter_value *values[KIT_MAX_VALUES]; /* owned, by value id */
} kit_run;

static inline const sinter_value *kit_read(const kit_run *r, sn_value_id v)
{
    if (v == SN_NONE) return NULL;
    return r->m->values[v].constant ? r->m->values[v].constant : r->values[v];
}

static inline sinter_status kit_run_node(kit_run *r, sn_node_id node, sinter_error *err)
{
    const sn_node *n = &r->m->nodes[node];
    const sinter_value *in[64];
    sinter_value *outs[64] = {0};
    if (n->n_in > 64 || n->n_out > 64) return sn_fail(err, SINTER_UNSUPPORTED, "node with too many inputs for the kit");
    for (size_t i = 0; i < n->n_in; i++) in[i] = kit_read(r, n->in[i]);
    SN_TRY(sn_evaluate_node(r->m, &r->prepared, node, in, outs, err));
    for (size_t i = 0; i < n->n_out; i++) {
        if (n->out[i] == SN_NONE || r->values[n->out[i]])
            sinter_value_release(outs[i]);
        else
            r->values[n->out[i]] = outs[i];
    }
    return SINTER_OK;
}

/* Runs the main graph. inputs in the order of the graph's inputs without initializers; outs[i] are new references. */
static KIT_UNUSED sinter_status kit_run_model(const sn_model *m, sinter_value *const *inputs, size_t n_inputs,
                                              sinter_value **outs, sinter_error *err)
{
    const sn_graph *g = &m->graphs[0];
    if (m->n_values > KIT_MAX_VALUES)
        return sn_fail(err, SINTER_UNSUPPORTED, "%zu values are too many for the kit", m->n_values);
    kit_run *r = sn_calloc(1, sizeof *r);
    assert_non_null(r);
    r->m = m;
    sinter_status status = sn_prepare_model(m, &r->prepared, err);
    for (size_t i = 0, k = 0; status == SINTER_OK && i < g->inputs.count; i++) {
        sn_value_id v = g->inputs.items[i];
        if (!m->values[v].constant && k < n_inputs) r->values[v] = sinter_value_retain(inputs[k++]);
    }
    for (size_t i = 0; status == SINTER_OK && i < g->nodes.count; i++) status = kit_run_node(r, g->nodes.items[i], err);
    for (size_t i = 0; status == SINTER_OK && i < g->outputs.count; i++)
        outs[i] = sinter_value_retain((sinter_value *)(uintptr_t)kit_read(r, g->outputs.items[i]));
    for (size_t i = 0; i < m->n_values; i++) sinter_value_release(r->values[i]);
    sn_prepared_model_free(&r->prepared);
    sn_free(r);
    return status;
}

/* ---------------------------------------------------------------------------------------------------- comparing */

/* Symbols become 2. */
static inline sinter_value *kit_random_input(const sn_model *m, sn_value_id v, uint64_t seed)
{
    sn_shape s = m->values[v].type.shape;
    for (int i = 0; i < s.rank; i++)
        if (!sn_dim_is_number(s.dims[i])) s.dims[i] = 2;
    sinter_value *t = kit_tensor(m->values[v].type.dtype, &s);
    kit_fill(t, seed, -2.0, 2.0);
    return t;
}

static inline void kit_verify(const sn_model *m)
{
    sinter_error err = {0};
    if (sn_verify(m, &err) != SINTER_OK) fail_msg("%s", err.text);
}

/* Optimizes, having run the model before and after on the same random inputs: outputs must agree. The report is the
 * caller's. */
static KIT_UNUSED sinter_report *kit_optimize_same(sn_model *m, const sinter_optimize_options *options, double rtol)
{
    sinter_value *inputs[8] = {0}, *before[8] = {0}, *after[8] = {0};
    sinter_error err = {0};
    const sn_ids *ids = &m->graphs[0].inputs;
    size_t n = 0, n_out = m->graphs[0].outputs.count;
    kit_verify(m);
    for (size_t i = 0; i < ids->count; i++)
        if (!m->values[ids->items[i]].constant) {
            inputs[n] = kit_random_input(m, ids->items[i], n + 1);
            n++;
        }
    if (kit_run_model(m, inputs, n, before, &err) != SINTER_OK) fail_msg("before: %s", err.text);
    sinter_report *report = NULL;
    if (sinter_model_optimize((sinter_model *)m, options, &report, &err) != SINTER_OK)
        fail_msg("optimize: %s", err.text);
    kit_verify(m);
    if (kit_run_model(m, inputs, n, after, &err) != SINTER_OK) fail_msg("after: %s", err.text);
    assert_int_equal(m->graphs[0].outputs.count, n_out);
    for (size_t i = 0; i < n_out; i++) {
        sinter_difference d = sinter_value_compare(after[i], before[i], rtol, rtol / 10.0);
        if (!d.comparable || d.mismatches) fail_msg("output %zu: %s", i, d.text);
    }
    for (size_t i = 0; i < 8; i++) {
        sinter_value_release(inputs[i]);
        sinter_value_release(before[i]);
        sinter_value_release(after[i]);
    }
    return report;
}

static KIT_UNUSED sinter_report *kit_optimize(sn_model *m, const sinter_optimize_options *options)
{
    sinter_report *report = NULL;
    sinter_error err = {0};
    if (sinter_model_optimize((sinter_model *)m, options, &report, &err) != SINTER_OK)
        fail_msg("optimize: %s", err.text);
    kit_verify(m);
    return report;
}

static KIT_UNUSED size_t kit_count(const sn_model *m, const char *op)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_nodes; i++) n += !m->nodes[i].dead && (!op || sn_str_is(m->nodes[i].op_type, op));
    return n;
}

static KIT_UNUSED void kit_assert_dump(const sn_model *m, const char *expected)
{
    sn_text text = {0};
    sn_dump(m, &text);
    assert_false(text.failed);
    assert_string_equal(text.p, expected);
    sn_text_free(&text);
}

static KIT_UNUSED void kit_free(sn_model *m, sinter_report *report)
{
    sinter_report_free(report);
    sn_model_destroy(m);
}

#endif
