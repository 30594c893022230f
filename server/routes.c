#include "server/routes.h"

#include "server/limits.h"
#include "server/protocol.h"
#include "server/state.h"
#include "server/tensor_json.h"

/* ------------------------------------------------------------------------------------------------ handlers */

static void answer_text(sn_request *r, int code, const char *json)
{
    sn_text body = {0};
    sn_text_append(&body, "%s", json);
    sn_respond(r, code, &body);
}

static void server_metadata(sn_request *r)
{
    sn_text body = {0};
    sn_v2_server_metadata(&body);
    sn_respond(r, 200, &body);
}

static void server_live(sn_request *r)
{
    bool live = !atomic_load(&r->server->panicked);
    answer_text(r, live ? 200 : 503, live ? "{\"live\":true}" : "{\"live\":false}");
}

static bool is_accepting(const sn_server *s)
{
    return !atomic_load(&s->draining) && !atomic_load(&s->panicked);
}

static void server_ready(sn_request *r)
{
    bool ready = is_accepting(r->server) && sn_repository_ready(&r->server->repository);
    answer_text(r, ready ? 200 : 503, ready ? "{\"ready\":true}" : "{\"ready\":false}");
}

void sn_answer_missing_model(sn_request *r)
{
    const sn_served *served = sn_repository_find(&r->server->repository, r->model, r->version);
    char text[SINTER_ERROR_TEXT_SIZE];
    if (served) {
        snprintf(text, sizeof text, "model '%.200s' version %.100s failed to load: %.600s", served->name,
                 served->version, served->failure ? served->failure : "");
        sn_respond_error(r, SINTER_BUSY, text);
        return;
    }
    if (r->version) {
        snprintf(text, sizeof text, "there is no version '%.100s' of model '%.200s'", r->version, r->model);
    } else {
        snprintf(text, sizeof text, "there is no model '%.200s'", r->model);
    }
    sn_respond_error(r, SINTER_NOT_FOUND, text);
}

/* The model of the path, or an answer that says what is wrong. */
static sn_served *served_model(sn_request *r)
{
    sn_served *served = sn_repository_find(&r->server->repository, r->model, r->version);
    if (served && served->session) return served;
    sn_answer_missing_model(r);
    return NULL;
}

static void model_metadata(sn_request *r)
{
    const sn_served *served = served_model(r);
    if (!served) return;
    sn_text body = {0};
    sn_v2_model_metadata(&r->server->repository, served, &body);
    sn_respond(r, 200, &body);
}

static void model_ready(sn_request *r)
{
    const sn_served *served = sn_repository_find(&r->server->repository, r->model, r->version);
    if (!served) {
        sn_answer_missing_model(r);
        return;
    }
    bool ready = served->session && is_accepting(r->server);
    sn_text body = {0};
    sn_text_append(&body, "{\"name\":");
    sn_json_write_string(served->name, strlen(served->name), &body);
    sn_text_append(&body, ",\"ready\":%s}", ready ? "true" : "false");
    sn_respond(r, ready ? 200 : 503, &body);
}

static void v1_model_status(sn_request *r)
{
    const sn_served *served = served_model(r);
    if (!served) return;
    sn_text body = {0};
    sn_text_append(&body, "{\"model_version_status\":[{\"version\":");
    sn_json_write_string(served->version, strlen(served->version), &body);
    sn_text_append(&body, ",\"state\":\"AVAILABLE\",\"status\":{\"error_code\":\"OK\",\"error_message\":\"\"}}]}");
    sn_respond(r, 200, &body);
}

/* ------------------------------------------------------------------------------------------------ the table */

