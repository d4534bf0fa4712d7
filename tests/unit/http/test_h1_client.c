/* test_h1_client.c: the client role: requests out, answers in, and when the connection is fit for another request.
 * SPDX-License-Identifier: Apache-2.0 */
#include "h1_stage.h"

/* Opens a stream and sends a request without a body. */
static void ask(struct h1_stage *stage, const char *method)
{
    struct http_head head = stage_request(method, "/x", 0);

    stage_open_stream(stage);
    CHECK_EQ(http_send_head(stage->stream, &head, true, &stage->err), IO_OK);
    far_text(stage);
}

static enum http_unfit unfit_of(const struct h1_stage *stage)
{
    struct http_conn_facts facts;

    http_facts(stage->conn, &facts);
    return facts.unfit;
}

TEST(a_request_is_sent_and_the_connection_is_fit_again)
{
    struct http_head head = stage_request("GET", "/x", 0);
    struct http_conn_facts facts;
    struct h1_stage stage;
    enum io io;

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    for (int i = 0; i < 3; i++) {
        stage_open_stream(&stage);
        CHECK_EQ(http_room(stage.conn), 0);
        CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_OK);
        CHECK_TEXT(far_text(&stage), "GET /x HTTP/1.1\r\nHost: example.test\r\n\r\n");
        CHECK_EQ(stage_recv_head(&stage), IO_WAIT);
        stage.user.runs = 0;
        far_send(&stage, STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nKeep-Alive: timeout=7\r\n\r\nhello"));
        CHECK_EQ(stage.user.runs, 1);
        stage_head(&stage);
        CHECK_EQ(stage.head->status, 200);
        CHECK_INT(stage.head->body_bytes, 5);
        CHECK_TEXT(stage_body(&stage, &io), "hello");
        CHECK_EQ(io, IO_END);
        CHECK_EQ(stage_recv_head(&stage), IO_END);
        CHECK_EQ(stage.stream->bytes_out, 39);
        CHECK_EQ(stage.stream->bytes_in, 66);
        stage_done(&stage);
        CHECK_EQ(http_room(stage.conn), 1);
        CHECK_EQ(http_check_idle(stage.conn, true), IO_WAIT);
        CHECK_EQ(http_check_idle(stage.conn, false), IO_WAIT);
        CHECK_EQ(block_pool_out(loop_blocks(stage.loop)), 0);
    }
    http_facts(stage.conn, &facts);
    CHECK_EQ(facts.messages, 3);
    CHECK_EQ(facts.bytes_out, 3 * 39);
    CHECK_EQ(facts.bytes_in, 3 * 66);
    CHECK_INT(facts.hint_timeout_s, 7);
    CHECK_INT(facts.hint_max, -1);
    CHECK_EQ(facts.unfit, HTTP_FIT);
    stage_close(&stage);
}

/* What goes out. */

struct request_row {
    const char *method, *path, *authority;
    int64_t body_bytes, announced_bytes;
    const char *body; /* NULL: the head ends it */
    bool single_use;
    const char *text;
};

