/* test_h1_client_cut.c: the client role when things go wrong: cut answers, early answers, connections that die while
 * they are used or idle. SPDX-License-Identifier: Apache-2.0 */
#include "h1_stage.h"

static void ask(struct h1_stage *stage)
{
    struct http_head head = stage_request("GET", "/x", 0);

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

static const struct str whole[] = {
    STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world"),
    STR_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n"),
};

static void check_cut(struct str answer, size_t at, bool reset)
{
    size_t head = str_find(answer, STR("\r\n\r\n")) + 4;
    struct h1_stage stage;
    enum io io;

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    ask(&stage);
    far_send(&stage, str_first(answer, at));
    far_close(&stage, reset);
    io = stage_recv_head(&stage);
    CHECK_EQ(io, at < head ? IO_FAIL : IO_OK);
    if (at < head) {
        enum error_code closed = at == 0 ? ERROR_NO_ANSWER : ERROR_CLOSED;

        CHECK_CSTR(error_code_name(stage.err.code), error_code_name(reset ? ERROR_RESET : closed));
        CHECK_EQ(stage.stream->bytes_in, at); /* who might ask again must know that this was no silence */
    } else {
        CHECK(str_starts(STR("hello world"), stage_body(&stage, &io)));
        CHECK_EQ(io, at == answer.len ? IO_END : IO_FAIL);
        if (io == IO_FAIL)
            CHECK_CSTR(error_code_name(stage.err.code), error_code_name(reset ? ERROR_RESET : ERROR_BODY_INCOMPLETE));
    }
    if (io == IO_FAIL)
        CHECK_EQ(stage.err.fault, FAULT_UPSTREAM);
    stage_done(&stage);
    CHECK_EQ(unfit_of(&stage), HTTP_UNFIT_CLOSED);
    CHECK_EQ(http_room(stage.conn), 0);
    stage_close(&stage);
}

TEST(an_answer_cut_at_any_byte_is_never_complete)
{
    for (size_t i = 0; i < COUNT_OF(whole); i++)
        for (size_t at = 0; at <= whole[i].len; at++) {
            test_case_is("row %zu cut at %zu", i, at);
            check_cut(whole[i], at, false);
            test_case_is("row %zu reset at %zu", i, at);
            check_cut(whole[i], at, true);
        }
}

TEST(a_close_delimited_body_that_is_reset_is_cut)
{
    struct h1_stage stage;
    enum io io;

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    ask(&stage);
    far_send(&stage, STR("HTTP/1.1 200 OK\r\n\r\nhello"));
    stage_head(&stage);
    CHECK_INT(stage.head->body_bytes, -1);
    CHECK_TEXT(stage_body(&stage, &io), "hello");
    CHECK_EQ(io, IO_WAIT);
    far_close(&stage, true);
    stage_body(&stage, &io);
    CHECK_EQ(io, IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_RESET);
    stage_close(&stage);
}

static const struct str broken[] = {
    STR_INIT("zz\r\nhello\r\n"),
    STR_INIT("-5\r\nhello\r\n"),
    STR_INIT("5\r\nhelloXX\r\n0\r\n\r\n"),
    STR_INIT("5\r\nhello\r\n0\r\nfoo\r\n\r\n"),
};

TEST(broken_chunks_fail_and_spoil_the_connection)
{
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        struct h1_stage stage;
        enum io io;

        test_case_is("row %zu", i);
        stage_open(&stage, HTTP_CLIENT, NULL, 0);
        ask(&stage);
        far_send(&stage, STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
        far_send(&stage, broken[i]);
        stage_head(&stage);
        CHECK(str_starts(STR("hello"), stage_body(&stage, &io)));
        CHECK_EQ(io, IO_FAIL);
        CHECK_EQ(stage.err.code, ERROR_BAD_CHUNK);
        stage_done(&stage);
        CHECK_EQ(unfit_of(&stage), HTTP_UNFIT_FRAMING);
        stage_close(&stage);
    }
}

/* Answers before the request is out. */

static void begin_upload(struct h1_stage *stage)
{
    struct http_head head = stage_request("POST", "/up", 10);

    stage_open(stage, HTTP_CLIENT, NULL, 0);
    stage_open_stream(stage);
    CHECK_EQ(http_send_head(stage->stream, &head, false, &stage->err), IO_OK);
    CHECK_EQ(stage_send_body(stage, STR("hello"), false), IO_OK);
    far_send(stage, STR("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"));
    stage_head(stage);
    CHECK_EQ(stage->head->status, 413);
}

TEST(an_early_answer_is_handed_up_and_the_unfinished_request_spoils_the_connection)
{
    struct h1_stage stage;
    enum io io;

    begin_upload(&stage);
    CHECK_TEXT(stage_body(&stage, &io), "no");
    stage_done(&stage);
    CHECK_EQ(unfit_of(&stage), HTTP_UNFIT_UNFINISHED);
    http_close(stage.conn);
    stage.conn = NULL;
    far_text(&stage);
    CHECK(stage.far_reset);
    stage_close(&stage);
}

TEST(an_early_answer_to_a_request_that_is_finished_all_the_same_keeps_the_connection)
{
    struct h1_stage stage;
    enum io io;

    begin_upload(&stage);
    CHECK_EQ(stage_send_body(&stage, STR("world"), true), IO_OK);
    CHECK_TEXT(stage_body(&stage, &io), "no");
    stage_turn(&stage);
    stage_done(&stage);
    CHECK_EQ(http_room(stage.conn), 1);
    stage_close(&stage);
}

/* The write fails first, the answer is read all the same: a fake stream that takes no byte, over a pair that gives
 * some. */

struct deaf_stream {
    struct stream stream;
    struct stream *inner;
};

static enum io deaf_readv(struct stream *stream, const struct iovec *parts, int count, size_t *got, struct error *err)
{
    return stream_readv(container_of(stream, struct deaf_stream, stream)->inner, parts, count, got, err);
}

static enum io deaf_writev(struct stream *stream, const struct iovec *parts, int count, size_t *sent, struct error *err)
{
    (void)stream;
    (void)parts;
    (void)count;
    (void)sent;
    error_set(err, FAULT_SYSTEM, ERROR_RESET, "broken pipe");
    return IO_FAIL;
}

static void deaf_set_owner(struct stream *stream, struct task *owner, bool idle)
{
    stream_set_owner(container_of(stream, struct deaf_stream, stream)->inner, owner, idle);
}

static void deaf_close(struct stream *stream, bool reset)
{
    stream_close(container_of(stream, struct deaf_stream, stream)->inner, reset);
}

TEST(an_answer_behind_a_failed_write_is_read)
{
    static const struct stream_ops ops = {
        .readv = deaf_readv, .writev = deaf_writev, .set_owner = deaf_set_owner, .close = deaf_close};
    static const struct http_conn_options options;
    struct http_head head = stage_request("POST", "/up", 10);
    struct deaf_stream deaf = {0};
    struct h1_stage stage;

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    http_close(stage.conn);
    stream_close(stage.far, false);
    CHECK(pair_new(stage.loop, STAGE_ROOM, &deaf.inner, &stage.far));
    deaf.stream = (struct stream){.ops = &ops, .loop = stage.loop};
    stage.conn = h1_client_new(&deaf.stream, &options, &stage.owner.task, &stage.err);
    stage_open_stream(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
    stage_turn(&stage);
    CHECK_EQ(stage.user.runs, 1);
    CHECK_EQ(stage_send_body(&stage, STR("hello"), false), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_RESET);
    far_send(&stage, STR("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"));
    stage_head(&stage);
    CHECK_EQ(stage.head->status, 413);
    stage_done(&stage);
    CHECK_EQ(unfit_of(&stage), HTTP_UNFIT_CLOSED);
    stage_close(&stage);
}

TEST(letting_go_before_the_end_spoils_the_connection)
{
    struct h1_stage stage;

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    ask(&stage);
    stage_done(&stage);
    CHECK_EQ(unfit_of(&stage), HTTP_UNFIT_UNFINISHED);
    CHECK_EQ(http_open(stage.conn, &stage.stream, &stage.err), IO_FAIL);
    CHECK(stage.err.retry_safe);
    stage.stream = NULL;
    stage_close(&stage);

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    ask(&stage);
    far_send(&stage, STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"));
    stage_head(&stage);
    stage_done(&stage);
    CHECK_EQ(unfit_of(&stage), HTTP_UNFIT_UNFINISHED);
    stage_close(&stage);
}

TEST(cancelling_says_why_the_connection_is_unfit)
{
    static const struct {
        enum http_cancel why;
        enum http_unfit unfit;
    } rows[] = {{HTTP_CANCEL_GONE, HTTP_UNFIT_UNFINISHED},
                {HTTP_CANCEL_ERROR, HTTP_UNFIT_UNFINISHED},
                {HTTP_CANCEL_DEADLINE, HTTP_UNFIT_TIMEOUT}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct h1_stage stage;

        stage_open(&stage, HTTP_CLIENT, NULL, 0);
        ask(&stage);
        http_cancel(stage.stream, rows[i].why);
        stage_done(&stage);
        CHECK_EQ(unfit_of(&stage), rows[i].unfit);
        stage_close(&stage);
    }
}

TEST(a_body_that_is_cut_or_too_long_on_its_way_out_is_told)
{
    struct http_head head = stage_request("POST", "/up", 5);
    struct h1_stage stage;

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    stage_open_stream(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, false, &stage.err), IO_OK);
    CHECK_EQ(stage_send_body(&stage, STR("hell"), true), IO_FAIL);
    CHECK_EQ(stage.err.fault, FAULT_BUG);
    stage_done(&stage);
    CHECK_EQ(http_room(stage.conn), 0);
    stage_close(&stage);
}

/* Idle connections. */

static enum io idle_io(struct h1_stage *stage, bool look)
{
    enum io io = http_check_idle(stage->conn, look);

    if (io != IO_WAIT)
        CHECK_EQ(http_room(stage->conn), 0);
    return io;
}

/* As in a pool: news goes to somebody else than the conn. */
static void open_idle(struct h1_stage *stage)
{
    stage_open(stage, HTTP_CLIENT, NULL, 0);
    http_set_idle(stage->conn, &stage->owner.task);
    CHECK_EQ(idle_io(stage, true), IO_WAIT);
    CHECK_EQ(idle_io(stage, false), IO_WAIT);
}

TEST(an_idle_connection_that_is_closed_is_seen)
{
    for (int look = 0; look < 2; look++) {
        struct h1_stage stage;

        open_idle(&stage);
        far_end(&stage);
        CHECK_EQ(stage.owner.runs, 1);
        CHECK_EQ(idle_io(&stage, look), IO_END);
        CHECK_EQ(idle_io(&stage, look), IO_END);
        CHECK_EQ(unfit_of(&stage), HTTP_UNFIT_CLOSED);
        stage_close(&stage);
    }
}

TEST(an_idle_connection_that_is_reset_is_seen)
{
    for (int look = 0; look < 2; look++) {
        struct h1_stage stage;

        open_idle(&stage);
        far_close(&stage, true);
        CHECK_EQ(idle_io(&stage, look), IO_FAIL);
        CHECK_EQ(idle_io(&stage, look), IO_FAIL);
        CHECK_EQ(unfit_of(&stage), HTTP_UNFIT_CLOSED);
        stage_close(&stage);
    }
}

TEST(stray_bytes_on_an_idle_connection_are_seen)
{
    for (int look = 0; look < 2; look++) {
        struct h1_stage stage;

        open_idle(&stage);
        far_send(&stage, STR("HTTP/1.1 408 Request Timeout\r\n\r\n"));
        CHECK_EQ(idle_io(&stage, look), IO_OK);
        CHECK_EQ(idle_io(&stage, !look), IO_OK);
        CHECK_EQ(unfit_of(&stage), HTTP_UNFIT_SURPLUS);
        stage_close(&stage);
    }
}

TEST(an_idle_connection_that_is_its_own_owner_wakes_its_conn_owner)
{
    struct h1_stage stage;

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    far_send(&stage, STR("x"));
    CHECK_EQ(stage.owner.runs, 1);
    CHECK_EQ(unfit_of(&stage), HTTP_UNFIT_SURPLUS);
    CHECK_EQ(block_pool_out(loop_blocks(stage.loop)), 0);
    stage_close(&stage);

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    far_end(&stage);
    CHECK_EQ(stage.owner.runs, 1);
    CHECK_EQ(unfit_of(&stage), HTTP_UNFIT_CLOSED);
    stage_close(&stage);
}

/* Bytes that came before the request was sent: what follows them is not its answer. */
TEST(a_request_is_not_sent_behind_stray_bytes)
{
    struct http_head head = stage_request("GET", "/", 0);
    struct h1_stage stage;

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    stage_open_stream(&stage);
    far_send(&stage, STR("HTTP/1.1 200 OK\r\nContent-Le"));
    CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_FAIL);
    CHECK(stage.err.retry_safe);
    far_send(&stage, STR("ngth: 0\r\n\r\n"));
    CHECK_TEXT(far_text(&stage), "");
    stage_done(&stage);
    CHECK_EQ(unfit_of(&stage), HTTP_UNFIT_SURPLUS);
    stage_close(&stage);
}

TEST(a_request_is_not_sent_on_a_closed_connection)
{
    for (int reset = 0; reset < 2; reset++) {
        struct http_head head = stage_request("GET", "/", 0);
        struct h1_stage stage;

        stage_open(&stage, HTTP_CLIENT, NULL, 0);
        stage_open_stream(&stage);
        far_close(&stage, reset);
        CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_FAIL);
        CHECK(stage.err.retry_safe);
        CHECK_EQ(stage.err.fault, FAULT_UPSTREAM);
        stage_close(&stage);
    }
}

