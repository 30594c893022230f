#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "io/npy.h"
#include "scratch.h"

/* A version 1.0 file in memory: `dict` as the header, then the data. */
static size_t make_file(char *out, const char *dict, const void *data, size_t size)
{
    size_t n = strlen(dict);
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)(n & 0xFF);
    out[9] = (char)(n >> 8);
    memcpy(out + 10, dict, n);
    if (size) memcpy(out + 10 + n, data, size);
    return 10 + n + size;
}

static const char *write_file(scratch *s, const char *dict, const void *data, size_t size)
{
    char bytes[2048];
    size_t n = make_file(bytes, dict, data, size);
    const char *path = scratch_path(s, "in.npy");
    assert_int_equal(sn_file_save(path, bytes, n, NULL), SINTER_OK);
    return path;
}

static sinter_value *load(const char *path)
{
    sinter_value *v = NULL;
    sinter_error err = {0};
    if (sn_npy_load(path, &v, &err) != SINTER_OK) fail_msg("%s", err.text);
    return v;
}

/* ------------------------------------------------------------------------------------------------ headers */

static void parses_what_numpy_and_others_write(void **state)
{
    static const char *const dicts[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }          \n",
        "{\"shape\": (2,3), \"descr\": \"<f4\", \"fortran_order\": False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }",
        " { 'shape':( 2 , 3 , ) ,'fortran_order':False,'descr':'f4' } ",
    };
    (void)state;
    for (size_t i = 0; i < sizeof dicts / sizeof *dicts; i++) {
        char bytes[256];
        sn_npy_header h;
        size_t n = make_file(bytes, dicts[i], NULL, 0);
        assert_int_equal(sn_npy_parse_header(bytes, n, &h, NULL), SINTER_OK);
        assert_int_equal(h.dtype, SINTER_FLOAT);
        assert_int_equal(h.rank, 2);
        assert_int_equal(h.dims[0], 2);
        assert_int_equal(h.dims[1], 3);
        assert_int_equal(h.bytes, 24);
        assert_int_equal(h.offset, n);
        assert_false(h.fortran_order);
    }
}

