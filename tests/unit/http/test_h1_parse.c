/* test_h1_parse.c: the grammar of heads, with each scanner. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "http/h1/parse.h"

static const char *const scanners[] = {"scalar", "sse4.2", "avx2"};

static struct h1_parse parse_with(const char *name)
{
    return (struct h1_parse){.scanner = h1_scanner_named(name), .arena = test_arena(), .fields_max = H1_FIELDS_MAX};
}

struct request_row {
    const char *text;
    enum error_code code; /* ERROR_NONE: accepted */
    const char *method, *authority, *path;
    int minor;
};

static void check_request(const struct request_row *row, const char *scanner)
{
    struct h1_parse parse = parse_with(scanner);
    struct http_head head;
    struct error err = {0};

    test_case_is("%s, %s", row->text, scanner);
    if (!parse.scanner)
        return;
    if (!h1_parse_request(&parse, guard_copy(str_from(row->text)), &head, &err)) {
        CHECK_CSTR(error_code_name(err.code), error_code_name(row->code));
        CHECK_EQ(err.fault, FAULT_CLIENT);
        CHECK(err.text[0] != '\0');
        return;
    }
    CHECK_EQ(row->code, ERROR_NONE);
    CHECK_STR(head.method, str_from(row->method));
    CHECK_STR(head.authority, str_from(row->authority));
    CHECK_STR(head.path, str_from(row->path));
    CHECK_EQ(head.version_minor, row->minor);
    CHECK_INT(head.announced_bytes, -1);
}

