/* arena.h: memory that lives and dies together, with a cap. One exchange, one generation, one connection.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_ARENA_H
#define HOLDFAST_BASE_ARENA_H

#include "base/slab.h"
#include "base/str.h"

struct arena;

/* An arena that takes its pages from `pages` (borrowed; NULL: from malloc, for things that live long) and holds at
 * most `bytes_max` in all. The arena itself stands in its first page, so a small exchange costs one slab_take and no
 * malloc. A request larger than a page gets one of slab_larger, and one larger than that a malloc of its own, freed
 * with the rest. NULL: no memory. */
struct arena *arena_new(struct slab *pages, size_t bytes_max);

/* Frees everything in it at once. NULL is fine. */
void arena_free(struct arena *arena);

/* `size` bytes aligned to `align` (a power of two up to 64), unspecified contents. NULL past bytes_max or without
 * memory. */
void *arena_alloc(struct arena *arena, size_t size, size_t align) MUST_USE;

/* The same, zeroed, aligned for any type. */
void *arena_zero(struct arena *arena, size_t size) MUST_USE;

/* `count` zeroed objects of `type`; NULL also when count * sizeof(type) overflows. */
#define arena_array(arena, type, count) ((type *)arena_zero_array((arena), (count), sizeof(type)))
#define arena_make(arena, type)         arena_array(arena, type, 1)
void *arena_zero_array(struct arena *arena, size_t count, size_t size) MUST_USE;

/* Copies. The result's data is NULL when there is no room (and only then, also for empty s), and ends in a NUL that
 * len does not count. */
struct str arena_copy(struct arena *arena, struct str s);

/* printf into the arena; data NULL when there is no room. */
struct str arena_format(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
