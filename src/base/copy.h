/* copy.h: short texts, copied without a call. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_COPY_H
#define HOLDFAST_BASE_COPY_H

#include "base/assert.h"
#include "base/str.h"

enum { COPY_SHORT_MAX = 64 };

/* The first and the last `piece` bytes, which is a constant and at least half of all. */
static ALWAYS_INLINE void copy_ends(char *to, struct str from, size_t piece)
{
    memcpy(to, from.data, piece);
    memcpy(to + from.len - piece, from.data + from.len - piece, piece);
}

/* As memcpy, of at most COPY_SHORT_MAX bytes. Returns what is behind the copy. */
static ALWAYS_INLINE char *copy_short(char *to, struct str from)
{
    ASSERT_SLOW(from.len <= COPY_SHORT_MAX);
    if (from.len > 32)
        copy_ends(to, from, 32);
    else if (from.len >= 16)
        copy_ends(to, from, 16);
    else if (from.len >= 8)
        copy_ends(to, from, 8);
    else if (from.len >= 4)
        copy_ends(to, from, 4);
    else if (from.len >= 2)
        copy_ends(to, from, 2);
    else if (from.len == 1)
        *to = *from.data;
    return to + from.len;
}

#endif