static const struct request_row requests[] = {
    /* clang-format off */
    {"GET / HTTP/1.1\r\n\r\n", ERROR_NONE, "GET", "", "/", 1},
    {"GET / HTTP/1.0\r\n\r\n", ERROR_NONE, "GET", "", "/", 0},
    {"GET / HTTP/1.2\r\n\r\n", ERROR_NONE, "GET", "", "/", 1},
    {"GET / HTTP/1.9\r\n\r\n", ERROR_NONE, "GET", "", "/", 1},
    {"M-search_1 /a/b?c=d&e={f|g}[h] HTTP/1.1\r\n\r\n", ERROR_NONE, "M-search_1", "", "/a/b?c=d&e={f|g}[h]", 1},
    {"GET //evil.test/x HTTP/1.1\r\n\r\n", ERROR_NONE, "GET", "", "//evil.test/x", 1},
    {"GET /caf\xc3\xa9?q=\xff&r=%41 HTTP/1.1\r\n\r\n", ERROR_NONE, "GET", "", "/caf%C3%A9?q=%FF&r=%41", 1},
    {"GET http://a.test/\xe9 HTTP/1.1\r\n\r\n", ERROR_NONE, "GET", "a.test", "/%E9", 1},
    {"OPTIONS * HTTP/1.1\r\n\r\n", ERROR_NONE, "OPTIONS", "", "*", 1},
    {"GET http://a.test/p?q HTTP/1.1\r\n\r\n", ERROR_NONE, "GET", "a.test", "/p?q", 1},
    {"GET HTTPS://a.test:8080 HTTP/1.1\r\n\r\n", ERROR_NONE, "GET", "a.test:8080", "/", 1},
    {"GET http://a.test?x=/y HTTP/1.1\r\n\r\n", ERROR_NONE, "GET", "a.test", "/?x=/y", 1},
    {"OPTIONS http://a.test HTTP/1.1\r\n\r\n", ERROR_NONE, "OPTIONS", "a.test", "*", 1},
    {"GET http://[::1]:80/ HTTP/1.1\r\n\r\n", ERROR_NONE, "GET", "[::1]:80", "/", 1},
    {"CONNECT a.test:443 HTTP/1.1\r\n\r\n", ERROR_NONE, "CONNECT", "a.test:443", "", 1},
    {"CONNECT [::1]:443 HTTP/1.1\r\n\r\n", ERROR_NONE, "CONNECT", "[::1]:443", "", 1},

    {.text = "", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "GET", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "GET ", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "GET /", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "GET /\r\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "\r\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = " GET / HTTP/1.1\r\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "GET  / HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "GET\t/ HTTP/1.1\r\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "GET /  HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "GET /\tHTTP/1.1\r\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "GET / HTTP/1.1 \r\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "GET / HTTP/1.1x\r\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "GET / HTTP/1.10\r\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "GET / HTTP/1\r\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "GET / http/1.1\r\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "GET / HTTP/1,1\r\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "GET / HTTP/x.1\r\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "GET HTTP/1.1\r\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "GET  HTTP/1.1\r\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "GET /\r HTTP/1.1\r\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "GET / HTTP/1.1\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "G<T / HTTP/1.1\r\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "G\xc9T / HTTP/1.1\r\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "GET / HTTP/2.0\r\n\r\n", .code = ERROR_BAD_VERSION},
    {.text = "GET / HTTP/0.9\r\n\r\n", .code = ERROR_BAD_VERSION},
    {.text = "PRI * HTTP/2.0\r\n\r\n", .code = ERROR_BAD_VERSION},
    {.text = "GET * HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "GET *a HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "OPTIONS *a HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "GET a.test HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "GET ?a HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "GET ftp://a.test/ HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "GET http:/a.test/ HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "GET http:///p HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "GET http://:80/p HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "GET http://u@a.test/ HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "GET http://a.test:x/ HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "GET /a#b HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "GET /\xc3\xa9#b HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "GET \xc3\xa9 HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "GET http://\xc3\xa9/ HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "CONNECT \xc3\xa9:443 HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "GET /a\x7f HTTP/1.1\r\n\r\n", .code = ERROR_BAD_REQUEST_LINE},
    {.text = "CONNECT a.test HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "CONNECT a.test: HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "CONNECT :443 HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "CONNECT / HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "CONNECT http://a.test:443/ HTTP/1.1\r\n\r\n", .code = ERROR_BAD_TARGET},
    {.text = "GET /a HTTP/1.1\r\n", .code = ERROR_BAD_FIELD},
    {.text = "GET /a HTTP/1.1\r\n\r", .code = ERROR_BAD_FIELD},
    {.text = "GET /a HTTP/1.1\r\n\r\nx", .code = ERROR_BAD_FIELD},
    /* clang-format on */
};

TEST(request_lines_are_taken_or_refused)
{
    for (size_t i = 0; i < COUNT_OF(requests); i++)
        for (size_t k = 0; k < COUNT_OF(scanners); k++)
            check_request(&requests[i], scanners[k]);
}

struct field_row {
    struct str text; /* behind the start line */
    enum error_code code;
    const char *name, *value; /* of the last field */
};

static const struct field_row fields[] = {
    /* clang-format off */
    {STR_INIT("\r\n"), ERROR_NONE, NULL, NULL},
    {STR_INIT("X-A: b\r\n\r\n"), ERROR_NONE, "X-A", "b"},
    {STR_INIT("X-A:b\r\n\r\n"), ERROR_NONE, "X-A", "b"},
    {STR_INIT("X-A: \t b c \t \r\n\r\n"), ERROR_NONE, "X-A", "b c"},
    {STR_INIT("X-A:\r\n\r\n"), ERROR_NONE, "X-A", ""},
    {STR_INIT("X-A: \t\r\n\r\n"), ERROR_NONE, "X-A", ""},
    {STR_INIT("X-A: :b:\r\n\r\n"), ERROR_NONE, "X-A", ":b:"},
    {STR_INIT("X_a!#$%&'*+.^`|~0: caf\xc3\xa9\xff\r\n\r\n"), ERROR_NONE, "X_a!#$%&'*+.^`|~0", "caf\xc3\xa9\xff"},
    {STR_INIT("X-A: 1\r\nx-a: 2\r\nHost: h\r\n\r\n"), ERROR_NONE, "Host", "h"},

    {.text = STR_INIT("X-A\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT(": b\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X-A : b\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X-A\t: b\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X A: b\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT(" X-A: b\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X-A: b\r\n c\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X-A: b\r\n\tc\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X-A: b\r\n \r\nX-B: c\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X(A: b\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("\"X-A\": b\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X\\A: b\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X\xc9: b\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X\x85: b\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X\0A: b\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X\rA: b\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X\r: b\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X-A: a\rb\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X-A: a\r\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X-A: a\nX-B: b\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X-A: a\0b\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X-A: a\x07" "b\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X-A: a\x7f" "b\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X-A:\x0b" "b\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("\r\n\rX"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("\rX: a\r\n\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X-A: b\r\n"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X-A: b"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT("X-A"), .code = ERROR_BAD_FIELD},
    {.text = STR_INIT(""), .code = ERROR_BAD_FIELD},
    /* clang-format on */
};

static struct str join(struct str a, struct str b)
{
    char *text = arena_alloc(test_arena(), a.len + b.len + 1, 1);

    memcpy(text, a.data, a.len);
    memcpy(text + a.len, b.data, b.len);
    return guard_copy(str_of(text, a.len + b.len));
}

static void check_fields(const struct field_row *row, const struct http_head *head)
{
    const struct http_headers *headers = &head->headers;

    CHECK_EQ(row->code, ERROR_NONE);
    CHECK_EQ(headers->count > 0, row->name != NULL);
    if (!row->name)
        return;
    CHECK_STR(headers->fields[headers->count - 1].name, str_from(row->name));
    CHECK_STR(headers->fields[headers->count - 1].value, str_from(row->value));
    CHECK_EQ(headers->fields[headers->count - 1].id, header_id_of(str_from(row->name)));
}

static void check_field_row(const struct field_row *row, const char *scanner)
{
    struct h1_parse parse = parse_with(scanner);
    struct http_head head;
    struct error err = {0};

    if (!parse.scanner)
        return;
    if (h1_parse_request(&parse, join(STR("GET / HTTP/1.1\r\n"), row->text), &head, &err))
        check_fields(row, &head);
    else
        CHECK_CSTR(error_code_name(err.code), error_code_name(row->code));
    if (h1_parse_response(&parse, join(STR("HTTP/1.1 200 OK\r\n"), row->text), &head, &err)) {
        check_fields(row, &head);
    } else {
        CHECK_CSTR(error_code_name(err.code), error_code_name(row->code));
        CHECK_EQ(err.fault, FAULT_UPSTREAM);
    }
    if (h1_parse_trailers(&parse, guard_copy(row->text), FAULT_CLIENT, &head, &err))
        check_fields(row, &head);
    else
        CHECK_CSTR(error_code_name(err.code), error_code_name(row->code));
    parse.arena = NULL;
    CHECK_EQ(h1_parse_trailers(&parse, guard_copy(row->text), FAULT_CLIENT, &head, &err), row->code == ERROR_NONE);
}

TEST(field_lines_are_taken_or_refused)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        for (size_t k = 0; k < COUNT_OF(scanners); k++) {
            test_case_is("row %zu, %s", i, scanners[k]);
            check_field_row(&fields[i], scanners[k]);
        }
}

static const struct {
    const char *text;
    enum error_code code;
    int status, minor;
} responses[] = {
    /* clang-format off */
    {"HTTP/1.1 200 OK\r\n\r\n", ERROR_NONE, 200, 1},
    {"HTTP/1.0 404 Not Found\r\n\r\n", ERROR_NONE, 404, 0},
    {"HTTP/1.3 100 \r\n\r\n", ERROR_NONE, 100, 1},
    {"HTTP/1.1 204\r\n\r\n", ERROR_NONE, 204, 1},
    {"HTTP/1.1 999 caf\xe9\tx\r\n\r\n", ERROR_NONE, 999, 1},
    {.text = "", .code = ERROR_BAD_STATUS_LINE},
    {.text = "HTTP/1.1\r\n\r\n", .code = ERROR_BAD_STATUS_LINE},
    {.text = "HTTP/1.1 \r\n\r\n", .code = ERROR_BAD_STATUS_LINE},
    {.text = "HTTP/1.1 20\r\n\r\n", .code = ERROR_BAD_STATUS_LINE},
    {.text = "HTTP/1.1  200 OK\r\n\r\n", .code = ERROR_BAD_STATUS_LINE},
    {.text = "HTTP/1.1\t200 OK\r\n\r\n", .code = ERROR_BAD_STATUS_LINE},
    {.text = "HTTP/1.1 2000 OK\r\n\r\n", .code = ERROR_BAD_STATUS_LINE},
    {.text = "HTTP/1.1 200OK\r\n\r\n", .code = ERROR_BAD_STATUS_LINE},
    {.text = "HTTP/1.1 099 Low\r\n\r\n", .code = ERROR_BAD_STATUS_LINE},
    {.text = "HTTP/1.1 abc OK\r\n\r\n", .code = ERROR_BAD_STATUS_LINE},
    {.text = "HTTP/1.1 -20 OK\r\n\r\n", .code = ERROR_BAD_STATUS_LINE},
    {.text = "HTTP/1.1 200 O\rK\r\n\r\n", .code = ERROR_BAD_STATUS_LINE},
    {.text = "HTTP/1.1 200 O\x01K\r\n\r\n", .code = ERROR_BAD_STATUS_LINE},
    {.text = " HTTP/1.1 200 OK\r\n\r\n", .code = ERROR_BAD_STATUS_LINE},
    {.text = "http/1.1 200 OK\r\n\r\n", .code = ERROR_BAD_STATUS_LINE},
    {.text = "ICY 200 OK\r\n\r\n", .code = ERROR_BAD_STATUS_LINE},
    {.text = "HTTP/2.0 200 OK\r\n\r\n", .code = ERROR_BAD_VERSION},
    {.text = "HTTP/0.9 200 OK\r\n\r\n", .code = ERROR_BAD_VERSION},
    {.text = "HTTP/1.1 200 OK\n\r\n", .code = ERROR_BAD_STATUS_LINE},
    {.text = "HTTP/1.1 200 OK\r\n", .code = ERROR_BAD_FIELD},
    /* clang-format on */
};

TEST(status_lines_are_taken_or_refused)
{
    for (size_t i = 0; i < COUNT_OF(responses); i++)
        for (size_t k = 0; k < COUNT_OF(scanners); k++) {
            struct h1_parse parse = parse_with(scanners[k]);
            struct http_head head;
            struct error err = {0};

            test_case_is("%s, %s", responses[i].text, scanners[k]);
            if (!parse.scanner)
                continue;
            if (!h1_parse_response(&parse, guard_copy(str_from(responses[i].text)), &head, &err)) {
                CHECK_CSTR(error_code_name(err.code), error_code_name(responses[i].code));
                continue;
            }
            CHECK_EQ(responses[i].code, ERROR_NONE);
            CHECK_EQ(head.status, responses[i].status);
            CHECK_EQ(head.version_minor, responses[i].minor);
            CHECK_EQ(head.method.len, 0);
        }
}

/* Heads of n repeated pieces, to reach limits and the borders of windows. */
static struct str repeat(const char *first, const char *piece, size_t count, const char *last)
{
    size_t len = strlen(piece), at = strlen(first);
    char *text = arena_alloc(test_arena(), at + len * count + strlen(last) + 1, 1);

    memcpy(text, first, at);
    for (size_t i = 0; i < count; i++, at += len)
        memcpy(text + at, piece, len);
    memcpy(text + at, last, strlen(last));
    return guard_copy(str_of(text, at + strlen(last)));
}

static enum error_code parse_code(struct str text, uint32_t *count)
{
    struct h1_parse parse = parse_with(h1_scanner_best()->name);
    struct http_head head;
    struct error err = {0};
    bool ok = h1_parse_request(&parse, text, &head, &err);

    if (count)
        *count = head.headers.count;
    return ok ? ERROR_NONE : err.code;
}

TEST(limits_are_kept)
{
    static const char line[] = "GET / HTTP/1.1\r\n";
    uint32_t count;

    CHECK_EQ(parse_code(repeat(line, "X-A: b\r\n", H1_FIELDS_MAX, "\r\n"), &count), ERROR_NONE);
    CHECK_EQ(count, H1_FIELDS_MAX);
    CHECK_EQ(parse_code(repeat(line, "X-A: b\r\n", H1_FIELDS_MAX + 1, "\r\n"), NULL), ERROR_HEAD_TOO_LARGE);
    CHECK_EQ(parse_code(repeat("GET /", "a", H1_LINE_BYTES_MAX - 14, " HTTP/1.1\r\n\r\n"), NULL), ERROR_NONE);
    CHECK_EQ(parse_code(repeat("GET /", "a", H1_LINE_BYTES_MAX - 13, " HTTP/1.1\r\n\r\n"), NULL),
             ERROR_TARGET_TOO_LONG);
    CHECK_EQ(parse_code(repeat("GET / HTTP/1.1\r\n", "a", H1_NAME_BYTES_MAX, ": b\r\n\r\n"), NULL), ERROR_NONE);
    CHECK_EQ(parse_code(repeat("GET / HTTP/1.1\r\n", "a", H1_NAME_BYTES_MAX + 1, ": b\r\n\r\n"), NULL),
             ERROR_HEAD_TOO_LARGE);
    CHECK_EQ(parse_code(repeat("GET / HTTP/1.1\r\nX: ", "a", 1000000, "\r\n\r\n"), &count), ERROR_NONE);
    CHECK_EQ(count, 1);
}

TEST(fields_are_right_at_every_border_of_a_window)
{
    for (size_t pad = H1_WINDOW_BYTES - 80; pad < H1_WINDOW_BYTES + 10; pad++) {
        struct h1_parse parse = parse_with(h1_scanner_best()->name);
        struct str text = repeat("GET / HTTP/1.1\r\nX: ", "a", pad, "\r\nX-Next: value\r\nHost: h\r\n\r\n");
        struct http_head head;

        test_case_is("%zu bytes before", pad);
        CHECK(h1_parse_request(&parse, text, &head, NULL));
        CHECK_EQ(head.headers.count, 3);
        CHECK_EQ(head.headers.fields[0].value.len, pad);
        CHECK_TEXT(head.headers.fields[1].name, "X-Next");
        CHECK_TEXT(head.headers.fields[1].value, "value");
        CHECK_TEXT(head.headers.fields[2].value, "h");
    }
}

static void parse_in_small_arena(void *arg)
{
    struct arena *arena = arena_new(NULL, 1 << 20);
    struct h1_parse parse = {.scanner = h1_scanner_best(), .arena = arena, .fields_max = 256};
    struct str text = *(const struct str *)arg;
    struct http_head head;
    struct error err;

    if (arena && !h1_parse_request(&parse, text, &head, &err))
        CHECK_EQ(err.code, ERROR_OUT_OF_MEMORY);
    arena_free(arena);
}

TEST(a_head_that_finds_no_memory_is_refused)
{
    struct str text = repeat("GET http://a?x HTTP/1.1\r\n", "X-A: b\r\n", 200, "\r\n");

    test_every_allocation_fails(parse_in_small_arena, &text);
}
