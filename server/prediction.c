/*
 * libmicrohttpd does not see a client leave while its connection is suspended: deadlines.c does, and nothing is
 * computed for it any more. A client that closed only its sending side counts as gone too, for from here the two look
 * the same.
 */
#include "server/prediction.h"

#include "server/body.h"
#include "server/protocol.h"
#include "server/routes.h"
#include "server/state.h"

static void free_values(sinter_value **values, size_t n)
{
    for (size_t i = 0; values && i < n; i++) sinter_value_release(values[i]);
}

void sn_prediction_free(sn_request *r)
{
    if (!r->served) return;
    free_values(r->inputs, sinter_session_input_count(r->served->session));
    free_values(r->outputs, sinter_session_output_count(r->served->session));
    r->inputs = r->outputs = NULL;
}

static sinter_status run(sn_request *r, sinter_error *err)
{
    sinter_run_options options = SINTER_RUN_OPTIONS_INIT;
    options.cancel = r->connection ? &r->connection->hung_up : NULL;
    sinter_status status = options.cancel && __atomic_load_n(options.cancel, __ATOMIC_RELAXED)
                               ? SINTER_CANCELLED
                               : sinter_session_run(r->served->session, (const sinter_value *const *)r->inputs,
                                                    r->outputs, r->wanted, &options, err);
    if (status != SINTER_CANCELLED) return status;
    if (atomic_load(&r->server->cancelled)) return sn_fail(err, SINTER_BUSY, "the server is shutting down");
    return sn_fail(err, SINTER_CANCELLED, "the client closed the connection");
}

static void predict(sn_request *r)
{
    sinter_error err = {0};
    sn_text body = {0};
    sinter_status status = run(r, &err);
    if (status == SINTER_OK) status = r->route->protocol->encode(r, &body, &err);
    sn_prediction_free(r);
    if (status == SINTER_OK) {
        sn_respond(r, 200, &body);
    } else {
        sn_text_free(&body);
        sn_respond_error(r, status, err.text);
    }
}

static void execute(sn_job *job)
{
    sn_request *r = (sn_request *)job; /* the job is the request's first member */
    predict(r);
    MHD_resume_connection(r->http);
}

static void answer_full_queue(sn_request *r)
{
    char text[256];
    snprintf(text, sizeof text, "the queue of model '%.100s' is full (%zu requests): try again later", r->served->name,
             r->served->queue.limit);
    sn_respond_error(r, SINTER_BUSY, text);
}

static sinter_status decode(sn_request *r, sinter_error *err)
{
    r->inputs = SN_ARENA_ARRAY(&r->arena, sinter_value *, sinter_session_input_count(r->served->session));
    r->outputs = SN_ARENA_ARRAY(&r->arena, sinter_value *, sinter_session_output_count(r->served->session));
    if (!r->inputs || !r->outputs) return sn_no_memory(err, "reading a request");
    return r->route->protocol->decode(r, err);
}

static void submit(sn_request *r)
{
    sn_server *s = r->server;
    r->job = (sn_job){.queue = &r->served->queue, .execute = execute};
    sn_deadlines_pause(&s->deadlines, r->connection);
    MHD_suspend_connection(r->http); /* before the executor may resume it */
    if (sn_scheduler_submit(&s->scheduler, &r->job)) return;
    sn_queue_cancel(&r->served->queue);
    sn_respond_error(r, SINTER_BUSY, "the server is shutting down");
    MHD_resume_connection(r->http);
}

bool sn_prediction_start(sn_request *r)
{
    r->served = sn_repository_find(&r->server->repository, r->model, r->version);
    if (!r->served || !r->served->session) {
        r->served = NULL;
        sn_answer_missing_model(r);
        return false;
    }
    if (!sn_queue_reserve(&r->served->queue)) {
        answer_full_queue(r);
        return false;
    }
    sinter_error err = {0};
    sinter_status status = decode(r, &err);
    sn_body_free(r); /* the tensors hold what matters: do not keep both while waiting */
    if (status == SINTER_OK) {
        submit(r);
        return true;
    }
    sn_queue_cancel(&r->served->queue);
    sn_respond_error(r, status, err.text);
    return false;
}
