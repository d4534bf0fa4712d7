/* gunzip_stream.c: zlib between two chains. Start with gunzip_stream_move. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gunzip_stream.h"

#include "base/assert.h"
#include "gateway/gunzip_internal.h"

enum { ROOM_LEAST = 1024 };

struct gunzip_stream {
    z_stream zlib;
    bool inside;  /* a member has begun and has not ended */
    bool pending; /* zlib filled all the room it had: it may hold more without new input */
    bool failed;
    struct error failure;
};

struct gunzip_stream *gunzip_stream_new(struct arena *arena, struct error *err)
{
    struct gunzip_stream *gunzip = arena_make(arena, struct gunzip_stream);

    if (!gunzip) {
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to unpack an answer");
        return NULL;
    }
    return gunzip_begin(&gunzip->zlib, arena, err) ? gunzip : NULL;
}

/* From the first bytes of `from` into the room; *taken of them and *made tell how far it came. */
static bool inflate_piece(struct gunzip_stream *gunzip, struct str in, struct iovec room, size_t *taken, size_t *made,
                          struct error *err)
{
    z_stream *zlib = &gunzip->zlib;
    int result;

    zlib->next_in = (Bytef *)(uintptr_t)in.data;
    zlib->avail_in = (uInt)in.len;
    zlib->next_out = room.iov_base;
    zlib->avail_out = (uInt)room.iov_len;
    result = inflate(zlib, Z_NO_FLUSH);
    *taken = in.len - zlib->avail_in;
    *made = room.iov_len - zlib->avail_out;
    gunzip->pending = zlib->avail_out == 0 && result == Z_OK;
    gunzip->inside = result != Z_STREAM_END;
    if (result == Z_STREAM_END)
        return gunzip_next(zlib, err);
    return gunzip_judge(zlib, result, err);
}

/* One call of zlib. False: *err. */
static bool unpack(struct gunzip_stream *gunzip, struct chain *from, struct chain *into, struct block_pool *blocks,
                   size_t size_max, struct error *err)
{
    struct str in = str_first(chain_front(from), 1u << 20);
    size_t taken, made;
    struct iovec room;
    bool ok;

    if (chain_reserve(into, blocks, ROOM_LEAST, 1, &room, 1) == 0)
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to unpack an answer");
    room.iov_len = size_min(room.iov_len, size_max);
    ok = inflate_piece(gunzip, in, room, &taken, &made, err);
    chain_commit(into, made);
    chain_drop(from, taken);
    return ok;
}

static enum io fail(struct gunzip_stream *gunzip, const struct error *failure, struct error *err)
{
    gunzip->failed = true;
    *err = gunzip->failure = *failure;
    return IO_FAIL;
}

/* Nothing can be made of what is here. */
static enum io say_why(struct gunzip_stream *gunzip, bool ended, struct error *err)
{
    struct error failure;

    if (!ended)
        return IO_WAIT;
    if (!gunzip->inside)
        return IO_END;
    (void)gunzip_cut(&failure);
    return fail(gunzip, &failure, err);
}

enum io gunzip_stream_move(struct gunzip_stream *gunzip, struct chain *from, bool ended, struct chain *into,
                           struct block_pool *blocks, size_t size_max, struct error *err)
{
    size_t before = into->size;
    struct error failure;

    ASSERT(size_max > 0);
    if (gunzip->failed) {
        *err = gunzip->failure;
        return IO_FAIL;
    }
    while (into->size - before < size_max && (from->size > 0 || gunzip->pending))
        if (!unpack(gunzip, from, into, blocks, size_max - (into->size - before), &failure))
            return fail(gunzip, &failure, err);
    return into->size > before ? IO_OK : say_why(gunzip, ended, err);
}
