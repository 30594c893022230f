/* Which handler answers which method and path: one row per route in routes.c. */
#ifndef SN_SERVER_ROUTES_H
#define SN_SERVER_ROUTES_H

#include "server/request.h"

typedef struct sn_route {
    const char *method;
    const char *pattern;           /* segments; "{model}" and "{version}" match one segment each */
    void (*handle)(sn_request *r); /* answers at once; or */
    const sn_protocol *protocol;   /* a prediction, which goes through the model's queue */
} sn_route;

/* Finds the route for a raw (still escaped) path and fills r->route, model and version. Otherwise answers 404, 405 with
 * Allow, or 400 for a path that cannot be unescaped. False when it answered. */
bool sn_route_find(sn_request *r, const char *path);

/* 404 for a model or version that is not there, 503 for one that failed to load. */
void sn_answer_missing_model(sn_request *r);

#endif
