/*
 * The Open Inference Protocol's REST form (kserve/open-inference-protocol, specification/protocol/inference_rest.md):
 *   {"id", "inputs": [{"name", "shape", "datatype", "data"}], "outputs": [{"name"}]}
 *   {"model_name", "model_version", "id", "outputs": [{"name", "datatype", "shape", "data"}]}
 * "data" may be nested or flat in a request; it is flat in a response. "parameters" are accepted and ignored.
 */
#include "base/dtype.h"
#include "base/value.h"
#include "server/json_number.h"
#include "server/protocol.h"
#include "server/tensor_json.h"

/* What the protocol calls the type; NULL when it cannot carry it. */
static const char *type_name(sinter_kind kind, sinter_dtype dtype)
{
    return kind == SINTER_KIND_TENSOR ? sn_dtypes[dtype].oip : NULL;
}

static sinter_status read_string(const cJSON *object, const char *key, const char *where, const char **out,
                                 sinter_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsString(item))
        return sn_fail(err, SINTER_INVALID_INPUT, "%s: \"%s\" is missing or not a string", where, key);
    *out = item->valuestring;
    return SINTER_OK;
}

/* "shape": an array of non-negative integers. */
static sinter_status read_shape(const sn_json_document *d, const cJSON *input, const char *name, int *rank,
                                int64_t *dims, sinter_error *err)
{
    sn_str slice, text;
    *rank = 0;
    if (!sn_json_slice(d, cJSON_GetObjectItemCaseSensitive(input, "shape"), &slice) || *slice.p != '[')
        return sn_fail(err, SINTER_INVALID_INPUT, "input '%s': \"shape\" is missing or not an array of numbers", name);
    sn_json_cursor cursor = sn_json_cursor_of(slice);
    for (sn_json_token token; (token = sn_json_next(&cursor, &text)) != SN_JSON_END;) {
        if (token == SN_JSON_CLOSE || (token == SN_JSON_OPEN && cursor.depth == 1)) continue;
        bool negative = true;
        uint64_t magnitude = 0;
        if (*rank == SN_MAX_RANK)
            return sn_fail(err, SINTER_INVALID_INPUT, "input '%s': \"shape\" has more than %d dimensions", name,
                           SN_MAX_RANK);
        if (token != SN_JSON_NUMBER || !sn_json_number_integer(text.p, text.p + text.n, &negative, &magnitude) ||
            (negative && magnitude) || magnitude > INT64_MAX)
            return sn_fail(err, SINTER_INVALID_INPUT,
                           "input '%s': dimension %d of \"shape\" is not a non-negative integer", name, *rank);
        dims[(*rank)++] = (int64_t)magnitude;
    }
    return SINTER_OK;
}

/* Which of the model's inputs this is; its datatype must be the model's. */
static sinter_status identify_input(const sn_request *r, const cJSON *input, size_t *index, sinter_error *err)
{
    const char *name, *datatype;
    const sinter_session *session = r->served->session;
    SN_TRY(read_string(input, "name", "an element of \"inputs\"", &name, err));
    int found = sn_input_index(session, name);
    if (found < 0)
        return sn_fail(err, SINTER_INVALID_INPUT, "model '%s' has no input '%s'; its first input is '%s'",
                       r->served->name, name,
                       sinter_session_input_count(session) ? sinter_session_input(session, 0).name : "(none)");
    char where[160];
    snprintf(where, sizeof where, "input '%.120s'", name);
    SN_TRY(read_string(input, "datatype", where, &datatype, err));
    sinter_io io = sinter_session_input(session, (size_t)found);
    const char *expected = type_name(io.kind, io.dtype);
    if (!expected)
        return sn_fail(err, SINTER_UNSUPPORTED, "input '%s' is not a tensor of a type that the protocol can carry",
                       name);
    if (strcmp(datatype, expected) != 0)
        return sn_fail(err, SINTER_INVALID_INPUT, "input '%s': datatype is %.40s, expected %s", name, datatype,
                       expected);
    *index = (size_t)found;
    return SINTER_OK;
}

static sinter_status read_input(sn_request *r, const sn_json_document *d, const cJSON *input, sinter_error *err)
{
    size_t index;
    SN_TRY(identify_input(r, input, &index, err));
    sinter_io io = sinter_session_input(r->served->session, index);
    int rank;
    int64_t dims[SN_MAX_RANK];
    SN_TRY(read_shape(d, input, io.name, &rank, dims, err));
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(input, "data");
    if (!sn_json_is_array(d, data))
        return sn_fail(err, SINTER_INVALID_INPUT, "input '%s': \"data\" is missing or not an array", io.name);
    sinter_value *value;
    SN_TRY(sn_tensor_from_json(d, data, io.name, io.dtype, rank, dims, &value, err));
    return sn_take_input(r, index, value, err);
}

static sinter_status read_wanted_outputs(sn_request *r, const cJSON *output, sinter_error *err)
{
    size_t n = sinter_session_output_count(r->served->session);
    r->wanted = SN_ARENA_ARRAY(&r->arena, bool, n);
    r->wanted_order = SN_ARENA_ARRAY(&r->arena, size_t, n);
    if (!r->wanted || !r->wanted_order) return sn_no_memory(err, "reading a request");
    for (; output; output = output->next) {
        const char *name;
        SN_TRY(read_string(output, "name", "an element of \"outputs\"", &name, err));
        int index = sn_output_index(r->served->session, name);
        if (index < 0)
            return sn_fail(err, SINTER_INVALID_INPUT, "model '%s' has no output '%s'", r->served->name, name);
        if (r->wanted[index]) return sn_fail(err, SINTER_INVALID_INPUT, "output '%s' is asked for twice", name);
        r->wanted[index] = true;
        r->wanted_order[r->n_wanted++] = (size_t)index;
    }
    return SINTER_OK;
}