static const struct request_row requests[] = {
    /* clang-format off */
    {"GET", "/", "a.test", 0, -1, NULL, false, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"},
    {"GET", "/", "", 0, -1, NULL, false, "GET / HTTP/1.1\r\nHost: \r\n\r\n"},
    {"OPTIONS", "*", "a:1", 0, -1, NULL, false, "OPTIONS * HTTP/1.1\r\nHost: a:1\r\n\r\n"},
    {"GET", "/", "a", 0, 0, NULL, false, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"},
    {"POST", "/", "a", 0, -1, NULL, false, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"},
    {"PUT", "/", "a", -1, -1, NULL, false, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"},
    {"PATCH", "/", "a", 0, -1, NULL, false, "PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"},
    {"DELETE", "/", "a", 0, -1, NULL, false, "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"POST", "/", "a", 2, -1, "ab", false, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"},
    {"GET", "/", "a", 2, 2, "ab", false, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"},
    {"POST", "/", "a", -1, -1, "ab", false,
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"},
    {"GET", "/", "a", 0, -1, NULL, true, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"},
    /* clang-format on */
};

TEST(requests_are_written)
{
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        const struct request_row *row = &requests[i];
        struct http_conn_options options = {.single_use = row->single_use};
        struct http_head head = stage_request(row->method, row->path, row->body_bytes);
        struct h1_stage stage;

        test_case_is("row %zu", i);
        head.authority = str_from(row->authority);
        head.announced_bytes = row->announced_bytes;
        stage_open(&stage, HTTP_CLIENT, &options, 0);
        stage_open_stream(&stage);
        CHECK_EQ(http_send_head(stage.stream, &head, !row->body, &stage.err), IO_OK);
        if (row->body)
            CHECK_EQ(stage_send_body(&stage, str_from(row->body), true), IO_OK);
        CHECK_STR(far_text(&stage), str_from(row->text));
        stage_close(&stage);
    }
}

TEST(fields_of_the_hop_are_not_sent_on)
{
    struct http_head head = stage_request("GET", "/", 0);
    struct h1_stage stage;

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    stage_open_stream(&stage);
    CHECK(headers_add(&head.headers, stage.arena, STR("host"), STR("evil")));
    CHECK(headers_add(&head.headers, stage.arena, STR("Content-Length"), STR("7")));
    CHECK(headers_add(&head.headers, stage.arena, STR("transfer-encoding"), STR("chunked")));
    CHECK(headers_add(&head.headers, stage.arena, STR("Connection"), STR("close")));
    CHECK(headers_add(&head.headers, stage.arena, STR("X-A"), STR("b")));
    CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_OK);
    CHECK_TEXT(far_text(&stage), "GET / HTTP/1.1\r\nHost: example.test\r\nX-A: b\r\n\r\n");
    stage_close(&stage);
}

TEST(requests_that_would_split_are_not_sent)
{
    static const struct {
        const char *method, *path, *authority;
    } rows[] = {
        {"GET", "/a b", "a"}, {"GET", "", "a"}, {"G T", "/", "a"}, {"GET", "/", "a\r\nX: y"}, {"GET", "/", "a b"}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_head head = stage_request(rows[i].method, rows[i].path, 0);
        struct h1_stage stage;

        test_case_is("row %zu", i);
        head.authority = str_from(rows[i].authority);
        stage_open(&stage, HTTP_CLIENT, NULL, 0);
        stage_open_stream(&stage);
        CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_FAIL);
        CHECK_EQ(stage.err.fault, FAULT_BUG);
        CHECK_TEXT(far_text(&stage), "");
        stage_close(&stage);
    }
}

/* What comes in. Each answer is taken whole, and the connection judged. */

struct answer_row {
    const char *method;
    struct str answer;
    bool ends; /* FIN behind it */
    int status;
    const char *body;
    enum http_unfit unfit;
};

static const struct answer_row answers[] = {
    /* clang-format off */
    {"GET", STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), false, 200, "hello", HTTP_FIT},
    {"GET", STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), false, 200, "", HTTP_FIT},
    {"GET", STR_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), false, 200, "hello",
     HTTP_FIT},
    {"GET", STR_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\nX-T: 1\r\n\r\n"), false, 200,
     "hello", HTTP_FIT},
    {"GET", STR_INIT("HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello"), false, 200, "hello", HTTP_FIT},
    {"GET", STR_INIT("HTTP/1.1 204 No Content\r\n\r\n"), false, 204, "", HTTP_FIT},
    {"GET", STR_INIT("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), false, 304, "", HTTP_FIT},
    {"HEAD", STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), false, 200, "", HTTP_FIT},
    {"HEAD", STR_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), false, 200, "", HTTP_FIT},
    {"HEAD", STR_INIT("HTTP/1.1 200 OK\r\n\r\n"), false, 200, "", HTTP_FIT},
    {"GET", STR_INIT("HTTP/1.1 205 Reset\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), false, 205, "", HTTP_FIT},
    {"GET", STR_INIT("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"), false, 200, "ok", HTTP_FIT},

    {"GET", STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), true, 200, "hello", HTTP_UNFIT_CLOSED},
    {"GET", STR_INIT("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"), true, 200, "ok", HTTP_UNFIT_VERSION},
    {"GET", STR_INIT("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"), true, 200, "ok",
     HTTP_UNFIT_PEER},
    {"GET", STR_INIT("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"), false, 200, "ok",
     HTTP_UNFIT_PEER},
    {"GET", STR_INIT("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"), false, 200, "ok", HTTP_UNFIT_VERSION},
    {"GET", STR_INIT("HTTP/1.0 200 OK\r\n\r\nhello"), true, 200, "hello", HTTP_UNFIT_NO_LENGTH},
    {"GET", STR_INIT("HTTP/1.1 200 OK\r\n\r\n"), true, 200, "", HTTP_UNFIT_NO_LENGTH},
    {"GET", STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n"), false, 200, "hello",
     HTTP_UNFIT_SURPLUS},
    {"GET", STR_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx"), false, 200, "",
     HTTP_UNFIT_SURPLUS},
    {"GET", STR_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\nx"), false, 200, "",
     HTTP_UNFIT_SURPLUS},
    {"HEAD", STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"), false, 200, "", HTTP_UNFIT_SURPLUS},
    {"GET", STR_INIT("HTTP/1.1 204 No Content\r\n\r\nEVIL"), false, 204, "", HTTP_UNFIT_SURPLUS},
    {"GET", STR_INIT("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"), false, 204, "",
     HTTP_UNFIT_FRAMING},
    {"GET", STR_INIT("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n"), false, 204, "", HTTP_UNFIT_FRAMING},
    /* clang-format on */
};

static void check_answer(const struct answer_row *row, bool head_alone)
{
    struct h1_stage stage;
    enum io io;

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    ask(&stage, row->method);
    far_send(&stage, row->answer);
    if (row->ends)
        far_end(&stage);
    stage_head(&stage);
    CHECK_EQ(stage.head->status, row->status);
    if (!head_alone) {
        CHECK_STR(stage_body(&stage, &io), str_from(row->body));
        CHECK_EQ(io, IO_END);
    }
    stage_done(&stage);
    CHECK_EQ(unfit_of(&stage), head_alone && row->unfit == HTTP_FIT ? HTTP_FIT : row->unfit);
    CHECK_EQ(http_room(stage.conn), row->unfit == HTTP_FIT);
    stage_close(&stage);
}

TEST(answers_are_taken_and_the_connection_is_judged)
{
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        test_case_is("row %zu", i);
        check_answer(&answers[i], false);
    }
}

/* Whoever asks no further than the head leaves the connection as good when all is here. */
TEST(a_body_that_nobody_took_but_that_is_here_does_not_spoil_the_connection)
{
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        test_case_is("row %zu", i);
        check_answer(&answers[i], true);
    }
}

static const struct {
    struct str answer;
    enum error_code code;
} wrong[] = {
    /* clang-format off */
    {STR_INIT("<html>"), ERROR_BAD_STATUS_LINE},
    {STR_INIT(" HTTP/1.1 200 OK\r\n"), ERROR_BAD_STATUS_LINE},
    {STR_INIT("HTTP/1.1 200 OK\n"), ERROR_BAD_FIELD},
    {STR_INIT("HTTP/2.0 200 OK\r\n\r\n"), ERROR_BAD_VERSION},
    {STR_INIT("HTTP/1.1 2000 OK\r\n\r\n"), ERROR_BAD_STATUS_LINE},
    {STR_INIT("HTTP/1.1 200 OK\r\nFoo\r\n\r\n"), ERROR_BAD_FIELD},
    {STR_INIT("HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n"), ERROR_BAD_FIELD},
    {STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"), ERROR_BAD_FRAMING},
    {STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), ERROR_BAD_FRAMING},
    {STR_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"), ERROR_BAD_CODING},
    {STR_INIT("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"), ERROR_BAD_UPGRADE},
    /* clang-format on */
};

TEST(malformed_answers_fail_and_spoil_the_connection)
{
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct h1_stage stage;

        test_case_is("row %zu", i);
        stage_open(&stage, HTTP_CLIENT, NULL, 0);
        ask(&stage, "GET");
        far_send(&stage, wrong[i].answer);
        CHECK_EQ(stage_recv_head(&stage), IO_FAIL);
        CHECK_CSTR(error_code_name(stage.err.code), error_code_name(wrong[i].code));
        CHECK_EQ(stage.err.fault, FAULT_UPSTREAM);
        CHECK(!stage.err.retry_safe);
        stage_done(&stage);
        CHECK_EQ(unfit_of(&stage), HTTP_UNFIT_FRAMING);
        CHECK_EQ(http_room(stage.conn), 0);
        stage_close(&stage);
    }
}

TEST(heads_of_answers_are_bounded)
{
    static char bytes[300000];
    struct h1_stage stage;

    memset(bytes, 'a', sizeof(bytes));
    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    ask(&stage, "GET");
    far_send(&stage, STR("HTTP/1.1 200 OK\r\nX-A: "));
    far_send(&stage, str_of(bytes, 250000));
    CHECK_EQ(stage_recv_head(&stage), IO_WAIT);
    far_send(&stage, str_of(bytes, 20000));
    CHECK_EQ(stage_recv_head(&stage), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_HEAD_TOO_LARGE);
    stage_close(&stage);
}

TEST(interim_answers_come_before_the_final_one)
{
    struct h1_stage stage;
    enum io io;

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    ask(&stage, "GET");
    far_send(&stage, STR("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 199 Whatever\r\n\r\nHTTP/1.1 200 OK"));
    stage_head(&stage);
    CHECK_EQ(stage.head->status, 103);
    stage_head(&stage);
    CHECK_EQ(stage.head->status, 199);
    CHECK_EQ(stage_recv_head(&stage), IO_WAIT);
    far_send(&stage, STR("\r\nContent-Length: 2\r\n\r\nok"));
    stage_head(&stage);
    CHECK_EQ(stage.head->status, 200);
    CHECK_TEXT(stage_body(&stage, &io), "ok");
    stage_done(&stage);
    CHECK_EQ(http_room(stage.conn), 1);
    stage_close(&stage);
}

TEST(a_flood_of_interim_answers_is_an_error)
{
    struct h1_stage stage;

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    ask(&stage, "GET");
    for (int i = 0; i < 40; i++)
        far_send(&stage, STR("HTTP/1.1 100 Continue\r\n\r\n"));
    for (int i = 0; i < 32; i++)
        stage_head(&stage);
    CHECK_EQ(stage_recv_head(&stage), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_INTERIM_FLOOD);
    stage_close(&stage);
}

TEST(who_keeps_trailers_says_so_to_the_host)
{
    static const struct {
        bool single_use, ask_keep_alive;
        const char *sent;
    } rows[] = {
        {false, false, "GET /x HTTP/1.1\r\nHost: example.test\r\nTe: trailers\r\nConnection: TE\r\n\r\n"},
        {true, false, "GET /x HTTP/1.1\r\nHost: example.test\r\nTe: trailers\r\nConnection: close, TE\r\n\r\n"},
        {false, true, "GET /x HTTP/1.1\r\nHost: example.test\r\nTe: trailers\r\nConnection: keep-alive, TE\r\n\r\n"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_conn_options options = {.single_use = rows[i].single_use};
        struct http_head head = stage_request("GET", "/x", 0);
        struct h1_stage stage;

        test_case_is("row %zu", i);
        stage_open(&stage, HTTP_CLIENT, &options, 0);
        stage.conn->ask_keep_alive = rows[i].ask_keep_alive;
        head.trailers = true;
        stage_open_stream(&stage);
        CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_OK);
        CHECK_STR(far_text(&stage), str_from(rows[i].sent));
        http_cancel(stage.stream, HTTP_CANCEL_GONE);
        stage_done(&stage);
        stage_close(&stage);
    }
}

TEST(trailers_are_handed_up_without_what_may_not_stand_there)
{
    struct h1_stage stage;
    enum io io;

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    ask(&stage, "GET");
    far_send(&stage, STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
                         "Content-Length: 9\r\nX-T: 1\r\nSet-Cookie: evil=1\r\n\r\n"));
    stage_head(&stage);
    CHECK_TEXT(stage_body(&stage, &io), "hello");
    stage_head(&stage);
    CHECK_EQ(stage.head->status, 0);
    CHECK_EQ(stage.head->headers.count, 1);
    CHECK_TEXT(stage.head->headers.fields[0].value, "1");
    CHECK_EQ(stage_recv_head(&stage), IO_END);
    stage_done(&stage);
    CHECK_EQ(http_room(stage.conn), 1);
    stage_close(&stage);
}

