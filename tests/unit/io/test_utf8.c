#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/utf8.h"
#include <string.h>

static void decodes_every_length(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        uint32_t code;
    } rows[] = {
        {"A", 1, 0x41},
        {"\xC3\xA9", 2, 0xE9},
        {"\xE2\x82\xAC", 3, 0x20AC},
        {"\xF0\x9F\x98\x80", 4, 0x1F600},
        {"\xF4\x8F\xBF\xBF", 4, 0x10FFFF},
        {"\xDF\xBF", 2, 0x7FF},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t code = 0;
        char again[4];
        assert_int_equal(sn_utf8_decode(rows[i].bytes, strlen(rows[i].bytes), &code), rows[i].length);
        assert_int_equal(code, rows[i].code);
        assert_int_equal(sn_utf8_encode(code, again), rows[i].length);
        assert_memory_equal(again, rows[i].bytes, rows[i].length);
    }
}

static void refuses_what_is_not_utf8(void **state)
{
    static const char *const rows[] = {
        "\x80",             /* a continuation first */
        "\xC3",             /* cut short */
        "\xE2\x82",         /* cut short */
        "\xC3\x28",         /* no continuation */
        "\xC0\x80",         /* overlong NUL */
        "\xE0\x80\xAF",     /* overlong slash */
        "\xED\xA0\x80",     /* a surrogate */
        "\xF4\x90\x80\x80", /* above U+10FFFF */
        "\xFF",
    };
    uint32_t code;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(sn_utf8_decode(rows[i], strlen(rows[i]), &code), 0);
    }
    assert_int_equal(sn_utf8_decode("", 0, &code), 0);
    char out[4];
    assert_int_equal(sn_utf8_encode(0xD800, out), 0);
    assert_int_equal(sn_utf8_encode(0x110000, out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_every_length),
        cmocka_unit_test(refuses_what_is_not_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
