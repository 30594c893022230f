/* What a model file may ask for. Whatever exceeds these is hostile or broken, not a model. */
#ifndef SN_PARSER_LIMITS_H
#define SN_PARSER_LIMITS_H

/* Messages inside messages. An If inside an If costs three levels, a sequence of a sequence two. */
#define SN_MAX_MESSAGE_DEPTH 64

/* Bytes of everything but payloads. */
#define SN_MAX_STRUCTURE_BYTES ((size_t)1 << 30)

/* Unpacked, an empty attribute of 2 bytes takes more than 300. Real models stay below 20 times their structure's bytes.
 */
#define SN_UNPACK_FACTOR 32
#define SN_UNPACK_FLOOR  ((size_t)16 << 20)

/* The same for the graph that is made of it. */
#define SN_MODEL_FACTOR 32
#define SN_MODEL_FLOOR  ((size_t)64 << 20)

/* Attributes are looked up by name, one after another. */
#define SN_MAX_NODE_ATTRIBUTES 256

/* Payloads up to this size are copied; larger ones stay in the file. */
#define SN_SMALL_PAYLOAD 4096

/* External files named by one model. */
#define SN_MAX_EXTERNAL_FILES 4096

/* Newest IR version whose meaning is known here. */
#define SN_NEWEST_IR 13

#endif
