#include "io/tensor_file.h"
#include "base/alloc.h"
#include "base/size.h"
#include "io/pb.h"
#include <string.h>
#include <strings.h>

/* ------------------------------------------------------------------------------------------------ formats */

static sinter_status load_npy(const char *path, sinter_kind kind, sinter_value **out, sinter_error *err)
{
    if (kind != SINTER_KIND_TENSOR && kind != SINTER_KIND_UNKNOWN) {
        return sn_fail(err, SINTER_INVALID_INPUT,
                       "file '%s': a .npy file holds a tensor, expected another kind of value", path);
    }
    return sn_npy_load(path, out, err);
}

static sinter_status load_pb(const char *path, sinter_kind kind, sinter_value **out, sinter_error *err)
{
    return sn_pb_load(path, kind == SINTER_KIND_UNKNOWN ? SINTER_KIND_TENSOR : kind, out, err);
}

static const struct {
    const char *extension;
    sinter_status (*load)(const char *path, sinter_kind kind, sinter_value **out, sinter_error *err);
} formats[] = {{".npy", load_npy}, {".pb", load_pb}};

static bool has_extension(const char *path, const char *extension)
{
    size_t n = strlen(path), m = strlen(extension);
    return n >= m && strcasecmp(path + n - m, extension) == 0;
}

sinter_status sn_tensor_file_load(const char *path, sinter_kind kind, sinter_value **out, sinter_error *err)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (has_extension(path, formats[i].extension)) return formats[i].load(path, kind, out, err);
    }
    return sn_fail(err, SINTER_INVALID_INPUT, "file '%s': unknown extension, expected .npy or .pb", path);
}

/* ------------------------------------------------------------------------------------------------ rows */

static void adopt(sn_row_reader *r, sinter_value *value)
{
    r->whole = value;
    if (sinter_value_kind(value) != SINTER_KIND_TENSOR) return;
    r->dtype = sinter_tensor_dtype(value);
    r->rank = sinter_tensor_rank(value);
    if (r->rank > 0) memcpy(r->dims, sinter_tensor_dims(value), (size_t)r->rank * sizeof *r->dims);
}

sinter_status sn_row_reader_open(sn_row_reader *r, const char *path, sinter_kind kind, sinter_error *err)
{
    *r = (sn_row_reader){.path = path, .npy = {.fd = -1}};
    if (has_extension(path, ".npy") && (kind == SINTER_KIND_TENSOR || kind == SINTER_KIND_UNKNOWN)) {
        sn_npy_reader npy;
        SN_TRY(sn_npy_open(path, &npy, err));
        const sn_npy_header *h = &npy.header;
        if (!h->fortran_order || h->rank < 2) {
            *r = (sn_row_reader){.path = path, .npy = npy, .dtype = h->dtype, .rank = h->rank};
            memcpy(r->dims, h->dims, sizeof r->dims);
            return SINTER_OK;
        }
        sn_npy_close(&npy);
    }
    sinter_value *value;
    SN_TRY(sn_tensor_file_load(path, kind, &value, err));
    adopt(r, value);
    return SINTER_OK;
}

sinter_status sn_row_reader_read(const sn_row_reader *r, int64_t from, int64_t to, sinter_value **out,
                                 sinter_error *err)
{
    sinter_status status =
        r->whole ? sn_rows_slice(r->whole, from, to, out, err) : sn_npy_read_rows(&r->npy, from, to, out, err);
    return status == SINTER_OK ? SINTER_OK : sn_context(err, status, "file '%s'", r->path);
}

sinter_status sn_row_reader_read_all(const sn_row_reader *r, sinter_value **out, sinter_error *err)
{
    if (r->whole) {
        *out = sinter_value_retain(r->whole);
        return SINTER_OK;
    }
    sinter_status status = sn_npy_read_all(&r->npy, out, err);
    return status == SINTER_OK ? SINTER_OK : sn_context(err, status, "file '%s'", r->path);
}

