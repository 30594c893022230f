/*
 * The report: one row per BatchNormalization, with the reason for what became of it. Rows are made while the pipeline
 * runs and follow a node by its id until it is gone.
 */
#include "base/alloc.h"
#include "passes/pass.h"
#include <stdio.h>

sinter_report *sn_report_create(void)
{
    return sn_calloc(1, sizeof(sinter_report));
}

void sinter_report_free(sinter_report *report)
{
    if (!report) return;
    sn_free(report->bns);
    sn_free(report->row_of);
    sn_free(report->notes);
    sn_map_free(&report->note_index);
    sn_arena_free(&report->arena);
    sn_free(report);
}

sn_bn_record *sn_report_bn_of(sinter_report *r, sn_node_id node)
{
    uint32_t row = node < r->n_row_of ? r->row_of[node] : SN_NONE;
    return row != SN_NONE && r->bns[row].node == node ? &r->bns[row] : NULL;
}

/* ---------------------------------------------------------------------------------------------------- collecting */

static bool add_record(sinter_report *r, const sn_model *m, const sn_facts *f, sn_node_id node)
{
    const sn_node *n = &m->nodes[node];
    const sn_shape *shape = NULL;
    if (n->n_out > 0 && n->out[0] != SN_NONE) {
        sn_value_id y = n->out[0];
        shape = f && y < f->n_values ? &f->values[y].type.shape : &m->values[y].type.shape;
    }
    char text[SN_SHAPE_TEXT] = "?";
    if (shape) sn_shape_text(shape, m->symbols, text, sizeof text);

    if (!SN_GROW(r->bns, r->bns_capacity, r->n_bns)) return false;
    sn_bn_record record = {.node = node, .verdict = SINTER_BN_KEPT};
    record.name = sn_arena_str(&r->arena, sn_node_label(m, node));
    record.shape = sn_arena_str(&r->arena, sn_str_of(text));
    record.into = record.into_op = record.reason = record.note = SN_STR("");
    if (!record.name.p || !record.shape.p) return false;
    r->row_of[node] = (uint32_t)r->n_bns;
    r->bns[r->n_bns++] = record;
    return true;
}

static bool has_attr_graph(const sn_model *m, sn_node_id node)
{
    const sn_node *n = &m->nodes[node];
    for (size_t i = 0; i < n->n_attrs; i++)
        if (n->attrs[i].type == SN_ATTR_GRAPH || n->attrs[i].type == SN_ATTR_GRAPHS) return true;
    return false;
}

static bool collect_graph(sinter_report *r, const sn_model *m, const sn_facts *f, sn_graph_id graph);

static bool collect_bodies(sinter_report *r, const sn_model *m, const sn_facts *f, sn_node_id node)
{
    const sn_node *n = &m->nodes[node];
    for (size_t a = 0; a < n->n_attrs; a++) {
        const sn_attr *attr = &n->attrs[a];
        if (attr->type != SN_ATTR_GRAPH && attr->type != SN_ATTR_GRAPHS) continue;
        for (size_t i = 0; i < attr->count; i++) {
            sn_graph_id body = attr->type == SN_ATTR_GRAPH ? attr->graph : attr->graphs[i];
            if (!collect_graph(r, m, f, body)) return false;
        }
    }
    return true;
}

/* Recursion is bounded by the parser's limit on nesting. */
static bool collect_graph(sinter_report *r, const sn_model *m, const sn_facts *f, sn_graph_id graph)
{
    const sn_ids *nodes = &m->graphs[graph].nodes;
    for (size_t i = 0; i < nodes->count; i++) {
        sn_node_id node = nodes->items[i];
        if (sn_node_is(&m->nodes[node], "BatchNormalization") && r->row_of[node] == SN_NONE &&
            !add_record(r, m, f, node))
            return false;
        if (has_attr_graph(m, node) && !collect_bodies(r, m, f, node)) return false;
    }
    return true;
}

static bool reserve_rows(sinter_report *r, size_t n_nodes)
{
    if (n_nodes <= r->n_row_of) return true;
    uint32_t *grown = sn_realloc(r->row_of, n_nodes * sizeof *grown);
    if (!grown) return false;
    for (size_t i = r->n_row_of; i < n_nodes; i++) grown[i] = SN_NONE;
    r->row_of = grown;
    r->n_row_of = n_nodes;
    return true;
}

sinter_status sn_report_collect_bns(sinter_report *r, const sn_model *m, const sn_facts *f, sinter_error *err)
{
    bool ok = reserve_rows(r, m->n_nodes) && collect_graph(r, m, f, 0);
    for (size_t i = 0; ok && i < m->n_functions; i++)
        if (!m->functions[i].dead) ok = collect_graph(r, m, f, m->functions[i].body);
    return ok ? SINTER_OK : sn_no_memory(err, "making the report");
}

/* ---------------------------------------------------------------------------------------------------- verdicts */

static sn_str format_text(sn_arena *a, const char *format, va_list args)
{
    char text[SINTER_ERROR_TEXT_SIZE];
    vsnprintf(text, sizeof text, format, args);
    return sn_arena_str(a, sn_str_of(text));
}

static bool set_reason(sinter_report *r, sn_bn_record *record, const char *format, va_list args)
{
    sn_str reason = format_text(&r->arena, format, args);
    if (reason.p && record->note.n > 0 && reason.n > 0)
        reason = sn_arena_printf(&r->arena, "%s; %s", record->note.p, reason.p);
    if (!reason.p) return false;
    record->reason = reason.n > 0 ? reason : record->note;
    return true;
}

