/* Invariants of a model, checked after loading, after every pass in debug builds, and in tests. */
#ifndef SN_GRAPH_VERIFY_H
#define SN_GRAPH_VERIFY_H

#include "graph/graph.h"

/* INVALID_MODEL with the offending node or value: ids in range and alive, uses and producers agree, names unique within
 * a graph, every read value visible (own graph or an enclosing one) and defined before it is read, no cycles,
 * initializers' types agree with their declarations. */
SINTER_CHECK sinter_status sn_verify(const sn_model *m, sinter_error *err);

#endif
