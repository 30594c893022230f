/*
 * numpy's .npy files: one array, a header in Python's dict syntax before it.
 *
 * Read: format versions 1 to 3, little-endian, both memory orders, every numpy type that has an ONNX counterpart, and
 * fixed-width strings (S and U). Written: version 1.0, C order; ONNX types that numpy lacks are widened without loss
 * (bfloat16 and the 8- and 4-bit floats to float32, 2- and 4-bit integers to 8 bits), strings become U, or S when they
 * are not UTF-8.
 *
 * Row-wise reading and writing keep a batch job's memory at one batch. A header is believed only after the file proved
 * to be long enough for what it claims.
 */
#ifndef SN_IO_NPY_H
#define SN_IO_NPY_H

#include "base/file.h"
#include <sinter.h>

typedef enum sn_npy_coding { SN_NPY_NUMBERS, SN_NPY_BYTES, SN_NPY_UNICODE } sn_npy_coding;

typedef struct sn_npy_header {
    sinter_dtype dtype;
    sn_npy_coding coding; /* of the elements in the file */
    size_t item;          /* bytes of one element in the file */
    bool fortran_order;
    int rank;
    int64_t dims[SINTER_MAX_RANK];
    size_t count;  /* elements */
    size_t bytes;  /* of all elements in the file */
    size_t offset; /* of the first element */
} sn_npy_header;

/* More than any header that is not of a structured type. */
#define SN_NPY_HEADER_LIMIT (65535 + 12)

/* Reads the header from the first `size` bytes of a file. INVALID_INPUT, TOO_LARGE. */
SINTER_CHECK sinter_status sn_npy_parse_header(const char *bytes, size_t size, sn_npy_header *out, sinter_error *err);

/* Writes a header for a C-order array into `out` and its length to *size. `descr` as numpy spells it ("<f4"). The
 * length is the same for every dims[0], so that a header may be rewritten once the rows are counted. */
#define SN_NPY_WRITTEN_LIMIT 1024
SINTER_CHECK sinter_status sn_npy_format_header(const char *descr, int rank, const int64_t *dims,
                                                char out[SN_NPY_WRITTEN_LIMIT], size_t *size, sinter_error *err);

typedef struct sn_npy_reader {
    int fd;
    sn_npy_header header;
} sn_npy_reader;

/* NOT_FOUND, INVALID_INPUT, TOO_LARGE, IO, NO_MEMORY. */
SINTER_CHECK sinter_status sn_npy_open(const char *path, sn_npy_reader *out, sinter_error *err);
/* Rows [from, to) of the first axis; the array has one and is in C order. */
SINTER_CHECK sinter_status sn_npy_read_rows(const sn_npy_reader *r, int64_t from, int64_t to, sinter_value **out,
                                            sinter_error *err);
/* The whole array, of any order. */
SINTER_CHECK sinter_status sn_npy_read_all(const sn_npy_reader *r, sinter_value **out, sinter_error *err);
void sn_npy_close(sn_npy_reader *r);

/* A whole file. Errors name the file. */
SINTER_CHECK sinter_status sn_npy_load(const char *path, sinter_value **out, sinter_error *err);
SINTER_CHECK sinter_status sn_npy_save(const char *path, const sinter_value *tensor, sinter_error *err);

/* An array that grows by rows. The file appears under its name when it is committed, and only then. */
typedef struct sn_npy_writer {
    sn_file_writer file;
    sinter_dtype dtype;
    int rank; /* -1 before the first append */
    int64_t dims[SINTER_MAX_RANK];
    sinter_value **held; /* strings: their width in the file is known only at the end */
    size_t n_held, held_capacity;
} sn_npy_writer;

SINTER_CHECK sinter_status sn_npy_writer_open(sn_npy_writer *w, const char *path, sinter_error *err);
/* Every tensor has the type and the shape, but for the number of rows, of the first. */
SINTER_CHECK sinter_status sn_npy_writer_append(sn_npy_writer *w, sinter_value *rows, sinter_error *err);
/* At least one append has been made. */
SINTER_CHECK sinter_status sn_npy_writer_commit(sn_npy_writer *w, sinter_error *err);
/* Drops what was not committed. */
void sn_npy_writer_close(sn_npy_writer *w);

#endif