/* Answers in the three ways of feeding, over a stream that moves few bytes at a time. */

struct cut_answer {
    struct h1_stage stage;
    const struct answer_row *row;
    size_t limit;
};

static void cut_start(void *arg)
{
    struct cut_answer *cut = arg;

    stage_open(&cut->stage, HTTP_CLIENT, NULL, 0);
    pair_limit(cut->stage.conn->stream, cut->limit);
    ask(&cut->stage, cut->row->method);
}

static bool cut_feed(void *arg, struct str piece)
{
    struct cut_answer *cut = arg;

    far_send(&cut->stage, piece);
    return true;
}

static void cut_end(void *arg)
{
    struct cut_answer *cut = arg;
    enum io io;

    if (cut->row->ends)
        far_end(&cut->stage);
    stage_head(&cut->stage);
    CHECK_EQ(cut->stage.head->status, cut->row->status);
    CHECK_STR(stage_body(&cut->stage, &io), str_from(cut->row->body));
    CHECK_EQ(io, IO_END);
    stage_done(&cut->stage);
    CHECK_EQ(unfit_of(&cut->stage), cut->row->unfit);
    stage_close(&cut->stage);
}

TEST(answers_are_the_same_however_they_are_cut)
{
    static const size_t limits[] = {0, 1, 7};

    for (size_t i = 0; i < COUNT_OF(answers); i++)
        for (size_t k = 0; k < COUNT_OF(limits); k++) {
            struct cut_answer cut = {.row = &answers[i], .limit = limits[k]};
            struct feeding feeding = {.start = cut_start, .feed = cut_feed, .end = cut_end, .arg = &cut, .rounds = 3};

            test_case_is("row %zu, %zu bytes at a time", i, limits[k]);
            test_feed(&feeding, answers[i].answer);
        }
}

