#include "cli/test_case.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/inputs.h"
#include "io/pb.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char alternative_model[] = "model_nozipmap.onnx";

/* The model file of the folder (heap), or NULL. A model whose final ZipMap was taken off comes first: the stored
 * outputs belong to it. */
static char *find_model(const char *folder)
{
    static const char *const names[] = {alternative_model, "model.onnx"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = sn_path_join(folder, names[i]);
        if (path && access(path, R_OK) == 0) return path;
        sn_free(path);
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ the session */

static sinter_status optimize_and_reload(sinter_model **model, sinter_bn_stats bn_stats, sinter_error *err)
{
    sinter_optimize_options o = SINTER_OPTIMIZE_OPTIONS_INIT;
    o.bn_stats = bn_stats;
    void *bytes;
    size_t size;
    SN_TRY(sinter_model_optimize(*model, &o, NULL, err));
    SN_TRY(sinter_model_save_memory(*model, &bytes, &size, err));
    sinter_model *again;
    sinter_status status = sinter_model_load_memory(bytes, size, NULL, &again, err);
    free(bytes);
    if (status != SINTER_OK) return sn_context(err, status, "reading the saved model");
    sinter_model_free(*model);
    *model = again;
    return SINTER_OK;
}

static sinter_status open_session(const char *path, const sn_case_options *o, sinter_pool *pool, sinter_session **out,
                                  sinter_error *err)
{
    sinter_model *model;
    SN_TRY(sinter_model_load(path, NULL, &model, err));
    if (o->save_reload) {
        sinter_status status = optimize_and_reload(&model, (sinter_bn_stats)o->engine.bn_stats, err);
        if (status != SINTER_OK) {
            sinter_model_free(model);
            return status;
        }
    }
    return sn_engine_session(NULL, model, &o->engine, (sn_engine_mode){.reference = o->reference}, pool, out, err);
}

/* ------------------------------------------------------------------------------------------------ one data set */

typedef struct data_set {
    sinter_session *session;
    const char *folder;
    sinter_value **inputs, **outputs;
    size_t n_inputs, n_outputs;
} data_set;

/* FOLDER/input_3.pb (heap). *present: there is such a file. */
static char *value_path(const char *folder, const char *prefix, size_t index, bool *present)
{
    char name[64];
    snprintf(name, sizeof name, "%s_%zu.pb", prefix, index);
    char *path = sn_path_join(folder, name);
    *present = path && access(path, F_OK) == 0;
    return path;
}

/* Loads FOLDER/PREFIX_index.pb; *out stays NULL when there is no such file. */
static sinter_status load_value(const char *folder, const char *prefix, size_t index, sinter_kind kind,
                                sinter_value **out, sinter_error *err)
{
    bool present;
    char *path = value_path(folder, prefix, index, &present);
    if (!path) return sn_no_memory(err, "reading a data set");
    if (kind == SINTER_KIND_UNKNOWN) kind = SINTER_KIND_TENSOR;
    sinter_status status = present ? sn_pb_load(path, kind, out, err) : SINTER_OK;
    sn_free(path);
    return status;
}

static sinter_status load_inputs(data_set *d, sinter_error *err)
{
    bool more;
    char *path = value_path(d->folder, "input", d->n_inputs, &more);
    sn_free(path);
    if (more) return sn_fail(err, SINTER_INVALID_INPUT, "more inputs than the model's %zu", d->n_inputs);
    for (size_t i = 0; i < d->n_inputs; i++) {
        sinter_io io = sinter_session_input(d->session, i);
        SN_TRY(load_value(d->folder, "input", i, io.kind, &d->inputs[i], err));
        if (!d->inputs[i] && !io.optional) {
            return sn_fail(err, SINTER_INVALID_INPUT, "no input_%zu.pb for input '%s'", i, io.name);
        }
    }
    return SINTER_OK;
}

static sinter_status compare_output(const data_set *d, size_t i, const sinter_value *expected, const sn_case_options *o,
                                    sinter_error *err)
{
    sinter_difference diff = sinter_value_compare(d->outputs[i], expected, o->rtol, o->atol);
    const char *name = sinter_session_output(d->session, i).name;
    if (!diff.comparable) return sn_fail(err, SINTER_FAILED, "output '%s': %s", name, diff.text);
    if (diff.mismatches == 0) return SINTER_OK;
    return sn_fail(err, SINTER_FAILED, "output '%s': %zu of %zu elements differ, max abs %.3g, max rel %.3g; %s", name,
                   diff.mismatches, diff.count, diff.max_abs, diff.max_rel, diff.text);
}

static sinter_status compare_outputs(const data_set *d, const sn_case_options *o, sinter_error *err)
{
    size_t compared = 0;
    for (size_t i = 0; i < d->n_outputs; i++) {
        sinter_value *expected = NULL;
        sinter_kind kind = sinter_session_output(d->session, i).kind;
        SN_TRY(load_value(d->folder, "output", i, kind, &expected, err));
        if (!expected) continue;
        sinter_status status = compare_output(d, i, expected, o, err);
        sinter_value_release(expected);
        SN_TRY(status);
        compared++;
    }
    return compared ? SINTER_OK : sn_fail(err, SINTER_INVALID_INPUT, "no output_N.pb to compare with");
}

static sinter_status run_data_set(sinter_session *session, const char *folder, const sn_case_options *o,
                                  sinter_error *err)
{
    data_set d = {.session = session, .folder = folder};
    d.n_inputs = sinter_session_input_count(session);
    d.n_outputs = sinter_session_output_count(session);
    d.inputs = sn_values_create(d.n_inputs);
    d.outputs = sn_values_create(d.n_outputs);
    sinter_status status = d.inputs && d.outputs ? load_inputs(&d, err) : sn_no_memory(err, "reading a data set");
    if (status == SINTER_OK) {
        status = sinter_session_run(session, (const sinter_value *const *)d.inputs, d.outputs, NULL, NULL, err);
    }
    if (status == SINTER_OK) status = compare_outputs(&d, o, err);
    sn_values_free(d.inputs, d.n_inputs);
    sn_values_free(d.outputs, d.n_outputs);
    return status;
}

/* ------------------------------------------------------------------------------------------------ the case */

static int is_data_set(const struct dirent *entry)
{
    return strncmp(entry->d_name, "test_data_set_", 14) == 0;
}

static sinter_status run_data_sets(sinter_session *session, const char *folder, struct dirent **sets, int n_sets,
                                   const sn_case_options *o, sinter_error *err)
{
    for (int i = 0; i < n_sets; i++) {
        char *path = sn_path_join(folder, sets[i]->d_name);
        if (!path) return sn_no_memory(err, "reading a data set");
        sinter_status status = run_data_set(session, path, o, err);
        sn_free(path);
        if (status != SINTER_OK) return n_sets > 1 ? sn_context(err, status, "%s", sets[i]->d_name) : status;
    }
    return SINTER_OK;
}

static sinter_status run_case(const char *model, const char *folder, struct dirent **sets, int n_sets,
                              const sn_case_options *o, sinter_error *err)
{
    sinter_pool *pool = NULL;
    sinter_session *session = NULL;
    sinter_status status = sn_engine_pool(&o->engine, &pool, err);
    if (status == SINTER_OK) status = open_session(model, o, pool, &session, err);
    if (status == SINTER_OK) status = run_data_sets(session, folder, sets, n_sets, o, err);
    sinter_session_free(session);
    sinter_pool_free(pool);
    return status;
}

/* "with OTHER MODEL: STATUS: TEXT", each part only where it says something. */
static void describe(sn_case_result *out, const char *model, sinter_status status, const char *text)
{
    size_t n = strlen(model), m = strlen(alternative_model);
    bool alternative = n >= m && strcmp(model + n - m, alternative_model) == 0;
    bool named = status != SINTER_OK && status != SINTER_FAILED;
    snprintf(out->reason, sizeof out->reason, "%s%s%s%s%s%s", alternative ? "with " : "",
             alternative ? alternative_model : "", alternative && status != SINTER_OK ? ": " : "",
             named ? sinter_status_name(status) : "", named ? ": " : "", text);
}

static void run_model(const char *model, const char *folder, const sn_case_options *o, sn_case_result *out)
{
    sinter_error err = {.code = SINTER_OK};
    struct dirent **sets = NULL;
    int n_sets = scandir(folder, &sets, is_data_set, versionsort);
    if (n_sets <= 0) {
        snprintf(out->reason, sizeof out->reason, "no backend-test folder: it has no test_data_set_N");
    } else {
        sinter_status status = run_case(model, folder, sets, n_sets, o, &err);
        out->verdict = status == SINTER_OK ? SN_CASE_PASS : SN_CASE_FAIL;
        describe(out, model, status, err.text);
    }
    for (int i = 0; i < n_sets; i++) free(sets[i]);
    free(sets);
}

void sn_case_run(const char *folder, const sn_case_options *o, sn_case_result *out)
{
    *out = (sn_case_result){.verdict = SN_CASE_SKIP};
    char *model = find_model(folder);
    if (model)
        run_model(model, folder, o, out);
    else
        snprintf(out->reason, sizeof out->reason, "no backend-test folder: it has no model.onnx");
    sn_free(model);
}
