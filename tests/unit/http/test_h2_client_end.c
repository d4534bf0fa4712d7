/* test_h2_client_end.c: what an HTTP/2 connection to a host is fit for, and how it and its streams end: SETTINGS,
 * GOAWAY, RST_STREAM, PING. SPDX-License-Identifier: Apache-2.0 */
#include "h2_host.h"
#include "http/h2/h2_internal.h"

/* G.6 118: before its SETTINGS, a hundred; afterwards what it says, or our own cap. */
TEST(h2_client_case_118_room_follows_the_settings)
{
    struct host_many many;
    struct h1_stage *stage = &many.stage;
    struct h2_client_facts facts;

    h2_stage_open_client_silent(stage, NULL);
    CHECK_EQ(http_room(stage->conn), 100);
    host_ask_many(&many, 100);
    CHECK_EQ(http_room(stage->conn), 0);
    stage->owner.runs = 0;
    host_send_setting(stage, 1, 0);
    CHECK_EQ(stage->owner.runs, 1);
    CHECK_EQ(http_room(stage->conn), 156);
    for (size_t i = 100; i < HOST_STREAMS_MAX; i++)
        many.streams[i] = host_ask(stage);
    CHECK(str_find(h2_frames(stage), STR("HEADERS 255 ")) > 0);
    host_send_setting(stage, 3, 130);
    CHECK_EQ(http_room(stage->conn), 2);
    host_send_setting(stage, 3, 10);
    CHECK_EQ(http_room(stage->conn), 0);
    h2_client_facts(stage->conn, &facts);
    CHECK(facts.met);
    CHECK_EQ(facts.streams_open, HOST_STREAMS_MAX);
    CHECK_EQ(facts.streams_max, 10);
    for (size_t i = 0; i < HOST_STREAMS_MAX; i++)
        http_done(many.streams[i]);
    stage_turn(stage);
    CHECK_EQ(http_room(stage->conn), 10);
    CHECK_EQ(host_unfit_of(stage), HTTP_FIT);
    stage_close(stage);
}

/* G.6 116, 117: it shrinks to nothing: what is open goes on, what has not left may go elsewhere, the conn is alive. */
TEST(h2_client_case_116_117_room_may_shrink_to_nothing)
{
    struct http_head head = stage_request("GET", "/x", 0);
    struct host_many many;
    struct h1_stage *stage = &many.stage;
    struct wire wire = wire_new();
    struct http_stream *late;

    h2_stage_open_client(stage, NULL);
    host_ask_many(&many, 2);
    late = host_open_stream(stage);
    many.streams[2] = host_ask_unsent(stage); /* its head is still here when the SETTINGS come */
    wire_setting(&wire, 3, 0);
    h2_send_unread(stage, &wire);
    stage_turn(stage);
    CHECK_TEXT(h2_frames(stage), "SETTINGS ack\n");
    CHECK_EQ(http_room(stage->conn), 0);
    host_check_failed(stage, many.streams[2], ERROR_STREAM_REFUSED, true);
    CHECK_EQ(http_send_head(late, &head, true, &stage->err), IO_FAIL);
    CHECK_EQ(stage->err.code, ERROR_STREAM_REFUSED);
    CHECK(stage->err.retry_safe);
    host_send_answer(stage, END_STREAM, 1, ":status: 204");
    CHECK_EQ(host_recv_head(stage, many.streams[0]), IO_OK);
    for (int i = 0; i < 3; i++)
        http_done(many.streams[i]);
    http_done(late);
    stage_turn(stage);
    CHECK_EQ(http_room(stage->conn), 0);
    CHECK_EQ(http_check_idle(stage->conn, true), IO_WAIT);
    stage->owner.runs = 0;
    host_send_setting(stage, 3, 1);
    CHECK(stage->owner.runs > 0);
    CHECK_EQ(http_room(stage->conn), 1);
    stage_close(stage);
}

TEST(h2_client_owner_is_woken_when_room_comes_back)
{
    struct h1_stage stage;
    struct http_stream *stream;

    h2_stage_open_client(&stage, NULL);
    host_send_setting(&stage, 3, 1);
    stream = host_ask(&stage);
    stage_turn(&stage);
    CHECK_EQ(http_room(stage.conn), 0);
    stage.owner.runs = 0;
    host_send_answer(&stage, END_STREAM, 1, ":status: 204");
    CHECK_EQ(stage.owner.runs, 1);
    CHECK_EQ(http_room(stage.conn), 1);
    CHECK_EQ(host_recv_head(&stage, stream), IO_OK);
    http_done(stream);
    stage_close(&stage);
}

