/* clock.c: the server role's clocks. One timer serves them all: it is set for the earliest, and what is up is worked
 * out anew when it fires. SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/h1_internal.h"

#define MS UINT64_C(1000000)
/* Two round trips of more than that are no distance: the path stands still, and no longer wait would help. No setting:
 * nobody is as far away. */
#define GRACE_MAX_NS UINT64_C(10000000000)

struct pace_limit h1_coming_limit(const struct h1_conn *conn)
{
    return (struct pace_limit){.gap_ns = h1_options(conn)->body_gap_ns, .rate = h1_options(conn)->body_rate};
}

struct pace_limit h1_leaving_limit(const struct h1_conn *conn)
{
    return (struct pace_limit){.gap_ns = h1_options(conn)->send_gap_ns, .rate = h1_options(conn)->send_rate};
}

void h1_server_got_body(struct h1_conn *conn, size_t bytes)
{
    struct pace_limit limit = h1_coming_limit(conn);

    if (bytes > 0 || conn->message->coming.since_ns > 0)
        pace_move(&conn->message->coming, &limit, bytes, h1_now(conn));
}

static uint64_t write_deadline(const struct h1_conn *conn)
{
    struct pace_limit limit = h1_leaving_limit(conn);
    uint64_t at_ns = TIMER_OFF;

    if (!conn->message->stream.lasting)
        at_ns = timer_end_ns(conn->message->head_end_ns, h1_options(conn)->write_timeout_ns);

    return h1_has_unsent(conn) ? u64_min(at_ns, pace_deadline(&conn->message->leaving, &limit)) : at_ns;
}

static bool is_first(const struct h1_conn *conn)
{
    return conn->messages == 0 && h1_options(conn)->head_timeout_ns > 0;
}

/* For the first byte of a request. The first request of all has until the end of its head, from accept on. */
static uint64_t idle_deadline(const struct h1_conn *conn)
{
    const struct h1_server *server = h1_server_of_const(conn);
    uint64_t wait_ns = conn->messages > 0 ? server->wait_ms * MS : server->options->idle_timeout_ns;
    uint64_t grace_ns = server->options->idle_grace_ns;

    if (is_first(conn))
        return timer_end_ns(conn->base.opened_ns, server->options->head_timeout_ns);
    if (wait_ns == 0)
        return TIMER_OFF;
    if (grace_ns > 0 && server->grace_ms * MS > grace_ns)
        grace_ns = server->grace_ms * MS;
    return timer_end_ns(conn->last_used_ns, wait_ns + grace_ns);
}

uint64_t h1_late_ns(const struct h1_conn *conn)
{
    uint32_t wait_ms = h1_is_server(conn) ? h1_server_of_const(conn)->wait_ms : 0;
    uint64_t until_ns = conn->last_used_ns + wait_ms * MS;

    if (!conn->raced || conn->end != HTTP_END_IDLE || wait_ms == 0)
        return 0;
    return conn->message->since_ns > until_ns ? conn->message->since_ns - until_ns : 0;
}

static uint64_t head_deadline(const struct h1_conn *conn)
{
    uint64_t since_ns = conn->messages == 0 ? conn->base.opened_ns : conn->message->since_ns;
    uint64_t at_ns = u64_min(timer_end_ns(since_ns, h1_options(conn)->head_timeout_ns),
                             timer_end_ns(conn->message->since_ns, h1_options(conn)->read_timeout_ns));

    return u64_min(at_ns, pace_since(conn->message->since_ns, conn->message->in.size, h1_options(conn)->head_rate));
}

static uint64_t body_deadline(const struct h1_conn *conn)
{
    struct pace_limit limit = h1_coming_limit(conn);

    return u64_min(timer_end_ns(conn->message->since_ns, h1_options(conn)->read_timeout_ns),
                   pace_deadline(&conn->message->coming, &limit));
}

static uint64_t waiting_deadline(const struct h1_conn *conn)
{
    if (conn->message->since_ns > 0)
        return head_deadline(conn);
    return conn->message->out.size > 0 ? write_deadline(conn) : idle_deadline(conn);
}

