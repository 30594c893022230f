#include "server/json_document.h"

#include "base/alloc.h"
#include "io/utf8.h"
#include "server/json_number.h"

#include <stdio.h>

/* What the grammar lets come next. */
typedef enum due { VALUE, NAME, NAME_OR_END, COLON, MEMBER_END, ELEMENT_END, NOTHING } due;

static const struct {
    const char *text;
    char separator; /* leads to `next` */
    due next;
    char close; /* ends the array or object */
} dues[] = {[VALUE] = {.text = "a value"},
            [NAME] = {.text = "a name in quotes"},
            [NAME_OR_END] = {.text = "a name in quotes or '}'", .close = '}'},
            [COLON] = {.text = "':'", .separator = ':', .next = VALUE},
            [MEMBER_END] = {"',' or '}'", ',', NAME, '}'},
            [ELEMENT_END] = {"',' or ']'", ',', VALUE, ']'},
            [NOTHING] = {.text = "nothing more"}};

typedef struct scanner {
    const char *start, *p, *end;
    due due;
    char open[SN_JSON_MAX_DEPTH]; /* '[' or '{' */
    size_t depth;
    sn_text skeleton;
    sn_json_document *document;
    /* Where arrays that turned out not to be purely numeric begin: not tried again, which keeps the scan linear. */
    const char *mixed[SN_JSON_MAX_DEPTH];
    size_t n_mixed;
    sinter_error *err;
} scanner;

static sinter_status wrong(const scanner *s, const char *at, const char *what)
{
    return sn_fail(s->err, SINTER_INVALID_INPUT, "the body is not valid JSON: %s at byte %td", what, at - s->start);
}

static sinter_status unexpected(const scanner *s)
{
    char what[64], found[16] = "the end";
    if (s->p < s->end)
        snprintf(found, sizeof found, *s->p > ' ' && *s->p <= '~' ? "'%c'" : "0x%02x", (unsigned char)*s->p);
    snprintf(what, sizeof what, "expected %s, found %s", dues[s->due].text, found);
    return wrong(s, s->p, what);
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
    return p;
}

static const struct {
    const char *text;
    sn_json_token token;
} literals[] = {{"true", SN_JSON_TRUE}, {"false", SN_JSON_FALSE}, {"null", SN_JSON_NULL}};

/* The end of the literal at p and which it is, or NULL. */
static const char *literal_end(const char *p, const char *end, sn_json_token *token)
{
    for (size_t i = 0; i < sizeof literals / sizeof *literals; i++) {
        size_t n = strlen(literals[i].text);
        if ((size_t)(end - p) >= n && memcmp(p, literals[i].text, n) == 0) {
            *token = literals[i].token;
            return p + n;
        }
    }
    return NULL;
}

/* The four hexadecimal digits at p; false when they are not there. */
static bool read_hex4(const char *p, const char *end, unsigned *code)
{
    *code = 0;
    if (end - p < 4) return false;
    for (int i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF", *found = strchr(digits, p[i]);
        if (!p[i] || !found) return false;
        *code = *code * 16 + (unsigned)(found - digits) % 16;
    }
    return true;
}

/* NUL would cut the string in cJSON; half of a surrogate pair is no character. */
static sinter_status check_escape(scanner *s, const char **at)
{
    const char *p = *at + 1;
    unsigned code, low;
    if (p >= s->end || !*p || !strchr("\"\\/bfnrtu", *p)) return wrong(s, *at, "an unknown escape in a string");
    if (*p++ == 'u') {
        if (!read_hex4(p, s->end, &code)) return wrong(s, *at, "an unfinished escape");
        if (code == 0) return wrong(s, *at, "a NUL character in a string");
        p += 4;
        if (code >= 0xD800 && code < 0xE000) {
            bool pair = code < 0xDC00 && s->end - p >= 6 && p[0] == '\\' && p[1] == 'u' &&
                        read_hex4(p + 2, s->end, &low) && low >= 0xDC00 && low < 0xE000;
            if (!pair) return wrong(s, *at, "half of a surrogate pair");
            p += 6;
        }
    }
    *at = p;
    return SINTER_OK;
}

static void copy_to(scanner *s, const char *next)
{
    sn_text_append_bytes(&s->skeleton, s->p, (size_t)(next - s->p));
    s->p = next;
}