/* G.6 112, 113: what is not above the number goes on; what is may be sent elsewhere, whatever its method. */
TEST(h2_client_case_112_113_goaway_tells_which_streams_go_on)
{
    struct host_many many;
    struct h1_stage *stage = &many.stage;
    struct http_stream *none;

    h2_stage_open_client(stage, NULL);
    host_ask_many(&many, 3);
    stage->owner.runs = 0;
    host_send_goaway(stage, 0x7fffffff, 0, "");
    CHECK(stage->owner.runs > 0);
    CHECK_EQ(http_room(stage->conn), 0);
    CHECK_EQ(host_unfit_of(stage), HTTP_UNFIT_GOAWAY);
    CHECK_EQ(http_open(stage->conn, &none, &stage->err), IO_FAIL);
    CHECK(stage->err.retry_safe);
    CHECK_EQ(host_recv_head(stage, many.streams[2]), IO_WAIT);
    host_send_goaway(stage, 3, 0, "");
    host_check_failed(stage, many.streams[2], ERROR_GOAWAY, true);
    host_send_answer(stage, END_STREAM, 1, ":status: 204");
    host_send_answer(stage, END_STREAM, 3, ":status: 204");
    for (int i = 0; i < 2; i++)
        CHECK_EQ(host_recv_head(stage, many.streams[i]), IO_OK);
    for (int i = 0; i < 3; i++)
        http_done(many.streams[i]);
    stage_turn(stage);
    CHECK_EQ(http_check_idle(stage->conn, false), IO_END);
    stage_close(stage);
}

/* H2-177. */
TEST(h2_client_goaway_settings_and_close_together)
{
    struct wire wire = wire_new();
    struct host_many many;
    struct h1_stage *stage = &many.stage;

    h2_stage_open_client(stage, NULL);
    host_ask_many(&many, 2);
    wire_frame(&wire, GOAWAY, 0, 0, STR("\0\0\0\0\0\0\0\0"));
    wire_setting(&wire, 3, 0);
    h2_send(stage, &wire);
    far_end(stage);
    for (int i = 0; i < 2; i++) {
        host_check_failed(stage, many.streams[i], ERROR_GOAWAY, true);
        http_done(many.streams[i]);
    }
    stage_close(stage);
}

/* A GOAWAY that is here when a request is written keeps it from leaving. */
TEST(h2_client_sends_nothing_behind_a_goaway_that_is_here)
{
    struct h1_stage stage;
    struct http_stream *stream;
    struct wire wire = wire_new();

    h2_stage_open_client(&stage, NULL);
    stream = host_ask_unsent(&stage);
    wire_frame(&wire, GOAWAY, 0, 0, STR("\0\0\0\0\0\0\0\0"));
    h2_send_unread(&stage, &wire);
    CHECK_TEXT(h2_frames(&stage), "");
    host_check_failed(&stage, stream, ERROR_GOAWAY, true);
    http_done(stream);
    stage_close(&stage);
}

/* G.6 114, 115, and any other code. */
TEST(h2_client_case_114_115_refused_streams_may_go_elsewhere)
{
    struct host_many many;
    struct h1_stage *stage = &many.stage;
    struct wire wire = wire_new();

    h2_stage_open_client(stage, NULL);
    host_ask_many(&many, 3);
    wire_frame(&wire, RST_STREAM, 0, 1, wire_u32(NGHTTP2_REFUSED_STREAM));
    wire_response(&wire, 0, 3, ":status: 200");
    wire_frame(&wire, RST_STREAM, 0, 3, wire_u32(NGHTTP2_REFUSED_STREAM));
    wire_frame(&wire, RST_STREAM, 0, 5, wire_u32(NGHTTP2_INTERNAL_ERROR));
    h2_send(stage, &wire);
    host_check_failed(stage, many.streams[0], ERROR_STREAM_REFUSED, true);
    CHECK_EQ(h2_client_stream_error(many.streams[0]), NGHTTP2_REFUSED_STREAM);
    CHECK_EQ(host_recv_head(stage, many.streams[1]), IO_OK);
    host_check_failed(stage, many.streams[1], ERROR_RESET, false);
    host_check_failed(stage, many.streams[2], ERROR_RESET, false);
    CHECK(str_find(str_from(stage->err.text), STR("INTERNAL_ERROR")) > 0);
    for (int i = 0; i < 3; i++)
        http_done(many.streams[i]);
    CHECK_EQ(http_room(stage->conn), 256);
    stage_close(stage);
}

