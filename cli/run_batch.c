/*
 * Running a model on more rows than one run takes. Rows are independent of each other only if the first dimension of
 * every input and output means the same thing: one symbol, or one fixed size. Memory is bounded by the batch.
 */
#include "base/alloc.h"
#include "cli/inputs.h"
#include "cli/run.h"
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DEFAULT_BATCH = 32 };

/* ------------------------------------------------------------------------------------------------ the plan */

/* The first dimension that all inputs and outputs share, as far as they were looked at. */
typedef struct first_dim {
    bool known;
    int64_t size; /* -1: the symbol */
    const char *symbol;
    const char *owner; /* the first input that has it */
} first_dim;

/* Compares one input or output with those before; false with the reason why there can be no batches. */
static bool agree(first_dim *first, const char *what, const sinter_io *io, char *reason, size_t size)
{
    if (io->kind != SINTER_KIND_TENSOR || io->rank < 1) {
        const char *why = io->kind != SINTER_KIND_TENSOR ? "is not a tensor"
                          : io->rank == 0                ? "is a scalar"
                                                         : "has no known rank";
        snprintf(reason, size, "%s '%.80s' %s", what, io->name, why);
        return false;
    }
    if (io->dims[0] < 0 && !io->symbols[0]) {
        snprintf(reason, size, "the first dimension of %s '%.80s' is not known", what, io->name);
        return false;
    }
    if (!first->known) {
        *first = (first_dim){true, io->dims[0] < 0 ? -1 : io->dims[0], io->symbols[0], io->name};
        return true;
    }
    bool same =
        io->dims[0] < 0 ? first->size < 0 && strcmp(first->symbol, io->symbols[0]) == 0 : first->size == io->dims[0];
    if (same) return true;
    snprintf(reason, size, "the first dimension of %s '%.80s' is not that of input '%.80s'", what, io->name,
             first->owner);
    return false;
}

static bool find_first_dim(const sn_run *run, first_dim *first, char *reason, size_t size)
{
    for (size_t i = 0; i < run->n_inputs; i++) {
        sinter_io io = sinter_session_input(run->session, i);
        if (run->readers[i].path && !agree(first, "input", &io, reason, size)) return false;
    }
    if (!first->known) {
        snprintf(reason, size, "the model has no inputs");
        return false;
    }
    for (size_t i = 0; i < run->n_outputs; i++) {
        sinter_io io = sinter_session_output(run->session, i);
        if (!agree(first, "output", &io, reason, size)) return false;
    }
    return true;
}

/* Without batches, a fixed first dimension must be met exactly. */
static sinter_status check_whole(const sn_run *run, int64_t batch_size, const char *reason, sinter_error *err)
{
    if (batch_size) return sn_fail(err, SINTER_INVALID_ARGUMENT, "--batch-size: no batches are possible: %s", reason);
    for (size_t i = 0; i < run->n_inputs; i++) {
        const sn_row_reader *r = &run->readers[i];
        sinter_io io = sinter_session_input(run->session, i);
        if (!r->path || r->rank < 1 || io.rank < 1 || io.dims[0] < 0 || r->dims[0] == io.dims[0]) continue;
        return sn_fail(err, SINTER_INVALID_INPUT,
                       "input '%s': '%s' has %" PRId64 " rows, expected %" PRId64 "; no batches are possible: %s",
                       io.name, r->path, r->dims[0], io.dims[0], reason);
    }
    return SINTER_OK;
}

static sinter_status count_rows(const sn_run *run, int64_t *rows, sinter_error *err)
{
    const sn_row_reader *first = NULL;
    for (size_t i = 0; i < run->n_inputs; i++) {
        const sn_row_reader *r = &run->readers[i];
        if (!r->path) continue;
        if (r->rank < 1) {
            return sn_fail(err, SINTER_INVALID_INPUT, "'%s' holds a scalar, expected rows", r->path);
        }
        if (!first) first = r;
        if (r->dims[0] == first->dims[0]) continue;
        return sn_fail(err, SINTER_INVALID_INPUT, "'%s' has %" PRId64 " rows, '%s' has %" PRId64, r->path, r->dims[0],
                       first->path, first->dims[0]);
    }
    *rows = first ? first->dims[0] : 0;
    return SINTER_OK;
}

