/* server.c: the server role: requests by the stream, and the ways a connection ends.
 *
 * It ends in two steps (RFC 9113 6.8): a GOAWAY that refuses nothing yet, and a second later, when all that was under
 * way is here, the last one with the true number. No PING measures the round trip: some clients take nothing but GOAWAY
 * behind a GOAWAY. Streams finish; then FIN, and the peer's bytes are read for a while so that no reset overtakes what
 * was sent last. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"
#include "http/other_role_internal.h"

#define LINGER_NS UINT64_C(2000000000) /* where the options name none */
/* How long a peer that is left, or has left, may take to take our last frames: they say why, and nobody waits for them.
 * Not lingering_timeout's, which begins when they are gone. */
#define FINISH_NS     UINT64_C(2000000000)
#define DRAIN_STEP_NS UINT64_C(1000000000)
#define HOLD_NS       UINT64_C(20000000)
enum { SKIP_MAX = 256 << 10 };

static uint64_t linger_ns(const struct h2_conn *conn)
{
    return conn->options->linger_ns > 0 ? conn->options->linger_ns : LINGER_NS;
}

void h2_enter(struct h2_conn *conn, enum h2_phase phase)
{
    if (conn->phase == phase)
        return;
    conn->phase = (uint8_t)phase;
    conn->until_ns = h2_now(conn) + (phase == H2_FINISH ? FINISH_NS : linger_ns(conn));
    if (phase == H2_LINGER)
        stream_shutdown_write(conn->base.stream);
    if (phase != H2_OVER)
        return;
    chain_clear(&conn->out);
    task_wake(conn->base.loop, conn->base.owner);
}

static void no_memory(struct h2_conn *conn)
{
    struct error err;

    error_set(&err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to end a connection");
    h2_break(conn, &err);
}

static void last_goaway(struct h2_conn *conn)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(conn->session);

    conn->drain_ns = 0;
    if (conn->drained)
        return;
    conn->drained = true;
    h2_note_end(conn, HTTP_END_DRAIN);
    if (nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0) != 0)
        no_memory(conn);
    h2_wake_self(conn);
}

static void server_drain(struct http_conn *base)
{
    struct h2_conn *conn = h2_of_conn(base);

    if (conn->draining || conn->phase != H2_LIVE || conn->condemned || conn->broken)
        return;
    conn->draining = true;
    conn->drain_ns = h2_now(conn) + DRAIN_STEP_NS;
    if (nghttp2_submit_shutdown_notice(conn->session) != 0)
        no_memory(conn);
    h2_wake_self(conn);
}

/* The last look tells a request that came first from one that comes too late. Only one such grant: the drain's own
 * clock is behind it. */
bool h2_end_idle(struct h2_conn *conn, enum http_end why)
{
    h2_note_end(conn, why);
    if (!conn->granted && stream_peek(conn->base.stream) == IO_OK) {
        conn->granted = true;
        server_drain(&conn->base);
        return false;
    }
    conn->idle_close = true;
    last_goaway(conn);
    return true;
}

static bool server_close_idle(struct http_conn *base, enum http_end why)
{
    struct h2_conn *conn = h2_of_conn(base);

    if (conn->phase != H2_LIVE || conn->condemned || conn->broken || conn->drained)
        return false;
    if (list_is_empty(&conn->streams))
        return h2_end_idle(conn, why);
    server_drain(base);
    return false;
}

static bool is_finished(const struct h2_conn *conn)
{
    return conn->out.size == 0 && !nghttp2_session_want_write(conn->session);
}

/* The peer is gone, or was sent away: nobody waits for what is still served. */
static void abandon(struct h2_conn *conn)
{
    if (!conn->condemned)
        h2_note_end(conn, list_is_empty(&conn->streams) ? HTTP_END_CLOSED : HTTP_END_GONE);
    h2_fail_streams(conn);
    h2_enter(conn, H2_FINISH);
}

/* nghttp2 has found a connection error, and its GOAWAY is on its way. */
static bool is_terminated(struct h2_conn *conn)
{
    return conn->condemned || (!nghttp2_session_want_read(conn->session) && !conn->drained);
}

static void step_live(struct h2_conn *conn)
{
    if (conn->drain_ns > 0 && h2_now(conn) >= conn->drain_ns)
        last_goaway(conn);
    if (conn->ended || is_terminated(conn))
        abandon(conn);
    else if (conn->drained && list_is_empty(&conn->streams))
        h2_enter(conn, H2_FINISH);
}

void h2_step(struct h2_conn *conn)
{
    if (conn->broken && conn->phase != H2_OVER) {
        h2_fail_streams(conn);
        h2_enter(conn, H2_OVER);
    }
    if (conn->phase == H2_LIVE)
        step_live(conn);
    if (conn->phase == H2_FINISH && is_finished(conn))
        h2_enter(conn, H2_LINGER);
    if (conn->phase == H2_LINGER && (conn->ended || conn->skipped >= SKIP_MAX))
        h2_enter(conn, H2_OVER);
}

void h2_offer(struct h2_stream *stream)
{
    struct h2_conn *conn = h2_conn_of(stream);

    stream->offered = true;
    stream->head_end_ns = h2_now(conn);
    stream->fields = 0;
    if (conn->head_bytes > H2_HEADS_LOOSE_MAX)
        h2_head_pack(stream);
    list_push_back(&conn->waiting, &stream->waits);
    task_wake(conn->base.loop, conn->base.owner);
}

