/* test_arena.c: memory with a cap that is freed at once. SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "base/asan.h"
#include "harness/test.h"

enum { PAGE = 4096 };

/* A piece of every size and alignment, all alive, each filled with its own byte. The cap is what they take with the
 * most padding there can be; what is not padding was counted. */
static void fill_and_check(struct slab *slab)
{
    static const size_t sizes[] = {0, 1, 7, 8, 33, 500, 2000, PAGE - 64, PAGE - 63, PAGE, 3 * PAGE};
    enum { ALIGNS = 7, PIECES = COUNT_OF(sizes) * ALIGNS };
    unsigned char *pieces[PIECES];
    size_t padding_max = 0, bytes = 0;
    struct arena *arena;

    for (size_t i = 0; i < PIECES; i++) {
        bytes += sizes[i / ALIGNS];
        padding_max += ((size_t)1 << i % ALIGNS) - 1;
    }
    arena = arena_new(slab, bytes + padding_max);
    for (size_t i = 0; i < PIECES; i++) {
        size_t size = sizes[i / ALIGNS], align = (size_t)1 << i % ALIGNS;

        test_case_is("%zu bytes aligned to %zu", size, align);
        pieces[i] = arena_alloc(arena, size, align);
        CHECK(pieces[i]);
        CHECK_EQ((uintptr_t)pieces[i] % align, 0);
        memset(pieces[i], (int)i, size);
    }
    CHECK(!arena_alloc(arena, padding_max + 1, 1));
    for (size_t i = 0; i < PIECES; i++)
        for (size_t k = 0; k < sizes[i / ALIGNS]; k++)
            CHECK_EQ(pieces[i][k], (unsigned char)i);
    arena_free(arena);
}

TEST(arena_pieces_are_aligned_and_apart)
{
    struct slab *slab = slab_new(PAGE, 4);

    fill_and_check(slab);
    fill_and_check(NULL);
    CHECK_EQ(slab_out(slab), 0);
    slab_free(slab);
    arena_free(NULL);
}

TEST(arena_of_a_small_exchange_is_one_page)
{
    struct slab *slab = slab_new(PAGE, 4);
    struct arena *arena;

    test_fail_allocation(0);
    arena = arena_new(slab, 1 << 20);
    for (int i = 0; i < 30; i++)
        CHECK(arena_alloc(arena, 100, 8));
    CHECK_EQ(slab_out(slab), 1);
    CHECK_EQ(test_allocations(), 1);
    CHECK(arena_alloc(arena, 1000, 8));
    CHECK_EQ(slab_out(slab), 2);
    CHECK(arena_alloc(arena, PAGE, 8)); /* too large for a page: an allocation of its own */
    CHECK_EQ(slab_out(slab), 2);
    CHECK_EQ(test_allocations(), 3);
    arena_free(arena);
    CHECK_EQ(slab_out(slab), 0);
    slab_free(slab);
}

TEST(arena_takes_a_larger_page_where_its_slab_was_lent_some)
{
    struct slab *slab = slab_new(PAGE, 4), *larger = slab_new(4 * PAGE, 4);
    struct arena *arena;

    slab_set_larger(slab, larger);
    arena = arena_new(slab, 1 << 20);
    memset(arena_alloc(arena, PAGE, 64), 1, PAGE);
    CHECK_EQ(slab_out(larger), 1);
    memset(arena_alloc(arena, 2 * PAGE, 8), 2, 2 * PAGE); /* in what that page has left */
    CHECK_EQ(slab_out(larger), 1);
    memset(arena_alloc(arena, 2 * PAGE, 8), 3, 2 * PAGE);
    CHECK_EQ(slab_out(larger), 2);
    memset(arena_alloc(arena, 4 * PAGE, 8), 4, 4 * PAGE); /* larger still: an allocation of its own */
    CHECK_EQ(slab_out(larger), 2);
    CHECK_EQ(slab_out(slab), 1);
    arena_free(arena);
    CHECK_EQ(slab_out(larger), 0);
    CHECK_EQ(slab_out(slab), 0);
    slab_free(slab);
    slab_free(larger);
}