bool sn_report_folded(sinter_report *r, const sn_model *m, sn_node_id bn, sn_node_id into, const char *format, ...)
{
    sn_bn_record *record = sn_report_bn_of(r, bn);
    if (!record) return true;
    va_list args;
    va_start(args, format);
    bool ok = set_reason(r, record, format, args);
    va_end(args);
    record->into = sn_arena_str(&r->arena, sn_node_label(m, into));
    record->into_op = sn_arena_str(&r->arena, m->nodes[into].op_type);
    if (!record->into.p) record->into = SN_STR("");
    if (!record->into_op.p) record->into_op = SN_STR("");
    record->verdict = SINTER_BN_FOLDED;
    record->node = SN_NONE;
    return ok;
}

bool sn_report_lowered(sinter_report *r, sn_node_id bn)
{
    sn_bn_record *record = sn_report_bn_of(r, bn);
    if (!record) return true;
    const char *why = record->reason.n > 0 ? record->reason.p : "no linear operator next to it";
    sn_str reason = sn_arena_printf(&r->arena, "%s; it runs as one multiply-add per element", why);
    if (!reason.p) return false;
    record->reason = reason;
    record->verdict = SINTER_BN_LOWERED;
    record->node = SN_NONE;
    return true;
}

bool sn_report_kept(sinter_report *r, sn_node_id bn, enum sn_reason weight, const char *format, ...)
{
    sn_bn_record *record = sn_report_bn_of(r, bn);
    if (!record || (int)weight <= record->weight) return true;
    va_list args;
    va_start(args, format);
    bool ok = set_reason(r, record, format, args);
    va_end(args);
    record->weight = (int)weight;
    return ok;
}

bool sn_report_bn_note(sinter_report *r, sn_node_id bn, const char *format, ...)
{
    sn_bn_record *record = sn_report_bn_of(r, bn);
    if (!record) return true;
    va_list args;
    va_start(args, format);
    sn_str note = format_text(&r->arena, format, args);
    va_end(args);
    if (!note.p) return false;
    record->note = record->reason = note;
    return true;
}

bool sn_report_follow(sinter_report *r, const sn_model *m, sn_node_id from, sn_node_id to)
{
    sn_bn_record *record = sn_report_bn_of(r, from);
    if (!record) return true;
    if (!reserve_rows(r, m->n_nodes)) return false;
    r->row_of[to] = r->row_of[from];
    record->node = to;
    return true;
}

void sn_report_begin_round(sinter_report *r)
{
    for (size_t i = 0; i < r->n_bns; i++) r->bns[i].weight = SN_REASON_NONE;
}

bool sn_report_settle(sinter_report *r, const sn_model *m, const char *pass)
{
    for (size_t i = 0; i < r->n_bns; i++) {
        sn_bn_record *record = &r->bns[i];
        if (record->node == SN_NONE || !m->nodes[record->node].dead) continue;
        record->node = SN_NONE;
        record->verdict = SINTER_BN_FOLDED;
        record->reason =
            sn_arena_printf(&r->arena, "not needed at run time: %s computed it in advance or found it unread", pass);
        if (!record->reason.p) {
            record->reason = SN_STR("");
            return false;
        }
    }
    return true;
}

bool sn_report_add_note(sinter_report *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sn_str note = format_text(&r->arena, format, args);
    va_end(args);
    if (!note.p) return false;
    /* Later rounds of the pipeline find again what they could not change. */
    if (r->n_notes >= SN_MAX_NOTES || sn_map_get(&r->note_index, note) != SN_MAP_NONE) return true;
    if (!SN_GROW(r->notes, r->notes_capacity, r->n_notes) || !sn_map_put(&r->note_index, note, 0)) return false;
    r->notes[r->n_notes++] = note;
    return true;
}

/* ---------------------------------------------------------------------------------------------------- public */

size_t sinter_report_bn_count(const sinter_report *report)
{
    return report ? report->n_bns : 0;
}

sinter_bn_row sinter_report_bn(const sinter_report *report, size_t index)
{
    if (!report || index >= report->n_bns) return (sinter_bn_row){"", "", SINTER_BN_KEPT, "", "", ""};
    const sn_bn_record *b = &report->bns[index];
    return (sinter_bn_row){b->name.p, b->shape.p, b->verdict, b->into.p, b->into_op.p, b->reason.p};
}

size_t sinter_report_pass_count(const sinter_report *report)
{
    return report ? report->n_passes : 0;
}

sinter_pass_row sinter_report_pass(const sinter_report *report, size_t index)
{
    return report && index < report->n_passes ? report->passes[index] : (sinter_pass_row){"", "", 0};
}

size_t sinter_report_note_count(const sinter_report *report)
{
    return report ? report->n_notes : 0;
}

const char *sinter_report_note(const sinter_report *report, size_t index)
{
    return report && index < report->n_notes ? report->notes[index].p : "";
}

size_t sinter_report_nodes_before(const sinter_report *report)
{
    return report ? report->nodes_before : 0;
}

size_t sinter_report_nodes_after(const sinter_report *report)
{
    return report ? report->nodes_after : 0;
}

const char *sinter_bn_verdict_name(sinter_bn_verdict verdict)
{
    static const char *const names[] = {
        [SINTER_BN_FOLDED] = "folded", [SINTER_BN_LOWERED] = "lowered", [SINTER_BN_KEPT] = "kept"};
    return (unsigned)verdict < sizeof names / sizeof *names ? names[verdict] : "unknown";
}
