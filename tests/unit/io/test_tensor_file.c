#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/pb.h"
#include "io/tensor_file.h"
#include "scratch.h"

static sinter_value *make_rows(int64_t rows)
{
    sinter_value *v;
    const int64_t dims[] = {rows, 2};
    assert_int_equal(sinter_tensor_create(SINTER_FLOAT, 2, dims, &v, NULL), SINTER_OK);
    float *data = sinter_tensor_mutable_data(v);
    for (int64_t i = 0; i < rows * 2; i++) data[i] = (float)i;
    return v;
}

static void assert_rows(const sinter_value *v, const float *expected, int64_t rows)
{
    assert_int_equal(sinter_tensor_rank(v), 2);
    assert_int_equal(sinter_tensor_dims(v)[0], rows);
    assert_int_equal(sinter_tensor_dims(v)[1], 2);
    assert_memory_equal(sinter_tensor_data(v), expected, (size_t)rows * 2 * sizeof *expected);
}

static void pb_files_round_trip(void **state)
{
    sinter_value *v = make_rows(3), *again;
    const char *path = scratch_path(*state, "a.pb");
    assert_int_equal(sn_pb_save(path, "a", v, NULL), SINTER_OK);
    assert_int_equal(sn_tensor_file_load(path, SINTER_KIND_TENSOR, &again, NULL), SINTER_OK);
    assert_rows(again, sinter_tensor_data(v), 3);
    sinter_value_release(again);
    sinter_value_release(v);
}

static void errors_name_the_file(void **state)
{
    sinter_value *v;
    sinter_error err;
    const char *path = scratch_path(*state, "a.txt");
    assert_int_equal(sn_tensor_file_load(path, SINTER_KIND_TENSOR, &v, &err), SINTER_INVALID_INPUT);
    assert_non_null(strstr(err.text, "a.txt"));
    path = scratch_path(*state, "absent.pb");
    assert_int_equal(sn_tensor_file_load(path, SINTER_KIND_TENSOR, &v, &err), SINTER_NOT_FOUND);
    assert_non_null(strstr(err.text, "absent.pb"));
    path = scratch_path(*state, "broken.pb");
    assert_int_equal(sn_file_save(path, "\xFF\xFF\xFF", 3, NULL), SINTER_OK);
    assert_int_equal(sn_tensor_file_load(path, SINTER_KIND_TENSOR, &v, &err), SINTER_INVALID_INPUT);
    assert_non_null(strstr(err.text, "broken.pb"));
    path = scratch_path(*state, "a.npy");
    assert_int_equal(sn_tensor_file_load(path, SINTER_KIND_SEQUENCE, &v, &err), SINTER_INVALID_INPUT);
    assert_non_null(strstr(err.text, "a.npy"));
}

static void row_readers_agree(void **state)
{
    static const char *const names[] = {"a.npy", "a.pb"};
    sinter_value *v = make_rows(5), *rows;
    for (size_t i = 0; i < 2; i++) {
        char path[640];
        snprintf(path, sizeof path, "%s", scratch_path(*state, names[i]));
        assert_int_equal(i == 0 ? sn_npy_save(path, v, NULL) : sn_pb_save(path, "a", v, NULL), SINTER_OK);
        sn_row_reader r;
        assert_int_equal(sn_row_reader_open(&r, path, SINTER_KIND_TENSOR, NULL), SINTER_OK);
        assert_int_equal(r.rank, 2);
        assert_int_equal(r.dims[0], 5);
        assert_int_equal(r.dtype, SINTER_FLOAT);
        assert_int_equal(r.whole == NULL, i == 0); /* .npy rows are read from the file, a few at a time */
        assert_int_equal(sn_row_reader_read(&r, 2, 4, &rows, NULL), SINTER_OK);
        assert_rows(rows, (const float *)sinter_tensor_data(v) + 4, 2);
        sinter_value_release(rows);
        assert_int_equal(sn_row_reader_read(&r, 2, 6, &rows, NULL), SINTER_INVALID_ARGUMENT);
        assert_int_equal(sn_row_reader_read_all(&r, &rows, NULL), SINTER_OK);
        assert_rows(rows, sinter_tensor_data(v), 5);
        sinter_value_release(rows);
        sn_row_reader_close(&r);
        sn_row_reader_close(&r); /* harmless */
    }
    sinter_value_release(v);
}

