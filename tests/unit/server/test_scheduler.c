#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "server/scheduler.h"
#include <unistd.h>

typedef struct task {
    sn_job job;
    int index;
} task;

static atomic_int done, order_faults;

static void run_slowly(sn_job *job)
{
    const task *t = (const task *)job;
    usleep(1000);
    if (atomic_fetch_add(&done, 1) != t->index) atomic_fetch_add(&order_faults, 1);
}

static void a_queue_holds_its_limit(void **state)
{
    (void)state;
    sn_queue q = {.limit = 2};
    assert_true(sn_queue_reserve(&q));
    assert_true(sn_queue_reserve(&q));
    assert_false(sn_queue_reserve(&q));
    sn_queue_cancel(&q);
    assert_true(sn_queue_reserve(&q));
    assert_false(sn_queue_reserve(&q));
}

static void jobs_run_in_order_and_give_their_places_back(void **state)
{
    (void)state;
    sn_scheduler s;
    sinter_error err;
    sn_queue q = {.limit = 50};
    task tasks[50];
    atomic_store(&done, 0);
    atomic_store(&order_faults, 0);
    assert_int_equal(sn_scheduler_start(&s, 1, &err), SINTER_OK);
    for (int i = 0; i < 50; i++) {
        tasks[i] = (task){.job = {.queue = &q, .execute = run_slowly}, .index = i};
        assert_true(sn_queue_reserve(&q));
        assert_true(sn_scheduler_submit(&s, &tasks[i].job));
    }
    sn_scheduler_stop(&s); /* what is queued still runs */
    assert_int_equal(atomic_load(&done), 50);
    assert_int_equal(atomic_load(&order_faults), 0);
    assert_int_equal(atomic_load(&q.waiting), 0);
    assert_false(sn_scheduler_submit(&s, &tasks[0].job));
    assert_int_equal(atomic_load(&done), 50);
    sn_scheduler_free(&s);
}

static void an_idle_scheduler_stops(void **state)
{
    (void)state;
    sn_scheduler s;
    sinter_error err;
    assert_int_equal(sn_scheduler_start(&s, 3, &err), SINTER_OK);
    sn_scheduler_stop(&s);
    sn_scheduler_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_holds_its_limit),
        cmocka_unit_test(jobs_run_in_order_and_give_their_places_back),
        cmocka_unit_test(an_idle_scheduler_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
