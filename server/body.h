/*
 * Request bodies, received under limits: of one body (413), of all bodies together (503), and of how a body may be
 * framed. libmicrohttpd refuses a response in the middle of a body, so what is wrong with one is remembered and said at
 * its end, except where the headers alone tell.
 */
#ifndef SN_SERVER_BODY_H
#define SN_SERVER_BODY_H

#include "server/request.h"

/* Looks at the headers. False: the answer is set and is to be sent at once, the body will not be read. */
bool sn_body_expect(sn_request *r);
/* The next piece. False: the client sent so much more than was allowed that only closing the connection is left. */
bool sn_body_receive(sn_request *r, const char *bytes, size_t n);
/* Frees the bytes; they stay charged to the request, whose tensors take their place. */
void sn_body_free(sn_request *r);
/* The request ends: gives back what it was charged. */
void sn_body_discharge(sn_request *r);

#endif
