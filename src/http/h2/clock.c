/* clock.c: the clocks of a connection and of its streams. What is up is worked out anew when a timer fires.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"

struct pace_limit h2_coming_limit(const struct h2_conn *conn)
{
    return (struct pace_limit){.gap_ns = conn->options->body_gap_ns, .rate = conn->options->body_rate};
}

struct pace_limit h2_leaving_limit(const struct h2_conn *conn)
{
    return (struct pace_limit){.gap_ns = conn->options->send_gap_ns, .rate = conn->options->send_rate};
}

/* The rate is that of the connection: its streams that wait share it. What lasts may be slow. */
struct pace_limit h2_stream_leaving_limit(const struct h2_stream *stream)
{
    const struct h2_conn *conn = h2_conn_of(stream);
    struct pace_limit limit = h2_leaving_limit(conn);

    if (stream->base.lasting)
        limit.rate = 0;
    else if (conn->blocked > 1)
        limit.rate /= conn->blocked;
    return limit;
}

static uint64_t leaving_deadline(const struct h2_conn *conn)
{
    struct pace_limit limit = h2_leaving_limit(conn);

    return conn->out.size > 0 ? pace_deadline(&conn->leaving, &limit) : TIMER_OFF;
}

/* END_HEADERS stands in front of the block's last bytes: they may be slow too. */
bool h2_is_in_block(const struct h2_conn *conn)
{
    return conn->block_ns > 0 && (!conn->block_ends || conn->framer.skip > 0);
}

static uint64_t head_deadline(const struct h2_conn *conn)
{
    if (!conn->met)
        return timer_end_ns(conn->base.opened_ns, conn->options->head_timeout_ns);
    if (!h2_is_in_block(conn))
        return TIMER_OFF;
    return u64_min(timer_end_ns(conn->block_ns, conn->options->head_timeout_ns),
                   pace_since(conn->block_ns, conn->bytes_in - conn->block_from, conn->options->head_rate));
}

static uint64_t idle_deadline(const struct h2_conn *conn)
{
    return list_is_empty(&conn->streams) ? timer_end_ns(conn->last_used_ns, conn->options->idle_timeout_ns) : TIMER_OFF;
}

static uint64_t live_deadline(const struct h2_conn *conn)
{
    uint64_t at_ns = u64_min(leaving_deadline(conn), head_deadline(conn));

    if (conn->drain_ns > 0)
        at_ns = u64_min(at_ns, conn->drain_ns);
    if (conn->held_ns > 0)
        at_ns = u64_min(at_ns, conn->held_ns);
    return conn->drained ? at_ns : u64_min(at_ns, idle_deadline(conn));
}

static uint64_t deadline(const struct h2_conn *conn)
{
    switch ((enum h2_phase)conn->phase) {
    case H2_LIVE:
        return live_deadline(conn);
    case H2_FINISH:
        return conn->condemned || conn->ended ? conn->until_ns : leaving_deadline(conn);
    case H2_LINGER:
        return conn->until_ns;
    case H2_OVER:
        break;
    }
    return TIMER_OFF;
}

/* Waiting with bytes of ours, a peer takes nothing. */
static void break_slow_reader(struct h2_conn *conn)
{
    struct error err;

    error_set(&err, FAULT_CLIENT, ERROR_WRITE_TIMEOUT, "the response was not taken in time");
    h2_note_end(conn, HTTP_END_WRITE_TIMEOUT);
    h2_break(conn, &err);
}

static void expire_live(struct h2_conn *conn, uint64_t now_ns)
{
    if (now_ns >= leaving_deadline(conn))
        break_slow_reader(conn);
    else if (now_ns >= head_deadline(conn))
        h2_give_up_head(conn);
    else if (!conn->drained && now_ns >= idle_deadline(conn))
        (void)h2_end_idle(conn, HTTP_END_IDLE);
}