static sinter_status read_body(sn_request *r, const sn_json_document *d, sinter_error *err)
{
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(d->root, "id");
    if (id && !cJSON_IsString(id)) return sn_fail(err, SINTER_INVALID_INPUT, "\"id\" is not a string");
    if (id) {
        r->id = sn_arena_str(&r->arena, sn_str_of(id->valuestring)).p;
        if (!r->id) return sn_no_memory(err, "reading a request");
    }
    const cJSON *input, *output;
    SN_TRY(sn_object_array(d, "inputs", &input, err));
    for (; input; input = input->next) SN_TRY(read_input(r, d, input, err));
    SN_TRY(sn_check_inputs_given(r, err));
    if (!cJSON_GetObjectItemCaseSensitive(d->root, "outputs")) return SINTER_OK;
    SN_TRY(sn_object_array(d, "outputs", &output, err));
    return output ? read_wanted_outputs(r, output, err) : SINTER_OK;
}

static sinter_status decode(sn_request *r, sinter_error *err)
{
    sn_json_document d;
    SN_TRY(sn_parse_object(r, &d, err));
    sinter_status status = read_body(r, &d, err);
    sn_json_document_free(&d);
    return status;
}

static void write_shape(int rank, const int64_t *dims, sn_text *out)
{
    sn_text_append(out, "[");
    for (int i = 0; i < rank; i++) sn_text_append(out, "%s%lld", i ? "," : "", (long long)dims[i]);
    sn_text_append(out, "]");
}

static sinter_status write_output(const sn_request *r, size_t index, sn_text *out, sinter_error *err)
{
    const sinter_value *value = r->outputs[index];
    const char *name = sinter_session_output(r->served->session, index).name;
    const char *datatype = type_name(value->kind, value->dtype);
    if (!datatype)
        return sn_fail(err, SINTER_UNSUPPORTED, "output '%s' is not a tensor of a type that the protocol can carry",
                       name);
    sn_text_append(out, "{\"name\":");
    sn_json_write_string(name, strlen(name), out);
    sn_text_append(out, ",\"datatype\":\"%s\",\"shape\":", datatype);
    write_shape(value->shape.rank, value->shape.dims, out);
    sn_text_append(out, ",\"data\":[");
    sn_tensor_write_flat(value, 0, value->count, out);
    sn_text_append(out, "]}");
    return SINTER_OK;
}

static sinter_status encode(sn_request *r, sn_text *out, sinter_error *err)
{
    sn_text_append(out, "{\"model_name\":");
    sn_json_write_string(r->served->name, strlen(r->served->name), out);
    sn_text_append(out, ",\"model_version\":");
    sn_json_write_string(r->served->version, strlen(r->served->version), out);
    if (r->id) {
        sn_text_append(out, ",\"id\":");
        sn_json_write_string(r->id, strlen(r->id), out);
    }
    sn_text_append(out, ",\"outputs\":[");
    size_t n = r->wanted ? r->n_wanted : sinter_session_output_count(r->served->session);
    for (size_t i = 0; i < n; i++) {
        if (i) sn_text_append(out, ",");
        SN_TRY(write_output(r, r->wanted ? r->wanted_order[i] : i, out, err));
    }
    sn_text_append(out, "]}");
    return SINTER_OK;
}

const sn_protocol sn_protocol_v2 = {decode, encode};

/* ------------------------------------------------------------------------------------------------ metadata */

void sn_v2_server_metadata(sn_text *out)
{
    sn_text_append(out, "{\"name\":\"sinter\",\"version\":\"%s\",\"extensions\":[]}", sinter_version());
}

static void write_io(sinter_io io, sn_text *out)
{
    sn_text_append(out, "{\"name\":");
    sn_json_write_string(io.name, strlen(io.name), out);
    const char *datatype = type_name(io.kind, io.dtype);
    sn_text_append(out, ",\"datatype\":\"%s\",\"shape\":", datatype ? datatype : "UNKNOWN");
    write_shape(io.rank < 0 ? 0 : io.rank, io.dims, out);
    sn_text_append(out, "}");
}

void sn_v2_model_metadata(const sn_repository *repository, const sn_served *served, sn_text *out)
{
    sn_text_append(out, "{\"name\":");
    sn_json_write_string(served->name, strlen(served->name), out);
    sn_text_append(out, ",\"versions\":[");
    const char *separator = "";
    for (size_t i = 0; i < repository->n_models; i++) {
        const sn_served *other = &repository->models[i];
        if (strcmp(other->name, served->name) != 0) continue;
        sn_text_append(out, "%s", separator);
        sn_json_write_string(other->version, strlen(other->version), out);
        separator = ",";
    }
    sn_text_append(out, "],\"platform\":\"onnx_onnxv1\",\"inputs\":[");
    for (size_t i = 0; i < sinter_session_input_count(served->session); i++) {
        if (i) sn_text_append(out, ",");
        write_io(sinter_session_input(served->session, i), out);
    }
    sn_text_append(out, "],\"outputs\":[");
    for (size_t i = 0; i < sinter_session_output_count(served->session); i++) {
        if (i) sn_text_append(out, ",");
        write_io(sinter_session_output(served->session, i), out);
    }
    sn_text_append(out, "]}");
}
