/* test_h2_connect.c: extended CONNECT (RFC 8441) in HTTP/2's server role: what it is handed up as, what it becomes, and
 * how it breaks. SPDX-License-Identifier: Apache-2.0 */
#include "h2_stage.h"
#include "http/ws/upgrade.h"

#define CONNECT "\n:scheme: https\n:authority: example.test\n:path: /chat"

/* SETTINGS_ENABLE_CONNECT_PROTOCOL is announced. */
static void open_extended(struct h1_stage *stage)
{
    static struct h2_rules rules;
    static struct http_conn_options options;

    rules = h2_rules_default;
    rules.tunnels = true;
    options = (struct http_conn_options){
        .h2 = &rules, .read_timeout_ns = SECONDS, .write_timeout_ns = SECONDS, .body_gap_ns = SECONDS};
    h2_stage_open(stage, &options);
}

/* What is asked for is told, and answered, as over HTTP/1; a key of the client's has no meaning. */
static void check_upgrade(const char *lines, bool at_once)
{
    struct http_field accept = {STR("Sec-WebSocket-Accept"), STR("x"), HEADER_OTHER};
    struct http_head granted = {.status = 101,
                                .version_minor = 1,
                                .protocol = STR("websocket"),
                                .headers = {&accept, 1, 1},
                                .announced_bytes = -1};
    struct wire wire = wire_new();
    struct h1_stage stage;
    enum io io;

    open_extended(&stage);
    wire_request(&wire, 0, 1, lines);
    if (at_once)
        wire_frame(&wire, DATA, 0, 1, STR("early"));
    h2_send(&stage, &wire);
    stage_take(&stage);
    CHECK_TEXT(stage.head->method, "GET");
    CHECK_TEXT(stage.head->protocol, "websocket");
    CHECK_TEXT(stage.head->path, "/chat");
    CHECK_TEXT(stage.head->authority, "example.test");
    CHECK_INT(stage.head->body_bytes, 0);
    CHECK(ws_check_request(stage.head, &stage.err)); /* with a key that was made here */
    wire.len = 0;
    if (!at_once)
        wire_frame(&wire, DATA, 0, 1, STR("early"));
    h2_send(&stage, &wire);
    CHECK_TEXT(stage_body(&stage, &io), ""); /* what comes is of the new protocol */
    CHECK_EQ(io, IO_END);
    stage.stream->lasting = true;
    CHECK_EQ(http_send_head(stage.stream, &granted, false, &stage.err), IO_OK);
    CHECK_TEXT(h2_frames(&stage), "HEADERS 1 :status=200\n");
    CHECK_EQ(stage_send_body(&stage, STR("hello"), false), IO_OK);
    CHECK_TEXT(stage_body(&stage, &io), "early");
    CHECK_EQ(io, IO_WAIT);
    stage_pass(&stage, 10 * SECONDS); /* no clock of a request counts */
    CHECK_TEXT(h2_frames(&stage), "DATA 1 hello\n");
    wire.len = 0;
    wire_frame(&wire, DATA, END_STREAM, 1, STR("late"));
    h2_send(&stage, &wire);
    CHECK_TEXT(stage_body(&stage, &io), "late");
    CHECK_EQ(io, IO_END);
    CHECK_EQ(stage_send_body(&stage, STR("answer"), true), IO_OK);
    stage_done(&stage);
    CHECK_TEXT(h2_frames(&stage), "DATA 1 end answer\n");
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    stage_close(&stage);
}

TEST(h2_an_extended_connect_is_handed_up_as_an_upgrade)
{
    check_upgrade(":method: CONNECT\n:protocol: websocket" CONNECT "\nsec-websocket-version: 13", false);
    check_upgrade(":method: CONNECT\n:protocol: websocket" CONNECT
                  "\nsec-websocket-version: 13\nsec-websocket-key: theirs",
                  true);
}

