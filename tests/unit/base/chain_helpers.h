/* chain_helpers.h: what the tests of chains share. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_BASE_CHAIN_HELPERS_H
#define HOLDFAST_TESTS_UNIT_BASE_CHAIN_HELPERS_H

#include "base/chain.h"
#include "harness/test.h"

/* Text that shows where in it a piece was taken from; always the same. */
struct str some_text(size_t len);

/* Size, ends and bytes are as they should be. */
void check_chain(const struct chain *chain, struct str expected);

void must_append(struct chain *chain, struct block_pool *pool, struct str bytes);
void must_borrow(struct chain *chain, struct block_pool *pool, struct str bytes);
void must_receive(struct chain *chain, struct block_pool *pool, struct str bytes); /* what a read would do */

int block_count(const struct chain *chain);

/* Frees the pool, of which nothing may be out. */
void finish_pool(struct block_pool *pool);

#endif
