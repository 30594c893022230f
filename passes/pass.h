/*
 * pass.h - rewriting a graph. PORTABLE passes introduce only ai.onnx operators of the model's own opset and leave what
 * they do not know alone: they are what `optimize` saves. LOWERING passes run when a session is created and may create
 * internal fused operators (domain "sinter"), which the writer refuses.
 *
 * Each pass file opens with: pattern, rewrite, why it is exact (or to what tolerance), when it refuses.
 */
#ifndef SN_PASSES_PASS_H
#define SN_PASSES_PASS_H

#include "graph/edit.h"
#include "ops/infer.h"

typedef enum sn_stage { SN_STAGE_PORTABLE, SN_STAGE_LOWERING } sn_stage;

typedef struct sn_bn_record { /* the report's row while it is being made; strings in the report's arena */
    sn_node_id node;          /* SN_NONE once the node is gone */
    sn_str name, shape;
    sinter_bn_verdict verdict;
    sn_str into, into_op, reason;
    sn_str note; /* what the bn_stats policy did to it, to be put before the reason; or "" */
    int weight;  /* of the reason: see sn_reason */
} sn_bn_record;

/* How telling a reason for keeping a BatchNormalization is. Several passes look at the same node; within a round of the
 * pipeline a more telling reason replaces a less telling one, never the other way round. */
enum sn_reason {
    SN_REASON_NONE,      /* not looked at yet in this round */
    SN_REASON_ALONE,     /* there is no linear operator to fold into */
    SN_REASON_NEIGHBOUR, /* there is one, but it must not absorb it */
    SN_REASON_UNFIT,     /* its own statistics or parameters forbid it */
    SN_REASON_POLICY     /* it was exported in training mode and stays so */
};

struct sinter_report {
    sn_arena arena;
    sn_bn_record *bns;
    size_t n_bns, bns_capacity;
    sinter_pass_row *passes;
    size_t n_passes;
    uint32_t *row_of; /* by node id: index into bns, or SN_NONE */
    size_t n_row_of;
    sn_str *notes;
    size_t n_notes, notes_capacity;
    sn_map note_index; /* each note once */
    size_t nodes_before, nodes_after;
};

typedef struct sn_pass_context {
    sn_model *model;
    sn_prepared_model *prepared; /* of the model as it was when the pass began; refreshed by the driver */
    const sn_facts *facts;       /* likewise; NULL when the pass's row does not ask for them */
    sinter_report *report;       /* never NULL */
    sinter_bn_stats bn_stats;
    bool freeze_inputs;
    const sn_shape *shapes; /* of the main graph's inputs, or NULL */
    size_t changes;         /* the pass adds one for each rewrite */
    sinter_error *err;
} sn_pass_context;

typedef struct sn_pass {
    const char *name;
    const char *description;
    sn_stage stage;
    bool needs_facts;
    sinter_status (*run)(sn_pass_context *x);
} sn_pass;

extern const sn_pass sn_passes[]; /* in order, ended by a zero row: this list is the pipeline */

/* Runs the stage's passes in order, repeating the list until nothing changes (at most 8 rounds). The graph verifier
 * runs after every pass in debug builds and in tests (environment variable SINTER_VERIFY_PASSES=1). */
SINTER_CHECK sinter_status sn_run_passes(sn_model *m, sn_stage stage, const sinter_optimize_options *options,
                                         sinter_report *report, sinter_error *err);

#define SN_MAX_NOTES 10000 /* a report is for people */

sinter_report *sn_report_create(void);
/* Records, in order of appearance, every BatchNormalization of the model that the report does not have yet. */
SINTER_CHECK sinter_status sn_report_collect_bns(sinter_report *r, const sn_model *m, const sn_facts *f,
                                                 sinter_error *err);
sn_bn_record *sn_report_bn_of(sinter_report *r, sn_node_id node); /* NULL when unknown */
bool sn_report_add_note(sinter_report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The verdicts. Each is a no-op for a node that has no row; false only when memory is out. */
bool sn_report_folded(sinter_report *r, const sn_model *m, sn_node_id bn, sn_node_id into, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
bool sn_report_lowered(sinter_report *r, sn_node_id bn); /* adds to the reason why it was not folded */
bool sn_report_kept(sinter_report *r, sn_node_id bn, enum sn_reason weight, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Says what the bn_stats policy did, in front of whatever reason follows. */
bool sn_report_bn_note(sinter_report *r, sn_node_id bn, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The node is about to be replaced by its copy: the row follows the copy. False when memory is out. */
bool sn_report_follow(sinter_report *r, const sn_model *m, sn_node_id from, sn_node_id to);
/* Before a round: reasons of the last one may be replaced. After a pass: rows of nodes that are gone without a verdict
 * get one. */
void sn_report_begin_round(sinter_report *r);
bool sn_report_settle(sinter_report *r, const sn_model *m, const char *pass);

#endif