static void maps_every_type(void **state)
{
    static const struct {
        const char *descr;
        sinter_dtype dtype;
        size_t item;
    } rows[] = {
        {"|b1", SINTER_BOOL, 1},      {"|i1", SINTER_INT8, 1},         {"|u1", SINTER_UINT8, 1},
        {"<i2", SINTER_INT16, 2},     {"<u2", SINTER_UINT16, 2},       {"<i4", SINTER_INT32, 4},
        {"<u4", SINTER_UINT32, 4},    {"<i8", SINTER_INT64, 8},        {"<u8", SINTER_UINT64, 8},
        {"<f2", SINTER_FLOAT16, 2},   {"<f4", SINTER_FLOAT, 4},        {"<f8", SINTER_DOUBLE, 8},
        {"<c8", SINTER_COMPLEX64, 8}, {"<c16", SINTER_COMPLEX128, 16}, {"|S5", SINTER_STRING, 5},
        {"<U5", SINTER_STRING, 20},   {">i1", SINTER_INT8, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char dict[128], bytes[256];
        snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': True, 'shape': (7,), }", rows[i].descr);
        sn_npy_header h;
        assert_int_equal(sn_npy_parse_header(bytes, make_file(bytes, dict, NULL, 0), &h, NULL), SINTER_OK);
        assert_int_equal(h.dtype, rows[i].dtype);
        assert_int_equal(h.item, rows[i].item);
        assert_int_equal(h.count, 7);
        assert_true(h.fortran_order);
    }
}

static void refuses_hostile_headers(void **state)
{
    static const struct {
        const char *dict;
        sinter_status status;
    } rows[] = {
        {"", SINTER_INVALID_INPUT},
        {"{", SINTER_INVALID_INPUT},
        {"{}", SINTER_INVALID_INPUT},
        {"{'descr': '<f4', 'fortran_order': False}", SINTER_INVALID_INPUT},
        {"{'descr': '<f4, 'fortran_order': False, 'shape': (1,)}", SINTER_INVALID_INPUT},
        {"{'descr': '<f4', 'fortran_order': No, 'shape': (1,)}", SINTER_INVALID_INPUT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", SINTER_INVALID_INPUT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1", SINTER_INVALID_INPUT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}", SINTER_INVALID_INPUT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 3}", SINTER_INVALID_INPUT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", SINTER_INVALID_INPUT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)}",
         SINTER_INVALID_INPUT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296,4294967296,4294967296)}", SINTER_TOO_LARGE},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807,)}", SINTER_TOO_LARGE},
        {"{'descr': '|S0', 'fortran_order': False, 'shape': (68719476736,)}", SINTER_TOO_LARGE},
        {"{'descr': '|S0', 'fortran_order': False, 'shape': (65537,)}", SINTER_TOO_LARGE},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", SINTER_INVALID_INPUT},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", SINTER_INVALID_INPUT},
        {"{'descr': '<f16', 'fortran_order': False, 'shape': (1,)}", SINTER_INVALID_INPUT},
        {"{'descr': '<', 'fortran_order': False, 'shape': (1,)}", SINTER_INVALID_INPUT},
        {"{'descr': '', 'fortran_order': False, 'shape': (1,)}", SINTER_INVALID_INPUT},
        {"{'descr': '|S', 'fortran_order': False, 'shape': (1,)}", SINTER_INVALID_INPUT},
        {"{'descr': '|S99999999999', 'fortran_order': False, 'shape': (1,)}", SINTER_INVALID_INPUT},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", SINTER_INVALID_INPUT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}", SINTER_INVALID_INPUT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} tail", SINTER_INVALID_INPUT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char bytes[256];
        sn_npy_header h;
        sinter_error err = {0};
        sinter_status status = sn_npy_parse_header(bytes, make_file(bytes, rows[i].dict, NULL, 0), &h, &err);
        if (status != rows[i].status) fail_msg("%s: %d %s", rows[i].dict, status, err.text);
        assert_true(err.text[0] != '\0');
    }
}

