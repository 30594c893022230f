/* Every allocation of a request fails once: the answer is then 503, and nothing leaks or is answered wrongly. */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "server/protocol.h"
#include "server/routes.h"
#include "server/state.h"

#include <stdio.h>
#include <stdlib.h>

static sn_served served = {.name = "ab", .version = "1"};
static sn_server server = {.repository = {.models = &served, .n_models = 1}};

static int load(void **state)
{
    (void)state;
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/http/models/arithmetic.onnx", getenv("SINTER_SOURCE_DIR"));
    sinter_model *model;
    sinter_error err;
    if (sinter_model_load(path, NULL, &model, &err) != SINTER_OK) return -1;
    return sinter_session_create(&model, NULL, &served.session, NULL, &err) == SINTER_OK ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    sinter_session_free(served.session);
    return 0;
}

/* What http.c and prediction.c do, on one thread. */
static void answer(sn_request *r, const char *path, char *body)
{
    sinter_value *inputs[8] = {0}, *outputs[8] = {0};
    sinter_error err = {0};
    sn_text text = {0};
    r->served = &served;
    r->inputs = inputs;
    r->outputs = outputs;
    r->body = body;
    r->body_size = strlen(body);
    if (!sn_route_find(r, path)) return;
    sinter_status status = r->route->protocol->decode(r, &err);
    if (status == SINTER_OK)
        status =
            sinter_session_run(served.session, (const sinter_value *const *)inputs, outputs, r->wanted, NULL, &err);
    if (status == SINTER_OK) status = r->route->protocol->encode(r, &text, &err);
    if (status == SINTER_OK) {
        sn_respond(r, 200, &text);
    } else {
        sn_text_free(&text);
        sn_alloc_fail_after(-1); /* else every answer were 503, whatever the status */
        sn_respond_error(r, status, err.text);
    }
    for (int i = 0; i < 8; i++) {
        sinter_value_release(inputs[i]);
        sinter_value_release(outputs[i]);
    }
}

static void lack_of_memory_is_503(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body;
    } cases[] = {
        {"/v2/models/ab/infer", "{\"id\":\"x\",\"outputs\":[{\"name\":\"sum\"}],\"inputs\":["
                                "{\"name\":\"a\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2,3]},"
                                "{\"name\":\"b\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[[1,2,3]]}]}"},
        {"/v1/models/ab/versions/1:predict", "{\"instances\":[{\"a\":[1,2,3],\"b\":[4,5,6]}]}"},
        {"/v1/models/%61b:predict", "{\"inputs\":{\"a\":[[1,2,3]],\"b\":[[4,5,6]]}}"},
    };
    cJSON_Hooks hooks = {sn_malloc, sn_free};
    cJSON_InitHooks(&hooks);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int code = 503;
        for (long n = 0; code != 200 && n < 1000; n++) {
            sn_request r = {.server = &server, .method = "POST"};
            char *body = strdup(cases[i].body);
            sn_alloc_fail_after(n);
            answer(&r, cases[i].path, body);
            sn_alloc_fail_after(-1);
            code = r.code;
            if (code != 200 && code != 503) fail_msg("%s, allocation %ld: %d %s", cases[i].path, n, code, r.response);
            sn_free(r.response);
            sn_arena_free(&r.arena);
            free(body);
        }
        assert_int_equal(code, 200);
    }
    cJSON_InitHooks(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lack_of_memory_is_503)};
    return cmocka_run_group_tests(tests, load, unload);
}
