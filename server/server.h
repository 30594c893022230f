/*
 * server.h - HTTP prediction endpoints for one model or a repository of models: what `sinter serve` calls.
 */
#ifndef SN_SERVER_SERVER_H
#define SN_SERVER_SERVER_H

#include "base/status.h"
#include <stdio.h>

typedef struct sn_server_options {
    const char *model_path;       /* one model file, or */
    const char *model_repository; /* a folder of DIR/name/version/model.onnx or DIR/name.onnx; exactly one of the two */
    const char *model_name;       /* of model_path; NULL: the file's name without .onnx */
    const char *host;             /* numeric IPv4 or IPv6 address; NULL: "127.0.0.1" */
    int port;                     /* 0 picks a free one */
    int threads;                  /* of the shared pool; 0: as many as this process may use */
    sinter_bn_stats bn_stats;
    bool no_optimize;
    bool tune;             /* as in sinter_session_options: a model's first requests take longer */
    bool no_winograd;      /* likewise */
    size_t queue_size;     /* requests waiting per model before 503; 0: the default */
    size_t max_body;       /* bytes of a request body before 413; 0: the default, 64 MiB */
    double header_timeout; /* seconds to receive a request's headers; 0: the default */
    double body_timeout;   /* seconds to receive a request's body; 0: the default */
    double idle_timeout;   /* seconds without any byte; 0: the default */
    double drain_timeout;  /* seconds that accepted requests may take after SIGTERM; 0: the default */
    FILE *announce;        /* where the one line with the address goes; NULL: stdout */
} sn_server_options;

/* Loads the model(s), serves until SIGTERM or SIGINT, drains, and returns OK. Prints one line to `announce` once it
 * accepts requests. Errors: those of loading a model, INVALID_ARGUMENT (address, name), BUSY (port taken), IO,
 * NO_MEMORY. */
SINTER_CHECK sinter_status sn_server_run(const sn_server_options *options, sinter_error *err);

#endif
