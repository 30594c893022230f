/*
 * sinter bench: latency, throughput, where the time goes, and the memory plan. Profiling costs time of its own, so the
 * table of operators comes from a second session after the measurement.
 */
#include "base/alloc.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/inputs.h"
#include "cli/json.h"
#include "cli/table.h"
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

typedef struct arguments {
    int64_t batch_size, iterations, warmup;
    bool json;
    sn_shape_list shapes;
    sn_engine_arguments engine;
} arguments;

static const sn_option options[] = {
    {.name = "batch-size",
     .metavar = "N",
     .help = "the size of a symbolic first dimension (default 1)",
     .kind = SN_OPTION_COUNT,
     .offset = offsetof(arguments, batch_size),
     .minimum = 1,
     .maximum = 1 << 20},
    {.name = "shape",
     .metavar = "NAME=1x3x224x224",
     .help = "the shape of an input. May be repeated",
     .kind = SN_OPTION_SHAPES,
     .offset = offsetof(arguments, shapes)},
    {.name = "iterations",
     .metavar = "N",
     .help = "runs to measure (default: about 3 seconds of them)",
     .kind = SN_OPTION_COUNT,
     .offset = offsetof(arguments, iterations),
     .minimum = 1,
     .maximum = 10000000},
    {.name = "warmup",
     .metavar = "N",
     .help = "runs before that (default 3)",
     .kind = SN_OPTION_COUNT,
     .offset = offsetof(arguments, warmup),
     .maximum = 1000000},
    {.name = "json", .help = "print JSON", .offset = offsetof(arguments, json)},
    {0},
};

static const struct {
    const char *name;
    double quantile;
} quantiles[] = {{"min", 0}, {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"max", 1}};
enum { N_QUANTILES = sizeof quantiles / sizeof *quantiles };

typedef struct result {
    uint64_t *times; /* nanoseconds per run, sorted at the end */
    size_t n_times, capacity;
    uint64_t load_time, total;
    int64_t rows; /* first dimension of the first input, or 1 */
    int threads;
    size_t planned, unplanned;
    sinter_profile_row *steps; /* slowest first; strings belong to the profiled session */
    size_t n_steps;
} result;

/* A session and the values it runs on. */
typedef struct bench {
    sinter_session *session;
    sinter_value **inputs, **outputs;
    size_t n_inputs, n_outputs;
    const bool *cancel;
} bench;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ------------------------------------------------------------------------------------------------ measuring */

static void close_bench(bench *b)
{
    sn_values_free(b->inputs, b->n_inputs);
    sn_values_free(b->outputs, b->n_outputs);
    sinter_session_free(b->session);
}

static sinter_status open_bench(bench *b, const arguments *a, const char *path, bool profile, sinter_pool *pool,
                                sinter_error *err)
{
    const sn_fill fill = {.shapes = &a->shapes, .rows = a->batch_size};
    const char *notes = profile ? NULL : "bench";
    SN_TRY(sn_engine_open(notes, path, &a->engine, (sn_engine_mode){.profile = profile}, pool, &b->session, err));
    b->cancel = sn_command_interrupted();
    b->n_inputs = sinter_session_input_count(b->session);
    b->n_outputs = sinter_session_output_count(b->session);
    b->inputs = sn_values_create(b->n_inputs);
    b->outputs = sn_values_create(b->n_outputs);
    if (!b->inputs || !b->outputs) return sn_no_memory(err, "measuring");
    SN_TRY(sn_inputs_check_shapes(&a->shapes, b->session, err));
    return sn_inputs_fill(&fill, b->session, b->inputs, err);
}

static sinter_status run_once(bench *b, uint64_t *time, sinter_error *err)
{
    sinter_run_options o = SINTER_RUN_OPTIONS_INIT;
    o.cancel = b->cancel;
    uint64_t start = now_ns();
    sinter_status status =
        sinter_session_run(b->session, (const sinter_value *const *)b->inputs, b->outputs, NULL, &o, err);
    *time = now_ns() - start;
    sn_values_release(b->outputs, b->n_outputs);
    return status;
}

static bool enough(const arguments *a, const result *r)
{
    enum { LEAST = 10, MOST = 100000 };
    const uint64_t budget = 3000000000u;
    if (a->iterations) return r->n_times == (size_t)a->iterations;
    return r->n_times >= MOST || (r->n_times >= LEAST && r->total >= budget);
}

