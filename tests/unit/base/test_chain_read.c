/* test_chain_read.c: room for reads, and what was read into it. SPDX-License-Identifier: Apache-2.0 */
#include "chain_helpers.h"

TEST(chain_reserve_offers_the_rest_of_the_last_block_first)
{
    struct block_pool *pool = block_pool_new();
    struct iovec parts[4];
    struct chain chain = {0};
    const char *end;

    CHECK_INT(chain_reserve(&chain, pool, 512, 1, parts, 4), 1);
    CHECK_EQ(parts[0].iov_len, BLOCK_LARGE_BYTES);
    memcpy(parts[0].iov_base, "abc", 3);
    chain_commit(&chain, 3);
    check_chain(&chain, STR("abc"));
    end = chain_front(&chain).data + 3;
    CHECK_INT(chain_reserve(&chain, pool, BLOCK_LARGE_BYTES - 3, 10, parts, 4), 1);
    CHECK(parts[0].iov_base == end);
    CHECK_EQ(parts[0].iov_len, BLOCK_LARGE_BYTES - 3);
    chain_commit(&chain, 0);
    CHECK_INT(chain_reserve(&chain, pool, BLOCK_LARGE_BYTES - 2, 10, parts, 4), 1); /* the rest is too little */
    CHECK(parts[0].iov_base != end);
    CHECK_EQ(parts[0].iov_len, BLOCK_LARGE_BYTES);
    chain_commit(&chain, 0);
    CHECK_INT(chain_reserve(&chain, pool, 1, 3 * BLOCK_LARGE_BYTES, parts, 4), 4);
    CHECK(parts[0].iov_base == end);
    CHECK_EQ(parts[3].iov_len, BLOCK_LARGE_BYTES);
    chain_commit(&chain, 0);
    CHECK_INT(chain_reserve(&chain, pool, 1, 3 * BLOCK_LARGE_BYTES, parts, 2), 2);
    chain_commit(&chain, 0);
    check_chain(&chain, STR("abc"));
    CHECK_EQ(block_pool_out(pool), 1);
    chain_clear(&chain);
    finish_pool(pool);
}

TEST(chain_reserve_never_offers_borrowed_or_shared_room)
{
    struct block_pool *pool = block_pool_new();
    struct chain chain = {0}, front = {0};
    struct iovec parts[1];

    must_receive(&chain, pool, some_text(3000));
    CHECK_EQ(chain_move(&front, &chain, 1000), 1000);
    CHECK_INT(chain_reserve(&front, pool, 1, 1, parts, 1), 1);
    CHECK_EQ(parts[0].iov_len, BLOCK_LARGE_BYTES);
    chain_commit(&front, 0);
    must_borrow(&front, pool, STR("x"));
    CHECK_INT(chain_reserve(&front, pool, 0, 1, parts, 1), 1);
    CHECK_EQ(parts[0].iov_len, BLOCK_LARGE_BYTES);
    chain_commit(&front, 0);
    chain_clear(&front);
    chain_clear(&chain);
    finish_pool(pool);
}

TEST(chain_commit_takes_any_part_of_the_room)
{
    static const size_t sizes[] = {0,
                                   1,
                                   99,
                                   100,
                                   101,
                                   BLOCK_LARGE_BYTES,
                                   100 + BLOCK_LARGE_BYTES - 1,
                                   100 + BLOCK_LARGE_BYTES,
                                   100 + BLOCK_LARGE_BYTES + 1,
                                   100 + 2 * BLOCK_LARGE_BYTES};
    struct block_pool *pool = block_pool_new();

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct str bytes = some_text(3 * BLOCK_LARGE_BYTES);
        size_t full = BLOCK_LARGE_BYTES - 100, at = full;
        struct iovec parts[3];
        struct chain chain = {0};

        test_case_is("%zu bytes", sizes[i]);
        must_append(&chain, pool, str_first(bytes, full));
        CHECK_INT(chain_reserve(&chain, pool, 100, 2 * BLOCK_LARGE_BYTES, parts, 3), 3);
        for (int k = 0; k < 3; at += parts[k++].iov_len)
            memcpy(parts[k].iov_base, bytes.data + at, parts[k].iov_len);
        chain_commit(&chain, sizes[i]);
        check_chain(&chain, str_first(bytes, full + sizes[i]));
        CHECK_EQ(block_pool_out(pool), 1 + (sizes[i] > 100) + (sizes[i] > 100 + BLOCK_LARGE_BYTES));
        chain_clear(&chain);
    }
    finish_pool(pool);
}