/* Padding must count when a piece just does not fit into the rest of a page. */
TEST(arena_pieces_stay_in_their_page)
{
    struct slab *slab = slab_new(PAGE, 4);

    for (size_t size = 1; size < 200; size++) {
        struct arena *arena = arena_new(slab, SIZE_MAX);

        test_case_is("%zu bytes", size);
        for (size_t i = 0; i < 100; i++) {
            void *piece = arena_alloc(arena, size, 64);

            CHECK(piece);
            memset(piece, 1, size);
            CHECK(arena_alloc(arena, 1, 1));
        }
        arena_free(arena);
    }
    slab_free(slab);
}

TEST(arena_holds_no_more_than_its_cap)
{
    struct arena *arena = arena_new(NULL, 100000);

    CHECK(!arena_alloc(arena, 100001, 1));
    CHECK(arena_alloc(arena, 60000, 1));
    CHECK(!arena_alloc(arena, 40001, 1));
    CHECK(arena_alloc(arena, 39999, 1));
    CHECK(arena_alloc(arena, 1, 1));
    CHECK(!arena_alloc(arena, 1, 1));
    CHECK(arena_alloc(arena, 0, 1));
    CHECK(!arena_alloc(arena, 1, 1));
    arena_free(arena);
}

TEST(arena_counts_padding_against_its_cap)
{
    struct arena *arena = arena_new(NULL, 128);
    unsigned fits = 0;

    CHECK(arena_alloc(arena, 64, 64)); /* may need padding itself */
    CHECK(arena_alloc(arena, 1, 1));
    while (fits < 8 && arena_alloc(arena, 1, 64))
        fits++;
    CHECK(fits <= 1); /* with ASan's gaps, which are not counted, one has less padding */
    CHECK(!arena_alloc(arena, 1, 64));
    arena_free(arena);
}

TEST(arena_refuses_sizes_that_overflow)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);

    CHECK(arena_alloc(arena, 1, 1));
    CHECK(!arena_alloc(arena, SIZE_MAX, 1));
    CHECK(!arena_alloc(arena, SIZE_MAX - 1, 64));
    CHECK(!arena_alloc(arena, SIZE_MAX - 64, 64));
    CHECK(!arena_alloc(arena, SIZE_MAX - 200, 64));
    CHECK(!arena_array(arena, uint64_t, SIZE_MAX / 8 + 1));
    CHECK(!arena_array(arena, uint64_t, SIZE_MAX / 4));
    CHECK(!arena_zero(arena, SIZE_MAX / 2));
    CHECK(!arena_copy(arena, str_of("x", SIZE_MAX)).data);
    CHECK(arena_alloc(arena, 1, 1));
    arena_free(arena);
}

TEST(arena_zero_is_zeroed_and_fits_any_type)
{
    struct slab *slab = slab_new(PAGE, 4);

    for (int round = 0; round < 3; round++) { /* over pages that were dirty */
        struct arena *arena = arena_new(slab, SIZE_MAX);
        struct {
            long double wide;
            char c[100];
        } *objects = arena_zero(arena, 7 * sizeof *objects);
        uint32_t *numbers = arena_array(arena, uint32_t, 100);

        CHECK_EQ((uintptr_t)objects % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < 100; i++)
            CHECK(numbers[i] == 0 && objects[i % 7].c[i] == 0);
        CHECK(arena_make(arena, struct str)->data == NULL);
        CHECK(arena_array(arena, uint32_t, 0));
        memset(objects, 0xff, 7 * sizeof *objects);
        arena_free(arena);
    }
    slab_free(slab);
}