/* H2-174, H2-175. */
TEST(h2_client_keeps_what_came_before_a_reset)
{
    struct http_head head = stage_request("POST", "/", -1);
    struct wire wire = wire_new();
    struct h1_stage stage;
    enum io io;

    h2_stage_open_client(&stage, NULL);
    stage.stream = host_ask(&stage);
    wire_response(&wire, 0, 1, ":status: 200");
    wire_frame(&wire, DATA, 0, 1, STR("hello"));
    wire_frame(&wire, RST_STREAM, 0, 1, wire_u32(2));
    h2_send(&stage, &wire);
    stage_head(&stage);
    CHECK_TEXT(stage_body(&stage, &io), "hello");
    CHECK_EQ(io, IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_RESET);
    stage_done(&stage);
    stage.stream = host_open_stream(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
    stage_turn(&stage);
    wire.len = 0;
    wire_response(&wire, END_STREAM, 3, ":status: 413");
    wire_frame(&wire, RST_STREAM, 0, 3, wire_u32(0));
    h2_send(&stage, &wire);
    CHECK_EQ(stage_send_body(&stage, STR("more"), false), IO_OK);
    stage_head(&stage);
    CHECK_EQ(stage.head->status, 413);
    (void)stage_body(&stage, &io);
    CHECK_EQ(io, IO_END);
    CHECK_EQ(stage_send_body(&stage, STR(""), true), IO_OK);
    stage_done(&stage);
    stage_close(&stage);
}

/* G.6 119. */
TEST(h2_client_case_119_idle_connections_answer_and_live)
{
    struct wire wire = wire_new();
    struct h1_stage stage;

    h2_stage_open_client(&stage, NULL);
    wire_frame(&wire, PING, 0, 0, STR("12345678"));
    wire_setting(&wire, 4, 1000);
    wire_frame(&wire, WINDOW_UPDATE, 0, 0, wire_u32(1000));
    h2_send(&stage, &wire);
    CHECK_EQ(http_check_idle(stage.conn, false), IO_WAIT);
    CHECK_EQ(http_check_idle(stage.conn, true), IO_WAIT);
    CHECK_TEXT(h2_frames(&stage), "PING ack\nSETTINGS ack\n");
    CHECK(http_room(stage.conn) > 0);
    stage.owner.runs = 0;
    far_end(&stage);
    CHECK_EQ(stage.owner.runs, 1);
    CHECK_EQ(http_check_idle(stage.conn, true), IO_END);
    CHECK_EQ(http_room(stage.conn), 0);
    CHECK_EQ(host_unfit_of(&stage), HTTP_UNFIT_CLOSED);
    stage_close(&stage);
}

/* G.6 120, 121. */
TEST(h2_client_case_120_121_pings_when_told_to_and_tells_of_the_answer)
{
    struct h2_client_facts facts;
    struct h1_stage stage;

    h2_stage_open_client(&stage, NULL);
    stage_pass(&stage, 100 * SECONDS);
    CHECK_TEXT(h2_frames(&stage), "");
    CHECK(h2_client_ping(stage.conn));
    CHECK(!h2_client_ping(stage.conn));
    CHECK_TEXT(h2_frames(&stage), "PING\n");
    h2_client_facts(stage.conn, &facts);
    CHECK_EQ(facts.ping_sent_ns, 1100 * SECONDS);
    CHECK_EQ(facts.ping_answered_ns, 0);
    stage_pass(&stage, SECONDS);
    stage.owner.runs = 0;
    host_send_frame(&stage, PING, ACK, 0, STR("\0\0\0\0\0\0\0\0"));
    CHECK_EQ(stage.owner.runs, 1);
    h2_client_facts(stage.conn, &facts);
    CHECK_EQ(facts.ping_answered_ns, 1101 * SECONDS);
    CHECK_EQ(facts.heard_ns, 1101 * SECONDS);
    CHECK(h2_client_ping(stage.conn));
    host_send_goaway(&stage, 0, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
    h2_client_facts(stage.conn, &facts);
    CHECK(facts.too_many_pings);
    CHECK_EQ(facts.goaway_error, NGHTTP2_ENHANCE_YOUR_CALM);
    CHECK(!h2_client_ping(stage.conn));
    stage_close(&stage);
}

/* Its owner has found out that nobody is there. What has not left may go elsewhere. */
TEST(h2_client_is_given_up_with_its_streams)
{
    struct host_many many;
    struct h1_stage *stage = &many.stage;
    struct error err;
    enum io io;

    h2_stage_open_client(stage, NULL);
    host_ask_many(&many, 2);
    host_send_answer(stage, 0, 1, ":status: 200");
    CHECK_EQ(host_recv_head(stage, many.streams[0]), IO_OK);
    many.streams[2] = host_ask_unsent(stage);
    stage->user.runs = stage->owner.runs = 0;
    error_set(&err, FAULT_UPSTREAM, ERROR_DEAD_PATH, "no answer to a PING");
    h2_client_give_up(stage->conn, &err);
    stage_turn(stage);
    CHECK(stage->user.runs > 0);
    CHECK(stage->owner.runs > 0);
    CHECK_EQ(http_room(stage->conn), 0);
    CHECK(host_unfit_of(stage) != HTTP_FIT);
    stage->stream = many.streams[0];
    (void)stage_body(stage, &io);
    CHECK_EQ(io, IO_FAIL);
    host_check_failed(stage, many.streams[1], ERROR_DEAD_PATH, false);
    host_check_failed(stage, many.streams[2], ERROR_DEAD_PATH, true);
    stage->stream = NULL;
    for (int i = 0; i < 3; i++)
        http_done(many.streams[i]);
    stage_close(stage);
}

/* RFC 8441 3: who asks to switch waits for the peer's SETTINGS. */
TEST(h2_client_streams_that_have_not_begun_hear_of_the_first_settings)
{
    struct http_stream *stream;
    struct h1_stage stage;

    h2_stage_open_client_silent(&stage, NULL);
    stream = host_open_stream(&stage);
    stage_turn(&stage);
    stage.user.runs = 0;
    host_send_setting(&stage, 8, 1);
    CHECK_EQ(stage.user.runs, 1);
    host_send_setting(&stage, 8, 1);
    CHECK_EQ(stage.user.runs, 1);
    http_done(stream);
    stage_close(&stage);
}

/* G.6 122. */
TEST(h2_client_case_122_stream_numbers_run_out)
{
    struct host_many many;
    struct h1_stage *stage = &many.stage;

    h2_stage_open_client(stage, NULL);
    CHECK_EQ(nghttp2_session_set_next_stream_id(h2_of_conn(stage->conn)->session, 0x7ffffffd), 0);
    CHECK_EQ(http_room(stage->conn), 2);
    host_ask_many(&many, 2);
    CHECK_EQ(http_room(stage->conn), 0);
    host_send_answer(stage, END_STREAM, 0x7ffffffd, ":status: 204");
    CHECK_EQ(host_recv_head(stage, many.streams[0]), IO_OK);
    for (int i = 0; i < 2; i++)
        http_done(many.streams[i]);
    stage_turn(stage);
    CHECK_EQ(http_room(stage->conn), 0);
    CHECK_EQ(host_unfit_of(stage), HTTP_UNFIT_USED_UP);
    stage_close(stage);
}

TEST(h2_client_fast_readers_get_a_larger_window)
{
    struct str big = str_of(arena_zero(test_arena(), 16384), 16384);
    struct wire wire = wire_new();
    struct h1_stage stage;
    enum io io;

    h2_stage_open_client(&stage, NULL);
    stage.stream = host_ask(&stage);
    wire_response(&wire, 0, 1, ":status: 200");
    h2_send(&stage, &wire);
    stage_head(&stage);
    for (int i = 0; i < 17; i++) {
        wire.len = 0;
        wire_frame(&wire, DATA, 0, 1, big);
        h2_send(&stage, &wire);
        CHECK_EQ(stage_body(&stage, &io).len, big.len);
        CHECK_EQ(io, IO_WAIT);
    }
    wire.len = 0;
    for (int i = 0; i < 60; i++)
        wire_frame(&wire, DATA, 0, 1, big);
    h2_send(&stage, &wire);
    CHECK_EQ(stage_body(&stage, &io).len, 60 * big.len);
    CHECK_EQ(io, IO_WAIT);
    stage_close(&stage);
}

TEST(h2_client_cancelled_streams_do_not_end_the_connection)
{
    struct wire wire = wire_new();
    struct h1_stage stage;
    struct str big = str_of(arena_zero(test_arena(), 10000), 10000);

    h2_stage_open_client(&stage, NULL);
    for (uint32_t i = 0; i < 300; i++) {
        struct http_stream *stream = host_ask(&stage);

        stage_turn(&stage);
        http_cancel(stream, HTTP_CANCEL_GONE);
        http_done(stream);
        stage_turn(&stage);
        wire.len = 0;
        wire_response(&wire, 0, 2 * i + 1, ":status: 200");
        for (int j = 0; j < 9; j++)
            wire_frame(&wire, DATA, 0, 2 * i + 1, big);
        h2_send(&stage, &wire);
    }
    CHECK(str_find(h2_frames(&stage), STR("RST_STREAM 599 CANCEL\n")) > 0);
    CHECK_EQ(http_room(stage.conn), 256);
    stage_close(&stage);
}

TEST(h2_client_streams_fail_when_the_connection_ends)
{
    for (int reset = 0; reset < 2; reset++) {
        struct host_many many;
        struct h1_stage *stage = &many.stage;
        struct chain body = {NULL, NULL, 0};

        test_case_is("reset %d", reset);
        h2_stage_open_client(stage, NULL);
        host_ask_many(&many, 3);
        many.streams[3] = host_open_stream(stage);
        host_send_answer(stage, 0, 3, ":status: 200");
        host_send_answer(stage, END_STREAM, 5, ":status: 204");
        CHECK_EQ(host_recv_head(stage, many.streams[1]), IO_OK);
        stage->user.runs = stage->owner.runs = 0;
        far_close(stage, reset);
        CHECK(stage->user.runs > 0);
        CHECK(stage->owner.runs > 0);
        host_check_failed(stage, many.streams[0], reset ? ERROR_RESET : ERROR_NO_ANSWER, false);
        CHECK_EQ(http_recv_body(many.streams[1], &body, SIZE_MAX, &stage->err), IO_FAIL);
        CHECK_EQ(stage->err.code, reset ? ERROR_RESET : ERROR_BODY_INCOMPLETE);
        CHECK_EQ(host_recv_head(stage, many.streams[2]), IO_OK);
        CHECK_EQ(host_recv_head(stage, many.streams[2]), IO_END);
        host_check_failed(stage, many.streams[3], reset ? ERROR_RESET : ERROR_NO_ANSWER, true);
        for (int i = 0; i < 4; i++)
            http_done(many.streams[i]);
        CHECK_EQ(http_check_idle(stage->conn, true), reset ? IO_FAIL : IO_END);
        CHECK_EQ(host_unfit_of(stage), HTTP_UNFIT_CLOSED);
        stage_close(stage);
    }
}

TEST(h2_client_says_goodbye)
{
    struct h1_stage stage;

    h2_stage_open_client(&stage, NULL);
    http_drain(stage.conn);
    CHECK_EQ(http_room(stage.conn), 0);
    CHECK_EQ(host_unfit_of(&stage), HTTP_UNFIT_OURS);
    http_close(stage.conn);
    stage.conn = NULL;
    CHECK_TEXT(h2_frames(&stage), "GOAWAY 0 NO_ERROR\nFIN\n");
    stage_close(&stage);
}

TEST(h2_client_single_use_gives_one_stream)
{
    static const struct http_conn_options options = {.single_use = true};
    struct h1_stage stage;
    struct http_stream *stream;

    h2_stage_open_client(&stage, &options);
    stream = host_ask(&stage);
    CHECK_EQ(http_room(stage.conn), 0);
    host_send_answer(&stage, END_STREAM, 1, ":status: 204");
    CHECK_EQ(host_recv_head(&stage, stream), IO_OK);
    http_done(stream);
    CHECK_EQ(host_unfit_of(&stage), HTTP_UNFIT_OURS);
    stage_close(&stage);
}

TEST(h2_client_idle_connections_are_small)
{
    struct h1_stage stage;

    h2_stage_open_client(&stage, NULL);
    CHECK(h2_of_conn(stage.conn)->session_bytes <= 28 << 10);
    CHECK_EQ(block_pool_out(loop_blocks(stage.loop)), 0);
    stage_close(&stage);
}
