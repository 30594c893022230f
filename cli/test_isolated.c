/*
 * A case in a process of its own. What a conformance run is for is finding crashes and endless loops, so these must
 * cost one line of the result and not the run.
 */
#include "cli/test_case.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void fail(sn_case_result *out, const char *what, const char *detail)
{
    out->verdict = SN_CASE_FAIL;
    snprintf(out->reason, sizeof out->reason, "%s%s", what, detail);
}

static void write_result(int fd, const sn_case_result *result)
{
    const char *p = (const char *)result;
    for (size_t left = sizeof *result; left > 0;) {
        ssize_t n = write(fd, p, left);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        p += n;
        left -= (size_t)n;
    }
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

typedef enum read_end { READ_ALL, READ_SHORT, READ_TIMEOUT } read_end;

/* Reads the child's result until it is complete, the child is gone, or time is up. */
static read_end read_result(int fd, int64_t timeout_ms, sn_case_result *out)
{
    char *p = (char *)out;
    size_t left = sizeof *out;
    int64_t deadline = now_ms() + timeout_ms;
    while (left > 0) {
        int64_t remaining = deadline - now_ms();
        if (remaining <= 0) return READ_TIMEOUT;
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        int ready = poll(&poller, 1, remaining > 60000 ? 60000 : (int)remaining);
        if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
        ssize_t n = ready < 0 ? -1 : read(fd, p, left);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return READ_SHORT;
        p += n;
        left -= (size_t)n;
    }
    return READ_ALL;
}

static void describe_death(int status, sn_case_result *out)
{
    char detail[64];
    if (WIFSIGNALED(status))
        snprintf(detail, sizeof detail, "signal %d", WTERMSIG(status));
    else
        snprintf(detail, sizeof detail, "exit code %d", WEXITSTATUS(status));
    fail(out, "the process died: ", detail);
}

static void await(pid_t child, int fd, int64_t seconds, sn_case_result *out)
{
    read_end end = read_result(fd, seconds * 1000, out);
    int status = 0;
    if (end == READ_TIMEOUT) kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    if (end == READ_TIMEOUT) fail(out, "not finished within --timeout", "");
    if (end == READ_SHORT) describe_death(status, out);
    out->reason[sizeof out->reason - 1] = '\0';
}

void sn_case_run_isolated(const char *folder, const sn_case_options *o, sn_case_result *out)
{
    int ends[2];
    fflush(NULL); /* else the child would write what is buffered a second time */
    memset(out, 0, sizeof *out);
    if (pipe(ends) != 0) {
        fail(out, "cannot start a process: ", strerror(errno));
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        sn_case_run(folder, o, out);
        write_result(ends[1], out);
        _exit(0);
    }
    close(ends[1]);
    if (child < 0)
        fail(out, "cannot start a process: ", strerror(errno));
    else
        await(child, ends[0], o->timeout, out);
    close(ends[0]);
}
