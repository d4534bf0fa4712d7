/* test_chain.c: appending, borrowing, dropping, and mistakes. Moving is in test_chain_move.c, reading into a chain in
 * test_chain_read.c, pulling in test_chain_pull.c, long random mixtures in test_chain_walk.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "chain_helpers.h"

TEST(chain_of_nothing)
{
    struct block_pool *pool = block_pool_new();
    struct chain chain = {0}, other = {0};
    struct iovec parts[1];

    check_chain(&chain, STR(""));
    CHECK_EQ(chain_front(&chain).len, 0);
    CHECK_INT(chain_parts(&chain, parts, 1), 0);
    must_append(&chain, pool, STR(""));
    must_append(&chain, pool, STR_EMPTY);
    must_borrow(&chain, pool, STR(""));
    chain_drop(&chain, 0);
    chain_clear(&chain);
    chain_compact(&chain, pool);
    CHECK_EQ(chain_move(&other, &chain, 100), 0);
    CHECK(chain_pull(&chain, pool, 0).data);
    CHECK(!chain_pull(&chain, pool, 1).data);
    check_chain(&chain, STR(""));
    block_pool_free(NULL);
    finish_pool(pool);
}

TEST(chain_append_copies_into_as_few_buffers_as_it_takes)
{
    static const struct {
        size_t len, out, bytes;
    } cases[] = {
        {1, 1, BLOCK_SMALL_BYTES},
        {BLOCK_SMALL_BYTES, 1, BLOCK_SMALL_BYTES},
        {BLOCK_SMALL_BYTES + 1, 1, BLOCK_LARGE_BYTES},
        {BLOCK_LARGE_BYTES, 1, BLOCK_LARGE_BYTES},
        {BLOCK_LARGE_BYTES + 1, 2, BLOCK_LARGE_BYTES + BLOCK_SMALL_BYTES},
        {3 * BLOCK_LARGE_BYTES, 3, 3 * BLOCK_LARGE_BYTES},
    };
    struct block_pool *pool = block_pool_new();

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str bytes = some_text(cases[i].len);
        struct chain chain = {0};

        test_case_is("%zu bytes", cases[i].len);
        must_append(&chain, pool, guard_copy(bytes));
        CHECK_EQ(block_pool_out(pool), cases[i].out);
        CHECK_EQ(block_pool_bytes(pool), cases[i].bytes);
        check_chain(&chain, bytes);
        chain_clear(&chain);
        check_chain(&chain, STR(""));
        CHECK_EQ(block_pool_out(pool), 0);
    }
    finish_pool(pool);
}

/* Of many more blocks than a write takes at once. */
TEST(chain_append_copy_leaves_the_other_as_it_is)
{
    enum { BLOCKS = 40, LEN = 100 };
    struct str bytes = some_text(BLOCKS * LEN);
    struct block_pool *pool = block_pool_new();
    struct chain from = {0};

    for (size_t i = 0; i < BLOCKS; i++)
        must_borrow(&from, pool, str_of(bytes.data + i * LEN, LEN));
    for (size_t skip = 0; skip <= BLOCKS * LEN; skip += 50) {
        struct chain to = {0};

        must_append(&to, pool, STR("before"));
        CHECK(chain_append_copy(&to, pool, &from, skip));
        CHECK_EQ(to.size, 6 + BLOCKS * LEN - skip);
        chain_drop(&to, 6);
        check_chain(&to, str_from_offset(bytes, skip));
        check_chain(&from, bytes);
        chain_clear(&to);
    }
    chain_clear(&from);
    finish_pool(pool);
}

TEST(chain_append_uses_the_room_behind_the_last_block)
{
    struct block_pool *pool = block_pool_new();
    struct str bytes = some_text(10000);
    struct chain chain = {0};

    must_append(&chain, pool, str_first(bytes, 1000));
    must_append(&chain, pool, str_of(bytes.data + 1000, 1048)); /* the buffer is full to the byte */
    CHECK_INT(block_count(&chain), 1);
    must_append(&chain, pool, str_of(bytes.data + 2048, 1));
    CHECK_INT(block_count(&chain), 2);
    must_append(&chain, pool, str_of(bytes.data + 2049, 7951)); /* the rest of the second, and a large one */
    CHECK_INT(block_count(&chain), 3);
    CHECK_EQ(block_pool_out(pool), 3);
    check_chain(&chain, bytes);
    chain_clear(&chain);
    finish_pool(pool);
}

