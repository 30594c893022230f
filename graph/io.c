/* Inputs and outputs of a model as the public interface shows them, and its dump. */
#include "graph/dump.h"
#include "graph/graph.h"

#include "base/alloc.h"

/* Listed only because IR < 4 demands that initializers are: a constant, not an input. */
static bool is_constant_input(const sn_value *v, int64_t ir_version)
{
    return (v->constant || v->sparse) && ir_version < 4;
}

static void fill_shape(const sn_model *m, const sn_shape *shape, sinter_io *io)
{
    io->rank = shape->rank;
    for (int i = 0; i < shape->rank; ++i) {
        int64_t d = shape->dims[i];
        io->dims[i] = sn_dim_is_number(d) ? d : -1;
        if (sn_dim_is_symbol(d)) io->symbols[i] = m->symbols[sn_dim_symbol_index(d)].p;
    }
}

sinter_io sn_describe_io(const sn_model *m, sn_value_id value)
{
    const sn_value *v = &m->values[value];
    const sn_type *t = &v->type;
    sinter_io io = {.name = v->name.p, .kind = t->kind, .rank = -1, .optional = sn_is_overridable(m, value)};
    if (t->kind == SINTER_KIND_TENSOR || t->kind == SINTER_KIND_SPARSE) fill_shape(m, &t->shape, &io);
    while (t->elem) t = t->elem;
    io.dtype = t->dtype;
    return io;
}

/* Input `index` in the public order (required ones first), or SN_NONE; *count (may be NULL) is how many there are. */
static sn_value_id find_input(const sn_model *m, size_t index, size_t *count)
{
    const sn_ids *inputs = &m->graphs[0].inputs;
    size_t seen = 0;
    sn_value_id found = SN_NONE;
    for (int optional = 0; optional < 2; ++optional) {
        for (size_t i = 0; i < inputs->count; ++i) {
            sn_value_id value = inputs->items[i];
            if (is_constant_input(&m->values[value], m->ir_version) || sn_is_overridable(m, value) != optional)
                continue;
            if (seen++ == index) found = value;
        }
    }
    if (count) *count = seen;
    return found;
}

static sinter_io nothing(void)
{
    return (sinter_io){.name = "", .kind = SINTER_KIND_UNKNOWN, .rank = -1};
}

size_t sinter_model_input_count(const sinter_model *model)
{
    size_t count;
    (void)find_input(&model->m, SIZE_MAX, &count);
    return count;
}

size_t sinter_model_output_count(const sinter_model *model)
{
    return model->m.graphs[0].outputs.count;
}

sinter_io sinter_model_input(const sinter_model *model, size_t index)
{
    sn_value_id value = find_input(&model->m, index, NULL);
    return value == SN_NONE ? nothing() : sn_describe_io(&model->m, value);
}

sinter_io sinter_model_output(const sinter_model *model, size_t index)
{
    const sn_ids *outputs = &model->m.graphs[0].outputs;
    if (index >= outputs->count) return nothing();
    sinter_io io = sn_describe_io(&model->m, outputs->items[index]);
    io.optional = false;
    return io;
}

sinter_status sinter_model_dump(const sinter_model *model, char **text, sinter_error *err)
{
    sn_text t = {0};
    sn_dump(&model->m, &t);
    if (t.failed || !t.p) {
        sn_text_free(&t);
        return sn_no_memory(err, "dumping a model");
    }
    *text = t.p;
    return SINTER_OK;
}
