/* What is read and written again is the same: over real files when there are any, and over one model that has
 * everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "graph/edit.h"
#include "proto_builder.h"
#include "tests/unit/temporary.h"
#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

static size_t files, failures;

static char *dump_of(const sinter_model *m)
{
    char *text = NULL;
    sinter_error err;
    assert_int_equal(sinter_model_dump(m, &text, &err), SINTER_OK);
    return text;
}

/* Saves, loads and saves again; true when bytes and dumps agree. */
static bool is_stable(const sinter_model *m, const char *folder, sinter_error *err)
{
    void *first = NULL, *second = NULL;
    size_t first_size = 0, second_size = 0;
    sinter_model *again = NULL;
    bool stable = sinter_model_save_memory(m, &first, &first_size, err) == SINTER_OK &&
                  sinter_model_load_memory(first, first_size, folder, &again, err) == SINTER_OK &&
                  sinter_model_save_memory(again, &second, &second_size, err) == SINTER_OK;
    if (stable) {
        char *a = dump_of(m), *b = dump_of(again);
        stable = first_size == second_size && memcmp(first, second, first_size) == 0 && strcmp(a, b) == 0;
        free(a);
        free(b);
    }
    free(first);
    free(second);
    sinter_model_free(again);
    return stable;
}

static int check_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    size_t n = strlen(path);
    if (type != FTW_F || n < 5 || strcmp(path + n - 5, ".onnx") != 0) return 0;
    sinter_model *m;
    sinter_error err = {0};
    char folder[4096];
    snprintf(folder, sizeof folder, "%.*s", ftw->base ? ftw->base - 1 : 0, path);
    ++files;
    if (sinter_model_load(path, NULL, &m, &err) != SINTER_OK) {
        print_error("%s\n", err.text);
        ++failures;
        return 0;
    }
    if (!is_stable(m, folder, &err)) {
        print_error("%s: not the same after writing and reading: %s\n", path, err.text);
        ++failures;
    }
    sinter_model_free(m);
    return 0;
}

static const char *source_folder(void)
{
    const char *folder = getenv("SINTER_SOURCE_DIR");
    return folder ? folder : ".";
}

static void test_example(void **state)
{
    (void)state;
    char path[4096];
    snprintf(path, sizeof path, "%s/examples", source_folder());
    files = failures = 0;
    nftw(path, check_file, 16, FTW_PHYS);
    assert_true(files > 0);
    assert_int_equal(failures, 0);
}

static void test_data(void **state)
{
    (void)state;
    char path[4096];
    const char *data = getenv("SINTER_TEST_DATA");
    if (data && data[0])
        snprintf(path, sizeof path, "%s", data);
    else
        snprintf(path, sizeof path, "%s/../shared", source_folder());
    if (access(path, R_OK) != 0) {
        print_message("skipped: there is no test data in %s\n", path);
        return;
    }
    files = failures = 0;
    nftw(path, check_file, 16, FTW_PHYS);
    print_message("%zu files\n", files);
    assert_int_equal(failures, 0);
}

static void add_metadata(message *m, uint32_t field)
{
    message entry = {0};
    add_text(&entry, 1, "key");
    add_text(&entry, 2, "value");
    add_child(m, field, entry);
}

/* What attributes hold. */
typedef struct contents {
    message tensor, sparse, body, type;
} contents;

static contents make_contents(void)
{
    contents c = {0};
    message indices = make_tensor("indices", SINTER_INT64, 1, (int64_t[]){2}), sequence = {0};
    c.tensor = make_tensor("inside", SINTER_INT32, 1, (int64_t[]){2});
    add_bytes(&c.tensor, 9, "\1\0\0\0\2\0\0\0", 8);
    add_text(&c.tensor, 12, "tensor doc");
    add_metadata(&c.tensor, 16);
    add_text(&c.tensor, 99, "unknown in tensor");
    add_bytes(&indices, 9, "\1\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0", 16);
    add_bytes(&c.sparse, 1, c.tensor.p, c.tensor.n);
    add_child(&c.sparse, 2, indices);
    add_int(&c.sparse, 3, 4);
    add_child(&c.body, 1, make_node("Relu", "x", "b"));
    add_text(&c.body, 2, "body");
    add_child(&c.body, 12, make_info("b", -1));
    add_child(&sequence, 1, (message){0});
    add_child(&c.type, 4, sequence);
    add_text(&c.type, 6, "DENOTATION");
    return c;
}

static void free_contents(contents *c)
{
    sn_text_free(&c->tensor);
    sn_text_free(&c->sparse);
    sn_text_free(&c->body);
    sn_text_free(&c->type);
}

