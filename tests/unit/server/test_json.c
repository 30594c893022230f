/* Numbers and documents as JSON: exactness against the C library, and what the scan must refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "server/json_document.h"
#include "server/json_number.h"
#include "server/tensor_json.h"

static double read_double(const char *text)
{
    const char *end = text + strlen(text);
    assert_ptr_equal(sn_json_number_end(text, end), end);
    return sn_json_number_double(text, end);
}

static void doubles_are_correctly_rounded(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "1",
        "-1.5",
        "0.1",
        "1e22",
        "1e23",
        "123456789012345678901234567890",
        "9007199254740993",
        "2.2250738585072014e-308",
        "4.9e-324",
        "1.7976931348623157e308",
        "0.000000000000000000000000000000000000001e39",
        "179769313486231580793728971405301e276",
        "1e-400",
        "8.41e21",
        "0.30000000000000004",
        "6631236846766.1",
        "1.00000000000000011102230246251565404236316680908203125",
        "1.00000000000000011102230246251565404236316680908203126",
        "100000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001e-88"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double expected = strtod(texts[i], NULL), found = read_double(texts[i]);
        assert_memory_equal(&expected, &found, sizeof found);
    }
    assert_true(isinf(read_double("1e999")));
    srand(11);
    for (int i = 0; i < 300000; i++) { /* what floats look like when they are printed as doubles */
        char text[64];
        float single = (float)rand() / (float)(1 + rand() % 100000) / 32768;
        int n = snprintf(text, sizeof text, "%.*f", 15 + rand() % 5, (double)(i % 2 ? -single : single));
        if (n >= (int)sizeof text) continue;
        double expected = strtod(text, NULL), found = read_double(text);
        assert_memory_equal(&expected, &found, sizeof found);
    }
    srand(7);
    for (int i = 0; i < 200000; i++) {
        char text[64];
        uint64_t bits = ((uint64_t)rand() << 42) ^ ((uint64_t)rand() << 21) ^ (uint64_t)rand();
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        snprintf(text, sizeof text, "%.*g", 1 + rand() % 17, value);
        double expected = strtod(text, NULL), found = read_double(text);
        assert_memory_equal(&expected, &found, sizeof found);
    }
}

/* One, with more zeros after the point than an exponent is usually believed. */
static void long_exponents_and_mantissas_cancel(void **state)
{
    (void)state;
    static const char tail[] = "1e2000001";
    size_t zeros = 2000000;
    char *text = malloc(zeros + 16);
    memset(text, '0', zeros + 2);
    text[1] = '.';
    strcpy(text + zeros + 2, tail);
    assert_true(read_double(text) == 1);
    bool negative;
    uint64_t magnitude;
    assert_true(sn_json_number_integer(text, text + strlen(text), &negative, &magnitude));
    assert_int_equal(magnitude, 1);
    free(text);
}

static void malformed_numbers_have_no_end(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "-", ".5", "+1", "1.", "1.e5", "1e", "1e+", "NaN", "Infinity", "-x"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_null(sn_json_number_end(texts[i], texts[i] + strlen(texts[i])));
    const char *leading_zero = "012";
    assert_ptr_equal(sn_json_number_end(leading_zero, leading_zero + 3), leading_zero + 1);
}

static void integers_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok, negative;
        uint64_t magnitude;
    } cases[] = {{"9223372036854775807", true, false, INT64_MAX},
                 {"-9223372036854775808", true, true, UINT64_C(1) << 63},
                 {"18446744073709551615", true, false, UINT64_MAX},
                 {"18446744073709551616", false, false, 0},
                 {"9007199254740993", true, false, UINT64_C(9007199254740993)},
                 {"2.0", true, false, 2},
                 {"1e3", true, false, 1000},
                 {"1.5", false, false, 0},
                 {"1e-1", false, false, 0},
                 {"0e99999999", true, false, 0},
                 {"1e99999999999", false, false, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool negative = false;
        uint64_t magnitude = 0;
        bool ok = sn_json_number_integer(cases[i].text, cases[i].text + strlen(cases[i].text), &negative, &magnitude);
        assert_int_equal(ok, cases[i].ok);
        if (!ok) continue;
        assert_int_equal(negative, cases[i].negative);
        assert_true(magnitude == cases[i].magnitude);
    }
}

static int significant_digits(const char *text)
{
    int n = 0, zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9') continue;
        zeros = *text == '0' ? zeros + 1 : 0;
        if (n || *text != '0') n++;
    }
    return n - (n < zeros ? n : zeros);
}

