#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/value.h"
#include <string.h>

static sinter_value *vector(sinter_dtype dtype, int64_t n)
{
    sinter_value *v;
    assert_int_equal(sinter_tensor_create(dtype, 1, &n, &v, NULL), SINTER_OK);
    return v;
}

static void tensors_are_created_zeroed(void **state)
{
    (void)state;
    sinter_value *v;
    assert_int_equal(sinter_tensor_create(SINTER_FLOAT, 2, (int64_t[]){3, 5}, &v, NULL), SINTER_OK);
    assert_int_equal(sinter_value_kind(v), SINTER_KIND_TENSOR);
    assert_int_equal(sinter_tensor_dtype(v), SINTER_FLOAT);
    assert_int_equal(sinter_tensor_rank(v), 2);
    assert_int_equal(sinter_tensor_dims(v)[1], 5);
    assert_int_equal(sinter_tensor_count(v), 15);
    assert_int_equal(sinter_tensor_size(v), 60);
    assert_int_equal((uintptr_t)sinter_tensor_data(v) % SN_ALIGNMENT, 0);
    const char *p = sinter_tensor_mutable_data(v);
    for (int i = 0; i < 60; ++i) assert_int_equal(p[i], 0);
    sinter_value_release(v);
    assert_int_equal(sinter_tensor_create(SINTER_INT8, 0, NULL, &v, NULL), SINTER_OK);
    assert_int_equal(sinter_tensor_count(v), 1);
    sinter_value_release(v);
    assert_int_equal(sinter_tensor_create(SINTER_STRING, 1, (int64_t[]){0}, &v, NULL), SINTER_OK);
    assert_non_null(sinter_tensor_data(v));
    sinter_value_release(v);
}

static void bad_tensors_are_refused(void **state)
{
    (void)state;
    sinter_value *v = NULL;
    sinter_error err;
    int64_t dims[17] = {1};
    assert_int_equal(sinter_tensor_create(SINTER_UNDEFINED, 1, dims, &v, &err), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sinter_tensor_create((sinter_dtype)99, 1, dims, &v, &err), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sinter_tensor_create(SINTER_FLOAT, 17, dims, &v, &err), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sinter_tensor_create(SINTER_FLOAT, -1, dims, &v, &err), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sinter_tensor_create(SINTER_FLOAT, 1, NULL, &v, &err), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sinter_tensor_create(SINTER_FLOAT, 1, (int64_t[]){-2}, &v, &err), SINTER_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "-2"));
    assert_int_equal(sinter_tensor_create(SINTER_FLOAT, 1, (int64_t[]){INT64_MIN}, &v, &err), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sinter_tensor_create(SINTER_FLOAT, 2, (int64_t[]){1 << 30, 1 << 30}, &v, &err), SINTER_TOO_LARGE);
    assert_int_equal(sinter_tensor_create(SINTER_DOUBLE, 1, (int64_t[]){INT64_MAX}, &v, &err), SINTER_TOO_LARGE);
    assert_int_equal(sinter_tensor_create(SINTER_DOUBLE, 1, (int64_t[]){(int64_t)1 << 38}, &v, &err), SINTER_TOO_LARGE);
    assert_null(v);
}

static void wrapping_borrows(void **state)
{
    (void)state;
    float data[6] = {1, 2, 3};
    sinter_value *v = NULL;
    sinter_error err;
    int64_t dims[] = {2, 3};
    assert_int_equal(sinter_tensor_wrap(SINTER_FLOAT, 2, dims, data, 23, &v, &err), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sinter_tensor_wrap(SINTER_FLOAT, 2, dims, NULL, 24, &v, &err), SINTER_INVALID_ARGUMENT);
    assert_null(v);
    assert_int_equal(sinter_tensor_wrap(SINTER_FLOAT, 2, dims, data, 24, &v, &err), SINTER_OK);
    assert_ptr_equal(sinter_tensor_data(v), data);
    sinter_value_release(v);
    dims[0] = 0;
    assert_int_equal(sinter_tensor_wrap(SINTER_FLOAT, 2, dims, NULL, 0, &v, &err), SINTER_OK);
    assert_non_null(sinter_tensor_data(v));
    sinter_value_release(v);
}

static void tensors_share_a_block(void **state)
{
    (void)state;
    sn_block *b = sn_block_create(32, true);
    sn_shape s = sn_shape_of(1, (int64_t[]){4});
    sinter_value *v;
    assert_int_equal(sn_tensor_from_block(SINTER_FLOAT, &s, b, (char *)sn_block_data(b) + 16, &v, NULL), SINTER_OK);
    assert_true(sn_block_is_shared(b));
    sinter_value_release(v);
    assert_false(sn_block_is_shared(b));
    sn_block_release(b);
    sinter_value header;
    int32_t numbers[4] = {5, 6, 7, 8};
    sn_tensor_init_borrowed(&header, SINTER_INT32, &s, numbers);
    assert_int_equal(header.size, 16);
    assert_int_equal(sn_tensor_int(&header, 3), 8);
}

