/* What the passes share: reading attributes and facts with defaults, walking, and the edits that recur. */
#ifndef SN_PASSES_REWRITE_H
#define SN_PASSES_REWRITE_H

#include "passes/pass.h"

/* Attributes of nodes whose operator is known to be well-formed; the default when absent or of another type. */
int64_t sn_node_int(const sn_node *n, const char *name, int64_t otherwise);
float sn_node_float(const sn_node *n, const char *name, float otherwise);
const int64_t *sn_node_ints(const sn_node *n, const char *name, size_t *count); /* NULL when absent */
bool sn_node_attr_is(const sn_node *n, const char *name, const char *word);

/* The opset version a node lives in; -1 when the model does not import its domain. */
int64_t sn_node_version(const sn_model *m, sn_node_id node);

/* Value of input or output `slot`; SN_NONE when left out. */
sn_value_id sn_node_in(const sn_node *n, size_t slot);
sn_value_id sn_node_out(const sn_node *n, size_t slot);
bool sn_output_is_used(const sn_model *m, const sn_node *n, size_t slot);
bool sn_is_graph_output(const sn_model *m, sn_value_id value);

/* The fact of a value; "nothing known" for values that are newer than the facts. */
const sn_fact *sn_pass_fact(const sn_pass_context *x, sn_value_id value);
/* Element type and shape of a value: of its constant, else of its fact. */
sinter_dtype sn_pass_dtype(const sn_pass_context *x, sn_value_id value);
const sn_shape *sn_pass_shape(const sn_pass_context *x, sn_value_id value);

/* All elements of an integer value as plain numbers, from its constant or its fact; false when they are not all known
 * or more than SN_MAX_KNOWN. */
bool sn_pass_numbers(const sn_pass_context *x, sn_value_id value, int64_t out[SN_MAX_KNOWN], size_t *n);

/* The living nodes of the main graph and of all bodies inside it, outer graphs first, each graph in its order.
 * Functions' bodies are left out: they have no initializers to put results in. Release with sn_ids_release. */
SINTER_CHECK sinter_status sn_pass_nodes(const sn_pass_context *x, sn_ids *out);
void sn_ids_release(sn_ids *ids);

/* "Conv 'name'", in the report's arena; for messages. */
const char *sn_pass_label(sn_pass_context *x, sn_node_id node);

static inline sinter_status sn_pass_no_memory(const sn_pass_context *x)
{
    return sn_no_memory(x->err, "optimizing the model");
}

/* Adds an initializer named after `hint`; in IR < 4 it is listed as an input too, as that version demands. Takes over
 * the reference. SN_NONE when memory is out. */
sn_value_id sn_pass_add_initializer(sn_pass_context *x, sn_graph_id graph, sn_str hint, sinter_value *constant);

/* Removes a value's initializer or its Constant node once nothing reads the value. */
void sn_drop_if_unused(sn_model *m, sn_value_id value);

/* Lets every reader of output 0 of the node read `value` instead and removes the node; false when memory is out. The
 * caller has asked sn_can_replace_uses and knows that no other output is read. What it leaves unread is dropped when
 * constant. */
bool sn_bypass_node(sn_model *m, sn_node_id node, sn_value_id value);

/* Gives a new value the name of a dead one of the same graph, which it has replaced. */
void sn_take_name(sn_model *m, sn_value_id fresh, sn_value_id dead);

/* float16, bfloat16, float or double */
bool sn_dtype_is_real(sinter_dtype dtype);

/* Adds {domain, version} to the model's imports when the domain is not among them. */
bool sn_import_opset(sn_model *m, sn_str domain, int64_t version);

#endif