static int compare_times(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static sinter_status measure(bench *b, const arguments *a, result *r, sinter_error *err)
{
    uint64_t time;
    for (int64_t i = 0; i < a->warmup; i++) SN_TRY(run_once(b, &time, err));
    while (!enough(a, r)) {
        SN_TRY(run_once(b, &time, err));
        if (!SN_GROW(r->times, r->capacity, r->n_times)) return sn_no_memory(err, "measuring");
        r->times[r->n_times++] = time;
        r->total += time;
    }
    qsort(r->times, r->n_times, sizeof *r->times, compare_times);
    sinter_session_memory(b->session, &r->planned, &r->unplanned);
    bool rows = b->n_inputs > 0 && b->inputs[0] && sinter_tensor_rank(b->inputs[0]) > 1;
    r->rows = rows ? sinter_tensor_dims(b->inputs[0])[0] : 1;
    return SINTER_OK;
}

static int compare_steps(const void *a, const void *b)
{
    const sinter_profile_row *x = a, *y = b;
    return (x->nanoseconds < y->nanoseconds) - (x->nanoseconds > y->nanoseconds);
}

static sinter_status profile(bench *b, result *r, sinter_error *err)
{
    enum { RUNS = 20 };
    uint64_t time;
    for (size_t i = 0; i < RUNS && i < r->n_times; i++) SN_TRY(run_once(b, &time, err));
    size_t n = sinter_session_profile(b->session, NULL, 0);
    r->steps = sn_calloc(n ? n : 1, sizeof *r->steps);
    if (!r->steps) return sn_no_memory(err, "profiling");
    size_t filled = sinter_session_profile(b->session, r->steps, n);
    r->n_steps = filled < n ? filled : n;
    qsort(r->steps, r->n_steps, sizeof *r->steps, compare_steps);
    return SINTER_OK;
}

/* ------------------------------------------------------------------------------------------------ telling */

static double milliseconds(uint64_t ns)
{
    return (double)ns / 1e6;
}

static double quantile(const result *r, double q)
{
    return milliseconds(r->times[(size_t)(q * (double)(r->n_times - 1) + 0.5)]);
}

static double runs_per_second(const result *r)
{
    return r->total ? (double)r->n_times * 1e9 / (double)r->total : 0;
}

static uint64_t profiled_total(const result *r)
{
    uint64_t total = 0;
    for (size_t i = 0; i < r->n_steps; i++) total += r->steps[i].nanoseconds;
    return total;
}

static sinter_status print_steps(const result *r, sinter_error *err)
{
    static const char *const columns[] = {"operator", "implementation", ">calls", ">ms/run", ">share", "node", NULL};
    enum { SHOWN = 25 };
    if (r->n_steps == 0) return SINTER_OK;
    double total = (double)profiled_total(r);
    sn_table t = sn_table_create(columns);
    for (size_t i = 0; i < r->n_steps && i < SHOWN; i++) {
        const sinter_profile_row *s = &r->steps[i];
        sn_table_cell(&t, "%s", s->op_type);
        sn_table_cell(&t, "%s", s->impl);
        sn_table_cell(&t, "%" PRIu64, s->calls);
        sn_table_cell(&t, "%.4f", s->calls ? milliseconds(s->nanoseconds) / (double)s->calls : 0);
        sn_table_cell(&t, "%.1f%%", total > 0 ? 100 * (double)s->nanoseconds / total : 0);
        sn_table_cell(&t, "%s", s->name);
    }
    puts("\nSteps, slowest first (from a profiled run of their own):");
    sinter_status status = sn_table_print(&t, stdout, err);
    sn_table_free(&t);
    if (status == SINTER_OK && r->n_steps > SHOWN) printf("  and %zu more\n", r->n_steps - SHOWN);
    return status;
}

static sinter_status print_result(const char *path, const result *r, sinter_error *err)
{
    sn_print_text(stdout, path);
    printf(": %zu runs, batch %" PRId64 ", %d thread%s\n", r->n_times, r->rows, r->threads, r->threads == 1 ? "" : "s");
    printf("  load      %.1f ms\n  latency  ", milliseconds(r->load_time));
    for (size_t i = 0; i < N_QUANTILES; i++) {
        printf("%s %s %.4g ms", i ? "," : "", quantiles[i].name, quantile(r, quantiles[i].quantile));
    }
    printf("\n  rate      %.4g runs/s, %.4g rows/s\n", runs_per_second(r), runs_per_second(r) * (double)r->rows);
    printf("  memory    %.3f MB planned for values, %.3f MB without reuse\n", (double)r->planned / 1e6,
           (double)r->unplanned / 1e6);
    return print_steps(r, err);
}

static void add_steps(sn_json *j, const result *r)
{
    cJSON *steps = sn_json_array(j, j->root, "steps");
    for (size_t i = 0; i < r->n_steps; i++) {
        const sinter_profile_row *s = &r->steps[i];
        cJSON *object = sn_json_object(j, steps, NULL);
        sn_json_text(j, object, "name", s->name);
        sn_json_text(j, object, "operator", s->op_type);
        sn_json_text(j, object, "implementation", s->impl);
        sn_json_number(j, object, "calls", (double)s->calls);
        sn_json_number(j, object, "nanoseconds", (double)s->nanoseconds);
    }
}

static sinter_status print_json(const char *path, const result *r, sinter_error *err)
{
    sn_json j = sn_json_create();
    sn_json_text(&j, j.root, "model", path);
    sn_json_number(&j, j.root, "runs", (double)r->n_times);
    sn_json_number(&j, j.root, "batch_size", (double)r->rows);
    sn_json_number(&j, j.root, "threads", r->threads);
    sn_json_number(&j, j.root, "load_ms", milliseconds(r->load_time));
    cJSON *latency = sn_json_object(&j, j.root, "latency_ms");
    for (size_t i = 0; i < N_QUANTILES; i++) {
        sn_json_number(&j, latency, quantiles[i].name, quantile(r, quantiles[i].quantile));
    }
    sn_json_number(&j, j.root, "runs_per_second", runs_per_second(r));
    sn_json_number(&j, j.root, "rows_per_second", runs_per_second(r) * (double)r->rows);
    sn_json_number(&j, j.root, "memory_planned", (double)r->planned);
    sn_json_number(&j, j.root, "memory_unplanned", (double)r->unplanned);
    add_steps(&j, r);
    sinter_status status = sn_json_write(&j, NULL, err);
    sn_json_free(&j);
    return status;
}

/* ------------------------------------------------------------------------------------------------ the command */

static sinter_status bench_with_pool(const arguments *a, const char *path, sinter_pool *pool, result *r,
                                     sinter_error *err)
{
    bench timed = {0}, profiled = {0};
    uint64_t start = now_ns();
    sinter_status status = open_bench(&timed, a, path, false, pool, err);
    r->load_time = now_ns() - start;
    r->threads = pool ? sinter_pool_threads(pool) : 1;
    if (status == SINTER_OK) status = measure(&timed, a, r, err);
    close_bench(&timed);
    if (status == SINTER_OK) status = open_bench(&profiled, a, path, true, pool, err);
    if (status == SINTER_OK) status = profile(&profiled, r, err);
    if (status == SINTER_OK) status = (a->json ? print_json : print_result)(path, r, err);
    close_bench(&profiled);
    return status;
}

static sinter_status bench_model(void *context, const sn_list *operands, sinter_error *err)
{
    const arguments *a = context;
    result r = {0};
    sinter_pool *pool = NULL;
    SN_TRY(sn_engine_pool(&a->engine, &pool, err));
    sinter_status status = bench_with_pool(a, operands->items[0], pool, &r, err);
    sn_free(r.times);
    sn_free(r.steps);
    sinter_pool_free(pool);
    return status;
}

int sn_cmd_bench(int argc, char **argv)
{
    arguments a = {.batch_size = 1, .warmup = 3};
    const sn_option_group groups[] = {{options, &a}, {sn_engine_options, &a.engine}, {0}};
    const sn_syntax syntax = {.command = "bench",
                              .operands = "MODEL.onnx",
                              .min_operands = 1,
                              .max_operands = 1,
                              .text =
                                  "Measures how long a model takes on random inputs, and which steps take the time.",
                              .groups = groups};
    return sn_command_main(&syntax, argc, argv, bench_model, &a);
}
