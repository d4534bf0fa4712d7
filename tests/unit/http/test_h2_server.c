/* test_h2_server.c: HTTP/2's server role: requests in, answers out, and the ways a connection ends. Windows
 * are in test_h2_windows.c. SPDX-License-Identifier: Apache-2.0 */
#include "h2_stage.h"

TEST(h2_requests_are_served_and_the_connection_goes_on)
{
    struct h1_stage stage;
    enum io io;

    h2_stage_open(&stage, NULL);
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    h2_ask(&stage, END_STREAM, 1, "GET /a?b=c\nx-a: v\nx-request-id: 7");
    stage_take(&stage);
    CHECK_TEXT(stage.head->method, "GET");
    CHECK_TEXT(stage.head->path, "/a?b=c");
    CHECK_TEXT(stage.head->authority, "example.test");
    CHECK_EQ(stage.head->version_minor, 1);
    CHECK_EQ(stage.head->headers.count, 2);
    CHECK_TEXT(stage.head->headers.fields[1].name, "X-Request-Id");
    CHECK_INT(stage.head->body_bytes, 0);
    CHECK_TEXT(stage_body(&stage, &io), "");
    CHECK_EQ(io, IO_END);
    CHECK_EQ(stage_recv_head(&stage), IO_END);
    stage_answer(&stage, STR("hello"));
    CHECK_TEXT(h2_frames(&stage), "HEADERS 1 :status=200 content-length=5\nDATA 1 end hello\n");
    h2_ask(&stage, END_STREAM, 3, "HEAD /\ncookie: a=1\nx-b: 2\ncookie: b=2\ncookie: c=3");
    stage_take(&stage);
    CHECK_EQ(stage.head->headers.count, 2);
    CHECK_TEXT(headers_get_id(&stage.head->headers, HEADER_COOKIE), "a=1; b=2; c=3");
    CHECK_EQ(http_send_head(stage.stream, &(struct http_head){.status = 200, .body_bytes = 9, .announced_bytes = -1},
                            false, &stage.err),
             IO_OK);
    CHECK_EQ(stage_send_body(&stage, STR("swallowed"), true), IO_OK);
    stage_done(&stage);
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    CHECK(!stage.far_ended);
    stage_close(&stage);
}

/* As over HTTP/1. */
TEST(h2_bytes_above_ascii_in_a_path_are_escaped)
{
    struct h1_stage stage;

    h2_stage_open(&stage, NULL);
    h2_ask(&stage, END_STREAM, 1, "GET /caf\303\251?q=\377&r=%41");
    stage_take(&stage);
    CHECK_TEXT(stage.head->path, "/caf%C3%A9?q=%FF&r=%41");
    stage_close(&stage);
}

/* An upload with trailers and the next request, taken apart in the three ways. */
static struct str upload(void)
{
    struct wire wire = wire_new();

    wire_hello(&wire);
    wire_request(&wire, 0, 1, "POST /up\nx-long: 0123456789012345678901234567890123456789");
    wire_frame(&wire, DATA, 0, 1, STR("hello"));
    wire_frame(&wire, 0x55, 0, 0, STR("unknown"));
    wire_frame(&wire, DATA, PADDED, 1, STR("\3 world\0\0\0"));
    wire_frame(&wire, HEADERS, END_STREAM | END_HEADERS, 1, wire_fields("x-t: 1\nauthorization: no"));
    wire_request(&wire, END_STREAM, 3, "GET /next");
    return wire_text(&wire);
}

static void feed_start(void *arg)
{
    h2_stage_open_silent(arg, NULL);
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

    stage_take(stage);
    CHECK_TEXT(stage->head->path, "/up");
    CHECK_INT(stage->head->body_bytes, -1);
    CHECK_TEXT(stage_body(stage, &io), "hello world");
    CHECK_EQ(io, IO_END);
    stage_head(stage);
    CHECK_EQ(stage->head->status, 0);
    CHECK_EQ(stage->head->headers.count, 1);
    CHECK_TEXT(stage->head->headers.fields[0].name, "X-T");
    CHECK_EQ(stage_recv_head(stage), IO_END);
    stage_answer(stage, STR("1"));
    stage_take(stage);
    CHECK_TEXT(stage->head->path, "/next");
    stage_done(stage);
    CHECK_TEXT(h2_frames(stage), "SETTINGS\nWINDOW_UPDATE 0 458753\nSETTINGS ack\n"
                                 "HEADERS 1 :status=200 content-length=1\nDATA 1 end 1\nRST_STREAM 3 INTERNAL_ERROR\n");
    stage_close(stage);
}