static const sn_route routes[] = {
    {"GET", "v2", server_metadata, NULL},
    {"GET", "v2/health/live", server_live, NULL},
    {"GET", "v2/health/ready", server_ready, NULL},
    {"GET", "v2/models/{model}", model_metadata, NULL},
    {"GET", "v2/models/{model}/versions/{version}", model_metadata, NULL},
    {"GET", "v2/models/{model}/ready", model_ready, NULL},
    {"GET", "v2/models/{model}/versions/{version}/ready", model_ready, NULL},
    {"POST", "v2/models/{model}/infer", NULL, &sn_protocol_v2},
    {"POST", "v2/models/{model}/versions/{version}/infer", NULL, &sn_protocol_v2},
    {"GET", "v1/models/{model}", v1_model_status, NULL},
    {"GET", "v1/models/{model}/versions/{version}", v1_model_status, NULL},
    {"POST", "v1/models/{model}:predict", NULL, &sn_protocol_v1},
    {"POST", "v1/models/{model}/versions/{version}:predict", NULL, &sn_protocol_v1},
};

/* ------------------------------------------------------------------------------------------------ matching */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Undoes %XX in a copy; NULL when an escape is broken or stands for NUL (or memory is out). */
static const char *unescape(sn_arena *arena, const char *p, size_t n)
{
    char *out = sn_arena_alloc(arena, n + 1);
    size_t length = 0;
    for (size_t i = 0; out && i < n; i++) {
        int high, low;
        if (p[i] != '%') {
            out[length++] = p[i];
        } else if (n - i > 2 && (high = hex_digit(p[i + 1])) >= 0 && (low = hex_digit(p[i + 2])) >= 0 &&
                   (high || low)) {
            out[length++] = (char)(high * 16 + low);
            i += 2;
        } else {
            return NULL;
        }
    }
    return out;
}

typedef struct capture {
    const char *p;
    size_t n;
} capture;

#define VERB ":predict" /* of v1, after the model's name */

static bool ends_with_verb(const capture *c)
{
    size_t n = strlen(VERB);
    return c->n >= n && memcmp(c->p + c->n - n, VERB, n) == 0;
}

/* Matches one path against a pattern; a placeholder takes all of its segment but the literal suffix that follows
 * ("{model}:predict"). Slashes at the end do not matter. */
static bool match(const char *pattern, const char *path, capture *model, capture *version)
{
    while (*pattern && *path) {
        if (*pattern != '{') {
            if (*pattern++ != *path++) return false;
            continue;
        }
        capture *c = pattern[1] == 'm' ? model : version;
        pattern = strchr(pattern, '}') + 1;
        size_t segment = strcspn(path, "/"), suffix = strcspn(pattern, "/");
        if (segment <= suffix) return false;
        *c = (capture){path, segment - suffix};
        path += segment - suffix;
        if (*pattern == 0 && ends_with_verb(c)) return false;
    }
    while (*path == '/') path++;
    return !*pattern && !*path;
}

static bool allows(const sn_route *route, const char *method)
{
    return strcmp(method, route->method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

static bool take_route(sn_request *r, const sn_route *route, capture model, capture version)
{
    if (model.p) r->model = unescape(&r->arena, model.p, model.n);
    if (version.p) r->version = unescape(&r->arena, version.p, version.n);
    if ((model.p && !r->model) || (version.p && !r->version)) {
        sn_respond_error(r, SINTER_INVALID_INPUT, "the path holds a broken %-escape");
        return false;
    }
    r->route = route;
    return true;
}

bool sn_route_find(sn_request *r, const char *path)
{
    while (*path == '/') path++;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        capture model = {0}, version = {0};
        if (!match(routes[i].pattern, path, &model, &version)) continue;
        if (allows(&routes[i], r->method)) return take_route(r, &routes[i], model, version);
        r->allow = strcmp(routes[i].method, "GET") == 0 ? "GET, HEAD" : routes[i].method; /* one route per path */
    }
    char text[256];
    if (r->allow) {
        snprintf(text, sizeof text, "method %.20s is not allowed here, expected %s", r->method, r->allow);
        sn_respond_error_code(r, 405, text);
    } else {
        snprintf(text, sizeof text, "there is nothing at '/%.200s'", path);
        sn_respond_error(r, SINTER_NOT_FOUND, text);
    }
    return false;
}
