/* block.h: the insides of a chain: counted buffers and the blocks that show parts of them. For chain.c only; everybody
 * else sees chain.h. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_BLOCK_H
#define HOLDFAST_BASE_BLOCK_H

#include "base/assert.h"
#include "base/chain.h"

struct buffer;

/* A window on a buffer. In a chain it is never empty, except between chain_reserve and chain_commit. */
struct block {
    struct block *next;
    struct block_pool *pool;
    struct buffer *buffer; /* NULL: the bytes are borrowed */
    const char *data;
    size_t len;
};

/* Bytes up to `filled` have been shown by some block and never change while more than one block refers to the buffer;
 * behind them is room, which belongs to the one block that ends there. */
struct buffer {
    struct block first; /* shows what was put in first: most buffers need no other block. Of no use once it was freed */
    size_t refs;        /* blocks that show a part of it */
    size_t capacity;    /* bytes in data */
    size_t filled;
    size_t offered; /* of the room, handed out by chain_reserve until chain_commit */
    char data[];
};

/* A block that shows `data`, a part of `buffer`, which gets one reference more. NULL: no memory. */
struct block *block_new(struct block_pool *pool, struct buffer *buffer, const char *data, size_t len);

/* An empty block at the front of a new buffer of at least `size` bytes. NULL: no memory. */
struct block *block_with_room(struct block_pool *pool, size_t size);

void block_free(struct block *block);

/* BLOCK_LARGE_BYTES that are no buffer yet: given back, or made one with its first block, which is empty and cannot
 * fail. NULL: no memory. */
char *block_room_lend(struct block_pool *pool);
void block_room_give(struct block_pool *pool, char *room);
struct block *block_of_room(struct block_pool *pool, char *room);

/* Bytes that can be added to what the block shows, in place. */
static inline size_t block_room(const struct block *block)
{
    const struct buffer *buffer = block->buffer;

    if (!buffer || block->data + block->len != buffer->data + buffer->filled)
        return 0;
    return buffer->capacity - buffer->filled;
}

/* Shows `len` bytes more, at most block_room: where they are to be written. */
static inline char *block_grow(struct block *block, size_t len)
{
    struct buffer *buffer = block->buffer;
    char *room = buffer->data + buffer->filled;

    ASSERT(len <= block_room(block));
    buffer->filled += len;
    block->len += len;
    return room;
}

/* Adds bytes in place; len is at most block_room. */
static inline void block_fill(struct block *block, const char *data, size_t len)
{
    memcpy(block_grow(block, len), data, len);
}

#endif
