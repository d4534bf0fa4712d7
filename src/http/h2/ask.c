/* ask.c: the client role's heads out: pseudo fields from the head (RFC 9113 8.3.1), length, and extended CONNECT for
 * who asks to switch protocols (RFC 8441). A stream gets its number here. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"
#include "http/semantics.h"
#include "http/ws/upgrade.h"

#include <stdlib.h>

enum { FIELDS_EXTRA = 7 }; /* five pseudo fields, te, content-length */
static_assert(sizeof(((struct h2_switch *)NULL)->accept) > WS_ACCEPT_BYTES, "it holds an accept");

static bool is_safe(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] <= ' ' || text.data[i] == 0x7f)
            return false;
    return true;
}

static bool is_connect(const struct http_head *head)
{
    return str_eq(head->method, STR("CONNECT")) && head->protocol.len == 0;
}

static enum io refuse(struct error *err, enum fault fault, enum error_code code, const char *text)
{
    error_set(err, fault, code, "%s", text);
    err->retry_safe = true;
    return IO_FAIL;
}

static enum io check(const struct h2_conn *conn, const struct http_head *head, struct error *err)
{
    if (!header_name_is_valid(head->method))
        return refuse(err, FAULT_BUG, ERROR_BUG, "the method is no token");
    if (!is_safe(head->path) || (head->path.len == 0) != is_connect(head))
        return refuse(err, FAULT_BUG, ERROR_BUG, "the path cannot stand in a request");
    if (!authority_is_valid(head->authority))
        return refuse(err, FAULT_BUG, ERROR_BUG, "the authority is not a host and a port");
    if (head->protocol.len == 0)
        return IO_OK;
    if (!header_name_is_valid(head->protocol))
        return refuse(err, FAULT_BUG, ERROR_BUG, "the protocol to switch to is no token");
    if (nghttp2_session_get_remote_settings(conn->session, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) != 1)
        return refuse(err, FAULT_UPSTREAM, ERROR_BAD_UPGRADE, "the host switches no protocols over HTTP/2");
    return IO_OK;
}

/* What the answer will be said to have granted. */
static bool note_wish(struct h2_stream *stream, const struct http_head *head)
{
    struct str key = headers_get(&head->headers, STR("Sec-WebSocket-Key"));
    struct h2_switch *switching = malloc(sizeof(*switching) + head->protocol.len);

    if (!switching)
        return false;
    memcpy(switching->text, head->protocol.data, head->protocol.len);
    switching->protocol = str_of(switching->text, head->protocol.len);
    switching->accept_len = ws_is_asked(head) ? ws_accept(key, switching->accept).len : 0;
    stream->switching = switching;
    stream->asked = true;
    return true;
}

static bool is_grpc(const struct http_head *head)
{
    return str_starts_fold(headers_get_id(&head->headers, HEADER_CONTENT_TYPE), STR("application/grpc"));
}

/* RFC 9113 8.2.2: only "trailers" may stand there, and gRPC servers want to see it. */
static bool takes_trailers(const struct http_head *head)
{
    return head->trailers || is_grpc(head);
}

static void add_pseudo(const struct h2_conn *conn, struct h2_block *block, const struct http_head *head)
{
    h2_block_add_static(block, STR(":method"), head->protocol.len > 0 ? STR("CONNECT") : head->method);
    if (!is_connect(head))
        h2_block_add_static(block, STR(":scheme"), conn->base.stream->ops->secure ? STR("https") : STR("http"));
    if (head->authority.len > 0)
        h2_block_add_static(block, STR(":authority"), head->authority);
    if (!is_connect(head))
        h2_block_add_static(block, STR(":path"), head->path);
    if (head->protocol.len > 0)
        h2_block_add_static(block, STR(":protocol"), head->protocol);
}

/* Returns the Content-Length, or -1. */
static int64_t settle_body(struct h2_stream *stream, const struct http_head *head, bool last)
{
    if (stream->asked) {
        stream->send = H2_SEND_BODY;
        return -1;
    }
    if (last || head->body_bytes == 0) {
        stream->send = H2_SEND_END;
        return semantics_says_empty(head) ? 0 : -1;
    }
    stream->send = H2_SEND_BODY;
    stream->measured = head->body_bytes > 0;
    stream->send_left = stream->measured ? (uint64_t)head->body_bytes : 0;
    return head->body_bytes;
}

static int32_t submit(struct h2_stream *stream, struct h2_block *block, const struct http_head *head, bool last)
{
    struct h2_conn *conn = h2_conn_of(stream);
    nghttp2_data_provider body = {.read_callback = h2_data_read};

    add_pseudo(conn, block, head);
    h2_block_add_fields(block, &head->headers, stream->asked);
    if (takes_trailers(head))
        h2_block_add_static(block, STR("te"), STR("trailers"));
    h2_block_add_length(block, settle_body(stream, head, last));
    return nghttp2_submit_request(conn->session, NULL, block->fields, block->count,
                                  stream->send == H2_SEND_BODY ? &body : NULL, stream);
}

static void settle(struct h2_stream *stream, int32_t id, const struct http_head *head)
{
    struct h2_conn *conn = h2_conn_of(stream);

    h2_client_number(stream, id);
    h2_client_of(conn)->grpc |= is_grpc(head);
    stream->live = true;
    stream->head_only = str_eq(head->method, STR("HEAD"));
    conn->last_id = (uint32_t)id;
    conn->messages++;
    if (conn->counts)
        h2_count(&conn->counts->streams);
    h2_wake_self(conn);
}

static enum io send_first(struct h2_stream *stream, const struct http_head *head, bool last, struct error *err)
{
    struct h2_conn *conn = h2_conn_of(stream);
    struct h2_block block;
    int32_t id = NGHTTP2_ERR_NOMEM;

    if (check(conn, head, err) != IO_OK)
        return IO_FAIL;
    if ((head->protocol.len == 0 || note_wish(stream, head)) &&
        h2_block_begin(&block, (size_t)head->headers.count + FIELDS_EXTRA)) {
        id = submit(stream, &block, head, last);
        h2_block_end(&block);
    }
    if (id > 0) {
        settle(stream, id, head);
        return IO_OK;
    }
    stream->send = H2_SEND_FAILED;
    if (id == NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE)
        h2_set_unfit(conn, HTTP_UNFIT_USED_UP);
    return refuse(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory or number for a stream");
}

enum io h2_send_request(struct http_stream *base, const struct http_head *head, bool last, struct error *err)
{
    struct h2_stream *stream = h2_of_stream(base);
    struct h2_conn *conn = h2_conn_of(stream);
    bool first = head->method.len > 0, over = conn->broken || conn->condemned;

    ASSERT(stream->open);
    if (!first && stream->ended && !stream->live)
        return IO_OK; /* as for a body (send.c) */
    if (!first)
        return over || !stream->live || stream->reset_by_us || stream->send == H2_SEND_FAILED
                   ? h2_stream_fail(stream, err)
                   : h2_send_trailers(stream, head, err);
    ASSERT(stream->id == 0);
    if (over || conn->phase != H2_LIVE || conn->ended || h2_client_of(conn)->goaway || stream->send == H2_SEND_FAILED)
        return h2_stream_fail(stream, err);
    return send_first(stream, head, last, err);
}
