/* test_h2_client.c: HTTP/2's client role: requests out, answers in, windows, and what is malformed. How connections end
 * and what they are fit for: test_h2_client_end.c. SPDX-License-Identifier: Apache-2.0 */
#include "h2_host.h"
#include "http/h2/h2_internal.h"

static void open_stream(struct h1_stage *stage)
{
    CHECK(http_room(stage->conn) > 0);
    CHECK_EQ(http_open(stage->conn, &stage->stream, &stage->err), IO_OK);
    stage->stream->owner = &stage->user.task;
}

/* Opens a stream and sends a request without a body. */
static void ask_unread(struct h1_stage *stage, const char *method)
{
    struct http_head head = stage_request(method, "/x", 0);

    open_stream(stage);
    CHECK_EQ(http_send_head(stage->stream, &head, true, &stage->err), IO_OK);
    stage_turn(stage);
}

static void ask(struct h1_stage *stage, const char *method)
{
    ask_unread(stage, method);
    (void)h2_frames(stage);
}

TEST(h2_client_sends_requests_and_stays_fit)
{
    struct http_head head = stage_request("GET", "/x?y=z", 0);
    struct http_conn_facts facts;
    struct wire wire = wire_new();
    struct h1_stage stage;
    enum io io;

    h2_stage_open_client(&stage, NULL);
    CHECK(stage.conn->multiplexed);
    CHECK_EQ(http_room(stage.conn), 256);
    open_stream(&stage);
    CHECK_EQ(http_room(stage.conn), 255);
    CHECK(headers_add(&head.headers, stage.arena, STR("X-A"), STR("b")));
    CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_OK);
    CHECK_TEXT(h2_frames(&stage),
               "HEADERS 1 end :method=GET :scheme=http :authority=example.test :path=/x?y=z x-a=b\n");
    CHECK_EQ(stage_recv_head(&stage), IO_WAIT);
    stage.user.runs = 0;
    wire_response(&wire, 0, 1, ":status: 200\ncontent-length: 5\nx-request-id: 7");
    wire_frame(&wire, DATA, END_STREAM, 1, STR("hello"));
    h2_send(&stage, &wire);
    CHECK_EQ(stage.user.runs, 1);
    stage_head(&stage);
    CHECK_EQ(stage.head->status, 200);
    CHECK_INT(stage.head->body_bytes, 5);
    CHECK_EQ(stage.head->headers.count, 2);
    CHECK_TEXT(stage.head->headers.fields[1].name, "X-Request-Id");
    CHECK_TEXT(stage_body(&stage, &io), "hello");
    CHECK_EQ(io, IO_END);
    CHECK_EQ(stage_recv_head(&stage), IO_END);
    stage_done(&stage);
    CHECK_TEXT(h2_frames(&stage), "");
    CHECK_EQ(http_room(stage.conn), 256);
    CHECK_EQ(http_check_idle(stage.conn, true), IO_WAIT);
    http_facts(stage.conn, &facts);
    CHECK_EQ(facts.messages, 1);
    CHECK_EQ(facts.unfit, HTTP_FIT);
    CHECK_EQ(facts.end, HTTP_END_NONE);
    CHECK_EQ(block_pool_out(loop_blocks(stage.loop)), 0);
    stage_close(&stage);
}

struct request_row {
    const char *method, *path, *authority;
    int64_t body_bytes, announced_bytes;
    const char *field, *value, *body; /* body NULL: the head ends it */
    const char *frames;
};

