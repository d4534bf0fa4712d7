/* pipe.c: bodies of a known length from the upstream side to the client without being seen: the kernel passes them on
 * (os/pipe.h). Whoever relays pulls and pushes pieces as ever, only that a piece is what a pipe holds.
 *
 * The conn's own task leaves the stream alone meanwhile and only tells of news. Framing is counted here as in body.c
 * and send.c. SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/h1_internal.h"

bool http_can_pipe(const struct http_stream *from, const struct http_stream *to)
{
    const struct h1_conn *source = h1_of_const(from->conn), *target = h1_of_const(to->conn);

    if (from->conn->ops != &h1_client_ops || to->conn->ops != &h1_server_ops)
        return false;
    if (!stream_takes_pipes(from->conn->stream) || !stream_takes_pipes(to->conn->stream))
        return false;
    return source->receive == H1_RECEIVE_LENGTH && source->message->in.size == 0 && target->send == H1_SEND_LENGTH;
}

/* Under BBR a burst that comes too early behind another one waits for a timer, which costs more than the splice calls
 * that are saved by long pieces: of 1 MiB 2 to 4 timers in place of 11, and twice the calls. */
void http_pace_pipe(const struct http_stream *to, struct pipe *pipe)
{
    pipe->piece_bytes = stream_is_paced(to->conn->stream) ? PIPE_BYTES_PACED : PIPE_BYTES_MAX;
}

/* How it ended is told by the next recv_body. */
static enum io end_of_pieces(struct h1_conn *conn, enum io io, struct error *err)
{
    if (io == IO_END)
        conn->ended = true;
    else
        h1_stream_failed(conn, err);
    return IO_END;
}

enum io http_recv_pipe(struct http_stream *stream, struct pipe *pipe)
{
    struct h1_conn *conn = h1_of_stream(stream);
    struct error err;
    size_t got;
    enum io io;

    ASSERT(conn->stream_open);
    conn->piped = false;
    conn->stalled = true; /* if recv_body goes on, the conn has to be told to read */
    if (conn->broken || conn->ended || conn->receive != H1_RECEIVE_LENGTH || conn->message->in.size > 0)
        return IO_END;
    io = stream_fill(conn->base.stream, pipe, size_min(conn->message->chunked.left, pipe->piece_bytes), &got, &err);
    if (io == IO_WAIT) {
        conn->receive_waits = conn->piped = true;
        return IO_WAIT;
    }
    if (io != IO_OK)
        return end_of_pieces(conn, io, &err);
    conn->bytes_in += got;
    conn->message->stream.bytes_in += got;
    conn->message->chunked.left -= got;
    if (conn->message->chunked.left == 0)
        conn->receive = H1_RECEIVE_END;
    return IO_OK;
}

/* The client takes no more for now. */
static enum io await_room(struct h1_conn *conn)
{
    conn->send_waits = conn->piped = true;
    if (conn->message->out.size == 0)
        pace_wait(&conn->message->leaving, h1_now(conn));
    h1_set_clock(conn);
    return IO_WAIT;
}

enum io http_send_pipe(struct http_stream *stream, struct pipe *pipe, struct error *err)
{
    struct h1_conn *conn = h1_of_stream(stream);
    struct error failure;
    size_t sent;
    enum io io;

    ASSERT(conn->stream_open);
    if (conn->broken || conn->send != H1_SEND_LENGTH)
        return h1_fail(conn, err);
    if (pipe->held > conn->message->send_left)
        return h1_cut(conn, "more bytes of a body than its head promised", err);
    /* What was queued before stands before it. */
    if (conn->message->out.size > 0)
        return await_room(conn);
    io = stream_drain(conn->base.stream, pipe, &sent, &failure);
    if (io == IO_FAIL) {
        h1_stream_failed(conn, &failure);
        return h1_fail(conn, err);
    }
    if (io == IO_WAIT)
        return await_room(conn);
    conn->piped = pipe->held > 0;
    h1_note_sent(conn, sent);
    conn->message->stream.bytes_out += sent;
    conn->message->send_left -= sent;
    return conn->piped ? await_room(conn) : IO_OK;
}