/* By trial, as printf and strtof have it; never less than what six digits come to. */
static int fewest_digits(float value)
{
    char text[64];
    for (int digits = 6; digits < 9; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, (double)value);
        if (strtof(text, NULL) == value) return digits;
    }
    return 9;
}

static void written_floats_read_back(void **state)
{
    (void)state;
    char text[SN_JSON_NUMBER_MAX + 1];
    for (uint32_t i = 0; i < 400000; i++) {
        uint32_t bits = i * 10007u;
        float value;
        memcpy(&value, &bits, sizeof value);
        size_t n = sn_json_write_float(text, value);
        assert_true(n < SN_JSON_NUMBER_MAX);
        text[n] = 0;
        if (isfinite(value)) {
            float found = strtof(text, NULL);
            if (found != value) fail_msg("%s is not %.9g", text, (double)value);
            assert_ptr_equal(sn_json_number_end(text, text + n), text + n);
            assert_true(significant_digits(text) <= fewest_digits(value));
        } else {
            assert_string_equal(text, "null");
        }
    }
    static const struct {
        float value;
        const char *text;
    } forms[] = {{0.1F, "0.1"},
                 {-0.5F, "-0.5"},
                 {1e-5F, "0.00001"},
                 {1.5e-6F, "1.5e-6"},
                 {1e10F, "10000000000"},
                 {1.25e20F, "1.25e20"},
                 {1e-20F, "1e-20"},
                 {3.14159274F, "3.1415927"},
                 {0.0F, "0"},
                 {-0.0F, "-0"},
                 {16777216.0F, "16777216"}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        text[sn_json_write_float(text, forms[i].value)] = 0;
        assert_string_equal(text, forms[i].text);
    }
    text[sn_json_write_double(text, 0.1)] = 0;
    assert_string_equal(text, "0.1");
    text[sn_json_write_int64(text, INT64_MIN)] = 0;
    assert_string_equal(text, "-9223372036854775808");
}

static sinter_status parse(const char *text, sn_json_document *d, sinter_error *err)
{
    return sn_json_parse((sn_str){text, strlen(text)}, d, err);
}

static void arrays_of_numbers_become_slices(void **state)
{
    (void)state;
    sn_json_document d;
    sinter_error err;
    assert_int_equal(parse("{\"a\": [[1, 2.5], [3, -4e1]], \"b\": [\"x\", [5]], \"c\": 7, \"d\": []}", &d, &err),
                     SINTER_OK);
    sn_str slice;
    int rank;
    int64_t dims[16];
    assert_true(sn_json_slice(&d, cJSON_GetObjectItem(d.root, "a"), &slice));
    assert_true(sn_json_slice_shape(slice, 16, &rank, dims));
    assert_int_equal(rank, 2);
    assert_int_equal(dims[0], 2);
    assert_int_equal(dims[1], 2);
    const cJSON *b = cJSON_GetObjectItem(d.root, "b");
    assert_false(sn_json_slice(&d, b, &slice));
    assert_string_equal(b->child->valuestring, "x");
    assert_true(sn_json_slice(&d, b->child->next, &slice));
    assert_memory_equal(slice.p, "[5]", slice.n);
    assert_true(sn_json_slice(&d, cJSON_GetObjectItem(d.root, "c"), &slice));
    assert_true(sn_json_slice_shape(slice, 16, &rank, dims));
    assert_int_equal(rank, 0);
    assert_true(sn_json_slice(&d, cJSON_GetObjectItem(d.root, "d"), &slice));
    assert_true(sn_json_slice_shape(slice, 16, &rank, dims));
    assert_int_equal(rank, 1);
    assert_int_equal(dims[0], 0);
    sn_json_document_free(&d);
}

static void ragged_arrays_have_no_shape(void **state)
{
    (void)state;
    static const char *const texts[] = {"[[1,2],[3]]", "[1,[2]]", "[[1],2]", "[[],[1]]", "[[[]],[]]"};
    int rank;
    int64_t dims[16];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(sn_json_slice_shape((sn_str){texts[i], strlen(texts[i])}, 16, &rank, dims));
    assert_false(sn_json_slice_shape(SN_STR("[[[1]]]"), 2, &rank, dims));
    assert_true(sn_json_slice_shape(SN_STR("[[],[]]"), 2, &rank, dims));
    assert_int_equal(rank, 2);
    assert_int_equal(dims[1], 0);
}

