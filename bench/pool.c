/* bench_pool: what the thread pool costs.   bench_pool [THREADS]      default 2
 *
 * "meet" is a loop whose chunks wait for each other, so that all threads must come: fork and join as a step with work
 * on every thread sees them. "empty" has nothing in its chunks, so that the caller often takes them all. */
#include "runtime/pool.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_SAMPLES 20000

typedef struct samples {
    double value[MAX_SAMPLES]; /* microseconds */
    size_t count;
} samples;

static samples taken;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void keep(double microseconds)
{
    if (taken.count < MAX_SAMPLES) taken.value[taken.count++] = microseconds;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double q)
{
    return taken.value[(size_t)(q * (double)(taken.count - 1))];
}

/* Prints what was kept, and forgets it. */
static void row(const char *name)
{
    qsort(taken.value, taken.count, sizeof *taken.value, compare);
    printf("%-52s %9.2f p10 %9.2f median %9.2f p90 us\n", name, quantile(0.1), quantile(0.5), quantile(0.9));
    fflush(stdout);
    taken.count = 0;
}

static void sleep_us(double microseconds)
{
    struct timespec t = {.tv_sec = (time_t)(microseconds * 1e-6), .tv_nsec = (long)microseconds % 1000000 * 1000};
    nanosleep(&t, NULL);
}

static void burn(double microseconds)
{
    for (double end = now() + microseconds; now() < end;) continue;
}

/* ---------------------------------------------------------------------------------------------------- loops */

static void empty(void *context, size_t begin, size_t end, int worker)
{
    (void)context;
    (void)begin;
    (void)end;
    (void)worker;
}

typedef struct meeting {
    size_t threads;
    atomic_size_t arrived;
} meeting;

static void meet(void *context, size_t begin, size_t end, int worker)
{
    meeting *m = context;
    (void)worker;
    atomic_fetch_add(&m->arrived, end - begin);
    while (atomic_load_explicit(&m->arrived, memory_order_relaxed) < m->threads) continue;
}

/* Work by amount, not by time: a chunk of one unit takes about a microsecond when its thread has a CPU. */
static _Thread_local volatile size_t sink;

static void compute(size_t units)
{
    size_t x = units;
    for (size_t i = 0; i < units * 1000; i++) x = x * 6364136223846793005u + 1442695040888963407u;
    sink = x;
}

static void work(void *context, size_t begin, size_t end, int worker)
{
    (void)context;
    (void)worker;
    compute(end - begin);
}

static double unit_us(void)
{
    double best = 1e9;
    for (int i = 0; i < 20; i++) {
        double start = now();
        compute(1000);
        double t = (now() - start) / 1000;
        best = t < best ? t : best;
    }
    return best;
}

/* ---------------------------------------------------------------------------------------------------- rows */

static void hot_loops(sinter_pool *pool, size_t threads)
{
    sn_pool_enter(pool);
    for (int i = 0; i < MAX_SAMPLES; i++) {
        double start = now();
        for (int k = 0; k < 10; k++) sn_parallel_for(pool, threads, 1, empty, NULL);
        keep((now() - start) / 10);
    }
    row("empty loop in a region");
    for (int i = 0; i < MAX_SAMPLES; i++) {
        double start = now();
        for (int k = 0; k < 10; k++) {
            meeting m = {.threads = threads};
            sn_parallel_for(pool, threads, 1, meet, &m);
        }
        keep((now() - start) / 10);
    }
    row("meet in a region");
    for (int i = 0; i < MAX_SAMPLES; i++) {
        double start = now(), middle;
        for (int k = 0; k < 10; k++) compute(2);
        middle = now();
        for (int k = 0; k < 10; k++) sn_parallel_for(pool, 2 * threads, 2, work, NULL);
        keep((now() - 2 * middle + start) / 10);
    }
    sn_pool_leave(pool);
    row("one chunk of 2 us on each thread, less the 2 us");
    for (int i = 0; i < MAX_SAMPLES; i++) {
        meeting m = {.threads = threads};
        double start = now();
        sn_parallel_for(pool, threads, 1, meet, &m);
        keep(now() - start);
    }
    row("meet, a region each");
    for (int i = 0; i < MAX_SAMPLES; i++) {
        double start = now();
        for (int k = 0; k < 10; k++) {
            sn_pool_enter(pool);
            sn_parallel_for(pool, 1, 1, empty, NULL);
            sn_pool_leave(pool);
        }
        keep((now() - start) / 10);
    }
    row("enter, a loop too small to split, leave");
}