TEST(h2_messages_are_the_same_however_they_are_cut)
{
    struct h1_stage stage;
    struct feeding feeding = {.start = feed_start, .feed = feed_piece, .end = feed_end, .arg = &stage, .rounds = 20};

    test_feed(&feeding, upload());
}

/* What comes of a head: a code of recv_head, or frames instead of a stream. */
struct head_row {
    const char *lines;
    enum error_code code;
    const char *frames;
};

static const struct head_row heads[] = {
    {"GET /a b", ERROR_NONE, "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {"GET /a#b", ERROR_BAD_TARGET, NULL},
    {"GET /\303\251#b", ERROR_BAD_TARGET, NULL},
    {":method: GET\n:scheme: http\n:path: \303\251\n:authority: a", ERROR_BAD_TARGET, NULL},
    {"GET /\nhost: evil.test", ERROR_BAD_HOST, NULL},
    {":method: GET\n:scheme: http\n:path: /\n:authority: a@b", ERROR_BAD_HOST, NULL},
    {":method: GET\n:scheme: http\n:path: /\n:authority: a/b", ERROR_NONE, "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {":method: CONNECT\n:authority: example.test", ERROR_BAD_TARGET, NULL},
    {"GET /\nconnection: close", ERROR_NONE, "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {"GET /\nkeep-alive: timeout=5", ERROR_NONE, "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {"GET /\nproxy-connection: x", ERROR_NONE, "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {"GET /\nupgrade: h2c", ERROR_NONE, "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {"GET /\ntransfer-encoding: chunked", ERROR_NONE, "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {"GET /\nte: gzip", ERROR_NONE, "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {"GET /\nx-a: a\rb", ERROR_NONE, "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {"GET /\nX-A: b", ERROR_NONE, "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {"GET /\nx(a: b", ERROR_NONE, "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {"GET /\n:foo: b", ERROR_NONE, "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {"GET /\ncontent-length: 5", ERROR_NONE, "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {"GET /\ncontent-length: +0", ERROR_NONE, "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {":scheme: http\n:path: /\n:authority: a", ERROR_NONE, "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {":method: CONNECT\n:scheme: http\n:path: /\n:authority: a:1\n:protocol: websocket", ERROR_NONE,
     "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {"GET /\nte: trailers\nproxy-authorization: x", ERROR_NONE, NULL},
    {":method: GET\n:scheme: http\n:path: /\nhost: example.test", ERROR_NONE, NULL},
    {":method: CONNECT\n:authority: example.test:443", ERROR_NONE, NULL},
    {"OPTIONS *", ERROR_NONE, NULL},
};

/* What we refuse by a code newer versions of the library may refuse by themselves. */
static void check_head(struct h1_stage *stage, const struct head_row *row)
{
    struct str frames = h2_frames(stage);
    enum io io;

    if (row->frames || (row->code != ERROR_NONE && frames.len > 0)) {
        CHECK_STR(frames, str_from(row->frames ? row->frames : "RST_STREAM 1 PROTOCOL_ERROR\n"));
        CHECK_EQ(stage_accept_io(stage), IO_WAIT);
        return;
    }
    stage_accept(stage);
    io = stage_recv_head(stage);
    CHECK_EQ(io, row->code == ERROR_NONE ? IO_OK : IO_FAIL);
    if (io == IO_FAIL)
        CHECK_EQ(stage->err.code, row->code);
    else
        CHECK_EQ(stage->head->headers.count, 0);
    stage_answer(stage, STR(""));
}

TEST(h2_heads_that_no_other_hop_could_bear_are_refused)
{
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        struct h1_stage stage;

        test_case_is("row %zu: %s", i, heads[i].lines);
        h2_stage_open(&stage, NULL);
        h2_ask(&stage, END_STREAM, 1, heads[i].lines);
        check_head(&stage, &heads[i]);
        h2_ask(&stage, END_STREAM, 3, "GET /still-here");
        stage_take(&stage);
        CHECK_TEXT(stage.head->path, "/still-here");
        stage_close(&stage);
    }
}

TEST(h2_a_body_that_does_not_come_to_its_length_never_ends)
{
    struct wire wire = wire_new();
    struct h1_stage stage;
    enum io io;

    h2_stage_open(&stage, NULL);
    h2_ask(&stage, 0, 1, "POST /\ncontent-length: 5");
    stage_take(&stage);
    CHECK_INT(stage.head->body_bytes, 5);
    wire.len = 0;
    wire_frame(&wire, DATA, END_STREAM, 1, STR("hel"));
    h2_send(&stage, &wire);
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_FAIL);
    stage_done(&stage);
    CHECK_TEXT(h2_frames(&stage), "RST_STREAM 1 PROTOCOL_ERROR\n");
    stage_close(&stage);
}

TEST(h2_interim_answers_and_trailers_are_sent)
{
    struct http_field field = {STR("X-Trailer"), STR("1"), HEADER_OTHER};
    struct http_head trailers = {.headers = {&field, 1, 1}, .announced_bytes = -1}, hints = stage_response(103, 0);
    struct http_head head = stage_response(200, -1);
    struct h1_stage stage;
    enum io io;

    h2_stage_open(&stage, NULL);
    h2_ask(&stage, 0, 1, "POST /\nexpect: 100-continue");
    stage_take(&stage);
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_WAIT);
    CHECK_EQ(http_send_head(stage.stream, &hints, false, &stage.err), IO_OK);
    CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
    CHECK_EQ(stage_send_body(&stage, STR("hello"), false), IO_OK);
    CHECK_EQ(http_send_head(stage.stream, &trailers, true, &stage.err), IO_OK);
    stage_done(&stage);
    CHECK_TEXT(h2_frames(&stage), "HEADERS 1 :status=100\nHEADERS 1 :status=103\nHEADERS 1 :status=200\n"
                                  "DATA 1 hello\nHEADERS 1 end x-trailer=1\nRST_STREAM 1 NO_ERROR\n");
    stage_close(&stage);
}

/* The head and the rest of an answer that is cut off come in one turn. */
TEST(h2_a_reset_does_not_overtake_what_was_answered)
{
    struct http_head head = {.status = 200, .body_bytes = -1, .announced_bytes = -1};
    struct h1_stage stage;

    h2_stage_open(&stage, NULL);
    h2_ask(&stage, END_STREAM, 1, "GET /");
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
    CHECK_EQ(stage_send_body(&stage, STR("hel"), false), IO_OK);
    http_cancel(stage.stream, HTTP_CANCEL_ERROR);
    stage_done(&stage);
    CHECK_TEXT(h2_frames(&stage), "HEADERS 1 :status=200\nDATA 1 hel\nRST_STREAM 1 INTERNAL_ERROR\n");
    stage_close(&stage);
}

TEST(h2_fields_of_a_connection_are_not_sent)
{
    struct http_field fields[] = {{STR("Connection"), STR("close"), HEADER_CONNECTION},
                                  {STR("Keep-Alive"), STR("timeout=5"), HEADER_KEEP_ALIVE},
                                  {STR("Transfer-Encoding"), STR("chunked"), HEADER_TRANSFER_ENCODING},
                                  {STR("X-Kept"), STR("1"), HEADER_OTHER}};
    struct http_head head = {.status = 204, .headers = {fields, 4, 4}, .announced_bytes = -1};
    struct h1_stage stage;

    h2_stage_open(&stage, NULL);
    h2_ask(&stage, END_STREAM, 1, "GET /");
    stage_take(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_OK);
    stage_done(&stage);
    CHECK_TEXT(h2_frames(&stage), "HEADERS 1 end :status=204 x-kept=1\n");
    stage_close(&stage);
}

TEST(h2_a_drain_takes_two_steps_and_lets_streams_finish)
{
    struct http_conn_facts facts;
    struct wire wire = wire_new();
    struct h1_stage stage;

    h2_stage_open(&stage, NULL);
    h2_ask(&stage, END_STREAM, 1, "GET /first");
    stage_take(&stage);
    http_drain(stage.conn);
    CHECK_TEXT(h2_frames(&stage), "GOAWAY 2147483647 NO_ERROR\n");
    wire_request(&wire, END_STREAM, 3, "GET /crossed");
    wire_request(&wire, END_STREAM, 5, "GET /late");
    h2_send(&stage, &wire);
    stage_pass(&stage, SECONDS);
    CHECK_TEXT(h2_frames(&stage), "GOAWAY 5 NO_ERROR\n");
    stage_answer(&stage, STR("1"));
    for (int i = 0; i < 2; i++) {
        stage_take(&stage);
        stage_answer(&stage, STR("2"));
    }
    CHECK_TEXT(h2_frames(&stage), "HEADERS 1 :status=200 content-length=1\nDATA 1 end 1\n"
                                  "HEADERS 3 :status=200 content-length=1\nDATA 3 end 2\n"
                                  "HEADERS 5 :status=200 content-length=1\nDATA 5 end 2\nFIN\n");
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    far_end(&stage);
    CHECK_EQ(stage_accept_io(&stage), IO_END);
    http_facts(stage.conn, &facts);
    CHECK_EQ(facts.end, HTTP_END_DRAIN);
    CHECK_EQ(facts.messages, 3);
    stage_close(&stage);
}

TEST(h2_a_drain_reaches_silent_connections_at_once)
{
    struct h1_stage stage;

    h2_stage_open(&stage, NULL);
    http_drain(stage.conn);
    CHECK_TEXT(h2_frames(&stage), "GOAWAY 2147483647 NO_ERROR\n");
    stage_pass(&stage, SECONDS);
    CHECK_TEXT(h2_frames(&stage), "GOAWAY 0 NO_ERROR\nFIN\n");
    stage_pass(&stage, 3 * SECONDS);
    CHECK_EQ(stage_accept_io(&stage), IO_END);
    stage_close(&stage);
}

TEST(h2_an_idle_connection_is_told_before_it_closes)
{
    const struct http_conn_options options = {.idle_timeout_ns = 10 * SECONDS};
    struct http_conn_facts facts;
    struct h1_stage stage;

    h2_stage_open(&stage, &options);
    stage_pass(&stage, 9 * SECONDS);
    CHECK_TEXT(h2_frames(&stage), "");
    stage_pass(&stage, SECONDS);
    CHECK_TEXT(h2_frames(&stage), "GOAWAY 0 NO_ERROR\nFIN\n");
    h2_ask(&stage, END_STREAM, 1, "GET /too-late");
    far_end(&stage);
    CHECK_EQ(stage_accept_io(&stage), IO_END);
    http_facts(stage.conn, &facts);
    CHECK_EQ(facts.end, HTTP_END_IDLE);
    CHECK(facts.raced);
    stage_close(&stage);
}

/* From FIN on; what comes meanwhile is thrown away. */
TEST(h2_a_client_that_does_not_close_is_lingered_for_only_so_long)
{
    static const uint64_t lingers_ns[] = {SECONDS / 100, 2 * SECONDS, 30 * SECONDS};

    for (size_t i = 0; i < COUNT_OF(lingers_ns); i++) {
        const struct http_conn_options options = {.idle_timeout_ns = 10 * SECONDS, .linger_ns = lingers_ns[i]};
        struct h1_stage stage;

        test_case_is("row %zu", i);
        h2_stage_open(&stage, &options);
        stage_pass(&stage, 10 * SECONDS);
        CHECK_TEXT(h2_frames(&stage), "GOAWAY 0 NO_ERROR\nFIN\n");
        stage_pass(&stage, lingers_ns[i] - 1);
        CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
        stage_pass(&stage, 1);
        CHECK_EQ(stage_accept_io(&stage), IO_END);
        stage_close(&stage);
    }
}

/* Until nothing more finds room on the way to the client, who reads nothing. */
static void fill_the_way(struct h1_stage *stage)
{
    static char zeros[65536];
    struct iovec part = {zeros, sizeof(zeros)};
    struct error err;
    size_t sent;

    while (stream_writev(stage->conn->stream, &part, 1, &sent, &err) == IO_OK)
        ;
}

/* An answer to a PING is stuck when the client says that it is done. */
TEST(h2_the_last_frames_have_their_time_however_short_lingering_is)
{
    static const uint64_t lingers_ns[] = {SECONDS / 1000, 60 * SECONDS};

    for (size_t i = 0; i < COUNT_OF(lingers_ns); i++) {
        const struct http_conn_options options = {.linger_ns = lingers_ns[i]};
        struct wire wire = wire_new();
        struct h1_stage stage;

        test_case_is("row %zu", i);
        h2_stage_open(&stage, &options);
        fill_the_way(&stage);
        wire_frame(&wire, PING, 0, 0, STR("12345678"));
        h2_send(&stage, &wire);
        far_end(&stage);
        stage_pass(&stage, 2 * SECONDS - 1);
        CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
        stage_pass(&stage, 1);
        CHECK_EQ(stage_accept_io(&stage), IO_END);
        stage_close(&stage);
    }
}

TEST(h2_a_client_that_leaves_is_noticed_on_every_stream)
{
    struct http_head head = stage_response(200, 0);
    struct h1_stage stage;

    for (int reset = 0; reset < 2; reset++) {
        h2_stage_open(&stage, NULL);
        h2_ask(&stage, END_STREAM, 1, "GET /");
        stage_take(&stage);
        stage.user.runs = 0;
        far_close(&stage, reset);
        CHECK_EQ(stage.user.runs, 1);
        CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_FAIL);
        stage_done(&stage);
        stage_pass(&stage, 3 * SECONDS);
        CHECK_EQ(stage_accept_io(&stage), IO_END);
        stage_close(&stage);
    }
}

struct failing {
    struct h1_stage stage;
    struct wire wire;
    struct arena *arena;
};

static void scenario(void *arg)
{
    static const struct http_conn_options options;
    struct failing *failing = arg;
    struct h1_stage *stage = &failing->stage;
    struct wire wire = failing->wire;
    struct stream *near;
    enum io io = IO_WAIT;

    *stage = (struct h1_stage){.arena = failing->arena};
    fake_world_init(&stage->fake);
    stage->loop = loop_new(&stage->fake.world);
    if (!stage->loop)
        return;
    if (pair_new(stage->loop, STAGE_ROOM, &near, &stage->far)) {
        stage->conn = h2_server_new(near, NULL, &options, NULL, &stage->err);
        if (stage->conn) {
            struct iovec part = {wire.bytes, wire.len};
            size_t sent;

            (void)stream_writev(stage->far, &part, 1, &sent, &stage->err);
            stage_turn(stage);
            io = http_accept(stage->conn, &stage->stream, &stage->err);
        }
    }
    if (io == IO_OK) {
        struct chain body = {NULL, NULL, 0};
        struct http_head head = stage_response(200, 0);

        if (http_recv_head(stage->stream, stage->arena, &stage->head, &stage->err) == IO_OK)
            (void)http_recv_body(stage->stream, &body, SIZE_MAX, &stage->err);
        (void)http_send_head(stage->stream, &head, true, &stage->err);
        chain_clear(&body);
        http_done(stage->stream);
        stage_turn(stage);
    }
    http_close(stage->conn);
    stream_close(stage->far, false);
    CHECK_EQ(block_pool_out(loop_blocks(stage->loop)), 0);
    loop_free(stage->loop);
}

/* Without a body: nghttp2 1.52 itself does not bear it where it queues the first DATA. */
TEST(h2_bears_every_failing_allocation)
{
    struct failing failing = {.wire = wire_new(), .arena = test_arena()};

    wire_hello(&failing.wire);
    wire_request(&failing.wire, 0, 1, "POST /\nx-a: b");
    wire_frame(&failing.wire, DATA, END_STREAM, 1, STR("hello"));
    test_every_allocation_fails(scenario, &failing);
}
