/* The thread pool: every index once, shares and stealing, regions, sleeping and waking, affinity masks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/pool.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define N 1000

typedef struct counts {
    sinter_pool *pool;
    atomic_int seen[N];
    atomic_int busy[16]; /* by worker number */
    atomic_bool clash, bad_worker;
} counts;

static void count_range(void *context, size_t begin, size_t end, int worker)
{
    counts *c = context;
    if (worker < 0 || worker >= sn_pool_width(c->pool)) {
        atomic_store(&c->bad_worker, true);
        return;
    }
    if (atomic_fetch_add(&c->busy[worker], 1) != 0) atomic_store(&c->clash, true);
    for (size_t i = begin; i < end; i++) atomic_fetch_add(&c->seen[i], 1);
    atomic_fetch_sub(&c->busy[worker], 1);
}

static void check_loop(sinter_pool *pool, size_t n, size_t grain)
{
    counts c;
    memset(&c, 0, sizeof c);
    c.pool = pool;
    sn_parallel_for(pool, n, grain, count_range, &c);
    for (size_t i = 0; i < N; i++) assert_int_equal(atomic_load(&c.seen[i]), i < n ? 1 : 0);
    assert_false(atomic_load(&c.clash));
    assert_false(atomic_load(&c.bad_worker));
}

static sinter_pool *make_pool(int threads)
{
    sinter_pool *pool = NULL;
    sinter_error err;
    assert_int_equal(sinter_pool_create(threads, &pool, &err), SINTER_OK);
    return pool;
}

static void test_every_index_once(void **state)
{
    (void)state;
    check_loop(NULL, N, 1);
    for (int threads = 1; threads <= 5; threads++) {
        sinter_pool *pool = make_pool(threads);
        assert_int_equal(sinter_pool_threads(pool), threads);
        for (size_t n = 0; n <= 40; n++) check_loop(pool, n, 1 + n % 3);
        for (int i = 0; i < 200; i++) check_loop(pool, N, 1 + (size_t)i);
        sinter_pool_free(pool);
    }
}

static void nested_range(void *context, size_t begin, size_t end, int worker)
{
    counts *c = context;
    (void)worker;
    for (size_t i = begin; i < end; i++) check_loop(c->pool, 30, 1);
    atomic_fetch_add(&c->seen[0], (int)(end - begin));
}

static void test_nested(void **state)
{
    (void)state;
    counts c;
    memset(&c, 0, sizeof c);
    c.pool = make_pool(3);
    sn_parallel_for(c.pool, 20, 1, nested_range, &c);
    assert_int_equal(atomic_load(&c.seen[0]), 20);
    sinter_pool_free(c.pool);
}

/* ---------------------------------------------------------------------------------------------------- the cut */

typedef struct cut {
    atomic_size_t end_of[N]; /* by begin; 0: no range begins there */
} cut;

static void note_range(void *context, size_t begin, size_t end, int worker)
{
    cut *c = context;
    (void)worker;
    atomic_store(&c->end_of[begin], end);
}

/* However the threads come, the ranges are the same, at least `grain` long, and none crosses the border of a share. */
static void test_cut(void **state)
{
    (void)state;
    for (size_t threads = 2; threads <= 4; threads++) {
        sinter_pool *pool = make_pool((int)threads);
        for (size_t n = 1; n <= N; n += 1 + n / 7) {
            size_t grain = 1 + n % 11;
            cut first = {0}, second = {0};
            sn_parallel_for(pool, n, grain, note_range, &first);
            sn_parallel_for(pool, n, grain, note_range, &second);
            assert_memory_equal(&first, &second, sizeof first);
            size_t shares = n / grain < threads ? n / grain : threads, ranges = 0;
            for (size_t begin = 0; begin < n; ranges++) {
                size_t end = atomic_load(&first.end_of[begin]);
                assert_true(end >= begin + (n < grain ? n : grain) && end <= n);
                for (size_t share = 1; share < shares; share++) {
                    size_t border = n / shares * share + (share < n % shares ? share : n % shares);
                    assert_true(end <= border || begin >= border);
                }
                begin = end;
            }
            assert_true(ranges <= 4 * threads);
        }
        sinter_pool_free(pool);
    }
}

/* Grain 1 and few units: one unit at a time. */
static void test_exact_units(void **state)
{
    (void)state;
    sinter_pool *pool = make_pool(3);
    for (size_t n = 2; n <= 12; n++) {
        cut c = {0};
        sn_parallel_for(pool, n, 1, note_range, &c);
        for (size_t i = 0; i < n; i++) assert_int_equal(atomic_load(&c.end_of[i]), i + 1);
    }
    sinter_pool_free(pool);
}

typedef struct stuck {
    size_t n;
    atomic_bool one_is_stuck;
    atomic_size_t done;
} stuck;

