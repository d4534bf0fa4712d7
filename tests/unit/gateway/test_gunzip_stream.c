/* test_gunzip_stream.c: gzip unpacked while it comes: however it is cut, however little is taken at a time, however it
 * is damaged. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gunzip_stream.h"
#include "harness/test.h"

#include <zlib.h>

static struct str pack(struct str plain)
{
    uLong room = compressBound((uLong)plain.len) + 64;
    char *out = arena_alloc(test_arena(), room, 1);
    z_stream zlib = {0};

    CHECK(out && deflateInit2(&zlib, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    zlib.next_in = (Bytef *)(uintptr_t)plain.data;
    zlib.avail_in = (uInt)plain.len;
    zlib.next_out = (Bytef *)out;
    zlib.avail_out = (uInt)room;
    CHECK(deflate(&zlib, Z_FINISH) == Z_STREAM_END);
    CHECK(deflateEnd(&zlib) == Z_OK);
    return str_of(out, room - zlib.avail_out);
}

static struct str join(struct str a, struct str b)
{
    char *out = arena_alloc(test_arena(), a.len + b.len, 1);

    CHECK(out != NULL);
    memcpy(out, a.data, a.len);
    memcpy(out + a.len, b.data, b.len);
    return str_of(out, a.len + b.len);
}

/* One body on its way: what came out of it, at most size_max bytes at a time. */
struct run {
    size_t size_max;
    struct arena *arena;
    struct block_pool *blocks;
    struct gunzip_stream *gunzip;
    struct chain packed, plain;
    enum io io;
    struct error err;
    struct str expected;   /* when it ends well */
    const char *fault;     /* else */
    size_t most_at_a_time; /* bytes that one call made */
};

static void start(void *arg)
{
    struct run *run = arg;

    run->arena = arena_new(NULL, 1 << 20);
    run->blocks = block_pool_new();
    CHECK(run->arena && run->blocks);
    run->gunzip = gunzip_stream_new(run->arena, &run->err);
    CHECK(run->gunzip != NULL);
    run->io = IO_WAIT;
    run->most_at_a_time = 0;
}

static void move(struct run *run, bool ended)
{
    do {
        size_t before = run->plain.size;

        run->io =
            gunzip_stream_move(run->gunzip, &run->packed, ended, &run->plain, run->blocks, run->size_max, &run->err);
        CHECK((run->io == IO_OK) == (run->plain.size > before) || run->io == IO_FAIL);
        run->most_at_a_time = size_max(run->most_at_a_time, run->plain.size - before);
    } while (run->io == IO_OK);
}

static bool feed(void *arg, struct str piece)
{
    struct run *run = arg;

    if (run->io == IO_FAIL)
        return false;
    CHECK(chain_append_borrowed(&run->packed, run->blocks, piece));
    move(run, false);
    CHECK(run->io != IO_END);
    return run->io != IO_FAIL;
}

static void end(void *arg)
{
    struct run *run = arg;

    if (run->io != IO_FAIL)
        move(run, true);
    CHECK(run->most_at_a_time <= run->size_max);
    if (run->fault) {
        CHECK_EQ(run->io, IO_FAIL);
        CHECK_CSTR(run->err.text, run->fault);
        CHECK_EQ(run->err.code, ERROR_BAD_BODY);
        CHECK_EQ(run->err.fault, FAULT_UPSTREAM);
        /* It stays with its first word. */
        move(run, false);
        CHECK_EQ(run->io, IO_FAIL);
        CHECK_CSTR(run->err.text, run->fault);
    } else {
        CHECK_EQ(run->io, IO_END);
        CHECK_STR(chain_copy(&run->plain, test_arena()), run->expected);
    }
    chain_clear(&run->packed);
    chain_clear(&run->plain);
    block_pool_free(run->blocks);
    arena_free(run->arena);
}

static void check(struct str packed, struct str plain, const char *fault)
{
    static const size_t sizes_max[] = {1, 7, 262144};

    for (size_t i = 0; i < COUNT_OF(sizes_max); i++) {
        struct run run = {.size_max = sizes_max[i], .expected = plain, .fault = fault};

        test_feed(&(struct feeding){.start = start, .feed = feed, .end = end, .arg = &run, .rounds = 5}, packed);
    }
}

TEST(gunzip_stream_unpacks_all_members)
{
    struct str one = pack(STR("one ")), two = pack(STR("two")), none = pack(STR(""));

    test_case_is("one member");
    check(one, STR("one "), NULL);
    test_case_is("two");
    check(join(one, two), STR("one two"), NULL);
    test_case_is("an empty one between them, and at the end");
    check(join(join(one, none), join(two, none)), STR("one two"), NULL);
    test_case_is("an empty one");
    check(none, STR(""), NULL);
    test_case_is("a head with all that it may have");
    check(join(STR("\x1f\x8b\x08\x1c\x00\x00\x00\x00\x00\x03\x03\x00xyzname\0comment\0"), str_from_offset(one, 10)),
          STR("one "), NULL);
}

