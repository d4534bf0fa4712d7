/* chain.c: a queue of bytes as a list of blocks. Buffers and block records are made in block.c.
 *
 * What must stay true: chain->size is the sum of the blocks' lengths; a byte of a buffer is shown by at most one block;
 * only the block that ends where its buffer is filled may grow. Between chain_reserve and chain_commit the new, empty
 * blocks hang behind the last one (or at `first` when there is none) and `last` and `size` do not know of them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/chain.h"

#include "base/assert.h"
#include "base/block.h"

enum {
    COPY_BYTES_MAX = 256, /* a cut piece up to this size is copied rather than shared, if there is room for it */
};

static bool is_reserved(const struct chain *chain)
{
    return chain->last ? chain->last->next != NULL || (chain->last->buffer && chain->last->buffer->offered > 0)
                       : chain->first != NULL;
}

/* Puts a list of blocks that hold `size` bytes at the end. */
static void link_blocks(struct chain *chain, struct block *first, struct block *last, size_t size)
{
    ASSERT(!is_reserved(chain));
    if (chain->last)
        chain->last->next = first;
    else
        chain->first = first;
    chain->last = last;
    chain->size += size;
}

void chain_clear_blocks(struct chain *chain)
{
    struct block *block, *next;

    ASSERT(!is_reserved(chain));
    for (block = chain->first; block; block = next) {
        next = block->next;
        block_free(block);
    }
    *chain = (struct chain){NULL, NULL, 0};
}

void chain_drop(struct chain *chain, size_t size)
{
    ASSERT(size <= chain->size);
    ASSERT(!is_reserved(chain));
    chain->size -= size;
    while (size > 0) {
        struct block *block = chain->first;

        if (size < block->len) {
            block->data += size;
            block->len -= size;
            return;
        }
        size -= block->len;
        chain->first = block->next;
        block_free(block);
    }
    if (!chain->first)
        chain->last = NULL;
}

/* Does `block` show the bytes right behind those that `last` shows? Then one record is enough. */
static bool continues(const struct block *last, const struct block *block)
{
    return last && last->buffer == block->buffer && last->data + last->len == block->data;
}

static void move_all(struct chain *to, struct chain *from)
{
    if (continues(to->last, from->first)) {
        size_t len = from->first->len;

        to->last->len += len;
        to->size += len;
        chain_drop(from, len);
    }
    if (from->first)
        link_blocks(to, from->first, from->last, from->size);
    *from = (struct chain){NULL, NULL, 0};
}

static void move_first_block(struct chain *to, struct chain *from)
{
    struct block *block = from->first;

    from->first = block->next;
    from->size -= block->len;
    block->next = NULL;
    if (continues(to->last, block)) {
        to->last->len += block->len;
        to->size += block->len;
        block_free(block);
        return;
    }
    link_blocks(to, block, block, block->len);
}

/* Moves the first `size` bytes of the first block, fewer than it has. False: no memory. */
static bool move_piece(struct chain *to, struct chain *from, size_t size)
{
    const struct block *block = from->first;
    struct block *piece;

    if (continues(to->last, block)) {
        to->last->len += size;
        to->size += size;
    } else if (size <= COPY_BYTES_MAX && to->last && block_room(to->last) >= size) {
        block_fill(to->last, block->data, size);
        to->size += size;
    } else {
        piece = block_new(block->pool, block->buffer, block->data, size);
        if (!piece)
            return false;
        link_blocks(to, piece, piece, size);
    }
    chain_drop(from, size);
    return true;
}

size_t chain_move(struct chain *to, struct chain *from, size_t size_max)
{
    size_t left = size_min(size_max, from->size), size = left;

    ASSERT(to != from);
    ASSERT(!is_reserved(to));
    ASSERT(!is_reserved(from));
    if (left == 0)
        return 0;
    if (left == from->size) {
        move_all(to, from);
        return size;
    }
    while (left > 0 && from->first->len <= left) {
        left -= from->first->len;
        move_first_block(to, from);
    }
    if (left > 0 && move_piece(to, from, left))
        left = 0;
    return size - left;
}

/* In one new block, which has room for them. False: no memory. */
static bool copy_to_block(struct chain *chain, struct block_pool *pool, struct str bytes)
{
    struct block *block = block_with_room(pool, bytes.len);

    if (!block)
        return false;
    block_fill(block, bytes.data, bytes.len);
    link_blocks(chain, block, block, bytes.len);
    return true;
}

