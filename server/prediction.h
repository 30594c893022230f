/* A prediction: from a complete body to tensors, through the model's queue, to an answer. */
#ifndef SN_SERVER_PREDICTION_H
#define SN_SERVER_PREDICTION_H

#include "server/request.h"

/* Decodes on this HTTP thread, then queues. True when the connection was suspended: it is resumed once the answer is
 * there. False: the answer is set. */
bool sn_prediction_start(sn_request *r);
/* Releases the tensors of a request. */
void sn_prediction_free(sn_request *r);

#endif
