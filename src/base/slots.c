/* slots.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "base/slots.h"

#include <stdlib.h>

enum { SPARE = 16 };

static bool grow(struct slots *slots, uint32_t index)
{
    uint32_t count = index + SPARE;
    void **items = realloc(slots->items, count * sizeof(*items));

    if (!items)
        return false;
    for (uint32_t i = slots->count; i < count; i++)
        items[i] = NULL;
    slots->items = items;
    slots->count = count;
    return true;
}

void **slots_place(struct slots *slots, uint32_t index)
{
    return index < slots->count || grow(slots, index) ? &slots->items[index] : NULL;
}

void slots_clear(struct slots *slots)
{
    free(slots->items);
    *slots = (struct slots){0};
}
