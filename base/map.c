/*
 * Open addressing with linear probing. Keys come from files, so the place of a key also depends on the table's address:
 * nobody can prepare names that all fall into one place.
 */
#include "base/map.h"

#include "base/alloc.h"

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t hash_from(uint64_t state, sn_str s)
{
    for (size_t i = 0; i < s.n; ++i) state = (state ^ (unsigned char)s.p[i]) * FNV_PRIME;
    return state;
}

uint64_t sn_hash(sn_str s)
{
    return hash_from(FNV_BASIS, s);
}

/* Spreads every bit over the low ones, which choose the slot. */
static uint64_t mix(uint64_t h)
{
    h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    return h ^ (h >> 33);
}

/* The slot that holds `key`, or the empty one where it belongs. */
static sn_map_slot *find(sn_map_slot *slots, size_t capacity, sn_str key)
{
    uint64_t h = mix(hash_from(FNV_BASIS ^ mix((uintptr_t)slots), key));
    size_t mask = capacity - 1, i = (size_t)h & mask;
    while (slots[i].key.p && !sn_str_eq(slots[i].key, key)) i = (i + 1) & mask;
    return &slots[i];
}

uint32_t sn_map_get(const sn_map *m, sn_str key)
{
    if (m->count == 0) return SN_MAP_NONE;
    const sn_map_slot *slot = find(m->slots, m->capacity, key);
    return slot->key.p ? slot->value : SN_MAP_NONE;
}

static bool grow(sn_map *m)
{
    if (m->capacity > SIZE_MAX / 2) return false;
    size_t capacity = m->capacity ? m->capacity * 2 : 16;
    sn_map_slot *slots = sn_calloc(capacity, sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; i < m->capacity; ++i)
        if (m->slots[i].key.p) *find(slots, capacity, m->slots[i].key) = m->slots[i];
    sn_free(m->slots);
    m->slots = slots;
    m->capacity = capacity;
    return true;
}

bool sn_map_put(sn_map *m, sn_str key, uint32_t value)
{
    if (!key.p) key = SN_STR("");
    if (m->count >= m->capacity / 2 + m->capacity / 8 && !grow(m)) return false;
    sn_map_slot *slot = find(m->slots, m->capacity, key);
    if (!slot->key.p) {
        slot->key = key;
        ++m->count;
    }
    slot->value = value;
    return true;
}

void sn_map_free(sn_map *m)
{
    sn_free(m->slots);
    *m = (sn_map){0};
}
