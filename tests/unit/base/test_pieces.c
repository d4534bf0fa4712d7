/* test_pieces.c: memory of any size, from free lists. SPDX-License-Identifier: Apache-2.0 */
#include "base/pieces.h"
#include "harness/test.h"

#include <stdlib.h>

TEST(pieces_hold_what_was_asked_for_and_say_what_they_take)
{
    static const size_t sizes[] = {0, 1, 47, 48, 49, 152, 176, 177, 368, 369, 5000, 100000};
    struct pieces *pieces = pieces_new();
    char *all[COUNT_OF(sizes)];

    CHECK(pieces);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        test_case_is("%zu bytes", sizes[i]);
        all[i] = pieces_take(pieces, sizes[i]);
        CHECK(all[i]);
        CHECK_EQ((uintptr_t)all[i] % 16, 0);
        CHECK(pieces_room(all[i]) >= sizes[i]);
        CHECK(pieces_room(all[i]) < sizes[i] + 64);
        CHECK_EQ(pieces_bytes(all[i]), pieces_room(all[i]) + 16);
        memset(all[i], (int)i, pieces_room(all[i]));
    }
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        test_case_is("%zu bytes", sizes[i]);
        CHECK_EQ((size_t)(unsigned char)all[i][0], i); /* none lies in another */
        CHECK_EQ((size_t)(unsigned char)all[i][pieces_room(all[i]) - 1], i);
        pieces_give(pieces, all[i]);
    }
    pieces_free(pieces);
}

TEST(pieces_of_nothing)
{
    struct pieces *pieces = pieces_new();

    pieces_give(pieces, NULL);
    CHECK_EQ(pieces_room(NULL), 0);
    CHECK_EQ(pieces_bytes(NULL), 0);
    CHECK(!pieces_take(pieces, SIZE_MAX));
    CHECK(!pieces_take(pieces, SIZE_MAX - 8));
    pieces_free(pieces);
    pieces_free(NULL);
}

/* A rush is kept for a while (a debug build keeps nothing), then it goes back. */
TEST(pieces_beyond_a_rush_are_surplus_until_they_are_old)
{
    struct pieces *pieces = pieces_new();
    void *all[100];

    CHECK(!pieces_has_surplus(pieces));
    for (size_t i = 0; i < COUNT_OF(all); i++)
        CHECK((all[i] = pieces_take(pieces, 150)));
    for (size_t i = 0; i < COUNT_OF(all); i++)
        pieces_give(pieces, all[i]);
#ifdef HOLDFAST_SLOW_CHECKS
    CHECK(!pieces_has_surplus(pieces));
#else
    CHECK(pieces_has_surplus(pieces));
#endif
    pieces_age(pieces);
    pieces_age(pieces);
    CHECK(!pieces_has_surplus(pieces));
    pieces_free(pieces);
}

static void leave_one(void *arg)
{
    struct pieces *pieces = arg;

    CHECK(pieces_take(pieces, 100));
    pieces_free(pieces);
}

TEST(pieces_are_not_left_behind)
{
    struct pieces *pieces = pieces_new();

    CHECK(test_aborts(leave_one, pieces));
    pieces_free(pieces);
}

static void use_pieces(void *arg)
{
    struct pieces *pieces = pieces_new();

    (void)arg;
    if (!pieces)
        return;
    pieces_give(pieces, pieces_take(pieces, 100));
    pieces_give(pieces, pieces_take(pieces, 1000));
    pieces_free(pieces);
}

TEST(pieces_bear_any_lack_of_memory)
{
    test_every_allocation_fails(use_pieces, NULL);
}
