/* Builds protobuf messages byte by byte, so that tests can make files that no ONNX library would write. */
#ifndef TESTS_PROTO_BUILDER_H
#define TESTS_PROTO_BUILDER_H

#include "base/str.h"
#include "parser/wire.h"
#include <sinter.h>
#include <stdlib.h>
#include <string.h>

typedef sn_text message;

static inline void add_varint(message *m, uint64_t value)
{
    uint8_t bytes[SN_VARINT_SIZE];
    sn_text_append_bytes(m, (const char *)bytes, sn_varint_write(bytes, value));
}

static inline void add_int(message *m, uint32_t field, int64_t value)
{
    add_varint(m, field << 3);
    add_varint(m, (uint64_t)value);
}

static inline void add_float(message *m, uint32_t field, float value)
{
    add_varint(m, field << 3 | 5);
    sn_text_append_bytes(m, (const char *)&value, sizeof value);
}

static inline void add_bytes(message *m, uint32_t field, const void *bytes, size_t size)
{
    add_varint(m, field << 3 | 2);
    add_varint(m, size);
    if (size) sn_text_append_bytes(m, bytes, size);
}

static inline void add_text(message *m, uint32_t field, const char *text)
{
    add_bytes(m, field, text, strlen(text));
}

/* Takes over the child. */
static inline void add_child(message *m, uint32_t field, message child)
{
    add_bytes(m, field, child.p ? child.p : "", child.n);
    sn_text_free(&child);
}

/* Comma-separated names; "-" stands for none. */
static inline void add_names(message *m, uint32_t field, const char *names)
{
    if (strcmp(names, "-") == 0) return;
    for (const char *end; (end = strchr(names, ',')); names = end + 1)
        add_bytes(m, field, names, (size_t)(end - names));
    add_text(m, field, names);
}

static inline message make_node(const char *op, const char *inputs, const char *outputs)
{
    message n = {0};
    add_names(&n, 1, inputs);
    add_names(&n, 2, outputs);
    add_text(&n, 4, op);
    return n;
}

/* A ValueInfoProto of a float tensor of `rank` dimensions of 2; without a type when rank is -1. */
static inline message make_info(const char *name, int rank)
{
    message info = {0}, type = {0}, tensor = {0}, shape = {0};
    for (int i = 0; i < rank; ++i) {
        message dim = {0};
        add_int(&dim, 1, 2);
        add_child(&shape, 1, dim);
    }
    add_int(&tensor, 1, SINTER_FLOAT);
    add_child(&tensor, 2, shape);
    add_child(&type, 1, tensor);
    add_text(&info, 1, name);
    if (rank >= 0)
        add_child(&info, 2, type);
    else
        sn_text_free(&type);
    return info;
}

/* A TensorProto without elements. */
static inline message make_tensor(const char *name, int64_t dtype, int rank, const int64_t *dims)
{
    message t = {0};
    for (int i = 0; i < rank; ++i) add_int(&t, 1, dims[i]);
    add_int(&t, 2, dtype);
    if (name) add_text(&t, 8, name);
    return t;
}

/* ModelProto of IR 8 and opset 17 around a graph. */
static inline message make_model(message graph)
{
    message m = {0}, opset = {0};
    add_int(&m, 1, 8);
    add_child(&m, 7, graph);
    add_int(&opset, 2, 17);
    add_child(&m, 8, opset);
    return m;
}

static inline sinter_status load(const message *m, sinter_model **out, sinter_error *err)
{
    return sinter_model_load_memory(m->p ? m->p : "", m->n, NULL, out, err);
}

/* Loads and frees m, which must fail with this status and a message that contains `text`. */
static inline void expect_failure(message m, sinter_status code, const char *text)
{
    sinter_model *model = NULL;
    sinter_error err = {0};
    assert_false(m.failed);
    sinter_status status = load(&m, &model, &err);
    if (status != code || !strstr(err.text, text))
        fail_msg("expected '%s: ...%s...', found '%s: %s'", sinter_status_name(code), text, sinter_status_name(status),
                 err.text);
    assert_null(model);
    sn_text_free(&m);
}

#endif