TEST(an_upload_arrives_whole_over_a_stream_that_takes_few_bytes)
{
    static const size_t limits[] = {1, 13, 1000};
    static char bytes[3000];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)('a' + i % 26);
    for (size_t k = 0; k < COUNT_OF(limits); k++) {
        struct http_head head = stage_request("POST", "/", (int64_t)sizeof(bytes));
        struct h1_stage stage;
        struct str text;

        test_case_is("%zu bytes at a time", limits[k]);
        stage_open(&stage, HTTP_CLIENT, NULL, 0);
        pair_limit(stage.conn->stream, limits[k]);
        stage_open_stream(&stage);
        CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
        CHECK_EQ(stage_send_body(&stage, str_of(bytes, 1000), false), IO_OK);
        CHECK_EQ(stage_send_body(&stage, str_of(bytes + 1000, 2000), true), IO_OK);
        text = far_text(&stage);
        CHECK(text.len > sizeof(bytes));
        CHECK_STR(str_from_offset(text, text.len - sizeof(bytes)), str_of(bytes, sizeof(bytes)));
        stage_close(&stage);
    }
}

/* Who reads for many keeps little of each answer. */
static size_t share_of_many(const struct http_conn *conn)
{
    (void)conn;
    return BLOCK_SMALL_BYTES;
}