static void must_claim(struct chain *chain, struct block_pool *pool, struct str bytes)
{
    char *room = chain_claim(chain, pool, bytes.len);

    CHECK(room);
    memcpy(room, bytes.data, bytes.len);
}

TEST(chain_claim_gives_room_in_one_piece)
{
    struct block_pool *pool = block_pool_new();
    struct str bytes = some_text(100000);
    struct chain chain = {0};

    must_claim(&chain, pool, str_first(bytes, 1000));
    must_claim(&chain, pool, str_of(bytes.data + 1000, 1048)); /* the buffer is full to the byte */
    CHECK_INT(block_count(&chain), 1);
    must_claim(&chain, pool, str_of(bytes.data + 2048, 1000));
    must_claim(&chain, pool, str_of(bytes.data + 3048, 1049)); /* does not fit behind it */
    CHECK_INT(block_count(&chain), 3);
    must_append(&chain, pool, str_of(bytes.data + 4097, 3));
    must_claim(&chain, pool, str_of(bytes.data + 4100, BLOCK_LARGE_BYTES + 1));
    CHECK_INT(block_count(&chain), 4);
    check_chain(&chain, str_first(bytes, 4100 + BLOCK_LARGE_BYTES + 1));
    chain_clear(&chain);
    finish_pool(pool);
}

TEST(chain_claim_without_memory_adds_nothing)
{
    struct block_pool *pool = block_pool_new();
    struct chain chain = {0};

    must_append(&chain, pool, STR("kept"));
    test_fail_allocation(1);
    CHECK(!chain_claim(&chain, pool, BLOCK_SMALL_BYTES));
    test_fail_allocation(0);
    check_chain(&chain, STR("kept"));
    chain_clear(&chain);
    finish_pool(pool);
}

TEST(chain_borrows_without_a_copy)
{
    struct block_pool *pool = block_pool_new();
    struct chain chain = {0}, other = {0};
    struct str bytes = guard_copy(STR("HTTP/1.1 200 OK\r\n"));

    must_borrow(&chain, pool, bytes);
    CHECK(chain_front(&chain).data == bytes.data);
    CHECK_EQ(block_pool_out(pool), 0);
    must_append(&chain, pool, STR("x")); /* must not be written behind the borrowed bytes */
    CHECK_INT(block_count(&chain), 2);
    CHECK_EQ(chain_move(&other, &chain, 5), 5);
    CHECK(chain_front(&other).data == bytes.data);
    CHECK(chain_front(&chain).data == bytes.data + 5);
    check_chain(&other, STR("HTTP/"));
    check_chain(&chain, STR("1.1 200 OK\r\nx"));
    chain_drop(&chain, 12);
    check_chain(&chain, STR("x"));
    chain_clear(&chain);
    chain_clear(&other);
    finish_pool(pool);
}

TEST(chain_front_and_parts_show_the_blocks_in_order)
{
    struct block_pool *pool = block_pool_new();
    struct chain chain = {0};
    struct iovec parts[4];

    must_borrow(&chain, pool, STR("one"));
    must_borrow(&chain, pool, STR("two"));
    must_borrow(&chain, pool, STR("three"));
    CHECK_TEXT(chain_front(&chain), "one");
    CHECK_INT(chain_parts(&chain, parts, 0), 0);
    CHECK_INT(chain_parts(&chain, parts, 2), 2);
    CHECK_TEXT(str_of(parts[1].iov_base, parts[1].iov_len), "two");
    CHECK_INT(chain_parts(&chain, parts, 4), 3);
    CHECK_TEXT(str_of(parts[2].iov_base, parts[2].iov_len), "three");
    chain_drop(&chain, 4);
    CHECK_TEXT(chain_front(&chain), "wo");
    CHECK_INT(chain_parts(&chain, parts, 4), 2);
    CHECK_TEXT(str_of(parts[0].iov_base, parts[0].iov_len), "wo");
    chain_drop(&chain, 7);
    check_chain(&chain, STR(""));
    finish_pool(pool);
}

static void commit_too_much(void *arg)
{
    struct iovec parts[1];
    struct chain chain = {0};

    CHECK_INT(chain_reserve(&chain, arg, 1, 1, parts, 1), 1);
    chain_commit(&chain, BLOCK_LARGE_BYTES + 1);
}

static void append_between(void *arg)
{
    struct iovec parts[1];
    struct chain chain = {0};

    CHECK_INT(chain_reserve(&chain, arg, 1, 1, parts, 1), 1);
    CHECK(chain_append(&chain, arg, STR("x")));
}

