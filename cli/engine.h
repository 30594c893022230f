/* The options that every command with a session shares, and the session they ask for. */
#ifndef SN_CLI_ENGINE_H
#define SN_CLI_ENGINE_H

#include "cli/options.h"

typedef struct sn_engine_arguments { /* zeroed: optimize, running statistics, all threads, Winograd */
    int optimize;                    /* index into on, off */
    int bn_stats;                    /* a sinter_bn_stats */
    int64_t threads;
    bool tune;
    int winograd; /* index into on, off */
} sn_engine_arguments;

extern const sn_option sn_engine_options[];
extern const char *const sn_bn_stats_choices[]; /* in the order of sinter_bn_stats */

typedef struct sn_engine_mode {
    bool reference;
    bool profile;
} sn_engine_mode;

/* NULL in *out means one thread, which needs no pool. */
SINTER_CHECK sinter_status sn_engine_pool(const sn_engine_arguments *a, sinter_pool **out, sinter_error *err);

/* Loads the file and makes it ready to run. What was changed against the file's word goes to stderr, once per call,
 * unless `command` is NULL. */
SINTER_CHECK sinter_status sn_engine_open(const char *command, const char *path, const sn_engine_arguments *a,
                                          sn_engine_mode mode, sinter_pool *pool, sinter_session **out,
                                          sinter_error *err);

/* The same from a model that is already loaded; takes it in any case. */
SINTER_CHECK sinter_status sn_engine_session(const char *command, sinter_model *model, const sn_engine_arguments *a,
                                             sn_engine_mode mode, sinter_pool *pool, sinter_session **out,
                                             sinter_error *err);

#endif
