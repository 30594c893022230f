/* The running server: what its files share. */
#ifndef SN_SERVER_STATE_H
#define SN_SERVER_STATE_H

#include "server/deadlines.h"
#include "server/repository.h"
#include "server/scheduler.h"

#include <microhttpd.h>
#include <stdatomic.h>

typedef struct sn_server {
    sn_server_options options; /* defaults filled in */
    sinter_pool *pool;
    sn_repository repository;
    sn_scheduler scheduler;
    sn_deadlines deadlines;
    struct MHD_Daemon *daemon;
    int listener;             /* the daemon's, which closes it */
    pthread_t owner;          /* started the daemon and waits for the signals */
    atomic_bool draining;     /* a signal asked to stop: not ready, and connections close with their answer */
    atomic_bool cancelled;    /* the drain took too long: runs end */
    atomic_bool panicked;     /* libmicrohttpd lost its footing: not live, to be restarted */
    atomic_size_t in_flight;  /* requests between their last header and their last byte sent */
    atomic_size_t body_bytes; /* of the bodies of all requests in flight */
    size_t body_limit;        /* of body_bytes */
} sn_server;

/* Starts listening: http.c. Fills *port with the one that was bound. */
SINTER_CHECK sinter_status sn_http_start(sn_server *s, int *port, sinter_error *err);
/* No new connections from here on. */
void sn_http_quiesce(sn_server *s);
/* Only when nothing is in flight. */
void sn_http_stop(sn_server *s);

#endif
