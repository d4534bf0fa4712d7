/* news.c: the client role: what the peer says of the connection: SETTINGS, GOAWAY, answers to PING, its end; what that
 * means for the streams, and for their users' errors. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"

enum { REASON_BYTES_MAX = 60 };

static void wake_owner(struct h2_conn *conn)
{
    task_wake(conn->base.loop, conn->base.owner);
}

/* RFC 9113 5.1.2: it may shrink below what is open. Streams that have not left yet would wait inside nghttp2; somebody
 * else may have them. */
static void turn_away(struct h2_conn *conn)
{
    uint32_t max = nghttp2_session_get_remote_settings(conn->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    uint32_t slots = h2_client_of(conn)->slots;

    for (struct list_node *node = list_first(&conn->streams); node && slots > max;
         node = list_next(&conn->streams, node)) {
        struct h2_stream *stream = container_of(node, struct h2_stream, node);

        if (!stream->counted || stream->sent || stream->reset_by_us)
            continue;
        slots--;
        if (stream->live)
            h2_stream_reset(stream, NGHTTP2_REFUSED_STREAM);
        stream->error = NGHTTP2_REFUSED_STREAM;
        stream->send = H2_SEND_FAILED;
        h2_wake_user(stream);
    }
}

/* Who asks to switch protocols waits for that (RFC 8441 3). */
static void wake_unsent(struct h2_conn *conn)
{
    for (struct list_node *node = list_first(&conn->streams); node; node = list_next(&conn->streams, node)) {
        struct h2_stream *stream = container_of(node, struct h2_stream, node);

        if (stream->id == 0)
            h2_wake_user(stream);
    }
}

static void heard_settings(struct h2_conn *conn, const nghttp2_frame *frame)
{
    if (frame->hd.flags & NGHTTP2_FLAG_ACK)
        return;
    if (!conn->met)
        wake_unsent(conn);
    conn->met = true;
    turn_away(conn);
    wake_owner(conn);
}

/* Printable bytes only: it goes into logs. */
static size_t copy_reason(const uint8_t *data, size_t len, char out[REASON_BYTES_MAX + 1])
{
    size_t count = 0;

    for (size_t i = 0; i < len && count < REASON_BYTES_MAX; i++)
        if (data[i] > ' ' - 1 && data[i] < 0x7f)
            out[count++] = (char)data[i];
    out[count] = '\0';
    return count;
}

/* RFC 9113 6.8: what is above its number was not and will not be served. nghttp2 closes those streams behind this. */
static void heard_goaway(struct h2_conn *conn, const nghttp2_goaway *goaway)
{
    struct h2_client *client = h2_client_of(conn);
    char reason[REASON_BYTES_MAX + 1];
    size_t len = copy_reason(goaway->opaque_data, goaway->opaque_data_len, reason);
    struct error err;

    client->goaway = true;
    client->goaway_id = (uint32_t)goaway->last_stream_id;
    client->goaway_error = goaway->error_code;
    client->too_many_pings |=
        goaway->error_code == NGHTTP2_ENHANCE_YOUR_CALM && str_eq(str_of(reason, len), STR("too_many_pings"));
    h2_set_unfit(conn, HTTP_UNFIT_GOAWAY);
    if (goaway->error_code != NGHTTP2_NO_ERROR) {
        error_set(&err, FAULT_UPSTREAM, ERROR_GOAWAY, "the host ended the connection: GOAWAY %s %s",
                  h2_error_name(goaway->error_code), reason);
        h2_note_failure(conn, &err);
    }
    wake_owner(conn);
}

static void heard_ping(struct h2_conn *conn, const nghttp2_frame *frame)
{
    struct h2_client *client = h2_client_of(conn);

    if (!(frame->hd.flags & NGHTTP2_FLAG_ACK) || !client->ping_out)
        return;
    client->ping_out = false;
    client->ping_answered_ns = h2_now(conn);
    wake_owner(conn);
}

void h2_client_heard(struct h2_conn *conn, const nghttp2_frame *frame)
{
    if (frame->hd.type == NGHTTP2_SETTINGS)
        heard_settings(conn, frame);
    else if (frame->hd.type == NGHTTP2_GOAWAY)
        heard_goaway(conn, &frame->goaway);
    else if (frame->hd.type == NGHTTP2_PING)
        heard_ping(conn, frame);
}

bool h2_client_ping(struct http_conn *base)
{
    struct h2_conn *conn = h2_of_conn(base);
    struct h2_client *client = h2_client_of(conn);

    if (client->ping_out || conn->phase != H2_LIVE || conn->ended || conn->broken || conn->condemned)
        return false;
    if (nghttp2_submit_ping(conn->session, NGHTTP2_FLAG_NONE, NULL) != 0)
        return false;
    client->ping_out = true;
    client->ping_sent_ns = h2_now(conn);
    if (client->pings_bare < UINT8_MAX)
        client->pings_bare++;
    h2_wake_self(conn);
    return true;
}

void h2_client_give_up(struct http_conn *base, const struct error *err)
{
    h2_break(h2_of_conn(base), err);
}

/* nghttp2 has found what RFC 9113 calls a connection error, and says in it what. */
void h2_client_told(struct h2_conn *conn, const nghttp2_frame *frame)
{
    const nghttp2_goaway *goaway = &frame->goaway;
    char reason[REASON_BYTES_MAX + 1];
    struct error err;

    if (frame->hd.type != NGHTTP2_GOAWAY || goaway->error_code == NGHTTP2_NO_ERROR)
        return;
    copy_reason(goaway->opaque_data, goaway->opaque_data_len, reason);
    error_set(&err, FAULT_UPSTREAM, ERROR_BAD_FRAMING, "HTTP/2 connection error %s %s",
              h2_error_name(goaway->error_code), reason);
    h2_note_failure(conn, &err);
    h2_set_unfit(conn, HTTP_UNFIT_FRAMING);
}

/* Whatever ended it: streams fail that are not whole, and the owner is told. */
static void end(struct h2_conn *conn)
{
    conn->phase = H2_OVER;
    h2_set_unfit(conn, conn->condemned ? HTTP_UNFIT_FRAMING : HTTP_UNFIT_CLOSED);
    h2_fail_streams(conn);
    wake_owner(conn);
}

void h2_client_step(struct h2_conn *conn)
{
    struct h2_client *client = h2_client_of(conn);
    bool roomy;

    if (conn->phase == H2_LIVE &&
        (conn->broken || conn->ended || conn->condemned || !nghttp2_session_want_read(conn->session)))
        end(conn);
    roomy = http_room(&conn->base) > 0;
    if (roomy && !client->roomy)
        wake_owner(conn);
    client->roomy = roomy;
}

bool h2_is_past_goaway(const struct h2_stream *stream)
{
    const struct h2_client *client = h2_client_of_const(h2_conn_of(stream));

    return client->goaway && !stream->answered && (!stream->sent || (uint32_t)stream->id > client->goaway_id);
}

/* Which of several reasons there may be, the surest first. */
static void tell(const struct h2_stream *stream, struct error *err)
{
    const struct h2_conn *conn = h2_conn_of(stream);
    const char *name = h2_error_name(stream->error);

    if (h2_is_past_goaway(stream))
        error_set(err, FAULT_UPSTREAM, ERROR_GOAWAY, "the host ends the connection (GOAWAY %s) without this request",
                  h2_error_name(h2_client_of_const(conn)->goaway_error));
    else if (stream->error == NGHTTP2_REFUSED_STREAM && !stream->answered)
        error_set(err, FAULT_UPSTREAM, ERROR_STREAM_REFUSED, "the host refused the stream");
    else if (stream->error == NGHTTP2_HTTP_1_1_REQUIRED && !stream->answered)
        error_set(err, FAULT_UPSTREAM, ERROR_STREAM_REFUSED, "the host wants this request in HTTP/1.1");
    else if (stream->reset_by_peer)
        error_set(err, FAULT_UPSTREAM, ERROR_RESET, "the host reset the stream (%s)", name);
    else if (conn->failure)
        *err = *conn->failure;
    else if (conn->ended && !stream->answered)
        error_set(err, FAULT_UPSTREAM, ERROR_NO_ANSWER, "closed before the answer");
    else if (conn->ended)
        error_set(err, FAULT_UPSTREAM, ERROR_BODY_INCOMPLETE, "closed within the answer");
    else if (!stream->live && stream->error != NGHTTP2_NO_ERROR && !stream->reset_by_us)
        error_set(err, FAULT_UPSTREAM, stream->head_taken ? ERROR_BODY_INCOMPLETE : ERROR_BAD_FRAMING,
                  "the answer is malformed (%s)", name);
    else
        error_set(err, FAULT_UPSTREAM, ERROR_CLOSED, "the message was broken off");
}

enum io h2_client_fail(const struct h2_stream *stream, struct error *err)
{
    tell(stream, err);
    err->retry_safe =
        !stream->answered && (!stream->sent || err->code == ERROR_GOAWAY || err->code == ERROR_STREAM_REFUSED);
    return IO_FAIL;
}
