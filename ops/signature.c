/*
 * Signatures: parsing their text, and checking a node's arity and its input types against them. Facts (before a run)
 * and values (during one) are reduced to the same small description first, so that there is one check and one wording.
 */
#include "ops/signature.h"

#include <stdio.h>

/* ---------------------------------------------------------------------------------------------------- type sets */

#define BIT(name) SN_DTYPE_BIT(SINTER_##name)
#define INTS      (BIT(INT8) | BIT(INT16) | BIT(INT32) | BIT(INT64) | BIT(UINT8) | BIT(UINT16) | BIT(UINT32) | BIT(UINT64))
#define FLOATS    (BIT(FLOAT16) | BIT(BFLOAT16) | BIT(FLOAT) | BIT(DOUBLE))
#define FLOAT8S   (BIT(FLOAT8E4M3FN) | BIT(FLOAT8E4M3FNUZ) | BIT(FLOAT8E5M2) | BIT(FLOAT8E5M2FNUZ) | BIT(FLOAT8E8M0))
#define INT4S     (BIT(UINT4) | BIT(INT4))
#define INT2S     (BIT(UINT2) | BIT(INT2))
#define ALL       (INTS | FLOATS | BIT(BOOL) | BIT(STRING) | BIT(COMPLEX64) | BIT(COMPLEX128))

static const struct {
    const char *name;
    uint32_t dtypes;
} classes[] = {
    {"@float", FLOATS},      {"@int", INTS},
    {"@num", INTS | FLOATS}, {"@all", ALL},
    {"@float8", FLOAT8S},    {"@int4", INT4S},
    {"@int2", INT2S},        {"@every", ALL | FLOAT8S | INT4S | INT2S | BIT(FLOAT4E2M1)},
};

static uint32_t types_named(sn_str name)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (sn_str_is(name, classes[i].name)) return classes[i].dtypes;
    }
    sinter_dtype dtype = sn_dtype_from_name(name);
    return dtype == SINTER_UNDEFINED ? 0 : SN_DTYPE_BIT(dtype);
}

/* "float|double|@int" as a set; 0 when a name in it is wrong. */
static uint32_t parse_types(sn_str text)
{
    uint32_t set = 0;
    while (text.n > 0) {
        const char *bar = memchr(text.p, '|', text.n);
        size_t n = bar ? (size_t)(bar - text.p) : text.n;
        uint32_t types = types_named((sn_str){text.p, n});
        if (types == 0) return 0;
        set |= types;
        size_t used = bar ? n + 1 : n;
        text.p += used;
        text.n -= used;
    }
    return set;
}

/* ---------------------------------------------------------------------------------------------------- parsing */

static void skip_spaces(const char **p)
{
    while (**p == ' ') (*p)++;
}

static bool accept(const char **p, const char *token)
{
    skip_spaces(p);
    size_t n = strlen(token);
    if (strncmp(*p, token, n) != 0) return false;
    *p += n;
    return true;
}

/* Everything up to one of the notation's own characters. */
static sn_str word(const char **p)
{
    skip_spaces(p);
    size_t n = strcspn(*p, " :?.,;=()->");
    sn_str w = {*p, n};
    *p += n;
    return w;
}

static bool parse_type(const char **p, const sn_signature *s, sn_param *out)
{
    const char *start = *p;
    if (accept(p, "seq(")) {
        out->form = SN_PARAM_SEQUENCE;
    } else if (accept(p, "optional(")) {
        out->form = SN_PARAM_OPTIONAL;
    } else {
        *p = start;
        out->form = SN_PARAM_TENSOR;
    }
    sn_str name = word(p);
    out->variable = -1;
    if (out->form != SN_PARAM_TENSOR && !accept(p, ")")) return false;
    if (sn_str_is(name, "any")) {
        if (out->form == SN_PARAM_TENSOR) out->form = SN_PARAM_ANY;
        out->dtypes = ALL | FLOAT8S | INT4S | INT2S | BIT(FLOAT4E2M1);
        return true;
    }
    for (size_t i = 0; i < s->n_variables; i++) {
        if (!sn_str_eq(s->variables[i].name, name)) continue;
        out->variable = (int)i;
        out->dtypes = s->variables[i].dtypes;
        return true;
    }
    out->dtypes = parse_types(name);
    return out->dtypes != 0;
}

