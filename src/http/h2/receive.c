/* receive.c: heads, bodies and trailers to the user. What the user takes is given back to the peer's window, so that no
 * more can come than somebody reads. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"

enum { COPY_BYTES_MAX = 4096 };

static enum io head_failed(struct h2_stream *stream, struct error *err)
{
    enum error_code code = (enum error_code)stream->head_fault;

    if (code != ERROR_NONE)
        error_set(err, code == ERROR_OUT_OF_MEMORY ? FAULT_SYSTEM : FAULT_CLIENT, code, "%s",
                  code == ERROR_OUT_OF_MEMORY ? "no memory for a head" : "the head is too large");
    else if (err->fault == FAULT_CLIENT)
        h2_glitch(h2_conn_of(stream), H2_GLITCH_BAD_STREAM);
    stream->receive_failed = true;
    return IO_FAIL;
}

static enum io take_request(struct h2_stream *stream, struct arena *arena, struct http_head **head, struct error *err)
{
    stream->head_taken = true;
    if (stream->head_fault != ERROR_NONE || h2_head_request(stream, arena, head, err) != IO_OK)
        return head_failed(stream, err);
    stream->head_only = str_eq((*head)->method, STR("HEAD"));
    stream->expects = (*head)->expect_continue && !stream->no_body;
    return IO_OK;
}

enum io h2_recv_head(struct http_stream *base, struct arena *arena, struct http_head **head, struct error *err)
{
    struct h2_stream *stream = h2_of_stream(base);

    ASSERT(stream->open);
    if (!stream->head_taken)
        return take_request(stream, arena, head, err);
    if (stream->receive_failed || (!stream->live && !stream->ended))
        return h2_stream_fail(stream, err);
    ASSERT(stream->ended);
    if (!stream->trailers)
        return IO_END;
    stream->trailers = false;
    if (h2_head_trailers(stream, arena, head, err) == IO_OK)
        return IO_OK;
    return head_failed(stream, err);
}

static void give_window(struct h2_stream *stream, size_t bytes)
{
    struct h2_conn *conn = h2_conn_of(stream);

    if (conn->broken || bytes == 0)
        return;
    if (nghttp2_session_consume(conn->session, stream->id, bytes) != 0) {
        struct error err;

        error_set(&err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a window");
        h2_break(conn, &err);
    }
    if (nghttp2_session_want_write(conn->session))
        h2_wake_self(conn);
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

enum io h2_recv_body(struct http_stream *base, struct chain *into, size_t size_max, struct error *err)
{
    struct h2_stream *stream = h2_of_stream(base);
    struct h2_conn *conn = h2_conn_of(stream);

    ASSERT(stream->open);
    ASSERT(stream->head_taken);
    ASSERT(size_max > 0);
    if (conn->broken || stream->receive_failed || stream->failed || stream->reset_by_peer ||
        (!stream->live && !stream->ended))
        return h2_stream_fail(stream, err);
    if (stream->in.size > 0)
        return take(stream, into, size_max, err);
    if (stream->ended)
        return IO_END;
    return stream->reset_by_us ? h2_stream_fail(stream, err) : await(stream);
}