TEST(drained_connections_take_no_more)
{
    struct h1_stage stage;

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    http_drain(stage.conn);
    CHECK_EQ(http_room(stage.conn), 0);
    CHECK_EQ(unfit_of(&stage), HTTP_UNFIT_OURS);
    stage_close(&stage);
}

TEST(single_use_connections_take_one_request)
{
    struct http_conn_options options = {.single_use = true};
    struct h1_stage stage;

    stage_open(&stage, HTTP_CLIENT, &options, 0);
    ask(&stage);
    far_send(&stage, STR("HTTP/1.1 204 No Content\r\n\r\n"));
    stage_head(&stage);
    stage_done(&stage);
    CHECK_EQ(unfit_of(&stage), HTTP_UNFIT_OURS);
    CHECK_EQ(http_room(stage.conn), 0);
    stage_close(&stage);
}

TEST(a_body_that_nobody_takes_holds_back_the_peer)
{
    static char bytes[1 << 16];
    struct h1_stage stage;
    struct error err;
    size_t total = 0, sent = 0;
    enum io io;

    stage_open(&stage, HTTP_CLIENT, NULL, 1 << 16);
    ask(&stage);
    far_send(&stage, STR("HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n"));
    stage_head(&stage);
    do {
        struct iovec part = {bytes, sizeof(bytes)};

        sent = 0;
        io = stream_writev(stage.far, &part, 1, &sent, &err);
        total += sent;
        stage_turn(&stage);
        CHECK(total < 1000000);
    } while (io == IO_OK);
    CHECK(total >= (256 << 10));
    CHECK(block_pool_bytes(loop_blocks(stage.loop)) <= (384 << 10));
    CHECK_EQ(stage_body(&stage, &io).len, total);
    CHECK_EQ(io, IO_WAIT);
    far_send(&stage, str_of(bytes, sizeof(bytes)));
    CHECK_EQ(stage_body(&stage, &io).len, sizeof(bytes));
    stage_close(&stage);
}

