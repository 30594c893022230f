/*
 * Deadlines of connections. libmicrohttpd's own timeout is about silence: a client that sends a byte every quarter of a
 * second outlives it. So every connection has an absolute deadline for what it is doing now, and a timer thread shuts
 * down the socket of those that miss theirs; libmicrohttpd then cleans up. The thread sleeps while there is nothing to
 * watch.
 */
#ifndef SN_SERVER_DEADLINES_H
#define SN_SERVER_DEADLINES_H

#include "base/status.h"

#include <pthread.h>

typedef struct sn_connection {
    struct sn_connection *next, *previous;
    int fd;
    double deadline; /* CLOCK_MONOTONIC seconds; 0: none, a model is running */
} sn_connection;

typedef struct sn_deadlines {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    sn_connection *connections;
    double earliest; /* when the thread means to look next; 0: when woken */
    bool stopping, started;
    pthread_t thread;
} sn_deadlines;

SINTER_CHECK sinter_status sn_deadlines_start(sn_deadlines *d, sinter_error *err);
void sn_deadlines_stop(sn_deadlines *d);

/* NULL when memory is out: the connection then has no deadline. */
sn_connection *sn_deadlines_add(sn_deadlines *d, int fd, double seconds);
/* From now on the connection has `seconds` for what it does; 0: as long as it takes. NULL connections are ignored. */
void sn_deadlines_set(sn_deadlines *d, sn_connection *c, double seconds);
/* Before the descriptor is closed. */
void sn_deadlines_remove(sn_deadlines *d, sn_connection *c);

#endif
