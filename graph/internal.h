/* What the files that implement edit.h share. Not for anyone else. */
#ifndef SN_GRAPH_INTERNAL_H
#define SN_GRAPH_INTERNAL_H

#include "graph/edit.h"

/* The uses of a value, to be kept in step with what reads it. SN_NONE as value is ignored. */
bool sn_add_use(sn_model *m, sn_value_id value, sn_use use);
void sn_remove_use(sn_model *m, sn_value_id value, sn_use use);

/* Gives up the payload and the uses of a value. */
void sn_free_value(sn_value *v);
void sn_kill_value(sn_model *m, sn_value_id value);
/* A node that is no longer in its graph's list, or whose graph dies: its subgraphs, outputs and payloads go with it. */
void sn_kill_node(sn_model *m, sn_node_id node);
void sn_kill_graph(sn_model *m, sn_graph_id graph);

/* Releases the tensors that an attribute holds. */
void sn_release_attr(sn_attr *attr);
/* The subgraphs that an attribute holds: their number, and a pointer to their ids. */
size_t sn_attr_graphs(const sn_attr *attr, const sn_graph_id **graphs);

/* Tells the table of names, if there is one yet, that a name is in use. */
bool sn_note_name(sn_model *m, sn_str name);

/* The node of graph `scope` in which something in `graph` happens: the owner of the subgraph of `scope` that `graph` is
 * or is nested in. SN_NONE when graph is `scope` itself; *visible is false when it is not nested in it at all. */
sn_node_id sn_owner_within(const sn_model *m, sn_graph_id scope, sn_graph_id graph, bool *visible);

#endif