static void refuses_every_prefix(void **state)
{
    char bytes[256];
    sn_npy_header h;
    (void)state;
    size_t n = make_file(bytes, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", NULL, 0);
    for (size_t cut = 0; cut < n; cut++) {
        char *exact = malloc(cut ? cut : 1); /* so that a sanitizer sees a read beyond the end */
        assert_non_null(exact);
        memcpy(exact, bytes, cut);
        assert_int_equal(sn_npy_parse_header(exact, cut, &h, NULL), SINTER_INVALID_INPUT);
        free(exact);
    }
    bytes[6] = 4;
    assert_int_equal(sn_npy_parse_header(bytes, n, &h, NULL), SINTER_INVALID_INPUT);
    bytes[6] = 2; /* four bytes of length now: a huge one */
    memset(bytes + 8, 0xFF, 4);
    assert_int_equal(sn_npy_parse_header(bytes, n, &h, NULL), SINTER_TOO_LARGE);
}

static void written_headers_keep_their_length(void **state)
{
    char out[SN_NPY_WRITTEN_LIMIT];
    size_t small, large;
    int64_t dims[SINTER_MAX_RANK];
    (void)state;
    for (int i = 0; i < SINTER_MAX_RANK; i++) dims[i] = 1;
    for (int rank = 0; rank <= SINTER_MAX_RANK; rank++) {
        sn_npy_header h;
        dims[0] = INT64_C(1) << 30;
        assert_int_equal(sn_npy_format_header("<f4", rank, dims, out, &large, NULL), SINTER_OK);
        dims[0] = 0;
        assert_int_equal(sn_npy_format_header("<f4", rank, dims, out, &small, NULL), SINTER_OK);
        assert_int_equal(small, large);
        assert_int_equal(small % 64, 0);
        assert_int_equal(out[small - 1], '\n');
        assert_int_equal(sn_npy_parse_header(out, small, &h, NULL), SINTER_OK);
        assert_int_equal(h.rank, rank);
        assert_int_equal(h.offset, small);
        assert_int_equal(h.count, rank ? 0 : 1);
    }
    for (int i = 0; i < SINTER_MAX_RANK; i++) dims[i] = INT64_MAX;
    assert_int_equal(sn_npy_format_header("<f4", SINTER_MAX_RANK, dims, out, &small, NULL), SINTER_OK);
}

/* ------------------------------------------------------------------------------------------------ reading */

static void reads_both_orders(void **state)
{
    const int16_t c[] = {0, 1, 2, 10, 11, 12}, fortran[] = {0, 10, 1, 11, 2, 12};
    sinter_value *v =
        load(write_file(*state, "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3)}", c, sizeof c));
    assert_memory_equal(sinter_tensor_data(v), c, sizeof c);
    sinter_value_release(v);
    v = load(write_file(*state, "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3)}", fortran, sizeof fortran));
    assert_int_equal(sinter_tensor_dims(v)[1], 3);
    assert_memory_equal(sinter_tensor_data(v), c, sizeof c);
    sinter_value_release(v);
}

static void reads_fortran_order_of_three_dimensions(void **state)
{
    int32_t stored[24];
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 4; k++) stored[i + 2 * (j + 3 * k)] = i * 100 + j * 10 + k;
    sinter_value *v =
        load(write_file(*state, "{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3, 4)}", stored, sizeof stored));
    const int32_t *data = sinter_tensor_data(v);
    for (int n = 0; n < 24; n++) assert_int_equal(data[n], n / 12 * 100 + n / 4 % 3 * 10 + n % 4);
    sinter_value_release(v);
}

static void bools_become_0_or_1(void **state)
{
    const unsigned char stored[] = {0, 1, 2, 255}, expected[] = {0, 1, 1, 1};
    sinter_value *v = load(write_file(*state, "{'descr': '|b1', 'fortran_order': False, 'shape': (4,)}", stored, 4));
    assert_int_equal(sinter_tensor_dtype(v), SINTER_BOOL);
    assert_memory_equal(sinter_tensor_data(v), expected, 4);
    sinter_value_release(v);
}

static void reads_scalars_and_empty_arrays(void **state)
{
    const double pi = 3.14159;
    sinter_value *v = load(write_file(*state, "{'descr': '<f8', 'fortran_order': False, 'shape': ()}", &pi, sizeof pi));
    assert_int_equal(sinter_tensor_rank(v), 0);
    assert_memory_equal(sinter_tensor_data(v), &pi, sizeof pi);
    sinter_value_release(v);
    v = load(write_file(*state, "{'descr': '<f8', 'fortran_order': True, 'shape': (3, 0)}", NULL, 0));
    assert_int_equal(sinter_tensor_count(v), 0);
    assert_int_equal(sinter_tensor_dims(v)[0], 3);
    sinter_value_release(v);
}

static void assert_string(const sinter_value *v, size_t i, const char *expected)
{
    sinter_string s = ((const sinter_string *)sinter_tensor_data(v))[i];
    assert_int_equal(s.size, strlen(expected));
    assert_memory_equal(s.data, expected, s.size);
}

