/* map.h: hash map from text to pointer, seeded (peers cannot choose collisions). Keys are borrowed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_MAP_H
#define HOLDFAST_BASE_MAP_H

#include "base/str.h"

struct map;
struct map *map_new(uint64_t seed);                   /* NULL: no memory */
void map_free(struct map *map);                       /* not the values; NULL is fine */
void *map_get(const struct map *map, struct str key); /* NULL: not there */
/* Replaces value and key (the old key's bytes may go); value is not NULL. False: no memory. */
bool map_put(struct map *map, struct str key, void *value) MUST_USE;

void *map_take(struct map *map, struct str key); /* removes and returns; NULL: not there */

/* Visits all in no special order: *at starts at 0. False at the end. The map may not change meanwhile. */
bool map_next(const struct map *map, size_t *at, struct str *key, void **value);

#endif
