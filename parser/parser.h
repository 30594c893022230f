/*
 * Between ONNX protobuf and the graph. The public loading, saving and tensor codec functions of sinter.h live here too.
 *
 * Reading: one bounded walk over the wire format (wire.c) checks lengths, nesting and strings and makes a slim copy, in
 * which payloads above 4 KiB are replaced by an index into the file's block; protobuf-c unpacks the slim copy through a
 * bump allocator with a byte budget; import.c turns the result into a graph whose payloads are slices of the file.
 */
#ifndef SN_PARSER_PARSER_H
#define SN_PARSER_PARSER_H

#include "graph/graph.h"

/* `file` holds the whole model and stays alive through the slices that the graph keeps. `folder` as in
 * sinter_model_load_memory; external files are opened with the same `map`. */
SINTER_CHECK sinter_status sn_parse_model(sn_block *file, const char *folder, bool map, sn_model **out,
                                          sinter_error *err);

#endif
