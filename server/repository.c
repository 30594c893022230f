#include "server/repository.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#define MODEL_FILE "model.onnx"
#define EXTENSION  ".onnx"

static bool has_extension(const char *name)
{
    size_t n = strlen(name);
    return n > strlen(EXTENSION) && strcmp(name + n - strlen(EXTENSION), EXTENSION) == 0;
}

static sinter_status add(sn_repository *r, const char *name, size_t name_size, const char *version, const char *path,
                         const sn_server_options *options, sinter_error *err)
{
    if (!SN_GROW(r->models, r->capacity, r->n_models)) return sn_no_memory(err, "listing the models");
    sn_served *s = &r->models[r->n_models];
    *s = (sn_served){.name = sn_arena_bytes(&r->arena, name, name_size).p,
                     .version = sn_arena_str(&r->arena, sn_str_of(version)).p,
                     .path = sn_arena_str(&r->arena, sn_str_of(path)).p};
    if (!s->name || !s->version || !s->path) return sn_no_memory(err, "listing the models");
    s->queue.limit = options->queue_size;
    r->n_models++;
    return SINTER_OK;
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* DIR/name/version/model.onnx */
static sinter_status add_versions(sn_repository *r, const char *folder, const char *name,
                                  const sn_server_options *options, sinter_error *err)
{
    DIR *dir = opendir(folder);
    if (!dir) {
        if (errno != ENOTDIR) sn_log(SN_LOG_WARNING, "'%s' is left out: %s", folder, strerror(errno));
        return SINTER_OK;
    }
    sinter_status status = SINTER_OK;
    for (struct dirent *entry; status == SINTER_OK && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        sn_str path = sn_arena_printf(&r->arena, "%s/%s/" MODEL_FILE, folder, entry->d_name);
        if (!path.p) {
            status = sn_no_memory(err, "listing the models");
        } else if (is_file(path.p)) {
            status = add(r, name, strlen(name), entry->d_name, path.p, options, err);
        }
    }
    closedir(dir);
    return status;
}

static sinter_status scan(sn_repository *r, const sn_server_options *options, sinter_error *err)
{
    DIR *dir = opendir(options->model_repository);
    if (!dir)
        return sn_fail(err, SINTER_NOT_FOUND, "cannot open the model repository '%s': %s", options->model_repository,
                       strerror(errno));
    sinter_status status = SINTER_OK;
    for (struct dirent *entry; status == SINTER_OK && (entry = readdir(dir));) {
        const char *name = entry->d_name;
        if (name[0] == '.') continue;
        sn_str path = sn_arena_printf(&r->arena, "%s/%s", options->model_repository, name);
        if (!path.p) {
            status = sn_no_memory(err, "listing the models");
        } else if (has_extension(name) && is_file(path.p)) {
            status = add(r, name, strlen(name) - strlen(EXTENSION), "1", path.p, options, err);
        } else {
            status = add_versions(r, path.p, name, options, err);
        }
    }
    closedir(dir);
    if (status == SINTER_OK && r->n_models == 0)
        status =
            sn_fail(err, SINTER_NOT_FOUND,
                    "the model repository '%s' holds no model: expected NAME/VERSION/" MODEL_FILE " or NAME" EXTENSION,
                    options->model_repository);
    return status;
}

static int compare_versions(const char *a, const char *b)
{
    char *end_a, *end_b;
    unsigned long long x = strtoull(a, &end_a, 10), y = strtoull(b, &end_b, 10);
    bool number_a = *a && !*end_a, number_b = *b && !*end_b;
    if (number_a != number_b) return number_a ? 1 : -1;
    if (number_a && x != y) return x < y ? -1 : 1;
    return strcmp(a, b);
}

static int compare_models(const void *a, const void *b)
{
    const sn_served *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : compare_versions(x->version, y->version);
}

static sinter_status load_one(sn_served *s, const sn_server_options *options, sinter_pool *pool, sinter_error *err)
{
    /* A running server must survive its files being overwritten: read, not mapped. */
    sinter_load_options load = SINTER_LOAD_OPTIONS_INIT;
    load.read_file = true;
    sinter_session_options session = SINTER_SESSION_OPTIONS_INIT;
    session.pool = pool;
    session.bn_stats = options->bn_stats;
    session.no_optimize = options->no_optimize;
    session.tune = options->tune;
    session.no_winograd = options->no_winograd;
    sinter_model *model;
    SN_TRY(sinter_model_load(s->path, &load, &model, err));
    sinter_status status = sinter_session_create(&model, &session, &s->session, NULL, err);
    sinter_model_free(model);
    return status;
}

sinter_status sn_repository_load(sn_repository *r, const sn_server_options *options, sinter_pool *pool,
                                 sinter_error *err)
{
    if (options->model_repository) {
        SN_TRY(scan(r, options, err));
    } else {
        const char *slash = strrchr(options->model_path, '/');
        const char *name = options->model_name ? options->model_name : slash ? slash + 1 : options->model_path;
        size_t n = strlen(name) - (!options->model_name && has_extension(name) ? strlen(EXTENSION) : 0);
        if (n == 0) return sn_fail(err, SINTER_INVALID_ARGUMENT, "the model's name is empty");
        SN_TRY(add(r, name, n, "1", options->model_path, options, err));
    }
    qsort(r->models, r->n_models, sizeof *r->models, compare_models);
    for (size_t i = 1; i < r->n_models; i++) {
        if (compare_models(&r->models[i - 1], &r->models[i]) == 0)
            return sn_fail(err, SINTER_INVALID_ARGUMENT, "two files are version %s of model '%s': '%s' and '%s'",
                           r->models[i].version, r->models[i].name, r->models[i - 1].path, r->models[i].path);
    }
    sinter_status last = SINTER_OK;
    for (size_t i = 0; i < r->n_models; i++) {
        sn_served *s = &r->models[i];
        sinter_error failure = {0};
        sinter_status status = load_one(s, options, pool, &failure);
        if (status == SINTER_OK) continue;
        last = sn_fail(err, status, "%s", failure.text);
        s->failure = sn_arena_str(&r->arena, sn_str_of(failure.text)).p;
        if (options->model_repository)
            sn_log(SN_LOG_ERROR, "model '%s' version %s is not served: %s", s->name, s->version, failure.text);
    }
    return sn_repository_loaded(r) ? SINTER_OK : last;
}

void sn_repository_free(sn_repository *r)
{
    for (size_t i = 0; i < r->n_models; i++) sinter_session_free(r->models[i].session);
    sn_free(r->models);
    sn_arena_free(&r->arena);
    *r = (sn_repository){0};
}

sn_served *sn_repository_find(sn_repository *r, const char *name, const char *version)
{
    sn_served *found = NULL; /* versions ascend: the last one is the highest */
    for (size_t i = 0; i < r->n_models; i++) {
        sn_served *s = &r->models[i];
        if (strcmp(s->name, name) == 0 && (!version || strcmp(s->version, version) == 0)) found = s;
    }
    return found;
}

size_t sn_repository_loaded(const sn_repository *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_models; i++) n += r->models[i].session != NULL;
    return n;
}

bool sn_repository_ready(const sn_repository *r)
{
    return sn_repository_loaded(r) == r->n_models;
}
