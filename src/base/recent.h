/* recent.h: the last so many rows of one size, the latest first; a new one takes the place of the oldest. Memory is
 * taken with the first row, for all of them. For people's questions, not for the path of a request. Not shared between
 * threads. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_RECENT_H
#define HOLDFAST_BASE_RECENT_H

#include "base/compiler.h"

/* What all calls for the same rows agree on. */
struct recent_shape {
    size_t row_bytes;
    uint32_t rows_max; /* above 0 */
};

/* Zeroed: empty. */
struct recent {
    unsigned char *rows; /* a circle of rows_max, on the heap; NULL: there was no row yet */
    uint32_t count, next;
};

/* Keeps a copy of the row, which becomes the latest, and gives it, good until the next note: what points at something
 * that goes is to be cleared there. NULL: no memory, it is forgotten. */
void *recent_note(struct recent *recent, const struct recent_shape *shape, const void *row);

/* Copies up to `count` rows, the latest first, and tells how many these are. */
size_t recent_read(const struct recent *recent, const struct recent_shape *shape, void *rows, size_t count);

/* Drops the rows that the question is true of; the others keep their order. */
void recent_drop(struct recent *recent, const struct recent_shape *shape,
                 bool (*is_due)(const void *row, const void *arg), const void *arg);

void recent_clear(struct recent *recent); /* frees all; it is empty, and good for new rows */

#endif
