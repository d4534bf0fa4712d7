/* client.c: the client role: how many streams there is room for, their birth and their end, and the conn's own end.
 * What a conn is fit for is told by the peer, in news.c. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"
#include "http/other_role_internal.h"

enum { STREAMS_UNTIL_MET = 100, ID_MAX = INT32_MAX };

static bool is_fit(const struct h2_client *client)
{
    const struct h2_conn *conn = &client->h2;

    return client->unfit == HTTP_FIT && conn->phase == H2_LIVE && !conn->ended && !conn->broken && !conn->condemned;
}

/* RFC 9113 5.1.2, 6.5.2: what the peer allows, once it has said so. */
static uint32_t streams_max(const struct h2_client *client)
{
    uint32_t theirs = client->h2.met ? nghttp2_session_get_remote_settings(client->h2.session,
                                                                           NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
                                     : STREAMS_UNTIL_MET;

    return theirs < client->rules.streams_max ? theirs : client->rules.streams_max;
}

/* For streams that are not given out yet. */
static uint32_t ids_left(const struct h2_client *client)
{
    uint32_t next = nghttp2_session_get_next_stream_id(client->h2.session);
    uint32_t left = next > ID_MAX ? 0 : (ID_MAX - next) / 2 + 1;

    return left > client->unnumbered ? left - client->unnumbered : 0;
}

static uint32_t client_room(const struct http_conn *base)
{
    const struct h2_client *client = h2_client_of_const(h2_of_const(base));
    const struct h2_conn *conn = &client->h2;
    uint32_t most = streams_max(client), ids = ids_left(client);

    if (!is_fit(client) || conn->out.size >= H2_OUT_MAX || conn->session_bytes > H2_SESSION_BYTES_MAX ||
        most <= client->slots)
        return 0;
    return most - client->slots < ids ? most - client->slots : ids;
}

void h2_set_unfit(struct h2_conn *conn, enum http_unfit why)
{
    struct h2_client *client = h2_client_of(conn);

    if (client->unfit == HTTP_FIT)
        client->unfit = (uint8_t)why;
}

static enum io refuse(const struct h2_conn *conn, struct error *err)
{
    if (conn->failure)
        *err = *conn->failure;
    else
        error_set(err, FAULT_UPSTREAM, ERROR_CLOSED, "the connection takes no further request");
    err->retry_safe = true;
    return IO_FAIL;
}

static enum io client_open(struct http_conn *base, struct http_stream **out, struct error *err)
{
    struct h2_conn *conn = h2_of_conn(base);
    struct h2_client *client = h2_client_of(conn);
    struct h2_stream *stream;

    if (client_room(base) == 0)
        return refuse(conn, err);
    stream = h2_stream_new(conn, 0);
    if (!stream) {
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a stream");
        err->retry_safe = true;
        return IO_FAIL;
    }
    stream->live = false;
    stream->open = stream->counted = true;
    conn->open++;
    client->slots++;
    client->unnumbered++;
    if (client->options.single_use)
        h2_set_unfit(conn, HTTP_UNFIT_OURS);
    client->roomy = client_room(base) > 0;
    *out = &stream->base;
    return IO_OK;
}

void h2_client_number(struct h2_stream *stream, int32_t id)
{
    struct h2_client *client = h2_client_of(h2_conn_of(stream));

    stream->id = id;
    client->unnumbered--;
    if (nghttp2_session_get_next_stream_id(client->h2.session) > ID_MAX)
        h2_set_unfit(&client->h2, HTTP_UNFIT_USED_UP);
}

void h2_client_leave(struct h2_stream *stream)
{
    struct h2_client *client = h2_client_of(h2_conn_of(stream));

    if (!stream->counted)
        return;
    stream->counted = false;
    client->slots--;
    client->unnumbered -= stream->id == 0 ? 1 : 0;
}

static void client_cancel(struct http_stream *base, enum http_cancel why)
{
    struct h2_stream *stream = h2_of_stream(base);

    (void)why; /* whatever the reason: we want no more of it */
    h2_stream_reset(stream, NGHTTP2_CANCEL);
    if (!stream->live && !stream->ended)
        stream->send = H2_SEND_FAILED;
}

static bool is_complete(const struct h2_stream *stream)
{
    return stream->ended && stream->send == H2_SEND_END;
}

static void client_done(struct http_stream *base)
{
    struct h2_stream *stream = h2_of_stream(base);
    struct h2_conn *conn = h2_conn_of(stream);

    h2_stream_leave(stream);
    if (!is_complete(stream))
        h2_stream_reset(stream, NGHTTP2_CANCEL);
    h2_stream_release(stream);
    h2_wake_self(conn);
}

static void client_drain(struct http_conn *base)
{
    h2_set_unfit(h2_of_conn(base), HTTP_UNFIT_OURS);
}

/* A look asks the socket; what it has is taken in by the conn's own run, as most of it is of no account. */
static enum io client_check_idle(struct http_conn *base, bool look)
{
    struct h2_conn *conn = h2_of_conn(base);
    enum io seen = look && conn->phase == H2_LIVE ? stream_peek(base->stream) : IO_WAIT;

    ASSERT(conn->open == 0);
    if (seen == IO_END)
        conn->ended = true;
    if (seen == IO_FAIL) {
        struct error err;

        error_set(&err, FAULT_UPSTREAM, ERROR_RESET, "the host reset the connection");
        h2_break(conn, &err);
    }
    h2_run(&base->task);
    if (conn->broken)
        return IO_FAIL;
    return conn->phase == H2_LIVE && !h2_client_of(conn)->goaway ? IO_WAIT : IO_END;
}

/* A farewell, as far as the socket takes it. It does not go by reset, which would overtake it. */
static void client_close(struct http_conn *base)
{
    struct h2_conn *conn = h2_of_conn(base);

    if (conn->phase == H2_LIVE && !conn->condemned && !conn->broken)
        (void)nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0);
    if (!conn->ended)
        h2_flush(conn);
    h2_close(base);
}