static void broken_documents_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "{",
                                        "[1,",
                                        "{\"a\":}",
                                        "{\"a\":1}x",
                                        "{\"a\":1}{}",
                                        "{\"a\":01}",
                                        "{\"a\":[1,]}",
                                        "{\"a\":[1 2]}",
                                        "{\"a\":[NaN]}",
                                        "{\"a\":\"\x01\"}",
                                        "{\"a\":\"\xff\"}",
                                        "{\"a\":\"\\x\"}",
                                        "{\"a\":\"\\u0000\"}",
                                        "{\"a\":\"b",
                                        "{\"a\":tru}",
                                        "{\"a\" 1}",
                                        "{\"a\":\"\xed\xa0\x80\"}",
                                        "{'a':1}",
                                        "{\"a\":true false}",
                                        "\"\\u12",
                                        "[[1,2],[3,4]]]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sn_json_document d;
        sinter_error err = {0};
        if (parse(texts[i], &d, &err) == SINTER_OK) fail_msg("accepted: %s", texts[i]);
        assert_int_equal(err.code, SINTER_INVALID_INPUT);
        assert_true(strlen(err.text) > 10);
    }
}

static void errors_name_the_byte_and_what_was_due(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {{"{\"a\":[}", "expected a value, found '}' at byte 6"},
                 {"{\"a\" 1}", "expected ':', found '1' at byte 5"},
                 {"{\"a\":1,}", "expected a name in quotes, found '}' at byte 7"},
                 {"{1:2}", "expected a name in quotes or '}', found '1' at byte 1"},
                 {"[1,2}", "expected ',' or ']', found '}' at byte 4"},
                 {"{\"a\":1]", "expected ',' or '}', found ']' at byte 6"},
                 {"[1,]", "expected a value, found ']' at byte 3"},
                 {"[01]", "expected ',' or ']', found '1' at byte 2"},
                 {" {\"a\":[[1,", "expected a value, found the end at byte 10"},
                 {"{", "expected a name in quotes or '}', found the end at byte 1"},
                 {"[1,2]]", "expected nothing more, found ']' at byte 5"},
                 {"{} x", "expected nothing more, found 'x' at byte 3"},
                 {"[NaN]", "expected a value, found 'N' at byte 1"},
                 {"[-Infinity]", "expected a value, found '-' at byte 1"},
                 {"\x01", "expected a value, found 0x01 at byte 0"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_json_document d;
        sinter_error err = {0};
        assert_int_equal(parse(cases[i].text, &d, &err), SINTER_INVALID_INPUT);
        if (!strstr(err.text, cases[i].error)) fail_msg("%s: %s", cases[i].text, err.text);
    }
}

static void lack_of_memory_is_no_syntax_error(void **state)
{
    (void)state;
    const char *text = "{\"a\": [[1, 2], \"x\", {\"b\": null}], \"c\": [true]}";
    cJSON_Hooks hooks = {sn_malloc, sn_free};
    cJSON_InitHooks(&hooks);
    sinter_status status = SINTER_NO_MEMORY;
    long n = 0;
    for (; status != SINTER_OK && n < 100; n++) {
        sn_json_document d;
        sinter_error err = {0};
        sn_alloc_fail_after(n);
        status = parse(text, &d, &err);
        sn_alloc_fail_after(-1);
        if (status == SINTER_OK) sn_json_document_free(&d);
        assert_true(status == SINTER_OK || status == SINTER_NO_MEMORY);
    }
    cJSON_InitHooks(NULL);
    assert_in_range(n, 10, 99);
}

static void deep_nesting_is_refused_in_linear_time(void **state)
{
    (void)state;
    size_t n = 200000;
    char *text = malloc(2 * n + 1);
    sn_json_document d;
    sinter_error err;
    memset(text, '[', n);
    memset(text + n, ']', n);
    text[2 * n] = 0;
    assert_int_equal(parse(text, &d, &err), SINTER_INVALID_INPUT);
    memset(text, '[', 60);
    for (size_t i = 60; i < 2 * n - 70; i += 2) memcpy(text + i, "1,", 2);
    strcpy(text + 2 * n - 70, "\"x\"]]");
    assert_int_equal(parse(text, &d, &err), SINTER_INVALID_INPUT);
    free(text);
}

static void elements_that_do_not_fit_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        sinter_dtype dtype;
        const char *expected; /* in the message; NULL: it fits */
    } cases[] = {{"[1,2,3]", SINTER_FLOAT, NULL},
                 {"[1,2]", SINTER_FLOAT, "2 elements"},
                 {"[1,2,3,4]", SINTER_FLOAT, "more than the 3"},
                 {"[1,2,1e39]", SINTER_FLOAT, "element 2"},
                 {"[1,2,1e39]", SINTER_DOUBLE, NULL},
                 {"[1,2,65520]", SINTER_FLOAT16, "element 2"},
                 {"[1,256,3]", SINTER_UINT8, "element 1"},
                 {"[1,255,3]", SINTER_UINT8, NULL},
                 {"[-129,2,3]", SINTER_INT8, "element 0"},
                 {"[-128,127,3]", SINTER_INT8, NULL},
                 {"[1,2.5,3]", SINTER_INT64, "element 1"},
                 {"[1,true,3]", SINTER_FLOAT, "element 1"},
                 {"[1,null,3]", SINTER_FLOAT, "element 1"},
                 {"[1,0,true]", SINTER_BOOL, NULL},
                 {"[1,0,2]", SINTER_BOOL, "element 2"},
                 {"[1,null,true]", SINTER_BOOL, "element 1 of the data is null, expected true, false, 0 or 1"},
                 {"[1,\"x\",3]", SINTER_FLOAT, "element 1 of the data is a string, expected a number"},
                 {"[[1,2],{}]", SINTER_FLOAT, "element 2 of the data is an object, expected a number"},
                 {"[[1,2],[3,4,\"x\"]]", SINTER_INT8, "more than the 3"},
                 {"[[],[\"a\",[\"b\"]],\"c\"]", SINTER_STRING, NULL},
                 {"[1,2,3]", SINTER_STRING, "element 0 of the data is 1, expected a string"},
                 {"[\"a\",2.5,3]", SINTER_STRING, "element 1 of the data is 2.5, expected a string"},
                 {"[\"a\",[\"b\",true]]", SINTER_STRING, "element 2 of the data is true, expected a string"},
                 {"[\"a\",{},\"b\"]", SINTER_STRING, "element 1 of the data is an object, expected a string"},
                 {"[\"a\",\"b\",\"c\",\"d\"]", SINTER_STRING, "more than the 3"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_json_document d;
        sinter_error err = {0};
        sinter_value *value = NULL;
        int64_t dims[1] = {3};
        assert_int_equal(parse(cases[i].data, &d, &err), SINTER_OK);
        sinter_status status = sn_tensor_from_json(&d, d.root, "x", cases[i].dtype, 1, dims, &value, &err);
        if (cases[i].expected) {
            assert_int_equal(status, SINTER_INVALID_INPUT);
            if (!strstr(err.text, cases[i].expected) || !strstr(err.text, "'x'"))
                fail_msg("%s: %s", cases[i].data, err.text);
        } else if (status != SINTER_OK) {
            fail_msg("%s: %s", cases[i].data, err.text);
        }
        sinter_value_release(value);
        sn_json_document_free(&d);
    }
}

