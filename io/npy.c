/*
 * Reading and writing the arrays of .npy files; the header is in npy_header.c, strings in npy_text.c.
 *
 * Files are read with pread, not mapped: a file that shrinks while it is read is an error, not a signal.
 */
#include "io/npy.h"
#include "base/alloc.h"
#include "base/dtype.h"
#include "base/size.h"
#include "io/npy_text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------------------ reading */

static sinter_status read_at(int fd, void *buffer, size_t size, size_t offset, sinter_error *err)
{
    char *p = buffer;
    while (size > 0) {
        ssize_t n = pread(fd, p, size, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sn_fail(err, SINTER_IO, "cannot read: %s", strerror(errno));
        if (n == 0) return sn_fail(err, SINTER_INVALID_INPUT, "the file became shorter while it was read");
        p += n;
        size -= (size_t)n;
        offset += (size_t)n;
    }
    return SINTER_OK;
}

static sinter_status read_header(sn_npy_reader *r, sinter_error *err)
{
    struct stat st;
    if (fstat(r->fd, &st) != 0) return sn_fail(err, SINTER_IO, "cannot stat: %s", strerror(errno));
    if (!S_ISREG(st.st_mode)) return sn_fail(err, SINTER_INVALID_INPUT, "not a regular file");
    size_t file_size = (size_t)st.st_size;
    size_t size = file_size < SN_NPY_HEADER_LIMIT ? file_size : SN_NPY_HEADER_LIMIT;
    char *bytes = sn_malloc(size);
    if (!bytes) return sn_no_memory(err, "reading a .npy header");
    sinter_status status = read_at(r->fd, bytes, size, 0, err);
    if (status == SINTER_OK) status = sn_npy_parse_header(bytes, size, &r->header, err);
    sn_free(bytes);
    SN_TRY(status);
    size_t present = file_size - r->header.offset;
    if (r->header.bytes > present) {
        return sn_fail(err, SINTER_INVALID_INPUT, "the header promises %zu bytes of data, the file holds %zu",
                       r->header.bytes, present);
    }
    return SINTER_OK;
}

sinter_status sn_npy_open(const char *path, sn_npy_reader *out, sinter_error *err)
{
    /* O_NONBLOCK: opening a pipe must not wait for its writer; it has no effect on regular files. */
    sn_npy_reader r = {.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (r.fd < 0) {
        bool missing = errno == ENOENT || errno == ENOTDIR;
        return sn_fail(err, missing ? SINTER_NOT_FOUND : SINTER_IO, "cannot open '%s': %s", path, strerror(errno));
    }
    sinter_status status = read_header(&r, err);
    if (status != SINTER_OK) {
        sn_npy_close(&r);
        return sn_context(err, status, "file '%s'", path);
    }
    *out = r;
    return SINTER_OK;
}

void sn_npy_close(sn_npy_reader *r)
{
    if (r->fd >= 0) close(r->fd);
    r->fd = -1;
}

/* numpy's bool is a byte that any program may have written; C's must be 0 or 1. */
static void normalize_bools(unsigned char *data, size_t count)
{
    for (size_t i = 0; i < count; i++) data[i] = data[i] != 0;
}

static sinter_status read_numbers(const sn_npy_reader *r, size_t offset, int rank, const int64_t *dims,
                                  sinter_value **out, sinter_error *err)
{
    sinter_value *tensor;
    SN_TRY(sinter_tensor_create(r->header.dtype, rank, dims, &tensor, err));
    void *data = sinter_tensor_mutable_data(tensor);
    sinter_status status = read_at(r->fd, data, sinter_tensor_size(tensor), offset, err);
    if (status != SINTER_OK) {
        sinter_value_release(tensor);
        return status;
    }
    if (r->header.dtype == SINTER_BOOL) normalize_bools(data, sinter_tensor_count(tensor));
    *out = tensor;
    return SINTER_OK;
}

/* `count` elements from element `first` on, as the file has them. */
static sinter_status read_elements(const sn_npy_reader *r, size_t first, size_t count, int rank, const int64_t *dims,
                                   sinter_value **out, sinter_error *err)
{
    const sn_npy_header *h = &r->header;
    size_t offset = h->offset + first * h->item;
    if (h->coding == SN_NPY_NUMBERS) return read_numbers(r, offset, rank, dims, out, err);
    char *fields = sn_malloc(count * h->item);
    if (!fields) return sn_no_memory(err, "reading strings");
    sinter_status status = read_at(r->fd, fields, count * h->item, offset, err);
    if (status == SINTER_OK) status = sn_npy_decode_text(h, fields, count, rank, dims, out, err);
    sn_free(fields);
    return status;
}

/* Fortran order (first index fastest) to C order (last index fastest), walking the target in its own order. */
static void to_c_order(const sn_npy_header *h, const char *from, char *to)
{
    int64_t index[SINTER_MAX_RANK] = {0};
    size_t stride[SINTER_MAX_RANK], step = h->item, source = 0;
    for (int i = 0; i < h->rank; i++) {
        stride[i] = step;
        step *= (size_t)h->dims[i];
    }
    for (size_t n = 0; n < h->count; n++) {
        memcpy(to + n * h->item, from + source, h->item);
        for (int i = h->rank - 1; i >= 0; i--) {
            source += stride[i];
            if (++index[i] < h->dims[i]) break;
            source -= stride[i] * (size_t)h->dims[i];
            index[i] = 0;
        }
    }
}

static sinter_status from_c_order(const sn_npy_header *h, const char *bytes, sinter_value **out, sinter_error *err)
{
    if (h->coding != SN_NPY_NUMBERS) return sn_npy_decode_text(h, bytes, h->count, h->rank, h->dims, out, err);
    SN_TRY(sinter_tensor_create(h->dtype, h->rank, h->dims, out, err));
    void *data = sinter_tensor_mutable_data(*out);
    if (h->bytes) memcpy(data, bytes, h->bytes);
    if (h->dtype == SINTER_BOOL) normalize_bools(data, h->count);
    return SINTER_OK;
}

static sinter_status read_fortran(const sn_npy_reader *r, sinter_value **out, sinter_error *err)
{
    const sn_npy_header *h = &r->header;
    char *from = sn_malloc(h->bytes), *to = sn_malloc(h->bytes);
    sinter_status status = from && to ? SINTER_OK : sn_no_memory(err, "reading an array in Fortran order");
    if (status == SINTER_OK) status = read_at(r->fd, from, h->bytes, h->offset, err);
    if (status == SINTER_OK) {
        to_c_order(h, from, to);
        status = from_c_order(h, to, out, err);
    }
    sn_free(to);
    sn_free(from);
    return status;
}

sinter_status sn_npy_read_all(const sn_npy_reader *r, sinter_value **out, sinter_error *err)
{
    const sn_npy_header *h = &r->header;
    if (h->fortran_order && h->rank > 1) return read_fortran(r, out, err);
    return read_elements(r, 0, h->count, h->rank, h->dims, out, err);
}

sinter_status sn_npy_read_rows(const sn_npy_reader *r, int64_t from, int64_t to, sinter_value **out, sinter_error *err)
{
    const sn_npy_header *h = &r->header;
    if (h->rank < 1 || (h->fortran_order && h->rank > 1) || from < 0 || to < from || to > h->dims[0]) {
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "rows %lld to %lld of a .npy file that has no such rows",
                       (long long)from, (long long)to);
    }
    int64_t dims[SINTER_MAX_RANK];
    memcpy(dims, h->dims, sizeof dims);
    dims[0] = to - from;
    size_t row = h->dims[0] ? h->count / (size_t)h->dims[0] : 0;
    return read_elements(r, (size_t)from * row, (size_t)dims[0] * row, h->rank, dims, out, err);
}

sinter_status sn_npy_load(const char *path, sinter_value **out, sinter_error *err)
{
    sn_npy_reader r;
    SN_TRY(sn_npy_open(path, &r, err));
    sinter_status status = sn_npy_read_all(&r, out, err);
    sn_npy_close(&r);
    return status == SINTER_OK ? SINTER_OK : sn_context(err, status, "file '%s'", path);
}

/* ------------------------------------------------------------------------------------------------ writing */

/* The type that stands for `dtype` in the file: itself, or the smallest of numpy's that holds all its values. */
static sinter_dtype file_dtype(sinter_dtype dtype)
{
    const sn_dtype_info *info = &sn_dtypes[dtype];
    if (info->npy) return dtype;
    switch (info->klass) {
    case SN_CLASS_FLOAT: return SINTER_FLOAT;
    case SN_CLASS_SIGNED: return SINTER_INT8;
    case SN_CLASS_UNSIGNED: return SINTER_UINT8;
    default: return SINTER_UNDEFINED;
    }
}

static sinter_status describe(sinter_dtype dtype, char out[32], sinter_error *err)
{
    sinter_dtype stored = file_dtype(dtype);
    if (stored == SINTER_UNDEFINED) {
        return sn_fail(err, SINTER_UNSUPPORTED, "no .npy type for elements of type %s", sinter_dtype_name(dtype));
    }
    snprintf(out, 32, "%c%s", sinter_dtype_size(stored) > 1 ? '<' : '|', sn_dtypes[stored].npy);
    return SINTER_OK;
}

static sinter_status write_widened(sn_file_writer *w, const sinter_value *tensor, sinter_dtype stored,
                                   sinter_error *err)
{
    enum { CHUNK = 1024 };
    _Alignas(8) char chunk[CHUNK * sizeof(double)];
    sinter_dtype dtype = sinter_tensor_dtype(tensor);
    const void *data = sinter_tensor_data(tensor);
    size_t count = sinter_tensor_count(tensor), item = sinter_dtype_size(stored);
    for (size_t done = 0; done < count;) {
        size_t n = count - done < CHUNK ? count - done : CHUNK;
        for (size_t i = 0; i < n; i++) sn_store_double(stored, chunk, i, sn_load_double(dtype, data, done + i));
        SN_TRY(sn_file_write(w, chunk, n * item, err));
        done += n;
    }
    return SINTER_OK;
}

static sinter_status write_numbers(sn_file_writer *w, const sinter_value *tensor, sinter_error *err)
{
    sinter_dtype dtype = sinter_tensor_dtype(tensor), stored = file_dtype(dtype);
    if (stored != dtype) return write_widened(w, tensor, stored, err);
    return sn_file_write(w, sinter_tensor_data(tensor), sinter_tensor_size(tensor), err);
}

static sinter_status check_tensor(const sinter_value *value, sinter_error *err)
{
    if (sinter_value_kind(value) == SINTER_KIND_TENSOR) return SINTER_OK;
    return sn_fail(err, SINTER_INVALID_ARGUMENT, "only tensors can be written to a .npy file");
}

static sinter_status write_header(sn_npy_writer *w, const char *descr, sinter_error *err)
{
    char header[SN_NPY_WRITTEN_LIMIT];
    size_t size;
    SN_TRY(sn_npy_format_header(descr, w->rank, w->dims, header, &size, err));
    return sn_file_write(&w->file, header, size, err);
}

/* The header again, over the one that was written before the rows were counted. */
static sinter_status rewrite_header(sn_npy_writer *w, sinter_error *err)
{
    char descr[32], header[SN_NPY_WRITTEN_LIMIT];
    size_t size;
    SN_TRY(describe(w->dtype, descr, err));
    SN_TRY(sn_npy_format_header(descr, w->rank, w->dims, header, &size, err));
    for (size_t done = 0; done < size;) {
        ssize_t n = pwrite(w->file.fd, header + done, size - done, (off_t)done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return sn_fail(err, SINTER_IO, "cannot write '%s': %s", w->file.path, strerror(errno));
        done += (size_t)n;
    }
    return SINTER_OK;
}

static sinter_status write_held(sn_npy_writer *w, sinter_error *err)
{
    char descr[32];
    sn_npy_field field = {.unicode = true};
    for (size_t i = 0; i < w->n_held; i++) sn_npy_field_widen(&field, w->held[i]);
    sn_npy_field_descr(&field, descr);
    SN_TRY(write_header(w, descr, err));
    for (size_t i = 0; i < w->n_held; i++) SN_TRY(sn_npy_write_text(&w->file, &field, w->held[i], err));
    return SINTER_OK;
}

sinter_status sn_npy_writer_open(sn_npy_writer *w, const char *path, sinter_error *err)
{
    *w = (sn_npy_writer){.rank = -1, .file = {.fd = -1}};
    return sn_file_writer_open(&w->file, path, err);
}

static sinter_status start(sn_npy_writer *w, const sinter_value *tensor, sinter_error *err)
{
    char descr[32];
    sinter_dtype dtype = sinter_tensor_dtype(tensor);
    int rank = sinter_tensor_rank(tensor);
    if (dtype != SINTER_STRING) SN_TRY(describe(dtype, descr, err));
    w->dtype = dtype;
    w->rank = rank;
    if (rank > 0) memcpy(w->dims, sinter_tensor_dims(tensor), (size_t)rank * sizeof *w->dims);
    return dtype == SINTER_STRING ? SINTER_OK : write_header(w, descr, err);
}

/* Adds the rows of `tensor` to the array's, which must be of its type and shape. */
static sinter_status join(sn_npy_writer *w, const sinter_value *tensor, sinter_error *err)
{
    const int64_t *dims = sinter_tensor_dims(tensor);
    bool same = w->rank > 0 && sinter_tensor_dtype(tensor) == w->dtype && sinter_tensor_rank(tensor) == w->rank;
    for (int i = 1; same && i < w->rank; i++) same = dims[i] == w->dims[i];
    if (!same || __builtin_add_overflow(w->dims[0], dims[0], &w->dims[0])) {
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "'%s': rows of another type or shape than those before them",
                       w->file.path);
    }
    return SINTER_OK;
}

sinter_status sn_npy_writer_append(sn_npy_writer *w, sinter_value *rows, sinter_error *err)
{
    SN_TRY(check_tensor(rows, err));
    SN_TRY(w->rank < 0 ? start(w, rows, err) : join(w, rows, err));
    if (w->dtype != SINTER_STRING) return write_numbers(&w->file, rows, err);
    if (!SN_GROW(w->held, w->held_capacity, w->n_held)) return sn_no_memory(err, "collecting strings");
    w->held[w->n_held++] = sinter_value_retain(rows);
    return SINTER_OK;
}

sinter_status sn_npy_writer_commit(sn_npy_writer *w, sinter_error *err)
{
    if (w->rank < 0) return sn_fail(err, SINTER_INVALID_ARGUMENT, "'%s': no rows were written", w->file.path);
    SN_TRY(w->dtype == SINTER_STRING ? write_held(w, err) : rewrite_header(w, err));
    return sn_file_writer_commit(&w->file, err);
}

void sn_npy_writer_close(sn_npy_writer *w)
{
    for (size_t i = 0; i < w->n_held; i++) sinter_value_release(w->held[i]);
    sn_free(w->held);
    w->held = NULL;
    w->n_held = w->held_capacity = 0;
    sn_file_writer_close(&w->file);
}

sinter_status sn_npy_save(const char *path, const sinter_value *tensor, sinter_error *err)
{
    sn_npy_writer w;
    SN_TRY(sn_npy_writer_open(&w, path, err));
    /* The writer keeps at most a reference, and only until it is closed. */
    sinter_status status = sn_npy_writer_append(&w, (sinter_value *)(uintptr_t)tensor, err);
    if (status == SINTER_OK) status = sn_npy_writer_commit(&w, err);
    sn_npy_writer_close(&w);
    return status;
}
