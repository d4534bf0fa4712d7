/* answer.c: the server role's heads out: how long the body is for this client, and whether the connection goes on.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/copy.h"
#include "base/text.h"
#include "http/h1/h1_internal.h"

static bool has_date(const struct http_headers *headers)
{
    for (uint32_t i = 0; i < headers->count; i++)
        if (headers->fields[i].id == HEADER_DATE)
            return true;
    return false;
}

static void write_date(const struct h1_conn *conn, struct h1_writer *writer)
{
    struct http_dates *dates = h1_options(conn)->dates;
    uint64_t wall_ns = loop_wall_ns(conn->base.loop);
    char date[HTTP_DATE_BYTES];

    h1_write_known(writer, HEADER_DATE, dates ? http_date_of(dates, wall_ns) : http_date(wall_ns, date));
}

/* RFC 9110 8.6: to HEAD and in 304 the field tells what a GET would give, when that is known. */
static void write_announced(struct h1_conn *conn, struct h1_writer *writer, const struct http_head *head)
{
    int64_t bytes = head->announced_bytes;

    if (bytes < 0 && conn->head_only && head->body_bytes > 0)
        bytes = head->body_bytes;
    if (bytes >= 0 && head->status != 204)
        h1_write_number(writer, HEADER_CONTENT_LENGTH, (uint64_t)bytes);
}

static void write_framing(struct h1_conn *conn, struct h1_writer *writer, const struct http_head *head, bool end)
{
    if (conn->head_only || !status_has_body(head->status)) {
        conn->send = end ? H1_SEND_END : H1_SEND_NO_BODY;
        write_announced(conn, writer, head);
    } else if (!end && head->body_bytes < 0 && conn->peer_is_1_0) {
        conn->send = H1_SEND_UNTIL_CLOSE; /* RFC 9112 6.1: it does not know the chunked coding */
        conn->keep = false;
    } else {
        h1_write_body_framing(conn, writer, end ? 0 : head->body_bytes);
    }
}

/* Can nothing more come? What lies here may be the trailers of this request. */
static bool was_last(const struct h1_conn *conn)
{
    size_t rest = conn->receive == H1_RECEIVE_TRAILERS_READY ? conn->message->head_bytes : 0;

    return conn->ended && conn->message->in.size <= rest;
}

/* Does reading the rest of the request cost more than a new connection? */
static bool much_is_unread(const struct h1_conn *conn)
{
    if (conn->receive == H1_RECEIVE_LENGTH && conn->message->chunked.left > conn->message->in.size + H1_SKIP_MAX)
        return true;
    /* A client that was told nothing may leave out the body or send it: it cannot be known what the next bytes are. */
    return conn->expects && h1_is_in_body(conn) && conn->message->in.size == 0;
}

/* What the failed request was. */
static enum http_end end_by_failure(const struct h1_conn *conn)
{
    enum error_code code = conn->failure ? conn->failure->code : ERROR_NONE;

    if (code == ERROR_HEAD_TIMEOUT)
        return HTTP_END_HEAD_TIMEOUT;
    if (code == ERROR_BODY_TIMEOUT)
        return HTTP_END_BODY_TIMEOUT;
    return code == ERROR_CLOSED || code == ERROR_BODY_INCOMPLETE ? HTTP_END_GONE : HTTP_END_REFUSED;
}

/* HTTP_END_NONE: the conn may go on behind this answer. */
static enum http_end end_behind(const struct h1_conn *conn)
{
    const struct http_conn_options *options = h1_options(conn);

    if (conn->receive == H1_RECEIVE_FAILED || conn->receive == H1_RECEIVE_HEAD_READY)
        return end_by_failure(conn);
    if (!conn->keep)
        return HTTP_END_ASKED;
    if (conn->draining)
        return HTTP_END_DRAIN;
    if (options->requests_max > 0 && conn->messages >= options->requests_max)
        return HTTP_END_REQUESTS;
    if (was_last(conn))
        return HTTP_END_CLOSED;
    return much_is_unread(conn) ? HTTP_END_UNREAD : HTTP_END_NONE;
}

/* How long the next request will be waited for. A client that says how long it keeps the connection is not waited for
 * any longer; one that says 0 gets a second. */
