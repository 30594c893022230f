#include "base/alloc.h"
#include "base/dtype.h"
#include "cli/run.h"
#include "cli/table.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

enum { STEM_LIMIT = 180, SHOWN = 8 };

/* ------------------------------------------------------------------------------------------------ names */

/* A file name out of an output's name: no folders, nothing hidden, nothing that a terminal would act on. */
static void make_stem(const char *name, char stem[STEM_LIMIT + 1])
{
    size_t n = 0;
    for (; name[n] && n < STEM_LIMIT; n++) {
        unsigned char c = (unsigned char)name[n];
        stem[n] = c == '/' || c < 0x20 || c == 0x7F || (n == 0 && c == '.') ? '_' : name[n];
    }
    while (name[n] && n > 0 && ((unsigned char)name[n] & 0xC0) == 0x80) n--; /* not in the middle of a character */
    stem[n] = '\0';
    if (n == 0) strcpy(stem, "output");
}

/* Adds the stem to the used ones; false with *taken when it is there already, false without when memory is out. */
static bool claim(sn_output_names *names, const char *stem, bool *taken)
{
    *taken = sn_map_get(&names->index, sn_str_of(stem)) != SN_MAP_NONE;
    if (*taken || !sn_list_add(&names->used, stem, strlen(stem))) return false;
    return sn_map_put(&names->index, sn_str_of(names->used.items[names->used.n - 1]), 2);
}

static char *path_of(const sn_output_names *names, const char *stem)
{
    char file[STEM_LIMIT + 32];
    snprintf(file, sizeof file, "%s.npy", stem);
    return sn_path_join(names->folder, file);
}

char *sn_output_path(sn_output_names *names, const char *name)
{
    char stem[STEM_LIMIT + 1], tried[STEM_LIMIT + 16];
    make_stem(name, stem);
    strcpy(tried, stem);
    for (;;) {
        bool taken;
        if (claim(names, tried, &taken)) return path_of(names, tried);
        if (!taken) return NULL;
        uint32_t suffix = sn_map_get(&names->index, sn_str_of(stem));
        if (!sn_map_put(&names->index, sn_str_of(stem), suffix + 1)) return NULL;
        snprintf(tried, sizeof tried, "%s_%" PRIu32, stem, suffix);
    }
}

void sn_output_names_free(sn_output_names *names)
{
    sn_map_free(&names->index);
    sn_list_free(&names->used);
}

sinter_status sn_output_folder(const char *folder, sinter_error *err)
{
    struct stat st;
    if (mkdir(folder, 0777) == 0) return SINTER_OK;
    int reason = errno;
    if (reason == EEXIST && stat(folder, &st) == 0 && S_ISDIR(st.st_mode)) return SINTER_OK;
    return sn_fail(err, reason == EEXIST || reason == ENOENT ? SINTER_INVALID_ARGUMENT : SINTER_IO,
                   "-o %s: cannot make this folder: %s", folder, strerror(reason));
}

/* ------------------------------------------------------------------------------------------------ files */

static sinter_status save_tensor(sn_output_names *names, const char *name, const sinter_value *tensor, size_t *n_files,
                                 sinter_error *err)
{
    char *path = sn_output_path(names, name);
    if (!path) return sn_no_memory(err, "naming an output");
    sinter_status status = sn_npy_save(path, tensor, err);
    sn_free(path);
    if (status == SINTER_OK) ++*n_files;
    return status;
}

static sinter_status save_items(sn_output_names *names, const char *name, const sinter_value *container,
                                size_t *n_files, sinter_error *err)
{
    static const char *const map_parts[] = {"keys", "values"};
    size_t count = sinter_container_count(container);
    bool map = sinter_value_kind(container) == SINTER_KIND_MAP;
    for (size_t i = 0; i < count; i++) {
        char item[STEM_LIMIT + 32];
        if (map && i < 2)
            snprintf(item, sizeof item, "%.*s_%s", STEM_LIMIT, name, map_parts[i]);
        else
            snprintf(item, sizeof item, "%.*s_%zu", STEM_LIMIT, name, i);
        SN_TRY(sn_output_save(names, item, sinter_container_item(container, i), n_files, err));
    }
    return SINTER_OK;
}

sinter_status sn_output_save(sn_output_names *names, const char *name, const sinter_value *value, size_t *n_files,
                             sinter_error *err)
{
    if (sinter_value_kind(value) == SINTER_KIND_TENSOR) return save_tensor(names, name, value, n_files, err);
    if (sinter_value_kind(value) != SINTER_KIND_OPTIONAL) return save_items(names, name, value, n_files, err);
    if (sinter_container_count(value) == 0) return SINTER_OK;
    return sn_output_save(names, name, sinter_container_item(value, 0), n_files, err);
}

/* ------------------------------------------------------------------------------------------------ summary */