TEST(trailers_may_be_longer_than_what_a_reader_of_many_keeps)
{
    static const struct http_conn_ops ops = {.share = share_of_many};
    static const struct http_conn reader = {.ops = &ops};
    static const unsigned sizes[] = {10, BLOCK_SMALL_BYTES, 3 * BLOCK_SMALL_BYTES, 5 * BLOCK_SMALL_BYTES};

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *value = arena_alloc(test_arena(), sizes[i], 1);
        enum io io = IO_WAIT;
        struct h1_stage stage;

        test_case_is("%u bytes", sizes[i]);
        memset(value, 'a', sizes[i]);
        stage_open(&stage, HTTP_CLIENT, NULL, 0);
        stage.conn->lazy = stage.conn->modest = true;
        ask(&stage, "GET");
        stage.stream->reader = &reader;
        far_send(
            &stage,
            arena_format(test_arena(),
                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: %.*s\r\n\r\n",
                         (int)sizes[i], value));
        stage_head(&stage);
        for (int turns = 0; io == IO_WAIT && turns < 20; turns++)
            stage_body(&stage, &io);
        CHECK_EQ(io, sizes[i] > 8192 ? IO_FAIL : IO_END);
        if (io == IO_END) {
            stage_head(&stage);
            CHECK_EQ(headers_get(&stage.head->headers, STR("X-T")).len, sizes[i]);
        } else {
            CHECK_EQ(stage.err.code, ERROR_BAD_CHUNK);
        }
        stage_close(&stage);
    }
}
