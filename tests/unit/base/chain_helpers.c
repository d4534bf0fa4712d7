/* chain_helpers.c: see chain_helpers.h. SPDX-License-Identifier: Apache-2.0 */
#include "chain_helpers.h"

struct str some_text(size_t len)
{
    char *text = arena_alloc(test_arena(), len, 1);

    for (size_t i = 0; i < len; i++)
        text[i] = (char)('!' + (i ^ i >> 7 ^ i >> 14) % 90);
    return str_of(text, len);
}

void check_chain(const struct chain *chain, struct str expected)
{
    CHECK_EQ(chain->size, expected.len);
    CHECK_EQ(chain->first == NULL, expected.len == 0);
    CHECK_EQ(chain->last == NULL, expected.len == 0);
    CHECK_STR(chain_copy(chain, test_arena()), expected);
}

void must_append(struct chain *chain, struct block_pool *pool, struct str bytes)
{
    CHECK(chain_append(chain, pool, bytes));
}

void must_borrow(struct chain *chain, struct block_pool *pool, struct str bytes)
{
    CHECK(chain_append_borrowed(chain, pool, bytes));
}

void must_receive(struct chain *chain, struct block_pool *pool, struct str bytes)
{
    struct iovec parts[4];
    size_t size = bytes.len;
    int count = chain_reserve(chain, pool, 512, size, parts, 4);

    for (int i = 0; i < count; i++) {
        size_t len = size_min(parts[i].iov_len, bytes.len);

        memcpy(parts[i].iov_base, bytes.data, len);
        bytes = str_from_offset(bytes, len);
    }
    CHECK_EQ(bytes.len, 0);
    chain_commit(chain, size);
}

int block_count(const struct chain *chain)
{
    struct iovec parts[100];

    return chain_parts(chain, parts, 100);
}

void finish_pool(struct block_pool *pool)
{
    CHECK_EQ(block_pool_out(pool), 0);
    CHECK_EQ(block_pool_bytes(pool), 0);
    block_pool_free(pool);
}
