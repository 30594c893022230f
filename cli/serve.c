/* sinter serve: the options of the HTTP server; the server itself is server/. */
#include "cli/command.h"
#include "cli/engine.h"
#include "server/server.h"

typedef struct arguments {
    const char *name, *repository, *host;
    int64_t port, queue_size, max_body;
    double header_timeout, body_timeout, idle_timeout, drain_timeout;
    sn_engine_arguments engine;
} arguments;

static const sn_option options[] = {
    {.name = "model-repository",
     .metavar = "DIR",
     .help = "serve every model of a folder: DIR/NAME/VERSION/model.onnx or DIR/NAME.onnx",
     .kind = SN_OPTION_TEXT,
     .offset = offsetof(arguments, repository)},
    {.name = "name",
     .metavar = "NAME",
     .help = "what a single model is called (default: its file's name)",
     .kind = SN_OPTION_TEXT,
     .offset = offsetof(arguments, name)},
    {.name = "host",
     .metavar = "ADDRESS",
     .help = "the address to listen on (default 127.0.0.1)",
     .kind = SN_OPTION_TEXT,
     .offset = offsetof(arguments, host)},
    {.name = "port",
     .metavar = "N",
     .help = "the port to listen on; 0 picks a free one (default 8080)",
     .kind = SN_OPTION_COUNT,
     .offset = offsetof(arguments, port),
     .maximum = 65535},
    {.name = "queue-size",
     .metavar = "N",
     .help = "requests that may wait per model before 503 is answered",
     .kind = SN_OPTION_COUNT,
     .offset = offsetof(arguments, queue_size),
     .minimum = 1,
     .maximum = 1 << 20},
    {.name = "max-body",
     .metavar = "BYTES",
     .help = "the largest request body before 413 is answered (default 64 MiB)",
     .kind = SN_OPTION_COUNT,
     .offset = offsetof(arguments, max_body),
     .minimum = 1,
     .maximum = INT64_C(1) << 40},
    {.name = "header-timeout",
     .metavar = "SECONDS",
     .help = "to receive the headers of a request",
     .kind = SN_OPTION_NUMBER,
     .offset = offsetof(arguments, header_timeout)},
    {.name = "body-timeout",
     .metavar = "SECONDS",
     .help = "to receive the body of a request",
     .kind = SN_OPTION_NUMBER,
     .offset = offsetof(arguments, body_timeout)},
    {.name = "idle-timeout",
     .metavar = "SECONDS",
     .help = "without any byte, before a connection is closed",
     .kind = SN_OPTION_NUMBER,
     .offset = offsetof(arguments, idle_timeout)},
    {.name = "drain-timeout",
     .metavar = "SECONDS",
     .help = "that accepted requests may still take after SIGTERM",
     .kind = SN_OPTION_NUMBER,
     .offset = offsetof(arguments, drain_timeout)},
    {0},
};

static sinter_status serve(void *context, const sn_list *operands, sinter_error *err)
{
    const arguments *a = context;
    const char *model = operands->n ? operands->items[0] : NULL;
    if (!model == !a->repository) {
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "expected either MODEL.onnx or --model-repository DIR");
    }
    if (a->name && !model) return sn_fail(err, SINTER_INVALID_ARGUMENT, "--name is for a single model");
    const sn_server_options o = {
        .model_path = model,
        .model_repository = a->repository,
        .model_name = a->name,
        .host = a->host,
        .port = (int)a->port,
        .threads = (int)a->engine.threads,
        .bn_stats = (sinter_bn_stats)a->engine.bn_stats,
        .no_optimize = a->engine.optimize != 0,
        .tune = a->engine.tune,
        .no_winograd = a->engine.winograd != 0,
        .queue_size = (size_t)a->queue_size,
        .max_body = (size_t)a->max_body,
        .header_timeout = a->header_timeout,
        .body_timeout = a->body_timeout,
        .idle_timeout = a->idle_timeout,
        .drain_timeout = a->drain_timeout,
    };
    return sn_server_run(&o, err);
}

int sn_cmd_serve(int argc, char **argv)
{
    arguments a = {.port = 8080};
    const sn_option_group groups[] = {{options, &a}, {sn_engine_options, &a.engine}, {0}};
    const sn_syntax syntax = {.command = "serve",
                              .operands = "MODEL.onnx | --model-repository DIR",
                              .max_operands = 1,
                              .text =
                                  "Answers prediction requests over HTTP (Open Inference Protocol v2) until SIGTERM.",
                              .groups = groups};
    return sn_command_main(&syntax, argc, argv, serve, &a);
}
