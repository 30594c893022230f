/*
 * Deadlines of connections. libmicrohttpd's own timeout is about silence: a client that sends a byte every quarter of a
 * second outlives it. And with epoll it misses a client that leaves: when the end of the stream comes together with the
 * last bytes, it reads these and waits for an event that has been. So every connection has an absolute deadline for
 * what it is doing now, which the client's leaving brings near, and a timer thread shuts down the socket of those that
 * miss theirs; libmicrohttpd then cleans up. The thread sleeps until the next deadline.
 */
#ifndef SN_SERVER_DEADLINES_H
#define SN_SERVER_DEADLINES_H

#include "base/status.h"

#include <pthread.h>

typedef struct sn_connection {
    int fd;
    double deadline; /* as sn_now(); 0: none, a model is running */
    bool receiving;  /* else answering */
    bool hung_up;    /* the client will send nothing more; a cancel flag of its runs, hence atomic by __atomic_... */
} sn_connection;

typedef struct sn_deadlines {
    pthread_mutex_t mutex;
    sn_connection **connections; /* by descriptor; NULL: none */
    size_t capacity;
    double earliest; /* when the thread means to look next; 0: when woken */
    int epoll;       /* of the descriptors, for hang-ups, and of `wake` */
    int wake;        /* an eventfd */
    bool stopping, started;
    pthread_t thread;
} sn_deadlines;

double sn_now(void); /* CLOCK_MONOTONIC, in seconds */

SINTER_CHECK sinter_status sn_deadlines_start(sn_deadlines *d, sinter_error *err);
void sn_deadlines_stop(sn_deadlines *d);

/* A new connection has `seconds` to send a request. NULL when memory is out: the connection then has no deadline. */
sn_connection *sn_deadlines_add(sn_deadlines *d, int fd, double seconds);
/* From now on the connection has `seconds` to send what is due, or to receive its answer, or as long as it takes. NULL
 * connections are ignored. */
void sn_deadlines_receive(sn_deadlines *d, sn_connection *c, double seconds);
void sn_deadlines_answer(sn_deadlines *d, sn_connection *c, double seconds);
void sn_deadlines_pause(sn_deadlines *d, sn_connection *c);
/* As if every client had hung up. */
void sn_deadlines_hang_up_all(sn_deadlines *d);
/* Before the descriptor is closed. */
void sn_deadlines_remove(sn_deadlines *d, sn_connection *c);

#endif
