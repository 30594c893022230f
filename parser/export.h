/*
 * From a graph to the wire format, one function per message. The output is canonical: fields in the order of their
 * numbers, nothing that is empty, tensors as raw_data. The same model gives the same bytes, whatever file it came from.
 */
#ifndef SN_PARSER_EXPORT_H
#define SN_PARSER_EXPORT_H

#include "graph/graph.h"
#include "parser/writer.h"

typedef struct sn_export {
    sn_writer w;
    const sn_model *m; /* NULL while a lone tensor is written */
    /* Large tensors go to this file beside the model; NULL: they stay in it. */
    const char *data_name;
    uint64_t data_size; /* bytes of it so far */
    sn_sink *data_sink;
    void *data_context;
} sn_export;

/* The body of a TensorProto. */
void sn_export_tensor(sn_export *x, const sinter_value *tensor, sn_str name, const sn_tensor_info *info);
void sn_export_sparse(sn_export *x, const sn_sparse *sparse);
void sn_export_type(sn_export *x, const sn_type *type);
void sn_export_attr(sn_export *x, const sn_attr *attr);
void sn_export_graph(sn_export *x, sn_graph_id graph);
void sn_export_function(sn_export *x, const sn_function *function);
void sn_export_pairs(sn_export *x, uint32_t field, const sn_pairs *pairs);
void sn_export_opsets(sn_export *x, uint32_t field, const sn_opset *opsets, size_t n);

/* What `put` writes, into malloc'ed memory. TOO_LARGE above 2 GB. */
SINTER_CHECK sinter_status sn_export_to_memory(sn_export *x, void (*put)(sn_export *x), void **bytes, size_t *size,
                                               sinter_error *err);

/* Above `inline_limit` bytes tensors go to `path`.data. sinter_model_save with the limit as an argument, for tests. */
SINTER_CHECK sinter_status sn_export_file(const sn_model *m, const char *path, uint64_t inline_limit,
                                          sinter_error *err);

#endif