/* The latest stream, if it is its head that is under way, and not trailers of another one. */
static struct h2_stream *stream_in_block(struct h2_conn *conn)
{
    struct h2_stream *stream =
        conn->last_id > 0 ? nghttp2_session_get_stream_user_data(conn->session, (int32_t)conn->last_id) : NULL;

    return stream && !stream->offered && stream->live ? stream : NULL;
}

void h2_give_up_head(struct h2_conn *conn)
{
    struct h2_stream *stream = h2_is_in_block(conn) ? stream_in_block(conn) : NULL;

    conn->block_ns = 0;
    if (!stream) {
        h2_condemn(conn, NGHTTP2_NO_ERROR, HTTP_END_HEAD_TIMEOUT, "a head did not come in time");
        return;
    }
    h2_note_end(conn, HTTP_END_HEAD_TIMEOUT);
    h2_head_clear(stream);
    stream->head_fault = ERROR_HEAD_TIMEOUT;
    h2_offer(stream);
    last_goaway(conn);
}

/* Who lets nothing through from the start gets answers a few at a time. */
static bool is_shut(const struct h2_conn *conn)
{
    return conn->open >= H2_BLOCKED_MAX &&
           nghttp2_session_get_remote_settings(conn->session, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE) <
               H2_SMALL_WINDOW_BYTES;
}

/* Who has cancelled many requests may cancel the next one, too: it is looked at a moment later, and nobody else is
 * asked in vain. */
static bool is_held(struct h2_conn *conn, const struct h2_stream *stream)
{
    uint64_t until_ns = stream->head_end_ns + HOLD_NS;

    if (!h2_is_wary(conn) || h2_now(conn) >= until_ns)
        return false;
    if (conn->held_ns == 0) {
        conn->held_ns = until_ns;
        h2_wake_self(conn);
    }
    return true;
}

static struct h2_stream *first_waiting(struct h2_conn *conn)
{
    struct list_node *node = list_first(&conn->waiting);
    struct h2_stream *stream;

    if (!node || conn->blocked >= H2_BLOCKED_MAX || is_shut(conn))
        return NULL;
    stream = container_of(node, struct h2_stream, waits);
    if (is_held(conn, stream))
        return NULL;
    list_remove(&conn->waiting, node);
    return stream;
}

void h2_offer_waiting(struct h2_conn *conn)
{
    conn->held_ns = 0;
    if (!list_is_empty(&conn->waiting))
        task_wake(conn->base.loop, conn->base.owner);
}

static enum io server_accept(struct http_conn *base, struct http_stream **out, struct error *err)
{
    struct h2_conn *conn = h2_of_conn(base);
    struct h2_stream *stream;

    (void)err;
    if (conn->phase == H2_OVER)
        return IO_END;
    stream = first_waiting(conn);
    if (!stream)
        return IO_WAIT;
    stream->open = true;
    conn->open++;
    conn->messages++;
    h2_stream_clock(stream);
    if (conn->options->requests_max > 0 && conn->messages >= conn->options->requests_max && !conn->draining) {
        h2_note_end(conn, HTTP_END_REQUESTS);
        server_drain(base);
    }
    *out = &stream->base;
    return IO_OK;
}

static uint32_t error_of(enum http_cancel why)
{
    switch (why) {
    case HTTP_CANCEL_GONE:
        return NGHTTP2_CANCEL;
    case HTTP_CANCEL_DEADLINE:
    case HTTP_CANCEL_ERROR:
        break;
    }
    return NGHTTP2_INTERNAL_ERROR;
}

/* RFC 8441 5: CANCEL is to a tunnel what a reset is to a connection. */
static void server_cancel(struct http_stream *base, enum http_cancel why)
{
    struct h2_stream *stream = h2_of_stream(base);

    /* What has been answered so far goes first: nghttp2 drops a head that still waits when a reset comes behind it. */
    if (stream->live && !stream->reset_by_us && stream->send != H2_SEND_HEAD)
        h2_take_frames(h2_conn_of(stream));
    h2_stream_reset(stream, stream->switched ? NGHTTP2_CANCEL : error_of(why));
}

static void server_done(struct http_stream *base)
{
    struct h2_stream *stream = h2_of_stream(base);
    struct h2_conn *conn = h2_conn_of(stream);

    h2_stream_leave(stream);
    if (stream->send != H2_SEND_END)
        h2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    else if (stream->end_sent && !stream->ended)
        h2_stream_reset(stream, NGHTTP2_NO_ERROR);
    h2_stream_clock(stream);
    h2_stream_release(stream);
    h2_offer_waiting(conn);
    h2_wake_self(conn);
}

const struct http_conn_ops h2_server_ops = {
    .name = "h2",
    .accept = server_accept,
    .open = other_role_open,
    .room = other_role_room,
    .recv_head = h2_recv_request,
    .recv_body = h2_recv_body,
    .send_head = h2_send_answer,
    .send_body = h2_send_body,
    .cancel = server_cancel,
    .done = server_done,
    .drain = server_drain,
    .close_idle = server_close_idle,
    .close = h2_close,
    .check_idle = other_role_check_idle,
    .facts = h2_facts,
    .share = h2_share,
};
