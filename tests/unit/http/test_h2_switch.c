/* test_h2_switch.c: extended CONNECT to HTTP/2's server role (RFC 8441), and windows that several streams share.
 * SPDX-License-Identifier: Apache-2.0 */
#include "h2_stage.h"
#include "http/ws/upgrade.h"

/* RFC 8441: what asks for a WebSocket is told, and answered, as over HTTP/1. */
TEST(h2_extended_connect_is_a_request_to_switch)
{
    const struct h2_rules rules = {.streams_max = 10,
                                   .head_bytes_max = 65536,
                                   .stream_window = 65535,
                                   .connection_window = 524288,
                                   .glitches_max = 1000,
                                   .tunnels = true};
    const struct http_conn_options options = {.h2 = &rules, .read_timeout_ns = SECONDS, .body_gap_ns = SECONDS};
    struct http_field accept = {STR("Sec-WebSocket-Accept"), STR("x"), HEADER_OTHER};
    struct http_head grant = {.status = 101, .protocol = STR("websocket"), .headers = {&accept, 1, 1}};
    struct wire wire = wire_new();
    struct h1_stage stage;
    enum io io;

    h2_stage_open(&stage, &options);
    wire_request(&wire, 0, 1,
                 ":method: CONNECT\n:protocol: websocket\n:scheme: https\n:path: /chat\n"
                 ":authority: example.test\nsec-websocket-version: 13\nsec-websocket-key: theirs");
    wire_frame(&wire, DATA, 0, 1, STR("early"));
    h2_send(&stage, &wire);
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_TEXT(stage.head->method, "GET");
    CHECK_TEXT(stage.head->path, "/chat");
    CHECK_TEXT(stage.head->protocol, "websocket");
    CHECK_INT(stage.head->body_bytes, 0);
    CHECK(ws_check_request(stage.head, &stage.err));
    CHECK_TEXT(stage_body(&stage, &io), "");
    CHECK_EQ(io, IO_END);
    stage.stream->lasting = true;
    CHECK_EQ(http_send_head(stage.stream, &grant, false, &stage.err), IO_OK);
    CHECK_EQ(stage_send_body(&stage, STR("hello"), false), IO_OK);
    CHECK_TEXT(stage_body(&stage, &io), "early");
    CHECK_EQ(io, IO_WAIT);
    stage_pass(&stage, 5 * SECONDS);
    CHECK_TEXT(h2_frames(&stage), "HEADERS 1 :status=200\nDATA 1 hello\n");
    wire.len = 0;
    wire_frame(&wire, DATA, END_STREAM, 1, STR("bye"));
    h2_send(&stage, &wire);
    CHECK_TEXT(stage_body(&stage, &io), "bye");
    CHECK_EQ(io, IO_END);
    CHECK_EQ(stage_send_body(&stage, STR("bye"), true), IO_OK);
    CHECK_TEXT(h2_frames(&stage), "DATA 1 end bye\n");
    stage_done(&stage);
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    stage_close(&stage);
}

TEST(h2_extended_connect_may_be_refused)
{
    const struct h2_rules rules = {.streams_max = 10,
                                   .head_bytes_max = 65536,
                                   .stream_window = 65535,
                                   .connection_window = 524288,
                                   .tunnels = true};
    const struct http_conn_options options = {.h2 = &rules};
    const struct http_head no = stage_response(403, 0);
    struct h1_stage stage;

    h2_stage_open(&stage, &options);
    for (uint32_t id = 1; id < 5; id += 2) {
        struct wire wire = wire_new();

        wire_request(&wire, 0, id,
                     id == 1 ? ":method: CONNECT\n:protocol: websocket\n:scheme: https\n:path: /chat\n"
                               ":authority: example.test"
                             : ":method: CONNECT\n:protocol: connect-udp\n:scheme: https\n:path: /\n"
                               ":authority: example.test");
        h2_send(&stage, &wire);
        stage_accept(&stage);
        stage_head(&stage);
        CHECK_STR(stage.head->method, id == 1 ? STR("GET") : STR("CONNECT"));
        CHECK_EQ(http_send_head(stage.stream, &no, true, &stage.err), IO_OK);
        stage_done(&stage);
    }
    CHECK_TEXT(h2_frames(&stage), "HEADERS 1 end :status=403 content-length=0\nRST_STREAM 1 NO_ERROR\n"
                                  "HEADERS 3 end :status=403 content-length=0\nRST_STREAM 3 NO_ERROR\n");
    stage_close(&stage);
}

/* Two bodies that nobody reads hold most of the window of all: what is left must do for the third. */
TEST(h2_unread_bodies_do_not_hold_up_the_others)
{
    struct str big = str_of(arena_zero(test_arena(), 16384), 16384);
    struct wire wire = wire_new();
    struct h1_stage stage;
    struct http_stream *slow[2];
    enum io io;

    h2_stage_open(&stage, NULL);
    for (uint32_t id = 1; id < 6; id += 2)
        wire_request(&wire, 0, id, "POST /");
    for (int i = 0; i < 16; i++)
        wire_frame(&wire, DATA, 0, i % 2 == 0 ? 1 : 3, big);
    h2_send(&stage, &wire);
    for (int i = 0; i < 2; i++) {
        stage_accept(&stage);
        slow[i] = stage.stream;
        stage_head(&stage);
        stage.stream = NULL;
    }
    stage_accept(&stage);
    stage_head(&stage);
    for (int i = 0; i < 64; i++) {
        wire.len = 0;
        wire_frame(&wire, DATA, 0, 5, big);
        h2_send(&stage, &wire);
        CHECK_EQ(stage_body(&stage, &io).len, big.len);
    }
    for (int i = 0; i < 2; i++)
        http_done(slow[i]);
    stage_close(&stage);
}
