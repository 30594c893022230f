#include "cli/optimize_report.h"
#include "cli/json.h"
#include "cli/table.h"

/* ------------------------------------------------------------------------------------------------ for people */

static sinter_status print_and_free(sn_table *t, FILE *out, sinter_error *err)
{
    sinter_status status = sn_table_print(t, out, err);
    sn_table_free(t);
    return status;
}

static sinter_status print_passes(const sinter_report *r, FILE *out, sinter_error *err)
{
    static const char *const columns[] = {"pass", ">changes", "what it does", NULL};
    sn_table t = sn_table_create(columns);
    bool any = false;
    for (size_t i = 0, n = sinter_report_pass_count(r); i < n; i++) {
        sinter_pass_row row = sinter_report_pass(r, i);
        if (row.changes == 0) continue;
        any = true;
        sn_table_cell(&t, "%s", row.name);
        sn_table_cell(&t, "%zu", row.changes);
        sn_table_cell(&t, "%s", row.description);
    }
    if (any)
        fputs("\nPasses:\n", out);
    else
        sn_table_free(&t);
    return any ? print_and_free(&t, out, err) : SINTER_OK;
}

static void print_bn_heading(const sinter_report *r, FILE *out)
{
    size_t counts[] = {[SINTER_BN_FOLDED] = 0, [SINTER_BN_LOWERED] = 0, [SINTER_BN_KEPT] = 0};
    size_t n = sinter_report_bn_count(r);
    for (size_t i = 0; i < n; i++) counts[sinter_report_bn(r, i).verdict]++;
    fprintf(out, "\nBatchNormalization: %zu", n);
    for (size_t v = 0; v < sizeof counts / sizeof *counts; v++) {
        if (counts[v]) fprintf(out, ", %zu %s", counts[v], sinter_bn_verdict_name((sinter_bn_verdict)v));
    }
    fputc('\n', out);
}

static sinter_status print_bns(const sinter_report *r, FILE *out, sinter_error *err)
{
    static const char *const columns[] = {"name", "shape", "verdict", "into", "reason", NULL};
    size_t n = sinter_report_bn_count(r);
    print_bn_heading(r, out);
    if (n == 0) return SINTER_OK;
    sn_table t = sn_table_create(columns);
    for (size_t i = 0; i < n; i++) {
        sinter_bn_row row = sinter_report_bn(r, i);
        sn_table_cell(&t, "%s", row.name);
        sn_table_cell(&t, "%s", row.shape);
        sn_table_cell(&t, "%s", sinter_bn_verdict_name(row.verdict));
        if (row.into_op[0])
            sn_table_cell(&t, "%s (%s)", row.into, row.into_op);
        else
            sn_table_cell(&t, "%s", row.into[0] ? row.into : "-");
        sn_table_cell(&t, "%s", row.reason);
    }
    return print_and_free(&t, out, err);
}

static void print_notes(const sinter_report *r, FILE *out)
{
    size_t n = sinter_report_note_count(r);
    if (n) fputs("\nNotes:\n", out);
    for (size_t i = 0; i < n; i++) {
        fputs("  ", out);
        sn_print_text(out, sinter_report_note(r, i));
        fputc('\n', out);
    }
}

static const char *verdict_of(const sinter_difference *d)
{
    return d->comparable && d->mismatches == 0 ? "equal within tolerance" : d->text;
}

static sinter_status print_verification(const sn_verification *v, FILE *out, sinter_error *err)
{
    static const char *const columns[] = {"output", ">elements", ">max abs", ">max rel", "tolerance", "verdict", NULL};
    fprintf(out, "\nVerification: %s\n", v->passed ? "passed" : "FAILED");
    sn_table t = sn_table_create(columns);
    for (size_t i = 0; i < v->n_rows; i++) {
        const sinter_difference *d = &v->rows[i].difference;
        sn_table_cell(&t, "%s", v->rows[i].name);
        sn_table_cell(&t, "%zu", d->count);
        sn_table_cell(&t, "%.3g", d->max_abs);
        sn_table_cell(&t, "%.3g", d->max_rel);
        sn_table_cell(&t, "%g*|b| + %g", v->rows[i].rtol, v->rows[i].atol);
        sn_table_cell(&t, "%s", verdict_of(d));
    }
    return print_and_free(&t, out, err);
}