/* Whoever comes first is stuck in its first range until all others are done. */
static void first_is_stuck(void *context, size_t begin, size_t end, int worker)
{
    stuck *s = context;
    (void)worker;
    if (!atomic_exchange(&s->one_is_stuck, true)) {
        while (atomic_load(&s->done) + (end - begin) < s->n) sched_yield();
    }
    atomic_fetch_add(&s->done, end - begin);
}

static void test_steal_from_a_stuck_thread(void **state)
{
    (void)state;
    for (int threads = 2; threads <= 4; threads++) {
        sinter_pool *pool = make_pool(threads);
        for (int i = 0; i < 20; i++) {
            stuck s = {.n = 100};
            sn_parallel_for(pool, s.n, 1, first_is_stuck, &s);
            assert_int_equal(atomic_load(&s.done), s.n);
        }
        sinter_pool_free(pool);
    }
}

/* ---------------------------------------------------------------------------------------------------- regions */

static void test_region(void **state)
{
    (void)state;
    sinter_pool *pool = make_pool(3);
    for (int i = 0; i < 100; i++) {
        sn_pool_enter(pool);
        check_loop(pool, 64, 1);
        sn_pool_enter(pool); /* part of the outer one */
        check_loop(pool, N, 10);
        sn_pool_leave(pool);
        check_loop(pool, 5, 1);
        sn_pool_leave(pool);
        check_loop(pool, 5, 1);
    }
    sn_pool_enter(NULL);
    check_loop(NULL, N, 1);
    sn_pool_leave(NULL);
    sinter_pool_free(pool);
}

typedef struct visitor {
    sinter_pool *pool;
    size_t ranges;
} visitor;

static void count_ranges(void *context, size_t begin, size_t end, int worker)
{
    visitor *v = context;
    assert_int_equal(worker, 0);
    assert_int_equal(end - begin, N);
    v->ranges++;
}

static void *visit_region(void *argument)
{
    visitor *v = argument;
    sn_pool_enter(v->pool);
    for (int i = 0; i < 10; i++) sn_parallel_for(v->pool, N, 1, count_ranges, v);
    sn_pool_leave(v->pool);
    sn_parallel_for(v->pool, N, 1, count_ranges, v);
    return NULL;
}

static void meet(void *context, size_t begin, size_t end, int worker)
{
    atomic_size_t *arrived = context;
    (void)worker;
    atomic_fetch_add(arrived, end - begin);
    while (atomic_load(arrived) < 2) sched_yield();
}

/* While one thread is in a region, another's loops are whole and its own; afterwards they are split again. */
static void test_taken_pool(void **state)
{
    (void)state;
    visitor v = {.pool = make_pool(2)};
    pthread_t thread;
    sn_pool_enter(v.pool);
    assert_int_equal(pthread_create(&thread, NULL, visit_region, &v), 0);
    pthread_join(thread, NULL);
    assert_int_equal(v.ranges, 11);
    atomic_size_t arrived = 0;
    sn_parallel_for(v.pool, 2, 1, meet, &arrived); /* ends only with two threads */
    sn_pool_leave(v.pool);
    arrived = 0;
    sn_parallel_for(v.pool, 2, 1, meet, &arrived);
    sinter_pool_free(v.pool);
}

static void *many_loops(void *argument)
{
    for (int i = 0; i < 300; i++) {
        if (i % 3) sn_pool_enter(argument);
        check_loop(argument, 100, 1);
        check_loop(argument, 7, 1);
        if (i % 3) sn_pool_leave(argument);
    }
    return NULL;
}

/* More threads than CPUs: all of them are descheduled again and again, in the middle of everything. */
static void test_concurrent_callers(void **state)
{
    (void)state;
    for (int width = 2; width <= 16; width *= 2) {
        sinter_pool *pool = make_pool(width);
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, many_loops, pool), 0);
        for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
        sinter_pool_free(pool);
    }
}

static void test_short_lives(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        sinter_pool *pool = make_pool(1 + i % 7);
        if (i % 2) check_loop(pool, 50, 1);
        sinter_pool_free(pool);
    }
}

/* ---------------------------------------------------------------------------------------------------- sleeping */

