/*
 * Copying the nodes of one graph into another: how calls of functions and constant Ifs are replaced by bodies.
 *
 * The cloner maps every value of the model to what stands for it in the copy: at first itself, so that outer values
 * which a body captures need no care; copied values and parameters are overwritten on the way, always before they are
 * read, since nodes are in topological order.
 */
#ifndef SN_PASSES_CLONE_H
#define SN_PASSES_CLONE_H

#include "passes/rewrite.h"

/* A call that is being expanded: attributes of the body may refer to the call's. */
typedef struct sn_call_frame {
    const sn_function *function;
    sn_node_id call;
    const struct sn_call_frame *caller; /* NULL: called from the main graph */
} sn_call_frame;

typedef struct sn_cloner sn_cloner;
struct sn_cloner {
    sn_pass_context *x;
    sn_value_id *values;  /* by value id: its copy; SN_NONE: a parameter that the caller leaves out */
    sn_value_id *targets; /* by value id: an existing value that its copy must be; SN_NONE: make a new one */
    size_t n_values;
    sn_str prefix;              /* of new names; "" for none */
    const sn_call_frame *frame; /* the innermost call; NULL: none */
    /* Offers a node before it is copied: *done says that it was dealt with. May be NULL. */
    sinter_status (*expand)(sn_cloner *c, sn_node_id node, sn_graph_id into, bool *done);
    void *user;
};

/* Makes the maps cover all values that the model has now. */
SINTER_CHECK sinter_status sn_cloner_prepare(sn_cloner *c);
void sn_cloner_free(sn_cloner *c);

sn_value_id sn_cloned(const sn_cloner *c, sn_value_id value);
/* A new value for the copy of `value` in graph `into`, or its target. SN_NONE when memory is out. */
sn_value_id sn_clone_value(sn_cloner *c, sn_value_id value, sn_graph_id into);

/* Appends copies of all nodes (and initializers) of `from` to `into`. */
SINTER_CHECK sinter_status sn_clone_nodes(sn_cloner *c, sn_graph_id from, sn_graph_id into);
/* After that: makes each of `values` the copy of an output of `from`. They must have been set as targets before; what
 * no node produced is given by an Identity. */
SINTER_CHECK sinter_status sn_clone_finish(sn_cloner *c, sn_graph_id from, const sn_value_id *values, size_t n,
                                           sn_graph_id into);
/* Before it: sets the targets of the outputs of `from`. */
void sn_clone_aim(sn_cloner *c, sn_graph_id from, const sn_value_id *values, size_t n);

#endif
