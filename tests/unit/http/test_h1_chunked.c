/* test_h1_chunked.c: the chunked coding, fed whole, byte by byte and at random cuts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "http/h1/chunked.h"

enum { DATA_MAX = 4096 };

struct reader {
    struct h1_chunked decoder;
    bool padded_ok;
    char data[DATA_MAX];
    size_t size, seen, trailers_at;
    /* What should come of it. */
    struct str want;
    bool good;
    struct str text;
};

static void reader_start(void *arg)
{
    struct reader *reader = arg;

    reader->decoder = (struct h1_chunked){.padded_ok = reader->padded_ok};
    reader->size = reader->seen = 0;
}

static bool reader_feed(void *arg, struct str piece)
{
    struct reader *reader = arg;

    while (piece.len > 0) {
        size_t used;

        if (reader->decoder.state == H1_CHUNK_DATA) {
            used = size_min(piece.len, (size_t)reader->decoder.left);
            CHECK(reader->size + used <= DATA_MAX);
            memcpy(reader->data + reader->size, piece.data, used);
            reader->size += used;
            h1_chunked_took(&reader->decoder, used);
        } else {
            used = h1_chunked_read(&reader->decoder, piece);
        }
        reader->seen += used;
        piece = str_from_offset(piece, used);
        if (reader->decoder.state == H1_CHUNK_TRAILERS || reader->decoder.state == H1_CHUNK_BAD)
            return false;
    }
    return true;
}

static void reader_end(void *arg)
{
    struct reader *reader = arg;

    CHECK_EQ(reader->decoder.state == H1_CHUNK_TRAILERS, reader->good);
    if (!reader->good)
        return;
    CHECK_STR(str_of(reader->data, reader->size), reader->want);
    CHECK_STR(str_from_offset(reader->text, reader->seen), STR("\r\n"));
    CHECK_EQ(h1_chunked_read(&reader->decoder, STR("\r\n")), 0);
}

static void check(struct str text, bool good, struct str want, bool padded_ok)
{
    struct reader reader = {.padded_ok = padded_ok, .good = good, .want = want, .text = text};
    struct feeding feeding = {
        .start = reader_start, .feed = reader_feed, .end = reader_end, .arg = &reader, .rounds = 20};

    test_feed(&feeding, text);
}

TEST(good_chunks_are_decoded)
{
    static const struct {
        struct str text, data;
    } rows[] = {
        {STR_INIT("0\r\n\r\n"), STR_INIT("")},
        {STR_INIT("000000\r\n\r\n"), STR_INIT("")},
        {STR_INIT("5\r\nhello\r\n0\r\n\r\n"), STR_INIT("hello")},
        {STR_INIT("000A\r\n0123456789\r\n0\r\n\r\n"), STR_INIT("0123456789")},
        {STR_INIT("00000000000000000000000000000001\r\nx\r\n0\r\n\r\n"), STR_INIT("x")},
        {STR_INIT("1\r\na\r\n2\r\nbc\r\n3\r\n\r\n0\r\n0\r\n\r\n"), STR_INIT("abc\r\n0")},
        {STR_INIT("5;a=b;c=\"d\"\r\nhello\r\n0;last\r\n\r\n"), STR_INIT("hello")},
        {STR_INIT("5 ;a\r\nhello\r\n0\t;\r\n\r\n"), STR_INIT("hello")},
        {STR_INIT("5;a=\"x;\\\"y\\\\\"\r\nhello\r\n0\r\n\r\n"), STR_INIT("hello")},
        {STR_INIT("5;\xe9\r\nhello\r\n0\r\n\r\n"), STR_INIT("hello")},
        {STR_INIT("a\r\n\0\r\n\0\r\n\xff\0\0\0\r\n0\r\n\r\n"), STR_INIT("\0\r\n\0\r\n\xff\0\0\0")},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_case_is("row %zu", i);
        check(rows[i].text, true, rows[i].data, false);
    }
}

TEST(bad_chunks_are_refused)
{
    static const struct str rows[] = {
        STR_INIT("\r\nhello\r\n"),
        STR_INIT("g\r\n"),
        STR_INIT("zz\r\n"),
        STR_INIT("+5\r\nhello"),
        STR_INIT("-5\r\nhello"),
        STR_INIT(" 5\r\nhello"),
        STR_INIT("\t5\r\n"),
        STR_INIT("0x5\r\nhello"),
        STR_INIT("5 5\r\n"),
        STR_INIT("5 \r\nhello"),
        STR_INIT("5\t\r\nhello"),
        STR_INIT("5\nhello"),
        STR_INIT("5\rhello"),
        STR_INIT("5\0\r\nhello"),
        STR_INIT("5,\r\nhello"),
        STR_INIT("5\xe9\r\nhello"),
        STR_INIT(";a\r\n"),
        STR_INIT("5;a\nb\r\n"),
        STR_INIT("5;a\rb\r\n"),
        STR_INIT("5;a=\x01\r\n"),
        STR_INIT("5;a=\x7f\r\n"),
        STR_INIT("5;a=\"b\r\nhello"),
        STR_INIT("5;a=\"b\\\r\nhello"),
        STR_INIT("5\r\nhelloXX\r\n0\r\n\r\n"),
        STR_INIT("5\r\nhello\n0\r\n\r\n"),
        STR_INIT("5\r\nhello\rX0\r\n\r\n"),
        STR_INIT("5\r\nhello0\r\n\r\n"),
        STR_INIT("1000000000000000\r\n"),
        STR_INIT("10000000000000005\r\nhello"),
        STR_INIT("ffffffffffffffffff\r\nhello"),
        STR_INIT("0\nX"),
        STR_INIT("0\rX"),
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_case_is("row %zu", i);
        check(rows[i], false, STR(""), false);
    }
}