static void promise(struct h1_conn *conn)
{
    uint64_t wait_ms = h1_options(conn)->idle_timeout_ns / 1000000, hint_ms;

    if (conn->hint_timeout_s >= 0 && wait_ms > 0) {
        hint_ms = conn->hint_timeout_s > 0 ? (uint64_t)conn->hint_timeout_s * 1000 : 1000;
        wait_ms = hint_ms < wait_ms ? hint_ms : wait_ms;
    }
    h1_server_of(conn)->wait_ms = (uint32_t)(wait_ms < UINT32_MAX ? wait_ms : UINT32_MAX);
}

static void write_hints(const struct h1_conn *conn, struct h1_writer *writer)
{
    const struct http_conn_options *options = h1_options(conn);
    uint64_t timeout_s = h1_server_of_const(conn)->wait_ms / 1000;
    char value[sizeof("timeout=, max=") + 2 * NUMBER_TEXT_BYTES], *at = value;

    if (timeout_s == 0 && options->requests_max == 0)
        return;
    if (timeout_s > 0) {
        at = copy_short(at, STR("timeout="));
        at += text_from_u64(timeout_s, at);
    }
    if (options->requests_max > 0) {
        at = copy_short(at, timeout_s > 0 ? STR(", max=") : STR("max="));
        at += text_from_u64(options->requests_max - conn->messages, at);
    }
    h1_write_known(writer, HEADER_KEEP_ALIVE, str_of(value, (size_t)(at - value)));
}

static void write_connection(const struct h1_conn *conn, struct h1_writer *writer)
{
    if (!conn->keep)
        h1_write_known(writer, HEADER_CONNECTION, STR("close"));
    else if (conn->peer_is_1_0)
        h1_write_known(writer, HEADER_CONNECTION, STR("keep-alive"));
    if (conn->keep && h1_options(conn)->keep_alive_header)
        write_hints(conn, writer);
}

/* 1xx: not for HTTP/1.0 (RFC 9110 15.2), and 100 only once and to who asked. */
static enum io send_interim(struct h1_conn *conn, const struct http_head *head, struct error *err)
{
    struct h1_writer writer;

    ASSERT(head->status != 101);
    if (conn->peer_is_1_0 || (head->status == 100 && !conn->expects))
        return IO_OK;
    if (head->status == 100)
        conn->expects = false;
    h1_write_start(&writer, &conn->message->out, h1_blocks(conn));
    h1_write_status_line(&writer, head->status);
    h1_write_fields(&writer, &head->headers);
    return h1_finish_head(conn, &writer, err);
}

/* RFC 9110 15.2.2. What the client has sent behind its request is of the new protocol. */
static enum io switch_protocols(struct h1_conn *conn, const struct http_head *head, struct error *err)
{
    struct h1_writer writer;

    ASSERT(conn->receive == H1_RECEIVE_END);
    ASSERT(head->protocol.len > 0);
    h1_write_start(&writer, &conn->message->out, h1_blocks(conn));
    h1_write_status_line(&writer, 101);
    h1_write_upgrade(&writer, head->protocol);
    h1_write_fields(&writer, &head->headers);
    h1_note_end(conn, HTTP_END_TUNNEL);
    h1_begin_tunnel(conn);
    return h1_finish_head(conn, &writer, err);
}

enum io h1_server_send_head(struct http_stream *stream, const struct http_head *head, bool end, struct error *err)
{
    struct h1_conn *conn = h1_of_stream(stream);
    enum http_end end_behind_answer;
    struct h1_writer writer;

    ASSERT(conn->stream_open);
    if (head->status == 0)
        return h1_send_trailers(conn, head, err);
    if (conn->broken || conn->send == H1_SEND_FAILED)
        return h1_fail(conn, err);
    ASSERT(conn->send == H1_SEND_HEAD);
    ASSERT(head->status >= 100 && head->status <= 999);
    if (head->status == 101)
        return switch_protocols(conn, head, err);
    if (head->status < 200)
        return send_interim(conn, head, err);
    h1_write_start(&writer, &conn->message->out, h1_blocks(conn));
    h1_write_status_line(&writer, head->status);
    if (!has_date(&head->headers))
        write_date(conn, &writer);
    h1_write_fields(&writer, &head->headers);
    end_behind_answer = end_behind(conn);
    conn->keep = end_behind_answer == HTTP_END_NONE;
    write_framing(conn, &writer, head, end);
    if (!conn->keep)
        h1_note_end(conn, end_behind_answer != HTTP_END_NONE ? end_behind_answer : HTTP_END_NO_LENGTH);
    promise(conn);
    write_connection(conn, &writer);
    return h1_finish_head(conn, &writer, err);
}
