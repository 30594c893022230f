#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/block.h"
#include "base/file.h"
#include "tests/unit/temporary.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256];
static char *path;
static size_t page;

static int make_folder(void **state)
{
    (void)state;
    page = (size_t)sysconf(_SC_PAGESIZE);
    temporary_pattern(folder, sizeof folder, "test");
    if (!mkdtemp(folder)) return -1;
    path = sn_path_join(folder, "file");
    return path ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    sn_free(path);
    return rmdir(folder);
}

/* A file of `pages` pages and 100 bytes; page i is filled with 'a' + i. */
static void write_pages(size_t pages)
{
    size_t size = pages * page + 100;
    char *bytes = sn_malloc(size);
    for (size_t i = 0; i < size; ++i) bytes[i] = (char)('a' + i / page);
    assert_int_equal(sn_file_save(path, bytes, size, NULL), SINTER_OK);
    sn_free(bytes);
}

static void heap_blocks_are_counted(void **state)
{
    (void)state;
    sn_block *b = sn_block_create(1000, true);
    char *p = sn_block_data(b);
    assert_int_equal((uintptr_t)p % SN_ALIGNMENT, 0);
    assert_int_equal(sn_block_size(b), 1000);
    for (int i = 0; i < 1000; ++i) assert_int_equal(p[i], 0);
    assert_true(sn_block_is_writable(b));
    assert_false(sn_block_is_file(b));
    assert_ptr_equal(sn_block_retain(b), b);
    assert_true(sn_block_is_shared(b));
    assert_false(sn_block_is_writable(b));
    sn_block_release(b);
    assert_true(sn_block_is_writable(b));
    sn_block_release(b);
    assert_null(sn_block_retain(NULL));
    sn_block_release(NULL);
    assert_null(sn_block_create(SIZE_MAX - 10, false));
}

static void slices_keep_their_root(void **state)
{
    (void)state;
    sn_block *b = sn_block_create(100, true);
    strcpy((char *)sn_block_data(b) + 20, "deep");
    sn_block *outer = sn_block_slice(b, 10, 50), *inner = sn_block_slice(outer, 10, 5);
    sn_block_release(b);
    sn_block_release(outer);
    assert_string_equal(sn_block_data(inner), "deep");
    assert_int_equal(sn_block_size(inner), 5);
    assert_false(sn_block_is_writable(inner));
    sn_block_release(inner);
}

