/* Every encoding of tensor elements, and the ways in which sizes and contents can disagree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto_builder.h"

enum {
    FLOAT_DATA = 4,
    INT32_DATA = 5,
    STRING_DATA = 6,
    INT64_DATA = 7,
    RAW_DATA = 9,
    DOUBLE_DATA = 10,
    UINT64_DATA = 11
};

static sinter_value *read_ok(message m)
{
    sinter_value *v = NULL;
    sinter_error err = {0};
    if (sinter_value_from_proto(SINTER_KIND_TENSOR, m.p, m.n, &v, &err) != SINTER_OK) fail_msg("%s", err.text);
    sn_text_free(&m);
    return v;
}

static void read_fails(message m, sinter_status code, const char *text)
{
    sinter_value *v = NULL;
    sinter_error err = {0};
    sinter_status status = sinter_value_from_proto(SINTER_KIND_TENSOR, m.p, m.n, &v, &err);
    if (status != code || !strstr(err.text, text)) fail_msg("expected '...%s...', found '%s'", text, err.text);
    assert_int_equal(err.code, code);
    assert_null(v);
    sn_text_free(&m);
}

static message vector(sinter_dtype dtype, int64_t n)
{
    return make_tensor("t", dtype, 1, &n);
}

static void expect_bytes(message m, sinter_dtype dtype, const void *bytes, size_t size)
{
    sinter_value *v = read_ok(m);
    assert_int_equal(sinter_tensor_dtype(v), dtype);
    assert_int_equal(sinter_tensor_size(v), size);
    assert_memory_equal(sinter_tensor_data(v), bytes, size);

    void *proto;
    size_t proto_size;
    sinter_value *again;
    sinter_error err;
    assert_int_equal(sinter_tensor_to_proto(v, "t", &proto, &proto_size, &err), SINTER_OK);
    assert_int_equal(sinter_value_from_proto(SINTER_KIND_TENSOR, proto, proto_size, &again, &err), SINTER_OK);
    assert_int_equal(sinter_tensor_size(again), size);
    assert_memory_equal(sinter_tensor_data(again), bytes, size);
    free(proto);
    sinter_value_release(v);
    sinter_value_release(again);
}

/* The numbers in one packed field. */
static message packed(message m, uint32_t field, const int64_t *numbers, size_t n)
{
    message run = {0};
    for (size_t i = 0; i < n; ++i) add_varint(&run, (uint64_t)numbers[i]);
    add_child(&m, field, run);
    return m;
}

static message unpacked(message m, uint32_t field, const int64_t *numbers, size_t n)
{
    for (size_t i = 0; i < n; ++i) add_int(&m, field, numbers[i]);
    return m;
}

static void test_raw(void **state)
{
    (void)state;
    const float f[] = {1.5f, -2.0f, 0.25f};
    message m = vector(SINTER_FLOAT, 3);
    add_bytes(&m, RAW_DATA, f, sizeof f);
    expect_bytes(m, SINTER_FLOAT, f, sizeof f);
    expect_bytes(vector(SINTER_INT64, 0), SINTER_INT64, "", 0);
}

static void test_scalar(void **state)
{
    (void)state;
    const double d = 3.25;
    message m = make_tensor(NULL, SINTER_DOUBLE, 0, NULL);
    add_bytes(&m, DOUBLE_DATA, &d, sizeof d);
    sinter_value *v = read_ok(m);
    assert_int_equal(sinter_tensor_rank(v), 0);
    assert_true(*(const double *)sinter_tensor_data(v) == d);
    sinter_value_release(v);
}

static void test_float_fields(void **state)
{
    (void)state;
    const float f[] = {1.5f, -2.0f, 0.25f, 8.0f};
    message one = vector(SINTER_FLOAT, 4), two = vector(SINTER_FLOAT, 4), each = vector(SINTER_FLOAT, 4);
    add_bytes(&one, FLOAT_DATA, f, sizeof f);
    expect_bytes(one, SINTER_FLOAT, f, sizeof f);
    add_bytes(&two, FLOAT_DATA, f, 8);
    add_bytes(&two, FLOAT_DATA, f + 2, 8);
    expect_bytes(two, SINTER_FLOAT, f, sizeof f);
    for (int i = 0; i < 2; ++i) add_float(&each, FLOAT_DATA, f[i]);
    add_bytes(&each, FLOAT_DATA, f + 2, 8);
    expect_bytes(each, SINTER_FLOAT, f, sizeof f);
    message complex = vector(SINTER_COMPLEX64, 2);
    add_bytes(&complex, FLOAT_DATA, f, sizeof f);
    expect_bytes(complex, SINTER_COMPLEX64, f, sizeof f);
    const double d[] = {1.0, -1.0};
    message wide = vector(SINTER_COMPLEX128, 1);
    add_bytes(&wide, DOUBLE_DATA, d, sizeof d);
    expect_bytes(wide, SINTER_COMPLEX128, d, sizeof d);
}

