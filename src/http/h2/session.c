/* session.c: what the nghttp2 session tells, in both roles. Its callbacks note and wake; none of them calls a user.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/parse.h"
#include "http/h2/h2_internal.h"

enum { FIELD_OVERHEAD = 32 }; /* RFC 9113 6.5.2 */

/* What nghttp2 tells of one stream comes in a row. */
struct h2_stream *h2_stream_of(struct h2_conn *conn, int32_t id)
{
    if (id > 0 && conn->recent && conn->recent->id == id)
        return conn->recent;
    conn->recent = id > 0 ? nghttp2_session_get_stream_user_data(conn->session, id) : NULL;
    return conn->recent;
}

static int begin_request(nghttp2_session *session, struct h2_conn *conn, const nghttp2_frame *frame)
{
    struct h2_stream *stream;

    if (frame->hd.stream_id > 0 && (uint32_t)frame->hd.stream_id > conn->last_id)
        conn->last_id = (uint32_t)frame->hd.stream_id;
    stream = h2_stream_new(conn, frame->hd.stream_id);
    if (!stream)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream) != 0) {
        stream->live = false;
        h2_stream_release(stream);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    conn->recent = stream;
    if (conn->counts)
        h2_count(&conn->counts->streams);
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_conn *conn = user;
    struct h2_stream *stream = h2_stream_of(conn, frame->hd.stream_id);

    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        return begin_request(session, conn, frame);
    if (h2_is_client(conn) && stream)
        h2_begin_response(stream);
    return 0;
}

/* Kept for one answer; the rest of the block is decoded, as its compression state is needed, and dropped. */
static void head_is_wrong(struct h2_stream *stream, enum error_code code)
{
    stream->head_fault = (uint8_t)code;
    h2_head_clear(stream);
    h2_glitch(h2_conn_of(stream), H2_GLITCH_HEAD_TOO_LARGE);
}

static void count_field(struct h2_conn *conn, size_t bytes)
{
    conn->block_bytes += (uint32_t)bytes + FIELD_OVERHEAD;
    if (conn->block_bytes / H2_HEAD_TIMES_MAX > conn->rules->head_bytes_max)
        h2_condemn(conn, NGHTTP2_ENHANCE_YOUR_CALM, HTTP_END_ABUSE, "a head that is much too large");
}

static size_t heads_bytes_max(const struct h2_conn *conn)
{
    return h2_is_client(conn) ? (size_t)H2_HEADS_BYTES_MAX * H2_CLIENT_TIMES : H2_HEADS_BYTES_MAX;
}

/* The stream alone is reset. What hosts answer is not theirs to choose the time of. */
static int refuse_head(struct h2_conn *conn)
{
    if (!h2_is_client(conn))
        h2_glitch(conn, H2_GLITCH_REFUSED);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* A number of three digits, or it is refused when it is read. */
static void note_status(struct h2_stream *stream, struct str name, struct str value)
{
    uint64_t status;

    if (str_eq(name, STR(":status")) && value.len == 3 && text_to_u64(value, &status))
        stream->status = (uint16_t)status;
}

static bool has_room(const struct h2_conn *conn, const struct h2_stream *stream)
{
    uint32_t fields_max = conn->options->fields_max > 0 ? conn->options->fields_max : 256;

    return conn->block_bytes <= conn->rules->head_bytes_max && stream->fields < fields_max + 4;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct h2_conn *conn = user;
    struct h2_stream *stream = h2_stream_of(conn, frame->hd.stream_id);
    struct str field = str_of((const char *)name, name_len), text = str_of((const char *)value, value_len);

    (void)session;
    (void)flags;
    count_field(conn, name_len + value_len);
    if (!stream || conn->condemned || stream->head_fault != ERROR_NONE)
        return 0;
    if (h2_is_client(conn))
        note_status(stream, field, text);
    if (str_eq(field, STR(":path")) && text.len > H1_LINE_BYTES_MAX)
        head_is_wrong(stream, ERROR_TARGET_TOO_LONG);
    else if (!has_room(conn, stream))
        head_is_wrong(stream, ERROR_HEAD_TOO_LARGE);
    else if (conn->head_bytes > heads_bytes_max(conn))
        return refuse_head(conn);
    else if (!h2_head_add(stream, field, text))
        head_is_wrong(stream, ERROR_OUT_OF_MEMORY);
    return 0;
}

/* What breaks the rules of RFC 9113 8.2.1 is never left out in silence: the whole message is refused. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                             const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    (void)session;
    (void)frame;
    (void)name;
    (void)name_len;
    (void)value;
    (void)value_len;
    (void)flags;
    (void)user;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                         void *user)
{
    struct h2_conn *conn = user;
    struct h2_stream *stream = h2_stream_of(conn, id);

    (void)session;
    (void)flags;
    if (stream && (stream->open || list_holds(&stream->waits)) && !stream->failed) {
        if (chain_append(&stream->in, h2_blocks(conn), str_of((const char *)data, len)))
            return 0;
        h2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    }
    h2_give_window(conn, len);
    return 0;
}

static void got_news(struct h2_stream *stream)
{
    struct h2_conn *conn = h2_conn_of(stream);
    struct pace_limit limit = h2_coming_limit(conn);

    if (!stream->receive_waits)
        return;
    stream->receive_waits = false;
    pace_move(&stream->coming, &limit, stream->in.size, h2_now(conn));
    h2_wake_user(stream);
}

void h2_got_end(struct h2_stream *stream)
{
    stream->ended = true;
    got_news(stream);
    h2_stream_clock(stream);
}

static void got_headers(struct h2_conn *conn, struct h2_stream *stream, const nghttp2_frame *frame)
{
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    conn->block_ns = 0;
    if (stream->head_fault == ERROR_HEAD_TIMEOUT)
        return; /* it was answered without the rest */
    if (h2_is_client(conn)) {
        h2_got_response(stream, end);
        return;
    }
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        stream->no_body = end;
        h2_offer(stream);
    } else if (stream->head_fault == ERROR_NONE) {
        stream->trailers = true;
    } else {
        h2_stream_reset(stream, NGHTTP2_ENHANCE_YOUR_CALM);
        return;
    }
    if (end)
        h2_got_end(stream);
}

