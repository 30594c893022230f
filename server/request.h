/*
 * One HTTP request from its first header to its last byte sent. HTTP threads and executors hand it to each other and
 * never hold it at the same time.
 */
#ifndef SN_SERVER_REQUEST_H
#define SN_SERVER_REQUEST_H

#include "base/arena.h"
#include "server/repository.h"

#include <microhttpd.h>

struct sn_server;
struct sn_connection;
struct sn_route;
struct sn_request;

/* How a protocol turns a body into tensors and tensors into a body. Decoding runs on an HTTP thread, encoding on an
 * executor. */
typedef struct sn_protocol {
    sinter_status (*decode)(struct sn_request *r, sinter_error *err);
    sinter_status (*encode)(struct sn_request *r, sn_text *out, sinter_error *err);
} sn_protocol;

typedef struct sn_request {
    sn_job job;
    struct sn_server *server;
    struct MHD_Connection *http;
    struct sn_connection *connection;
    sn_arena arena; /* everything small that the request needs */

    /* what came in */
    const char *method;
    const struct sn_route *route; /* NULL: none matches, and the response says so */
    const char *model, *version;  /* from the path, unescaped; NULL where the route has none */
    char *body;
    size_t body_size, body_capacity;
    size_t declared_size; /* Content-Length, or 0 */
    size_t charged;       /* of the server's budget for bodies */
    bool body_refused;    /* the answer is known already: bytes are dropped */

    /* inference */
    sn_served *served;
    sinter_value **inputs, **outputs; /* as many as the session has; owned */
    bool *wanted;                     /* outputs that the client asked for, NULL: all */
    size_t *wanted_order;             /* v2: indices in the order in which it asked */
    size_t n_wanted;
    const char *id;      /* v2: echoed; NULL when not given */
    int64_t n_instances; /* v1: rows of the row format; -1 for the columnar one */

    /* what goes out */
    bool answered;
    bool closes; /* the body was not read to its end: the connection cannot be used again */
    int code;
    char *response; /* heap; goes to libmicrohttpd */
    size_t response_size;
    const char *allow; /* value of an Allow header, or NULL */
} sn_request;

/* Sets the response: takes over the text. On lack of memory a fixed 503 is sent instead. */
void sn_respond(sn_request *r, int code, sn_text *body);
/* {"error": "..."} with the status's HTTP code. */
void sn_respond_error(sn_request *r, sinter_status status, const char *text);
void sn_respond_error_code(sn_request *r, int code, const char *text);

#endif
