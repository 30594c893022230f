/*
 * sinter optimize: fold what can be folded, say for every BatchNormalization what was done or why not, and, if asked,
 * prove that the outputs did not change before anything is written.
 */
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/optimize_report.h"
#include "cli/table.h"
#include "cli/verify.h"

typedef struct arguments {
    const char *output, *report;
    bool verify, freeze_inputs, list_passes;
    int bn_stats;
    sn_list only, skip, inputs;
    sn_shape_list shapes;
} arguments;

static const sn_option options[] = {
    {.name = "output",
     .letter = 'o',
     .metavar = "OUT.onnx",
     .help = "the file to write; may be the model itself",
     .kind = SN_OPTION_TEXT,
     .offset = offsetof(arguments, output)},
    {.name = "verify",
     .help = "run the model before and after, compare the outputs, and write nothing when they differ",
     .offset = offsetof(arguments, verify)},
    {.name = "input",
     .letter = 'i',
     .metavar = "NAME=FILE",
     .help = "an input for --verify (.npy or .pb); the others are random. May be repeated",
     .kind = SN_OPTION_LIST,
     .offset = offsetof(arguments, inputs)},
    {.name = "shape",
     .metavar = "NAME=1x3x224x224",
     .help = "fix the shape of an input. May be repeated",
     .kind = SN_OPTION_SHAPES,
     .offset = offsetof(arguments, shapes)},
    {.name = "report",
     .metavar = "FILE.json",
     .help = "write what was done as JSON",
     .kind = SN_OPTION_TEXT,
     .offset = offsetof(arguments, report)},
    {.name = "bn-stats",
     .metavar = "eval|keep",
     .help = "BatchNormalization exported in training mode: use the running statistics as model.eval() does, or keep "
             "the batch statistics that the file asks for (default eval)",
     .kind = SN_OPTION_CHOICE,
     .offset = offsetof(arguments, bn_stats),
     .choices = sn_bn_stats_choices},
    {.name = "freeze-inputs",
     .help = "make constants of inputs that have a default value",
     .offset = offsetof(arguments, freeze_inputs)},
    {.name = "only",
     .metavar = "PASS,...",
     .help = "run just these passes. May be repeated",
     .kind = SN_OPTION_NAMES,
     .offset = offsetof(arguments, only)},
    {.name = "skip",
     .metavar = "PASS,...",
     .help = "do not run these passes. May be repeated",
     .kind = SN_OPTION_NAMES,
     .offset = offsetof(arguments, skip)},
    {.name = "list-passes",
     .help = "print the passes in their order and stop",
     .offset = offsetof(arguments, list_passes)},
    {0},
};

static sinter_status list_passes(sinter_error *err)
{
    static const char *const columns[] = {"pass", "what it does", NULL};
    sn_table t = sn_table_create(columns);
    for (size_t i = 0, n = sinter_pass_count(); i < n; i++) {
        sn_table_cell(&t, "%s", sinter_pass(i).name);
        sn_table_cell(&t, "%s", sinter_pass(i).description);
    }
    sinter_status status = sn_table_print(&t, stdout, err);
    sn_table_free(&t);
    return status;
}

static sinter_status load_optimized(const arguments *a, const char *path, sinter_model **out, sinter_report **report,
                                    sinter_error *err)
{
    sinter_optimize_options o = SINTER_OPTIMIZE_OPTIONS_INIT;
    o.bn_stats = (sinter_bn_stats)a->bn_stats;
    o.freeze_inputs = a->freeze_inputs;
    o.only = a->only.n ? (const char *const *)a->only.items : NULL;
    o.n_only = a->only.n;
    o.skip = (const char *const *)a->skip.items;
    o.n_skip = a->skip.n;
    o.shapes = a->shapes.items;
    o.n_shapes = a->shapes.n;
    sinter_model *model;
    SN_TRY(sinter_model_load(path, NULL, &model, err));
    sinter_status status = sinter_model_optimize(model, &o, report, err);
    if (status == SINTER_OK)
        *out = model;
    else
        sinter_model_free(model);
    return status;
}

/* The session that verifies takes its model, so it gets one of its own: optimizing is deterministic. */
static sinter_status verify(const arguments *a, const char *path, sn_verification *v, sinter_error *err)
{
    sn_verify_arguments va = {
        .path = path, .bn_stats = (sinter_bn_stats)a->bn_stats, .inputs = &a->inputs, .shapes = &a->shapes};
    SN_TRY(load_optimized(a, path, &va.after, NULL, err));
    return sn_verify_optimized(&va, v, err);
}

static sinter_status finish(const arguments *a, const sinter_model *model, const sn_optimize_facts *facts,
                            sinter_error *err)
{
    bool passed = !facts->verification || facts->verification->passed;
    if (passed) SN_TRY(sinter_model_save(model, a->output, err));
    SN_TRY(sn_optimize_print(facts, stdout, err));
    if (a->report) SN_TRY(sn_optimize_write_json(facts, a->report, err));
    if (passed) return SINTER_OK;
    return sn_fail(err, SINTER_FAILED, "the optimized model gives other outputs: '%s' was not written", a->output);
}

static sinter_status optimize(void *context, const sn_list *operands, sinter_error *err)
{
    const arguments *a = context;
    if (a->list_passes) return list_passes(err);
    if (operands->n != 1) return sn_fail(err, SINTER_INVALID_ARGUMENT, "expected a model, as in IN.onnx -o OUT.onnx");
    if (!a->output) return sn_fail(err, SINTER_INVALID_ARGUMENT, "expected -o OUT.onnx, the file to write");
    if (a->inputs.n && !a->verify) return sn_fail(err, SINTER_INVALID_ARGUMENT, "-i is for --verify");

    const char *path = operands->items[0];
    sinter_model *model = NULL;
    sinter_report *report = NULL;
    sn_verification v = {0};
    sinter_status status = load_optimized(a, path, &model, &report, err);
    if (status == SINTER_OK && a->verify) status = verify(a, path, &v, err);
    if (status == SINTER_OK) {
        const sn_optimize_facts facts = {path, a->output, report, a->verify ? &v : NULL};
        status = finish(a, model, &facts, err);
    }
    sn_verification_free(&v);
    sinter_report_free(report);
    sinter_model_free(model);
    return status;
}

int sn_cmd_optimize(int argc, char **argv)
{
    arguments a = {0};
    const sn_option_group groups[] = {{options, &a}, {0}};
    const sn_syntax syntax = {.command = "optimize",
                              .operands = "IN.onnx -o OUT.onnx",
                              .max_operands = 1,
                              .text = "Folds every BatchNormalization that may be folded, simplifies the graph, and "
                                      "writes a standard ONNX file that any runtime loads.",
                              .groups = groups};
    return sn_command_main(&syntax, argc, argv, optimize, &a);
}
