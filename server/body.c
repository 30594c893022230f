#include "server/body.h"

#include "base/alloc.h"
#include "server/limits.h"
#include "server/state.h"

#include <stdlib.h>
#include <strings.h>

static void refuse_early(sn_request *r, int code, const char *text)
{
    sn_free(r->response); /* what the route had to say */
    r->response = NULL;
    sn_body_free(r);
    sn_respond_error_code(r, code, text);
    r->body_refused = true;
    r->closes = true;
}

static void refuse_size(sn_request *r)
{
    char text[128];
    snprintf(text, sizeof text, "the body is larger than the limit of %zu bytes", r->server->options.max_body);
    refuse_early(r, sinter_status_http_code(SINTER_TOO_LARGE), text);
}

/* What the headers say about where the body ends. */
typedef struct framing {
    const char *length, *coding;
    bool ambiguous;
} framing;

/* libmicrohttpd takes a blank before the colon for a part of the name, and appends a folded line to the name of the
 * field before it. */
static bool is_token(const char *name, size_t n)
{
    return n > 0 && strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == n;
}

/* Keeps the value of the field `wanted`; a second one, or one with a folded line in its name, is ambiguous. */
static bool take_field(const char *wanted, const char *name, const char *value, const char **kept)
{
    if (strncasecmp(name, wanted, strlen(wanted)) != 0) return true;
    if (*kept || name[strlen(wanted)]) return false;
    *kept = value ? value : "";
    return true;
}

static enum MHD_Result look_at(void *context, enum MHD_ValueKind kind, const char *name, size_t name_size,
                               const char *value, size_t value_size)
{
    (void)kind, (void)value_size;
    framing *f = context;
    f->ambiguous = f->ambiguous || !is_token(name, name_size) ||
                   !take_field(MHD_HTTP_HEADER_CONTENT_LENGTH, name, value, &f->length) ||
                   !take_field(MHD_HTTP_HEADER_TRANSFER_ENCODING, name, value, &f->coding);
    return MHD_YES;
}

/* A proxy in front that finds another end of the body than we do sees other requests (request smuggling). So whatever
 * can be read in two ways is refused: libmicrohttpd takes the first of several fields, prefers a coding to a length,
 * and would read until the end of the connection for any coding but chunked. */
static bool check_framing(sn_request *r, const framing *f)
{
    if (f->ambiguous) {
        refuse_early(r, 400, "a header's name is malformed, or Content-Length or Transfer-Encoding is there twice");
    } else if (f->coding && strcasecmp(f->coding, "chunked") != 0) {
        refuse_early(r, 501, "the only Transfer-Encoding that is understood is chunked");
    } else if (f->coding && f->length) {
        refuse_early(r, 400, "a request has either Content-Length or Transfer-Encoding, not both");
    } else {
        return true;
    }
    return false;
}

bool sn_body_expect(sn_request *r)
{
    framing f = {0};
    MHD_get_connection_values_n(r->http, MHD_HEADER_KIND, look_at, &f);
    if (!check_framing(r, &f)) return false;
    unsigned long long declared = f.length ? strtoull(f.length, NULL, 10) : 0;
    if (declared > r->server->options.max_body) {
        refuse_size(r);
        return false;
    }
    r->declared_size = (size_t)declared;
    return true;
}

/* Takes `more` bytes of what all bodies may hold together. */
static bool charge(sn_request *r, size_t more)
{
    atomic_size_t *held = &r->server->body_bytes;
    size_t limit = r->server->body_limit, now = atomic_load(held);
    do {
        if (more > limit || now > limit - more) return false;
    } while (!atomic_compare_exchange_weak(held, &now, now + more));
    r->charged += more;
    return true;
}

/* Doubles, but does not trust a large Content-Length before its bytes arrive. */
static bool grow(sn_request *r, size_t needed)
{
    size_t capacity = r->body_capacity ? r->body_capacity * 2 : SN_FIRST_BODY_BUFFER;
    if (!r->body_capacity && r->declared_size && r->declared_size <= SN_TRUSTED_BODY) capacity = r->declared_size;
    if (capacity > r->server->options.max_body) capacity = r->server->options.max_body;
    if (capacity < needed) capacity = needed;
    if (!charge(r, capacity - r->body_capacity)) return false;
    char *body = sn_realloc(r->body, capacity);
    if (!body) return false;
    r->body = body;
    r->body_capacity = capacity;
    return true;
}

bool sn_body_receive(sn_request *r, const char *bytes, size_t n)
{
    size_t max = r->server->options.max_body, total = r->body_size + n;
    if (total > max && !r->closes) refuse_size(r);
    if (total > max && total - max > SN_DRAIN_BODY) return false;
    if (!r->body_refused && total > r->body_capacity && !grow(r, total)) {
        sn_body_free(r);
        sn_respond_error(r, SINTER_BUSY, "too many large requests at once: try again later");
        r->body_refused = true;
    }
    if (!r->body_refused) memcpy(r->body + r->body_size, bytes, n);
    r->body_size = total;
    return true;
}

void sn_body_free(sn_request *r)
{
    sn_free(r->body);
    r->body = NULL;
    r->body_capacity = 0;
}

void sn_body_discharge(sn_request *r)
{
    atomic_fetch_sub(&r->server->body_bytes, r->charged);
    r->charged = 0;
}
