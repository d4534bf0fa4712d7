/* slots.h: pointers by small numbers that are given out in a row, most of them never used: an array that grows with the
 * highest number it was asked to hold. Not shared between threads. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_SLOTS_H
#define HOLDFAST_BASE_SLOTS_H

#include "base/compiler.h"

/* Zeroed: empty. */
struct slots {
    void **items; /* on the heap; what they point at is the user's */
    uint32_t count;
};

static inline void *slots_at(const struct slots *slots, uint32_t index) /* NULL: nothing was put there */
{
    return index < slots->count ? slots->items[index] : NULL;
}

/* Where the item of that number is to be put, good until the next call; NULL: no memory. */
void **slots_place(struct slots *slots, uint32_t index);

void slots_clear(struct slots *slots); /* frees the array alone, which is empty then */

#endif
