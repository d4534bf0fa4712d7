/* request.c: the server role's heads in: pseudo fields and Host to a target as HTTP/1 has it (RFC 9113 8.3.1), extended
 * CONNECT (RFC 8441) to a request that asks to switch protocols. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"
#include "http/semantics.h"
#include "http/target_bytes.h"
#include "http/ws/upgrade.h"

static bool check_connect(const struct h2_reading *reading)
{
    const struct http_head *head = reading->head;

    if (head->path.len > 0 || str_find_last_char(head->authority, ':') + 1 >= head->authority.len)
        return h2_head_refuse(reading, ERROR_BAD_TARGET, "the target of CONNECT is not a host and a port");
    return true;
}

static bool check_target(struct h2_reading *reading)
{
    struct http_head *head = reading->head;

    if (!header_name_is_valid(head->method))
        return h2_head_refuse(reading, ERROR_BAD_REQUEST_LINE, "the method is no token");
    if (str_eq(head->method, STR("CONNECT")) && head->protocol.len == 0)
        return check_connect(reading);
    if (!str_starts(head->path, STR("/")) && !(str_eq(head->path, STR("*")) && str_eq(head->method, STR("OPTIONS"))))
        return h2_head_refuse(reading, ERROR_BAD_TARGET, "the path does not begin with a slash");
    if (LIKELY(target_is_plain(head->path)))
        return true;
    if (target_has_bad_bytes(head->path))
        return h2_head_refuse(reading, ERROR_BAD_TARGET, "a byte in the path that cannot be there");
    return target_escape(reading->arena, &head->path) || h2_head_no_memory(reading);
}

/* RFC 9113 8.3.1: both may be there, and must then say the same. What follows wants a Host. */
static bool settle_host(struct h2_reading *reading)
{
    struct http_head *head = reading->head;
    struct str host = headers_get_id(&head->headers, HEADER_HOST);

    if (reading->has_host && reading->has_authority && !str_eq_fold(host, head->authority))
        return h2_head_refuse(reading, ERROR_BAD_HOST, "Host and :authority differ");
    if (reading->has_authority && head->authority.len == 0)
        return h2_head_refuse(reading, ERROR_BAD_HOST, "an empty :authority");
    if (reading->has_host || !reading->has_authority)
        return true;
    return headers_add_id(&head->headers, reading->arena, HEADER_HOST, head->authority) || h2_head_no_memory(reading);
}

/* As over HTTP/1, where a key stands in the request; hosts that speak HTTP/1 need one. */
static bool become_upgrade(const struct h2_conn *conn, const struct h2_reading *reading)
{
    struct http_head *head = reading->head;
    char *key = arena_alloc(reading->arena, WS_KEY_BYTES + 1, 1);

    if (!key)
        return h2_head_no_memory(reading);
    head->method = STR("GET");
    headers_remove(&head->headers, STR("Sec-WebSocket-Key"));
    return headers_add(&head->headers, reading->arena, STR("Sec-WebSocket-Key"),
                       ws_new_key(loop_rng(conn->base.loop), key)) ||
           h2_head_no_memory(reading);
}

/* RFC 8441 4: what comes behind it is of the new protocol, and none of this request. */
static bool settle_switch(struct h2_stream *stream, const struct h2_reading *reading)
{
    struct http_head *head = reading->head;

    if (head->protocol.len == 0)
        return true;
    if (!str_eq(head->method, STR("CONNECT")) || !header_name_is_valid(head->protocol) || head->announced_bytes > 0)
        return h2_head_refuse(reading, ERROR_BAD_UPGRADE, "a :protocol that cannot be");
    stream->asked = true;
    head->body_bytes = 0;
    return !ws_is_asked(head) || become_upgrade(h2_conn_of(stream), reading);
}

/* How long the body is, by the fields and by END_STREAM. */
static void settle_body(const struct h2_stream *stream, struct http_head *head)
{
    if (stream->no_body)
        head->body_bytes = 0;
    else if (head->announced_bytes < 0)
        head->body_bytes = -1;
    else
        h2_head_expect_trailers(stream, head);
}

static bool read_request(struct h2_stream *stream, struct h2_reading *reading)
{
    struct http_framing framing;

    if (!h2_head_read(stream, &stream->head, reading) || !check_target(reading) || !settle_host(reading) ||
        !semantics_request(reading->head, &framing, reading->err))
        return false;
    settle_body(stream, reading->head);
    return settle_switch(stream, reading);
}

static enum io take_request(struct h2_stream *stream, struct arena *arena, struct http_head **head, struct error *err)
{
    struct h2_reading reading = {.arena = arena, .err = err};

    stream->head_taken = true;
    if (stream->head_fault != ERROR_NONE || !read_request(stream, &reading))
        return h2_head_failed(stream, err);
    *head = reading.head;
    stream->head_only = str_eq((*head)->method, STR("HEAD"));
    stream->expects = (*head)->expect_continue && !stream->no_body && !stream->asked;
    return IO_OK;
}

enum io h2_recv_request(struct http_stream *base, struct arena *arena, struct http_head **head, struct error *err)
{
    struct h2_stream *stream = h2_of_stream(base);

    ASSERT(stream->open);
    if (!stream->head_taken)
        return take_request(stream, arena, head, err);
    if (stream->asked)
        return IO_END;
    if (stream->receive_failed || (!stream->live && !stream->ended))
        return h2_stream_fail(stream, err);
    ASSERT(stream->ended);
    if (!stream->trailers)
        return IO_END;
    stream->trailers = false;
    return h2_head_trailers(stream, arena, head, err) == IO_OK ? IO_OK : h2_head_failed(stream, err);
}
