/*
 * edit.h - building and changing a model. Everything else reads it only. These functions keep uses, producers and lists
 * consistent; each returns SN_NONE or false when memory is out, leaving the model valid.
 *
 * Pointers into model->values, nodes and graphs are invalidated by whatever adds to the table: hold ids.
 */
#ifndef SN_GRAPH_EDIT_H
#define SN_GRAPH_EDIT_H

#include "graph/graph.h"

/* A model with an empty main graph; NULL when memory is out. */
sn_model *sn_model_create(void);
void sn_model_destroy(sn_model *m);

bool sn_ids_push(sn_ids *ids, uint32_t id);
bool sn_ids_insert(sn_ids *ids, size_t at, uint32_t id);
/* Removes the first occurrence, keeps the order. */
void sn_ids_remove(sn_ids *ids, uint32_t id);
/* Index of the first occurrence, or SIZE_MAX. */
size_t sn_ids_find(const sn_ids *ids, uint32_t id);

/* A new graph that belongs to `owner` (SN_NONE: a function body). */
sn_graph_id sn_add_graph(sn_model *m, sn_node_id owner);

/* Strings are copied into the model's arena; the type is copied shallowly (its pointers must live in the arena). */
sn_value_id sn_add_value(sn_model *m, sn_graph_id graph, sn_str name, const sn_type *type);
bool sn_add_input(sn_model *m, sn_graph_id graph, sn_value_id value);
bool sn_add_output(sn_model *m, sn_graph_id graph, sn_value_id value);
/* Makes the value an initializer; takes over the caller's reference to `constant` (also on failure). */
bool sn_set_initializer(sn_model *m, sn_value_id value, sinter_value *constant);
/* A fresh initializer with a unique name that starts with `hint`. Takes over the reference, also on failure. */
sn_value_id sn_add_initializer(sn_model *m, sn_graph_id graph, sn_str hint, sinter_value *constant);
/* Replaces the tensor of an initializer that only the caller's node reads. Takes over the reference. */
void sn_replace_initializer(sn_model *m, sn_value_id value, sinter_value *constant);

/* Appends a node (position = SIZE_MAX) or inserts it before index `position` of the graph's list. `in` and `out` hold
 * ids or SN_NONE. Fails (SN_NONE) also when an output already has a producer. Attributes are added afterwards. */
sn_node_id sn_add_node(sn_model *m, sn_graph_id graph, size_t position, sn_str op_type, sn_str domain, sn_str name,
                       const sn_value_id *in, size_t n_in, const sn_value_id *out, size_t n_out);
/* Index of the node in its graph's list. */
size_t sn_node_position(const sn_model *m, sn_node_id node);

/* Adds an attribute, or replaces the one of that name. The struct is copied; arrays and strings in it must live in the
 * model's arena; tensor references are taken over. */
bool sn_set_attr(sn_model *m, sn_node_id node, const sn_attr *attr);
bool sn_set_attr_int(sn_model *m, sn_node_id node, const char *name, int64_t value);
bool sn_set_attr_float(sn_model *m, sn_node_id node, const char *name, float value);
bool sn_set_attr_ints(sn_model *m, sn_node_id node, const char *name, const int64_t *values, size_t count);
bool sn_set_attr_string(sn_model *m, sn_node_id node, const char *name, sn_str value);
void sn_remove_attr(sn_model *m, sn_node_id node, const char *name);

/* Changes what input `slot` reads; a slot at or beyond n_in grows the list with SN_NONE in between. */
bool sn_set_input(sn_model *m, sn_node_id node, size_t slot, sn_value_id value);
/* Cuts trailing inputs or outputs so that at most `count` remain; cut outputs must have no uses. */
void sn_truncate_inputs(sn_model *m, sn_node_id node, size_t count);
void sn_truncate_outputs(sn_model *m, sn_node_id node, size_t count);
void sn_rename_op(sn_model *m, sn_node_id node, sn_str op_type, sn_str domain);

/* Every reader of `from`, graph outputs included, reads `to` instead. A graph output keeps its *name*: if `from` is an
 * output of its graph, `to` takes over the name when it is produced in the same graph and is itself neither input,
 * output nor initializer; otherwise this returns false and changes nothing: the caller keeps the node. */
bool sn_replace_uses(sn_model *m, sn_value_id from, sn_value_id to);
/* Room for `more` readers: what adds as many afterwards cannot fail for lack of memory. For edits that must be whole.
 */
bool sn_reserve_uses(sn_model *m, sn_value_id value, size_t more);
/* Could sn_replace_uses do it? */
bool sn_can_replace_uses(const sn_model *m, sn_value_id from, sn_value_id to);

/* Makes an existing value the output `slot` of `node` (it must have no producer now, or lose it by this call: the old
 * producer's slot becomes SN_NONE). */
bool sn_move_output(sn_model *m, sn_value_id value, sn_node_id node, size_t slot);

/* Removes a node whose outputs nobody reads: its uses go away, its output values die, its subgraphs die. */
void sn_remove_node(sn_model *m, sn_node_id node);
/* Removes an unread initializer (from the inputs too when listed there). */
void sn_remove_initializer(sn_model *m, sn_value_id value);
void sn_remove_input(sn_model *m, sn_graph_id graph, sn_value_id value);
/* Takes all initializers off the main graph's inputs; returns how many there were. */
size_t sn_unlist_initializers(sn_model *m);
/* Taking nodes and initializers out of their graph's list one by one is quadratic. After sn_defer_removal they only
 * die; sn_sweep takes all the dead out of all lists and ends it. In between, readers of lists skip what is dead. */
void sn_defer_removal(sn_model *m);
void sn_sweep(sn_model *m);
/* Removes a local function that nothing calls, with its body. */
void sn_remove_function(sn_model *m, size_t index);

/* "hint", or "hint_1", ... : not used by any value or node of the model. In the arena; .p NULL when memory is out. */
sn_str sn_unique_name(sn_model *m, sn_str hint);

/* The id of a symbolic dimension's name, added if new; UINT32_MAX when memory is out. */
uint32_t sn_symbol(sn_model *m, sn_str name);

/* Sorts every graph's nodes topologically (stable: nodes already in order do not move). INVALID_MODEL on a cycle, with
 * the name of a node on it. */
SINTER_CHECK sinter_status sn_sort_nodes(sn_model *m, sinter_error *err);

#endif
