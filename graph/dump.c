/*
 * What comes out must not depend on anything but the model: no addresses, no ids, no times. Names come from files and
 * end up on terminals, so control characters are shown as '?'.
 */
#include "graph/dump.h"

#include "graph/internal.h"

#define MAX_DEPTH      100 /* of subgraphs and types shown */
#define MAX_ELEMENTS   8   /* of a tensor shown */
#define MAX_CHARACTERS 80  /* of a string attribute shown */

typedef struct dumper {
    const sn_model *m;
    sn_text *out;
} dumper;

static void write_name(sn_text *out, sn_str s)
{
    for (size_t i = 0; i < s.n;) {
        size_t run = i;
        while (run < s.n && (unsigned char)s.p[run] >= 0x20 && s.p[run] != 0x7F) ++run;
        sn_text_append_bytes(out, s.p + i, run - i);
        if (run < s.n) sn_text_append_bytes(out, "?", 1);
        i = run + 1;
    }
}

static void write_quoted(sn_text *out, sn_str s)
{
    bool cut = s.n > MAX_CHARACTERS;
    sn_text_append(out, "\"");
    write_name(out, (sn_str){s.p, cut ? MAX_CHARACTERS : s.n});
    sn_text_append(out, cut ? "...\"" : "\"");
}

/* ---------------------------------------------------------------------------------------------------- types, values */

static void write_tensor_type(dumper *x, sinter_dtype dtype, const sn_shape *shape)
{
    char text[SN_SHAPE_TEXT];
    sn_text_append(x->out, "%s[", dtype == SINTER_UNDEFINED ? "?" : sinter_dtype_name(dtype));
    write_name(x->out, sn_str_of(sn_shape_text(shape, x->m->symbols, text, sizeof text)));
    sn_text_append(x->out, "]");
}

static void write_type(dumper *x, const sn_type *t, int depth)
{
    if (!t || depth > MAX_DEPTH) {
        sn_text_append(x->out, "?");
        return;
    }
    switch (t->kind) {
    case SINTER_KIND_TENSOR: write_tensor_type(x, t->dtype, &t->shape); break;
    case SINTER_KIND_SPARSE:
        sn_text_append(x->out, "sparse ");
        write_tensor_type(x, t->dtype, &t->shape);
        break;
    case SINTER_KIND_SEQUENCE:
    case SINTER_KIND_OPTIONAL:
        sn_text_append(x->out, t->kind == SINTER_KIND_SEQUENCE ? "seq(" : "optional(");
        write_type(x, t->elem, depth + 1);
        sn_text_append(x->out, ")");
        break;
    case SINTER_KIND_MAP:
        sn_text_append(x->out, "map(%s, ", sinter_dtype_name(t->dtype));
        write_type(x, t->elem, depth + 1);
        sn_text_append(x->out, ")");
        break;
    case SINTER_KIND_OPAQUE:
        sn_text_append(x->out, "opaque(");
        write_name(x->out, t->opaque_domain);
        sn_text_append(x->out, ".");
        write_name(x->out, t->opaque_name);
        sn_text_append(x->out, ")");
        break;
    case SINTER_KIND_UNKNOWN: sn_text_append(x->out, "?"); break;
    }
}

void sn_dump_type(const sn_model *m, const sn_type *t, sn_text *out)
{
    write_type(&(dumper){m, out}, t, 0);
}

static void write_element(sn_text *out, const sinter_value *v, size_t i)
{
    switch (sn_dtypes[v->dtype].klass) {
    case SN_CLASS_STRING: {
        const sinter_string *s = (const sinter_string *)v->data + i;
        write_quoted(out, (sn_str){s->size ? s->data : "", s->size});
        break;
    }
    case SN_CLASS_COMPLEX: {
        sinter_dtype part = v->dtype == SINTER_COMPLEX64 ? SINTER_FLOAT : SINTER_DOUBLE;
        sn_text_append(out, "%g%+gi", sn_load_double(part, v->data, 2 * i), sn_load_double(part, v->data, 2 * i + 1));
        break;
    }
    case SN_CLASS_FLOAT: sn_text_append(out, "%g", sn_load_double(v->dtype, v->data, i)); break;
    default: sn_text_append(out, "%lld", (long long)sn_load_int64(v->dtype, v->data, i)); break;
    }
}

