#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "tests/unit/temporary.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256];
static char *path;

static int make_folder(void **state)
{
    (void)state;
    temporary_pattern(folder, sizeof folder, "test");
    if (!mkdtemp(folder)) return -1;
    path = sn_path_join(folder, "out");
    return path ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    sn_free(path);
    return rmdir(folder); /* fails when a temporary file was left */
}

static size_t files_in_folder(void)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
    closedir(d);
    return n;
}

static void paths_are_joined(void **state)
{
    (void)state;
    const char *const cases[][3] = {
        {"a/b.onnx", "w.data", "a/w.data"}, {"b.onnx", "w", "w"}, {"/b", "w", "/w"}, {"a/b/", "w", "a/b/w"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char *p = sn_path_beside(cases[i][0], cases[i][1]);
        assert_string_equal(p, cases[i][2]);
        sn_free(p);
    }
    const char *const joins[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"/", "b", "/b"}};
    for (size_t i = 0; i < sizeof joins / sizeof *joins; ++i) {
        char *p = sn_path_join(joins[i][0], joins[i][1]);
        assert_string_equal(p, joins[i][2]);
        sn_free(p);
    }
}

static void what_is_saved_is_loaded(void **state)
{
    (void)state;
    char *bytes;
    size_t size;
    char big[10000];
    memset(big, 'x', sizeof big);
    assert_int_equal(sn_file_save(path, big, sizeof big, NULL), SINTER_OK);
    assert_int_equal(sn_file_load(path, sizeof big, &bytes, &size, NULL), SINTER_OK);
    assert_int_equal(size, sizeof big);
    assert_memory_equal(bytes, big, size);
    assert_int_equal(bytes[size], '\0');
    sn_free(bytes);
    sinter_error err;
    assert_int_equal(sn_file_load(path, sizeof big - 1, &bytes, &size, &err), SINTER_TOO_LARGE);
    assert_int_equal(sn_file_load(folder, 100, &bytes, &size, &err), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sn_file_load("/nonexistent/a", 100, &bytes, &size, &err), SINTER_NOT_FOUND);
    assert_int_equal(sn_file_load("/proc/self/status", 1 << 20, &bytes, &size, &err), SINTER_OK); /* claims size 0 */
    assert_true(size > 0);
    sn_free(bytes);
    assert_int_equal(sn_file_load("/proc/self/status", 10, &bytes, &size, &err), SINTER_TOO_LARGE);
}

static void the_old_file_stays_until_commit(void **state)
{
    (void)state;
    sn_file_writer w;
    char *bytes;
    size_t size;
    assert_int_equal(sn_file_save(path, "old", 3, NULL), SINTER_OK);
    assert_int_equal(sn_file_writer_open(&w, path, NULL), SINTER_OK);
    assert_int_equal(sn_file_write(&w, "new!", 4, NULL), SINTER_OK);
    assert_int_equal(w.written, 4);
    assert_int_equal(sn_file_load(path, 100, &bytes, &size, NULL), SINTER_OK);
    assert_string_equal(bytes, "old");
    sn_free(bytes);
    assert_int_equal(files_in_folder(), 2);
    sn_file_writer_close(&w); /* not committed: as if nothing had happened */
    assert_int_equal(files_in_folder(), 1);
    sn_file_writer_close(&w);

    assert_int_equal(sn_file_writer_open(&w, path, NULL), SINTER_OK);
    assert_int_equal(sn_file_write(&w, "new!", 4, NULL), SINTER_OK);
    assert_int_equal(sn_file_writer_commit(&w, NULL), SINTER_OK);
    sn_file_writer_close(&w);
    assert_int_equal(sn_file_load(path, 100, &bytes, &size, NULL), SINTER_OK);
    assert_string_equal(bytes, "new!");
    sn_free(bytes);
    assert_int_equal(files_in_folder(), 1);
}

static void permissions_follow_the_umask(void **state)
{
    (void)state;
    struct stat st;
    mode_t old = umask(027);
    unlink(path);
    assert_int_equal(sn_file_save(path, "x", 1, NULL), SINTER_OK);
    umask(old);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void links_and_devices_are_not_replaced(void **state)
{
    (void)state;
    struct stat st;
    char *link = sn_path_join(folder, "link"), *bytes;
    size_t size;
    assert_int_equal(sn_file_save(path, "old", 3, NULL), SINTER_OK);
    assert_int_equal(symlink("out", link), 0);
    assert_int_equal(sn_file_save(link, "through", 7, NULL), SINTER_OK);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(sn_file_load(path, 100, &bytes, &size, NULL), SINTER_OK);
    assert_string_equal(bytes, "through");
    sn_free(bytes);
    unlink(link);
    sn_free(link);
    assert_int_equal(sn_file_save("/dev/null", "x", 1, NULL), SINTER_OK);
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

static void errors_name_the_file(void **state)
{
    (void)state;
    sinter_error err;
    assert_int_equal(sn_file_save(folder, "x", 1, &err), SINTER_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, folder));
    assert_int_equal(sn_file_save("/nonexistent/file", "x", 1, &err), SINTER_IO);
    assert_non_null(strstr(err.text, "/nonexistent/file"));
    assert_int_equal(sn_file_save("/dev/full", "x", 1, &err), SINTER_IO);
    assert_non_null(strstr(err.text, "/dev/full"));
}

static void failures_do_not_leak(void **state)
{
    (void)state;
    sinter_status status;
    long n = 0;
    do {
        sn_alloc_fail_after(n++);
        status = sn_file_save(path, "x", 1, NULL);
        sn_alloc_fail_after(-1);
        assert_true(status == SINTER_OK || status == SINTER_NO_MEMORY);
        assert_int_equal(files_in_folder(), 1);
    } while (status != SINTER_OK);
    assert_true(n > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_joined),
        cmocka_unit_test(what_is_saved_is_loaded),
        cmocka_unit_test(the_old_file_stays_until_commit),
        cmocka_unit_test(permissions_follow_the_umask),
        cmocka_unit_test(links_and_devices_are_not_replaced),
        cmocka_unit_test(errors_name_the_file),
        cmocka_unit_test(failures_do_not_leak),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
