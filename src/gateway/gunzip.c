/* gunzip.c: zlib in an arena, and Go's words for its errors, for gunzip_stream.c. SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/gunzip_internal.h"

enum { WINDOW_BITS = 15 + 16 }; /* gzip's framing */

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
