/* Files: atomic writing, folders, and names inside a folder. */
#ifndef SN_BASE_FILE_H
#define SN_BASE_FILE_H

#include "base/status.h"

/* A file being written under a temporary name in the target's own folder. */
typedef struct sn_file_writer {
    char *path; /* the final name */
    char *temporary;
    int fd;
    uint64_t written;
} sn_file_writer;

SINTER_CHECK sinter_status sn_file_writer_open(sn_file_writer *w, const char *path, sinter_error *err);
SINTER_CHECK sinter_status sn_file_write(sn_file_writer *w, const void *bytes, size_t size, sinter_error *err);
/* Flushes to disk and renames over the final name; the previous file, if any, is replaced whole or not at all. */
SINTER_CHECK sinter_status sn_file_writer_commit(sn_file_writer *w, sinter_error *err);
/* Removes the temporary file if it was not committed. Safe on a zeroed writer with fd -1 or after commit. */
void sn_file_writer_close(sn_file_writer *w);

/* Convenience: the whole file at once. */
SINTER_CHECK sinter_status sn_file_save(const char *path, const void *bytes, size_t size, sinter_error *err);
/* Reads a regular file of at most `limit` bytes; NUL-terminated, *bytes is the caller's to sn_free. NOT_FOUND,
 * TOO_LARGE. */
SINTER_CHECK sinter_status sn_file_load(const char *path, size_t limit, char **bytes, size_t *size, sinter_error *err);

/* Joins the folder that holds `path` with `name` (heap; sn_free). NULL when memory is out. */
char *sn_path_beside(const char *path, const char *name);
char *sn_path_join(const char *folder, const char *name);

#endif
