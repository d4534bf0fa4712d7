/* client.c: the client role: one request at a time, and whether the connection is fit for another. Doubt makes it
 * unfit: a connection costs little, an answer that goes to the wrong request cannot be taken back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/h1_internal.h"
#include "http/other_role_internal.h"

#include <stdlib.h>

enum { PROBE_BYTES = HTTP_SURPLUS_BYTES };

static bool is_fit(const struct h1_conn *conn)
{
    return conn->unfit == HTTP_FIT && !conn->ended && !conn->broken && conn->message->in.size == 0;
}

static uint32_t client_room(const struct http_conn *base)
{
    const struct h1_conn *conn = h1_of_const(base);

    return is_fit(conn) && !conn->stream_open ? 1 : 0;
}

static enum io client_open(struct http_conn *base, struct http_stream **stream, struct error *err)
{
    struct h1_conn *conn = h1_of_conn(base);

    if (client_room(base) == 0) {
        error_set(err, FAULT_UPSTREAM, ERROR_CLOSED, "the connection takes no further request");
        err->retry_safe = true;
        return IO_FAIL;
    }
    if (!h1_take_message(conn)) {
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a request");
        return IO_FAIL;
    }
    h1_begin_head(conn);
    conn->send = H1_SEND_HEAD;
    conn->interims = 0;
    conn->keep = conn->head_only = conn->peer_is_1_0 = conn->upgrading = false;
    conn->receive_waits = conn->send_waits = conn->piped = false;
    conn->stream_open = true;
    conn->message->stream.owner = NULL;
    conn->message->stream.reader = NULL;
    conn->message->stream.bytes_in = conn->message->stream.bytes_out = 0;
    *stream = &conn->message->stream;
    return IO_OK;
}

static void write_framing(struct h1_conn *conn, struct h1_writer *writer, const struct http_head *head, bool end)
{
    int64_t body_bytes = end ? 0 : head->body_bytes;

    if (body_bytes != 0 || semantics_says_empty(head))
        h1_write_body_framing(conn, writer, body_bytes);
    else
        conn->send = H1_SEND_END;
}

/* Nothing of the request was sent: another connection may have it. */
static enum io fail_unsent(struct h1_conn *conn, struct error *err)
{
    if (conn->failure)
        *err = *conn->failure;
    else
        error_set(err, FAULT_UPSTREAM, ERROR_CLOSED, "closed before the request was sent");
    err->retry_safe = true;
    return IO_FAIL;
}

static enum io refuse_head(struct error *err, const char *text)
{
    error_set(err, FAULT_BUG, ERROR_BUG, "%s", text);
    err->retry_safe = true;
    return IO_FAIL;
}

static bool write_line(struct h1_writer *writer, const struct http_head *head)
{
    return head->scheme.len > 0 ? h1_write_absolute_line(writer, head->method, head->authority, head->path)
                                : h1_write_request_line(writer, head->method, head->path);
}

static void write_connection(struct h1_conn *conn, struct h1_writer *writer, const struct http_head *head)
{
    bool te = head->trailers;

    if (conn->upgrading) {
        h1_write_upgrade(writer, head->protocol);
        return;
    }
    if (te)
        h1_write_known(writer, HEADER_TE, STR("trailers"));
    if (conn->single_use)
        h1_write_known(writer, HEADER_CONNECTION, te ? STR("close, TE") : STR("close"));
    else if (conn->base.ask_keep_alive)
        h1_write_known(writer, HEADER_CONNECTION, te ? STR("keep-alive, TE") : STR("keep-alive"));
    else if (te)
        h1_write_known(writer, HEADER_CONNECTION, STR("TE"));
}

static bool has_surplus(const struct h1_conn *conn)
{
    return conn->unfit == HTTP_UNFIT_SURPLUS || conn->unfit == HTTP_UNFIT_BLANK;
}

static enum io client_send_head(struct http_stream *stream, const struct http_head *head, bool end, struct error *err)
{
    struct h1_conn *conn = h1_of_stream(stream);
    struct h1_writer writer;

    ASSERT(conn->stream_open);
    if (head->method.len == 0)
        return h1_send_trailers(conn, head, err);
    ASSERT(conn->send == H1_SEND_HEAD || conn->send == H1_SEND_FAILED);
    if (conn->ended || conn->broken || conn->send == H1_SEND_FAILED)
        return fail_unsent(conn, err);
    /* The rest of what came unasked would be taken for the answer. */
    if (conn->message->in.size > 0 || has_surplus(conn))
        return fail_unsent(conn, err);
    h1_write_start(&writer, &conn->message->out, h1_blocks(conn));
    if (!write_line(&writer, head))
        return refuse_head(err, "method or path cannot stand in a request line");
    if (!head->known_host && !authority_is_valid(head->authority))
        return refuse_head(err, "the authority is not a host and a port");
    conn->head_only = str_eq(head->method, STR("HEAD"));
    conn->messages++;
    h1_write_known(&writer, HEADER_HOST, head->authority);
    h1_write_fields(&writer, &head->headers);
    write_framing(conn, &writer, head, end);
    conn->upgrading = head->protocol.len > 0 && conn->send == H1_SEND_END;
    if (conn->single_use)
        h1_set_unfit(conn, HTTP_UNFIT_OURS);
    write_connection(conn, &writer, head);
    return h1_finish_head(conn, &writer, err);
}

