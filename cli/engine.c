#include "cli/engine.h"
#include "cli/command.h"

static const char *const on_off[] = {"on", "off", NULL};
const char *const sn_bn_stats_choices[] = {[SINTER_BN_STATS_EVAL] = "eval", [SINTER_BN_STATS_KEEP] = "keep", NULL};

const sn_option sn_engine_options[] = {
    {.name = "optimize",
     .metavar = "on|off",
     .help = "rewrite the graph before running it (default on)",
     .kind = SN_OPTION_CHOICE,
     .offset = offsetof(sn_engine_arguments, optimize),
     .choices = on_off},
    {.name = "bn-stats",
     .metavar = "eval|keep",
     .help = "BatchNormalization exported in training mode: use the running statistics as model.eval() does, or keep "
             "the batch statistics that the file asks for (default eval; test: keep)",
     .kind = SN_OPTION_CHOICE,
     .offset = offsetof(sn_engine_arguments, bn_stats),
     .choices = sn_bn_stats_choices},
    {.name = "threads",
     .metavar = "N",
     .help = "threads to compute with; 0: as many as this process may use (default 0)",
     .kind = SN_OPTION_COUNT,
     .offset = offsetof(sn_engine_arguments, threads),
     .maximum = 1024},
    {.name = "tune",
     .help = "measure which implementation of a step is the fastest on this machine, instead of choosing by rules; the "
             "first run takes longer, and results may differ in the last bits",
     .kind = SN_OPTION_FLAG,
     .offset = offsetof(sn_engine_arguments, tune)},
    {.name = "winograd",
     .metavar = "on|off",
     .help = "let 3x3 convolutions run by Winograd's algorithm: faster, but small results beside large ones are less "
             "exact (default on)",
     .kind = SN_OPTION_CHOICE,
     .offset = offsetof(sn_engine_arguments, winograd),
     .choices = on_off},
    {0},
};

sinter_status sn_engine_pool(const sn_engine_arguments *a, sinter_pool **out, sinter_error *err)
{
    *out = NULL;
    return a->threads == 1 ? SINTER_OK : sinter_pool_create((int)a->threads, out, err);
}

sinter_status sn_engine_session(const char *command, sinter_model *model, const sn_engine_arguments *a,
                                sn_engine_mode mode, sinter_pool *pool, sinter_session **out, sinter_error *err)
{
    sinter_session_options options = SINTER_SESSION_OPTIONS_INIT;
    options.pool = pool;
    options.no_optimize = a->optimize != 0;
    options.bn_stats = (sinter_bn_stats)a->bn_stats;
    options.reference = mode.reference;
    options.profile = mode.profile;
    options.tune = a->tune;
    options.no_winograd = a->winograd != 0;
    sinter_report *report = NULL;
    sinter_status status = sinter_session_create(&model, &options, out, &report, err);
    if (status == SINTER_OK && command) sn_command_report_notes(command, report);
    sinter_report_free(report);
    sinter_model_free(model);
    return status;
}

sinter_status sn_engine_open(const char *command, const char *path, const sn_engine_arguments *a, sn_engine_mode mode,
                             sinter_pool *pool, sinter_session **out, sinter_error *err)
{
    sinter_model *model;
    SN_TRY(sinter_model_load(path, NULL, &model, err));
    return sn_engine_session(command, model, a, mode, pool, out, err);
}
