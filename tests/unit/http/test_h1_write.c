/* test_h1_write.c: heads as bytes, and that none can become two. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "http/h1/write.h"

struct sheet {
    struct block_pool *pool;
    struct chain chain;
    struct h1_writer writer;
};

static void sheet_open(struct sheet *sheet)
{
    *sheet = (struct sheet){.pool = block_pool_new()};
    CHECK(sheet->pool != NULL);
    h1_write_start(&sheet->writer, &sheet->chain, sheet->pool);
}

static struct str sheet_close(struct sheet *sheet)
{
    struct str text;

    CHECK(h1_write_end(&sheet->writer));
    CHECK_EQ(sheet->writer.total, sheet->chain.size);
    text = chain_copy(&sheet->chain, test_arena());
    chain_clear(&sheet->chain);
    block_pool_free(sheet->pool);
    return text;
}

static struct http_field field(struct str name, struct str value)
{
    return (struct http_field){.name = name, .value = value, .id = (uint16_t)header_id_of(name)};
}

TEST(heads_are_written)
{
    struct http_field accept = field(STR("accept"), STR("*/*"));
    struct sheet sheet;

    sheet_open(&sheet);
    CHECK(h1_write_request_line(&sheet.writer, STR("GET"), STR("/a?b")));
    h1_write_known(&sheet.writer, HEADER_HOST, STR("a.test"));
    h1_write_field(&sheet.writer, &accept);
    h1_write_number(&sheet.writer, HEADER_CONTENT_LENGTH, UINT64_MAX);
    CHECK_TEXT(sheet_close(&sheet), "GET /a?b HTTP/1.1\r\nHost: a.test\r\naccept: */*\r\n"
                                    "Content-Length: 18446744073709551615\r\n\r\n");

    sheet_open(&sheet);
    h1_write_status_line(&sheet.writer, 404);
    CHECK_TEXT(sheet_close(&sheet), "HTTP/1.1 404 Not Found\r\n\r\n");

    sheet_open(&sheet);
    h1_write_status_line(&sheet.writer, 999);
    CHECK_TEXT(sheet_close(&sheet), "HTTP/1.1 999 \r\n\r\n");
}

TEST(request_lines_for_proxies_are_absolute)
{
    static const struct {
        struct str method, origin, path;
        const char *line; /* empty: refused */
    } rows[] = {
        {STR_INIT("GET"), STR_INIT("a.test:8080"), STR_INIT("/a?b"), "GET http://a.test:8080/a?b HTTP/1.1\r\n"},
        {STR_INIT("OPTIONS"), STR_INIT("[::1]"), STR_INIT("*"), "OPTIONS http://[::1] HTTP/1.1\r\n"},
        {STR_INIT("GET"), STR_INIT("a.test"), STR_INIT(""), ""},
        {STR_INIT("GET"), STR_INIT("a.test"), STR_INIT("/a b"), ""},
        {STR_INIT("GET"), STR_INIT("a.te st"), STR_INIT("/"), ""},
        {STR_INIT("GET"), STR_INIT("a\r\nX: y"), STR_INIT("/"), ""},
        {STR_INIT("GE T"), STR_INIT("a.test"), STR_INIT("/"), ""},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str line = str_from(rows[i].line);
        struct sheet sheet;

        test_case_is("row %zu", i);
        sheet_open(&sheet);
        CHECK_EQ(h1_write_absolute_line(&sheet.writer, rows[i].method, rows[i].origin, rows[i].path), line.len > 0);
        CHECK_STR(sheet_close(&sheet), arena_format(test_arena(), "%.*s\r\n", STR_ARG(line)));
    }
}

