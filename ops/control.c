/*
 * Control flow: If.
 *
 * A branch that does not run for the shapes at hand may well contradict them: PyTorch exports squeeze() as "if the
 * dimension is 1, Squeeze, else Identity". So while the condition is not known, a branch that cannot be inferred is one
 * that cannot be taken; only when neither can be is the model wrong.
 */
#include "ops/infer_util.h"

#include "base/alloc.h"

typedef struct if_params {
    sn_graph_id branches[2]; /* else, then: indexed by the condition */
} if_params;

static sinter_status prepare_branch(sn_prepare *p, const char *name, sn_graph_id *out)
{
    SN_TRY(sn_attr_graph(p, name, out));
    const sn_graph *g = &p->model->graphs[*out];
    if (g->inputs.count > 0) {
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "%s has %zu inputs, expected none", name, g->inputs.count);
    }
    if (g->outputs.count < p->n_out) {
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "%s has %zu outputs, the node %zu", name, g->outputs.count,
                               p->n_out);
    }
    return SINTER_OK;
}

static sinter_status prepare_if(sn_prepare *p, void *params)
{
    if_params *q = params;
    SN_TRY(prepare_branch(p, "else_branch", &q->branches[false]));
    return prepare_branch(p, "then_branch", &q->branches[true]);
}

/* True and *out set when the condition is known. */
static bool known_condition(const sn_infer *x, bool *out)
{
    const int64_t *numbers;
    size_t n;
    if (!sn_infer_numbers(x, 0, &numbers, &n) || n != 1) return false;
    *out = numbers[0] != 0;
    return true;
}

/* A branch whose failure counts only if the other one fails too. */
static sinter_status try_branch(sn_infer *x, sn_graph_id body, sn_fact *out, sinter_error *why)
{
    sinter_error *outer = x->err;
    x->err = why;
    sinter_status status = x->infer_body(x, body, NULL, 0, out, x->n_out);
    x->err = outer;
    return status;
}

static sinter_status infer_both(sn_infer *x, sn_fact *otherwise)
{
    const if_params *q = x->params;
    sinter_error why_else, why_then;
    sinter_status s_else = try_branch(x, q->branches[false], otherwise, &why_else);
    if (s_else == SINTER_NO_MEMORY) return sn_no_memory(x->err, "inferring shapes");
    sinter_status s_then = try_branch(x, q->branches[true], x->out, &why_then);
    if (s_then == SINTER_NO_MEMORY) return sn_no_memory(x->err, "inferring shapes");
    if (s_else != SINTER_OK && s_then != SINTER_OK)
        return sn_infer_fail(x, "neither branch can run: %s", why_then.text);
    for (size_t i = 0; i < x->n_out && s_else == SINTER_OK; i++) {
        x->out[i] = s_then == SINTER_OK ? sn_fact_merge(&x->out[i], &otherwise[i], x->arena) : otherwise[i];
    }
    return SINTER_OK;
}

static sinter_status infer_if(sn_infer *x)
{
    const if_params *q = x->params;
    bool condition;
    if (known_condition(x, &condition)) return x->infer_body(x, q->branches[condition], NULL, 0, x->out, x->n_out);
    sn_fact *otherwise = sn_calloc(x->n_out, sizeof *otherwise);
    if (!otherwise) return sn_no_memory(x->err, "inferring shapes");
    sinter_status status = infer_both(x, otherwise);
    sn_free(otherwise);
    return status;
}

static sinter_status eval_if(sn_eval *x)
{
    const if_params *q = x->params;
    if (x->in[0]->count != 1) {
        return sn_eval_fail(x, SINTER_INVALID_INPUT, "condition of %zu elements, expected 1", x->in[0]->count);
    }
    bool condition = *(const uint8_t *)x->in[0]->data != 0;
    sinter_value **outs = sn_eval_scratch(x, x->n_out * sizeof *outs);
    if (!outs) return sn_no_memory(x->err, "evaluating a node");
    SN_TRY(x->services->call(x, q->branches[condition], NULL, 0, outs, x->n_out));
    sinter_status status = SINTER_OK;
    for (size_t i = 0; i < x->n_out; i++) {
        if (status == SINTER_OK) {
            status = sn_eval_give(x, i, outs[i]);
        } else {
            sinter_value_release(outs[i]);
        }
    }
    return status;
}

const sn_op sn_ops_control[] = {
    {"", "If", 1, "cond:bool -> outputs:any...", SN_OP_CONTROL, 0, sizeof(if_params), prepare_if, infer_if, eval_if},
    {.name = NULL},
};