TEST(chain_reserve_with_little_memory_offers_less)
{
    struct block_pool *pool = block_pool_new();
    struct chain chain = {0};
    struct iovec parts[4];

    test_fail_allocation(1);
    CHECK_INT(chain_reserve(&chain, pool, 1, 1, parts, 4), 0);
    chain_commit(&chain, 0);
    check_chain(&chain, STR(""));
    test_fail_allocation(2);
    CHECK_INT(chain_reserve(&chain, pool, 1, 3 * BLOCK_LARGE_BYTES, parts, 4), 1);
    memcpy(parts[0].iov_base, "x", 1);
    chain_commit(&chain, 1);
    check_chain(&chain, STR("x"));
    chain_clear(&chain);
    finish_pool(pool);
}

TEST(chain_keep_room_keeps_little_of_it_small)
{
    static const size_t sizes[] = {0, 1, BLOCK_SMALL_BYTES, BLOCK_SMALL_BYTES + 1, BLOCK_LARGE_BYTES};
    struct block_pool *pool = block_pool_new();

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct str bytes = some_text(BLOCK_LARGE_BYTES);
        char *room = chain_lend_room(pool);
        struct chain chain = {0};

        test_case_is("%zu bytes", sizes[i]);
        CHECK(room);
        memcpy(room, bytes.data, bytes.len);
        chain_keep_room(&chain, pool, room, sizes[i]);
        check_chain(&chain, str_first(bytes, sizes[i]));
        CHECK_EQ(block_pool_bytes(pool), sizes[i] == 0                   ? 0
                                         : sizes[i] <= BLOCK_SMALL_BYTES ? BLOCK_SMALL_BYTES
                                                                         : BLOCK_LARGE_BYTES);
        must_append(&chain, pool, STR("x"));
        CHECK_EQ(chain.size, sizes[i] + 1);
        chain_clear(&chain);
    }
    finish_pool(pool);
}

TEST(chain_keep_room_loses_nothing_without_memory)
{
    struct block_pool *pool = block_pool_new();
    struct chain chain = {0};
    char *room;

    test_fail_allocation(1);
    CHECK(!chain_lend_room(pool));
    room = chain_lend_room(pool);
    CHECK(room);
    memcpy(room, "abc", 3);
    test_fail_allocation(1);
    chain_keep_room(&chain, pool, room, 3);
    check_chain(&chain, STR("abc"));
    CHECK_EQ(block_pool_bytes(pool), BLOCK_LARGE_BYTES);
    chain_clear(&chain);
    finish_pool(pool);
}

TEST(chain_last_gives_the_end_across_blocks)
{
    struct block_pool *pool = block_pool_new();
    struct chain chain = {0};
    char out[8];

    CHECK_EQ(chain_last(&chain, out, sizeof(out)), 0);
    CHECK(chain_append_borrowed(&chain, pool, STR("abc")));
    CHECK_EQ(chain_last(&chain, out, 4), 3);
    CHECK_STR(str_of(out, 3), STR("abc"));
    CHECK(chain_append_borrowed(&chain, pool, STR("d")));
    CHECK(chain_append_borrowed(&chain, pool, STR("ef")));
    CHECK_EQ(chain_last(&chain, out, 4), 4);
    CHECK_STR(str_of(out, 4), STR("cdef"));
    CHECK_EQ(chain_last(&chain, out, 2), 2);
    CHECK_STR(str_of(out, 2), STR("ef"));
    CHECK_EQ(chain_last(&chain, out, 0), 0);
    chain_clear(&chain);
    finish_pool(pool);
}