static void print_string(FILE *out, sinter_string s)
{
    enum { LONGEST = 60 };
    char text[LONGEST + 1];
    size_t n = s.size < LONGEST ? s.size : LONGEST;
    if (n) memcpy(text, s.data, n);
    for (size_t i = 0; i < n; i++) {
        if (!text[i]) text[i] = '?';
    }
    text[n] = '\0';
    fputc('"', out);
    sn_print_text(out, text);
    fputs(n < s.size ? "...\"" : "\"", out);
}

static void print_element(FILE *out, const sinter_value *tensor, size_t i)
{
    sinter_dtype dtype = sinter_tensor_dtype(tensor);
    const void *data = sinter_tensor_data(tensor);
    uint64_t u;
    switch (sn_dtypes[dtype].klass) {
    case SN_CLASS_STRING: print_string(out, ((const sinter_string *)data)[i]); break;
    case SN_CLASS_BOOL: fputs(sn_load_int64(dtype, data, i) ? "true" : "false", out); break;
    case SN_CLASS_SIGNED: fprintf(out, "%" PRId64, sn_load_int64(dtype, data, i)); break;
    case SN_CLASS_UNSIGNED:
        u = (uint64_t)sn_load_int64(dtype, data, i);
        if (dtype == SINTER_UINT64) memcpy(&u, (const char *)data + i * sizeof u, sizeof u);
        fprintf(out, "%" PRIu64, u);
        break;
    case SN_CLASS_FLOAT: fprintf(out, "%.6g", sn_load_double(dtype, data, i)); break;
    default: fputc('?', out);
    }
}

/* The index of the largest of the `n` elements from `first` on. */
static size_t argmax(const sinter_value *tensor, size_t first, size_t n)
{
    sinter_dtype dtype = sinter_tensor_dtype(tensor);
    const void *data = sinter_tensor_data(tensor);
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        if (sn_load_double(dtype, data, first + i) > sn_load_double(dtype, data, first + best)) best = i;
    }
    return best;
}

/* Rows of scores are what a classifier gives: their best column is what one wants to see first. */
static void print_best_columns(FILE *out, const sinter_value *tensor, int64_t rows)
{
    const int64_t *dims = sinter_tensor_dims(tensor);
    bool scores = sinter_tensor_rank(tensor) == 2 && sn_dtypes[sinter_tensor_dtype(tensor)].klass == SN_CLASS_FLOAT;
    if (!scores || rows == 0 || dims[1] < 2) return;
    fputs("    largest in column", out);
    for (int64_t row = 0; row < rows && row < dims[0] && row < SHOWN; row++) {
        fprintf(out, " %zu", argmax(tensor, (size_t)(row * dims[1]), (size_t)dims[1]));
    }
    fputs(rows > SHOWN ? " ...\n" : "\n", out);
}

/* `rows` may be more than the tensor has (more batches follow) or less (the batch was filled up). */
static void print_tensor(FILE *out, const sinter_value *tensor, int64_t rows)
{
    int64_t dims[SINTER_MAX_RANK];
    char text[SN_DIMS_TEXT];
    int rank = sinter_tensor_rank(tensor);
    size_t count = sinter_tensor_count(tensor);
    if (rank > 0) memcpy(dims, sinter_tensor_dims(tensor), (size_t)rank * sizeof *dims);
    bool more = rank > 0 && rows > dims[0];
    if (rank > 0 && rows >= 0 && rows < dims[0]) count = count / (size_t)dims[0] * (size_t)rows;
    if (rank > 0 && rows >= 0) dims[0] = rows;
    fprintf(out, "%s %s\n   ", sinter_dtype_name(sinter_tensor_dtype(tensor)), sn_dims_text(rank, dims, NULL, text));
    for (size_t i = 0; i < count && i < SHOWN; i++) {
        fputc(' ', out);
        print_element(out, tensor, i);
    }
    fputs(count > SHOWN || more ? " ...\n" : count ? "\n" : " (empty)\n", out);
    if (rank > 0) print_best_columns(out, tensor, dims[0]);
}

void sn_output_print(FILE *out, const char *name, const sinter_value *value, int64_t rows)
{
    sn_print_text(out, name);
    fputs(": ", out);
    if (sinter_value_kind(value) == SINTER_KIND_TENSOR) {
        print_tensor(out, value, rows);
        return;
    }
    size_t count = sinter_container_count(value);
    fprintf(out, "%zu item%s\n", count, count == 1 ? "" : "s");
    for (size_t i = 0; i < count && i < SHOWN; i++) {
        char item[STEM_LIMIT + 32];
        snprintf(item, sizeof item, "  %.*s[%zu]", STEM_LIMIT, name, i);
        sn_output_print(out, item, sinter_container_item(value, i), -1);
    }
    if (count > SHOWN) fputs("  ...\n", out);
}
