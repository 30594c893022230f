/* Offsets of intervals: no two that live at the same time overlap, and reuse is near what the busiest moment needs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "runtime/plan.h"

#define STEPS 40

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void check_no_overlap(const sn_interval *x, size_t n, size_t total)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(x[i].offset % SN_ALIGNMENT, 0);
        assert_true(x[i].offset + x[i].size <= total);
        for (size_t k = 0; k < i; k++) {
            bool same_time = x[i].first <= x[k].last && x[k].first <= x[i].last;
            bool same_place = x[i].offset < x[k].offset + x[k].size && x[k].offset < x[i].offset + x[i].size;
            assert_false(same_time && same_place);
        }
    }
}

static size_t busiest_moment(const sn_interval *x, size_t n)
{
    size_t most = 0;
    for (uint32_t step = 0; step < STEPS; step++) {
        size_t sum = 0;
        for (size_t i = 0; i < n; i++) sum += x[i].first <= step && step <= x[i].last ? x[i].size : 0;
        if (sum > most) most = sum;
    }
    return most;
}

static void test_random_intervals(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int round = 0; round < 300; round++) {
        sn_interval x[120];
        size_t n = next_random(&seed) % 120, total = 0;
        for (size_t i = 0; i < n; i++) {
            uint32_t first = next_random(&seed) % STEPS, length = next_random(&seed) % (round % 2 ? 3 : STEPS);
            uint32_t last = first + length < STEPS ? first + length : STEPS - 1;
            x[i] = (sn_interval){first, last, next_random(&seed) % 5000, 0};
        }
        assert_true(sn_assign_offsets(x, n, &total));
        check_no_overlap(x, n, total);
        assert_true(total <= 2 * busiest_moment(x, n));
    }
}

static void test_chain_needs_two(void **state)
{
    (void)state;
    sn_interval x[STEPS - 1];
    size_t total = 0;
    for (uint32_t i = 0; i < STEPS - 1; i++) x[i] = (sn_interval){i, i + 1, 6400, 0};
    assert_true(sn_assign_offsets(x, STEPS - 1, &total));
    assert_int_equal(total, 2 * 6400);
}

static void test_too_large(void **state)
{
    (void)state;
    sn_interval x[] = {{0, 1, SIZE_MAX - 5, 0}, {0, 1, 64, 0}};
    size_t total;
    assert_false(sn_assign_offsets(x, 2, &total));
}

static void test_no_memory(void **state)
{
    (void)state;
    sn_interval x[] = {{0, 1, 64, 0}};
    size_t total;
    sn_alloc_fail_after(0);
    bool ok = sn_assign_offsets(x, 1, &total);
    sn_alloc_fail_after(1);
    bool ok_later = sn_assign_offsets(x, 1, &total);
    sn_alloc_fail_after(-1);
    assert_false(ok);
    assert_false(ok_later);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_intervals),
        cmocka_unit_test(test_chain_needs_two),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
