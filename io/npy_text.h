/* Strings in .npy files: fixed-width fields of bytes (S) or of UTF-32 code points (U), filled up with zeros. */
#ifndef SN_IO_NPY_TEXT_H
#define SN_IO_NPY_TEXT_H

#include "base/file.h"
#include "io/npy.h"

/* A string tensor of `rank` dims from the `count` fields at `fields`. Unicode becomes UTF-8. */
SINTER_CHECK sinter_status sn_npy_decode_text(const sn_npy_header *h, const char *fields, size_t count, int rank,
                                              const int64_t *dims, sinter_value **out, sinter_error *err);

/* The narrowest field that holds every string it was shown. A zeroed struct, but for `unicode`, is the start. */
typedef struct sn_npy_field {
    bool unicode;      /* all are UTF-8 so far; start with true */
    size_t bytes;      /* of the longest */
    size_t characters; /* of the longest, while unicode */
} sn_npy_field;

void sn_npy_field_widen(sn_npy_field *f, const sinter_value *strings);
void sn_npy_field_descr(const sn_npy_field *f, char out[32]);
SINTER_CHECK sinter_status sn_npy_write_text(sn_file_writer *w, const sn_npy_field *f, const sinter_value *strings,
                                             sinter_error *err);

#endif
