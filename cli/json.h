/* Building a JSON document with cJSON where a lack of memory is checked once, at the end. */
#ifndef SN_CLI_JSON_H
#define SN_CLI_JSON_H

#include "base/status.h"
#include <cjson/cJSON.h>

typedef struct sn_json {
    cJSON *root;
    bool failed;
} sn_json;

sn_json sn_json_create(void); /* an empty object; sn_json_free */
void sn_json_free(sn_json *j);

/* Each adds to `parent`, under `key` or, with NULL, at the end of an array. A NULL parent (out of memory) is allowed.
 */
cJSON *sn_json_object(sn_json *j, cJSON *parent, const char *key);
cJSON *sn_json_array(sn_json *j, cJSON *parent, const char *key);
void sn_json_text(sn_json *j, cJSON *parent, const char *key, const char *text); /* not UTF-8: U+FFFD stands in */
void sn_json_number(sn_json *j, cJSON *parent, const char *key, double number);  /* not finite: null */
void sn_json_bool(sn_json *j, cJSON *parent, const char *key, bool value);
/* An array of numbers; -1 becomes the symbol's name, or null. */
void sn_json_dims(sn_json *j, cJSON *parent, const char *key, int rank, const int64_t *dims,
                  const char *const *symbols);

/* To the file, or to standard output when `path` is NULL. */
SINTER_CHECK sinter_status sn_json_write(const sn_json *j, const char *path, sinter_error *err);

#endif