void sn_row_reader_close(sn_row_reader *r)
{
    if (!r->path) return;
    sn_npy_close(&r->npy);
    sinter_value_release(r->whole);
    *r = (sn_row_reader){.npy = {.fd = -1}};
}

static size_t row_elements(const sinter_value *tensor)
{
    int64_t rows = sinter_tensor_dims(tensor)[0];
    return rows ? sinter_tensor_count(tensor) / (size_t)rows : 0;
}

sinter_status sn_rows_slice(const sinter_value *tensor, int64_t from, int64_t to, sinter_value **out, sinter_error *err)
{
    int rank = sinter_value_kind(tensor) == SINTER_KIND_TENSOR ? sinter_tensor_rank(tensor) : 0;
    if (rank < 1 || from < 0 || to < from || to > sinter_tensor_dims(tensor)[0]) {
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "rows %lld to %lld of a value that has no such rows",
                       (long long)from, (long long)to);
    }
    int64_t dims[SINTER_MAX_RANK];
    memcpy(dims, sinter_tensor_dims(tensor), (size_t)rank * sizeof *dims);
    dims[0] = to - from;
    sinter_dtype dtype = sinter_tensor_dtype(tensor);
    size_t row = row_elements(tensor), item = sinter_dtype_size(dtype);
    const char *data = (const char *)sinter_tensor_data(tensor) + (size_t)from * row * item;
    if (dtype == SINTER_STRING) {
        return sinter_tensor_create_strings(rank, dims, (const sinter_string *)(const void *)data, out, err);
    }
    return sinter_tensor_wrap(dtype, rank, dims, data, (size_t)dims[0] * row * item, out, err);
}

/* `row` is in bytes. */
static void copy_rows(char *to, size_t rows, const char *from, size_t have, size_t row)
{
    for (size_t i = 0; i < rows; i++) memcpy(to + i * row, from + (i < have ? i : have - 1) * row, row);
}

static sinter_status pad_strings(const sinter_value *tensor, int64_t rows, int rank, const int64_t *dims,
                                 sinter_value **out, sinter_error *err)
{
    size_t row = row_elements(tensor) * sizeof(sinter_string), bytes;
    if (!sn_size_mul(row, (size_t)rows, &bytes)) {
        return sn_fail(err, SINTER_TOO_LARGE, "%lld rows of %zu bytes", (long long)rows, row);
    }
    sinter_string *strings = sn_malloc(bytes);
    if (!strings) return sn_no_memory(err, "padding a batch");
    copy_rows((char *)strings, (size_t)rows, sinter_tensor_data(tensor), (size_t)sinter_tensor_dims(tensor)[0], row);
    sinter_status status = sinter_tensor_create_strings(rank, dims, strings, out, err);
    sn_free(strings);
    return status;
}

sinter_status sn_rows_pad(const sinter_value *tensor, int64_t rows, sinter_value **out, sinter_error *err)
{
    int rank = sinter_tensor_rank(tensor);
    int64_t have = rank > 0 ? sinter_tensor_dims(tensor)[0] : 0, dims[SINTER_MAX_RANK];
    if (have < 1 || rows < have) {
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "cannot pad %lld rows to %lld", (long long)have, (long long)rows);
    }
    memcpy(dims, sinter_tensor_dims(tensor), (size_t)rank * sizeof *dims);
    dims[0] = rows;
    if (sinter_tensor_dtype(tensor) == SINTER_STRING) return pad_strings(tensor, rows, rank, dims, out, err);
    SN_TRY(sinter_tensor_create(sinter_tensor_dtype(tensor), rank, dims, out, err));
    copy_rows(sinter_tensor_mutable_data(*out), (size_t)rows, sinter_tensor_data(tensor), (size_t)have,
              sinter_tensor_size(tensor) / (size_t)have);
    return SINTER_OK;
}
