/* sinter inspect: what a model contains, and what Sinter lacks for it. */
#include "cli/command.h"
#include "cli/json.h"
#include "cli/table.h"
#include <inttypes.h>
#include <math.h>

typedef struct arguments {
    bool json;
    sn_shape_list shapes;
} arguments;

static const sn_option options[] = {
    {.name = "json", .help = "print JSON", .offset = offsetof(arguments, json)},
    {.name = "shape",
     .metavar = "NAME=1x3x224x224",
     .help = "the shape of an input, for shapes and FLOPs inside. May be repeated",
     .kind = SN_OPTION_SHAPES,
     .offset = offsetof(arguments, shapes)},
    {0},
};

static const char *const kind_names[] = {
    [SINTER_KIND_TENSOR] = "tensor",   [SINTER_KIND_SEQUENCE] = "sequence", [SINTER_KIND_OPTIONAL] = "optional",
    [SINTER_KIND_MAP] = "map",         [SINTER_KIND_SPARSE] = "sparse",     [SINTER_KIND_OPAQUE] = "opaque",
    [SINTER_KIND_UNKNOWN] = "unknown",
};

/* Inputs and outputs differ in nothing but how they are counted and read. */
typedef struct io_list {
    const char *title, *key;
    size_t (*count)(const sinter_model *model);
    sinter_io (*at)(const sinter_model *model, size_t index);
} io_list;

static const io_list io_lists[] = {
    {"Inputs", "inputs", sinter_model_input_count, sinter_model_input},
    {"Outputs", "outputs", sinter_model_output_count, sinter_model_output},
};
enum { N_IO_LISTS = sizeof io_lists / sizeof *io_lists };

static const char *domain_or_default(const char *domain)
{
    return domain[0] ? domain : "ai.onnx";
}

/* ------------------------------------------------------------------------------------------------ for people */

static sinter_status print_table(const char *title, sn_table *t, sinter_error *err)
{
    printf("\n%s:\n", title);
    sinter_status status = sn_table_print(t, stdout, err);
    sn_table_free(t);
    return status;
}

static void print_facts(const char *path, const sinter_inspection *in)
{
    sn_print_text(stdout, path);
    printf("\n  IR version %" PRId64 ", opset", in->ir_version);
    for (size_t i = 0; i < in->n_opsets; i++) {
        printf("%s ", i ? "," : "");
        sn_print_text(stdout, domain_or_default(in->opsets[i].domain));
        printf(" %" PRId64, in->opsets[i].version);
    }
    fputs("\n  producer ", stdout);
    sn_print_text(stdout, in->producer_name[0] ? in->producer_name : "unknown");
    fputc(' ', stdout);
    sn_print_text(stdout, in->producer_version);
    printf("\n  %zu nodes, %zu parameters (%.1f MB)", in->n_nodes, in->parameters, (double)in->parameter_bytes / 1e6);
    if (in->flops >= 0)
        printf(", %.4g MFLOP per run\n", in->flops / 1e6);
    else
        puts(", FLOPs unknown (give --shape)");
}

static sinter_status print_ios(const sinter_model *model, const io_list *list, sinter_error *err)
{
    static const char *const columns[] = {"name", "kind", "type", "shape", "", NULL};
    sn_table t = sn_table_create(columns);
    for (size_t i = 0, n = list->count(model); i < n; i++) {
        sinter_io io = list->at(model, i);
        char text[SN_DIMS_TEXT];
        sn_table_cell(&t, "%s", io.name);
        sn_table_cell(&t, "%s", kind_names[io.kind]);
        sn_table_cell(&t, "%s", sinter_dtype_name(io.dtype));
        sn_table_cell(&t, "%s", sn_dims_text(io.rank, io.dims, io.symbols, text));
        sn_table_cell(&t, "%s", io.optional ? "optional" : "");
    }
    return print_table(list->title, &t, err);
}

static sinter_status print_ops(const sinter_inspection *in, sinter_error *err)
{
    static const char *const columns[] = {"operator", ">count", "", NULL};
    sn_table t = sn_table_create(columns);
    for (size_t i = 0; i < in->n_ops; i++) {
        const sinter_op_count *op = &in->ops[i];
        if (op->domain[0])
            sn_table_cell(&t, "%s.%s", op->domain, op->op_type);
        else
            sn_table_cell(&t, "%s", op->op_type);
        sn_table_cell(&t, "%zu", op->count);
        sn_table_cell(&t, "%s", op->supported ? "" : "not supported");
    }
    return print_table("Operators", &t, err);
}

static sinter_status print_bns(const sinter_inspection *in, sinter_error *err)
{
    static const char *const columns[] = {"name", "shape", ">channels", ">epsilon", "after", "before", "mode", NULL};
    if (in->n_bns == 0) return SINTER_OK;
    sn_table t = sn_table_create(columns);
    for (size_t i = 0; i < in->n_bns; i++) {
        const sinter_bn_info *bn = &in->bns[i];
        sn_table_cell(&t, "%s", bn->name);
        sn_table_cell(&t, "%s", bn->shape);
        if (bn->channels >= 0)
            sn_table_cell(&t, "%" PRId64, bn->channels);
        else
            sn_table_cell(&t, "?");
        sn_table_cell(&t, "%g", bn->epsilon);
        sn_table_cell(&t, "%s", bn->producer_op[0] ? bn->producer_op : "(input)");
        sn_table_cell(&t, "%s", bn->consumer_op[0] ? bn->consumer_op : "(output)");
        sn_table_cell(&t, "%s", bn->training_mode ? "training" : "inference");
    }
    return print_table("BatchNormalization", &t, err);
}

