/* test_h1_upgrade.c: a connection of either role is switched to another protocol.
 * SPDX-License-Identifier: Apache-2.0 */
#include "h1_stage.h"

#define ASKS   "GET /x HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define GRANTS "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

static enum http_end end_of(const struct h1_stage *stage)
{
    struct http_conn_facts facts;

    http_facts(stage->conn, &facts);
    return facts.end;
}

static const struct http_conn_options impatient = {.idle_timeout_ns = SECONDS,
                                                   .head_timeout_ns = SECONDS,
                                                   .read_timeout_ns = SECONDS,
                                                   .write_timeout_ns = SECONDS,
                                                   .body_gap_ns = SECONDS,
                                                   .body_rate = 1000,
                                                   .linger_ns = SECONDS};

/* A server's conn that has granted what was asked. */
static void serve(struct h1_stage *stage, const char *request)
{
    struct http_head head = stage_response(101, 0);

    stage_open(stage, HTTP_SERVER, &impatient, 0);
    far_send(stage, str_from(request));
    stage_accept(stage);
    stage_head(stage);
    CHECK_TEXT(stage->head->protocol, "websocket");
    stage->stream->lasting = true;
    head.protocol = stage->head->protocol;
    CHECK_EQ(http_send_head(stage->stream, &head, false, &stage->err), IO_OK);
    CHECK_TEXT(far_text(stage), GRANTS);
}

TEST(a_server_carries_bytes_both_ways_until_both_ends)
{
    struct h1_stage stage;
    enum io io;

    serve(&stage, ASKS "early");
    CHECK_TEXT(stage_body(&stage, &io), "early");
    CHECK_EQ(io, IO_WAIT);
    far_send(&stage, STR("GET / HTTP/1.1\r\n\r\n"));
    CHECK_TEXT(stage_body(&stage, &io), "GET / HTTP/1.1\r\n\r\n");
    CHECK_EQ(stage_send_body(&stage, STR("bytes"), false), IO_OK);
    CHECK_TEXT(far_text(&stage), "bytes");
    far_end(&stage);
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_END);
    CHECK_EQ(stage_send_body(&stage, STR("more"), false), IO_OK);
    CHECK_TEXT(far_text(&stage), "more");
    CHECK_EQ(stage_send_body(&stage, STR("last"), true), IO_OK);
    CHECK_TEXT(far_text(&stage), "last");
    CHECK(stage.far_ended);
    stage_done(&stage);
    CHECK_EQ(stage_accept_io(&stage), IO_END);
    CHECK_EQ(end_of(&stage), HTTP_END_TUNNEL);
    stage_close(&stage);
}

TEST(a_server_sends_its_fin_while_the_client_goes_on)
{
    struct h1_stage stage;
    enum io io;

    serve(&stage, ASKS);
    CHECK_EQ(stage_send_body(&stage, STR("bye"), true), IO_OK);
    CHECK_TEXT(far_text(&stage), "bye");
    CHECK(stage.far_ended);
    far_send(&stage, STR("still here"));
    CHECK_TEXT(stage_body(&stage, &io), "still here");
    CHECK_EQ(io, IO_WAIT);
    stage_done(&stage);
    stage_close(&stage);
}

TEST(clocks_of_requests_do_not_run_in_a_tunnel)
{
    struct h1_stage stage;
    enum io io;

    serve(&stage, ASKS);
    stage_body(&stage, &io);
    stage_pass(&stage, 100 * SECONDS);
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_WAIT);
    CHECK_EQ(block_pool_out(loop_blocks(stage.loop)), 0);
    CHECK(!stage.far_ended);
    stage_done(&stage);
    stage_close(&stage);
}

TEST(a_tunnel_that_is_cancelled_is_reset)
{
    struct h1_stage stage;

    serve(&stage, ASKS);
    http_cancel(stage.stream, HTTP_CANCEL_ERROR);
    stage_done(&stage);
    CHECK_EQ(stage_accept_io(&stage), IO_END);
    http_close(stage.conn);
    stage.conn = NULL;
    far_text(&stage);
    CHECK(stage.far_reset);
    stage_close(&stage);
}

