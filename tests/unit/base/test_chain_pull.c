/* test_chain_pull.c: making bytes contiguous, and compact. SPDX-License-Identifier: Apache-2.0 */
#include "chain_helpers.h"

TEST(chain_pull_makes_one_piece_across_blocks)
{
    static const size_t lens[][4] = {
        {10, 10, 10, 10},           {1, 2048, 2048, 1},     {2048, 1, 1, 3000},
        {65536, 65536, 10, 100000}, {65000, 600, 600, 600}, {100000, 200000, 5, 1},
    };
    struct block_pool *pool = block_pool_new();

    for (size_t i = 0; i < COUNT_OF(lens); i++)
        for (unsigned kinds = 0; kinds < 27; kinds++) {
            struct chain chain = {0};
            size_t size = 0, sum = lens[i][0] + lens[i][1] + lens[i][2] + lens[i][3];
            struct str bytes = some_text(sum), piece;
            unsigned kind = kinds;

            for (size_t k = 0; k < 4; k++, kind /= 3) {
                struct str part = str_of(bytes.data + size, lens[i][k]);

                size += part.len;
                (kind % 3 == 0 ? must_append : kind % 3 == 1 ? must_borrow : must_receive)(&chain, pool, part);
            }
            for (size_t cut = 1; cut <= sum; cut += sum / 13 + 1) {
                test_case_is("%zu, kinds %u, %zu of %zu", i, kinds, cut, sum);
                piece = chain_pull(&chain, pool, cut);
                CHECK_STR(piece, str_first(bytes, cut));
                CHECK(piece.data == chain_front(&chain).data);
                check_chain(&chain, bytes);
            }
            CHECK_STR(chain_pull(&chain, pool, sum), bytes);
            CHECK_INT(block_count(&chain), 1);
            CHECK(!chain_pull(&chain, pool, sum + 1).data);
            check_chain(&chain, bytes);
            chain_clear(&chain);
            CHECK_EQ(block_pool_out(pool), 0);
        }
    finish_pool(pool);
}

TEST(chain_pull_of_what_is_in_one_piece_copies_nothing)
{
    struct block_pool *pool = block_pool_new();
    struct chain chain = {0};
    const char *data;

    must_borrow(&chain, pool, STR("hello"));
    must_borrow(&chain, pool, STR("world"));
    data = chain_front(&chain).data;
    test_fail_allocation(0);
    CHECK(chain_pull(&chain, pool, 5).data == data);
    CHECK(chain_pull(&chain, pool, 0).data == data);
    CHECK_EQ(test_allocations(), 0);
    CHECK(chain_pull(&chain, pool, 6).data != data);
    CHECK_TEXT(chain_pull(&chain, pool, 10), "helloworld");
    chain_clear(&chain);
    finish_pool(pool);
}

TEST(chain_pull_grows_in_place_when_it_can)
{
    struct block_pool *pool = block_pool_new();
    struct str bytes = some_text(BLOCK_LARGE_BYTES);
    struct chain chain = {0};
    const char *data;

    must_append(&chain, pool, str_first(bytes, 1000));
    must_borrow(&chain, pool, str_of(bytes.data + 1000, 1000));
    data = chain_front(&chain).data;
    test_fail_allocation(0);
    CHECK_STR(chain_pull(&chain, pool, 2000), str_first(bytes, 2000));
    CHECK(chain_front(&chain).data == data); /* behind it */
    chain_drop(&chain, 1990);
    must_borrow(&chain, pool, str_of(bytes.data + 2000, 1000));
    CHECK_STR(chain_pull(&chain, pool, 1010), str_of(bytes.data + 1990, 1010));
    CHECK(chain_front(&chain).data == data); /* moved to the front of its buffer */
    CHECK(block_pool_bytes(pool) == BLOCK_SMALL_BYTES);
    chain_clear(&chain);
    finish_pool(pool);
}

TEST(chain_pull_of_an_oversized_piece_is_counted)
{
    struct block_pool *pool = block_pool_new();
    struct str bytes = some_text(BLOCK_LARGE_BYTES + 1);
    struct chain chain = {0};

    must_borrow(&chain, pool, str_first(bytes, 10));
    must_append(&chain, pool, str_from_offset(bytes, 10));
    CHECK_STR(chain_pull(&chain, pool, BLOCK_LARGE_BYTES), str_first(bytes, BLOCK_LARGE_BYTES));
    CHECK_EQ(block_pool_bytes(pool), 2 * BLOCK_LARGE_BYTES); /* fits exactly, and one byte is left behind */
    CHECK_STR(chain_pull(&chain, pool, BLOCK_LARGE_BYTES + 1), bytes);
    CHECK_EQ(block_pool_out(pool), 1);
    CHECK(block_pool_bytes(pool) > BLOCK_LARGE_BYTES);
    chain_clear(&chain);
    finish_pool(pool);
}

