/* body.c: bodies and trailers in. A body is only over when its last framing byte is here and right: whoever relays it
 * would otherwise make a cut message whole. SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/h1_internal.h"

bool h1_is_received(const struct h1_conn *conn)
{
    return conn->receive == H1_RECEIVE_END || conn->receive == H1_RECEIVE_TRAILERS_READY;
}

void h1_begin_body(struct h1_conn *conn, const struct http_head *head, const struct http_framing *framing)
{
    conn->message->chunked = (struct h1_chunked){.padded_ok = !h1_is_server(conn)};
    if (framing->chunked) {
        conn->receive = H1_RECEIVE_CHUNKS;
    } else if (framing->until_close) {
        conn->receive = H1_RECEIVE_UNTIL_CLOSE;
    } else if (head->body_bytes > 0) {
        conn->receive = H1_RECEIVE_LENGTH;
        conn->message->chunked.left = (uint64_t)head->body_bytes;
    } else {
        conn->receive = H1_RECEIVE_END;
    }
}

static enum io fail(struct h1_conn *conn, enum fault fault, enum error_code code, const char *text, struct error *err)
{
    error_set(err, fault, code, "%s", text);
    h1_set_unfit(conn, HTTP_UNFIT_FRAMING);
    h1_fail_receive(conn, err);
    return IO_FAIL;
}

static enum io fail_chunk(struct h1_conn *conn, const char *text, struct error *err)
{
    return fail(conn, h1_peer_fault(conn), ERROR_BAD_CHUNK, text, err);
}

/* Moves body bytes that are here. IO_WAIT: none are. */
static enum io move(struct h1_conn *conn, struct chain *into, size_t size_max, size_t *moved, struct error *err)
{
    *moved = h1_move(conn, into, &conn->message->in, size_max);
    conn->message->stream.bytes_in += *moved;
    if (*moved > 0 || conn->message->in.size == 0)
        return *moved > 0 ? IO_OK : IO_WAIT;
    return fail(conn, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a body", err);
}

/* All that moves bytes stands apart, so that the end, which comes to each body, is told without saving registers. */
static NOINLINE enum io take_length(struct h1_conn *conn, struct chain *into, size_t size_max, struct error *err)
{
    size_t max = conn->message->chunked.left < size_max ? (size_t)conn->message->chunked.left : size_max, moved;
    enum io io = move(conn, into, max, &moved, err);

    conn->message->chunked.left -= moved;
    if (conn->message->chunked.left == 0)
        conn->receive = H1_RECEIVE_END;
    return io;
}

static NOINLINE enum io take_until_close(struct h1_conn *conn, struct chain *into, size_t size_max, struct error *err)
{
    size_t moved;
    enum io io = move(conn, into, size_max, &moved, err);

    if (io != IO_WAIT || !conn->ended)
        return io;
    conn->receive = H1_RECEIVE_END;
    return IO_END;
}

/* The trailer section, from behind the last chunk's line to its empty line. */
static NOINLINE enum io take_trailer_section(struct h1_conn *conn, struct error *err)
{
    struct h1_parse parse = {.scanner = conn->scanner, .fields_max = H1_TRAILERS_MAX};
    enum h1_found found;
    struct http_head unused;
    struct str text;
    size_t end = 0;

    found = h1_search(conn, &end);
    if (found == H1_BARE_LF || (found == H1_END ? end : conn->message->seen) > H1_TRAILER_BYTES_MAX)
        return fail_chunk(conn, "the trailers are too long or have a bare LF", err);
    if (found == H1_NOT_YET)
        return IO_WAIT;
    if (end == 2) {
        h1_take_in(conn, end);
        conn->receive = H1_RECEIVE_END;
        return IO_END;
    }
    text = chain_pull(&conn->message->in, h1_blocks(conn), end);
    if (!text.data)
        return fail(conn, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for trailers", err);
    if (!h1_parse_trailers(&parse, text, h1_peer_fault(conn), &unused, err))
        return fail_chunk(conn, "the trailers are malformed", err);
    conn->message->head_bytes = (uint32_t)end;
    conn->receive = H1_RECEIVE_TRAILERS_READY;
    return IO_END;
}

/* Framing bytes at the front of `in`. False: none are here. */
static bool take_framing(struct h1_conn *conn)
{
    struct str front = chain_front(&conn->message->in);

    if (front.len == 0)
        return false;
    h1_take_in(conn, h1_chunked_read(&conn->message->chunked, front));
    return true;
}

static NOINLINE enum io take_chunks(struct h1_conn *conn, struct chain *into, size_t size_max, struct error *err)
{
    size_t total = 0, moved;
    enum io io = IO_OK;

    while (io == IO_OK && total < size_max && conn->message->chunked.state != H1_CHUNK_TRAILERS) {
        if (conn->message->chunked.state == H1_CHUNK_DATA) {
            size_t max = size_max - total;

            io = move(conn, into, conn->message->chunked.left < max ? (size_t)conn->message->chunked.left : max, &moved,
                      err);
            h1_chunked_took(&conn->message->chunked, moved);
            total += moved;
        } else if (conn->message->chunked.state == H1_CHUNK_BAD) {
            break;
        } else if (!take_framing(conn)) {
            io = IO_WAIT;
        }
    }
    if (total > 0 || io != IO_OK)
        return total > 0 ? IO_OK : io;
    if (conn->message->chunked.state == H1_CHUNK_BAD)
        return fail_chunk(conn, "the chunked coding is malformed", err);
    conn->receive = H1_RECEIVE_TRAILERS;
    conn->message->seen = 0;
    conn->tail = H1_TAIL_LINE;
    return take_trailer_section(conn, err);
}

static enum io take_body(struct h1_conn *conn, struct chain *into, size_t size_max, struct error *err)
{
    switch ((enum h1_receive)conn->receive) {
    case H1_RECEIVE_LENGTH:
        return take_length(conn, into, size_max, err);
    case H1_RECEIVE_CHUNKS:
        return take_chunks(conn, into, size_max, err);
    case H1_RECEIVE_TRAILERS:
        return take_trailer_section(conn, err);
    case H1_RECEIVE_UNTIL_CLOSE:
    case H1_RECEIVE_TUNNEL:
        return take_until_close(conn, into, size_max, err);
    case H1_RECEIVE_TRAILERS_READY:
    case H1_RECEIVE_END:
        return IO_END;
    case H1_RECEIVE_FAILED:
        return h1_fail(conn, err);
    case H1_RECEIVE_HEAD:
    case H1_RECEIVE_HEAD_READY:
        break;
    }
    return h1_fail(conn, err); /* not reached: recv_body asserts that the head was taken */
}

/* The body is not over, and nothing of it is here. */
static enum io await_body(struct h1_conn *conn, struct error *err)
{
    if (conn->broken)
        return h1_fail(conn, err);
    if (conn->ended) {
        h1_set_unfit(conn, HTTP_UNFIT_CLOSED);
        return fail(conn, h1_peer_fault(conn), ERROR_BODY_INCOMPLETE, "closed inside a body", err);
    }
    conn->receive_waits = true;
    if (h1_is_server(conn) && !conn->tunnel) {
        pace_wait(&conn->message->coming, h1_now(conn));
        h1_server_continue(conn);
        if (h1_server_deadline(conn) != TIMER_OFF)
            h1_wake_self(conn); /* sets the clock */
    }
    return IO_WAIT;
}

enum io h1_recv_body(struct http_stream *stream, struct chain *into, size_t size_max, struct error *err)
{
    struct h1_conn *conn = h1_of_stream(stream);
    size_t before = into->size;
    enum io io;

    ASSERT(conn->stream_open);
    ASSERT(size_max > 0);
    ASSERT(conn->receive != H1_RECEIVE_HEAD && conn->receive != H1_RECEIVE_HEAD_READY);
    if (conn->broken && h1_is_server(conn))
        return h1_fail(conn, err);
    if (UNLIKELY(h1_awaits_pipe(conn)))
        conn->piped = false;
    io = take_body(conn, into, size_max, err);
    if (io == IO_WAIT)
        io = await_body(conn, err);
    else if (h1_is_server(conn))
        h1_server_got_body(conn, into->size - before);
    if (conn->stalled || (conn->ended && conn->message->stream.lasting))
        h1_wake_self(conn); /* to read on, or to see that a client has left with its request */
    return io;
}

bool h1_skip_body(struct h1_conn *conn, size_t *skipped)
{
    struct chain waste = {NULL, NULL, 0};
    struct error err;

    *skipped = 0;
    while (h1_is_in_body(conn)) {
        enum io io = take_body(conn, &waste, SIZE_MAX, &err);

        *skipped += waste.size;
        chain_clear(&waste);
        if (io == IO_WAIT || io == IO_FAIL)
            break;
    }
    return h1_is_received(conn);
}
