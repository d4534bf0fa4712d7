/* lines.h: objects in an arena that have their cache lines for themselves, for what is read from afar: an object of one
 * line is fetched at once, and not in two halves beside strangers. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_LINES_H
#define HOLDFAST_BASE_LINES_H

#include "base/arena.h"

enum { CACHE_LINE_BYTES = 64 }; /* of x86-64 and of most others; elsewhere it is only slower */

/* `count` zeroed objects of `type`, from the begin of a cache line on. NULL: no memory, or too many. */
#define arena_lines(arena, type, count) ((type *)arena_zero_lines((arena), (count), sizeof(type)))

static inline void *arena_zero_lines(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    void *lines = mul_ok(&bytes, count, size) ? arena_alloc(arena, bytes, CACHE_LINE_BYTES) : NULL;

    return lines ? memset(lines, 0, bytes) : NULL;
}

#endif