static sinter_status print_all(const char *path, const sinter_model *model, const sinter_inspection *in,
                               sinter_error *err)
{
    print_facts(path, in);
    for (size_t i = 0; i < N_IO_LISTS; i++) SN_TRY(print_ios(model, &io_lists[i], err));
    SN_TRY(print_ops(in, err));
    return print_bns(in, err);
}

/* ------------------------------------------------------------------------------------------------ for programs */

static void add_facts(sn_json *j, const char *path, const sinter_inspection *in)
{
    sn_json_text(j, j->root, "model", path);
    sn_json_number(j, j->root, "ir_version", (double)in->ir_version);
    sn_json_text(j, j->root, "producer_name", in->producer_name);
    sn_json_text(j, j->root, "producer_version", in->producer_version);
    sn_json_text(j, j->root, "graph_name", in->graph_name);
    sn_json_number(j, j->root, "nodes", (double)in->n_nodes);
    sn_json_number(j, j->root, "parameters", (double)in->parameters);
    sn_json_number(j, j->root, "parameter_bytes", (double)in->parameter_bytes);
    sn_json_number(j, j->root, "flops", in->flops >= 0 ? in->flops : NAN);
    cJSON *opsets = sn_json_array(j, j->root, "opsets");
    for (size_t i = 0; i < in->n_opsets; i++) {
        cJSON *object = sn_json_object(j, opsets, NULL);
        sn_json_text(j, object, "domain", domain_or_default(in->opsets[i].domain));
        sn_json_number(j, object, "version", (double)in->opsets[i].version);
    }
}

static void add_ios(sn_json *j, const sinter_model *model, const io_list *list)
{
    cJSON *array = sn_json_array(j, j->root, list->key);
    for (size_t i = 0, n = list->count(model); i < n; i++) {
        sinter_io io = list->at(model, i);
        cJSON *object = sn_json_object(j, array, NULL);
        sn_json_text(j, object, "name", io.name);
        sn_json_text(j, object, "kind", kind_names[io.kind]);
        sn_json_text(j, object, "type", sinter_dtype_name(io.dtype));
        sn_json_dims(j, object, "shape", io.rank, io.dims, io.symbols);
        sn_json_bool(j, object, "optional", io.optional);
    }
}

static void add_ops(sn_json *j, const sinter_inspection *in)
{
    cJSON *array = sn_json_array(j, j->root, "operators");
    for (size_t i = 0; i < in->n_ops; i++) {
        cJSON *object = sn_json_object(j, array, NULL);
        sn_json_text(j, object, "domain", domain_or_default(in->ops[i].domain));
        sn_json_text(j, object, "name", in->ops[i].op_type);
        sn_json_number(j, object, "count", (double)in->ops[i].count);
        sn_json_bool(j, object, "supported", in->ops[i].supported);
    }
}

static void add_bns(sn_json *j, const sinter_inspection *in)
{
    cJSON *array = sn_json_array(j, j->root, "bn");
    for (size_t i = 0; i < in->n_bns; i++) {
        const sinter_bn_info *bn = &in->bns[i];
        cJSON *object = sn_json_object(j, array, NULL);
        sn_json_text(j, object, "name", bn->name);
        sn_json_text(j, object, "shape", bn->shape);
        sn_json_number(j, object, "channels", bn->channels >= 0 ? (double)bn->channels : NAN);
        sn_json_number(j, object, "epsilon", bn->epsilon);
        sn_json_text(j, object, "producer", bn->producer_op);
        sn_json_text(j, object, "consumer", bn->consumer_op);
        sn_json_bool(j, object, "training_mode", bn->training_mode);
    }
}

static sinter_status print_json(const char *path, const sinter_model *model, const sinter_inspection *in,
                                sinter_error *err)
{
    sn_json j = sn_json_create();
    add_facts(&j, path, in);
    for (size_t i = 0; i < N_IO_LISTS; i++) add_ios(&j, model, &io_lists[i]);
    add_ops(&j, in);
    add_bns(&j, in);
    sinter_status status = sn_json_write(&j, NULL, err);
    sn_json_free(&j);
    return status;
}

static sinter_status inspect(void *context, const sn_list *operands, sinter_error *err)
{
    const arguments *a = context;
    const char *path = operands->items[0];
    sinter_model *model = NULL;
    sinter_inspection *in = NULL;
    SN_TRY(sinter_model_load(path, NULL, &model, err));
    sinter_status status = sinter_model_inspect(model, a->shapes.items, a->shapes.n, &in, err);
    if (status == SINTER_OK) status = (a->json ? print_json : print_all)(path, model, in, err);
    sinter_inspection_free(in);
    sinter_model_free(model);
    return status;
}

int sn_cmd_inspect(int argc, char **argv)
{
    arguments a = {0};
    const sn_option_group groups[] = {{options, &a}, {0}};
    const sn_syntax syntax = {.command = "inspect",
                              .operands = "MODEL.onnx",
                              .min_operands = 1,
                              .max_operands = 1,
                              .text =
                                  "Shows a model's inputs, outputs, operators, parameters, FLOPs, and what surrounds "
                                  "every BatchNormalization.",
                              .groups = groups};
    return sn_command_main(&syntax, argc, argv, inspect, &a);
}
