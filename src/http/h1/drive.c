/* drive.c: the conn's own task. It runs when the stream has news, when a clock is up, and behind the user's calls, so
 * that all they have queued leaves in one write. Start with h1_run. SPDX-License-Identifier: Apache-2.0 */
#include "base/lines.h"
#include "http/h1/h1_internal.h"

enum {
    PARTS_OUT = 64,
    PARTS_IN = 5,         /* what the last buffer has left, and H1_IN_MAX in new ones */
    ROOM_IN_MIN = 4096,   /* less than that in the last buffer is not worth a part */
    EXPECTED_BYTES = 576, /* of an exchange: what each of them uses */
};

static void no_memory(struct h1_conn *conn)
{
    struct error err;

    error_set(&err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to read into");
    h1_break(conn, &err);
}

void h1_stream_failed(struct h1_conn *conn, struct error *err)
{
    if (err->code == ERROR_RESET || err->code == ERROR_CLOSED)
        err->fault = h1_peer_fault(conn);
    h1_break(conn, err);
}

/* An answer may lie here behind a failed write: who refuses a request early often closes without reading the rest. */
static void write_failed(struct h1_conn *conn, struct error *err)
{
    if (h1_is_server(conn)) {
        h1_stream_failed(conn, err);
        return;
    }
    err->fault = FAULT_UPSTREAM;
    h1_note_failure(conn, err);
    h1_set_unfit(conn, HTTP_UNFIT_CLOSED);
    chain_clear(&conn->message->out);
    conn->send = H1_SEND_FAILED;
    h1_wake_stream(conn);
}

void h1_note_sent(struct h1_conn *conn, size_t bytes)
{
    struct pace_limit limit;

    conn->bytes_out += bytes;
    conn->last_used_ns = h1_now(conn);
    if (!h1_is_server(conn))
        return;
    limit = h1_leaving_limit(conn);
    if (h1_has_unsent(conn) || conn->message->leaving.since_ns > 0)
        pace_move(&conn->message->leaving, &limit, bytes, h1_now(conn));
}

static void flush(struct h1_conn *conn)
{
    struct iovec parts[PARTS_OUT];
    struct error err;
    size_t sent;

    while (conn->message->out.size > 0) {
        int count = chain_parts(&conn->message->out, parts, PARTS_OUT);
        enum io io = stream_writev(conn->base.stream, parts, count, &sent, &err);

        if (io == IO_WAIT) {
            pace_wait(&conn->message->leaving, h1_now(conn));
            return;
        }
        if (io != IO_OK) {
            write_failed(conn, &err);
            return;
        }
        chain_drop(&conn->message->out, sent);
        h1_note_sent(conn, sent);
    }
}

static size_t rest(size_t max, size_t size)
{
    return size < max ? max - size : 0;
}

/* How much is read at a time. */
static size_t piece(const struct h1_conn *conn)
{
    const struct http_conn *reader = conn->message->stream.reader;

    return UNLIKELY(reader) ? http_share(reader) : BLOCK_LARGE_BYTES;
}

/* How much of a body lies here when its reader is not to have much: no more than is read at a time. But trailers are
 * taken only when they are whole, or found to be too long. */
static size_t most_of_body(const struct h1_conn *conn)
{
    size_t most = piece(conn);

    return conn->receive == H1_RECEIVE_TRAILERS ? size_max(most, H1_TRAILER_BYTES_MAX + 1) : most;
}

/* Of a body, one large buffer at first; all there is room for once one was filled. Nothing when all of it is here. */
static size_t room_for_body(const struct h1_conn *conn)
{
    if (h1_awaits_pipe(conn) || (conn->base.lazy && !conn->receive_waits))
        return 0;
    if (conn->receive == H1_RECEIVE_LENGTH && conn->message->in.size >= conn->message->chunked.left)
        return 0;
    if (conn->base.modest)
        return rest(most_of_body(conn), conn->message->in.size);
    return size_min(rest(H1_IN_MAX, conn->message->in.size), conn->bulk ? H1_IN_MAX : BLOCK_LARGE_BYTES);
}

/* Has the end of a head been looked for in all that is here? A CR at the end may be the first half of an empty line in
 * front of a request: that is not settled before the other half is here, and one byte is no body. */
static bool is_searched(const struct h1_conn *conn)
{
    return conn->message->in.size <= (size_t)conn->message->seen + 1;
}

/* How many bytes more may be read now. */
static size_t room_in(const struct h1_conn *conn)
{
    if (conn->phase == H1_OVER)
        return 0;
    if (conn->phase != H1_LIVE)
        return rest(H1_SKIP_MAX, conn->message->skipped) > 0 ? rest(BLOCK_LARGE_BYTES, conn->message->in.size) : 0;
    if (h1_is_in_body(conn))
        return room_for_body(conn);
    /* Behind a full buffer most is body: first the end of the head is searched. */
    if (conn->receive == H1_RECEIVE_HEAD && conn->bulk && !is_searched(conn))
        return 0;
    if (conn->receive == H1_RECEIVE_HEAD && (h1_is_server(conn) || conn->stream_open))
        return size_min(piece(conn), rest((size_t)conn->head_bytes_max + BLOCK_LARGE_BYTES, conn->message->in.size));
    /* Nothing is asked for now, but the end of the stream must be seen, and what comes unasked. */
    return conn->message->in.size == 0 ? BLOCK_LARGE_BYTES : 0;
}

/* Shortens the parts to `size` bytes in all; how many are left. */
static int cut_parts(struct iovec *parts, int count, size_t size)
{
    int i;

    for (i = 0; i < count && size > 0; i++) {
        parts[i].iov_len = size_min(parts[i].iov_len, size);
        size -= parts[i].iov_len;
    }
    return i;
}

/* Has the processor fetch the lines of the exchange that stands behind its task, while the kernel reads its answer. It
 * has often lain still until they had left the nearer caches. NULL is fine. */
static void expect(const struct task *task)
{
    const char *at = (const char *)task;

    if (!task)
        return;
#pragma GCC unroll 16
    for (size_t i = 0; i < EXPECTED_BYTES; i += CACHE_LINE_BYTES)
        __builtin_prefetch(at + i, 1);
}

/* What the stream has said to a read of up to `most` bytes. True: bytes came, maybe more are there. */
static bool take_news(struct h1_conn *conn, enum io io, size_t got, size_t most, struct error *err)
{
    conn->bulk = io == IO_OK ? got >= most : conn->bulk;
    if (io == IO_OK)
        conn->bytes_in += got;
    else if (io == IO_END)
        conn->ended = true;
    else if (io == IO_FAIL)
        h1_stream_failed(conn, err);
    return io == IO_OK;
}

/* Nothing is here, and one large buffer is enough: most often it brings a head or a short body, of which it keeps
 * nothing. What is little is not to pin a large buffer: it may lie for long, and where one turn reads from hundreds of
 * conns, one buffer that stays in the cache serves them all. */
static bool read_first(struct h1_conn *conn, size_t room)
{
    size_t most = piece(conn), got = 0;
    struct iovec part = {.iov_base = chain_lend_room(h1_blocks(conn))};
    struct error err;
    enum io io;

    if (!part.iov_base) {
        no_memory(conn);
        return false;
    }
    part.iov_len = UNLIKELY(most < BLOCK_LARGE_BYTES) ? size_min(room, most) : BLOCK_LARGE_BYTES;
    io = stream_readv(conn->base.stream, &part, 1, &got, &err);
    chain_keep_room(&conn->message->in, h1_blocks(conn), part.iov_base, io == IO_OK ? got : 0);
    if (UNLIKELY(got > BLOCK_SMALL_BYTES))
        conn->large = true;
    return take_news(conn, io, got, most, &err);
}

/* What is read for a reader of many is kept in as little as it needs. */
static bool read_on(struct h1_conn *conn, size_t room)
{
    struct iovec parts[PARTS_IN];
    size_t most = piece(conn), got = 0;
    struct error err;
    int count = chain_reserve(&conn->message->in, h1_blocks(conn), ROOM_IN_MIN, room, parts, PARTS_IN);
    enum io io;

    if (count == 0) {
        no_memory(conn);
        return false;
    }
    if (UNLIKELY(most < BLOCK_LARGE_BYTES))
        count = cut_parts(parts, count, size_min(room, most));
    io = stream_readv(conn->base.stream, parts, count, &got, &err);
    chain_commit(&conn->message->in, io == IO_OK ? got : 0);
    conn->large = true;
    if (UNLIKELY(most < BLOCK_LARGE_BYTES))
        chain_compact(&conn->message->in, h1_blocks(conn));
    return take_news(conn, io, got, most, &err);
}

static bool read_some(struct h1_conn *conn, size_t room)
{
    if (!h1_take_message(conn)) {
        no_memory(conn);
        return false;
    }
    if (!h1_is_server(conn))
        expect(conn->message->stream.owner);
    return conn->message->in.size == 0 && room <= BLOCK_LARGE_BYTES ? read_first(conn, room) : read_on(conn, room);
}

/* Reads until there is no more or no room. Behind a short read nothing more is known to be here: no buffer is taken to
 * find that out, and it is not for lack of room that nothing is read. */
static void fill(struct h1_conn *conn)
{
    bool more = true;

    conn->stalled = false;
    while (more && !conn->ended && !conn->broken && !stream_is_quiet(conn->base.stream)) {
        size_t room = room_in(conn);

        if (room == 0) {
            conn->stalled = true;
            return;
        }
        more = read_some(conn, room);
    }
}

/* Would a new try of recv_head or recv_body tell more than IO_WAIT? */
static bool has_news(const struct h1_conn *conn)
{
    switch ((enum h1_receive)conn->receive) {
    case H1_RECEIVE_HEAD:
        return conn->ended || conn->broken;
    case H1_RECEIVE_LENGTH:
    case H1_RECEIVE_CHUNKS:
    case H1_RECEIVE_UNTIL_CLOSE:
    case H1_RECEIVE_TUNNEL:
        return conn->message->in.size > 0 || conn->ended || conn->broken || h1_awaits_pipe(conn);
    case H1_RECEIVE_TRAILERS:
        return conn->message->in.size > conn->message->seen || conn->ended || conn->broken;
    case H1_RECEIVE_HEAD_READY:
    case H1_RECEIVE_TRAILERS_READY:
    case H1_RECEIVE_END:
    case H1_RECEIVE_FAILED:
        return true;
    }
    return true;
}

static void wake_waiting(struct h1_conn *conn)
{
    if (conn->receive_waits && has_news(conn)) {
        conn->receive_waits = false;
        if (h1_is_server(conn))
            h1_server_got_body(conn, 0); /* from here on it is the reader that takes its time */
        task_wake(conn->base.loop, conn->message->stream.owner);
    }
    if (conn->send_waits && conn->message->out.size <= (conn->piped ? 0 : H1_OUT_MAX / 2)) {
        conn->send_waits = false;
        task_wake(conn->base.loop, conn->message->stream.owner);
    }
}

/* A clock that is not needed any more is left to run out: most often a later one comes before it does, and setting it
 * later costs nothing. */
void h1_set_clock(struct h1_conn *conn)
{
    struct timer *timer = &h1_server_of(conn)->timer;
    uint64_t at_ns = h1_server_deadline(conn);

    if (at_ns != TIMER_OFF && at_ns != timer->at_ns)
        timer_set(conn->base.loop, timer, at_ns);
}

/* Nor is what is little by now and was read with more. */
static void compact(struct h1_conn *conn)
{
    if (UNLIKELY(conn->large) && conn->message->in.size <= BLOCK_SMALL_BYTES) {
        chain_compact(&conn->message->in, h1_blocks(conn));
        conn->large = false;
    }
}

void h1_flush(struct http_conn *base)
{
    flush(h1_of_conn(base));
}

void h1_run(struct task *task)
{
    struct h1_conn *conn = container_of(task, struct h1_conn, base.task);

    if (h1_is_server(conn) && h1_server_of(conn)->timer.fired) {
        timer_clear(conn->base.loop, &h1_server_of(conn)->timer);
        h1_server_expire(conn);
    }
    if (conn->message->out.size > 0)
        flush(conn);
    if (conn->tunnel && conn->send == H1_SEND_END && conn->message->out.size == 0 && !conn->broken)
        h1_send_fin(conn);
    fill(conn);
    if (h1_is_server(conn))
        h1_server_step(conn);
    else
        h1_client_step(conn);
    if (conn->stalled && conn->bulk && conn->receive == H1_RECEIVE_HEAD && is_searched(conn))
        h1_wake_self(conn);
    wake_waiting(conn);
    compact(conn);
    if (h1_is_server(conn))
        h1_set_clock(conn);
    h1_give_message_if_idle(conn);
}