TEST(request_lines_that_would_split_are_not_written)
{
    static const struct {
        struct str method, path;
    } rows[] = {
        {STR_INIT(""), STR_INIT("/")},        {STR_INIT("GE T"), STR_INIT("/")},
        {STR_INIT("GET\r\n"), STR_INIT("/")}, {STR_INIT("GET"), STR_INIT("")},
        {STR_INIT("GET"), STR_INIT("/a b")},  {STR_INIT("GET"), STR_INIT("/a\r\nX: y")},
        {STR_INIT("GET"), STR_INIT("/a\nb")}, {STR_INIT("GET"), STR_INIT("/a\0b")},
        {STR_INIT("GET"), STR_INIT("/a\tb")}, {STR_INIT("GET"), STR_INIT("/a\x7f")},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct sheet sheet;

        test_case_is("row %zu", i);
        sheet_open(&sheet);
        CHECK(!h1_write_request_line(&sheet.writer, rows[i].method, rows[i].path));
        CHECK_TEXT(sheet_close(&sheet), "\r\n");
    }
}

/* Each byte at each place of a word: only control bytes but tab become spaces. */
TEST(values_lose_their_control_bytes)
{
    for (unsigned c = 0; c < 256; c++) {
        for (size_t at = 0; at < 20; at++) {
            bool bad = (c < 0x20 && c != '\t') || c == 0x7f;
            char value[20], want[27] = "X-A: ";
            struct http_field x;
            struct sheet sheet;

            memset(value, at % 2 ? 'v' : '\t', sizeof(value));
            value[at] = (char)c;
            x = field(STR("X-A"), guard_copy(str_of(value, sizeof(value))));
            memcpy(want + 5, value, sizeof(value));
            want[5 + at] = (char)(bad ? ' ' : c);
            sheet_open(&sheet);
            h1_write_field(&sheet.writer, &x);
            CHECK_STR(str_first(sheet_close(&sheet), 25), str_of(want, 25));
        }
    }
}

TEST(names_that_are_no_names_are_left_out)
{
    static const struct str names[] = {STR_INIT(""), STR_INIT("X A"), STR_INIT("X:A"), STR_INIT("X\r\nB"),
                                       STR_INIT("X\xe9")};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct http_field x = field(names[i], STR("v"));
        struct sheet sheet;

        sheet_open(&sheet);
        h1_write_field(&sheet.writer, &x);
        CHECK_TEXT(sheet_close(&sheet), "\r\n");
    }
}

TEST(long_heads_are_written_in_pieces)
{
    char value[3 * H1_WRITE_BYTES];
    struct http_field x;
    struct sheet sheet;
    struct str text;

    for (size_t i = 0; i < sizeof(value); i++)
        value[i] = (char)('a' + i % 26);
    for (size_t len = H1_WRITE_BYTES - 12; len < H1_WRITE_BYTES + 2; len++) {
        x = field(STR("X"), str_of(value, len));
        sheet_open(&sheet);
        h1_write_field(&sheet.writer, &x);
        text = sheet_close(&sheet);
        CHECK_EQ(text.len, len + 7);
        CHECK_STR(str_first(str_from_offset(text, 3), len), str_of(value, len));
    }
    x = field(STR("X"), str_of(value, sizeof(value)));
    sheet_open(&sheet);
    h1_write_field(&sheet.writer, &x);
    h1_write_field(&sheet.writer, &x);
    text = sheet_close(&sheet);
    CHECK_EQ(text.len, 2 * sizeof(value) + 12);
    CHECK_STR(str_first(str_from_offset(text, 3), sizeof(value)), str_of(value, sizeof(value)));
    CHECK_TEXT(str_from_offset(text, text.len - 4), "\r\n\r\n");
}

static void write_without_memory(void *arg)
{
    struct block_pool *pool = block_pool_new();
    struct http_field x = field(STR("X"), STR("v"));
    struct chain chain = {NULL, NULL, 0};
    struct h1_writer writer;

    (void)arg;
    if (!pool)
        return;
    h1_write_start(&writer, &chain, pool);
    for (int i = 0; i < 1000; i++)
        h1_write_field(&writer, &x);
    if (h1_write_end(&writer))
        CHECK_EQ(chain.size, 6002);
    chain_clear(&chain);
    block_pool_free(pool);
}

TEST(a_head_that_finds_no_memory_is_told)
{
    test_every_allocation_fails(write_without_memory, NULL);
}
