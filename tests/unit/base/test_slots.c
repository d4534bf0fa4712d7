/* test_slots.c: pointers by small numbers. SPDX-License-Identifier: Apache-2.0 */
#include "base/slots.h"
#include "harness/test.h"

static char items[3];

static bool put(struct slots *slots, uint32_t index, void *item)
{
    void **place = slots_place(slots, index);

    if (place)
        *place = item;
    return place;
}

TEST(what_was_put_is_found_however_far_it_grows)
{
    struct slots slots = {0};

    CHECK(!slots_at(&slots, 0));
    CHECK(!slots_at(&slots, UINT32_MAX));
    CHECK(put(&slots, 5, &items[0]));
    CHECK(put(&slots, 700, &items[1]));
    CHECK(put(&slots, 0, &items[2]));
    for (uint32_t i = 0; i < 800; i++)
        CHECK(slots_at(&slots, i) == (i == 5 ? &items[0] : i == 700 ? &items[1] : i == 0 ? &items[2] : NULL));
    CHECK(put(&slots, 5, NULL));
    CHECK(!slots_at(&slots, 5));
    slots_clear(&slots);
    CHECK(!slots_at(&slots, 0));
    CHECK(put(&slots, 1, &items[0]));
    CHECK(slots_at(&slots, 1) == &items[0]);
    slots_clear(&slots);
}

static void grow_twice(void *arg)
{
    struct slots slots = {0};
    bool first = put(&slots, 3, &items[0]), second = put(&slots, 300, &items[1]);

    (void)arg;
    CHECK(slots_at(&slots, 3) == (first ? &items[0] : NULL));
    CHECK(slots_at(&slots, 300) == (second ? &items[1] : NULL));
    slots_clear(&slots);
}

TEST(without_memory_what_is_there_stays)
{
    test_every_allocation_fails(grow_twice, NULL);
}
