#include "cli/options.h"
#include "base/alloc.h"
#include "base/size.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------ lists */

static char *copy_text(const char *text, size_t n)
{
    char *copy = sn_malloc(n + 1);
    if (!copy) return NULL;
    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

bool sn_list_add(sn_list *list, const char *text, size_t n)
{
    if (!SN_GROW(list->items, list->capacity, list->n)) return false;
    char *copy = copy_text(text, n);
    if (!copy) return false;
    list->items[list->n++] = copy;
    return true;
}

void sn_list_free(sn_list *list)
{
    for (size_t i = 0; i < list->n; i++) sn_free(list->items[i]);
    sn_free(list->items);
    *list = (sn_list){0};
}

const sinter_shape *sn_shape_list_find(const sn_shape_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i].name, name) == 0) return &list->items[i];
    }
    return NULL;
}

static void free_shapes(sn_shape_list *list)
{
    for (size_t i = 0; i < list->n; i++) sn_free((char *)(uintptr_t)list->items[i].name);
    sn_free(list->items);
    *list = (sn_shape_list){0};
}

/* ------------------------------------------------------------------------------------------------ values */

/* One function per kind: reads `value` into the option's destination. */
typedef sinter_status value_reader(const sn_option *o, const char *value, void *destination, sinter_error *err);

static sinter_status bad_value(const sn_option *o, const char *value, const char *expected, sinter_error *err)
{
    return sn_fail(err, SINTER_INVALID_ARGUMENT, "option --%s: '%s' is not %s", o->name, value, expected);
}

static sinter_status read_text(const sn_option *o, const char *value, void *destination, sinter_error *err)
{
    if (!*value) return sn_fail(err, SINTER_INVALID_ARGUMENT, "option --%s: the value is empty", o->name);
    memcpy(destination, &value, sizeof value);
    return SINTER_OK;
}

static sinter_status read_count(const sn_option *o, const char *value, void *destination, sinter_error *err)
{
    char *end, expected[96];
    errno = 0;
    int64_t number = strtoll(value, &end, 10);
    if (end == value || *end || errno || number < o->minimum || number > o->maximum) {
        snprintf(expected, sizeof expected, "a whole number from %" PRId64 " to %" PRId64, o->minimum, o->maximum);
        return bad_value(o, value, expected, err);
    }
    memcpy(destination, &number, sizeof number);
    return SINTER_OK;
}

static sinter_status read_number(const sn_option *o, const char *value, void *destination, sinter_error *err)
{
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end || !isfinite(number) || number < 0) return bad_value(o, value, "a number >= 0", err);
    memcpy(destination, &number, sizeof number);
    return SINTER_OK;
}

static sinter_status read_choice(const sn_option *o, const char *value, void *destination, sinter_error *err)
{
    for (int i = 0; o->choices[i]; i++) {
        if (strcmp(value, o->choices[i]) != 0) continue;
        memcpy(destination, &i, sizeof i);
        return SINTER_OK;
    }
    char expected[96];
    snprintf(expected, sizeof expected, "one of %s", o->metavar);
    return bad_value(o, value, expected, err);
}

static sinter_status read_list(const sn_option *o, const char *value, void *destination, sinter_error *err)
{
    if (!*value) return sn_fail(err, SINTER_INVALID_ARGUMENT, "option --%s: the value is empty", o->name);
    return sn_list_add(destination, value, strlen(value)) ? SINTER_OK : sn_no_memory(err, "reading options");
}

static sinter_status read_names(const sn_option *o, const char *value, void *destination, sinter_error *err)
{
    for (const char *p = value;; p++) {
        size_t n = strcspn(p, ",");
        if (n == 0) return bad_value(o, value, "a comma-separated list of names", err);
        if (!sn_list_add(destination, p, n)) return sn_no_memory(err, "reading options");
        p += n;
        if (!*p) return SINTER_OK;
    }
}

/* "1x3x224x224" */
static bool parse_dims(const char *text, sinter_shape *shape)
{
    for (const char *p = text;; p++) {
        char *end;
        if (*p < '0' || *p > '9' || shape->rank == SINTER_MAX_RANK) return false;
        errno = 0;
        shape->dims[shape->rank++] = strtoll(p, &end, 10);
        if (errno) return false;
        p = end;
        if (!*p) return true;
        if (*p != 'x') return false;
    }
}

static sinter_status read_shape(const sn_option *o, const char *value, void *destination, sinter_error *err)
{
    sn_shape_list *list = destination;
    sinter_shape shape = {.rank = 0};
    const char *equals = strrchr(value, '=');
    if (!equals || equals == value || !parse_dims(equals + 1, &shape)) {
        return bad_value(o, value, "of the form NAME=1x3x224x224", err);
    }
    char *name = copy_text(value, (size_t)(equals - value));
    if (!name || !SN_GROW(list->items, list->capacity, list->n)) {
        sn_free(name);
        return sn_no_memory(err, "reading options");
    }
    shape.name = name;
    list->items[list->n++] = shape;
    return SINTER_OK;
}

