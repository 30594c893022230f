#include "server/request.h"

#include "server/tensor_json.h"

void sn_respond(sn_request *r, int code, sn_text *body)
{
    r->answered = true;
    if (body->failed || !body->p) {
        sn_text_free(body);
        r->code = 503;
        r->response = NULL; /* http.c sends a static text then */
        return;
    }
    r->code = code;
    r->response = body->p;
    r->response_size = body->n;
    *body = (sn_text){0};
}

void sn_respond_error_code(sn_request *r, int code, const char *text)
{
    sn_text body = {0};
    sn_text_append(&body, "{\"error\":");
    sn_json_write_string(text, strlen(text), &body);
    sn_text_append(&body, "}");
    sn_respond(r, code, &body);
}

void sn_respond_error(sn_request *r, sinter_status status, const char *text)
{
    sn_respond_error_code(r, sinter_status_http_code(status), text);
}