static void reads_strings(void **state)
{
    const uint32_t unicode[] = {'a', 0xE9, 0x1F600, 0, 0, 0};
    sinter_value *v =
        load(write_file(*state, "{'descr': '|S3', 'fortran_order': False, 'shape': (3,)}", "abcx\0\0\0\0\0", 9));
    assert_int_equal(sinter_tensor_dtype(v), SINTER_STRING);
    assert_string(v, 0, "abc");
    assert_string(v, 1, "x");
    assert_string(v, 2, "");
    sinter_value_release(v);
    v = load(write_file(*state, "{'descr': '<U3', 'fortran_order': False, 'shape': (2,)}", unicode, sizeof unicode));
    assert_string(v, 0, "a\xC3\xA9\xF0\x9F\x98\x80");
    assert_string(v, 1, "");
    sinter_value_release(v);
    const uint32_t bad = 0x110000;
    sinter_error err;
    assert_int_equal(
        sn_npy_load(write_file(*state, "{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}", &bad, 4), &v, &err),
        SINTER_INVALID_INPUT);
}

static void refuses_files_that_are_too_short(void **state)
{
    sinter_value *v;
    sinter_error err;
    const char *path =
        write_file(*state, "{'descr': '<f4', 'fortran_order': False, 'shape': (100000, 100000)}", "abcd", 4);
    assert_int_equal(sn_npy_load(path, &v, &err), SINTER_INVALID_INPUT);
    assert_non_null(strstr(err.text, "in.npy"));
    assert_non_null(strstr(err.text, "40000000000"));
    assert_int_equal(sn_npy_load(scratch_path(*state, "absent.npy"), &v, &err), SINTER_NOT_FOUND);
    assert_non_null(strstr(err.text, "absent.npy"));
    assert_int_equal(sn_npy_load("/dev/null", &v, &err), SINTER_INVALID_INPUT);
}

static void reads_rows(void **state)
{
    const float data[] = {0, 1, 10, 11, 20, 21, 30, 31};
    sn_npy_reader r;
    sinter_value *v;
    const char *path =
        write_file(*state, "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2)}", data, sizeof data);
    assert_int_equal(sn_npy_open(path, &r, NULL), SINTER_OK);
    assert_int_equal(sn_npy_read_rows(&r, 1, 3, &v, NULL), SINTER_OK);
    assert_int_equal(sinter_tensor_dims(v)[0], 2);
    assert_memory_equal(sinter_tensor_data(v), data + 2, 4 * sizeof *data);
    sinter_value_release(v);
    assert_int_equal(sn_npy_read_rows(&r, 4, 4, &v, NULL), SINTER_OK);
    assert_int_equal(sinter_tensor_count(v), 0);
    sinter_value_release(v);
    assert_int_equal(sn_npy_read_rows(&r, 3, 5, &v, NULL), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sn_npy_read_rows(&r, -1, 1, &v, NULL), SINTER_INVALID_ARGUMENT);
    sn_npy_close(&r);
}

/* ------------------------------------------------------------------------------------------------ writing */

static sinter_value *tensor(sinter_dtype dtype, int rank, const int64_t *dims, const void *data)
{
    sinter_value *v;
    assert_int_equal(sinter_tensor_create(dtype, rank, dims, &v, NULL), SINTER_OK);
    if (sinter_tensor_size(v)) memcpy(sinter_tensor_mutable_data(v), data, sinter_tensor_size(v));
    return v;
}

static void writes_what_it_reads(void **state)
{
    static const sinter_dtype dtypes[] = {
        SINTER_BOOL,   SINTER_INT8,   SINTER_UINT8,   SINTER_INT16, SINTER_UINT16, SINTER_INT32,     SINTER_INT64,
        SINTER_UINT32, SINTER_UINT64, SINTER_FLOAT16, SINTER_FLOAT, SINTER_DOUBLE, SINTER_COMPLEX64, SINTER_COMPLEX128};
    static const unsigned char ones[256] = {1, 0, 1, 1, 0, 1};
    const int64_t dims[] = {3, 2};
    const char *path = scratch_path(*state, "out.npy");
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        sinter_value *v = tensor(dtypes[i], 2, dims, ones);
        assert_int_equal(sn_npy_save(path, v, NULL), SINTER_OK);
        sinter_value *again = load(path);
        assert_int_equal(sinter_tensor_dtype(again), dtypes[i]);
        assert_int_equal(sinter_tensor_rank(again), 2);
        assert_int_equal(sinter_tensor_size(again), sinter_tensor_size(v));
        assert_memory_equal(sinter_tensor_data(again), sinter_tensor_data(v), sinter_tensor_size(v));
        sinter_value_release(v);
        sinter_value_release(again);
    }
    assert_int_equal(scratch_count(*state), 1);
}