static void after_parking(sinter_pool *pool, size_t threads, double unit)
{
    for (int on = 0; on < 2; on++) {
        sn_pool_set_placement(pool, on);
        for (int i = 0; i < 200; i++) {
            meeting m = {.threads = threads};
            sleep_us(3000);
            double start = now();
            sn_parallel_for(pool, threads, 1, meet, &m);
            keep(now() - start);
        }
        row(on ? "meet after parking, placed" : "meet after parking, not placed");
        for (int i = 0; i < 200; i++) {
            sleep_us(3000);
            double start = now();
            sn_parallel_for(pool, (size_t)(1000 / unit) * threads, 1, work, NULL);
            keep(now() - start);
        }
        row(on ? "1 ms on each thread after parking, placed" : "1 ms on each thread after parking, not placed");
    }
}

/* Runs of 20 loops of 10 us on each thread, with a busy or sleeping gap between them: a benchmark and a server. */
static void gaps(sinter_pool *pool, size_t threads, double unit)
{
    static const int gap[] = {0, 20, 50, 100, 150, 200, 300, 500, 1000, 2000};
    for (int sleeping = 0; sleeping < 2; sleeping++) {
        for (size_t g = 0; g < sizeof gap / sizeof *gap; g++) {
            char name[64];
            for (int i = 0; i < 500; i++) {
                double start = now();
                sn_pool_enter(pool);
                for (int k = 0; k < 20; k++) sn_parallel_for(pool, (size_t)(10 / unit) * threads, 1, work, NULL);
                sn_pool_leave(pool);
                keep(now() - start);
                if (sleeping && gap[g]) sleep_us(gap[g]);
                if (!sleeping) burn(gap[g]);
            }
            snprintf(name, sizeof name, "20 loops of 10 us, %s %d us", sleeping ? "sleep" : "burn", gap[g]);
            row(name);
        }
    }
}

static void competing(sinter_pool *pool, size_t threads, double unit, const char *who)
{
    for (int i = 0; i < 300; i++) {
        double start = now();
        sn_pool_enter(pool);
        for (int k = 0; k < 50; k++) sn_parallel_for(pool, (size_t)(100 / unit) * threads, 1, work, NULL);
        sn_pool_leave(pool);
        keep(now() - start);
    }
    row(who);
}

static void idle(void)
{
    struct rusage before, after;
    sleep_us(50000);
    getrusage(RUSAGE_SELF, &before);
    sleep_us(500000);
    getrusage(RUSAGE_SELF, &after);
    long us =
        (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000 +
        after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_stime.tv_usec;
    printf("%-52s %9ld us of CPU in 500000\n", "idle", us);
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 2;
    /* Forked before there are threads: stopped until it is to compete. */
    pid_t rival = fork();
    if (rival == 0) {
        raise(SIGSTOP);
        for (;;) compute(1);
    }
    sinter_error err;
    sinter_pool *pool;
    if (sinter_pool_create(threads, &pool, &err) != SINTER_OK) {
        fprintf(stderr, "bench_pool: %s\n", err.text);
        kill(rival, SIGKILL);
        return 1;
    }
    double unit = unit_us();
    printf("%d threads, %d CPUs\n", threads, sn_available_cpus());
    hot_loops(pool, (size_t)threads);
    after_parking(pool, (size_t)threads, unit);
    gaps(pool, (size_t)threads, unit);
    competing(pool, (size_t)threads, unit, "50 loops of 100 us on each thread");
    kill(rival, SIGCONT);
    competing(pool, (size_t)threads, unit, "the same beside a busy process");
    kill(rival, SIGKILL);
    waitpid(rival, NULL, 0);
    idle();
    sinter_pool_free(pool);
    return 0;
}