/* New blocks with a copy of `bytes`, put at the end of `added`. False: no memory; some may be there. */
static bool copy_to_blocks(struct chain *added, struct block_pool *pool, struct str bytes)
{
    while (bytes.len > 0) {
        struct str piece = str_first(bytes, BLOCK_LARGE_BYTES);

        if (!copy_to_block(added, pool, piece))
            return false;
        bytes = str_from_offset(bytes, piece.len);
    }
    return true;
}

char *chain_claim(struct chain *chain, struct block_pool *pool, size_t size)
{
    struct block *block = chain->last;

    ASSERT(size > 0);
    ASSERT(!is_reserved(chain));
    if (LIKELY(block && block_room(block) >= size)) {
        chain->size += size;
        return block_grow(block, size);
    }
    block = block_with_room(pool, size);
    if (!block)
        return NULL;
    link_blocks(chain, block, block, size);
    return block_grow(block, size);
}

/* The first `room` bytes fit behind the last block. */
static NOINLINE bool append_in_parts(struct chain *chain, struct block_pool *pool, struct str bytes, size_t room)
{
    struct chain added = {NULL, NULL, 0};

    if (!copy_to_blocks(&added, pool, str_from_offset(bytes, room))) {
        chain_clear(&added);
        return false;
    }
    if (room > 0) {
        block_fill(chain->last, bytes.data, room);
        chain->size += room;
    }
    if (added.first)
        link_blocks(chain, added.first, added.last, added.size);
    return true;
}

bool chain_append(struct chain *chain, struct block_pool *pool, struct str bytes)
{
    size_t room = chain->last ? size_min(block_room(chain->last), bytes.len) : 0;

    ASSERT(!is_reserved(chain));
    if (room == 0 && bytes.len > 0 && bytes.len <= BLOCK_LARGE_BYTES)
        return copy_to_block(chain, pool, bytes);
    if (UNLIKELY(room < bytes.len))
        return append_in_parts(chain, pool, bytes, room);
    if (room > 0)
        block_fill(chain->last, bytes.data, room);
    chain->size += room;
    return true;
}

bool chain_append_borrowed(struct chain *chain, struct block_pool *pool, struct str bytes)
{
    struct block *block;

    ASSERT(!is_reserved(chain));
    if (bytes.len == 0)
        return true;
    block = block_new(pool, NULL, bytes.data, bytes.len);
    if (!block)
        return false;
    link_blocks(chain, block, block, bytes.len);
    return true;
}

static size_t offer(struct block *block, struct iovec *part)
{
    struct buffer *buffer = block->buffer;

    buffer->offered = buffer->capacity - buffer->filled;
    *part = (struct iovec){.iov_base = buffer->data + buffer->filled, .iov_len = buffer->offered};
    return buffer->offered;
}

int chain_reserve(struct chain *chain, struct block_pool *pool, size_t room_min, size_t size_want, struct iovec *parts,
                  int count_max)
{
    struct block **tail = chain->last ? &chain->last->next : &chain->first;
    size_t room = chain->last ? block_room(chain->last) : 0, offered = 0;
    int count = 0;

    ASSERT(count_max > 0);
    ASSERT(!is_reserved(chain));
    if (room > 0 && room >= room_min)
        offered = offer(chain->last, &parts[count++]);
    while (count < count_max && (count == 0 || offered < size_want)) {
        struct block *block = block_with_room(pool, BLOCK_LARGE_BYTES);

        if (!block)
            break;
        offered += offer(block, &parts[count++]);
        *tail = block;
        tail = &block->next;
    }
    return count;
}

/* Makes up to `size` bytes of the room that was offered in the block part of it; returns how many. */
static size_t take_offered(struct block *block, size_t size)
{
    struct buffer *buffer = block->buffer;
    size_t len = size_min(size, buffer->offered);

    buffer->offered = 0;
    buffer->filled += len;
    block->len += len;
    return len;
}

void chain_commit(struct chain *chain, size_t size)
{
    struct block **tail = chain->last ? &chain->last->next : &chain->first;
    struct block *spare = *tail, *next;
    size_t len = 0;

    *tail = NULL;
    if (chain->last && chain->last->buffer)
        len = take_offered(chain->last, size);
    chain->size += len;
    for (; spare; spare = next) {
        next = spare->next;
        spare->next = NULL;
        size -= len;
        len = take_offered(spare, size);
        if (len > 0)
            link_blocks(chain, spare, spare, len);
        else
            block_free(spare);
    }
    ASSERT(size == len);
}

char *chain_lend_room(struct block_pool *pool)
{
    return block_room_lend(pool);
}