TEST(gunzip_stream_takes_nothing_for_an_empty_body)
{
    struct run run = {.size_max = 10, .expected = STR("")};

    start(&run);
    move(&run, false);
    CHECK_EQ(run.io, IO_WAIT);
    end(&run);
}

TEST(gunzip_stream_tells_what_is_wrong)
{
    struct str text = STR("a text that is packed, a text that is packed, and damaged"), packed = pack(text);
    struct str sum = arena_copy(test_arena(), packed), size = arena_copy(test_arena(), packed);

    ((char *)(uintptr_t)sum.data)[sum.len - 8] ^= 1;
    ((char *)(uintptr_t)size.data)[size.len - 1] ^= 1;
    test_case_is("no gzip at all");
    check(STR("<html>not packed</html>"), STR_EMPTY, "gzip: invalid header");
    test_case_is("another method");
    check(STR("\x1f\x8b\x07\x00\x00\x00\x00\x00\x00\x03more"), STR_EMPTY, "gzip: invalid header");
    test_case_is("bytes behind the last member");
    check(join(packed, STR("junk")), STR_EMPTY, "gzip: invalid header");
    test_case_is("half a member behind the last one");
    check(join(packed, str_first(packed, 5)), STR_EMPTY, "unexpected EOF");
    test_case_is("a block of a type that there is not");
    check(join(str_first(packed, 10), STR("\xff\xff\xff")), STR_EMPTY, "flate: corrupt input");
    test_case_is("the sum");
    check(sum, STR_EMPTY, "gzip: invalid checksum");
    test_case_is("the size");
    check(size, STR_EMPTY, "gzip: invalid checksum");
    for (size_t len = 1; len < packed.len; len++) {
        test_case_is("%zu bytes of %zu", len, packed.len);
        check(str_first(packed, len), STR_EMPTY, "unexpected EOF");
    }
}

TEST(gunzip_stream_bears_any_damage)
{
    struct str packed = pack(STR("a text that is packed, a text that is packed, and damaged"));
    struct rng *rng = test_rng();
    unsigned failed = 0;

    for (unsigned round = 0; round < 300; round++) {
        struct str copy = arena_copy(test_arena(), packed);
        struct run run = {.size_max = 4096};

        ((char *)(uintptr_t)copy.data)[rng_below(rng, copy.len)] ^= (char)(1 << rng_below(rng, 8));
        start(&run);
        (void)feed(&run, guard_copy(copy));
        if (run.io != IO_FAIL)
            move(&run, true);
        CHECK(run.io == IO_FAIL || run.io == IO_END);
        failed += run.io == IO_FAIL;
        run.fault = run.io == IO_FAIL ? run.err.text : NULL;
        run.expected = chain_copy(&run.plain, test_arena());
        end(&run);
    }
    CHECK(failed > 200);
}

TEST(gunzip_stream_makes_no_more_of_a_bomb_than_is_asked_for)
{
    struct str packed = pack(str_of(arena_zero(test_arena(), 16 << 20), 16 << 20));
    struct run run = {.size_max = 65536};
    uint64_t total = 0;

    CHECK(packed.len < 17000);
    start(&run);
    CHECK(chain_append_borrowed(&run.packed, run.blocks, packed));
    while ((run.io = gunzip_stream_move(run.gunzip, &run.packed, true, &run.plain, run.blocks, run.size_max,
                                        &run.err)) == IO_OK) {
        CHECK(run.plain.size <= run.size_max);
        CHECK(block_pool_bytes(run.blocks) <= 4 * BLOCK_LARGE_BYTES);
        total += run.plain.size;
        chain_clear(&run.plain);
    }
    CHECK_EQ(total, 16 << 20);
    run.expected = STR("");
    end(&run);
}

/* 1 KiB has no room for zlib's state: the one thing in the arena that is not a few bytes. */
TEST(gunzip_stream_without_memory_is_our_fault)
{
    struct str packed = pack(STR("a text"));
    struct arena *small = arena_new(NULL, 1024);
    struct run run = {.size_max = 10};

    CHECK(!small || !gunzip_stream_new(small, &run.err));
    if (small) {
        CHECK_EQ(run.err.code, ERROR_OUT_OF_MEMORY);
        CHECK_EQ(run.err.fault, FAULT_SYSTEM);
    }
    arena_free(small);
    start(&run);
    CHECK(chain_append_borrowed(&run.packed, run.blocks, packed));
    test_fail_allocation(1);
    run.io = gunzip_stream_move(run.gunzip, &run.packed, true, &run.plain, run.blocks, run.size_max, &run.err);
    test_fail_allocation(0);
    CHECK_EQ(run.io, IO_FAIL);
    CHECK_EQ(run.err.code, ERROR_OUT_OF_MEMORY);
    chain_clear(&run.packed);
    chain_clear(&run.plain);
    block_pool_free(run.blocks);
    arena_free(run.arena);
}
