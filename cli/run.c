/* sinter run: tensors in files in, tensors in files out. */
#include "cli/run.h"
#include "base/alloc.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/inputs.h"

typedef struct arguments {
    sn_list inputs;
    const char *folder;
    int64_t batch_size;
    sn_engine_arguments engine;
} arguments;

static const sn_option options[] = {
    {.name = "input",
     .letter = 'i',
     .metavar = "NAME=FILE",
     .help = "an input, from a .npy or .pb file; NAME may be left out when the model has one. May be repeated",
     .kind = SN_OPTION_LIST,
     .offset = offsetof(arguments, inputs)},
    {.name = "output",
     .letter = 'o',
     .metavar = "DIR",
     .help = "write each output as DIR/NAME.npy; without it a summary is printed",
     .kind = SN_OPTION_TEXT,
     .offset = offsetof(arguments, folder)},
    {.name = "batch-size",
     .metavar = "N",
     .help = "rows per run when there are more (default 32, or what the model fixes)",
     .kind = SN_OPTION_COUNT,
     .offset = offsetof(arguments, batch_size),
     .minimum = 1,
     .maximum = 1 << 20},
    {0},
};

sinter_status sn_run_once(const sn_run *run, sinter_value *const *inputs, sinter_value **outputs, sinter_error *err)
{
    sinter_run_options o = SINTER_RUN_OPTIONS_INIT;
    o.cancel = run->cancel;
    return sinter_session_run(run->session, (const sinter_value *const *)inputs, outputs, NULL, &o, err);
}

static sinter_status open_readers(sn_run *run, const sn_list *given, sinter_error *err)
{
    const char **paths = sn_calloc(run->n_inputs ? run->n_inputs : 1, sizeof *paths);
    if (!paths) return sn_no_memory(err, "opening inputs");
    sinter_status status = sn_inputs_match(given, run->session, paths, err);
    for (size_t i = 0; i < run->n_inputs && status == SINTER_OK; i++) {
        sinter_io io = sinter_session_input(run->session, i);
        if (paths[i])
            status = sn_row_reader_open(&run->readers[i], paths[i], io.kind, err);
        else if (!io.optional) {
            status = sn_fail(err, SINTER_INVALID_ARGUMENT, "input '%s' is missing: give -i %s=FILE", io.name, io.name);
        }
    }
    sn_free(paths);
    return status;
}

static sinter_status put_out(const sn_run *run, sinter_value *const *outputs, sinter_error *err)
{
    sn_output_names names = {.folder = run->folder};
    sinter_status status = run->folder ? sn_output_folder(run->folder, err) : SINTER_OK;
    for (size_t i = 0; i < run->n_outputs && status == SINTER_OK; i++) {
        const char *name = sinter_session_output(run->session, i).name;
        size_t n_files = 0;
        if (!run->folder) {
            sn_output_print(stdout, name, outputs[i], -1);
            continue;
        }
        status = sn_output_save(&names, name, outputs[i], &n_files, err);
        if (status == SINTER_OK && n_files == 0) {
            sn_command_note("run", "note: output '%s' is empty: no file was written for it", name);
        }
    }
    sn_output_names_free(&names);
    return status;
}

static sinter_status run_whole(const sn_run *run, sinter_error *err)
{
    sinter_value **inputs = sn_values_create(run->n_inputs), **outputs = sn_values_create(run->n_outputs);
    sinter_status status = inputs && outputs ? SINTER_OK : sn_no_memory(err, "running");
    for (size_t i = 0; i < run->n_inputs && status == SINTER_OK; i++) {
        if (run->readers[i].path) status = sn_row_reader_read_all(&run->readers[i], &inputs[i], err);
    }
    if (status == SINTER_OK) status = sn_run_once(run, inputs, outputs, err);
    if (status == SINTER_OK) status = put_out(run, outputs, err);
    sn_values_free(inputs, run->n_inputs);
    sn_values_free(outputs, run->n_outputs);
    return status;
}

static sinter_status run_session(sn_run *run, const arguments *a, sinter_error *err)
{
    run->n_inputs = sinter_session_input_count(run->session);
    run->n_outputs = sinter_session_output_count(run->session);
    run->readers = sn_calloc(run->n_inputs ? run->n_inputs : 1, sizeof *run->readers);
    if (!run->readers) return sn_no_memory(err, "opening inputs");
    SN_TRY(open_readers(run, &a->inputs, err));
    sn_batch_plan plan;
    SN_TRY(sn_run_plan(run, a->batch_size, &plan, err));
    return plan.batched ? sn_run_batches(run, &plan, err) : run_whole(run, err);
}

static sinter_status run(void *context, const sn_list *operands, sinter_error *err)
{
    const arguments *a = context;
    sn_run r = {.folder = a->folder, .cancel = sn_command_interrupted()};
    sinter_pool *pool = NULL;
    SN_TRY(sn_engine_pool(&a->engine, &pool, err));
    sinter_status status =
        sn_engine_open("run", operands->items[0], &a->engine, (sn_engine_mode){0}, pool, &r.session, err);
    if (status == SINTER_OK) status = run_session(&r, a, err);
    for (size_t i = 0; r.readers && i < r.n_inputs; i++) sn_row_reader_close(&r.readers[i]);
    sn_free(r.readers);
    sinter_session_free(r.session);
    sinter_pool_free(pool);
    return status;
}

int sn_cmd_run(int argc, char **argv)
{
    arguments a = {0};
    const sn_option_group groups[] = {{options, &a}, {sn_engine_options, &a.engine}, {0}};
    const sn_syntax syntax = {.command = "run",
                              .operands = "MODEL.onnx -i NAME=FILE...",
                              .min_operands = 1,
                              .max_operands = 1,
                              .text = "Runs a model on tensors in files. When the first dimension of all inputs and "
                                      "outputs is the batch, any number of rows is run in batches.",
                              .groups = groups};
    return sn_command_main(&syntax, argc, argv, run, &a);
}
