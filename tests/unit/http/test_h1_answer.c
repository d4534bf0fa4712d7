/* test_h1_answer.c: the server role's answers: framing for each client, and whether the connection goes on.
 * SPDX-License-Identifier: Apache-2.0 */
#include "h1_stage.h"

struct row {
    const char *request; /* start line and fields but Host, each with CR LF */
    int status;
    int64_t body_bytes, announced_bytes;
    const char *body;   /* NULL: the head ends the answer */
    const char *answer; /* without Date */
    bool closes;
    struct http_conn_options options;
};

static const struct row rows[] = {
    /* clang-format off */
    {.request = "GET / HTTP/1.1\r\n", .status = 200, .body_bytes = 2, .body = "ok", .announced_bytes = -1,
     .answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
    {.request = "GET / HTTP/1.1\r\n", .status = 200, .body_bytes = -1, .body = "ok", .announced_bytes = -1,
     .answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
    {.request = "GET / HTTP/1.1\r\n", .status = 200, .body_bytes = -1, .body = "", .announced_bytes = -1,
     .answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {.request = "GET / HTTP/1.1\r\n", .status = 200, .body_bytes = -1, .announced_bytes = -1,
     .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
    {.request = "GET / HTTP/1.1\r\n", .status = 205, .body_bytes = 0, .announced_bytes = -1,
     .answer = "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"},
    {.request = "GET / HTTP/1.1\r\n", .status = 204, .body_bytes = 0, .announced_bytes = 0,
     .answer = "HTTP/1.1 204 No Content\r\n\r\n"},
    {.request = "GET / HTTP/1.1\r\n", .status = 204, .body_bytes = 4, .announced_bytes = 4, .body = "EVIL",
     .answer = "HTTP/1.1 204 No Content\r\n\r\n"},
    {.request = "GET / HTTP/1.1\r\n", .status = 304, .body_bytes = 0, .announced_bytes = 7,
     .answer = "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"},
    {.request = "GET / HTTP/1.1\r\n", .status = 304, .body_bytes = 0, .announced_bytes = -1,
     .answer = "HTTP/1.1 304 Not Modified\r\n\r\n"},
    {.request = "HEAD / HTTP/1.1\r\n", .status = 200, .body_bytes = 0, .announced_bytes = 9,
     .answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"},
    {.request = "HEAD / HTTP/1.1\r\n", .status = 200, .body_bytes = 2, .announced_bytes = -1, .body = "ok",
     .answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"},
    {.request = "HEAD / HTTP/1.1\r\n", .status = 200, .body_bytes = -1, .announced_bytes = -1, .body = "ok",
     .answer = "HTTP/1.1 200 OK\r\n\r\n"},
    {.request = "GET / HTTP/1.1\r\n", .status = 999, .body_bytes = 0, .announced_bytes = -1,
     .answer = "HTTP/1.1 999 \r\nContent-Length: 0\r\n\r\n"},

    {.request = "GET / HTTP/1.1\r\nConnection: close\r\n", .status = 200, .body_bytes = 2, .body = "ok",
     .announced_bytes = -1, .answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
     .closes = true},
    {.request = "GET / HTTP/1.1\r\nCONNECTION:  foo ,, CLOSE  ,bar\r\n", .status = 200, .announced_bytes = -1,
     .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", .closes = true},
    {.request = "GET / HTTP/1.1\r\nConnection: closed\r\n", .status = 200, .announced_bytes = -1,
     .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
    {.request = "GET / HTTP/1.1\r\nConnection: Keep-Alive\r\n", .status = 200, .announced_bytes = -1,
     .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
    {.request = "GET / HTTP/1.0\r\n", .status = 200, .body_bytes = 2, .body = "ok", .announced_bytes = -1,
     .answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", .closes = true},
    {.request = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n", .status = 200, .body_bytes = 2, .body = "ok",
     .announced_bytes = -1, .answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok"},
    {.request = "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n", .status = 200, .announced_bytes = -1,
     .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", .closes = true},
    {.request = "GET / HTTP/1.0\r\nProxy-Connection: keep-alive\r\n", .status = 200, .announced_bytes = -1,
     .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", .closes = true},
    {.request = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n", .status = 200, .body_bytes = -1, .body = "ok",
     .announced_bytes = -1, .answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok", .closes = true},
    {.request = "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n", .status = 200, .body_bytes = -1, .body = "ok",
     .announced_bytes = -1, .answer = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n"},

    {.request = "GET / HTTP/1.1\r\n", .status = 200, .announced_bytes = -1, .options = {.requests_max = 1},
     .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", .closes = true},
    {.request = "GET / HTTP/1.1\r\n", .status = 200, .announced_bytes = -1,
     .options = {.keep_alive_header = true, .idle_timeout_ns = 75999999999, .requests_max = 100},
     .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=75, max=99\r\n\r\n"},
    {.request = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n", .status = 200, .announced_bytes = -1,
     .options = {.keep_alive_header = true, .idle_timeout_ns = 5000000000},
     .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n"},
    {.request = "GET / HTTP/1.1\r\n", .status = 200, .announced_bytes = -1,
     .options = {.keep_alive_header = true, .requests_max = 3},
     .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: max=2\r\n\r\n"},
    {.request = "GET / HTTP/1.1\r\n", .status = 200, .announced_bytes = -1, .options = {.keep_alive_header = true},
     .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
    {.request = "GET / HTTP/1.1\r\nConnection: close\r\n", .status = 200, .announced_bytes = -1,
     .options = {.keep_alive_header = true, .requests_max = 3},
     .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", .closes = true},
    /* clang-format on */
};

static void check(const struct row *row)
{
    struct http_head head = stage_response((uint16_t)row->status, row->body_bytes);
    struct h1_stage stage;

    head.announced_bytes = row->announced_bytes;
    stage_open(&stage, HTTP_SERVER, &row->options, 0);
    far_send(&stage, str_from(row->request));
    far_send(&stage, STR("Host: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n"));
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, !row->body, &stage.err), IO_OK);
    if (row->body)
        CHECK_EQ(stage_send_body(&stage, str_from(row->body), true), IO_OK);
    stage_done(&stage);
    CHECK_STR(without_date(far_text(&stage)), str_from(row->answer));
    CHECK_EQ(stage.far_ended, row->closes);
    CHECK_EQ(stage_accept_io(&stage), row->closes ? IO_WAIT : IO_OK);
    stage_close(&stage);
}

TEST(answers_are_framed_for_their_client)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_case_is("row %zu: %s", i, rows[i].request);
        check(&rows[i]);
    }
}

static void serve_one(struct h1_stage *stage, const struct http_conn_options *options, const char *request)
{
    stage_open(stage, HTTP_SERVER, options, 0);
    far_send(stage, str_from(request));
    stage_accept(stage);
    stage_head(stage);
}

TEST(fields_of_the_hop_are_not_copied)
{
    static const char *const ours[] = {
        "Connection", "keep-alive", "Content-Length", "Transfer-Encoding", "Proxy-Connection",
        "Upgrade",    "TE",         "Host",           "HTTP2-Settings"};
    struct http_head head = stage_response(200, 0);
    struct h1_stage stage;

    serve_one(&stage, NULL, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        CHECK(headers_add(&head.headers, stage.arena, str_from(ours[i]), STR("1")));
    CHECK(headers_add(&head.headers, stage.arena, STR("Date"), STR("today")));
    CHECK(headers_add(&head.headers, stage.arena, STR("X-A"), STR("b\r\nX-Evil: 1")));
    CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_OK);
    CHECK_TEXT(far_text(&stage), "HTTP/1.1 200 OK\r\nDate: today\r\nX-A: b  X-Evil: 1\r\nContent-Length: 0\r\n\r\n");
    stage_close(&stage);
}

TEST(interim_answers_go_before_the_final_one)
{
    struct http_head hints = stage_response(103, 0), proceed = stage_response(100, 0);
    struct h1_stage stage;

    serve_one(&stage, NULL, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(headers_add(&hints.headers, stage.arena, STR("Link"), STR("</x>")));
    CHECK_EQ(http_send_head(stage.stream, &hints, true, &stage.err), IO_OK);
    CHECK_EQ(http_send_head(stage.stream, &proceed, true, &stage.err), IO_OK); /* nobody asked for it */
    stage_answer(&stage, STR(""));
    CHECK_TEXT(without_date(far_text(&stage)),
               "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    stage_close(&stage);
}

TEST(interim_answers_are_not_for_http_1_0)
{
    struct http_head hints = stage_response(103, 0);
    struct h1_stage stage;

    serve_one(&stage, NULL, "GET / HTTP/1.0\r\n\r\n");
    CHECK_EQ(http_send_head(stage.stream, &hints, true, &stage.err), IO_OK);
    stage_answer(&stage, STR(""));
    CHECK_TEXT(without_date(far_text(&stage)), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stage_close(&stage);
}

TEST(chunks_and_trailers_are_written)
{
    struct http_head head = stage_response(200, -1), trailers = stage_response(0, 0);
    struct h1_stage stage;

    serve_one(&stage, NULL, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(headers_add(&trailers.headers, stage.arena, STR("X-T"), STR("1")));
    CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
    CHECK_EQ(stage_send_body(&stage, STR("hello"), false), IO_OK);
    CHECK_EQ(stage_send_body(&stage, STR(""), false), IO_OK);
    CHECK_EQ(stage_send_body(&stage, STR(" world, how are you?"), false), IO_OK);
    CHECK_EQ(http_send_head(stage.stream, &trailers, true, &stage.err), IO_OK);
    stage_done(&stage);
    CHECK_TEXT(without_date(far_text(&stage)), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                               "5\r\nhello\r\n14\r\n world, how are you?\r\n0\r\nX-T: 1\r\n\r\n");
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    stage_close(&stage);
}

TEST(trailers_have_no_place_behind_a_length)
{
    struct http_head head = stage_response(200, 5), trailers = stage_response(0, 0);
    struct h1_stage stage;

    serve_one(&stage, NULL, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(headers_add(&head.headers, stage.arena, STR("Trailer"), STR("X-T")));
    CHECK(headers_add(&trailers.headers, stage.arena, STR("X-T"), STR("1")));
    CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
    CHECK_EQ(stage_send_body(&stage, STR("hello"), false), IO_OK);
    CHECK_EQ(http_send_head(stage.stream, &trailers, true, &stage.err), IO_OK);
    stage_done(&stage);
    CHECK_TEXT(without_date(far_text(&stage)), "HTTP/1.1 200 OK\r\nTrailer: X-T\r\nContent-Length: 5\r\n\r\nhello");
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    stage_close(&stage);
}

TEST(a_slow_client_holds_back_the_sender)
{
    struct http_head head = stage_response(200, 4 << 20);
    struct chain body = {NULL, NULL, 0};
    struct h1_stage stage;
    static char bytes[1 << 16];
    size_t total = 0;
    enum io io = IO_OK;

    stage_open(&stage, HTTP_SERVER, NULL, 1 << 16);
    far_send(&stage, STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
    while (io == IO_OK) {
        CHECK(chain_append(&body, loop_blocks(stage.loop), str_of(bytes, sizeof(bytes))));
        total += body.size;
        io = http_send_body(stage.stream, &body, false, &stage.err);
        stage_turn(&stage);
    }
    CHECK_EQ(io, IO_WAIT);
    CHECK(body.size > 0);
    CHECK(total <= (512 << 10));
    CHECK_EQ(stage.user.runs, 0);
    far_text(&stage);
    CHECK_EQ(stage.user.runs, 1);
    CHECK_EQ(http_send_body(stage.stream, &body, false, &stage.err), IO_OK);
    CHECK_EQ(body.size, 0);
    http_cancel(stage.stream, HTTP_CANCEL_ERROR);
    stage_close(&stage);
}

TEST(draining_closes_behind_the_answer_in_hand)
{
    struct h1_stage stage;

    serve_one(&stage, NULL, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    http_drain(stage.conn);
    stage_answer(&stage, STR(""));
    CHECK_TEXT(without_date(far_text(&stage)), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    CHECK(stage.far_ended);
    far_end(&stage);
    CHECK_EQ(stage_accept_io(&stage), IO_END);
    stage_close(&stage);
}

TEST(draining_leaves_an_idle_connection_one_more_request)
{
    struct h1_stage stage;

    serve_one(&stage, NULL, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    stage_answer(&stage, STR(""));
    far_text(&stage);
    http_drain(stage.conn);
    stage_pass(&stage, 600 * SECONDS);
    CHECK(!stage.far_ended);
    far_send(&stage, STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    stage_accept(&stage);
    stage_head(&stage);
    stage_answer(&stage, STR(""));
    CHECK_TEXT(without_date(far_text(&stage)), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    CHECK(stage.far_ended);
    stage_close(&stage);
}

TEST(an_idle_connection_can_be_closed)
{
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    CHECK(http_close_idle(stage.conn, HTTP_END_PRESSURE));
    CHECK_TEXT(far_text(&stage), "");
    CHECK(stage.far_ended);
    far_end(&stage);
    CHECK_EQ(stage_accept_io(&stage), IO_END);
    stage_close(&stage);
}

TEST(draining_lets_a_begun_request_be_served)
{
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    far_send(&stage, STR("GET / HTTP/1.1\r\nHo"));
    http_drain(stage.conn);
    far_send(&stage, STR("st: a\r\n\r\n"));
    stage_accept(&stage);
    stage_head(&stage);
    stage_answer(&stage, STR(""));
    CHECK_TEXT(without_date(far_text(&stage)), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stage_close(&stage);
}

TEST(the_last_request_of_the_limit_is_told_and_more_are_not_read)
{
    struct http_conn_options options = {.requests_max = 2};
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, &options, 0);
    for (int i = 0; i < 3; i++)
        far_send(&stage, STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    for (int i = 0; i < 2; i++) {
        stage_accept(&stage);
        stage_head(&stage);
        stage_answer(&stage, STR(""));
    }
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    CHECK_TEXT(without_date(without_date(far_text(&stage))),
               "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
               "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    CHECK(stage.far_ended);
    stage_close(&stage);
}

TEST(an_answer_in_tiny_pieces_to_a_slow_client_pins_little_memory)
{
    struct http_head head = stage_response(200, -1);
    struct h1_stage stage;
    size_t bytes = 0;

    stage_open(&stage, HTTP_SERVER, NULL, 1000);
    far_send(&stage, STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
    for (int i = 0; i < 2000; i++) {
        struct chain piece = {NULL, NULL, 0};
        struct iovec room[1];

        CHECK_EQ(chain_reserve(&piece, loop_blocks(stage.loop), 1, BLOCK_LARGE_BYTES, room, 1), 1);
        memset(room[0].iov_base, 'x', 20);
        chain_commit(&piece, 20);
        CHECK_EQ(http_send_body(stage.stream, &piece, false, &stage.err), IO_OK);
        stage_turn(&stage);
        bytes += 26; /* with its framing */
    }
    CHECK(block_pool_bytes(loop_blocks(stage.loop)) <= 2 * bytes + 2 * BLOCK_LARGE_BYTES);
    http_cancel(stage.stream, HTTP_CANCEL_ERROR);
    stage_close(&stage);
}
