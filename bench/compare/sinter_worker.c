/* bench_worker: Sinter's side of bench/compare.sh, on the public interface alone.
 *
 *     bench_worker MODEL.onnx INPUT DIMS THREADS OUTPUT
 *
 * INPUT holds raw floats, DIMS are like 1x3x224x224. Loads the model and runs it once, whose outputs go to OUTPUT as
 * raw floats, and says so; then does what the lines of its input say, and sleeps in between:
 *
 *     burst K    K runs, the microseconds of each
 *     loop K     K runs timed as a whole, in microseconds */
#include <sinter.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct worker {
    sinter_pool *pool;
    sinter_session *session;
    sinter_value *input, **outputs;
    size_t n_outputs;
} worker;

static double now(void) /* in microseconds */
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_worker: %s: %s\n", what, why);
    exit(1);
}

static void check(sinter_status status, const char *what, const sinter_error *err)
{
    if (status != SINTER_OK) fail(what, err->text);
}

/* Resident kilobytes at this moment. */
static long resident(void)
{
    char line[128];
    long kilobytes = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, "VmRSS:", 6) == 0) kilobytes = strtol(line + 6, NULL, 10);
    }
    if (f) fclose(f);
    return kilobytes;
}

/* The output tensors belong to the caller and are released each time: that is part of a run's price. */
static void run(worker *w)
{
    sinter_error err;
    const sinter_value *inputs[] = {w->input};
    check(sinter_session_run(w->session, inputs, w->outputs, NULL, NULL, &err), "run", &err);
}

static void release_outputs(worker *w)
{
    for (size_t i = 0; i < w->n_outputs; i++) sinter_value_release(w->outputs[i]);
}

static void load(worker *w, const char *path, int threads)
{
    sinter_error err;
    sinter_model *model;
    sinter_session_options options = SINTER_SESSION_OPTIONS_INIT;
    if (threads > 1) check(sinter_pool_create(threads, &w->pool, &err), "threads", &err);
    options.pool = w->pool;
    check(sinter_model_load(path, NULL, &model, &err), path, &err);
    check(sinter_session_create(&model, &options, &w->session, NULL, &err), path, &err);
    if (sinter_session_input_count(w->session) != 1) fail(path, "expected one input");
    w->n_outputs = sinter_session_output_count(w->session);
    w->outputs = calloc(w->n_outputs, sizeof *w->outputs);
    if (!w->outputs) fail(path, "out of memory");
}

static void read_input(worker *w, const char *path, const char *dims_text)
{
    sinter_error err;
    int64_t dims[SINTER_MAX_RANK];
    int rank = 0;
    for (char *end; rank < SINTER_MAX_RANK; dims_text = end + 1) {
        dims[rank++] = strtoll(dims_text, &end, 10);
        if (*end != 'x') break;
    }
    check(sinter_tensor_create(SINTER_FLOAT, rank, dims, &w->input, &err), path, &err);
    size_t size = sinter_tensor_size(w->input);
    FILE *f = fopen(path, "rb");
    if (!f || fread(sinter_tensor_mutable_data(w->input), 1, size, f) != size) fail(path, "cannot read the input");
    fclose(f);
}

static void write_outputs(const worker *w, const char *path)
{
    FILE *f = fopen(path, "wb");
    if (!f) fail(path, "cannot be written");
    for (size_t i = 0; i < w->n_outputs; i++) {
        if (sinter_tensor_dtype(w->outputs[i]) != SINTER_FLOAT) fail(path, "expected float outputs");
        fwrite(sinter_tensor_data(w->outputs[i]), 1, sinter_tensor_size(w->outputs[i]), f);
    }
    if (fclose(f) != 0) fail(path, "cannot be written");
}

static void burst(worker *w, long runs)
{
    double *times = calloc((size_t)runs, sizeof *times);
    if (!times) fail("burst", "out of memory");
    for (long i = 0; i < runs; i++) {
        double start = now();
        run(w);
        release_outputs(w);
        times[i] = now() - start;
    }
    for (long i = 0; i < runs; i++) printf("%.2f ", times[i]);
    printf("\n");
    free(times);
}

static void loop(worker *w, long runs)
{
    double start = now();
    for (long i = 0; i < runs; i++) {
        run(w);
        release_outputs(w);
    }
    printf("%.2f\n", now() - start);
}

int main(int argc, char **argv)
{
    if (argc != 6) return fprintf(stderr, "usage: bench_worker MODEL.onnx INPUT DIMS THREADS OUTPUT\n"), 2;
    worker w = {0};
    read_input(&w, argv[2], argv[3]);
    long before = resident();
    double start = now();
    load(&w, argv[1], atoi(argv[4]));
    printf("loaded %.2f %ld\n", now() - start, before);
    start = now();
    run(&w);
    printf("first %.2f\n", now() - start);
    write_outputs(&w, argv[5]);
    release_outputs(&w);
    printf("ready\n");
    fflush(stdout);

    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        char *end;
        long runs = strtol(line + strcspn(line, " \n"), &end, 10);
        if (runs <= 0) fail("command", line);
        if (strncmp(line, "burst ", 6) == 0) {
            burst(&w, runs);
        } else {
            loop(&w, runs);
        }
        fflush(stdout);
    }
    sinter_value_release(w.input);
    sinter_session_free(w.session);
    sinter_pool_free(w.pool);
    free(w.outputs);
    return 0;
}
