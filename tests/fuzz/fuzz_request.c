/*
 * Any bytes as a request, without sockets: "METHOD PATH\nBODY" is routed, decoded, checked against a model, run, and
 * the answer written. Whatever comes out, errors included, must be JSON.
 */
#include "base/alloc.h"
#include "base/log.h"
#include "request_models.h"
#include "server/protocol.h"
#include "server/routes.h"
#include "server/state.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_INPUT ((size_t)1 << 16) /* bounds the time of one input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sinter_session *session_of(const void *bytes, size_t size)
{
    sinter_error err;
    sinter_model *model = NULL;
    sinter_session *session = NULL;
    if (sinter_model_load_memory(bytes, size, NULL, &model, &err) != SINTER_OK ||
        sinter_session_create(&model, NULL, &session, NULL, &err) != SINTER_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return session;
}

static sn_server *the_server(void)
{
    static sn_served models[] = {{.name = "broken", .version = "1", .failure = "\"bro\xffken\""},
                                 {.name = "many", .version = "1"},
                                 {.name = "one", .version = "1"},
                                 {.name = "one", .version = "a/b"}};
    static sn_server server = {.repository = {.models = models, .n_models = sizeof models / sizeof *models}};
    if (!models[1].session) {
        sn_log_set_level(SN_LOG_ERROR);
        models[1].session = session_of(many_model, sizeof many_model);
        models[2].session = models[3].session = session_of(one_model, sizeof one_model);
    }
    return &server;
}

/* A copy up to `end`, or to the first NUL; and what follows it. */
static char *take_until(char end, const uint8_t **data, size_t *size)
{
    const uint8_t *found = memchr(*data, end, *size);
    size_t n = found ? (size_t)(found - *data) : *size;
    char *text = malloc(n + 1);
    if (!text) abort();
    memcpy(text, *data, n);
    text[n] = 0;
    *data += n + (found != NULL);
    *size -= n + (found != NULL);
    return text;
}

static void must_be_json(const char *text, size_t n)
{
    sn_json_document d;
    sinter_error err;
    if (sn_json_parse((sn_str){text, n}, &d, &err) != SINTER_OK) {
        fprintf(stderr, "%s: %.*s\n", err.text, (int)n, text);
        abort();
    }
    sn_json_document_free(&d);
}

static void free_values(sinter_value **values, size_t n)
{
    for (size_t i = 0; i < n; i++) sinter_value_release(values[i]);
}

static void predict(sn_request *r)
{
    r->served = sn_repository_find(&r->server->repository, r->model, r->version);
    if (!r->served || !r->served->session) {
        sn_answer_missing_model(r);
        return;
    }
    sinter_session *session = r->served->session;
    size_t n_inputs = sinter_session_input_count(session), n_outputs = sinter_session_output_count(session);
    sinter_value *inputs[16] = {0}, *outputs[16] = {0};
    sinter_error err = {0};
    sn_text body = {0};
    r->inputs = inputs;
    r->outputs = outputs;
    sinter_status status = r->route->protocol->decode(r, &err);
    if (status == SINTER_OK)
        status = sinter_session_run(session, (const sinter_value *const *)inputs, outputs, r->wanted, NULL, &err);
    if (status == SINTER_OK) status = r->route->protocol->encode(r, &body, &err);
    if (status == SINTER_OK) {
        sn_respond(r, 200, &body);
    } else {
        sn_text_free(&body);
        sn_respond_error(r, status, err.text);
    }
    free_values(inputs, n_inputs);
    free_values(outputs, n_outputs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MAX_INPUT) return 0;
    sn_request r = {.server = the_server()};
    char *method = take_until(' ', &data, &size), *path = take_until('\n', &data, &size);
    /* Exactly as large as the body, so that a sanitizer sees a read past its end. */
    r.body = malloc(size ? size : 1);
    if (!r.body) abort();
    memcpy(r.body, data, size);
    r.body_size = size;
    r.method = method;
    if (sn_route_find(&r, path)) {
        if (r.route->handle) {
            r.route->handle(&r);
        } else {
            predict(&r);
        }
    }
    if (!r.answered || r.code < 200 || r.code > 599) abort();
    if (r.response) must_be_json(r.response, r.response_size);
    sn_free(r.response);
    sn_arena_free(&r.arena);
    free(r.body);
    free(method);
    free(path);
    return 0;
}