sinter_status sn_run_plan(const sn_run *run, int64_t batch_size, sn_batch_plan *out, sinter_error *err)
{
    first_dim first = {0};
    char reason[400];
    *out = (sn_batch_plan){0};
    if (!find_first_dim(run, &first, reason, sizeof reason)) return check_whole(run, batch_size, reason, err);
    SN_TRY(count_rows(run, &out->rows, err));
    out->padded = first.size >= 0;
    if (out->padded && batch_size && batch_size != first.size) {
        return sn_fail(err, SINTER_INVALID_ARGUMENT,
                       "--batch-size %" PRId64 ": the model takes exactly %" PRId64 " rows", batch_size, first.size);
    }
    if (out->padded && out->rows != first.size && (out->rows == 0 || first.size == 0)) {
        return sn_fail(err, SINTER_INVALID_INPUT, "%" PRId64 " rows cannot be run in batches of %" PRId64, out->rows,
                       first.size);
    }
    out->size = out->padded ? first.size : batch_size ? batch_size : DEFAULT_BATCH;
    out->batched = out->padded ? out->rows != out->size : out->rows > out->size;
    return SINTER_OK;
}

/* ------------------------------------------------------------------------------------------------ progress */

/* A bar on a terminal; nothing where it would only fill a log. */
typedef struct progress {
    bool shown;
    int64_t total;
    struct timespec last;
} progress;

static void show_progress(progress *p, int64_t done)
{
    enum { WIDTH = 30, INTERVAL_MS = 100 };
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t elapsed = (now.tv_sec - p->last.tv_sec) * 1000 + (now.tv_nsec - p->last.tv_nsec) / 1000000;
    if (!p->shown || (elapsed < INTERVAL_MS && done < p->total)) return;
    p->last = now;
    int filled = (int)((double)done / (double)p->total * WIDTH);
    fprintf(stderr, "\r[%.*s%*s] %" PRId64 "/%" PRId64 " rows", filled, "##############################",
            WIDTH - filled, "", done, p->total);
    if (done == p->total) fputc('\n', stderr);
}

/* ------------------------------------------------------------------------------------------------ batches */

/* Where the rows of the outputs go: into one growing file each, or, for a summary, the first batch is kept. */
typedef struct sink {
    sn_npy_writer *writers; /* NULL: a summary */
    size_t n_open;
    sinter_value **first;
} sink;

static sinter_status open_writers(sink *s, const sn_run *run, sinter_error *err)
{
    sn_output_names names = {.folder = run->folder};
    sinter_status status = SINTER_OK;
    s->writers = sn_calloc(run->n_outputs ? run->n_outputs : 1, sizeof *s->writers);
    if (!s->writers) return sn_no_memory(err, "opening outputs");
    for (size_t i = 0; i < run->n_outputs && status == SINTER_OK; i++) {
        char *path = sn_output_path(&names, sinter_session_output(run->session, i).name);
        status = path ? sn_npy_writer_open(&s->writers[i], path, err) : sn_no_memory(err, "naming an output");
        if (status == SINTER_OK) s->n_open++;
        sn_free(path);
    }
    sn_output_names_free(&names);
    return status;
}

static sinter_status open_sink(sink *s, const sn_run *run, sinter_error *err)
{
    if (run->folder) {
        SN_TRY(sn_output_folder(run->folder, err));
        return open_writers(s, run, err);
    }
    s->first = sn_values_create(run->n_outputs);
    return s->first ? SINTER_OK : sn_no_memory(err, "running batches");
}

static void close_sink(sink *s, const sn_run *run)
{
    for (size_t i = 0; i < s->n_open; i++) sn_npy_writer_close(&s->writers[i]);
    sn_free(s->writers);
    sn_values_free(s->first, run->n_outputs);
}