static void fortran_rows_are_rows(void **state)
{
    static const char header[] =
        "\x93NUMPY\x01\x00\x3A\x00{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }   \n";
    const float stored[] = {0, 2, 4, 1, 3, 5}, expected[] = {2, 3, 4, 5};
    char bytes[256], path[640];
    size_t n = 10 + 0x3A;
    memset(bytes, ' ', sizeof bytes);
    memcpy(bytes, header, sizeof header - 1);
    memcpy(bytes + n, stored, sizeof stored);
    snprintf(path, sizeof path, "%s", scratch_path(*state, "f.npy"));
    assert_int_equal(sn_file_save(path, bytes, n + sizeof stored, NULL), SINTER_OK);
    sn_row_reader r;
    sinter_value *rows;
    assert_int_equal(sn_row_reader_open(&r, path, SINTER_KIND_TENSOR, NULL), SINTER_OK);
    assert_int_equal(sn_row_reader_read(&r, 1, 3, &rows, NULL), SINTER_OK);
    assert_rows(rows, expected, 2);
    sinter_value_release(rows);
    sn_row_reader_close(&r);
}

static void padding_repeats_the_last_row(void **state)
{
    const float expected[] = {0, 1, 2, 3, 2, 3, 2, 3};
    sinter_value *v = make_rows(2), *padded;
    (void)state;
    assert_int_equal(sn_rows_pad(v, 4, &padded, NULL), SINTER_OK);
    assert_rows(padded, expected, 4);
    sinter_value_release(padded);
    assert_int_equal(sn_rows_pad(v, 1, &padded, NULL), SINTER_INVALID_ARGUMENT);
    sinter_value_release(v);
}

static void strings_slice_and_pad(void **state)
{
    const sinter_string s[] = {{"a", 1}, {"bc", 2}, {"", 0}};
    const int64_t dims[] = {3};
    sinter_value *v, *part, *padded;
    (void)state;
    assert_int_equal(sinter_tensor_create_strings(1, dims, s, &v, NULL), SINTER_OK);
    assert_int_equal(sn_rows_slice(v, 0, 2, &part, NULL), SINTER_OK);
    sinter_value_release(v);
    assert_int_equal(sn_rows_pad(part, 3, &padded, NULL), SINTER_OK);
    sinter_value_release(part);
    const sinter_string *out = sinter_tensor_data(padded);
    assert_int_equal(sinter_tensor_count(padded), 3);
    assert_memory_equal(out[0].data, "a", 1);
    assert_int_equal(out[2].size, 2);
    assert_memory_equal(out[2].data, "bc", 2);
    sinter_value_release(padded);
}

static void rows_of_strings_are_padded_whole(void **state)
{
    const sinter_string s[] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}};
    const int64_t dims[] = {2, 2};
    sinter_value *v, *padded;
    (void)state;
    assert_int_equal(sinter_tensor_create_strings(2, dims, s, &v, NULL), SINTER_OK);
    assert_int_equal(sn_rows_pad(v, 4, &padded, NULL), SINTER_OK);
    sinter_value_release(v);
    const sinter_string *out = sinter_tensor_data(padded);
    assert_int_equal(sinter_tensor_count(padded), 8);
    for (size_t i = 0; i < 8; i++) assert_memory_equal(out[i].data, &"abcdcdcd"[i], 1);
    sinter_value_release(padded);
}

int main(void)
{
#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_open, scratch_close)
    const struct CMUnitTest tests[] = {
        WITH_SCRATCH(pb_files_round_trip),
        WITH_SCRATCH(errors_name_the_file),
        WITH_SCRATCH(row_readers_agree),
        WITH_SCRATCH(fortran_rows_are_rows),
        cmocka_unit_test(padding_repeats_the_last_row),
        cmocka_unit_test(strings_slice_and_pad),
        cmocka_unit_test(rows_of_strings_are_padded_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
