/* server.c: the server role: requests one at a time in the order they came, each answered before the next is looked at;
 * clocks; and the ways a connection ends. SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/h1_internal.h"
#include "http/other_role_internal.h"

#define LINGER_NS     UINT64_C(2000000000) /* where the options name none */
#define LINGER_MIN_NS UINT64_C(100000000)

static void enter_over(struct h1_conn *conn)
{
    conn->phase = H1_OVER;
    h1_drop_bytes(conn);
    task_wake(conn->base.loop, conn->base.owner);
}

/* What is under way to a conn that was idle comes within a round trip or two; the kernel's numbers say how long that
 * is. */
static uint64_t linger_ns(const struct h1_conn *conn)
{
    uint64_t most_ns = h1_options(conn)->linger_ns > 0 ? h1_options(conn)->linger_ns : LINGER_NS;
    struct tcp_facts facts;

    if (!conn->idle_close || !stream_facts(conn->base.stream, &facts) || facts.rtt_ns == 0)
        return most_ns;
    if (4 * facts.rtt_ns < LINGER_MIN_NS)
        return most_ns < LINGER_MIN_NS ? most_ns : LINGER_MIN_NS;
    return 4 * facts.rtt_ns < most_ns ? 4 * facts.rtt_ns : most_ns;
}

void h1_server_enter(struct h1_conn *conn, enum h1_phase phase)
{
    if (phase == H1_OVER) {
        enter_over(conn);
        return;
    }
    conn->phase = (uint8_t)phase;
    if (phase == H1_SKIP)
        h1_server_of(conn)->until_ns = h1_now(conn) + H1_SKIP_NS;
    if (phase == H1_LINGER)
        h1_server_of(conn)->until_ns = h1_now(conn) + linger_ns(conn);
}

void h1_note_end(struct h1_conn *conn, enum http_end end)
{
    if (conn->end == HTTP_END_NONE)
        conn->end = (uint8_t)end;
}

bool h1_is_waiting(const struct h1_conn *conn)
{
    return conn->phase == H1_LIVE && !conn->stream_open && !conn->stream_waits;
}

/* The last look tells a request that came first from one that comes too late. Only one such grant for each wait: bytes
 * of a stream need not become bytes of ours. */
bool h1_server_end_idle(struct h1_conn *conn, enum http_end why)
{
    h1_note_end(conn, why);
    if (!conn->granted && stream_peek(conn->base.stream) == IO_OK) {
        conn->granted = conn->draining = true;
        h1_wake_self(conn);
        return false;
    }
    conn->idle_close = true;
    h1_server_enter(conn, H1_FINISH);
    return true;
}

/* Ready for the next request, which may be here already. */
static void begin_request(struct h1_conn *conn)
{
    if (conn->receive == H1_RECEIVE_TRAILERS_READY)
        h1_take_in(conn, conn->message->head_bytes);
    h1_begin_head(conn);
    conn->empty_lines = 0;
    conn->send = H1_SEND_HEAD;
    conn->message->since_ns = conn->message->coming.since_ns = 0;
    conn->keep = conn->head_only = conn->peer_is_1_0 = conn->expects = conn->granted = false;
    h1_server_enter(conn, H1_LIVE);
}

static void begin_paces(struct h1_conn *conn)
{
    struct pace_limit coming = h1_coming_limit(conn), leaving = h1_leaving_limit(conn);

    pace_begin(&conn->message->coming, &coming);
    if (conn->message->out.size == 0)
        pace_begin(&conn->message->leaving, &leaving);
}

static void offer(struct h1_conn *conn)
{
    conn->stream_waits = true;
    begin_paces(conn);
    conn->message->head_end_ns = h1_now(conn);
    task_wake(conn->base.loop, conn->base.owner);
}

void h1_server_refuse(struct h1_conn *conn, enum error_code code)
{
    conn->receive = H1_RECEIVE_HEAD_READY;
    conn->head_fault = (uint8_t)code;
    offer(conn);
}

