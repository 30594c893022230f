#include "server/deadlines.h"

#include "base/alloc.h"
#include "server/limits.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

double sn_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void wake(sn_deadlines *d)
{
    eventfd_write(d->wake, 1);
}

static void set_locked(sn_deadlines *d, sn_connection *c, double seconds)
{
    if (c->hung_up && c->receiving && seconds > SN_HANG_UP_TIME) seconds = SN_HANG_UP_TIME;
    c->deadline = sn_now() + seconds;
    if (d->earliest == 0 || c->deadline < d->earliest) wake(d);
}

/* Shuts down what is late and returns the earliest deadline left, or 0. The lock keeps descriptors from being reused
 * meanwhile. */
static double sweep(sn_deadlines *d, double at)
{
    double earliest = 0;
    for (size_t fd = 0; fd < d->capacity; fd++) {
        sn_connection *c = d->connections[fd];
        if (!c || c->deadline == 0) continue;
        if (c->deadline <= at) {
            shutdown(c->fd, SHUT_RDWR);
            c->deadline = 0;
        } else if (earliest == 0 || c->deadline < earliest) {
            earliest = c->deadline;
        }
    }
    return earliest;
}

/* What came before the hang-up is still to be read, so only the time for more is cut short. */
static void hang_up(sn_deadlines *d, sn_connection *c)
{
    __atomic_store_n(&c->hung_up, true, __ATOMIC_RELAXED);
    if (c->receiving && c->deadline != 0) set_locked(d, c, SN_HANG_UP_TIME);
}

/* The event may be old, its descriptor another connection's by now: so look again. */
static void note_hang_up(sn_deadlines *d, int fd)
{
    sn_connection *c = (size_t)fd < d->capacity ? d->connections[fd] : NULL;
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    if (!c || poll(&p, 1, 0) <= 0 || !(p.revents & (POLLRDHUP | POLLHUP | POLLERR))) return;
    hang_up(d, c);
}

void sn_deadlines_hang_up_all(sn_deadlines *d)
{
    pthread_mutex_lock(&d->mutex);
    for (size_t fd = 0; fd < d->capacity; fd++) {
        if (d->connections[fd]) hang_up(d, d->connections[fd]);
    }
    pthread_mutex_unlock(&d->mutex);
}

static void take_events(sn_deadlines *d, const struct epoll_event *events, int n)
{
    for (int i = 0; i < n; i++) {
        eventfd_t count;
        if (events[i].data.fd == d->wake) {
            (void)eventfd_read(d->wake, &count);
        } else {
            note_hang_up(d, events[i].data.fd);
        }
    }
}

#define EVENTS 64 /* taken at a time */

static void *timer(void *argument)
{
    sn_deadlines *d = argument;
    struct epoll_event events[EVENTS];
    pthread_mutex_lock(&d->mutex);
    while (!d->stopping) {
        double at = sn_now();
        d->earliest = sweep(d, at);
        double wait = ceil((d->earliest - at) * 1000);
        int milliseconds = d->earliest == 0 ? -1 : wait > 1e9 ? 1000000000 : (int)wait;
        pthread_mutex_unlock(&d->mutex);
        int n = epoll_wait(d->epoll, events, EVENTS, milliseconds);
        pthread_mutex_lock(&d->mutex);
        take_events(d, events, n);
    }
    pthread_mutex_unlock(&d->mutex);
    return NULL;
}

static void release(sn_deadlines *d)
{
    if (d->epoll >= 0) close(d->epoll);
    if (d->wake >= 0) close(d->wake);
    pthread_mutex_destroy(&d->mutex);
    sn_free(d->connections);
    d->started = false;
}

static bool watch(const sn_deadlines *d, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(d->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

sinter_status sn_deadlines_start(sn_deadlines *d, sinter_error *err)
{
    *d = (sn_deadlines){.epoll = epoll_create1(EPOLL_CLOEXEC), .wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    pthread_mutex_init(&d->mutex, NULL);
    int error = 0;
    if (d->epoll < 0 || d->wake < 0 || !watch(d, d->wake, EPOLLIN)) error = errno;
    if (!error) error = pthread_create(&d->thread, NULL, timer, d);
    d->started = !error;
    if (d->started) return SINTER_OK;
    release(d);
    return sn_fail(err, SINTER_IO, "cannot start the timer thread: %s", strerror(error));
}

void sn_deadlines_stop(sn_deadlines *d)
{
    if (!d->started) return;
    pthread_mutex_lock(&d->mutex);
    d->stopping = true;
    wake(d);
    pthread_mutex_unlock(&d->mutex);
    pthread_join(d->thread, NULL);
    release(d);
}

static bool grow(sn_deadlines *d, size_t fd)
{
    if (fd < d->capacity) return true;
    size_t capacity = d->capacity ? d->capacity : 64;
    while (capacity <= fd) capacity *= 2;
    sn_connection **grown = sn_realloc(d->connections, capacity * sizeof *grown);
    if (!grown) return false;
    memset(grown + d->capacity, 0, (capacity - d->capacity) * sizeof *grown);
    d->connections = grown;
    d->capacity = capacity;
    return true;
}

sn_connection *sn_deadlines_add(sn_deadlines *d, int fd, double seconds)
{
    sn_connection *c = sn_calloc(1, sizeof *c);
    if (!c) return NULL;
    c->fd = fd;
    c->receiving = true;
    pthread_mutex_lock(&d->mutex);
    bool added = grow(d, (size_t)fd);
    if (added) {
        d->connections[fd] = c;
        set_locked(d, c, seconds);
        (void)watch(d, fd, EPOLLRDHUP | EPOLLET); /* without it the deadlines are late, but there */
    }
    pthread_mutex_unlock(&d->mutex);
    if (added) return c;
    sn_free(c);
    return NULL;
}

static void set(sn_deadlines *d, sn_connection *c, bool receiving, double seconds)
{
    if (!c) return;
    pthread_mutex_lock(&d->mutex);
    c->receiving = receiving;
    set_locked(d, c, seconds);
    pthread_mutex_unlock(&d->mutex);
}

void sn_deadlines_receive(sn_deadlines *d, sn_connection *c, double seconds)
{
    set(d, c, true, seconds);
}

void sn_deadlines_answer(sn_deadlines *d, sn_connection *c, double seconds)
{
    set(d, c, false, seconds);
}

void sn_deadlines_pause(sn_deadlines *d, sn_connection *c)
{
    if (!c) return;
    pthread_mutex_lock(&d->mutex);
    c->deadline = 0;
    pthread_mutex_unlock(&d->mutex);
}

void sn_deadlines_remove(sn_deadlines *d, sn_connection *c)
{
    if (!c) return;
    pthread_mutex_lock(&d->mutex);
    epoll_ctl(d->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    d->connections[c->fd] = NULL;
    pthread_mutex_unlock(&d->mutex);
    sn_free(c);
}
