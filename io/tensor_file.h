/*
 * Values in files of any known format, chosen by the file's extension; and the rows of a tensor in a file, a few at a
 * time. From a .npy file in C order only the wanted rows are read; every other file is held in memory.
 */
#ifndef SN_IO_TENSOR_FILE_H
#define SN_IO_TENSOR_FILE_H

#include "io/npy.h"

/* `kind` is what a .pb file holds. NOT_FOUND, INVALID_INPUT, TOO_LARGE; errors name the file. */
SINTER_CHECK sinter_status sn_tensor_file_load(const char *path, sinter_kind kind, sinter_value **out,
                                               sinter_error *err);

typedef struct sn_row_reader {
    const char *path; /* borrowed */
    sn_npy_reader npy;
    sinter_value *whole; /* NULL: rows are read from npy */
    sinter_dtype dtype;
    int rank;
    int64_t dims[SINTER_MAX_RANK]; /* dims[0] is the number of rows */
} sn_row_reader;

/* A zeroed struct may be closed. A scalar or a container opens, with rank 0: it has no rows but can be read whole. */
SINTER_CHECK sinter_status sn_row_reader_open(sn_row_reader *r, const char *path, sinter_kind kind, sinter_error *err);
/* Rows [from, to); the value may borrow the reader's memory. */
SINTER_CHECK sinter_status sn_row_reader_read(const sn_row_reader *r, int64_t from, int64_t to, sinter_value **out,
                                              sinter_error *err);
SINTER_CHECK sinter_status sn_row_reader_read_all(const sn_row_reader *r, sinter_value **out, sinter_error *err);
void sn_row_reader_close(sn_row_reader *r);

/* Rows [from, to) of a tensor; numbers are borrowed from it. */
SINTER_CHECK sinter_status sn_rows_slice(const sinter_value *tensor, int64_t from, int64_t to, sinter_value **out,
                                         sinter_error *err);
/* A tensor of `rows` rows that starts with those of `tensor`, which has at least one, and repeats the last. */
SINTER_CHECK sinter_status sn_rows_pad(const sinter_value *tensor, int64_t rows, sinter_value **out, sinter_error *err);

#endif
