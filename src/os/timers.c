/* timers.c: a 4-ary heap of timers, lazily kept in order: a timer that is set later stays where it is until its old
 * time comes up. Deadlines are moved far more often than they pass.
 *
 * It knows no clock and wakes nobody: loop.c does. Start with timer_heap_take_due. SPDX-License-Identifier: Apache-2.0
 */
#include "os/timers_internal.h"

#include <stdlib.h>

enum { ROOM_FIRST = 256, CHILDREN = 4 };

static void put(struct timer_heap *heap, uint32_t at, struct timer_entry entry)
{
    heap->entries[at] = entry;
    entry.timer->slot = at + 1;
}

/* Moves the hole at `at` towards the root until `entry` fits, and puts it there. */
static void sift_up(struct timer_heap *heap, uint32_t at, struct timer_entry entry)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / CHILDREN;

        if (heap->entries[parent].at_ns <= entry.at_ns)
            break;
        put(heap, at, heap->entries[parent]);
        at = parent;
    }
    put(heap, at, entry);
}

static uint32_t earliest_of(const struct timer_heap *heap, uint32_t first, uint32_t end)
{
    uint32_t earliest = first;

    for (uint32_t i = first + 1; i < end; i++)
        if (heap->entries[i].at_ns < heap->entries[earliest].at_ns)
            earliest = i;
    return earliest;
}

/* Moves the hole at `at` away from the root until `entry` fits, and puts it there. */
static void sift_down(struct timer_heap *heap, uint32_t at, struct timer_entry entry)
{
    while (at < (heap->count + CHILDREN - 2) / CHILDREN) { /* it has a child */
        uint32_t first = at * CHILDREN + 1;
        uint32_t end = first + CHILDREN < heap->count ? first + CHILDREN : heap->count;
        uint32_t child = earliest_of(heap, first, end);

        if (heap->entries[child].at_ns >= entry.at_ns)
            break;
        put(heap, at, heap->entries[child]);
        at = child;
    }
    put(heap, at, entry);
}

static void sift(struct timer_heap *heap, uint32_t at, struct timer_entry entry)
{
    if (at > 0 && heap->entries[(at - 1) / CHILDREN].at_ns > entry.at_ns)
        sift_up(heap, at, entry);
    else
        sift_down(heap, at, entry);
}

static bool make_room(struct timer_heap *heap)
{
    struct timer_entry *entries;

    if (heap->count < heap->room)
        return true;
    ASSERT(heap->room <= UINT32_MAX / 2 / CHILDREN);
    entries = realloc(heap->entries, (size_t)heap->room * 2 * sizeof(*entries));
    if (!entries)
        return false;
    heap->entries = entries;
    heap->room *= 2;
    return true;
}

bool timer_heap_init(struct timer_heap *heap)
{
    heap->entries = malloc(ROOM_FIRST * sizeof(*heap->entries));
    heap->count = 0;
    heap->room = heap->entries ? ROOM_FIRST : 0;
    return heap->entries != NULL;
}

void timer_heap_clear(struct timer_heap *heap)
{
    ASSERT(heap->count == 0);
    free(heap->entries);
    heap->entries = NULL;
    heap->room = 0;
}

bool timer_heap_place(struct timer_heap *heap, struct timer *timer, uint64_t at_ns)
{
    struct timer_entry entry = {at_ns, timer};

    if (timer->slot == 0) {
        if (!make_room(heap))
            return false;
        timer->queued_ns = at_ns;
        sift_up(heap, heap->count++, entry);
        return true;
    }
    ASSERT(timer->slot <= heap->count);
    ASSERT(heap->entries[timer->slot - 1].timer == timer);
    timer->queued_ns = at_ns;
    sift(heap, timer->slot - 1, entry);
    return true;
}

void timer_heap_remove(struct timer_heap *heap, struct timer *timer)
{
    uint32_t at = timer->slot - 1;

    if (timer->slot == 0)
        return;
    ASSERT(timer->slot <= heap->count);
    ASSERT(heap->entries[at].timer == timer);
    timer->slot = 0;
    heap->count--;
    if (at != heap->count)
        sift(heap, at, heap->entries[heap->count]);
}

struct timer *timer_heap_take_due(struct timer_heap *heap, uint64_t now_ns)
{
    while (heap->count > 0 && heap->entries[0].at_ns <= now_ns) {
        struct timer *timer = heap->entries[0].timer;

        if (timer->at_ns > now_ns && timer->at_ns != TIMER_OFF) {
            timer->queued_ns = timer->at_ns;
            sift_down(heap, 0, (struct timer_entry){timer->at_ns, timer});
            continue;
        }
        timer_heap_remove(heap, timer);
        if (timer->at_ns != TIMER_OFF)
            return timer;
    }
    return NULL;
}

uint64_t timer_heap_next_ns(const struct timer_heap *heap)
{
    return heap->count > 0 ? heap->entries[0].at_ns : UINT64_MAX;
}
