#include "server/deadlines.h"

#include "base/alloc.h"

#include <math.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Shuts down what is late and returns the earliest deadline left, or 0. The lock keeps descriptors from being reused
 * meanwhile. */
static double sweep(sn_deadlines *d, double at)
{
    double earliest = 0;
    for (sn_connection *c = d->connections; c; c = c->next) {
        if (c->deadline == 0) continue;
        if (c->deadline <= at) {
            shutdown(c->fd, SHUT_RDWR);
            c->deadline = 0;
        } else if (earliest == 0 || c->deadline < earliest) {
            earliest = c->deadline;
        }
    }
    return earliest;
}

static void *timer(void *argument)
{
    sn_deadlines *d = argument;
    pthread_mutex_lock(&d->mutex);
    while (!d->stopping) {
        d->earliest = sweep(d, now());
        if (d->earliest == 0) {
            pthread_cond_wait(&d->wake, &d->mutex);
        } else {
            struct timespec until = {.tv_sec = (time_t)d->earliest,
                                     .tv_nsec = (long)((d->earliest - floor(d->earliest)) * 1e9)};
            pthread_cond_timedwait(&d->wake, &d->mutex, &until);
        }
    }
    pthread_mutex_unlock(&d->mutex);
    return NULL;
}

sinter_status sn_deadlines_start(sn_deadlines *d, sinter_error *err)
{
    *d = (sn_deadlines){0};
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&d->mutex, NULL);
    pthread_cond_init(&d->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int error = pthread_create(&d->thread, NULL, timer, d);
    if (error) return sn_fail(err, SINTER_NO_MEMORY, "cannot start the timer thread: %s", strerror(error));
    d->started = true;
    return SINTER_OK;
}

void sn_deadlines_stop(sn_deadlines *d)
{
    if (!d->started) return;
    pthread_mutex_lock(&d->mutex);
    d->stopping = true;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->mutex);
    pthread_join(d->thread, NULL);
    pthread_cond_destroy(&d->wake);
    pthread_mutex_destroy(&d->mutex);
    d->started = false;
}

static void set_locked(sn_deadlines *d, sn_connection *c, double seconds)
{
    c->deadline = seconds > 0 ? now() + seconds : 0;
    if (c->deadline != 0 && (d->earliest == 0 || c->deadline < d->earliest)) pthread_cond_signal(&d->wake);
}

sn_connection *sn_deadlines_add(sn_deadlines *d, int fd, double seconds)
{
    sn_connection *c = sn_calloc(1, sizeof *c);
    if (!c) return NULL;
    c->fd = fd;
    pthread_mutex_lock(&d->mutex);
    c->next = d->connections;
    if (c->next) c->next->previous = c;
    d->connections = c;
    set_locked(d, c, seconds);
    pthread_mutex_unlock(&d->mutex);
    return c;
}

void sn_deadlines_set(sn_deadlines *d, sn_connection *c, double seconds)
{
    if (!c) return;
    pthread_mutex_lock(&d->mutex);
    set_locked(d, c, seconds);
    pthread_mutex_unlock(&d->mutex);
}

void sn_deadlines_remove(sn_deadlines *d, sn_connection *c)
{
    if (!c) return;
    pthread_mutex_lock(&d->mutex);
    if (c->previous) {
        c->previous->next = c->next;
    } else {
        d->connections = c->next;
    }
    if (c->next) c->next->previous = c->previous;
    pthread_mutex_unlock(&d->mutex);
    sn_free(c);
}
