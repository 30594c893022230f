/* Options that are refused. */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "server/server.h"

#include <math.h>
#include <string.h>

static void options_out_of_range_are_refused(void **state)
{
    (void)state;
    static const struct {
        sn_server_options options;
        const char *error;
    } cases[] = {{{.port = 1}, "either"},
                 {{.model_path = "x", .model_repository = "y"}, "either"},
                 {{.model_repository = "y", .model_name = "z"}, "name"},
                 {{.model_path = "x", .port = 65536}, "65536"},
                 {{.model_path = "x", .idle_timeout = 1e300}, "idle timeout of 1e+300"},
                 {{.model_path = "x", .header_timeout = -1}, "header timeout of -1"},
                 {{.model_path = "x", .body_timeout = NAN}, "body timeout"},
                 {{.model_path = "x", .drain_timeout = INFINITY}, "drain timeout of inf"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sinter_error err = {0};
        assert_int_equal(sn_server_run(&cases[i].options, &err), SINTER_INVALID_ARGUMENT);
        if (!strstr(err.text, cases[i].error)) fail_msg("%s", err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
