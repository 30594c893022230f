/*
 * Any bytes as a model file and as lone values. What loads must be valid, and must load again after it was saved, with
 * the same dump: whatever the optimizer did to it.
 */
#include "base/log.h"
#include <sinter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_INPUT ((size_t)1 << 16) /* bounds the time of one input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(sinter_status status, const char *what, const sinter_error *err)
{
    if (status == SINTER_OK || status == SINTER_NO_MEMORY) return;
    fprintf(stderr, "%s failed: %s\n", what, err->text);
    abort();
}

static char *dump_of(const sinter_model *model)
{
    sinter_error err;
    char *text = NULL;
    must(sinter_model_dump(model, &text, &err), "dump", &err);
    return text;
}

/* Saving and loading gives the same model again. */
static void round_trip(const sinter_model *model)
{
    sinter_error err;
    sinter_model *again = NULL;
    void *bytes = NULL;
    size_t size = 0;
    must(sinter_model_save_memory(model, &bytes, &size, &err), "save", &err);
    must(sinter_model_load_memory(bytes, size, NULL, &again, &err), "load what was saved", &err);
    char *before = dump_of(model), *after = again ? dump_of(again) : NULL;
    if (before && after && strcmp(before, after) != 0) {
        fprintf(stderr, "before:\n%s\nafter:\n%s\n", before, after);
        abort();
    }
    free(before);
    free(after);
    free(bytes);
    sinter_model_free(again);
}

static void try_model(const uint8_t *data, size_t size)
{
    sinter_model *model = NULL;
    sinter_error err;
    if (sinter_model_load_memory(data, size, NULL, &model, &err) != SINTER_OK) return;
    round_trip(model);
    if (sinter_model_verify(model, &err) == SINTER_OK && sinter_model_optimize(model, NULL, NULL, &err) == SINTER_OK)
        round_trip(model);
    sinter_model_free(model);
}

static void try_value(sinter_kind kind, const uint8_t *data, size_t size)
{
    sinter_value *value = NULL;
    sinter_error err;
    void *bytes = NULL;
    if (sinter_value_from_proto(kind, data, size, &value, &err) != SINTER_OK) return;
    if (kind == SINTER_KIND_TENSOR) must(sinter_tensor_to_proto(value, "t", &bytes, &size, &err), "write", &err);
    free(bytes);
    sinter_value_release(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MAX_INPUT) return 0;
    sn_log_set_level(SN_LOG_ERROR);
    try_model(data, size);
    try_value(SINTER_KIND_TENSOR, data, size);
    try_value(SINTER_KIND_SEQUENCE, data, size);
    try_value(SINTER_KIND_OPTIONAL, data, size);
    try_value(SINTER_KIND_MAP, data, size);
    return 0;
}
