/* Batches whose first steps run image by image: the same results as the reference's, and as each image's alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/session.h"
#include "tests/unit/runtime/compare_sessions.h"

/* Of the plan that was made last. */
static const sn_image_stage *stage_of(const sinter_session *s)
{
    assert_true(s->n_plans > 0);
    return &s->plans[s->n_plans - 1]->stage;
}

static sn_value_id conv(sn_model *m, sn_value_id x, int64_t in, int64_t out, int64_t group, int64_t kernel,
                        int64_t stride)
{
    int64_t weight[] = {out, in / group, kernel, kernel}, pad = kernel / 2;
    float scale = 1 / sqrtf((float)(in / group * kernel * kernel));
    sn_value_id y = op(m, "Conv", IDS(x, constant(m, weight, 4, scale), constant(m, &out, 1, 1)));
    attr_int(m, "group", group);
    attr_ints(m, "strides", INTS(stride, stride));
    attr_ints(m, "pads", INTS(pad, pad, pad, pad));
    return y;
}

/* Large images first, in every layout; one value is read inside the stage and behind it. */
static sn_model *build_network(const void *context)
{
    (void)context;
    sn_model *m = new_model(14);
    sn_value_id x = batch_input(m, "x", INTS(N_ROWS, 3, 96, 96)), a, b;
    a = op(m, "Relu", IDS(conv(m, x, 3, 32, 1, 3, 1)));
    b = op(m, "Relu", IDS(conv(m, a, 32, 32, 32, 3, 1)));
    a = op(m, "Relu", IDS(op(m, "Add", IDS(conv(m, b, 32, 32, 1, 1, 1), a))));
    a = op(m, "HardSwish", IDS(op(m, "Mul", IDS(a, constant(m, INTS(32, 1, 1), 1)))));
    b = op(m, "MaxPool", IDS(a));
    attr_ints(m, "kernel_shape", INTS(2, 2));
    attr_ints(m, "strides", INTS(2, 2));
    b = op(m, "Relu", IDS(conv(m, b, 32, 64, 1, 3, 4)));
    b = op(m, "GlobalAveragePool", IDS(b));
    a = op(m, "ReduceMean", IDS(a));
    attr_ints(m, "axes", INTS(1, 2, 3));
    output(m, op(m, "Flatten", IDS(b)));
    output(m, a);
    return m;
}

static void test_network(void **state)
{
    (void)state;
    snprintf(label, sizeof label, "a network");
    check_model(build_network, NULL, NULL);
    sinter_session *s = open_session(build_network(NULL), false, 2, true);
    values in = make_inputs(s, BATCH), out = run(s, &in);
    const sn_image_stage *stage = stage_of(s);
    assert_non_null(stage->plan);
    assert_int_equal(stage->images, BATCH);
    assert_true(stage->plan->programs[0].n_steps >= 5 && stage->n_crossing >= 1);
    /* The plan of the whole batch has no room for what only the stage has. */
    size_t image = (size_t)32 * 96 * 96 * sizeof(float), planned = s->plans[s->n_plans - 1]->arena_size;
    assert_true(planned < 2 * BATCH * image);
    release(&out);
    release(&in);
    in = make_inputs(s, 1);
    out = run(s, &in);
    assert_null(stage_of(s)->plan);
    release(&out);
    release(&in);
    sinter_session_free(s);
}

/* With as many channels as images, the first axis of a mask [3, H, W] fits the channels of [3, 3, H, W], not the
 * images.
 */
static sn_model *build_broadcast(const void *context)
{
    (void)context;
    sn_model *m = new_model(14);
    sn_value_id x = batch_input(m, "x", INTS(N_ROWS, 3, 300, 300));
    sn_value_id mask = batch_input(m, "mask", INTS(N_ROWS, 300, 300));
    x = op(m, "Relu", IDS(x));
    x = op(m, "Mul", IDS(x, op(m, "Sigmoid", IDS(mask))));
    output(m, op(m, "Neg", IDS(x)));
    return m;
}

static void test_broadcast(void **state)
{
    (void)state;
    snprintf(label, sizeof label, "a broadcast over channels");
    sinter_session *s = open_session(build_broadcast(NULL), false, 2, false);
    sinter_session *reference = open_session(build_broadcast(NULL), true, 1, false);
    values in = make_inputs(s, BATCH), out = run(s, &in), expected = run(reference, &in);
    expect_close("kernels", &out, &expected);
    release(&out);
    release(&expected);
    release(&in);
    sinter_session_free(s);
    sinter_session_free(reference);
}

/* Any allocation may fail: the run fails, and the next one is right. */
static void test_no_memory(void **state)
{
    (void)state;
    snprintf(label, sizeof label, "without memory");
    sinter_session *s = open_session(build_network(NULL), false, 2, true);
    values in = make_inputs(s, BATCH), out = {.n = 2}, expected;
    bool failed = true;
    for (long n = 0; failed; n++) {
        snprintf(err.text, sizeof err.text, "nothing was said");
        sn_alloc_fail_after(n);
        sinter_status status = sinter_session_run(s, (const sinter_value *const *)in.v, out.v, NULL, NULL, &err);
        sn_alloc_fail_after(-1);
        failed = status != SINTER_OK;
        if (failed) assert_int_equal(status, SINTER_NO_MEMORY);
        if (failed) assert_string_not_equal(err.text, "nothing was said");
    }
    expected = run(s, &in);
    for (size_t i = 0; i < out.n; i++) {
        expect_same_bits("after failures", out.v[i], sinter_tensor_data(expected.v[i]),
                         sinter_tensor_size(expected.v[i]));
    }
    release(&out);
    release(&expected);
    release(&in);
    sinter_session_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_network),
        cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, make_pool, free_pool);
}
