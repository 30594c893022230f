#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/map.h"
#include <stdio.h>
#include <string.h>

static void allocations_are_usable_and_aligned(void **state)
{
    (void)state;
    void *empty = sn_malloc(0);
    assert_non_null(empty);
    sn_free(empty);
    for (size_t size = 0; size < 300; size += 37) {
        void *p = sn_malloc_aligned(size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % SN_ALIGNMENT, 0);
        sn_free(p);
    }
    assert_null(sn_malloc_aligned(SIZE_MAX - 3));
    assert_null(sn_calloc(SIZE_MAX, 2));
    char *s = sn_strdup("abc");
    assert_string_equal(s, "abc");
    sn_free(s);
    sn_free(NULL);
}

static void failure_can_be_injected(void **state)
{
    (void)state;
    sn_alloc_fail_after(2);
    void *a = sn_malloc(1), *b = sn_calloc(1, 1), *c = sn_malloc(1), *d = sn_malloc_aligned(1);
    void *e = sn_realloc(NULL, 1);
    sn_alloc_fail_after(-1);
    void *f = sn_malloc(1);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(c);
    assert_null(d);
    assert_null(e);
    assert_non_null(f);
    sn_free(a);
    sn_free(b);
    sn_free(f);
}

static void arrays_grow(void **state)
{
    (void)state;
    int *a = NULL;
    size_t capacity = 0;
    for (size_t n = 0; n < 1000; ++n) {
        assert_true(SN_GROW(a, capacity, n));
        a[n] = (int)n;
    }
    for (int n = 0; n < 1000; ++n) assert_int_equal(a[n], n);
    sn_alloc_fail_after(0);
    bool grown = SN_GROW(a, capacity, capacity);
    sn_alloc_fail_after(-1);
    assert_false(grown);
    assert_int_equal(a[999], 999);
    sn_free(a);
}

static void arena_gives_zeroed_aligned_memory(void **state)
{
    (void)state;
    static const char zeros[70000];
    sn_arena a = {0};
    char *first = sn_arena_alloc(&a, 8);
    memset(first, 'x', 8);
    for (size_t size = 0; size < 70000; size = size * 2 + 1) {
        char *p = sn_arena_alloc(&a, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        assert_memory_equal(p, zeros, size);
        memset(p, 0x55, size);
    }
    assert_memory_equal(first, "xxxxxxxx", 8);
    assert_null(sn_arena_alloc(&a, SIZE_MAX));
    assert_null(sn_arena_calloc(&a, SIZE_MAX / 2, 3));
    assert_true(a.total > 70000);
    sn_arena_free(&a);
    assert_null(a.chunks);
    assert_non_null(sn_arena_alloc(&a, 1)); /* an emptied arena can be used again */
    sn_arena_free(&a);
}

static void a_large_block_does_not_waste_the_chunk(void **state)
{
    (void)state;
    sn_arena a = {0};
    char *p = sn_arena_alloc(&a, 16);
    (void)sn_arena_alloc(&a, 1 << 20);
    assert_ptr_equal(sn_arena_alloc(&a, 16), p + 16);
    sn_arena_free(&a);
}

static void arena_copies_strings(void **state)
{
    (void)state;
    sn_arena a = {0};
    sn_str s = sn_arena_bytes(&a, "abcdef", 3);
    assert_string_equal(s.p, "abc");
    assert_int_equal(s.n, 3);
    s = sn_arena_printf(&a, "%s-%d", "x", 12);
    assert_string_equal(s.p, "x-12");
    assert_int_equal(s.n, 4);
    s = sn_arena_str(&a, SN_STR(""));
    assert_string_equal(s.p, "");
    assert_non_null(sn_arena_copy(&a, NULL, 0));
    sn_arena_free(&a);
    sn_alloc_fail_after(0);
    s = sn_arena_printf(&a, "x");
    sn_alloc_fail_after(-1);
    assert_null(s.p);
}

static void text_grows_and_fails_once(void **state)
{
    (void)state;
    sn_text t = {0};
    for (int i = 0; i < 1000; ++i) sn_text_append(&t, "%d,", i);
    sn_text_append_bytes(&t, "end", 3);
    assert_false(t.failed);
    assert_int_equal(t.n, strlen(t.p));
    assert_string_equal(t.p + t.n - 7, "999,end");
    sn_text_free(&t);
    sn_alloc_fail_after(0);
    sn_text_append(&t, "x");
    sn_alloc_fail_after(-1);
    sn_text_append(&t, "y");
    assert_true(t.failed);
    assert_null(t.p);
}

static void map_finds_what_was_put(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    sn_arena a = {0};
    sn_map m = {0};
    assert_int_equal(sn_map_get(&m, SN_STR("x")), SN_MAP_NONE);
    for (uint32_t i = 0; i < COUNT; ++i) assert_true(sn_map_put(&m, sn_arena_printf(&a, "name%u", i), i));
    assert_int_equal(m.count, COUNT);
    for (uint32_t i = 0; i < COUNT; ++i) {
        char key[32];
        snprintf(key, sizeof key, "name%u", i);
        assert_int_equal(sn_map_get(&m, sn_str_of(key)), i);
    }
    assert_int_equal(sn_map_get(&m, SN_STR("name")), SN_MAP_NONE);
    assert_true(sn_map_put(&m, SN_STR("name7"), 70));
    assert_true(sn_map_put(&m, SN_STR(""), 71));
    assert_int_equal(sn_map_get(&m, SN_STR("name7")), 70);
    assert_int_equal(sn_map_get(&m, SN_STR("")), 71);
    assert_int_equal(m.count, COUNT + 1);
    sn_map_free(&m);
    sn_arena_free(&a);
    assert_int_equal(sn_map_get(&m, SN_STR("name7")), SN_MAP_NONE);
}

static void hash_is_fnv1a(void **state)
{
    (void)state;
    assert_true(sn_hash(SN_STR("")) == UINT64_C(0xcbf29ce484222325));
    assert_true(sn_hash(SN_STR("a")) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(sn_hash(SN_STR("foobar")) == UINT64_C(0x85944171f73967e8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_usable_and_aligned),
        cmocka_unit_test(failure_can_be_injected),
        cmocka_unit_test(arrays_grow),
        cmocka_unit_test(arena_gives_zeroed_aligned_memory),
        cmocka_unit_test(a_large_block_does_not_waste_the_chunk),
        cmocka_unit_test(arena_copies_strings),
        cmocka_unit_test(text_grows_and_fails_once),
        cmocka_unit_test(map_finds_what_was_put),
        cmocka_unit_test(hash_is_fnv1a),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
