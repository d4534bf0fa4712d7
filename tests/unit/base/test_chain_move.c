/* test_chain_move.c: cutting chains and sharing their buffers. SPDX-License-Identifier: Apache-2.0 */
#include "chain_helpers.h"

/* Three blocks, a received, a borrowed and an appended one, cut at each place of the first and last bytes and around
 * each edge, and put together again. */
TEST(chain_can_be_cut_anywhere)
{
    enum { FIRST = 700, SECOND = 300, THIRD = 900, SIZE = FIRST + SECOND + THIRD };
    struct block_pool *pool = block_pool_new();
    struct str bytes = some_text(SIZE);

    for (size_t cut = 0; cut <= SIZE + 1; cut++) {
        struct chain chain = {0}, front = {0};

        test_case_is("at %zu", cut);
        must_receive(&chain, pool, str_first(bytes, FIRST));
        must_borrow(&chain, pool, str_of(bytes.data + FIRST, SECOND));
        must_append(&chain, pool, str_from_offset(bytes, FIRST + SECOND));
        CHECK_EQ(chain_move(&front, &chain, cut), size_min(cut, SIZE));
        check_chain(&front, str_first(bytes, cut));
        check_chain(&chain, str_from_offset(bytes, cut));
        if (cut % 2 == 0) {
            CHECK_EQ(chain_move(&front, &chain, SIZE_MAX), SIZE - size_min(cut, SIZE));
            check_chain(&front, bytes);
            check_chain(&chain, STR(""));
            CHECK_INT(block_count(&front), 3); /* a cut inside a buffer leaves no mark */
        } else {
            chain_drop(&chain, chain.size);
        }
        chain_clear(&front);
        CHECK_EQ(block_pool_out(pool), 0);
    }
    finish_pool(pool);
}

TEST(chain_move_of_a_large_piece_shares_the_buffer)
{
    struct block_pool *pool = block_pool_new();
    struct str bytes = some_text(4000);
    struct chain chain = {0}, first = {0}, second = {0};

    must_receive(&chain, pool, bytes);
    CHECK_EQ(chain_move(&first, &chain, 1000), 1000);
    CHECK_EQ(chain_move(&second, &chain, 1000), 1000);
    CHECK(chain_front(&second).data == chain_front(&first).data + 1000);
    CHECK(chain_front(&chain).data == chain_front(&first).data + 2000);
    CHECK_EQ(block_pool_out(pool), 1);
    check_chain(&first, str_first(bytes, 1000));
    check_chain(&second, str_of(bytes.data + 1000, 1000));
    check_chain(&chain, str_from_offset(bytes, 2000));
    chain_clear(&chain);
    chain_clear(&first);
    CHECK_EQ(block_pool_out(pool), 1);
    check_chain(&second, str_of(bytes.data + 1000, 1000));
    chain_clear(&second);
    finish_pool(pool);
}

/* The room behind a shared buffer belongs to who ends there. Others must get a buffer of their own. */
TEST(chain_append_behind_a_shared_buffer_overwrites_nothing)
{
    struct block_pool *pool = block_pool_new();
    struct str bytes = some_text(4000);
    struct chain chain = {0}, front = {0};

    must_receive(&chain, pool, bytes);
    CHECK_EQ(chain_move(&front, &chain, 1000), 1000);
    must_append(&front, pool, STR("front"));
    CHECK_EQ(block_pool_out(pool), 2);
    check_chain(&chain, str_from_offset(bytes, 1000));
    must_append(&chain, pool, STR("back"));
    CHECK_EQ(block_pool_out(pool), 2);
    CHECK_INT(block_count(&chain), 1);
    CHECK(str_ends(chain_copy(&chain, test_arena()), STR("back")));
    chain_clear(&chain); /* what ended at the filled mark is gone: its bytes are still nobody's */
    must_append(&front, pool, some_text(3000));
    CHECK_STR(str_first(chain_copy(&front, test_arena()), 1005),
              arena_format(test_arena(), "%.*sfront", 1000, bytes.data));
    chain_clear(&front);
    finish_pool(pool);
}

