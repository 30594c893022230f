#include "base/status.h"

#include <stdio.h>
#include <string.h>

typedef struct status_row {
    const char *name;
    int exit_code;
    int http_code;
} status_row;

static const status_row rows[] = {
#define STATUS_ROW(name, text, exit_code, http_code) {text, exit_code, http_code},
    SINTER_STATUS_MAP(STATUS_ROW)
#undef STATUS_ROW
};

/* A number that is no status is a bug of the caller: the table answers as for an internal error. */
static const status_row *row_of(sinter_status status)
{
    return &rows[(size_t)status < sizeof rows / sizeof *rows ? status : SINTER_FAILED];
}

const char *sinter_status_name(sinter_status status)
{
    return row_of(status)->name;
}

int sinter_status_exit_code(sinter_status status)
{
    return row_of(status)->exit_code;
}

int sinter_status_http_code(sinter_status status)
{
    return row_of(status)->http_code;
}

const char *sinter_version(void)
{
    return SINTER_VERSION_TEXT;
}

/* Marks a text that did not fit, without leaving half a UTF-8 sequence: the text ends up in JSON. */
static void mark_truncated(char *text)
{
    static const char mark[] = "...";
    size_t at = SINTER_ERROR_TEXT_SIZE - sizeof mark;
    while (at > 0 && ((unsigned char)text[at] & 0xC0) == 0x80) --at;
    memcpy(text + at, mark, sizeof mark);
}

/* Formats aside first: arguments may point into err->text. */
static void set_text(sinter_error *err, sinter_status code, const char *format, va_list args)
{
    char text[SINTER_ERROR_TEXT_SIZE];
    int n = vsnprintf(text, sizeof text, format, args);
    if (n < 0) text[0] = '\0';
    if (n >= (int)sizeof text) mark_truncated(text);
    err->code = code;
    memcpy(err->text, text, sizeof text);
}

int sn_error_set(sinter_error *err, sinter_status code, const char *format, ...)
{
    if (!err) return 0;
    va_list args;
    va_start(args, format);
    set_text(err, code, format, args);
    va_end(args);
    return 0;
}

int sn_error_prefix(sinter_error *err, sinter_status code, const char *format, ...)
{
    if (!err) return 0;
    sinter_error context;
    va_list args;
    va_start(args, format);
    set_text(&context, code, format, args);
    va_end(args);
    return sn_error_set(err, code, "%s: %s", context.text, err->text);
}
