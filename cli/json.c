#include "cli/json.h"
#include "base/file.h"
#include "base/str.h"
#include "io/utf8.h"
#include <stdio.h>
#include <string.h>

sn_json sn_json_create(void)
{
    sn_json j = {.root = cJSON_CreateObject()};
    j.failed = !j.root;
    return j;
}

void sn_json_free(sn_json *j)
{
    cJSON_Delete(j->root);
    j->root = NULL;
}

static cJSON *attach(sn_json *j, cJSON *parent, const char *key, cJSON *item)
{
    bool added = false;
    if (parent && item) added = key ? cJSON_AddItemToObject(parent, key, item) : cJSON_AddItemToArray(parent, item);
    if (added) return item;
    cJSON_Delete(item);
    j->failed = true;
    return NULL;
}

cJSON *sn_json_object(sn_json *j, cJSON *parent, const char *key)
{
    return attach(j, parent, key, cJSON_CreateObject());
}

cJSON *sn_json_array(sn_json *j, cJSON *parent, const char *key)
{
    return attach(j, parent, key, cJSON_CreateArray());
}

void sn_json_number(sn_json *j, cJSON *parent, const char *key, double number)
{
    attach(j, parent, key, cJSON_CreateNumber(number));
}

void sn_json_bool(sn_json *j, cJSON *parent, const char *key, bool value)
{
    attach(j, parent, key, cJSON_CreateBool(value));
}

void sn_json_text(sn_json *j, cJSON *parent, const char *key, const char *text)
{
    sn_text valid = {0};
    uint32_t code;
    for (size_t i = 0, n = strlen(text); i < n;) {
        size_t length = sn_utf8_decode(text + i, n - i, &code);
        if (length)
            sn_text_append_bytes(&valid, text + i, length);
        else
            sn_text_append_bytes(&valid, "\xEF\xBF\xBD", 3);
        i += length ? length : 1;
    }
    attach(j, parent, key, valid.failed ? NULL : cJSON_CreateString(valid.p ? valid.p : ""));
    sn_text_free(&valid);
}

void sn_json_dims(sn_json *j, cJSON *parent, const char *key, int rank, const int64_t *dims, const char *const *symbols)
{
    if (rank < 0) {
        attach(j, parent, key, cJSON_CreateNull());
        return;
    }
    cJSON *array = sn_json_array(j, parent, key);
    for (int i = 0; i < rank; i++) {
        if (dims[i] >= 0)
            sn_json_number(j, array, NULL, (double)dims[i]);
        else if (symbols && symbols[i])
            sn_json_text(j, array, NULL, symbols[i]);
        else
            attach(j, array, NULL, cJSON_CreateNull());
    }
}

sinter_status sn_json_write(const sn_json *j, const char *path, sinter_error *err)
{
    char *text = j->failed ? NULL : cJSON_Print(j->root);
    if (!text) return sn_no_memory(err, "writing JSON");
    sinter_status status = SINTER_OK;
    if (path) {
        size_t n = strlen(text);
        text[n] = '\n'; /* in place of the terminator, which sn_file_save does not need */
        status = sn_file_save(path, text, n + 1, err);
    } else {
        puts(text);
    }
    cJSON_free(text);
    return status;
}
