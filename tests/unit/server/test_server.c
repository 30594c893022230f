/* Options that are refused, and what no request can provoke in time: races in libmicrohttpd, and its panics. */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "server/server.h"

#include <arpa/inet.h>
#include <math.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* ------------------------------------------------------------------------------------------------ a server */

/* The answer's status code; the connection stays open. */
static int get(int port, const char *path)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    char text[256] = "";
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) return -1;
    dprintf(fd, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    struct timeval patience = {.tv_usec = 200000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return read(fd, text, sizeof text - 1) > 9 ? atoi(text + 9) : 0;
}

static void *serve(void *announce)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/http/models/arithmetic.onnx", getenv("SINTER_SOURCE_DIR"));
    const sn_server_options options = {.model_path = path, .threads = 1, .announce = announce};
    sinter_error err;
    _exit(sn_server_run(&options, &err) == SINTER_OK ? 0 : 93);
}

static pthread_t server;

/* In this process; its port. A signal to the process reaches it. */
static int start_server(void)
{
    int pipes[2], port = 0;
    char line[256];
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    if (pipe(pipes) != 0 || pthread_create(&server, NULL, serve, fdopen(pipes[1], "w")) != 0) _exit(94);
    if (!fgets(line, sizeof line, fdopen(pipes[0], "r"))) _exit(95);
    sscanf(strrchr(line, ':'), ":%d", &port);
    if (get(port, "/v2/health/live") != 200) _exit(96);
    return port;
}

static int exit_code_of(void (*run)(void))
{
    pid_t child = fork();
    if (child == 0) {
        run();
        _exit(98);
    }
    int status = 0;
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* ------------------------------------------------------------------------------------------------ panic */

static enum MHD_Result suspend(void *context, struct MHD_Connection *http, const char *url, const char *method,
                               const char *version, const char *upload, size_t *upload_size, void **request)
{
    (void)url, (void)method, (void)version, (void)upload, (void)upload_size, (void)request;
    MHD_suspend_connection(http);
    return write(*(int *)context, "s", 1) == 1 ? MHD_YES : MHD_NO;
}

static void *stop(void *daemon)
{
    MHD_stop_daemon(daemon);
    return NULL;
}

/* Stopping a daemon with a suspended connection is an error of its user: one that panics. */
static void provoke_panic(void)
{
    int ready[2];
    char byte;
    if (pipe(ready) != 0) _exit(90);
    struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL,
                                                 NULL, suspend, &ready[1], MHD_OPTION_END);
    if (!daemon) _exit(91);
    get(MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port, "/");
    pthread_t thread;
    if (read(ready[0], &byte, 1) != 1 || pthread_create(&thread, NULL, stop, daemon) != 0) _exit(92);
}

static void run_into_panic(void)
{
    int port = start_server(), code = 200;
    provoke_panic();
    for (int i = 0; i < 1000 && code == 200; i++) code = get(port, "/v2/health/live");
    if (code != 503) _exit(97);
    kill(getpid(), SIGINT);
    sleep(30);
}

static void after_a_panic_the_server_is_not_live_and_ends_with_an_error(void **state)
{
    (void)state;
    assert_int_equal(exit_code_of(run_into_panic), sinter_status_exit_code(SINTER_FAILED));
}

/* ------------------------------------------------------------------------------------------------ race */

/* Takes the place of libc's, for libmicrohttpd too, and lets every other thread overtake the server's own. */
__attribute__((visibility("default"))) int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (operation == EPOLL_CTL_DEL && pthread_equal(pthread_self(), server)) usleep(200000);
    return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

static void stop_while_connections_come(void)
{
    int port = start_server();
    kill(getpid(), SIGINT);
    for (int i = 0; i < 500; i++) {
        get(port, "/v2/health/live");
        usleep(10000);
    }
}

static void connections_that_come_at_the_end_do_not_matter(void **state)
{
    (void)state;
    assert_int_equal(exit_code_of(stop_while_connections_come), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(after_a_panic_the_server_is_not_live_and_ends_with_an_error),
        cmocka_unit_test(connections_that_come_at_the_end_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