sinter_status sn_optimize_print(const sn_optimize_facts *f, FILE *out, sinter_error *err)
{
    const sinter_report *r = f->report;
    fprintf(out, "%s -> %s\n", f->model, f->output);
    fprintf(out, "Nodes: %zu -> %zu\n", sinter_report_nodes_before(r), sinter_report_nodes_after(r));
    SN_TRY(print_passes(r, out, err));
    SN_TRY(print_bns(r, out, err));
    print_notes(r, out);
    return f->verification ? print_verification(f->verification, out, err) : SINTER_OK;
}

/* ------------------------------------------------------------------------------------------------ for programs */

static void add_bns(sn_json *j, const sinter_report *r)
{
    cJSON *array = sn_json_array(j, j->root, "bn");
    for (size_t i = 0, n = sinter_report_bn_count(r); i < n; i++) {
        sinter_bn_row row = sinter_report_bn(r, i);
        cJSON *object = sn_json_object(j, array, NULL);
        sn_json_text(j, object, "name", row.name);
        sn_json_text(j, object, "shape", row.shape);
        sn_json_text(j, object, "verdict", sinter_bn_verdict_name(row.verdict));
        sn_json_text(j, object, "into", row.into);
        sn_json_text(j, object, "into_op", row.into_op);
        sn_json_text(j, object, "reason", row.reason);
    }
}

static void add_passes(sn_json *j, const sinter_report *r)
{
    cJSON *array = sn_json_array(j, j->root, "passes");
    for (size_t i = 0, n = sinter_report_pass_count(r); i < n; i++) {
        sinter_pass_row row = sinter_report_pass(r, i);
        cJSON *object = sn_json_object(j, array, NULL);
        sn_json_text(j, object, "name", row.name);
        sn_json_text(j, object, "description", row.description);
        sn_json_number(j, object, "changes", (double)row.changes);
    }
}

static void add_notes(sn_json *j, const sinter_report *r)
{
    cJSON *array = sn_json_array(j, j->root, "notes");
    for (size_t i = 0, n = sinter_report_note_count(r); i < n; i++) {
        sn_json_text(j, array, NULL, sinter_report_note(r, i));
    }
}

static void add_verification(sn_json *j, const sn_verification *v)
{
    cJSON *object = sn_json_object(j, j->root, "verify");
    sn_json_bool(j, object, "passed", v->passed);
    cJSON *outputs = sn_json_array(j, object, "outputs");
    for (size_t i = 0; i < v->n_rows; i++) {
        const sinter_difference *d = &v->rows[i].difference;
        cJSON *row = sn_json_object(j, outputs, NULL);
        sn_json_text(j, row, "name", v->rows[i].name);
        sn_json_number(j, row, "rtol", v->rows[i].rtol);
        sn_json_number(j, row, "atol", v->rows[i].atol);
        sn_json_bool(j, row, "comparable", d->comparable);
        sn_json_number(j, row, "elements", (double)d->count);
        sn_json_number(j, row, "mismatches", (double)d->mismatches);
        sn_json_number(j, row, "max_abs", d->max_abs);
        sn_json_number(j, row, "max_rel", d->max_rel);
        sn_json_text(j, row, "text", d->text);
    }
}

sinter_status sn_optimize_write_json(const sn_optimize_facts *f, const char *path, sinter_error *err)
{
    sn_json j = sn_json_create();
    sn_json_text(&j, j.root, "model", f->model);
    sn_json_text(&j, j.root, "output", f->output);
    sn_json_bool(&j, j.root, "written", !f->verification || f->verification->passed);
    cJSON *nodes = sn_json_object(&j, j.root, "nodes");
    sn_json_number(&j, nodes, "before", (double)sinter_report_nodes_before(f->report));
    sn_json_number(&j, nodes, "after", (double)sinter_report_nodes_after(f->report));
    add_bns(&j, f->report);
    add_passes(&j, f->report);
    add_notes(&j, f->report);
    if (f->verification) add_verification(&j, f->verification);
    sinter_status status = sn_json_write(&j, path, err);
    sn_json_free(&j);
    return status;
}