static void add_content(message *a, uint32_t field, const contents *c)
{
    switch (field) {
    case 2:
    case 7: add_float(a, field, -0.0f); break;
    case 3:
    case 8: add_int(a, field, -7); break;
    case 4:
    case 9: add_bytes(a, field, "a\0b", 3); break;
    case 5:
    case 10: add_bytes(a, field, c->tensor.p, c->tensor.n); break;
    case 6:
    case 11: add_bytes(a, field, c->body.p, c->body.n); break;
    case 14:
    case 15: add_bytes(a, field, c->type.p, c->type.n); break;
    default: add_bytes(a, field, c->sparse.p, c->sparse.n); break;
    }
}

/* An attribute of every type, its fields in the order of their numbers. */
static void add_attrs(message *node)
{
    static const struct {
        uint32_t field;
        int copies;
    } rows[] = {{0, 0}, {2, 1},  {3, 1},  {4, 1},  {5, 1},  {6, 1},  {7, 2}, {8, 2},
                {9, 2}, {10, 2}, {11, 2}, {22, 1}, {23, 2}, {14, 1}, {15, 2}};
    contents c = make_contents();
    for (int type = 1; type <= 14; ++type) {
        message a = {0};
        char name[16];
        uint32_t field = rows[type].field;
        snprintf(name, sizeof name, "attr%02d", type);
        add_text(&a, 1, name);
        for (int i = 0; field < 13 && i < rows[type].copies; ++i) add_content(&a, field, &c);
        add_text(&a, 13, "about it");
        for (int i = 0; field > 13 && field < 20 && i < rows[type].copies; ++i) add_content(&a, field, &c);
        add_int(&a, 20, type);
        for (int i = 0; field > 20 && i < rows[type].copies; ++i) add_content(&a, field, &c);
        add_text(&a, 77, "unknown in attribute");
        add_child(node, 5, a);
    }
    free_contents(&c);
}

static message function(void)
{
    message f = {0}, opset = {0}, node = make_node("Scale", "a", "b"), reference = {0}, with_default = {0};
    add_text(&f, 1, "Twice");
    add_text(&f, 4, "a");
    add_text(&f, 5, "b");
    add_text(&f, 6, "factor");
    add_text(&reference, 1, "scale");
    add_int(&reference, 20, 1);
    add_text(&reference, 21, "factor");
    add_child(&node, 5, reference);
    add_child(&f, 7, node);
    add_text(&f, 8, "function doc");
    add_int(&opset, 2, 17);
    add_child(&f, 9, opset);
    add_text(&f, 10, "local");
    add_text(&with_default, 1, "bias");
    add_float(&with_default, 2, 0.5f);
    add_int(&with_default, 20, 1);
    add_child(&f, 11, with_default);
    add_child(&f, 12, make_info("a", 1));
    add_text(&f, 13, "v2");
    add_metadata(&f, 14);
    add_text(&f, 50, "unknown in function");
    return f;
}

/* All the fields in the canonical order, so that the written bytes must be these very bytes. */
static message everything(void)
{
    message m = {0}, g = {0}, node = {0}, opset = {0}, info = make_info("x", 2), between = make_info("mid", 0);
    add_names(&node, 1, "x,,w");
    add_names(&node, 2, "mid,");
    add_text(&node, 3, "node");
    add_text(&node, 4, "Strange");
    add_attrs(&node);
    add_text(&node, 6, "node doc");
    add_text(&node, 7, "com.example");
    add_text(&node, 8, "overload");
    add_metadata(&node, 9);
    add_text(&node, 10, "device configuration");
    add_child(&g, 1, node);
    add_child(&g, 1, make_node("Relu", "mid", "y"));
    add_text(&g, 2, "main");
    message w = make_tensor("w", SINTER_UINT4, 1, (int64_t[]){3});
    add_bytes(&w, 9, "\x21\x03", 2);
    add_child(&g, 5, w);
    add_text(&g, 10, "graph doc");
    add_text(&info, 3, "input doc");
    add_metadata(&info, 4);
    add_text(&info, 60, "unknown in value info");
    add_child(&g, 11, info);
    add_child(&g, 12, make_info("y", 2));
    add_child(&g, 13, between);
    add_metadata(&g, 16);
    add_text(&g, 14, "quantization annotation");
    add_int(&m, 1, 13);
    add_text(&m, 2, "producer");
    add_text(&m, 3, "1.0");
    add_text(&m, 4, "domain");
    add_int(&m, 5, 42);
    add_text(&m, 6, "model doc");
    add_child(&m, 7, g);
    add_int(&opset, 2, 17);
    add_child(&m, 8, opset);
    add_metadata(&m, 14);
    add_child(&m, 25, function());
    add_text(&m, 20, "training info");
    add_varint(&m, (uint64_t)1000 << 3 | 1);
    sn_text_append_bytes(&m, "12345678", 8);
    return m;
}