static bool parse_param(const char **p, const sn_signature *s, sn_param *out)
{
    out->name = word(p);
    if (out->name.n == 0 || !accept(p, ":") || !parse_type(p, s, out)) return false;
    out->variadic = accept(p, "...");
    out->optional = accept(p, "?");
    return true;
}

static bool parse_params(const char **p, const sn_signature *s, sn_params *out)
{
    skip_spaces(p);
    if (**p == '-' || **p == ';' || **p == '\0') return true;
    do {
        if (out->count == SN_MAX_PARAMS) return false;
        if (out->count > 0 && out->items[out->count - 1].variadic) return false;
        sn_param *param = &out->items[out->count++];
        if (!parse_param(p, s, param)) return false;
        if (!param->optional) out->min = out->count;
        out->max = param->variadic ? SIZE_MAX : out->count;
    } while (accept(p, ","));
    return true;
}

static bool parse_variables(const char *p, sn_signature *s)
{
    do {
        if (s->n_variables == SN_MAX_TYPE_VARIABLES) return false;
        sn_type_variable *v = &s->variables[s->n_variables++];
        v->name = word(&p);
        if (v->name.n == 0 || !accept(&p, "=")) return false;
        v->dtypes = parse_types(word(&p));
        if (v->dtypes == 0) return false;
    } while (accept(&p, ","));
    skip_spaces(&p);
    return *p == '\0';
}

bool sn_signature_parse(const char *text, sn_signature *out)
{
    *out = (sn_signature){.n_variables = 0};
    const char *semicolon = strchr(text, ';');
    if (semicolon && !parse_variables(semicolon + 1, out)) return false;
    const char *p = text;
    if (!parse_params(&p, out, &out->in) || !accept(&p, "->") || !parse_params(&p, out, &out->out)) return false;
    skip_spaces(&p);
    return *p == (semicolon ? ';' : '\0');
}

const sn_param *sn_params_at(const sn_params *params, size_t index)
{
    if (index < params->count) return &params->items[index];
    if (params->count == 0 || !params->items[params->count - 1].variadic) return NULL;
    return &params->items[params->count - 1];
}

/* An occurrence of a repeated parameter may not be left out, even if there may be none at all. */
static bool is_required(const sn_param *param)
{
    return !param->optional || param->variadic;
}

/* ---------------------------------------------------------------------------------------------------- arity */

static sinter_status bad_signature(const sn_op *op, sinter_error *err)
{
    return sn_fail(err, SINTER_FAILED, "operator %s: its registry row has a broken signature", op->name);
}

static sn_str label_of(const sn_model *m, const sn_node *node)
{
    return sn_node_label(m, (sn_node_id)(node - m->nodes));
}

static sinter_status check_count(const sn_model *m, const sn_node *node, const sn_op *op, const sn_params *params,
                                 size_t count, const char *what, sinter_error *err)
{
    if (count <= params->max) return SINTER_OK;
    sn_str label = label_of(m, node);
    return sn_fail(err, SINTER_INVALID_MODEL, "node '%.*s' (%s): %zu %s, expected at most %zu", SN_STR_ARG(label),
                   op->name, count, what, params->max);
}

static sinter_status missing(const sn_model *m, const sn_node *node, const sn_op *op, const sn_param *param,
                             const char *what, sinter_error *err)
{
    sn_str label = label_of(m, node);
    return sn_fail(err, SINTER_INVALID_MODEL, "node '%.*s' (%s): %s '%.*s' is missing", SN_STR_ARG(label), op->name,
                   what, SN_STR_ARG(param->name));
}