/* Parked workers must come back: pauses shorter and longer than they spin. */
static void test_after_sleep(void **state)
{
    (void)state;
    sinter_pool *pool = make_pool(4);
    for (int i = 0; i < 60; i++) {
        usleep((useconds_t)(100 * (i % 30)));
        if (i % 2) sn_pool_enter(pool);
        check_loop(pool, 64, 1);
        if (i % 2) sn_pool_leave(pool);
        atomic_size_t arrived = 0;
        sn_parallel_for(pool, 2, 1, meet, &arrived); /* one of the workers does come */
    }
    sinter_pool_free(pool);
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void check_idle(void)
{
    usleep(20000);
    double before = cpu_seconds();
    usleep(200000);
    assert_true(cpu_seconds() - before < 0.02);
}

static void test_idle_costs_nothing(void **state)
{
    (void)state;
    for (int threads = 2; threads <= 4; threads += 2) {
        sinter_pool *pool = make_pool(threads);
        check_loop(pool, 64, 1);
        check_idle();
        sn_pool_enter(pool);
        check_loop(pool, 64, 1);
        check_idle(); /* a long serial step */
        sn_pool_leave(pool);
        sinter_pool_free(pool);
    }
}

static long sleeps(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
}

/* A region of loops that are too small to split leaves the workers asleep. */
static void test_small_regions_wake_nobody(void **state)
{
    (void)state;
    sinter_pool *pool = make_pool(2);
    usleep(20000);
    long before = sleeps();
    for (int i = 0; i < 50; i++) {
        sn_pool_enter(pool);
        check_loop(pool, 15, 10);
        sn_pool_leave(pool);
        usleep(2000);
    }
    assert_true(sleeps() - before < 50 + 10); /* the caller's own, and none of the worker's */
    sinter_pool_free(pool);
}

/* ---------------------------------------------------------------------------------------------------- masks */

typedef struct masks {
    atomic_size_t arrived;
    cpu_set_t *set;      /* the worker's mask becomes this, if not NULL */
    cpu_set_t of_worker; /* as the worker found it */
} masks;

static void look_at_mask(void *context, size_t begin, size_t end, int worker)
{
    masks *m = context;
    if (worker == 1) {
        assert_int_equal(sched_getaffinity(0, sizeof m->of_worker, &m->of_worker), 0);
        if (m->set) assert_int_equal(sched_setaffinity(0, sizeof *m->set, m->set), 0);
    }
    meet(&m->arrived, begin, end, worker);
}

/* Does not itself wake the worker away from the caller: what it sees, and sets, is the mask between wakes. */
static cpu_set_t mask_of_worker(sinter_pool *pool, cpu_set_t *set)
{
    masks m = {.set = set};
    sn_pool_set_placement(pool, false);
    sn_parallel_for(pool, 2, 1, look_at_mask, &m);
    sn_pool_set_placement(pool, true);
    return m.of_worker;
}

/* Lets the worker fall asleep and wakes it. */
static void wake_worker(sinter_pool *pool)
{
    atomic_size_t arrived = 0;
    usleep(5000);
    sn_parallel_for(pool, 2, 1, meet, &arrived);
}

/* A worker that was woken away from the caller's CPU may use all CPUs again. One whose mask somebody else has set keeps
 * it. With one CPU there is nowhere else to go. */
static void test_masks(void **state)
{
    (void)state;
    cpu_set_t all, one, others, found;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    sinter_pool *pool = make_pool(2);
    for (int i = 0; i < 10; i++) {
        wake_worker(pool);
        found = mask_of_worker(pool, NULL);
        assert_true(CPU_EQUAL(&found, &all));
    }
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++) {
        if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
    }
    mask_of_worker(pool, &one);
    CPU_XOR(&others, &all, &one); /* the caller is elsewhere: its CPU could be taken away from the worker's mask */
    if (CPU_COUNT(&others) > 0) assert_int_equal(sched_setaffinity(0, sizeof others, &others), 0);
    for (int i = 0; i < 10; i++) {
        wake_worker(pool);
        found = mask_of_worker(pool, NULL);
        assert_true(CPU_EQUAL(&found, &one));
    }
    sinter_pool_free(pool);

    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    pool = make_pool(2);
    for (int i = 0; i < 10; i++) {
        wake_worker(pool);
        found = mask_of_worker(pool, NULL);
        assert_true(CPU_EQUAL(&found, &one));
    }
    sinter_pool_free(pool);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
}

static void test_bad_arguments(void **state)
{
    (void)state;
    sinter_pool *pool = NULL;
    sinter_error err;
    assert_int_equal(sinter_pool_create(-1, &pool, &err), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sinter_pool_create(1000000, &pool, &err), SINTER_INVALID_ARGUMENT);
    assert_null(pool);
    sinter_pool_free(NULL);
    assert_true(sn_available_cpus() >= 1);
    pool = make_pool(0);
    assert_int_equal(sinter_pool_threads(pool), sn_available_cpus());
    sinter_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_index_once),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_exact_units),
        cmocka_unit_test(test_steal_from_a_stuck_thread),
        cmocka_unit_test(test_region),
        cmocka_unit_test(test_taken_pool),
        cmocka_unit_test(test_concurrent_callers),
        cmocka_unit_test(test_short_lives),
        cmocka_unit_test(test_after_sleep),
        cmocka_unit_test(test_idle_costs_nothing),
        cmocka_unit_test(test_small_regions_wake_nobody),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
