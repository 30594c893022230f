#include "cli/table.h"
#include "base/alloc.h"
#include "base/str.h"
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum { GAP = 2, WIDEST_PADDED = 48 };

sn_table sn_table_create(const char *const *columns)
{
    sn_table t = {0};
    for (size_t i = 0; columns[i]; i++) sn_table_cell(&t, "%s", columns[i]);
    t.n_columns = t.n_cells;
    return t;
}

void sn_table_cell(sn_table *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *cell = n >= 0 ? sn_malloc((size_t)n + 1) : NULL;
    if (cell) vsnprintf(cell, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    if (!cell || !SN_GROW(t->cells, t->capacity, t->n_cells)) {
        sn_free(cell);
        t->failed = true;
        return;
    }
    t->cells[t->n_cells++] = cell;
}

static bool is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7F;
}

void sn_print_text(FILE *out, const char *text)
{
    for (; *text; text++) fputc(is_control((unsigned char)*text) ? '?' : *text, out);
}

/* Characters, as long as each takes one column. */
static size_t width_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static bool is_right(const sn_table *t, size_t column)
{
    return t->cells[column][0] == '>';
}

/* The text of a cell; a heading's mark is not part of it. */
static const char *text_of(const sn_table *t, size_t cell)
{
    return t->cells[cell] + (cell < t->n_columns && is_right(t, cell));
}

/* A single very long name must not push every row off the screen: such a cell sticks out instead. */
static size_t column_width(const sn_table *t, size_t column)
{
    size_t widest = 0;
    for (size_t i = column; i < t->n_cells; i += t->n_columns) {
        size_t width = width_of(text_of(t, i));
        if (width > widest && width <= WIDEST_PADDED) widest = width;
    }
    return widest;
}

static void print_cell(const sn_table *t, size_t cell, size_t width, bool last, FILE *out)
{
    size_t column = cell % t->n_columns;
    const char *text = text_of(t, cell);
    size_t used = width_of(text), padding = used < width ? width - used : 0;
    if (is_right(t, column)) fprintf(out, "%*s", (int)padding, "");
    sn_print_text(out, text);
    if (!is_right(t, column) && !last) fprintf(out, "%*s", (int)padding, "");
    if (!last) fprintf(out, "%*s", GAP, "");
}

/* Empty cells at the end of a row are left out, so that no line ends in blanks. */
static void print_row(const sn_table *t, size_t first, const size_t *widths, FILE *out)
{
    size_t n = t->n_columns;
    while (n > 0 && !text_of(t, first + n - 1)[0]) n--;
    fprintf(out, "%*s", n > 0 ? GAP : 0, "");
    for (size_t i = 0; i < n; i++) print_cell(t, first + i, widths[i], i + 1 == n, out);
    fputc('\n', out);
}

sinter_status sn_table_print(const sn_table *t, FILE *out, sinter_error *err)
{
    size_t *widths = t->failed ? NULL : sn_calloc(t->n_columns, sizeof *widths);
    if (!widths) return sn_no_memory(err, "printing a table");
    for (size_t i = 0; i < t->n_columns; i++) widths[i] = column_width(t, i);
    for (size_t i = 0; i + t->n_columns <= t->n_cells; i += t->n_columns) print_row(t, i, widths, out);
    sn_free(widths);
    return SINTER_OK;
}

void sn_table_free(sn_table *t)
{
    for (size_t i = 0; i < t->n_cells; i++) sn_free(t->cells[i]);
    sn_free(t->cells);
    *t = (sn_table){0};
}

const char *sn_dims_text(int rank, const int64_t *dims, const char *const *symbols, char buffer[SN_DIMS_TEXT])
{
    if (rank < 0) return strcpy(buffer, "?");
    if (rank == 0) return strcpy(buffer, "scalar");
    size_t n = 0;
    for (int i = 0; i < rank && n < SN_DIMS_TEXT - 1; i++) {
        const char *separator = i ? "x" : "", *symbol = symbols ? symbols[i] : NULL;
        size_t room = SN_DIMS_TEXT - n;
        int written = dims[i] >= 0 ? snprintf(buffer + n, room, "%s%" PRId64, separator, dims[i])
                                   : snprintf(buffer + n, room, "%s%.24s", separator, symbol ? symbol : "?");
        n += (size_t)(written > 0 ? written : 0);
    }
    return buffer;
}
