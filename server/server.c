/*
 * The server's life: load, listen, wait for a signal, drain, stop. On SIGTERM readiness fails first, so that a balancer
 * looks elsewhere while requests are still accepted; then nothing new is accepted; what was accepted is answered, or
 * cancelled when that takes too long; then it stops.
 */
#include "server/server.h"

#include "base/alloc.h"
#include "base/log.h"
#include "server/limits.h"
#include "server/state.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static void or_default(double *value, double otherwise)
{
    if (*value == 0) *value = otherwise;
}

static sn_server_options with_defaults(const sn_server_options *given)
{
    sn_server_options o = *given;
    if (!o.host) o.host = "127.0.0.1";
    if (!o.queue_size) o.queue_size = SN_DEFAULT_QUEUE_SIZE;
    if (!o.max_body) o.max_body = SN_DEFAULT_MAX_BODY;
    or_default(&o.header_timeout, SN_DEFAULT_HEADER_TIMEOUT);
    or_default(&o.body_timeout, SN_DEFAULT_BODY_TIMEOUT);
    or_default(&o.idle_timeout, SN_DEFAULT_IDLE_TIMEOUT);
    or_default(&o.drain_timeout, SN_DEFAULT_DRAIN_TIMEOUT);
    if (!o.announce) o.announce = stdout;
    return o;
}

static sinter_status check_timeouts(const sn_server_options *o, sinter_error *err)
{
    const struct {
        const char *what;
        double seconds;
    } timeouts[] = {{"header", o->header_timeout},
                    {"body", o->body_timeout},
                    {"idle", o->idle_timeout},
                    {"drain", o->drain_timeout}};
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        if (!(timeouts[i].seconds >= 0 && timeouts[i].seconds <= SN_MAX_TIMEOUT)) /* NaN neither */
            return sn_fail(err, SINTER_INVALID_ARGUMENT, "the %s timeout of %g seconds is not between 0 and %g",
                           timeouts[i].what, timeouts[i].seconds, SN_MAX_TIMEOUT);
    }
    return SINTER_OK;
}

static sinter_status check_options(const sn_server_options *o, sinter_error *err)
{
    if (!o->model_path == !o->model_repository)
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "give either one model or a model repository");
    if (o->model_name && o->model_repository)
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "a name can be given to one model, not to a model repository");
    if (o->port < 0 || o->port > 65535)
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "port %d is not between 0 and 65535", o->port);
    return check_timeouts(o, err);
}

static void announce(const sn_server *s, int port)
{
    bool v6 = strchr(s->options.host, ':');
    size_t n = sn_repository_loaded(&s->repository);
    fprintf(s->options.announce, "Sinter %s serving %zu model%s on http://%s%s%s:%d\n", sinter_version(), n,
            n == 1 ? "" : "s", v6 ? "[" : "", s->options.host, v6 ? "]" : "", port);
    fflush(s->options.announce);
}

/* Waits for one of the signals, at most `seconds` (negative: for ever). 0 when the time ran out. */
static int wait_signal(const sigset_t *signals, double seconds)
{
    struct timespec limit = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - floor(seconds)) * 1e9)};
    int number;
    do {
        number = seconds < 0 ? sigwaitinfo(signals, NULL) : sigtimedwait(signals, NULL, &limit);
    } while (number < 0 && errno == EINTR);
    return number < 0 ? 0 : number;
}

#define DRAIN_STEP 0.01 /* seconds between looks at the number of requests in flight */

/* Waits until nothing is in flight, for `seconds` or until one more signal comes. */
static void await_answers(sn_server *s, const sigset_t *signals, double seconds)
{
    double end = sn_now() + seconds;
    while (atomic_load(&s->in_flight) > 0 && sn_now() < end) {
        if (wait_signal(signals, DRAIN_STEP) != 0) return;
    }
}

/* Each further signal ends the stage that is under way. */
static void drain(sn_server *s, const sigset_t *signals, int signal_number)
{
    atomic_store(&s->draining, true);
    /* An interactive Ctrl-C has no balancer to wait for. */
    if (signal_number != SIGINT) wait_signal(signals, SN_DEFAULT_GRACE);
    sn_http_quiesce(s);
    await_answers(s, signals, s->options.drain_timeout);
    size_t left = atomic_load(&s->in_flight);
    if (!left) return;
    sn_log(SN_LOG_WARNING, "%zu requests are cancelled at the end of the drain", left);
    atomic_store(&s->cancelled, true);
    sn_deadlines_hang_up_all(&s->deadlines);
    await_answers(s, signals, SN_CANCEL_TIME);
}

/* A suspended connection must be resumed before libmicrohttpd may stop, so the executors end first; requests that come
 * in on open connections meanwhile are refused. After a panic one thread is parked, perhaps with locks that others wait
 * for, and none of them can be joined: nothing that they use may be freed, so the process ends here. */
static void stop(sn_server *s)
{
    if (atomic_load(&s->panicked)) _exit(sinter_status_exit_code(SINTER_FAILED));
    sn_scheduler_stop(&s->scheduler);
    sn_http_stop(s);
    sn_scheduler_free(&s->scheduler);
    sn_deadlines_stop(&s->deadlines);
}

static sinter_status serve(sn_server *s, const sigset_t *signals, sinter_error *err)
{
    int port;
    SN_TRY(sinter_pool_create(s->options.threads, &s->pool, err));
    SN_TRY(sn_repository_load(&s->repository, &s->options, s->pool, err));
    SN_TRY(sn_deadlines_start(&s->deadlines, err));
    sinter_status status = sn_scheduler_start(&s->scheduler, 1, err);
    if (status == SINTER_OK) status = sn_http_start(s, &port, err);
    if (status == SINTER_OK) {
        announce(s, port);
        drain(s, signals, wait_signal(signals, -1));
    }
    stop(s);
    return status;
}

sinter_status sn_server_run(const sn_server_options *options, sinter_error *err)
{
    SN_TRY(check_options(options, err));
    sn_server s = {.options = with_defaults(options), .body_limit = SN_ALL_BODIES};
    if (s.body_limit / 2 < s.options.max_body) s.body_limit = s.options.max_body * 2;
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    /* Blocked before any thread starts, so that every thread inherits it and only this one sees them. */
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    struct sigaction ignore = {.sa_handler = SIG_IGN}, pipe_before;
    sigaction(SIGPIPE, &ignore, &pipe_before);

    sinter_status status = serve(&s, &signals, err);

    sn_repository_free(&s.repository);
    sinter_pool_free(s.pool);
    sigaction(SIGPIPE, &pipe_before, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}