static void test_int32_data(void **state)
{
    (void)state;
    const int64_t numbers[] = {-128, 127, -1, 200};
    const uint8_t bytes[] = {0x80, 0x7f, 0xff, 200};
    expect_bytes(packed(vector(SINTER_INT8, 4), INT32_DATA, numbers, 4), SINTER_INT8, bytes, 4);
    expect_bytes(unpacked(vector(SINTER_INT8, 4), INT32_DATA, numbers, 4), SINTER_INT8, bytes, 4);
    expect_bytes(packed(vector(SINTER_UINT8, 1), INT32_DATA, numbers + 3, 1), SINTER_UINT8, bytes + 3, 1);
    const int64_t halves[] = {0x3c00, 0xfbff};
    const uint16_t bits[] = {0x3c00, 0xfbff};
    expect_bytes(packed(vector(SINTER_FLOAT16, 2), INT32_DATA, halves, 2), SINTER_FLOAT16, bits, 4);
    expect_bytes(packed(vector(SINTER_BFLOAT16, 2), INT32_DATA, halves, 2), SINTER_BFLOAT16, bits, 4);
    expect_bytes(packed(vector(SINTER_FLOAT8E5M2, 1), INT32_DATA, numbers + 3, 1), SINTER_FLOAT8E5M2, bytes + 3, 1);
    const int64_t wide[] = {INT32_MIN, 5};
    const int32_t ints[] = {INT32_MIN, 5};
    expect_bytes(packed(vector(SINTER_INT32, 2), INT32_DATA, wide, 2), SINTER_INT32, ints, 8);
    read_fails(packed(vector(SINTER_UINT8, 1), INT32_DATA, (int64_t[]){256}, 1), SINTER_INVALID_INPUT, "256");
}

static void test_bool(void **state)
{
    (void)state;
    const uint8_t expected[] = {1, 0, 1};
    message raw = vector(SINTER_BOOL, 3);
    add_bytes(&raw, RAW_DATA, "\x07\x00\xff", 3);
    expect_bytes(raw, SINTER_BOOL, expected, 3);
    const int64_t numbers[] = {-1, 0, 256};
    expect_bytes(packed(vector(SINTER_BOOL, 3), INT32_DATA, numbers, 3), SINTER_BOOL, expected, 3);
}

static void test_64_bit_fields(void **state)
{
    (void)state;
    const int64_t ints[] = {INT64_MIN, -1, INT64_MAX};
    expect_bytes(packed(vector(SINTER_INT64, 3), INT64_DATA, ints, 3), SINTER_INT64, ints, sizeof ints);
    expect_bytes(packed(vector(SINTER_UINT64, 3), UINT64_DATA, ints, 3), SINTER_UINT64, ints, sizeof ints);
    const int64_t words[] = {UINT32_MAX, 7};
    const uint32_t expected[] = {UINT32_MAX, 7};
    expect_bytes(packed(vector(SINTER_UINT32, 2), UINT64_DATA, words, 2), SINTER_UINT32, expected, 8);
}

static void test_packed_types(void **state)
{
    (void)state;
    const uint8_t file4[] = {0x8f, 0x07}, file2[] = {0xe4, 0x02};
    const int8_t int4[] = {-1, -8, 7}, int2[] = {0, 1, -2, -1, -2};
    const uint8_t uint4[] = {15, 8, 7}, uint2[] = {0, 1, 2, 3, 2};
    const struct {
        sinter_dtype dtype;
        const void *file, *memory;
        int64_t count;
    } rows[] = {{SINTER_INT4, file4, int4, 3},
                {SINTER_UINT4, file4, uint4, 3},
                {SINTER_FLOAT4E2M1, file4, uint4, 3},
                {SINTER_INT2, file2, int2, 5},
                {SINTER_UINT2, file2, uint2, 5}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
        message raw = vector(rows[i].dtype, rows[i].count);
        add_bytes(&raw, RAW_DATA, rows[i].file, 2);
        expect_bytes(raw, rows[i].dtype, rows[i].memory, (size_t)rows[i].count);
        const uint8_t *bytes = rows[i].file;
        const int64_t numbers[] = {bytes[0], bytes[1]};
        expect_bytes(packed(vector(rows[i].dtype, rows[i].count), INT32_DATA, numbers, 2), rows[i].dtype,
                     rows[i].memory, (size_t)rows[i].count);
    }
    message odd = vector(SINTER_INT4, 5);
    add_bytes(&odd, RAW_DATA, file4, 2);
    read_fails(odd, SINTER_INVALID_INPUT, "int4[5] takes 3 bytes, found 2 in raw_data");
}

