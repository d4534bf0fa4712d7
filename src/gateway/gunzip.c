/* gunzip.c: zlib over memory of an arena. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gunzip.h"

#include <zlib.h>

enum { WINDOW_BITS = 15 + 16 /* gzip's framing */, ROOM_LEAST = 4096 };

static void *take(void *arena, unsigned count, unsigned size)
{
    return arena_alloc(arena, (size_t)count * size, 16);
}

static void give_back(void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

struct unpacking {
    struct arena *arena;
    z_stream zlib;
    struct str left;
    char *data;
    size_t len, room, room_max;
};

/* The first guess is what the last member says of itself; it may lie, so it is only a guess. */
static size_t guess(struct str packed, size_t bytes_max)
{
    const uint8_t *end = (const uint8_t *)packed.data + packed.len;
    size_t size =
        packed.len < 4 ? 0 : (size_t)end[-4] | (size_t)end[-3] << 8 | (size_t)end[-2] << 16 | (size_t)end[-1] << 24;

    /* Deflate packs at most about 1032 to 1: more is a lie. */
    return size_max(size_min(size_min(size, bytes_max), packed.len * 1040) + 1, ROOM_LEAST);
}

/* Makes room for more output. False: the bound is reached, or there is no memory. */
static bool grow(struct unpacking *unpacking, struct error *err)
{
    size_t room = size_min(2 * unpacking->room, unpacking->room_max);
    char *data;

    if (unpacking->room >= unpacking->room_max)
        return error_set(err, FAULT_UPSTREAM, ERROR_BODY_TOO_LARGE, "gzip: more than %zu bytes unpacked",
                         unpacking->room_max - 1);
    data = arena_alloc(unpacking->arena, room, 1);
    if (!data)
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to unpack an answer");
    memcpy(data, unpacking->data, unpacking->len);
    unpacking->data = data;
    unpacking->room = room;
    return true;
}

static bool bad(struct error *err, const char *text)
{
    return error_set(err, FAULT_UPSTREAM, ERROR_BAD_BODY, "%s", text);
}

/* Unpacks what fits into the room. False: the bytes are wrong. *end: this member is complete. */
static bool unpack_piece(struct unpacking *unpacking, bool *end, struct error *err)
{
    z_stream *zlib = &unpacking->zlib;
    size_t in = size_min(unpacking->left.len, 1u << 30), room = unpacking->room - unpacking->len;
    int result;

    zlib->next_in = (Bytef *)(uintptr_t)unpacking->left.data;
    zlib->avail_in = (uInt)in;
    zlib->next_out = (Bytef *)unpacking->data + unpacking->len;
    zlib->avail_out = (uInt)size_min(room, 1u << 30);
    result = inflate(zlib, Z_NO_FLUSH);
    unpacking->len = (size_t)((char *)zlib->next_out - unpacking->data);
    unpacking->left = str_from_offset(unpacking->left, in - zlib->avail_in);
    *end = result == Z_STREAM_END;
    if (result == Z_MEM_ERROR)
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to unpack an answer");
    if (result == Z_DATA_ERROR || result == Z_NEED_DICT)
        return bad(err, zlib->total_in < 10 ? "gzip: invalid header" : "flate: corrupt input");
    if (!*end && zlib->avail_out > 0 && unpacking->left.len == 0)
        return bad(err, "unexpected EOF");
    return true;
}

static bool unpack_member(struct unpacking *unpacking, struct error *err)
{
    bool end = false;

    while (!end) {
        if (unpacking->len == unpacking->room && !grow(unpacking, err))
            return false;
        if (!unpack_piece(unpacking, &end, err))
            return false;
    }
    return true;
}

bool gunzip(struct arena *arena, struct str packed, size_t bytes_max, struct str *out, struct error *err)
{
    struct unpacking unpacking = {.arena = arena, .left = packed, .room_max = bytes_max + 1};
    bool ok = true;

    unpacking.room = size_min(guess(packed, bytes_max), unpacking.room_max);
    unpacking.data = arena_alloc(arena, unpacking.room, 1);
    unpacking.zlib = (z_stream){.zalloc = take, .zfree = give_back, .opaque = arena};
    if (packed.len == 0)
        return bad(err, "EOF");
    if (!unpacking.data || inflateInit2(&unpacking.zlib, WINDOW_BITS) != Z_OK)
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to unpack an answer");
    do
        ok = unpack_member(&unpacking, err);
    while (ok && str_starts(unpacking.left, STR("\x1f\x8b")) && inflateReset(&unpacking.zlib) == Z_OK);
    inflateEnd(&unpacking.zlib);
    if (ok && unpacking.len > bytes_max)
        ok = error_set(err, FAULT_UPSTREAM, ERROR_BODY_TOO_LARGE, "gzip: more than %zu bytes unpacked", bytes_max);
    *out = str_of(unpacking.data, unpacking.len);
    return ok;
}
