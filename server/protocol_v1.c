/*
 * TensorFlow Serving's REST predict API (tensorflow/serving, g3doc/api_rest.md):
 *   row format       {"instances": [value, ...]}                   one input: value is its row
 *                    {"instances": [{"name": value, ...}, ...]}    several: one object per row
 *   columnar format  {"inputs": value} or {"inputs": {"name": value, ...}}
 * The answer has "predictions" for rows and "outputs" for columns; a single output stands bare, several are objects.
 */
#include "base/dtype.h"
#include "base/value.h"
#include "server/protocol.h"
#include "server/tensor_json.h"

static sinter_status only_input(const sn_request *r, sinter_error *err)
{
    const sinter_session *session = r->served->session;
    if (sinter_session_input_count(session) == 1) return SINTER_OK;
    return sn_fail(err, SINTER_INVALID_INPUT, "model '%s' has %zu inputs: name each, as in {\"%s\": ...}",
                   r->served->name, sinter_session_input_count(session),
                   sinter_session_input_count(session) ? sinter_session_input(session, 0).name : "name");
}

static sinter_status input_named(const sn_request *r, const char *name, size_t *index, sinter_error *err)
{
    int found = sn_input_index(r->served->session, name);
    if (found < 0) return sn_fail(err, SINTER_INVALID_INPUT, "model '%s' has no input '%s'", r->served->name, name);
    *index = (size_t)found;
    return SINTER_OK;
}

/* Every type that has a number, a boolean or a string for each element; v1 does not name types. */
static bool is_carried(sinter_kind kind, sinter_dtype dtype)
{
    sn_dtype_class klass = sn_dtypes[dtype].klass;
    return kind == SINTER_KIND_TENSOR && klass != SN_CLASS_COMPLEX && klass != SN_CLASS_NONE;
}

static sinter_status check_input(sinter_io io, sinter_error *err)
{
    if (is_carried(io.kind, io.dtype)) return SINTER_OK;
    return sn_fail(err, SINTER_UNSUPPORTED, "input '%s' is not a tensor that JSON can carry", io.name);
}

/* A whole input from its nested value. */
static sinter_status read_column(sn_request *r, const sn_json_document *d, const cJSON *data, size_t index,
                                 sinter_error *err)
{
    sinter_io io = sinter_session_input(r->served->session, index);
    int rank;
    int64_t dims[SN_MAX_RANK];
    sinter_value *value;
    SN_TRY(check_input(io, err));
    SN_TRY(sn_json_data_shape(d, data, io.name, &rank, dims, err));
    SN_TRY(sn_tensor_from_json(d, data, io.name, io.dtype, rank, dims, &value, err));
    return sn_take_input(r, index, value, err);
}

static sinter_status read_columns(sn_request *r, const sn_json_document *d, const cJSON *inputs, sinter_error *err)
{
    r->n_instances = -1;
    if (!cJSON_IsObject(inputs)) {
        SN_TRY(only_input(r, err));
        return read_column(r, d, inputs, 0, err);
    }
    for (const cJSON *item = inputs->child; item; item = item->next) {
        size_t index;
        SN_TRY(input_named(r, item->string, &index, err));
        SN_TRY(read_column(r, d, item, index, err));
    }
    return SINTER_OK;
}

typedef struct member { /* of the instance objects: one input */
    const char *name;
    int rank; /* of one instance */
    int64_t dims[SN_MAX_RANK];
    size_t count;
} member;

