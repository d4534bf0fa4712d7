/* test_h1_server.c: the server role: requests in, answers out, one connection for many.
 * SPDX-License-Identifier: Apache-2.0 */
#include "h1_stage.h"

static const struct str get = STR_INIT("GET /a?b=c HTTP/1.1\r\nHost: example.test\r\nX-A: \t v \r\n\r\n");

TEST(a_request_is_served_and_the_connection_goes_on)
{
    struct h1_stage stage;
    enum io io;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    for (int i = 0; i < 3; i++) {
        far_send(&stage, get);
        CHECK_EQ(stage.owner.runs, i + 1);
        stage_accept(&stage);
        stage_head(&stage);
        CHECK_TEXT(stage.head->method, "GET");
        CHECK_TEXT(stage.head->path, "/a?b=c");
        CHECK_TEXT(stage.head->authority, "example.test");
        CHECK_EQ(stage.head->headers.count, 1);
        CHECK_TEXT(stage.head->headers.fields[0].value, "v");
        CHECK_INT(stage.head->body_bytes, 0);
        CHECK_TEXT(stage_body(&stage, &io), "");
        CHECK_EQ(io, IO_END);
        stage_answer(&stage, STR("hello"));
        CHECK_TEXT(far_text(&stage), "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                                     "Content-Length: 5\r\n\r\nhello");
        CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    }
    CHECK(!stage.far_ended);
    CHECK_EQ(block_pool_out(loop_blocks(stage.loop)), 0);
    stage_close(&stage);
}

TEST(head_and_body_leave_in_one_write)
{
    struct h1_stage stage;
    struct http_head head = stage_response(200, 5);

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    far_send(&stage, get);
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
    CHECK_EQ(stream_peek(stage.far), IO_WAIT);
    CHECK_EQ(stage_send_body(&stage, STR("hello"), true), IO_OK);
    CHECK_EQ(stream_peek(stage.far), IO_WAIT);
    stage_turn(&stage);
    CHECK_EQ(stream_peek(stage.far), IO_OK);
    stage_close(&stage);
}

TEST(a_body_with_a_length_is_received)
{
    struct h1_stage stage;
    enum io io;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    far_send(&stage, STR("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello"));
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_INT(stage.head->body_bytes, 10);
    CHECK_TEXT(stage_body(&stage, &io), "hello");
    CHECK_EQ(io, IO_WAIT);
    far_send(&stage, STR("world"));
    CHECK_EQ(stage.user.runs, 1);
    CHECK_TEXT(stage_body(&stage, &io), "world");
    CHECK_EQ(io, IO_END);
    CHECK_EQ(stage_recv_head(&stage), IO_END);
    stage_answer(&stage, STR(""));
    CHECK_TEXT(without_date(far_text(&stage)), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    stage_close(&stage);
}

/* One message with everything, its end followed by the next: taken apart in the three ways. */
static const struct str upload =
    STR_INIT("POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
             "5;x=y\r\nhello\r\n06\r\n world\r\n0\r\nX-T: 1\r\nContent-Length: 9\r\n\r\n"
             "GET /next HTTP/1.1\r\nHost: b\r\n\r\n");

static void feed_start(void *arg)
{
    stage_open(arg, HTTP_SERVER, NULL, 0);
}

static bool feed_piece(void *arg, struct str piece)
{
    far_send(arg, piece);
    return true;
}

static void feed_end(void *arg)
{
    struct h1_stage *stage = arg;
    enum io io;

    stage_accept(stage);
    stage_head(stage);
    CHECK_TEXT(stage->head->path, "/up");
    CHECK_INT(stage->head->body_bytes, -1);
    CHECK_EQ(stage->head->headers.count, 1);
    CHECK_TEXT(headers_get_id(&stage->head->headers, HEADER_TRAILER), "X-T");
    CHECK_TEXT(stage_body(stage, &io), "hello world");
    CHECK_EQ(io, IO_END);
    stage_head(stage);
    CHECK_EQ(stage->head->status, 0);
    CHECK_EQ(stage->head->method.len, 0);
    CHECK_EQ(stage->head->headers.count, 1);
    CHECK_TEXT(stage->head->headers.fields[0].name, "X-T");
    CHECK_EQ(stage_recv_head(stage), IO_END);
    stage_answer(stage, STR("1"));
    stage_accept(stage);
    stage_head(stage);
    CHECK_TEXT(stage->head->path, "/next");
    stage_answer(stage, STR("2"));
    CHECK_TEXT(without_date(without_date(far_text(stage))), "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"
                                                            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2");
    stage_close(stage);
}

TEST(messages_are_the_same_however_they_are_cut)
{
    struct h1_stage stage;
    struct feeding feeding = {.start = feed_start, .feed = feed_piece, .end = feed_end, .arg = &stage, .rounds = 20};

    test_feed(&feeding, upload);
}

TEST(trailers_that_nobody_takes_do_not_disturb_the_next_request)
{
    struct h1_stage stage;
    enum io io;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    far_send(&stage, upload);
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_TEXT(stage_body(&stage, &io), "hello world");
    stage_answer(&stage, STR(""));
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_TEXT(stage.head->path, "/next");
    stage_close(&stage);
}

TEST(pipelined_requests_are_answered_one_by_one_in_order)
{
    struct h1_stage stage;
    struct str text;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    for (int i = 0; i < 50; i++)
        far_send(&stage, STR("GET /x HTTP/1.1\r\nHost: a\r\n\r\n"));
    for (int i = 0; i < 50; i++) {
        char body[] = {(char)('A' + i)};

        stage_accept(&stage);
        CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
        stage_head(&stage);
        stage_answer(&stage, str_of(body, 1));
    }
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    text = far_text(&stage);
    for (int i = 0; i < 50; i++) {
        size_t at = str_find(text, STR("\r\n\r\n"));

        CHECK(at < text.len);
        CHECK_EQ(text.data[at + 4], 'A' + i);
        text = str_from_offset(text, at + 5);
    }
    CHECK_EQ(text.len, 0);
    stage_close(&stage);
}

TEST(reading_stops_while_pipelined_requests_wait)
{
    struct h1_stage stage;
    struct error err;
    size_t total = 0;

    stage_open(&stage, HTTP_SERVER, NULL, 1 << 16);
    for (;;) {
        struct str text = STR("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        struct iovec part = {(void *)(uintptr_t)text.data, text.len};
        size_t sent = 0;

        stage_turn(&stage);
        if (stream_writev(stage.far, &part, 1, &sent, &err) != IO_OK || sent < text.len)
            break;
        total += sent;
        CHECK(total < (1 << 20));
    }
    CHECK(block_pool_bytes(loop_blocks(stage.loop)) <= (256 << 10));
    stage_accept(&stage);
    stage_head(&stage);
    stage_close(&stage);
}

TEST(empty_lines_before_a_request_are_passed_over_but_not_many)
{
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    far_send(&stage, STR("\r"));
    far_send(&stage, STR("\n\r\n"));
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    far_send(&stage, get);
    stage_accept(&stage);
    stage_head(&stage);
    stage_answer(&stage, STR(""));
    far_send(&stage, STR("\r\n\r\n\r\n"));
    stage_accept(&stage);
    CHECK_EQ(stage_recv_head(&stage), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_BAD_REQUEST_LINE);
    stage_close(&stage);
}

/* What is refused, and when: these need no more bytes to be wrong. */
static const struct {
    struct str text;
    enum error_code code;
} wrong[] = {
    {STR_INIT("\x16\x03\x01"), ERROR_BAD_REQUEST_LINE},
    {STR_INIT(" "), ERROR_BAD_REQUEST_LINE},
    {STR_INIT("\n"), ERROR_BAD_REQUEST_LINE},
    {STR_INIT("\rG"), ERROR_BAD_REQUEST_LINE},
    {STR_INIT("GET / HTTP/1.1\n"), ERROR_BAD_FIELD},
    {STR_INIT("GET / HTTP/1.1\r\nHost: a\n"), ERROR_BAD_FIELD},
    {STR_INIT("GET / HTTP/1.1\r\nHost: a\r\n\n"), ERROR_BAD_FIELD},
    {STR_INIT("BAD\r\n\r\n"), ERROR_BAD_REQUEST_LINE},
    {STR_INIT("GET / HTTP/2.0\r\n\r\n"), ERROR_BAD_VERSION},
    {STR_INIT("GET / HTTP/1.1\r\n\r\n"), ERROR_BAD_HOST},
    {STR_INIT("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), ERROR_BAD_FIELD},
    {STR_INIT("GET # HTTP/1.1\r\nHost: a\r\n\r\n"), ERROR_BAD_TARGET},
    {STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n"), ERROR_BAD_CODING},
    {STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"), ERROR_BAD_FRAMING},
};

TEST(malformed_heads_are_refused_and_the_connection_closes)
{
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct http_head head = stage_response(400, 3);
        struct h1_stage stage;

        test_case_is("row %zu", i);
        stage_open(&stage, HTTP_SERVER, NULL, 0);
        far_send(&stage, wrong[i].text);
        stage_accept(&stage);
        CHECK_EQ(stage_recv_head(&stage), IO_FAIL);
        CHECK_CSTR(error_code_name(stage.err.code), error_code_name(wrong[i].code));
        CHECK_EQ(stage.err.fault, FAULT_CLIENT);
        CHECK_EQ(stage_recv_head(&stage), IO_FAIL);
        CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
        CHECK_EQ(stage_send_body(&stage, STR("bad"), true), IO_OK);
        stage_done(&stage);
        far_send(&stage, get);
        CHECK_TEXT(without_date(far_text(&stage)),
                   "HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbad");
        CHECK(stage.far_ended);
        CHECK_EQ(stage_accept_io(&stage), IO_WAIT); /* lingers */
        far_end(&stage);
        CHECK_EQ(stage_accept_io(&stage), IO_END);
        stage_close(&stage);
    }
}

TEST(an_early_answer_is_not_lost_before_a_bad_request)
{
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    far_send(&stage, STR("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nBAD\r\n\r\n"));
    stage_accept(&stage);
    stage_head(&stage);
    stage_answer(&stage, STR("1"));
    stage_accept(&stage);
    CHECK_EQ(stage_recv_head(&stage), IO_FAIL);
    stage_answer(&stage, STR(""));
    CHECK_TEXT(without_date(without_date(far_text(&stage))),
               "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"
               "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stage_close(&stage);
}

static enum error_code code_of_flood(const char *first, const char *piece, size_t count,
                                     struct http_conn_options *options)
{
    struct h1_stage stage;
    enum error_code code;

    stage_open(&stage, HTTP_SERVER, options, 0);
    far_send(&stage, str_from(first));
    for (size_t i = 0; i < count && stage_accept_io(&stage) == IO_WAIT; i++)
        far_send(&stage, str_from(piece));
    if (!stage.stream)
        stage_accept(&stage);
    CHECK_EQ(stage_recv_head(&stage), IO_FAIL);
    code = stage.err.code;
    stage_close(&stage);
    return code;
}

TEST(endless_heads_are_refused_in_bounded_memory)
{
    static char piece[1001];
    struct http_conn_options options = {.head_bytes_max = 5000};

    memset(piece, 'a', 1000);
    CHECK_EQ(code_of_flood("GET /", piece, 10, NULL), ERROR_TARGET_TOO_LONG);
    CHECK_EQ(code_of_flood("GET / HTTP/1.1\r\nX-A: ", piece, 2000, NULL), ERROR_HEAD_TOO_LARGE);
    CHECK_EQ(code_of_flood("GET / HTTP/1.1\r\nX-A: ", piece, 5, &options), ERROR_HEAD_TOO_LARGE);
    CHECK_EQ(code_of_flood("GET / HTTP/1.1\r\n", "Cookie: a=b\r\n", 90000, NULL), ERROR_HEAD_TOO_LARGE);
}

TEST(the_largest_head_is_taken)
{
    struct http_conn_options options = {.head_bytes_max = 300000};
    static char value[290001];
    struct h1_stage stage;

    memset(value, 'v', 290000);
    stage_open(&stage, HTTP_SERVER, &options, 0);
    far_send(&stage, STR("GET / HTTP/1.1\r\nHost: a\r\nX-A: "));
    for (int i = 0; i < 290; i++)
        far_send(&stage, str_of(value, 1000));
    far_send(&stage, STR("\r\n\r\n"));
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_STR(stage.head->headers.fields[0].value, str_from(value));
    stage_close(&stage);
}

TEST(a_part_of_a_head_pins_little_memory)
{
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    far_send(&stage, STR("GET / HTTP/1.1\r\nHost"));
    CHECK(block_pool_bytes(loop_blocks(stage.loop)) <= BLOCK_SMALL_BYTES);
    far_send(&stage, STR(": a\r\n\r\n"));
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_TEXT(stage.head->authority, "a");
    stage_close(&stage);
}

TEST(nothing_behind_connect_is_read_as_a_request)
{
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    far_send(&stage, STR("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n"));
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_TEXT(stage.head->method, "CONNECT");
    CHECK_TEXT(stage.head->path, "");
    CHECK_TEXT(stage.head->authority, "a.test:443");
    stage_answer(&stage, STR(""));
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    CHECK_TEXT(without_date(far_text(&stage)), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    CHECK(stage.far_ended);
    stage_close(&stage);
}

TEST(facts_are_counted)
{
    struct http_conn_facts facts;
    struct h1_stage stage;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    far_send(&stage, STR("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET"));
    stage_accept(&stage);
    stage_head(&stage);
    stage_body(&stage, &(enum io){IO_OK});
    CHECK_EQ(stage.stream->bytes_in, 52);
    CHECK_EQ(http_send_head(stage.stream, &(struct http_head){.status = 200, .announced_bytes = -1}, true, &stage.err),
             IO_OK);
    CHECK_EQ(stage.stream->bytes_out, far_text(&stage).len);
    stage_done(&stage);
    http_facts(stage.conn, &facts);
    CHECK_EQ(facts.messages, 1);
    CHECK_EQ(facts.bytes_in, 55);
    CHECK(facts.bytes_out > 50);
    CHECK_EQ(facts.opened_ns, 1000 * SECONDS);
    CHECK(!facts.last_error);
    stage_close(&stage);
}