#define PLACE " :scheme=http :authority=a.test :path=/"
static const struct request_row requests[] = {
    /* clang-format off */
    {"GET", "/", "a.test", 0, -1, NULL, NULL, NULL, "HEADERS 1 end :method=GET" PLACE "\n"},
    {"GET", "/", "", 0, -1, NULL, NULL, NULL, "HEADERS 1 end :method=GET :scheme=http :path=/\n"},
    {"OPTIONS", "*", "a", 0, -1, NULL, NULL, NULL, "HEADERS 1 end :method=OPTIONS :scheme=http :authority=a :path=*\n"},
    {"POST", "/", "a.test", 0, -1, NULL, NULL, NULL, "HEADERS 1 end :method=POST" PLACE " content-length=0\n"},
    {"DELETE", "/", "a.test", 0, -1, NULL, NULL, NULL, "HEADERS 1 end :method=DELETE" PLACE "\n"},
    {"GET", "/", "a.test", 0, 0, NULL, NULL, NULL, "HEADERS 1 end :method=GET" PLACE " content-length=0\n"},
    {"POST", "/", "a.test", 2, -1, NULL, NULL, "ab", "HEADERS 1 :method=POST" PLACE " content-length=2\nDATA 1 end ab\n"},
    {"POST", "/", "a.test", -1, -1, NULL, NULL, "ab", "HEADERS 1 :method=POST" PLACE "\nDATA 1 end ab\n"},
    {"GET", "/", "a.test", 0, -1, "Connection", "close", NULL, "HEADERS 1 end :method=GET" PLACE "\n"},
    {"GET", "/", "a.test", 0, -1, "Transfer-Encoding", "chunked", NULL, "HEADERS 1 end :method=GET" PLACE "\n"},
    {"GET", "/", "a.test", 0, -1, "Host", "evil", NULL, "HEADERS 1 end :method=GET" PLACE "\n"},
    {"GET", "/", "a.test", 0, -1, "Content-Length", "7", NULL, "HEADERS 1 end :method=GET" PLACE "\n"},
    {"GET", "/", "a.test", 0, -1, "Te", "gzip", NULL, "HEADERS 1 end :method=GET" PLACE "\n"},
    {"GET", "/", "a.test", 0, -1, "X-A", "a\r\nb: c", NULL, "HEADERS 1 end :method=GET" PLACE "\n"},
    {"GET", "/", "a.test", 0, -1, "X A", "b", NULL, "HEADERS 1 end :method=GET" PLACE "\n"},
    {"GET", "/", "a.test", 0, -1, ":path", "/b", NULL, "HEADERS 1 end :method=GET" PLACE "\n"},
    {"GET", "/", "a.test", 0, -1, "Cookie", "a=b; c=d", NULL, "HEADERS 1 end :method=GET" PLACE " cookie=a=b; c=d\n"},
    {"POST", "/", "a.test", -1, -1, "Content-Type", "application/grpc+proto", "x",
     "HEADERS 1 :method=POST" PLACE " content-type=application/grpc+proto te=trailers\nDATA 1 end x\n"},
    /* clang-format on */
};

TEST(h2_client_writes_heads)
{
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        const struct request_row *row = &requests[i];
        struct http_head head = stage_request(row->method, row->path, row->body_bytes);
        struct h1_stage stage;

        test_case_is("row %zu", i);
        head.authority = str_from(row->authority);
        head.announced_bytes = row->announced_bytes;
        h2_stage_open_client(&stage, NULL);
        if (row->field)
            CHECK(headers_add(&head.headers, stage.arena, str_from(row->field), str_from(row->value)));
        open_stream(&stage);
        CHECK_EQ(http_send_head(stage.stream, &head, !row->body, &stage.err), IO_OK);
        if (row->body)
            CHECK_EQ(stage_send_body(&stage, str_from(row->body), true), IO_OK);
        CHECK_STR(h2_frames(&stage), str_from(row->frames));
        stage_close(&stage);
    }
}

TEST(h2_client_tells_hosts_that_trailers_are_kept)
{
    struct http_head head = stage_request("GET", "/", 0);
    struct h1_stage stage;

    head.trailers = true;
    h2_stage_open_client(&stage, NULL);
    open_stream(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_OK);
    CHECK_TEXT(h2_frames(&stage),
               "HEADERS 1 end :method=GET :scheme=http :authority=example.test :path=/ te=trailers\n");
    stage_close(&stage);
}

TEST(h2_client_refuses_what_would_split_a_request)
{
    static const struct {
        const char *method, *path, *authority;
    } rows[] = {{"GET", "/a b", "a"}, {"GET", "", "a"},    {"G T", "/", "a"},
                {"GET", "/\r", "a"},  {"GET", "/", "a b"}, {"GET", "/", "a\r\nX: y"}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_head head = stage_request(rows[i].method, rows[i].path, 0);
        struct h1_stage stage;

        test_case_is("row %zu", i);
        head.authority = str_from(rows[i].authority);
        h2_stage_open_client(&stage, NULL);
        open_stream(&stage);
        CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_FAIL);
        CHECK_EQ(stage.err.fault, FAULT_BUG);
        CHECK(stage.err.retry_safe);
        stage_done(&stage);
        CHECK_TEXT(h2_frames(&stage), "");
        CHECK_EQ(http_room(stage.conn), 256);
        stage_close(&stage);
    }
}