static void huge_shapes_take_no_memory(void **state)
{
    (void)state;
    sn_json_document d;
    sinter_error err;
    sinter_value *value;
    int64_t dims[2] = {1000000, 100000};
    assert_int_equal(parse("[1]", &d, &err), SINTER_OK);
    assert_int_equal(sn_tensor_from_json(&d, d.root, "x", SINTER_FLOAT, 2, dims, &value, &err), SINTER_INVALID_INPUT);
    dims[0] = INT64_MAX;
    assert_int_not_equal(sn_tensor_from_json(&d, d.root, "x", SINTER_FLOAT, 2, dims, &value, &err), SINTER_OK);
    sn_json_document_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_are_correctly_rounded),
        cmocka_unit_test(long_exponents_and_mantissas_cancel),
        cmocka_unit_test(malformed_numbers_have_no_end),
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(written_floats_read_back),
        cmocka_unit_test(arrays_of_numbers_become_slices),
        cmocka_unit_test(ragged_arrays_have_no_shape),
        cmocka_unit_test(broken_documents_are_refused),
        cmocka_unit_test(errors_name_the_byte_and_what_was_due),
        cmocka_unit_test(lack_of_memory_is_no_syntax_error),
        cmocka_unit_test(deep_nesting_is_refused_in_linear_time),
        cmocka_unit_test(elements_that_do_not_fit_are_named),
        cmocka_unit_test(huge_shapes_take_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