static void strings_are_copied(void **state)
{
    (void)state;
    char word[] = "hello";
    sinter_string strings[] = {{word, 5}, {NULL, 0}, {"a\0b", 3}};
    int64_t dims[] = {3};
    sinter_value *v = NULL, *copy;
    sinter_error err;
    assert_int_equal(sinter_tensor_create_strings(1, dims, NULL, &v, &err), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sinter_tensor_create_strings(1, dims, (sinter_string[]){{"", 0}, {NULL, 4}, {"", 0}}, &v, &err),
                     SINTER_INVALID_ARGUMENT);
    assert_null(v);
    assert_int_equal(sinter_tensor_create_strings(1, dims, strings, &v, &err), SINTER_OK);
    word[0] = 'X';
    assert_int_equal(sn_value_copy(v, &copy, &err), SINTER_OK);
    sinter_value_release(v);
    const sinter_string *s = sinter_tensor_data(copy);
    assert_int_equal(s[0].size, 5);
    assert_memory_equal(s[0].data, "hello", 5);
    assert_int_equal(s[1].size, 0);
    assert_memory_equal(s[2].data, "a\0b", 3);
    sinter_value *target = vector(SINTER_STRING, 3);
    assert_int_equal(sn_tensor_copy_into(target, copy, &err), SINTER_OK);
    assert_int_equal(sn_tensor_copy_into(target, copy, &err), SINTER_OK); /* replaces the first characters */
    sinter_value_release(copy);
    assert_memory_equal(((const sinter_string *)sinter_tensor_data(target))[0].data, "hello", 5);
    sinter_value_release(target);
}

static void containers_hold_references(void **state)
{
    (void)state;
    sinter_value *a = vector(SINTER_FLOAT, 2), *b = vector(SINTER_INT64, 2), *items[] = {a, b, a}, *sequence, *map;
    assert_int_equal(sinter_container_create(SINTER_KIND_SEQUENCE, items, 3, &sequence, NULL), SINTER_OK);
    assert_int_equal(sinter_container_create(SINTER_KIND_MAP, (sinter_value *[]){b, a}, 2, &map, NULL), SINTER_OK);
    ((float *)sinter_tensor_mutable_data(a))[1] = 7;
    sinter_value_release(a);
    sinter_value_release(b);
    assert_int_equal(sinter_container_count(sequence), 3);
    assert_ptr_equal(sinter_container_item(sequence, 2), a);
    assert_null(sinter_container_item(sequence, 3));
    sinter_value *copy;
    assert_int_equal(sn_value_copy(sequence, &copy, NULL), SINTER_OK);
    sinter_value_release(sequence);
    sinter_value_release(map);
    assert_true(((const float *)sinter_tensor_data(sinter_container_item(copy, 2)))[1] == 7);
    sinter_value_release(copy);
}

static void bad_containers_are_refused(void **state)
{
    (void)state;
    sinter_value *a = vector(SINTER_FLOAT, 2), *b = vector(SINTER_INT64, 3), *v = NULL, *items[] = {a, b, NULL};
    assert_int_equal(sinter_container_create(SINTER_KIND_SEQUENCE, items, 3, &v, NULL), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sinter_container_create(SINTER_KIND_OPTIONAL, items, 2, &v, NULL), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sinter_container_create(SINTER_KIND_TENSOR, items, 2, &v, NULL), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sinter_container_create(SINTER_KIND_MAP, items, 2, &v, NULL), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sinter_container_create(SINTER_KIND_MAP, items, 1, &v, NULL), SINTER_INVALID_ARGUMENT);
    assert_null(v);
    assert_int_equal(sinter_container_create(SINTER_KIND_OPTIONAL, NULL, 0, &v, NULL), SINTER_OK);
    sinter_value_release(v);
    sinter_value_release(a);
    sinter_value_release(b);
    sinter_value_release(NULL);
    assert_null(sinter_value_retain(NULL));
}

static void deep_nesting_is_freed_without_recursion(void **state)
{
    (void)state;
    sinter_value *v = vector(SINTER_FLOAT, 1), *copy = NULL;
    for (int i = 0; i < 200000; ++i) {
        sinter_value *outer;
        assert_int_equal(sinter_container_create(SINTER_KIND_SEQUENCE, (sinter_value *[]){v, v}, 2, &outer, NULL),
                         SINTER_OK);
        sinter_value_release(v);
        v = outer;
    }
    assert_int_equal(sn_value_copy(v, &copy, NULL), SINTER_TOO_LARGE);
    assert_null(copy);
    sinter_value_release(v);
}

static void failures_do_not_leak(void **state)
{
    (void)state;
    sinter_value *v;
    sinter_string strings[] = {{"a", 1}, {"bc", 2}};
    assert_int_equal(sinter_tensor_create_strings(1, (int64_t[]){2}, strings, &v, NULL), SINTER_OK);
    sinter_value *sequence, *copy = NULL;
    assert_int_equal(sinter_container_create(SINTER_KIND_SEQUENCE, (sinter_value *[]){v, v}, 2, &sequence, NULL),
                     SINTER_OK);
    sinter_value_release(v);
    sinter_status status;
    long n = 0;
    do {
        sinter_error err;
        sn_alloc_fail_after(n++);
        status = sn_value_copy(sequence, &copy, &err);
        sn_alloc_fail_after(-1);
        if (status != SINTER_OK) assert_int_equal(err.code, SINTER_NO_MEMORY);
    } while (status != SINTER_OK);
    assert_int_equal(n, 9); /* two headers with two blocks each, the sequence and its array, and the run that works */
    sinter_value_release(copy);
    sinter_value_release(sequence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_created_zeroed), cmocka_unit_test(bad_tensors_are_refused),
        cmocka_unit_test(wrapping_borrows),           cmocka_unit_test(tensors_share_a_block),
        cmocka_unit_test(strings_are_copied),         cmocka_unit_test(containers_hold_references),
        cmocka_unit_test(bad_containers_are_refused), cmocka_unit_test(deep_nesting_is_freed_without_recursion),
        cmocka_unit_test(failures_do_not_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
