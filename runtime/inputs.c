/* What a session takes: checking values against the declared inputs before anything runs, with texts that a client can
 * act on. */
#include "runtime/session.h"

/* "float[Nx3x32x32]" as declared. */
static void append_declared(const sinter_io *io, sn_text *t)
{
    if (io->kind != SINTER_KIND_TENSOR) {
        static const char *const kinds[] = {"tensor",        "sequence", "optional", "map",
                                            "sparse tensor", "opaque",   "value"};
        sn_text_append(t, "%s", kinds[io->kind]);
        return;
    }
    sn_text_append(t, "%s[", io->dtype == SINTER_UNDEFINED ? "tensor" : sinter_dtype_name(io->dtype));
    if (io->rank < 0) sn_text_append(t, "...");
    for (int i = 0; i < io->rank; i++) {
        if (i > 0) sn_text_append(t, "x");
        if (io->dims[i] >= 0) {
            sn_text_append(t, "%lld", (long long)io->dims[i]);
        } else {
            sn_text_append(t, "%s", io->symbols[i] && io->symbols[i][0] ? io->symbols[i] : "?");
        }
    }
    sn_text_append(t, "]");
}

static sinter_io io_of_value(const sinter_value *v)
{
    sinter_io io = {.kind = v->kind, .dtype = v->dtype, .rank = v->shape.rank};
    for (int i = 0; v->kind == SINTER_KIND_TENSOR && i < v->shape.rank; i++) io.dims[i] = v->shape.dims[i];
    return io;
}

static sinter_status fail_expected(const sinter_io *io, const sinter_value *value, sinter_error *err)
{
    sn_text expected = {0}, got = {0};
    sinter_io given = io_of_value(value);
    append_declared(io, &expected);
    append_declared(&given, &got);
    sinter_status status = sn_fail(err, SINTER_INVALID_INPUT, "input '%s': expected %s, got %s", io->name,
                                   expected.failed ? "another type" : expected.p, got.failed ? "this" : got.p);
    sn_text_free(&expected);
    sn_text_free(&got);
    return status;
}

static bool fits(const sinter_io *io, const sinter_value *v)
{
    if (io->kind == SINTER_KIND_UNKNOWN) return true;
    if (v->kind != io->kind) return false;
    if (io->kind != SINTER_KIND_TENSOR) return true;
    if (io->dtype != SINTER_UNDEFINED && v->dtype != io->dtype) return false;
    if (io->rank < 0) return true;
    if (v->shape.rank != io->rank) return false;
    for (int i = 0; i < io->rank; i++) {
        if (io->dims[i] >= 0 && v->shape.dims[i] != io->dims[i]) return false;
    }
    return true;
}

sinter_status sinter_session_check_input(const sinter_session *session, size_t index, const sinter_value *value,
                                         sinter_error *err)
{
    if (index >= session->n_inputs) {
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "input %zu: the model has %zu", index, session->n_inputs);
    }
    const sinter_io *io = &session->inputs[index].io;
    if (!value) {
        if (io->optional) return SINTER_OK;
        return sn_fail(err, SINTER_INVALID_INPUT, "input '%s' is missing", io->name);
    }
    return fits(io, value) ? SINTER_OK : fail_expected(io, value, err);
}

/* Symbols are the model's own strings, one for each name. Optional inputs come last: what a required one says leads. */
sinter_status sn_link_symbols(sn_session *s, sinter_error *err)
{
    sn_map first = {0};
    bool ok = true;
    for (size_t i = 0; i < s->n_inputs && ok; i++) {
        sn_session_input *input = &s->inputs[i];
        for (int k = 0; k < SN_MAX_RANK; k++) input->first_input[k] = SN_NONE;
        for (int k = 0; k < input->io.rank && ok; k++) {
            if (input->io.dims[k] >= 0 || !input->io.symbols[k] || input->io.symbols[k][0] == '\0') continue;
            sn_str name = sn_str_of(input->io.symbols[k]);
            uint32_t place = sn_map_get(&first, name);
            if (place == SN_MAP_NONE) {
                ok = i < UINT32_MAX / SN_MAX_RANK && sn_map_put(&first, name, (uint32_t)i * SN_MAX_RANK + (uint32_t)k);
            } else {
                input->first_input[k] = place / SN_MAX_RANK;
                input->first_axis[k] = (uint8_t)(place % SN_MAX_RANK);
            }
        }
    }
    sn_map_free(&first);
    return ok ? SINTER_OK : sn_no_memory(err, "making a session");
}

static sinter_status check_symbols(const sn_session *s, const sinter_value *const *inputs, size_t i, sinter_error *err)
{
    const sn_session_input *input = &s->inputs[i];
    if (!inputs[i] || input->io.kind != SINTER_KIND_TENSOR) return SINTER_OK;
    for (int k = 0; k < input->io.rank; k++) {
        uint32_t where = input->first_input[k];
        if (where == SN_NONE || !inputs[where]) continue;
        int64_t before = inputs[where]->shape.dims[input->first_axis[k]], here = inputs[i]->shape.dims[k];
        if (before == here) continue;
        return sn_fail(err, SINTER_INVALID_INPUT, "input '%s': dimension %d ('%s') is %lld, but %lld in input '%s'",
                       input->io.name, k, input->io.symbols[k], (long long)here, (long long)before,
                       s->inputs[where].io.name);
    }
    return SINTER_OK;
}

sinter_status sn_check_inputs(const sn_session *s, const sinter_value *const *inputs, sinter_error *err)
{
    for (size_t i = 0; i < s->n_inputs; i++) {
        SN_TRY(sinter_session_check_input(s, i, inputs[i], err));
        SN_TRY(check_symbols(s, inputs, i, err));
    }
    return SINTER_OK;
}
