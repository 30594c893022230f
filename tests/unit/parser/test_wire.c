/* Hostile bytes: what the walk before protobuf-c has to stop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "proto_builder.h"
#include <stdio.h>
#include <sys/resource.h>

static message simple_graph(void)
{
    message g = {0};
    add_child(&g, 1, make_node("Relu", "x", "y"));
    add_text(&g, 2, "g");
    add_child(&g, 11, make_info("x", 2));
    add_child(&g, 12, make_info("y", 2));
    return g;
}

static void test_nothing(void **state)
{
    (void)state;
    expect_failure((message){0}, SINTER_INVALID_MODEL, "ir_version is missing");
    message text = {0};
    sn_text_append(&text, "this is not a model at all");
    expect_failure(text, SINTER_INVALID_MODEL, "");
}

static void test_every_truncation(void **state)
{
    (void)state;
    char path[4096], *bytes;
    size_t size;
    sinter_error err;
    const char *source = getenv("SINTER_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/examples/digits/digits.onnx", source ? source : ".");
    assert_int_equal(sn_file_load(path, 1 << 24, &bytes, &size, &err), SINTER_OK);
    size_t step = size > 20000 ? 37 : 1;
    for (size_t n = 0; n < size; n += n < 3000 || n + 3000 > size ? 1 : step) {
        sinter_model *model = NULL;
        char *cut = malloc(n ? n : 1); /* exactly as long, so that the sanitizer sees any byte read too many */
        memcpy(cut, bytes, n);
        sinter_status status = sinter_model_load_memory(cut, n, NULL, &model, &err);
        free(cut);
        if (status == SINTER_OK)
            sinter_model_free(model); /* cut between two optional fields at the end */
        else
            assert_true(err.text[0] != '\0');
    }
    sinter_model *model;
    assert_int_equal(sinter_model_load_memory(bytes, size, NULL, &model, &err), SINTER_OK);
    sinter_model_free(model);
    free(bytes);
}

static void test_every_truncation_of_a_small_model(void **state)
{
    (void)state;
    message m = make_model(simple_graph());
    sinter_model *model;
    sinter_error err;
    for (size_t n = 0; n < m.n; ++n) {
        message cut = {.p = m.p, .n = n};
        /* Cut right behind the graph it lacks only the operator sets: IR 8 demands them. */
        assert_int_not_equal(load(&cut, &model, &err), SINTER_OK);
    }
    assert_int_equal(load(&m, &model, &err), SINTER_OK);
    sinter_model_free(model);
    sn_text_free(&m);
}

static void test_lengths(void **state)
{
    (void)state;
    message huge = {0};
    add_int(&huge, 1, 8);
    add_varint(&huge, 7 << 3 | 2);
    add_varint(&huge, UINT64_MAX);
    expect_failure(huge, SINTER_INVALID_MODEL, "(graph) of ModelProto: runs beyond the end");

    message inner = {0}, graph = {0};
    add_varint(&inner, 3 << 3 | 2);
    add_varint(&inner, 100); /* longer than the node that it is in, not than the file */
    add_child(&graph, 1, inner);
    add_text(&graph, 10,
             "padding padding padding padding padding padding padding padding padding padding padding padding");
    expect_failure(make_model(graph), SINTER_INVALID_MODEL, "(name) of NodeProto: runs beyond the end");

    message endless = {0};
    add_varint(&endless, 1 << 3);
    for (int i = 0; i < 11; ++i) sn_text_append_bytes(&endless, "\xff", 1);
    expect_failure(endless, SINTER_INVALID_MODEL, "(ir_version)");
}

static void test_wire_types(void **state)
{
    (void)state;
    message m = {0};
    add_text(&m, 1, "8");
    expect_failure(m, SINTER_INVALID_MODEL, "wire type of another kind");
    message group = {0};
    add_varint(&group, 7 << 3 | 3);
    expect_failure(group, SINTER_INVALID_MODEL, "a wire type that ONNX does not use");
    message zero = {0};
    add_varint(&zero, 0);
    expect_failure(zero, SINTER_INVALID_MODEL, "no field of ModelProto begins here");
}

