/* block.c: where buffers and blocks come from and go back to. SPDX-License-Identifier: Apache-2.0 */
#include "base/block.h"

#include "base/assert.h"

#include <stdlib.h>

enum {
    RECORDS_KEPT = 1024, /* 64 KiB */
    SMALL_KEPT = 256,    /* 512 KiB */
    LARGE_KEPT = 64,     /* 4 MiB */
};

struct block_pool {
    struct slab *records, *small, *large;
    size_t oversized_out; /* buffers larger than a large one come from malloc */
    size_t bytes_out;     /* capacity of all buffers in use */
};

struct block_pool *block_pool_new(void)
{
    struct block_pool *pool = calloc(1, sizeof *pool);

    if (!pool)
        return NULL;
    pool->records = slab_new(sizeof(struct block), RECORDS_KEPT);
    pool->small = slab_new(sizeof(struct buffer) + BLOCK_SMALL_BYTES, SMALL_KEPT);
    pool->large = slab_new(sizeof(struct buffer) + BLOCK_LARGE_BYTES, LARGE_KEPT);
    if (pool->records && pool->small && pool->large)
        return pool;
    block_pool_free(pool);
    return NULL;
}

void block_pool_free(struct block_pool *pool)
{
    if (!pool)
        return;
    ASSERT(pool->oversized_out == 0);
    slab_free(pool->records);
    slab_free(pool->small);
    slab_free(pool->large);
    free(pool);
}

void block_pool_age(struct block_pool *pool)
{
    slab_age(pool->records);
    slab_age(pool->small);
    slab_age(pool->large);
}

bool block_pool_has_surplus(const struct block_pool *pool)
{
    return slab_has_surplus(pool->records) || slab_has_surplus(pool->small);
}

size_t block_pool_out(const struct block_pool *pool)
{
    return slab_out(pool->small) + slab_out(pool->large) + pool->oversized_out;
}

size_t block_pool_bytes(const struct block_pool *pool)
{
    return pool->bytes_out;
}

static struct buffer *oversized_new(struct block_pool *pool, size_t capacity)
{
    struct buffer *buffer;
    size_t size;

    if (!add_ok(&size, capacity, sizeof *buffer) || !(buffer = malloc(size)))
        return NULL;
    pool->oversized_out++;
    return buffer;
}

/* With its first block, which shows nothing yet. */
static void begin_buffer(struct block_pool *pool, struct buffer *buffer, size_t capacity)
{
    *buffer = (struct buffer){
        .first = {.pool = pool, .buffer = buffer, .data = buffer->data}, .refs = 1, .capacity = capacity};
    pool->bytes_out += capacity;
}

static struct buffer *buffer_new(struct block_pool *pool, size_t size)
{
    struct buffer *buffer;
    size_t capacity = size;

    if (size <= BLOCK_SMALL_BYTES) {
        capacity = BLOCK_SMALL_BYTES;
        buffer = slab_take(pool->small);
    } else if (size <= BLOCK_LARGE_BYTES) {
        capacity = BLOCK_LARGE_BYTES;
        buffer = slab_take(pool->large);
    } else {
        buffer = oversized_new(pool, capacity);
    }
    if (buffer)
        begin_buffer(pool, buffer, capacity);
    return buffer;
}

static void buffer_free(struct buffer *buffer)
{
    struct block_pool *pool = buffer->first.pool;

    pool->bytes_out -= buffer->capacity;
    if (buffer->capacity == BLOCK_SMALL_BYTES) {
        slab_give(pool->small, buffer);
    } else if (buffer->capacity == BLOCK_LARGE_BYTES) {
        slab_give(pool->large, buffer);
    } else {
        pool->oversized_out--;
        free(buffer);
    }
}

struct block *block_new(struct block_pool *pool, struct buffer *buffer, const char *data, size_t len)
{
    struct block *block = slab_take(pool->records);

    if (!block)
        return NULL;
    *block = (struct block){.pool = pool, .buffer = buffer, .data = data, .len = len};
    if (buffer)
        buffer->refs++;
    return block;
}

struct block *block_with_room(struct block_pool *pool, size_t size)
{
    struct buffer *buffer = buffer_new(pool, size);

    return buffer ? &buffer->first : NULL;
}

char *block_room_lend(struct block_pool *pool)
{
    struct buffer *buffer = slab_take(pool->large);

    return buffer ? buffer->data : NULL;
}

void block_room_give(struct block_pool *pool, char *room)
{
    slab_give(pool->large, container_of(room, struct buffer, data));
}

struct block *block_of_room(struct block_pool *pool, char *room)
{
    struct buffer *buffer = container_of(room, struct buffer, data);

    begin_buffer(pool, buffer, BLOCK_LARGE_BYTES);
    return &buffer->first;
}

void block_free(struct block *block)
{
    struct buffer *buffer = block->buffer;

    if (!buffer || block != &buffer->first)
        slab_give(block->pool->records, block);
    if (buffer && --buffer->refs == 0)
        buffer_free(buffer);
}
