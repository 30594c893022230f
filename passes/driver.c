/*
 * Runs the list of passes until nothing changes. What passes need to know about the model (operators' rows and params,
 * facts) is made anew only after something changed, so that a pipeline that finds nothing to do costs one inference.
 */
#include "base/alloc.h"
#include "graph/verify.h"
#include "passes/list.h"
#include "passes/rewrite.h"
#include "passes/shapes.h"
#include <stdlib.h>

#define MAX_ROUNDS 8

typedef struct driver {
    sn_pass_context x;
    const sinter_optimize_options *options;
    sn_prepared_model prepared;
    sn_facts facts;
    bool fresh; /* prepared and facts describe the model as it is */
    bool verify;
} driver;

static bool verify_wanted(void)
{
#ifdef NDEBUG
    const char *wish = getenv("SINTER_VERIFY_PASSES");
    return wish && strcmp(wish, "1") == 0;
#else
    return true;
#endif
}

static bool listed(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (names[i] && strcmp(names[i], name) == 0) return true;
    return false;
}

static bool enabled(const sinter_optimize_options *o, const char *pass)
{
    if (o->only && !listed(o->only, o->n_only, pass)) return false;
    return !o->skip || !listed(o->skip, o->n_skip, pass);
}

static void forget(driver *d)
{
    sn_facts_free(&d->facts);
    sn_prepared_model_free(&d->prepared);
    d->facts = (sn_facts){0};
    d->prepared = (sn_prepared_model){0};
    d->fresh = false;
}

static sinter_status refresh(driver *d)
{
    if (d->fresh) return SINTER_OK;
    forget(d);
    SN_TRY(sn_prepare_model(d->x.model, &d->prepared, d->x.err));
    SN_TRY(sn_infer_model(d->x.model, &d->prepared, d->x.shapes, true, &d->facts, d->x.err));
    d->fresh = true;
    return SINTER_OK;
}

static sinter_status check(driver *d, const sn_pass *p)
{
    if (!sn_report_settle(d->x.report, d->x.model, p->name)) return sn_pass_no_memory(&d->x);
    if (!d->verify) return SINTER_OK;
    sinter_status status = sn_verify(d->x.model, d->x.err);
    return status == SINTER_OK ? status : sn_context(d->x.err, status, "after pass %s", p->name);
}

static sinter_status run_pass(driver *d, const sn_pass *p)
{
    /* Rows are wanted for the model without its functions: their nodes have other ids once they are inlined. */
    if (p->run != sn_pass_inline_functions) {
        bool first = d->x.report->n_bns == 0;
        if (first) SN_TRY(refresh(d));
        SN_TRY(sn_report_collect_bns(d->x.report, d->x.model, d->fresh ? &d->facts : NULL, d->x.err));
    }
    if (p->needs_facts) SN_TRY(refresh(d));
    d->x.prepared = d->fresh ? &d->prepared : NULL;
    d->x.facts = p->needs_facts ? &d->facts : NULL;
    d->x.changes = 0;
    sn_defer_removal(d->x.model);
    sinter_status status = p->run(&d->x);
    sn_sweep(d->x.model);
    if (d->x.changes > 0 || status != SINTER_OK) forget(d);
    SN_TRY(status);
    return check(d, p);
}

/* Adds the report's rows for the stage's passes; returns the first one's index, or SIZE_MAX. */
static size_t add_pass_rows(sinter_report *r, sn_stage stage, const sinter_optimize_options *o)
{
    size_t first = r->n_passes, n = 0;
    for (const sn_pass *p = sn_passes; p->name; p++) n += p->stage == stage && enabled(o, p->name);
    sinter_pass_row *rows = SN_ARENA_ARRAY(&r->arena, sinter_pass_row, first + n + 1);
    if (!rows) return SIZE_MAX;
    if (first > 0) memcpy(rows, r->passes, first * sizeof *rows);
    r->passes = rows;
    for (const sn_pass *p = sn_passes; p->name; p++)
        if (p->stage == stage && enabled(o, p->name))
            rows[r->n_passes++] = (sinter_pass_row){p->name, p->description, 0};
    return first;
}

static sinter_status run_round(driver *d, sn_stage stage, size_t first_row, size_t *changes)
{
    size_t row = first_row;
    *changes = 0;
    sn_report_begin_round(d->x.report);
    for (const sn_pass *p = sn_passes; p->name; p++) {
        if (p->stage != stage || !enabled(d->options, p->name)) continue;
        SN_TRY(run_pass(d, p));
        d->x.report->passes[row++].changes += d->x.changes;
        *changes += d->x.changes;
    }
    return SINTER_OK;
}

sinter_status sn_run_passes(sn_model *m, sn_stage stage, const sinter_optimize_options *options, sinter_report *report,
                            sinter_error *err)
{
    static const sinter_optimize_options defaults = SINTER_OPTIMIZE_OPTIONS_INIT;
    driver d = {.options = options ? options : &defaults, .verify = verify_wanted()};
    d.x = (sn_pass_context){.model = m,
                            .report = report,
                            .bn_stats = d.options->bn_stats,
                            .freeze_inputs = d.options->freeze_inputs,
                            .err = err};
    size_t first_row = add_pass_rows(report, stage, d.options);
    if (first_row == SIZE_MAX) return sn_pass_no_memory(&d.x);

    sinter_status status = SINTER_OK;
    size_t changes = 1;
    for (int round = 0; round < MAX_ROUNDS && changes > 0 && status == SINTER_OK; round++)
        status = run_round(&d, stage, first_row, &changes);
    forget(&d);
    return status;
}

