/* The public ways in. */
#include "parser/parser.h"

#include "base/alloc.h"

static sinter_status finish(sn_model *m, sinter_model **out)
{
    *out = (sinter_model *)m; /* the model is the first member of its handle */
    return SINTER_OK;
}

/* The folder part of a path: "a/b.onnx" is in "a", "b.onnx" in ".", "/b.onnx" in "/". NULL when memory is out. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return sn_strdup(".");
    char *folder = sn_strdup(path);
    if (folder) folder[slash == path ? 1 : slash - path] = '\0';
    return folder;
}

static sinter_status load_file(const char *path, bool map, sn_model **out, sinter_error *err)
{
    sn_block *file = NULL;
    sinter_status status = sn_block_open(path, map, &file, err);
    if (status == SINTER_NOT_FOUND || status == SINTER_INVALID_ARGUMENT)
        return sn_context(err, SINTER_INVALID_MODEL, "model");
    SN_TRY(status);
    char *folder = folder_of(path);
    status = folder ? sn_parse_model(file, folder, map, out, err) : sn_no_memory(err, "loading a model");
    sn_free(folder);
    sn_block_release(file);
    return status == SINTER_OK ? status : sn_context(err, status, "'%.300s'", path);
}

sinter_status sinter_model_load(const char *path, const sinter_load_options *options, sinter_model **out,
                                sinter_error *err)
{
    bool has_option = options && options->size >= offsetof(sinter_load_options, read_file) + sizeof(bool);
    sn_model *m = NULL;
    SN_TRY(load_file(path, !(has_option && options->read_file), &m, err));
    return finish(m, out);
}

sinter_status sinter_model_load_memory(const void *bytes, size_t size, const char *folder, sinter_model **out,
                                       sinter_error *err)
{
    sn_model *m = NULL;
    sn_block *copy = sn_block_create(size, false);
    if (!copy) return sn_no_memory(err, "loading a model");
    if (size > 0) memcpy(sn_block_data(copy), bytes, size);
    sinter_status status = sn_parse_model(copy, folder, true, &m, err);
    sn_block_release(copy);
    SN_TRY(status);
    return finish(m, out);
}