static void test_everything(void **state)
{
    (void)state;
    message m = everything();
    sinter_model *model;
    sinter_error err = {0};
    void *bytes;
    size_t size;
    if (load(&m, &model, &err) != SINTER_OK) fail_msg("%s", err.text);
    assert_int_equal(sinter_model_save_memory(model, &bytes, &size, &err), SINTER_OK);
    size_t same = 0;
    while (same < size && same < m.n && ((char *)bytes)[same] == m.p[same]) ++same;
    if (size != m.n || same != size) fail_msg("%zu bytes read, %zu written; they differ at %zu", m.n, size, same);
    assert_true(is_stable(model, NULL, &err));
    free(bytes);
    sinter_model_free(model);
    sn_text_free(&m);
}

/* Large payloads at every alignment: some stay in the file, some are copied. */
static void test_large_payloads(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    char name[64] = "w", path[256];
    temporary_pattern(path, sizeof path, "roundtrip");
    float *elements = malloc(COUNT * sizeof *elements);
    for (int i = 0; i < COUNT; ++i) elements[i] = (float)i * 0.5f;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (int k = 0; k < 5; ++k, strcat(name, "w")) {
        message g = {0}, t = make_tensor(name, SINTER_FLOAT, 1, (int64_t[]){COUNT});
        add_bytes(&t, k < 4 ? 9 : 4, elements, COUNT * sizeof *elements);
        add_child(&g, 5, t);
        message m = make_model(g);
        sinter_error err = {0};
        assert_int_equal(sn_file_save(path, m.p, m.n, &err), SINTER_OK);
        for (int read_file = 0; read_file < 2; ++read_file) {
            sinter_load_options options = SINTER_LOAD_OPTIONS_INIT;
            options.read_file = read_file;
            sinter_model *model;
            if (sinter_model_load(path, &options, &model, &err) != SINTER_OK) fail_msg("%s", err.text);
            const sinter_value *v = model->m.values[0].constant;
            assert_memory_equal(v->data, elements, COUNT * sizeof *elements);
            assert_int_equal((uintptr_t)v->data % sizeof(float), 0);
            assert_true(is_stable(model, NULL, &err));
            assert_int_equal(sinter_model_save(model, path, &err), SINTER_OK); /* over the file it is mapped from */
            assert_memory_equal(v->data, elements, COUNT * sizeof *elements);
            sinter_model_free(model);
        }
        sn_text_free(&m);
    }
    unlink(path);
    free(elements);
}

/* Whichever allocation fails: a clean error, and (the sanitizer says) no leak. */
static void test_out_of_memory(void **state)
{
    (void)state;
    message m = everything();
    sinter_status status = SINTER_NO_MEMORY;
    for (long n = 0; status != SINTER_OK; ++n) {
        sinter_model *model = NULL;
        void *bytes = NULL;
        size_t size;
        sinter_error err;
        sn_alloc_fail_after(n);
        status = load(&m, &model, &err);
        if (status == SINTER_OK) status = sinter_model_save_memory(model, &bytes, &size, &err);
        sn_alloc_fail_after(-1);
        if (status != SINTER_OK && status != SINTER_NO_MEMORY) fail_msg("after %ld: %s", n, err.text);
        sinter_model_free(model);
        free(bytes);
        if (n > 100000) fail_msg("it never succeeds");
    }
    sn_text_free(&m);
}

static void test_internal_operators(void **state)
{
    (void)state;
    sn_model *m = sn_model_create();
    sn_value_id out = sn_add_value(m, 0, SN_STR("y"), NULL);
    assert_int_not_equal(sn_add_node(m, 0, SIZE_MAX, SN_STR("Fused"), SN_STR("sinter"), SN_STR("n"), NULL, 0, &out, 1),
                         SN_NONE);
    void *bytes;
    size_t size;
    sinter_error err;
    assert_int_equal(sinter_model_save_memory((sinter_model *)m, &bytes, &size, &err), SINTER_UNSUPPORTED);
    assert_non_null(strstr(err.text, "node 'n' (Fused)"));
    char folder[256], path[300];
    temporary_pattern(folder, sizeof folder, "unsupported");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/never-written.onnx", folder);
    assert_int_equal(sinter_model_save((sinter_model *)m, path, &err), SINTER_UNSUPPORTED);
    assert_int_equal(rmdir(folder), 0); /* nothing was written */
    sn_model_destroy(m);
}

static void test_missing_files(void **state)
{
    (void)state;
    sinter_model *model;
    sinter_error err;
    assert_int_equal(sinter_model_load("/nowhere/model.onnx", NULL, &model, &err), SINTER_INVALID_MODEL);
    assert_non_null(strstr(err.text, "/nowhere/model.onnx"));
    assert_int_equal(sinter_model_load(temporary_folder(), NULL, &model, &err), SINTER_INVALID_MODEL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),       cmocka_unit_test(test_data),
        cmocka_unit_test(test_everything),    cmocka_unit_test(test_large_payloads),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_internal_operators),
        cmocka_unit_test(test_missing_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
