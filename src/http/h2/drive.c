/* drive.c: the conn's own task: bytes from the stream to nghttp2, frames from nghttp2 to the stream. It runs when the
 * stream has news, when a clock is up, and behind the users' calls, so that all they have queued leaves in one write.
 * Start with h2_run. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"

enum {
    PARTS_OUT = 64,
    READS_MAX = 4, /* at a time: others run between */
    SKIP_MAX = 256 << 10,
};

static void no_memory(struct h2_conn *conn)
{
    struct error err;

    error_set(&err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a connection");
    h2_break(conn, &err);
}

/* A failing stream tells of the peer that is at its other end. */
static void stream_failed(struct h2_conn *conn, struct error *err)
{
    if (err->code == ERROR_RESET || err->code == ERROR_CLOSED)
        err->fault = h2_peer_fault(conn);
    if (h2_is_client(conn) && err->code == ERROR_TLS_TRUNCATED && list_is_empty(&conn->streams))
        conn->ended = true; /* nothing was due that could be cut off */
    else
        h2_break(conn, err);
}

void h2_take_frames(struct h2_conn *conn)
{
    const uint8_t *bytes;

    while (!conn->broken && conn->out.size < H2_OUT_MAX) {
        ssize_t len = nghttp2_session_mem_send(conn->session, &bytes);

        if (len == 0)
            return;
        if (len < 0 || !chain_append(&conn->out, h2_blocks(conn), str_of((const char *)bytes, (size_t)len)))
            no_memory(conn);
    }
}

static void moved(struct h2_conn *conn, size_t bytes)
{
    struct pace_limit limit = h2_leaving_limit(conn);

    conn->bytes_out += bytes;
    chain_drop(&conn->out, bytes);
    if (conn->out.size > 0 || conn->leaving.since_ns > 0)
        pace_move(&conn->leaving, &limit, bytes, h2_now(conn));
}

void h2_flush(struct h2_conn *conn)
{
    struct iovec parts[PARTS_OUT];
    struct error err;
    size_t sent = 0;

    for (h2_take_frames(conn); conn->out.size > 0 && !conn->broken; h2_take_frames(conn)) {
        int count = chain_parts(&conn->out, parts, PARTS_OUT);
        enum io io = stream_writev(conn->base.stream, parts, count, &sent, &err);

        if (io == IO_WAIT) {
            pace_wait(&conn->leaving, h2_now(conn));
            return;
        }
        if (io != IO_OK) {
            stream_failed(conn, &err);
            return;
        }
        moved(conn, sent);
    }
}

/* nghttp2 sends a GOAWAY itself for what RFC 9113 calls a connection error; these are beyond it. */
static void session_failed(struct h2_conn *conn, ssize_t code)
{
    if (code == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
        h2_condemn(conn, NGHTTP2_PROTOCOL_ERROR, HTTP_END_PROTOCOL, "this is no HTTP/2 preface");
    else if (code == NGHTTP2_ERR_FLOODED || code == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS)
        h2_condemn(conn, NGHTTP2_ENHANCE_YOUR_CALM, HTTP_END_ABUSE, "more was asked than can be answered");
    else
        no_memory(conn);
}

/* To nghttp2. False: the connection is at its end. */
static bool give(struct h2_conn *conn, const char *from, const char *to)
{
    ssize_t used;

    if (from == to)
        return true;
    used = nghttp2_session_mem_recv(conn->session, (const uint8_t *)from, (size_t)(to - from));
    if (used < 0)
        session_failed(conn, used);
    else if (conn->fat)
        h2_condemn(conn, NGHTTP2_ENHANCE_YOUR_CALM, HTTP_END_ABUSE, "it takes too much memory");
    return !conn->broken && !conn->condemned;
}

/* Each frame is judged when its header is whole and all before it is understood: the header's last byte is held back
 * for so long. */
static void feed(struct h2_conn *conn, struct str bytes)
{
    const char *from = bytes.data, *end = bytes.data + bytes.len;
    struct h2_frame frame;

    while (h2_framer_next(&conn->framer, &bytes, &frame)) {
        const char *last = end - bytes.len - 1;

        if (!give(conn, from, last))
            return;
        from = last;
        h2_guard_frame(conn, &frame);
        if (conn->condemned)
            return;
    }
    (void)give(conn, from, end);
}

/* The end is near, and what comes is not understood any more: but a request that came too late is noted. */
static void throw_away(struct h2_conn *conn, struct str bytes)
{
    struct h2_frame frame;

    conn->skipped += (uint32_t)bytes.len;
    while (h2_framer_next(&conn->framer, &bytes, &frame))
        conn->raced |= conn->idle_close && frame.type == NGHTTP2_HEADERS;
}

static void take(struct h2_conn *conn, struct chain *bytes)
{
    while (bytes->size > 0) {
        struct str front = chain_front(bytes);

        conn->bytes_in += front.len;
        if (conn->phase == H2_LIVE && !conn->condemned && !conn->broken)
            feed(conn, front);
        else
            throw_away(conn, front);
        chain_drop(bytes, front.len);
    }
}

/* True: bytes came, maybe more are there. */
static bool read_some(struct h2_conn *conn)
{
    struct chain bytes = {NULL, NULL, 0};
    struct iovec part;
    struct error err;
    size_t got = 0;
    enum io io;

    if (chain_reserve(&bytes, h2_blocks(conn), 0, H2_IN_BYTES, &part, 1) == 0) {
        no_memory(conn);
        return false;
    }
    io = stream_readv(conn->base.stream, &part, 1, &got, &err);
    chain_commit(&bytes, io == IO_OK ? got : 0);
    if (io == IO_OK)
        take(conn, &bytes);
    else if (io == IO_END)
        conn->ended = true;
    else if (io == IO_FAIL)
        stream_failed(conn, &err);
    chain_clear(&bytes);
    return io == IO_OK;
}

static void fill(struct h2_conn *conn)
{
    int reads = 0;

    if (conn->first.size > 0)
        take(conn, &conn->first);
    while (!conn->ended && !conn->broken && conn->phase != H2_OVER && conn->skipped < SKIP_MAX) {
        if (stream_is_quiet(conn->base.stream) || !read_some(conn))
            return;
        if (++reads == READS_MAX) {
            h2_wake_self(conn);
            return;
        }
    }
}

static void run_server(struct h2_conn *conn)
{
    if (conn->timer.fired) {
        timer_clear(conn->base.loop, &conn->timer);
        h2_expire(conn);
    }
    h2_flush(conn);
    fill(conn);
    h2_step(conn);
    h2_flush(conn);
    h2_step(conn);
    h2_set_clock(conn);
}

/* It reads first, as a GOAWAY that is here already keeps requests from leaving in vain. */
static void run_client(struct h2_conn *conn)
{
    uint64_t before = conn->bytes_in;

    fill(conn);
    if (conn->bytes_in != before)
        h2_client_of(conn)->heard_ns = h2_now(conn);
    h2_client_step(conn);
    if (!conn->ended)
        h2_flush(conn);
    h2_client_step(conn);
}

void h2_run(struct task *task)
{
    struct h2_conn *conn = container_of(task, struct h2_conn, base.task);

    if (h2_is_client(conn))
        run_client(conn);
    else
        run_server(conn);
}
