/* timers_internal.h: the heap of alarms behind timer_set; only loop.c and its tests include this.
 *
 * A 4-ary heap in one array: the four children of an entry share a cache line, and comparing needs no look at the
 * timers themselves. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_TIMERS_INTERNAL_H
#define HOLDFAST_OS_TIMERS_INTERNAL_H

#include "os/loop.h"

struct timer_entry {
    uint64_t at_ns; /* the timer's queued_ns */
    struct timer *timer;
};

struct timer_heap {
    struct timer_entry *entries; /* entries[0] is the earliest */
    uint32_t count, room;
};

bool timer_heap_init(struct timer_heap *heap) MUST_USE; /* false: no memory */
void timer_heap_clear(struct timer_heap *heap);         /* asserts that it is empty */

/* Puts the timer where at_ns belongs, whether it is in the heap or not. False: no memory, and it is not in the heap
 * (never for a timer that was in it). */
bool timer_heap_place(struct timer_heap *heap, struct timer *timer, uint64_t at_ns) MUST_USE;
void timer_heap_remove(struct timer_heap *heap, struct timer *timer); /* a timer that is not in it is fine */

/* The next timer whose time has come by now_ns, taken out of the heap; NULL when there is none. Timers that were set to
 * a later time than they stood at are put right on the way. */
struct timer *timer_heap_take_due(struct timer_heap *heap, uint64_t now_ns);

/* When the first place comes up: no timer is due before. UINT64_MAX when the heap is empty. */
uint64_t timer_heap_next_ns(const struct timer_heap *heap);

#endif