static sinter_status copy_string(scanner *s)
{
    const char *p = s->p + 1;
    while (p < s->end && *p != '"') {
        if (*p == '\\') {
            SN_TRY(check_escape(s, &p));
        } else {
            uint32_t code;
            size_t n = (unsigned char)*p < 0x20 ? 0 : sn_utf8_decode(p, (size_t)(s->end - p), &code);
            if (n == 0) return wrong(s, p, "a control character or broken UTF-8 in a string");
            p += n;
        }
    }
    if (p == s->end) return wrong(s, s->p, "a string without an end");
    copy_to(s, p + 1);
    return SINTER_OK;
}

/* Tries the '[' at s->p as the beginning of an array of numbers, literals and such arrays. Returns its end; or NULL,
 * and the arrays that were open where something else came (or where the syntax breaks: the walk that follows says
 * where) are noted in `mixed`. */
static const char *numeric_array_end(scanner *s)
{
    const char *open[SN_JSON_MAX_DEPTH] = {s->p};
    size_t depth = 1;
    const char *p = s->p + 1;
    bool want_item = true; /* an item or ']' may come next, else ',' or ']' */
    bool after_comma = false;
    if (s->depth >= SN_JSON_MAX_DEPTH) return NULL;
    for (;;) {
        p = skip_space(p, s->end);
        if (p == s->end) break;
        sn_json_token token;
        const char *next;
        if (*p == '[' && want_item) {
            if (depth + s->depth >= SN_JSON_MAX_DEPTH) break;
            open[depth++] = p++;
            after_comma = false;
        } else if (*p == ']' && !after_comma) {
            p++;
            want_item = false;
            if (--depth == 0) return p;
        } else if (*p == ',' && !want_item) {
            p++;
            want_item = after_comma = true;
        } else if (want_item && ((next = sn_json_number_end(p, s->end)) || (next = literal_end(p, s->end, &token)))) {
            p = next;
            want_item = after_comma = false;
        } else {
            break;
        }
    }
    s->n_mixed = 0;
    for (size_t i = 0; i < depth; i++) s->mixed[s->n_mixed++] = open[i];
    return NULL;
}

static bool is_known_mixed(const scanner *s)
{
    for (size_t i = 0; i < s->n_mixed; i++) {
        if (s->mixed[i] == s->p) return true;
    }
    return false;
}

static sinter_status add_slice(scanner *s, const char *end)
{
    sn_json_document *d = s->document;
    if (!SN_GROW(d->slices, d->slices_capacity, d->n_slices)) return sn_no_memory(s->err, "reading a request");
    sn_text_append(&s->skeleton, "[%zu]", d->n_slices);
    d->slices[d->n_slices++] = (sn_str){s->p, (size_t)(end - s->p)};
    s->p = end;
    return SINTER_OK;
}

static void end_value(scanner *s)
{
    s->due = s->depth == 0 ? NOTHING : s->open[s->depth - 1] == '{' ? MEMBER_END : ELEMENT_END;
}

/* An array that is opened here is mixed, hence not empty. */
static sinter_status open_container(scanner *s)
{
    if (s->depth == SN_JSON_MAX_DEPTH) return wrong(s, s->p, "nesting deeper than 64 levels");
    s->open[s->depth++] = *s->p;
    s->due = *s->p == '{' ? NAME_OR_END : VALUE;
    copy_to(s, s->p + 1);
    return SINTER_OK;
}

static sinter_status take_value(scanner *s)
{
    sn_json_token token;
    const char *next;
    if ((*s->p == '[' && !is_known_mixed(s) && (next = numeric_array_end(s))) ||
        (next = sn_json_number_end(s->p, s->end))) {
        SN_TRY(add_slice(s, next));
    } else if ((next = literal_end(s->p, s->end, &token))) {
        copy_to(s, next);
    } else if (*s->p == '"') {
        SN_TRY(copy_string(s));
    } else if (*s->p == '[' || *s->p == '{') {
        return open_container(s);
    } else {
        return unexpected(s);
    }
    end_value(s);
    return SINTER_OK;
}

static sinter_status take_token(scanner *s)
{
    char c = *s->p;
    if (s->due == VALUE) return take_value(s);
    if (c == '"' && (s->due == NAME || s->due == NAME_OR_END)) {
        s->due = COLON;
        return copy_string(s);
    }
    if (c && c == dues[s->due].separator) {
        s->due = dues[s->due].next;
    } else if (c && c == dues[s->due].close) {
        s->depth--;
        end_value(s);
    } else {
        return unexpected(s);
    }
    copy_to(s, s->p + 1);
    return SINTER_OK;
}

