/* External data: what may be opened, where it must lie, and how it is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "graph/edit.h"
#include "parser/export.h"
#include "proto_builder.h"
#include "tests/unit/temporary.h"
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ELEMENTS = 2000, SIZE = ELEMENTS * 4 };

static char root[200];
static char folder[240];

static const char *path_in(const char *where, const char *name)
{
    static char path[4][512];
    static unsigned next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", where, name);
    return p;
}

static int set_up(void **state)
{
    (void)state;
    static float elements[ELEMENTS];
    sinter_error err;
    temporary_pattern(root, sizeof root, "external");
    if (!mkdtemp(root)) return 1;
    snprintf(folder, sizeof folder, "%s/model", root);
    if (mkdir(folder, 0700) != 0 || mkdir(path_in(folder, "sub"), 0700) != 0) return 1;
    for (int i = 0; i < ELEMENTS; ++i) elements[i] = (float)i;
    if (sn_file_save(path_in(folder, "w.bin"), elements, SIZE, &err) != SINTER_OK) return 1;
    if (sn_file_save(path_in(folder, "sub/w.bin"), elements, SIZE, &err) != SINTER_OK) return 1;
    if (sn_file_save(path_in(root, "secret"), elements, SIZE, &err) != SINTER_OK) return 1;
    if (symlink("../secret", path_in(folder, "link")) != 0) return 1;
    if (symlink("..", path_in(folder, "up")) != 0) return 1;
    return symlink("w.bin", path_in(folder, "inside"));
}

static int tear_down(void **state)
{
    (void)state;
    const char *files[] = {"w.bin",  "sub/w.bin",   "link",   "up",         "inside",
                           "a.onnx", "a.onnx.data", "b.onnx", "b.onnx.data"};
    for (size_t i = 0; i < sizeof files / sizeof *files; ++i) unlink(path_in(folder, files[i]));
    unlink(path_in(root, "secret"));
    rmdir(path_in(folder, "sub"));
    rmdir(folder);
    return rmdir(root);
}

static void add_entry(message *t, const char *key, const char *value)
{
    message e = {0};
    if (!value) return;
    add_text(&e, 1, key);
    add_text(&e, 2, value);
    add_child(t, 13, e);
}

static message model_with(int64_t elements, const char *location, const char *offset, const char *length)
{
    message g = {0}, t = make_tensor("w", SINTER_FLOAT, 1, &elements);
    add_entry(&t, "location", location);
    add_entry(&t, "offset", offset);
    add_entry(&t, "length", length);
    add_entry(&t, "checksum", "ignored");
    add_int(&t, 14, 1);
    add_child(&g, 1, make_node("Add", "x,w", "y"));
    add_child(&g, 5, t);
    add_child(&g, 11, make_info("x", -1));
    add_child(&g, 12, make_info("y", -1));
    return make_model(g);
}

static void accepts(message m, float first)
{
    sinter_model *model = NULL;
    sinter_error err = {0};
    if (sinter_model_load_memory(m.p, m.n, folder, &model, &err) != SINTER_OK) fail_msg("%s", err.text);
    const sinter_value *w = model->m.values[model->m.graphs[0].initializers.items[0]].constant;
    assert_true(*(const float *)w->data == first);
    sinter_model_free(model);
    sn_text_free(&m);
}

static void refuses(message m, const char *text)
{
    sinter_model *model = NULL;
    sinter_error err = {0};
    sinter_status status = sinter_model_load_memory(m.p, m.n, folder, &model, &err);
    if (status != SINTER_INVALID_MODEL || !strstr(err.text, text))
        fail_msg("expected '...%s...', found '%s: %s'", text, sinter_status_name(status), err.text);
    sn_text_free(&m);
}

static void test_reading(void **state)
{
    (void)state;
    accepts(model_with(ELEMENTS, "w.bin", NULL, NULL), 0);
    accepts(model_with(ELEMENTS, "./w.bin", "0", "8000"), 0);
    accepts(model_with(ELEMENTS - 8, "sub/w.bin", "32", NULL), 8);
    accepts(model_with(ELEMENTS, "inside", NULL, NULL), 0); /* a link that stays in the folder */
    accepts(model_with(10, "w.bin", "40", "40"), 10);
}