/* Interim answers, a body in pieces, padding, trailers, and housekeeping in between, in the three ways. */
static struct str exchange(void)
{
    struct wire wire = wire_new();

    wire_setting(&wire, 3, 50);
    wire_frame(&wire, SETTINGS, ACK, 0, STR(""));
    wire_response(&wire, 0, 1, ":status: 100");
    wire_response(&wire, 0, 1, ":status: 103\nlink: </a>");
    wire_response(&wire, 0, 1, ":status: 200\nx-long: 0123456789012345678901234567890123456789");
    wire_frame(&wire, DATA, 0, 1, STR("hello"));
    wire_frame(&wire, PING, 0, 0, STR("12345678"));
    wire_frame(&wire, DATA, PADDED, 1, STR("\3 world\0\0\0"));
    wire_frame(&wire, 0x55, 0, 0, STR("unknown"));
    wire_response(&wire, END_STREAM, 1, "grpc-status: 0\nauthorization: no");
    return wire_text(&wire);
}

static void feed_start(void *arg)
{
    struct http_head head = stage_request("GET", "/", 0);
    struct h1_stage *stage = arg;

    h2_stage_open_client_silent(stage, NULL);
    open_stream(stage);
    CHECK_EQ(http_send_head(stage->stream, &head, true, &stage->err), IO_OK);
    stage_turn(stage);
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

    stage_head(stage);
    CHECK_EQ(stage->head->status, 100);
    stage_head(stage);
    CHECK_EQ(stage->head->status, 103);
    CHECK_EQ(stage->head->headers.count, 1);
    stage_head(stage);
    CHECK_EQ(stage->head->status, 200);
    CHECK_INT(stage->head->body_bytes, -1);
    CHECK_TEXT(stage_body(stage, &io), "hello world");
    CHECK_EQ(io, IO_END);
    stage_head(stage);
    CHECK_EQ(stage->head->status, 0);
    CHECK_EQ(stage->head->headers.count, 1);
    CHECK_TEXT(stage->head->headers.fields[0].name, "Grpc-Status");
    CHECK_EQ(stage_recv_head(stage), IO_END);
    stage_done(stage);
    CHECK_EQ(http_room(stage->conn), 50);
    CHECK_TEXT(h2_frames(stage), "PREFACE\nSETTINGS\nWINDOW_UPDATE 0 4128769\n"
                                 "HEADERS 1 end :method=GET :scheme=http :authority=example.test :path=/\n"
                                 "SETTINGS ack\nPING ack\n");
    stage_close(stage);
}

TEST(h2_client_understands_the_same_however_it_is_cut)
{
    struct h1_stage stage;
    struct feeding feeding = {.start = feed_start, .feed = feed_piece, .end = feed_end, .arg = &stage, .rounds = 20};

    test_feed(&feeding, exchange());
}

/* What is malformed: the first head, or what comes behind a good one. */
struct bad_row {
    const char *lines;
    int flags;
    const char *data; /* behind it, with END_STREAM; NULL: nothing */
    bool head_is_good;
};

static const struct bad_row bad_answers[] = {
    {":status: abc", END_STREAM, NULL, false},
    {":status: 20", END_STREAM, NULL, false},
    {":status: 099", END_STREAM, NULL, false},
    {":status: 101", 0, NULL, false},
    {":status: 100", END_STREAM, NULL, false},
    {"x-a: b", END_STREAM, NULL, false},
    {":status: 200\n:status: 200", END_STREAM, NULL, false},
    {"x-a: b\n:status: 200", END_STREAM, NULL, false},
    {":status: 200\n:path: /", END_STREAM, NULL, false},
    {":status: 200\nX-A: b", END_STREAM, NULL, false},
    {":status: 200\nx-a: a\rb", END_STREAM, NULL, false},
    {":status: 200\nx(a: b", END_STREAM, NULL, false},
    {":status: 200\nconnection: close", END_STREAM, NULL, false},
    {":status: 200\nkeep-alive: timeout=5", END_STREAM, NULL, false},
    {":status: 200\nupgrade: h2c", END_STREAM, NULL, false},
    {":status: 200\ntransfer-encoding: chunked", 0, "x", false},
    {":status: 200\ncontent-length: 5", END_STREAM, NULL, false},
    {":status: 200\ncontent-length: +5", 0, "hello", false},
    {":status: 200\ncontent-length: 5\ncontent-length: 6", 0, "hello", false},
    {":status: 200\ncontent-length: 50", 0, "hello", true},
    {":status: 200\ncontent-length: 2", 0, "hello", true},
    {":status: 204", 0, "hello", true},
};