/* More than one chunk of packing. */
static void test_long_packed(void **state)
{
    (void)state;
    enum { COUNT = 9001 };
    uint8_t *memory = malloc(COUNT), *file = calloc(1, (COUNT + 1) / 2);
    for (int i = 0; i < COUNT; ++i) {
        memory[i] = (uint8_t)(i * 7 % 16);
        file[i / 2] |= (uint8_t)(memory[i] << (i % 2 * 4));
    }
    message m = vector(SINTER_UINT4, COUNT);
    add_bytes(&m, RAW_DATA, file, (COUNT + 1) / 2);
    expect_bytes(m, SINTER_UINT4, memory, COUNT);
    free(memory);
    free(file);
}

static void test_strings(void **state)
{
    (void)state;
    message m = vector(SINTER_STRING, 3);
    add_text(&m, STRING_DATA, "one");
    add_text(&m, STRING_DATA, "");
    add_bytes(&m, STRING_DATA, "a\0b", 3);
    sinter_value *v = read_ok(m), *again;
    void *bytes;
    size_t size;
    sinter_error err;
    assert_int_equal(sinter_tensor_to_proto(v, NULL, &bytes, &size, &err), SINTER_OK);
    assert_int_equal(sinter_value_from_proto(SINTER_KIND_TENSOR, bytes, size, &again, &err), SINTER_OK);
    const sinter_string *s = sinter_tensor_data(again);
    assert_int_equal(s[2].size, 3);
    assert_memory_equal(s[2].data, "a\0b", 3);
    assert_int_equal(s[1].size, 0);
    assert_true(sinter_value_compare(v, again, 0, 0).mismatches == 0);
    free(bytes);
    sinter_value_release(v);
    sinter_value_release(again);
    message few = vector(SINTER_STRING, 2);
    add_text(&few, STRING_DATA, "one");
    read_fails(few, SINTER_INVALID_INPUT, "ask for 2 strings, found 1");
}

static void test_sizes(void **state)
{
    (void)state;
    const float f[6] = {0};
    const int64_t dims[] = {2, 3}, negative[] = {2, -3}, huge[] = {INT64_MAX, INT64_MAX};
    const int64_t many[17] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    message m = make_tensor("w", SINTER_FLOAT, 2, dims);
    add_bytes(&m, RAW_DATA, f, 20);
    read_fails(m, SINTER_INVALID_INPUT, "tensor 'w': float[2x3] takes 24 bytes, found 20 in raw_data");
    read_fails(make_tensor("w", SINTER_FLOAT, 2, dims), SINTER_INVALID_INPUT, "found 0");
    read_fails(make_tensor("w", SINTER_FLOAT, 2, negative), SINTER_INVALID_INPUT, "dimension 1 is negative: -3");
    read_fails(make_tensor("w", SINTER_FLOAT, 2, huge), SINTER_TOO_LARGE, "limit");
    read_fails(make_tensor("w", SINTER_FLOAT, 17, many), SINTER_UNSUPPORTED, "17 dimensions");
    read_fails(make_tensor("w", 27, 0, NULL), SINTER_INVALID_INPUT, "data_type 27");
    read_fails(make_tensor("w", -1, 0, NULL), SINTER_INVALID_INPUT, "data_type -1");
    read_fails(make_tensor("w", 0, 0, NULL), SINTER_INVALID_INPUT, "data_type 0");
    message few = make_tensor("w", SINTER_INT64, 1, (int64_t[]){(int64_t)1 << 36});
    read_fails(packed(few, INT64_DATA, dims, 2), SINTER_INVALID_INPUT, "found 2 in int64_data");
}

