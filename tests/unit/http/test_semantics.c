/* test_semantics.c: what fields mean: framing, hosts, hop-by-hop fields, trailers. SPDX-License-Identifier: Apache-2.0
 */
#include "harness/test.h"
#include "http/semantics.h"

/* "name: value\n" lines to fields. */
static struct http_headers fields_of(const char *lines)
{
    struct http_headers headers = {0};
    struct str rest = str_from(lines), line;

    while (rest.len > 0 && str_split(&rest, '\n', &line)) {
        size_t colon = str_find_char(line, ':');

        CHECK(headers_add(&headers, test_arena(), guard_copy(str_first(line, colon)),
                          guard_copy(str_trim(str_from_offset(line, colon + 1)))));
    }
    return headers;
}

/* The names of the fields that are left, each with a space behind it. */
static struct str names_left(const struct http_head *head)
{
    char *text = arena_zero(test_arena(), 512);

    for (uint32_t i = 0; i < head->headers.count; i++) {
        strncat(text, head->headers.fields[i].name.data, head->headers.fields[i].name.len);
        strcat(text, " ");
    }
    return str_from(text);
}

enum { OLD = 1, CLOSE = 2, KEEP = 4, CHUNKED = 8, EXPECTS = 16, UNTIL_CLOSE = 32, SUSPECT = 64 };

struct request_row {
    const char *fields;
    int flags; /* OLD is of the input, the others of the result */
    enum error_code code;
    int64_t body_bytes, announced_bytes;
    const char *authority, *left;
};

