/* test_h1_pipe.c: bodies by way of a pipe, each end of the way alone. The pipe is a buffer of the test, over streams in
 * memory. SPDX-License-Identifier: Apache-2.0 */
#include "h1_stage.h"
#include "os/pipe.h"

enum { PIPE_ROOM = 1000 };

/* One pipe at a time is enough. */
static char in_pipe[PIPE_ROOM];

static enum io pair_fill(struct stream *stream, struct pipe *pipe, size_t size_max, size_t *got, struct error *err)
{
    struct iovec part = {in_pipe, size_min(size_max, PIPE_ROOM)};
    enum io io;

    CHECK_EQ(pipe->held, 0);
    io = stream_readv(stream, &part, 1, got, err);
    pipe->held = io == IO_OK ? *got : 0;
    return io;
}

static enum io pair_drain(struct stream *stream, struct pipe *pipe, size_t *sent, struct error *err)
{
    struct iovec part = {in_pipe, pipe->held};
    enum io io;

    CHECK(pipe->held > 0);
    io = stream_writev(stream, &part, 1, sent, err);
    if (io != IO_OK)
        return io;
    pipe->held -= *sent;
    memmove(in_pipe, in_pipe + *sent, pipe->held);
    return IO_OK;
}

static void take_pipes(struct h1_stage *stage)
{
    static struct stream_ops ops;

    ops = *stage->conn->stream->ops;
    ops.fill = pair_fill;
    ops.drain = pair_drain;
    stage->conn->stream->ops = &ops;
}

static void put(struct pipe *pipe, struct str text)
{
    CHECK_EQ(pipe->held, 0);
    CHECK(text.len <= PIPE_ROOM);
    memcpy(in_pipe, text.data, text.len);
    pipe->held = text.len;
}

/* A client conn whose answer's head is taken. */
static void ask(struct h1_stage *stage, const char *answer)
{
    struct http_head head = stage_request("GET", "/", 0);

    stage_open(stage, HTTP_CLIENT, NULL, 0);
    take_pipes(stage);
    stage_open_stream(stage);
    stage->conn->lazy = true;
    CHECK_EQ(http_send_head(stage->stream, &head, true, &stage->err), IO_OK);
    (void)far_text(stage);
    far_send(stage, str_from(answer));
    stage_head(stage);
}