TEST(what_asks_for_another_protocol)
{
    static const struct {
        const char *lines, *protocol;
    } rows[] = {
        {"Connection: Upgrade\r\nUpgrade: websocket\r\n", "websocket"},
        {"Upgrade: h2c\r\nConnection: upgrade, HTTP2-Settings\r\n", "h2c"},
        {"Upgrade: websocket\r\n", ""},
        {"Connection: Upgrade\r\n", ""},
        {"Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n", ""},
        {"Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n", ""},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str text = arena_format(test_arena(), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", rows[i].lines);
        struct h1_stage stage;

        test_case_is("%s", rows[i].lines);
        stage_open(&stage, HTTP_SERVER, &impatient, 0);
        far_send(&stage, text);
        stage_accept(&stage);
        stage_head(&stage);
        CHECK_STR(stage.head->protocol, str_from(rows[i].protocol));
        CHECK_EQ(stage.head->headers.count, 0);
        stage_answer(&stage, STR("no"));
        CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
        stage_close(&stage);
    }
}

TEST(http_1_0_is_never_switched)
{
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, &impatient, 0);
    far_send(&stage, STR("GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_EQ(stage.head->protocol.len, 0);
    stage_answer(&stage, STR("no"));
    stage_close(&stage);
}

/* The end of its side comes together with the request: nothing comes later that would tell of it. */
TEST(who_leaves_with_a_request_for_an_answer_without_an_end_is_gone)
{
    struct str request = STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    struct iovec part = {(void *)(uintptr_t)request.data, request.len};
    struct h1_stage stage;
    size_t sent;
    enum io io;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    CHECK_EQ(stream_writev(stage.far, &part, 1, &sent, &stage.err), IO_OK);
    far_end(&stage);
    stage_accept(&stage);
    stage_head(&stage);
    stage.stream->lasting = true;
    stage.user.runs = 0;
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_END);
    stage_turn(&stage);
    CHECK_EQ(stage.user.runs, 1);
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_CLIENT_GONE);
    stage_done(&stage);
    stage_close(&stage);
}

TEST(who_waits_for_an_answer_without_an_end_and_leaves_is_gone)
{
    struct http_head head = stage_response(200, -1);
    struct h1_stage stage;
    enum io io;

    for (int lasting = 0; lasting < 2; lasting++) {
        stage_open(&stage, HTTP_SERVER, &impatient, 0);
        far_send(&stage, STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        stage_accept(&stage);
        stage_head(&stage);
        stage.stream->lasting = lasting;
        CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
        far_text(&stage);
        if (lasting)
            stage_pass(&stage, 100 * SECONDS);
        stage.user.runs = 0;
        far_end(&stage);
        CHECK_EQ(stage.user.runs, lasting);
        stage_body(&stage, &io);
        CHECK_EQ(io, lasting ? IO_FAIL : IO_END);
        CHECK_EQ(stage.err.code, lasting ? ERROR_CLIENT_GONE : ERROR_NONE);
        stage_done(&stage);
        stage_close(&stage);
    }
}

static struct http_head asking(void)
{
    struct http_head head = stage_request("GET", "/x", 0);

    head.protocol = STR("websocket");
    return head;
}

TEST(a_client_asks_and_is_granted)
{
    struct http_head head = asking();
    struct http_conn_facts facts;
    struct h1_stage stage;
    enum io io;

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    stage_open_stream(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_OK);
    CHECK_TEXT(far_text(&stage),
               "GET /x HTTP/1.1\r\nHost: example.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    far_send(&stage, STR(GRANTS "first"));
    stage_head(&stage);
    CHECK_EQ(stage.head->status, 101);
    CHECK_TEXT(stage.head->protocol, "websocket");
    CHECK_TEXT(stage_body(&stage, &io), "first");
    CHECK_EQ(stage_send_body(&stage, STR("back"), false), IO_OK);
    CHECK_TEXT(far_text(&stage), "back");
    far_end(&stage);
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_END);
    CHECK_EQ(stage_send_body(&stage, STR("end"), true), IO_OK);
    CHECK_TEXT(far_text(&stage), "end");
    CHECK(stage.far_ended);
    stage_done(&stage);
    http_facts(stage.conn, &facts);
    CHECK_EQ(facts.unfit, HTTP_UNFIT_TUNNEL);
    CHECK_EQ(http_room(stage.conn), 0);
    stage_close(&stage);
}

TEST(a_client_that_is_refused_goes_on)
{
    struct http_head head = asking();
    struct h1_stage stage;
    enum io io;

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    stage_open_stream(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_OK);
    far_text(&stage);
    far_send(&stage, STR("HTTP/1.1 403 Forbidden\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nno"));
    stage_head(&stage);
    CHECK_EQ(stage.head->status, 403);
    CHECK_EQ(stage.head->protocol.len, 0);
    CHECK_TEXT(stage_body(&stage, &io), "no");
    stage_done(&stage);
    CHECK_EQ(http_room(stage.conn), 1);
    stage_close(&stage);
}

TEST(answers_that_switch_to_nothing_are_wrong)
{
    static const char *const answers[] = {
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.0 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\n",
    };

    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct http_head head = asking();
        struct h1_stage stage;

        test_case_is("%s", answers[i]);
        stage_open(&stage, HTTP_CLIENT, NULL, 0);
        stage_open_stream(&stage);
        CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_OK);
        far_text(&stage);
        far_send(&stage, str_from(answers[i]));
        CHECK_EQ(stage_recv_head(&stage), IO_FAIL);
        CHECK_EQ(stage.err.code, ERROR_BAD_UPGRADE);
        stage_done(&stage);
        CHECK_EQ(http_room(stage.conn), 0);
        stage_close(&stage);
    }
}
