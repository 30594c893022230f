/* ModelProto, and the way from a file's bytes to a verified model. */
#include "parser/import.h"

#include "base/alloc.h"
#include "base/log.h"
#include "graph/verify.h"
#include "parser/limits.h"
#include "parser/parser.h"

static sinter_status check_version(sn_import *x, const Onnx__ModelProto *proto)
{
    long long version = proto->ir_version;
    if (!proto->has_ir_version || version < 1)
        return sn_fail(x->err, SINTER_INVALID_MODEL, "ir_version is %s: this is not an ONNX model",
                       proto->has_ir_version ? "less than 1" : "missing");
    if (version > SN_NEWEST_IR)
        sn_log(SN_LOG_WARNING, "the model has IR version %lld; the newest known here is %d", version, SN_NEWEST_IR);
    if (!proto->graph) return sn_fail(x->err, SINTER_INVALID_MODEL, "the model has no graph");
    if (version >= 3 && proto->n_opset_import == 0)
        return sn_fail(x->err, SINTER_INVALID_MODEL, "opset_import is missing, which IR version %lld demands", version);
    return SINTER_OK;
}

/* Before IR 3 files did not say it: there was one operator set. */
static sinter_status imply_opset(sn_import *x)
{
    sn_model *m = x->m;
    if (m->n_opsets) return SINTER_OK;
    m->opsets = SN_ARENA_NEW(&m->arena, sn_opset);
    if (!m->opsets) return sn_import_no_memory(x);
    m->opsets[0] = (sn_opset){.domain = SN_STR(""), .version = 1, .extra = SN_STR("")};
    m->n_opsets = 1;
    return SINTER_OK;
}

static sinter_status import_header(sn_import *x, const Onnx__ModelProto *proto)
{
    sn_model *m = x->m;
    m->ir_version = proto->ir_version;
    m->model_version = proto->model_version;
    SN_TRY(sn_import_str(x, proto->producer_name, &m->producer_name));
    SN_TRY(sn_import_str(x, proto->producer_version, &m->producer_version));
    SN_TRY(sn_import_str(x, proto->domain, &m->domain));
    SN_TRY(sn_import_str(x, proto->doc_string, &m->doc_string));
    SN_TRY(sn_import_str(x, x->external.folder, &m->folder));
    SN_TRY(sn_import_pairs(x, proto->metadata_props, proto->n_metadata_props, &m->metadata));
    SN_TRY(sn_import_extra(x, &proto->base, &m->extra));
    SN_TRY(sn_import_opsets(x, proto->opset_import, proto->n_opset_import, &m->opsets));
    m->n_opsets = proto->n_opset_import;
    return imply_opset(x);
}

static sinter_status check_second(sn_import *x, const sn_function *f, sn_map *seen)
{
    sn_str key = sn_arena_printf(&x->m->arena, "%s\n%s\n%s", f->domain.p, f->name.p, f->overload.p);
    if (!key.p) return sn_import_no_memory(x);
    if (sn_map_get(seen, key) != SN_MAP_NONE)
        return sn_fail(x->err, SINTER_INVALID_MODEL, "function '%.*s' of domain '%.*s' is defined twice",
                       SN_STR_ARG(f->name), SN_STR_ARG(f->domain));
    return sn_map_put(seen, key, 0) ? SINTER_OK : sn_import_no_memory(x);
}

static sinter_status import_functions(sn_import *x, Onnx__FunctionProto *const *protos, size_t n)
{
    sn_model *m = x->m;
    sn_map seen = {0};
    sinter_status status = SINTER_OK;
    m->functions = SN_ARENA_ARRAY(&m->arena, sn_function, n);
    if (!m->functions) return sn_import_no_memory(x);
    for (size_t i = 0; i < n && status == SINTER_OK; ++i) {
        m->n_functions = i + 1;
        status = sn_import_function(x, protos[i], &m->functions[i]);
        if (status == SINTER_OK) status = check_second(x, &m->functions[i], &seen);
    }
    sn_map_free(&seen);
    return status;
}

sinter_status sn_import_model(sn_import *x, const Onnx__ModelProto *proto)
{
    SN_TRY(check_version(x, proto));
    SN_TRY(import_header(x, proto));
    SN_TRY(import_functions(x, proto->functions, proto->n_functions));
    SN_TRY(sn_import_graph(x, proto->graph, 0, NULL));
    SN_TRY(sn_sort_nodes(x->m, x->err));
    return sn_verify(x->m, x->err);
}

static sinter_status build(sn_import *x, const Onnx__ModelProto *proto, sn_model **out)
{
    x->m = sn_model_create();
    if (!x->m) return sn_import_no_memory(x);
    sinter_status status = sn_import_model(x, proto);
    if (status == SINTER_OK)
        *out = x->m;
    else
        sn_model_destroy(x->m);
    return status;
}

sinter_status sn_parse_model(sn_block *file, const char *folder, bool map, sn_model **out, sinter_error *err)
{
    sn_wire wire;
    ProtobufCMessage *message = NULL;
    sn_import x = {.wire = &wire, .file = file, .external = {.folder = folder, .map = map}, .err = err};
    sinter_status status =
        sn_wire_read(&wire, sn_block_data(file), sn_block_size(file), &onnx__model_proto__descriptor, &message, err);
    if (status == SINTER_OK) status = build(&x, (const Onnx__ModelProto *)message, out);
    sn_external_free(&x.external);
    sn_free(x.ids);
    sn_wire_free(&wire);
    return status;
}
