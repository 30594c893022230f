/*
 * The seam with libmicrohttpd: collecting bodies under limits, suspending a connection while its model runs, sending
 * answers.
 *
 * The access handler is called several times per request: once with the headers, then with pieces of the body, then
 * without any; and, for a prediction, once more after the connection was resumed. What 0.9.75 does and how that is met
 * here:
 *   - it does not see a client leave while suspended: the executor polls the socket before it computes;
 *   - a response queued in the middle of a body is refused: a too large declared body is answered at the first call, a
 * too large chunked one is read to a cap first;
 *   - URLs arrive unescaped, %2F too: the unescape callback does nothing, routes.c splits and then unescapes;
 *   - a panic aborts the process: instead the thread that hit it is parked, the others go on.
 */
#include "base/alloc.h"
#include "base/log.h"
#include "server/limits.h"
#include "server/protocol.h"
#include "server/routes.h"
#include "server/state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------------------ predictions */

static void free_values(sinter_value **values, size_t n)
{
    for (size_t i = 0; values && i < n; i++) sinter_value_release(values[i]);
}

static void release_tensors(sn_request *r)
{
    if (!r->served) return;
    free_values(r->inputs, sinter_session_input_count(r->served->session));
    free_values(r->outputs, sinter_session_output_count(r->served->session));
    r->inputs = r->outputs = NULL;
}

