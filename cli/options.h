/*
 * Table-driven command-line options. A command lists its options in tables; parsing, --help and the release of what was
 * collected follow from them. A table may be shared: a group pairs it with the struct that its offsets refer to.
 *
 * `--name value`, `--name=value`, `-n value` and `-nvalue` mean the same; `--` ends the options; names are never
 * abbreviated, so that a script keeps its meaning when options are added.
 */
#ifndef SN_CLI_OPTIONS_H
#define SN_CLI_OPTIONS_H

#include "base/status.h"
#include <stdio.h>

typedef enum sn_option_kind {                   /* what the destination is */
                              SN_OPTION_FLAG,   /* bool; takes no value */
                              SN_OPTION_TEXT,   /* const char *, borrowed from argv */
                              SN_OPTION_COUNT,  /* int64_t in [minimum, maximum] */
                              SN_OPTION_NUMBER, /* double >= 0 */
                              SN_OPTION_CHOICE, /* int: the index into `choices` */
                              SN_OPTION_LIST,   /* sn_list; may be repeated */
                              SN_OPTION_NAMES, /* sn_list; may be repeated, and each value may be a comma-separated list
                                                */
                              SN_OPTION_SHAPES /* sn_shape_list of NAME=2x3; may be repeated */
} sn_option_kind;

typedef struct sn_option {
    const char *name; /* without dashes; a row with NULL ends a table */
    const char *metavar;
    const char *help;
    sn_option_kind kind;
    size_t offset; /* of the destination in the group's struct */
    char letter;   /* 'o' for -o; 0: none */
    int64_t minimum, maximum;
    const char *const *choices; /* ended by NULL */
} sn_option;

typedef struct sn_option_group {
    const sn_option *options; /* NULL ends the list of groups */
    void *target;
} sn_option_group;

typedef struct sn_syntax {
    const char *command;
    const char *operands; /* as in "MODEL.onnx" */
    size_t min_operands, max_operands;
    const char *text; /* what the command does */
    const sn_option_group *groups;
} sn_syntax;

typedef struct sn_list { /* owns its texts */
    char **items;
    size_t n, capacity;
} sn_list;

bool sn_list_add(sn_list *list, const char *text, size_t n);
void sn_list_free(sn_list *list);

typedef struct sn_shape_list { /* owns the names */
    sinter_shape *items;
    size_t n, capacity;
} sn_shape_list;

const sinter_shape *sn_shape_list_find(const sn_shape_list *list, const char *name);

/* Fills the groups' structs and `operands`. *help: --help was asked for, nothing else counts. INVALID_ARGUMENT. */
SINTER_CHECK sinter_status sn_options_parse(const sn_syntax *syntax, int argc, char **argv, sn_list *operands,
                                            bool *help, sinter_error *err);
/* Releases what the lists of all groups collected. */
void sn_options_free(const sn_syntax *syntax);
void sn_options_print_help(const sn_syntax *syntax, FILE *out);

/* The candidate that `text` was most likely meant to be; NULL when none is near. `candidate(i)` gives NULL at the end.
 */
const char *sn_nearest(const char *text, const char *(*candidate)(const void *context, size_t index),
                       const void *context);

#endif
