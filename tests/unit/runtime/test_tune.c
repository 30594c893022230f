/*
 * Sessions that measure their implementations. A clock of the test's own decides which candidate seems to be the
 * fastest, so that each wins in turn; whichever it is, results agree with the reference, and all plans of a session
 * take it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/runtime/compare_sessions.h"

#include "runtime/session.h"
#include <pthread.h>

/* ---------------------------------------------------------------------------------------------------- the clock */

/* Of a convolution that Winograd can do, in the order in which they are tried. */
static const char *const candidates[] = {"winograd-4x4", "winograd-2x2", "conv"};

static size_t favourite;          /* among them */
static uint64_t its_time, others; /* nanoseconds of a trial */
static size_t readings;           /* of the clock: two a trial */

static uint64_t test_clock(void)
{
    static uint64_t time;
    size_t trial = readings / 2, is_end = readings % 2;
    readings++;
    if (is_end) time += trial % COUNT(candidates) == favourite ? its_time : others;
    return time;
}

static void favour(size_t candidate)
{
    favourite = candidate;
    its_time = 1000000;
    others = 2000000;
    readings = 0;
    sn_tuner_set_clock(test_clock);
}

static int reset(void **state)
{
    (void)state;
    sn_tuner_set_clock(NULL);
    sn_alloc_fail_after(-1);
    return 0;
}

/* ---------------------------------------------------------------------------------------------------- models */

static sn_value_id conv_3x3(sn_model *m, sn_value_id x, int64_t in, int64_t out)
{
    int64_t weight[] = {out, in, 3, 3};
    sn_value_id y = op(m, "Conv", IDS(x, constant(m, weight, 4, 1 / sqrtf(9 * (float)in)), constant(m, &out, 1, 1)));
    attr_ints(m, "pads", INTS(1, 1, 1, 1));
    return y;
}

/* The rules give the first convolution to tiles of 4x4, the second one, which adds and clamps, to those of 2x2. */
static sn_model *network(void)
{
    sn_model *m = new_model(13);
    sn_value_id x = batch_input(m, "x", INTS(N_ROWS, 18, 14, 15));
    sn_value_id y = op(m, "MaxPool", IDS(conv_3x3(m, x, 18, 20)));
    attr_ints(m, "kernel_shape", INTS(2, 2));
    attr_ints(m, "strides", INTS(2, 2));
    output(m, op(m, "Relu", IDS(op(m, "Add", IDS(conv_3x3(m, y, 20, 20), y)))));
    return m;
}

static sn_model *one_conv(int64_t height, int64_t width)
{
    sn_model *m = new_model(13);
    output(m, conv_3x3(m, batch_input(m, "x", INTS(N_ROWS, 18, height, width)), 18, 20));
    return m;
}

static sinter_session *open_with(sn_model *m, sinter_session_options o)
{
    sinter_model *model = (sinter_model *)m;
    sinter_session *s = NULL;
    o.size = sizeof o;
    o.no_optimize = true;
    o.profile = true;
    OK(sinter_session_create(&model, &o, &s, NULL, &err));
    return s;
}

static sinter_session *open_tuned(sn_model *m, int threads, size_t max_plans)
{
    return open_with(
        m, (sinter_session_options){.pool = threads > 1 ? two_threads : NULL, .max_plans = max_plans, .tune = true});
}

/* ---------------------------------------------------------------------------------------------------- the tests */

static void expect_network(const sinter_session *s, const char *impl)
{
    char text[128];
    snprintf(text, sizeof text, "Conv=%s MaxPool=max-pool Conv=%s", impl, impl);
    expect_impls(s, text);
}

/* What the clock says later changes nothing: not for rows alone, not for other threads. */
static void test_each_candidate(void **state)
{
    (void)state;
    sinter_session *reference = open_session(network(), true, 1, false);
    values in = make_inputs(reference, BATCH), expected = run(reference, &in);
    for (size_t i = 0; i < COUNT(candidates); i++) {
        values bits = {.n = 0};
        for (int threads = 1; threads <= 2; threads++) {
            snprintf(label, sizeof label, "%s on %d threads", candidates[i], threads);
            sinter_session *s = open_tuned(network(), threads, 0);
            favour(i);
            values out = run(s, &in);
            assert_true(readings > 0);
            expect_close("tuned", &out, &expected);
            expect_network(s, candidates[i]);
            favour((i + 1) % COUNT(candidates));
            check_rows(s, &in, &out);
            expect_network(s, candidates[i]);
            assert_int_equal(readings, 0);
            if (threads == 2)
                expect_same_bits("two threads", out.v[0], sinter_tensor_data(bits.v[0]), sinter_tensor_size(bits.v[0]));
            release(&bits);
            bits = out;
            sinter_session_free(s);
        }
        release(&bits);
    }
    release(&in);
    release(&expected);
    sinter_session_free(reference);
}

