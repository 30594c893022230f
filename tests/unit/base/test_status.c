#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"
#include <string.h>

static void every_status_has_a_row(void **state)
{
    (void)state;
    assert_string_equal(sinter_status_name(SINTER_OK), "ok");
    assert_int_equal(sinter_status_exit_code(SINTER_OK), 0);
    assert_string_equal(sinter_status_name(SINTER_IO), "i/o error");
    assert_int_equal(sinter_status_exit_code(SINTER_BUSY), 5);
    assert_int_equal(sinter_status_http_code(SINTER_TOO_LARGE), 413);
    assert_string_equal(sinter_status_name((sinter_status)99), "failed");
    assert_string_equal(sinter_status_name((sinter_status)-1), "failed");
    assert_true(strlen(sinter_version()) > 0);
}

static void failing_fills_code_and_text(void **state)
{
    (void)state;
    sinter_error err;
    assert_int_equal(sn_fail(&err, SINTER_NOT_FOUND, "no %s of %d", "row", 7), SINTER_NOT_FOUND);
    assert_int_equal(err.code, SINTER_NOT_FOUND);
    assert_string_equal(err.text, "no row of 7");
    assert_int_equal(sn_fail(NULL, SINTER_IO, "x"), SINTER_IO);
    assert_int_equal(sn_no_memory(&err, "reading"), SINTER_NO_MEMORY);
    assert_string_equal(err.text, "out of memory while reading");
}

static void arguments_may_be_the_error_itself(void **state)
{
    (void)state;
    sinter_error err;
    (void)sn_fail(&err, SINTER_IO, "disk full");
    (void)sn_fail(&err, SINTER_IO, "first %s", err.text);
    assert_string_equal(err.text, "first disk full");
    assert_int_equal(sn_context(&err, SINTER_IO, "while saving '%s'", "m"), SINTER_IO);
    assert_string_equal(err.text, "while saving 'm': first disk full");
}

static void long_texts_are_cut_at_a_character(void **state)
{
    (void)state;
    char name[3000];
    for (size_t i = 0; i + 1 < sizeof name; ++i) name[i] = i % 2 ? (char)0xA9 : (char)0xC3;
    name[sizeof name - 1] = '\0';
    for (int shift = 0; shift < 2; ++shift) {
        sinter_error err;
        (void)sn_fail(&err, SINTER_IO, "%s%s", shift ? "x" : "", name);
        size_t n = strlen(err.text);
        assert_true(n < SINTER_ERROR_TEXT_SIZE && n > 1000);
        assert_string_equal(err.text + n - 3, "...");
        assert_int_equal((unsigned char)err.text[n - 4], 0xA9); /* a whole sequence ends here */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_row),
        cmocka_unit_test(failing_fills_code_and_text),
        cmocka_unit_test(arguments_may_be_the_error_itself),
        cmocka_unit_test(long_texts_are_cut_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