TEST(sizes_padded_with_blanks_pass_where_that_is_allowed)
{
    check(STR("5  \r\nhello\r\n0\t\r\n\r\n"), true, STR("hello"), true);
    check(STR("5 5\r\n"), false, STR(""), true);
    check(STR("5 x\r\n"), false, STR(""), true);
}

TEST(the_largest_size_is_taken)
{
    struct h1_chunked decoder = {0};

    CHECK_EQ(h1_chunked_read(&decoder, STR("0fffffffffffffff\r\nx")), 18);
    CHECK_EQ(decoder.state, H1_CHUNK_DATA);
    CHECK_EQ(decoder.left, UINT64_C(0xfffffffffffffff));
}

/* A size line of `len` bytes before its CR LF. */
static enum h1_chunk_state line_of(size_t len)
{
    struct h1_chunked decoder = {0};
    char text[400];

    memset(text, 'x', sizeof(text));
    memcpy(text, "5;", 2);
    memcpy(text + len, "\r\n", 2);
    h1_chunked_read(&decoder, guard_copy(str_of(text, len + 2)));
    return (enum h1_chunk_state)decoder.state;
}

TEST(a_size_line_has_an_end)
{
    CHECK_EQ(line_of(200), H1_CHUNK_DATA);
    CHECK_EQ(line_of(H1_CHUNK_LINE_MAX - 1), H1_CHUNK_DATA);
    CHECK_EQ(line_of(H1_CHUNK_LINE_MAX), H1_CHUNK_BAD);
    CHECK_EQ(line_of(H1_CHUNK_LINE_MAX + 40), H1_CHUNK_BAD);
}

/* `count` chunks of `size` bytes, each with an extension of `waste` bytes; how many were taken? */
static unsigned chunks_taken(unsigned count, size_t size, size_t waste)
{
    struct h1_chunked decoder = {0};
    char text[400], digits[H1_CHUNK_HEAD_BYTES];
    struct str head = h1_chunk_head(size, digits);
    size_t len = head.len - 2;

    memcpy(text, head.data, len);
    text[len++] = ';';
    memset(text + len, 'x', waste);
    memcpy(text + len + waste, "\r\n", 2);
    for (unsigned i = 0; i < count; i++) {
        h1_chunked_read(&decoder, str_of(text, len + waste + 2));
        if (decoder.state != H1_CHUNK_DATA)
            return i;
        h1_chunked_took(&decoder, size);
        h1_chunked_read(&decoder, STR("\r\n"));
    }
    return count;
}

TEST(waste_is_limited_over_the_whole_body)
{
    CHECK_EQ(chunks_taken(100000, 1, 0), 100000);
    CHECK_EQ(chunks_taken(100000, 1, 8), 100000);
    CHECK_EQ(chunks_taken(100000, 200, 200), 100000);
    CHECK(chunks_taken(5000, 1, 200) < 100);
    CHECK(chunks_taken(5000, 1, 40) < 1000);
}

TEST(written_chunks_are_read_back)
{
    for (int i = 0; i < 300; i++) {
        uint64_t size = rng_next(test_rng()) >> (4 + rng_below(test_rng(), 60));
        char out[H1_CHUNK_HEAD_BYTES];
        struct h1_chunked decoder = {0};
        struct str head;

        if (size == 0)
            continue;
        head = h1_chunk_head(size, out);
        CHECK_EQ(h1_chunked_read(&decoder, head), head.len);
        CHECK_EQ(decoder.state, H1_CHUNK_DATA);
        CHECK_EQ(decoder.left, size);
    }
    CHECK_TEXT(h1_chunk_head(1, (char[H1_CHUNK_HEAD_BYTES]){0}), "1\r\n");
    CHECK_TEXT(h1_chunk_head(0xabcdef, (char[H1_CHUNK_HEAD_BYTES]){0}), "abcdef\r\n");
    CHECK_TEXT(h1_chunk_head(UINT64_MAX, (char[H1_CHUNK_HEAD_BYTES]){0}), "ffffffffffffffff\r\n");
}