/* Then neither rules nor measurements choose it. */
static void test_no_winograd(void **state)
{
    (void)state;
    sinter_session *reference = open_session(network(), true, 1, false);
    values in = make_inputs(reference, BATCH), expected = run(reference, &in);
    for (int tune = 0; tune <= 1; tune++) {
        snprintf(label, sizeof label, "without Winograd, tuned %d", tune);
        sinter_session *s = open_with(network(), (sinter_session_options){.tune = tune, .no_winograd = true});
        favour(0);
        values out = run(s, &in);
        expect_close("direct", &out, &expected);
        expect_network(s, "conv");
        release(&out);
        sinter_session_free(s);
    }
    release(&in);
    release(&expected);
    sinter_session_free(reference);
}

/* Tiles of 4x4 are what the rules choose, 2x2 what the clock favours. */
static void test_when_rules_stay(void **state)
{
    (void)state;
    static const struct {
        uint64_t its_time, others;
        const char *impl;
    } cases[] = {
        {1000000, 1000000, "winograd-4x4"}, {980000, 1000000, "winograd-4x4"}, {960000, 1000000, "winograd-2x2"},
        {100, 4000, "winograd-4x4"},        {100, 6000, "winograd-2x2"},       {30000000, 90000000, "winograd-2x2"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[64];
        snprintf(label, sizeof label, "case %zu", i);
        snprintf(text, sizeof text, "Conv=%s", cases[i].impl);
        sinter_session *s = open_tuned(one_conv(14, 15), 1, 0);
        favour(1);
        its_time = cases[i].its_time;
        others = cases[i].others;
        values in = make_inputs(s, 1), out = run(s, &in);
        expect_impls(s, text);
        release(&in);
        release(&out);
        sinter_session_free(s);
    }
}

/* Each size has its choice, also when its plan is gone. */
static void test_sizes(void **state)
{
    (void)state;
    snprintf(label, sizeof label, "sizes");
    sinter_session *s = open_tuned(one_conv(N_ROWS, 14), 1, 1);
    static const struct {
        int64_t rows; /* and height */
        size_t favourite;
        bool measures;
        const char *impls;
    } runs[] = {
        {9, 2, true, "Conv=conv"},          {8, 1, true, "Conv=winograd-2x2"}, {9, 0, false, "Conv=conv"},
        {8, 0, false, "Conv=winograd-2x2"}, {7, 0, true, "Conv=winograd-4x4"}, {9, 1, false, "Conv=conv"},
    };
    for (size_t i = 0; i < COUNT(runs); i++) {
        values in = make_inputs(s, runs[i].rows);
        favour(runs[i].favourite);
        values out = run(s, &in);
        assert_int_equal(readings > 0, runs[i].measures);
        expect_impls(s, runs[i].impls);
        release(&in);
        release(&out);
    }
    sinter_session_free(s);
}

/* There is nothing to measure then, and the choice is left to the first rows that come. */
static void test_no_rows(void **state)
{
    (void)state;
    snprintf(label, sizeof label, "no rows");
    sinter_session *s = open_tuned(network(), 1, 0);
    for (int64_t rows = 0; rows < 2; rows++) {
        values in = make_inputs(s, rows);
        favour(2);
        values out = run(s, &in);
        assert_int_equal(readings > 0, rows > 0);
        release(&in);
        release(&out);
    }
    expect_network(s, "conv");
    sinter_session_free(s);
}

/* A convolution that reads plain images, two whose weights are packed as the general one cannot read them, a product.
 */
static sn_model *no_rivals(void)
{
    sn_model *m = new_model(13);
    sn_value_id y = conv_3x3(m, batch_input(m, "x", INTS(N_ROWS, 3, 14, 14)), 3, 36);
    y = op(m, "Conv", IDS(y, constant(m, INTS(36, 12, 3, 3), 0.1f)));
    attr_int(m, "group", 3);
    y = op(m, "Conv", IDS(y, constant(m, INTS(36, 1, 3, 3), 0.3f)));
    attr_int(m, "group", 36);
    y = op(m, "Flatten", IDS(op(m, "GlobalAveragePool", IDS(y))));
    output(m, op(m, "Gemm", IDS(y, constant(m, INTS(36, 30), 0.3f))));
    return m;
}

static void expect_unmeasured(sn_model *plain, sn_model *again, bool tune)
{
    sinter_session *untuned = open_session(plain, false, 1, false);
    sinter_session *s = tune ? open_tuned(again, 1, 0) : open_session(again, false, 1, false);
    favour(2);
    values in = make_inputs(s, BATCH), out = run(s, &in), expected = run(untuned, &in);
    assert_int_equal(readings, 0);
    expect_same_bits("not tuned", out.v[0], sinter_tensor_data(expected.v[0]), sinter_tensor_size(expected.v[0]));
    release(&in);
    release(&out);
    release(&expected);
    sinter_session_free(s);
    sinter_session_free(untuned);
}

static void test_nothing_to_measure(void **state)
{
    (void)state;
    snprintf(label, sizeof label, "nothing to measure");
    expect_unmeasured(no_rivals(), no_rivals(), true);
    snprintf(label, sizeof label, "not asked to");
    expect_unmeasured(network(), network(), false);
}

/* The weights of what was not chosen are gone. */
static void test_packs(void **state)
{
    (void)state;
    snprintf(label, sizeof label, "packs");
    size_t more[COUNT(candidates)];
    for (size_t i = 0; i < COUNT(candidates); i++) {
        sinter_session *s = open_tuned(one_conv(14, 15), 1, 0);
        size_t before = sn_packs_bytes(s->packs);
        favour(i);
        values in = make_inputs(s, BATCH), out = run(s, &in);
        more[i] = sn_packs_bytes(s->packs) - before;
        release(&in);
        release(&out);
        sinter_session_free(s);
    }
    assert_int_equal(more[2], 0);
    assert_true(more[1] > 0);
    assert_true(more[0] > 2 * more[1]); /* 36 points for 16 */
}

typedef struct client {
    sinter_session *s;
    values in, out;
    bool failed;
} client;

static void *client_main(void *argument)
{
    client *c = argument;
    sinter_error mine;
    c->out.n = 1;
    c->failed = sinter_session_run(c->s, (const sinter_value *const *)c->in.v, c->out.v, NULL, NULL, &mine);
    return NULL;
}

/* By the real clock: plans for several batches are built at once, and choose the same. */
static void test_many_threads(void **state)
{
    (void)state;
    snprintf(label, sizeof label, "many threads");
    sinter_session *s = open_tuned(network(), 2, 0), *reference = open_session(network(), true, 1, false);
    client clients[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        clients[i] = (client){.s = s, .in = make_inputs(s, i + 1)};
        assert_int_equal(pthread_create(&threads[i], NULL, client_main, &clients[i]), 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    size_t row = sinter_tensor_size(clients[0].out.v[0]);
    for (int i = 0; i < 4; i++) {
        client *c = &clients[i];
        assert_false(c->failed);
        values expected = run(reference, &c->in);
        expect_close("tuned", &c->out, &expected);
        /* All inputs begin with the same row. */
        assert_memory_equal(sinter_tensor_data(c->out.v[0]), sinter_tensor_data(clients[0].out.v[0]), row);
        release(&expected);
    }
    for (int i = 0; i < 4; i++) {
        release(&clients[i].in);
        release(&clients[i].out);
    }
    sinter_session_free(s);
    sinter_session_free(reference);
}

/* Allocation n fails while a plan is built, then the session works as if nothing had happened. Did nothing fail? */
static bool fails_cleanly(long n, int threads, const values *in, const values *expected)
{
    sinter_session *s = open_tuned(network(), threads, 0);
    values out = {.n = expected->n};
    favour(2);
    sn_alloc_fail_after(n);
    sinter_status status = sinter_session_run(s, (const sinter_value *const *)in->v, out.v, NULL, NULL, &err);
    sn_alloc_fail_after(-1);
    if (status != SINTER_OK && status != SINTER_NO_MEMORY) fail_msg("%s: allocation %ld: %s", label, n, err.text);
    if (status != SINTER_OK) {
        favour(2);
        out = run(s, in);
    }
    expect_close("after a failure", &out, expected);
    expect_network(s, "conv");
    release(&out);
    sinter_session_free(s);
    return status == SINTER_OK;
}

static void test_no_memory(void **state)
{
    (void)state;
    sinter_session *reference = open_session(network(), true, 1, false);
    values in = make_inputs(reference, 2), expected = run(reference, &in);
    for (int threads = 1; threads <= 2; threads++) {
        long n = 0;
        snprintf(label, sizeof label, "no memory, %d threads", threads);
        while (n < 5000 && !fails_cleanly(n, threads, &in, &expected)) n++;
        assert_in_range(n, 30, 4999);
    }
    release(&in);
    release(&expected);
    sinter_session_free(reference);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_each_candidate, reset),
        cmocka_unit_test_teardown(test_no_winograd, reset),
        cmocka_unit_test_teardown(test_when_rules_stay, reset),
        cmocka_unit_test_teardown(test_sizes, reset),
        cmocka_unit_test_teardown(test_packs, reset),
        cmocka_unit_test_teardown(test_no_rows, reset),
        cmocka_unit_test_teardown(test_nothing_to_measure, reset),
        cmocka_unit_test_teardown(test_many_threads, reset),
        cmocka_unit_test_teardown(test_no_memory, reset),
    };
    return cmocka_run_group_tests(tests, make_pool, free_pool);
}