static void client_facts(const struct http_conn *base, struct http_conn_facts *facts)
{
    h2_facts(base, facts);
    facts->end = HTTP_END_NONE;
    facts->unfit = (enum http_unfit)h2_client_of_const(h2_of_const(base))->unfit;
}

void h2_client_facts(const struct http_conn *base, struct h2_client_facts *facts)
{
    const struct h2_client *client = h2_client_of_const(h2_of_const(base));
    nghttp2_session *session = client->h2.session;

    *facts = (struct h2_client_facts){
        .heard_ns = client->heard_ns,
        .ping_sent_ns = client->ping_sent_ns,
        .ping_answered_ns = client->ping_answered_ns,
        .streams_open = client->slots,
        .streams_max = streams_max(client),
        .goaway_error = client->goaway_error,
        .met = client->h2.met,
        .goaway = client->goaway,
        .too_many_pings = client->too_many_pings,
        .grpc = client->grpc,
        .pings_bare = client->pings_bare,
        .tunnels = nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1,
        .window_shut = client->h2.queued > 0 && nghttp2_session_get_remote_window_size(session) <= 0,
    };
}

uint32_t h2_client_stream_error(const struct http_stream *base)
{
    return ((const struct h2_stream *)(const void *)base)->error;
}

bool h2_client_wants_http1(const struct http_stream *base)
{
    const struct h2_stream *stream = (const struct h2_stream *)(const void *)base;
    const struct h2_client *client = h2_client_of_const(h2_conn_of(stream));

    return !stream->answered && (stream->error == NGHTTP2_HTTP_1_1_REQUIRED ||
                                 (client->goaway && client->goaway_error == NGHTTP2_HTTP_1_1_REQUIRED));
}

/* A client's peer opens no streams. */
const struct http_conn_ops h2_client_ops = {
    .name = "h2",
    .accept = other_role_accept,
    .open = client_open,
    .room = client_room,
    .recv_head = h2_recv_response,
    .recv_body = h2_recv_body,
    .send_head = h2_send_request,
    .send_body = h2_send_body,
    .cancel = client_cancel,
    .done = client_done,
    .drain = client_drain,
    .close = client_close,
    .check_idle = client_check_idle,
    .facts = client_facts,
};