static uint64_t serving_deadline(const struct h1_conn *conn)
{
    uint64_t at_ns = TIMER_OFF;

    if (h1_is_in_body(conn) && !conn->tunnel)
        at_ns = body_deadline(conn);
    if (conn->send != H1_SEND_END || conn->message->out.size > 0)
        at_ns = u64_min(at_ns, write_deadline(conn));
    return at_ns;
}

uint64_t h1_server_deadline(const struct h1_conn *conn)
{
    if (conn->broken)
        return TIMER_OFF;
    switch ((enum h1_phase)conn->phase) {
    case H1_LIVE:
        return h1_is_waiting(conn) ? waiting_deadline(conn) : serving_deadline(conn);
    case H1_FINISH:
        return write_deadline(conn);
    case H1_SKIP:
    case H1_LINGER:
        return h1_server_of_const(conn)->until_ns;
    case H1_OVER:
        return TIMER_OFF;
    }
    return TIMER_OFF;
}

static void break_slow_writer(struct h1_conn *conn)
{
    struct error err;

    error_set(&err, FAULT_CLIENT, ERROR_WRITE_TIMEOUT, "the response was not taken in time");
    h1_note_end(conn, HTTP_END_WRITE_TIMEOUT);
    h1_set_unfit(conn, HTTP_UNFIT_TIMEOUT);
    conn->close_by_reset = true;
    h1_break(conn, &err);
}

static void fail_slow_body(struct h1_conn *conn)
{
    struct error err;

    error_set(&err, FAULT_CLIENT, ERROR_BODY_TIMEOUT, "the body did not come in time");
    h1_note_end(conn, HTTP_END_BODY_TIMEOUT);
    h1_set_unfit(conn, HTTP_UNFIT_TIMEOUT);
    h1_fail_receive(conn, &err);
    h1_wake_stream(conn);
}

/* Before the first idle close of a conn the kernel tells how far the client is: who is far away needs longer to use
 * what it was promised. */
static bool deserves_more(struct h1_conn *conn)
{
    struct h1_server *server = h1_server_of(conn);
    struct tcp_facts facts;

    if (server->options->idle_grace_ns == 0 || server->grace_ms > 0 || is_first(conn) ||
        !stream_facts(conn->base.stream, &facts))
        return false;
    server->grace_ms = (uint32_t)((facts.rtt_ns < GRACE_MAX_NS / 2 ? 2 * facts.rtt_ns : GRACE_MAX_NS) / MS + 1);
    return h1_now(conn) < idle_deadline(conn);
}

/* A part of a head is answered (408); silence is not, since nothing was asked (RFC 9110 15.5.9). */
static void expire_waiting(struct h1_conn *conn)
{
    if (conn->message->out.size > 0 && conn->message->since_ns == 0)
        break_slow_writer(conn);
    else if (conn->message->in.size > 0)
        h1_server_refuse(conn, ERROR_HEAD_TIMEOUT);
    else if (!deserves_more(conn))
        (void)h1_server_end_idle(conn, is_first(conn) ? HTTP_END_HEAD_TIMEOUT : HTTP_END_IDLE);
}

static void expire_serving(struct h1_conn *conn, uint64_t now_ns)
{
    if ((conn->send != H1_SEND_END || conn->message->out.size > 0) && now_ns >= write_deadline(conn))
        break_slow_writer(conn);
    else
        fail_slow_body(conn);
}

void h1_server_expire(struct h1_conn *conn)
{
    uint64_t now_ns = h1_now(conn);

    if (!h1_is_server(conn) || now_ns < h1_server_deadline(conn))
        return;
    switch ((enum h1_phase)conn->phase) {
    case H1_LIVE:
        if (h1_is_waiting(conn))
            expire_waiting(conn);
        else
            expire_serving(conn, now_ns);
        return;
    case H1_SKIP:
        h1_note_end(conn, HTTP_END_UNREAD);
        h1_server_enter(conn, H1_FINISH);
        return;
    case H1_FINISH:
        break_slow_writer(conn);
        return;
    case H1_LINGER:
        h1_server_enter(conn, H1_OVER);
        return;
    case H1_OVER:
        return;
    }
}