static bool take_interim(struct h1_conn *conn, const struct http_framing *framing, struct error *err)
{
    if (framing->suspect)
        h1_set_unfit(conn, HTTP_UNFIT_FRAMING);
    if (++conn->interims > H1_INTERIMS_MAX)
        return error_set(err, FAULT_UPSTREAM, ERROR_INTERIM_FLOOD, "more than %d interim answers", H1_INTERIMS_MAX);
    h1_begin_head(conn);
    return true;
}

/* What the final head says about the connection's further use (RFC 9112 9.3). */
static void judge(struct h1_conn *conn, const struct http_head *head, const struct http_framing *framing)
{
    conn->hint_timeout_s = framing->hint_timeout_s;
    conn->hint_max = framing->hint_max;
    /* A FIN that was read along with the head stands behind it: the first reason is what the head says. */
    if (conn->unfit == HTTP_UNFIT_CLOSED && conn->send != H1_SEND_FAILED)
        conn->unfit = HTTP_FIT;
    if (framing->suspect)
        h1_set_unfit(conn, HTTP_UNFIT_FRAMING);
    if (framing->close)
        h1_set_unfit(conn, HTTP_UNFIT_PEER);
    if (framing->until_close)
        h1_set_unfit(conn, HTTP_UNFIT_NO_LENGTH);
    if (head->version_minor == 0 && !framing->keep_alive)
        h1_set_unfit(conn, HTTP_UNFIT_VERSION);
    if (conn->ended)
        h1_set_unfit(conn, HTTP_UNFIT_CLOSED);
}

/* RFC 9110 15.2.2. What comes behind the head is of the new protocol. */
static bool switch_protocols(struct h1_conn *conn, const struct http_head *head, const struct http_framing *framing,
                             struct error *err)
{
    if (!conn->upgrading || conn->send != H1_SEND_END)
        return error_set(err, FAULT_UPSTREAM, ERROR_BAD_UPGRADE, "an upgrade that nobody asked for");
    if (head->protocol.len == 0 || framing->suspect)
        return error_set(err, FAULT_UPSTREAM, ERROR_BAD_UPGRADE, "an upgrade that does not say to what");
    h1_begin_tunnel(conn);
    return true;
}

bool h1_client_takes(struct h1_conn *conn, struct http_head *head, struct error *err)
{
    struct http_framing framing;

    if (!semantics_response(head, conn->head_only, &framing, err))
        return false;
    if (head->status == 101)
        return switch_protocols(conn, head, &framing, err);
    if (head->status < 200)
        return take_interim(conn, &framing, err);
    judge(conn, head, &framing);
    h1_begin_body(conn, head, &framing);
    return true;
}

static bool is_blank(struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.data[i] != '\r' && bytes.data[i] != '\n')
            return false;
    return true;
}

/* For people: what was it? */
static void keep_surplus(struct h1_conn *conn, struct str bytes)
{
    struct h1_surplus **surplus = &h1_client_of(conn)->surplus;
    size_t len;

    if (!*surplus)
        *surplus = calloc(1, sizeof(**surplus));
    if (!*surplus)
        return;
    len = size_min(bytes.len, sizeof((*surplus)->bytes) - (*surplus)->len);
    memcpy((*surplus)->bytes + (*surplus)->len, bytes.data, len);
    (*surplus)->len += (uint32_t)len;
}

/* Line ends are as good as more of it until more of it is seen. */
static void note_surplus(struct h1_conn *conn, bool blank)
{
    if (conn->unfit == HTTP_UNFIT_BLANK && !blank)
        conn->unfit = HTTP_UNFIT_SURPLUS;
    h1_set_unfit(conn, blank ? HTTP_UNFIT_BLANK : HTTP_UNFIT_SURPLUS);
}

/* Bytes that belong to no request. Nobody gets them. */
static void drop_surplus(struct h1_conn *conn)
{
    struct chain *in = &conn->message->in;
    bool blank = true;

    if (LIKELY(in->size == 0))
        return;
    for (struct str part; blank && in->size > 0; chain_drop(in, part.len)) {
        part = chain_front(in);
        blank = is_blank(part);
        keep_surplus(conn, part);
    }
    note_surplus(conn, blank);
    chain_clear(in);
}

static bool awaits_answer(const struct h1_conn *conn)
{
    return conn->stream_open && conn->send != H1_SEND_HEAD && conn->receive != H1_RECEIVE_END;
}

