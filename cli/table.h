/* A text table for people: cells are added row by row, columns are aligned when it is printed. */
#ifndef SN_CLI_TABLE_H
#define SN_CLI_TABLE_H

#include "base/status.h"
#include <stdio.h>

typedef struct sn_table {
    char **cells;
    size_t n_cells, capacity, n_columns;
    bool failed; /* memory ran out */
} sn_table;

/* `columns` are the headings, ended by NULL; one that starts with '>' is aligned to the right. */
sn_table sn_table_create(const char *const *columns);
void sn_table_cell(sn_table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Control characters, which names in a file may hold, are printed as '?'. NO_MEMORY. */
SINTER_CHECK sinter_status sn_table_print(const sn_table *t, FILE *out, sinter_error *err);
void sn_table_free(sn_table *t);

/* One text by the same rules. */
void sn_print_text(FILE *out, const char *text);

/* "2x3", "Nx3x224x224", "scalar", "?" */
#define SN_DIMS_TEXT 512
const char *sn_dims_text(int rank, const int64_t *dims, const char *const *symbols, char buffer[SN_DIMS_TEXT]);

#endif