static value_reader *const readers[] = {
    [SN_OPTION_TEXT] = read_text,     [SN_OPTION_COUNT] = read_count, [SN_OPTION_NUMBER] = read_number,
    [SN_OPTION_CHOICE] = read_choice, [SN_OPTION_LIST] = read_list,   [SN_OPTION_NAMES] = read_names,
    [SN_OPTION_SHAPES] = read_shape,
};

/* ------------------------------------------------------------------------------------------------ parsing */

typedef struct found_option {
    const sn_option *option;
    void *destination;
} found_option;

/* By long name (the first n bytes of it), or by letter when name is NULL. */
static found_option find(const sn_syntax *syntax, const char *name, size_t n, char letter)
{
    for (const sn_option_group *g = syntax->groups; g->options; g++) {
        for (const sn_option *o = g->options; o->name; o++) {
            bool same = name ? strlen(o->name) == n && memcmp(o->name, name, n) == 0 : o->letter == letter;
            if (same) return (found_option){o, (char *)g->target + o->offset};
        }
    }
    return (found_option){0};
}

static const char *option_name(const void *context, size_t index)
{
    for (const sn_option_group *g = ((const sn_syntax *)context)->groups; g->options; g++) {
        for (const sn_option *o = g->options; o->name; o++) {
            if (index-- == 0) return o->name;
        }
    }
    return NULL;
}

static sinter_status unknown_option(const sn_syntax *syntax, const char *argument, sinter_error *err)
{
    char name[64];
    size_t n = strcspn(argument, "=");
    const char *nearest = NULL;
    if (strncmp(argument, "--", 2) == 0 && n - 2 < sizeof name) {
        memcpy(name, argument + 2, n - 2);
        name[n - 2] = '\0';
        nearest = sn_nearest(name, option_name, syntax);
    }
    const char *before = nearest ? "; did you mean --" : "", *after = nearest ? "?" : "";
    return sn_fail(err, SINTER_INVALID_ARGUMENT, "unknown option '%.*s'%s%s%s", (int)(n > 200 ? 200 : n), argument,
                   before, nearest ? nearest : "", after);
}

/* Handles argv[*i], an option, and moves *i to the last argument that it took. */
static sinter_status parse_option(const sn_syntax *syntax, int argc, char **argv, int *i, sinter_error *err)
{
    const char *argument = argv[*i], *value = NULL;
    found_option found;
    if (argument[1] == '-') {
        size_t n = strcspn(argument + 2, "=");
        found = find(syntax, argument + 2, n, 0);
        if (argument[2 + n] == '=') value = argument + 2 + n + 1;
    } else {
        found = find(syntax, NULL, 0, argument[1]);
        if (argument[2]) value = argument + 2;
    }
    const sn_option *o = found.option;
    if (!o) return unknown_option(syntax, argument, err);
    if (o->kind == SN_OPTION_FLAG) {
        if (value) return sn_fail(err, SINTER_INVALID_ARGUMENT, "option --%s takes no value", o->name);
        memcpy(found.destination, &(bool){true}, sizeof(bool));
        return SINTER_OK;
    }
    if (!value) {
        /* A value that looks like an option is a forgotten value; --name=--odd is there for the rest. */
        if (*i + 1 == argc || strncmp(argv[*i + 1], "--", 2) == 0) {
            return sn_fail(err, SINTER_INVALID_ARGUMENT, "option --%s: expected a value (%s)", o->name, o->metavar);
        }
        value = argv[++*i];
    }
    return readers[o->kind](o, value, found.destination, err);
}

static sinter_status check_operands(const sn_syntax *syntax, const sn_list *operands, sinter_error *err)
{
    if (operands->n < syntax->min_operands) {
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "expected %s", syntax->operands);
    }
    if (operands->n > syntax->max_operands) {
        return sn_fail(err, SINTER_INVALID_ARGUMENT, "unexpected argument '%s'", operands->items[syntax->max_operands]);
    }
    return SINTER_OK;
}

static bool is_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

sinter_status sn_options_parse(const sn_syntax *syntax, int argc, char **argv, sn_list *operands, bool *help,
                               sinter_error *err)
{
    bool options_ended = false;
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        if (!options_ended && strcmp(argument, "--") == 0) {
            options_ended = true;
        } else if (!options_ended && is_help(argument)) {
            *help = true;
            return SINTER_OK;
        } else if (!options_ended && argument[0] == '-' && argument[1]) {
            SN_TRY(parse_option(syntax, argc, argv, &i, err));
        } else if (!sn_list_add(operands, argument, strlen(argument))) {
            return sn_no_memory(err, "reading options");
        }
    }
    return check_operands(syntax, operands, err);
}

void sn_options_free(const sn_syntax *syntax)
{
    for (const sn_option_group *g = syntax->groups; g->options; g++) {
        for (const sn_option *o = g->options; o->name; o++) {
            void *destination = (char *)g->target + o->offset;
            if (o->kind == SN_OPTION_LIST || o->kind == SN_OPTION_NAMES) sn_list_free(destination);
            if (o->kind == SN_OPTION_SHAPES) free_shapes(destination);
        }
    }
}