TEST(chain_move_copies_a_small_piece_behind_the_last_block)
{
    struct block_pool *pool = block_pool_new();
    struct chain chain = {0}, out = {0};

    must_append(&out, pool, STR("head "));
    must_receive(&chain, pool, some_text(1000));
    CHECK_EQ(chain_move(&out, &chain, 200), 200);
    CHECK_INT(block_count(&out), 1);
    CHECK_EQ(out.size, 205);
    CHECK_EQ(chain_move(&out, &chain, 500), 500); /* large: shared */
    CHECK_INT(block_count(&out), 2);
    CHECK_EQ(chain_move(&out, &chain, 10), 10); /* goes on where the last block ends: no copy and no new block */
    CHECK_INT(block_count(&out), 2);
    check_chain(&out, arena_format(test_arena(), "head %.*s", 710, some_text(1000).data));
    check_chain(&chain, str_from_offset(some_text(1000), 710));
    chain_clear(&out);
    chain_clear(&chain);
    finish_pool(pool);
}

TEST(chain_move_of_a_whole_block_copies_nothing)
{
    struct block_pool *pool = block_pool_new();
    struct chain chain = {0}, out = {0};
    const char *data;

    must_receive(&chain, pool, STR("abc"));
    data = chain_front(&chain).data;
    must_borrow(&chain, pool, STR("def"));
    must_append(&out, pool, STR("x"));
    CHECK_EQ(chain_move(&out, &chain, 3), 3);
    chain_drop(&out, 1);
    CHECK(chain_front(&out).data == data);
    CHECK_EQ(chain_move(&out, &chain, 3), 3);
    check_chain(&out, STR("abcdef"));
    chain_clear(&out);
    finish_pool(pool);
}

TEST(chain_move_without_memory_for_a_record_moves_whole_blocks)
{
    struct block_pool *pool = block_pool_new();
    struct chain chain = {0}, out = {0};
    struct str bytes = some_text(4001);

    must_borrow(&chain, pool, str_first(bytes, 2000));
    must_borrow(&chain, pool, str_from_offset(bytes, 2001));
    test_fail_allocation(1);
    CHECK_EQ(chain_move(&out, &chain, 3000), 2000);
    check_chain(&out, str_first(bytes, 2000));
    check_chain(&chain, str_from_offset(bytes, 2001));
    CHECK_EQ(chain_move(&out, &chain, 1000), 1000);
    CHECK_EQ(out.size, 3000);
    check_chain(&chain, str_from_offset(bytes, 3001));
    chain_clear(&out);
    chain_clear(&chain);
    finish_pool(pool);
}

TEST(chain_move_joins_what_was_borrowed_in_one_piece)
{
    struct block_pool *pool = block_pool_new();
    struct str bytes = some_text(3000);
    struct chain chain = {0}, out = {0};

    must_borrow(&chain, pool, bytes);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(chain_move(&out, &chain, 300), 300);
    CHECK_INT(block_count(&out), 1);
    check_chain(&out, bytes);
    chain_clear(&out);
    finish_pool(pool);
}

TEST(chain_move_copies_a_small_piece_that_just_fits)
{
    struct block_pool *pool = block_pool_new();
    struct chain chain = {0}, out = {0};

    must_append(&out, pool, some_text(BLOCK_SMALL_BYTES - 256));
    must_receive(&chain, pool, some_text(1000));
    CHECK_EQ(chain_move(&out, &chain, 256), 256);
    CHECK_INT(block_count(&out), 1);
    chain_drop(&out, BLOCK_SMALL_BYTES - 256);
    check_chain(&out, some_text(256));
    CHECK_EQ(chain_move(&out, &chain, 1), 1); /* no room any more */
    CHECK_INT(block_count(&out), 2);
    check_chain(&out, some_text(257));
    chain_clear(&out);
    chain_clear(&chain);
    finish_pool(pool);
}
