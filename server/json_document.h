/*
 * A request body as JSON: cJSON for the document, raw text for its arrays of numbers.
 *
 * cJSON makes a node of 64 bytes for every number: 20 ms for one 224x224x3 image. So one bounded scan finds every array
 * that holds nothing but numbers, booleans, nulls and further such arrays, and replaces it in a copy of the text by an
 * array of one number: the index of its slice. (Every array of one number is such an array, so an array of one number
 * in the copy is always an index.) cJSON parses the copy, the skeleton; whoever knows a slice's type and shape reads it
 * straight into a tensor.
 *
 * The scan also checks everything: the grammar, so that an error can name its byte, and what cJSON does not look at:
 * number syntax, UTF-8, control characters and escapes in strings, nesting depth. cJSON can then fail for lack of
 * memory only, which it does not tell from a syntax error.
 */
#ifndef SN_SERVER_JSON_DOCUMENT_H
#define SN_SERVER_JSON_DOCUMENT_H

#include "base/status.h"
#include "base/str.h"
#include <cjson/cJSON.h>

#define SN_JSON_MAX_DEPTH  64
#define SN_JSON_MAX_TOKENS (1 << 21) /* of the skeleton: bounds what cJSON allocates, at 64 bytes each, to 128 MiB */

typedef struct sn_json_document {
    cJSON *root;
    sn_str *slices; /* borrowed from the body: "[1, 2, [3]]" with its brackets, or "4" */
    size_t n_slices, slices_capacity;
} sn_json_document;

/* INVALID_INPUT names the byte where the text stops being JSON; TOO_LARGE, NO_MEMORY. `body` must outlive the document.
 */
SINTER_CHECK sinter_status sn_json_parse(sn_str body, sn_json_document *out, sinter_error *err);
void sn_json_document_free(sn_json_document *d);

/* The text of the number or array of numbers that `item` stands for; false when it is anything else. */
bool sn_json_slice(const sn_json_document *d, const cJSON *item, sn_str *out);

/* An array as the client wrote it: a bare number is one in the skeleton only. */
bool sn_json_is_array(const sn_json_document *d, const cJSON *item);
/* "[]" */
bool sn_json_is_empty_array(const sn_json_document *d, const cJSON *item);

/* Walks the scalars of a slice in order. */
typedef struct sn_json_cursor {
    const char *p, *end;
    int depth; /* of the element last returned: 1 for [1], 0 for a bare number */
} sn_json_cursor;

typedef enum sn_json_token {
    SN_JSON_OPEN,
    SN_JSON_CLOSE,
    SN_JSON_NUMBER,
    SN_JSON_TRUE,
    SN_JSON_FALSE,
    SN_JSON_NULL,
    SN_JSON_END
} sn_json_token;

sn_json_cursor sn_json_cursor_of(sn_str slice);
/* The next token; for a number *text is its extent. The slice was checked by sn_json_parse. */
sn_json_token sn_json_next(sn_json_cursor *c, sn_str *text);

/* The dimensions of a nested array that is rectangular: false when it is not, or deeper than max_rank. */
bool sn_json_slice_shape(sn_str slice, int max_rank, int *rank, int64_t *dims);

#endif
