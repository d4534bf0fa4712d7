/* receive.c: bodies to the user. What the user takes is given back to the peer's window, so that no more can come than
 * somebody reads. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"

enum { COPY_BYTES_MAX = 4096, OWED_MIN = 4096 };

/* nghttp2 would wait until half of the window is read: more than that may lie in streams that nobody reads, and then
 * the others would wait for ever. */
void h2_give_window(struct h2_conn *conn, size_t bytes)
{
    size_t window = conn->rules->connection_window;
    int32_t used = conn->broken ? 0 : nghttp2_session_get_effective_recv_data_length(conn->session);
    bool tight = used > 0 && (size_t)used > window / 4 * 3;

    conn->owed += (uint32_t)bytes;
    if (conn->broken || conn->owed < (tight ? OWED_MIN : window / 8))
        return;
    /* Without memory it stays owed. */
    if (nghttp2_submit_window_update(conn->session, NGHTTP2_FLAG_NONE, 0, (int32_t)conn->owed) == 0)
        conn->owed = 0;
}

static void give_window(struct h2_stream *stream, size_t bytes)
{
    struct h2_conn *conn = h2_conn_of(stream);

    if (conn->broken || bytes == 0)
        return;
    h2_give_window(conn, bytes);
    if (nghttp2_session_consume_stream(conn->session, stream->id, bytes) != 0) {
        struct error err;

        error_set(&err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a window");
        h2_break(conn, &err);
    }
    if (nghttp2_session_want_write(conn->session))
        h2_wake_self(conn);
}

/* Who has read twice its window, and keeps up, gets a larger one: over a long way the window, not the line, would say
 * how fast a body comes. What may lie here unread is still bounded by the window of all. */
static void widen(struct h2_stream *stream)
{
    struct h2_conn *conn = h2_conn_of(stream);
    uint32_t wide = h2_wide_window(conn->rules);

    if (stream->wide || !stream->live || conn->broken || stream->in.size > 0 ||
        stream->base.bytes_in / 2 < conn->rules->stream_window)
        return;
    stream->wide = true;
    if (wide > conn->rules->stream_window) /* without memory it stays as it is */
        (void)nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, stream->id, (int32_t)wide);
}

static size_t copy(struct h2_stream *stream, struct chain *into, size_t size)
{
    size_t left = size;

    while (left > 0) {
        struct str front = str_first(chain_front(&stream->in), left);

        if (!chain_append(into, h2_blocks(h2_conn_of(stream)), front))
            break;
        chain_drop(&stream->in, front.len);
        left -= front.len;
    }
    return size - left;
}

/* Small pieces are copied, so that they do not pin a large buffer. */
static enum io take(struct h2_stream *stream, struct chain *into, size_t size_max, struct error *err)
{
    size_t size = size_min(size_max, stream->in.size);
    size_t moved =
        size <= COPY_BYTES_MAX && into->size > 0 ? copy(stream, into, size) : chain_move(into, &stream->in, size);

    give_window(stream, moved);
    widen(stream);
    if (moved > 0)
        return IO_OK;
    error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a body");
    return IO_FAIL;
}

static enum io await(struct h2_stream *stream)
{
    stream->receive_waits = true;
    pace_wait(&stream->coming, h2_now(h2_conn_of(stream)));
    h2_send_continue(stream);
    h2_stream_clock(stream);
    return IO_WAIT;
}

/* The server role has no use for the rest of a request that cannot be answered any more. In the client role what came
 * of an answer is the user's, whatever became of the stream since. */
static bool is_lost(const struct h2_stream *stream)
{
    const struct h2_conn *conn = h2_conn_of(stream);

    if (stream->receive_failed)
        return true;
    if (h2_is_client(conn))
        return stream->in.size == 0 && !stream->ended && (conn->broken || !stream->live || stream->reset_by_us);
    return conn->broken || stream->failed || stream->reset_by_peer || (!stream->live && !stream->ended);
}

enum io h2_recv_body(struct http_stream *base, struct chain *into, size_t size_max, struct error *err)
{
    struct h2_stream *stream = h2_of_stream(base);

    ASSERT(stream->open);
    ASSERT(stream->head_taken);
    ASSERT(size_max > 0);
    if (is_lost(stream))
        return h2_stream_fail(stream, err);
    if (stream->asked && !stream->switched && !h2_is_client(h2_conn_of(stream)))
        return IO_END; /* a request to switch has no body */
    if (stream->in.size > 0)
        return take(stream, into, size_max, err);
    if (stream->ended)
        return IO_END;
    return stream->reset_by_us ? h2_stream_fail(stream, err) : await(stream);
}