static void test_contradictions(void **state)
{
    (void)state;
    const float f = 1;
    const int64_t one = 1;
    message both = vector(SINTER_FLOAT, 1), wrong = vector(SINTER_FLOAT, 1), twice = vector(SINTER_FLOAT, 1);
    add_bytes(&both, RAW_DATA, &f, 4);
    add_bytes(&both, FLOAT_DATA, &f, 4);
    read_fails(both, SINTER_INVALID_INPUT, "both in raw_data and in float_data");
    read_fails(packed(wrong, INT64_DATA, &one, 1), SINTER_INVALID_INPUT,
               "expected in raw_data or float_data, found int64_data");
    add_bytes(&twice, RAW_DATA, &f, 4);
    add_bytes(&twice, RAW_DATA, &f, 4);
    read_fails(twice, SINTER_INVALID_INPUT, "twice");
    message segment = vector(SINTER_FLOAT, 1), part = {0};
    add_int(&part, 1, 0);
    add_int(&part, 2, 1);
    add_child(&segment, 3, part);
    read_fails(segment, SINTER_INVALID_INPUT, "segment");
    message external = vector(SINTER_FLOAT, 1), entry = {0};
    add_text(&entry, 1, "location");
    add_text(&entry, 2, "x.bin");
    add_child(&external, 13, entry);
    add_int(&external, 14, 1);
    read_fails(external, SINTER_INVALID_INPUT, "refused");
    message cut = vector(SINTER_INT64, 1);
    add_bytes(&cut, INT64_DATA, "\x01\xff", 2);
    read_fails(cut, SINTER_INVALID_INPUT, "cut off");
}

/* A file may hold a field with the number that the walk uses for itself: it is an unknown field like any other. */
static void test_reserved_field(void **state)
{
    (void)state;
    const float f = 1;
    message m = {0};
    add_varint(&m, (uint64_t)0x1fffffff << 3);
    add_varint(&m, 12345);
    add_int(&m, 1, 1);
    add_int(&m, 2, SINTER_FLOAT);
    add_bytes(&m, RAW_DATA, &f, 4);
    expect_bytes(m, SINTER_FLOAT, &f, 4);
}

static void test_containers(void **state)
{
    (void)state;
    const float f = 2;
    message tensor = make_tensor(NULL, SINTER_FLOAT, 0, NULL), sequence = {0}, optional = {0}, empty = {0};
    add_bytes(&tensor, RAW_DATA, &f, 4);
    add_int(&sequence, 2, 1);
    add_bytes(&sequence, 3, tensor.p, tensor.n);
    add_child(&sequence, 3, tensor);
    sinter_value *v;
    sinter_error err;
    assert_int_equal(sinter_value_from_proto(SINTER_KIND_SEQUENCE, sequence.p, sequence.n, &v, &err), SINTER_OK);
    assert_int_equal(sinter_container_count(v), 2);
    assert_true(*(const float *)sinter_tensor_data(sinter_container_item(v, 1)) == f);
    sinter_value_release(v);
    add_int(&optional, 2, 3);
    add_child(&optional, 5, sequence);
    assert_int_equal(sinter_value_from_proto(SINTER_KIND_OPTIONAL, optional.p, optional.n, &v, &err), SINTER_OK);
    assert_int_equal(sinter_value_kind(sinter_container_item(v, 0)), SINTER_KIND_SEQUENCE);
    sinter_value_release(v);
    sn_text_free(&optional);
    add_int(&empty, 2, 0);
    assert_int_equal(sinter_value_from_proto(SINTER_KIND_OPTIONAL, empty.p, empty.n, &v, &err), SINTER_OK);
    assert_int_equal(sinter_container_count(v), 0);
    sinter_value_release(v);
    add_int(&empty, 2, 77);
    assert_int_equal(sinter_value_from_proto(SINTER_KIND_OPTIONAL, empty.p, empty.n, &v, &err), SINTER_INVALID_INPUT);
    sn_text_free(&empty);
    assert_int_equal(sinter_value_from_proto(SINTER_KIND_OPAQUE, "", 0, &v, &err), SINTER_INVALID_ARGUMENT);
}

static void test_map(void **state)
{
    (void)state;
    const float f = 2;
    message tensor = make_tensor(NULL, SINTER_FLOAT, 0, NULL), values = {0}, map = {0};
    add_bytes(&tensor, RAW_DATA, &f, 4);
    add_int(&values, 2, 1);
    add_child(&values, 3, tensor);
    add_int(&map, 2, SINTER_INT64);
    add_int(&map, 3, -5);
    add_child(&map, 5, values);
    sinter_value *v;
    sinter_error err = {0};
    if (sinter_value_from_proto(SINTER_KIND_MAP, map.p, map.n, &v, &err) != SINTER_OK) fail_msg("%s", err.text);
    assert_int_equal(*(const int64_t *)sinter_tensor_data(sinter_container_item(v, 0)), -5);
    sinter_value_release(v);
    sn_text_free(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_scalar),
        cmocka_unit_test(test_float_fields),
        cmocka_unit_test(test_int32_data),
        cmocka_unit_test(test_bool),
        cmocka_unit_test(test_64_bit_fields),
        cmocka_unit_test(test_packed_types),
        cmocka_unit_test(test_long_packed),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_reserved_field),
        cmocka_unit_test(test_containers),
        cmocka_unit_test(test_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
