/* The thread pool: every index once, nested and concurrent regions, idle workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/pool.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
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

static void check_region(sinter_pool *pool, size_t n, size_t grain)
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
    check_region(NULL, N, 1);
    for (int threads = 1; threads <= 5; threads++) {
        sinter_pool *pool = make_pool(threads);
        assert_int_equal(sinter_pool_threads(pool), threads);
        for (size_t n = 0; n <= 40; n++) check_region(pool, n, 1 + n % 3);
        for (int i = 0; i < 200; i++) check_region(pool, N, 1 + (size_t)i);
        sinter_pool_free(pool);
    }
}

static void nested_range(void *context, size_t begin, size_t end, int worker)
{
    counts *c = context;
    (void)worker;
    for (size_t i = begin; i < end; i++) check_region(c->pool, 30, 1);
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

static void *many_regions(void *argument)
{
    for (int i = 0; i < 300; i++) check_region(argument, 100, 1);
    return NULL;
}

static void test_concurrent_callers(void **state)
{
    (void)state;
    sinter_pool *pool = make_pool(3);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, many_regions, pool), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    sinter_pool_free(pool);
}

/* Parked workers must come back: regions with pauses longer than they spin. */
static void test_after_sleep(void **state)
{
    (void)state;
    sinter_pool *pool = make_pool(4);
    for (int i = 0; i < 30; i++) {
        usleep(1000 * (i % 3));
        check_region(pool, 64, 1);
    }
    sinter_pool_free(pool);
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void test_idle_costs_nothing(void **state)
{
    (void)state;
    sinter_pool *pool = make_pool(4);
    check_region(pool, 64, 1);
    usleep(20000);
    double before = cpu_seconds();
    usleep(200000);
    assert_true(cpu_seconds() - before < 0.02);
    sinter_pool_free(pool);
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
        cmocka_unit_test(test_every_index_once),   cmocka_unit_test(test_nested),
        cmocka_unit_test(test_concurrent_callers), cmocka_unit_test(test_after_sleep),
        cmocka_unit_test(test_idle_costs_nothing), cmocka_unit_test(test_bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
