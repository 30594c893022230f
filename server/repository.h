/*
 * The models that are served: one file, or a folder of DIR/name/version/model.onnx or DIR/name.onnx (version "1").
 * Loaded before the server accepts anything, read-only afterwards, so requests read it without locks.
 */
#ifndef SN_SERVER_REPOSITORY_H
#define SN_SERVER_REPOSITORY_H

#include "base/arena.h"
#include "server/scheduler.h"
#include "server/server.h"

typedef struct sn_served { /* one version of one model */
    const char *name;
    const char *version;
    const char *path;
    sinter_session *session; /* NULL: it failed to load, and `failure` says why */
    const char *failure;
    sn_queue queue;
} sn_served;

typedef struct sn_repository {
    sn_arena arena;
    sn_served *models; /* sorted by name, then version: numbers in numeric order, before other names */
    size_t n_models, capacity;
} sn_repository;

/* Fails when the one model, or every model of a repository, fails to load; logs those that do. */
SINTER_CHECK sinter_status sn_repository_load(sn_repository *r, const sn_server_options *options, sinter_pool *pool,
                                              sinter_error *err);
void sn_repository_free(sn_repository *r);

/* The given version, or the highest one when `version` is NULL; NULL when there is none. */
sn_served *sn_repository_find(sn_repository *r, const char *name, const char *version);
size_t sn_repository_loaded(const sn_repository *r);
bool sn_repository_ready(const sn_repository *r); /* every model loaded */

#endif
