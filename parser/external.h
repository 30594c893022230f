/*
 * Files of external data. Only files inside the model's own folder may be named: no absolute path, no "..", and no
 * symbolic link that leads out of it. Each file is opened once.
 */
#ifndef SN_PARSER_EXTERNAL_H
#define SN_PARSER_EXTERNAL_H

#include "base/block.h"
#include "base/map.h"

typedef struct sn_external {
    const char *folder; /* NULL: external data is refused. Borrowed */
    bool map;
    char *real_folder; /* heap (malloc) */
    sn_map names;      /* location -> index; locations are borrowed */
    sn_block **files;
    size_t n_files, files_capacity;
} sn_external;

/* The file as a borrowed block. */
SINTER_CHECK sinter_status sn_external_open(sn_external *x, const char *location, sn_block **out, sinter_error *err);
void sn_external_free(sn_external *x);

#endif
