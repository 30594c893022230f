#include "cli/verify.h"
#include "base/alloc.h"
#include "cli/engine.h"
#include "cli/inputs.h"
#include "io/tensor_file.h"
#include <stdlib.h>
#include <string.h>

enum { SYMBOLIC_SIZE = 2 };

/* One of the two models at work. */
typedef struct side {
    sinter_session *session;
    sinter_value **inputs, **outputs;
    size_t n_inputs, n_outputs;
} side;

static void close_side(side *s)
{
    sn_values_free(s->inputs, s->n_inputs);
    sn_values_free(s->outputs, s->n_outputs);
    sinter_session_free(s->session);
}

static sinter_status open_side(side *s, sinter_error *err)
{
    s->n_inputs = sinter_session_input_count(s->session);
    s->n_outputs = sinter_session_output_count(s->session);
    s->inputs = sn_values_create(s->n_inputs);
    s->outputs = sn_values_create(s->n_outputs);
    return s->inputs && s->outputs ? SINTER_OK : sn_no_memory(err, "verifying");
}

static sinter_status load_given(const sn_list *arguments, side *s, sinter_error *err)
{
    const char **paths = sn_calloc(s->n_inputs ? s->n_inputs : 1, sizeof *paths);
    if (!paths) return sn_no_memory(err, "verifying");
    sinter_status status = sn_inputs_match(arguments, s->session, paths, err);
    for (size_t i = 0; i < s->n_inputs && status == SINTER_OK; i++) {
        if (!paths[i]) continue;
        status = sn_tensor_file_load(paths[i], sinter_session_input(s->session, i).kind, &s->inputs[i], err);
    }
    sn_free(paths);
    return status;
}

/* Optimizing may have removed inputs (frozen ones), so they are matched by name. */
static void share_inputs(const side *from, side *to)
{
    for (size_t i = 0; i < to->n_inputs; i++) {
        const char *name = sinter_session_input(to->session, i).name;
        for (size_t k = 0; k < from->n_inputs && !to->inputs[i]; k++) {
            if (!from->inputs[k] || strcmp(sinter_session_input(from->session, k).name, name) != 0) continue;
            to->inputs[i] = sinter_value_retain(from->inputs[k]);
        }
    }
}

static sinter_status run_side(side *s, const char *which, sinter_error *err)
{
    sinter_status status =
        sinter_session_run(s->session, (const sinter_value *const *)s->inputs, s->outputs, NULL, NULL, err);
    return status == SINTER_OK ? SINTER_OK : sn_context(err, status, "running the model %s", which);
}

/* 16-bit types round every intermediate result, which folding makes fewer of: their outputs move by some of these
 * roundings. */
static void set_tolerance(sn_verify_row *row, sinter_dtype dtype)
{
    row->rtol = dtype == SINTER_BFLOAT16 ? 1e-1 : (dtype == SINTER_FLOAT16 ? 1e-2 : 1e-4);
    row->atol = dtype == SINTER_BFLOAT16 || dtype == SINTER_FLOAT16 ? row->rtol : 1e-5;
}

static sinter_status compare(const side *before, const side *after, sn_verification *out, sinter_error *err)
{
    if (before->n_outputs != after->n_outputs) {
        return sn_fail(err, SINTER_FAILED, "the optimized model has %zu outputs, expected %zu", after->n_outputs,
                       before->n_outputs);
    }
    out->rows = sn_calloc(before->n_outputs ? before->n_outputs : 1, sizeof *out->rows);
    if (!out->rows) return sn_no_memory(err, "verifying");
    out->n_rows = before->n_outputs;
    out->passed = true;
    for (size_t i = 0; i < out->n_rows; i++) {
        sn_verify_row *row = &out->rows[i];
        snprintf(row->name, sizeof row->name, "%s", sinter_session_output(before->session, i).name);
        set_tolerance(row, sinter_session_output(before->session, i).dtype);
        row->difference = sinter_value_compare(after->outputs[i], before->outputs[i], row->rtol, row->atol);
        if (!row->difference.comparable || row->difference.mismatches) out->passed = false;
    }
    return SINTER_OK;
}

/* The optimized model as a reader of the saved file will see it. A model too large for memory is taken as it is. */
static sinter_status reload(sinter_model **model, sinter_error *err)
{
    void *bytes;
    size_t size;
    sinter_status status = sinter_model_save_memory(*model, &bytes, &size, err);
    if (status == SINTER_TOO_LARGE) return SINTER_OK;
    SN_TRY(status);
    sinter_model *again;
    status = sinter_model_load_memory(bytes, size, NULL, &again, err);
    free(bytes);
    if (status != SINTER_OK) return sn_context(err, status, "reading the optimized model again");
    sinter_model_free(*model);
    *model = again;
    return SINTER_OK;
}

static sinter_status open_sessions(const sn_verify_arguments *a, sinter_model *after_model, sinter_pool *pool,
                                   side *before, side *after, sinter_error *err)
{
    const sn_engine_arguments engine = {.optimize = 1 /* off */, .bn_stats = a->bn_stats};
    const sn_engine_mode mode = {0};
    sinter_status status = reload(&after_model, err);
    if (status != SINTER_OK) {
        sinter_model_free(after_model);
        return status;
    }
    SN_TRY(sn_engine_session(NULL, after_model, &engine, mode, pool, &after->session, err));
    SN_TRY(open_side(after, err));
    SN_TRY(sn_engine_open(NULL, a->path, &engine, mode, pool, &before->session, err));
    return open_side(before, err);
}

static sinter_status verify_sides(const sn_verify_arguments *a, side *before, side *after, sn_verification *out,
                                  sinter_error *err)
{
    const sn_fill fill = {.shapes = a->shapes, .rows = SYMBOLIC_SIZE, .other = SYMBOLIC_SIZE};
    SN_TRY(load_given(a->inputs, before, err));
    SN_TRY(sn_inputs_fill(&fill, before->session, before->inputs, err));
    share_inputs(before, after);
    SN_TRY(run_side(before, "as it was", err));
    SN_TRY(run_side(after, "as it is optimized", err));
    return compare(before, after, out, err);
}

sinter_status sn_verify_optimized(const sn_verify_arguments *a, sn_verification *out, sinter_error *err)
{
    const sn_engine_arguments engine = {0};
    sinter_pool *pool = NULL;
    side before = {0}, after = {0};
    sinter_status status = sn_engine_pool(&engine, &pool, err);
    if (status == SINTER_OK)
        status = open_sessions(a, a->after, pool, &before, &after, err);
    else
        sinter_model_free(a->after);
    if (status == SINTER_OK) status = verify_sides(a, &before, &after, out, err);
    close_side(&before);
    close_side(&after);
    sinter_pool_free(pool);
    return status == SINTER_OK ? SINTER_OK : sn_context(err, status, "--verify");
}

void sn_verification_free(sn_verification *v)
{
    sn_free(v->rows);
    *v = (sn_verification){0};
}
