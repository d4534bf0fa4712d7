/* stream.c: birth and death of a stream, and what both directions need of it. It has two holders, nghttp2 and a user;
 * whoever lets go last frees it. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"

#include <stdlib.h>

struct h2_stream *h2_stream_new(struct h2_conn *conn, int32_t id)
{
    struct h2_stream *stream = pieces_take(loop_pieces(conn->base.loop), sizeof(*stream));
    struct pace_limit coming = h2_coming_limit(conn), leaving = h2_leaving_limit(conn);

    if (!stream)
        return NULL;
    *stream = (struct h2_stream){
        .base = {.conn = &conn->base},
        .id = id,
        .live = true,
        .begun_ns = h2_now(conn),
        .clock = {.run = h2_stream_run},
        .timer = {.at_ns = TIMER_OFF, .task = &stream->clock},
    };
    pace_begin(&stream->coming, &coming);
    pace_begin(&stream->leaving, &leaving);
    list_push_back(&conn->streams, &stream->node);
    return stream;
}

void h2_set_send_waits(struct h2_stream *stream, bool waits)
{
    struct h2_conn *conn = h2_conn_of(stream);

    if (stream->send_waits == waits)
        return;
    stream->send_waits = waits;
    if (waits) {
        conn->blocked++;
        return;
    }
    /* Those that wait may be accepted. */
    if (conn->blocked-- == H2_BLOCKED_MAX)
        h2_offer_waiting(conn);
}

/* What was not read is given back to the window. */
static void drop_in(struct h2_stream *stream)
{
    struct h2_conn *conn = h2_conn_of(stream);

    if (stream->in.size > 0)
        h2_give_window(conn, stream->in.size);
    chain_clear(&stream->in);
}

static void drop_out(struct h2_stream *stream)
{
    h2_conn_of(stream)->queued -= stream->out.size;
    chain_clear(&stream->out);
}

void h2_stream_leave(struct h2_stream *stream)
{
    ASSERT(stream->open);
    stream->open = stream->receive_waits = false;
    stream->base.owner = NULL;
    h2_conn_of(stream)->open--;
    h2_set_send_waits(stream, false);
    drop_in(stream);
}

static void leave_waiting(struct h2_stream *stream)
{
    if (list_holds(&stream->waits))
        list_remove(&h2_conn_of(stream)->waiting, &stream->waits);
}

void h2_stream_release(struct h2_stream *stream)
{
    struct h2_conn *conn = h2_conn_of(stream);

    if (stream->live || stream->open)
        return;
    if (conn->recent == stream)
        conn->recent = NULL;
    leave_waiting(stream);
    h2_set_send_waits(stream, false);
    drop_in(stream);
    drop_out(stream);
    chain_clear(&stream->tail_out);
    h2_head_clear(stream);
    h2_client_leave(stream);
    free(stream->switching);
    timer_clear(conn->base.loop, &stream->timer);
    task_forget(conn->base.loop, &stream->clock);
    list_remove(&conn->streams, &stream->node);
    pieces_give(loop_pieces(conn->base.loop), stream);
    conn->last_used_ns = h2_now(conn);
    if (list_is_empty(&conn->streams))
        h2_wake_self(conn);
}

/* nghttp2 may have frames of it still: they find nobody. */
void h2_stream_gone(struct h2_stream *stream)
{
    struct h2_conn *conn = h2_conn_of(stream);

    if (stream->live)
        (void)nghttp2_session_set_stream_user_data(conn->session, stream->id, NULL);
    if (conn->recent == stream)
        conn->recent = NULL;
    stream->live = false;
    h2_client_leave(stream);
    drop_out(stream);
    if (stream->send != H2_SEND_END || !stream->end_sent)
        stream->send = H2_SEND_FAILED;
    h2_set_send_waits(stream, false);
    if (stream->send == H2_SEND_FAILED || !stream->ended)
        h2_wake_user(stream);
    leave_waiting(stream);
    h2_stream_release(stream);
}

void h2_stream_reset(struct h2_stream *stream, uint32_t error)
{
    struct h2_conn *conn = h2_conn_of(stream);

    if (!stream->live || stream->reset_by_us || conn->broken)
        return;
    stream->reset_by_us = true;
    h2_expect_strays(conn);
    drop_out(stream);
    if (stream->send != H2_SEND_END || !stream->end_sent)
        stream->send = H2_SEND_FAILED;
    if (nghttp2_submit_rst_stream(conn->session, NGHTTP2_FLAG_NONE, stream->id, error) != 0) {
        struct error err;

        error_set(&err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to reset a stream");
        h2_break(conn, &err);
    }
    h2_wake_self(conn);
}

enum io h2_stream_fail(const struct h2_stream *stream, struct error *err)
{
    const struct h2_conn *conn = h2_conn_of(stream);

    if (h2_is_client(conn))
        return h2_client_fail(stream, err);
    if (stream->reset_by_peer)
        error_set(err, FAULT_CLIENT, ERROR_RESET, "the client reset the stream (%s)", h2_error_name(stream->error));
    else if (stream->write_failed)
        error_set(err, FAULT_CLIENT, ERROR_WRITE_TIMEOUT, "the response was not taken in time");
    else if (stream->failed)
        error_set(err, FAULT_CLIENT, ERROR_BODY_TIMEOUT, "the body did not come in time");
    else if (conn->failure)
        *err = *conn->failure;
    else if (!stream->live && stream->error != NGHTTP2_NO_ERROR)
        error_set(err, FAULT_CLIENT, ERROR_BODY_INCOMPLETE, "the stream was ended by an error (%s)",
                  h2_error_name(stream->error));
    else
        error_set(err, FAULT_CLIENT, ERROR_CLOSED, "the message was broken off");
    return IO_FAIL;
}