static void test_nul_in_name(void **state)
{
    (void)state;
    message g = simple_graph();
    add_bytes(&g, 10, "a\0b", 3);
    expect_failure(make_model(g), SINTER_INVALID_MODEL, "NUL");
}

static void test_second_graph(void **state)
{
    (void)state;
    message m = make_model(simple_graph());
    add_child(&m, 7, simple_graph());
    expect_failure(m, SINTER_INVALID_MODEL, "field 7 (graph) of ModelProto: is given twice");
}

/* `levels` messages, each the only field of the one around it, from the inside out. */
static message nest(message m, const uint32_t *fields, size_t n_fields, int levels)
{
    for (int i = 0; i < levels; ++i) {
        message outer = {0};
        add_child(&outer, fields[(size_t)i % n_fields], m);
        m = outer;
    }
    return m;
}

static void test_nesting(void **state)
{
    (void)state;
    static const uint32_t sequence[] = {1, 4}; /* Sequence.elem_type, TypeProto.sequence_type */
    static const uint32_t body[] = {6, 5, 1};  /* AttributeProto.g, NodeProto.attribute, GraphProto.node */
    message g = simple_graph(), info = {0};
    add_child(&info, 2, nest((message){0}, sequence, 2, 20000));
    add_child(&g, 13, info);
    expect_failure(make_model(g), SINTER_INVALID_MODEL, "nested too deeply");
    expect_failure(make_model(nest(simple_graph(), body, 3, 30000)), SINTER_INVALID_MODEL, "nested too deeply");
}

static void test_amplification(void **state)
{
    (void)state;
    message node = make_node("Relu", "x", "y"), g = {0};
    for (int i = 0; i < 1 << 20; ++i) sn_text_append_bytes(&node, "\x2a\0", 2); /* an empty attribute */
    add_child(&g, 1, node);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    expect_failure(make_model(g), SINTER_TOO_LARGE, "too many tiny fields");
    getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_maxrss - before.ru_maxrss < 120 * 1024);
}

static void test_many_names(void **state)
{
    (void)state;
    message node = {0}, g = {0};
    add_text(&node, 4, "Split");
    for (int i = 0; i < 1000000; ++i) {
        char name[16];
        snprintf(name, sizeof name, "%x", i);
        add_text(&node, 2, name);
    }
    add_child(&g, 1, node);
    message m = make_model(g);
    sinter_model *model;
    sinter_error err;
    assert_int_equal(load(&m, &model, &err), SINTER_TOO_LARGE);
    sn_text_free(&m);
}

static void test_unpacked_numbers(void **state)
{
    (void)state;
    message node = make_node("Dummy", "x", "y"), attr = {0}, g = {0};
    add_text(&attr, 1, "values");
    for (int64_t i = -3; i < 300; ++i) add_int(&attr, 8, i);
    add_int(&attr, 20, 7);
    add_child(&node, 5, attr);
    add_text(&node, 7, "test");
    add_child(&g, 1, node);
    add_child(&g, 11, make_info("x", 2));
    add_child(&g, 12, make_info("y", 2));
    message m = make_model(g);
    sinter_model *model;
    sinter_error err;
    char *dump;
    assert_int_equal(load(&m, &model, &err), SINTER_OK);
    assert_int_equal(sinter_model_dump(model, &dump, &err), SINTER_OK);
    assert_non_null(strstr(dump, "values=[-3, -2, -1, 0, 1"));
    free(dump);
    sinter_model_free(model);
    sn_text_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_every_truncation_of_a_small_model),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_wire_types),
        cmocka_unit_test(test_nul_in_name),
        cmocka_unit_test(test_second_graph),
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_amplification),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_unpacked_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
