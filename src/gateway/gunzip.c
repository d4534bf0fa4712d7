/* gunzip.c: zlib over memory of an arena. A body that is still coming: gunzip_stream.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gunzip.h"

#include "gateway/gunzip_internal.h"

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

static bool no_memory(struct error *err)
{
    return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to unpack an answer");
}

static bool bad(struct error *err, const char *text)
{
    return error_set(err, FAULT_UPSTREAM, ERROR_BAD_BODY, "%s", text);
}

bool gunzip_begin(z_stream *zlib, struct arena *arena, struct error *err)
{
    *zlib = (z_stream){.zalloc = take, .zfree = give_back, .opaque = arena};
    return inflateInit2(zlib, WINDOW_BITS) == Z_OK || no_memory(err);
}

bool gunzip_next(z_stream *zlib, struct error *err)
{
    return inflateReset(zlib) == Z_OK || no_memory(err);
}

bool gunzip_cut(struct error *err)
{
    return bad(err, "unexpected EOF");
}

static bool is_about_a_head(struct str text)
{
    static const struct str texts[] = {STR_INIT("incorrect header check"), STR_INIT("unknown compression method"),
                                       STR_INIT("unknown header flags set"), STR_INIT("header crc mismatch"),
                                       STR_INIT("invalid window size")};

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (str_eq(text, texts[i]))
            return true;
    return false;
}

/* zlib tells by its text alone whether a member's head, its data or the sums behind them are wrong. */
bool gunzip_judge(const z_stream *zlib, int result, struct error *err)
{
    struct str text = str_from(zlib->msg ? zlib->msg : "");

    if (result == Z_MEM_ERROR)
        return no_memory(err);
    if (result != Z_DATA_ERROR && result != Z_NEED_DICT)
        return true;
    if (str_eq(text, STR("incorrect data check")) || str_eq(text, STR("incorrect length check")))
        return bad(err, "gzip: invalid checksum");
    return bad(err, is_about_a_head(text) ? "gzip: invalid header" : "flate: corrupt input");
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
        return no_memory(err);
    memcpy(data, unpacking->data, unpacking->len);
    unpacking->data = data;
    unpacking->room = room;
    return true;
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
    if (!gunzip_judge(zlib, result, err))
        return false;
    return *end || zlib->avail_out == 0 || unpacking->left.len > 0 || gunzip_cut(err);
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
    if (packed.len == 0)
        return bad(err, "EOF");
    if (!unpacking.data)
        return no_memory(err);
    if (!gunzip_begin(&unpacking.zlib, arena, err))
        return false;
    do
        ok = unpack_member(&unpacking, err);
    while (ok && str_starts(unpacking.left, STR("\x1f\x8b")) && gunzip_next(&unpacking.zlib, err));
    if (ok && unpacking.len > bytes_max)
        ok = error_set(err, FAULT_UPSTREAM, ERROR_BODY_TOO_LARGE, "gzip: more than %zu bytes unpacked", bytes_max);
    *out = str_of(unpacking.data, unpacking.len);
    return ok;
}