/* No request is under way. */
static void await_request(struct h1_conn *conn)
{
    if (conn->message->in.size > 0 && conn->message->since_ns == 0)
        conn->message->since_ns = h1_now(conn);
    h1_look_for_head(conn);
    if (conn->receive == H1_RECEIVE_HEAD_READY) {
        offer(conn);
    } else if (conn->ended) {
        h1_note_end(conn, conn->message->in.size > 0 ? HTTP_END_GONE : HTTP_END_CLOSED);
        h1_server_enter(conn, H1_FINISH);
    } else if (conn->closing && conn->message->in.size == 0 && conn->message->out.size == 0) {
        (void)h1_server_end_idle(conn, HTTP_END_DRAIN);
    }
}

static void end_unread(struct h1_conn *conn)
{
    h1_note_end(conn, conn->ended ? HTTP_END_GONE : HTTP_END_UNREAD);
    h1_server_enter(conn, H1_FINISH);
}

static void skip_request(struct h1_conn *conn)
{
    size_t skipped;
    bool complete = h1_skip_body(conn, &skipped);

    conn->message->skipped += (uint32_t)skipped;
    if (complete)
        begin_request(conn);
    else if (conn->receive == H1_RECEIVE_FAILED || conn->ended || conn->message->skipped >= H1_SKIP_MAX)
        end_unread(conn);
    if (conn->stalled)
        h1_wake_self(conn); /* what stands behind the body may be here already */
}

/* The peer may still be sending: unread bytes would make the kernel answer them with a reset, which could overtake what
 * we sent last (RFC 9112 9.6). */
static void throw_away(struct h1_conn *conn)
{
    if (conn->message->in.size > 0) {
        conn->message->skipped += (uint32_t)conn->message->in.size;
        chain_clear(&conn->message->in);
    }
    if (conn->stalled && conn->message->skipped < H1_SKIP_MAX)
        h1_wake_self(conn);
}

static void finish(struct h1_conn *conn)
{
    throw_away(conn);
    if (conn->message->out.size > 0)
        return;
    if (conn->ended && !conn->base.stream->ops->secure) {
        enter_over(conn); /* nothing comes any more, and closing sends FIN; TLS has a close_notify to say first */
        return;
    }
    h1_send_fin(conn);
    h1_server_enter(conn, H1_LINGER);
}

static void linger(struct h1_conn *conn)
{
    if (conn->idle_close && conn->message->in.size > 0 && !conn->raced) {
        conn->raced = true;
        conn->message->since_ns = h1_now(conn);
    }
    throw_away(conn);
    if (conn->ended || conn->message->skipped >= H1_SKIP_MAX)
        enter_over(conn);
}

/* Nothing is on its way to a client that has closed while it waits for an answer without an end: it is not worth a
 * connection to a host until somebody writes to it. */
static void look_for_leaver(struct h1_conn *conn)
{
    struct error err;

    if (!conn->ended || conn->broken || conn->tunnel || !conn->stream_open || !conn->message->stream.lasting ||
        conn->send == H1_SEND_END)
        return;
    error_set(&err, FAULT_CLIENT, ERROR_CLIENT_GONE, "the client closed a stream");
    h1_note_end(conn, HTTP_END_GONE);
    h1_break(conn, &err);
}

void h1_server_step(struct h1_conn *conn)
{
    look_for_leaver(conn);
    if (conn->broken && !conn->stream_open && conn->phase != H1_OVER)
        enter_over(conn);
    if (conn->phase == H1_SKIP)
        skip_request(conn);
    if (conn->phase == H1_LIVE && !conn->stream_open && !conn->stream_waits)
        await_request(conn);
    if (conn->phase == H1_FINISH)
        finish(conn);
    if (conn->phase == H1_LINGER)
        linger(conn);
}

static enum io server_accept(struct http_conn *base, struct http_stream **stream, struct error *err)
{
    struct h1_conn *conn = h1_of_conn(base);

    (void)err;
    if (conn->phase == H1_OVER)
        return IO_END;
    if (!conn->stream_waits)
        return IO_WAIT;
    conn->stream_waits = false;
    conn->stream_open = true;
    conn->receive_waits = conn->send_waits = false;
    conn->message->stream.owner = NULL;
    conn->message->stream.lasting = false;
    conn->message->stream.bytes_in = conn->message->stream.bytes_out = 0;
    *stream = &conn->message->stream;
    return IO_OK;
}