/* The front of a shared buffer may not be moved about, even when it would fit. */
TEST(chain_pull_leaves_other_owners_alone)
{
    struct block_pool *pool = block_pool_new();
    struct str bytes = some_text(3000);
    struct chain chain = {0}, front = {0}, middle = {0};

    must_receive(&chain, pool, bytes);
    CHECK_EQ(chain_move(&front, &chain, 1000), 1000);
    CHECK_EQ(chain_move(&middle, &chain, 1000), 1000);
    must_borrow(&middle, pool, STR("more"));
    CHECK(chain_pull(&middle, pool, 1004).data);
    check_chain(&front, str_first(bytes, 1000));
    check_chain(&chain, str_from_offset(bytes, 2000));
    check_chain(&middle, arena_format(test_arena(), "%.*smore", 1000, bytes.data + 1000));
    chain_clear(&front);
    chain_clear(&middle);
    chain_clear(&chain);
    finish_pool(pool);
}

TEST(chain_pull_again_and_again_copies_seldom)
{
    enum { STEP = 1000, SIZE = 2 << 20 };
    struct block_pool *pool = block_pool_new();
    struct str bytes = some_text(SIZE);
    struct chain chain = {0};
    unsigned moves = 0;
    const char *data = NULL;

    for (size_t at = 0; at + STEP <= SIZE; at += STEP) {
        must_borrow(&chain, pool, str_of(bytes.data + at, STEP));
        CHECK(chain_pull(&chain, pool, chain.size).data);
        moves += chain_front(&chain).data != data;
        data = chain_front(&chain).data;
    }
    CHECK(moves < 16);
    check_chain(&chain, str_first(bytes, SIZE / STEP * STEP));
    chain_clear(&chain);
    finish_pool(pool);
}

TEST(chain_pull_without_memory_changes_nothing)
{
    struct block_pool *pool = block_pool_new();
    struct chain chain = {0};

    must_borrow(&chain, pool, STR("hello"));
    must_borrow(&chain, pool, STR("world"));
    test_fail_allocation(1);
    CHECK(!chain_pull(&chain, pool, 6).data);
    check_chain(&chain, STR("helloworld"));
    CHECK_TEXT(chain_pull(&chain, pool, 6), "hellow");
    chain_clear(&chain);
    finish_pool(pool);
}

TEST(chain_compact_frees_large_buffers_that_hold_little)
{
    struct block_pool *pool = block_pool_new();
    struct str bytes = some_text(BLOCK_SMALL_BYTES);
    struct chain chain = {0};

    must_receive(&chain, pool, str_first(bytes, 1000));
    must_borrow(&chain, pool, str_of(bytes.data + 1000, 1000));
    must_append(&chain, pool, str_from_offset(bytes, 2000));
    test_fail_allocation(1);
    chain_compact(&chain, pool); /* without memory: nothing */
    check_chain(&chain, bytes);
    CHECK(block_pool_bytes(pool) > BLOCK_LARGE_BYTES);
    chain_compact(&chain, pool);
    CHECK_EQ(block_pool_bytes(pool), BLOCK_SMALL_BYTES);
    CHECK_INT(block_count(&chain), 1);
    check_chain(&chain, bytes);
    test_fail_allocation(0);
    chain_compact(&chain, pool); /* again: nothing to do */
    CHECK_EQ(test_allocations(), 0);
    chain_clear(&chain);
    finish_pool(pool);
}

TEST(chain_compact_leaves_much_and_small_alone)
{
    struct block_pool *pool = block_pool_new();
    struct str bytes = some_text(BLOCK_SMALL_BYTES + 1);
    struct chain chain = {0};
    const char *data;

    must_receive(&chain, pool, bytes);
    data = chain_front(&chain).data;
    chain_compact(&chain, pool);
    CHECK(chain_front(&chain).data == data);
    check_chain(&chain, bytes);
    chain_clear(&chain);
    must_append(&chain, pool, str_first(bytes, 10));
    must_borrow(&chain, pool, str_of(bytes.data + 10, 1000));
    data = chain_front(&chain).data;
    chain_compact(&chain, pool);
    CHECK(chain_front(&chain).data == data);
    CHECK_INT(block_count(&chain), 2);
    chain_clear(&chain);
    finish_pool(pool);
}

TEST(chain_compact_lets_go_of_a_shared_buffer)
{
    struct block_pool *pool = block_pool_new();
    struct str bytes = some_text(3000);
    struct chain chain = {0}, front = {0};

    must_receive(&chain, pool, bytes);
    CHECK_EQ(chain_move(&front, &chain, 2000), 2000);
    chain_compact(&chain, pool);
    CHECK_EQ(block_pool_out(pool), 2);
    chain_clear(&front);
    CHECK_EQ(block_pool_bytes(pool), BLOCK_SMALL_BYTES);
    check_chain(&chain, str_from_offset(bytes, 2000));
    chain_clear(&chain);
    finish_pool(pool);
}