/* ... and sooner when its reader is one of many. */
TEST(a_modest_connection_reads_little_ahead)
{
    static char bytes[1 << 16];
    struct h1_stage stage;
    size_t total = 0, sent = 0;
    enum io io;

    stage_open(&stage, HTTP_CLIENT, NULL, 1 << 16);
    stage.conn->modest = true;
    ask(&stage);
    far_send(&stage, STR("HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n"));
    stage_head(&stage);
    do {
        struct iovec part = {bytes, sizeof(bytes)};

        sent = 0;
        io = stream_writev(stage.far, &part, 1, &sent, &stage.err);
        total += sent;
        stage_turn(&stage);
    } while (io == IO_OK);
    CHECK(total <= (192 << 10));
    CHECK(block_pool_bytes(loop_blocks(stage.loop)) < (256 << 10));
    CHECK_EQ(stage_body(&stage, &io).len, total);
    CHECK_EQ(io, IO_WAIT);
    stage_close(&stage);
}

static size_t two_kib(const struct http_conn *conn)
{
    (void)conn;
    return BLOCK_SMALL_BYTES;
}

/* ... of which each may have little here: a large body neither comes with its head nor ahead of who takes it. */
TEST(what_is_read_for_one_of_many_readers_lies_in_small_buffers)
{
    static const struct http_conn_ops ops = {.share = two_kib};
    static const struct http_conn reader = {.ops = &ops, .multiplexed = true};
    static char bytes[60000];
    struct chain body = {NULL, NULL, 0};
    struct h1_stage stage;
    enum io io;

    stage_open(&stage, HTTP_CLIENT, NULL, 1 << 16);
    stage.conn->modest = stage.conn->lazy = true;
    ask(&stage);
    stage.stream->reader = &reader;
    far_send(&stage, STR("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"));
    far_send(&stage, str_of(bytes, sizeof(bytes)));
    stage_head(&stage);
    CHECK(block_pool_bytes(loop_blocks(stage.loop)) <= BLOCK_SMALL_BYTES);
    do {
        size_t before = body.size;

        io = http_recv_body(stage.stream, &body, SIZE_MAX, &stage.err);
        CHECK(body.size - before <= BLOCK_SMALL_BYTES);
        CHECK(block_pool_bytes(loop_blocks(stage.loop)) <= body.size / BLOCK_SMALL_BYTES * 4096 + 4096);
        stage_turn(&stage);
    } while (io != IO_END && io != IO_FAIL);
    CHECK_EQ(io, IO_END);
    CHECK_EQ(body.size, sizeof(bytes));
    chain_clear(&body);
    stage_close(&stage);
}

/* Each piece comes in a buffer of its own, but may not keep it. */
TEST(a_body_that_comes_in_tiny_pieces_pins_little_memory)
{
    struct chain body = {NULL, NULL, 0};
    struct h1_stage stage;

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    ask(&stage);
    far_send(&stage, STR("HTTP/1.1 200 OK\r\n\r\n"));
    stage_head(&stage);
    for (int i = 0; i < 2000; i++) {
        far_send(&stage, STR("twenty bytes, no more"));
        CHECK_EQ(http_recv_body(stage.stream, &body, SIZE_MAX, &stage.err), IO_OK);
    }
    CHECK_EQ(body.size, 2000 * 21);
    CHECK(block_pool_bytes(loop_blocks(stage.loop)) <= 2 * (BLOCK_LARGE_BYTES + 64));
    chain_clear(&body);
    stage_close(&stage);
}