/* A client that went away, or closed its side, gets no computation. */
static bool client_is_gone(const sn_request *r)
{
    if (!r->connection) return false;
    struct pollfd p = {.fd = r->connection->fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static void predict(sn_request *r)
{
    sinter_error err = {0};
    sn_text body = {0};
    sinter_run_options options = SINTER_RUN_OPTIONS_INIT;
    sinter_status status = client_is_gone(r)
                               ? sn_fail(&err, SINTER_CANCELLED, "the client closed the connection")
                               : sinter_session_run(r->served->session, (const sinter_value *const *)r->inputs,
                                                    r->outputs, r->wanted, &options, &err);
    if (status == SINTER_OK) status = r->protocol->encode(r, &body, &err);
    release_tensors(r);
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

/* Decodes on this HTTP thread, then queues. True when the connection was suspended. */
static bool start_prediction(sn_request *r)
{
    sn_server *s = r->server;
    r->served = sn_repository_find(&s->repository, r->model, r->version);
    if (!r->served || !r->served->session) {
        r->served = NULL;
        sn_answer_missing_model(r);
        return false;
    }
    if (!sn_queue_reserve(&r->served->queue)) {
        char text[256];
        snprintf(text, sizeof text, "the queue of model '%.100s' is full (%zu requests): try again later",
                 r->served->name, r->served->queue.limit);
        sn_respond_error(r, SINTER_BUSY, text);
        return false;
    }
    sinter_error err = {0};
    r->protocol = r->route->protocol;
    r->inputs = SN_ARENA_ARRAY(&r->arena, sinter_value *, sinter_session_input_count(r->served->session));
    r->outputs = SN_ARENA_ARRAY(&r->arena, sinter_value *, sinter_session_output_count(r->served->session));
    sinter_status status =
        r->inputs && r->outputs ? r->protocol->decode(r, &err) : sn_no_memory(&err, "reading a request");
    sn_free(r->body); /* the tensors hold what matters: do not keep both while waiting */
    r->body = NULL;
    if (status != SINTER_OK) {
        sn_queue_cancel(&r->served->queue);
        sn_respond_error(r, status, err.text);
        return false;
    }
    r->job = (sn_job){.queue = &r->served->queue, .execute = execute};
    sn_deadlines_set(&s->deadlines, r->connection, 0);
    MHD_suspend_connection(r->http);
    sn_scheduler_submit(&s->scheduler, &r->job);
    return true;
}

/* ------------------------------------------------------------------------------------------------ answers */

static enum MHD_Result send_response(sn_request *r)
{
    static char no_memory[] = "{\"error\":\"out of memory\"}";
    struct MHD_Response *response =
        r->response ? MHD_create_response_from_buffer_with_free_callback(r->response_size, r->response, sn_free)
                    : MHD_create_response_from_buffer(strlen(no_memory), no_memory, MHD_RESPMEM_PERSISTENT);
    if (!response) return MHD_NO; /* libmicrohttpd closes the connection; r->response is freed with the request */
    r->response = NULL;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    if (r->allow) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, r->allow);
    if (r->code == 503) MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    if (r->failed_early || atomic_load(&r->server->draining))
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    sn_deadlines_set(&r->server->deadlines, r->connection, r->server->options.body_timeout);
    enum MHD_Result result = MHD_queue_response(r->http, (unsigned)r->code, response);
    MHD_destroy_response(response);
    return result;
}

/* ------------------------------------------------------------------------------------------------ requests */

static void refuse_body(sn_request *r)
{
    char text[128];
    snprintf(text, sizeof text, "the body is larger than the limit of %zu bytes", r->server->options.max_body);
    sn_respond_error(r, SINTER_TOO_LARGE, text);
    r->failed_early = true;
}

/* The first call: headers only. */
static enum MHD_Result begin(sn_server *s, struct MHD_Connection *http, const char *url, const char *method,
                             void **state)
{
    sn_request *r = sn_calloc(1, sizeof *r);
    if (!r) return MHD_NO;
    *state = r;
    r->server = s;
    r->http = http;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(http, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    r->connection = info ? info->socket_context : NULL;
    atomic_fetch_add(&s->in_flight, 1);
    sn_deadlines_set(&s->deadlines, r->connection, s->options.body_timeout);
    r->method = sn_arena_str(&r->arena, sn_str_of(method)).p;
    if (!r->method) return MHD_NO;
    const char *length = MHD_lookup_connection_value(http, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    unsigned long long declared = length ? strtoull(length, NULL, 10) : 0;
    bool routed = sn_route_find(r, url);
    if (declared > s->options.max_body) {
        if (r->answered) sn_free(r->response);
        refuse_body(r);
        return send_response(r);
    }
    r->declared_size = (size_t)declared;
    /* What is wrong with the path is said after the body was read, so that the connection stays usable. */
    r->body_refused = !routed;
    return MHD_YES;
}

static bool grow_body(sn_request *r, size_t needed)
{
    size_t capacity = r->body_capacity ? r->body_capacity * 2 : SN_FIRST_BODY_BUFFER;
    if (!r->body_capacity && r->declared_size <= SN_TRUSTED_BODY) capacity = r->declared_size;
    if (capacity < needed) capacity = needed;
    char *body = sn_realloc(r->body, capacity);
    if (!body) return false;
    r->body = body;
    r->body_capacity = capacity;
    return true;
}

static enum MHD_Result receive(sn_request *r, const char *bytes, size_t *size)
{
    size_t n = *size;
    *size = 0;
    size_t total = r->body_size + n;
    if (total > r->server->options.max_body && !r->failed_early) {
        sn_free(r->response);
        r->response = NULL;
        refuse_body(r);
        r->body_refused = true;
    }
    if (total > r->server->options.max_body + SN_DRAIN_BODY) return MHD_NO;
    if (!r->body_refused) {
        if (total > r->body_capacity && !grow_body(r, total)) {
            sn_respond_error(r, SINTER_NO_MEMORY, "out of memory while reading the body");
            r->body_refused = true;
        } else {
            memcpy(r->body + r->body_size, bytes, n);
        }
    }
    r->body_size = total;
    return MHD_YES;
}

static enum MHD_Result finish(sn_request *r)
{
    if (!r->answered) {
        if (r->route->handle) {
            r->route->handle(r);
        } else if (start_prediction(r)) {
            return MHD_YES; /* called again once resumed */
        }
    }
    return send_response(r);
}

static enum MHD_Result on_access(void *context, struct MHD_Connection *http, const char *url, const char *method,
                                 const char *version, const char *upload, size_t *upload_size, void **state)
{
    (void)version;
    sn_request *r = *state;
    if (!r) return begin(context, http, url, method, state);
    if (*upload_size) return receive(r, upload, upload_size);
    return finish(r);
}

static void on_completed(void *context, struct MHD_Connection *http, void **state, enum MHD_RequestTerminationCode how)
{
    (void)http, (void)how;
    sn_server *s = context;
    sn_request *r = *state;
    if (!r) return;
    *state = NULL;
    sn_deadlines_set(&s->deadlines, r->connection, s->options.idle_timeout + s->options.header_timeout);
    release_tensors(r);
    sn_free(r->body);
    sn_free(r->response);
    sn_arena_free(&r->arena);
    sn_free(r);
    atomic_fetch_sub(&s->in_flight, 1);
}

static void on_connection(void *context, struct MHD_Connection *http, void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
    sn_server *s = context;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        sn_deadlines_remove(&s->deadlines, *socket_context);
        *socket_context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(http, MHD_CONNECTION_INFO_CONNECTION_FD);
    *socket_context = info ? sn_deadlines_add(&s->deadlines, info->connect_fd, s->options.header_timeout) : NULL;
}

static size_t keep_escapes(void *context, struct MHD_Connection *http, char *text)
{
    (void)context, (void)http;
    return strlen(text);
}

static void on_log(void *context, const char *format, va_list arguments)
{
    (void)context;
    char line[512];
    vsnprintf(line, sizeof line, format, arguments);
    line[strcspn(line, "\n")] = 0;
    sn_log(SN_LOG_DEBUG, "http: %s", line);
}

/* Returning would be undefined behaviour in libmicrohttpd. */
static _Noreturn void on_panic(void *context, const char *file, unsigned line, const char *reason)
{
    (void)context;
    sn_log(SN_LOG_ERROR, "http: %s:%u: %s: this thread stops", file, line, reason ? reason : "internal error");
    for (;;) pause();
}

/* ------------------------------------------------------------------------------------------------ life */

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

static bool parse_address(const char *host, int port, address *out)
{
    *out = (address){0};
    if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons((uint16_t)port);
        return true;
    }
    if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons((uint16_t)port);
        return true;
    }
    return false;
}

/* Our own listening socket: libmicrohttpd does not say why a bind failed. */
static sinter_status listen_on(const sn_server_options *o, int *fd, int *port, sinter_error *err)
{
    address a;
    const char *host = strcmp(o->host, "localhost") == 0 ? "127.0.0.1" : o->host;
    if (!parse_address(host, o->port, &a))
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "host '%s' is not a numeric IPv4 or IPv6 address", o->host);
    *fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0) return sn_fail(err, SINTER_IO, "cannot create a socket: %s", strerror(errno));
    int on = 1;
    setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    socklen_t size = a.any.sa_family == AF_INET ? sizeof a.v4 : sizeof a.v6;
    if (bind(*fd, &a.any, size) != 0 || listen(*fd, SN_LISTEN_BACKLOG) != 0 || getsockname(*fd, &a.any, &size) != 0) {
        int error = errno;
        close(*fd);
        return sn_fail(err,
                       error == EADDRINUSE ? SINTER_BUSY
                       : error == EACCES   ? SINTER_INVALID_ARGUMENT
                                           : SINTER_IO,
                       "cannot listen on %s port %d: %s", o->host, o->port, strerror(error));
    }
    *port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
    return SINTER_OK;
}

sinter_status sn_http_start(sn_server *s, int *port, sinter_error *err)
{
    int fd;
    SN_TRY(listen_on(&s->options, &fd, port, err));
    MHD_set_panic_func(on_panic, NULL);
    double idle = s->options.idle_timeout;
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_access, s,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE,
        (unsigned)SN_HTTP_THREADS, MHD_OPTION_CONNECTION_LIMIT, (unsigned)SN_MAX_CONNECTIONS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, SN_CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)(idle < 1 ? 1 : idle), MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, s, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_END);
    if (s->daemon) return SINTER_OK;
    close(fd);
    return sn_fail(err, SINTER_IO, "cannot start the HTTP server");
}

void sn_http_quiesce(sn_server *s)
{
    int fd = MHD_quiesce_daemon(s->daemon);
    if (fd >= 0) close(fd);
}

void sn_http_stop(sn_server *s)
{
    if (s->daemon) MHD_stop_daemon(s->daemon);
    s->daemon = NULL;
}