static void test_locations(void **state)
{
    (void)state;
    refuses(model_with(ELEMENTS, "../secret", NULL, NULL), "must be a path inside the model's folder");
    refuses(model_with(ELEMENTS, "sub/../../secret", NULL, NULL), "must be a path inside the model's folder");
    refuses(model_with(ELEMENTS, "..", NULL, NULL), "must be a path inside the model's folder");
    refuses(model_with(ELEMENTS, path_in(root, "secret"), NULL, NULL), "must be a path inside the model's folder");
    refuses(model_with(ELEMENTS, "link", NULL, NULL), "leads out of the model's folder");
    refuses(model_with(ELEMENTS, "up/secret", NULL, NULL), "leads out of the model's folder");
    refuses(model_with(ELEMENTS, "missing.bin", NULL, NULL), "missing.bin");
    refuses(model_with(ELEMENTS, "sub", NULL, NULL), "not a regular file");
    refuses(model_with(ELEMENTS, "", NULL, NULL), "without a location");
    refuses(model_with(ELEMENTS, NULL, NULL, NULL), "without a location");
    message m = model_with(ELEMENTS, "w.bin", NULL, NULL);
    sinter_model *model;
    sinter_error err;
    assert_int_equal(sinter_model_load_memory(m.p, m.n, NULL, &model, &err), SINTER_INVALID_MODEL);
    assert_non_null(strstr(err.text, "no folder"));
    sn_text_free(&m);
}

static void test_ranges(void **state)
{
    (void)state;
    refuses(model_with(ELEMENTS, "w.bin", "4", NULL), "8000 bytes at 4, but 'w.bin' has 8000 bytes");
    refuses(model_with(ELEMENTS, "w.bin", "8001", "0"), "has 8000 bytes");
    refuses(model_with(ELEMENTS, "w.bin", "18446744073709551615", "8000"), "has 8000 bytes");
    refuses(model_with(ELEMENTS, "w.bin", "99999999999999999999999", NULL), "expected a number of bytes");
    refuses(model_with(ELEMENTS, "w.bin", "-4", NULL), "expected a number of bytes");
    refuses(model_with(ELEMENTS, "w.bin", NULL, "7996"), "takes 8000 bytes, found 7996 in w.bin");
    refuses(model_with(ELEMENTS + 1, "w.bin", NULL, NULL), "8004 bytes at 0");
}

static void expect_same_files(const char *a, const char *b)
{
    char *bytes[2];
    size_t sizes[2];
    sinter_error err;
    assert_int_equal(sn_file_load(path_in(folder, a), 1 << 20, &bytes[0], &sizes[0], &err), SINTER_OK);
    assert_int_equal(sn_file_load(path_in(folder, b), 1 << 20, &bytes[1], &sizes[1], &err), SINTER_OK);
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(bytes[0], bytes[1], sizes[0]);
    free(bytes[0]);
    free(bytes[1]);
}

static sinter_value *ramp(sinter_dtype dtype, int64_t n)
{
    sinter_value *v;
    assert_int_equal(sinter_tensor_create(dtype, 1, &n, &v, NULL), SINTER_OK);
    for (size_t i = 0; i < (size_t)n; ++i) sn_store_int64(dtype, v->data, i, (int64_t)(i % 7));
    return v;
}

/* Above the limit tensors of 1 KiB and more leave the model, at aligned offsets; the pair is read back as it was. */
static void test_writing(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sinter_error err = {0};
    m->ir_version = 8;
    m->opsets = SN_ARENA_NEW(&m->arena, sn_opset);
    m->opsets[0] = (sn_opset){SN_STR(""), 17, SN_STR("")};
    m->n_opsets = 1;
    sn_value_id small = sn_add_initializer(m, 0, SN_STR("small"), ramp(SINTER_FLOAT, 10));
    sn_value_id large = sn_add_initializer(m, 0, SN_STR("large"), ramp(SINTER_FLOAT, 1000));
    sn_value_id packed = sn_add_initializer(m, 0, SN_STR("packed"), ramp(SINTER_INT4, 5001));
    assert_true(small != SN_NONE && large != SN_NONE && packed != SN_NONE);
    if (sn_export_file(m, path_in(folder, "a.onnx"), 1000, &err) != SINTER_OK) fail_msg("%s", err.text);
    struct stat st;
    assert_int_equal(stat(path_in(folder, "a.onnx.data"), &st), 0);
    assert_int_equal(st.st_size, 4096 + 2501);

    sinter_model *again;
    if (sinter_model_load(path_in(folder, "a.onnx"), NULL, &again, &err) != SINTER_OK) fail_msg("%s", err.text);
    for (sn_value_id i = 0; i < 3; ++i) {
        sinter_difference d = sinter_value_compare(m->values[i].constant, again->m.values[i].constant, 0, 0);
        assert_true(d.comparable && d.mismatches == 0);
    }
    /* Over itself, while its data is mapped. */
    assert_int_equal(sn_export_file(&again->m, path_in(folder, "b.onnx"), 1000, &err), SINTER_OK);
    assert_int_equal(sn_export_file(&again->m, path_in(folder, "a.onnx"), 1000, &err), SINTER_OK);
    expect_same_files("a.onnx.data", "b.onnx.data");
    sinter_model_free(again);
    assert_int_equal(sinter_model_load(path_in(folder, "a.onnx"), NULL, &again, &err), SINTER_OK);
    sinter_model_free(again);
    sn_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_locations),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_writing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
