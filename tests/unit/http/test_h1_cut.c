/* test_h1_cut.c: the server role when things go wrong half way: cut bodies, early answers, expectations, half-closed
 * and reset connections. SPDX-License-Identifier: Apache-2.0 */
#include "h1_stage.h"

static void serve(struct h1_stage *stage, struct str request, size_t room)
{
    stage_open(stage, HTTP_SERVER, NULL, room);
    far_send(stage, request);
    stage_accept(stage);
    stage_head(stage);
}

/* Requests with bodies of which no part but all may be taken for the whole. */
static const struct str whole[] = {
    STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world"),
    STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
    STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nB\r\nhello world\r\n0\r\nX-T: 1\r\n\r\n"),
};

TEST(a_body_cut_at_any_byte_is_never_complete)
{
    for (size_t i = 0; i < COUNT_OF(whole); i++) {
        size_t head = str_find(whole[i], STR("\r\n\r\n")) + 4;

        for (size_t at = head; at <= whole[i].len; at++) {
            struct h1_stage stage;
            struct str body;
            enum io io;

            test_case_is("row %zu cut at %zu", i, at);
            serve(&stage, str_first(whole[i], at), 0);
            far_end(&stage);
            body = stage_body(&stage, &io);
            CHECK(str_starts(STR("hello world"), body));
            CHECK_EQ(io, at == whole[i].len ? IO_END : IO_FAIL);
            if (io == IO_FAIL) {
                CHECK_EQ(stage.err.code, ERROR_BODY_INCOMPLETE);
                CHECK_EQ(stage.err.fault, FAULT_CLIENT);
                CHECK(!stage_body(&stage, &io).len && io == IO_FAIL);
            }
            stage_answer(&stage, STR(""));
            CHECK_TEXT(without_date(far_text(&stage)),
                       "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            CHECK_EQ(stage_accept_io(&stage), IO_END);
            stage_close(&stage);
        }
    }
}

TEST(a_head_cut_at_any_byte_is_no_request)
{
    for (size_t at = 0; at < whole[0].len - 11; at++) {
        struct h1_stage stage;

        test_case_is("cut at %zu", at);
        stage_open(&stage, HTTP_SERVER, NULL, 0);
        far_send(&stage, str_first(whole[0], at));
        far_end(&stage);
        CHECK_EQ(stage_accept_io(&stage), IO_END);
        CHECK_TEXT(far_text(&stage), "");
        stage_close(&stage);
    }
}

static const struct str broken[] = {
    STR_INIT("zz\r\nhello\r\n0\r\n\r\n"),       STR_INIT("5\r\nhelloXX\r\n0\r\n\r\n"),
    STR_INIT("5\r\nhello\r\n0\r\nfoo\r\n\r\n"), STR_INIT("5\r\nhello\r\n0\r\nX-T : a\r\n\r\n"),
    STR_INIT("5\r\nhello\r\n0\r\nX-T: a\n\n"),  STR_INIT("5\r\nhello\r\n0\r\nX-T: a\r\n b\r\n\r\n"),
};

TEST(broken_chunks_and_trailers_end_the_connection)
{
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        struct h1_stage stage;
        enum io io;

        test_case_is("row %zu", i);
        serve(&stage, STR("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 0);
        far_send(&stage, broken[i]);
        far_send(&stage, STR("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"));
        CHECK(str_starts(STR("hello"), stage_body(&stage, &io)));
        CHECK_EQ(io, IO_FAIL);
        CHECK_EQ(stage.err.code, ERROR_BAD_CHUNK);
        CHECK_EQ(stage.err.fault, FAULT_CLIENT);
        stage_answer(&stage, STR(""));
        CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
        far_text(&stage);
        CHECK(stage.far_ended);
        stage_close(&stage);
    }
}

TEST(trailers_are_bounded)
{
    struct h1_stage stage;
    enum io io;

    serve(&stage, STR("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"), 0);
    for (int i = 0; i < 33; i++)
        far_send(&stage, STR("X-T: a\r\n"));
    far_send(&stage, STR("\r\n"));
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_BAD_CHUNK);
    stage_close(&stage);

    serve(&stage, STR("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"), 0);
    for (int i = 0; i < 9 * 1024; i++)
        far_send(&stage, STR("x"));
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_FAIL);
    stage_close(&stage);
}

/* Early answers: before the body is read. */