static void write_tensor(dumper *x, const sinter_value *v)
{
    if (!v) {
        sn_text_append(x->out, "?");
        return;
    }
    write_tensor_type(x, v->dtype, &v->shape);
    sn_text_append(x->out, "{");
    for (size_t i = 0; i < v->count && i < MAX_ELEMENTS; ++i) {
        if (i) sn_text_append(x->out, ", ");
        write_element(x->out, v, i);
    }
    sn_text_append(x->out, v->count > MAX_ELEMENTS ? ", ...}" : "}");
}

static void write_sparse(dumper *x, const sn_sparse *s)
{
    sn_text_append(x->out, "sparse ");
    write_tensor_type(x, s->values ? s->values->dtype : SINTER_UNDEFINED, &s->dims);
    sn_text_append(x->out, "{%zu values}", s->values ? s->values->count : 0);
}

/* ---------------------------------------------------------------------------------------------------- attributes */

static void write_attr_item(dumper *x, const sn_attr *a, size_t i)
{
    switch (a->type) {
    case SN_ATTR_FLOAT: sn_text_append(x->out, "%g", (double)a->f); break;
    case SN_ATTR_FLOATS: sn_text_append(x->out, "%g", (double)a->floats[i]); break;
    case SN_ATTR_INT: sn_text_append(x->out, "%lld", (long long)a->i); break;
    case SN_ATTR_INTS: sn_text_append(x->out, "%lld", (long long)a->ints[i]); break;
    case SN_ATTR_STRING: write_quoted(x->out, a->s); break;
    case SN_ATTR_STRINGS: write_quoted(x->out, a->strings[i]); break;
    case SN_ATTR_TENSOR: write_tensor(x, a->tensor); break;
    case SN_ATTR_TENSORS: write_tensor(x, a->tensors[i]); break;
    case SN_ATTR_SPARSE_TENSOR:
    case SN_ATTR_SPARSE_TENSORS: write_sparse(x, &a->sparse[i]); break;
    case SN_ATTR_TYPE_PROTO:
    case SN_ATTR_TYPE_PROTOS: write_type(x, &a->types[i], 0); break;
    case SN_ATTR_GRAPH:
    case SN_ATTR_GRAPHS: sn_text_append(x->out, "graph"); break; /* follows below the node */
    case SN_ATTR_UNDEFINED: break;
    }
}

static bool is_list(sn_attr_type type)
{
    return (type >= SN_ATTR_FLOATS && type <= SN_ATTR_GRAPHS) || type == SN_ATTR_SPARSE_TENSORS ||
           type == SN_ATTR_TYPE_PROTOS;
}

static void write_attr(dumper *x, const sn_attr *a)
{
    sn_text_append(x->out, " ");
    write_name(x->out, a->name);
    sn_text_append(x->out, "=");
    if (a->ref_attr_name.n > 0) {
        sn_text_append(x->out, "@");
        write_name(x->out, a->ref_attr_name);
        return;
    }
    if (!is_list(a->type)) {
        write_attr_item(x, a, 0);
        return;
    }
    sn_text_append(x->out, "[");
    for (size_t i = 0; i < a->count; ++i) {
        if (i) sn_text_append(x->out, ", ");
        write_attr_item(x, a, i);
    }
    sn_text_append(x->out, "]");
}

/* ---------------------------------------------------------------------------------------------------- graphs */

static void write_indent(dumper *x, int depth)
{
    sn_text_append(x->out, "%*s", 2 * depth, "");
}

static void write_values(dumper *x, const sn_value_id *ids, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        if (i) sn_text_append(x->out, ", ");
        if (ids[i] == SN_NONE)
            sn_text_append(x->out, "_");
        else
            write_name(x->out, x->m->values[ids[i]].name);
    }
}