static void append_between_with_room(void *arg)
{
    struct iovec parts[1];
    struct chain chain = {0};

    CHECK(chain_append(&chain, arg, STR("x")));
    CHECK_INT(chain_reserve(&chain, arg, 1, 1, parts, 1), 1);
    CHECK(chain_append(&chain, arg, STR("x")));
}

static void drop_too_much(void *arg)
{
    struct chain chain = {0};

    CHECK(chain_append(&chain, arg, STR("x")));
    chain_drop(&chain, 2);
}

static void move_to_itself(void *arg)
{
    struct chain chain = {0};

    CHECK(chain_append(&chain, arg, STR("x")));
    chain_move(&chain, &chain, 1);
}

static void free_pool_early(void *arg)
{
    struct chain chain = {0};

    CHECK(chain_append(&chain, arg, STR("x")));
    block_pool_free(arg);
}

TEST(chain_mistakes_of_ours_are_found)
{
    struct block_pool *pool = block_pool_new();

    CHECK(test_aborts(commit_too_much, pool));
    CHECK(test_aborts(append_between, pool));
    CHECK(test_aborts(append_between_with_room, pool));
    CHECK(test_aborts(drop_too_much, pool));
    CHECK(test_aborts(move_to_itself, pool));
    CHECK(test_aborts(free_pool_early, pool));
    finish_pool(pool);
}

TEST(chain_drop_gives_buffers_back_at_once)
{
    struct block_pool *pool = block_pool_new();
    struct str bytes = some_text(2 * BLOCK_LARGE_BYTES);
    struct chain chain = {0};

    must_receive(&chain, pool, bytes);
    CHECK_EQ(block_pool_out(pool), 2);
    chain_drop(&chain, BLOCK_LARGE_BYTES - 1);
    CHECK_EQ(block_pool_out(pool), 2);
    check_chain(&chain, str_from_offset(bytes, BLOCK_LARGE_BYTES - 1));
    chain_drop(&chain, 1);
    CHECK_EQ(block_pool_out(pool), 1);
    chain_drop(&chain, BLOCK_LARGE_BYTES);
    check_chain(&chain, STR(""));
    finish_pool(pool);
}

TEST(chain_copy_without_room_says_so)
{
    struct block_pool *pool = block_pool_new();
    struct arena *arena = arena_new(NULL, 10);
    struct chain chain = {0};

    must_append(&chain, pool, STR("0123456789"));
    CHECK(!chain_copy(&chain, arena).data);
    chain_drop(&chain, 1);
    CHECK_CSTR(chain_copy(&chain, arena).data, "123456789");
    chain_clear(&chain);
    arena_free(arena);
    finish_pool(pool);
}

static void append_much(void *arg)
{
    struct block_pool *pool = block_pool_new();
    const struct str *bytes = arg;
    struct chain chain = {0};
    size_t size;

    if (!pool)
        return;
    if (!chain_append(&chain, pool, STR("begin")))
        check_chain(&chain, STR(""));
    size = chain.size;
    if (!chain_append(&chain, pool, *bytes)) {
        CHECK_EQ(chain.size, size); /* nothing was added */
        CHECK_STR(chain_copy(&chain, test_arena()), str_first(STR("begin"), size));
    } else {
        CHECK_EQ(chain.size, size + bytes->len);
    }
    size = chain.size;
    if (chain_append_borrowed(&chain, pool, *bytes))
        size += bytes->len;
    CHECK_EQ(chain.size, size);
    chain_clear(&chain);
    finish_pool(pool);
}

TEST(chain_survives_failing_allocations)
{
    struct str bytes = some_text(150000);

    test_every_allocation_fails(append_much, &bytes);
}

#ifndef HOLDFAST_SLOW_CHECKS /* With slow checks slabs keep nothing. */
TEST(chain_relay_allocates_nothing_once_warm)
{
    struct block_pool *pool = block_pool_new();
    struct chain in = {0}, out = {0};
    struct str bytes = some_text(100000);

    for (int round = 0; round < 10; round++) {
        if (round == 1)
            test_fail_allocation(0);
        must_receive(&in, pool, bytes);
        must_append(&out, pool, STR("10000\r\n"));
        CHECK_EQ(chain_move(&out, &in, 0x10000), 0x10000);
        must_borrow(&out, pool, STR("\r\n"));
        CHECK_EQ(chain_move(&out, &in, SIZE_MAX), bytes.len - 0x10000);
        chain_drop(&out, out.size / 2);
        chain_drop(&out, out.size);
    }
    CHECK_EQ(test_allocations(), 0);
    finish_pool(pool);
}
#endif
