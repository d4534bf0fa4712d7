/* test_intern.c: equal pieces stand once, different ones apart; and objects that begin with a cache line (lines.h).
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/intern.h"
#include "base/lines.h"
#include "base/text.h"
#include "harness/test.h"

TEST(equal_pieces_stand_once)
{
    struct arena *arena = test_arena();
    struct intern *intern = intern_new(arena);
    struct str one = intern_text(intern, guard_copy(STR("one"))), empty = intern_text(intern, STR_EMPTY);

    CHECK(intern_arena(intern) == arena);
    CHECK_STR(one, STR("one"));
    CHECK(empty.data != NULL);
    CHECK_EQ(empty.len, 0);
    CHECK(intern_text(intern, guard_copy(STR("one"))).data == one.data);
    CHECK(intern_text(intern, STR("")).data == empty.data);
    CHECK(intern_text(intern, STR("on")).data != one.data);
    CHECK(intern_text(intern, STR("onf")).data != one.data);
    CHECK(intern_text(intern, STR("one\0")).data != one.data);
}

TEST(pieces_stay_when_the_table_grows)
{
    enum { PIECES = 1000 };
    struct intern *intern = intern_new(test_arena());
    void *pieces[PIECES];

    for (uint32_t i = 0; i < PIECES; i++) {
        pieces[i] = intern_bytes(intern, &i, sizeof i);
        CHECK(pieces[i] != NULL);
    }
    for (uint32_t i = 0; i < PIECES; i++) {
        CHECK(intern_bytes(intern, &i, sizeof i) == pieces[i]);
        CHECK(memcmp(pieces[i], &i, sizeof i) == 0);
    }
}

TEST(pieces_of_a_line_begin_with_one)
{
    static const struct {
        size_t bytes, align;
    } rows[] = {{1, 16}, {17, 16}, {63, 16}, {64, CACHE_LINE_BYTES}, {65, CACHE_LINE_BYTES}, {1000, CACHE_LINE_BYTES}};
    static const char text[1000];
    struct intern *intern = intern_new(test_arena());

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_case_is("%zu", rows[i].bytes);
        CHECK_EQ((uintptr_t)intern_bytes(intern, text, rows[i].bytes) % rows[i].align, 0);
    }
}

TEST(interning_says_when_the_arena_is_full)
{
    struct arena *arena = arena_new(NULL, 4096);
    struct intern *intern = intern_new(arena);
    uint32_t i = 0;

    CHECK(intern != NULL);
    while (i < 4096 && intern_bytes(intern, &i, sizeof i))
        i++;
    CHECK(i > 0);
    CHECK(i < 4096);
    CHECK(!intern_text(intern, STR("no room is left for a text as long as this one is")).data);
    arena_free(arena);
}

TEST(arena_lines_begin_with_a_cache_line)
{
    struct arena *arena = arena_new(NULL, 1 << 20);
    struct wide {
        char bytes[2 * CACHE_LINE_BYTES];
    };

    CHECK(arena != NULL);
    for (size_t count = 1; count < 200; count += 33) { /* the last ones in an allocation of their own */
        struct wide *lines = arena_lines(arena, struct wide, count);

        CHECK(lines != NULL);
        CHECK_EQ((uintptr_t)lines % CACHE_LINE_BYTES, 0);
        for (size_t i = 0; i < sizeof lines->bytes; i++)
            CHECK_EQ(lines[count - 1].bytes[i], 0);
        CHECK(arena_alloc(arena, 1, 1) != NULL);
    }
    CHECK(!arena_lines(arena, struct wide, SIZE_MAX / CACHE_LINE_BYTES));
    arena_free(arena);
}
