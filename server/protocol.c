#include "server/protocol.h"

int sn_input_index(const sinter_session *session, const char *name)
{
    for (size_t i = 0; i < sinter_session_input_count(session); i++) {
        if (strcmp(sinter_session_input(session, i).name, name) == 0) return (int)i;
    }
    return -1;
}

int sn_output_index(const sinter_session *session, const char *name)
{
    for (size_t i = 0; i < sinter_session_output_count(session); i++) {
        if (strcmp(sinter_session_output(session, i).name, name) == 0) return (int)i;
    }
    return -1;
}

sinter_status sn_take_input(sn_request *r, size_t index, sinter_value *value, sinter_error *err)
{
    sinter_status status = sinter_session_check_input(r->served->session, index, value, err);
    if (status == SINTER_OK && r->inputs[index])
        status = sn_fail(err, SINTER_INVALID_INPUT, "input '%s' is given twice",
                         sinter_session_input(r->served->session, index).name);
    if (status != SINTER_OK) {
        sinter_value_release(value);
        return status;
    }
    r->inputs[index] = value;
    return SINTER_OK;
}

sinter_status sn_check_inputs_given(const sn_request *r, sinter_error *err)
{
    for (size_t i = 0; i < sinter_session_input_count(r->served->session); i++) {
        sinter_io io = sinter_session_input(r->served->session, i);
        if (!r->inputs[i] && !io.optional)
            return sn_fail(err, SINTER_INVALID_INPUT, "input '%s' of model '%s' is missing", io.name, r->served->name);
    }
    return SINTER_OK;
}

sinter_status sn_object_array(const sn_json_document *d, const char *key, const cJSON **first, sinter_error *err)
{
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(d->root, key);
    *first = NULL;
    if (sn_json_is_empty_array(d, array)) return SINTER_OK;
    sn_str slice;
    if (!sn_json_is_array(d, array) || sn_json_slice(d, array, &slice))
        return sn_fail(err, SINTER_INVALID_INPUT, "\"%s\" is missing or not an array of objects", key);
    for (const cJSON *item = array->child; item; item = item->next) {
        if (!cJSON_IsObject(item))
            return sn_fail(err, SINTER_INVALID_INPUT, "an element of \"%s\" is not an object", key);
    }
    *first = array->child;
    return SINTER_OK;
}

sinter_status sn_parse_object(const sn_request *r, sn_json_document *d, sinter_error *err)
{
    SN_TRY(sn_json_parse((sn_str){r->body ? r->body : "", r->body_size}, d, err));
    if (cJSON_IsObject(d->root)) return SINTER_OK;
    sn_json_document_free(d);
    return sn_fail(err, SINTER_INVALID_INPUT, "the body is not a JSON object");
}
