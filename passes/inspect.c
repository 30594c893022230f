/* Facts about a model for people: sinter_model_inspect. Everything is counted over the main graph, its bodies and the
 * model's functions. */
#include "base/alloc.h"
#include "passes/bn.h"
#include "passes/flops.h"
#include "passes/shapes.h"
#include <stdlib.h>

/* The public struct comes first, so that a pointer to it is one to the whole. */
typedef struct gathering {
    sinter_inspection public;
    sn_arena arena;
    sinter_op_count *ops;
    size_t n_ops, ops_capacity;
    sinter_bn_info *bns;
    size_t n_bns, bns_capacity;
    sn_map op_index; /* "domain:op_type" -> index into ops */
} gathering;

typedef struct inspector {
    const sn_model *m;
    gathering *out;
    sn_prepared_model prepared;
    sn_facts facts;
    sinter_error *err;
} inspector;

static const char *keep(gathering *o, sn_str s, bool *ok)
{
    sn_str copy = sn_arena_str(&o->arena, s);
    if (!copy.p) *ok = false;
    return copy.p ? copy.p : "";
}

/* ---------------------------------------------------------------------------------------------------- operators */

static bool is_supported(const inspector *in, sn_node_id node)
{
    if (node < in->prepared.n_nodes && in->prepared.nodes[node].op) return true;
    const sn_node *n = &in->m->nodes[node];
    for (size_t i = 0; i < in->m->n_functions; i++) {
        const sn_function *f = &in->m->functions[i];
        if (!f->dead && sn_str_eq(f->name, n->op_type) && sn_str_eq(f->domain, n->domain)) return true;
    }
    return false;
}

static bool count_op(inspector *in, sn_node_id node)
{
    gathering *o = in->out;
    const sn_node *n = &in->m->nodes[node];
    sn_str domain = sn_domain_is_onnx(n->domain) ? SN_STR("") : n->domain;
    sn_str key = sn_arena_printf(&o->arena, "%.*s:%.*s", SN_STR_ARG(domain), SN_STR_ARG(n->op_type));
    if (!key.p) return false;
    uint32_t index = sn_map_get(&o->op_index, key);
    if (index != SN_MAP_NONE) {
        o->ops[index].count++;
        o->ops[index].supported &= is_supported(in, node);
        return true;
    }
    bool ok = SN_GROW(o->ops, o->ops_capacity, o->n_ops) && sn_map_put(&o->op_index, key, (uint32_t)o->n_ops);
    if (!ok) return false;
    o->ops[o->n_ops++] = (sinter_op_count){.domain = keep(o, domain, &ok),
                                           .op_type = keep(o, n->op_type, &ok),
                                           .count = 1,
                                           .supported = is_supported(in, node)};
    return ok;
}

static int compare_ops(const void *a, const void *b)
{
    const sinter_op_count *p = a, *q = b;
    if (p->count != q->count) return p->count < q->count ? 1 : -1;
    int order = strcmp(p->op_type, q->op_type);
    return order != 0 ? order : strcmp(p->domain, q->domain);
}

/* ----------------------------------------------------------------------------------------------------
 * BatchNormalization */

static const sn_shape *shape_of(const inspector *in, sn_value_id v)
{
    return v < in->facts.n_values ? &in->facts.values[v].type.shape : &in->m->values[v].type.shape;
}

static sn_str producer_op(const inspector *in, sn_value_id v)
{
    if (v == SN_NONE || in->m->values[v].producer == SN_NONE) return SN_STR("");
    return in->m->nodes[in->m->values[v].producer].op_type;
}

/* Each operator once, in the order of the uses. */
static const char *consumer_ops(inspector *in, sn_value_id v, bool *ok)
{
    sn_text text = {0};
    const sn_value *value = v == SN_NONE ? NULL : &in->m->values[v];
    for (size_t i = 0; value && i < value->n_uses && i < 16; i++) {
        if (value->uses[i].node == SN_NONE) continue;
        sn_str op = in->m->nodes[value->uses[i].node].op_type;
        sn_text_append(&text, "%s%.*s", text.n ? "," : "", SN_STR_ARG(op));
    }
    const char *copy = keep(in->out, sn_str_of(text.p ? text.p : ""), ok);
    *ok = *ok && !text.failed;
    sn_text_free(&text);
    return copy;
}

static int64_t channels_of(const inspector *in, const sn_node *n)
{
    sn_value_id scale = sn_node_in(n, SN_BN_SCALE);
    if (scale == SN_NONE) return -1;
    const sn_shape *s = shape_of(in, scale);
    return s->rank == 1 && sn_dim_is_number(s->dims[0]) ? s->dims[0] : -1;
}

static bool add_bn(inspector *in, sn_node_id node)
{
    gathering *o = in->out;
    const sn_node *n = &in->m->nodes[node];
    sn_value_id y = sn_node_out(n, 0);
    char text[SN_SHAPE_TEXT] = "?";
    if (y != SN_NONE) sn_shape_text(shape_of(in, y), in->m->symbols, text, sizeof text);
    bool ok = SN_GROW(o->bns, o->bns_capacity, o->n_bns) != 0;
    if (!ok) return false;
    o->bns[o->n_bns++] = (sinter_bn_info){
        .name = keep(o, sn_node_label(in->m, node), &ok),
        .shape = keep(o, sn_str_of(text), &ok),
        .producer_op = keep(o, producer_op(in, sn_node_in(n, SN_BN_X)), &ok),
        .consumer_op = consumer_ops(in, y, &ok),
        .channels = channels_of(in, n),
        .epsilon = sn_node_float(n, "epsilon", 1e-5F),
        .training_mode = sn_bn_is_training(in->m, node),
    };
    return ok;
}