/* A server conn that has sent an answer's head. */
static void answer(struct h1_stage *stage, const struct http_conn_options *options, int64_t body_bytes, size_t room)
{
    struct http_head head = stage_response(200, body_bytes);

    stage_open(stage, HTTP_SERVER, options, room);
    take_pipes(stage);
    far_send(stage, STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    stage_accept(stage);
    stage_head(stage);
    CHECK_EQ(http_send_head(stage->stream, &head, false, &stage->err), IO_OK);
}

TEST(a_body_comes_by_a_pipe_and_the_conn_goes_on)
{
    struct h1_stage stage;
    struct pipe pipe = {.piece_bytes = PIPE_BYTES_MAX};
    enum io last;

    ask(&stage, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    CHECK_EQ(http_recv_pipe(stage.stream, &pipe), IO_WAIT);
    CHECK_EQ(stage.user.runs, 0);
    far_send(&stage, STR("01234"));
    CHECK_EQ(stage.user.runs, 1);
    CHECK_EQ(http_recv_pipe(stage.stream, &pipe), IO_OK);
    CHECK_STR(str_of(in_pipe, pipe.held), STR("01234"));
    pipe.held = 0;
    CHECK_EQ(http_recv_pipe(stage.stream, &pipe), IO_WAIT);
    far_send(&stage, STR("56789"));
    CHECK_EQ(http_recv_pipe(stage.stream, &pipe), IO_OK);
    CHECK_EQ(pipe.held, 5);
    pipe.held = 0;
    CHECK_EQ(http_recv_pipe(stage.stream, &pipe), IO_END);
    CHECK_EQ(stage_body(&stage, &last).len, 0);
    CHECK_EQ(last, IO_END);
    stage_done(&stage);
    CHECK_EQ(http_room(stage.conn), 1);
    stage_close(&stage);
}

static bool pair_is_paced(struct stream *stream)
{
    (void)stream;
    return true;
}

/* Pieces are as long as one burst where the client's sends are spaced out, and only there. */
TEST(pieces_are_short_where_sends_are_spaced_out)
{
    struct pipe pipe = {0};
    struct stream_ops paced;
    struct h1_stage stage;

    answer(&stage, NULL, 10, 1000);
    http_pace_pipe(stage.stream, &pipe);
    CHECK_EQ(pipe.piece_bytes, PIPE_BYTES_MAX);
    CHECK(!pipe_is_paced(&pipe));
    paced = *stage.conn->stream->ops;
    paced.is_paced = pair_is_paced;
    stage.conn->stream->ops = &paced;
    http_pace_pipe(stage.stream, &pipe);
    CHECK_EQ(pipe.piece_bytes, PIPE_BYTES_PACED);
    CHECK(pipe_is_paced(&pipe));
    stage_close(&stage);
}

TEST(a_piece_is_no_longer_than_the_pipe_says)
{
    struct pipe pipe = {.piece_bytes = 3};
    struct h1_stage stage;

    ask(&stage, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    CHECK_EQ(http_recv_pipe(stage.stream, &pipe), IO_WAIT);
    far_send(&stage, STR("0123456789"));
    CHECK_EQ(http_recv_pipe(stage.stream, &pipe), IO_OK);
    CHECK_STR(str_of(in_pipe, pipe.held), STR("012"));
    stage_close(&stage);
}

/* What was read along with the head goes first, by the chain. */
TEST(bytes_that_are_here_do_not_come_by_a_pipe)
{
    struct h1_stage stage, other;
    struct pipe pipe = {.piece_bytes = PIPE_BYTES_MAX};
    struct chain body = {NULL, NULL, 0};
    enum io last;

    ask(&stage, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n012");
    answer(&other, NULL, 10, 0);
    CHECK(!http_can_pipe(stage.stream, other.stream));
    CHECK_EQ(http_recv_pipe(stage.stream, &pipe), IO_END);
    CHECK_EQ(http_recv_body(stage.stream, &body, SIZE_MAX, &stage.err), IO_OK);
    CHECK_EQ(body.size, 3);
    chain_clear(&body);
    CHECK(http_can_pipe(stage.stream, other.stream));
    CHECK_EQ(http_recv_pipe(stage.stream, &pipe), IO_WAIT);
    far_send(&stage, STR("345"));
    CHECK_EQ(http_recv_pipe(stage.stream, &pipe), IO_OK);
    CHECK_EQ(pipe.held, 3);
    pipe.held = 0;
    /* And the other way again. */
    far_send(&stage, STR("67"));
    CHECK_EQ(stage_body(&stage, &last).len, 0);
    CHECK_STR(stage_body(&stage, &last), STR("67"));
    CHECK_EQ(last, IO_WAIT);
    far_send(&stage, STR("89"));
    CHECK_STR(stage_body(&stage, &last), STR("89"));
    CHECK_EQ(last, IO_END);
    stage_done(&stage);
    CHECK_EQ(http_room(stage.conn), 1);
    stage_close(&stage);
    stage_close(&other);
}

/* Whoever waits for a pipe may be told to go back to the chain before anything came. */
TEST(a_wait_for_a_pipe_can_be_given_up)
{
    struct h1_stage stage;
    struct pipe pipe = {.piece_bytes = PIPE_BYTES_MAX};
    enum io last;

    ask(&stage, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
    CHECK_EQ(http_recv_pipe(stage.stream, &pipe), IO_WAIT);
    far_send(&stage, STR("012"));
    CHECK_EQ(stage_body(&stage, &last).len, 0); /* read from now on */
    CHECK_STR(stage_body(&stage, &last), STR("012"));
    CHECK_EQ(last, IO_END);
    stage_close(&stage);
}

TEST(a_cut_body_is_told_behind_a_pipe)
{
    for (int reset = 0; reset < 2; reset++) {
        struct h1_stage stage;
        struct pipe pipe = {.piece_bytes = PIPE_BYTES_MAX};
        enum io last;

        ask(&stage, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
        CHECK_EQ(http_recv_pipe(stage.stream, &pipe), IO_WAIT);
        far_send(&stage, STR("012"));
        CHECK_EQ(http_recv_pipe(stage.stream, &pipe), IO_OK);
        pipe.held = 0;
        far_close(&stage, reset);
        CHECK_EQ(http_recv_pipe(stage.stream, &pipe), IO_END);
        CHECK_EQ(stage_body(&stage, &last).len, 0);
        CHECK_EQ(last, IO_FAIL);
        CHECK_EQ(stage.err.code, reset ? ERROR_RESET : ERROR_BODY_INCOMPLETE);
        CHECK_EQ(http_room(stage.conn), 0);
        stage_close(&stage);
    }
}

TEST(only_bodies_of_known_length_between_bare_sockets_go_by_a_pipe)
{
    static const struct {
        const char *from;
        int64_t to_bytes;
        bool takes_pipes, may;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", 10, true, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", -1, true, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", 10, false, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 10, true, false},
        {"HTTP/1.0 200 OK\r\n\r\n", 10, true, false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct stream_ops without;
        struct h1_stage from, to;

        test_case_is("%zu", i);
        ask(&from, cases[i].from);
        answer(&to, NULL, cases[i].to_bytes, 0);
        without = *to.conn->stream->ops;
        without.fill = NULL;
        without.drain = NULL;
        if (!cases[i].takes_pipes)
            to.conn->stream->ops = &without;
        CHECK_EQ(http_can_pipe(from.stream, to.stream), cases[i].may);
        CHECK(!http_can_pipe(to.stream, from.stream));
        stage_close(&from);
        stage_close(&to);
    }
}

TEST(a_pipe_goes_out_behind_what_was_queued)
{
    struct h1_stage stage;
    struct pipe pipe = {.piece_bytes = PIPE_BYTES_MAX};
    struct str text;

    answer(&stage, NULL, 10, 0);
    CHECK_EQ(stage_send_body(&stage, STR("01234"), false), IO_OK);
    put(&pipe, STR("56789"));
    CHECK_EQ(http_send_pipe(stage.stream, &pipe, &stage.err), IO_WAIT);
    stage.user.runs = 0;
    stage_turn(&stage);
    CHECK_EQ(stage.user.runs, 1);
    CHECK_EQ(http_send_pipe(stage.stream, &pipe, &stage.err), IO_OK);
    CHECK_EQ(stage_send_body(&stage, STR_EMPTY, true), IO_OK);
    text = far_text(&stage);
    CHECK(str_ends(text, STR("\r\n\r\n0123456789")));
    CHECK_EQ(stage.stream->bytes_out, text.len);
    stage_done(&stage);
    far_send(&stage, STR("GET /again HTTP/1.1\r\nHost: a\r\n\r\n"));
    stage_accept(&stage);
    stage_head(&stage);
    stage_answer(&stage, STR("ok"));
    stage_close(&stage);
}

/* Room for 300 bytes, head and all: the reader makes room for more piece by piece. */
TEST(a_slow_reader_holds_back_a_pipe)
{
    struct h1_stage stage;
    struct pipe pipe = {.piece_bytes = PIPE_BYTES_MAX};
    char body[PIPE_ROOM];
    struct str text = STR_EMPTY;
    char *all = arena_alloc(test_arena(), 4096, 1);
    size_t len = 0;
    unsigned waits = 0;
    enum io io;

    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)('a' + i % 26);
    answer(&stage, NULL, sizeof(body), 300);
    put(&pipe, str_of(body, sizeof(body)));
    while ((io = http_send_pipe(stage.stream, &pipe, &stage.err)) == IO_WAIT) {
        unsigned runs = stage.user.runs;

        waits++;
        stage_turn(&stage);
        text = far_text(&stage);
        memcpy(all + len, text.data, text.len);
        len += text.len;
        CHECK(stage.user.runs > runs);
        CHECK(waits < 100);
    }
    CHECK_EQ(io, IO_OK);
    text = far_text(&stage);
    memcpy(all + len, text.data, text.len);
    len += text.len;
    CHECK(waits >= 3);
    CHECK(str_ends(str_of(all, len), str_of(body, sizeof(body))));
    CHECK_EQ(stage_send_body(&stage, STR_EMPTY, true), IO_OK);
    stage_close(&stage);
}

/* Nobody reads: the clock of the sender runs for bytes in a pipe as for those in our own buffers. */
TEST(a_reader_that_stands_still_is_cut_off)
{
    struct http_conn_options options = {.send_gap_ns = 10 * SECONDS};
    struct h1_stage stage;
    struct pipe pipe = {.piece_bytes = PIPE_BYTES_MAX};

    answer(&stage, &options, 500, 300);
    stage_turn(&stage);
    memset(in_pipe, 'x', 500);
    pipe.held = 500;
    CHECK_EQ(http_send_pipe(stage.stream, &pipe, &stage.err), IO_WAIT);
    stage_turn(&stage);
    stage_pass(&stage, 9 * SECONDS);
    CHECK_EQ(http_send_pipe(stage.stream, &pipe, &stage.err), IO_WAIT);
    stage_pass(&stage, 2 * SECONDS);
    CHECK_EQ(http_send_pipe(stage.stream, &pipe, &stage.err), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_WRITE_TIMEOUT);
    stage_close(&stage);
}

TEST(a_pipe_to_a_client_that_has_gone_fails)
{
    struct h1_stage stage;
    struct pipe pipe = {.piece_bytes = PIPE_BYTES_MAX};

    answer(&stage, NULL, 500, 300);
    stage_turn(&stage);
    far_close(&stage, true);
    memset(in_pipe, 'x', 500);
    pipe.held = 500;
    CHECK_EQ(http_send_pipe(stage.stream, &pipe, &stage.err), IO_FAIL);
    CHECK_EQ(stage.err.fault, FAULT_CLIENT);
    stage_close(&stage);
}

TEST(more_than_the_head_promised_is_never_sent)
{
    struct h1_stage stage;
    struct pipe pipe = {.piece_bytes = PIPE_BYTES_MAX};

    answer(&stage, NULL, 4, 0);
    put(&pipe, STR("01234"));
    CHECK_EQ(http_send_pipe(stage.stream, &pipe, &stage.err), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_BUG);
    stage_close(&stage);
}