static void check_bad(struct h1_stage *stage, const struct bad_row *row)
{
    struct str frames;
    enum io io = stage_recv_head(stage);

    if (row->head_is_good && io == IO_OK)
        (void)stage_body(stage, &io);
    CHECK_EQ(io, IO_FAIL);
    CHECK_EQ(stage->err.fault, FAULT_UPSTREAM);
    CHECK(!stage->err.retry_safe);
    frames = h2_frames(stage);
    /* A stream that both sides have ended needs none. */
    CHECK(frames.len == 0 || str_starts(frames, STR("RST_STREAM 1 ")));
    stage_done(stage);
}

TEST(h2_client_refuses_malformed_answers_and_goes_on)
{
    for (size_t i = 0; i < COUNT_OF(bad_answers); i++) {
        const struct bad_row *row = &bad_answers[i];
        struct wire wire = wire_new();
        struct h1_stage stage;

        test_case_is("row %zu: %s", i, row->lines);
        h2_stage_open_client(&stage, NULL);
        ask(&stage, "GET");
        wire_response(&wire, row->flags, 1, row->lines);
        if (row->data)
            wire_frame(&wire, DATA, END_STREAM, 1, str_from(row->data));
        h2_send(&stage, &wire);
        check_bad(&stage, row);
        ask(&stage, "GET");
        host_send_answer(&stage, END_STREAM, 3, ":status: 204");
        stage_head(&stage);
        CHECK_EQ(stage.head->status, 204);
        stage_close(&stage);
    }
}

TEST(h2_client_knows_which_answers_have_no_body)
{
    static const struct {
        const char *method, *lines;
        int64_t announced;
    } rows[] = {{"HEAD", ":status: 200\ncontent-length: 50", 50},
                {"GET", ":status: 304\ncontent-length: 50", 50},
                {"GET", ":status: 204", -1}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct h1_stage stage;
        enum io io;

        test_case_is("row %zu", i);
        h2_stage_open_client(&stage, NULL);
        ask(&stage, rows[i].method);
        host_send_answer(&stage, END_STREAM, 1, rows[i].lines);
        stage_head(&stage);
        CHECK_INT(stage.head->body_bytes, 0);
        CHECK_INT(stage.head->announced_bytes, rows[i].announced);
        CHECK_TEXT(stage_body(&stage, &io), "");
        CHECK_EQ(io, IO_END);
        stage_done(&stage);
        CHECK_TEXT(h2_frames(&stage), "");
        stage_close(&stage);
    }
}

TEST(h2_client_windows_open_as_the_body_is_taken)
{
    static const struct h2_rules rules = {
        .streams_max = 10, .stream_window = 20000, .connection_window = 4 << 20, .glitches_max = 1000};
    const struct http_conn_options options = {.h2 = &rules};
    struct wire wire = wire_new();
    struct chain taken = {NULL, NULL, 0};
    struct h1_stage stage;

    h2_stage_open_client(&stage, &options);
    CHECK_EQ(http_room(stage.conn), 10);
    ask(&stage, "GET");
    wire_response(&wire, 0, 1, ":status: 200");
    wire_zeros(&wire, 1, 16000);
    h2_send(&stage, &wire);
    stage_head(&stage);
    CHECK_TEXT(h2_frames(&stage), "");
    CHECK_EQ(http_recv_body(stage.stream, &taken, SIZE_MAX, &stage.err), IO_OK);
    CHECK_EQ(taken.size, 16000);
    CHECK_TEXT(h2_frames(&stage), "WINDOW_UPDATE 1 16000\n");
    chain_clear(&taken);
    h2_overflow(&stage);
    stage_close(&stage);
}