TEST(arena_copies_end_in_nul_and_empty_is_not_failure)
{
    struct arena *arena = arena_new(NULL, 8);
    struct str copy = arena_copy(arena, guard_copy(STR("a\0b")));

    CHECK_STR(copy, STR("a\0b"));
    CHECK_EQ(copy.data[3], 0);
    copy = arena_copy(arena, STR_EMPTY);
    CHECK(copy.data);
    CHECK_EQ(copy.len, 0);
    CHECK_EQ(copy.data[0], 0);
    CHECK(!arena_copy(arena, STR("abc")).data); /* 3 bytes are left, and the NUL needs one */
    CHECK_TEXT(arena_copy(arena, STR("ab")), "ab");
    CHECK(!arena_copy(arena, STR_EMPTY).data);
    arena_free(arena);
}

TEST(arena_format_is_as_long_as_it_must_be)
{
    enum { CAP = 20000, LEFT = CAP - 5 - 1 - 10002 }; /* behind three texts with their NULs */
    struct arena *arena = arena_new(NULL, CAP);
    struct str text = arena_format(arena, "%s-%d", "x", 42);

    CHECK_TEXT(text, "x-42");
    CHECK_EQ(text.data[4], 0);
    text = arena_format(arena, "%s", "");
    CHECK(text.data);
    CHECK_EQ(text.len, 0);
    text = arena_format(arena, "%10000d|", 7); /* longer than a page */
    CHECK_EQ(text.len, 10001);
    CHECK(str_ends(text, STR(" 7|")));
    CHECK(!arena_format(arena, "%10000d", 7).data);
    CHECK(!arena_format(arena, "%*d", LEFT, 7).data);
    CHECK(arena_format(arena, "%*d", LEFT - 1, 7).data); /* with its NUL the last byte */
    arena_free(arena);
}

static void use_an_arena(void *arg)
{
    struct arena *arena = arena_new(arg, 3 * (3000 + 9000) + 6 * 7);
    size_t failed = 0;

    if (!arena)
        return;
    for (int i = 0; i < 6; i++) {
        size_t size = i % 2 == 0 ? 3000 : 9000;

        if (arena_alloc(arena, size, 8))
            continue;
        failed++; /* costs nothing, neither what comes after nor room below the cap */
        CHECK(arena_alloc(arena, size, 8));
    }
    CHECK(failed <= 1);
    CHECK(!arena_alloc(arena, 6 * 7 + 1, 1));
    arena_free(arena);
}

TEST(arena_survives_failing_allocations)
{
    struct slab *slab = slab_new(PAGE, 0), *larger = slab_new(4 * PAGE, 0);

    test_every_allocation_fails(use_an_arena, NULL);
    test_every_allocation_fails(use_an_arena, slab);
    slab_set_larger(slab, larger);
    test_every_allocation_fails(use_an_arena, slab);
    CHECK_EQ(slab_out(slab), 0);
    CHECK_EQ(slab_out(larger), 0);
    slab_free(slab);
    slab_free(larger);
}

static void align_to_3(void *arg)
{
    CHECK(arena_alloc(arg, 1, 3));
}

static void align_to_128(void *arg)
{
    CHECK(arena_alloc(arg, 1, 128));
}

TEST(arena_alignment_is_a_power_of_two_up_to_64)
{
    struct arena *arena = test_arena();

    CHECK(test_aborts(align_to_3, arena));
    CHECK(test_aborts(align_to_128, arena));
}

#if ASAN_IS_ON
TEST(arena_bytes_that_nobody_asked_for_are_poisoned)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    char *first = arena_alloc(arena, 16, 8), *second = arena_alloc(arena, 10, 1);

    CHECK(!__asan_region_is_poisoned(first, 16));
    CHECK(__asan_address_is_poisoned(first + 16));
    CHECK(!__asan_region_is_poisoned(second, 10));
    CHECK(__asan_address_is_poisoned(second + 10));
    CHECK(__asan_address_is_poisoned(second + 1000));
    arena_free(arena);
}
#endif