static sinter_status finish_sink(sink *s, const sn_run *run, int64_t rows, sinter_error *err)
{
    for (size_t i = 0; i < s->n_open; i++) SN_TRY(sn_npy_writer_commit(&s->writers[i], err));
    for (size_t i = 0; s->first && i < run->n_outputs; i++) {
        sn_output_print(stdout, sinter_session_output(run->session, i).name, s->first[i], rows);
    }
    return SINTER_OK;
}

/* Takes `rows` rows of output i out of what a run on `ran` rows gave. */
static sinter_status drain(sink *s, const sn_run *run, size_t i, sinter_value *value, int64_t ran, int64_t rows,
                           sinter_error *err)
{
    bool tensor = sinter_value_kind(value) == SINTER_KIND_TENSOR && sinter_tensor_rank(value) > 0;
    int64_t given = tensor ? sinter_tensor_dims(value)[0] : 0;
    if (given != ran) {
        return sn_fail(err, SINTER_FAILED,
                       "output '%s' has %" PRId64 " rows for a batch of %" PRId64 ": batches of it cannot be joined",
                       sinter_session_output(run->session, i).name, given, ran);
    }
    if (!s->writers) {
        if (!s->first[i]) s->first[i] = sinter_value_retain(value);
        return SINTER_OK;
    }
    if (rows == ran) return sn_npy_writer_append(&s->writers[i], value, err);
    sinter_value *cut;
    SN_TRY(sn_rows_slice(value, 0, rows, &cut, err));
    sinter_status status = sn_npy_writer_append(&s->writers[i], cut, err);
    sinter_value_release(cut);
    return status;
}

static sinter_status read_batch(const sn_run *run, int64_t from, int64_t to, int64_t ran, sinter_value **inputs,
                                sinter_error *err)
{
    for (size_t i = 0; i < run->n_inputs; i++) {
        if (!run->readers[i].path) continue;
        SN_TRY(sn_row_reader_read(&run->readers[i], from, to, &inputs[i], err));
        if (ran == to - from) continue;
        sinter_value *padded;
        SN_TRY(sn_rows_pad(inputs[i], ran, &padded, err));
        sinter_value_release(inputs[i]);
        inputs[i] = padded;
    }
    return SINTER_OK;
}

static sinter_status run_batch(const sn_run *run, const sn_batch_plan *plan, int64_t from, sinter_value **inputs,
                               sinter_value **outputs, sink *s, sinter_error *err)
{
    int64_t rows = plan->rows - from < plan->size ? plan->rows - from : plan->size;
    int64_t ran = plan->padded ? plan->size : rows;
    sinter_status status = read_batch(run, from, from + rows, ran, inputs, err);
    if (status == SINTER_OK) status = sn_run_once(run, inputs, outputs, err);
    for (size_t i = 0; i < run->n_outputs && status == SINTER_OK; i++) {
        status = drain(s, run, i, outputs[i], ran, rows, err);
    }
    sn_values_release(inputs, run->n_inputs);
    sn_values_release(outputs, run->n_outputs);
    return status;
}

sinter_status sn_run_batches(const sn_run *run, const sn_batch_plan *plan, sinter_error *err)
{
    sink s = {0};
    progress p = {.shown = isatty(STDERR_FILENO), .total = plan->rows};
    sinter_value **inputs = sn_values_create(run->n_inputs), **outputs = sn_values_create(run->n_outputs);
    sinter_status status = inputs && outputs ? open_sink(&s, run, err) : sn_no_memory(err, "running batches");
    for (int64_t from = 0; from < plan->rows && status == SINTER_OK; from += plan->size) {
        status = run_batch(run, plan, from, inputs, outputs, &s, err);
        if (status == SINTER_OK) show_progress(&p, plan->rows - from > plan->size ? from + plan->size : plan->rows);
    }
    if (status == SINTER_OK) status = finish_sink(&s, run, plan->rows, err);
    close_sink(&s, run);
    sn_values_free(inputs, run->n_inputs);
    sn_values_free(outputs, run->n_outputs);
    return status;
}
