/* recent.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "base/recent.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

/* The row that came so many behind the oldest one there is. */
static unsigned char *row_at(const struct recent *recent, const struct recent_shape *shape, uint32_t number)
{
    uint32_t oldest = (recent->next + shape->rows_max - recent->count) % shape->rows_max;

    return recent->rows + (oldest + number) % shape->rows_max * shape->row_bytes;
}

void *recent_note(struct recent *recent, const struct recent_shape *shape, const void *row)
{
    unsigned char *kept;

    ASSERT(shape->rows_max > 0);
    if (!recent->rows)
        recent->rows = calloc(shape->rows_max, shape->row_bytes);
    if (!recent->rows)
        return NULL;
    kept = recent->rows + recent->next * shape->row_bytes;
    memcpy(kept, row, shape->row_bytes);
    recent->next = (recent->next + 1) % shape->rows_max;
    recent->count += recent->count < shape->rows_max;
    return kept;
}

size_t recent_read(const struct recent *recent, const struct recent_shape *shape, void *rows, size_t count)
{
    uint32_t told = count < recent->count ? (uint32_t)count : recent->count;
    unsigned char *out = rows;

    for (uint32_t i = 0; i < told; i++)
        memcpy(out + i * shape->row_bytes, row_at(recent, shape, recent->count - 1 - i), shape->row_bytes);
    return told;
}

void recent_drop(struct recent *recent, const struct recent_shape *shape,
                 bool (*is_due)(const void *row, const void *arg), const void *arg)
{
    uint32_t oldest = (recent->next + shape->rows_max - recent->count) % shape->rows_max, kept = 0;

    for (uint32_t i = 0; i < recent->count; i++) {
        const unsigned char *row = row_at(recent, shape, i);

        if (is_due(row, arg))
            continue;
        if (kept < i)
            memcpy(row_at(recent, shape, kept), row, shape->row_bytes);
        kept++;
    }
    recent->count = kept;
    recent->next = (oldest + kept) % shape->rows_max;
}

void recent_clear(struct recent *recent)
{
    free(recent->rows);
    *recent = (struct recent){0};
}