void chain_keep_room(struct chain *chain, struct block_pool *pool, char *room, size_t size)
{
    struct block *block;

    ASSERT(size <= BLOCK_LARGE_BYTES);
    if (size <= BLOCK_SMALL_BYTES && chain_append(chain, pool, str_of(room, size))) {
        block_room_give(pool, room);
        return;
    }
    block = block_of_room(pool, room);
    block_grow(block, size);
    link_blocks(chain, block, block, size);
}

struct str chain_front(const struct chain *chain)
{
    return chain->first ? str_of(chain->first->data, chain->first->len) : STR_EMPTY;
}

size_t chain_last(const struct chain *chain, char *out, size_t size)
{
    size_t skip = chain->size - size_min(size, chain->size), len = 0;

    for (const struct block *block = chain->first; block; block = block->next) {
        size_t skipped = size_min(skip, block->len);

        memcpy(out + len, block->data + skipped, block->len - skipped);
        len += block->len - skipped;
        skip -= skipped;
    }
    return len;
}

bool chain_append_copy(struct chain *to, struct block_pool *pool, const struct chain *from, size_t skip)
{
    for (const struct block *block = from->first; block; block = block->next) {
        size_t skipped = size_min(skip, block->len);

        skip -= skipped;
        if (skipped < block->len && !chain_append(to, pool, str_of(block->data + skipped, block->len - skipped)))
            return false;
    }
    return true;
}

int chain_parts(const struct chain *chain, struct iovec *parts, int count_max)
{
    int count = 0;

    for (const struct block *block = chain->first; block && count < count_max; block = block->next)
        /* A write does not change what iov_base points to, but its type cannot say so. */
        parts[count++] = (struct iovec){.iov_base = (void *)(uintptr_t)block->data, .iov_len = block->len};
    return count;
}

/* A capacity for a contiguous piece of `size` bytes. Oversized ones are often pulled again with some bytes more: half
 * as much on top keeps the copies few. */
static size_t pull_capacity(size_t size)
{
    return size <= BLOCK_LARGE_BYTES ? size : size + size / 2;
}

/* Sees to it that the first block can grow in place to `size` bytes. */
static bool make_room(struct chain *chain, struct block_pool *pool, size_t size)
{
    struct block *first = chain->first, *larger;
    struct buffer *buffer = first->buffer;

    if (block_room(first) >= size - first->len)
        return true;
    if (buffer && buffer->refs == 1 && buffer->capacity >= size) {
        memmove(buffer->data, first->data, first->len);
        first->data = buffer->data;
        buffer->filled = first->len;
        return true;
    }
    larger = block_with_room(pool, pull_capacity(size));
    if (!larger)
        return false;
    block_fill(larger, first->data, first->len);
    larger->next = first->next;
    chain->first = larger;
    block_free(first);
    return true;
}

struct str chain_pull(struct chain *chain, struct block_pool *pool, size_t size)
{
    struct block *first = chain->first;

    ASSERT(!is_reserved(chain));
    if (size > chain->size)
        return STR_EMPTY;
    if (size == 0)
        return first ? str_of(first->data, 0) : STR("");
    if (first->len >= size)
        return str_of(first->data, size);
    if (!make_room(chain, pool, size))
        return STR_EMPTY;
    first = chain->first;
    while (first->len < size) {
        struct block *next = first->next;
        size_t len = size_min(size - first->len, next->len);

        block_fill(first, next->data, len);
        next->data += len;
        next->len -= len;
        if (next->len > 0)
            break;
        first->next = next->next;
        if (chain->last == next)
            chain->last = first;
        block_free(next);
    }
    return str_of(first->data, size);
}

static bool holds_large(const struct chain *chain)
{
    for (const struct block *block = chain->first; block; block = block->next)
        if (block->buffer && block->buffer->capacity > BLOCK_SMALL_BYTES)
            return true;
    return false;
}

void chain_compact(struct chain *chain, struct block_pool *pool)
{
    struct block *small;
    size_t size = chain->size;

    ASSERT(!is_reserved(chain));
    if (size == 0 || size > BLOCK_SMALL_BYTES || !holds_large(chain) || !(small = block_with_room(pool, size)))
        return;
    for (struct block *block = chain->first, *next; block; block = next) {
        next = block->next;
        block_fill(small, block->data, block->len);
        block_free(block);
    }
    *chain = (struct chain){small, small, size};
}

struct str chain_copy(const struct chain *chain, struct arena *arena)
{
    char *copy = arena_alloc(arena, chain->size + 1, 1), *end = copy;

    if (!copy)
        return STR_EMPTY;
    for (const struct block *block = chain->first; block; block = block->next) {
        memcpy(end, block->data, block->len);
        end += block->len;
    }
    *end = '\0';
    return str_of(copy, chain->size);
}