static void widens_what_numpy_lacks(void **state)
{
    const uint16_t bfloat16[] = {0x3F80, 0xC000};
    const float floats[] = {1, -2};
    const int8_t int4[] = {-8, 7};
    const int64_t dims[] = {2};
    const struct {
        sinter_dtype dtype, wider;
        const void *saved, *loaded;
        size_t size; /* of what is loaded */
    } rows[] = {
        {SINTER_BFLOAT16, SINTER_FLOAT, bfloat16, floats, sizeof floats},
        {SINTER_INT4, SINTER_INT8, int4, int4, sizeof int4},
    };
    const char *path = scratch_path(*state, "out.npy");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sinter_value *v = tensor(rows[i].dtype, 1, dims, rows[i].saved);
        assert_int_equal(sn_npy_save(path, v, NULL), SINTER_OK);
        sinter_value_release(v);
        v = load(path);
        assert_int_equal(sinter_tensor_dtype(v), rows[i].wider);
        assert_memory_equal(sinter_tensor_data(v), rows[i].loaded, rows[i].size);
        sinter_value_release(v);
    }
}

static sinter_value *strings(const char *a, const char *b)
{
    sinter_value *v;
    const int64_t dims[] = {2};
    const sinter_string s[] = {{a, strlen(a)}, {b, strlen(b)}};
    assert_int_equal(sinter_tensor_create_strings(1, dims, s, &v, NULL), SINTER_OK);
    return v;
}

static void writes_strings_as_wide_as_the_longest(void **state)
{
    static const char *const longest[] = {"caf\xC3\xA9!", "\xFF\xFE\xFD"}; /* the second is not UTF-8 */
    const char *path = scratch_path(*state, "out.npy");
    for (size_t i = 0; i < 2; i++) {
        sn_npy_writer w;
        sinter_value *first = strings("a", ""), *second = strings(longest[i], "b");
        assert_int_equal(sn_npy_writer_open(&w, path, NULL), SINTER_OK);
        assert_int_equal(sn_npy_writer_append(&w, first, NULL), SINTER_OK);
        assert_int_equal(sn_npy_writer_append(&w, second, NULL), SINTER_OK);
        assert_int_equal(sn_npy_writer_commit(&w, NULL), SINTER_OK);
        sn_npy_writer_close(&w);
        sinter_value_release(first);
        sinter_value_release(second);
        sinter_value *v = load(path);
        assert_int_equal(sinter_tensor_count(v), 4);
        assert_string(v, 0, "a");
        assert_string(v, 2, longest[i]);
        assert_string(v, 3, "b");
        sinter_value_release(v);
    }
}

static void writes_rows(void **state)
{
    const float data[] = {0, 1, 2, 3, 4, 5};
    const int64_t two[] = {2, 2}, one[] = {1, 2}, other[] = {1, 3};
    const char *path = scratch_path(*state, "out.npy");
    sn_npy_writer w;
    sinter_value *a = tensor(SINTER_FLOAT, 2, two, data), *b = tensor(SINTER_FLOAT, 2, one, data + 4),
                 *c = tensor(SINTER_FLOAT, 2, other, data), *d = tensor(SINTER_INT32, 2, one, data);
    assert_int_equal(sn_npy_writer_open(&w, path, NULL), SINTER_OK);
    assert_int_equal(sn_npy_writer_append(&w, a, NULL), SINTER_OK);
    assert_int_equal(sn_npy_writer_append(&w, c, NULL), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sn_npy_writer_append(&w, d, NULL), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sn_npy_writer_append(&w, b, NULL), SINTER_OK);
    assert_int_not_equal(access(path, F_OK), 0); /* not before it is complete */
    assert_int_equal(sn_npy_writer_commit(&w, NULL), SINTER_OK);
    sn_npy_writer_close(&w);
    sinter_value *v = load(path);
    assert_int_equal(sinter_tensor_dims(v)[0], 3);
    assert_memory_equal(sinter_tensor_data(v), data, sizeof data);
    sinter_value_release(v);
    sinter_value_release(a);
    sinter_value_release(b);
    sinter_value_release(c);
    sinter_value_release(d);
}

