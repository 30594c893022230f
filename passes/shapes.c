#include "passes/shapes.h"
#include "base/alloc.h"

static size_t find_input(const sn_model *m, const char *name)
{
    const sn_ids *inputs = &m->graphs[0].inputs;
    for (size_t i = 0; i < inputs->count; i++)
        if (sn_str_is(m->values[inputs->items[i]].name, name)) return i;
    return SIZE_MAX;
}

static sinter_status unknown_input(const sn_model *m, const char *name, sinter_error *err)
{
    sn_text names = {0};
    const sn_ids *inputs = &m->graphs[0].inputs;
    for (size_t i = 0; i < inputs->count && i < 20; i++)
        sn_text_append(&names, "%s'%.*s'", i ? ", " : "", SN_STR_ARG(m->values[inputs->items[i]].name));
    sinter_status status = sn_fail(err, SINTER_INVALID_ARGUMENT, "the model has no input '%.200s'; its inputs are %s",
                                   name, names.p ? names.p : "(none)");
    sn_text_free(&names);
    return status;
}

static sinter_status check_shape(const sn_value *v, const sinter_shape *s, sinter_error *err)
{
    if (v->type.kind != SINTER_KIND_TENSOR)
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "input '%.200s' is not a tensor: its shape cannot be given",
                       s->name);
    if (s->rank < 0 || s->rank > SN_MAX_RANK)
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "shape of input '%.200s': rank %d, expected 0 to %d", s->name,
                       s->rank, SN_MAX_RANK);
    const sn_shape *declared = &v->type.shape;
    if (declared->rank >= 0 && declared->rank != s->rank)
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "shape of input '%.200s': %d dimensions given, the model has %d",
                       s->name, s->rank, (int)declared->rank);
    for (int i = 0; i < s->rank; i++) {
        if (s->dims[i] < 0)
            return sn_fail(err, SINTER_INVALID_ARGUMENT,
                           "shape of input '%.200s': dimension %d is %lld, expected 0 or more", s->name, i,
                           (long long)s->dims[i]);
        if (declared->rank < 0) continue;
        int64_t d = declared->dims[i];
        if (sn_dim_is_number(d) && d != s->dims[i])
            return sn_fail(err, SINTER_INVALID_ARGUMENT,
                           "shape of input '%.200s': dimension %d is %lld, the model has %lld", s->name, i,
                           (long long)s->dims[i], (long long)d);
    }
    return SINTER_OK;
}

static sinter_status resolve_into(const sn_model *m, const sinter_shape *shapes, size_t n, sn_shape *out,
                                  sinter_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *name = shapes[i].name ? shapes[i].name : "";
        size_t index = find_input(m, name);
        if (index == SIZE_MAX) return unknown_input(m, name, err);
        SN_TRY(check_shape(&m->values[m->graphs[0].inputs.items[index]], &shapes[i], err));
        if (out[index].rank >= 0)
            return sn_fail(err, SINTER_INVALID_ARGUMENT, "two shapes are given for input '%.200s'", name);
        out[index] = sn_shape_of(shapes[i].rank, shapes[i].dims);
    }
    return SINTER_OK;
}

sinter_status sn_shapes_resolve(const sn_model *m, const sinter_shape *shapes, size_t n, sn_shape **out,
                                sinter_error *err)
{
    size_t count = m->graphs[0].inputs.count;
    sn_shape *resolved = sn_calloc(count + 1, sizeof *resolved);
    if (!resolved) return sn_no_memory(err, "reading input shapes");
    for (size_t i = 0; i < count; i++) resolved[i] = SN_SHAPE_UNKNOWN;
    sinter_status status = resolve_into(m, shapes, n, resolved, err);
    if (status != SINTER_OK) {
        sn_free(resolved);
        return status;
    }
    *out = resolved;
    return SINTER_OK;
}

void sn_shapes_apply(sn_model *m, const sn_shape *shapes)
{
    const sn_ids *inputs = &m->graphs[0].inputs;
    for (size_t i = 0; i < inputs->count; i++) {
        if (shapes[i].rank < 0) continue;
        sn_type *type = &m->values[inputs->items[i]].type;
        if (type->shape.rank < 0) type->dim_denotations = NULL;
        type->shape = shapes[i];
    }
}

void sn_shapes_refine_declared(sn_model *m, const sn_facts *f)
{
    for (size_t v = 0; v < m->n_values && v < f->n_values; v++) {
        sn_type *declared = &m->values[v].type;
        const sn_type *fact = &f->values[v].type;
        if (m->values[v].dead || !m->values[v].is_declared || declared->kind != SINTER_KIND_TENSOR ||
            fact->kind != SINTER_KIND_TENSOR || declared->shape.rank != fact->shape.rank)
            continue;
        for (int i = 0; i < declared->shape.rank; i++)
            if (!sn_dim_is_number(declared->shape.dims[i]) && sn_dim_is_number(fact->shape.dims[i]))
                declared->shape.dims[i] = fact->shape.dims[i];
    }
}
