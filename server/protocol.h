/* The two prediction protocols; everything that knows their JSON is behind this. */
#ifndef SN_SERVER_PROTOCOL_H
#define SN_SERVER_PROTOCOL_H

#include "server/json_document.h"
#include "server/request.h"

extern const sn_protocol sn_protocol_v2; /* Open Inference Protocol, REST: infer */
extern const sn_protocol sn_protocol_v1; /* TensorFlow Serving REST: predict */

/* Bodies of the v2 metadata routes. */
void sn_v2_server_metadata(sn_text *out);
void sn_v2_model_metadata(const sn_repository *r, const sn_served *served, sn_text *out);

/* Shared by the protocols: index of the input or output of that name, or -1. */
int sn_input_index(const sinter_session *session, const char *name);
int sn_output_index(const sinter_session *session, const char *name);
/* Puts a decoded tensor where it belongs after checking it against the model; takes over the reference. */
SINTER_CHECK sinter_status sn_take_input(sn_request *r, size_t index, sinter_value *value, sinter_error *err);
/* Fails with the names of the inputs that the model needs and the request lacks. */
SINTER_CHECK sinter_status sn_check_inputs_given(const sn_request *r, sinter_error *err);
/* The elements of the member `key` of the body, an array of objects. */
SINTER_CHECK sinter_status sn_object_array(const sn_json_document *d, const char *key, const cJSON **first,
                                           sinter_error *err);
/* Parses the body as a JSON object. */
SINTER_CHECK sinter_status sn_parse_object(const sn_request *r, sn_json_document *d, sinter_error *err);

#endif