/* H2-172: the window for uploads is never opened. */
TEST(h2_client_holds_little_of_an_upload_that_nobody_takes)
{
    struct http_head head = stage_request("POST", "/", -1);
    struct chain body = {NULL, NULL, 0};
    struct wire wire = wire_new();
    struct h1_stage stage;

    h2_stage_open_client(&stage, NULL);
    wire_setting(&wire, 4, 0);
    h2_send(&stage, &wire);
    open_stream(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
    CHECK(chain_append(&body, loop_blocks(stage.loop), str_of(arena_zero(test_arena(), 400000), 400000)));
    CHECK_EQ(http_send_body(stage.stream, &body, true, &stage.err), IO_WAIT);
    stage_turn(&stage);
    CHECK(body.size >= 400000 - 16384);
    CHECK_EQ(http_send_body(stage.stream, &body, true, &stage.err), IO_WAIT);
    CHECK(body.size >= 400000 - 16384);
    stage.user.runs = 0;
    wire.len = 0;
    wire_frame(&wire, WINDOW_UPDATE, 0, 1, wire_u32(16384));
    h2_send(&stage, &wire);
    CHECK_EQ(stage.user.runs, 1);
    chain_clear(&body);
    stage_close(&stage);
}

/* G.6 124: a reader who stands still holds its own window, not that of all. */
TEST(h2_client_case_124_slow_readers_do_not_hold_up_the_others)
{
    struct wire wire = wire_new();
    struct http_stream *slow[20];
    struct h1_stage stage;
    struct str big = str_of(arena_zero(test_arena(), 16384), 16384);
    enum io io;

    h2_stage_open_client(&stage, NULL);
    for (uint32_t i = 0; i < COUNT_OF(slow); i++) {
        ask_unread(&stage, "GET");
        slow[i] = stage.stream;
        wire.len = 0;
        wire_response(&wire, 0, 2 * i + 1, ":status: 200");
        for (int j = 0; j < 8; j++)
            wire_frame(&wire, DATA, 0, 2 * i + 1, big);
        h2_send(&stage, &wire);
    }
    ask_unread(&stage, "GET");
    for (int i = 0; i < 40; i++) {
        wire.len = 0;
        if (i == 0)
            wire_response(&wire, 0, 41, ":status: 200");
        for (int j = 0; j < 4; j++)
            wire_frame(&wire, DATA, 0, 41, big);
        h2_send(&stage, &wire);
        if (i == 0)
            stage_head(&stage);
        CHECK_EQ(stage_body(&stage, &io).len, 4 * big.len);
        CHECK_EQ(io, IO_WAIT);
    }
    stage_done(&stage);
    for (size_t i = 0; i < COUNT_OF(slow); i++)
        http_done(slow[i]);
    stage_close(&stage);
}

TEST(h2_client_sends_trailers_behind_the_body)
{
    struct http_field field = {STR("X-Trailer"), STR("1"), HEADER_OTHER};
    struct http_head trailers = {.headers = {&field, 1, 1}, .announced_bytes = -1};
    struct http_head head = stage_request("POST", "/", -1);
    struct h1_stage stage;

    h2_stage_open_client(&stage, NULL);
    open_stream(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
    CHECK_EQ(stage_send_body(&stage, STR("hello"), false), IO_OK);
    CHECK_EQ(http_send_head(stage.stream, &trailers, true, &stage.err), IO_OK);
    CHECK_TEXT(h2_frames(&stage), "HEADERS 1 :method=POST :scheme=http :authority=example.test :path=/\n"
                                  "DATA 1 hello\nHEADERS 1 end x-trailer=1\n");
    stage_close(&stage);
}

TEST(h2_client_takes_few_interim_answers)
{
    struct wire wire = wire_new();
    struct h1_stage stage;
    enum io io = IO_OK;

    h2_stage_open_client(&stage, NULL);
    ask(&stage, "GET");
    for (int i = 0; i < 40; i++)
        wire_response(&wire, 0, 1, ":status: 103");
    h2_send(&stage, &wire);
    while (io == IO_OK)
        io = stage_recv_head(&stage);
    CHECK_EQ(io, IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_INTERIM_FLOOD);
    CHECK_EQ(h2_of_conn(stage.conn)->head_bytes, 0);
    stage_done(&stage);
    CHECK_TEXT(h2_frames(&stage), "RST_STREAM 1 CANCEL\n");
    stage_close(&stage);
}

TEST(h2_client_refuses_heads_that_are_too_large)
{
    static const struct http_conn_options rows[] = {{.fields_max = 20}, {.head_bytes_max = 300}};
    char lines[4096] = ":status: 200";

    for (int i = 0; i < 30; i++)
        strcat(lines, "\nx-a: b");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct h1_stage stage;

        test_case_is("row %zu", i);
        h2_stage_open_client(&stage, &rows[i]);
        ask(&stage, "GET");
        host_send_answer(&stage, END_STREAM, 1, lines);
        CHECK_EQ(stage_recv_head(&stage), IO_FAIL);
        CHECK_EQ(stage.err.code, ERROR_HEAD_TOO_LARGE);
        CHECK_EQ(stage.err.fault, FAULT_UPSTREAM);
        CHECK_EQ(h2_of_conn(stage.conn)->head_bytes, 0);
        stage_done(&stage);
        stage_close(&stage);
    }
}

/* Switching protocols (RFC 8441). */

static enum io ask_to_switch(struct h1_stage *stage)
{
    struct http_head head = stage_request("GET", "/chat", 0);

    head.protocol = STR("websocket");
    CHECK(headers_add(&head.headers, stage->arena, STR("Sec-WebSocket-Key"), STR("dGhlIHNhbXBsZSBub25jZQ==")));
    CHECK(headers_add(&head.headers, stage->arena, STR("Sec-WebSocket-Version"), STR("13")));
    open_stream(stage);
    return http_send_head(stage->stream, &head, true, &stage->err);
}

/* Of a host that offers it. */
static void open_switching(struct h1_stage *stage)
{
    h2_stage_open_client(stage, NULL);
    host_send_setting(stage, 8, 1);
    (void)h2_frames(stage);
    CHECK_EQ(ask_to_switch(stage), IO_OK);
}

TEST(h2_client_switches_protocols_by_connect)
{
    struct h1_stage stage;
    enum io io;

    open_switching(&stage);
    CHECK_TEXT(h2_frames(&stage), "HEADERS 1 :method=CONNECT :scheme=http :authority=example.test :path=/chat "
                                  ":protocol=websocket sec-websocket-version=13\n");
    host_send_answer(&stage, 0, 1, ":status: 200");
    stage_head(&stage);
    CHECK_EQ(stage.head->status, 101);
    CHECK_TEXT(stage.head->protocol, "websocket");
    CHECK_TEXT(headers_get(&stage.head->headers, STR("Sec-WebSocket-Accept")), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    CHECK_EQ(stage_send_body(&stage, STR("ping"), false), IO_OK);
    host_send_frame(&stage, DATA, END_STREAM, 1, STR("pong"));
    CHECK_TEXT(stage_body(&stage, &io), "pong");
    CHECK_EQ(io, IO_END);
    CHECK_EQ(stage_send_body(&stage, STR("bye"), true), IO_OK);
    CHECK_TEXT(h2_frames(&stage), "DATA 1 ping\nDATA 1 end bye\n");
    stage_done(&stage);
    CHECK_EQ(http_room(stage.conn), 256);
    stage_close(&stage);
}

TEST(h2_client_hands_up_why_a_switch_is_refused)
{
    struct wire wire = wire_new();
    struct h1_stage stage;
    enum io io;

    open_switching(&stage);
    stage_turn(&stage);
    wire_response(&wire, 0, 1, ":status: 403\ncontent-length: 2");
    wire_frame(&wire, DATA, END_STREAM, 1, STR("no"));
    h2_send(&stage, &wire);
    stage_head(&stage);
    CHECK_EQ(stage.head->status, 403);
    CHECK_TEXT(stage_body(&stage, &io), "no");
    CHECK_EQ(io, IO_END);
    CHECK_EQ(stage_recv_head(&stage), IO_END);
    stage_done(&stage);
    CHECK_EQ(http_room(stage.conn), 256);
    stage_close(&stage);
}

TEST(h2_client_does_not_ask_to_switch_where_it_is_not_offered)
{
    struct h1_stage stage;

    h2_stage_open_client(&stage, NULL);
    CHECK_EQ(ask_to_switch(&stage), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_BAD_UPGRADE);
    CHECK(stage.err.retry_safe);
    CHECK_TEXT(h2_frames(&stage), "");
    stage_close(&stage);
}