void h2_expire(struct h2_conn *conn)
{
    uint64_t now_ns = h2_now(conn);

    if (conn->broken || now_ns < deadline(conn))
        return;
    if (conn->held_ns > 0 && now_ns >= conn->held_ns)
        h2_offer_waiting(conn);
    switch ((enum h2_phase)conn->phase) {
    case H2_LIVE:
        expire_live(conn, now_ns);
        return;
    case H2_FINISH:
    case H2_LINGER:
        h2_enter(conn, H2_OVER);
        return;
    case H2_OVER:
        return;
    }
}

/* A clock that is not needed any more is left to run out, as setting it later costs nothing. */
void h2_set_clock(struct h2_conn *conn)
{
    uint64_t at_ns = conn->broken ? TIMER_OFF : deadline(conn);

    if (at_ns != TIMER_OFF && at_ns != conn->timer.at_ns)
        timer_set(conn->base.loop, &conn->timer, at_ns);
}

static uint64_t receive_deadline(const struct h2_stream *stream)
{
    const struct h2_conn *conn = h2_conn_of(stream);
    struct pace_limit limit = h2_coming_limit(conn);

    if (!stream->open || stream->ended || stream->failed || stream->asked)
        return TIMER_OFF;
    return u64_min(timer_end_ns(stream->begun_ns, conn->options->read_timeout_ns),
                   pace_deadline(&stream->coming, &limit));
}

static uint64_t send_deadline(const struct h2_stream *stream)
{
    const struct h2_conn *conn = h2_conn_of(stream);
    struct pace_limit limit = h2_stream_leaving_limit(stream);
    uint64_t at_ns;

    /* One that was reset may have to wait until RST_STREAM finds room. */
    if (stream->end_sent || !stream->offered || stream->reset_by_us)
        return TIMER_OFF;
    at_ns = pace_deadline(&stream->leaving, &limit);
    if (stream->base.lasting)
        return at_ns;
    return u64_min(at_ns, timer_end_ns(stream->head_end_ns, conn->options->write_timeout_ns));
}

void h2_stream_clock(struct h2_stream *stream)
{
    struct h2_conn *conn = h2_conn_of(stream);
    uint64_t at_ns;

    if (!stream->live)
        return;
    if (stream->out.size > 0)
        pace_wait(&stream->leaving, h2_now(conn));
    at_ns = u64_min(receive_deadline(stream), send_deadline(stream));
    if (at_ns != TIMER_OFF && at_ns != stream->timer.at_ns)
        timer_set(conn->base.loop, &stream->timer, at_ns);
}

/* Its own window is shut, or that of all. When only its turn has not come, it is not the peer's doing. */
static bool is_held_by_peer(const struct h2_stream *stream)
{
    nghttp2_session *session = h2_conn_of(stream)->session;

    return nghttp2_session_get_stream_remote_window_size(session, stream->id) <= 0 ||
           nghttp2_session_get_remote_window_size(session) <= 0;
}

static void expire_send(struct h2_stream *stream, uint64_t now_ns)
{
    const struct h2_conn *conn = h2_conn_of(stream);
    bool in_time = stream->base.lasting || now_ns < timer_end_ns(stream->head_end_ns, conn->options->write_timeout_ns);
    struct pace_limit limit = h2_stream_leaving_limit(stream);

    if (in_time && !is_held_by_peer(stream)) {
        pace_begin(&stream->leaving, &limit);
        pace_wait(&stream->leaving, now_ns);
        return;
    }
    stream->write_failed = true;
    h2_stream_reset(stream, NGHTTP2_CANCEL);
    h2_wake_user(stream);
}

void h2_stream_run(struct task *task)
{
    struct h2_stream *stream = container_of(task, struct h2_stream, clock);
    struct h2_conn *conn = h2_conn_of(stream);
    uint64_t now_ns = h2_now(conn);

    if (!stream->timer.fired || !stream->live || conn->broken)
        return;
    timer_clear(conn->base.loop, &stream->timer);
    if (now_ns >= send_deadline(stream)) {
        expire_send(stream, now_ns);
    } else if (now_ns >= receive_deadline(stream)) {
        stream->failed = true;
        h2_wake_user(stream);
    }
    h2_stream_clock(stream);
}
