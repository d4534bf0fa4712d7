/* test_timers.c: the heap of timers against a model that knows no heap. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/timers_internal.h"

#include <stdlib.h>

enum { TIMERS = 700, STEPS = 20000, CHILDREN = 4 };

/* What timer_set of the loop does, without a loop. */
static void set(struct timer_heap *heap, struct timer *timer, uint64_t at_ns)
{
    timer->at_ns = at_ns;
    if (timer->slot == 0 || at_ns < timer->queued_ns)
        CHECK(timer_heap_place(heap, timer, at_ns));
}

static void check_heap(const struct timer_heap *heap)
{
    for (uint32_t i = 0; i < heap->count; i++) {
        const struct timer_entry *entry = &heap->entries[i];

        CHECK_EQ(entry->timer->slot, i + 1);
        CHECK_EQ(entry->timer->queued_ns, entry->at_ns);
        CHECK(entry->at_ns <= entry->timer->at_ns);
        if (i > 0)
            CHECK(heap->entries[(i - 1) / CHILDREN].at_ns <= entry->at_ns);
    }
}

/* Takes all that is due by now_ns; each must be, in the model, and after it nothing may be. */
static void check_due(struct timer_heap *heap, struct timer *timers, uint64_t *model, uint64_t now_ns)
{
    struct timer *timer;

    while ((timer = timer_heap_take_due(heap, now_ns))) {
        CHECK_EQ(timer->at_ns, model[timer - timers]);
        CHECK(timer->at_ns <= now_ns);
        CHECK_EQ(timer->slot, 0);
        model[timer - timers] = TIMER_OFF;
        timer->at_ns = TIMER_OFF;
    }
    for (size_t i = 0; i < TIMERS; i++)
        CHECK(model[i] == TIMER_OFF || model[i] > now_ns);
}

static uint64_t earliest(const uint64_t *model)
{
    uint64_t at_ns = UINT64_MAX;

    for (size_t i = 0; i < TIMERS; i++)
        at_ns = model[i] < at_ns ? model[i] : at_ns;
    return at_ns;
}

TEST(a_heap_of_many_timers_does_what_a_plain_list_would)
{
    struct timer *timers = calloc(TIMERS, sizeof(*timers));
    uint64_t *model = calloc(TIMERS, sizeof(*model));
    struct timer_heap heap;
    struct rng *rng = test_rng();
    uint64_t now_ns = 0;

    CHECK(timers && model && timer_heap_init(&heap));
    for (size_t i = 0; i < TIMERS; i++)
        model[i] = timers[i].at_ns = TIMER_OFF;
    for (unsigned step = 0; step < STEPS; step++) {
        size_t i = rng_below(rng, TIMERS);
        uint64_t what = rng_below(rng, 100);

        if (what < 80) {
            model[i] = now_ns + 1 + rng_below(rng, 5000);
            set(&heap, &timers[i], model[i]);
        } else if (what < 85) {
            model[i] = timers[i].at_ns = TIMER_OFF; /* off lazily */
        } else if (what < 95) {
            model[i] = timers[i].at_ns = TIMER_OFF;
            timer_heap_remove(&heap, &timers[i]);
        } else {
            now_ns += rng_below(rng, 400);
            check_due(&heap, timers, model, now_ns);
            check_heap(&heap);
        }
        CHECK(timer_heap_next_ns(&heap) <= earliest(model));
    }
    check_due(&heap, timers, model, UINT64_MAX - 1);
    CHECK_EQ(heap.count, 0);
    timer_heap_clear(&heap);
    free(timers);
    free(model);
}

TEST(timers_of_the_same_time_all_come_out)
{
    struct timer timers[100] = {0};
    struct timer_heap heap;
    unsigned count = 0;

    CHECK(timer_heap_init(&heap));
    CHECK_EQ(timer_heap_next_ns(&heap), UINT64_MAX);
    for (size_t i = 0; i < COUNT_OF(timers); i++)
        set(&heap, &timers[i], 50);
    CHECK(timer_heap_take_due(&heap, 49) == NULL);
    while (timer_heap_take_due(&heap, 50))
        count++;
    CHECK_EQ(count, COUNT_OF(timers));
    timer_heap_clear(&heap);
}

TEST(a_heap_that_cannot_grow_keeps_what_it_has)
{
    static struct timer timers[1000];
    struct timer_heap heap;
    size_t placed = 0;

    memset(timers, 0, sizeof(timers));
    CHECK(timer_heap_init(&heap));
    test_fail_allocation(1);
    while (placed < COUNT_OF(timers) && timer_heap_place(&heap, &timers[placed], timers[placed].at_ns = 1000 - placed))
        placed++;
    test_fail_allocation(0);
    CHECK(placed < COUNT_OF(timers));
    CHECK_EQ(timers[placed].slot, 0);
    CHECK_EQ(heap.count, placed);
    check_heap(&heap);
    while (placed-- > 0)
        timer_heap_remove(&heap, &timers[placed]);
    timer_heap_clear(&heap);
}