static const struct request_row requests[] = {
    /* clang-format off */
    {"Host: a", 0, ERROR_NONE, 0, -1, "a", ""},
    {"Host: a\nX-A: b", 0, ERROR_NONE, 0, -1, "a", "X-A "},
    {"X-A: b", OLD, ERROR_NONE, 0, -1, "", "X-A "},
    {"Host: a:80\n", 0, ERROR_NONE, 0, -1, "a:80", ""},
    {"Host: a:", 0, ERROR_NONE, 0, -1, "a", ""},
    {"Host:", 0, ERROR_NONE, 0, -1, "", ""},
    {.fields = "", .flags = 0, .code = ERROR_BAD_HOST},
    {.fields = "Host: a\nHost: a", .flags = 0, .code = ERROR_BAD_HOST},
    {.fields = "Host: a\nHost: b", .flags = OLD, .code = ERROR_BAD_HOST},
    {.fields = "Host: a b", .flags = 0, .code = ERROR_BAD_HOST},
    {.fields = "Host: u@a", .flags = OLD, .code = ERROR_BAD_HOST},

    {"Host: a\nContent-Length: 5", 0, ERROR_NONE, 5, 5, "a", "Content-Length "},
    {"Host: a\nContent-Length: 0", 0, ERROR_NONE, 0, 0, "a", "Content-Length "},
    {"Host: a\nContent-Length: 00000000000000000000000000000000000005", 0, ERROR_NONE, 5, 5, "a", "Content-Length "},
    {"Host: a\nContent-Length: 9223372036854775807", 0, ERROR_NONE, INT64_MAX, INT64_MAX, "a", "Content-Length "},
    {.fields = "Host: a\nContent-Length: 9223372036854775808", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nContent-Length: 18446744073709551616", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nContent-Length: 18446744073709551621", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nContent-Length:", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nContent-Length: +5", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nContent-Length: -5", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nContent-Length: 5 5", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nContent-Length: 5, 5", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nContent-Length: 5,", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nContent-Length: 5\nContent-Length: 5", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nContent-Length: 5\nContent-Length: 6", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nContent-Length:\nContent-Length: 5", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nContent-Length: 5e0", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nContent-Length: 0x5", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nContent-Length: 5_0", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nContent-Length: \xa0" "5", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nContent-Length: \xd9\xa5", .flags = 0, .code = ERROR_BAD_FRAMING},

    {"Host: a\nTransfer-Encoding: chunked", CHUNKED, ERROR_NONE, -1, -1, "a", ""},
    {"Host: a\ntRANSFER-eNCODING: cHUNKED", CHUNKED, ERROR_NONE, -1, -1, "a", ""},
    {.fields = "Host: a\nTransfer-Encoding: chunked", .flags = OLD, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nTransfer-Encoding: chunked\nContent-Length: 5", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nContent-Length: 5\nTransfer-Encoding: chunked", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nContent-Length: 5\nTransfer-Encoding: identity", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nTransfer-Encoding: chunked\nTransfer-Encoding: identity", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nTransfer-Encoding: gzip", .flags = 0, .code = ERROR_BAD_CODING},
    {.fields = "Host: a\nTransfer-Encoding: xchunked", .flags = 0, .code = ERROR_BAD_CODING},
    {.fields = "Host: a\nTransfer-Encoding: gzip, chunked", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nTransfer-Encoding: chunked, identity", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nTransfer-Encoding: ,chunked", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nTransfer-Encoding: \"chunked\"", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nTransfer-Encoding: chunked\xff", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nTransfer-Encoding:", .flags = 0, .code = ERROR_BAD_FRAMING},

    {"Host: a\nConnection: close", CLOSE, ERROR_NONE, 0, -1, "a", ""},
    {"Host: a\nConnection: Keep-Alive", KEEP, ERROR_NONE, 0, -1, "a", ""},
    {"Host: a\nConnection: keep-alive, close", OLD | KEEP | CLOSE, ERROR_NONE, 0, -1, "a", ""},
    {"Host: a\nConnection: not-closed\nConnection: closed", 0, ERROR_NONE, 0, -1, "a", ""},
    {"Host: a\nConnection:  foo ,, CLOSE  ,bar\nfoo: 1\nBar: 2\nBaz: 3", CLOSE, ERROR_NONE, 0, -1, "a", "Baz "},
    {"Host: a\nConnection: X-One\nConnection: close\nX-One: 1", CLOSE, ERROR_NONE, 0, -1, "a", ""},
    {"Host: a\nX-Secret: 1\nConnection: x-secret\nX-Secret: 2", 0, ERROR_NONE, 0, -1, "a", ""},
    {.fields = "Host: a\nConnection: Host", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nConnection: close, content-length\nContent-Length: 1", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nConnection: Authorization", .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Host: a\nConnection: Cookie", .flags = 0, .code = ERROR_BAD_FRAMING},
    {"Host: a\nConnection: Transfer-Encoding\nTransfer-Encoding: chunked", CHUNKED, ERROR_NONE, -1, -1, "a", ""},
    {"Host: a\nConnection: X-Forwarded-For, Cache-Control\nX-Forwarded-For: 1\nCache-Control: x", 0, ERROR_NONE, 0, -1,
     "a", "X-Forwarded-For Cache-Control "},
    {"Host: a\nProxy-Connection: close\nKeep-Alive: timeout=5\nTE: trailers\nTrailer: X\nUpgrade: websocket\n"
     "HTTP2-Settings: x\nProxy-Authorization: y\nProxy-Authenticate: z\nX: 1", 0, ERROR_NONE, 0, -1, "a",
     "Trailer Proxy-Authenticate X "},

    {"Host: a\nExpect: 100-continue\nContent-Length: 5", EXPECTS, ERROR_NONE, 5, 5, "a", "Expect Content-Length "},
    {"Host: a\nExpect: foo, 100-Continue", EXPECTS, ERROR_NONE, 0, -1, "a", "Expect "},
    {"Host: a\nExpect: the-spanish-inquisition", 0, ERROR_BAD_EXPECTATION, 0, 0, NULL, NULL},
    {"Host: a\nExpect: 100-continue\nContent-Length: 5", OLD, ERROR_NONE, 5, 5, "a", "Content-Length "},
    /* clang-format on */
};

static void check_request(const struct request_row *row)
{
    struct http_head head = {.version_minor = row->flags & OLD ? 0 : 1, .headers = fields_of(row->fields)};
    struct http_framing framing;
    struct error err = {0};

    test_case_is("%s", row->fields);
    if (!semantics_request(&head, &framing, &err)) {
        CHECK_CSTR(error_code_name(err.code), error_code_name(row->code));
        CHECK_EQ(err.fault, FAULT_CLIENT);
        return;
    }
    CHECK_EQ(row->code, ERROR_NONE);
    CHECK_INT(head.body_bytes, row->body_bytes);
    CHECK_INT(head.announced_bytes, row->announced_bytes);
    CHECK_STR(head.authority, str_from(row->authority));
    CHECK_STR(names_left(&head), str_from(row->left));
    CHECK_EQ(framing.close, (row->flags & CLOSE) != 0);
    CHECK_EQ(framing.keep_alive, (row->flags & KEEP) != 0);
    CHECK_EQ(framing.chunked, (row->flags & CHUNKED) != 0);
    CHECK_EQ(head.expect_continue, (row->flags & EXPECTS) != 0);
    CHECK(!framing.until_close && !framing.suspect);
}

TEST(requests_are_understood_or_refused)
{
    for (size_t i = 0; i < COUNT_OF(requests); i++)
        check_request(&requests[i]);
}

TEST(the_authority_of_the_target_wins_over_host)
{
    struct http_head head = {.version_minor = 1, .authority = STR("b.test:"), .headers = fields_of("Host: a.test")};
    struct http_framing framing;
    struct error err;

    CHECK(semantics_request(&head, &framing, &err));
    CHECK_TEXT(head.authority, "b.test");
    head = (struct http_head){.version_minor = 1, .authority = STR("b.test"), .headers = fields_of("X: y")};
    CHECK(!semantics_request(&head, &framing, &err));
    CHECK_EQ(err.code, ERROR_BAD_HOST);
    head = (struct http_head){.version_minor = 1, .authority = STR("b.test"), .headers = fields_of("Host: a b")};
    CHECK(!semantics_request(&head, &framing, &err));
}

struct response_row {
    const char *fields;
    int status, flags;
    enum error_code code;
    int64_t body_bytes, announced_bytes;
    const char *left;
};

enum { TO_HEAD = 128 };

static const struct response_row responses[] = {
    /* clang-format off */
    {"Content-Length: 5", 200, 0, ERROR_NONE, 5, 5, "Content-Length "},
    {"Content-Length: 5\nContent-Length: 5", 200, 0, ERROR_NONE, 5, 5, "Content-Length "},
    {"Content-Length: 5, 5 ,5", 200, 0, ERROR_NONE, 5, 5, "Content-Length "},
    {.fields = "Content-Length: 5\nContent-Length: 50", .status = 200, .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Content-Length: 5, 6", .status = 200, .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Content-Length: 5,", .status = 200, .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Content-Length: 18446744073709551621", .status = 200, .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Content-Length: +5", .status = 200, .flags = 0, .code = ERROR_BAD_FRAMING},
    {"", 200, UNTIL_CLOSE, ERROR_NONE, -1, -1, ""},
    {"", 200, OLD | UNTIL_CLOSE, ERROR_NONE, -1, -1, ""},
    {"", 205, UNTIL_CLOSE, ERROR_NONE, -1, -1, ""},
    {"Transfer-Encoding: chunked", 200, CHUNKED, ERROR_NONE, -1, -1, ""},
    {"Transfer-Encoding: chunked", 205, CHUNKED, ERROR_NONE, -1, -1, ""},
    {.fields = "Transfer-Encoding: chunked", .status = 200, .flags = OLD, .code = ERROR_BAD_FRAMING},
    {.fields = "Transfer-Encoding: chunked\nContent-Length: 5", .status = 200, .flags = 0, .code = ERROR_BAD_FRAMING},
    {.fields = "Transfer-Encoding: gzip", .status = 200, .flags = 0, .code = ERROR_BAD_CODING},
    {.fields = "Transfer-Encoding: chunked\nTransfer-Encoding: chunked", .status = 200, .flags = 0, .code = ERROR_BAD_FRAMING},
    {"Content-Length: 5", 200, TO_HEAD, ERROR_NONE, 0, 5, "Content-Length "},
    {"Transfer-Encoding: chunked", 200, TO_HEAD, ERROR_NONE, 0, -1, ""},
    {"", 200, TO_HEAD, ERROR_NONE, 0, -1, ""},
    {"Content-Length: 5\nETag: x", 304, 0, ERROR_NONE, 0, 5, "Content-Length ETag "},
    {"", 204, 0, ERROR_NONE, 0, -1, ""},
    {"Content-Length: 0", 204, 0, ERROR_NONE, 0, 0, "Content-Length "},
    {"Content-Length: 5", 204, SUSPECT, ERROR_NONE, 0, 5, "Content-Length "},
    {"Transfer-Encoding: chunked", 204, SUSPECT, ERROR_NONE, 0, -1, ""},
    {"Content-Length: 5", 100, SUSPECT, ERROR_NONE, 0, 5, "Content-Length "},
    {"", 199, 0, ERROR_NONE, 0, -1, ""},
    {"Connection: Transfer-Encoding\nTransfer-Encoding: chunked", 200, CHUNKED, ERROR_NONE, -1, -1, ""},
    {"Connection: Content-Length\nContent-Length: 5", 200, 0, ERROR_NONE, 5, 5, "Content-Length "},
    {"Connection: X-Hop, close\nX-Hop: 1\nKeep-Alive: timeout=5\nContent-Length: 0", 200, CLOSE, ERROR_NONE, 0, 0,
     "Content-Length "},
    {"Connection: keep-alive\nContent-Length: 0\nSet-Cookie: a\nProxy-Authenticate: b\nProxy-Authorization: c", 200,
     OLD | KEEP, ERROR_NONE, 0, 0, "Content-Length Set-Cookie Proxy-Authenticate Proxy-Authorization "},
    {"Host: x\nContent-Length: 0", 200, 0, ERROR_NONE, 0, 0, "Content-Length "},
    /* clang-format on */
};

static void check_response(const struct response_row *row)
{
    struct http_head head = {
        .status = (uint16_t)row->status, .version_minor = row->flags & OLD ? 0 : 1, .headers = fields_of(row->fields)};
    struct http_framing framing;
    struct error err = {0};

    test_case_is("%d with %s", row->status, row->fields);
    if (!semantics_response(&head, row->flags & TO_HEAD, &framing, &err)) {
        CHECK_CSTR(error_code_name(err.code), error_code_name(row->code));
        CHECK_EQ(err.fault, FAULT_UPSTREAM);
        return;
    }
    CHECK_EQ(row->code, ERROR_NONE);
    CHECK_INT(head.body_bytes, row->body_bytes);
    CHECK_INT(head.announced_bytes, row->announced_bytes);
    CHECK_STR(names_left(&head), str_from(row->left));
    CHECK_EQ(framing.close, (row->flags & CLOSE) != 0);
    CHECK_EQ(framing.keep_alive, (row->flags & KEEP) != 0);
    CHECK_EQ(framing.chunked, (row->flags & CHUNKED) != 0);
    CHECK_EQ(framing.until_close, (row->flags & UNTIL_CLOSE) != 0);
    CHECK_EQ(framing.suspect, (row->flags & SUSPECT) != 0);
}

TEST(responses_are_understood_or_refused)
{
    for (size_t i = 0; i < COUNT_OF(responses); i++)
        check_response(&responses[i]);
}

TEST(hints_of_keep_alive_are_read_leniently)
{
    static const struct {
        const char *value;
        int timeout_s, max;
    } rows[] = {
        {"timeout=5", 5, -1},
        {"timeout=20, max=100", 20, 100},
        {"Max=7 ,TIMEOUT = 3", 3, 7},
        {"timeout=0", 0, -1},
        {"timeout=", -1, -1},
        {"timeout=-1, max=x", -1, -1},
        {"timeout=99999999999999, max=4", 1000000000, 4},
        {"timeout=99999999999999999999999", -1, -1},
        {"115", -1, -1},
        {"", -1, -1},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_head head = {.status = 200, .version_minor = 1};
        struct http_framing framing;
        struct error err;

        test_case_is("%s", rows[i].value);
        CHECK(headers_add(&head.headers, test_arena(), STR("Keep-Alive"), guard_copy(str_from(rows[i].value))));
        CHECK(semantics_response(&head, false, &framing, &err));
        CHECK_INT(framing.hint_timeout_s, rows[i].timeout_s);
        CHECK_INT(framing.hint_max, rows[i].max);
    }
}

TEST(connection_cannot_name_fields_without_end)
{
    struct http_head head = {.version_minor = 1, .headers = fields_of("Host: a")};
    struct http_framing framing;
    struct error err;

    for (int i = 0; i < 32; i++)
        CHECK(headers_add(&head.headers, test_arena(), STR("Connection"), STR("x-y")));
    CHECK(semantics_request(&head, &framing, &err));
    head.headers = fields_of("Host: a");
    for (int i = 0; i < 33; i++)
        CHECK(headers_add(&head.headers, test_arena(), STR("Connection"), STR("x-y")));
    CHECK(!semantics_request(&head, &framing, &err));
    CHECK_EQ(err.code, ERROR_BAD_FRAMING);
}

TEST(who_keeps_trailers_says_so)
{
    static const struct {
        const char *fields;
        uint8_t version_minor;
        bool trailers;
    } rows[] = {
        {"Host: a", 1, false},
        {"Host: a\nTE: trailers", 1, true},
        {"Host: a\nTE: gzip;q=0.5, Trailers", 1, true},
        {"Host: a\nTE: gzip\nTE: trailers\nConnection: TE", 1, true},
        {"Host: a\nTE: trailers-not", 1, false},
        {"Host: a\nTE: gzip", 1, false},
        {"Host: a\nTE: trailers", 0, false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_head head = {.version_minor = rows[i].version_minor, .headers = fields_of(rows[i].fields)};
        struct http_framing framing;
        struct error err;

        test_case_is("%s", rows[i].fields);
        CHECK(semantics_request(&head, &framing, &err));
        CHECK_EQ(head.trailers, rows[i].trailers);
    }
}

TEST(trailers_lose_what_may_not_stand_there)
{
    struct http_head head = {
        .headers = fields_of("X-T: 1\nContent-Length: 9\nHost: a\nSet-Cookie: evil=1\ntransfer-encoding: chunked\n"
                             "Authorization: x\ncontent-type: y\nGrpc-Status: 0\nConnection: close\nIf-Match: z\n"
                             "X-Forwarded-For: 1\nx-forwarded-anything: 2\nServer-Timing: 3\nTrailer: q")};

    semantics_trailers(&head);
    CHECK_TEXT(names_left(&head), "X-T Grpc-Status Server-Timing ");
}

TEST(authorities_are_hosts_and_ports)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"", true},
        {"example.test", true},
        {"EXAMPLE.test.", true},
        {"a_b-c~d", true},
        {"10.0.0.1:8080", true},
        {"a:0", true},
        {"a:", true},
        {"a:65535", true},
        {"[::1]", true},
        {"[2001:db8::1]:443", true},
        {"%41b", true},
        {"a:65536", false},
        {"a:99999", false},
        {"a:-1", false},
        {"a:8 0", false},
        {"a:80:80", false},
        {":80", false},
        {":", false},
        {"a b", false},
        {"a, b", false},
        {"a,b", false},
        {"u@a", false},
        {"a/b", false},
        {"a?b", false},
        {"a#b", false},
        {"a\\b", false},
        {"a\tb", false},
        {"<a>", false},
        {"%4", false},
        {"%zz", false},
        {"[::1", false},
        {"[]", false},
        {"[]:80", false},
        {"[10.0.0.1]", false},
        {"[::1]a", false},
        {"::1", false},
        {"ex\xc3\xa4mple", false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_case_is("%s", rows[i].text);
        CHECK_EQ(authority_is_valid(guard_copy(str_from(rows[i].text))), rows[i].valid);
    }
}