static void write_graph(dumper *x, sn_graph_id graph, const char *heading, sn_str title, int depth);

static void write_node(dumper *x, sn_node_id node, int depth)
{
    const sn_node *n = &x->m->nodes[node];
    write_indent(x, depth);
    write_values(x, n->out, n->n_out);
    sn_text_append(x->out, n->n_out ? " = " : "");
    if (!sn_domain_is_onnx(n->domain)) {
        write_name(x->out, n->domain);
        sn_text_append(x->out, ".");
    }
    write_name(x->out, n->op_type);
    if (n->overload.n > 0) {
        sn_text_append(x->out, ":");
        write_name(x->out, n->overload);
    }
    sn_text_append(x->out, "(");
    write_values(x, n->in, n->n_in);
    sn_text_append(x->out, ")");
    for (size_t i = 0; i < n->n_attrs; ++i) write_attr(x, &n->attrs[i]);
    sn_text_append(x->out, "\n");
    for (size_t i = 0; i < n->n_attrs; ++i) {
        const sn_graph_id *graphs = NULL;
        size_t count = sn_attr_graphs(&n->attrs[i], &graphs);
        for (size_t k = 0; k < count; ++k) write_graph(x, graphs[k], "", n->attrs[i].name, depth + 1);
    }
}

static void write_declaration(dumper *x, const char *role, sn_value_id value, int depth)
{
    const sn_value *v = &x->m->values[value];
    write_indent(x, depth);
    sn_text_append(x->out, "%s ", role);
    write_name(x->out, v->name);
    sn_text_append(x->out, ": ");
    if (strcmp(role, "init") == 0 && v->constant)
        write_tensor_type(x, v->constant->dtype, &v->constant->shape);
    else if (strcmp(role, "init") == 0 && v->sparse)
        write_sparse(x, v->sparse);
    else
        write_type(x, &v->type, 0);
    sn_text_append(x->out, "\n");
}

/* A file has a list of the sparse ones and a list of the others: their order among each other is not the model's. */
static void write_initializers(dumper *x, const sn_graph *g, bool sparse, int depth)
{
    for (size_t i = 0; i < g->initializers.count; ++i) {
        sn_value_id id = g->initializers.items[i];
        if ((x->m->values[id].sparse != NULL) == sparse) write_declaration(x, "init", id, depth);
    }
}

static void write_graph(dumper *x, sn_graph_id graph, const char *heading, sn_str title, int depth)
{
    const sn_graph *g = &x->m->graphs[graph];
    write_indent(x, depth);
    sn_text_append(x->out, "%s", heading);
    write_name(x->out, title);
    if (depth > 0) {
        sn_text_append(x->out, ": graph ");
        write_name(x->out, g->name);
    }
    sn_text_append(x->out, "\n");
    if (depth > MAX_DEPTH) return;
    for (size_t i = 0; i < g->inputs.count; ++i) write_declaration(x, "input", g->inputs.items[i], depth + 1);
    write_initializers(x, g, false, depth + 1);
    write_initializers(x, g, true, depth + 1);
    for (size_t i = 0; i < g->nodes.count; ++i) write_node(x, g->nodes.items[i], depth + 1);
    for (size_t i = 0; i < g->outputs.count; ++i) write_declaration(x, "output", g->outputs.items[i], depth + 1);
}

static void write_function(dumper *x, const sn_function *f)
{
    sn_text_append(x->out, "function ");
    write_name(x->out, f->domain);
    sn_text_append(x->out, ".");
    write_name(x->out, f->name);
    if (f->overload.n > 0) {
        sn_text_append(x->out, ":");
        write_name(x->out, f->overload);
    }
    write_graph(x, f->body, "", SN_STR(""), 0);
}

void sn_dump(const sn_model *m, sn_text *out)
{
    dumper x = {m, out};
    write_graph(&x, 0, "graph ", m->graphs[0].name, 0);
    for (size_t i = 0; i < m->n_functions; ++i)
        if (!m->functions[i].dead) write_function(&x, &m->functions[i]);
}
