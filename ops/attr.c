/* Reading attributes while a node is being prepared. */
#include "ops/op.h"

#include <stdio.h>

int sn_prepare_error(sn_prepare *p, sinter_status code, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sn_str label = sn_node_label(p->model, (sn_node_id)(p->node - p->model->nodes));
    return sn_error_set(p->err, code, "node '%.*s' (%s): %s", SN_STR_ARG(label), p->op->name, text);
}

static const char *const type_names[] = {
    [SN_ATTR_UNDEFINED] = "undefined",
    [SN_ATTR_FLOAT] = "float",
    [SN_ATTR_INT] = "int",
    [SN_ATTR_STRING] = "string",
    [SN_ATTR_TENSOR] = "tensor",
    [SN_ATTR_GRAPH] = "graph",
    [SN_ATTR_FLOATS] = "floats",
    [SN_ATTR_INTS] = "ints",
    [SN_ATTR_STRINGS] = "strings",
    [SN_ATTR_TENSORS] = "tensors",
    [SN_ATTR_GRAPHS] = "graphs",
    [SN_ATTR_SPARSE_TENSOR] = "sparse tensor",
    [SN_ATTR_SPARSE_TENSORS] = "sparse tensors",
    [SN_ATTR_TYPE_PROTO] = "type",
    [SN_ATTR_TYPE_PROTOS] = "types",
};

/* *out is NULL when the node has no such attribute. */
static sinter_status find(sn_prepare *p, const char *name, sn_attr_type type, const sn_attr **out)
{
    const sn_attr *a = sn_node_attr(p->node, name);
    *out = a;
    if (!a || a->type == type) return SINTER_OK;
    size_t found = (size_t)a->type < sizeof type_names / sizeof *type_names ? (size_t)a->type : SN_ATTR_UNDEFINED;
    return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute '%s' is of type %s, expected %s", name,
                           type_names[found], type_names[type]);
}

bool sn_attr_present(const sn_prepare *p, const char *name)
{
    return sn_node_attr(p->node, name) != NULL;
}

sinter_status sn_attr_int(sn_prepare *p, const char *name, int64_t otherwise, int64_t *out)
{
    const sn_attr *a;
    SN_TRY(find(p, name, SN_ATTR_INT, &a));
    *out = a ? a->i : otherwise;
    return SINTER_OK;
}

sinter_status sn_attr_bool(sn_prepare *p, const char *name, bool otherwise, bool *out)
{
    int64_t value;
    SN_TRY(sn_attr_int(p, name, otherwise, &value));
    *out = value != 0;
    return SINTER_OK;
}

sinter_status sn_attr_float(sn_prepare *p, const char *name, float otherwise, float *out)
{
    const sn_attr *a;
    SN_TRY(find(p, name, SN_ATTR_FLOAT, &a));
    *out = a ? a->f : otherwise;
    return SINTER_OK;
}

sinter_status sn_attr_string(sn_prepare *p, const char *name, const char *otherwise, sn_str *out)
{
    const sn_attr *a;
    SN_TRY(find(p, name, SN_ATTR_STRING, &a));
    *out = a ? a->s : sn_str_of(otherwise);
    return SINTER_OK;
}

/* Older protobuf writers give an empty list no type: it is empty whatever it should have held. */
static bool is_empty_list(const sn_prepare *p, const char *name)
{
    const sn_attr *a = sn_node_attr(p->node, name);
    return a && a->type == SN_ATTR_UNDEFINED && a->count == 0;
}

sinter_status sn_attr_ints(sn_prepare *p, const char *name, const int64_t **out, size_t *count)
{
    const sn_attr *a = NULL;
    if (!is_empty_list(p, name)) SN_TRY(find(p, name, SN_ATTR_INTS, &a));
    *out = a ? a->ints : NULL;
    *count = a ? a->count : 0;
    return SINTER_OK;
}

sinter_status sn_attr_floats(sn_prepare *p, const char *name, const float **out, size_t *count)
{
    const sn_attr *a = NULL;
    if (!is_empty_list(p, name)) SN_TRY(find(p, name, SN_ATTR_FLOATS, &a));
    *out = a ? a->floats : NULL;
    *count = a ? a->count : 0;
    return SINTER_OK;
}

sinter_status sn_attr_strings(sn_prepare *p, const char *name, const sn_str **out, size_t *count)
{
    const sn_attr *a = NULL;
    if (!is_empty_list(p, name)) SN_TRY(find(p, name, SN_ATTR_STRINGS, &a));
    *out = a ? a->strings : NULL;
    *count = a ? a->count : 0;
    return SINTER_OK;
}

sinter_status sn_attr_tensor(sn_prepare *p, const char *name, const sinter_value **out)
{
    const sn_attr *a;
    SN_TRY(find(p, name, SN_ATTR_TENSOR, &a));
    *out = a ? a->tensor : NULL;
    if (!a || a->tensor) return SINTER_OK;
    return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute '%s' holds no tensor", name);
}

sinter_status sn_attr_graph(sn_prepare *p, const char *name, sn_graph_id *out)
{
    const sn_attr *a;
    SN_TRY(find(p, name, SN_ATTR_GRAPH, &a));
    if (!a) return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute '%s' is missing", name);
    if (a->graph == 0 || a->graph >= p->model->n_graphs) {
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute '%s' holds no graph", name);
    }
    *out = a->graph;
    return SINTER_OK;
}

static int find_word(const char *const *words, sn_str word)
{
    for (int i = 0; words[i]; i++) {
        if (sn_str_is(word, words[i])) return i;
    }
    return -1;
}

sinter_status sn_attr_choice(sn_prepare *p, const char *name, const char *const *words, int otherwise, int *out)
{
    const sn_attr *a;
    SN_TRY(find(p, name, SN_ATTR_STRING, &a));
    *out = a ? find_word(words, a->s) : otherwise;
    if (*out >= 0) return SINTER_OK;
    char allowed[300] = "";
    size_t used = 0;
    for (int i = 0; words[i] && used < sizeof allowed; i++) {
        int n = snprintf(allowed + used, sizeof allowed - used, "%s'%s'", i ? ", " : "", words[i]);
        if (n < 0) break;
        used += (size_t)n;
    }
    if (!a)
        return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute '%s' is missing, expected one of %s", name, allowed);
    return sn_prepare_fail(p, SINTER_INVALID_MODEL, "attribute '%s' is '%.*s', expected one of %s", name,
                           SN_STR_ARG(a->s), allowed);
}