static sinter_status check_inputs(const sn_model *m, const sn_node *node, const sn_op *op, const sn_params *params,
                                  sinter_error *err)
{
    size_t last = node->n_in > params->min ? node->n_in : params->min;
    for (size_t i = 0; i < last; i++) {
        const sn_param *param = sn_params_at(params, i);
        bool present = i < node->n_in && node->in[i] != SN_NONE;
        if (!present && is_required(param)) return missing(m, node, op, param, "input", err);
    }
    return SINTER_OK;
}

sinter_status sn_check_arity(const sn_model *m, const sn_node *node, const sn_op *op, sinter_error *err)
{
    sn_signature s;
    if (!sn_signature_parse(op->signature, &s)) return bad_signature(op, err);
    SN_TRY(check_count(m, node, op, &s.in, node->n_in, "inputs", err));
    SN_TRY(check_count(m, node, op, &s.out, node->n_out, "outputs", err));
    SN_TRY(check_inputs(m, node, op, &s.in, err));
    /* Exporters leave out outputs that nobody reads, required ones too (TopK's values); but code everywhere counts on
     * the first one. */
    bool complete = s.out.min == 0 || (node->n_out > 0 && (node->out[0] != SN_NONE || s.out.items[0].variadic));
    return complete ? SINTER_OK : missing(m, node, op, &s.out.items[0], "output", err);
}

/* ---------------------------------------------------------------------------------------------------- types */

/* What a fact or a value says about its type. */
typedef struct seen_type {
    sinter_kind kind;   /* UNKNOWN: nothing to check */
    sinter_dtype dtype; /* of the tensor, or of the container's elements; UNDEFINED when not known */
} seen_type;

typedef struct type_check {
    const sn_signature *signature;
    sinter_dtype bound[SN_MAX_TYPE_VARIABLES];
    sn_str bound_by[SN_MAX_TYPE_VARIABLES]; /* name of the parameter that bound the variable */
    sn_str label;
    const char *op_name;
    sinter_status code;
    sinter_error *err;
} type_check;

static const sinter_kind kind_of_form[] = {
    [SN_PARAM_TENSOR] = SINTER_KIND_TENSOR,
    [SN_PARAM_SEQUENCE] = SINTER_KIND_SEQUENCE,
    [SN_PARAM_OPTIONAL] = SINTER_KIND_OPTIONAL,
};

static const char *const kind_names[] = {
    [SINTER_KIND_TENSOR] = "a tensor",         [SINTER_KIND_SEQUENCE] = "a sequence",
    [SINTER_KIND_OPTIONAL] = "an optional",    [SINTER_KIND_MAP] = "a map",
    [SINTER_KIND_SPARSE] = "a sparse tensor",  [SINTER_KIND_OPAQUE] = "an opaque value",
    [SINTER_KIND_UNKNOWN] = "of unknown type",
};

static const char *types_text(uint32_t dtypes, char *buffer, size_t size)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (int d = 1; d < SINTER_DTYPE_COUNT; d++) {
        if (!(dtypes & SN_DTYPE_BIT(d))) continue;
        int n = snprintf(buffer + used, size - used, "%s%s", used ? "|" : "", sinter_dtype_name((sinter_dtype)d));
        if (n < 0 || (size_t)n >= size - used) break;
        used += (size_t)n;
    }
    return buffer;
}

static sinter_status check_dtype(type_check *c, const sn_param *param, sinter_dtype dtype)
{
    if (dtype == SINTER_UNDEFINED) return SINTER_OK;
    const char *found = sinter_dtype_name(dtype);
    if (!(param->dtypes & SN_DTYPE_BIT(dtype))) {
        char expected[200];
        return sn_fail(c->err, c->code, "node '%.*s' (%s): input '%.*s' is %s, expected %s", SN_STR_ARG(c->label),
                       c->op_name, SN_STR_ARG(param->name), found,
                       types_text(param->dtypes, expected, sizeof expected));
    }
    if (param->variable < 0) return SINTER_OK;
    sinter_dtype *bound = &c->bound[param->variable];
    if (*bound == SINTER_UNDEFINED) {
        *bound = dtype;
        c->bound_by[param->variable] = param->name;
        return SINTER_OK;
    }
    if (*bound == dtype) return SINTER_OK;
    return sn_fail(c->err, c->code, "node '%.*s' (%s): input '%.*s' is %s, expected %s like input '%.*s'",
                   SN_STR_ARG(c->label), c->op_name, SN_STR_ARG(param->name), found, sinter_dtype_name(*bound),
                   SN_STR_ARG(c->bound_by[param->variable]));
}