/* ---------------------------------------------------------------------------------------------------- parameters */

static void add_parameter(sinter_inspection *p, const sinter_value *tensor)
{
    if (!tensor) return;
    p->parameters += tensor->count;
    p->parameter_bytes += tensor->size;
}

static void count_parameters(inspector *in)
{
    sinter_inspection *p = &in->out->public;
    for (size_t i = 0; i < in->m->n_values; i++) {
        const sn_value *v = &in->m->values[i];
        if (v->dead) continue;
        add_parameter(p, v->constant);
        if (v->sparse) add_parameter(p, v->sparse->values);
    }
}

static bool count_node(inspector *in, sn_node_id node)
{
    sinter_inspection *p = &in->out->public;
    const sn_node *n = &in->m->nodes[node];
    p->n_nodes++;
    if (sn_node_is(n, "Constant")) {
        const sn_attr *a = sn_node_attr(n, "value");
        if (a && a->type == SN_ATTR_TENSOR) add_parameter(p, a->tensor);
    }
    double flops = sn_node_flops(in->m, &in->facts, node);
    p->flops = p->flops < 0.0 || flops < 0.0 ? -1.0 : p->flops + flops;
    return count_op(in, node) && (!sn_node_is(n, "BatchNormalization") || add_bn(in, node));
}

/* ---------------------------------------------------------------------------------------------------- whole */

static bool copy_header(inspector *in)
{
    gathering *o = in->out;
    const sn_model *m = in->m;
    bool ok = true;
    o->public.ir_version = m->ir_version;
    o->public.producer_name = keep(o, m->producer_name, &ok);
    o->public.producer_version = keep(o, m->producer_version, &ok);
    o->public.graph_name = keep(o, m->graphs[0].name, &ok);
    sinter_opset *opsets = SN_ARENA_ARRAY(&o->arena, sinter_opset, m->n_opsets + 1);
    if (!opsets) return false;
    for (size_t i = 0; i < m->n_opsets; i++)
        opsets[i] = (sinter_opset){keep(o, m->opsets[i].domain, &ok), m->opsets[i].version};
    o->public.opsets = opsets;
    o->public.n_opsets = m->n_opsets;
    return ok;
}

static bool count_all(inspector *in)
{
    gathering *o = in->out;
    if (!copy_header(in)) return false;
    count_parameters(in);
    for (sn_graph_id g = 0; g < in->m->n_graphs; g++) {
        if (in->m->graphs[g].dead) continue;
        const sn_ids *nodes = &in->m->graphs[g].nodes;
        for (size_t i = 0; i < nodes->count; i++)
            if (!count_node(in, nodes->items[i])) return false;
    }
    if (o->n_ops > 0) qsort(o->ops, o->n_ops, sizeof *o->ops, compare_ops);
    o->public.ops = o->ops;
    o->public.n_ops = o->n_ops;
    o->public.bns = o->bns;
    o->public.n_bns = o->n_bns;
    return true;
}

static sinter_status inspect(inspector *in, const sinter_shape *shapes, size_t n_shapes)
{
    sn_shape *resolved = NULL;
    SN_TRY(sn_shapes_resolve(in->m, shapes, shapes ? n_shapes : 0, &resolved, in->err));
    sinter_status status = sn_prepare_model(in->m, &in->prepared, in->err);
    if (status == SINTER_OK) status = sn_infer_model(in->m, &in->prepared, resolved, true, &in->facts, in->err);
    if (status == SINTER_OK && !count_all(in)) status = sn_no_memory(in->err, "inspecting the model");
    sn_free(resolved);
    return status;
}

sinter_status sinter_model_inspect(const sinter_model *model, const sinter_shape *shapes, size_t n_shapes,
                                   sinter_inspection **out, sinter_error *err)
{
    if (!model || !out) return sn_fail(err, SINTER_INVALID_ARGUMENT, "sinter_model_inspect: model or out is NULL");
    gathering *o = sn_calloc(1, sizeof *o);
    if (!o) return sn_no_memory(err, "inspecting the model");
    inspector in = {.m = &model->m, .out = o, .err = err};
    sinter_status status = inspect(&in, shapes, n_shapes);
    sn_facts_free(&in.facts);
    sn_prepared_model_free(&in.prepared);
    if (status != SINTER_OK) {
        sinter_inspection_free(&o->public);
        return status;
    }
    *out = &o->public;
    return SINTER_OK;
}

void sinter_inspection_free(sinter_inspection *inspection)
{
    if (!inspection) return;
    gathering *o = (gathering *)inspection;
    sn_map_free(&o->op_index);
    sn_arena_free(&o->arena);
    sn_free(o->ops);
    sn_free(o->bns);
    sn_free(o);
}
