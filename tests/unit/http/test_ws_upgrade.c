/* test_ws_upgrade.c: the opening handshake of WebSocket, both halves. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "http/ws/upgrade.h"

#define KEY    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

/* Fields as lines. */
static struct http_headers fields_of(const char *lines)
{
    struct http_headers headers = {0};
    struct str rest = str_from(lines), line;

    while (rest.len > 0 && str_split(&rest, '\n', &line)) {
        size_t colon = str_find_char(line, ':');

        CHECK(headers_add(&headers, test_arena(), str_first(line, colon), str_trim(str_from_offset(line, colon + 1))));
    }
    return headers;
}

static struct http_head request_of(const char *method, const char *lines)
{
    return (struct http_head){
        .method = str_from(method), .protocol = STR("websocket"), .version_minor = 1, .headers = fields_of(lines)};
}

TEST(the_key_of_the_rfc_is_accepted_as_it_says)
{
    char out[WS_ACCEPT_BYTES + 1];

    CHECK_TEXT(ws_accept(STR("dGhlIHNhbXBsZSBub25jZQ=="), out), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    CHECK(!ws_accept(STR("short"), out).data);
}

TEST(requests_are_checked)
{
    static const struct {
        const char *method, *lines;
        int64_t body_bytes;
        enum error_code code;
    } rows[] = {
        {"GET", KEY "\nSec-WebSocket-Version: 13", 0, ERROR_NONE},
        {"GET", "sec-websocket-version: 13\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==", 0, ERROR_NONE},
        {"POST", KEY "\nSec-WebSocket-Version: 13", 0, ERROR_BAD_UPGRADE},
        {"GET", KEY "\nSec-WebSocket-Version: 13", 5, ERROR_BAD_UPGRADE},
        {"GET", KEY "\nSec-WebSocket-Version: 13", -1, ERROR_BAD_UPGRADE},
        {"GET", "Sec-WebSocket-Version: 13", 0, ERROR_BAD_UPGRADE},
        {"GET", KEY "\n" KEY "\nSec-WebSocket-Version: 13", 0, ERROR_BAD_UPGRADE},
        {"GET", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\nSec-WebSocket-Version: 13", 0, ERROR_BAD_UPGRADE},
        {"GET", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=A\nSec-WebSocket-Version: 13", 0, ERROR_BAD_UPGRADE},
        {"GET", "Sec-WebSocket-Key: dGhlIHN=bXBsZSBub25jZQ==\nSec-WebSocket-Version: 13", 0, ERROR_BAD_UPGRADE},
        {"GET", KEY, 0, ERROR_BAD_UPGRADE},
        {"GET", KEY "\nSec-WebSocket-Version: 8", 0, ERROR_BAD_VERSION},
        {"GET", KEY "\nSec-WebSocket-Version: 13, 8", 0, ERROR_BAD_VERSION},
        {"GET", KEY "\nSec-WebSocket-Version: 13\nSec-WebSocket-Version: 13", 0, ERROR_BAD_UPGRADE},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_head head = request_of(rows[i].method, rows[i].lines);
        struct error err = {0};

        test_case_is("%s %s", rows[i].method, rows[i].lines);
        head.body_bytes = rows[i].body_bytes;
        CHECK_EQ(ws_check_request(&head, &err), rows[i].code == ERROR_NONE);
        CHECK_EQ(err.code, rows[i].code);
        CHECK(err.code == ERROR_NONE || err.fault == FAULT_CLIENT);
    }
}

TEST(subprotocols_are_narrowed)
{
    static const struct str allowed[] = {STR_INIT("chat"), STR_INIT("b")};
    static const struct {
        const char *lines, *left;
    } rows[] = {
        {"X: 1", NULL},
        {"Sec-WebSocket-Protocol: chat", "chat"},
        {"Sec-WebSocket-Protocol: a, chat, Chat", "chat"},
        {"Sec-WebSocket-Protocol: b,,c\nsec-websocket-protocol: chat", "b, chat"},
        {"Sec-WebSocket-Protocol: a", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_head head = request_of("GET", rows[i].lines);
        struct str left;

        test_case_is("%s", rows[i].lines);
        CHECK(ws_narrow_protocols(test_arena(), &head, allowed, COUNT_OF(allowed)));
        left = headers_get(&head.headers, STR("Sec-WebSocket-Protocol"));
        CHECK_EQ(left.data != NULL, rows[i].left != NULL);
        CHECK(!rows[i].left || str_eq(left, str_from(rows[i].left)));
    }
}

TEST(answers_are_checked_against_what_was_asked)
{
    static const struct {
        const char *asked, *lines, *protocol;
        bool good, compressed, other_bits;
    } rows[] = {
        {"", ACCEPT, "websocket", true, false, false},
        {"", ACCEPT, "WebSocket", true, false, false},
        {"", ACCEPT, "h2c", false, false, false},
        {"", "", "websocket", false, false, false},
        {"", ACCEPT "\n" ACCEPT, "websocket", false, false, false},
        {"", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=", "websocket", false, false, false},
        {"", ACCEPT "\nSec-WebSocket-Protocol: chat", "websocket", false, false, false},
        {"\nSec-WebSocket-Protocol: a, chat", ACCEPT "\nSec-WebSocket-Protocol: chat", "websocket", true, false, false},
        {"\nSec-WebSocket-Protocol: a\nSec-WebSocket-Protocol: chat", ACCEPT "\nSec-WebSocket-Protocol: chat",
         "websocket", true, false, false},
        {"\nSec-WebSocket-Protocol: a, chat", ACCEPT, "websocket", true, false, false},
        {"\nSec-WebSocket-Protocol: a", ACCEPT "\nSec-WebSocket-Protocol: a\nSec-WebSocket-Protocol: a", "websocket",
         false, false, false},
        {"", ACCEPT "\nSec-WebSocket-Extensions: permessage-deflate", "websocket", false, false, false},
        {"\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
         ACCEPT "\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover", "websocket", true, true,
         false},
        {"\nSec-WebSocket-Extensions: x-odd, permessage-deflate", ACCEPT "\nSec-WebSocket-Extensions: x-odd",
         "websocket", true, false, true},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str lines = arena_format(test_arena(), "%s%s", KEY, rows[i].asked);
        struct http_head request = request_of("GET", lines.data);
        struct http_head answer = {
            .status = 101, .protocol = str_from(rows[i].protocol), .headers = fields_of(rows[i].lines)};
        struct ws_agreement agreement;
        struct error err = {0};

        test_case_is("%zu: %s", i, rows[i].lines);
        CHECK_EQ(ws_check_answer(&request, &answer, &agreement, &err), rows[i].good);
        CHECK(rows[i].good || (err.code == ERROR_BAD_UPGRADE && err.fault == FAULT_UPSTREAM));
        CHECK(!rows[i].good || agreement.compressed == rows[i].compressed);
        CHECK(!rows[i].good || agreement.other_bits == rows[i].other_bits);
    }
}
