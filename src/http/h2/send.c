/* send.c: bodies out. The user's bytes wait in the stream until nghttp2 has window and turn for them; then they move,
 * uncopied, behind their frame header. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"

static enum io cut(struct h2_stream *stream, const char *text, struct error *err)
{
    error_set(err, FAULT_BUG, ERROR_BUG, "%s", text);
    h2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    return IO_FAIL;
}

/* What the peer lets through in all, and in a stream from its start, says how much of each answer it is worth to have
 * here when there are many. A few may always have a whole buffer each. */
size_t h2_share(const struct http_conn *base)
{
    const struct h2_conn *conn = h2_of_const(base);
    int32_t all = nghttp2_session_get_remote_window_size(conn->session);
    size_t begin = nghttp2_session_get_remote_settings(conn->session, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);
    size_t ahead = size_min(all > 0 ? (size_t)all : 0, H2_AHEAD_MAX);

    if (conn->open <= H2_AHEAD_MAX / BLOCK_LARGE_BYTES)
        return BLOCK_LARGE_BYTES;
    ahead /= conn->open;
    return size_max(size_min(size_min(ahead, begin), BLOCK_LARGE_BYTES), BLOCK_SMALL_BYTES);
}

/* How much of a stream waits here while it cannot go on. Half a share leaves the rest of the buffer that was read with
 * its user, and none is filled twice. */
static size_t room_min(const struct h2_conn *conn)
{
    return h2_is_client(conn) ? H2_STREAM_OUT_MIN : size_min(h2_share(&conn->base) / 2, H2_STREAM_OUT_MIN);
}

/* How much of a stream waits here: what its window lets through soon, and little when that is shut. */
static size_t room(const struct h2_stream *stream)
{
    const struct h2_conn *conn = h2_conn_of(stream);
    int32_t own = nghttp2_session_get_stream_remote_window_size(conn->session, stream->id);
    int32_t all = nghttp2_session_get_remote_window_size(conn->session);
    size_t most = room_min(conn);

    if (own > H2_STREAM_OUT_MIN && all > 0 && conn->queued < size_min((size_t)all, H2_QUEUED_MAX))
        most = size_min((size_t)own, H2_STREAM_OUT_MAX);
    return most > stream->out.size ? most - stream->out.size : 0;
}

static enum io resume(struct h2_stream *stream)
{
    struct h2_conn *conn = h2_conn_of(stream);

    if (stream->deferred)
        (void)nghttp2_session_resume_data(conn->session, stream->id);
    stream->deferred = false;
    h2_wake_self(conn);
    return IO_OK;
}

enum io h2_send_end(struct h2_stream *stream, struct error *err)
{
    if (stream->send == H2_SEND_BODY && stream->measured && stream->send_left > 0)
        return cut(stream, "fewer bytes of a body than its head promised", err);
    if (stream->send == H2_SEND_BODY) {
        stream->last = true;
        (void)resume(stream);
    }
    stream->send = H2_SEND_END;
    return IO_OK;
}

static enum io send_some(struct h2_stream *stream, struct chain *from, struct error *err)
{
    size_t size = from->size > 0 ? size_min(from->size, room(stream)) : 0, moved;

    if (stream->measured && from->size > stream->send_left)
        return cut(stream, "more bytes of a body than its head promised", err);
    moved = chain_move(&stream->out, from, size);
    stream->send_left -= stream->measured ? moved : 0;
    h2_conn_of(stream)->queued += moved;
    if (moved > 0)
        (void)resume(stream);
    return moved == size ? IO_OK : cut(stream, "no memory for a body", err);
}

static enum io send_part(struct h2_stream *stream, struct chain *from, struct error *err)
{
    switch ((enum h2_send)stream->send) {
    case H2_SEND_BODY:
        return send_some(stream, from, err);
    case H2_SEND_NO_BODY:
        chain_clear(from);
        return IO_OK;
    case H2_SEND_END:
        return from->size == 0 ? IO_OK : cut(stream, "more bytes of a body than its head promised", err);
    case H2_SEND_HEAD: /* not reached: send_body asserts that the head was sent */
    case H2_SEND_FAILED:
        break;
    }
    return h2_stream_fail(stream, err);
}

enum io h2_send_body(struct http_stream *base, struct chain *from, bool end, struct error *err)
{
    struct h2_stream *stream = h2_of_stream(base);
    struct h2_conn *conn = h2_conn_of(stream);
    enum io io;

    ASSERT(stream->open);
    /* RFC 9113 8.1: the answer is whole, and the peer wants no more. */
    if (h2_is_client(conn) && stream->ended && !stream->live) {
        chain_clear(from);
        return IO_OK;
    }
    if (conn->broken || conn->condemned || !stream->live || stream->reset_by_us)
        return h2_stream_fail(stream, err);
    ASSERT(stream->send != H2_SEND_HEAD);
    io = send_part(stream, from, err);
    if (io != IO_OK)
        return io;
    if (from->size > 0) {
        h2_set_send_waits(stream, true);
        h2_stream_clock(stream);
        return IO_WAIT;
    }
    return end ? h2_send_end(stream, err) : IO_OK;
}

/* nghttp2 asks how much of the stream goes into the next frame. */
ssize_t h2_data_read(nghttp2_session *session, int32_t id, uint8_t *bytes, size_t len, uint32_t *flags,
                     nghttp2_data_source *source, void *user)
{
    struct h2_stream *stream = h2_stream_of(user, id);
    size_t size;

    (void)session;
    (void)bytes;
    (void)source;
    if (!stream)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size = size_min(len, stream->out.size);
    stream->deferred = size == 0 && !stream->last;
    if (stream->deferred)
        return NGHTTP2_ERR_DEFERRED;
    if (size == len && size < H2_SMALL_DATA_BYTES && size < stream->out.size)
        h2_glitch(user, H2_GLITCH_SMALL_WINDOW);
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (stream->last && size == stream->out.size)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    if ((*flags & NGHTTP2_DATA_FLAG_EOF) && stream->tail_out.size > 0) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (!h2_submit_trailers(stream))
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return (ssize_t)size;
}

static void moved(struct h2_stream *stream, size_t bytes)
{
    struct pace_limit limit;

    if (stream->leaving.since_ns > 0) {
        limit = h2_stream_leaving_limit(stream);
        pace_move(&stream->leaving, &limit, bytes, h2_now(h2_conn_of(stream)));
        if (stream->out.size > 0)
            pace_wait(&stream->leaving, h2_now(h2_conn_of(stream)));
    }
    if (!stream->send_waits || stream->out.size > room_min(h2_conn_of(stream)) / 2)
        return;
    h2_set_send_waits(stream, false);
    h2_wake_user(stream);
}

/* The frame that h2_data_read has announced. */
int h2_data_send(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header, size_t len,
                 nghttp2_data_source *source, void *user)
{
    struct h2_conn *conn = user;
    struct h2_stream *stream = h2_stream_of(conn, frame->hd.stream_id);

    (void)session;
    (void)source;
    /* While it waited for room here the stream may have been reset, and its bytes are gone: the frame is left out. */
    if (!stream || stream->out.size < len)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (conn->out.size >= H2_OUT_MAX)
        return NGHTTP2_ERR_WOULDBLOCK;
    if (!chain_append(&conn->out, h2_blocks(conn), str_of((const char *)header, H2_HEADER_BYTES)) ||
        chain_move(&conn->out, &stream->out, len) != len)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    conn->queued -= len;
    if (len > 0)
        h2_earn(conn);
    moved(stream, len);
    return 0;
}
