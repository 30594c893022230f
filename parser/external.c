#include "parser/external.h"

#include "base/alloc.h"
#include "base/file.h"
#include "parser/limits.h"
#include <errno.h>
#include <stdlib.h>

static bool has_parent_component(const char *path)
{
    for (const char *p = path; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0')) return true;
    }
    return false;
}

static bool is_inside(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    if (strncmp(path, folder, n) != 0) return false;
    return path[n] == '/' || (n > 0 && folder[n - 1] == '/');
}

/* Resolves links and checks where they lead. *path is the caller's to free(). */
static sinter_status resolve(sn_external *x, const char *location, char **path, sinter_error *err)
{
    if (!x->real_folder) x->real_folder = realpath(x->folder[0] ? x->folder : ".", NULL);
    if (!x->real_folder)
        return sn_fail(err, SINTER_INVALID_MODEL, "cannot find the model's folder '%s': %s", x->folder,
                       strerror(errno));
    char *joined = sn_path_join(x->real_folder, location);
    if (!joined) return sn_no_memory(err, "opening external data");
    *path = realpath(joined, NULL);
    int reason = errno;
    sn_free(joined);
    if (!*path)
        return sn_fail(err, reason == ENOMEM ? SINTER_NO_MEMORY : SINTER_INVALID_MODEL,
                       "cannot open external data '%s' in '%s': %s", location, x->real_folder, strerror(reason));
    if (is_inside(*path, x->real_folder)) return SINTER_OK;
    free(*path);
    return sn_fail(err, SINTER_INVALID_MODEL, "external data '%s' leads out of the model's folder", location);
}

static sinter_status check_location(const sn_external *x, const char *location, sinter_error *err)
{
    if (!x->folder)
        return sn_fail(err, SINTER_INVALID_MODEL, "external data '%s' is refused: there is no folder to look in",
                       location);
    if (location[0] == '\0') return sn_fail(err, SINTER_INVALID_MODEL, "external data without a location");
    if (location[0] == '/' || has_parent_component(location))
        return sn_fail(err, SINTER_INVALID_MODEL,
                       "external data '%s' is refused: it must be a path inside the model's folder", location);
    if (x->n_files >= SN_MAX_EXTERNAL_FILES)
        return sn_fail(err, SINTER_TOO_LARGE, "more than %d files of external data", SN_MAX_EXTERNAL_FILES);
    return SINTER_OK;
}

static sinter_status add_file(sn_external *x, const char *location, sn_block *file, sinter_error *err)
{
    if (!SN_GROW(x->files, x->files_capacity, x->n_files) ||
        !sn_map_put(&x->names, sn_str_of(location), (uint32_t)x->n_files)) {
        sn_block_release(file);
        return sn_no_memory(err, "opening external data");
    }
    x->files[x->n_files++] = file;
    return SINTER_OK;
}

sinter_status sn_external_open(sn_external *x, const char *location, sn_block **out, sinter_error *err)
{
    uint32_t known = sn_map_get(&x->names, sn_str_of(location));
    if (known != SN_MAP_NONE) {
        *out = x->files[known];
        return SINTER_OK;
    }
    char *path = NULL;
    sn_block *file = NULL;
    SN_TRY(check_location(x, location, err));
    SN_TRY(resolve(x, location, &path, err));
    sinter_status status = sn_block_open(path, x->map, &file, err);
    free(path);
    if (status == SINTER_NOT_FOUND || status == SINTER_INVALID_ARGUMENT)
        return sn_context(err, SINTER_INVALID_MODEL, "external data");
    SN_TRY(status);
    SN_TRY(add_file(x, location, file, err));
    *out = file;
    return SINTER_OK;
}

void sn_external_free(sn_external *x)
{
    for (size_t i = 0; i < x->n_files; ++i) sn_block_release(x->files[i]);
    sn_free(x->files);
    sn_map_free(&x->names);
    free(x->real_folder);
    *x = (sn_external){0};
}
