/*
 * Nodes meet their registry rows. What cannot be prepared for lack of an implementation is no error here, since the
 * optimizer carries any model through: such a node merely has no row, and sn_unsupported says why when a session asks.
 */
#include "ops/infer.h"
#include "ops/signature.h"

/* Domain of the operators that lowering passes create. No model file imports it, so its version is ours: 1. */
#define INTERNAL_DOMAIN "sinter"

static int64_t opset_of(const sn_model *m, const sn_node *node)
{
    int64_t version = sn_opset_version(m, node->graph, node->domain);
    return version < 0 && sn_str_is(node->domain, INTERNAL_DOMAIN) ? 1 : version;
}

static bool same_domain(sn_str a, sn_str b)
{
    return sn_str_eq(a, b) || (sn_domain_is_onnx(a) && sn_domain_is_onnx(b));
}

/* A local function hides an operator of the same name. */
static bool calls_function(const sn_model *m, const sn_node *node)
{
    for (size_t i = 0; i < m->n_functions; i++) {
        const sn_function *f = &m->functions[i];
        if (!f->dead && sn_str_eq(f->name, node->op_type) && sn_str_eq(f->overload, node->overload) &&
            same_domain(f->domain, node->domain)) {
            return true;
        }
    }
    return false;
}

/* Inside a function body an attribute may stand for one of the caller's: its value is known only once inlined. */
static bool has_open_attribute(const sn_node *node)
{
    for (size_t i = 0; i < node->n_attrs; i++) {
        if (node->attrs[i].ref_attr_name.n > 0) return true;
    }
    return false;
}

static const sn_op *find_row(const sn_model *m, const sn_node *node)
{
    int64_t version = opset_of(m, node);
    if (version < 0 || calls_function(m, node) || has_open_attribute(node)) return NULL;
    return sn_op_find(node->domain, node->op_type, version);
}

sinter_status sn_prepare_node(const sn_model *m, sn_node_id id, sn_arena *arena, sn_prepared *out, sinter_error *err)
{
    const sn_node *node = &m->nodes[id];
    *out = (sn_prepared){.op = NULL};
    const sn_op *op = find_row(m, node);
    if (!op) return SINTER_OK;
    SN_TRY(sn_check_arity(m, node, op, err));
    int64_t version = opset_of(m, node);
    sn_prepare p = {.model = m,
                    .node = node,
                    .op = op,
                    .version = version > INT32_MAX ? INT32_MAX : (int)version,
                    .n_in = node->n_in,
                    .n_out = node->n_out,
                    .arena = arena,
                    .err = err};
    void *params = sn_arena_alloc(arena, op->params_size);
    if (!params) return sn_no_memory(err, "preparing nodes");
    if (op->prepare) SN_TRY(op->prepare(&p, params));
    *out = (sn_prepared){.op = op, .params = params, .version = p.version};
    return SINTER_OK;
}

sinter_status sn_prepare_model(const sn_model *m, sn_prepared_model *out, sinter_error *err)
{
    sn_prepared_model p = {.n_nodes = m->n_nodes};
    p.nodes = sn_arena_calloc(&p.arena, m->n_nodes, sizeof *p.nodes);
    sinter_status status = p.nodes ? SINTER_OK : sn_no_memory(err, "preparing nodes");
    sinter_error ignored;
    for (size_t i = 0; status == SINTER_OK && i < m->n_nodes; i++) {
        if (m->nodes[i].dead) continue;
        status = sn_prepare_node(m, (sn_node_id)i, &p.arena, &p.nodes[i], &ignored);
        if (status == SINTER_UNSUPPORTED) {
            status = SINTER_OK;
        } else if (status != SINTER_OK) {
            status = sn_fail(err, status, "%s", ignored.text);
        }
    }
    if (status != SINTER_OK) {
        sn_prepared_model_free(&p);
        return status;
    }
    *out = p;
    return SINTER_OK;
}

void sn_prepared_model_free(sn_prepared_model *p)
{
    sn_arena_free(&p->arena);
    *p = (sn_prepared_model){.nodes = NULL};
}

/* The row exists, so prepare has refused: let it say why. */
static sinter_status repeat_refusal(const sn_model *m, sn_node_id id, sinter_error *err)
{
    sn_arena arena = {.chunks = NULL};
    sn_prepared ignored;
    sinter_status status = sn_prepare_node(m, id, &arena, &ignored, err);
    sn_arena_free(&arena);
    return status;
}

sinter_status sn_unsupported(const sn_model *m, sn_node_id id, sinter_error *err)
{
    const sn_node *node = &m->nodes[id];
    if (find_row(m, node)) {
        sinter_status status = repeat_refusal(m, id, err);
        if (status != SINTER_OK) return status;
    }
    sn_str label = sn_node_label(m, id);
    sn_str domain = sn_domain_is_onnx(node->domain) ? SN_STR("ai.onnx") : node->domain;
    int64_t version = opset_of(m, node);
    if (version < 0) {
        return sn_fail(err, SINTER_INVALID_MODEL, "node '%.*s' (%.*s): the model imports no opset of domain '%.*s'",
                       SN_STR_ARG(label), SN_STR_ARG(node->op_type), SN_STR_ARG(domain));
    }
    return sn_fail(err, SINTER_UNSUPPORTED, "node '%.*s': operator %.*s of domain '%.*s', opset %lld, is not supported",
                   SN_STR_ARG(label), SN_STR_ARG(node->op_type), SN_STR_ARG(domain), (long long)version);
}