/* ---------------------------------------------------------------------------------------------------- public */

static size_t count_nodes(const sn_model *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_nodes; i++) n += !m->nodes[i].dead;
    return n;
}

static sinter_status check_names(const char *const *names, size_t n, sinter_error *err)
{
    for (size_t i = 0; i < n; i++) {
        bool found = false;
        for (size_t k = 0; k < sinter_pass_count() && !found; k++)
            found = names[i] && strcmp(names[i], sinter_pass(k).name) == 0;
        if (found) continue;
        sn_text valid = {0};
        for (size_t k = 0; k < sinter_pass_count(); k++)
            sn_text_append(&valid, "%s%s", k ? ", " : "", sinter_pass(k).name);
        sinter_status status = sn_fail(err, SINTER_INVALID_ARGUMENT, "there is no pass '%.100s'; the passes are %s",
                                       names[i] ? names[i] : "", valid.p ? valid.p : "");
        sn_text_free(&valid);
        return status;
    }
    return SINTER_OK;
}

/* Options of an older, shorter layout get defaults for what they lack. */
static sinter_status read_options(const sinter_optimize_options *given, sinter_optimize_options *o, sinter_error *err)
{
    *o = (sinter_optimize_options)SINTER_OPTIMIZE_OPTIONS_INIT;
    if (!given) return SINTER_OK;
    if (given->size < sizeof given->size)
        return sn_fail(err, SINTER_INVALID_ARGUMENT,
                       "sinter_optimize_options: size is %zu; use SINTER_OPTIMIZE_OPTIONS_INIT", given->size);
    memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    o->size = sizeof *o;
    SN_TRY(check_names(o->only, o->only ? o->n_only : 0, err));
    return check_names(o->skip, o->skip ? o->n_skip : 0, err);
}

static sinter_status apply_shapes(sn_model *m, const sinter_optimize_options *o, sinter_error *err)
{
    if (o->n_shapes == 0 || !o->shapes) return SINTER_OK;
    sn_shape *shapes = NULL;
    SN_TRY(sn_shapes_resolve(m, o->shapes, o->n_shapes, &shapes, err));
    sn_shapes_apply(m, shapes);
    sn_free(shapes);
    return SINTER_OK;
}

static sinter_status refine_declared(sn_model *m, sinter_error *err)
{
    sn_prepared_model prepared = {0};
    sn_facts facts = {0};
    sinter_status status;
    SN_TRY_GOTO(status, done, sn_prepare_model(m, &prepared, err));
    SN_TRY_GOTO(status, done, sn_infer_model(m, &prepared, NULL, false, &facts, err));
    sn_shapes_refine_declared(m, &facts);
done:
    sn_facts_free(&facts);
    sn_prepared_model_free(&prepared);
    return status;
}

static sinter_status run_reported(sn_model *m, const sinter_optimize_options *o, sinter_report **out, sinter_error *err)
{
    sinter_report *r = sn_report_create();
    if (!r) return sn_no_memory(err, "making the report");
    r->nodes_before = count_nodes(m);
    sinter_status status = sn_run_passes(m, SN_STAGE_PORTABLE, o, r, err);
    if (status == SINTER_OK && o->n_shapes > 0 && o->shapes) status = refine_declared(m, err);
    r->nodes_after = count_nodes(m);
    if (status != SINTER_OK || !out) {
        sinter_report_free(r);
        return status;
    }
    *out = r;
    return SINTER_OK;
}

sinter_status sinter_model_optimize(sinter_model *model, const sinter_optimize_options *options, sinter_report **report,
                                    sinter_error *err)
{
    if (!model) return sn_fail(err, SINTER_INVALID_ARGUMENT, "sinter_model_optimize: model is NULL");
    sinter_optimize_options o;
    SN_TRY(read_options(options, &o, err));
    SN_TRY(apply_shapes(&model->m, &o, err));
    return run_reported(&model->m, &o, report, err);
}

sinter_status sinter_model_apply_bn_stats(sinter_model *model, sinter_bn_stats bn_stats, sinter_report **report,
                                          sinter_error *err)
{
    if (!model) return sn_fail(err, SINTER_INVALID_ARGUMENT, "sinter_model_apply_bn_stats: model is NULL");
    /* Inside a function the statistics are parameters: whether they are constants shows only where it is called. */
    static const char *const passes[] = {"bn-stats", "inline-functions"};
    sinter_optimize_options o = SINTER_OPTIMIZE_OPTIONS_INIT;
    o.bn_stats = bn_stats;
    o.only = passes;
    o.n_only = model->m.n_functions > 0 ? 2 : 1;
    return run_reported(&model->m, &o, report, err);
}