TEST(h2_a_tunnel_that_breaks_is_cancelled)
{
    struct http_head granted = {.status = 101, .version_minor = 1, .protocol = STR("websocket"), .announced_bytes = -1};
    struct wire wire = wire_new();
    struct h1_stage stage;
    enum io io;

    open_extended(&stage);
    h2_ask(&stage, 0, 1, ":method: CONNECT\n:protocol: websocket" CONNECT);
    stage_take(&stage);
    CHECK_EQ(http_send_head(stage.stream, &granted, false, &stage.err), IO_OK);
    CHECK_TEXT(h2_frames(&stage), "HEADERS 1 :status=200\n");
    http_cancel(stage.stream, HTTP_CANCEL_ERROR);
    stage_done(&stage);
    CHECK_TEXT(h2_frames(&stage), "RST_STREAM 1 CANCEL\n");
    wire_request(&wire, 0, 3, ":method: CONNECT\n:protocol: websocket" CONNECT);
    wire_frame(&wire, RST_STREAM, 0, 3, wire_u32(8));
    h2_send(&stage, &wire);
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    wire.len = 0;
    wire_request(&wire, 0, 5, ":method: CONNECT\n:protocol: websocket" CONNECT);
    h2_send(&stage, &wire);
    stage_take(&stage);
    wire.len = 0;
    wire_frame(&wire, RST_STREAM, 0, 5, wire_u32(8));
    h2_send(&stage, &wire);
    CHECK(stage.stream->gone);
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_RESET);
    stage_done(&stage);
    stage_close(&stage);
}

TEST(h2_extended_connect_may_be_refused)
{
    const struct http_head no = stage_response(403, 0);
    struct h1_stage stage;

    open_extended(&stage);
    for (uint32_t id = 1; id < 5; id += 2) {
        h2_ask(&stage, 0, id,
               id == 1 ? ":method: CONNECT\n:protocol: websocket" CONNECT
                       : ":method: CONNECT\n:protocol: connect-udp" CONNECT);
        stage_take(&stage);
        CHECK_STR(stage.head->method, id == 1 ? STR("GET") : STR("CONNECT"));
        CHECK_EQ(http_send_head(stage.stream, &no, true, &stage.err), IO_OK);
        stage_done(&stage);
    }
    CHECK_TEXT(h2_frames(&stage), "HEADERS 1 end :status=403 content-length=0\nRST_STREAM 1 NO_ERROR\n"
                                  "HEADERS 3 end :status=403 content-length=0\nRST_STREAM 3 NO_ERROR\n");
    stage_close(&stage);
}

TEST(h2_an_extended_connect_that_is_wrong_is_refused)
{
    static const struct {
        const char *lines;
        enum error_code code;
        const char *frames;
    } rows[] = {
        {":method: GET\n:protocol: websocket" CONNECT, ERROR_NONE, "RST_STREAM 1 PROTOCOL_ERROR\n"},
        {":method: CONNECT\n:protocol: websocket\n:scheme: https\n:path: /", ERROR_NONE,
         "RST_STREAM 1 PROTOCOL_ERROR\n"},
        {":method: CONNECT\n:protocol: websocket\n:scheme: https\n:authority: example.test", ERROR_NONE,
         "RST_STREAM 1 PROTOCOL_ERROR\n"},
        {":method: CONNECT\n:protocol: websocket" CONNECT "\ncontent-length: 5", ERROR_BAD_UPGRADE, NULL},
        {":method: CONNECT\n:protocol: web socket" CONNECT, ERROR_BAD_UPGRADE, NULL},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct h1_stage stage;

        test_case_is("%s", rows[i].lines);
        open_extended(&stage);
        h2_ask(&stage, 0, 1, rows[i].lines);
        if (rows[i].code == ERROR_NONE) {
            CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
            CHECK_STR(h2_frames(&stage), str_from(rows[i].frames));
        } else {
            stage_accept(&stage);
            CHECK_EQ(stage_recv_head(&stage), IO_FAIL);
            CHECK_EQ(stage.err.code, rows[i].code);
            stage_done(&stage);
        }
        stage_close(&stage);
    }
}

TEST(h2_case_129_an_extended_connect_that_was_not_announced)
{
    struct h1_stage stage;

    h2_stage_open(&stage, NULL);
    h2_ask(&stage, 0, 1, ":method: CONNECT\n:protocol: websocket" CONNECT);
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    CHECK_TEXT(h2_frames(&stage), "RST_STREAM 1 PROTOCOL_ERROR\n");
    stage_close(&stage);
}