static sinter_status make_skeleton(scanner *s)
{
    size_t tokens = 0;
    while ((s->p = skip_space(s->p, s->end)) < s->end) {
        if (++tokens > SN_JSON_MAX_TOKENS)
            return sn_fail(s->err, SINTER_TOO_LARGE, "the body has more than %d JSON tokens beside its numeric arrays",
                           SN_JSON_MAX_TOKENS);
        SN_TRY(take_token(s));
    }
    if (tokens == 0) return sn_fail(s->err, SINTER_INVALID_INPUT, "the body is empty, expected a JSON object");
    if (s->due != NOTHING) return unexpected(s);
    return s->skeleton.failed ? sn_no_memory(s->err, "reading a request") : SINTER_OK;
}

sinter_status sn_json_parse(sn_str body, sn_json_document *out, sinter_error *err)
{
    *out = (sn_json_document){0};
    scanner s = {.start = body.p, .p = body.p, .end = body.p + body.n, .document = out, .err = err};
    sinter_status status = make_skeleton(&s);
    if (status == SINTER_OK) {
        /* The skeleton is valid: all that can be missing is memory. */
        out->root = cJSON_ParseWithLengthOpts(s.skeleton.p, s.skeleton.n + 1, NULL, true);
        if (!out->root) status = sn_no_memory(err, "reading a request");
    }
    sn_text_free(&s.skeleton);
    if (status != SINTER_OK) sn_json_document_free(out);
    return status;
}

void sn_json_document_free(sn_json_document *d)
{
    cJSON_Delete(d->root);
    sn_free(d->slices);
    *d = (sn_json_document){0};
}

bool sn_json_slice(const sn_json_document *d, const cJSON *item, sn_str *out)
{
    if (!cJSON_IsArray(item) || !item->child || item->child->next || !cJSON_IsNumber(item->child)) return false;
    *out = d->slices[(size_t)item->child->valuedouble];
    return true;
}

bool sn_json_is_array(const sn_json_document *d, const cJSON *item)
{
    sn_str slice;
    return cJSON_IsArray(item) && (!sn_json_slice(d, item, &slice) || *slice.p == '[');
}

bool sn_json_is_empty_array(const sn_json_document *d, const cJSON *item)
{
    sn_str slice, text;
    if (!sn_json_slice(d, item, &slice)) return false;
    sn_json_cursor cursor = sn_json_cursor_of(slice);
    return sn_json_next(&cursor, &text) == SN_JSON_OPEN && sn_json_next(&cursor, &text) == SN_JSON_CLOSE;
}

sn_json_cursor sn_json_cursor_of(sn_str slice)
{
    return (sn_json_cursor){.p = slice.p, .end = slice.p + slice.n};
}

sn_json_token sn_json_next(sn_json_cursor *c, sn_str *text)
{
    while (c->p < c->end && (*c->p == ',' || *c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r')) c->p++;
    if (c->p == c->end) return SN_JSON_END;
    if (*c->p == '[') return c->p++, c->depth++, SN_JSON_OPEN;
    if (*c->p == ']') return c->p++, c->depth--, SN_JSON_CLOSE;
    sn_json_token token = SN_JSON_NUMBER;
    const char *next = sn_json_number_end(c->p, c->end);
    if (!next) next = literal_end(c->p, c->end, &token);
    *text = (sn_str){c->p, (size_t)(next - c->p)};
    c->p = next;
    return token;
}

/* The first array of each level sets its length, every later one must agree; scalars stand on the deepest level only.
 */
bool sn_json_slice_shape(sn_str slice, int max_rank, int *rank, int64_t *dims)
{
    int64_t counts[SN_JSON_MAX_DEPTH + 1] = {0};
    bool closed[SN_JSON_MAX_DEPTH + 1] = {false};
    int leaves = -1; /* the depth at which scalars, or empty arrays, stand */
    sn_json_cursor c = sn_json_cursor_of(slice);
    sn_str text;
    for (sn_json_token t; (t = sn_json_next(&c, &text)) != SN_JSON_END;) {
        if (t == SN_JSON_CLOSE) {
            int level = c.depth; /* of the array that just ended */
            if (counts[level] == 0) {
                if (leaves >= 0 && leaves != level + 1) return false;
                leaves = level + 1;
            }
            if (closed[level] && dims[level] != counts[level]) return false;
            closed[level] = true;
            dims[level] = counts[level];
            continue;
        }
        int level = t == SN_JSON_OPEN ? c.depth - 1 : c.depth; /* nesting of this item */
        if (t == SN_JSON_OPEN) {
            if (c.depth > max_rank || (leaves >= 0 && c.depth > leaves)) return false;
            counts[c.depth - 1] = 0;
        } else if (leaves < 0) {
            leaves = level;
        } else if (leaves != level) {
            return false;
        }
        if (level > 0) counts[level - 1]++;
    }
    *rank = leaves;
    return true;
}