bool h1_server_takes(struct h1_conn *conn, struct http_head *head, struct error *err)
{
    struct http_framing framing;

    conn->peer_is_1_0 = head->version_minor == 0;
    conn->head_only = str_eq(head->method, STR("HEAD"));
    if (!semantics_request(head, &framing, err))
        return false;
    conn->messages++;
    conn->keep = !framing.close && (!conn->peer_is_1_0 || framing.keep_alive);
    conn->hint_timeout_s = framing.hint_timeout_s;
    conn->hint_max = framing.hint_max;
    /* What stands behind CONNECT is for a tunnel that will not be: it is never read as a request. */
    if (str_eq(head->method, STR("CONNECT")))
        conn->keep = false;
    h1_begin_body(conn, head, &framing);
    conn->expects = head->expect_continue && h1_is_in_body(conn);
    return true;
}

void h1_server_continue(struct h1_conn *conn)
{
    const struct str answer = STR("HTTP/1.1 100 Continue\r\n\r\n");

    if (!conn->expects || conn->send != H1_SEND_HEAD || conn->message->in.size > 0)
        return;
    conn->expects = false;
    if (!chain_append_borrowed(&conn->message->out, h1_blocks(conn), answer))
        return;
    conn->message->stream.bytes_out += answer.len;
    h1_wake_self(conn);
}

/* An answer that was not finished must not look as if it were. Where its end is the end of the connection, only a reset
 * tells. */
static void break_off(struct h1_conn *conn)
{
    if (conn->send == H1_SEND_END)
        return;
    h1_note_end(conn, HTTP_END_FAILED);
    if (conn->send == H1_SEND_UNTIL_CLOSE || conn->send == H1_SEND_TUNNEL)
        conn->close_by_reset = true;
    conn->send = H1_SEND_FAILED;
    conn->keep = false;
}

static void server_cancel(struct http_stream *stream, enum http_cancel why)
{
    struct h1_conn *conn = h1_of_stream(stream);

    (void)why;
    break_off(conn);
    conn->keep = false;
}

static void server_done(struct http_stream *stream)
{
    struct h1_conn *conn = h1_of_stream(stream);

    ASSERT(conn->stream_open);
    conn->stream_open = conn->receive_waits = conn->send_waits = conn->piped = false;
    stream->owner = NULL;
    conn->last_used_ns = h1_now(conn);
    conn->message->skipped = 0;
    break_off(conn);
    if (conn->broken || conn->close_by_reset)
        enter_over(conn);
    else if (!conn->keep || conn->receive == H1_RECEIVE_FAILED)
        h1_server_enter(conn, H1_FINISH);
    else if (h1_is_received(conn))
        begin_request(conn);
    else
        h1_server_enter(conn, H1_SKIP);
    h1_wake_self(conn);
}

static void server_drain(struct http_conn *base)
{
    struct h1_conn *conn = h1_of_conn(base);

    conn->draining = true;
}

static bool server_close_idle(struct http_conn *base, enum http_end why)
{
    struct h1_conn *conn = h1_of_conn(base);

    conn->draining = conn->closing = true;
    if (!h1_is_waiting(conn) || conn->message->in.size > 0 || conn->message->out.size > 0 || conn->broken)
        return false;
    h1_wake_self(conn);
    return h1_server_end_idle(conn, why);
}

const struct http_conn_ops h1_server_ops = {
    .name = "h1",
    .accept = server_accept,
    .open = other_role_open,
    .room = other_role_room,
    .recv_head = h1_recv_head,
    .recv_body = h1_recv_body,
    .send_head = h1_server_send_head,
    .send_body = h1_send_body,
    .cancel = server_cancel,
    .done = server_done,
    .drain = server_drain,
    .close_idle = server_close_idle,
    .close = h1_close,
    .check_idle = other_role_check_idle,
    .facts = h1_facts,
};