static sinter_status check_one(type_check *c, size_t index, seen_type seen)
{
    const sn_param *param = sn_params_at(&c->signature->in, index);
    if (!param) {
        return sn_fail(c->err, c->code, "node '%.*s' (%s): %zu inputs, expected at most %zu", SN_STR_ARG(c->label),
                       c->op_name, index + 1, c->signature->in.max);
    }
    if (seen.kind == SINTER_KIND_UNKNOWN || param->form == SN_PARAM_ANY) return SINTER_OK;
    sinter_kind expected = kind_of_form[param->form];
    if (seen.kind != expected) {
        return sn_fail(c->err, c->code, "node '%.*s' (%s): input '%.*s' is %s, expected %s", SN_STR_ARG(c->label),
                       c->op_name, SN_STR_ARG(param->name), kind_names[seen.kind], kind_names[expected]);
    }
    return check_dtype(c, param, seen.dtype);
}

static seen_type seen_in_type(const sn_type *t)
{
    bool container = t->kind == SINTER_KIND_SEQUENCE || t->kind == SINTER_KIND_OPTIONAL;
    if (!container) return (seen_type){t->kind, t->dtype};
    bool of_tensors = t->elem && t->elem->kind == SINTER_KIND_TENSOR;
    return (seen_type){t->kind, of_tensors ? t->elem->dtype : SINTER_UNDEFINED};
}

static seen_type seen_in_value(const sinter_value *v)
{
    if (v->kind == SINTER_KIND_TENSOR) return (seen_type){v->kind, v->dtype};
    bool of_tensors = v->n_items > 0 && v->items[0]->kind == SINTER_KIND_TENSOR;
    return (seen_type){v->kind, of_tensors ? v->items[0]->dtype : SINTER_UNDEFINED};
}

sinter_status sn_check_types(const sn_model *m, const sn_node *node, const sn_op *op, const sn_fact *in, size_t n_in,
                             sinter_error *err)
{
    sn_signature s;
    if (!sn_signature_parse(op->signature, &s)) return bad_signature(op, err);
    type_check c = {
        .signature = &s, .label = label_of(m, node), .op_name = op->name, .code = SINTER_INVALID_MODEL, .err = err};
    for (size_t i = 0; i < n_in; i++) {
        if (in[i].present) SN_TRY(check_one(&c, i, seen_in_type(&in[i].type)));
    }
    return SINTER_OK;
}

sinter_status sn_check_values(const sn_eval *x)
{
    sn_signature s;
    if (!sn_signature_parse(x->op->signature, &s)) return bad_signature(x->op, x->err);
    type_check c = {.signature = &s,
                    .label = x->model ? sn_node_label(x->model, x->node) : SN_STR(""),
                    .op_name = x->op->name,
                    .code = SINTER_INVALID_INPUT,
                    .err = x->err};
    size_t last = x->n_in > s.in.min ? x->n_in : s.in.min;
    for (size_t i = 0; i < last; i++) {
        const sn_param *param = sn_params_at(&s.in, i);
        if (sn_eval_has(x, i)) {
            SN_TRY(check_one(&c, i, seen_in_value(x->in[i])));
        } else if (param && is_required(param)) {
            return sn_fail(x->err, SINTER_INVALID_INPUT, "node '%.*s' (%s): input '%.*s' is missing",
                           SN_STR_ARG(c.label), c.op_name, SN_STR_ARG(param->name));
        }
    }
    return SINTER_OK;
}
