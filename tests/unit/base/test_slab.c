/* test_slab.c: objects of one size. SPDX-License-Identifier: Apache-2.0 */
#include "base/asan.h"
#include "base/slab.h"
#include "harness/test.h"

#include <stdlib.h>

/* Takes objects, fills them, and gives them back as they were filled. Frees the slab. */
static void use_objects(struct slab *slab, size_t bytes, size_t align)
{
    char *objects[20];

    test_case_is("%zu bytes", bytes);
    CHECK(slab);
    CHECK_EQ(slab_object_bytes(slab), bytes);
    for (size_t i = 0; i < COUNT_OF(objects); i++) {
        objects[i] = slab_take(slab);
        CHECK(objects[i]);
        CHECK_EQ((uintptr_t)objects[i] % align, 0);
        memset(objects[i], (int)i, bytes);
        CHECK_EQ(slab_out(slab), i + 1);
    }
    for (size_t i = 0; i < COUNT_OF(objects); i++) {
        CHECK_EQ((size_t)objects[i][0], i);
        CHECK_EQ((size_t)objects[i][bytes - 1], i);
        slab_give(slab, objects[i]);
    }
    CHECK_EQ(slab_out(slab), 0);
    slab_free(slab);
}

TEST(slab_objects_are_aligned_apart_and_counted)
{
    static const size_t sizes[] = {1, 8, 63, 64, 65, 4096, 65576};

    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        use_objects(slab_new(sizes[i], 4), sizes[i], 64);
}

TEST(slab_that_is_dense_gives_what_was_asked_for_and_counts_it)
{
    static const size_t sizes[] = {1, 8, 63, 100, 184};

    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        use_objects(slab_new_dense(sizes[i], 4), sizes[i], 16);
    CHECK(!slab_new_dense(SIZE_MAX, 1));
}

TEST(slab_takes_nothing_back_and_frees_nothing)
{
    struct slab *slab = slab_new(100, 1);

    slab_give(slab, NULL);
    CHECK_EQ(slab_out(slab), 0);
    slab_free(slab);
    slab_free(NULL);
}

TEST(slab_of_absurd_size_is_refused)
{
    CHECK(!slab_new(SIZE_MAX, 1));
    CHECK(!slab_new(SIZE_MAX - 62, 1));
}

#ifndef HOLDFAST_SLOW_CHECKS /* With slow checks a slab keeps none. */
TEST(slab_hands_out_the_warmest_first_and_keeps_no_more_than_its_limit)
{
    struct slab *slab = slab_new(100, 2);
    void *a = slab_take(slab), *b = slab_take(slab), *c;

    slab_give(slab, a);
    slab_give(slab, b);
    test_fail_allocation(0);
    CHECK(slab_take(slab) == b);
    CHECK(slab_take(slab) == a);
    CHECK_EQ(test_allocations(), 0);
    c = slab_take(slab);
    slab_give(slab, a);
    slab_give(slab, b);
    slab_give(slab, c);
    slab_age(slab);
    slab_age(slab); /* beyond the limit: the warmest goes back to the system */
    test_fail_allocation(0);
    CHECK(slab_take(slab) == b);
    CHECK(slab_take(slab) == a);
    CHECK_EQ(test_allocations(), 0);
    slab_give(slab, slab_take(slab));
    CHECK_EQ(test_allocations(), 1);
    slab_give(slab, a);
    slab_give(slab, b);
    slab_free(slab);
}