static void got_data(struct h2_conn *conn, struct h2_stream *stream, const nghttp2_frame *frame)
{
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    if (frame->hd.length > frame->data.padlen)
        h2_earn(conn);
    else if (!end)
        h2_glitch(conn, H2_GLITCH_EMPTY_DATA);
    if (!stream)
        return;
    if (end)
        h2_got_end(stream);
    else if (stream->in.size > 0)
        got_news(stream);
}

static void got_reset(struct h2_conn *conn, struct h2_stream *stream)
{
    if (conn->counts)
        h2_count(&conn->counts->peer_resets);
    if (!stream) {
        h2_stray(conn);
        return;
    }
    stream->reset_by_peer = stream->base.gone = true;
    if (!stream->reset_by_us && !h2_is_client(conn))
        h2_glitch(conn, stream->open ? H2_GLITCH_RESET : H2_GLITCH_RESET_EARLY);
}

static void got_settings(struct h2_conn *conn)
{
    conn->met = true;
    h2_offer_waiting(conn); /* the window that streams begin with may be another */
}

/* Servers of gRPC forget how many PINGs they had when they send one of these. */
static void note_message(struct h2_conn *conn, uint8_t type)
{
    if (h2_is_client(conn) && (type == NGHTTP2_DATA || type == NGHTTP2_HEADERS))
        h2_client_of(conn)->pings_bare = 0;
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_conn *conn = user;
    struct h2_stream *stream = h2_stream_of(conn, frame->hd.stream_id);

    (void)session;
    if (stream)
        stream->base.bytes_in += frame->hd.length + H2_HEADER_BYTES;
    note_message(conn, frame->hd.type);
    if (frame->hd.type == NGHTTP2_DATA)
        got_data(conn, stream, frame);
    else if (frame->hd.type == NGHTTP2_HEADERS && stream)
        got_headers(conn, stream, frame);
    else if (frame->hd.type == NGHTTP2_RST_STREAM)
        got_reset(conn, stream);
    else if (h2_is_client(conn))
        h2_client_heard(conn, frame);
    else if (frame->hd.type == NGHTTP2_SETTINGS)
        got_settings(conn);
    return 0;
}

static void blame(struct h2_conn *conn, struct h2_stream *stream)
{
    if (stream && stream->blamed)
        return;
    if (stream)
        stream->blamed = true;
    h2_glitch(conn, H2_GLITCH_BAD_STREAM);
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int code, void *user)
{
    (void)session;
    (void)code;
    blame(user, h2_stream_of(user, frame->hd.stream_id));
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    struct h2_conn *conn = user;
    struct h2_stream *stream = h2_stream_of(conn, id);

    (void)session;
    if (!stream)
        return 0;
    stream->error = error;
    if (error != NGHTTP2_NO_ERROR && !stream->reset_by_peer && !stream->reset_by_us &&
        !(h2_is_client(conn) && (!stream->sent || h2_is_past_goaway(stream))))
        blame(conn, stream);
    h2_remember_closed(conn, stream);
    h2_stream_gone(stream);
    return 0;
}

static _Atomic uint64_t *error_slot(_Atomic uint64_t *counts, uint32_t code)
{
    return &counts[code < H2_ERRORS ? code : H2_ERRORS - 1];
}

static void count_sent(struct h2_conn *conn, const nghttp2_frame *frame)
{
    if (!conn->counts)
        return;
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        h2_count(error_slot(conn->counts->stream_errors, frame->rst_stream.error_code));
    else if (frame->hd.type == NGHTTP2_GOAWAY)
        h2_count(error_slot(conn->counts->connection_errors, frame->goaway.error_code));
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_conn *conn = user;
    struct h2_stream *stream = h2_stream_of(conn, frame->hd.stream_id);

    (void)session;
    count_sent(conn, frame);
    if (h2_is_client(conn))
        h2_client_told(conn, frame);
    else if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
        h2_note_end(conn, HTTP_END_PROTOCOL);
    if (!stream)
        return 0;
    stream->sent = true;
    stream->base.bytes_out += frame->hd.length + H2_HEADER_BYTES;
    if ((frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) ||
        !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    stream->end_sent = true;
    if (!h2_is_client(conn))
        h2_answered(conn);
    h2_stream_clock(stream);
    /* RFC 9113 8.1: the answer is whole, and the rest of the request is not wanted. */
    if (!h2_is_client(conn) && !stream->open && !stream->ended)
        h2_stream_reset(stream, NGHTTP2_NO_ERROR);
    return 0;
}

void h2_set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, h2_data_send);
}
