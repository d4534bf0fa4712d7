/* map.c: open addressing with linear probing. Removal moves the followers of a probe run back, so there are no
 * tombstones and a long-lived map does not slow down. SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include "base/assert.h"
#include "base/hash.h"

#include <stdlib.h>

enum { SLOTS_MIN = 16 };

struct slot {
    uint64_t hash;
    struct str key;
    void *value; /* NULL: free */
};

struct map {
    struct slot *slots;
    size_t slot_count; /* a power of two, or 0 before the first put */
    size_t count;
    uint64_t seed;
};

struct map *map_new(uint64_t seed)
{
    struct map *map = calloc(1, sizeof *map);

    if (map)
        map->seed = seed;
    return map;
}

void map_free(struct map *map)
{
    if (!map)
        return;
    free(map->slots);
    free(map);
}

/* The slot that holds the key, or the free one where its probe run ends. At least one slot is free. */
static struct slot *find(const struct map *map, struct str key, uint64_t hash)
{
    size_t mask = map->slot_count - 1;

    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        struct slot *slot = &map->slots[i];

        if (!slot->value || (slot->hash == hash && str_eq(slot->key, key)))
            return slot;
    }
}

void *map_get(const struct map *map, struct str key)
{
    return map->count == 0 ? NULL : find(map, key, hash_bytes(key.data, key.len, map->seed))->value;
}

static bool grow(struct map *map)
{
    struct map larger = *map;

    larger.slot_count = map->slot_count == 0 ? SLOTS_MIN : map->slot_count * 2;
    larger.slots = calloc(larger.slot_count, sizeof(struct slot));
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < map->slot_count; i++)
        if (map->slots[i].value)
            *find(&larger, map->slots[i].key, map->slots[i].hash) = map->slots[i];
    free(map->slots);
    *map = larger;
    return true;
}

bool map_put(struct map *map, struct str key, void *value)
{
    uint64_t hash = hash_bytes(key.data, key.len, map->seed);
    struct slot *slot;

    ASSERT(value);
    if (map->count >= map->slot_count / 4 * 3 && !map_get(map, key) && !grow(map))
        return false;
    slot = find(map, key, hash);
    if (!slot->value)
        map->count++;
    *slot = (struct slot){hash, key, value};
    return true;
}

/* Closes the hole at `hole`: a follower may move into it when its home is not between the hole and itself. */
static void close_hole(struct map *map, size_t hole)
{
    size_t mask = map->slot_count - 1;

    for (size_t i = (hole + 1) & mask; map->slots[i].value; i = (i + 1) & mask) {
        size_t from_home = (i - (size_t)map->slots[i].hash) & mask, from_hole = (i - hole) & mask;

        if (from_home < from_hole)
            continue;
        map->slots[hole] = map->slots[i];
        hole = i;
    }
    map->slots[hole].value = NULL;
}

void *map_take(struct map *map, struct str key)
{
    struct slot *slot;
    void *value;

    if (map->count == 0)
        return NULL;
    slot = find(map, key, hash_bytes(key.data, key.len, map->seed));
    value = slot->value;
    if (!value)
        return NULL;
    close_hole(map, (size_t)(slot - map->slots));
    map->count--;
    return value;
}

bool map_next(const struct map *map, size_t *at, struct str *key, void **value)
{
    for (; *at < map->slot_count; ++*at) {
        const struct slot *slot = &map->slots[*at];

        if (!slot->value)
            continue;
        *key = slot->key;
        *value = slot->value;
        ++*at;
        return true;
    }
    return false;
}
