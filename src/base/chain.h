/* chain.h: a queue of bytes in blocks. Bytes move from chain to chain by changing the block's owner, not by copying.
 *
 * A block is a window on a counted buffer, so that a chain can be cut anywhere without a copy; each byte is in
 * exactly one chain. Buffers come from the worker's block pool in two sizes and go back as soon as their last block
 * is consumed: an idle connection holds none. Nothing here is shared between threads.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_CHAIN_H
#define HOLDFAST_BASE_CHAIN_H

#include "base/arena.h"

#include <sys/uio.h>

enum {
    BLOCK_SMALL_BYTES = 2048,     /* payload of a small buffer: heads we write, chunk lines, tails */
    BLOCK_LARGE_BYTES = 63 << 10, /* of a large one, which sockets are read into: TCP sends it as one burst (GSO) */
};

/* The buffers and block records of one worker. */
struct block_pool;
struct block_pool *block_pool_new(void);       /* NULL: no memory */
void block_pool_free(struct block_pool *pool); /* asserts that no buffer is out; NULL is fine */
void block_pool_age(struct block_pool *pool);  /* slab_age for all that it keeps */
bool block_pool_has_surplus(const struct block_pool *pool);
size_t block_pool_out(const struct block_pool *pool);   /* buffers in use now, of any size */
size_t block_pool_bytes(const struct block_pool *pool); /* bytes of buffers in use now */

struct block;
struct chain {
    struct block *first, *last;
    size_t size; /* bytes in it */
};

/* A zeroed chain is empty and needs no clearing. */
void chain_clear_blocks(struct chain *chain);
static inline void chain_clear(struct chain *chain) /* drops all bytes */
{
    if (chain->first)
        chain_clear_blocks(chain);
}

/* Moves up to size_max bytes from the front of `from` to the end of `to`; returns how many. Blocks change owner; a
 * block that is cut is shared, not copied, except for pieces of a few hundred bytes that fit behind to's last block.
 * Returns less than asked for only when `from` ran out or there is no memory for a block record. */
size_t chain_move(struct chain *to, struct chain *from, size_t size_max);

/* Copies `bytes` to the end. False: no memory, nothing was added. */
bool chain_append(struct chain *chain, struct block_pool *pool, struct str bytes) MUST_USE;

/* Adds `size` bytes, at least one, that lie in one piece; the caller writes them at once. NULL: no memory, nothing was
 * added. */
char *chain_claim(struct chain *chain, struct block_pool *pool, size_t size) MUST_USE;

/* Adds bytes that somebody else owns and keeps until the chain has let go of them (static text, an exchange's arena
 * while it sends). No copy. False: no memory. */
bool chain_append_borrowed(struct chain *chain, struct block_pool *pool, struct str bytes) MUST_USE;

/* Writable room at the end for a read: fills up to `count_max` parts, the first in what the last block has left if it
 * is at least `room_min`, then as many new large buffers as it takes to offer size_want bytes (the last may offer
 * more; one part is always offered). Returns the number of parts, 0 without memory. Must be followed by chain_commit
 * before anything else is done with the chain. */
int chain_reserve(struct chain *chain, struct block_pool *pool, size_t room_min, size_t size_want, struct iovec *parts,
                  int count_max) MUST_USE;
void chain_commit(struct chain *chain, size_t size); /* the first `size` bytes of the room are now in the chain */

/* The same for a read that most often brings little: BLOCK_LARGE_BYTES of room that belong to no chain. chain_keep_room
 * puts the first `size` bytes of it at the end of one, little of it as a copy in a small buffer, as chain_compact
 * would, and takes the room back. It must follow, with the same pool. NULL: no memory. */
char *chain_lend_room(struct block_pool *pool) MUST_USE;
void chain_keep_room(struct chain *chain, struct block_pool *pool, char *room, size_t size);

/* The first contiguous bytes, borrowed until the chain changes; empty when the chain is. */
struct str chain_front(const struct chain *chain);

/* Copies what is behind the first `skip` bytes of `from` (no more than it has) to the end of `to`. False: no memory, a
 * part of it may be there. */
bool chain_append_copy(struct chain *to, struct block_pool *pool, const struct chain *from, size_t skip) MUST_USE;

/* Copies the last bytes, up to `size`, in their order; how many. */
size_t chain_last(const struct chain *chain, char *out, size_t size);

/* Fills parts with the front of the chain for a write; returns how many. Bytes stay until chain_drop. */
int chain_parts(const struct chain *chain, struct iovec *parts, int count_max);

void chain_drop(struct chain *chain, size_t size); /* takes bytes off the front; size is at most chain->size */

/* Makes the first `size` bytes contiguous (copying only when they are not) and returns them, borrowed as by
 * chain_front. Empty with data NULL: no memory, or size is more than there is. */
struct str chain_pull(struct chain *chain, struct block_pool *pool, size_t size) MUST_USE;

/* Replaces large buffers that hold little (under BLOCK_SMALL_BYTES in all) by a small one, so that a connection that
 * waits with a partial head pins little memory. Keeps the bytes; does nothing without memory. */
void chain_compact(struct chain *chain, struct block_pool *pool);

/* All bytes as one piece in the arena, the chain left as it is; data NULL when there is no room. */
struct str chain_copy(const struct chain *chain, struct arena *arena);

#endif