TEST(a_short_rest_of_a_body_is_thrown_away)
{
    for (size_t i = 0; i < COUNT_OF(whole); i++) {
        struct h1_stage stage;

        test_case_is("row %zu", i);
        serve(&stage, str_first(whole[i], whole[i].len - 8), 0);
        stage_answer(&stage, STR("early"));
        CHECK_TEXT(without_date(far_text(&stage)), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly");
        CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
        far_send(&stage, str_from_offset(whole[i], whole[i].len - 8));
        far_send(&stage, STR("GET /next HTTP/1.1\r\nHost: a\r\n\r\n"));
        stage_accept(&stage);
        stage_head(&stage);
        CHECK_TEXT(stage.head->path, "/next");
        stage_close(&stage);
    }
}

/* All of the body lies here when the answer is early, and what stands behind it has come already: nothing that comes
 * later would make the conn look for it. */
TEST(what_stands_behind_a_body_that_is_thrown_away_is_seen)
{
    static const unsigned sizes[] = {10, 8192, 32768, 40000, 65536, 100000, 131072};
    static char body[131072];

    memset(body, 'x', sizeof(body));
    for (size_t i = 0; i < 2 * COUNT_OF(sizes); i++) {
        unsigned size = sizes[i / 2];
        bool ends = i % 2 == 1;
        struct h1_stage stage;

        test_case_is("%u bytes, %s", size, ends ? "the end" : "a request");
        serve(&stage, arena_format(test_arena(), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n", size), 0);
        far_send(&stage, str_of(body, size));
        if (ends)
            far_end(&stage);
        else
            far_send(&stage, STR("GET /next HTTP/1.1\r\nHost: a\r\n\r\n"));
        stage_answer(&stage, STR("early"));
        CHECK_TEXT(without_date(far_text(&stage)), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly");
        CHECK(!stage.far_ended);
        if (ends) {
            CHECK_EQ(stage_accept_io(&stage), IO_END);
        } else {
            stage_take(&stage);
            CHECK_TEXT(stage.head->path, "/next");
        }
        stage_close(&stage);
    }
}

/* The same behind trailers, which are no body. */
TEST(what_stands_behind_trailers_is_seen)
{
    struct h1_stage stage;
    enum io io;

    serve(&stage,
          STR("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"), 0);
    CHECK_TEXT(stage_body(&stage, &io), "hello");
    CHECK_EQ(io, IO_END);
    far_end(&stage);
    stage_head(&stage);
    stage_turn(&stage);
    stage_answer(&stage, STR(""));
    CHECK_TEXT(without_date(far_text(&stage)), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stage_close(&stage);
}

/* A large buffer is full in the middle of an empty line, of which the other half waits behind it. */
TEST(an_empty_line_may_be_cut_in_two_by_a_full_buffer)
{
    static const struct str lines = STR_INIT("\r\n\r\n");
    static const unsigned cuts[] = {1, 3};
    static char body[BLOCK_LARGE_BYTES];

    memset(body, 'x', sizeof(body));
    for (size_t i = 0; i < COUNT_OF(cuts); i++) {
        const size_t head_len = STR("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65000\r\n\r\n").len;
        unsigned size = (unsigned)(BLOCK_LARGE_BYTES - head_len - cuts[i]);
        struct h1_stage stage;
        struct str text;
        enum io io;

        test_case_is("%u bytes of the lines", cuts[i]);
        text = arena_format(test_arena(), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n%.*s%.*s%s", size,
                            (int)size, body, STR_ARG(str_first(lines, cuts[i] + 1)),
                            "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
        serve(&stage, text, 0);
        CHECK_EQ(stage_body(&stage, &io).len, size);
        CHECK_EQ(io, IO_END);
        stage_answer(&stage, STR(""));
        stage_take(&stage);
        CHECK_TEXT(stage.head->path, "/next");
        stage_close(&stage);
    }
}

TEST(a_long_rest_of_a_body_closes_the_connection)
{
    struct h1_stage stage;

    serve(&stage, STR("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\nx"), 0);
    stage_answer(&stage, STR("early"));
    CHECK_TEXT(without_date(far_text(&stage)),
               "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nearly");
    CHECK(stage.far_ended);
    stage_close(&stage);
}

TEST(an_endless_rest_of_a_body_closes_the_connection)
{
    static char chunk[] = "8000\r\n";
    static char data[0x8000 + 2];
    struct h1_stage stage;

    memset(data, 'x', sizeof(data));
    memcpy(data + 0x8000, "\r\n", 2);
    serve(&stage, STR("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 0);
    stage_answer(&stage, STR("early"));
    CHECK(!stage.far_ended);
    for (int i = 0; i < 9; i++) {
        far_send(&stage, str_from(chunk));
        far_send(&stage, str_of(data, sizeof(data)));
    }
    CHECK_TEXT(without_date(far_text(&stage)), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly");
    CHECK(stage.far_ended);
    CHECK(block_pool_bytes(loop_blocks(stage.loop)) <= (256 << 10));
    stage_close(&stage);
}

TEST(a_slow_rest_of_a_body_closes_the_connection)
{
    struct h1_stage stage;

    serve(&stage, STR("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx"), 0);
    stage_answer(&stage, STR("early"));
    stage_pass(&stage, SECONDS - 1);
    far_text(&stage);
    CHECK(!stage.far_ended);
    stage_pass(&stage, 1);
    far_text(&stage);
    CHECK(stage.far_ended);
    stage_close(&stage);
}

/* Expectations. */

static const struct str expecting =
    STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");

TEST(continue_is_sent_when_the_body_is_asked_for)
{
    struct h1_stage stage;
    enum io io;

    serve(&stage, expecting, 0);
    CHECK(stage.head->expect_continue);
    CHECK_TEXT(far_text(&stage), "");
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_WAIT);
    CHECK_TEXT(far_text(&stage), "HTTP/1.1 100 Continue\r\n\r\n");
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_WAIT);
    CHECK_TEXT(far_text(&stage), "");
    far_send(&stage, STR("hello"));
    CHECK_TEXT(stage_body(&stage, &io), "hello");
    CHECK_EQ(io, IO_END);
    stage_answer(&stage, STR(""));
    CHECK_TEXT(without_date(far_text(&stage)), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    stage_close(&stage);
}

TEST(continue_is_not_sent_when_the_body_is_here)
{
    struct h1_stage stage;
    enum io io;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    far_send(&stage, expecting);
    far_send(&stage, STR("hello"));
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_TEXT(stage_body(&stage, &io), "hello");
    CHECK_EQ(io, IO_END);
    CHECK_TEXT(far_text(&stage), "");
    stage_close(&stage);
}

TEST(a_continue_from_above_is_not_doubled)
{
    struct http_head proceed = stage_response(100, 0);
    struct h1_stage stage;
    enum io io;

    serve(&stage, expecting, 0);
    CHECK_EQ(http_send_head(stage.stream, &proceed, true, &stage.err), IO_OK);
    stage_body(&stage, &io);
    CHECK_EQ(http_send_head(stage.stream, &proceed, true, &stage.err), IO_OK);
    CHECK_TEXT(far_text(&stage), "HTTP/1.1 100 Continue\r\n\r\n");
    stage_close(&stage);
}

/* The client may now send the body or leave it out: what comes next could be either. */
TEST(a_final_answer_without_continue_closes)
{
    struct h1_stage stage;

    serve(&stage, expecting, 0);
    stage_answer(&stage, STR("no"));
    CHECK_TEXT(without_date(far_text(&stage)), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    CHECK(stage.far_ended);
    stage_close(&stage);
}

TEST(expectations_of_http_1_0_are_ignored)
{
    struct h1_stage stage;
    enum io io;

    serve(&stage, STR("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"), 0);
    CHECK(!stage.head->expect_continue);
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_WAIT);
    CHECK_TEXT(far_text(&stage), "");
    stage_close(&stage);
}

/* Clients that go. */

TEST(a_half_closed_client_still_gets_its_answers)
{
    struct h1_stage stage;

    serve(&stage, STR("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    far_end(&stage);
    stage_answer(&stage, STR("1"));
    stage_accept(&stage);
    stage_head(&stage);
    stage_answer(&stage, STR("2"));
    CHECK_TEXT(without_date(without_date(far_text(&stage))),
               "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"
               "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n2");
    CHECK_EQ(stage_accept_io(&stage), IO_END);
    stage_close(&stage);
}

/* A FIN of its own in front of the close would be a system call for nothing; TLS has a close_notify to say. */
TEST(who_has_closed_is_told_by_our_close_alone)
{
    for (int secure = 0; secure < 2; secure++) {
        struct h1_stage stage;
        struct stream_ops ops;

        test_case_is("%s", secure ? "TLS" : "cleartext");
        serve(&stage, STR("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
        ops = *stage.conn->stream->ops;
        ops.secure = secure;
        stage.conn->stream->ops = &ops;
        stage_answer(&stage, STR("1"));
        far_text(&stage);
        far_end(&stage);
        CHECK_EQ(stage_accept_io(&stage), IO_END);
        far_text(&stage);
        CHECK_EQ(stage.far_ended, secure);
        http_close(stage.conn);
        stage.conn = NULL;
        far_text(&stage);
        CHECK(stage.far_ended && !stage.far_reset);
        stage_close(&stage);
    }
}

TEST(a_reset_wakes_the_user_and_fails_every_call)
{
    struct http_head head = stage_response(200, 0);
    struct http_conn_facts facts;
    struct h1_stage stage;
    enum io io;

    serve(&stage, STR("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    CHECK_EQ(stage.user.runs, 0);
    far_close(&stage, true);
    CHECK_EQ(stage.user.runs, 1);
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_RESET);
    CHECK_EQ(stage.err.fault, FAULT_CLIENT);
    CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_FAIL);
    CHECK_EQ(stage_recv_head(&stage), IO_FAIL);
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    stage_done(&stage);
    CHECK_EQ(stage_accept_io(&stage), IO_END);
    http_facts(stage.conn, &facts);
    CHECK(facts.last_error && facts.last_error->code == ERROR_RESET);
    stage_close(&stage);
}

TEST(a_reset_of_an_idle_connection_ends_it)
{
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    far_close(&stage, true);
    CHECK_EQ(stage.owner.runs, 1);
    CHECK_EQ(stage_accept_io(&stage), IO_END);
    stage_close(&stage);
}

TEST(a_client_that_closes_while_the_answer_waits_is_told_to_the_sender)
{
    struct http_head head = stage_response(200, -1);
    static char bytes[300000];
    struct h1_stage stage;

    serve(&stage, STR("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"), 1 << 16);
    CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
    CHECK_EQ(stage_send_body(&stage, str_of(bytes, sizeof(bytes)), false), IO_WAIT);
    stage_turn(&stage);
    far_close(&stage, false);
    CHECK_EQ(stage.user.runs, 1);
    CHECK_EQ(stage_send_body(&stage, STR("x"), false), IO_FAIL);
    stage_close(&stage);
}

/* Answers that are cut. */

struct cut {
    const char *request;
    int64_t body_bytes;
    bool reset; /* FIN would look like the end */
};

static void cut_answer(const struct cut *cut, struct h1_stage *stage)
{
    struct http_head head = stage_response(200, cut->body_bytes);

    serve(stage, str_from(cut->request), 0);
    CHECK_EQ(http_send_head(stage->stream, &head, false, &stage->err), IO_OK);
    CHECK_EQ(stage_send_body(stage, STR("hel"), false), IO_OK);
    stage_turn(stage);
}

static const struct cut cuts[] = {
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 5, false},
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", -1, false},
    {"GET / HTTP/1.0\r\n\r\n", -1, true},
};

static void check_cut(struct h1_stage *stage, bool reset)
{
    struct str text;

    stage_done(stage);
    if (reset) {
        CHECK_EQ(stage_accept_io(stage), IO_END);
        http_close(stage->conn);
        stage->conn = NULL;
    }
    text = far_text(stage);
    CHECK_EQ(stage->far_reset, reset);
    CHECK_EQ(stage->far_ended, !reset);
    CHECK(str_find(text, STR("0\r\n\r\n")) == text.len);
    stage_close(stage);
}

TEST(a_cancelled_answer_shows_that_it_is_cut)
{
    for (size_t i = 0; i < COUNT_OF(cuts); i++) {
        struct h1_stage stage;

        test_case_is("row %zu", i);
        cut_answer(&cuts[i], &stage);
        http_cancel(stage.stream, HTTP_CANCEL_ERROR);
        CHECK_EQ(stage_send_body(&stage, STR("lo"), true), IO_FAIL);
        check_cut(&stage, cuts[i].reset);
    }
}

TEST(an_answer_that_is_let_go_of_half_way_shows_that_it_is_cut)
{
    for (size_t i = 0; i < COUNT_OF(cuts); i++) {
        struct h1_stage stage;

        test_case_is("row %zu", i);
        cut_answer(&cuts[i], &stage);
        check_cut(&stage, cuts[i].reset);
    }
}

TEST(a_body_of_another_length_than_promised_is_cut)
{
    struct h1_stage stage;

    cut_answer(&cuts[0], &stage);
    CHECK_EQ(stage_send_body(&stage, STR("l"), true), IO_FAIL);
    CHECK_EQ(stage.err.fault, FAULT_BUG);
    check_cut(&stage, false);

    cut_answer(&cuts[0], &stage);
    CHECK_EQ(stage_send_body(&stage, STR("lo!"), true), IO_FAIL);
    CHECK_EQ(stage.err.fault, FAULT_BUG);
    check_cut(&stage, false);
}

TEST(a_request_that_is_let_go_of_unanswered_closes)
{
    struct h1_stage stage;

    serve(&stage, STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    stage_done(&stage);
    CHECK_TEXT(far_text(&stage), "");
    CHECK(stage.far_ended);
    stage_close(&stage);
}

TEST(closing_frees_everything_at_any_time)
{
    for (size_t at = 0; at <= whole[2].len; at++) {
        struct h1_stage stage;

        stage_open(&stage, HTTP_SERVER, NULL, 0);
        far_send(&stage, str_first(whole[2], at));
        if (stage_accept_io(&stage) == IO_OK)
            stage_recv_head(&stage);
        stage_close(&stage);
    }
}