void h1_client_step(struct h1_conn *conn)
{
    bool was_fit = conn->unfit == HTTP_FIT;

    if (conn->receive == H1_RECEIVE_HEAD && awaits_answer(conn))
        h1_look_for_head(conn);
    if (!awaits_answer(conn))
        drop_surplus(conn);
    if (conn->ended)
        h1_set_unfit(conn, HTTP_UNFIT_CLOSED);
    if (was_fit && conn->unfit != HTTP_FIT && !conn->stream_open)
        task_wake(conn->base.loop, conn->base.owner);
}

static void client_cancel(struct http_stream *stream, enum http_cancel why)
{
    struct h1_conn *conn = h1_of_stream(stream);

    h1_set_unfit(conn, why == HTTP_CANCEL_DEADLINE ? HTTP_UNFIT_TIMEOUT : HTTP_UNFIT_UNFINISHED);
    if (conn->send != H1_SEND_END)
        conn->send = H1_SEND_FAILED;
    conn->close_by_reset = true;
    chain_clear(&conn->message->out);
}

static void client_done(struct http_stream *stream)
{
    struct h1_conn *conn = h1_of_stream(stream);
    size_t skipped;

    ASSERT(conn->stream_open);
    /* Who had all data need not have asked for the end, which may be here. */
    h1_skip_body(conn, &skipped);
    if (conn->receive == H1_RECEIVE_TRAILERS_READY) {
        h1_take_in(conn, conn->message->head_bytes);
        conn->receive = H1_RECEIVE_END;
    }
    if (conn->receive != H1_RECEIVE_END || conn->send != H1_SEND_END || conn->message->out.size > 0) {
        h1_set_unfit(conn, HTTP_UNFIT_UNFINISHED);
        conn->close_by_reset = true;
        chain_clear(&conn->message->out);
    }
    drop_surplus(conn);
    if (conn->ended)
        h1_set_unfit(conn, HTTP_UNFIT_CLOSED);
    conn->stream_open = conn->receive_waits = conn->send_waits = conn->piped = false;
    conn->last_used_ns = h1_now(conn);
    stream->owner = NULL;
    stream->reader = NULL;
    h1_begin_head(conn);
    h1_give_message_if_idle(conn); /* all of it is here: nothing is left to be sent */
}

static void client_drain(struct http_conn *base)
{
    h1_set_unfit(h1_of_conn(base), HTTP_UNFIT_OURS);
}

/* Costs no system call when readiness has told nothing. Bytes that are taken here were surplus anyway. */
static enum io probe(struct h1_conn *conn)
{
    char bytes[PROBE_BYTES];
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct error err;
    size_t got;
    enum io io = stream_readv(conn->base.stream, &part, 1, &got, &err);

    if (io == IO_OK) {
        keep_surplus(conn, str_of(bytes, got));
        note_surplus(conn, is_blank(str_of(bytes, got)));
    } else if (io == IO_FAIL && err.code == ERROR_TLS_TRUNCATED) {
        io = IO_END; /* nothing was due that could be cut off */
    } else if (io == IO_FAIL) {
        h1_break(conn, &err);
    }
    conn->ended |= io == IO_END;
    return io;
}

/* What the look has found is taken in, to see what it is. */
static enum io peek(struct h1_conn *conn)
{
    enum io io = stream_peek(conn->base.stream);

    if (io == IO_OK && probe(conn) != IO_OK)
        h1_set_unfit(conn, HTTP_UNFIT_SURPLUS);
    return io;
}

static enum io client_check_idle(struct http_conn *base, bool look)
{
    struct h1_conn *conn = h1_of_conn(base);
    enum io io;

    ASSERT(!conn->stream_open);
    if (conn->broken)
        return IO_FAIL;
    if (conn->ended)
        return IO_END;
    if (has_surplus(conn))
        return IO_OK;
    io = look ? peek(conn) : probe(conn);
    if (io == IO_END || io == IO_FAIL)
        h1_set_unfit(conn, HTTP_UNFIT_CLOSED);
    return io;
}

/* What is unfinished goes by reset already. What is done and quiet does too: a FIN of ours would leave a TIME_WAIT that
 * takes a port for a minute, and a half-closed socket at the host. Behind the peer's FIN ours leaves nothing. */
static void client_close(struct http_conn *base)
{
    struct h1_conn *conn = h1_of_conn(base);

    if (!conn->ended)
        conn->close_by_reset = true;
    h1_close(base);
}

const struct http_conn_ops h1_client_ops = {
    .name = "h1",
    .accept = other_role_accept,
    .open = client_open,
    .room = client_room,
    .recv_head = h1_recv_head,
    .recv_body = h1_recv_body,
    .send_head = client_send_head,
    .send_body = h1_send_body,
    .cancel = client_cancel,
    .done = client_done,
    .drain = client_drain,
    .close = client_close,
    .check_idle = client_check_idle,
    .flush = h1_flush,
    .facts = h1_facts,
};