/* What the first instance says about a member. */
static sinter_status describe_member(const sn_request *r, const sn_json_document *d, const cJSON *first, member *m,
                                     sinter_error *err)
{
    sn_str slice;
    if (!sn_json_slice(d, first, &slice))
        return sn_fail(err, SINTER_INVALID_INPUT, "instance 0: input '%s' is not numeric", m->name);
    SN_TRY(sn_json_data_shape(d, first, m->name, &m->rank, m->dims, err));
    if (m->rank == SN_MAX_RANK)
        return sn_fail(err, SINTER_INVALID_INPUT, "input '%s': more than %d dimensions", m->name, SN_MAX_RANK - 1);
    /* Every element is a character of the body at least: no overflow here, and no more memory than that below. */
    m->count = 1;
    for (int i = 0; i < m->rank; i++) m->count *= (size_t)m->dims[i];
    if (m->count <= r->body_size / (size_t)r->n_instances) return SINTER_OK;
    return sn_fail(err, SINTER_INVALID_INPUT, "input '%s' does not have the same shape in every instance", m->name);
}

static sinter_status fill_row(const sn_json_document *d, const cJSON *object, const member *m, size_t row,
                              sinter_value *tensor, sinter_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, m->name);
    sn_str slice;
    int rank;
    int64_t dims[SN_MAX_RANK];
    if (!item || !sn_json_slice(d, item, &slice))
        return sn_fail(err, SINTER_INVALID_INPUT, "instance %zu: input '%s' is missing or not numeric", row, m->name);
    SN_TRY(sn_json_data_shape(d, item, m->name, &rank, dims, err));
    if (rank != m->rank || memcmp(dims, m->dims, (size_t)rank * sizeof *dims) != 0)
        return sn_fail(err, SINTER_INVALID_INPUT, "instance %zu: input '%s' has another shape than in instance 0", row,
                       m->name);
    sinter_status status = sn_tensor_fill_json(d, item, m->name, tensor, row * m->count, m->count, err);
    return status == SINTER_OK ? status : sn_context(err, status, "instance %zu", row);
}

/* One input gathered from its member of every instance object. */
static sinter_status read_member(sn_request *r, const sn_json_document *d, const cJSON *instances, const char *name,
                                 size_t index, sinter_error *err)
{
    sinter_io io = sinter_session_input(r->served->session, index);
    SN_TRY(check_input(io, err));
    if (io.dtype == SINTER_STRING)
        return sn_fail(err, SINTER_UNSUPPORTED, "input '%s' takes strings: use \"inputs\" instead of \"instances\"",
                       name);
    member m = {.name = name};
    SN_TRY(describe_member(r, d, cJSON_GetObjectItemCaseSensitive(instances->child, name), &m, err));
    int64_t dims[SN_MAX_RANK] = {r->n_instances};
    memcpy(dims + 1, m.dims, (size_t)m.rank * sizeof *dims);
    sinter_value *tensor;
    SN_TRY(sinter_tensor_create(io.dtype, m.rank + 1, dims, &tensor, err));
    sinter_status status = SINTER_OK;
    size_t row = 0;
    for (const cJSON *object = instances->child; object && status == SINTER_OK; object = object->next)
        status = fill_row(d, object, &m, row++, tensor, err);
    if (status == SINTER_OK) return sn_take_input(r, index, tensor, err);
    sinter_value_release(tensor);
    return status;
}

/* Members that the first instance lacks would go unnoticed. */
static sinter_status check_members(const cJSON *instances, sinter_error *err)
{
    int members = cJSON_GetArraySize(instances->child);
    size_t row = 0;
    for (const cJSON *object = instances->child; object; object = object->next, row++) {
        if (!cJSON_IsObject(object))
            return sn_fail(err, SINTER_INVALID_INPUT, "instance %zu is not an object, but instance 0 is", row);
        if (cJSON_GetArraySize(object) != members)
            return sn_fail(err, SINTER_INVALID_INPUT, "instance %zu has %d inputs, instance 0 has %d", row,
                           cJSON_GetArraySize(object), members);
    }
    return SINTER_OK;
}

