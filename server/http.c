/*
 * The seam with libmicrohttpd. The access handler is called several times per request: once with the headers, then with
 * pieces of the body, then without any; and, for a prediction, once more after the connection was resumed. What 0.9.75
 * does, and how that is met:
 *   - it does not see a client leave while suspended: prediction.c;
 *   - a response queued in the middle of a body is refused: body.c;
 *   - its timeout is about silence only, and it may miss a client that leaves: deadlines.h;
 *   - URLs arrive unescaped, %2F too: the unescape callback does nothing, routes.c splits and then unescapes;
 *   - stopping to listen may panic: sn_http_quiesce;
 *   - a panic aborts the process: instead the thread that met it is parked, the others go on and report the server as
 *     not live, so that it is restarted: server.c.
 */
#include "base/alloc.h"
#include "base/log.h"
#include "server/body.h"
#include "server/limits.h"
#include "server/prediction.h"
#include "server/routes.h"
#include "server/state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

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
    if (r->closes || atomic_load(&r->server->draining))
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    sn_deadlines_answer(&r->server->deadlines, r->connection, r->server->options.body_timeout);
    enum MHD_Result result = MHD_queue_response(r->http, (unsigned)r->code, response);
    MHD_destroy_response(response);
    return result;
}

/* ------------------------------------------------------------------------------------------------ requests */

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
    sn_deadlines_receive(&s->deadlines, r->connection, s->options.body_timeout);
    r->method = sn_arena_str(&r->arena, sn_str_of(method)).p;
    if (!r->method) return MHD_NO;
    if (!sn_body_expect(r)) return send_response(r);
    /* What is wrong with the path is said after the body was read, so that the connection stays usable. */
    if (!sn_route_find(r, url)) r->body_refused = true;
    return MHD_YES;
}

static enum MHD_Result receive(sn_request *r, const char *bytes, size_t *size)
{
    size_t n = *size;
    *size = 0;
    return sn_body_receive(r, bytes, n) ? MHD_YES : MHD_NO;
}

static enum MHD_Result finish(sn_request *r)
{
    if (!r->answered) {
        if (r->route->handle) {
            r->route->handle(r);
        } else if (sn_prediction_start(r)) {
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
    sn_deadlines_receive(&s->deadlines, r->connection, s->options.idle_timeout + s->options.header_timeout);
    sn_prediction_free(r);
    sn_body_free(r);
    sn_body_discharge(r);
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

/* Returning would be undefined behaviour in libmicrohttpd. The thread that waits for the signals must not be parked:
 * none would end the process then. */
static _Noreturn void on_panic(void *context, const char *file, unsigned line, const char *reason)
{
    sn_server *s = context;
    if (!reason) reason = "internal error";
    sn_log(SN_LOG_ERROR, "http: %s:%u: %.*s: this thread stops", file, line, (int)strcspn(reason, "\n"), reason);
    atomic_store(&s->panicked, true);
    if (pthread_equal(pthread_self(), s->owner)) _exit(sinter_status_exit_code(SINTER_FAILED));
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

/* How many connections there may be. The soft limit of descriptors is often 1024 and may be raised; a low hard limit
 * must be respected here: libmicrohttpd spins when accept() has no descriptor left. */
static unsigned connection_limit(void)
{
    const rlim_t wanted = SN_MAX_CONNECTIONS + SN_OTHER_DESCRIPTORS;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return SN_MAX_CONNECTIONS;
    if (limit.rlim_cur < wanted) {
        rlim_t before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
    }
    if (limit.rlim_cur >= wanted) return SN_MAX_CONNECTIONS;
    rlim_t left = limit.rlim_cur > SN_OTHER_DESCRIPTORS ? limit.rlim_cur - SN_OTHER_DESCRIPTORS : 0;
    return left > SN_HTTP_THREADS ? (unsigned)left : SN_HTTP_THREADS;
}

sinter_status sn_http_start(sn_server *s, int *port, sinter_error *err)
{
    int fd;
    SN_TRY(listen_on(&s->options, &fd, port, err));
    s->owner = pthread_self();
    MHD_set_panic_func(on_panic, s);
    double idle = s->options.idle_timeout;
    s->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL,
                                 NULL, on_access, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET,
                                 fd, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)SN_HTTP_THREADS,
                                 MHD_OPTION_CONNECTION_LIMIT, connection_limit(), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                 SN_CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(idle < 1 ? 1 : idle),
                                 MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION,
                                 on_connection, s, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_END);
    s->listener = fd;
    if (s->daemon) return SINTER_OK;
    close(fd);
    return sn_fail(err, SINTER_IO, "cannot start the HTTP server");
}

/* MHD_quiesce_daemon races with the daemon's threads to remove the socket from their epoll sets, and panics when it
 * loses. So something that is never readable takes over the descriptor: the socket is closed, which removes it from the
 * sets, while the descriptor cannot become another file's under a thread that is about to accept. */
void sn_http_quiesce(sn_server *s)
{
    int never_readable = eventfd(0, EFD_CLOEXEC);
    if (never_readable < 0 || dup3(never_readable, s->listener, O_CLOEXEC) < 0)
        shutdown(s->listener, SHUT_RDWR); /* as good, but the threads spin on it until the end */
    if (never_readable >= 0) close(never_readable);
}

void sn_http_stop(sn_server *s)
{
    if (s->daemon) MHD_stop_daemon(s->daemon);
    s->daemon = NULL;
}