static void an_abandoned_writer_leaves_nothing(void **state)
{
    const float data[] = {0, 1};
    const int64_t dims[] = {1, 2};
    sn_npy_writer w;
    sinter_value *a = tensor(SINTER_FLOAT, 2, dims, data);
    assert_int_equal(sn_npy_writer_open(&w, scratch_path(*state, "out.npy"), NULL), SINTER_OK);
    assert_int_equal(sn_npy_writer_commit(&w, NULL), SINTER_INVALID_ARGUMENT);
    assert_int_equal(sn_npy_writer_append(&w, a, NULL), SINTER_OK);
    sn_npy_writer_close(&w);
    sinter_value_release(a);
    assert_int_equal(scratch_count(*state), 0);
}

/* ------------------------------------------------------------------------------------------------ lack of memory */

/* Writes strings in rows and reads them again: every path that allocates. */
static sinter_status round_trip(const char *path, sinter_value *rows)
{
    sn_npy_writer w;
    sinter_value *again = NULL;
    sinter_status status = sn_npy_writer_open(&w, path, NULL);
    if (status == SINTER_OK) status = sn_npy_writer_append(&w, rows, NULL);
    if (status == SINTER_OK) status = sn_npy_writer_append(&w, rows, NULL);
    if (status == SINTER_OK) status = sn_npy_writer_commit(&w, NULL);
    sn_npy_writer_close(&w);
    if (status == SINTER_OK) status = sn_npy_load(path, &again, NULL);
    sinter_value_release(again);
    return status;
}

static void lack_of_memory_is_an_error(void **state)
{
    const char *path = scratch_path(*state, "out.npy");
    sinter_value *rows = strings("a", "caf\xC3\xA9");
    long n = 0;
    for (sinter_status status = SINTER_NO_MEMORY; status != SINTER_OK; n++) {
        sn_alloc_fail_after(n);
        status = round_trip(path, rows);
        sn_alloc_fail_after(-1);
        if (status != SINTER_OK) assert_int_equal(status, SINTER_NO_MEMORY);
        assert_true(n < 1000);
    }
    assert_true(n > 5);
    sinter_value_release(rows);
}

int main(void)
{
#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_open, scratch_close)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_what_numpy_and_others_write),
        cmocka_unit_test(maps_every_type),
        cmocka_unit_test(refuses_hostile_headers),
        cmocka_unit_test(refuses_every_prefix),
        cmocka_unit_test(written_headers_keep_their_length),
        WITH_SCRATCH(reads_both_orders),
        WITH_SCRATCH(reads_fortran_order_of_three_dimensions),
        WITH_SCRATCH(bools_become_0_or_1),
        WITH_SCRATCH(reads_scalars_and_empty_arrays),
        WITH_SCRATCH(reads_strings),
        WITH_SCRATCH(refuses_files_that_are_too_short),
        WITH_SCRATCH(reads_rows),
        WITH_SCRATCH(writes_what_it_reads),
        WITH_SCRATCH(widens_what_numpy_lacks),
        WITH_SCRATCH(writes_strings_as_wide_as_the_longest),
        WITH_SCRATCH(writes_rows),
        WITH_SCRATCH(an_abandoned_writer_leaves_nothing),
        WITH_SCRATCH(lack_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
