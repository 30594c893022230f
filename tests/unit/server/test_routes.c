#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "server/protocol.h"
#include "server/routes.h"

static void paths_find_their_routes(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *model, *version;
        const sn_protocol *protocol;
    } cases[] = {
        {"GET", "/v2", NULL, NULL, NULL},
        {"HEAD", "/v2/", NULL, NULL, NULL},
        {"GET", "//v2/health/live//", NULL, NULL, NULL},
        {"GET", "/v2/models/m", "m", NULL, NULL},
        {"GET", "/v2/models/ready/ready", "ready", NULL, NULL},
        {"GET", "/v2/models/m/versions/2", "m", "2", NULL},
        {"GET", "/v2/models/versions/versions/versions", "versions", "versions", NULL},
        {"POST", "/v2/models/m/infer", "m", NULL, &sn_protocol_v2},
        {"POST", "/v2/models/a%2Fb%20c/infer", "a/b c", NULL, &sn_protocol_v2},
        {"POST", "/v2/models/%25/versions/%31/infer", "%", "1", &sn_protocol_v2},
        {"POST", "/v1/models/m:predict", "m", NULL, &sn_protocol_v1},
        {"POST", "/v1/models/a:b:predict/", "a:b", NULL, &sn_protocol_v1},
        {"POST", "/v1/models/m/versions/3:predict", "m", "3", &sn_protocol_v1},
        {"GET", "/v1/models/a:b", "a:b", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_request r = {.method = cases[i].method};
        if (!sn_route_find(&r, cases[i].path)) fail_msg("%s: %s", cases[i].path, r.response);
        assert_ptr_equal(r.route->protocol, cases[i].protocol);
        assert_int_equal(!r.route->handle, !!cases[i].protocol);
        assert_int_equal(!r.model, !cases[i].model);
        assert_int_equal(!r.version, !cases[i].version);
        if (r.model) assert_string_equal(r.model, cases[i].model);
        if (r.version) assert_string_equal(r.version, cases[i].version);
        sn_arena_free(&r.arena);
    }
}

static void other_paths_are_answered(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        int code;
        const char *allow;
    } cases[] = {
        {"GET", "", 404, NULL},
        {"GET", "/", 404, NULL},
        {"GET", "/v", 404, NULL},
        {"GET", "/v22", 404, NULL},
        {"GET", "/v2/models", 404, NULL},
        {"GET", "/v2/models//", 404, NULL},
        {"GET", "/v2/models/m/versions", 404, NULL},
        {"POST", "/v1/models/:predict", 404, NULL},
        {"POST", "/v2/models/m/Infer", 404, NULL},
        {"GET", "/v2/models/%", 400, NULL},
        {"GET", "/v2/models/%0", 400, NULL},
        {"GET", "/v2/models/%00", 400, NULL},
        {"GET", "/v2/models/%0g", 400, NULL},
        {"POST", "/v2/models/m/infer%zz", 404, NULL},
        {"POST", "/v2/models/m", 405, "GET, HEAD"},
        {"HEAD", "/v2/models/m/infer", 405, "POST"},
        {"get", "/v2", 405, "GET, HEAD"},
        {"GET", "/v1/models/m:predict", 405, "POST"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_request r = {.method = cases[i].method};
        if (sn_route_find(&r, cases[i].path)) fail_msg("%s %s was found", cases[i].method, cases[i].path);
        assert_int_equal(r.code, cases[i].code);
        assert_int_equal(!r.allow, !cases[i].allow);
        if (r.allow) assert_string_equal(r.allow, cases[i].allow);
        assert_non_null(strstr(r.response, "{\"error\":\""));
        sn_free(r.response);
        sn_arena_free(&r.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_find_their_routes),
        cmocka_unit_test(other_paths_are_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
