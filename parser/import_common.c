/* The small messages that occur everywhere. */
#include "parser/import.h"

sn_value_id sn_scope_find(const sn_scope *scope, sn_str name)
{
    for (; scope; scope = scope->outer) {
        uint32_t id = sn_map_get(&scope->names, name);
        if (id != SN_MAP_NONE) return id;
    }
    return SN_NONE;
}

sinter_status sn_import_str(sn_import *x, const char *text, sn_str *out)
{
    sn_str s = SN_STR("");
    if (text && text[0]) s = sn_arena_str(&x->m->arena, sn_str_of(text));
    if (!s.p) return sn_import_no_memory(x);
    *out = s;
    return SINTER_OK;
}

sinter_status sn_import_bytes(sn_import *x, ProtobufCBinaryData bytes, sn_str *out)
{
    sn_str s = SN_STR("");
    if (bytes.len) s = sn_arena_bytes(&x->m->arena, bytes.data, bytes.len);
    if (!s.p) return sn_import_no_memory(x);
    *out = s;
    return SINTER_OK;
}

sinter_status sn_import_strs(sn_import *x, char *const *texts, size_t n, const sn_str **out)
{
    sn_str *strs = SN_ARENA_ARRAY(&x->m->arena, sn_str, n);
    if (!strs) return sn_import_no_memory(x);
    for (size_t i = 0; i < n; ++i) SN_TRY(sn_import_str(x, texts[i], &strs[i]));
    *out = strs;
    return SINTER_OK;
}

sinter_status sn_import_pairs(sn_import *x, Onnx__StringStringEntryProto *const *entries, size_t n, sn_pairs *out)
{
    if (n == 0) return SINTER_OK;
    sn_string_pair *items = SN_ARENA_ARRAY(&x->m->arena, sn_string_pair, n);
    if (!items) return sn_import_no_memory(x);
    for (size_t i = 0; i < n; ++i) {
        SN_TRY(sn_import_str(x, entries[i]->key, &items[i].key));
        SN_TRY(sn_import_str(x, entries[i]->value, &items[i].value));
    }
    *out = (sn_pairs){items, n};
    return SINTER_OK;
}

sinter_status sn_import_opsets(sn_import *x, Onnx__OperatorSetIdProto *const *entries, size_t n, sn_opset **out)
{
    sn_opset *opsets = SN_ARENA_ARRAY(&x->m->arena, sn_opset, n);
    if (!opsets) return sn_import_no_memory(x);
    for (size_t i = 0; i < n; ++i) {
        SN_TRY(sn_import_str(x, entries[i]->domain, &opsets[i].domain));
        SN_TRY(sn_import_extra(x, &entries[i]->base, &opsets[i].extra));
        opsets[i].version = entries[i]->version;
        if (opsets[i].version < 1)
            return sn_fail(x->err, SINTER_INVALID_MODEL, "opset_import '%.*s': version %lld, expected 1 or more",
                           SN_STR_ARG(opsets[i].domain), (long long)opsets[i].version);
    }
    *out = opsets;
    return SINTER_OK;
}

sinter_status sn_import_extra(sn_import *x, const ProtobufCMessage *message, sn_extra *out)
{
    sn_extra extra = sn_wire_extra(&x->m->arena, message);
    if (!extra.p) return sn_import_no_memory(x);
    *out = extra;
    return SINTER_OK;
}