static void files_are_opened_both_ways(void **state)
{
    (void)state;
    write_pages(2);
    for (int map = 0; map < 2; ++map) {
        sn_block *b;
        assert_int_equal(sn_block_open(path, map, &b, NULL), SINTER_OK);
        assert_int_equal(sn_block_size(b), 2 * page + 100);
        assert_int_equal(sn_block_is_file(b), map);
        assert_false(sn_block_is_writable(b));
        const char *p = sn_block_data(b);
        assert_int_equal(p[0], 'a');
        assert_int_equal(p[2 * page + 99], 'c');
        sn_block *s = sn_block_slice(b, page, 10);
        sn_block_release(b);
        assert_int_equal(*(char *)sn_block_data(s), 'b');
        assert_int_equal(sn_block_is_file(s), map);
        sn_block_release(s);
    }
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    sn_block *b = NULL;
    sinter_error err;
    assert_int_equal(sn_block_open("/nonexistent/x", true, &b, &err), SINTER_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent/x"));
    assert_int_equal(sn_block_open(folder, true, &b, &err), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sn_block_open("/dev/zero", false, &b, &err), SINTER_INVALID_ARGUMENT);
    char *fifo = sn_path_join(folder, "fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(sn_block_open(fifo, false, &b, &err), SINTER_INVALID_ARGUMENT); /* and does not wait */
    unlink(fifo);
    sn_free(fifo);
    assert_null(b);
    assert_int_equal(sn_file_save(path, "", 0, NULL), SINTER_OK);
    assert_int_equal(sn_block_open(path, true, &b, &err), SINTER_OK);
    assert_int_equal(sn_block_size(b), 0);
    sn_block_release(b);
}

static bool resident(const char *p)
{
    unsigned char in_core = 0;
    assert_int_equal(mincore((void *)(uintptr_t)p, page, &in_core), 0);
    return in_core & 1;
}

static void discarding_returns_whole_pages(void **state)
{
    (void)state;
    write_pages(5);
    sn_block *b;
    assert_int_equal(sn_block_open(path, false, &b, NULL), SINTER_OK);
    const char *p = sn_block_data(b);
    sn_block *s = sn_block_slice(b, page / 2, 3 * page); /* pages 1 and 2 lie in it whole */
    sn_block_release(b);
    sn_block_retain(s);
    sn_block_discard(s, 0, 3 * page);
    assert_true(resident(p + page)); /* somebody else holds the slice */
    sn_block_release(s);
    sn_block_discard(s, 0, 4 * page);
    assert_true(resident(p + page)); /* beyond the slice: ignored */
    sn_block_discard(s, 0, 3 * page);
    assert_true(resident(p) && !resident(p + page) && !resident(p + 2 * page) && resident(p + 3 * page));
    assert_int_equal(p[page - 1], 'a');
    assert_int_equal(p[3 * page], 'd');
    sn_block_release(s);
}

static void shared_pages_are_not_discarded(void **state)
{
    (void)state;
    write_pages(5);
    sn_block *b;
    assert_int_equal(sn_block_open(path, false, &b, NULL), SINTER_OK);
    sn_block *s = sn_block_slice(b, 0, 4 * page), *other = sn_block_slice(b, page + 5, 10);
    const char *p = sn_block_data(b);
    sn_block_discard(s, 0, 4 * page);
    assert_int_equal(p[page + 5], 'b'); /* the other slice still reads it */
    assert_int_equal(p[0], 0);
    assert_int_equal(p[2 * page], 0);
    sn_block_release(other);
    sn_block_discard(s, 0, 4 * page);
    assert_int_equal(p[page + 5], 0);
    sn_block_release(s);
    sn_block_release(b);
}

static void discarding_a_mapping_loses_nothing(void **state)
{
    (void)state;
    write_pages(3);
    sn_block *b;
    assert_int_equal(sn_block_open(path, true, &b, NULL), SINTER_OK);
    sn_block *s = sn_block_slice(b, 0, 3 * page);
    sn_block_discard(s, 0, 3 * page);
    assert_int_equal(((char *)sn_block_data(s))[page], 'b');
    sn_block_release(s);
    sn_block_release(b);
    sn_block *heap = sn_block_create(4 * page, true);
    memset(sn_block_data(heap), 'h', 4 * page);
    sn_block_discard(heap, 0, 4 * page);
    assert_int_equal(((char *)sn_block_data(heap))[2 * page], 'h');
    sn_block_release(heap);
}

static void failures_do_not_leak(void **state)
{
    (void)state;
    write_pages(1);
    for (int map = 0; map < 2; ++map) {
        long n = 0;
        sinter_status status;
        do {
            sn_block *b = NULL;
            sn_alloc_fail_after(n++);
            status = sn_block_open(path, map, &b, NULL);
            sn_alloc_fail_after(-1);
            assert_true(status == SINTER_OK || (status == SINTER_NO_MEMORY && !b));
            sn_block_release(b);
        } while (status != SINTER_OK);
        assert_true(n > 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heap_blocks_are_counted),
        cmocka_unit_test(slices_keep_their_root),
        cmocka_unit_test(files_are_opened_both_ways),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(discarding_returns_whole_pages),
        cmocka_unit_test(shared_pages_are_not_discarded),
        cmocka_unit_test(discarding_a_mapping_loses_nothing),
        cmocka_unit_test(failures_do_not_leak),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