static sinter_status read_rows(sn_request *r, const sn_json_document *d, const cJSON *instances, sinter_error *err)
{
    if (!sn_json_is_array(d, instances)) return sn_fail(err, SINTER_INVALID_INPUT, "\"instances\" is not an array");
    if (!cJSON_IsObject(instances->child)) {
        SN_TRY(only_input(r, err));
        SN_TRY(read_column(r, d, instances, 0, err));
        r->n_instances = r->inputs[0]->shape.rank > 0 ? r->inputs[0]->shape.dims[0] : 1;
        return SINTER_OK;
    }
    SN_TRY(check_members(instances, err));
    r->n_instances = cJSON_GetArraySize(instances);
    for (const cJSON *item = instances->child->child; item; item = item->next) {
        size_t index;
        SN_TRY(input_named(r, item->string, &index, err));
        SN_TRY(read_member(r, d, instances, item->string, index, err));
    }
    return SINTER_OK;
}

static sinter_status read_body(sn_request *r, const sn_json_document *d, sinter_error *err)
{
    const cJSON *instances = cJSON_GetObjectItemCaseSensitive(d->root, "instances");
    const cJSON *inputs = cJSON_GetObjectItemCaseSensitive(d->root, "inputs");
    if (!instances == !inputs)
        return sn_fail(err, SINTER_INVALID_INPUT, "the body must have either \"instances\" or \"inputs\"");
    SN_TRY(instances ? read_rows(r, d, instances, err) : read_columns(r, d, inputs, err));
    return sn_check_inputs_given(r, err);
}

static sinter_status decode(sn_request *r, sinter_error *err)
{
    sn_json_document d;
    SN_TRY(sn_parse_object(r, &d, err));
    sinter_status status = read_body(r, &d, err);
    sn_json_document_free(&d);
    return status;
}

static void write_name(const sn_request *r, size_t output, sn_text *out)
{
    const char *name = sinter_session_output(r->served->session, output).name;
    sn_json_write_string(name, strlen(name), out);
    sn_text_append(out, ":");
}

static void write_row(const sn_request *r, size_t output, int64_t row, sn_text *out)
{
    const sinter_value *value = r->outputs[output];
    size_t stride = (size_t)sn_shape_product(&value->shape, 1, value->shape.rank);
    sn_tensor_write_nested(value, 1, (size_t)row * stride, out);
}

static sinter_status check_outputs(const sn_request *r, size_t n, sinter_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const sinter_value *value = r->outputs[i];
        const char *name = sinter_session_output(r->served->session, i).name;
        if (!is_carried(value->kind, value->dtype))
            return sn_fail(err, SINTER_UNSUPPORTED, "output '%s' is not a tensor that JSON can carry", name);
        if (r->n_instances >= 0 && (value->shape.rank < 1 || value->shape.dims[0] != r->n_instances))
            return sn_fail(err, SINTER_INVALID_INPUT,
                           "output '%s' does not have one row per instance: use \"inputs\" instead of \"instances\"",
                           name);
    }
    return SINTER_OK;
}

static sinter_status encode(sn_request *r, sn_text *out, sinter_error *err)
{
    size_t n = sinter_session_output_count(r->served->session);
    SN_TRY(check_outputs(r, n, err));
    bool rows = r->n_instances >= 0;
    sn_text_append(out, rows ? "{\"predictions\":[" : "{\"outputs\":");
    for (int64_t row = 0; row < (rows ? r->n_instances : 1); row++) {
        if (row) sn_text_append(out, ",");
        if (n != 1) sn_text_append(out, "{");
        for (size_t i = 0; i < n; i++) {
            if (i) sn_text_append(out, ",");
            if (n != 1) write_name(r, i, out);
            if (rows) {
                write_row(r, i, row, out);
            } else {
                sn_tensor_write_nested(r->outputs[i], 0, 0, out);
            }
        }
        if (n != 1) sn_text_append(out, "}");
    }
    sn_text_append(out, rows ? "]}" : "}");
    return SINTER_OK;
}

const sn_protocol sn_protocol_v1 = {decode, encode};