/* Two ages: what the last one needed is kept through the next. */
TEST(slab_keeps_as_many_as_were_out_and_lets_go_of_them_later)
{
    enum { OBJECTS = 100, KEPT = 4 };
    struct slab *slab = slab_new(100, KEPT);
    void *objects[OBJECTS];

    for (size_t i = 0; i < OBJECTS; i++)
        objects[i] = slab_take(slab);
    for (size_t i = 0; i < OBJECTS; i++)
        slab_give(slab, objects[i]);
    slab_age(slab);
    CHECK(slab_has_surplus(slab));
    test_fail_allocation(0);
    for (size_t i = 0; i < OBJECTS; i++)
        CHECK((objects[i] = slab_take(slab)));
    CHECK_EQ(test_allocations(), 0);
    for (size_t i = 0; i < OBJECTS; i++)
        slab_give(slab, objects[i]);
    slab_age(slab);
    slab_age(slab);
    CHECK(!slab_has_surplus(slab));
    for (size_t i = 0; i < KEPT; i++)
        CHECK((objects[i] = slab_take(slab)));
    CHECK_EQ(test_allocations(), 0);
    CHECK((objects[KEPT] = slab_take(slab)));
    CHECK_EQ(test_allocations(), 1);
    for (size_t i = 0; i <= KEPT; i++)
        slab_give(slab, objects[i]);
    slab_free(slab);
}

/* What is kept because so many are out comes back with no age: a loop that waited for it would never sleep. */
TEST(slab_has_no_surplus_while_as_many_are_out)
{
    enum { OBJECTS = 100, KEPT = 4 };
    struct slab *slab = slab_new(100, KEPT);
    void *objects[OBJECTS];

    for (size_t i = 0; i < OBJECTS; i++)
        objects[i] = slab_take(slab);
    for (size_t i = 0; i < OBJECTS / 4; i++)
        slab_give(slab, objects[i]);
    slab_age(slab);
    slab_age(slab);
    CHECK(!slab_has_surplus(slab));
    for (size_t i = OBJECTS / 4; i < OBJECTS; i++)
        slab_give(slab, objects[i]);
    CHECK(slab_has_surplus(slab));
    slab_age(slab);
    slab_age(slab);
    CHECK(!slab_has_surplus(slab));
    slab_free(slab);
}

TEST(slab_of_large_objects_keeps_none_for_a_rush)
{
    struct slab *slab = slab_new(65536, 1);
    void *a = slab_take(slab), *b = slab_take(slab);

    slab_give(slab, a);
    slab_give(slab, b);
    CHECK(!slab_has_surplus(slab));
    test_fail_allocation(0);
    a = slab_take(slab);
    CHECK_EQ(test_allocations(), 0);
    b = slab_take(slab);
    CHECK_EQ(test_allocations(), 1);
    slab_give(slab, a);
    slab_give(slab, b);
    slab_free(slab);
}
#endif

static void use_a_slab(void *arg)
{
    struct slab *slab = slab_new(100, 1);
    void *first, *second;

    (void)arg;
    if (!slab)
        return;
    first = slab_take(slab);
    second = slab_take(slab);
    CHECK_EQ(slab_out(slab), (size_t)(first != NULL) + (second != NULL));
    CHECK(first || second);
    slab_give(slab, first);
    slab_give(slab, second);
    slab_free(slab);
}

TEST(slab_survives_failing_allocations)
{
    test_every_allocation_fails(use_a_slab, NULL);
}

static void free_with_an_object_out(void *arg)
{
    struct slab *slab = slab_new(100, 1);

    (void)arg;
    CHECK(slab_take(slab));
    slab_free(slab);
}

static void give_too_much(void *arg)
{
    slab_give(arg, malloc(128));
}

TEST(slab_outlives_its_objects)
{
    struct slab *slab = slab_new(100, 1);

    CHECK(test_aborts(free_with_an_object_out, NULL));
    CHECK(test_aborts(give_too_much, slab));
    slab_free(slab);
}

#if ASAN_IS_ON
TEST(slab_objects_that_were_given_back_are_poisoned)
{
    struct slab *slab = slab_new(100, 1);
    char *object = slab_take(slab);

    CHECK(!__asan_region_is_poisoned(object, 100));
    slab_give(slab, object);
    CHECK(__asan_address_is_poisoned(object));
    CHECK(__asan_address_is_poisoned(object + 99));
    slab_free(slab);
}
#endif
