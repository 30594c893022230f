/*
 * Hash map from strings to 32-bit numbers (ids). Keys are borrowed. Insert and look up only; freed as a whole.
 */
#ifndef SN_BASE_MAP_H
#define SN_BASE_MAP_H

#include "base/str.h"

typedef struct sn_map_slot {
    sn_str key; /* .p == NULL: empty */
    uint32_t value;
} sn_map_slot;

typedef struct sn_map { /* a zeroed struct is an empty map */
    sn_map_slot *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
} sn_map;

#define SN_MAP_NONE UINT32_MAX

uint64_t sn_hash(sn_str s); /* FNV-1a, 64 bit */

/* SN_MAP_NONE when absent. */
uint32_t sn_map_get(const sn_map *m, sn_str key);
/* Inserts or overwrites; false when memory is out. */
bool sn_map_put(sn_map *m, sn_str key, uint32_t value);
void sn_map_free(sn_map *m);

#endif
